"""The yardstick of the benchmark: an interpreter loop without a machine around it.

``run_bare`` interprets the same decoded rows (``chip.rows``) through the same dispatch (``chip.dispatch``) as the
engine, one after the other, over a register file. It has no clock, contexts, defer slots, commands, horizon or
counters, and knows plain instructions only: ALU, shift, immed, ld_field and branches, those of ``workloads/plain.uc``,
whose mix is that of the forwarding microcode. So it says how fast this machine interprets microcode at best; the
engine's speed by its speed is the price of the timing model. It is neither a functional simulator nor a bound for one
that translates.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ixp_emu.assembler import assemble, parse
from ixp_emu.bench.files import WORKLOADS
from ixp_emu.chip.codes import Kind, Shift
from ixp_emu.chip.compiled import compiled, kernel, s64, small, u
from ixp_emu.chip.dispatch import alu, compiled_semantics, shift_logic
from ixp_emu.chip.layout import CONSTANTS, FILE_SIZE, ROW
from ixp_emu.chip.rows import build_rows

__all__ = ["BARE", "new_bare", "run_bare", "time_bare"]

_STORE_WORDS = 128
_INSTRUCTIONS = 40_000_000
"""Of one timing: about 0.1 s."""

BARE = np.dtype(
    [
        ("pc", np.int64),
        ("result", np.int64),
        ("carry", np.int64),
        ("overflow", np.int64),
        ("last_a", np.int64),
        ("file", np.uint32, (FILE_SIZE,)),
        ("store", ROW, (_STORE_WORDS,)),
    ],
    align=True,
)
"""All state of the loop; names as in ``layout.MICROENGINE``."""

_shift_left = compiled_semantics("shift_left")
_shift_right = compiled_semantics("shift_right")
_rotate_right = compiled_semantics("rotate_right")


@small
def _shifted(kind: int, amount: int, last_a: int, value: int) -> Any:
    if kind == Shift.NONE:
        return value
    if kind == Shift.LEFT:
        return s64(_shift_left(value, amount))
    if kind == Shift.RIGHT:
        return s64(_shift_right(value, amount))
    if kind == Shift.ROTATE:
        return s64(_rotate_right(value, amount))
    if kind == Shift.LEFT_INDIRECT:
        return s64(_shift_left(value, last_a))
    return s64(_shift_right(value, last_a))


@small
def _holds(condition: int, result: int, carry: int, overflow: int) -> bool:
    """eq ne mi pl cs cc vs vc ge lt le gt: every odd code is the contrary of the one before."""
    negative = result >> 31
    pair = condition >> 1
    holds = result == 0
    if pair == 1:
        holds = negative != 0
    elif pair == 2:
        holds = carry != 0
    elif pair == 3:
        holds = overflow != 0
    elif pair == 4:
        holds = negative == overflow
    elif pair == 5:
        holds = holds or negative != overflow
    return holds != ((condition & 1) != 0)


@compiled
def _interpret(bare: Any, instructions: int) -> int:
    pc = s64(bare.pc)
    result = s64(bare.result)
    carry = s64(bare.carry)
    overflow = s64(bare.overflow)
    last_a = s64(bare.last_a)
    executed = 0
    while executed < instructions:
        row = bare.store[u(pc)]
        kind = s64(row.kind)
        pc += 1
        if kind < Kind.ALU_END:
            last_a = s64(bare.file[u(row.a)])
            result, carry, overflow = alu(kind, last_a, s64(bare.file[u(row.b)]), carry, overflow)
            bare.file[u(row.d)] = result
        elif kind == Kind.SHIFT:
            right = _shifted(s64(row.special), s64(row.shift), last_a, s64(bare.file[u(row.b)]))
            last_a = s64(bare.file[u(row.a)])
            result, carry, overflow = shift_logic(s64(row.option), last_a, right, carry, overflow)
            bare.file[u(row.d)] = result
        elif kind == Kind.IMMED:
            bare.file[u(row.d)] = row.imm
        elif kind == Kind.LD_FIELD:
            right = _shifted(s64(row.special), s64(row.shift), last_a, s64(bare.file[u(row.b)]))
            field = s64(row.imm)
            value = (s64(bare.file[u(row.a)]) & (field ^ 0xFFFFFFFF)) | (right & field)
            bare.file[u(row.d)] = value
            if row.option:
                result = value
                carry = 0
                overflow = 0
        elif kind == Kind.BRANCH_CC:
            if _holds(s64(row.option), result, carry, overflow):
                pc = s64(row.target)
        elif kind == Kind.BRANCH:
            pc = s64(row.target)
        elif kind == Kind.BRANCH_BIT:
            if (s64(bare.file[u(row.a)]) >> s64(row.imm)) & 1 != row.option:
                pc = s64(row.target)
        elif kind == Kind.BRANCH_BYTE:
            if ((s64(bare.file[u(row.a)]) >> s64(row.shift)) & 0xFF == row.imm) != (row.option != 0):
                pc = s64(row.target)
        elif kind == Kind.BRANCH_CTX:  # the loop is context 0
            if (row.imm == 0) != (row.option != 0):
                pc = s64(row.target)
        else:
            pc -= 1
            break
        executed += 1
    bare.pc = pc
    bare.result = result
    bare.carry = carry
    bare.overflow = overflow
    bare.last_a = last_a
    return executed


@kernel
def run_bare(bares: Any, instructions: int) -> int:
    """Interpret, from where the last call stopped.

    Parameters:
        bares: array of one BARE record.

    Returns:
        instructions executed; fewer than asked for only before one that the loop does not know.
    """
    return _interpret(bares[u(0)], instructions)


def new_bare() -> NDArray[Any]:
    """The loop's state before its first instruction, in the form ``run_bare`` takes."""
    rows = build_rows(assemble(parse(WORKLOADS / "plain.uc")).words)
    bares = np.zeros(1, BARE)
    bare = bares[0]
    bare["store"][: len(rows)] = rows
    bare["result"] = 1  # N and Z clear
    bare["file"][CONSTANTS : CONSTANTS + 256] = np.arange(256)
    return bares


def time_bare(bares: NDArray[Any], instructions: int = _INSTRUCTIONS) -> float:
    """Instructions per second of host time."""
    begin = time.perf_counter()
    executed = run_bare(bares, instructions)
    seconds = time.perf_counter() - begin
    if executed != instructions:
        raise AssertionError(f"the bare loop stopped after {executed} of {instructions} instructions")
    return instructions / seconds
