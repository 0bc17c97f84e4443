"""Words: every operation, every operand code, random words; words with their documented meaning."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from ixp_emu.isa import (
    OPERATIONS,
    Bank,
    Immediate,
    Instruction,
    InvalidWord,
    IsaError,
    Operation,
    Register,
    RegisterKind,
    Shift,
    canonical,
    decode,
    encode,
    format_instruction,
    operation,
)
from tests.isa.random_words import words_of

BindLine = Callable[[str], Instruction]


def _assert_round_trips(word: int, bind_line: BindLine) -> None:
    instruction = decode(word)
    assert encode(instruction) == word
    text = format_instruction(instruction)
    again = canonical(instruction)
    if again is None:  # the binder's own rule: ++ and -- stand on the destination only
        with pytest.raises(IsaError):
            bind_line(text)
        assert any(isinstance(item, Register) and item.step for item in instruction.operands.values()), text
        return
    assert again == bind_line(text), text
    # What no text says: which port an operand goes through, and in which of its forms a constant is written.
    if not instruction.invert:
        assert replace(again, swap=instruction.swap) == instruction, text
    through_ports = (*instruction.sources(), *(use for use in instruction.destinations() if use.port is not None))
    if any(use.register.bank is not None for use in through_ports) or not instruction.swap:
        assert encode(again) == word or instruction.invert, text


@pytest.mark.parametrize("entry", OPERATIONS, ids=lambda entry: entry.name)
def test_words_of_every_operation_round_trip(entry: Operation, bind_line: BindLine) -> None:
    if not entry.used_mask & ~entry.fixed_mask:
        assert decode(entry.fixed_value).operation is entry
        _assert_round_trips(entry.fixed_value, bind_line)
        return
    wanted = min(20, 1 << (entry.used_mask & ~entry.fixed_mask).bit_count())
    for word in words_of(entry, random.Random(entry.name), wanted):
        _assert_round_trips(word, bind_line)


def test_random_words_decode_or_are_refused_and_valid_ones_round_trip(bind_line: BindLine) -> None:
    random_source = random.Random(2400)
    valid = 0
    for count in range(200_000):
        word = random_source.getrandbits(40)
        try:
            instruction = decode(word)
        except InvalidWord as error:
            assert error.word == word and error.reason
            continue
        valid += 1
        assert encode(instruction) == word
        if count % 8 == 0:
            _assert_round_trips(word, bind_line)
    assert valid > 5_000


def test_decoding_takes_less_than_40_microseconds_per_word() -> None:
    random_source = random.Random(1)
    words = [
        word
        for entry in OPERATIONS
        if entry.used_mask & ~entry.fixed_mask
        for word in words_of(entry, random_source, 2)
    ]
    best = 1.0
    for _ in range(3):
        start = time.perf_counter()
        for word in words:
            decode(word)
        best = min(best, time.perf_counter() - start)
    assert best / len(words) < 40e-6


@pytest.mark.parametrize(
    ("word", "text"),
    [  # words that stand in the hardware documents: isa.md 1.4, 1.7, 1.12 and 3.3
        (0xF0000C0300, "nop"),
        (0xE000020000, "halt"),
        (0xE000010000, "ctx_arb[kill]"),
        (0xE000000030, "ctx_arb[4, 5]"),
        (0x3300012F20, "cap[fast_wr, 0, xscale_int_a]"),
    ],
)
def test_documented_words(word: int, text: str, bind_line: BindLine) -> None:
    assert format_instruction(decode(word)) == text
    assert encode(bind_line(text)) == word


@pytest.mark.parametrize(
    ("line", "word"),
    [  # words built by hand from the field tables of isa.md 3.2 and 3.3
        ("alu[*l$index1[3], b7, AND, 64]", 0xA000000000 | 8 << 31 | 1 << 30 | 0x223 << 20 | 7 << 10 | 0x340),
        ("alu[@b17, --, B, $3]", 0xA000000000 | 1 << 36 | 0x091 << 20 | 0x183 << 10),
        ("alu[b9, $2, -, @b5]", 0xA000000000 | 1 << 36 | 21 << 31 | 9 << 20 | 0x085 << 10 | 0x182),
        (
            "alu_shf[b2, 97, OR, a3, <<5]",
            0x8000000000 | 1 << 36 | 5 << 33 | 27 << 28 | 2 << 20 | 1 << 19 | 3 | (0x20 | 1 | 0xC0) << 10 | 2 << 8,
        ),
        (
            "alu_shf[a4, 200, AND, $6, >>3]",
            0x8000000000 | 2 << 33 | 3 << 28 | 4 << 20 | 1 << 18 | 0x86 << 10 | 1 << 8 | 0xA8,
        ),
        ("immed_w1[a9, 4660]", 0xF000000000 | 2 << 33 | 2 << 29 | 0x12 << 20 | 0x334 << 10 | 9),
        ("local_csr_rd[timestamp_low]", 0xFC00000000 | (0x0C0 // 4) << 22 | 0x300 << 10),
        ("local_csr_wr[t_index, b9]", 0xFC00000000 | (0x074 // 4) << 22 | 1 << 21 | 9 << 10 | 0x300),
        ("local_csr_wr[same_me_signal, 152]", 0xFC00000000 | (0x108 // 4) << 22 | 1 << 21 | 0x398 << 10 | 0x398),
        ("ctx_arb[voluntary]", 0xE000000000 | 1),
        ("br[l300#]", 0xD800000000 | 300 << 22 | 24),
        ("bcc[l5#]", 0xD800000000 | 5 << 22 | 1 << 8 | 5),
        ("br!=ctx[6, l9#]", 0xD800000000 | 9 << 22 | 6 << 14 | 17),
        ("br_inp_state[scr_ring7_status, l9#]", 0xD800000000 | 9 << 22 | 9 << 14 | 2 << 8 | 20),
        ("sram[read, $3, a4, 0, 6], ctx_swap[7]", 7 << 28 | 5 << 25 | 3 << 20 | 0x20 << 10 | 4),
        (
            "sram[write, $5, a4, 12, 1], ctx_swap[7], defer[2]",
            0x0100000000 | 7 << 28 | 5 << 20 | 0x2C << 10 | 2 << 8 | 4,
        ),
        ("scratch[get, $2, 0, b6, 3], ctx_swap[9]", 0x1900000000 | 9 << 28 | 2 << 25 | 2 << 20 | 6 << 10 | 0x20),
        ("scratch[put, $2, 24, b6, 2], ctx_swap[9]", 0x1A00000000 | 9 << 28 | 1 << 25 | 2 << 20 | 6 << 10 | 0x38),
        (
            "dram[rbuf_rd, --, a5, b6, 4], sig_done[10], indirect_ref",
            0x2A00000000 | 1 << 38 | 10 << 28 | 3 << 25 | 6 << 10 | 3 << 8 | 5,
        ),
        (
            "dram[tbuf_wr, --, a5, 0, 2], sig_done[10], indirect_ref",
            0x2B00000000 | 1 << 38 | 10 << 28 | 1 << 25 | 0x20 << 10 | 3 << 8 | 5,
        ),
        ("msf[read, $4, 64, b2, 2], ctx_swap[3]", 0x3C00000000 | 3 << 28 | 1 << 25 | 4 << 20 | 2 << 10 | 0xA0),
        ("msf[write, $4, 0, b2, 2], ctx_swap[3]", 0x3D00000000 | 3 << 28 | 1 << 25 | 4 << 20 | 2 << 10 | 0x20),
        ("msf[fast_wr, --, 0, b2]", 0x3D00000000 | 1 << 18 | 2 << 10 | 3 << 8 | 0x20),
        ("alu[*n$index++, --, B, b1]", 0xA000000000 | 0x243 << 20 | 1 << 10),
        ("alu[*l$index1++, a1, +, $$3]", 0xA000000000 | 1 << 31 | 0x230 << 20 | 0x1C3 << 10 | 1),
        ("alu[a1, b1, +carry, n$2]", 0xA000000000 | 17 << 31 | 1 << 30 | 1 << 20 | 1 << 10 | 0x282),
        ("alu[--, --, ~B, a3]", 0xA000000000 | 4 << 31 | 1 << 30 | 0x300 << 20 | 0x300 << 10 | 3),
        ("asr[a1, b2, >>31]", 0x8000000000 | 6 << 33 | 31 << 28 | 1 << 20 | 2 << 10 | 1 << 8),
        ("dbl_shf[b1, a2, b3, >>1]", 0x9000000000 | 1 << 28 | 1 << 20 | 3 << 10 | 3 << 8 | 2),
        ("dbl_shf[b1, a2, b3, >>indirect]", 0x9000000000 | 1 << 20 | 3 << 10 | 3 << 8 | 2),
        ("alu_shf[a1, --, B, b2, <<indirect]", 0x8000000000 | 1 << 20 | 2 << 10 | 2 << 8),
        ("alu_shf[a1, --, B, b2, >>rot8]", 0x8000000000 | 8 << 28 | 1 << 20 | 2 << 10),
        ("alu_shf[a1, --, B, b2, <<rot8]", 0x8000000000 | 24 << 28 | 1 << 20 | 2 << 10),
        ("alu_shf[a1, --, B, b2, <<31]", 0x8000000000 | 1 << 28 | 1 << 20 | 2 << 10 | 2 << 8),
        ("byte_align_be[a1, $2]", 0x8000000000 | 7 << 33 | 1 << 20 | 0x82 << 10 | 1 << 8),
        ("byte_align_le[a1, $2]", 0x8000000000 | 7 << 33 | 1 << 20 | 2 << 8 | 0x82),
        ("ffs[a1, b2]", 0xA000000000 | 14 << 31 | 1 << 20 | 2 << 10),
        ("ld_field[a1, 0011, b2]", 0xC000000000 | 0b0011 << 24 | 2 << 10 | 1),
        (
            "ld_field_w_clr[b1, 1000, 255, <<24], load_cc",
            0xC000000000 | 1 << 34 | 8 << 28 | 8 << 24 | 1 << 20 | 1 << 19 | 1 << 18 | 1 << 10 | 2 << 8 | 0xFF,
        ),
        ("immed[b4, 18, <<8]", 0xF000000000 | 1 << 33 | 4 << 10 | 0x300 | 18),
        ("immed[a4, -1]", 0xF000000000 | 1 << 31 | 0x300 << 10 | 4),
        ("immed_w0[a4, 65535]", 0xF000000000 | 2 << 29 | 0xFF << 20 | 0x3FF << 10 | 4),
        ("immed_b3[a4, 255]", 0xF000000000 | 3 << 33 | 1 << 29 | 0x3FF << 10 | 4),
        ("bne[l8191#], defer[3]", 0xD800000000 | 8191 << 22 | 3 << 20 | 1 << 8 | 1),
        ("beq[l1#], stage[0]", 0xD800000000 | 1 << 22),
        ("br_signal[15, l1#]", 0xD800000000 | 1 << 22 | 15 << 14 | 2 << 8 | 18),
        ("br_bset[a1, 31, l1#]", 0xD000000000 | 1 << 22 | 1 << 18 | 0x20 << 10 | 1),
        ("br_bclr[b1, 0, l1#]", 0xD000000000 | 1 << 22 | 1 << 10 | 0x21),
        (
            "br=byte[a1, 3, 255, l1#], defer[3]",
            0xC800000000 | 1 << 22 | 3 << 20 | 1 << 19 | 1 << 18 | 0xFF << 10 | 3 << 8 | 1,
        ),
        ("br!=byte[b1, 0, 128, l1#]", 0xC800000000 | 1 << 22 | 1 << 18 | 1 << 10 | 0x20),
        ("jump[a1, l4660#]", 0xE800000000 | (4660 >> 8) << 22 | (0x300 | 4660 & 255) << 10 | 1),
        ("rtn[b1], defer[3]", 0xE800000000 | 3 << 20 | 1 << 10 | 0x300),
        ("ctx_arb[--], defer[2]", 0xE000000000 | 2 << 20 | 1 << 19),
        ("ctx_arb[1, 15], any, br[l9#]", 0xE000000000 | 9 << 22 | 1 << 18 | 1 << 16 | 1 << 15 | 2),
        ("cam_lookup[a1, b2], lm_addr1[3]", 0xA000000000 | 23 << 31 | 1 << 30 | 1 << 20 | 2 << 10 | 0x30E),
        ("cam_write[a1, b2, 15]", 0xA000000000 | 19 << 31 | 1 << 30 | 0x30F << 20 | 2 << 10 | 1),
        (
            "crc_le[crc_iscsi, --, a1], bytes_0_1, bit_swap",
            0xA000000000 | 18 << 31 | 1 << 30 | 0x300 << 20 | (0x300 | 5 << 5 | 1 << 4 | 1 << 3 | 5) << 10 | 1,
        ),
        ("mul_step[a1, b2], 32x32_step4", 0xF800000000 | 3 << 31 | 3 << 20 | 2 << 10 | 1),
        ("mul_step[b1, --], 32x32_last2", 0xF800000000 | 3 << 31 | 1 << 23 | 5 << 20 | 0x300 << 10 | 1),
        (
            "sram[test_and_add, $1, a2, 127], sig_done[2]",
            0x0500000000 | 2 << 28 | 1 << 20 | 1 << 18 | 0xFF << 10 | 3 << 8 | 2,
        ),
        (
            "sram[rd_qdesc_head, $1, a2, b3, 2], sig_done[1]",
            0x0F00000000 | 1 << 28 | 1 << 25 | 1 << 20 | 2 << 18 | 3 << 10 | 3 << 8 | 2,
        ),
        ("dram[read, $$2, a1, b1, 8], sig_done[2]", 0x2800000000 | 2 << 28 | 7 << 25 | 2 << 20 | 1 << 10 | 3 << 8 | 1),
        ("dram[read, $2, a1, b1, 1], sig_done[2]", 0x2800000000 | 2 << 28 | 18 << 20 | 1 << 10 | 3 << 8 | 1),
        ("hash_128[$4, 3], ctx_swap[1], defer[2]", 0x3600000000 | 1 << 28 | 3 << 25 | 4 << 20 | 2 << 18 | 2 << 8),
        ("scratch[sub, $3, a1, 0]", 0x1600000000 | 3 << 20 | 0x20 << 10 | 3 << 8 | 1),
        ("pci[write, $3, a1, 0, 1], sig_done[1]", 0x3500000000 | 1 << 28 | 3 << 20 | 0x20 << 10 | 3 << 8 | 1),
    ],
)
def test_words_built_from_the_field_tables(line: str, word: int, bind_line: BindLine) -> None:
    assert f"{encode(bind_line(line)):010x}" == f"{word:010x}"


def test_every_operand_code_of_the_unrestricted_form() -> None:
    kinds = set()
    for code in range(1024):
        word = 0xA000000000 | 20 << 31 | 0x300 << 20 | 7 << 10 | code  # alu[--, code, OR, b7]
        try:
            instruction = decode(word)
        except InvalidWord:
            continue
        left = instruction.operands["left"]
        kinds.add(left.kind if isinstance(left, Register) else Immediate)
        assert encode(instruction) == word
    assert kinds == {*RegisterKind, Immediate} - {RegisterKind.NULL}


def test_restricted_form_has_no_absolute_and_no_neighbor_register() -> None:
    kinds = set()
    for code in range(256):
        word = 0x8000000000 | 5 << 33 | 0x20 << 20 | 7 << 10 | code  # alu_shf[--, code, OR, b7]
        try:
            instruction = decode(word)
        except InvalidWord:
            continue
        left = instruction.operands["left"]
        kinds.add(left.kind if isinstance(left, Register) else Immediate)
        assert encode(instruction) == word
    assert kinds == {*RegisterKind, Immediate} - {RegisterKind.NULL, RegisterKind.ABSOLUTE, RegisterKind.NEIGHBOR}


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        (0xE000020001, "no operation is identified by these bits"),  # bpt with voluntary
        (0xA100000000, "no operation is identified by these bits"),  # alu operation 2
        (0xF800000000 | 1 << 33, "no operation is identified by these bits"),
        (0xD80000000C, "no operation is identified by these bits"),  # condition 12
        (0xD800000018 | 3 << 20, "br.always: defer 3 does not fit: 0 to 2"),
        (0xFC00000000 | 0x300 << 10 | (0x170 // 4) << 22, "local_csr_rd: no local CSR at 0x170"),
        (0x3600000300, "hash_48: count 0 does not fit: 1 to 3"),
        (0x2000000300, "no operation is identified by these bits"),
        (
            0xA000000000 | 1 << 31 | 0x300 << 20 | 0x302 << 10 | 0x301,
            "alu.add: constants 1 and 2: only one operand may be a constant",
        ),
        (0x1000000300 | 1 << 18, "no operation is identified by these bits"),
        (0x1200000300 | 1 << 25, "scratch.swap: unused bit 25 is set"),
        (0xF000000000 | 0x300 << 10 | 1 << 32, "immed: unused bit 32 is set"),
        (0xA000000010, "alu.b: port A holds 0x10: not a register of a context"),
    ],
)
def test_invalid_words_name_the_field(word: int, reason: str) -> None:
    with pytest.raises(InvalidWord) as caught:
        decode(word)
    assert caught.value.reason.startswith(reason)


def test_a_word_of_41_bits_is_refused() -> None:
    with pytest.raises(InvalidWord, match="40 bits"):
        decode(1 << 40)


def test_registers_16_to_31_exist_only_with_4_contexts() -> None:
    word = 0xA000000000 | 1 << 31 | 31 << 20 | 7 << 10 | 16  # alu[a31, a16, +, b7]
    with pytest.raises(InvalidWord):
        decode(word)
    instruction = decode(word, contexts=4)
    assert encode(instruction, contexts=4) == word
    with pytest.raises(
        IsaError, match=r"^alu.add: register number 31: 0 to 15 for a context-relative general register$"
    ):
        encode(instruction)


def test_transfer_bit_24_selects_the_other_kind_only_with_8_contexts() -> None:
    word = 0x0000000300 | 17 << 20
    assert decode(word).operands["xfer"] == Register(RegisterKind.DRAM, 1)
    assert decode(word, contexts=4).operands["xfer"] == Register(RegisterKind.SRAM, 17)
    assert encode(decode(word, contexts=4), contexts=4) == word
    with pytest.raises(IsaError, match="with 4 contexts only the target's own kind is possible"):
        encode(decode(word), contexts=4)


def test_symbolic_parts_do_not_encode() -> None:
    symbolic = Register(RegisterKind.GPR, name="count")
    add = Instruction(operation("alu.add"), {"dst": symbolic, "left": symbolic, "right": Immediate(1)})
    with pytest.raises(IsaError, match=r"^alu.add: register count has no number yet$"):
        encode(add)
    with pytest.raises(IsaError, match=r"^alu.add: operand right is missing$"):
        encode(
            Instruction(
                operation("alu.add"),
                {"dst": Register(RegisterKind.GPR, 1, Bank.A), "left": Register(RegisterKind.GPR, 1, Bank.A)},
            )
        )


def test_indirect_shift_amount_is_coded_as_zero() -> None:
    assert Shift("<<", 0).indirect and not Shift("<<", 1).indirect
