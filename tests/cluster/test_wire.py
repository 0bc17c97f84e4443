"""Wire time in ME cycles."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ixp_emu.cluster.wire import Line, earliest_starts, scaled

GIGABIT = Line(bits_per_second=1_000_000_000, clock_hz=600_000_000)
values = st.integers(min_value=-(1 << 40), max_value=1 << 40)
factors = st.integers(min_value=1, max_value=1 << 34)


@given(st.lists(values, max_size=5), factors, factors)
def test_scaled_is_the_exact_floor(numbers: list[int], numerator: int, denominator: int) -> None:
    numbers = [number for number in numbers if abs(number * numerator // denominator) < 1 << 62]
    result = scaled(np.array(numbers, dtype=np.int64), numerator, denominator)
    assert result.tolist() == [floor(Fraction(number * numerator, denominator)) for number in numbers]


def test_a_gigabit_byte_takes_4_8_cycles_at_600_mhz() -> None:
    bits = np.arange(0, 8 * 11, 8)
    assert GIGABIT.cycle_of_bit(bits).tolist() == [floor(Fraction(48, 10) * byte) for byte in range(11)]


def test_a_frame_occupies_the_wire_for_preamble_bytes_fcs_and_gap() -> None:
    assert GIGABIT.occupied_bits(np.array([60, 1514], dtype=np.uint32)).tolist() == [84 * 8, 1538 * 8]


def test_last_bit_is_rounded_up_and_precedes_the_gap() -> None:
    length = np.arange(60, 70, dtype=np.uint32)
    arrival = np.full(len(length), 1_000, dtype=np.uint64)
    expected = [1_000 + ceil(Fraction(48, 10) * (8 + int(bytes_) + 4)) for bytes_ in length]
    assert GIGABIT.last_bit(arrival, length).tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 30)), min_size=1, max_size=20))
def test_earliest_starts_obeys_its_recurrence(rows: list[tuple[int, int]]) -> None:
    wanted, occupied = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    free, expected = 0, []
    for want, time in rows:
        expected.append(max(want, free))
        free = expected[-1] + time
    assert earliest_starts(wanted, occupied).tolist() == expected
