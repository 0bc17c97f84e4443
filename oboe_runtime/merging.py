"""Commutative states on several chips: text for partials in two copies, dirty lines, and totals at the home.

A state NAME becomes the structures NAME (partials: copy 0, then copy 1, each of a power of two of entries), NAME_dirty
(a flag for each line of 64 bytes of each copy) and, at the home, NAME_total. docs/oboe.md, section 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ixp_emu.errors import InputError
from oboe_runtime.declaration import Declaration, EntryAccess, State

__all__ = [
    "LINE_LONGWORDS",
    "check_merges",
    "control_macros",
    "copy_entries",
    "merged_access",
    "merged_states",
    "totals_of",
    "worker_structures",
]

LINE_LONGWORDS = 16


def check_merges(declaration: Declaration) -> None:
    """Refuse partials that several contexts cannot change at once.

    Raises:
        InputError: names the state.
    """
    for state in declaration.states:
        if state.category == "commutative" and state.merge != "add":
            raise InputError(
                f'"{state.merge}" as commutative: the memories have no command that does it to a longword at once; '
                '"add" has one',
                file=declaration.file,
                key=f"state.{state.name}.merge",
            )


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
        "access=read,write,add sharing=chip"
    )
    yield (
        f".structure {state.name}_dirty element_bytes=4 count={2 << _line_bits(state)} align=8 "
        "access=read,write sharing=chip"
    )


def merged_access(state: State, access: EntryAccess, entry: str, *, first: bool) -> Iterator[str]:
    """An entry_merge on the partial of the packet's epoch; the first of an entry marks its line."""
    yield ".begin"
    yield ".reg at__"
    yield f"alu_shf[at__, {entry}, OR, merge_copy, <<{_entry_bits(state)}]"
    yield f"state_add[{state.name}, at__, {access.word}, {access.registers[0]}]"
    if first:
        yield f".state_xfer mark__[1] {state.name}_dirty"
        yield f"alu_shf[at__, --, B, at__, >>{(_per_line(state) - 1).bit_length()}]"
        yield "immed[mark__[0], 1]"
        yield f"state_write[mark__, {state.name}_dirty, at__, 0, 1]"
    yield ".end"


def control_macros(states: Sequence[State]) -> Iterator[str]:
    """Structures and the macros merge_states and apply_partial."""
    for state in states:
        yield from worker_structures(state)
        yield (
            f".structure {state.name}_total element_bytes={4 * _stride(state)} count={copy_entries(state)} "
            f"align={max(8, 4 * _stride(state))} access=read,add sharing=me"
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
    """Every dirty line of a copy: read, set to 0, sent."""
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
    """Some longwords of the entry `at` to transfer registers, and 0 in their place."""
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
    yield from (f"immed[block[{position}], 0]" for position in range(len(used)))
    yield f"state_write[block, {state.name}, at, {used[0]}, {len(used)}]"
    yield ".end"


def _apply(states: Sequence[State]) -> Iterator[str]:
    """Add the line that stands at `place` + PARTIAL_DATA to the totals of the state."""
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
                    yield from (f"alu[--, --, B, $$in[{place}]]", f"beq[zero_{number}_{half}_{place}#]")
                    yield from (".begin", ".reg value", f"alu[value, --, B, $$in[{place}]]")
                    yield from (f"state_add[{state.name}_total, at, {word}, value]", ".end")
                    yield f"zero_{number}_{half}_{place}#:"
                if word == _stride(state) - 1:
                    yield "alu[at, at, +, 1]"
                assert entry < _per_line(state)
            yield ".end"
        yield from ("br[applied#]", f"other_{number}#:")
    yield from ("applied#:", "state_add[merge_counters, LINES_APPLIED, 0, 1]", ".end")
