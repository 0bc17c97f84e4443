"""Receive and transmit on the engine: reassembly, line rate, back-pressure, errors, where the programs run."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from ixp_emu.chip.layout import SCRATCH
from ixp_emu.cluster.frames import Frames
from tests.microcode.forwarding import (
    PORT_0,
    PORT_1,
    PORT_2,
    assert_forwarded,
    configuration,
    expected,
    hash_of,
    ipv4,
    run_configuration,
    run_frames,
)

ROOMY = {"MAX_FLOWS": 65_536}
ALL_PORTS = ("a.0", "a.1", "a.2")
DESTINATIONS = (PORT_0, PORT_1, PORT_2)
# Equal shares of generated traffic for the three egress ports.
EVEN_DESTINATIONS = '["10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/17"]'
ME_HZ = 600_000_000
LINE_64_BYTE_PPS = 1_000_000_000 / ((64 + 20) * 8)
RX_ENGINE = 0


def test_frames_whose_mpackets_interleave_are_put_together(tmp_path: Path) -> None:
    # Three ports at once, lengths around multiples of an RBUF element.
    rng = random.Random(1)
    lengths = [60, 63, 64, 65, 127, 128, 129, 191, 192, 193, 1471, 1472, 1473, 1514]
    frames = [
        ipv4(rng.choice(lengths), source=0xC0A80000 + n % 50, destination=DESTINATIONS[n % 3], identification=n)
        for n in range(450)
    ]
    traffic = {"back_pressure": "true"}
    assert_forwarded(run_frames(tmp_path, frames, into=ALL_PORTS, defines=ROOMY, traffic=traffic), frames)


def test_one_receive_engine_sustains_three_ports_of_64_byte_frames(tmp_path: Path) -> None:
    packets = 12_000
    traffic = {
        "generator": '"uniform"',
        "into": str(list(ALL_PORTS)),
        "sizes": "64",
        "flows": "3_000",
        "rate": '"line"',
        "destinations": EVEN_DESTINATIONS,
    }
    path = configuration(tmp_path, traffic=traffic, defines=ROOMY, run=f"offered_packets = {packets}")
    run = run_configuration(path)
    assert run.run.lost() == {}
    assert len(run.everything) == packets
    run.assert_clean()
    # The budget: an engine's cycles per packet at line rate, against those in which receive could not do anything else.
    me = run.run.machine.chips[0]["me"][RX_ENGINE]
    busy = int(me["executing"]) + int(me["aborted"]) + int(me["stalled"])
    assert busy / packets < ME_HZ / (3 * LINE_64_BYTE_PPS)


def test_one_flow_at_line_rate_passes_through_one_worker_in_order(tmp_path: Path) -> None:
    frames = [ipv4(60, identification=n) for n in range(3_000)]
    run = run_frames(tmp_path, frames)
    assert_forwarded(run, frames)
    assert [int.from_bytes(frame[18:20]) for frame in run.left[0]] == list(range(3_000))


def test_more_than_an_egress_port_takes_waits_at_the_ingress_ports(tmp_path: Path) -> None:
    # Three ports into one: rings, TBUF and MAC fill up, and nothing is lost on the way.
    frames = [ipv4(60 + 37 * (n % 40), source=n % 100, identification=n) for n in range(1_500)]
    run = run_frames(tmp_path, frames, into=ALL_PORTS, defines=ROOMY, traffic={"back_pressure": "true"})
    assert_forwarded(run, frames)
    # Who waits sleeps: an engine's cycles go to work, not to looking whether a ring has room.
    me = run.run.machine.chips[0]["me"]
    assert (me["executing"] + me["aborted"] < run.run.now // 2).all()


@pytest.mark.parametrize("worker", range(6))
def test_a_hot_worker_holds_back_receive_and_loses_nothing(tmp_path: Path, worker: int) -> None:
    # One flow from three ports is more than one worker does with its flow table in DRAM: its ring fills up.
    source = next(n for n in range(1_000) if (hash_of(ipv4(source=n)) >> 26) * 6 // 64 == worker)
    frames = [ipv4(60, source=source, identification=n) for n in range(1_000)]
    run = run_frames(
        tmp_path,
        frames,
        into=ALL_PORTS,
        engines={"rx": ["0:0"], "forward": ["0:1", "0:2", "0:3", "1:0", "1:1", "1:2"], "tx": ["1:3"]},
        placement={"flow_table": "dram"},
        traffic={"back_pressure": "true"},
    )
    assert_forwarded(run, frames)


def test_without_a_free_buffer_receive_waits(tmp_path: Path) -> None:
    frames = [ipv4(60 + 37 * (n % 40), source=n % 100, identification=n) for n in range(900)]
    run = run_frames(
        tmp_path, frames, into=ALL_PORTS, defines={**ROOMY, "BUFFERS": 32}, traffic={"back_pressure": "true"}
    )
    assert sorted(run.everything) == sorted(_forwarded(frames))
    run.assert_clean(buffers=32)


def _forwarded(frames: list[bytes]) -> list[bytes]:
    output = expected(frames).output
    return [output.bytes_of(index) for index in range(len(output))]


def test_a_buffer_holds_2048_bytes_and_longer_frames_are_dropped(tmp_path: Path) -> None:
    good = [ipv4(2048, source=1, destination=PORT_1), ipv4(60, source=2), ipv4(1514, source=3)]
    bad = [ipv4(2049, source=4), ipv4(3000, source=5), ipv4(4097, source=6)]
    frames = [bad[0], good[0], bad[1], good[1], bad[2], good[2]]
    # No traffic source sends frames this long: they are put before the ports of a machine that is built for others.
    run = run_frames(tmp_path, good[1:], defines=ROOMY, cycles=0)
    arrival = 40_000 * np.arange(len(frames), dtype=np.uint64)
    run.run.machine.feed(Frames.from_bytes(frames, arrival=arrival), run.run.into, back_pressure=False)
    for index, log in run.run.machine.advance(400_000):
        run.observe(index, log)
    assert sorted(run.everything) == sorted(_forwarded(good))
    assert run.counters() == {"rx_error": 3}
    run.assert_clean()


@pytest.mark.parametrize("workers", range(1, 7))
def test_any_number_of_engines_forwards(tmp_path: Path, workers: int) -> None:
    places = ["0:1", "0:2", "0:3", "1:0", "1:1", "1:2"]
    engines = {"rx": ["0:0"], "forward": places[:workers], "tx": ["1:3"]}
    frames = [
        ipv4(60 + n % 90, source=0xC0A80000 + n % 150, destination=DESTINATIONS[n % 3], identification=n)
        for n in range(600)
    ]
    run = run_frames(tmp_path, frames, engines=engines, defines=ROOMY, traffic={"back_pressure": "true"})
    assert_forwarded(run, frames)


def test_programs_may_run_on_either_cluster(tmp_path: Path) -> None:
    engines = {"rx": ["1:2"], "forward": ["1:3", "0:3", "0:0"], "tx": ["0:1"]}
    frames = [ipv4(60 + 11 * (n % 30), source=n % 60, destination=DESTINATIONS[n % 3]) for n in range(300)]
    assert_forwarded(run_frames(tmp_path, frames, into=ALL_PORTS, engines=engines, defines=ROOMY), frames)


@pytest.mark.parametrize("ports", [1, 8])
def test_other_numbers_of_ports(tmp_path: Path, ports: int) -> None:
    routes = tmp_path / "routes.toml"
    routes.write_text(
        "".join(
            f'[[next_hop]]\negress_port = {n}\ndestination_mac = "02:00:00:00:00:0{n}"\n'
            f'source_mac = "02:00:00:00:01:0{n}"\n[[route]]\nprefix = "10.{n}.0.0/16"\nnext_hop = {n}\n'
            for n in range(ports)
        )
    )
    frames = [ipv4(60 + n, source=n, destination=0x0A000000 | (n % ports) << 16, identification=n) for n in range(200)]
    into = [f"a.{n}" for n in range(ports)]
    run = run_frames(tmp_path, frames, into=into, ports=ports, routes=routes, defines=ROOMY)
    assert_forwarded(run, frames, routes)


def test_an_idle_chip_polls_its_rings_with_one_command_at_a_time(tmp_path: Path) -> None:
    # One frame, then nothing for 60,000 cycles: five workers and transmit each have at most one get under way.
    run = run_frames(tmp_path, [ipv4(), ipv4()], traffic={"rate": "10_000"}, cycles=60_000)
    gets = int(run.run.machine.chips[0]["references"][SCRATCH])
    latency = run.run.config.hardware["scratch.idle_latency"]
    most = 6 * run.run.now / latency
    assert 0.75 * most < gets < most
