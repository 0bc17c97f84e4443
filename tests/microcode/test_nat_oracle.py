"""The translator's oracle: checksums against a whole computation, the bijection, every rule."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import dpkt  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microcode.services.nat.oracle import Addresses, NatDrop, Translator, bundle_ports, updated_sum
from microcode.services.packet import ICMP, TCP, UDP, Packet, Tuple, read_packet
from tests.microcode.frames import address, frame_of

ADDRESSES = Addresses(inside=IPv4Network("10.0.0.0/8"), external=IPv4Address("198.51.100.1"))
FLOW = Tuple(address("10.1.2.3"), address("203.0.113.9"), 4000, 80, TCP)
BUNDLES = 1024


def translator(bundle: int = 5) -> Translator:
    return Translator(ADDRESSES, bundles=BUNDLES, bundle_of=lambda flow: bundle)


def answer(sent: bytes, payload: bytes = b"", **keywords: int) -> bytes:
    packet = read_packet(sent)
    assert isinstance(packet, Packet)
    return frame_of(packet.flow.reversed(), payload)


def test_every_bundle_has_63_ports_and_no_port_two_bundles() -> None:
    owned = [bundle_ports(bundle, bundles=BUNDLES) for bundle in range(BUNDLES)]
    assert {len(ports) for ports in owned} == {63}
    assert sorted(port for ports in owned for port in ports) == list(range(1024, 65536))
    assert all((port - 1024) % BUNDLES == bundle for bundle, ports in enumerate(owned) for port in ports)


WORDS = st.integers(0, 0xFFFF)


@given(st.lists(WORDS, min_size=2, max_size=12), st.data())
def test_an_updated_sum_is_the_whole_computation(words: list[int], data: st.DataObject) -> None:
    def checksum(values: list[int]) -> int:
        value: int = dpkt.in_cksum(b"".join(value.to_bytes(2, "big") for value in values))
        return value

    at = data.draw(st.integers(0, len(words) - 1))
    new = data.draw(WORDS)
    after = [*words[:at], new, *words[at + 1 :]]
    updated = updated_sum(checksum(words), words[at].to_bytes(2, "big"), new.to_bytes(2, "big"))
    if any(words) and any(after):  # a text that is all zeros is the one case without a unique checksum
        assert updated == checksum(after)


@settings(max_examples=60)
@given(
    st.builds(
        Tuple,
        st.integers(1, 2**24 - 1).map(lambda low: 10 << 24 | low),
        st.integers(1, 2**32 - 1).filter(lambda value: value != int(ADDRESSES.external)),
        WORDS,
        WORDS,
        st.sampled_from([TCP, UDP]),
    ),
    st.binary(max_size=20),
    st.booleans(),
    st.sampled_from([b"", b"\1\1\1\1"]),
)
def test_there_and_back(flow: Tuple, payload: bytes, udp_checksum: bool, options: bytes) -> None:
    nat = translator()
    sent = nat.translate(frame_of(flow, payload, udp_checksum=udp_checksum, options=options, padding=b"pad"))
    port = bundle_ports(5, bundles=BUNDLES)[0]
    expected = flow._replace(source=int(ADDRESSES.external), source_port=port)
    assert sent == frame_of(expected, payload, udp_checksum=udp_checksum, options=options, padding=b"pad")
    received = nat.translate(frame_of(expected.reversed(), payload, udp_checksum=udp_checksum))
    assert received == frame_of(flow.reversed(), payload, udp_checksum=udp_checksum)
    nat.check()


def test_a_bundle_gives_out_its_ports_in_order_and_only_once() -> None:
    nat = translator(bundle=1023)
    flows = [FLOW._replace(source_port=number) for number in range(64)]
    for flow in flows[:63]:
        assert isinstance(nat.translate(frame_of(flow)), bytes)
    assert [nat.sessions[flow] for flow in flows[:63]] == list(bundle_ports(1023, bundles=BUNDLES))
    assert nat.translate(frame_of(flows[63])) is NatDrop.NO_PORT
    nat.check()
    nat.close(flows[7])
    assert isinstance(nat.translate(frame_of(flows[63])), bytes)
    assert nat.sessions[flows[63]] == bundle_ports(1023, bundles=BUNDLES)[7]
    nat.check()


@pytest.mark.parametrize(
    "other",
    [
        {"source": FLOW.destination + 1},
        {"source_port": FLOW.destination_port + 1},
        {"protocol": UDP},
        {"destination_port": bundle_ports(5, bundles=BUNDLES)[1]},
    ],
)
def test_only_the_far_end_of_the_session_may_answer(other: dict[str, int]) -> None:
    nat = translator()
    sent = nat.translate(frame_of(FLOW))
    assert isinstance(sent, bytes)
    right = Tuple(FLOW.destination, int(ADDRESSES.external), FLOW.destination_port, nat.sessions[FLOW], TCP)
    assert nat.translate(frame_of(right)) == frame_of(FLOW.reversed())
    assert nat.translate(frame_of(right._replace(**other))) is NatDrop.NO_SESSION


@pytest.mark.parametrize(
    "frame",
    [
        frame_of(FLOW._replace(protocol=ICMP), b"12345678"),
        frame_of(FLOW._replace(source=address("11.0.0.0"))),
        frame_of(FLOW._replace(source=address("9.255.255.255"))),
    ],
)
def test_not_translated(frame: bytes) -> None:
    nat = translator()
    assert nat.translate(frame) is NatDrop.NOT_TRANSLATED
    assert not nat.sessions


def test_a_udp_checksum_that_becomes_zero_is_sent_as_ones() -> None:
    nat = translator()
    flow = FLOW._replace(protocol=UDP)
    sent = flow._replace(source=int(ADDRESSES.external), source_port=bundle_ports(5, bundles=BUNDLES)[0])
    zeroing = next(
        payload
        for payload in (number.to_bytes(2, "big") for number in range(65536))
        if frame_of(sent, payload)[40:42] == b"\xff\xff"
    )
    assert nat.translate(frame_of(flow, zeroing)) == frame_of(sent, zeroing)
