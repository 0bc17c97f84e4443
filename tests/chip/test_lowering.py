"""Operations the engine lowers by itself give what Python and NumPy give for the same text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ixp_emu.chip import machine_code
from ixp_emu.chip.compiled import compiled, kernel, s64, small, u
from ixp_emu.chip.progress import Progress, watch_compilation

INNER = np.dtype([("key", np.int64), ("byte", np.uint8)], align=True)
RECORD = np.dtype(
    [
        ("byte", np.uint8),
        ("half", np.int16),
        ("word", np.uint32),
        ("long", np.int64),
        ("ratio", np.float64),
        ("bytes", np.uint8, (5,)),
        ("longs", np.int64, (4,)),
        ("table", np.int64, (3, 2)),
        ("inner", INNER, (3,)),
    ],
    align=True,
)
WORD = 1 << 32


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_code, "FOLDER", tmp_path)


def run(body: Callable[..., Any], *arguments: int) -> np.ndarray[Any, Any]:
    """A record after a callee has run on it, filled with values that show signs and widths."""
    callee = compiled(body)

    @kernel
    def enter(records: Any, first: int, second: int) -> None:
        callee(records[0], first, second)

    records = np.zeros(1, RECORD)
    records["byte"], records["half"], records["word"] = 0xF0, -3, 0xFFFFFFFE
    records["bytes"], records["longs"] = [1, 2, 3, 4, 255], [10, -20, 30, -40]
    records["table"] = [[1, 2], [3, 4], [5, 6]]
    records["inner"]["key"] = [7, 8, 9]
    enter(records, *arguments, *([0] * (2 - len(arguments))))
    return records


def test_fields_are_extended_by_their_sign_and_cut_where_they_are_written() -> None:
    def body(record: Any, first: int, second: int) -> None:
        record.longs[u(0)] = s64(record.byte) + 1
        record.longs[u(1)] = s64(record.half) + 1
        record.longs[u(2)] = s64(record.word) + 1
        record.byte = first
        record.half = first
        record.word = first
        record.bytes[u(second)] = first
        record.ratio = s64(record.longs[u(1)]) / 4

    (record,) = run(body, -257, 3)
    assert list(record["longs"]) == [0xF1, -2, 0xFFFFFFFF, -40]
    assert (record["byte"], record["half"], record["word"]) == (-257 % 256, -257, -257 % WORD)
    assert list(record["bytes"]) == [1, 2, 3, -257 % 256, 255]
    assert record["ratio"] == -2 / 4


def test_elements_of_records_and_of_tables_and_whole_arrays() -> None:
    @compiled
    def total(numbers: Any) -> int:
        result = 0
        for index in range(4):
            result += numbers[u(index)]
        return result

    def body(record: Any, first: int, second: int) -> None:
        record.inner[u(first)].key += 100
        inner = record.inner[u(second)]
        inner.byte = 5
        record.long = total(record.longs)
        record.table[u(first), u(second)] = record.table[u(second), u(first)] + 10
        record.longs[first - second] = record.longs[2] + record.longs[-1]  # from the end, as in Python

    (record,) = run(body, 1, 2)
    assert [tuple(one) for one in record["inner"]] == [(7, 0), (108, 0), (9, 5)]
    assert record["long"] == 10 - 20 + 30 - 40
    assert record["longs"][3] == 30 - 40
    (record,) = run(body, 1, 0)
    assert record["table"][1, 0] == 2 + 10


@pytest.mark.parametrize(("left", "right"), [(-7, 3), (7, 3), (3, 3), (-1, 60), (1 << 40, 5)])
def test_arithmetic_of_signed_and_unsigned_numbers(left: int, right: int) -> None:
    def signed(record: Any, first: int, second: int) -> None:
        record.longs[u(0)] = ((first + second) * 3 - second) ^ (first & 0xFF | second)
        record.longs[u(1)] = (first << 2) + (first >> second)
        record.longs[u(2)] = (first < second) + 2 * (first <= second) + 4 * (first == second) + 8 * (first != second)
        record.longs[u(3)] = (first > second) + 2 * (first >= second) + 4 * (first // 2) + (first % 5)

    def unsigned(record: Any, first: int, second: int) -> None:
        record.longs[u(0)] = s64(u(first) >> u(second))
        record.longs[u(1)] = (u(first) < u(second)) + 2 * (u(first) >= u(second))

    def compare(a: int, b: int) -> tuple[int, int]:
        return (a < b) + 2 * (a <= b) + 4 * (a == b) + 8 * (a != b), (a > b) + 2 * (a >= b)

    low, high = compare(left, right)
    (record,) = run(signed, left, right)
    assert list(record["longs"]) == [
        ((left + right) * 3 - right) ^ (left & 0xFF | right),
        (left << 2) + (left >> right),
        low,
        high + 4 * (left // 2) + left % 5,
    ]
    a, b = left % (1 << 64), right
    (record,) = run(unsigned, left, right)
    assert list(record["longs"])[:2] == [a >> b, (a < b) + 2 * (a >= b)]


def test_callees_return_numbers_truths_tuples_and_nothing() -> None:
    @compiled
    def halves(value: int) -> tuple[int, int]:
        return value >> 8, value & 0xFF

    @compiled
    def is_odd(value: int) -> bool:
        return value & 1 != 0

    @small
    def least(a: int, b: int, c: int = 4) -> int:
        return min(a, b, c)

    @compiled
    def note(record: Any, value: int) -> None:
        if value > 0:
            record.long = value

    def body(record: Any, first: int, second: int) -> None:
        high, low = halves(first)
        record.longs[u(0)] = high
        record.longs[u(1)] = low
        record.longs[u(2)] = 1 if is_odd(second) else 0
        record.longs[u(3)] = least(first, second) * 100 + least(first, c=2, b=9)
        note(record, low)
        note(record, -1)

    (record,) = run(body, 0x1234, 7)
    assert list(record["longs"]) == [0x12, 0x34, 1, 4 * 100 + 2]
    assert record["long"] == 0x34


def test_a_callee_is_compiled_once_for_integers_of_any_width() -> None:
    @compiled
    def twice(value: int) -> int:
        return value + value

    @kernel
    def enter(records: Any) -> None:
        record = records[0]
        record.longs[u(0)] = twice(5)
        record.longs[u(1)] = twice(record.byte)
        record.longs[u(2)] = twice(record.half)
        record.longs[u(3)] = twice(record.word) + twice(record.long)

    records = np.zeros(1, RECORD)
    records["byte"], records["half"], records["word"], records["long"] = 200, -5, WORD - 1, 1
    seen: list[Progress] = []
    with watch_compilation(seen.append):
        enter(records)
    assert seen[-1].functions == 2  # the kernel and its callee
    assert list(records["longs"][0]) == [10, 400, -10, 2 * (WORD - 1) + 2]
