"""Published trends: what was measured on real chips of the family, as a direction and a ratio, not as a number."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from ixp_emu.calibrate.model import Cited, Row, Series, row
from ixp_emu.calibrate.rules import at_least, at_most, bound, equal, within
from ixp_emu.calibrate.threads import Reading
from ixp_emu.calibrate.workbench import Prepare, Workbench
from ixp_emu.chip.hardware import Hardware
from ixp_emu.chip.layout import CONTEXTS, ENGINES, SRAM0

__all__ = ["bloom_cycles", "trend_rows"]

GROUP = "trends"
_THREADS = Cited("IXP2400 intrusion prevention, 2007: throughput follows the total of threads", "measured")
_ENGINES = Cited("IXP2800 packet classification, 2006: sub-linear over MEs by command FIFOs and SRAM buses", "measured")
_BLOOM = Cited(
    "IXP2800 counting Bloom filter, 10 probes: 700 cycles shared, 120 local; 70 a shared reference", "measured"
)
_SHARED_CYCLES, _LOCAL_CYCLES, _REFERENCE_CYCLES = 700, 120, 70
_SHARED = 0.10
"""What the few instructions between two references may add."""
_COUNTERS = 512
_ALIKE = 0.05


def trend_rows(hardware: Hardware, *, quick: bool = False, prepare: Prepare | None = None) -> Iterator[Row | Series]:
    """The group's rows, and the speed-up over microengines for the figure.

    Parameters:
        quick: fewer points, shorter windows.
    """
    cycles = 20_000 if quick else 60_000
    yield from _thread_rows(hardware, cycles, prepare)
    yield from _engine_rows(hardware, cycles, prepare, quick=quick)
    yield from _bloom_rows(hardware, prepare)


def _thread_rows(hardware: Hardware, cycles: int, prepare: Prepare | None) -> Iterator[Row]:
    """The same total of threads over few or many microengines, before and after these saturate."""
    light = Reading(hardware=hardware, compute=5, prepare=prepare)
    for threads in (4, 8):
        rates = [
            light.measure([threads // engines] * engines, cycles=cycles).reads
            for engines in (1, 2, 4, 8)
            if engines <= threads
        ]
        yield row(
            GROUP, f"{threads} threads on 1 to {min(threads, ENGINES)} MEs: fastest over slowest split", "ratio",
            _THREADS, within(1.0, _ALIKE), max(rates) / min(rates),
        )  # fmt: skip
    heavy = Reading(hardware=hardware, compute=60, prepare=prepare)
    half, full = (heavy.measure([count], cycles=cycles).reads for count in (CONTEXTS // 2, CONTEXTS))
    expected = heavy.most([CONTEXTS]) / heavy.most([CONTEXTS // 2])
    yield row(
        GROUP, "8 threads over 4 on an ME that 4 saturate", "ratio", _THREADS, within(expected, _ALIKE), full / half
    )


def _engine_rows(hardware: Hardware, cycles: int, prepare: Prepare | None, *, quick: bool) -> Iterator[Row | Series]:
    """Eight threads on each of 1 to 8 microengines; the channel serves fewer than eight such."""
    reading = Reading(hardware=hardware, compute=60, target=SRAM0, units=4, prepare=prepare)
    engines = (1, 2, 4, 8) if quick else tuple(range(1, ENGINES + 1))
    measured = {count: reading.measure([CONTEXTS] * count, cycles=cycles) for count in engines}
    speedup = {count: found.reads / measured[1].reads for count, found in measured.items()}
    alone = reading.most([CONTEXTS])
    curve = {count: reading.most([CONTEXTS] * count) / alone for count in engines}
    for count in (2, ENGINES):
        yield row(
            GROUP, f"speed-up of {count} MEs that read 16 bytes of SRAM", "ratio", _ENGINES,
            bound(curve[count], _ALIKE, slack=0.01 * curve[count]), speedup[count],
        )  # fmt: skip
    # the channel serves the MEs of the knee; the others' share is lost where commands wait for it
    lost = max(0.0, 1 - reading.busy_cycles * reading.channel / ENGINES)
    yield row(
        GROUP, "cycles that 8 MEs stall on their full command FIFOs", "share", _ENGINES, within(lost, _ALIKE),
        measured[ENGINES].stalled,
    )  # fmt: skip
    yield row(
        GROUP, "cycles that one ME stalls", "share", _ENGINES, equal(0), measured[1].stalled
    )  # fmt: skip
    yield row(
        GROUP, "speed-up of 8 MEs by that of 8 independent ones", "ratio", _ENGINES,
        at_most(0.9, text="sub-linear: at most .9"), speedup[ENGINES] / ENGINES,
    )  # fmt: skip
    efficiency = [speedup[count] / count for count in engines]
    yield row(
        GROUP, "largest gain of speed-up an ME when more are added", "ratio", _ENGINES,
        at_most(1.01, text="no ME gains by another: at most 1.01"),
        max(later / earlier for earlier, later in pairwise(efficiency)),
    )  # fmt: skip
    yield Series(
        figure="engines", name="8 threads each, 16 bytes of SRAM, 60 instructions",
        x=[float(count) for count in engines], measured=list(speedup.values()), curve=list(curve.values()),
        knee=reading.busy_cycles * reading.channel,
    )  # fmt: skip


def bloom_cycles(hardware: Hardware, *, local: bool, prepare: Prepare | None = None) -> int:
    """Cycles of a lookup in the filter, all counters set."""
    bench = Workbench(hardware, prepare=prepare)
    bench.fill_local_memory(0, [1] * _COUNTERS)
    bench.memories.words[SRAM0][:_COUNTERS] = 1
    bench.load("bloom.uc", engines=[0], contexts=1, LOCAL=int(local))
    bench.run(10_000)
    return bench.local_memory(0, _COUNTERS + 1)[_COUNTERS]


def _bloom_rows(hardware: Hardware, prepare: Prepare | None) -> Iterator[Row]:
    shared, local = (bloom_cycles(hardware, local=place, prepare=prepare) for place in (False, True))
    scaled = _SHARED_CYCLES * hardware["sram.idle_latency"] / _REFERENCE_CYCLES
    yield row(
        GROUP, "Bloom filter of 10 probes in shared SRAM, at this chip's latency a reference", "cycles", _BLOOM,
        within(scaled, _SHARED), shared,
    )  # fmt: skip
    yield row(
        GROUP, "Bloom filter of 10 probes in local memory", "cycles", _BLOOM,
        at_most(_LOCAL_CYCLES, text="at most the published 120: the probe is 7 instructions of assembler"), local,
    )  # fmt: skip
    yield row(
        GROUP, "Bloom filter, shared over local", "ratio", _BLOOM,
        at_least(_SHARED_CYCLES / _LOCAL_CYCLES, text="at least the published 700 to 120"), shared / local,
    )  # fmt: skip
