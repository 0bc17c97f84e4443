"""Threads that hide latency: how much they read and compute, against closed forms.

A context issues a read, sleeps L cycles until its answer, executes I instructions and reads again. A microengine is
busy for the read, the instructions and what the swap loses; n contexts of it make at most
``min(n / (L + I), 1 / busy)`` reads a cycle, and all together no more than the memory serves. All are bounds: what
threads do to one another can only take longer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from ixp_emu.calibrate.latency import TOLERANCE as LATENCY_TOLERANCE
from ixp_emu.calibrate.model import Cited, Row, Series, cite, row
from ixp_emu.calibrate.rules import between, bound, equal, within
from ixp_emu.calibrate.workbench import Prepare, Workbench
from ixp_emu.chip.hardware import Hardware
from ixp_emu.chip.layout import CONTEXTS, DRAM, ENGINES, SRAM0
from ixp_emu.isa.unsettled import SETTINGS

__all__ = ["Measured", "Reading", "spread", "sweep_rows", "thread_rows"]

THREADS = "threads"
SWEEP = "bounds"
_WARMUP = 4_000
_APPROACH = 0.05
_BELOW, _ABOVE = 0.7, 1.5
"""Of the knee: nearer to it threads queue for one another, and the bound is not reached."""
_HIDING = Cited("N >= 1 + L / R; R is what a thread keeps the microengine busy, L the wait that is left", "inferred")
_FORM = Cited("X <= min(n / (L + I), 1 / busy, memory)", "inferred")
_USE = Cited("U <= min(1, N I / (I + L))", "inferred")


class Measured(NamedTuple):
    """What contexts did in a window: reads a cycle, and the shares of its cycles that ME 0 executes and stalls."""

    reads: float
    executing: float
    stalled: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Contexts that read and compute in turn.

    Attributes:
        hardware: of the chip.
        compute: I, instructions between two reads.
        filled: two of them stand in the swap's shadow.
        target: memory read, by number.
        units: longwords of a read, quadwords of DRAM.
        prepare: changes the chip before it runs.
    """

    hardware: Hardware
    compute: int
    filled: bool = False
    target: int = SRAM0
    units: int = 1
    prepare: Prepare | None = None

    @property
    def _command(self) -> str:
        name, data = ("dram", "$$data[0]") if self.target == DRAM else ("sram", "$data[0]")
        return f"{name}[read, {data}, zero, 0, {self.units}], ctx_swap[done]"

    @property
    def _transfer_cycles(self) -> int:
        """Of the slowest part for each read: the channel, or the D bus."""
        name = "dbus.quadword_cycles" if self.target == DRAM else "sram.longword_cycles"
        return self.units * self.hardware[name]

    @property
    def _latency(self) -> int:
        name = "dram" if self.target == DRAM else "sram"
        idle = self.hardware[f"{name}.idle_latency"]
        return idle + (self.units - 1) * self._transfer_cycles // self.units

    @property
    def _own(self) -> int:
        """Instructions of a round that no other thread's wait hides: those in the shadow run while the read does."""
        return self.compute - (SETTINGS["shadow_swap"] if self.filled else 0)

    @property
    def round_cycles(self) -> int:
        """L + I: of a context alone."""
        return self._latency + self._own

    @property
    def busy_cycles(self) -> int:
        """Of the microengine for a read and what belongs to it."""
        return 1 + self.compute + (0 if self.filled else SETTINGS["shadow_swap"])

    @property
    def channel(self) -> float:
        """Most reads a cycle of the memory."""
        return 1 / self._transfer_cycles

    def most(self, contexts: Sequence[int]) -> float:
        """The closed form: bound of reads a cycle for so many contexts of each microengine.

        A read that issues on an odd cycle waits one cycle less, so the bound takes L - 1.
        """
        alone = (min(n / (self.round_cycles - 1), 1 / self.busy_cycles) for n in contexts)
        return min(sum(alone), self.channel)

    def knee(self, engines: int) -> float:
        """Threads over some microengines at which the first other bound is met."""
        return self.round_cycles * min(engines / self.busy_cycles, self.channel)

    @property
    def least_threads(self) -> int:
        """Threads of one microengine that keep it busy: 1 + (L - what the own swap takes) / busy, rounded up."""
        wait = self.round_cycles - self.busy_cycles
        return ceil(1 + wait / self.busy_cycles)

    def measure(self, contexts: Sequence[int], *, cycles: int) -> Measured:
        """Run them, and count after a warm-up.

        Parameters:
            contexts: of each microengine from ME 0 on.
        """
        bench = Workbench(self.hardware, prepare=self.prepare)
        for engine, count in enumerate(contexts):
            if count:
                bench.load(
                    "reader.uc", engines=[engine], contexts=count,
                    COMMAND=self._command, COMPUTE=self.compute, FILLED=int(self.filled),
                )  # fmt: skip

        def counts() -> tuple[int, int, int]:
            me = bench.chip["me"]
            return int(bench.chip["references"][self.target]), int(me["executing"][0]), int(me["stalled"][0])

        bench.run(_WARMUP)
        before = counts()
        bench.run(_WARMUP + cycles)
        return Measured(*((after - earlier) / cycles for after, earlier in zip(counts(), before, strict=True)))


def spread(threads: int) -> list[int]:
    """Threads dealt to the eight microengines in turn."""
    return [len(range(engine, threads, ENGINES)) for engine in range(ENGINES)]


def thread_rows(hardware: Hardware, *, quick: bool = False, prepare: Prepare | None = None) -> Iterator[Row]:
    """How many threads hide a latency.

    Parameters:
        quick: fewer of them.
    """
    cycles = 20_000 if quick else 50_000
    mega = hardware["me_clock_khz"] / 1_000
    ten = Reading(hardware=hardware, compute=10, prepare=prepare)
    for filled, swap in ((False, "swap slots lost"), (True, "swap slots filled")):
        reading = Reading(hardware=hardware, compute=10, filled=filled, prepare=prepare)
        rate = reading.measure([CONTEXTS], cycles=cycles).reads
        most = reading.most([CONTEXTS])
        yield row(
            THREADS, f"8 threads of an ME, an SRAM longword each, 10 instructions between, {swap}", "M reads/s", _FORM,
            bound(most * mega, _APPROACH, slack=mega / cycles), rate * mega,
        )  # fmt: skip
        about = CONTEXTS / (ten.round_cycles)
        yield row(
            THREADS, f"the same, in round numbers 8 f / (L + 10), {swap}", "M reads/s", cite("sram.idle_latency"),
            within(about * mega, _APPROACH), rate * mega,
        )  # fmt: skip
        yield row(
            THREADS, f"the same as a share of the channel, {swap}", "%", cite("sram.longword_cycles"),
            within(100 * about / ten.channel, _APPROACH), 100 * rate / ten.channel,
        )  # fmt: skip
    for compute in (20,) if quick else (10, 20, 30, 50, 100):
        reading = Reading(hardware=hardware, compute=compute, prepare=prepare)
        yield row(
            THREADS, f"fewest threads that keep an ME busy, {compute} instructions between SRAM reads", "threads",
            _HIDING, equal(min(reading.least_threads, CONTEXTS + 1)), _fewest_busy(reading, cycles),
        )  # fmt: skip
    wide = Reading(hardware=hardware, compute=10, target=DRAM, units=8, prepare=prepare)
    for reading, what, cited in (
        (ten, "threads that saturate an SRAM channel with single longwords", cite("sram.longword_cycles")),
        (wide, "threads that saturate the D bus with 64-byte DRAM reads", cite("dbus.quadword_cycles")),
    ):
        slope = reading.measure(spread(2), cycles=cycles).reads / 2
        top = reading.measure([CONTEXTS] * ENGINES, cycles=cycles).reads
        yield row(
            THREADS, what, "threads", cited, within(reading.round_cycles * reading.channel, LATENCY_TOLERANCE * 1.5),
            top / slope,
        )  # fmt: skip


def _fewest_busy(reading: Reading, cycles: int) -> int:
    """Threads from which on a microengine has no idle cycle to speak of; one more than it has if there are none."""
    full = 1 / reading.busy_cycles
    for threads in range(1, CONTEXTS + 1):
        if reading.measure([threads], cycles=cycles).reads >= 0.995 * full:
            return threads
    return CONTEXTS + 1


def sweep_rows(hardware: Hardware, *, quick: bool = False, prepare: Prepare | None = None) -> Iterator[Row | Series]:
    """Threads from 1 to 64 over the eight microengines, and from 1 to 8 in one, for several amounts of work.

    Parameters:
        quick: few points.
    """
    cycles = 10_000 if quick else 20_000
    points = [1, 4, 16, 48, 64] if quick else [*range(1, ENGINES * CONTEXTS + 1)]
    for compute in (20,) if quick else (10, 40, 160):
        reading = Reading(hardware=hardware, compute=compute, prepare=prepare)
        measured = {threads: reading.measure(spread(threads), cycles=cycles).reads for threads in points}
        most = {threads: reading.most(spread(threads)) for threads in points}
        what = f"{compute} instructions between SRAM reads, 1 to 64 threads"
        yield from _bounded(what, measured, most, knee=reading.knee(ENGINES), slack=1 / cycles)
        mega = hardware["me_clock_khz"] / 1_000
        yield Series(
            figure="threads", name=f"{compute} instructions between reads", knee=reading.knee(ENGINES),
            x=[float(threads) for threads in points],
            measured=[measured[threads] * mega for threads in points],
            curve=[most[threads] * mega for threads in points],
        )  # fmt: skip
    for compute in (20,) if quick else (10, 20, 40, 80):
        reading = Reading(hardware=hardware, compute=compute, filled=True, prepare=prepare)
        executed = 1 + compute
        used = {n: reading.measure([n], cycles=cycles).executing for n in range(1, CONTEXTS + 1)}
        limit = {n: min(1.0, n * executed / (reading.round_cycles - 1)) for n in used}
        yield from _bounded(
            f"use of an ME, {compute} instructions between SRAM reads, 1 to 8 threads", used, limit,
            knee=reading.knee(1), slack=executed / cycles, cited=_USE,
        )  # fmt: skip


def _bounded(
    what: str, measured: dict[int, float], most: dict[int, float], *, knee: float, slack: float, cited: Cited = _FORM
) -> Iterator[Row]:
    """Two rows: the bound is exceeded nowhere, and approached away from the knee."""
    yield row(
        SWEEP, f"{what}: largest share of the bound", "of bound", cited,
        between(1, 0, 1 + slack / min(most.values()), text="never above it, but for one read cut by the window"),
        max(measured[n] / most[n] for n in measured),
    )  # fmt: skip
    away = [n for n in measured if n < _BELOW * knee or n > _ABOVE * knee]
    worst = min((measured[n] / most[n] for n in away), default=1.0)
    yield row(
        SWEEP, f"{what}: smallest share, below .7 and above 1.5 of the knee", "of bound", cited,
        bound(1.0, _APPROACH, slack=slack / min(most.values())), worst,
    )  # fmt: skip
