"""State without a name that one instruction leaves for a later one, and that a swap does not keep.

Condition codes, the source that byte_align remembers, and the running sum of mul_step belong to the microengine: after
a swap they are whatever the other contexts left. The walk finds, for each instruction that uses one, what may have
become of it on the paths that lead there. Source: isa.md 1.3, 1.11, 2.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ixp_emu import isa
from ixp_emu.assembler.dataflow import propagate
from ixp_emu.assembler.effects import reads_condition_codes, sets_condition_codes
from ixp_emu.assembler.flow import FlowNode

__all__ = ["lost_state", "multiply_order"]

_UNSET, _LOST, _SET = "unset", "lost", "set"
_Fates = frozenset[str]


def _fates(
    nodes: Sequence[FlowNode], instructions: Sequence[isa.Instruction], leaves: Callable[[isa.Instruction], str | None]
) -> list[_Fates]:
    """What may hold before each node; ``leaves`` names what an instruction leaves, None for no change.

    Nothing is said of code that no path is known to reach.
    """

    def after(index: int, fates: _Fates) -> _Fates:
        left = leaves(instructions[index])
        return fates if left is None else frozenset({left})

    def along(node: FlowNode, position: int, fates: _Fates) -> _Fates:
        return frozenset({_LOST}) if node.swaps and fates else fates

    return propagate(
        nodes,
        entry=frozenset({_UNSET}),
        elsewhere=frozenset(),
        after=after,
        along=along,
        merge=frozenset.union,
    )


def lost_state(instructions: Sequence[isa.Instruction], nodes: Sequence[FlowNode]) -> list[tuple[int, str]]:
    """Uses of condition codes and of byte_align's memory that were never set, or that a swap may have changed."""
    found: list[tuple[int, str]] = []
    codes = _fates(nodes, instructions, lambda instruction: _SET if sets_condition_codes(instruction) else None)
    for index, fates in enumerate(codes):
        if reads_condition_codes(instructions[index]):
            found += [(index, text) for text in _complaints("the condition codes", "are", fates)]
    previous = _fates(nodes, instructions, lambda instruction: _SET if _is_align(instruction) else None)
    for index, fates in enumerate(previous):
        if _is_align(instructions[index]) and instructions[index].operands["dst"] != isa.NULL:
            found += [(index, text) for text in _complaints("the previous source of byte_align", "is", fates)]
    return found


def _complaints(what: str, verb: str, fates: _Fates) -> list[str]:
    sure = _SET not in fates
    texts = []
    if _LOST in fates:
        texts.append(
            f"{what} {verb if sure else 'may be'} used across a context swap, which does not keep {_them(verb)}"
        )
    if _UNSET in fates:
        texts.append(f"{what} {verb if sure and _LOST not in fates else 'may be'} used before {_they(verb)} set")
    return texts


def _them(verb: str) -> str:
    return "them" if verb == "are" else "it"


def _they(verb: str) -> str:
    return "they are" if verb == "are" else "it is"


def _is_align(instruction: isa.Instruction) -> bool:
    return instruction.operation.name.startswith("byte_align")


# -- multiplication --------------------------------------------------------------------------------------------------

# The steps each step may follow; 16x16 and 32x16 share theirs.
_MULTIPLY_AFTER = {
    "24x8_step1": ("start",),
    "24x8_last": ("24x8_step1",),
    "16x16_step1": ("start",),
    "16x16_step2": ("16x16_step1",),
    "16x16_last": ("16x16_step1", "16x16_step2"),
    "16x16_last2": ("16x16_last",),
    "32x32_step1": ("start",),
    "32x32_step2": ("32x32_step1",),
    "32x32_step3": ("32x32_step2",),
    "32x32_step4": ("32x32_step3",),
    "32x32_last": ("32x32_step4",),
    "32x32_last2": ("32x32_last",),
}


def multiply_order(instructions: Sequence[isa.Instruction], nodes: Sequence[FlowNode]) -> list[tuple[int, str]]:
    """Steps of a multiplication that do not follow the step before them on every path."""
    found: list[tuple[int, str]] = []
    for index, steps in enumerate(_fates(nodes, instructions, _multiply_step)):
        step = _multiply_step(instructions[index])
        allowed = _MULTIPLY_AFTER.get(step or "")
        if allowed is None or steps <= set(allowed):
            continue
        wanted = " or ".join(allowed)
        if _LOST in steps:
            found.append((index, f"mul_step {step}: a context swap lies between it and {wanted}, the sum is lost"))
        else:
            found.append((index, f"mul_step {step}: must follow mul_step {wanted}"))
    return found


def _multiply_step(instruction: isa.Instruction) -> str | None:
    family, _, step = instruction.operation.name.partition(".")
    return step if family == "mul_step" else None
