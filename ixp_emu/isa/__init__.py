"""What an instruction is: one registry entry each - syntax, operands, bit fields, timing facts, semantics.

Assembler, disassembler, execution and the tables of the docs derive from ``OPERATIONS``.
"""

from __future__ import annotations

from ixp_emu.isa.codec import decode, encode
from ixp_emu.isa.controls import CRC_TYPES
from ixp_emu.isa.csr import CAP_CSRS, INP_STATES, LOCAL_CSRS, MSF_REGISTERS, CapCsr, LocalCsr
from ixp_emu.isa.errors import InvalidWord, IsaError
from ixp_emu.isa.instruction import Instruction, RegisterUse, Shift, TransferSpan, transfer_span
from ixp_emu.isa.nfp import is_nfp_mnemonic, nfp_only
from ixp_emu.isa.operands import NULL, Bank, Immediate, Label, Operand, Register, RegisterKind
from ixp_emu.isa.operation import Operation, Syntax, Transfer
from ixp_emu.isa.operations_branch import CONDITIONS
from ixp_emu.isa.reference import instruction_table
from ixp_emu.isa.registry import MNEMONICS, OPERATIONS, operation
from ixp_emu.isa.source import Argument, Token
from ixp_emu.isa.text import bind, canonical, format_instruction

__all__ = [
    "CAP_CSRS",
    "CONDITIONS",
    "CRC_TYPES",
    "INP_STATES",
    "LOCAL_CSRS",
    "MNEMONICS",
    "MSF_REGISTERS",
    "NULL",
    "OPERATIONS",
    "Argument",
    "Bank",
    "CapCsr",
    "Immediate",
    "Instruction",
    "InvalidWord",
    "IsaError",
    "Label",
    "LocalCsr",
    "Operand",
    "Operation",
    "Register",
    "RegisterKind",
    "RegisterUse",
    "Shift",
    "Syntax",
    "Token",
    "Transfer",
    "TransferSpan",
    "bind",
    "canonical",
    "decode",
    "encode",
    "format_instruction",
    "instruction_table",
    "is_nfp_mnemonic",
    "nfp_only",
    "operation",
    "transfer_span",
]
