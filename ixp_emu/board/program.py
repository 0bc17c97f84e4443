"""What can be loaded into a microengine: source text or files, programs, words, images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ixp_emu.assembler import CONTROL_STORE_WORDS, Location, Program
from ixp_emu.errors import InputError

__all__ = ["Loadable", "as_program", "assemble"]

Loadable = Program | str | Path | Sequence[int]
"""A program; source text or the path of a source, object or raw image; 40-bit words."""

_LAST_WORD = (1 << 40) - 1
_SOURCE = ".uc"


def assemble(
    source: str | Path,
    *,
    defines: Mapping[str, object] | None = None,
    include_dirs: Sequence[str | Path] = (),
    locations: Mapping[str, Location] | None = None,
    import_vars: Mapping[str, int] | None = None,
    contexts: int | None = None,
    name: str | None = None,
) -> Program:
    """A program from its source: ``parse`` and ``assemble`` of the assembler in one.

    Parameters:
        source: text, recognised by its line breaks, or a file.
        defines: names to define.
        include_dirs: where ``#include`` looks.
        locations: memory and address of every structure the program declares.
        import_vars: values of what it imports with ``.import_var``.
        contexts: 4 or 8; by default what the program says.

    Raises:
        InputError: with every error found, up to 20.
    """
    from ixp_emu.assembler import assemble as assemble_parsed
    from ixp_emu.assembler import parse

    parsed = parse(source, defines=defines, include_dirs=include_dirs, name=name)
    return assemble_parsed(parsed, locations=locations or {}, import_vars=import_vars or {}, contexts=contexts)


def as_program(
    source: Loadable, *, locations: Mapping[str, Location] | None = None, contexts: int | None = None
) -> Program:
    """The program that a loadable thing is.

    Parameters:
        locations, contexts: see :func:`assemble`; for source.

    Raises:
        InputError: it is none, or does not fit the control store.
    """
    if isinstance(source, Program):
        program = source
    elif isinstance(source, str | Path):
        text = str(source)
        if "\n" in text or text.endswith(_SOURCE):
            return assemble(source, locations=locations, contexts=contexts)
        program = _image(Path(source))
    else:
        program = Program("words", list(source))
    for address, word in enumerate(program.words):
        if not isinstance(word, int) or not 0 <= word <= _LAST_WORD:
            raise InputError(f"word {address} is {word!r}: must be 0..{_LAST_WORD:#x}", key=program.name)
    if not program.words:
        raise InputError("the program has no words", key=program.name)
    if len(program.words) > CONTROL_STORE_WORDS:
        raise InputError(f"{len(program.words)} words: the control store has {CONTROL_STORE_WORDS}", key=program.name)
    return program


def _image(path: Path) -> Program:
    """An object of the assembler, or a raw image of 5 bytes a word."""
    from ixp_emu.assembler import read_elf, read_raw

    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    return read_elf(path) if magic == b"\x7fELF" else Program(path.name, read_raw(path))
