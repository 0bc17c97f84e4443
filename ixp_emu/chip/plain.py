"""The interpreter of plain rows: registers, flags and branches only. ``translate`` makes machine code of such rows."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import ROW_PLAIN, ROW_TRANSFER, Kind
from ixp_emu.chip.compiled import compiled, s64, u
from ixp_emu.chip.dispatch import alu, compiled_semantics, shift_logic
from ixp_emu.chip.flags import logic_flag
from ixp_emu.chip.operands import condition, in_flight, shifted

__all__ = ["interpret"]

_insert_bytes = compiled_semantics("insert_bytes")
_asr = compiled_semantics("arithmetic_shift_right")
_double_shift = compiled_semantics("double_shift_right")


@compiled
def interpret(chip: Any, me: Any, context: int, pc: int, time: int, until: int) -> int:
    """Execute plain rows up to the first row that is not, or that must wait for a command in flight, or to ``until``.

    The twin of what ``translate`` makes; it is at home within defer slots too. Returns the next PC; ``me.time`` is when
    it is due. It stops once the defer slots of a branch or swap are through: ``me.after_slots`` is 0, ``me.after`` not.
    """
    offset = context * 16
    store = me.store
    result = me.result
    carry = me.carry
    overflow = me.overflow
    last_result = me.last_result
    last_a = me.last_a
    slots = me.after_slots
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
        elif kind == Kind.IMMED_PART:
            last_result = _insert_bytes(s64(me.file[u(ia)]), s64(row.imm), s64(row.option))
            me.file[u(idst)] = last_result
        elif kind == Kind.DOUBLE_SHIFT or kind == Kind.ASR:
            left = s64(me.file[u(ia)])
            right = s64(me.file[u(ib)])
            amount = s64(row.shift) if row.shift else last_a & 31
            asr = kind == Kind.ASR
            result = _asr(right, amount, last_result >> 31) if asr else _double_shift(left, right, amount)
            carry = logic_flag(carry)
            overflow = logic_flag(overflow)
            last_result = result
            last_a = left
            me.file[u(idst)] = result
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
                break
        elif branch:
            if row.defer == 0:
                pc = s64(row.target)
                time += row.slots
                me.lost += row.slots
            else:
                slots = s64(row.defer)
                me.after = 1
                me.after_lost = s64(row.slots) - slots
                me.after_target = s64(row.target)
    me.time = time
    me.after_slots = slots
    me.result = result
    me.carry = carry
    me.overflow = overflow
    me.last_result = last_result
    me.last_a = last_a
    return pc
