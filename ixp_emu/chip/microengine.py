"""The microengine: runs ahead of the clock through private instructions, up to the next thing others can see.

``run_engine`` executes one ME from its local time until it must wait for the other agents, idles, stalls or reaches
the end of the run. Two limits hold it back:

- *horizon*, the next key of any other agent: an instruction that touches something shared (a ring flag, a neighbour, a
  transfer register that a command in flight samples) runs only when its key (time, phase 3, ME) precedes it;
- *safe*, the first cycle in which a delivery could arrive that no inbox holds yet: before it, signals and transfer-in
  registers are known, so contexts are chosen and registers read ahead of the other agents.

Plain rows run in the program's translation if it has one, else in the interpreter; commands and swaps here; the others
in ``execute``.
"""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import (
    ME_CHOOSING,
    ME_EXECUTING,
    ME_IDLE,
    ME_STALLED,
    ROW_DIRECT,
    ROW_NEIGHBOR,
    ROW_PLAIN,
    ROW_SHARED,
    Fault,
    Kind,
)
from ixp_emu.chip.compiled import NEVER, call_translation, compiled, count_trailing_zeros, s64, small, u
from ixp_emu.chip.csr import INSTRUCTION_DELAY, apply_index_writes, csr_write_is_shared, write_csr
from ixp_emu.chip.delivery import expect_wake, request_satisfied, take_deliveries
from ixp_emu.chip.execute import NEXT, STOPPED, SWAPPED, execute, issue_row
from ixp_emu.chip.layout import CMD_ARBITER, CONTEXTS, SLOTS
from ixp_emu.chip.plain import interpret
from ixp_emu.chip.queues import event_key, fail_in_turn, find_first_engine, first_beside, safe_until

__all__ = ["run_engine"]

_KILL = 0x10000


@small
def _swap_out(me: Any, context: int, pc: int, executed: int) -> None:
    """The running context leaves: it will go on at ``pc``."""
    me.pc[u(context)] = pc
    me.instructions[u(context)] += executed - me.since
    me.since = executed
    if request_satisfied(s64(me.request[u(context)]), s64(me.signals[u(context)])):
        me.ready |= 1 << context
    me.last_left = context
    me.state = ME_CHOOSING


@small
def _choose(me: Any, ready: int, last: int) -> int:
    """Enter the next ready context, round robin."""
    first = (last + 1) & (CONTEXTS - 1)
    rotated = ((ready >> first) | (ready << (CONTEXTS - first))) & 0xFF
    context = (first + count_trailing_zeros(rotated)) & (CONTEXTS - 1)
    request = s64(me.request[u(context)])
    if request & (_KILL | 1) == 0:  # ALL: the signals waited for are consumed
        me.signals[u(context)] = s64(me.signals[u(context)]) & ~request
    me.request[u(context)] = _KILL
    me.ready &= ~(1 << context)
    me.context = context
    me.entered = s64(me.pc[u(context)])
    me.state = ME_EXECUTING
    return context


@compiled
def _idle(chip: Any, me: Any, engine: int, time: int) -> None:
    """No context is ready: sleep from ``time`` on until a delivery may change that."""
    for c in range(CONTEXTS):
        me.expected[u(c)] = 0
    me.state = ME_IDLE
    if me.inbox_count > 0 and expect_wake(chip, me):
        chip.keys[u(engine)] = event_key(max(me.inbox_time[u(me.inbox_head)], time), 3, engine)


@compiled
def run_engine(chip: Any, engine: int, until: int) -> None:
    """Run one ME (see the module's docstring) and set its next key."""
    me = chip.me[u(engine)]
    chip.keys[u(engine)] = NEVER
    find_first_engine(chip)
    horizon = min(chip.first_engine, first_beside(chip))
    safe = safe_until(chip)
    time = me.time
    if me.state == ME_IDLE:
        now = chip.now
        me.idle += now - time
        time = now
        me.state = ME_CHOOSING
    elif me.state == ME_STALLED:
        now = chip.now
        me.stalled += now - time
        time = now
        me.state = ME_EXECUTING
    start = time
    me.lost = 0
    context = me.context
    pc = s64(me.pc[u(context)])
    store = u(me.store)
    code = chip.code[store]
    words = me.program_words

    while True:
        if me.state == ME_CHOOSING:
            known = time < safe and time < until
            if known and me.inbox_count > 0:
                take_deliveries(chip, me, time)
            ready = me.ready & me.enabled
            if ready == 0 and time < until:  # a delivery that is not known yet wakes it too
                _idle(chip, me, engine, time)
                break
            if not known:
                chip.keys[u(engine)] = event_key(time, 3, engine)
                break
            context = _choose(me, ready, context)
            pc = me.entered
        if me.csr_pending == 0 and pc < words and chip.store[store, u(pc)].flags & ROW_PLAIN:
            if code != 0 and me.after == 0:
                pc = call_translation(code, me, context * 16, context, pc, time, until)
                time = me.time
            if pc < words and chip.store[store, u(pc)].flags & ROW_PLAIN:
                pc = interpret(chip, me, context, pc, time, until)
                time = me.time
        through = me.after != 0 and me.after_slots == 0
        if not through:
            if time >= until:
                chip.keys[u(engine)] = event_key(time, 3, engine)
                break
            if pc >= words:
                fail_in_turn(chip, horizon, Fault.PC_OUTSIDE, time, engine, context, pc, 0)
                break
            row = chip.store[store, u(pc)]
            kind = s64(row.kind)
            if me.index_writes > 0:
                apply_index_writes(me, time)
            if kind == Kind.COMMAND and row.flags & ~ROW_DIRECT == 0:
                offset = context * 16
                ia = s64(row.a) + (offset & row.a_mask)
                ib = s64(row.b) + (offset & row.b_mask)
                outcome = issue_row(chip, me, engine, row, ia, ib, context, pc, time, horizon)
                if outcome == STOPPED:
                    break
                horizon = min(horizon, chip.keys[u(CMD_ARBITER + (engine >> 2))])
                safe = min(safe, (chip.first_other >> 8) + chip.other_lookahead)
            elif kind == Kind.CTX_ARB:
                request = s64(row.imm)
                if row.option:
                    request = s64(me.wakeup[u(context)])
                else:
                    me.wakeup[u(context)] = request
                me.request[u(context)] = request
                outcome = SWAPPED
            elif kind == Kind.CSR_WRITE and row.flags == 0 and not csr_write_is_shared(s64(row.target)):
                value = s64(me.file[u(s64(row.a) + (context * 16 & row.a_mask))])
                write_csr(chip, me, engine, context, context, s64(row.target), value, time, INSTRUCTION_DELAY)
                outcome = NEXT
            else:
                outcome = execute(chip, engine, context, pc, time, horizon, safe)
                if outcome == STOPPED:
                    break
                if kind == Kind.COMMAND or kind == Kind.CSR_WRITE or row.flags & (ROW_NEIGHBOR | ROW_SHARED):
                    horizon = min(chip.first_engine, first_beside(chip))
                    safe = safe_until(chip)
            time += 1
            pc += 1
            if me.csr_pending:
                me.csr_pending -= 1
            if outcome != NEXT:
                # what follows happens behind the defer slots
                slots = s64(row.defer)
                lost = s64(row.slots) - slots
                target = me.after_target
                if outcome == SWAPPED:  # resume behind the defer slots, or where br[label] says
                    target = s64(row.target) if kind == Kind.CTX_ARB and row.special else pc + slots
                if slots > 0 and code != 0 and me.csr_pending == 0:
                    entry = pc | SLOTS
                    reached = call_translation(code, me, context * 16, context, entry, time, until)
                    if reached != entry:
                        time = me.time
                        slots = 0
                if slots == 0 and me.after == 0:
                    time += lost
                    me.lost += lost
                    pc = target
                    me.after_target = 0
                    if outcome == SWAPPED:
                        _swap_out(me, context, pc, me.executing + time - start - me.lost)
                    continue
                me.after = outcome
                me.after_target = target
                me.after_lost = lost
                me.after_slots = slots
            elif me.after == 0:
                continue
            else:
                me.after_slots -= 1
            if me.after_slots > 0:
                continue
        # the defer slots are through
        time += me.after_lost
        me.lost += me.after_lost
        pc = me.after_target
        if me.after == SWAPPED:
            _swap_out(me, context, pc, me.executing + time - start - me.lost)
        me.after = 0
        me.after_target = 0
        me.after_lost = 0

    if me.state != ME_CHOOSING and me.state != ME_IDLE:
        me.pc[u(context)] = pc
    me.time = time
    me.executing += time - start - me.lost
    me.aborted += me.lost
