"""Webs and their live ranges over the flow graph.

A web is a set of definitions and uses of one name that must share a register: each use belongs with every definition
that may reach it. Sets of definitions and of webs are Python integers, one bit per member.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field

from ixp_emu.assembler.flow import FlowNode
from ixp_emu.assembler.source import Place

__all__ = ["Web", "Webs", "find_webs"]


@dataclass(slots=True)
class Web:
    """One part of a name's life: its name, the node where it first appears and that node's place."""

    name: str
    first: int
    place: Place


@dataclass(slots=True)
class Webs:
    """The webs of a program.

    Attributes:
        webs: all webs, in order of first appearance.
        by_role: per node, web of each role.
        interference: per web, the webs that need another register.
        live_sets: per node, webs that hold registers right after it (what it writes included).
        uninitialised: first use of each name that may come before any definition: place, name, and whether no
            definition reaches it at all.
    """

    webs: list[Web] = field(default_factory=list)
    by_role: list[dict[str, int]] = field(default_factory=list)
    interference: list[int] = field(default_factory=list)
    live_sets: list[int] = field(default_factory=list)
    uninitialised: list[tuple[Place, str, bool]] = field(default_factory=list)


class _Definitions:
    """Numbers the definitions of a program, one bit each, and joins those that share a use."""

    def __init__(self, nodes: Sequence[FlowNode]) -> None:
        self.of_node: list[list[int]] = []
        self.names: list[str] = []
        self.all_of: dict[str, int] = {}
        self.hints: list[dict[str, int]] = []
        self.entry: dict[str, int] = {}
        for node in nodes:
            for name in sorted({name for _, name in node.uses + node.definitions} | node.initialises | node.keeps):
                if name not in self.entry:
                    self.entry[name] = self._new(name)
        self.entry_mask = (1 << len(self.names)) - 1
        for node in nodes:
            self.hints.append({name: self._new(name) for name in sorted(node.initialises)})
            self.of_node.append([self._new(name) for _, name in node.definitions])
        self._parent = list(range(len(self.names)))
        self.numbers: dict[int, int] = {}  # root -> web, once webs are numbered

    def _new(self, name: str) -> int:
        self.names.append(name)
        number = len(self.names) - 1
        self.all_of[name] = self.all_of.get(name, 0) | 1 << number
        return number

    def root(self, definition: int) -> int:
        while self._parent[definition] != definition:
            self._parent[definition] = self._parent[self._parent[definition]]
            definition = self._parent[definition]
        return definition

    def join(self, mask: int) -> int:
        """Makes the definitions of ``mask`` one web; returns its root."""
        low = mask & -mask
        first = self.root(low.bit_length() - 1)
        mask ^= low
        while mask:
            low = mask & -mask
            self._parent[self.root(low.bit_length() - 1)] = first
            mask ^= low
        return first


def find_webs(nodes: Sequence[FlowNode], *, everywhere: Set[str]) -> Webs:
    """Splits every name into webs and finds which webs are live together.

    Parameters:
        nodes: the program; node 0 is where contexts start.
        everywhere: names that are one web, live in the whole program.
    """
    definitions = _Definitions(nodes)
    blocks = _blocks(nodes)
    reaching = _reaching(nodes, blocks, definitions)
    result = Webs()
    use_roots: list[dict[str, int]] = []
    keep_roots: list[list[int]] = []
    reported: set[str] = set()
    for block, incoming in zip(blocks, reaching, strict=True):
        current = incoming
        for index in block:
            node = nodes[index]
            for name, number in definitions.hints[index].items():
                current = current & ~definitions.all_of[name] | 1 << number
            roots: dict[str, int] = {}
            for role, name in node.uses:
                mask = current & definitions.all_of[name]
                if mask & definitions.entry_mask and name not in everywhere and name not in reported:
                    reported.add(name)
                    result.uninitialised.append((node.place, name, not mask & ~definitions.entry_mask))
                # Code that nothing reaches has no definitions; it still needs a register.
                roots[role] = definitions.join(mask or 1 << definitions.entry[name])
            kept = [
                definitions.join(current & definitions.all_of[name] or 1 << definitions.entry[name])
                for name in sorted(node.keeps)
            ]
            use_roots.append(roots)
            keep_roots.append(kept)
            for (role, name), number in zip(node.definitions, definitions.of_node[index], strict=True):
                if role in roots:
                    definitions.join(1 << roots[role] | 1 << number)
                current = current & ~definitions.all_of[name] | 1 << number
    for name in everywhere:
        if name in definitions.all_of:
            definitions.join(definitions.all_of[name])
    _number_webs(nodes, definitions, use_roots, keep_roots, result)
    _interference(nodes, blocks, definitions, keep_roots, everywhere, result)
    return result


def _blocks(nodes: Sequence[FlowNode]) -> list[range]:
    """Basic blocks, in program order."""
    starts = {0} if nodes else set()
    for index, node in enumerate(nodes):
        if node.successors != [index + 1]:
            starts.update(node.successors)
            if index + 1 < len(nodes):
                starts.add(index + 1)
    bounds = [*sorted(starts), len(nodes)]
    return [range(begin, end) for begin, end in itertools.pairwise(bounds)]


def _reaching(nodes: Sequence[FlowNode], blocks: Sequence[range], definitions: _Definitions) -> list[int]:
    """Definitions that may reach the start of each block."""
    block_of = {block.start: number for number, block in enumerate(blocks)}
    generated: list[int] = []
    killed: list[int] = []
    for block in blocks:
        gen = kill = 0
        for index in block:
            for name, number in definitions.hints[index].items():
                gen, kill = gen & ~definitions.all_of[name] | 1 << number, kill | definitions.all_of[name]
            for (_, name), number in zip(nodes[index].definitions, definitions.of_node[index], strict=True):
                gen, kill = gen & ~definitions.all_of[name] | 1 << number, kill | definitions.all_of[name]
        generated.append(gen)
        killed.append(kill)
    incoming = [0] * len(blocks)
    if blocks:
        incoming[0] = definitions.entry_mask
    work = list(range(len(blocks)))
    while work:
        number = work.pop()
        outgoing = incoming[number] & ~killed[number] | generated[number]
        for target in nodes[blocks[number][-1]].successors:
            successor = block_of[target]
            if outgoing & ~incoming[successor]:
                incoming[successor] |= outgoing
                work.append(successor)
    return incoming


def _number_webs(
    nodes: Sequence[FlowNode],
    definitions: _Definitions,
    use_roots: Sequence[dict[str, int]],
    keep_roots: Sequence[list[int]],
    result: Webs,
) -> None:
    numbers = definitions.numbers

    def web(definition: int, index: int) -> int:
        root = definitions.root(definition)
        if root not in numbers:
            numbers[root] = len(result.webs)
            result.webs.append(Web(definitions.names[root], index, nodes[index].place))
        return numbers[root]

    for index, node in enumerate(nodes):
        by_role = {role: web(root, index) for role, root in use_roots[index].items()}
        keep_roots[index][:] = [web(root, index) for root in keep_roots[index]]
        for (role, _), number in zip(node.definitions, definitions.of_node[index], strict=True):
            by_role[role] = web(number, index)
        for number in definitions.hints[index].values():
            web(number, index)
        result.by_role.append(by_role)


def _interference(
    nodes: Sequence[FlowNode],
    blocks: Sequence[range],
    definitions: _Definitions,
    keep_roots: Sequence[list[int]],
    everywhere: Set[str],
    result: Webs,
) -> None:
    uses: list[int] = []
    writes: list[int] = []
    hinted: list[int] = []
    numbers = definitions.numbers
    for index, node in enumerate(nodes):
        by_role = result.by_role[index]
        uses.append(_mask(by_role[role] for role, _ in node.uses) | _mask(keep_roots[index]))
        writes.append(_mask(by_role[role] for role, _ in node.definitions))
        hinted.append(_mask(numbers[definitions.root(n)] for n in definitions.hints[index].values()))
    live_in = [0] * len(blocks)
    block_of = {block.start: number for number, block in enumerate(blocks)}
    changed = True
    while changed:
        changed = False
        for number in reversed(range(len(blocks))):
            live = _live_out(nodes[blocks[number][-1]], block_of, live_in)
            for index in reversed(blocks[number]):
                live = (live & ~writes[index] | uses[index]) & ~hinted[index]
            if live != live_in[number]:
                live_in[number] = live
                changed = True
    interference = [0] * len(result.webs)
    result.live_sets = [0] * len(nodes)
    permanent = _mask(number for number, web in enumerate(result.webs) if web.name in everywhere)
    for block in blocks:
        live = _live_out(nodes[block[-1]], block_of, live_in)
        for index in reversed(block):
            result.live_sets[index] = live | writes[index] | permanent
            for web in _members(writes[index]):
                interference[web] |= live | writes[index]
            live = live & ~writes[index] | uses[index]
            for web in _members(hinted[index]):
                interference[web] |= live | hinted[index]
            live &= ~hinted[index]
    # What is live when a context starts was set by nobody here, but must not be mixed up.
    if blocks:
        for web in _members(live_in[0]):
            interference[web] |= live_in[0]
    everything = (1 << len(result.webs)) - 1
    for web in _members(permanent):
        interference[web] = everything
    for web in range(len(interference)):
        for other in _members(interference[web]):
            interference[other] |= 1 << web
    result.interference = [mask & ~(1 << web) for web, mask in enumerate(interference)]


def _live_out(node: FlowNode, block_of: dict[int, int], live_in: Sequence[int]) -> int:
    live = 0
    for target in node.successors:
        live |= live_in[block_of[target]]
    return live


def _mask(members: Iterable[int]) -> int:
    mask = 0
    for member in members:
        mask |= 1 << member
    return mask


def _members(mask: int) -> list[int]:
    members = []
    while mask:
        low = mask & -mask
        members.append(low.bit_length() - 1)
        mask ^= low
    return members
