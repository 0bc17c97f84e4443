"""Rules between instructions that the hardware does not enforce. Source: isa.md, end of section 2.4.

What can only be a mistake is an error; what a program may mean, because the hardware does something definite, is a
warning. Rules hold over all paths: an instruction is checked against everything that may run before it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ixp_emu import isa
from ixp_emu.assembler.flow import FlowNode, is_swap, predecessors
from ixp_emu.assembler.hidden_state import lost_state, multiply_order
from ixp_emu.assembler.source import Diagnostics
from ixp_emu.assembler.spacing import too_close

__all__ = ["check_rules"]

# Operations whose left operand an indirect shift can take its amount from.
_SHIFT_SOURCES = frozenset({"b", "not_b", "and", "and_not", "xor", "or"})
_POP_COUNT_AFTER = {"pop_count2": "pop_count1", "pop_count3": "pop_count2"}


def check_rules(
    instructions: Sequence[isa.Instruction],
    nodes: Sequence[FlowNode],
    *,
    silent: frozenset[int] = frozenset(),
    diagnostics: Diagnostics,
    unchecked: bool,
) -> None:
    """Reports breaches to ``diagnostics``.

    Parameters:
        silent: indices of raw words, about which nothing is said.
        unchecked: errors become warnings.
    """
    found = _neighbours(instructions, nodes)
    found += [(index, text, True) for index, text in multiply_order(instructions, nodes)]
    found += [(index, text, False) for index, text in too_close(instructions, nodes)]
    found += [(index, text, False) for index, text in lost_state(instructions, nodes)]
    for index, text, error in sorted(found, key=lambda breach: breach[0]):
        if index not in silent:
            diagnostics.report(nodes[index].place, text, error=error and not unchecked)


_Breach = tuple[int, str, bool]
"""Index, message, and whether it is an error."""


def _neighbours(instructions: Sequence[isa.Instruction], nodes: Sequence[FlowNode]) -> list[_Breach]:
    """Rules about the instruction that runs directly before or after another."""
    found: list[_Breach] = []
    before = predecessors(nodes)
    swap_shadow_end = -1
    for index, instruction in enumerate(instructions):
        name = instruction.operation.name
        # Of code that nothing is known to reach, program order is the best guess.
        earlier = before[index] or ([index - 1] if index else [])
        # None: nothing definite, the start of the program or another context.
        previous = [None if nodes[position].swaps else instructions[position] for position in earlier]
        if index == 0:
            previous.append(None)
        if instruction.indirect_ref and not all(_is_alu(one) for one in previous):
            message = "indirect_ref: the instruction before must be an ALU instruction, its result is the modifier"
            found.append((index, message, True))
        indirect = instruction.shift is not None and instruction.shift.indirect
        if indirect and not all(_gives_shift_amount(one) for one in previous):
            message = "indirect shift: the amount is the left operand of the instruction before, which has none"
            found.append((index, message, False))
        if name == "asr" and not all(_computes_from(one, instruction.operands["source"]) for one in previous):
            message = "asr: the sign is that of the result before, which has nothing to do with the source"
            found.append((index, message, False))
        if name in _POP_COUNT_AFTER and not all(_continues_count(one, instruction) for one in previous):
            message = f"{name}: the instruction before must be {_POP_COUNT_AFTER[name]} of the same source"
            found.append((index, message, True))
        if name == "local_csr_rd" and not _is_received(instructions, nodes, index):
            message = "local_csr_rd: the next instruction must be immed[dst, 0], which receives the value"
            found.append((index, message, True))
        if index <= swap_shadow_end and (name.startswith("local_csr") or instruction.lm_addr is not None):
            message = f"{instruction.operation.mnemonic} in the defer shadow of a context swap"
            found.append((index, message, True))
        if is_swap(instruction):
            swap_shadow_end = index + instruction.defer
    return found


def _is_alu(instruction: isa.Instruction | None) -> bool:
    return instruction is not None and (
        instruction.operation.name.startswith(("alu.", "alu_shf."))
        or instruction.operation.name in ("asr", "dbl_shf", "ld_field", "ld_field_w_clr")
    )


def _gives_shift_amount(instruction: isa.Instruction | None) -> bool:
    if instruction is None:
        return False
    family, _, operator = instruction.operation.name.partition(".")
    left = instruction.operands.get("left")
    return (
        family in ("alu", "alu_shf")
        and operator in _SHIFT_SOURCES
        and isinstance(left, isa.Register)
        and left.kind is not isa.RegisterKind.NULL
    )


def _computes_from(instruction: isa.Instruction | None, source: isa.Operand) -> bool:
    """Whether the result is one of the source, or is the source itself."""
    if instruction is None or not _is_alu(instruction) or not isinstance(source, isa.Register):
        return False
    written = [use.register for use in instruction.destinations()]
    if source.kind not in (isa.RegisterKind.GPR, isa.RegisterKind.ABSOLUTE):
        written = []  # a transfer register's halves are two
    return source in [use.register for use in instruction.sources()] + written


def _continues_count(instruction: isa.Instruction | None, step: isa.Instruction) -> bool:
    return (
        instruction is not None
        and instruction.operation.name == _POP_COUNT_AFTER[step.operation.name]
        and instruction.operands["source"] == step.operands["source"]
    )


def _is_received(instructions: Sequence[isa.Instruction], nodes: Sequence[FlowNode], index: int) -> bool:
    if nodes[index].successors != [index + 1] or nodes[index].swaps:
        return False
    following = instructions[index + 1]
    return (
        following.operation.name == "immed"
        and following.operands["dst"] != isa.NULL
        and following.operands["value"] == isa.Immediate(0)
        and not following.invert
    )
