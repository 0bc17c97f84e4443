"""From the counters of a run to the report: sums, shares and percentiles, nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ixp_emu import __version__
from ixp_emu.board.control import ACCOUNTS
from ixp_emu.board.host import REGION_KINDS
from ixp_emu.chip.hardware import Hardware
from ixp_emu.chip.layout import CONTEXTS, LATENCY_BIN_CYCLES, LATENCY_BINS, SRAM0, SRAM1, TARGET_NAMES
from ixp_emu.cluster.build import ChipImage, target_of
from ixp_emu.cluster.cables import read_port
from ixp_emu.cluster.config import Chip, ClusterConfig, Port, engine_name
from ixp_emu.cluster.run import RunResult
from ixp_emu.isa.unsettled import changed
from ixp_emu.report.bottleneck import find_bottleneck
from ixp_emu.report.conservation import InternalError, check_conservation
from ixp_emu.report.load import FRAME_OVERHEAD_BYTES, at_line_rate, byte_cycles, clock_hz, queue_growth, refused_load
from ixp_emu.report.model import (
    SCHEMA,
    BusReport,
    ChipReport,
    CommandLatency,
    ContextReport,
    ControlCycles,
    ControlReport,
    LinkReport,
    MemoryReport,
    MicroengineCycles,
    MicroengineReport,
    PacketLatency,
    PerPacket,
    PortReport,
    Report,
    RunReport,
    StructureReport,
    TrafficReport,
)

__all__ = ["UNNAMED", "build_report", "latency_percentile"]

UNNAMED = "(unnamed)"
"""References of commands that name no structure."""

_DATA_BUSES = ("S_{way} 0", "S_{way} 1", "D_{way}")


def build_report(result: RunResult) -> Report:
    """The report of a run.

    Raises:
        InternalError: numbers that must agree do not: a defect of the emulator, never of the input.
    """
    _check_entered(result)
    config = result.config
    cycles = result.counters.now
    chips = [_chip(result, index, chip) for index, chip in enumerate(config.chips.values())]
    structures = [
        row for index, name in enumerate(config.chips) for row in _structures(result, index, name, result.images[name])
    ]
    report = Report(
        schema=SCHEMA,
        version=__version__,
        config=config.expanded(),
        unsettled=changed(),
        run=_run(result),
        traffic=_traffic(result),
        per_packet=_per_packet(result),
        bottleneck=find_bottleneck(chips, structures, _links(result), cycles=cycles, refused=refused_load(result)),
        chips=chips,
        structures=structures,
        links=_links(result),
        extensions={name: dict(one) for name, one in result.extensions.items()},
    )
    check_conservation(report)
    return report


def _check_entered(result: RunResult) -> None:
    """The frames that sources gave out are those that their ports took or lost."""
    counted = 0
    for port in map(read_port, result.config.traffic.into):
        chip = result.machine.index_of[port.chip]
        counted += sum(int(result.total[f"port_{name}"][chip, port.number]) for name in ("frames_in", "frames_lost"))
    if counted != result.offered:
        raise InternalError(f"{result.offered} packets were offered, the ports took or lost {counted}")


# --- the run and its packets ----------------------------------------------------------------------------------------


def _run(result: RunResult) -> RunReport:
    simulated = result.cycles / clock_hz(result.config)
    wall = result.wall_seconds
    instructions = int(result.total["me_instructions"].sum())
    return RunReport(
        cycles=result.cycles,
        measured_cycles=result.counters.now,
        simulated_seconds=simulated,
        wall_seconds=wall,
        instructions=instructions,
        instructions_per_second=instructions / wall if wall > 0 else None,
        slowdown=wall / simulated if simulated > 0 else None,
        seed=result.config.run.seed,
        complete=result.complete,
        fault=result.fault,
    )


def _traffic(result: RunResult) -> TrafficReport:
    seconds = result.counters.now / clock_hz(result.config)
    latency = result.egress.latency
    return TrafficReport(
        offered=result.offered,
        delivered=result.delivered,
        lost=dict(result.lost),
        in_flight=result.in_flight,
        reordered=result.egress.reordered,
        unexpected=result.egress.unexpected,
        queue_growth=queue_growth(result),
        at_line_rate=at_line_rate(result),
        packets_per_second=result.measured_delivered / seconds if seconds else None,
        bits_per_second=result.measured_bits / seconds if seconds else None,
        latency_cycles=PacketLatency(p50=latency.p50, p95=latency.p95, p99=latency.p99, max=latency.maximum)
        if latency.count
        else None,
    )


def _per_packet(result: RunResult) -> PerPacket | None:
    packets, counters = result.measured_delivered, result.counters
    if not packets:
        return None
    busy = sum(int(counters[f"me_{name}"].sum()) for name in ("executing", "aborted", "stalled"))
    references = counters["references"].sum(axis=0)
    return PerPacket(
        packets=packets,
        instructions=int(counters["me_instructions"].sum()) / packets,
        cycles=busy / packets,
        references={name: int(count) / packets for name, count in zip(TARGET_NAMES, references, strict=True)},
    )


def _share(busy: float, cycles: int) -> float:
    """A share of the measured cycles; what was granted last may reach beyond the end."""
    return min(busy / cycles, 1.0) if cycles else 0.0


# --- chips ----------------------------------------------------------------------------------------------------------


def _chip(result: RunResult, index: int, chip: Chip) -> ChipReport:
    counters, hardware = result.counters, result.config.hardware
    values = {name: array[index] for name, array in counters.values.items()}
    programs = {engine: program for program, engines in chip.engines.items() for engine in engines}
    return ChipReport(
        name=chip.name,
        microengines=[_microengine(values, engine, programs[engine]) for engine in sorted(programs)],
        memories=[_memory(values, target, hardware, counters.now) for target in range(len(TARGET_NAMES))],
        buses=list(_buses(values, hardware, counters.now)),
        ports=[
            _port(values, Port(chip.name, number), result.config, counters.now) for number in range(len(chip.ports))
        ],
        events=dict(result.events.get(chip.name, {})),
        control=None if chip.control is None else _control(values, chip.control),
    )


def _control(values: Mapping[str, npt.NDArray[np.int64]], program: str) -> ControlReport:
    interrupts, timeouts = values["control_wakeups"].tolist()
    return ControlReport(
        program=program,
        cycles=ControlCycles(**dict(zip(ACCOUNTS, values["control_cycles"].tolist(), strict=True))),
        accesses=dict(zip(REGION_KINDS, values["control_accesses"].tolist(), strict=True)),
        interrupts=interrupts,
        timeouts=timeouts,
    )


def _microengine(values: Mapping[str, npt.NDArray[np.int64]], engine: int, program: str) -> MicroengineReport:
    return MicroengineReport(
        id=engine_name(engine),
        program=program,
        cycles=MicroengineCycles(
            **{name: int(values[f"me_{name}"][engine]) for name in ("executing", "aborted", "stalled", "idle")}
        ),
        instructions=int(values["me_instructions"][engine].sum()),
        contexts=[
            ContextReport(
                instructions=int(values["me_instructions"][engine, context]),
                commands=int(values["me_commands"][engine, context]),
            )
            for context in range(CONTEXTS)
        ],
    )


def _memory(values: Mapping[str, npt.NDArray[np.int64]], target: int, hardware: Hardware, cycles: int) -> MemoryReport:
    if target in (SRAM0, SRAM1):  # two ports, each with all of its cycles
        busy = max(int(values["read_busy"][target]), int(values["write_busy"][target]))
    else:
        busy = int(values["unit_busy"][target])
    name = TARGET_NAMES[target]
    signalled = int(values["signalled"][target])
    return MemoryReport(
        name=name,
        references=int(values["references"][target]),
        longwords=int(values["longwords"][target]),
        utilisation=_share(busy, cycles),
        queue=int(values["queue_wait"][target]) / cycles if cycles else 0.0,
        latency_cycles=CommandLatency(
            idle=hardware[f"{'sram' if target in (SRAM0, SRAM1) else name}.idle_latency"],
            mean=int(values["latency"][target]) / signalled if signalled else None,
            p99=latency_percentile(values["latency_bins"][target], 99),
        ),
    )


def latency_percentile(bins: npt.NDArray[np.int64], percent: int) -> int | None:
    """The percentile of a latency histogram by nearest rank: the last cycle of the bin it falls into.

    Returns:
        None if nothing was counted, or if it falls into the last bin, which is open-ended.
    """
    total = int(bins.sum())
    if total == 0:
        return None
    rank = -(-percent * total // 100)
    found = int(np.searchsorted(np.cumsum(bins), rank))
    return None if found == LATENCY_BINS - 1 else (found + 1) * LATENCY_BIN_CYCLES - 1


def _buses(values: Mapping[str, npt.NDArray[np.int64]], hardware: Hardware, cycles: int) -> Iterator[BusReport]:
    for cluster in range(2):
        grants = int(values["bus_grants"][cluster])
        yield BusReport(
            name=f"command {cluster}",
            grants=grants,
            utilisation=_share(grants * hardware["chassis_cycles"], cycles),
            wait_cycles=int(values["bus_wait"][cluster]),
        )
    for way in ("push", "pull"):
        for bus, name in enumerate(_DATA_BUSES):
            yield BusReport(
                name=name.format(way=way),
                grants=int(values[f"{way}_grants"][bus]),
                utilisation=_share(int(values[f"{way}_busy"][bus]), cycles),
                wait_cycles=int(values[f"{way}_wait"][bus]),
            )
    for field, name in (("rx_spi_busy", "SPI-3 receive"), ("tx_spi_busy", "SPI-3 transmit")):
        share = _share(int(values[field]), cycles * hardware["msf.channels"])
        yield BusReport(name=name, grants=None, utilisation=share, wait_cycles=None)


def _port(values: Mapping[str, npt.NDArray[np.int64]], port: Port, config: ClusterConfig, cycles: int) -> PortReport:
    def counted(name: str) -> int:
        return int(values[f"port_{name}"][port.number])

    wired = not any(link.kind == "spi3" and port in link.between for link in config.links.values())

    def share(direction: str, spi_busy: str) -> float:
        """Of the wire; between two SPI-3 interfaces, of the channel that the port's transfers take."""
        if not wired:
            return _share(counted(spi_busy), cycles)
        octets = counted(f"bytes_{direction}") + counted(f"frames_{direction}") * FRAME_OVERHEAD_BYTES
        return _share(octets * byte_cycles(config), cycles)

    return PortReport(
        name=str(port),
        frames_in=counted("frames_in"),
        bytes_in=counted("bytes_in"),
        frames_lost=counted("frames_lost"),
        utilisation_in=share("in", "rx_spi_busy"),
        frames_out=counted("frames_out"),
        bytes_out=counted("bytes_out"),
        utilisation_out=share("out", "tx_spi_busy"),
        pauses=counted("pauses"),
        switch_unknown=counted("switch_unknown"),
        switch_overflow=counted("switch_overflow"),
    )


def _links(result: RunResult) -> list[LinkReport]:
    config, cycles = result.config, result.counters.now

    def port_of(port: Port) -> PortReport:
        index = result.machine.index_of[port.chip]
        return _port({name: array[index] for name, array in result.counters.values.items()}, port, config, cycles)

    def out_of(name: str, kind: str, source: Port, destination: str) -> LinkReport:
        port = port_of(source)
        return LinkReport(
            name=name,
            kind=kind,
            source=str(source),
            destination=destination,
            frames=port.frames_out,
            bytes=port.bytes_out,
            utilisation=port.utilisation_out,
        )

    def out_of_switch(name: str, destination: Port) -> LinkReport:
        port = port_of(destination)
        return LinkReport(
            name=name,
            kind="switch",
            source=name,
            destination=str(destination),
            frames=port.frames_in,
            bytes=port.bytes_in,
            utilisation=port.utilisation_in,
        )

    rows = [
        out_of(link.name, link.kind, source, str(destination))
        for link in config.links.values()
        for source, destination in (link.between, link.between[::-1])
    ]
    for switch in config.switches.values():
        for port in switch.ports:
            rows += [out_of(switch.name, "switch", port, switch.name), out_of_switch(switch.name, port)]
    return rows


# --- structures -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """A row of the structure counters."""

    name: str
    number: int
    target: int
    size_bytes: int | None
    ring: bool = False


def _structures(result: RunResult, index: int, chip: str, image: ChipImage) -> Iterator[StructureReport]:
    """A row per structure, and one per memory for the references that name none.

    Rings have no share: a context that asks an empty ring waits for work, not for memory.
    """
    references, longwords, wait = (
        result.counters[f"structure_{name}"][index] for name in ("refs", "longwords", "wait")
    )
    places = list(_places(image, references))
    all_wait = sum(int(wait[place.target, place.number]) for place in places if place.target >= 0 and not place.ring)
    for place in places:
        if place.target < 0:  # local memory is inside the ME: no command, nothing counted
            yield StructureReport(
                chip=chip,
                name=place.name,
                memory="local",
                ring=False,
                bytes=place.size_bytes,
                references=None,
                longwords=None,
                wait_cycles=None,
                share=None,
            )
            continue
        waited = int(wait[place.target, place.number])
        yield StructureReport(
            chip=chip,
            name=place.name,
            memory=TARGET_NAMES[place.target],
            ring=place.ring,
            bytes=place.size_bytes,
            references=int(references[place.target, place.number]),
            longwords=int(longwords[place.target, place.number]),
            wait_cycles=waited,
            share=waited / all_wait if all_wait and not place.ring else None,
        )


def _places(image: ChipImage, references: npt.NDArray[np.int64]) -> Iterator[_Place]:
    for number, (name, placed) in enumerate(image.structures.items(), start=1):
        home = target_of(placed)
        ring = placed.declaration.ring is not None
        yield _Place(name, number, home, placed.size_bytes, ring)
        for target in range(len(TARGET_NAMES)):  # a command may name a structure and go elsewhere
            if target != home and references[target, number]:
                yield _Place(name, number, target, None, ring)
    for target in range(len(TARGET_NAMES)):
        if references[target, 0]:
            yield _Place(UNNAMED, 0, target, None)
