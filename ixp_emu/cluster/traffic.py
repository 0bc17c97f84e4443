"""The traffic offered to a cluster: which frames reach which port, and when.

`make_traffic` turns a `TrafficSpec` into one batch of frames ordered by arrival. Everything random comes from the
seed through independent PCG64 streams, so a change of one aspect (sizes, say) leaves the others as they were.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from ipaddress import IPv4Network
from typing import Literal

import numpy as np
import numpy.typing as npt

from ixp_emu.cluster.frames import MINIMUM_FRAME_BYTES, NO_FLOW, Frames
from ixp_emu.cluster.generator import FlowSpace, address_flows, draw_flows, draw_sizes, write_frames
from ixp_emu.cluster.pcap import read_pcap
from ixp_emu.cluster.schema import DEFAULT_DESTINATIONS
from ixp_emu.cluster.wire import FCS_BYTES, Line, earliest_starts, scaled
from ixp_emu.errors import InputError

__all__ = [
    "IMIX",
    "MAXIMUM_FRAME_BYTES",
    "Traffic",
    "TrafficSpec",
    "flow_numbers",
    "make_traffic",
]

IMIX = ((64, 7), (570, 4), (1518, 1))
"""The 7:4:1 mix in bytes with FCS, as traffic generators (Ixia, netsniff-ng's trafgen) send it; mean 353.83 bytes.

Linux pktgen's IP sizes 40:576:1500 in the same proportion would make the middle one 594: give [[64, 7], [594, 4],
[1518, 1]] for that.
"""

MAXIMUM_FRAME_BYTES = 1522
"""Longest Ethernet frame with FCS that a port takes: 1518, or 1522 with a VLAN tag (IEEE 802.3)."""

_MINIMUM_WIRE_BYTES = MINIMUM_FRAME_BYTES + FCS_BYTES
_MAXIMUM_FLOWS = 1 << 24
_MAXIMUM_PACKETS = 1 << 32
_MAXIMUM_SECONDS = 1_000_000_000
_BIT_RATE = re.compile(r"(\d+(?:\.\d+)?) ?([kMG]?)b/s")
_BIT_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficSpec:
    """What is offered, as the `[traffic]` table says it; `pcap` or `generator` is the source.

    Attributes:
        into: ingress ports as "chip.port"; `Frames.port` counts in this list.
        pcap: path of a capture to replay.
        generator: popularity of the generated flows: "uniform", or "zipf" (the k-th flow in proportion to k^-zipf_s).
        rate: "line" (or "back-to-back"): every ingress port busy, minimum gaps; "recorded": the capture's gaps; a
            number: packets per second of all ports together, evenly spaced; "2.5 Gb/s": wire bits per second of all
            ports together, preamble and minimum gap counted. A frame is never sent closer than the wire allows.
        time_scale: factor on the capture's gaps with "recorded".
        packets: so many frames, of a capture at most those it holds (times `repeat`); None: the whole capture. A
            generator needs it.
        repeat: how often the capture is replayed at most; 0: as often as `packets` needs.
        allow_truncated: accept packets that the capture holds in part.
        sizes: bytes with FCS (64 to 1522) of generated frames: "imix", one size, or (size, weight) pairs.
        flows: number of generated flows (1 to 2^24).
        zipf_s: exponent for "zipf", 0 to 99.
        train_packets: mean length of packet trains, >= 1: a flow sends a geometrically distributed number of packets
            in a row. 1: each packet draws its flow anew.
        spread: "flow": all packets of a flow enter one port; "round-robin": packets take the ports in turn.
        destinations: prefixes over which the generated flows' destination addresses are spread.
        back_pressure: lossless: an arrival waits until the port can take it.
        seed: of all random draws, >= 0.

    Raises:
        InputError: a value breaks its rule; the message has the key.
    """

    into: tuple[str, ...]
    pcap: str | None = None
    generator: Literal["zipf", "uniform"] | None = None
    rate: str | int | float = "line"
    time_scale: float = 1.0
    packets: int | None = None
    repeat: int = 1
    allow_truncated: bool = False
    sizes: str | int | tuple[tuple[int, int], ...] = "imix"
    flows: int = 1_000
    zipf_s: float = 1.0
    train_packets: float = 1.0
    spread: Literal["flow", "round-robin"] = "flow"
    destinations: tuple[str, ...] = DEFAULT_DESTINATIONS
    back_pressure: bool = False
    seed: int = 1

    def __post_init__(self) -> None:
        _require(len(self.into) > 0, "into", "no ingress port, at least one expected")
        for place in self.into:
            _require(self.into.count(place) == 1, "into", f"{place} stands twice, each port once expected")
        if (self.pcap is None) == (self.generator is None):
            raise InputError("exactly one of pcap and generator expected", key="traffic")
        if self.generator not in (None, "zipf", "uniform"):
            raise InputError(f'"{self.generator}", "zipf" or "uniform" expected', key="traffic.generator")
        if self.spread not in ("flow", "round-robin"):
            raise InputError(f'"{self.spread}", "flow" or "round-robin" expected', key="traffic.spread")
        if self.generator is not None:
            _require(self.packets is not None, "packets", "not given, a generator needs a number of packets")
            _require(self.rate != "recorded", "rate", '"recorded", only a capture has recorded times')
        _require_between("packets", self.packets, 1, _MAXIMUM_PACKETS)
        _require_between("flows", self.flows, 1, _MAXIMUM_FLOWS)
        _require_between("repeat", self.repeat, 0, _MAXIMUM_PACKETS)
        _require(self.repeat > 0 or self.packets is not None, "repeat", "0, endless replay needs traffic.packets")
        _require(0 <= self.zipf_s <= 99, "zipf_s", f"{self.zipf_s}, 0 to 99 expected")
        _require(1 <= self.train_packets <= 1e9, "train_packets", f"{self.train_packets}, 1 to 1e9 expected")
        _require(1e-9 <= self.time_scale <= 1e9, "time_scale", f"{self.time_scale}, 1e-9 to 1e9 expected")
        _require(self.seed >= 0, "seed", f"{self.seed}, 0 or more expected")
        self.offered_rate()
        self.size_weights()
        self.networks()

    def offered_rate(self) -> Literal["line", "recorded"] | tuple[Literal["packets", "bits"], Fraction]:
        """The rate in words, or as exact packets or wire bits per second."""
        rate = self.rate
        if isinstance(rate, (int, float)):
            _require(
                not isinstance(rate, bool) and 0 < rate <= 1e12,
                "rate",
                f"{rate}, more than 0 and at most 1e12 packets/s expected",
            )
            return "packets", Fraction(str(rate))
        if rate in ("line", "back-to-back"):
            return "line"
        if rate == "recorded":
            return "recorded"
        match = _BIT_RATE.fullmatch(rate)
        if match is None or Fraction(match[1]) == 0:
            raise InputError(
                f'"{rate}", "line", "back-to-back", "recorded", packets per second '
                'or a bit rate like "2.5 Gb/s" expected',
                key="traffic.rate",
            )
        return "bits", Fraction(match[1]) * _BIT_UNITS[match[2]]

    def size_weights(self) -> tuple[tuple[int, int], ...]:
        """The generated frame sizes in bytes with FCS, each with its weight."""
        if isinstance(self.sizes, str):
            _require(self.sizes == "imix", "sizes", f'"{self.sizes}", "imix", a size or [[size, weight], ...] expected')
            return IMIX
        pairs = ((self.sizes, 1),) if isinstance(self.sizes, int) else self.sizes
        _require(len(pairs) > 0, "sizes", "empty, at least one [size, weight] expected")
        for size, weight in pairs:
            _require_between("sizes", size, _MINIMUM_WIRE_BYTES, MAXIMUM_FRAME_BYTES, "bytes with FCS")
            _require(0 < weight < 2**32, "sizes", f"weight {weight} of size {size}, more than 0 expected")
        return pairs

    def networks(self) -> tuple[IPv4Network, ...]:
        """The destination prefixes, decoded."""
        _require(len(self.destinations) > 0, "destinations", "empty, at least one prefix expected")
        decoded = []
        for text in self.destinations:
            try:
                decoded.append(IPv4Network(text))
            except ValueError as error:
                raise InputError(f'"{text}" is no IPv4 prefix: {error}', key="traffic.destinations") from None
        return tuple(decoded)


def _require(holds: bool, key: str, message: str) -> None:
    if not holds:
        raise InputError(message, key=f"traffic.{key}")


def _require_between(key: str, value: int | None, low: int, high: int, unit: str = "") -> None:
    if value is not None:
        suffix = f" {unit}" if unit else ""
        _require(low <= value <= high, key, f"{value}, {low} to {high}{suffix} expected")


@dataclass(frozen=True, eq=False, slots=True)
class Traffic:
    """Frames ready to be offered, in the order of their arrival (frames of one cycle by port).

    Attributes:
        frames: the frames; `port` counts in `TrafficSpec.into`.
        delayed_packets: how many frames start later than the rate wants, because the wire was still busy. 0 at "line".
        longest_delay: the longest such delay in ME cycles.
        truncated_packets: how many frames the capture held in part.
    """

    frames: Frames
    delayed_packets: int
    longest_delay: int
    truncated_packets: int = 0


def make_traffic(spec: TrafficSpec, lines: Sequence[Line]) -> Traffic:
    """The frames that a specification describes.

    Args:
        spec: source, rate, sizes, flows.
        lines: rate and clock of each port in `spec.into`.

    Raises:
        InputError: the capture is not readable, or holds a frame that no port takes.
        ValueError: not one line per port.
    """
    if len(lines) != len(spec.into):
        raise ValueError(f"{len(lines)} lines for {len(spec.into)} ports")
    return _generated(spec, lines) if spec.pcap is None else _replayed(spec, spec.pcap, lines)


def _generated(spec: TrafficSpec, lines: Sequence[Line]) -> Traffic:
    packets = spec.packets or 0
    exponent = spec.zipf_s if spec.generator == "zipf" else 0.0
    flow = draw_flows(
        packets=packets, space=FlowSpace(spec.flows, exponent), train_packets=spec.train_packets, seed=spec.seed
    )
    length = draw_sizes(packets=packets, size_weights=spec.size_weights(), seed=spec.seed) - np.uint32(FCS_BYTES)
    port = _ports(spec, flow)
    schedule = _schedule(spec, lines, port=port, length=length, recorded_ns=None)
    flow, length, port = flow[schedule.order], length[schedule.order], port[schedule.order]
    tag = np.uint64((spec.seed & 0xFFFF_FFFF) << 32) + np.arange(packets, dtype=np.uint64)
    addresses = address_flows(flows=spec.flows, destinations=spec.networks(), seed=spec.seed)
    frames = write_frames(addresses, flow=flow, length=length, port=port, arrival=schedule.arrival, tag=tag)
    return Traffic(frames, schedule.delayed_packets, schedule.longest_delay)


def _replayed(spec: TrafficSpec, path: str, lines: Sequence[Line]) -> Traffic:
    capture = read_pcap(path, allow_truncated=spec.allow_truncated)
    frames = capture.frames.padded()
    longest = int(frames.length.argmax())
    if frames.length[longest] + FCS_BYTES > MAXIMUM_FRAME_BYTES:
        raise InputError(
            f"packet {longest + 1}: {frames.length[longest]} bytes, a port takes at most "
            f"{MAXIMUM_FRAME_BYTES - FCS_BYTES} without FCS",
            file=path,
        )
    held = len(frames)
    packets = held * spec.repeat if spec.packets is None else spec.packets
    if spec.repeat:
        packets = min(packets, held * spec.repeat)
    source = np.arange(packets) % held
    flow = flow_numbers(frames)[source]
    length = frames.length[source]
    port = _ports(spec, flow)
    # A stamp that goes backwards is a gap of 0. The next round follows the last packet at once.
    stamp_ns = capture.timestamp_ns.astype(np.int64)
    gaps = np.zeros(held, dtype=np.int64)
    gaps[1:] = np.maximum(stamp_ns[1:] - stamp_ns[:-1], 0)
    if gaps.sum(dtype=np.float64) * -(-packets // held) >= _MAXIMUM_SECONDS * 1e9:
        raise InputError(f"its times span more than {_MAXIMUM_SECONDS} s", file=path)
    recorded_ns = np.cumsum(gaps[source])
    schedule = _schedule(spec, lines, port=port, length=length, recorded_ns=recorded_ns)
    order = schedule.order
    replayed = Frames.of_arena(
        frames.data,
        frames.offset[source][order],
        length[order],
        arrival=schedule.arrival,
        port=port[order],
        flow=flow[order],
    )
    return Traffic(replayed, schedule.delayed_packets, schedule.longest_delay, capture.truncated)


def _ports(spec: TrafficSpec, flow: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint16]:
    """The ingress port of each frame; frames of no flow count as one flow."""
    count = len(spec.into)
    if spec.spread == "round-robin":
        return (np.arange(len(flow)) % count).astype(np.uint16)
    return np.where(flow == NO_FLOW, 0, flow % np.uint32(count)).astype(np.uint16)


@dataclass(frozen=True, slots=True)
class _Schedule:
    """`order`: the frames sorted by arrival; `arrival`: their cycles, already in that order."""

    order: npt.NDArray[np.int64]
    arrival: npt.NDArray[np.uint64]
    delayed_packets: int
    longest_delay: int


def _schedule(
    spec: TrafficSpec,
    lines: Sequence[Line],
    *,
    port: npt.NDArray[np.uint16],
    length: npt.NDArray[np.uint32],
    recorded_ns: npt.NDArray[np.int64] | None,
) -> _Schedule:
    wanted_bits = _wanted_bits(spec, length, recorded_ns)
    arrival = np.zeros(len(length), dtype=np.uint64)
    delayed, longest = 0, 0
    for number, line in enumerate(lines):
        here = np.flatnonzero(port == number)
        if len(here) == 0:
            continue
        occupied = line.occupied_bits(length[here])
        if wanted_bits is None:
            start = np.cumsum(occupied) - occupied
        else:
            wanted = wanted_bits(line)[here]
            start = earliest_starts(wanted, occupied)
            delayed += int(np.count_nonzero(start > wanted))
            longest = max(longest, int(line.cycle_of_bit((start - wanted).max(keepdims=True))[0]))
        arrival[here] = line.cycle_of_bit(start)
    order = np.lexsort((port, arrival))
    return _Schedule(order, arrival[order], delayed, longest)


def _wanted_bits(
    spec: TrafficSpec, length: npt.NDArray[np.uint32], recorded_ns: npt.NDArray[np.int64] | None
) -> Callable[[Line], npt.NDArray[np.int64]] | None:
    """When the rate wants each frame to start, in bit times of a line, rounded down; None: as soon as possible."""
    rate = spec.offered_rate()
    if rate == "line":
        return None
    if rate == "recorded":
        assert recorded_ns is not None
        quantity, per_second = recorded_ns, 1_000_000_000 / Fraction(str(spec.time_scale))
    elif rate[0] == "packets":
        quantity, per_second = np.arange(len(length), dtype=np.int64), rate[1]
    else:
        occupied = Line.occupied_bits(length)
        quantity, per_second = np.cumsum(occupied) - occupied, rate[1]

    if int(quantity[-1]) / per_second >= _MAXIMUM_SECONDS:
        raise InputError(f"the packets would take more than {_MAXIMUM_SECONDS} s", key="traffic.rate")

    def on(line: Line) -> npt.NDArray[np.int64]:
        bits_per_unit = line.bits_per_second / per_second
        return scaled(quantity, bits_per_unit.numerator, bits_per_unit.denominator)

    return on


def flow_numbers(frames: Frames) -> npt.NDArray[np.uint32]:
    """Number the flows of IPv4 frames in order of first appearance, by directed 5-tuple.

    The ports count for unfragmented TCP and UDP, else they are 0. Frames that are not IPv4 (or too short for their
    header) get `NO_FLOW`.
    """
    length = frames.length.astype(np.int64)

    def field(at: npt.NDArray[np.int64] | int, size: int) -> npt.NDArray[np.uint64]:
        """`size` bytes from byte `at` of every frame, big-endian; bytes behind the arena read as its last one."""
        value = np.zeros(len(frames), dtype=np.uint64)
        for k in range(size):
            where = np.minimum(frames.offset.astype(np.int64) + at + k, len(frames.data) - 1)
            value = value << np.uint64(8) | frames.data[where]
        return value

    header_bytes = (field(14, 1) & np.uint64(15)).astype(np.int64) * 4
    is_ipv4 = (length >= 34) & (field(12, 2) == 0x0800) & (field(14, 1) >> np.uint64(4) == 4)
    is_ipv4 &= (header_bytes >= 20) & (14 + header_bytes <= length)
    protocol = field(23, 1)
    has_ports = ((protocol == 6) | (protocol == 17)) & (field(20, 2) & np.uint64(0x3FFF) == 0)
    has_ports &= length >= 14 + header_bytes + 4
    ports = np.where(has_ports, field(14 + header_bytes, 4), np.uint64(0))
    keys = np.empty(len(frames), dtype=[("addresses", np.uint64), ("ports", np.uint64)])
    keys["addresses"] = field(26, 8)
    keys["ports"] = protocol << np.uint64(32) | ports
    _, first, number = np.unique(keys[is_ipv4], return_index=True, return_inverse=True)
    by_appearance = np.empty(len(first), dtype=np.uint32)
    by_appearance[np.argsort(first)] = np.arange(len(first), dtype=np.uint32)
    flow = np.full(len(frames), NO_FLOW, dtype=np.uint32)
    flow[is_ipv4] = by_appearance[number]
    return flow
