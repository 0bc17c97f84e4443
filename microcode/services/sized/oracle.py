"""What the entries of the sized service must hold: packets and bytes at both ends, 0 between."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from microcode.services.packet import Tuple
from oboe_runtime.declaration import Declaration
from oboe_runtime.observed import Observed, differing_flows
from oboe_runtime.oracle import Arrival, Treatment

__all__ = ["SizedOracle", "open_oracle"]


class SizedOracle:
    """Counts per flow.

    Parameters:
        words: longwords of an entry.
    """

    def __init__(self, words: int) -> None:
        self._between = (0,) * (words - 4)
        self._counts: dict[Tuple, tuple[int, int]] = {}

    def contents(self) -> Mapping[str, npt.NDArray[np.uint32]]:
        """Nothing is there at the start."""
        return {}

    def work(self, arrival: Arrival) -> Treatment:
        """Count a packet; it leaves as it is."""
        packets, total = self._counts.get(arrival.packet.flow, (0, 0))
        self._counts[arrival.packet.flow] = packets + 1, total + len(arrival.frame)
        return Treatment(arrival.frame)

    def forget(self, flow: Tuple) -> None:
        """The flow's record was given up."""
        self._counts.pop(flow, None)

    def differences(self, observed: Observed) -> list[str]:
        """Entries that hold anything else."""
        if "contexts" not in observed.flows:
            return []
        expected = {flow: (*count, *self._between, *count) for flow, count in self._counts.items()}
        return differing_flows("contexts", observed.flows["contexts"], expected)


def open_oracle(declaration: Declaration) -> SizedOracle:
    """The oracle with the options in force."""
    return SizedOracle(int(declaration.options["state_words"]))
