"""What the host does to a microengine, in phase 5 of a cycle: its CSRs, its contexts, its reset."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.chip import cycle_accounts
from ixp_emu.chip.codes import ME_EXECUTING, ME_IDLE, ME_STALLED, ME_STOPPED
from ixp_emu.chip.compiled import NEVER, kernel, u
from ixp_emu.chip.control_store import complete_store, private_store, write_word
from ixp_emu.chip.csr import apply_index_writes, read_csr, write_csr
from ixp_emu.chip.layout import CONTEXTS
from ixp_emu.chip.queues import hasten
from ixp_emu.isa.csr import LOCAL_CSRS

__all__ = [
    "private_store",
    "read_local_csr",
    "reset_engine",
    "set_context_enables",
    "write_local_csr",
    "write_word",
]

_CTX_ENABLES = LOCAL_CSRS["CTX_ENABLES"].address
_CTX_STS = LOCAL_CSRS["ACTIVE_CTX_STS"].address


@kernel
def _read(chip: Any, engine: int, address: int, now: int) -> int:
    me = chip.me[u(engine)]
    apply_index_writes(me, now)
    executing = me.context if me.state == ME_EXECUTING or me.state == ME_STALLED else -1
    return read_csr(chip, me, engine, me.context, executing, address, now)


@kernel
def _write(chip: Any, engine: int, address: int, value: int, now: int) -> None:
    me = chip.me[u(engine)]
    apply_index_writes(me, now)
    executing = me.context if me.state == ME_EXECUTING or me.state == ME_STALLED else -1
    write_csr(chip, me, engine, me.context, executing, address, value, now, 0)
    if me.state == ME_IDLE:  # it may have become ready
        hasten(chip, engine, 3, now + 1)


def read_local_csr(chip: Any, engine: int, address: int, now: int) -> int:
    """The value of a local CSR as the host sees it in phase 5 of cycle ``now``; the chip has run up to ``now`` + 1.

    ACTIVE_ CSRs are those of the context that executes, or that executed last. Bit 31 of ACTIVE_CTX_STS also says that
    a context is about to execute, so that a host may wait for what it has just started.

    Parameters:
        engine: 0..7.
        address: byte offset of the CSR, of ``LOCAL_CSRS``.
    """
    value = int(_read(chip, engine, address, now))
    me = chip["me"][engine]
    if address == _CTX_STS and me["state"] in (ME_IDLE, ME_STOPPED) and not me["ready"] & me["enabled"]:
        value &= 0x7FFFFFFF
    return value


def write_local_csr(chip: Any, engine: int, address: int, value: int, now: int) -> None:
    """Write a local CSR as the host, in phase 5 of cycle ``now``: in effect from ``now`` + 1 on.

    Parameters:
        engine: 0..7.
        address: byte offset of the CSR, of ``LOCAL_CSRS``.
        value: 32 bits.
    """
    if address == _CTX_ENABLES:
        set_context_enables(chip, engine, value, now)
    else:
        _write(chip, engine, address, value, now)


def set_context_enables(chip: Any, engine: int, value: int, now: int) -> None:
    """Write CTX_ENABLES as the host, in phase 5 of cycle ``now``.

    A stopped ME starts if the value enables a context; contexts that are ready may be chosen in ``now`` + 1.
    """
    me = chip["me"][engine]
    if not me["program_words"]:
        private_store(chip, engine)
    if (value >> 31 & 1) + 1 != me["context_step"]:
        complete_store(chip, engine)
    if me["state"] == ME_STOPPED and value & 0xFF00:
        me["context"] = CONTEXTS - 1  # so that the first choice begins with context 0
        me["state"] = ME_IDLE
    _write(chip, engine, _CTX_ENABLES, value, now)


def reset_engine(chip: Any, engine: int) -> None:
    """Put an ME into reset, between two runs of the chip: it stops, its CSRs become 0, no context is enabled.

    Registers, local memory and control store keep their contents. Commands under way still come back.
    """
    now = int(chip["published"])
    me = chip["me"][engine]
    complete_store(chip, engine)
    for name, account in cycle_accounts(chip, now).items():
        me[name] = account[engine]
    me["time"] = now
    me["state"] = ME_STOPPED
    chip["keys"][engine] = NEVER
    for slot in me["timer"]:
        if slot >= 0:
            chip["pool"]["signal"][slot] = 0
    me["timer"][:] = -1
    me["csr"][:] = 0
    me["prn"], me["prn_time"] = 1, now
    me["store"] = int(me["store"]) % CONTEXTS
    me["context_step"] = 1
    for name in ("enabled", "lm_global", "csr_pending", "after", "after_slots", "index_writes", "nn_put_writes"):
        me[name] = 0
    for name in ("nn_put", "nn_get", "nn_ahead_put", "nn_ahead_get", "t_index", "byte_index", "crc"):
        me[name] = 0
    for name in ("context", "entered", "last_left"):
        me[name] = 0
    for name in ("lm_word", "pc", "signals", "request", "wakeup", "future_count", "future_signal"):
        me[name][:] = 0
    me["ready"] = 0xFF  # asking for no signal
