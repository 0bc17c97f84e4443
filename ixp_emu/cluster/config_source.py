"""The text behind a configuration: the file, the `--set` overrides, and which of them each key came from."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ixp_emu.cluster.toml_lines import KeyPath, dotted, key_lines, split_key
from ixp_emu.errors import InputError

__all__ = ["ConfigSource", "Override", "read_source", "value_text"]

_PLACE_IN_MESSAGE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Override:
    """One `--set KEY=VALUE`: its text as typed, the key's parts and the decoded value."""

    text: str
    path: tuple[str, ...]
    value: Any


@dataclass(frozen=True)
class ConfigSource:
    """A configuration before it is decoded.

    Attributes:
        file: the file, as the user named it.
        text: its content.
        overrides: the overrides in force.
        document: the merged content as plain dicts, lists and scalars.
    """

    file: Path
    text: str
    overrides: tuple[Override, ...]
    document: Mapping[str, Any]

    @cached_property
    def lines(self) -> Mapping[KeyPath, int]:
        """The line of every key of the file."""
        return key_lines(self.text)

    def override_of(self, path: KeyPath) -> Override | None:
        """The override that the value at a path came from, None where it is the file's."""
        for override in reversed(self.overrides):
            if path[: len(override.path)] == override.path:
                return override
        return None

    def error(self, path: KeyPath, message: str) -> InputError:
        """An error about the key at a path, naming its file and line or its override."""
        override = self.override_of(path)
        if override is not None:
            return InputError(message, file=f"--set {override.text}", key=dotted(path))
        known = next((path[:end] for end in range(len(path), 0, -1) if path[:end] in self.lines), None)
        line = None if known is None else self.lines[known]
        return InputError(message, file=self.file, line=line, key=dotted(path) or None)

    def located(self, error: InputError) -> InputError:
        """The same error with file and line, for one that knows only its key."""
        path = split_key(error.key or "")
        return InputError(error.message, file=self.file) if path is None else self.error(path, error.message)

    def absolute(self, path: KeyPath, text: str) -> str:
        """A file name made absolute: relative to the file's directory, or to the current one in an override."""
        directory = "" if self.override_of(path) else os.path.dirname(os.path.abspath(self.file))
        return os.path.abspath(os.path.join(directory, text))


def read_source(
    file: Path, overrides: Sequence[str], *, alternatives: Sequence[tuple[KeyPath, Sequence[KeyPath]]] = ()
) -> ConfigSource:
    """Read a file and apply overrides.

    Args:
        file: the TOML file.
        overrides: texts `KEY=VALUE`.
        alternatives: pairs (key, excluded keys): an override of the key drops the excluded ones from the file.

    Raises:
        InputError: the file is missing or no UTF-8 TOML; an override has no valid key or value.
    """
    text = _read_text(file)
    document = _parse(text, file)
    parsed = [_parse_override(override) for override in overrides]
    for key, excluded in alternatives:
        if any(override.path == key for override in parsed):
            for path in excluded:
                _drop(document, path)
    in_force: list[Override] = []
    for override in parsed:
        _apply(document, override)
        in_force = [earlier for earlier in in_force if earlier.path[: len(override.path)] != override.path]
        in_force.append(override)
    return ConfigSource(file, text, tuple(in_force), document)


def value_text(value: object) -> str:
    """A value as an error message names it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        shown = value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "..."
        return f"the string {json.dumps(shown, ensure_ascii=False)}"
    if isinstance(value, int):
        return f"the integer {value}"
    if isinstance(value, float):
        return f"the number {value}"
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    if isinstance(value, dict):
        return "a table" if value else "an empty table"
    return f"the date or time {value}"


_LARGEST_BYTES = 4 << 20


def _read_text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise InputError("no such file", file=file) from None
    except IsADirectoryError:
        raise InputError("a directory; a cluster.toml file is expected", file=file) from None
    except (OSError, ValueError) as error:
        raise InputError(f"not readable: {getattr(error, 'strerror', None) or error}", file=file) from None
    if len(content) > _LARGEST_BYTES:
        raise InputError(f"larger than {_LARGEST_BYTES:,} bytes, more than any cluster.toml needs", file=file)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise InputError(
            f"not a text file in UTF-8: byte 0x{byte:02x} at offset {error.start}", file=file, line=line
        ) from None


def _parse(text: str, file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise InputError("not valid TOML: nested too deeply", file=file) from None
    except ValueError as error:  # a TOMLDecodeError, or an integer of thousands of digits
        message = str(error)
        place = _PLACE_IN_MESSAGE.search(message)
        if place is None:
            raise InputError(f"not valid TOML: {message}", file=file) from None
        line = int(place[1]) if place[1] else text.rstrip().count("\n") + 1
        where = f"column {place[2]}" if place[2] else "at the end of the file"
        raise InputError(f"not valid TOML: {message[: place.start()]} ({where})", file=file, line=line) from None


def _parse_override(text: str) -> Override:
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError("KEY=VALUE expected", file=f"--set {text}")
    path = split_key(key.strip())
    if path is None:
        raise InputError(f'"{key}" is no dotted key', file=f"--set {text}")
    return Override(text, path, _override_value(text, value.strip()))


def _override_value(text: str, value: str) -> Any:
    """A TOML value, or the text itself where it is none and does not begin like one."""
    if not value:
        raise InputError('no value; "" is the empty string', file=f"--set {text}")
    try:
        document = tomllib.loads(f"value = {value}")
        if len(document) == 1:
            return document["value"]
    except (ValueError, RecursionError):
        pass
    if value[0] in "\"'[{":
        raise InputError(f"{value} is not a TOML value", file=f"--set {text}")
    return value


def _drop(document: dict[str, Any], path: KeyPath) -> None:
    table: Any = document
    for key in path[:-1]:
        table = table.get(key) if isinstance(table, dict) else None
    if isinstance(table, dict):
        table.pop(path[-1], None)


def _apply(document: dict[str, Any], override: Override) -> None:
    table: Any = document
    for depth, key in enumerate(override.path[:-1], start=1):
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise InputError(
                f"{value_text(table)}, not a table", file=f"--set {override.text}", key=dotted(override.path[:depth])
            )
    table[override.path[-1]] = override.value
