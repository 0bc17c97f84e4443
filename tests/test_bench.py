"""`ixpemu bench`: its programs do what they say, its figures are as documented, the engine takes no more steps.

Nothing here depends on how fast the machine is.
"""

from __future__ import annotations

import dataclasses
import re
import subprocess
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ixp_emu import __version__
from ixp_emu.assembler import assemble, parse
from ixp_emu.bench import run_bench
from ixp_emu.bench.bare import new_bare, run_bare, time_bare
from ixp_emu.bench.files import WORKLOADS
from ixp_emu.bench.measure import Counts, ProcessSeconds, Run, count, figures, seconds_of_process
from ixp_emu.bench.model import SCHEMA, BenchReport, CostFigures, ProgramFigures, ThreadFigures, read_bench, write_bench
from ixp_emu.bench.programs import PROGRAMS, Loaded
from ixp_emu.bench.scaling import COSTS, Scale, measure_bare_speedup, measure_costs, measure_threads, open_run
from ixp_emu.bench.table import print_bench
from ixp_emu.chip.chip import Memories, initialise, load_program, new_chips
from ixp_emu.chip.clock import advance_unlinked
from ixp_emu.chip.codes import Kind
from ixp_emu.chip.hardware import resolve_hardware
from ixp_emu.chip.layout import TARGET_NAMES

DOCUMENT = Path(__file__).parents[1] / "docs" / "bench.md"
BY_NAME = {program.name: program for program in PROGRAMS}
PARTS = {"programs": ProgramFigures, "costs": CostFigures, "threads": ThreadFigures}
WARMUP_CYCLES, CYCLES = 20_000, 50_000
LINE_CYCLES = 84 * 8 * 0.6
"""ME cycles between two 64-byte frames of a gigabit port: 84 bytes on the wire, 8 ns each, at 600 MHz."""


def warm(name: str, *, cycles: int = CYCLES) -> Loaded:
    loaded = BY_NAME[name].load(WARMUP_CYCLES + cycles)
    loaded.advance(WARMUP_CYCLES)
    return loaded


# --- engine steps: the regression guard -----------------------------------------------------------------------------

# A read needs three steps: its ME wakes, runs and sleeps; the command bus grants; the push bus grants (for a put, the
# pull bus). Scratch, SRAM and MSF serve ahead of the clock without a step of their own; where a memory is saturated,
# each place that comes free wakes both command buses, and both find it taken or leave it to the other.
WAKE, GRANT, PUSH, REFUSED = 1, 1, 1, 2
STALL = 1  # DRAM is so far behind that command FIFOs are full: an ME waits for a grant before it issues
DRAM_SERVE = 2  # taken into its bank's queue, then scheduled
# Of a frame of one mpacket, eight events of the media: on each side the first and the last bit on the wire, the start
# and the end of its way over the bus to the chip. The forwarder spends 20 commands or more on it, 4 of them to DRAM;
# two of its wakes are for a turn alone, in receive and in forward, without a command of their own.
FORWARDING = WAKE + GRANT + PUSH + (4 * DRAM_SERVE + 8 + 2) / 20
STEPS_PER_COMMAND = {
    "forwarder": FORWARDING,
    "memory_scratch": WAKE + GRANT + PUSH + REFUSED,
    "memory_sram": WAKE + GRANT + PUSH + REFUSED,
    "memory_dram": WAKE + STALL + GRANT + DRAM_SERVE + PUSH + REFUSED,
    "ring_ping_pong": WAKE + GRANT + PUSH,
    "idle_polling": WAKE + GRANT + PUSH,
    "ring_of_4_chips": FORWARDING,
    "ring_of_16_chips": FORWARDING,
}
MARGIN = 1.15
"""An ME that must wait for the clock in the middle of a stretch takes a step more, as may a refused grant."""


@pytest.mark.parametrize("name", STEPS_PER_COMMAND)
def test_the_engine_takes_few_steps_per_command(name: str) -> None:
    counts, _ = count(warm(name), CYCLES)
    assert counts.commands > CYCLES / 100  # it does something
    assert counts.steps <= MARGIN * STEPS_PER_COMMAND[name] * counts.commands


def test_an_engine_without_commands_runs_through() -> None:
    counts, _ = count(warm("compute"), CYCLES)
    assert (counts.commands, counts.steps) == (0, 8)  # one an ME


def test_every_program_is_guarded() -> None:
    assert set(BY_NAME) == {*STEPS_PER_COMMAND, "compute", "idle_polling_skipped"}


def test_skipping_counts_what_polling_counts_in_hardly_any_steps() -> None:
    executed, skipped = (
        count(warm(name, cycles=3_000_000), 3_000_000)[0] for name in ("idle_polling", "idle_polling_skipped")
    )
    assert dataclasses.replace(skipped, steps=executed.steps) == executed
    assert skipped.steps < executed.steps / 100


@pytest.mark.parametrize("name", ["idle_polling", "ring_of_4_chips"])
def test_no_other_program_skips(name: str) -> None:
    assert not warm(name).chips["notes"].any()
    assert BY_NAME["idle_polling_skipped"].load(0).chips["notes"].all()


# --- the programs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["memory_scratch", "memory_sram", "memory_dram", "ring_ping_pong", "idle_polling"])
def test_a_memory_program_refers_to_its_memory_alone(name: str) -> None:
    loaded = warm(name)
    loaded.advance(loaded.now + CYCLES)
    references = dict(zip(TARGET_NAMES, loaded.chips[0]["references"].tolist(), strict=True))
    mine = {"memory_sram": "sram0", "memory_dram": "dram"}.get(name, "scratch")
    assert references.pop(mine) > 0
    assert set(references.values()) == {0}


def test_a_context_that_reads_executes_ten_instructions_to_the_next_read() -> None:
    counts, _ = count(warm("memory_scratch"), CYCLES)
    assert counts.instructions == pytest.approx(11 * counts.commands, rel=0.001)  # the 64 contexts are cut anywhere


def test_tokens_are_neither_lost_nor_made() -> None:
    loaded = warm("ring_ping_pong")
    loaded.advance(loaded.now + CYCLES)
    me = loaded.chips[0]["me"]
    in_rings = loaded.chips[0]["ring_count"][:8].reshape(4, 2).sum(axis=1)
    assert (in_rings <= 2).all()
    assert (me["commands"] > 0).all() and loaded.chips[0]["fault"] == 0


def test_an_idle_chip_executes_three_instructions_a_poll() -> None:
    counts, _ = count(warm("idle_polling"), CYCLES)
    assert counts.instructions == pytest.approx(3 * counts.commands, abs=3 * 8)


def test_the_forwarder_sets_the_pace_of_its_lines_and_serves_all_ports() -> None:
    program, cycles = BY_NAME["forwarder"], 400_000
    loaded = program.load(program.warmup_cycles + cycles)
    loaded.advance(program.warmup_cycles)
    before = loaded.chips[0]["port"].copy()
    loaded.advance(loaded.now + cycles)
    ports = loaded.chips[0]["port"]
    entered, left = ((ports[name] - before[name])[:3] for name in ("frames_in", "frames_out"))
    assert 0 < entered.sum() < 0.95 * 3 * cycles / LINE_CYCLES  # the lines wait
    assert left.sum() == pytest.approx(entered.sum(), rel=0.05)  # settled
    assert left == pytest.approx(np.full(3, left.sum() / 3), rel=0.1)
    assert ports["frames_lost"].sum() == 0


def test_each_chip_of_the_ring_sends_half_to_the_next() -> None:
    cycles = 400_000
    loaded = warm("ring_of_4_chips", cycles=cycles)
    loaded.advance(loaded.now + cycles)
    frames_in = loaded.chips["port"]["frames_in"]
    taken, linked = frames_in[:, 0], frames_in[:, 2]
    assert linked == pytest.approx(taken / 2, rel=0.15)
    assert (loaded.chips["port"]["frames_out"][:, 0] > 0).all()


def test_a_cluster_that_ends_early_is_no_measurement() -> None:
    loaded = BY_NAME["forwarder"].load(10_000)
    with pytest.raises(AssertionError, match=r"^the run ended at cycle [\d,]+ of 1,000,000: done$"):
        loaded.advance(1_000_000)


# --- the bare loop --------------------------------------------------------------------------------------------------


def test_the_bare_loop_computes_what_an_engine_computes() -> None:
    cycles = 20_011
    hardware = resolve_hardware()
    chips, memories = new_chips(1), Memories(hardware)
    initialise(chips[0], hardware, memories)
    load_program(chips[0], 0, assemble(parse(WORKLOADS / "plain.uc")).words, contexts=1)
    advance_unlinked(chips, cycles)
    me = chips[0]["me"][0]
    executed = int(me["executing"])
    assert int(me["aborted"]) > 0 and executed + int(me["aborted"]) >= cycles
    bares = new_bare()
    assert run_bare(bares, executed) == executed
    bare = bares[0]
    for name in ("result", "carry", "overflow", "last_a"):
        assert bare[name] == me[name], name
    assert bare["file"][:256].tolist() == me["file"][:256].tolist()


def test_the_bare_loop_goes_on_where_it_stopped() -> None:
    once, twice = new_bare(), new_bare()
    run_bare(once, 12_345)
    run_bare(twice, 12_000)
    run_bare(twice, 345)
    assert once.tobytes() == twice.tobytes()


def test_the_bare_loop_stops_before_what_it_does_not_know() -> None:
    bares = new_bare()
    bares[0]["store"]["kind"][3] = Kind.COMMAND
    assert run_bare(bares, 100) == 3
    with pytest.raises(AssertionError, match=r"^the bare loop stopped after 0 of 5 instructions$"):
        time_bare(bares, 5)


# --- figures --------------------------------------------------------------------------------------------------------


def _run(instructions: int, wall_seconds: float, before: float, after: float, *, commands: int = 20) -> Run:
    counts = Counts(cycles=600, instructions=instructions, commands=commands, steps=80, executing=1_200)
    return Run(counts=counts, wall_seconds=wall_seconds, bare_before=before, bare_after=after)


def test_figures_are_medians_of_runs_and_sums_of_counts() -> None:
    runs = [_run(1_000, 1.0, 3_000, 5_000), _run(1_100, 2.0, 1_000, 1_200), _run(1_200, 4.0, 2_000, 1_000)]
    got = figures(PROGRAMS[0], runs, chips=2, microengines=4, me_clock_hz=600)
    assert (got.runs, got.cycles, got.instructions, got.commands, got.steps) == (3, 1_800, 3_300, 60, 240)
    assert got.wall_seconds == 2.0
    assert got.instructions_per_second == 1_100 / 2
    assert got.me_cycles_per_second == 8 * 2 * 600 / 2
    assert got.busy_share == 3_600 / (4 * 1_800)
    assert got.slowdown == 2.0  # 600 cycles at 600 Hz are one second
    assert got.ns_per_command == 1e9 * 2 / 20
    assert got.steps_per_command == 4.0
    assert got.bare_instructions_per_second == 1_500  # of 4,000, 1,100 and 1,500
    assert got.bare_ratio == 0.25  # of 1,000 / 4,000, 550 / 1,100 and 300 / 1,500


def test_a_program_without_commands_has_no_figures_of_commands() -> None:
    got = figures(PROGRAMS[0], [_run(1_000, 1.0, 1.0, 1.0, commands=0)], chips=1, microengines=1, me_clock_hz=600)
    assert (got.ns_per_command, got.steps_per_command) == (None, None)


def _report(
    *,
    first_compilation_seconds: float | None = None,
    commands: int = 20,
    costs: list[CostFigures] | None = None,
    threads: list[ThreadFigures] | None = None,
) -> BenchReport:
    run = _run(3_000_000, 0.5, 10e6, 14e6, commands=commands)
    return BenchReport(
        schema=SCHEMA,
        version=__version__,
        python="3.11.0",
        numba="0.61.0",
        cpus=2,
        load_average=0.125,
        startup_seconds=0.25,
        engine_load_seconds=0.75,
        small_run_seconds=0.95,
        small_run_cpu_seconds=0.85,
        first_compilation_seconds=first_compilation_seconds,
        peak_memory_bytes=1_500 << 20,
        bare_instructions_per_second=12e6,
        programs=[figures(PROGRAMS[0], [run], chips=1, microengines=8, me_clock_hz=600)],
        costs=costs or [],
        threads=threads or [],
        bare_speedup=1.97 if threads else None,
    )


def _printed(report: BenchReport) -> list[str]:
    out = StringIO()
    print_bench(report, console=Console(file=out))
    return out.getvalue().splitlines()


def test_the_table_says_the_figures() -> None:
    lines = _printed(_report())
    assert [line.split() for line in lines[:3]] == [
        ["program", "M", "instr/s", "M", "ME", "cycles/s", "busy", "slowdown", "ns/cmd", "steps/cmd", "bare", "ratio"],
        ["forwarder", "6.0", "0.0", "0.25", "0.5", "25000000", "4.00", "0.50"],
        [],
    ]
    assert lines[3:] == [
        "bare loop     12.0 M instructions/s",
        "start-up      0.25 s",
        "engine load   0.75 s",
        "small run     0.95 s, 0.85 s of processor time",
        "peak memory   1,500 MB",
        "load average  0.12 at the start, on 2 processors",
    ]


def test_the_table_says_what_was_not_measured_and_what_was_compiled() -> None:
    lines = _printed(_report(first_compilation_seconds=12.34, commands=0))
    assert lines[1].split() == ["forwarder", "6.0", "0.0", "0.25", "0.5", "-", "-", "0.50"]
    assert " ".join(lines[7].split()) == "compilation 12.3 s, once"


def test_the_table_says_what_chips_cost_and_threads_bring() -> None:
    costs = [
        CostFigures(chips=1, link_cycles=None, cpu_ns_per_chip_cycle=30.0, ratio=1.0),
        CostFigures(chips=64, link_cycles=1_000, cpu_ns_per_chip_cycle=36.0, ratio=1.2),
    ]
    threads = [
        ThreadFigures(
            chips=2,
            link_cycles=5_000,
            threads=2,
            workers=2,
            wall_seconds_one_thread=0.5,
            wall_seconds=0.25,
            speedup=2.0,
            cpu_ratio=1.02,
        )
    ]
    rows = [" ".join(line.split()) for line in _printed(_report(costs=costs, threads=threads))[-7:]]
    assert rows == [
        "chips links CPU ns/chip-cycle ratio",
        "1 none 30.0 1.00",
        "64 1,000 cycles 36.0 1.20",
        "",
        "chips links threads workers wall s, 1 thread wall s speed-up CPU ratio",
        "2 5,000 cycles 2 2 0.500 0.250 2.00 1.02",
        "two bare loops that share nothing: 1.97",
    ]


def test_the_document_is_read_back(tmp_path: Path) -> None:
    write_bench(_report(), tmp_path / "bench.json")
    assert read_bench(tmp_path / "bench.json") == _report()


def test_the_command_measures_prints_and_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = tuple(
        dataclasses.replace(BY_NAME[name], warmup_cycles=1_000, cycles=CYCLES) for name in ("compute", "memory_sram")
    )
    monkeypatch.setattr("ixp_emu.bench.command.PROGRAMS", short)
    out = StringIO()
    report = run_bench(tmp_path / "bench.json", console=Console(file=out))
    assert read_bench(tmp_path / "bench.json") == report
    assert [(program.name, program.cycles, program.microengines) for program in report.programs] == [
        ("compute", 3 * CYCLES, 8),
        ("memory_sram", 3 * CYCLES, 8),
    ]
    assert [line.split()[0] for line in out.getvalue().splitlines()[1:3]] == ["compute", "memory_sram"]
    assert (report.schema, report.version) == (SCHEMA, __version__)
    assert report.peak_memory_bytes > 10 << 20


# --- many chips and threads ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [Scale(1), Scale(2), Scale(4, 1_000)], ids=str)
def test_chips_of_a_scaled_cluster_have_the_same_load(scale: Scale) -> None:
    cycles = 400_000
    with open_run(scale, cycles=cycles) as run:
        run.run(cycles=cycles)
        frames_in, lookahead = run.machine.chips["port"]["frames_in"], run.machine.cabling.lookahead
        assert run.fault is None
    offered = cycles / LINE_CYCLES
    assert frames_in[:, 0] == pytest.approx(np.full(scale.chips, offered), rel=0.1)
    linked = 0 if scale.link_cycles is None else offered / 2
    assert frames_in[:, 2] == pytest.approx(np.full(scale.chips, linked), rel=0.15)
    assert set(lookahead[lookahead > 0].tolist()) == ({scale.link_cycles} if scale.link_cycles else set())


def test_costs_and_threads_are_measured() -> None:
    assert measure_bare_speedup(rounds=1) > 0
    costs = measure_costs((Scale(1), Scale(2), Scale(2, 1_000)), rounds=2, chip_cycles=40_000)
    assert [(row.chips, row.link_cycles, row.ratio == 1.0) for row in costs][::2] == [(1, None, True), (2, 1_000, True)]
    assert all(row.cpu_ns_per_chip_cycle > 0 for row in costs)
    linked, close = measure_threads((Scale(2, 1_000), Scale(2, 100)), rounds=2, chip_cycles=40_000)
    assert (linked.workers, close.workers) == (2, 1)
    assert linked.speedup > 0 and linked.cpu_ratio > 0


def test_the_long_form_measures_the_rest_and_compiles_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None]] = []

    def timed(*arguments: str, runs: int = 3, environment: Mapping[str, str] | None = None) -> ProcessSeconds:
        asked.append((arguments[1], (environment or {}).get("IXPEMU_CACHE")))
        return ProcessSeconds(wall=80.0, cpu=79.0)

    cost = CostFigures(chips=4, link_cycles=None, cpu_ns_per_chip_cycle=30.0, ratio=1.0)
    monkeypatch.setattr("ixp_emu.bench.command.PROGRAMS", (dataclasses.replace(BY_NAME["compute"], cycles=1_000),))
    monkeypatch.setattr("ixp_emu.bench.command.seconds_of_process", timed)
    monkeypatch.setattr("ixp_emu.bench.command.measure_costs", lambda scales: [cost] * len(scales))
    monkeypatch.setattr("ixp_emu.bench.command.measure_threads", lambda scales: [])
    monkeypatch.setattr("ixp_emu.bench.command.measure_bare_speedup", lambda: 1.5)
    short = run_bench(console=Console(file=StringIO()))
    assert (short.costs, short.threads, short.bare_speedup) == ([], [], None)
    asked.clear()
    report = run_bench(long=True, console=Console(file=StringIO()))
    assert [row.chips for row in report.costs] == [4] * len(COSTS)
    assert (report.first_compilation_seconds, report.bare_speedup) == (80.0, 1.5)
    module, folder = asked[-1]
    assert module == "ixp_emu.chip.compile" and folder is not None and not Path(folder).exists()
    assert {where for _, where in asked[:-1]} == {None}


def test_a_process_is_timed_by_the_clock_and_by_its_work() -> None:
    sleeping = seconds_of_process("-c", "import time; time.sleep(0.4)", runs=1)
    assert sleeping.wall >= 0.4 > sleeping.cpu > 0
    with pytest.raises(subprocess.CalledProcessError):
        seconds_of_process("-c", "import os; os.environ['A_NAME']", runs=1)
    seconds_of_process("-c", "import os; os.environ['A_NAME']", runs=1, environment={"A_NAME": "x"})


# --- the document ---------------------------------------------------------------------------------------------------


def test_every_key_is_documented_once_and_no_other() -> None:
    documented = re.findall(r"^\| `([^`]+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    keys = list(BenchReport.__struct_fields__)
    for part, kind in PARTS.items():
        keys.remove(part)
        keys += [f"{part}[].{name}" for name in kind.__struct_fields__]
    assert sorted(documented) == sorted(keys)


def test_every_program_is_described() -> None:
    described = re.findall(r"^- `([^`]+)`: ", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert described == list(BY_NAME)


def test_the_document_is_about_this_schema() -> None:
    assert f"one JSON document, schema {SCHEMA}." in DOCUMENT.read_text(encoding="utf-8")
