"""The programs assemble for any placement and number of engines, without warnings, from one set of declarations."""

from __future__ import annotations

import pytest

from ixp_emu.assembler import Location, ParsedProgram, assemble, parse
from ixp_emu.errors import InputError
from ixp_emu.placement.place import merge_declarations

PROGRAMS = ("firmware/rx.uc", "services/forward/forward.uc", "firmware/tx.uc")
DEFINES = {
    "ENGINES_RX": 1,
    "ENGINES_FORWARD": 5,
    "ENGINES_TX": 1,
    "PORTS": 3,
    "ROUTE_WORDS": 70_000,
    "NEXT_HOPS": 16,
}
LOCATIONS = {
    "packet_buffers": Location("dram", 0x100000),
    "free_ring": Location("scratch", 0),
    "work_rings": Location("scratch", 0x800),
    "tx_ring": Location("scratch", 0x1600),
    "drop_counters": Location("scratch", 0x1800),
    "engine_index": Location("scratch", 0x1880),
    "route_table": Location("sram0", 0),
    "next_hops": Location("sram0", 0x80000),
    "flow_table": Location("sram1", 0),
}


def parsed(source: str, **defines: int) -> ParsedProgram:
    return parse(f"builtin:{source}", defines={**DEFINES, **defines})


@pytest.mark.parametrize("workers", range(1, 7))
@pytest.mark.parametrize("source", PROGRAMS)
def test_assembles_without_warnings_for_any_number_of_workers(source: str, workers: int) -> None:
    program = assemble(parsed(source, ENGINES_FORWARD=workers), locations=LOCATIONS)
    assert program.warnings == []


@pytest.mark.parametrize(
    ("structure", "memory"),
    [
        (structure, memory)
        for structure in ("flow_table", "route_table", "next_hops", "engine_index")
        for memory in ("scratch", "sram0", "sram1", "dram", "local")
        if memory != "local" or structure in ("next_hops", "engine_index")  # the others are larger than local memory
    ],
)
def test_the_forwarder_assembles_for_any_placement(structure: str, memory: str) -> None:
    locations = {**LOCATIONS, structure: Location(memory, 0x400)}
    program = assemble(parsed("services/forward/forward.uc"), locations=locations)
    assert program.warnings == []
    assert structure in {name for name in program.structures if name}


def test_programs_agree_on_what_they_share() -> None:
    merged = merge_declarations((parsed(source).structures, [engine]) for engine, source in enumerate(PROGRAMS))
    shared = {name for name, structure in merged.items() if len(structure.engines) == len(PROGRAMS)}
    assert shared == {"packet_buffers", "work_rings", "tx_ring", "free_ring", "drop_counters"}


@pytest.mark.parametrize(
    ("source", "defines", "message"),
    [
        ("firmware/rx.uc", {"ENGINES_RX": 2}, "one microengine runs rx: a second would need the ports' state"),
        ("firmware/tx.uc", {"ENGINES_TX": 2}, "one microengine runs tx: elements are handed out inside it"),
        ("firmware/rx.uc", {"ENGINES_FORWARD": 0}, "forward on 0 microengines: must be 1 to 6"),
        ("firmware/rx.uc", {"ENGINES_FORWARD": 7}, "forward on 7 microengines: must be 1 to 6"),
        *(
            ("firmware/tx.uc", {"BUFFERS": n}, f"{n} packet buffers: must be 32 to 511, their handles fit a ring of ")
            for n in (31, 512)
        ),
        *(
            ("services/forward/forward.uc", {"MAX_FLOWS": n}, f"a flow table of {n} elements: must be a power of two ")
            for n in (128, 255, 384, 1 << 25)
        ),
    ],
)
def test_defines_out_of_range_are_refused(source: str, defines: dict[str, int], message: str) -> None:
    with pytest.raises(InputError) as caught:
        parsed(source, **defines)
    assert f"#error: {message}" in str(caught.value)
