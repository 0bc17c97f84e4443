"""The container: an ELF32 relocatable file from sections and symbols. Source: the ELF chapters of the System V ABI."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "ABSOLUTE",
    "EXECUTABLE",
    "HEADER_BYTES",
    "SHT_PROGBITS",
    "SHT_RELA",
    "SHT_STRTAB",
    "SHT_SYMTAB",
    "UNDEFINED",
    "Section",
    "Symbol",
    "elf_image",
    "relocation_entry",
    "symbol_sections",
]

_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_SECTION = struct.Struct("<10I")
_SYMBOL = struct.Struct("<IIIBBH")
_RELA = struct.Struct("<IIi")
HEADER_BYTES = _HEADER.size
_ET_REL, _EM_NONE, _EV_CURRENT = 1, 0, 1
_CLASS_32, _LITTLE_ENDIAN = 1, 1
SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_RELA = 1, 2, 3, 4
_SHF_ALLOC, _SHF_EXECINSTR, _SHF_INFO_LINK = 2, 4, 0x40
EXECUTABLE = _SHF_ALLOC | _SHF_EXECINSTR
UNDEFINED, ABSOLUTE = 0, 0xFFF1
"""Section numbers of symbols that are in no section."""
_GLOBAL = 1


@dataclass(frozen=True, slots=True)
class Section:
    """One section; ``link`` and ``info_section`` name others, ``info`` is a plain number."""

    name: str
    kind: int
    data: bytes
    flags: int = 0
    link: str | None = None
    info: int = 0
    info_section: str | None = None
    entry_bytes: int = 0
    align: int = 1


@dataclass(frozen=True, slots=True)
class Symbol:
    """One symbol; ``section`` is its section's number, UNDEFINED or ABSOLUTE; ``kind`` is 0, or 1 for an object."""

    name: str
    value: int
    section: int
    size: int = 0
    kind: int = 0
    is_global: bool = False


class _Strings:
    """A string table being built."""

    def __init__(self) -> None:
        self.data = bytearray(b"\0")

    def add(self, text: str) -> int:
        offset = len(self.data)
        self.data += text.encode() + b"\0"
        return offset


def symbol_sections(symbols: Sequence[Symbol]) -> list[Section]:
    """``.symtab`` and ``.strtab``. Symbol n of the argument gets number n + 1; local symbols must come first."""
    strings = _Strings()
    table = bytearray(_SYMBOL.size)
    for symbol in symbols:
        binding = (_GLOBAL if symbol.is_global else 0) << 4 | symbol.kind
        table += _SYMBOL.pack(strings.add(symbol.name), symbol.value, symbol.size, binding, 0, symbol.section)
    first_global = 1 + sum(not symbol.is_global for symbol in symbols)
    return [
        Section(
            ".symtab",
            SHT_SYMTAB,
            bytes(table),
            link=".strtab",
            info=first_global,
            entry_bytes=_SYMBOL.size,
            align=4,
        ),
        Section(".strtab", SHT_STRTAB, bytes(strings.data)),
    ]


def relocation_entry(offset: int, symbol: int, kind: int, addend: int) -> bytes:
    """One Elf32_Rela."""
    return _RELA.pack(offset, symbol << 8 | kind, addend)


def elf_image(sections: Sequence[Section]) -> bytes:
    """The file: header, contents in the order given (the first directly behind the header), section headers."""
    names = _Strings()
    offsets = {section.name: names.add(section.name) for section in sections}
    own = names.add(".shstrtab")
    everything = [*sections, Section(".shstrtab", SHT_STRTAB, bytes(names.data))]
    offsets[".shstrtab"] = own
    numbers = {section.name: number for number, section in enumerate(everything, start=1)}
    contents = bytearray()
    headers = bytearray(_SECTION.size)
    for section in everything:
        contents += bytes(-(_HEADER.size + len(contents)) % section.align)
        headers += _SECTION.pack(
            offsets[section.name],
            section.kind,
            section.flags | (_SHF_INFO_LINK if section.info_section else 0),
            0,
            _HEADER.size + len(contents),
            len(section.data),
            numbers[section.link] if section.link else 0,
            numbers[section.info_section] if section.info_section else section.info,
            section.align,
            section.entry_bytes,
        )
        contents += section.data
    contents += bytes(-(_HEADER.size + len(contents)) % 4)
    header = _HEADER.pack(
        b"\x7fELF" + bytes([_CLASS_32, _LITTLE_ENDIAN, _EV_CURRENT]) + bytes(9),
        _ET_REL,
        _EM_NONE,
        _EV_CURRENT,
        0,
        0,
        _HEADER.size + len(contents),
        0,
        _HEADER.size,
        0,
        0,
        _SECTION.size,
        len(everything) + 1,
        len(everything),
    )
    return header + bytes(contents) + bytes(headers)
