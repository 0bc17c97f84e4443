"""The forwarding oracle: its rules at their edges, its arithmetic and its tables against other ways to the same."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import dpkt  # type: ignore[import-untyped]
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ixp_emu.cluster.egress import EgressMatcher
from ixp_emu.cluster.frames import Frames, digest_bytes
from ixp_emu.cluster.traffic import TrafficSpec, make_traffic
from ixp_emu.cluster.wire import Line
from ixp_emu.errors import InputError
from microcode.services.forward.oracle import (
    Drop,
    FlowCount,
    FlowKey,
    NextHop,
    Route,
    Routes,
    build_next_hops,
    build_route_table,
    forward,
    forward_frame,
    lookup,
    read_routes,
    updated_checksum,
)

TRACES = Path(os.environ.get("IXPEMU_TRACES", Path(__file__).parents[3] / "shared" / "traces"))
HOP = NextHop(egress_port=2, destination_mac=0x0A0B0C0D0E0F, source_mac=0x010203040506)
ONE_ROUTE = Routes(routes=(Route(0x0A000000, 8, 0),), next_hops=(HOP,))


def ipv4(
    *,
    version: int = 4,
    header_longwords: int = 5,
    total_length: int | None = None,
    ttl: int = 64,
    protocol: int = 17,
    fragment: int = 0,
    destination: int = 0x0A010203,
    payload: bytes = bytes(range(26)),
    checksum_error: int = 0,
) -> bytes:
    """An Ethernet frame; header longwords above 5 are options, the checksum is right but for `checksum_error`."""
    options = bytes(range(1, 1 + 4 * max(header_longwords - 5, 0)))
    size = 20 + len(options) + len(payload) if total_length is None else total_length
    first = version << 4 | header_longwords
    header = struct.pack(">BBHHHBBHII", first, 0, size, 1, fragment, ttl, protocol, 0, 0xC0A80001, destination)
    checksum: int = dpkt.in_cksum(header + options) ^ checksum_error
    return bytes(range(12)) + b"\x08\x00" + header[:10] + checksum.to_bytes(2, "big") + header[12:] + options + payload


def outcome(frame: bytes, routes: Routes = ONE_ROUTE) -> Drop:
    result = forward_frame(frame, routes)
    return result if isinstance(result, Drop) else Drop.FORWARDED


def test_a_forwarded_frame_changes_addresses_ttl_and_checksum_only() -> None:
    frame = ipv4(header_longwords=7, payload=b"payload") + b"\0pad\0"
    result = forward_frame(frame, ONE_ROUTE)
    assert not isinstance(result, Drop)
    content, port, key, total_length = result
    assert content[:12] == bytes.fromhex("0a0b0c0d0e0f010203040506")
    assert content[12:22] == frame[12:22]
    assert (content[22], content[23]) == (63, 17)
    assert dpkt.in_cksum(content[14 : 14 + 28]) == 0
    assert content[26:] == frame[26:]
    assert (port, total_length) == (2, 35)
    assert key == FlowKey(0xC0A80001, 0x0A010203, 17, *struct.unpack(">HH", b"payl"))


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (ipv4(), Drop.FORWARDED),
        (ipv4()[:12] + b"\x08\x06" + ipv4()[14:], Drop.NOT_IPV4),
        (ipv4()[:12], Drop.NOT_IPV4),
        (ipv4(version=6), Drop.BAD_HEADER),
        (ipv4(header_longwords=4), Drop.BAD_HEADER),
        (ipv4(header_longwords=15, payload=b""), Drop.FORWARDED),
        (ipv4(total_length=46), Drop.FORWARDED),
        (ipv4(total_length=47), Drop.BAD_HEADER),
        (ipv4(total_length=20), Drop.FORWARDED),
        (ipv4(total_length=19), Drop.BAD_HEADER),
        (ipv4(header_longwords=6, total_length=24), Drop.FORWARDED),
        (ipv4(header_longwords=6, total_length=23), Drop.BAD_HEADER),
        (ipv4(payload=b""), Drop.FORWARDED),
        (ipv4(payload=b"")[:-1], Drop.BAD_HEADER),
        (ipv4(checksum_error=1), Drop.BAD_CHECKSUM),
        (ipv4(checksum_error=0x8000), Drop.BAD_CHECKSUM),
        (ipv4(ttl=2), Drop.FORWARDED),
        (ipv4(ttl=1), Drop.TTL_EXPIRED),
        (ipv4(ttl=0), Drop.TTL_EXPIRED),
        (ipv4(destination=0x0AFFFFFF), Drop.FORWARDED),
        (ipv4(destination=0x0B000000), Drop.NO_ROUTE),
        (ipv4(destination=0x09FFFFFF), Drop.NO_ROUTE),
    ],
)
def test_each_rule_at_its_edge(frame: bytes, reason: Drop) -> None:
    assert outcome(frame) is reason


def test_the_first_rule_that_fails_gives_the_reason() -> None:
    all_wrong = ipv4(version=5, checksum_error=1, ttl=1, destination=0)
    assert outcome(all_wrong) is Drop.BAD_HEADER
    assert outcome(ipv4(checksum_error=1, ttl=1, destination=0)) is Drop.BAD_CHECKSUM
    assert outcome(ipv4(ttl=1, destination=0)) is Drop.TTL_EXPIRED


def test_a_header_damaged_in_the_options_has_a_bad_checksum() -> None:
    frame = bytearray(ipv4(header_longwords=6))
    frame[35] ^= 0x10
    assert outcome(bytes(frame)) is Drop.BAD_CHECKSUM


def recomputed(words: list[int]) -> int:
    return int(dpkt.in_cksum(struct.pack(f">{len(words)}H", *words)))


@given(
    words=st.lists(st.integers(0, 0xFFFF), min_size=8, max_size=8),
    ttl=st.integers(1, 255),
    protocol=st.integers(0, 255),
)
@example(words=[0x4500, 0, 0, 0, 0, 0, 0, 0], ttl=1, protocol=0)
def test_the_incremental_checksum_equals_a_recomputation(words: list[int], ttl: int, protocol: int) -> None:
    old, new = ttl << 8 | protocol, (ttl - 1) << 8 | protocol
    rest = [0x4500 | words[0] & 0xFF, *words[1:]]
    assert updated_checksum(recomputed([*rest, old]), old, new) == recomputed([*rest, new])


def test_both_zeros_of_ones_complement() -> None:
    """Every sum a header can have, the two encodings of zero included; the short cut of RFC 1141 fails for one."""
    short_cut_fails = []
    for checksum in range(0x10000):
        old, new = 0x4011, 0x3F11
        rest = 0xFFFF - checksum - old  # the sum of the other words, so that `checksum` is valid
        rest = rest if rest > 0 else rest + 0xFFFF
        assert (rest + old + checksum) % 0xFFFF == 0
        expected = recomputed([rest, new])
        assert updated_checksum(checksum, old, new) == expected != 0xFFFF
        added = checksum + 0x0100
        if (added & 0xFFFF) + (added >> 16) != expected:
            short_cut_fails.append(checksum)
    assert short_cut_fails == [0xFEFF]


def test_a_received_checksum_of_ffff_is_valid_where_0000_is() -> None:
    header = [0x4500, 46, 1, 0, 0x4011, 0xC0A8, 1, 0x0A01]
    last = recomputed(header)  # the low half of the destination makes the sum 0xFFFF
    assert recomputed([*header, last]) == 0
    for checksum in (0x0000, 0xFFFF):
        words = [*header[:5], checksum, *header[5:], last]
        result = forward_frame(bytes(12) + b"\x08\x00" + struct.pack(">10H", *words) + bytes(26), ONE_ROUTE)
        assert not isinstance(result, Drop)
        assert result[0][24:26] == b"\x01\x00"


def test_ports_count_for_unfragmented_tcp_and_udp_only() -> None:
    def ports(frame: bytes) -> tuple[int, int]:
        result = forward_frame(frame, ONE_ROUTE)
        assert not isinstance(result, Drop)
        return result[2].source_port, result[2].destination_port

    assert ports(ipv4()) == ports(ipv4(protocol=6)) == ports(ipv4(total_length=24)) == (0x0001, 0x0203)
    assert ports(ipv4(fragment=0x4000)) == (0x0001, 0x0203)  # "don't fragment" is no fragment
    assert ports(ipv4(protocol=1)) == ports(ipv4(total_length=23)) == (0, 0)
    assert ports(ipv4(fragment=0x2000)) == ports(ipv4(fragment=0x0001)) == (0, 0)


def test_a_batch_keeps_order_and_identity_and_counts_flows() -> None:
    contents = [ipv4(), ipv4(ttl=1), ipv4(payload=b"abcdefgh"), ipv4()]
    frames = Frames.from_bytes(contents, arrival=[1, 2, 3, 4], flow=[7, 7, 8, 7], tag=[10, 11, 12, 13])
    result = forward(frames, ONE_ROUTE)
    assert result.drop.tolist() == [0, Drop.TTL_EXPIRED, 0, 0]
    assert result.drops()[Drop.TTL_EXPIRED] == sum(result.drops().values()) == 1
    assert result.input.tolist() == [0, 2, 3]
    assert result.output.tag.tolist() == [10, 12, 13]
    assert result.output.port.tolist() == [2, 2, 2]
    assert result.flows == {
        FlowKey(0xC0A80001, 0x0A010203, 17, 0x0001, 0x0203): FlowCount(packets=2, bytes=2 * 46),
        FlowKey(0xC0A80001, 0x0A010203, 17, 0x6162, 0x6364): FlowCount(packets=1, bytes=28),
    }
    expected = result.expected()
    assert expected.digest.tolist() == [digest_bytes(result.output.bytes_of(i)) for i in range(3)]
    assert (expected.flow.tolist(), expected.input.tolist()) == ([7, 8, 7], [0, 2, 3])


# Tables


def longest_prefix(routes: list[Route], address: int) -> int | None:
    """The definition: compare leading bits as text."""
    bits = f"{address:032b}"
    covering = [route for route in routes if f"{route.address:032b}"[: route.length] == bits[: route.length]]
    return max(covering, key=lambda route: route.length).next_hop if covering else None


def route_of(length: int, address: int, next_hop: int) -> Route:
    return Route(address >> (32 - length) << (32 - length), length, next_hop)


# Addresses that share their leading bits, so that prefixes nest and blocks are shared.
near = st.builds(
    lambda high, low: high << 24 | low,
    st.sampled_from([0x0A, 0x0B]),
    st.sampled_from([0, 1, 0x0101, 0x010101, 0xFFFFFF]) | st.integers(0, 0xFFFFFF),
)
route_lists = st.lists(
    st.builds(route_of, st.integers(0, 32), near, st.integers(0, 15)),
    max_size=12,
    unique_by=lambda route: (route.address, route.length),
)


@settings(max_examples=60, deadline=None)
@given(routes=route_lists, addresses=st.lists(near | st.integers(0, 0xFFFFFFFF), max_size=20))
def test_the_trie_finds_the_longest_prefix(routes: list[Route], addresses: list[int]) -> None:
    table = build_route_table(routes)
    assert (len(table) - 65_536) % 256 == 0
    edges = [route.address for route in routes] + [route.address + (1 << 32 - route.length) for route in routes]
    for address in [*addresses, *(edge + step & 0xFFFFFFFF for edge in edges for step in (-1, 0))]:
        expected = longest_prefix(routes, address)
        assert lookup(table, address) == expected
        hops = Routes(tuple(routes), tuple(NextHop(port, 0, 0) for port in range(16)))
        found = hops.next_hop_of(address)
        assert (None if found is None else found.egress_port) == expected


@pytest.mark.parametrize(("length", "blocks"), [(0, 0), (16, 0), (17, 1), (24, 1), (25, 2), (32, 2)])
def test_a_prefix_takes_the_levels_its_length_needs(length: int, blocks: int) -> None:
    table = build_route_table([route_of(length, 0x0A0A0A0A, 4)])
    assert len(table) == 65_536 + 256 * blocks
    assert lookup(table, 0x0A0A0A0A) == 4
    pointer = int(table[0x0A0A])
    assert pointer == (0x80000000 | 65_536 if blocks else 5)
    if blocks == 2:
        assert int(table[65_536 + 0x0A]) == 0x80000000 | 65_792


def test_the_next_hop_table_holds_the_addresses_as_a_frame_does() -> None:
    table = build_next_hops([HOP, HOP])
    assert table.dtype == np.uint32
    assert struct.pack(">4I", *table[4:].tolist()) == bytes.fromhex("0a0b0c0d0e0f010203040506") + (2).to_bytes(4, "big")


# The route file


def test_the_default_routes_cover_every_address() -> None:
    routes = read_routes()
    table = build_route_table(routes.routes)
    assert len(routes.routes) == 16
    assert len({route.length for route in routes.routes}) >= 8
    assert int((table == 0).sum()) == 0
    assert max(route.next_hop for route in routes.routes) == len(routes.next_hops) - 1


HOP_TEXT = '[[next_hop]]\negress_port = 0\ndestination_mac = "02:00:00:00:00:01"\nsource_mac = "02:00:00:00:00:02"\n'


def route_text(prefix: str, next_hop: int = 0) -> str:
    return f'[[route]]\nprefix = "{prefix}"\nnext_hop = {next_hop}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            HOP_TEXT + route_text("10.0.0.1/8"),
            '{}: route[0].prefix: "10.0.0.1/8" is no IPv4 prefix: 10.0.0.1/8 has host bits set',
        ),
        (HOP_TEXT + route_text("10.0.0.0/8") * 2, "{}: route[1].prefix: 10.0.0.0/8 stands twice"),
        (HOP_TEXT + route_text("10.0.0.0/8", 1), "{}: route[0].next_hop: 1, the file has 1 next hops"),
        (
            HOP_TEXT.replace(":01", "-01") + route_text("10.0.0.0/8"),
            '{}: next_hop[0].destination_mac: "02:00:00:00:00-01", six bytes like 02:00:00:01:00:01 expected',
        ),
        (HOP_TEXT + "[[route]]\nprefix = 1\nnext_hop = 0\n", "{}: Expected `str`, got `int` - at `$.route[0].prefix`"),
        (HOP_TEXT + "route = [\n", "{}: Invalid value (at end of document)"),
        (HOP_TEXT + "[[rout]]\n", "{}: Object contains unknown field `rout`"),
    ],
)
def test_a_bad_route_file_is_refused_with_file_key_value_and_rule(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "routes.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_routes(path)
    assert str(error.value) == message.format(path)


# End to end on the host


def line_traffic(**options: object) -> Frames:
    spec = TrafficSpec(into=("a.0",), **options)  # type: ignore[arg-type]
    return make_traffic(spec, [Line(bits_per_second=10**9, clock_hz=600_000_000)]).frames


def test_generated_traffic_is_forwarded_completely_and_matches_itself_at_egress() -> None:
    frames = line_traffic(generator="zipf", packets=3_000)
    result = forward(frames, read_routes())
    assert len(result.output) == 3_000
    assert set(result.output.port.tolist()) == {0, 1, 2}
    assert sum(count.packets for count in result.flows.values()) == 3_000
    assert sum(count.bytes for count in result.flows.values()) == int(frames.length.sum()) - 14 * 3_000
    assert len(result.flows) == len(set(frames.flow.tolist()))
    matcher = EgressMatcher(result.expected())
    matched = matcher.observe(digest=result.output.digests(), time=frames.arrival, port=result.output.port)
    assert matched.tolist() == list(range(3_000))


@pytest.mark.skipif(not TRACES.is_dir(), reason="the real traces are not here")
@pytest.mark.parametrize("trace", sorted(TRACES.glob("*.pcap*")), ids=lambda path: path.name)
def test_real_traces_are_forwarded_validly(trace: Path) -> None:
    frames = line_traffic(pcap=str(trace))
    result = forward(frames, read_routes())
    assert len(result.output) + sum(result.drops().values()) == len(frames)
    assert result.drops()[Drop.NO_ROUTE] == 0
    for index in range(0, len(result.output), 1 + len(result.output) // 500):
        before, after = frames.bytes_of(int(result.input[index])), result.output.bytes_of(index)
        assert dpkt.in_cksum(after[14 : 14 + (after[14] & 15) * 4]) == 0
        assert after[22] == before[22] - 1
        assert after[12:22] + after[26:] == before[12:22] + before[26:]
