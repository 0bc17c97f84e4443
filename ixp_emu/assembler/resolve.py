"""Names in a scope -> what the instruction set knows: registers, constants, labels, signals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ixp_emu.assembler.expressions import ExpressionError, evaluate
from ixp_emu.assembler.scopes import NUMBERED_TRANSFER, REGISTER_KINDS, Scope, Variable, VariableKind
from ixp_emu.assembler.source import OUTER
from ixp_emu.assembler.structures import Location, base_constant
from ixp_emu.assembler.syntax import (
    Address,
    Binary,
    Call,
    Choice,
    IndexRegister,
    LabelName,
    Name,
    Node,
    NoRegister,
    Number,
    Shift,
    Unary,
    source_text,
)
from ixp_emu.isa.operands import NULL, Immediate, Label, Register, RegisterKind
from ixp_emu.isa.source import Argument, Token

__all__ = ["Constants", "Resolver", "signal_numbers"]

_INDEX_KINDS = {
    "l$index0": RegisterKind.LOCAL_MEMORY_0,
    "l$index1": RegisterKind.LOCAL_MEMORY_1,
    "n$index": RegisterKind.NEIGHBOR_INDEX,
    "$index": RegisterKind.SRAM_INDEX,
    "$$index": RegisterKind.DRAM_INDEX,
}
_ENGINES = frozenset({0, 1, 2, 3, 0x10, 0x11, 0x12, 0x13})
_NUMBERED_KINDS = {"$": RegisterKind.SRAM, "$$": RegisterKind.DRAM, "n$": RegisterKind.NEIGHBOR}


class Constants:
    """Symbols where no scope is: import variables and bases of structures.

    Parameters:
        imports: import variable -> value, names with or without ``i$``.
        locations: structure -> location.
        regions: names, in lower case, of memory regions: as a constant a region is its address.
    """

    def __init__(
        self, imports: Mapping[str, int], locations: Mapping[str, Location], regions: Iterable[str] = ()
    ) -> None:
        self._regions = frozenset(regions)
        self._imports = {name.lower().removeprefix("i$"): value for name, value in imports.items()}
        self._locations = {name.lower(): location for name, location in locations.items()}

    def constant(self, name: Name) -> int | None:
        spelling = name.spelling.lower().rstrip(OUTER)
        if spelling in self._regions and name.index is None:
            return self.call("base", (name,))
        return self._imports.get(spelling[2:]) if spelling.startswith("i$") else None

    def number_of(self, name: Name) -> int:
        raise ExpressionError(f"&{source_text(name)} is not known here")

    def call(self, function: str, arguments: tuple[Node, ...]) -> int | None:
        if function != "base" or len(arguments) != 1:
            return None
        name = source_text(arguments[0]).rstrip(OUTER)
        location = self._locations.get(name.lower())
        if location is None:
            raise ExpressionError(f"base({name}): no such structure, or it has no location")
        if location.relocatable:
            raise ExpressionError(
                f"base({name}): the address is given at load: only immed, immed_w0 and immed_w1 take it, alone, "
                f"& 0xFFFF or >> 16; or assemble with --place {name}={location.memory}:ADDRESS"
            )
        return base_constant(location)

    def open_symbol(self, node: Node) -> str | None:
        """The import variable or structure, in lower case, whose missing value the node stands for; else None."""
        match node:
            case Name(index=None):
                name = node.spelling.lower().rstrip(OUTER)
                if name in self._regions:
                    return self.open_symbol(Call("base", (node,)))
                return name if name.startswith("i$") and name[2:] not in self._imports else None
            case Call(function="base", arguments=(structure,)):
                name = source_text(structure).lower().rstrip(OUTER)
                location = self._locations.get(name)
                return name if location is not None and location.relocatable else None
        return None


class Resolver:
    """Looks names up in one scope, after transfer registers and signals have their numbers."""

    def __init__(self, scope: Scope, constants: Constants, unique_names: Mapping[int, str]) -> None:
        self._scope = scope
        self._constants = constants
        self._unique_names = unique_names

    # -- Symbols -------------------------------------------------------------------------------------------------

    def constant(self, name: Name) -> int | None:
        return self._constants.constant(name)

    def number_of(self, name: Name) -> int:
        variable = self._scope.find(name.spelling.lower())
        if variable is None:
            numbered = NUMBERED_TRANSFER.fullmatch(name.spelling.lower())
            if numbered is not None:
                return int(numbered.group(2))
            raise ExpressionError(f"&{source_text(name)}: {name.spelling!r} is not declared")
        if variable.kind in (VariableKind.GPR, VariableKind.ABSOLUTE) or variable.number is None:
            raise ExpressionError(f"&{source_text(name)}: needs a transfer register or a signal")
        return variable.number + self._element(variable, name)

    def call(self, function: str, arguments: tuple[Node, ...]) -> int | None:
        if function == "mask" and len(arguments) == 1 and isinstance(arguments[0], Name):
            return sum(1 << number for number in self.signals(arguments[0]))
        if function == "&remote" and len(arguments) == 2 and isinstance(arguments[0], Name):
            return self._remote(arguments[0], evaluate(arguments[1], self))
        return self._constants.call(function, arguments)

    def _remote(self, name: Name, engine: int) -> int:
        """Number of a register or signal in another microengine's program."""
        text = f"&remote({source_text(name)}, {engine})"
        if engine not in _ENGINES:
            raise ExpressionError(f"{text}: microengine {engine:#x}: must be 0x00..0x03 or 0x10..0x13")
        variable = self._scope.find_remote(name.spelling.lower())
        if variable is None:
            raise ExpressionError(f"{text}: {name.spelling!r} is not declared remote")
        if variable.number is None:
            raise ExpressionError(f"{text}: its number is not known here: fix it with .addr in both programs")
        return variable.number + self._element(variable, name)

    # -- operands ------------------------------------------------------------------------------------------------

    def signals(self, name: Name) -> tuple[int, ...]:
        """Numbers of a signal: two of a doubled one, one of ``signal[0]`` (even) or ``signal[1]``."""
        variable = self._scope.find(name.spelling.lower())
        if variable is None or variable.kind is not VariableKind.SIGNAL or variable.number is None:
            raise ExpressionError(f"{source_text(name)!r} is not a declared signal")
        if name.index is None:
            return tuple(range(variable.number, variable.number + variable.span))
        halves = {"read": 0, "write": 1}
        index = source_text(name.index).lower()
        half = halves[index] if index in halves else evaluate(name.index, self)
        if not 0 <= half < variable.span:
            raise ExpressionError(f"{source_text(name)!r}: the signal has {variable.span} part(s)")
        return (variable.number + half,)

    def argument(self, node: Node) -> Argument:
        """What the binder receives for one argument. Raises ExpressionError."""
        match node:
            case Number():
                return Argument(node.spelling, Immediate(node.value))
            case Name():
                return self._name(node)
            case NoRegister():
                return Argument("--", NULL)
            case LabelName():
                address = self._scope.find_label(node.name)
                if address is None:
                    raise ExpressionError(f"label '{node.name}#' is not defined")
                return Argument(f"{node.name}#", Label(node.name, address))
            case IndexRegister() if node.file not in _INDEX_KINDS:
                return Argument(source_text(node))
            case IndexRegister():
                offset = 0 if node.offset is None else evaluate(node.offset, self)
                return Argument(source_text(node), Register(_INDEX_KINDS[node.file], offset=offset, step=node.step))
            case Shift():
                return Argument(node.direction + self._shift_amount(node.amount))
            case Address() | Binary() | Unary() | Choice() | Call():
                value = evaluate(node, self)
                return Argument(str(value), Immediate(value))
            case _:
                return Argument(source_text(node))

    def token(self, name: str, arguments: tuple[Node, ...]) -> Token:
        return Token(name, tuple(self.argument(node) for node in arguments))

    def is_unknown(self, node: Node) -> bool:
        """Whether the node is a word that no declaration explains: a keyword, or a forgotten declaration."""
        return (
            isinstance(node, Name)
            and node.index is None
            and self._scope.find(node.spelling.lower()) is None
            and self._scope.find_remote(node.spelling.lower()) is None
            and not node.spelling.lower().startswith("i$")
        )

    def _shift_amount(self, node: Node) -> str:
        if isinstance(node, Name) and self.constant(node) is None:
            return node.spelling.lower()
        return str(evaluate(node, self))

    def _name(self, name: Name) -> Argument:
        spelling = name.spelling.lower()
        variable = self._scope.find(spelling)
        if variable is None:
            constant = self.constant(name)
            if constant is not None:
                return Argument(spelling, Immediate(constant))
            numbered = NUMBERED_TRANSFER.fullmatch(spelling)
            if numbered is not None and name.index is None:
                kind = _NUMBERED_KINDS[numbered.group(1)]
                return Argument(spelling, Register(kind, int(numbered.group(2)), name=spelling))
            if spelling.startswith("i$"):
                raise ExpressionError(
                    f"{spelling!r}: no value given for this import variable: only immed, immed_w0 and immed_w1 take it"
                )
            if self._scope.find_remote(spelling) is not None:
                raise ExpressionError(f"{source_text(name)!r} is remote: only &remote() can name it")
            if spelling.startswith(("$", "@", "n$")) or name.index is not None:
                raise ExpressionError(f"{source_text(name)!r} is not declared")
            return Argument(source_text(name).rstrip(OUTER))
        if variable.kind is VariableKind.SIGNAL:
            return Argument(source_text(name).lower())
        element = self._element(variable, name)
        unique = self._unique_names[id(variable)] + (f"[{element}]" if variable.is_array else "")
        if variable.kind in (VariableKind.GPR, VariableKind.ABSOLUTE):
            return Argument(source_text(name), Register(REGISTER_KINDS[variable.kind], name=unique))
        assert variable.number is not None
        return Argument(
            source_text(name), Register(REGISTER_KINDS[variable.kind], variable.number + element, name=unique)
        )

    def _element(self, variable: Variable, name: Name) -> int:
        if name.index is None:
            if variable.is_array and variable.kind in (VariableKind.GPR, VariableKind.ABSOLUTE):
                raise ExpressionError(f"{name.spelling!r} is an array: write {name.spelling}[n]")
            return 0
        if variable.kind is VariableKind.SIGNAL:
            return self.signals(name)[0] - (variable.number or 0)
        element = evaluate(name.index, self)
        if not variable.is_array or not -variable.lead <= element < variable.count + variable.tail:
            bound = f"elements 0..{variable.count - 1}" if variable.is_array else "no elements"
            raise ExpressionError(f"{name.spelling}[{element}]: {name.spelling!r} has {bound}")
        return element


def signal_numbers(resolver: Resolver, text: str) -> tuple[int, ...]:
    """Numbers behind the text of a signal as the binder kept it: ``name`` or ``name[half]``."""
    match = re.fullmatch(r"([^\[]+)(?:\[(\w+)\])?", text)
    if match is None:
        raise ExpressionError(f"{text!r} is not a declared signal")
    half = match.group(2)
    index: Node | None = None
    if half is not None:
        index = Number(int(half), half) if half.isdigit() else Name(half)
    return resolver.signals(Name(match.group(1), index))
