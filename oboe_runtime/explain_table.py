"""An explanation, and the list of services, for a reader: plain text of at most 100 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ixp_emu.report.page import print_page
from oboe_runtime.declaration import Declaration
from oboe_runtime.effort import Effort
from oboe_runtime.explain import Explanation

__all__ = ["print_explanation", "print_services"]

_CAVEAT = (
    "cycles: accesses of an operation on an idle chip, one after the other, both sides of branches counted; where the "
    "home does it, the whole round trip at the least, on the home's own chip and from another one"
)


def print_explanation(found: Explanation, *, console: Console | None = None) -> None:
    """Print where states live and what they cost."""
    print_page(lambda page, width: _explanation(found, page, width), console=console)


def print_services(services: Sequence[tuple[Declaration, Effort]], *, console: Console | None = None) -> None:
    """Print the services there are, with their states."""
    print_page(lambda page, width: _services(services, page, width), console=console)


def _explanation(found: Explanation, console: Console, width: int) -> None:
    workers = ", ".join(f"{chip} {count}" for chip, count in found.workers.items())
    console.print(
        Text(f"service {found.service}, order {found.order}, home {found.home}; workers: {workers}"), width=width
    )
    states = _table("States", "state", "category", "memory", "bytes", "chips", "managed")
    for state in found.states:
        size = f"{state.bytes:,}" if state.chips else "-"
        states.add_row(state.name, state.category, state.memory, size, str(state.chips), state.management)
    operations = _table("Operations", "operation", "state", "", "accesses", "cycles", "from afar")
    for one in found.operations:
        remote = "-" if one.remote_cycles is None else f"{one.remote_cycles:,}"
        kind = "updates" if one.updates else "reads"
        operations.add_row(one.name, one.state, kind, one.accesses, f"{one.cycles:,}" if one.cycles else "-", remote)
    registers = _table("A worker's context", "", "Oboe alone", "with the service", "available", "left")
    for row in found.registers:
        registers.add_row(row.what, *(f"{value:,}" for value in (row.oboe, row.together, row.available, row.left)))
    reserved = _table("Reserved for moves of bundles", "structure", "memory", "bytes", "what for")
    for place in found.reserved:
        reserved.add_row(place.name, place.memory, f"{place.bytes:,}", place.purpose)
    for table in (states, operations, registers, reserved):
        if table.row_count:
            console.print()
            console.print(table, width=width)
    if found.operations:
        console.print()
        console.print(Text(_CAVEAT), width=width)


def _services(services: Sequence[tuple[Declaration, Effort]], console: Console, width: int) -> None:
    for declaration, effort in services:
        drops = f", drops: {', '.join(declaration.drops)}" if declaration.drops else ""
        title = f"{declaration.directory}: flows {declaration.flow_key}, effort {effort.total}{drops}"
        console.print(Text(title, "bold"), width=width)
        table = _table(None, "state", "category", "may also be", "words", "operations")
        for state in declaration.states:
            others = [category for category in state.permitted if category != state.category]
            names = " ".join(operation.name for operation in state.operations)
            table.add_row(state.name, state.category, " ".join(others) or "-", str(state.words), names)
        if table.row_count:
            console.print(table, width=width)
        if declaration.options:
            options = ", ".join(f"{name} = {value}" for name, value in declaration.options.items())
            console.print(Text(f"options: {options}"), width=width)
        console.print()


def _table(title: str | None, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    numbers = {"bytes", "chips", "cycles", "from afar", "Oboe alone", "with the service", "available", "left", "words"}
    for column in columns:
        table.add_column(column, header_style="dim", justify="right" if column in numbers else "left")
    return table
