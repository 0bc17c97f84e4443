"""The results for a reader; plain text where the output is no terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from ixp_emu.bench.model import BenchReport, ProgramFigures
from ixp_emu.report.page import WIDTH, print_page

__all__ = ["WIDTH", "print_bench"]

_TITLES = ("M instr/s", "M ME cycles/s", "busy", "slowdown", "ns/cmd", "steps/cmd", "bare ratio")
_NONE = "-"


def print_bench(report: BenchReport, *, console: Console | None = None) -> None:
    """Print the results, without colours and padding where the output is no terminal."""
    print_page(lambda page, width: _print(report, page, width), console=console)


def _print(report: BenchReport, console: Console, width: int) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("program", no_wrap=True)
    for title in _TITLES:
        table.add_column(title, justify="right", no_wrap=True)
    for program in report.programs:
        table.add_row(program.name, *_cells(program))
    console.print(table, width=width)
    console.print()
    rows = [
        ("bare loop", f"{report.bare_instructions_per_second / 1e6:.1f} M instructions/s"),
        ("start-up", f"{report.startup_seconds:.2f} s"),
        ("engine load", f"{report.engine_load_seconds:.2f} s"),
        ("peak memory", f"{report.peak_memory_bytes / 2**20:,.0f} MB"),
    ]
    if report.first_compilation_seconds is not None:
        rows.insert(3, ("compilation", f"{report.first_compilation_seconds:.1f} s, this time only"))
    lines = Table.grid(padding=(0, 2))
    for row in rows:
        lines.add_row(*row)
    console.print(lines, width=width, highlight=False)


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
