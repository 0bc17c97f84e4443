"""The parts of a cluster as a configuration describes them: chips, ports, links, switches; and who reaches whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from ixp_emu.chip.diagnosis import engine_name, engine_number
from ixp_emu.cluster.schema import LinkKind, Placement, PortKind

__all__ = [
    "Chip",
    "Link",
    "Port",
    "Switch",
    "Wiring",
    "default_mac",
    "engine_name",
    "engine_number",
    "mac_number",
    "mac_text",
]

_LOCAL_MAC = 0x02_00_00_00_00_00
"""Bit 1 of the first byte: locally administered (IEEE 802)."""


def default_mac(chip: int, port: int) -> int:
    """The MAC address of a port unless the configuration says otherwise: 02:00:00:00, chip, port.

    Parameters:
        chip: position in the configuration, from 0.
        port: number within the chip.
    """
    return _LOCAL_MAC | chip << 8 | port


def mac_number(text: str) -> int:
    """A MAC address as a 48-bit number, its first byte highest."""
    return int(text.replace(":", ""), 16)


def mac_text(number: int) -> str:
    """A 48-bit number as a MAC address is written."""
    return number.to_bytes(6).hex(":")


class Port(NamedTuple):
    """A port of a chip, numbered from 0."""

    chip: str
    number: int

    def __str__(self) -> str:
        return f"{self.chip}.{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One IXP2400 of the cluster.

    Attributes:
        name: its name.
        ports: kind of each port.
        engines: program -> its microengines, numbered 0 to 7.
        placement: structure -> its memory, those for all chips included.
        tables: program -> table -> file; what differs here from the program's own tables.
        control: "FILE:FUNCTION" of the control program, None without one.
        control_options: its keyword arguments.
    """

    name: str
    ports: tuple[PortKind, ...]
    engines: Mapping[str, tuple[int, ...]]
    placement: Mapping[str, Placement]
    tables: Mapping[str, Mapping[str, str]]
    control: str | None = None
    control_options: Mapping[str, bool | int | float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A cable between two ports, both directions.

    Attributes:
        name: its name.
        between: the two ports.
        kind: "gbe", or "spi3": the two media switch fabrics wired to each other.
        latency_ns: from a bit's leaving to its arriving.
        latency: the same in whole ME cycles, rounded down; at least 1.
    """

    name: str
    between: tuple[Port, Port]
    kind: LinkKind
    latency_ns: int
    latency: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A store-and-forward Ethernet switch.

    Attributes:
        name: its name.
        ports: of the chips, in the order of the switch's own ports.
        macs: 48-bit MAC addresses of these ports: where the switch sends frames for an address.
        latency_ns: of each cable.
        latency: the same in whole ME cycles, rounded down; at least 1.
    """

    name: str
    ports: tuple[Port, ...]
    macs: tuple[int, ...]
    latency_ns: int
    latency: int


class Wiring:
    """Which port reaches which, in a whole cluster.

    Attributes:
        chips: number of ports by chip, in the configuration's order.
        links, switches: by name.
    """

    def __init__(self, chips: Mapping[str, int], links: Mapping[str, Link], switches: Mapping[str, Switch]) -> None:
        self.chips = chips
        self.links = links
        self.switches = switches

    @cached_property
    def far_end(self) -> Mapping[Port, Port]:
        """Port -> the port at the other end of its link."""
        return {end: other for link in self.links.values() for end, other in (link.between, link.between[::-1])}

    @cached_property
    def switch_of(self) -> Mapping[Port, Switch]:
        """Port -> the switch it is plugged into."""
        return {port: switch for switch in self.switches.values() for port in switch.ports}

    def peers(self, port: Port) -> tuple[Port, ...]:
        """Ports that frames from a port may come to: one over a link, the others of a switch, none if it is free."""
        if port in self.far_end:
            return (self.far_end[port],)
        switch = self.switch_of.get(port)
        return () if switch is None else tuple(other for other in switch.ports if other != port)

    def mac(self, port: Port) -> int:
        """The MAC address of a port, 48 bits.

        Raises:
            KeyError: no such chip.
        """
        if port in self.switch_of:
            switch = self.switch_of[port]
            return switch.macs[switch.ports.index(port)]
        return default_mac(list(self.chips).index(port.chip), port.number)
