"""What must become of the offered frames: classified, worked on and sent on the chip where their bundle lives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

import numpy as np

from ixp_emu.cluster.config import Port
from ixp_emu.cluster.egress import ExpectedFrames
from ixp_emu.cluster.expectation import Expectation
from ixp_emu.cluster.frames import Frames
from microcode.services.flow_hash import hash_128
from microcode.services.packet import Malformed, Tuple, read_packet
from oboe_runtime.bundles import BundleTable
from oboe_runtime.config import OboeConfig
from oboe_runtime.declaration import Declaration
from oboe_runtime.layout import BUNDLES, HASH_MULTIPLIER, bundle_of
from oboe_runtime.oracle import Arrival, Oracle

__all__ = ["Offered", "arrivals", "bundle_of_packet", "expect", "hash_of_flow"]


def hash_of_flow(flow: Tuple, flow_key: str) -> tuple[int, int, int, int]:
    """The hash that classify makes of a flow."""
    if flow_key == "symmetric":
        flow = flow.sorted()
    return hash_128(
        (flow.source, flow.destination, flow.source_port << 16 | flow.destination_port, flow.protocol), HASH_MULTIPLIER
    )


def bundle_of_packet(declaration: Declaration, flow: Tuple, hash_words: tuple[int, int, int, int]) -> int:
    """The bundle of a directed flow: of its hash; behind translation that of the port, whose pool the bundle has."""
    if declaration.flow_key == "nat" and flow.destination == int(IPv4Address(str(declaration.options["external"]))):
        return flow.destination_port % BUNDLES
    return bundle_of(hash_words)


@dataclass(frozen=True, slots=True)
class Offered:
    """The offered frames as the oracle saw them, each worked on where its bundle lives at the start.

    Attributes:
        owners: of each frame the chip of its bundle; None for a malformed one.
        dropped: reason of the service -> numbers of the frames that it must drop.
    """

    owners: list[str | None]
    dropped: dict[str, list[int]]


def arrivals(oboe: OboeConfig, frames: Frames, into: Sequence[Port]) -> Iterator[tuple[int, Arrival | tuple[str, str]]]:
    """Every offered frame in order of arrival: its number, and the packet; of a malformed one chip and reason.

    Parameters:
        frames: ``port`` indexes ``into``.
    """
    hashes: dict[Tuple, tuple[int, int, int, int]] = {}
    for index in np.argsort(frames.arrival, kind="stable").tolist():
        frame, port = frames.bytes_of(index), into[int(frames.port[index])]
        packet = read_packet(frame)
        if isinstance(packet, Malformed):
            yield index, (port.chip, packet.value)
            continue
        words = hashes.get(packet.flow)
        if words is None:
            words = hashes[packet.flow] = hash_of_flow(packet.flow, oboe.declaration.flow_key)
        bundle = bundle_of_packet(oboe.declaration, packet.flow, words)
        yield index, Arrival(frame, packet, words, bundle, port.chip, port.number)


def expect(
    oboe: OboeConfig,
    bundles: BundleTable,
    oracle: Oracle,
    frames: Frames,
    into: Sequence[Port],
    port_numbers: Mapping[Port, int],
) -> tuple[Expectation, Offered]:
    """The expectation for a static bundle table: packets are shown to the service in their order of arrival.

    Parameters:
        oracle: of the service, new; it is shown every packet.
        frames: ``port`` indexes ``into``.
        port_numbers: port -> number over the cluster.

    Returns:
        What must leave, and what the oracle saw.
    """
    offered = Offered([None] * len(frames), {})
    kept: list[int] = []
    ports: list[int] = []
    leaving: list[bytes] = []
    drops: dict[tuple[str, str], int] = {}
    for index, arrival in arrivals(oboe, frames, into):
        if not isinstance(arrival, Arrival):
            drops[arrival] = drops.get(arrival, 0) + 1
            continue
        chip = bundles.owners[arrival.bundle].chip
        offered.owners[index] = chip
        treated = oracle.work(arrival)
        if treated.drop is not None:
            drops[chip, treated.drop] = drops.get((chip, treated.drop), 0) + 1
            offered.dropped.setdefault(treated.drop, []).append(index)
            continue
        kept.append(index)
        ports.append(port_numbers[Port(chip, oboe.egress[chip])])
        leaving.append(treated.frame)
    rows = np.array(kept, np.int64)
    order = np.argsort(rows, kind="stable")
    digests = Frames.from_bytes(leaving).digests()
    stopping = [fault.chip for fault in oboe.faults if fault.kind == "chip_stop" and fault.chip in oboe.workers]
    numbers = {chip: port_numbers[Port(chip, number)] for chip, number in oboe.egress.items()}
    allowed = dict(drops)
    for heir in oboe.workers:  # which may have to drop what the chips that stop would have dropped
        for (chip, reason), count in drops.items():
            if chip in stopping and chip != heir:
                allowed[heir, reason] = allowed.get((heir, reason), 0) + count
    expectation = Expectation(
        ExpectedFrames(
            digest=digests[order],
            port=np.array(ports, np.uint16)[order],
            flow=frames.flow[rows[order]],
            input=rows[order],
        ),
        allowed,
        {},
        {numbers[heir]: [numbers[chip] for chip in stopping if chip != heir] for heir in oboe.workers if stopping},
    )
    return expectation, offered
