"""The DDR DRAM controller: bank queues, open rows, one data bus, refresh (docs/hardware-model.md, section 5)."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import ACTION_MEDIA, Command, Ddr, Fault
from ixp_emu.chip.compiled import (
    NEVER,
    compiled,
    count_trailing_zeros,
    load_u32,
    rare,
    s64,
    small,
    store_field,
    store_u32,
    u,
)
from ixp_emu.chip.delivery import answer_cycles, complete, reply
from ixp_emu.chip.inlets import free_inlet
from ixp_emu.chip.layout import DDR, DRAM, PAGE_SHIFT, UNIT, offset_of
from ixp_emu.chip.queues import append, edge, event_key, fail_command, pop

__all__ = ["dram_step"]

_DDR_BYTES = DDR.itemsize
_DDR_START = offset_of(DDR, "data_start")
_DDR_END = offset_of(DDR, "data_end")
_DDR_COMMAND = offset_of(DDR, "command")
_DDR_ROW = offset_of(DDR, "row")


@small
def _is_write(code: int) -> bool:
    return code == Command.WRITE or code == Command.RBUF_RD


@small
def _log(chip: Any, what: int, time: int, bank: int, row: int, start: int, end: int) -> None:
    """Note a DDR command, if somebody asked for the log (tests and calibration do)."""
    if chip.ddr_count < chip.ddr_capacity:
        at = chip.ddr_rows + chip.ddr_count * _DDR_BYTES
        store_field(at, time)
        store_field(at + _DDR_START, start)
        store_field(at + _DDR_END, end)
        store_field(at + _DDR_ROW, row)
        store_field(at + _DDR_COMMAND, what | ((bank & 0xFFFFFFFF) << 32))
        chip.ddr_count += 1


@small
def _refresh_time(chip: Any) -> int:
    """The first edge at which the refresh that is due can start."""
    start = max(chip.refresh_due, chip.dram_bus_free)
    closing = 0
    for index in range(chip.banks):
        bank = chip.bank[u(index)]
        if bank.row >= 0:
            closing = s64(chip.dram_precharge)
            start = max(start, bank.precharge_ok)
    for index in range(chip.banks):
        start = max(start, chip.bank[u(index)].activate_ok - closing)
    return edge(start)


@rare
def _catch_up_refresh(chip: Any, time: int) -> None:
    """Start every refresh that was due and possible at or before this edge."""
    while chip.refresh_due <= time:
        start = _refresh_time(chip)
        if start > time:
            return
        refresh = start
        for index in range(chip.banks):
            if chip.bank[u(index)].row >= 0:
                refresh = start + chip.dram_precharge
        if refresh > start:
            _log(chip, Ddr.PRECHARGE, start, -1, -1, 0, 0)
        _log(chip, Ddr.REFRESH, refresh, -1, -1, 0, 0)
        for index in range(chip.banks):
            bank = chip.bank[u(index)]
            bank.row = -1
            bank.activate_ok = refresh + chip.refresh_cycles
        chip.refresh_due += chip.refresh_interval


@small
def _bank_of(chip: Any, address: int) -> int:
    """The bank of an address; all sizes are powers of two."""
    return (address >> chip.bank_shift) & (chip.banks - 1)


@small
def _distribute(chip: Any, time: int) -> None:
    """The head of the inlet goes to its bank's queue, if that has room."""
    inlet = chip.inlet[u(DRAM)]
    if inlet.count == 0:
        return
    command = chip.pool[u(inlet.head)]
    if command.ready > time:
        return
    bank = _bank_of(chip, command.address)
    queue = chip.bank_queue[u(bank)]
    if queue.count >= chip.bank_queue_depth:
        return
    command.row = command.address >> chip.row_shift
    append(chip, queue, pop(chip, inlet))
    chip.waiting_banks |= 1 << bank
    free_inlet(chip, DRAM, time)


@small
def _lead(chip: Any, bank: Any, command: Any) -> int:
    """Cycles before the column command: 0 for an open row."""
    if bank.row == command.row:
        return 0
    if bank.row < 0:
        return s64(chip.dram_activate)
    return s64(chip.dram_activate + chip.dram_precharge)


@small
def _turnaround(chip: Any, write: int) -> int:
    if chip.dram_last_write >= 0 and chip.dram_last_write != write:
        return s64(chip.dram_turnaround)
    return 0


@small
def _eligible_time(chip: Any, index: int) -> int:
    """When the head of a bank queue may be scheduled if nothing else is before it; NEVER while unknown."""
    queue = chip.bank_queue[u(index)]
    command = chip.pool[u(queue.head)]
    bank = chip.bank[u(index)]
    write = 1 if _is_write(s64(command.code)) else 0
    if write:
        if command.pulled == NEVER:
            return NEVER
        time = s64(command.pulled)
    else:
        if chip.push[u(2), u(0)].count >= chip.dbus_depth:
            chip.blocked_units |= 1 << DRAM
            return NEVER
        time = 0
    lead = _lead(chip, bank, command)
    if lead > 0:
        to_activate = lead - chip.dram_activate
        activate = max(bank.activate_ok, chip.dram_last_activate + chip.dram_activate_gap)
        time = max(time, activate - to_activate)
        if to_activate > 0:
            time = max(time, bank.precharge_ok)
    return max(time, chip.dram_bus_free + _turnaround(chip, write) - lead - chip.dram_cas)


@small
def _choose(chip: Any, time: int) -> int:
    """The bank to schedule now, -1 for none; ``bank_next`` is then when one can be."""
    first = -1
    following = NEVER
    after = chip.bank_last + 1  # round robin begins behind the bank of the last command
    waiting = (chip.waiting_banks | (chip.waiting_banks << chip.banks)) >> after
    waiting &= (1 << chip.banks) - 1
    while waiting != 0:
        index = (after + count_trailing_zeros(waiting)) & (chip.banks - 1)
        waiting &= waiting - 1
        eligible = _eligible_time(chip, index)
        if eligible > time:
            following = min(following, eligible)
            continue
        command = chip.pool[u(chip.bank_queue[u(index)].head)]
        write = 1 if _is_write(s64(command.code)) else 0
        turns = chip.dram_last_write >= 0 and chip.dram_last_write != write
        if first < 0:
            if not turns or chip.bank[u(index)].skipped >= 2:
                return s64(index)
            first = index
        elif not turns:
            chip.bank[u(first)].skipped += 1
            return s64(index)
    chip.bank_next = following
    return s64(first)


@small
def _schedule(chip: Any, index: int, time: int) -> None:
    queue = chip.bank_queue[u(index)]
    slot = pop(chip, queue)
    if queue.count == 0:
        chip.waiting_banks &= ~(1 << index)
    command = chip.pool[u(slot)]
    bank = chip.bank[u(index)]
    code = s64(command.code)
    write = 1 if _is_write(code) else 0
    quadwords = s64(command.count)
    address = command.address & 0xFFFFFFF8
    if address + quadwords * 8 > chip.size_bytes[u(DRAM)]:
        fail_command(chip, command, Fault.ACCESS_OUTSIDE, time, address)
        return
    structure = u(command.structure)
    chip.references[u(DRAM)] += 1
    chip.longwords[u(DRAM)] += quadwords * 2
    chip.structure_refs[u(DRAM), structure] += 1
    chip.structure_longwords[u(DRAM), structure] += quadwords * 2
    chip.queue_wait[u(DRAM)] += time - command.ready
    lead = _lead(chip, bank, command)
    start = time + lead + chip.dram_cas
    end = start + quadwords * chip.longword_cycles[u(DRAM)]
    chip.unit_busy[u(DRAM)] += quadwords * chip.longword_cycles[u(DRAM)]
    chip.dram_bus_free = end
    chip.dram_last_write = write
    if lead > 0:
        activate = time + lead - chip.dram_activate
        if activate > time:
            _log(chip, Ddr.PRECHARGE, time, index, s64(bank.row), 0, 0)
        _log(chip, Ddr.ACTIVATE, activate, index, s64(command.row), 0, 0)
        bank.row = command.row
        bank.activate_ok = activate + chip.dram_row_cycle
        bank.precharge_ok = activate + chip.dram_ras
        chip.dram_last_activate = activate
    bank.precharge_ok = max(bank.precharge_ok, end + (chip.dram_write_recovery if write else 0))
    _log(chip, Ddr.WRITE if write else Ddr.READ, time + lead, index, s64(command.row), start, end)
    bank.skipped = 0
    chip.bank_last = index
    memory = chip.memory[u(DRAM)] + address
    if write:
        chip.dirty_dram[u(address >> PAGE_SHIFT)] = 1
        chip.dirty_dram[u((address + quadwords * 8 - 1) >> PAGE_SHIFT)] = 1
        mask = s64(command.mask)
        for i in range(quadwords * 2):
            value = s64(command.data[u(i)])
            lanes = (mask >> ((i & 1) * 4)) & 15
            if lanes != 15:
                keep = 0
                for byte in range(4):
                    if not (lanes >> byte) & 1:
                        keep |= 0xFF << (24 - byte * 8)
                value = (load_u32(memory + i * 4) & keep) | (value & (keep ^ 0xFFFFFFFF))
            store_u32(memory + i * 4, value)
        complete(chip, slot, command, end + chip.delay[u(DRAM)])
    else:
        for i in range(quadwords * 2):
            command.data[u(i)] = load_u32(memory + i * 4)
        beat = chip.dbus_media_cycles if command.action & ACTION_MEDIA else chip.dbus_cycles
        answer = answer_cycles(end - start, quadwords, s64(chip.longword_cycles[u(DRAM)]), s64(beat))
        reply(chip, slot, command, 2, 0, start + answer + chip.delay[u(DRAM)])


@small
def _next_command(chip: Any) -> int:
    """When a command can be scheduled; NEVER if there is none or it waits for a bus."""
    following = NEVER
    waiting = chip.waiting_banks
    while waiting != 0:
        following = min(following, _eligible_time(chip, count_trailing_zeros(waiting)))
        waiting &= waiting - 1
    return following


@small
def _next_distribution(chip: Any) -> int:
    """When the head of the inlet can go to its bank's queue; NEVER while that is full."""
    inlet = chip.inlet[u(DRAM)]
    if inlet.count == 0:
        return NEVER
    command = chip.pool[u(inlet.head)]
    if chip.bank_queue[u(_bank_of(chip, command.address))].count >= chip.bank_queue_depth:
        return NEVER
    return s64(command.ready)


@compiled
def dram_step(chip: Any, time: int) -> None:
    """Phase 1 of an edge: distribute to the bank queues, refresh, schedule at most one command."""
    _distribute(chip, time)
    if chip.refresh_due <= time:
        _catch_up_refresh(chip, time)
    index = -1
    if chip.refresh_due > time:
        index = _choose(chip, time)
    if index >= 0:
        _schedule(chip, index, time)
    if index >= 0 or chip.refresh_due <= time:
        chip.bank_next = _next_command(chip)
    following = min(chip.bank_next, _next_distribution(chip))
    if following == NEVER:
        chip.keys[u(UNIT + DRAM)] = NEVER
        return
    following = edge(max(following, time + 2))
    if chip.refresh_due <= time:  # a refresh waits for banks and bus
        following = min(following, max(_refresh_time(chip), time + 2))
    chip.keys[u(UNIT + DRAM)] = event_key(following, 1, UNIT + DRAM)
