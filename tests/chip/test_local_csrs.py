"""Local CSRs with an effect: contexts, LM_ADDR copies, timers, the pseudo-random number, the multiplier's sum.

An ME issues one instruction per cycle from cycle 0 on, so the position of an instruction is the cycle of its issue.
"""

from __future__ import annotations

import pytest

from ixp_emu.chip.codes import Fault
from tests.chip.one_chip import OneChip, words_of

_CONTEXT_0 = 1 << 8
_FOUR = 1 << 31
_EACH_CYCLE = 1 << 30


def load(register: str, value: int) -> str:
    """Two instructions that load a constant."""
    return f"immed[{register}, {value & 0xFFFF}]\nimmed_w1[{register}, {value >> 16}]\n"


def enables(value: int) -> str:
    """Write CTX_ENABLES: three instructions."""
    return load("e", value) + "local_csr_wr[CTX_ENABLES, e]\n"


def read(csr: str) -> str:
    """Leave a CSR in the next longword of local memory: two instructions, the first reads."""
    return f"local_csr_rd[{csr}]\nimmed[*l$index0++, 0]\n"


def run(body: str, *, until: int = 200, contexts: int = 1, overrides: dict[str, int] | None = None) -> OneChip:
    """Run a program on ME 0; a fault fails the test."""
    chip = OneChip({0: f".reg e v w\n{body}\nctx_arb[kill]\n"}, contexts=contexts, overrides=overrides)
    record = chip.run(until)
    assert int(record["fault"]) == 0, (int(record["fault"]), int(record["fault_time"]), int(record["fault_pc"]))
    return chip


# --- contexts ---------------------------------------------------------------------------------------------------------


def test_the_program_enables_another_context() -> None:
    """Context 3 starts with the swap of context 0, not before."""
    body = "br=ctx[3, other#]\n" + enables(_CONTEXT_0 | 8 << 8) + "immed[*l$index0, 1]\nctx_arb[kill]\n"
    chip = run(body + "other#:\nalu[*l$index0, *l$index0, +, 16]\n" + read("PROFILE_COUNT"))
    # br=ctx 0, enables 1-3, immed 4, ctx_arb 5; chosen at 8, where br=ctx issues; alu 11, CSR 12
    assert chip.local_memory(0, 1) == [12]
    assert int(chip.chip["me"][0]["enabled"]) == 9


def test_a_disabled_context_goes_on_until_it_swaps() -> None:
    chip = run(enables(0) + "immed[*l$index0++, 7]\nctx_arb[voluntary]\nimmed[*l$index0++, 8]")
    assert chip.local_memory(0, 2) == [7, 0]
    assert int(chip.chip["me"][0]["idle"]) == 0  # it idles, which is counted when it goes on
    assert int(chip.chip["me"][0]["enabled"]) == 0


def test_four_contexts_begin_and_end_with_the_next_instruction() -> None:
    """Register 20 exists with 4 contexts only: valid right after the write, invalid right before it."""
    (word, _) = words_of(".num_contexts 4\n.areg x 20\nalu[x, --, B, 9]\nctx_arb[kill]\n")
    wide = f".word {word:#x}\n"
    chip = run(enables(_FOUR | _CONTEXT_0) + wide)
    assert int(chip.chip["me"][0]["file"][20]) == 9
    body = ".reg e\n" + load("e", _FOUR | _CONTEXT_0)
    before = OneChip({0: body + wide + "local_csr_wr[CTX_ENABLES, e]\nctx_arb[kill]\n"})
    assert (int(before.run(50)["fault"]), int(before.chip["fault_time"])) == (Fault.INVALID_WORD, 2)
    back = OneChip({0: body + "local_csr_wr[CTX_ENABLES, e]\nlocal_csr_wr[CTX_ENABLES, 0]\n" + wide})
    assert (int(back.run(50)["fault"]), int(back.chip["fault_time"])) == (Fault.INVALID_WORD, 4)


def test_one_engine_s_mode_does_not_touch_another_with_the_same_program() -> None:
    """ME 0 goes to 4 contexts, ME 1 runs the same words and stays with 8."""
    body = (
        ".reg e v\nlocal_csr_rd[ACTIVE_CTX_STS]\nimmed[v, 0]\nbr_bset[v, 3, out#]\n"
        + enables(_FOUR | _CONTEXT_0)
        + "out#:\nnop\nctx_arb[kill]\n"
    )
    chip = OneChip({0: body, 1: body})
    record = chip.run(100)
    assert record["me"]["context_step"][:2].tolist() == [2, 1]
    assert record["me"]["store"][:2].tolist() == [8, 0]


def test_with_four_contexts_only_the_even_ones_run() -> None:
    body = (
        "br!=ctx[0, other#]\n" + enables(_FOUR | 0xFF00) + "other#:\nlocal_csr_rd[ACTIVE_CTX_STS]\nimmed[v, 0]\n"
        "alu[v, v, AND, 7]\nimmed[w, 1]\nalu[--, v, OR, 0]\nalu_shf[w, --, B, w, <<indirect]\n"
        "alu[@seen, @seen, OR, w]\n"
    )
    chip = OneChip({0: ".reg e v w @seen\n" + body + "alu[*l$index0, --, B, @seen]\nctx_arb[kill]\n"}, contexts=0xFF)
    assert int(chip.run(1_000)["fault"]) == 0
    assert chip.chip["me"][0]["file"][1280] == 0b01010101


# --- LM_ADDR ----------------------------------------------------------------------------------------------------------


def test_a_global_lm_addr_is_a_copy_of_its_own() -> None:
    """The context's LM_ADDR_0 is 8 words on; the global one starts at 0; each moves alone."""
    body = (
        "immed[v, 32]\nlocal_csr_wr[ACTIVE_LM_ADDR_0, v]\nnop\nnop\nnop\nimmed[*l$index0++, 1]\n"
        + enables(_CONTEXT_0 | 1 << 16)
        + "immed[*l$index0++, 2]\nimmed[*l$index0++, 3]\n"
        + enables(_CONTEXT_0)
        + "immed[*l$index0++, 4]\n"
    )
    chip = run(body)
    assert chip.local_memory(0, 10) == [2, 3, 0, 0, 0, 0, 0, 0, 1, 4]
    assert chip.chip["me"][0]["lm_word"][:, 0].tolist() == [10] + [0] * 7 + [2]


def test_a_delayed_write_goes_to_the_copy_in_use_when_it_issued() -> None:
    """LM_ADDR_1 is written globally at 3, the mode is left at 5: the write lands in the global copy all the same."""
    body = (
        load("e", _CONTEXT_0 | 1 << 17) + "local_csr_wr[CTX_ENABLES, e]\nlocal_csr_wr[ACTIVE_LM_ADDR_1, 0x40]\n"
        "immed[e, 0x100]\nlocal_csr_wr[CTX_ENABLES, e]\n" + "nop\n" * 8
    )
    assert run(body).chip["me"][0]["lm_word"][:, 1].tolist() == [0] * 8 + [16]


def test_the_write_that_makes_lm_addr_global_still_steps_the_old_copy() -> None:
    body = load("*l$index0", _CONTEXT_0 | 1 << 16) + "local_csr_wr[CTX_ENABLES, *l$index0++]\n"
    assert run(body).chip["me"][0]["lm_word"][:, 0].tolist() == [1] + [0] * 8


# --- INDIRECT_ CSRs ---------------------------------------------------------------------------------------------------


def test_a_context_is_started_through_indirect_csrs() -> None:
    """PC, signals and mask of context 2, then its enable bit; it waits for signals 3 and 4 and gets both."""
    body = (
        "br=ctx[2, wrong#]\nlocal_csr_wr[CSR_CTX_POINTER, 2]\nimmed[v, start#]\nlocal_csr_wr[INDIRECT_CTX_STS, v]\n"
        "local_csr_wr[INDIRECT_CTX_SIG_EVENTS, 0x08]\nlocal_csr_wr[INDIRECT_CTX_WAKEUP_EVENTS, 0x18]\n"
        + read("INDIRECT_CTX_STS")
        + read("INDIRECT_CTX_SIG_EVENTS")
        + read("INDIRECT_CTX_WAKEUP_EVENTS")
        + enables(_CONTEXT_0 | 4 << 8)
        + "ctx_arb[voluntary]\n"  # context 2 must not be ready yet
        + "immed[*l$index0++, 1]\nlocal_csr_wr[SAME_ME_SIGNAL, 0x22]\nctx_arb[kill]\nwrong#: halt\n"
        "start#:\nimmed[*l$index1, 0x55]\n"
    )
    chip = run(body)
    (halt,) = [at for at, word in enumerate(words_of(".reg e v w\n" + body)) if word == words_of("halt\n")[0]]
    # context 2 overwrote word 0 through its own LM_ADDR_1; before, it held the start address
    assert chip.local_memory(0, 4) == [0x55, 0x08, 0x18, 1]
    assert int(chip.chip["me"][0]["pc"][2]) == halt + 3
    assert int(chip.chip["me"][0]["signals"][2]) & 0x18 == 0


@pytest.mark.parametrize(
    ("mask", "ready"), [(0x1, True), (0x10008, True), (0x10010, False), (0x18, False), (0x8, True)]
)
def test_a_mask_written_for_a_waiting_context_replaces_what_it_asks_for(mask: int, *, ready: bool) -> None:
    """Context 1 was killed with signal 3 set; ANY, ALL and voluntary as in the CSR."""
    body = (
        "br=ctx[0, first#]\nbr=ctx[1, second#]\nfirst#:\nctx_arb[voluntary]\nlocal_csr_wr[CSR_CTX_POINTER, 1]\n"
        "local_csr_wr[INDIRECT_CTX_SIG_EVENTS, 0x8]\n"
        + load("e", mask)
        + "local_csr_wr[INDIRECT_CTX_WAKEUP_EVENTS, e]\nctx_arb[kill]\nsecond#:\nctx_arb[kill]\nimmed[*l$index0, 1]"
    )
    assert run(body, contexts=3).local_memory(0, 1) == [int(ready)]


def test_the_executing_context_s_pc_reads_as_its_last_entry() -> None:
    """Context 0 entered at 0, then after its voluntary swap behind it; writing its PC has no effect."""
    body = read("INDIRECT_CTX_STS") + "local_csr_wr[INDIRECT_CTX_STS, 100]\nctx_arb[voluntary]\nnop\n"
    assert run(body + read("INDIRECT_CTX_STS")).local_memory(0, 2) == [0, 4]


def test_indirect_lm_addr_is_the_other_context_s_and_keeps_its_delay() -> None:
    head = "local_csr_wr[CSR_CTX_POINTER, 5]\nlocal_csr_wr[INDIRECT_LM_ADDR_1, 0x40]\n"
    for gap, value in ((2, 0), (3, 0x40)):
        assert run(head + "nop\n" * gap + read("INDIRECT_LM_ADDR_1")).local_memory(0, 1) == [value]
    chip = run(head + "nop\n" * 4)
    assert chip.chip["me"][0]["lm_word"][:, 1].tolist() == [0] * 5 + [16] + [0] * 3
    both = run("local_csr_wr[CSR_CTX_POINTER, 5]\nlocal_csr_wr[INDIRECT_LM_ADDR_0_BYTE_INDEX, 0x43]\n" + "nop\n" * 4)
    assert (int(both.chip["me"][0]["lm_word"][5, 0]), int(both.chip["me"][0]["byte_index"])) == (16, 3)


# --- single CSRs --------------------------------------------------------------------------------------------------


def test_alu_out_is_the_last_result() -> None:
    """An immed's too, such as the one that received the value."""
    body = load("v", 0x12345678) + "alu[w, v, +, 1]\nbr=byte[v, 0, 0x79, out#]\nout#:\n"
    body += read("ALU_OUT") + "immed[v, 77]\n" + read("ALU_OUT")
    assert run(body).local_memory(0, 2) == [0x12345679, 77]


def test_ctx_arb_cntl_names_the_last_context_and_the_executing_one() -> None:
    body = "br!=ctx[5, out#]\n" + read("CTX_ARB_CNTL") + "out#:\n"
    assert run(body, contexts=0b100100).local_memory(0, 1) == [2 << 4 | 5]


@pytest.mark.parametrize(
    ("csr", "value"),
    [("TIMESTAMP_LOW", 1), ("TIMESTAMP_HIGH", 0), ("PROFILE_COUNT", 18), ("ACTIVE_CTX_STS", 1 << 31)],
)
def test_read_only_csrs_keep_their_value(csr: str, value: int) -> None:
    body = f"local_csr_wr[{csr}, 99]\n" + "nop\n" * 17
    assert run(body + read(csr)).local_memory(0, 1) == [value]


def test_local_csr_status_reads_0_and_plain_csrs_what_was_written() -> None:
    body = "local_csr_wr[LOCAL_CSR_STATUS, 1]\n" + read("LOCAL_CSR_STATUS")
    assert run(body + "local_csr_wr[CC_ENABLE, 99]\n" + read("CC_ENABLE")).local_memory(0, 2) == [0, 99]


# --- timers -----------------------------------------------------------------------------------------------------------


def wake_of_timer(value: int, written: int, *, second: int | None = None, signal: int = 3) -> int | None:
    """Cycle in which a context that waits for signal 3 goes on; FUTURE_COUNT is written at ``written``, and 1 later."""
    again = "" if second is None else f"local_csr_wr[ACTIVE_CTX_FUTURE_COUNT, {second}]\n"
    body = (
        f".reg v\n.sig s\n.addr s 3\nlocal_csr_wr[ACTIVE_FUTURE_COUNT_SIGNAL, {signal}]\n"
        + "nop\n" * (written - 1)
        + f"local_csr_wr[ACTIVE_CTX_FUTURE_COUNT, {value}]\n{again}ctx_arb[s]\n"
        + read("PROFILE_COUNT")
        + "ctx_arb[kill]\n"
    )
    chip = OneChip({0: body})
    chip.run(3_000)
    return chip.local_memory(0, 1)[0] or None


@pytest.mark.parametrize("written", [16, 31])
def test_a_timer_goes_off_at_the_next_tick_with_its_value(written: int) -> None:
    assert wake_of_timer(3, written) == 48
    assert wake_of_timer(60, written) == 60 * 16


def test_a_tick_at_the_write_itself_is_too_late() -> None:
    """Written in cycle 32, the tick of 2: the next one is 65536 ticks later; 31 is in time, and the swap ends in 35."""
    assert wake_of_timer(2, 31) == 35
    assert wake_of_timer(2, 32) is None
    assert wake_of_timer(3, 32) == 48


def test_the_next_turn_of_the_timer_is_65536_ticks_later() -> None:
    source = (
        ".sig s\n.addr s 3\nlocal_csr_wr[ACTIVE_FUTURE_COUNT_SIGNAL, 3]\nlocal_csr_wr[ACTIVE_CTX_FUTURE_COUNT, 0]\n"
        "ctx_arb[s]\nlocal_csr_rd[TIMESTAMP_LOW]\nimmed[*l$index0, 0]\nctx_arb[kill]\n"
    )
    chip = OneChip({0: source})
    chip.run(16 * 65536)
    assert chip.local_memory(0, 1) == [0]
    chip.run(16 * 65536 + 10)
    assert chip.local_memory(0, 1) == [65536]
    assert chip.chip["me"][0]["timer"].tolist() == [-1] * 8


def test_a_second_write_replaces_the_timer() -> None:
    assert wake_of_timer(2, 16, second=10) == 160
    assert wake_of_timer(10, 16, second=2) == 32


def test_without_signal_or_timestamp_no_timer_is_armed() -> None:
    assert wake_of_timer(2, 16, signal=0) is None
    body = "local_csr_wr[ACTIVE_FUTURE_COUNT_SIGNAL, 3]\nlocal_csr_wr[ACTIVE_CTX_FUTURE_COUNT, 5]\n"
    chip = OneChip({0: body + read("TIMESTAMP_LOW") + "ctx_arb[kill]\n"})
    chip.chip["timestamp_start"] = 1 << 62
    before = int(chip.chip["pool_top"])
    chip.run(1_000)
    assert int(chip.chip["pool_top"]) == before
    assert int(chip.chip["me"][0]["signals"][0]) & 8 == 0


@pytest.mark.parametrize("until", [63, 64])
def test_a_timer_of_another_context_sets_its_signal(until: int) -> None:
    body = (
        "local_csr_wr[CSR_CTX_POINTER, 6]\nlocal_csr_wr[INDIRECT_FUTURE_COUNT_SIGNAL, 9]\n"
        "local_csr_wr[INDIRECT_CTX_FUTURE_COUNT, 4]\n"
    )
    signals = run(body, until=until + 1).chip["me"][0]["signals"]
    assert [int(word) >> 9 & 1 for word in signals] == [0] * 6 + [int(until == 64)] + [0]


# --- pseudo-random number -----------------------------------------------------------------------------------------


def steps(x: int, count: int, polynomial: int) -> int:
    for _ in range(count):
        x = (x << 1) % 2**32 ^ (polynomial if x >> 31 else 0)
    return x


@pytest.mark.parametrize("polynomial", [0x04C11DB7, 0xC0000001])
def test_the_random_number_steps_after_each_read(polynomial: int) -> None:
    body = read("PSEUDO_RANDOM_NUMBER") * 2 + load("v", 0x80000005) + "local_csr_wr[PSEUDO_RANDOM_NUMBER, v]\n"
    memory = run(body + read("PSEUDO_RANDOM_NUMBER") * 3, overrides={"me.prn_polynomial": polynomial}).local_memory(
        0, 5
    )
    first = 0x80000005
    assert memory == [1, 2, first, steps(first, 1, polynomial), steps(first, 2, polynomial)]


def test_the_random_number_steps_each_cycle_while_its_bit_is_set() -> None:
    """Set at 2, read at 40 and 60, cleared at 80: it has then made 78 steps, and each read adds one."""
    polynomial = OneChip({}).hardware["me.prn_polynomial"]
    body = enables(_CONTEXT_0 | _EACH_CYCLE) + "nop\n" * 37 + read("PSEUDO_RANDOM_NUMBER") + "nop\n" * 18
    body += read("PSEUDO_RANDOM_NUMBER") + "nop\n" * 16 + enables(_CONTEXT_0)[:-1] + "\nnop\n"
    position = len(body.splitlines())
    assert position == 3 + 37 + 2 + 18 + 2 + 16 + 3 + 1
    chip = run(body + read("PSEUDO_RANDOM_NUMBER") * 2)
    cleared = position - 2 - 2
    assert chip.local_memory(0, 4) == [steps(1, count, polynomial) for count in (38, 58, cleared, cleared + 1)]


@pytest.mark.parametrize("until", [3, 4, 90, 2_000])
def test_between_two_runs_the_random_number_is_that_of_the_last_cycle(until: int) -> None:
    """The bit is set at 2: cycle 3 makes the first step; cut or not."""
    polynomial = OneChip({}).hardware["me.prn_polynomial"]
    body = enables(_CONTEXT_0 | _EACH_CYCLE)
    assert int(run(body, until=until).chip["me"][0]["prn"]) == steps(1, until - 1 - 2, polynomial)


# --- multiplier -------------------------------------------------------------------------------------------------------

_FACTORS = [(0, 0), (3, 5), (0xFFFFFFFF, 0xFFFFFFFF), (0x12345678, 0x9ABCDEF0), (1 << 31, 0x01010101)]


@pytest.mark.parametrize(("left", "right"), _FACTORS)
@pytest.mark.parametrize("size", ["24x8", "16x16", "32x16", "32x32"])
def test_multiply_sequences_give_the_product(size: str, left: int, right: int) -> None:
    """The right factor's low bytes count: one step each; last gives the low word, last2 the high one."""
    count = {"24x8": 1, "16x16": 2, "32x16": 2, "32x32": 4}[size]
    body = load("v", left) + load("w", right) + f"mul_step[v, w], {size}_start\n"
    body += "".join(f"mul_step[v, w], {size}_step{n}\n" for n in range(1, count + 1))
    body += f"mul_step[*l$index0++, --], {size}_last\n"
    if size != "24x8":
        body += f"mul_step[*l$index0++, --], {size}_last2\n"
    product = left * (right % 2 ** (8 * count))
    assert run(body).local_memory(0, 2) == [product % 2**32, product >> 32 if size != "24x8" else 0]


def test_a_multiply_uses_each_step_s_operands_and_leaves_alu_state_alone() -> None:
    """Sum 3 x 0x22 + (5 x 0x33 << 8); flags, last result and last A operand stay those of the subtraction."""
    body = (
        load("v", 0x1122) + load("w", 0x3344) + "alu[--, v, AND, 0]\nmul_step[3, v], 16x16_start\nmul_step[3, v], "
        "16x16_step1\nmul_step[5, w], 16x16_step2\nmul_step[e, --], 16x16_last\nbne[wrong#]\n"
        + read("ALU_OUT")
        + "alu[*l$index0++, --, B, e]\nalu_shf[*l$index0, --, B, e, <<0]\nwrong#:\n"
    )
    expected = 3 * 0x22 + (5 * 0x33 << 8)
    assert run(body).local_memory(0, 2) == [0, expected]


def test_immediates_into_local_memory_leave_t_index_alone() -> None:
    body = "local_csr_wr[T_INDEX, 0x40]\nnop\nnop\nnop\n" + "immed_w0[*l$index0, 5]\nimmed_b1[*l$index0, 6]\n"
    chip = run(body)
    assert chip.local_memory(0, 1) == [0x0605]
    assert int(chip.chip["me"][0]["t_index"]) == 16
