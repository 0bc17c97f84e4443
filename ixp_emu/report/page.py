"""Printing for a terminal or a file: the same tables, without colours and padding where nobody looks at a terminal."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

from rich.console import Console

__all__ = ["WIDTH", "print_page"]

WIDTH = 100
"""Columns a page uses at most."""


def print_page(render: Callable[[Console, int], None], *, console: Console | None = None) -> None:
    """Let ``render(console, width)`` print to a console, standard output by default."""
    console = Console() if console is None else console
    if console.is_terminal:
        render(console, min(console.width, WIDTH))
        return
    text = StringIO()
    render(Console(file=text, width=WIDTH, color_system=None), WIDTH)
    for line in text.getvalue().splitlines():
        console.file.write(line.rstrip() + "\n")
