"""Push and pull buses: one request granted at a time, masters round robin."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Bus"]


@dataclass(slots=True)
class _Request:
    time: int
    cycles: int
    granted: Callable[[int], None]


class Bus:
    """One push or pull bus with a request queue per master."""

    def __init__(self, name: str, masters: Sequence[str]) -> None:
        self.name = name
        self.masters = tuple(masters)
        self.queues: dict[str, deque[_Request]] = {master: deque() for master in masters}
        self.free = 0
        self.grants = 0
        self.busy = 0
        self._last = len(masters) - 1

    def request(self, master: str, time: int, cycles: int, granted: Callable[[int], None]) -> None:
        """Queue a request that may be granted from ``time`` on and holds the bus for ``cycles``."""
        self.queues[master].append(_Request(time, cycles, granted))

    def waiting(self, master: str) -> int:
        """Requests in the queue of ``master``, those with a later request time included."""
        return len(self.queues[master])

    def step(self, now: int) -> None:
        """Phase 0 of a chassis edge: grant at most one request."""
        if now < self.free:
            return
        for offset in range(1, len(self.masters) + 1):
            place = (self._last + offset) % len(self.masters)
            queue = self.queues[self.masters[place]]
            if queue and queue[0].time <= now:
                request = queue.popleft()
                self.free = now + request.cycles
                self.busy += request.cycles
                self.grants += 1
                self._last = place
                request.granted(now)
                return
