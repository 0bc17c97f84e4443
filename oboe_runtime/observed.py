"""What the states of a service hold, as its oracle judges them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from microcode.services.packet import Tuple

__all__ = ["Commit", "Observed", "differing_entries", "differing_flows"]

_SHOWN = 3
_SHOWN_WORDS = 16


class Commit(NamedTuple):
    """An operation of the home's server.

    Attributes:
        inputs: four longwords, 0 where the operation has none.
    """

    operation: str
    entry: int
    inputs: tuple[int, int, int, int]


@dataclass(frozen=True, eq=False, slots=True)
class Observed:
    """States at the end of a run.

    Attributes:
        flows: per_flow state -> canonical key -> the longwords of the flow's entry.
        entries: other states -> entries x words, the partials of all chips merged.
        commits: what the home's server did, in its order, if the whole of it was written down.
        records: live records of flows.
    """

    flows: Mapping[str, Mapping[Tuple, Sequence[int]]] = field(default_factory=dict)
    entries: Mapping[str, npt.NDArray[np.uint32]] = field(default_factory=dict)
    commits: Sequence[Commit] | None = None
    records: int = 0


def differing_flows(
    state: str, observed: Mapping[Tuple, Sequence[int]], expected: Mapping[Tuple, Sequence[int]]
) -> list[str]:
    """The first flows whose entries are not as expected, in words."""
    wrong = [key for key in sorted({*observed, *expected}) if not _same(observed.get(key), expected.get(key))]
    texts = [f"{state} of {tuple(key)}: {_difference(observed.get(key), expected.get(key))}" for key in wrong]
    return _shortened(texts, "flows")


def differing_entries(state: str, observed: npt.NDArray[np.uint32], expected: npt.NDArray[np.uint32]) -> list[str]:
    """The first entries that are not as expected, in words; both are entries x words."""
    wrong = np.flatnonzero((observed != expected).any(axis=1))
    return _shortened(
        [
            f"{state}[{n}]: {_text(observed[n].tolist())}, expected {_text(expected[n].tolist())}"
            for n in wrong.tolist()
        ],
        "entries",
    )


def _same(words: Sequence[int] | None, others: Sequence[int] | None) -> bool:
    return words is others if words is None or others is None else tuple(words) == tuple(others)


def _difference(words: Sequence[int] | None, expected: Sequence[int] | None) -> str:
    if words is not None and expected is not None and len(words) == len(expected) > _SHOWN_WORDS:
        place = next(n for n, (word, other) in enumerate(zip(words, expected, strict=True)) if word != other)
        return f"longword {place} is {words[place]}, expected {expected[place]}"
    return f"{_text(words)}, expected {_text(expected)}"


def _text(words: Sequence[int] | None) -> str:
    return "no entry" if words is None else " ".join(str(int(word)) for word in words)


def _shortened(texts: list[str], what: str) -> list[str]:
    return texts if len(texts) <= _SHOWN else [*texts[:_SHOWN], f"and {len(texts) - _SHOWN:,} more {what}"]
