"""What must leave the cluster: every chip's service applied to each frame, along links and switches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ixp_emu.cluster.build import ChipImage
from ixp_emu.cluster.config import ClusterConfig, Port, Wiring
from ixp_emu.cluster.egress import ExpectedFrames
from ixp_emu.cluster.frames import Frames
from ixp_emu.errors import InputError

__all__ = ["Expectation", "expect"]

_MAC_BYTES = 6
_MOST_HOPS = 256
"""No frame passes more chips than this: each takes one from its 8-bit time to live, if its service does its duty."""


@dataclass(frozen=True, eq=False, slots=True)
class Expectation:
    """What must become of the offered frames.

    Attributes:
        frames: those that leave, ``port`` numbered over the cluster, in input order.
        drops: (chip, reason) -> frames that chip's service must drop.
        unknown: switch -> frames it must lose, for their address belongs to none of its other ports.
        stand_ins: port -> ports whose frames may leave there as well.
    """

    frames: ExpectedFrames
    drops: Mapping[tuple[str, str], int]
    unknown: Mapping[str, int]
    stand_ins: Mapping[int, Sequence[int]] = field(default_factory=dict)


def _leaving(batch: list[tuple[Frames, npt.NDArray[np.int64]]], port_numbers: Mapping[Port, int]) -> ExpectedFrames:
    frames = Frames.concatenate([part for part, _ in batch])
    inputs = np.concatenate([index for _, index in batch]) if batch else np.zeros(0, np.int64)
    order = np.argsort(inputs, kind="stable")
    return ExpectedFrames(
        digest=frames.digests()[order], port=frames.port[order], flow=frames.flow[order], input=inputs[order]
    )


def expect(
    config: ClusterConfig,
    images: Mapping[str, ChipImage],
    frames: Frames,
    into: Sequence[Port],
    port_numbers: Mapping[Port, int],
) -> Expectation:
    """Send every offered frame through the services' oracles until it leaves the cluster or is dropped.

    Frames that arrive when the run is over by ``run.max_cycles`` cannot enter, and are left out.

    Raises:
        InputError: a chip that frames reach has no service, or a frame never leaves the cluster.
    """
    wiring = config.wiring()
    leaving: list[tuple[Frames, npt.NDArray[np.int64]]] = []
    drops: dict[tuple[str, str], int] = {}
    unknown: dict[str, int] = {}
    waiting: dict[str, list[tuple[Frames, npt.NDArray[np.int64]]]] = {}
    for index, port in enumerate(into):
        mine = np.flatnonzero((frames.port == index) & (frames.arrival < config.run.max_cycles))
        waiting.setdefault(port.chip, []).append((frames.take(mine), mine.astype(np.int64)))
    for _ in range(_MOST_HOPS):
        if not waiting:
            return Expectation(_leaving(leaving, port_numbers), drops, unknown)
        arriving, waiting = waiting, {}
        for chip, parts in arriving.items():
            named = images[chip].service
            if named is None:
                raise InputError(f"chip {chip} runs no service, so nothing says what must become of its frames")
            service = named[1]
            for batch, inputs in parts:
                outcome = service.expect(batch)
                for number, reason in enumerate(service.drop_reasons, start=1):
                    count = int(np.count_nonzero(outcome.drop == number))
                    if count:
                        drops[chip, reason] = drops.get((chip, reason), 0) + count
                for port_number in np.unique(outcome.output.port):
                    chosen = np.flatnonzero(outcome.output.port == port_number)
                    out = Port(chip, int(port_number))
                    sent, source = outcome.output.take(chosen), inputs[outcome.input[chosen]]
                    if not wiring.peers(out):
                        sent.port[:] = port_numbers[out]
                        leaving.append((sent, source))
                        continue
                    for peer, rows in _crossing(wiring, out, sent, unknown):
                        waiting.setdefault(peer.chip, []).append((sent.take(rows), source[rows]))
    chips = ", ".join(waiting)
    raise InputError(
        f"frames pass {_MOST_HOPS} chips without leaving the cluster (now at {chips}): routes form a circle"
    )


def _crossing(
    wiring: Wiring, port: Port, frames: Frames, unknown: dict[str, int]
) -> Iterator[tuple[Port, npt.NDArray[np.int64]]]:
    """The ports that frames sent from a port with a cable come to, each with the rows of its frames."""
    switch = wiring.switch_of.get(port)
    if switch is None:
        yield wiring.far_end[port], np.arange(len(frames))
        return
    address = np.zeros(len(frames), np.int64)
    for byte in range(_MAC_BYTES):
        address = address << 8 | frames.data[frames.offset.astype(np.int64) + byte]
    lost = len(frames)
    for peer, mac in zip(switch.ports, switch.macs, strict=True):
        rows = np.flatnonzero(address == mac)
        if peer != port and len(rows):
            lost -= len(rows)
            yield peer, rows
    if lost:
        unknown[switch.name] = unknown.get(switch.name, 0) + lost
