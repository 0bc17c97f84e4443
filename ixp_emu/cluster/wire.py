"""Time on an Ethernet wire, in ME cycles, computed exactly in integers."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np
import numpy.typing as npt

__all__ = ["FCS_BYTES", "MINIMUM_GAP_BYTES", "PREAMBLE_BYTES", "Line", "earliest_starts", "scaled"]

# IEEE 802.3: preamble and start-of-frame delimiter, frame check sequence, minimum inter-packet gap.
PREAMBLE_BYTES = 8
FCS_BYTES = 4
MINIMUM_GAP_BYTES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One direction of an Ethernet port: how its bits map to ME cycles.

    At 1 Gb/s and 600 MHz a byte takes 8 ns = 4.8 cycles. The wire runs on bit times; only the end result is rounded,
    so no error adds up over a run.

    Attributes:
        bits_per_second: the port's rate, > 0.
        clock_hz: the microengine clock, > 0.
    """

    bits_per_second: int
    clock_hz: int

    @staticmethod
    def occupied_bits(length: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        """Bit times from a frame's first preamble bit to the earliest one of the next; lengths without FCS."""
        overhead = PREAMBLE_BYTES + FCS_BYTES + MINIMUM_GAP_BYTES
        return (length.astype(np.int64) + overhead) * 8

    def cycle_of_bit(self, bits: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
        """The cycle in which bit time `bits` (from the start of the run) begins: rounded down."""
        return scaled(bits, self.clock_hz, self.bits_per_second).astype(np.uint64)

    def last_bit(self, arrival: npt.NDArray[np.uint64], length: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]:
        """The cycle by which the last bit (of the FCS) has passed, of frames that begin at `arrival`: rounded up."""
        bits = (length.astype(np.int64) + PREAMBLE_BYTES + FCS_BYTES) * 8
        return arrival + (-scaled(-bits, self.clock_hz, self.bits_per_second)).astype(np.uint64)


def scaled(values: npt.NDArray[np.int64], numerator: int, denominator: int) -> npt.NDArray[np.int64]:
    """floor(values * numerator / denominator), exact also where the product exceeds 64 bits.

    Raises:
        OverflowError: a result exceeds 64 bits.
    """
    divisor = gcd(numerator, denominator)
    numerator, denominator = numerator // divisor, denominator // divisor
    if denominator * numerator < 1 << 62 and (
        len(values) == 0 or int(np.abs(values).max()) // denominator * numerator < 1 << 62
    ):
        whole, rest = np.divmod(values, denominator)
        result: npt.NDArray[np.int64] = whole * numerator + rest * numerator // denominator
        return result
    return np.array([int(value) * numerator // denominator for value in values], dtype=np.int64)


def earliest_starts(wanted: npt.NDArray[np.int64], occupied: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """When frames start that are wanted at given times on a wire that carries one after the other.

    start[i] = max(wanted[i], start[i-1] + occupied[i-1]), in closed form: subtract what lies before, take the
    running maximum, add it back.
    """
    before = np.cumsum(occupied) - occupied
    return before + np.maximum.accumulate(wanted - before)
