"""What a registry entry is: name, source form, bit fields, timing facts and semantics of one instruction."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from ixp_emu.isa.instruction import Draft, Instruction, RegisterUse
from ixp_emu.isa.operands import Operand
from ixp_emu.isa.source import Argument, Token

__all__ = ["Operation", "Part", "Syntax", "Transfer", "bits"]

WORD_BITS = 40


def bits(high: int, low: int) -> int:
    """Mask of the word's bits high..low, inclusive."""
    return ((1 << (high - low + 1)) - 1) << low


class Part:
    """One piece of an instruction: some bits of the word, and the arguments and tokens that fill them.

    An operation is a list of parts plus fixed bits; encoder, decoder, binder and formatter only walk the parts.
    All methods raise IsaError with value and rule when something does not fit.
    """

    @property
    def mask(self) -> int:
        """Bits of the word this part owns."""
        return 0

    @property
    def roles(self) -> tuple[str, ...]:
        """Arguments it takes."""
        return ()

    @property
    def token_names(self) -> tuple[str, ...]:
        """Tokens it takes."""
        return ()

    def encode(self, instruction: Instruction, contexts: int) -> int:
        """Bits of the word, in place."""
        return 0

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        """Fill the draft from the word."""

    def bind(self, role: str, argument: Argument, draft: Draft) -> None:
        """Fill the draft from one argument."""

    def bind_token(self, token: Token, draft: Draft) -> None:
        """Fill the draft from one token."""

    def complete(self, draft: Draft) -> None:
        """Check and settle what depends on several arguments, once all are bound."""

    def format(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        """Source text of an argument, None for an omitted optional one."""
        return None

    def format_tokens(self, instruction: Instruction, labels: Mapping[int, str]) -> list[str]:
        """Source text of the tokens."""
        return []

    def sources(self, instruction: Instruction) -> list[RegisterUse]:
        """Registers read."""
        return []

    def destinations(self, instruction: Instruction) -> list[RegisterUse]:
        """Registers written."""
        return []

    def arrange(self, instruction: Instruction) -> bool | None:
        """Whether operands must be exchanged for the registers' banks; None if this part has no ports."""
        return None


_TEMPLATE = re.compile(r"(?P<mnemonic>[^\[]+)(?:\[(?P<arguments>.*)\])?")


@dataclass(frozen=True)
class Syntax:
    """One source form of an operation.

    Attributes:
        template: ``mnemonic[argument, ...]`` where ``{role}`` is an operand, ``{role?}`` an optional one at the end,
            ``{role*}`` any number of them at the end, anything else a literal.
        selectors: tokens of which one must be present to choose this form; the first is printed.
        preset: operands this form implies; the formatter prefers it where they agree.
    """

    template: str
    selectors: tuple[str, ...] = ()
    preset: tuple[tuple[str, Operand], ...] = ()

    @cached_property
    def mnemonic(self) -> str:
        """What the source line begins with, lower case."""
        match = _TEMPLATE.fullmatch(self.template)
        assert match is not None
        return match["mnemonic"]

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """Arguments of the template."""
        match = _TEMPLATE.fullmatch(self.template)
        assert match is not None
        return tuple(item.strip() for item in match["arguments"].split(",")) if match["arguments"] else ()

    @cached_property
    def literals(self) -> tuple[tuple[int, str], ...]:
        """(position, lower-case text) of the literal arguments."""
        return tuple((i, text.lower()) for i, text in enumerate(self.arguments) if not text.startswith("{"))

    @cached_property
    def limits(self) -> tuple[int, int]:
        """Least and most arguments."""
        optional = sum(text.endswith(("?}", "*}")) for text in self.arguments)
        variadic = any(text.endswith("*}") for text in self.arguments)
        return len(self.arguments) - optional, 1 << 16 if variadic else len(self.arguments)

    def text(self) -> str:
        """The form for readers: roles without braces, optional ones in brackets."""
        shown = []
        for item in self.arguments:
            name = item.strip("{}?*")
            shown.append(f"[{name}]" if item.endswith("?}") else f"{name}..." if item.endswith("*}") else name)
        body = f"{self.mnemonic}[{', '.join(shown)}]" if self.arguments else self.mnemonic
        return body + (f", {self.selectors[0]}" if self.selectors else "")


@dataclass(frozen=True, slots=True)
class Transfer:
    """How a command uses transfer registers.

    Attributes:
        pulled: the target reads write-half registers.
        pushed: the target writes read-half registers.
        registers_per_unit: registers per unit of count.
    """

    pulled: bool
    pushed: bool
    registers_per_unit: int = 1


@dataclass(frozen=True, eq=False)
class Operation:
    """One instruction of the IXP2400 microengine.

    Attributes:
        name: unique, e.g. ``alu.add``, ``br.eq``, ``sram.read``.
        syntaxes: source forms; the first is the one the formatter prints.
        summary: one line.
        source: section of isa.md, and what proves the encoding if not the shipped firmware.
        fixed_mask, fixed_value: bits that identify the operation.
        parts: the other fields.
        semantics: pure function of its value result (see ``semantics``), None where the effect is not a value.
        condition_codes: flags written: "" none, "NZ", "NZCV"; what "NZ" does to C and V says the switch
            ``logic_clears_carry`` (immed never touches them).
        condition_codes_token: token without which they are not written (``load_cc``).
        shadow: instructions fetched behind it that a taken branch or a swap throws away.
        max_defer: largest defer[n].
        transfer: use of transfer registers by a command.
        doubled_signal: the command reports through an even signal and the next one.
        ignored_tokens: accepted and without effect.
    """

    name: str
    syntaxes: tuple[Syntax, ...]
    summary: str
    source: str
    fixed_mask: int
    fixed_value: int
    parts: tuple[Part, ...] = ()
    semantics: Callable[..., Any] | None = None
    condition_codes: Literal["", "NZ", "NZCV"] = ""
    condition_codes_token: str | None = None
    shadow: int = 0
    max_defer: int = 0
    transfer: Transfer | None = None
    doubled_signal: bool = False
    ignored_tokens: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"Operation({self.name})"

    @property
    def mnemonic(self) -> str:
        """Mnemonic of the first source form."""
        return self.syntaxes[0].mnemonic

    @property
    def syntax(self) -> str:
        """First source form, for readers."""
        return self.syntaxes[0].text()

    @cached_property
    def used_mask(self) -> int:
        """Bits with a meaning; all others are 0."""
        mask = self.fixed_mask
        for part in self.parts:
            mask |= part.mask
        return mask

    @cached_property
    def roles(self) -> Mapping[str, Part]:
        """Argument role -> part."""
        return {role: part for part in self.parts for role in part.roles}

    @cached_property
    def tokens(self) -> Mapping[str, Part]:
        """Token name -> part."""
        return {name: part for part in self.parts for name in part.token_names}

    def sets_condition_codes(self, instruction: Instruction) -> bool:
        """Whether this instruction writes condition codes."""
        return bool(self.condition_codes) and (
            self.condition_codes_token is None or self.condition_codes_token in instruction.tokens
        )

    def arrange(self, instruction: Instruction) -> bool:
        """``swap`` as the banks of the operands require it.

        Raises:
            IsaError: both operands are general registers of one bank.
        """
        for part in self.parts:
            swap = part.arrange(instruction)
            if swap is not None:
                return swap
        return False
