"""The modes in Python, as if every update were seen by all at once."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from oboe_runtime.declaration import Declaration
from oboe_runtime.observed import Observed, differing_entries
from oboe_runtime.oracle import Arrival, Treatment

__all__ = ["Modes", "open_oracle"]

_ENTRIES = 16


class Modes:
    def __init__(self) -> None:
        self.modes = np.zeros((_ENTRIES, 1), np.uint32)

    def contents(self) -> Mapping[str, npt.NDArray[np.uint32]]:
        return {}

    def work(self, arrival: Arrival) -> Treatment:
        number, mode = struct.unpack_from(">II", arrival.frame, 40)
        if arrival.packet.flow.destination_port == 1:
            self.modes[number] = mode
            return Treatment(arrival.frame)
        return Treatment(arrival.frame, "forbidden" if self.modes[number, 0] else None)

    def differences(self, observed: Observed) -> list[str]:
        return differing_entries("modes", observed.entries["modes"], self.modes)


def open_oracle(declaration: Declaration) -> Modes:
    return Modes()
