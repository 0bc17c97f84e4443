"""Invariants of the reference model under load: nothing is lost or faster than idle, every cycle is counted."""

from __future__ import annotations

import random

import pytest

from ixp_emu.chip.hardware import resolve_hardware

from . import ReferenceChip
from .encode import KILL, NOP, alu, ctx_arb, dram, hash_unit, immediate, msf, scratch, sram, transfer


def random_program(source: random.Random, *, commands: int) -> list[int]:
    """Commands to all units, each waited for, some in pairs, with 0 to 5 instructions between; ends with kill."""
    words: list[int] = []
    for _ in range(commands):
        count = source.randint(1, 8)
        address = 8 * source.randint(0, 7)
        kind = source.randint(0, 6)
        words += [alu("+", transfer(source.randint(0, 15), dram=bool(kind % 2)), immediate(source.randint(0, 255)), 0)]
        words += [NOP] * source.randint(0, 5)
        if kind < 3:
            target = (scratch, sram, msf)[kind]
            words += [target(source.randint(0, 1), address, count=count, signal=1, wait=1, defer=source.randint(0, 2))]
            words += [NOP, NOP]
        elif kind < 5:
            words += [dram(source.randint(0, 1), address, count=count, signal=2), sram(0, address, signal=4)]
            words += [ctx_arb(2, 3, 4)]
        elif kind == 5:
            words += [scratch(5, address, token=1, signal=6), ctx_arb(6, 7)]
        else:
            words += [hash_unit(source.randint(0, 2), source.randint(1, 3), signal=1, wait=1)]
    return [*words, KILL]


@pytest.mark.parametrize("seed", [1, 2])
def test_every_command_completes_and_every_cycle_is_counted(seed: int) -> None:
    source = random.Random(seed)
    hardware = resolve_hardware()
    chip = ReferenceChip(hardware, ports=1)
    for me in range(8):
        chip.load(me, random_program(source, commands=6))
    chip.run(20_000)
    assert chip.fault is None
    for engine in chip.me:
        assert engine.executing + engine.aborted + engine.stalled + engine.idle == 20_000
        assert sum(engine.instructions) == engine.executing
        assert all(context.wakeup == 1 << 16 for context in engine.contexts), "all have reached kill"
        assert not engine.fifo
    for name, unit in chip.units.items():
        counters = unit.counters
        assert not unit.inlet
        if name != "dram":
            assert len(counters.latencies) == counters.references
        idle = hardware[{"sram0": "sram", "sram1": "sram"}.get(name, name) + ".idle_latency"]
        assert all(latency >= idle - 1 for latency in counters.latencies)
    for bus in chip.buses.values():
        assert not any(bus.queues.values())
    assert len(chip.dram_unit.counters.latencies) == chip.dram_unit.counters.references


def test_two_runs_are_the_same() -> None:
    def run() -> tuple[object, ...]:
        source = random.Random(7)
        chip = ReferenceChip(resolve_hardware())
        for me in (0, 3, 6):
            chip.load(me, random_program(source, commands=4))
        chip.run(2_000)
        return tuple(tuple(unit.counters.latencies) for unit in chip.units.values())

    assert run() == run()
