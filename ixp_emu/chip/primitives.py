"""Machine-level operations that numba does not offer; :mod:`ixp_emu.chip.compiled` names and describes them.

Each is an intrinsic in numba's sense: it gets the types of its operands and returns its signature and what emits its
instructions.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

__all__ = [
    "call_translation",
    "count_trailing_zeros",
    "least_of_6",
    "least_of_8",
    "load_acquire",
    "load_field",
    "load_u8",
    "load_u32",
    "s64",
    "store_field",
    "store_release",
    "store_u8",
    "store_u32",
    "u",
]


def u(typingctx: Any, value: Any) -> Any:
    """Reinterpret an integer as unsigned 64 bits: an index without numba's wrap-around test."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if value.bitwidth == 64:
            return args[0]
        extend = builder.sext if value.signed else builder.zext
        return extend(args[0], ir.IntType(64))

    return types.uint64(value), codegen


def s64(typingctx: Any, value: Any) -> Any:
    """Any integer as int64 (numba's ``int`` keeps fields unsigned, and mixed arithmetic becomes floating point)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if value.bitwidth == 64:
            return args[0]
        extend = builder.sext if value.signed else builder.zext
        return extend(args[0], ir.IntType(64))

    return types.int64(value), codegen


def _pointer(builder: Any, address: Any, bits: int) -> Any:
    return builder.inttoptr(address, ir.IntType(bits).as_pointer())


def _loader(bits: int) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = builder.load(_pointer(builder, args[0], bits), align=bits // 8)
        return builder.zext(value, ir.IntType(64))

    return codegen


def _storer(bits: int) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = builder.trunc(args[1], ir.IntType(bits))
        builder.store(value, _pointer(builder, args[0], bits), align=bits // 8)
        return context.get_dummy_value()

    return codegen


def load_u32(typingctx: Any, address: Any) -> Any:
    """The 32-bit word at a raw address, as int64."""
    return types.int64(types.int64), _loader(32)


def load_u8(typingctx: Any, address: Any) -> Any:
    """The byte at a raw address, as int64."""
    return types.int64(types.int64), _loader(8)


def store_u32(typingctx: Any, address: Any, value: Any) -> Any:
    """Store the low 32 bits of an int64 at a raw address."""
    return types.void(types.int64, types.int64), _storer(32)


def store_u8(typingctx: Any, address: Any, value: Any) -> Any:
    """Store the low 8 bits of an int64 at a raw address."""
    return types.void(types.int64, types.int64), _storer(8)


def load_field(typingctx: Any, address: Any) -> Any:
    """The int64 at a raw, aligned address."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(builder.inttoptr(args[0], ir.IntType(64).as_pointer()), align=8)

    return types.int64(types.int64), codegen


def store_field(typingctx: Any, address: Any, value: Any) -> Any:
    """Store an int64 at a raw, aligned address."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], ir.IntType(64).as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


def load_acquire(typingctx: Any, address: Any) -> Any:
    """The int64 at a raw, aligned address; later reads are not moved before it."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_pointer(builder, args[0], 64), "acquire", 8)

    return types.int64(types.int64), codegen


def store_release(typingctx: Any, address: Any, value: Any) -> Any:
    """Store an int64 at a raw, aligned address; earlier writes are not moved behind it."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], _pointer(builder, args[0], 64), "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


def call_translation(
    typingctx: Any, address: Any, me: Any, offset: Any, context: Any, pc: Any, time: Any, until: Any
) -> Any:
    """Call the function at an address that ``translate`` gave, with an ME's record."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word, record = ir.IntType(64), ir.IntType(8).as_pointer()
        function = ir.FunctionType(word, [record, *([word] * 5)])
        pointer = builder.inttoptr(args[0], function.as_pointer())
        return builder.call(pointer, [builder.bitcast(args[1], record), *args[2:]])

    return types.int64(types.int64, me, *([types.int64] * 5)), codegen


def count_trailing_zeros(typingctx: Any, value: Any) -> Any:
    """Number of zero bits below the lowest set bit of a non-zero int64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], cgutils.true_bit)

    return types.int64(types.int64), codegen


def _least(count: int) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        base = builder.bitcast(args[0], word.as_pointer())
        first = args[1]
        values = [
            builder.load_atomic(builder.gep(base, [builder.add(first, ir.Constant(word, i))]), "monotonic", 8)
            for i in range(count)
        ]
        while len(values) > 1:
            pairs = zip(values[::2], values[1::2], strict=False)
            reduced = [builder.select(builder.icmp_signed("<", left, right), left, right) for left, right in pairs]
            values = reduced + values[len(values) // 2 * 2 :]
        return values[0]

    return codegen


def least_of_8(typingctx: Any, record: Any, first: Any) -> Any:
    """The least of 8 int64 of a record that begins with int64, from number ``first`` on.

    A tree of selects over single loads: branches would be mispredicted, and a vector load right after the store of one
    key waits until that store has left the store buffer. Atomic (monotonic) loads are plain ones that stay single.
    """
    return types.int64(record, types.int64), _least(8)


def least_of_6(typingctx: Any, record: Any, first: Any) -> Any:
    """The least of 6 int64 (see :func:`least_of_8`)."""
    return types.int64(record, types.int64), _least(6)
