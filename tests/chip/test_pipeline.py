"""Pipeline rules at their edges, on the compiled engine and on the reference model alike.

Programs leave in local memory what they measured: PROFILE_COUNT is the cycle in which ``local_csr_rd`` issues.
"""

from __future__ import annotations

import pytest

from tests.chip.models import MODELS, Model

STAMP = "local_csr_rd[PROFILE_COUNT]\nimmed[{0}, 0]\n"
STORE = "alu[*l$index0++, --, B, {0}]\n"
TRANSFERS = ".reg $x0 $x1 $x2 $x3\n.xfer_order $x0 $x1 $x2 $x3\n.set $x0 $x1 $x2 $x3\n"
DECLARE = ".reg t0 t1 count value other\n.sig s\n.addr s 3\n"


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> type[Model]:
    return MODELS[request.param]


def measured(model: type[Model], source: str, count: int, *, contexts: int = 1, cycles: int = 400) -> list[int]:
    """Run a program on ME 0 and return the first longwords of local memory."""
    chip = model({0: DECLARE + source}, contexts=contexts)
    chip.run(cycles)
    assert chip.fault_time is None
    return chip.local_memory(0, count)


# ---------------------------------------------------------------- branches

BRANCHES = {
    # name: taken form, its opposite, shadow
    "br": ("br[out#]", None, 2),
    "bcc stage 1": ("beq[out#]", "bne[out#]", 3),
    "bcc stage 0": ("beq[out#], stage[0]", "bne[out#], stage[0]", 2),
    "br=ctx": ("br=ctx[0, out#]", "br!=ctx[0, out#]", 2),
    "br_inp_state": ("br_!inp_state[SCR_RING0_STATUS, out#]", "br_inp_state[SCR_RING0_STATUS, out#]", 2),
    "br_signal": ("br_!signal[s, out#]", "br_signal[s, out#]", 3),
    "br_bset": ("br_bset[value, 4, out#]", "br_bclr[value, 4, out#]", 3),
    "br=byte": ("br=byte[value, 0, 16, out#]", "br!=byte[value, 0, 16, out#]", 3),
    "jump": ("jump[other, out#], targets[out#]", None, 3),
    "rtn": ("rtn[t1]", None, 3),
}


def branch_program(branch: str, defer: int) -> str:
    """Zero flag set, value 16, other 0, t1 the address of ``out``; three counted slots behind the branch."""
    tokens = f", defer[{defer}]" if defer else ""
    return (
        "immed[count, 0]\nimmed[value, 16]\nimmed[other, 0]\nload_addr[t1, out#]\n"
        + STAMP.format("t0")
        + "alu[--, other, AND, 0]\n"
        + branch
        + tokens
        + "\n"
        + "alu[count, count, +, 1]\n" * 3
        + "out#:\n"
        + STAMP.format("t1")
        + "alu[*l$index0++, t1, -, t0]\n"
        + STORE.format("count")
        + "ctx_arb[kill]\n"
    )


@pytest.mark.parametrize(
    ("name", "defer"), [(name, defer) for name, (_, _, shadow) in BRANCHES.items() for defer in range(shadow + 1)]
)
def test_a_taken_branch_issues_its_defer_slots_and_aborts_the_rest(model: type[Model], name: str, defer: int) -> None:
    taken, _, shadow = BRANCHES[name]
    chip = model({0: DECLARE + branch_program(taken, defer)})
    chip.run(100)
    # The stamp issues at p, its immed, the alu and the branch at p + 1 .. 3; the target 1 + shadow after the branch.
    assert chip.local_memory(0, 2) == [3 + 1 + shadow, defer]
    swap = 2  # slots behind the last instruction
    assert chip.cycles(0)["aborted"] == shadow - defer + swap


@pytest.mark.parametrize("name", [name for name, (_, opposite, _) in BRANCHES.items() if opposite])
def test_a_branch_that_is_not_taken_costs_its_own_cycle(model: type[Model], name: str) -> None:
    opposite = BRANCHES[name][1]
    assert opposite is not None
    assert measured(model, branch_program(opposite, 0), 2) == [3 + 1 + 3, 3]


FLAGS = {
    # left - right or left + right -> N Z C V, by the definition of the operation
    "5 - 5": ("-", 5, 5, (0, 1, 1, 0)),
    "4 - 5": ("-", 4, 5, (1, 0, 0, 0)),
    "5 - 4": ("-", 5, 4, (0, 0, 1, 0)),
    "most negative - 1": ("-", 0x80000000, 1, (0, 0, 1, 1)),
    "most positive + 1": ("+", 0x7FFFFFFF, 1, (1, 0, 0, 1)),
}


@pytest.mark.parametrize("case", FLAGS)
def test_conditions(model: type[Model], case: str) -> None:
    op, left, right, (n, z, c, v) = FLAGS[case]
    conditions = {
        "eq": z == 1, "ne": z == 0, "mi": n == 1, "pl": n == 0, "cs": c == 1, "cc": c == 0, "vs": v == 1, "vc": v == 0,
        "ge": n == v, "lt": n != v, "gt": z == 0 and n == v, "le": z == 1 or n != v,
    }  # fmt: skip
    source = f"immed[t0, {left & 0xFFFF}]\nimmed_w1[t0, {left >> 16}]\nimmed[other, 0]\n"
    for name in conditions:
        source += f"immed[value, 1]\nalu[--, t0, {op}, {right}]\nb{name}[{name}#]\nimmed[value, 0]\n{name}#:\n"
        source += STORE.format("value")
    expected = [int(taken) for taken in conditions.values()]
    assert measured(model, source + "ctx_arb[kill]\n", len(expected)) == expected


# ---------------------------------------------------------------- swaps


@pytest.mark.parametrize("defer", [0, 1, 2])
@pytest.mark.parametrize("form", ["ctx_arb", "command"])
def test_the_next_context_issues_three_cycles_after_a_swap(model: type[Model], form: str, defer: int) -> None:
    tokens = f", defer[{defer}]" if defer else ""
    swap = {"ctx_arb": "ctx_arb[s]", "command": "scratch[read, $x, other, 0, 1], ctx_swap[s]"}[form] + tokens
    source = (
        ".reg $x\n.set value\nbr!=ctx[0, second#]\nimmed[other, 0]\nimmed[count, 0]\nnop\nnop\n"
        f"{swap}\n" + "alu[count, count, +, 1]\n" * 2 + "ctx_arb[kill]\n"
        # The first instruction of context 1 is the branch above: taken, so the stamp is 3 later.
        "second#:\n" + STAMP.format("t1") + STORE.format("t1") + "ctx_arb[kill]\n"
    )
    chip = model({0: DECLARE + source}, contexts=0b11)
    chip.run(40)
    # Branch at 0, four instructions, the swap at 5.
    assert chip.local_memory(0, 1) == [5 + 3 + 3]
    assert chip.cycles(0)["aborted"] == (2 - defer) + 2 + 2


def test_a_context_issues_in_the_cycle_of_its_signal(model: type[Model]) -> None:
    """A neighbour's signal, written at t, lets a waiting context of the next ME issue at t + latency."""
    for latency in (4, 5, 20):
        sender = "nop\n" * 10 + f"local_csr_wr[NEXT_NEIGHBOR_SIGNAL, {3 << 3}]\nctx_arb[kill]\n"
        receiver = DECLARE + "ctx_arb[s]\n" + STAMP.format("t0") + STORE.format("t0") + "ctx_arb[kill]\n"
        chip = model({0: sender, 1: receiver}, overrides={"neighbor.signal_latency": latency})
        chip.run(60)
        assert chip.local_memory(1, 1) == [10 + latency]


def test_voluntary_lets_all_others_go_first(model: type[Model]) -> None:
    source = (
        ".reg @order\n.set @order\nlocal_csr_rd[ACTIVE_CTX_STS]\nimmed[t0, 0]\nalu[t0, t0, AND, 7]\n"
        "alu_shf[t1, --, B, t0, <<3]\nlocal_csr_wr[ACTIVE_LM_ADDR_0, t1]\nctx_arb[voluntary]\n"
        + STAMP.format("value")
        + STORE.format("value")
        + "ctx_arb[voluntary]\n"
        + STAMP.format("value")
        + STORE.format("value")
        + "ctx_arb[kill]\n"
    )
    words = measured(model, source, 16, contexts=0xFF)
    times = [words[2 * context] for context in range(8)], [words[2 * context + 1] for context in range(8)]
    # Six instructions and two aborted slots a context in the first round, four and two in the others.
    assert times[0] == [8 * 8 + 6 * context for context in range(8)]
    assert times[1] == [8 * 8 + 6 * 8 + 6 * context for context in range(8)]


def test_condition_codes_are_those_of_the_last_executed_instruction(model: type[Model]) -> None:
    """They survive swaps unsaved: the other context branches on what this one left."""
    source = (
        "br=ctx[1, second#]\nimmed[value, 0]\nalu[--, value, -, 0]\nctx_arb[voluntary]\n"  # Z = 1 for context 1
        "immed[other, 1]\nbmi[first_sees#]\nimmed[other, 0]\nfirst_sees#:\n"
        + STORE.format("other")
        + "ctx_arb[kill]\nsecond#:\nimmed[other, 1]\nbeq[second_sees#]\nimmed[other, 0]\nsecond_sees#:\n"
        "immed[value, 0]\nalu[--, value, -, 1]\nlocal_csr_wr[ACTIVE_LM_ADDR_0, 4]\nnop\nnop\nnop\nimmed[*l$index0, 0]\n"
        + "alu[*l$index0, --, B, other]\nimmed[value, 0]\nalu[--, value, -, 1]\nctx_arb[voluntary]\nctx_arb[kill]\n"
    )
    assert measured(model, source, 2, contexts=0b11) == [1, 1]


@pytest.mark.parametrize("four", [False, True])
def test_a_context_that_is_enabled_later_begins_at_the_entry(model: type[Model], four: bool) -> None:
    """Context 7 was not enabled at reset; the write also leaves four-context mode, where that is the mode."""
    source = (
        (".num_contexts 4\n" if four else "")
        + DECLARE
        + "br!=ctx[0, later#]\nlocal_csr_rd[CTX_ENABLES]\nimmed[t0, 0]\n"
        "immed[t1, 0x8000]\nalu[t1, t1, XOR, t0]\nimmed[t0, 0x8000, <<16]\n"
        + ("alu[t1, t0, XOR, t1]\n" if four else "nop\n")
        + "local_csr_wr[CTX_ENABLES, t1]\nctx_arb[kill]\nlater#:\n"
        + STAMP.format("t0")
        + STORE.format("t0")
        + "ctx_arb[kill]\n"
    )
    chip = model({0: source}, four_contexts=four)
    chip.run(60)
    # Eight instructions, kill at 8, the choice at 11, where the branch issues: 1 + 2 cycles.
    assert chip.local_memory(0, 1) == [11 + 3]


# ---------------------------------------------------------------- index registers


@pytest.mark.parametrize("gap", range(6))
@pytest.mark.parametrize("index", [0, 1])
def test_lm_addr_is_seen_by_the_fourth_instruction(model: type[Model], gap: int, index: int) -> None:
    """Written at t, the old value is used up to t + 3, the new one from t + 4 on."""
    source = (
        f"local_csr_wr[ACTIVE_LM_ADDR_{index}, 64]\n" + "nop\n" * gap + f"immed[*l$index{index}, 0x55]\nctx_arb[kill]\n"
    )
    words = measured(model, source, 17)
    assert (words[0], words[16]) == ((0, 0x55) if gap + 1 >= 4 else (0x55, 0))


def test_writes_of_lm_addr_pipeline(model: type[Model]) -> None:
    source = "".join(f"local_csr_wr[ACTIVE_LM_ADDR_0, {4 * n}]\n" for n in (10, 11, 12))
    source += "nop\n" + "".join(f"immed[*l$index0, {n}]\n" for n in (1, 2, 3, 4)) + "ctx_arb[kill]\n"
    words = measured(model, source, 13)
    assert [words[n] for n in (0, 10, 11, 12)] == [0, 1, 2, 4]


@pytest.mark.parametrize("gap", range(6))
def test_an_lm_addr_write_belongs_to_its_context_also_after_a_swap(model: type[Model], gap: int) -> None:
    """Context 0 writes and swaps two instructions later; the others' address stays 0."""
    source = (
        "br=ctx[1, second#]\nlocal_csr_wr[ACTIVE_LM_ADDR_0, 64]\nctx_arb[voluntary]\n"
        "immed[*l$index0, 7]\nctx_arb[kill]\n"
        "second#:\n" + "nop\n" * gap + "immed[*l$index0, 8]\nctx_arb[kill]\n"
    )
    words = measured(model, source, 17, contexts=0b11)
    assert (words[0], words[16]) == (8, 7)


@pytest.mark.parametrize("gap", range(6))
def test_t_index_is_seen_by_the_fourth_instruction(model: type[Model], gap: int) -> None:
    """It selects the transfer-out register that a scratch write then takes from the context's first ones."""
    source = (
        TRANSFERS
        + "immed[other, 0]\n"
        + "".join(f"immed[$x{n}, 1]\n" for n in range(4))
        + "local_csr_wr[T_INDEX, (4 * &$x0)]\nnop\nnop\nnop\nlocal_csr_wr[T_INDEX, (4 * &$x2)]\n"
        + "nop\n" * gap
        + "immed[*$index, 5]\nscratch[write, $x0, other, 0, 3], ctx_swap[s]\n"
        "scratch[read, $x0, other, 0, 3], ctx_swap[s]\n"
        + "".join(STORE.format(f"$x{n}") for n in range(3))
        + "ctx_arb[kill]\n"
    )
    assert measured(model, source, 3) == ([1, 1, 5] if gap + 1 >= 4 else [5, 1, 1])


@pytest.mark.parametrize("gap", range(6))
@pytest.mark.parametrize("csr", ["BYTE_INDEX", "T_INDEX_BYTE_INDEX", "ACTIVE_LM_ADDR_1_BYTE_INDEX"])
def test_byte_index_is_seen_by_the_fourth_instruction(model: type[Model], gap: int, csr: str) -> None:
    source = (
        "immed[t0, 0x3344]\nimmed_w1[t0, 0x1122]\nimmed[t1, 0x7788]\nimmed_w1[t1, 0x5566]\nbyte_align_be[--, t0]\n"
        f"local_csr_wr[{csr}, 1]\n"
        + "nop\n" * gap
        + "byte_align_be[value, t1]\n"
        + STORE.format("value")
        + "ctx_arb[kill]\n"
    )
    # Index 0 gives the word before, index 1 its bytes 1 to 3 and the first byte of this one.
    assert measured(model, source, 1) == [0x22334455 if gap + 1 >= 4 else 0x11223344]


@pytest.mark.parametrize("gap", range(6))
def test_nn_get_is_seen_by_the_fourth_instruction(model: type[Model], gap: int) -> None:
    """A self-mode ring whose registers 0 and 9 hold 3 and 4."""
    source = (
        "local_csr_rd[CTX_ENABLES]\nimmed[t0, 0]\nimmed[t1, 16, <<16]\nalu[t0, t1, OR, t0]\n"
        "local_csr_wr[CTX_ENABLES, t0]\nalu[n$0, --, B, 3]\nalu[n$9, --, B, 4]\n"
        + "nop\n" * 8
        + "local_csr_wr[NN_GET, 9]\n"
        + "nop\n" * gap
        + "alu[value, --, B, *n$index]\n"
        + STORE.format("value")
        + "ctx_arb[kill]\n"
    )
    assert measured(model, source, 1) == [4 if gap + 1 >= 4 else 3]


@pytest.mark.parametrize("gap", range(6))
@pytest.mark.parametrize("hit", [False, True])
def test_the_lm_addr_token_of_a_lookup_is_a_delayed_write(model: type[Model], gap: int, hit: bool) -> None:
    """Entry to bits 9:6, the value to bits 11:10; a miss names the least recently used entry, here 0."""
    source = "cam_clear\n" + "".join(f"immed[t0, {100 + n}]\ncam_write[{n}, t0, 0]\n" for n in range(16))
    key, entry = (102, 2) if hit else (50, 0)
    source += (
        f"immed[t0, {key}]\ncam_lookup[t1, t0], lm_addr0[1]\n" + "nop\n" * gap + "immed[*l$index0, 9]\nctx_arb[kill]\n"
    )
    words = measured(model, source, 400)
    place = ((1 << 10 | entry << 6) >> 2) if gap + 1 >= 4 else 0
    assert {n for n, word in enumerate(words) if word} == {place}


def test_post_modify_is_seen_by_the_next_instruction(model: type[Model]) -> None:
    source = "immed[*l$index0++, 1]\nimmed[*l$index0++, 2]\nalu[*l$index0--, --, B, 3]\n"
    source += "alu[*l$index0, *l$index0, +, 4]\nctx_arb[kill]\n"
    assert measured(model, source, 3) == [1, 2 + 4, 3]


# ---------------------------------------------------------------- results of the instruction before


@pytest.mark.parametrize("between", ["", "immed[other, 9]\n", "nop\n"])
def test_an_indirect_shift_takes_the_last_a_operand(model: type[Model], between: str) -> None:
    """An immed is none of the instructions that set it."""
    source = f"immed[t0, 5]\nimmed[t1, 1]\nalu[--, t0, OR, 0]\n{between}alu_shf[value, --, B, t1, <<indirect]\n"
    assert measured(model, source + STORE.format("value") + "ctx_arb[kill]\n", 1) == [1 << 5]


def test_the_last_a_operand_is_the_left_one_whatever_its_bank(model: type[Model]) -> None:
    """Also of an alu_shf, whose own indirect amount is that of the instruction before it."""
    source = (
        ".breg b0 5\nimmed[b0, 3]\nimmed[t1, 1]\nimmed[t0, 7]\nalu[--, b0, AND, 255]\n"
        "alu_shf[value, t0, OR, t1, <<indirect]\nalu_shf[other, --, B, t1, <<indirect]\n"
    )
    words = measured(model, source + STORE.format("value") + STORE.format("other") + "ctx_arb[kill]\n", 2)
    assert words == [7 | 1 << 3, 1 << 7]


@pytest.mark.parametrize("between", ["", "immed[value, 0]\n"])
def test_indirect_ref_takes_the_last_result(model: type[Model], between: str) -> None:
    """Bit 25 with 24:21 = 3 asks for four longwords; a result in between replaces it: the count is that of the word."""
    source = (
        TRANSFERS
        + "immed[other, 0]\n"
        + "".join(f"immed[$x{n}, {n + 1}]\n" for n in range(4))
        + "scratch[write, $x0, other, 0, 4], ctx_swap[s]\n"
        + f"immed[t0, {1 << 9 | 3 << 5}, <<16]\nalu[--, --, B, t0]\n{between}"
        + "scratch[read, $x0, other, 0, 2], ctx_swap[s], indirect_ref\n"
        + "".join(STORE.format(f"$x{n}") for n in range(4))
        + "ctx_arb[kill]\n"
    )
    assert measured(model, source, 4) == ([1, 2, 3, 4] if not between else [1, 2, 0, 0])


# ---------------------------------------------------------------- signals and local CSRs


@pytest.mark.parametrize("written", [True, False])
def test_a_same_me_signal_is_seen_by_the_next_instruction(model: type[Model], written: bool) -> None:
    signal = f"local_csr_wr[SAME_ME_SIGNAL, {3 << 3}]\n" if written else "nop\n"
    source = f"immed[value, 1]\n{signal}br_signal[s, out#]\nimmed[value, 0]\nout#:\n" + STORE.format("value")
    # The test clears it, so a second test does not see it.
    source += (
        "immed[value, 1]\nbr_signal[s, again#]\nimmed[value, 0]\nagain#:\n" + STORE.format("value") + "ctx_arb[kill]\n"
    )
    assert measured(model, source, 2) == [int(written), 0]


def test_a_same_me_signal_of_the_last_defer_slot_is_seen_by_the_choice(model: type[Model]) -> None:
    source = (
        STAMP.format("t0")
        + f"ctx_arb[s], defer[2]\nnop\nlocal_csr_wr[SAME_ME_SIGNAL, {3 << 3}]\n"
        + STAMP.format("t1")
        + "alu[*l$index0++, t1, -, t0]\nctx_arb[kill]\n"
    )
    assert measured(model, source, 1) == [2 + 3]


@pytest.mark.parametrize(("four", "receiver"), [(False, 1), (True, 2)])
def test_the_next_context_signal_goes_to_the_next_of_the_mode(model: type[Model], four: bool, receiver: int) -> None:
    source = (
        (".num_contexts 4\n" if four else "") + DECLARE + "br!=ctx[0, wait#]\n"
        f"local_csr_wr[SAME_ME_SIGNAL, {0x80 | 3 << 3}]\nctx_arb[kill]\nwait#:\nctx_arb[s]\n"
        "local_csr_rd[ACTIVE_CTX_STS]\nimmed[t0, 0]\nalu[*l$index0, t0, AND, 7]\nctx_arb[kill]\n"
    )
    chip = model({0: source}, contexts=0b1111, four_contexts=four)
    chip.run(100)
    assert chip.local_memory(0, 1) == [receiver]


@pytest.mark.parametrize(
    ("between", "expected"), [("", 2), ("nop\n", 7), ("alu[other, --, B, 1]\n", 7)], ids=["directly", "nop", "alu"]
)
def test_a_local_csr_is_delivered_by_the_following_immed_only(model: type[Model], between: str, expected: int) -> None:
    """PROFILE_COUNT at the cycle of the read; any instruction in between takes it away."""
    source = (
        f"nop\nnop\nlocal_csr_rd[PROFILE_COUNT]\n{between}immed[value, 7]\n" + STORE.format("value") + "ctx_arb[kill]\n"
    )
    assert measured(model, source, 1) == [expected]


def test_a_local_csr_has_the_value_of_the_cycle_of_its_read(model: type[Model]) -> None:
    source = "nop\n" * 15 + "local_csr_rd[TIMESTAMP_LOW]\nimmed[t0, 0]\nlocal_csr_rd[TIMESTAMP_LOW]\nimmed[t1, 0]\n"
    source += STORE.format("t0") + STORE.format("t1") + "ctx_arb[kill]\n"
    assert measured(model, source, 2) == [0, 1], "read at 15 and 17; the timestamp ticks at 16"


def test_the_crc_remainder_and_the_align_word_survive_a_swap(model: type[Model]) -> None:
    source = (
        "br=ctx[1, second#]\nimmed[value, 77]\nlocal_csr_wr[CRC_REMAINDER, value]\nimmed[t0, 5]\n"
        "byte_align_be[--, t0]\nctx_arb[kill]\n"
        "second#:\nlocal_csr_rd[CRC_REMAINDER]\nimmed[t0, 0]\nbyte_align_be[t1, t0]\n"
        + STORE.format("t0")
        + STORE.format("t1")
        + "ctx_arb[kill]\n"
    )
    assert measured(model, source, 2, contexts=0b11) == [77, 5]
