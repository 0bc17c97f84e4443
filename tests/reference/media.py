"""The media switch fabric (MSF) with RBUF and TBUF, the SPI-3 transfers and the Ethernet MACs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

from ixp_emu.chip.hardware import Hardware

from .commands import Command, SBusUnit
from .faults import FaultError

__all__ = ["BufferMemory", "Media"]

_RX_CONTROL = 0x0000
_TX_CONTROL = 0x0004
_RX_THREAD_FREELIST_0 = 0x0030
_RBUF_ELEMENT_DONE = 0x0044
_TX_SEQUENCE_0 = 0x0060
_TBUF_CONTROL = 0x1800
_BUFFERS = 0x2000

_PREAMBLE_BYTES = 8
_FCS_BYTES = 4
_GAP_BYTES = 12
_MINIMUM_BYTES = 60  # of a frame without FCS
_SMALLEST_ELEMENT_BYTES = 64


class BufferMemory:
    """RBUF or TBUF, seen as longwords from media byte address 0x2000 on; byte 0 is bits 31:24."""

    def __init__(self, size_bytes: int) -> None:
        self.bytes = bytearray(size_bytes)

    def contains(self, address: int, n: int) -> bool:
        return address >= _BUFFERS and address + 4 * n <= _BUFFERS + len(self.bytes)

    def read(self, address: int, n: int) -> list[int]:
        """``n`` longwords; 0 outside, which is a fault at the command's service."""
        if not self.contains(address, n):
            return [0] * n
        start = address - _BUFFERS
        return [int.from_bytes(self.bytes[start + 4 * i : start + 4 * i + 4], "big") for i in range(n)]

    def write(self, address: int, values: Sequence[int]) -> None:
        start = address - _BUFFERS
        for i, value in enumerate(values):
            self.bytes[start + 4 * i : start + 4 * i + 4] = value.to_bytes(4, "big")


@dataclass(slots=True)
class Direction:
    """What RX_CONTROL or TX_CONTROL says about transfers that start from now on."""

    element_bytes: int
    width_bytes: int
    enabled: bool = True

    def write(self, value: int) -> None:
        self.enabled = bool(value >> 28)
        self.width_bytes = (4, 2, 1, 2)[value >> 20 & 3]
        self.element_bytes = (64, 128, 256, 256)[value >> 2 & 3]


@dataclass(slots=True)
class _Mpacket:
    """A part of a frame in an RBUF element."""

    data: bytes
    start: bool
    end: bool


@dataclass(slots=True)
class _Arrival:
    """A frame in the MAC's receive FIFO, of which ``sent`` bytes are in RBUF."""

    first_bit: int
    frame: bytes
    sent: int = 0


@dataclass(slots=True)
class _Port:
    """One MAC: receive side, transmit side."""

    source: deque[tuple[int, bytes]] = field(default_factory=deque)
    earliest_arrival: int = 0
    rx_used: int = 0
    rx_frames: deque[_Arrival] = field(default_factory=deque)
    tx_used: int = 0
    tx_partial: bytes | None = None
    tx_frames: deque[bytes] = field(default_factory=deque)
    wire: tuple[int, bytes] | None = None
    earliest_start: Fraction = Fraction(0)


@dataclass(slots=True)
class _Transfer:
    """An SPI-3 transfer under way."""

    end: int
    port: int
    element: int
    place: int  # first byte of the element in its buffer
    mpacket: _Mpacket | None = None


def checksum(data: bytes) -> int:
    """Ones' complement sum of big-endian 16-bit words, an odd last byte padded with 0."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(padded[i : i + 2], "big") for i in range(0, len(padded), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


class Media(SBusUnit):
    """Registers, buffers, lists and ports. ``egress`` and ``lost`` are logs, see ReferenceChip."""

    def __init__(self, hardware: Hardware, ports: int) -> None:
        super().__init__(hardware, "msf", parameters="msf")
        self.rx = Direction(hardware["msf.element_bytes"], hardware["msf.width_bytes"])
        self.tx = Direction(hardware["msf.element_bytes"], hardware["msf.width_bytes"])
        self.rbuf = BufferMemory(hardware["msf.rbuf_bytes"])
        self.tbuf = BufferMemory(hardware["msf.tbuf_bytes"])
        left_out = {0, 9, 18, 27} if hardware["msf.rbuf_erratum"] and self.rx.element_bytes == 64 else set()
        self.free_elements = deque(e for e in range(self.rbuf_elements) if e not in left_out)
        self.full: deque[tuple[int, int, _Mpacket]] = deque()  # element, port, mpacket
        self.freelist: deque[int] = deque()
        self.registers: dict[int, int] = {}
        self.tx_sequence = 0
        self.tx_valid = [False] * (hardware["msf.tbuf_bytes"] // _SMALLEST_ELEMENT_BYTES)
        self.tx_next = 0
        self.ports = [_Port() for _ in range(ports)]
        self.back_pressure = [False] * ports
        self.on_wire_start: dict[int, Callable[[int, bytes], None]] = {}
        self.egress: list[tuple[int, int, bytes]] = []
        self.lost: list[tuple[int, int, bytes, str]] = []
        self.deliver_status: Callable[[int, int, int, Sequence[int], int], None]
        self.free = 0
        self._rx_transfer: _Transfer | None = None
        self._rx_last = ports - 1
        self._tx_transfer: _Transfer | None = None

    @property
    def rbuf_elements(self) -> int:
        return len(self.rbuf.bytes) // self.rx.element_bytes

    @property
    def tbuf_elements(self) -> int:
        return len(self.tbuf.bytes) // self.tx.element_bytes

    # ------------------------------------------------------------------ times

    def _wire_cycles(self, nbytes: int) -> int:
        """ME cycles of ``nbytes`` on a 1 Gb/s wire, rounded up."""
        return -(-nbytes * self.hardware["me_clock_khz"] // 125_000)

    def _spi_cycles(self, nbytes: int, direction: Direction) -> int:
        """ME cycles of ``nbytes`` on the SPI-3 bus: whole beats, rounded up."""
        beats = -(-nbytes // direction.width_bytes)
        return -(-beats * self.hardware["me_clock_khz"] // self.hardware["msf.clock_khz"])

    def _frame_cycles(self, frame: bytes) -> int:
        return self._wire_cycles(_PREAMBLE_BYTES + max(len(frame), _MINIMUM_BYTES) + _FCS_BYTES)

    def _frame_and_gap_cycles(self, frame: bytes) -> Fraction:
        """Exact, in fractions of a cycle."""
        nbytes = _PREAMBLE_BYTES + max(len(frame), _MINIMUM_BYTES) + _FCS_BYTES + _GAP_BYTES
        return Fraction(nbytes * self.hardware["me_clock_khz"], 125_000)

    # ------------------------------------------------------------------ commands

    def longwords(self, command: Command) -> int:
        return command.count * (2 if command.op.endswith("64") else 1)

    def step(self, now: int) -> None:
        if not self.inlet:
            return
        command = self.inlet[0]
        if now < command.arrival or now < self.free:
            return
        if command.pulls and now < command.data_time:
            return
        if command.returns_data and not self.can_push(command, master="msf"):
            return
        self.inlet.popleft()
        n = self.longwords(command)
        longword = self.hardware["msf.longword_cycles"]
        busy = max(self.hardware["msf.command_cycles"], n * longword)
        delay = self.hardware["msf.controller_delay"]
        self.free = now + busy
        self.counters.references += 1
        self.counters.longwords += n
        self.counters.busy += busy
        if command.returns_data:
            values = self._read(command, n)
            self.push(command, values, now + longword + delay, self.counters, master="msf")
            return
        if command.op == "fast_wr":
            self._write_register(command, command.address & 0xFFFC, command.address >> 16)
        else:
            self._write(command)
        self.complete(command, now + busy + delay, self.counters)

    def _read(self, command: Command, n: int) -> list[int]:
        address = command.address & ~3
        if self.rbuf.contains(address, n):
            return self.rbuf.read(address, n)
        if address + 4 * n > _BUFFERS:
            raise command.fault("outside memory", f"at {address:#x}, {n} longwords")
        return [self._register(address + 4 * i) for i in range(n)]

    def _write(self, command: Command) -> None:
        address = command.address & ~3
        n = len(command.data)
        if self.tbuf.contains(address, n):
            self.tbuf.write(address, command.data)
        elif address + 4 * n > _BUFFERS:
            raise command.fault("outside memory", f"at {address:#x}, {n} longwords")
        else:
            for i, value in enumerate(command.data):
                self._write_register(command, address + 4 * i, value)

    def _register(self, address: int) -> int:
        if address == _TX_SEQUENCE_0:
            return (0 if any(self.tx_valid) else 1 << 31) | self.tx_sequence
        return self.registers.get(address, 0)

    def _write_register(self, command: Command, address: int, value: int) -> None:
        if address == _RX_THREAD_FREELIST_0:
            if len(self.freelist) >= self.hardware["msf.freelist_depth"]:
                raise command.fault("free list overflow", f"beyond {self.hardware['msf.freelist_depth']} entries")
            self.freelist.append(value & 0xFFFF)
        elif address == _RBUF_ELEMENT_DONE:
            self._free_element(command, value)
        elif address >= _BUFFERS:
            raise command.fault("outside memory", f"at {address:#x}")
        else:
            self.registers[address] = value
            if address == _RX_CONTROL:
                self.rx.write(value)
            elif address == _TX_CONTROL:
                self.tx.write(value)
            elif address >= _TBUF_CONTROL and address % 8 == 4:
                self._validate(command, (address - _TBUF_CONTROL) // 8)

    def _free_element(self, command: Command, element: int) -> None:
        if element >= self.rbuf_elements:
            raise command.fault("outside memory", f"RBUF element {element} of {self.rbuf_elements}")
        if element in self.free_elements:
            raise command.fault("element already free", f"RBUF element {element}")
        self.free_elements.append(element)

    def _control(self, element: int) -> tuple[int, bool, bool, int]:
        """Byte count, SOP, EOP and port of a TBUF element."""
        word = self.registers.get(_TBUF_CONTROL + 8 * element, 0)
        return word >> 24, bool(word >> 9 & 1), bool(word >> 8 & 1), word & 0x1F

    def _validate(self, command: Command, element: int) -> None:
        if element >= self.tbuf_elements:
            raise command.fault("outside memory", f"TBUF element {element} of {self.tbuf_elements}")
        if self.tx_valid[element]:
            raise command.fault("element already valid", f"TBUF element {element}")
        count, _, _, port = self._control(element)
        if not 1 <= count <= self.tx.element_bytes:
            raise command.fault("bad element control", f"TBUF element {element} of {count} bytes")
        if port >= len(self.ports):
            raise command.fault("bad element control", f"TBUF element {element} for port {port}")
        self.tx_valid[element] = True

    # ------------------------------------------------------------------ receive

    def feed(self, port: int, arrival: int, frame: bytes) -> None:
        self.ports[port].source.append((arrival, frame + bytes(max(0, _MINIMUM_BYTES - len(frame)))))

    def receive(self, now: int) -> None:
        """Phase 4, first half."""
        self._end_receive_transfer(now)
        for number, port in enumerate(self.ports):
            if port.source:
                self._arrive(number, port, now)
        self._start_receive_transfer(now)
        while self.full and self.freelist:
            self._pair(now)

    def _end_receive_transfer(self, now: int) -> None:
        transfer = self._rx_transfer
        if transfer is None or transfer.end > now:
            return
        mpacket = transfer.mpacket
        assert mpacket is not None
        self._rx_transfer = None
        self.ports[transfer.port].rx_used -= len(mpacket.data)
        self.rbuf.bytes[transfer.place : transfer.place + len(mpacket.data)] = mpacket.data
        self.full.append((transfer.element, transfer.port, mpacket))

    def _arrive(self, number: int, port: _Port, now: int) -> None:
        arrival, frame = port.source[0]
        arrival = max(arrival, port.earliest_arrival)
        if arrival > now:
            return
        if port.rx_used + len(frame) > self.hardware["mac.rx_fifo_bytes"]:
            if self.back_pressure[number]:
                return
            self.lost.append((now, number, frame, "mac_rx_overflow"))
        else:
            if self.back_pressure[number]:
                arrival = now
            port.rx_used += len(frame)
            port.rx_frames.append(_Arrival(arrival, frame))
        port.source.popleft()
        port.earliest_arrival = arrival + floor(self._frame_and_gap_cycles(frame))

    def _next_end(self, arrival: _Arrival) -> int:
        """Bytes of the frame up to the end of its next mpacket."""
        return min(arrival.sent + self.rx.element_bytes, len(arrival.frame))

    def _ready(self, arrival: _Arrival) -> int:
        """When the next mpacket of a frame is complete."""
        end = self._next_end(arrival)
        if end == len(arrival.frame):
            return arrival.first_bit + self._frame_cycles(arrival.frame)
        return arrival.first_bit + self._wire_cycles(_PREAMBLE_BYTES + end)

    def _start_receive_transfer(self, now: int) -> None:
        if self._rx_transfer is not None or not self.free_elements or not self.rx.enabled:
            return
        for offset in range(1, len(self.ports) + 1):
            number = (self._rx_last + offset) % len(self.ports)
            frames = self.ports[number].rx_frames
            if frames and self._ready(frames[0]) <= now:
                mpacket = self._cut(frames)
                element = self.free_elements.popleft()
                place = element * self.rx.element_bytes
                if element >= self.rbuf_elements:
                    raise FaultError("outside memory", f"RBUF element {element} of {self.rbuf_elements}")
                end = now + self._spi_cycles(len(mpacket.data), self.rx)
                self._rx_transfer = _Transfer(end, number, element, place, mpacket)
                self._rx_last = number
                return

    def _cut(self, frames: deque[_Arrival]) -> _Mpacket:
        """Take the next mpacket of the oldest frame."""
        arrival = frames[0]
        start, end = arrival.sent, self._next_end(arrival)
        arrival.sent = end
        last = end == len(arrival.frame)
        if last:
            frames.popleft()
        return _Mpacket(arrival.frame[start:end], start == 0, last)

    def _pair(self, now: int) -> None:
        """The oldest full element goes to the oldest waiting thread."""
        element, port, mpacket = self.full.popleft()
        entry = self.freelist.popleft()
        status = [
            element << 24 | (len(mpacket.data) & 0xFF) << 16 | mpacket.start << 15 | mpacket.end << 14 | port,
            checksum(mpacket.data),
        ]
        self.deliver_status(entry >> 7 & 7, entry >> 4 & 7, entry, status, now + self.hardware["msf.status_latency"])

    # ------------------------------------------------------------------ transmit

    def transmit(self, now: int) -> None:
        """Phase 4, second half."""
        self._end_transmit_transfer(now)
        for number, port in enumerate(self.ports):
            if port.wire is not None and port.wire[0] == now:
                frame = port.wire[1]
                port.wire = None
                port.tx_used -= len(frame)
                if number not in self.on_wire_start:
                    self.egress.append((now, number, _padded(frame)))
        for number, port in enumerate(self.ports):
            if port.wire is None and port.tx_frames and now >= port.earliest_start:
                frame = port.tx_frames.popleft()
                port.wire = (now + self._frame_cycles(frame), frame)
                begin = port.earliest_start if now - port.earliest_start < 1 else Fraction(now)
                port.earliest_start = begin + self._frame_and_gap_cycles(frame)
                if number in self.on_wire_start:
                    self.on_wire_start[number](now, _padded(frame))
        self._start_transmit_transfer(now)

    def _end_transmit_transfer(self, now: int) -> None:
        transfer = self._tx_transfer
        if transfer is None or transfer.end > now:
            return
        self._tx_transfer = None
        element = transfer.element
        count, _, end_of_packet, number = self._control(element)
        port = self.ports[number]
        data = bytes(self.tbuf.bytes[transfer.place : transfer.place + count])
        port.tx_partial = (port.tx_partial or b"") + data
        if end_of_packet:
            port.tx_frames.append(port.tx_partial)
            port.tx_partial = None
        self.tx_valid[element] = False
        self.tx_sequence = (self.tx_sequence + 1) % 256
        self.tx_next = element + 1

    def _start_transmit_transfer(self, now: int) -> None:
        element = self.tx_next % self.tbuf_elements
        if self._tx_transfer is not None or not self.tx_valid[element] or not self.tx.enabled:
            return
        count, start_of_packet, _, number = self._control(element)
        port = self.ports[number]
        if port.tx_used + count > self.hardware["mac.tx_fifo_bytes"]:
            return
        if port.tx_partial is None and not start_of_packet:
            raise FaultError("bad element control", f"TBUF element {element} begins a frame without SOP")
        port.tx_used += count
        end = now + self._spi_cycles(count, self.tx)
        self._tx_transfer = _Transfer(end, number, element, element * self.tx.element_bytes)


def _padded(frame: bytes) -> bytes:
    return frame + bytes(max(0, _MINIMUM_BYTES - len(frame)))
