"""Runs of Oboe on small clusters, and what can be read from the chips afterwards."""

from __future__ import annotations

import random
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ixp_emu.cluster.build import structure_words
from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.frames import Frames
from ixp_emu.cluster.machine import EgressLog
from ixp_emu.cluster.pcap import write_pcap
from ixp_emu.cluster.run import ClusterRun, RunResult
from microcode.services.packet import UDP, Tuple
from tests.microcode.frames import frame_of

__all__ = [
    "BUFFERS",
    "UNEVEN",
    "OboeRun",
    "configuration",
    "fault_lines",
    "flows_of",
    "numbered",
    "run_frames",
    "run_oboe",
]

UNEVEN = str(Path(__file__).parent / "services" / "uneven")
BUFFERS = 504
FREE_RING = 12
RECEIVE_CONTEXTS = 8
_WORKERS = ("0:2", "0:3", "1:0", "1:1", "1:2")
_LIVE = 1 << 31


@dataclass
class OboeRun:
    """A finished run.

    Attributes:
        left: (chip, port) -> frames in the order in which they left.
    """

    run: ClusterRun
    left: dict[tuple[str, int], list[bytes]] = field(default_factory=dict)

    def observe(self, index: int, log: EgressLog) -> None:
        chip = list(self.run.config.chips)[index]
        for row in range(len(log.time)):
            self.left.setdefault((chip, int(log.port[row])), []).append(log.frames.bytes_of(row))

    @property
    def result(self) -> RunResult:
        return self.run.result()

    def words(self, chip: str, structure: str) -> npt.NDArray[np.uint32]:
        """Elements of a structure, without what DRAM's stride adds: [count, longwords]."""
        index = self.run.machine.index_of[chip]
        placed = self.run.images[chip].structures[structure]
        longwords = placed.declaration.element_bytes // 4
        stride = placed.declaration.stride_bytes(placed.location.memory) // 4
        words = structure_words(self.run.machine.chips[index], self.run.machine.memories[index], placed)
        return words.reshape(-1, stride)[:, :longwords]

    def records(self, chip: str) -> dict[Tuple, list[int]]:
        """Canonical key -> numbers of the live records that have it."""
        table = self.words(chip, "flow_table")
        found: dict[Tuple, list[int]] = {}
        for number in np.flatnonzero(table[:, 0] & np.uint32(_LIVE)).tolist():
            protocol, _, low, high, ports = table[number, :5].tolist()
            key = Tuple(low, high, ports >> 16, ports & 0xFFFF, protocol & 0xFF)
            found.setdefault(key, []).append(number)
        return found

    def states(self, structure: str) -> dict[Tuple, list[int]]:
        """Canonical key -> the flow's entry of a per_flow state, over all chips; a flow has one live record."""
        entries: dict[Tuple, list[int]] = {}
        for chip in self.run.config.chips:
            if structure not in self.run.images[chip].structures:
                continue
            words = self.words(chip, structure)
            for key, numbers in self.records(chip).items():
                assert len(numbers) == 1 and key not in entries, f"{key} has several records"
                entries[key] = words[numbers[0]].tolist()
        return entries

    def events(self) -> dict[str, int]:
        """What the chips counted that dropped no packet."""
        total: dict[str, int] = {}
        for counted in self.run.service_events().values():
            for event, count in counted.items():
                total[event] = total.get(event, 0) + count
        return total

    def assert_clean(self) -> None:
        """No fault, every packet accounted for, and every buffer free again or in the hand of a receive context.

        On several chips control never rests: some buffers may be under way as its messages.
        """
        messages = 32 * (len(self.run.machine.chips) - 1)
        result = self.result
        assert result.fault is None
        assert result.complete and result.in_flight == 0
        for chip in self.run.machine.chips:
            under_way = BUFFERS - RECEIVE_CONTEXTS - int(chip["ring_count"][FREE_RING])
            assert 0 <= under_way <= messages
            assert messages or not chip["ring_count"][:FREE_RING].any()


def configuration(
    folder: Path,
    *,
    traffic: Mapping[str, object],
    service: str = UNEVEN,
    workers: int = 1,
    chips: int = 1,
    control: bool = False,
    more_ports: int = 0,
    oboe: Mapping[str, object] | None = None,
    lines: Sequence[str] = (),
    run: Mapping[str, object] | None = None,
) -> Path:
    """Write a cluster.toml: chips n0, n1, ... with ports 0 and 1 free, all linked to each other behind them."""
    engines = {"receive": ["0:0"], "classify": ["0:1"], "worker": list(_WORKERS[:workers]), "transmit": ["1:3"]}
    if control:
        engines["control"] = ["1:2"]
    ports = 2 + chips - 1 + more_ports
    tables: dict[str, Mapping[str, object]] = {
        "run": {"max_cycles": 20_000_000, "stall_after": 300_000, **(run or {})},
        "oboe": {"service": service, "egress_port": 1, "time_scale": 1, **(oboe or {})},
        "chips.n": {"count": chips, "ports": ["1GbE"] * ports, "engines": engines},
        **({"links.mesh": {"topology": "mesh", "chips": "n", "ports": [2]}} if chips > 1 else {}),
        "traffic": traffic,
    }
    text = ["schema = 1"]
    for name, table in tables.items():
        text += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    path = folder / "cluster.toml"
    path.write_text("\n".join([*text, *lines]) + "\n")
    return path


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return str(value)


def fault_lines(faults: Sequence[Mapping[str, object]]) -> list[str]:
    """The ``[[oboe.fault]]`` tables."""
    lines: list[str] = []
    for fault in faults:
        lines += ["[[oboe.fault]]", *(f"{key} = {_toml(value)}" for key, value in fault.items())]
    return lines


def run_oboe(path: Path, *, overrides: Sequence[str] = (), cycles: int | None = None) -> OboeRun:
    """Run a cluster.toml."""
    run = ClusterRun(load_config(path, overrides=overrides))
    done = OboeRun(run)
    run.observer = done.observe
    run.run(cycles=cycles)
    return done


def run_frames(
    folder: Path,
    frames: Sequence[bytes],
    *,
    into: Sequence[str] = ("n0.0",),
    traffic: Mapping[str, object] | None = None,
    gaps_ns: Sequence[int] | None = None,
    cycles: int | None = None,
    overrides: Sequence[str] = (),
    **settings: object,
) -> OboeRun:
    """Offer frames, round robin over the ports, at line rate or so many ns apart; run until all have left."""
    capture = folder / "in.pcap"
    stamps = np.cumsum(gaps_ns) if gaps_ns is not None else np.arange(len(frames))
    write_pcap(capture, Frames.from_bytes(frames), timestamp_ns=stamps.astype(np.uint64))
    table: dict[str, object] = {"pcap": str(capture), "into": list(into), "spread": "round-robin", **(traffic or {})}
    if gaps_ns is not None:
        table["rate"] = "recorded"
    path = configuration(folder, traffic=table, **settings)  # type: ignore[arg-type]
    return run_oboe(path, overrides=overrides, cycles=cycles)


def numbered(flow: Tuple, number: int, *, loops: int = 0, length: int = 60) -> bytes:
    """A packet of the uneven service: its number in the flow, how long it takes. UDP; bytes 40 to 47 of the frame."""
    assert flow.protocol == UDP
    payload = bytearray(length - 42)
    head = bytearray(frame_of(flow, bytes(payload), udp_checksum=False))
    head[40:48] = struct.pack(">II", number, loops)
    return bytes(head)


def flows_of(count: int, *, seed: int = 1) -> list[Tuple]:
    """Different UDP flows with random addresses and ports."""
    draw = random.Random(seed)
    return [
        Tuple(draw.getrandbits(32), draw.getrandbits(32), draw.getrandbits(16), draw.getrandbits(16), UDP)
        for _ in range(count)
    ]
