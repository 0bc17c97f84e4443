"""SPI-3 channels: from the MACs to RBUF elements and from TBUF elements to the MACs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ixp_emu.chip.hardware import Hardware

from .faults import FaultError
from .mac import Port

__all__ = ["CHANNELS", "Direction", "Element", "Mpacket", "Receive", "Transmit", "checksum", "status_of"]

CHANNELS = 4
_SMALLEST_ELEMENT_BYTES = 64
_NULL = 1 << 11


def checksum(data: bytes) -> int:
    """Ones' complement sum of big-endian 16-bit words, an odd last byte padded with 0."""
    even = data + b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(even[i : i + 2], "big") for i in range(0, len(even), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


class Direction:
    """What RX_CONTROL or TX_CONTROL says about transfers that start from now on, and what follows from it."""

    def __init__(self, hardware: Hardware, buffer_bytes: int) -> None:
        self._hardware = hardware
        self._buffer_bytes = buffer_bytes
        self.element_bytes = hardware["msf.element_bytes"]
        self.width_bytes = hardware["msf.width_bytes"]
        self.channels = hardware["msf.channels"]
        self.enabled = 0xF
        self._divide()

    def value(self) -> int:
        """The control register at the start of a run."""
        mode, size = {1: 0, 2: 1, 4: 2}[self.channels], {64: 0, 128: 1, 256: 2}[self.element_bytes]
        return (1 << self.channels) - 1 << 28 | mode << 20 | size << 2

    def write(self, value: int) -> None:
        self.enabled = value >> 28
        self.channels = (1, 2, 4, 2)[value >> 20 & 3]
        self.width_bytes = 4 // self.channels
        self.element_bytes = (64, 128, 256, 256)[value >> 2 & 3]
        self._divide()

    def _divide(self) -> None:
        """Equal parts of the elements for the channels."""
        self.elements = self._buffer_bytes // self.element_bytes
        size = self.elements // self.channels
        self.partition = [range(channel * size, (channel + 1) * size) for channel in range(self.channels)]

    def is_enabled(self, channel: int) -> bool:
        return bool(self.enabled >> channel & 1)

    def ports(self, channel: int, count: int) -> range:
        """Which of a chip's ``count`` ports a channel has."""
        return range(count) if self.channels == 1 else range(channel, min(channel + 1, count))

    def transfer_cycles(self, nbytes: int) -> int:
        """ME cycles of bytes on the bus: whole beats, rounded up."""
        beats = -(-nbytes // self.width_bytes)
        return -(-beats * self._hardware["me_clock_khz"] // self._hardware["msf.clock_khz"])


@dataclass(slots=True)
class Mpacket:
    """A part of a frame."""

    data: bytes
    start: bool
    end: bool


@dataclass(slots=True)
class Element:
    """An RBUF element with an mpacket of a port in it, or on its way there."""

    number: int
    port: int
    mpacket: Mpacket


def status_of(element: Element) -> list[int]:
    """The receive status: two longwords."""
    mpacket = element.mpacket
    flags = mpacket.start << 15 | mpacket.end << 14
    word = element.number << 24 | (len(mpacket.data) & 0xFF) << 16 | flags | element.port
    return [word, checksum(mpacket.data)]


@dataclass(slots=True)
class _Filling:
    """A receive transfer under way; ``place`` is the element's first byte in RBUF."""

    end: int
    place: int
    element: Element


@dataclass(slots=True)
class _Draining:
    """A transmit transfer under way; ``place`` is the element's first byte in TBUF."""

    end: int
    place: int
    element: int


@dataclass(slots=True)
class _ReceiveChannel:
    transfer: _Filling | None = None
    last_port: int = -1
    full: deque[Element] = field(default_factory=deque)
    freelist: deque[tuple[int, int]] = field(default_factory=deque)  # entry, service that put it there
    timeout: int = 0  # chassis cycles; 0: none


class Receive:
    """The receive half of the MSF: channels, RBUF elements, full lists and thread free lists."""

    def __init__(self, hardware: Hardware, rbuf: bytearray, ports: Sequence[Port]) -> None:
        self._hardware = hardware
        self._rbuf = rbuf
        self._ports = ports
        self.control = Direction(hardware, len(rbuf))
        left_out = {0, 9, 18, 27} if hardware["msf.rbuf_erratum"] and self.control.element_bytes == 64 else set()
        self.free_elements = deque(e for e in range(self.control.elements) if e not in left_out)
        self.channel = [_ReceiveChannel() for _ in range(CHANNELS)]
        self.deliver_status: Callable[[int, int, int, Sequence[int], int], None]
        self.spi_busy = 0

    def step(self, now: int) -> None:
        """Phase 4, first half."""
        channels = range(self.control.channels)
        for channel in self.channel:
            self._end_transfer(channel, now)
        for port in self._ports:
            port.arrive(now)
        for number in channels:
            self._start_transfer(number, now)
        for number in channels:
            channel = self.channel[number]
            while channel.full and channel.freelist:
                self._pair(channel, now)
        for number in channels:
            self._time_out(self.channel[number], now)

    def _end_transfer(self, channel: _ReceiveChannel, now: int) -> None:
        transfer = channel.transfer
        if transfer is None or transfer.end > now:
            return
        channel.transfer = None
        data = transfer.element.mpacket.data
        self._rbuf[transfer.place : transfer.place + len(data)] = data
        self._ports[transfer.element.port].leave_fifo(now, len(data))
        channel.full.append(transfer.element)

    def _start_transfer(self, number: int, now: int) -> None:
        channel = self.channel[number]
        if channel.transfer is not None or not self.control.is_enabled(number):
            return
        port = self._next_port(number, now)
        free = self._oldest_free(number) if port is not None else None
        if port is None or free is None:
            return
        self.free_elements.remove(free)
        mpacket = self._cut(port)
        cycles = self.control.transfer_cycles(len(mpacket.data))
        place = free * self.control.element_bytes
        channel.transfer = _Filling(now + cycles, place, Element(free, port.number, mpacket))
        channel.last_port = port.number
        self.spi_busy += cycles

    def _next_port(self, number: int, now: int) -> Port | None:
        """The first port of a channel with an mpacket ready, round robin."""
        count = len(self._ports)
        ready = [
            port
            for port in (self._ports[n] for n in self.control.ports(number, count))
            if port.rx_frames and port.ready(self.control.element_bytes) <= now
        ]
        last = self.channel[number].last_port
        return min(ready, key=lambda port: (port.number - last - 1) % count, default=None)

    def _oldest_free(self, number: int) -> int | None:
        """The element of a channel's partition that has been free longest."""
        partition = self.control.partition[number]
        return next((element for element in self.free_elements if element in partition), None)

    def _cut(self, port: Port) -> Mpacket:
        """Take the next mpacket of the oldest frame."""
        arrival = port.rx_frames[0]
        start, end = arrival.sent, port.next_end(self.control.element_bytes)
        arrival.sent = end
        last = end == len(arrival.frame)
        if last:
            port.rx_frames.popleft()
        return Mpacket(arrival.frame[start:end], start == 0, last)

    def _pair(self, channel: _ReceiveChannel, now: int) -> None:
        """The oldest full element goes to the oldest waiting thread."""
        self._status(channel, status_of(channel.full.popleft()), now)

    def _time_out(self, channel: _ReceiveChannel, now: int) -> None:
        """The oldest waiting thread gets a null status once it has waited long enough."""
        if channel.timeout and channel.freelist and now >= channel.freelist[0][1] + 2 * channel.timeout:
            self._status(channel, [_NULL, 0], now)

    def _status(self, channel: _ReceiveChannel, status: Sequence[int], now: int) -> None:
        entry, _ = channel.freelist.popleft()
        self.deliver_status(entry >> 7 & 7, entry >> 4 & 7, entry, status, now + self._hardware["msf.status_latency"])


@dataclass(slots=True)
class _TransmitChannel:
    transfer: _Draining | None = None
    sequence: int = 0
    sent: int = 0  # elements of the partition before the next one in order


class Transmit:
    """The transmit half of the MSF: channels, TBUF elements and their control words (word 0 of each)."""

    def __init__(self, hardware: Hardware, tbuf: bytearray, ports: Sequence[Port]) -> None:
        self._hardware = hardware
        self._tbuf = tbuf
        self._ports = ports
        self.control = Direction(hardware, len(tbuf))
        self.words = [0] * (len(tbuf) // _SMALLEST_ELEMENT_BYTES)
        self.valid = [False] * (len(tbuf) // _SMALLEST_ELEMENT_BYTES)
        self.channel = [_TransmitChannel() for _ in range(CHANNELS)]
        self.spi_busy = 0

    def sequence(self, number: int) -> int:
        """TX_SEQUENCE of an existing channel."""
        empty = not any(self.valid[element] for element in self.control.partition[number])
        return empty << 31 | self.channel[number].sequence

    def count(self, element: int) -> int:
        return self.words[element] >> 24

    def port(self, element: int) -> int:
        return self.words[element] & 0x1F

    def problem(self, element: int) -> tuple[str, str] | None:
        """What is wrong with validating an element: kind of the fault and detail."""
        if self.valid[element]:
            return "element already valid", f"TBUF element {element}"
        count, port = self.count(element), self.port(element)
        if not 1 <= count <= self.control.element_bytes:
            return "bad element control", f"TBUF element {element} of {count} bytes"
        channel = next(c for c in range(self.control.channels) if element in self.control.partition[c])
        if port not in self.control.ports(channel, len(self._ports)):
            return "bad element control", f"TBUF element {element} of channel {channel} for port {port}"
        return None

    def step(self, now: int) -> None:
        """Phase 4, second half."""
        for channel in self.channel:
            self._end_transfer(channel, now)
        for port in self._ports:
            port.end_frame(now)
        for port in self._ports:
            port.start_frame(now)
        for number in range(self.control.channels):
            self._start_transfer(number, now)

    def _end_transfer(self, channel: _TransmitChannel, now: int) -> None:
        transfer = channel.transfer
        if transfer is None or transfer.end > now:
            return
        channel.transfer = None
        element = transfer.element
        data = bytes(self._tbuf[transfer.place : transfer.place + self.count(element)])
        self._ports[self.port(element)].take(data, end_of_packet=bool(self.words[element] >> 8 & 1))
        self.valid[element] = False
        channel.sequence = (channel.sequence + 1) % 256
        channel.sent += 1

    def _start_transfer(self, number: int, now: int) -> None:
        channel = self.channel[number]
        partition = self.control.partition[number]
        element = partition[channel.sent % len(partition)]
        if channel.transfer is not None or not self.valid[element] or not self.control.is_enabled(number):
            return
        count, start = self.count(element), bool(self.words[element] >> 9 & 1)
        port = self._ports[self.port(element)]
        if port.tx_used + count > self._hardware["mac.tx_fifo_bytes"]:
            return
        if port.tx_partial is None and not start:
            raise FaultError("bad element control", f"TBUF element {element} begins a frame without SOP")
        port.tx_used += count
        cycles = self.control.transfer_cycles(count)
        self.spi_busy += cycles
        channel.transfer = _Draining(now + cycles, element * self.control.element_bytes, element)
