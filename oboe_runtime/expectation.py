"""What must become of the offered frames: classified, worked on by the service on the chip of their bundle, sent there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ixp_emu.cluster.config import Port
from ixp_emu.cluster.egress import ExpectedFrames
from ixp_emu.cluster.expectation import Expectation
from ixp_emu.cluster.frames import Frames
from microcode.services.flow_hash import hash_128
from microcode.services.packet import Malformed, Packet, Tuple, read_packet
from oboe_runtime.bundles import BundleTable
from oboe_runtime.config import OboeConfig
from oboe_runtime.layout import HASH_MULTIPLIER, bundle_of

__all__ = ["expect", "hash_of_flow"]


def hash_of_flow(flow: Tuple, flow_key: str) -> tuple[int, int, int, int]:
    """The hash that classify makes of a flow."""
    if flow_key == "symmetric":
        flow = flow.sorted()
    return hash_128(
        (flow.source, flow.destination, flow.source_port << 16 | flow.destination_port, flow.protocol), HASH_MULTIPLIER
    )


def expect(
    oboe: OboeConfig, bundles: BundleTable, frames: Frames, into: Sequence[Port], port_numbers: Mapping[Port, int]
) -> Expectation:
    """The expectation for a static bundle table.

    Parameters:
        frames: ``port`` indexes ``into``.
        port_numbers: port -> number over the cluster.
    """
    bundle: dict[Tuple, int] = {}
    kept: list[int] = []
    ports: list[int] = []
    drops: dict[tuple[str, str], int] = {}
    for index in range(len(frames)):
        packet = read_packet(frames.bytes_of(index))
        if isinstance(packet, Malformed):
            key = (into[int(frames.port[index])].chip, packet.value)
            drops[key] = drops.get(key, 0) + 1
            continue
        assert isinstance(packet, Packet)
        if packet.flow not in bundle:
            bundle[packet.flow] = bundle_of(hash_of_flow(packet.flow, oboe.declaration.flow_key))
        chip = bundles.owners[bundle[packet.flow]].chip
        kept.append(index)
        ports.append(port_numbers[Port(chip, oboe.egress[chip])])
    rows = np.array(kept, np.int64)
    leaving = ExpectedFrames(
        digest=frames.digests()[rows],
        port=np.array(ports, np.uint16),
        flow=frames.flow[rows],
        input=rows,
    )
    return Expectation(leaving, drops, {})
