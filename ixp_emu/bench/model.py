"""The results as data: one JSON document, its keys documented in docs/bench.md."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

__all__ = ["SCHEMA", "BenchReport", "CostFigures", "ProgramFigures", "ThreadFigures", "read_bench", "write_bench"]

SCHEMA = 2
"""Version of the document's shape; it grows when a key changes its meaning or goes."""


class ProgramFigures(Struct, frozen=True, kw_only=True):
    """One program: counts over all its runs, speeds as medians of its runs."""

    name: str
    about: str
    runs: int
    chips: int
    microengines: int
    cycles: int
    instructions: int
    commands: int
    steps: int
    wall_seconds: float
    instructions_per_second: float
    me_cycles_per_second: float
    busy_share: float
    slowdown: float
    ns_per_command: float | None
    steps_per_command: float | None
    bare_instructions_per_second: float
    bare_ratio: float


class CostFigures(Struct, frozen=True, kw_only=True):
    """What a chip's cycle costs in a cluster of some size, on one thread."""

    chips: int
    link_cycles: int | None
    cpu_ns_per_chip_cycle: float
    ratio: float


class ThreadFigures(Struct, frozen=True, kw_only=True):
    """What threads bring for a cluster."""

    chips: int
    link_cycles: int | None
    threads: int
    workers: int
    wall_seconds_one_thread: float
    wall_seconds: float
    speedup: float
    cpu_ratio: float


class BenchReport(Struct, frozen=True, kw_only=True):
    """The document."""

    schema: int
    version: str
    python: str
    numba: str
    cpus: int
    load_average: float
    startup_seconds: float
    engine_load_seconds: float
    small_run_seconds: float
    small_run_cpu_seconds: float
    first_compilation_seconds: float | None
    peak_memory_bytes: int
    bare_instructions_per_second: float
    programs: list[ProgramFigures]
    costs: list[CostFigures]
    threads: list[ThreadFigures]
    bare_speedup: float | None


def write_bench(report: BenchReport, path: Path) -> None:
    """Write the document, indented."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def read_bench(path: Path) -> BenchReport:
    """Read it back. Raises msgspec.DecodeError if it is another document."""
    return msgspec.json.decode(path.read_bytes(), type=BenchReport)
