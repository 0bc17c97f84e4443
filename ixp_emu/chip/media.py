"""MACs, SPI-3, RBUF and TBUF: frames in and out (docs/hardware-model.md, section 6)."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import MASTER_STATUS, Command, Fault
from ixp_emu.chip.compiled import (
    NEVER,
    compiled,
    load_acquire,
    load_field,
    load_u8,
    s64,
    small,
    store_field,
    store_release,
    store_u8,
    u,
)
from ixp_emu.chip.delivery import reply
from ixp_emu.chip.layout import EGRESS, INGRESS, LINK, LINK_FRAME_BYTES, LINK_SLOTS, MEDIA_RX, MEDIA_TX, MSF, offset_of
from ixp_emu.chip.queues import allocate, event_key, fail

__all__ = ["PORT_LINK", "PORT_TRAFFIC", "media_rx_step", "media_tx_step"]

PORT_TRAFFIC = 1
PORT_LINK = 2
_PREAMBLE = 8
_FCS = 4
_GAP = 12
_MINIMUM = 60
_RING = 1023
_ARENA = 1 << 16
_LONGEST = 9_600
"""Longest frame that transmit assembles, bytes."""
_ROOM = 16_384
_BUFFER_MASK = 2047
"""Longwords of RBUF and TBUF, less 1: an element that a smaller element size had stays inside its buffer."""

_INGRESS_BYTES = INGRESS.itemsize
_EGRESS_BYTES = EGRESS.itemsize
_ARRIVAL = offset_of(INGRESS, "arrival")
_ADDRESS = offset_of(INGRESS, "address")
_LENGTH = offset_of(INGRESS, "length")
_STATUS = offset_of(INGRESS, "status")
_LINK_WRITTEN = offset_of(LINK, "written")
_LINK_READ = offset_of(LINK, "read")
_LINK_ARRIVAL = offset_of(LINK, "arrival")
_LINK_LENGTH = offset_of(LINK, "length")
_LINK_DATA = offset_of(LINK, "data")
_OUT_TIME = offset_of(EGRESS, "time")
_OUT_OFFSET = offset_of(EGRESS, "offset")
_OUT_LENGTH = offset_of(EGRESS, "length")
_OUT_PORT = offset_of(EGRESS, "port")


@small
def _wire(port: Any, count: int) -> int:
    """Cycles that bytes take on a port's wire, rounded up."""
    return (count * port.byte_num + port.byte_den - 1) // port.byte_den


@small
def _spi(chip: Any, count: int, width_bytes: int) -> int:
    """Cycles that bytes take on SPI-3."""
    clocks = (count + width_bytes - 1) // width_bytes
    return (clocks * chip.me_khz + chip.msf_khz - 1) // chip.msf_khz


# --- receive ----------------------------------------------------------------------------------------------------


@compiled
def _next_arrival(port: Any) -> int:
    """First bit of the port's next frame, NEVER if there is none (yet)."""
    if port.kind == PORT_TRAFFIC:
        if port.source_next >= port.source_count:
            return NEVER
        scheduled = load_field(port.source + port.source_next * _INGRESS_BYTES + _ARRIVAL)
        return max(scheduled, port.not_before)
    if port.kind == PORT_LINK:
        read = load_field(port.source + _LINK_READ)
        if read >= load_acquire(port.source + _LINK_WRITTEN):
            return NEVER
        return load_field(port.source + _LINK_ARRIVAL + (read & (LINK_SLOTS - 1)) * 8)
    return NEVER


@compiled
def _arrive(chip: Any, port: Any, time: int) -> None:
    """Accept or lose the frame whose first bit is due; a back-pressured source waits for room."""
    link = port.kind == PORT_LINK
    if link:
        slot = load_field(port.source + _LINK_READ) & (LINK_SLOTS - 1)
        length = load_field(port.source + _LINK_LENGTH + slot * 8)
        data = port.source + _LINK_DATA + slot * LINK_FRAME_BYTES
        row = 0
    else:
        row = port.source + port.source_next * _INGRESS_BYTES
        length = load_field(row + _LENGTH) & 0xFFFFFFFF
        data = load_field(row + _ADDRESS)
    room = port.rx_bytes + length <= chip.mac_rx_bytes and port.rx_count <= _RING
    if not room and port.back_pressure:
        return
    port.not_before = time + (_PREAMBLE + length + _FCS + _GAP) * port.byte_num // port.byte_den
    if room:
        if link:
            if port.rx_write + length > _ARENA:
                port.rx_write = 0
            for i in range(length):
                port.rx_data[u(port.rx_write + i)] = load_u8(data + i)
        at = u((port.rx_head + port.rx_count) & _RING)
        port.rx_time[at] = time
        port.rx_length[at] = length
        if link:
            port.rx_address[at] = port.rx_write
            port.rx_write += length
        else:
            port.rx_address[at] = data
        port.rx_count += 1
        port.rx_bytes += length
        port.frames_in += 1
        port.bytes_in += length
    else:
        port.frames_lost += 1
    chip.last_change = time
    if link:
        store_release(port.source + _LINK_READ, load_field(port.source + _LINK_READ) + 1)
    else:
        store_field(row + _ARRIVAL, time)
        store_field(row + _LENGTH, length | ((1 if room else 2) << 32))
        port.source_next += 1


@small
def _ready_time(chip: Any, port: Any) -> int:
    """When the port's next mpacket is complete in its MAC."""
    head = u(port.rx_head & _RING)
    end = port.rx_sent + chip.rx_element_bytes
    length = port.rx_length[head]
    if end >= length:
        end = max(length, _MINIMUM) + _FCS
    return s64(port.rx_time[head] + _wire(port, _PREAMBLE + end))


@compiled
def _fill_element(chip: Any, time: int) -> None:
    """The transfer under way ends: its element is full."""
    index = chip.rx_port
    port = chip.port[u(index)]
    element = chip.rx_element
    count = chip.rx_bytes
    head = u(port.rx_head & _RING)
    first = port.rx_sent
    length = s64(port.rx_length[head])
    base = chip.rx_offset >> 2
    source = port.rx_address[head] + first
    total = 0
    for i in range((count + 3) >> 2):
        word = 0
        missing = 0  # bytes behind the mpacket's end keep what the element held
        for byte in range(4):
            value = 0
            at = i * 4 + byte
            if at < count:
                value = s64(port.rx_data[u(source + at)]) if port.kind == PORT_LINK else load_u8(source + at)
            else:
                missing = (missing << 8) | 0xFF
            word = (word << 8) | value
        total += (word >> 16) + (word & 0xFFFF)
        at = (base + i) & _BUFFER_MASK
        chip.rbuf[u(at)] = word | (s64(chip.rbuf[u(at)]) & missing)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    status = (element << 24) | ((count & 0xFF) << 16) | index
    if first == 0:
        status |= 1 << 15
    port.rx_sent = first + count
    port.rx_bytes -= count
    if port.rx_sent >= length:
        status |= 1 << 14
        port.rx_sent = 0
        port.rx_head = (port.rx_head + 1) & _RING
        port.rx_count -= 1
    at = u((chip.full_head + chip.full_count) & 127)
    chip.full_status[at, u(0)] = status
    chip.full_status[at, u(1)] = total
    chip.full_count += 1
    chip.rx_end = NEVER
    chip.last_change = time


@compiled
def _pair_status(chip: Any, time: int) -> None:
    """Oldest full element to the oldest waiting thread: push the receive status."""
    entry = s64(chip.freelist[u(chip.freelist_head & 63)])
    chip.freelist_head = (chip.freelist_head + 1) & 63
    chip.freelist_count -= 1
    at = u(chip.full_head & 127)
    chip.full_head = (chip.full_head + 1) & 127
    chip.full_count -= 1
    slot = allocate(chip)
    command = chip.pool[u(slot)]
    engine = (entry >> 7) & 7
    context = (entry >> 4) & 7
    command.stamp = time
    command.code = Command.STATUS
    command.action = 64
    command.unit = MSF
    command.me = engine
    command.ctx = context
    command.signal = entry >> 12
    command.marked = 2
    command.pull_words = 0
    command.push_words = 2
    command.structure = 0
    command.data[u(0)] = chip.full_status[at, u(0)]
    command.data[u(1)] = chip.full_status[at, u(1)]
    me = chip.me[u(engine)]
    first = 256 + context * 16 + (entry & 15)
    command.xfer_in = first
    for i in range(2):
        me.busy[u(256 + ((first - 256 + i) & 127))] += 1
    chip.last_change = time
    reply(chip, slot, command, engine >> 2, MASTER_STATUS, time + chip.status_latency)


@compiled
def media_rx_step(chip: Any, time: int) -> None:
    """Phase 4: what receive does in this cycle, and when it next can do anything."""
    ports = chip.ports
    if chip.rx_end == time:
        _fill_element(chip, time)
    for index in range(ports):
        port = chip.port[u(index)]
        if _next_arrival(port) <= time:
            _arrive(chip, port, time)
    if chip.rx_end == NEVER and chip.rx_enabled and chip.rbuf_free_count > 0:
        for step in range(1, ports + 1):
            index = (chip.rx_last_port + step) % ports
            port = chip.port[u(index)]
            if port.rx_count == 0 or _ready_time(chip, port) > time:
                continue
            chip.rx_last_port = index
            chip.rx_port = index
            chip.rx_element = chip.rbuf_free[u(chip.rbuf_free_head & 127)]
            chip.rbuf_free_head = (chip.rbuf_free_head + 1) & 127
            chip.rbuf_free_count -= 1
            chip.rbuf_state[u(chip.rx_element)] = 0
            length = s64(port.rx_length[u(port.rx_head & _RING)])
            chip.rx_bytes = min(length - port.rx_sent, chip.rx_element_bytes)
            chip.rx_offset = chip.rx_element * chip.rx_element_bytes
            cycles = _spi(chip, chip.rx_bytes, chip.rx_width_bytes)
            chip.rx_end = time + cycles
            chip.rx_spi_busy += cycles
            break
    while chip.full_count > 0 and chip.freelist_count > 0:
        _pair_status(chip, time)
    following = chip.rx_end
    for index in range(ports):
        port = chip.port[u(index)]
        arrival = _next_arrival(port)
        if arrival > time:  # one that is due and still here waits for room, which a transfer's end makes
            following = min(following, arrival)
        if chip.rx_end == NEVER and chip.rx_enabled and chip.rbuf_free_count > 0 and port.rx_count > 0:
            following = min(following, _ready_time(chip, port))
    chip.keys[u(MEDIA_RX)] = NEVER if following == NEVER else event_key(following, 4, MEDIA_RX)


# --- transmit ---------------------------------------------------------------------------------------------------


@compiled
def _take_element(chip: Any, time: int) -> None:
    """The transfer under way ends: the element's bytes are in the MAC."""
    element = chip.tx_element
    control = s64(chip.tx_control[u(element), u(0)])
    count = control >> 24
    port = chip.port[u(control & 0xF)]
    if (control >> 9) & 1:
        if port.tx_partial > 0:
            fail(chip, Fault.TBUF_CONTROL, time, -1, 1, control)
        if port.tx_write + _ROOM > _ARENA:
            port.tx_write = 0
    elif port.tx_partial == 0:
        fail(chip, Fault.TBUF_CONTROL, time, -1, 0, control)
    base = chip.tx_offset >> 2
    at = port.tx_write + port.tx_partial
    if port.tx_partial + count > _LONGEST:
        fail(chip, Fault.TBUF_CONTROL, time, -1, 2, control)
        return
    for i in range(count):
        word = s64(chip.tbuf[u((base + (i >> 2)) & _BUFFER_MASK)])
        port.tx_data[u(at + i)] = (word >> (24 - (i & 3) * 8)) & 0xFF
    port.tx_partial += count
    if (control >> 8) & 1:
        end = u((port.tx_head + port.tx_count) & _RING)
        while port.tx_partial < _MINIMUM:  # the MAC pads on the wire
            port.tx_data[u(port.tx_write + port.tx_partial)] = 0
            port.tx_partial += 1
            port.tx_bytes += 1
        port.tx_start[end] = port.tx_write
        port.tx_length[end] = port.tx_partial
        port.tx_count += 1
        port.tx_write += port.tx_partial
        port.tx_partial = 0
    chip.tx_valid[u(element)] = 0
    chip.tx_valid_count -= 1
    chip.tx_element = (element + 1) % chip.tbuf_elements
    chip.tx_sequence += 1
    chip.tx_end = NEVER
    chip.last_change = time


@compiled
def _log_egress(chip: Any, port: Any, index: int, start: int, length: int, time: int) -> None:
    """The last bit of a frame left: write it to the egress log."""
    row = chip.egress_rows + chip.egress_count * _EGRESS_BYTES
    store_field(row + _OUT_TIME, time)
    store_field(row + _OUT_OFFSET, chip.egress_arena_used)
    store_field(row + _OUT_LENGTH, length | (index << 32))
    out = chip.egress_arena + chip.egress_arena_used
    for i in range(length):
        store_u8(out + i, s64(port.tx_data[u(start + i)]))
    chip.egress_arena_used += (length + 3) & ~3
    chip.egress_count += 1
    if chip.egress_count >= chip.egress_capacity or chip.egress_arena_used + _ROOM > chip.egress_arena_bytes:
        chip.stop = 1


@compiled
def _start_wire(chip: Any, port: Any, time: int) -> None:
    head = u(port.tx_head & _RING)
    length = s64(port.tx_length[head])
    port.wire_end = time + _wire(port, _PREAMBLE + length + _FCS)
    # in fractions of a cycle, so that back-to-back frames keep the exact line rate
    begin = time * port.byte_den
    if begin - port.wire_next < port.byte_den:
        begin = port.wire_next
    port.wire_next = begin + (_PREAMBLE + length + _FCS + _GAP) * port.byte_num
    if port.kind == PORT_LINK:
        written = load_field(port.link + _LINK_WRITTEN)
        slot = written & (LINK_SLOTS - 1)
        if written - load_acquire(port.link + _LINK_READ) >= LINK_SLOTS or length > LINK_FRAME_BYTES:
            fail(chip, Fault.INTERNAL, time, -1, 0, 2)
            return
        data = port.link + _LINK_DATA + slot * LINK_FRAME_BYTES
        start = s64(port.tx_start[head])
        for i in range(length):
            store_u8(data + i, s64(port.tx_data[u(start + i)]))
        store_field(port.link + _LINK_LENGTH + slot * 8, length)
        store_field(port.link + _LINK_ARRIVAL + slot * 8, time + port.link_latency)
        store_release(port.link + _LINK_WRITTEN, written + 1)


@compiled
def media_tx_step(chip: Any, time: int) -> None:
    """Phase 4, after receive: what transmit does in this cycle, and when it next can do anything."""
    ports = chip.ports
    if chip.tx_end == time:
        _take_element(chip, time)
    following = NEVER
    for index in range(ports):
        port = chip.port[u(index)]
        if port.wire_end == time:
            head = u(port.tx_head & _RING)
            length = s64(port.tx_length[head])
            port.tx_bytes -= length
            port.frames_out += 1
            port.bytes_out += length
            if port.kind == PORT_TRAFFIC and chip.egress_capacity > 0:
                _log_egress(chip, port, index, s64(port.tx_start[head]), length, time)
            port.tx_head = (port.tx_head + 1) & _RING
            port.tx_count -= 1
            port.wire_end = NEVER
            chip.last_change = time
        if port.wire_end == NEVER and port.tx_count > 0:
            if time * port.byte_den >= port.wire_next:
                _start_wire(chip, port, time)
            else:
                following = min(following, (port.wire_next + port.byte_den - 1) // port.byte_den)
        following = min(following, port.wire_end)
    element = chip.tx_element
    if chip.tx_end == NEVER and chip.tx_enabled and chip.tx_valid[u(element)]:
        control = s64(chip.tx_control[u(element), u(0)])
        count = control >> 24
        port = chip.port[u(control & 0xF)]
        if port.tx_bytes + count <= chip.mac_tx_bytes and port.tx_count < _RING:
            port.tx_bytes += count
            chip.tx_offset = element * chip.tx_element_bytes
            cycles = _spi(chip, count, chip.tx_width_bytes)
            chip.tx_end = time + cycles
            chip.tx_spi_busy += cycles
    following = min(following, chip.tx_end)
    chip.keys[u(MEDIA_TX)] = NEVER if following == NEVER else event_key(following, 4, MEDIA_TX)
