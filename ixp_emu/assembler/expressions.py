"""The value of constant expressions: C operators on 32-bit signed numbers. Source: isa.md section 4."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ixp_emu.assembler.syntax import Address, Binary, Call, Choice, Name, Node, Number, Unary

__all__ = ["ExpressionError", "Symbols", "evaluate", "signed32"]


class ExpressionError(Exception):
    """The expression has no constant value; the message says why."""


class Symbols(Protocol):
    """What names stand for in an expression."""

    def constant(self, name: Name) -> int | None:
        """Value of a plain name, None when it is not a constant."""

    def number_of(self, name: Name) -> int:
        """``&name``: number of a transfer register or signal. Raises ExpressionError."""

    def call(self, function: str, arguments: tuple[Node, ...]) -> int | None:
        """Value of a function this place adds (``mask``, ``base``, ``&remote``); None when unknown."""


def signed32(value: int) -> int:
    """The value as the 32-bit signed number the hardware word holds."""
    return ((value + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000


def _divide(left: int, right: int) -> int:
    """C division: towards zero."""
    if right == 0:
        raise ExpressionError("division by zero")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _shift_amount(amount: int) -> int:
    if not 0 <= amount <= 31:
        raise ExpressionError(f"shift by {amount}: must be 0..31")
    return amount


_BINARY: Mapping[str, Callable[[int, int], int]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": _divide,
    "%": lambda left, right: left - right * _divide(left, right),
    "<<": lambda left, right: left << _shift_amount(right),
    ">>": lambda left, right: left >> _shift_amount(right),
    "&": lambda left, right: left & right,
    "|": lambda left, right: left | right,
    "^": lambda left, right: left ^ right,
    "==": lambda left, right: int(left == right),
    "!=": lambda left, right: int(left != right),
    "<": lambda left, right: int(left < right),
    ">": lambda left, right: int(left > right),
    "<=": lambda left, right: int(left <= right),
    ">=": lambda left, right: int(left >= right),
}
_UNARY: Mapping[str, Callable[[int], int]] = {
    "-": lambda value: -value,
    "+": lambda value: value,
    "~": lambda value: ~value,
    "!": lambda value: int(not value),
}


def _log2(value: int) -> int:
    if value <= 0 or value & (value - 1):
        raise ExpressionError(f"log2({value}): must be a power of two")
    return value.bit_length() - 1


def evaluate(node: Node, symbols: Symbols) -> int:
    """The signed 32-bit value of ``node``; a bare literal keeps its value as written. Raises ExpressionError."""
    return node.value if isinstance(node, Number) else _value(node, symbols)


def _value(node: Node, symbols: Symbols) -> int:
    match node:
        case Number():
            return signed32(node.value)
        case Binary(operator="&&"):
            return int(bool(_value(node.left, symbols)) and bool(_value(node.right, symbols)))
        case Binary(operator="||"):
            return int(bool(_value(node.left, symbols)) or bool(_value(node.right, symbols)))
        case Binary():
            return signed32(_BINARY[node.operator](_value(node.left, symbols), _value(node.right, symbols)))
        case Unary():
            return signed32(_UNARY[node.operator](_value(node.operand, symbols)))
        case Choice():
            return _value(node.yes if _value(node.condition, symbols) else node.no, symbols)
        case Address(name=Name() as name):
            return symbols.number_of(name)
        case Address(name=Call() as call):
            number = symbols.call(f"&{call.function}", call.arguments)
            if number is None:
                raise ExpressionError(f"&{call.function}() with {len(call.arguments)} argument(s) is not known here")
            return number
        case Name():
            constant = symbols.constant(node)
            if constant is None:
                raise ExpressionError(f"{node.spelling!r} is not a constant")
            return signed32(constant)
        case Call():
            known = symbols.call(node.function, node.arguments)
            if known is not None:
                return known
            if node.function == "log2" and len(node.arguments) == 1:
                return _log2(_value(node.arguments[0], symbols))
            raise ExpressionError(f"unknown function {node.function!r} with {len(node.arguments)} argument(s)")
        case _:
            raise ExpressionError("a constant expression is needed here")
