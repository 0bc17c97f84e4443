"""General registers: live ranges, the bank rule and the choice of bank and number for each range.

A name is split into webs (definitions and uses connected through one another), so it may have a different register in
each part of its life. Two sources of one instruction lie in different banks: the webs they belong to form a graph that
must be two-colourable; each connected part of it may be turned either way, and is turned to where fewer registers are
live. Numbers then come from colouring the interference graph of each bank. Source: isa.md sections 1.1 and 2.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ixp_emu.assembler.flow import FlowNode
from ixp_emu.assembler.liveness import Webs, find_webs
from ixp_emu.assembler.numbering import registers_per_context
from ixp_emu.assembler.source import Diagnostics, Place, SourceError, span_text
from ixp_emu.isa.operands import Bank, Register, RegisterKind

__all__ = ["Allocation", "Wanted", "allocate"]

_MAX_FLIPS = 64


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the program asks of one name.

    Attributes:
        shown: the name in messages.
        absolute: shared by all contexts (``@``).
        everywhere: live in the whole program (``global``, ``volatile``, absolute).
        bank, number: given by ``.areg``, ``.breg`` or ``.addr``.
    """

    shown: str
    absolute: bool = False
    everywhere: bool = False
    bank: Bank | None = None
    number: int | None = None


@dataclass(slots=True)
class Allocation:
    """Registers chosen: per node by role, and per name in order of first use."""

    by_role: list[dict[str | Register, Register]] = field(default_factory=list)
    by_name: dict[str, list[Register]] = field(default_factory=dict)


def allocate(
    nodes: Sequence[FlowNode], wanted: Mapping[str, Wanted], *, contexts: int, diagnostics: Diagnostics
) -> Allocation | None:
    """Chooses a register for every use and definition; None after an error (in ``diagnostics``)."""
    webs = find_webs(nodes, everywhere={name for name, wish in wanted.items() if wish.everywhere})
    for place, name, always in webs.uninitialised:
        verb = "is" if always else "may be"
        diagnostics.warn(place, f"register '{wanted[name].shown}' {verb} used before it is set")
    allocator = _Allocator(nodes, wanted, webs, contexts)
    try:
        colours = allocator.run()
    except SourceError as error:
        diagnostics.add(error)
        return None
    result = Allocation([{} for _ in nodes])
    for index, by_role in enumerate(webs.by_role):
        for role, web in by_role.items():
            result.by_role[index][role] = colours[web]
    for part, register in zip(webs.webs, colours, strict=True):
        known = result.by_name.setdefault(part.name, [])
        if register not in known:
            known.append(register)
    return result


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class _Allocator:
    def __init__(self, nodes: Sequence[FlowNode], wanted: Mapping[str, Wanted], webs: Webs, contexts: int) -> None:
        self._nodes = nodes
        self._wanted = wanted
        self._webs = webs.webs
        self._info = webs
        self._contexts = contexts
        self._per_bank = registers_per_context(contexts)
        self._parity = [0] * len(self._webs)
        self._component = [-1] * len(self._webs)
        self._absolute = [wanted[web.name].absolute for web in self._webs]

    def run(self) -> list[Register]:
        components = self._two_colour()
        turned = self._turn(components)
        tried: set[int] = set()
        for _ in range(_MAX_FLIPS):
            banks = [
                Bank.B if self._parity[web] ^ turned[self._component[web]] else Bank.A for web in range(len(self._webs))
            ]
            colours, failed = self._colour(banks)
            if failed is None:
                return colours
            # Turning the part that failed moves its pressure to the other bank; each part is tried once.
            candidates = [failed, *sorted(_bits(self._info.interference[failed]), key=self._reach, reverse=True)]
            movable = [
                web
                for web in candidates
                if banks[web] is banks[failed]
                and self._component[web] not in tried
                and not self._is_pinned(components[self._component[web]])
            ]
            if not movable:
                break
            component = self._component[movable[0]]
            tried.add(component)
            turned[component] ^= 1
        raise self._too_many(failed, banks)

    def _reach(self, web: int) -> int:
        return self._info.interference[web].bit_count()

    # -- banks ---------------------------------------------------------------------------------------------------

    def _two_colour(self) -> list[list[int]]:
        """Connected parts of the bank graph; sets each web's side of its part. Raises on an odd cycle."""
        edges: dict[int, dict[int, Place]] = {}
        for node, by_role in zip(self._nodes, self._info.by_role, strict=True):
            if node.opposed is None:
                continue
            left, right = by_role[node.opposed[0]], by_role[node.opposed[1]]
            if left == right:
                name = self._shown(left)
                raise SourceError(
                    node.place, f"register '{name}' cannot be both sources: they come from different banks"
                )
            edges.setdefault(left, {}).setdefault(right, node.place)
            edges.setdefault(right, {}).setdefault(left, node.place)
        components: list[list[int]] = []
        for root in range(len(self._webs)):
            if self._component[root] >= 0:
                continue
            self._component[root] = len(components)
            members = [root]
            parent = {root: root}
            for web in members:
                for other in edges.get(web, {}):
                    if other not in parent:
                        parent[other] = web
                        self._component[other] = len(components)
                        self._parity[other] = self._parity[web] ^ 1
                        members.append(other)
                    elif self._parity[other] == self._parity[web]:
                        raise self._odd_cycle(web, other, parent, edges)
            components.append(members)
        return components

    def _odd_cycle(
        self, web: int, other: int, parent: Mapping[int, int], edges: Mapping[int, Mapping[int, Place]]
    ) -> SourceError:
        def path(start: int) -> list[int]:
            result = [start]
            while parent[result[-1]] != result[-1]:
                result.append(parent[result[-1]])
            return result

        up, down = path(web), path(other)
        while len(up) > 1 and len(down) > 1 and up[-2] == down[-2]:
            up.pop()
            down.pop()
        cycle = [*up, *reversed(down[:-1])]
        pairs = list(zip(cycle, cycle[1:] + cycle[:1], strict=True))
        place = edges[web][other].outermost()
        described = ", ".join(
            f"'{self._shown(a)}' and '{self._shown(b)}' (line {edges[a][b].outermost().line})" for a, b in pairs
        )
        return SourceError(
            edges[web][other] if place.call is None else place,
            f"bank conflict: two sources of one instruction need different banks, but {described} form an odd cycle",
        )

    def _pinned_bank(self, web: int) -> Bank | None:
        return self._wanted[self._webs[web].name].bank

    def _is_pinned(self, members: Sequence[int]) -> bool:
        return any(self._pinned_bank(web) is not None for web in members)

    def _turn(self, components: Sequence[Sequence[int]]) -> list[int]:
        """Which way round each part goes: pinned ones as they must, others to the side with less pressure."""
        live = self._live_matrix()
        pressure = np.zeros((2, live.shape[0]), dtype=np.int64)
        turned = [0] * len(components)
        weights = live.sum(axis=0)

        def order(component: int) -> tuple[bool, int]:
            members = components[component]
            return (not self._is_pinned(members), -int(weights[members].sum()))

        for component in sorted(range(len(components)), key=order):
            members = components[component]
            sides = [
                live[:, [web for web in members if self._parity[web] == side]].sum(axis=1, dtype=np.int64)
                for side in (0, 1)
            ]
            pinned = {
                self._parity[web] ^ (bank is Bank.B) for web in members if (bank := self._pinned_bank(web)) is not None
            }
            if len(pinned) > 1:
                names = ", ".join(f"'{self._shown(web)}'" for web in members if self._pinned_bank(web) is not None)
                raise SourceError(
                    self._webs[members[0]].place,
                    f"bank conflict: the banks given to {names} do not fit their common use",
                )
            if pinned:
                choice = pinned.pop()
            else:
                costs = [
                    (
                        int(
                            max(
                                (pressure[0] + sides[turn]).max(initial=0),
                                (pressure[1] + sides[turn ^ 1]).max(initial=0),
                            )
                        ),
                        int(((pressure[0] + sides[turn]) ** 2 + (pressure[1] + sides[turn ^ 1]) ** 2).sum()),
                    )
                    for turn in (0, 1)
                ]
                choice = 0 if costs[0] <= costs[1] else 1
            turned[component] = choice
            pressure[0] += sides[choice]
            pressure[1] += sides[choice ^ 1]
        return turned

    def _live_matrix(self) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
        """Rows: distinct sets of webs live together; columns: webs."""
        count = len(self._webs)
        width = -(-count // 8) or 1
        rows = sorted({live for live in self._info.live_sets if live})
        packed = b"".join(live.to_bytes(width, "little") for live in rows)
        table = np.frombuffer(packed, dtype=np.uint8).reshape(len(rows), width)
        return np.unpackbits(table, axis=1, bitorder="little")[:, :count]

    # -- numbers -------------------------------------------------------------------------------------------------

    def _colour(self, banks: Sequence[Bank]) -> tuple[list[Register], int | None]:
        """Registers for all webs, or the web that found none."""
        result: list[Register | None] = [None] * len(self._webs)
        for bank in Bank:
            members = [web for web in range(len(self._webs)) if banks[web] is bank]
            fixed = {number for web in members if (number := self._wanted[self._webs[web].name].number) is not None}
            reserved = self._number_absolute([web for web in members if self._absolute[web]], bank, fixed, result)
            failed = self._number_relative([web for web in members if not self._absolute[web]], bank, reserved, result)
            if failed is not None:
                return [], failed
        return [register for register in result if register is not None], None

    def _number_absolute(
        self, members: Sequence[int], bank: Bank, fixed: set[int], result: list[Register | None]
    ) -> set[int]:
        """Relative register 0 of successive contexts, then 1, ...; returns the relative numbers taken.

        ``fixed``: numbers the program gave itself, relative or absolute; how those overlap is its own affair.
        """
        free = (
            context * self._per_bank + slot
            for slot in range(self._per_bank)
            for context in range(self._contexts)
            if slot not in fixed and context * self._per_bank + slot not in fixed
        )
        reserved: set[int] = set()
        for web in sorted(members, key=lambda member: self._webs[member].first):
            number = self._wanted[self._webs[web].name].number
            number = next(free, None) if number is None else number
            if number is None:
                raise SourceError(self._webs[web].place, f"no absolute register left for '{self._shown(web)}'")
            reserved.add(number % self._per_bank)
            result[web] = Register(RegisterKind.ABSOLUTE, number, bank)
        return reserved

    def _number_relative(
        self, members: Sequence[int], bank: Bank, reserved: set[int], result: list[Register | None]
    ) -> int | None:
        interference = self._info.interference
        available = [number for number in range(self._per_bank) if number not in reserved]
        numbers: dict[int, int] = {}
        mask = 0
        for web in members:
            number = self._wanted[self._webs[web].name].number
            if number is not None:
                clash = [other for other in _bits(interference[web]) if numbers.get(other) == number]
                if clash:
                    names = ", ".join(f"'{self._shown(other)}'" for other in clash)
                    raise SourceError(
                        self._webs[web].place,
                        f"'{self._shown(web)}' and {names} are live together and both given {bank.value}{number}",
                    )
                numbers[web] = number
            else:
                mask |= 1 << web
        degree = {web: (interference[web] & mask).bit_count() for web in _bits(mask)}
        stack: list[int] = []
        easy = [web for web in degree if degree[web] < len(available)]
        remaining = mask
        while remaining:
            web = easy.pop() if easy else min(_bits(remaining), key=degree.__getitem__)
            if not remaining >> web & 1:
                continue
            remaining ^= 1 << web
            stack.append(web)
            for other in _bits(interference[web] & remaining):
                degree[other] -= 1
                if degree[other] == len(available) - 1:
                    easy.append(other)
        while stack:
            web = stack.pop()
            taken = {numbers[other] for other in _bits(interference[web]) if other in numbers}
            number = next((candidate for candidate in available if candidate not in taken), None)
            if number is None:
                return web
            numbers[web] = number
        for web, number in numbers.items():
            result[web] = Register(RegisterKind.GPR, number, bank)
        return None

    # -- messages ------------------------------------------------------------------------------------------------

    def _shown(self, web: int) -> str:
        return self._wanted[self._webs[web].name].shown

    def _life(self, web: int) -> str:
        """Name of a web and the lines between which it needs its register."""
        if self._wanted[self._webs[web].name].everywhere:
            return f"{self._shown(web)} (everywhere)"
        nodes = [
            index
            for index, (live, by_role) in enumerate(zip(self._info.live_sets, self._info.by_role, strict=True))
            if live >> web & 1 or web in by_role.values()
        ]
        first, last = (self._nodes[index].place.outermost() for index in (nodes[0], nodes[-1]))
        return f"{self._shown(web)} ({span_text(first, last)})"

    def _lives(self, webs: Iterable[int]) -> str:
        return ", ".join(self._life(web) for web in sorted(webs, key=lambda web: self._webs[web].first))

    def _too_many(self, failed: int | None, banks: Sequence[Bank]) -> SourceError:
        """The error for the point where most registers are live at once."""
        absolute = {bank: sum(self._absolute[web] and banks[web] is bank for web in range(len(banks))) for bank in Bank}
        # An absolute register is one context's, but its number is then taken in every context.
        slots = {bank: -(-absolute[bank] // self._contexts) for bank in Bank}
        relative = sum(1 << web for web in range(len(self._webs)) if not self._absolute[web])
        total = 2 * self._per_bank - sum(slots.values())
        point, live = self._fullest(relative)
        if live.bit_count() > total:
            available = _available(total, sum(slots.values()))
            return SourceError(
                self._nodes[point].place,
                f"{live.bit_count()} general registers are live at once, {available}: {self._lives(_bits(live))}",
            )
        assert failed is not None
        bank = banks[failed]
        in_bank = sum(1 << web for web in range(len(banks)) if banks[web] is bank)
        point, live = self._fullest(relative & in_bank)
        free = self._per_bank - slots[bank]
        if live.bit_count() > free:
            return SourceError(
                self._nodes[point].place,
                f"{live.bit_count()} general registers of bank {bank.value.upper()} are live at once, "
                f"{_available(free, slots[bank])}: {self._lives(_bits(live))}",
            )
        return SourceError(
            self._webs[failed].place,
            f"no register of bank {bank.value.upper()} is free in the whole live range of {self._life(failed)}; "
            f"live together with it: {self._lives(_bits(self._info.interference[failed] & in_bank))}",
        )

    def _fullest(self, webs: int) -> tuple[int, int]:
        """The node behind which most of the webs are live, and which those are."""
        return max(enumerate(live & webs for live in self._info.live_sets), key=lambda pair: pair[1].bit_count())


def _available(free: int, slots: int) -> str:
    return f"{free} available" + (f" beside {slots} for absolute registers" if slots else "")
