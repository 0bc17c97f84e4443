"""Commands, their way from an ME's FIFO over the command bus, and what all units that take commands share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ixp_emu.chip.hardware import Hardware

from .faults import FaultError

if TYPE_CHECKING:
    from .buses import Bus
    from .microengine import Microengine

__all__ = ["Command", "CommandBus", "Counters", "Memory", "Remote", "SBusUnit", "Unit", "atomic_result"]

NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Remote:
    """The other end of a reflector command; ``register`` is a physical number, ``signals_to`` as in Instruction."""

    me: Microengine
    context: int
    register: int
    signals_to: str


@dataclass(slots=True, eq=False)
class Command:
    """One command on its way.

    ``count`` is in longwords, for DRAM in quadwords, for hash in keys; ``transfer`` is a physical number.
    """

    me: Microengine
    context: int
    pc: int
    unit: str
    op: str
    address: int
    count: int
    transfer_kind: str
    transfer: int
    issued: int
    pulls: bool
    returns_data: bool
    signals: int = 0  # mask set at the end
    early_signals: int = 0  # mask set when the operand of a doubled atomic has been pulled
    byte_mask: int = 0xFF
    media_address: int = 0
    remote: Remote | None = None
    data: list[int] = field(default_factory=list)
    arrival: int = NEVER
    data_time: int = NEVER

    def source(self) -> tuple[Microengine, str, int]:
        """ME, kind and number of the first register that is pulled."""
        if self.remote is not None and self.op == "reflect_read":
            return self.remote.me, "sram", self.remote.register
        return self.me, self.transfer_kind, self.transfer

    def destination(self) -> tuple[Microengine, str, int]:
        """ME, kind and number of the first register that is pushed to."""
        if self.remote is not None and self.op == "reflect_write":
            return self.remote.me, "sram", self.remote.register
        return self.me, self.transfer_kind, self.transfer

    def set_signals(self) -> None:
        """Set the signals of the command's end where they belong."""
        to = "initiator" if self.remote is None else self.remote.signals_to
        if to != "remote":
            self.me.set_signals(self.context, self.signals)
        if self.remote is not None and to != "initiator":
            self.remote.me.set_signals(self.remote.context, self.signals)

    def fault(self, kind: str, detail: str) -> FaultError:
        return FaultError(kind, f"{self.unit}[{self.op}] {detail}", me=self.me.number, pc=self.pc)


@dataclass(slots=True)
class Counters:
    """Of one unit; ``latencies`` are signal time minus issue time of each command with a signal."""

    references: int = 0
    longwords: int = 0
    busy: int = 0
    latencies: list[int] = field(default_factory=list)


class Memory:
    """Longwords by byte address; sparse, everything not written is 0."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._words: dict[int, int] = {}

    def read_words(self, byte_address: int, n: int) -> list[int]:
        self._check(byte_address, n)
        return [self._words.get(byte_address // 4 + i, 0) for i in range(n)]

    def write_words(self, byte_address: int, values: Sequence[int]) -> None:
        self._check(byte_address, len(values))
        for i, value in enumerate(values):
            self._words[byte_address // 4 + i] = value & 0xFFFFFFFF

    def contains(self, byte_address: int, n: int) -> bool:
        return byte_address >= 0 and byte_address + 4 * n <= self.size_bytes

    def _check(self, byte_address: int, n: int) -> None:
        if byte_address % 4 or not self.contains(byte_address, n):
            raise ValueError(f"{n} longwords at {byte_address:#x} in a memory of {self.size_bytes} bytes")


def atomic_result(op: str, old: int, operand: int) -> int:
    """The new value of a longword under a scratch or SRAM atomic."""
    return {
        "swap": operand,
        "set": old | operand,
        "clr": old & ~operand,
        "add": old + operand,
        "sub": old - operand,
        "incr": old + 1,
        "decr": old - 1,
    }[op] & 0xFFFFFFFF


class Unit:
    """A unit with an inlet FIFO. Subclasses serve its head in ``step``."""

    def __init__(self, hardware: Hardware, name: str, *, parameters: str) -> None:
        self.hardware = hardware
        self.name = name
        self.inlet: deque[Command] = deque()
        self.inlet_depth = hardware[parameters + ".inlet_depth"]
        self.counters = Counters()
        self.schedule: Callable[[int, Callable[[], None]], None]
        self.last_bus: CommandBus | None = None

    def places(self) -> int:
        return self.inlet_depth - len(self.inlet)

    def accept(self, command: Command, arrival: int) -> None:
        """Phase 2: the command bus hands over a command that will arrive at ``arrival``.

        Data from the ME is asked for at once, with the arrival as request time.
        """
        command.arrival = arrival
        self.inlet.append(command)
        if command.pulls:
            self.request_pull(command)

    def request_pull(self, command: Command) -> None:
        raise NotImplementedError

    def complete(self, command: Command, time: int, counters: Counters) -> None:
        """Set the command's signals in phase 0 of ``time``; without a signal nothing happens."""
        if command.signals:
            self.schedule(time, lambda: self.signal(command, time, counters))

    def signal(self, command: Command, time: int, counters: Counters) -> None:
        """Now: set the signals at the end of a command, and note its latency."""
        if command.signals:
            command.set_signals()
            counters.latencies.append(time - command.issued)


class SBusUnit(Unit):
    """A unit on the S buses of both clusters."""

    pull_buses: Sequence[Bus]
    push_buses: Sequence[Bus]

    def longwords(self, command: Command) -> int:
        """Longwords of the command's data phase."""
        return command.count

    def request_pull(self, command: Command) -> None:
        cycles = self.longwords(command) * self.hardware["sbus.longword_cycles"]
        me, kind, number = command.source()

        def granted(time: int) -> None:
            command.data = me.transfer_out(kind, number, self.longwords(command))
            command.data_time = time + cycles + self.hardware["pull.latency"]
            if command.early_signals:
                context, mask = command.context, command.early_signals
                self.schedule(command.data_time, lambda: command.me.set_signals(context, mask))

        self.pull_buses[me.cluster].request(self.name, command.arrival, cycles, granted)

    def push(self, command: Command, values: Sequence[int], time: int, counters: Counters, *, master: str) -> None:
        """Queue a push request with request time ``time``; its delivery writes registers and sets signals."""
        cycles = len(values) * self.hardware["sbus.longword_cycles"]
        me, kind, number = command.destination()

        def granted(grant: int) -> None:
            delivery = grant + cycles + self.hardware["push.latency"]

            def delivered() -> None:
                me.write_transfer_in(kind, number, values)
                self.signal(command, delivery, counters)

            self.schedule(delivery, delivered)

        self.push_buses[me.cluster].request(master, time, cycles, granted)

    def until_reply(self, n: int, longword: int) -> int:
        """From a service to the push request of n longwords, of which one is there every ``longword`` cycles."""
        return max(n * longword - (n - 1) * self.hardware["sbus.longword_cycles"], longword)

    def can_push(self, command: Command, *, master: str) -> bool:
        """Is there room for one more push request of this master on the bus the reply will use?"""
        return self.push_buses[command.destination()[0].cluster].waiting(master) < self.hardware["sbus.push_depth"]


class CommandBus:
    """The command bus of one cluster."""

    def __init__(self, hardware: Hardware, engines: Sequence[Microengine], units: dict[str, Unit]) -> None:
        self._engines = engines
        self._units = units
        self._fifo_latency = hardware["command.fifo_latency"]
        self._travel = hardware["command.bus_latency"] + hardware["command.decode"]
        self._last = len(engines) - 1
        self.grants = 0
        self.busy = 0
        self.other: CommandBus  # the other cluster's

    def wants(self, unit: str, now: int) -> bool:
        """Whether an ME of the cluster has a command for a unit at the head of its FIFO that may be granted."""
        heads = [engine.fifo[0] for engine in self._engines if engine.fifo]
        return any(head.unit == unit and head.issued <= now - self._fifo_latency for head in heads)

    def step(self, now: int) -> None:
        """Phase 2 of a chassis edge: grant at most one command."""
        for offset in range(1, len(self._engines) + 1):
            place = (self._last + offset) % len(self._engines)
            fifo = self._engines[place].fifo
            if not fifo or fifo[0].issued > now - self._fifo_latency:
                continue
            unit = self._units[fifo[0].unit]
            if unit.places() == 0:
                continue
            if unit.places() == 1 and unit.last_bus is self and self.other.wants(unit.name, now):
                continue
            unit.last_bus = self
            unit.accept(fifo.popleft(), now + self._travel)
            self._last = place
            self.grants += 1
            self.busy += 2
            return
