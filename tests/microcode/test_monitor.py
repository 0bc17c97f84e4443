"""Network monitoring on the emulated chip against its oracle."""

from __future__ import annotations

import random

import pytest

from microcode.services.flow_hash import hash_128
from microcode.services.monitor.oracle import Monitor, Protocol
from microcode.services.packet import ICMP, TCP, UDP, Tuple
from oboe_runtime.declaration import read_declaration
from tests.microcode.frames import frame_of
from tests.microcode.service_bench import Bench, Work

SERVICE = "builtin:services/monitor"
CELLS = 64  # four rows of 16: flows collide
MULTIPLIER = (0x1234_5679, 0x9ABC_DEF1, 0x0F1E_2D3D, 0x8765_4321)


def stream(seed: int, packets: int, flows: int) -> list[Work]:
    """Packets of some flows in random order, of all protocols, with and without options, whole TCP headers or not."""
    draw = random.Random(seed)
    known = [
        Tuple(draw.getrandbits(32), draw.getrandbits(32), draw.getrandbits(16), draw.getrandbits(16), protocol)
        for protocol in draw.choices([TCP, UDP, ICMP, 50], k=flows)
    ]
    known = [
        flow if flow.protocol in (TCP, UDP) else flow._replace(source_port=0, destination_port=0) for flow in known
    ]
    work: list[Work] = []
    seen: set[int] = set()
    for _ in range(packets):
        number = draw.randrange(flows)
        flow = known[number]
        options = bytes([1] * 4 * draw.choice([0, 0, 1, 2, 10]))
        payload = draw.randbytes(draw.randrange(0, 60))
        frame = frame_of(flow, payload, tcp_flags=draw.getrandbits(8), options=options)
        key = [flow.source, flow.destination, flow.source_port << 16 | flow.destination_port, flow.protocol]
        words = hash_128(key, MULTIPLIER)
        work.append(Work(frame, flow, record=number, new=number not in seen, hash_words=words[:3]))
        seen.add(number)
    return work


def observed(bench: Bench, monitor: Monitor, work: list[Work]) -> None:
    """The chip holds what the oracle has counted."""
    for one in work:
        record = monitor.flows[one.key]
        assert bench.words("flow_counters")[one.record].tolist() == [record.packets, record.bytes, record.tcp_flags, 0]
    totals = [[monitor.totals[protocol].packets, monitor.totals[protocol].bytes] for protocol in Protocol]
    assert bench.words("totals").tolist() == totals


@pytest.mark.parametrize("memory", ["sram1", "scratch", "dram"])
@pytest.mark.parametrize("conservative", [0, 1])
def test_counts_what_the_oracle_counts(conservative: int, memory: str) -> None:
    declaration = read_declaration(SERVICE, options={"conservative": conservative, "sketch_cells": CELLS})
    work = stream(seed=conservative, packets=120, flows=30)
    monitor = Monitor(conservative=bool(conservative), columns=CELLS // 4)
    for one in work:
        monitor.count(one.packet(), one.hash_words)
    bench = Bench(declaration, memories={state.name: memory for state in declaration.states})
    bench.words("flow_counters")[...] = 0xDEAD  # a new record holds what was there before
    verdicts, frames = bench.run(work)
    assert set(verdicts) == {0}
    assert frames == [one.frame for one in work]
    observed(bench, monitor, work)
    used, idle = ("conservative_sketch", "sketch") if conservative else ("sketch", "conservative_sketch")
    assert bench.words(used).reshape(4, -1).tolist() == monitor.sketch.cells.tolist()
    assert not bench.words(idle).any()


@pytest.mark.parametrize(("segment_bytes", "seen"), [(19, 0), (20, 0x3F)])
def test_flags_need_a_whole_tcp_header(segment_bytes: int, seen: int) -> None:
    flow = Tuple(1, 2, 3, 4, TCP)
    whole = frame_of(flow, tcp_flags=0x3F)
    frame = whole[:16] + (20 + segment_bytes).to_bytes(2, "big") + whole[18:]
    bench = Bench(read_declaration(SERVICE))
    bench.run([Work(frame, flow, new=True)])
    assert bench.words("flow_counters")[0].tolist() == [1, 20 + segment_bytes, seen, 0]
