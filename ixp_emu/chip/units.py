"""Service in the units with a FIFO inlet: when the head can be served, and serving it ahead of the clock.

No command that can still arrive changes what an in-order unit does with those before it, so a scratch or SRAM command
is served as soon as its service time is known. A ring operation is, unless its change of the status flag would follow
another one that is still to be seen; CSRs are not, because others look at their effects in between. A command that
is a fault stays in the inlet until its time.
"""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import Command
from ixp_emu.chip.compiled import NEVER, compiled, small, u
from ixp_emu.chip.delivery import bus_of
from ixp_emu.chip.layout import INLET_SLOTS, MSF, SCRATCH, SRAM0, SRAM1, UNIT
from ixp_emu.chip.msf import serve_msf
from ixp_emu.chip.queue_hardware import queue_ready
from ixp_emu.chip.queues import event_key
from ixp_emu.chip.rings import ring_may_run_ahead
from ixp_emu.chip.scratch import serve_scratch
from ixp_emu.chip.sram import serve_sram

__all__ = ["schedule_unit", "unit_step"]


@small
def unit_time(chip: Any, unit: int, now: int) -> int:
    """When the head of a FIFO inlet (all units but DRAM) can be served; NEVER while that is not known."""
    inlet = chip.inlet[u(unit)]
    if inlet.count == 0:
        return NEVER
    command = chip.pool[u(inlet.head)]
    if command.pull_words > 0 and command.pulled == NEVER:
        return NEVER
    time = max(command.ready, chip.unit_free[u(unit)])
    if command.pull_words > 0:
        time = max(time, command.pulled)
    code = command.code
    if code <= Command.DECR:  # separate read and write ports; equal outside SRAM
        if code != Command.WRITE:
            time = max(time, chip.read_free[u(unit)])
        if code != Command.READ:
            time = max(time, chip.write_free[u(unit)])
    elif unit == SRAM0 or unit == SRAM1:
        time = max(time, queue_ready(chip, unit, command))
    if command.push_words > 0:
        queue = chip.push[u(bus_of(command.push_me)), u(command.master)]
        if queue.count >= chip.sbus_depth:
            chip.blocked_units |= 1 << unit
            return NEVER
    return max(time, now)


@small
def _may_run_ahead(chip: Any, unit: int, command: Any, now: int) -> bool:
    """Whether nobody can tell that the command was served before its time."""
    if unit == SCRATCH:
        code = command.code
        if code == Command.GET or code == Command.PUT:
            return ring_may_run_ahead(chip, command, now)
        return code <= Command.DECR or (code >= Command.HASH_48 and code <= Command.HASH_128)
    return unit != MSF


@small
def _serve(chip: Any, unit: int, time: int) -> bool:
    """Serve the head of an inlet; false if it is a fault, which waits for its time."""
    if unit == SCRATCH:
        return serve_scratch(chip, time)
    if unit == MSF:
        return serve_msf(chip, time)
    return serve_sram(chip, unit, time)


@compiled
def schedule_unit(chip: Any, unit: int, now: int) -> None:
    """Serve ahead what can be, and set the unit's next event."""
    while chip.stop == 0:
        time = unit_time(chip, unit, now)
        if time == NEVER:
            chip.keys[u(UNIT + unit)] = NEVER
            return
        command = chip.pool[u(chip.inlet[u(unit)].head)]
        if time >= chip.until or not _may_run_ahead(chip, unit, command, now):
            chip.keys[u(UNIT + unit)] = event_key(time, 1, UNIT + unit)
            return
        if not _serve(chip, unit, time):
            chip.keys[u(UNIT + unit)] = event_key(time, 1, UNIT + unit)
            return
        if time > now:  # it still takes its place in the inlet until then
            at = u((chip.early_head[u(unit)] + chip.early_count[u(unit)]) & (INLET_SLOTS - 1))
            chip.early_time[u(unit), at] = time
            chip.early_count[u(unit)] += 1


@compiled
def unit_step(chip: Any, unit: int, time: int) -> None:
    """Phase 1: serve the head of an inlet now."""
    _serve(chip, unit, time)
    schedule_unit(chip, unit, time)
