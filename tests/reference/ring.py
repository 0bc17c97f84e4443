"""A ring in scratch memory and its three CSRs."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Ring"]

_SMALLEST = 128  # longwords; each step of the size code doubles it


@dataclass(slots=True)
class Ring:
    """``base`` in bytes; ``size``, ``head`` and ``count`` in longwords; size 0: not configured."""

    base: int = 0
    size: int = 0
    head: int = 0
    count: int = 0
    flag_empty: bool = False
    shown: bool = False
    coming: list[tuple[int, bool]] = field(default_factory=list)

    def slot(self, place: int) -> int:
        """Byte address of the longword ``place`` behind the head."""
        return (self.base & ~3) + 4 * ((self.head + place) % self.size)

    def append(self, n: int) -> None:
        self.count += n

    def take(self, n: int) -> None:
        self.head = (self.head + n) % self.size
        self.count -= n

    # ------------------------------------------------------------------ status flag

    def flag(self, margin: int) -> bool:
        if not self.size:
            return False
        return self.count == 0 if self.flag_empty else self.count > self.size - margin

    def flag_at(self, now: int) -> bool:
        """The flag as it shows in phase 3 of ``now``; times of calls do not go back."""
        while self.coming and self.coming[0][0] <= now:
            self.shown = self.coming.pop(0)[1]
        return self.shown

    # ------------------------------------------------------------------ CSRs

    def read_csr(self, offset: int) -> int:
        """BASE at 0, HEAD at 4, TAIL at 8."""
        if offset == 4:
            return 4 * self.head
        if offset == 8:
            return 4 * self._tail()
        if not self.size:
            return 0
        code = (self.size // _SMALLEST).bit_length() - 1
        return code << 30 | self.flag_empty << 26 | self.base

    def write_csr(self, offset: int, value: int) -> None:
        head, tail = self.head, self._tail()
        if offset == 0:
            self.size = _SMALLEST << (value >> 30)
            self.flag_empty = bool(value >> 26 & 1)
            self.base = value & 0x3FFFFFF
        elif offset == 4:
            head = value >> 2
        else:
            tail = value >> 2
        if self.size:
            self.head = head % self.size
            self.count = (tail - head) % self.size

    def _tail(self) -> int:
        return (self.head + self.count) % self.size if self.size else 0
