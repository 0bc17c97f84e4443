"""Text work of the preprocessor: comments, continuation lines, argument lists and the functions on strings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

__all__ = [
    "IDENTIFIER",
    "arguments_at",
    "defined_calls_replaced",
    "logical_lines",
    "text_functions_replaced",
    "without_comments",
]

IDENTIFIER = re.compile(r"[A-Za-z_]\w*")

# "/**/" pastes two words together and must survive until names are replaced.
_COMMENT = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|/\*\*/|/\*.*?\*/|//[^\n]*|;[^\n]*", re.DOTALL)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_FREE_TEXT = re.compile(r"\s*#\s*(error|warning|info|define|define_eval|pragma|include|undef)\b", re.IGNORECASE)
_STARTS_STATEMENT = re.compile(r"\s*(#|\.[A-Za-z_])")
_DEFINED = re.compile(r"\bdefined\s*(?:\(\s*([A-Za-z_]\w*)\s*\)|([A-Za-z_]\w*))")


def without_comments(text: str) -> str:
    """The text with comments gone; line numbers stay as they were."""

    def kept(match: re.Match[str]) -> str:
        found = match.group()
        if found[0] in "'\"" or found == "/**/":
            return found
        return " " + "\n" * found.count("\n")

    return _COMMENT.sub(kept, text)


def logical_lines(text: str) -> Iterator[tuple[int, str, str | None]]:
    """Joins continued lines: yields (number of the first line, text, problem or None).

    A line continues after a backslash, inside an open bracket and after a trailing comma.
    """
    pending = ""
    first = 0
    for number, raw in enumerate(without_comments(text).split("\n"), start=1):
        line = raw.rstrip()
        if pending and _STARTS_STATEMENT.match(line) and not pending.endswith(("\\", ",")):
            yield first, pending, f"a bracket is not closed: {pending.strip()!r}"
            pending = ""
        if not pending:
            if not line:
                continue
            first = number
        backslash = line.endswith("\\")
        pending = (pending.removesuffix("\\") + " " + line.strip()) if pending else line
        if backslash:
            continue
        if not _continues(pending):
            yield first, pending, None
            pending = ""
    if pending:
        pending = pending.removesuffix("\\").rstrip()
        if pending.endswith(","):
            yield first, pending, f"the file ends after a comma: {pending.strip()!r}"
        elif _continues(pending):
            yield first, pending, f"a bracket is not closed: {pending.strip()!r}"
        else:
            yield first, pending, None


def _continues(line: str) -> bool:
    if line.lstrip().startswith("#") and _FREE_TEXT.match(line):
        return False
    if line.endswith(","):
        return True
    if "(" not in line and "[" not in line:
        return False
    bare = _QUOTED.sub("", line) if "'" in line or '"' in line else line
    return bare.count("(") + bare.count("[") > bare.count(")") + bare.count("]")


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


def _bare(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"" else text


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\(*\s*-?(0[xX][0-9a-fA-F]+|\d+)\s*\)*", text) is not None


def _is_constant(text: str) -> bool:
    """A literal, or an expression in parentheses that names no register."""
    return _is_number(text) or (text.startswith("(") and re.search(r"[A-Za-z_$@]", text) is None)


_TEXT_FUNCTIONS: dict[str, tuple[int, Callable[..., str]]] = {
    "streq": (2, lambda left, right: str(int(_bare(left).lower() == _bare(right).lower()))),
    "strstr": (2, lambda text, part: str(_bare(text).lower().find(_bare(part).lower()) + 1)),
    "strlen": (1, lambda text: str(len(_bare(text)))),
    "strleft": (2, lambda text, count: repr(_bare(text)[: int(count, 0)])),
    "strright": (2, lambda text, count: repr(_bare(text)[len(_bare(text)) - min(int(count, 0), len(_bare(text))) :])),
    "isnum": (1, lambda text: str(int(_is_number(text)))),
    "is_ct_const": (1, lambda text: str(int(_is_constant(text)))),
    "is_rt_const": (1, lambda text: str(int(text.lower().startswith("i$")))),
    "isimport": (1, lambda text: str(int(text.lower().startswith("i$")))),
    "is_ixptype": (1, lambda text: str(int(_bare(text).strip("_").upper() in ("IXP2400", "IXP2XXX")))),
}
_TEXT_CALL = re.compile(rf"\b({'|'.join(_TEXT_FUNCTIONS)})\s*(?=\()", re.IGNORECASE)


def text_functions_replaced(text: str) -> str:
    """Replaces calls such as ``streq(a, b)`` by their value, innermost first."""
    while matches := list(_TEXT_CALL.finditer(text)):
        match = matches[-1]
        arguments, end = arguments_at(text, match.end())
        count, function = _TEXT_FUNCTIONS[match.group(1).lower()]
        if len(arguments) == count:
            try:
                value = function(*arguments)
            except ValueError:
                value = "bad_argument("
        else:
            value = f"takes_{count}_arguments("
        text = text[: match.start()] + value + text[end:]
    return text
