"""The host's four timers (docs/hardware-model.md, 7): their state is a value at a cycle, and the rest follows."""

from __future__ import annotations

from dataclasses import astuple, dataclass

__all__ = ["TIMERS", "Timer", "Timers"]

TIMERS = 4
_CONTROL, _LOAD, _COUNTER, _CLEAR = 0x0, 0x4, 0x8, 0xC
_ENABLE = 1 << 7


@dataclass(slots=True)
class Timer:
    """One timer: counts down, and at 0 has expired and starts again from its load value.

    Attributes:
        cycles_per_tick: ME cycles from one value to the next.
        control: as written; bit 7 enables.
        load: value it starts from.
        counter: value in cycle ``since``.
        since: cycle of the last tick known, or of the last change.
        expired: it has reached 0 and was not cleared.
    """

    cycles_per_tick: int
    control: int = 0
    load: int = 0
    counter: int = 0
    since: int = 0
    expired: bool = False

    @property
    def _runs(self) -> bool:
        return bool(self.control & _ENABLE and self.counter)

    def next_expiry(self) -> int | None:
        """The cycle in which it will reach 0 as it is set now; None if never."""
        return self.since + self.counter * self.cycles_per_tick if self._runs else None

    def advance(self, now: int) -> None:
        """Bring it to a cycle."""
        if not self._runs:
            self.since = now
            return
        ticks = (now - self.since) // self.cycles_per_tick
        self.since += ticks * self.cycles_per_tick
        if ticks < self.counter:
            self.counter -= ticks
            return
        self.expired = True
        beyond = ticks - self.counter
        self.counter = self.load - beyond % self.load if self.load else 0

    def read(self, register: int, now: int) -> int:
        """A register in the last phase of a cycle."""
        self.advance(now)
        return {_CONTROL: self.control, _LOAD: self.load, _COUNTER: self.counter, _CLEAR: int(self.expired)}[register]

    def write(self, register: int, value: int, now: int) -> None:
        """Write a register in the last phase of a cycle; a load value is the counter's at once, with a whole tick."""
        self.advance(now)
        if register == _CONTROL:
            if value & _ENABLE and not self.control & _ENABLE:
                self.since = now
            self.control = value
        elif register == _LOAD:
            self.load = self.counter = value
            self.since = now
        elif register == _CLEAR and value & 1:
            self.expired = False


class Timers:
    """All four, 16 bytes each: control +0 (bit 7 enables), load +4, counter +8 (read only), clear +0xc (reads as 1 if
    expired, writing 1 clears).

    Parameters:
        cycles_per_tick: ME cycles of one tick.
    """

    def __init__(self, cycles_per_tick: int) -> None:
        self._timers = [Timer(cycles_per_tick) for _ in range(TIMERS)]

    def read(self, offset: int, now: int) -> int:
        """A register in the last phase of cycle ``now``."""
        return self._timers[offset >> 4].read(offset & 0xC, now)

    def write(self, offset: int, value: int, now: int) -> None:
        """Write a register in the last phase of cycle ``now``."""
        self._timers[offset >> 4].write(offset & 0xC, value, now)

    def expired(self, mask: int, now: int) -> int:
        """Which of the timers of a mask have expired by the end of cycle ``now`` and were not cleared, as a mask."""
        for timer in self._timers:
            timer.advance(now)
        return sum(1 << number for number, timer in enumerate(self._timers) if mask >> number & 1 and timer.expired)

    def next_expiry(self, mask: int) -> int | None:
        """The cycle in which the first of the timers of a mask will expire, None if none does."""
        times = [timer.next_expiry() for number, timer in enumerate(self._timers) if mask >> number & 1]
        return min((time for time in times if time is not None), default=None)

    def saved(self) -> list[list[int]]:
        """Their state as plain numbers."""
        return [[int(value) for value in astuple(timer)] for timer in self._timers]

    def restore(self, saved: list[list[int]]) -> None:
        """Bring back what :meth:`saved` gave."""
        self._timers = [
            Timer(tick, control, load, counter, since, bool(expired))
            for tick, control, load, counter, since, expired in saved
        ]
