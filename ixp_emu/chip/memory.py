"""Raw 64-bit fields of records that live outside the chip: frame tables, links, logs."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["load_field", "store_field"]


@intrinsic
def load_field(typingctx: Any, address: Any) -> Any:
    """The int64 at a raw, aligned address."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(builder.inttoptr(args[0], ir.IntType(64).as_pointer()), align=8)

    return types.int64(types.int64), codegen


@intrinsic
def store_field(typingctx: Any, address: Any, value: Any) -> Any:
    """Store an int64 at a raw, aligned address."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], ir.IntType(64).as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen
