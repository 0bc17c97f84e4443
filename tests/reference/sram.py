"""One SRAM channel: reads and writes on separate data paths of the QDR memory."""

from __future__ import annotations

from ixp_emu.chip.hardware import Hardware

from .commands import Command, Memory, SBusUnit, atomic_result

__all__ = ["Sram"]


class Sram(SBusUnit):
    """``busy_read`` and ``busy_write`` count each data path; ``counters.busy`` is their sum."""

    def __init__(self, hardware: Hardware, channel: int) -> None:
        super().__init__(hardware, f"sram{channel}", parameters="sram")
        self.memory = Memory(hardware["sram.size_bytes"])
        self.reads_free = 0
        self.writes_free = 0
        self.command_free = 0
        self.busy_read = 0
        self.busy_write = 0
        self._longword = hardware["sram.longword_cycles"]
        self._delay = hardware["sram.controller_delay"]

    def step(self, now: int) -> None:
        if not self.inlet:
            return
        command = self.inlet[0]
        reads = command.op != "write"
        writes = command.op != "read"
        if now < command.arrival or now < self.command_free:
            return
        if (reads and now < self.reads_free) or (writes and now < self.writes_free):
            return
        if command.pulls and now < command.data_time:
            return
        if command.returns_data and not self.can_push(command, master=self.name):
            return
        self.inlet.popleft()
        self._serve(command, now)

    def _serve(self, command: Command, now: int) -> None:
        n = command.count
        address = command.address & ~3
        if not self.memory.contains(address, n):
            raise command.fault("outside memory", f"at {address:#x}, {n} longwords")
        self.command_free = now + self.hardware["sram.command_cycles"]
        busy = n * self._longword
        self.counters.references += 1
        self.counters.longwords += n
        if command.op != "write":
            self.reads_free = now + busy
            self.busy_read += busy
            self.counters.busy += busy
        if command.op != "read":
            self.writes_free = now + busy
            self.busy_write += busy
            self.counters.busy += busy
        if command.op == "write":
            self.memory.write_words(address, command.data)
            self.complete(command, now + busy + self._delay, self.counters)
            return
        old = self.memory.read_words(address, n)
        if command.op != "read":
            operand = command.data[0] if command.pulls else 0
            self.memory.write_words(address, [atomic_result(command.op, old[0], operand)])
        if command.returns_data:
            overlap = (n - 1) * self.hardware["sbus.longword_cycles"]
            self.push(command, old, now + busy - overlap + self._delay, self.counters, master=self.name)
        else:
            self.complete(command, now + busy + self._delay, self.counters)
