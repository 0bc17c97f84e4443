"""Decoded instructions and the codes of their operands.

Field numbers in the code are bit numbers of the word, bit 39 being the most significant one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .faults import FaultError

__all__ = ["NONE", "Instruction", "Operand", "bits", "invalid", "restricted", "unrestricted"]


@dataclass(frozen=True, slots=True)
class Operand:
    """One source or destination.

    Attributes:
        kind: gpr_a, gpr_b (context relative), absolute_a, absolute_b, sram, dram (transfer registers), sram_index,
            dram_index (through T_INDEX), lm (local memory), neighbor (``n$k``),
            neighbor_index (``*n$index``), immediate, none.
        number: register number, immediate value or local memory offset.
        index: 0 or 1 for ``*l$index0`` and ``*l$index1``.
        modify: +1 or -1 for post-modify.
    """

    kind: str
    number: int = 0
    index: int = 0
    modify: int = 0


NONE = Operand("none")


@dataclass(slots=True)
class Instruction:
    """A decoded word; which fields mean something depends on ``kind``."""

    kind: str
    op: str = ""
    destination: Operand = NONE
    left: Operand = NONE
    right: Operand = NONE
    shift: str = ""  # rotate, right, left, double
    amount: int = 0  # 0 with right, left or double: indirect
    mask: int = 0
    clear: bool = False
    load_cc: bool = False
    target: int = 0
    defer: int = 0
    shadow: int = 0
    parameter: int = 0
    value: int = 0
    position: int = 0
    invert: bool = False
    csr: int = 0
    # context arbitration
    keep_mask: bool = False
    has_target: bool = False
    # commands; ``csr`` is the address where the word holds one
    unit: str = ""
    holds_address: bool = False
    signals_to: str = "initiator"  # reflector: initiator, remote, both
    indirect: bool = False
    signal: int = 0
    count: int = 0
    transfer_kind: str = ""
    transfer: int = 0
    swap: bool = False
    returns_data: bool = False
    pulls: bool = False
    doubled: bool = False
    constants: dict[str, int] = field(default_factory=dict)


def bits(word: int, high: int, low: int) -> int:
    return word >> low & (1 << high - low + 1) - 1


def invalid(word: int, why: str) -> FaultError:
    return FaultError("invalid word", f"{word:#012x}: {why}")


def _gpr(bank: str, number: int, four: bool, word: int) -> Operand:
    if number >= (32 if four else 16):
        raise invalid(word, f"register number {number} with {4 if four else 8} contexts")
    return Operand("gpr_" + bank, number)


def _relative(kind: str, number: int, four: bool, word: int) -> Operand:
    if number >= (32 if four else 16):
        raise invalid(word, f"{kind} register number {number} with {4 if four else 8} contexts")
    return Operand(kind, number)


_POST_MODIFY = {0: 0, 2: 1, 4: -1}


def unrestricted(code: int, bank: str, four: bool, word: int, *, destination: bool = False) -> Operand:
    """A 10-bit operand code on port or bank ``bank``."""
    if code < 0x020:
        return _gpr(bank, code, four, word)
    if 0x080 <= code < 0x100:
        return Operand("absolute_" + bank, code & 0x7F)
    if code in (0x100, 0x102, 0x104):
        return Operand("dram_index", modify=_POST_MODIFY[code & 7])
    if code in (0x140, 0x142, 0x144):
        return Operand("sram_index", modify=_POST_MODIFY[code & 7])
    if 0x180 <= code < 0x1A0:
        return _relative("sram", code & 0x1F, four, word)
    if 0x1C0 <= code < 0x1E0:
        return _relative("dram", code & 0x1F, four, word)
    if 0x200 <= code < 0x240:
        index = code >> 5 & 1
        if not code & 0x10:
            return Operand("lm", code & 0xF, index)
        if code & 0xF < 2:
            return Operand("lm", 0, index, -1 if code & 1 else 1)
    if code == 0x243 or (code == 0x241 and not destination):
        return Operand("neighbor_index", modify=code >> 1 & 1)
    if 0x280 <= code < 0x2A0:
        return _relative("neighbor", code & 0x1F, four, word)
    if code >= 0x300:
        if not destination:
            return Operand("immediate", code & 0xFF)
        if code == 0x300:
            return NONE
    raise invalid(word, f"operand code {code:#05x}")


def restricted(code: int, bank: str, four: bool, word: int, *, high_bit: int = 0, destination: bool = False) -> Operand:
    """An 8-bit operand code; ``high_bit`` is the shared bit 7 of an immediate."""
    if code & 0x20:
        if not destination:
            return Operand("immediate", high_bit << 7 | (code & 0xC0) >> 1 | code & 0x1F)
        if code == 0x20:
            return NONE
    elif code < 0x20:
        return _gpr(bank, code, four, word)
    elif code in (0x40, 0x42, 0x44):
        return Operand("sram_index", modify=_POST_MODIFY[code & 7])
    elif code == 0x43 or (code == 0x41 and not destination):
        return Operand("neighbor_index", modify=code >> 1 & 1)
    elif code in (0x48, 0x4A, 0x4C):
        return Operand("dram_index", modify=_POST_MODIFY[code & 7])
    elif 0x50 <= code < 0x60:
        return Operand("lm", code & 7, code >> 3 & 1)
    elif 0x80 <= code < 0xA0:
        return _relative("sram", code & 0x1F, four, word)
    elif 0xC0 <= code < 0xE0:
        return _relative("dram", code & 0x1F, four, word)
    raise invalid(word, f"restricted operand code {code:#04x}")
