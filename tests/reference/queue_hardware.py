"""The queue hardware of an SRAM channel: Q_array, rings, journals and the controller's CSRs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ixp_emu.chip.hardware import Hardware

from .commands import Command, Memory

__all__ = ["Outcome", "QueueEntry", "QueueHardware"]

_ADDRESS = 0xFFFFFF  # bits 23:0, a longword address
_CELLS = 0x7F << 24
_END_OF_PACKET = 1 << 31


@dataclass(slots=True)
class QueueEntry:
    """One Q_array entry; ``loaded``: the part last read by rd_qdesc_head or rd_qdesc_tail; ``link_free``: when the next
    dequeue may be served.
    """

    head: int = 0
    tail: int = 0
    count: int = 0
    loaded: str = ""
    link_free: int = 0

    @property
    def ring_size(self) -> int:
        return 512 << (self.head >> 29)

    def ring_place(self, offset: int) -> int:
        """Longword address of an offset in the ring."""
        size = self.ring_size
        return (self.head & _ADDRESS & ~(size - 1)) + offset % size

    def advanced(self, pointer: int, n: int) -> int:
        """A head or tail ``n`` longwords on; only the offset in the ring changes."""
        inside = self.ring_size - 1
        return pointer & ~inside | pointer + n & inside


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a service takes.

    Attributes:
        port: longwords for which the command's port is busy, 0: it stays as it was.
        cycles: from the service to the reply or the completion, without the controller's delay.
        moved: longwords that count.
        values: what is pushed, None for a command without a reply.
    """

    port: int
    cycles: int
    moved: int
    values: Sequence[int] | None = None


class QueueHardware:
    """64 entries and 64 CSRs over one channel's memory."""

    def __init__(self, hardware: Hardware, memory: Memory) -> None:
        self.entries = [QueueEntry() for _ in range(64)]
        self.csr = [0] * 64
        self._memory = memory
        self._hardware = hardware
        self._longword = hardware["sram.longword_cycles"]

    def entry(self, command: Command) -> QueueEntry:
        return self.entries[command.address >> 24 & 63]

    def ready(self, command: Command, now: int) -> bool:
        """Whether a dequeue's link is there."""
        return command.op != "dequeue" or now >= self.entry(command).link_free

    def serve(self, command: Command, now: int) -> Outcome:
        return _SERVE[command.op](self, command, now)

    # ------------------------------------------------------------------ memory

    def _read(self, command: Command, address: int, n: int = 1) -> list[int]:
        self._check(command, address, n)
        return self._memory.read_words(4 * address, n)

    def _write(self, command: Command, address: int, values: Sequence[int]) -> None:
        self._check(command, address, len(values))
        self._memory.write_words(4 * address, values)

    def _check(self, command: Command, address: int, n: int) -> None:
        if not self._memory.contains(4 * address, n):
            raise command.fault("outside memory", f"longword {address:#x}, {n} longwords")

    # ------------------------------------------------------------------ descriptors

    def _read_descriptor(self, command: Command, now: int) -> Outcome:
        entry = self.entry(command)
        head, tail, count = self._read(command, command.address & _ADDRESS, 3)
        entry.count = count
        if command.op == "rd_qdesc_head":
            entry.head, entry.loaded, first = head, "head", head
        else:
            entry.tail, entry.loaded, first = tail, "tail", tail
        n, longword = command.count, self._longword
        values = [first, count, *[0] * n][:n]
        overlap = (n - 1) * self._hardware["sbus.longword_cycles"]
        return Outcome(2, max(2 * longword - overlap, longword), 2, values)

    def _read_rest(self, command: Command, now: int) -> Outcome:
        entry, address = self.entry(command), command.address & _ADDRESS
        if entry.loaded == "head":
            (entry.tail,) = self._read(command, address + 1)
        elif entry.loaded == "tail":
            (entry.head,) = self._read(command, address)
        else:
            entry.head, entry.tail, entry.count = self._read(command, address, 3)
        n = 1 if entry.loaded else 3
        return Outcome(n, n * self._longword, n)

    def _write_descriptor(self, command: Command, now: int) -> Outcome:
        entry, address = self.entry(command), command.address & _ADDRESS
        if command.op == "wr_qdesc":
            self._write(command, address, [entry.head, entry.tail, entry.count])
            return Outcome(3, 3 * self._longword, 3)
        self._write(command, address + 2, [entry.count])
        return Outcome(1, self._longword, 1)

    # ------------------------------------------------------------------ linked lists

    def _enqueue(self, command: Command, now: int) -> Outcome:
        entry, address = self.entry(command), command.address & _ADDRESS
        linked = entry.count != 0
        if linked:
            self._write(command, entry.tail & _ADDRESS, [address])
        else:
            entry.head = address
        entry.tail = address
        entry.count = entry.count + 1 & _ADDRESS
        return Outcome(int(linked), self._longword, int(linked))

    def _enqueue_tail(self, command: Command, now: int) -> Outcome:
        self.entry(command).tail = command.address & _ADDRESS
        return Outcome(0, self._longword, 0)

    def _dequeue(self, command: Command, now: int) -> Outcome:
        entry = self.entry(command)
        if entry.count == 0:
            return Outcome(0, self._longword, 0, [0])
        head = entry.head
        if not self._hardware["sram.ignore_cells"] and head & _CELLS:
            entry.head = head - (1 << 24)
            return Outcome(0, self._longword, 0, [head])
        (entry.head,) = self._read(command, head & _ADDRESS)
        if self._hardware["sram.ignore_eop"] or head & _END_OF_PACKET:
            entry.count -= 1
        entry.link_free = now + self._hardware["sram.link_cycles"]
        return Outcome(1, self._longword, 1, [head])

    # ------------------------------------------------------------------ rings and journals

    def _append(self, command: Command, now: int) -> Outcome:
        entry = self.entry(command)
        values = [command.address & _ADDRESS] if command.op == "fast_journal" else command.data
        n, size = len(values), entry.ring_size
        if command.op == "put" and entry.count + n > size:
            raise command.fault("ring overflow", f"{n} longwords into a ring with {entry.count} of {size}")
        places = [entry.ring_place(entry.tail + i) for i in range(n)]
        for place in places:
            self._check(command, place, 1)
        for place, value in zip(places, values, strict=True):
            self._write(command, place, [value])
        entry.tail = entry.advanced(entry.tail, n)
        entry.count = min(entry.count + n, size)
        return Outcome(n, n * self._longword, n)

    def _get(self, command: Command, now: int) -> Outcome:
        entry, n = self.entry(command), command.count
        if entry.count < n:
            return Outcome(1, self._longword, 1, [0])
        values = [self._read(command, entry.ring_place(entry.head + i))[0] for i in range(n)]
        entry.head = entry.advanced(entry.head, n)
        entry.count -= n
        overlap = (n - 1) * self._hardware["sbus.longword_cycles"]
        return Outcome(n, max(n * self._longword - overlap, self._longword), n, values)

    # ------------------------------------------------------------------ CSRs

    def _csr(self, command: Command, now: int) -> Outcome:
        number = command.address >> 2 & 63
        if command.op == "csr_rd":
            return Outcome(0, self._longword, 1, [self.csr[number]])
        self.csr[number] = command.data[0]
        return Outcome(0, self._longword, 1)


_SERVE: dict[str, Callable[[QueueHardware, Command, int], Outcome]] = {
    "rd_qdesc_head": QueueHardware._read_descriptor,
    "rd_qdesc_tail": QueueHardware._read_descriptor,
    "rd_qdesc_other": QueueHardware._read_rest,
    "wr_qdesc": QueueHardware._write_descriptor,
    "wr_qdesc_count": QueueHardware._write_descriptor,
    "enqueue": QueueHardware._enqueue,
    "enqueue_tail": QueueHardware._enqueue_tail,
    "dequeue": QueueHardware._dequeue,
    "put": QueueHardware._append,
    "journal": QueueHardware._append,
    "fast_journal": QueueHardware._append,
    "get": QueueHardware._get,
    "csr_wr": QueueHardware._csr,
    "csr_rd": QueueHardware._csr,
}
