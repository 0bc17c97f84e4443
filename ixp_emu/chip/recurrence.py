"""Whether the state of a chip recurs: kept at one cut of a run, compared at a later one, and moved on by whole periods.

Between two runs up to a cycle the record says all about what follows: everything before the cut is done, no
microengine has gone beyond it and no unit has served ahead of it. Two records mean the same, but for the cycle,

- if their STATE fields are equal (``field_classes``);
- if commands in flight are, taken in the order of the queues they stand in: the numbers of their pool slots are free;
- if every time has moved with the cut, or stands still and is either over or still to come.

What is then true after one period is true after any number of them, until the first time that stands still, as long as
nothing comes from outside (``idling`` sees to that).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ixp_emu.chip.codes import ACTION_AUX, ACTION_MEDIA, ACTION_PUSHED, ME_IDLE, Command
from ixp_emu.chip.compiled import NEVER, address_of, compiled, load_field, s64, small, store_field, u
from ixp_emu.chip.field_classes import FieldClass, places
from ixp_emu.chip.layout import (
    AGENTS,
    CONTEXTS,
    DELIVERY,
    DRAM,
    ENGINES,
    INBOX_SLOTS,
    MEDIA_RX,
    MEDIA_TX,
    MSF,
    POOL_SLOTS,
    PULL,
    SRAM0,
    SRAM1,
    TARGETS,
    offset_of,
)

__all__ = ["NOTES", "SAMPLES", "crowded", "keep", "latest_delivery", "move_on", "recurs", "signature"]

_STATE = places(FieldClass.STATE)
_COUNTERS = places(FieldClass.COUNTER)
_TIMES = np.concatenate([np.arange(at, at + size, 8) for at, size in places(FieldClass.TIME)])
_DRAM_TIMES = np.concatenate([np.arange(at, at + size, 8) for at, size in places(FieldClass.DRAM_TIME)])
_WORDS = 4096
"""Room for what is noted about commands in flight: far more than a chip that polls has."""
_WORDS_PER_COMMAND = 48
"""At most: 32 of data."""

SAMPLES = 32
"""Signatures that are taken close together."""

NOTES = np.dtype(
    [
        # the search (ixp_emu.chip.idling)
        ("phase", np.int64),
        ("look_at", np.int64),  # when to look at the chip next
        ("begun", np.int64),  # cycle in which the search began
        ("sampled", np.int64),  # signatures taken close together
        ("sampled_until", np.int64),
        ("reach", np.int64),  # how long to look for them
        ("sample", np.int64, (SAMPLES,)),
        ("candidate", np.int64),  # what may be the period, or a part of it
        ("period", np.int64),  # the last one found, 0 none yet
        ("failures", np.int64),  # searches without result since the last success
        ("spent", np.int64),  # on searches, in cycles that could have been run in the same time
        ("skipped", np.int64),  # cycles
        # the state kept
        ("kept_at", np.int64),
        ("outside_accesses", np.int64),
        ("dram_references", np.int64),
        ("cursor", np.int64),  # into words
        ("comparing", np.int64),
        ("differs", np.int64),
        ("found", np.int64),  # commands met
        ("number", np.int64, (POOL_SLOTS,)),  # of a slot, in the order met
        ("words", np.int64, (_WORDS,)),
        ("state", np.int64, (int(_STATE[:, 1].sum()) // 8,)),
        ("counters", np.int64, (int(_COUNTERS[:, 1].sum()) // 8,)),
        ("times", np.int64, (len(_TIMES) + len(_DRAM_TIMES),)),
        # the recurrence found
        ("expires", np.int64),  # first time that stands still and is not over
        ("latest", np.int64),  # delivery on its way, of those that recur
        ("moving", np.int64),  # times that move with the period
        ("moving_at", np.int64, (len(_TIMES) + len(_DRAM_TIMES),)),  # their places in the record
        ("growing", np.int64),  # counters that grow
        ("growing_at", np.int64, (int(_COUNTERS[:, 1].sum()) // 8,)),
        ("growth", np.int64, (int(_COUNTERS[:, 1].sum()) // 8,)),  # per period
    ],
    align=True,
)
"""What is known about the recurrence of a chip's state; of no account for results, so no part of a checkpoint."""

_STATE_AT, _COUNTERS_AT = offset_of(NOTES, "state"), offset_of(NOTES, "counters")

# Where a command in flight is
_ISSUED, _ARRIVED, _ANSWERED, _DELIVERED = range(4)


# --- commands in flight ---------------------------------------------------------------------------------------------


@compiled
def _note(notes: Any, value: int) -> None:
    """Keep a word, or compare it with the one kept in its place."""
    at = notes.cursor
    if at >= _WORDS:
        notes.differs = 1
        return
    if notes.comparing == 0:
        notes.words[u(at)] = value
    elif notes.words[u(at)] != value:
        notes.differs = 1
    notes.cursor = at + 1


@compiled
def _note_data(notes: Any, command: Any, count: int) -> None:
    for i in range(count):
        _note(notes, s64(command.data[u(i)]))


@compiled
def _note_waiting(notes: Any, command: Any, place: int, now: int, shift: int) -> None:
    """A command that its unit has not served: in the ME's FIFO, an inlet or the queue of a bank."""
    code = s64(command.code)
    if place == _ARRIVED:
        _note(notes, command.ready - now)
        command.ready += shift
    if command.pulled == NEVER:
        _note(notes, NEVER)
        _note_data(notes, command, 1 if code == Command.CAP_FAST_WRITE or code == Command.MSF_FAST_WRITE else 0)
    else:
        _note(notes, command.pulled - now)
        command.pulled += shift
        _note_data(notes, command, s64(command.pull_words))
    _note(notes, command.address)
    _note(notes, s64(command.count) | s64(command.mask) << 8 | s64(command.pull_words) << 16)
    _note(notes, s64(command.pull_me) | s64(command.push_me) << 8 | s64(command.xfer_out) << 16)
    _note(notes, s64(command.master) | s64(command.pc) << 16)
    _note(notes, s64(command.media) if command.action & ACTION_MEDIA else 0)
    _note(notes, s64(command.notify) if code >= Command.REFLECT_READ else 0)


@compiled
def _note_command(chip: Any, notes: Any, slot: int, place: int, now: int, shift: int) -> None:
    """All of a command that still matters where it is; other fields hold what is left of earlier commands."""
    notes.number[u(slot)] = notes.found
    notes.found += 1
    command = chip.pool[u(slot)]
    code = s64(command.code)
    action = s64(command.action)
    _note(notes, place | code << 8 | action << 16 | s64(command.signal) << 24 | s64(command.me) << 32)
    _note(notes, s64(command.ctx) if code != Command.NEIGHBOR_WRITE else 0)
    if not action & ACTION_AUX:
        _note(notes, command.stamp - now)
        command.stamp += shift
        _note(notes, s64(command.unit) | s64(command.structure) << 8)
    if code == Command.SIGNAL or code == Command.TIMER:
        return
    _note(notes, s64(command.xfer_in))
    if code == Command.NEIGHBOR_WRITE:
        _note_data(notes, command, 1)
        return
    _note(notes, s64(command.push_words) | s64(command.marked) << 8)
    if place <= _ARRIVED:
        _note_waiting(notes, command, place, now, shift)
        return
    if place == _ANSWERED:
        _note(notes, command.ready - now)
        command.ready += shift
        _note(notes, command.address)
        _note(notes, s64(command.notify) if code >= Command.REFLECT_READ else 0)
    if place == _ANSWERED or action & ACTION_PUSHED:
        _note_data(notes, command, s64(command.push_words))


@compiled
def _note_queue(chip: Any, notes: Any, queue: Any, place: int, now: int, shift: int) -> None:
    slot = s64(queue.head)
    for _ in range(queue.count):
        _note_command(chip, notes, slot, place, now, shift)
        slot = s64(chip.pool[u(slot)].next)
    _note(notes, -1)


@compiled
def _note_pulls(chip: Any, notes: Any, queue: Any) -> None:
    """Commands in the order of a pull queue; they stand in the queue of their unit too."""
    slot = s64(queue.head)
    for _ in range(queue.count):
        _note(notes, notes.number[u(slot)])
        slot = s64(chip.pool[u(slot)].pull_next)
    _note(notes, -1)


@compiled
def _note_inbox(chip: Any, notes: Any, me: Any, now: int, shift: int) -> None:
    """Deliveries on their way to an ME; the time of a timer stands still, all others recur."""
    for i in range(me.inbox_count):
        at = u((me.inbox_head + i) & (INBOX_SLOTS - 1))
        slot = s64(me.inbox_slot[at])
        time = me.inbox_time[at]
        if chip.pool[u(slot)].code == Command.TIMER:
            _note(notes, time)
            notes.expires = min(notes.expires, time)
        else:
            _note(notes, time - now)
            me.inbox_time[at] = time + shift
            notes.latest = max(notes.latest, time)
        _note_command(chip, notes, slot, _DELIVERED, now, shift)
    _note(notes, -1)
    for context in range(CONTEXTS):
        timer = me.timer[u(context)]
        _note(notes, notes.number[u(timer)] if timer >= 0 else -1)


@compiled
def _note_delayed_writes(notes: Any, me: Any, now: int, shift: int) -> None:
    for i in range(me.index_writes):
        _note(notes, me.index_time[u(i)] - now)
        _note(notes, me.index_what[u(i)])
        _note(notes, me.index_value[u(i)])
        me.index_time[u(i)] += shift
    _note(notes, -1)
    for i in range(me.nn_put_writes):
        _note(notes, me.nn_put_time[u(i)] - now)
        _note(notes, me.nn_put_value[u(i)])
        me.nn_put_time[u(i)] += shift
    _note(notes, -1)


@compiled
def _wakes_by_timer(chip: Any, engine: int, time: int) -> bool:
    """Whether what an idle ME waits for at a time is a timer."""
    me = chip.me[u(engine)]
    if me.state != ME_IDLE:
        return False
    for i in range(me.inbox_count):
        at = u((me.inbox_head + i) & (INBOX_SLOTS - 1))
        if me.inbox_time[at] == time and chip.pool[u(me.inbox_slot[at])].code == Command.TIMER:
            return True
    return False


@compiled
def _note_keys(chip: Any, notes: Any, now: int, shift: int) -> None:
    """The agents' next events, but for those of the media."""
    for agent in range(AGENTS):
        key = chip.keys[u(agent)]
        if agent == MEDIA_RX or agent == MEDIA_TX or agent == DELIVERY:
            continue
        if key == NEVER or (agent < ENGINES and _wakes_by_timer(chip, agent, key >> 8)):
            _note(notes, key)
        else:
            _note(notes, key - (now << 8))
            chip.keys[u(agent)] = key + (shift << 8)


@compiled
def _walk(chip: Any, notes: Any, now: int, shift: int) -> None:
    """Note all WALKED fields, and move their times."""
    notes.cursor = 0
    notes.found = 0
    notes.differs = 0
    notes.expires = NEVER
    notes.latest = now
    _note_keys(chip, notes, now, shift)
    for engine in range(ENGINES):
        _note_queue(chip, notes, chip.fifo[u(engine)], _ISSUED, now, shift)
    for unit in range(TARGETS):
        _note_queue(chip, notes, chip.inlet[u(unit)], _ARRIVED, now, shift)
    for bank in range(8):
        _note_queue(chip, notes, chip.bank_queue[u(bank)], _ARRIVED, now, shift)
    for bus in range(3):
        for master in range(6):
            _note_queue(chip, notes, chip.push[u(bus), u(master)], _ANSWERED, now, shift)
        for master in range(4):
            _note_pulls(chip, notes, chip.pull[u(bus), u(master)])
    _note_pulls(chip, notes, chip.dpull_waiting)
    for engine in range(ENGINES):
        me = chip.me[u(engine)]
        _note_inbox(chip, notes, me, now, shift)
        _note_delayed_writes(notes, me, now, shift)


# --- the other fields -----------------------------------------------------------------------------------------------


@small
def _mixed(value: int, more: int) -> int:
    return s64((value ^ more) * 0x100000001B3)


@compiled
def signature(chip: Any, now: int) -> int:
    """A number that is the same when the state is: of the MEs' contexts and of what is under way."""
    value = s64(chip.pool_top)
    for engine in range(ENGINES):
        me = chip.me[u(engine)]
        value = _mixed(value, me.state << 24 | me.context << 16 | me.ready << 8)
        value = _mixed(value, s64(me.pc[u(me.context)]))
        if me.inbox_count > 0 and chip.pool[u(me.inbox_slot[u(me.inbox_head)])].code != Command.TIMER:
            value = _mixed(value, me.inbox_time[u(me.inbox_head)] - now)
        key = chip.keys[u(engine)]
        if me.state != ME_IDLE and key != NEVER:
            value = _mixed(value, key - (now << 8))
    for agent in range(PULL, MEDIA_RX):
        key = chip.keys[u(agent)]
        value = _mixed(value, key if key == NEVER else key - (now << 8))
    return value


@compiled
def keep(chip: Any, notes: Any, now: int) -> None:
    """Keep the state at a cut."""
    record = address_of(chip)
    to = address_of(notes) + _STATE_AT
    for row in range(_STATE.shape[0]):
        at = record + _STATE[row, 0]
        for _ in range(_STATE[row, 1] >> 3):
            store_field(to, load_field(at))
            to += 8
            at += 8
    to = address_of(notes) + _COUNTERS_AT
    for row in range(_COUNTERS.shape[0]):
        at = record + _COUNTERS[row, 0]
        for _ in range(_COUNTERS[row, 1] >> 3):
            store_field(to, load_field(at))
            to += 8
            at += 8
    for i in range(_TIMES.size):
        notes.times[u(i)] = load_field(record + _TIMES[i])
    for i in range(_DRAM_TIMES.size):
        notes.times[u(_TIMES.size + i)] = load_field(record + _DRAM_TIMES[i])
    notes.outside_accesses = _outside_accesses(chip)
    notes.dram_references = chip.references[u(DRAM)]
    notes.comparing = 0
    _walk(chip, notes, now, 0)
    notes.kept_at = now


@compiled
def _same_state(chip: Any, notes: Any) -> bool:
    record = address_of(chip)
    kept = address_of(notes) + _STATE_AT
    for row in range(_STATE.shape[0]):
        at = record + _STATE[row, 0]
        for _ in range(_STATE[row, 1] >> 3):
            if load_field(at) != load_field(kept):
                return False
            at += 8
            kept += 8
    return True


@compiled
def _note_growth(chip: Any, notes: Any) -> None:
    """How the counters have grown since the state was kept."""
    record = address_of(chip)
    notes.growing = 0
    i = 0
    for row in range(_COUNTERS.shape[0]):
        at = record + _COUNTERS[row, 0]
        for _ in range(_COUNTERS[row, 1] >> 3):
            grown = load_field(at) - notes.counters[u(i)]
            if grown != 0:
                notes.growing_at[u(notes.growing)] = at - record
                notes.growth[u(notes.growing)] = grown
                notes.growing += 1
            i += 1
            at += 8


@small
def _outside_accesses(chip: Any) -> int:
    """Commands so far that change what is not compared: those of the media unit, and writes of SRAM and DRAM."""
    writes = chip.write_busy[u(SRAM0)] + chip.write_busy[u(SRAM1)] + chip.pull_grants[u(2)]
    return s64(chip.references[u(MSF)] + writes)


@small
def _dram_rests(chip: Any, notes: Any) -> bool:
    """Whether no command has reached the DRAM controller since the state was kept, and none is there."""
    waiting = chip.inlet[u(DRAM)].count
    for bank in range(8):
        waiting += chip.bank_queue[u(bank)].count
    return waiting == 0 and chip.references[u(DRAM)] == notes.dram_references


@small
def _dram_reach(chip: Any) -> int:
    """More than how far the controller looks back at times of the DRAM, or ahead to them."""
    row = chip.dram_row_cycle + chip.dram_activate + chip.dram_precharge + chip.dram_cas
    return s64(row + chip.dram_activate_gap + chip.dram_turnaround + chip.dram_write_recovery + 64)


@compiled
def _time_recurs(notes: Any, index: int, at: int, time: int, now: int, reach: int) -> bool:
    """Whether a time has moved with the cut, or stands still and is over or still to come."""
    kept = notes.times[u(index)]
    if time == kept + (now - notes.kept_at):
        notes.moving_at[u(notes.moving)] = at
        notes.moving += 1
        return True
    if time != kept:
        return False
    if time - reach >= now:
        notes.expires = min(notes.expires, time - reach)
        return True
    return time + reach <= notes.kept_at


@compiled
def recurs(chip: Any, notes: Any, now: int) -> bool:
    """Whether the state at this cut is the one kept; if so, what moves and grows is noted for :func:`move_on`."""
    notes.comparing = 1
    words = notes.cursor
    _walk(chip, notes, now, 0)
    if notes.differs != 0 or notes.cursor != words:
        notes.cursor = words
        return False
    if _outside_accesses(chip) != notes.outside_accesses or not _same_state(chip, notes):
        return False
    record = address_of(chip)
    notes.moving = 0
    for i in range(_TIMES.size):
        if not _time_recurs(notes, i, _TIMES[i], load_field(record + _TIMES[i]), now, 0):
            return False
    if not _dram_rests(chip, notes):
        reach = _dram_reach(chip)
        for i in range(_DRAM_TIMES.size):
            at = _DRAM_TIMES[i]
            if not _time_recurs(notes, _TIMES.size + i, at, load_field(record + at), now, reach):
                return False
    _note_growth(chip, notes)
    return True


@small
def crowded(chip: Any) -> bool:
    """Whether so many commands are in flight that there is no room to note them."""
    return POOL_SLOTS - chip.pool_top > _WORDS // _WORDS_PER_COMMAND // 2


@compiled
def latest_delivery(chip: Any, notes: Any, now: int) -> int:
    """The last time for which a delivery is on its way, of those that recur."""
    expires = notes.expires
    _walk(chip, notes, now, 0)
    notes.expires = expires
    return s64(notes.latest)


@compiled
def move_on(chip: Any, notes: Any, now: int, periods: int) -> None:
    """Bring a chip, at a cut, to where it is some periods later."""
    shift = periods * notes.period
    expires = notes.expires
    _walk(chip, notes, now, shift)
    notes.expires = expires
    record = address_of(chip)
    for i in range(notes.moving):
        at = record + notes.moving_at[u(i)]
        store_field(at, load_field(at) + shift)
    for i in range(notes.growing):
        at = record + notes.growing_at[u(i)]
        store_field(at, load_field(at) + periods * notes.growth[u(i)])
    chip.now += shift
