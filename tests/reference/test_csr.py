"""Local CSRs of the reference model; cycle numbers derived by hand from docs/hardware-model.md, section 2."""

from __future__ import annotations

import pytest

from ixp_emu.chip.hardware import resolve_hardware

from . import ReferenceChip
from .encode import (
    HALT,
    KILL,
    NOP,
    NULL,
    VOLUNTARY,
    alu,
    br,
    cam,
    csr_read,
    csr_write,
    ctx_arb,
    immed,
    immediate,
    lm,
    mul,
)

ALU_OUT, CTX_ARB_CNTL, CTX_ENABLES, CC_ENABLE, POINTER = 0x010, 0x014, 0x018, 0x01C, 0x020
INDIRECT_STS, ACTIVE_STS = 0x040, 0x044
INDIRECT_SIGNALS, ACTIVE_SIGNALS = 0x048, 0x04C
INDIRECT_WAKEUP, ACTIVE_WAKEUP = 0x050, 0x054
INDIRECT_COUNT, ACTIVE_COUNT = 0x058, 0x05C
INDIRECT_LM_0, ACTIVE_LM_0, INDIRECT_LM_1, ACTIVE_LM_1 = 0x060, 0x064, 0x068, 0x06C
INDIRECT_COUNT_SIGNAL, ACTIVE_COUNT_SIGNAL = 0x078, 0x07C
TIMESTAMP_LOW, TIMESTAMP_HIGH, PROFILE_COUNT, PRN, STATUS = 0x0C0, 0x0C4, 0x144, 0x148, 0x180
INDIRECT_LM_0_BYTE, BYTE_INDEX = 0x0E0, 0x070


def make(words: list[int], *, contexts: int = 1, four: bool = False, **overrides: int) -> ReferenceChip:
    values = {name.replace("__", "."): value for name, value in overrides.items()}
    chip = ReferenceChip(resolve_hardware(overrides=values), four_contexts=frozenset({0}) if four else frozenset())
    chip.load(0, words, contexts=contexts)
    return chip


def constant(destination: int, value: int) -> list[int]:
    return [immed(destination, value & 0xFFFF), immed(destination, value >> 16, position=2, kind=2)]


def read(csr: int, destination: int) -> list[int]:
    return [csr_read(csr), immed(destination, 0)]


def run(words: list[int], cycles: int = 1_000, **arguments: int) -> ReferenceChip:
    chip = make([*words, KILL], **arguments)
    chip.run(cycles)
    assert chip.fault is None
    return chip


# ---------------------------------------------------------------- context enables


def test_the_choice_in_the_next_cycle_sees_ctx_enables() -> None:
    # Context 0 swaps at 1 with two defer slots; the second one, at 3, enables context 1. Chosen in 4, it branches.
    words = [br(4, condition=16, parameter=1), ctx_arb(1, defer=2), NOP, csr_write(CTX_ENABLES, 1), HALT]
    chip = make(words)
    chip.me[0].gpr_a[1] = 0x300
    chip.run(20)
    assert chip.fault is not None and chip.fault.time == 4 + 3


def test_an_idle_me_wakes_no_context_that_is_not_enabled() -> None:
    chip = make([KILL], contexts=0b10)
    chip.me[0].contexts[0].wakeup = 1
    chip.run(20)
    assert chip.me[0].instructions == [0, 1, 0, 0, 0, 0, 0, 0]


def test_the_executing_context_goes_on_until_it_swaps() -> None:
    words = [csr_write(CTX_ENABLES, 1), NOP, NOP, VOLUNTARY, HALT]
    chip = make(words)
    chip.me[0].gpr_a[1] = 0
    chip.run(50)
    assert chip.fault is None
    assert (chip.me[0].executing, chip.me[0].aborted, chip.me[0].idle) == (4, 2, 44)


def test_the_mode_changes_for_the_next_instruction() -> None:
    # Absolute register A 20 becomes relative register 20 of context 0 once there are four contexts.
    words = [*constant(1, 0x80000000 | 0x0100), csr_write(CTX_ENABLES, 1), immed(20, 7), *read(CTX_ENABLES, 21)]
    chip = run(words)
    assert (chip.me[0].gpr_a[20], chip.me[0].gpr_a[21]) == (7, 0x80000100)


def test_four_contexts_choose_only_the_even_ones() -> None:
    chip = make([KILL])
    chip.me[0].ctx_enables = 0x8000FF00
    chip.run(40)
    assert chip.me[0].instructions == [1, 0, 1, 0, 1, 0, 1, 0]


# ---------------------------------------------------------------- LM_ADDR


def test_global_lm_addr_is_one_further_copy() -> None:
    # Context 0 makes LM_ADDR_0 global (bit 16) and sets it; context 1 uses it; LM_ADDR_1 stays its own.
    head = [br(9, condition=16, parameter=1), *constant(1, 0x10300), csr_write(CTX_ENABLES, 1)]
    words = [*head, csr_write(ACTIVE_LM_0, immediate(40)), csr_write(ACTIVE_LM_1, immediate(80)), NOP, NOP, KILL]
    body = [NOP, alu("B", lm(0), 0, immediate(3)), alu("B", lm(1), 0, immediate(4)), KILL]
    chip = make([*words, *body], contexts=0b11)
    chip.run(60)
    assert chip.fault is None
    assert {n: value for n, value in enumerate(chip.me[0].local_memory) if value} == {0: 4, 10: 3}
    assert chip.me[0].global_lm_addr == [40, 0]
    assert [chip.me[0].contexts[n].lm_addr for n in range(2)] == [[0, 80], [0, 0]]


@pytest.mark.parametrize("token", [False, True])
def test_a_delayed_write_goes_to_the_copy_in_use_when_it_issued(token: bool) -> None:
    # The write is under way when the index becomes global: it goes to the context's own copy.
    write = cam(23, NULL, immediate(0), immediate(0b0101)) if token else csr_write(ACTIVE_LM_0, immediate(0x40))
    value = 1 << 10 if token else 0x40  # the lookup hits entry 0: value 1 in bits 11:10
    words = [*constant(1, 0x10100), write, csr_write(CTX_ENABLES, 1), NOP, NOP, *read(ACTIVE_LM_0, 2)]
    chip = run(words)
    assert chip.me[0].contexts[0].lm_addr[0] == value
    assert chip.me[0].global_lm_addr == [0, 0] and chip.me[0].gpr_a[2] == 0


def test_post_modify_moves_the_copy_in_use() -> None:
    words = [*constant(1, 0x20100), csr_write(CTX_ENABLES, 1), alu("B", lm(1, modify=1), 0, immediate(3))]
    chip = run(words)
    assert chip.me[0].global_lm_addr == [0, 4] and chip.me[0].contexts[0].lm_addr == [0, 0]


@pytest.mark.parametrize(("between", "seen"), [(2, 0), (3, 0x104)])
def test_an_indirect_lm_addr_keeps_the_delay(between: int, seen: int) -> None:
    words = [csr_write(POINTER, immediate(5)), *constant(1, 0x106), csr_write(INDIRECT_LM_1, 1), *[NOP] * between]
    chip = run([*words, *read(INDIRECT_LM_1, 2)])
    assert chip.me[0].gpr_a[2] == seen
    assert chip.me[0].contexts[5].lm_addr == [0, 0x104] and chip.me[0].contexts[0].lm_addr == [0, 0]


def test_indirect_lm_addr_with_byte_index() -> None:
    words = [csr_write(POINTER, immediate(3)), csr_write(INDIRECT_LM_0_BYTE, immediate(0x46)), NOP, NOP, NOP]
    chip = run([*words, *read(INDIRECT_LM_0_BYTE, 2), *read(BYTE_INDEX, 3)])
    assert chip.me[0].gpr_a[2:4] == [0x46, 2]
    assert chip.me[0].contexts[3].lm_addr == [0x44, 0]


# ---------------------------------------------------------------- INDIRECT_ CSRs


def test_indirect_status_is_the_pc_at_which_a_context_goes_on() -> None:
    # Context 1 waits at 1 and is sent to 6, which halts, once its mask is voluntary.
    words = [br(3, condition=16, parameter=0), ctx_arb(4), NOP]
    body = [VOLUNTARY, csr_write(POINTER, immediate(1)), *read(INDIRECT_STS, 2)]
    body += [csr_write(INDIRECT_STS, immediate(10)), csr_write(INDIRECT_WAKEUP, immediate(1)), KILL]
    chip = make([*words, *body, HALT], contexts=0b11)
    chip.run(60)
    assert chip.me[0].gpr_a[2] == 2
    assert chip.fault is not None and (chip.fault.pc, chip.me[0].instructions[1]) == (10, 2)


def test_indirect_status_of_the_executing_context_is_its_last_entry() -> None:
    # Entered at 0, then at 2 after the swap; writes do nothing.
    words = [*read(INDIRECT_STS, 1), VOLUNTARY, csr_write(INDIRECT_STS, immediate(9)), *read(INDIRECT_STS, 2)]
    chip = run(words)
    assert chip.me[0].gpr_a[1:3] == [0, 3]
    assert chip.me[0].executing == 7


def test_indirect_signals_wake_another_context() -> None:
    # Context 0 leaves at 3 and goes on at 10; it writes at 11 and leaves at 12: context 1 is chosen at 15 and halts.
    words = [br(2, condition=16, parameter=0), ctx_arb(4, target=6)]
    words += [
        VOLUNTARY,
        csr_write(POINTER, immediate(1)),
        csr_write(INDIRECT_SIGNALS, immediate(1 << 4 | 1)),
        KILL,
        HALT,
    ]
    chip = make(words, contexts=0b11)
    chip.run(40)
    assert chip.fault is not None and chip.fault.time == 15
    assert chip.me[0].contexts[1].signals == 0


def test_indirect_wakeup_replaces_what_a_context_waits_for() -> None:
    words = [br(2, condition=16, parameter=0), ctx_arb(4)]
    words += [VOLUNTARY, csr_write(POINTER, immediate(1)), csr_write(INDIRECT_WAKEUP, immediate(1 << 5))]
    words += [csr_write(INDIRECT_SIGNALS, immediate(1 << 5)), *read(INDIRECT_WAKEUP, 3), KILL]
    chip = make(words, contexts=0b11)
    chip.run(40)
    assert chip.me[0].gpr_a[3] == 1 << 5
    assert chip.me[0].contexts[1].pc >= 2, "woken by signal 5"


def test_a_mask_may_have_bit_16() -> None:
    words = [br(2, condition=16, parameter=0), ctx_arb(4, 5)]
    words += [
        VOLUNTARY,
        *constant(1, 1 << 16 | 0b110000),
        csr_write(POINTER, immediate(1)),
        csr_write(INDIRECT_WAKEUP, 1),
    ]
    words += [csr_write(INDIRECT_SIGNALS, immediate(1 << 5)), KILL]
    chip = make(words, contexts=0b11)
    chip.run(40)
    assert chip.me[0].contexts[1].pc >= 2
    assert chip.me[0].contexts[1].signals == 1 << 5, "ANY clears nothing"


# ---------------------------------------------------------------- timers


def timer(value: int, *, signal: int = 6, at: int = 10) -> list[int]:
    """Arm the timer at cycle ``at``."""
    head = [csr_write(ACTIVE_COUNT_SIGNAL, immediate(signal)), immed(9, value)]
    return [*head, *[NOP] * (at - 2), csr_write(ACTIVE_COUNT, 9)]


@pytest.mark.parametrize(("at", "value", "time"), [(10, 1, 16), (15, 1, 16), (31, 3, 48), (33, 60, 960)])
def test_a_timer_signals_at_the_tick_of_its_value(at: int, value: int, time: int) -> None:
    chip = make([*timer(value, at=at), KILL])
    chip.run(time)
    assert chip.me[0].contexts[0].signals == 0
    chip.step()
    assert chip.me[0].contexts[0].signals == 1 << 6


@pytest.mark.parametrize(("at", "value"), [(16, 1), (17, 1), (10, 0)])
def test_a_value_that_has_begun_comes_again_after_65536_ticks(at: int, value: int) -> None:
    """The tick must be later than the write: value 1 began at 16, value 0 at 0."""
    chip = make([*timer(value, at=at), KILL])
    chip.run(200)
    assert list(chip._deliveries) == [16 * (65_536 + value)]


def test_a_write_replaces_the_armed_timer() -> None:
    chip = make([*timer(2), csr_write(ACTIVE_COUNT, immediate(4)), KILL])
    chip.run(64)
    assert chip.me[0].contexts[0].signals == 0
    chip.step()
    assert chip.me[0].contexts[0].signals == 1 << 6


def test_without_a_signal_nothing_is_armed_and_the_armed_one_is_gone() -> None:
    words = [*timer(2), csr_write(ACTIVE_COUNT_SIGNAL, immediate(0)), csr_write(ACTIVE_COUNT, immediate(3)), KILL]
    chip = run(words, 100)
    assert chip.me[0].contexts[0].signals == 0


def test_the_signal_is_the_one_at_the_time_of_the_write() -> None:
    chip = run([*timer(2), csr_write(ACTIVE_COUNT_SIGNAL, immediate(3))], 100)
    assert chip.me[0].contexts[0].signals == 1 << 6


def test_the_timer_of_another_context() -> None:
    words = [csr_write(POINTER, immediate(4)), csr_write(INDIRECT_COUNT_SIGNAL, immediate(9))]
    words += [csr_write(INDIRECT_COUNT, immediate(2)), *read(INDIRECT_COUNT, 1), *read(ACTIVE_COUNT, 2)]
    chip = run(words, 33)
    assert [context.signals for context in chip.me[0].contexts] == [1 << 9 if n == 4 else 0 for n in range(8)]
    assert chip.me[0].gpr_a[1:3] == [2, 0]


def test_timestamp_counts_from_its_start() -> None:
    chip = make([*[NOP] * 40, *read(TIMESTAMP_LOW, 1), *timer(4), KILL])
    chip.timestamp.start = 7
    chip.run(7 + 64)
    assert chip.me[0].gpr_a[1] == (40 - 7) // 16
    assert chip.me[0].contexts[0].signals == 0
    chip.step()
    assert chip.me[0].contexts[0].signals == 1 << 6


def test_timestamp_high_and_a_timestamp_that_stands_still() -> None:
    chip = make([*read(TIMESTAMP_HIGH, 1), *read(TIMESTAMP_LOW, 2), KILL])
    chip.timestamp.start = -(3 << 36)
    chip.run(10)
    assert chip.me[0].gpr_a[1:3] == [3, 0]
    chip = make([*[NOP] * 40, *read(TIMESTAMP_LOW, 1), *timer(0), KILL])
    chip.timestamp.start = None
    chip.run(100)
    assert chip.me[0].gpr_a[1] == 0 and not chip._deliveries


# ---------------------------------------------------------------- pseudo-random number


def prn(value: int, steps: int, polynomial: int = 0x04C11DB7) -> int:
    """Closed form of the steps: x times 2^steps modulo 2^32 + polynomial, over GF(2)."""
    value <<= steps
    for bit in range(31 + steps, 31, -1):
        if value >> bit & 1:
            value ^= (1 << 32 | polynomial) << bit - 32
    return value


def test_prn_steps_once_after_each_read() -> None:
    words = [word for n in range(4) for word in (*read(PRN, n), NOP, NOP)]
    chip = run([*words, *constant(4, 0x80000001), csr_write(PRN, 4), *read(PRN, 5), *read(PRN, 6)])
    assert chip.me[0].gpr_a[:4] == [1, 2, 4, 8]
    assert chip.me[0].gpr_a[5:7] == [0x80000001, 2 ^ 0x04C11DB7]


@pytest.mark.parametrize("wait", [0, 1, 30, 33])
def test_prn_steps_each_cycle_while_its_bit_is_set(wait: int) -> None:
    """Set at 2: the value at t has made t - 2 steps; cleared at c, it stays as it was at c."""
    words = [*constant(1, 0x40000100), csr_write(CTX_ENABLES, 1), *[NOP] * wait, *read(PRN, 2), *read(PRN, 3)]
    words += [*constant(4, 0x100), csr_write(CTX_ENABLES, 4), NOP, NOP, *read(PRN, 5), *read(PRN, 6)]
    chip = run(words)
    first = 1 + wait  # the read issues at 3 + wait
    cleared = first + 6
    expected = [prn(1, n) for n in (first, first + 2, cleared, cleared + 1)]
    assert [chip.me[0].gpr_a[n] for n in (2, 3, 5, 6)] == expected


def test_prn_written_while_it_runs_counts_from_the_write() -> None:
    words = [*constant(1, 0x40000100), csr_write(CTX_ENABLES, 1), NOP, csr_write(PRN, immediate(5)), *read(PRN, 2)]
    assert run(words).me[0].gpr_a[2] == prn(5, 1)


def test_prn_polynomial_is_a_parameter() -> None:
    chip = run([*constant(4, 1 << 31), csr_write(PRN, 4), *read(PRN, 5), *read(PRN, 6)], me__prn_polynomial=0x8D)
    assert chip.me[0].gpr_a[6] == 0x8D


# ---------------------------------------------------------------- the rest


def test_alu_out_is_the_last_result() -> None:
    words = [alu("+", 1, immediate(3), 0), csr_write(CC_ENABLE, immediate(9)), *read(ALU_OUT, 2), *read(ALU_OUT, 3)]
    assert run(words).me[0].gpr_a[2:4] == [3, 3], "the immed that delivers it changes it, to the same value"


def test_ctx_arb_cntl_names_who_left_and_who_executes() -> None:
    words = [VOLUNTARY, *read(CTX_ARB_CNTL, 1), KILL]
    chip = make(words, contexts=0b10010)
    chip.run(40)
    # Context 1 leaves, 4 begins and leaves, 1 goes on, and leaves for ever; 4 goes on.
    assert (chip.me[0].gpr_a[16 + 1], chip.me[0].gpr_a[64 + 1]) == (4 << 4 | 1, 1 << 4 | 4)


def test_ctx_arb_cntl_before_a_context_has_left() -> None:
    assert run(read(CTX_ARB_CNTL, 1)).me[0].gpr_a[1] == 0


@pytest.mark.parametrize(
    "csr", [ALU_OUT, CTX_ARB_CNTL, ACTIVE_STS, TIMESTAMP_LOW, TIMESTAMP_HIGH, PROFILE_COUNT, STATUS]
)
def test_read_only_csrs(csr: int) -> None:
    words = [alu("B", 1, 0, immediate(0)), VOLUNTARY, *read(csr, 2), csr_write(csr, immediate(0xFF)), *read(csr, 3)]
    me = run(words).me[0]
    later = {PROFILE_COUNT: 3}.get(csr, 0)
    assert me.gpr_a[3] == me.gpr_a[2] + later


def test_other_csrs_hold_what_was_written() -> None:
    chip = run([*constant(1, 0xDEADBEEF), csr_write(CC_ENABLE, 1), *read(CC_ENABLE, 2)])
    assert chip.me[0].gpr_a[2] == 0xDEADBEEF


def test_multiply_is_no_alu_result_and_no_a_operand() -> None:
    # 24x8: left times the low byte of right. The last result and the last A operand stay those of the alu before.
    words = [
        *constant(1, 0x123456),
        alu("+", 3, immediate(0), 1),
        alu("AND", 3, immediate(8), 3),
        mul(0, 0, 1, immediate(7)),
    ]
    words += [mul(1, 0, 1, immediate(7)), mul(1, 4, 4), *read(ALU_OUT, 5)]
    chip = run(words)
    assert chip.me[0].gpr_a[4] == 0x123456 * 7
    assert chip.me[0].gpr_a[5] == chip.me[0].gpr_a[3] == 0


@pytest.mark.parametrize(("steps", "factor"), [(1, 0xCD), (2, 0xABCD), (4, 0x6789ABCD)])
def test_the_hidden_sum_adds_a_byte_of_the_right_operand_per_step(steps: int, factor: int) -> None:
    left, right = 0xFEDCBA98, 0x6789ABCD
    words = [*constant(1, left), *constant(2, right), alu("B", 2, 2, NULL, bank=1, swap=1), mul(0, 0, 1, 2)]
    words += [mul(3, step, 1, 2) for step in range(steps)] + [mul(3, 4, 3), mul(3, 5, 4)]
    me = run(words).me[0]
    assert me.gpr_a[4] << 32 | me.gpr_a[3] == left * factor


def test_the_sum_belongs_to_the_me_and_grows_until_the_next_start() -> None:
    words = [*constant(1, 1000), mul(1, 0, 1, immediate(3)), VOLUNTARY, mul(1, 0, 1, immediate(4)), mul(1, 4, 2), KILL]
    chip = make(words, contexts=0b11)
    chip.run(60)
    # Contexts 0 and 1 add 3000 each, then 0 adds 4000 and reads, then 1.
    assert (chip.me[0].gpr_a[2], chip.me[0].gpr_a[16 + 2]) == (10_000, 14_000)
