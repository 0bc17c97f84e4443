"""What limits a cluster: the busiest of all that has a capacity, with the numbers that say so.

Candidates are what a chip can wear out: the issue slots of a program's microengines, command, push and pull buses,
memory ports and data buses, SPI-3, and the wires that frames leave on. The wires packets come in on are the load, not
a part of the cluster.

Two things a share of cycles cannot tell, and how they are treated:

- *Polling.* A microengine that looks at an empty ring executes, so its share is an upper bound of useful work; so is
  that of scratch and of the buses it asks through. A program that never idles though the cluster takes all of its load
  is not named: how much of it is polling is unknown.
- *Waiting.* Contexts that all wait for memory, or for their turn, leave every capacity below its limit. If the cluster
  refuses load in that state, the waiting itself is named, with the structure, rings apart, that contexts wait for most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ixp_emu.report.model import (
    Bottleneck,
    BusyResource,
    ChipReport,
    LinkReport,
    MemoryReport,
    MicroengineReport,
    StructureReport,
)

__all__ = ["NEARLY_FULL", "find_bottleneck"]

NEARLY_FULL = 0.8
"""Share of a capacity from which on it is taken to be the limit of a cluster that refuses load."""
_HARDLY_IDLE = 0.005
_WORTH_SAYING = 0.005
_CONTEXTS = 8
_OTHERS = 3


@dataclass(frozen=True, slots=True)
class _Candidate:
    resource: str
    utilisation: float
    evidence: str
    polls: bool = False


def find_bottleneck(
    chips: Sequence[ChipReport],
    structures: Sequence[StructureReport],
    links: Sequence[LinkReport],
    *,
    cycles: int,
    refused: bool,
) -> Bottleneck | None:
    """The bottleneck of a run; None if nothing was busy.

    Parameters:
        cycles: measured cycles.
        refused: the cluster took less than was offered: `load.refused_load`.
    """
    if cycles == 0:
        return None
    everything = sorted(_candidates(chips, links, cycles), key=lambda item: -item.utilisation)
    excluded = [item for item in everything if item.polls and not refused]
    ranked = [item for item in everything if item not in excluded and item.utilisation > 0]
    if not ranked:
        return None
    first = ranked[0]
    if refused and first.utilisation < NEARLY_FULL:
        return _waiting(chips, structures, ranked, cycles)
    return Bottleneck(
        resource=first.resource,
        utilisation=first.utilisation,
        evidence=first.evidence + _doubt(excluded),
        headroom=0.0 if refused else 1 / first.utilisation - 1,
        others=_others(ranked[1:]),
    )


def _others(rest: Sequence[_Candidate]) -> list[BusyResource]:
    return [BusyResource(resource=item.resource, utilisation=item.utilisation) for item in rest[:_OTHERS]]


def _doubt(excluded: Sequence[_Candidate]) -> str:
    if not excluded:
        return ""
    return f"; not judged, for polling: {', '.join(item.resource for item in excluded)} (never idle)"


def _candidates(chips: Sequence[ChipReport], links: Sequence[LinkReport], cycles: int) -> Iterator[_Candidate]:
    linked = {link.source: link for link in links}
    for row in links:
        if row.source == row.name:
            yield _Candidate(
                f"switch {row.name} to {row.destination}",
                row.utilisation,
                f"occupied {row.utilisation:.0%} of the time",
            )
    for chip in chips:
        yield from _programs(chip, cycles)
        for memory in chip.memories:
            yield _Candidate(f"{memory.name} of chip {chip.name}", memory.utilisation, _memory_evidence(memory))
        for bus in chip.buses:
            waits = ""
            if bus.grants and bus.wait_cycles is not None:
                waits = f", a request waits {bus.wait_cycles / bus.grants:.1f} cycles"
            yield _Candidate(
                f"{bus.name} bus of chip {chip.name}", bus.utilisation, f"busy {bus.utilisation:.0%} of the time{waits}"
            )
        for port in chip.ports:
            link = linked.get(port.name)
            name = f"wire out of port {port.name}"
            if link is not None:
                name = f"{'switch' if link.kind == 'switch' else 'link'} {link.name} from {port.name}"
            yield _Candidate(name, port.utilisation_out, f"occupied {port.utilisation_out:.0%} of the time")


def _programs(chip: ChipReport, cycles: int) -> Iterator[_Candidate]:
    """One candidate per program: flows are pinned, so its busiest ME limits it."""
    for program in dict.fromkeys(engine.program for engine in chip.microengines):
        engines = [engine for engine in chip.microengines if engine.program == program]
        busiest = max(engines, key=_issue_cycles)
        share = _issue_cycles(busiest) / cycles
        mean = sum(map(_issue_cycles, engines)) / len(engines) / cycles
        stalled = busiest.cycles.stalled / cycles
        evidence = f"ME {busiest.id} busy {share:.0%} of its cycles, polling included"
        if len(engines) > 1:
            evidence += f", mean of {len(engines)} {mean:.0%}"
        if stalled >= _WORTH_SAYING:
            evidence += f", and stalled {stalled:.0%} by a full command FIFO"
        yield _Candidate(
            f"{program} MEs of chip {chip.name}", share, evidence, polls=busiest.cycles.idle <= cycles * _HARDLY_IDLE
        )


def _memory_evidence(memory: MemoryReport) -> str:
    part = {"sram0": "busier port ", "sram1": "busier port ", "dram": "data bus "}.get(memory.name, "")
    evidence = f"{part}busy {memory.utilisation:.0%} of the time, {memory.queue:.1f} commands wait"
    latency = memory.latency_cycles
    return evidence if latency.mean is None else f"{evidence}, latency {latency.mean:.0f} (idle {latency.idle})"


def _issue_cycles(engine: MicroengineReport) -> int:
    return engine.cycles.executing + engine.cycles.aborted


def _waiting(
    chips: Sequence[ChipReport], structures: Sequence[StructureReport], ranked: Sequence[_Candidate], cycles: int
) -> Bottleneck:
    """The cluster refuses load though nothing is full: contexts wait."""

    def rows_of(chip: ChipReport) -> list[StructureReport]:
        """Without rings, whose waiting is mostly for work."""
        return [row for row in structures if row.chip == chip.name and not row.ring and row.wait_cycles]

    def outstanding(chip: ChipReport) -> float:
        """Mean commands under way per context of the chip, by Little's law."""
        waited = sum(row.wait_cycles or 0 for row in rows_of(chip))
        return waited / cycles / (_CONTEXTS * len(chip.microengines)) if chip.microengines else 0.0

    chip = max(chips, key=lambda item: (sum(port.frames_lost for port in item.ports) > 0, outstanding(item)))
    evidence = "nothing is full"
    rows = rows_of(chip)
    if rows:
        most = max(rows, key=lambda row: row.wait_cycles or 0)
        share = (most.wait_cycles or 0) / sum(row.wait_cycles or 0 for row in rows)
        evidence = f"{share:.0%} of it for {most.name} in {most.memory}; {evidence}"
    return Bottleneck(
        resource=f"waiting contexts of chip {chip.name}",
        utilisation=min(outstanding(chip), 1.0),
        evidence=evidence,
        headroom=0.0,
        others=_others(ranked),
    )
