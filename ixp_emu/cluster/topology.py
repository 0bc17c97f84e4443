"""The parts of a cluster as a configuration describes them: chips, ports, links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ixp_emu.chip.diagnosis import engine_name, engine_number
from ixp_emu.cluster.schema import Placement, PortKind

__all__ = ["Chip", "Link", "Port", "engine_name", "engine_number"]


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
        kind: "gbe".
        latency_ns: from a bit's leaving to its arriving.
        latency: the same in whole ME cycles, rounded down; at least 1.
    """

    name: str
    between: tuple[Port, Port]
    kind: str
    latency_ns: int
    latency: int
