"""The registry's semantics, compiled, and dispatch to them by row kind.

The functions of ``ixp_emu.isa.semantics`` are plain Python that never imports numba; here each is compiled in a
namespace where it finds the others compiled too. numba cannot call a function out of a table, so dispatch is a chain
of comparisons, generated from the registry (``source_text`` prints it). Operations without a sum return C and V as the
switch ``logic_clears_carry`` wants them.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from ixp_emu.chip.compiled import small
from ixp_emu.chip.rows import ALU_FUNCTIONS, SHIFT_FUNCTIONS
from ixp_emu.isa import semantics
from ixp_emu.isa.semantics import LOGIC_CLEARS_CARRY

__all__ = ["alu", "compiled_semantics", "shift_logic", "source_text"]


def _compile_all() -> dict[str, Any]:
    namespace: dict[str, Any] = dict(vars(semantics))
    for name in ("CRC_TABLES", "MIRRORED_BYTES"):  # of a long tuple numba would make a case per element
        namespace[name] = np.array(namespace[name])
    for name, value in vars(semantics).items():
        if isinstance(value, FunctionType) and value.__module__ == semantics.__name__:
            namespace[name] = small(FunctionType(value.__code__, namespace, name))
    return namespace


_NAMESPACE = _compile_all()


def compiled_semantics(name: str) -> Any:
    """The compiled form of a function of ``ixp_emu.isa.semantics``."""
    return _NAMESPACE[name]


def source_text(name: str, functions: tuple[tuple[int, Callable[..., Any]], ...]) -> str:
    """Python text of a function ``name(code, left, right, carry, overflow)`` that calls the function of each code."""
    lines = [f"def {name}(code, left, right, carry, overflow):"]
    flags = "0, 0" if LOGIC_CLEARS_CARRY else "carry, overflow"
    for code, function in functions:
        call = f"{function.__name__}(left, right, carry)"
        if function.__code__.co_argcount == 1:  # a function of the right operand alone
            call = f"{function.__name__}(right), {flags}"
        elif function in semantics.LOGIC_FUNCTIONS and not LOGIC_CLEARS_CARRY:
            call = f"{call}[0], {flags}"
        lines += [f"    if code == {code}:", f"        return {call}"]
    lines.append("    return 0, 0, 0")
    return "\n".join(lines) + "\n"


def _generate(name: str, functions: tuple[tuple[int, Callable[..., Any]], ...]) -> Any:
    namespace = dict(_NAMESPACE)
    exec(compile(source_text(name, functions), f"<dispatch of {name}>", "exec"), namespace)
    return small(namespace[name])


alu = _generate("alu", ALU_FUNCTIONS)
"""alu(row kind, left, right, carry, overflow) -> (result, carry, overflow)."""

shift_logic = _generate("shift_logic", SHIFT_FUNCTIONS)
"""shift_logic(option, left, shifted right, carry, overflow) -> (result, carry, overflow)."""
