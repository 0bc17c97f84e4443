"""A report whose sums do not hold is refused, by the chip, the part and the numbers."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ixp_emu.report.conservation import InternalError, check_conservation
from ixp_emu.report.model import ControlCycles, ControlReport, Report
from tests.report.tiny import CYCLES, report_of, write_cluster

replace = msgspec.structs.replace


@pytest.fixture
def report(tmp_path: Path) -> Report:
    program = "    br!=ctx[0, end#]\n    sram[read, $x, 0, 0, 1], ctx_swap[done]\nend#:\n    ctx_arb[kill]\n"
    return report_of(write_cluster(tmp_path, ".reg read $x\n.sig done\n" + program))


def test_a_packet_out_of_nowhere(report: Report) -> None:
    check_conservation(report)
    with pytest.raises(InternalError) as caught:
        check_conservation(replace(report, traffic=replace(report.traffic, delivered=1)))
    assert str(caught.value) == "1 packets offered, but 1 delivered, 0 lost and 1 in flight"


def test_fewer_than_none_in_flight(report: Report) -> None:
    with pytest.raises(InternalError, match="2 delivered, 0 lost and -1 in flight"):
        check_conservation(replace(report, traffic=replace(report.traffic, delivered=2, in_flight=-1)))


def test_a_stranger_is_a_fault_of_the_run_and_not_of_the_sums(report: Report) -> None:
    check_conservation(replace(report, traffic=replace(report.traffic, unexpected=1, in_flight=-1)))


def test_a_lost_cycle(report: Report) -> None:
    (chip,) = report.chips
    (engine,) = chip.microengines
    cycles = replace(engine.cycles, idle=engine.cycles.idle - 1)
    short = replace(report, chips=[replace(chip, microengines=[replace(engine, cycles=cycles)])])
    with pytest.raises(InternalError) as caught:
        check_conservation(short)
    parts = f"{cycles.executing}, {cycles.aborted}, 0, {cycles.idle}"
    assert str(caught.value) == (
        f"chip a, ME 0:0: executing, aborted, stalled, idle are {parts}, together {CYCLES - 1} of {CYCLES} cycles"
    )


@pytest.mark.parametrize("what", ["references", "longwords"])
def test_a_reference_without_structure(report: Report, what: str) -> None:
    (row,) = report.structures
    with pytest.raises(InternalError) as caught:
        check_conservation(replace(report, structures=[replace(row, **{what: 2})]))
    assert str(caught.value) == f"chip a, sram0: 1 {what}, 2 summed over its structures"


def test_a_lost_cycle_of_a_control_processor(report: Report) -> None:
    cycles = ControlCycles(accessing=100, computing=0, waiting=CYCLES - 100, reacting=0, ended=0)
    control = ControlReport(program="x.py:program", cycles=cycles, accesses={}, interrupts=0, timeouts=0)
    (chip,) = report.chips
    check_conservation(replace(report, chips=[replace(chip, control=control)]))
    short = replace(control, cycles=replace(cycles, computing=1))
    with pytest.raises(InternalError) as caught:
        check_conservation(replace(report, chips=[replace(chip, control=short)]))
    assert str(caught.value) == (
        "chip a, control processor: accessing, computing, waiting, reacting, ended are "
        f"100, 1, {CYCLES - 100}, 0, 0, together {CYCLES + 1} of {CYCLES} cycles"
    )
