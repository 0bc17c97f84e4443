"""Run a cluster: offer the traffic, advance the machine, match what leaves, and notice the end.

The end of a run does not depend on host time or threads: it is decided at *check times*, which are a function of the
simulated state alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ixp_emu.cluster.admission import admit
from ixp_emu.cluster.build import ChipImage, build_images, structure_words
from ixp_emu.cluster.cables import read_port
from ixp_emu.cluster.config import ClusterConfig, Port
from ixp_emu.cluster.counters import Counters, take_counters
from ixp_emu.cluster.diagnosis import describe_fault, waiting_lines
from ixp_emu.cluster.egress import EgressMatcher, EgressResult
from ixp_emu.cluster.expectation import Expectation, expect
from ixp_emu.cluster.extension import open_extensions
from ixp_emu.cluster.frames import Frames
from ixp_emu.cluster.machine import EgressLog, Machine
from ixp_emu.cluster.service import Service
from ixp_emu.cluster.snapshot import Snapshot, restore_snapshot, take_snapshot
from ixp_emu.cluster.traffic import make_traffic
from ixp_emu.cluster.wire import Line
from ixp_emu.errors import InputError

__all__ = ["ClusterRun", "Progress", "RunResult"]

CHECK_CYCLES = 10_000
"""Cycles between two looks at whether the warm-up is over."""
LAST_CHECK_CYCLES = 100
"""Cycles between two looks at whether the run is over, once all frames have entered: so much its end may be late."""
_SLICE_SECONDS = 0.25
"""Host time of a piece of a run. A chip's state comes into the processor's caches anew for each, so none is short."""
_LONGEST_SLICE = 1 << 40
_KEEP_SECONDS = 10.0
"""Host time after which the state is kept again, from which a fault is approached a second time."""
_LINE_BITS_PER_SECOND = 1_000_000_000
_LOSSES = {
    "mac_rx_overflow": "frames_lost",
    "switch_unknown": "switch_unknown",
    "switch_overflow": "switch_overflow",
}
"""Cause -> counter of a port."""


@dataclass(frozen=True, slots=True)
class Progress:
    """State of a run under way, for a display."""

    cycles: int
    resolved: int
    offered: int
    wall_seconds: float


@dataclass(frozen=True, eq=False, slots=True)
class RunResult:
    """Everything a report is made from.

    Attributes:
        counters: after the warm-up.
        wall_seconds: host time of the simulation.
        offered: frames that entered or were lost at a MAC.
        delivered: frames that left as expected.
        lost: cause -> frames.
        events: chip -> event -> how often the microcode counted it; no packet is dropped by an event.
        in_flight: offered, neither delivered nor lost.
        egress: order, latency and strangers.
        measured_cycles: cycles after the warm-up.
        measured_delivered, measured_bits: frames and bits (on the wire: with preamble, FCS and gap) that left after it.
        fault: what ended the run early, None if nothing did.
        complete: every packet was delivered or lost.
        extensions: name -> what that extension reports.
    """

    config: ClusterConfig
    images: Mapping[str, ChipImage]
    machine: Machine
    cycles: int
    wall_seconds: float
    counters: Counters
    total: Counters
    packets: int
    offered: int
    delivered: int
    lost: Mapping[str, int]
    events: Mapping[str, Mapping[str, int]]
    in_flight: int
    egress: EgressResult
    expectation: Expectation
    measured_delivered: int
    measured_bits: int
    fault: str | None
    complete: bool
    extensions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class ClusterRun:
    """One run of a configuration.

    Attributes:
        now: cycles executed.
        machine: the chips.
        frames: the offered frames.
    """

    def __init__(self, config: ClusterConfig, *, threads: int = 1) -> None:
        self.config = config
        self.extensions = open_extensions(config)
        self.images = build_images(config, self.extensions)
        admit(config, self.images)
        self.into = [read_port(text) for text in config.traffic.into]
        line = Line(bits_per_second=_LINE_BITS_PER_SECOND, clock_hz=config.hardware["me_clock_khz"] * 1_000)
        self._line = line
        self.traffic = make_traffic(config.traffic_spec(), [line] * len(self.into))
        self.frames: Frames = self.traffic.frames
        self._check_warmup()
        self.threads = threads
        self.machine = self._new_machine()
        numbers = self.machine.port_numbers
        self.expectation = next(
            (extension.expect(self.frames, self.into, numbers) for extension in self.extensions.values()), None
        ) or expect(config, self.images, self.frames, self.into, numbers)
        self._actions: dict[int, list[Callable[[ClusterRun], None]]] = {}
        for extension in self.extensions.values():
            for cycle, action in extension.actions().items():
                self._actions.setdefault(cycle, []).append(action)
        self.wall_seconds = 0.0
        self.observer: Callable[[int, EgressLog], None] | None = None
        self._origin: Snapshot | None = None
        self._begin()

    def _begin(self) -> None:
        """The state at cycle 0."""
        self.matcher = EgressMatcher(self.expectation.frames, self.expectation.stand_ins)
        self.now = 0
        self._step = CHECK_CYCLES
        self.next_check = 0
        self.left_frames = 0
        self.left_bits = 0
        self.warm: tuple[Counters, int, int] | None = None
        self.fault: str | None = None
        self.next_check = self._following_check()
        if self.config.run.warmup_packets == 0:
            self.warm = (self._counters(), 0, 0)

    def _new_machine(self) -> Machine:
        machine = Machine(self.config, self.images, threads=self.threads)
        machine.feed(self.frames, self.into, back_pressure=self.config.traffic.back_pressure)
        return machine

    def _check_warmup(self) -> None:
        """A trace may hold fewer packets than the warm-up takes."""
        warmup = self.config.run.warmup_packets
        if warmup >= len(self.frames):
            error = InputError(
                f"expected less than the {len(self.frames)} packets offered; got the integer {warmup}",
                key="run.warmup_packets",
            )
            raise self.config.source.located(error)

    def restore(self, snapshot: Snapshot) -> None:
        """Take up the state of a snapshot of the same configuration; only in a new run.

        Raises:
            KeyError, TypeError, ValueError: no snapshot of this configuration.
            InputError: a control program does not do what it did.
        """
        restore_snapshot(self, snapshot)
        self._origin = snapshot

    def _rewind(self) -> None:
        """Back to the last state that was kept."""
        wall_seconds = self.wall_seconds
        self.machine.close()
        self.machine = self._new_machine()
        self._begin()
        if self._origin is not None:
            restore_snapshot(self, self._origin)
        self.wall_seconds = wall_seconds

    # --- counting ---------------------------------------------------------------------------------------------------

    def _counters(self) -> Counters:
        return take_counters(self.machine.chips, self.now, controls=self.machine.controls)

    @property
    def entered(self) -> int:
        """Frames that entered or were lost at a MAC."""
        return sum(self._taken(port) for port in self.into)

    def _taken(self, port: Port) -> int:
        chip = self.machine.chips[self.machine.index_of[port.chip]]
        return int(chip["port"][port.number]["source_next"])

    def _unknown(self, port: Port) -> int:
        """Frames from a port that its switch lost for their address."""
        chip = self.machine.chips[self.machine.index_of[port.chip]]
        return int(chip["port"][port.number]["switch_unknown"])

    def service_drops(self) -> dict[tuple[str, str], int]:
        """(chip, reason) -> packets the microcode counted as dropped."""
        counted: dict[tuple[str, str], int] = {}
        for name, service, words in self._service_counters():
            for reason, count in zip(service.drop_reasons, words, strict=False):
                if count:
                    counted[name, reason] = count
        return counted

    def service_events(self) -> dict[str, dict[str, int]]:
        """Chip -> event -> how often the microcode counted it, if it did."""
        events: dict[str, dict[str, int]] = {}
        for name, service, words in self._service_counters():
            behind = words[len(service.drop_reasons) :]
            counted = zip(getattr(service, "events", ()), behind, strict=False)
            events[name] = {event: count for event, count in counted if count}
        return events

    def _service_counters(self) -> Iterator[tuple[str, Service, list[int]]]:
        """Chip, its service and the values of its counters."""
        for name, image in self.images.items():
            if image.service is None:
                continue
            service = image.service[1]
            placed = image.structures.get(service.drop_counters)
            if placed is None:
                continue
            index = self.machine.index_of[name]
            stride = placed.declaration.stride_bytes(placed.location.memory) // 4
            words = structure_words(self.machine.chips[index], self.machine.memories[index], placed)[::stride]
            yield name, service, words.tolist()

    def counted(self) -> dict[str, int]:
        """Cause -> frames that the machine has counted as lost, over all chips."""
        ports = self.machine.chips["port"]
        causes = {cause: int(ports[field].sum()) for cause, field in _LOSSES.items() if ports[field].any()}
        for (_, reason), count in sorted(self.service_drops().items()):
            causes[reason] = causes.get(reason, 0) + count
        return causes

    def lost(self) -> dict[str, int]:
        """Cause -> frames, with what extensions know of."""
        causes = self.counted()
        for extension in self.extensions.values():
            causes.update(extension.losses(self))
        return causes

    @property
    def resolved(self) -> int:
        """Frames delivered (or gone out as strangers) or lost."""
        return self.left_frames + sum(self.lost().values())

    # --- running ----------------------------------------------------------------------------------------------------

    def _following_check(self) -> int:
        """The next check time: during the warm-up CHECK_CYCLES on, then not before the last frame can have entered."""
        if self.config.run.warmup_packets and self.warm is None:
            return self.now + CHECK_CYCLES
        earliest = self.now + LAST_CHECK_CYCLES
        shortest = int(84 * 8 * self.config.hardware["me_clock_khz"] // 1_000_000)
        for port in self.into:
            rows = self.machine.ingress[self.machine.port_numbers[port]]
            remaining = len(rows) - self._taken(port)
            if remaining > 0:
                earliest = max(earliest, int(rows["arrival"][-1]) + 1, self.now + (remaining - 1) * shortest)
        return earliest

    def _observe(self, logs: list[tuple[int, EgressLog]]) -> None:
        names = list(self.config.chips)
        ports = [log.port + np.uint16(self.machine.port_numbers[Port(names[index], 0)]) for index, log in logs]
        if logs:  # all at once: with many chips, a piece each is short
            self.matcher.observe(
                digest=np.concatenate([log.digest for _, log in logs]),
                time=np.concatenate([log.time for _, log in logs]),
                port=np.concatenate(ports),
            )
        for index, log in logs:
            self.left_frames += len(log.time)
            self.left_bits += int(((log.length.astype(np.int64) + 24) * 8).sum())
            if self.observer is not None:
                self.observer(index, log)

    def run(self, *, cycles: int | None = None, progress: Callable[[Progress], None] | None = None) -> None:
        """Go on until every packet is delivered or lost, a fault, ``cycles`` or the configured maximum.

        A fault ends the run at the end of its cycle, for all chips: they are run again up to there, because most were
        ahead of it. So what is left to be looked at depends on nothing else.

        Parameters:
            cycles: stop at this cycle (counted from the start of the whole run).
            progress: called about four times a second.
        """
        limit = self.config.run.max_cycles if cycles is None else min(cycles, self.config.run.max_cycles)
        begin = kept = time.perf_counter()
        while self.now < limit and self.fault is None:
            before = self.now
            until = min(self.next_check, limit, before + self._step, self._next_action())
            started = time.perf_counter()
            self._observe(self.machine.advance(until))
            if self.machine.faulted():
                self._end_by_fault()
                break
            self.now = until
            self._act()
            ended = time.perf_counter()
            fitting = int((until - before) * _SLICE_SECONDS / max(ended - started, 1e-4))
            self._step = max(CHECK_CYCLES, min(2 * self._step, fitting, _LONGEST_SLICE))
            if until == self.next_check:
                if self._check():
                    break
                self.next_check = self._following_check()
            if ended - kept > _KEEP_SECONDS:
                self._origin, kept = take_snapshot(self), ended
            if progress is not None:
                progress(Progress(self.now, self.resolved, len(self.frames), time.perf_counter() - begin))
        self.wall_seconds += time.perf_counter() - begin

    def _end_by_fault(self) -> None:
        first, logs = self.machine.settle_fault()
        if self.now < first or self.machine.ahead > first + 1:
            self._rewind()
            observer, self.observer = self.observer, None  # it has seen these frames
            self._go(first)
            logs = self.machine.advance(first + 1)
            again, more = self.machine.settle_fault() if self.machine.faulted() else (-1, [])
            if again != first:
                raise RuntimeError(f"a fault in cycle {first} did not come again")
            logs += more
            self._observe(logs)
            self.observer = observer
        else:
            self._observe(logs)
        self.now = first + 1
        self.fault = next(
            self._describe_fault(index, name)
            for index, (name, chip) in enumerate(zip(self.config.chips, self.machine.chips, strict=True))
            if chip["fault"] and chip["fault_time"] == first
        )

    def _describe_fault(self, index: int, name: str) -> str:
        control = self.machine.controls.get(index)
        if control is not None and control.processor.error is not None:
            return control.processor.error.fault_text
        return describe_fault(name, self.machine.chips[index], self.images[name])

    def _go(self, until: int) -> None:
        """Run to a cycle before which nothing ends the run."""
        while self.now < until:
            target = min(self.next_check, until, self._next_action())
            self._observe(self.machine.advance(target))
            self.now = target
            self._act()
            if target == self.next_check:
                self._check()
                self.next_check = self._following_check()

    def _next_action(self) -> int:
        """The next cycle before which an extension acts."""
        return min((cycle for cycle in self._actions if cycle > self.now), default=self.config.run.max_cycles)

    def _act(self) -> None:
        for action in self._actions.get(self.now, ()):
            action(self)

    def _check(self) -> bool:
        """Whether the run is over; also takes the warm-up's counters and notices a stuck cluster."""
        resolved, entered = self.resolved, self.entered
        if self.warm is None and resolved >= self.config.run.warmup_packets:
            self.warm = (self._counters(), self.left_frames, self.left_bits)
        if resolved >= len(self.frames):
            return all(extension.settled(self) for extension in self.extensions.values())
        quiet = self.now - int(self.machine.chips["last_change"].max())
        if entered > resolved and quiet >= self.config.run.stall_after:
            self.fault = self._describe_stall(quiet, entered - resolved)
            return True
        return False

    def _describe_stall(self, quiet: int, in_flight: int) -> str:
        lines = [
            line
            for name, chip in zip(self.config.chips, self.machine.chips, strict=True)
            for line in waiting_lines(name, chip, self.images[name])
        ]
        cycles = f"{quiet:,} cycles (run.stall_after)"
        return "\n".join([f"stuck: {in_flight} packets in flight and nothing moved for {cycles}", *lines])

    # --- the end ----------------------------------------------------------------------------------------------------

    def last_bits_in(self) -> npt.NDArray[np.uint64]:
        """Cycle of the last bit at ingress, per offered frame; where a back-pressured source held it, later."""
        arrival = self.frames.arrival.copy()
        for index, port in enumerate(self.into):
            rows = self.machine.ingress[self.machine.port_numbers[port]]
            arrival[self.frames.port == index] = rows["arrival"].astype(np.uint64)
        return self._line.last_bit(arrival, self.frames.length)

    def result(self) -> RunResult:
        """The result so far."""
        total = self._counters()
        warm, warm_frames, warm_bits = self.warm or (total, self.left_frames, self.left_bits)
        egress = self.matcher.result(last_bit_in=self.last_bits_in(), warmup_packets=self.config.run.warmup_packets)
        lost, offered = self.lost(), self.entered
        fault = self.fault or self._verdict_fault(egress)
        result = RunResult(
            config=self.config,
            images=self.images,
            machine=self.machine,
            cycles=self.now,
            wall_seconds=self.wall_seconds,
            counters=total.since(warm),
            total=total,
            packets=len(self.frames),
            offered=offered,
            delivered=egress.delivered,
            lost=lost,
            events=self.service_events(),
            in_flight=offered - egress.delivered - egress.unexpected - sum(lost.values()),
            egress=egress,
            expectation=self.expectation,
            measured_delivered=self.left_frames - warm_frames,
            measured_bits=self.left_bits - warm_bits,
            fault=fault,
            complete=self.resolved >= len(self.frames),
        )
        verdicts = {name: extension.finish(result) for name, extension in self.extensions.items()}
        return replace(
            result,
            extensions={name: verdict.report for name, verdict in verdicts.items()},
            fault=next((text for text in (fault, *(one.fault for one in verdicts.values())) if text), None),
        )

    def _verdict_fault(self, egress: EgressResult) -> str | None:
        """Faults that only the egress check sees."""
        if egress.unexpected:
            return (
                f"{egress.unexpected} frames left that match nothing expected "
                f"({egress.unknown} unknown, {egress.misrouted} on a wrong port, {egress.duplicated} twice)"
            )
        if egress.reordered:
            return f"order violation: {egress.reordered} packets left behind a later one of their flow"
        for name, switch in self.config.switches.items():
            count, allowed = sum(map(self._unknown, switch.ports)), self.expectation.unknown.get(name, 0)
            if count > allowed:
                return f"switch {name} lost {count} packets whose address is none of its ports', {allowed} expected"
        for (chip, reason), count in sorted(self.service_drops().items()):
            allowed = self.expectation.drops.get((chip, reason), 0)
            service = self.images[chip].service[1]  # type: ignore[index]
            if count > allowed and reason not in getattr(service, "overload", ()):
                return f"chip {chip} dropped {count} packets as {reason}, {allowed} expected"
        return None
