"""Next neighbour registers and rings: who receives what, in which cycle; expected cycles come from the parameters.

An ME issues one instruction per cycle from cycle 0 on, so the position of an instruction is the cycle of its issue.
"""

from __future__ import annotations

from typing import Any

import pytest

from ixp_emu.chip.layout import NEIGHBOR
from tests.chip.one_chip import OneChip

_CONTEXT_0 = 1 << 8
_SELF = 1 << 20


def padded(cycle: int, instruction: str, *, head: str = "") -> str:
    """A program whose ``instruction`` issues at ``cycle``; ``head`` are the instructions at cycles 0, 1, ..."""
    used = len(head.splitlines())
    assert used <= cycle
    return f".reg n$a n$b e f\n{head}" + "nop\n" * (cycle - used) + instruction + "\nctx_arb[kill]\n"


def enables(value: int) -> str:
    """Write CTX_ENABLES: three instructions."""
    return f"immed[e, {value & 0xFFFF}]\nimmed_w1[e, {value >> 16}]\nlocal_csr_wr[CTX_ENABLES, e]\n"


def registers(record: Any, engine: int) -> list[int]:
    """The 128 next neighbour registers of an ME."""
    return [int(word) for word in record["me"][engine]["file"][NEIGHBOR : NEIGHBOR + 128]]


@pytest.mark.parametrize("latency", [1, 4, 9])
@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("engine", [0, 3])
def test_a_named_write_lands_in_the_next_engine(engine: int, late: int, latency: int) -> None:
    """Not seen one cycle before issue + latency, seen then; ME 3's neighbour is the first of the other cluster."""
    send = padded(10, "alu[n$b, --, B, 77]")
    receive = padded(10 + latency - 1 + late, "alu[*l$index0, --, B, n$b]")
    chip = OneChip({engine: send, engine + 1: receive}, overrides={"neighbor.register_latency": latency})
    record = chip.run(100)
    assert int(record["fault"]) == 0
    assert chip.local_memory(engine + 1, 1) == [77 * late]
    assert registers(record, engine + 1)[1] == 77
    assert not any(registers(record, engine))


@pytest.mark.parametrize("late", [0, 1])
def test_self_mode_has_its_own_latency(late: int) -> None:
    latency = OneChip({}).hardware["neighbor.self_latency"]
    head = enables(_CONTEXT_0 | _SELF) + "alu[n$b, --, B, 77]\n"  # issues at 3
    chip = OneChip({2: padded(3 + latency - 1 + late, "alu[*l$index0, --, B, n$b]", head=head), 3: "ctx_arb[kill]"})
    record = chip.run(100)
    assert chip.local_memory(2, 1) == [77 * late]
    assert not any(registers(record, 3))


def test_a_named_write_goes_to_the_context_s_register() -> None:
    chip = OneChip({0: ".reg n$a\nbr!=ctx[5, out#]\nalu[n$a, --, B, 9]\nout#:\nctx_arb[kill]\n"}, contexts=0xFF)
    assert registers(chip.run(200), 1)[5 * 16] == 9


def test_the_last_engine_has_no_neighbor() -> None:
    chip = OneChip({7: padded(5, "alu[n$a, --, B, 9]\nalu[*n$index++, --, B, 9]")})
    record = chip.run(100)
    assert int(record["fault"]) == 0
    assert not any(any(registers(record, engine)) for engine in range(8))
    assert not record["me"]["nn_ahead_put"].any()


def test_puts_and_gets_keep_their_order_and_wrap() -> None:
    """200 values through a ring of 128 registers, the producer held back by NN_FULL, the consumer by NN_EMPTY."""
    produce = (
        ".reg n\nimmed[n, 0]\nagain#:\nbr_inp_state[NN_FULL, again#]\nalu[n, n, +, 1]\nalu[*n$index++, --, B, n]\n"
        "alu[--, n, -, 200]\nbne[again#]\nctx_arb[kill]\n"
    )
    consume = (
        ".reg n sum word\nimmed[n, 0]\nimmed[sum, 0]\nagain#:\nbr_inp_state[NN_EMPTY, again#]\n"
        "alu[word, --, B, *n$index++]\nalu[n, n, +, 1]\nalu[--, word, -, n]\nbne[wrong#]\nalu[sum, sum, +, word]\n"
        "alu[--, n, -, 200]\nbne[again#]\nalu[*l$index0, --, B, sum]\nctx_arb[kill]\nwrong#: halt\n"
    )
    chip = OneChip({0: produce, 1: consume})
    record = chip.run(10_000)
    assert int(record["fault"]) == 0
    assert chip.local_memory(1, 1) == [200 * 201 // 2]
    me = record["me"][1]
    assert [int(me[name]) for name in ("nn_put", "nn_get", "nn_ahead_put", "nn_ahead_get")] == [200 % 128] * 4


@pytest.mark.parametrize("late", [0, 1])
def test_a_put_is_not_empty_from_its_landing_on(late: int) -> None:
    latency = OneChip({}).hardware["neighbor.register_latency"]
    look = "br_inp_state[NN_EMPTY, out#]\nimmed[*l$index0, 1]\nout#:"
    chip = OneChip({0: padded(10, "alu[*n$index++, --, B, 5]"), 1: padded(10 + latency - 1 + late, look)})
    chip.run(100)
    assert chip.local_memory(1, 1) == [late]


@pytest.mark.parametrize("threshold", [0, 1, 2, 3])
@pytest.mark.parametrize("more", [0, 1])
def test_empty_counts_up_to_the_threshold(threshold: int, more: int) -> None:
    head = enables(_CONTEXT_0 | _SELF | threshold << 18) + "alu[*n$index++, --, B, 5]\n" * (threshold + more)
    chip = OneChip({0: padded(40, "br_inp_state[NN_EMPTY, out#]\nimmed[*l$index0, 1]\nout#:", head=head)})
    chip.run(100)
    assert chip.local_memory(0, 1) == [more]


@pytest.mark.parametrize("margin", [1, 4, 100])
@pytest.mark.parametrize("more", [0, 1])
def test_full_counts_puts_when_they_issue(margin: int, more: int) -> None:
    """The instruction after the put that leaves ``margin`` registers sees NN_FULL, the one before it does not."""
    puts = "alu[*n$index++, --, B, 5]\n" * (128 - margin - 1 + more)
    look = "br_!inp_state[NN_FULL, out#]\nimmed[*l$index0, 1]\nout#:"
    chip = OneChip({0: padded(200, look, head=puts), 1: "ctx_arb[kill]"}, overrides={"neighbor.full_margin": margin})
    chip.run(300)
    assert chip.local_memory(0, 1) == [more]


@pytest.mark.parametrize("cycle", [199, 200, 201, 202])
@pytest.mark.parametrize("take", ["alu[--, --, B, *n$index++]", "local_csr_wr[NN_GET, 1]", "alu[--, --, B, *n$index]"])
def test_full_follows_gets_of_the_neighbor_in_the_next_cycle(cycle: int, take: str) -> None:
    """Phase 3 goes by ME number: what ME 1 takes in cycle 200, ME 0 sees in 201; without ++ nothing is taken."""
    puts = "alu[*n$index++, --, B, 5]\n" * 124
    look = "br_!inp_state[NN_FULL, out#]\nimmed[*l$index0, 1]\nout#:"
    chip = OneChip({0: padded(cycle, look, head=puts), 1: padded(200, take)})
    chip.run(300)
    taken = cycle > 200 and take != "alu[--, --, B, *n$index]"
    assert chip.local_memory(0, 1) == [0 if taken else 1]


def test_full_without_a_target_is_0_and_flow_control_states_are_0() -> None:
    source = ".reg x\nbr_inp_state[NN_FULL, no#]\nbr_inp_state[FCI_FULL, no#]\nbr_inp_state[FCI_NOT_EMPTY, no#]\n"
    chip = OneChip({7: source + "immed[*l$index0, 1]\nctx_arb[kill]\nno#: halt\n"})
    assert int(chip.run(50)["fault"]) == 0
    assert chip.local_memory(7, 1) == [1]


@pytest.mark.parametrize("gap", [2, 3])
def test_nn_get_is_seen_after_three_instructions(gap: int) -> None:
    body = "local_csr_wr[NN_GET, 9]\n" + "nop\n" * gap + "alu[*l$index0, --, B, *n$index]\nctx_arb[kill]\n"
    chip = OneChip({0: body})
    chip.chip["me"][0]["file"][NEIGHBOR : NEIGHBOR + 128] = range(100, 228)
    chip.run(50)
    assert chip.local_memory(0, 1) == [109 if gap >= 3 else 100]


@pytest.mark.parametrize("lands", [4, 5])
def test_nn_put_is_seen_by_puts_that_land_five_cycles_later(lands: int) -> None:
    """NN_PUT is written at 20: a put landing at 24 still uses the old pointer, one landing at 25 the new one."""
    latency = OneChip({}).hardware["neighbor.register_latency"]
    put = padded(20 + lands - latency, "alu[*n$index++, --, B, 5]")
    read = "local_csr_rd[NN_PUT]\nimmed[*l$index0, 0]"
    chip = OneChip({0: put, 1: padded(20, "local_csr_wr[NN_PUT, 9]\n" + "nop\n" * 10 + read)})
    record = chip.run(100)
    assert registers(record, 1)[9 if lands == 5 else 0] == 5
    # a put before the write takes effect is overwritten by it
    assert chip.local_memory(1, 1) == [10 if lands == 5 else 9]


@pytest.mark.parametrize("gap", [2, 3])
def test_reading_nn_put_gives_the_value_in_effect(gap: int) -> None:
    body = "local_csr_wr[NN_PUT, 9]\n" + "nop\n" * gap + "local_csr_rd[NN_PUT]\nimmed[*l$index0, 0]\nctx_arb[kill]\n"
    chip = OneChip({0: body})
    chip.run(50)
    assert chip.local_memory(0, 1) == [9 if gap >= 3 else 0]


def test_a_get_moves_the_pointer_for_the_next_instruction() -> None:
    body = ".reg x\nalu[x, --, B, *n$index++]\nalu[*l$index0, x, +, *n$index]\nctx_arb[kill]\n"
    chip = OneChip({0: body})
    chip.chip["me"][0]["file"][NEIGHBOR : NEIGHBOR + 2] = (3, 100)
    record = chip.run(50)
    assert chip.local_memory(0, 1) == [3 + 100]
    assert (int(record["me"][0]["nn_get"]), int(record["me"][0]["nn_ahead_get"])) == (1, 1)


def test_a_busy_engine_receives_any_number_of_puts() -> None:
    """The neighbour computes without ever looking; 300 puts and 300 signals reach it all the same."""
    send = (
        ".reg n s end\nimmed[n, 0]\nimmed[s, 0x10]\nimmed[end, 300]\nagain#:\nalu[*n$index++, --, B, n]\n"
        "local_csr_wr[NEXT_NEIGHBOR_SIGNAL, s]\nalu[n, n, +, 1]\nalu[--, n, -, end]\nbne[again#]\nctx_arb[kill]\n"
    )
    chip = OneChip({0: send, 1: "again#: br[again#]\n"})
    record = chip.run(5_000)
    assert int(record["fault"]) == 0
    assert int(record["me"][1]["nn_put"]) == 300 % 128
    assert registers(record, 1)[300 % 128 - 1] == 299


def test_only_writes_to_a_neighbor_shorten_the_lookahead() -> None:
    """Other MEs may look ahead as far as before when a program only reads its own registers."""
    plain = int(OneChip({0: padded(3, "alu[--, --, B, *n$index++]")}).chip["engine_lookahead"])
    assert plain == int(OneChip({}).chip["engine_lookahead"])
    latency = OneChip({}).hardware["neighbor.register_latency"]
    for write in ("alu[*n$index++, --, B, 1]", "alu[n$a, --, B, 1]"):
        assert int(OneChip({0: padded(3, write)}).chip["engine_lookahead"]) == latency < plain


def test_a_run_in_pieces_is_a_run_in_one() -> None:
    """Cut at every cycle, with puts, gets and pointer writes under way."""
    send = padded(0, "local_csr_wr[NN_GET, 3]\n" + "alu[*n$index++, --, B, 5]\nalu[n$a, --, B, 6]\n" * 6)
    take = padded(3, "local_csr_wr[NN_PUT, 20]\n" + "alu[*l$index0++, --, B, *n$index++]\nnop\n" * 6)
    whole, pieces = OneChip({0: send, 1: take}), OneChip({0: send, 1: take})
    whole.run(60)
    for until in range(1, 61):
        pieces.run(until)
    for name in ("nn_put", "nn_get", "nn_ahead_put", "nn_ahead_get"):
        assert whole.chip["me"][name].tolist() == pieces.chip["me"][name].tolist()
    assert registers(whole.chip, 1) == registers(pieces.chip, 1)
    assert whole.local_memory(1, 6) == pieces.local_memory(1, 6)
