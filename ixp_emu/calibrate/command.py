"""The command behind `ixpemu calibrate`."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from ixp_emu import __version__
from ixp_emu.calibrate.groups import chosen_groups
from ixp_emu.calibrate.model import CAVEAT, SCHEMA, Calibration, Row, Series, write_calibration
from ixp_emu.calibrate.page import write_page
from ixp_emu.calibrate.table import print_calibration
from ixp_emu.calibrate.workbench import Prepare
from ixp_emu.chip.compile import compile_engine, progress_shown
from ixp_emu.chip.hardware import Hardware

__all__ = ["calibrate", "run_calibration"]


def calibrate(
    hardware: Hardware,
    *,
    only: list[str] | None = None,
    quick: bool = False,
    prepare: Prepare | None = None,
    progress: Console | None = None,
) -> Calibration:
    """Run the microbenchmarks.

    Parameters:
        only: names of groups; all by default.
        quick: a few rows of each group with shorter runs.
        prepare: changes every chip before it runs.
        progress: where the group under way is shown, if that is a terminal.
    """
    groups = chosen_groups(only)
    rows: list[Row] = []
    series: list[Series] = []
    with progress_shown():
        compile_engine()
    with (progress or Console(stderr=True)).status("") as status:
        for group in groups:
            status.update(group.title)
            for found in group.measure(hardware, quick=quick, prepare=prepare):
                if isinstance(found, Row):
                    rows.append(found)
                else:
                    series.append(found)
    passed = sum(found.verdict == "pass" for found in rows)
    return Calibration(
        schema=SCHEMA,
        version=__version__,
        caveat=CAVEAT,
        preset=hardware.preset,
        hardware=dict(hardware.values),
        passed=passed,
        failed=len(rows) - passed,
        rows=rows,
        series=series,
    )


def run_calibration(
    hardware: Hardware,
    *,
    json_path: Path | None = None,
    html_path: Path | None = None,
    only: list[str] | None = None,
    quick: bool = False,
    console: Console | None = None,
) -> Calibration:
    """Calibrate, print the table and, if asked, write document and page.

    Parameters:
        json_path: file for the document (schema: docs/calibration.md).
        html_path: file for a page with table and figures.
        only, quick: as in :func:`calibrate`.
        console: where the table goes; standard output by default.
    """
    found = calibrate(hardware, only=only, quick=quick)
    if json_path is not None:
        write_calibration(found, json_path)
    if html_path is not None:
        write_page(found, html_path)
    print_calibration(found, console=console)
    return found
