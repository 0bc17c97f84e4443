"""Numbers of transfer registers, neighbour registers and signals, by scope.

Scopes that do not enclose one another may share numbers; inside a scope every declared name has its own until the
scope ends. Source: isa.md sections 1.12 (doubled signals) and 2.1.
"""

from __future__ import annotations

from collections.abc import Sequence

from ixp_emu.assembler.scopes import Scope, Variable, VariableKind
from ixp_emu.assembler.source import Diagnostics, SourceError, span_text

__all__ = ["FIRST_SIGNAL", "LAST_SIGNAL", "number_variables", "registers_per_context"]

FIRST_SIGNAL, LAST_SIGNAL = 1, 15


def registers_per_context(contexts: int) -> int:
    """Relative numbers of each kind a context has: the machine's 128 divided by its contexts."""
    return 128 // contexts


class _Numbers:
    """Occupied numbers of one kind on the way down one branch of the scope tree, as bit sets of both halves."""

    def __init__(self, kind: VariableKind, contexts: int, diagnostics: Diagnostics) -> None:
        self._kind = kind
        signals = kind is VariableKind.SIGNAL
        self._first = FIRST_SIGNAL if signals else 0
        self._end = LAST_SIGNAL + 1 if signals else registers_per_context(contexts)
        self._diagnostics = diagnostics

    def fill(self, scope: Scope, read: int, write: int, names: tuple[str, ...]) -> None:
        """Numbers the variables of a scope and of all scopes inside it around the bits already taken."""
        own = [variable for variable in scope.variables.values() if variable.kind is self._kind]
        for variable in own:
            if variable.fixed and variable.group and not self._stands_in_order(variable):
                return
            if variable.fixed:
                read, write = self._take([variable], read, write)
        grouped: set[int] = set()
        runs: list[list[Variable]] = []
        for variable in own:
            if variable.fixed or id(variable) in grouped:
                continue
            run = variable.group or [variable]
            grouped.update(id(member) for member in run)
            runs.append(run)
        # Long runs first: a run needs consecutive numbers, single names fit anywhere.
        runs.sort(key=lambda run: -sum(member.span for member in run))
        below = self._fixed_below(scope)
        for run in runs:
            if not self._place(run, read, write, below):
                taken = ", ".join(names + _lives(scope, [variable for variable in own if variable.number is not None]))
                length = sum(member.span for member in run)
                available = self._end - self._first
                self._diagnostics.add(
                    SourceError(
                        run[0].place,
                        f"no {self._kind.value} left for {', '.join(member.name for member in run)}"
                        + (f" ({length} consecutive)" if length > 1 else "")
                        + f": {available} per context, in use here: {taken or 'none'}",
                    )
                )
                return
            read, write = self._take(run, read, write)
        known = names + _lives(scope, own)
        for child in scope.children:
            self.fill(child, read, write, known)

    def _stands_in_order(self, variable: Variable) -> bool:
        """Whether a fixed number agrees with that of the first fixed member of its order; says so if not."""
        position = 0
        starts: dict[str, int] = {}
        for member in variable.group or ():
            if member.fixed and member.number is not None:
                starts[member.name] = member.number - member.lead - position
            position += member.span
        first, start = next(iter(starts.items()))
        if starts[variable.name] == start:
            return True
        self._diagnostics.add(
            SourceError(
                variable.place,
                f"{variable.name} has the fixed number {variable.number}: its order, with {first} fixed too, "
                f"wants {(variable.number or 0) + start - starts[variable.name]}",
            )
        )
        return False

    def _fixed_below(self, scope: Scope) -> tuple[int, int]:
        """Numbers the program itself gives to names of inner scopes: outer names keep off them."""
        read = write = 0
        for inner in scope.descendants():
            if inner is not scope:
                for variable in inner.variables.values():
                    if variable.kind is self._kind and variable.fixed:
                        read, write = self._take([variable], read, write)
        return read, write

    def _place(self, run: Sequence[Variable], read: int, write: int, below: tuple[int, int]) -> bool:
        """Finds room for a run; a member whose number the program gives says where the run stands."""
        length = sum(member.span for member in run)
        starts: Sequence[int] = range(self._first, self._end - length + 1)
        position = 0
        for member in run:
            if member.fixed and member.number is not None:
                starts = [start for start in starts if start + position == member.number - member.lead]
            position += member.span
        for start in starts:
            position = start
            for member in run:
                bits = (1 << member.span) - 1 << position
                if member.doubled and position % 2:
                    break
                taken = (self._reads(member) and bits & (read | below[0])) or (
                    self._writes(member) and bits & (write | below[1])
                )
                if taken and not member.fixed:
                    break
                position += member.span
            else:
                position = start
                for member in run:
                    member.number = position + member.lead
                    position += member.span
                return True
        return False

    def _take(self, run: Sequence[Variable], read: int, write: int) -> tuple[int, int]:
        for member in run:
            assert member.number is not None
            bits = (1 << member.span) - 1 << member.number - member.lead
            read |= bits if self._reads(member) else 0
            write |= bits if self._writes(member) else 0
        return read, write

    def _reads(self, variable: Variable) -> bool:
        return self._kind is VariableKind.SIGNAL or variable.uses_read_half

    def _writes(self, variable: Variable) -> bool:
        return self._kind not in (VariableKind.SRAM, VariableKind.DRAM) or variable.uses_write_half


def _lives(scope: Scope, variables: Sequence[Variable]) -> tuple[str, ...]:
    """Each name with the lines between which it holds its number: from its declaration to the end of its scope."""
    end = None if scope.end is None else scope.end.outermost()
    return tuple(f"{variable.name} ({span_text(variable.place.outermost(), end)})" for variable in variables)


def number_variables(program: Scope, *, contexts: int, diagnostics: Diagnostics) -> None:
    """Gives every transfer register, neighbour register and signal below ``program`` its number.

    Signals must already say whether they are doubled. Errors name the register or signal and what holds the numbers.
    """
    for kind in (VariableKind.SRAM, VariableKind.DRAM, VariableKind.NEIGHBOR, VariableKind.SIGNAL):
        _Numbers(kind, contexts, diagnostics).fill(program, 0, 0, ())
