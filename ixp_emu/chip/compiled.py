"""How functions of the engine are marked for compilation, and the machine-level operations they may use.

Nothing here imports numba: it is needed only to compile (:mod:`ixp_emu.chip.pipeline`), not to run compiled code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from ixp_emu.chip.kernel import Kernel

__all__ = [
    "NEVER",
    "Callee",
    "Primitive",
    "add_to_bytes",
    "address_of",
    "call_translation",
    "compiled",
    "copy_4_words",
    "copy_bytes",
    "count_trailing_zeros",
    "kernel",
    "least_of_6",
    "least_of_8",
    "load_acquire",
    "load_big_endian",
    "load_field",
    "load_u8",
    "load_u32",
    "notes_at",
    "rare",
    "s64",
    "small",
    "store_big_endian",
    "store_field",
    "store_release",
    "store_u8",
    "store_u32",
    "u",
]

NEVER = 1 << 62
"""A time or key later than any real one."""

_F = TypeVar("_F", bound=Callable[..., Any])


class Callee:
    """A function that kernels call; Python cannot.

    Attributes:
        py_func: the function as Python text has it.
        inlined: whether it is inlined at every call.
        rare: whether it is seldom called.
        dispatcher: its compiled forms as numba keeps them; None before the first.
    """

    def __init__(self, py_func: Callable[..., Any], *, inlined: bool = False, rare: bool = False) -> None:
        self.py_func = py_func
        self.inlined = inlined
        self.rare = rare
        self.dispatcher: Any = None


class Primitive:
    """A machine-level operation within compiled functions, as :mod:`ixp_emu.chip.primitives` implements it."""

    def __init__(self, name: str) -> None:
        self.name = name


def compiled(function: _F) -> _F:
    """Compile as a callee of a kernel; never kept by itself."""
    return cast("_F", Callee(function))


def small(function: _F) -> _F:
    """Compile as a callee that is inlined at every call."""
    return cast("_F", Callee(function, inlined=True))


def rare(function: _F) -> _F:
    """Compile as a callee that is seldom called, so that its code and the way to it lie apart from what runs often."""
    return cast("_F", Callee(function, rare=True))


def kernel(function: _F) -> _F:
    """Compile as an entry point called from Python, kept on disk (:class:`ixp_emu.chip.kernel.Kernel`)."""
    return cast("_F", Kernel(function))


u: Any = Primitive("u")
"""u(value): reinterpret an integer as unsigned 64 bits: an index without numba's wrap-around test."""

s64: Any = Primitive("s64")
"""s64(value): any integer as int64 (numba's ``int`` keeps fields unsigned; mixed arithmetic becomes floating point)."""

load_u32: Any = Primitive("load_u32")
"""load_u32(address): the 32-bit word at a raw address, as int64."""

load_u8: Any = Primitive("load_u8")
"""load_u8(address): the byte at a raw address, as int64."""

store_u32: Any = Primitive("store_u32")
"""store_u32(address, value): store the low 32 bits of an int64 at a raw address."""

store_u8: Any = Primitive("store_u8")
"""store_u8(address, value): store the low 8 bits of an int64 at a raw address."""

load_field: Any = Primitive("load_field")
"""load_field(address): the int64 at a raw, aligned address."""

store_field: Any = Primitive("store_field")
"""store_field(address, value): store an int64 at a raw, aligned address."""

load_big_endian: Any = Primitive("load_big_endian")
"""load_big_endian(address): the 32-bit word whose most significant byte is at a raw address, aligned or not."""

store_big_endian: Any = Primitive("store_big_endian")
"""store_big_endian(address, value): store the low 32 bits of an int64, the most significant byte first."""

address_of: Any = Primitive("address_of")
"""address_of(record): the address of a record, for the operations on raw addresses."""

notes_at: Any = Primitive("notes_at")
"""notes_at(address): the record of ``recurrence.NOTES`` at an address."""

copy_bytes: Any = Primitive("copy_bytes")
"""copy_bytes(target, source, count): copy bytes between raw addresses; the ranges do not overlap."""

copy_4_words: Any = Primitive("copy_4_words")
"""copy_4_words(target, source, count): copy the first ``count`` (at least 0) of 4 words of 32 bits between addresses
that have all 16 bytes; the target keeps the others. No branch depends on the count."""

add_to_bytes: Any = Primitive("add_to_bytes")
"""add_to_bytes(address, addends): add an int64 to the 8 bytes at a raw address, aligned or not; no byte overflows."""

load_acquire: Any = Primitive("load_acquire")
"""load_acquire(address): the int64 at a raw, aligned address; later reads are not moved before it."""

store_release: Any = Primitive("store_release")
"""store_release(address, value): store an int64 at a raw, aligned address; earlier writes are not moved behind it."""

call_translation: Any = Primitive("call_translation")
"""call_translation(address, me, offset, context, pc, time, until): call the function at an address that ``translate``
gave, with an ME's record."""

count_trailing_zeros: Any = Primitive("count_trailing_zeros")
"""count_trailing_zeros(value): number of zero bits below the lowest set bit of a non-zero int64."""

least_of_8: Any = Primitive("least_of_8")
"""least_of_8(record, first): the least of 8 int64 of a record that begins with int64, from number ``first`` on.

A tree of selects over single loads: branches would be mispredicted, and a vector load right after the store of one key
waits until that store has left the store buffer. Atomic (monotonic) loads are plain ones that stay single."""

least_of_6: Any = Primitive("least_of_6")
"""least_of_6(record, first): the least of 6 int64 (see ``least_of_8``)."""
