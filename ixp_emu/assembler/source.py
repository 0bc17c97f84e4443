"""Places in source text, and the errors and warnings collected there."""

from __future__ import annotations

from dataclasses import dataclass, field

from ixp_emu.errors import InputError

__all__ = [
    "MAX_REPORTED_ERRORS",
    "OUTER",
    "Diagnostics",
    "Place",
    "SourceError",
    "SourceLine",
    "abbreviated",
    "span_text",
]

MAX_REPORTED_ERRORS = 20
_MAX_MESSAGE_CHARACTERS = 3_000
_MAX_REPORTED_STEPS = 8

OUTER = "\x01"
"""Ends a name that came into a macro as an argument although the macro declares one of the same spelling: the name is
looked up outside the macro. One for every macro to be left; no source file holds the character."""


def abbreviated(text: str, limit: int = 60) -> str:
    """A value as a message shows it: its two ends when it is long."""
    if len(text) <= limit:
        return text
    return f"{text[: limit * 2 // 3]}...{text[len(text) - limit // 3 :]}"


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a source file; for the body of a macro, also where the macro was called.

    Attributes:
        file: the file as the user named it.
        line: 1-based line number.
        macro: name of the macro whose body holds the line, if any.
        call: the place of the call that expanded that macro.
    """

    file: str
    line: int
    macro: str | None = None
    call: Place | None = None

    def outermost(self) -> Place:
        """The line outside all macros that led here."""
        place = self
        while place.call is not None:
            place = place.call
        return place

    def expansion(self) -> str:
        """How the line was reached through macros, outermost first; empty outside macros."""
        steps: list[str] = []
        place: Place | None = self
        while place is not None and place.call is not None:
            steps.append(f"in macro {place.macro}, {place.file}:{place.line}")
            place = place.call
        if len(steps) > _MAX_REPORTED_STEPS:
            steps[1:-1] = [f"{len(steps) - 2} more macros"]
        return "; ".join(reversed(steps))


def span_text(first: Place, last: Place | None) -> str:
    """Where something begins and ends: ``file:3-9``; without an end it lasts to the end of the program."""
    begin = f"{first.file}:{first.line}"
    if last is None:
        return f"{begin} to the end"
    if first.file != last.file or last.line < first.line:
        return f"{begin} to {last.file}:{last.line}"
    return begin if first.line == last.line else f"{begin}-{last.line}"


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One line after preprocessing.

    Attributes:
        text: the statement, without comments and with all names of the preprocessor replaced.
        place: where it comes from.
        levels_up: how many enclosing macros gave arguments to the text. A declaration with a name from an argument
            belongs to whoever passed it; any other declaration in a macro body is local to the expansion.
    """

    text: str
    place: Place
    levels_up: int = 0


class SourceError(Exception):
    """One error at one place; the driver collects them."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place
        self.message = message


@dataclass
class Diagnostics:
    """Errors, warnings and notes of one assembly, in the order found."""

    errors: list[tuple[Place, str]] = field(default_factory=list)
    warnings: list[tuple[Place, str]] = field(default_factory=list)
    notes: list[tuple[Place, str]] = field(default_factory=list)
    _known_warnings: set[tuple[Place, str]] = field(default_factory=set)

    def add(self, error: SourceError) -> None:
        entry = (error.place, _readable(error.message))
        if len(self.errors) <= MAX_REPORTED_ERRORS and entry in self.errors:
            return
        self.errors.append(entry)

    def warn(self, place: Place, message: str) -> None:
        entry = (place, _readable(message))
        if entry not in self._known_warnings:
            self._known_warnings.add(entry)
            self.warnings.append(entry)

    def report(self, place: Place, message: str, *, error: bool) -> None:
        """An error, or the same as a warning."""
        if error:
            self.add(SourceError(place, message))
        else:
            self.warn(place, message)

    def raise_if_errors(self) -> None:
        """Raises InputError with up to MAX_REPORTED_ERRORS errors, one per line."""
        if not self.errors:
            return
        first = self.errors[0][0].outermost()
        texts = [_with_expansion(*self.errors[0])]
        for place, message in self.errors[1:MAX_REPORTED_ERRORS]:
            outer = place.outermost()
            texts.append(f"{outer.file}:{outer.line}: {_with_expansion(place, message)}")
        if len(self.errors) > MAX_REPORTED_ERRORS:
            texts.append(f"and {len(self.errors) - MAX_REPORTED_ERRORS} more errors")
        raise InputError("\n".join(texts), file=first.file, line=first.line)

    def warning_texts(self) -> list[str]:
        """Each warning as ``file:line: message``."""
        return [
            f"{place.outermost().file}:{place.outermost().line}: {_with_expansion(place, message)}"
            for place, message in self.warnings
        ]


def _readable(message: str) -> str:
    """One line of reasonable length, without marks in names."""
    return abbreviated(message.replace(OUTER, "").replace("\n", " "), _MAX_MESSAGE_CHARACTERS)


def _with_expansion(place: Place, message: str) -> str:
    expansion = place.expansion()
    return f"{message} ({expansion})" if expansion else message
