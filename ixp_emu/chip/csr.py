"""Local CSRs of a microengine, and index registers with their delayed writes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ixp_emu.chip.codes import ACTION_AUX, Command
from ixp_emu.chip.compiled import NEVER, compiled, rare, s64, small, u
from ixp_emu.chip.delivery import apply_put_writes, deliver, request_satisfied, set_signal, take_deliveries
from ixp_emu.chip.dispatch import compiled_semantics
from ixp_emu.chip.layout import CONTEXTS, ENGINES, INBOX_SLOTS
from ixp_emu.chip.operands import lm_copy
from ixp_emu.chip.queues import allocate, release
from ixp_emu.isa.csr import LOCAL_CSRS
from ixp_emu.isa.unsettled import setting

__all__ = [
    "INSTRUCTION_DELAY",
    "advance_prn",
    "apply_index_writes",
    "csr_read_waits",
    "csr_write_is_shared",
    "index_write",
    "read_csr",
    "write_csr",
]

INSTRUCTION_DELAY = LOCAL_CSRS["ACTIVE_LM_ADDR_0"].effect_latency + 1
"""An index written by an instruction at t is seen by instructions from t + this on."""
_CHAIN = setting("neighbour_chain")

_T_INDEX = 2
_BYTE_INDEX = 3
_NN_GET_INDEX = 4

_ALU_OUT = LOCAL_CSRS["ALU_OUT"].address
_ARB_CNTL = LOCAL_CSRS["CTX_ARB_CNTL"].address
_CTX_ENABLES = LOCAL_CSRS["CTX_ENABLES"].address
_POINTER = LOCAL_CSRS["CSR_CTX_POINTER"].address
_CTX_STS = LOCAL_CSRS["ACTIVE_CTX_STS"].address
_SIG_EVENTS = LOCAL_CSRS["ACTIVE_CTX_SIG_EVENTS"].address
_WAKEUP = LOCAL_CSRS["ACTIVE_CTX_WAKEUP_EVENTS"].address
_FUTURE = LOCAL_CSRS["ACTIVE_CTX_FUTURE_COUNT"].address
_FUTURE_SIGNAL = LOCAL_CSRS["ACTIVE_FUTURE_COUNT_SIGNAL"].address
_LM_0 = LOCAL_CSRS["ACTIVE_LM_ADDR_0"].address
_LM_1 = LOCAL_CSRS["ACTIVE_LM_ADDR_1"].address
_LM_0_BYTE = LOCAL_CSRS["ACTIVE_LM_ADDR_0_BYTE_INDEX"].address
_LM_1_BYTE = LOCAL_CSRS["ACTIVE_LM_ADDR_1_BYTE_INDEX"].address
_BYTE = LOCAL_CSRS["BYTE_INDEX"].address
_T = LOCAL_CSRS["T_INDEX"].address
_T_BYTE = LOCAL_CSRS["T_INDEX_BYTE_INDEX"].address
_NN_PUT = LOCAL_CSRS["NN_PUT"].address
_NN_GET = LOCAL_CSRS["NN_GET"].address
_TIMESTAMP_LOW = LOCAL_CSRS["TIMESTAMP_LOW"].address
_TIMESTAMP_HIGH = LOCAL_CSRS["TIMESTAMP_HIGH"].address
_NEXT = LOCAL_CSRS["NEXT_NEIGHBOR_SIGNAL"].address
_PREVIOUS = LOCAL_CSRS["PREV_NEIGHBOR_SIGNAL"].address
_SAME = LOCAL_CSRS["SAME_ME_SIGNAL"].address
_CRC = LOCAL_CSRS["CRC_REMAINDER"].address
_PROFILE = LOCAL_CSRS["PROFILE_COUNT"].address
_PRN = LOCAL_CSRS["PSEUDO_RANDOM_NUMBER"].address
_STATUS = LOCAL_CSRS["LOCAL_CSR_STATUS"].address

_CSRS = 256


def _marked(*names: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A flag per CSR, by address / 4."""
    flags = np.zeros(_CSRS, np.uint8)
    flags[[LOCAL_CSRS[name].address >> 2 for name in names]] = 1
    return flags


_READ_ONLY = _marked(
    "TIMESTAMP_LOW",
    "TIMESTAMP_HIGH",
    "PROFILE_COUNT",
    "ACTIVE_CTX_STS",
    "ALU_OUT",
    "CTX_ARB_CNTL",
    "LOCAL_CSR_STATUS",
)
_INDIRECT = _marked(*(name for name in LOCAL_CSRS if name.startswith("INDIRECT_")))
"""An INDIRECT_ CSR is followed by its ACTIVE_ form."""
assert all(
    LOCAL_CSRS[name.replace("INDIRECT_", "ACTIVE_")].address == csr.address + 4
    for name, csr in LOCAL_CSRS.items()
    if name.startswith("INDIRECT_")
)
_READ_WAITS = _marked("ACTIVE_CTX_SIG_EVENTS", "INDIRECT_CTX_SIG_EVENTS", "NN_PUT")
_WRITE_SHARED = _marked(
    "ACTIVE_CTX_SIG_EVENTS",
    "INDIRECT_CTX_SIG_EVENTS",
    "NN_PUT",
    "NN_GET",
    "NEXT_NEIGHBOR_SIGNAL",
    "PREV_NEIGHBOR_SIGNAL",
)

_prn_advance = compiled_semantics("prn_advance")


@small
def csr_read_waits(address: int) -> bool:
    """Whether a CSR's value depends on deliveries: it is read when all up to now are known."""
    return s64(_READ_WAITS[u(address >> 2)]) != 0


@small
def csr_write_is_shared(address: int) -> bool:
    """Whether other agents may see a CSR write, or change the same: it happens in the order of the clock."""
    return s64(_WRITE_SHARED[u(address >> 2)]) != 0


# --- index registers ------------------------------------------------------------------------------------------------


@small
def _set_index(me: Any, what: int, value: int) -> None:
    register = what & 7
    if register < 2:
        me.lm_word[u(what >> 3), u(register)] = value
    elif register == _T_INDEX:
        me.t_index = value
    elif register == _BYTE_INDEX:
        me.byte_index = value
    else:
        me.nn_get = value


@compiled
def apply_index_writes(me: Any, time: int) -> None:
    """Let pending index writes take effect that are due at a time."""
    while me.index_writes > 0 and me.index_time[u(0)] <= time:
        _set_index(me, me.index_what[u(0)], me.index_value[u(0)])
        me.index_writes -= 1
        for i in range(me.index_writes):
            me.index_time[u(i)] = me.index_time[u(i + 1)]
            me.index_what[u(i)] = me.index_what[u(i + 1)]
            me.index_value[u(i)] = me.index_value[u(i + 1)]


@compiled
def index_write(me: Any, copy: int, register: int, value: int, time: int, delay: int) -> None:
    """Write LM_ADDR (register 0, 1: a word address), T_INDEX (2), BYTE_INDEX (3) or NN_GET (4).

    Parameters:
        copy: of LM_ADDR: the context's, or CONTEXTS for the global one.
        delay: cycles until it takes effect.
    """
    if delay == 0:
        _set_index(me, copy * 8 + register, value)
        return
    i = u(me.index_writes)
    me.index_time[i] = time + delay
    me.index_what[i] = copy * 8 + register
    me.index_value[i] = value
    me.index_writes += 1


@rare
def _write_put(me: Any, value: int, time: int, delay: int) -> None:
    """Write NN_PUT; deliveries up to ``time`` are taken."""
    me.nn_ahead_put = value
    apply_put_writes(me, time)
    if delay == 0:
        me.nn_put = value
        return
    i = u(me.nn_put_writes)
    me.nn_put_time[i] = time + delay
    me.nn_put_value[i] = value
    me.nn_put_writes += 1


# --- timers, random numbers, contexts -------------------------------------------------------------------------------


@rare
def _forget_timer(chip: Any, me: Any, context: int, time: int) -> None:
    """Take a context's armed timer out of the inbox, unless it has gone off by ``time``."""
    mask = INBOX_SLOTS - 1
    armed = me.timer[u(context)]
    me.timer[u(context)] = -1
    if armed < 0:
        return
    kept = 0
    for i in range(me.inbox_count):
        at = u((me.inbox_head + i) & mask)
        if s64(me.inbox_slot[at]) == armed and me.inbox_time[at] > time:
            release(chip, armed)
            continue
        to = u((me.inbox_head + kept) & mask)
        me.inbox_slot[to] = me.inbox_slot[at]
        me.inbox_time[to] = me.inbox_time[at]
        kept += 1
    me.inbox_count = kept


@rare
def _arm_timer(chip: Any, me: Any, engine: int, context: int, value: int, time: int) -> None:
    """Write FUTURE_COUNT: the signal comes at the first later tick of the timestamp whose low half is the value."""
    me.future_count[u(context)] = value
    _forget_timer(chip, me, context, time)
    signal = s64(me.future_signal[u(context)])
    start = chip.timestamp_start
    if signal == 0 or start == NEVER:
        return
    chip.clock_reads += 1
    tick = ((time - start) >> 4) + 1
    tick += (value - tick) & 0xFFFF
    slot = allocate(chip)
    command = chip.pool[u(slot)]
    command.code = Command.TIMER
    command.action = ACTION_AUX
    command.unit = 0
    command.me = engine
    command.ctx = context
    command.signal = signal
    me.timer[u(context)] = slot
    deliver(chip, start + tick * 16, slot)


@small
def _prn_runs(me: Any) -> bool:
    return (s64(me.csr[u(_CTX_ENABLES >> 2)]) >> 30) & 1 != 0


@compiled
def advance_prn(chip: Any, me: Any, time: int) -> None:
    """Bring a pseudo-random number that steps each cycle up to a time."""
    if _prn_runs(me) and time > me.prn_time:
        me.prn = s64(_prn_advance(me.prn, time - me.prn_time, chip.prn_polynomial))
        me.prn_time = time


@compiled
def _read_prn(chip: Any, me: Any, time: int) -> int:
    advance_prn(chip, me, time)
    value = s64(me.prn)
    if not _prn_runs(me):
        me.prn = s64(_prn_advance(value, 1, chip.prn_polynomial))
    return value


@rare
def _write_enables(chip: Any, me: Any, value: int, time: int) -> None:
    advance_prn(chip, me, time)
    me.prn_time = time
    me.csr[u(_CTX_ENABLES >> 2)] = value
    four = (value >> 31) & 1
    me.context_step = 1 + four
    me.enabled = (value >> 8) & (0x55 if four else 0xFF)
    me.lm_global = (value >> 16) & 3
    me.store = (me.store & (ENGINES - 1)) + four * ENGINES


@small
def _review(me: Any, context: int) -> None:
    """Decide anew whether a context that waits is ready."""
    me.ready &= ~(1 << context)
    if request_satisfied(s64(me.request[u(context)]), s64(me.signals[u(context)])):
        me.ready |= 1 << context


# --- reading and writing --------------------------------------------------------------------------------------------


@compiled
def read_csr(chip: Any, me: Any, engine: int, context: int, executing: int, address: int, time: int) -> int:
    """Value of a local CSR at a time.

    Parameters:
        context: whose the ACTIVE_ CSRs are.
        executing: the executing context, -1 for none.
    """
    if address == _CTX_STS:
        return (1 << 31) | ((engine >> 2) << 7) | ((engine & 3) << 3) | context
    copy_0 = lm_copy(me, context, 0)
    copy_1 = lm_copy(me, context, 1)
    if s64(_INDIRECT[u(address >> 2)]):
        context = s64(me.csr[u(_POINTER >> 2)])
        copy_0 = context
        copy_1 = context
        address += 4
        if address == _CTX_STS:
            return s64(me.entered) if context == executing else s64(me.pc[u(context)])
    if address == _SIG_EVENTS:
        return s64(me.signals[u(context)]) & 0xFFFE
    if address == _WAKEUP:
        return s64(me.wakeup[u(context)])
    if address == _LM_0 or address == _LM_0_BYTE:
        return s64(me.lm_word[u(copy_0), u(0)] << 2) | (me.byte_index if address == _LM_0_BYTE else 0)
    if address == _LM_1 or address == _LM_1_BYTE:
        return s64(me.lm_word[u(copy_1), u(1)] << 2) | (me.byte_index if address == _LM_1_BYTE else 0)
    if address == _BYTE:
        return s64(me.byte_index)
    if address == _T:
        return s64(me.t_index << 2)
    if address == _T_BYTE:
        return s64((me.t_index << 2) | me.byte_index)
    if address == _NN_PUT:
        apply_put_writes(me, time)
        return s64(me.nn_put)
    if address == _NN_GET:
        return s64(me.nn_get)
    if address == _TIMESTAMP_LOW or address == _TIMESTAMP_HIGH:
        chip.clock_reads += 1
        ticks = (time - chip.timestamp_start) >> 4 if chip.timestamp_start != NEVER else 0
        return (ticks if address == _TIMESTAMP_LOW else ticks >> 32) & 0xFFFFFFFF
    if address == _FUTURE:
        return s64(me.future_count[u(context)])
    if address == _FUTURE_SIGNAL:
        return s64(me.future_signal[u(context)])
    if address == _PRN:
        return _read_prn(chip, me, time)
    if address == _CRC:
        return s64(me.crc)
    if address == _PROFILE:
        chip.clock_reads += 1
        return time & 0xFFFF
    if address == _ALU_OUT:
        return s64(me.last_result)
    if address == _ARB_CNTL:
        return s64((me.last_left << 4) | context)
    if address == _STATUS:
        return 0
    return s64(me.csr[u(address >> 2)])


@rare
def _neighbour_signal(chip: Any, me: Any, engine: int, step: int, context: int, value: int, time: int) -> None:
    signal = (value >> 3) & 15
    target = engine + step
    if target // _CHAIN != engine // _CHAIN or signal == 0:
        return
    other = chip.me[u(target)]
    if other.inbox_count >= INBOX_SLOTS // 2:  # it has run ahead, or idles: up to now nothing more can reach it
        take_deliveries(chip, other, time)
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
def write_csr(
    chip: Any, me: Any, engine: int, context: int, executing: int, address: int, value: int, time: int, delay: int
) -> None:
    """Write a local CSR at a time, with its effect.

    Parameters:
        context: whose the ACTIVE_ CSRs are.
        executing: the executing context, -1 for none.
        delay: cycles until a written index takes effect.
    """
    if s64(_READ_ONLY[u(address >> 2)]):
        return
    copy_0 = lm_copy(me, context, 0)
    copy_1 = lm_copy(me, context, 1)
    if s64(_INDIRECT[u(address >> 2)]):
        context = s64(me.csr[u(_POINTER >> 2)])
        copy_0 = context
        copy_1 = context
        address += 4
        if address == _CTX_STS:
            if context != executing:
                me.pc[u(context)] = value & 0x1FFF
            return
    if address == _SAME:
        signal = (value >> 3) & 15
        if signal != 0:
            target = (context + me.context_step) & (CONTEXTS - 1) if value & 0x80 else value & 7
            set_signal(me, target, signal)
    elif address == _LM_0 or address == _LM_0_BYTE:
        index_write(me, copy_0, 0, (value >> 2) & 1023, time, delay)
    elif address == _LM_1 or address == _LM_1_BYTE:
        index_write(me, copy_1, 1, (value >> 2) & 1023, time, delay)
    elif address == _T or address == _T_BYTE:
        index_write(me, 0, _T_INDEX, (value >> 2) & 127, time, delay)
    elif address == _SIG_EVENTS:
        me.signals[u(context)] = value & 0xFFFE
        _review(me, context)
    elif address == _WAKEUP:
        me.wakeup[u(context)] = value & 0x1FFFF
        if context != executing or me.after == 2:  # a swap's defer slots: it waits already
            me.request[u(context)] = value & 0x1FFFF
            _review(me, context)
    elif address == _CRC:
        me.crc = value
    elif address == _NEXT:
        _neighbour_signal(chip, me, engine, 1, context, value, time)
    elif address == _PREVIOUS:
        _neighbour_signal(chip, me, engine, -1, context, value, time)
    elif address == _CTX_ENABLES:
        _write_enables(chip, me, value, time)
    elif address == _NN_PUT:
        _write_put(me, value & 127, time, delay)
    elif address == _NN_GET:
        me.nn_ahead_get = value & 127
        index_write(me, 0, _NN_GET_INDEX, value & 127, time, delay)
    elif address == _FUTURE:
        _arm_timer(chip, me, engine, context, value & 0xFFFF, time)
    elif address == _FUTURE_SIGNAL:
        me.future_signal[u(context)] = value & 15
    elif address == _POINTER:
        me.csr[u(_POINTER >> 2)] = value & 7
    elif address == _PRN:
        me.prn = value
        me.prn_time = time
    elif address != _BYTE:
        me.csr[u(address >> 2)] = value
    if address == _BYTE or address == _LM_0_BYTE or address == _LM_1_BYTE or address == _T_BYTE:
        index_write(me, 0, _BYTE_INDEX, value & 3, time, delay)
