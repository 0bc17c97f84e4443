"""The assembler: source text -> ParsedProgram -> Program.

``parse`` needs no placement: it preprocesses, parses and collects the structures a program declares. ``assemble``
lowers structure accesses and structured code, numbers transfer registers and signals, binds every line to an
instruction, allocates general registers and encodes. Every source instruction is one word, in source order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from ixp_emu import isa
from ixp_emu.assembler.allocate import Allocation, Wanted, allocate
from ixp_emu.assembler.check import check_neighbours
from ixp_emu.assembler.declare import Declarations, PlacedWord, declare
from ixp_emu.assembler.expressions import ExpressionError
from ixp_emu.assembler.flow import flow_graph
from ixp_emu.assembler.lowering import Item
from ixp_emu.assembler.numbering import number_variables, registers_per_context
from ixp_emu.assembler.parser import SyntaxProblem, parse_statement
from ixp_emu.assembler.preprocess import Preprocessor
from ixp_emu.assembler.program import CONTROL_STORE_WORDS, Program, RegisterName
from ixp_emu.assembler.references import check_references, linked_argument, reference_in
from ixp_emu.assembler.resolve import Constants, Resolver, signal_numbers
from ixp_emu.assembler.scopes import Scope, Variable, VariableKind
from ixp_emu.assembler.source import Diagnostics, Place, SourceError
from ixp_emu.assembler.structure_access import lower_structures
from ixp_emu.assembler.structured import lower_structured
from ixp_emu.assembler.structures import Location, StructureDeclaration, declare_structures
from ixp_emu.assembler.syntax import Name, SourceInstruction
from ixp_emu.errors import InputError

__all__ = ["ParsedProgram", "assemble", "parse"]

_Value = TypeVar("_Value")

_NO_CONSTANTS = Constants({}, {})
_FILES = {VariableKind.SRAM: "$", VariableKind.DRAM: "$$", VariableKind.NEIGHBOR: "n$"}


@dataclass(frozen=True)
class ParsedProgram:
    """A program before its structures are placed.

    Attributes:
        name: for messages and reports.
        structures: what it declares, in order.
        items: its statements.
        sources: text of every file read, by name.
        defines: names defined for it.
        warnings: from preprocessing.
        notes: texts of ``#info``, as ``file:line: text``.
    """

    name: str
    structures: tuple[StructureDeclaration, ...]
    items: tuple[Item, ...]
    sources: Mapping[str, str]
    defines: Mapping[str, object]
    warnings: tuple[tuple[Place, str], ...] = ()
    notes: tuple[str, ...] = ()


def parse(
    source: str | Path,
    *,
    defines: Mapping[str, object] | None = None,
    include_dirs: Sequence[str | Path] = (),
    name: str | None = None,
) -> ParsedProgram:
    """Preprocesses and parses a program.

    Parameters:
        source: a Path or ``builtin:`` name of a file; or the program text itself, recognised by its line breaks.
        defines: names to define, as with ``#define``; None or True define a name as 1.
        include_dirs: where ``#include`` looks after the including file's directory; may hold ``builtin:``.
        name: the program's name; the file's by default.

    Raises:
        InputError: with every error found, up to 20.
    """
    diagnostics = Diagnostics()
    preprocessor = Preprocessor(defines=defines or {}, include_dirs=include_dirs, diagnostics=diagnostics)
    if isinstance(source, str) and ("\n" in source or not source.endswith(".uc")):
        program_name = name or "program"
        lines = preprocessor.run_text(source, program_name)
    else:
        program_name = name or str(source)
        lines = preprocessor.run_file(source)
    items: list[Item] = []
    for line in lines:
        try:
            items.append(Item(parse_statement(line.text), line.place, line.levels_up))
        except SyntaxProblem as problem:
            diagnostics.add(SourceError(line.place, str(problem)))
    rest, declared = declare_structures(items, symbols=_NO_CONSTANTS, diagnostics=diagnostics)
    diagnostics.raise_if_errors()
    return ParsedProgram(
        program_name,
        tuple(declared.values()),
        tuple(rest),
        dict(preprocessor.sources),
        dict(defines or {}),
        tuple(diagnostics.warnings),
        tuple(f"{place.outermost().file}:{place.outermost().line}: {text}" for place, text in diagnostics.notes),
    )


def assemble(
    parsed: ParsedProgram,
    *,
    locations: Mapping[str, Location] | None = None,
    contexts: int | None = None,
    import_vars: Mapping[str, int] | None = None,
    fill_defer: bool = False,
    mend_banks: bool = False,
) -> Program:
    """Assembles a parsed program for the given placement.

    Parameters:
        locations: structure name -> where it lives, for every structure the program accesses.
        contexts: 4 or 8; by default what ``.num_contexts`` says, else 8.
        import_vars: values of ``.import_var`` names; a name without one is left to ``link``.

    Raises:
        InputError: with every error found, up to 20; also when the program exceeds the control store.
    """
    if fill_defer or mend_banks:
        raise InputError("fill_defer and mend_banks: not built in yet", file=parsed.name)
    return _Assembly(parsed, locations or {}, contexts, import_vars or {}).run()


@cache
def _doubled_commands() -> frozenset[tuple[str, str]]:
    """(mnemonic, sub-command) of the commands that signal twice."""
    return frozenset(
        (syntax.mnemonic, syntax.literals[0][1] if syntax.literals else "")
        for operation in isa.OPERATIONS
        if operation.doubled_signal
        for syntax in operation.syntaxes
    )


@cache
def _keywords() -> Mapping[tuple[str, int], frozenset[str]]:
    """Words that are no names at a place of an instruction: (mnemonic, position) -> words, as ``b`` in an alu."""
    words: dict[tuple[str, int], set[str]] = {}
    for operation in isa.OPERATIONS:
        for syntax in operation.syntaxes:
            for position, literal in syntax.literals:
                words.setdefault((syntax.mnemonic, position), set()).add(literal)
    return {place: frozenset(found) for place, found in words.items()}


class _Assembly:
    def __init__(
        self,
        parsed: ParsedProgram,
        locations: Mapping[str, Location],
        contexts: int | None,
        import_vars: Mapping[str, int],
    ) -> None:
        self._parsed = parsed
        self._locations = locations
        self._asked_contexts = contexts
        self._import_vars = import_vars
        self._constants = Constants(import_vars, locations)
        self._diagnostics = Diagnostics(warnings=list(parsed.warnings))
        self._unique: dict[int, str] = {}
        self._wanted: dict[str, Wanted] = {}
        self._resolvers: dict[int, Resolver] = {}

    def run(self) -> Program:
        diagnostics = self._diagnostics
        declared = {declaration.name.lower(): declaration for declaration in self._parsed.structures}
        items = lower_structures(
            self._parsed.items,
            declared=declared,
            locations=self._locations,
            symbols=self._constants,
            diagnostics=diagnostics,
        )
        items = lower_structured(items, symbols=self._constants, diagnostics=diagnostics)
        declarations = declare(items, name=self._parsed.name, symbols=self._constants, diagnostics=diagnostics)
        words = declarations.words
        if len(words) > CONTROL_STORE_WORDS:
            raise InputError(
                f"program too long: {len(words)} words, {CONTROL_STORE_WORDS} available",
                file=next(iter(self._parsed.sources), self._parsed.name),
            )
        contexts = self._contexts(declarations)
        variables = [variable for scope in declarations.program.descendants() for variable in scope.variables.values()]
        self._check_fixed(variables, contexts)
        self._double_signals(words)
        number_variables(declarations.program, contexts=contexts, diagnostics=diagnostics)
        diagnostics.raise_if_errors()
        self._name_variables(variables)
        instructions = [self._bind(word) for word in words]
        check_references(words, declarations.imports, diagnostics)
        diagnostics.raise_if_errors()
        check_neighbours(
            instructions,
            [word.place for word in words],
            labelled={address for scope in declarations.program.descendants() for address, _ in scope.labels.values()},
            diagnostics=diagnostics,
            unchecked=declarations.unchecked,
        )
        allocation = self._allocate(words, instructions, contexts, declarations.unchecked)
        diagnostics.raise_if_errors()
        assert allocation is not None
        encoded = self._encode(words, instructions, allocation, contexts)
        diagnostics.raise_if_errors()
        return self._program(declarations, variables, encoded, allocation, contexts)

    def _contexts(self, declarations: Declarations) -> int:
        asked, declared = self._asked_contexts, declarations.contexts
        if asked not in (None, 4, 8):
            raise InputError(f"contexts {asked}: must be 4 or 8", file=self._parsed.name)
        if asked is not None and declared is not None and asked != declared:
            raise InputError(
                f"the program says .num_contexts {declared}, the assembly asks for {asked}", file=self._parsed.name
            )
        return asked or declared or 8

    def _check_fixed(self, variables: Iterable[Variable], contexts: int) -> None:
        """Numbers the program gives itself must exist."""
        per_context = registers_per_context(contexts)
        for variable in variables:
            if not variable.fixed or variable.number is None:
                continue
            first, last = 0, per_context - 1
            if variable.kind is VariableKind.SIGNAL:
                first, last = 1, 15
            elif variable.kind is VariableKind.ABSOLUTE:
                last = 127
            if not first <= variable.number <= last - (variable.count - 1):
                self._diagnostics.add(
                    SourceError(
                        variable.place,
                        f"{variable.kind.value} '{variable.name}': number {variable.number}: must be {first}..{last}",
                    )
                )

    def _double_signals(self, words: Sequence[PlacedWord]) -> None:
        """Marks the signals of commands that report twice."""
        for word in words:
            instruction = word.instruction
            if instruction is None:
                continue
            first = instruction.arguments[0] if instruction.arguments else None
            command = first.spelling.lower() if isinstance(first, Name) else ""
            if (instruction.mnemonic, command) not in _doubled_commands():
                continue
            for token in instruction.tokens:
                if token.name in ("sig_done", "ctx_swap") and len(token.arguments) == 1:
                    name = token.arguments[0]
                    variable = word.scope.find(name.spelling.lower()) if isinstance(name, Name) else None
                    if variable is not None and variable.kind is VariableKind.SIGNAL:
                        variable.doubled = True
                        if variable.fixed and variable.number is not None and variable.number % 2:
                            self._diagnostics.add(
                                SourceError(
                                    word.place,
                                    f"signal '{variable.name}' has number {variable.number}: this command signals "
                                    "twice and needs an even number",
                                )
                            )

    def _name_variables(self, variables: Iterable[Variable]) -> None:
        """Every general register gets a name of its own: the same name in two scopes is two registers."""
        seen: dict[str, int] = {}
        for variable in variables:
            seen[variable.name] = number = seen.get(variable.name, 0) + 1
            unique = variable.name if number == 1 else f"{variable.name}'{number}"
            self._unique[id(variable)] = unique
            if variable.kind not in (VariableKind.GPR, VariableKind.ABSOLUTE):
                continue
            everywhere = variable.kind is VariableKind.ABSOLUTE or bool(
                variable.qualifiers & {"global", "volatile", "visible"}
            )
            for element in range(variable.count):
                suffix = f"[{element}]" if variable.is_array else ""
                self._wanted[unique + suffix] = Wanted(
                    shown=variable.name + suffix,
                    absolute=variable.kind is VariableKind.ABSOLUTE,
                    everywhere=everywhere,
                    bank=variable.bank,
                    number=None if variable.number is None else variable.number + element,
                )

    def _resolver(self, scope: Scope) -> Resolver:
        resolver = self._resolvers.get(id(scope))
        if resolver is None:
            resolver = self._resolvers[id(scope)] = Resolver(scope, self._constants, self._unique)
        return resolver

    # -- binding ---------------------------------------------------------------------------------------------------

    def _bind(self, word: PlacedWord) -> isa.Instruction | None:
        """The instruction of one word, symbolic only in its general registers; None for a raw word or an error."""
        source = word.instruction
        if source is None:
            return None
        resolver = self._resolver(word.scope)
        try:
            if source.mnemonic not in isa.MNEMONICS:
                raise SourceError(word.place, f"unknown instruction or macro '{source.mnemonic}'")
            word.reference = reference_in(source, self._constants)
            arguments = [
                isa.Argument(node.spelling)
                if isinstance(node, Name) and node.spelling.lower() in _keywords().get((source.mnemonic, position), ())
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
                if isinstance(node, Name) and node.spelling in message and resolver.is_unknown(node):
                    return f"{message} ('{node.spelling}' is not declared)"
        return message

    # -- registers and words ---------------------------------------------------------------------------------------

    def _allocate(
        self,
        words: Sequence[PlacedWord],
        instructions: Sequence[isa.Instruction | None],
        contexts: int,
        unchecked: bool,
    ) -> Allocation | None:
        places = [word.place for word in words]
        nop = isa.bind("nop", [], [])
        concrete = [
            self._decoded(word, contexts) or nop if item is None else item
            for word, item in zip(words, instructions, strict=True)
        ]
        taken = [
            operand.address
            for instruction in concrete
            for role, operand in instruction.operands.items()
            if isinstance(operand, isa.Label) and role != "target" and operand.name and operand.address is not None
        ]
        nodes = flow_graph(concrete, places, taken_addresses=taken, diagnostics=self._diagnostics, unchecked=unchecked)
        for node, word in zip(nodes, words, strict=True):
            node.initialises = self._general_names(word, word.sets)
            node.keeps = self._general_names(word, word.uses)
        if self._diagnostics.errors:
            return None
        return allocate(nodes, self._wanted, contexts=contexts, diagnostics=self._diagnostics)

    def _decoded(self, word: PlacedWord, contexts: int) -> isa.Instruction | None:
        try:
            return None if word.raw is None else isa.decode(word.raw, contexts=contexts)
        except isa.InvalidWord:
            return None

    def _general_names(self, word: PlacedWord, names: Iterable[str]) -> frozenset[str]:
        """Unique names of the general registers that liveness hints name; arrays count element by element."""
        result: set[str] = set()
        for name in names:
            base, _, index = name.partition("[")
            variable = word.scope.find(base)
            if variable is None:
                self._diagnostics.add(SourceError(word.place, f"liveness hint: {name!r} is not declared"))
            elif variable.kind in (VariableKind.GPR, VariableKind.ABSOLUTE):
                unique = self._unique[id(variable)]
                if not variable.is_array:
                    result.add(unique)
                elif index:
                    result.add(f"{unique}[{index}")
                else:
                    result.update(f"{unique}[{element}]" for element in range(variable.count))
        return frozenset(result & self._wanted.keys())

    def _encode(
        self,
        words: Sequence[PlacedWord],
        instructions: Sequence[isa.Instruction | None],
        allocation: Allocation,
        contexts: int,
    ) -> list[int]:
        encoded: list[int] = []
        for word, instruction, registers in zip(words, instructions, allocation.by_role, strict=True):
            if instruction is None:
                encoded.append(word.raw or 0)
                continue
            try:
                # Also without general registers: the operands must be arranged on their ports.
                encoded.append(isa.encode(instruction.replace_registers(registers), contexts=contexts))
            except isa.IsaError as error:
                self._diagnostics.add(SourceError(word.place, str(error)))
                encoded.append(0)
        return encoded

    # -- the result ------------------------------------------------------------------------------------------------

    def _program(
        self,
        declarations: Declarations,
        variables: Sequence[Variable],
        encoded: list[int],
        allocation: Allocation,
        contexts: int,
    ) -> Program:
        words = declarations.words
        declared = {structure.name.lower() for structure in self._parsed.structures}
        registers = {
            name: [
                RegisterName(("@" if r.kind is isa.RegisterKind.ABSOLUTE else "") + _bank(r), r.number or 0)
                for r in found
            ]
            for name, found in allocation.by_name.items()
        }
        signals: dict[str, list[int]] = {}
        for variable in variables:
            if variable.number is None or variable.kind in (VariableKind.GPR, VariableKind.ABSOLUTE):
                continue
            unique = self._unique[id(variable)]
            if variable.kind is VariableKind.SIGNAL:
                signals[unique] = list(range(variable.number, variable.number + variable.span))
            else:
                numbers = range(variable.number, variable.number + variable.count)
                registers[unique] = [RegisterName(_FILES[variable.kind], number) for number in numbers]
        usage = {"words": len(encoded)}
        for file in ("a", "b", "@a", "@b", "$", "$$", "n$"):
            usage[file] = len({r.number for found in registers.values() for r in found if r.file == file})
        usage["signals"] = len({number for numbers in signals.values() for number in numbers})
        return Program(
            name=self._parsed.name,
            words=encoded,
            lines=[(word.place.file, word.place.line) for word in words],
            calls=[(word.place.outermost().file, word.place.outermost().line) for word in words],
            labels=_of_source(_labels(declarations.program)),
            registers=_of_source(registers),
            signals=_of_source(signals),
            structures=[word.structure for word in words],
            contexts=contexts,
            modes=declarations.modes,
            digest=self._digest(contexts),
            usage=usage,
            warnings=self._diagnostics.warning_texts(),
            source=next(iter(self._parsed.sources), self._parsed.name),
            defines={
                name: "1" if value in (None, True) else str(value) for name, value in self._parsed.defines.items()
            },
            declared=list(self._parsed.structures),
            locations={name: at for name, at in self._locations.items() if name.lower() in declared},
            references={address: word.reference for address, word in enumerate(words) if word.reference is not None},
        )

    def _digest(self, contexts: int) -> str:
        digest = hashlib.sha256()
        settings = (
            list(self._parsed.sources.values()),  # not their paths, which differ between machines
            sorted((name, str(value)) for name, value in self._parsed.defines.items()),
            sorted((name, at.memory, at.base, at.relocatable) for name, at in self._locations.items()),
            sorted(self._import_vars.items()),
            contexts,
        )
        digest.update(repr(settings).encode())
        return digest.hexdigest()


def _bank(register: isa.Register) -> str:
    assert register.bank is not None
    return register.bank.value


def _of_source(named: dict[str, _Value]) -> dict[str, _Value]:
    """Without the names that lowering made: they end in two underscores."""
    return {name: value for name, value in named.items() if not name.partition("'")[0].endswith("__")}


def _labels(program: Scope) -> dict[str, int]:
    labels: dict[str, int] = {}
    for scope in program.descendants():
        for name, (address, _) in scope.labels.items():
            unique = name if labels.get(name, address) == address else f"{name}@{address}"
            labels[unique] = address
    return labels
