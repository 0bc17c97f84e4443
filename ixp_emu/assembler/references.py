"""Values that are missing until a program is linked: import variables and addresses of relocatable structures.

They may stand as the constant of ``immed``, ``immed_w0`` and ``immed_w1``: alone, plus or minus a number, and as one
half (``& 0xFFFF``, ``>> 16``). ``immed_w0`` and ``immed_w1`` take their half of an import variable by themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

from ixp_emu.assembler.declare import PlacedWord
from ixp_emu.assembler.expressions import ExpressionError, Symbols, evaluate, signed32
from ixp_emu.assembler.program import Part, Reference
from ixp_emu.assembler.source import Diagnostics, SourceError
from ixp_emu.assembler.syntax import Binary, Name, Node, SourceInstruction, source_text
from ixp_emu.isa.operands import Immediate
from ixp_emu.isa.source import Argument

__all__ = ["OpenSymbols", "check_references", "linked_argument", "reference_in"]

_VALUE_POSITION = 1  # of the three instructions' constant
_HALVES: dict[str, Part] = {"immed_w0": "low", "immed_w1": "high"}
_HALF_BITS = 16
_HALF_MASK = (1 << _HALF_BITS) - 1


class OpenSymbols(Symbols, Protocol):
    """Constants, and what is not known yet."""

    def open_symbol(self, node: Node) -> str | None:
        """The symbol whose missing value the node stands for."""


def reference_in(body: SourceInstruction, symbols: OpenSymbols) -> Reference | None:
    """What the constant of an instruction needs from the linker; None when it needs nothing, or cannot be linked."""
    if body.mnemonic not in ("immed", *_HALVES) or len(body.arguments) != _VALUE_POSITION + 1:
        return None
    node = body.arguments[_VALUE_POSITION]
    part: Part = "whole"
    match node:
        case Binary(operator=">>", right=right) if _number(right, symbols) == _HALF_BITS:
            part, node = "high", node.left
        case Binary(operator="&", right=right) if _number(right, symbols) == _HALF_MASK:
            part, node = "low", node.left
            if isinstance(node, Binary) and node.operator == ">>" and _number(node.right, symbols) == _HALF_BITS:
                part, node = "high", node.left
    found = _symbol_and_addend(node, symbols)
    if found is None:
        return None
    if part == "whole":
        part = _HALVES.get(body.mnemonic, "whole")
    return Reference(found[0], part, signed32(found[1]))


def _symbol_and_addend(node: Node, symbols: OpenSymbols) -> tuple[str, int] | None:
    symbol = symbols.open_symbol(node)
    if symbol is not None:
        return symbol, 0
    if not isinstance(node, Binary) or node.operator not in ("+", "-"):
        return None
    number = _number(node.right, symbols)
    if number is not None:
        found = _symbol_and_addend(node.left, symbols)
        return found and (found[0], found[1] + (number if node.operator == "+" else -number))
    number = _number(node.left, symbols)
    if number is not None and node.operator == "+":
        found = _symbol_and_addend(node.right, symbols)
        return found and (found[0], found[1] + number)
    return None


def _number(node: Node, symbols: Symbols) -> int | None:
    try:
        return evaluate(node, symbols)
    except ExpressionError:
        return None


def linked_argument(
    body: SourceInstruction, position: int, reference: Reference | None, symbols: Symbols
) -> Argument | None:
    """What the binder receives for a constant that waits for the linker, or for the half of an import variable.

    None for every other argument.
    """
    node = body.arguments[position]
    if position != _VALUE_POSITION:
        return None
    if reference is not None:
        return Argument(source_text(node), Immediate(0))
    value = symbols.constant(node) if body.mnemonic in _HALVES and isinstance(node, Name) else None
    if value is None:
        return None
    half = value >> _HALF_BITS if _HALVES[body.mnemonic] == "high" else value
    return Argument(source_text(node), Immediate(half & _HALF_MASK))


def check_references(words: Iterable[PlacedWord], imports: Collection[str], diagnostics: Diagnostics) -> None:
    """Import variables must be declared; only then is a missing value meant."""
    for word in words:
        reference = word.reference
        if reference is not None and reference.is_import and reference.symbol not in imports:
            diagnostics.add(SourceError(word.place, f"{reference.symbol!r} is not declared with .import_var"))
