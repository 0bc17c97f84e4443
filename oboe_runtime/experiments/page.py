"""An experiment for a reader: tables and sentences on a terminal, and one self-contained page with figures."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from ixp_emu.errors import InputError
from ixp_emu.output_files import writing
from ixp_emu.report.page import print_page
from oboe_runtime.experiments.document import Document, Figure

__all__ = ["FIGURES_HINT", "drawn", "page", "print_document", "write_page"]

FIGURES_HINT = "figures need matplotlib: pip install 'ixpemu[figures]'"
_INK, _GRID, _PAPER = "#24292f", "#d8dee4", "#ffffff"
_COLOURS = ("#0b6e99", "#d1603d", "#5b8c3e", "#7a5195", "#b8860b", "#57606a", "#2a9d8f", "#9b2226")
_SIZE_INCHES = (6.4, 4.0)
_SHORT_LABEL = 22  # letters, of which three columns fit
_STYLE = """
:root { color-scheme: light; --ink: #24292f; --soft: #57606a; --line: #d8dee4; --fail: #b3261e; }
body { margin: 0 auto; max-width: 70rem; padding: 2rem 1.5rem 4rem; color: var(--ink); background: #fff;
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
p { max-width: 48rem; } .soft { color: var(--soft); } .fault { color: var(--fail); font-weight: 600; }
figure { margin: 1.5rem 0; border: 1px solid var(--line); border-radius: 6px; padding: .75rem; max-width: 46rem; }
figure svg { width: 100%; height: auto; } figcaption { margin-top: .5rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; }
th, td { padding: .3rem .8rem; text-align: right; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
th { color: var(--soft); border-bottom: 1px solid var(--ink); } td { border-bottom: 1px solid var(--line); }
"""


def print_document(document: Document, *, console: Console | None = None) -> None:
    """Print tables, sentences and faults."""
    print_page(lambda page, width: _print(document, page, width), console=console)


def _print(document: Document, console: Console, width: int) -> None:
    for table in document.tables:
        grid = Grid(title=table.title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
        for place, column in enumerate(table.columns):
            grid.add_column(column, header_style="dim", justify="right" if place else "left")
        for row in table.rows:
            grid.add_row(*row)
        console.print(grid, width=width)
        console.print()
    for figure in document.figures:
        console.print(Text(figure.sentence), width=width)
    for fault in document.faults:
        console.print(Text(f"FAULT {fault}", "red"), width=width)


def write_page(document: Document, path: Path) -> None:
    """Write the page; without matplotlib it has no figures, and a line on standard error says what brings them."""
    try:
        figures = [drawn(figure) for figure in document.figures]
    except InputError as error:
        print(f"oboe: {error}", file=sys.stderr)
        figures = []
    with writing(path):
        path.write_text(page(document, figures), encoding="utf-8")


def page(document: Document, figures: list[str]) -> str:
    """The page as text.

    Parameters:
        figures: SVG of each figure of the document; none where nothing can be drawn.
    """
    return "\n".join(_lines(document, figures)) + "\n"


def _lines(document: Document, figures: list[str]) -> Iterator[str]:
    title = f"Oboe: {document.experiment}"
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    yield f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
    yield f"<h1>{escape(title)}</h1>"
    runs = f"{len(document.runs)} runs" if document.runs else "sources counted"
    yield f'<p class="soft">ixpemu {escape(document.version)}, scale {document.scale}, seed {document.seed}, {runs}</p>'
    for fault in document.faults:
        yield f'<p class="fault">Fault: {escape(fault)}</p>'
    for place, figure in enumerate(document.figures):
        svg = figures[place] if figures else ""
        yield f"<h2>{escape(figure.title)}</h2><figure>{svg}<figcaption>{escape(figure.sentence)}</figcaption></figure>"
    for table in document.tables:
        yield f'<h2>{escape(table.title)}</h2><div class="scroll"><table><tr>'
        yield "".join(f"<th>{escape(column)}</th>" for column in table.columns) + "</tr>"
        for row in table.rows:
            yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        yield "</table></div>"
    yield "</body></html>"


def drawn(figure: Figure) -> str:
    """A figure as SVG. Raises InputError without matplotlib."""
    try:
        import matplotlib
        from matplotlib.figure import Figure as Canvas
    except ImportError:
        raise InputError(FIGURES_HINT) from None
    settings: dict[Any, Any] = {
        "svg.fonttype": "none", "svg.hashsalt": "oboe", "font.family": "sans-serif", "font.size": 10,
        "text.color": _INK, "axes.labelcolor": _INK, "axes.edgecolor": _INK, "xtick.color": _INK, "ytick.color": _INK,
    }  # fmt: skip
    with matplotlib.rc_context(settings):
        canvas = Canvas(figsize=_SIZE_INCHES, facecolor=_PAPER, layout="constrained")
        axes: Any = canvas.add_subplot()
        (_bars if figure.bars else _curves)(axes, figure)
        axes.set_xlabel(figure.across)
        axes.set_ylabel(figure.up)
        axes.set_ylim(bottom=0)
        axes.grid(color=_GRID, linewidth=0.6, axis="y" if figure.bars else "both")
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        handles, labels = axes.get_legend_handles_labels()
        columns = 3 if max(map(len, labels)) <= _SHORT_LABEL else 2
        canvas.legend(handles, labels, loc="outside upper left", ncols=columns, frameon=False, fontsize=9)
        text = StringIO()
        canvas.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def _curves(axes: Any, figure: Figure) -> None:
    for colour, series in zip(_COLOURS, figure.series, strict=False):
        style = {"linestyle": (0, (4, 3)), "linewidth": 1.4} if series.theory else {"marker": "o", "linewidth": 1.6}
        axes.plot(series.x, series.y, color=colour, label=series.name, **style)
    if figure.logarithmic:
        axes.set_xscale("log")
    else:
        axes.set_xticks(figure.series[0].x)


def _bars(axes: Any, figure: Figure) -> None:
    width = 0.8 / len(figure.series)
    for place, (colour, series) in enumerate(zip(_COLOURS, figure.series, strict=False)):
        shift = (place - (len(figure.series) - 1) / 2) * width
        axes.bar([x + shift for x in series.x], series.y, width=width, color=colour, label=series.name)
    axes.set_xticks(range(len(figure.ticks)), figure.ticks)
