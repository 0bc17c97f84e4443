"""The switch of the reference model, with times derived by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest

from .cluster import Cluster
from .media_times import enqueue, hardware, idle_chip, wire
from .switch import Switch

LATENCY = 20
NOWHERE = bytes([2, 0, 0, 0, 0, 99])


def address(number: int) -> bytes:
    return bytes([2, 0, 0, 0, 0, number])


def frame(to: int, length: int = 60, fill: int = 0) -> bytes:
    return address(to) + bytes([fill]) * (length - 6)


def star(ports: int, *, latency: int = LATENCY, **overrides: int) -> tuple[Cluster, Switch]:
    """Chips of one port on one switch; the address of a port is its chip's number."""
    cluster = Cluster([idle_chip(1, hardware(**overrides)) for _ in range(ports)])
    members = [((n, 0), address(n)) for n in range(ports)]
    return cluster, cluster.connect_switch(members, latency=latency)


def arrivals(cluster: Cluster, chip: int) -> list[tuple[int, bytes]]:
    return [(arrival.first_bit, arrival.frame) for arrival in cluster.chips[chip].media.ports[0].rx_frames]


def no_elements(cluster: Cluster) -> None:
    for chip in cluster.chips:
        chip.media.rx.free_elements.clear()


@pytest.mark.parametrize("switch_latency", [0, 600])
def test_a_frame_is_stored_and_then_forwarded(switch_latency: int) -> None:
    cluster, _ = star(3, switch__latency=switch_latency)
    no_elements(cluster)
    enqueue(cluster.chips[0], 0, frame(2))
    first_bit = wire(72) + LATENCY + switch_latency + LATENCY
    cluster.run(first_bit)
    assert arrivals(cluster, 2) == []
    cluster.step()
    assert arrivals(cluster, 2) == [(first_bit, frame(2))]
    cluster.run(3_000)
    assert [chip.media.ports[0].counters.frames_in for chip in cluster.chips] == [0, 0, 1]


def test_frames_of_one_time_go_in_order_of_their_source_ports() -> None:
    cluster, _ = star(4)
    no_elements(cluster)
    for source in (3, 1, 2):
        enqueue(cluster.chips[source], 0, frame(0, fill=source))
    cluster.run(5_000)
    start = wire(72) + LATENCY + 600
    assert arrivals(cluster, 0) == [
        (start + -(-Fraction(84 * 48, 10) * place // 1) + LATENCY, frame(0, fill=place + 1)) for place in range(3)
    ]


def test_an_earlier_frame_goes_first_whatever_its_port() -> None:
    cluster, _ = star(3)
    no_elements(cluster)
    enqueue(cluster.chips[2], 0, frame(0, fill=2))
    cluster.step()
    enqueue(cluster.chips[1], 0, frame(0, fill=1))
    cluster.run(5_000)
    assert [data[6] for _, data in arrivals(cluster, 0)] == [2, 1]


def test_ports_count_over_the_cluster() -> None:
    """The second port of chip 0 comes before the first one of chip 1, in whatever order they were plugged in."""
    cluster = Cluster([idle_chip(2), idle_chip(2)])
    members = [((1, 0), address(2)), ((0, 1), address(1)), ((1, 1), address(3))]
    cluster.connect_switch(members, latency=1)
    no_elements(cluster)
    for chip, port in ((1, 0), (0, 1)):
        enqueue(cluster.chips[chip], port, frame(3, fill=10 * chip + port))
    cluster.run(4_000)
    assert [arrival.frame[6] for arrival in cluster.chips[1].media.ports[1].rx_frames] == [1, 10]


@pytest.mark.parametrize(("length", "fits"), [(1_024, True), (1_025, False)])
def test_a_frame_that_does_not_fit_when_it_joins_is_lost(length: int, fits: bool) -> None:
    cluster, switch = star(3, switch__buffer_bytes=2_048)
    enqueue(cluster.chips[0], 0, frame(2, 1_024))
    enqueue(cluster.chips[1], 0, frame(2, length))
    cluster.run(20_000)
    joins = wire(8 + length + 4) + LATENCY + 600
    assert switch.lost == ([] if fits else [(joins, 2, frame(2, length), "switch_overflow")])
    assert cluster.chips[2].media.ports[0].counters.frames_in == (2 if fits else 1)


def test_a_frame_keeps_its_place_until_its_last_bit_has_left() -> None:
    """One that joins in the cycle of the last bit finds the room, one that joins a cycle before does not."""
    leaves = wire(8 + 2_000 + 4) + LATENCY + 600 + wire(8 + 2_000 + 4)
    for early, lost in ((0, 0), (1, 1)):
        cluster, switch = star(3, switch__buffer_bytes=2_048)
        enqueue(cluster.chips[0], 0, frame(2, 2_000))
        start = leaves - early - 600 - LATENCY - wire(72)
        cluster.run(start)
        enqueue(cluster.chips[1], 0, frame(2))
        cluster.run(leaves + 1)
        assert [(time, cause) for time, _, _, cause in switch.lost] == [(leaves - 1, "switch_overflow")] * lost


@pytest.mark.parametrize("destination", [NOWHERE, address(0), bytes([255]) * 6])
def test_a_frame_for_no_other_port_is_lost(destination: bytes) -> None:
    cluster, switch = star(3)
    data = destination + bytes(54)
    enqueue(cluster.chips[0], 0, data)
    cluster.run(5_000)
    assert switch.lost == [(wire(72), 0, data, "switch_unknown")], "when its last bit has left"
    assert [chip.media.ports[0].counters.frames_in for chip in cluster.chips] == [0, 0, 0]


def test_an_output_keeps_the_line_rate_in_fractions() -> None:
    """Two sources at the line rate fill one output; frames of 62 bytes take 412.8 cycles each."""
    cluster, _ = star(3)
    no_elements(cluster)
    for _ in range(6):
        for source in range(2):
            enqueue(cluster.chips[source], 0, frame(2, 62, fill=source))
    cluster.run(7_000)
    first = wire(8 + 62 + 4) + 2 * LATENCY + 600
    exact = [first + Fraction(86 * 48, 10) * place for place in range(12)]
    assert [time for time, _ in arrivals(cluster, 2)] == [-(-time // 1) for time in exact]


def test_addresses_are_distinct() -> None:
    cluster = Cluster([idle_chip(2)])
    with pytest.raises(ValueError, match="020000000001 of port 1"):
        cluster.connect_switch([((0, 0), address(1)), ((0, 1), address(1))], latency=1)
