"""An assembled program: its words and what is known about each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ixp_emu.assembler.structures import Location, StructureDeclaration

__all__ = ["CONTROL_STORE_WORDS", "InitialMemory", "InitialRegister", "Part", "Program", "Reference", "RegisterName"]

CONTROL_STORE_WORDS = 4096


_MODE_BITS = {
    ("local_mem0_mode", "abs"): 1 << 16,
    ("local_mem1_mode", "abs"): 1 << 17,
    ("init_nn_mode", "self"): 1 << 20,
}
"""Mode -> bit of CTX_ENABLES (isa.md 2.2)."""


@dataclass(frozen=True, slots=True)
class RegisterName:
    """One hardware register a source name stands for.

    Attributes:
        file: ``a`` or ``b`` (general registers of a bank), ``@a`` or ``@b`` (absolute), ``$``, ``$$`` or ``n$``.
        number: context-relative number, or absolute number in the bank for ``@``.
    """

    file: str
    number: int

    def __str__(self) -> str:
        return f"{self.file}{self.number}"


Part = Literal["whole", "low", "high"]
"""What a word holds of a 32-bit value: all of it, which must then fit in 16 bits, or one half."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A value that is known only when the program is linked; the word's 16-bit constant takes ``part`` of it.

    Attributes:
        symbol: an import variable (``i$name``) or a structure, whose value is the address of element 0; lower case.
        part: of symbol + addend.
        addend: a signed 32-bit number.
    """

    symbol: str
    part: Part
    addend: int = 0

    @property
    def is_import(self) -> bool:
        """Whether the symbol is an import variable."""
        return self.symbol.startswith("i$")

    def __str__(self) -> str:
        value = f"{self.symbol}{self.addend:+d}" if self.addend else self.symbol
        return value if self.part == "whole" else f"{self.part} half of {value}"


@dataclass(frozen=True, slots=True)
class InitialRegister:
    """A register's value at the start; ``context`` None means every context."""

    register: RegisterName
    value: int
    context: int | None = None


@dataclass(frozen=True, slots=True)
class InitialMemory:
    """Longwords that a structure holds at the start, from ``offset_bytes`` after its first element on."""

    structure: str
    offset_bytes: int
    values: tuple[int, ...]


@dataclass
class Program:
    """Words for one control store.

    Attributes:
        name: the program's name, for messages and reports.
        words: 40-bit instructions; the index is the address.
        lines: per word, (file, line) of the source line; for words from a macro the line in its body.
        calls: per word, (file, line) outside all macros; equal to ``lines`` elsewhere.
        labels: label -> address. A label of a macro expansion carries the address too when its name is not unique.
        registers: source name -> registers it was given; several when parts of its life lie in different ones. The
            second declaration of a name, in another scope, is ``name'2``, and so on.
        signals: source name -> signal numbers, two for a doubled signal.
        structures: per word, the data structure its command refers to, or None.
        contexts: 4 or 8.
        modes: settings the loader must make (``init_nn_mode``, ``local_mem0_mode``, ``local_mem1_mode``), if any.
        entry: address of the first instruction.
        started: mask of the contexts that start.
        image_name: name of the image, for other tools; empty by default.
        metadata: what the program says about itself, for other tools.
        initial_registers: values of registers at the start.
        initial_memory: contents of structures at the start.
        digest: SHA-256 over all source text and the values the assembly was given, hexadecimal.
        usage: words and registers used per file (``words``, ``a``, ``b``, ``@a``, ``@b``, ``$``, ``$$``, ``n$``,
            ``signals``).
        warnings: ``file:line: message`` each.
        source: the file it was assembled from, as it was named; ``builtin:`` names stay as they are.
        defines: what was defined for the preprocessor.
        declared: the structures the program declares, in order.
        locations: structure -> where the words expect it.
        references: word address -> what ``link`` must put into that word; empty in a program that can run.
    """

    name: str
    words: list[int]
    lines: list[tuple[str, int]] = field(default_factory=list)
    calls: list[tuple[str, int]] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    registers: dict[str, list[RegisterName]] = field(default_factory=dict)
    signals: dict[str, list[int]] = field(default_factory=dict)
    structures: list[str | None] = field(default_factory=list)
    contexts: int = 8
    modes: Mapping[str, str] = field(default_factory=dict)
    entry: int = 0
    started: int = 0xFF
    image_name: str = ""
    metadata: str = ""
    initial_registers: list[InitialRegister] = field(default_factory=list)
    initial_memory: list[InitialMemory] = field(default_factory=list)
    digest: str = ""
    usage: Mapping[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    source: str = ""
    defines: Mapping[str, str] = field(default_factory=dict)
    declared: list[StructureDeclaration] = field(default_factory=list)
    locations: Mapping[str, Location] = field(default_factory=dict)
    references: Mapping[int, Reference] = field(default_factory=dict)

    @property
    def mode_bits(self) -> int:
        """Bits of CTX_ENABLES that the modes ask for; 31, four contexts, is not among them."""
        return sum(bit for (name, value), bit in _MODE_BITS.items() if self.modes.get(name) == value)
