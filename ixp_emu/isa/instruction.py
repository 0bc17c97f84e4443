"""One instruction: an operation of the registry with everything its word needs, concrete or still symbolic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ixp_emu.isa.errors import IsaError
from ixp_emu.isa.operands import Bank, Label, Operand, Register, RegisterKind

if TYPE_CHECKING:
    from ixp_emu.isa.operation import Operation

__all__ = ["Draft", "Instruction", "RegisterUse", "Shift", "TransferSpan", "transfer_span"]

SignalAction = Literal["none", "sig_done", "ctx_swap"]


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift of the right operand.

    Attributes:
        kind: ``<<``, ``>>`` or ``>>rot``.
        amount: 1..31; 0 with ``<<`` or ``>>`` means indirect: the low 5 bits of the previous left operand.
    """

    kind: Literal["<<", ">>", ">>rot"]
    amount: int

    @property
    def indirect(self) -> bool:
        """Whether the amount comes from the previous instruction."""
        return self.amount == 0

    def __str__(self) -> str:
        return f"{self.kind}{self.amount or 'indirect'}"


class RegisterUse(NamedTuple):
    """One register an instruction reads or writes.

    ``port`` is the port the source takes when the operands are not exchanged (left A, right B); None for
    destinations that do not go through a port.
    """

    role: str
    register: Register
    port: Bank | None


@dataclass(frozen=True, slots=True)
class TransferSpan:
    """Transfer registers a command touches: ``count`` registers from ``register`` on.

    ``pulled``: the target reads the write half ($ out); ``pushed``: it writes the read half ($ in).
    """

    register: Register
    count: int
    pulled: bool
    pushed: bool


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction. Attributes an operation does not use keep their defaults.

    Attributes:
        operation: registry entry.
        operands: by role (``dst``, ``left``, ``right``, ``register``, ``address1``, ``address2``, ``xfer``,
            ``target``, ``value``, ...); an absent optional operand is ``NULL``.
        swap: operands exchanged: left goes through port B, right through port A.
        shift: of alu_shf, asr, dbl_shf, ld_field; for immed ``<<8`` or ``<<16`` of the constant.
        invert: immed: the shifted constant is complemented.
        mask: ld_field: 4 bits, bit 0 = bits 7:0.
        byte, bit: of br=byte and br_bset.
        context: of br=ctx.
        input_state: code of br_inp_state (``INPUT_STATES``).
        cam_state: state of cam_write and cam_write_state.
        lm_addr: (index 0 or 1, value 0..3) of a cam_lookup that also sets LM_ADDR.
        crc_type, crc_bytes: codes (``semantics.CRC_PARAMETERS``, ``semantics.CRC_BYTE_FORMS``).
        csr: byte address of the local CSR, or of the CSR behind the CAP.
        data: constant of cap fast_wr, 14 bits.
        remote: (microengine, context) of a reflector command.
        count: units of a command (longwords, quadwords, keys), 1..16; above 8 it is only an upper bound
            (``max_n``), which the indirect_ref word replaces.
        stage: pipe stage of a branch: 1, or 0 where the condition codes were ready one instruction before.
        defer: instructions in the shadow that execute anyway.
        signal: event signal of a command or br_signal: number 1..15, or its name until allocated.
        signal_action: what a command does with it.
        signals: of ctx_arb.
        targets: where a jump may go, for flow analysis; not encoded.
        tokens: argument-less tokens: ``any``, ``indirect_ref``, ``no_pull``, ``ignore_data_error``, ``load_cc``,
            ``bit_swap``.
    """

    operation: Operation
    operands: Mapping[str, Operand] = field(default_factory=dict)
    swap: bool = False
    shift: Shift | None = None
    invert: bool = False
    mask: int = 0
    byte: int = 0
    bit: int = 0
    context: int = 0
    input_state: int = 0
    cam_state: int = 0
    lm_addr: tuple[int, int] | None = None
    crc_type: int = 0
    crc_bytes: int = 0
    csr: int = 0
    data: int = 0
    remote: tuple[int, int] = (0, 0)
    count: int = 0
    stage: int = 0
    defer: int = 0
    signal: int | str | None = None
    signal_action: SignalAction = "none"
    signals: tuple[int | str, ...] = ()
    targets: tuple[Label, ...] = ()
    tokens: frozenset[str] = frozenset()

    @property
    def indirect_ref(self) -> bool:
        """Whether the previous instruction's result modifies this command."""
        return "indirect_ref" in self.tokens

    @property
    def any_signal(self) -> bool:
        """ctx_arb: wake on any of the signals rather than all."""
        return "any" in self.tokens

    @property
    def target(self) -> Label | None:
        """Branch target, or resume point of ``ctx_arb[...], br[label#]``."""
        label = self.operands.get("target")
        return label if isinstance(label, Label) else None

    def sources(self) -> tuple[RegisterUse, ...]:
        """Registers read through the two ports (a command's transfer registers: :func:`transfer_span`)."""
        return tuple(use for part in self.operation.parts for use in part.sources(self))

    def destinations(self) -> tuple[RegisterUse, ...]:
        """Registers written by the instruction itself (not by a memory it commands)."""
        return tuple(use for part in self.operation.parts for use in part.destinations(self))

    def replace_registers(self, mapping: Mapping[Any, Register]) -> Instruction:
        """This instruction with registers replaced and ``swap`` set by the bank rule.

        Parameters:
            mapping: from a role (str), or from a Register as it stands in the instruction, to the register that
                gives kind, number and bank; a role goes before a register. Offset and step are kept.

        Raises:
            IsaError: two general registers through the two ports are in one bank.
        """
        operands = dict(self.operands)
        for role, operand in self.operands.items():
            if not isinstance(operand, Register):
                continue
            found = mapping.get(role, mapping.get(operand))
            if found is not None:
                operands[role] = replace(found, offset=operand.offset, step=operand.step)
        replaced = replace(self, operands=operands)
        return replace(replaced, swap=self.operation.arrange(replaced))

    def replace_signals(self, mapping: Mapping[str, int | Sequence[int]]) -> Instruction:
        """This instruction with signal names replaced by numbers.

        A doubled signal may be given as its two numbers: ctx_arb then waits for both, others use the first.
        """
        signal = self.signal
        if isinstance(signal, str) and signal in mapping:
            numbers = mapping[signal]
            signal = numbers if isinstance(numbers, int) else numbers[0]
        signals: list[int | str] = []
        for name in self.signals:
            numbers = mapping.get(name, ()) if isinstance(name, str) else (name,)
            signals.extend((numbers,) if isinstance(numbers, int) else numbers or (name,))
        return replace(self, signal=signal, signals=tuple(signals))

    def replace_labels(self, addresses: Mapping[str, int]) -> Instruction:
        """This instruction with the addresses (instruction indices) of its named labels filled in."""

        def resolved(label: Label) -> Label:
            if label.name is None or label.name not in addresses:
                return label
            return replace(label, address=addresses[label.name])

        operands = {role: resolved(op) if isinstance(op, Label) else op for role, op in self.operands.items()}
        return replace(self, operands=operands, targets=tuple(resolved(label) for label in self.targets))


_DEFAULTS = {item.name: item.default for item in fields(Instruction) if item.name not in ("operation", "operands")}


class Draft:
    """An instruction being built by the binder or the decoder; parts fill it in.

    Attributes:
        operation: registry entry.
        operands: by role.
        values: other attributes of :class:`Instruction` by name.
        tokens: argument-less tokens seen.
    """

    __slots__ = ("operands", "operation", "tokens", "values")

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.operands: dict[str, Operand] = {}
        self.values: dict[str, Any] = {}
        self.tokens: set[str] = set()

    def get(self, name: str) -> Any:
        """Value of an attribute so far, or its default."""
        return self.values.get(name, _DEFAULTS[name])

    def finish(self) -> Instruction:
        """The instruction."""
        return Instruction(self.operation, self.operands, tokens=frozenset(self.tokens), **self.values)


def transfer_span(instruction: Instruction) -> TransferSpan | None:
    """Transfer registers the command touches, None for other instructions and commands without any."""
    transfer = instruction.operation.transfer
    register = instruction.operands.get("xfer")
    if transfer is None or not isinstance(register, Register):
        return None
    if register.kind not in (RegisterKind.SRAM, RegisterKind.DRAM):
        raise IsaError(f"{register.name or register.kind.value}: a command moves $ or $$ registers")
    return TransferSpan(
        register,
        max(instruction.count, 1) * transfer.registers_per_unit,
        pulled=transfer.pulled and "no_pull" not in instruction.tokens,
        pushed=transfer.pushed,
    )
