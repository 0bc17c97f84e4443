"""Figures of a calibration as SVG; needs matplotlib, which the extra ``figures`` brings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Any

from ixp_emu.calibrate.model import Calibration, Series
from ixp_emu.errors import InputError

__all__ = ["FIGURES_HINT", "figures"]

FIGURES_HINT = "figures need matplotlib: pip install 'ixpemu[figures]'"

_INK, _GRID, _PAPER = "#24292f", "#d8dee4", "#ffffff"
_COLOURS = ("#0b6e99", "#d1603d", "#5b8c3e", "#7a5195")
_SIZE_INCHES = (5.4, 3.8)
_AXES = {
    "latency": ("Mean wait at a controller under load", "load (arrivals per service time)", "mean wait, ME cycles"),
    "threads": ("SRAM reads by number of threads", "threads, dealt to 8 microengines in turn", "M reads/s"),
    "engines": ("Speed-up over microengines", "microengines, 8 threads each", "speed-up over one"),
}
"""Figure -> title and axes."""
_CURVE = {"latency": "M/D/1", "threads": "bound", "engines": "bound"}


def figures(found: Calibration) -> Iterator[tuple[str, str]]:
    """Title and SVG of each figure there are points for. Raises InputError without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        raise InputError(FIGURES_HINT) from None
    settings: dict[Any, Any] = {
        "svg.fonttype": "none", "svg.hashsalt": "ixpemu", "font.family": "sans-serif", "font.size": 10,
        "text.color": _INK, "axes.labelcolor": _INK, "axes.edgecolor": _INK, "xtick.color": _INK, "ytick.color": _INK,
    }  # fmt: skip
    for name, (title, across, up) in _AXES.items():
        series = [entry for entry in found.series if entry.figure == name]
        if series:
            with matplotlib.rc_context(settings):
                yield title, _drawn(name, series, across, up)


def _drawn(name: str, series: Sequence[Series], across: str, up: str) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE_INCHES, facecolor=_PAPER, layout="constrained")
    axes: Any = figure.add_subplot()
    for colour, entry in zip(_COLOURS, series, strict=False):
        axes.plot(entry.x, entry.curve, color=colour, linewidth=1.4)
        axes.plot(entry.x, entry.measured, "o", color=colour, markersize=3.6, label=entry.name)
        if entry.knee is not None and entry.x[0] <= entry.knee <= entry.x[-1]:
            axes.axvline(entry.knee, color=colour, linewidth=0.8, linestyle=(0, (4, 3)))
            axes.annotate(
                f"knee {entry.knee:.1f}", (entry.knee, 0.98), xycoords=("data", "axes fraction"), rotation=90, va="top",
                color=colour, fontsize=8, xytext=(3, 0), textcoords="offset points",
            )  # fmt: skip
    axes.plot([], [], color=_INK, linewidth=1.4, label=f"line: {_CURVE[name]}; points: measured")
    if name == "engines":
        ends = [series[0].x[0], series[0].x[-1]]
        axes.plot(ends, ends, color=_GRID, linewidth=1.4, label="linear", zorder=0)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.grid(color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2, frameon=False, fontsize=9)
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]
