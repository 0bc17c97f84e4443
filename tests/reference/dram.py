"""The DRAM controller: bank queues, open rows, refresh; acts on chassis edges."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ixp_emu.chip.hardware import Hardware

from .commands import Command, Memory, Unit

if TYPE_CHECKING:
    from .buses import Bus
    from .media import BufferMemory

__all__ = ["Dram"]


@dataclass(slots=True)
class _Bank:
    queue: deque[Command] = field(default_factory=deque)
    open_row: int | None = None
    activate_ok: int = 0
    precharge_ok: int = 0
    skipped: int = 0


@dataclass(slots=True)
class _Choice:
    bank: int
    command: Command
    column: int
    activate: int | None
    turns: bool


class Dram(Unit):
    """``counters.busy`` counts data bus cycles, ``counters.longwords`` two for each quadword."""

    push_bus: Bus
    pull_bus: Bus
    rbuf: BufferMemory
    tbuf: BufferMemory

    def __init__(self, hardware: Hardware) -> None:
        super().__init__(hardware, "dram", parameters="dram")
        self.memory = Memory(hardware["dram.size_bytes"])
        self.banks = [_Bank() for _ in range(hardware["dram.banks"])]
        self.bus_free = 0
        self.refresh_due = hardware["dram.refresh_interval"]
        self.refreshes = 0
        self._last_bank = len(self.banks) - 1
        self._last_writes: bool | None = None
        self._last_activate: int | None = None
        self._waiting_pulls: deque[Command] = deque()

    def step(self, now: int) -> None:
        if now % 2:
            return
        self._distribute(now)
        if now >= self.refresh_due:
            open_banks = [bank for bank in self.banks if bank.open_row is not None]
            refresh = now + (self.hardware["dram.precharge"] if open_banks else 0)
            if (
                now >= self.bus_free
                and all(now >= bank.precharge_ok for bank in open_banks)
                and all(refresh >= bank.activate_ok for bank in self.banks)
            ):
                self._refresh(refresh)
            return
        self._schedule(now)

    def request_pull(self, command: Command) -> None:
        if self.pull_bus.waiting(self.name) < self.hardware["dbus.pull_depth"]:
            self._enter_pull(command)
        else:
            self._waiting_pulls.append(command)

    def _enter_pull(self, command: Command) -> None:
        media = command.op == "rbuf_rd"
        cycles = command.count * self._bus_cycles(command)

        def granted(time: int) -> None:
            n = 2 * command.count
            if media:
                command.data = self.rbuf.read(command.media_address, n)
            else:
                command.data = command.me.transfer_out(command.transfer_kind, command.transfer, n)
            command.data_time = time + cycles + self.hardware["pull.latency"]
            if self._waiting_pulls:
                self._enter_pull(self._waiting_pulls.popleft())

        self.pull_bus.request(self.name, command.arrival, cycles, granted)

    def _bus_cycles(self, command: Command) -> int:
        """Cycles that a quadword takes on the D bus."""
        media = command.op in ("rbuf_rd", "tbuf_wr")
        return self.hardware["dbus.media_quadword_cycles" if media else "dbus.quadword_cycles"]

    def _place(self, command: Command) -> tuple[int, int]:
        """Bank and row."""
        address = command.address & ~7
        bank = address // self.hardware["dram.bank_interleave_bytes"] % len(self.banks)
        return bank, address // (self.hardware["dram.row_bytes"] * len(self.banks))

    def _distribute(self, now: int) -> None:
        if not self.inlet or self.inlet[0].arrival > now:
            return
        bank = self.banks[self._place(self.inlet[0])[0]]
        if len(bank.queue) < self.hardware["dram.bank_queue_depth"]:
            bank.queue.append(self.inlet.popleft())

    def _refresh(self, issued: int) -> None:
        for bank in self.banks:
            bank.open_row = None
            bank.activate_ok = issued + self.hardware["dram.refresh_cycles"]
        self.refresh_due += self.hardware["dram.refresh_interval"]
        self.refreshes += 1

    def _schedule(self, now: int) -> None:
        eligible: list[_Choice] = []
        for offset in range(1, len(self.banks) + 1):
            number = (self._last_bank + offset) % len(self.banks)
            if self.banks[number].queue:
                choice = self._eligible(number, now)
                if choice is not None:
                    eligible.append(choice)
        if not eligible:
            return
        first = eligible[0]
        if first.turns and self.banks[first.bank].skipped < 2:
            for other in eligible[1:]:
                if not other.turns:
                    self.banks[first.bank].skipped += 1
                    self._start(other)
                    return
        self._start(first)

    def _eligible(self, number: int, now: int) -> _Choice | None:
        bank = self.banks[number]
        command = bank.queue[0]
        row = self._place(command)[1]
        turns = self._last_writes is not None and self._last_writes != command.pulls
        turnaround = self.hardware["dram.turnaround"] if turns else 0
        column, activate = now, None
        if bank.open_row != row:
            activate = now
            if bank.open_row is not None:
                if now < bank.precharge_ok:
                    return None
                activate += self.hardware["dram.precharge"]
            if activate < bank.activate_ok:
                return None
            gap = self.hardware["dram.activate_gap"]
            if self._last_activate is not None and activate < self._last_activate + gap:
                return None
            column = activate + self.hardware["dram.activate"]
        if self.bus_free + turnaround > column + self.hardware["dram.cas"]:
            return None
        if command.pulls and now < command.data_time:
            return None
        if command.returns_data and self.push_bus.waiting(self.name) >= self.hardware["dbus.push_depth"]:
            return None
        return _Choice(number, command, column, activate, turns)

    def _start(self, choice: _Choice) -> None:
        command = choice.command
        bank = self.banks[choice.bank]
        bank.queue.popleft()
        bank.skipped = 0
        bank.open_row = self._place(command)[1]
        self._last_bank = choice.bank
        self._last_writes = command.pulls
        start = choice.column + self.hardware["dram.cas"]
        cycles = command.count * self.hardware["dram.quadword_cycles"]
        end = start + cycles
        self.bus_free = end
        if choice.activate is not None:
            bank.activate_ok = choice.activate + self.hardware["dram.row_cycle"]
            bank.precharge_ok = choice.activate + self.hardware["dram.ras"]
            self._last_activate = choice.activate
        recovery = self.hardware["dram.write_recovery"] if command.pulls else 0
        bank.precharge_ok = max(bank.precharge_ok, end + recovery)
        self.counters.references += 1
        self.counters.longwords += 2 * command.count
        self.counters.busy += cycles
        self._access(command)
        delay = self.hardware["dram.controller_delay"]
        if command.pulls:
            self.complete(command, end + delay, self.counters)
        else:
            quadword = self.hardware["dram.quadword_cycles"]
            overlap = (command.count - 1) * self._bus_cycles(command)
            self._push(command, start + max(cycles - overlap, quadword) + delay)

    def _access(self, command: Command) -> None:
        """Read or write the memory."""
        address, n = command.address & ~7, 2 * command.count
        if not self.memory.contains(address, n):
            raise command.fault("outside memory", f"at {address:#x}, {command.count} quadwords")
        if command.op in ("rbuf_rd", "tbuf_wr"):
            buffer = self.rbuf if command.op == "rbuf_rd" else self.tbuf
            if not buffer.contains(command.media_address, n):
                raise command.fault(
                    "outside memory", f"buffer at {command.media_address:#x}, {command.count} quadwords"
                )
        if command.returns_data:
            command.data = self.memory.read_words(address, n)
        elif command.byte_mask == 0xFF:
            self.memory.write_words(address, command.data)
        else:
            old = self.memory.read_words(address, n)
            masks = [_byte_lanes(command.byte_mask & 15), _byte_lanes(command.byte_mask >> 4)]
            new = [old[i] & ~masks[i % 2] | command.data[i] & masks[i % 2] for i in range(n)]
            self.memory.write_words(address, new)

    def _push(self, command: Command, time: int) -> None:
        media = command.op == "tbuf_wr"
        cycles = command.count * self._bus_cycles(command)

        def granted(grant: int) -> None:
            delivery = grant + cycles + self.hardware["push.latency"]

            def delivered() -> None:
                if media:
                    self.tbuf.write(command.media_address, command.data)
                else:
                    command.me.write_transfer_in(command.transfer_kind, command.transfer, command.data)
                self.signal(command, delivery, self.counters)

            self.schedule(delivery, delivered)

        self.push_bus.request(self.name, time, cycles, granted)


def _byte_lanes(mask: int) -> int:
    """Bit k of ``mask`` enables the byte at address k of a longword; byte 0 is bits 31:24."""
    return sum(0xFF << 24 - 8 * k for k in range(4) if mask >> k & 1)
