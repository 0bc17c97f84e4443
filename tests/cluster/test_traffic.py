"""Offered traffic: rates, ports, replay, determinism, refusals."""

from __future__ import annotations

import os
from fractions import Fraction
from ipaddress import IPv4Network
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ixp_emu.cluster.frames import NO_FLOW, NO_TAG, Frames
from ixp_emu.cluster.pcap import write_pcap
from ixp_emu.cluster.schema import DEFAULT_DESTINATIONS
from ixp_emu.cluster.traffic import Traffic, TrafficSpec, flow_numbers, make_traffic
from ixp_emu.cluster.wire import Line
from ixp_emu.errors import InputError
from microcode.services.forward.oracle import read_routes

TRACES = Path(os.environ.get("IXPEMU_TRACES", Path(__file__).parents[3] / "shared" / "traces"))
CLOCK_HZ = 600_000_000
GIGABIT = Line(bits_per_second=1_000_000_000, clock_hz=CLOCK_HZ)
CYCLES_PER_BYTE = Fraction(48, 10)


def offer(ports: int = 1, **options: Any) -> Traffic:
    spec = TrafficSpec(into=tuple(f"a.{port}" for port in range(ports)), **options)
    return make_traffic(spec, [GIGABIT] * ports)


def generate(ports: int = 1, **options: Any) -> Traffic:
    return offer(ports, **{"generator": "zipf", "packets": 2_000, **options})


def assert_wire_rules(frames: Frames, ports: int) -> None:
    """Per port: preamble, frame, FCS and minimum gap fit between two arrivals (to the cycle of rounding)."""
    assert (np.diff(frames.arrival.astype(np.int64)) >= 0).all()
    for port in range(ports):
        here = frames.take(frames.port == port)
        gaps = np.diff(here.arrival.astype(np.int64))
        needed = (here.length[:-1].astype(np.int64) + 24) * 48 // 10
        assert (gaps >= needed).all()


@pytest.mark.parametrize("rate", ["line", "back-to-back"])
def test_line_rate_leaves_the_minimum_gap_and_no_error_adds_up(rate: str) -> None:
    traffic = generate(rate=rate)
    bytes_before = np.cumsum(traffic.frames.length.astype(np.int64) + 24) - (traffic.frames.length + 24)
    assert traffic.frames.arrival.tolist() == [floor(CYCLES_PER_BYTE * int(before)) for before in bytes_before]
    assert traffic.delayed_packets == 0


def test_every_port_runs_at_line_rate_by_itself() -> None:
    frames = generate(ports=3, sizes=64, rate="line").frames
    for port in range(3):
        here = frames.take(frames.port == port)
        assert here.arrival.tolist() == [floor(CYCLES_PER_BYTE * 84 * number) for number in range(len(here))]


def test_packets_per_second_space_the_aggregate_evenly() -> None:
    traffic = generate(ports=2, sizes=64, rate=1_000_000, spread="round-robin")
    assert traffic.frames.arrival.tolist() == [600 * number for number in range(2_000)]
    assert traffic.frames.port.tolist() == [number % 2 for number in range(2_000)]
    assert traffic.delayed_packets == 0


def test_the_fastest_rate_the_wire_carries_delays_nothing_and_a_faster_one_does() -> None:
    wire_limit = Fraction(10**9, 84 * 8)
    at_limit = generate(sizes=64, rate=floor(wire_limit))
    assert (at_limit.delayed_packets, at_limit.longest_delay) == (0, 0)
    packets = 2_000
    above = generate(sizes=64, rate=2_000_000, packets=packets)
    assert above.frames.arrival.tolist() == [floor(CYCLES_PER_BYTE * 84 * number) for number in range(packets)]
    assert above.delayed_packets == packets - 1
    assert above.longest_delay == floor((packets - 1) * (84 * CYCLES_PER_BYTE - 300))


@pytest.mark.parametrize(("rate", "share"), [("1 Gb/s", 1), ("500 Mb/s", Fraction(1, 2)), ("0.25Gb/s", Fraction(1, 4))])
def test_a_bit_rate_counts_wire_bits(rate: str, share: Fraction) -> None:
    frames = generate(rate=rate).frames
    bits_before = (np.cumsum(frames.length.astype(np.int64) + 24) - (frames.length + 24)) * 8
    expected = [floor(Fraction(floor(int(bits) / share)) * Fraction(6, 10)) for bits in bits_before]
    assert frames.arrival.tolist() == expected


def test_ports_of_different_rates_keep_their_own_time() -> None:
    spec = TrafficSpec(into=("a.0", "a.1"), generator="uniform", packets=100, sizes=64, spread="round-robin")
    frames = make_traffic(spec, [GIGABIT, Line(bits_per_second=100_000_000, clock_hz=CLOCK_HZ)]).frames
    for port, cycles_per_byte in ((0, CYCLES_PER_BYTE), (1, 10 * CYCLES_PER_BYTE)):
        here = frames.take(frames.port == port)
        assert here.arrival.tolist() == [floor(cycles_per_byte * 84 * number) for number in range(50)]


@pytest.mark.parametrize("rate", ["line", 1_500_000, 2.5e6, "1.7 Gb/s"])
@pytest.mark.parametrize("spread", ["flow", "round-robin"])
def test_frames_are_sorted_tagged_in_order_and_never_too_close(rate: str | float, spread: str) -> None:
    frames = generate(ports=2, rate=rate, spread=spread, train_packets=3).frames
    assert len(frames) == 2_000
    assert_wire_rules(frames, ports=2)
    assert frames.tag.tolist() == [(1 << 32) + number for number in range(2_000)]
    in_payload = [int.from_bytes(frames.bytes_of(i)[42:50], "big") for i in range(2_000)]
    assert in_payload == frames.tag.tolist()


def test_a_flow_stays_on_its_port() -> None:
    frames = generate(ports=3, flows=50).frames
    assert set(frames.port.tolist()) == {0, 1, 2}
    assert len(set(zip(frames.flow.tolist(), frames.port.tolist(), strict=True))) == len(set(frames.flow.tolist()))


def test_flow_numbers_agree_with_the_generated_flows() -> None:
    frames = generate(flows=300).frames
    pairs = set(zip(frames.flow.tolist(), flow_numbers(frames).tolist(), strict=True))
    flows = len(set(frames.flow.tolist()))
    assert len(pairs) == flows == int(flow_numbers(frames).max()) + 1


def test_the_seed_decides_everything() -> None:
    options: dict[str, Any] = {"train_packets": 2, "rate": 1e6, "ports": 2}
    first, same, other = (generate(**options, seed=seed).frames.to_arrays() for seed in (5, 5, 6))
    assert all(np.array_equal(first[name], same[name]) for name in first)
    assert not any(np.array_equal(first[name], other[name]) for name in ("data", "flow", "length", "tag"))


def test_an_aspect_can_change_without_the_others() -> None:
    plain, sized = generate(), generate(sizes=64)
    assert np.array_equal(plain.frames.flow, sized.frames.flow)
    trains = generate(train_packets=4)
    assert np.array_equal(plain.frames.length, trains.frames.length)


def test_default_destinations_each_lie_under_one_default_route() -> None:
    routes = read_routes()
    prefixes = [(IPv4Network((route.address, route.length)), route) for route in routes.routes]
    used = set()
    for destination in map(IPv4Network, DEFAULT_DESTINATIONS):
        assert destination.subnet_of(IPv4Network("10.0.0.0/8"))
        assert not any(prefix.subnet_of(destination) and prefix != destination for prefix, _ in prefixes)
        used.add(max((p for p, _ in prefixes if destination.subnet_of(p)), key=lambda prefix: prefix.prefixlen))
    assert len(used) == len(DEFAULT_DESTINATIONS)
    assert {prefix.prefixlen for prefix in used} >= {8, 16, 17, 24, 25, 32}


# Replay


def udp(source_port: int, *, payload: int = 18, source: int = 1) -> bytes:
    header = (
        bytes.fromhex("4500") + (28 + payload).to_bytes(2, "big") + bytes(4) + bytes([64, 17, 0, 0, 10, 0, 0, source])
    )
    return bytes(12) + b"\x08\x00" + header + bytes([10, 1, 0, 1]) + source_port.to_bytes(2, "big") + bytes(6 + payload)


def capture(folder: Path, contents: list[bytes], stamps_ns: list[int] | None = None) -> str:
    path = folder / "trace.pcap"
    stamps = [number * 1_000_000 for number in range(len(contents))] if stamps_ns is None else stamps_ns
    write_pcap(path, Frames.from_bytes(contents), timestamp_ns=np.array(stamps, dtype=np.uint64))
    return str(path)


def test_recorded_gaps_scale_and_go_backwards_as_zero(tmp_path: Path) -> None:
    path = capture(tmp_path, [udp(1)] * 5, [10_000_000, 10_002_000, 10_001_000, 10_004_000, 10_010_000])
    # Gaps of 2, 0 (instead of -1), 3 and 6 us, halved; the third frame must wait until the second is through.
    traffic = offer(pcap=path, rate="recorded", time_scale=0.5)
    wire_ns = (60 + 24) * 8
    expected_ns = [0, 1_000, 1_000 + wire_ns, 2_500, 5_500]
    assert traffic.frames.arrival.tolist() == [ns * 6 // 10 for ns in expected_ns]
    assert traffic.delayed_packets == 1
    assert traffic.longest_delay == floor(wire_ns * Fraction(6, 10))


def test_short_frames_are_padded_as_a_mac_does(tmp_path: Path) -> None:
    traffic = offer(pcap=capture(tmp_path, [udp(1, payload=0)]))
    assert traffic.frames.bytes_of(0) == udp(1, payload=0).ljust(60, b"\0")
    assert traffic.frames.tag.tolist() == [NO_TAG]


def test_repeat_and_packets_cut_to_the_exact_number(tmp_path: Path) -> None:
    contents = [udp(1), udp(2), udp(1, payload=30)]
    path = capture(tmp_path, contents)
    for options, count in (({}, 3), ({"repeat": 2}, 6), ({"packets": 2}, 2), ({"repeat": 0, "packets": 7}, 7)):
        frames = offer(pcap=path, **options).frames
        assert [frames.bytes_of(i) for i in range(len(frames))] == [contents[i % 3] for i in range(count)]
        assert frames.flow.tolist() == [[0, 1, 0][i % 3] for i in range(count)]


def test_a_limit_above_what_the_capture_holds_offers_all_of_it(tmp_path: Path) -> None:
    path = capture(tmp_path, [udp(1)] * 3)
    assert [len(offer(pcap=path, packets=packets, repeat=2).frames) for packets in (5, 6, 7)] == [5, 6, 6]


def test_a_frame_no_port_takes_is_refused(tmp_path: Path) -> None:
    assert offer(pcap=capture(tmp_path, [bytes(1518)])).frames.length.tolist() == [1518]
    path = capture(tmp_path, [udp(1), bytes(1519)])
    with pytest.raises(InputError) as error:
        offer(pcap=path)
    assert str(error.value) == f"{path}: packet 2: 1519 bytes, a port takes at most 1518 without FCS"


def test_replayed_flows_stay_on_their_port_and_frames_of_no_flow_take_the_first(tmp_path: Path) -> None:
    contents = [udp(5), bytes(60), udp(6), udp(5), bytes(60)]
    frames = offer(ports=2, pcap=capture(tmp_path, contents), rate=1_000).frames
    assert frames.flow.tolist() == [0, NO_FLOW, 1, 0, NO_FLOW]
    assert frames.port.tolist() == [0, 0, 1, 0, 0]


@settings(deadline=None)
@given(st.lists(st.binary(min_size=0, max_size=70), max_size=6))
def test_flow_numbers_take_any_bytes(contents: list[bytes]) -> None:
    assert (flow_numbers(Frames.from_bytes([bytes(12) + b"\x08\x00" + one for one in contents])) <= NO_FLOW).all()


def test_flow_numbers_key_is_the_directed_five_tuple() -> None:
    tcp = udp(1)[:23] + b"\x06" + udp(1)[24:]
    other_source = udp(1, source=2)
    fragment = udp(1)[:20] + b"\x00\x01" + udp(1)[22:]
    not_to_fragment = udp(1)[:20] + b"\x40\x00" + udp(1)[22:]
    icmp = udp(1)[:23] + b"\x01" + udp(1)[24:]
    with_options = udp(1)[:14] + b"\x46" + udp(1)[15:34] + bytes(4) + udp(1)[34:]
    ipv6 = bytes(12) + b"\x86\xdd" + bytes(40)
    cut_off = udp(1)[:33]
    contents = [udp(1), udp(2), tcp, other_source, fragment, icmp, with_options, ipv6, cut_off, udp(2), not_to_fragment]
    expected = [0, 1, 2, 3, 4, 5, 0, NO_FLOW, NO_FLOW, 1, 0]
    assert flow_numbers(Frames.from_bytes(contents)).tolist() == expected
    assert flow_numbers(Frames.from_bytes([])).tolist() == []


@pytest.mark.skipif(not TRACES.is_dir(), reason="the real traces are not here")
@pytest.mark.parametrize("trace", sorted(TRACES.glob("*.pcap*")), ids=lambda path: path.name)
@pytest.mark.parametrize("rate", ["recorded", "line"])
def test_real_traces_replay(trace: Path, rate: str) -> None:
    traffic = offer(ports=2, pcap=str(trace), rate=rate)
    assert_wire_rules(traffic.frames, ports=2)
    assert traffic.truncated_packets == 0


# Refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "traffic: exactly one of pcap and generator expected"),
        ({"pcap": "x", "generator": "zipf"}, "traffic: exactly one of pcap and generator expected"),
        ({"generator": "burst"}, 'traffic.generator: "burst", "zipf" or "uniform" expected'),
        ({"generator": "zipf"}, "traffic.packets: not given, a generator needs a number of packets"),
        ({"generator": "zipf", "packets": 0}, "traffic.packets: 0, 1 to 4294967296 expected"),
        (
            {"generator": "zipf", "packets": 1, "rate": "recorded"},
            'traffic.rate: "recorded", only a capture has recorded times',
        ),
        (
            {"pcap": "x", "rate": "fast"},
            (
                'traffic.rate: "fast", "line", "back-to-back", "recorded", packets per second or a bit rate like '
                '"2.5 Gb/s" expected'
            ),
        ),
        ({"pcap": "x", "rate": 0}, "traffic.rate: 0, more than 0 and at most 1e12 packets/s expected"),
        ({"pcap": "x", "rate": float("nan")}, "traffic.rate: nan, more than 0 and at most 1e12 packets/s expected"),
        ({"pcap": "x", "repeat": 0}, "traffic.repeat: 0, endless replay needs traffic.packets"),
        ({"pcap": "x", "time_scale": 0.0}, "traffic.time_scale: 0.0, 1e-9 to 1e9 expected"),
        ({"generator": "zipf", "packets": 1, "sizes": 63}, "traffic.sizes: 63, 64 to 1522 bytes with FCS expected"),
        ({"generator": "zipf", "packets": 1, "sizes": 1523}, "traffic.sizes: 1523, 64 to 1522 bytes with FCS expected"),
        (
            {"generator": "zipf", "packets": 1, "sizes": ()},
            "traffic.sizes: empty, at least one [size, weight] expected",
        ),
        (
            {"generator": "zipf", "packets": 1, "sizes": ((64, 0),)},
            "traffic.sizes: weight 0 of size 64, more than 0 expected",
        ),
        (
            {"generator": "zipf", "packets": 1, "sizes": "big"},
            'traffic.sizes: "big", "imix", a size or [[size, weight], ...] expected',
        ),
        ({"generator": "zipf", "packets": 1, "flows": 0}, "traffic.flows: 0, 1 to 16777216 expected"),
        ({"generator": "zipf", "packets": 1, "zipf_s": -1.0}, "traffic.zipf_s: -1.0, 0 to 99 expected"),
        ({"generator": "zipf", "packets": 1, "train_packets": 0.5}, "traffic.train_packets: 0.5, 1 to 1e9 expected"),
        ({"pcap": "x", "seed": -1}, "traffic.seed: -1, 0 or more expected"),
        ({"pcap": "x", "into": ()}, "traffic.into: no ingress port, at least one expected"),
        ({"pcap": "x", "into": ("a.0", "a.0")}, "traffic.into: a.0 stands twice, each port once expected"),
        ({"pcap": "x", "spread": "random"}, 'traffic.spread: "random", "flow" or "round-robin" expected'),
        ({"pcap": "x", "destinations": ()}, "traffic.destinations: empty, at least one prefix expected"),
        (
            {"pcap": "x", "destinations": ("10.0.0.1/8",)},
            'traffic.destinations: "10.0.0.1/8" is no IPv4 prefix: 10.0.0.1/8 has host bits set',
        ),
    ],
)
def test_a_bad_value_is_refused_with_key_value_and_rule(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        TrafficSpec(**{"into": ("a.0",), **options})
    assert str(error.value) == message


def test_a_rate_that_never_ends_is_refused() -> None:
    with pytest.raises(InputError) as error:
        generate(rate=1e-9)
    assert str(error.value) == "traffic.rate: the packets would take more than 1000000000 s"


def test_one_line_per_port() -> None:
    spec = TrafficSpec(into=("a.0", "a.1"), generator="zipf", packets=1)
    with pytest.raises(ValueError, match=r"^1 lines for 2 ports$"):
        make_traffic(spec, [GIGABIT])
