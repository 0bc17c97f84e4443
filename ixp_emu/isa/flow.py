"""Parts for the flow of control: branch targets, deferral, pipe stages, event signals. Positions: isa.md 3.3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ixp_emu.isa.errors import IsaError
from ixp_emu.isa.fields import token_number
from ixp_emu.isa.instruction import Draft, Instruction
from ixp_emu.isa.operands import Immediate, Label
from ixp_emu.isa.operation import Part, bits
from ixp_emu.isa.ports import check_range, label_text
from ixp_emu.isa.source import Argument, Token

__all__ = ["AnySignal", "CommandSignal", "Defer", "SignalNumber", "SignalSet", "Stage", "Target", "Targets"]


def _signal_of(argument: Argument) -> int | str:
    if isinstance(argument.operand, Immediate):
        return check_range("signal", argument.operand.value, 1, 15)
    if argument.operand is not None:
        raise IsaError(f"{argument.text} is not a signal")
    return argument.text


def _signal_number(signal: int | str | None) -> int:
    if isinstance(signal, str):
        raise IsaError(f"signal {signal} has no number yet")
    return check_range("signal", signal or 0, 1, 15)


@dataclass(frozen=True)
class Defer(Part):
    """``defer[n]``, bits 21:20: the n instructions behind it execute although the flow goes elsewhere."""

    maximum: int
    mask = bits(21, 20)
    token_names = ("defer",)

    def encode(self, instruction: Instruction, contexts: int) -> int:
        return check_range("defer", instruction.defer, 0, self.maximum) << 20

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        defer = check_range("defer", word >> 20 & 3, 0, self.maximum)
        if defer:
            draft.values["defer"] = defer

    def bind_token(self, token: Token, draft: Draft) -> None:
        draft.values["defer"] = check_range("defer", token_number(token), 1, self.maximum)

    def format_tokens(self, instruction: Instruction, labels: Mapping[int, str]) -> list[str]:
        return [f"defer[{instruction.defer}]"] if instruction.defer else []


@dataclass(frozen=True)
class Target(Part):
    """Branch address, bits 34:22; or, for ctx_arb, the resume address of the token ``br[label#]`` (bit 18)."""

    resume_bit: int | None = None

    @property
    def mask(self) -> int:
        return bits(34, 22) | (0 if self.resume_bit is None else 1 << self.resume_bit)

    @property
    def roles(self) -> tuple[str, ...]:
        return ("target",) if self.resume_bit is None else ()

    @property
    def token_names(self) -> tuple[str, ...]:
        return () if self.resume_bit is None else ("br",)

    def encode(self, instruction: Instruction, contexts: int) -> int:
        target = instruction.target
        if target is None:
            if self.resume_bit is None:
                raise IsaError("a branch needs a label")
            return 0
        if target.address is None:
            raise IsaError(f"label {target.name}# has no address yet")
        word = check_range("address", target.address, 0, 0x1FFF) << 22
        return word if self.resume_bit is None else word | 1 << self.resume_bit

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        address = word >> 22 & 0x1FFF
        if self.resume_bit is None or word >> self.resume_bit & 1:
            draft.operands["target"] = Label(address=address)
        elif address:
            raise IsaError(f"address {address} without br[]: 0")

    def bind(self, role: str, argument: Argument, draft: Draft) -> None:
        operand = argument.operand
        if isinstance(operand, Immediate):
            operand = Label(address=check_range("address", operand.value, 0, 0x1FFF))
        if not isinstance(operand, Label):
            raise IsaError(f"{argument.text} is not a label")
        draft.operands["target"] = operand

    def bind_token(self, token: Token, draft: Draft) -> None:
        if len(token.arguments) != 1:
            raise IsaError("br: one label in brackets")
        self.bind("target", token.arguments[0], draft)

    def format(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        assert instruction.target is not None
        return label_text(instruction.target, labels)

    def format_tokens(self, instruction: Instruction, labels: Mapping[int, str]) -> list[str]:
        if self.resume_bit is None or instruction.target is None:
            return []
        return [f"br[{label_text(instruction.target, labels)}]"]


@dataclass(frozen=True)
class Targets(Part):
    """``targets[l1#, ...]`` of a jump: not encoded, kept for flow analysis."""

    token_names = ("targets",)

    def bind_token(self, token: Token, draft: Draft) -> None:
        labels = [argument.operand for argument in token.arguments]
        for argument in token.arguments:
            if not isinstance(argument.operand, Label):
                raise IsaError(f"targets: {argument.text} is not a label")
        draft.values["targets"] = tuple(label for label in labels if isinstance(label, Label))

    def format_tokens(self, instruction: Instruction, labels: Mapping[int, str]) -> list[str]:
        if not instruction.targets:
            return []
        return [f"targets[{', '.join(label_text(label, labels) for label in instruction.targets)}]"]


@dataclass(frozen=True)
class Stage(Part):
    """Pipe stage of a condition-code branch, bits 9:8: 1, or 0 where the codes were ready one instruction before.

    All firmware has 1; ``stage[0]`` names the other form, which two disassemblers know (isa.md 3.3). Its shadow is
    shorter: at most ``maximum`` instructions can be deferred.
    """

    maximum: int
    mask = bits(9, 8)
    token_names = ("stage",)

    def encode(self, instruction: Instruction, contexts: int) -> int:
        self._check(instruction.stage, instruction.defer)
        return instruction.stage << 8

    def _check(self, stage: int, defer: int) -> None:
        if check_range("stage", stage, 0, 1) == 0:
            check_range("defer with stage 0", defer, 0, self.maximum)

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        draft.values["stage"] = word >> 8 & 3
        self._check(draft.values["stage"], word >> 20 & 3)

    def bind_token(self, token: Token, draft: Draft) -> None:
        draft.values["stage"] = check_range("stage", token_number(token), 0, 1)

    def complete(self, draft: Draft) -> None:
        self._check(draft.values.setdefault("stage", 1), draft.get("defer"))

    def format_tokens(self, instruction: Instruction, labels: Mapping[int, str]) -> list[str]:
        return ["stage[0]"] if instruction.stage == 0 else []


@dataclass(frozen=True)
class SignalNumber(Part):
    """Signal tested by br_signal, bits 17:14."""

    mask = bits(17, 14)
    roles = ("signal",)

    def encode(self, instruction: Instruction, contexts: int) -> int:
        return _signal_number(instruction.signal) << 14

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        draft.values["signal"] = _signal_number(word >> 14 & 15)

    def bind(self, role: str, argument: Argument, draft: Draft) -> None:
        draft.values["signal"] = _signal_of(argument)

    def format(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        return str(instruction.signal)


@dataclass(frozen=True)
class AnySignal(Part):
    """``any``: wake on one of the signals, bit 16; ``all`` is the default."""

    mask = bits(16, 16)
    token_names = ("any", "all")

    def encode(self, instruction: Instruction, contexts: int) -> int:
        return instruction.any_signal << 16

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        if word >> 16 & 1:
            draft.tokens.add("any")

    def bind_token(self, token: Token, draft: Draft) -> None:
        draft.tokens.add(token.name)

    def complete(self, draft: Draft) -> None:
        if {"any", "all"} <= draft.tokens:
            raise IsaError("any and all exclude each other")
        draft.tokens.discard("all")

    def format_tokens(self, instruction: Instruction, labels: Mapping[int, str]) -> list[str]:
        return ["any"] if instruction.any_signal else []


@dataclass(frozen=True)
class SignalSet(Part):
    """Signals ctx_arb waits for, bits 15:1."""

    mask = bits(15, 1)
    roles = ("signals",)

    def encode(self, instruction: Instruction, contexts: int) -> int:
        word = 0
        for signal in instruction.signals:
            word |= 1 << _signal_number(signal)
        if not instruction.signals:
            raise IsaError("ctx_arb waits for at least one signal")
        return word

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        signals = tuple(number for number in range(1, 16) if word >> number & 1)
        if not signals:
            raise IsaError("ctx_arb without a signal, voluntary, kill, bpt or --")
        draft.values["signals"] = signals

    def bind(self, role: str, argument: Argument, draft: Draft) -> None:
        draft.values["signals"] = (*draft.get("signals"), _signal_of(argument))

    def complete(self, draft: Draft) -> None:
        if not draft.get("signals"):
            raise IsaError("ctx_arb waits for at least one signal")

    def format(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        return ", ".join(str(signal) for signal in instruction.signals)


@dataclass(frozen=True)
class CommandSignal(Part):
    """Signal of a command, bits 31:28, and bits 9:8: ctx_swap with 0, 1 or 2 deferred, 3 sig_done or nothing.

    Attributes:
        maximum: largest defer[n].
        doubled: the command reports through an even signal and the next one.
        swaps: the assembler takes ctx_swap; a word may have it anyway.
    """

    maximum: int
    doubled: bool = False
    swaps: bool = True
    mask = bits(31, 28) | bits(9, 8)
    token_names = ("ctx_swap", "sig_done", "defer")

    def encode(self, instruction: Instruction, contexts: int) -> int:
        action = instruction.signal_action
        if action == "none":
            if instruction.defer:
                raise IsaError("defer needs ctx_swap")
            return 3 << 8
        word = self._paired(_signal_number(instruction.signal)) << 28
        if action == "sig_done":
            if instruction.defer:
                raise IsaError("defer needs ctx_swap")
            return word | 3 << 8
        return word | check_range("defer", instruction.defer, 0, self.maximum) << 8

    def _paired(self, signal: int) -> int:
        if self.doubled and signal % 2:
            raise IsaError(f"signal {signal} is odd: the command reports through an even signal and the next")
        return signal

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        code, signal = word >> 8 & 3, word >> 28 & 15
        if code == 3 and signal == 0:
            return
        draft.values["signal_action"] = "sig_done" if code == 3 else "ctx_swap"
        draft.values["signal"] = self._paired(_signal_number(signal))
        if code in (1, 2):
            draft.values["defer"] = check_range("defer", code, 0, self.maximum)

    def bind_token(self, token: Token, draft: Draft) -> None:
        if token.name == "defer":
            draft.values["defer"] = check_range("defer", token_number(token), 1, self.maximum)
            return
        if len(token.arguments) != 1:
            raise IsaError(f"{token.name}: one signal in brackets")
        if draft.get("signal_action") not in ("none", token.name):
            raise IsaError("ctx_swap and sig_done exclude each other")
        if token.name == "ctx_swap" and not self.swaps:
            raise IsaError("ctx_swap is not possible with dram (switch dram_ctx_swap): sig_done and ctx_arb")
        draft.values["signal_action"] = token.name
        signal = _signal_of(token.arguments[0])
        draft.values["signal"] = self._paired(signal) if isinstance(signal, int) else signal

    def complete(self, draft: Draft) -> None:
        if draft.get("defer") and draft.get("signal_action") != "ctx_swap":
            raise IsaError("defer needs ctx_swap")

    def format_tokens(self, instruction: Instruction, labels: Mapping[int, str]) -> list[str]:
        if instruction.signal_action == "none":
            return []
        tokens = [f"{instruction.signal_action}[{instruction.signal}]"]
        return [*tokens, f"defer[{instruction.defer}]"] if instruction.defer else tokens
