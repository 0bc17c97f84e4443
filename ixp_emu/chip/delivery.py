"""The way back to the MEs: replies, completions, and each ME's inbox of deliveries under way.

Registers written and signals set by a unit reach an ME at a known future time. They wait in the ME's inbox, and the ME
takes them when its own time gets there: no event is needed for a delivery, unless the ME idles.
"""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import ACTION_AUX, ACTION_DOUBLE, ACTION_MEDIA, ACTION_PUSHED, ME_IDLE, Command, Fault
from ixp_emu.chip.compiled import NEVER, address_of, compiled, rare, s64, small, u
from ixp_emu.chip.layout import (
    COMMAND,
    DELIVERY,
    DELIVERY_SLOTS,
    DRAM,
    INBOX_SLOTS,
    LATENCY_BIN_CYCLES,
    LATENCY_BINS,
    NEIGHBOR,
    PUSH,
    offset_of,
)
from ixp_emu.chip.operands import note_in_flight, write_registers
from ixp_emu.chip.queues import append, edge, event_key, fail, hasten, release

__all__ = [
    "NEIGHBOR_PUT",
    "answer_cycles",
    "apply_put_writes",
    "bus_of",
    "complete",
    "deliver",
    "deliver_media",
    "expect_wake",
    "media_step",
    "reply",
    "request_satisfied",
    "set_signal",
    "take_deliveries",
]

_DATA = offset_of(COMMAND, "data")

NEIGHBOR_PUT = 128
"""``xfer_in`` of a next neighbour write that is a put: the register is the one NN_PUT names when it lands."""


@small
def bus_of(me: int) -> int:
    """The cluster of an ME, which is the number of its command bus and S buses."""
    return s64(me) >> 2


@small
def request_satisfied(request: int, signals: int) -> bool:
    """Whether a context that asks for ``request`` (format of WAKEUP_EVENTS) may run."""
    wanted = request & 0xFFFE
    found = signals & wanted
    return (request & 1) != 0 or (found != 0 if request & 0x10000 else found == wanted)


@small
def set_signal(me: Any, context: int, signal: int) -> None:
    """Set a signal of a context, which may make it ready."""
    signals = s64(me.signals[u(context)]) | (1 << signal)
    me.signals[u(context)] = signals
    if request_satisfied(s64(me.request[u(context)]), signals):
        me.ready |= 1 << context


@small
def answer_cycles(busy: int, pushed: int, longword: int, beat: int) -> int:
    """From a service to its push request: so early that the bus has each longword or quadword in time.

    Parameters:
        busy: cycles until the last one is read.
        pushed: how many go over the bus.
        longword: cycles until the first one is read.
        beat: cycles of the bus for each.
    """
    return max(busy - (pushed - 1) * beat, longword)


@small
def reply(chip: Any, slot: int, command: Any, bus: int, master: int, time: int) -> None:
    """Ask for the push bus from ``time`` on."""
    command.ready = time
    append(chip, chip.push[u(bus), u(master)], slot)
    chip.push_waiting[u(bus)] |= 1 << s64(master)
    hasten(chip, PUSH + bus, 0, edge(max(time, chip.push_free[u(bus)])))


@small
def _expect(me: Any, command: Any) -> bool:
    """Note the signals of a delivery under way to an idle ME; whether they may make its context ready."""
    if command.signal == 0:
        return False
    context = u(command.ctx)
    signals = 1 << s64(command.signal)
    if (command.action & ACTION_DOUBLE) and command.unit == DRAM:
        signals |= signals << 1
    expected = s64(me.expected[context]) | signals
    me.expected[context] = expected
    return request_satisfied(s64(me.request[context]), s64(me.signals[context]) | expected)


@compiled
def expect_wake(chip: Any, me: Any) -> bool:
    """Whether what the inbox holds may make a context of an ME ready that now idles."""
    wakes = False
    for i in range(me.inbox_count):
        slot = me.inbox_slot[u((me.inbox_head + i) & (INBOX_SLOTS - 1))]
        if _expect(me, chip.pool[u(slot)]):
            wakes = True
    return wakes


@compiled
def deliver(chip: Any, time: int, slot: int) -> None:
    """Enter a delivery into the inbox of its ME, in order of time; wake the ME then if it idles."""
    engine = s64(chip.pool[u(slot)].me)
    me = chip.me[u(engine)]
    mask = INBOX_SLOTS - 1
    head = me.inbox_head
    if me.inbox_count >= INBOX_SLOTS:  # it has run ahead without looking: up to now nothing more can reach it
        take_deliveries(chip, me, chip.now)
        head = me.inbox_head
    i = me.inbox_count
    if i >= INBOX_SLOTS:
        fail(chip, Fault.INTERNAL, chip.now, -1, 0, 1)
        return
    while i > 0 and me.inbox_time[u((head + i - 1) & mask)] > time:
        me.inbox_time[u((head + i) & mask)] = me.inbox_time[u((head + i - 1) & mask)]
        me.inbox_slot[u((head + i) & mask)] = me.inbox_slot[u((head + i - 1) & mask)]
        i -= 1
    me.inbox_time[u((head + i) & mask)] = time
    me.inbox_slot[u((head + i) & mask)] = slot
    me.inbox_count += 1
    if me.state == ME_IDLE and _expect(me, chip.pool[u(slot)]):
        hasten(chip, engine, 3, max(time, me.time))


@small
def complete(chip: Any, slot: int, command: Any, time: int) -> None:
    """A command without reply is done at ``time``: signal then, if it has one."""
    if command.signal != 0:
        deliver(chip, time, slot)
    else:
        release(chip, slot)


@rare
def apply_put_writes(me: Any, time: int) -> None:
    """Let pending CSR writes of NN_PUT take effect that are due at a time."""
    while me.nn_put_writes > 0 and me.nn_put_time[u(0)] <= time:
        me.nn_put = me.nn_put_value[u(0)]
        me.nn_put_writes -= 1
        for i in range(me.nn_put_writes):
            me.nn_put_time[u(i)] = me.nn_put_time[u(i + 1)]
            me.nn_put_value[u(i)] = me.nn_put_value[u(i + 1)]


@rare
def _land(me: Any, command: Any, time: int) -> None:
    """A next neighbour write lands, in phase 0."""
    register = s64(command.xfer_in)
    if register == NEIGHBOR_PUT:
        apply_put_writes(me, time - 1)
        register = me.nn_put
        me.nn_put = (register + 1) & 127
    me.file[u(NEIGHBOR + register)] = command.data[u(0)]


@compiled
def take_deliveries(chip: Any, me: Any, time: int) -> None:
    """Phase 0 of every cycle up to ``time``: write arrived data into registers, set signals, count latencies."""
    while me.inbox_count > 0 and me.inbox_time[u(me.inbox_head)] <= time:
        slot = s64(me.inbox_slot[u(me.inbox_head)])
        arrived = me.inbox_time[u(me.inbox_head)]
        me.inbox_count -= 1
        # an empty inbox begins anew: few of its slots are ever touched
        me.inbox_head = (me.inbox_head + 1) & (INBOX_SLOTS - 1) if me.inbox_count > 0 else 0
        command = chip.pool[u(slot)]
        action = s64(command.action)
        if action & ACTION_PUSHED and not action & ACTION_MEDIA:
            first = s64(command.xfer_in)
            write_registers(me, first, address_of(command) + _DATA, s64(command.push_words))
            note_in_flight(me, first, s64(command.marked), -1)
        elif command.code >= Command.TIMER:
            if command.code == Command.NEIGHBOR_WRITE:
                _land(me, command, arrived)
            elif me.timer[u(command.ctx)] == slot:
                me.timer[u(command.ctx)] = -1
        signal = s64(command.signal)
        if signal != 0:
            context = s64(command.ctx)
            unit = s64(command.unit)
            set_signal(me, context, signal)
            if (action & ACTION_DOUBLE) and unit == DRAM:
                set_signal(me, context, signal + 1)
            if not action & ACTION_AUX:
                latency = arrived - command.stamp
                chip.signalled[u(unit)] += 1
                chip.latency[u(unit)] += latency
                chip.latency_bins[u(unit), u(min(latency // LATENCY_BIN_CYCLES, LATENCY_BINS - 1))] += 1
                chip.structure_wait[u(unit), u(command.structure)] += latency
        release(chip, slot)


@compiled
def deliver_media(chip: Any, time: int, slot: int) -> None:
    """Data on its way to TBUF: its bytes are written, and its signal sent on, at ``time``."""
    i = u((chip.delivery_head + chip.delivery_count) & (DELIVERY_SLOTS - 1))
    chip.delivery_time[i] = time
    chip.delivery_slot[i] = slot
    chip.delivery_count += 1
    if chip.delivery_count >= DELIVERY_SLOTS:
        fail(chip, Fault.INTERNAL, chip.now, -1, 0, 2)
    hasten(chip, DELIVERY, 0, time)


@compiled
def media_step(chip: Any, time: int) -> None:
    """Phase 0: write data that arrives now into TBUF."""
    while chip.delivery_count > 0 and chip.delivery_time[u(chip.delivery_head)] == time:
        slot = s64(chip.delivery_slot[u(chip.delivery_head)])
        chip.delivery_head = (chip.delivery_head + 1) & (DELIVERY_SLOTS - 1)
        chip.delivery_count -= 1
        command = chip.pool[u(slot)]
        base = s64(command.media) >> 2
        for i in range(s64(command.push_words)):
            chip.tbuf[u((base + i) & 2047)] = command.data[u(i)]
        release(chip, slot)
    following = NEVER
    if chip.delivery_count > 0:
        following = event_key(chip.delivery_time[u(chip.delivery_head)], 0, DELIVERY)
    chip.keys[u(DELIVERY)] = following
