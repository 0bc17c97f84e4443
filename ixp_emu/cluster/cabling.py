"""Links and switches in memory: what threads share, how far chips may run ahead of each other, what is under way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ixp_emu.chip.layout import LINK
from ixp_emu.chip.link import initialise_link, join_link, link_bytes
from ixp_emu.chip.media import PORT_LINK, PORT_SPI3
from ixp_emu.chip.switch import initialise_switch, join_switch, switch_bytes, switch_lookahead
from ixp_emu.cluster.config import ClusterConfig, Port
from ixp_emu.cluster.topology import Link, Switch

__all__ = ["Cabling"]

_KINDS = {"gbe": PORT_LINK, "spi3": PORT_SPI3}


class Cabling:
    """All links and switches of a configuration.

    Attributes:
        memory: uint8, their records one after the other: links in both directions, then switches. It holds no
            addresses, so its bytes are what a checkpoint keeps of it.
        lookahead: int64 [n, n], cycles after which chip j can have an effect on chip i at the earliest; 0: never.
    """

    def __init__(self, config: ClusterConfig, index_of: Mapping[str, int]) -> None:
        self._config = config
        self._hardware = config.hardware
        self._index_of = index_of
        self._link_bytes = [
            link_bytes(self._hardware, kind=_KINDS[link.kind], latency=link.latency) for link in config.links.values()
        ]
        self._switch_bytes = [
            switch_bytes(self._hardware, self._latencies(switch)) for switch in config.switches.values()
        ]
        self.memory = np.zeros(2 * sum(self._link_bytes) + sum(self._switch_bytes), np.uint8)
        self.lookahead = np.zeros((len(index_of), len(index_of)), np.int64)
        for link, (end, other), block in self._directions():
            initialise_link(block, self._hardware, kind=_KINDS[link.kind], latency=link.latency)
            self._see(end, other, link.latency)
        for switch, block in self._switches():
            initialise_switch(block, self._hardware, latencies=self._latencies(switch), addresses=switch.macs)
            cycles = int(switch_lookahead(self._hardware, switch.latency))
            for port in switch.ports:
                for other in switch.ports:
                    if port != other:
                        self._see(port, other, cycles)

    @staticmethod
    def _latencies(switch: Switch) -> list[int]:
        return [switch.latency] * len(switch.ports)

    def _see(self, sender: Port, receiver: Port, cycles: int) -> None:
        at = self._index_of[sender.chip], self._index_of[receiver.chip]
        known = int(self.lookahead[at])
        self.lookahead[at] = min(known, cycles) if known else cycles

    def _directions(self) -> Iterator[tuple[Link, tuple[Port, Port], npt.NDArray[np.uint8]]]:
        """Every direction of every link, sender first, with its record."""
        at = 0
        for link, size in zip(self._config.links.values(), self._link_bytes, strict=True):
            for ends in (link.between, link.between[::-1]):
                yield link, ends, self.memory[at : at + size]
                at += size

    def _switches(self) -> Iterator[tuple[Switch, npt.NDArray[np.uint8]]]:
        at = 2 * sum(self._link_bytes)
        for switch, size in zip(self._config.switches.values(), self._switch_bytes, strict=True):
            yield switch, self.memory[at : at + size]
            at += size

    def plug_in(self, chips: npt.NDArray[Any]) -> None:
        """Join the chips' ports to their cables; again after a restore, for addresses are new."""

        def record(port: Port) -> Any:
            return chips[self._index_of[port.chip]]["port"][port.number]

        for link, (end, other), block in self._directions():
            join_link(record(end), record(other), block, self._hardware, kind=_KINDS[link.kind], latency=link.latency)
        for switch, block in self._switches():
            for index, port in enumerate(switch.ports):
                join_switch(record(port), block, index=index, latency=switch.latency)

    def frames_on_links(self) -> int:
        """Frames that have left a chip over a link and not yet arrived; those inside switches do not count."""
        heads = [block[: LINK.itemsize].view(LINK)[0] for _, _, block in self._directions()]
        return sum(int(head["written"]) - int(head["read"]) for head in heads)
