"""Issue of a command: from a row and its operands to an entry in the ME's command FIFO."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import (
    ACTION_DOUBLE,
    ACTION_INDIRECT,
    ACTION_MEDIA,
    ACTION_RETURNS,
    MASTER_MSF,
    UNKNOWN_PC,
    Command,
    Fault,
)
from ixp_emu.chip.compiled import NEVER, address_of, compiled, rare, s64, small, store_field, u
from ixp_emu.chip.layout import CMD_ARBITER, COMMAND, MSF, SRAM0, SRAM_IN, SRAM_OUT, offset_of
from ixp_emu.chip.operands import note_in_flight
from ixp_emu.chip.queues import allocate, append, edge, fail_in_turn, hasten, release
from ixp_emu.chip.rows import CSR_ADDRESS, FROM_ALU, NOTIFY_SHIFT
from ixp_emu.isa.unsettled import setting

__all__ = ["INDIRECT_OVERRIDES", "issue", "issue_direct"]

INDIRECT_OVERRIDES = setting("indirect_overrides")

_CODES = offset_of(COMMAND, "code")
_CTX, _UNIT = (8 * (offset_of(COMMAND, field) - _CODES) for field in ("ctx", "unit"))
"""Bits of a byte in the first 8 from ``code`` on."""
_MASTER = 8 * (offset_of(COMMAND, "master") - _CODES - 8)
_OWNER = sum(1 << 8 * (offset_of(COMMAND, field) - _CODES) for field in ("me", "pull_me", "push_me"))
assert _CODES % 8 == 0 and max(_CTX, _UNIT) < 64 and 0 <= _MASTER < 64


@small
def _mark(me: Any, first: int, count: int) -> None:
    """Registers of a command in flight: whoever uses them waits for the clock."""
    note_in_flight(me, first, count, 1)


@small
def _transfer_register(base: int, context: int, absolute: int) -> int:
    """File index of a command's first register: the context's own, or an absolute number if it is not negative."""
    return (base & ~127) | (absolute if absolute >= 0 else (base + context * 16) & 127)


@rare
def _aim_at_remote(chip: Any, command: Any, code: int, address: int, count: int) -> None:
    """A reflector command: one side of its data are the SRAM transfer registers of the ME that its address names."""
    number = address >> 10
    remote = (number >> 4) * 4 + (number & 3)
    register = (((address >> 7) & 7) * 16 + ((address >> 2) & 31)) & 127
    if code == Command.REFLECT_WRITE:
        command.push_me = remote
        command.push_words = count
        command.marked = count
        command.xfer_in = SRAM_IN + register
        _mark(chip.me[u(remote)], SRAM_IN + register, count)
    else:
        command.pull_me = remote
        command.pull_words = count
        command.xfer_out = SRAM_OUT + register
        _mark(chip.me[u(remote)], SRAM_OUT + register, count)


@small
def _enqueue(chip: Any, me: Any, engine: int, context: int, slot: int, time: int) -> None:
    """Append a command to the FIFO."""
    fifo = chip.fifo[u(engine)]
    append(chip, fifo, slot)
    if fifo.count == 1:
        chip.waiting_lanes[u(engine >> 2)] |= 1 << (engine & 3)
        chip.head_unit[u(engine)] = chip.pool[u(slot)].unit
        chip.head_eligible[u(engine)] = time + chip.fifo_latency
        hasten(chip, CMD_ARBITER + (engine >> 2), 2, edge(time + chip.fifo_latency))
    me.commands += 1
    me.context_commands[u(context)] += 1


@small
def issue_direct(chip: Any, me: Any, engine: int, context: int, row: Any, time: int, address: int, pc: int) -> int:
    """:func:`issue` of a row that says all about its command (``ROW_DIRECT``), which is never a fault."""
    slot = allocate(chip)
    command = chip.pool[u(slot)]
    channel = (address >> 30) & 1 if row.unit == SRAM0 else 0
    if row.special & CSR_ADDRESS:
        address = s64(row.target)
    command.stamp = time
    command.pulled = NEVER
    command.address = address
    command.pc = pc
    codes = address_of(command) + _CODES
    store_field(codes, s64(row.command[u(0)]) + engine * _OWNER + (context << _CTX) + (channel << _UNIT))
    store_field(codes + 8, s64(row.command[u(1)]) + (channel << _MASTER))
    first = (s64(row.xfer_in) & ~127) | (s64(row.xfer_in) + context * 16) & 127
    command.xfer_in = first
    _mark(me, first, s64(command.push_words))
    first = (s64(row.xfer_out) & ~127) | (s64(row.xfer_out) + context * 16) & 127
    command.xfer_out = first
    _mark(me, first, s64(command.pull_words))
    _enqueue(chip, me, engine, context, slot, time)
    return s64(row.imm)


@compiled
def issue(
    chip: Any,
    engine: int,
    context: int,
    row: Any,
    time: int,
    sum_of_operands: int,
    last_result: int,
    pc: int,
    horizon: int,
) -> int:
    """Put a command into the ME's FIFO; returns the signals it will set (mask), -1 if it is a fault.

    Parameters:
        horizon: next key of the other agents; a fault beyond it waits for its turn.
    """
    me = chip.me[u(engine)]
    code = s64(row.option)
    action = s64(row.action)
    unit = s64(row.unit)
    count = s64(row.count)
    per_unit = s64(row.imm)
    pulls = s64(row.shift)
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
    owner = engine  # whose registers and signals the command uses
    owner_context = context
    place = pc
    transfer = -1
    if INDIRECT_OVERRIDES and action & ACTION_INDIRECT:
        if last_result & 1:
            owner_context = (last_result >> 1) & 7
        if last_result & (1 << 26):
            number = last_result >> 27
            if number & 0x0C:
                release(chip, slot)
                fail_in_turn(chip, horizon, Fault.ACCESS_OUTSIDE, time, engine, context, pc, last_result)
                return -1
            owner = (number >> 4) * 4 + (number & 3)
            if owner != engine:
                place = UNKNOWN_PC
        if not action & ACTION_MEDIA and last_result & (1 << 4):
            transfer = (last_result >> 5) & 127
    if action & ACTION_MEDIA and media_given != 1:
        release(chip, slot)
        fail_in_turn(chip, horizon, Fault.MEDIA_ADDRESS, time, engine, context, pc, last_result)
        return -1
    if code >= Command.REFLECT_READ and (address >> 10) & 0x0C:  # MEs are 0x00-0x03 and 0x10-0x13
        release(chip, slot)
        fail_in_turn(chip, horizon, Fault.ACCESS_OUTSIDE, time, engine, context, pc, address)
        return -1
    command.stamp = time
    command.pulled = NEVER
    command.address = address
    command.code = code
    command.action = action
    command.unit = unit
    command.me = owner
    command.ctx = owner_context
    command.pull_me = owner
    command.push_me = owner
    command.signal = row.signal
    command.count = count
    command.pc = place
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
    if code == Command.CAP_FAST_WRITE or code == Command.MSF_FAST_WRITE:
        command.pull_words = 0
        command.push_words = 0
        command.marked = 0
        command.data[u(0)] = last_result if row.special & FROM_ALU else per_unit
        out_words = 0
    first = _transfer_register(s64(row.xfer_in), owner_context, transfer)
    command.xfer_in = first
    if in_words > 0:
        _mark(chip.me[u(owner)], first, in_words)
    first = _transfer_register(s64(row.xfer_out), owner_context, transfer)
    command.xfer_out = first
    if out_words > 0:
        _mark(chip.me[u(owner)], first, out_words)
    if code >= Command.REFLECT_READ:
        _aim_at_remote(chip, command, code, address, count)
        command.notify = row.special >> NOTIFY_SHIFT
    command.master = unit + 1 if unit == SRAM0 or unit == SRAM0 + 1 else (MASTER_MSF if unit == MSF else 0)
    if code >= Command.HASH_48 and code <= Command.HASH_128:
        command.master = 1
    _enqueue(chip, me, engine, context, slot, time)
    if row.signal == 0:
        return 0
    return s64((3 if action & ACTION_DOUBLE else 1) << row.signal)
