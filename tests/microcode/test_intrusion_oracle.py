"""The detector's oracle: one text per direction of a flow, however it is cut into packets."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from microcode.services.intrusion.oracle import Detector
from microcode.services.packet import TCP, Packet, Tuple
from oboe_runtime.aho_corasick import ROOT, compile_patterns

FLOW = Tuple(1, 2, 3, 4, TCP)


def packet(payload: bytes, flow: Tuple = FLOW) -> Packet:
    return Packet(flow, header_bytes=20, total_bytes=40 + len(payload), tcp_flags=0x10, payload=payload)


LETTERS = st.binary(min_size=1, max_size=4).map(lambda data: bytes(97 + byte % 2 for byte in data))
PATTERNS = st.lists(LETTERS, min_size=1, max_size=5, unique=True)
TEXTS = st.lists(st.binary(max_size=9).map(lambda data: bytes(97 + byte % 3 for byte in data)), max_size=8)


@given(PATTERNS, TEXTS)
def test_cuts_change_nothing(patterns: list[bytes], payloads: list[bytes]) -> None:
    text = b"".join(payloads)
    expected = Counter(
        number for number, pattern in enumerate(patterns) for at in range(len(text)) if text.startswith(pattern, at)
    )
    detector = Detector(patterns)
    for payload in payloads:
        detector.scan(packet(payload))
    assert detector.alerts == expected


@given(PATTERNS, TEXTS)
def test_agrees_with_the_table(patterns: list[bytes], payloads: list[bytes]) -> None:
    automaton, detector, state = compile_patterns(patterns), Detector(patterns), ROOT
    for payload in payloads:
        state, met = automaton.scan(payload, state)
        assert detector.scan(packet(payload)) == Counter(
            number for _, output in met for number in automaton.ends[output - 1]
        )


def test_flows_and_directions_are_texts_of_their_own() -> None:
    detector = Detector([b"abcd"])
    for flow in (FLOW, FLOW.reversed(), FLOW._replace(source_port=9)):
        detector.scan(packet(b"ab", flow))
    assert detector.scan(packet(b"cd", FLOW.reversed())) == {0: 1}
    assert detector.scan(packet(b"cd", FLOW._replace(destination=8))) == {}
    assert detector.packets_with_alerts == 1


def test_a_forgotten_flow_begins_anew_in_both_directions() -> None:
    detector = Detector([b"ab"])
    detector.scan(packet(b"a"))
    detector.scan(packet(b"a", FLOW.reversed()))
    detector.forget(FLOW.reversed())
    assert detector.scan(packet(b"b")) == detector.scan(packet(b"b", FLOW.reversed())) == {}
