"""Text work of the preprocessor: comments, continuation lines, argument lists and the functions on strings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ixp_emu.assembler.source import abbreviated

__all__ = [
    "IDENTIFIER",
    "MAX_LINE_CHARACTERS",
    "arguments_at",
    "chip_calls_replaced",
    "defined_calls_replaced",
    "logical_lines",
    "text_functions_replaced",
    "unquoted",
    "without_comments",
]

IDENTIFIER = re.compile(r"(?<!\w)[A-Za-z_]\w*")

MAX_LINE_CHARACTERS = 100_000
_MAX_CALLS = 200

# "/**/" pastes two words together and must survive until names are replaced.
_COMMENT = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|/\*\*/|/\*.*?(?:\*/|\Z)|//[^\n]*|;[^\n]*", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_FREE_TEXT = re.compile(r"\s*#\s*(error|warning|info|define|define_eval|pragma|include|undef)\b", re.IGNORECASE)
_STARTS_STATEMENT = re.compile(r"\s*(#|\.[A-Za-z_])")
_DEFINED = re.compile(r"\bdefined\s*(?:\(\s*([A-Za-z_]\w*)\s*\)|([A-Za-z_]\w*))")


def without_comments(text: str) -> tuple[str, int | None]:
    """The text with comments gone, line numbers as they were; and the position of a comment that does not end."""
    unclosed: list[int] = []

    def kept(match: re.Match[str]) -> str:
        found = match.group()
        if found[0] in "'\"" or found == "/**/":
            return found
        if found.startswith("/*") and (len(found) < 4 or not found.endswith("*/")):
            unclosed.append(match.start())
        return " " + "\n" * found.count("\n")

    return _COMMENT.sub(kept, text), unclosed[0] if unclosed else None


@dataclass(slots=True)
class _Pending:
    """A line that may go on."""

    first: int = 0
    parts: list[str] = field(default_factory=list)
    length: int = 0
    depth: int = 0
    free_text: bool = False
    """Of a directive whose text may hold single brackets."""

    def add(self, number: int, part: str) -> None:
        if not self.parts:
            self.first, self.free_text = number, _FREE_TEXT.match(part) is not None
        self.parts.append(part)
        self.length += len(part) + 1
        if ("(" in part or "[" in part or ")" in part or "]" in part) and not self.free_text:
            bare = _QUOTED.sub("", part)
            self.depth += bare.count("(") + bare.count("[") - bare.count(")") - bare.count("]")

    @property
    def goes_on(self) -> bool:
        return not self.free_text and (self.depth > 0 or self.parts[-1].endswith(","))

    @property
    def text(self) -> str:
        return " ".join(self.parts)

    @property
    def problem(self) -> str | None:
        if not self.goes_on:
            return None
        shown = abbreviated(self.text.strip())
        return f"a bracket is not closed: {shown!r}" if self.depth > 0 else f"the file ends after a comma: {shown!r}"


def logical_lines(text: str) -> Iterator[tuple[int, str, str | None]]:
    """Joins continued lines: yields (number of the first line, text, problem or None).

    A line continues after a backslash, inside an open bracket and after a trailing comma.
    """
    pending = _Pending()
    backslash = False
    plain, unclosed = without_comments(text)
    for number, raw in enumerate(plain.split("\n"), start=1):
        line = raw.rstrip()
        odd = _CONTROL.search(line)
        if odd is not None:
            yield number, "", f"character {odd.group()!r} is not allowed in a program"
            line = _CONTROL.sub(" ", line).rstrip()
        if len(line) + pending.length > MAX_LINE_CHARACTERS:
            yield pending.first or number, "", f"line longer than {MAX_LINE_CHARACTERS:,} characters"
            pending = _Pending()
            continue
        if (
            pending.depth > 0
            and not backslash
            and not pending.parts[-1].endswith(",")
            and _STARTS_STATEMENT.match(line)
        ):
            yield pending.first, pending.text, pending.problem
            pending = _Pending()
        if not line and (not pending.parts or (pending.goes_on and not backslash)):
            continue
        backslash = line.endswith("\\")
        line = line.removesuffix("\\")
        pending.add(number, line.strip() if pending.parts else line)
        if not backslash and not pending.goes_on:
            yield pending.first, pending.text, None
            pending = _Pending()
    if pending.parts:
        yield pending.first, pending.text.rstrip(), pending.problem
    if unclosed is not None:
        yield text.count("\n", 0, unclosed) + 1, "", "a comment is not closed: /* without */"


def arguments_at(text: str, start: int) -> tuple[list[str], int]:
    """The comma-separated arguments of a bracket that may open at ``start``, and the position after it."""
    while start < len(text) and text[start].isspace():
        start += 1
    if start >= len(text) or text[start] not in "([":
        return [], start
    arguments: list[str] = []
    depth = 0
    quote = ""
    begin = start + 1
    for position in range(start, len(text)):
        character = text[position]
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
            if depth == 0:
                last = text[begin:position].strip()
                if last or arguments:
                    arguments.append(last)
                return arguments, position + 1
        elif character == "," and depth == 1:
            arguments.append(text[begin:position].strip())
            begin = position + 1
    return [*arguments, text[begin:].strip()], len(text)


def defined_calls_replaced(text: str, is_defined: Callable[[str], bool]) -> str:
    """``defined(NAME)`` -> 1 or 0, before names are replaced."""
    return _DEFINED.sub(lambda match: str(int(is_defined(match.group(1) or match.group(2)))), text)


def unquoted(text: str) -> str:
    """A string without its quotes; other text as it is."""
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"" else text


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\(*\s*-?(0[xX][0-9a-fA-F]+|\d+)\s*\)*", text) is not None


def _is_constant(text: str) -> bool:
    """A literal, or an expression in parentheses that names no register."""
    return _is_number(text) or (text.startswith("(") and re.search(r"[A-Za-z_$@]", text) is None)


def _left(text: str, count: int) -> str:
    return f"'{unquoted(text)[: max(count, 0)]}'"


def _right(text: str, count: int) -> str:
    bare = unquoted(text)
    return f"'{bare[max(len(bare) - max(count, 0), 0) :]}'"


# Operands that do not fit the 8-bit field of a shifted or memory operand. Source: isa.md section 1.
_UNRESTRICTED_ONLY = re.compile(
    r"@.*|n\$(?!index).*|\*l\$index[01]((\+\+|--).*|\[\s*(0x0*[89a-f]|8|9|1[0-5])\s*\])", re.IGNORECASE
)
_CHIPS = {"IXP2400": 1, "IXP2XXX": 1, "IXP2800": 0, "IXP28XX": 0}


def _is_chip(text: str) -> str:
    name = unquoted(text).strip().strip("_").upper()
    if name not in _CHIPS:
        raise ValueError(f"{abbreviated(unquoted(text))!r} must be {', '.join(f'__{chip}' for chip in _CHIPS)}")
    return str(_CHIPS[name])


# Name -> number of strings, number of integers behind them, function.
_TEXT_FUNCTIONS: dict[str, tuple[int, int, Callable[..., str]]] = {
    "streq": (2, 0, lambda left, right: str(int(unquoted(left).lower() == unquoted(right).lower()))),
    "strstr": (2, 0, lambda text, part: str(unquoted(text).lower().find(unquoted(part).lower()) + 1)),
    "strlen": (1, 0, lambda text: str(len(unquoted(text)))),
    "strleft": (1, 1, _left),
    "strright": (1, 1, _right),
    "isnum": (1, 0, lambda text: str(int(_is_number(unquoted(text))))),
    "is_ct_const": (1, 0, lambda text: str(int(_is_constant(unquoted(text))))),
    "is_rt_const": (1, 0, lambda text: str(int(unquoted(text).lower().startswith("i$")))),
    "isimport": (1, 0, lambda text: str(int(unquoted(text).lower().startswith("i$")))),
    "isrestricted": (1, 0, lambda text: str(int(_UNRESTRICTED_ONLY.fullmatch(unquoted(text).strip()) is None))),
    "is_ixptype": (1, 0, _is_chip),
}
_TEXT_CALL = re.compile(rf"\b({'|'.join(_TEXT_FUNCTIONS)})\s*(?=\()", re.IGNORECASE)
_CHIP_CALL = re.compile(r"\bis_ixptype\s*\(\s*['\"]?([A-Za-z_]\w*)['\"]?\s*\)", re.IGNORECASE)


def chip_calls_replaced(text: str) -> str:
    """``IS_IXPTYPE(__IXP2400)`` -> 1 or 0, before names are replaced. Raises ValueError for an unknown chip."""
    return _CHIP_CALL.sub(lambda match: _is_chip(match.group(1)), text)


def text_functions_replaced(text: str, integer: Callable[[str], int]) -> str:
    """Replaces calls such as ``streq(a, b)`` by their value, innermost first.

    Parameters:
        integer: value of an argument that is a number.

    Raises:
        ValueError: a wrong number of arguments.
    """
    while True:
        if sum(1 for _ in _TEXT_CALL.finditer(text)) > _MAX_CALLS:
            raise ValueError(f"more than {_MAX_CALLS} calls of string functions in one line")
        quoted = [match.span() for match in _QUOTED.finditer(text)]
        matches = [m for m in _TEXT_CALL.finditer(text) if not any(a < m.start() < b for a, b in quoted)]
        if not matches:
            return text
        match = matches[-1]
        name = match.group(1).lower()
        arguments, end = arguments_at(text, match.end())
        strings, integers, function = _TEXT_FUNCTIONS[name]
        if len(arguments) != strings + integers:
            raise ValueError(f"{name}() takes {strings + integers} argument(s), not {len(arguments)}")
        value = function(*arguments[:strings], *map(integer, arguments[strings:]))
        text = text[: match.start()] + value + text[end:]
