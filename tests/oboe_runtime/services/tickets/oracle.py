"""Tickets in Python: packets take them in their order of arrival."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from oboe_runtime.declaration import Declaration
from oboe_runtime.observed import Observed, differing_entries
from oboe_runtime.oracle import Arrival, Treatment

__all__ = ["Tickets", "open_oracle"]


class Tickets:
    def __init__(self) -> None:
        self.taken = 0

    def contents(self) -> Mapping[str, npt.NDArray[np.uint32]]:
        return {}

    def work(self, arrival: Arrival) -> Treatment:
        (number,) = struct.unpack_from(">I", arrival.frame, 40)
        frame = arrival.frame[:40] + struct.pack(">I", number + self.taken) + arrival.frame[44:]
        self.taken += 1
        return Treatment(frame)

    def differences(self, observed: Observed) -> list[str]:
        return differing_entries("tickets", observed.entries["tickets"], np.array([[0], [self.taken]], np.uint32))


def open_oracle(declaration: Declaration) -> Tickets:
    return Tickets()
