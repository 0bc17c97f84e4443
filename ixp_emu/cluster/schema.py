"""The tables of cluster.toml as typed, frozen structs: what may stand where, and each default.

`docs/cluster-toml.md` is checked against these types, and the error messages are worded from them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

__all__ = [
    "DEFAULT_DESTINATIONS",
    "GENERATOR_KEYS",
    "LENGTH_KEYS",
    "TRACE_KEYS",
    "ChipTable",
    "Document",
    "LinkKind",
    "LinkTable",
    "Memory",
    "Placement",
    "PortKind",
    "Program",
    "Run",
    "SwitchTable",
    "Topology",
    "Traffic",
]

Count = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Name = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z][A-Za-z0-9_-]*\Z",
        extra={"rule": "a name of letters, digits, _ and -, with a letter first"},
    ),
]
Symbol = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z_][A-Za-z0-9_]*\Z",
        extra={"rule": "a symbol of letters, digits and _, with no digit first"},
    ),
]
Engine = Annotated[str, Meta(pattern=r"\A[01]:[0-3]\Z", extra={"rule": 'an engine "cluster:ME" from "0:0" to "1:3"'})]
PortName = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z][A-Za-z0-9_-]*\.(0|[1-9][0-9]*)\Z",
        extra={"rule": 'a port "chip.number"'},
    ),
]
FileName = Annotated[str, Meta(min_length=1, extra={"rule": 'a file name or "builtin:name"'})]
ControlName = Annotated[
    str,
    Meta(
        pattern=r"\A.+\.py:[A-Za-z_][A-Za-z0-9_]*\Z",
        extra={"rule": 'a Python file and a function of it, "name.py:function" or "builtin:name.py:function"'},
    ),
]
Rate = Annotated[
    str,
    Meta(
        pattern=r"\A(line|back-to-back|recorded|(?=[0-9.]*[1-9])[0-9]+(\.[0-9]+)? ?[kMG]?b/s)\Z",
        extra={"rule": '"line", "back-to-back", "recorded", a bit rate like "2.5 Gb/s"'},
    ),
]
PacketRate = Annotated[
    float, Meta(gt=0, le=1e12, extra={"rule": "packets per second as a number greater than 0 up to 1e12"})
]
FrameBytes = Annotated[int, Meta(ge=64, le=1522)]
Longword = Annotated[int, Meta(ge=-(2**31), le=2**32 - 1)]
Engines = Annotated[dict[Name, Annotated[tuple[Engine, ...], Meta(min_length=1)]], Meta(min_length=1)]
MacAddress = Annotated[
    str,
    Meta(
        pattern=r"\A[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}\Z",
        extra={"rule": 'a MAC address like "02:00:00:00:03:02"'},
    ),
]
PortKind = Literal["1GbE"]
LinkKind = Literal["gbe", "spi3"]
Topology = Literal["pair", "ring", "star", "mesh"]
PortNumber = Annotated[int, Meta(ge=0, le=15)]
LatencyNs = Annotated[int, Meta(ge=0, le=80_000)]
Memory = Literal["scratch", "sram0", "sram1", "dram", "local"]

DEFAULT_DESTINATIONS = (
    "10.0.0.0/16",
    "10.1.0.0/16",
    "10.2.0.0/17",
    "10.2.128.0/17",
    "10.3.0.0/18",
    "10.4.0.0/20",
    "10.5.5.0/24",
    "10.6.6.0/24",
    "10.7.7.128/25",
    "10.8.8.8/32",
    "10.9.0.0/16",
)
"""Where generated packets go unless told otherwise: prefixes of several lengths inside 10.0.0.0/8."""

GENERATOR_KEYS = ("generator", "sizes", "flows", "zipf_s", "train_packets", "destinations")
"""Keys of [traffic] that mean something only for generated packets."""

TRACE_KEYS = ("pcap", "time_scale", "repeat", "allow_truncated")
"""Keys of [traffic] that mean something only for a trace."""

LENGTH_KEYS = ("offered_packets", "warmup_packets")
"""Keys of [run] that count packets of one source; another trace brings its own number."""


class Run(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long to run.

    Attributes:
        offered_packets: packets to offer, at most those of the trace; None: all of the trace. The run ends when each
            is delivered or lost.
        warmup_packets: the first packets, not counted in the results.
        max_cycles: the run ends here in any case.
        seed: of every random draw.
        stall_after: cycles without any change of packets, rings or free lists that count as a fault.
    """

    offered_packets: Annotated[int, Meta(ge=1, le=2**32)] | None = None
    warmup_packets: Annotated[int, Meta(ge=0, le=2**32)] = 0
    max_cycles: Count = 60_000_000
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 1
    stall_after: Count = 1_000_000


class Program(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A program that microengines run.

    Attributes:
        source: its file, absolute once loaded, or "builtin:" and a name inside the installed microcode.
        define: symbols the preprocessor sees.
        tables: files of data that the host half of the service reads (routes, say), by name.
    """

    source: FileName
    define: dict[Symbol, Longword | str] = {}
    tables: dict[Name, FileName] = {}


class Placement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a data structure lives.

    Attributes:
        memory: the memory.
        pin: rely on the receive microcode pinning each flow to one ME, so that only one ME touches an element of a
            structure shared by ME; false: treat the structure as shared by the chip.
    """

    memory: Memory
    pin: bool = True


class ChipTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[chips.NAME] as written; `ClusterConfig.chips` has them with `count` and `like` resolved.

    Attributes:
        count: NAME stands for so many chips, NAME0, NAME1, ..., each like this table; None: one chip.
    """

    count: Annotated[int, Meta(ge=1, le=16)] | None = None
    like: Name | None = None
    ports: Annotated[tuple[PortKind, ...], Meta(min_length=1, max_length=16)] | None = None
    engines: Engines | None = None
    placement: dict[Symbol, Memory | Placement] = {}
    tables: dict[Name, dict[Name, FileName]] = {}
    control: ControlName | None = None
    control_options: dict[Symbol, bool | int | float | str] = {}


class LinkTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[links.NAME] as written: one link (`between`), or links NAME0, NAME1, ... of one shape (`topology`).

    Attributes:
        between: two ports, joined in both directions.
        topology: the shape.
        chips: the chips it joins, in order: those of a `count`, or a list.
        center: of a star.
        ports: which ports of each chip; their meaning is that of the shape (docs/cluster-toml.md).
    """

    between: tuple[PortName, PortName] | None = None
    topology: Topology | None = None
    chips: Name | Annotated[tuple[Name, ...], Meta(min_length=1)] | None = None
    center: Name | None = None
    ports: Annotated[tuple[PortNumber, ...], Meta(min_length=1, max_length=2)] | None = None
    kind: LinkKind = "gbe"
    latency_ns: LatencyNs = 1_000


class SwitchTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[switches.NAME] as written: an Ethernet switch and the ports that are plugged into it.

    Attributes:
        macs: MAC addresses of the ports, in their order; None: by the rule of `topology.default_mac`.
    """

    ports: Annotated[tuple[PortName, ...], Meta(min_length=1, max_length=16)]
    macs: Annotated[tuple[MacAddress, ...], Meta(min_length=2, max_length=16)] | None = None
    latency_ns: LatencyNs = 1_000


class Traffic(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is offered to the cluster; `ixp_emu.cluster.traffic.TrafficSpec` explains each key.

    Exactly one of `pcap` and `generator` is set.
    """

    into: Annotated[tuple[PortName, ...], Meta(min_length=1)]
    pcap: FileName | None = None
    generator: Literal["zipf", "uniform"] | None = None
    rate: Rate | PacketRate = "line"
    back_pressure: bool = False
    spread: Literal["flow", "round-robin"] = "flow"
    time_scale: Annotated[float, Meta(ge=1e-9, le=1e9)] = 1.0
    repeat: Annotated[int, Meta(ge=0, le=2**32)] = 1
    allow_truncated: bool = False
    sizes: (
        Literal["imix"]
        | FrameBytes
        | Annotated[tuple[tuple[FrameBytes, Annotated[int, Meta(ge=1, le=2**32 - 1)]], ...], Meta(min_length=1)]
    ) = "imix"
    flows: Annotated[int, Meta(ge=1, le=2**24)] = 1_000
    zipf_s: Annotated[float, Meta(ge=0, le=99)] = 1.0
    train_packets: Annotated[float, Meta(ge=1, le=1e9)] = 1.0
    destinations: Annotated[tuple[str, ...], Meta(min_length=1)] = DEFAULT_DESTINATIONS


class Document(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. `hardware` stays as written: its keys are the parameters of `ixp_emu.chip.hardware`."""

    schema: Literal[1]
    run: Run = Run()
    hardware: dict[str, Any] = {}
    programs: Annotated[dict[Name, Program], Meta(min_length=1)]
    chips: Annotated[dict[Name, ChipTable], Meta(min_length=1)]
    links: dict[Name, LinkTable] = {}
    switches: dict[Name, SwitchTable] = {}
    traffic: Traffic
    placement: dict[Symbol, Memory | Placement] = {}
