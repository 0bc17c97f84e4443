"""One SRAM channel: reads and writes on separate data paths of the QDR memory, and the queue hardware behind them."""

from __future__ import annotations

from ixp_emu.chip.hardware import Hardware

from .commands import Command, Memory, SBusUnit, atomic_result
from .queue_hardware import QueueHardware

__all__ = ["Sram"]

_READS = frozenset(("read", "rd_qdesc_head", "rd_qdesc_tail", "rd_qdesc_other", "dequeue", "get"))
_WRITES = frozenset(("write", "wr_qdesc", "wr_qdesc_count", "enqueue", "put", "journal", "fast_journal"))
_NEITHER = frozenset(("enqueue_tail", "csr_rd", "csr_wr"))
_PLAIN = frozenset(("read", "write"))
_ATOMICS = frozenset(("swap", "set", "clr", "add", "incr", "decr"))


class Sram(SBusUnit):
    """``busy_read`` and ``busy_write`` count each data path; ``counters.busy`` is their sum."""

    def __init__(self, hardware: Hardware, channel: int) -> None:
        super().__init__(hardware, f"sram{channel}", parameters="sram")
        self.memory = Memory(hardware["sram.size_bytes"])
        self.queues = QueueHardware(hardware, self.memory)
        self.reads_free = 0
        self.writes_free = 0
        self.command_free = 0
        self.busy_read = 0
        self.busy_write = 0
        self._longword = hardware["sram.longword_cycles"]
        self._delay = hardware["sram.controller_delay"]

    @staticmethod
    def _ports(op: str) -> tuple[bool, bool]:
        """Whether a command needs the read port and the write port: atomics need both."""
        if op in _ATOMICS:
            return True, True
        assert op in _READS | _WRITES | _NEITHER
        return op in _READS, op in _WRITES

    def step(self, now: int) -> None:
        if not self.inlet:
            return
        command = self.inlet[0]
        reads, writes = self._ports(command.op)
        if now < command.arrival or now < self.command_free:
            return
        if (reads and now < self.reads_free) or (writes and now < self.writes_free):
            return
        if command.pulls and now < command.data_time:
            return
        if command.returns_data and not self.can_push(command, master=self.name):
            return
        if not self.queues.ready(command, now):
            return
        self.inlet.popleft()
        self.command_free = now + self.hardware["sram.command_cycles"]
        if command.op in _PLAIN | _ATOMICS:
            self._serve(command, now)
        else:
            self._serve_queue(command, now)

    def _occupy(self, command: Command, now: int, longwords: int) -> None:
        """The command's ports are busy for ``longwords``; with none they stay as they were."""
        busy = longwords * self._longword
        reads, writes = self._ports(command.op)
        if reads and busy:
            self.reads_free = now + busy
            self.busy_read += busy
            self.counters.busy += busy
        if writes and busy:
            self.writes_free = now + busy
            self.busy_write += busy
            self.counters.busy += busy

    def _serve(self, command: Command, now: int) -> None:
        n = command.count
        address = command.address & ~3
        if not self.memory.contains(address, n):
            raise command.fault("outside memory", f"at {address:#x}, {n} longwords")
        busy = n * self._longword
        self.counters.references += 1
        self.counters.longwords += n
        self._occupy(command, now, n)
        if command.op == "write":
            self.memory.write_words(address, command.data)
            self.complete(command, now + busy + self._delay, self.counters)
            return
        old = self.memory.read_words(address, n)
        if command.op != "read":
            operand = command.data[0] if command.pulls else 0
            self.memory.write_words(address, [atomic_result(command.op, old[0], operand)])
        if command.returns_data:
            reply = now + self.until_reply(n, self._longword) + self._delay
            self.push(command, old, reply, self.counters, master=self.name)
        else:
            self.complete(command, now + busy + self._delay, self.counters)

    def _serve_queue(self, command: Command, now: int) -> None:
        outcome = self.queues.serve(command, now)
        self.counters.references += 1
        self.counters.longwords += outcome.moved
        self._occupy(command, now, outcome.port)
        time = now + outcome.cycles + self._delay
        if outcome.values is None:
            self.complete(command, time, self.counters)
        else:
            self.push(command, outcome.values, time, self.counters, master=self.name)
