"""Parts for shifts, and the position of an immed constant. Sources: isa.md 1.3, 1.4, 3.3."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ixp_emu.isa.errors import IsaError
from ixp_emu.isa.instruction import Draft, Instruction, Shift
from ixp_emu.isa.operands import Immediate
from ixp_emu.isa.operation import Part, bits
from ixp_emu.isa.ports import check_range
from ixp_emu.isa.source import Argument

__all__ = ["ImmediateInvert", "ImmediateShift", "ShiftField", "parse_shift"]

_SHIFT = re.compile(r"(?P<kind><<|>>)\s*(?P<rotate>rot)?\s*(?P<amount>indirect|0x[0-9a-f]+|\d+)", re.IGNORECASE)


def parse_shift(text: str) -> Shift | None:
    """Shift of a source text, None for an amount of 0 (which the hardware would take for indirect)."""
    match = _SHIFT.fullmatch(text.strip())
    if match is None:
        raise IsaError(f"{text} is not a shift: <<n, >>n, >>rotn, <<rotn, <<indirect or >>indirect")
    left, rotate = match["kind"] == "<<", match["rotate"] is not None
    if match["amount"].lower() == "indirect":
        if rotate:
            raise IsaError(f"{text}: a rotation cannot be indirect")
        return Shift("<<" if left else ">>", 0)
    amount = check_range("shift amount", int(match["amount"], 0), 0, 31)
    if amount == 0:
        return None
    if rotate:
        return Shift(">>rot", 32 - amount if left else amount)
    return Shift("<<" if left else ">>", amount)


@dataclass(frozen=True)
class ShiftField(Part):
    """Shift of the right operand: kind in bits 9:8 (0 rotate, 1 >>, 2 << coded 32-n), amount in bits 32:28.

    Attributes:
        kinds: shifts allowed.
        only_right: code of ``>>`` where no other kind is possible (dbl_shf 3, asr 1); bits 9:8 then identify the
            operation and a shift must be given.
    """

    kinds: tuple[str, ...] = ("<<", ">>", ">>rot")
    only_right: bool = False
    roles = ("shift",)

    @property
    def mask(self) -> int:
        return bits(32, 28) | (0 if self.only_right else bits(9, 8))

    def _check(self, shift: Shift | None) -> None:
        if shift is None:
            if self.only_right:
                raise IsaError("a shift of 1 to 31 or indirect is needed")
        elif shift.kind not in self.kinds:
            raise IsaError(f"shift {shift} is not possible here: {' or '.join(self.kinds)}")

    def encode(self, instruction: Instruction, contexts: int) -> int:
        shift = instruction.shift
        self._check(shift)
        if shift is None:
            return 0
        check_range("shift amount", shift.amount, 1 if shift.kind == ">>rot" else 0, 31)
        if shift.kind == "<<":
            return (32 - shift.amount & 31) << 28 | 2 << 8
        code = 0 if self.only_right or shift.kind == ">>rot" else 1
        return shift.amount << 28 | code << 8

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        amount, code = word >> 28 & 31, word >> 8 & 3
        shift: Shift | None
        if self.only_right or code == 1:
            shift = Shift(">>", amount)
        elif code == 2:
            shift = Shift("<<", 32 - amount & 31)
        elif code == 0:
            shift = Shift(">>rot", amount) if amount else None
        else:
            raise IsaError("shift code 3: only dbl_shf has it")
        self._check(shift)
        draft.values["shift"] = shift

    def bind(self, role: str, argument: Argument, draft: Draft) -> None:
        draft.values["shift"] = parse_shift(argument.text)

    def complete(self, draft: Draft) -> None:
        self._check(draft.get("shift"))

    def format(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        return None if instruction.shift is None else str(instruction.shift)


@dataclass(frozen=True)
class ImmediateInvert(Part):
    """Complement of the constant of immed_w and immed_b, bit 31; the binder never sets it."""

    mask = bits(31, 31)

    def encode(self, instruction: Instruction, contexts: int) -> int:
        return instruction.invert << 31

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        if word >> 31 & 1:
            draft.values["invert"] = True


@dataclass(frozen=True)
class ImmediateShift(Part):
    """Position of the immed constant, bits 34:33 (<<0, <<8, <<16), and the complement, bit 31.

    The binder takes any constant of which one form is exact. With an explicit shift a negative constant c means the
    complement of (~c << shift), the form disassemblers print.
    """

    mask = bits(34, 33) | bits(31, 31)
    roles = ("shift",)

    def encode(self, instruction: Instruction, contexts: int) -> int:
        amount = 0 if instruction.shift is None else instruction.shift.amount
        if amount not in (0, 8, 16):
            raise IsaError(f"immed shift {amount}: 0, 8 or 16")
        return (amount // 8) << 33 | instruction.invert << 31

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        position = check_range("immed position", word >> 33 & 3, 0, 2)
        if position:
            draft.values["shift"] = Shift("<<", 8 * position)
        if word >> 31 & 1:
            draft.values["invert"] = True

    def bind(self, role: str, argument: Argument, draft: Draft) -> None:
        shift = parse_shift(argument.text)
        if shift is not None and (shift.kind != "<<" or shift.amount not in (8, 16)):
            raise IsaError(f"{argument.text}: immed shifts by <<0, <<8 or <<16")
        draft.values["shift"] = shift
        draft.values["shift_is_given"] = True

    def complete(self, draft: Draft) -> None:
        is_given = draft.values.pop("shift_is_given", False)
        value = draft.operands["value"]
        if not isinstance(value, Immediate):
            return
        constant = value.value
        if not -(1 << 31) <= constant < 1 << 32:
            raise IsaError(f"constant {constant} does not fit: 32 bits")
        constant &= 0xFFFFFFFF
        given = draft.get("shift")
        amounts = (given.amount if given else 0,) if is_given else (0, 8, 16)
        for invert in (False, True):
            wanted = constant ^ 0xFFFFFFFF if invert else constant
            for amount in amounts:
                part = wanted if is_given else wanted >> amount
                if part <= 0xFFFF and (is_given or part << amount == wanted):
                    draft.operands["value"] = Immediate(part)
                    draft.values["shift"] = Shift("<<", amount) if amount else None
                    draft.values["invert"] = invert
                    return
        raise IsaError(f"constant {constant:#x} is not 16 bits shifted by 0, 8 or 16, nor the complement of such")

    def format(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        return None if instruction.shift is None else str(instruction.shift)
