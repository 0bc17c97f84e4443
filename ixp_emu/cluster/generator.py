"""Generated packets: draws of flow and size, and the bytes of valid Ethernet II / IPv4 / UDP frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Network

import numpy as np
import numpy.typing as npt

from ixp_emu.chip.compiled import kernel, small
from ixp_emu.cluster.frames import Frames, slot_offsets

__all__ = [
    "TAG_OFFSET_BYTES",
    "FlowAddresses",
    "FlowSpace",
    "address_flows",
    "draw_flows",
    "draw_sizes",
    "write_frames",
]

TAG_OFFSET_BYTES = 42
"""Where the 8-byte tag lies in a frame: at the start of the UDP payload."""

_TTL = 64


class _Stream(IntEnum):
    """Independent random streams; the numbers are part of what a seed means."""

    FLOWS = 0
    TRAINS = 1
    SIZES = 2
    ADDRESSES = 3


def _random(seed: int, stream: _Stream) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy=seed, spawn_key=(int(stream),))))


@dataclass(frozen=True, slots=True)
class FlowSpace:
    """How many flows there are and how popular each is: flow k (from 0) in proportion to (k + 1)^-exponent."""

    flows: int
    exponent: float = 0.0

    def shares(self) -> npt.NDArray[np.float64]:
        """The share of each flow, in order of popularity; the sum is 1."""
        weight = np.arange(1, self.flows + 1, dtype=np.float64) ** -self.exponent
        shares: npt.NDArray[np.float64] = weight / weight.sum()
        return shares


def draw_flows(*, packets: int, space: FlowSpace, train_packets: float, seed: int) -> npt.NDArray[np.uint32]:
    """The flow of each packet: trains of geometric length (mean `train_packets`), each of an independent flow."""
    if train_packets > 1:
        ends = np.cumsum(_random(seed, _Stream.TRAINS).geometric(1 / train_packets, size=packets))
        train = np.searchsorted(ends, np.arange(packets), side="right")
    else:
        train = np.arange(packets)
    trains = int(train[-1]) + 1
    random = _random(seed, _Stream.FLOWS)
    if space.exponent == 0:
        flow_of_train = random.integers(space.flows, size=trains)
    else:
        cumulative = np.cumsum(space.shares())
        cumulative[-1] = 1.0
        flow_of_train = np.searchsorted(cumulative, random.random(trains), side="right")
    return flow_of_train.astype(np.uint32)[train]


def draw_sizes(*, packets: int, size_weights: Sequence[tuple[int, int]], seed: int) -> npt.NDArray[np.uint32]:
    """Independent sizes in proportion to their integer weights."""
    sizes = np.array([size for size, _ in size_weights], dtype=np.uint32)
    cumulative = np.cumsum([weight for _, weight in size_weights])
    drawn = _random(seed, _Stream.SIZES).integers(cumulative[-1], size=packets)
    return sizes[np.searchsorted(cumulative, drawn, side="right")]


@dataclass(frozen=True, eq=False, slots=True)
class FlowAddresses:
    """The IPv4 and UDP addresses of each flow, as arrays of the number of flows."""

    source: npt.NDArray[np.uint32]
    destination: npt.NDArray[np.uint32]
    source_port: npt.NDArray[np.uint16]
    destination_port: npt.NDArray[np.uint16]


def address_flows(*, flows: int, destinations: Sequence[IPv4Network], seed: int) -> FlowAddresses:
    """Addresses for `flows` different flows: random destinations evenly over the prefixes, random destination ports.

    The source, 172.16.0.0/12 and a port from 1024 to 5119, is a permutation of the flow's number: no two flows (up
    to 2^32) share one.
    """
    random = _random(seed, _Stream.ADDRESSES)
    prefix = random.integers(len(destinations), size=flows)
    network = np.array([int(one.network_address) for one in destinations], dtype=np.uint32)[prefix]
    host_mask = np.array([int(one.hostmask) for one in destinations], dtype=np.uint32)[prefix]
    host = random.integers(1 << 32, size=flows, dtype=np.uint32)
    destination_port = random.integers(1, 1 << 16, size=flows, dtype=np.uint16)
    scrambled = np.arange(flows, dtype=np.uint32) * np.uint32(0x9E37_79B1)  # odd, hence a permutation mod 2^32
    return FlowAddresses(
        source=np.uint32(0xAC10_0000) | scrambled >> np.uint32(12),
        destination=network | host & host_mask,
        source_port=(np.uint32(1024) + (scrambled & np.uint32(0xFFF))).astype(np.uint16),
        destination_port=destination_port,
    )


def write_frames(
    addresses: FlowAddresses,
    *,
    flow: npt.NDArray[np.uint32],
    length: npt.NDArray[np.uint32],
    port: npt.NDArray[np.uint16],
    arrival: npt.NDArray[np.uint64],
    tag: npt.NDArray[np.uint64],
) -> Frames:
    """Frames of the given flows and lengths (at least 60 bytes): TTL 64, no IP options, UDP checksum 0 (not used).

    The payload is the tag, big-endian, then bytes derived from it, so that a byte lost, moved or taken from another
    packet shows at egress.
    """
    offset, arena_bytes = slot_offsets(length)
    data = np.zeros(arena_bytes, dtype=np.uint8)
    _write(
        data,
        offset,
        length,
        port,
        tag,
        addresses.source[flow],
        addresses.destination[flow],
        addresses.source_port[flow],
        addresses.destination_port[flow],
    )
    return Frames(data=data, offset=offset, length=length, arrival=arrival, port=port, flow=flow, tag=tag)


@small
def _put(data: npt.NDArray[np.uint8], at: np.intp, value: np.int64 | int, size: int) -> None:
    """Store `size` bytes of `value`, big-endian."""
    for k in range(size):
        data[at + k] = (value >> (8 * (size - 1 - k))) & 0xFF


@kernel
def _write(
    data: npt.NDArray[np.uint8],
    offset: npt.NDArray[np.uint64],
    length: npt.NDArray[np.uint32],
    port: npt.NDArray[np.uint16],
    tag: npt.NDArray[np.uint64],
    source: npt.NDArray[np.uint32],
    destination: npt.NDArray[np.uint32],
    source_port: npt.NDArray[np.uint16],
    destination_port: npt.NDArray[np.uint16],
) -> None:
    for i in range(len(offset)):
        start = np.intp(offset[i])
        end = start + np.intp(length[i])
        ip = start + 14
        udp = ip + 20
        _put(data, start, 0x0200_0000_0000 | np.int64(port[i]), 6)  # locally administered, one per port
        _put(data, start + 6, 0x0200_0001_0000 | np.int64(port[i]), 6)
        _put(data, start + 12, 0x0800, 2)
        _put(data, ip, 0x4500, 2)
        _put(data, ip + 2, end - ip, 2)
        _put(data, ip + 4, np.int64(tag[i] & np.uint64(0xFFFF)), 2)
        _put(data, ip + 8, _TTL, 1)
        _put(data, ip + 9, 17, 1)
        _put(data, ip + 12, np.int64(source[i]), 4)
        _put(data, ip + 16, np.int64(destination[i]), 4)
        total = np.int64(0)
        for k in range(ip, udp, 2):
            total += (np.int64(data[k]) << 8) + np.int64(data[k + 1])
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        _put(data, ip + 10, total ^ 0xFFFF, 2)
        _put(data, udp, np.int64(source_port[i]), 2)
        _put(data, udp + 2, np.int64(destination_port[i]), 2)
        _put(data, udp + 4, end - udp, 2)
        _put(data, udp + 8, np.int64(tag[i]), 8)
        # xorshift64 (G. Marsaglia, 2003), one byte a step; its state must not be 0.
        state = tag[i] | (np.uint64(1) << np.uint64(63))
        for k in range(udp + 16, end):
            state ^= state << np.uint64(13)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
            data[k] = np.uint8(state >> np.uint64(56))
