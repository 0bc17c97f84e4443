"""The media switch fabric as the MEs see it: registers, RBUF and TBUF data, element and thread free lists."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import MASTER_MSF, Command, Fault
from ixp_emu.chip.compiled import compiled, rare, s64, small, u
from ixp_emu.chip.delivery import answer_cycles, bus_of, complete, reply
from ixp_emu.chip.inlets import free_inlet
from ixp_emu.chip.layout import CHANNELS, MEDIA_RX, MEDIA_TX, MSF
from ixp_emu.chip.queues import fail, fail_command, hasten, pop, release
from ixp_emu.isa.csr import MSF_REGISTERS

__all__ = ["read_register", "serve_msf", "write_register"]

_FREELIST = MSF_REGISTERS["RX_THREAD_FREELIST_0"]
_ELEMENT_DONE = MSF_REGISTERS["RBUF_ELEMENT_DONE"]
_TX_SEQUENCE = MSF_REGISTERS["TX_SEQUENCE_0"]
_TIMEOUT = MSF_REGISTERS["RX_THREAD_FREELIST_TIMEOUT_0"]
_ELEMENT_CONTROL = MSF_REGISTERS["TBUF_ELEMENT_CONTROL"]
_RX_CONTROL = MSF_REGISTERS["RX_CONTROL"]
_TX_CONTROL = MSF_REGISTERS["TX_CONTROL"]
_BUFFER = MSF_REGISTERS["RBUF"]
_END = 0x4000
_PORT = 0x1F


@compiled
def read_register(chip: Any, address: int) -> int:
    """The longword at an MSF offset."""
    if address >= _BUFFER:
        return s64(chip.rbuf[u((address - _BUFFER) >> 2)])
    if address >= _ELEMENT_CONTROL:
        return s64(chip.tx_control[u(((address - _ELEMENT_CONTROL) >> 3) & 127), u((address >> 2) & 1)])
    if address >= _TX_SEQUENCE and address < _TX_SEQUENCE + 4 * chip.tx_channels:
        channel = chip.channel[u((address - _TX_SEQUENCE) >> 2)]
        empty = 1 if channel.tx_valid_count == 0 else 0
        return s64((empty << 31) | (channel.tx_sequence & 0xFF))
    return s64(chip.msf_register[u(address >> 2)])


@small
def _channels(control: int) -> int:
    """Channels of a direction with a RX_CONTROL or TX_CONTROL."""
    code = (control >> 20) & 3
    return 1 if code == 0 else (4 if code == 2 else 2)


@small
def _element(control: int) -> int:
    """Element size that a RX_CONTROL or TX_CONTROL chooses, bytes."""
    return 64 << min((control >> 2) & 3, 2)


@small
def _partition(elements: int, channels: int, element: int) -> int:
    """The channel an element belongs to; the last one for a number beyond all."""
    return min(element // (elements // channels), channels - 1)


@compiled
def _free_element(chip: Any, element: int) -> None:
    """Put an element on its channel's list; one that there is no more since elements are larger, on none."""
    if element >= chip.rbuf_elements:
        return
    channel = chip.channel[u(_partition(chip.rbuf_elements, chip.rx_channels, element))]
    channel.rbuf_free[u((channel.rbuf_free_head + channel.rbuf_free_count) & 127)] = element
    channel.rbuf_free_count += 1


@rare
def _control_receive(chip: Any, control: int) -> None:
    """RX_CONTROL was written; a transfer under way goes on as it began."""
    chip.rx_enabled = (control >> 28) & 0xF
    chip.rx_channels = _channels(control)
    chip.rx_width_bytes = 4 // chip.rx_channels
    chip.rx_element_bytes = _element(control)
    chip.rbuf_elements = chip.rbuf_bytes // chip.rx_element_bytes
    for number in range(CHANNELS):
        chip.channel[u(number)].rbuf_free_count = 0
    last = 0
    while True:  # elements in the order of their freeing
        element = -1
        for other in range(128):
            freed = chip.rbuf_freed[u(other)]
            if freed > last and (element < 0 or freed < chip.rbuf_freed[u(element)]):
                element = other
        if element < 0:
            break
        last = chip.rbuf_freed[u(element)]
        _free_element(chip, element)


@rare
def _control_transmit(chip: Any, control: int) -> None:
    """TX_CONTROL was written; a transfer under way goes on as it began."""
    chip.tx_enabled = (control >> 28) & 0xF
    chip.tx_channels = _channels(control)
    chip.tx_width_bytes = 4 // chip.tx_channels
    chip.tx_element_bytes = _element(control)
    chip.tbuf_elements = chip.tbuf_bytes // chip.tx_element_bytes
    for number in range(CHANNELS):
        chip.channel[u(number)].tx_valid_count = 0
    for element in range(128):
        if chip.tx_valid[u(element)]:
            chip.channel[u(_partition(chip.tbuf_elements, chip.tx_channels, element))].tx_valid_count += 1


@compiled
def _validate(chip: Any, element: int, time: int, engine: int, media: int) -> None:
    """The second control longword was written: check the first and let the element go."""
    control = s64(chip.tx_control[u(element), u(0)])
    count = control >> 24
    port = control & _PORT
    if chip.tx_valid[u(element)]:
        fail(chip, Fault.TBUF_VALID, time, engine, 0, element)
        return
    starts = (control >> 9) & 1
    if count == 0 or count > chip.tx_element_bytes or port >= chip.ports or element >= chip.tbuf_elements:
        fail(chip, Fault.TBUF_CONTROL, time, engine, starts, control)
        return
    number = _partition(chip.tbuf_elements, chip.tx_channels, element)
    if chip.tx_channels > 1 and port != number:
        fail(chip, Fault.TBUF_CONTROL, time, engine, starts, control)
        return
    chip.tx_valid[u(element)] = 1
    chip.channel[u(number)].tx_valid_count += 1
    hasten(chip, MEDIA_TX, 4, media)


@compiled
def write_register(chip: Any, address: int, value: int, time: int, engine: int, media: int) -> None:
    """Store a longword at an MSF offset, with the effect of the register; media sees it first in cycle ``media``."""
    if address >= _BUFFER:
        chip.tbuf[u((address - _BUFFER) >> 2)] = value
    elif address >= _ELEMENT_CONTROL:
        element = ((address - _ELEMENT_CONTROL) >> 3) & 127
        half = (address >> 2) & 1
        chip.tx_control[u(element), u(half)] = value
        if half:
            _validate(chip, element, time, engine, media)
    elif address >= _FREELIST and address < _FREELIST + 4 * chip.rx_channels:
        channel = chip.channel[u((address - _FREELIST) >> 2)]
        if channel.freelist_count >= chip.freelist_depth:
            fail(chip, Fault.FREELIST_FULL, time, engine, 0, value & 0xFFFF)
            return
        at = u((channel.freelist_head + channel.freelist_count) & 63)
        channel.freelist[at] = value & 0xFFFF
        channel.freelist_time[at] = time
        channel.freelist_count += 1
        chip.last_change = time
        hasten(chip, MEDIA_RX, 4, media)
    elif address == _ELEMENT_DONE:
        element = value & 0x7F
        if element >= chip.rbuf_elements or chip.rbuf_freed[u(element)]:
            fail(chip, Fault.ELEMENT_FREE, time, engine, 0, element)
            return
        chip.rbuf_frees += 1
        chip.rbuf_freed[u(element)] = chip.rbuf_frees
        _free_element(chip, element)
        hasten(chip, MEDIA_RX, 4, media)
    else:
        chip.msf_register[u(address >> 2)] = value
        if address == _RX_CONTROL:
            _control_receive(chip, value)
            hasten(chip, MEDIA_RX, 4, media)
        elif address == _TX_CONTROL:
            _control_transmit(chip, value)
            hasten(chip, MEDIA_TX, 4, media)
        elif address >= _TIMEOUT and address < _TIMEOUT + 4 * CHANNELS:
            hasten(chip, MEDIA_RX, 4, media)


@small
def _blame(chip: Any, command: Any) -> None:
    """The fault of a register, if there is one, is that of the command that wrote it."""
    if chip.fault != Fault.NONE:
        chip.fault_context = command.ctx
        chip.fault_pc = command.pc


@compiled
def serve_msf(chip: Any, time: int) -> bool:
    """Phase 1: serve the head of the MSF's inlet; false if it is a fault, which waits for its time."""
    inlet = chip.inlet[u(MSF)]
    slot = s64(inlet.head)
    command = chip.pool[u(slot)]
    code = s64(command.code)
    engine = s64(command.me)
    fast = code == Command.MSF_FAST_WRITE
    words = 1 if fast else s64(command.count)
    address = command.address & (0xFFFC if fast else 0xFFFFFFFC)
    if address + words * 4 > _END:
        fail_command(chip, command, Fault.ACCESS_OUTSIDE, time, address)
        return False
    pop(chip, inlet)
    free_inlet(chip, MSF, time)
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
        write_register(chip, address, (command.address >> 16) & 0xFFFF, time, engine, time)
        _blame(chip, command)
        release(chip, slot)
    elif code == Command.READ:
        for i in range(words):
            command.data[u(i)] = read_register(chip, address + i * 4)
        answer = answer_cycles(words * longword, words, longword, chip.sbus_cycles)
        reply(chip, slot, command, bus_of(engine), MASTER_MSF, time + answer + delay)
    else:
        for i in range(words):
            write_register(chip, address + i * 4, s64(command.data[u(i)]), time, engine, time)
        _blame(chip, command)
        complete(chip, slot, command, time + busy + delay)
    return True
