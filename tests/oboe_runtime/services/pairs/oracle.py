"""The pairs in Python: none is ever torn."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from oboe_runtime.declaration import Declaration
from oboe_runtime.observed import Observed, differing_entries
from oboe_runtime.oracle import Arrival, Treatment

__all__ = ["Pairs", "open_oracle"]


class Pairs:
    def __init__(self) -> None:
        self.pairs = np.zeros((8, 3), np.uint32)
        self.pairs[:, 1] = 0xFFFF_FFFF

    def contents(self) -> Mapping[str, npt.NDArray[np.uint32]]:
        rows = np.zeros((8, 4), np.uint32)  # an element has four longwords
        rows[:, :3] = self.pairs
        return {"pairs": rows.reshape(-1)}

    def work(self, arrival: Arrival) -> Treatment:
        number, value = struct.unpack_from(">II", arrival.frame, 40)
        if arrival.packet.flow.destination_port == 1:
            self.pairs[number] = value, value ^ 0xFFFF_FFFF, value
        return Treatment(arrival.frame)

    def differences(self, observed: Observed) -> list[str]:
        return differing_entries("pairs", observed.entries["pairs"], self.pairs)


def open_oracle(declaration: Declaration) -> Pairs:
    return Pairs()
