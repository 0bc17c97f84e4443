"""The microengine: runs ahead of the clock through private instructions, up to the next thing others can see.

``run_engine`` executes one ME from its local time until it must wait for the other agents, idles, stalls or reaches
the end of the run. An instruction that can observe or touch something shared runs only when its key
(time, phase 3, ME) precedes every other agent's next key (docs/design.md, "Time").
"""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import (
    ACTION_DOUBLE,
    ACTION_INDIRECT,
    ACTION_MEDIA,
    ACTION_RETURNS,
    ACTION_SWAP,
    MASTER_MSF,
    ROW_INDEXED,
    ROW_PLAIN,
    ROW_TRANSFER,
    Command,
    Fault,
    Kind,
    Shift,
)
from ixp_emu.chip.compiled import NEVER, compiled, count_trailing_zeros, s64, small, u
from ixp_emu.chip.csr import (
    apply_index_writes,
    cam_lookup,
    cam_touch,
    index_write,
    read_csr,
    write_csr,
)
from ixp_emu.chip.delivery import ME_IDLE, ME_STALLED, expect_wake, request_satisfied, take_deliveries
from ixp_emu.chip.dispatch import alu, compiled_semantics, shift_logic
from ixp_emu.chip.layout import (
    CMD_ARBITER,
    CONTEXTS,
    DRAM_IN,
    DRAM_OUT,
    LOCAL_MEMORY,
    LOCAL_MEMORY_WORDS,
    MSF,
    NEIGHBOR,
    SINK,
    SRAM0,
    SRAM_IN,
    SRAM_OUT,
)
from ixp_emu.chip.queues import allocate, append, edge, event_key, fail, find_first_engine, hasten, safe_until
from ixp_emu.chip.rows import CSR_ADDRESS, FROM_ALU, INDIRECT
from ixp_emu.chip.scratch import ring_flag

__all__ = ["ME_CHOOSING", "ME_EXECUTING", "ME_STOPPED", "run_engine"]

ME_STOPPED = 0
"""No program."""
ME_CHOOSING = 1
"""Chooses the next context at its local time."""
ME_EXECUTING = 4

_INDEX_FAULT = -1
_KILL = 0x10000

_asr = compiled_semantics("arithmetic_shift_right")
_double_shift = compiled_semantics("double_shift_right")
_align_be = compiled_semantics("byte_align_be")
_align_le = compiled_semantics("byte_align_le")
_crc_step = compiled_semantics("crc_step")


@small
def _condition(code: int, result: int, carry: int, overflow: int) -> bool:
    """Whether a conditional branch on flags is taken; codes as in the word's ``cond`` field."""
    negative = result >> 31
    zero = result == 0
    if code == 0:
        return zero
    if code == 1:
        return not zero
    if code == 2:
        return negative != 0
    if code == 3:
        return negative == 0
    if code == 4:
        return carry != 0
    if code == 5:
        return carry == 0
    if code == 6:
        return overflow != 0
    if code == 7:
        return overflow == 0
    if code == 8:
        return negative == overflow
    if code == 9:
        return negative != overflow
    if code == 10:
        return zero or negative != overflow
    return (not zero) and negative == overflow


@small
def _shifted(kind: int, amount: int, last_a: int, value: int) -> int:
    """The right operand after the row's shift."""
    if kind == Shift.NONE:
        return value
    if kind == Shift.LEFT:
        return (value << amount) & 0xFFFFFFFF
    if kind == Shift.RIGHT:
        return value >> amount
    if kind == Shift.ROTATE:
        return ((value >> amount) | (value << (32 - amount))) & 0xFFFFFFFF
    if kind == Shift.LEFT_INDIRECT:
        return (value << (last_a & 31)) & 0xFFFFFFFF
    return value >> (last_a & 31)


@compiled
def _indirect(me: Any, code: int, context: int, destination: int) -> int:
    """File index of an operand through LM_ADDR or T_INDEX; -1 for local memory above its end."""
    kind = (code >> 12) & 7
    if kind < 2:
        word = me.lm_word[u(context), u(kind)] | (code & 15)
        if word >= LOCAL_MEMORY_WORDS:
            return _INDEX_FAULT
        return LOCAL_MEMORY + word
    base = SRAM_IN if kind == 2 else DRAM_IN
    if destination:
        base = SRAM_OUT if kind == 2 else DRAM_OUT
    return s64(base + me.t_index)


@compiled
def _post_modify(me: Any, row: Any, context: int) -> None:
    """Apply ++ and -- of a row, once per index."""
    done = 0
    for position in range(3):
        code = s64(row.d) if position == 0 else (s64(row.a) if position == 1 else s64(row.b))
        if code & INDIRECT == 0:
            continue
        step = (code >> 8) & 3
        kind = (code >> 12) & 7
        group = kind if kind < 2 else 2
        if step == 0 or (done >> group) & 1:
            continue
        done |= 1 << group
        change = 1 if step == 1 else -1
        if group < 2:
            me.lm_word[u(context), u(group)] = (me.lm_word[u(context), u(group)] + change) & 1023
        else:
            me.t_index = (me.t_index + change) & 127


@small
def _in_flight(me: Any, ia: int, ib: int, idst: int) -> bool:
    """Whether a command in flight will write a register that is read, or sample one that is written."""
    busy = 0
    if ia < NEIGHBOR:
        busy |= s64(me.busy[u(ia)])
    if ib < NEIGHBOR:
        busy |= s64(me.busy[u(ib)])
    if idst < NEIGHBOR:
        busy |= s64(me.busy[u(idst)])
    return busy != 0


@small
def _swap_out(me: Any, context: int, pc: int, executed: int) -> None:
    """The running context leaves: it will go on at ``pc``."""
    me.pc[u(context)] = pc
    me.instructions[u(context)] += executed - me.since
    me.since = executed
    if request_satisfied(s64(me.request[u(context)]), s64(me.signals[u(context)])):
        me.ready |= 1 << context
    me.state = ME_CHOOSING


@small
def _mark(me: Any, first: int, count: int) -> None:
    """Registers of a command in flight: whoever uses them waits for the clock."""
    base = first & ~127
    for i in range(count):
        me.busy[u(base | ((first + i) & 127))] += 1


@compiled
def _issue(chip: Any, engine: int, context: int, row: Any, time: int, sum_of_operands: int, last_result: int) -> int:
    """Put a command into the ME's FIFO; returns the signals it will set (mask), -1 after a fault."""
    me = chip.me[u(engine)]
    code = s64(row.option)
    action = s64(row.action)
    unit = s64(row.unit)
    count = s64(row.count)
    per_unit = s64(row.imm)
    pulls = s64(row.shift)
    offset = context * 16
    slot = allocate(chip)
    command = chip.pool[u(slot)]
    address = sum_of_operands
    mask = 0xFF
    if row.special & CSR_ADDRESS:
        address = s64(row.target)
    if unit == SRAM0:
        unit += (sum_of_operands >> 30) & 1
    media_given = 0
    if action & ACTION_INDIRECT:
        if last_result & (1 << 25) and row.counted:
            count = ((last_result >> 21) & 15) + 1
        if last_result & (1 << 20):
            mask = (last_result >> 12) & 0xFF
        if last_result & (1 << 4):
            media_given = 1
            command.media = ((last_result >> 5) & 0x3FFF) & 0x1FFF
            if count * 8 + command.media > 0x2000 or ((last_result >> 5) & 0x3FFF) < 0x2000:
                media_given = 2
    if action & ACTION_MEDIA and media_given != 1:
        fail(chip, Fault.MEDIA_ADDRESS, time, engine, s64(me.pc[u(context)]), last_result)
        return -1
    command.stamp = time
    command.pulled = NEVER
    command.address = address
    command.code = code
    command.action = action
    command.unit = unit
    command.me = engine
    command.ctx = context
    command.signal = row.signal
    command.count = count
    command.mask = mask
    command.structure = row.structure
    out_words = count * pulls
    in_words = 0
    if action & ACTION_RETURNS:
        in_words = count * per_unit
    if action & ACTION_MEDIA:
        if code == Command.RBUF_RD:
            command.pull_words = count * 2
            command.push_words = 0
        else:
            command.pull_words = 0
            command.push_words = count * 2
        command.marked = 0
    else:
        command.pull_words = out_words
        command.push_words = in_words
        command.marked = in_words
    if code >= Command.CAP_FAST_WRITE:
        command.pull_words = 0
        command.push_words = 0
        command.marked = 0
        command.data[u(0)] = last_result if row.special & FROM_ALU else per_unit
        out_words = 0
    first = s64(row.xfer_in)
    first = (first & ~127) | ((first + offset) & 127)
    command.xfer_in = first
    if in_words > 0:
        _mark(me, first, in_words)
    first = s64(row.xfer_out)
    first = (first & ~127) | ((first + offset) & 127)
    command.xfer_out = first
    if out_words > 0:
        _mark(me, first, out_words)
    command.master = unit + 1 if unit == SRAM0 or unit == SRAM0 + 1 else (MASTER_MSF if unit == MSF else 0)
    if code >= Command.HASH_48 and code <= Command.HASH_128:
        command.master = 1
    append(chip, chip.fifo[u(engine)], slot)
    if chip.fifo[u(engine)].count == 1:
        chip.waiting_lanes[u(engine >> 2)] |= 1 << (engine & 3)
        hasten(chip, CMD_ARBITER + (engine >> 2), 2, edge(time + chip.fifo_latency))
    me.commands += 1
    me.context_commands[u(context)] += 1
    if row.signal == 0:
        return 0
    if action & ACTION_DOUBLE:
        return s64(3 << row.signal)
    return s64(1 << row.signal)


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
            me.state = ME_EXECUTING
        if time >= until:
            chip.keys[u(engine)] = event_key(time, 3, engine)
            break
        through = False  # the defer slots of a branch or swap are through
        if me.csr_pending == 0:
            # a stretch of plain rows
            while time < until:
                row = chip.store[u(store), u(pc)]
                flags = s64(row.flags)
                if flags & ROW_PLAIN == 0:
                    break
                ia = s64(row.a) + (offset & row.a_mask)
                ib = s64(row.b) + (offset & row.b_mask)
                idst = s64(row.d) + (offset & row.d_mask)
                if flags & ROW_TRANSFER and _in_flight(me, ia, ib, idst):
                    break
                kind = s64(row.kind)
                time += 1
                pc += 1
                branch = False
                if kind < Kind.ALU_END:
                    last_a = s64(me.file[u(ia)])
                    result, carry, overflow = alu(kind, last_a, s64(me.file[u(ib)]), carry)
                    last_result = result
                    me.file[u(idst)] = result
                elif kind == Kind.SHIFT:
                    left = s64(me.file[u(ia)])
                    right = _shifted(s64(row.special), s64(row.shift), last_a, s64(me.file[u(ib)]))
                    last_a = left
                    result, carry, overflow = shift_logic(s64(row.option), left, right, carry)
                    last_result = result
                    me.file[u(idst)] = result
                elif kind == Kind.IMMED:
                    last_result = s64(row.imm)
                    me.file[u(idst)] = last_result
                elif kind == Kind.LD_FIELD:
                    right = _shifted(s64(row.special), s64(row.shift), last_a, s64(me.file[u(ib)]))
                    field = s64(row.imm)
                    last_result = (s64(me.file[u(ia)]) & (field ^ 0xFFFFFFFF)) | (right & field)
                    me.file[u(idst)] = last_result
                    if row.option:
                        result = last_result
                        carry = 0
                        overflow = 0
                elif kind == Kind.BRANCH:
                    branch = True
                elif kind == Kind.BRANCH_CC:
                    branch = _condition(s64(row.option), result, carry, overflow)
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
            fail(chip, Fault.PC_OUTSIDE, time, engine, pc, context)
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
            if flags & ROW_INDEXED:
                if ia & INDIRECT:
                    ia = _indirect(me, ia, context, 0)
                if ib & INDIRECT:
                    ib = _indirect(me, ib, context, 0)
                if idst & INDIRECT:
                    idst = _indirect(me, idst, context, 1)
                if ia < 0 or ib < 0 or idst < 0:
                    fail(chip, Fault.LOCAL_MEMORY, time, engine, pc, context)
                    break
            if flags & ROW_TRANSFER:
                if _in_flight(me, ia, ib, SINK):
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
            value, carry, overflow = alu(kind, left, s64(me.file[u(ib)]), carry)
            me.file[u(idst)] = value
            result = value
            last_result = value
            last_a = left
        elif kind == Kind.SHIFT:
            left = s64(me.file[u(ia)])
            right = _shifted(s64(row.special), s64(row.shift), last_a, s64(me.file[u(ib)]))
            value, carry, overflow = shift_logic(s64(row.option), left, right, carry)
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
        elif kind == Kind.BRANCH:
            target = s64(row.target)
            leave = 1
        elif kind == Kind.BRANCH_CC:
            if _condition(s64(row.option), result, carry, overflow):
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
            awaited = _issue(chip, engine, context, row, time, total, last_result)
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
            right = _shifted(s64(row.special), s64(row.shift), last_a, s64(me.file[u(ib)]))
            field = s64(row.imm)
            value = (s64(me.file[u(ia)]) & (field ^ 0xFFFFFFFF)) | (right & field)
            me.file[u(idst)] = value
            last_result = value
            if row.option:
                result = value
                carry = 0
                overflow = 0
        elif kind == Kind.IMMED_PART:
            field = (s64(row.target) << 16) | s64(row.b)
            value = (s64(me.file[u(ia)]) & (field ^ 0xFFFFFFFF)) | s64(row.imm)
            me.file[u(idst)] = value
            last_result = value
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
            state = s64(row.imm)
            present = 0
            if state >= 2 and state < 14:
                present = ring_flag(chip, state - 2, time)
            if present != row.option:
                target = s64(row.target)
                leave = 1
        elif kind == Kind.JUMP:
            target = (s64(me.file[u(ia)]) + s64(row.target)) & 0x1FFF
            leave = 1
        elif kind == Kind.CSR_READ:
            if row.target == 0x4C:  # the own signals, which others set
                if time >= safe:
                    chip.keys[u(engine)] = event_key(time, 3, engine)
                    break
                take_deliveries(chip, me, time)
            me.csr_value = read_csr(chip, me, engine, context, s64(row.target), time)
            me.csr_pending = 2
        elif kind == Kind.CSR_WRITE:
            address = s64(row.target)
            if (address == 0x4C or address == 0x100 or address == 0x104) and event_key(time, 3, engine) >= horizon:
                chip.keys[u(engine)] = event_key(time, 3, engine)
                break
            if address == 0x4C:
                take_deliveries(chip, me, time)
            write_csr(chip, me, engine, context, address, s64(me.file[u(ia)]), time)
            if address == 0x100 or address == 0x104:
                horizon = min(chip.first_engine, chip.first_other)
                safe = safe_until(chip)
        elif kind == Kind.CAM_LOOKUP:
            value = cam_lookup(me, s64(me.file[u(ia)]))
            me.file[u(idst)] = value
            last_result = value
            if row.option:
                word = (((value >> 3) & 15) << 4) | (s64(row.imm) << 8)
                index_write(me, context, s64(row.option) - 1, word, time)
        elif kind == Kind.CAM_WRITE:
            entry = s64(me.file[u(ia)]) & 15
            me.cam_tag[u(entry)] = me.file[u(ib)]
            me.cam_state[u(entry)] = row.imm
            cam_touch(me, entry)
        elif kind == Kind.CAM_WRITE_STATE:
            me.cam_state[u(s64(me.file[u(ia)]) & 15)] = row.imm
        elif kind == Kind.CAM_READ_TAG:
            last_result = s64(me.cam_tag[u(s64(me.file[u(ia)]) & 15)])
            me.file[u(idst)] = last_result
        elif kind == Kind.CAM_READ_STATE:
            last_result = s64(me.cam_state[u(s64(me.file[u(ia)]) & 15)]) << 8
            me.file[u(idst)] = last_result
        elif kind == Kind.CAM_CLEAR:
            for entry in range(16):
                me.cam_tag[u(entry)] = 0
                me.cam_state[u(entry)] = 0
                me.cam_order[u(entry)] = entry
        elif kind == Kind.CRC:
            word = s64(me.file[u(ia)])
            me.file[u(idst)] = word
            last_result = word
            little = s64(row.imm) >> 1
            me.crc = _crc_step(me.crc, word, s64(row.option), s64(row.special), little, s64(row.imm) & 1)
        elif kind == Kind.DOUBLE_SHIFT or kind == Kind.ASR or kind == Kind.BYTE_ALIGN:
            left = s64(me.file[u(ia)])
            right = s64(me.file[u(ib)])
            amount = s64(row.shift) if row.shift else last_a & 31
            if kind == Kind.DOUBLE_SHIFT:
                value = _double_shift(left, right, amount)
            elif kind == Kind.ASR:
                value = _asr(right, amount, last_result >> 31)
            else:
                value = (
                    _align_le(me.align_prev, right, me.byte_index)
                    if row.option
                    else _align_be(me.align_prev, right, me.byte_index)
                )
                me.align_prev = right
            me.file[u(idst)] = value
            result = value
            carry = 0
            overflow = 0
            last_result = value
            last_a = left
        elif kind == Kind.POP_COUNT:
            pass
        else:
            fault = Fault.INVALID_WORD
            if kind == Kind.HALT:
                fault = Fault.HALT
            elif kind == Kind.NOT_MODELLED:
                fault = Fault.NOT_MODELLED
            fail(chip, fault, time, engine, pc, context)
            break
        if flags & ROW_INDEXED:
            _post_modify(me, row, context)
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


