"""The preprocessor: source text -> lines without comments, directives, macros and defined names.

Names of defines and macros are case-sensitive; everything later in the assembler is not. Source: isa.md section 4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ixp_emu.assembler.expressions import ExpressionError, evaluate
from ixp_emu.assembler.macros import (
    PARAMETER,
    Macro,
    declared_names,
    marked,
    pasted,
    substituted,
    with_arguments,
)
from ixp_emu.assembler.parser import SyntaxProblem, parse_expression
from ixp_emu.assembler.source import OUTER, Diagnostics, Place, SourceError, SourceLine, abbreviated
from ixp_emu.assembler.source_files import BUILTIN, exists, joined, parent, read_source
from ixp_emu.assembler.syntax import Name, Node
from ixp_emu.assembler.text import (
    IDENTIFIER,
    MAX_LINE_CHARACTERS,
    arguments_at,
    chip_calls_replaced,
    defined_calls_replaced,
    logical_lines,
    text_functions_replaced,
    unquoted,
)
from ixp_emu.errors import InputError

__all__ = ["MACRO_BEGIN", "MACRO_END", "PREDEFINED", "Preprocessor"]

# Statements that bracket a macro expansion; the parser's scopes use them, a source file cannot write them by accident.
MACRO_BEGIN = ".macro_begin__"
MACRO_END = ".macro_end__"

PREDEFINED: Mapping[str, str] = {"__IXP2400": "1", "__IXP2XXX": "1", "__REVISION_MIN": "0", "__REVISION_MAX": "0xff"}

_MAX_DEPTH = 64
_MAX_LOOP_PASSES = 65_536
_MAX_LINES = 200_000
_MAX_STATEMENTS = 50_000  # the control store holds 4096 words
_CALL = re.compile(r"((?:\s*[A-Za-z_]\w*\x01*#:)*)\s*([A-Za-z_]\w*)\x01*\s*(?=[(\[]|$)")
_DEFINITION = re.compile(r"([A-Za-z_]\w*)\x01*(\([^)]*\))?\s*(.*)", re.DOTALL)
_MACRO_HEAD = re.compile(r"([A-Za-z_]\w*)\s*(?:[(\[](.*)[)\]])?\s*$", re.DOTALL)
_FOR_HEAD = re.compile(r"([A-Za-z_]\w*)\x01*\s*[(\[](.*)[)\]]\s*$", re.DOTALL)
_PRAGMAS = frozenset({"warning", "optimize"})
_LOOPS = frozenset({"for", "repeat", "while"})
_CONDITIONALS = frozenset({"if", "ifdef", "ifndef"})
_KEEPS_MARKS = frozenset({"define", "for"})


@dataclass(frozen=True, slots=True)
class _Define:
    parameters: tuple[str, ...] | None
    text: str


@dataclass(slots=True)
class _Branch:
    """One open #if: whether its current part is taken, and whether any part was."""

    place: Place
    active: bool
    taken: bool
    seen_else: bool = False


class _Stop(Exception):
    """Nothing after the last error can be read."""


class _NoSymbols:
    """Expressions of the preprocessor know no registers; an undefined name is 0, as in C."""

    def constant(self, name: Name) -> int | None:
        return 0 if name.index is None else None

    def number_of(self, name: Name) -> int:
        raise ExpressionError(f"&{name.spelling} is not known to the preprocessor")

    def call(self, function: str, arguments: tuple[Node, ...]) -> int | None:
        return None


class Preprocessor:
    """Expands one program.

    Parameters:
        defines: name -> value, as from the command line; None or True define the name as 1.
        include_dirs: searched after the directory of the including file; ``builtin:`` is the microcode package.
        diagnostics: receives errors of single lines, warnings and notes.
    """

    def __init__(
        self, *, defines: Mapping[str, object], include_dirs: Sequence[str | Path], diagnostics: Diagnostics
    ) -> None:
        self._defines = {name: _Define(None, value) for name, value in PREDEFINED.items()}
        for name, value in defines.items():
            self._defines[name] = _Define(None, "1" if value is None or value is True else str(value))
        self._include_dirs = [str(directory) for directory in include_dirs]
        self._macros: dict[str, dict[int, Macro]] = {}
        self._diagnostics = diagnostics
        self._depth = 0
        self._output: list[SourceLine] = []
        self._lines = 0
        self._lines_of_file: dict[str, list[SourceLine]] = {}
        self.sources: dict[str, str] = {}
        """Text of every file read, by name: what a digest of the program covers."""
        self.absent: set[str] = set()
        """Names that an ``#include`` looked for in vain: were there such files, the program might be another."""

    def run_text(self, text: str, name: str) -> list[SourceLine]:
        """Expands a program given as text; ``name`` stands for its file in messages."""
        try:
            self._process(self._split(name, text))
        except _Stop:
            return []
        return self._output

    def run_file(self, path: str | Path) -> list[SourceLine]:
        """Expands a program file. Raises InputError when it cannot be read."""
        name = str(path)
        return self.run_text(read_source(name), name)

    # -- lines ---------------------------------------------------------------------------------------------------

    def _split(self, name: str, text: str) -> list[SourceLine]:
        if name not in self._lines_of_file:
            self.sources[name] = text
            lines: list[SourceLine] = []
            for number, line, problem in logical_lines(text):
                place = Place(name, number)
                if problem is not None:
                    self._diagnostics.add(SourceError(place, problem))
                else:
                    lines.append(SourceLine(line, place))
            self._lines_of_file[name] = lines
        return self._lines_of_file[name]

    def _process(self, lines: Sequence[SourceLine]) -> None:
        branches: list[_Branch] = []
        index = 0
        while index < len(lines):
            line = lines[index]
            index += 1
            try:
                stripped = line.text.lstrip()
                if stripped.startswith("#"):
                    index = self._directive(stripped[1:].lstrip(), line, lines, index, branches)
                elif all(branch.active for branch in branches):
                    self._emit(line)
            except SourceError as error:
                self._diagnostics.add(error)
            except ExpressionError as error:
                self._diagnostics.add(SourceError(line.place, str(error)))
        for branch in branches:
            self._diagnostics.add(SourceError(branch.place, "#if without #endif"))

    def _directive(
        self, text: str, line: SourceLine, lines: Sequence[SourceLine], index: int, branches: list[_Branch]
    ) -> int:
        """Obeys one directive; returns the index of the next line to process."""
        match = re.match(r"([A-Za-z_]*)(.*)", text, re.DOTALL)
        assert match is not None
        word, rest = match.group(1).lower(), match.group(2).strip()
        place = line.place
        self._count(place)
        if word not in _KEEPS_MARKS:
            rest = rest.replace(OUTER, "")
        if word in _CONDITIONALS or word in ("elif", "else", "endif"):
            self._conditional(word, rest, place, branches)
            return index
        active = all(branch.active for branch in branches)
        if word == "macro" or word in _LOOPS:
            openers, closer = (_LOOPS, "endloop") if word in _LOOPS else (frozenset({"macro"}), "endm")
            end = _matching_end(lines, index, openers, closer, place)
            try:
                if active and word == "macro":
                    self._define_macro(rest, lines[index:end], place)
                elif active:
                    self._loop(word, rest, lines[index:end], place)
            except SourceError as error:
                self._diagnostics.add(error)  # and go on behind the block
            return end + 1
        if active:
            self._simple_directive(word, rest, place)
        return index

    def _conditional(self, word: str, rest: str, place: Place, branches: list[_Branch]) -> None:
        if word in _CONDITIONALS:
            outer = all(branch.active for branch in branches)
            # Pushed before its condition is evaluated, so that a bad condition does not unbalance #endif.
            branch = _Branch(place, active=False, taken=not outer)
            branches.append(branch)
            if outer:
                branch.active = branch.taken = self._holds(word, rest, place)
            return
        if not branches:
            raise SourceError(place, f"#{word} without #if")
        branch = branches[-1]
        if word == "endif":
            branches.pop()
        elif branch.seen_else:
            raise SourceError(place, f"#{word} after #else")
        elif word == "else":
            branch.seen_else = True
            branch.active, branch.taken = not branch.taken, True
        elif branch.taken:
            branch.active = False
        else:
            branch.active = branch.taken = self._holds("if", rest, place)

    def _holds(self, word: str, rest: str, place: Place) -> bool:
        if word == "if":
            return self._value(rest, place) != 0
        if not IDENTIFIER.fullmatch(rest):
            raise SourceError(place, f"#{word} needs one name, not {rest!r}")
        return self._is_defined(rest) == (word == "ifdef")

    def _simple_directive(self, word: str, rest: str, place: Place) -> None:
        match word:
            case "include":
                self._include(rest, place)
            case "define":
                self._define(rest, place)
            case "define_eval":
                name, text = _definition(rest, place, "#define_eval")[::2]
                self._defines[name] = _Define(None, self._evaluated(text, place))
            case "undef":
                self._defines.pop(rest, None)
            case "error":
                raise SourceError(place, f"#error: {self._expand(unquoted(rest))}")
            case "warning":
                self._diagnostics.warn(place, self._expand(unquoted(rest)))
            case "info":
                self._diagnostics.notes.append((place, self._expand(unquoted(rest))))
            case "pragma":
                if re.split(r"\W", rest.lower(), maxsplit=1)[0] not in _PRAGMAS:
                    self._diagnostics.warn(place, f"#pragma {abbreviated(rest)}: unknown, ignored")
            case "endm" | "endloop":
                raise SourceError(place, f"#{word} without #{'macro' if word == 'endm' else 'for, #repeat or #while'}")
            case _:
                raise SourceError(place, f"unknown directive '#{word}'")

    def _include(self, rest: str, place: Place) -> None:
        match = re.fullmatch(r'"([^"]+)"|<([^>]+)>', self._expand(rest) if rest[:1] not in ('"', "<") else rest)
        if match is None:
            raise SourceError(place, f'#include needs "file" or <file>, not {rest!r}')
        wanted = match.group(1) or match.group(2)
        directories = ([parent(place.file)] if match.group(1) else []) + self._include_dirs
        candidates = [wanted] if wanted.startswith(BUILTIN) or Path(wanted).is_absolute() else []
        candidates = candidates or [joined(directory, wanted) for directory in directories]
        for candidate in candidates:
            if candidate in self._lines_of_file or exists(candidate):
                if candidate not in self._lines_of_file:
                    self._split(candidate, read_source(candidate))
                self._nested(place, f"#include {abbreviated(wanted)}", self._lines_of_file[candidate])
                return
            self.absent.add(candidate)
        searched = ", ".join(directories) or "no directory"
        raise SourceError(place, f"#include {abbreviated(wanted)}: file not found (searched {searched})")

    def _nested(self, place: Place, what: str, lines: Sequence[SourceLine]) -> None:
        if self._depth >= _MAX_DEPTH:
            self._diagnostics.add(SourceError(place, f"{what}: nested deeper than {_MAX_DEPTH}"))
            raise _Stop
        self._count(place)
        self._depth += 1
        try:
            self._process(lines)
        finally:
            self._depth -= 1

    # -- defines and macros ----------------------------------------------------------------------------------------

    def _define(self, rest: str, place: Place) -> None:
        name, parameters, text = _definition(rest, place, "#define")
        self._defines[name] = _Define(parameters, text)

    def _define_macro(self, head: str, body: Sequence[SourceLine], place: Place) -> None:
        match = _MACRO_HEAD.fullmatch(head)
        if match is None:
            raise SourceError(place, f"#macro needs name(arguments), not {head!r}")
        name = match.group(1)
        parameters = tuple(part.strip() for part in (match.group(2) or "").split(",") if part.strip())
        for parameter in parameters:
            if not PARAMETER.fullmatch(parameter):
                raise SourceError(place, f"#macro {name}: argument {parameter!r} is not a name")
        self._macros.setdefault(name, {})[len(parameters)] = Macro(name, parameters, tuple(body), declared_names(body))

    def _loop(self, word: str, rest: str, body: Sequence[SourceLine], place: Place) -> None:
        if word == "for":
            match = _FOR_HEAD.fullmatch(rest)
            if match is None:
                raise SourceError(place, f"#for needs name [value, ...], not {rest!r}")
            name, values = match.group(1), match.group(2)
            previous = self._defines.get(name)
            for value in _split_arguments(self._expand(values)):
                self._defines[name] = _Define(None, value)
                self._nested(place, "#for", body)
            self._defines.pop(name, None)
            if previous is not None:
                self._defines[name] = previous
            return
        passes = self._value(rest, place) if word == "repeat" else None
        if passes is not None and not 0 <= passes <= _MAX_LOOP_PASSES:
            raise SourceError(place, f"#repeat {passes}: must be 0..{_MAX_LOOP_PASSES}")
        count = 0
        while count < passes if passes is not None else self._value(rest, place):
            if count >= _MAX_LOOP_PASSES:
                raise SourceError(place, f"#{word}: more than {_MAX_LOOP_PASSES} passes")
            self._nested(place, f"#{word}", body)
            count += 1

    def _count(self, place: Place) -> None:
        """One more line or pass of a loop; a program that multiplies itself is stopped here."""
        self._lines += 1
        if self._lines > _MAX_LINES:
            raise InputError(
                f"the program expands to more than {_MAX_LINES:,} lines and loop passes",
                file=place.file,
                line=place.line,
            )

    def _emit(self, line: SourceLine) -> None:
        self._count(line.place)
        text = self._expand(line.text)
        if not text.strip() or text.strip() == OUTER:
            return
        if len(text) > MAX_LINE_CHARACTERS:
            raise SourceError(line.place, f"line longer than {MAX_LINE_CHARACTERS:,} characters")
        match = _CALL.match(text)
        if match is not None and match.group(2) in self._macros:
            self._call_macro(match, text, line)
            return
        if len(self._output) >= _MAX_STATEMENTS:
            self._diagnostics.add(SourceError(line.place, f"the program has more than {_MAX_STATEMENTS:,} statements"))
            raise _Stop
        self._output.append(SourceLine(pasted(text), line.place, line.levels_up))

    def _call_macro(self, match: re.Match[str], text: str, line: SourceLine) -> None:
        labels, name = match.group(1).strip(), match.group(2)
        arguments, end = arguments_at(text, match.end())
        if text[end:].strip():
            found = abbreviated(text[end:].strip())
            raise SourceError(line.place, f"macro {name}: unexpected {found!r} after the arguments")
        overloads = self._macros[name]
        macro = overloads.get(len(arguments))
        if macro is None:
            counts = " or ".join(str(count) for count in sorted(overloads))
            raise SourceError(line.place, f"macro {name} takes {counts} argument(s), not {len(arguments)}")
        if labels:
            self._output.append(SourceLine(labels, line.place, line.levels_up))
        passed = (marked(pasted(argument), macro.declares) for argument in arguments)
        values = dict(zip(macro.parameters, passed, strict=True))
        body = [with_arguments(body_line, values, name, line) for body_line in macro.body]
        self._output.append(SourceLine(MACRO_BEGIN, line.place))
        try:
            self._nested(line.place, f"macro {name}", body)
        finally:
            self._output.append(SourceLine(MACRO_END, line.place))

    def _is_defined(self, name: str) -> bool:
        return name in self._defines or name in self._macros

    def _value(self, text: str, place: Place) -> int:
        """Value of a preprocessor expression."""
        try:
            return _integer(self._without_text_functions(text))
        except (SyntaxProblem, ExpressionError, ValueError) as error:
            raise SourceError(place, str(error)) from None

    def _evaluated(self, text: str, place: Place) -> str:
        """Text of a value now: a number, or the characters of a string."""
        try:
            plain = self._without_text_functions(text).strip()
            string = plain.removeprefix("(").removesuffix(")").strip() if plain.startswith("('") else plain
            bare = unquoted(string)
            return str(_integer(plain)) if bare == string else bare
        except (SyntaxProblem, ExpressionError, ValueError) as error:
            raise SourceError(place, str(error)) from None

    def _without_text_functions(self, text: str) -> str:
        known = chip_calls_replaced(defined_calls_replaced(text, self._is_defined))
        return text_functions_replaced(pasted(self._expand(known)), _integer)

    def _expand(self, text: str, active: frozenset[str] = frozenset()) -> str:
        """Replaces defined names, also in what they are replaced by, but never a name inside itself."""
        if self._defines.keys().isdisjoint(IDENTIFIER.findall(text)):
            return text
        if len(active) > _MAX_DEPTH:
            raise ExpressionError(f"names stand for names more than {_MAX_DEPTH} deep")
        parts: list[str] = []
        position = length = 0
        for match in IDENTIFIER.finditer(text):
            name = match.group()
            define = self._defines.get(name)
            if define is None or name in active or match.start() < position or _is_part_of_name(text, match):
                continue
            end = match.end()
            replacement = define.text
            if define.parameters is not None:
                if not text[end:].lstrip().startswith("("):
                    continue
                arguments, end = arguments_at(text, end + len(text[end:]) - len(text[end:].lstrip()))
                if len(arguments) != len(define.parameters):
                    raise ExpressionError(f"{name}() takes {len(define.parameters)} argument(s), not {len(arguments)}")
                values = dict(zip(define.parameters, (self._expand(a, active) for a in arguments), strict=True))
                replacement = substituted(replacement, values)
            while text.startswith(OUTER, end):
                end += 1
            parts += [text[position : match.start()], self._expand(replacement, active | {name})]
            length += len(parts[-1]) + len(parts[-2])
            if length > MAX_LINE_CHARACTERS:
                raise ExpressionError(f"{name} expands to more than {MAX_LINE_CHARACTERS:,} characters")
            position = end
        parts.append(text[position:])
        return "".join(parts)


def _is_part_of_name(text: str, match: re.Match[str]) -> bool:
    """Whether the word is the tail of a prefixed name ($x, @x, n$x) or of a label x#."""
    before = text[match.start() - 1] if match.start() else ""
    return before in ("$", "@") and bool(before)


def _integer(text: str) -> int:
    """Raises SyntaxProblem and ExpressionError."""
    return evaluate(parse_expression(text), _NoSymbols())


def _split_arguments(text: str) -> list[str]:
    return arguments_at(f"({text})", 0)[0]


def _definition(rest: str, place: Place, directive: str) -> tuple[str, tuple[str, ...] | None, str]:
    match = _DEFINITION.fullmatch(rest)
    if match is None:
        raise SourceError(place, f"{directive} needs a name, not {rest!r}")
    name, parameters, text = match.groups()
    if parameters is None:
        return name, None, text.strip()
    return name, tuple(part.strip() for part in parameters[1:-1].split(",") if part.strip()), text.strip()


def _matching_end(lines: Sequence[SourceLine], start: int, openers: frozenset[str], closer: str, place: Place) -> int:
    depth = 1
    for index, word in _directive_words(lines, start):
        if word in openers:
            depth += 1
        elif word == closer:
            depth -= 1
            if depth == 0:
                return index
    # Without its end the rest of the file would be read as something it is not.
    raise InputError(
        f"#{'macro' if closer == 'endm' else 'for, #repeat or #while'} without #{closer}",
        file=place.outermost().file,
        line=place.outermost().line,
    )


def _directive_words(lines: Sequence[SourceLine], start: int) -> Iterator[tuple[int, str]]:
    for index in range(start, len(lines)):
        match = re.match(r"\s*#\s*([A-Za-z_]+)", lines[index].text)
        if match is not None:
            yield index, match.group(1).lower()
