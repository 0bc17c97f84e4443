"""Several chips and the links between them, in step."""

from __future__ import annotations

from collections.abc import Sequence

from .chip import ReferenceChip
from .links import GbeEnd, Spi3End, connect_gbe, connect_spi3
from .mac import Port
from .switch import Switch

__all__ = ["Cluster"]

PortOf = tuple[int, int]
"""Chip and port in it."""


class Cluster:
    """Chips that execute each cycle together; what crosses a link takes a cycle at least.

    Attributes:
        chips: all chips, in order.
        switches: as connected.
    """

    def __init__(self, chips: Sequence[ReferenceChip]) -> None:
        self.chips = list(chips)
        self.switches: list[Switch] = []

    @property
    def now(self) -> int:
        return max(chip.now for chip in self.chips)

    def port(self, place: PortOf) -> Port:
        return self.chips[place[0]].media.ports[place[1]]

    def number(self, place: PortOf) -> int:
        """Number of a port over the cluster: chips in order, then ports."""
        return sum(len(chip.media.ports) for chip in self.chips[: place[0]]) + place[1]

    def connect_gbe(self, first: PortOf, second: PortOf, *, latency: int) -> tuple[GbeEnd, GbeEnd]:
        return connect_gbe(self.port(first), self.port(second), latency=_checked(latency))

    def connect_spi3(self, first: PortOf, second: PortOf, *, latency: int) -> tuple[Spi3End, Spi3End]:
        return connect_spi3(self.port(first), self.port(second), latency=_checked(latency))

    def connect_switch(self, members: Sequence[tuple[PortOf, bytes]], *, latency: int) -> Switch:
        """Ports with their MAC addresses on one new switch."""
        switch = Switch()
        for place, address in members:
            number = self.number(place)
            switch.connect(self.port(place), number=number, address=address, latency=_checked(latency))
        self.switches.append(switch)
        return switch

    def run(self, until: int) -> None:
        """Execute cycles up to ``until`` - 1; stops after a cycle in which a chip has a fault."""
        while self.now < until and all(chip.fault is None for chip in self.chips):
            self.step()

    def step(self) -> None:
        """One cycle of everything."""
        now = self.now
        for chip in self.chips:
            chip.step()
        for switch in self.switches:
            switch.step(now)


def _checked(latency: int) -> int:
    if latency < 1:
        raise ValueError(f"a link's latency is {latency}, less than a cycle")
    return latency
