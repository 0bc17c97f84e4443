"""What an architect reads first, and that it stays readable in a file."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from ixp_emu.report.model import Bottleneck, BusyResource, PacketLatency, PerPacket, Report
from ixp_emu.report.terminal import WIDTH, headroom_line, print_report, verdict_line
from tests.report.tiny import report_of, write_cluster

replace = msgspec.structs.replace


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """One read by each of eight contexts, dressed up with the packets that so small a program does not forward."""
    program = ".reg read $x\n.sig done\n    sram[read, $x, 0, 0, 1], ctx_swap[done]\n    ctx_arb[kill]\n"
    found = report_of(write_cluster(tmp_path, program))
    traffic = replace(
        found.traffic,
        offered=1_000,
        delivered=900,
        lost={"mac_rx_overflow": 99},
        in_flight=0,
        at_line_rate=False,
        packets_per_second=1.25e6,
        bits_per_second=0.84e9,
        latency_cycles=PacketLatency(p50=1_000, p95=2_000, p99=3_000, max=4_000),
    )
    per_packet = PerPacket(packets=10, instructions=1.6, cycles=4.8, references={"sram0": 0.8})
    return replace(found, traffic=traffic, per_packet=per_packet)


def printed(report: Report, *, terminal: bool = False) -> list[str]:
    file = StringIO()
    print_report(report, console=Console(file=file, force_terminal=terminal, width=120))
    return file.getvalue().splitlines()


def test_three_lines_come_first(report: Report) -> None:
    limit = Bottleneck(
        resource="sram1 of chip a",
        utilisation=0.8,
        evidence="busier port busy 80% of the time",
        headroom=0.25,
        others=[BusyResource(resource="tx MEs of chip a", utilisation=0.5)],
    )
    assert printed(replace(report, bottleneck=limit))[:4] == [
        "verdict     900 of 1,000 packets delivered, 99 lost, not at line rate: 1.250 Mpps, 0.840 Gb/s",
        "bottleneck  sram1 of chip a: busier port busy 80% of the time",
        "headroom    about 25% more load; next is tx MEs of chip a, 50% busy",
        "",
    ]


def test_packets_in_flight_are_told(report: Report) -> None:
    line = verdict_line(replace(report, traffic=replace(report.traffic, in_flight=1)))
    assert line.startswith("900 of 1,000 packets delivered, 99 lost, 1 in flight, not at line rate")


def test_the_verdict_says_what_was_tried(report: Report) -> None:
    clean = replace(report.traffic, delivered=1_000, lost={})
    for at_line_rate, text in ((True, ", at line rate"), (False, ", not at line rate"), (None, "")):
        line = verdict_line(replace(report, traffic=replace(clean, at_line_rate=at_line_rate)))
        assert line == f"1,000 of 1,000 packets delivered{text}: 1.250 Mpps, 0.840 Gb/s"


def test_a_fault_is_the_first_thing_read(report: Report) -> None:
    faulty = replace(report, run=replace(report.run, fault="stuck: 1 packet in flight\n  a 0:1: contexts wait"))
    lines = printed(faulty)
    assert lines[0].startswith("verdict     FAULT stuck: 1 packet in flight; 900 of 1,000 packets delivered")
    assert "  a 0:1: contexts wait" in lines


@pytest.mark.parametrize(
    ("headroom", "utilisation", "text"),
    [
        (0.0, 0.97, "none: the cluster took less than was offered"),
        (0.0, 1.0, "none"),
        (0.25, 0.8, "about 25% more load"),
        (0.999, 0.5, "about 100% more load"),
        (1.0, 0.5, "about 2.0 times this load"),
        (9.0, 0.1, "about 10.0 times this load"),
    ],
)
def test_headroom_in_words(report: Report, headroom: float, utilisation: float, text: str) -> None:
    limit = Bottleneck(resource="r", utilisation=utilisation, evidence="e", headroom=headroom, others=[])
    assert headroom_line(replace(report, bottleneck=limit)) == text


def test_nothing_busy(report: Report) -> None:
    lines = printed(replace(report, bottleneck=None))
    assert lines[1:3] == ["bottleneck  nothing was busy", "headroom    not known"]


def test_tables_hold_the_reports_numbers(report: Report) -> None:
    text = printed(report)
    (engine,) = report.chips[0].microengines
    shares = [
        f"{part / report.run.measured_cycles:.1%}"
        for part in (engine.cycles.executing, engine.cycles.aborted, engine.cycles.stalled, engine.cycles.idle)
    ]
    rows = [line.split() for line in text]
    assert ["a", "0:0", "main", *shares, f"{engine.instructions / 10:.2f}"] in rows
    assert ["mac_rx_overflow", "99", "9.9%"] in rows
    assert ["cycles", "1,000", "2,000", "3,000", "4,000"] in rows
    assert ["microseconds", "1.7", "3.3", "5.0", "6.7"] in rows  # at 600 MHz
    assert "per packet: 2 instructions, 5 ME cycles not idle; references sram0 0.80" in text
    (sram,) = (memory for memory in report.chips[0].memories if memory.references)
    latency = sram.latency_cycles
    assert latency.mean is not None
    expected = ["8", "0.80", f"{sram.utilisation:.1%}", f"{sram.queue:.2f}", "90", f"{latency.mean:.1f}"]
    assert ["a", "sram0", *expected, str(latency.p99)] in rows
    assert not any(row[:2] == ["a", "sram1"] for row in rows)  # unused


def test_plain_text_fits_and_has_no_escapes(report: Report) -> None:
    lines = printed(report)
    assert max(map(len, lines)) <= WIDTH
    assert all(line == line.rstrip() for line in lines)
    assert "\x1b" not in "".join(lines)


def test_a_terminal_gets_emphasis(report: Report) -> None:
    assert "\x1b[" in printed(report, terminal=True)[0]


def test_switches_that_are_not_at_their_default_stand_behind_the_seed(report: Report) -> None:
    assert report.unsettled == {}
    assert "unsettled" not in " ".join(printed(report))
    lines = printed(replace(report, unsettled={"ffs_of_zero": 32, "shadow_br": 1}))
    assert f"seed {report.run.seed}; unsettled: ffs_of_zero=32, shadow_br=1" in " ".join(" ".join(lines).split())
