"""Renew the page of results: ``python -m tools.results_page [--run]``.

``docs/results/NAME-SCALE.json`` is what ``oboe experiment NAME --scale SCALE --report`` wrote; this page shows its
tables and sentences. With ``--run`` the quick experiments are done anew first.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from oboe_runtime.experiments.document import Document, write_document
from oboe_runtime.experiments.run import EXPERIMENTS, run_experiment

__all__ = ["PAGE", "RESULTS", "documents", "results_page"]

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
PAGE = RESULTS / "README.md"

_HEAD = """\
# Results

What [the experiments](../experiments.md) have shown: tables and sentences of the JSON files beside this page, which
hold every run with its configuration. All is the emulator's; nothing is a model or a measurement of silicon. This page
is generated: `python -m tools.results_page`; with `--run` it does the quick experiments anew.

"""


def documents() -> list[Document]:
    """The results there are, in the order of the experiments, quick ones first."""
    found = [msgspec.json.decode(path.read_bytes(), type=Document) for path in RESULTS.glob("*.json")]
    names = list(EXPERIMENTS)
    return sorted(found, key=lambda one: (names.index(one.experiment), one.scale != "quick"))


def results_page(results: list[Document]) -> str:
    """The page as Markdown."""
    return _HEAD + "\n".join(line for one in results for line in _section(one))


def _section(result: Document) -> Iterator[str]:
    yield f"## {result.experiment}, {result.scale}"
    yield ""
    runs = f"{len(result.runs)} runs" if result.runs else "sources counted"
    yield f"ixpemu {result.version}, seed {result.seed}, {runs}."
    yield ""
    yield from (f"- {figure.sentence}" for figure in result.figures)
    yield from (f"- FAULT: {fault}" for fault in result.faults)
    yield ""
    for table in result.tables:
        yield f"{table.title}:"
        yield ""
        yield f"| {' | '.join(table.columns)} |"
        yield f"|---|{'---:|' * (len(table.columns) - 1)}"
        yield from (f"| {' | '.join(row)} |" for row in table.rows)
        yield ""


def _main() -> None:
    if "--run" in sys.argv[1:]:
        for name in EXPERIMENTS:
            found = run_experiment(name, scale="quick", progress=lambda text: print(text, file=sys.stderr))
            write_document(found, RESULTS / f"{name}-quick.json")
    PAGE.write_text(results_page(documents()), encoding="utf-8")


if __name__ == "__main__":
    _main()
