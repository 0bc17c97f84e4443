"""The scratch unit: scratchpad memory, rings, hash and CAP; one service per cycle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ixp_emu.chip.hardware import Hardware

from .commands import Command, Counters, Memory, SBusUnit, atomic_result

__all__ = ["CAP_ADDRESSES", "Ring", "Scratch", "hash_key"]

CAP_ADDRESSES = {
    "XSCALE_INT_A": 0x4B20,
    "XSCALE_INT_B": 0x4B24,
    "INTERTHREAD_SIG": 0x4B00,
    "HASH_MULTIPLIER_48_0": 0x4900,
}
"""Only XSCALE_INT_A is proved; a comparison sets the others (``Scratch.cap_addresses``) to what the other side uses."""

_RING_CSRS = range(0x4800, 0x4900)

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


@dataclass(slots=True)
class Ring:
    """A ring in scratch memory; ``base`` in bytes, ``size`` and ``count`` in longwords."""

    base: int = 0
    size: int = 0
    head: int = 0
    count: int = 0
    flag_empty: bool = False
    shown: bool = False
    coming: list[tuple[int, bool]] = field(default_factory=list)

    def slot(self, place: int) -> int:
        return self.base + 4 * (place % self.size)

    def flag(self, margin: int) -> bool:
        if not self.size:
            return False
        return self.count == 0 if self.flag_empty else self.count > self.size - margin


class Scratch(SBusUnit):
    """``raw_status["A"|"B"][cluster]`` are the interrupt status words that XSCALE_INT_A/B set."""

    def __init__(self, hardware: Hardware) -> None:
        super().__init__(hardware, "scratch", parameters="scratch")
        self.memory = Memory(hardware["scratch.size_bytes"])
        self.rings = [Ring() for _ in range(16)]
        self.hash_multipliers: dict[int, list[int]] = {48: [0] * 2, 64: [0] * 2, 128: [0] * 4}
        self.hash_counters = Counters()
        self.cap_counters = Counters()
        self.cap_addresses = dict(CAP_ADDRESSES)
        self.csr: dict[int, int] = {}
        self.raw_status = {"A": [0, 0], "B": [0, 0]}
        self.send_signal: Callable[[int, int, int, int], None]  # me, context, mask, time
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

    def ring_flag(self, number: int, now: int) -> bool:
        """The status flag as ``br_inp_state`` sees it in phase 3 of ``now``."""
        ring = self.rings[number]
        while ring.coming and ring.coming[0][0] <= now:
            ring.shown = ring.coming.pop(0)[1]
        return ring.shown

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
        elif command.op in ("get", "put"):
            self._ring(command, now)
        else:
            self._memory(command, now)

    def _finish(self, command: Command, now: int, n: int, values: Sequence[int] | None, counters: Counters) -> None:
        """Occupy the unit for ``n`` longwords, then reply with ``values`` or complete."""
        longword = self.hardware["scratch.longword_cycles"]
        busy = max(self.hardware["scratch.command_cycles"], n * longword)
        self.free = now + busy
        counters.references += 1
        counters.longwords += n
        counters.busy += busy
        if values is None:
            self.complete(command, now + busy + self._delay, counters)
        else:
            self.push(command, values, now + longword + self._delay, counters, master="scratch")

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
            for i, value in enumerate(command.data):
                self.memory.write_words(ring.slot(ring.head + ring.count + i), [value])
            ring.count += n
        elif ring.count < n:
            values = [0]
            n = 1
        else:
            values = [self.memory.read_words(ring.slot(ring.head + i), 1)[0] for i in range(n)]
            ring.head = (ring.head + n) % ring.size
            ring.count -= n
        margin = self.hardware["scratch.ring_full_margin"]
        ring.coming.append((now + self.hardware["scratch.ring_flag_lag"], ring.flag(margin)))
        self._finish(command, now, n, values, self.counters)

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
        values = None
        if command.op == "cap_read":
            values = [self._cap_value(command, command.address + 4 * i) for i in range(command.count)]
        else:
            for i, value in enumerate(command.data):
                self._cap_write(command, command.address + 4 * i, value, now)
        self._finish(command, now, command.count, values, self.cap_counters)

    def _multiplier(self, address: int) -> tuple[int, int] | None:
        """Width and number of the hash multiplier CSR at ``address``."""
        place, beyond = divmod(address - self.cap_addresses["HASH_MULTIPLIER_48_0"], 4)
        if beyond or not 0 <= place < 8:
            return None
        return ((48, place), (48, place), (64, place - 2), (64, place - 2))[place] if place < 4 else (128, place - 4)

    def _cap_value(self, command: Command, address: int) -> int:
        multiplier = self._multiplier(address)
        if multiplier is not None:
            return self.hash_multipliers[multiplier[0]][multiplier[1]]
        if address in _RING_CSRS:
            raise command.fault("not modelled", f"of the ring CSR at {address:#x}")
        return self.csr.get(address, 0)

    def _cap_write(self, command: Command, address: int, value: int, now: int) -> None:
        multiplier = self._multiplier(address)
        if multiplier is not None:
            self.hash_multipliers[multiplier[0]][multiplier[1]] = value
        elif address == self.cap_addresses["INTERTHREAD_SIG"]:
            engine = value >> 7 & 31
            if engine & 0xC == 0:
                number = (engine & 3) + (4 if engine & 0x10 else 0)
                time = now + self.hardware["cap.signal_latency"]
                self.send_signal(number, value >> 4 & 7, 1 << (value & 15), time)
        elif address in (self.cap_addresses["XSCALE_INT_A"], self.cap_addresses["XSCALE_INT_B"]):
            word = "A" if address == self.cap_addresses["XSCALE_INT_A"] else "B"
            engine = command.me.number
            self.raw_status[word][engine // 4] |= 1 << 8 * (engine % 4) + command.context
        elif address in _RING_CSRS:
            raise command.fault("not modelled", f"of the ring CSR at {address:#x}")
        else:
            self.csr[address] = value


def _number(words: Sequence[int]) -> int:
    """Longwords, least significant first, as one integer."""
    return sum(word << 32 * i for i, word in enumerate(words))
