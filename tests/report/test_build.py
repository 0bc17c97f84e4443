"""Every number of the report, from programs small enough to count by hand with docs/hardware-model.md."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ixp_emu.chip.hardware import resolve_hardware
from ixp_emu.chip.layout import LATENCY_BIN_CYCLES, LATENCY_BINS
from ixp_emu.report.build import UNNAMED, latency_percentile
from ixp_emu.report.model import BusReport, MemoryReport, Report, StructureReport, encode_report
from tests.report.tiny import CYCLES, report_of, write_cluster

HARDWARE = resolve_hardware()
EXAMPLE = Path(__file__).parents[2] / "examples" / "forward.toml"

# Context 0 alone reads; its command issues in cycle 1 + NOPS.
READ = """\
.reg read $x[4]
.sig done
    br!=ctx[0, end#]
{nops}
    sram[read, $x[0], 0, 0, {count}], ctx_swap[done]
end#:
    ctx_arb[kill]
"""


def memory(report: Report, name: str) -> MemoryReport:
    (found,) = (row for row in report.chips[0].memories if row.name == name)
    return found


def bus(report: Report, name: str) -> BusReport:
    (found,) = (row for row in report.chips[0].buses if row.name == name)
    return found


def structure(report: Report, name: str, where: str) -> StructureReport:
    (found,) = (row for row in report.structures if (row.name, row.memory) == (name, where))
    return found


# --- microengines ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nops", [0, 1, 7])
def test_cycles_of_contexts_that_end(tmp_path: Path, nops: int) -> None:
    report = report_of(write_cluster(tmp_path, "    nop\n" * nops + "    ctx_arb[kill]\n"))
    (engine,) = report.chips[0].microengines
    each, lost = nops + 1, 2  # ctx_arb without defer aborts two slots
    assert (engine.id, engine.program) == ("0:0", "main")
    assert engine.cycles.executing == engine.instructions == report.run.instructions == 8 * each
    assert engine.cycles.aborted == 8 * lost
    assert engine.cycles.stalled == 0
    assert engine.cycles.idle == CYCLES - 8 * (each + lost)
    assert [context.instructions for context in engine.contexts] == [each] * 8
    assert [context.commands for context in engine.contexts] == [0] * 8


def test_an_endless_loop_never_idles(tmp_path: Path) -> None:
    report = report_of(write_cluster(tmp_path, "loop#:\n    br[loop#]\n", engines='"0:0", "1:3"'))
    assert [engine.id for engine in report.chips[0].microengines] == ["0:0", "1:3"]
    for engine in report.chips[0].microengines:  # a taken br: one instruction, two aborted slots
        assert engine.cycles.executing == -(-CYCLES // 3)
        assert engine.cycles.aborted == CYCLES - -(-CYCLES // 3)
        assert engine.cycles.idle == engine.cycles.stalled == 0


@pytest.mark.parametrize(("depth", "stalled"), [(1, 5), (8, 0)])
def test_a_full_command_fifo_stalls(tmp_path: Path, depth: int, stalled: int) -> None:
    writes = "    sram[write, $x, 0, 0, 1]\n" * 6
    program = f"""\
.reg write $x
    br!=ctx[0, end#]
    immed[$x, 1]
{writes}end#:
    ctx_arb[kill]
"""
    report = report_of(write_cluster(tmp_path, program), f"hardware.command.fifo_depth={depth}")
    # The first is issued in cycle 2. A FIFO of one gives it up at the next edge, cycle 4: each of the others loses one.
    assert report.chips[0].microengines[0].cycles.stalled == stalled
    assert report.chips[0].microengines[0].contexts[0].commands == 6


# --- memories, buses, structures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("nops", "early"), [(1, 0), (2, 1), (3, 0)])
def test_a_single_read_takes_the_idle_latency(tmp_path: Path, nops: int, early: int) -> None:
    report = report_of(write_cluster(tmp_path, READ.format(nops="    nop\n" * nops, count=1)))
    idle = HARDWARE["sram.idle_latency"]
    sram = memory(report, "sram0")
    assert (sram.references, sram.longwords, sram.queue) == (1, 1, 0.0)
    assert sram.latency_cycles.idle == idle
    assert sram.latency_cycles.mean == idle - early  # issued on an odd cycle, it meets its edge one cycle sooner
    assert sram.latency_cycles.p99 == (idle - early) // LATENCY_BIN_CYCLES * LATENCY_BIN_CYCLES + 3
    assert structure(report, UNNAMED, "sram0").wait_cycles == idle - early
    assert memory(report, "sram1").references == 0
    assert memory(report, "sram1").latency_cycles.mean is None
    assert memory(report, "sram1").latency_cycles.p99 is None


@pytest.mark.parametrize("count", [1, 4])
def test_a_read_occupies_port_and_buses(tmp_path: Path, count: int) -> None:
    report = report_of(write_cluster(tmp_path, READ.format(nops="    nop", count=count)))
    assert memory(report, "sram0").longwords == count
    assert memory(report, "sram0").utilisation == pytest.approx(count * HARDWARE["sram.longword_cycles"] / CYCLES)
    command, push = bus(report, "command 0"), bus(report, "S_push 0")
    assert (command.grants, command.utilisation) == (1, HARDWARE["chassis_cycles"] / CYCLES)
    assert push.grants == 1
    assert push.utilisation == pytest.approx(count * HARDWARE["sbus.longword_cycles"] / CYCLES)
    for name in ("command 1", "S_push 1", "D_push", "S_pull 0", "S_pull 1", "D_pull"):
        assert (bus(report, name).grants, bus(report, name).utilisation) == (0, 0.0)


def test_structures_share_the_waiting_and_the_rest_is_unnamed(tmp_path: Path) -> None:
    program = """\
.structure table element_bytes=4 count=16 align=4 access=read sharing=chip
.structure untouched element_bytes=8 count=3 align=8 access=read sharing=chip
.reg read $x $y
.sig done
    br!=ctx[0, end#]
    nop
    sram[read, $x, 0, 0, 1], structure[table], ctx_swap[done]
    nop
    scratch[read, $y, 0, 0, 1], ctx_swap[done]
end#:
    ctx_arb[kill]
"""
    file = write_cluster(tmp_path, program)
    report = report_of(file, "placement.table=sram0", "placement.untouched=dram")
    named, unnamed = structure(report, "table", "sram0"), structure(report, UNNAMED, "scratch")
    assert (named.bytes, named.references, named.longwords, named.ring) == (64, 1, 1, False)
    assert (unnamed.bytes, unnamed.references) == (None, 1)
    assert named.wait_cycles == memory(report, "sram0").latency_cycles.mean
    assert named.wait_cycles is not None and unnamed.wait_cycles is not None
    assert named.share == named.wait_cycles / (named.wait_cycles + unnamed.wait_cycles)
    idle = structure(report, "untouched", "dram")
    assert (idle.bytes, idle.references, idle.wait_cycles, idle.share) == (24, 0, 0, 0.0)
    assert len(report.structures) == 3


def test_local_memory_is_not_counted_and_says_so(tmp_path: Path) -> None:
    program = """\
.structure notes element_bytes=4 count=4 align=4 access=read,write sharing=me
    ctx_arb[kill]
"""
    report = report_of(write_cluster(tmp_path, program), "placement.notes=local")
    row = structure(report, "notes", "local")
    assert (row.bytes, row.references, row.longwords, row.wait_cycles, row.share) == (16, None, None, None, None)


def test_percentile_is_the_nearest_rank_at_the_edge_of_a_bin() -> None:
    bins = np.zeros(LATENCY_BINS, np.int64)
    assert latency_percentile(bins, 99) is None
    bins[20], bins[30] = 99, 1
    assert latency_percentile(bins, 99) == 20 * LATENCY_BIN_CYCLES + LATENCY_BIN_CYCLES - 1
    bins[20] = 98  # 98 of 99 are less than 99 %
    assert latency_percentile(bins, 99) == 30 * LATENCY_BIN_CYCLES + LATENCY_BIN_CYCLES - 1
    bins[30], bins[LATENCY_BINS - 1] = 0, 98
    assert latency_percentile(bins, 50) == 20 * LATENCY_BIN_CYCLES + LATENCY_BIN_CYCLES - 1
    assert latency_percentile(bins, 51) is None  # the last bin has no end


# --- the run and its packets ----------------------------------------------------------------------------------------


def test_a_frame_nobody_takes_is_in_flight(tmp_path: Path) -> None:
    report = report_of(write_cluster(tmp_path, "    ctx_arb[kill]\n"))
    traffic, (port,) = report.traffic, report.chips[0].ports
    assert (traffic.offered, traffic.delivered, traffic.lost, traffic.in_flight) == (1, 0, {}, 1)
    assert traffic.latency_cycles is None and report.per_packet is None
    assert traffic.packets_per_second == traffic.bits_per_second == 0.0
    assert (port.frames_in, port.bytes_in, port.frames_out) == (1, 60, 0)
    byte_cycles = 8e-9 * HARDWARE["me_clock_khz"] * 1e3
    assert port.utilisation_in == pytest.approx((64 + 8 + 12) * byte_cycles / CYCLES)


def test_the_run(tmp_path: Path) -> None:
    report = report_of(write_cluster(tmp_path, "    ctx_arb[kill]\n"), "run.seed=7")
    run = report.run
    assert (run.cycles, run.measured_cycles, run.seed) == (CYCLES, CYCLES, 7)
    assert (run.complete, run.fault) == (False, None)
    assert run.simulated_seconds == pytest.approx(CYCLES / (HARDWARE["me_clock_khz"] * 1e3))
    assert run.slowdown == pytest.approx(run.wall_seconds / run.simulated_seconds)
    assert run.instructions_per_second == pytest.approx(run.instructions / run.wall_seconds)
    assert report.config["run"]["seed"] == 7


def test_a_fault_names_the_source_line(tmp_path: Path) -> None:
    report = report_of(write_cluster(tmp_path, "    nop\n    ctx_arb[bpt]\n"))
    assert report.run.fault is not None
    assert report.run.fault.startswith("chip a, cycle 1: ")
    assert "main.uc:2" in report.run.fault
    assert report.run.cycles == 2  # cycles 0 and 1 were executed


def test_two_runs_differ_in_host_time_only(tmp_path: Path) -> None:
    file = write_cluster(tmp_path, READ.format(nops="    nop", count=2))
    first, second = (msgspec.json.decode(encode_report(report_of(file)), type=dict[str, msgspec.Raw]) for _ in range(2))
    del first["run"], second["run"]
    assert first == second


def test_json_gives_the_same_report_back(tmp_path: Path) -> None:
    report = report_of(write_cluster(tmp_path, READ.format(nops="    nop", count=1)))
    assert msgspec.json.decode(encode_report(report), type=Report) == report


# --- sums, wherever a run is cut ------------------------------------------------------------------------------------


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    cut=st.integers(1, 200_000),
    seed=st.integers(0, 1_000),
    warmup=st.sampled_from([0, 20]),
    place=st.sampled_from(["scratch", "sram0", "sram1", "dram"]),
    back_pressure=st.booleans(),
)
def test_sums_hold_wherever_a_forwarder_is_cut(
    cut: int, seed: int, warmup: int, place: str, back_pressure: bool
) -> None:
    report = report_of(
        EXAMPLE,
        "run.offered_packets=300",
        f"run.warmup_packets={warmup}",
        f"run.seed={seed}",
        f"placement.flow_table={place}",
        f"traffic.back_pressure={str(back_pressure).lower()}",
        "traffic.sizes=64",
        cycles=cut,
    )
    traffic = report.traffic
    assert traffic.offered == traffic.delivered + sum(traffic.lost.values()) + traffic.in_flight
    assert report.run.cycles <= cut
    for chip in report.chips:
        for engine in chip.microengines:
            cycles = engine.cycles
            assert cycles.executing + cycles.aborted + cycles.stalled + cycles.idle == report.run.measured_cycles
            assert engine.instructions == sum(context.instructions for context in engine.contexts)
            assert engine.instructions == cycles.executing
        for row in chip.memories:
            mine = [s for s in report.structures if (s.chip, s.memory) == (chip.name, row.name)]
            assert row.references == sum(s.references or 0 for s in mine)
            assert row.longwords == sum(s.longwords or 0 for s in mine)
            assert 0 <= row.utilisation <= 1
        shares = [s.share for s in report.structures if s.chip == chip.name and s.share is not None]
        assert not shares or sum(shares) == pytest.approx(1.0)
