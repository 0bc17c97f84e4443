"""Table, document, page and command of the calibration."""

from __future__ import annotations

import re
import sys
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from ixp_emu import __version__
from ixp_emu.calibrate import command
from ixp_emu.calibrate.figures import FIGURES_HINT
from ixp_emu.calibrate.groups import GROUPS
from ixp_emu.calibrate.model import CAVEAT, SCHEMA, Calibration, Cited, Row, Series, row, write_calibration
from ixp_emu.calibrate.page import write_page
from ixp_emu.calibrate.rules import at_most, within
from ixp_emu.calibrate.table import number, print_calibration, share
from ixp_emu.cli import main
from ixp_emu.report.page import WIDTH

DOCUMENT = Path(__file__).parents[2] / "docs" / "calibration.md"
SOURCE = Cited("a <source> & more", "inferred")


def found() -> Calibration:
    rows = [
        row("latency", "scratch read", "cycles", SOURCE, within(60, 0.02), 59.5),
        row("bandwidth", "a bus", "MB/s", SOURCE, at_most(1_200), 1_234.5),
    ]
    series = [
        Series(figure=figure, name=f"of {figure}", x=[1.0, 2.0], measured=[1.0, 1.5], curve=[1.0, 1.6], knee=1.5)
        for figure in ("latency", "threads", "engines")
    ]
    return Calibration(
        schema=SCHEMA, version=__version__, caveat=CAVEAT, preset="ixp2400-600", hardware={"msf.channels": 1},
        passed=1, failed=1, rows=rows, series=series,
    )  # fmt: skip


def ixpemu(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.parametrize(
    ("value", "text"), [(59.5, "59.5"), (0.98765, "0.9877"), (999.96, "1000"), (1_234.5, "1,234"), (0, "0")]
)
def test_numbers_have_four_digits(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.0, "0"), (4e-5, "0"), (-0.0083, "-0.83 %"), (0.5, "+50.00 %"), (1.2, "+120 %")]
)
def test_deviations_have_a_sign(value: float | None, text: str) -> None:
    assert share(value) == text


def test_the_table_shows_each_row_and_why_one_fails() -> None:
    file = StringIO()
    print_calibration(found(), console=Console(file=file))
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= WIDTH
    text = " ".join(" ".join(lines).split())
    assert "scratch read 60 59.5 cycles -0.83 % pass" in text
    assert "a bus 1,200 1,234 MB/s +2.88 % fail at most; inferred: a <source> & more" in text
    assert CAVEAT in text
    assert lines[-1] == "1 of 2 rows pass, 1 FAIL"
    assert GROUPS[0].title in lines and GROUPS[2].title not in lines


def test_the_document_is_what_was_found(tmp_path: Path) -> None:
    write_calibration(found(), tmp_path / "rows.json")
    read = msgspec.json.decode((tmp_path / "rows.json").read_bytes(), type=Calibration)
    assert read == found()


def test_every_key_is_documented_once_and_no_other() -> None:
    documented = re.findall(r"^\| `([^`]+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    keys = [*Calibration.__struct_fields__]
    keys += [f"rows[].{name}" for name in Row.__struct_fields__]
    keys += [f"series[].{name}" for name in Series.__struct_fields__]
    assert sorted(documented) == sorted(set(keys) - {"rows", "series"})


def test_every_group_is_documented() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert re.findall(r"^- `(\w+)`:", text, re.MULTILINE) == [group.name for group in GROUPS]
    assert f"schema {SCHEMA}" in text


def test_the_page_holds_every_row_and_loads_nothing(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_page(found(), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.count("<figure>") == text.count("<svg ") == 3
    assert text.count('<td class="pass">') == text.count('<td class="fail">') == 1
    assert "inferred: a &lt;source&gt; &amp; more" in text
    assert CAVEAT in text
    assert not re.search(r"(src|href)=\"(?!#)", text)  # links lead inside the page


def test_a_figure_shows_points_curve_and_knee(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_page(found(), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    for words in ("of latency", "of threads", "of engines", "line: M/D/1; points: measured", "knee 1.5", "linear"):
        assert words in text


def test_without_matplotlib_the_page_has_no_figures_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    write_page(found(), tmp_path / "page.html")
    assert capsys.readouterr().err == f"ixpemu: {FIGURES_HINT}\n"
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<figure>" not in text and "scratch read" in text


# --- the command ----------------------------------------------------------------------------------------------------


def test_the_command_writes_what_was_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    json, html = tmp_path / "rows.json", tmp_path / "page.html"
    assert ixpemu("calibrate", "--only", "ddr", "--json", json, "--html", html, "--set", "hardware.dram.cas=12") == 0
    read = msgspec.json.decode(json.read_bytes(), type=Calibration)
    assert read.hardware["dram.cas"] == 12
    assert {entry.group for entry in read.rows} == {"ddr"}
    assert "4 of 4 rows pass" in capsys.readouterr().out
    assert html.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_row_that_fails_is_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "calibrate", lambda *arguments, **options: found())
    assert ixpemu("calibrate") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "speed"], '--only: no group "speed"; there are '),
        (["--set", "hardware.sram.size=1"], "hardware.sram.size: no such hardware parameter; "),
        (["--set", "dram.cas"], "--set dram.cas: NAME=INTEGER expected"),
        (["--json", "nowhere/rows.json"], "nowhere: no such directory"),
        (["--html", "."], ".: a directory, not a file to write"),
    ],
)
def test_wrong_input_is_exit_code_2(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ixpemu("calibrate", *arguments) == 2
    assert capsys.readouterr().err.startswith(f"ixpemu: {message}")
