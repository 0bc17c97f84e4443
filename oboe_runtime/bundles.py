"""The bundle table at the start, and the ways between chips: contents of the tables that classify and worker read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ixp_emu.cluster.config import ClusterConfig, Port
from ixp_emu.errors import InputError
from oboe_runtime.config import OboeConfig
from oboe_runtime.layout import BUNDLES, CHIPS, MOST_HEIRS, BundleEntry, BundleState

__all__ = ["BundleTable", "Owner", "chip_identity", "chip_routes", "worker_circle"]

_STATION = 0x0200_0000
"""Upper four bytes of every MAC address."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Where a bundle lives: the chip, which of its workers, and the slice of its flow table."""

    chip: str
    worker: int
    slice: int


class BundleTable:
    """Bundles dealt out over the working chips in turn, and on each over its workers in turn.

    Attributes:
        owners: of each bundle.
    """

    def __init__(self, config: OboeConfig) -> None:
        self._config = config
        working = list(config.workers)
        self.owners = [
            Owner(chip, share % config.workers[chip], share)
            for share, chip in ((bundle // len(working), working[bundle % len(working)]) for bundle in range(BUNDLES))
        ]

    def entries(self) -> npt.NDArray[np.uint32]:
        """``bundle_table``: state, worker, chip, epoch; all NORMAL in epoch 0.

        With looped hops the chip goes by further numbers, one for each direction of its cable: a bundle that would live
        elsewhere in a cluster of so many chips has one of these.
        """
        number = {name: index for index, name in enumerate(self._config.chips)}
        hops = self._config.loop_back
        chips = [
            number[owner.chip] if bundle % hops == 0 else 1 + (bundle // hops + bundle % hops) % len(self._config.loops)
            for bundle, owner in enumerate(self.owners)
        ]
        entries = [
            BundleEntry(BundleState.NORMAL, owner.worker, chip, 0)
            for owner, chip in zip(self.owners, chips, strict=True)
        ]
        return np.array([entry.word() for entry in entries], np.uint32)

    def heirs(self) -> npt.NDArray[np.uint32]:
        """``bundle_heirs``: for each bundle the chips that take it over, one after the other; four bits each.

        The bundles of a chip are dealt out over the others in turn, to those that have fewer first.
        """
        number = {name: index for index, name in enumerate(self._config.chips)}
        owned = {chip: sum(owner.chip == chip for owner in self.owners) for chip in self._config.workers}
        lists = np.zeros(BUNDLES, np.uint32)
        dealt = dict.fromkeys(owned, 0)
        for bundle, owner in enumerate(self.owners):
            others = sorted((chip for chip in owned if chip != owner.chip), key=owned.__getitem__)
            first = dealt[owner.chip] % len(others) if others else 0
            dealt[owner.chip] += 1
            chips = [*others[first:], *others[:first], *[owner.chip] * MOST_HEIRS][:MOST_HEIRS]
            lists[bundle] = sum(number[chip] << 4 * place for place, chip in enumerate(chips))
        return lists

    def free_slice(self, chip: str) -> npt.NDArray[np.uint32]:
        """``free_slice``: the first slice of a chip that no bundle has."""
        return np.array([sum(owner.chip == chip for owner in self.owners)], np.uint32)

    def slices(self, chip: str) -> npt.NDArray[np.uint32]:
        """``bundle_slices`` of a chip; 0 for bundles that live elsewhere."""
        return np.array([owner.slice if owner.chip == chip else 0 for owner in self.owners], np.uint32)


def chip_identity(config: ClusterConfig, oboe: OboeConfig, chip: str) -> npt.NDArray[np.uint32]:
    """``chip_identity``: number, ports with a cable, egress port, number of the home."""
    wiring = config.wiring()
    cabled = sum(1 << port.number for port in {*wiring.far_end, *wiring.switch_of} if port.chip == chip)
    return np.array([oboe.chips.index(chip), cabled, oboe.egress.get(chip, 0), oboe.chips.index(oboe.home)], np.uint32)


def chip_routes(config: ClusterConfig, oboe: OboeConfig, chip: str) -> npt.NDArray[np.uint32]:
    """``chip_routes``: for each chip the port of the shortest way, and longwords 1 and 2 of the Ethernet header; of a
    chip with looped hops, for its further numbers.

    Raises:
        InputError: a working chip cannot be reached.
    """
    wiring = config.wiring()
    routes = np.zeros((CHIPS, 4), np.uint32)
    first: dict[str, tuple[Port, Port]] = {}  # chip -> own port, the next chip's port
    waiting = [chip]
    while waiting:
        at = waiting.pop(0)
        for number in range(wiring.chips[at]):
            port = Port(at, number)
            for peer in wiring.peers(port):
                if peer.chip != chip and peer.chip not in first:
                    first[peer.chip] = first[at] if at != chip else (port, peer)
                    waiting.append(peer.chip)
    ways: dict[int, tuple[Port, Port]] = {
        number: (Port(chip, own), wiring.far_end[Port(chip, own)]) for number, own in enumerate(oboe.loops, start=1)
    }
    for number, name in enumerate(oboe.chips):
        if name == chip:
            continue
        if name not in first:
            if name in oboe.workers:
                raise InputError(f"chip {chip} has no way to chip {name} over links or switches", key="links")
            continue
        ways[number] = first[name]
    for number, (own, peer) in ways.items():
        destination, source = wiring.mac(peer), wiring.mac(own)
        routes[number] = (
            own.number,
            (destination & 0xFFFF) << 16 | source >> 32,
            source & 0xFFFF_FFFF,
            destination >> 16,
        )
    return routes.reshape(-1)


def worker_circle(engines: Sequence[int]) -> npt.NDArray[np.uint32]:
    """``worker_circle``: by the number of a microengine, the next one's in bits 11:7 as INTERTHREAD_SIG has them."""
    circle = np.zeros(8, np.uint32)
    for place, engine in enumerate(engines):
        following = engines[(place + 1) % len(engines)]
        circle[engine] = (following >> 2 << 4 | following & 3) << 7
    return circle
