"""What an instruction reads and changes beyond what stands in its operands. Source: isa.md 2.4, hardware-model.md 2.

A *resource* is anything an instruction may leave for a later one: a register, the condition codes, the last result, a
unit's hidden state. Two instructions may change places if neither writes what the other reads or writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ixp_emu import isa

__all__ = [
    "CONDITION_CODES",
    "INDEX_CSRS",
    "LAST_LEFT",
    "LAST_RESULT",
    "Effects",
    "Resource",
    "effects",
    "index_registers",
    "is_command",
    "reads_condition_codes",
    "sets_condition_codes",
    "written_index_registers",
]

Resource = tuple[object, ...]

CONDITION_CODES: Resource = ("condition codes",)
LAST_RESULT: Resource = ("last result",)
LAST_LEFT: Resource = ("last left operand",)
_COMMANDS: Resource = ("order of commands",)
_LOCAL_MEMORY: Resource = ("local memory",)
_CAM: Resource = ("CAM",)
_CRC: Resource = ("CRC remainder",)
_ALIGN: Resource = ("byte_align's previous source",)
_PRODUCT: Resource = ("mul_step's sum",)

INDEX_CSRS = {
    "ACTIVE_LM_ADDR_0": ("LM_ADDR_0",),
    "ACTIVE_LM_ADDR_1": ("LM_ADDR_1",),
    "ACTIVE_LM_ADDR_0_BYTE_INDEX": ("LM_ADDR_0", "BYTE_INDEX"),
    "ACTIVE_LM_ADDR_1_BYTE_INDEX": ("LM_ADDR_1", "BYTE_INDEX"),
    "T_INDEX": ("T_INDEX",),
    "T_INDEX_BYTE_INDEX": ("T_INDEX", "BYTE_INDEX"),
    "BYTE_INDEX": ("BYTE_INDEX",),
    "NN_GET": ("NN_GET",),
    "NN_PUT": ("NN_PUT",),
}
"""CSR -> index registers a write of it changes."""

_CSR_NAMES = {csr.address: csr.name for csr in isa.LOCAL_CSRS.values()}
_INDEX_OF_KIND = {
    isa.RegisterKind.LOCAL_MEMORY_0: "LM_ADDR_0",
    isa.RegisterKind.LOCAL_MEMORY_1: "LM_ADDR_1",
    isa.RegisterKind.SRAM_INDEX: "T_INDEX",
    isa.RegisterKind.DRAM_INDEX: "T_INDEX",
}
_LOCAL_MEMORY_KINDS = (isa.RegisterKind.LOCAL_MEMORY_0, isa.RegisterKind.LOCAL_MEMORY_1)
_TRANSFER_FILE = {
    isa.RegisterKind.SRAM: isa.RegisterKind.SRAM,
    isa.RegisterKind.DRAM: isa.RegisterKind.DRAM,
    isa.RegisterKind.SRAM_INDEX: isa.RegisterKind.SRAM,
    isa.RegisterKind.DRAM_INDEX: isa.RegisterKind.DRAM,
}
_MOST_TRANSFER_REGISTERS = 32  # of one kind that a context can name
_MOST_UNITS = 16  # of a command whose count comes from indirect_ref
_CARRY_READERS = frozenset({"alu.add_carry", "alu.sub_carry"})
_RESULT_FAMILIES = ("alu.", "alu_shf.", "immed", "ld_field", "byte_align", "cam_lookup", "cam_read", "crc_")
_RESULT_NAMES = frozenset({"asr", "dbl_shf", "ffs", "pop_count3"})
_LEFT_FAMILIES = ("alu.", "alu_shf.", "byte_align", "pop_count")
_LEFT_NAMES = frozenset({"asr", "dbl_shf", "ffs"})


@dataclass(frozen=True, slots=True)
class Effects:
    """Resources an instruction reads and writes; a write that keeps a part also reads."""

    reads: frozenset[Resource]
    writes: frozenset[Resource]


def sets_condition_codes(instruction: isa.Instruction) -> bool:
    """Whether the instruction leaves new condition codes: always all four."""
    name = instruction.operation.name
    return instruction.operation.sets_condition_codes(instruction) or name in ("ffs", "pop_count3")


def reads_condition_codes(instruction: isa.Instruction) -> bool:
    """Whether the instruction depends on condition codes: a branch on them, or arithmetic with carry."""
    name = instruction.operation.name
    return name in _CARRY_READERS or name.removeprefix("br.") in isa.CONDITIONS


def index_registers(instruction: isa.Instruction) -> Iterator[str]:
    """Index registers an instruction goes through; NN_GET and NN_PUT by the side on which ``*n$index`` stands."""
    for uses, neighbor in ((instruction.sources(), "NN_GET"), (instruction.destinations(), "NN_PUT")):
        for use in uses:
            if use.register.kind in _INDEX_OF_KIND:
                yield _INDEX_OF_KIND[use.register.kind]
            elif use.register.kind is isa.RegisterKind.NEIGHBOR_INDEX:
                yield neighbor
    if instruction.operation.name.startswith("byte_align"):
        yield "BYTE_INDEX"


def written_index_registers(instruction: isa.Instruction) -> tuple[str, tuple[str, ...]] | None:
    """What is written (for messages) and the index registers that change with the index latency, if any."""
    if instruction.operation.name == "local_csr_wr":
        name = _CSR_NAMES.get(instruction.csr, "")
        return (name, INDEX_CSRS[name]) if name in INDEX_CSRS else None
    if instruction.lm_addr is not None:
        name = f"LM_ADDR_{instruction.lm_addr[0]}"
        return name, (name,)
    return None


def effects(instruction: isa.Instruction, *, per_context: int) -> Effects:
    """Resources of one instruction.

    Parameters:
        per_context: registers of a bank that a context has. An absolute register counts as the register of that
            number modulo it, so that a register named in both ways is one resource.
    """
    reads: set[Resource] = set()
    writes: set[Resource] = set()
    for use in instruction.sources():
        reads.update(_register(use.register, "in", per_context))
    for use in instruction.destinations():
        writes.update(_register(use.register, "out", per_context))
    for use in (*instruction.sources(), *instruction.destinations()):
        if use.register.step:
            writes.add((_INDEX_OF_KIND.get(use.register.kind, "NN"),))
    reads |= {(index,) for index in index_registers(instruction)}
    written = written_index_registers(instruction)
    if written is not None:
        writes |= {(index,) for index in written[1]}
    _ambient(instruction, reads, writes)
    _command(instruction, reads, writes)
    return Effects(frozenset(reads), frozenset(writes))


def _register(register: isa.Register, half: str, per_context: int) -> Iterator[Resource]:
    kind = register.kind
    if kind in (isa.RegisterKind.GPR, isa.RegisterKind.ABSOLUTE):
        if register.number is None:
            yield ("register", register.name)
        else:
            yield ("register", register.bank, register.number % per_context)
    elif kind in _LOCAL_MEMORY_KINDS:
        yield _LOCAL_MEMORY
    elif kind in (isa.RegisterKind.SRAM, isa.RegisterKind.DRAM):
        yield (half, kind, register.number)
    elif kind in _TRANSFER_FILE:
        for number in range(_MOST_TRANSFER_REGISTERS):
            yield (half, _TRANSFER_FILE[kind], number)
    elif kind is not isa.RegisterKind.NULL:
        yield ("neighbour", half)


def _ambient(instruction: isa.Instruction, reads: set[Resource], writes: set[Resource]) -> None:
    """State of the microengine that no operand names."""
    name = instruction.operation.name
    if reads_condition_codes(instruction):
        reads.add(CONDITION_CODES)
    if sets_condition_codes(instruction):
        writes.add(CONDITION_CODES)
    if name.startswith(_RESULT_FAMILIES) or name in _RESULT_NAMES:
        writes.add(LAST_RESULT)
    if name.startswith(_LEFT_FAMILIES) or name in _LEFT_NAMES:
        writes.add(LAST_LEFT)
    if instruction.indirect_ref or name in ("asr", "cap.fast_wr_alu"):
        reads.add(LAST_RESULT)
    if instruction.shift is not None and instruction.shift.indirect:
        reads.add(LAST_LEFT)
    hidden = {"cam_": _CAM, "crc_": _CRC, "byte_align": _ALIGN, "mul_step": _PRODUCT}
    for family, resource in hidden.items():
        if name.startswith(family):
            reads.add(resource)
            writes.add(resource)
    if name in ("br.signal", "br.not_signal"):
        reads.add(("signal", instruction.signal))
        writes.add(("signal", instruction.signal))


def _command(instruction: isa.Instruction, reads: set[Resource], writes: set[Resource]) -> None:
    """Transfer registers a command moves, as if it did so at once; commands keep their order."""
    if not is_command(instruction):
        return
    reads.add(_COMMANDS)
    writes.add(_COMMANDS)
    span = isa.transfer_span(instruction)
    if span is None or span.register.number is None:
        return
    transfer = instruction.operation.transfer
    assert transfer is not None
    count = _MOST_UNITS * transfer.registers_per_unit if instruction.indirect_ref else span.count
    for number in range(span.register.number, span.register.number + count):
        place = number % _MOST_TRANSFER_REGISTERS
        if span.pulled:
            reads.add(("out", span.register.kind, place))
        if span.pushed:
            writes.add(("in", span.register.kind, place))


def is_command(instruction: isa.Instruction) -> bool:
    """Whether the instruction sends a command to a unit outside the microengine."""
    return "indirect_ref" in instruction.operation.tokens
