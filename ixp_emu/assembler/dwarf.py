"""DWARF 4: one compile unit and its line table, from which debuggers and ``readelf`` find the line of a word.

Addresses are offsets in the section of words. Every word has a row of its own. Source: the DWARF 4 standard, sections
6.2 (line table) and 7 (encodings).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from ixp_emu import __version__

__all__ = ["debug_sections", "lines_of"]

_VERSION = 4
_ADDRESS_BYTES = 4
_TAG_COMPILE_UNIT = 0x11
_LANGUAGE_ASSEMBLER = 0x8001
_FORM_ADDR, _FORM_DATA2, _FORM_DATA4, _FORM_STRING, _FORM_SEC_OFFSET = 0x01, 0x05, 0x06, 0x08, 0x17
_ATTRIBUTES = (  # of the compile unit: attribute, form
    (0x25, _FORM_STRING),  # producer
    (0x13, _FORM_DATA2),  # language
    (0x03, _FORM_STRING),  # name
    (0x11, _FORM_ADDR),  # low_pc
    (0x12, _FORM_DATA4),  # high_pc, as a length
    (0x10, _FORM_SEC_OFFSET),  # stmt_list
)
_COPY, _ADVANCE_PC, _ADVANCE_LINE, _SET_FILE = 1, 2, 3, 4
_END_SEQUENCE, _SET_ADDRESS = 1, 2
_OPCODE_LENGTHS = bytes([0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1])
_OPCODE_BASE = len(_OPCODE_LENGTHS) + 1


def debug_sections(name: str, lines: Sequence[tuple[str, int]], *, word_bytes: int) -> dict[str, bytes]:
    """Contents of ``.debug_info``, ``.debug_abbrev`` and ``.debug_line``.

    Parameters:
        name: of the compile unit.
        lines: (file, line) of each word.
        word_bytes: distance of two words in their section.
    """
    abbreviation = _unsigned(1) + _unsigned(_TAG_COMPILE_UNIT) + b"\0"
    for attribute, form in _ATTRIBUTES:
        abbreviation += _unsigned(attribute) + _unsigned(form)
    unit = (
        _unsigned(1)
        + _text(f"ixpemu {__version__}")
        + struct.pack("<H", _LANGUAGE_ASSEMBLER)
        + _text(name)
        + struct.pack("<III", 0, len(lines) * word_bytes, 0)
    )
    header = struct.pack("<HIB", _VERSION, 0, _ADDRESS_BYTES)
    return {
        ".debug_info": _with_length(header + unit),
        ".debug_abbrev": abbreviation + b"\0\0\0",
        ".debug_line": _line_table(lines, word_bytes),
    }


def _line_table(lines: Sequence[tuple[str, int]], word_bytes: int) -> bytes:
    files = {name: number for number, name in enumerate(dict.fromkeys(file for file, _ in lines), start=1)}
    # Special opcodes are not used: line base 0, one line, the first is _OPCODE_BASE.
    fixed = struct.pack("<BBBbBB", word_bytes, 1, 1, 0, 1, _OPCODE_BASE) + _OPCODE_LENGTHS
    tables = b"\0" + b"".join(_text(name) + b"\0\0\0" for name in files) + b"\0"
    program = bytearray(_extended(_SET_ADDRESS, bytes(_ADDRESS_BYTES)))
    at_file, at_line = 1, 1
    for address, (file, line) in enumerate(lines):
        if address:
            program += bytes([_ADVANCE_PC]) + _unsigned(1)
        if files[file] != at_file:
            at_file = files[file]
            program += bytes([_SET_FILE]) + _unsigned(at_file)
        if line != at_line:
            program += bytes([_ADVANCE_LINE]) + _signed(line - at_line)
            at_line = line
        program.append(_COPY)
    program += bytes([_ADVANCE_PC]) + _unsigned(1 if lines else 0) + _extended(_END_SEQUENCE, b"")
    header = fixed + tables
    return _with_length(struct.pack("<HI", _VERSION, len(header)) + header + bytes(program))


def lines_of(elf: Any, words: int, *, word_bytes: int) -> list[tuple[str, int]]:
    """(file, line) of each word, from an object opened with pyelftools; empty when there are no lines at all.

    Raises:
        ValueError: some words have a line and others none.
    """
    debug = elf.get_dwarf_info()
    found: dict[int, tuple[str, int]] = {}
    for unit in debug.iter_CUs():
        table = debug.line_program_for_CU(unit)
        for entry in table.get_entries():
            state = entry.state
            if state is not None and not state.end_sequence:
                name = table["file_entry"][state.file - 1].name
                found[state.address // word_bytes] = (name.decode(errors="surrogateescape"), state.line)
    if not found:
        return []
    missing = next((address for address in range(words) if address not in found), None)
    if missing is not None:
        raise ValueError(f"word {missing} has no line")
    return [found[address] for address in range(words)]


# --- encodings ------------------------------------------------------------------------------------------------------


def _with_length(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def _text(text: str) -> bytes:
    return text.encode(errors="surrogateescape") + b"\0"


def _extended(opcode: int, operands: bytes) -> bytes:
    return b"\0" + _unsigned(1 + len(operands)) + bytes([opcode]) + operands


def _unsigned(value: int) -> bytes:
    """LEB128."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _signed(value: int) -> bytes:
    """Signed LEB128."""
    encoded = bytearray()
    while not -64 <= value < 64:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value & 0x7F)
    return bytes(encoded)
