"""Instructions that programs execute seldom: CAM, CRC, multiplier, double shifts, byte alignment.

They stand outside ``run_engine`` so that its loops keep their values in machine registers.
"""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.cam import STATE_BIT, cam_lookup, cam_touch, lm_addr_of_entry
from ixp_emu.chip.codes import Fault, Kind
from ixp_emu.chip.compiled import compiled, s64, small, u
from ixp_emu.chip.csr import INSTRUCTION_DELAY, index_write
from ixp_emu.chip.dispatch import compiled_semantics
from ixp_emu.chip.flags import logic_flag, sets_flags
from ixp_emu.chip.operands import lm_copy
from ixp_emu.chip.rows import MULTIPLY_LAST

__all__ = ["execute_uncommon"]

_asr = compiled_semantics("arithmetic_shift_right")
_double_shift = compiled_semantics("double_shift_right")
_align_be = compiled_semantics("byte_align_be")
_align_le = compiled_semantics("byte_align_le")
_crc_step = compiled_semantics("crc_step")
_multiply_step = compiled_semantics("multiply_step")


@small
def _finish(me: Any, kind: int, idst: int, value: int) -> None:
    """Write a result that is the last ALU result, with its flags."""
    me.file[u(idst)] = value
    me.last_result = value
    if sets_flags(kind):
        me.result = value
        me.carry = logic_flag(me.carry)
        me.overflow = logic_flag(me.overflow)


@small
def _multiply(me: Any, row: Any, left: int, right: int) -> int:
    """A multiply step; returns the half of the sum that a last step delivers."""
    step = s64(row.option)
    if step >= MULTIPLY_LAST:
        return (me.mul_sum >> 32 if step > MULTIPLY_LAST else me.mul_sum) & 0xFFFFFFFF
    if step == 0:
        me.mul_sum = 0
    else:
        high, low = _multiply_step((me.mul_sum >> 32) & 0xFFFFFFFF, me.mul_sum & 0xFFFFFFFF, left, right, step)
        me.mul_sum = (s64(high) << 32) | s64(low)
    return 0


@compiled
def execute_uncommon(me: Any, row: Any, ia: int, ib: int, idst: int, context: int, time: int) -> int:
    """Execute a row that ``run_engine`` does not itself, on the ALU state in ``me``; returns a fault, 0 for none.

    Parameters:
        ia, ib, idst: file indices of its operands and its destination.
    """
    kind = s64(row.kind)
    left = s64(me.file[u(ia)])
    right = s64(me.file[u(ib)])
    if kind == Kind.CAM_LOOKUP:
        value = cam_lookup(me, left)
        _finish(me, kind, idst, value)
        if row.option:
            index = s64(row.option) - 1
            word = lm_addr_of_entry((value >> 3) & 15, s64(row.imm))
            index_write(me, lm_copy(me, context, index), index, word, time, INSTRUCTION_DELAY)
    elif kind == Kind.CAM_WRITE:
        entry = left & 15
        me.cam_tag[u(entry)] = right
        me.cam_state[u(entry)] = row.imm
        cam_touch(me, entry)
    elif kind == Kind.CAM_WRITE_STATE:
        me.cam_state[u(left & 15)] = row.imm
    elif kind == Kind.CAM_READ_TAG:
        _finish(me, kind, idst, s64(me.cam_tag[u(left & 15)]))
    elif kind == Kind.CAM_READ_STATE:
        _finish(me, kind, idst, s64(me.cam_state[u(left & 15)]) << STATE_BIT)
    elif kind == Kind.CAM_CLEAR:
        for entry in range(16):
            me.cam_tag[u(entry)] = 0
            me.cam_state[u(entry)] = 0
            me.cam_order[u(entry)] = entry
    elif kind == Kind.CRC:
        _finish(me, kind, idst, left)
        little = s64(row.imm) >> 1
        me.crc = _crc_step(me.crc, left, s64(row.option), s64(row.special), little, s64(row.imm) & 1)
    elif kind == Kind.DOUBLE_SHIFT or kind == Kind.ASR or kind == Kind.BYTE_ALIGN:
        amount = s64(row.shift) if row.shift else me.last_a & 31
        if kind == Kind.DOUBLE_SHIFT:
            value = _double_shift(left, right, amount)
        elif kind == Kind.ASR:
            value = _asr(right, amount, me.last_result >> 31)
        else:
            value = (
                _align_le(me.align_prev, right, me.byte_index)
                if row.option
                else _align_be(me.align_prev, right, me.byte_index)
            )
            me.align_prev = right
        _finish(me, kind, idst, value)
        me.last_a = left
    elif kind == Kind.MULTIPLY:
        me.file[u(idst)] = _multiply(me, row, left, right)
    elif kind == Kind.HALT:
        return s64(Fault.HALT)
    elif kind != Kind.POP_COUNT:
        return s64(Fault.INVALID_WORD)
    return 0
