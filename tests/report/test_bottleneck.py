"""The bottleneck is the busiest capacity, told apart from polling and from waiting."""

from __future__ import annotations

import msgspec
import pytest

from ixp_emu.report.bottleneck import NEARLY_FULL, find_bottleneck
from ixp_emu.report.model import (
    BusReport,
    ChipReport,
    CommandLatency,
    LinkReport,
    MemoryReport,
    MicroengineCycles,
    MicroengineReport,
    PortReport,
    StructureReport,
)

CYCLES = 1_000
replace = msgspec.structs.replace


def engine(name: str, program: str, *, executing: int, aborted: int = 0, stalled: int = 0) -> MicroengineReport:
    idle = CYCLES - executing - aborted - stalled
    return MicroengineReport(
        id=name,
        program=program,
        cycles=MicroengineCycles(executing=executing, aborted=aborted, stalled=stalled, idle=idle),
        instructions=executing,
        contexts=[],
    )


def memory(name: str, utilisation: float) -> MemoryReport:
    return MemoryReport(
        name=name,
        references=10,
        longwords=10,
        utilisation=utilisation,
        queue=1.5,
        latency_cycles=CommandLatency(idle=90, mean=120.4, p99=200),
    )


def port(name: str, *, sent: float = 0.0, taken: float = 0.0, lost: int = 0) -> PortReport:
    return PortReport(
        name=name,
        frames_in=1,
        bytes_in=60,
        frames_lost=lost,
        utilisation_in=taken,
        frames_out=1,
        bytes_out=60,
        utilisation_out=sent,
    )


def chip(
    name: str = "a",
    *engines: MicroengineReport,
    memories: tuple[MemoryReport, ...] = (),
    buses: tuple[BusReport, ...] = (),
    ports: tuple[PortReport, ...] = (),
) -> ChipReport:
    return ChipReport(
        name=name, microengines=list(engines), memories=list(memories), buses=list(buses), ports=list(ports)
    )


def structure(name: str, where: str, wait: int, *, ring: bool = False) -> StructureReport:
    return StructureReport(
        chip="a",
        name=name,
        memory=where,
        ring=ring,
        bytes=64,
        references=10,
        longwords=10,
        wait_cycles=wait,
        share=None,
    )


def test_the_busiest_capacity_and_its_headroom() -> None:
    work = chip("a", engine("0:1", "forward", executing=300, aborted=100), memories=(memory("sram1", 0.5),))
    found = find_bottleneck([work], [], [], cycles=CYCLES, refused=False)
    assert found is not None
    assert (found.resource, found.utilisation) == ("sram1 of chip a", 0.5)
    assert found.headroom == pytest.approx(1.0)
    assert found.evidence == ("busier port busy 50% of the time, 1.5 commands wait, latency 120 (idle 90)")
    assert [(other.resource, other.utilisation) for other in found.others] == [("forward MEs of chip a", 0.4)]


def test_a_program_counts_with_its_busiest_me() -> None:
    work = chip(
        "a",
        engine("0:1", "forward", executing=500, aborted=100, stalled=50),
        engine("0:2", "forward", executing=200),
        memories=(memory("dram", 0.59),),
    )
    found = find_bottleneck([work], [], [], cycles=CYCLES, refused=False)
    assert found is not None
    assert (found.resource, found.utilisation) == ("forward MEs of chip a", 0.6)
    assert found.evidence == (
        "ME 0:1 busy 60% of its cycles, polling included, mean of 2 40%, and stalled 5% by a full command FIFO"
    )


def test_a_bus_and_a_link_are_capacities_too_and_incoming_wires_are_not() -> None:
    bus = BusReport(name="S_push 0", grants=100, utilisation=0.7, wait_cycles=250)
    ports = (port("a.0", taken=1.0), port("a.1", sent=0.6), port("a.2", sent=0.65))
    link = LinkReport(name="ab", source="a.2", destination="b.2", frames=1, bytes=60, utilisation=0.65)
    found = find_bottleneck([chip(buses=(bus,), ports=ports)], [], [link], cycles=CYCLES, refused=False)
    assert found is not None
    assert found.resource == "S_push 0 bus of chip a"
    assert found.evidence == "busy 70% of the time, a request waits 2.5 cycles"
    assert [other.resource for other in found.others] == ["link ab from a.2", "wire out of port a.1"]


@pytest.mark.parametrize("idle", [5, 6])
def test_a_program_that_never_idles_is_judged_only_if_load_is_refused(idle: int) -> None:
    poller = engine("1:3", "tx", executing=CYCLES - idle)
    work = chip("a", poller, memories=(memory("sram0", 0.3),))
    kept = find_bottleneck([work], [], [], cycles=CYCLES, refused=False)
    refused = find_bottleneck([work], [], [], cycles=CYCLES, refused=True)
    assert kept is not None and refused is not None
    assert refused.resource == "tx MEs of chip a"
    assert refused.headroom == 0
    if idle == 5:
        assert kept.resource == "sram0 of chip a"
        assert kept.evidence.endswith("; not judged, for polling: tx MEs of chip a (never idle)")
    else:
        assert kept.resource == "tx MEs of chip a"


def test_refused_load_with_nothing_full_is_waiting() -> None:
    full = memory("dram", NEARLY_FULL)
    below = memory("dram", NEARLY_FULL - 0.01)
    rows = [
        structure("flow_table", "sram1", 1_500),
        structure("packet_buffers", "dram", 500),
        structure("work_ring", "scratch", 9_000, ring=True),
    ]
    forward = engine("0:1", "forward", executing=500)
    named = find_bottleneck([chip("a", forward, memories=(full,))], rows, [], cycles=CYCLES, refused=True)
    waiting = find_bottleneck([chip("a", forward, memories=(below,))], rows, [], cycles=CYCLES, refused=True)
    assert named is not None and waiting is not None
    assert named.resource == "dram of chip a"
    assert waiting.resource == "waiting contexts of chip a"
    assert waiting.utilisation == 2_000 / CYCLES / 8  # 2 commands under way on average, 8 contexts
    assert waiting.evidence == "75% of it for flow_table in sram1; nothing is full"
    assert waiting.headroom == 0
    assert waiting.others[0].resource == "dram of chip a"


def test_nothing_busy_has_no_bottleneck() -> None:
    assert find_bottleneck([chip("a", engine("0:0", "rx", executing=0))], [], [], cycles=CYCLES, refused=False) is None
    assert find_bottleneck([chip()], [], [], cycles=0, refused=False) is None
