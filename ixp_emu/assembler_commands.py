"""The commands ``ixpemu asm`` and ``ixpemu disasm``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from ixp_emu.errors import InputError
from ixp_emu.output_files import check_writable, writing

if TYPE_CHECKING:
    from ixp_emu.assembler import Location, ParsedProgram, Program, StructureDeclaration

__all__ = ["asm", "disasm"]

_BUILTIN = "builtin:"
_SHOWN_WARNINGS = 20
_SYMBOL = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# Names that a run defines for every program of a chip: docs/assembler.md, "Preprocessor".
_DEFINED_BY_A_RUN = re.compile(r"\b(?:ENGINES_[A-Z0-9_]+|PORTS|MSF_ELEMENT_BYTES|MSF_TBUF_BYTES)\b")
_NO_CONSTANT = re.compile(r"'([A-Z][A-Z0-9_]*)' is not a constant")


# --- asm ------------------------------------------------------------------------------------------------------------


def asm(
    file: Annotated[str, typer.Argument(metavar="FILE.uc", help="The program; builtin:NAME is an installed one.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", metavar="FILE", help="Write an object file; FILE.elf here when no output at all is asked for."
        ),
    ] = None,
    raw: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the words alone, 5 bytes each.")] = None,
    listing: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write words, instructions and source side by side.")
    ] = None,
    define: Annotated[
        list[str] | None,
        typer.Option("-D", metavar="NAME[=TEXT]", help="Define a name, as 1 if no text is given; may be repeated."),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option("-I", metavar="FOLDER", help="Look for included files there too; may be repeated."),
    ] = None,
    place: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=MEMORY[:ADDRESS]",
            help="Memory of a structure; without an address it is left to the loader. May be repeated.",
        ),
    ] = None,
    import_: Annotated[
        list[str] | None,
        typer.Option(
            "--import",
            metavar="NAME=VALUE",
            help="Value of an import variable; without it, left to the loader. May be repeated.",
        ),
    ] = None,
    fill_defer: Annotated[bool, typer.Option("-O", help="Fill the defer slots of branches and swaps.")] = False,
    mend_banks: Annotated[bool, typer.Option("-Of", help="Mend bank conflicts with moves.")] = False,
) -> None:
    """Assemble a program to an object file, a raw image or a listing."""
    from ixp_emu.assembler import assemble, parse, write_elf, write_raw
    from ixp_emu.assembler.listing import listing as listing_text

    if output is None and raw is None and listing is None:
        output = Path(PurePosixPath(file.removeprefix(_BUILTIN)).stem + ".elf")
    defines = _defines(define or [])
    imports = _imports(import_ or [])
    folders = [*(include or []), _BUILTIN]
    for name in (file, *folders):
        _check_name(name)
    for path in (output, raw, listing):
        _check_output(path, file)
    with _hints(defines):
        parsed = parse(file if file.startswith(_BUILTIN) else Path(file), defines=defines, include_dirs=folders)
        program = assemble(
            parsed,
            locations=_locations(parsed, place or []),
            import_vars=imports,
            fill_defer=fill_defer,
            mend_banks=mend_banks,
        )
    if raw is not None:
        _check_complete(program)
        with writing(raw):
            write_raw(program, raw)
    if output is not None:
        with writing(output):
            write_elf(program, output)
    if listing is not None:
        with writing(listing):
            listing.write_text(listing_text(program, parsed.sources), encoding="utf-8")
    for line in _summary(parsed, program):
        print(line)
    print(f"wrote {', '.join(str(path) for path in (output, raw, listing) if path is not None)}")


def _check_name(name: str) -> None:
    """Names of files stand in the object, in UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError("the name is not UTF-8", file=ascii(name)) from None


def _check_output(path: Path | None, source: str) -> None:
    check_writable(path)
    if path is not None and path.exists() and Path(source).exists() and path.samefile(source):
        raise InputError("would overwrite the program", file=path)


def _defines(texts: Sequence[str]) -> dict[str, str | None]:
    defines: dict[str, str | None] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not _SYMBOL.fullmatch(name):
            raise InputError("NAME or NAME=TEXT expected", file=f"-D {text}")
        defines[name] = value if separator else None
    return defines


def _imports(texts: Sequence[str]) -> dict[str, int]:
    imports: dict[str, int] = {}
    for text in texts:
        name, _, value = text.partition("=")
        number = _number(value)
        if not _SYMBOL.fullmatch(name.removeprefix("i$")) or number is None or not -(2**31) <= number < 2**32:
            raise InputError("NAME=VALUE with a value of 32 bits expected", file=f"--import {text}")
        imports[name] = number & 0xFFFF_FFFF
    return imports


def _number(text: str) -> int | None:
    try:
        return int(text, 0)
    except ValueError:
        return None


@contextmanager
def _hints(defines: Mapping[str, object]) -> Iterator[None]:
    """Errors about names that a run would define say how to define them here."""
    try:
        yield
    except InputError as error:
        by_a_run = dict.fromkeys(_DEFINED_BY_A_RUN.findall(error.message))
        by_a_service = dict.fromkeys(_NO_CONSTANT.findall(error.message))
        missing = [name for name in by_a_run | by_a_service if name not in defines]
        if not missing:
            raise
        options = " ".join(f"-D {name}=N" for name in missing)
        message = f"{error.message}\nnot defined: give {options} (the run of a cluster defines some names by itself)"
        raise InputError(message, file=error.file, line=error.line, key=error.key) from None


def _locations(parsed: ParsedProgram, texts: Sequence[str]) -> dict[str, Location]:
    """A location for every structure: as ``--place`` says, else the default memory and an address given at load."""
    from ixp_emu.assembler import Location
    from ixp_emu.placement.place import default_memory

    declared = {declaration.name.lower(): declaration for declaration in parsed.structures}
    locations = {item.name: Location(default_memory(item), relocatable=True) for item in parsed.structures}
    for text in texts:
        option = f"--place {text}"
        name, _, where = text.partition("=")
        declaration = declared.get(name.lower())
        if declaration is None:
            known = ", ".join(item.name for item in parsed.structures) or "none"
            raise InputError(f'the program declares no structure "{name}"; there are {known}', file=option)
        locations[declaration.name] = _location(declaration, where, option)
    return locations


def _location(declaration: StructureDeclaration, where: str, option: str) -> Location:
    from ixp_emu.assembler import Location
    from ixp_emu.assembler.structures import MEMORIES
    from ixp_emu.placement.place import alignment

    memory, separator, address = where.partition(":")
    if memory not in MEMORIES:
        raise InputError(f'memory "{memory}": must be {", ".join(MEMORIES)}', file=option)
    only = "scratch" if declaration.ring is not None else declaration.memory
    if only is not None and memory != only:
        raise InputError(f"{declaration.name}: its program can only use it in {only}", file=option)
    if not separator:
        return Location(memory, relocatable=True)
    base, multiple = _number(address), alignment(declaration, memory)
    if base is None or not 0 <= base < 1 << 30 or base % multiple:
        raise InputError(f'address "{address}": must be a multiple of {multiple} below 0x40000000', file=option)
    return Location(memory, base)


def _check_complete(program: Program) -> None:
    """A raw image has no place for what is missing."""
    for reference in program.references.values():
        if reference.is_import:
            raise InputError(
                f"{reference.symbol} has no value, and a raw image cannot be linked: "
                f"--import {reference.symbol.removeprefix('i$')}=VALUE",
                file="--raw",
            )
        name = next(name for name in program.locations if name.lower() == reference.symbol)
        raise InputError(
            f"structure {name} has no address, and a raw image cannot be linked: "
            f"--place {name}={program.locations[name].memory}:ADDRESS",
            file="--raw",
        )


def _summary(parsed: ParsedProgram, program: Program) -> Iterator[str]:
    from ixp_emu.assembler import CONTROL_STORE_WORDS
    from ixp_emu.assembler.listing import usage_text

    yield f"{program.name}: {len(program.words):,} of {CONTROL_STORE_WORDS:,} words"
    yield f"  {program.contexts} contexts; registers in use: {usage_text(program)}"
    for name, location in program.locations.items():
        base = "address at load" if location.relocatable else f"{location.base:#x}"
        yield f"  {name} in {location.memory}, {base}"
    for symbol in dict.fromkeys(item.symbol for item in program.references.values() if item.is_import):
        yield f"  {symbol}: value at load"
    for note in parsed.notes:
        yield f"note: {note}"
    for warning in program.warnings[:_SHOWN_WARNINGS]:
        yield f"warning: {warning}"
    if len(program.warnings) > _SHOWN_WARNINGS:
        yield f"and {len(program.warnings) - _SHOWN_WARNINGS} more warnings, all in the listing"


# --- disasm ---------------------------------------------------------------------------------------------------------


def disasm(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An object file or a raw image.")],
    contexts: Annotated[
        int | None, typer.Option(metavar="4|8", help="Contexts of a raw image, 8 by default; an object says its own.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", metavar="FILE", help="Write there, not to the screen.")] = None,
) -> None:
    """Print the source of an object file or a raw image: it assembles to the same words."""
    from ixp_emu.assembler import disassemble
    from ixp_emu.assembler.binary_file import read_binary
    from ixp_emu.assembler.elf import ELF_MAGIC, elf_program
    from ixp_emu.assembler.raw_image import raw_words

    _check_output(output, str(file))
    if contexts not in (None, 4, 8):
        raise InputError(f"{contexts}: must be 4 or 8", file="--contexts")
    data = read_binary(file)
    if data.startswith(ELF_MAGIC):
        program = elf_program(data, file)
        if contexts not in (None, program.contexts):
            raise InputError(f"{contexts}, but the object is for {program.contexts} contexts", file="--contexts")
        notes = {address: f"{reference}, at load" for address, reference in program.references.items()}
        text = disassemble(program.words, contexts=program.contexts, modes=program.modes, notes=notes)
    else:
        text = disassemble(raw_words(data, file), contexts=contexts or 8)
    if output is None:
        print(text, end="")
        return
    with writing(output):
        output.write_text(text, encoding="utf-8")
