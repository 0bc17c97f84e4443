"""Generated frames against closed forms; every tolerance is five standard deviations of the statistic tested."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from math import sqrt

import dpkt  # type: ignore[import-untyped]
import numpy as np
import pytest

from ixp_emu.cluster.frames import Frames
from ixp_emu.cluster.generator import (
    TAG_OFFSET_BYTES,
    FlowSpace,
    address_flows,
    draw_flows,
    draw_sizes,
    write_frames,
)
from ixp_emu.cluster.traffic import IMIX

PACKETS = 200_000


def generate(length: list[int], flow: list[int] | None = None) -> Frames:
    count = len(length)
    return write_frames(
        address_flows(flows=50, destinations=[IPv4Network("10.1.0.0/16")], seed=3),
        flow=np.array([number % 50 for number in range(count)] if flow is None else flow, dtype=np.uint32),
        length=np.array(length, dtype=np.uint32),
        port=np.zeros(count, dtype=np.uint16),
        arrival=np.zeros(count, dtype=np.uint64),
        tag=np.arange(count, dtype=np.uint64) + np.uint64(7 << 32),
    )


@pytest.mark.parametrize(("flows", "exponent"), [(1, 1.0), (10, 0.0), (1_000, 1.0), (1_000, 1.26), (5, 3.0)])
def test_zipf_shares_follow_the_closed_form(flows: int, exponent: float) -> None:
    normal = sum(1 / rank**exponent for rank in range(1, flows + 1))
    drawn = draw_flows(packets=PACKETS, space=FlowSpace(flows, exponent), train_packets=1, seed=1)
    counts = np.bincount(drawn, minlength=flows)
    assert len(counts) == flows
    for flow in range(min(flows, 20)):
        share = 1 / (flow + 1) ** exponent / normal
        deviation = sqrt(PACKETS * share * (1 - share))
        assert abs(counts[flow] - PACKETS * share) <= 5 * deviation, flow


def test_shares_reproduce_48_flows_of_1000_with_80_percent() -> None:
    assert round(float(FlowSpace(1_000, 1.26).shares()[:48].sum()), 3) == 0.799


def test_trains_have_the_mean_length_and_leave_the_shares_alone() -> None:
    mean, flows = 8.0, 100_000
    drawn = draw_flows(packets=PACKETS, space=FlowSpace(flows), train_packets=mean, seed=1)
    assert len(drawn) == PACKETS
    # Between two packets a train ends with probability 1/mean, and then the flow changes unless drawn again.
    change = (1 - 1 / flows) / mean
    changes = int(np.count_nonzero(drawn[1:] != drawn[:-1]))
    assert abs(changes - (PACKETS - 1) * change) <= 5 * sqrt((PACKETS - 1) * change * (1 - change))
    # N/mean trains of geometric length L put N p packets into a flow of share p; E[L^2] = mean (2 mean - 1).
    zipf = FlowSpace(1_000, 1.0)
    top = int(np.count_nonzero(draw_flows(packets=PACKETS, space=zipf, train_packets=mean, seed=2) == 0))
    share = float(zipf.shares()[0])
    assert abs(top - PACKETS * share) <= 5 * sqrt(PACKETS * share * (2 * mean - 1))


def test_imix_has_the_mean_and_the_proportions_of_its_weights() -> None:
    drawn = draw_sizes(packets=PACKETS, size_weights=IMIX, seed=1)
    total = sum(weight for _, weight in IMIX)
    mean = sum(size * weight for size, weight in IMIX) / total
    variance = sum((size - mean) ** 2 * weight for size, weight in IMIX) / total
    assert abs(float(drawn.mean()) - mean) <= 5 * sqrt(variance / PACKETS)
    for size, weight in IMIX:
        share = weight / total
        count = int(np.count_nonzero(drawn == size))
        assert abs(count - PACKETS * share) <= 5 * sqrt(PACKETS * share * (1 - share))


def test_flows_have_different_addresses_inside_the_prefixes_and_use_every_prefix() -> None:
    prefixes = [IPv4Network("10.0.0.0/16"), IPv4Network("10.2.128.0/17"), IPv4Network("10.8.8.8/32")]
    addresses = address_flows(flows=5_000, destinations=prefixes, seed=1)
    sources = list(zip(addresses.source.tolist(), addresses.source_port.tolist(), strict=True))
    assert len(set(sources)) == 5_000
    assert all(IPv4Address(source) in IPv4Network("172.16.0.0/12") and port >= 1024 for source, port in sources)
    hits = [next(p for p in prefixes if IPv4Address(one) in p) for one in addresses.destination.tolist()]
    for prefix in prefixes:
        assert abs(hits.count(prefix) - 5_000 / 3) <= 5 * sqrt(5_000 * 2 / 9)


def test_every_frame_is_valid_ethernet_ipv4_udp() -> None:
    lengths = [60, 61, 62, 63, 64, 65, 566, 1514, 1518] * 20
    frames = generate(lengths)
    for index, length in enumerate(lengths):
        frame = frames.bytes_of(index)
        ethernet = dpkt.ethernet.Ethernet(frame)
        packet, datagram = ethernet.data, ethernet.data.data
        assert (len(frame), ethernet.type, packet.v, packet.hl, packet.ttl, packet.p) == (length, 0x0800, 4, 5, 64, 17)
        assert (packet.len, datagram.ulen, datagram.sum) == (length - 14, length - 34, 0)
        assert dpkt.in_cksum(frame[14:34]) == 0
        assert packet.dst[:2] == bytes([10, 1])
        assert datagram.data[:8] == ((7 << 32) + index).to_bytes(8, "big")
        assert len(frame) - len(datagram.data) == TAG_OFFSET_BYTES


def test_a_flow_keeps_its_addresses_and_frames_of_one_flow_differ() -> None:
    frames = generate([60] * 4, flow=[9, 4, 9, 9])
    addresses = [frames.bytes_of(index)[26:38] for index in range(4)]
    assert addresses[0] == addresses[2] == addresses[3] != addresses[1]
    assert len(set(frames.digests().tolist())) == 4


def test_payload_shows_displaced_bytes() -> None:
    payload = generate([1514]).bytes_of(0)[TAG_OFFSET_BYTES + 8 :]
    blocks = [payload[at : at + 8] for at in range(len(payload) - 8)]
    assert len(set(blocks)) == len(blocks)
