"""What a control program asked for and was told: all it takes to bring another run of it to the same point."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ixp_emu.board.control_requests import Compute, Read, Request, Sleep, Wait, Wakeup, Write, mailboxes_of
from ixp_emu.board.timers import TIMERS

__all__ = ["ControlLog", "decode_request", "encode_request", "value_of"]

_KINDS = (Read, Write, Compute, Sleep, Wait)
_FIELDS = tuple(len(kind._fields) for kind in _KINDS)
_RESULTS = (1, 0, 0, 0, 7)
"""Numbers that a request of each kind results in; of a wait the interrupts, timers, mailboxes and whether in time."""


def encode_request(request: Request) -> list[int]:
    """A request as numbers: its kind, then its fields."""
    return [_KINDS.index(type(request)), *request]


def decode_request(numbers: Sequence[int]) -> Request:
    """The inverse of :func:`encode_request`.

    Raises:
        IndexError, TypeError: these are no request.
    """
    kind, *fields = numbers
    return _KINDS[kind](*fields)


def value_of(request: Request, results: Sequence[int]) -> int | Wakeup | None:
    """What the program is told of a request, from the numbers it resulted in."""
    if isinstance(request, Read):
        return results[0]
    if not isinstance(request, Wait):
        return None
    a0, a1, b0, b1, timers, mailboxes, timed_out = results
    expired = tuple(number for number in range(TIMERS) if timers >> number & 1)
    return Wakeup((a0, a1, b0, b1), expired, mailboxes_of(mailboxes), bool(timed_out))


class ControlLog:
    """Requests that were done, with what they resulted in, in order; 16 to 100 bytes each."""

    def __init__(self) -> None:
        self._numbers = array("q")

    def append(self, request: Request, results: Sequence[int]) -> None:
        """Add a request that was done."""
        self._numbers.extend(encode_request(request))
        self._numbers.extend(results)

    def __iter__(self) -> Iterator[tuple[Request, list[int]]]:
        """The requests with their results.

        Raises:
            IndexError, TypeError: the log is damaged.
        """
        at = 0
        while at < len(self._numbers):
            kind = self._numbers[at]
            behind = at + 1 + _FIELDS[kind]
            end = behind + _RESULTS[kind]
            yield decode_request(self._numbers[at:behind]), self._numbers[behind:end].tolist()
            at = end

    def to_array(self) -> npt.NDArray[np.int64]:
        """A copy as one array."""
        return np.array(self._numbers, np.int64)

    @classmethod
    def from_array(cls, numbers: npt.NDArray[np.int64]) -> ControlLog:
        """The inverse of :meth:`to_array`."""
        log = cls()
        log._numbers = array("q", np.asarray(numbers, np.int64).tobytes())
        return log
