"""Time the frozen programs, each run between two runs of the bare interpreter loop.

A machine's speed drifts, with its temperature and with whoever else uses it. Every run is therefore compared with the
bare loop timed directly before and after it, in the same process, and the median of the ratios is given.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from numpy.typing import NDArray

from ixp_emu.bench.bare import time_bare
from ixp_emu.bench.model import ProgramFigures
from ixp_emu.bench.programs import BenchProgram, Loaded
from ixp_emu.chip.layout import ENGINES
from ixp_emu.cluster.counters import take_counters

__all__ = [
    "RUNS",
    "Counts",
    "ProcessSeconds",
    "Run",
    "count",
    "figures",
    "measure",
    "peak_memory_bytes",
    "seconds_of_process",
]

RUNS = 3
"""Of each program; one slow run does not show in their median."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a machine did in some cycles.

    Attributes:
        cycles: of the clock, whatever the number of chips.
        instructions, commands: of all MEs of all chips.
        steps: of the engine, over all agents and chips.
        executing: cycles in which an ME executed, summed over MEs.
    """

    cycles: int
    instructions: int
    commands: int
    steps: int
    executing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One timed run, and the bare loop's instructions per second before and after it."""

    counts: Counts
    wall_seconds: float
    bare_before: float
    bare_after: float


def count(loaded: Loaded, cycles: int) -> tuple[Counts, float]:
    """Run a loaded program for some cycles; also gives the seconds that took."""
    earlier = take_counters(loaded.chips, loaded.now)
    begin = time.perf_counter()
    loaded.advance(loaded.now + cycles)
    seconds = time.perf_counter() - begin
    grown = take_counters(loaded.chips, loaded.now).since(earlier)
    counts = Counts(
        cycles=grown.now,
        instructions=int(grown["me_instructions"].sum()),
        commands=int(grown["me_commands"].sum()),
        steps=int(grown["steps"].sum()),
        executing=int(grown["me_executing"].sum()),
    )
    return counts, seconds


def measure(program: BenchProgram, bares: NDArray[Any], *, runs: int = RUNS) -> ProgramFigures:
    """Load a program, warm it up and time its runs."""
    loaded = program.load(program.warmup_cycles + runs * program.cycles)
    loaded.advance(program.warmup_cycles)
    bare_before = time_bare(bares)
    done: list[Run] = []
    for _ in range(runs):
        counts, seconds = count(loaded, program.cycles)
        bare_after = time_bare(bares)
        done.append(Run(counts=counts, wall_seconds=seconds, bare_before=bare_before, bare_after=bare_after))
        bare_before = bare_after
    return figures(
        program,
        done,
        chips=len(loaded.chips),
        microengines=int((loaded.chips["me"]["program_words"] > 0).sum()),
        me_clock_hz=loaded.me_clock_hz,
    )


def figures(
    program: BenchProgram, runs: Sequence[Run], *, chips: int, microengines: int, me_clock_hz: int
) -> ProgramFigures:
    """What the runs of a program amount to.

    Parameters:
        microengines: with a program, over all chips.
    """
    cycles = sum(run.counts.cycles for run in runs)
    instructions = sum(run.counts.instructions for run in runs)
    commands = sum(run.counts.commands for run in runs)
    steps = sum(run.counts.steps for run in runs)
    return ProgramFigures(
        name=program.name,
        about=program.about,
        runs=len(runs),
        chips=chips,
        microengines=microengines,
        cycles=cycles,
        instructions=instructions,
        commands=commands,
        steps=steps,
        wall_seconds=median(run.wall_seconds for run in runs),
        instructions_per_second=median(run.counts.instructions / run.wall_seconds for run in runs),
        me_cycles_per_second=median(ENGINES * chips * run.counts.cycles / run.wall_seconds for run in runs),
        busy_share=sum(run.counts.executing for run in runs) / (microengines * cycles),
        slowdown=median(run.wall_seconds * me_clock_hz / run.counts.cycles for run in runs),
        ns_per_command=median(1e9 * run.wall_seconds / run.counts.commands for run in runs) if commands else None,
        steps_per_command=steps / commands if commands else None,
        bare_instructions_per_second=median(_bare(run) for run in runs),
        bare_ratio=median(run.counts.instructions / run.wall_seconds / _bare(run) for run in runs),
    )


def _bare(run: Run) -> float:
    return (run.bare_before + run.bare_after) / 2


class ProcessSeconds(NamedTuple):
    """How long a process took, from its start to its end, and the processor time it used."""

    wall: float
    cpu: float


def seconds_of_process(
    *arguments: str, runs: int = RUNS, environment: Mapping[str, str] | None = None
) -> ProcessSeconds:
    """Median times of a new Python process with these arguments.

    Parameters:
        environment: variables that the process has beside those of this one.
    """
    taken = []
    for _ in range(runs):
        earlier, begin = _children_cpu_seconds(), time.perf_counter()
        subprocess.run(
            [sys.executable, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )
        taken.append((time.perf_counter() - begin, _children_cpu_seconds() - earlier))
    return ProcessSeconds(*(median(times) for times in zip(*taken, strict=True)))


def _children_cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def peak_memory_bytes() -> int:
    """The most memory this process has had resident."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
