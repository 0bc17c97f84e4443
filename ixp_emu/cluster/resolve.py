"""From the decoded tables of cluster.toml to checked, resolved parts, each named by the error if it does not fit."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ixp_emu.chip.hardware import PRESETS, Hardware, resolve_hardware
from ixp_emu.cluster.cables import CableResolver
from ixp_emu.cluster.config_source import ConfigSource, value_text
from ixp_emu.cluster.decode import decode, did_you_mean
from ixp_emu.cluster.groups import ChipTables
from ixp_emu.cluster.schema import (
    GENERATOR_KEYS,
    TRACE_KEYS,
    ChipTable,
    Document,
    Memory,
    Placement,
    Program,
    Traffic,
)
from ixp_emu.cluster.toml_lines import KeyPath
from ixp_emu.cluster.topology import Chip, engine_number
from ixp_emu.errors import InputError

__all__ = [
    "check_run",
    "check_traffic_source",
    "program_file",
    "resolve_chip",
    "resolve_hardware_table",
    "resolve_placement",
    "resolve_program",
    "resolve_traffic",
]

_DEFAULT_PRESET = "ixp2400-600"
_BUILTIN = "builtin:"
_MICROCODE = "microcode"


def program_file(name: str) -> Path:
    """The path of a file as a configuration names it: absolute, or "builtin:" and a name in the installed microcode.

    Raises:
        FileNotFoundError: a builtin name with no file, or outside the microcode.
    """
    if not name.startswith(_BUILTIN):
        return Path(name)
    from importlib.util import find_spec  # only found, never imported

    relative = os.path.normpath(name.removeprefix(_BUILTIN))
    spec = find_spec(_MICROCODE)
    if not os.path.isabs(relative) and not relative.startswith(os.pardir):
        for root in (spec.submodule_search_locations if spec else None) or ():
            if os.path.isfile(os.path.join(root, relative)):
                return Path(root, relative)
    raise FileNotFoundError(name)


def resolve_hardware_table(source: ConfigSource, table: Mapping[str, Any]) -> Hardware:
    """The preset with the parameters that [hardware] changes; nested tables and dotted names are the same."""
    preset = table.get("preset", _DEFAULT_PRESET)
    if not isinstance(preset, str) or preset not in PRESETS:
        raise source.error(("hardware", "preset"), f"expected {_one_of(PRESETS)}; got {value_text(preset)}")
    known = resolve_hardware(preset).values
    values: dict[str, int] = {}
    for path, value in _leaves(("hardware",), table):
        name = ".".join(str(part) for part in path[1:])
        if name == "preset":
            continue
        if name not in known:
            raise source.error(path, f"unknown hardware parameter{did_you_mean(name, known)}")
        if name in values:
            raise source.error(path, f"{name} is given twice")
        values[name] = decode(source, path, value, int)
    try:
        return resolve_hardware(preset, values)
    except InputError as error:
        raise source.located(error) from None


def _leaves(path: KeyPath, value: Any) -> Iterator[tuple[KeyPath, Any]]:
    if not isinstance(value, dict):
        yield path, value
        return
    for key, item in value.items():
        yield from _leaves((*path, key), item)


def _one_of(names: Iterable[str]) -> str:
    return " or ".join(f'"{name}"' for name in names)


def _file(source: ConfigSource, path: KeyPath, name: str) -> str:
    """An existing file's absolute path; a builtin name stays as it is."""
    if not name.startswith(_BUILTIN):
        name = source.absolute(path, name)
    try:
        found = os.path.isfile(program_file(name))
    except FileNotFoundError:
        found = False
    if not found:
        where = " in the installed microcode" if name.startswith(_BUILTIN) else ""
        raise source.error(path, f"no such file{where}: {name}")
    return name


def _files(source: ConfigSource, path: KeyPath, names: Mapping[str, str]) -> dict[str, str]:
    return {table: _file(source, (*path, table), name) for table, name in names.items()}


def resolve_program(source: ConfigSource, name: str, program: Program) -> Program:
    """A program with absolute names of files that exist."""
    path = ("programs", name)
    return msgspec.structs.replace(
        program,
        source=_file(source, (*path, "source"), program.source),
        tables=_files(source, (*path, "tables"), program.tables),
    )


def resolve_placement(table: Mapping[str, Memory | Placement]) -> dict[str, Placement]:
    """Every entry in its long form."""
    return {
        structure: place if isinstance(place, Placement) else Placement(memory=place)
        for structure, place in table.items()
    }


def resolve_chip(source: ConfigSource, name: str, document: Document, tables: ChipTables, hardware: Hardware) -> Chip:
    """A chip with what it has from those it is like.

    Ports, engines and control program are taken whole from the nearest chip that has them; placement, tables and
    options of the control program entry by entry.
    """
    own = tables.tables[name]
    path = tables.written[name]
    chain = _like_chain(source, name, tables)
    _check_engines(source, (*path, "engines"), own.engines or {}, document.programs)
    for program in own.tables:
        if program not in document.programs:
            raise source.error((*path, "tables", program), f"unknown program{did_you_mean(program, document.programs)}")
    ports = next((chip.ports for chip in chain.values() if chip.ports is not None), None)
    engines = next((chip.engines for chip in chain.values() if chip.engines is not None), None)
    if ports is None:
        raise source.error((*path, "ports"), 'required key is missing, and there is no "like" to take it from')
    if engines is None:
        raise source.error((*path, "engines"), 'required key is missing, and there is no "like" to take it from')
    giver = next(ancestor for ancestor, chip in chain.items() if chip.ports is not None)
    _check_channels(source, (*tables.written.get(giver, ("chips", giver)), "ports"), name, len(ports), hardware)
    control, options = _resolve_control(source, chain, tables)
    placement = resolve_placement(document.placement)
    data: dict[str, dict[str, str]] = {}
    for ancestor, chip in reversed(chain.items()):
        placement.update(resolve_placement(chip.placement))
        for program, names in chip.tables.items():
            files = _files(source, ("chips", ancestor, "tables", program), names)
            data[program] = {**data.get(program, {}), **files}
    return Chip(
        name=name,
        ports=ports,
        control=control,
        control_options=options,
        engines={program: tuple(engine_number(engine) for engine in listed) for program, listed in engines.items()},
        placement=placement,
        tables=data,
    )


def _check_channels(source: ConfigSource, path: KeyPath, chip: str, ports: int, hardware: Hardware) -> None:
    """The SPI-3 channels carry the chip's ports (docs/hardware-model.md, section 6)."""
    channels, shared, carried = hardware["msf.channels"], hardware["msf.ports_per_channel"], hardware.media_ports
    if ports > carried:
        kind = {1: " SPHY", 4: " MPHY-4", 16: " MPHY-32"}[shared] if channels == 1 else ""
        mode = f"{channels}x{8 * hardware['msf.width_bytes']}{kind}"
        raise source.error(path, f"chip {chip}: {ports} ports; {mode} carries {carried}")


def _resolve_control(
    source: ConfigSource, chain: Mapping[str, ChipTable], tables: ChipTables
) -> tuple[str | None, dict[str, bool | int | float | str]]:
    """The control program with the absolute name of its file, and its options."""
    options = {key: value for chip in reversed([*chain.values()]) for key, value in chip.control_options.items()}
    for name, chip in chain.items():
        if chip.control is not None:
            file, _, function = chip.control.rpartition(":")
            return f"{_file(source, (*tables.written.get(name, ('chips', name)), 'control'), file)}:{function}", options
    if options:
        nearest = next(name for name, chip in chain.items() if chip.control_options)
        raise source.error(
            (*tables.written.get(nearest, ("chips", nearest)), "control_options"),
            "there is no control program to take them",
        )
    return None, {}


def _like_chain(source: ConfigSource, name: str, tables: ChipTables) -> dict[str, ChipTable]:
    """A chip and those it is like, directly or not, nearest first."""
    chips = tables.tables
    chain = {name: chips[name]}
    at = name
    while (model := chips[at].like) is not None:
        path = (*tables.written.get(at, ("chips", at)), "like")
        if model not in chips:
            raise source.error(path, f'unknown chip "{model}"{did_you_mean(model, chips)}')
        if model in chain:
            raise source.error(path, f"the chain {' -> '.join([*chain, model])} has no end")
        chain[model] = chips[model]
        at = model
    return chain


def _check_engines(
    source: ConfigSource, path: KeyPath, engines: Mapping[str, Sequence[str]], programs: Mapping[str, Program]
) -> None:
    owner: dict[str, str] = {}
    for program, listed in engines.items():
        if program not in programs:
            raise source.error((*path, program), f"unknown program{did_you_mean(program, programs)}")
        for index, engine in enumerate(listed):
            if engine in owner:
                rule = "listed twice" if owner[engine] == program else f'already given to program "{owner[engine]}"'
                raise source.error((*path, program, index), f'engine "{engine}" is {rule}')
            owner[engine] = program


def check_traffic_source(source: ConfigSource, table: Any) -> None:
    """Exactly one source of packets, and no key that belongs to the other."""
    if table is None:
        raise source.error(("traffic",), "required table is missing; a trace (pcap) or a generator offers packets")
    if not isinstance(table, dict):
        return
    if "pcap" in table and "generator" in table:
        raise source.error(("traffic", "generator"), "given beside pcap; one of the two offers packets")
    if "pcap" not in table and "generator" not in table:
        raise source.error(("traffic",), "neither pcap nor generator is given; one of the two offers packets")
    excluded, kind = (GENERATOR_KEYS, "generator") if "pcap" in table else (TRACE_KEYS, "trace (pcap)")
    for key in table:
        if key in excluded:
            raise source.error(("traffic", key), f"only for a {kind}")


def resolve_traffic(source: ConfigSource, traffic: Traffic, cables: CableResolver) -> Traffic:
    """The traffic, checked against the ports and links it meets; the trace's file name absolute."""
    path = ("traffic",)
    into: list[str] = []
    for index, text in enumerate(traffic.into):
        here = (*path, "into", index)
        for port in cables.ports(here, text):
            if port in cables.owner:
                raise source.error(here, f'port "{port}" is an end of {cables.owner[port]}; traffic needs a free port')
            if str(port) in into:
                raise source.error(here, f'port "{port}" is listed twice')
            into.append(str(port))
    traffic = msgspec.structs.replace(traffic, into=tuple(into))
    if traffic.generator is not None and traffic.rate == "recorded":
        raise source.error((*path, "rate"), '"recorded" is only for a trace (pcap)')
    if traffic.rate != "recorded" and traffic.time_scale != 1:
        raise source.error((*path, "time_scale"), 'only with rate = "recorded"')
    for index, prefix in enumerate(traffic.destinations):
        _check_prefix(source, (*path, "destinations", index), prefix)
    if traffic.pcap is None:
        return traffic
    return msgspec.structs.replace(traffic, pcap=_file(source, (*path, "pcap"), traffic.pcap))


def _check_prefix(source: ConfigSource, path: KeyPath, text: str) -> None:
    from ipaddress import IPv4Network

    try:
        IPv4Network(text)
    except ValueError as error:
        raise source.error(
            path, f'expected an IPv4 prefix like "10.1.0.0/16"; got {value_text(text)}: {error}'
        ) from None


def check_run(source: ConfigSource, document: Document) -> None:
    """The run is finite and counts at least one packet."""
    run = document.run
    if run.offered_packets is None:
        reason = None
        if document.traffic.generator is not None:
            reason = "a generator makes packets without end"
        elif document.traffic.repeat == 0:
            reason = "traffic.repeat = 0 replays the trace without end"
        if reason is not None:
            raise source.error(("run", "offered_packets"), f"required key is missing: {reason}")
    elif run.warmup_packets >= run.offered_packets:
        raise source.error(
            ("run", "warmup_packets"),
            f"expected less than run.offered_packets ({run.offered_packets}); got {value_text(run.warmup_packets)}",
        )
