"""Rows that are not plain, one at a time: commands, CSRs, signals, rings, neighbours, indexed registers."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import (
    ACTION_SWAP,
    ME_STALLED,
    ROW_DIRECT,
    ROW_INDEXED,
    ROW_NEIGHBOR,
    ROW_SHARED,
    ROW_TRANSFER,
    Fault,
    Kind,
)
from ixp_emu.chip.compiled import compiled, s64, small, u
from ixp_emu.chip.csr import INSTRUCTION_DELAY, csr_read_waits, csr_write_is_shared, read_csr, write_csr
from ixp_emu.chip.delivery import take_deliveries
from ixp_emu.chip.dispatch import alu, compiled_semantics, shift_logic
from ixp_emu.chip.flags import logic_flag, sets_flags
from ixp_emu.chip.issue import issue, issue_direct
from ixp_emu.chip.layout import CONSTANTS, NEIGHBOR, NEIGHBOR_OUT, SINK
from ixp_emu.chip.neighbor import NN_FULL, neighbor_access, neighbor_state
from ixp_emu.chip.operands import condition, in_flight, indirect, post_modify, shifted
from ixp_emu.chip.queues import event_key, fail_in_turn
from ixp_emu.chip.rows import INDIRECT
from ixp_emu.chip.scratch import ring_flag
from ixp_emu.chip.uncommon import execute_uncommon

__all__ = ["BRANCHED", "NEXT", "STOPPED", "SWAPPED", "execute", "issue_row"]

NEXT = 0
"""Outcome of a row: the next one follows."""
BRANCHED = 1
"""A branch is taken, to ``me.after_target``."""
SWAPPED = 2
"""The context leaves."""
STOPPED = -1
"""It was not executed: the ME waits, with its next key set, or there is a fault."""

_insert_bytes = compiled_semantics("insert_bytes")


@small
def _set_result(me: Any, kind: int, idst: int, value: int) -> None:
    me.file[u(idst)] = value
    me.last_result = value
    if sets_flags(kind):
        me.result = value


@small
def issue_row(
    chip: Any, me: Any, engine: int, row: Any, ia: int, ib: int, context: int, pc: int, time: int, horizon: int
) -> int:
    """Put a row's command into the FIFO; with a full one the ME stalls."""
    if chip.fifo[u(engine)].count >= chip.fifo_depth:
        me.state = ME_STALLED  # the next grant wakes it, one before this cycle at this cycle
        return STOPPED
    total = (s64(me.file[u(ia)]) + s64(me.file[u(ib)])) & 0xFFFFFFFF
    if row.flags & ROW_DIRECT:
        awaited = issue_direct(chip, me, engine, context, row, time, total, pc)
    else:
        awaited = issue(chip, engine, context, row, time, total, me.last_result, pc, horizon)
        if awaited < 0:
            return STOPPED
    if row.action & ACTION_SWAP:
        me.request[u(context)] = awaited
        me.wakeup[u(context)] = awaited
        return SWAPPED
    return NEXT


@compiled
def execute(chip: Any, engine: int, context: int, pc: int, time: int, horizon: int, safe: int) -> int:
    """Execute one row, or leave the ME waiting for the other agents; returns its outcome.

    Parameters:
        horizon: next key of any other agent.
        safe: first cycle in which a delivery could arrive that the inbox does not hold.
    """
    me = chip.me[u(engine)]
    row = chip.store[u(me.store), u(pc)]
    kind = s64(row.kind)
    flags = s64(row.flags)
    offset = context * 16
    ia = s64(row.a) + (offset & row.a_mask)
    ib = s64(row.b) + (offset & row.b_mask)
    idst = s64(row.d) + (offset & row.d_mask)
    key = event_key(time, 3, engine)
    if flags != 0:
        if flags & ROW_NEIGHBOR:
            if (flags & ROW_SHARED and key >= horizon) or time >= safe:
                chip.keys[u(engine)] = key
                return STOPPED
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
                return STOPPED
        if flags & ROW_TRANSFER:
            if in_flight(me, ia, ib, SINK):
                if time >= safe:
                    chip.keys[u(engine)] = key
                    return STOPPED
                take_deliveries(chip, me, time)
            if idst < NEIGHBOR and me.busy[u(idst)] and key >= horizon:
                chip.keys[u(engine)] = key
                return STOPPED
    outcome = NEXT
    taken = False
    if kind < Kind.ALU_END:
        left = s64(me.file[u(ia)])
        value, carry, overflow = alu(kind, left, s64(me.file[u(ib)]), me.carry, me.overflow)
        me.file[u(idst)] = value
        if sets_flags(kind):
            me.result = value
            me.carry = carry
            me.overflow = overflow
        me.last_result = value
        me.last_a = left
    elif kind == Kind.SHIFT:
        left = s64(me.file[u(ia)])
        right = shifted(s64(row.special), s64(row.shift), me.last_a, s64(me.file[u(ib)]))
        value, carry, overflow = shift_logic(s64(row.option), left, right, me.carry, me.overflow)
        me.file[u(idst)] = value
        me.result = value
        me.carry = carry
        me.overflow = overflow
        me.last_result = value
        me.last_a = left
    elif kind == Kind.IMMED:
        value = s64(row.imm)
        if me.csr_pending:
            value = me.csr_value
        _set_result(me, kind, idst, value)
    elif kind == Kind.LD_FIELD:
        right = shifted(s64(row.special), s64(row.shift), me.last_a, s64(me.file[u(ib)]))
        field = s64(row.imm)
        value = (s64(me.file[u(ia)]) & (field ^ 0xFFFFFFFF)) | (right & field)
        me.file[u(idst)] = value
        me.last_result = value
        if row.option:
            me.result = value
            me.carry = logic_flag(me.carry)
            me.overflow = logic_flag(me.overflow)
    elif kind == Kind.IMMED_PART:
        _set_result(me, kind, idst, _insert_bytes(s64(me.file[u(ia)]), s64(row.imm), s64(row.option)))
    elif kind == Kind.COMMAND:
        outcome = issue_row(chip, me, engine, row, ia, ib, context, pc, time, horizon)
        if outcome == STOPPED:
            return STOPPED
    elif kind == Kind.BRANCH:
        taken = True
    elif kind == Kind.BRANCH_CC:
        taken = condition(s64(row.option), me.result, me.carry, me.overflow)
    elif kind == Kind.BRANCH_BIT:
        taken = (s64(me.file[u(ia)]) >> s64(row.imm)) & 1 != row.option
    elif kind == Kind.BRANCH_BYTE:
        taken = ((s64(me.file[u(ia)]) >> s64(row.shift)) & 0xFF == row.imm) != (row.option != 0)
    elif kind == Kind.BRANCH_CTX:
        taken = (context == row.imm) != (row.option != 0)
    elif kind == Kind.BRANCH_SIGNAL:
        if time >= safe:
            chip.keys[u(engine)] = key
            return STOPPED
        take_deliveries(chip, me, time)
        signals = s64(me.signals[u(context)])
        me.signals[u(context)] = signals & ~(1 << s64(row.imm))
        taken = (signals >> s64(row.imm)) & 1 != row.option
    elif kind == Kind.BRANCH_INPUT:
        if key >= horizon:
            chip.keys[u(engine)] = key
            return STOPPED
        taken = ring_flag(chip, s64(row.imm), time) != row.option
    elif kind == Kind.BRANCH_NEIGHBOR:
        if (row.imm == NN_FULL and key >= horizon) or time >= safe:
            chip.keys[u(engine)] = key
            return STOPPED
        take_deliveries(chip, me, time)
        taken = neighbor_state(chip, me, engine, s64(row.imm), time) != row.option
    elif kind == Kind.JUMP:
        me.after_target = (s64(me.file[u(ia)]) + s64(row.target)) & 0x1FFF
        outcome = BRANCHED
    elif kind == Kind.CSR_READ:
        address = s64(row.target)
        if csr_read_waits(address):
            if time >= safe:
                chip.keys[u(engine)] = key
                return STOPPED
            take_deliveries(chip, me, time)
        me.csr_value = read_csr(chip, me, engine, context, context, address, time)
        me.csr_pending = 2
    elif kind == Kind.CSR_WRITE:
        address = s64(row.target)
        if csr_write_is_shared(address):
            if key >= horizon:
                chip.keys[u(engine)] = key
                return STOPPED
            take_deliveries(chip, me, time)
        value = s64(me.file[u(ia)])
        # the operands still go by the old CTX_ENABLES and pointers
        if flags & ROW_INDEXED:
            post_modify(me, row, context)
        if flags & ROW_SHARED:
            neighbor_access(chip, me, engine, row, context, time)
        flags = 0
        write_csr(chip, me, engine, context, context, address, value, time, INSTRUCTION_DELAY)
    else:
        fault = execute_uncommon(me, row, ia, ib, idst, context, time)
        if fault != 0:
            fail_in_turn(chip, horizon, fault, time, engine, context, pc, 0)
            return STOPPED
    if taken:
        me.after_target = s64(row.target)
        outcome = BRANCHED
    if flags & ROW_INDEXED:
        post_modify(me, row, context)
    if flags & ROW_SHARED:
        neighbor_access(chip, me, engine, row, context, time)
    return outcome
