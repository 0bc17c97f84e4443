"""The calibration: the model passes, a model with one wrong number does not, and the expectations are derived."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ixp_emu.calibrate.command import calibrate
from ixp_emu.calibrate.groups import GROUPS
from ixp_emu.calibrate.latency import probes
from ixp_emu.calibrate.model import CAVEAT, Calibration
from ixp_emu.calibrate.queueing import waiting_time
from ixp_emu.calibrate.threads import Reading, spread
from ixp_emu.calibrate.workbench import PROGRAMS, Workbench
from ixp_emu.chip.hardware import resolve_hardware
from ixp_emu.chip.layout import DRAM, SCRATCH, SRAM0
from ixp_emu.errors import InputError

HARDWARE = resolve_hardware()


@pytest.fixture(scope="module")
def quick() -> Calibration:
    return calibrate(HARDWARE, quick=True)


def failed(found: Calibration) -> list[str]:
    return [row.what for row in found.rows if row.verdict == "fail"]


# --- the model passes -----------------------------------------------------------------------------------------------


def test_a_few_rows_of_each_group_pass(quick: Calibration) -> None:
    assert failed(quick) == []
    assert (quick.passed, quick.failed) == (len(quick.rows), 0)
    for group in GROUPS:
        assert sum(row.group == group.name for row in quick.rows) >= 2
    assert {row.strength for row in quick.rows} <= {"documented", "measured", "inferred", "assumed"}
    assert "do not validate it against silicon" in quick.caveat == CAVEAT


@pytest.mark.long
def test_all_rows_pass() -> None:
    found = calibrate(HARDWARE)
    assert failed(found) == []
    assert len(found.rows) >= 40
    assert {(row.group, row.what) for row in found.rows if found.rows.count(row) > 1} == set()


@pytest.mark.long
@pytest.mark.parametrize(
    "overrides",
    [
        {"scratch.idle_latency": 63, "sram.idle_latency": 131, "dram.idle_latency": 125, "msf.idle_latency": 73},
        {"me_clock_khz": 400_000},
        {"command.fifo_latency": 3, "push.latency": 9, "pull.latency": 4},
        {"sram.longword_cycles": 4, "dram.quadword_cycles": 3, "hash.key_cycles": 9},
    ],
    ids=str,
)
def test_expectations_follow_the_hardware(overrides: dict[str, int]) -> None:
    assert failed(calibrate(resolve_hardware(overrides=overrides))) == []


def test_one_group_alone() -> None:
    found = calibrate(HARDWARE, quick=True, only=["ddr"])
    assert {row.group for row in found.rows} == {"ddr"}


def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        calibrate(HARDWARE, only=["ddr", "speed"])
    assert str(caught.value) == (
        '--only: no group "speed"; there are latency, bandwidth, threads, bounds, load, trends, firmware, ddr'
    )


# --- a wrong number is found ----------------------------------------------------------------------------------------


def _slower(field: str, index: int | None, cycles: int) -> Callable[[Any], None]:
    def prepare(chip: Any) -> None:
        if index is None:
            chip[field] += cycles
        else:
            chip[field][index] += cycles

    return prepare


BROKEN = [
    ("latency", _slower("delay", SCRATCH, 3), "scratch read, 1 longword", "SRAM 0 read, 2 longwords"),
    ("latency", _slower("delay", DRAM, 4), "DRAM write, open row, 2 quadwords", "scratch read, 1 longword"),
    ("latency", _slower("neighbor_register_latency", None, 1), "next neighbour register, producer to consumer",
     "next neighbour signal"),
    ("bandwidth", _slower("longword_cycles", SRAM0, 1), "QDR at 200 MHz, one channel, reads", "MSF reads"),
    ("bandwidth", _slower("longword_cycles", SRAM0, -1), "QDR at 200 MHz, one channel, writes", "MSF reads"),
    ("bandwidth", _slower("hash_cycles", None, 1), "hash unit, 48-bit keys", "scratch writes"),
    ("bandwidth", _slower("msf_khz", None, -5_000), "SPI-3 at 104 MHz, transmit", "GbE port, transmit, 64-byte frames"),
    ("threads", _slower("delay", SRAM0, 9),
     "8 threads of an ME, an SRAM longword each, 10 instructions between, swap slots filled",
     "threads that saturate the D bus with 64-byte DRAM reads"),
    ("bounds", _slower("delay", SRAM0, -9),
     "20 instructions between SRAM reads, 1 to 64 threads: largest share of the bound",
     "20 instructions between SRAM reads, 1 to 64 threads: smallest share, below .7 and above 1.5 of the knee"),
    ("bounds", _slower("delay", SRAM0, 9),
     "20 instructions between SRAM reads, 1 to 64 threads: smallest share, below .7 and above 1.5 of the knee",
     "20 instructions between SRAM reads, 1 to 64 threads: largest share of the bound"),
    ("load", _slower("longword_cycles", SRAM0, 1),
     "SRAM write port, wait at load 0.8, service 24 cycles, 100,000 requests",
     "scratch, wait at load 0.8, service 16 cycles, 100,000 requests"),
    ("trends", _slower("longword_cycles", SRAM0, 3), "speed-up of 8 MEs that read 16 bytes of SRAM",
     "Bloom filter of 10 probes in local memory"),
    ("firmware", _slower("delay", SCRATCH, 100), "transmit alone", "transmit, references to DRAM"),
]  # fmt: skip


@pytest.mark.parametrize(("group", "prepare", "broken", "sound"), BROKEN, ids=[f"{c[0]}-{c[2]}" for c in BROKEN])
def test_a_wrong_number_in_the_chip_fails_the_right_row(
    group: str, prepare: Callable[[Any], None], broken: str, sound: str
) -> None:
    rows = {row.what: row for row in calibrate(HARDWARE, only=[group], quick=True, prepare=prepare).rows}
    assert rows[broken].verdict == "fail"
    assert rows[sound].verdict == "pass"


@pytest.mark.parametrize(
    "fields",
    [("dram_ras", "dram_row_cycle"), ("dram_activate_gap",), ("dram_turnaround",), ("refresh_cycles",)],
    ids=str,
)
def test_a_controller_that_cuts_a_time_short_breaks_a_rule(fields: tuple[str, ...]) -> None:
    """tRAS alone is kept by tRC, and the other way round."""

    def prepare(chip: Any) -> None:
        for field in fields:
            chip[field] -= 4

    rows = calibrate(HARDWARE, only=["ddr"], quick=True, prepare=prepare).rows
    assert any(row.measured > 0 and row.verdict == "fail" for row in rows)


def test_a_unit_that_falls_behind_fails_and_ends() -> None:
    """At load 0.8 with twice the service time more wait than there is room for commands."""
    rows = calibrate(HARDWARE, only=["load"], quick=True, prepare=_slower("longword_cycles", SRAM0, 3)).rows
    row = next(row for row in rows if row.what.startswith("SRAM write port, wait at load 0.8"))
    assert row.verdict == "fail"
    assert row.measured > 10 * row.expected


# --- where expectations come from -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "what", "times"),
    [
        ("scratch.idle_latency", "scratch read, 8 longwords", 1),
        ("sram.longword_cycles", "SRAM 1 read, 8 longwords", 7),
        ("sbus.longword_cycles", "scratch ring get, 8 longwords", 0),  # the ring's own longwords are as slow
        ("dbus.quadword_cycles", "DRAM read, open row, 4 quadwords", 3),
        ("dram.activate", "DRAM read, another row open: + tRP + tRCD", 1),
        ("dram.precharge", "DRAM read, another row open: + tRP + tRCD", 1),
        ("hash.latency_128", "hash_128, 3 keys", 1),
        ("hash.key_cycles", "hash_48, 3 keys", 2),
        ("cap.signal_latency", "CAP fast_wr to the signal of a thread", 1),
        ("pci.latency", "PCI CSR read", 1),
        ("pull.latency", "reflector write, 1 register", 1),
        ("msf.longword_cycles", "MSF write, 4 longwords", 3),
    ],
)
def test_an_expected_latency_grows_with_its_parameter(parameter: str, what: str, times: int) -> None:
    def expected(value: int) -> float:
        changed = resolve_hardware(overrides={"scratch.longword_cycles": 6, parameter: value})
        return next(probe.expected for probe in probes(changed) if probe.what == what)

    value = HARDWARE[parameter]
    assert expected(value + 2) - expected(value) == 2 * times


def test_the_closed_form_of_threads_in_numbers() -> None:
    """The example of the architecture's literature: 90 cycles of SRAM, 10 instructions, a longword in 3 cycles."""
    reading = Reading(hardware=HARDWARE, compute=10)
    assert (reading.round_cycles, reading.busy_cycles, reading.channel) == (90 + 10, 1 + 10 + 2, 1 / 3)
    assert reading.most([1]) == 1 / 99  # a read that issues on an odd cycle waits 89
    assert reading.most([8]) == 1 / 13
    assert reading.most([8] * 8) == 1 / 3
    assert reading.knee(8) == pytest.approx(100 / 3)
    assert reading.least_threads == 8  # 1 + 87 / 13 = 7.7
    filled = Reading(hardware=HARDWARE, compute=10, filled=True)
    assert (filled.round_cycles, filled.busy_cycles) == (90 + 8, 1 + 10)


def test_threads_are_dealt_in_turn() -> None:
    assert spread(1) == [1, 0, 0, 0, 0, 0, 0, 0]
    assert spread(11) == [2, 2, 2, 1, 1, 1, 1, 1]
    assert spread(64) == [8] * 8


def test_the_wait_of_a_queue_in_numbers() -> None:
    assert waiting_time(0.5, 24) == 12
    assert waiting_time(0.8, 24) == pytest.approx(48)
    assert waiting_time(0.0, 24) == 0


# --- the workbench --------------------------------------------------------------------------------------------------


def test_every_program_says_what_it_does() -> None:
    for program in PROGRAMS.glob("*.uc"):
        assert program.read_text(encoding="utf-8").startswith("// "), program.name


def test_hardware_that_a_program_does_not_fit_is_the_users_to_mend() -> None:
    bench = Workbench(resolve_hardware(overrides={"dram.size_bytes": 1 << 20}))
    bench.load(
        "stream.uc", COMMAND="dram[read, $$data[0], address, 0, 8], ctx_swap[done]", BASE=0, START_SHIFT=20, STEP=0
    )
    with pytest.raises(InputError) as caught:
        bench.run(1_000)
    text = "hardware: a microbenchmark needs more than this chip has: access outside a memory in cycle "
    assert str(caught.value).startswith(text)
