"""The programs of a chip, from their sources or from object files, up to the point where a placement is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ixp_emu.assembler.linking import link
from ixp_emu.assembler.program import Program
from ixp_emu.assembler.structures import Location, StructureDeclaration
from ixp_emu.cluster.program_cache import find_program, find_source, keep_program, keep_source
from ixp_emu.errors import InputError

if TYPE_CHECKING:
    from ixp_emu.assembler import ParsedProgram

__all__ = ["OBJECT_SUFFIX", "UnplacedProgram", "load_program_source", "service_source"]

OBJECT_SUFFIX = ".elf"
"""How the name of a program's source ends when it is an object file."""
_INCLUDE_DIRS = ("builtin:",)


@dataclass(frozen=True, eq=False)
class UnplacedProgram:
    """A program that waits for its structures' locations.

    Attributes:
        structures: what the program declares, in order.
        defines: what was defined for the whole chip and for this program; import variables take their values from it.
        assembled: the program for these locations of all its structures, not yet linked.
    """

    structures: tuple[StructureDeclaration, ...]
    defines: Mapping[str, int | str]
    assembled: Callable[[Mapping[str, Location]], Program]

    def placed(self, locations: Mapping[str, Location]) -> Program:
        """The program for these locations of all its structures. Raises InputError."""
        imports = {name: value for name, value in self.defines.items() if isinstance(value, int)}
        return link(self.assembled(locations), locations=locations, import_vars=imports)


def load_program_source(
    source: str,
    *,
    name: str,
    chip_defines: Mapping[str, int | str],
    own_defines: Mapping[str, int | str],
    text: str | None = None,
) -> UnplacedProgram:
    """Reads a program.

    Parameters:
        source: as in the configuration: a source file, a ``builtin:`` name, or an object file (``.elf``).
        name: the program's name in the configuration.
        chip_defines: what every program of the chip is told.
        own_defines: what the configuration defines for this program.
        text: the program itself, where an extension makes it; ``source`` is then not read.

    Raises:
        InputError: whatever is wrong in the file; an object that was assembled for other values.
    """
    defines = {**chip_defines, **own_defines}
    if text is None and source.endswith(OBJECT_SUFFIX):
        from ixp_emu.assembler import read_elf

        program = replace(read_elf(source), name=name)
        _check_defines(program, source, chip_defines, own_defines)
        return UnplacedProgram(tuple(program.declared), defines, lambda locations: program)
    return _load_text(source, name=name, defines=defines, text=text)


def _load_text(source: str, *, name: str, defines: Mapping[str, int | str], text: str | None) -> UnplacedProgram:
    """A program from source text, parsed and assembled only if it is not known."""
    identity = repr((source if text is None else "", text, name, sorted(defines.items()), _INCLUDE_DIRS))

    @cache
    def parsed() -> ParsedProgram:
        from ixp_emu.assembler import parse

        what = text if text is not None else source if source.startswith("builtin:") else Path(source)
        return parse(what, defines=defines, include_dirs=_INCLUDE_DIRS, name=name)

    known = find_source(identity)
    if known is None:
        files = {file: content for file, content in parsed().sources.items() if text is None or file != name}
        known = keep_source(identity, files=files, absent=parsed().absent, structures=parsed().structures)

    def assembled(locations: Mapping[str, Location]) -> Program:
        program = find_program(identity, known, locations)
        if program is None:
            from ixp_emu.assembler import assemble

            program = assemble(parsed(), locations=locations)
            keep_program(identity, known, locations, program)
        return program

    return UnplacedProgram(known.structures, defines, assembled)


def _check_defines(
    program: Program, source: str, chip_defines: Mapping[str, int | str], own_defines: Mapping[str, int | str]
) -> None:
    """An object's code has its defines in it: they must be what the cluster defines now."""
    imports = {item.symbol.removeprefix("i$") for item in program.references.values() if item.is_import}
    for name, value in {**chip_defines, **own_defines}.items():
        assembled = program.defines.get(name)
        if name.lower() in imports or _same(assembled, value):
            continue
        if assembled is not None:
            raise InputError(f"assembled with {name}={assembled}, the cluster says {value}", file=source)
        if name in own_defines:
            raise InputError(f"assembled without {name}, the cluster says {value}", file=source)


def _same(assembled: str | None, value: int | str) -> bool:
    """Whether a define had this value; numbers may be spelled differently."""
    if assembled is None or isinstance(value, str):
        return assembled == value
    try:
        return int(assembled, 0) == value
    except ValueError:
        return False


def service_source(source: str) -> str:
    """The file beside which a program's service is looked for.

    An object's service stands beside the object; the service of a builtin program is found wherever the object is.
    """
    if not source.endswith(OBJECT_SUFFIX) or Path(source).with_name("service.py").is_file():
        return source
    from ixp_emu.assembler import read_elf

    origin = read_elf(source).source
    return origin if origin.startswith("builtin:") else source
