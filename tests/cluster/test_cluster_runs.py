"""Rings, stars and switched meshes of forwarders: every packet on the right way, in order, the same however it is run.

What must leave is said here once more, in closed form and without the service's oracle: a packet for network k leaves
chip k on port 0, its TTL less by the chips on its way, both MAC addresses those of that port, all else as it came.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from ixp_emu.cluster.checkpoint import save_checkpoint
from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.machine import EgressLog
from ixp_emu.cluster.run import ClusterRun
from tests.cluster.forwarder import ROOT, new_run, report_of
from tests.cluster.test_checkpoint import resumed_elsewhere

EXAMPLES = ROOT / "examples"
TTL = 64


def ring(chips: int, at: int, to: int) -> int:
    """Chips on the way, both ends included."""
    return 1 + min((to - at) % chips, (at - to) % chips)


def star(chips: int, at: int, to: int) -> int:
    return 1 + (at != to) + (at != to and 0 not in (at, to))


def mesh(chips: int, at: int, to: int) -> int:
    return 1 + (at != to)


WAYS: dict[str, Callable[[int, int, int], int]] = {"ring": ring, "star": star, "mesh": mesh}


def new_cluster(topology: str, *overrides: str, chips: int = 4, packets: int = 200, threads: int = 1) -> ClusterRun:
    """The example of a topology with fewer chips and packets."""
    shorter = [
        f"chips.node.count={chips}",
        f"run.offered_packets={packets}",
        "run.warmup_packets=0",
        f"traffic.destinations=['10.0.0.0/{16 - (chips - 1).bit_length()}']",
    ]
    return ClusterRun(load_config(EXAMPLES / f"{topology}16.toml", overrides=[*shorter, *overrides]), threads=threads)


def checksum(header: bytes) -> int:
    total = sum(int.from_bytes(header[at : at + 2]) for at in range(0, len(header), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def check_frames(run: ClusterRun, topology: str, chips: int) -> None:
    """Run to the end, and compare all that leaves."""
    names = list(run.config.chips)
    entered = {run.frames.bytes_of(index)[42:50]: index for index in range(len(run.frames))}
    assert len(entered) == len(run.frames)
    last: dict[bytes, int] = {}
    seen: set[int] = set()

    def observe(number: int, log: EgressLog) -> None:
        for row in range(len(log.time)):
            left = log.frames.bytes_of(row)
            index = entered[left[42:50]]
            came = run.frames.bytes_of(index)
            at = names.index(run.into[int(run.frames.port[index])].chip)
            to = came[31]
            own = b"\x02\x00\x00\x00" + bytes([to, 0])
            assert (number, int(log.port[row])) == (to, 0)
            assert left[:12] == own[:3] + b"\x01" + own[4:] + own
            assert left[22] == TTL - WAYS[topology](chips, at, to)
            assert checksum(left[14:34]) == 0xFFFF
            assert (left[12:22], left[23:24], left[26:]) == (came[12:22], came[23:24], came[26:])
            assert index not in seen
            seen.add(index)
            flow = came[23:24] + came[26:38]
            assert last.get(flow, -1) < index
            last[flow] = index

    run.observer = observe
    run.run()
    result = run.result()
    run.machine.close()
    assert (result.fault, result.complete, result.lost, result.in_flight) == (None, True, {}, 0)
    assert result.offered == result.delivered == len(seen) == len(run.frames)


@pytest.mark.parametrize("kind", ["gbe", "spi3"])
def test_a_ring_of_four(kind: str) -> None:
    check_frames(new_cluster("ring", f"links.ring.kind={kind}"), "ring", 4)


@pytest.mark.parametrize("topology", ["star", "mesh"])
def test_a_star_and_a_mesh_of_four(topology: str) -> None:
    check_frames(new_cluster(topology), topology, 4)


def test_the_report_tells_the_cables_of_a_switch() -> None:
    """What goes into a switch that loses nothing comes out of it, and each port is told once in each direction."""
    run = new_cluster("mesh")
    run.run()
    report = report_of(run)
    rows = report["links"]
    assert {row["kind"] for row in rows} == {"switch"}
    into = {row["source"]: row["frames"] for row in rows if row["destination"] == "core"}
    out_of = {row["destination"]: row["frames"] for row in rows if row["source"] == "core"}
    assert set(into) == set(out_of) == {f"node{n}.1" for n in range(4)}
    crossing = sum(
        run.into[int(run.frames.port[index])].chip != f"node{run.frames.bytes_of(index)[31]}"
        for index in range(len(run.frames))
    )
    assert sum(into.values()) == sum(out_of.values()) == crossing > 0


def test_an_spi3_link_is_busy_with_the_transfers_of_its_port() -> None:
    """Every frame crosses one link less than chips, in elements of 64 bytes, a longword per SPI-3 clock."""
    run = new_cluster("ring", "links.ring.kind=spi3")
    run.run()
    hardware, rows = run.config.hardware, report_of(run)["links"]
    assert {row["kind"] for row in rows} == {"spi3"}

    def transfer_cycles(length: int) -> int:
        return math.ceil(math.ceil(length / 4) * Fraction(hardware["me_clock_khz"], hardware["msf.clock_khz"]))

    busy = 0
    for index in range(len(run.frames)):
        frame = run.frames.bytes_of(index)
        whole, rest = divmod(len(frame), 64)
        at = list(run.config.chips).index(run.into[int(run.frames.port[index])].chip)
        crossed = ring(4, at, frame[31]) - 1
        busy += crossed * (whole * transfer_cycles(64) + (transfer_cycles(rest) if rest else 0))
    assert sum(row["utilisation"] for row in rows) * run.now == pytest.approx(busy)
    assert busy > 0


@pytest.mark.long
@pytest.mark.parametrize("topology", ["ring", "star", "mesh"])
def test_sixteen(topology: str) -> None:
    """Nothing lost, all in order, and threads do not show."""
    reports = []
    for threads in (1, 2):
        run = new_cluster(topology, chips=16, packets=2_000, threads=threads)
        assert run.machine.threads == threads
        check_frames(run, topology, 16)
        reports.append(report_of(run))
    assert reports[0] == reports[1]


@pytest.mark.parametrize("topology", ["ring", "star", "mesh"])
def test_threads_and_a_resumption_in_a_new_process_do_not_show(topology: str, tmp_path: Path) -> None:
    whole = new_cluster(topology)
    whole.run()
    wanted = json.loads(json.dumps(report_of(whole)))
    for threads in (2, 4):
        run = new_cluster(topology, threads=threads)
        assert run.machine.threads == threads
        run.run()
        run.machine.close()
        assert json.loads(json.dumps(report_of(run))) == wanted
    cut = random.Random(topology).randrange(1, whole.now)
    run = new_cluster(topology)
    run.run(cycles=cut)
    save_checkpoint(run, tmp_path / "saved")
    assert resumed_elsewhere([tmp_path / "saved"], threads=2) == [wanted]


@pytest.mark.long
@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_example_goes_on_from_a_checkpoint(example: Path, tmp_path: Path) -> None:
    def start() -> ClusterRun:
        overrides = ["run.offered_packets=300", "run.warmup_packets=30"]
        return ClusterRun(load_config(example, overrides=overrides))

    whole = start()
    whole.run()
    assert whole.result().complete
    run = start()
    run.run(cycles=random.Random(example.stem).randrange(1, whole.now))
    save_checkpoint(run, tmp_path / "saved")
    assert resumed_elsewhere([tmp_path / "saved"], threads=1) == [json.loads(json.dumps(report_of(whole)))]


# --- pause ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pause", [0, 1])
def test_pause_keeps_a_link_without_loss(pause: int) -> None:
    """Chip b has one forwarding engine for its own source and the link, and a FIFO of 2 KB; its source waits."""
    run = new_run(
        f"hardware.mac.pause={pause}",
        "hardware.mac.rx_fifo_bytes=2_048",
        "hardware.mac.pause_high_bytes=1_024",
        "hardware.mac.pause_low_bytes=512",
        "chips.b.engines={ rx = ['0:0'], forward = ['0:1'], tx = ['1:3'] }",
        "traffic.sizes=64",
        "traffic.back_pressure=true",
        "traffic.destinations=['10.1.0.0/16']",  # behind the link, for a
        packets=600,
    )
    run.run()
    result, report = run.result(), report_of(run)
    ports = {port["name"]: port for chip in report["chips"] for port in chip["ports"]}
    assert (result.fault, result.complete, result.offered) == (None, True, 600)
    lost = ports["b.2"]["frames_lost"]
    assert result.delivered == 600 - lost
    assert (lost, ports["b.2"]["pauses"] > 0) == ((0, True) if pause else (result.lost["mac_rx_overflow"], False))
    assert {name for name, port in ports.items() if port["pauses"] or port["frames_lost"]} == {"b.2"}


# --- losses in the switch -------------------------------------------------------------------------------------------

TO_NOBODY = """\
[[next_hop]]
egress_port = 1
destination_mac = "02:00:00:00:01:01"
source_mac = "02:00:00:00:00:01"
[[next_hop]]
egress_port = 1
destination_mac = "02:00:00:00:01:02"
source_mac = "02:00:00:00:00:01"
[[route]]
prefix = "10.0.0.0/16"
next_hop = 0
[[route]]
prefix = "10.1.0.0/16"
next_hop = 1
"""
HERE = """\
[[next_hop]]
egress_port = 0
destination_mac = "02:00:00:00:09:09"
source_mac = "02:00:00:00:01:00"
[[route]]
prefix = "0.0.0.0/0"
next_hop = 0
"""


def test_a_switch_loses_frames_for_an_address_it_has_not(tmp_path: Path) -> None:
    (tmp_path / "nobody.toml").write_text(TO_NOBODY)
    (tmp_path / "here.toml").write_text(HERE)
    run = new_cluster(
        "mesh",
        f'programs.forward.tables={{ routes = "{tmp_path}/nobody.toml" }}',
        f'chips.node1={{ tables.forward.routes = "{tmp_path}/here.toml" }}',
        "traffic.into=['node0.0']",
        chips=2,
    )
    nobody = sum(run.frames.bytes_of(index)[31] == 1 for index in range(len(run.frames)))
    assert 0 < nobody < len(run.frames)
    run.run()
    result = run.result()
    assert (result.fault, result.complete) == (None, True)
    assert result.lost == {"switch_unknown": nobody}
    assert result.delivered == len(run.frames) - nobody


def test_a_switch_loses_what_its_output_queue_has_no_room_for() -> None:
    """Three ports at line rate to one, and a queue of two frames."""
    run = new_cluster(
        "mesh",
        "hardware.switch.buffer_bytes=3_100",
        "traffic.into=['node1.0', 'node2.0', 'node3.0']",
        "traffic.destinations=['10.0.0.0/16']",
        "traffic.rate=line",
        "traffic.sizes=1_518",
    )
    run.run()
    result = run.result()
    assert (result.fault, result.complete) == (None, True)
    assert set(result.lost) == {"switch_overflow"}
    assert result.lost["switch_overflow"] > 50
    assert result.delivered + result.lost["switch_overflow"] == result.offered == 200
