"""SRAM queue hardware: linked lists, rings and journals behind the Q_array (docs/hardware-model.md, section 3)."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import Command, Fault
from ixp_emu.chip.compiled import compiled, load_u32, s64, small, store_u32, u
from ixp_emu.chip.delivery import answer_cycles, bus_of, complete, reply
from ixp_emu.chip.inlets import free_inlet
from ixp_emu.chip.layout import PAGE_SHIFT, SRAM0
from ixp_emu.chip.queues import fail_command, pop

__all__ = ["queue_ready", "serve_queue"]

_HEAD = 0
_TAIL = 1
_COUNT = 2
_ADDRESS = 0xFFFFFF
"""Bits of a head or tail that are the longword address of a link or of a ring."""
_DESCRIPTOR = 3
"""Longwords of a descriptor in memory: head, tail, count."""
_SMALLEST_RING = 512
"""Longwords of a ring of size code 0."""


@small
def _entry(command: Any) -> int:
    return (s64(command.address) >> 24) & 63


@small
def _reads(code: int) -> bool:
    """Whether a command needs the channel's read port."""
    return code == Command.GET or (code >= Command.DEQUEUE and code <= Command.RD_QDESC_OTHER)


@small
def _writes(code: int) -> bool:
    """Whether a command needs the channel's write port."""
    return (
        code == Command.PUT
        or (code >= Command.JOURNAL and code <= Command.ENQUEUE)
        or code == Command.WR_QDESC
        or code == Command.WR_QDESC_COUNT
    )


@compiled
def queue_ready(chip: Any, unit: int, command: Any) -> int:
    """When the port that a command needs is free and, for a dequeue, the link before it is there."""
    code = s64(command.code)
    time = 0
    if _reads(code):
        time = max(time, s64(chip.read_free[u(unit)]))
    if _writes(code):
        time = max(time, s64(chip.write_free[u(unit)]))
    if code == Command.DEQUEUE:
        time = max(time, s64(chip.q_link_free[u(unit - SRAM0), u(_entry(command))]))
    return time


@small
def _load(chip: Any, unit: int, longword: int) -> int:
    return s64(load_u32(chip.memory[u(unit)] + longword * 4))


@small
def _store(chip: Any, unit: int, longword: int, value: int) -> None:
    chip.dirty_sram[u(unit - SRAM0), u((longword * 4) >> PAGE_SHIFT)] = 1
    store_u32(chip.memory[u(unit)] + longword * 4, value)


@small
def _ring_size(head: int) -> int:
    return _SMALLEST_RING << (head >> 29)


@small
def _ring_base(head: int) -> int:
    return head & _ADDRESS & ~(_ring_size(head) - 1)


@small
def _advance(pointer: int, count: int, size: int) -> int:
    """A ring's pointer ``count`` longwords on; its upper bits stay."""
    return (pointer & ~(size - 1)) | ((pointer + count) & (size - 1))


@small
def _holds_back(chip: Any, head: int) -> bool:
    """Whether the head buffer has cells left, so that a dequeue only counts them."""
    return chip.ignore_cells == 0 and (head >> 24) & 0x7F != 0


@compiled
def _fault_of(chip: Any, unit: int, command: Any) -> int:
    """The fault that a command is in the present state of its entry; nothing is changed."""
    channel, entry = u(unit - SRAM0), u(_entry(command))
    code = s64(command.code)
    head = s64(chip.q_array[channel, entry, u(_HEAD)])
    tail = s64(chip.q_array[channel, entry, u(_TAIL)])
    count = s64(chip.q_array[channel, entry, u(_COUNT)])
    memory = chip.size_bytes[u(unit)] >> 2
    first = s64(command.address) & _ADDRESS
    words = 0
    if code == Command.ENQUEUE:
        if count != 0:
            first, words = tail & _ADDRESS, 1
    elif code == Command.DEQUEUE:
        if count != 0 and not _holds_back(chip, head):
            first, words = head & _ADDRESS, 1
    elif code == Command.RD_QDESC_OTHER:
        half = chip.q_half[channel, entry]
        words = _DESCRIPTOR
        if half == Command.RD_QDESC_HEAD:
            words = 2
        elif half == Command.RD_QDESC_TAIL:
            words = 1
    elif code >= Command.RD_QDESC_HEAD and code <= Command.WR_QDESC_COUNT:
        words = _DESCRIPTOR
    elif code == Command.PUT or code == Command.GET or code <= Command.FAST_JOURNAL:
        size = _ring_size(head)
        moved = s64(command.count)
        if code == Command.PUT and count + moved > size:
            return Fault.RING_FULL
        if code == Command.GET and count < moved:
            return Fault.NONE
        offset = head if code == Command.GET else tail
        first = _ring_base(head)
        words = min((offset & (size - 1)) + moved, size)
    if words > 0 and first + words > memory:
        return Fault.ACCESS_OUTSIDE
    return Fault.NONE


@compiled
def _move(chip: Any, unit: int, command: Any) -> int:
    """A command's effect on its entry and on memory; returns the longwords moved in the memory, 1 for an empty get."""
    channel, entry = u(unit - SRAM0), u(_entry(command))
    code = s64(command.code)
    pointer = chip.q_array[channel, entry]
    head = s64(pointer[u(_HEAD)])
    tail = s64(pointer[u(_TAIL)])
    count = s64(pointer[u(_COUNT)])
    at = s64(command.address) & _ADDRESS
    if code == Command.ENQUEUE:
        words = 0
        if count == 0:
            pointer[u(_HEAD)] = at
        else:
            _store(chip, unit, tail & _ADDRESS, at)
            words = 1
        pointer[u(_TAIL)] = at
        pointer[u(_COUNT)] = (count + 1) & 0xFFFFFF
        return words
    if code == Command.DEQUEUE:
        command.data[u(0)] = head if count != 0 else 0
        if count == 0:
            return 0
        if _holds_back(chip, head):
            pointer[u(_HEAD)] = head - (1 << 24)
            return 0
        pointer[u(_HEAD)] = _load(chip, unit, head & _ADDRESS)
        if chip.ignore_eop or head >> 31:
            pointer[u(_COUNT)] = count - 1
        return 1
    if code == Command.ENQUEUE_TAIL:
        pointer[u(_TAIL)] = at
        return 0
    if code == Command.PUT or code == Command.JOURNAL or code == Command.FAST_JOURNAL:
        size = _ring_size(head)
        moved = s64(command.count)
        for i in range(moved):
            value = at if code == Command.FAST_JOURNAL else s64(command.data[u(i)])
            _store(chip, unit, _ring_base(head) + ((tail + i) & (size - 1)), value)
        pointer[u(_TAIL)] = _advance(tail, moved, size)
        pointer[u(_COUNT)] = min(count + moved, size)
        return moved
    if code == Command.GET:
        moved = s64(command.count)
        if count < moved:
            command.data[u(0)] = 0
            command.push_words = 1
            return 1  # the answer takes its place on the read port
        size = _ring_size(head)
        for i in range(moved):
            command.data[u(i)] = _load(chip, unit, _ring_base(head) + ((head + i) & (size - 1)))
        pointer[u(_HEAD)] = _advance(head, moved, size)
        pointer[u(_COUNT)] = count - moved
        return moved
    if code == Command.RD_QDESC_HEAD or code == Command.RD_QDESC_TAIL:
        half = _HEAD if code == Command.RD_QDESC_HEAD else _TAIL
        chip.q_half[channel, entry] = code
        pointer[u(half)] = _load(chip, unit, at + half)
        pointer[u(_COUNT)] = _load(chip, unit, at + _COUNT)
        for i in range(s64(command.push_words)):
            command.data[u(i)] = 0
        command.data[u(0)] = pointer[u(half)]
        if command.push_words > 1:
            command.data[u(1)] = pointer[u(_COUNT)]
        return 2
    if code == Command.RD_QDESC_OTHER:
        last = chip.q_half[channel, entry]
        words = 0
        if last != Command.RD_QDESC_HEAD:
            pointer[u(_HEAD)] = _load(chip, unit, at + _HEAD)
            words += 1
        if last != Command.RD_QDESC_TAIL:
            pointer[u(_TAIL)] = _load(chip, unit, at + _TAIL)
            words += 1
        if last == 0:
            pointer[u(_COUNT)] = _load(chip, unit, at + _COUNT)
            words += 1
        return words
    if code == Command.WR_QDESC_COUNT:
        _store(chip, unit, at + _COUNT, count)
        return 1
    if code == Command.WR_QDESC:
        for i in range(_DESCRIPTOR):
            _store(chip, unit, at + i, s64(pointer[u(i)]))
        return _DESCRIPTOR
    register = u((s64(command.address) >> 2) & 63)
    if code == Command.SRAM_CSR_READ:
        command.data[u(0)] = chip.sram_csr[channel, register]
    else:
        chip.sram_csr[channel, register] = command.data[u(0)]
    return 0


@compiled
def serve_queue(chip: Any, unit: int, time: int) -> bool:
    """Serve the queue command at the head of a channel's inlet; false if it is a fault, which waits for its time."""
    inlet = chip.inlet[u(unit)]
    slot = s64(inlet.head)
    command = chip.pool[u(slot)]
    code = s64(command.code)
    fault = _fault_of(chip, unit, command)
    if fault != Fault.NONE:
        detail = _entry(command) if fault == Fault.RING_FULL else s64(command.address)
        fail_command(chip, command, fault, time, detail)
        return False
    pop(chip, inlet)
    free_inlet(chip, unit, time)
    words = _move(chip, unit, command)
    longword = chip.longword_cycles[u(unit)]
    chip.unit_free[u(unit)] = time + chip.command_cycles[u(unit)]
    if words > 0 and _reads(code):
        chip.read_free[u(unit)] = time + words * longword
        chip.read_busy[u(unit)] += words * longword
        if code == Command.DEQUEUE:
            chip.q_link_free[u(unit - SRAM0), u(_entry(command))] = time + chip.link_cycles
    if words > 0 and _writes(code):
        chip.write_free[u(unit)] = time + words * longword
        chip.write_busy[u(unit)] += words * longword
    counted = 1 if code == Command.SRAM_CSR_READ or code == Command.SRAM_CSR_WRITE else words
    structure = u(command.structure)
    chip.references[u(unit)] += 1
    chip.longwords[u(unit)] += counted
    chip.structure_refs[u(unit), structure] += 1
    chip.structure_longwords[u(unit), structure] += counted
    chip.queue_wait[u(unit)] += time - command.ready
    done = max(words, 1) * longword
    pushed = s64(command.push_words)
    if pushed > 0:
        answer = answer_cycles(done, pushed, longword, chip.sbus_cycles)
        reply(chip, slot, command, bus_of(s64(command.me)), unit + 1, time + answer + chip.delay[u(unit)])
    else:
        complete(chip, slot, command, time + done + chip.delay[u(unit)])
    return True
