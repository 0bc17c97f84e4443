"""What left a cluster against what should have: losses, strangers, order and latency.

A frame has no identity on hardware; it is known again by the digest of its bytes. Of equal frames expected on one
port, the k-th that leaves is taken for the k-th that entered: if one of them is lost, the last is reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ixp_emu.cluster.frames import NO_FLOW

__all__ = ["NOT_DELIVERED", "NO_INPUT", "EgressMatcher", "EgressResult", "ExpectedFrames", "LatencySummary"]

NO_INPUT = -1
"""`ExpectedFrames.input` of a frame that a service makes by itself."""

NOT_DELIVERED = 0xFFFF_FFFF_FFFF_FFFF


@dataclass(frozen=True, eq=False, slots=True)
class ExpectedFrames:
    """The frames that should leave, one row each, in the order of the inputs that cause them.

    Attributes:
        digest: uint64, of the bytes expected (`Frames.digests`).
        port: uint16, egress port.
        flow: uint32, `frames.NO_FLOW` for a frame whose order does not matter.
        input: int64, index of the offered frame; `NO_INPUT` for a frame made by a service.
    """

    digest: npt.NDArray[np.uint64]
    port: npt.NDArray[np.uint16]
    flow: npt.NDArray[np.uint32]
    input: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        rows = {len(self.digest), len(self.port), len(self.flow), len(self.input)}
        if len(rows) != 1:
            raise ValueError(f"ExpectedFrames: columns of {sorted(rows)} rows")

    def __len__(self) -> int:
        return len(self.digest)


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Latencies in ME cycles. A percentile is the nearest rank: the smallest that at least p % do not exceed.

    Attributes:
        count: how many packets were measured; all other values are 0 if none was.
        total: sum of their latencies.
    """

    count: int
    total: int
    minimum: int
    p50: int
    p95: int
    p99: int
    maximum: int

    @classmethod
    def of(cls, latency: npt.NDArray[np.uint64]) -> LatencySummary:
        """The summary of latencies in any order."""
        if len(latency) == 0:
            return cls(0, 0, 0, 0, 0, 0, 0)
        ordered = np.sort(latency)
        at = {percent: int(ordered[-(-percent * len(ordered) // 100) - 1]) for percent in (50, 95, 99)}
        total = int(ordered.sum(dtype=np.uint64))
        return cls(len(ordered), total, int(ordered[0]), at[50], at[95], at[99], int(ordered[-1]))


@dataclass(frozen=True, eq=False, slots=True)
class EgressResult:
    """The verdict over all frames observed so far.

    Attributes:
        expected: frames that should leave.
        delivered: of these, how many have left, on the port expected.
        missing: of these, how many have not (yet).
        reordered: delivered packets that left after a packet of the same flow with a greater input index (the
            definition of RFC 4737, section 3, in input order). Frames that end in the same cycle (on different
            ports) are in order.
        unknown: observed frames whose bytes nobody expects.
        misrouted: observed frames that were expected on another port only.
        duplicated: observed frames of which all expected copies have left before.
        left_at: uint64 per expected frame, cycle of its last bit at egress; `NOT_DELIVERED` if it has not left.
        is_reordered: bool per expected frame.
        latency: of the delivered packets after the warm-up, from last bit in to last bit out.
    """

    expected: int
    delivered: int
    missing: int
    reordered: int
    unknown: int
    misrouted: int
    duplicated: int
    left_at: npt.NDArray[np.uint64]
    is_reordered: npt.NDArray[np.bool_]
    latency: LatencySummary

    @property
    def unexpected(self) -> int:
        """Observed frames that match nothing; any fails a run."""
        return self.unknown + self.misrouted + self.duplicated


class EgressMatcher:
    """Matches observed frames to expected ones; the egress log may come in any number of pieces.

    Parameters:
        stand_ins: port -> ports whose frames may leave there as well, where nothing like them is expected there.

    State besides the expectation: per kind of frame (bytes and port) how many have left, per expected frame when it
    left, three counts (`to_arrays`, `restore`).
    """

    def __init__(self, expected: ExpectedFrames, stand_ins: Mapping[int, Sequence[int]] | None = None) -> None:
        self.expected = expected
        self._stand_ins = stand_ins or {}
        self._digests, digest_number = np.unique(expected.digest, return_inverse=True)
        self._port_count = int(expected.port.max()) + 1 if len(expected) else 1
        key = digest_number.astype(np.int64) * self._port_count + expected.port
        # Rows of one kind lie together in `_rows`, in input order: kind k has rows `_first[k]` to `_first[k + 1]`.
        self._rows = np.argsort(key, kind="stable")
        self._kinds, counts = np.unique(key, return_counts=True)
        self._first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self._copies = counts.astype(np.int64)
        self._left = np.zeros(len(self._kinds), dtype=np.int64)
        self._left_at = np.full(len(expected), NOT_DELIVERED, dtype=np.uint64)
        self._unmatched = np.zeros(3, dtype=np.int64)

    def observe(
        self, *, digest: npt.NDArray[np.uint64], time: npt.NDArray[np.uint64], port: npt.NDArray[np.uint16]
    ) -> npt.NDArray[np.int64]:
        """Take a piece of the egress log; the frames of one port in the order in which they left.

        Args:
            digest: of the bytes that left.
            time: cycle of the last bit.
            port: egress port.

        Returns:
            int64 per observed frame: the row of `ExpectedFrames` it matches, or -1.
        """
        matched = np.full(len(digest), -1, dtype=np.int64)
        if len(digest) == 0:
            return matched
        digest_number, known = _find(self._digests, digest)
        kind, right_port = _find(self._kinds, digest_number * self._port_count + port.astype(np.int64))
        right_port &= known & (port < self._port_count)
        for own, others in self._stand_ins.items():
            for other in (other for other in others if other < self._port_count):
                astray = np.flatnonzero(known & ~right_port & (port == own))
                there, found = _find(self._kinds, digest_number[astray] * self._port_count + other)
                kind[astray[found]], right_port[astray[found]] = there[found], True
        candidates = np.flatnonzero(right_port)
        kind = kind[candidates]
        rank = self._left[kind] + _occurrence(kind)
        fresh = rank < self._copies[kind]
        rows = self._rows[self._first[kind[fresh]] + rank[fresh]]
        matched[candidates[fresh]] = rows
        self._left_at[rows] = time[candidates[fresh]]
        np.add.at(self._left, kind[fresh], 1)  # not `bincount`: a piece has few of all the kinds
        unknown = np.count_nonzero(~known)
        misrouted = np.count_nonzero(known & ~right_port)
        self._unmatched += (unknown, misrouted, np.count_nonzero(~fresh))
        return matched

    @property
    def delivered(self) -> int:
        """How many expected frames have left so far."""
        return int(self._left.sum())

    def result(self, *, last_bit_in: npt.NDArray[np.uint64], warmup_packets: int = 0) -> EgressResult:
        """The verdict so far.

        Args:
            last_bit_in: cycle of the last bit at ingress, per offered frame.
            warmup_packets: the first so many offered frames do not count in the latency (order and losses do).
        """
        expected = self.expected
        delivered = self._left_at != np.uint64(NOT_DELIVERED)
        measured = delivered & (expected.input >= warmup_packets) & (expected.input != NO_INPUT)
        latency = self._left_at[measured] - last_bit_in[expected.input[measured]]
        ordered = delivered & (expected.flow != NO_FLOW) & (expected.input != NO_INPUT)
        is_reordered = np.zeros(len(expected), dtype=np.bool_)
        is_reordered[ordered] = _reordered(expected.flow[ordered], self._left_at[ordered], expected.input[ordered])
        unknown, misrouted, duplicated = (int(count) for count in self._unmatched)
        return EgressResult(
            expected=len(expected),
            delivered=int(delivered.sum()),
            missing=int((~delivered).sum()),
            reordered=int(is_reordered.sum()),
            unknown=unknown,
            misrouted=misrouted,
            duplicated=duplicated,
            left_at=self._left_at.copy(),
            is_reordered=is_reordered,
            latency=LatencySummary.of(latency),
        )

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The state of the matching, for a checkpoint."""
        return {"left": self._left.copy(), "left_at": self._left_at.copy(), "unmatched": self._unmatched.copy()}

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take up the state that `to_arrays` gave for the same expectation."""
        self._left[:] = arrays["left"]
        self._left_at[:] = arrays["left_at"]
        self._unmatched[:] = arrays["unmatched"]


def _find(ordered: npt.NDArray[Any], values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The position of each value in a sorted array of distinct ones, and whether it is there at all."""
    if len(ordered) == 0:
        return np.zeros(len(values), dtype=np.int64), np.zeros(len(values), dtype=np.bool_)
    position = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return position, ordered[position] == values


def _occurrence(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """For each element, how many equal ones stand before it."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(values) else order
    sizes = np.diff(np.append(starts, len(values)))
    occurrence = np.empty(len(values), dtype=np.int64)
    occurrence[order] = np.arange(len(values)) - np.repeat(starts, sizes)
    return occurrence


def _reordered(
    flow: npt.NDArray[np.uint32], time: npt.NDArray[np.uint64], index: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Whether an element of the same flow with a greater index has a smaller time."""
    order = np.lexsort((index, time, flow))
    flow_number = np.unique(flow, return_inverse=True)[1].astype(np.int64)[order]
    # Flows are numbered upwards along `order`, so one running maximum serves all: a new flow exceeds all before.
    rank = flow_number * (int(index.max()) + 1 if len(index) else 1) + index[order]
    reordered = np.zeros(len(flow), dtype=np.bool_)
    reordered[order] = np.maximum.accumulate(rank) > rank if len(rank) else False
    return reordered
