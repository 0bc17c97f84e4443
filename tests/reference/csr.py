"""Local CSRs of one ME: what reading and writing them does, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .context import ANY, SIGNALS, VOLUNTARY, Context

if TYPE_CHECKING:
    from .microengine import Microengine

__all__ = ["LocalCsrs", "Timestamp", "prn_step"]

_MASK = 0xFFFFFFFF

# Local CSRs with a behaviour; all others hold what was written.
ALU_OUT = 0x010
CTX_ARB_CNTL = 0x014
CTX_ENABLES = 0x018
CSR_CTX_POINTER = 0x020
INDIRECT_CTX_STS = 0x040
ACTIVE_CTX_STS = 0x044
ACTIVE_CTX_SIG_EVENTS = 0x04C
ACTIVE_CTX_WAKEUP_EVENTS = 0x054
ACTIVE_CTX_FUTURE_COUNT = 0x05C
ACTIVE_LM_ADDR = (0x064, 0x06C)
BYTE_INDEX = 0x070
T_INDEX = 0x074
ACTIVE_FUTURE_COUNT_SIGNAL = 0x07C
NN_PUT = 0x080
NN_GET = 0x084
TIMESTAMP_LOW = 0x0C0
TIMESTAMP_HIGH = 0x0C4
ACTIVE_LM_ADDR_BYTE_INDEX = (0x0E4, 0x0EC)
T_INDEX_BYTE_INDEX = 0x0F4
NEXT_NEIGHBOR_SIGNAL = 0x100
PREV_NEIGHBOR_SIGNAL = 0x104
SAME_ME_SIGNAL = 0x108
CRC_REMAINDER = 0x140
PROFILE_COUNT = 0x144
PSEUDO_RANDOM_NUMBER = 0x148
LOCAL_CSR_STATUS = 0x180

_INDIRECT = {
    0x048: ACTIVE_CTX_SIG_EVENTS,
    0x050: ACTIVE_CTX_WAKEUP_EVENTS,
    0x058: ACTIVE_CTX_FUTURE_COUNT,
    0x060: ACTIVE_LM_ADDR[0],
    0x068: ACTIVE_LM_ADDR[1],
    0x078: ACTIVE_FUTURE_COUNT_SIGNAL,
    0x0E0: ACTIVE_LM_ADDR_BYTE_INDEX[0],
    0x0E8: ACTIVE_LM_ADDR_BYTE_INDEX[1],
}
"""The CSR of the context that CSR_CTX_POINTER names -> the same CSR of the executing context."""

_READ_ONLY = frozenset((TIMESTAMP_LOW, TIMESTAMP_HIGH, PROFILE_COUNT, ACTIVE_CTX_STS, ALU_OUT, CTX_ARB_CNTL))

_INDEX_WRITE_DELAY = 4  # cycles from the write of an index CSR to the first instruction that sees it
_TICK = 16  # cycles of the timestamp
_PRN_EACH_CYCLE = 30  # bit of CTX_ENABLES


def prn_step(value: int, polynomial: int) -> int:
    """The pseudo-random number after ``value``."""
    return (value << 1 & _MASK) ^ (polynomial if value >> 31 else 0)


@dataclass(slots=True)
class Timestamp:
    """``start``: the cycle it counts from; None while the host has not started it."""

    start: int | None = 0

    def value(self, now: int) -> int:
        return 0 if self.start is None else now - self.start >> 4

    def next_match(self, count: int, after: int) -> int | None:
        """First tick after the cycle ``after`` whose low 16 bits are ``count``."""
        if self.start is None:
            return None
        tick = self.value(after) + 1
        tick += count - tick & 0xFFFF
        return self.start + _TICK * tick


@dataclass(slots=True)
class _IndexWrite:
    """A write to an index register that is not yet in effect."""

    effective: int
    apply: Callable[[int], None]
    value: int


class LocalCsrs:
    """``values`` are the words of those that hold what was written; ``prn`` the pseudo-random number."""

    def __init__(self, engine: Microengine, *, prn_polynomial: int) -> None:
        self._engine = engine
        self.values: dict[int, int] = {}
        self.pointer = 0
        self.prn = 1
        self.prn_polynomial = prn_polynomial
        self._pending: list[_IndexWrite] = []

    # ------------------------------------------------------------------ time

    def begin_cycle(self, now: int) -> None:
        """Phase 3 of ``now``, before the ME issues."""
        while self._pending and self._pending[0].effective <= now:
            write = self._pending.pop(0)
            write.apply(write.value)
        if self._engine.ctx_enables >> _PRN_EACH_CYCLE & 1 and now > 0:
            self._step_prn()

    def _step_prn(self) -> None:
        self.prn = prn_step(self.prn, self.prn_polynomial)

    def delay(self, apply: Callable[[int], None], value: int, now: int) -> None:
        """A write at ``now`` to an index register."""
        self._pending.append(_IndexWrite(now + _INDEX_WRITE_DELAY, apply, value))

    def delay_lm_addr(self, copy: list[int], index: int, value: int, now: int) -> None:
        """``copy`` is the pair of indices that was in use when the write issued."""
        self.delay(lambda word: copy.__setitem__(index, word), value, now)

    def _delay_engine(self, name: str, value: int, now: int) -> None:
        self.delay(lambda word: setattr(self._engine, name, word), value, now)

    # ------------------------------------------------------------------ reading

    def read(self, csr: int, now: int) -> int:
        engine = self._engine
        executing = engine.executing_context
        if csr == INDIRECT_CTX_STS:
            context = engine.contexts[self.pointer]
            return context.entry if self.pointer == executing else context.pc
        if csr in _INDIRECT:
            context = engine.contexts[self.pointer]
            return self._read_context(_INDIRECT[csr], context, context.lm_addr, context.lm_addr)
        if csr == PSEUDO_RANDOM_NUMBER:
            value = self.prn
            if not engine.ctx_enables >> _PRN_EACH_CYCLE & 1:
                self._step_prn()
            return value
        values = {
            ALU_OUT: engine.last_result,
            CTX_ARB_CNTL: (engine.last_context or 0) << 4 | executing,
            CTX_ENABLES: engine.ctx_enables,
            CSR_CTX_POINTER: self.pointer,
            ACTIVE_CTX_STS: 1 << 31 | engine.cluster << 7 | engine.number % 4 << 3 | executing,
            BYTE_INDEX: engine.byte_index,
            T_INDEX: engine.t_index,
            T_INDEX_BYTE_INDEX: engine.t_index | engine.byte_index,
            NN_PUT: engine.neighbor.put,
            NN_GET: engine.neighbor.get,
            TIMESTAMP_LOW: engine.timestamp.value(now) & _MASK,
            TIMESTAMP_HIGH: engine.timestamp.value(now) >> 32 & _MASK,
            CRC_REMAINDER: engine.crc_remainder,
            PROFILE_COUNT: now & 0xFFFF,
            LOCAL_CSR_STATUS: 0,
        }
        if csr in values:
            return values[csr]
        return self._read_context(csr, engine.contexts[executing], engine.lm_addr_copy(0), engine.lm_addr_copy(1))

    def _read_context(self, csr: int, context: Context, lm_addr_0: list[int], lm_addr_1: list[int]) -> int:
        """A CSR of one context, by its ACTIVE address."""
        indices = lm_addr_0[0], lm_addr_1[1]
        if csr == ACTIVE_CTX_SIG_EVENTS:
            return context.signals
        if csr == ACTIVE_CTX_WAKEUP_EVENTS:
            return context.wakeup
        if csr == ACTIVE_CTX_FUTURE_COUNT:
            return context.future_count
        if csr == ACTIVE_FUTURE_COUNT_SIGNAL:
            return context.future_signal
        if csr in ACTIVE_LM_ADDR:
            return indices[ACTIVE_LM_ADDR.index(csr)]
        if csr in ACTIVE_LM_ADDR_BYTE_INDEX:
            return indices[ACTIVE_LM_ADDR_BYTE_INDEX.index(csr)] | self._engine.byte_index
        return self.values.get(csr, 0)

    # ------------------------------------------------------------------ writing

    def write(self, csr: int, value: int, now: int) -> None:
        engine = self._engine
        if csr in _READ_ONLY or csr == LOCAL_CSR_STATUS:
            return
        if csr == INDIRECT_CTX_STS:
            if self.pointer != engine.executing_context:
                engine.contexts[self.pointer].pc = value & 0x1FFF
        elif csr in _INDIRECT:
            copy = engine.contexts[self.pointer].lm_addr
            self._write_context(_INDIRECT[csr], value, self.pointer, (copy, copy), now)
        elif csr == CTX_ENABLES:
            engine.ctx_enables = value
        elif csr == CSR_CTX_POINTER:
            self.pointer = value & 7
        elif csr == PSEUDO_RANDOM_NUMBER:
            self.prn = value
        elif csr in (T_INDEX, T_INDEX_BYTE_INDEX):
            self._delay_engine("t_index", value & 0x1FC, now)
            if csr == T_INDEX_BYTE_INDEX:
                self._delay_engine("byte_index", value & 3, now)
        elif csr == BYTE_INDEX:
            self._delay_engine("byte_index", value & 3, now)
        elif csr == NN_PUT:
            engine.neighbor.ahead_put = value & 0x7F
            self.delay(lambda word: setattr(engine.neighbor, "put", word), value & 0x7F, now)
        elif csr == NN_GET:
            engine.neighbor.ahead_get = value & 0x7F
            self.delay(lambda word: setattr(engine.neighbor, "get", word), value & 0x7F, now)
        elif csr in (NEXT_NEIGHBOR_SIGNAL, PREV_NEIGHBOR_SIGNAL, SAME_ME_SIGNAL):
            self._send_signal(csr, value)
        elif csr == CRC_REMAINDER:
            engine.crc_remainder = value
        else:
            copies = engine.lm_addr_copy(0), engine.lm_addr_copy(1)
            self._write_context(csr, value, engine.executing_context, copies, now)

    def _write_context(self, csr: int, value: int, number: int, copies: tuple[list[int], list[int]], now: int) -> None:
        """A CSR of context ``number``, by its ACTIVE address; ``copies`` hold its LM_ADDR_0 and LM_ADDR_1."""
        context = self._engine.contexts[number]
        if csr == ACTIVE_CTX_SIG_EVENTS:
            context.signals = value & SIGNALS
        elif csr == ACTIVE_CTX_WAKEUP_EVENTS:
            context.wakeup = value & (ANY | SIGNALS | VOLUNTARY)
        elif csr == ACTIVE_CTX_FUTURE_COUNT:
            context.future_count = value & 0xFFFF
            self._arm(context, now)
        elif csr == ACTIVE_FUTURE_COUNT_SIGNAL:
            context.future_signal = value & 15
        elif csr in ACTIVE_LM_ADDR:
            index = ACTIVE_LM_ADDR.index(csr)
            self.delay_lm_addr(copies[index], index, value & 0xFFC, now)
        elif csr in ACTIVE_LM_ADDR_BYTE_INDEX:
            index = ACTIVE_LM_ADDR_BYTE_INDEX.index(csr)
            self.delay_lm_addr(copies[index], index, value & 0xFFC, now)
            self._delay_engine("byte_index", value & 3, now)
        else:
            self.values[csr] = value

    def _arm(self, context: Context, now: int) -> None:
        """The timer of a context: replaces the armed one."""
        context.armed += 1
        time = self._engine.timestamp.next_match(context.future_count, now)
        mask = 1 << context.future_signal & SIGNALS
        if not mask or time is None:
            return
        arm = context.armed

        def expire() -> None:
            if context.armed == arm:
                context.signals |= mask

        self._engine.schedule(time, expire)

    def _send_signal(self, csr: int, value: int) -> None:
        engine = self._engine
        following = (engine.executing_context + (2 if engine.four_contexts else 1)) % 8
        number = following if value & 0x80 else value & 7
        mask = 1 << (value >> 3 & 15) & SIGNALS
        if csr == SAME_ME_SIGNAL:
            engine.set_signals(number, mask)
        else:
            engine.send_neighbor(number, mask, 1 if csr == NEXT_NEIGHBOR_SIGNAL else -1)
