"""The control processor: what a program's requests cost and when they take effect, against a naive one and by hand."""

from __future__ import annotations

import random
from collections.abc import Generator
from typing import Any

import pytest

from ixp_emu.board import Board, ChipFault, ControlError, Wakeup, XScale, connect
from ixp_emu.errors import InputError
from tests.board.control_oracle import Program, Trace, dated, run_naively, servant_board

Steps = Generator[Any, Any, Any]

RING0, RING1 = 0xCB400000, 0xCB400004
SCRATCH = 0xCA000000
TIMER = 0xC0020000
RAW_A, STATUS_A, ENABLE_A = 0xD6000060, 0xD60000E0, 0xD6000160
REGIONS = (
    (0x0000_1000, "dram"), (0x8000_0010, "sram"), (0x9000_0010, "sram"), (SCRATCH + 0x900, "scratch"),
    (RING0, "scratch"), (0xC800_0030 - 0x30, "msf"), (0xDF00_0200, "pci"), (TIMER + 4, "csr"),
    (0xC000_4A04, "csr"), (0xC000_4900, "csr"), (0xC001_8044, "csr"), (STATUS_A, "csr"),
)  # fmt: skip


def attached(board: Board, program: Program) -> Trace:
    """Attach a program; the trace grows as it runs."""
    trace: Trace = []
    board.attach(dated(board, program, trace))
    return trace


# --- against the naive one ------------------------------------------------------------------------------------------


def random_program(seed: int) -> Program:
    """A program that does everything, with choices that depend on what it reads."""

    def program(xscale: XScale) -> Steps:
        rng = random.Random(seed)
        xscale.define_cost("table", fixed_cycles=7, per_item_cycles=3)
        yield xscale.write(ENABLE_A, 1 << 10)
        while True:
            match rng.randrange(9):
                case 0 | 1:
                    yield xscale.write(RING0, rng.randrange(1, 1000))
                case 2:
                    yield xscale.compute("table", rng.randrange(40))
                case 3:
                    value = yield xscale.read(RING1)
                    yield xscale.sleep(1 + value % 50)
                case 4:
                    yield xscale.write(TIMER + 4, rng.randrange(1, 40))
                    yield xscale.write(TIMER, rng.choice((0, 0x80)))
                case 5:
                    yield xscale.read(rng.choice(REGIONS)[0])
                case 6:
                    value = yield xscale.read(SCRATCH + 0x800)
                    yield xscale.write(0x8000_0000 + 4 * rng.randrange(16), value)
                case _:
                    woken = yield xscale.wait(
                        interrupts=rng.random() < 0.6,
                        timers=rng.choice((False, True, (0,), (1, 2))),
                        mailboxes=rng.choice((False, True, (0x54,), (0x50, 0x60))),
                        timeout=rng.randrange(1, 1_500),
                    )
                    if woken.interrupts[0]:
                        yield xscale.write(RAW_A, woken.interrupts[0])
                    if woken.timers:
                        yield xscale.write(TIMER + 0xC, 1)

    return program


CYCLES = 25_000


def cut(board: Board, cycles: int, rng: random.Random) -> None:
    """Run in pieces."""
    while board.now < cycles:
        board.run(min(rng.choice((1, 2, 59, 300, 4_000)), cycles - board.now))


@pytest.mark.parametrize("seed", range(4))
def test_a_program_does_what_the_naive_one_does_however_the_run_is_cut(seed: int) -> None:
    overrides = {"host__interrupt_cycles": (300, 1, 77, 1_000)[seed], "host__timer_cycles": (12, 5, 1, 30)[seed]}
    expected = run_naively(naive := servant_board(**overrides), random_program(seed), CYCLES)
    assert {type(request).__name__ for _, request, _ in expected} == {"Read", "Write", "Compute", "Sleep", "Wait"}
    told = [value for _, _, value in expected if isinstance(value, Wakeup)]
    assert any(any(one.interrupts) for one in told) and any(one.timed_out for one in told)
    for pieces in (None, 1, 2):
        board = servant_board(**overrides)
        trace = attached(board, random_program(seed))
        if pieces is None:
            board.run(CYCLES)
        else:
            cut(board, CYCLES, random.Random(pieces))
        assert trace == expected
        assert board.me["0:1"].cycles == naive.me["0:1"].cycles
        assert board.counters == naive.counters
        assert board.control is not None and sum(board.control.cycles.values()) == board.now == CYCLES
