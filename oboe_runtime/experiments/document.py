"""The result of an experiment as data: one JSON document."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from ixp_emu.output_files import writing
from oboe_runtime.experiments.case import Measurement

__all__ = ["SCHEMA", "Document", "Figure", "Series", "Table", "write_document"]

SCHEMA = 1
"""Version of the document's shape."""


class Series(Struct, frozen=True, kw_only=True):
    """Points of a figure, or a curve that theory gives.

    Attributes:
        x, y: of equal length.
        theory: whether it is a prediction or a bound, not measured.
    """

    name: str
    x: list[float]
    y: list[float]
    theory: bool = False


class Figure(Struct, frozen=True, kw_only=True):
    """A figure.

    Attributes:
        sentence: what it shows, computed from its data.
        bars: x are positions of `ticks`, not a scale.
    """

    title: str
    across: str
    up: str
    series: list[Series]
    sentence: str
    ticks: list[str] = []
    bars: bool = False
    logarithmic: bool = False


class Table(Struct, frozen=True, kw_only=True):
    """A table; all cells are text."""

    title: str
    columns: list[str]
    rows: list[list[str]]


class Document(Struct, frozen=True, kw_only=True):
    """An experiment.

    Attributes:
        runs: what every run was and what it has shown: its configuration's keys that differ from the defaults, and the
            measurement.
        faults: runs in which something went wrong; the experiment is worth nothing if there are any.
    """

    schema: int
    experiment: str
    scale: str
    version: str
    seed: int
    figures: list[Figure]
    tables: list[Table]
    runs: list[tuple[dict[str, object], Measurement]]
    faults: list[str]


def write_document(document: Document, path: Path) -> None:
    """Write the JSON. Raises InputError if the file cannot be written."""
    with writing(path):
        path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
