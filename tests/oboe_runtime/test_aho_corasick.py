"""The automaton's table against a search that compares every pattern at every place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ixp_emu.errors import InputError
from oboe_runtime import aho_corasick
from oboe_runtime.aho_corasick import OUTPUT, ROOT, Automaton, compile_patterns

SMALL_ALPHABET = st.binary(min_size=1, max_size=5).map(lambda data: bytes(97 + byte % 3 for byte in data))
PATTERNS = st.lists(SMALL_ALPHABET, min_size=1, max_size=8, unique=True)
TEXT = st.binary(max_size=60).map(lambda data: bytes(97 + byte % 4 for byte in data))


def naive(patterns: list[bytes], text: bytes) -> set[tuple[int, int]]:
    """(index of the last byte, pattern) of every occurrence."""
    return {
        (end, number)
        for number, pattern in enumerate(patterns)
        for end in range(len(text))
        if text[: end + 1].endswith(pattern)
    }


def found(automaton: Automaton, text: bytes) -> set[tuple[int, int]]:
    _, met = automaton.scan(text)
    return {(index, number) for index, state in met for number in automaton.ends[state - 1]}


@given(PATTERNS, TEXT)
def test_finds_what_a_naive_search_finds(patterns: list[bytes], text: bytes) -> None:
    assert found(compile_patterns(patterns), text) == naive(patterns, text)


@given(PATTERNS, TEXT, st.integers(0, 60))
def test_a_text_may_be_cut_anywhere(patterns: list[bytes], text: bytes, cut: int) -> None:
    automaton = compile_patterns(patterns)
    state, first = automaton.scan(text[:cut])
    end, second = automaton.scan(text[cut:], state)
    assert (end, first + [(index + len(text[:cut]), at) for index, at in second]) == automaton.scan(text)


@given(PATTERNS)
def test_output_states_come_first_and_are_marked_in_the_table(patterns: list[bytes]) -> None:
    automaton = compile_patterns(patterns)
    reporting = set(range(1, automaton.output_states + 1))
    for word in automaton.table.flat:
        assert bool(word & OUTPUT) == (int(word) & 0xFFFF in reporting)
    assert all(automaton.ends)
    assert {number for ends in automaton.ends for number in ends} == set(range(len(patterns)))


@given(PATTERNS)
def test_the_bitmap_says_which_bytes_leave_the_root(patterns: list[bytes]) -> None:
    automaton = compile_patterns(patterns)
    first_bytes = {pattern[0] for pattern in patterns}
    bitmap = {byte for byte in range(256) if int(automaton.leaves_root[byte // 32]) >> byte % 32 & 1}
    assert bitmap == first_bytes == {byte for byte in range(256) if automaton.table[ROOT, byte]}


@given(PATTERNS)
def test_there_is_a_state_for_every_prefix(patterns: list[bytes]) -> None:
    prefixes = {pattern[:end] for pattern in patterns for end in range(len(pattern) + 1)}
    automaton = compile_patterns(patterns)
    assert automaton.states == len(prefixes)
    assert automaton.table.shape == (len(prefixes), 256)
    assert automaton.table.dtype == np.uint32


def test_the_example_of_the_paper() -> None:
    """Aho and Corasick, figure 1: he, she, his, hers over "ushers"."""
    patterns = [b"he", b"she", b"his", b"hers"]
    automaton = compile_patterns(patterns)
    assert found(automaton, b"ushers") == {(3, 1), (3, 0), (5, 3)}
    assert automaton.states == 10


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ([], "no patterns: at least one is needed"),
        ([b"a", b""], "pattern 1 is empty: at least one byte is needed"),
        ([b"ab", b"b", b"ab"], "pattern 2 is the same as pattern 0: each may be given once"),
    ],
)
def test_refused(patterns: list[bytes], message: str) -> None:
    with pytest.raises(InputError) as error:
        compile_patterns(patterns)
    assert str(error.value) == message


def test_as_many_states_as_an_entry_can_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aho_corasick, "MOST_STATES", 8)
    assert compile_patterns([b"1234567"]).states == 8
    with pytest.raises(InputError, match="pattern 0: more than 8 states are needed"):
        compile_patterns([b"12345678"])
