"""Data structures a program names without saying which memory holds them: their declaration and their location."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ixp_emu.assembler.expressions import ExpressionError, Symbols, evaluate
from ixp_emu.assembler.source import Diagnostics, Place, SourceError
from ixp_emu.assembler.syntax import Assignment, Directive, Name, Node, source_text

if TYPE_CHECKING:
    from ixp_emu.assembler.lowering import Item

__all__ = [
    "ACCESSES",
    "MEMORIES",
    "SHARINGS",
    "Location",
    "StructureDeclaration",
    "base_constant",
    "declare_structures",
]

MEMORIES = ("scratch", "sram0", "sram1", "dram", "local")
ACCESSES = ("read", "write", "add", "test_and_set", "test_and_clr", "test_and_add", "ring")
SHARINGS = ("me", "chip", "context")

_REGION_DIRECTIVES = ("local_mem", "global_mem")
_REGION_MEMORIES = {
    "scratch": "scratch",
    "sram": "sram0",
    "sram0": "sram0",
    "sram1": "sram1",
    "dram": "dram",
    "local": "local",
    "lmem": "local",
}

# Address bits 31:30 of an SRAM command select the channel. Source: isa.md 1.12.
_CHANNEL_BIT = 30


@dataclass(frozen=True, slots=True)
class StructureDeclaration:
    """One ``.structure``: what a placement must know. ``file`` and ``line`` are where it was declared.

    Attributes:
        memory: the only memory the program can work with, None if any (packet buffers, which only DRAM commands move).
        ring: number of the first scratch ring, for ``access=ring``: every element is one ring.
        region: ``local_mem`` or ``global_mem`` when declared by that directive; the former belongs to one program.
        prefill: the longwords 1..prefill are in the ring when the program starts.
    """

    name: str
    element_bytes: int
    count: int
    align: int
    access: frozenset[str]
    sharing: str
    file: str
    line: int
    memory: str | None = None
    ring: int | None = None
    prefill: int = 0
    region: str | None = None

    def stride_bytes(self, memory: str) -> int:
        """Distance of two elements in ``memory``: DRAM elements start at a multiple of 8 bytes."""
        return -(-self.element_bytes // 8) * 8 if memory == "dram" else self.element_bytes

    def size_bytes(self, memory: str) -> int:
        """Bytes the whole structure takes in ``memory``."""
        return self.stride_bytes(memory) * self.count


@dataclass(frozen=True, slots=True)
class Location:
    """Where a structure lives.

    Attributes:
        memory: one of MEMORIES.
        base: byte address of element 0 inside that memory.
        relocatable: the address is not known yet: code loads it in full, and ``link`` puts it in. ``base`` is then 0.
    """

    memory: str
    base: int = 0
    relocatable: bool = False


def base_constant(location: Location) -> int:
    """The 32-bit address a command uses for element 0; for SRAM it holds the channel."""
    if location.memory.startswith("sram"):
        return int(location.memory[-1]) << _CHANNEL_BIT | location.base
    return location.base


# -- declarations ----------------------------------------------------------------------------------------------------


def declare_structures(
    source: Sequence[Item], *, symbols: Symbols, diagnostics: Diagnostics
) -> tuple[list[Item], dict[str, StructureDeclaration]]:
    """Takes the ``.structure`` directives out of a program; names are lower case keys, as written in the values."""
    rest: list[Item] = []
    declared: dict[str, StructureDeclaration] = {}
    for item in source:
        body = item.statement.body
        if not (isinstance(body, Directive) and body.name in ("structure", *_REGION_DIRECTIVES)):
            rest.append(item)
            continue
        try:
            read = _declaration if body.name == "structure" else _region
            declaration = read(body, item.place, symbols)
            known = declared.setdefault(declaration.name.lower(), declaration)
            if known is not declaration:
                raise SourceError(
                    item.place,
                    f"structure {declaration.name!r} is declared twice (first at {known.file}:{known.line})",
                )
        except SourceError as error:
            diagnostics.add(error)
        except ExpressionError as error:
            diagnostics.add(SourceError(item.place, f".{body.name}: {error}"))
    return rest, declared


def _declaration(body: Directive, place: Place, symbols: Symbols) -> StructureDeclaration:
    if not body.items or not isinstance(body.items[0], Name):
        raise SourceError(place, ".structure needs a name")
    name = body.items[0].spelling
    values: dict[str, list[Node]] = {}
    key: str | None = None
    for node in body.items[1:]:
        if isinstance(node, Assignment):
            key = node.key
            if key in values:
                raise SourceError(place, f"structure {name!r}: {key} is given twice")
            values[key] = [node.value]
        elif key == "access":
            values[key].append(node)
        else:
            raise SourceError(
                place, f"structure {name!r}: unexpected {source_text(node)!r}, keys are written key=value"
            )
    allowed = ("element_bytes", "count", "align", "access", "sharing", "memory", "ring", "prefill")
    for key in values:
        if key not in allowed:
            raise SourceError(place, f"structure {name!r}: unknown key {key!r}; known are {', '.join(allowed)}")
    for key in ("element_bytes", "count", "access", "sharing"):
        if key not in values:
            raise SourceError(place, f"structure {name!r}: {key} is missing")

    def number(key: str, default: int) -> int:
        if key not in values:
            return default
        try:
            return evaluate(values[key][0], symbols)
        except ExpressionError as error:
            raise SourceError(place, f"structure {name!r}: {key}: {error}") from None

    def words(key: str, allowed_words: Sequence[str]) -> list[str]:
        found = [source_text(node).lower() for node in values[key]]
        for word in found:
            if word not in allowed_words:
                raise SourceError(place, f"structure {name!r}: {key} {word!r}: must be {', '.join(allowed_words)}")
        return found

    element_bytes, count, align = number("element_bytes", 0), number("count", 0), number("align", 4)
    if element_bytes <= 0 or element_bytes % 4:
        raise SourceError(place, f"structure {name!r}: element_bytes {element_bytes}: must be a positive multiple of 4")
    if count <= 0:
        raise SourceError(place, f"structure {name!r}: count {count}: must be positive")
    if align < 4 or align & (align - 1):
        raise SourceError(place, f"structure {name!r}: align {align}: must be a power of two, 4 or more")
    access = frozenset(words("access", ACCESSES))
    if ("ring" in access) != ("ring" in values):
        raise SourceError(place, f"structure {name!r}: access=ring and ring=NUMBER go together")
    ring = number("ring", 0) if "ring" in values else None
    prefill = number("prefill", 0)
    if ring is not None:
        _check_ring(name, place, ring=ring, element_bytes=element_bytes, count=count, prefill=prefill)
    elif prefill:
        raise SourceError(place, f"structure {name!r}: prefill is for rings")
    outer = place.outermost()
    return StructureDeclaration(
        name,
        element_bytes,
        count,
        align,
        access,
        words("sharing", SHARINGS)[0],
        outer.file,
        outer.line,
        words("memory", MEMORIES)[0] if "memory" in values else None,
        ring,
        prefill,
    )


def _region(body: Directive, place: Place, symbols: Symbols) -> StructureDeclaration:
    """``.local_mem name region bytes [align]`` and ``.global_mem``: one element in a memory the program chooses."""
    if len(body.items) not in (3, 4) or not isinstance(body.items[0], Name):
        raise SourceError(place, f".{body.name} needs a name, a memory, a size in bytes and perhaps an alignment")
    name, memory = body.items[0].spelling, source_text(body.items[1]).lower()
    if memory not in _REGION_MEMORIES:
        raise SourceError(place, f".{body.name} {name!r}: memory {memory!r}: must be {', '.join(_REGION_MEMORIES)}")
    size = evaluate(body.items[2], symbols)
    align = evaluate(body.items[3], symbols) if len(body.items) == 4 else 4
    if size <= 0 or size % 4:
        raise SourceError(place, f".{body.name} {name!r}: size {size}: must be a positive multiple of 4 bytes")
    if align < 4 or align & (align - 1):
        raise SourceError(place, f".{body.name} {name!r}: alignment {align}: must be a power of two, 4 or more")
    if body.name == "global_mem" and _REGION_MEMORIES[memory] == "local":
        raise SourceError(place, f".global_mem {name!r}: a local memory belongs to one microengine: write .local_mem")
    outer = place.outermost()
    return StructureDeclaration(
        name,
        size,
        1,
        align,
        frozenset({"read", "write"}),
        "me" if body.name == "local_mem" else "chip",
        outer.file,
        outer.line,
        _REGION_MEMORIES[memory],
        region=body.name,
    )


RING_LONGWORDS = (128, 256, 512, 1024)


def _check_ring(name: str, place: Place, *, ring: int, element_bytes: int, count: int, prefill: int) -> None:
    """Scratch rings: 16 of them, four sizes. Source: registers.md section 2."""
    if element_bytes // 4 not in RING_LONGWORDS:
        raise SourceError(
            place, f"structure {name!r}: a ring of {element_bytes // 4} longwords: must be 128, 256, 512 or 1024"
        )
    if ring < 0 or ring + count > 16:
        raise SourceError(place, f"structure {name!r}: rings {ring}..{ring + count - 1}: must be 0..15")
    if not 0 <= prefill <= element_bytes // 4:
        raise SourceError(place, f"structure {name!r}: prefill {prefill}: must be 0..{element_bytes // 4}")
    if prefill and count != 1:
        raise SourceError(place, f"structure {name!r}: prefill needs a single ring, not {count}")
