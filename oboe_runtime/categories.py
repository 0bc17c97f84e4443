"""The five categories of state, and why a state cannot have one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from oboe_runtime.operations import EntryAccess, Operation

__all__ = ["CATEGORIES", "DIRTY_LINE_BYTES", "Category", "refusal"]

Category = Literal["read_only", "per_flow", "read_mostly", "commutative", "strict"]
CATEGORIES: tuple[Category, ...] = get_args(Category)

DIRTY_LINE_BYTES = 64
"""Partials of a commutative state are sent by lines of this size."""


def refusal(
    category: Category, name: str, *, scope: str, merge: str | None, operations: Iterable[Operation]
) -> str | None:
    """Why the state `name` cannot be of a category, None if it can.

    Parameters:
        scope: "flow" or "bundle".
        merge: the state's merge, if any.
        operations: all of the state's.
    """
    listed = list(operations)
    if category == "read_only":
        change = _first(listed, "write", "merge")
        return None if change is None else f"state {name} cannot be read_only: {_place(*change)} changes it"
    if category == "commutative":
        write = _first(listed, "write")
        if write is not None:
            return (
                f"state {name} cannot be commutative: {_place(*write)} writes what it has computed, so the partials of "
                f"two chips do not merge; only entry_merge does"
            )
        return None if merge else f"state {name} cannot be commutative: it declares no merge"
    if category == "per_flow" and scope == "flow":
        for operation in listed:
            for line, access in operation.accesses():
                if access.entry is not None:
                    return (
                        f"state {name} cannot be per_flow: {_place(operation, line, access)} goes to another entry "
                        "than that of the packet's flow"
                    )
    return None


def _first(operations: Iterable[Operation], *kinds: str) -> tuple[Operation, int, EntryAccess] | None:
    return next(
        (
            (operation, line, access)
            for operation in operations
            for line, access in operation.accesses()
            if access.kind in kinds
        ),
        None,
    )


def _place(operation: Operation, line: int, access: EntryAccess) -> str:
    return f"{operation.file.rpartition('/')[2]}:{line}: entry_{access.kind} of operation {operation.name!r}"
