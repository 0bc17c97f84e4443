"""The text of the worker's program: the service's states and operations as their categories want them, its source, and
Oboe's worker behind them.

An operation becomes a macro of its name. Its lines are the same under every category; what differs is what stands in
place of an entry access, and whether the macro holds them at all or a request to the server.
"""

from __future__ import annotations

from collections.abc import Iterator

from oboe_runtime.declaration import Declaration, EntryAccess, Operation, State, entry_access
from oboe_runtime.layout import BUNDLES
from oboe_runtime.merging import (
    control_macros,
    merge_at,
    merge_macros,
    merged_access,
    merged_states,
    totals_of,
    worker_structures,
)
from oboe_runtime.operations import MOST_OPERANDS
from oboe_runtime.replicas import (
    apply_replica,
    control_structures,
    master_of,
    push_all,
    push_entry,
    versioned_read,
    versioned_states,
    versioned_structures,
)

__all__ = ["control_text", "served_operations", "structure_of", "worker_text"]

_SERVED = ("strict", "read_mostly")


def worker_text(declaration: Declaration, *, order: str, chips: int) -> str:
    """The program of the workers."""
    lines = ['#include "builtin:oboe/structures.uc"']
    served = served_operations(declaration, chips=chips)
    if served:
        lines += ['#include "builtin:lib/identity.uc"', '#include "builtin:oboe/request.uc"']
    merged = merged_states(declaration, chips=chips)
    if merged:
        lines += ["#ifndef ENGINES_CONTROL"]
        lines += [
            f'#error "state {merged[0].name} is commutative on {chips} chips: it needs a microengine for control"'
        ]
        lines += ["#endif", '#include "builtin:oboe/epoch.uc"']
    lines += merge_macros(declaration)
    versioned = versioned_states(declaration)
    for state in declaration.states:
        if state in merged:
            lines += worker_structures(state)
        elif state in versioned:
            lines += versioned_structures(state)
        elif state.category != "strict":
            lines.append(structure_of(state, order=order))
    numbers = {operation.name: number for number, (_, operation) in enumerate(served)}
    for state in declaration.states:
        for operation in state.operations:
            if operation.name in numbers:
                lines += _stub(state, operation, numbers[operation.name])
            else:
                lines += _inline(state, operation, merged=state in merged, versioned=state in versioned)
    lines += [f'#include "{declaration.directory}/service.uc"', '#include "builtin:oboe/worker.uc"', ""]
    return "\n".join(lines)


def control_text(declaration: Declaration, *, order: str, chips: int) -> str:
    """The program of control, with the strict operations in its server."""
    served = served_operations(declaration, chips=chips)
    replicated = [state for state in declaration.states if state.category == "read_mostly"]
    updated = chips > 1 and any(operation.updates for state in replicated for operation in state.operations)
    lines = [f"#define RESYNC_FIRST {len(served)}"] if updated else []
    lines += ['#include "builtin:oboe/structures.uc"', *merge_macros(declaration)]
    versioned = versioned_states(declaration)
    for state in declaration.states:
        if state in versioned:
            lines += control_structures(state)
        elif state.category in _SERVED:
            lines.append(structure_of(state, order=order))
    lines += control_macros(merged_states(declaration, chips=chips))
    for state, operation in served:
        of = totals_of(state) if state.category == "commutative" else state
        lines += _inline(master_of(state) if state in versioned else of, operation)
    names = [f"{kind}{number}" for kind in ("input", "output") for number in range(MOST_OPERANDS)]
    lines.append(f"#macro serve_operation(operation, entry, {', '.join(names)})")
    resynced = list(enumerate(replicated, start=len(served))) if updated else []
    if len(served) + len(resynced) > 1:
        labels = [f"to_{number}#" for number in range(len(served) + len(resynced))]
        lines += [f"jump[operation, to_0#], targets[{', '.join(labels)}]"]
        lines += [f"{label}: br[do_{number}#]" for number, label in enumerate(labels)]
    for number, (state, operation) in enumerate(served):
        operands = [*names[: len(operation.inputs)], *names[MOST_OPERANDS:][: len(operation.outputs)]]
        lines += [f"do_{number}#:", f"{operation.name}({', '.join(['entry', *operands])})"]
        if state in replicated:
            lines += push_entry(replicated.index(state), state, chips=chips)
        lines.append("br[done#]")
    for number, state in resynced:
        lines += [f"do_{number}#:", *push_all(replicated.index(state), state, chips=chips), "br[done#]"]
    lines += ["done#:", "#endm"]
    lines += apply_replica(replicated)
    return "\n".join([*lines, '#include "builtin:oboe/control.uc"', ""])


def served_operations(declaration: Declaration, *, chips: int) -> list[tuple[State, Operation]]:
    """The operations that the home's server runs; the position is an operation's number.

    They are the strict ones, updates of what is replicated, and those that read totals of several chips.
    """
    merged = merged_states(declaration, chips=chips)
    return [
        (state, operation)
        for state in declaration.states
        for operation in state.operations
        if state.category == "strict"
        or (state.category == "read_mostly" and operation.updates)
        or (state in merged and not operation.updates)
    ]


def structure_of(state: State, *, order: str) -> str:
    """The declaration of a state's structure; entries of more than one longword are a power of two of bytes."""
    element_bytes = 4 << (state.words - 1).bit_length()
    count = str(state.entries)
    if state.scope == "bundle":
        count = f"({BUNDLES} * {state.entries})"
    elif state.entries is None:  # one for each record: of this chip, or at the home of all chips
        count = "(SLICES << 6)" if state.category == "per_flow" else "(SLICES << (6 + CHIP_BITS))"
    by_one = state.category == "strict" or (state.category == "per_flow" and order == "pinned")
    sharing = "me" if by_one else "chip"
    access = ",".join(_accesses(state))
    return (
        f".structure {state.name} element_bytes={element_bytes} count={count} align={max(8, min(element_bytes, 64))} "
        f"access={access} sharing={sharing}"
    )


def _accesses(state: State) -> list[str]:
    """What the programs do to the structure: what the operations say, and the writes that replace a replica's entry."""
    kinds = {access.kind for operation in state.operations for _, access in operation.accesses()}
    if "merge" in kinds:
        kinds |= {"add"} if state.merge == "add" else {"read", "write"}
    if state.category == "read_mostly":
        kinds |= {"read", "write"}
    return [kind for kind in ("read", "write", "add") if kind in kinds] or ["read"]


def _inline(state: State, operation: Operation, *, merged: bool = False, versioned: bool = False) -> Iterator[str]:
    """The operation as a macro that works on the structure here.

    Parameters:
        merged: on a copy of the partials.
        versioned: on the version of the entry that holds now.
    """
    marked: set[str] = set()
    yield f"#macro {operation.name}({', '.join((operation.entry, *operation.inputs, *operation.outputs))})"
    yield ".begin"
    for line in operation.lines:
        access = entry_access(line)
        if access is None:
            if "#" in line:  # a label or a branch: what was done before it may not have been
                marked.clear()
            yield line
            continue
        entry = access.entry or operation.entry
        if merged:
            yield from merged_access(state, access, entry, first=entry not in marked)
            marked.add(entry)
        elif versioned:
            yield from versioned_read(state, access, entry)
        else:
            yield from _access(state, access, entry)
    yield ".end"
    yield "#endm"


def _stub(state: State, operation: Operation, number: int) -> Iterator[str]:
    """The operation as a macro that asks the server."""
    yield f"#macro {operation.name}({', '.join((operation.entry, *operation.inputs, *operation.outputs))})"
    yield "#ifndef ENGINES_CONTROL"
    yield f'#error "state {state.name} is {state.category}: it needs a microengine for control"'
    yield "#endif"
    yield ".begin"
    yield ".reg caller__ reply__"
    yield from (".begin", ".reg write $request__[8]", ".sig request_put__, replied__")
    yield f"request_caller(caller__, reply__, {number}, replied__)"
    words = ["caller__", operation.entry, *operation.inputs]
    if state.entries is None:  # records are numbered by chip
        yield ".reg record__"
        yield "alu_shf[record__, --, B, caller__, >>24]"
        yield f"alu_shf[record__, record__, OR, {operation.entry}, <<CHIP_BITS]"
        words[1] = "record__"
    for position in range(8):
        if position >= len(words):
            yield f"immed[$request__[{position}], 0]"
        else:
            yield f"#if (isnum({words[position]}))"
            yield f"immed[$request__[{position}], {words[position]}]"
            yield "#else"
            yield f"alu[$request__[{position}], --, B, {words[position]}]"
            yield "#endif"
    yield "scratch[put, $request__[0], (REQUEST_RING << 2), 0, 8], structure[request_ring], sig_done[request_put__]"
    yield from ("ctx_arb[request_put__, replied__]", ".end")
    size = 1 + len(operation.outputs)
    yield from (".begin", f".state_xfer answer__[{size}] replies")
    yield f"state_read[answer__, replies, reply__, 0, {size}]"
    yield "alu[--, --, B, answer__[0]]"
    yield f"bne[unavailable_{state.on_unavailable}#]"
    yield from (f"alu[{name}, --, B, answer__[{n}]]" for n, name in enumerate(operation.outputs, start=1))
    yield ".end"
    yield ".end"
    yield "#endm"


def _access(state: State, access: EntryAccess, entry: str) -> Iterator[str]:
    """An entry access by the placement-neutral forms of the assembler."""
    size = len(access.registers)
    if access.kind == "merge":
        yield from merge_at(state, access, entry, alone=state.category != "commutative")
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
