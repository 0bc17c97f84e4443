"""The media switch fabric (MSF): its registers, RBUF and TBUF, and what stands behind them."""

from __future__ import annotations

from collections.abc import Sequence

from ixp_emu.chip.hardware import Hardware

from .commands import Command, SBusUnit
from .mac import Port, padded
from .spi3 import CHANNELS, Receive, Transmit

__all__ = ["BufferMemory", "Media"]

_RX_CONTROL = 0x0000
_TX_CONTROL = 0x0004
_RX_THREAD_FREELIST = {0x0030: 0, 0x0034: 1, 0x0038: 2, 0x003C: 3}  # register: channel
_RBUF_ELEMENT_DONE = 0x0044
_RX_THREAD_FREELIST_TIMEOUT = {0x0050 + 4 * channel: channel for channel in range(CHANNELS)}
_TX_SEQUENCE = {0x0060 + 4 * channel: channel for channel in range(CHANNELS)}
_TBUF_CONTROL = 0x1800
_BUFFERS = 0x2000


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


class Media(SBusUnit):
    """Registers, buffers, channels and ports. ``egress`` and ``lost`` are logs, see ReferenceChip."""

    def __init__(self, hardware: Hardware, ports: int) -> None:
        super().__init__(hardware, "msf", parameters="msf")
        if hardware["msf.channels"] == 1 and ports > hardware["msf.ports_per_channel"]:
            raise ValueError(f"{ports} ports on a channel for {hardware['msf.ports_per_channel']}")
        if hardware["msf.channels"] > 1 and ports > hardware["msf.channels"]:
            raise ValueError(f"{ports} ports on {hardware['msf.channels']} channels")
        self.rbuf = BufferMemory(hardware["msf.rbuf_bytes"])
        self.tbuf = BufferMemory(hardware["msf.tbuf_bytes"])
        self.egress: list[tuple[int, int, bytes]] = []
        self.lost: list[tuple[int, int, bytes, str]] = []
        self.ports = [Port(hardware, number, self.egress, self.lost) for number in range(ports)]
        self.rx = Receive(hardware, self.rbuf.bytes, self.ports)
        self.tx = Transmit(hardware, self.tbuf.bytes, self.ports)
        self.registers = {_RX_CONTROL: self.rx.control.value(), _TX_CONTROL: self.tx.control.value()}
        self.free = 0

    def feed(self, port: int, arrival: int, frame: bytes) -> None:
        """Offer a frame of a traffic source."""
        if self.ports[port].link is not None:
            raise ValueError(f"port {port} has a link")
        self.ports[port].source.append((arrival, padded(frame)))

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
            self.push(command, values, now + self.until_reply(n, longword) + delay, self.counters, master="msf")
            return
        if command.op == "fast_wr":
            self._write_register(command, command.address & 0xFFFC, command.address >> 16, now)
        else:
            self._write(command, now)
        self.complete(command, now + busy + delay, self.counters)

    def _read(self, command: Command, n: int) -> list[int]:
        address = command.address & ~3
        if self.rbuf.contains(address, n):
            return self.rbuf.read(address, n)
        if address + 4 * n > _BUFFERS:
            raise command.fault("outside memory", f"at {address:#x}, {n} longwords")
        return [self.register(address + 4 * i) for i in range(n)]

    def _write(self, command: Command, now: int) -> None:
        address = command.address & ~3
        n = len(command.data)
        if self.tbuf.contains(address, n):
            self.tbuf.write(address, command.data)
        elif address + 4 * n > _BUFFERS:
            raise command.fault("outside memory", f"at {address:#x}, {n} longwords")
        else:
            for i, value in enumerate(command.data):
                self._write_register(command, address + 4 * i, value, now)

    def register(self, address: int) -> int:
        """What a read of a register below the buffers gives."""
        channel = _TX_SEQUENCE.get(address, CHANNELS)
        if channel < self.tx.control.channels:
            return self.tx.sequence(channel)
        return self.registers.get(address, 0)

    def _write_register(self, command: Command, address: int, value: int, now: int) -> None:
        if _RX_THREAD_FREELIST.get(address, CHANNELS) < self.rx.control.channels:
            freelist = self.rx.channel[_RX_THREAD_FREELIST[address]].freelist
            if len(freelist) >= self.hardware["msf.freelist_depth"]:
                raise command.fault("free list overflow", f"beyond {self.hardware['msf.freelist_depth']} entries")
            freelist.append((value & 0xFFFF, now))
            return
        if address == _RBUF_ELEMENT_DONE:
            self._free_element(command, value)
            return
        if address >= _BUFFERS:
            raise command.fault("outside memory", f"at {address:#x}")
        self.registers[address] = value
        if address == _RX_CONTROL:
            self.rx.control.write(value)
        elif address == _TX_CONTROL:
            self.tx.control.write(value)
        elif address in _RX_THREAD_FREELIST_TIMEOUT:
            self.rx.channel[_RX_THREAD_FREELIST_TIMEOUT[address]].timeout = value & 0x1FFF
        elif address >= _TBUF_CONTROL:
            self._write_element_control(command, (address - _TBUF_CONTROL) // 8, value, second=address % 8 == 4)

    def _free_element(self, command: Command, element: int) -> None:
        if element >= self.rx.control.elements:
            raise command.fault("outside memory", f"RBUF element {element} of {self.rx.control.elements}")
        if element in self.rx.free_elements:
            raise command.fault("element already free", f"RBUF element {element}")
        self.rx.free_elements.append(element)

    def _write_element_control(self, command: Command, element: int, value: int, *, second: bool) -> None:
        if not second:
            if element < len(self.tx.words):
                self.tx.words[element] = value
            return
        if element >= self.tx.control.elements:
            raise command.fault("outside memory", f"TBUF element {element} of {self.tx.control.elements}")
        problem = self.tx.problem(element)
        if problem is not None:
            raise command.fault(*problem)
        self.tx.valid[element] = True
