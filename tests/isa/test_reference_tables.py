"""The registry against the code tables of isa.md 1.2, 1.6 and 3.3, typed once more from the document."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ixp_emu.isa import OPERATIONS, Instruction, encode, operation

BindLine = Callable[[str], Instruction]

_LEFT, _RIGHT, _CARRY = 0x80012345, 0x7FF280F1, 1
_ALU = {  # operator: (code, result of LEFT and RIGHT with carry in 1, flags)
    "B": (0, _RIGHT, "NZ"),
    "+": (1, _LEFT + _RIGHT, "NZCV"),
    "~B": (4, ~_RIGHT, "NZ"),
    "+16": (5, _LEFT + 0x80F1, "NZCV"),
    "AND": (8, _LEFT & _RIGHT, "NZ"),
    "+8": (9, _LEFT + 0xF1, "NZCV"),
    "~AND": (12, ~_LEFT & _RIGHT, "NZ"),
    "-carry": (13, _LEFT - _RIGHT, "NZCV"),
    "AND~": (16, _LEFT & ~_RIGHT, "NZ"),
    "+carry": (17, _LEFT + _RIGHT + 1, "NZCV"),
    "OR": (20, _LEFT | _RIGHT, "NZ"),
    "-": (21, _LEFT - _RIGHT, "NZCV"),
    "XOR": (24, _LEFT ^ _RIGHT, "NZ"),
    "B-A": (25, _RIGHT - _LEFT, "NZCV"),
}


@pytest.mark.parametrize("operator", _ALU)
def test_alu_operators(operator: str, bind_line: BindLine) -> None:
    code, result, flags = _ALU[operator]
    instruction = bind_line(f"alu[a1, {'--' if operator in ('B', '~B') else 'a2'}, {operator}, b3]")
    assert encode(instruction) >> 31 & 31 == code
    function = instruction.operation.semantics
    assert function is not None
    assert function(_LEFT, _RIGHT, _CARRY)[0] == result % 2**32
    assert instruction.operation.condition_codes == flags
    assert instruction.operation.sets_condition_codes(instruction)


def test_there_is_no_other_alu_operator() -> None:
    assert sum(entry.name.startswith("alu.") for entry in OPERATIONS) == len(_ALU)


@pytest.mark.parametrize(("code", "operator"), list(enumerate(("B", "~B", "AND", "~AND", "AND~", "OR"))))
def test_shift_operators_compute_what_the_alu_operators_do(code: int, operator: str, bind_line: BindLine) -> None:
    instruction = bind_line(f"alu_shf[a1, {'--' if operator in ('B', '~B') else 'a2'}, {operator}, b3, <<1]")
    assert encode(instruction) >> 33 & 7 == code
    assert instruction.operation.semantics is bind_line(f"alu[a1, a2, {operator}, b3]").operation.semantics


_ALU_CLASS = {
    "pop_count3[a1, b2]": 3,
    "pop_count1[b2]": 6,
    "pop_count2[b2]": 7,
    "cam_clear": 11,
    "ffs[a1, b2]": 14,
    "cam_read_tag[a1, b2]": 15,
    "crc_be[crc_32, a1, b2]": 18,
    "crc_le[crc_32, a1, b2]": 18,
    "cam_write[b2, a1, 3]": 19,
    "cam_lookup[a1, a2]": 23,
    "cam_write_state[b2, 3]": 27,
    "cam_read_state[a1, b2]": 31,
}


@pytest.mark.parametrize("line", _ALU_CLASS)
def test_alu_class(line: str, bind_line: BindLine) -> None:
    word = encode(bind_line(line))
    assert (word >> 37, word >> 31 & 31) == (0b101, _ALU_CLASS[line])


_CRC_TYPES = {"none": 0, "crc_ccitt": 2, "crc_32": 4, "crc_iscsi": 5, "crc_10": 6, "crc_5": 7}
_CRC_BYTES = ("bytes_0_3", "bytes_1_3", "bytes_2_3", "byte_3", "bytes_0_2", "bytes_0_1", "byte_0")


def test_crc_control_codes(bind_line: BindLine) -> None:
    for name, type_code in _CRC_TYPES.items():
        for form, token in enumerate(_CRC_BYTES):
            word = encode(bind_line(f"crc_be[{name}, a1, b2], {token}"))
            assert word & 0xFF == type_code << 5 | form


@pytest.mark.parametrize(
    ("line", "condition", "shadow"),
    [
        *((f"{name}[l1#]", code, 3) for code, name in enumerate(
            ("beq", "bne", "bmi", "bpl", "bcs", "bcc", "bvs", "bvc", "bge", "blt", "ble", "bgt"))),
        ("bhs[l1#]", 4, 3),
        ("blo[l1#]", 5, 3),
        ("br=ctx[1, l1#]", 16, 2),
        ("br!=ctx[1, l1#]", 17, 2),
        ("br_signal[1, l1#]", 18, 3),
        ("br_!signal[1, l1#]", 19, 3),
        ("br_inp_state[nn_full, l1#]", 20, 2),
        ("br_!inp_state[nn_full, l1#]", 21, 2),
        ("br[l1#]", 24, 2),
    ],
)  # fmt: skip
def test_branch_conditions(line: str, condition: int, shadow: int, bind_line: BindLine) -> None:
    instruction = bind_line(line)
    assert encode(instruction) & 31 == condition
    assert instruction.operation.shadow == instruction.operation.max_defer == shadow


@pytest.mark.parametrize("name", ["br.bit_set", "br.bit_clr", "br.byte", "br.not_byte", "jump"])
def test_operand_branches_have_three_shadow_slots(name: str) -> None:
    assert operation(name).shadow == operation(name).max_defer == 3


# (target, sub-command): (bits 39..32, bits 19:18, doubled signal)
_COMMANDS = {
    ("sram", "read"): (0x00, 0, False),
    ("sram", "write"): (0x01, 0, False),
    ("sram", "swap"): (0x02, 0, True),
    ("sram", "set"): (0x03, 0, False),
    ("sram", "test_and_set"): (0x03, 1, True),
    ("sram", "clr"): (0x04, 0, False),
    ("sram", "test_and_clr"): (0x04, 1, True),
    ("sram", "add"): (0x05, 0, False),
    ("sram", "test_and_add"): (0x05, 1, True),
    ("sram", "incr"): (0x07, 0, False),
    ("sram", "test_and_incr"): (0x07, 1, False),
    ("sram", "decr"): (0x08, 0, False),
    ("sram", "test_and_decr"): (0x08, 1, False),
    ("sram", "put"): (0x09, 0, False),
    ("sram", "get"): (0x09, 1, False),
    ("sram", "journal"): (0x0A, 0, False),
    ("sram", "fast_journal"): (0x0A, 1, False),
    ("sram", "dequeue"): (0x0B, 0, False),
    ("sram", "enqueue"): (0x0C, 0, False),
    ("sram", "enqueue_tail"): (0x0C, 1, False),
    ("sram", "csr_wr"): (0x0D, 0, False),
    ("sram", "csr_rd"): (0x0D, 1, False),
    ("sram", "wr_qdesc"): (0x0E, 0, False),
    ("sram", "wr_qdesc_count"): (0x0E, 2, False),
    ("sram", "rd_qdesc_other"): (0x0F, 0, False),
    ("sram", "rd_qdesc_tail"): (0x0F, 1, False),
    ("sram", "rd_qdesc_head"): (0x0F, 2, False),
    ("scratch", "read"): (0x10, 0, False),
    ("scratch", "write"): (0x11, 0, False),
    ("scratch", "swap"): (0x12, 0, True),
    ("scratch", "set"): (0x13, 0, False),
    ("scratch", "test_and_set"): (0x13, 1, True),
    ("scratch", "clr"): (0x14, 0, False),
    ("scratch", "test_and_clr"): (0x14, 1, True),
    ("scratch", "add"): (0x15, 0, False),
    ("scratch", "test_and_add"): (0x15, 1, True),
    ("scratch", "sub"): (0x16, 0, False),
    ("scratch", "test_and_sub"): (0x16, 1, True),
    ("scratch", "incr"): (0x17, 0, False),
    ("scratch", "test_and_incr"): (0x17, 1, False),
    ("scratch", "decr"): (0x18, 0, False),
    ("scratch", "test_and_decr"): (0x18, 1, False),
    ("scratch", "get"): (0x19, 0, False),
    ("scratch", "put"): (0x1A, 0, False),
    ("dram", "read"): (0x28, 0, True),
    ("dram", "write"): (0x29, 0, True),
    ("dram", "rbuf_rd"): (0x2A, 0, True),
    ("dram", "tbuf_wr"): (0x2B, 0, True),
    ("pci", "read"): (0x34, 0, False),
    ("pci", "write"): (0x35, 0, False),
    ("msf", "read"): (0x3C, 0, False),
    ("msf", "read64"): (0x3C, 2, False),
    ("msf", "write"): (0x3D, 0, False),
    ("msf", "fast_wr"): (0x3D, 1, False),
    ("msf", "write64"): (0x3D, 2, False),
}


@pytest.mark.parametrize("command", _COMMANDS, ids=".".join)
def test_command_codes(command: tuple[str, str], bind_line: BindLine) -> None:
    target, sub_command = command
    top, token, doubled = _COMMANDS[command]
    entry = operation(f"{target}.{sub_command}")
    xfer = "$0" if entry.transfer else "--"
    count = ", 1" if "count" in entry.roles else ""
    word = encode(bind_line(f"{target}[{sub_command}, {xfer}, a1, b1{count}]"))
    assert (word >> 32, word >> 18 & 3) == (top, token)
    assert entry.doubled_signal is doubled
    assert encode(bind_line(f"{target}[{sub_command}, {xfer}, a1, b1{count}], indirect_ref")) == word | 1 << 38


def test_every_command_of_these_targets_is_in_the_table() -> None:
    named = {tuple(entry.name.split(".")) for entry in OPERATIONS if entry.name.partition(".")[0] in
             {target for target, _ in _COMMANDS}}  # fmt: skip
    assert named == set(_COMMANDS)


def test_condition_codes_are_left_alone_by_immed_and_by_ld_field_without_its_token(bind_line: BindLine) -> None:
    for line in ("immed[a1, 1]", "immed_w1[a1, 1]", "ld_field[a1, 0001, b1]", "br[l1#]", "local_csr_rd[t_index]"):
        instruction = bind_line(line)
        assert not instruction.operation.sets_condition_codes(instruction), line
    with_token = bind_line("ld_field[a1, 0001, b1], load_cc")
    assert with_token.operation.sets_condition_codes(with_token)
