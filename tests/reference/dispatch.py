"""From a command instruction to the command that goes into the ME's FIFO."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .commands import Command, Remote
from .context import SIGNALS
from .faults import FaultError
from .words import Instruction

if TYPE_CHECKING:
    from .microengine import Microengine

__all__ = ["awaited_signals", "command_of"]

_MASK = 0xFFFFFFFF

_COUNTED = frozenset(
    (
        "read", "write", "get", "put", "journal", "rd_qdesc_head", "rd_qdesc_tail", "cap_read", "cap_write", "pci_read",
        "pci_write", "reflect_read", "reflect_write", "read64", "write64", "rbuf_rd", "tbuf_wr",
    )
)  # fmt: skip
"""Commands whose count an ``indirect_ref`` word can replace."""


def awaited_signals(instruction: Instruction) -> int:
    """Mask of the signals that the command, or its context with ``ctx_swap``, is about."""
    signals = 1 << instruction.signal & SIGNALS
    if instruction.doubled and signals:
        signals |= 2 << instruction.signal
    return signals


def command_of(engine: Microengine, instruction: Instruction) -> Command:
    """Evaluate address, count and overrides as they are when the instruction issues."""
    address = instruction.csr
    if not instruction.holds_address:
        operands = engine.operands
        address = operands.read(instruction.left) + operands.read(instruction.right) & _MASK
    op = instruction.op
    signals, early = awaited_signals(instruction), 0
    if instruction.doubled and instruction.unit != "dram" and signals:
        early = 2 << instruction.signal
        signals &= ~early
    unit = instruction.unit
    if unit == "sram":
        unit = "sram1" if address >> 30 & 1 else "sram0"
        address &= 0x3FFFFFFF
    number = engine.executing_context
    command = Command(
        me=engine,
        context=number,
        pc=engine.contexts[number].pc,
        unit=unit,
        op=op,
        address=address,
        count=instruction.count,
        transfer_kind=instruction.transfer_kind,
        transfer=engine.operands.physical(instruction.transfer),
        issued=engine.time,
        pulls=instruction.pulls,
        returns_data=instruction.returns_data,
        signals=signals,
        early_signals=early,
    )
    if op.startswith("reflect"):
        command.remote = _remote(engine, instruction)
    elif op == "cap_fast_wr":
        command.data = [instruction.constants.get("data", engine.last_result)]
    if instruction.indirect:
        _override(command, engine.last_result)
    elif op in ("rbuf_rd", "tbuf_wr"):
        raise FaultError("media address", f"dram[{op}] without a buffer address by indirect_ref")
    return command


def _remote(engine: Microengine, instruction: Instruction) -> Remote:
    """Remote address: ME id in bits 14:10, context in 9:7, transfer register in 6:2."""
    me_id = instruction.csr >> 10
    if me_id & ~0x13:
        raise FaultError("outside memory", f"reflector to ME {me_id:#x}, which does not exist")
    context = instruction.csr >> 7 & 7
    register = context * 16 + (instruction.csr >> 2 & 31)
    me = engine.all_engines[(me_id & 3) + (4 if me_id & 0x10 else 0)]
    return Remote(me, context, register, instruction.signals_to)


def _override(command: Command, word: int) -> None:
    """indirect_ref: the last ALU result replaces fields of the command."""
    if word >> 25 & 1 and command.op in _COUNTED:
        command.count = (word >> 21 & 15) + 1
    if word >> 20 & 1 and command.unit == "dram" and command.op == "write":
        command.byte_mask = word >> 12 & 0xFF
    if command.op in ("rbuf_rd", "tbuf_wr"):
        if not word >> 4 & 1:
            raise FaultError("media address", f"dram[{command.op}] without a buffer address by indirect_ref")
        command.media_address = word >> 5 & 0x3FFF
