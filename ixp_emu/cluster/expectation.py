"""What must leave the cluster: every chip's service applied to each frame, along the links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ixp_emu.cluster.build import ChipImage
from ixp_emu.cluster.config import ClusterConfig, Port
from ixp_emu.cluster.egress import ExpectedFrames
from ixp_emu.cluster.frames import Frames
from ixp_emu.errors import InputError

__all__ = ["Expectation", "expect"]

_MOST_HOPS = 256
"""No frame passes more chips than this: each takes one from its 8-bit time to live, if its service does its duty."""


@dataclass(frozen=True, eq=False, slots=True)
class Expectation:
    """What must become of the offered frames.

    Attributes:
        frames: those that leave, ``port`` numbered over the cluster, in input order.
        drops: (chip, reason) -> frames that chip's service must drop.
    """

    frames: ExpectedFrames
    drops: Mapping[tuple[str, str], int]


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

    Raises:
        InputError: a chip that frames reach has no service, or a frame never leaves the cluster.
    """
    far_end = {end: other for link in config.links.values() for end, other in (link.between, link.between[::-1])}
    leaving: list[tuple[Frames, npt.NDArray[np.int64]]] = []
    drops: dict[tuple[str, str], int] = {}
    waiting: dict[str, list[tuple[Frames, npt.NDArray[np.int64]]]] = {}
    for index, port in enumerate(into):
        mine = np.flatnonzero(frames.port == index)
        waiting.setdefault(port.chip, []).append((frames.take(mine), mine.astype(np.int64)))
    for _ in range(_MOST_HOPS):
        if not waiting:
            return Expectation(_leaving(leaving, port_numbers), drops)
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
                    if out in far_end:
                        waiting.setdefault(far_end[out].chip, []).append((sent, source))
                    else:
                        sent.port[:] = port_numbers[out]
                        leaving.append((sent, source))
    chips = ", ".join(waiting)
    raise InputError(
        f"frames pass {_MOST_HOPS} chips without leaving the cluster (now at {chips}): routes form a circle"
    )
