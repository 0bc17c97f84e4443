"""The words of a program between binding and encoding, as the passes over them see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ixp_emu import isa
from ixp_emu.assembler.flow import FlowNode, flow_graph, loaded_addresses
from ixp_emu.assembler.program import Reference
from ixp_emu.assembler.source import Diagnostics, Place
from ixp_emu.isa.operands import Label, Operand

__all__ = ["CodeWord", "graph_of", "insert_words"]


@dataclass(frozen=True, slots=True)
class CodeWord:
    """One word; labels in it hold addresses.

    Attributes:
        instruction: what it does; of a raw word what it decodes to, or ``nop``.
        place: source line.
        structure: the data structure its command refers to.
        raw: the word itself, for ``.word``.
        sets, uses: general registers that liveness hints before it name.
        reference: the value that is missing in it until the program is linked.
    """

    instruction: isa.Instruction
    place: Place
    structure: str | None = None
    raw: int | None = None
    sets: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
    reference: Reference | None = None


def graph_of(code: Sequence[CodeWord], *, diagnostics: Diagnostics, unchecked: bool = False) -> list[FlowNode]:
    """The flow graph of the words, with their hints."""
    instructions = [word.instruction for word in code]
    nodes = flow_graph(
        instructions,
        [word.place for word in code],
        taken_addresses=loaded_addresses(instructions),
        diagnostics=diagnostics,
        unchecked=unchecked,
    )
    for node, word in zip(nodes, code, strict=True):
        node.initialises, node.keeps = word.sets, word.uses
    return nodes


def insert_words(
    code: Sequence[CodeWord], inserted: Mapping[int, Sequence[CodeWord]]
) -> tuple[list[CodeWord], list[int]]:
    """Puts words before others; what led to an address then leads to the words put before it.

    Returns:
        the new words, and the new address of every old one (and of the end).
    """
    addresses: list[int] = []
    added = 0
    for index in range(len(code) + 1):
        addresses.append(index + added)
        added += len(inserted.get(index, ()))
    result: list[CodeWord] = []
    for index, word in enumerate(code):
        new = [*inserted.get(index, ()), replace(word, instruction=_relocated(word.instruction, addresses))]
        if len(new) > 1:  # hints stay in front
            new[0] = replace(new[0], sets=word.sets, uses=word.uses)
            new[-1] = replace(new[-1], sets=frozenset(), uses=frozenset())
        result += new
    return result, addresses


def _relocated(instruction: isa.Instruction, addresses: Sequence[int]) -> isa.Instruction:
    def moved(operand: Operand) -> Operand:
        if not isinstance(operand, Label) or operand.address is None or operand.address >= len(addresses):
            return operand
        return replace(operand, address=addresses[operand.address])

    operands = {role: moved(operand) for role, operand in instruction.operands.items()}
    targets = tuple(label for label in map(moved, instruction.targets) if isinstance(label, Label))
    return replace(instruction, operands=operands, targets=targets)
