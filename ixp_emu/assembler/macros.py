"""Macros: their arguments and the names they declare.

A name in an argument means what it means where the macro is called, also when the body declares the same name: it is
marked (``source.OUTER``), and the scopes look a marked name up outside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ixp_emu.assembler.source import OUTER, Place, SourceLine

__all__ = ["PARAMETER", "Macro", "declared_names", "marked", "pasted", "substituted", "with_arguments"]

PARAMETER = re.compile(r"(?:\$\$?|@|\bn\$)?([A-Za-z_]\w*)")
# Names a macro's body declares, and names in its arguments with the marks they already have.
_DECLARES = re.compile(r"\s*\.(?:reg|sig|local|areg|breg|addr|state_xfer)\b(.*)", re.IGNORECASE | re.DOTALL)
_LABELS = re.compile(r"(?<!\w)([A-Za-z_]\w*)#:")
_NAMES = re.compile(r"((?:\$\$?|@|\b[ni]\$)?(?<!\w)[A-Za-z_]\w*)(\x01*)")
# Marks inside a word that was pasted together.
_PASTED_MARKS = re.compile(r"\x01+(?=\w)")


@dataclass(frozen=True, slots=True)
class Macro:
    """Attributes:
    declares: what the body declares itself, lower case: registers, signals, labels.
    """

    name: str
    parameters: tuple[str, ...]
    body: tuple[SourceLine, ...]
    declares: frozenset[str]


def pasted(text: str) -> str:
    """Pastes what stands around ``/**/``; strings and pasted words hold no marks."""
    text = text.replace("/**/", "")
    if OUTER not in text:
        return text
    return _PASTED_MARKS.sub("", re.sub(r"'[^']*'", lambda match: match.group().replace(OUTER, ""), text))


def declared_names(body: Sequence[SourceLine]) -> frozenset[str]:
    names: set[str] = set()
    for line in body:
        match = _DECLARES.match(line.text)
        if match is not None:
            names.update(found.group(1).lower() for found in _NAMES.finditer(match.group(1)))
        names.update(label.lower() for label in _LABELS.findall(line.text))
    return frozenset(names)


def marked(argument: str, declared: frozenset[str]) -> str:
    """An argument of a macro: names that the body declares too are marked as the caller's."""
    if not declared and OUTER not in argument:
        return argument

    def outer(match: re.Match[str]) -> str:
        name, marks = match.groups()
        return name + marks + (OUTER if marks or name.lower() in declared else "")

    return _NAMES.sub(outer, argument)


def with_arguments(line: SourceLine, values: Mapping[str, str], macro: str, call: SourceLine) -> SourceLine:
    text = substituted(line.text, values)
    levels_up = 0 if text == line.text else 1 + call.levels_up
    return SourceLine(text, Place(line.place.file, line.place.line, macro, call.place), levels_up)


def substituted(text: str, values: Mapping[str, str]) -> str:
    """Replaces parameters; one may be written with a register's prefix (``$words``) to show what it stands for."""
    if not values:
        return text

    def value(match: re.Match[str]) -> str:
        whole, bare = match.group(), match.group(1)
        if whole in values:
            return values[whole]
        return whole.removesuffix(bare) + values.get(bare, bare)

    return PARAMETER.sub(value, text)
