"""Operand codes: the 10-bit (unrestricted) and 8-bit (restricted) forms of a register or constant.

A code does not say which bank a general register is in: the port (or the destination's bank bit) does. Source:
isa.md section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ixp_emu.isa.errors import IsaError
from ixp_emu.isa.operands import NULL, Bank, Immediate, Label, Operand, Register, RegisterKind

__all__ = [
    "RESTRICTED",
    "UNRESTRICTED",
    "OperandForm",
    "is_general",
    "operand_text",
    "register_text",
    "registers_per_context",
    "same_file",
]

_K = RegisterKind
_GENERAL = frozenset({_K.GPR, _K.ABSOLUTE})
_FILES = {
    _K.SRAM: "$",
    _K.SRAM_INDEX: "$",
    _K.DRAM: "$$",
    _K.DRAM_INDEX: "$$",
    _K.NEIGHBOR: "n$",
    _K.NEIGHBOR_INDEX: "n$",
    _K.LOCAL_MEMORY_0: "local memory",
    _K.LOCAL_MEMORY_1: "local memory",
}
_STEPS = {0: "", 1: "++", -1: "--"}


def registers_per_context(contexts: int) -> int:
    """Registers of one kind (and GPR bank) a context has: 16 with 8 contexts, 32 with 4 (isa.md section 0)."""
    return 128 // contexts


def is_general(operand: Operand | None) -> bool:
    """Whether the operand is a general register, relative or absolute."""
    return isinstance(operand, Register) and operand.kind in _GENERAL


def same_file(first: Operand | None, second: Operand | None) -> str | None:
    """The register file two operands share if it can be read only once per instruction, else None."""
    if not (isinstance(first, Register) and isinstance(second, Register)):
        return None
    file = _FILES.get(first.kind)
    return file if file is not None and file == _FILES.get(second.kind) else None


def register_text(register: Register) -> str:
    """Source text of a register: ``a3``, ``@b17``, ``$2``, ``*l$index0[4]``, or its name while it has no number."""
    kind = register.kind
    if kind is _K.NULL:
        return "--"
    if kind in (_K.LOCAL_MEMORY_0, _K.LOCAL_MEMORY_1):
        index = "*l$index0" if kind is _K.LOCAL_MEMORY_0 else "*l$index1"
        return index + (f"[{register.offset}]" if register.offset else "") + _STEPS[register.step]
    if kind in (_K.SRAM_INDEX, _K.DRAM_INDEX, _K.NEIGHBOR_INDEX):
        return f"*{_FILES[kind]}index{_STEPS[register.step]}"
    if register.number is None or (kind in _GENERAL and register.bank is None):
        return register.name or "?"
    if kind in _GENERAL and register.bank is not None:
        return f"{'@' if kind is _K.ABSOLUTE else ''}{register.bank.value}{register.number}"
    return f"{_FILES[kind]}{register.number}"


def operand_text(operand: Operand) -> str:
    """Source text of any operand; a label without a name is its address."""
    if isinstance(operand, Immediate):
        return str(operand.value)
    if isinstance(operand, Label):
        return f"{operand.name}#" if operand.name else str(operand.address)
    return register_text(operand)


def _source_codes(
    plain: dict[RegisterKind, int], fixed: dict[int, tuple[RegisterKind, int]], local: tuple[int, int, int]
) -> dict[int, Register]:
    """Code -> register for everything but general registers, constants and ``--``."""
    table = {base + number: Register(kind, number) for kind, base in plain.items() for number in range(32)}
    table |= {code: Register(kind, step=step) for code, (kind, step) in fixed.items()}
    base_0, base_1, offsets = local
    for kind, base in ((_K.LOCAL_MEMORY_0, base_0), (_K.LOCAL_MEMORY_1, base_1)):
        table |= {base + offset: Register(kind, offset=offset) for offset in range(offsets)}
    return table


@dataclass(frozen=True, slots=True)
class OperandForm:
    """One of the two operand forms.

    Attributes:
        name: for messages.
        width: bits of a code.
        absolute: code of ``@`` register 0, None where the form has none.
        constant: code of constant 0, also ``--`` as a destination.
        constant_bits: bits of a constant inside the code.
        registers: code -> register (no bank) of all other kinds.
        codes: its inverse.
    """

    name: str
    width: int
    absolute: int | None
    constant: int
    constant_bits: int
    registers: dict[int, Register]
    codes: dict[Register, int]

    def is_constant(self, code: int) -> bool:
        """Whether the code holds a constant (as a destination: ``--``)."""
        return code & self.constant == self.constant

    def encode_constant(self, value: int) -> int:
        """Code of a constant that fits ``constant_bits``."""
        if self.width == 10:
            return self.constant | value
        return self.constant | (value & 0x1F) | ((value & 0x60) << 1)

    def decode_constant(self, code: int) -> int:
        """Inverse of :meth:`encode_constant`."""
        if self.width == 10:
            return code & 0xFF
        return (code & 0x1F) | ((code & 0xC0) >> 1)

    def encode(self, register: Register, *, contexts: int, destination: bool = False) -> int:
        """Code of a register.

        Raises:
            IsaError: no number yet, a number the context does not have, or a kind or offset the form cannot hold.
        """
        kind = register.kind
        if kind is _K.NULL:
            if destination:
                return self.constant
            raise IsaError("-- cannot be read")
        if kind in (_K.GPR, _K.ABSOLUTE, _K.SRAM, _K.DRAM, _K.NEIGHBOR):
            if register.number is None:
                raise IsaError(f"register {register.name} has no number yet")
            limit = 128 if kind is _K.ABSOLUTE else registers_per_context(contexts)
            if not 0 <= register.number < limit:
                raise IsaError(f"register number {register.number}: 0 to {limit - 1} for a {kind.value}")
            if kind is _K.GPR:
                return register.number
            if kind is _K.ABSOLUTE:
                if self.absolute is None:
                    raise IsaError(f"{register_text(register)} cannot stand here: no absolute register")
                return self.absolute + register.number
        code = self.codes.get(replace(register, name=None, bank=None))
        if code is None or (destination and kind is _K.NEIGHBOR_INDEX and register.step == 0):
            raise IsaError(f"{register_text(register)} cannot stand here ({self.name} operand)")
        return code

    def decode(self, code: int, *, bank: Bank, contexts: int, destination: bool = False) -> Register | None:
        """Register of a code (not a constant), None when the code means nothing.

        As a destination the constant code is ``--``, and ``*n$index`` without ``++`` means nothing.
        """
        if destination and code == self.constant:
            return NULL
        limit = registers_per_context(contexts)
        if code < 0x20:
            return Register(_K.GPR, code, bank) if code < limit else None
        if self.absolute is not None and self.absolute <= code < self.absolute + 128:
            return Register(_K.ABSOLUTE, code - self.absolute, bank)
        register = self.registers.get(code)
        if register is None or (register.number is not None and register.number >= limit):
            return None
        if destination and register.kind is _K.NEIGHBOR_INDEX and register.step == 0:
            return None
        return register


def _form(
    name: str, *, width: int, absolute: int | None, constant: int, constant_bits: int, registers: dict[int, Register]
) -> OperandForm:
    codes = {register: code for code, register in registers.items()}
    return OperandForm(name, width, absolute, constant, constant_bits, registers, codes)


UNRESTRICTED = _form(
    "unrestricted",
    width=10,
    absolute=0x080,
    constant=0x300,
    constant_bits=8,
    registers=_source_codes(
        {_K.SRAM: 0x180, _K.DRAM: 0x1C0, _K.NEIGHBOR: 0x280},
        {
            0x100: (_K.DRAM_INDEX, 0),
            0x102: (_K.DRAM_INDEX, 1),
            0x104: (_K.DRAM_INDEX, -1),
            0x140: (_K.SRAM_INDEX, 0),
            0x142: (_K.SRAM_INDEX, 1),
            0x144: (_K.SRAM_INDEX, -1),
            0x210: (_K.LOCAL_MEMORY_0, 1),
            0x211: (_K.LOCAL_MEMORY_0, -1),
            0x230: (_K.LOCAL_MEMORY_1, 1),
            0x231: (_K.LOCAL_MEMORY_1, -1),
            0x241: (_K.NEIGHBOR_INDEX, 0),
            0x243: (_K.NEIGHBOR_INDEX, 1),
        },
        (0x200, 0x220, 16),
    ),
)
"""The 10-bit form: alu, immed, jump, local CSR, multiply."""

RESTRICTED = _form(
    "restricted",
    width=8,
    absolute=None,
    constant=0x20,
    constant_bits=7,
    registers=_source_codes(
        {_K.SRAM: 0x80, _K.DRAM: 0xC0},
        {
            0x40: (_K.SRAM_INDEX, 0),
            0x42: (_K.SRAM_INDEX, 1),
            0x44: (_K.SRAM_INDEX, -1),
            0x41: (_K.NEIGHBOR_INDEX, 0),
            0x43: (_K.NEIGHBOR_INDEX, 1),
            0x48: (_K.DRAM_INDEX, 0),
            0x4A: (_K.DRAM_INDEX, 1),
            0x4C: (_K.DRAM_INDEX, -1),
        },
        (0x50, 0x58, 8),
    ),
)
"""The 8-bit form: shifts, ld_field, bit and byte branches, command addresses."""
