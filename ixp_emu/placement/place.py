"""Placement: gives every named structure of a chip a memory and an address, or says by name why not.

Rings come first (a ring is aligned to its size), then the other structures in order of declaration; in each memory
from address 0 upwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ixp_emu.assembler import Location, StructureDeclaration
from ixp_emu.chip.hardware import Hardware
from ixp_emu.errors import InputError

__all__ = [
    "ChipStructure",
    "PlacedStructure",
    "alignment",
    "default_memory",
    "memory_bytes",
    "merge_declarations",
    "place_structures",
]

LOCAL_MEMORY_BYTES = 640 * 4
_ATOMIC = frozenset({"add", "test_and_set", "test_and_clr", "test_and_add"})
_SMALL_BYTES = 1_024
"""A structure without a configured place goes to scratch up to this size, else to SRAM 0."""


@dataclass(frozen=True, slots=True)
class ChipStructure:
    """A structure as a chip's programs together use it.

    Attributes:
        declaration: identical in every program that names it.
        engines: numbers of the MEs that use it.
    """

    declaration: StructureDeclaration
    engines: frozenset[int]


@dataclass(frozen=True, slots=True)
class PlacedStructure:
    """Where a structure went, and its size there."""

    declaration: StructureDeclaration
    location: Location
    size_bytes: int


def merge_declarations(
    programs: Iterable[tuple[Iterable[StructureDeclaration], Iterable[int]]],
) -> dict[str, ChipStructure]:
    """Structures of a chip by name, from (declarations, MEs) of each program.

    Raises:
        InputError: two programs declare one name differently.
    """
    merged: dict[str, ChipStructure] = {}
    for declarations, engines in programs:
        for declaration in declarations:
            known = merged.get(declaration.name)
            if known is None:
                merged[declaration.name] = ChipStructure(declaration, frozenset(engines))
                continue
            if declaration.region == "local_mem" and declaration.memory != "local":
                raise InputError(
                    f".local_mem {declaration.name}: another program declares it too "
                    f"({known.declaration.file}:{known.declaration.line}): write .global_mem in both to share it",
                    file=declaration.file,
                    line=declaration.line,
                )
            difference = _difference(known.declaration, declaration)
            if difference:
                raise InputError(
                    f"structure {declaration.name}: {difference}, but "
                    f"{known.declaration.file}:{known.declaration.line} declares it otherwise",
                    file=declaration.file,
                    line=declaration.line,
                )
            merged[declaration.name] = ChipStructure(known.declaration, known.engines | frozenset(engines))
    return merged


def _difference(first: StructureDeclaration, second: StructureDeclaration) -> str | None:
    for key in ("element_bytes", "count", "align", "sharing", "memory", "ring", "prefill", "region"):
        if getattr(first, key) != getattr(second, key):
            return f"{key} is {getattr(second, key)} here"
    if first.access != second.access:
        return f"access is {','.join(sorted(second.access))} here"
    return None


def memory_bytes(hardware: Hardware) -> dict[str, int]:
    """Size of each memory a structure may live in."""
    return {
        "scratch": hardware["scratch.size_bytes"],
        "sram0": hardware["sram.size_bytes"],
        "sram1": hardware["sram.size_bytes"],
        "dram": hardware["dram.size_bytes"],
        "local": LOCAL_MEMORY_BYTES,
    }


def _check(structure: ChipStructure, memory: str, *, pinned: bool) -> None:
    """Whether a memory can do what the declaration asks for."""
    declaration = structure.declaration
    name, users = declaration.name, len(structure.engines)
    key = f"placement.{name}"
    if declaration.memory is not None and memory != declaration.memory:
        raise InputError(f"{name}: its program can only use it in {declaration.memory}, not in {memory}", key=key)
    if declaration.ring is not None and memory != "scratch":
        raise InputError(f"{name}: rings are in scratch, not in {memory}", key=key)
    by_one = users <= 1 or (declaration.sharing == "me" and pinned)
    if memory == "dram" and declaration.access & _ATOMIC and not by_one:
        operation = sorted(declaration.access & _ATOMIC)[0]
        raise InputError(
            f"{name}: atomic {operation} by {users} MEs not possible in DRAM, which has no atomic commands", key=key
        )
    copied = declaration.region is not None or declaration.access == {"read"}  # each ME has its own
    if memory == "local" and users > 1 and not copied:
        raise InputError(f"{name}: used by {users} MEs, a local memory belongs to one ME", key=key)


def place_structures(
    structures: Mapping[str, ChipStructure],
    chosen: Mapping[str, tuple[str, bool]],
    hardware: Hardware,
) -> dict[str, PlacedStructure]:
    """Place all structures of one chip.

    Parameters:
        structures: by name.
        chosen: structure -> (memory, pinned) from the configuration; others go where they must, or to scratch if
            small, else to SRAM 0.

    Raises:
        InputError: an unknown name, a memory that cannot do what the structure needs, or one that is full.
    """
    for name in chosen:
        if name not in structures:
            known = ", ".join(sorted(structures)) or "none"
            raise InputError(
                f'no program of the chip declares a structure "{name}"; there are {known}', key=f"placement.{name}"
            )
    size = memory_bytes(hardware)
    used = dict.fromkeys(size, 0)
    placed: dict[str, PlacedStructure] = {}
    order = sorted(structures.values(), key=lambda item: item.declaration.ring is None)
    for structure in order:
        declaration = structure.declaration
        memory, pinned = chosen.get(declaration.name, (default_memory(declaration), True))
        _check(structure, memory, pinned=pinned)
        needed = declaration.size_bytes(memory)
        align = alignment(declaration, memory)
        base = -(-used[memory] // align) * align
        if base + needed > size[memory]:
            raise InputError(
                f"{declaration.name}: {needed:,} bytes in {memory}, {max(size[memory] - base, 0):,} left",
                key=f"placement.{declaration.name}",
            )
        used[memory] = base + needed
        placed[declaration.name] = PlacedStructure(declaration, Location(memory, base), needed)
    return placed


def alignment(declaration: StructureDeclaration, memory: str) -> int:
    """Bytes whose multiple the address of a structure in ``memory`` must be; a ring is aligned to its size."""
    least = max(declaration.align, 8 if memory == "dram" else 4)
    return least if declaration.ring is None else max(least, declaration.element_bytes)


def default_memory(declaration: StructureDeclaration) -> str:
    """The memory of a structure that no placement names."""
    if declaration.memory is not None:
        return declaration.memory
    if declaration.ring is not None or declaration.size_bytes("scratch") <= _SMALL_BYTES:
        return "scratch"
    return "sram0"
