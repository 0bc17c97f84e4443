"""Bank conflicts: where two sources of an instruction would come from one bank, one of them is copied before it.

The pairs of sources form a graph over the live ranges that must be two-colourable. As many pairs as possible are kept;
each of the others is taken apart by a copy that only these instructions use. A copy goes where it changes nothing that
is still to be read: not into a shadow, not between instructions that must be neighbours, not into a jump table. Source:
isa.md 1.1 and 4 (``-Of``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ixp_emu import isa
from ixp_emu.assembler.allocate import Wanted
from ixp_emu.assembler.code import CodeWord, graph_of, insert_words
from ixp_emu.assembler.dataflow import live_after
from ixp_emu.assembler.effects import CONDITION_CODES, LAST_LEFT, LAST_RESULT, effects
from ixp_emu.assembler.flow import (
    FlowNode,
    first_unknown_target,
    is_bound_to_the_one_before,
    is_jump,
    is_transfer,
    predecessors,
)
from ixp_emu.assembler.liveness import Webs, find_webs
from ixp_emu.assembler.source import Diagnostics

__all__ = ["mend_bank_conflicts"]

_MOST_ROUNDS = 8  # one is enough unless copies themselves conflict
_AMBIENT = frozenset({CONDITION_CODES, LAST_RESULT, LAST_LEFT})
_PER_CONTEXT = 32  # registers still have names, not numbers


@dataclass(slots=True)
class _Copy:
    """A copy before ``gap`` of what ``name`` holds, for the operands ``uses`` (node, role)."""

    gap: int
    name: str
    keeps_flags: bool
    uses: list[tuple[int, str]] = field(default_factory=list)


def mend_bank_conflicts(
    code: Sequence[CodeWord], wanted: Mapping[str, Wanted]
) -> tuple[list[CodeWord], dict[str, Wanted], list[int]]:
    """Adds copies until the banks of all pairs of sources can be chosen, or no place is left for a copy.

    A program with raw words stays as it is: what addresses they hold is not known.

    Parameters:
        wanted: general register -> what the program asks of it.

    Returns:
        words, ``wanted`` with the copies, and the new address of every old word (and of the end).
    """
    result, registers = list(code), dict(wanted)
    addresses = list(range(len(code) + 1))
    if any(word.raw is not None for word in code):
        return result, registers, addresses
    for _ in range(_MOST_ROUNDS):
        copies = _Mender(result, registers).copies()
        if not copies:
            break
        inserted: dict[int, list[CodeWord]] = {}
        for copy in copies:
            name = f"copy{len(registers)}__"
            registers[name] = Wanted(shown=f"copy of {registers[copy.name].shown}")
            kind = isa.RegisterKind.ABSOLUTE if registers[copy.name].absolute else isa.RegisterKind.GPR
            for index, role in copy.uses:
                operands = {**result[index].instruction.operands, role: isa.Register(isa.RegisterKind.GPR, name=name)}
                result[index] = replace(
                    result[index], instruction=replace(result[index].instruction, operands=operands)
                )
            move = _move(name, isa.Register(kind, name=copy.name), keeps_flags=copy.keeps_flags)
            inserted.setdefault(copy.gap, []).append(CodeWord(move, result[copy.uses[0][0]].place))
        result, moved = insert_words(result, inserted)
        addresses = [moved[address] for address in addresses]
    return result, registers, addresses


def _move(target: str, source: isa.Register, *, keeps_flags: bool) -> isa.Instruction:
    to = isa.Argument(target, isa.Register(isa.RegisterKind.GPR, name=target))
    value = isa.Argument(source.name or "", source)
    if keeps_flags:
        return isa.bind("ld_field_w_clr", [to, isa.Argument("1111", isa.Immediate(1111)), value], [])
    return isa.bind("alu", [to, isa.Argument("--", isa.NULL), isa.Argument("b"), value], [])


@dataclass(slots=True)
class _Pair:
    """Two webs that are sources of the same instructions, and the cheapest way to take them apart, if any."""

    left: int
    right: int
    uses: list[tuple[int, str, str]] = field(default_factory=list)
    copies: list[_Copy] | None = None


class _Mender:
    def __init__(self, code: Sequence[CodeWord], wanted: Mapping[str, Wanted]) -> None:
        self._wanted = wanted
        self._instructions = [word.instruction for word in code]
        self._nodes = graph_of(code, diagnostics=Diagnostics(), unchecked=True)
        self._webs = find_webs(self._nodes, everywhere={name for name, wish in wanted.items() if wish.everywhere})

    def copies(self) -> list[_Copy]:
        """Copies for all pairs that cannot be kept."""
        pairs = _pairs(self._nodes, self._webs)
        banks = self._pinned_banks()
        if all(banks.oppose(pair.left, pair.right) for pair in pairs):
            return []
        places = _Places(self._instructions, self._nodes, self._wanted)
        for pair in pairs:
            pair.copies = places.cheapest(pair, self._webs)
        # Pairs that no copy can take apart come first, then those that need many.
        pairs.sort(key=lambda pair: -len(pair.copies) if pair.copies is not None else float("-inf"))
        banks = self._pinned_banks()
        result: list[_Copy] = []
        for pair in pairs:
            if not banks.oppose(pair.left, pair.right):
                result += pair.copies or []
        return result

    def _pinned_banks(self) -> _Banks:
        banks = _Banks(len(self._webs.webs))
        for web, part in enumerate(self._webs.webs):
            bank = self._wanted[part.name].bank
            if bank is not None:
                banks.pin(web, bank)
        return banks


def _pairs(nodes: Sequence[FlowNode], webs: Webs) -> list[_Pair]:
    pairs: dict[tuple[int, int], _Pair] = {}
    for index, (node, by_role) in enumerate(zip(nodes, webs.by_role, strict=True)):
        if node.opposed is not None:
            (one, first), (other, second) = sorted((by_role[role], role) for role in node.opposed)
            pairs.setdefault((one, other), _Pair(one, other)).uses.append((index, first, second))
    return list(pairs.values())


class _Banks:
    """Which webs lie in the same bank and which in opposite ones; grows pair by pair."""

    def __init__(self, webs: int) -> None:
        self._bank_a = webs
        self._parent = list(range(webs + 1))
        self._side = [0] * (webs + 1)  # relative to the parent

    def _find(self, web: int) -> tuple[int, int]:
        side = 0
        while self._parent[web] != web:
            side ^= self._side[web]
            web = self._parent[web]
        return web, side

    def _relate(self, one: int, other: int, side: int) -> bool:
        (first, first_side), (second, second_side) = self._find(one), self._find(other)
        if first == second:
            return first_side ^ second_side == side
        self._parent[first], self._side[first] = second, first_side ^ second_side ^ side
        return True

    def oppose(self, one: int, other: int) -> bool:
        """Puts two webs in different banks; False if they must share one."""
        return self._relate(one, other, 1)

    def pin(self, web: int, bank: isa.Bank) -> None:
        """Puts a web that is in no relation yet in a bank."""
        self._relate(web, self._bank_a, int(bank is isa.Bank.B))


class _Places:
    """Where copies may stand."""

    def __init__(
        self, instructions: Sequence[isa.Instruction], nodes: Sequence[FlowNode], wanted: Mapping[str, Wanted]
    ) -> None:
        self._instructions = instructions
        self._nodes = nodes
        self._wanted = wanted
        self._before = predecessors(nodes)
        found = [effects(instruction, per_context=_PER_CONTEXT) for instruction in instructions]
        unknown = [
            is_jump(instruction) and not nodes[min(index + instruction.defer, len(nodes) - 1)].successors
            for index, instruction in enumerate(instructions)
        ]
        live = live_after(nodes, found, _AMBIENT, unknown)
        self._live_before = [
            (after - own.writes) | (own.reads & _AMBIENT) for after, own in zip(live, found, strict=True)
        ]
        self._end = first_unknown_target(instructions)
        self._closed = set(_closed(instructions))

    def cheapest(self, pair: _Pair, webs: Webs) -> list[_Copy] | None:
        """The fewest copies that take a pair apart: of its left or of its right side everywhere."""
        sides = [
            self._copies([(index, first) for index, first, _ in pair.uses], webs.webs[pair.left].name),
            self._copies([(index, second) for index, _, second in pair.uses], webs.webs[pair.right].name),
        ]
        return min((side for side in sides if side is not None), key=len, default=None)

    def _copies(self, uses: Sequence[tuple[int, str]], name: str) -> list[_Copy] | None:
        copies: list[_Copy] = []
        for index, role in uses:
            node = self._nodes[index]
            if role not in dict(node.uses) or role in dict(node.definitions):
                return None  # the operand is (also) written
            if copies and self._still_holds(name, copies[-1].uses[-1][0], index):
                copies[-1].uses.append((index, role))
                continue
            copy = self._place(name, index)
            if copy is None:
                return None
            copy.uses.append((index, role))
            copies.append(copy)
        return copies

    def _follows(self, index: int) -> bool:
        """Whether a node is reached from the one in front of it only, without a swap between."""
        return index < self._end and self._before[index] == [index - 1] and not self._nodes[index - 1].swaps

    def _writes(self, index: int, name: str) -> bool:
        return any(name == written for _, written in self._nodes[index].definitions)

    def _still_holds(self, name: str, first: int, index: int) -> bool:
        """Whether what a name holds before one node it still holds before a later one, however that is reached."""
        return first < index and all(
            self._follows(one + 1) and not self._writes(one, name) and name not in self._nodes[one + 1].initialises
            for one in range(first, index)
        )

    def _place(self, name: str, index: int) -> _Copy | None:
        """The nearest place before a node."""
        gap = index
        while True:
            live = self._live_before[gap]
            keeps_flags = CONDITION_CODES in live or LAST_LEFT in live
            possible = gap not in self._closed and LAST_RESULT not in live
            # ld_field knows no absolute registers.
            if possible and not (keeps_flags and self._wanted[name].absolute):
                return _Copy(gap, name, keeps_flags)
            if name in self._nodes[gap].initialises or gap == 0 or not self._follows(gap):
                return None
            gap -= 1
            if self._writes(gap, name):
                return None


def _closed(instructions: Sequence[isa.Instruction]) -> Iterator[int]:
    """Nodes directly before which nothing may be put."""
    yield from range(first_unknown_target(instructions), len(instructions))
    for index, instruction in enumerate(instructions):
        if is_bound_to_the_one_before(instruction):
            yield index
        if instruction.operation.name == "local_csr_rd":
            yield index + 1
        if is_transfer(instruction):
            yield from range(index + 1, index + instruction.defer + 1)
        if is_jump(instruction) and instruction.targets:
            table = [label.address for label in instruction.targets if label.address is not None]
            base = instruction.operands.get("base")
            if isinstance(base, isa.Label) and base.address is not None and (base.name is not None or base.address):
                yield from range(min(base.address, *table), max(base.address, *table))
