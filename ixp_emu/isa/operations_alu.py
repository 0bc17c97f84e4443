"""Registry entries: ALU, shift, immediate, byte insert, CAM, CRC, multiply, local CSRs. Source: isa.md 1.2 to 1.11."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from ixp_emu.isa import semantics
from ixp_emu.isa.codes import RESTRICTED, UNRESTRICTED
from ixp_emu.isa.controls import CamState, CrcControl, LmAddrControl
from ixp_emu.isa.fields import ByteMask, Flag, LocalCsrAddress
from ixp_emu.isa.operands import NULL, Immediate
from ixp_emu.isa.operation import Operation, Part, Syntax, bits
from ixp_emu.isa.ports import (
    Absent,
    Constant,
    PortDestination,
    Ports,
    Side,
    Source,
)
from ixp_emu.isa.register_fields import Destination, LocalCsrSource
from ixp_emu.isa.shifts import ImmediateInvert, ImmediateShift, ShiftField
from ixp_emu.isa.unsettled import setting

__all__ = ["ALU_OPERATIONS"]

_NO_DESTINATION = 0x300 << 20


def _flags_by(switch: str) -> Literal["", "NZ"]:
    """Flags of an operation of which it is unsettled whether it sets any."""
    return "NZ" if setting(f"{switch}_sets_nz") else ""


_ALU_DESTINATION = Destination(UNRESTRICTED, low=20, bank_bit=36)
_SHF_DESTINATION = Destination(RESTRICTED, low=20, bank_bit=36)


def _alu_ports(left: Side, right: Side, constants: int = 1) -> Ports:
    return Ports(UNRESTRICTED, left, right, swap_bit=30, idle_codes=(0x000, 0x300), constants=constants)


def _shf_ports(left: Side, right: Side) -> Ports:
    return Ports(RESTRICTED, left, right, swap_bit=19, shared_bit=18)


def _alu(
    name: str,
    operator: str,
    code: int,
    function: semantics.AluFunction,
    flags: Literal["NZ", "NZCV"],
    summary: str,
    *,
    left_optional: bool = False,
) -> Operation:
    return Operation(
        name=f"alu.{name}",
        syntaxes=(Syntax(f"alu[{{dst}}, {{left}}, {operator}, {{right}}]"),),
        summary=summary,
        source="isa.md 1.2, 3.3",
        fixed_mask=bits(39, 37) | bits(35, 31),
        fixed_value=0b101 << 37 | code << 31,
        parts=(_ALU_DESTINATION, _alu_ports(Source("left", optional=left_optional), Source("right"))),
        semantics=function,
        condition_codes=flags,
    )


_ALU = (
    _alu("b", "B", 0, semantics.pass_b, "NZ", "right", left_optional=True),
    _alu("add", "+", 1, semantics.add, "NZCV", "left + right"),
    _alu("not_b", "~B", 4, semantics.not_b, "NZ", "complement of right", left_optional=True),
    _alu("add_16", "+16", 5, semantics.add_16, "NZCV", "left + right[15:0]"),
    _alu("and", "AND", 8, semantics.and_, "NZ", "left AND right"),
    _alu("add_8", "+8", 9, semantics.add_8, "NZCV", "left + right[7:0]"),
    _alu("not_and", "~AND", 12, semantics.not_and, "NZ", "(NOT left) AND right"),
    _alu("sub_carry", "-carry", 13, semantics.subtract_with_carry, "NZCV", "left - right - (1 - C)"),
    _alu("and_not", "AND~", 16, semantics.and_not, "NZ", "left AND (NOT right)"),
    _alu("add_carry", "+carry", 17, semantics.add_with_carry, "NZCV", "left + right + C"),
    _alu("or", "OR", 20, semantics.or_, "NZ", "left OR right"),
    _alu("sub", "-", 21, semantics.subtract, "NZCV", "left - right; C = 1 means no borrow"),
    _alu("xor", "XOR", 24, semantics.xor, "NZ", "left XOR right"),
    _alu("b_sub_a", "B-A", 25, semantics.reverse_subtract, "NZCV", "right - left"),
)


def _alu_class(
    name: str,
    template: str,
    code: int,
    parts: tuple[Part, ...],
    summary: str,
    source: str,
    *,
    destination: bool = True,
    function: Callable[..., Any] | None = None,
    flags: Literal["", "NZ"] = "",
) -> Operation:
    """An entry of the alu class that is not written ``alu[...]``; without destination the field holds ``--``."""
    empty = not destination and not any(isinstance(part, CamState) for part in parts)
    return Operation(
        name=name,
        syntaxes=(Syntax(template),),
        summary=summary,
        source=source,
        fixed_mask=bits(39, 37) | bits(35, 31) | (bits(29, 20) if empty else 0),
        fixed_value=0b101 << 37 | code << 31 | (_NO_DESTINATION if empty else 0),
        parts=((_ALU_DESTINATION, *parts) if destination else parts),
        semantics=function,
        condition_codes=flags,
    )


_ONE_SOURCE = (_alu_ports(Absent(), Source("source")),)
_CAM_ENTRY = (_alu_ports(Absent(), Source("entry")),)
_CAM_SOURCE = "isa.md 1.9, 3.3; from disassemblers"

_ALU_CLASS = (
    _alu_class(
        "pop_count1",
        "pop_count1[{source}]",
        6,
        _ONE_SOURCE,
        "first step of counting set bits",
        "isa.md 1.3, 3.3; from disassemblers",
        destination=False,
    ),
    _alu_class(
        "pop_count2",
        "pop_count2[{source}]",
        7,
        _ONE_SOURCE,
        "second step",
        "isa.md 1.3, 3.3; from disassemblers",
        destination=False,
    ),
    _alu_class(
        "pop_count3",
        "pop_count3[{dst}, {source}]",
        3,
        _ONE_SOURCE,
        "number of set bits of the source of the three steps",
        "isa.md 1.3, 3.3; from disassemblers",
        function=semantics.population_count,
        flags=_flags_by("pop_count"),
    ),
    _alu_class(
        "ffs",
        "ffs[{dst}, {source}]",
        14,
        _ONE_SOURCE,
        "index of the lowest set bit",
        "isa.md 1.3, 3.3; from disassemblers",
        function=semantics.find_first_set,
        flags=_flags_by("ffs"),
    ),
    Operation(
        name="cam_clear",
        syntaxes=(Syntax("cam_clear"),),
        summary="all tags and states 0, entry 0 least recently used",
        source=_CAM_SOURCE,
        fixed_mask=bits(39, 0),
        fixed_value=0b101 << 37 | 11 << 31 | _NO_DESTINATION,
    ),
    _alu_class(
        "cam_lookup",
        "cam_lookup[{dst}, {key}]",
        23,
        (_alu_ports(Source("key"), LmAddrControl(), constants=2),),
        "look a tag up; state, hit and entry to dst; token lm_addrN[v] also sets LM_ADDR_N",
        _CAM_SOURCE,
        flags=_flags_by("cam_lookup"),
    ),
    *(
        _alu_class(
            f"cam_read_{what}",
            f"cam_read_{what}[{{dst}}, {{entry}}]",
            code,
            _CAM_ENTRY,
            f"{what} of an entry",
            _CAM_SOURCE,
            flags=_flags_by("cam_read"),
        )
        for what, code in (("tag", 15), ("state", 31))
    ),
    _alu_class(
        "cam_write",
        "cam_write[{entry}, {tag}, {cam_state}]",
        19,
        (CamState(), _alu_ports(Source("tag"), Source("entry"), constants=2)),
        "write tag and state of an entry",
        _CAM_SOURCE,
        destination=False,
    ),
    _alu_class(
        "cam_write_state",
        "cam_write_state[{entry}, {cam_state}]",
        27,
        (CamState(), *_CAM_ENTRY),
        "write the state of an entry",
        _CAM_SOURCE,
        destination=False,
    ),
)

# The byte order sits in the control constant, whose port the swap bit selects: the decoder tries both entries.
_CRC = tuple(
    _alu_class(
        f"crc_{order}",
        f"crc_{order}[{{crc_type}}, {{dst}}, {{source}}]",
        18,
        (_alu_ports(CrcControl(little_endian=order == "le"), Source("source", constant_bits=0)),),
        f"CRC step over the {name}-endian bytes of a word, which is copied to dst",
        "isa.md 1.10, 3.3; from disassemblers",
        function=semantics.crc_step,
        flags=_flags_by("crc"),
    )
    for order, name in (("be", "big"), ("le", "little"))
)


def _alu_shf(
    name: str,
    operator: str,
    code: int,
    function: semantics.AluFunction,
    summary: str,
    *,
    left_optional: bool = False,
) -> Operation:
    arguments = f"{{dst}}, {{left}}, {operator}, {{right}}"
    return Operation(
        name=f"alu_shf.{name}",
        syntaxes=(Syntax(f"alu_shf[{arguments}, {{shift?}}]"), Syntax(f"alu[{arguments}, {{shift}}]")),
        summary=summary,
        source="isa.md 1.3, 3.3",
        fixed_mask=bits(39, 37) | bits(35, 33),
        fixed_value=0b100 << 37 | code << 33,
        parts=(_SHF_DESTINATION, _shf_ports(Source("left", optional=left_optional), Source("right")), ShiftField()),
        semantics=function,
        condition_codes="NZ",
    )


_ALU_SHF = (
    _alu_shf("b", "B", 0, semantics.pass_b, "shifted right", left_optional=True),
    _alu_shf("not_b", "~B", 1, semantics.not_b, "complement of shifted right", left_optional=True),
    _alu_shf("and", "AND", 2, semantics.and_, "left AND shifted right"),
    _alu_shf("not_and", "~AND", 3, semantics.not_and, "(NOT left) AND shifted right"),
    _alu_shf("and_not", "AND~", 4, semantics.and_not, "left AND (NOT shifted right)"),
    _alu_shf("or", "OR", 5, semantics.or_, "left OR shifted right"),
)


def _shf_class(
    name: str, template: str, code: int, sc: int, parts: tuple[Part, ...], summary: str, function: Callable[..., Any]
) -> Operation:
    return Operation(
        name=name,
        syntaxes=(Syntax(template),),
        summary=summary,
        source="isa.md 1.3, 3.3; from disassemblers",
        fixed_mask=bits(39, 37) | bits(35, 33) | bits(9, 8),
        fixed_value=0b100 << 37 | code << 33 | sc << 8,
        parts=(_SHF_DESTINATION, *parts),
        semantics=function,
        condition_codes=_flags_by("byte_align" if name.startswith("byte_align") else name),
    )


_SHF_CLASS = (
    _shf_class(
        "asr",
        "asr[{dst}, {source}, {shift}]",
        6,
        1,
        (_shf_ports(Absent(), Source("source")), ShiftField(kinds=(">>",), only_right=True)),
        "arithmetic shift right; the sign is bit 31 of the previous ALU result",
        semantics.arithmetic_shift_right,
    ),
    _shf_class(
        "dbl_shf",
        "dbl_shf[{dst}, {left}, {right}, {shift}]",
        0,
        3,
        (_shf_ports(Source("left"), Source("right")), ShiftField(kinds=(">>",), only_right=True)),
        "low word of the 64-bit (left, right) shifted right",
        semantics.double_shift_right,
    ),
    _shf_class(
        "byte_align_be",
        "byte_align_be[{dst}, {source}]",
        7,
        1,
        (_shf_ports(Absent(), Source("source")),),
        "bytes of the previous and this source, big-endian, at BYTE_INDEX",
        semantics.byte_align_be,
    ),
    _shf_class(
        "byte_align_le",
        "byte_align_le[{dst}, {source}]",
        7,
        2,
        (_shf_ports(Source("source"), Absent()),),
        "bytes of the previous and this source, little-endian, at BYTE_INDEX",
        semantics.byte_align_le,
    ),
)


def _ld_field(name: str, clear: int, summary: str) -> Operation:
    return Operation(
        name=name,
        syntaxes=(Syntax(f"{name}[{{dst}}, {{mask}}, {{source}}, {{shift?}}]"),),
        summary=summary,
        source="isa.md 1.5, 3.3; from disassemblers",
        fixed_mask=bits(39, 35) | bits(20, 20),
        fixed_value=0b11000 << 35 | clear << 20,
        parts=(
            ByteMask(),
            _shf_ports(PortDestination("dst", also_read=not clear), Source("source")),
            ShiftField(),
            Flag("load_cc", 34),
        ),
        semantics=semantics.insert_bytes,
        condition_codes="NZ",
        condition_codes_token="load_cc",
    )


_LD_FIELD = (
    _ld_field("ld_field", 0, "bytes of the shifted source into dst where the mask is 1"),
    _ld_field("ld_field_w_clr", 1, "the same; the other bytes become 0"),
)


def _immed(
    name: str,
    fixed: tuple[int, int],
    parts: tuple[Part, ...],
    width: int,
    summary: str,
    function: Callable[..., Any],
    syntaxes: tuple[Syntax, ...] = (),
) -> Operation:
    """immed class; fixed = (mask, value) of position and type bits; only immed itself overwrites all of dst."""
    overwrites = bool(syntaxes)
    constant = Constant(
        "value",
        width,
        rest=(27, 20) if width == 16 else None,
        labels="also" if overwrites else "no",
        checked=not overwrites,
    )
    ports = Ports(UNRESTRICTED, PortDestination("dst", also_read=not overwrites), constant, placement="constant")
    return Operation(
        name=name,
        syntaxes=syntaxes or (Syntax(f"{name}[{{dst}}, {{value}}]"),),
        summary=summary,
        source="isa.md 1.4, 3.3",
        fixed_mask=bits(39, 35) | fixed[0],
        fixed_value=0b11110 << 35 | fixed[1],
        parts=(ports, *parts),
        semantics=function,
        condition_codes=_flags_by("immed"),
    )


_IMMED = (
    _immed(
        "immed",
        (bits(30, 29), 0),
        (ImmediateShift(),),
        16,
        "constant of 16 bits at bit 0, 8 or 16, or the complement of such",
        semantics.immediate,
        (
            Syntax("immed[{dst}, {value}, {shift?}]"),
            Syntax("nop", preset=(("dst", NULL), ("value", Immediate(0)))),
            Syntax("load_addr[{dst}, {value}]"),
        ),
    ),
    *(
        _immed(
            f"immed_w{word}",
            (bits(34, 33) | bits(30, 29), 2 * word << 33 | 2 << 29),
            (ImmediateInvert(),),
            16,
            f"replace the {'high' if word else 'low'} 16 bits of dst",
            semantics.insert_word,
        )
        for word in range(2)
    ),
    *(
        _immed(
            f"immed_b{byte}",
            (bits(34, 33) | bits(30, 29), byte << 33 | 1 << 29),
            (ImmediateInvert(),),
            8,
            f"replace byte {byte} of dst (0 = bits 7:0)",
            semantics.insert_byte,
        )
        for byte in range(4)
    ),
)

_LOCAL_CSR = (
    Operation(
        name="local_csr_rd",
        syntaxes=(Syntax("local_csr_rd[{csr}]"),),
        summary="read a local CSR; the immed directly behind it receives the value",
        source="isa.md 1.8, 3.3",
        fixed_mask=bits(39, 33) | bits(21, 21) | bits(19, 0),
        fixed_value=0b1111110 << 33 | 0x300 << 10,
        parts=(LocalCsrAddress(),),
    ),
    Operation(
        name="local_csr_wr",
        syntaxes=(Syntax("local_csr_wr[{csr}, {source}]"),),
        summary="write a local CSR",
        source="isa.md 1.8, 3.3",
        fixed_mask=bits(39, 33) | bits(21, 21),
        fixed_value=0b1111110 << 33 | 1 << 21,
        parts=(LocalCsrAddress(), LocalCsrSource()),
    ),
)

_MULTIPLY_SOURCE = "isa.md 1.11, 3.3; from disassemblers"


def _multiply_step(name: str, kind: int, step: int, tokens: tuple[str, ...], summary: str) -> Operation:
    return Operation(
        name=f"mul_step.{name}",
        syntaxes=(Syntax("mul_step[{left}, {right}]", selectors=tokens),),
        summary=summary,
        source=_MULTIPLY_SOURCE,
        fixed_mask=bits(39, 31) | bits(23, 20),
        fixed_value=0b1111100 << 33 | kind << 31 | step << 20,
        parts=(_alu_ports(Source("left"), Source("right")),),
        semantics=semantics.multiply_step if kind else None,
    )


def _multiply_last(name: str, kind: int, step: int, tokens: tuple[str, ...], summary: str) -> Operation:
    high = step == 5
    return Operation(
        name=f"mul_step.{name}",
        syntaxes=(Syntax("mul_step[{dst}, --]", selectors=tokens),),
        summary=summary,
        source=_MULTIPLY_SOURCE,
        fixed_mask=bits(39, 30) | bits(22, 10),
        fixed_value=0b1111100 << 33 | kind << 31 | step << 20 | 0x300 << 10,
        parts=(Destination(UNRESTRICTED, low=0, bank_bit=23),),
        semantics=semantics.multiply_high if high else semantics.multiply_low,
    )


_MULTIPLY = (
    _multiply_step("start", 0, 0, ("24x8_start", "16x16_start", "32x16_start", "32x32_start"), "load the two factors"),
    _multiply_step("24x8_step1", 1, 0, ("24x8_step1",), "8 bits of the right factor"),
    _multiply_last("24x8_last", 1, 4, ("24x8_last",), "product of left and right[7:0]"),
    # 32x16 has no type of its own: it takes two steps of 8 bits like 16x16, with last2 for the high word.
    *(
        _multiply_step(f"16x16_step{n}", 2, n - 1, (f"16x16_step{n}", f"32x16_step{n}"), "8 bits of the right factor")
        for n in (1, 2)
    ),
    _multiply_last("16x16_last", 2, 4, ("16x16_last", "32x16_last"), "low word of left times right[15:0]"),
    _multiply_last("16x16_last2", 2, 5, ("32x16_last2", "16x16_last2"), "high word of left times right[15:0]"),
    *(
        _multiply_step(f"32x32_step{n}", 3, n - 1, (f"32x32_step{n}",), "8 bits of the right factor")
        for n in (1, 2, 3, 4)
    ),
    _multiply_last("32x32_last", 3, 4, ("32x32_last",), "low word of the product"),
    _multiply_last("32x32_last2", 3, 5, ("32x32_last2",), "high word of the product"),
)

ALU_OPERATIONS = (
    *_ALU,
    *_ALU_CLASS,
    *_CRC,
    *_ALU_SHF,
    *_SHF_CLASS,
    *_LD_FIELD,
    *_IMMED,
    *_LOCAL_CSR,
    *_MULTIPLY,
)
"""All entries that compute."""
