"""The report as data: one JSON document a run, its keys documented in docs/report.md.

A value that was not measured is None (`null`), never a guess. Times are ME cycles unless the name says otherwise; what
is counted is counted after the warm-up unless the key's text says "whole run".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

__all__ = [
    "SCHEMA",
    "Bottleneck",
    "BusReport",
    "BusyResource",
    "ChipReport",
    "CommandLatency",
    "ContextReport",
    "ControlCycles",
    "ControlReport",
    "LinkReport",
    "MemoryReport",
    "MicroengineCycles",
    "MicroengineReport",
    "PacketLatency",
    "PerPacket",
    "PortReport",
    "Report",
    "RunReport",
    "StructureReport",
    "TrafficReport",
    "encode_report",
    "read_report",
    "write_report",
]

SCHEMA = 1
"""Version of the report's shape; it grows when a key changes its meaning or goes."""


class RunReport(Struct, frozen=True, kw_only=True):
    """Length and speed of the run."""

    cycles: int
    measured_cycles: int
    simulated_seconds: float
    wall_seconds: float
    instructions: int
    instructions_per_second: float | None
    slowdown: float | None
    seed: int
    complete: bool
    fault: str | None


class PacketLatency(Struct, frozen=True, kw_only=True):
    """Last bit in to last bit out, of delivered packets after the warm-up; percentiles by nearest rank."""

    p50: int
    p95: int
    p99: int
    max: int


class TrafficReport(Struct, frozen=True, kw_only=True):
    """What became of the packets: counts of the whole run, rates after the warm-up."""

    offered: int
    delivered: int
    lost: dict[str, int]
    in_flight: int
    reordered: int
    unexpected: int
    queue_growth: float | None
    at_line_rate: bool | None
    packets_per_second: float | None
    bits_per_second: float | None
    latency_cycles: PacketLatency | None


class PerPacket(Struct, frozen=True, kw_only=True):
    """Work per packet that left, over all chips."""

    packets: int
    instructions: float
    cycles: float
    references: dict[str, float]


class BusyResource(Struct, frozen=True, kw_only=True):
    """Anything with a capacity, and the share of it in use."""

    resource: str
    utilisation: float


class Bottleneck(Struct, frozen=True, kw_only=True):
    """What limits the cluster, or would first; `others` are the next busiest."""

    resource: str
    utilisation: float
    evidence: str
    headroom: float
    others: list[BusyResource]


class MicroengineCycles(Struct, frozen=True, kw_only=True):
    """Where a microengine's cycles went; they sum to `run.measured_cycles`."""

    executing: int
    aborted: int
    stalled: int
    idle: int


class ContextReport(Struct, frozen=True, kw_only=True):
    """One context of a microengine."""

    instructions: int
    commands: int


class MicroengineReport(Struct, frozen=True, kw_only=True):
    """One microengine that has a program."""

    id: str
    program: str
    cycles: MicroengineCycles
    instructions: int
    contexts: list[ContextReport]


class CommandLatency(Struct, frozen=True, kw_only=True):
    """From a command's issue to its signal."""

    idle: int
    mean: float | None
    p99: int | None


class MemoryReport(Struct, frozen=True, kw_only=True):
    """One target of commands: a memory with its controller, or the media interface (`msf`)."""

    name: str
    references: int
    longwords: int
    utilisation: float
    queue: float
    latency_cycles: CommandLatency


class BusReport(Struct, frozen=True, kw_only=True):
    """One bus."""

    name: str
    grants: int | None
    utilisation: float
    wait_cycles: int | None


class PortReport(Struct, frozen=True, kw_only=True):
    """One port of a chip."""

    name: str
    frames_in: int
    bytes_in: int
    frames_lost: int
    utilisation_in: float
    frames_out: int
    bytes_out: int
    utilisation_out: float
    pauses: int = 0
    switch_unknown: int = 0
    switch_overflow: int = 0


class ControlCycles(Struct, frozen=True, kw_only=True):
    """Where a control processor's cycles went; they sum to `run.measured_cycles`."""

    accessing: int
    computing: int
    waiting: int
    reacting: int
    ended: int


class ControlReport(Struct, frozen=True, kw_only=True):
    """The control processor of a chip that has a program for it."""

    program: str
    cycles: ControlCycles
    accesses: dict[str, int]
    interrupts: int
    timeouts: int


class ChipReport(Struct, frozen=True, kw_only=True):
    """One IXP2400."""

    name: str
    microengines: list[MicroengineReport]
    memories: list[MemoryReport]
    buses: list[BusReport]
    ports: list[PortReport]
    events: dict[str, int] = {}
    control: ControlReport | None = None


class StructureReport(Struct, frozen=True, kw_only=True):
    """References to one data structure in one memory of a chip; `(unnamed)` are those that name none."""

    chip: str
    name: str
    memory: str
    ring: bool
    bytes: int | None
    references: int | None
    longwords: int | None
    wait_cycles: int | None
    share: float | None


class LinkReport(Struct, frozen=True, kw_only=True):
    """One direction of a link, or of the cable between a port and a switch, which then is an end by its name."""

    name: str
    kind: str = "gbe"
    source: str
    destination: str
    frames: int
    bytes: int
    utilisation: float


class Report(Struct, frozen=True, kw_only=True):
    """The whole report."""

    schema: int
    version: str
    config: dict[str, Any]
    unsettled: dict[str, int] = {}
    run: RunReport
    traffic: TrafficReport
    per_packet: PerPacket | None
    bottleneck: Bottleneck | None
    chips: list[ChipReport]
    structures: list[StructureReport]
    links: list[LinkReport]
    extensions: dict[str, Any]


def encode_report(report: Report) -> bytes:
    """The report as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def write_report(report: Report, path: Path) -> None:
    """Write the report as indented JSON.

    Raises:
        OSError: the file cannot be written.
    """
    path.write_bytes(encode_report(report))


def read_report(path: Path) -> Report:
    """Read a report that `write_report` wrote.

    Raises:
        OSError: the file cannot be read.
        msgspec.ValidationError: it is no report of this schema.
    """
    return msgspec.json.decode(path.read_bytes(), type=Report)
