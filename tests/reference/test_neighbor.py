"""Next neighbour registers of the reference model: every latency at its edge, derived from the parameters."""

from __future__ import annotations

import pytest

from ixp_emu.chip.hardware import resolve_hardware

from . import ReferenceChip
from .encode import HALT, KILL, NN_INDEX, NN_NEXT, NOP, alu, br, csr_read, csr_write, immed, immediate, nn

NN_PUT, NN_GET, CTX_ENABLES = 0x080, 0x084, 0x018
SELF = 1 << 20
REGISTER_LATENCY = resolve_hardware()["neighbor.register_latency"]
EMPTY, FULL = 0, 1


def chip_with(*programs: list[int], contexts: int = 1, self_mode: bool = False, **overrides: int) -> ReferenceChip:
    values = {name.replace("__", "."): value for name, value in overrides.items()}
    chip = ReferenceChip(resolve_hardware(overrides=values))
    for me, words in enumerate(programs):
        chip.load(me, words, contexts=contexts)
        if self_mode:
            chip.me[me].ctx_enables |= SELF
    return chip


def put(value: int) -> int:
    return alu("B", NN_NEXT, 0, immediate(value))


def state(name: int, target: int, *, is_set: bool = True) -> int:
    return br(target, condition=20 if is_set else 21, parameter=name, stage=2)


@pytest.mark.parametrize("latency", [1, 4, 9])
@pytest.mark.parametrize("self_mode", [False, True])
def test_a_put_lands_after_its_latency(latency: int, self_mode: bool) -> None:
    """Issued at 2: seen in phase 0 of 2 + latency, so not yet after the cycle before."""
    name = "neighbor__self_latency" if self_mode else "neighbor__register_latency"
    chip = chip_with([NOP, NOP, put(7), KILL], self_mode=self_mode, **{name: latency})
    ring = chip.me[0 if self_mode else 1].neighbor
    chip.run(2 + latency)
    assert (ring.put, ring.registers[0]) == (0, 0)
    chip.step()
    assert (ring.put, ring.registers[0]) == (1, 7)


@pytest.mark.parametrize(("gap", "seen"), [(REGISTER_LATENCY - 1, 0), (REGISTER_LATENCY, 9)])
def test_the_neighbour_reads_the_register_from_its_landing_on(gap: int, seen: int) -> None:
    # ME 0 writes n$3 at 0 in context 0; ME 1 reads n$3 of its context 0 at ``gap``.
    chip = chip_with([alu("B", nn(3), 0, immediate(9)), KILL], [*[NOP] * gap, alu("B", 5, 0, nn(3)), KILL])
    chip.run(40)
    assert chip.me[1].gpr_a[5] == seen


def test_a_named_register_is_that_of_the_writers_context() -> None:
    # All contexts write n$2 in turn: registers context x 16 + 2 of the next ME.
    chip = chip_with([alu("B", nn(2), 0, immediate(5)), KILL], contexts=0xFF)
    chip.run(100)
    assert [n for n, value in enumerate(chip.me[1].neighbor.registers) if value] == [16 * c + 2 for c in range(8)]
    assert chip.me[1].neighbor.put == 0, "a named write is no put"


def test_the_last_me_has_no_target() -> None:
    chip = ReferenceChip(resolve_hardware())
    chip.load(7, [put(1), alu("B", nn(0), 0, immediate(1)), state(FULL, 0), KILL], contexts=1)
    chip.run(50)
    assert chip.fault is None
    assert chip.me[7].executing == 4, "NN_FULL is clear, so the branch is not taken"
    assert not any(any(me.neighbor.registers) for me in chip.me)


def test_the_order_runs_over_both_clusters() -> None:
    chip = ReferenceChip(resolve_hardware())
    chip.load(3, [put(1), KILL], contexts=1)
    chip.run(50)
    assert [me.neighbor.put for me in chip.me] == [0, 0, 0, 0, 1, 0, 0, 0]


def test_the_index_moves_for_the_next_instruction() -> None:
    chip = chip_with([KILL], [*[alu("B", n, 0, code) for n, code in enumerate((NN_NEXT, NN_INDEX, NN_NEXT))], KILL])
    chip.me[1].neighbor.registers[:3] = [11, 22, 33]
    chip.run(20)
    assert chip.me[1].gpr_a[:3] == [11, 22, 22]
    assert chip.me[1].neighbor.get == 2


def test_pointers_wrap_at_128() -> None:
    chip = chip_with([put(6), put(7), KILL], [alu("B", 1, 0, NN_NEXT), alu("B", 2, 0, NN_INDEX), KILL])
    ring = chip.me[1].neighbor
    ring.put = ring.get = 127
    ring.registers[127], ring.registers[0] = 1, 2
    chip.run(20)
    assert (chip.me[1].gpr_a[1:3], ring.get) == ([1, 2], 0)
    assert (ring.registers[127], ring.registers[0], ring.put) == (6, 7, 1)


@pytest.mark.parametrize(("between", "seen"), [(2, 0), (3, 50)])
def test_nn_get_is_seen_four_cycles_later(between: int, seen: int) -> None:
    words = [
        csr_write(NN_GET, immediate(50)),
        *[NOP] * between,
        alu("B", 1, 0, NN_INDEX),
        csr_read(NN_GET),
        immed(2, 0),
    ]
    chip = chip_with([*words, KILL])
    chip.me[0].neighbor.registers[50] = 50
    chip.run(20)
    assert chip.me[0].gpr_a[1] == seen
    assert chip.me[0].gpr_a[2] == 50, "the read is one instruction later"


@pytest.mark.parametrize(("landing", "registers"), [(4, {0: 9}), (5, {50: 9})])
def test_nn_put_is_seen_by_puts_that_land_five_cycles_later(landing: int, registers: dict[int, int]) -> None:
    # ME 1 writes NN_PUT at 1; the put of ME 0 lands in phase 0 of 1 + landing.
    issue = 1 + landing - REGISTER_LATENCY
    chip = chip_with([*[NOP] * issue, put(9), KILL], [NOP, csr_write(NN_PUT, immediate(50)), KILL])
    chip.run(20)
    ring = chip.me[1].neighbor
    assert {n: value for n, value in enumerate(ring.registers) if value} == registers
    # In phase 3 of 5 the write replaces what the put of phase 0 had counted.
    assert ring.put == (50 if landing == 4 else 51)


@pytest.mark.parametrize("threshold", [0, 3])
def test_nn_empty_compares_the_pointers_with_its_threshold(threshold: int) -> None:
    # A put is issued in each cycle from 0 on and lands from ``latency`` on; at T there are T - latency + 1 entries.
    # ME 1 stays in its loop of one branch (issued every 1 + 2 cycles) while the ring counts as empty.
    chip = chip_with([put(n) for n in range(8)] + [KILL], [state(EMPTY, 0), HALT])
    chip.me[1].ctx_enables |= threshold << 18
    chip.run(40)
    assert chip.fault is not None
    issues = range(0, 40, 3)
    first = next(t for t in issues if t - REGISTER_LATENCY + 1 > threshold)
    assert chip.fault.time == first + 1


@pytest.mark.parametrize("margin", [4, 127])
def test_nn_full_counts_puts_when_they_are_issued(margin: int) -> None:
    # 128 - margin puts make the ring full; the branch behind the last of them sees it at once.
    limit = 128 - margin
    for puts, full in ((limit - 1, False), (limit, True)):
        words = [put(1)] * puts + [state(FULL, puts + 2), KILL, HALT]
        chip = chip_with(words, [KILL], neighbor__full_margin=margin)
        chip.run(puts + 20)
        assert (chip.fault is not None) == full


def test_nn_full_counts_gets_when_they_are_read() -> None:
    """ME 1 comes after ME 0 in a cycle: its read in cycle 3 frees a place for what ME 0 does in cycle 4."""
    for at, full in ((3, True), (4, False)):
        words = [*[NOP] * at, state(FULL, at + 2), KILL, HALT]
        chip = chip_with(words, [NOP, NOP, NOP, alu("B", 1, 0, NN_NEXT), KILL])
        chip.me[1].neighbor.ahead_put = 124
        chip.run(30)
        assert (chip.fault is not None) == full


def test_csr_writes_set_the_pointers_that_run_ahead_at_once() -> None:
    chip = chip_with([csr_write(NN_PUT, immediate(124)), state(FULL, 3), KILL, HALT], self_mode=True)
    chip.run(10)
    assert chip.fault is not None and chip.fault.time == 4
    chip = chip_with([csr_write(NN_GET, immediate(1)), state(FULL, 3), KILL, HALT], self_mode=True)
    chip.me[0].neighbor.ahead_put = 124
    chip.run(10)
    assert chip.fault is None


@pytest.mark.parametrize("name", [14, 15])
def test_there_is_no_flow_control_fifo(name: int) -> None:
    chip = chip_with([state(name, 2), KILL, HALT])
    chip.run(10)
    assert chip.fault is None


def test_self_mode_counts_from_the_next_instruction_on() -> None:
    # The put before the write goes to the next ME, the one directly behind it to the own ring.
    words = [immed(1, 0x0010, position=2, kind=2), immed(1, 0x0100, kind=2), put(1), csr_write(CTX_ENABLES, 1), put(2)]
    chip = chip_with([*words, KILL])
    chip.run(30)
    assert (chip.me[1].neighbor.registers[0], chip.me[0].neighbor.registers[0]) == (1, 2)
