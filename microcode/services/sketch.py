"""Count-Min sketches: the plain one, which merges by addition, and the one with conservative update, which does not.

Sources: G. Cormode and S. Muthukrishnan, An Improved Data Stream Summary, J. Algorithms 55(1), 2005; C. Estan and
G. Varghese, New Directions in Traffic Measurement and Accounting, SIGCOMM 2002. Cells count modulo 2^32.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["ConservativeCountMin", "CountMin"]

_WORD = 0xFFFF_FFFF


class CountMin:
    """A plain Count-Min sketch.

    Parameters:
        rows: at least 1.
        columns: of each row.

    Attributes:
        cells: uint32, rows x columns.
    """

    def __init__(self, *, rows: int, columns: int) -> None:
        self.cells: npt.NDArray[np.uint32] = np.zeros((rows, columns), dtype=np.uint32)

    def add(self, columns: Sequence[int], amount: int) -> int:
        """Count `amount` for a key that falls into these columns, one a row; returns the new estimate."""
        for row, column in enumerate(columns):
            self.cells[row, column] = int(self.cells[row, column]) + amount & _WORD
        return self.estimate(columns)

    def estimate(self, columns: Sequence[int]) -> int:
        """At least the true count of the key, as long as no cell has wrapped."""
        return min(int(self.cells[row, column]) for row, column in enumerate(columns))

    def merge(self, other: CountMin) -> None:
        """Add what another sketch of the same shape has counted."""
        self.cells += other.cells


class ConservativeCountMin(CountMin):
    """With conservative update: only cells below the new estimate are raised, so it depends on the order of updates."""

    def add(self, columns: Sequence[int], amount: int) -> int:
        """Count `amount` for a key; returns the new estimate."""
        target = self.estimate(columns) + amount & _WORD
        for row, column in enumerate(columns):
            self.cells[row, column] = max(int(self.cells[row, column]), target)
        return target

    def merge(self, other: CountMin) -> None:
        """There is no such operation."""
        raise TypeError("conservative update: the sum of two sketches is not the sketch of both streams")
