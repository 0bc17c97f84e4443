"""Patterns -> the table of an Aho-Corasick automaton, as the intrusion detection service walks it.

A row of 256 longwords per state, a longword per byte value: bits 15:0 are the next state, bit 31 says that patterns end
there. State 0 is the root. The states in which patterns end are numbered 1, 2, ... so that a short table of
counters, indexed by the state, holds everything there is to report.

Source: A. V. Aho and M. J. Corasick, Efficient String Matching, CACM 18(6), 1975; the full next-move function.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ixp_emu.errors import InputError

__all__ = ["MOST_STATES", "OUTPUT", "ROOT", "Automaton", "compile_patterns"]

ROOT = 0
OUTPUT = 1 << 31
MOST_STATES = 1 << 16
"""A next state has 16 bits."""


@dataclass(frozen=True, eq=False, slots=True)
class Automaton:
    """A compiled set of patterns.

    Attributes:
        table: uint32, states x 256.
        leaves_root: 8 uint32; bit b % 32 of longword b // 32 says that byte b leads from the root elsewhere.
        ends: per output state 1, 2, ...: the numbers of the patterns that end in it, the longest first.
    """

    table: npt.NDArray[np.uint32]
    leaves_root: npt.NDArray[np.uint32]
    ends: tuple[tuple[int, ...], ...]

    @property
    def states(self) -> int:
        """How many states there are, the root included."""
        return len(self.table)

    @property
    def output_states(self) -> int:
        """How many states report something; their numbers are 1 to this."""
        return len(self.ends)

    def scan(self, payload: bytes, state: int = ROOT) -> tuple[int, list[tuple[int, int]]]:
        """Walk the table from a state over the bytes.

        Returns:
            the last state, and (index of the byte, output state) of every output met.
        """
        met: list[tuple[int, int]] = []
        for index, byte in enumerate(payload):
            word = int(self.table[state, byte])
            state = word & (MOST_STATES - 1)
            if word & OUTPUT:
                met.append((index, state))
        return state, met


def compile_patterns(patterns: Sequence[bytes]) -> Automaton:
    """The automaton of at least one pattern.

    Raises:
        InputError: no pattern, an empty one, one given twice, or more states than a table entry can name.
    """
    if not patterns:
        raise InputError("no patterns: at least one is needed")
    goto, ends_here = _trie(patterns)
    order, fail = _breadth_first(goto)
    ends = _outputs(order, fail, ends_here)
    number = _numbered(order, ends)
    table = np.zeros((len(goto), 256), dtype=np.uint32)
    for state in order:  # the row of a state's failure is complete before its own
        row = table[number[state]]
        if state != ROOT:
            row[:] = table[number[fail[state]]]
        for byte, target in goto[state].items():
            row[byte] = number[target] | (OUTPUT if ends[target] else 0)
    leaves = np.packbits(table[ROOT] != 0, bitorder="little").view("<u4").astype(np.uint32)
    reporting = sorted((state for state in order if ends[state]), key=lambda state: number[state])
    return Automaton(table, leaves, tuple(ends[state] for state in reporting))


def _trie(patterns: Sequence[bytes]) -> tuple[list[dict[int, int]], dict[int, int]]:
    """Edges of each state, and which pattern ends where."""
    goto: list[dict[int, int]] = [{}]
    ends_here: dict[int, int] = {}
    for number, pattern in enumerate(patterns):
        if not pattern:
            raise InputError(f"pattern {number} is empty: at least one byte is needed")
        state = ROOT
        for byte in pattern:
            if byte not in goto[state]:
                if len(goto) == MOST_STATES:
                    raise InputError(f"pattern {number}: more than {MOST_STATES:,} states are needed")
                goto.append({})
                goto[state][byte] = len(goto) - 1
            state = goto[state][byte]
        if state in ends_here:
            raise InputError(f"pattern {number} is the same as pattern {ends_here[state]}: each may be given once")
        ends_here[state] = number
    return goto, ends_here


def _breadth_first(goto: Sequence[dict[int, int]]) -> tuple[list[int], list[int]]:
    """The states by their depth, and the failure state of each: its longest proper suffix that is a state."""
    fail = [ROOT] * len(goto)
    order = [ROOT]
    waiting = deque([ROOT])
    while waiting:
        state = waiting.popleft()
        for byte, target in goto[state].items():
            if state != ROOT:
                fail[target] = next(
                    (goto[suffix][byte] for suffix in _suffixes(state, fail) if byte in goto[suffix]), ROOT
                )
            order.append(target)
            waiting.append(target)
    return order, fail


def _suffixes(state: int, fail: Sequence[int]) -> Iterator[int]:
    while state != ROOT:
        state = fail[state]
        yield state


def _outputs(order: Iterable[int], fail: Sequence[int], ends_here: dict[int, int]) -> list[tuple[int, ...]]:
    """The patterns that end in each state: its own, and those of its suffixes."""
    ends: list[tuple[int, ...]] = [()] * len(fail)
    for state in order:
        own = (ends_here[state],) if state in ends_here else ()
        ends[state] = own + (ends[fail[state]] if state != ROOT else ())
    return ends


def _numbered(order: Sequence[int], ends: Sequence[tuple[int, ...]]) -> list[int]:
    """New numbers: the root 0, then the states with output, then the others, each by depth."""
    number = [ROOT] * len(order)
    reporting = [state for state in order if ends[state]]
    silent = [state for state in order if not ends[state] and state != ROOT]
    for new, state in enumerate([*reporting, *silent], start=1):
        number[state] = new
    return number
