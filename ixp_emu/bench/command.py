"""The command behind `ixpemu bench`."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path
from statistics import median

import numba
from rich.console import Console

from ixp_emu import __version__
from ixp_emu.bench.bare import new_bare, time_bare
from ixp_emu.bench.files import WORKLOADS
from ixp_emu.bench.measure import measure, peak_memory_bytes, seconds_of_process
from ixp_emu.bench.model import SCHEMA, BenchReport, CostFigures, ThreadFigures, write_bench
from ixp_emu.bench.programs import PROGRAMS
from ixp_emu.bench.scaling import COSTS, THREADS, measure_bare_speedup, measure_costs, measure_threads
from ixp_emu.bench.table import print_bench
from ixp_emu.chip.compile import compile_engine, is_compiled, progress_shown

__all__ = ["run_bench"]

_HELP = ("-c", "from ixp_emu.cli import main; main(['--help'])")
_LOAD = ("-m", "ixp_emu.chip.compile")
_SMALL_RUN = (
    "-c",
    "import sys; from ixp_emu.cli import main; main(['run', sys.argv[1], '--packets', '500'])",
    str(WORKLOADS / "forwarder.toml"),
)


def run_bench(json_path: Path | None = None, *, long: bool = False, console: Console | None = None) -> BenchReport:
    """Run the benchmark, print its table and, if asked, write its document.

    Parameters:
        json_path: file for the document (schema: docs/bench.md).
        long: also compile the engine from nothing, and measure clusters of many chips and with two threads.
        console: where the table goes; standard output by default.
    """
    compiled_before = is_compiled()
    with progress_shown():
        compilation = compile_engine()
    with Console(stderr=True).status("") as status:  # shows on a terminal only
        bares = new_bare()
        time_bare(bares)
        status.update("start-up")
        load_average = os.getloadavg()[0]
        first_compilation = None if compiled_before else compilation
        startup, engine_load = seconds_of_process(*_HELP), seconds_of_process(*_LOAD)
        small_run = seconds_of_process(*_SMALL_RUN)
        programs = []
        for program in PROGRAMS:
            status.update(f"{program.name}: {program.about}")
            programs.append(measure(program, bares))
        costs: list[CostFigures] = []
        threads: list[ThreadFigures] = []
        bare_speedup: float | None = None
        if long:
            status.update("many chips")
            costs = measure_costs(COSTS)
            status.update("two threads")
            bare_speedup = measure_bare_speedup()
            threads = measure_threads(THREADS)
            status.update("compiling the engine from nothing")
            with tempfile.TemporaryDirectory() as folder:
                empty = {"IXPEMU_CACHE": folder}
                first_compilation = seconds_of_process(*_LOAD, runs=1, environment=empty).wall
    report = BenchReport(
        schema=SCHEMA,
        version=__version__,
        python=platform.python_version(),
        numba=numba.__version__,
        cpus=os.cpu_count() or 1,
        load_average=load_average,
        startup_seconds=startup.wall,
        engine_load_seconds=engine_load.wall,
        small_run_seconds=small_run.wall,
        small_run_cpu_seconds=small_run.cpu,
        first_compilation_seconds=first_compilation,
        peak_memory_bytes=peak_memory_bytes(),
        bare_instructions_per_second=median(program.bare_instructions_per_second for program in programs),
        programs=programs,
        costs=costs,
        threads=threads,
        bare_speedup=bare_speedup,
    )
    if json_path is not None:
        write_bench(report, json_path)
    print_bench(report, console=console)
    return report
