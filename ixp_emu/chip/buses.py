"""Command buses, push and pull buses, deliveries (docs/hardware-model.md, sections 3 and 4)."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import (
    ACTION_AUX,
    ACTION_DOUBLE,
    ACTION_MEDIA,
    ACTION_PUSHED,
    Command,
)
from ixp_emu.chip.compiled import NEVER, compiled, s64, small, u
from ixp_emu.chip.layout import (
    CMD_ARBITER,
    DELIVERY,
    DELIVERY_SLOTS,
    DRAM,
    LATENCY_BIN_CYCLES,
    LATENCY_BINS,
    PULL,
    PUSH,
    UNIT,
)
from ixp_emu.chip.queues import allocate, append, deliver_at, edge, event_key, hasten, pop, release

__all__ = [
    "bus_of",
    "complete",
    "deliver_step",
    "free_inlet",
    "grant_command",
    "pull_step",
    "push_step",
    "reply",
    "request_satisfied",
    "set_signal",
    "unit_time",
]

ME_IDLE = 2
"""State of an ME without a ready context (ixp_emu.chip.microengine)."""
ME_STALLED = 3
SIGNAL_SLOT_MASK = DELIVERY_SLOTS - 1


@small
def request_satisfied(request: int, signals: int) -> bool:
    """Whether a context that asks for ``request`` (format of WAKEUP_EVENTS) may run."""
    wanted = request & 0xFFFE
    if request & 0x10000:
        return (signals & wanted) != 0 or (request & 1) != 0
    return (signals & wanted) == wanted


@small
def set_signal(chip: Any, engine: int, context: int, signal: int, time: int) -> None:
    """Set a signal of a context; an idle ME that can now go on gets an event at ``time``."""
    me = chip.me[u(engine)]
    signals = s64(me.signals[u(context)]) | (1 << signal)
    me.signals[u(context)] = signals
    if request_satisfied(s64(me.request[u(context)]), signals):
        me.ready |= 1 << context
        if me.state == ME_IDLE and (me.enabled >> context) & 1:
            hasten(chip, engine, 3, max(time, me.time))


@small
def bus_of(me: int) -> int:
    """The cluster of an ME, which is the number of its command bus and S buses."""
    return s64(me) >> 2


# --- command bus ------------------------------------------------------------------------------------------------


@compiled
def grant_command(chip: Any, cluster: int, time: int) -> None:
    """Phase 2 of a chassis edge: grant at most one command of the cluster and find the next edge to look at."""
    last = chip.arbiter_last[u(cluster)]
    blocked = 0
    following = NEVER
    granted = False
    for step in range(1, 5):
        lane = (last + step) & 3
        engine = cluster * 4 + lane
        fifo = chip.fifo[u(engine)]
        if fifo.count == 0:
            continue
        command = chip.pool[u(fifo.head)]
        eligible = command.stamp + chip.fifo_latency
        if eligible > time:
            following = min(following, edge(eligible))
            continue
        unit = s64(command.unit)
        inlet = chip.inlet[u(unit)]
        if inlet.count >= chip.inlet_depth[u(unit)]:
            blocked = 1
            continue
        if granted:
            following = time + 2
            continue
        granted = True
        slot = pop(chip, fifo)
        if fifo.count > 0:
            following = min(following, max(time + 2, edge(chip.pool[u(fifo.head)].stamp + chip.fifo_latency)))
        chip.arbiter_last[u(cluster)] = lane
        chip.bus_grants[u(cluster)] += 1
        chip.bus_wait[u(cluster)] += time - eligible
        arrival = time + chip.bus_latency
        command.ready = arrival
        append(chip, inlet, slot)
        if command.pull_words > 0:
            _request_pull(chip, slot, command, arrival)
        if inlet.count == 1:
            if unit == DRAM:
                hasten(chip, UNIT + DRAM, 1, arrival)
            else:
                _schedule_unit(chip, unit, time)
        me = chip.me[u(engine)]
        if me.state == ME_STALLED:
            hasten(chip, engine, 3, max(time, me.time))
    chip.arbiter_blocked[u(cluster)] = blocked
    if following < NEVER:
        following = event_key(following, 2, CMD_ARBITER + cluster)
    chip.keys[u(CMD_ARBITER + cluster)] = following


@small
def free_inlet(chip: Any, unit: int, time: int) -> None:
    """A command left an inlet (phase 1): an arbiter that waits for room looks again."""
    for cluster in range(2):
        if chip.arbiter_blocked[u(cluster)]:
            hasten(chip, CMD_ARBITER + cluster, 2, edge(time))


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
    if command.push_words > 0:
        queue = chip.push[u(bus_of(command.me)), u(command.master)]
        if queue.count >= chip.sbus_depth:
            chip.unit_blocked[u(unit)] = 1
            return NEVER
    return max(time, now)


@compiled
def _schedule_unit(chip: Any, unit: int, now: int) -> None:
    time = unit_time(chip, unit, now)
    chip.keys[u(UNIT + unit)] = NEVER if time == NEVER else event_key(time, 1, UNIT + unit)


# --- pull buses -------------------------------------------------------------------------------------------------


@small
def _pull_master(unit: int) -> int:
    """Queue of a unit on its pull bus: scratch, sram0, sram1, msf on S_pull; DRAM alone on D_pull."""
    if unit == DRAM:
        return 0
    return 3 if unit > DRAM else s64(unit)


@small
def _request_pull(chip: Any, slot: int, command: Any, time: int) -> None:
    bus = 2 if command.unit == DRAM else bus_of(command.me)
    queue = chip.pull[u(bus), u(_pull_master(command.unit))]
    if queue.count == 0:
        queue.head = slot
    else:
        chip.pool[u(queue.tail)].pull_next = slot
    queue.tail = slot
    queue.count += 1
    hasten(chip, PULL + bus, 0, edge(max(time, chip.pull_free[u(bus)])))


@compiled
def pull_step(chip: Any, bus: int, time: int) -> None:
    """Phase 0 of an edge: grant one pull, sample its operand."""
    masters = 1 if bus == 2 else 4
    last = chip.pull_last[u(bus)]
    for step in range(1, masters + 1):
        master = (last + step) % masters
        queue = chip.pull[u(bus), u(master)]
        if queue.count == 0:
            continue
        slot = queue.head
        command = chip.pool[u(slot)]
        if command.ready > time:
            continue
        queue.head = command.pull_next
        queue.count -= 1
        words = s64(command.pull_words)
        if command.action & ACTION_MEDIA:
            cycles = (words >> 1) * chip.dbus_media_cycles
            base = command.media >> 2
            for i in range(words):
                command.data[u(i)] = chip.rbuf[u((base + i) & 2047)]
        else:
            cycles = (words >> 1) * chip.dbus_cycles if bus == 2 else words * chip.sbus_cycles
            me = chip.me[u(command.me)]
            first = s64(command.xfer_out)
            file_base = first & ~127
            for i in range(words):
                register = file_base | ((first + i) & 127)
                command.data[u(i)] = me.file[u(register)]
                me.busy[u(register)] -= 1
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
            _schedule_unit(chip, unit, time)
        if (command.action & ACTION_DOUBLE) and unit != DRAM and command.signal != 0:
            aux = allocate(chip)
            extra = chip.pool[u(aux)]
            extra.code = Command.SIGNAL
            extra.action = ACTION_AUX
            extra.me = command.me
            extra.ctx = command.ctx
            extra.signal = command.signal + 1
            deliver_at(chip, pulled, aux)
        break
    following = NEVER
    for master in range(masters):
        queue = chip.pull[u(bus), u(master)]
        if queue.count > 0:
            following = min(following, chip.pool[u(queue.head)].ready)
    if following < NEVER:
        following = event_key(edge(max(following, chip.pull_free[u(bus)])), 0, PULL + bus)
    chip.keys[u(PULL + bus)] = following


# --- push buses -------------------------------------------------------------------------------------------------


@small
def reply(chip: Any, slot: int, command: Any, bus: int, master: int, time: int) -> None:
    """Ask for the push bus from ``time`` on."""
    command.ready = time
    append(chip, chip.push[u(bus), u(master)], slot)
    hasten(chip, PUSH + bus, 0, edge(max(time, chip.push_free[u(bus)])))


@compiled
def push_step(chip: Any, bus: int, time: int) -> None:
    """Phase 0 of an edge: grant one push; its registers and signals follow as a delivery."""
    masters = 1 if bus == 2 else 6
    last = chip.push_last[u(bus)]
    for step in range(1, masters + 1):
        master = (last + step) % masters
        queue = chip.push[u(bus), u(master)]
        if queue.count == 0:
            continue
        command = chip.pool[u(queue.head)]
        if command.ready > time:
            continue
        slot = pop(chip, queue)
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
        deliver_at(chip, time + cycles + chip.push_latency, slot)
        for unit in range(5):
            if chip.unit_blocked[u(unit)]:
                chip.unit_blocked[u(unit)] = 0
                if unit == DRAM:
                    hasten(chip, UNIT + DRAM, 1, time)
                else:
                    _schedule_unit(chip, unit, time)
        break
    following = NEVER
    for master in range(masters):
        queue = chip.push[u(bus), u(master)]
        if queue.count > 0:
            following = min(following, chip.pool[u(queue.head)].ready)
    if following < NEVER:
        following = event_key(edge(max(following, chip.push_free[u(bus)])), 0, PUSH + bus)
    chip.keys[u(PUSH + bus)] = following


# --- deliveries -------------------------------------------------------------------------------------------------


@small
def complete(chip: Any, slot: int, command: Any, time: int) -> None:
    """A command without reply is done at ``time``: signal then, if it has one."""
    if command.signal != 0:
        deliver_at(chip, time, slot)
    else:
        release(chip, slot)


@compiled
def deliver_step(chip: Any, time: int) -> None:
    """Phase 0: write what arrives now into registers or TBUF and set signals."""
    while chip.delivery_count > 0 and chip.delivery_time[u(chip.delivery_head)] == time:
        slot = s64(chip.delivery_slot[u(chip.delivery_head)])
        chip.delivery_head = (chip.delivery_head + 1) & SIGNAL_SLOT_MASK
        chip.delivery_count -= 1
        command = chip.pool[u(slot)]
        action = s64(command.action)
        engine = s64(command.me)
        if action & ACTION_PUSHED:
            words = s64(command.push_words)
            if action & ACTION_MEDIA:
                base = command.media >> 2
                for i in range(words):
                    chip.tbuf[u((base + i) & 2047)] = command.data[u(i)]
            else:
                me = chip.me[u(engine)]
                first = s64(command.xfer_in)
                file_base = first & ~127
                for i in range(words):
                    me.file[u(file_base | ((first + i) & 127))] = command.data[u(i)]
                for i in range(command.marked):
                    me.busy[u(file_base | ((first + i) & 127))] -= 1
        signal = s64(command.signal)
        if signal != 0:
            set_signal(chip, engine, s64(command.ctx), signal, time)
            if (action & ACTION_DOUBLE) and command.unit == DRAM:
                set_signal(chip, engine, s64(command.ctx), signal + 1, time)
            if not action & ACTION_AUX:
                unit = s64(command.unit)
                latency = time - command.stamp
                chip.signalled[u(unit)] += 1
                chip.latency[u(unit)] += latency
                chip.latency_bins[u(unit), u(min(latency // LATENCY_BIN_CYCLES, LATENCY_BINS - 1))] += 1
                chip.structure_wait[u(unit), u(command.structure)] += latency
        release(chip, slot)
    if chip.delivery_count > 0:
        chip.keys[u(DELIVERY)] = event_key(chip.delivery_time[u(chip.delivery_head)], 0, DELIVERY)
    else:
        chip.keys[u(DELIVERY)] = NEVER
