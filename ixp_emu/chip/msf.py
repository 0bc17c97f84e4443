"""The media switch fabric as the MEs see it: registers, RBUF and TBUF data, element and thread free lists."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import MASTER_MSF, Command, Fault
from ixp_emu.chip.compiled import compiled, s64, u
from ixp_emu.chip.delivery import bus_of, complete, free_inlet, reply
from ixp_emu.chip.layout import MEDIA_RX, MEDIA_TX, MSF
from ixp_emu.chip.queues import fail, hasten, pop, release
from ixp_emu.isa.csr import MSF_REGISTERS

__all__ = ["serve_msf"]

_FREELIST = MSF_REGISTERS["RX_THREAD_FREELIST_0"]
_ELEMENT_DONE = MSF_REGISTERS["RBUF_ELEMENT_DONE"]
_TX_SEQUENCE = MSF_REGISTERS["TX_SEQUENCE_0"]
_TX_CONTROL = MSF_REGISTERS["TBUF_ELEMENT_CONTROL"]
_BUFFER = MSF_REGISTERS["RBUF"]
_END = 0x4000


@compiled
def _read(chip: Any, address: int) -> int:
    """The longword at an MSF offset."""
    if address >= _BUFFER:
        return s64(chip.rbuf[u((address - _BUFFER) >> 2)])
    if address >= _TX_CONTROL:
        return s64(chip.tx_control[u(((address - _TX_CONTROL) >> 3) & 127), u((address >> 2) & 1)])
    if address == _TX_SEQUENCE:
        empty = 1 if chip.tx_valid_count == 0 else 0
        return s64((empty << 31) | (chip.tx_sequence & 0xFF))
    return s64(chip.msf_register[u(address >> 2)])


@compiled
def _validate(chip: Any, element: int, time: int, engine: int) -> None:
    """The second control longword was written: check the first and let the element go."""
    control = s64(chip.tx_control[u(element), u(0)])
    count = control >> 24
    port = control & 0xF
    if chip.tx_valid[u(element)]:
        fail(chip, Fault.TBUF_VALID, time, engine, 0, element)
        return
    starts = (control >> 9) & 1
    if count == 0 or count > chip.element_bytes or port >= chip.ports or element >= chip.tbuf_elements:
        fail(chip, Fault.TBUF_CONTROL, time, engine, starts, control)
        return
    chip.tx_valid[u(element)] = 1
    chip.tx_valid_count += 1
    hasten(chip, MEDIA_TX, 4, time)


@compiled
def _write(chip: Any, address: int, value: int, time: int, engine: int) -> None:
    """Store a longword at an MSF offset, with the effect of the register."""
    if address >= _BUFFER:
        chip.tbuf[u((address - _BUFFER) >> 2)] = value
    elif address >= _TX_CONTROL:
        element = ((address - _TX_CONTROL) >> 3) & 127
        half = (address >> 2) & 1
        chip.tx_control[u(element), u(half)] = value
        if half:
            _validate(chip, element, time, engine)
    elif address == _FREELIST:
        if chip.freelist_count >= chip.freelist_depth:
            fail(chip, Fault.FREELIST_FULL, time, engine, 0, value & 0xFFFF)
            return
        chip.freelist[u((chip.freelist_head + chip.freelist_count) & 63)] = value & 0xFFFF
        chip.freelist_count += 1
        chip.last_change = time
        hasten(chip, MEDIA_RX, 4, time)
    elif address == _ELEMENT_DONE:
        element = value & 0x7F
        if element >= chip.rbuf_elements or chip.rbuf_state[u(element)]:
            fail(chip, Fault.ELEMENT_FREE, time, engine, 0, element)
            return
        chip.rbuf_state[u(element)] = 1
        chip.rbuf_free[u((chip.rbuf_free_head + chip.rbuf_free_count) & 127)] = element
        chip.rbuf_free_count += 1
        hasten(chip, MEDIA_RX, 4, time)
    else:
        chip.msf_register[u(address >> 2)] = value


@compiled
def serve_msf(chip: Any, time: int) -> None:
    """Phase 1: serve the head of the MSF's inlet."""
    inlet = chip.inlet[u(MSF)]
    slot = s64(inlet.head)
    command = chip.pool[u(slot)]
    code = s64(command.code)
    engine = s64(command.me)
    pop(chip, inlet)
    free_inlet(chip, time)
    fast = code == Command.MSF_FAST_WRITE
    words = 1 if fast else s64(command.count)
    address = command.address & (0xFFFC if fast else 0xFFFFFFFC)
    if address + words * 4 > _END:
        fail(chip, Fault.ACCESS_OUTSIDE, time, engine, s64(command.ctx), address)
        return
    structure = u(command.structure)
    chip.references[u(MSF)] += 1
    chip.longwords[u(MSF)] += words
    chip.structure_refs[u(MSF), structure] += 1
    chip.structure_longwords[u(MSF), structure] += words
    chip.queue_wait[u(MSF)] += time - command.ready
    longword = chip.longword_cycles[u(MSF)]
    busy = max(chip.command_cycles[u(MSF)], words * longword)
    delay = chip.delay[u(MSF)]
    chip.unit_busy[u(MSF)] += busy
    chip.unit_free[u(MSF)] = time + busy
    if fast:
        _write(chip, address, (command.address >> 16) & 0xFFFF, time, engine)
        release(chip, slot)
    elif code == Command.READ:
        for i in range(words):
            command.data[u(i)] = _read(chip, address + i * 4)
        reply(chip, slot, command, bus_of(engine), MASTER_MSF, time + longword + delay)
    else:
        for i in range(words):
            _write(chip, address + i * 4, s64(command.data[u(i)]), time, engine)
        complete(chip, slot, command, time + busy + delay)
