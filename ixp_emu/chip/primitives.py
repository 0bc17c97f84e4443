"""Machine-level operations that numba does not offer; :mod:`ixp_emu.chip.compiled` names and describes them.

Each is an intrinsic in numba's sense: it gets the types of its operands and returns its signature and what emits its
instructions.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import from_dtype, types
from numba.core import cgutils

from ixp_emu.chip.recurrence import NOTES

__all__ = [
    "add_to_bytes",
    "address_of",
    "call_translation",
    "copy_4_words",
    "copy_bytes",
    "count_trailing_zeros",
    "least_of_6",
    "least_of_8",
    "load_acquire",
    "load_big_endian",
    "load_field",
    "load_u8",
    "load_u32",
    "notes_at",
    "s64",
    "store_big_endian",
    "store_field",
    "store_release",
    "store_u8",
    "store_u32",
    "u",
]

_NOTES = from_dtype(NOTES)


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


def load_big_endian(typingctx: Any, address: Any) -> Any:
    """The 32-bit word whose most significant byte is at a raw address, aligned or not, as int64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = builder.load(_pointer(builder, args[0], 32), align=1)
        return builder.zext(builder.bswap(value), ir.IntType(64))

    return types.int64(types.int64), codegen


def store_big_endian(typingctx: Any, address: Any, value: Any) -> Any:
    """Store the low 32 bits of an int64 with the most significant byte at a raw address, aligned or not."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = builder.bswap(builder.trunc(args[1], ir.IntType(32)))
        builder.store(word, _pointer(builder, args[0], 32), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


def address_of(typingctx: Any, record: Any) -> Any:
    """The address of a record, for the operations on raw addresses."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(args[0], ir.IntType(64))

    return types.int64(record), codegen


def notes_at(typingctx: Any, address: Any) -> Any:
    """The record of ``recurrence.NOTES`` at an address."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(_NOTES))

    return _NOTES(types.int64), codegen


def copy_bytes(typingctx: Any, target: Any, source: Any, count: Any) -> Any:
    """Copy bytes between raw addresses; the ranges do not overlap."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target, source = (_pointer(builder, address, 8) for address in args[:2])
        cgutils.raw_memcpy(builder, target, source, args[2], 1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


def copy_4_words(typingctx: Any, target: Any, source: Any, count: Any) -> Any:
    """Copy the first ``count`` (at least 0) of 4 words of 32 bits between raw addresses; the target keeps the others.

    Both addresses must have all 16 bytes. Without a branch that depends on the count.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word, vector = ir.IntType(64), ir.VectorType(ir.IntType(32), 4)
        target, source = (builder.inttoptr(address, vector.as_pointer()) for address in args[:2])
        lanes = ir.VectorType(word, 4)
        counts = ir.Constant(lanes, ir.Undefined)
        for lane in range(4):
            counts = builder.insert_element(counts, args[2], ir.Constant(ir.IntType(32), lane))
        taken = builder.icmp_signed(">", counts, ir.Constant(lanes, [ir.Constant(word, lane) for lane in range(4)]))
        new, old = (builder.load(pointer, align=4) for pointer in (source, target))
        builder.store(builder.select(taken, new, old), target, align=4)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


def add_to_bytes(typingctx: Any, address: Any, addends: Any) -> Any:
    """Add an int64 to the 8 bytes at a raw address, aligned or not; no byte overflows."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(builder, args[0], 64)
        builder.store(builder.add(builder.load(pointer, align=1), args[1]), pointer, align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


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
