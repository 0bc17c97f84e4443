"""Where each key of a TOML text stands: the standard library's reader gives values without positions."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from contextlib import suppress

__all__ = ["KeyPath", "dotted", "key_lines", "split_key"]

KeyPath = tuple[str | int, ...]
"""Keys from the top of the document downwards; an integer is an index in an array."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING_END = {
    '"""': re.compile(r'(?:\\.|[^\\])*?"{3,5}', re.DOTALL),
    "'''": re.compile(r".*?'{3,5}", re.DOTALL),
    '"': re.compile(r'(?:\\.|[^"\\])*"'),
    "'": re.compile(r"[^']*'"),
}
_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_SCALAR = re.compile(r"[^,\]}#\n]*")


def dotted(path: KeyPath) -> str:
    """The path as TOML writes it, with indices in brackets: `chips.a.ports[1]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        quoted = part.replace("\\", "\\\\").replace('"', '\\"')
        text += ("." if text else "") + (part if _BARE.fullmatch(part) else f'"{quoted}"')
    return text


def split_key(text: str) -> tuple[str, ...] | None:
    """The parts of a dotted TOML key, None where the text is no such key."""
    try:
        value: object = tomllib.loads(f"{text} = 0")
    except (ValueError, RecursionError):
        return None
    parts: list[str] = []
    while isinstance(value, dict):
        if len(value) != 1:
            return None
        part, value = next(iter(value.items()))
        parts.append(part)
    return tuple(parts) if value == 0 and "\n" not in text else None


def key_lines(text: str) -> dict[KeyPath, int]:
    """The 1-based line of every key, table and array element of a text that `tomllib` accepts.

    A table that is mentioned several times counts from its first mention.
    """
    scanner = _Scanner(text.replace("\r\n", "\n"))
    with suppress(RecursionError):  # hundreds of nested arrays: the lines found until then are right
        scanner.document()
    return scanner.lines


class _Scanner:
    """Walks over a valid text; it looks for structure only and leaves values to the real reader."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._array_lengths: dict[KeyPath, int] = {}

    def document(self) -> None:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            if self._take("[["):
                table = self._header(array=True)
                self.at += 2
            elif self._take("["):
                table = self._header(array=False)
                self.at += 1
            else:
                self._pair(table)
            self._skip(_BLANK)

    def _header(self, *, array: bool) -> KeyPath:
        path: KeyPath = ()
        keys = self._keys()
        for number, (key, at) in enumerate(keys):
            path = (*path, key)
            self._mark(path, at)
            if array and number == len(keys) - 1:
                self._array_lengths[path] = self._array_lengths.get(path, 0) + 1
            if path in self._array_lengths:
                path = (*path, self._array_lengths[path] - 1)
                self._mark(path, at)
        return path

    def _pair(self, table: KeyPath) -> None:
        path = table
        for key, at in self._keys():
            path = (*path, key)
            self._mark(path, at)
        self.at += 1  # =
        self._skip(_SPACE)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        quote = self._quote()
        if quote:
            self._string(quote)
        elif self._take("["):
            self._elements(path, closing="]", keyed=False)
        elif self._take("{"):
            self._elements(path, closing="}", keyed=True)
        else:
            self._skip(_SCALAR)

    def _elements(self, path: KeyPath, *, closing: str, keyed: bool) -> None:
        index = 0
        self._skip(_BLANK)
        while self.at < len(self.text) and not self._take(closing):
            if keyed:
                self._pair(path)
            else:
                self._mark((*path, index), self.at)
                self._value((*path, index))
                index += 1
            self._skip(_BLANK)
            self._take(",")
            self._skip(_BLANK)

    def _keys(self) -> list[tuple[str, int]]:
        """A dotted key: its parts and where each stands."""
        keys = []
        while True:
            self._skip(_SPACE)
            at = self.at
            if self._take('"'):
                self._string('"')
                key = str(tomllib.loads(f"key = {self.text[at : self.at]}")["key"])
            elif self._take("'"):
                self._string("'")
                key = self.text[at + 1 : self.at - 1]
            else:
                self._skip(_BARE)
                key = self.text[at : self.at]
            keys.append((key, at))
            self._skip(_SPACE)
            if not self._take("."):
                return keys

    def _quote(self) -> str | None:
        return next((quote for quote in _STRING_END if self._take(quote)), None)

    def _string(self, quote: str) -> None:
        self._skip(_STRING_END[quote])

    def _take(self, token: str) -> bool:
        found = self.text.startswith(token, self.at)
        if found:
            self.at += len(token)
        return found

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        if match is not None:
            self.at = match.end()

    def _mark(self, path: KeyPath, at: int) -> None:
        self.lines.setdefault(path, bisect_right(self._newlines, at - 1) + 1)
