"""How far a compilation is, for those who want to show it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

__all__ = ["Progress", "report", "watch_compilation"]


class Progress(NamedTuple):
    """How far the compilation of a kernel is."""

    kernel: str
    functions: int
    """Compiled so far, the kernel itself last."""
    optimising: bool
    """All of them are linked and become machine code now."""
    seconds: float
    finished: bool


_watchers: list[Callable[[Progress], None]] = []


@contextlib.contextmanager
def watch_compilation(call: Callable[[Progress], None]) -> Iterator[None]:
    """While the context lasts, ``call`` learns of each function and each kernel that is compiled."""
    _watchers.append(call)
    try:
        yield
    finally:
        _watchers.remove(call)


def report(progress: Progress) -> None:
    """Tell those who watch."""
    for call in _watchers:
        call(progress)
