"""Defer slots: instructions move from before a branch or swap into its shadow, where they cost nothing.

Within a basic block the words change places only if every instruction still reads what the same earlier instruction
wrote, and whatever may be read later was written last by the same instruction. Commands stay where they are: delaying
one lengthens the wait for it. Addresses do not change, so tables for ``jump`` stay right. Source: isa.md 1.6, 1.7, 2.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from ixp_emu import isa
from ixp_emu.assembler.code import CodeWord, graph_of
from ixp_emu.assembler.dataflow import live_after
from ixp_emu.assembler.effects import (
    CONDITION_CODES,
    INDEX_CSRS,
    LAST_LEFT,
    LAST_RESULT,
    Effects,
    Resource,
    effects,
)
from ixp_emu.assembler.flow import (
    FlowNode,
    first_unknown_target,
    is_bound_to_the_one_before,
    is_jump,
    is_transfer,
    loaded_addresses,
    predecessors,
    reads_flags_early,
)
from ixp_emu.assembler.numbering import registers_per_context
from ixp_emu.assembler.source import Diagnostics
from ixp_emu.assembler.spacing import causes, needs

__all__ = ["fill_defer_slots"]

_AMBIENT = frozenset({CONDITION_CODES, LAST_RESULT, LAST_LEFT})
_MOVABLE_FAMILIES = ("alu.", "alu_shf.", "immed", "ld_field")
_MOVABLE_NAMES = frozenset({"dbl_shf", "ffs"})
_PASSABLE_CSRS = frozenset(
    isa.LOCAL_CSRS[name].address
    for name in (*INDEX_CSRS, "SAME_ME_SIGNAL", "NEXT_NEIGHBOR_SIGNAL", "PREV_NEIGHBOR_SIGNAL", "CRC_REMAINDER")
)
_NEIGHBOR_KINDS = (isa.RegisterKind.NEIGHBOR, isa.RegisterKind.NEIGHBOR_INDEX)
_SHORTEST_WAY = 3  # slots from an instruction in front of a branch to its target: the branch and its shadow


def fill_defer_slots(code: Sequence[CodeWord], *, labelled: Set[int], contexts: int) -> list[CodeWord]:
    """The words in a new order, with larger ``defer[n]``.

    Parameters:
        code: general registers chosen.
        labelled: addresses that carry a label.
        contexts: 4 or 8.
    """
    return _Filler(code, labelled, contexts).run()


class _Filler:
    def __init__(self, code: Sequence[CodeWord], labelled: Set[int], contexts: int) -> None:
        self._code = list(code)
        self._instructions = [word.instruction for word in code]
        self._nodes = graph_of(code, diagnostics=Diagnostics(), unchecked=True)
        per_context = registers_per_context(contexts)
        self._effects = [effects(instruction, per_context=per_context) for instruction in self._instructions]
        unknown = [
            is_jump(instruction) and not self._nodes[min(index + instruction.defer, len(code) - 1)].successors
            for index, instruction in enumerate(self._instructions)
        ]
        self._live = live_after(self._nodes, self._effects, _AMBIENT, unknown)
        self._entered = {*labelled, *_targets(self._instructions)}
        self._end = first_unknown_target(self._instructions)
        self._bound = _bound_to_a_neighbour(self._instructions)
        self._shortening_forbidden = _before_far_readers(self._instructions, self._nodes)

    def run(self) -> list[CodeWord]:
        start = 0  # of the basic block
        free_from = 0  # end of the last shadow
        for index, instruction in enumerate(self._instructions):
            if index in self._entered:
                start = index
            if not is_transfer(instruction):
                continue
            last = index + instruction.defer
            if index >= free_from and last < min(len(self._code), self._end) and self._code[index].raw is None:
                self._fill(max(start, free_from), index, last)
            free_from = max(free_from, last + 1)
        return self._code

    def _fill(self, start: int, branch: int, last: int) -> None:
        instruction = self._instructions[branch]
        free = instruction.operation.max_defer - instruction.defer
        if reads_flags_early(instruction) or branch in self._shortening_forbidden:
            return
        original = list(range(start, last + 1))
        shadow = list(range(branch + 1, last + 1))
        wanted = _origins(original, self._effects)
        kept, moved = list(range(start, branch)), list[int]()
        for candidate in reversed(range(start, branch)):
            if len(moved) == free or not self._passable(candidate):
                break
            if not self._movable(candidate):
                continue
            left, right = [one for one in kept if one != candidate], [candidate, *moved]
            order = [*left, branch, *right, *shadow]
            if self._same_values(wanted, order, last) and self._same_distances(original, order):
                kept, moved = left, right
        if moved:
            words = [self._code[index] for index in (*kept, branch, *moved)]
            deferred = replace(instruction, defer=instruction.defer + len(moved))
            words[len(kept)] = replace(words[len(kept)], instruction=deferred)
            self._code[start : branch + 1] = words

    def _movable(self, index: int) -> bool:
        instruction = self._instructions[index]
        name = instruction.operation.name
        uses = (*instruction.sources(), *instruction.destinations())
        return (
            self._code[index].raw is None
            and index not in self._bound
            and (name.startswith(_MOVABLE_FAMILIES) or name in _MOVABLE_NAMES)
            and not any(use.register.kind in _NEIGHBOR_KINDS for use in uses)
        )

    def _passable(self, index: int) -> bool:
        """Whether another instruction may move from before this one to behind it, if no register forbids it."""
        instruction = self._instructions[index]
        if self._code[index].raw is not None or instruction.operation.name == "local_csr_rd":
            return False
        return instruction.operation.name != "local_csr_wr" or instruction.csr in _PASSABLE_CSRS

    def _same_values(self, wanted: _Origins, order: Sequence[int], last: int) -> bool:
        found = _origins(order, self._effects)
        if found[0] != wanted[0]:
            return False
        dead = _AMBIENT - self._live[last]
        return all(found[1][resource] == writer for resource, writer in wanted[1].items() if resource not in dead)

    def _same_distances(self, original: Sequence[int], order: Sequence[int]) -> bool:
        """Whether whatever needs a distance from an earlier instruction keeps it, or lacks it as before."""
        positions = {index: position for position, index in enumerate(original)}
        for position, index in enumerate(order):
            for need in needs(self._instructions[index]):
                before = self._distance(original, positions[index], need.event)
                now = self._distance(order, position, need.event)
                if before != now and min(before, now) < need.between:
                    return False
        return True

    def _distance(self, order: Sequence[int], position: int, event: str) -> int:
        """Instructions since the event, or since the start of the block, before which it may have been."""
        for distance, index in enumerate(reversed(order[:position])):
            if event in causes(self._instructions[index]):
                return distance
        return position


_Origins = tuple[Mapping[tuple[int, Resource], int | None], Mapping[Resource, int]]
"""Which instruction wrote what each instruction reads (None: before the block), and who wrote each resource last."""


def _origins(order: Sequence[int], found: Sequence[Effects]) -> _Origins:
    writers: dict[Resource, int] = {}
    read: dict[tuple[int, Resource], int | None] = {}
    for index in order:
        for resource in found[index].reads:
            read[index, resource] = writers.get(resource)
        for resource in found[index].writes:
            writers[resource] = index
    return read, writers


def _targets(instructions: Sequence[isa.Instruction]) -> list[int]:
    """Addresses that instructions name."""
    named = [label for item in instructions for label in (item.target, *item.targets) if label is not None]
    return [label.address for label in named if label.address is not None] + loaded_addresses(instructions)


def _bound_to_a_neighbour(instructions: Sequence[isa.Instruction]) -> set[int]:
    """Instructions that must stay directly before or behind another."""
    bound: set[int] = set()
    for index, instruction in enumerate(instructions):
        if is_bound_to_the_one_before(instruction):
            bound |= {index - 1, index}
        if instruction.operation.name == "local_csr_rd":
            bound |= {index, index + 1}
    return bound


def _before_far_readers(instructions: Sequence[isa.Instruction], nodes: Sequence[FlowNode]) -> set[int]:
    """Nodes from which an instruction is near that needs a longer distance than a branch with a full shadow gives."""
    before = predecessors(nodes)
    found: set[int] = set()
    for index, instruction in enumerate(instructions):
        slots = max((need.between for need in needs(instruction)), default=0)
        if slots <= _SHORTEST_WAY:
            continue
        near = {index}
        for _ in range(slots):
            near |= {earlier for one in near for earlier in before[one]}
        found |= near
    return found
