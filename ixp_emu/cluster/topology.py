"""The parts of a cluster as a configuration describes them: chips, ports, links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

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
    """

    name: str
    ports: tuple[PortKind, ...]
    engines: Mapping[str, tuple[int, ...]]
    placement: Mapping[str, Placement]
    tables: Mapping[str, Mapping[str, str]]


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


def engine_number(engine: str) -> int:
    """The number 0 to 7 of a microengine "cluster:ME": "1:3" is 7.

    Raises:
        ValueError: any other text.
    """
    cluster, colon, number = engine.partition(":")
    if not colon or cluster not in ("0", "1") or number not in ("0", "1", "2", "3"):
        raise ValueError(f'"{engine}" is no engine "cluster:ME" from "0:0" to "1:3"')
    return 4 * int(cluster) + int(number)


def engine_name(number: int) -> str:
    """The inverse of `engine_number`: 7 is "1:3"."""
    return f"{number // 4}:{number % 4}"
