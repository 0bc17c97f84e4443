"""The registry: every instruction of the IXP2400 microengine, once."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ixp_emu.isa.operation import Operation, Syntax
from ixp_emu.isa.operations_alu import ALU_OPERATIONS
from ixp_emu.isa.operations_branch import BRANCH_OPERATIONS
from ixp_emu.isa.operations_command import COMMAND_OPERATIONS

__all__ = ["CANDIDATES", "CLASS_SHIFT", "MNEMONICS", "OPERATIONS", "SYNTAXES", "operation"]

OPERATIONS: tuple[Operation, ...] = (*ALU_OPERATIONS, *BRANCH_OPERATIONS, *COMMAND_OPERATIONS)
"""All entries."""

_BY_NAME = {entry.name: entry for entry in OPERATIONS}
assert len(_BY_NAME) == len(OPERATIONS), "operation names must be unique"


def operation(name: str) -> Operation:
    """Entry by its unique name, e.g. ``alu.add``. Raises KeyError."""
    return _BY_NAME[name]


def _syntaxes() -> Mapping[str, tuple[tuple[Operation, Syntax], ...]]:
    """Mnemonic -> its source forms, those with most literals first."""
    table: dict[str, list[tuple[Operation, Syntax]]] = {}
    for entry in OPERATIONS:
        for syntax in entry.syntaxes:
            table.setdefault(syntax.mnemonic, []).append((entry, syntax))
    return MappingProxyType(
        {name: tuple(sorted(forms, key=lambda form: -len(form[1].literals))) for name, forms in table.items()}
    )


SYNTAXES = _syntaxes()
"""Mnemonic -> (operation, source form) in the order the binder tries them."""

MNEMONICS: frozenset[str] = frozenset(SYNTAXES)
"""Everything an instruction line may begin with, lower case."""

CLASS_SHIFT = 31
"""Words are sorted into classes by bits 39..31."""


def _candidates() -> tuple[tuple[Operation, ...], ...]:
    """By class: the operations a word may be, most identifying bits first."""
    table = []
    for index in range(1 << (40 - CLASS_SHIFT)):
        word = index << CLASS_SHIFT
        class_bits = ((1 << 40) - 1) ^ ((1 << CLASS_SHIFT) - 1)
        found = [entry for entry in OPERATIONS if (word ^ entry.fixed_value) & entry.fixed_mask & class_bits == 0]
        table.append(tuple(sorted(found, key=lambda entry: -entry.fixed_mask.bit_count())))
    return tuple(table)


CANDIDATES = _candidates()
"""Operations by class."""
