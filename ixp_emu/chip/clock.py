"""The clock of a chip and of a group of linked chips: the only kernels Python calls."""

from __future__ import annotations

from typing import Any

import numpy as np

from ixp_emu.chip.buses import grant_command, pull_step, push_step
from ixp_emu.chip.compiled import NEVER, compiled, kernel, load_acquire, rare, small, store_release, u
from ixp_emu.chip.csr import advance_prn, apply_index_writes
from ixp_emu.chip.delivery import apply_put_writes, media_step, take_deliveries
from ixp_emu.chip.dram import dram_step
from ixp_emu.chip.idling import begin_call, look, pause, skip
from ixp_emu.chip.layout import CMD_ARBITER, DELIVERY, DRAM, ENGINES, MEDIA_RX, MEDIA_TX, PULL, PUSH, UNIT
from ixp_emu.chip.link import listens, next_event
from ixp_emu.chip.media import PORT_LINK, PORT_SWITCH
from ixp_emu.chip.microengine import run_engine
from ixp_emu.chip.queues import find_first_bus, find_first_engine, find_first_other, first_beside, hasten
from ixp_emu.chip.receive import media_rx_step
from ixp_emu.chip.switch import find_join
from ixp_emu.chip.transmit import media_tx_step
from ixp_emu.chip.units import schedule_unit, unit_step

__all__ = ["CLOCK_STRIDE", "advance_group", "advance_unlinked"]

CLOCK_STRIDE = 64
"""Bytes between two published clocks: a cache line each."""


@rare
def _look_at_link(chip: Any, port: Any) -> None:
    """Frames and events that other chips have sent meanwhile."""
    time = max(chip.now, chip.published)
    if port.kind == PORT_SWITCH:
        find_join(port)
    hasten(chip, MEDIA_RX, 4, time)
    if listens(port):
        event = next_event(port.source)
        if event != NEVER:
            hasten(chip, MEDIA_TX, 4, max(event, time))


@compiled
def _run(chip: Any, until: int) -> None:
    """Execute every event of a chip before cycle ``until``, or until it asks to stop."""
    chip.until = until
    limit = until << 8
    for index in range(chip.ports):
        if chip.port[u(index)].kind >= PORT_LINK:
            _look_at_link(chip, chip.port[u(index)])
    for unit in range(5):  # what could not be served ahead of the clock, because the run ended
        if unit != DRAM:
            schedule_unit(chip, unit, chip.published)
    find_first_engine(chip)
    find_first_bus(chip)
    find_first_other(chip)
    while chip.stop == 0:
        key = min(chip.first_engine, first_beside(chip))
        if key >= limit:
            break
        agent = key & 31
        time = key >> 8
        chip.now = time
        chip.steps[u(agent)] += 1
        if agent < ENGINES:
            run_engine(chip, agent, until)
            chip.first_engine = min(chip.first_engine, chip.keys[u(agent)])
            continue
        if agent >= PULL and agent < UNIT:
            if agent < PUSH:
                pull_step(chip, agent - PULL, time)
            else:
                push_step(chip, agent - PUSH, time)
            find_first_bus(chip)
            continue
        if agent >= CMD_ARBITER and agent < CMD_ARBITER + 2:
            grant_command(chip, agent - CMD_ARBITER, time)
        elif agent == UNIT + DRAM:
            dram_step(chip, time)
        elif agent == MEDIA_RX:
            media_rx_step(chip, time)
        elif agent == MEDIA_TX:
            media_tx_step(chip, time)
        elif agent == DELIVERY:
            media_step(chip, time)
        else:
            unit_step(chip, agent - UNIT, time)
        find_first_other(chip)
    last = until - 1 if chip.fault == 0 else chip.fault_time
    if chip.stop == 0 or chip.fault != 0:
        for engine in range(ENGINES):  # so that everything due is in effect for whoever looks between two runs
            me = chip.me[u(engine)]
            take_deliveries(chip, me, last)
            apply_put_writes(me, last)
            apply_index_writes(me, last)
            advance_prn(chip, me, last)


@small
def _before_host(chip: Any, bound: int) -> int:
    """How far a chip may run before its host may act: it reacts to what it waits for no sooner than its latency."""
    bound = min(bound, chip.host_cycle + 1)
    if chip.host_latency > 0:
        bound = min(bound, chip.published + chip.host_latency)
    return bound


@small
def _after_host(chip: Any) -> None:
    """Set the cycle of the host's reaction once what it waits for has come, and stop where it acts."""
    if chip.host_latency > 0 and chip.host_woken < chip.published:
        chip.host_cycle = chip.host_woken + chip.host_latency
        chip.host_latency = 0
    if chip.host_cycle < chip.published:
        chip.stop = 1


@compiled
def _advance(chip: Any, until: int) -> None:
    """Run a chip up to cycle ``until``, or until it asks to stop; what only repeats is skipped."""
    if chip.notes == 0:
        _run(chip, until)
        if chip.stop == 0:
            chip.published = until
        return
    while chip.stop == 0 and chip.published < until:
        look(chip)
        skip(chip, until)
        if chip.published < until:
            bound = pause(chip, until)
            _run(chip, bound)
            if chip.stop == 0:
                chip.published = bound


@kernel
def advance_group(chips: Any, members: Any, clocks: int, latency: Any, until: int, patience: int) -> int:
    """Run some chips of a linked cluster up to ``until``, in step with the other workers' chips.

    Parameters:
        chips: array of CHIP, all chips of the cluster.
        members: int64, numbers of the chips this worker runs.
        clocks: address of the published clocks, one per CLOCK_STRIDE bytes.
        latency: int64 [n, n]: latency[j, i] from chip j to chip i in cycles, 0 if not linked.
        patience: rounds without progress after which to give up.

    A chip whose host acts in the last phase of a cycle stops behind that cycle: ``host_cycle`` is then before
    ``published``, and the caller sets the next one. So it may at ``until`` too.

    Returns:
        0 if its chips reached ``until``; 1 if it gave up: another worker's chip, or one that stopped, is behind.
    """
    count = chips.shape[0]
    for position in range(members.shape[0]):
        begin_call(chips[u(members[u(position)])])
    waiting = 0
    while True:
        done = True
        progress = False
        for position in range(members.shape[0]):
            i = members[u(position)]
            chip = chips[u(i)]
            clock = chip.published
            if clock >= until:
                continue
            done = False
            if chip.stop != 0:
                continue
            bound = until
            for j in range(count):
                ahead = latency[u(j), u(i)]
                if ahead > 0:
                    bound = min(bound, load_acquire(clocks + CLOCK_STRIDE * j) + ahead)
            bound = _before_host(chip, bound)
            if bound > clock:
                _advance(chip, bound)
                store_release(clocks + CLOCK_STRIDE * i, chip.published)
                if chip.stop == 0:
                    progress = True
                    _after_host(chip)
        if done:
            return 0
        waiting = 0 if progress else waiting + 1
        if waiting > patience:
            return 1


def advance_unlinked(chips: Any, until: int) -> None:
    """Run chips without links up to (excluding) cycle ``until``, one after the other; a chip with a fault stops there.

    Parameters:
        chips: array of CHIP.
    """
    count = len(chips)
    clocks = np.zeros(count * CLOCK_STRIDE // 8, np.int64)
    clocks[:: CLOCK_STRIDE // 8] = chips["published"]
    unlinked = np.zeros((count, count), np.int64)
    advance_group(chips, np.arange(count), clocks.ctypes.data, unlinked, until, 0)
