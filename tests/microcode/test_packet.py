"""How the services' oracles take a packet apart: every rule at its edge, all fields against dpkt."""

from __future__ import annotations

import dpkt  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microcode.services.flow_hash import hash_128
from microcode.services.packet import ICMP, TCP, UDP, Malformed, Packet, Tuple, ones_complement_sum, read_packet
from tests.microcode.frames import address, frame_of
from tests.reference.scratch import hash_key

FLOW = Tuple(address("10.0.0.1"), address("192.168.1.2"), 1234, 80, TCP)


def with_checksum(frame: bytes) -> bytes:
    """The frame with its IPv4 header checksum made right again."""
    header = bytearray(frame[14 : 14 + (frame[14] & 15) * 4])
    header[10:12] = bytes(2)
    checksum: int = dpkt.in_cksum(bytes(header))
    return frame[:24] + checksum.to_bytes(2, "big") + frame[26:]


def changed(frame: bytes, at: int, value: bytes) -> bytes:
    return frame[:at] + value + frame[at + len(value) :]


@given(
    st.builds(
        Tuple,
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**32 - 1),
        st.integers(0, 65535),
        st.integers(0, 65535),
        st.sampled_from([TCP, UDP]),
    ),
    st.binary(max_size=40),
    st.sampled_from([b"", b"\1\1\1\1"]),
    st.sampled_from([b"", bytes(12)]),
)
def test_fields_are_those_that_dpkt_finds(flow: Tuple, payload: bytes, options: bytes, tcp_options: bytes) -> None:
    frame = frame_of(flow, payload, tcp_flags=0x12, options=options, tcp_options=tcp_options, padding=bytes(5))
    packet = read_packet(frame)
    other = dpkt.ethernet.Ethernet(frame).data
    assert isinstance(packet, Packet)
    assert packet.flow == flow
    assert packet.total_bytes == other.len
    assert packet.payload == payload == bytes(other.data.data)
    assert packet.tcp_flags == (0x12 if flow.protocol == TCP else 0)
    assert packet.header_bytes == 20 + len(options)


def test_other_protocols_have_no_ports_and_all_is_payload() -> None:
    packet = read_packet(frame_of(FLOW._replace(protocol=ICMP), b"12345678"))
    assert isinstance(packet, Packet)
    assert packet.flow == Tuple(FLOW.source, FLOW.destination, 0, 0, ICMP)
    assert packet.payload == b"12345678"


@pytest.mark.parametrize(("body_bytes", "ports"), [(3, (0, 0)), (4, (1234, 80))])
def test_ports_need_four_bytes(body_bytes: int, ports: tuple[int, int]) -> None:
    frame = frame_of(FLOW, b"")
    packet = read_packet(with_checksum(changed(frame, 16, (20 + body_bytes).to_bytes(2, "big"))))
    assert isinstance(packet, Packet)
    assert (packet.flow.source_port, packet.flow.destination_port) == ports
    assert (packet.tcp_flags, len(packet.payload)) == (0, body_bytes)


@pytest.mark.parametrize("fragment", [0x2000, 0x0001, 0x1FFF])
def test_fragments(fragment: int) -> None:
    assert read_packet(frame_of(FLOW, fragment=fragment)) is Malformed.FRAGMENT


def test_do_not_fragment_is_no_fragment() -> None:
    assert isinstance(read_packet(frame_of(FLOW, fragment=0x4000)), Packet)


@pytest.mark.parametrize(
    ("frame", "malformed"),
    [
        (frame_of(FLOW)[:33], Malformed.SHORT),
        (with_checksum(frame_of(FLOW, b"x")[:-1]), Malformed.SHORT),
        (with_checksum(changed(frame_of(FLOW), 16, b"\0\x13")), Malformed.SHORT),
        (changed(frame_of(FLOW), 12, b"\x86\xdd"), Malformed.VERSION),
        (changed(frame_of(FLOW), 14, b"\x65"), Malformed.VERSION),
        (changed(frame_of(FLOW), 14, b"\x44"), Malformed.VERSION),
        (changed(frame_of(FLOW), 22, b"\x41"), Malformed.CHECKSUM),
    ],
)
def test_malformed(frame: bytes, malformed: Malformed) -> None:
    assert read_packet(frame) is malformed


def test_a_sorted_flow_is_the_same_in_both_directions() -> None:
    assert FLOW.sorted() == FLOW.reversed().sorted() == FLOW
    same_address = FLOW._replace(destination=FLOW.source)
    assert same_address.sorted() == same_address.reversed() != FLOW


@given(st.binary(max_size=41))
def test_sum_against_dpkt(data: bytes) -> None:
    assert ones_complement_sum(data) ^ 0xFFFF == dpkt.in_cksum(data)


LONGWORDS = st.lists(st.integers(0, 2**32 - 1), min_size=4, max_size=4)


@given(LONGWORDS, LONGWORDS)
def test_hash_against_the_reference_model(key: list[int], multiplier: list[int]) -> None:
    def number(words: list[int]) -> int:
        return sum(word << 32 * place for place, word in enumerate(words))

    assert number(list(hash_128(key, multiplier))) == hash_key(128, number(key), number(multiplier))
