"""Command buses, pull buses and push buses (docs/hardware-model.md, sections 3 and 4)."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import (
    ACTION_AUX,
    ACTION_DOUBLE,
    ACTION_MEDIA,
    ACTION_PUSHED,
    ME_STALLED,
    NOTIFY_INITIATOR,
    NOTIFY_REMOTE,
    Command,
)
from ixp_emu.chip.compiled import NEVER, address_of, compiled, count_trailing_zeros, rare, s64, small, u
from ixp_emu.chip.delivery import bus_of, deliver, deliver_media
from ixp_emu.chip.inlets import inlet_free_at, inlet_places, inlet_second_free_at, wants
from ixp_emu.chip.layout import CMD_ARBITER, COMMAND, DRAM, PULL, PUSH, UNIT, offset_of
from ixp_emu.chip.operands import note_in_flight, read_registers
from ixp_emu.chip.queues import allocate, append, edge, event_key, find_first_other, hasten, pop
from ixp_emu.chip.units import schedule_unit

__all__ = ["grant_command", "pull_step", "push_step"]

_DATA = offset_of(COMMAND, "data")

# --- command bus ------------------------------------------------------------------------------------------------


@compiled
def grant_command(chip: Any, cluster: int, time: int) -> None:
    """Phase 2 of a chassis edge: grant at most one command of the cluster and find the next edge to look at."""
    last = chip.arbiter_last[u(cluster)]
    blocked = 0
    full = 0  # bit per unit that has no room for this cluster
    following = NEVER
    granted = False
    # lanes with a command, round robin from the one after the last granted
    first = (last + 1) & 3
    lanes = chip.waiting_lanes[u(cluster)]
    rotated = ((lanes >> first) | (lanes << (4 - first))) & 15
    again = -1  # the lane that was granted, with its next command
    while rotated != 0 or again >= 0:
        lane = again
        if rotated != 0:
            lane = (first + count_trailing_zeros(rotated)) & 3
            rotated &= rotated - 1
        else:
            again = -1
        engine = cluster * 4 + lane
        eligible = chip.head_eligible[u(engine)]
        if eligible > time:
            following = min(following, edge(eligible))
            continue
        unit = chip.head_unit[u(engine)]
        if (full >> unit) & 1:
            continue
        room = inlet_free_at(chip, unit, time)
        if room > time:
            full |= 1 << unit
            if room < NEVER and chip.inlet_last[u(unit)] == cluster and wants(chip, 1 - cluster, unit, edge(room)):
                room = inlet_second_free_at(chip, unit)  # the first place is the other cluster's
            if room == NEVER:
                blocked = 1
            else:
                following = min(following, edge(room))
            continue
        if (
            chip.inlet_last[u(unit)] == cluster
            and inlet_places(chip, unit) == 1
            and wants(chip, 1 - cluster, unit, time)
        ):
            full |= 1 << unit
            blocked = 1  # until another place is free or the other cluster has granted
            if chip.early_count[u(unit)] > 0:
                following = min(following, edge(chip.early_time[u(unit), u(chip.early_head[u(unit)])]))
            continue
        if granted:  # it looks again at the next edge, the soonest there is
            following = time + 2
            break
        granted = True
        fifo = chip.fifo[u(engine)]
        slot = pop(chip, fifo)
        command = chip.pool[u(slot)]
        if fifo.count > 0:
            head = chip.pool[u(fifo.head)]
            chip.head_unit[u(engine)] = head.unit
            chip.head_eligible[u(engine)] = head.stamp + chip.fifo_latency
            again = lane
        else:
            chip.waiting_lanes[u(cluster)] &= ~(1 << lane)
        chip.arbiter_last[u(cluster)] = lane
        chip.inlet_last[u(unit)] = cluster
        chip.bus_grants[u(cluster)] += 1
        chip.bus_wait[u(cluster)] += time - eligible
        arrival = time + chip.bus_latency
        command.ready = arrival
        inlet = chip.inlet[u(unit)]
        append(chip, inlet, slot)
        if chip.arbiter_blocked[u(1 - cluster)] and inlet_places(chip, unit) > 0:
            hasten(chip, CMD_ARBITER + 1 - cluster, 2, time + 2 * cluster)
        if command.pull_words > 0:
            _request_pull(chip, slot, command, arrival)
        if inlet.count == 1:
            if unit == DRAM:
                hasten(chip, UNIT + DRAM, 1, arrival)
            else:
                schedule_unit(chip, unit, time)
        me = chip.me[u(engine)]
        if me.state == ME_STALLED:
            hasten(chip, engine, 3, max(time, me.time))
    chip.arbiter_blocked[u(cluster)] = blocked
    if following < NEVER:
        following = event_key(following, 2, CMD_ARBITER + cluster)
    chip.keys[u(CMD_ARBITER + cluster)] = following


@small
def _from_last(waiting: int, last: int) -> int:
    """Bits of up to 8 masters, rotated so that the one after the last granted comes first."""
    first = (last + 1) & 7
    return ((waiting >> first) | (waiting << (8 - first))) & 0xFF


# --- pull buses -------------------------------------------------------------------------------------------------


@small
def _pull_master(unit: int) -> int:
    """Queue of a unit on its pull bus: scratch, sram0, sram1, msf on S_pull; DRAM alone on D_pull."""
    if unit == DRAM:
        return 0
    return 3 if unit > DRAM else s64(unit)


@small
def _append_pull(chip: Any, queue: Any, slot: int) -> None:
    if queue.count == 0:
        queue.head = slot
    else:
        chip.pool[u(queue.tail)].pull_next = slot
    queue.tail = slot
    queue.count += 1


@small
def _request_pull(chip: Any, slot: int, command: Any, time: int) -> None:
    bus = 2 if command.unit == DRAM else bus_of(command.pull_me)
    queue = chip.pull[u(bus), u(_pull_master(command.unit))]
    if bus == 2 and queue.count >= chip.dpull_depth:
        _append_pull(chip, chip.dpull_waiting, slot)
        return
    _append_pull(chip, queue, slot)
    chip.pull_waiting[u(bus)] |= 1 << _pull_master(command.unit)
    hasten(chip, PULL + bus, 0, edge(max(time, chip.pull_free[u(bus)])))


@compiled
def pull_step(chip: Any, bus: int, time: int) -> None:
    """Phase 0 of an edge: grant one pull, sample its operand."""
    rotated = _from_last(chip.pull_waiting[u(bus)], chip.pull_last[u(bus)])
    while rotated != 0:
        master = (chip.pull_last[u(bus)] + 1 + count_trailing_zeros(rotated)) & 7
        rotated &= rotated - 1
        queue = chip.pull[u(bus), u(master)]
        slot = queue.head
        command = chip.pool[u(slot)]
        if command.ready > time:
            continue
        queue.head = command.pull_next
        queue.count -= 1
        if bus == 2 and chip.dpull_waiting.count > 0:
            waiting_slot = s64(chip.dpull_waiting.head)
            chip.dpull_waiting.head = chip.pool[u(waiting_slot)].pull_next
            chip.dpull_waiting.count -= 1
            _append_pull(chip, queue, waiting_slot)
        if queue.count == 0:
            chip.pull_waiting[u(bus)] &= ~(1 << master)
        words = s64(command.pull_words)
        if command.action & ACTION_MEDIA:
            cycles = (words >> 1) * chip.dbus_media_cycles
            base = command.media >> 2
            for i in range(words):
                command.data[u(i)] = chip.rbuf[u((base + i) & 2047)]
        else:
            cycles = (words >> 1) * chip.dbus_cycles if bus == 2 else words * chip.sbus_cycles
            me = chip.me[u(command.pull_me)]
            first = s64(command.xfer_out)
            read_registers(me, first, address_of(command) + _DATA, words)
            note_in_flight(me, first, words, -1)
        chip.pull_free[u(bus)] = time + cycles
        chip.pull_busy[u(bus)] += cycles
        chip.pull_grants[u(bus)] += 1
        chip.pull_wait[u(bus)] += time - command.ready
        chip.pull_last[u(bus)] = master
        pulled = time + cycles + chip.pull_latency
        command.pulled = pulled
        unit = s64(command.unit)
        if unit == DRAM:
            hasten(chip, UNIT + DRAM, 1, edge(pulled))
        elif chip.inlet[u(unit)].head == slot:
            schedule_unit(chip, unit, time)
            find_first_other(chip)
        if (command.action & ACTION_DOUBLE) and unit != DRAM and command.signal != 0:
            aux = allocate(chip)
            extra = chip.pool[u(aux)]
            extra.code = Command.SIGNAL
            extra.action = ACTION_AUX
            extra.me = command.me
            extra.ctx = command.ctx
            extra.signal = command.signal + 1
            deliver(chip, pulled, aux)
        break
    following = NEVER
    waiting = chip.pull_waiting[u(bus)]
    while waiting != 0:
        head = chip.pull[u(bus), u(count_trailing_zeros(waiting))].head
        waiting &= waiting - 1
        following = min(following, chip.pool[u(head)].ready)
    if following < NEVER:
        following = event_key(edge(max(following, chip.pull_free[u(bus)])), 0, PULL + bus)
    chip.keys[u(PULL + bus)] = following


# --- push buses -------------------------------------------------------------------------------------------------


@small
def _copy_signal(command: Any, signal: Any) -> None:
    """Make ``signal`` a delivery of the command's signal alone."""
    signal.action = command.action & ACTION_DOUBLE
    signal.stamp = command.stamp
    signal.unit = command.unit
    signal.structure = command.structure
    signal.me = command.me
    signal.ctx = command.ctx
    signal.signal = command.signal


@rare
def _deliver_reflected(chip: Any, slot: int, command: Any, time: int) -> None:
    """Data of a reflector command to the ME that receives it, its signal to initiator, remote context or both."""
    number = s64(command.address) >> 10
    remote = (number >> 4) * 4 + (number & 3)
    remote_context = (s64(command.address) >> 7) & 7
    write = command.code == Command.REFLECT_WRITE
    receiver = NOTIFY_REMOTE if write else NOTIFY_INITIATOR
    if command.signal != 0 and command.notify & (receiver ^ (NOTIFY_INITIATOR | NOTIFY_REMOTE)):
        aux = allocate(chip)
        other = chip.pool[u(aux)]
        other.code = Command.SIGNAL
        _copy_signal(command, other)
        if not write:
            other.me = remote
            other.ctx = remote_context
        if command.notify & receiver:  # the receiver's delivery counts the latency
            other.action = ACTION_AUX
        deliver(chip, time, aux)
    if command.notify & receiver == 0:
        command.signal = 0
    if write:
        command.me = remote
        command.ctx = remote_context
    deliver(chip, time, slot)


@compiled
def push_step(chip: Any, bus: int, time: int) -> None:
    """Phase 0 of an edge: grant one push; its registers and signals follow as a delivery."""
    rotated = _from_last(chip.push_waiting[u(bus)], chip.push_last[u(bus)])
    while rotated != 0:
        master = (chip.push_last[u(bus)] + 1 + count_trailing_zeros(rotated)) & 7
        rotated &= rotated - 1
        queue = chip.push[u(bus), u(master)]
        command = chip.pool[u(queue.head)]
        if command.ready > time:
            continue
        slot = pop(chip, queue)
        if queue.count == 0:
            chip.push_waiting[u(bus)] &= ~(1 << master)
        words = s64(command.push_words)
        if bus == 2:
            beat = chip.dbus_media_cycles if command.action & ACTION_MEDIA else chip.dbus_cycles
            cycles = (words >> 1) * beat
        else:
            cycles = words * chip.sbus_cycles
        chip.push_free[u(bus)] = time + cycles
        chip.push_busy[u(bus)] += cycles
        chip.push_grants[u(bus)] += 1
        chip.push_wait[u(bus)] += time - command.ready
        chip.push_last[u(bus)] = master
        command.action |= ACTION_PUSHED
        arrival = time + cycles + chip.push_latency
        if command.action & ACTION_MEDIA:
            if command.signal != 0:
                aux = allocate(chip)
                chip.pool[u(aux)].code = Command.SIGNAL
                _copy_signal(command, chip.pool[u(aux)])
                deliver(chip, arrival, aux)
            deliver_media(chip, arrival, slot)
        elif command.code >= Command.REFLECT_READ:
            _deliver_reflected(chip, slot, command, arrival)
        else:
            deliver(chip, arrival, slot)
        blocked = chip.blocked_units
        chip.blocked_units = 0
        while blocked != 0:
            unit = count_trailing_zeros(blocked)
            blocked &= blocked - 1
            if unit == DRAM:
                hasten(chip, UNIT + DRAM, 1, time)
            else:
                schedule_unit(chip, unit, time)
                find_first_other(chip)
        break
    following = NEVER
    waiting = chip.push_waiting[u(bus)]
    while waiting != 0:
        head = chip.push[u(bus), u(count_trailing_zeros(waiting))].head
        waiting &= waiting - 1
        following = min(following, chip.pool[u(head)].ready)
    if following < NEVER:
        following = event_key(edge(max(following, chip.push_free[u(bus)])), 0, PUSH + bus)
    chip.keys[u(PUSH + bus)] = following
