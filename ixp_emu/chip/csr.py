"""Local CSRs, index registers with their delayed writes, and the CAM of a microengine."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import ACTION_AUX, Command
from ixp_emu.chip.compiled import compiled, s64, small, u
from ixp_emu.chip.delivery import deliver, set_signal
from ixp_emu.chip.layout import CONTEXTS
from ixp_emu.chip.queues import allocate
from ixp_emu.isa.csr import LOCAL_CSRS
from ixp_emu.isa.unsettled import setting

__all__ = [
    "SIG_EVENTS",
    "STATE_BIT",
    "apply_index_writes",
    "cam_lookup",
    "cam_touch",
    "index_write",
    "is_neighbour_signal",
    "lm_addr_of_entry",
    "read_csr",
    "write_csr",
]

_INDEX_LATENCY = LOCAL_CSRS["ACTIVE_LM_ADDR_0"].effect_latency + 1
"""A write at t is seen by instructions from t + this on."""
_CHAIN = setting("neighbour_chain")
_ENTRY_BIT = setting("cam_lm_addr_entry_bit")
STATE_BIT = setting("cam_read_state_bit")
"""Lowest bit of the state that ``cam_read_state`` returns."""

_T_INDEX = 2
_BYTE_INDEX = 3

_CTX_ENABLES = LOCAL_CSRS["CTX_ENABLES"].address
_CTX_STS = LOCAL_CSRS["ACTIVE_CTX_STS"].address
SIG_EVENTS = LOCAL_CSRS["ACTIVE_CTX_SIG_EVENTS"].address
_WAKEUP = LOCAL_CSRS["ACTIVE_CTX_WAKEUP_EVENTS"].address
_LM_0 = LOCAL_CSRS["ACTIVE_LM_ADDR_0"].address
_LM_1 = LOCAL_CSRS["ACTIVE_LM_ADDR_1"].address
_LM_0_BYTE = LOCAL_CSRS["ACTIVE_LM_ADDR_0_BYTE_INDEX"].address
_LM_1_BYTE = LOCAL_CSRS["ACTIVE_LM_ADDR_1_BYTE_INDEX"].address
_BYTE = LOCAL_CSRS["BYTE_INDEX"].address
_T = LOCAL_CSRS["T_INDEX"].address
_T_BYTE = LOCAL_CSRS["T_INDEX_BYTE_INDEX"].address
_TIMESTAMP_LOW = LOCAL_CSRS["TIMESTAMP_LOW"].address
_TIMESTAMP_HIGH = LOCAL_CSRS["TIMESTAMP_HIGH"].address
_NEXT = LOCAL_CSRS["NEXT_NEIGHBOR_SIGNAL"].address
_PREVIOUS = LOCAL_CSRS["PREV_NEIGHBOR_SIGNAL"].address
_SAME = LOCAL_CSRS["SAME_ME_SIGNAL"].address
_CRC = LOCAL_CSRS["CRC_REMAINDER"].address
_PROFILE = LOCAL_CSRS["PROFILE_COUNT"].address


@small
def is_neighbour_signal(address: int) -> bool:
    """Whether a CSR write signals another ME."""
    return address == _NEXT or address == _PREVIOUS


@compiled
def apply_index_writes(me: Any, time: int) -> None:
    """Let pending index writes take effect that are due at a time."""
    while me.index_writes > 0 and me.index_time[u(0)] <= time:
        what = me.index_what[u(0)]
        value = me.index_value[u(0)]
        register = what & 7
        if register < 2:
            me.lm_word[u(what >> 3), u(register)] = value
        elif register == _T_INDEX:
            me.t_index = value
        else:
            me.byte_index = value
        me.index_writes -= 1
        for i in range(me.index_writes):
            me.index_time[u(i)] = me.index_time[u(i + 1)]
            me.index_what[u(i)] = me.index_what[u(i + 1)]
            me.index_value[u(i)] = me.index_value[u(i + 1)]


@compiled
def index_write(me: Any, context: int, register: int, value: int, time: int) -> None:
    """Write LM_ADDR (register 0, 1: a word address), T_INDEX (2) or BYTE_INDEX (3), to take effect later."""
    i = u(me.index_writes)
    me.index_time[i] = time + _INDEX_LATENCY
    me.index_what[i] = context * 8 + register
    me.index_value[i] = value
    me.index_writes += 1


@compiled
def read_csr(chip: Any, me: Any, engine: int, context: int, address: int, time: int) -> int:
    """Value of a local CSR at a time."""
    if address == _CTX_STS:
        return (1 << 31) | ((engine >> 2) << 7) | ((engine & 3) << 3) | context
    if address == SIG_EVENTS:
        return s64(me.signals[u(context)])
    if address == _WAKEUP:
        return s64(me.wakeup[u(context)])
    if address == _LM_0 or address == _LM_0_BYTE:
        return s64(me.lm_word[u(context), u(0)] << 2) | (me.byte_index if address == _LM_0_BYTE else 0)
    if address == _LM_1 or address == _LM_1_BYTE:
        return s64(me.lm_word[u(context), u(1)] << 2) | (me.byte_index if address == _LM_1_BYTE else 0)
    if address == _BYTE:
        return s64(me.byte_index)
    if address == _T:
        return s64(me.t_index << 2)
    if address == _T_BYTE:
        return s64((me.t_index << 2) | me.byte_index)
    if address == _TIMESTAMP_LOW:
        return (time >> 4) & 0xFFFFFFFF
    if address == _TIMESTAMP_HIGH:
        return (time >> 36) & 0xFFFFFFFF
    if address == _CRC:
        return s64(me.crc)
    if address == _PROFILE:
        return time & 0xFFFF
    if address == _CTX_ENABLES:
        return s64((me.enabled << 8) | ((me.context_step - 1) << 31))
    return s64(me.csr[u(address >> 2)])


@compiled
def _neighbour_signal(chip: Any, me: Any, engine: int, step: int, context: int, value: int, time: int) -> None:
    signal = (value >> 3) & 15
    target = engine + step
    if target // _CHAIN != engine // _CHAIN or signal == 0:
        return
    slot = allocate(chip)
    command = chip.pool[u(slot)]
    command.code = Command.SIGNAL
    command.action = ACTION_AUX
    command.unit = 0
    command.me = target
    command.ctx = (context + me.context_step) & (CONTEXTS - 1) if value & 0x80 else value & 7
    command.signal = signal
    deliver(chip, time + chip.neighbor_latency, slot)


@compiled
def write_csr(chip: Any, me: Any, engine: int, context: int, address: int, value: int, time: int) -> None:
    """Write a local CSR at a time, with its effect."""
    if address == _SAME:
        signal = (value >> 3) & 15
        if signal != 0:
            target = (context + me.context_step) & (CONTEXTS - 1) if value & 0x80 else value & 7
            set_signal(me, target, signal)
    elif address == _LM_0 or address == _LM_0_BYTE:
        index_write(me, context, 0, (value >> 2) & 1023, time)
    elif address == _LM_1 or address == _LM_1_BYTE:
        index_write(me, context, 1, (value >> 2) & 1023, time)
    elif address == _T or address == _T_BYTE:
        index_write(me, context, _T_INDEX, (value >> 2) & 127, time)
    elif address == SIG_EVENTS:
        me.signals[u(context)] = value & 0xFFFE
    elif address == _WAKEUP:
        me.wakeup[u(context)] = value & 0x1FFFF
    elif address == _CRC:
        me.crc = value
    elif address == _NEXT:
        _neighbour_signal(chip, me, engine, 1, context, value, time)
    elif address == _PREVIOUS:
        _neighbour_signal(chip, me, engine, -1, context, value, time)
    elif address != _BYTE:
        me.csr[u(address >> 2)] = value
    if address == _BYTE or address == _LM_0_BYTE or address == _LM_1_BYTE or address == _T_BYTE:
        index_write(me, context, _BYTE_INDEX, value & 3, time)


@small
def lm_addr_of_entry(entry: int, value: int) -> int:
    """Word address that the token ``lm_addr0[value]`` of a lookup puts into LM_ADDR."""
    return (((value << 4) | entry) << (_ENTRY_BIT - 2)) & 1023


@compiled
def cam_touch(me: Any, entry: int) -> None:
    """Make an entry the most recently used."""
    position = 0
    while me.cam_order[u(position)] != entry:
        position += 1
    while position < 15:
        me.cam_order[u(position)] = me.cam_order[u(position + 1)]
        position += 1
    me.cam_order[u(15)] = entry


@compiled
def cam_lookup(me: Any, key: int) -> int:
    """Result word: state 11:8, hit 7, entry 6:3; a miss gives the least recently used entry."""
    for entry in range(16):
        if me.cam_tag[u(entry)] == key:
            cam_touch(me, entry)
            return (s64(me.cam_state[u(entry)]) << 8) | 0x80 | (entry << 3)
    return s64(me.cam_order[u(0)]) << 3
