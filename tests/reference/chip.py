"""The whole chip, one cycle per step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ixp_emu.chip.hardware import Hardware

from .buses import Bus
from .commands import CommandBus, Memory, Unit
from .csr import Timestamp
from .dram import Dram
from .faults import Fault, FaultError
from .media import Media
from .microengine import Microengine
from .scratch import Scratch
from .sram import Sram

__all__ = ["ReferenceChip"]


class ReferenceChip:
    """One IXP2400 as docs/hardware-model.md describes it.

    Parameters:
        hardware: resolved hardware description.
        ports: number of Ethernet ports.
        four_contexts: MEs (0..7) that run with four contexts (0, 2, 4, 6).

    Attributes:
        now: the next cycle to execute; cycles 0 .. now-1 have been executed.
        fault: why the run stopped; ``now`` then is the faulting cycle.
        me: the eight microengines.
        timestamp: ``start`` is the cycle it counts from, or None while it stands still.
        scratch, sram, dram: memories (``sram`` is a list of two).
        units: scratch, sram0, sram1, dram, msf by name, each with ``counters``.
        buses: S_pull0, S_pull1, D_pull, S_push0, S_push1, D_push by name.
        egress: (time of the last bit, port, frame) of each frame sent to a port without a link.
        lost: (time, port, frame, cause).
    """

    def __init__(self, hardware: Hardware, *, ports: int = 0, four_contexts: frozenset[int] = frozenset()) -> None:
        self.hardware = hardware
        self.now = 0
        self.fault: Fault | None = None
        self.me = [Microengine(hardware, n, four_contexts=n in four_contexts) for n in range(8)]
        self.timestamp = Timestamp()
        self._scratch = Scratch(hardware)
        self._sram = [Sram(hardware, channel) for channel in range(2)]
        self._dram = Dram(hardware)
        self.media = Media(hardware, ports)
        self.units: dict[str, Unit] = {unit.name: unit for unit in (self._scratch, *self._sram, self._dram, self.media)}
        self.command_buses = [
            CommandBus(hardware, self.me[4 * cluster : 4 * cluster + 4], self.units) for cluster in range(2)
        ]
        first, second = self.command_buses
        first.other, second.other = second, first
        pull = [Bus(f"S_pull{c}", ("scratch", "sram0", "sram1", "msf")) for c in range(2)]
        push = [Bus(f"S_push{c}", ("scratch", "hash", "sram0", "sram1", "msf", "receive_status")) for c in range(2)]
        d_pull, d_push = Bus("D_pull", ("dram",)), Bus("D_push", ("dram",))
        self._push = push
        self.buses = {bus.name: bus for bus in (*pull, d_pull, *push, d_push)}  # in order of grants
        self._deliveries: dict[int, list[Callable[[], None]]] = {}
        self._wire(pull, push, d_pull, d_push)

    def _wire(self, pull: list[Bus], push: list[Bus], d_pull: Bus, d_push: Bus) -> None:
        for unit in self.units.values():
            unit.schedule = self._schedule
        for s_unit in (self._scratch, *self._sram, self.media):
            s_unit.pull_buses, s_unit.push_buses = pull, push
        self._dram.pull_bus, self._dram.push_bus = d_pull, d_push
        self._dram.rbuf, self._dram.tbuf = self.media.rbuf, self.media.tbuf
        self._scratch.cap.send_signal = self._send_signal
        self.media.rx.deliver_status = self._deliver_status
        for engine in self.me:
            engine.all_engines = self.me
            engine.timestamp = self.timestamp
            engine.schedule = self._schedule
            engine.ring_flag = self._scratch.ring_flag

    # ------------------------------------------------------------------ what a user sets and sees

    def load(self, me: int, words: Sequence[int], *, contexts: int = 0xFF, entry: int = 0) -> None:
        """Load a program into ME ``me`` (0..7); every context in the mask ``contexts`` is ready at ``entry``."""
        self.me[me].load(words, contexts=contexts, entry=entry)

    def configure_ring(
        self, ring: int, *, base: int, size: int, flag_empty: bool = False, contents: Sequence[int] = ()
    ) -> None:
        """Set up a scratch ring: ``base`` in bytes, ``size`` in longwords, ``contents`` oldest first."""
        self._scratch.configure_ring(ring, base=base, size=size, flag_empty=flag_empty, contents=contents)

    @property
    def scratch(self) -> Memory:
        return self._scratch.memory

    @property
    def sram(self) -> list[Memory]:
        return [channel.memory for channel in self._sram]

    @property
    def dram(self) -> Memory:
        return self._dram.memory

    @property
    def scratch_unit(self) -> Scratch:
        return self._scratch

    @property
    def sram_units(self) -> list[Sram]:
        return self._sram

    @property
    def dram_unit(self) -> Dram:
        return self._dram

    @property
    def hash_multipliers(self) -> dict[int, list[int]]:
        """By key width: 48 and 64 have two longwords, 128 has four, least significant first."""
        return self._scratch.hash_multipliers

    @hash_multipliers.setter
    def hash_multipliers(self, multipliers: dict[int, list[int]]) -> None:
        self._scratch.hash_multipliers = {width: list(words) for width, words in multipliers.items()}

    @property
    def egress(self) -> list[tuple[int, int, bytes]]:
        return self.media.egress

    @property
    def lost(self) -> list[tuple[int, int, bytes, str]]:
        return self.media.lost

    def feed(self, port: int, arrival: int, frame: bytes) -> None:
        """Offer a frame (without FCS) whose first bit comes at ``arrival``; in order per port."""
        if arrival < self.now:
            raise ValueError(f"arrival {arrival} is before the cycle {self.now}")
        self.media.feed(port, arrival, frame)

    # ------------------------------------------------------------------ time

    def run(self, until: int) -> None:
        """Execute cycles ``now`` .. ``until`` - 1; stops early at a fault."""
        while self.now < until and self.fault is None:
            self.step()

    def step(self) -> None:
        """Execute one cycle."""
        if self.fault is not None:
            return
        try:
            self._cycle(self.now)
        except FaultError as error:
            self.fault = Fault(error.kind, self.now, error.me, error.pc, error.detail)
            return
        self.now += 1

    def _cycle(self, now: int) -> None:
        chassis_edge = now % 2 == 0
        # Phase 0: deliveries, then pull and push bus grants.
        for deliver in self._deliveries.pop(now, ()):
            deliver()
        if chassis_edge:
            for bus in self.buses.values():
                bus.step(now)
        # Phase 1: service.
        self._scratch.step(now)
        for channel in self._sram:
            channel.step(now)
        self._dram.step(now)
        self.media.step(now)
        # Phase 2: command bus grants.
        if chassis_edge:
            for command_bus in self.command_buses:
                command_bus.step(now)
        # Phase 3: MEs issue.
        for engine in self.me:
            if engine.loaded:
                engine.step(now)
        # Phase 4: media.
        self.media.rx.step(now)
        self.media.tx.step(now)

    def _schedule(self, time: int, deliver: Callable[[], None]) -> None:
        """Do something in phase 0 of ``time``."""
        assert time > self.now
        self._deliveries.setdefault(time, []).append(deliver)

    # ------------------------------------------------------------------ signals between MEs

    def _send_signal(self, me: int, context: int, mask: int, time: int) -> None:
        self._schedule(time, lambda: self.me[me].set_signals(context, mask))

    def _deliver_status(self, me: int, context: int, entry: int, status: Sequence[int], time: int) -> None:
        """Queue the push of a receive status into the thread of a free list ``entry``."""
        engine = self.me[me]
        number = (context // 2 * 32 if engine.four_contexts else context * 16) + (entry & 15)
        signals = 1 << (entry >> 12 & 15)
        cycles = len(status) * self.hardware["sbus.longword_cycles"]

        def granted(grant: int) -> None:
            delivery = grant + cycles + self.hardware["push.latency"]

            def delivered() -> None:
                engine.write_transfer_in("sram", number, status)
                engine.set_signals(context, signals)

            self._schedule(delivery, delivered)

        self._push[engine.cluster].request("receive_status", time, cycles, granted)
