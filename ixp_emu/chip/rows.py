"""Instruction words -> rows: decoded once at load, so that executing one costs no decoding.

Every operand becomes an index into the ME's register file (``layout``); a context-relative one has mask 0xFFFF, under
which the context's offset is added. Operands that go through LM_ADDR or T_INDEX become codes (``INDIRECT``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ixp_emu.chip.codes import (
    ACTION_DOUBLE,
    ACTION_INDIRECT,
    ACTION_MEDIA,
    ACTION_RETURNS,
    ACTION_SWAP,
    MASTER_HASH,
    MASTER_MSF,
    MASTER_SCRATCH,
    MASTER_SRAM,
    NOTIFY_INITIATOR,
    NOTIFY_REMOTE,
    ROW_DIRECT,
    ROW_INDEXED,
    ROW_NEIGHBOR,
    ROW_PLAIN,
    ROW_SHARED,
    ROW_TRANSFER,
    Command,
    Kind,
    Shift,
)
from ixp_emu.chip.layout import (
    COMMAND,
    CONSTANTS,
    DRAM,
    DRAM_IN,
    DRAM_OUT,
    GPR_A,
    GPR_B,
    MSF,
    NEIGHBOR,
    ROW,
    SCRATCH,
    SINK,
    SRAM0,
    SRAM_IN,
    SRAM_OUT,
    STORE_WORDS,
    offset_of,
)
from ixp_emu.isa import (
    INP_STATES,
    OPERATIONS,
    Immediate,
    Instruction,
    InvalidWord,
    Label,
    Register,
    RegisterKind,
    decode,
    semantics,
)
from ixp_emu.isa.unsettled import setting

__all__ = ["ALU_FUNCTIONS", "INDIRECT", "MULTIPLY_LAST", "NEIGHBOR_INDEX", "SHIFT_FUNCTIONS", "build_rows"]

INDIRECT = 0x8000
"""Bit 15 of an operand: 14:12 = 0 *l$index0, 1 *l$index1, 2 *$index, 3 *$$index, 4 *n$index; 9:8 step (1 ++, 2 --);
3:0 offset."""
NEIGHBOR_INDEX = 4
MULTIPLY_LAST = 5
"""``option`` of a multiply: 0 start, 1 to 4 the steps, 5 the low word, 6 the high word."""


_ALU_OPERATIONS = tuple(op for op in OPERATIONS if op.name.startswith("alu."))
ALU_FUNCTIONS: tuple[tuple[int, Callable[..., Any]], ...] = (
    *((code, op.semantics) for code, op in enumerate(_ALU_OPERATIONS) if op.semantics is not None),
    (Kind.ALU_END - 2, semantics.population_count),
    (Kind.ALU_END - 1, semantics.find_first_set),
)
"""(row kind, semantics) per ALU operation: (left, right, carry) -> (result, carry, overflow), or right -> result."""
_ALU_CODES = {op.name: code for code, op in enumerate(_ALU_OPERATIONS)} | {
    "pop_count3": Kind.ALU_END - 2,
    "ffs": Kind.ALU_END - 1,
}
assert len(_ALU_OPERATIONS) < Kind.ALU_END - 2

_SHIFT_OPERATIONS = tuple(op for op in OPERATIONS if op.name.startswith("alu_shf."))
SHIFT_FUNCTIONS: tuple[tuple[int, Callable[..., Any]], ...] = tuple(
    (code, op.semantics) for code, op in enumerate(_SHIFT_OPERATIONS) if op.semantics is not None
)
"""(option, function) of alu_shf; the right operand comes shifted."""
_SHIFT_CODES = {op.name: code for code, op in enumerate(_SHIFT_OPERATIONS)}

_COMMANDS: Mapping[str, int] = {
    "read": Command.READ,
    "write": Command.WRITE,
    "swap": Command.SWAP,
    "set": Command.SET,
    "clr": Command.CLR,
    "add": Command.ADD,
    "sub": Command.SUB,
    "incr": Command.INCR,
    "decr": Command.DECR,
    "get": Command.GET,
    "put": Command.PUT,
    "rbuf_rd": Command.RBUF_RD,
    "tbuf_wr": Command.TBUF_WR,
    "read64": Command.READ,
    "write64": Command.WRITE,
    "fast_wr": Command.MSF_FAST_WRITE,
}
_UNITS: Mapping[str, int] = {"scratch": SCRATCH, "sram": SRAM0, "dram": DRAM, "msf": MSF, "pci": SCRATCH}
_HASHES = {"hash_48": Command.HASH_48, "hash_64": Command.HASH_64, "hash_128": Command.HASH_128}
_NAMED_COMMANDS = {
    "cap.read": Command.CAP_READ,
    "cap.write": Command.CAP_WRITE,
    "cap.read_computed": Command.CAP_READ,
    "cap.write_computed": Command.CAP_WRITE,
    "cap.fast_wr": Command.CAP_FAST_WRITE,
    "cap.fast_wr_alu": Command.CAP_FAST_WRITE,
    "pci.read": Command.PCI_READ,
    "pci.write": Command.PCI_WRITE,
    "sram.journal": Command.JOURNAL,
    "sram.fast_journal": Command.FAST_JOURNAL,
    "sram.enqueue": Command.ENQUEUE,
    "sram.enqueue_tail": Command.ENQUEUE_TAIL,
    "sram.dequeue": Command.DEQUEUE,
    "sram.rd_qdesc_head": Command.RD_QDESC_HEAD,
    "sram.rd_qdesc_tail": Command.RD_QDESC_TAIL,
    "sram.rd_qdesc_other": Command.RD_QDESC_OTHER,
    "sram.wr_qdesc": Command.WR_QDESC,
    "sram.wr_qdesc_count": Command.WR_QDESC_COUNT,
    "sram.csr_rd": Command.SRAM_CSR_READ,
    "sram.csr_wr": Command.SRAM_CSR_WRITE,
}
"""Commands of one target; ``_COMMANDS`` has those that mean the same at several."""
_REFLECTS = {"read_reflect": Command.REFLECT_READ, "write_reflect": Command.REFLECT_WRITE}
_NOTIFIED = {
    "sig_initiator": NOTIFY_INITIATOR,
    "sig_remote": NOTIFY_REMOTE,
    "sig_both": NOTIFY_INITIATOR | NOTIFY_REMOTE,
}

FROM_ALU = 1
"""``special`` of a cap fast_wr: the data is the last ALU result, not the constant."""
CSR_ADDRESS = 2
"""``special``: the address is the constant in ``target``."""
NOTIFY_SHIFT = 2
"""``special`` of a reflector command holds NOTIFY_* from this bit on."""

_INDEX_KINDS = {
    RegisterKind.LOCAL_MEMORY_0: 0,
    RegisterKind.LOCAL_MEMORY_1: 1,
    RegisterKind.SRAM_INDEX: 2,
    RegisterKind.DRAM_INDEX: 3,
    RegisterKind.NEIGHBOR_INDEX: NEIGHBOR_INDEX,
}
_STAGE_0_DISCOUNT = setting("stage_0_discount")
_PARTIAL_READS = setting("partial_write_reads")
_WRITE_HALF, _ZEROS = 1, 2
_FIRST_RING = INP_STATES["SCR_RING0_STATUS"]
_RINGS = 12
"""Rings whose status flag is a state input."""
_CONDITIONS = ("eq", "ne", "mi", "pl", "cs", "cc", "vs", "vc", "ge", "lt", "le", "gt")


class _Builder:
    """Fills one row from one instruction."""

    def __init__(self, row: Any, instruction: Instruction) -> None:
        self.row = row
        self.instruction = instruction
        self.flags = 0

    def build(self) -> None:
        name = self.instruction.operation.name
        family = name.split(".")[0]
        if name in _ALU_CODES:
            self._alu(_ALU_CODES[name])
        elif family == "alu_shf":
            self._alu(Kind.SHIFT)
            self.row["option"] = _SHIFT_CODES[name]
        elif family == "br" or name == "jump":
            self._branch(name)
        elif family == "ctx_arb":
            self._context(name)
        elif family == "mul_step":
            self._multiply(name)
        elif family in _UNITS or family in _HASHES or family == "cap":
            self._command(name, family)
        else:
            getattr(self, "_" + name)()
        self.row["flags"] = self.flags

    # --- operands -------------------------------------------------------------------------------------------------

    def _operand(self, role: str, field: str, *, destination: bool = False) -> None:
        """Put the file index of an operand into ``field`` (a, b or d)."""
        operand = self.instruction.operands.get(role)
        relative = False
        index = SINK if destination else CONSTANTS
        if isinstance(operand, Immediate):
            index = CONSTANTS + (operand.value & 0xFF)
        elif isinstance(operand, Register) and operand.kind is not RegisterKind.NULL:
            index, relative = self._register(operand, destination)
        elif role == "left" and not self.instruction.swap:  # an absent left operand still names register A0
            index, relative = GPR_A, True
        elif role == "left" and self.instruction.operation.name.startswith("alu_shf."):
            index, relative = GPR_B, True
        self.row[field] = index
        self.row[field + "_mask"] = 0xFFFF if relative else 0

    def _register(self, register: Register, destination: bool) -> tuple[int, bool]:
        kind = register.kind
        number = register.number or 0
        if kind in (RegisterKind.GPR, RegisterKind.ABSOLUTE):
            bank = GPR_B if register.bank is not None and register.bank.value == "b" else GPR_A
            return bank + number, kind is RegisterKind.GPR
        if kind is RegisterKind.SRAM:
            self.flags |= ROW_TRANSFER
            return (SRAM_OUT if destination else SRAM_IN) + number, True
        if kind is RegisterKind.DRAM:
            self.flags |= ROW_TRANSFER
            return (DRAM_OUT if destination else DRAM_IN) + number, True
        if kind is RegisterKind.NEIGHBOR:
            self.flags |= ROW_NEIGHBOR | (ROW_SHARED if destination else 0)
            return NEIGHBOR + number, True
        index = _INDEX_KINDS[kind]
        self.flags |= ROW_INDEXED
        if kind is RegisterKind.NEIGHBOR_INDEX:
            self.flags |= ROW_NEIGHBOR | (ROW_SHARED if register.step else 0)
        elif index >= 2:
            self.flags |= ROW_TRANSFER
        step = register.step & 3 if register.step >= 0 else 2
        return INDIRECT | index << 12 | step << 8 | register.offset, False

    def _shift(self) -> None:
        shift = self.instruction.shift
        code = Shift.NONE
        if shift is not None:
            self.row["shift"] = shift.amount
            if shift.kind == ">>rot":
                code = Shift.ROTATE
            elif shift.kind == "<<":
                code = Shift.LEFT if shift.amount else Shift.LEFT_INDIRECT
            else:
                code = Shift.RIGHT if shift.amount else Shift.RIGHT_INDIRECT
        self.row["special"] = code

    def _constant(self, role: str) -> int:
        operand = self.instruction.operands[role]
        if isinstance(operand, Immediate):
            return operand.value
        assert isinstance(operand, Label) and operand.address is not None, f"a word has no {role} but a constant"
        return operand.address

    # --- ALU class ------------------------------------------------------------------------------------------------

    def _alu(self, kind: int) -> None:
        self.row["kind"] = kind
        roles = self.instruction.operation.roles
        if "left" in roles:
            self._operand("left", "a")
        else:
            self.row["a"] = CONSTANTS
        self._operand("right" if "right" in roles else "source", "b")
        self._operand("dst", "d", destination=True)
        self._shift()

    def _multiply(self, name: str) -> None:
        self.row["kind"] = Kind.MULTIPLY
        step = name.split(".")[1].split("_")[-1]
        if step in ("last", "last2"):
            self.row["option"] = MULTIPLY_LAST + (step == "last2")
            self._operand("dst", "d", destination=True)
            return
        self.row["option"] = 0 if step == "start" else int(step.removeprefix("step"))
        self.row["d"] = SINK
        self._operand("left", "a")
        self._operand("right", "b")

    def _asr(self) -> None:
        self._alu(Kind.ASR)

    def _dbl_shf(self) -> None:
        self._alu(Kind.DOUBLE_SHIFT)

    def _byte_align_be(self) -> None:
        self._alu(Kind.BYTE_ALIGN)

    def _byte_align_le(self) -> None:
        self._alu(Kind.BYTE_ALIGN)
        self.row["option"] = 1

    def _pop_count1(self) -> None:
        self.row["kind"] = Kind.POP_COUNT
        self._operand("source", "b")

    _pop_count2 = _pop_count1

    def _ld_field(self) -> None:
        self._insert(keep=True)

    def _ld_field_w_clr(self) -> None:
        self._insert(keep=False)

    def _insert(self, *, keep: bool) -> None:
        self.row["kind"] = Kind.LD_FIELD
        self._operand("source", "b")
        self._operand("dst", "d", destination=True)
        if keep:
            self._old_destination()
        else:
            self.row["a"] = CONSTANTS
        self._shift()
        self.row["imm"] = semantics.insert_bytes(0, 0xFFFFFFFF, self.instruction.mask)
        self.row["option"] = 1 if "load_cc" in self.instruction.tokens else 0

    def _old_destination(self) -> None:
        """Put what stays of a destination that is partly written into ``a``."""
        self._operand("dst", "a", destination=_PARTIAL_READS == _WRITE_HALF)
        if _PARTIAL_READS == _ZEROS and self.flags & ROW_TRANSFER:
            self.row["a"], self.row["a_mask"] = CONSTANTS, 0

    def _immed(self) -> None:
        self.row["kind"] = Kind.IMMED
        self._operand("dst", "d", destination=True)
        shift = self.instruction.shift
        value = self._constant("value")
        self.row["imm"] = semantics.immediate(value, shift.amount if shift else 0, int(self.instruction.invert))

    def _part(self, mask: int, value: int) -> None:
        """Replace the bytes of a 4-bit mask."""
        self.row["kind"] = Kind.IMMED_PART
        self._operand("dst", "d", destination=True)
        self._old_destination()
        self.row["b"] = CONSTANTS
        self.row["imm"] = value if not self.instruction.invert else ~value & 0xFFFFFFFF
        self.row["option"] = mask

    def _immed_w0(self) -> None:
        self._part(0b0011, self._constant("value") & 0xFFFF)

    def _immed_w1(self) -> None:
        self._part(0b1100, (self._constant("value") & 0xFFFF) << 16)

    def _byte_part(self, byte: int) -> None:
        self._part(1 << byte, (self._constant("value") & 0xFF) << 8 * byte)

    def _immed_b0(self) -> None:
        self._byte_part(0)

    def _immed_b1(self) -> None:
        self._byte_part(1)

    def _immed_b2(self) -> None:
        self._byte_part(2)

    def _immed_b3(self) -> None:
        self._byte_part(3)

    # --- branches, contexts, CSRs, CAM, CRC -------------------------------------------------------------------------

    def _branch(self, name: str) -> None:
        row, instruction = self.row, self.instruction
        suffix = name.split(".")[-1]
        row["slots"] = instruction.operation.shadow
        row["defer"] = instruction.defer
        if name == "jump":
            row["kind"] = Kind.JUMP
            self._operand("register", "a")
            row["target"] = self._constant("base") if "base" in instruction.operands else 0
            return
        row["target"] = self._constant("target")
        if suffix == "always":
            row["kind"] = Kind.BRANCH
        elif suffix in _CONDITIONS:
            row["kind"] = Kind.BRANCH_CC
            row["option"] = _CONDITIONS.index(suffix)
            if instruction.stage == 0:
                row["slots"] = max(instruction.operation.shadow - _STAGE_0_DISCOUNT, 0)
        elif suffix in ("context", "not_context"):
            row["kind"] = Kind.BRANCH_CTX
            row["imm"] = instruction.context
        elif suffix in ("signal", "not_signal"):
            row["kind"] = Kind.BRANCH_SIGNAL
            row["imm"] = int(instruction.signal or 0)
        elif suffix in ("input_state", "not_input_state"):
            if 0 <= instruction.input_state - _FIRST_RING < _RINGS:
                row["kind"] = Kind.BRANCH_INPUT
                row["imm"] = instruction.input_state - _FIRST_RING
            else:
                row["kind"] = Kind.BRANCH_NEIGHBOR
                row["imm"] = instruction.input_state
        elif suffix in ("bit_set", "bit_clr"):
            row["kind"] = Kind.BRANCH_BIT
            row["imm"] = instruction.bit
            self._operand("register", "a")
        else:
            row["kind"] = Kind.BRANCH_BYTE
            row["imm"] = self._constant("value")
            row["shift"] = instruction.byte * 8
            self._operand("register", "a")
        if suffix.startswith("not_") or suffix == "bit_clr":
            row["option"] = 1  # taken when the condition is false

    def _context(self, name: str) -> None:
        row, instruction = self.row, self.instruction
        if name == "ctx_arb.bpt":
            row["kind"] = Kind.HALT
            return
        row["kind"] = Kind.CTX_ARB
        row["slots"] = instruction.operation.shadow
        row["defer"] = instruction.defer
        if name == "ctx_arb.voluntary":
            row["imm"] = 1
        elif name == "ctx_arb.kill":
            row["imm"] = 0x10000
        elif name == "ctx_arb.keep":
            row["option"] = 1
        else:
            mask = sum(1 << int(signal) for signal in set(instruction.signals))
            row["imm"] = mask | (0x10000 if instruction.any_signal else 0)
        label = instruction.target
        if label is not None and label.address is not None:
            row["target"] = label.address
            row["special"] = 1

    def _local_csr_rd(self) -> None:
        self.row["kind"] = Kind.CSR_READ
        self.row["target"] = self.instruction.csr

    def _local_csr_wr(self) -> None:
        self.row["kind"] = Kind.CSR_WRITE
        self.row["target"] = self.instruction.csr
        self._operand("source", "a")

    def _cam_clear(self) -> None:
        self.row["kind"] = Kind.CAM_CLEAR

    def _cam_lookup(self) -> None:
        self.row["kind"] = Kind.CAM_LOOKUP
        self._operand("key", "a")
        self._operand("dst", "d", destination=True)
        if self.instruction.lm_addr is not None:
            index, value = self.instruction.lm_addr
            self.row["option"] = 1 + index
            self.row["imm"] = value

    def _cam_read_tag(self) -> None:
        self.row["kind"] = Kind.CAM_READ_TAG
        self._operand("entry", "a")
        self._operand("dst", "d", destination=True)

    def _cam_read_state(self) -> None:
        self._cam_read_tag()
        self.row["kind"] = Kind.CAM_READ_STATE

    def _cam_write(self) -> None:
        self.row["kind"] = Kind.CAM_WRITE
        self._operand("entry", "a")
        self._operand("tag", "b")
        self.row["imm"] = self.instruction.cam_state

    def _cam_write_state(self) -> None:
        self.row["kind"] = Kind.CAM_WRITE_STATE
        self._operand("entry", "a")
        self.row["imm"] = self.instruction.cam_state

    def _crc_be(self) -> None:
        self.row["kind"] = Kind.CRC
        self._operand("source", "a")
        self._operand("dst", "d", destination=True)
        self.row["option"] = self.instruction.crc_type
        self.row["special"] = self.instruction.crc_bytes
        self.row["imm"] = 1 if "bit_swap" in self.instruction.tokens else 0

    def _crc_le(self) -> None:
        self._crc_be()
        self.row["imm"] |= 2

    # --- commands ---------------------------------------------------------------------------------------------------

    def _command(self, name: str, family: str) -> None:
        row, instruction = self.row, self.instruction
        operation = instruction.operation
        code = self._command_code(name, family)
        row["kind"] = Kind.COMMAND
        row["option"] = code
        row["unit"] = _UNITS.get(family, SCRATCH)
        action = 0
        if instruction.signal_action == "ctx_swap":
            action |= ACTION_SWAP
        if operation.doubled_signal:
            action |= ACTION_DOUBLE
        if instruction.indirect_ref:
            action |= ACTION_INDIRECT
        transfer = operation.transfer
        if transfer is not None and transfer.pushed:
            action |= ACTION_RETURNS
        if code in (Command.RBUF_RD, Command.TBUF_WR):
            action |= ACTION_MEDIA
        row["action"] = action
        row["signal"] = int(instruction.signal or 0)
        row["slots"] = operation.shadow
        row["defer"] = instruction.defer
        count = max(instruction.count, 1)
        if family == "msf" and transfer is not None:
            count *= transfer.registers_per_unit
        row["count"] = count
        row["counted"] = "count" in operation.roles and family not in _HASHES
        # longwords from and to the ME per unit of count
        per_unit = transfer.registers_per_unit if transfer is not None and family != "msf" else 1
        row["shift"] = per_unit if transfer is not None and transfer.pulled else 0
        row["slots"] = operation.shadow
        row["imm"] = per_unit
        register = instruction.operands.get("xfer")
        if isinstance(register, Register) and register.kind in (RegisterKind.SRAM, RegisterKind.DRAM):
            sram = register.kind is RegisterKind.SRAM
            row["xfer_in"] = (SRAM_IN if sram else DRAM_IN) + (register.number or 0)
            row["xfer_out"] = (SRAM_OUT if sram else DRAM_OUT) + (register.number or 0)
        if "address1" in operation.roles:
            self._operand("address1", "a")
            self._operand("address2", "b")
        else:
            row["a"] = row["b"] = CONSTANTS
            row["special"] = CSR_ADDRESS
            row["target"] = instruction.csr
        if code >= Command.REFLECT_READ:
            remote, context = instruction.remote
            row["target"] = remote << 10 | context << 7 | self._constant("remote_xfer") << 2
            row["special"] = CSR_ADDRESS | _NOTIFIED[name.split(".")[2]] << NOTIFY_SHIFT
        elif name == "cap.fast_wr_alu":
            row["special"] = CSR_ADDRESS | FROM_ALU
        elif name == "cap.fast_wr":
            row["imm"] = instruction.data
        if code < Command.REFLECT_READ and code not in (Command.CAP_FAST_WRITE, Command.MSF_FAST_WRITE):
            if not action & (ACTION_INDIRECT | ACTION_MEDIA):
                self.flags |= ROW_DIRECT

    def _command_code(self, name: str, family: str) -> int:
        if family in _HASHES:
            return _HASHES[family]
        if name in _NAMED_COMMANDS:
            return _NAMED_COMMANDS[name]
        sub_command = name.split(".")[1]
        if sub_command in _REFLECTS:
            return _REFLECTS[sub_command]
        return _COMMANDS[sub_command.removeprefix("test_and_")]


# The short loop sets flags after every ALU row and after no immed: what the switches want otherwise is not plain.
_UNUSUAL_KINDS = {
    kind
    for kind, name, usual in (
        (_ALU_CODES["ffs"], "ffs_sets_nz", 1),
        (_ALU_CODES["pop_count3"], "pop_count_sets_nz", 1),
        (Kind.IMMED, "immed_sets_nz", 0),
        (Kind.IMMED_PART, "immed_sets_nz", 0),
        (Kind.ASR, "asr_sets_nz", 1),
        (Kind.DOUBLE_SHIFT, "dbl_shf_sets_nz", 1),
    )
    if setting(name) != usual
}
_PLAIN_KINDS = (
    frozenset(range(Kind.ALU_END))
    | {
        Kind.SHIFT,
        Kind.ASR,
        Kind.DOUBLE_SHIFT,
        Kind.IMMED,
        Kind.IMMED_PART,
        Kind.LD_FIELD,
        Kind.BRANCH,
        Kind.BRANCH_CC,
        Kind.BRANCH_CTX,
        Kind.BRANCH_BIT,
        Kind.BRANCH_BYTE,
    }
) - _UNUSUAL_KINDS


def _is_plain(row: Any) -> bool:
    """Whether the engine's short loop, which stays inside the control store, may execute a row."""
    return (
        int(row["kind"]) in _PLAIN_KINDS
        and row["flags"] & (ROW_INDEXED | ROW_NEIGHBOR) == 0
        and (row["kind"] < Kind.BRANCH or row["target"] < STORE_WORDS)
    )


def _set_command(row: Any) -> None:
    """What a direct row says of its command: the bytes of COMMAND, and in ``imm`` the signals it will set."""
    command = np.zeros((), COMMAND)
    for field in ("action", "unit", "signal", "count", "structure"):
        command[field] = row[field]
    command["code"] = row["option"]
    command["mask"] = 0xFF
    command["pull_words"] = int(row["count"]) * int(row["shift"])
    if row["action"] & ACTION_RETURNS:
        command["push_words"] = command["marked"] = int(row["count"]) * int(row["imm"])
    if row["unit"] == SRAM0:
        command["master"] = MASTER_SRAM
    elif row["unit"] == MSF:
        command["master"] = MASTER_MSF
    else:
        command["master"] = MASTER_HASH if Command.HASH_48 <= row["option"] <= Command.HASH_128 else MASTER_SCRATCH
    first = offset_of(COMMAND, "code")
    row["command"] = np.frombuffer(command.tobytes()[first : first + 16], np.int64)
    row["imm"] = (3 if row["action"] & ACTION_DOUBLE else 1) << int(row["signal"]) if row["signal"] else 0


def build_rows(
    words: Sequence[int], structures: Sequence[int] | None = None, *, contexts: int = 8, first: int = 0
) -> NDArray[Any]:
    """Decode a program, or a part of one.

    Parameters:
        words: 40-bit instruction words.
        structures: number of the named structure each word's command touches, 0 for none.
        contexts: 8 or 4.
        first: address of the first word.

    Returns:
        one ROW per word; invalid words become rows that are a fault when executed.
    """
    rows = np.zeros(len(words), ROW)
    for index, word in enumerate(words):
        row = rows[index]
        try:
            _Builder(row, decode(word, contexts=contexts)).build()
        except InvalidWord:
            row["kind"] = Kind.INVALID
        if first + index < STORE_WORDS - 1 and _is_plain(row):
            row["flags"] |= ROW_PLAIN
        if structures is not None:
            row["structure"] = structures[index]
        if row["flags"] & ROW_DIRECT:
            _set_command(row)
    return rows
