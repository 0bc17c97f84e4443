"""Rules between neighbouring instructions that the hardware does not enforce. Source: isa.md, end of section 2.4.

What can only be a mistake is an error; what changes the meaning in a way a program might want is a warning. Rules look
backwards along program order up to the nearest label, because other ways in are not seen.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from ixp_emu import isa
from ixp_emu.assembler.source import Diagnostics, Place

__all__ = ["check_neighbours"]

_INDEX_OF_CSR = {
    isa.LOCAL_CSRS[name].address: kinds
    for name, kinds in {
        "ACTIVE_LM_ADDR_0": (isa.RegisterKind.LOCAL_MEMORY_0,),
        "ACTIVE_LM_ADDR_1": (isa.RegisterKind.LOCAL_MEMORY_1,),
        "ACTIVE_LM_ADDR_0_BYTE_INDEX": (isa.RegisterKind.LOCAL_MEMORY_0,),
        "ACTIVE_LM_ADDR_1_BYTE_INDEX": (isa.RegisterKind.LOCAL_MEMORY_1,),
        "T_INDEX": (isa.RegisterKind.SRAM_INDEX, isa.RegisterKind.DRAM_INDEX),
        "T_INDEX_BYTE_INDEX": (isa.RegisterKind.SRAM_INDEX, isa.RegisterKind.DRAM_INDEX),
    }.items()
}
_WRITE_SPACING = {csr.address: csr.write_spacing for csr in isa.LOCAL_CSRS.values()}
# Operations whose left operand an indirect shift can take its amount from.
_SHIFT_SOURCES = frozenset({"b", "not_b", "and", "and_not", "xor", "or"})
_CRC_TO_CRC = 1
_CRC_TO_REMAINDER = 5


def check_neighbours(
    instructions: Sequence[isa.Instruction | None],
    places: Sequence[Place],
    *,
    labelled: Set[int],
    diagnostics: Diagnostics,
    unchecked: bool,
) -> None:
    """Reports breaches to ``diagnostics``.

    Parameters:
        instructions: the program; None for words without a known meaning, about which nothing is said.
        labelled: addresses that carry a label.
        unchecked: errors become warnings.
    """
    swap_shadow_end = -1
    for index, instruction in enumerate(instructions):
        if instruction is None:
            continue
        place = places[index]
        name = instruction.operation.name
        before = _before(instructions, index, labelled)
        previous = before[0] if before else None

        def mistake(message: str, place: Place = place) -> None:
            diagnostics.report(place, message, error=not unchecked)

        if instruction.indirect_ref and (previous is None or not _is_alu(previous)):
            mistake("indirect_ref: the instruction before must be an ALU instruction, its result is the modifier")
        if instruction.shift is not None and instruction.shift.indirect and not _gives_shift_amount(previous):
            diagnostics.warn(
                place, "indirect shift: the amount is the left operand of the instruction before, which has none"
            )
        if name == "local_csr_rd":
            following = instructions[index + 1] if index + 1 < len(instructions) else None
            if following is None or following.operation.name != "immed" or following.operands["dst"] == isa.NULL:
                mistake("local_csr_rd: the next instruction must be immed[dst, 0], which receives the value")
        in_swap_shadow = index <= swap_shadow_end
        if in_swap_shadow and (name.startswith("local_csr") or instruction.lm_addr is not None):
            mistake(f"{instruction.operation.mnemonic} in the defer shadow of a context swap")
        if instruction.signal_action == "ctx_swap" or name.startswith("ctx_arb"):
            swap_shadow_end = index + instruction.defer
        _check_distances(instruction, before, place, diagnostics)


def _before(
    instructions: Sequence[isa.Instruction | None], index: int, labelled: Set[int]
) -> list[isa.Instruction | None]:
    """The instructions before one, nearest first, as far as the rules look; a label ends them."""
    found: list[isa.Instruction | None] = []
    while index > 0 and index not in labelled and len(found) < _CRC_TO_REMAINDER:
        index -= 1
        found.append(instructions[index])
    return found


def _is_alu(instruction: isa.Instruction) -> bool:
    return instruction.operation.name.startswith(("alu.", "alu_shf.")) or instruction.operation.name in (
        "asr",
        "dbl_shf",
        "ld_field",
        "ld_field_w_clr",
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


def _check_distances(
    instruction: isa.Instruction, before: Sequence[isa.Instruction | None], place: Place, diagnostics: Diagnostics
) -> None:
    name = instruction.operation.name
    used = {operand.kind for operand in instruction.operands.values() if isinstance(operand, isa.Register)}
    for distance, earlier in enumerate(before):
        if earlier is None:
            continue
        if earlier.operation.name == "local_csr_wr" and used & set(_INDEX_OF_CSR.get(earlier.csr, ())):
            csr = next(csr for csr in isa.LOCAL_CSRS.values() if csr.address == earlier.csr)
            if distance < csr.effect_latency:
                diagnostics.warn(
                    place,
                    f"{csr.name} was written {distance} instructions before: {csr.effect_latency} must stand between, "
                    "the old index is used",
                )
        if earlier.operation.name == name == "local_csr_wr":
            spacing = _WRITE_SPACING[earlier.csr] and _WRITE_SPACING[instruction.csr]
            if distance < spacing:
                diagnostics.warn(place, f"{spacing} instruction must stand between two writes of signal CSRs")
        if earlier.operation.name.startswith("crc_"):
            if name.startswith("crc_") and distance < _CRC_TO_CRC:
                diagnostics.warn(place, f"{_CRC_TO_CRC} instruction must stand between two crc instructions")
            reads_remainder = name == "local_csr_rd" and instruction.csr == isa.LOCAL_CSRS["CRC_REMAINDER"].address
            if reads_remainder and distance < _CRC_TO_REMAINDER:
                diagnostics.warn(
                    place,
                    f"CRC_REMAINDER is read {distance} instructions after crc: {_CRC_TO_REMAINDER} must stand between",
                )
