"""The results for a reader; plain text where the output is no terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from ixp_emu.bench.model import BenchReport, CostFigures, ProgramFigures, ThreadFigures
from ixp_emu.report.page import WIDTH, print_page

__all__ = ["WIDTH", "print_bench"]

_TITLES = ("M instr/s", "M ME cycles/s", "busy", "slowdown", "ns/cmd", "steps/cmd", "bare ratio")
_NONE = "-"


def print_bench(report: BenchReport, *, console: Console | None = None) -> None:
    """Print the results, without colours and padding where the output is no terminal."""
    print_page(lambda page, width: _print(report, page, width), console=console)


def _print(report: BenchReport, console: Console, width: int) -> None:
    table = _table("program", *_TITLES)
    for program in report.programs:
        table.add_row(program.name, *_cells(program))
    console.print(table, width=width)
    console.print()
    rows = [
        ("bare loop", f"{report.bare_instructions_per_second / 1e6:.1f} M instructions/s"),
        ("start-up", f"{report.startup_seconds:.2f} s"),
        ("engine load", f"{report.engine_load_seconds:.2f} s"),
        ("small run", f"{report.small_run_seconds:.2f} s, {report.small_run_cpu_seconds:.2f} s of processor time"),
        ("peak memory", f"{report.peak_memory_bytes / 2**20:,.0f} MB"),
        ("load average", f"{report.load_average:.2f} at the start, on {report.cpus} processors"),
    ]
    if report.first_compilation_seconds is not None:
        rows.insert(4, ("compilation", f"{report.first_compilation_seconds:.1f} s, once"))
    lines = Table.grid(padding=(0, 2))
    for row in rows:
        lines.add_row(*row)
    console.print(lines, width=width, highlight=False)
    if report.costs:
        console.print()
        console.print(_cost_table(report.costs), width=width)
    if report.threads:
        console.print()
        console.print(_thread_table(report.threads), width=width)
    if report.bare_speedup is not None:
        console.print(f"two bare loops that share nothing: {report.bare_speedup:.2f}", width=width, highlight=False)


def _cost_table(costs: Sequence[CostFigures]) -> Table:
    table = _table("chips", "links", "CPU ns/chip-cycle", "ratio")
    for row in costs:
        table.add_row(str(row.chips), _links(row.link_cycles), f"{row.cpu_ns_per_chip_cycle:.1f}", f"{row.ratio:.2f}")
    return table


def _thread_table(threads: Sequence[ThreadFigures]) -> Table:
    table = _table("chips", "links", "threads", "workers", "wall s, 1 thread", "wall s", "speed-up", "CPU ratio")
    for row in threads:
        seconds = f"{row.wall_seconds_one_thread:.3f}", f"{row.wall_seconds:.3f}"
        ratios = f"{row.speedup:.2f}", f"{row.cpu_ratio:.2f}"
        table.add_row(str(row.chips), _links(row.link_cycles), str(row.threads), str(row.workers), *seconds, *ratios)
    return table


def _links(cycles: int | None) -> str:
    return "none" if cycles is None else f"{cycles:,} cycles"


def _table(first: str, *titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=True)
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _cells(program: ProgramFigures) -> tuple[str, ...]:
    return (
        f"{program.instructions_per_second / 1e6:.1f}",
        f"{program.me_cycles_per_second / 1e6:.1f}",
        f"{program.busy_share:.2f}",
        f"{program.slowdown:.1f}",
        _NONE if program.ns_per_command is None else f"{program.ns_per_command:.0f}",
        _NONE if program.steps_per_command is None else f"{program.steps_per_command:.2f}",
        f"{program.bare_ratio:.2f}",
    )
