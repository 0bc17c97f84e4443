"""Whether one worker or all of them advance the chips: whichever is faster at the moment.

Workers that share the cores with other programs mostly wait for each other, and then one alone is faster. So both ways
are timed one after the other, and the faster one goes on for a while. Results do not depend on it.
"""

from __future__ import annotations

__all__ = ["WorkerChoice"]

TRIAL_SECONDS = 0.02
"""Host time for which a way is timed: much more than it takes to wake a thread."""
KEPT_SECONDS = 1.0
"""Host time for which the faster way goes on."""
_LEAST_CYCLES = 4_096
"""Of a trial's pieces, the first of which shows how many cycles the trial will take."""


class WorkerChoice:
    """The choice, from time to time made anew: one worker for a trial, all for a trial, then the faster.

    One worker is timed first: what a run does only once, such as touching memory, falls into its time.

    Attributes:
        alone: whether one worker does the next piece.
    """

    def __init__(self) -> None:
        self.alone = True
        self._deciding = True
        self._speed_alone = 0.0
        self._cycles = 0
        self._seconds = 0.0

    def cycles(self, most: int) -> int:
        """How many of ``most`` cycles to run the way that is now to go: a trial is not much longer than it must be."""
        if not self._deciding:
            return most
        left = (TRIAL_SECONDS - self._seconds) * self._cycles / self._seconds if self._seconds else 0
        return min(most, max(int(left), _LEAST_CYCLES))

    def ran(self, cycles: int, seconds: float) -> None:
        """Take note that so many cycles took so long."""
        self._cycles += cycles
        self._seconds += seconds
        if self._seconds < (TRIAL_SECONDS if self._deciding else KEPT_SECONDS):
            return
        speed = self._cycles / self._seconds
        self._cycles, self._seconds = 0, 0.0
        if not self._deciding:  # time to look again
            self._deciding, self.alone = True, True
        elif self.alone:
            self._speed_alone, self.alone = speed, False
        else:
            self._deciding, self.alone = False, self._speed_alone > speed
