"""Read-mostly states: text for the home's push of an entry, and for what a replica does with it.

The master is the home's own replica. An entry of one longword is replaced at once; no reader sees half of it. Each
state has a version, which counts the updates: a replica that finds one missing counts a gap. docs/oboe.md, section 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ixp_emu.errors import InputError
from oboe_runtime.declaration import Declaration, State

__all__ = ["apply_replica", "check_replicas", "push_entry"]


def check_replicas(declaration: Declaration) -> None:
    """Refuse entries that are not replaced at once.

    Raises:
        InputError: names the state.
    """
    for state in declaration.states:
        if state.category == "read_mostly" and state.words > 1 and any(one.updates for one in state.operations):
            raise InputError(
                f"{state.words} longwords; an entry of a read_mostly state that is updated has one",
                file=declaration.file,
                key=f"state.{state.name}.words",
            )


def push_entry(number: int, state: State) -> Iterator[str]:
    """Send the entry that an operation has changed, with the state's next version, to every other working chip."""
    yield from (".begin", ".reg version of value zero", f".state_xfer changed[1] {state.name}")
    yield f"state_read[changed, {state.name}, entry, 0, 1]"
    yield "alu[value, --, B, changed[0]]"
    yield from (f"next_version(version, {number})", f"immed[of, {number}]", "alu_shf[of, entry, OR, of, <<24]")
    yield from ("immed[zero, 0]", "push_to_replicas(of, version, value, zero)", ".end")


def apply_replica(states: Sequence[State]) -> Iterator[str]:
    """The macro that puts an entry from the home in its place."""
    yield "#macro apply_replica(of, version, value)"
    yield from (".begin", ".reg number entry")
    yield from (
        "alu_shf[number, --, B, of, >>24]",
        "alu_shf[entry, --, B, of, <<8]",
        "alu_shf[entry, --, B, entry, >>8]",
    )
    yield "check_version(number, version)"
    for number, state in enumerate(states):
        yield from (f"alu[--, number, -, {number}]", f"bne[other_{number}#]")
        yield from (".begin", f".state_xfer new[1] {state.name}", "alu[new[0], --, B, value]")
        yield from (f"state_write[new, {state.name}, entry, 0, 1]", ".end", "br[applied#]", f"other_{number}#:")
    yield from ("applied#:", ".end", "#endm")
