"""Address and port translation on the emulated chip against its oracle."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv4Network

import numpy as np
import pytest

from microcode.services.nat.oracle import Addresses, NatDrop, Translator, bundle_ports, free_ports
from microcode.services.packet import ICMP, TCP, UDP, Packet, Tuple, read_packet
from oboe_runtime.declaration import read_declaration
from tests.microcode.frames import address, frame_of
from tests.microcode.service_bench import BUNDLES, Bench, Work

SERVICE = "builtin:services/nat"
OPTIONS = {"external": "198.51.100.1", "inside": "10.0.0.0/8"}
ADDRESSES = Addresses(inside=IPv4Network("10.0.0.0/8"), external=IPv4Address("198.51.100.1"))
RECORDS = 256
LIVE = 1 << 31


def bundle_of(flow: Tuple) -> int:
    """Two bundles, so that their ports run out."""
    return (0, 1023)[flow.source_port & 1]


class Traffic:
    """Packets and what the oracle makes of each; records are given and taken like a flow table would."""

    def __init__(self, seed: int) -> None:
        self.nat = Translator(ADDRESSES, bundles=BUNDLES, bundle_of=bundle_of)
        self.draw = random.Random(seed)
        self.records: dict[Tuple, int] = {}
        self.free = list(range(RECORDS))
        self.work: list[Work] = []
        self.expected: list[bytes | NatDrop] = []

    def send(self, frame: bytes, evict: Tuple | None = None) -> bytes | NatDrop:
        packet = read_packet(frame)
        assert isinstance(packet, Packet)
        flow = packet.flow
        victim = None
        if evict is not None:
            victim = self.records.pop(evict)
            self.free.append(victim)
            if evict in self.nat.sessions:
                self.nat.close(evict)
        new = flow not in self.records
        record = self.records.setdefault(flow, self.free.pop() if new else -1)
        inbound = flow.destination == int(ADDRESSES.external)
        bundle = (flow.destination_port - 1024) % BUNDLES if inbound else bundle_of(flow)
        self.work.append(Work(frame, flow, record=record, new=new, evicted=victim, bundle=bundle))
        self.expected.append(self.nat.translate(frame))
        return self.expected[-1]

    def frame(self, flow: Tuple) -> bytes:
        return frame_of(
            flow,
            self.draw.randbytes(self.draw.randrange(20)),
            udp_checksum=self.draw.random() < 0.7,
            options=bytes([1] * 4 * self.draw.choice([0, 0, 1, 3])),
        )

    def outgoing(self) -> Tuple:
        return Tuple(
            address("10.0.0.0") + self.draw.randrange(1 << 24),
            self.draw.randrange(1, 1 << 32),
            self.draw.randrange(1 << 16),
            self.draw.randrange(1 << 16),
            self.draw.choice([TCP, UDP]),
        )


def check(traffic: Traffic, memories: dict[str, str] | None = None) -> Bench:
    declaration = read_declaration(SERVICE, options=OPTIONS)
    pool = free_ports(BUNDLES)
    bench = Bench(declaration, records=RECORDS, contents={"ports": pool}, memories=memories)
    bench.words("flow_ports")[...] = 0xDEAD  # a new record holds what was there before
    verdicts, frames = bench.run(traffic.work)
    names = {drop: declaration.drops.index(drop.value) + 1 for drop in NatDrop}
    for verdict, frame, expected in zip(verdicts, frames, traffic.expected, strict=True):
        if isinstance(expected, NatDrop):
            assert verdict == names[expected]
        else:
            assert (verdict, frame) == (0, expected)
    traffic.nat.check()
    holders = traffic.nat.holders
    sessions = bench.words("sessions").reshape(BUNDLES, 64, 4)
    live = {(slot + 1) * BUNDLES + bundle for bundle, slot in np.argwhere(sessions[:, :, 3] & LIVE).tolist()}
    assert live == set(holders)
    for port, flow in holders.items():
        ports = flow.source_port << 16 | flow.destination_port
        assert sessions[port % BUNDLES, port // BUNDLES - 1].tolist() == [
            flow.source,
            flow.destination,
            ports,
            LIVE | flow.protocol,
        ]
        assert bench.words("flow_ports")[traffic.records[flow], 0] == port
    for port in range(1024, 65536):
        slot, bundle = divmod(port - 1024, BUNDLES)
        free = int(bench.words("ports")[bundle, slot // 32]) >> slot % 32 & 1
        assert free == (port not in holders)
    return bench


@pytest.mark.parametrize("memory", ["sram1", "dram"])
def test_translates_as_the_oracle_does(memory: str) -> None:
    traffic = Traffic(seed=1)
    sent: list[bytes] = []
    flows: list[Tuple] = []
    for _ in range(70):
        flow = traffic.outgoing() if not flows or traffic.draw.random() < 0.5 else traffic.draw.choice(flows)
        flows.append(flow)
        out = traffic.send(traffic.frame(flow))
        assert isinstance(out, bytes)
        sent.append(out)
        packet = read_packet(traffic.draw.choice(sent))
        assert isinstance(packet, Packet)
        back = packet.flow.reversed()
        if traffic.draw.random() < 0.3:
            back = back._replace(source_port=back.source_port ^ 1)
        elif traffic.draw.random() < 0.3:
            back = back._replace(source=back.source ^ 1)
        traffic.send(traffic.frame(back))
    assert NatDrop.NO_SESSION in traffic.expected
    check(traffic, {"ports": memory, "sessions": memory, "flow_ports": memory})


def test_ports_of_a_bundle_run_out_and_come_back_with_eviction() -> None:
    traffic = Traffic(seed=2)
    flows = [traffic.outgoing()._replace(source_port=2 * number + 1) for number in range(66)]
    outcomes = [traffic.send(traffic.frame(flow)) for flow in flows]
    assert [isinstance(one, bytes) for one in outcomes] == [True] * 63 + [False] * 3
    for victim, again in ((flows[40], flows[64]), (flows[3], flows[65])):
        assert isinstance(traffic.send(traffic.frame(again), evict=victim), bytes)
    assert traffic.nat.sessions[flows[64]] == bundle_ports(1023, bundles=BUNDLES)[40]
    elsewhere = traffic.outgoing()._replace(source_port=1000)
    traffic.send(traffic.frame(elsewhere), evict=flows[20])  # nobody takes its port
    late = traffic.outgoing()._replace(source_port=998)
    assert isinstance(traffic.send(traffic.frame(late), evict=flows[63]), bytes)  # a flow that never had a port
    check(traffic)


SENT = Tuple(int(ADDRESSES.external), 0xC0A80101, 1024 + 1023, 80, UDP)
INSIDE = Tuple(address("10.9.8.7"), SENT.destination, 2001, 80, UDP)


def test_a_udp_checksum_that_becomes_zero_is_sent_as_ones() -> None:
    payloads = (number.to_bytes(2, "big") for number in range(65536))
    zeroing = next(payload for payload in payloads if frame_of(SENT, payload)[40:42] == b"\xff\xff")
    traffic = Traffic(seed=5)
    assert traffic.send(frame_of(INSIDE, zeroing)) == frame_of(SENT, zeroing)
    check(traffic)


def test_a_sum_is_folded_twice() -> None:
    """An identification for which the sum of ~HC and the change carries again when its carries are added."""
    plain = frame_of(INSIDE)
    halves = [number >> shift & 0xFFFF for number in (INSIDE.source, SENT.source) for shift in (16, 0)]
    change = (halves[0] ^ 0xFFFF) + (halves[1] ^ 0xFFFF) + halves[2] + halves[3]

    def numbered(identification: int) -> bytes:
        header = bytearray(plain[14:34])
        header[4:6], header[10:12] = identification.to_bytes(2, "big"), bytes(2)
        return plain[:14] + bytes(header[:10]) + checksum(bytes(header)) + bytes(header[12:]) + plain[34:]

    def carries_again(frame: bytes) -> bool:
        total = (int.from_bytes(frame[24:26], "big") ^ 0xFFFF) + change
        return (total & 0xFFFF) + (total >> 16) > 0xFFFF

    traffic = Traffic(seed=6)
    traffic.send(next(frame for frame in map(numbered, range(65536)) if carries_again(frame)))
    check(traffic)


def test_a_port_below_1024_belongs_to_no_session_whatever_lies_before_the_table() -> None:
    declaration = read_declaration(SERVICE, options=OPTIONS)
    bench = Bench(
        declaration, records=RECORDS, memories={"sessions": "sram1", "ports": "scratch", "flow_ports": "scratch"}
    )
    flow = Tuple(7, int(ADDRESSES.external), 9, 80, UDP)
    bench.before("sessions", [INSIDE.source, flow.source, INSIDE.source_port << 16 | flow.source_port, LIVE | UDP])
    verdicts, _ = bench.run([Work(frame_of(flow), flow, new=True, bundle=80)])
    assert verdicts == [declaration.drops.index("no_session") + 1]


@pytest.mark.parametrize(
    ("flow", "body_bytes"),
    [
        (Tuple(address("10.0.0.1"), 1, 0, 0, ICMP), None),
        (Tuple(address("11.0.0.0"), 1, 5, 5, TCP), None),
        (Tuple(address("9.255.255.255"), 1, 5, 5, UDP), None),
        (Tuple(address("10.0.0.1"), 1, 5, 5, TCP), 17),
        (Tuple(address("10.0.0.1"), 1, 5, 5, TCP), 18),
        (Tuple(address("10.0.0.1"), 1, 5, 5, UDP), 7),
        (Tuple(address("10.0.0.1"), 1, 5, 5, UDP), 8),
    ],
)
def test_what_is_translated_at_all(flow: Tuple, body_bytes: int | None) -> None:
    frame = frame_of(flow, bytes(8))
    if body_bytes is not None:
        frame = frame[:16] + (20 + body_bytes).to_bytes(2, "big") + frame[18:]
        header = bytearray(frame[14:34])
        header[10:12] = bytes(2)
        frame = frame[:24] + checksum(bytes(header)) + frame[26:]
    traffic = Traffic(seed=3)
    traffic.send(frame)
    check(traffic)


@pytest.mark.parametrize("port", [0, 80, 1023, 1024, 65535])
def test_packets_to_ports_without_a_session(port: int) -> None:
    traffic = Traffic(seed=4)
    traffic.send(traffic.frame(traffic.outgoing()))
    assert traffic.send(frame_of(Tuple(7, int(ADDRESSES.external), 9, port, UDP))) is NatDrop.NO_SESSION
    check(traffic)


def checksum(header: bytes) -> bytes:
    total = sum(int.from_bytes(header[at : at + 2], "big") for at in range(0, len(header), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return (total ^ 0xFFFF).to_bytes(2, "big")


@pytest.mark.parametrize("inside", ["0.0.0.0/0", "10.1.2.3/32"])
def test_prefixes_of_every_length(inside: str) -> None:
    declaration = read_declaration(SERVICE, options={**OPTIONS, "inside": inside})
    bench = Bench(declaration, records=RECORDS, contents={"ports": free_ports(BUNDLES)})
    flows = [Tuple(address(text), 1, 5, 5, UDP) for text in ("10.1.2.3", "10.1.2.2", "200.0.0.1")]
    work = [Work(frame_of(flow), flow, record=number, new=True) for number, flow in enumerate(flows)]
    verdicts, _ = bench.run(work)
    assert verdicts == [0, 0, 0] if inside.endswith("/0") else verdicts == [0, 1, 1]
