"""Chips with traffic and links in engine and reference, to compare what their media interfaces do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ixp_emu.chip.chip import Memories, initialise, load_program, new_chips, schedule, set_up_ports
from ixp_emu.chip.clock import CLOCK_STRIDE, advance_group
from ixp_emu.chip.hardware import Hardware
from ixp_emu.chip.layout import EGRESS, INGRESS, MEDIA_RX
from ixp_emu.chip.link import initialise_link, join_link, link_bytes
from ixp_emu.chip.media import PORT_LINK, PORT_SPI3
from ixp_emu.chip.switch import initialise_switch, join_switch, switch_bytes, switch_lookahead
from tests.chip.agreement import compare_engines, compare_media
from tests.reference.chip import ReferenceChip
from tests.reference.cluster import Cluster
from tests.reference.switch import Switch

__all__ = ["ChipPlan", "Link", "MediaPair", "SwitchPlan", "address_of"]

_KINDS = {"gbe": PORT_LINK, "spi3": PORT_SPI3}
_EGRESS_ROWS = 1 << 12
_EGRESS_BYTES = 1 << 22
_PATIENCE = 200


def address_of(number: int) -> bytes:
    """MAC address of the switch port of that number over the cluster."""
    return bytes([2, 0, 0, 0, 0, number])


@dataclass(frozen=True)
class ChipPlan:
    """What one chip has.

    Attributes:
        ports: how many.
        programs: ME -> words and mask of contexts.
        traffic: port -> (first bit, frame), in order.
        back_pressure: the sources wait for room.
    """

    ports: int
    programs: Mapping[int, tuple[Sequence[int], int]] = field(default_factory=dict)
    traffic: Mapping[int, Sequence[tuple[int, bytes]]] = field(default_factory=dict)
    back_pressure: bool = False


@dataclass(frozen=True)
class Link:
    """Two ports, as (chip, port); ``kind`` is "gbe" or "spi3"."""

    kind: str
    ends: tuple[tuple[int, int], tuple[int, int]]
    latency: int


@dataclass(frozen=True)
class SwitchPlan:
    """Ports on a switch, in order of their numbers over the cluster, with the latency of each one's cable."""

    members: Sequence[tuple[int, int]]
    latency: int


class MediaPair:
    """The same cluster in both models."""

    def __init__(
        self,
        hardware: Hardware,
        plans: Sequence[ChipPlan],
        *,
        links: Sequence[Link] = (),
        switch: SwitchPlan | None = None,
    ) -> None:
        self.hardware = hardware
        self.plans = plans
        self.chips = new_chips(len(plans))
        self.memories = [Memories(hardware) for _ in plans]
        self._keep: list[Any] = []  # memory that records point to
        self._rows: dict[tuple[int, int], Any] = {}
        self._egress: list[tuple[Any, Any]] = []
        self._latency = np.zeros((len(plans), len(plans)), np.int64)
        self._clocks = np.zeros(len(plans) * CLOCK_STRIDE // 8, np.int64)
        references = [ReferenceChip(hardware, ports=plan.ports) for plan in plans]
        self.cluster = Cluster(references)
        self.switch: Switch | None = None
        for index, plan in enumerate(plans):
            self._set_up_chip(index, plan)
        for link in links:
            self._connect(link)
        if switch is not None:
            self._plug_in(switch)

    # --- set-up -----------------------------------------------------------------------------------------------------

    def _set_up_chip(self, index: int, plan: ChipPlan) -> None:
        chip, reference = self.chips[index], self.cluster.chips[index]
        initialise(chip, self.hardware, self.memories[index])
        set_up_ports(chip, plan.ports)
        rows, arena = np.zeros(_EGRESS_ROWS, EGRESS), np.zeros(_EGRESS_BYTES, np.uint8)
        self._egress.append((rows, arena))
        chip["egress_rows"], chip["egress_capacity"] = rows.ctypes.data, _EGRESS_ROWS
        chip["egress_arena"], chip["egress_arena_bytes"] = arena.ctypes.data, _EGRESS_BYTES
        for engine, (words, contexts) in plan.programs.items():
            load_program(chip, engine, words, contexts=contexts)
            reference.load(engine, words, contexts=contexts)
        for port, frames in plan.traffic.items():
            self._feed(index, port, frames, back_pressure=plan.back_pressure)

    def _feed(self, index: int, port: int, frames: Sequence[tuple[int, bytes]], *, back_pressure: bool) -> None:
        reference = self.cluster.chips[index]
        padded = [frame + bytes(max(0, 60 - len(frame))) for _, frame in frames]
        data = np.frombuffer(b"".join(padded), np.uint8).copy()
        rows = np.zeros(len(frames), INGRESS)
        rows["arrival"] = [time for time, _ in frames]
        rows["length"] = [len(frame) for frame in padded]
        rows["address"] = data.ctypes.data + np.cumsum([0, *map(len, padded)])[:-1]
        self._keep.append(data)
        self._rows[index, port] = rows
        record = self.chips[index]["port"][port]
        record["source"], record["source_count"] = rows.ctypes.data, len(rows)
        record["back_pressure"] = int(back_pressure)
        schedule(self.chips[index], MEDIA_RX, 4, frames[0][0])
        reference.media.ports[port].back_pressured = back_pressure
        for time, frame in frames:
            reference.feed(port, time, frame)

    def _lead(self, sender: int, receiver: int, cycles: int) -> None:
        """The receiver may be that far ahead of the sender, also if they are one chip."""
        known = int(self._latency[sender, receiver])
        self._latency[sender, receiver] = min(known, cycles) if known else cycles

    def _connect(self, link: Link) -> None:
        for (sender, out), (receiver, into) in (link.ends, link.ends[::-1]):
            kind = _KINDS[link.kind]
            block = np.zeros(link_bytes(self.hardware, kind=kind, latency=link.latency), np.uint8)
            self._keep.append(block)
            initialise_link(block, self.hardware, kind=kind, latency=link.latency)
            ports = self.chips[sender]["port"][out], self.chips[receiver]["port"][into]
            join_link(*ports, block, self.hardware, kind=kind, latency=link.latency)
            self._lead(sender, receiver, link.latency)
        if link.kind == "gbe":
            self.cluster.connect_gbe(*link.ends, latency=link.latency)
        else:
            self.cluster.connect_spi3(*link.ends, latency=link.latency)

    def _plug_in(self, plan: SwitchPlan) -> None:
        addresses = [address_of(self.cluster.number(member)) for member in plan.members]
        latencies = [plan.latency] * len(addresses)
        block = np.zeros(switch_bytes(self.hardware, latencies), np.uint8)
        self._keep.append(block)
        numbers = [int.from_bytes(address, "big") for address in addresses]
        initialise_switch(block, self.hardware, latencies=latencies, addresses=numbers)
        for index, (chip, port) in enumerate(plan.members):
            join_switch(self.chips[chip]["port"][port], block, index=index, latency=plan.latency)
        for sender, _ in plan.members:
            for receiver, _ in plan.members:
                self._lead(sender, receiver, switch_lookahead(self.hardware, plan.latency))
        self.switch = self.cluster.connect_switch(list(zip(plan.members, addresses, strict=True)), latency=plan.latency)

    # --- run and compare --------------------------------------------------------------------------------------------

    def run(self, until: int) -> None:
        """Run both up to a cycle, or to a fault."""
        members = np.arange(len(self.plans))
        advance_group(self.chips, members, self._clocks.ctypes.data, self._latency, until, _PATIENCE)
        self.cluster.run(until)

    def differences(self, now: int) -> list[str]:
        """Every difference, as readable lines; empty if the two agree. After a fault only that is compared."""
        faults = [chip.fault for chip in self.cluster.chips]
        ours = [int(chip["fault_time"]) if int(chip["fault"]) else None for chip in self.chips]
        if any(fault is not None for fault in faults) or any(time is not None for time in ours):
            theirs = [fault.time if fault else None for fault in faults]
            first = [min((time for time in times if time is not None), default=None) for times in (ours, theirs)]
            return [] if first[0] == first[1] else [f"faults at {ours}, reference {faults}"]
        found: list[str] = []
        for index, plan in enumerate(self.plans):
            found += [f"chip {index}: {line}" for line in self._chip_differences(index, plan, now)]
        return found

    def _chip_differences(self, index: int, plan: ChipPlan, now: int) -> Iterable[str]:
        chip, reference = self.chips[index], self.cluster.chips[index]
        found = compare_engines(chip, reference, list(plan.programs), now) + compare_media(chip, reference)
        if not np.array_equal(chip["scratch"][:4096], reference.scratch.read_words(0, 4096)):
            found.append("scratch")
        if self._egress_of(index) != sorted(reference.egress):
            found.append("egress")
        for port in plan.traffic:
            rows = self._rows[index, port]
            ours = [(int(row["arrival"]), int(row["status"]) == 1) for row in rows if row["status"]]
            if ours != reference.media.ports[port].offered:
                found.append(f"port {port}: offered frames {ours} {reference.media.ports[port].offered}")
        if self.switch is not None:
            found += self._switch_differences(index, plan)
        return found

    def _egress_of(self, index: int) -> list[tuple[int, int, bytes]]:
        rows, arena = self._egress[index]
        count = int(self.chips[index]["egress_count"])
        return sorted(
            (int(row["time"]), int(row["port"]), bytes(arena[row["offset"] : row["offset"] + row["length"]]))
            for row in rows[:count]
        )

    def _switch_differences(self, index: int, plan: ChipPlan) -> Iterable[str]:
        assert self.switch is not None
        found: list[str] = []
        for port in range(plan.ports):
            number = self.cluster.number((index, port))
            if number not in self.switch.outputs:
                continue
            record, output = self.chips[index]["port"][port], self.switch.outputs[number]
            lost = [(to, cause) for _, to, _, cause in self.switch.lost]
            counts = {f"switch_{cause}": lost.count((number, f"switch_{cause}")) for cause in ("overflow", "unknown")}
            _equal(found, f"switch port {port}", record, counts | {"switch_bytes": output.used})
        return found


def _equal(found: list[str], name: str, record: Any, expected: Mapping[str, int]) -> None:
    for key, value in expected.items():
        if int(record[key]) != value:
            found.append(f"{name}: {key} {int(record[key])}, reference {value}")
