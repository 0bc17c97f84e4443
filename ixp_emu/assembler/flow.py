"""The flow graph of a program: which instruction may follow which, and what each reads and writes.

A branch with ``defer[n]`` acts after its n shadow instructions, so its edges leave from the last of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ixp_emu.assembler.source import Diagnostics, Place
from ixp_emu.isa import CONDITIONS
from ixp_emu.isa.instruction import Instruction
from ixp_emu.isa.operands import Label, RegisterKind
from ixp_emu.isa.ports import Ports

__all__ = [
    "FlowNode",
    "first_unknown_target",
    "flow_graph",
    "is_bound_to_the_one_before",
    "is_jump",
    "is_swap",
    "is_transfer",
    "loaded_addresses",
    "predecessors",
    "reads_flags_early",
    "shadow_slots",
]

_ALLOCATED_KINDS = (RegisterKind.GPR, RegisterKind.ABSOLUTE)


@dataclass(slots=True)
class FlowNode:
    """One step of the program, in program order.

    Attributes:
        place: source line.
        uses: (role, register name) read.
        definitions: (role, register name) written; a role that is also in ``uses`` must be one register in both.
        opposed: roles of the two registers in the ports, which must lie in different banks, if any.
        successors: indices of the nodes that may run next.
        aborted: per successor, the slots of a shadow thrown away on the way to it.
        swaps: the context sleeps between this node and its successors.
        initialises: names a ``.set`` before this node declares to hold a value already.
        keeps: names a ``.use`` before this node keeps alive up to here.
    """

    place: Place
    uses: list[tuple[str, str]] = field(default_factory=list)
    definitions: list[tuple[str, str]] = field(default_factory=list)
    opposed: tuple[str, str] | None = None
    successors: list[int] = field(default_factory=list)
    aborted: list[int] = field(default_factory=list)
    swaps: bool = False
    initialises: frozenset[str] = frozenset()
    keeps: frozenset[str] = frozenset()


def is_swap(instruction: Instruction) -> bool:
    """Whether the context gives up the microengine."""
    return instruction.signal_action == "ctx_swap" or instruction.operation.name.startswith("ctx_arb")


def is_transfer(instruction: Instruction) -> bool:
    """Whether something else than the next instruction may run next: a branch, a jump or a swap."""
    return instruction.target is not None or is_jump(instruction) or is_swap(instruction)


def reads_flags_early(instruction: Instruction) -> bool:
    """Whether this is a branch on condition codes that were ready one instruction before it (``stage[0]``)."""
    return instruction.stage == 0 and instruction.operation.name.removeprefix("br.") in CONDITIONS


def shadow_slots(instruction: Instruction) -> int:
    """Slots behind a branch that is taken, or behind a swap; deferred ones included. Source: isa.md 2.4."""
    return instruction.operation.shadow - reads_flags_early(instruction)


def loaded_addresses(instructions: Iterable[Instruction]) -> list[int]:
    """Addresses of the labels that the program uses as values: where ``jump`` and ``rtn`` may go."""
    return [
        operand.address
        for instruction in instructions
        for role, operand in instruction.operands.items()
        if isinstance(operand, Label) and role != "target" and operand.name and operand.address is not None
    ]


def is_bound_to_the_one_before(instruction: Instruction) -> bool:
    """Whether the instruction takes something from the one directly before it."""
    name = instruction.operation.name
    indirect_shift = instruction.shift is not None and instruction.shift.indirect
    return (
        instruction.indirect_ref
        or indirect_shift
        or name in ("asr", "cap.fast_wr_alu", "pop_count2", "pop_count3")
        or reads_flags_early(instruction)
    )


def first_unknown_target(instructions: Sequence[Instruction]) -> int:
    """Where the first table begins into which a jump without ``targets[]`` goes; behind it nothing may move.

    The end of the program if there is none; ``rtn`` needs no table, it goes where a label was loaded.
    """
    bases = [
        base.address
        for instruction in instructions
        if is_jump(instruction) and not instruction.targets
        for base in (instruction.operands.get("base"),)
        if isinstance(base, Label) and base.address is not None and (base.name is not None or base.address)
    ]
    return min(bases, default=len(instructions))


def predecessors(nodes: Sequence[FlowNode]) -> list[list[int]]:
    """Per node, the nodes it may follow."""
    found: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes):
        for target in node.successors:
            found[target].append(index)
    return found


def is_jump(instruction: Instruction) -> bool:
    """Whether the target is known only at run time."""
    return instruction.operation.name == "jump"


def ends_flow(instruction: Instruction) -> bool:
    """Whether the instruction behind (after the shadow) is not reached by falling through."""
    name = instruction.operation.name
    if name.startswith("ctx_arb"):
        return instruction.target is not None or name in ("ctx_arb.kill", "ctx_arb.bpt")
    return is_jump(instruction) or name == "br.always"


def flow_graph(
    instructions: Sequence[Instruction],
    places: Sequence[Place],
    *,
    taken_addresses: Iterable[int],
    diagnostics: Diagnostics,
    unchecked: bool = False,
) -> list[FlowNode]:
    """One node per instruction; labels must hold addresses.

    Parameters:
        taken_addresses: where ``jump`` and ``rtn`` without listed targets may go.
        diagnostics: receives shadows that pass the end and branches inside shadows.
        unchecked: these are warnings, not errors.
    """
    anywhere = sorted(set(taken_addresses))
    nodes = [_node(instruction, place) for instruction, place in zip(instructions, places, strict=True)]
    count = len(nodes)
    falls_through = [True] * count
    leaves: list[list[int]] = [[] for _ in nodes]
    aborted = [0] * count
    entered = {item.target.address for item in instructions if item.target is not None} | set(anywhere)
    entered |= {label.address for item in instructions for label in item.targets}
    shadow_of: int | None = None
    shadow_end = -1
    for index, instruction in enumerate(instructions):
        transfers = is_transfer(instruction)
        if transfers and index <= shadow_end and shadow_of is not None:
            diagnostics.report(
                places[index],
                f"a branch or swap in the defer shadow of line {places[shadow_of].line}",
                error=not unchecked,
            )
            continue
        if not transfers:
            continue
        last = index + instruction.defer
        if instruction.defer:
            shadow_of, shadow_end = index, last
        if last >= count:
            diagnostics.report(
                places[index],
                f"defer[{instruction.defer}]: the shadow passes the end of the program",
                error=not unchecked,
            )
            continue
        aborted[last] = shadow_slots(instruction) - instruction.defer
        nodes[last].swaps = is_swap(instruction)
        if is_jump(instruction):
            if not instruction.targets and _jumps_to_table(instruction):
                diagnostics.warn(
                    places[index], "jump without targets[]: taken to reach every label whose address is loaded"
                )
            listed = [label.address for label in instruction.targets if label.address is not None]
            leaves[last] += listed or anywhere
        elif instruction.target is not None and instruction.target.address is not None:
            leaves[last].append(instruction.target.address)
        # A shadow that is also a branch target runs on when it is entered there.
        if ends_flow(instruction) and entered.isdisjoint(range(index + 1, last + 1)):
            falls_through[last] = False
    for index, node in enumerate(nodes):
        if falls_through[index] and index + 1 < count:
            node.successors.append(index + 1)
            node.aborted.append(aborted[index] if node.swaps else 0)
        for target in leaves[index]:
            if target < count and target not in node.successors:
                node.successors.append(target)
                node.aborted.append(aborted[index])
    return nodes


def _jumps_to_table(instruction: Instruction) -> bool:
    """Whether the jump is relative to a label of the program; ``rtn`` is not."""
    base = instruction.operands.get("base")
    return isinstance(base, Label) and base.name is not None


def _node(instruction: Instruction, place: Place) -> FlowNode:
    node = FlowNode(place)
    for use in instruction.sources():
        if use.register.kind in _ALLOCATED_KINDS and use.register.name is not None:
            node.uses.append((use.role, use.register.name))
    for use in instruction.destinations():
        if use.register.kind in _ALLOCATED_KINDS and use.register.name is not None:
            node.definitions.append((use.role, use.register.name))
    # A destination may sit in a port without being read: that of ld_field_w_clr.
    allocated = {role for role, _ in [*node.uses, *node.definitions]}
    ports = (part for part in instruction.operation.parts if isinstance(part, Ports))
    ported = [role for part in ports for role in part.roles if role in allocated]
    if len(ported) == 2:
        node.opposed = (ported[0], ported[1])
    return node
