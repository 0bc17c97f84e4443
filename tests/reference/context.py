"""The state of one context."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["ANY", "SIGNALS", "VOLUNTARY", "Context"]

VOLUNTARY = 1
ANY = 1 << 16
SIGNALS = 0xFFFE


@dataclass(slots=True)
class Context:
    """``pc``: next instruction; ``entry``: where it was last entered; ``wakeup``: the WAKEUP_EVENTS mask.

    ``signals``: bit s is signal s. ``armed`` numbers the timer's arms: an older one does nothing when its time comes.
    """

    pc: int = 0
    entry: int = 0
    signals: int = 0
    wakeup: int = VOLUNTARY
    lm_addr: list[int] = field(default_factory=lambda: [0, 0])
    future_count: int = 0
    future_signal: int = 0
    armed: int = 0

    def satisfied(self) -> bool:
        if self.wakeup & VOLUNTARY:
            return True
        listed = self.wakeup & SIGNALS
        if self.wakeup & ANY:
            return bool(self.signals & listed)
        return self.signals & listed == listed
