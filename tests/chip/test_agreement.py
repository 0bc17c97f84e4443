"""The engine agrees with the reference model: registers, memories, signals, counters and cycles, on random programs."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ixp_emu.chip.hardware import resolve_hardware
from tests.chip.agreement import Pair
from tests.chip.one_chip import words_of
from tests.chip.random_programs import random_program

CYCLES = 4_000
# The last two stress back-pressure: shallow queues, slow S buses, short delays.
VARIANTS: tuple[dict[str, int], ...] = (
    {},
    {"command.fifo_latency": 2, "sram.longword_cycles": 6, "dram.turnaround": 0},
    {"scratch.inlet_depth": 1, "sram.inlet_depth": 2, "sbus.push_depth": 2, "dram.bank_queue_depth": 1}
    | {"sbus.longword_cycles": 4},
    {"command.fifo_depth": 1, "dbus.push_depth": 2, "dram.inlet_depth": 1, "dram.refresh_interval": 500}
    | {"dbus.quadword_cycles": 1},
)
QUEUE_VARIANTS: tuple[dict[str, int], ...] = (
    {},
    {"sram.ignore_eop": 0, "neighbor.register_latency": 1, "neighbor.self_latency": 1},
    {"sram.ignore_cells": 0, "sram.link_cycles": 90, "neighbor.full_margin": 126, "pci.latency": 0}
    | {"scratch.longword_cycles": 16, "hash.latency_48": 2, "hash.latency_64": 2, "push.latency": 2},
)


def pair_of(
    seed: int, engines: tuple[int, ...], *, steps: int, features: float, overrides: dict[str, int], four: bool = False
) -> Pair:
    """Both models, with a random program per ME, rings and queues; with ``four``, every second ME has four contexts."""
    four_contexts = frozenset(engines[1::2]) if four else frozenset[int]()
    programs = {
        engine: random_program(
            seed, engine=n, steps=steps, peers=engines, features=features, four_contexts=engine in four_contexts
        )
        for n, engine in enumerate(engines)
    }
    rings: dict[int, dict[str, Any]] = {
        0: {"base": 8192, "size": 128, "contents": list(range(1, 40))},
        1: {"base": 8192 + 512, "size": 128, "flag_empty": True},
        5: {"base": 10_240, "size": 128, "contents": list(range(100, 140))},
    }
    pair = Pair(resolve_hardware(overrides=overrides), programs, rings, four_contexts)
    pair.fill(0x9E3779B1 + seed)
    pair.fill_queues(seed)
    pair.set_hash_multipliers([0x12345678 + seed, 0xABCD, 0x9ABCDEF0, 0x13579BDF, 1, 2, 3, 0x80000001])
    return pair


def agree(
    seed: int,
    engines: tuple[int, ...],
    *,
    cycles: int,
    steps: int,
    overrides: dict[str, int],
    features: float = 0.0,
    four: bool = False,
) -> None:
    pair = pair_of(seed, engines, steps=steps, features=features, overrides=overrides, four=four)
    # in two pieces, cut at an arbitrary cycle: the cut must not show
    cut = random.Random(seed).randrange(1, cycles)
    pair.run(cut)
    assert pair.differences(cut) == []
    pair.run(cycles)
    assert pair.differences(cycles) == []
    assert pair.reference.fault is not None or sum(pair.chip["me"]["commands"].tolist()) > 0


@pytest.mark.parametrize("seed", range(60))
def test_two_microengines_agree(seed: int) -> None:
    """In one cluster for odd seeds, in two for even ones."""
    agree(seed, (0, 1 if seed % 2 else 4), cycles=CYCLES, steps=25, overrides=VARIANTS[seed % len(VARIANTS)])


@pytest.mark.parametrize("seed", range(200, 324))
def test_all_of_the_microengine_agrees(seed: int) -> None:
    """Neighbours for odd seeds, MEs of both clusters for even ones; four contexts beside eight for every fourth."""
    agree(
        seed,
        (3, 4) if seed % 2 else (0, 5),
        cycles=3_000,
        steps=25,
        overrides=VARIANTS[seed % len(VARIANTS)] | QUEUE_VARIANTS[seed % len(QUEUE_VARIANTS)],
        features=0.7,
        four=seed % 4 == 0,
    )


_WAITS = """\
.reg $x[8] $$x zero
.xfer_order $$x
.sig s
br=ctx[1, choose#]
br!=ctx[0, end#]
{nops}{command}, sig_done[s]
ctx_arb[s]
local_csr_rd[PROFILE_COUNT]
immed[zero, 0]
alu[*l$index0++, --, B, zero]
end#:
ctx_arb[kill]
choose#:
ctx_arb[voluntary], br[choose#]
"""


@pytest.mark.parametrize(
    ("command", "overrides"),
    [
        ("dram[read, $$x, zero, 0, 1]", {"dbus.quadword_cycles": 1, "push.latency": 2}),
        ("scratch[read, $x[0], zero, 0, 1]", {"sbus.longword_cycles": 1, "push.latency": 2}),
        ("sram[read, $x[0], zero, 0, 8]", {"sbus.longword_cycles": 16, "dbus.media_quadword_cycles": 16}),
        ("hash_48[$x[0], 1]", {"scratch.longword_cycles": 16, "hash.latency_48": 2, "msf.status_latency": 256}),
    ],
)
def test_a_context_is_chosen_in_the_cycle_of_its_signal(command: str, overrides: dict[str, int]) -> None:
    """Another context yields all the time, in every position to the signal: nothing runs ahead of a delivery."""
    for nops in range(6):
        words = words_of(_WAITS.format(nops="nop\n" * nops, command=command))
        pair = Pair(resolve_hardware(overrides=overrides), {0: words})
        pair.run(1_000)
        assert pair.reference.fault is None and pair.reference.me[0].local_memory[0] > 0
        assert pair.differences(1_000) == [], nops


@pytest.mark.parametrize("seed", range(1_000, 1_016))
def test_eight_microengines_agree(seed: int) -> None:
    features = 0.5 if seed % 2 else 0.0
    agree(seed, tuple(range(8)), cycles=2_000, steps=15, overrides=VARIANTS[seed % len(VARIANTS)], features=features)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2_000, 4_000))
def test_many_random_programs_agree(seed: int) -> None:
    source = random.Random(seed)
    engines = tuple(sorted(source.sample(range(8), source.choice((2, 2, 3, 8)))))
    agree(
        seed,
        engines,
        cycles=CYCLES,
        steps=40,
        overrides=VARIANTS[seed % len(VARIANTS)] | QUEUE_VARIANTS[seed % len(QUEUE_VARIANTS)],
        features=source.choice((0.0, 0.3, 0.7)),
        four=source.random() < 0.2,
    )
