"""Parts that hold registers outside the two source ports. Sources: isa.md 1.12, 3.2, 3.3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ixp_emu.isa.codes import UNRESTRICTED, OperandForm, is_general, operand_text, register_text, registers_per_context
from ixp_emu.isa.errors import IsaError
from ixp_emu.isa.instruction import Draft, Instruction, RegisterUse
from ixp_emu.isa.operands import Bank, Immediate, Register, RegisterKind
from ixp_emu.isa.operation import Part, bits
from ixp_emu.isa.ports import PORT_B, bank_of, bind_register, check_range
from ixp_emu.isa.source import Argument

__all__ = ["Destination", "LocalCsrSource", "TransferRegister"]


@dataclass(frozen=True)
class Destination(Part):
    """A destination in a field of its own, with a bank bit that is 0 for anything but general registers."""

    form: OperandForm
    low: int
    bank_bit: int
    role: str = "dst"

    @property
    def mask(self) -> int:
        return bits(self.low + self.form.width - 1, self.low) | 1 << self.bank_bit

    @property
    def roles(self) -> tuple[str, ...]:
        return (self.role,)

    def encode(self, instruction: Instruction, contexts: int) -> int:
        register = instruction.operands[self.role]
        if not isinstance(register, Register):
            raise IsaError(f"{self.role}: {operand_text(register)} cannot be written")
        word = self.form.encode(register, contexts=contexts, destination=True) << self.low
        if is_general(register):
            if register.bank is None:
                raise IsaError(f"register {register.name} has no bank yet")
            word |= (register.bank is Bank.B) << self.bank_bit
        return word

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        code = word >> self.low & ((1 << self.form.width) - 1)
        in_b = bool(word >> self.bank_bit & 1)
        register = self.form.decode(code, bank=bank_of(in_b), contexts=contexts, destination=True)
        if register is None:
            raise IsaError(f"destination {code:#x}: not a register of a context")
        if in_b and not is_general(register):
            raise IsaError(f"bank bit {self.bank_bit} is set: the destination {register_text(register)} has no bank")
        draft.operands[self.role] = register

    def bind(self, role: str, argument: Argument, draft: Draft) -> None:
        draft.operands[role] = bind_register(role, argument, self.form, destination=True)

    def format(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        return operand_text(instruction.operands[role])

    def destinations(self, instruction: Instruction) -> list[RegisterUse]:
        register = instruction.operands[self.role]
        if isinstance(register, Register) and register.kind is not RegisterKind.NULL:
            return [RegisterUse(self.role, register, None)]
        return []


@dataclass(frozen=True)
class LocalCsrSource(Part):
    """Source of local_csr_wr: a register in one port beside 0x300, or a constant in both (isa.md 3.3)."""

    role: str = "source"
    mask = bits(9, 0) | bits(19, 10)

    @property
    def roles(self) -> tuple[str, ...]:
        return (self.role,)

    def encode(self, instruction: Instruction, contexts: int) -> int:
        operand = instruction.operands[self.role]
        form = UNRESTRICTED
        if isinstance(operand, Immediate):
            code = form.encode_constant(check_range("constant", operand.value, 0, 255))
            return code << PORT_B | code
        if not isinstance(operand, Register):
            raise IsaError(f"{self.role}: {operand_text(operand)} cannot be read")
        code = form.encode(operand, contexts=contexts)
        if is_general(operand) and operand.bank is not bank_of(instruction.swap):
            raise IsaError(f"{register_text(operand)} is not read by port {bank_of(instruction.swap).name}")
        return form.constant | code << PORT_B if instruction.swap else code | form.constant << PORT_B

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        form = UNRESTRICTED
        a, b = word & 0x3FF, word >> PORT_B & 0x3FF
        if form.is_constant(a) and a == b:
            draft.operands[self.role] = Immediate(form.decode_constant(a))
            return
        swap = a == form.constant
        code = b if swap else a
        if not swap and b != form.constant:
            raise IsaError(f"ports hold {a:#x} and {b:#x}: one of them must be {form.constant:#x}, or equal constants")
        register = None if form.is_constant(code) else form.decode(code, bank=bank_of(swap), contexts=contexts)
        if register is None:
            raise IsaError(f"source {code:#x}: not a register of a context")
        draft.operands[self.role] = register
        if swap:
            draft.values["swap"] = True

    def bind(self, role: str, argument: Argument, draft: Draft) -> None:
        operand = argument.operand
        if isinstance(operand, Immediate):
            check_range("constant", operand.value, 0, 255)
            draft.operands[role] = operand
        else:
            draft.operands[role] = bind_register(role, argument, UNRESTRICTED, destination=False)

    def format(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        return operand_text(instruction.operands[role])

    def sources(self, instruction: Instruction) -> list[RegisterUse]:
        operand = instruction.operands[self.role]
        return [RegisterUse(self.role, operand, Bank.A)] if isinstance(operand, Register) else []

    def arrange(self, instruction: Instruction) -> bool | None:
        operand = instruction.operands[self.role]
        return isinstance(operand, Register) and is_general(operand) and operand.bank is Bank.B


@dataclass(frozen=True)
class TransferRegister(Part):
    """First transfer register of a command, bits 24:20.

    With 8 contexts bit 24 selects the kind that is not the target's natural one; with 4 contexts all five bits are
    the number and only the natural kind can be named (isa.md 3.3).
    """

    natural: RegisterKind
    role: str = "xfer"
    mask = bits(24, 20)

    @property
    def roles(self) -> tuple[str, ...]:
        return (self.role,)

    @property
    def _other(self) -> RegisterKind:
        return RegisterKind.DRAM if self.natural is RegisterKind.SRAM else RegisterKind.SRAM

    def encode(self, instruction: Instruction, contexts: int) -> int:
        register = instruction.operands[self.role]
        if not isinstance(register, Register):
            raise IsaError(f"{self.role}: {operand_text(register)} is not a transfer register")
        if register.number is None:
            raise IsaError(f"register {register.name} has no number yet")
        number = check_range("transfer register", register.number, 0, registers_per_context(contexts) - 1)
        if register.kind is self.natural:
            return number << 20
        if register.kind is not self._other:
            raise IsaError(f"{self.role}: {register_text(register)} is not a transfer register")
        if contexts != 8:
            raise IsaError(
                f"{register_text(register)}: with {contexts} contexts only the target's own kind is possible"
            )
        return (16 | number) << 20

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        code = word >> 20 & 31
        if contexts == 8 and code & 16:
            draft.operands[self.role] = Register(self._other, code & 15)
        else:
            draft.operands[self.role] = Register(self.natural, code)

    def bind(self, role: str, argument: Argument, draft: Draft) -> None:
        operand = argument.operand
        if not isinstance(operand, Register) or operand.kind not in (RegisterKind.SRAM, RegisterKind.DRAM):
            raise IsaError(f"{role}: {argument.text} is not a transfer register")
        draft.operands[role] = operand

    def format(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        return operand_text(instruction.operands[role])
