"""Value results against independent statements on Python's big integers, and the same vectors compiled by numba."""

from __future__ import annotations

import inspect
import random
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ixp_emu.isa import OPERATIONS, semantics

MASK = 0xFFFFFFFF
EDGES = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
WORD = st.one_of(st.sampled_from(EDGES), st.integers(0, MASK))
AMOUNT = st.integers(0, 31)
BIT = st.integers(0, 1)
FUNCTIONS = {name: value for name in semantics.__all__ if inspect.isfunction(value := getattr(semantics, name))}


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


SUMS: dict[str, Callable[[int, int, int], tuple[int, int]]] = {
    # unsigned and signed exact values; C is "the unsigned one is not negative / does not fit"
    "add": lambda a, b, c: (a + b, _signed(a) + _signed(b)),
    "add_16": lambda a, b, c: (a + b % 65536, _signed(a) + b % 65536),
    "add_8": lambda a, b, c: (a + b % 256, _signed(a) + b % 256),
    "add_with_carry": lambda a, b, c: (a + b + c, _signed(a) + _signed(b) + c),
}
DIFFERENCES: dict[str, Callable[[int, int, int], tuple[int, int]]] = {
    "subtract": lambda a, b, c: (a - b, _signed(a) - _signed(b)),
    "subtract_with_carry": lambda a, b, c: (a - b - (1 - c), _signed(a) - _signed(b) - (1 - c)),
    "reverse_subtract": lambda a, b, c: (b - a, _signed(b) - _signed(a)),
}


@given(WORD, WORD, BIT)
def test_arithmetic(a: int, b: int, c: int) -> None:
    for name, exact in {**SUMS, **DIFFERENCES}.items():
        unsigned, signed = exact(a, b, c)
        carry = unsigned > MASK if name in SUMS else unsigned >= 0
        overflow = not -(1 << 31) <= signed < 1 << 31
        assert FUNCTIONS[name](a, b, c) == (unsigned % (1 << 32), int(carry), int(overflow)), name


@given(WORD, WORD, BIT)
def test_logic_works_bit_by_bit_and_gives_no_carry(a: int, b: int, c: int) -> None:
    truth: dict[str, Callable[[int, int], int]] = {
        "pass_b": lambda x, y: y,
        "not_b": lambda x, y: 1 - y,
        "and_": lambda x, y: x * y,
        "not_and": lambda x, y: (1 - x) * y,
        "and_not": lambda x, y: x * (1 - y),
        "or_": lambda x, y: max(x, y),
        "xor": lambda x, y: (x + y) % 2,
    }
    for name, function in truth.items():
        expected = sum(function(a >> i & 1, b >> i & 1) << i for i in range(32))
        assert FUNCTIONS[name](a, b, c) == (expected, 0, 0), name


def test_64_bit_subtraction_and_comparison_use_no_borrow() -> None:
    random_source = random.Random(64)
    for _ in range(500):
        a, b = random_source.getrandbits(64), random_source.getrandbits(64)
        low, carry, _ = semantics.subtract(a & MASK, b & MASK, 0)
        high, carry, _ = semantics.subtract_with_carry(a >> 32, b >> 32, carry)
        assert high << 32 | low == (a - b) % (1 << 64)
        assert carry == (a >= b)


@given(WORD, WORD, AMOUNT, BIT)
def test_shifts(value: int, other: int, amount: int, sign: int) -> None:
    assert semantics.shift_left(value, amount) == value * 2**amount % 2**32
    assert semantics.shift_right(value, amount) == value // 2**amount
    digits = f"{value:032b}"
    assert f"{semantics.rotate_right(value, amount):032b}" == (digits + digits)[32 - amount : 64 - amount]
    assert semantics.arithmetic_shift_right(value, amount, value >> 31) == (_signed(value) >> amount) % 2**32
    assert semantics.arithmetic_shift_right(value, amount, sign) == ((value - sign * 2**32) >> amount) % 2**32
    assert semantics.double_shift_right(value, other, amount) == ((value << 32 | other) >> amount) % 2**32


@given(st.binary(min_size=8, max_size=8), st.integers(0, 3))
def test_byte_align_walks_through_a_byte_stream(stream: bytes, index: int) -> None:
    previous, current = int.from_bytes(stream[:4], "big"), int.from_bytes(stream[4:], "big")
    assert semantics.byte_align_be(previous, current, index) == int.from_bytes(stream[index : index + 4], "big")
    previous, current = int.from_bytes(stream[:4], "little"), int.from_bytes(stream[4:], "little")
    assert semantics.byte_align_le(previous, current, index) == int.from_bytes(stream[index : index + 4], "little")


@given(WORD, WORD, st.integers(0, 15))
def test_byte_insert(old: int, source: int, mask: int) -> None:
    expected = bytes(
        (s if mask >> position & 1 else o)
        for position, (s, o) in enumerate(zip(source.to_bytes(4, "little"), old.to_bytes(4, "little"), strict=True))
    )
    assert semantics.insert_bytes(old, source, mask) == int.from_bytes(expected, "little")


@given(WORD, st.integers(0, 0xFFFF))
def test_immediates(old: int, constant: int) -> None:
    for shift in (0, 8, 16):
        assert semantics.immediate(constant, shift, 0) == constant * 2**shift % 2**32
        assert semantics.immediate(constant, shift, 1) == MASK - constant * 2**shift % 2**32
    assert semantics.insert_word(old, constant, 0) == old // 65536 * 65536 + constant
    assert semantics.insert_word(old, constant, 1) == constant * 65536 + old % 65536
    for byte in range(4):
        assert semantics.insert_byte(old, constant % 256, byte) == semantics.insert_bytes(
            old, (constant % 256) << (8 * byte), 1 << byte
        )


@given(WORD)
def test_bit_counts(value: int) -> None:
    assert semantics.population_count(value) == value.bit_count()
    if value:
        assert value % 2 ** semantics.find_first_set(value) == 0
        assert value // 2 ** semantics.find_first_set(value) % 2 == 1
    assert semantics.find_first_set(0) == semantics.FFS_OF_ZERO


@given(WORD, WORD)
def test_multiplication_takes_8_bits_a_step(a: int, b: int) -> None:
    for steps in (1, 2, 4):
        product = a * (b % 2 ** (8 * steps))
        assert semantics.multiply_low(a, b, steps) == product % 2**32
        assert semantics.multiply_high(a, b, steps) == product >> 32


@given(WORD, WORD)
def test_multiply_steps_add_up_to_the_product(a: int, b: int) -> None:
    """The closed form of n steps is the product with the multiplier's low n bytes; a fifth step wraps at 2^64."""
    high, low = 0, 0
    for step in (1, 2, 3, 4):
        high, low = semantics.multiply_step(high, low, a, b, step)
        assert high << 32 | low == a * (b % 2 ** (8 * step))
    high, low = semantics.multiply_step(high, low, a, b, 4)
    assert high << 32 | low == (a * b + (a * (b >> 24) << 24)) % 2**64


@given(WORD, WORD, st.integers(0, 300), st.integers(0, 1 << 40))
def test_the_pseudo_random_number_jumps_where_single_steps_lead(x: int, polynomial: int, few: int, many: int) -> None:
    single = x
    for _ in range(few):
        single = (single << 1) % 2**32 ^ (polynomial if single >> 31 else 0)
    assert semantics.prn_advance(x, few, polynomial) == single
    onwards = semantics.prn_advance(semantics.prn_advance(x, many, polynomial), few, polynomial)
    assert semantics.prn_advance(x, many + few, polynomial) == onwards


def _poly_mod(value: int, polynomial: int) -> int:
    """Remainder of GF(2) polynomials held as integers."""
    while value.bit_length() >= polynomial.bit_length():
        value ^= polynomial << (value.bit_length() - polynomial.bit_length())
    return value


def _poly_multiply(a: int, b: int) -> int:
    product = 0
    for position in range(b.bit_length()):
        product ^= (a << position) * (b >> position & 1)
    return product


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1))
def test_hash_48(key: int, multiplier: int) -> None:
    expected = _poly_mod(_poly_multiply(key, multiplier), 2**48 | 2**36 | 2**25 | 2**10 | 1)
    assert semantics.hash_48(key & MASK, key >> 32, multiplier & MASK, multiplier >> 32) == (
        expected & MASK,
        expected >> 32,
    )


def test_hash_48_ignores_the_high_half_of_the_second_register() -> None:
    assert semantics.hash_48(7, 0xFFFF0003, 9, 1) == semantics.hash_48(7, 3, 9, 1)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_hash_64(key: int, multiplier: int) -> None:
    expected = _poly_mod(_poly_multiply(key, multiplier), 2**64 | 2**54 | 2**35 | 2**17 | 1)
    assert semantics.hash_64(key & MASK, key >> 32, multiplier & MASK, multiplier >> 32) == (
        expected & MASK,
        expected >> 32,
    )


def _words(value: int) -> tuple[int, int, int, int]:
    return value & MASK, value >> 32 & MASK, value >> 64 & MASK, value >> 96


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1))
def test_hash_128(key: int, multiplier: int) -> None:
    expected = _poly_mod(_poly_multiply(key, multiplier), 2**128 | 2**98 | 2**69 | 2**33 | 1)
    assert semantics.hash_128(_words(key), _words(multiplier)) == _words(expected)


@given(st.binary(min_size=4, max_size=4), WORD, st.sampled_from((2, 4, 5, 6, 7)), st.integers(0, 6), BIT)
def test_crc_is_the_remainder_of_the_message_polynomial(
    data: bytes, start: int, crc_type: int, form: int, little: int
) -> None:
    width, low_terms = semantics.CRC_PARAMETERS[crc_type]
    start &= (1 << width) - 1
    first, last = semantics.CRC_BYTE_FORMS[form]
    taken = data[first : last + 1]
    bits = 8 * len(taken)
    message = int.from_bytes(taken, "big")
    expected = _poly_mod((message << width) ^ (start << bits), 1 << width | low_terms)
    word = int.from_bytes(data, "little" if little else "big")
    assert semantics.crc_step(start, word, crc_type, form, little, 0) == expected
    reversed_data = bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)
    word = int.from_bytes(reversed_data, "little" if little else "big")
    assert semantics.crc_step(start, word, crc_type, form, little, 1) == expected


def test_crc_32_with_bit_swap_gives_ethernet_s_frame_check_sequence() -> None:
    data = b"123456789abc"
    remainder = MASK
    for position in range(0, len(data), 4):
        word = int.from_bytes(data[position : position + 4], "big")
        remainder = semantics.crc_step(remainder, word, 4, 0, 0, 1)
    assert int(f"{remainder ^ MASK:032b}"[::-1], 2) == zlib.crc32(data)


def test_crc_none_leaves_the_remainder() -> None:
    assert semantics.crc_step(0xDEADBEEF, 0x12345678, 0, 0, 0, 0) == 0xDEADBEEF


_ARGUMENTS: dict[str, Callable[[random.Random], Any]] = {
    "carry": lambda r: r.getrandbits(1),
    "sign": lambda r: r.getrandbits(1),
    "invert": lambda r: r.getrandbits(1),
    "little_endian": lambda r: r.getrandbits(1),
    "bit_swap": lambda r: r.getrandbits(1),
    "amount": lambda r: r.randrange(32),
    "steps": lambda r: r.choice((1, 2, 4)),
    "step": lambda r: r.randrange(1, 5),
    "shift": lambda r: r.choice((0, 8, 16)),
    "mask": lambda r: r.randrange(16),
    "byte": lambda r: r.randrange(4),
    "byte_index": lambda r: r.randrange(4),
    "crc_type": lambda r: r.choice((0, 2, 4, 5, 6, 7)),
    "byte_form": lambda r: r.randrange(7),
    "key": lambda r: tuple(r.getrandbits(32) for _ in range(4)),
}


def _any_word(random_source: random.Random) -> int:
    return random_source.choice((*EDGES, random_source.getrandbits(32)))


def _vector(name: str, random_source: random.Random) -> list[Any]:
    values = []
    for parameter in inspect.signature(FUNCTIONS[name]).parameters:
        if name == "hash_128":
            parameter = "key"
        draw = _ARGUMENTS.get(parameter, _any_word)
        values.append(draw(random_source))
    return values


@cache
def _compiled(name: str) -> Any:
    njit: Any = numba.njit  # numba has no type hints
    return njit(error_model="numpy")(FUNCTIONS[name])


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("kind", [np.uint32, np.int64], ids=["uint32", "int64"])
def test_compiled_function_agrees(
    name: str,
    kind: type,
) -> None:
    random_source = random.Random(name)
    for _ in range(60):
        vector = _vector(name, random_source)
        typed = [tuple(map(kind, value)) if isinstance(value, tuple) else kind(value) for value in vector]
        expected = FUNCTIONS[name](*vector)
        found = _compiled(name)(*typed)
        assert (tuple(map(int, found)) if isinstance(found, tuple) else int(found)) == expected, vector


def test_semantics_of_the_registry_are_these_functions() -> None:
    for entry in OPERATIONS:
        assert entry.semantics is None or FUNCTIONS[entry.semantics.__name__] is entry.semantics
        if entry.name.startswith(("alu.", "alu_shf.")):
            assert entry.semantics is not None
            assert list(inspect.signature(entry.semantics).parameters) == ["left", "right", "carry"]
