"""What instructions compute: pure functions on unsigned 32-bit values, for Python ints and compiled by numba alike.

Every function masks explicitly, needs no integer wider than 64 bits and calls no other, so that each compiles alone
(``numba.njit(function)``). Flags are 0 or 1. Sources: isa.md sections
1.2 to 1.11 and registers.md sections 5 and 7. What those pages call unsettled comes from
``ixp_emu.isa.unsettled``.
"""

from __future__ import annotations

from collections.abc import Callable

from ixp_emu.isa.unsettled import setting

__all__ = [
    "CRC_BYTE_FORMS",
    "CRC_PARAMETERS",
    "CRC_TABLES",
    "FFS_OF_ZERO",
    "LOGIC_CLEARS_CARRY",
    "LOGIC_FUNCTIONS",
    "MIRRORED_BYTES",
    "AluFunction",
    "add",
    "add_8",
    "add_16",
    "add_with_carry",
    "and_",
    "and_not",
    "arithmetic_shift_right",
    "byte_align_be",
    "byte_align_le",
    "crc_step",
    "double_shift_right",
    "find_first_set",
    "hash_48",
    "hash_64",
    "hash_128",
    "immediate",
    "insert_byte",
    "insert_bytes",
    "insert_word",
    "multiply_high",
    "multiply_low",
    "multiply_step",
    "not_and",
    "not_b",
    "or_",
    "pass_b",
    "population_count",
    "prn_advance",
    "reverse_subtract",
    "rotate_right",
    "shift_left",
    "shift_right",
    "subtract",
    "subtract_with_carry",
    "xor",
]

AluFunction = Callable[[int, int, int], tuple[int, int, int]]
"""(left, right, carry in) -> (result, carry out, overflow)."""

LOGIC_CLEARS_CARRY = setting("logic_clears_carry") == 1
"""Logical operations and shifts clear C and V; False: both stay as they were. The functions below return 0 for both,
whoever executes them applies this switch (``LOGIC_FUNCTIONS``)."""

FFS_OF_ZERO = setting("ffs_of_zero")
"""``ffs`` of a word without a set bit."""


def add_with_carry(left: int, right: int, carry: int) -> tuple[int, int, int]:
    """left + right + carry; carry out of bit 31, signed overflow."""
    first = left & 0xFFFFFFFF
    second = right & 0xFFFFFFFF
    total = first + second + (carry & 1)
    result = total & 0xFFFFFFFF
    return result, (total >> 32) & 1, (((first ^ result) & (second ^ result)) >> 31) & 1


def add(left: int, right: int, carry: int) -> tuple[int, int, int]:
    """left + right."""
    first = left & 0xFFFFFFFF
    second = right & 0xFFFFFFFF
    total = first + second
    result = total & 0xFFFFFFFF
    return result, (total >> 32) & 1, (((first ^ result) & (second ^ result)) >> 31) & 1


def add_16(left: int, right: int, carry: int) -> tuple[int, int, int]:
    """left + the low 16 bits of right."""
    first = left & 0xFFFFFFFF
    second = right & 0xFFFF
    total = first + second
    result = total & 0xFFFFFFFF
    return result, (total >> 32) & 1, (((first ^ result) & (second ^ result)) >> 31) & 1


def add_8(left: int, right: int, carry: int) -> tuple[int, int, int]:
    """left + the low 8 bits of right."""
    first = left & 0xFFFFFFFF
    second = right & 0xFF
    total = first + second
    result = total & 0xFFFFFFFF
    return result, (total >> 32) & 1, (((first ^ result) & (second ^ result)) >> 31) & 1


def subtract(left: int, right: int, carry: int) -> tuple[int, int, int]:
    """left - right; carry out 1 means no borrow (unsigned left >= right)."""
    first = left & 0xFFFFFFFF
    second = (right & 0xFFFFFFFF) ^ 0xFFFFFFFF
    total = first + second + 1
    result = total & 0xFFFFFFFF
    return result, (total >> 32) & 1, (((first ^ result) & (second ^ result)) >> 31) & 1


def subtract_with_carry(left: int, right: int, carry: int) -> tuple[int, int, int]:
    """left - right - (1 - carry)."""
    first = left & 0xFFFFFFFF
    second = (right & 0xFFFFFFFF) ^ 0xFFFFFFFF
    total = first + second + (carry & 1)
    result = total & 0xFFFFFFFF
    return result, (total >> 32) & 1, (((first ^ result) & (second ^ result)) >> 31) & 1


def reverse_subtract(left: int, right: int, carry: int) -> tuple[int, int, int]:
    """right - left (``B-A``)."""
    first = right & 0xFFFFFFFF
    second = (left & 0xFFFFFFFF) ^ 0xFFFFFFFF
    total = first + second + 1
    result = total & 0xFFFFFFFF
    return result, (total >> 32) & 1, (((first ^ result) & (second ^ result)) >> 31) & 1


def pass_b(left: int, right: int, carry: int) -> tuple[int, int, int]:
    """right."""
    return right & 0xFFFFFFFF, 0, 0


def not_b(left: int, right: int, carry: int) -> tuple[int, int, int]:
    """Complement of right."""
    return (right & 0xFFFFFFFF) ^ 0xFFFFFFFF, 0, 0


def and_(left: int, right: int, carry: int) -> tuple[int, int, int]:
    """left AND right."""
    return left & right & 0xFFFFFFFF, 0, 0


def not_and(left: int, right: int, carry: int) -> tuple[int, int, int]:
    """(NOT left) AND right (``~AND``)."""
    return ((left & 0xFFFFFFFF) ^ 0xFFFFFFFF) & right, 0, 0


def and_not(left: int, right: int, carry: int) -> tuple[int, int, int]:
    """left AND (NOT right) (``AND~``)."""
    return left & ((right & 0xFFFFFFFF) ^ 0xFFFFFFFF), 0, 0


def or_(left: int, right: int, carry: int) -> tuple[int, int, int]:
    """left OR right."""
    return (left | right) & 0xFFFFFFFF, 0, 0


def xor(left: int, right: int, carry: int) -> tuple[int, int, int]:
    """left XOR right."""
    return (left ^ right) & 0xFFFFFFFF, 0, 0


LOGIC_FUNCTIONS: tuple[AluFunction, ...] = (pass_b, not_b, and_, not_and, and_not, or_, xor)
"""Functions without a sum."""


def shift_left(value: int, amount: int) -> int:
    """value << amount, amount 0..31."""
    return ((value & 0xFFFFFFFF) << (amount & 31)) & 0xFFFFFFFF


def shift_right(value: int, amount: int) -> int:
    """Logical value >> amount, amount 0..31."""
    return (value & 0xFFFFFFFF) >> (amount & 31)


def rotate_right(value: int, amount: int) -> int:
    """Rotate right by amount, 0..31."""
    value = value & 0xFFFFFFFF
    amount = amount & 31
    return ((value >> amount) | (value << (32 - amount))) & 0xFFFFFFFF


def arithmetic_shift_right(value: int, amount: int, sign: int) -> int:
    """value >> amount with ``sign`` (bit 31 of the previous ALU result, 0 or 1) shifted in; amount 0..31."""
    amount = amount & 31
    filler = (0xFFFFFFFF << (32 - amount)) & 0xFFFFFFFF & (0 - (sign & 1))
    return ((value & 0xFFFFFFFF) >> amount) | filler


def double_shift_right(high: int, low: int, amount: int) -> int:
    """Low 32 bits of the 64-bit (high, low) >> amount, amount 0..31."""
    amount = amount & 31
    return (((low & 0xFFFFFFFF) >> amount) | ((high & 0xFFFFFFFF) << (32 - amount))) & 0xFFFFFFFF


def byte_align_be(previous: int, current: int, byte_index: int) -> int:
    """Big-endian alignment: (previous, current) >> (32 - 8 * byte_index); index 0 gives previous."""
    shift = 8 * (byte_index & 3)
    return (((previous & 0xFFFFFFFF) << shift) | ((current & 0xFFFFFFFF) >> (32 - shift))) & 0xFFFFFFFF


def byte_align_le(previous: int, current: int, byte_index: int) -> int:
    """Little-endian alignment: (current, previous) >> (8 * byte_index); index 0 gives previous."""
    shift = 8 * (byte_index & 3)
    return (((previous & 0xFFFFFFFF) >> shift) | ((current & 0xFFFFFFFF) << (32 - shift))) & 0xFFFFFFFF


def find_first_set(value: int) -> int:
    """Index of the lowest set bit; FFS_OF_ZERO when there is none."""
    if (value & 0xFFFFFFFF) == 0:
        return FFS_OF_ZERO
    index = 0
    while (value >> index) & 1 == 0:
        index += 1
    return index


def population_count(value: int) -> int:
    """Number of set bits: what ``pop_count3`` returns after ``pop_count1`` and ``pop_count2`` of the same source."""
    value = value & 0xFFFFFFFF
    value = value - ((value >> 1) & 0x55555555)
    value = (value & 0x33333333) + ((value >> 2) & 0x33333333)
    value = (value + (value >> 4)) & 0x0F0F0F0F
    return ((value * 0x01010101) & 0xFFFFFFFF) >> 24


def insert_bytes(old: int, source: int, mask: int) -> int:
    """``ld_field``: the bytes of source where the 4-bit mask is 1 (bit 0 = bits 7:0), those of old elsewhere."""
    bits = 0
    for byte in range(4):
        if (mask >> byte) & 1:
            bits = bits | (0xFF << (8 * byte))
    return (source & bits) | (old & 0xFFFFFFFF & (bits ^ 0xFFFFFFFF))


def immediate(constant: int, shift: int, invert: int) -> int:
    """``immed``: the 16-bit constant << shift (0, 8 or 16), the whole word complemented when invert is 1."""
    value = ((constant & 0xFFFF) << shift) & 0xFFFFFFFF
    return value ^ (0xFFFFFFFF & (0 - (invert & 1)))


def insert_word(old: int, constant: int, word: int) -> int:
    """``immed_w0`` and ``immed_w1``: replace the low (0) or high (1) 16 bits."""
    shift = 16 * (word & 1)
    return (old & 0xFFFFFFFF & ((0xFFFF << shift) ^ 0xFFFFFFFF)) | ((constant & 0xFFFF) << shift)


def insert_byte(old: int, constant: int, byte: int) -> int:
    """``immed_b0`` to ``immed_b3``: replace one byte, 0 = bits 7:0."""
    shift = 8 * (byte & 3)
    return (old & 0xFFFFFFFF & ((0xFF << shift) ^ 0xFFFFFFFF)) | ((constant & 0xFF) << shift)


def multiply_low(multiplicand: int, multiplier: int, steps: int) -> int:
    """Low word after ``steps`` (1, 2 or 4) multiply steps: each takes 8 more bits of the multiplier."""
    used = multiplier & ((1 << (8 * steps)) - 1)
    return ((multiplicand & 0xFFFFFFFF) * used) & 0xFFFFFFFF


def multiply_high(multiplicand: int, multiplier: int, steps: int) -> int:
    """High word of the product of :func:`multiply_low`."""
    used = multiplier & ((1 << (8 * steps)) - 1)
    return (((multiplicand & 0xFFFFFFFF) * used) >> 32) & 0xFFFFFFFF


def multiply_step(high: int, low: int, left: int, right: int, step: int) -> tuple[int, int]:
    """The hidden 64-bit sum (high, low) after step 1 to 4: + left * (byte step - 1 of right) << 8 * (step - 1)."""
    shift = 8 * (step - 1)
    part = (left & 0xFFFFFFFF) * (((right & 0xFFFFFFFF) >> shift) & 0xFF)
    total = (low & 0xFFFFFFFF) + ((part << shift) & 0xFFFFFFFF)
    return ((high & 0xFFFFFFFF) + (part >> (32 - shift)) + (total >> 32)) & 0xFFFFFFFF, total & 0xFFFFFFFF


def prn_advance(value: int, steps: int, polynomial: int) -> int:
    """The pseudo-random number after ``steps`` steps x -> (x << 1) ^ (polynomial if bit 31 of x was set).

    A step multiplies by t modulo t^32 + polynomial over GF(2), so many steps multiply by powers of t.
    """
    result = value & 0xFFFFFFFF
    factor = 2  # t to the power 1, 2, 4, ...
    index = 0
    while (steps >> index) > 0:
        square, product = 0, 0
        for step in range(32):
            square = ((square << 1) & 0xFFFFFFFF) ^ (polynomial & (0 - (square >> 31)))
            product = ((product << 1) & 0xFFFFFFFF) ^ (polynomial & (0 - (product >> 31)))
            if (factor >> (31 - step)) & 1:
                square = square ^ factor
                product = product ^ result
        if (steps >> index) & 1:
            result = product
        factor = square
        index = index + 1
    return result


CRC_PARAMETERS = ((0, 0), (0, 0), (16, 0x1021), (0, 0), (32, 0x04C11DB7), (32, 0x1EDC6F41), (10, 0x233), (5, 0x05))
"""(width in bits, polynomial) by the type code of the instruction; width 0 leaves the remainder alone."""

CRC_BYTE_FORMS = ((0, 3), (1, 3), (2, 3), (3, 3), (0, 2), (0, 1), (0, 0))
"""(first, last) byte taken, by the byte code of the instruction."""


def _crc_tables() -> tuple[int, ...]:
    """For each type code and byte: the remainder after that byte, of a remainder of 0; left-justified in 32 bits."""
    tables = []
    for width, polynomial in CRC_PARAMETERS:
        aligned = polynomial << (32 - width) if width else 0
        for byte in range(256):
            remainder = byte << 24
            for _ in range(8):
                remainder = ((remainder << 1) & 0xFFFFFFFF) ^ (aligned if remainder >> 31 else 0)
            tables.append(remainder if width else 0)
    return tuple(tables)


CRC_TABLES = _crc_tables()
MIRRORED_BYTES = tuple(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Each byte with its bits in reverse order."""


def crc_step(remainder: int, word: int, crc_type: int, byte_form: int, little_endian: int, bit_swap: int) -> int:
    """New CRC remainder, right-justified, after the chosen bytes of one word; no inversion before or after.

    Byte 0 is bits 31:24 for ``crc_be`` and bits 7:0 for ``crc_le``; bit_swap takes each byte lowest bit first.
    ``crc_type`` and ``byte_form`` are the codes of the instruction (``CRC_PARAMETERS``, ``CRC_BYTE_FORMS``).
    """
    width = CRC_PARAMETERS[crc_type][0]
    if width == 0:
        return remainder & 0xFFFFFFFF
    first, last = CRC_BYTE_FORMS[byte_form]
    remainder = (remainder << (32 - width)) & 0xFFFFFFFF
    for byte in range(first, last + 1):
        low = 8 * byte if little_endian else 24 - 8 * byte
        value = (word >> low) & 0xFF
        if bit_swap:
            value = MIRRORED_BYTES[value]
        index = (crc_type << 8) | (remainder >> 24) ^ value
        remainder = ((remainder << 8) & 0xFFFFFFFF) ^ CRC_TABLES[index]
    return remainder >> (32 - width)


def hash_48(low: int, high: int, multiplier_low: int, multiplier_high: int) -> tuple[int, int]:
    """(low, high) of key * multiplier mod x^48 + x^36 + x^25 + x^10 + 1 over GF(2); high words hold 16 bits."""
    low, high, multiplier_low, multiplier_high = (
        low & 0xFFFFFFFF,
        high & 0xFFFF,
        multiplier_low & 0xFFFFFFFF,
        multiplier_high & 0xFFFF,
    )
    result_low, result_high = 0, 0
    for step in range(48):
        position = 47 - step
        out = (result_high >> 15) & 1
        result_high = ((result_high << 1) | (result_low >> 31)) & 0xFFFF
        result_low = (result_low << 1) & 0xFFFFFFFF
        if out:
            result_high = result_high ^ 0x10
            result_low = result_low ^ 0x02000401
        taken = (high >> (position - 32)) & 1 if position >= 32 else (low >> position) & 1
        if taken:
            result_low = result_low ^ multiplier_low
            result_high = result_high ^ multiplier_high
    return result_low, result_high


def hash_64(low: int, high: int, multiplier_low: int, multiplier_high: int) -> tuple[int, int]:
    """(low, high) of key * multiplier mod x^64 + x^54 + x^35 + x^17 + 1 over GF(2)."""
    low, high, multiplier_low, multiplier_high = (
        low & 0xFFFFFFFF,
        high & 0xFFFFFFFF,
        multiplier_low & 0xFFFFFFFF,
        multiplier_high & 0xFFFFFFFF,
    )
    result_low, result_high = 0, 0
    for step in range(64):
        position = 63 - step
        out = (result_high >> 31) & 1
        result_high = ((result_high << 1) | (result_low >> 31)) & 0xFFFFFFFF
        result_low = (result_low << 1) & 0xFFFFFFFF
        if out:
            result_high = result_high ^ 0x00400008
            result_low = result_low ^ 0x00020001
        taken = (high >> (position - 32)) & 1 if position >= 32 else (low >> position) & 1
        if taken:
            result_low = result_low ^ multiplier_low
            result_high = result_high ^ multiplier_high
    return result_low, result_high


def hash_128(key: tuple[int, int, int, int], multiplier: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """key * multiplier mod x^128 + x^98 + x^69 + x^33 + 1 over GF(2); four 32-bit words, least significant first."""
    r0, r1, r2, r3 = 0, 0, 0, 0
    m0, m1, m2, m3 = multiplier
    for step in range(128):
        position = 127 - step
        out = (r3 >> 31) & 1
        r3 = ((r3 << 1) | (r2 >> 31)) & 0xFFFFFFFF
        r2 = ((r2 << 1) | (r1 >> 31)) & 0xFFFFFFFF
        r1 = ((r1 << 1) | (r0 >> 31)) & 0xFFFFFFFF
        r0 = (r0 << 1) & 0xFFFFFFFF
        if out:
            r3 = r3 ^ 0x4
            r2 = r2 ^ 0x20
            r1 = r1 ^ 0x2
            r0 = r0 ^ 0x1
        if (key[position >> 5] >> (position & 31)) & 1:
            r0 = r0 ^ m0
            r1 = r1 ^ m1
            r2 = r2 ^ m2
            r3 = r3 ^ m3
    return r0, r1, r2, r3
