"""Parts that hold numbers, CSR addresses and plain tokens. Positions: isa.md section 3.3."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ixp_emu.isa.csr import CAP_CSR_NAMES, CAP_CSRS, LOCAL_CSR_NAMES, LOCAL_CSRS
from ixp_emu.isa.errors import IsaError
from ixp_emu.isa.instruction import Draft, Instruction
from ixp_emu.isa.operands import Immediate
from ixp_emu.isa.operation import Part, bits
from ixp_emu.isa.ports import check_range
from ixp_emu.isa.source import Argument, Token

__all__ = [
    "ByteMask",
    "CapCsrAddress",
    "Count",
    "Flag",
    "IndirectRef",
    "LocalCsrAddress",
    "Number",
    "RemoteAddress",
    "constant_of",
    "token_number",
]


def constant_of(role: str, argument: Argument) -> int:
    """Value of a constant argument."""
    if not isinstance(argument.operand, Immediate):
        raise IsaError(f"{role}: {argument.text} is not a constant")
    return argument.operand.value


def token_number(token: Token) -> int:
    """The one constant of a token such as ``defer[2]``."""
    if len(token.arguments) != 1:
        raise IsaError(f"{token.name}: one number in brackets")
    return constant_of(token.name, token.arguments[0])


@dataclass(frozen=True)
class Number(Part):
    """A number in bits high..low, coded as value - bias.

    Attributes:
        role: argument, and attribute of the instruction.
        names: what may be written instead, upper case; a code without a name is then invalid.
    """

    role: str
    high: int
    low: int
    minimum: int
    maximum: int
    bias: int = 0
    names: tuple[str, ...] = ()

    @property
    def mask(self) -> int:
        return bits(self.high, self.low)

    @property
    def roles(self) -> tuple[str, ...]:
        return (self.role,)

    def encode(self, instruction: Instruction, contexts: int) -> int:
        value = check_range(self.role.replace("_", " "), getattr(instruction, self.role), self.minimum, self.maximum)
        return (value - self.bias) << self.low

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        value = ((word & self.mask) >> self.low) + self.bias
        draft.values[self.role] = check_range(self.role.replace("_", " "), value, self.minimum, self.maximum)

    def bind(self, role: str, argument: Argument, draft: Draft) -> None:
        name = argument.text.upper()
        if name in self.names:
            draft.values[role] = self.names.index(name)
        elif self.names and not isinstance(argument.operand, Immediate):
            raise IsaError(f"{role.replace('_', ' ')} {argument.text} does not exist: {', '.join(self.names)}")
        else:
            value = constant_of(role, argument)
            draft.values[role] = check_range(role.replace("_", " "), value, self.minimum, self.maximum)

    def format(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        value: int = getattr(instruction, role)
        return self.names[value].lower() if self.names else str(value)


_MAXIMUM = re.compile(r"max_(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Count(Part):
    """Units of a command, bits 27:25, coded as count - bias.

    ``max_n`` with indirect_ref goes up to 16: the field then holds the code of at most ``maximum`` and the
    indirect_ref word replaces it.
    """

    maximum: int = 8
    bias: int = 1
    mask = bits(27, 25)
    roles = ("count",)

    def encode(self, instruction: Instruction, contexts: int) -> int:
        count = instruction.count
        if instruction.indirect_ref:
            count = min(check_range("count", count, 1, max(16, self.maximum)), self.maximum)
        return (check_range("count", count, 1, self.maximum) - self.bias) << 25

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        draft.values["count"] = check_range("count", (word >> 25 & 7) + self.bias, 1, self.maximum)

    def bind(self, role: str, argument: Argument, draft: Draft) -> None:
        match = _MAXIMUM.fullmatch(argument.text)
        draft.values["count"] = int(match[1]) if match else constant_of(role, argument)
        draft.values["count_is_maximum"] = match is not None

    def complete(self, draft: Draft) -> None:
        is_maximum = draft.values.pop("count_is_maximum", False)
        count = draft.values.setdefault("count", 1)
        if not is_maximum:
            check_range("count", count, 1, self.maximum)
        elif "indirect_ref" not in draft.tokens:
            raise IsaError(f"max_{count} needs the token indirect_ref")
        else:
            check_range("max_ count", count, 1, 16)

    def format(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        return str(instruction.count) if instruction.count <= self.maximum else f"max_{instruction.count}"


@dataclass(frozen=True)
class Flag(Part):
    """A token without arguments that sets one bit."""

    token: str
    bit: int

    @property
    def mask(self) -> int:
        return 1 << self.bit

    @property
    def token_names(self) -> tuple[str, ...]:
        return (self.token,)

    def encode(self, instruction: Instruction, contexts: int) -> int:
        return (self.token in instruction.tokens) << self.bit

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        if word >> self.bit & 1:
            draft.tokens.add(self.token)

    def bind_token(self, token: Token, draft: Draft) -> None:
        draft.tokens.add(self.token)

    def format_tokens(self, instruction: Instruction, labels: Mapping[int, str]) -> list[str]:
        return [self.token] if self.token in instruction.tokens else []


@dataclass(frozen=True)
class IndirectRef(Part):
    """``indirect_ref``, bit 38: the previous ALU result modifies the command.

    Two tokens go with it and have no bits: ``ind_targets[...]`` names what the word may address, ``no_pull`` says that
    the registers of a command that pulls are not read, because the word replaces their data.
    """

    pulled: bool = False
    mask = 1 << 38

    @property
    def token_names(self) -> tuple[str, ...]:
        return ("indirect_ref", "ind_targets", *(("no_pull",) if self.pulled else ()))

    def encode(self, instruction: Instruction, contexts: int) -> int:
        return instruction.indirect_ref << 38

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        if word >> 38 & 1:
            draft.tokens.add("indirect_ref")

    def bind_token(self, token: Token, draft: Draft) -> None:
        draft.tokens.add(token.name)

    def complete(self, draft: Draft) -> None:
        for name in sorted({"ind_targets", "no_pull"} & draft.tokens):
            if "indirect_ref" not in draft.tokens:
                raise IsaError(f"{name} needs the token indirect_ref")
        draft.tokens.discard("ind_targets")

    def format_tokens(self, instruction: Instruction, labels: Mapping[int, str]) -> list[str]:
        return [name for name in ("indirect_ref", "no_pull") if name in instruction.tokens]


@dataclass(frozen=True)
class ByteMask(Part):
    """Bytes of ld_field, bits 27:24, written as four binary digits, byte 3 first."""

    mask = bits(27, 24)
    roles = ("mask",)

    def encode(self, instruction: Instruction, contexts: int) -> int:
        return check_range("mask", instruction.mask, 0, 15) << 24

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        draft.values["mask"] = word >> 24 & 15

    def bind(self, role: str, argument: Argument, draft: Draft) -> None:
        if not re.fullmatch("[01]{1,4}", argument.text):
            raise IsaError(f"byte mask {argument.text} is not four binary digits such as 0011")
        draft.values["mask"] = int(argument.text, 2)

    def format(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        return f"{instruction.mask:04b}"


@dataclass(frozen=True)
class LocalCsrAddress(Part):
    """A local CSR by name or byte address; the address / 4 in bits 32:22."""

    mask = bits(32, 22)
    roles = ("csr",)

    def encode(self, instruction: Instruction, contexts: int) -> int:
        return self._known(instruction.csr) // 4 << 22

    @staticmethod
    def _known(address: int) -> int:
        if address not in LOCAL_CSR_NAMES:
            raise IsaError(f"no local CSR at {address:#x}")
        return address

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        draft.values["csr"] = self._known((word >> 22 & 0x7FF) * 4)

    def bind(self, role: str, argument: Argument, draft: Draft) -> None:
        csr = LOCAL_CSRS.get(argument.text.upper())
        if csr is not None:
            draft.values["csr"] = csr.address
        elif isinstance(argument.operand, Immediate):
            draft.values["csr"] = self._known(argument.operand.value)
        else:
            raise IsaError(f"{argument.text} is not a local CSR")

    def format(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        return LOCAL_CSR_NAMES[instruction.csr].lower()


def _split(address: int) -> int:
    return (address & 0xFF00) << 2 | address & 0xFF


def _joined(word: int) -> int:
    return word >> 2 & 0xFF00 | word & 0xFF


@dataclass(frozen=True)
class CapCsrAddress(Part):
    """A CSR behind the CAP by name or 16-bit address: bits 15:8 in the word's 17:10, bits 7:0 in 7:0."""

    mask = bits(17, 10) | bits(7, 0)
    roles = ("csr",)

    def encode(self, instruction: Instruction, contexts: int) -> int:
        return _split(check_range("CSR address", instruction.csr, 0, 0xFFFF))

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        draft.values["csr"] = _joined(word)

    def bind(self, role: str, argument: Argument, draft: Draft) -> None:
        csr = CAP_CSRS.get(argument.text.upper())
        if csr is not None:
            draft.values["csr"] = csr.address
        elif isinstance(argument.operand, Immediate):
            draft.values["csr"] = check_range("CSR address", argument.operand.value, 0, 0xFFFF)
        else:
            raise IsaError(f"{argument.text} is not a CSR of the CAP unit")

    def format(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        name = CAP_CSR_NAMES.get(instruction.csr)
        return f"{instruction.csr:#x}" if name is None else name.lower()


@dataclass(frozen=True)
class RemoteAddress(Part):
    """Remote transfer register of a reflector command: ME << 10 | context << 7 | register << 2.

    The layout is a descendant's default, unproved (registers.md section 4); it fills the 16 address bits like a CSR.
    The remote register is the operand ``remote_xfer`` by number, ME and context are in ``remote``.
    """

    mask = bits(17, 10) | bits(7, 0)
    roles = ("remote_xfer", "me", "context")

    def encode(self, instruction: Instruction, contexts: int) -> int:
        me, context = instruction.remote
        number = instruction.operands["remote_xfer"]
        if not isinstance(number, Immediate):
            raise IsaError("remote_xfer: a constant register number")
        me = check_range("microengine", me, 0, 31)
        context = check_range("context", context, 0, 7)
        return _split(me << 10 | context << 7 | check_range("remote register", number.value, 0, 31) << 2)

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        address = _joined(word)
        if address & 0x8003:
            raise IsaError(f"remote address {address:#x}: bits 15, 1 and 0 are 0")
        draft.values["remote"] = (address >> 10, address >> 7 & 7)
        draft.operands["remote_xfer"] = Immediate(address >> 2 & 31)

    def bind(self, role: str, argument: Argument, draft: Draft) -> None:
        value = constant_of(role, argument)
        me, context = draft.get("remote")
        if role == "remote_xfer":
            draft.operands[role] = Immediate(check_range("remote register", value, 0, 31))
        elif role == "me":
            draft.values["remote"] = (check_range("microengine", value, 0, 31), context)
        else:
            draft.values["remote"] = (me, check_range("context", value, 0, 7))

    def format(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        if role == "remote_xfer":
            number = instruction.operands["remote_xfer"]
            assert isinstance(number, Immediate)
            return str(number.value)
        return str(instruction.remote[0 if role == "me" else 1])
