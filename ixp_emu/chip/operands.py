"""Operands of a microengine: where they are, how they are shifted, and the conditions on flags."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import Shift
from ixp_emu.chip.compiled import compiled, s64, small, u
from ixp_emu.chip.layout import (
    DRAM_IN,
    DRAM_OUT,
    LOCAL_MEMORY,
    LOCAL_MEMORY_WORDS,
    NEIGHBOR,
    SRAM_IN,
    SRAM_OUT,
)
from ixp_emu.chip.rows import INDIRECT

__all__ = ["condition", "in_flight", "indirect", "post_modify", "shifted"]

_INDEX_FAULT = -1


@small
def condition(code: int, result: int, carry: int, overflow: int) -> bool:
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
def shifted(kind: int, amount: int, last_a: int, value: int) -> int:
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
def indirect(me: Any, code: int, context: int, destination: int) -> int:
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
def post_modify(me: Any, row: Any, context: int) -> None:
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
def in_flight(me: Any, ia: int, ib: int, idst: int) -> bool:
    """Whether a command in flight will write a register that is read, or sample one that is written."""
    busy = 0
    if ia < NEIGHBOR:
        busy |= s64(me.busy[u(ia)])
    if ib < NEIGHBOR:
        busy |= s64(me.busy[u(ib)])
    if idst < NEIGHBOR:
        busy |= s64(me.busy[u(idst)])
    return busy != 0
