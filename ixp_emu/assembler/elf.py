"""Object files: ELF32 little-endian, the program of one control store each.

Sections:

| section | content |
|---|---|
| ``.ixp.identity`` | what kind of file this is, and a SHA-256 over all of it |
| ``.ixp.ucode`` | 8 bytes per word, little-endian, the 40-bit word in the low bits |
| ``.rela.ixp.ucode`` | the words with a value to link, if any |
| ``.symtab``, ``.strtab`` | labels; registers and signals (absolute); structures and import variables (global) |
| ``.debug_info``, ``.debug_abbrev``, ``.debug_line`` | DWARF 4: the source line of each word |
| ``.ixp.program`` | JSON: what else is known of the program |

The offset of a word in ``.ixp.ucode``, its word address times 8, is its address in symbols, relocations and DWARF.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import fields
from io import BytesIO
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
from elftools.elf.elffile import ELFFile

from ixp_emu.assembler.binary_file import read_binary
from ixp_emu.assembler.dwarf import debug_sections, lines_of
from ixp_emu.assembler.elf_image import (
    ABSOLUTE,
    EXECUTABLE,
    HEADER_BYTES,
    SHT_PROGBITS,
    SHT_RELA,
    UNDEFINED,
    Section,
    Symbol,
    elf_image,
    relocation_entry,
    symbol_sections,
)
from ixp_emu.assembler.program import CONTROL_STORE_WORDS, Part, Program, Reference
from ixp_emu.assembler.structures import base_constant
from ixp_emu.errors import InputError

__all__ = ["ELF_MAGIC", "WORD_BYTES", "elf_program", "read_elf", "write_elf"]

ELF_MAGIC = b"\x7fELF"
WORD_BYTES = 8
"""Bytes of a word in ``.ixp.ucode``."""
_MAX_WORD = (1 << 40) - 1

_IDENTITY, _UCODE, _RELOCATIONS, _PROGRAM = ".ixp.identity", ".ixp.ucode", ".rela.ixp.ucode", ".ixp.program"
_MAGIC = b"ixpemu object 1\n"
_DIGEST = slice(HEADER_BYTES + len(_MAGIC), HEADER_BYTES + len(_MAGIC) + hashlib.sha256().digest_size)
_UCODE_NUMBER = 2  # of the section
_STT_OBJECT = 1
_PARTS: tuple[Part, ...] = get_args(Part)  # the type of a relocation is 1 + the position

_IN_SECTIONS = frozenset({"words", "lines", "labels", "references"})
_Json = msgspec.defstruct(
    "_Json",
    [(item.name, get_type_hints(Program)[item.name]) for item in fields(Program) if item.name not in _IN_SECTIONS],
)
"""The content of ``.ixp.program``: the attributes of a Program that no other section holds."""


def write_elf(program: Program, path: str | Path) -> None:
    """Writes an object file that ``read_elf`` reads back to an equal program."""
    symbols, numbers = _symbols(program)
    relocations = b"".join(
        relocation_entry(
            address * WORD_BYTES, numbers[reference.symbol], 1 + _PARTS.index(reference.part), reference.addend
        )
        for address, reference in program.references.items()
    )
    rest = {name: getattr(program, name) for name in _Json.__struct_fields__}
    # Sets have no order of their own: the same program is always the same file.
    rest["declared"] = msgspec.to_builtins(program.declared, order="deterministic")
    sections = [
        Section(_IDENTITY, SHT_PROGBITS, _MAGIC + bytes(_DIGEST.stop - _DIGEST.start)),
        Section(
            _UCODE,
            SHT_PROGBITS,
            b"".join(struct.pack("<Q", word) for word in program.words),
            flags=EXECUTABLE,
            align=WORD_BYTES,
        ),
        *symbol_sections(symbols),
    ]
    if relocations:
        sections.append(
            Section(_RELOCATIONS, SHT_RELA, relocations, link=".symtab", info_section=_UCODE, entry_bytes=12, align=4)
        )
    for name, data in debug_sections(program.name, program.lines, word_bytes=WORD_BYTES).items():
        sections.append(Section(name, SHT_PROGBITS, data))
    sections.append(Section(_PROGRAM, SHT_PROGBITS, msgspec.json.encode(rest)))
    image = bytearray(elf_image(sections))
    image[_DIGEST] = hashlib.sha256(image).digest()
    Path(path).write_bytes(image)


def _symbols(program: Program) -> tuple[list[Symbol], Mapping[str, int]]:
    """The symbol table, and the numbers of those that relocations name."""
    local = [Symbol(name, address * WORD_BYTES, _UCODE_NUMBER) for name, address in program.labels.items()]
    for name, registers in program.registers.items():
        local += [Symbol(f"{name}:{register}", register.number, ABSOLUTE) for register in registers]
    for name, signals in program.signals.items():
        local += [Symbol(f"{name}:signal{number}", number, ABSOLUTE) for number in signals]
    placed = {name.lower(): location for name, location in program.locations.items()}
    shared: dict[str, Symbol] = {}
    for declaration in program.declared:
        location = placed.get(declaration.name.lower())
        if location is not None:
            shared[declaration.name.lower()] = Symbol(
                declaration.name,
                0 if location.relocatable else base_constant(location),
                UNDEFINED if location.relocatable else ABSOLUTE,
                size=declaration.size_bytes(location.memory),
                kind=_STT_OBJECT,
                is_global=True,
            )
    for reference in program.references.values():
        shared.setdefault(reference.symbol, Symbol(reference.symbol, 0, UNDEFINED, is_global=True))
    first = 1 + len(local)
    return [*local, *shared.values()], {name: first + position for position, name in enumerate(shared)}


# --- reading --------------------------------------------------------------------------------------------------------


def read_elf(path: str | Path) -> Program:
    """Reads an object file. Raises InputError when it is none, not one of ``write_elf``, or damaged."""
    return elf_program(read_binary(path), path)


def elf_program(data: bytes, path: str | Path) -> Program:
    """The program in an object file's content; ``path`` is for messages. Raises InputError as ``read_elf``."""
    if not data.startswith(ELF_MAGIC):
        raise InputError("not an ELF object", file=path)
    if data[HEADER_BYTES : _DIGEST.start] != _MAGIC:
        raise InputError("an ELF file, but no microengine object of ixpemu, or damaged", file=path)
    plain = bytearray(data)
    plain[_DIGEST] = bytes(_DIGEST.stop - _DIGEST.start)
    if hashlib.sha256(plain).digest() != data[_DIGEST]:
        raise InputError("a damaged object: its checksum does not match", file=path)
    try:
        return _program(ELFFile(BytesIO(data)))
    except Exception as error:  # made up by someone who renewed the checksum: the library fails in many ways
        raise InputError(f"a damaged object: {error}", file=path) from None


def _program(elf: Any) -> Program:
    data = {section.name: section.data() for section in elf.iter_sections() if section.name}
    words = [word for (word,) in struct.iter_unpack("<Q", data[_UCODE])]
    if len(words) > CONTROL_STORE_WORDS or max(words, default=0) > _MAX_WORD:
        raise ValueError(f"{len(words)} words of up to {max(words):#x}: a control store has {CONTROL_STORE_WORDS}")
    rest: Any = msgspec.json.decode(data[_PROGRAM], type=_Json)
    if rest.contexts not in (4, 8) or not {len(rest.calls), len(rest.structures)} <= {0, len(words)}:
        raise ValueError("its sections do not fit together")
    symbols = list(elf.get_section_by_name(".symtab").iter_symbols())
    references: dict[int, Reference] = {}
    section = elf.get_section_by_name(_RELOCATIONS)
    for entry in section.iter_relocations() if section is not None else ():
        address, offset = divmod(entry["r_offset"], WORD_BYTES)
        if offset or address >= len(words):
            raise ValueError(f"a relocation of byte {entry['r_offset']}")
        symbol = symbols[entry["r_info_sym"]].name.lower()
        references[address] = Reference(symbol, _PARTS[entry["r_info_type"] - 1], entry["r_addend"])
    return Program(
        words=words,
        lines=lines_of(elf, len(words), word_bytes=WORD_BYTES),
        labels={
            symbol.name: symbol["st_value"] // WORD_BYTES for symbol in symbols if symbol["st_shndx"] == _UCODE_NUMBER
        },
        references=references,
        **{name: getattr(rest, name) for name in _Json.__struct_fields__},
    )
