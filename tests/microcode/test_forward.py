"""The forwarder on the engine against its oracle: bytes, drops, flow table."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.microcode.forwarding import (
    PORT_0,
    PORT_1,
    PORT_2,
    assert_forwarded,
    expected,
    hash_of,
    ipv4,
    run_frames,
)

# Room for every flow of a test: four flows to a group of the table, groups by hash.
ROOMY = {"MAX_FLOWS": 65_536}
DESTINATIONS = (PORT_0, PORT_1, PORT_2)


def test_frames_of_every_length_leave_as_the_oracle_says(tmp_path: Path) -> None:
    lengths = [*range(60, 201), 255, 256, 257, 1472, 1473, 1514, 1518]
    frames = [
        ipv4(length, source=0xC0A80000 + length, destination=DESTINATIONS[length % 3], identification=length)
        for length in lengths
    ]
    assert_forwarded(run_frames(tmp_path, frames, defines=ROOMY), frames)


# Each case next to the edge of a rule, with frames on both sides of it.
GOOD = [ipv4(source=1, destination=PORT_1), ipv4(90, source=2, destination=PORT_2)]
SHORT_TOTAL = ipv4(60, source=4, total_length=20)
DROPPED = {
    "not_ipv4": [ipv4(ether_type=0x0801), ipv4(ether_type=0x0900), ipv4(ether_type=0x0000), ipv4(ether_type=0x86DD)],
    "bad_header": [
        *(ipv4(first=first) for first in (0x44, 0x40, 0x35, 0x55, 0x50, 0x65, 0xF5, 0x05)),
        ipv4(60, total_length=47),
        ipv4(60, total_length=0xFFFF),
        ipv4(60, total_length=19),
        ipv4(60, options=bytes(4), total_length=23),
        ipv4(60, options=bytes(28)),  # the header alone is longer than what the frame holds
    ],
    "bad_checksum": [
        ipv4(checksum_error=1),
        ipv4(checksum_error=0x8000),
        ipv4(checksum_error=0xFFFE),
        ipv4(80, options=bytes(range(8)), checksum_error=0x0100),
    ],
    "ttl_expired": [ipv4(ttl=0), ipv4(ttl=1)],
}


@pytest.mark.parametrize("reason", DROPPED)
def test_a_frame_that_breaks_a_rule_is_dropped_and_counted_once(tmp_path: Path, reason: str) -> None:
    frames = [GOOD[0], *(frame for bad in DROPPED[reason] for frame in (bad, GOOD[1])), SHORT_TOTAL, ipv4(ttl=2)]
    run = run_frames(tmp_path, frames, defines=ROOMY)
    assert run.counters() == {reason: len(DROPPED[reason])}
    assert_forwarded(run, frames)


def test_the_first_rule_that_is_broken_counts(tmp_path: Path) -> None:
    frames = [
        ipv4(ether_type=0x0806, first=0x44, checksum_error=1, ttl=0),
        ipv4(first=0x44, checksum_error=1, ttl=0),
        ipv4(checksum_error=1, ttl=0),
        ipv4(ttl=0),
    ]
    run = run_frames(tmp_path, frames)
    assert run.counters() == {"not_ipv4": 1, "bad_header": 1, "bad_checksum": 1, "ttl_expired": 1}
    assert_forwarded(run, frames)


def test_without_a_route_a_frame_is_dropped(tmp_path: Path) -> None:
    routes = tmp_path / "routes.toml"
    hop = '[[next_hop]]\negress_port = {}\ndestination_mac = "02:00:00:00:00:0{}"\nsource_mac = "02:00:00:00:01:0{}"\n'
    route = '[[route]]\nprefix = "{}"\nnext_hop = {}\n'
    prefixes = (("10.0.0.0/8", 0), ("11.0.0.0/17", 1), ("11.0.128.0/24", 2), ("11.0.130.7/32", 0), ("0.0.0.0/16", 1))
    routes.write_text(
        "".join(hop.format(n, n, n) for n in range(3)) + "".join(route.format(*prefix) for prefix in prefixes)
    )
    # On both sides of every prefix, so that each level of the table says both yes and no.
    addresses = [
        *(0x0A000000, 0x0AFFFFFF, 0x09FFFFFF, 0x0B000000, 0x0B007FFF, 0x0B008000, 0x0B0080FF, 0x0B008100),
        *(0x0B008206, 0x0B008207, 0x0B008208, 0x00000000, 0x0000FFFF, 0x00010000, 0xFFFFFFFF, 0x0B010000),
    ]
    frames = [ipv4(source=n, destination=address) for n, address in enumerate(addresses)]
    run = run_frames(tmp_path, frames, routes=routes, defines=ROOMY)
    assert run.counters() == {"no_route": 7}
    assert_forwarded(run, frames, routes)


def test_all_levels_of_the_route_table_choose_the_longest_prefix(tmp_path: Path) -> None:
    rng = random.Random(4)
    near = (0x0A000000, 0x0A02_0000, 0x0A02_8000, 0x0A05_0500, 0x0A06_0600, 0x0A07_0700, 0x0A07_0780, 0x0A08_0808)
    addresses = [base + offset for base in near for offset in (-1, 0, 1, 0x7F, 0xFF)]
    addresses += [rng.getrandbits(32) for _ in range(60)]
    frames = [ipv4(source=n, destination=address & 0xFFFFFFFF) for n, address in enumerate(addresses)]
    assert_forwarded(run_frames(tmp_path, frames, defines=ROOMY), frames)


def _checksum(frame: bytes) -> int:
    return int.from_bytes(frame[24:26])


def test_checksums_at_their_edges_are_accepted_and_updated(tmp_path: Path) -> None:
    # The identification sweeps the checksum over all values near both zeros, and near where the update carries.
    near = {0x0000, 0x0001, 0xFEFE, 0xFEFF, 0xFF00, 0xFFFE, 0x00FF, 0x0100}
    sweep = [ipv4(identification=n) for n in range(0x10000)]
    frames = [frame for frame in sweep if _checksum(frame) in near]
    assert {_checksum(frame) for frame in frames} == near
    zero = next(frame for frame in sweep if _checksum(frame) == 0)
    frames.append(zero[:24] + b"\xff\xff" + zero[26:])  # the other zero is as valid
    rng = random.Random(5)
    for _ in range(300):
        frames.append(
            ipv4(
                source=rng.choice((0, 0xFFFFFFFF, rng.getrandbits(32))),
                destination=rng.choice((PORT_0, 0xFFFFFFFF, rng.getrandbits(32))),
                identification=rng.choice((0, 0xFFFF, rng.getrandbits(16))),
                ttl=rng.choice((2, 255, rng.randrange(2, 256))),
                protocol=rng.choice((1, 255)),
            )
        )
    assert_forwarded(run_frames(tmp_path, frames, defines=ROOMY), frames)


def test_options_are_summed_and_left_alone(tmp_path: Path) -> None:
    rng = random.Random(6)
    frames = []
    for longwords in range(11):
        for extra in (0, 3, 4, 8):  # payload bytes: ports need four
            header = 20 + 4 * longwords
            for protocol in (6, 17, 1):
                options = bytes(rng.choice((0, 255, rng.getrandbits(8))) for _ in range(4 * longwords))
                length = max(60, 14 + header + extra)
                total = header + extra if length == 60 else None
                frames.append(
                    ipv4(
                        length,
                        source=rng.getrandbits(32),
                        destination=rng.choice(DESTINATIONS),
                        options=options,
                        protocol=protocol,
                        ports=(rng.getrandbits(16), rng.getrandbits(16)),
                        total_length=total,
                    )
                )
    run = run_frames(tmp_path, frames, defines=ROOMY)
    assert_forwarded(run, frames)
    assert any(key.source_port for key in run.flows())


@pytest.mark.parametrize("longwords", [1, 10])
def test_every_bit_of_the_options_counts_in_the_checksum(tmp_path: Path, longwords: int) -> None:
    length = 14 + 20 + 4 * longwords + 20
    good = ipv4(max(length, 60), options=bytes(4 * longwords))
    frames = [good]
    for bit in range(0, 32 * longwords, 7):
        wrong = bytearray(good)
        wrong[34 + bit // 8] ^= 0x80 >> bit % 8
        frames.append(bytes(wrong))
    run = run_frames(tmp_path, frames, defines=ROOMY)
    assert run.counters() == {"bad_checksum": len(frames) - 1}
    assert_forwarded(run, frames)


def test_ports_are_part_of_a_flow_only_of_unfragmented_tcp_and_udp(tmp_path: Path) -> None:
    cases = [
        {"protocol": protocol, "fragment": fragment, "total_length": total}
        for protocol in (0, 1, 5, 6, 7, 16, 17, 18, 22, 255)
        for fragment in (0, 0x4000, 0x8000, 0xC000, 0x2000, 0x0001, 0x1FFF, 0x0100, 0x3FFF)
        for total in (20, 23, 24, 46)
    ]
    frames = [ipv4(source=n, destination=DESTINATIONS[n % 3], **case) for n, case in enumerate(cases)]  # type: ignore[arg-type]
    assert_forwarded(run_frames(tmp_path, frames, defines=ROOMY), frames)


def test_packets_of_a_flow_share_worker_and_element_whatever_their_options(tmp_path: Path) -> None:
    # The ports lie behind up to ten longwords, in the first mpacket or in the second; a fragment, or a packet that ends
    # before both ports, has none and belongs to the flow with ports 0.
    frames = [
        ipv4(
            length,
            source=0xC0A80000 + flow,
            protocol=(6, 17)[flow % 2],
            options=bytes(4 * longwords),
            ports=(flow * 1001, 80),
            fragment=fragment,
            identification=flow,
            total_length=None if payload is None else 20 + 4 * longwords + payload,
        )
        for flow in range(12)
        for longwords in (0, 1, 2, 6, 7, 8, 9, 10, 0)
        for length in ((64, 65, 700) if longwords < 7 else (90, 700))
        for fragment, payload in ((0, None), (0, 4), (0, 3), (0, 0), (0x2000, None))
    ]
    run = run_frames(tmp_path, frames, defines=ROOMY, traffic={"back_pressure": "true"})
    assert_forwarded(run, frames)
    assert len(run.flows()) == 2 * 12


def _flow_sequence(frames: list[bytes]) -> Iterator[tuple[bytes, int]]:
    """(addresses and ports, identification) of each frame."""
    for frame in frames:
        yield frame[26:38], int.from_bytes(frame[18:20])


def test_packets_of_a_flow_leave_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    rng = random.Random(7)
    frames = []
    for number in range(1_500):
        flow = min(rng.randrange(40), rng.randrange(40))
        length = rng.choice((60, 60, 60, 61, 124, 200, 570, 1514))
        frames.append(ipv4(length, source=0xC0A80000 + flow, destination=DESTINATIONS[flow % 3], identification=number))
    run = run_frames(tmp_path, frames, defines=ROOMY, traffic={"back_pressure": "true"})
    assert_forwarded(run, frames)
    for port in run.left.values():
        last: dict[bytes, int] = {}
        for flow_key, number in _flow_sequence(port):
            assert last.get(flow_key, -1) < number
            last[flow_key] = number
    assert len(run.flows()) == 40


@pytest.mark.parametrize("memory", ["scratch", "sram0", "sram1", "dram"])
def test_the_flow_table_counts_alike_in_every_memory(tmp_path: Path, memory: str) -> None:
    # 48 flows of a few packets each, so that updates of a flow follow one another closely.
    frames = [
        ipv4(60 + n % 5, source=0xC0A80000 + n % 48 // 3, destination=DESTINATIONS[n % 3], identification=n)
        for n in range(600)
    ]
    assert_forwarded(run_frames(tmp_path, frames, placement={"flow_table": memory}), frames)


def test_a_group_of_the_flow_table_holds_four_flows(tmp_path: Path) -> None:
    # The group is the upper six bits of the hash, with 256 elements: six flows that agree in them.
    ports = [port for port in range(1_000) if hash_of(ipv4(ports=(port, 80))) >> 26 == 21][:6]
    frames = [ipv4(ports=(port, 80), identification=n) for n in range(3) for port in ports]
    run = run_frames(tmp_path, frames)
    flows = expected(frames).flows
    held = {key: flows[key] for key in flows if key.source_port in ports[:4]}
    assert run.counters() == {"flow_table_full": 3 * 2}
    assert run.flows() == held
    assert sorted(run.everything) == sorted(expected(frames).output.bytes_of(n) for n in range(len(frames)))
    run.assert_clean()


@pytest.mark.parametrize("memory", ["scratch", "sram1", "dram"])
def test_tables_may_live_in_any_memory_that_holds_them(tmp_path: Path, memory: str) -> None:
    placement = {"next_hops": memory, "engine_index": memory, "route_table": memory.replace("scratch", "dram")}
    frames = [ipv4(source=n, destination=0x0A070700 + n) for n in range(100, 160)]
    assert_forwarded(run_frames(tmp_path, frames, defines=ROOMY, placement=placement), frames)
