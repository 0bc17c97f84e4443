"""The text of the worker's program: the service's states and operations as their categories want them, its source, and
Oboe's worker behind them.

An operation becomes a macro of its name. Its lines are the same under every category; what differs is what stands in
place of an entry access, and whether the macro holds them at all or a request to the server.
"""

from __future__ import annotations

from collections.abc import Iterator

from oboe_runtime.declaration import Declaration, EntryAccess, Operation, State, entry_access
from oboe_runtime.layout import BUNDLES

__all__ = ["structure_of", "worker_text"]

_ACCESS = {
    "read_only": "read",
    "read_mostly": "read",
    "per_flow": "read,write,add",
    "commutative": "read,write,add",
    "strict": "read,write,add",
}


def worker_text(declaration: Declaration, *, order: str) -> str:
    """The program of the workers."""
    lines = ['#include "builtin:oboe/structures.uc"']
    lines += [structure_of(state, order=order) for state in declaration.states]
    for state in declaration.states:
        for operation in state.operations:
            lines += _inline(state, operation)
    lines += [f'#include "{declaration.directory}/service.uc"', '#include "builtin:oboe/worker.uc"', ""]
    return "\n".join(lines)


def structure_of(state: State, *, order: str) -> str:
    """The declaration of a state's structure; entries of more than one longword are a power of two of bytes."""
    element_bytes = 4 << (state.words - 1).bit_length()
    count = str(state.entries)
    if state.category == "per_flow":
        count = "(SLICES << 6)" if state.scope == "flow" else f"({BUNDLES} * {state.entries})"
    by_one = state.category == "strict" or (state.category == "per_flow" and order == "pinned")
    sharing = "me" if by_one else "chip"
    access = _ACCESS[state.category]
    return (
        f".structure {state.name} element_bytes={element_bytes} count={count} align={max(8, min(element_bytes, 64))} "
        f"access={access} sharing={sharing}"
    )


def _inline(state: State, operation: Operation) -> Iterator[str]:
    """The operation as a macro that works on the structure here."""
    yield f"#macro {operation.name}({', '.join((operation.entry, *operation.inputs, *operation.outputs))})"
    yield ".begin"
    for line in operation.lines:
        access = entry_access(line)
        if access is None:
            yield line
        else:
            yield from _access(state, access, access.entry or operation.entry)
    yield ".end"
    yield "#endm"


def _access(state: State, access: EntryAccess, entry: str) -> Iterator[str]:
    """An entry access by the placement-neutral forms of the assembler."""
    size = len(access.registers)
    if access.kind == "merge" and state.merge == "add":
        yield f"state_add[{state.name}, {entry}, {access.word}, {access.registers[0]}]"
        return
    move = f"[block__, {state.name}, {entry}, {access.word}, {size}]"
    yield ".begin"
    yield f".state_xfer block__[{size}] {state.name}"
    if access.kind == "write":
        yield from (f"alu[block__[{n}], --, B, {register}]" for n, register in enumerate(access.registers))
        yield f"state_write{move}"
    else:
        yield f"state_read{move}"
        yield from (f"alu[{register}, --, B, block__[{n}]]" for n, register in enumerate(access.registers))
    yield ".end"
