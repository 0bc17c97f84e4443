"""[links] and [switches]: shapes written out as links between two ports, each port on one cable at most."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from ixp_emu.chip.hardware import Hardware
from ixp_emu.cluster.config_source import ConfigSource, value_text
from ixp_emu.cluster.decode import did_you_mean
from ixp_emu.cluster.groups import ChipTables
from ixp_emu.cluster.schema import Document, LinkTable, SwitchTable
from ixp_emu.cluster.toml_lines import KeyPath
from ixp_emu.cluster.topology import Chip, Link, Port, Switch, default_mac, mac_number, mac_text

__all__ = ["CableResolver", "read_port"]

_SWITCH_PORTS = 16
_CABLE_KEYS = ("chips", "center", "ports")


def read_port(text: str) -> Port:
    """The port of a checked name "chip.number"."""
    chip, _, number = text.rpartition(".")
    return Port(chip, int(number))


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a topology joins chips.

    Attributes:
        ports: what the numbers of `ports` are.
        fewest, most: how many chips.
        join: chips and ports -> pairs of ports; those of the center come first in the chips.
    """

    ports: tuple[str, ...]
    fewest: int
    most: int
    join: Callable[[Sequence[str], Sequence[int]], Iterator[tuple[Port, Port]]]


def _pair(chips: Sequence[str], ports: Sequence[int]) -> Iterator[tuple[Port, Port]]:
    yield Port(chips[0], ports[0]), Port(chips[1], ports[1])


def _ring(chips: Sequence[str], ports: Sequence[int]) -> Iterator[tuple[Port, Port]]:
    for chip, following in pairwise([*chips, chips[0]]):
        yield Port(chip, ports[1]), Port(following, ports[0])


def _star(chips: Sequence[str], ports: Sequence[int]) -> Iterator[tuple[Port, Port]]:
    center, *leaves = chips
    for number, leaf in enumerate(leaves):
        yield Port(leaf, ports[0]), Port(center, ports[1] + number)


def _mesh(chips: Sequence[str], ports: Sequence[int]) -> Iterator[tuple[Port, Port]]:
    for low, high in combinations(range(len(chips)), 2):
        yield Port(chips[low], ports[0] + high - 1), Port(chips[high], ports[0] + low)


_SHAPES = {
    "pair": _Shape(("port of the first chip", "port of the second"), 2, 2, _pair),
    "ring": _Shape(("port to the chip before", "port to the chip behind"), 2, 256, _ring),
    "star": _Shape(("port of each chip", "first port of the center"), 2, 17, _star),
    "mesh": _Shape(("first port of each chip",), 2, 17, _mesh),
}


class CableResolver:
    """Resolves whatever names ports, and keeps account of the ports that have a cable.

    Attributes:
        owner: port -> the link or switch it belongs to, as errors name it.
    """

    def __init__(self, source: ConfigSource, tables: ChipTables, chips: Mapping[str, Chip], hardware: Hardware) -> None:
        self._source = source
        self._tables = tables
        self._chips = chips
        self._khz = hardware["me_clock_khz"]
        self.owner: dict[Port, str] = {}

    def port(self, path: KeyPath, text: str) -> Port:
        """One port of one chip.

        Raises:
            InputError: no such chip or port, or the name of several chips.
        """
        chip = text.partition(".")[0]
        if chip in self._tables.groups:
            several = self._tables.groups[chip]
            raise self._source.error(path, f'"{text}" are ports of {len(several)} chips; one is "{several[0]}"')
        return self.ports(path, text)[0]

    def ports(self, path: KeyPath, text: str) -> list[Port]:
        """The port of a chip, or of each chip of a group.

        Raises:
            InputError: no such chip or port.
        """
        name, number = read_port(text)
        groups = self._tables.groups
        if name not in self._chips and name not in groups:
            hint = did_you_mean(name, [*self._chips, *groups])
            raise self._source.error(path, f'unknown chip "{name}" in "{text}"{hint}')
        return [self._existing(path, Port(chip, number)) for chip in groups.get(name, (name,))]

    def _existing(self, path: KeyPath, port: Port) -> Port:
        last = len(self._chips[port.chip].ports) - 1
        if port.number > last:
            rule = f'no port "{port}"; the ports of chip "{port.chip}" are 0 to {last}'
            raise self._source.error(path, rule)
        return port

    def _take(self, path: KeyPath, port: Port, owner: str) -> None:
        if port in self.owner:
            if self.owner[port] == owner:
                raise self._source.error(path, f'both ends are port "{port}"; a link joins two different ports')
            raise self._source.error(path, f'port "{port}" is already an end of {self.owner[port]}')
        self.owner[port] = owner

    def _latency(self, path: KeyPath, latency_ns: int) -> int:
        latency = latency_ns * self._khz // 1_000_000
        if latency < 1:
            least = -(-1_000_000 // self._khz)
            raise self._source.error(
                (*path, "latency_ns"),
                f"expected at least {least}, one ME cycle at {self._khz} kHz; got {value_text(latency_ns)}",
            )
        return latency

    # --- links ------------------------------------------------------------------------------------------------------

    def links(self, document: Document) -> dict[str, Link]:
        """The links by name.

        Raises:
            InputError: keys that do not belong together, a port that is not there or has a cable already.
        """
        links: dict[str, Link] = {}
        for name, table in document.links.items():
            path = ("links", name)
            pairs = self._between(path, table) if table.topology is None else self._shaped(path, name, table)
            for own, between, places in pairs:
                if own in links:
                    raise self._source.error(path, f'link "{own}" is there already')
                for port, place in zip(between, places, strict=True):
                    self._take(place, port, f'link "{own}"')
                links[own] = Link(
                    name=own,
                    between=between,
                    kind=table.kind,
                    latency_ns=table.latency_ns,
                    latency=self._latency(path, table.latency_ns),
                )
        return links

    def _between(
        self, path: KeyPath, table: LinkTable
    ) -> Iterator[tuple[str, tuple[Port, Port], tuple[KeyPath, KeyPath]]]:
        for key in _CABLE_KEYS:
            if getattr(table, key) is not None:
                raise self._source.error((*path, key), "only with topology")
        if table.between is None:
            raise self._source.error(path, "neither between nor topology is given; one of the two joins ports")
        places = (*path, "between", 0), (*path, "between", 1)
        first, second = (self.port(place, text) for place, text in zip(places, table.between, strict=True))
        yield str(path[-1]), (first, second), places

    def _shaped(
        self, path: KeyPath, name: str, table: LinkTable
    ) -> Iterator[tuple[str, tuple[Port, Port], tuple[KeyPath, KeyPath]]]:
        assert table.topology is not None
        if table.between is not None:
            raise self._source.error((*path, "topology"), "given beside between; one of the two joins ports")
        shape = _SHAPES[table.topology]
        chips = self._shape_chips(path, table, shape)
        if table.ports is None or len(table.ports) != len(shape.ports):
            wanted = f"a {table.topology} has [{', '.join(shape.ports)}]"
            if table.ports is None:
                raise self._source.error((*path, "ports"), f"required key is missing; {wanted}")
            raise self._source.error((*path, "ports"), f"{wanted}; got {value_text(list(table.ports))}")
        place = (*path, "ports")
        for number, between in enumerate(shape.join(chips, table.ports)):
            first, second = (self._existing(place, port) for port in between)
            yield f"{name}{number}", (first, second), (place, place)

    def _shape_chips(self, path: KeyPath, table: LinkTable, shape: _Shape) -> list[str]:
        """The chips of a shape, each once; a center first."""
        here = (*path, "chips")
        if table.chips is None:
            raise self._source.error(here, "required key is missing; expected the name of chips with count, or a list")
        listed = [table.chips] if isinstance(table.chips, str) else table.chips
        chips: list[str] = []
        if (table.center is None) is (table.topology == "star"):
            rule = "required key is missing; the chip that all others are joined to"
            raise self._source.error((*path, "center"), rule if table.center is None else "only of a star")
        if table.center is not None:
            if table.center in self._tables.groups:
                raise self._source.error((*path, "center"), f'"{table.center}" are several chips')
            chips += self._tables.chips_of(self._source, (*path, "center"), table.center)
        for index, name in enumerate(listed):
            place = here if isinstance(table.chips, str) else (*here, index)
            for chip in self._tables.chips_of(self._source, place, name):
                if chip == table.center:  # it may be one of those it is the center of
                    continue
                if chip in chips:
                    raise self._source.error(place, f'chip "{chip}" is named twice')
                chips.append(chip)
        if not shape.fewest <= len(chips) <= shape.most:
            bound = f"at least {shape.fewest}" if len(chips) < shape.fewest else f"at most {shape.most}"
            count = shape.fewest if shape.fewest == shape.most else bound
            raise self._source.error(here, f"{len(chips)} chips; a {table.topology} joins {count}")
        return chips

    # --- switches ---------------------------------------------------------------------------------------------------

    def switches(self, document: Document) -> dict[str, Switch]:
        """The switches by name.

        Raises:
            InputError: too few or too many ports, a port that is not there or has a cable already, an address twice.
        """
        return {name: self._switch(("switches", name), name, table) for name, table in document.switches.items()}

    def _switch(self, path: KeyPath, name: str, table: SwitchTable) -> Switch:
        ports: list[Port] = []
        for index, text in enumerate(table.ports):
            place = (*path, "ports", index)
            for port in self.ports(place, text):
                if port in ports:
                    raise self._source.error(place, f'port "{port}" is listed twice')
                self._take(place, port, f'switch "{name}"')
                ports.append(port)
        if not 2 <= len(ports) <= _SWITCH_PORTS:
            raise self._source.error((*path, "ports"), f"{len(ports)} ports; a switch has 2 to {_SWITCH_PORTS}")
        numbers = list(self._chips)
        macs = [default_mac(numbers.index(port.chip), port.number) for port in ports]
        if table.macs is not None:
            if len(table.macs) != len(ports):
                raise self._source.error(
                    (*path, "macs"), f"{len(table.macs)} addresses for {len(ports)} ports; one for each"
                )
            macs = [mac_number(text) for text in table.macs]
        for index, mac in enumerate(macs):
            if mac in macs[:index]:
                place = (*path, "ports") if table.macs is None else (*path, "macs", index)
                raise self._source.error(place, f"address {mac_text(mac)} is given twice")
        return Switch(
            name=name,
            ports=tuple(ports),
            macs=tuple(macs),
            latency_ns=table.latency_ns,
            latency=self._latency(path, table.latency_ns),
        )
