"""What lowered forms (structured code, structure access) are made of: statements at the place of the original."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ixp_emu.assembler.parser import parse_statement
from ixp_emu.assembler.source import Place
from ixp_emu.assembler.syntax import Statement

__all__ = ["Item", "constant_load", "constant_load_length", "items"]


@dataclass(frozen=True, slots=True)
class Item:
    """A statement and where it came from; ``structure`` names the data structure its command refers to."""

    statement: Statement
    place: Place
    levels_up: int = 0
    structure: str | None = None


def items(place: Place, lines: Iterable[str], *, structure: str | None = None) -> Iterator[Item]:
    """Parses generated lines; ``structure`` marks those that refer to memory: I/O commands and local memory."""
    for line in lines:
        refers = line.startswith(("scratch[", "sram[", "dram[")) or "*l$index" in line
        yield Item(parse_statement(line), place, structure=structure if refers else None)


def _fits_immed(value: int) -> bool:
    return any(
        candidate >> shift << shift == candidate and candidate >> shift <= 0xFFFF
        for candidate in (value, value ^ 0xFFFF_FFFF)
        for shift in (0, 8, 16)
    )


def constant_load(register: str, value: int) -> list[str]:
    """Lines that load a 32-bit constant: one ``immed`` when 16 bits at a byte position are enough, else two."""
    value &= 0xFFFF_FFFF
    if _fits_immed(value):
        return [f"immed[{register}, {value:#x}]"]
    return [f"immed[{register}, {value & 0xFFFF:#x}]", f"immed_w1[{register}, {value >> 16:#x}]"]


def constant_load_length(value: int) -> int:
    """Number of instructions ``constant_load`` takes."""
    return 1 if _fits_immed(value & 0xFFFF_FFFF) else 2
