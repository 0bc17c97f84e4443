"""The source form of an instruction, as a parser hands it over: arguments inside the brackets, tokens after them."""

from __future__ import annotations

from dataclasses import dataclass

from ixp_emu.isa.operands import Operand

__all__ = ["Argument", "Token"]


@dataclass(frozen=True, slots=True)
class Argument:
    """One comma-separated argument.

    Attributes:
        text: the source text, stripped: an operator (``+``), a shift (``<<3``, ``>>rot8``, ``<<indirect``), a
            sub-command (``read``), a byte mask (``0011``), a name (``xscale_int_a``), a count (``max_16``), a signal.
        operand: set where the text is a register, ``--``, a constant expression (any Python int: the binder checks
            its width) or a label.
    """

    text: str
    operand: Operand | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """One optional token: ``defer[1]``, ``sig_done[s]``, ``indirect_ref``, ``br[label#]``; ``name`` in lower case."""

    name: str
    arguments: tuple[Argument, ...] = ()
