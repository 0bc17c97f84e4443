"""From source instructions to instructions of the instruction set, symbolic only in their general registers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

from ixp_emu import isa
from ixp_emu.assembler.allocate import Wanted
from ixp_emu.assembler.declare import PlacedWord
from ixp_emu.assembler.expressions import ExpressionError
from ixp_emu.assembler.references import linked_argument, reference_in
from ixp_emu.assembler.resolve import Constants, Resolver, signal_numbers
from ixp_emu.assembler.scopes import Scope, Variable, VariableKind
from ixp_emu.assembler.source import OUTER, Diagnostics, SourceError
from ixp_emu.assembler.syntax import Name, SourceInstruction

__all__ = ["Binder"]


@cache
def _keywords() -> Mapping[tuple[str, int], frozenset[str]]:
    """Words that are no names at a place of an instruction: (mnemonic, position) -> words, as ``b`` in an alu."""
    words: dict[tuple[str, int], set[str]] = {}
    for operation in isa.OPERATIONS:
        for syntax in operation.syntaxes:
            for position, literal in syntax.literals:
                words.setdefault((syntax.mnemonic, position), set()).add(literal)
    return {place: frozenset(found) for place, found in words.items()}


class Binder:
    """Binds the words of one program, after transfer registers and signals have their numbers.

    Attributes:
        unique: id of a variable -> a name of its own; the same name in two scopes is two variables.
        wanted: unique name of each general register -> what the program asks of it.
    """

    def __init__(self, variables: Iterable[Variable], constants: Constants, diagnostics: Diagnostics) -> None:
        self._constants = constants
        self._diagnostics = diagnostics
        self._resolvers: dict[int, Resolver] = {}
        self.unique: dict[int, str] = {}
        self.wanted: dict[str, Wanted] = {}
        self._name(variables)

    def _name(self, variables: Iterable[Variable]) -> None:
        """Every general register gets a name of its own: the same name in two scopes is two registers."""
        seen: dict[str, int] = {}
        for variable in variables:
            seen[variable.name] = number = seen.get(variable.name, 0) + 1
            unique = variable.name if number == 1 else f"{variable.name}'{number}"
            self.unique[id(variable)] = unique
            if variable.kind not in (VariableKind.GPR, VariableKind.ABSOLUTE):
                continue
            everywhere = variable.kind is VariableKind.ABSOLUTE or bool(
                variable.qualifiers & {"global", "volatile", "visible"}
            )
            for element in range(variable.count):
                suffix = f"[{element}]" if variable.is_array else ""
                self.wanted[unique + suffix] = Wanted(
                    shown=variable.name + suffix,
                    absolute=variable.kind is VariableKind.ABSOLUTE,
                    everywhere=everywhere,
                    bank=variable.bank,
                    number=None if variable.number is None else variable.number + element,
                )

    def _resolver(self, scope: Scope) -> Resolver:
        resolver = self._resolvers.get(id(scope))
        if resolver is None:
            resolver = self._resolvers[id(scope)] = Resolver(scope, self._constants, self.unique)
        return resolver

    def bind(self, word: PlacedWord) -> isa.Instruction | None:
        """The instruction of one word, symbolic only in its general registers; None for a raw word or an error."""
        source = word.instruction
        if source is None:
            return None
        resolver = self._resolver(word.scope)
        try:
            if isa.is_nfp_mnemonic(source.mnemonic):
                raise SourceError(word.place, str(isa.nfp_only(source.mnemonic)))
            if source.mnemonic not in isa.MNEMONICS:
                raise SourceError(word.place, f"unknown instruction or macro '{source.mnemonic}'")
            word.reference = reference_in(source, self._constants)
            arguments = [
                isa.Argument(node.spelling.rstrip(OUTER))
                if isinstance(node, Name)
                and node.spelling.lower().rstrip(OUTER) in _keywords().get((source.mnemonic, position), ())
                else linked_argument(source, position, word.reference, self._constants) or resolver.argument(node)
                for position, node in enumerate(source.arguments)
            ]
            tokens = [resolver.token(token.name, token.arguments) for token in source.tokens]
            bound = isa.bind(source.mnemonic, arguments, tokens)
            names = {text for text in (bound.signal, *bound.signals) if isinstance(text, str)}
            return bound.replace_signals({text: signal_numbers(resolver, text) for text in names}) if names else bound
        except (isa.IsaError, ExpressionError) as error:
            self._diagnostics.add(SourceError(word.place, self._explained(str(error), source, resolver)))
        except SourceError as error:
            self._diagnostics.add(error)
        return None

    def _explained(self, message: str, source: SourceInstruction, resolver: Resolver) -> str:
        """A word the instruction set does not know is most often a forgotten declaration."""
        if "declared" not in message:
            for node in source.arguments:
                if isinstance(node, Name) and resolver.is_unknown(node):
                    keywords = _keywords().get((source.mnemonic, source.arguments.index(node)), ())
                    named = re.search(rf"(?<![\w$@]){re.escape(node.spelling)}(?!\w)", message)
                    if named and node.spelling.lower() not in keywords:
                        return f"{message} ('{node.spelling}' is not declared)"
        return message

    def general_names(self, word: PlacedWord, names: Iterable[str]) -> frozenset[str]:
        """Unique names of the general registers that liveness hints name; arrays count element by element."""
        result: set[str] = set()
        for name in names:
            base, _, index = name.partition("[")
            variable = word.scope.find(base)
            if variable is None:
                self._diagnostics.add(SourceError(word.place, f"liveness hint: {name!r} is not declared"))
            elif variable.kind in (VariableKind.GPR, VariableKind.ABSOLUTE):
                unique = self.unique[id(variable)]
                if not variable.is_array:
                    result.add(unique)
                elif index:
                    result.add(f"{unique}[{index}")
                else:
                    result.update(f"{unique}[{element}]" for element in range(variable.count))
        return frozenset(result & self.wanted.keys())
