"""One QDR SRAM channel: in order, separate read and write ports, atomics inside the controller, queue hardware."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import Command, Fault
from ixp_emu.chip.compiled import compiled, load_u32, s64, store_u32, u
from ixp_emu.chip.delivery import answer_cycles, bus_of, complete, reply
from ixp_emu.chip.inlets import free_inlet
from ixp_emu.chip.layout import PAGE_SHIFT, SRAM0
from ixp_emu.chip.queue_hardware import serve_queue
from ixp_emu.chip.queues import fail_command, pop
from ixp_emu.chip.scratch import atomic

__all__ = ["serve_sram"]


@compiled
def serve_sram(chip: Any, unit: int, time: int) -> bool:
    """Phase 1: serve the head of the channel's inlet; false if it is a fault, which waits for its time."""
    inlet = chip.inlet[u(unit)]
    slot = s64(inlet.head)
    command = chip.pool[u(slot)]
    code = s64(command.code)
    if code > Command.DECR:
        return serve_queue(chip, unit, time)
    address = command.address & 0x3FFFFFFC
    words = s64(command.count) if code <= Command.WRITE else 1
    if address + words * 4 > chip.size_bytes[u(unit)]:
        fail_command(chip, command, Fault.ACCESS_OUTSIDE, time, s64(command.address))
        return False
    pop(chip, inlet)
    free_inlet(chip, unit, time)
    structure = u(command.structure)
    chip.references[u(unit)] += 1
    chip.longwords[u(unit)] += words
    chip.structure_refs[u(unit), structure] += 1
    chip.structure_longwords[u(unit), structure] += words
    chip.queue_wait[u(unit)] += time - command.ready
    memory = chip.memory[u(unit)] + address
    longword = chip.longword_cycles[u(unit)]
    delay = chip.delay[u(unit)]
    busy = words * longword
    chip.unit_free[u(unit)] = time + chip.command_cycles[u(unit)]
    if code != Command.WRITE:
        chip.read_free[u(unit)] = time + busy
        chip.read_busy[u(unit)] += busy
    if code != Command.READ:
        chip.write_free[u(unit)] = time + busy
        chip.write_busy[u(unit)] += busy
        chip.dirty_sram[u(unit - SRAM0), u(address >> PAGE_SHIFT)] = 1
        chip.dirty_sram[u(unit - SRAM0), u((address + words * 4 - 1) >> PAGE_SHIFT)] = 1
    if code == Command.READ:
        for i in range(words):
            command.data[u(i)] = load_u32(memory + i * 4)
        answer = answer_cycles(busy, words, longword, chip.sbus_cycles)
        reply(chip, slot, command, bus_of(s64(command.me)), unit + 1, time + answer + delay)
    elif code == Command.WRITE:
        for i in range(words):
            store_u32(memory + i * 4, s64(command.data[u(i)]))
        complete(chip, slot, command, time + busy + delay)
    else:
        old = load_u32(memory)
        store_u32(memory, atomic(code, old, s64(command.data[u(0)])))
        command.data[u(0)] = old
        if command.push_words > 0:
            reply(chip, slot, command, bus_of(s64(command.me)), unit + 1, time + longword + delay)
        else:
            complete(chip, slot, command, time + busy + delay)
    return True
