"""Transmit: elements of TBUF over SPI-3 into the MACs, frames onto the wires (docs/hardware-model.md, section 6)."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import Fault
from ixp_emu.chip.compiled import NEVER, compiled, copy_bytes, s64, small, store_big_endian, store_field, store_u8, u
from ixp_emu.chip.layout import CHANNELS, EGRESS, MEDIA_TX, PORTS, offset_of
from ixp_emu.chip.link import listens, next_event, put_frame, take_event
from ixp_emu.chip.media import (
    FCS_BYTES,
    GAP_BYTES,
    MINIMUM_FRAME_BYTES,
    PORT_LINK,
    PORT_SPI3,
    PORT_SWITCH,
    PORT_TRAFFIC,
    PREAMBLE_BYTES,
    RING,
    spi_cycles,
    transmit_data,
    wire_cycles,
)
from ixp_emu.chip.queues import event_key, fail
from ixp_emu.chip.switch import send_to_switch, switch_destination

__all__ = ["media_tx_step"]

_ARENA = 1 << 16
_LONGEST = 9_600
"""Longest frame that transmit assembles, bytes."""
_ROOM = 16_384
_BUFFER_MASK = 2047
"""Longwords of TBUF, less 1: an element that a smaller element size had stays inside the buffer."""
_PORT = PORTS - 1
"""Of a control word: whatever is written behind a valid one's back, it names a record of a port."""

_EGRESS_BYTES = EGRESS.itemsize
_OUT_TIME = offset_of(EGRESS, "time")
_OUT_OFFSET = offset_of(EGRESS, "offset")
_OUT_LENGTH = offset_of(EGRESS, "length")


# --- TBUF and SPI-3 -----------------------------------------------------------------------------------------------


@compiled
def _take_element(chip: Any, channel: Any, time: int) -> None:
    """The transfer under way ends: the element's bytes are in the MAC."""
    element = channel.tx_element
    control = s64(chip.tx_control[u(element), u(0)])
    count = control >> 24
    port = chip.port[u(control & _PORT)]
    base = channel.tx_offset >> 2
    data = transmit_data(port, port.tx_write + port.tx_partial)
    for i in range(count >> 2):
        store_big_endian(data + i * 4, s64(chip.tbuf[u((base + i) & _BUFFER_MASK)]))
    if count & 3:
        word = s64(chip.tbuf[u((base + (count >> 2)) & _BUFFER_MASK)])
        for i in range(count & ~3, count):
            store_u8(data + i, word >> (24 - (i & 3) * 8))
    port.tx_partial += count
    if (control >> 8) & 1:
        end = u((port.tx_head + port.tx_count) & RING)
        while port.tx_partial < MINIMUM_FRAME_BYTES:  # the MAC pads on the wire
            port.tx_data[u(port.tx_write + port.tx_partial)] = 0
            port.tx_partial += 1
            port.tx_bytes += 1
        port.tx_start[end] = port.tx_write
        port.tx_length[end] = port.tx_partial
        port.tx_count += 1
        port.tx_write += port.tx_partial
        port.tx_partial = 0
    chip.tx_valid[u(element)] = 0
    channel.tx_valid_count -= 1
    channel.tx_next += 1
    channel.tx_sequence += 1
    channel.tx_end = NEVER
    chip.last_change = time


@compiled
def _start_transfer(chip: Any, channel: Any, number: int, time: int) -> None:
    """The channel's next element in order starts, if it is valid and its port has room."""
    elements = chip.tbuf_elements // chip.tx_channels
    element = number * elements + channel.tx_next % elements
    if not chip.tx_valid[u(element)]:
        return
    control = s64(chip.tx_control[u(element), u(0)])
    count = control >> 24
    port = chip.port[u(control & _PORT)]
    if port.tx_bytes + count > chip.mac_tx_bytes or port.tx_count >= RING:
        return
    if (control >> 9) & 1:
        if port.tx_partial > 0:
            fail(chip, Fault.TBUF_CONTROL, time, -1, 1, control)
            return
        if port.tx_write + _ROOM > _ARENA:
            port.tx_write = 0
    elif port.tx_partial == 0:
        fail(chip, Fault.TBUF_CONTROL, time, -1, 0, control)
        return
    if port.tx_partial + count > _LONGEST:
        fail(chip, Fault.TBUF_CONTROL, time, -1, 2, control)
        return
    port.tx_bytes += count
    channel.tx_element = element
    channel.tx_offset = element * chip.tx_element_bytes
    cycles = spi_cycles(chip, count, chip.tx_width_bytes)
    channel.tx_end = time + cycles
    chip.tx_spi_busy += cycles
    port.tx_spi_busy += cycles


# --- MAC ----------------------------------------------------------------------------------------------------------


@compiled
def _log_egress(chip: Any, port: Any, index: int, start: int, length: int, time: int) -> None:
    """The last bit of a frame left: write it to the egress log."""
    row = chip.egress_rows + chip.egress_count * _EGRESS_BYTES
    store_field(row + _OUT_TIME, time)
    store_field(row + _OUT_OFFSET, chip.egress_arena_used)
    store_field(row + _OUT_LENGTH, length | (index << 32))
    copy_bytes(chip.egress_arena + chip.egress_arena_used, transmit_data(port, start), length)
    chip.egress_arena_used += (length + 3) & ~3
    chip.egress_count += 1
    if chip.egress_count >= chip.egress_capacity or chip.egress_arena_used + _ROOM > chip.egress_arena_bytes:
        chip.stop = 1


@compiled
def _leave(chip: Any, port: Any, index: int, time: int) -> None:
    """The last bit of the oldest frame leaves."""
    head = u(port.tx_head & RING)
    start = s64(port.tx_start[head])
    length = s64(port.tx_length[head])
    port.tx_bytes -= length
    port.frames_out += 1
    port.bytes_out += length
    if port.kind == PORT_TRAFFIC and chip.egress_capacity > 0:
        _log_egress(chip, port, index, start, length, time)
    elif port.kind == PORT_SWITCH and switch_destination(port, start) < 0:
        port.switch_unknown += 1
    port.tx_head = (port.tx_head + 1) & RING
    port.tx_count -= 1
    port.wire_end = NEVER
    chip.last_change = time


@compiled
def _start_wire(chip: Any, port: Any, time: int) -> None:
    """The oldest frame starts on the wire."""
    head = u(port.tx_head & RING)
    start = s64(port.tx_start[head])
    length = s64(port.tx_length[head])
    port.wire_end = time + wire_cycles(port, PREAMBLE_BYTES + length + FCS_BYTES)
    # in fractions of a cycle, so that back-to-back frames keep the exact line rate
    begin = time * port.byte_den
    if begin - port.wire_next < port.byte_den:
        begin = port.wire_next
    port.wire_next = begin + (PREAMBLE_BYTES + length + FCS_BYTES + GAP_BYTES) * port.byte_num
    if port.kind == PORT_LINK:
        put_frame(chip, port.link, port, start, length, time + port.link_latency)
    elif port.kind == PORT_SWITCH:
        send_to_switch(chip, port, start, length, port.wire_end)


@compiled
def _send_spi3(chip: Any, port: Any, index: int, time: int) -> bool:
    """The oldest frame goes to the peer's MSF at once, if its receive FIFO has room for what is on its way."""
    head = u(port.tx_head & RING)
    length = s64(port.tx_length[head])
    if port.peer_used + length > port.peer_bytes:
        return False
    port.peer_used += length
    put_frame(chip, port.link, port, s64(port.tx_start[head]), length, time + port.link_latency)
    _leave(chip, port, index, time)
    return True


@compiled
def _heed_events(port: Any, time: int) -> None:
    """What the peer says by now: XOFF and XON, or bytes that have left its receive FIFO."""
    while next_event(port.source) <= time:
        value = take_event(port.source)
        if port.kind == PORT_SPI3:
            port.peer_used -= value
        else:
            port.paused = value


@small
def _wire_step(chip: Any, port: Any, index: int, time: int) -> int:
    """A port's wire: what leaves, what starts, and when it next can do anything."""
    following = NEVER
    if listens(port):
        _heed_events(port, time)
        following = next_event(port.source)
    if port.wire_end == time:
        _leave(chip, port, index, time)
    if port.tx_count > 0 and port.wire_end == NEVER and port.paused == 0:
        if port.kind == PORT_SPI3:
            if _send_spi3(chip, port, index, time) and port.tx_count > 0:
                following = min(following, time + 1)
        elif time * port.byte_den >= port.wire_next:
            _start_wire(chip, port, time)
        else:
            following = min(following, (port.wire_next + port.byte_den - 1) // port.byte_den)
    return min(following, port.wire_end)


# --- step ---------------------------------------------------------------------------------------------------------


@compiled
def media_tx_step(chip: Any, time: int) -> None:
    """Phase 4, after receive: what transmit does in this cycle, and when it next can do anything."""
    for number in range(CHANNELS):
        channel = chip.channel[u(number)]
        if channel.tx_end == time:
            _take_element(chip, channel, time)
    following = NEVER
    for index in range(chip.ports):
        following = min(following, _wire_step(chip, chip.port[u(index)], index, time))
    for number in range(CHANNELS):
        channel = chip.channel[u(number)]
        if number < chip.tx_channels and channel.tx_end == NEVER and (chip.tx_enabled >> number) & 1:
            _start_transfer(chip, channel, number, time)
        following = min(following, channel.tx_end)
    chip.keys[u(MEDIA_TX)] = NEVER if following == NEVER else event_key(following, 4, MEDIA_TX)
