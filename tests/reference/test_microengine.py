"""The reference ME: costs at their edges and instruction semantics, with values derived by hand from the contract."""

from __future__ import annotations

import pytest

from ixp_emu.chip.hardware import resolve_hardware

from . import ReferenceChip
from .decode import decode
from .encode import (
    HALT,
    KILL,
    NOP,
    NULL,
    VOLUNTARY,
    alu,
    alu_shf,
    br,
    br_bset,
    cam,
    crc,
    csr_read,
    csr_write,
    ctx_arb,
    immed,
    immediate,
    jump,
    ld_field,
    lm,
    mul,
    restricted_immediate,
    scratch,
    transfer,
)

LM_ADDR_0 = 0x064
CRC_REMAINDER = 0x140
BYTE_INDEX = 0x070
T_INDEX = 0x074
SAME_ME_SIGNAL = 0x108
NEXT_NEIGHBOR_SIGNAL = 0x100


def make(words: list[int], *, contexts: int = 1, four: bool = False, **overrides: int) -> ReferenceChip:
    values = {name.replace("__", "."): value for name, value in overrides.items()}
    chip = ReferenceChip(resolve_hardware(overrides=values), four_contexts=frozenset({0}) if four else frozenset())
    chip.load(0, words, contexts=contexts)
    return chip


def run(words: list[int], *, four: bool = False) -> ReferenceChip:
    """Run a straight program to its ``halt``."""
    chip = make([*words, HALT], four=four)
    chip.run(10_000)
    assert chip.fault is not None and chip.fault.kind == "halt"
    return chip


def constant(destination: int, value: int) -> list[int]:
    return [immed(destination, value & 0xFFFF), immed(destination, value >> 16, position=2, kind=2)]


def in_b(number: int, value: int) -> list[int]:
    """A constant in bank B, by way of the same register of bank A."""
    return [*constant(number, value), alu("B", number, number, NULL, bank=1, swap=1)]


def a(number: int) -> int:
    return number


# ---------------------------------------------------------------- published words


def test_published_words_decode_to_what_their_source_says() -> None:
    assert decode(0xF0000C0300, four_contexts=False).kind == "immed"
    assert decode(0xE000020000, four_contexts=False).op == "halt"
    kill = decode(0xE000010000, four_contexts=False)
    assert (kill.kind, kill.op, kill.mask) == ("ctx_arb", "", 1 << 16)
    interrupt = decode(0x3300012F20, four_contexts=False)
    assert (interrupt.op, interrupt.csr, interrupt.constants) == ("cap_fast_wr", 0x4B20, {"data": 0})


# ---------------------------------------------------------------- costs


@pytest.mark.parametrize(
    ("branch", "shadow"),
    [
        (br(8), 2),
        (br(8, condition=0, stage=1), 3),
        (br(8, condition=0, stage=0), 2),
        (br(8, condition=16, parameter=0), 2),
        (br(8, condition=19, parameter=3, stage=2), 3),
        (br_bset(8, 0, 31, is_set=0), 3),
        (jump(0, 8), 3),
    ],
)
@pytest.mark.parametrize("defer", [0, 1, 2, 3])
def test_taken_branch_costs_its_shadow(branch: int, shadow: int, defer: int) -> None:
    # Z is set by the instruction at 0, so beq is taken; the branch issues at 1, its target at 1 + 1 + shadow.
    words = [alu("AND", NULL, immediate(0), 0), branch | defer << 20, *[NOP] * 6, HALT]
    chip = make(words)
    chip.run(100)
    assert chip.fault is not None
    if defer > shadow:
        assert (chip.fault.kind, chip.fault.time) == ("invalid word", 1)
        return
    assert (chip.fault.kind, chip.fault.time, chip.fault.pc) == ("halt", 2 + shadow, 8)
    assert chip.me[0].aborted == shadow - defer
    assert chip.me[0].executing == 2 + defer


def test_branch_not_taken_costs_one_cycle() -> None:
    chip = make([alu("AND", NULL, immediate(0), 0), br(9, condition=1, stage=1), HALT])
    chip.run(100)
    assert chip.fault is not None and (chip.fault.time, chip.fault.pc) == (2, 2)
    assert chip.me[0].aborted == 0


@pytest.mark.parametrize("defer", [0, 1, 2])
def test_swap_lets_the_next_context_issue_three_cycles_later(defer: int) -> None:
    chip = make([ctx_arb(0, defer=defer, target=4), NOP, NOP, NOP, KILL], contexts=0b11)
    chip.run(3)
    assert chip.me[0].instructions == [1 + defer] + [0] * 7
    chip.run(4)
    assert chip.me[0].instructions == [1 + defer, 1] + [0] * 6
    assert chip.me[0].aborted == 2 - defer


def test_a_voluntary_swap_alone_returns_to_the_same_context() -> None:
    chip = make([VOLUNTARY, HALT])
    chip.run(100)
    assert chip.fault is not None and chip.fault.time == 3


def test_signal_from_the_defer_slot_is_seen_by_the_choice() -> None:
    # SAME_ME_SIGNAL of signal 2 to context 0 issues in the defer slot at 1; the choice is at 3.
    chip = make([ctx_arb(2, defer=1), csr_write(SAME_ME_SIGNAL, immediate(2 << 3)), HALT])
    chip.run(100)
    assert chip.fault is not None and (chip.fault.kind, chip.fault.time) == ("halt", 3)
    assert chip.me[0].contexts[0].signals == 0, "ALL clears what it waited for"


def test_any_leaves_signals_set_and_br_signal_clears_them() -> None:
    words = [
        csr_write(SAME_ME_SIGNAL, immediate(2 << 3)),
        ctx_arb(2, 3, any_of=1),
        br(4, condition=18, stage=2, parameter=2),
        NOP,
        HALT,
    ]
    chip = make(words)
    chip.run(4)
    assert chip.me[0].contexts[0].signals == 1 << 2
    chip.run(100)
    assert chip.me[0].contexts[0].signals == 0
    assert chip.fault is not None and (chip.fault.kind, chip.fault.time, chip.fault.pc) == ("halt", 8, 4)


def test_kill_never_wakes() -> None:
    chip = make([KILL])
    chip.run(100)
    assert (chip.me[0].executing, chip.me[0].aborted, chip.me[0].idle) == (1, 2, 97)


@pytest.mark.parametrize(("four", "receiver"), [(False, 1), (True, 2)])
def test_next_context_signal_goes_to_the_next_of_the_mode(four: bool, receiver: int) -> None:
    chip = make([csr_write(SAME_ME_SIGNAL, immediate(0x80 | 4 << 3)), KILL], four=four)
    chip.run(1)
    assert [context.signals for context in chip.me[0].contexts] == [16 if n == receiver else 0 for n in range(8)]


@pytest.mark.parametrize("latency", [1, 3])
def test_neighbor_signal_arrives_after_its_latency(latency: int) -> None:
    chip = make([csr_write(NEXT_NEIGHBOR_SIGNAL, immediate(5 << 3 | 1)), KILL], neighbor__signal_latency=latency)
    chip.load(1, [ctx_arb(5), HALT], contexts=0b10)
    chip.run(latency)
    assert chip.me[1].contexts[1].signals == 0
    chip.run(latency + 1)
    if latency == 3:  # chosen in the same cycle, which clears it, and halts
        assert chip.fault is not None and (chip.fault.me, chip.fault.time) == (1, 3)
    else:
        assert chip.me[1].contexts[1].signals == 1 << 5


def test_full_command_fifo_stalls() -> None:
    # Depth 1: the command of 0 is granted at 2, where the next one issues; the slot at 1 is stalled.
    words = [scratch(0, signal=1), scratch(0, 4, signal=2), scratch(0, 8, signal=3), KILL]
    chip = make(words, command__fifo_depth=1)
    chip.run(20)
    assert chip.me[0].stalled == 2
    assert chip.me[0].executing == 4
    assert chip.me[0].executing + chip.me[0].aborted + chip.me[0].stalled + chip.me[0].idle == 20


def test_pc_above_the_program_is_a_fault_when_it_would_issue() -> None:
    chip = make([NOP])
    chip.run(10)
    assert chip.fault is not None
    assert (chip.fault.kind, chip.fault.time, chip.fault.me, chip.fault.pc) == ("pc above program", 1, 0, 1)


def test_four_contexts_use_32_registers_each() -> None:
    chip = make([immed(17, 99), VOLUNTARY, HALT], contexts=0xFF, four=True)
    chip.run(5)  # two instructions, two aborted slots, then context 2
    assert [n for n in range(128) if chip.me[0].gpr_a[n]] == [17, 32 + 17]
    assert chip.me[0].instructions == [2, 0, 1, 0, 0, 0, 0, 0]


def test_register_above_15_needs_four_contexts() -> None:
    chip = make([immed(17, 99)])
    chip.run(1)
    assert chip.fault is not None and chip.fault.kind == "invalid word"


# ---------------------------------------------------------------- index registers


@pytest.mark.parametrize(("between", "expected"), [(0, 7), (2, 7), (3, 8), (4, 8)])
def test_lm_addr_is_seen_four_instructions_later(between: int, expected: int) -> None:
    # Word 0 holds 7, word 4 holds 8; LM_ADDR_0 = 16 takes effect after three instructions between.
    words = [alu("B", lm(0), 0, immediate(7)), alu("B", lm(0, 4), 0, immediate(8)), csr_write(LM_ADDR_0, immediate(16))]
    words += [*[NOP] * between, alu("B", 3, 0, lm(0))]
    assert run(words).me[0].gpr_a[3] == expected


def test_lm_offset_is_ored() -> None:
    words = [*constant(1, 4 * 5), csr_write(LM_ADDR_0, a(1)), NOP, NOP, NOP, alu("B", lm(0, 6), 0, immediate(9))]
    chip = run(words)
    assert [n for n in range(640) if chip.me[0].local_memory[n]] == [5 | 6]


def test_post_modify_applies_to_the_next_instruction_once() -> None:
    words = [
        alu("B", lm(0, modify=1), 0, immediate(5)),
        alu("B", lm(0, modify=1), 0, lm(0)),
        alu("+", lm(0, modify=-1), lm(0, modify=-1), immediate(1)),
    ]
    chip = run(words)
    # word 0 = 5; word 1 = word 1 (0); word 2 = 0 + 1; then the address goes back once, to word 1.
    assert chip.me[0].local_memory[:4] == [5, 0, 1, 0]
    assert chip.me[0].contexts[0].lm_addr[0] == 4


@pytest.mark.parametrize(("address", "kind"), [(639, "halt"), (640, "local memory")])
def test_local_memory_has_640_words(address: int, kind: str) -> None:
    words = [*constant(1, 4 * address), csr_write(LM_ADDR_0, a(1)), NOP, NOP, NOP]
    words += [alu("+", lm(0, modify=1), a(1), immediate(1)), HALT]
    chip = make(words)
    chip.run(100)
    assert chip.fault is not None and chip.fault.kind == kind
    if kind == "local memory":
        assert chip.me[0].contexts[0].lm_addr[0] == 4 * 640 and chip.me[0].cc.n == 0


def test_t_index_selects_absolute_transfer_registers() -> None:
    words = [*constant(1, 37 << 2), csr_write(T_INDEX, a(1)), NOP, NOP, NOP]
    words += [alu("B", 0x142, 0, immediate(3)), alu("B", 0x100, 0, immediate(4))]
    chip = run(words)
    assert chip.me[0].sram_out[37] == 3 and chip.me[0].dram_out[38] == 4


# ---------------------------------------------------------------- semantics


@pytest.mark.parametrize(
    ("op", "left", "right", "result", "nzcv"),
    [
        ("+", 0xFFFFFFFF, 1, 0, "0110"),
        ("+", 0x7FFFFFFF, 1, 0x80000000, "1001"),
        ("-", 5, 5, 0, "0110"),
        ("-", 4, 5, 0xFFFFFFFF, "1000"),
        ("-", 0x80000000, 1, 0x7FFFFFFF, "0011"),
        ("B-A", 4, 5, 1, "0010"),
        ("+16", 0x10000, 0xABCD0001, 0x10001, "0000"),
        ("+8", 0x100, 0xFF01, 0x101, "0000"),
        ("AND", 0xF0, 0x3C, 0x30, "0000"),
        ("~AND", 0xF0, 0x3C, 0x0C, "0000"),
        ("AND~", 0xF0, 0x3C, 0xC0, "0000"),
        ("OR", 0xF0, 0x0F, 0xFF, "0000"),
        ("XOR", 0xFF, 0xFF, 0, "0100"),
        ("~B", 1, 0, 0xFFFFFFFF, "1000"),
        ("ffs", 1, 0x50, 4, "0000"),
        ("ffs", 1, 0, 0, "0100"),
        ("pop_count3", 1, 0xF00F0001, 9, "0000"),
    ],
)
def test_alu(op: str, left: int, right: int, result: int, nzcv: str) -> None:
    one_source = op in ("ffs", "pop_count3")
    words = [*constant(1, left), *in_b(2, right), alu(op, 3, 0 if one_source else 1, 2)]
    me = run(words).me[0]
    assert me.gpr_a[3] == result
    assert f"{me.cc.n}{me.cc.z}{me.cc.c}{me.cc.v}" == nzcv


def test_carry_survives_immed_and_feeds_the_next_word() -> None:
    # 64-bit 0x1_00000000 - 1 = 0x0_ffffffff: borrow out of the low word.
    words = [alu("-", 3, 0, immediate(1)), immed(1, 1), alu("-carry", 4, 1, immediate(0))]
    me = run(words).me[0]
    assert (me.gpr_a[3], me.gpr_a[4]) == (0xFFFFFFFF, 0)


def test_shifts() -> None:
    r = restricted_immediate
    words = [
        *constant(1, 0x80000001),
        alu_shf(0, 2, 1, 1, sc=1, amount=4, swap=1),  # right operand is A1
        alu_shf(0, 3, 1, 0, sc=2, amount=32 - 4, swap=1),
        alu_shf(0, 4, 1, 0, sc=0, amount=1, swap=1),
        alu("OR", NULL, immediate(8), 0),
        alu_shf(0, 5, 1, r(0), sc=1, amount=0, swap=1),  # the last left operand is 8
        alu("OR", NULL, 1, immediate(0)),
        alu_shf(6, 6, 1, 0, sc=1, amount=4, swap=1),  # asr: sign of the last result
        alu_shf(0, 7, 1, r(1), sc=3, amount=1),  # dbl_shf {A1, 1} >> 1
    ]
    me = run(words).me[0]
    assert me.gpr_a[2:8] == [0x08000000, 0x00000010, 0xC0000000, 0x00800000, 0xF8000000, 0x80000000]


def test_byte_align_joins_two_words() -> None:
    def align(sc: int, destination: int, a_port: int, b_port: int) -> int:
        return alu_shf(7, destination, a_port, b_port, sc=sc)

    words = [*in_b(1, 0x11223344), *in_b(2, 0x55667788), csr_write(BYTE_INDEX, immediate(1)), NOP, NOP, NOP]
    words += [align(1, 0x20, 0, 1), align(1, 4, 0, 2), align(2, 0x20, 1, 0), align(2, 5, 2, 0)]
    me = run(words).me[0]
    assert me.gpr_a[4] == 0x22334455, "big endian, one byte on"
    assert me.gpr_a[5] == 0x88112233, "little endian, one byte on"


def test_ld_field_keeps_or_clears_and_loads_flags_only_when_told() -> None:
    words = [
        *constant(1, 0x11223344),
        immed(2, 0x11),
        *constant(3, 0x11223344),
        ld_field(0b0110, 1, restricted_immediate(0x7F), sc=2, amount=32 - 8),
        ld_field(0b0001, 3, restricted_immediate(0), clear=1),
        alu("-", NULL, 0, immediate(1)),
        ld_field(0b1111, 4, restricted_immediate(0), clear=1),
    ]
    me = run(words).me[0]
    assert (me.gpr_a[1], me.gpr_a[3], me.cc.n) == (0x11007F44, 0, 1)
    me = run([*words, ld_field(0b1111, 4, restricted_immediate(0), clear=1, load_cc=1)]).me[0]
    assert (me.cc.n, me.cc.z) == (0, 1)


def test_immed_forms() -> None:
    words = [
        immed(1, 0x1234, position=1),
        immed(2, 1, invert=1),
        *constant(3, 0xAABBCCDD),
        immed(3, 0x11, position=2, kind=1),
    ]
    assert run(words).me[0].gpr_a[1:4] == [0x123400, 0xFFFFFFFE, 0xAA11CCDD]


def test_multiply() -> None:
    left, right = 0x89ABCDEF, 0x87654321
    words = [*constant(1, left), *in_b(2, right), mul(0, 0, 1, 2)]
    words += [mul(3, step, 1, 2) for step in range(4)] + [mul(3, 4, 3), mul(3, 5, 4)]
    me = run(words).me[0]
    assert me.gpr_a[4] << 32 | me.gpr_a[3] == left * right


@pytest.mark.parametrize(("kind", "expected"), [(4, 0x0376E6E7), (2, 0x31C3)])
def test_crc_of_the_check_string(kind: int, expected: int) -> None:
    # "123456789": CRC-16/XMODEM (0x1021, initial 0) is 0x31c3. CRC-32/MPEG-2 (initial all ones) is 0x0376e6e7.
    words = (
        [csr_write(CRC_REMAINDER, immediate(0))]
        if kind == 2
        else [immed(4, 0, invert=1), csr_write(CRC_REMAINDER, a(4))]
    )
    for text in (b"1234", b"5678"):
        words += [*in_b(2, int.from_bytes(text, "big")), crc(kind, 3, 2)]
    words += [*in_b(2, ord("9") << 24), crc(kind, 3, 2, nbytes=6)]
    words += [csr_read(CRC_REMAINDER), immed(5, 0)]
    assert run(words).me[0].gpr_a[5] == expected


def test_cam_hit_miss_and_lru() -> None:
    write = 19
    words = [cam(11, NULL, 0, 0)]
    words += [
        cam(write, NULL | n & 15, immediate(100 + n), immediate(n)) for n in range(16)
    ]  # state n, most recent is 15
    words += [
        cam(23, 1, immediate(103), NULL),  # hit entry 3, which becomes the most recent
        cam(23, 2, immediate(7), NULL),  # miss: entry 0 is the least recent
        cam(27, NULL | 9, 0, immediate(0)),  # cam_write_state: entry 0 gets state 9, its age stays
        cam(31, 3, 0, immediate(0)),
        cam(15, 4, 0, immediate(3)),
        cam(23, 5, immediate(100), immediate(0b1001)),  # hit entry 0, lm_addr0[2]
        NOP,
        NOP,
        NOP,
    ]
    me = run(words).me[0]
    assert me.gpr_a[1:6] == [3 << 8 | 1 << 7 | 3 << 3, 0, 9 << 8, 103, 9 << 8 | 1 << 7]
    assert me.cam.lru == [1, 2, *range(4, 16), 3, 0]
    assert me.contexts[0].lm_addr[0] == 2 << 10 | 0 << 6


def test_local_csr_read_comes_through_the_following_immed() -> None:
    me = run([NOP, csr_read(0x144), immed(1, 0), immed(2, 7), csr_read(0x044), immed(3, 0)]).me[0]
    assert me.gpr_a[1:4] == [1, 7, 1 << 31]


def test_condition_codes_and_registers_of_transfer_kind() -> None:
    chip = make([alu("B", transfer(2), 0, immediate(6)), alu("B", transfer(2, dram=True), 0, transfer(3)), HALT])
    chip.me[0].sram_in[3] = 44
    chip.run(10)
    assert (chip.me[0].sram_out[2], chip.me[0].dram_out[2]) == (6, 44)
