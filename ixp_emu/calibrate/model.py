"""The result as data: one JSON document, its keys documented in docs/calibration.md."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from ixp_emu.calibrate.rules import Rule
from ixp_emu.chip.hardware import PARAMETERS

__all__ = ["CAVEAT", "SCHEMA", "Calibration", "Cited", "Row", "Series", "cite", "row", "write_calibration"]

SCHEMA = 1
"""Version of the document's shape; it grows when a key changes its meaning or goes."""

CAVEAT = (
    "No complete published latency table of IXP2400 silicon exists. These rows show that the model does what its "
    "parameters and closed forms say, and follows published trends; they do not validate it against silicon."
)


class Row(Struct, frozen=True, kw_only=True):
    """One comparison.

    Attributes:
        group: name of the group of rows.
        what: what was measured.
        unit: of expected and measured.
        source: where the expectation comes from.
        strength: of the source: documented, measured, inferred or assumed.
        expected: computed from hardware parameters or a closed form, or published.
        measured: from the running model.
        deviation: measured / expected - 1; None if nothing was expected.
        rule: what passes, in words.
        low, high: least and greatest value that pass; None without a limit.
        verdict: pass or fail.
    """

    group: str
    what: str
    unit: str
    source: str
    strength: str
    expected: float
    measured: float
    deviation: float | None
    rule: str
    low: float | None
    high: float | None
    verdict: str


class Series(Struct, frozen=True, kw_only=True):
    """Points of a figure: measured values beside a curve.

    Attributes:
        figure: which figure they belong to: latency, threads or engines.
        name: in its legend.
        x, measured, curve: of equal length.
        knee: x at which two bounds of the curve meet; None without one.
    """

    figure: str
    name: str
    x: list[float]
    measured: list[float]
    curve: list[float]
    knee: float | None = None


class Calibration(Struct, frozen=True, kw_only=True):
    """The document."""

    schema: int
    version: str
    caveat: str
    preset: str
    hardware: dict[str, int]
    passed: int
    failed: int
    rows: list[Row]
    series: list[Series]


class Cited(Struct, frozen=True):
    """Where an expectation comes from, and how sure that is."""

    source: str
    strength: str


def cite(parameter: str) -> Cited:
    """The source of a hardware parameter."""
    found = next(entry for entry in PARAMETERS if entry.name == parameter)
    return Cited(f"{parameter}: {found.source}", found.strength)


def row(group: str, what: str, unit: str, cited: Cited, rule: Rule, measured: float) -> Row:
    """Judge a measured value by a rule."""
    infinite = (float("-inf"), float("inf"))
    return Row(
        group=group,
        what=what,
        unit=unit,
        source=cited.source,
        strength=cited.strength,
        expected=float(rule.expected),
        measured=float(measured),
        deviation=rule.deviation(measured),
        rule=rule.text,
        low=None if rule.low in infinite else float(rule.low),
        high=None if rule.high in infinite else float(rule.high),
        verdict="pass" if rule.passes(measured) else "fail",
    )


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write the document, indented."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(calibration), indent=2) + b"\n")
