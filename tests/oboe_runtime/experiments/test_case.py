"""Runs of experiments: their traffic, their configuration, and that none is done twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from ixp_emu.cluster.config import load_config
from microcode.services.packet import Packet, read_packet
from oboe_runtime.expectation import hash_of_flow
from oboe_runtime.experiments import case as cases
from oboe_runtime.experiments.case import UPDATE_PORT, Case, Measurement, Store, frames_of, measure
from oboe_runtime.layout import BUNDLES, bundle_of

BARE = "builtin:services/bare"
MEASURED = Measurement(
    packets_per_second=1.5e6,
    delivered=10,
    offered=10,
    lost={},
    seconds=0.001,
    cycles_per_packet=100.0,
    instructions_per_packet=70.0,
    busy={"worker": 0.5},
    busiest=("nothing", 0.0),
    fault=None,
    states_judged=True,
)


@pytest.mark.parametrize("flow_key", ["directed", "symmetric"])
@pytest.mark.parametrize("size", [64, 200])
def test_even_flows_have_a_bundle_each_and_come_equally_often(size: int, flow_key: str) -> None:
    frames = frames_of(Case(service=BARE, packets=2 * BUNDLES, size=size))
    contents = [frames.bytes_of(number) for number in range(len(frames))]
    assert len(set(contents)) == len(contents) == 2 * BUNDLES
    assert {len(content) for content in contents} == {size - 4}
    packets = [read_packet(content) for content in contents]
    assert all(isinstance(packet, Packet) for packet in packets)
    bundles = [bundle_of(hash_of_flow(packet.flow, flow_key)) for packet in packets if isinstance(packet, Packet)]
    assert sorted(bundles[:BUNDLES]) == sorted(bundles[BUNDLES:]) == list(range(BUNDLES))
    assert bundles[:BUNDLES] != bundles[BUNDLES:]


def test_updates_stand_among_the_packets_at_equal_distances() -> None:
    """Of 2,000 packets four: the middles of quarters. All others are what they are without updates."""
    plain = frames_of(Case(service=BARE, packets=1_000, chips=2))
    frames = frames_of(Case(service=BARE, packets=1_000, chips=2, updates=4))
    differing = [number for number in range(2_000) if frames.bytes_of(number) != plain.bytes_of(number)]
    assert differing == [250, 750, 1_250, 1_750]
    for update, number in enumerate(differing):
        packet = read_packet(frames.bytes_of(number))
        assert isinstance(packet, Packet)
        assert (packet.flow.destination_port, frames.flow[number]) == (UPDATE_PORT, BUNDLES)
        assert packet.payload[2:10] == update.to_bytes(4) + (update + 1).to_bytes(4)


def test_a_run_with_updates_tells_of_its_replicas() -> None:
    found = measure(
        Case(
            service="builtin:services/intrusion",
            chips=2,
            packets=300,
            rate=500_000.0,
            updates=5,
            options={"policy_port": UPDATE_PORT},
        )
    )
    assert found.fault is None and found.states_judged and found.frames_between_chips > 300 * 0.8
    replicas = found.replicas
    assert replicas is not None
    assert (replicas.updates, replicas.missing, replicas.gaps) == (5, 0, 0)
    assert len(replicas.staleness_us) == 5
    assert all(0.5 <= time <= 1_000 for time in replicas.staleness_us)  # a link alone takes a microsecond
    stale, left = replicas.stale_packets
    assert 0 < stale < left == found.offered


def test_the_configuration_is_what_was_asked_for(tmp_path: Path) -> None:
    asked = Case(
        service="builtin:services/monitor",
        chips=3,
        ingress=2,
        workers=2,
        control=True,
        order="ordered",
        packets=50,
        flows=7,
        size=100,
        rate=1_000.0,
        seed=5,
        categories={"totals": "strict"},
        options={"sketch_cells": 64},
        placement={"sketch": "dram"},
    )
    path = tmp_path / "cluster.toml"
    path.write_text(asked.configuration("none.pcap"))
    config = load_config(path)
    assert (config.run.offered_packets, config.run.warmup_packets, config.run.seed) == (150, 25, 5)
    assert list(config.chips) == ["n0", "n1", "n2"]
    chip = config.chips["n1"]
    assert (chip.engines["worker"], chip.engines["control"]) == ((2, 3), (6,))
    assert len(chip.ports) == 2 + 1 + 2
    assert len(config.links) == 3
    assert sorted(config.traffic.into) == ["n0.0", "n0.1", "n1.0", "n1.1", "n2.0", "n2.1"]
    assert config.extensions["oboe"]["egress_port"] == 2
    placed = config.placement_for("n0", "sketch")
    assert placed is not None and placed.memory == "dram"


def test_a_measurement_is_kept_and_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Case] = []
    monkeypatch.setattr(cases, "measure", lambda case: done.append(case) or MEASURED)
    kept = tmp_path / "runs"
    first, second = Case(service=BARE), Case(service=BARE, chips=2)
    store = Store(kept)
    assert store.measured(first) == store.measured(first) == MEASURED
    store.measured(second)
    assert done == [first, second]
    again = Store(kept)
    assert again.knows(first) and again.knows(second) and not again.knows(Case(service=BARE, chips=4))
    assert again.measured(first) == MEASURED
    assert done == [first, second]
    kept.write_text(kept.read_text()[:-20])  # cut off in the second
    cut = Store(kept)
    assert cut.knows(first) and not cut.knows(second)


def test_other_sources_are_another_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "measure", lambda case: MEASURED)
    kept = tmp_path / "runs"
    Store(kept).measured(Case(service=BARE))
    monkeypatch.setattr(cases, "_sources_digest", lambda: "other")
    assert not Store(kept).knows(Case(service=BARE))


def test_cases_that_differ_in_anything_have_other_labels() -> None:
    one = Case(service=BARE, flows=10)
    others = [
        Case(service=BARE, flows=10, chips=2),
        Case(service=BARE, flows=11),
        Case(service=BARE),
        Case(service=BARE, flows=10, size=65),
        Case(service=BARE, flows=10, packets=3_001),
        Case(service=BARE, flows=10, seed=2),
        Case(service=BARE, flows=10, placement={"flow_table": "dram"}),
    ]
    assert len({case.label() for case in [one, *others]}) == 1 + len(others)
    assert one.label() == Case(service=BARE, flows=10).label()


def test_a_load_that_is_borne_is_measured_as_offered() -> None:
    found = measure(Case(service=BARE, rate=300_000.0, packets=600))
    assert found.fault is None and found.states_judged
    assert (found.delivered, found.offered, found.lost) == (600, 600, {})
    assert found.packets_per_second == pytest.approx(300_000, rel=0.01)
    assert set(found.busy) == {"receive", "classify", "worker", "transmit", "control"}
