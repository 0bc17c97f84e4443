"""The scratch unit: scratchpad memory, rings, hash, CAP, reflector and PCI; one service per cycle."""

from __future__ import annotations

from collections.abc import Sequence

from ixp_emu.chip.hardware import Hardware

from .cap import CapCsrs
from .commands import Command, Counters, Memory, SBusUnit, atomic_result
from .ring import Ring

__all__ = ["Scratch", "hash_key"]

_PCI_CSR_BYTES = 0x1000

_GENERATORS = {
    48: 1 << 48 | 1 << 36 | 1 << 25 | 1 << 10 | 1,
    64: 1 << 64 | 1 << 54 | 1 << 35 | 1 << 17 | 1,
    128: 1 << 128 | 1 << 98 | 1 << 69 | 1 << 33 | 1,
}


def hash_key(width: int, key: int, multiplier: int) -> int:
    """``key * multiplier`` modulo the width's generator, over GF(2)."""
    key &= (1 << width) - 1
    multiplier &= (1 << width) - 1
    product = 0
    for bit in range(width):
        if multiplier >> bit & 1:
            product ^= key << bit
    for bit in range(2 * width - 1, width - 1, -1):
        if product >> bit & 1:
            product ^= _GENERATORS[width] << bit - width
    return product


class Scratch(SBusUnit):
    """``pci`` holds the CSRs of the PCI unit, ``cap`` those of the CAP."""

    def __init__(self, hardware: Hardware) -> None:
        super().__init__(hardware, "scratch", parameters="scratch")
        self.memory = Memory(hardware["scratch.size_bytes"])
        self.rings = [Ring() for _ in range(16)]
        self.hash_multipliers: dict[int, list[int]] = {48: [0] * 2, 64: [0] * 2, 128: [0] * 4}
        self.hash_counters = Counters()
        self.cap_counters = Counters()
        self.cap = CapCsrs(self)
        self.pci = Memory(_PCI_CSR_BYTES)
        self.free = 0
        self.hash_free = 0
        self._delay = hardware["scratch.controller_delay"]

    def longwords(self, command: Command) -> int:
        if command.op.startswith("hash"):
            return command.count * (4 if command.op == "hash_128" else 2)
        return command.count

    def configure_ring(self, number: int, *, base: int, size: int, flag_empty: bool, contents: Sequence[int]) -> None:
        if len(contents) > size:
            raise ValueError(f"{len(contents)} longwords in a ring of {size}")
        ring = Ring(base, size, 0, len(contents), flag_empty)
        ring.shown = ring.flag(self.hardware["scratch.ring_full_margin"])
        self.memory.write_words(base, contents)
        self.rings[number] = ring

    @property
    def cap_addresses(self) -> dict[str, int]:
        return self.cap.addresses

    @property
    def raw_status(self) -> dict[str, list[int]]:
        return self.cap.raw_status

    def ring_flag(self, number: int, now: int) -> bool:
        """The status flag as ``br_inp_state`` sees it in phase 3 of ``now``."""
        return self.rings[number].flag_at(now)

    def note_flag(self, number: int, now: int) -> None:
        """A ring changed at ``now``: its flag shows after the lag."""
        ring = self.rings[number]
        flag = ring.flag(self.hardware["scratch.ring_full_margin"])
        ring.coming.append((now + self.hardware["scratch.ring_flag_lag"], flag))

    def step(self, now: int) -> None:
        if not self.inlet:
            return
        command = self.inlet[0]
        master = "hash" if command.op.startswith("hash") else "scratch"
        if now < command.arrival or now < self.free:
            return
        if command.pulls and now < command.data_time:
            return
        if command.returns_data and not self.can_push(command, master=master):
            return
        self.inlet.popleft()
        if master == "hash":
            self._hash(command, now)
        elif command.op.startswith("cap"):
            self._cap(command, now)
        elif command.op.startswith("reflect"):
            self._finish(command, now, command.count, command.data, self.cap_counters)
        elif command.op.startswith("pci"):
            self._pci(command, now)
        elif command.op in ("get", "put"):
            self._ring(command, now)
        else:
            self._memory(command, now)

    def _finish(
        self,
        command: Command,
        now: int,
        n: int,
        values: Sequence[int] | None,
        counters: Counters,
        *,
        later: int = 0,
    ) -> None:
        """Occupy the unit for ``n`` longwords, then, ``later`` than the path, reply with ``values`` or complete."""
        longword = self.hardware["scratch.longword_cycles"]
        busy = max(self.hardware["scratch.command_cycles"], n * longword)
        self.free = now + busy
        counters.references += 1
        counters.longwords += n
        counters.busy += busy
        if values is None:
            self.complete(command, now + busy + self._delay + later, counters)
        else:
            reply = now + self.until_reply(n, longword) + self._delay + later
            self.push(command, values, reply, counters, master="scratch")

    def _memory(self, command: Command, now: int) -> None:
        n = command.count
        address = command.address & ~3
        if not self.memory.contains(address, n):
            raise command.fault("outside memory", f"at {address:#x}, {n} longwords")
        values = None
        if command.op == "write":
            self.memory.write_words(address, command.data)
        else:
            old = self.memory.read_words(address, n)
            if command.op != "read":
                operand = command.data[0] if command.pulls else 0
                self.memory.write_words(address, [atomic_result(command.op, old[0], operand)])
            if command.returns_data:
                values = old
        self._finish(command, now, n, values, self.counters)

    def _ring(self, command: Command, now: int) -> None:
        number = command.address >> 2 & 15
        ring = self.rings[number]
        n = command.count
        values: list[int] | None = None
        if command.op == "put":
            if ring.count + n > ring.size:
                raise command.fault(
                    "ring overflow", f"{n} longwords into ring {number} with {ring.count} of {ring.size}"
                )
            slots = self._slots(command, ring, range(ring.count, ring.count + n))
            for slot, value in zip(slots, command.data, strict=True):
                self.memory.write_words(slot, [value])
            ring.append(n)
        elif ring.count < n:
            values = [0]
            n = 1
        else:
            values = [self.memory.read_words(slot, 1)[0] for slot in self._slots(command, ring, range(n))]
            ring.take(n)
        self.note_flag(number, now)
        self._finish(command, now, n, values, self.counters)

    def _slots(self, command: Command, ring: Ring, places: range) -> list[int]:
        """Byte addresses of places behind the head, all inside the memory."""
        slots = [ring.slot(place) for place in places]
        for slot in slots:
            if not self.memory.contains(slot, 1):
                raise command.fault("outside memory", f"at {slot:#x}, of a ring at {ring.base:#x}")
        return slots

    def _hash(self, command: Command, now: int) -> None:
        width = int(command.op.removeprefix("hash_"))
        words = 4 if width == 128 else 2
        multiplier = _number(self.hash_multipliers[width])
        values: list[int] = []
        for key in range(command.count):
            result = hash_key(width, _number(command.data[words * key : words * (key + 1)]), multiplier)
            values += [result >> 32 * i & 0xFFFFFFFF for i in range(words)]
        key_cycles = self.hardware["hash.key_cycles"]
        self.hash_free = max(now, self.hash_free) + command.count * key_cycles
        self.free = now + self.hardware["scratch.command_cycles"]
        self.hash_counters.references += 1
        self.hash_counters.longwords += len(values)
        self.hash_counters.busy += command.count * key_cycles
        reply = self.hash_free - key_cycles + self.hardware[f"hash.latency_{width}"] + self._delay
        self.push(command, values, reply, self.hash_counters, master="hash")

    def _cap(self, command: Command, now: int) -> None:
        addresses = [(command.address & ~3) + 4 * i for i in range(command.count)]
        for address in addresses:
            self.cap.check(command, address)
        values = None
        if command.op == "cap_read":
            values = [self.cap.read(address) for address in addresses]
        else:
            for address, value in zip(addresses, command.data, strict=True):
                self.cap.write(command, address, value, now)
        self._finish(command, now, command.count, values, self.cap_counters)

    def _pci(self, command: Command, now: int) -> None:
        address, n = command.address & ~3, command.count
        if not self.pci.contains(address, n):
            raise command.fault("outside memory", f"PCI address {address:#x}, {n} longwords")
        values = None
        if command.op == "pci_read":
            values = self.pci.read_words(address, n)
        else:
            self.pci.write_words(address, command.data)
        self._finish(command, now, n, values, self.cap_counters, later=self.hardware["pci.latency"])


def _number(words: Sequence[int]) -> int:
    """Longwords, least significant first, as one integer."""
    return sum(word << 32 * i for i, word in enumerate(words))
