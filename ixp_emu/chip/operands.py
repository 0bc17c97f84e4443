"""Operands of a microengine: where they are, how they are shifted, and the conditions on flags."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import Shift
from ixp_emu.chip.compiled import (
    add_to_bytes,
    address_of,
    compiled,
    copy_4_words,
    load_u32,
    rare,
    s64,
    small,
    store_u32,
    u,
)
from ixp_emu.chip.layout import (
    CONTEXTS,
    DRAM_IN,
    DRAM_OUT,
    LOCAL_MEMORY,
    LOCAL_MEMORY_WORDS,
    MICROENGINE,
    NEIGHBOR,
    NEIGHBOR_OUT,
    SRAM_IN,
    SRAM_OUT,
    offset_of,
)
from ixp_emu.chip.rows import INDIRECT, NEIGHBOR_INDEX

__all__ = [
    "condition",
    "in_flight",
    "indirect",
    "lm_copy",
    "note_in_flight",
    "post_modify",
    "read_registers",
    "shifted",
    "write_registers",
]

_FILE = offset_of(MICROENGINE, "file")
_BUSY = offset_of(MICROENGINE, "busy")
_ONES = 0x0101010101010101

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


@small
def lm_copy(me: Any, context: int, index: int) -> int:
    """Which copy of LM_ADDR_0 or 1 a context uses: its own, or CONTEXTS, the global one."""
    return CONTEXTS if (me.lm_global >> index) & 1 else context


@compiled
def indirect(me: Any, code: int, context: int, destination: int) -> int:
    """File index of an operand through LM_ADDR, T_INDEX or NN_GET; -1 for local memory above its end."""
    kind = (code >> 12) & 7
    if kind < 2:
        word = me.lm_word[u(lm_copy(me, context, kind)), u(kind)] | (code & 15)
        if word >= LOCAL_MEMORY_WORDS:
            return _INDEX_FAULT
        return LOCAL_MEMORY + word
    if kind == NEIGHBOR_INDEX:
        return NEIGHBOR_OUT if destination else s64(NEIGHBOR + me.nn_get)
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
        if code & INDIRECT == 0 or (position == 0 and (code >> 12) & 7 == NEIGHBOR_INDEX):
            continue  # a put moves NN_PUT when it lands
        step = (code >> 8) & 3
        kind = (code >> 12) & 7
        group = kind if kind < 2 or kind == NEIGHBOR_INDEX else 2
        if step == 0 or (done >> group) & 1:
            continue
        done |= 1 << group
        change = 1 if step == 1 else -1
        if group < 2:
            copy = u(lm_copy(me, context, group))
            me.lm_word[copy, u(group)] = (me.lm_word[copy, u(group)] + change) & 1023
        elif group == NEIGHBOR_INDEX:
            me.nn_get = (me.nn_get + change) & 127
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


# --- transfer registers of commands: numbers wrap within the 128 of their kind ------------------------------------


@small
def _wraps(first: int, count: int) -> bool:
    return (first & 127) + count > 128


@rare
def _note_each(me: Any, first: int, count: int, change: int) -> None:
    for i in range(count):
        me.busy[u((first & ~127) | ((first + i) & 127))] += change


@small
def note_in_flight(me: Any, first: int, count: int, change: int) -> None:
    """Count a command in flight, or one that is through, for each of its transfer registers.

    Parameters:
        first: file index of its first register.
        change: 1 or -1.
    """
    if _wraps(first, count):
        _note_each(me, first, count, change)
        return
    at = address_of(me) + _BUSY + first
    while count > 0:
        spare = 4 * (8 - min(count, 8))  # twice, because a shift by 64 is none
        add_to_bytes(at, ((_ONES >> spare) >> spare) * change)
        at += 8
        count -= 8


@rare
def _write_each(me: Any, first: int, data: int, count: int) -> None:
    for i in range(count):
        me.file[u((first & ~127) | ((first + i) & 127))] = load_u32(data + i * 4)


@small
def write_registers(me: Any, first: int, data: int, count: int) -> None:
    """Write ``count`` words from an address, which has room for whole fours of them, to transfer registers."""
    if _wraps(first, count):
        _write_each(me, first, data, count)
        return
    at = address_of(me) + _FILE + first * 4
    while count > 0:
        copy_4_words(at, data, count)
        at += 16
        data += 16
        count -= 4


@rare
def _read_each(me: Any, first: int, data: int, count: int) -> None:
    for i in range(count):
        store_u32(data + i * 4, s64(me.file[u((first & ~127) | ((first + i) & 127))]))


@small
def read_registers(me: Any, first: int, data: int, count: int) -> None:
    """Write transfer registers to an address, which has room for whole fours of them."""
    if _wraps(first, count):
        _read_each(me, first, data, count)
        return
    at = address_of(me) + _FILE + first * 4
    while count > 0:
        copy_4_words(data, at, 4)
        at += 16
        data += 16
        count -= 4
