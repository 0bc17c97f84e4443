"""The extremes in Python."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from oboe_runtime.declaration import Declaration
from oboe_runtime.observed import Observed, differing_entries
from oboe_runtime.oracle import Arrival, Treatment

__all__ = ["Extremes", "open_oracle"]

_WORD = 0xFFFF_FFFF


class Extremes:
    def __init__(self) -> None:
        self.values: dict[int, list[int]] = {}

    def contents(self) -> Mapping[str, npt.NDArray[np.uint32]]:
        return {}

    def work(self, arrival: Arrival) -> Treatment:
        number, value = struct.unpack_from(">II", arrival.frame, 40)
        self.values.setdefault(number, []).append(value)
        return Treatment(arrival.frame)

    def differences(self, observed: Observed) -> list[str]:
        bits, least, greatest = np.zeros((3, 1)), np.full((20, 3), _WORD), np.zeros((3, 2))
        for number, values in self.values.items():
            bits[number] = np.bitwise_or.reduce(np.array(values, np.uint32))
            least[number, 0], least[number, 2] = min(values), min(2 * value & _WORD for value in values)
            greatest[number] = max(values), max(~value & _WORD for value in values)
        return [
            text
            for name, expected in (("bits", bits), ("least", least), ("greatest", greatest))
            for text in differing_entries(name, observed.entries[name], expected.astype(np.uint32))
        ]


def open_oracle(declaration: Declaration) -> Extremes:
    return Extremes()
