"""`ixpemu hardware`: every hardware value and every unsettled fact with the strength of its source and the source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ixp_emu.chip.hardware import PARAMETERS, PRESETS, Hardware
from ixp_emu.isa.unsettled import SETTINGS, SWITCHES, VARIABLE

__all__ = ["HardwareRow", "hardware_rows", "print_hardware", "unsettled_rows"]

_UNGROUPED = "clocks"
_UNSETTLED = "unsettled"
_TITLES = ("name", "value", "unit", "strength", "source")
_CLOCK = "me_clock_khz"


@dataclass(frozen=True, slots=True)
class HardwareRow:
    """One line of the table; `group` is the name's first part."""

    group: str
    name: str
    value: int
    unit: str
    strength: str
    source: str

    def cells(self) -> tuple[str, str, str, str, str]:
        """The texts of the columns."""
        return self.name, f"{self.value:_}", self.unit, self.strength, self.source


def hardware_rows(hardware: Hardware) -> list[HardwareRow]:
    """Every parameter and every derived delay, group by group.

    A value that differs from the parameter's default has the one who changed it as its source.
    """
    rows = []
    for parameter in PARAMETERS:
        value = hardware.values[parameter.name]
        strength, source = parameter.strength, parameter.source
        if value != PRESETS[hardware.preset].get(parameter.name, parameter.value):
            strength, source = "chosen", f"configuration; {parameter.value:_} by default"
        elif value != parameter.value:
            source = f"preset {hardware.preset}; {parameter.value:_} by default"
        rows.append(HardwareRow(_group(parameter.name), parameter.name, value, parameter.unit, strength, source))
    for name, value in hardware.derived.items():
        rows.append(
            HardwareRow(
                _group(name), name, value, "cycles", "derived", "idle latency minus the other parts of the path"
            )
        )
    groups = list(dict.fromkeys(row.group for row in rows))
    return sorted(rows, key=lambda row: groups.index(row.group))


def unsettled_rows() -> list[HardwareRow]:
    """The switches of facts that no document settles, as this process has them."""
    rows = []
    for switch in SWITCHES.values():
        value = SETTINGS[switch.name]
        strength, source = "assumed", switch.source
        if value != switch.default:
            strength, source = "chosen", f"{VARIABLE}; {switch.default:_} by default"
        name = f"{_UNSETTLED}.{switch.name}"
        rows.append(HardwareRow(_UNSETTLED, name, value, "switch", strength, f"{switch.effect} [{source}]"))
    return rows


def print_hardware(hardware: Hardware, *, console: Console | None = None) -> None:
    """Print the table: drawn on a terminal, else plain aligned columns of full length, a line per value."""
    console = Console() if console is None else console
    title = f"{hardware.preset}: cycles are ME cycles of {1e6 / hardware[_CLOCK]:.4g} ns"
    rows = hardware_rows(hardware) + unsettled_rows()
    if console.is_terminal:
        console.print(_drawn(rows, title))
        return
    for line in _plain_lines(rows, title):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _group(name: str) -> str:
    group, _, _ = name.rpartition(".")
    return group or _UNGROUPED


def _drawn(rows: list[HardwareRow], title: str) -> Table:
    table = Table(*_TITLES, title=title, title_justify="left")
    table.columns[1].justify = "right"
    table.columns[0].no_wrap = True
    for _, group in groupby(rows, key=lambda row: row.group):
        for row in group:
            table.add_row(*map(Text, row.cells()))
        table.add_section()
    return table


def _plain_lines(rows: list[HardwareRow], title: str) -> Iterator[str]:
    columns = zip(_TITLES, *(row.cells() for row in rows), strict=True)
    name_width, value_width, unit_width, strength_width, _ = (max(map(len, column)) for column in columns)

    def line(cells: tuple[str, str, str, str, str]) -> str:
        name, value, unit, strength, source = cells
        return (
            f"{name:{name_width}}  {value:>{value_width}}  {unit:{unit_width}}  {strength:{strength_width}}  {source}"
        )

    yield title
    yield line(_TITLES)
    for _, group in groupby(rows, key=lambda row: row.group):
        yield ""
        for row in group:
            yield line(row.cells())
