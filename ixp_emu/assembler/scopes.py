"""Scopes and the names declared in them: registers, transfer registers, signals, labels. Source: isa.md section 4."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from ixp_emu.assembler.source import OUTER, Place, SourceError
from ixp_emu.isa.operands import Bank, RegisterKind

__all__ = ["NUMBERED_TRANSFER", "QUALIFIERS", "Scope", "ScopeKind", "Variable", "VariableKind", "kind_of_name"]

QUALIFIERS = frozenset({"global", "volatile", "visible", "read", "write", "extern", "remote"})


# Old programs use transfer registers by number without declaring them ($xfer3, $$xfer3), disassembled ones too ($3).
NUMBERED_TRANSFER = re.compile(r"(\$\$?|n\$)(?:xfer)?(\d{1,3})")
_MAX_DEPTH = 200


class VariableKind(Enum):
    """What a declared name stands for; the value is the word used in messages."""

    GPR = "register"
    ABSOLUTE = "absolute register"
    SRAM = "$ transfer register"
    DRAM = "$$ transfer register"
    NEIGHBOR = "neighbour register"
    SIGNAL = "signal"


REGISTER_KINDS = {
    VariableKind.GPR: RegisterKind.GPR,
    VariableKind.ABSOLUTE: RegisterKind.ABSOLUTE,
    VariableKind.SRAM: RegisterKind.SRAM,
    VariableKind.DRAM: RegisterKind.DRAM,
    VariableKind.NEIGHBOR: RegisterKind.NEIGHBOR,
}


def kind_of_name(name: str) -> VariableKind:
    """The prefix of a register's name decides its kind."""
    for prefix, kind in (
        ("$$", VariableKind.DRAM),
        ("$", VariableKind.SRAM),
        ("@", VariableKind.ABSOLUTE),
        ("n$", VariableKind.NEIGHBOR),
    ):
        if name.startswith(prefix):
            return kind
    return VariableKind.GPR


@dataclass(eq=False, slots=True)
class Variable:
    """One declared name.

    Attributes:
        name: as written, lower case; unique only within its scope.
        kind: from the prefix or the directive.
        place: the declaration, for messages.
        count: elements of an array; 1 for a plain name.
        is_array: written with ``[n]``; elements are ``name[i]``.
        qualifiers: words of QUALIFIERS given.
        number: first register or signal number, once known (from ``.addr`` or by allocation).
        bank: bank given by ``.areg``/``.breg``/``.addr``.
        fixed: number was given by the program.
        doubled: a signal used by commands that signal twice.
        lead: registers reserved before element 0 and, in ``tail``, after the last one.
        follows: the variable whose numbers this one continues (``.xfer_order``).
    """

    name: str
    kind: VariableKind
    place: Place
    count: int = 1
    is_array: bool = False
    qualifiers: frozenset[str] = frozenset()
    number: int | None = None
    bank: Bank | None = None
    fixed: bool = False
    doubled: bool = False
    lead: int = 0
    tail: int = 0
    group: list[Variable] | None = None

    @property
    def span(self) -> int:
        """Consecutive numbers needed."""
        if self.kind is VariableKind.SIGNAL:
            return 2 if self.doubled else 1
        return self.lead + self.count + self.tail

    @property
    def uses_read_half(self) -> bool:
        return "write" not in self.qualifiers or "read" in self.qualifiers

    @property
    def uses_write_half(self) -> bool:
        return "read" not in self.qualifiers or "write" in self.qualifiers


class ScopeKind(Enum):
    FILE = "program"
    BLOCK = ".begin"
    LOCAL = ".local"
    SUBROUTINE = ".subroutine"
    MACRO = "macro"


@dataclass(eq=False, slots=True)
class Scope:
    """One nesting level of names; labels belong to the macro expansion or the program, not to blocks."""

    kind: ScopeKind
    place: Place
    parent: Scope | None = None
    end: Place | None = None
    children: list[Scope] = field(default_factory=list)
    variables: dict[str, Variable] = field(default_factory=dict)
    labels: dict[str, tuple[int, Place]] = field(default_factory=dict)
    depth: int = 0
    remotes: dict[str, Variable] = field(default_factory=dict)

    def open(self, kind: ScopeKind, place: Place) -> Scope:
        """A new scope inside this one. Raises SourceError when they nest too deep."""
        if self.depth >= _MAX_DEPTH:
            raise SourceError(place, f"{kind.value}: scopes are nested deeper than {_MAX_DEPTH}")
        inner = Scope(kind, place, parent=self, depth=self.depth + 1)
        self.children.append(inner)
        return inner

    def enclosing(self) -> Iterator[Scope]:
        """This scope and those around it, inside out."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def descendants(self) -> Iterator[Scope]:
        """This scope and all inside it, outside in."""
        yield self
        for child in self.children:
            yield from child.descendants()

    def declare(self, variable: Variable, *, levels_up: int = 0) -> None:
        """Declares a name here, or where whoever passed it down ``levels_up`` macro calls stands.

        The variable's name may end in OUTER marks; afterwards it does not. Raises SourceError when the scope already
        has the name.
        """
        scope, key = self, variable.name
        while levels_up and scope.kind is ScopeKind.MACRO and scope.parent is not None:
            scope, key = scope.parent, key.removesuffix(OUTER)
            levels_up -= 1
        variable.name = variable.name.rstrip(OUTER)
        if scope.parent is None:
            key = variable.name
        known = scope.variables.get(key)
        if known is not None:
            first = known.place
            raise SourceError(
                variable.place, f"{variable.name!r} is declared twice in one scope (first at {first.file}:{first.line})"
            )
        scope.variables[key] = variable

    def visible(self, name: str) -> Iterator[tuple[Scope, str]]:
        """The enclosing scopes, inside out, and what ``name`` is called in each: a mark goes with each macro left."""
        for scope in self.enclosing():
            yield scope, name if scope.parent is not None else name.rstrip(OUTER)
            if scope.kind is ScopeKind.MACRO:
                name = name.removesuffix(OUTER)

    def find(self, name: str) -> Variable | None:
        return next((scope.variables[key] for scope, key in self.visible(name) if key in scope.variables), None)

    def find_remote(self, name: str) -> Variable | None:
        """A name of another microengine's program."""
        return next((scope.remotes[key] for scope, key in self.visible(name) if key in scope.remotes), None)

    def define_label(self, name: str, index: int, place: Place, *, levels_up: int = 0) -> None:
        """Raises SourceError when the macro expansion or program already has the label."""
        scope = self._label_scope()
        while levels_up and scope.kind is ScopeKind.MACRO and scope.parent is not None:
            scope, name = scope.parent._label_scope(), name.removesuffix(OUTER)
            levels_up -= 1
        if scope.parent is None:
            name = name.rstrip(OUTER)
        if name in scope.labels:
            first = scope.labels[name][1]
            raise SourceError(place, f"label '{name}#' is defined twice (first at {first.file}:{first.line})")
        scope.labels[name] = (index, place)

    def find_label(self, name: str) -> int | None:
        return next((scope.labels[key][0] for scope, key in self.visible(name) if key in scope.labels), None)

    def _label_scope(self) -> Scope:
        return next(scope for scope in self.enclosing() if scope.kind in (ScopeKind.MACRO, ScopeKind.FILE))
