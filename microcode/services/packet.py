"""What the services' oracles see of a frame: its IPv4 header and transport, or why it is malformed.

The rules, in this order: `short` (no room for the headers, or for the length they state), `version` (no IPv4, or a
header length below five longwords), `checksum` (of the header), `fragment` (any part of a fragmented packet).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

__all__ = ["ICMP", "TCP", "UDP", "Malformed", "Packet", "Tuple", "ones_complement_sum", "read_packet"]

ICMP, TCP, UDP = 1, 6, 17
_ETHERNET_BYTES = 14
_HEADER_BYTES = 20
_PORTS_BYTES = 4
_TCP_HEADER_BYTES = 20
_UDP_HEADER_BYTES = 8
_MORE_FRAGMENTS_OR_OFFSET = 0x3FFF


class Malformed(Enum):
    """Why a frame takes the counted path of malformed packets; the value is the counter's name."""

    SHORT = "short"
    VERSION = "version"
    CHECKSUM = "checksum"
    FRAGMENT = "fragment"


class Tuple(NamedTuple):
    """What names a flow. The ports are 0 where the transport has none."""

    source: int
    destination: int
    source_port: int
    destination_port: int
    protocol: int

    def reversed(self) -> Tuple:
        """The flow of the answers."""
        return Tuple(self.destination, self.source, self.destination_port, self.source_port, self.protocol)

    def sorted(self) -> Tuple:
        """The same for both directions: the lower (address, port) first."""
        return min(self, self.reversed())


@dataclass(frozen=True, slots=True)
class Packet:
    """A well-formed packet.

    Attributes:
        flow: addresses, ports, protocol.
        header_bytes: of the IPv4 header.
        total_bytes: IPv4 total length.
        tcp_flags: the flags byte of a whole TCP header, else 0.
        payload: what follows the transport's header, or the IPv4 header where the transport is unknown or cut.
    """

    flow: Tuple
    header_bytes: int
    total_bytes: int
    tcp_flags: int
    payload: bytes


def read_packet(frame: bytes) -> Packet | Malformed:
    """Take a frame (without FCS) apart."""
    packet = frame[_ETHERNET_BYTES:]
    if len(packet) < _HEADER_BYTES:
        return Malformed.SHORT
    header_bytes = (packet[0] & 15) * 4
    if frame[12:14] != b"\x08\x00" or packet[0] >> 4 != 4 or header_bytes < _HEADER_BYTES:
        return Malformed.VERSION
    total_bytes = int.from_bytes(packet[2:4])
    if not header_bytes <= total_bytes <= len(packet):
        return Malformed.SHORT
    if ones_complement_sum(packet[:header_bytes]) != 0xFFFF:
        return Malformed.CHECKSUM
    if int.from_bytes(packet[6:8]) & _MORE_FRAGMENTS_OR_OFFSET:
        return Malformed.FRAGMENT
    protocol = packet[9]
    source, destination = struct.unpack_from(">II", packet, 12)
    body = packet[header_bytes:total_bytes]
    source_port = destination_port = tcp_flags = skipped = 0
    if protocol in (TCP, UDP) and len(body) >= _PORTS_BYTES:
        source_port, destination_port = struct.unpack_from(">HH", body)
    if protocol == TCP and len(body) >= _TCP_HEADER_BYTES:
        tcp_flags, skipped = body[13], (body[12] >> 4) * 4
    elif protocol == UDP and len(body) >= _UDP_HEADER_BYTES:
        skipped = _UDP_HEADER_BYTES
    flow = Tuple(source, destination, source_port, destination_port, protocol)
    return Packet(flow, header_bytes, total_bytes, tcp_flags, body[skipped:])


def ones_complement_sum(data: bytes) -> int:
    """The 16-bit ones' complement sum, an odd byte at the end padded with 0; 0 only if all are 0."""
    padded = data + bytes(len(data) % 2)
    total: int = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total
