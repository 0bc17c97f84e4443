"""Read-mostly states: text for the home's push of an entry, and for what a replica does with it.

The master is at the home. An entry of one longword is replaced at once: the master is the home's own replica. Longer
ones lie in versions: NAME_at says which element of NAME holds an entry; an update writes a spare element, then changes
NAME_at; the old element becomes a spare, used again when no packet can be reading it any more. The master of such a
state is NAME_master. Each state has a version number, which counts the updates: a replica that finds one missing asks
the home, which then sends all entries, each as an update. docs/oboe.md, section 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ixp_emu.errors import InputError
from oboe_runtime.declaration import Declaration, EntryAccess, State

__all__ = [
    "apply_replica",
    "check_replicas",
    "control_structures",
    "master_of",
    "push_all",
    "push_entry",
    "versioned_contents",
    "versioned_read",
    "versioned_states",
    "versioned_structures",
]

SPARES = 16
_MOST_WORDS = 4


def check_replicas(declaration: Declaration) -> None:
    """Refuse entries that no message carries.

    Raises:
        InputError: names the state.
    """
    for state in versioned_states(declaration):
        if state.words > _MOST_WORDS:
            raise InputError(
                f"{state.words} longwords; an entry of a read_mostly state that is updated has at most {_MOST_WORDS}",
                file=declaration.file,
                key=f"state.{state.name}.words",
            )


def versioned_states(declaration: Declaration) -> list[State]:
    """States whose entries are longer than what is replaced at once."""
    return [
        state
        for state in declaration.states
        if state.category == "read_mostly" and state.words > 1 and any(one.updates for one in state.operations)
    ]


def _element_bytes(state: State) -> int:
    return 4 << (state.words - 1).bit_length()


def versioned_structures(state: State) -> Iterator[str]:
    """What workers and control share of a state."""
    assert state.entries is not None
    size = _element_bytes(state)
    yield (
        f".structure {state.name} element_bytes={size} count={state.entries + SPARES} align={max(8, size)} "
        "access=read,write sharing=chip"
    )
    yield f".structure {state.name}_at element_bytes=4 count={state.entries} align=8 access=read,write sharing=chip"


def control_structures(state: State) -> Iterator[str]:
    """And what control has for itself: the master; spare elements, each with the epoch in which it became one."""
    yield from versioned_structures(state)
    size = _element_bytes(state)
    yield (
        f".structure {state.name}_master element_bytes={size} count={state.entries} align={max(8, size)} "
        "access=read,write sharing=me"
    )
    yield f".structure {state.name}_spares element_bytes=8 count={SPARES} align=8 access=read,write sharing=me"
    yield f".structure {state.name}_next element_bytes=4 count=1 align=4 access=read,write sharing=me"


def master_of(state: State) -> State:
    """The state as its updates see it."""
    return replace(state, name=f"{state.name}_master")


def versioned_contents(
    declaration: Declaration, contents: Mapping[str, npt.NDArray[np.uint32]]
) -> dict[str, npt.NDArray[np.uint32]]:
    """Contents of the structures that a versioned state adds: entry n lies in element n, the spares behind them."""
    added: dict[str, npt.NDArray[np.uint32]] = {}
    for state in versioned_states(declaration):
        assert state.entries is not None
        added[f"{state.name}_at"] = np.arange(state.entries, dtype=np.uint32)
        spares = np.zeros((SPARES, 2), np.uint32)
        spares[:, 0] = state.entries + np.arange(SPARES)
        spares[:, 1] = -2 & 0xFFFF_FFFF  # free from the start
        added[f"{state.name}_spares"] = spares.reshape(-1)
        if state.name in contents:
            added[f"{state.name}_master"] = contents[state.name]
    return added


def versioned_read(state: State, access: EntryAccess, entry: str) -> Iterator[str]:
    """An entry_read, in the element that NAME_at names; all longwords of an access are of one version."""
    size = len(access.registers)
    yield from (".begin", ".reg at__", ".begin", f".state_xfer where__[1] {state.name}_at")
    yield f"state_read[where__, {state.name}_at, {entry}, 0, 1]"
    yield from ("alu[at__, --, B, where__[0]]", ".end", f".state_xfer block__[{size}] {state.name}")
    yield f"state_read[block__, {state.name}, at__, {access.word}, {size}]"
    yield from (f"alu[{register}, --, B, block__[{n}]]" for n, register in enumerate(access.registers))
    yield ".end"


def push_entry(number: int, state: State, *, chips: int, changed: bool = True) -> Iterator[str]:
    """Put the entry that an operation has changed in its place here, and send it, with the state's next version, to
    every other working chip.

    Parameters:
        changed: whether it has; otherwise it is sent only.
    """
    name = f"{state.name}_master" if state.words > 1 else state.name
    yield from (".begin", ".reg version of value0 value1 value2 value3")
    yield from (f"immed[value{n}, 0]" for n in range(_MOST_WORDS))
    yield from (".begin", f".state_xfer changed[{state.words}] {name}")
    yield f"state_read[changed, {name}, entry, 0, {state.words}]"
    yield from (f"alu[value{n}, --, B, changed[{n}]]" for n in range(state.words))
    yield ".end"
    if state.words > 1 and changed:
        yield from _install(state, "entry")
    yield f"next_version(version, {number})"
    if chips > 1:
        yield from (f"immed[of, {number}]", "alu_shf[of, entry, OR, of, <<24]")
        yield "push_to_replicas(of, version, value0, value1, value2, value3)"
    yield ".end"


def push_all(number: int, state: State, *, chips: int) -> Iterator[str]:
    """Send every entry as an update: a replica has missed a version. What it misses of these shows in the same way."""
    assert state.entries is not None
    yield from (f"immed[entry, {state.entries & 0xFFFF}]", f"immed_w1[entry, {state.entries >> 16}]")
    yield from (f"entry_{number}#:", "alu[entry, entry, -, 1]")
    yield from push_entry(number, state, chips=chips, changed=False)
    yield from ("alu[--, --, B, entry]", f"bne[entry_{number}#]")


def _install(state: State, entry: str) -> Iterator[str]:
    """A new version of an entry, from value0 to value3: into a spare element, whose place the old one takes."""
    name = state.name
    yield from (".begin", ".reg next slot stamp old epoch")
    yield from (".begin", f".state_xfer turn[1] {name}_next", f"state_read[turn, {name}_next, 0, 0, 1]")
    yield from (f"alu[next, {SPARES - 1}, AND, turn[0]]", "alu[turn[0], next, +, 1]")
    yield from (f"state_write[turn, {name}_next, 0, 0, 1]", ".end")
    yield from (".begin", f".state_xfer spare[2] {name}_spares", f"state_read[spare, {name}_spares, next, 0, 2]")
    yield from ("alu[slot, --, B, spare[0]]", "alu[stamp, --, B, spare[1]]", ".end")
    yield "wait_for_epoch(epoch, stamp)"
    yield from (".begin", f".state_xfer new[{state.words}] {name}")
    yield from (f"alu[new[{n}], --, B, value{n}]" for n in range(state.words))
    yield from (f"state_write[new, {name}, slot, 0, {state.words}]", ".end")
    yield from (".begin", f".state_xfer where[1] {name}_at", f"state_read[where, {name}_at, {entry}, 0, 1]")
    yield from ("alu[old, --, B, where[0]]", "alu[where[0], --, B, slot]")
    yield from (f"state_write[where, {name}_at, {entry}, 0, 1]", ".end")
    yield from (".begin", f".state_xfer spare[2] {name}_spares", "read_epoch(epoch)")
    yield from ("alu[spare[0], --, B, old]", "alu[spare[1], --, B, epoch]")
    yield from (f"state_write[spare, {name}_spares, next, 0, 2]", ".end", ".end")


def apply_replica(states: Sequence[State]) -> Iterator[str]:
    """The macro that puts an entry from the home in its place."""
    yield "#macro apply_replica(of, version, value0, value1, value2, value3)"
    yield from (".begin", ".reg number entry")
    yield from (
        "alu_shf[number, --, B, of, >>24]",
        "alu_shf[entry, --, B, of, <<8]",
        "alu_shf[entry, --, B, entry, >>8]",
    )
    yield "check_version(number, version)"
    for number, state in enumerate(states):
        yield from (f"alu[--, number, -, {number}]", f"bne[other_{number}#]")
        if state.words > 1:
            yield from _install(state, "entry")
        else:
            yield from (".begin", f".state_xfer new[1] {state.name}", "alu[new[0], --, B, value0]")
            yield from (f"state_write[new, {state.name}, entry, 0, 1]", ".end")
        yield from ("br[applied#]", f"other_{number}#:")
    yield from ("applied#:", ".end", "#endm")
