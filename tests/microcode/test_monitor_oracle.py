"""The monitor's oracle and the sketches: against plain counting, and by their laws."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microcode.services.monitor.oracle import FlowRecord, Monitor, Protocol, sketch_columns
from microcode.services.packet import ICMP, TCP, UDP, Packet, Tuple, read_packet
from microcode.services.sketch import ConservativeCountMin, CountMin
from tests.microcode.frames import frame_of

COLUMNS = 8
STREAM = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 1500)), max_size=60)


def columns_of(key: int) -> tuple[int, ...]:
    """Columns that collide often, differently in each row."""
    return tuple((key * factor >> 2) % COLUMNS for factor in (1, 3, 5, 7))


@given(STREAM)
def test_neither_sketch_is_below_the_truth_and_conservative_is_no_worse(stream: list[tuple[int, int]]) -> None:
    plain = CountMin(rows=4, columns=COLUMNS)
    conservative = ConservativeCountMin(rows=4, columns=COLUMNS)
    truth: Counter[int] = Counter()
    for key, amount in stream:
        truth[key] += amount
        estimate = conservative.add(columns_of(key), amount)
        assert truth[key] <= estimate == conservative.estimate(columns_of(key)) <= plain.add(columns_of(key), amount)
    for key, count in truth.items():
        assert count <= conservative.estimate(columns_of(key)) <= plain.estimate(columns_of(key))


@given(STREAM)
def test_every_row_of_the_plain_sketch_holds_the_whole_stream(stream: list[tuple[int, int]]) -> None:
    plain = CountMin(rows=4, columns=COLUMNS)
    for key, amount in stream:
        plain.add(columns_of(key), amount)
    assert plain.cells.sum(axis=1).tolist() == [sum(amount for _, amount in stream)] * 4


@given(STREAM, STREAM)
def test_plain_sketches_merge(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    parts = CountMin(rows=4, columns=COLUMNS), CountMin(rows=4, columns=COLUMNS)
    whole = CountMin(rows=4, columns=COLUMNS)
    for sketch, stream in zip(parts, (first, second), strict=True):
        for key, amount in stream:
            sketch.add(columns_of(key), amount)
            whole.add(columns_of(key), amount)
    parts[0].merge(parts[1])
    assert (parts[0].cells == whole.cells).all()


def test_conservative_updates_do_not_merge() -> None:
    """Two partials that are added say something else than one sketch of both streams; so there is no merge."""
    keys = (0, 1)  # which share a cell in row 0 only
    shared = {0: (0, 0, 0, 0), 1: (0, 1, 1, 1)}
    parts = [ConservativeCountMin(rows=4, columns=COLUMNS) for _ in keys]
    whole = ConservativeCountMin(rows=4, columns=COLUMNS)
    for key in keys:
        parts[key].add(shared[key], 5)
        whole.add(shared[key], 5)
    assert int(whole.cells[0, 0]) == 5
    assert int(parts[0].cells[0, 0]) + int(parts[1].cells[0, 0]) == 10
    with pytest.raises(TypeError, match="the sum of two sketches is not the sketch of both streams"):
        parts[0].merge(parts[1])


def test_cells_wrap() -> None:
    for kind in (CountMin, ConservativeCountMin):
        sketch = kind(rows=4, columns=COLUMNS)
        sketch.add((0, 0, 0, 0), 2**32 - 1)
        sketch.add((1, 0, 0, 0), 2)
        assert sketch.estimate((1, 1, 1, 1)) == 0
    plain = CountMin(rows=1, columns=1)
    plain.add((0,), 2**32 - 1)
    assert plain.add((0,), 3) == 2


def test_columns_are_taken_from_the_hash() -> None:
    words = (0x8000_0000, 0x0004_0000, 0xFFFC_0001)
    assert sketch_columns(words) == (1 << 13, 1, (1 << 14) - 1, 1)


PORTS = st.integers(0, 3)
FLOWS = st.builds(Tuple, PORTS, PORTS, PORTS, PORTS, st.sampled_from([TCP, UDP, ICMP, 47]))


@given(st.lists(st.tuples(FLOWS, st.integers(0, 30), st.integers(0, 255)), max_size=30))
def test_counts_every_packet_once(stream: list[tuple[Tuple, int, int]]) -> None:
    monitor = Monitor(columns=COLUMNS)
    packets: list[Packet] = []
    for flow, size, flags in stream:
        packet = read_packet(frame_of(flow, bytes(size), tcp_flags=flags))
        assert isinstance(packet, Packet)
        packets.append(packet)
        monitor.count(packet, (0, 0, 0))
    protocols = {TCP: Protocol.TCP, UDP: Protocol.UDP, ICMP: Protocol.ICMP, 47: Protocol.OTHER}
    for number, protocol in protocols.items():
        of_protocol = [packet.total_bytes for packet in packets if packet.flow.protocol == number]
        total = monitor.totals[protocol]
        assert (total.packets, total.bytes) == (len(of_protocol), sum(of_protocol))
    for flow, record in monitor.flows.items():
        mine = [packet for packet in packets if packet.flow == flow]
        flags = 0
        for packet in mine:
            flags |= packet.tcp_flags
        assert record == FlowRecord(len(mine), sum(packet.total_bytes for packet in mine), flags)
    assert set(monitor.flows) == {packet.flow for packet in packets}
    assert int(monitor.sketch.cells[0, 0]) == sum(packet.total_bytes for packet in packets)
