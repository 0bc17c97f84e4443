"""The uneven service in Python: packets with an odd number are dropped if that is asked for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from oboe_runtime.declaration import Declaration
from oboe_runtime.observed import Observed
from oboe_runtime.oracle import Arrival, Treatment

__all__ = ["open_oracle"]

_NUMBER = slice(40, 44)


class Uneven:
    def __init__(self, *, drop_odd: bool) -> None:
        self._drop_odd = drop_odd

    def contents(self) -> Mapping[str, npt.NDArray[np.uint32]]:
        return {}

    def work(self, arrival: Arrival) -> Treatment:
        odd = int.from_bytes(arrival.frame[_NUMBER]) % 2 == 1
        return Treatment(arrival.frame, "odd" if odd and self._drop_odd else None)

    def differences(self, observed: Observed) -> list[str]:
        return []


def open_oracle(declaration: Declaration) -> Uneven:
    return Uneven(drop_odd=bool(declaration.options["drop_odd"]))
