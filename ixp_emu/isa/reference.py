"""The instruction table of the documentation, generated from the registry."""

from __future__ import annotations

from ixp_emu.isa.operation import Operation
from ixp_emu.isa.registry import OPERATIONS

__all__ = ["instruction_table"]

_HEADER = ("name", "source forms", "tokens", "flags", "shadow", "does", "source")


def instruction_table() -> str:
    """All operations as one Markdown table.

    ``flags`` are the condition codes written; ``shadow`` is the number of instructions behind a taken branch or a
    swap that are lost unless deferred, and the largest defer[n].
    """
    lines = [_row(_HEADER), _row(("---",) * len(_HEADER))]
    lines += [_row(_cells(entry)) for entry in OPERATIONS]
    return "\n".join(lines) + "\n"


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(entry: Operation) -> tuple[str, ...]:
    flags: str = entry.condition_codes
    if entry.condition_codes_token:
        flags = f"{flags} with {entry.condition_codes_token}"
    shadow = f"{entry.shadow} ({entry.max_defer})" if entry.shadow else ""
    return (
        f"`{entry.name}`",
        ", ".join(f"`{syntax.text()}`" for syntax in entry.syntaxes).replace("|", "\\|"),
        ", ".join(f"`{token}`" for token in sorted({*entry.tokens, *entry.ignored_tokens})),
        flags,
        shadow,
        entry.summary,
        entry.source,
    )
