"""What more chips and a second thread cost and bring: equally loaded chips, alone or in a ring of links.

Every chip takes 64-byte frames from one port at line rate; half leave there, half by another port, where in a ring
the next chip takes them over and lets them leave. What is compared runs turn by turn in one process, so that a machine
whose speed drifts changes both alike. The cost of a chip's cycle is taken in processor time, which other programs
change least; the speed-up by threads can only be taken in time of the clock, and is right on an idle machine alone.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from ixp_emu.bench.bare import new_bare, time_bare
from ixp_emu.bench.files import WORKLOADS
from ixp_emu.bench.model import CostFigures, ThreadFigures
from ixp_emu.chip.translate import translate_programs
from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.run import ClusterRun

__all__ = [
    "COSTS",
    "THREADS",
    "Scale",
    "measure_bare_speedup",
    "measure_costs",
    "measure_threads",
    "open_run",
    "scaled_text",
]

ROUNDS = 5
CHIP_CYCLES = 4_000_000
"""Cycles of a round, summed over the chips."""
WARMUP_CHIP_CYCLES = 2_000_000
_CLOCK_KHZ = 600_000
_LINE_CYCLES = 403.2
"""ME cycles between two 64-byte frames of a gigabit port: 84 bytes on the wire at 8 ns."""
_SPARE_FRAMES = 1.2


@dataclass(frozen=True, slots=True)
class Scale:
    """A cluster to be measured.

    Attributes:
        chips: an even number, or 1.
        link_cycles: latency of the links of the ring; None: no links.
    """

    chips: int
    link_cycles: int | None = None

    def cycles(self, chip_cycles: int) -> int:
        """Cycles of the clock in which the chips together run so many."""
        return chip_cycles // self.chips


COSTS = (Scale(1), Scale(4), Scale(16), Scale(64), Scale(4, 1_000), Scale(16, 1_000), Scale(64, 1_000))
THREADS = tuple(Scale(chips, link_cycles) for chips in (2, 16) for link_cycles in (None, 5_000, 1_000, 100))


def scaled_text(scale: Scale) -> str:
    """The configuration of a cluster."""
    names = [f"n{number}" for number in range(scale.chips)]
    lines = [
        "schema = 1",
        "[run]",
        "offered_packets = 1",
        "max_cycles = 1_000_000_000_000",
        '[programs.rx]\nsource = "builtin:firmware/rx.uc"',
        '[programs.forward]\nsource = "builtin:services/forward/forward.uc"\ndefine = { MAX_FLOWS = 16_384 }',
        '[programs.tx]\nsource = "builtin:firmware/tx.uc"',
    ]
    for number, name in enumerate(names):
        lines += [
            f"[chips.{name}]",
            'ports = ["1GbE", "1GbE", "1GbE"]',
            'engines = { rx = ["0:0"], forward = ["0:1", "1:0"], tx = ["1:3"] }',
            f"[chips.{name}.tables.forward]",
            f"routes = '{WORKLOADS / ('routes_odd.toml' if number % 2 else 'routes_even.toml')}'",
        ]
    if scale.link_cycles is not None:
        latency_ns = round(scale.link_cycles * 1_000_000 / _CLOCK_KHZ)
        for name, following in zip(names, [*names[1:], names[0]], strict=True):
            lines += [f"[links.{name}]", f'between = ["{name}.1", "{following}.2"]', f"latency_ns = {latency_ns}"]
    into = ", ".join(f'"{name}.0"' for name in names)
    lines += [
        "[traffic]",
        'generator = "uniform"',
        f"into = [{into}]",
        'rate = "line"',
        "back_pressure = true",
        "sizes = 64",
        "flows = 4_000",
        'destinations = ["10.0.0.0/16", "10.1.0.0/16"]',
        "[placement]",
        'packet_buffers = "dram"',
        'route_table = "sram0"',
        'next_hops = "sram0"',
        'flow_table = "sram1"',
        'drop_counters = "scratch"',
        'engine_index = "scratch"',
    ]
    return "\n".join(lines) + "\n"


@contextmanager
def open_run(scale: Scale, *, cycles: int, threads: int = 1) -> Iterator[ClusterRun]:
    """A cluster with traffic for so many cycles."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cluster.toml"
        path.write_text(scaled_text(scale), encoding="utf-8")
        frames = scale.chips * (int(_SPARE_FRAMES * cycles / _LINE_CYCLES) + 1)
        run = ClusterRun(load_config(path, overrides=[f"run.offered_packets={frames}"]), threads=threads)
    try:
        translate_programs(run.machine.chips)
        yield run
    finally:
        run.machine.close()


def _advance(run: ClusterRun, cycles: int) -> tuple[float, float]:
    """Run on; gives processor time of all threads and time of the clock, in seconds."""
    until = run.now + cycles
    cpu, wall = time.process_time(), time.perf_counter()
    run.run(cycles=until)
    taken = time.process_time() - cpu, time.perf_counter() - wall
    if run.now != until or run.fault:
        raise AssertionError(f"the run ended at cycle {run.now:,} of {until:,}: {run.fault or 'done'}")
    return taken


def measure_costs(
    scales: Sequence[Scale] = COSTS, *, rounds: int = ROUNDS, chip_cycles: int = CHIP_CYCLES
) -> list[CostFigures]:
    """Processor time of a chip's cycle on one thread, for clusters of several sizes, turn by turn.

    The ratio is to the first of ``scales`` with or without links as the cluster itself: the median of the rounds'.
    """
    with _opened([(scale, 1) for scale in scales], rounds, chip_cycles) as runs:
        seconds = [
            [_advance(run, scale.cycles(chip_cycles))[0] for scale, run in zip(scales, runs, strict=True)]
            for _ in range(rounds)
        ]
    figures = []
    for index, scale in enumerate(scales):
        first = next(i for i, other in enumerate(scales) if (other.link_cycles is None) == (scale.link_cycles is None))
        figures.append(
            CostFigures(
                chips=scale.chips,
                link_cycles=scale.link_cycles,
                cpu_ns_per_chip_cycle=median(row[index] for row in seconds)
                * 1e9
                / (scale.chips * scale.cycles(chip_cycles)),
                ratio=median(
                    row[index]
                    / (scale.chips * scale.cycles(chip_cycles))
                    / (row[first] / (scales[first].chips * scales[first].cycles(chip_cycles)))
                    for row in seconds
                ),
            )
        )
    return figures


def measure_bare_speedup(*, threads: int = 2, rounds: int = ROUNDS) -> float:
    """What threads bring at best on this machine: bare loops that have nothing to do with each other.

    Processors that share a core give much less than their number.
    """
    loops = [new_bare() for _ in range(threads)]
    ratios = []
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(time_bare, loops))
        for _ in range(rounds):
            alone = time_bare(loops[0])
            ratios.append(sum(pool.map(time_bare, loops)) / alone)
    return median(ratios)


def measure_threads(
    scales: Sequence[Scale] = THREADS, *, threads: int = 2, rounds: int = ROUNDS, chip_cycles: int = CHIP_CYCLES
) -> list[ThreadFigures]:
    """Speed-up of several threads over one: the same cluster twice, turn by turn, one after the other first."""
    figures = []
    for scale in scales:
        cycles = scale.cycles(chip_cycles)
        with _opened([(scale, 1), (scale, threads)], rounds, chip_cycles) as (one, many):
            rows = []
            for number in range(rounds):
                pair = (one, many) if number % 2 == 0 else (many, one)
                first, second = (_advance(run, cycles) for run in pair)
                rows.append((first, second) if number % 2 == 0 else (second, first))
            workers = many.machine.threads
        figures.append(
            ThreadFigures(
                chips=scale.chips,
                link_cycles=scale.link_cycles,
                threads=threads,
                workers=workers,
                wall_seconds_one_thread=median(alone[1] for alone, _ in rows),
                wall_seconds=median(together[1] for _, together in rows),
                speedup=median(alone[1] / together[1] for alone, together in rows),
                cpu_ratio=median(together[0] / alone[0] for alone, together in rows),
            )
        )
    return figures


@contextmanager
def _opened(wanted: Sequence[tuple[Scale, int]], rounds: int, chip_cycles: int) -> Iterator[list[ClusterRun]]:
    """Runs of (cluster, threads), warm."""
    with ExitStack() as stack:
        runs = []
        for scale, threads in wanted:
            warmup = scale.cycles(min(WARMUP_CHIP_CYCLES, chip_cycles))
            length = warmup + rounds * scale.cycles(chip_cycles)
            run = stack.enter_context(open_run(scale, cycles=length, threads=threads))
            _advance(run, warmup)
            runs.append(run)
        yield runs
