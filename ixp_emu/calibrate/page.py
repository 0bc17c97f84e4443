"""One self-contained page: verdict, figures, and every row with its source and rule."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

from ixp_emu.calibrate.figures import figures
from ixp_emu.calibrate.groups import GROUPS
from ixp_emu.calibrate.model import Calibration, Row
from ixp_emu.calibrate.table import number, share
from ixp_emu.errors import InputError

__all__ = ["page", "write_page"]

_STYLE = """
:root { color-scheme: light; --ink: #24292f; --soft: #57606a; --line: #d8dee4; --pass: #2d6a3e; --fail: #b3261e; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.5rem 4rem; color: var(--ink); background: #fff;
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
p { max-width: 48rem; } .soft { color: var(--soft); }
.verdict { font-size: 1.1rem; font-weight: 600; } .pass { color: var(--pass); } .fail { color: var(--fail); }
.note { border-left: 3px solid var(--line); padding: .1rem 0 .1rem 1rem; color: var(--soft); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); gap: 1.5rem; margin: 1.5rem 0; }
figure { margin: 0; border: 1px solid var(--line); border-radius: 6px; padding: .75rem; }
figure svg { width: 100%; height: auto; } figcaption { font-weight: 600; margin-bottom: .25rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { padding: .3rem .6rem; vertical-align: top; }
th { text-align: left; font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--ink); }
td { border-bottom: 1px solid var(--line); }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; } td.w { min-width: 17rem; }
td.r { min-width: 11rem; }
td.s { color: var(--soft); min-width: 18rem; } tr.bad { background: #fdeceb; } nav a { margin-right: 1rem; }
"""


def write_page(found: Calibration, path: Path) -> None:
    """Write the page; without matplotlib it has no figures, and a line on standard error says what brings them."""
    try:
        drawn = list(figures(found))
    except InputError as error:
        print(f"ixpemu: {error}", file=sys.stderr)
        drawn = []
    path.write_text(page(found, drawn), encoding="utf-8")


def page(found: Calibration, drawn: list[tuple[str, str]]) -> str:
    """The page as text.

    Parameters:
        drawn: title and SVG of each figure.
    """
    return "\n".join(_lines(found, drawn)) + "\n"


def _lines(found: Calibration, drawn: list[tuple[str, str]]) -> Iterator[str]:
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    yield f"<title>ixpemu calibration</title><style>{_STYLE}</style></head><body>"
    yield "<h1>Calibration of the timing model</h1>"
    yield f'<p class="soft">ixpemu {escape(found.version)}, hardware {escape(found.preset)}</p>'
    state = "fail" if found.failed else "pass"
    failed = f", {found.failed} fail" if found.failed else ""
    yield f'<p class="verdict {state}">{found.passed} of {len(found.rows)} rows pass{failed}.</p>'
    yield f'<p class="note">{escape(found.caveat)}</p>'
    groups = [(group, [row for row in found.rows if row.group == group.name]) for group in GROUPS]
    groups = [(group, rows) for group, rows in groups if rows]
    links = (f'<a href="#{group.name}">{escape(group.name)}</a>' for group, _ in groups)
    yield f"<nav>{''.join(links)}</nav>"
    if drawn:
        yield '<div class="figures">'
        for title, svg in drawn:
            yield f"<figure><figcaption>{escape(title)}</figcaption>{svg}</figure>"
        yield "</div>"
    for group, rows in groups:
        yield f'<h2 id="{group.name}">{escape(group.title)}</h2><div class="scroll"><table>'
        yield '<tr><th>what</th><th class="n">expected</th><th class="n">measured</th><th>unit</th>'
        yield '<th class="n">deviation</th><th>rule</th><th>source</th><th>verdict</th></tr>'
        yield from map(_row, rows)
        yield "</table></div>"
    yield "</body></html>"


def _row(row: Row) -> str:
    bad = ' class="bad"' if row.verdict == "fail" else ""
    return (
        f'<tr{bad}><td class="w">{escape(row.what)}</td><td class="n">{number(row.expected)}</td>'
        f'<td class="n">{number(row.measured)}</td><td>{escape(row.unit)}</td><td class="n">{share(row.deviation)}</td>'
        f'<td class="r">{escape(row.rule)}</td><td class="s">{escape(row.strength)}: {escape(row.source)}</td>'
        f'<td class="{row.verdict}">{row.verdict}</td></tr>'
    )
