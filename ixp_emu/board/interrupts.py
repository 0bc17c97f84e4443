"""The interrupt controller of the host: what microengines asked for, and what of it the host listens to."""

from __future__ import annotations

from typing import Any

__all__ = ["Interrupts"]

_RAW, _STATUS, _ENABLE_SET, _ENABLE_CLEAR = "raw", "status", "enable set", "enable clear"
_REGISTERS = {  # of cluster 0, A and B; cluster 1 follows at + 4
    0x060: (_RAW, 0),
    0x080: (_RAW, 2),
    0x0E0: (_STATUS, 0),
    0x100: (_STATUS, 2),
    0x160: (_ENABLE_SET, 0),
    0x180: (_ENABLE_SET, 2),
    0x1E0: (_ENABLE_CLEAR, 0),
    0x200: (_ENABLE_CLEAR, 2),
}


class Interrupts:
    """Raw status, enable bits and status (raw and enabled) of interrupts A and B, a bit per thread.

    Attributes:
        enabled: masks of A of cluster 0, A of cluster 1, B of cluster 0, B of cluster 1.
    """

    def __init__(self, chip: Any) -> None:
        self._chip = chip
        self.enabled = [0, 0, 0, 0]

    def pending(self, word: int) -> int:
        """Bits that are set and enabled, of a word as in ``enabled``."""
        return int(self._chip["interrupt_raw"][word]) & self.enabled[word]

    def read(self, offset: int) -> int:
        """A register; the enable registers read as what is enabled.

        Raises:
            KeyError: there is none at this offset; also when written.
        """
        what, word = self._register(offset)
        if what == _RAW:
            return int(self._chip["interrupt_raw"][word])
        return self.pending(word) if what == _STATUS else self.enabled[word]

    def write(self, offset: int, value: int) -> None:
        """Write a register: clears raw bits, enables or disables; the status is not written."""
        what, word = self._register(offset)
        if what == _RAW:
            self._chip["interrupt_raw"][word] &= ~value & 0xFFFF_FFFF
        elif what == _ENABLE_SET:
            self.enabled[word] |= value
        elif what == _ENABLE_CLEAR:
            self.enabled[word] &= ~value

    def _register(self, offset: int) -> tuple[str, int]:
        what, word = _REGISTERS[offset & ~4]  # cluster 1's registers have bit 2
        return what, word + (offset >> 2 & 1)
