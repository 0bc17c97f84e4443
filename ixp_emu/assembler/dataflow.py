"""Facts that flow along a program, or against it: walks over the flow graph until nothing changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ixp_emu.assembler.effects import Effects, Resource
from ixp_emu.assembler.flow import FlowNode, predecessors

__all__ = ["live_after", "propagate"]

_State = TypeVar("_State")


def propagate(
    nodes: Sequence[FlowNode],
    *,
    entry: _State,
    elsewhere: _State,
    after: Callable[[int, _State], _State],
    along: Callable[[FlowNode, int, _State], _State],
    merge: Callable[[_State, _State], _State],
) -> list[_State]:
    """What holds before each node, over all paths that lead to it.

    Parameters:
        entry: what holds where contexts start.
        elsewhere: what is assumed for code that nothing is known to reach.
        after: state behind a node from the one before it.
        along: state at the other end of an edge: node, position of the successor in its list, state behind the node.
        merge: of two paths that meet; must only grow.
    """
    states: dict[int, _State] = {0: entry} if nodes else {}
    for index, found in enumerate(predecessors(nodes)):
        if index and not found:
            states[index] = elsewhere
    work = list(states)
    while work:
        index = work.pop()
        node, state = nodes[index], after(index, states[index])
        for position, target in enumerate(node.successors):
            arriving = along(node, position, state)
            known = states.get(target)
            merged = arriving if known is None else merge(known, arriving)
            if known is None or merged != known:
                states[target] = merged
                work.append(target)
    return [states.get(index, elsewhere) for index in range(len(nodes))]


def live_after(
    nodes: Sequence[FlowNode], effects: Sequence[Effects], resources: frozenset[Resource], leaves: Sequence[bool]
) -> list[frozenset[Resource]]:
    """Which of the resources something may read after each node before anything writes them.

    Parameters:
        leaves: nodes from which a jump goes somewhere unknown: everything counts as read there.
    """
    before = predecessors(nodes)
    live_in = [frozenset[Resource]() for _ in nodes]
    result = [resources if leaf else frozenset[Resource]() for leaf in leaves]
    work = list(range(len(nodes)))
    while work:
        index = work.pop()
        result[index] = result[index].union(*(live_in[target] for target in nodes[index].successors))
        live = (result[index] - effects[index].writes) | (effects[index].reads & resources)
        if live != live_in[index]:
            live_in[index] = live
            work += before[index]
    return result
