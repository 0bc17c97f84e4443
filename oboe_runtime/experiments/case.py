"""One run of an experiment: a configuration made from a few numbers, and what was measured."""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from ixp_emu import __version__
from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.frames import Frames
from ixp_emu.cluster.pcap import write_pcap
from ixp_emu.cluster.run import ClusterRun
from ixp_emu.report.build import build_report
from ixp_emu.report.model import Report
from microcode.services.packet import UDP, Tuple, ones_complement_sum
from oboe_runtime.expectation import hash_of_flow
from oboe_runtime.experiments.replicas import Replicas, watched
from oboe_runtime.layout import BUNDLES, bundle_of

__all__ = ["STAGES", "UPDATED_ENTRIES", "UPDATE_PORT", "Case", "Measurement", "Store", "frames_of", "measure"]

STAGES = ("receive", "classify", "worker", "transmit", "control")
UPDATE_PORT, UPDATED_ENTRIES = 5_000, 64
_WORKERS = ("0:2", "0:3", "1:0", "1:1", "1:2")
_CONTROL = "1:2"
_INSIDE, _OUTSIDE = 0xAC10_0000, 0xD000_0000  # 172.16.0.0/12, 208.0.0.0/8: the lower endpoint is always the source
_MOST_PORTS = 16
_FCS_BYTES = 4
_HEADERS_BYTES = 14 + 20 + 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What to run.

    Attributes:
        service: directory.
        chips: in a mesh; each has an egress port behind its ingress ports, or, where it would be a port too many, sends
            at the first of them.
        loop_back: of one chip: its packets hop to itself as those of a chip in a cluster of so many do to others.
        ingress: ports of each chip where packets come in.
        workers: microengines of each chip.
        control: whether each chip has one for control, as merging and strict states need it; it takes the place of the
            fifth worker.
        packets: per chip; the first sixth of them is not counted.
        flows: how many; with "even" flows 1,024 of them, one in each bundle, equally often.
        size: bytes with FCS.
        rate: packets per second over all ports, or "line".
        updates: how many of the packets of even flows, at equal distances, are such as change the policy of `intrusion`
            if its option policy_port is UPDATE_PORT, each the next entry of UPDATED_ENTRIES.
        categories, options, placement, hardware: as in cluster.toml.
    """

    service: str
    chips: int = 1
    loop_back: int = 1
    ingress: int = 1
    workers: int = 1
    control: bool = True
    order: str = "pinned"
    packets: int = 3_000
    flows: int | None = None
    size: int = 64
    rate: float | str = "line"
    updates: int = 0
    seed: int = 1
    categories: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, int | str] = field(default_factory=dict)
    placement: Mapping[str, str] = field(default_factory=dict)
    hardware: Mapping[str, int] = field(default_factory=dict)

    def configuration(self, capture: str) -> str:
        """The cluster.toml; `capture` is the file of even flows."""
        engines = {
            "receive": ["0:0"],
            "classify": ["0:1"],
            "worker": list(_WORKERS[: self.workers]),
            "transmit": ["1:3"],
            **({"control": [_CONTROL]} if self.control else {}),
        }
        egress = self.ingress if self.ingress + self.chips <= _MOST_PORTS else 0
        cabled = self.ingress + (egress > 0)
        links: dict[str, Mapping[str, object]] = {}
        if self.chips > 1:
            links = {"links.mesh": {"topology": "mesh", "chips": "n", "ports": [cabled]}}
        elif self.loop_back > 1:
            links = {"links.loop": {"between": [f"n0.{cabled}", f"n0.{cabled + 1}"]}}
        ports = cabled + (self.chips - 1 if self.loop_back == 1 else 2)
        into = [f"n{number}.{port}" for port in range(self.ingress) for number in range(self.chips)]
        offered = self.packets * self.chips
        traffic: dict[str, object] = {"into": into, "rate": self.rate}
        if self.flows is None:
            traffic |= {"pcap": capture}
        else:
            traffic |= {"generator": "uniform", "flows": self.flows, "sizes": self.size}
        tables: dict[str, Mapping[str, object]] = {
            "run": {"offered_packets": offered, "warmup_packets": offered // 6, "seed": self.seed},
            "hardware": self.hardware,
            "oboe": {
                "service": self.service,
                "order": self.order,
                "egress_port": egress,
                "time_scale": 1,
                "loop_back": self.loop_back,
                "categories": self.categories,
                "options": self.options,
            },
            "chips.n": {"count": self.chips, "ports": ["1GbE"] * ports, "engines": engines},
            **links,
            "traffic": traffic,
            "placement": self.placement,
        }
        lines = ["schema = 1"]
        for name, table in tables.items():
            lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
        return "\n".join(lines) + "\n"

    def label(self) -> str:
        """A name that tells it from all other cases of the same sources."""
        text = self.configuration("") + f"{self.packets} {self.size} {self.flows} {self.updates}"
        return hashlib.sha256((text + _sources_digest()).encode()).hexdigest()[:24]


class Measurement(Struct, frozen=True, kw_only=True):
    """What a run has shown, after its warm-up.

    Attributes:
        packets_per_second: delivered.
        lost: cause -> packets of the whole run, which lasted so many seconds.
        cycles_per_packet: ME cycles not idle, of all microengines.
        busy: stage -> share of their cycles in which its microengines were not idle, polling included.
        busiest: the resource nearest to its limit, and how near: what a latency or an order bounds leaves all idle.
        fault: what went wrong, None if nothing did.
        states_judged: whether the service's oracle found the states right.
        frames_between_chips: of the whole run, over all links.
        replicas: of a run with updates.
    """

    packets_per_second: float
    delivered: int
    offered: int
    lost: dict[str, int]
    seconds: float
    cycles_per_packet: float
    instructions_per_packet: float
    busy: dict[str, float]
    busiest: tuple[str, float]
    fault: str | None
    states_judged: bool
    frames_between_chips: int = 0
    replicas: Replicas | None = None

    def busiest_text(self) -> str:
        """For a table."""
        resource, share = self.busiest
        return f"{resource}, {100 * share:.0f} %"


class Store:
    """Measurements by case, kept in a file so that an experiment goes on where it was cut off.

    Parameters:
        path: a line a measurement; None: nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, Measurement] = {}
        if path is not None and path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    label, measured = msgspec.json.decode(line, type=tuple[str, Measurement])
                except msgspec.DecodeError:  # the last line, cut off
                    continue
                self._known[label] = measured

    def knows(self, case: Case) -> bool:
        """Whether a case need not be run."""
        return case.label() in self._known

    def measured(self, case: Case) -> Measurement:
        """The measurement of a case, from the file or from a run."""
        label = case.label()
        if label not in self._known:
            self._known[label] = measure(case)
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(msgspec.json.encode((label, self._known[label])).decode() + "\n")
        return self._known[label]


def measure(case: Case) -> Measurement:
    """Run a case.

    Raises:
        InputError: the configuration cannot be.
    """
    with tempfile.TemporaryDirectory() as folder:
        capture = Path(folder) / "even.pcap"
        if case.flows is None:
            frames = frames_of(case)
            write_pcap(capture, frames, timestamp_ns=np.arange(len(frames), dtype=np.uint64))
        path = Path(folder) / "cluster.toml"
        path.write_text(case.configuration(str(capture)), encoding="utf-8")
        run = ClusterRun(load_config(path))
        if case.updates and case.options.get("policy_port"):
            replicas = watched(run)
        else:
            run.run()
            replicas = None
        result = run.result()
        return _measurement(build_report(result), result.extensions["oboe"], replicas)


def _measurement(report: Report, oboe: Mapping[str, object], replicas: Replicas | None) -> Measurement:
    busy: dict[str, list[float]] = {}
    for chip in report.chips:
        for engine in chip.microengines:
            cycles = engine.cycles
            total = cycles.executing + cycles.aborted + cycles.stalled + cycles.idle
            busy.setdefault(engine.program, []).append(1 - cycles.idle / total)
    per_packet = report.per_packet
    return Measurement(
        packets_per_second=report.traffic.packets_per_second or 0.0,
        delivered=report.traffic.delivered,
        offered=report.traffic.offered,
        lost=dict(report.traffic.lost),
        seconds=report.run.simulated_seconds,
        cycles_per_packet=0.0 if per_packet is None else per_packet.cycles,
        instructions_per_packet=0.0 if per_packet is None else per_packet.instructions,
        busy={stage: sum(shares) / len(shares) for stage, shares in busy.items()},
        busiest=("nothing", 0.0)
        if report.bottleneck is None
        else (report.bottleneck.resource, report.bottleneck.utilisation),
        fault=report.run.fault,
        states_judged=bool(oboe.get("states_judged")),
        frames_between_chips=sum(link.frames for link in report.links),
        replicas=replicas,
    )


def frames_of(case: Case) -> Frames:
    """UDP packets of 1,024 flows in random order, each as often as any other and each alone in its bundle.

    Updates are of one flow more.
    """
    draw = random.Random(case.seed)
    heads = [_head(flow, case.size - _FCS_BYTES) for flow in _even_flows(case.seed)]
    chosen: list[int] = []
    while len(chosen) < case.packets * case.chips:
        chosen += draw.sample(range(BUNDLES), BUNDLES)
    del chosen[case.packets * case.chips :]
    length = case.size - _FCS_BYTES - _HEADERS_BYTES
    payloads = [place.to_bytes(4).ljust(length, b"\0") for place in range(len(chosen))]
    if case.updates:
        manager = Tuple(_INSIDE | 1, _OUTSIDE | 1, UPDATE_PORT, UPDATE_PORT, UDP)
        heads.append(_head(manager, case.size - _FCS_BYTES))
        for update in range(case.updates):
            place = (2 * update + 1) * len(chosen) // (2 * case.updates)
            chosen[place] = BUNDLES
            value = update.to_bytes(2) + (update % UPDATED_ENTRIES).to_bytes(4) + (update + 1).to_bytes(4)
            payloads[place] = value.ljust(length, b"\0")
    contents = (heads[number] + payload for number, payload in zip(chosen, payloads, strict=True))
    return Frames.from_bytes(contents, flow=np.array(chosen, np.uint32))


@cache
def _even_flows(seed: int) -> tuple[Tuple, ...]:
    """A flow for every bundle, by bundle."""
    draw = random.Random(seed)
    found: dict[int, Tuple] = {}
    while len(found) < BUNDLES:
        source, destination = _INSIDE | draw.getrandbits(20), _OUTSIDE | draw.getrandbits(24)
        flow = Tuple(source, destination, draw.randrange(1024, 65536), draw.randrange(1, 65536), UDP)
        found.setdefault(bundle_of(hash_of_flow(flow, "directed")), flow)
    return tuple(found[bundle] for bundle in range(BUNDLES))


def _head(flow: Tuple, length: int) -> bytes:
    """The headers of a frame without UDP checksum; its number follows, then zeros, which match no rule."""
    total = length - 14
    head = bytearray(bytes([0x45, 0]) + total.to_bytes(2) + bytes(4) + bytes([64, UDP, 0, 0]))
    head += flow.source.to_bytes(4) + flow.destination.to_bytes(4)
    head[10:12] = (ones_complement_sum(bytes(head)) ^ 0xFFFF).to_bytes(2)
    ports = flow.source_port.to_bytes(2) + flow.destination_port.to_bytes(2)
    udp = ports + (total - 20).to_bytes(2) + bytes(2)
    return bytes.fromhex("020000000001 020000000002 0800") + bytes(head) + udp


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


@cache
def _sources_digest() -> str:
    """Of everything a measurement depends on: version, engine, microcode, the host half."""
    digest = hashlib.sha256(__version__.encode())
    for package in ("ixp_emu", "microcode", "oboe_runtime"):
        folder = Path(str(files(package)))
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", ".uc", ".toml") and "experiments" not in path.parts:
                digest.update(path.read_bytes())
    return digest.hexdigest()
