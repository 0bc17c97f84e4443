"""The programs of a chip, from their sources or from object files, up to the point where a placement is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ixp_emu.assembler import Location, ParsedProgram, Program, StructureDeclaration, assemble, link, parse, read_elf
from ixp_emu.errors import InputError

__all__ = ["OBJECT_SUFFIX", "UnplacedProgram", "load_program_source", "service_source"]

OBJECT_SUFFIX = ".elf"
"""How the name of a program's source ends when it is an object file."""


@dataclass(frozen=True, eq=False)
class UnplacedProgram:
    """A program that waits for its structures' locations.

    Attributes:
        program: parsed text, or an object.
        defines: what was defined for the whole chip and for this program; import variables take their values from it.
    """

    program: ParsedProgram | Program
    defines: Mapping[str, int | str]

    @property
    def structures(self) -> tuple[StructureDeclaration, ...]:
        """What the program declares, in order."""
        return self.program.structures if isinstance(self.program, ParsedProgram) else tuple(self.program.declared)

    def placed(self, locations: Mapping[str, Location]) -> Program:
        """The program for these locations of all its structures. Raises InputError."""
        imports = {name: value for name, value in self.defines.items() if isinstance(value, int)}
        if isinstance(self.program, ParsedProgram):
            return link(assemble(self.program, locations=locations), locations=locations, import_vars=imports)
        return link(self.program, locations=locations, import_vars=imports)


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
    if text is not None:
        return UnplacedProgram(parse(text, defines=defines, include_dirs=["builtin:"], name=name), defines)
    if source.endswith(OBJECT_SUFFIX):
        program = read_elf(source)
        _check_defines(program, source, chip_defines, own_defines)
        return UnplacedProgram(replace(program, name=name), defines)
    path = source if source.startswith("builtin:") else Path(source)
    return UnplacedProgram(parse(path, defines=defines, include_dirs=["builtin:"], name=name), defines)


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
    origin = read_elf(source).source
    return origin if origin.startswith("builtin:") else source
