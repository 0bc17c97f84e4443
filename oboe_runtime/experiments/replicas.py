"""Replicas of a read_mostly state while a run goes on: which version each chip had when, and what left meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from ixp_emu.cluster.machine import EgressLog
from oboe_runtime.harvest import elements_of

if TYPE_CHECKING:
    from ixp_emu.cluster.run import ClusterRun

__all__ = ["Replicas", "arrivals_of", "stale_shares", "watched"]

_LOOK_CYCLES = 300


class Replicas(Struct, frozen=True, kw_only=True):
    """Versions of one state.

    Attributes:
        updates: done at the home.
        missing: updates of these that some replica did not have at the end of the run, counted for each replica.
        gaps: versions that a replica found missing.
        staleness_us: for each update and replica, how long it had an older version than the home, seen twice a us.
        stale_packets: packets that left a chip while its replica was older than the home's version, of all that left.
    """

    updates: int
    missing: int
    gaps: int
    staleness_us: list[float]
    stale_packets: tuple[int, int]


def watched(run: ClusterRun) -> Replicas:
    """Run to the end, looking at the versions again and again."""
    extension = run.config.extensions["oboe"]
    chips = list(run.config.chips)
    home = chips.index(str(extension.get("home", chips[0])))
    looks: list[int] = [0]
    versions: list[list[int]] = [[0] * len(chips)]
    left: dict[int, list[int]] = {index: [] for index in range(len(chips))}

    def leave(index: int, log: EgressLog) -> None:
        left[index] += log.time.tolist()

    run.observer = leave
    while run.now == looks[-1]:
        run.run(cycles=looks[-1] + _LOOK_CYCLES)
        looks.append(looks[-1] + _LOOK_CYCLES)
        found = [elements_of(run.machine, run.images, chip, "replica_versions") for chip in chips]
        versions.append([0 if words is None else int(words[0, 0]) for words in found])
    megahertz = run.config.hardware["me_clock_khz"] / 1000
    last = versions[-1][home]
    at_home = arrivals_of([row[home] for row in versions], looks)
    stale: list[float] = []
    packets = missing = 0
    for index in range(len(chips)):
        if index != home:
            there = arrivals_of([row[index] for row in versions], looks)
            stale += [(late - early) / megahertz for early, late in zip(at_home, there, strict=False)]
            missing += last - len(there)
            packets += stale_shares(left[index], at_home, there, end=looks[-1])
    gaps = sum(counted.get("replica_gap", 0) for counted in run.service_events().values())
    return Replicas(
        updates=last,
        missing=missing,
        gaps=gaps,
        staleness_us=stale,
        stale_packets=(packets, sum(map(len, left.values()))),
    )


def arrivals_of(versions: Sequence[int], looks: Sequence[int]) -> list[int]:
    """When each version 1, 2, ... was seen first, of what was seen at each look."""
    times: list[int] = []
    for look, version in zip(looks, versions, strict=True):
        times += [look] * (version - len(times))
    return times


def stale_shares(left: Sequence[int], at_home: Sequence[int], there: Sequence[int], *, end: int) -> int:
    """How many packets left while a version was at the home that was not here, up to the end of the run."""
    times = np.sort(np.array(left, np.int64))
    missing = np.zeros(len(times), bool)
    for number, early in enumerate(at_home):
        late = there[number] if number < len(there) else end
        missing[np.searchsorted(times, early) : np.searchsorted(times, late)] = True
    return int(missing.sum())
