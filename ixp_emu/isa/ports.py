"""The two source ports: what may stand in them, and which goes through which.

Sources: isa.md sections 1.1 (rules), 3.2 (codes), 3.3 (positions).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ixp_emu.isa.codes import (
    OperandForm,
    is_general,
    operand_text,
    register_text,
    same_file,
)
from ixp_emu.isa.errors import IsaError
from ixp_emu.isa.instruction import Draft, Instruction, RegisterUse
from ixp_emu.isa.operands import NULL, Bank, Immediate, Label, Operand, Register, RegisterKind
from ixp_emu.isa.operation import Part, bits
from ixp_emu.isa.source import Argument, Token

__all__ = [
    "PORT_B",
    "Absent",
    "Constant",
    "PortDestination",
    "Ports",
    "Side",
    "Source",
    "bank_of",
    "bind_register",
    "check_range",
    "label_text",
]

PORT_B = 10
"""Lowest bit of port B, in every class; port A begins at bit 0."""


def bank_of(second: bool) -> Bank:
    """Port, and the bank it reads: A, or B for True."""
    return Bank.B if second else Bank.A


def check_range(what: str, value: int, low: int, high: int) -> int:
    """The value, or IsaError naming it and its limits."""
    if not low <= value <= high:
        raise IsaError(f"{what} {value} does not fit: {low} to {high}")
    return value


def bind_register(role: str, argument: Argument, form: OperandForm, *, destination: bool) -> Register:
    """The register of an argument, checked against what the form can hold."""
    operand = argument.operand
    if not isinstance(operand, Register):
        raise IsaError(f"{role}: {argument.text} is not a register")
    if operand.kind is not RegisterKind.NULL or not destination:
        number = operand.number if operand.number is not None else 0
        form.encode(
            replace(operand, number=number if _numbered(operand) else None), contexts=4, destination=destination
        )
    return operand


def _numbered(register: Register) -> bool:
    return register.kind in (
        RegisterKind.GPR,
        RegisterKind.ABSOLUTE,
        RegisterKind.SRAM,
        RegisterKind.DRAM,
        RegisterKind.NEIGHBOR,
    )


def label_text(label: Label, labels: Mapping[int, str]) -> str:
    """Source text of a label: its own name, the known name of its address, or ``l<address>#``."""
    if label.name:
        return f"{label.name}#"
    address = label.address or 0
    return f"{labels.get(address, f'l{address}')}#"


class Side:
    """What stands in one of the two ports."""

    @property
    def roles(self) -> tuple[str, ...]:
        """Arguments it takes; the first names its operand."""
        return ()

    @property
    def token_names(self) -> tuple[str, ...]:
        """Tokens it takes."""
        return ()

    @property
    def extra_mask(self) -> int:
        """Bits outside the port."""
        return 0

    def code(self, instruction: Instruction, port: Bank, ports: Ports, contexts: int) -> tuple[int, int]:
        """(code, shared constant bit)."""
        raise NotImplementedError

    def read(self, code: int, shared: int, port: Bank, ports: Ports, word: int, contexts: int, draft: Draft) -> None:
        """Fill the draft from the code."""

    def extra(self, instruction: Instruction) -> int:
        """Value of the bits outside the port, in place."""
        return 0

    def bind(self, role: str, argument: Argument, ports: Ports, draft: Draft) -> None:
        """Fill the draft from an argument."""

    def bind_token(self, token: Token, draft: Draft) -> None:
        """Fill the draft from a token."""

    def text(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        """Source text."""
        return None

    def token_texts(self, instruction: Instruction) -> list[str]:
        """Source text of the side's tokens."""
        return []

    def operand(self, operands: Mapping[str, Operand]) -> Operand | None:
        """The operand, for the rules on banks, files and constants; None where there is none."""
        return operands.get(self.roles[0]) if self.roles else None


@dataclass(frozen=True)
class Absent(Side):
    """Nothing: the port holds its idle code."""

    def code(self, instruction: Instruction, port: Bank, ports: Ports, contexts: int) -> tuple[int, int]:
        return ports.idle(port), 0

    def read(self, code: int, shared: int, port: Bank, ports: Ports, word: int, contexts: int, draft: Draft) -> None:
        if code != ports.idle(port):
            raise IsaError(f"port {port.name} holds {code:#x}: {ports.idle(port):#x} where no operand stands")


@dataclass(frozen=True)
class Source(Side):
    """A register or constant that is read."""

    role: str
    optional: bool = False
    constant_bits: int = 8

    @property
    def roles(self) -> tuple[str, ...]:
        return (self.role,)

    def code(self, instruction: Instruction, port: Bank, ports: Ports, contexts: int) -> tuple[int, int]:
        operand = instruction.operands[self.role]
        if self.optional and operand == NULL:
            return ports.idle(port), 0
        if isinstance(operand, Immediate):
            value = check_range("constant", operand.value, 0, (1 << self.constant_bits) - 1)
            code, shared = ports.constant(value)
        elif isinstance(operand, Register):
            ports.check_bank(operand, port)
            code, shared = ports.form.encode(operand, contexts=contexts), 0
        else:
            raise IsaError(f"{self.role}: {operand_text(operand)} cannot be read")
        if self.optional and code == ports.idle(port):
            raise IsaError(f"{self.role}: {operand_text(operand)} would read as no operand in port {port.name}")
        return code, shared

    def read(self, code: int, shared: int, port: Bank, ports: Ports, word: int, contexts: int, draft: Draft) -> None:
        if self.optional and code == ports.idle(port):
            draft.operands[self.role] = NULL
        elif self.constant_bits and ports.form.is_constant(code):
            draft.operands[self.role] = Immediate(ports.form.decode_constant(code) | shared << 7)
        else:
            draft.operands[self.role] = ports.register(code, port, contexts)

    def bind(self, role: str, argument: Argument, ports: Ports, draft: Draft) -> None:
        operand = argument.operand
        if isinstance(operand, Immediate) and self.constant_bits:
            check_range("constant", operand.value, 0, (1 << self.constant_bits) - 1)
            draft.operands[role] = operand
        elif self.optional and operand == NULL:
            draft.operands[role] = NULL
        else:
            draft.operands[role] = bind_register(role, argument, ports.form, destination=False)

    def text(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        return operand_text(instruction.operands[role])


@dataclass(frozen=True)
class PortDestination(Side):
    """A destination that sits in a port: its bank is the port's (ld_field, immed)."""

    role: str
    also_read: bool = False

    @property
    def roles(self) -> tuple[str, ...]:
        return (self.role,)

    def code(self, instruction: Instruction, port: Bank, ports: Ports, contexts: int) -> tuple[int, int]:
        operand = instruction.operands[self.role]
        if not isinstance(operand, Register):
            raise IsaError(f"{self.role}: {operand_text(operand)} cannot be written")
        ports.check_bank(operand, port)
        return ports.form.encode(operand, contexts=contexts, destination=True), 0

    def read(self, code: int, shared: int, port: Bank, ports: Ports, word: int, contexts: int, draft: Draft) -> None:
        draft.operands[self.role] = ports.register(code, port, contexts, destination=True)

    def bind(self, role: str, argument: Argument, ports: Ports, draft: Draft) -> None:
        draft.operands[role] = bind_register(role, argument, ports.form, destination=True)

    def text(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        return operand_text(instruction.operands[role])


@dataclass(frozen=True)
class Constant(Side):
    """A constant or address whose low bits sit in the port, the rest in a field ``(high, low)`` of the word.

    ``checked`` is False where another part settles the final value after binding (immed).
    """

    role: str
    width: int
    rest: tuple[int, int] | None = None
    labels: Literal["no", "also", "only"] = "no"
    checked: bool = True

    @property
    def roles(self) -> tuple[str, ...]:
        return (self.role,)

    @property
    def extra_mask(self) -> int:
        return bits(*self.rest) if self.rest else 0

    def _value(self, instruction: Instruction) -> int:
        operand = instruction.operands[self.role]
        if isinstance(operand, Label):
            if operand.address is None:
                raise IsaError(f"label {operand.name}# has no address yet")
            return check_range("address", operand.address, 0, (1 << self.width) - 1)
        if not isinstance(operand, Immediate):
            raise IsaError(f"{self.role}: {operand_text(operand)} is not a constant")
        return check_range("constant", operand.value, 0, (1 << self.width) - 1)

    def code(self, instruction: Instruction, port: Bank, ports: Ports, contexts: int) -> tuple[int, int]:
        return ports.constant(self._value(instruction) & 0xFF)

    def extra(self, instruction: Instruction) -> int:
        return (self._value(instruction) >> 8) << self.rest[1] if self.rest else 0

    def read(self, code: int, shared: int, port: Bank, ports: Ports, word: int, contexts: int, draft: Draft) -> None:
        if not ports.form.is_constant(code):
            raise IsaError(f"port {port.name} holds {code:#x}: a constant must stand there")
        value = ports.form.decode_constant(code) | shared << 7
        if self.rest:
            value |= ((word & self.extra_mask) >> self.rest[1]) << 8
        check_range("constant", value, 0, (1 << self.width) - 1)
        draft.operands[self.role] = Label(address=value) if self.labels == "only" else Immediate(value)

    def bind(self, role: str, argument: Argument, ports: Ports, draft: Draft) -> None:
        operand = argument.operand
        if isinstance(operand, Label) and self.labels != "no":
            draft.operands[role] = operand
        elif isinstance(operand, Immediate):
            if self.checked:
                check_range("constant", operand.value, 0, (1 << self.width) - 1)
            draft.operands[role] = Label(address=operand.value) if self.labels == "only" else operand
        else:
            raise IsaError(f"{role}: {argument.text} is not a constant")

    def text(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        operand = instruction.operands[role]
        if isinstance(operand, Immediate) and instruction.invert:
            return str(operand.value ^ ((1 << self.width) - 1) if self.checked else ~operand.value)
        return label_text(operand, labels) if isinstance(operand, Label) else operand_text(operand)


@dataclass(frozen=True)
class Ports(Part):
    """The two source ports.

    Attributes:
        form: operand form; port A at bits form.width-1..0, port B from bit 10.
        left, right: what stands left (port A unless exchanged) and right.
        placement: how the word says that they are exchanged: by a bit, by which port holds the constant, or not at
            all (the operands commute).
        swap_bit, shared_bit: positions; shared_bit is bit 7 of an 8-bit constant in the restricted form.
        idle_codes: codes of an absent operand in A and in B.
        constants: how many of the two operands may be constants.
    """

    form: OperandForm
    left: Side
    right: Side
    placement: Literal["bit", "constant", "none"] = "bit"
    swap_bit: int = 0
    shared_bit: int | None = None
    idle_codes: tuple[int, int] = (0x000, 0x000)
    constants: int = 1

    @property
    def mask(self) -> int:
        mask = bits(self.form.width - 1, 0) | bits(PORT_B + self.form.width - 1, PORT_B)
        if self.placement == "bit":
            mask |= 1 << self.swap_bit
        if self.shared_bit is not None:
            mask |= 1 << self.shared_bit
        return mask | self.left.extra_mask | self.right.extra_mask

    @property
    def roles(self) -> tuple[str, ...]:
        return self.left.roles + self.right.roles

    @property
    def token_names(self) -> tuple[str, ...]:
        return self.left.token_names + self.right.token_names

    def idle(self, port: Bank) -> int:
        """Code of an absent operand."""
        return self.idle_codes[port is Bank.B]

    def constant(self, value: int) -> tuple[int, int]:
        """(code, shared bit) of a constant of at most 8 bits."""
        if self.form.constant_bits == 8:
            return self.form.encode_constant(value), 0
        return self.form.encode_constant(value & 0x7F), value >> 7

    def register(self, code: int, port: Bank, contexts: int, *, destination: bool = False) -> Register:
        """Register of a code in a port."""
        register = self.form.decode(code, bank=port, contexts=contexts, destination=destination)
        if register is None:
            raise IsaError(f"port {port.name} holds {code:#x}: not a register of a context")
        return register

    def check_bank(self, register: Register, port: Bank) -> None:
        """Refuse a general register that is not in the port's bank."""
        if is_general(register) and register.bank is not port:
            if register.bank is None:
                raise IsaError(f"register {register.name} has no bank yet")
            raise IsaError(f"{register_text(register)} is in bank {register.bank.name}, not read by port {port.name}")

    def _sides(self, swap: bool) -> tuple[tuple[Side, Bank], tuple[Side, Bank]]:
        return (self.left, bank_of(swap)), (self.right, bank_of(not swap))

    def encode(self, instruction: Instruction, contexts: int) -> int:
        self._check(instruction.operands)
        word = self.left.extra(instruction) | self.right.extra(instruction)
        for side, port in self._sides(instruction.swap):
            code, shared = side.code(instruction, port, self, contexts)
            word |= code << (PORT_B if port is Bank.B else 0)
            if shared and self.shared_bit is not None:
                word |= 1 << self.shared_bit
        if instruction.swap and self.placement == "bit":
            word |= 1 << self.swap_bit
        return word

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        limit = (1 << self.form.width) - 1
        a, b = word & limit, (word >> PORT_B) & limit
        swap = False
        if self.placement == "bit":
            swap = bool(word >> self.swap_bit & 1)
        elif self.placement == "constant":
            swap = not self.form.is_constant(b)
        shared = word >> self.shared_bit & 1 if self.shared_bit is not None else 0
        if swap:
            draft.values["swap"] = True
            self.left.read(b, shared, Bank.B, self, word, contexts, draft)
            self.right.read(a, shared, Bank.A, self, word, contexts, draft)
        else:
            self.left.read(a, shared, Bank.A, self, word, contexts, draft)
            self.right.read(b, shared, Bank.B, self, word, contexts, draft)
        self._check(draft.operands)
        if shared and not any(isinstance(side.operand(draft.operands), Immediate) for side in (self.left, self.right)):
            raise IsaError(f"bit {self.shared_bit} is set: it is bit 7 of a constant, and there is none")

    def _check(self, operands: Mapping[str, Operand]) -> None:
        left, right = self.left.operand(operands), self.right.operand(operands)
        if isinstance(left, Immediate) and isinstance(right, Immediate) and self.constants < 2:
            raise IsaError(f"constants {left.value} and {right.value}: only one operand may be a constant")
        if isinstance(self.left, PortDestination):
            return
        file = same_file(left, right)
        if file is not None and left is not None and right is not None:
            raise IsaError(f"{operand_text(left)} and {operand_text(right)}: only one operand may be {file}")

    def bind(self, role: str, argument: Argument, draft: Draft) -> None:
        side = self.left if role in self.left.roles else self.right
        side.bind(role, argument, self, draft)

    def bind_token(self, token: Token, draft: Draft) -> None:
        side = self.left if token.name in self.left.token_names else self.right
        side.bind_token(token, draft)

    def complete(self, draft: Draft) -> None:
        self._check(draft.operands)

    def format(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        side = self.left if role in self.left.roles else self.right
        return side.text(role, instruction, labels)

    def format_tokens(self, instruction: Instruction, labels: Mapping[int, str]) -> list[str]:
        return self.left.token_texts(instruction) + self.right.token_texts(instruction)

    def sources(self, instruction: Instruction) -> list[RegisterUse]:
        uses = []
        for side, port in self._sides(swap=False):
            operand = side.operand(instruction.operands)
            written_only = isinstance(side, PortDestination) and not side.also_read
            if isinstance(operand, Register) and operand.kind is not RegisterKind.NULL and not written_only:
                uses.append(RegisterUse(side.roles[0], operand, port))
        return uses

    def destinations(self, instruction: Instruction) -> list[RegisterUse]:
        uses = []
        for side, port in self._sides(swap=False):
            operand = side.operand(instruction.operands)
            written = isinstance(side, PortDestination) and isinstance(operand, Register)
            if written and isinstance(operand, Register) and operand.kind is not RegisterKind.NULL:
                uses.append(RegisterUse(side.roles[0], operand, port))
        return uses

    def arrange(self, instruction: Instruction) -> bool | None:
        left = self.left.operand(instruction.operands)
        right = self.right.operand(instruction.operands)
        left_bank = left.bank if isinstance(left, Register) and is_general(left) else None
        right_bank = right.bank if isinstance(right, Register) and is_general(right) else None
        if left_bank is not None and left_bank is right_bank:
            assert isinstance(left, Register) and isinstance(right, Register)
            raise IsaError(
                f"{_named(left)} and {_named(right)} are both in bank {left_bank.name}: two general registers of "
                "one instruction must be in different banks"
            )
        if left_bank is not None:
            return left_bank is Bank.B
        return right_bank is Bank.A


def _named(register: Register) -> str:
    text = register_text(register)
    return f"{register.name} ({text})" if register.name and register.name != text else text
