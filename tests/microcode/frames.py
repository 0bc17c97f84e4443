"""Ethernet frames with IPv4 and TCP, UDP or anything else, written with dpkt."""

from __future__ import annotations

from ipaddress import IPv4Address

import dpkt  # type: ignore[import-untyped]

from microcode.services.packet import TCP, UDP, Tuple

__all__ = ["address", "frame_of"]


def address(text: str) -> int:
    return int(IPv4Address(text))


def frame_of(
    flow: Tuple,
    payload: bytes = b"",
    *,
    tcp_flags: int = 0x10,
    udp_checksum: bool = True,
    options: bytes = b"",
    tcp_options: bytes = b"",
    fragment: int = 0,
    padding: bytes = b"",
) -> bytes:
    """A frame of a flow, with right checksums."""
    source, destination = flow.source.to_bytes(4, "big"), flow.destination.to_bytes(4, "big")
    if flow.protocol == TCP:
        segment = dpkt.tcp.TCP(
            sport=flow.source_port, dport=flow.destination_port, flags=tcp_flags, seq=7, data=payload
        )
        segment.opts = tcp_options
        segment.off = 5 + len(tcp_options) // 4
        body = bytearray(bytes(segment))
        body[16:18] = bytes(2)
        body[16:18] = _sum(source, destination, TCP, bytes(body))
    elif flow.protocol == UDP:
        length = 8 + len(payload)
        head = b"".join(number.to_bytes(2, "big") for number in (flow.source_port, flow.destination_port, length, 0))
        body = bytearray(head + payload)
        if udp_checksum:
            checksum = _sum(source, destination, UDP, bytes(body))
            body[6:8] = checksum if checksum != b"\0\0" else b"\xff\xff"
    else:
        body = bytearray(payload)
    total = 20 + len(options) + len(body)
    header = bytearray([0x45 + len(options) // 4, 0])
    header += total.to_bytes(2, "big") + b"\x12\x34" + fragment.to_bytes(2, "big") + bytes([64, flow.protocol, 0, 0])
    header += source + destination + options
    header[10:12] = dpkt.in_cksum(bytes(header)).to_bytes(2, "big")
    return bytes.fromhex("020000000001 020000000002 0800") + bytes(header) + bytes(body) + padding


def _sum(source: bytes, destination: bytes, protocol: int, body: bytes) -> bytes:
    pseudo_header = source + destination + bytes([0, protocol]) + len(body).to_bytes(2, "big")
    checksum: int = dpkt.in_cksum(pseudo_header + body)
    return checksum.to_bytes(2, "big")
