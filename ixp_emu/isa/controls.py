"""Ports that hold a number of another kind than an operand: CRC control, CAM local-memory control, bit number.

Sources: isa.md section 3.3. The control byte of CRC and CAM fills the port like an 8-bit constant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ixp_emu.isa.errors import IsaError
from ixp_emu.isa.fields import constant_of, token_number
from ixp_emu.isa.instruction import Draft, Instruction
from ixp_emu.isa.operands import Bank
from ixp_emu.isa.operation import Part, bits
from ixp_emu.isa.ports import Ports, Side, check_range
from ixp_emu.isa.source import Argument, Token

__all__ = ["CRC_TYPES", "BitNumber", "CamState", "CrcControl", "LmAddrControl"]

CRC_TYPES: Mapping[str, int] = {
    "none": 0,
    "crc_ccitt": 2,
    "crc_32": 4,
    "crc_iscsi": 5,
    "crc_10": 6,
    "crc_5": 7,
}
"""CRC type name -> code."""

_BYTE_TOKENS = ("bytes_0_3", "bytes_1_3", "bytes_2_3", "byte_3", "bytes_0_2", "bytes_0_1", "byte_0")
_BYTE_ALIASES = {"bytes_3": 3, "bytes_0": 6}


def _control(code: int, ports: Ports, port: Bank) -> int:
    if not ports.form.is_constant(code):
        raise IsaError(f"port {port.name} holds {code:#x}: the control constant must stand there")
    return ports.form.decode_constant(code)


@dataclass(frozen=True)
class CrcControl(Side):
    """7:5 type, 4 bit_swap, 3 little endian, 2:0 bytes."""

    little_endian: bool
    roles = ("crc_type",)
    token_names = (*_BYTE_TOKENS, *_BYTE_ALIASES, "bit_swap")

    def code(self, instruction: Instruction, port: Bank, ports: Ports, contexts: int) -> tuple[int, int]:
        if instruction.crc_type not in CRC_TYPES.values():
            raise IsaError(f"CRC type code {instruction.crc_type}: {', '.join(map(str, CRC_TYPES.values()))}")
        byte_form = check_range("CRC byte code", instruction.crc_bytes, 0, len(_BYTE_TOKENS) - 1)
        swapped = "bit_swap" in instruction.tokens
        return ports.constant(instruction.crc_type << 5 | swapped << 4 | self.little_endian << 3 | byte_form)

    def read(self, code: int, shared: int, port: Bank, ports: Ports, word: int, contexts: int, draft: Draft) -> None:
        control = _control(code, ports, port)
        if control >> 5 not in CRC_TYPES.values():
            raise IsaError(f"CRC type code {control >> 5}: {', '.join(map(str, CRC_TYPES.values()))}")
        if control >> 3 & 1 != self.little_endian:
            raise IsaError("CRC byte order")
        draft.values["crc_type"] = control >> 5
        draft.values["crc_bytes"] = check_range("CRC byte code", control & 7, 0, len(_BYTE_TOKENS) - 1)
        if control >> 4 & 1:
            draft.tokens.add("bit_swap")

    def bind(self, role: str, argument: Argument, ports: Ports, draft: Draft) -> None:
        name = argument.text.lower()
        if name not in CRC_TYPES:
            raise IsaError(f"CRC type {argument.text} does not exist: {', '.join(CRC_TYPES)}")
        draft.values["crc_type"] = CRC_TYPES[name]

    def bind_token(self, token: Token, draft: Draft) -> None:
        if token.name == "bit_swap":
            draft.tokens.add("bit_swap")
        elif "crc_bytes" in draft.values:
            raise IsaError("more than one bytes_a_b")
        else:
            alias = _BYTE_ALIASES.get(token.name)
            draft.values["crc_bytes"] = _BYTE_TOKENS.index(token.name) if alias is None else alias

    def text(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        return next(name for name, code in CRC_TYPES.items() if code == instruction.crc_type)

    def token_texts(self, instruction: Instruction) -> list[str]:
        texts = [_BYTE_TOKENS[instruction.crc_bytes]] if instruction.crc_bytes else []
        return [*texts, "bit_swap"] if "bit_swap" in instruction.tokens else texts


@dataclass(frozen=True)
class LmAddrControl(Side):
    """Bit 0 or 1 selects LM_ADDR_0 or _1, bits 3:2 the value; 0 where the lookup sets none."""

    token_names = ("lm_addr0", "lm_addr1")

    def code(self, instruction: Instruction, port: Bank, ports: Ports, contexts: int) -> tuple[int, int]:
        if instruction.lm_addr is None:
            return ports.constant(0)
        index, value = instruction.lm_addr
        index = check_range("LM_ADDR index", index, 0, 1)
        return ports.constant(1 << index | check_range("LM_ADDR value", value, 0, 3) << 2)

    def read(self, code: int, shared: int, port: Bank, ports: Ports, word: int, contexts: int, draft: Draft) -> None:
        control = _control(code, ports, port)
        if control == 0:
            return
        if control >> 4 or control & 3 not in (1, 2):
            raise IsaError(f"LM_ADDR control {control:#x}: bit 0 or bit 1, value in 3:2")
        draft.values["lm_addr"] = ((control & 3) - 1, control >> 2)

    def bind_token(self, token: Token, draft: Draft) -> None:
        if "lm_addr" in draft.values:
            raise IsaError("lm_addr0 and lm_addr1 exclude each other")
        draft.values["lm_addr"] = (int(token.name[-1]), check_range("LM_ADDR value", token_number(token), 0, 3))

    def token_texts(self, instruction: Instruction) -> list[str]:
        if instruction.lm_addr is None:
            return []
        index, value = instruction.lm_addr
        return [f"lm_addr{index}[{value}]"]


@dataclass(frozen=True)
class BitNumber(Side):
    """Bit tested by br_bset and br_bclr: the constant (bit + 1) modulo 32."""

    roles = ("bit",)

    def code(self, instruction: Instruction, port: Bank, ports: Ports, contexts: int) -> tuple[int, int]:
        return ports.constant(check_range("bit", instruction.bit, 0, 31) + 1 & 31)

    def read(self, code: int, shared: int, port: Bank, ports: Ports, word: int, contexts: int, draft: Draft) -> None:
        if not ports.form.is_constant(code):
            raise IsaError(f"port {port.name} holds {code:#x}: the bit number must stand there")
        value = check_range("bit code", ports.form.decode_constant(code), 0, 31)
        draft.values["bit"] = value - 1 & 31

    def bind(self, role: str, argument: Argument, ports: Ports, draft: Draft) -> None:
        draft.values["bit"] = check_range("bit", constant_of(role, argument), 0, 31)

    def text(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        return str(instruction.bit)


@dataclass(frozen=True)
class CamState(Part):
    """State of cam_write and cam_write_state, a constant 0..15 in the destination's place (0x300 | state)."""

    mask = bits(29, 20)
    roles = ("cam_state",)

    def encode(self, instruction: Instruction, contexts: int) -> int:
        return (0x300 | check_range("state", instruction.cam_state, 0, 15)) << 20

    def decode(self, word: int, contexts: int, draft: Draft) -> None:
        code = word >> 20 & 0x3FF
        if code & 0x3F0 != 0x300:
            raise IsaError(f"destination {code:#x}: the CAM state 0x300 to 0x30f")
        draft.values["cam_state"] = code & 15

    def bind(self, role: str, argument: Argument, draft: Draft) -> None:
        draft.values["cam_state"] = check_range("state", constant_of(role, argument), 0, 15)

    def format(self, role: str, instruction: Instruction, labels: Mapping[int, str]) -> str | None:
        return str(instruction.cam_state)
