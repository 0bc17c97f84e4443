"""The result for a terminal: a table by group; plain text where the output is no terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ixp_emu.calibrate.groups import GROUPS
from ixp_emu.calibrate.model import Calibration, Row
from ixp_emu.report.page import print_page

__all__ = ["number", "print_calibration", "share"]

_WHAT_WIDTH = 44
_THOUSAND = 1_000


def number(value: float) -> str:
    """Four digits, and no more than the value has."""
    return f"{value:,.0f}" if abs(value) >= _THOUSAND else f"{value:.4g}"


def share(value: float | None) -> str:
    """A deviation with its sign; nothing where nothing was expected."""
    if value is None:
        return "-"
    return "0" if abs(value) < 5e-5 else f"{100 * value:+.2f} %" if abs(value) < 1 else f"{100 * value:+.0f} %"


def print_calibration(found: Calibration, *, console: Console | None = None) -> None:
    """Print the rows by group, then the verdict."""
    print_page(lambda page, width: _print(found, page, width), console=console)


def _print(found: Calibration, console: Console, width: int) -> None:
    for group in GROUPS:
        rows = [row for row in found.rows if row.group == group.name]
        if rows:
            console.print(_table(group.title, rows), width=width)
            console.print()
    console.print(Text(found.caveat), width=width)
    console.print()
    text = f"{found.passed} of {len(found.rows)} rows pass"
    console.print(Text(text + (f", {found.failed} FAIL" if found.failed else ""), "red" if found.failed else "bold"))


def _table(title: str, rows: list[Row]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column("what", header_style="dim", width=_WHAT_WIDTH)
    for column in ("expected", "measured"):
        table.add_column(column, justify="right", header_style="dim", no_wrap=True)
    table.add_column("unit", header_style="dim", no_wrap=True)
    table.add_column("deviation", justify="right", header_style="dim", no_wrap=True)
    table.add_column("verdict", header_style="dim", no_wrap=True)
    for row in rows:
        failed = row.verdict == "fail"
        table.add_row(
            Text(row.what), number(row.expected), number(row.measured), row.unit, share(row.deviation),
            Text(row.verdict, "bold red" if failed else "green"),
        )  # fmt: skip
        if failed:
            table.add_row(Text(f"  {row.rule}; {row.strength}: {row.source}", "red"))
    return table
