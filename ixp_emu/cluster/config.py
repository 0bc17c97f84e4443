"""cluster.toml: what the user wants to run, decoded, checked and resolved.

`load_config` is all a caller needs. Whatever can be said about a configuration without assembling a program is
checked here; the first error is reported, with file, line, key, value and rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ixp_emu.chip.hardware import Hardware
from ixp_emu.cluster.cables import CableResolver
from ixp_emu.cluster.config_source import ConfigSource, read_source, value_text
from ixp_emu.cluster.decode import decode, did_you_mean
from ixp_emu.cluster.extension import EXTENSION_GROUP, installed_extensions, load_extensions
from ixp_emu.cluster.groups import expand_chips
from ixp_emu.cluster.resolve import (
    check_run,
    check_traffic_source,
    program_file,
    resolve_chip,
    resolve_hardware_table,
    resolve_placement,
    resolve_program,
    resolve_traffic,
)
from ixp_emu.cluster.schema import GENERATOR_KEYS, LENGTH_KEYS, TRACE_KEYS, Document, Placement, Program, Run, Traffic
from ixp_emu.cluster.toml_lines import KeyPath
from ixp_emu.cluster.topology import Chip, Link, Port, Switch, Wiring, engine_name, engine_number, mac_text
from ixp_emu.errors import InputError

if TYPE_CHECKING:
    from ixp_emu.cluster.traffic import TrafficSpec

__all__ = [
    "EXTENSION_GROUP",
    "Chip",
    "ClusterConfig",
    "Link",
    "Placement",
    "Port",
    "Program",
    "Run",
    "Switch",
    "Traffic",
    "Wiring",
    "config_from_document",
    "engine_name",
    "engine_number",
    "load_config",
    "program_file",
]

# An override of the first key drops the others from the file. How many packets to offer belongs to their source.
_ALTERNATIVES: tuple[tuple[KeyPath, tuple[KeyPath, ...]], ...] = (
    (("traffic", "pcap"), (*(("traffic", key) for key in GENERATOR_KEYS), *(("run", key) for key in LENGTH_KEYS))),
    (("traffic", "generator"), tuple(("traffic", key) for key in TRACE_KEYS)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig:
    """A checked configuration with every default filled in.

    Attributes:
        source: the text it came from, for errors found later; not compared.
        run: length and seed.
        hardware: every hardware value, the same for all chips.
        programs: by name; file names absolute.
        chips: by name, in the file's order, `count` and `like` resolved.
        links: by name; every `topology` written out.
        switches: by name.
        traffic: what is offered.
        placement: structure -> memory for all chips.
        extensions: tables of extensions, as written.
    """

    source: ConfigSource = field(compare=False, repr=False)
    run: Run
    hardware: Hardware
    programs: Mapping[str, Program]
    chips: Mapping[str, Chip]
    links: Mapping[str, Link]
    switches: Mapping[str, Switch]
    traffic: Traffic
    placement: Mapping[str, Placement]
    extensions: Mapping[str, Mapping[str, Any]]

    def wiring(self) -> Wiring:
        """Which port reaches which."""
        return Wiring({name: len(chip.ports) for name, chip in self.chips.items()}, self.links, self.switches)

    def placement_for(self, chip: str, structure: str) -> Placement | None:
        """Where a chip keeps a structure; None where the configuration does not say.

        Raises:
            KeyError: no such chip.
        """
        return self.chips[chip].placement.get(structure)

    def tables_for(self, chip: str, program: str) -> Mapping[str, str]:
        """The data files of a program on a chip: the program's, with the chip's in their place.

        Raises:
            KeyError: no such chip or program.
        """
        return {**self.programs[program].tables, **self.chips[chip].tables.get(program, {})}

    def traffic_spec(self) -> TrafficSpec:
        """The traffic as the generator takes it.

        Raises:
            InputError: a value that only the generator can judge.
        """
        from ixp_emu.cluster.traffic import TrafficSpec  # brings the compiler; a command that runs nothing does without

        try:
            return TrafficSpec(
                packets=self.run.offered_packets, seed=self.run.seed, **msgspec.structs.asdict(self.traffic)
            )
        except InputError as error:
            raise self.source.located(error) from None

    def expanded(self) -> dict[str, Any]:
        """Plain data with every value, resolved: written as TOML and loaded again it gives the same configuration."""
        hardware: dict[str, Any] = {"preset": self.hardware.preset}
        for name, value in self.hardware.values.items():
            group, _, key = name.rpartition(".")
            (hardware.setdefault(group, {}) if group else hardware)[key] = value
        other_source = GENERATOR_KEYS if self.traffic.generator is None else TRACE_KEYS
        traffic = {key: value for key, value in _plain(self.traffic).items() if key not in other_source}
        return {
            "schema": 1,
            "run": _plain(self.run),
            "hardware": hardware,
            "programs": _plain(self.programs),
            "chips": {
                chip.name: {
                    "ports": list(chip.ports),
                    "engines": {
                        program: [engine_name(number) for number in numbers]
                        for program, numbers in chip.engines.items()
                    },
                    "placement": _plain(chip.placement),
                    "tables": _plain(chip.tables),
                    **({} if chip.control is None else {"control": chip.control}),
                    **({"control_options": dict(chip.control_options)} if chip.control_options else {}),
                }
                for chip in self.chips.values()
            },
            "links": {
                link.name: {
                    "between": [str(port) for port in link.between],
                    "kind": link.kind,
                    "latency_ns": link.latency_ns,
                }
                for link in self.links.values()
            },
            "switches": {
                switch.name: {
                    "ports": [str(port) for port in switch.ports],
                    "macs": [mac_text(mac) for mac in switch.macs],
                    "latency_ns": switch.latency_ns,
                }
                for switch in self.switches.values()
            },
            "traffic": traffic,
            "placement": _plain(self.placement),
            **_plain(self.extensions),
        }


def load_config(path: str | Path, *, overrides: Sequence[str] = ()) -> ClusterConfig:
    """Read, check and resolve a cluster.toml.

    Args:
        path: the file.
        overrides: texts `KEY=VALUE` as given to `--set`, applied in order; VALUE is a TOML value or a bare word.

    Raises:
        InputError: the first error, with file, line and key, or with the override in the file's place.
    """
    return _resolve(read_source(Path(path), overrides, alternatives=_ALTERNATIVES))


def config_from_document(document: Mapping[str, Any], *, file: str | Path) -> ClusterConfig:
    """A configuration from plain data, as `ClusterConfig.expanded` gives it.

    Args:
        document: the tables.
        file: what error messages name as its place.

    Raises:
        InputError: the first error.
    """
    return _resolve(ConfigSource(Path(file), "", (), document))


def _resolve(source: ConfigSource) -> ClusterConfig:
    extensions = _extension_tables(source)
    tables = {key: value for key, value in source.document.items() if key not in extensions}
    _add_programs(tables, extensions)
    check_traffic_source(source, tables.get("traffic"))
    document = decode(source, (), tables, Document)
    hardware = resolve_hardware_table(source, document.hardware)
    programs = {name: resolve_program(source, name, program) for name, program in document.programs.items()}
    placement = resolve_placement(document.placement)
    tables_of_chips = expand_chips(source, document.chips)
    chips = {name: resolve_chip(source, name, document, tables_of_chips, hardware) for name in tables_of_chips.names}
    cables = CableResolver(source, tables_of_chips, chips, hardware)
    links = cables.links(document)
    switches = cables.switches(document)
    check_run(source, document)
    return ClusterConfig(
        source=source,
        run=document.run,
        hardware=hardware,
        programs=programs,
        chips=chips,
        links=links,
        switches=switches,
        traffic=resolve_traffic(source, document.traffic, cables),
        placement=placement,
        extensions=extensions,
    )


def _plain(value: Any) -> Any:
    """Dicts, lists and scalars only, without the keys that are not set."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _extension_tables(source: ConfigSource) -> dict[str, Mapping[str, Any]]:
    """The top-level tables that installed extensions own."""
    unknown = [key for key in source.document if key not in Document.__struct_fields__]
    if not unknown:
        return {}
    installed = installed_extensions()
    tables: dict[str, Mapping[str, Any]] = {}
    for key in unknown:
        table = source.document[key]
        if key not in installed:
            kind = "table" if isinstance(table, dict) else "key"
            names = [*Document.__struct_fields__, *sorted(installed)]
            raise source.error((key,), f"unknown {kind}{did_you_mean(key, names)}")
        if not isinstance(table, dict):
            raise source.error((key,), f"expected a table; got {value_text(table)}")
        tables[key] = table
    return tables


def _add_programs(tables: dict[str, Any], extensions: Mapping[str, Any]) -> None:
    """Programs that extensions bring; [programs] may add to them, or replace their source."""
    brought = {name: source for one in load_extensions(extensions).values() for name, source in one.programs.items()}
    written = tables.get("programs", {})
    if not brought or not isinstance(written, dict):
        return
    merged: dict[str, Any] = {name: {"source": source} for name, source in brought.items()}
    for name, table in written.items():
        merged[name] = {**merged.get(name, {}), **table} if isinstance(table, dict) else table
    tables["programs"] = merged
