"""What the instructions of the ALU, CAM, CRC, multiply and local CSR classes do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .alu import ADDITIONS, LOGIC
from .crc import crc_step
from .words import Instruction

if TYPE_CHECKING:
    from .microengine import Microengine

__all__ = ["DATAPATH"]

_MASK = 0xFFFFFFFF


def _set_nz(engine: Microengine, result: int) -> None:
    engine.cc.n, engine.cc.z = result >> 31, int(result == 0)


def _alu(engine: Microengine, instruction: Instruction) -> None:
    op, operands = instruction.op, engine.operands
    left, right = operands.read(instruction.left), operands.read(instruction.right)
    operands.check_destination(instruction.destination)
    engine.last_left = left
    if op in ("pop_count1", "pop_count2"):
        return
    if op in ADDITIONS:
        a, b, carry = ADDITIONS[op](left, right, engine.cc.c)
        total = a + b + carry
        result = total & _MASK
        engine.cc.c = total >> 32
        engine.cc.v = ((a ^ result) & (b ^ result)) >> 31
    else:
        result = LOGIC[op](left, right) & _MASK
        engine.cc.c = engine.cc.v = 0
    _set_nz(engine, result)
    engine.last_result = result
    operands.write(instruction.destination, result)


def _shift(engine: Microengine, instruction: Instruction, value: int) -> int:
    """Rotate or shift by the coded amount, or, amount 0, by the last A operand."""
    amount = instruction.amount
    if instruction.shift == "rotate":
        return (value >> amount | value << (32 - amount)) & _MASK
    if instruction.shift == "left":
        return value << (32 - amount if amount else engine.last_left & 31) & _MASK
    return value >> (amount or engine.last_left & 31)


def _alu_shf(engine: Microengine, instruction: Instruction) -> None:
    op, operands = instruction.op, engine.operands
    left, right = operands.read(instruction.left), operands.read(instruction.right)
    operands.check_destination(instruction.destination)
    if op == "byte_align_be":
        result = (engine.align_previous << 32 | right) >> (32 - 8 * engine.byte_index) & _MASK
        engine.align_previous = right
    elif op == "byte_align_le":
        result = (left << 32 | engine.align_previous) >> 8 * engine.byte_index & _MASK
        engine.align_previous = left
    elif op == "asr":
        signed = right | (engine.last_result >> 31) * (_MASK << 32)
        result = _shift(engine, instruction, signed) & _MASK
    elif instruction.shift == "double":
        result = _shift(engine, instruction, left << 32 | right) & _MASK
    else:
        result = LOGIC[op](left, _shift(engine, instruction, right)) & _MASK
    engine.last_left = left
    _set_nz(engine, result)
    engine.cc.c = engine.cc.v = 0
    engine.last_result = result
    operands.write(instruction.destination, result)


def _ld_field(engine: Microengine, instruction: Instruction) -> None:
    operands = engine.operands
    source = _shift(engine, instruction, operands.read(instruction.right))
    operands.check_destination(instruction.destination)
    kept = 0 if instruction.clear else operands.read_destination(instruction.destination)
    mask = sum(0xFF << 8 * byte for byte in range(4) if instruction.mask >> byte & 1)
    result = kept & ~mask | source & mask
    if instruction.load_cc:
        _set_nz(engine, result)
        engine.cc.c = engine.cc.v = 0
    engine.last_result = result
    operands.write(instruction.destination, result)


def _immed(engine: Microengine, instruction: Instruction) -> None:
    operands, destination = engine.operands, instruction.destination
    operands.check_destination(destination)
    if instruction.op == "all":
        result = instruction.value << 8 * instruction.position
        if instruction.invert:
            result ^= _MASK
        if engine.csr_read is not None:
            result = engine.csr_read
    else:
        shift = 8 * instruction.position
        mask = (0xFF if instruction.op == "byte" else 0xFFFF) << shift
        inserted = instruction.value << shift
        if instruction.invert:
            inserted = ~inserted
        result = operands.read_destination(destination) & ~mask | inserted & mask
    engine.last_result = result
    operands.write(destination, result)


def _mul_step(engine: Microengine, instruction: Instruction) -> None:
    """Each step adds the product with one byte of the right operand to the hidden 64-bit sum."""
    op, operands = instruction.op, engine.operands
    if op in ("last", "last2"):
        operands.check_destination(instruction.destination)
        operands.write(instruction.destination, engine.mul_sum >> (32 if op == "last2" else 0) & _MASK)
        return
    if op == "start":
        engine.mul_sum = 0
        return
    left, right = operands.read(instruction.left), operands.read(instruction.right)
    shift = 8 * (int(op.removeprefix("step")) - 1)
    engine.mul_sum = engine.mul_sum + (left * (right >> shift & 0xFF) << shift) & (1 << 64) - 1


def _cam(engine: Microengine, instruction: Instruction) -> None:
    op, operands = instruction.op, engine.operands
    if op == "cam_clear":
        engine.cam.clear()
        return
    left, right = operands.read(instruction.left), operands.read(instruction.right)
    operands.check_destination(instruction.destination)
    if op == "cam_write":
        engine.cam.write(right & 15, left, instruction.value)
        return
    if op == "cam_write_state":
        engine.cam.states[right & 15] = instruction.value
        return
    if op == "cam_lookup":
        result, entry = engine.cam.lookup(left)
        if instruction.constants["lm_addr"]:
            index = instruction.constants["lm_addr"] - 1
            address = instruction.constants["value"] << 10 | entry << 6
            engine.csrs.delay_lm_addr(engine.lm_addr_copy(index), index, address, engine.time)
    elif op == "cam_read_tag":
        result = engine.cam.tags[right & 15]
    else:
        result = engine.cam.states[right & 15] << 8
    engine.last_result = result
    operands.write(instruction.destination, result)


def _crc(engine: Microengine, instruction: Instruction) -> None:
    value = engine.operands.read(instruction.right)
    engine.operands.check_destination(instruction.destination)
    engine.crc_remainder = crc_step(engine.crc_remainder, value, **instruction.constants)
    engine.last_result = value
    engine.operands.write(instruction.destination, value)


def _csr_read(engine: Microengine, instruction: Instruction) -> None:
    engine.csr_coming = engine.csrs.read(instruction.csr, engine.time)


def _csr_write(engine: Microengine, instruction: Instruction) -> None:
    engine.csrs.write(instruction.csr, engine.operands.read(instruction.left), engine.time)


DATAPATH: dict[str, Callable[[Microengine, Instruction], None]] = {
    "alu": _alu,
    "alu_shf": _alu_shf,
    "ld_field": _ld_field,
    "immed": _immed,
    "mul_step": _mul_step,
    "cam": _cam,
    "crc": _crc,
    "csr_read": _csr_read,
    "csr_write": _csr_write,
}
"""By kind of instruction."""
