"""Routes for every chip of a cluster from the networks at its edge: the way with the fewest links and switches.

A networks file says which network lies behind which port::

    [[network]]
    prefix = "10.{number}.0.0/16"       # {number}: the digits at the end of the chip's name
    chip   = "node*"                    # every chip whose name fits
    port   = 1                          # which has no cable

Of ways with equally many hops, each chip takes the one out of its port with the lowest number. Networks that no way
leads to get no route. Frames for a neighbour carry its port's MAC address; those that leave the cluster carry
`destination_mac`, or 02:00:00:01, chip, port.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated

import msgspec

from ixp_emu.cluster.service import Site
from ixp_emu.cluster.topology import Port, Wiring
from ixp_emu.errors import InputError
from microcode.services.forward.oracle import NextHop, Route, Routes, read_mac

__all__ = ["hops_to", "read_networks"]

_NUMBER = re.compile(r"[0-9]+\Z")
_BEHIND = 0x01_00_00
"""What tells the address behind a port from the port's own."""


class _NetworkRow(msgspec.Struct, forbid_unknown_fields=True):
    prefix: str
    chip: str
    port: Annotated[int, msgspec.Meta(ge=0)]
    destination_mac: str | None = None


class _NetworksFile(msgspec.Struct, forbid_unknown_fields=True):
    network: list[_NetworkRow]


def hops_to(wiring: Wiring, chip: str) -> dict[str, int]:
    """Chip -> how many links and switches lie between it and one chip; chips without a way to it are left out."""
    hops = {chip: 0}
    frontier = [chip]
    while frontier:
        reached = []
        for name in frontier:
            for number in range(wiring.chips[name]):
                for peer in wiring.peers(Port(name, number)):
                    if peer.chip not in hops:
                        hops[peer.chip] = hops[name] + 1
                        reached.append(peer.chip)
        frontier = reached
    return hops


def read_networks(path: str | Path, site: Site) -> Routes:
    """The routes of one chip from a networks file.

    Raises:
        InputError: not readable, not of this form, no such chip or port, a port with a cable, or a network given twice.
    """
    try:
        rows = msgspec.convert(tomllib.loads(Path(path).read_text(encoding="utf-8")), type=_NetworksFile).network
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise InputError(str(error), file=path) from None
    next_hops: dict[NextHop, int] = {}
    routes: dict[IPv4Network, Route] = {}
    ways: dict[str, Mapping[str, int]] = {}
    for number, row in enumerate(rows):
        key = f"network[{number}]"
        for network, port in _places(path, key, row, site.wiring):
            if network in routes:
                raise InputError(f"{network} stands twice", file=path, key=f"{key}.prefix")
            if port.chip not in ways:
                ways[port.chip] = hops_to(site.wiring, port.chip)
            outside = (
                None if row.destination_mac is None else read_mac(row.destination_mac, path, f"{key}.destination_mac")
            )
            hop = _next_hop(site, port, ways[port.chip], outside)
            if hop is not None:
                index = next_hops.setdefault(hop, len(next_hops))
                routes[network] = Route(int(network.network_address), network.prefixlen, index)
    return Routes(routes=tuple(routes.values()), next_hops=tuple(next_hops))


def _places(path: str | Path, key: str, row: _NetworkRow, wiring: Wiring) -> Iterator[tuple[IPv4Network, Port]]:
    """Each network of a row with the port it lies behind."""
    chips = [chip for chip in wiring.chips if fnmatchcase(chip, row.chip)]
    if not chips:
        raise InputError(f'no chip "{row.chip}"', file=path, key=f"{key}.chip")
    for chip in chips:
        port = Port(chip, row.port)
        if row.port >= wiring.chips[chip]:
            last = wiring.chips[chip] - 1
            raise InputError(f"{row.port}, chip {chip} has ports 0 to {last}", file=path, key=f"{key}.port")
        if wiring.peers(port):
            raise InputError(f"{port} has a cable, a network lies behind a free port", file=path, key=f"{key}.port")
        digits = _NUMBER.search(chip)
        if "{number}" in row.prefix and digits is None:
            raise InputError(f"{{number}}, but no number ends the name {chip}", file=path, key=f"{key}.prefix")
        text = row.prefix.replace("{number}", digits[0] if digits else "")
        try:
            yield IPv4Network(text), port
        except ValueError as error:
            raise InputError(f'"{text}" is no IPv4 prefix: {error}', file=path, key=f"{key}.prefix") from None


def _next_hop(site: Site, behind: Port, hops: Mapping[str, int], outside: int | None) -> NextHop | None:
    """Where the site's chip sends frames for a network, None if there is no way."""
    wiring = site.wiring
    if behind.chip == site.chip:
        own = wiring.mac(behind)
        return NextHop(behind.number, own | _BEHIND if outside is None else outside, own)
    if site.chip not in hops:
        return None
    for number in range(site.ports):
        port = Port(site.chip, number)
        for peer in wiring.peers(port):
            if hops[peer.chip] < hops[site.chip]:
                return NextHop(number, wiring.mac(peer), wiring.mac(port))
    raise AssertionError("a chip with a way to another has a first step on it")
