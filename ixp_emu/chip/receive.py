"""Receive: frames into the MACs, over SPI-3 into RBUF, and to waiting threads (docs/hardware-model.md, section 6)."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import MASTER_STATUS, Command
from ixp_emu.chip.compiled import (
    NEVER,
    compiled,
    copy_bytes,
    load_big_endian,
    load_field,
    load_u8,
    s64,
    small,
    store_field,
    u,
)
from ixp_emu.chip.delivery import reply
from ixp_emu.chip.layout import CHANNELS, INGRESS, MEDIA_RX, MSF, offset_of
from ixp_emu.chip.link import next_arrival, oldest_frame, put_event, take_frame
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
    received_data,
    spi_cycles,
    wire_cycles,
)
from ixp_emu.chip.queues import allocate, event_key
from ixp_emu.chip.switch import switch_following, switch_step
from ixp_emu.isa.csr import MSF_REGISTERS

__all__ = ["media_rx_step"]

_TIMEOUT = MSF_REGISTERS["RX_THREAD_FREELIST_TIMEOUT_0"] >> 2
_TIMEOUT_MASK = 0x1FFF
_NULL = 1 << 11
"""Receive status of a thread that waited too long."""
_ARENA = 1 << 16
_BUFFER_MASK = 2047
"""Longwords of RBUF, less 1: an element that a smaller element size had stays inside the buffer."""

_INGRESS_BYTES = INGRESS.itemsize
_ARRIVAL = offset_of(INGRESS, "arrival")
_ADDRESS = offset_of(INGRESS, "address")
_LENGTH = offset_of(INGRESS, "length")


# --- MAC ----------------------------------------------------------------------------------------------------------


@compiled
def _next_arrival(port: Any) -> int:
    """First bit of the port's next frame, NEVER if there is none (yet)."""
    if port.kind == PORT_TRAFFIC:
        if port.source_next >= port.source_count:
            return NEVER
        scheduled = load_field(port.source + port.source_next * _INGRESS_BYTES + _ARRIVAL)
        return max(scheduled, port.not_before // port.byte_den)
    if port.kind >= PORT_LINK:
        return next_arrival(port.source)
    return NEVER


@compiled
def _arrive(chip: Any, port: Any, time: int) -> None:
    """Accept or lose the frame whose first bit is due; a back-pressured source waits for room."""
    link = port.kind >= PORT_LINK
    if link:
        length, data = oldest_frame(port.source)
        row = 0
    else:
        row = port.source + port.source_next * _INGRESS_BYTES
        length = load_field(row + _LENGTH) & 0xFFFFFFFF
        data = load_field(row + _ADDRESS)
    room = port.rx_bytes + length <= chip.mac_rx_bytes and port.rx_count <= RING
    if not room and port.back_pressure:
        return
    # in fractions of a cycle, so that a source that waits for nothing keeps the exact line rate
    begin = max(port.not_before, time * port.byte_den)
    port.not_before = begin + (PREAMBLE_BYTES + length + FCS_BYTES + GAP_BYTES) * port.byte_num
    if room:
        if link:
            if port.rx_write + length > _ARENA:
                port.rx_write = 0
            copy_bytes(received_data(port, port.rx_write), data, length)
        at = u((port.rx_head + port.rx_count) & RING)
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
        take_frame(port.source)
    else:
        store_field(row + _ARRIVAL, time)
        store_field(row + _LENGTH, length | ((1 if room else 2) << 32))
        port.source_next += 1


@small
def _pause_peer(chip: Any, port: Any, time: int) -> None:
    """Send XOFF or XON, if the receive FIFO has come to its mark."""
    if port.pausing:
        if port.rx_bytes > chip.pause_low_bytes:
            return
    elif port.rx_bytes <= chip.pause_high_bytes:
        return
    else:
        port.pauses += 1
    port.pausing ^= 1
    put_event(chip, port.link, time + port.link_latency, port.pausing)


@small
def _ready_time(chip: Any, port: Any) -> int:
    """When the port's next mpacket is complete in its MAC."""
    head = u(port.rx_head & RING)
    if port.kind == PORT_SPI3:
        return s64(port.rx_time[head])
    end = port.rx_sent + chip.rx_element_bytes
    length = port.rx_length[head]
    if end >= length:
        end = max(length, MINIMUM_FRAME_BYTES) + FCS_BYTES
    return s64(port.rx_time[head] + wire_cycles(port, PREAMBLE_BYTES + end))


# --- SPI-3 and RBUF -----------------------------------------------------------------------------------------------


@small
def _ports_of(chip: Any, number: int) -> Any:
    """First port and number of ports of a channel: several channels have one each."""
    if chip.rx_channels == 1:
        return 0, chip.ports
    return number, 1 if number < chip.ports else 0


@compiled
def _fill_element(chip: Any, channel: Any, time: int) -> None:
    """The transfer under way ends: its element is full."""
    index = channel.rx_port
    port = chip.port[u(index)]
    element = channel.rx_element
    count = channel.rx_bytes
    head = u(port.rx_head & RING)
    first = port.rx_sent
    length = s64(port.rx_length[head])
    base = channel.rx_offset >> 2
    source = port.rx_address[head] + first
    if port.kind >= PORT_LINK:
        source = received_data(port, source)
    total = 0
    for i in range(count >> 2):
        word = load_big_endian(source + i * 4)
        total += (word >> 16) + (word & 0xFFFF)
        chip.rbuf[u((base + i) & _BUFFER_MASK)] = word
    if count & 3:  # bytes behind the mpacket's end keep what the element held
        word = 0
        for i in range(count & ~3, count):
            word |= load_u8(source + i) << (24 - (i & 3) * 8)
        total += (word >> 16) + (word & 0xFFFF)
        last = u((base + (count >> 2)) & _BUFFER_MASK)
        chip.rbuf[last] = word | (s64(chip.rbuf[last]) & (0xFFFFFFFF >> (count & 3) * 8))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    status = (element << 24) | ((count & 0xFF) << 16) | index
    if first == 0:
        status |= 1 << 15
    port.rx_sent = first + count
    port.rx_bytes -= count
    if port.kind == PORT_SPI3:
        put_event(chip, port.link, time + port.link_latency, count)
    if port.rx_sent >= length:
        status |= 1 << 14
        port.rx_sent = 0
        port.rx_head = (port.rx_head + 1) & RING
        port.rx_count -= 1
    at = u((channel.full_head + channel.full_count) & 127)
    channel.full_status[at, u(0)] = status
    channel.full_status[at, u(1)] = total
    channel.full_count += 1
    channel.rx_end = NEVER
    chip.last_change = time


@compiled
def _start_transfer(chip: Any, channel: Any, number: int, time: int) -> None:
    """Round robin over the channel's ports: the first whose mpacket is ready starts."""
    first, ports = _ports_of(chip, number)
    for step in range(1, ports + 1):
        index = first + (channel.rx_last_port - first + step) % ports
        port = chip.port[u(index)]
        if port.rx_count == 0 or _ready_time(chip, port) > time:
            continue
        channel.rx_last_port = index
        channel.rx_port = index
        channel.rx_element = channel.rbuf_free[u(channel.rbuf_free_head & 127)]
        channel.rbuf_free_head = (channel.rbuf_free_head + 1) & 127
        channel.rbuf_free_count -= 1
        chip.rbuf_freed[u(channel.rx_element)] = 0
        length = s64(port.rx_length[u(port.rx_head & RING)])
        channel.rx_bytes = min(length - port.rx_sent, chip.rx_element_bytes)
        channel.rx_offset = channel.rx_element * chip.rx_element_bytes
        cycles = spi_cycles(chip, channel.rx_bytes, chip.rx_width_bytes)
        channel.rx_end = time + cycles
        chip.rx_spi_busy += cycles
        port.rx_spi_busy += cycles
        break


@small
def _may_start(chip: Any, channel: Any, number: int) -> bool:
    """Whether nothing but a ready mpacket is missing for a transfer."""
    return channel.rx_end == NEVER and (chip.rx_enabled >> number) & 1 != 0 and channel.rbuf_free_count > 0


# --- threads ------------------------------------------------------------------------------------------------------


@compiled
def _push_status(chip: Any, channel: Any, time: int, status: int, checksum: int) -> None:
    """The oldest waiting thread gets a receive status."""
    entry = s64(channel.freelist[u(channel.freelist_head & 63)])
    channel.freelist_head = (channel.freelist_head + 1) & 63
    channel.freelist_count -= 1
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
    command.data[u(0)] = status
    command.data[u(1)] = checksum
    me = chip.me[u(engine)]
    first = 256 + context * 16 + (entry & 15)
    command.xfer_in = first
    for i in range(2):
        me.busy[u(256 + ((first - 256 + i) & 127))] += 1
    chip.last_change = time
    reply(chip, slot, command, engine >> 2, MASTER_STATUS, time + chip.status_latency)


@compiled
def _pair_status(chip: Any, channel: Any, time: int) -> None:
    """Oldest full element to the oldest waiting thread."""
    at = u(channel.full_head & 127)
    channel.full_head = (channel.full_head + 1) & 127
    channel.full_count -= 1
    status = s64(channel.full_status[at, u(0)])
    _push_status(chip, channel, time, status, s64(channel.full_status[at, u(1)]))


@small
def _timeout(chip: Any, channel: Any, number: int) -> int:
    """When the oldest thread on the channel's free list has waited too long, NEVER if that does not happen."""
    chassis_cycles = s64(chip.msf_register[u(_TIMEOUT + number)]) & _TIMEOUT_MASK
    if chassis_cycles == 0 or channel.freelist_count == 0:
        return NEVER
    return s64(channel.freelist_time[u(channel.freelist_head & 63)]) + 2 * chassis_cycles


# --- step ---------------------------------------------------------------------------------------------------------


@compiled
def media_rx_step(chip: Any, time: int) -> None:
    """Phase 4: what receive does in this cycle, and when it next can do anything."""
    ports = chip.ports
    for number in range(CHANNELS):
        channel = chip.channel[u(number)]
        if channel.rx_end == time:
            _fill_element(chip, channel, time)
    following = NEVER
    for index in range(ports):
        port = chip.port[u(index)]
        if port.kind == PORT_SWITCH:
            switch_step(chip, port, time)
            following = min(following, switch_following(port))
        arrival = _next_arrival(port)
        if arrival <= time:
            _arrive(chip, port, time)
            arrival = _next_arrival(port)
        if port.pause:
            _pause_peer(chip, port, time)
        if arrival > time:  # one that is due and still here waits for room, which a transfer's end makes
            following = min(following, arrival)
    for number in range(chip.rx_channels):
        channel = chip.channel[u(number)]
        if _may_start(chip, channel, number):
            _start_transfer(chip, channel, number, time)
        while channel.full_count > 0 and channel.freelist_count > 0:
            _pair_status(chip, channel, time)
        if _may_start(chip, channel, number):
            first, count = _ports_of(chip, number)
            for index in range(first, first + count):
                port = chip.port[u(index)]
                if port.rx_count > 0:
                    following = min(following, _ready_time(chip, port))
    for number in range(chip.rx_channels):
        channel = chip.channel[u(number)]
        if _timeout(chip, channel, number) <= time:
            _push_status(chip, channel, time, _NULL, 0)
        following = min(following, max(_timeout(chip, channel, number), time + 1))
    for number in range(CHANNELS):
        following = min(following, chip.channel[u(number)].rx_end)
    chip.keys[u(MEDIA_RX)] = NEVER if following == NEVER else event_key(following, 4, MEDIA_RX)
