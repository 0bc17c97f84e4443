"""`ixpemu hardware`: complete, readable by eye and by a script."""

from __future__ import annotations

from io import StringIO
from itertools import pairwise

from rich.console import Console

from ixp_emu.chip.hardware import PARAMETERS, PRESETS, Hardware, resolve_hardware
from ixp_emu.isa.unsettled import SWITCHES
from ixp_emu.report.hardware_table import hardware_rows, print_hardware, unsettled_rows


def printed(hardware: Hardware, *, terminal: bool) -> str:
    file = StringIO()
    print_hardware(hardware, console=Console(file=file, force_terminal=terminal, width=80, color_system=None))
    return file.getvalue()


def test_every_value_has_one_row_and_groups_stay_together() -> None:
    hardware = resolve_hardware()
    rows = hardware_rows(hardware)
    assert {row.name: row.value for row in rows} == {**hardware.values, **hardware.derived}
    assert len(rows) == len(PARAMETERS) + len(hardware.derived)
    groups = [row.group for row in rows]
    changes = sum(before != after for before, after in pairwise(groups))
    assert changes == len(set(groups)) - 1


def test_a_changed_value_names_who_changed_it() -> None:
    rows = {row.name: row for row in hardware_rows(resolve_hardware("ixp2400-400", {"sram.idle_latency": 91}))}
    defaults = {parameter.name: parameter for parameter in PARAMETERS}
    assert rows["sram.idle_latency"].strength == "chosen"
    assert rows["sram.idle_latency"].source == "configuration; 90 by default"
    for name, value in PRESETS["ixp2400-400"].items():
        if value != defaults[name].value:
            assert rows[name].source == f"preset ixp2400-400; {defaults[name].value:_} by default"
            assert rows[name].strength == defaults[name].strength
    assert rows["dram.banks"].source == defaults["dram.banks"].source


def test_a_value_set_back_to_the_default_is_the_configurations() -> None:
    default = next(parameter.value for parameter in PARAMETERS if parameter.name == "dram.cas")
    assert PRESETS["ixp2400-400"]["dram.cas"] != default
    rows = {row.name: row for row in hardware_rows(resolve_hardware("ixp2400-400", {"dram.cas": default}))}
    assert rows["dram.cas"].strength == "chosen"


def test_plain_output_has_a_line_per_value_with_its_full_source() -> None:
    hardware = resolve_hardware()
    lines = printed(hardware, terminal=False).splitlines()
    assert lines[0] == f"ixp2400-600: cycles are ME cycles of {1e6 / 600_000:.4g} ns"
    assert lines[1].split() == ["name", "value", "unit", "strength", "source"]
    by_name = {line.split()[0]: line for line in lines[2:] if line}
    rows = hardware_rows(hardware) + unsettled_rows()
    for row in rows:
        line = by_name[row.name]
        assert line.split()[1].replace("_", "") == str(row.value)
        assert line.endswith(f"{row.strength.ljust(len('documented'))}  {row.source}")
    assert len({line.index(row.source) for row in rows for line in [by_name[row.name]]}) == 1
    assert all(ord(character) < 128 for character in "".join(lines))


def test_terminal_output_is_drawn_and_keeps_every_name_whole() -> None:
    text = printed(resolve_hardware(), terminal=True)
    assert all(row.name in text for row in hardware_rows(resolve_hardware()))
    assert "─" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_last_section_is_every_unsettled_switch() -> None:
    text = printed(resolve_hardware(), terminal=False)
    last = text.rstrip().split("\n\n")[-1].splitlines()
    assert [line.split()[0] for line in last] == [f"unsettled.{name}" for name in SWITCHES]
    assert [(row.name.partition(".")[2], row.value) for row in unsettled_rows()] == [
        (switch.name, switch.default) for switch in SWITCHES.values()
    ]
    assert {row.strength for row in unsettled_rows()} == {"assumed"}
