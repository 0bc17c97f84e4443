"""The command behind `ixpemu bench`."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from statistics import median

import numba
from rich.console import Console

from ixp_emu import __version__
from ixp_emu.bench.bare import new_bare, time_bare
from ixp_emu.bench.measure import measure, peak_memory_bytes, seconds_of_process
from ixp_emu.bench.model import SCHEMA, BenchReport, write_bench
from ixp_emu.bench.programs import PROGRAMS
from ixp_emu.bench.table import print_bench
from ixp_emu.chip.compile import compile_engine, is_compiled, progress_shown

__all__ = ["run_bench"]

_HELP = ("-c", "from ixp_emu.cli import main; main(['--help'])")
_LOAD = ("-m", "ixp_emu.chip.compile")


def run_bench(json_path: Path | None = None, *, console: Console | None = None) -> BenchReport:
    """Run the benchmark, print its table and, if asked, write its document.

    Parameters:
        json_path: file for the document (schema: docs/bench.md).
        console: where the table goes; standard output by default.
    """
    compiled_before = is_compiled()
    with progress_shown():
        compilation = compile_engine()
    with Console(stderr=True).status("") as status:  # shows on a terminal only
        bares = new_bare()
        time_bare(bares)
        status.update("start-up")
        startup, engine_load = seconds_of_process(*_HELP), seconds_of_process(*_LOAD)
        programs = []
        for program in PROGRAMS:
            status.update(f"{program.name}: {program.about}")
            programs.append(measure(program, bares))
    report = BenchReport(
        schema=SCHEMA,
        version=__version__,
        python=platform.python_version(),
        numba=numba.__version__,
        cpus=os.cpu_count() or 1,
        startup_seconds=startup,
        engine_load_seconds=engine_load,
        first_compilation_seconds=None if compiled_before else compilation,
        peak_memory_bytes=peak_memory_bytes(),
        bare_instructions_per_second=median(program.bare_instructions_per_second for program in programs),
        programs=programs,
    )
    if json_path is not None:
        write_bench(report, json_path)
    print_bench(report, console=console)
    return report
