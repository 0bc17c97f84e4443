"""The engine agrees with the reference model: registers, memories, signals, counters and cycles, on random programs."""

from __future__ import annotations

import random

import pytest

from ixp_emu.chip.hardware import resolve_hardware
from tests.chip.agreement import Pair
from tests.chip.random_programs import random_program

CYCLES = 4_000
# The last two stress back-pressure: shallow queues, slow SRAM, short delays.
VARIANTS: tuple[dict[str, int], ...] = (
    {},
    {"command.fifo_latency": 2, "sram.longword_cycles": 6, "dram.turnaround": 0},
    {"scratch.inlet_depth": 1, "sram.inlet_depth": 2, "sbus.push_depth": 2, "dram.bank_queue_depth": 1},
    {"command.fifo_depth": 1, "dbus.push_depth": 2, "dram.inlet_depth": 1, "dram.refresh_interval": 500},
)


def agree(seed: int, engines: tuple[int, ...], *, cycles: int, steps: int, overrides: dict[str, int]) -> None:
    programs = {engine: random_program(seed, engine=n, steps=steps) for n, engine in enumerate(engines)}
    rings = {
        0: {"base": 8192, "size": 128, "contents": list(range(1, 40))},
        1: {"base": 8192 + 512, "size": 128, "flag_empty": True},
    }
    pair = Pair(resolve_hardware(overrides=overrides), programs, rings)
    pair.fill(0x9E3779B1 + seed)
    pair.set_hash_multipliers([0x12345678 + seed, 0xABCD, 0x9ABCDEF0, 0x13579BDF, 1, 2, 3, 0x80000001])
    # in two pieces, cut at an arbitrary cycle: the cut must not show
    cut = random.Random(seed).randrange(1, cycles)
    pair.run(cut)
    assert pair.differences(cut) == []
    pair.run(cycles)
    assert pair.differences(cycles) == []
    assert pair.reference.fault is not None or sum(pair.chip["me"]["commands"].tolist()) > 0


@pytest.mark.parametrize("seed", range(100))
def test_two_microengines_agree(seed: int) -> None:
    """In one cluster for odd seeds, in two for even ones."""
    agree(seed, (0, 1 if seed % 2 else 4), cycles=CYCLES, steps=25, overrides=VARIANTS[seed % len(VARIANTS)])


@pytest.mark.parametrize("seed", range(1_000, 1_012))
def test_eight_microengines_agree(seed: int) -> None:
    agree(seed, tuple(range(8)), cycles=2_000, steps=15, overrides=VARIANTS[seed % len(VARIANTS)])


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2_000, 3_000))
def test_many_random_programs_agree(seed: int) -> None:
    engines = tuple(sorted(random.Random(seed).sample(range(8), 2)))
    agree(seed, engines, cycles=CYCLES, steps=40, overrides=VARIANTS[seed % len(VARIANTS)])
