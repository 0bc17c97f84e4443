"""What the forwarding service must do, said independently of its microcode; and the tables it is loaded with.

The rules, in the order in which they are applied to a frame (in the spirit of RFC 1812, section 5.2.2):

1. `not_ipv4`: the EtherType is not 0x0800.
2. `bad_header`: the frame holds no 20 bytes of IPv4 header, the version is not 4, the header length is below 5
   longwords, the total length is smaller than the header, or greater than what the frame holds.
3. `bad_checksum`: the ones' complement sum over the header, options included, is not 0xFFFF.
4. `ttl_expired`: the TTL is 0 or 1.
5. `no_route`: no prefix covers the destination.

All else is forwarded: the TTL is decremented, the checksum updated, both MAC addresses replaced by the next hop's.
Options, payload and Ethernet padding stay as they are, and so does the frame's length.
"""

from __future__ import annotations

import re
import struct
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from ixp_emu.cluster.egress import ExpectedFrames
from ixp_emu.cluster.frames import Frames
from ixp_emu.errors import InputError

__all__ = [
    "DEFAULT_ROUTES",
    "Drop",
    "FlowCount",
    "FlowKey",
    "Forwarded",
    "NextHop",
    "Route",
    "Routes",
    "build_next_hops",
    "build_route_table",
    "forward",
    "forward_frame",
    "lookup",
    "read_mac",
    "read_routes",
    "updated_checksum",
]

DEFAULT_ROUTES = Path(__file__).with_name("routes.toml")

_ETHERNET_BYTES = 14
_BLOCK_LONGWORDS = 256
_POINTER = 1 << 31


class Drop(IntEnum):
    """Why a frame is not forwarded; FORWARDED if it is."""

    FORWARDED = 0
    NOT_IPV4 = 1
    BAD_HEADER = 2
    BAD_CHECKSUM = 3
    TTL_EXPIRED = 4
    NO_ROUTE = 5


@dataclass(frozen=True, slots=True)
class NextHop:
    """Where a forwarded frame goes: the egress port and the two addresses it is given (48-bit numbers)."""

    egress_port: int
    destination_mac: int
    source_mac: int


@dataclass(frozen=True, slots=True)
class Route:
    """A prefix: `length` leading bits of `address` (the others 0), and an index in the list of next hops."""

    address: int
    length: int
    next_hop: int


@dataclass(frozen=True, slots=True)
class Routes:
    """Routes with different prefixes, in any order, and the next hops they refer to."""

    routes: tuple[Route, ...]
    next_hops: tuple[NextHop, ...]

    def next_hop_of(self, address: int) -> NextHop | None:
        """The next hop of the longest prefix that covers an address: every route is looked at."""
        covering = [route for route in self.routes if (route.address ^ address) >> (32 - route.length) == 0]
        return self.next_hops[max(covering, key=lambda route: route.length).next_hop] if covering else None


class FlowKey(NamedTuple):
    """A flow of the flow table. The ports are 0 unless it is unfragmented TCP or UDP with at least 4 bytes of it."""

    source: int
    destination: int
    protocol: int
    source_port: int
    destination_port: int


@dataclass(slots=True)
class FlowCount:
    """Forwarded packets of a flow, and the sum of their IPv4 total lengths."""

    packets: int = 0
    bytes: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class Forwarded:
    """What must become of a batch of frames.

    Attributes:
        drop: uint8 `Drop` per input frame.
        output: one frame per forwarded input, in input order; `port` is the egress port, flow and tag the input's.
        input: int64 per output frame, the index of its input.
        flows: the flow table after the batch.
    """

    drop: npt.NDArray[np.uint8]
    output: Frames
    input: npt.NDArray[np.int64]
    flows: dict[FlowKey, FlowCount]

    def expected(self) -> ExpectedFrames:
        """The output as the egress check wants it."""
        return ExpectedFrames(
            digest=self.output.digests(), port=self.output.port, flow=self.output.flow, input=self.input
        )

    def drops(self) -> dict[Drop, int]:
        """How many inputs are dropped, for each reason."""
        return {reason: int(np.count_nonzero(self.drop == reason)) for reason in Drop if reason is not Drop.FORWARDED}


def forward(frames: Frames, routes: Routes) -> Forwarded:
    """Forward a batch of frames, one after the other."""
    drop = np.zeros(len(frames), dtype=np.uint8)
    contents: list[bytes] = []
    ports: list[int] = []
    flows: dict[FlowKey, FlowCount] = {}
    hops: dict[int, NextHop | None] = {}
    for index in range(len(frames)):
        outcome = forward_frame(frames.bytes_of(index), routes, known_hops=hops)
        if isinstance(outcome, Drop):
            drop[index] = outcome
            continue
        content, port, key, total_length = outcome
        contents.append(content)
        ports.append(port)
        count = flows.setdefault(key, FlowCount())
        count.packets += 1
        count.bytes += total_length
    passed = np.flatnonzero(drop == Drop.FORWARDED).astype(np.int64)
    output = Frames.from_bytes(
        contents, arrival=frames.arrival[passed], port=ports, flow=frames.flow[passed], tag=frames.tag[passed]
    )
    return Forwarded(drop=drop, output=output, input=passed, flows=flows)


def forward_frame(
    frame: bytes, routes: Routes, *, known_hops: dict[int, NextHop | None] | None = None
) -> Drop | tuple[bytes, int, FlowKey, int]:
    """Forward one frame.

    Args:
        frame: without FCS.
        routes: the route table.
        known_hops: results of lookups so far, by destination; extended here.

    Returns:
        The reason why it is dropped; or the bytes that leave, the egress port, the flow and the IPv4 total length.
    """
    packet = frame[_ETHERNET_BYTES:]
    if frame[12:14] != b"\x08\x00":
        return Drop.NOT_IPV4
    if len(packet) < 20:
        return Drop.BAD_HEADER
    version, header_bytes = packet[0] >> 4, (packet[0] & 15) * 4
    total_length = int.from_bytes(packet[2:4])
    if version != 4 or not 20 <= header_bytes <= total_length <= len(packet):
        return Drop.BAD_HEADER
    if _ones_complement_sum(packet[:header_bytes]) != 0xFFFF:
        return Drop.BAD_CHECKSUM
    ttl, protocol = packet[8], packet[9]
    if ttl <= 1:
        return Drop.TTL_EXPIRED
    source, destination = struct.unpack_from(">II", packet, 12)
    hops = {} if known_hops is None else known_hops
    if destination not in hops:
        hops[destination] = routes.next_hop_of(destination)
    hop = hops[destination]
    if hop is None:
        return Drop.NO_ROUTE
    checksum = updated_checksum(int.from_bytes(packet[10:12]), ttl << 8 | protocol, (ttl - 1) << 8 | protocol)
    content = (
        hop.destination_mac.to_bytes(6)
        + hop.source_mac.to_bytes(6)
        + frame[12:14]
        + packet[:8]
        + bytes([ttl - 1, protocol])
        + checksum.to_bytes(2)
        + packet[12:]
    )
    source_port = destination_port = 0
    unfragmented = int.from_bytes(packet[6:8]) & 0x3FFF == 0
    if protocol in (6, 17) and unfragmented and total_length >= header_bytes + 4:
        source_port, destination_port = struct.unpack_from(">HH", packet, header_bytes)
    return content, hop.egress_port, FlowKey(source, destination, protocol, source_port, destination_port), total_length


def _ones_complement_sum(header: bytes) -> int:
    """The 16-bit ones' complement sum of an even number of bytes; 0 only if all are 0."""
    total: int = sum(struct.unpack(f">{len(header) // 2}H", header))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def updated_checksum(checksum: int, old: int, new: int) -> int:
    """The header checksum after one 16-bit word changed from `old` to `new`: RFC 1624, equation 3.

    HC' = ~(~HC + ~m + m'), in ones' complement. For a header that is not all zeros this equals a recomputation for
    every valid HC, on both encodings of zero: a recomputation never yields 0xFFFF, and neither does this, because the
    sum ~HC + ~m + m' is never 0. So a header whose sum becomes 0xFFFF gets 0x0000, and a received 0xFFFF (as valid
    as 0x0000) is left behind. Adding 0x0100 with end-around carry, as RFC 1141 has it, turns 0xFEFF into 0xFFFF
    instead: right modulo 0xFFFF, but not the same bits. Microcode that takes this short cut must map 0xFFFF to 0.
    """
    total = (checksum ^ 0xFFFF) + (old ^ 0xFFFF) + new
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def build_route_table(routes: Sequence[Route]) -> npt.NDArray[np.uint32]:
    """The lookup table: a trie over 16, 8 and 8 bits of the address, in longwords.

    The first 65,536 longwords are indexed by address bits 31:16. Bit 31 set: the rest is the index (in longwords) of
    a block of 256 longwords, indexed by bits 15:8 and, after one more pointer, by bits 7:0. Bit 31 clear: the next
    hop's index + 1, or 0 for no route.
    """
    level_1 = np.zeros(1 << 16, dtype=np.uint32)
    blocks: list[npt.NDArray[np.uint32]] = []

    def block_under(parent: npt.NDArray[np.uint32], at: int) -> npt.NDArray[np.uint32]:
        """The block that an entry points to; a new one inherits what the entry said."""
        if not parent[at] & _POINTER:
            blocks.append(np.full(_BLOCK_LONGWORDS, parent[at], dtype=np.uint32))
            parent[at] = _POINTER | (len(level_1) + (len(blocks) - 1) * _BLOCK_LONGWORDS)
        return blocks[(int(parent[at]) - _POINTER - len(level_1)) // _BLOCK_LONGWORDS]

    # Shorter prefixes first: a longer one overwrites part of what a shorter one filled, and no fill meets a pointer.
    for route in sorted(routes, key=lambda route: route.length):
        entry = np.uint32(route.next_hop + 1)
        high, middle, low = route.address >> 16, route.address >> 8 & 255, route.address & 255
        if route.length <= 16:
            level_1[high : high + (1 << (16 - route.length))] = entry
        elif route.length <= 24:
            block_under(level_1, high)[middle : middle + (1 << (24 - route.length))] = entry
        else:
            level_2 = block_under(level_1, high)
            block_under(level_2, middle)[low : low + (1 << (32 - route.length))] = entry
    return np.concatenate([level_1, *blocks])


def lookup(table: npt.NDArray[np.uint32], address: int) -> int | None:
    """Look an address up as the microcode does: the index of its next hop, None if there is no route."""
    entry = int(table[address >> 16])
    for shift in (8, 0):
        if not entry & _POINTER:
            break
        entry = int(table[entry - _POINTER + (address >> shift & 255)])
    return entry - 1 if entry else None


def build_next_hops(next_hops: Sequence[NextHop]) -> npt.NDArray[np.uint32]:
    """The next-hop table, four longwords each: the 12 address bytes as they stand in a frame, then the egress port."""
    table = np.zeros((len(next_hops), 4), dtype=np.uint32)
    for row, hop in zip(table, next_hops, strict=True):
        row[0] = hop.destination_mac >> 16
        row[1] = (hop.destination_mac & 0xFFFF) << 16 | hop.source_mac >> 32
        row[2] = hop.source_mac & 0xFFFF_FFFF
        row[3] = hop.egress_port
    return table.reshape(-1)


_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")


class _NextHopRow(msgspec.Struct, forbid_unknown_fields=True):
    egress_port: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
    destination_mac: str
    source_mac: str


class _RouteRow(msgspec.Struct, forbid_unknown_fields=True):
    prefix: str
    next_hop: Annotated[int, msgspec.Meta(ge=0)]


class _RouteFile(msgspec.Struct, forbid_unknown_fields=True):
    next_hop: list[_NextHopRow]
    route: list[_RouteRow]


def read_mac(text: str, path: str | Path, key: str) -> int:
    """A MAC address as a 48-bit number.

    Raises:
        InputError: not of the form; it names the file and the key.
    """
    if not _MAC.fullmatch(text):
        raise InputError(f'"{text}", six bytes like 02:00:00:01:00:01 expected', file=path, key=key)
    return int(text.replace(":", ""), 16)


def read_routes(path: str | Path = DEFAULT_ROUTES) -> Routes:
    """Read a route file: tables `[[next_hop]]` (egress_port, destination_mac, source_mac) and `[[route]]` (prefix,
    next_hop: a number counted from 0 in the order of the file).

    Raises:
        InputError: not readable, not of this form, a prefix with host bits or given twice, an unknown next hop.
    """
    try:
        rows = msgspec.convert(tomllib.loads(Path(path).read_text(encoding="utf-8")), type=_RouteFile)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise InputError(str(error), file=path) from None

    next_hops = tuple(
        NextHop(
            row.egress_port,
            read_mac(row.destination_mac, path, f"next_hop[{number}].destination_mac"),
            read_mac(row.source_mac, path, f"next_hop[{number}].source_mac"),
        )
        for number, row in enumerate(rows.next_hop)
    )
    routes: dict[IPv4Network, Route] = {}
    for number, row in enumerate(rows.route):
        key = f"route[{number}]"
        try:
            network = IPv4Network(row.prefix)
        except ValueError as error:
            raise InputError(f'"{row.prefix}" is no IPv4 prefix: {error}', file=path, key=f"{key}.prefix") from None
        if network in routes:
            raise InputError(f"{network} stands twice", file=path, key=f"{key}.prefix")
        if row.next_hop >= len(next_hops):
            raise InputError(
                f"{row.next_hop}, the file has {len(next_hops)} next hops", file=path, key=f"{key}.next_hop"
            )
        routes[network] = Route(int(network.network_address), network.prefixlen, row.next_hop)
    return Routes(routes=tuple(routes.values()), next_hops=next_hops)
