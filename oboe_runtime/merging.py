"""Commutative states on several chips: text for partials in two copies, dirty lines, and totals at the home.

A state NAME becomes the structures NAME (partials: copy 0, then copy 1, each of a power of two of entries), NAME_dirty
(a flag for each line of 64 bytes of each copy) and, at the home, NAME_total. docs/oboe.md, section 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ixp_emu.errors import InputError
from oboe_runtime.declaration import Declaration, EntryAccess, State

__all__ = [
    "LINE_LONGWORDS",
    "control_macros",
    "copy_entries",
    "merge_at",
    "merge_macros",
    "merged_access",
    "merged_contents",
    "merged_states",
    "totals_of",
    "worker_structures",
]

LINE_LONGWORDS = 16
_MERGE_SYMBOL = {"or": "MERGE_OR", "min": "MERGE_MIN", "max": "MERGE_MAX"}
_NEUTRAL = {"add": 0, "or": 0, "min": 0xFFFF_FFFF, "max": 0}
"""What a longword of a partial is that nothing has been merged into."""


def merged_states(declaration: Declaration, *, chips: int) -> list[State]:
    """The states whose partials are merged; the position is a state's number in messages.

    Raises:
        InputError: an entry longer than a line.
    """
    if chips < 2:
        return []
    states = [state for state in declaration.states if state.category == "commutative" and state.operations]
    for state in states:
        if state.words > LINE_LONGWORDS:
            raise InputError(
                f"{state.words} longwords; an entry of a commutative state has at most {LINE_LONGWORDS}",
                file=declaration.file,
                key=f"state.{state.name}.words",
            )
        for operation in state.operations:
            kinds = {access.kind for _, access in operation.accesses()}
            if kinds >= {"read", "merge"}:
                raise InputError(
                    f"operation {operation.name!r} reads and merges: a commutative state on several chips is read "
                    "at its home and changed everywhere",
                    file=operation.file,
                    line=operation.first_line,
                )
    return states


def totals_of(state: State) -> State:
    """The state as it is kept at the home: operations that read it work on the totals."""
    return replace(state, name=f"{state.name}_total")


def _stride(state: State) -> int:
    """Longwords from one entry to the next."""
    return 1 << (state.words - 1).bit_length()


def _entry_bits(state: State) -> int:
    """Of an entry's number; a copy has at least a line."""
    assert state.entries is not None
    return max((state.entries - 1).bit_length(), (_per_line(state) - 1).bit_length())


def copy_entries(state: State) -> int:
    """Entries of one copy."""
    return 1 << _entry_bits(state)


def _per_line(state: State) -> int:
    return LINE_LONGWORDS // _stride(state)


def _line_bits(state: State) -> int:
    return _entry_bits(state) - (_per_line(state) - 1).bit_length()


def worker_structures(state: State) -> Iterator[str]:
    """What workers and control share of a state."""
    size = 4 * _stride(state)
    align = max(8, size)
    yield (
        f".structure {state.name} element_bytes={size} count={2 * copy_entries(state)} align={align} "
        f"access=read,write{',add' if state.merge == 'add' else ''} sharing=chip"
    )
    yield (
        f".structure {state.name}_dirty element_bytes=4 count={2 << _line_bits(state)} align=8 "
        "access=read,write sharing=chip"
    )


def merged_access(state: State, access: EntryAccess, entry: str, *, first: bool) -> Iterator[str]:
    """An entry_merge on the partial of the packet's epoch; the first of an entry marks its line."""
    yield ".begin"
    yield ".reg partial__"
    yield f"alu_shf[partial__, {entry}, OR, merge_copy, <<{_entry_bits(state)}]"
    yield from merge_at(state, access, "partial__", alone=False)
    if first:
        yield f".state_xfer mark__[1] {state.name}_dirty"
        yield f"alu_shf[partial__, --, B, partial__, >>{(_per_line(state) - 1).bit_length()}]"
        yield "immed[mark__[0], 1]"
        yield f"state_write[mark__, {state.name}_dirty, partial__, 0, 1]"
    yield ".end"


def merge_macros(declaration: Declaration) -> list[str]:
    """What programs need to merge by anything but add."""
    merges = {state.merge for state in declaration.states if state.operations} - {None, "add"}
    return ['#include "builtin:oboe/combine.uc"'] if merges else []


def merge_at(state: State, access: EntryAccess, entry: str, *, alone: bool) -> Iterator[str]:
    """An entry_merge in place.

    Parameters:
        alone: whether one context at a time is at the entry.
    """
    if state.merge == "add":
        yield f"state_add[{state.name}, {entry}, {access.word}, {access.registers[0]}]"
        return
    assert state.merge is not None
    operands = f"{access.word}, {access.registers[0]}, {_MERGE_SYMBOL[state.merge]}"
    if alone:
        yield f"combine_alone({state.name}, {entry}, {operands})"
        return
    yield from (".begin", ".reg at__", f"#if (isnum({entry}))", f"immed[at__, {entry}]", "#else")
    yield from (f"alu[at__, --, B, {entry}]", "#endif", f"combine({state.name}, at__, {operands})", ".end")


def merged_contents(
    declaration: Declaration, contents: Mapping[str, npt.NDArray[np.uint32]], *, chips: int
) -> dict[str, npt.NDArray[np.uint32]]:
    """Contents of commutative states: nothing is in the partials, what the service says is in the totals.

    Where it says nothing, the least of no values is the greatest longword.
    """
    merged = merged_states(declaration, chips=chips)
    found: dict[str, npt.NDArray[np.uint32]] = {}
    for state in declaration.states:
        if state.category != "commutative" or (state.merge != "min" and state.name not in contents):
            continue
        assert state.entries is not None and state.merge is not None
        entries = copy_entries(state) if state in merged else state.entries
        nothing = np.full(entries * _stride(state), _NEUTRAL[state.merge], np.uint32)
        if state in merged:
            found[state.name] = np.concatenate([nothing, nothing])
        start = nothing.copy()
        if state.name in contents:
            start[: len(contents[state.name])] = contents[state.name]
        found[totals_of(state).name if state in merged else state.name] = start
    return found


def control_macros(states: Sequence[State]) -> Iterator[str]:
    """Structures and the macros merge_states and apply_partial."""
    for state in states:
        yield from worker_structures(state)
        yield (
            f".structure {state.name}_total element_bytes={4 * _stride(state)} count={copy_entries(state)} "
            f"align={max(8, 4 * _stride(state))} access=read,{'add' if state.merge == 'add' else 'write'} sharing=me"
        )
    yield "#macro merge_states(copy)"
    for number, state in enumerate(states):
        yield from _send_lines(number, state)
    yield "#endm"
    yield "#macro apply_partial(place, number, line)"
    yield from _apply(states)
    yield "#endm"


def _halves(state: State) -> Iterator[list[tuple[int, int]]]:
    """The longwords of a line, eight and eight: (entry of the line, longword of the entry)."""
    stride = _stride(state)
    longwords = [(n // stride, n % stride) for n in range(LINE_LONGWORDS)]
    yield longwords[:8]
    yield longwords[8:]


def _send_lines(number: int, state: State) -> Iterator[str]:
    """Every dirty line of a copy: read, emptied, sent."""
    dirty = f"{state.name}_dirty"
    yield from (".begin", ".reg line at handle place number", f"immed[line, {(1 << _line_bits(state)) - 1}]")
    yield f"next_{number}#:"
    yield from (".begin", f".state_xfer flag[1] {dirty}")
    yield f"alu_shf[at, line, OR, copy, <<{_line_bits(state)}]"
    yield f"state_read[flag, {dirty}, at, 0, 1]"
    yield "alu[--, --, B, flag[0]]"
    yield f"beq[clean_{number}#]"
    yield ".end"
    yield f"partial_begin(place, handle, number, clean_{number}#)"
    yield "state_add[merge_counters, LINES_BEGUN, 0, 1]"
    yield from (".begin", f".state_xfer flag[1] {dirty}", "immed[flag[0], 0]")
    yield from (f"state_write[flag, {dirty}, at, 0, 1]", ".end")
    yield f"alu_shf[at, --, B, line, <<{(_per_line(state) - 1).bit_length()}]"
    yield f"alu_shf[at, at, OR, copy, <<{_entry_bits(state)}]"
    for half, longwords in enumerate(_halves(state)):
        yield from (".begin", ".reg write $$out[8]")
        for entry in sorted({entry for entry, _ in longwords}):
            words = [word for of, word in longwords if of == entry]
            yield from _take_entry(state, words, [n for n, (of, _) in enumerate(longwords) if of == entry])
            if words[-1] == _stride(state) - 1:
                yield "alu[at, at, +, 1]"
        at = f"(PARTIAL_DATA + {32 * half})"
        yield f"dram[write, $$out[0], place, {at}, 4], structure[packet_buffers], sig_done[written]"
        yield from ("ctx_arb[written]", ".end")
    yield from (".begin", ".reg of", f"immed[of, {number}]", "alu_shf[of, line, OR, of, <<24]")
    yield from ("partial_send(place, handle, number, of)", ".end")
    yield f"clean_{number}#:"
    yield from ("alu[line, line, -, 1]", f"bge[next_{number}#]", ".end")


def _take_entry(state: State, words: Sequence[int], places: Sequence[int]) -> Iterator[str]:
    """Some longwords of the entry `at` to transfer registers, and nothing in their place."""
    used = [word for word in words if word < state.words]
    for word, place in zip(words, places, strict=True):
        if word not in used:
            yield f"immed[$$out[{place}], 0]"
    if not used:
        return
    yield from (".begin", f".state_xfer block[{len(used)}] {state.name}")
    yield f"state_read[block, {state.name}, at, {used[0]}, {len(used)}]"
    for position, word in enumerate(used):
        yield f"alu[$$out[{places[words.index(word)]}], --, B, block[{position}]]"
    nothing = -1 if state.merge == "min" else 0
    yield from (f"immed[block[{position}], {nothing}]" for position in range(len(used)))
    yield f"state_write[block, {state.name}, at, {used[0]}, {len(used)}]"
    yield ".end"


def _apply(states: Sequence[State]) -> Iterator[str]:
    """Merge the line that stands at `place` + PARTIAL_DATA into the totals of the state; this context alone does."""
    yield from (".begin", ".reg at")
    for number, state in enumerate(states):
        yield from (f"alu[--, number, -, {number}]", f"bne[other_{number}#]")
        yield f"alu_shf[at, --, B, line, <<{(_per_line(state) - 1).bit_length()}]"
        for half, longwords in enumerate(_halves(state)):
            yield from (".begin", ".reg read $$in[8]", ".reg base")
            yield f"immed[base, (FRAME_OFFSET + PARTIAL_DATA + {32 * half})]"
            yield "dram[read, $$in[0], place, base, 4], structure[packet_buffers], sig_done[written]"
            yield "ctx_arb[written]"
            for place, (entry, word) in enumerate(longwords):
                if word < state.words:
                    done = f"merged_{number}_{half}_{place}#"
                    yield from (".begin", ".reg value", f"alu[value, --, B, $$in[{place}]]")
                    yield from (*_into_total(state, word, done), f"{done}:", ".end")
                if word == _stride(state) - 1:
                    yield "alu[at, at, +, 1]"
                assert entry < _per_line(state)
            yield ".end"
        yield from ("br[applied#]", f"other_{number}#:")
    yield from ("applied#:", "state_add[merge_counters, LINES_APPLIED, 0, 1]", ".end")


def _into_total(state: State, word: int, done: str) -> Iterator[str]:
    """Merge the register `value` into a longword of the total `at`."""
    total = totals_of(state).name
    if state.merge == "add":
        yield from ("alu[--, --, B, value]", f"beq[{done}]", f"state_add[{total}, at, {word}, value]")
        return
    assert state.merge is not None
    yield f"combined(value, {total}, at, {word}, value, {_MERGE_SYMBOL[state.merge]}, {done})"
    yield from (".begin", f".state_xfer new[1] {total}", "alu[new[0], --, B, value]")
    yield from (f"state_write[new, {total}, at, {word}, 1]", ".end")
