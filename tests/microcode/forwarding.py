"""Runs of the forwarder on one chip, with hand-made frames, and what can be read from the chip afterwards."""

from __future__ import annotations

import struct
import zlib
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
from ixp_emu.cluster.run import ClusterRun
from microcode.services.forward.oracle import DEFAULT_ROUTES, FlowCount, FlowKey, Forwarded, forward, read_routes

FREE_RING = 12
BUFFERS = 400
RX_CONTEXTS = 8
"""Each context of receive holds a buffer for the next frame."""
COUNTERS = ("not_ipv4", "bad_header", "bad_checksum", "ttl_expired", "no_route", "rx_error", "flow_table_full")
ENGINES = {"rx": ["0:0"], "forward": ["0:1", "0:2", "0:3", "1:0", "1:1"], "tx": ["1:3"]}
PORT_0, PORT_1, PORT_2 = 0x0A000001, 0x0A010001, 0x0A020001
"""Destinations that the default routes send to egress ports 0, 1 and 2."""


def ipv4(
    length: int = 60,
    *,
    source: int = 0xC0A80001,
    destination: int = PORT_0,
    options: bytes = b"",
    ttl: int = 64,
    protocol: int = 17,
    fragment: int = 0,
    ports: tuple[int, int] = (1000, 2000),
    identification: int = 0,
    first: int | None = None,
    total_length: int | None = None,
    ether_type: int = 0x0800,
    checksum_error: int = 0,
) -> bytes:
    """An Ethernet frame of ``length`` bytes that holds one IPv4 packet, to its end if nothing else is said.

    Parameters:
        first: byte of version and header length; by default right for the options.
        checksum_error: added to the right checksum (modulo 0x10000).
    """
    header_bytes = 20 + len(options)
    total = length - 14 if total_length is None else total_length
    head = struct.pack(
        ">BBHHHBBHII",
        0x40 | header_bytes // 4 if first is None else first,
        0,
        total,
        identification,
        fragment,
        ttl,
        protocol,
        0,
        source,
        destination,
    )
    words = struct.unpack(f">{header_bytes // 2}H", head + options)
    total_sum = sum(words)
    while total_sum > 0xFFFF:
        total_sum = (total_sum & 0xFFFF) + (total_sum >> 16)
    checksum = ((total_sum ^ 0xFFFF) + checksum_error) & 0xFFFF
    head = head[:10] + struct.pack(">H", checksum) + head[12:]
    payload = struct.pack(">HH", *ports) + bytes((identification + i) & 0xFF for i in range(length))
    frame = bytes(range(0xA0, 0xAC)) + struct.pack(">H", ether_type) + head + options + payload
    return frame[:length]


def flow_hash(key: FlowKey) -> int:
    """CRC-32 of addresses and ports without reflection and inversions, which zlib's has: the microcode's hash."""
    data = struct.pack(">IIHH", key.source, key.destination, key.source_port, key.destination_port)
    reflected = bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)
    return int(f"{zlib.crc32(reflected, 0xFFFFFFFF) ^ 0xFFFFFFFF:032b}"[::-1], 2)


def hash_of(frame: bytes) -> int:
    """The hash of the flow of a frame that is forwarded."""
    (key,) = expected([frame]).flows
    return flow_hash(key)


@dataclass
class ChipRun:
    """A finished run of chip "a".

    Attributes:
        left: egress port -> frames in the order in which they left.
    """

    run: ClusterRun
    left: dict[int, list[bytes]] = field(default_factory=dict)

    def observe(self, index: int, log: EgressLog) -> None:
        for row in range(len(log.time)):
            self.left.setdefault(int(log.port[row]), []).append(log.frames.bytes_of(row))

    @property
    def everything(self) -> list[bytes]:
        """Frames of all ports."""
        return [frame for frames in self.left.values() for frame in frames]

    def words(self, structure: str) -> npt.NDArray[np.uint32]:
        """The elements of a structure without what DRAM's stride adds: [count, longwords]."""
        placed = self.run.images["a"].structures[structure]
        longwords = placed.declaration.element_bytes // 4
        stride = placed.declaration.stride_bytes(placed.location.memory) // 4
        words = structure_words(self.run.machine.chips[0], self.run.machine.memories[0], placed)
        return words.reshape(-1, stride)[:, :longwords]

    def counters(self) -> dict[str, int]:
        """The counters that are not 0."""
        values = self.words("drop_counters")[:, 0].tolist()
        return {name: value for name, value in zip(COUNTERS, values, strict=True) if value}

    def flows(self) -> dict[FlowKey, FlowCount]:
        """The flow table; a flow that stands twice is an error."""
        flows: dict[FlowKey, FlowCount] = {}
        for source, destination, ports, protocol, packets, size, *rest in self.words("flow_table").tolist():
            if not protocol:
                continue
            assert protocol & 0x7FFF_FF00 == 0 and protocol >> 31 == 1 and rest == [0, 0]
            key = FlowKey(source, destination, protocol & 0xFF, ports >> 16, ports & 0xFFFF)
            assert key not in flows
            flows[key] = FlowCount(packets, size)
        return flows

    def assert_clean(self, *, buffers: int = BUFFERS) -> None:
        """No fault, nothing lost on the way, and every buffer free again or in the hand of a receive context."""
        chip = self.run.machine.chips[0]
        assert self.run.fault is None and int(chip["fault"]) == 0
        assert int(chip["ring_count"][FREE_RING]) == buffers - RX_CONTEXTS
        assert not chip["ring_count"][:FREE_RING].any()
        handles = set(chip["scratch"][self._free_ring_words()].tolist())
        assert len(handles) == buffers - RX_CONTEXTS and handles <= set(range(1, buffers + 1))

    def _free_ring_words(self) -> npt.NDArray[np.int64]:
        chip = self.run.machine.chips[0]
        base, size = int(chip["ring_base"][FREE_RING]) // 4, int(chip["ring_size"][FREE_RING])
        head, count = int(chip["ring_head"][FREE_RING]), int(chip["ring_count"][FREE_RING])
        return base + (head + np.arange(count)) % size


def configuration(
    folder: Path,
    *,
    traffic: Mapping[str, str],
    engines: Mapping[str, Sequence[str]] = ENGINES,
    routes: Path = DEFAULT_ROUTES,
    placement: Mapping[str, str] | None = None,
    defines: Mapping[str, int] | None = None,
    hardware: Mapping[str, int] | None = None,
    ports: int = 3,
    run: str = "",
) -> Path:
    """Write a cluster.toml with one chip "a"; values of ``traffic`` are TOML, ``defines`` are for all programs."""
    defined = "define = { " + ", ".join(f"{name} = {value}" for name, value in (defines or {}).items()) + " }"
    lines = [
        "schema = 1",
        f"[run]\nmax_cycles = 20_000_000\nstall_after = 300_000\n{run}",
        *(f'[programs.{name}]\nsource = "builtin:firmware/{name}.uc"\n{defined}' for name in ("rx", "tx")),
        f'[programs.forward]\nsource = "builtin:services/forward/forward.uc"\n{defined}',
        f'tables = {{ routes = "{routes}" }}',
        "[chips.a]",
        f"ports = {['1GbE'] * ports}",
        "engines = { " + ", ".join(f"{name} = {list(places)}" for name, places in engines.items()) + " }",
        "[placement]",
        *(f'{name} = "{memory}"' for name, memory in (placement or {}).items()),
        "[hardware]",
        *(f"{name} = {value}" for name, value in (hardware or {}).items()),
        "[traffic]",
        *(f"{name} = {value}" for name, value in traffic.items()),
    ]
    path = folder / "cluster.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def run_frames(
    folder: Path,
    frames: Sequence[bytes],
    *,
    into: Sequence[str] = ("a.0",),
    traffic: Mapping[str, str] | None = None,
    cycles: int | None = None,
    **settings: object,
) -> ChipRun:
    """Offer frames at line rate, round robin over the ports, and run until all have left or were dropped."""
    capture = folder / "in.pcap"
    write_pcap(capture, Frames.from_bytes(frames), timestamp_ns=np.arange(len(frames), dtype=np.uint64))
    table = {"pcap": f'"{capture}"', "into": str(list(into)), "spread": '"round-robin"', **(traffic or {})}
    return run_configuration(configuration(folder, traffic=table, **settings), cycles=cycles)  # type: ignore[arg-type]


def run_configuration(path: Path, *, cycles: int | None = None) -> ChipRun:
    """Run a cluster.toml."""
    run = ClusterRun(load_config(path))
    chip_run = ChipRun(run)
    run.observer = chip_run.observe
    run.run(cycles=cycles)
    return chip_run


def expected(frames: Sequence[bytes], routes: Path = DEFAULT_ROUTES) -> Forwarded:
    """What the oracle makes of frames."""
    return forward(Frames.from_bytes(frames), read_routes(routes))


def by_port(outcome: Forwarded) -> dict[int, list[bytes]]:
    """The oracle's output: egress port -> frames in input order."""
    frames: dict[int, list[bytes]] = {}
    for index in range(len(outcome.output)):
        frames.setdefault(int(outcome.output.port[index]), []).append(outcome.output.bytes_of(index))
    return frames


def assert_forwarded(run: ChipRun, frames: Sequence[bytes], routes: Path = DEFAULT_ROUTES) -> None:
    """Every frame byte for byte on its port (in any order), every drop counted, the flow table as the oracle's."""
    outcome = expected(frames, routes)
    wanted = by_port(outcome)
    assert sorted(run.left) == sorted(wanted)
    for port, out in wanted.items():
        assert sorted(run.left[port]) == sorted(out)
    assert run.counters() == {reason.name.lower(): count for reason, count in outcome.drops().items() if count}
    assert run.flows() == outcome.flows
    run.assert_clean()
