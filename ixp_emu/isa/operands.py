"""Operand values: what stands in an instruction where a register or a constant may stand.

A register is symbolic (``name`` set, ``number`` None) until the assembler's allocator gives it a number; words
hold only numbers. Source: isa.md sections 1.1, 2.1 and 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["NULL", "Bank", "Immediate", "Label", "Operand", "Register", "RegisterKind"]


class Bank(Enum):
    """The two GPR banks; a bank is also the port that reads it."""

    A = "a"
    B = "b"


class RegisterKind(Enum):
    """What a register operand refers to."""

    GPR = "context-relative general register"
    ABSOLUTE = "absolute general register (@)"
    SRAM = "S transfer register ($): read half as a source, write half as a destination"
    DRAM = "D transfer register ($$)"
    NEIGHBOR = "next-neighbour register (n$)"
    SRAM_INDEX = "*$index through T_INDEX"
    DRAM_INDEX = "*$$index through T_INDEX"
    NEIGHBOR_INDEX = "*n$index through NN_GET (source) or NN_PUT (destination)"
    LOCAL_MEMORY_0 = "*l$index0"
    LOCAL_MEMORY_1 = "*l$index1"
    NULL = "no register (--)"


@dataclass(frozen=True, slots=True)
class Register:
    """One register operand.

    Attributes:
        kind: which file.
        number: register number within its addressing form (context-relative, or absolute for ABSOLUTE: 0..127 in a
            bank); None while symbolic. Always None for index forms.
        bank: for GPR and ABSOLUTE; None while not allocated and for other kinds.
        name: the source name, for messages and for allocation; not part of the encoding.
        offset: for local memory, 0..15, ORed into the word address.
        step: post-modify, +1 (++), -1 (--) or 0.
    """

    kind: RegisterKind
    number: int | None = None
    bank: Bank | None = None
    name: str | None = None
    offset: int = 0
    step: int = 0


NULL = Register(RegisterKind.NULL)


@dataclass(frozen=True, slots=True)
class Immediate:
    """A constant operand, as an unsigned value of the width its place allows."""

    value: int


@dataclass(frozen=True, slots=True)
class Label:
    """A branch target: symbolic (``name``) until the assembler knows its ``address`` (an instruction index)."""

    name: str | None = None
    address: int | None = None


Operand = Register | Immediate | Label
