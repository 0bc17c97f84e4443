"""A store-and-forward Ethernet switch."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ixp_emu.chip.hardware import Hardware

from .mac import Port, Wire

__all__ = ["Switch"]

_ADDRESS_BYTES = 6


@dataclass(slots=True)
class _Output:
    """The way from the switch to one port; ``joining`` holds frames on their way to its queue."""

    hardware: Hardware
    wire: Wire
    joining: list[tuple[int, int, bytes]] = field(default_factory=list)  # when, source port, frame
    queue: deque[bytes] = field(default_factory=deque)
    used: int = 0
    arriving: deque[tuple[int, bytes]] = field(default_factory=deque)  # first bit at the far MAC, frame


class _SwitchEnd:
    """A port's side of its link to the switch."""

    timed = True

    def __init__(self, switch: Switch, number: int, latency: int) -> None:
        self._switch = switch
        self.number = number
        self.latency = latency

    def may_start(self, now: int, nbytes: int) -> bool:
        return True

    def start(self, now: int, frame: bytes, last_bit: int) -> None:
        self._switch.take(self.number, frame, last_bit, self.latency)

    def arrival(self, now: int) -> tuple[int, bytes] | None:
        arriving = self._switch.outputs[self.number].arriving
        return arriving.popleft() if arriving and arriving[0][0] <= now else None

    def left_fifo(self, now: int, nbytes: int) -> None:
        pass

    def holds(self, now: int, nbytes: int) -> None:
        pass


class Switch:
    """Ports are known by their number over the cluster.

    Attributes:
        lost: (time, port, frame, cause): ``switch_unknown`` with the source port, when the last bit leaves it;
            ``switch_overflow`` with the destination port, when it would have joined the queue.
    """

    def __init__(self) -> None:
        self.outputs: dict[int, _Output] = {}
        self.lost: list[tuple[int, int, bytes, str]] = []
        self._addresses: dict[bytes, int] = {}
        self._ends: dict[int, _SwitchEnd] = {}
        self._unknown: list[tuple[int, int, bytes]] = []

    def connect(self, port: Port, *, number: int, address: bytes, latency: int) -> None:
        """Plug in a port with its MAC address (6 bytes); ``latency`` >= 1 cycles."""
        if len(address) != _ADDRESS_BYTES or address in self._addresses:
            raise ValueError(f"MAC address {address.hex()} of port {number}")
        end = _SwitchEnd(self, number, latency)
        self.outputs[number] = _Output(port.hardware, Wire(port.hardware))
        self._addresses[address] = number
        self._ends[number] = end
        port.connect(end)

    def take(self, source: int, frame: bytes, last_bit: int, latency: int) -> None:
        """A frame whose last bit will leave its source at a time, a cable's latency away."""
        destination = self._addresses.get(frame[:_ADDRESS_BYTES], source)
        if destination == source:
            self._unknown.append((last_bit, source, frame))
            return
        output = self.outputs[destination]
        joins = last_bit + latency + output.hardware["switch.latency"]
        output.joining.append((joins, source, frame))

    def step(self, now: int) -> None:
        """Each output: a frame's last bit leaves, frames join, the next one starts."""
        self.lost += [(*entry, "switch_unknown") for entry in self._unknown if entry[0] == now]
        for number, output in sorted(self.outputs.items()):
            sent = output.wire.end(now)
            if sent is not None:
                output.used -= len(sent)
            for joining in sorted(entry for entry in output.joining if entry[0] == now):
                output.joining.remove(joining)
                self._join(number, output, joining[2], now)
            if output.queue and output.wire.is_free(now):
                frame = output.queue.popleft()
                output.wire.start(now, frame)
                output.arriving.append((now + self._ends[number].latency, frame))

    def _join(self, number: int, output: _Output, frame: bytes, now: int) -> None:
        if output.used + len(frame) > output.hardware["switch.buffer_bytes"]:
            self.lost.append((now, number, frame, "switch_overflow"))
            return
        output.used += len(frame)
        output.queue.append(frame)
