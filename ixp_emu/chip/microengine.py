"""The microengine: runs ahead of the clock through private instructions, up to the next thing others can see.

``run_engine`` executes one ME from its local time until it must wait for the other agents, idles, stalls or reaches
the end of the run. Two limits hold it back:

- *horizon*, the next key of any other agent: an instruction that touches something shared (a ring flag, a neighbour, a
  transfer register that a command in flight samples) runs only when its key (time, phase 3, ME) precedes it;
- *safe*, the first cycle in which a delivery could arrive that no inbox holds yet: before it, signals and transfer-in
  registers are known, so contexts are chosen and registers read ahead of the other agents.
"""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import (
    ACTION_SWAP,
    ME_CHOOSING,
    ME_EXECUTING,
    ME_IDLE,
    ME_STALLED,
    ROW_INDEXED,
    ROW_NEIGHBOR,
    ROW_PLAIN,
    ROW_SHARED,
    ROW_TRANSFER,
    Fault,
    Kind,
)
from ixp_emu.chip.compiled import NEVER, compiled, count_trailing_zeros, s64, small, u
from ixp_emu.chip.csr import (
    INSTRUCTION_DELAY,
    apply_index_writes,
    csr_read_waits,
    csr_write_is_shared,
    read_csr,
    write_csr,
)
from ixp_emu.chip.delivery import expect_wake, request_satisfied, take_deliveries
from ixp_emu.chip.dispatch import alu, compiled_semantics, shift_logic
from ixp_emu.chip.flags import logic_flag, sets_flags
from ixp_emu.chip.issue import issue
from ixp_emu.chip.layout import (
    CMD_ARBITER,
    CONSTANTS,
    CONTEXTS,
    NEIGHBOR,
    NEIGHBOR_OUT,
    SINK,
)
from ixp_emu.chip.neighbor import NN_FULL, neighbor_access, neighbor_state
from ixp_emu.chip.operands import condition, in_flight, indirect, post_modify, shifted
from ixp_emu.chip.queues import event_key, fail_in_turn, find_first_engine, safe_until
from ixp_emu.chip.rows import INDIRECT
from ixp_emu.chip.scratch import ring_flag
from ixp_emu.chip.uncommon import execute_uncommon

__all__ = ["run_engine"]

_KILL = 0x10000

_insert_bytes = compiled_semantics("insert_bytes")


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


@compiled
def run_engine(chip: Any, engine: int, until: int) -> None:
    """Run one ME (see the module's docstring) and set its next key."""
    me = chip.me[u(engine)]
    chip.keys[u(engine)] = NEVER
    find_first_engine(chip)
    horizon = min(chip.first_engine, chip.first_other)
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
    result = me.result
    carry = me.carry
    overflow = me.overflow
    last_result = me.last_result
    last_a = me.last_a
    after = me.after
    slots = me.after_slots
    store = me.store
    program_words = me.program_words
    start = time
    lost = 0
    context = me.context
    offset = context * 16
    pc = s64(me.pc[u(context)])

    while True:
        if me.state == ME_CHOOSING:
            if time >= safe or time >= until:
                chip.keys[u(engine)] = event_key(time, 3, engine)
                break
            if me.inbox_count > 0:
                take_deliveries(chip, me, time)
            ready = me.ready & me.enabled
            if ready == 0:
                for c in range(CONTEXTS):
                    me.expected[u(c)] = 0
                me.state = ME_IDLE
                if me.inbox_count > 0 and expect_wake(chip, me):
                    chip.keys[u(engine)] = event_key(me.inbox_time[u(me.inbox_head)], 3, engine)
                break
            first = (context + 1) & (CONTEXTS - 1)
            rotated = ((ready >> first) | (ready << (CONTEXTS - first))) & 0xFF
            context = (first + count_trailing_zeros(rotated)) & (CONTEXTS - 1)
            request = s64(me.request[u(context)])
            if request & (_KILL | 1) == 0:  # ALL: the signals waited for are consumed
                me.signals[u(context)] = s64(me.signals[u(context)]) & ~request
            me.request[u(context)] = _KILL
            me.ready &= ~(1 << context)
            me.context = context
            offset = context * 16
            pc = s64(me.pc[u(context)])
            me.entered = pc
            me.state = ME_EXECUTING
        if time >= until:
            chip.keys[u(engine)] = event_key(time, 3, engine)
            break
        through = False  # the defer slots of a branch or swap are through
        if me.csr_pending == 0 and pc < program_words:
            # a stretch of plain rows, which ends inside the control store
            while time < until:
                row = chip.store[u(store), u(pc)]
                flags = s64(row.flags)
                if flags & ROW_PLAIN == 0:
                    break
                ia = s64(row.a) + (offset & row.a_mask)
                ib = s64(row.b) + (offset & row.b_mask)
                idst = s64(row.d) + (offset & row.d_mask)
                if flags & ROW_TRANSFER and in_flight(me, ia, ib, idst):
                    break
                kind = s64(row.kind)
                time += 1
                pc += 1
                branch = False
                if kind < Kind.ALU_END:
                    last_a = s64(me.file[u(ia)])
                    result, carry, overflow = alu(kind, last_a, s64(me.file[u(ib)]), carry, overflow)
                    last_result = result
                    me.file[u(idst)] = result
                elif kind == Kind.SHIFT:
                    left = s64(me.file[u(ia)])
                    right = shifted(s64(row.special), s64(row.shift), last_a, s64(me.file[u(ib)]))
                    last_a = left
                    result, carry, overflow = shift_logic(s64(row.option), left, right, carry, overflow)
                    last_result = result
                    me.file[u(idst)] = result
                elif kind == Kind.IMMED:
                    last_result = s64(row.imm)
                    me.file[u(idst)] = last_result
                elif kind == Kind.LD_FIELD:
                    right = shifted(s64(row.special), s64(row.shift), last_a, s64(me.file[u(ib)]))
                    field = s64(row.imm)
                    last_result = (s64(me.file[u(ia)]) & (field ^ 0xFFFFFFFF)) | (right & field)
                    me.file[u(idst)] = last_result
                    if row.option:
                        result = last_result
                        carry = logic_flag(carry)
                        overflow = logic_flag(overflow)
                elif kind == Kind.BRANCH:
                    branch = True
                elif kind == Kind.BRANCH_CC:
                    branch = condition(s64(row.option), result, carry, overflow)
                elif kind == Kind.BRANCH_BIT:
                    branch = (s64(me.file[u(ia)]) >> s64(row.imm)) & 1 != row.option
                elif kind == Kind.BRANCH_BYTE:
                    branch = ((s64(me.file[u(ia)]) >> s64(row.shift)) & 0xFF == row.imm) != (row.option != 0)
                else:
                    branch = (context == row.imm) != (row.option != 0)
                if slots > 0:
                    slots -= 1
                    if slots == 0:
                        through = True
                        break
                elif branch:
                    if row.defer == 0:
                        pc = s64(row.target)
                        time += row.slots
                        lost += row.slots
                    else:
                        after = 1
                        slots = s64(row.defer)
                        me.after_lost = s64(row.slots) - slots
                        me.after_target = s64(row.target)
            if time >= until and not through:
                continue
        if through:
            time += me.after_lost
            lost += me.after_lost
            pc = me.after_target
            if after == 2:
                _swap_out(me, context, pc, me.executing + time - start - lost)
            after = 0
            continue
        if pc >= program_words:
            fail_in_turn(chip, horizon, Fault.PC_OUTSIDE, time, engine, context, pc, 0)
            break
        row = chip.store[u(store), u(pc)]
        kind = s64(row.kind)
        flags = s64(row.flags)
        ia = s64(row.a) + (offset & row.a_mask)
        ib = s64(row.b) + (offset & row.b_mask)
        idst = s64(row.d) + (offset & row.d_mask)
        if me.index_writes > 0:
            apply_index_writes(me, time)
        if flags != 0:
            if flags & ROW_NEIGHBOR:
                if (flags & ROW_SHARED and event_key(time, 3, engine) >= horizon) or time >= safe:
                    chip.keys[u(engine)] = event_key(time, 3, engine)
                    break
                take_deliveries(chip, me, time)
                if idst >= NEIGHBOR and idst < CONSTANTS:
                    idst = NEIGHBOR_OUT
            if flags & ROW_INDEXED:
                if ia & INDIRECT:
                    ia = indirect(me, ia, context, 0)
                if ib & INDIRECT:
                    ib = indirect(me, ib, context, 0)
                if idst & INDIRECT:
                    idst = indirect(me, idst, context, 1)
                if ia < 0 or ib < 0 or idst < 0:
                    fail_in_turn(chip, horizon, Fault.LOCAL_MEMORY, time, engine, context, pc, 0)
                    break
            if flags & ROW_TRANSFER:
                if in_flight(me, ia, ib, SINK):
                    if time >= safe:
                        chip.keys[u(engine)] = event_key(time, 3, engine)
                        break
                    take_deliveries(chip, me, time)
                if idst < NEIGHBOR and me.busy[u(idst)] and event_key(time, 3, engine) >= horizon:
                    chip.keys[u(engine)] = event_key(time, 3, engine)
                    break
        target = -1  # of a branch taken or a swap by this instruction
        leave = 0  # 1 branch, 2 swap
        if kind < Kind.ALU_END:
            left = s64(me.file[u(ia)])
            value, new_carry, new_overflow = alu(kind, left, s64(me.file[u(ib)]), carry, overflow)
            me.file[u(idst)] = value
            if sets_flags(kind):
                result = value
                carry = new_carry
                overflow = new_overflow
            last_result = value
            last_a = left
        elif kind == Kind.SHIFT:
            left = s64(me.file[u(ia)])
            right = shifted(s64(row.special), s64(row.shift), last_a, s64(me.file[u(ib)]))
            value, carry, overflow = shift_logic(s64(row.option), left, right, carry, overflow)
            me.file[u(idst)] = value
            result = value
            last_result = value
            last_a = left
        elif kind == Kind.IMMED:
            value = s64(row.imm)
            if me.csr_pending:
                value = me.csr_value
            me.file[u(idst)] = value
            last_result = value
            if sets_flags(kind):
                result = value
        elif kind == Kind.BRANCH:
            target = s64(row.target)
            leave = 1
        elif kind == Kind.BRANCH_CC:
            if condition(s64(row.option), result, carry, overflow):
                target = s64(row.target)
                leave = 1
        elif kind == Kind.COMMAND:
            if chip.fifo[u(engine)].count >= chip.fifo_depth:
                if event_key(time, 3, engine) >= horizon:
                    chip.keys[u(engine)] = event_key(time, 3, engine)
                else:  # the next grant wakes it
                    me.state = ME_STALLED
                break
            total = (s64(me.file[u(ia)]) + s64(me.file[u(ib)])) & 0xFFFFFFFF
            awaited = issue(chip, engine, context, row, time, total, last_result, pc, horizon)
            if awaited < 0:
                break
            horizon = min(horizon, chip.keys[u(CMD_ARBITER + (engine >> 2))])
            safe = min(safe, (chip.first_other >> 8) + chip.other_lookahead)
            if row.action & ACTION_SWAP:
                me.request[u(context)] = awaited
                me.wakeup[u(context)] = awaited
                leave = 2
        elif kind == Kind.CTX_ARB:
            request = s64(row.imm)
            if row.option:
                request = s64(me.wakeup[u(context)])
            else:
                me.wakeup[u(context)] = request
            me.request[u(context)] = request
            leave = 2
        elif kind == Kind.BRANCH_BIT:
            bit = (s64(me.file[u(ia)]) >> s64(row.imm)) & 1
            if bit != row.option:
                target = s64(row.target)
                leave = 1
        elif kind == Kind.BRANCH_BYTE:
            same = 1 if (s64(me.file[u(ia)]) >> s64(row.shift)) & 0xFF == row.imm else 0
            if same != row.option:
                target = s64(row.target)
                leave = 1
        elif kind == Kind.BRANCH_CTX:
            same = 1 if context == row.imm else 0
            if same != row.option:
                target = s64(row.target)
                leave = 1
        elif kind == Kind.LD_FIELD:
            right = shifted(s64(row.special), s64(row.shift), last_a, s64(me.file[u(ib)]))
            field = s64(row.imm)
            value = (s64(me.file[u(ia)]) & (field ^ 0xFFFFFFFF)) | (right & field)
            me.file[u(idst)] = value
            last_result = value
            if row.option:
                result = value
                carry = logic_flag(carry)
                overflow = logic_flag(overflow)
        elif kind == Kind.IMMED_PART:
            value = _insert_bytes(s64(me.file[u(ia)]), s64(row.imm), s64(row.option))
            me.file[u(idst)] = value
            last_result = value
            if sets_flags(kind):
                result = value
        elif kind == Kind.BRANCH_SIGNAL:
            if time >= safe:
                chip.keys[u(engine)] = event_key(time, 3, engine)
                break
            take_deliveries(chip, me, time)
            signals = s64(me.signals[u(context)])
            present = (signals >> s64(row.imm)) & 1
            me.signals[u(context)] = signals & ~(1 << s64(row.imm))
            if present != row.option:
                target = s64(row.target)
                leave = 1
        elif kind == Kind.BRANCH_INPUT:
            if event_key(time, 3, engine) >= horizon:
                chip.keys[u(engine)] = event_key(time, 3, engine)
                break
            present = ring_flag(chip, s64(row.imm), time)
            if present != row.option:
                target = s64(row.target)
                leave = 1
        elif kind == Kind.JUMP:
            target = (s64(me.file[u(ia)]) + s64(row.target)) & 0x1FFF
            leave = 1
        elif kind == Kind.CSR_READ:
            address = s64(row.target)
            if csr_read_waits(address):
                if time >= safe:
                    chip.keys[u(engine)] = event_key(time, 3, engine)
                    break
                take_deliveries(chip, me, time)
            me.last_result = last_result
            me.csr_value = read_csr(chip, me, engine, context, context, address, time)
            me.csr_pending = 2
        elif kind == Kind.CSR_WRITE:
            address = s64(row.target)
            if csr_write_is_shared(address):
                if event_key(time, 3, engine) >= horizon:
                    chip.keys[u(engine)] = event_key(time, 3, engine)
                    break
                take_deliveries(chip, me, time)
            value = s64(me.file[u(ia)])
            # the operands still go by the old CTX_ENABLES and pointers
            if flags & ROW_INDEXED:
                post_modify(me, row, context)
            if flags & ROW_SHARED:
                neighbor_access(chip, me, engine, row, context, time)
            flags = 0
            me.after = after
            write_csr(chip, me, engine, context, context, address, value, time, INSTRUCTION_DELAY)
            store = me.store
            if csr_write_is_shared(address):
                horizon = min(chip.first_engine, chip.first_other)
                safe = safe_until(chip)
        elif kind == Kind.BRANCH_NEIGHBOR:
            if (row.imm == NN_FULL and event_key(time, 3, engine) >= horizon) or time >= safe:
                chip.keys[u(engine)] = event_key(time, 3, engine)
                break
            take_deliveries(chip, me, time)
            if neighbor_state(chip, me, engine, s64(row.imm), time) != row.option:
                target = s64(row.target)
                leave = 1
        else:
            me.result = result
            me.carry = carry
            me.overflow = overflow
            me.last_result = last_result
            me.last_a = last_a
            fault = execute_uncommon(me, row, ia, ib, idst, context, time)
            if fault != 0:
                fail_in_turn(chip, horizon, fault, time, engine, context, pc, 0)
                break
            result = me.result
            carry = me.carry
            overflow = me.overflow
            last_result = me.last_result
            last_a = me.last_a
        if flags & ROW_INDEXED:
            post_modify(me, row, context)
        if flags & ROW_SHARED:
            neighbor_access(chip, me, engine, row, context, time)
            horizon = min(chip.first_engine, chip.first_other)
            safe = safe_until(chip)
        time += 1
        pc += 1
        if me.csr_pending:
            me.csr_pending -= 1
        if leave:
            # what follows happens behind the defer slots
            after = leave
            slots = s64(row.defer)
            me.after_lost = s64(row.slots) - s64(row.defer)
            if leave == 1:
                me.after_target = target
            else:
                # resume behind the defer slots, or where br[label] says
                me.after_target = pc + s64(row.defer)
                if kind == Kind.CTX_ARB and row.special:
                    me.after_target = s64(row.target)
            if slots > 0:
                continue
        elif after:
            slots -= 1
            if slots > 0:
                continue
        else:
            continue
        # the defer slots are through
        time += me.after_lost
        lost += me.after_lost
        pc = me.after_target
        if after == 2:
            _swap_out(me, context, pc, me.executing + time - start - lost)
        after = 0

    if me.state != ME_CHOOSING and me.state != ME_IDLE:
        me.pc[u(context)] = pc
    me.time = time
    me.executing += time - start - lost
    me.aborted += lost
    me.result = result
    me.carry = carry
    me.overflow = overflow
    me.last_result = last_result
    me.last_a = last_a
    me.after = after
    me.after_slots = slots
