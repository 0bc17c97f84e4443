"""Whether a cluster took the load it was offered: lost nothing, held nothing back, and did not fall behind."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ixp_emu.cluster.cables import read_port
from ixp_emu.cluster.config import ClusterConfig
from ixp_emu.cluster.egress import NOT_DELIVERED
from ixp_emu.cluster.run import RunResult
from ixp_emu.cluster.wire import FCS_BYTES, MINIMUM_GAP_BYTES, PREAMBLE_BYTES

__all__ = [
    "FALLS_BEHIND",
    "FRAME_OVERHEAD_BYTES",
    "at_line_rate",
    "byte_cycles",
    "clock_hz",
    "queue_growth",
    "refused_load",
]

FRAME_OVERHEAD_BYTES = PREAMBLE_BYTES + FCS_BYTES + MINIMUM_GAP_BYTES
FALLS_BEHIND = 0.05
"""Queue growth from which on a cluster does not keep up; below, it is the ups and downs of a short run."""
_FEWEST_PACKETS = 64
"""Packets that queues must have gained, for the same reason."""
_LINE_BITS_PER_SECOND = 1_000_000_000
_AT_LINE_RATE = ("line", "back-to-back")


def clock_hz(config: ClusterConfig) -> int:
    """The clock of the MEs."""
    return config.hardware["me_clock_khz"] * 1_000


def byte_cycles(config: ClusterConfig) -> float:
    """ME cycles of a byte on an Ethernet port's wire."""
    return 8 * clock_hz(config) / _LINE_BITS_PER_SECOND


def at_line_rate(result: RunResult) -> bool | None:
    """Whether the cluster takes packets at line rate; None if they were not offered so, or none has come through."""
    if result.config.traffic.rate not in _AT_LINE_RATE or result.delivered == 0:
        return None
    return result.fault is None and not refused_load(result)


def refused_load(result: RunResult) -> bool:
    """Whether the cluster took less than was offered: lost it, held it back, or queued ever more of it."""
    return bool(result.lost.get("mac_rx_overflow")) or _held_back(result) or _falls_behind(result)


def _held_back(result: RunResult) -> bool:
    """Whether a back-pressured source had to wait, where its packets should have come back to back.

    A packet that waits for room starts later than a line's minimum gap after the one before it.
    """
    traffic = result.config.traffic
    if not traffic.back_pressure or traffic.rate not in _AT_LINE_RATE:
        return False
    for starts, lengths in _arrivals(result):
        if len(starts) < 2:
            continue
        needed = int((lengths[:-1] + FRAME_OVERHEAD_BYTES).sum()) * byte_cycles(result.config)
        if int(starts[-1] - starts[0]) > needed + 1:  # starts are whole cycles
            return True
    return False


def _falls_behind(result: RunResult) -> bool:
    growth, gained = _growth(result)
    return growth is not None and growth > FALLS_BEHIND and gained > _FEWEST_PACKETS


def queue_growth(result: RunResult) -> float | None:
    """Share of the arriving packets that stayed inside; None if there are too few to say.

    About 0 if the cluster keeps up; 0.2 if it forwards 80 % of what enters. Looked at is the second half of the time in
    which all ingress ports have packets. Lost packets are taken to be spread evenly.
    """
    return _growth(result)[0]


def _growth(result: RunResult) -> tuple[float | None, float]:
    """The share, and the packets gained."""
    columns = [starts for starts, _ in _arrivals(result) if len(starts)]
    if not columns:
        return None, 0.0
    starts = np.sort(np.concatenate(columns))
    left_at = result.egress.left_at
    left = np.sort(left_at[left_at != np.uint64(NOT_DELIVERED)].astype(np.int64))
    end = min(int(column[-1]) for column in columns)
    middle = (int(starts[0]) + end) // 2
    entered, departed = (
        int(np.diff(np.searchsorted(times, [middle, end], side="right"))[0]) for times in (starts, left)
    )
    if entered == 0:
        return None, 0.0
    gained = entered * (1 - sum(result.lost.values()) / len(starts)) - departed
    return gained / entered, gained


def _arrivals(result: RunResult) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Per ingress port: first bit and length of every frame that the port took or lost."""
    machine, columns = result.machine, []
    for port in map(read_port, result.config.traffic.into):
        taken = int(machine.chips[machine.index_of[port.chip]]["port"][port.number]["source_next"])
        rows = machine.ingress[machine.port_numbers[port]][:taken]
        columns.append((rows["arrival"].astype(np.int64), rows["length"].astype(np.int64)))
    return columns
