"""The frozen programs of the benchmark: what each loads, and how many cycles are run.

A figure compares with another of the same program only, so programs, configurations and lengths are not changed; a new
question gets a new program. All counters of the engine are on, as always. No program skips what repeats (it would not
measure the engine any more) but the one whose question that is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from ixp_emu.assembler import assemble, parse
from ixp_emu.bench.files import WORKLOADS
from ixp_emu.chip.chip import Memories, configure_ring, initialise, load_program, new_chips
from ixp_emu.chip.clock import advance_unlinked
from ixp_emu.chip.codes import FAULT_NAMES
from ixp_emu.chip.hardware import resolve_hardware
from ixp_emu.chip.idling import skip_nothing
from ixp_emu.chip.layout import CONTEXTS, ENGINES
from ixp_emu.chip.rows import build_rows
from ixp_emu.chip.translate import translate_programs
from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.run import ClusterRun

__all__ = ["PROGRAMS", "BenchProgram", "Loaded"]

_PRESET = "ixp2400-600"
_RING_BYTES = 512
_PAIR_CONTEXTS = 2
_WIRE_BYTES = 84
"""Of a 64-byte frame at line rate, with preamble and gap."""
_BYTE_NS = 8
_SPARE_FRAMES = 1.05
"""Flows spread over the ports evenly but for a few per cent."""


class Loaded(Protocol):
    """A program ready to run.

    Attributes:
        chips: CHIP records.
        me_clock_hz: of all chips.
    """

    chips: NDArray[Any]
    me_clock_hz: int

    @property
    def now(self) -> int:
        """Cycles executed."""

    def advance(self, until: int) -> None:
        """Run up to (excluding) a cycle. Raises AssertionError if the program does not get there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchProgram:
    """A frozen program.

    Attributes:
        name: key in the results.
        about: for the reader of the table.
        warmup_cycles: run before anything is measured.
        cycles: of one measured run; the next one goes on where it stopped.
        load: builds the machine, with traffic up to the cycle given.
    """

    name: str
    about: str
    warmup_cycles: int
    cycles: int
    load: Callable[[int], Loaded]


class _Microengines:
    """One chip whose microengines run small programs; no media."""

    def __init__(
        self,
        source: str,
        *,
        defines: Callable[[int], Mapping[str, int]] = lambda engine: {},
        rings: Mapping[int, int] | None = None,
        contexts: int = CONTEXTS,
        skip: bool = False,
    ) -> None:
        """``defines`` by ME number; ``rings``: ring number -> tokens in it at the start; ``contexts`` of each ME.

        With ``skip``, cycles that only repeat are skipped.
        """
        hardware = resolve_hardware(_PRESET)
        self.chips = new_chips(1)
        self._memories = Memories(hardware)
        self.now = 0
        self.me_clock_hz = hardware["me_clock_khz"] * 1_000
        initialise(self.chips[0], hardware, self._memories)
        for ring, tokens in (rings or {}).items():
            contents = range(1, tokens + 1)
            configure_ring(self.chips[0], ring, base=ring * _RING_BYTES, size=_RING_BYTES // 4, contents=contents)
        programs: dict[tuple[tuple[str, int], ...], tuple[tuple[int, ...], NDArray[Any]]] = {}
        for engine in range(ENGINES):
            symbols = defines(engine)
            key = tuple(symbols.items())
            if key not in programs:
                parsed = parse(WORKLOADS / source, defines=symbols, include_dirs=["builtin:"])
                words = tuple(assemble(parsed).words)
                programs[key] = words, build_rows(words)
            words, rows = programs[key]
            load_program(self.chips[0], engine, words, rows=rows, contexts=(1 << contexts) - 1)
        if not skip:
            skip_nothing(self.chips)
        translate_programs(self.chips)

    def advance(self, until: int) -> None:
        advance_unlinked(self.chips, until)
        fault = int(self.chips[0]["fault"])
        if fault:
            raise AssertionError(f"cycle {int(self.chips[0]['fault_time']):,}: {FAULT_NAMES[fault]}")
        self.now = until


class _Cluster:
    """A cluster with traffic, run as `ixpemu run` does, frames matched at egress included; one thread."""

    def __init__(self, file: str, until: int) -> None:
        """Offers what the lines can bring before cycle ``until``."""
        config = load_config(WORKLOADS / file)
        self.me_clock_hz = config.hardware["me_clock_khz"] * 1_000
        seconds = until / self.me_clock_hz
        frames = int(_SPARE_FRAMES * seconds * 1e9 / (_WIRE_BYTES * _BYTE_NS)) + 1
        overrides = [f"run.offered_packets={frames * len(config.traffic.into)}"]
        self._run = ClusterRun(load_config(WORKLOADS / file, overrides=overrides), threads=1)
        self.chips = self._run.machine.chips
        skip_nothing(self.chips)
        translate_programs(self.chips)

    @property
    def now(self) -> int:
        return self._run.now

    def advance(self, until: int) -> None:
        self._run.run(cycles=until)
        if self._run.now != until or self._run.fault:
            raise AssertionError(f"the run ended at cycle {self._run.now:,} of {until:,}: {self._run.fault or 'done'}")


def _reader(memory: str, *, block_bits: int, stride: int, limit_bits: int) -> Callable[[int], Loaded]:
    symbols = {name: int(name == memory) for name in ("SCRATCH", "SRAM", "DRAM")}
    symbols |= {"BLOCK_BITS": block_bits, "STRIDE": stride, "LIMIT_BITS": limit_bits}
    return lambda until: _Microengines("memory.uc", defines=lambda engine: symbols)


def _ping_pong(until: int) -> Loaded:
    """MEs 0 and 1, 2 and 3, ... pass tokens to and fro; ME m takes from ring m and puts into its partner's."""
    return _Microengines(
        "ring_ping_pong.uc",
        defines=lambda engine: {"IN": engine, "OUT": engine ^ 1},
        rings={ring: _PAIR_CONTEXTS * (1 - ring % 2) for ring in range(ENGINES)},
        contexts=_PAIR_CONTEXTS,
    )


def _idle(*, skip: bool) -> Callable[[int], Loaded]:
    """ME m polls ring m."""
    rings = dict.fromkeys(range(ENGINES), 0)
    return lambda until: _Microengines(
        "idle_polling.uc", defines=lambda engine: {"RING": engine}, rings=rings, skip=skip
    )


PROGRAMS: tuple[BenchProgram, ...] = (
    BenchProgram(
        name="forwarder",
        about="IPv4 forwarder at saturation, 64-byte frames, 3 ports",
        warmup_cycles=4_000_000,  # until buffers and MACs are full
        cycles=16_000_000,
        load=lambda until: _Cluster("forwarder.toml", until),
    ),
    BenchProgram(
        name="compute",
        about="ALU loop on 8 MEs",
        warmup_cycles=10_000,
        cycles=20_000_000,
        load=lambda until: _Microengines("compute.uc"),
    ),
    BenchProgram(
        name="memory_scratch",
        about="8 MEs x 8 contexts read scratch",
        warmup_cycles=10_000,
        cycles=6_000_000,
        load=_reader("SCRATCH", block_bits=8, stride=4, limit_bits=14),
    ),
    BenchProgram(
        name="memory_sram",
        about="8 MEs x 8 contexts read SRAM channel 0",
        warmup_cycles=10_000,
        cycles=8_000_000,
        load=_reader("SRAM", block_bits=12, stride=4, limit_bits=22),
    ),
    BenchProgram(
        name="memory_dram",
        about="8 MEs x 8 contexts read DRAM, all banks",
        warmup_cycles=10_000,
        cycles=12_000_000,
        load=_reader("DRAM", block_bits=16, stride=136, limit_bits=24),
    ),
    BenchProgram(
        name="ring_ping_pong",
        about="4 pairs of MEs pass tokens through scratch rings",
        warmup_cycles=10_000,
        cycles=12_000_000,
        load=_ping_pong,
    ),
    BenchProgram(
        name="idle_polling",
        about="one context of each of 8 MEs polls an empty ring",
        warmup_cycles=10_000,
        cycles=24_000_000,
        load=_idle(skip=False),
    ),
    BenchProgram(
        name="idle_polling_skipped",
        about="the same, its repetitions skipped",
        warmup_cycles=10_000,
        cycles=24_000_000,
        load=_idle(skip=True),
    ),
    BenchProgram(
        name="ring_of_4_chips",
        about="4 linked chips forward 64-byte frames",
        warmup_cycles=500_000,
        cycles=5_000_000,
        load=lambda until: _Cluster("ring_of_4.toml", until),
    ),
    BenchProgram(
        name="ring_of_16_chips",
        about="16 linked chips forward 64-byte frames",
        warmup_cycles=200_000,
        cycles=1_000_000,
        load=lambda until: _Cluster("ring_of_16.toml", until),
    ),
)
