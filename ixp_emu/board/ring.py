"""A scratch ring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ixp_emu.board.memory import check_word
from ixp_emu.chip.media_control import ring_get, ring_put

if TYPE_CHECKING:
    from ixp_emu.board.board import Board

__all__ = ["Ring"]


class Ring:
    """One of the 16 scratch rings.

    Attributes:
        number: 0..15.
    """

    def __init__(self, board: Board, number: int) -> None:
        self._board = board
        self.number = number

    def __repr__(self) -> str:
        return f"<ring {self.number}, {len(self)} of {self.size} longwords>"

    def __len__(self) -> int:
        return int(self._board.chip["ring_count"][self.number])

    @property
    def base(self) -> int:
        """Byte address in scratch."""
        return int(self._board.chip["ring_base"][self.number])

    @property
    def size(self) -> int:
        """Longwords it holds at most."""
        return int(self._board.chip["ring_size"][self.number])

    @property
    def head(self) -> int:
        """Position of the oldest longword."""
        return int(self._board.chip["ring_head"][self.number])

    @property
    def contents(self) -> list[int]:
        """Its longwords, the oldest first."""
        words = self._board.chip["scratch"]
        first = self.base // 4
        return [int(words[first + (self.head + position) % self.size]) for position in range(len(self))]

    def get(self) -> int:
        """Take the oldest longword, as the host does; 0 from an empty ring."""
        return int(ring_get(self._board.chip, self.number, self._board.phase_cycle))

    def put(self, value: int) -> None:
        """Put a longword, as the host does; a fault if the ring is full."""
        ring_put(self._board.chip, self.number, check_word(value, what=f"ring {self.number}"), self._board.phase_cycle)
