"""The operations of a service's states: ``state_op`` blocks read from ``operations.uc`` and checked.

An operation is straight microcode on one entry of a state: entry accesses, ALU instructions and branches. Nothing in
it says where the entry lives or who runs it, so one source serves every category and placement (docs/oboe.md, 3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ixp_emu.assembler.parser import SyntaxProblem, parse_statement
from ixp_emu.assembler.preprocess import Preprocessor
from ixp_emu.assembler.source import Diagnostics, Place, SourceError
from ixp_emu.assembler.source_files import read_source
from ixp_emu.assembler.syntax import (
    Call,
    Condition,
    Directive,
    IndexRegister,
    Name,
    Node,
    Number,
    SourceInstruction,
    source_text,
)
from ixp_emu.isa.operations_alu import ALU_OPERATIONS
from ixp_emu.isa.operations_branch import BRANCH_OPERATIONS

__all__ = ["MOST_WORDS", "EntryAccess", "Operation", "entry_access", "read_operations"]

MOST_WORDS = 128
MOST_OPERANDS = 4
MOST_LONGWORDS = 4
_ACCESS_WORDS = 3
"""What an access takes besides a word for each longword: address, its scaling, the command."""

_KINDS = {"entry_read": "read", "entry_write": "write", "entry_merge": "merge"}
_SHARED_BY_CONTEXTS = ("cam_", "crc_", "byte_align", "local_csr")
"""ALU instructions that use what the contexts of a microengine share."""
_PLAIN = frozenset(
    syntax.mnemonic
    for operation in ALU_OPERATIONS
    for syntax in operation.syntaxes
    if not syntax.mnemonic.startswith(_SHARED_BY_CONTEXTS)
)
_BRANCHES = frozenset(syntax.mnemonic for operation in BRANCH_OPERATIONS for syntax in operation.syntaxes) - {
    "br=ctx",
    "br!=ctx",
    "br_signal",
    "br_!signal",
    "br_inp_state",
    "br_!inp_state",
    "ctx_arb",
    "halt",
    "jump",
    "rtn",
}
_DIRECTIVES = frozenset(
    f"{name}{suffix}" for name in ("if", "elif", "while", "until") for suffix in ("", "_unsigned")
) | {"reg", "begin", "end", "local", "endlocal", "else", "endif", "endw", "repeat", "break", "continue"}
_CONDITION_CALLS = frozenset({"bit", "byte", "cout"})

_IDENTIFIER = r"[A-Za-z_]\w*"
_NAMES = rf"\s*(?:{_IDENTIFIER}(?:\s*[\s,]\s*{_IDENTIFIER})*)?\s*"
_HEAD = re.compile(rf"\s*state_op\s+({_IDENTIFIER})\s*\(({_NAMES})(?:;({_NAMES}))?(?:;({_NAMES}))?\)\s*(?://.*)?")
_END = re.compile(r"\s*end_op\s*(?://.*)?")
_BEGIN_MARK, _END_MARK = ".state_op_begin__", ".state_op_end__"
_FORM = "state_op NAME(entry; inputs; outputs)"


@dataclass(frozen=True, slots=True)
class EntryAccess:
    """An access to an entry.

    Attributes:
        kind: "read", "write" or "merge".
        word: the first longword.
        registers: one per longword.
        entry: register that holds the entry's number where ``at[register]`` names it; None: the operation's own.
    """

    kind: str
    word: int
    registers: tuple[str, ...]
    entry: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One ``state_op`` block.

    Attributes:
        name: of the macro it becomes.
        updates: whether the declaration says that it changes the state.
        entry, inputs, outputs: the names of its operands in `lines`.
        lines: its statements, names of the preprocessor replaced; item i is from line `first_line` + i as far as
            no loop of the preprocessor made more of them.
        file, first_line: the line behind the head.
        words: at most so many, before placement.
    """

    name: str
    updates: bool
    entry: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    lines: tuple[str, ...]
    file: str
    first_line: int
    words: int = 0

    def accesses(self) -> Iterator[tuple[int, EntryAccess]]:
        """Its accesses, each with its line in the file."""
        for index, line in enumerate(self.lines):
            access = entry_access(line)
            if access is not None:
                yield self.first_line + index, access


def entry_access(line: str) -> EntryAccess | None:
    """The access that a line of an operation is; None if it is something else.

    Raises:
        SyntaxProblem: an access that is not written as one.
    """
    if "entry_" not in line.lower():
        return None
    body = parse_statement(line).body
    if not isinstance(body, SourceInstruction) or body.mnemonic not in _KINDS:
        return None
    kind = _KINDS[body.mnemonic]
    form = f"{body.mnemonic}[word, {'register' if kind == 'merge' else 'register, ...'}], with at[register] behind it"
    registers = tuple(_register(argument, form) for argument in body.arguments[1:])
    most = 1 if kind == "merge" else MOST_LONGWORDS
    if not body.arguments or not isinstance(body.arguments[0], Number) or not registers:
        raise SyntaxProblem(f"an access is written {form}")
    if len(registers) > most:
        raise SyntaxProblem(f"{body.mnemonic} of {len(registers)} longwords: at most {most}")
    entry = None
    for token in body.tokens:
        if token.name != "at" or len(token.arguments) != 1 or entry is not None:
            raise SyntaxProblem(f"an access is written {form}")
        entry = _register(token.arguments[0], form)
    return EntryAccess(kind, body.arguments[0].value, registers, entry)


def _register(node: Node, form: str) -> str:
    if not isinstance(node, Name) or node.index is not None or not re.fullmatch(_IDENTIFIER, node.spelling):
        raise SyntaxProblem(f"{source_text(node)} is not a general register: an access is written {form}")
    return node.spelling


def read_operations(
    file: str, *, defines: Mapping[str, object] | None = None, updates: Mapping[str, bool] | None = None
) -> dict[str, Operation]:
    """The operations of a file, by name, checked for what needs no state.

    Parameters:
        file: a path or ``builtin:`` name.
        defines: names of the preprocessor.
        updates: name -> whether the declaration says so; others are taken as read.

    Raises:
        InputError: with every error found, up to 20.
    """
    diagnostics = Diagnostics()
    heads, text = _marked(file, read_source(file), diagnostics)
    diagnostics.raise_if_errors()
    lines = Preprocessor(defines=defines or {}, include_dirs=(), diagnostics=diagnostics).run_text(text, file)
    diagnostics.raise_if_errors()
    blocks: list[_Block] = []
    inside = False
    for line in lines:
        if line.text.startswith(_BEGIN_MARK):
            inside = True
            blocks.append(_Block(heads[line.place.line], line.place))
        elif line.text.startswith(_END_MARK):
            inside = False
        elif inside:
            blocks[-1].add(line.text, line.place)
        elif line.text.strip():
            diagnostics.add(SourceError(line.place, f"outside an operation: {line.text.strip()!r}: {_FORM} begins one"))
    operations: dict[str, Operation] = {}
    for block in blocks:
        if block.head.name in operations:
            diagnostics.add(SourceError(block.place, f"operation {block.head.name!r} stands twice"))
        words = block.check(diagnostics)
        head = block.head
        marked = bool(updates and updates.get(head.name))
        operations[head.name] = Operation(
            head.name,
            marked,
            head.entry,
            head.inputs,
            head.outputs,
            tuple(block.lines),
            file,
            block.place.line + 1,
            words,
        )
    diagnostics.raise_if_errors()
    return operations


@dataclass(frozen=True, slots=True)
class _Head:
    name: str
    entry: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def _marked(file: str, text: str, diagnostics: Diagnostics) -> tuple[dict[int, _Head], str]:
    """The heads by line, and the text with directives in place of heads and ends: ``;`` would begin a comment."""
    heads: dict[int, _Head] = {}
    open_at: Place | None = None
    marked: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        place = Place(file, number)
        if re.match(r"\s*state_op\b", line):
            try:
                heads[number] = _head(line, place, open_at)
            except SourceError as error:
                diagnostics.add(error)
            open_at = place
            marked.append(_BEGIN_MARK)
        elif _END.fullmatch(line):
            if open_at is None:
                diagnostics.add(SourceError(place, "end_op without state_op"))
            open_at = None
            marked.append(_END_MARK)
        else:
            marked.append(line)
    if open_at is not None:
        diagnostics.add(SourceError(open_at, "state_op without end_op"))
    return heads, "\n".join(marked)


def _head(line: str, place: Place, open_at: Place | None) -> _Head:
    if open_at is not None:
        raise SourceError(place, f"state_op inside the one of line {open_at.line}: end_op ends that")
    match = _HEAD.fullmatch(line)
    if match is None:
        raise SourceError(place, f"{line.strip()!r}: an operation begins with {_FORM}")
    name, *groups = match.groups()
    entry, inputs, outputs = (
        tuple(re.split(r"[\s,]+", group.strip())) if group and group.strip() else () for group in groups
    )
    if len(entry) != 1:
        raise SourceError(place, f"operation {name!r}: {len(entry)} entries: it has one, {_FORM}")
    for kind, names in (("inputs", inputs), ("outputs", outputs)):
        if len(names) > MOST_OPERANDS:
            raise SourceError(place, f"operation {name!r}: {len(names)} {kind}: at most {MOST_OPERANDS}")
    operands = [operand.lower() for operand in (*entry, *inputs, *outputs)]
    for operand in operands:
        if operands.count(operand) > 1:
            raise SourceError(place, f"operation {name!r}: operand {operand!r} stands twice")
    return _Head(name, entry[0], inputs, outputs)


@dataclass(slots=True)
class _Block:
    """An operation while it is read."""

    head: _Head
    place: Place
    lines: list[str] = field(default_factory=list)
    statements: list[tuple[str, Place]] = field(default_factory=list)

    def add(self, text: str, place: Place) -> None:
        blank_lines = place.line - (self.place.line + 1 + len(self.lines))
        self.lines += [""] * blank_lines
        self.lines.append(text.strip())
        self.statements.append((text, place))

    def check(self, diagnostics: Diagnostics) -> int:
        """Reports what breaks a rule; returns the words counted."""
        words = 0
        for text, place in self.statements:
            try:
                words += self._words(text)
            except SyntaxProblem as problem:
                diagnostics.add(SourceError(place, f"operation {self.head.name!r}: {problem}"))
        if words > MOST_WORDS:
            diagnostics.add(
                SourceError(self.place, f"operation {self.head.name!r}: {words} words: at most {MOST_WORDS}")
            )
        return words

    def _words(self, text: str) -> int:
        """The words of a statement. Raises SyntaxProblem for one that an operation may not hold."""
        body = parse_statement(text).body
        if body is None:
            return 0
        if isinstance(body, SourceInstruction):
            return self._instruction(text, body)
        if body.name not in _DIRECTIVES:
            raise SyntaxProblem(f".{body.name}: an operation has no such directive")
        if isinstance(body, Condition):
            _check_condition(body.expression)
            return 2 * len(text.split("&&")) * len(text.split("||"))
        if body.name == "reg":
            self._declaration(body)
        return 1 if body.name in ("else", "endw", "break", "continue") else 0

    def _declaration(self, body: Directive) -> None:
        for item in body.items:
            spelling = source_text(item)
            if not re.fullmatch(_IDENTIFIER, spelling):
                raise SyntaxProblem(f".reg {spelling}: an operation has general registers of its own only")

    def _instruction(self, text: str, body: SourceInstruction) -> int:
        access = entry_access(text)
        if access is not None:
            if access.kind == "read":
                self._assigned(*access.registers)
            return _ACCESS_WORDS + len(access.registers)
        if body.mnemonic in _BRANCHES:
            for token in body.tokens:
                if token.name != "defer":
                    raise SyntaxProblem(f"{body.mnemonic}: token {token.name} is not for an operation")
            return 1
        if body.mnemonic not in _PLAIN:
            raise SyntaxProblem(
                f"{body.mnemonic}: an operation has entry accesses, ALU instructions and branches only; no command, "
                "no wait, nothing that contexts share, and no call"
            )
        for argument in body.arguments:
            foreign = isinstance(argument, Name) and not re.fullmatch(_IDENTIFIER, argument.spelling)
            if foreign or isinstance(argument, IndexRegister):
                raise SyntaxProblem(f"{source_text(argument)}: an operation uses general registers of its context only")
        first = body.arguments[0] if body.arguments else None
        steps = body.mnemonic == "mul_step" and not any(token.name.endswith("_last") for token in body.tokens)
        if isinstance(first, Name) and not steps:
            self._assigned(first.spelling)
        return 1

    def _assigned(self, *registers: str) -> None:
        for register in registers:
            if register.lower() in {name.lower() for name in (self.head.entry, *self.head.inputs)}:
                raise SyntaxProblem(f"{register} is an input: it is not assigned")


def _check_condition(node: Node) -> None:
    if isinstance(node, Call) and node.function not in _CONDITION_CALLS:
        raise SyntaxProblem(f"{node.function}(): an operation looks at registers and condition codes only")
    for name in getattr(node, "__slots__", ()):
        value = getattr(node, name)
        for child in value if isinstance(value, tuple) else (value,):
            if hasattr(child, "__slots__") and not isinstance(child, str):
                _check_condition(child)
