"""What address and port translation must make of every packet, said independently of its microcode.

TCP and UDP with their ports are translated; all else is dropped (`not_translated`).

- A packet from an inside address to any but the external address goes out: its source becomes the external address and
  the port of its session. A new session takes the lowest free port of its bundle: those p of 1024 to 65535 with
  (p - 1024) mod bundles = bundle. Without one the packet is dropped (`no_port`).
- A packet to the external address comes in: it must belong to the session that holds its destination port, by protocol
  and by the far address and port (RFC 4787 calls this filtering address and port dependent); else it is dropped
  (`no_session`). Its destination becomes the inside address and port.
- All else is dropped (`not_translated`).

The checksums of IPv4, TCP and UDP are updated by RFC 1624, equation 3; a UDP checksum of 0 (none) stays 0, and one that
becomes 0 is sent as 0xFFFF (RFC 768).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Network

import numpy as np
import numpy.typing as npt

from microcode.services.packet import TCP, UDP, Malformed, Tuple, read_packet
from oboe_runtime.declaration import Declaration
from oboe_runtime.layout import BUNDLES
from oboe_runtime.observed import Observed, differing_entries, differing_flows
from oboe_runtime.oracle import Arrival, Treatment

__all__ = [
    "FIRST_PORT",
    "LAST_PORT",
    "Addresses",
    "NatDrop",
    "NatOracle",
    "Translator",
    "bundle_ports",
    "free_ports",
    "open_oracle",
    "updated_sum",
]

FIRST_PORT, LAST_PORT = 1024, 65535
_ETHERNET_BYTES = 14
_IP_CHECKSUM, _SOURCE, _DESTINATION = 10, 12, 16  # bytes of the IPv4 header
_TRANSPORT_CHECKSUM = {TCP: 16, UDP: 6}  # bytes of the transport's header


class NatDrop(Enum):
    """Why a well-formed packet is not passed on; the value is the counter's name."""

    NOT_TRANSLATED = "not_translated"
    NO_PORT = "no_port"
    NO_SESSION = "no_session"


@dataclass(frozen=True, slots=True)
class Addresses:
    """The two sides: the inside prefix, and the one external address."""

    inside: IPv4Network
    external: IPv4Address


def bundle_ports(bundle: int, *, bundles: int) -> range:
    """The external ports that a bundle owns."""
    return range(FIRST_PORT + bundle, LAST_PORT + 1, bundles)


def free_ports(bundles: int) -> npt.NDArray[np.uint32]:
    """The state `ports` at the start: two longwords a bundle; bit s % 32 of longword s // 32 is its s-th port."""
    masks = [(1 << len(bundle_ports(bundle, bundles=bundles))) - 1 for bundle in range(bundles)]
    return np.array([(mask & 0xFFFF_FFFF, mask >> 32) for mask in masks], dtype=np.uint32)


@dataclass(slots=True)
class Translator:
    """All sessions, and what is free.

    Attributes:
        addresses: the two sides.
        bundles: how many there are.
        bundle_of: the bundle of an outgoing flow.
        sessions: outgoing flow -> external port.
        holders: external port -> outgoing flow; the inverse of `sessions`.
    """

    addresses: Addresses
    bundles: int
    bundle_of: Callable[[Tuple], int]
    sessions: dict[Tuple, int] = field(default_factory=dict)
    holders: dict[int, Tuple] = field(default_factory=dict)

    def translate(self, frame: bytes) -> bytes | NatDrop:
        """What leaves for a well-formed frame, or why nothing does."""
        packet = read_packet(frame)
        assert not isinstance(packet, Malformed)
        flow = packet.flow
        body_bytes = packet.total_bytes - packet.header_bytes
        if flow.protocol not in _TRANSPORT_CHECKSUM or body_bytes < _TRANSPORT_CHECKSUM[flow.protocol] + 2:
            return NatDrop.NOT_TRANSLATED
        external = int(self.addresses.external)
        if flow.destination == external:
            session = self.holders.get(flow.destination_port)
            if session is None or flow != Tuple(
                session.destination, external, session.destination_port, flow.destination_port, session.protocol
            ):
                return NatDrop.NO_SESSION
            return _rewritten(frame, packet.header_bytes, flow.protocol, False, session.source, session.source_port)
        if IPv4Address(flow.source) not in self.addresses.inside:
            return NatDrop.NOT_TRANSLATED
        port = self.sessions.get(flow)
        if port is None:
            port = self._open(flow)
            if port is None:
                return NatDrop.NO_PORT
        return _rewritten(frame, packet.header_bytes, flow.protocol, True, external, port)

    def _open(self, flow: Tuple) -> int | None:
        ports = bundle_ports(self.bundle_of(flow), bundles=self.bundles)
        port = next((port for port in ports if port not in self.holders), None)
        if port is not None:
            self.sessions[flow] = port
            self.holders[port] = flow
        return port

    def close(self, flow: Tuple) -> None:
        """The session's record is evicted or has expired: its port is free again."""
        del self.holders[self.sessions.pop(flow)]

    def check(self) -> None:
        """A port belongs to one session, a session has one port, of its own bundle."""
        assert {flow: port for port, flow in self.holders.items()} == self.sessions
        for flow, port in self.sessions.items():
            assert port in bundle_ports(self.bundle_of(flow), bundles=self.bundles)


_LIVE = 1 << 31


class NatOracle:
    """Translation behind the protocol of oracles."""

    def __init__(self, addresses: Addresses) -> None:
        self._bundles: dict[Tuple, int] = {}
        self.translator = Translator(addresses, bundles=BUNDLES, bundle_of=self._bundles.__getitem__)

    def contents(self) -> Mapping[str, npt.NDArray[np.uint32]]:
        """All ports are free."""
        return {"ports": free_ports(BUNDLES).reshape(-1)}

    def work(self, arrival: Arrival) -> Treatment:
        """Translate a packet; those of a bundle in the order of the service."""
        self._bundles[arrival.packet.flow] = arrival.bundle
        result = self.translator.translate(arrival.frame)
        return Treatment(arrival.frame, result.value) if isinstance(result, NatDrop) else Treatment(result)

    def differences(self, observed: Observed) -> list[str]:
        """Every session in its place, every other port free."""
        self.translator.check()
        texts: list[str] = []
        holders = self.translator.holders
        if "ports" in observed.entries:
            pool = free_ports(BUNDLES)
            for port in holders:
                slot, bundle = divmod(port - FIRST_PORT, BUNDLES)
                pool[bundle, slot // 32] &= ~np.uint32(1 << slot % 32)
            texts += differing_entries("ports", observed.entries["ports"], pool)
        if "sessions" in observed.entries:
            sessions = observed.entries["sessions"].copy()
            sessions[(sessions[:, 3] & _LIVE) == 0] = 0  # what closed sessions leave behind
            expected = np.zeros_like(sessions)
            for port, flow in holders.items():
                slot, bundle = divmod(port - FIRST_PORT, BUNDLES)
                ports = flow.source_port << 16 | flow.destination_port
                row = len(sessions) // BUNDLES * bundle + slot
                expected[row] = flow.source, flow.destination, ports, _LIVE | flow.protocol
            texts += differing_entries("sessions", sessions, expected)
        if "flow_ports" in observed.flows:
            ports_of = {flow: (self.translator.sessions.get(flow, 0),) for flow in self._bundles}
            texts += differing_flows("flow_ports", observed.flows["flow_ports"], ports_of)
        return texts


def open_oracle(declaration: Declaration) -> NatOracle:
    """The oracle with the options in force."""
    options = declaration.options
    return NatOracle(Addresses(IPv4Network(str(options["inside"])), IPv4Address(str(options["external"]))))


def _rewritten(frame: bytes, header_bytes: int, protocol: int, outgoing: bool, address: int, port: int) -> bytes:
    changed = bytearray(frame)
    transport = _ETHERNET_BYTES + header_bytes
    at_address = _ETHERNET_BYTES + (_SOURCE if outgoing else _DESTINATION)
    at_port = transport + (0 if outgoing else 2)
    old = bytes(changed[at_address : at_address + 4]), bytes(changed[at_port : at_port + 2])
    new = address.to_bytes(4), port.to_bytes(2)
    changed[at_address : at_address + 4], changed[at_port : at_port + 2] = new
    _update(changed, _ETHERNET_BYTES + _IP_CHECKSUM, old[0], new[0])
    at_checksum = transport + _TRANSPORT_CHECKSUM[protocol]
    if protocol == TCP or changed[at_checksum : at_checksum + 2] != b"\0\0":
        _update(changed, at_checksum, b"".join(old), b"".join(new))
        if protocol == UDP and changed[at_checksum : at_checksum + 2] == b"\0\0":
            changed[at_checksum : at_checksum + 2] = b"\xff\xff"
    return bytes(changed)


def _update(frame: bytearray, at: int, old: bytes, new: bytes) -> None:
    frame[at : at + 2] = updated_sum(int.from_bytes(frame[at : at + 2]), old, new).to_bytes(2)


def updated_sum(checksum: int, old: bytes, new: bytes) -> int:
    """A checksum after some 16-bit words changed: HC' = ~(~HC + ~m + m'), RFC 1624, equation 3."""
    total = checksum ^ 0xFFFF
    for place in range(0, len(old), 2):
        total += (int.from_bytes(old[place : place + 2]) ^ 0xFFFF) + int.from_bytes(new[place : place + 2])
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
