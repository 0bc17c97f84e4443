"""Next neighbour registers: writes on their way to the next microengine, and the state of the rings."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import ACTION_AUX, Command
from ixp_emu.chip.compiled import compiled, rare, s64, u
from ixp_emu.chip.delivery import NEIGHBOR_PUT, apply_put_writes, deliver, take_deliveries
from ixp_emu.chip.layout import CONSTANTS, ENGINES, INBOX_SLOTS, NEIGHBOR, NEIGHBOR_OUT
from ixp_emu.chip.queues import allocate
from ixp_emu.chip.rows import INDIRECT, NEIGHBOR_INDEX
from ixp_emu.isa.csr import INP_STATES, LOCAL_CSRS
from ixp_emu.isa.unsettled import setting

__all__ = ["NN_FULL", "neighbor_access", "neighbor_state"]

NN_EMPTY = INP_STATES["NN_EMPTY"]
NN_FULL = INP_STATES["NN_FULL"]
_CHAIN = setting("neighbour_chain")
_RING_REGISTERS = CONSTANTS - NEIGHBOR
_CTX_ENABLES = LOCAL_CSRS["CTX_ENABLES"].address >> 2


@compiled
def _target(me: Any, engine: int) -> int:
    """The ME whose registers this one writes: itself in self mode, else the next; ENGINES for none."""
    if (s64(me.csr[u(_CTX_ENABLES)]) >> 20) & 1:
        return engine
    return engine + 1 if (engine + 1) // _CHAIN == engine // _CHAIN else ENGINES


@rare
def _send(chip: Any, me: Any, engine: int, register: int, value: int, time: int) -> None:
    """A write of a next neighbour register, or a put, issued at ``time``."""
    target = _target(me, engine)
    if target >= ENGINES:
        return
    other = chip.me[u(target)]
    if register == NEIGHBOR_PUT:
        other.nn_ahead_put = (other.nn_ahead_put + 1) & (_RING_REGISTERS - 1)
    if other.inbox_count >= INBOX_SLOTS // 2:  # it has run ahead, or idles: up to now nothing more can reach it
        take_deliveries(chip, other, time)
    slot = allocate(chip)
    command = chip.pool[u(slot)]
    command.code = Command.NEIGHBOR_WRITE
    command.action = ACTION_AUX
    command.me = target
    command.signal = 0
    command.xfer_in = register
    command.data[u(0)] = value
    deliver(chip, time + (chip.neighbor_self_latency if target == engine else chip.neighbor_register_latency), slot)


@compiled
def neighbor_access(chip: Any, me: Any, engine: int, row: Any, context: int, time: int) -> None:
    """What an instruction leaves to see for others: a write on its way, and registers taken from the own ring."""
    a = s64(row.a)
    b = s64(row.b)
    stepping = INDIRECT | (NEIGHBOR_INDEX << 12) | (1 << 8)
    if a == stepping or b == stepping:
        me.nn_ahead_get = (me.nn_ahead_get + 1) & (_RING_REGISTERS - 1)
    d = s64(row.d)
    if d == stepping:
        _send(chip, me, engine, NEIGHBOR_PUT, s64(me.file[u(NEIGHBOR_OUT)]), time)
    elif d >= NEIGHBOR and d < CONSTANTS:
        register = (d - NEIGHBOR + context * 16) & (_RING_REGISTERS - 1)
        _send(chip, me, engine, register, s64(me.file[u(NEIGHBOR_OUT)]), time)


@compiled
def neighbor_state(chip: Any, me: Any, engine: int, state: int, time: int) -> int:
    """NN_EMPTY, NN_FULL or a flow control state (always 0: there is no such FIFO); deliveries are taken."""
    if state == NN_EMPTY:
        apply_put_writes(me, time)
        threshold = (s64(me.csr[u(_CTX_ENABLES)]) >> 18) & 3
        return 1 if (me.nn_put - me.nn_get) & (_RING_REGISTERS - 1) <= threshold else 0
    if state == NN_FULL:
        target = _target(me, engine)
        if target < ENGINES:
            other = chip.me[u(target)]
            held = (other.nn_ahead_put - other.nn_ahead_get) & (_RING_REGISTERS - 1)
            return 1 if held >= _RING_REGISTERS - chip.neighbor_full_margin else 0
    return 0
