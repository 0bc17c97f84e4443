"""Instruction words from bit fields, for tests: written out by hand, nothing is shared with the decoder."""

from __future__ import annotations

__all__ = [
    "HALT",
    "KILL",
    "NN_INDEX",
    "NN_NEXT",
    "NOP",
    "VOLUNTARY",
    "alu",
    "alu_shf",
    "br",
    "br_bset",
    "cam",
    "cap",
    "cap_fast_write",
    "command",
    "crc",
    "csr_read",
    "csr_write",
    "ctx_arb",
    "dram",
    "hash_unit",
    "immed",
    "immediate",
    "jump",
    "ld_field",
    "lm",
    "msf",
    "mul",
    "nn",
    "pci",
    "reflect",
    "scratch",
    "sram",
    "transfer",
]

NOP = 0xF0000C0300
HALT = 0xE000020000
KILL = 0xE000010000
VOLUNTARY = 0xE000000001

NULL = 0x300  # unrestricted "--"
_R_NULL = 0x20  # restricted "--"

_ALU = {
    "B": 0, "+": 1, "pop_count3": 3, "~B": 4, "+16": 5, "pop_count1": 6, "pop_count2": 7, "AND": 8, "+8": 9, "~AND": 12,
    "-carry": 13, "ffs": 14, "AND~": 16, "+carry": 17, "OR": 20, "-": 21, "XOR": 24, "B-A": 25,
}  # fmt: skip


def immediate(value: int) -> int:
    """Unrestricted immediate."""
    return 0x300 | value


def restricted_immediate(value: int) -> int:
    return 0x20 | value & 0x1F | (value & 0x60) << 1


def transfer(number: int, *, dram: bool = False) -> int:
    """Unrestricted $n or $$n."""
    return (0x1C0 if dram else 0x180) + number


NN_INDEX = 0x241
NN_NEXT = 0x243


def nn(number: int) -> int:
    """Unrestricted n$number."""
    return 0x280 + number


def lm(index: int, offset: int = 0, *, modify: int = 0) -> int:
    """Unrestricted *l$index0 or *l$index1."""
    base = 0x220 if index else 0x200
    return base + {0: offset, 1: 0x10, -1: 0x11}[modify]


def alu(op: str, destination: int, a: int, b: int, *, bank: int = 0, swap: int = 0) -> int:
    """``a`` and ``b`` are the ports; without ``swap`` a is the left operand."""
    return 0b101 << 37 | bank << 36 | _ALU[op] << 31 | swap << 30 | destination << 20 | b << 10 | a


def cam(op: int, destination: int, a: int, b: int) -> int:
    return 0b101 << 37 | op << 31 | destination << 20 | b << 10 | a


def crc(kind: int, destination: int, b: int, *, little: int = 0, bit_swap: int = 0, nbytes: int = 0) -> int:
    control = NULL | kind << 5 | bit_swap << 4 | little << 3 | nbytes
    return 0b101 << 37 | 18 << 31 | destination << 20 | b << 10 | control


def alu_shf(
    op: int,
    destination: int,
    a: int,
    b: int,
    *,
    sc: int = 0,
    amount: int = 0,
    bank: int = 0,
    i8: int = 0,
    swap: int = 0,
) -> int:
    head = 0b100 << 37 | bank << 36 | op << 33 | amount << 28 | destination << 20
    return head | swap << 19 | i8 << 18 | b << 10 | sc << 8 | a


def ld_field(
    mask: int,
    a: int,
    b: int,
    *,
    sc: int = 0,
    amount: int = 0,
    clear: int = 0,
    load_cc: int = 0,
    i8: int = 0,
    swap: int = 0,
) -> int:
    head = 0b11000 << 35 | load_cc << 34 | amount << 28 | mask << 24 | clear << 20
    return head | swap << 19 | i8 << 18 | b << 10 | sc << 8 | a


def immed(destination: int, value: int, *, position: int = 0, kind: int = 0, invert: int = 0) -> int:
    """Destination on the A port."""
    head = 0b11110 << 35 | position << 33 | invert << 31 | kind << 29 | (value >> 8) << 20
    return head | (0x300 | value & 0xFF) << 10 | destination


def br(target: int, *, condition: int = 24, stage: int = 0, defer: int = 0, parameter: int = 0) -> int:
    return 0b11011 << 35 | target << 22 | defer << 20 | parameter << 14 | stage << 8 | condition


def br_bset(target: int, register: int, bit: int, *, is_set: int = 1, defer: int = 0) -> int:
    """Register on the A port."""
    return 0b11010 << 35 | target << 22 | defer << 20 | is_set << 18 | (0x20 | bit + 1 & 31) << 10 | register


def jump(register: int, base: int = 0, *, defer: int = 0) -> int:
    """Register on the A port."""
    return 0b11101 << 35 | base >> 8 << 22 | defer << 20 | (0x300 | base & 0xFF) << 10 | register


def ctx_arb(*signals: int, any_of: int = 0, defer: int = 0, target: int | None = None, keep: int = 0) -> int:
    word = 0b11100 << 35 | defer << 20 | keep << 19 | any_of << 16 | sum(1 << s for s in signals)
    return word if target is None else word | target << 22 | 1 << 18


def csr_read(csr: int) -> int:
    return 0b1111110 << 33 | csr // 4 << 22 | NULL << 10


def csr_write(csr: int, a: int) -> int:
    """Source on the A port."""
    return 0b1111110 << 33 | csr // 4 << 22 | 1 << 21 | (a if a >= 0x300 else NULL) << 10 | a


def mul(kind: int, step: int, a: int, b: int = NULL) -> int:
    return 0b1111100 << 33 | kind << 31 | step << 20 | b << 10 | a


def command(
    unit: int,
    code: int,
    *,
    count: int,
    xfer: int,
    a: int,
    b: int,
    signal: int,
    wait: bool,
    defer: int,
    token: int,
    indirect: int,
) -> int:
    """``unit`` are bits 37:36; count is 1.. ."""
    swap_code = defer if wait else 3
    head = indirect << 38 | unit << 36 | code << 32 | signal << 28 | count - 1 << 25 | xfer << 20 | token << 18
    return head | b << 10 | swap_code << 8 | a


def _unit(unit: int, code: int, address: int, keywords: dict[str, int]) -> int:
    """An immediate address below 128, or ``a`` and ``b`` restricted operands."""
    fields = {"count": 1, "xfer": 0, "signal": 0, "defer": 0, "token": 0, "indirect": 0}
    fields |= {"a": restricted_immediate(address), "b": restricted_immediate(0)}
    wait = bool(keywords.pop("wait", 0))
    fields |= keywords
    return command(unit, code, wait=wait, **fields)


def sram(code: int, address: int = 0, **keywords: int) -> int:
    return _unit(0, code, address, keywords)


def scratch(code: int, address: int = 0, **keywords: int) -> int:
    return _unit(1, code, address, keywords)


def dram(code: int, address: int = 0, **keywords: int) -> int:
    return _unit(2, 8 | code, address, keywords)


def msf(code: int, address: int = 0, **keywords: int) -> int:
    return _unit(3, 0xC | code, address, keywords)


def hash_unit(token: int, keys: int, **keywords: int) -> int:
    return _unit(3, 6, 0, {"a": 0, "b": 0} | keywords | {"token": token, "count": keys + 1})


def pci(code: int, address: int = 0, **keywords: int) -> int:
    return _unit(3, 4 | code, address, keywords)


def cap(code: int, csr: int, **keywords: int) -> int:
    """Read (0) or write (1) of the CSR at a constant address."""
    return _unit(3, code, 0, keywords | {"a": csr & 0xFF, "b": csr >> 8})


def reflect(code: int, me: int, context: int, register: int, *, to: str = "initiator", **keywords: int) -> int:
    """Read (0) or write (1); ``me`` is an id (0x00-0x03, 0x10-0x13)."""
    token = {"initiator": 1, "remote": 2, "both": 3}[to]
    address = me << 10 | context << 7 | register << 2
    return _unit(3, 0xE | code, 0, keywords | {"a": address & 0xFF, "b": address >> 8, "token": token})


def cap_fast_write(csr: int, data: int) -> int:
    return 0x33 << 32 | data << 18 | (csr >> 8) << 10 | 3 << 8 | csr & 0xFF
