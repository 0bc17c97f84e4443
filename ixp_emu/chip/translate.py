"""Translation of plain rows into machine code: whole stretches of a program without a look at a row.

A *plain* row (``ROW_PLAIN``) touches registers, flags and the program counter only. :func:`translate` turns the plain
rows of a decoded program into one function that the engine enters at a program counter and that runs, branches
included, to the first row it cannot execute: one that is not plain, or one that touches a transfer register of a
command in flight, or to where the run ends. The interpreter of ``microengine`` stays and takes over from there, so
both give the same registers, flags and times; a program runs without translation as well, only slower.

What an instruction computes is written once, in ``ixp_emu.isa.semantics``; its Python text is translated here.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import inspect
import os
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from ixp_emu.chip import machine_code
from ixp_emu.chip.codes import ROW_PLAIN, ROW_TRANSFER, Kind, Shift
from ixp_emu.chip.layout import CONSTANTS, MICROENGINE, NEIGHBOR, SLOTS, offset_of
from ixp_emu.chip.rows import ALU_FUNCTIONS, SHIFT_FUNCTIONS
from ixp_emu.errors import InputError
from ixp_emu.isa.semantics import (
    LOGIC_CLEARS_CARRY,
    LOGIC_FUNCTIONS,
    arithmetic_shift_right,
    double_shift_right,
    insert_bytes,
)

__all__ = ["Translator", "translate", "translate_programs", "without_translations"]

_WORD = ir.IntType(64)
_STATE = ("result", "carry", "overflow", "last_result", "last_a")
"""Fields of an ME that plain rows read and change, besides registers and time."""
_BRANCHES = (Kind.BRANCH, Kind.BRANCH_CC, Kind.BRANCH_CTX, Kind.BRANCH_BIT, Kind.BRANCH_BYTE)
_CONSTANTS_END = CONSTANTS + 256


def _word(value: int) -> ir.Constant:
    return ir.Constant(_WORD, value)


# --- what an instruction computes: Python text of a function of ``isa.semantics`` -> instructions -------------------

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.BitAnd: "and_",
    ast.BitOr: "or_",
    ast.BitXor: "xor",
    ast.LShift: "shl",
    ast.RShift: "ashr",
}


@functools.cache
def _tree(function: Callable[..., Any]) -> ast.FunctionDef | None:
    """A function's text, None if it is more than assignments and a return."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(tree, ast.FunctionDef)
    body = [node for node in tree.body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    tree.body = body
    straight = all(isinstance(node, ast.Assign) for node in body[:-1]) and isinstance(body[-1], ast.Return)
    return tree if straight else None


def _expression(builder: ir.IRBuilder, names: dict[str, ir.Value], node: ast.expr) -> ir.Value:
    match node:
        case ast.Constant(value=int(value)):
            return _word(value)
        case ast.Name(id=name):
            return names[name]
        case ast.BinOp(left=left, op=operator, right=right):
            method = getattr(builder, _BINARY[type(operator)])
            return method(_expression(builder, names, left), _expression(builder, names, right))
    raise NotImplementedError(ast.unparse(node))


def _inline(builder: ir.IRBuilder, function: Callable[..., Any], arguments: Iterable[ir.Value]) -> tuple[ir.Value, ...]:
    """The values a function of ``isa.semantics`` returns."""
    tree = _tree(function)
    assert tree is not None
    names = dict(zip((argument.arg for argument in tree.args.args), arguments, strict=True))
    for node in tree.body[:-1]:
        assert isinstance(node, ast.Assign)
        (target,) = node.targets
        assert isinstance(target, ast.Name)
        names[target.id] = _expression(builder, names, node.value)
    last = tree.body[-1]
    assert isinstance(last, ast.Return) and last.value is not None
    parts = last.value.elts if isinstance(last.value, ast.Tuple) else [last.value]
    return tuple(_expression(builder, names, part) for part in parts)


_ALU = dict(ALU_FUNCTIONS)
_SHIFT = dict(SHIFT_FUNCTIONS)


def _translatable(row: Any) -> bool:
    if not row["flags"] & ROW_PLAIN:
        return False
    kind = int(row["kind"])
    if kind < Kind.ALU_END:
        return kind in _ALU and _tree(_ALU[kind]) is not None
    return True


# --- a program ------------------------------------------------------------------------------------------------------


class _Program:
    """One function under construction: ``run(me, offset, context, pc, time, until) -> pc``.

    It keeps the ME's ALU state and time in variables, which the compiler turns into machine registers, and writes them
    back where it leaves; ``me.lost`` grows by the cycles of aborted slots.
    """

    def __init__(self, rows: NDArray[Any]) -> None:
        self._rows = list(rows)
        self._plain = [_translatable(row) for row in rows]
        self.module = ir.Module("program")
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(_WORD, [pointer, _WORD, _WORD, _WORD, _WORD, _WORD])
        self._function = ir.Function(self.module, kind, machine_code.SYMBOL)
        self._me, offset, self._context, pc, time, self._until = self._function.args
        self._builder = ir.IRBuilder(self._function.append_basic_block("entry"))
        self._variables = {name: self._builder.alloca(_WORD) for name in (*_STATE, "time", "lost", "pc")}
        for name in _STATE:
            self._set(name, self._builder.load(self._field(name)))
        self._set("time", time)
        self._set("lost", _word(0))
        file = self._at(offset_of(MICROENGINE, "file"))
        busy = self._at(offset_of(MICROENGINE, "busy"))
        # registers of the context, and those with an absolute number
        self._file = (file, self._builder.gep(file, [self._builder.mul(offset, _word(4))]))
        self._busy = (busy, self._builder.gep(busy, [offset]))
        self._exit = self._function.append_basic_block("exit")
        self._leaders = self._find_leaders()
        self._blocks = {at: self._function.append_basic_block(f"at_{at}") for at in self._leaders}
        self._set("pc", pc)
        entry = self._builder.switch(pc, self._exit)
        for at in self._leaders:
            entry.add_case(_word(at), self._blocks[at])
            self._translate_block(at)
        for at, count in self._find_slots().items():
            block = self._function.append_basic_block(f"slots_at_{at}")
            entry.add_case(_word(at | SLOTS), block)
            self._translate_slots(block, at, count)
        self._write_exit()

    def _find_leaders(self) -> list[int]:
        """Where a stretch may be entered: targets of branches, and rows behind those that end one."""
        rows, plain = self._rows, self._plain
        leaders = {0}
        for at, row in enumerate(rows):
            if not plain[at] or row["flags"] & ROW_TRANSFER:
                leaders.add(at + 1)
            if row["kind"] in _BRANCHES:
                leaders |= {int(row["target"]), at + 1, at + 1 + int(row["defer"])}
            elif row["kind"] in (Kind.CTX_ARB, Kind.COMMAND, Kind.JUMP):
                leaders.add(at + 1 + int(row["defer"]))
                leaders.add(int(row["target"]))
        return sorted(at for at in leaders if at < len(rows) and plain[at])

    def _find_slots(self) -> dict[int, int]:
        """Where defer slots begin that another row than a plain branch has, and how many there are."""
        slots = {}
        for at, row in enumerate(self._rows):
            count = int(row["defer"])
            if not self._plain[at] and count and all(self._simple(slot) for slot in range(at + 1, at + 1 + count)):
                slots[at + 1] = count
        return slots

    # --- state

    def _at(self, offset: int) -> ir.Value:
        return self._builder.gep(self._me, [_word(offset)])

    def _field(self, name: str) -> ir.Value:
        return self._builder.bitcast(self._at(offset_of(MICROENGINE, name)), _WORD.as_pointer())

    def _get(self, name: str) -> ir.Value:
        return self._builder.load(self._variables[name])

    def _set(self, name: str, value: ir.Value) -> None:
        self._builder.store(value, self._variables[name])

    def _grow(self, name: str, by: int) -> None:
        if by:
            self._set(name, self._builder.add(self._get(name), _word(by)))

    def _register(self, index: int, mask: int) -> ir.Value:
        base = self._file[1 if mask else 0]
        return self._builder.bitcast(self._builder.gep(base, [_word(4 * index)]), ir.IntType(32).as_pointer())

    def _read(self, index: int, mask: int) -> ir.Value:
        if CONSTANTS <= index < _CONSTANTS_END:
            return _word(index - CONSTANTS)
        return self._builder.zext(self._builder.load(self._register(index, mask)), _WORD)

    def _write(self, row: Any, value: ir.Value) -> None:
        narrow = self._builder.trunc(value, ir.IntType(32))
        self._builder.store(narrow, self._register(int(row["d"]), int(row["d_mask"])))

    def _left(self, row: Any) -> ir.Value:
        return self._read(int(row["a"]), int(row["a_mask"]))

    def _right(self, row: Any) -> ir.Value:
        return self._read(int(row["b"]), int(row["b_mask"]))

    # --- control

    def _leave(self, pc: int) -> None:
        """The interpreter goes on at ``pc``."""
        self._set("pc", _word(pc))
        self._builder.branch(self._exit)

    def _go(self, pc: int) -> None:
        if pc in self._blocks:
            self._builder.branch(self._blocks[pc])
        else:
            self._leave(pc)

    def _stretch(self, first: int) -> int:
        """Rows from ``first`` on that execute one after the other, with the branch and its slots that end them."""
        at = first
        while at < len(self._rows) and self._plain[at]:
            row = self._rows[at]
            if row["kind"] in _BRANCHES:
                slots = range(at + 1, at + 1 + int(row["defer"]))
                ends = all(self._simple(slot) for slot in slots)
                return slots.stop - first if ends else at - first
            at += 1
            if at in self._blocks:
                break
        return at - first

    def _simple(self, at: int) -> bool:
        return at < len(self._rows) and self._plain[at] and self._rows[at]["kind"] not in _BRANCHES

    def _check_time(self, count: int, at: int) -> None:
        """Leave if the run ends within the next rows."""
        builder = self._builder
        fits = builder.icmp_signed("<=", builder.add(self._get("time"), _word(count)), self._until)
        with builder.if_then(builder.not_(fits), likely=False):
            self._leave(at)

    def _translate_block(self, first: int) -> None:
        self._builder.position_at_end(self._blocks[first])
        count = self._stretch(first)
        if count == 0:
            self._leave(first)
            return
        self._check_time(count, first)
        for at in range(first, first + count):
            row = self._rows[at]
            self._check_transfer(row, at, at - first)
            if row["kind"] in _BRANCHES:
                self._branch(row, at, at - first)
                return
            self._execute(row)
        self._grow("time", count)
        self._go(first + count)

    def _translate_slots(self, block: ir.Block, first: int, count: int) -> None:
        """Defer slots of a row that the engine has executed."""
        self._builder.position_at_end(block)
        self._check_time(count, first | SLOTS)
        rows = self._rows[first : first + count]
        for row in rows:
            self._check_transfer(row, first | SLOTS, 0)
        for row in rows:
            self._execute(row)
        self._grow("time", count)
        self._leave(first + count)

    def _check_transfer(self, row: Any, at: int, done: int) -> None:
        """Leave if a command in flight has to do with a register of the row."""
        if not row["flags"] & ROW_TRANSFER:
            return
        builder = self._builder
        marks = []
        for index, mask in ((row["a"], row["a_mask"]), (row["b"], row["b_mask"]), (row["d"], row["d_mask"])):
            if index < NEIGHBOR:
                marks.append(builder.load(builder.gep(self._busy[1 if mask else 0], [_word(int(index))])))
        busy = functools.reduce(builder.or_, marks)
        with builder.if_then(builder.icmp_unsigned("!=", busy, ir.Constant(ir.IntType(8), 0)), likely=False):
            self._grow("time", done)
            self._leave(at)

    def _branch(self, row: Any, at: int, done: int) -> None:
        """A branch with its defer slots, which end a stretch."""
        defer, target = int(row["defer"]), int(row["target"])
        slots = self._rows[at + 1 : at + 1 + defer]
        for slot in slots:
            self._check_transfer(slot, at, done)
        taken = self._condition(row)
        for slot in slots:
            self._execute(slot)
        self._grow("time", done + 1 + defer)
        builder = self._builder
        if taken is not None:
            yes, no = builder.append_basic_block("taken"), builder.append_basic_block("not_taken")
            builder.cbranch(taken, yes, no)
            builder.position_at_end(no)
            self._go(at + 1 + defer)
            builder.position_at_end(yes)
        aborted = int(row["slots"]) - defer
        self._grow("time", aborted)
        self._grow("lost", aborted)
        self._go(target)

    def _write_exit(self) -> None:
        builder = self._builder
        builder.position_at_end(self._exit)
        for name in (*_STATE, "time"):
            builder.store(self._get(name), self._field(name))
        lost = self._field("lost")
        builder.store(builder.add(builder.load(lost), self._get("lost")), lost)
        builder.ret(self._get("pc"))

    # --- rows

    def _condition(self, row: Any) -> ir.Value | None:
        """Whether a branch is taken, as ``operands.condition`` says; None for always."""
        builder, kind = self._builder, int(row["kind"])
        if kind == Kind.BRANCH:
            return None
        if kind == Kind.BRANCH_CTX:
            same = builder.icmp_signed("==", self._context, _word(int(row["imm"])))
            return builder.not_(same) if row["option"] else same
        if kind == Kind.BRANCH_BIT:
            bit = builder.and_(builder.lshr(self._left(row), _word(int(row["imm"]))), _word(1))
            return builder.icmp_signed("!=", bit, _word(int(row["option"])))
        if kind == Kind.BRANCH_BYTE:
            byte = builder.and_(builder.lshr(self._left(row), _word(int(row["shift"]))), _word(0xFF))
            same = builder.icmp_signed("==", byte, _word(int(row["imm"])))
            return builder.not_(same) if row["option"] else same
        code = min(int(row["option"]), 11)  # every odd code is the contrary of the one before
        zero = builder.icmp_signed("==", self._get("result"), _word(0))
        negative = builder.lshr(self._get("result"), _word(31))
        differ = builder.icmp_signed("!=", negative, self._get("overflow"))
        holds = (
            lambda: zero,
            lambda: builder.icmp_signed("!=", negative, _word(0)),
            lambda: builder.icmp_signed("!=", self._get("carry"), _word(0)),
            lambda: builder.icmp_signed("!=", self._get("overflow"), _word(0)),
            lambda: builder.not_(differ),
            lambda: builder.or_(zero, differ),
        )[code >> 1]()
        return builder.not_(holds) if code & 1 else holds

    def _shifted(self, row: Any) -> ir.Value:
        """The right operand after the row's shift, as ``operands.shifted`` says."""
        builder, kind = self._builder, int(row["special"])
        value, amount = self._right(row), _word(int(row["shift"]))
        if kind == Shift.NONE:
            return value
        if kind in (Shift.LEFT_INDIRECT, Shift.RIGHT_INDIRECT):
            amount = builder.and_(self._get("last_a"), _word(31))
        if kind in (Shift.LEFT, Shift.LEFT_INDIRECT):
            return builder.and_(builder.shl(value, amount), _word(0xFFFFFFFF))
        if kind == Shift.ROTATE:
            left = builder.shl(value, builder.sub(_word(32), amount))
            return builder.and_(builder.or_(builder.lshr(value, amount), left), _word(0xFFFFFFFF))
        return builder.lshr(value, amount)

    def _execute(self, row: Any) -> None:
        """A plain row that is no branch."""
        builder, kind = self._builder, int(row["kind"])
        if kind == Kind.IMMED:
            value: ir.Value = _word(int(row["imm"]))
        elif kind == Kind.IMMED_PART:
            kept = _word(insert_bytes(0xFFFFFFFF, 0, int(row["option"])))
            part = _word(insert_bytes(0, int(row["imm"]), int(row["option"])))
            value = builder.or_(builder.and_(self._left(row), kept), part)
        elif kind == Kind.LD_FIELD:
            field = int(row["imm"])
            kept = builder.and_(self._left(row), _word(field ^ 0xFFFFFFFF))
            value = builder.or_(kept, builder.and_(self._shifted(row), _word(field)))
            if row["option"]:
                self._set("result", value)
                self._logic_flags()
        elif kind in (Kind.ASR, Kind.DOUBLE_SHIFT):
            left, right = self._left(row), self._right(row)
            amount: ir.Value = _word(int(row["shift"])) if row["shift"] else self._get("last_a")
            if kind == Kind.ASR:
                sign = builder.lshr(self._get("last_result"), _word(31))
                (value,) = _inline(builder, arithmetic_shift_right, (right, amount, sign))
            else:
                (value,) = _inline(builder, double_shift_right, (left, right, amount))
            self._set("last_a", left)
            self._set("result", value)
            self._logic_flags()
        else:
            left = self._left(row)
            if kind == Kind.SHIFT:
                function, right = _SHIFT[int(row["option"])], self._shifted(row)
            else:
                function, right = _ALU[kind], self._right(row)
            value = self._compute(function, left, right)
            self._set("last_a", left)
            self._set("result", value)
        self._set("last_result", value)
        self._write(row, value)

    def _compute(self, function: Callable[..., Any], left: ir.Value, right: ir.Value) -> ir.Value:
        """The result of an ALU operation, with C and V as ``dispatch.source_text`` has them."""
        if function.__code__.co_argcount == 1:
            self._logic_flags()
            return _inline(self._builder, function, [right])[0]
        value, carry, overflow = _inline(self._builder, function, [left, right, self._get("carry")])
        if function in LOGIC_FUNCTIONS:
            self._logic_flags()
        else:
            self._set("carry", carry)
            self._set("overflow", overflow)
        return value

    def _logic_flags(self) -> None:
        if LOGIC_CLEARS_CARRY:
            self._set("carry", _word(0))
            self._set("overflow", _word(0))


# --- machine code ---------------------------------------------------------------------------------------------------


_CODES: dict[bytes, int] = {}
"""Digest of rows -> address of their code."""


def _object_file(digest: bytes) -> Path:
    name = hashlib.sha256(digest + machine_code.host().encode()).hexdigest()[:32]
    return machine_code.FOLDER / "programs" / f"{name}.o"


def _compile(rows: NDArray[Any]) -> bytes:
    """Object code of a program's plain rows."""
    machine = machine_code.target_machine()
    module = llvm.parse_assembly(str(_Program(rows).module))
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=1))
    passes.getModulePassManager().run(module, passes)
    return bytes(machine.emit_object(module))


def translate(rows: NDArray[Any], *, cached_only: bool = False) -> int:
    """Machine code for a program.

    Parameters:
        rows: ROW per word, as the engine executes them.
        cached_only: do not compile.

    Returns:
        address of a function ``int64 run(me, offset, context, pc, time, until)``, valid as long as the process; 0 if it
        would have to be compiled. ``me`` is the address of the ME's record, ``offset`` what is added to
        context-relative register numbers; the result is the program counter of the first row not executed, ``me.time``
        is when it is due, ``me.lost`` grows by cycles of aborted slots. The caller must not be behind a CSR read nor
        within defer slots, but may be at their first with ``pc | SLOTS``. A ``pc`` that is no entry comes back.
    """
    digest = hashlib.sha256(np.ascontiguousarray(rows).tobytes()).digest()
    if digest not in _CODES:
        path = _object_file(digest)
        code = machine_code.kept(path)
        if code is None:
            if cached_only:
                return 0
            code = _compile(rows)
            machine_code.keep(path, code)
        _CODES[digest] = machine_code.load(code)
    return _CODES[digest]


class Translator:
    """Translates the programs of some chips as soon as that pays: at once where the code is cached, else in long runs.

    ``IXPEMU_TRANSLATE`` may be ``always`` (compile at once) or ``never``; results are the same in any case.
    """

    def __init__(self, chips: NDArray[Any]) -> None:
        """``chips``: array of CHIP."""
        self._chips = chips
        self._mode = os.environ.get("IXPEMU_TRANSLATE", "auto")
        if self._mode not in ("auto", "always", "never"):
            raise InputError(f"{self._mode!r}: must be auto, always or never", key="IXPEMU_TRANSLATE")
        self._seconds = 0.0
        self._next_look = 0.0

    def ran(self, seconds: float) -> None:
        """Tell how long the chips were run for, in seconds of host time."""
        self._seconds += seconds

    def keep(self) -> None:
        """Translate what is worth it, before the chips are run on."""
        if self._seconds < self._next_look or self._mode == "never":
            return
        self._next_look = self._seconds + _LOOK_EVERY_SECONDS
        translate_programs(self._chips, cached_only=self._mode == "auto" and self._seconds < _PAYS_AFTER_SECONDS)


_LOOK_EVERY_SECONDS = 0.1
_PAYS_AFTER_SECONDS = 3.0
"""Compiling takes some tenths of a second per program and saves from a tenth of the time on."""


def translate_programs(chips: NDArray[Any], *, cached_only: bool = False) -> None:
    """Translate the programs that microengines have and that are not translated yet.

    Parameters:
        chips: array of CHIP.
        cached_only: leave alone what would have to be compiled.
    """
    for chip in chips:
        images, words = chip["me"]["store"], chip["me"]["program_words"]
        for engine in np.flatnonzero((words > 0) & (chip["code"][images] == 0)):
            image = int(images[engine])
            if not chip["code"][image]:
                rows = chip["store"][image][: int(words[engine])]
                chip["code"][image] = translate(rows, cached_only=cached_only)


@contextlib.contextmanager
def without_translations(chips: NDArray[Any]) -> Iterator[None]:
    """Within it the records hold no addresses of code: they are as good for another process."""
    kept = chips["code"].copy()
    chips["code"] = 0
    try:
        yield
    finally:
        chips["code"] = kept
