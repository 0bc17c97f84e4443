"""Places in the units' inlets: when one is free, and which cluster's command bus may take it.

A command served ahead of the clock keeps its place until the time of its service (``early_time``). Of two clusters that
want the last place, the one gets it that did not get the place before.
"""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.compiled import NEVER, compiled, count_trailing_zeros, small, u
from ixp_emu.chip.layout import CMD_ARBITER, INLET_SLOTS
from ixp_emu.chip.queues import edge, hasten

__all__ = ["free_inlet", "inlet_free_at", "inlet_places", "inlet_second_free_at", "wants"]


@small
def inlet_places(chip: Any, unit: int) -> int:
    """Free places of an inlet; commands served ahead of the clock keep theirs until their time."""
    return chip.inlet_depth[u(unit)] - chip.inlet[u(unit)].count - chip.early_count[u(unit)]


@small
def inlet_free_at(chip: Any, unit: int, time: int) -> int:
    """When an inlet has room for a command: now, at a known later time, or NEVER known yet."""
    while chip.early_count[u(unit)] > 0 and chip.early_time[u(unit), u(chip.early_head[u(unit)])] <= time:
        chip.early_head[u(unit)] = (chip.early_head[u(unit)] + 1) & (INLET_SLOTS - 1)
        chip.early_count[u(unit)] -= 1
    if inlet_places(chip, unit) > 0:
        return time
    if chip.early_count[u(unit)] > 0:
        return int(chip.early_time[u(unit), u(chip.early_head[u(unit)])])
    return NEVER


@small
def inlet_second_free_at(chip: Any, unit: int) -> int:
    """When a full inlet that will have room at a known time has room for another command, or NEVER known yet."""
    if chip.early_count[u(unit)] < 2:
        return NEVER
    return int(chip.early_time[u(unit), u((chip.early_head[u(unit)] + 1) & (INLET_SLOTS - 1))])


@compiled
def wants(chip: Any, cluster: int, unit: int, time: int) -> bool:
    """Whether an ME of a cluster has a command for a unit at the head of its FIFO that may be granted."""
    lanes = chip.waiting_lanes[u(cluster)]
    while lanes != 0:
        engine = u(cluster * 4 + count_trailing_zeros(lanes))
        lanes &= lanes - 1
        if chip.head_unit[engine] == unit and chip.head_eligible[engine] <= time:
            return True
    return False


@small
def free_inlet(chip: Any, unit: int, time: int) -> None:
    """A command leaves a unit's inlet (phase 1): an arbiter that waits for room looks again, if it may take the place.

    A command served ahead of the clock is not among ``early_time`` yet.
    """
    for cluster in range(2):
        if chip.arbiter_blocked[u(cluster)]:
            others = False  # the only place, and the other cluster's
            if chip.inlet_last[u(unit)] == cluster and chip.early_count[u(unit)] == 0 and inlet_places(chip, unit) == 1:
                others = wants(chip, 1 - cluster, unit, edge(time))
            if not others:
                hasten(chip, CMD_ARBITER + cluster, 2, edge(time))
