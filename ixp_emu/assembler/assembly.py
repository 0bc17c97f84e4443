"""The assembler: source text -> ParsedProgram -> Program.

``parse`` needs no placement: it preprocesses, parses and collects the structures a program declares. ``assemble``
lowers structure accesses and structured code, numbers transfer registers and signals, binds every line to an
instruction, allocates general registers and encodes. Every source instruction is one word, in source order, unless the
caller asks to mend bank conflicts (moves are added) or to fill defer slots (instructions change places).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ixp_emu import isa
from ixp_emu.assembler.allocate import Allocation, allocate
from ixp_emu.assembler.bind import Binder
from ixp_emu.assembler.check import check_rules
from ixp_emu.assembler.code import CodeWord, graph_of
from ixp_emu.assembler.declare import Declarations, PlacedWord, declare
from ixp_emu.assembler.fill import fill_defer_slots
from ixp_emu.assembler.image import ImageSettings
from ixp_emu.assembler.lowering import Item
from ixp_emu.assembler.mend import mend_bank_conflicts
from ixp_emu.assembler.numbering import number_variables, registers_per_context
from ixp_emu.assembler.parser import SyntaxProblem, parse_statement
from ixp_emu.assembler.preprocess import Preprocessor
from ixp_emu.assembler.program import Program, RegisterName
from ixp_emu.assembler.references import check_references
from ixp_emu.assembler.resolve import Constants
from ixp_emu.assembler.scopes import Scope, Variable, VariableKind
from ixp_emu.assembler.source import Diagnostics, Place, SourceError
from ixp_emu.assembler.structure_access import lower_structures
from ixp_emu.assembler.structured import lower_structured
from ixp_emu.assembler.structures import Location, StructureDeclaration, declare_structures
from ixp_emu.assembler.syntax import Name
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
        absent: names that ``#include`` looked for in vain on its way to a file.
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
    absent: tuple[str, ...] = ()


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
        tuple(sorted(preprocessor.absent)),
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
        fill_defer: move instructions into the defer slots of the branch or swap behind them where nothing but the
            time it takes changes (``-O`` of the original assembler).
        mend_banks: add moves where two sources would come from one bank (``-Of``). Both may be asked for.

    Raises:
        InputError: with every error found, up to 20; also when the program exceeds the control store.
    """
    return _Assembly(
        parsed, locations or {}, contexts, import_vars or {}, fill_defer=fill_defer, mend_banks=mend_banks
    ).run()


@cache
def _doubled_commands() -> frozenset[tuple[str, str]]:
    """(mnemonic, sub-command) of the commands that signal twice."""
    return frozenset(
        (syntax.mnemonic, syntax.literals[0][1] if syntax.literals else "")
        for operation in isa.OPERATIONS
        if operation.doubled_signal
        for syntax in operation.syntaxes
    )


class _Assembly:
    def __init__(
        self,
        parsed: ParsedProgram,
        locations: Mapping[str, Location],
        contexts: int | None,
        import_vars: Mapping[str, int],
        *,
        fill_defer: bool,
        mend_banks: bool,
    ) -> None:
        self._fill_defer = fill_defer
        self._mend_banks = mend_banks
        self._parsed = parsed
        self._locations = locations
        self._asked_contexts = contexts
        self._import_vars = import_vars
        regions = (structure.name.lower() for structure in parsed.structures if structure.region)
        self._constants = Constants(import_vars, locations, regions)
        self._diagnostics = Diagnostics(warnings=list(parsed.warnings))

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
        limit = declarations.image.limit_words
        self._check_length([word.place for word in words], limit)
        contexts = self._contexts(declarations)
        variables = [variable for scope in declarations.program.descendants() for variable in scope.variables.values()]
        self._check_fixed(variables, contexts)
        self._double_signals(words)
        number_variables(declarations.program, contexts=contexts, diagnostics=diagnostics)
        diagnostics.raise_if_errors()
        binder = Binder(variables, self._constants, diagnostics)
        code = self._bind(words, binder, contexts)
        check_references(words, declarations.imports, diagnostics)
        diagnostics.raise_if_errors()
        nodes = graph_of(code, diagnostics=diagnostics, unchecked=declarations.unchecked)
        check_rules(
            [word.instruction for word in code],
            nodes,
            silent=frozenset(index for index, word in enumerate(code) if word.raw is not None),
            diagnostics=diagnostics,
            unchecked=declarations.unchecked,
        )
        diagnostics.raise_if_errors()
        addresses: Sequence[int] = range(len(code) + 1)
        wanted = binder.wanted
        if self._mend_banks:
            code, wanted, addresses = mend_bank_conflicts(code, wanted)
            if len(code) > len(words):
                self._check_length([word.place for word in code], limit)
                nodes = graph_of(code, diagnostics=Diagnostics(), unchecked=True)
        allocation = allocate(nodes, wanted, contexts=contexts, diagnostics=diagnostics)
        diagnostics.raise_if_errors()
        assert allocation is not None
        code = self._with_registers(code, allocation)
        diagnostics.raise_if_errors()
        labels = _labels(declarations.program, addresses)
        if self._fill_defer:
            code = fill_defer_slots(code, labelled=frozenset(labels.values()), contexts=contexts)
        return self._program(declarations, code, labels, addresses, variables, binder, allocation, contexts)

    def _check_length(self, places: Sequence[Place], limit: int) -> None:
        if len(places) > limit:
            beyond = places[limit].outermost()
            raise InputError(
                f"program too long: {len(places)} words, {limit} available", file=beyond.file, line=beyond.line
            )

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

    # -- registers and words ---------------------------------------------------------------------------------------

    def _bind(self, words: Sequence[PlacedWord], binder: Binder, contexts: int) -> list[CodeWord]:
        nop = isa.bind("nop", [], [])
        return [
            CodeWord(
                (self._decoded(word, contexts) if word.raw is not None else binder.bind(word)) or nop,
                word.place,
                word.structure,
                word.raw,
                sets=binder.general_names(word, word.sets),
                uses=binder.general_names(word, word.uses),
                reference=word.reference,
            )
            for word in words
        ]

    def _decoded(self, word: PlacedWord, contexts: int) -> isa.Instruction | None:
        try:
            return None if word.raw is None else isa.decode(word.raw, contexts=contexts)
        except isa.InvalidWord:
            return None

    def _with_registers(self, code: Sequence[CodeWord], allocation: Allocation) -> list[CodeWord]:
        """The words with the registers chosen for them, their operands arranged on the ports."""
        result: list[CodeWord] = []
        for word, registers in zip(code, allocation.by_role, strict=True):
            if word.raw is None:
                try:
                    word = replace(word, instruction=word.instruction.replace_registers(registers))
                except isa.IsaError as error:
                    self._diagnostics.add(SourceError(word.place, str(error)))
            result.append(word)
        return result

    def _encode(self, code: Sequence[CodeWord], contexts: int) -> list[int]:
        encoded: list[int] = []
        for word in code:
            try:
                encoded.append(isa.encode(word.instruction, contexts=contexts) if word.raw is None else word.raw)
            except isa.IsaError as error:
                self._diagnostics.add(SourceError(word.place, str(error)))
        self._diagnostics.raise_if_errors()
        return encoded

    # -- the result ------------------------------------------------------------------------------------------------

    def _program(
        self,
        declarations: Declarations,
        code: Sequence[CodeWord],
        labels: Mapping[str, int],
        addresses: Sequence[int],
        variables: Sequence[Variable],
        binder: Binder,
        allocation: Allocation,
        contexts: int,
    ) -> Program:
        image = declarations.image
        encoded = self._encode(code, contexts)
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
            unique = binder.unique[id(variable)]
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
            lines=[(word.place.file, word.place.line) for word in code],
            calls=[(word.place.outermost().file, word.place.outermost().line) for word in code],
            labels=_of_source(dict(labels)),
            registers=_of_source(registers),
            signals=_of_source(signals),
            structures=[word.structure for word in code],
            contexts=contexts,
            modes=image.modes,
            image_name=image.name,
            metadata=image.metadata,
            started=image.contexts & (0x55 if contexts == 4 else 0xFF),
            **self._initial(image, registers, binder, addresses, contexts),
            digest=self._digest(contexts),
            usage=usage,
            warnings=self._diagnostics.warning_texts(),
            source=next(iter(self._parsed.sources), self._parsed.name),
            defines={
                name: "1" if value in (None, True) else str(value) for name, value in self._parsed.defines.items()
            },
            declared=list(self._parsed.structures),
            locations={name: at for name, at in self._locations.items() if name.lower() in declared},
            references={address: word.reference for address, word in enumerate(code) if word.reference is not None},
        )

    def _initial(
        self,
        image: ImageSettings,
        registers: Mapping[str, list[RegisterName]],
        binder: Binder,
        addresses: Sequence[int],
        contexts: int,
    ) -> dict[str, Any]:
        """Where the program starts and what its registers and memory hold then."""

        def registers_of(variable: Variable, element: int) -> Sequence[RegisterName]:
            return registers.get(binder.unique[id(variable)] + (f"[{element}]" if variable.is_array else ""), ())

        try:
            return {
                "entry": addresses[image.entry_address(len(addresses) - 1, self._constants)],
                "initial_registers": image.initial_registers(registers_of, contexts, self._constants),
                "initial_memory": image.initial_memory(
                    {structure.name.lower(): structure for structure in self._parsed.structures}, self._constants
                ),
            }
        except SourceError as error:
            self._diagnostics.add(error)
            self._diagnostics.raise_if_errors()
            raise AssertionError from error

    def _digest(self, contexts: int) -> str:
        digest = hashlib.sha256()
        settings = (
            list(self._parsed.sources.values()),  # not their paths, which differ between machines
            sorted((name, str(value)) for name, value in self._parsed.defines.items()),
            sorted((name, at.memory, at.base, at.relocatable) for name, at in self._locations.items()),
            sorted(self._import_vars.items()),
            contexts,
            *(name for name, on in (("fill", self._fill_defer), ("mend", self._mend_banks)) if on),
        )
        digest.update(repr(settings).encode())
        return digest.hexdigest()


def _bank(register: isa.Register) -> str:
    assert register.bank is not None
    return register.bank.value


def _of_source(named: dict[str, _Value]) -> dict[str, _Value]:
    """Without the names that lowering made: they end in two underscores."""
    return {name: value for name, value in named.items() if not name.partition("'")[0].endswith("__")}


def _labels(program: Scope, addresses: Sequence[int]) -> dict[str, int]:
    """Label -> address; ``addresses``: where each word of the source, and the end, came to stand."""
    labels: dict[str, int] = {}
    for scope in program.descendants():
        for name, (index, _) in scope.labels.items():
            address = addresses[index]
            unique = name if labels.get(name, address) == address else f"{name}@{address}"
            labels[unique] = address
    return labels
