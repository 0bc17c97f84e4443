"""Where structures may go, the messages that say why not, and what moving one changes: cycles, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from ixp_emu.chip.hardware import resolve_hardware
from ixp_emu.chip.layout import LOCAL_MEMORY
from ixp_emu.cli import main
from ixp_emu.cluster.build import build_images, structure_words
from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.machine import EgressLog
from ixp_emu.errors import InputError
from tests.cluster.forwarder import EXAMPLE, new_run

PACKETS = 500
Output = dict[tuple[int, int], list[bytes]]
"""(chip, port) -> frames in the order in which they left."""
MEMORIES = ("scratch", "sram0", "sram1", "dram")
SIZE = {
    "scratch": resolve_hardware()["scratch.size_bytes"],
    "sram0": resolve_hardware()["sram.size_bytes"],
}


# --- moving a structure ---------------------------------------------------------------------------------------------


def run_with(*overrides: str) -> tuple[Output, list[set[tuple[int, ...]]], int, int]:
    """Output frames, the flow table of each chip as a set of elements, cycles of the run, cycles of all latencies."""
    run = new_run("traffic.back_pressure=true", "traffic.into=['a.0']", *overrides, packets=PACKETS)
    left: Output = {}

    def observe(index: int, log: EgressLog) -> None:
        for row in range(len(log.time)):
            left.setdefault((index, int(log.port[row])), []).append(log.frames.bytes_of(row))

    run.observer = observe
    run.run()
    result = run.result()
    assert (result.fault, result.complete, result.lost, result.delivered) == (None, True, {}, PACKETS)
    tables = []
    for index, name in enumerate(run.config.chips):
        placed = run.images[name].structures["flow_table"]
        longwords = placed.declaration.element_bytes // 4
        stride = placed.declaration.stride_bytes(placed.location.memory) // 4
        words = structure_words(run.machine.chips[index], run.machine.memories[index], placed)
        elements = words.reshape(-1, stride)[:, :longwords]
        used = [tuple(element) for element in elements.tolist() if element[3]]
        assert len(set(used)) == len(used)
        tables.append(set(used))
    return left, tables, run.now, result.egress.latency.total


@pytest.mark.parametrize("engines", [1, 5])
def test_moving_the_flow_table_changes_cycles_and_nothing_else(engines: int) -> None:
    names = ["0:1", "0:2", "0:3", "1:0", "1:1"][:engines]
    override = f"chips.a.engines={{ rx = ['0:0'], forward = {names}, tx = ['1:3'] }}"
    outcomes = {memory: run_with(override, f"placement.flow_table={memory}") for memory in MEMORIES}
    left, tables, _, _ = outcomes["scratch"]
    assert sum(map(len, left.values())) == PACKETS
    assert sum(element[4] for element in tables[0]) == PACKETS  # each is counted by chip a
    for memory, outcome in outcomes.items():
        assert in_order(outcome[0], one_engine=engines == 1) == in_order(left, one_engine=engines == 1), memory
        assert outcome[1] == tables, memory
    assert len({outcome[3] for outcome in outcomes.values()}) == len(MEMORIES)  # latencies
    assert len({outcome[2] for outcome in outcomes.values()}) > 1  # ends, to 100 cycles


def in_order(left: Output, *, one_engine: bool) -> object:
    """What must not change: the sequence of every port where one ME forwards, else that of every flow on every port.

    Several MEs overtake each other by the cycles that a memory costs; packets of a flow are one ME's.
    """
    if one_engine:
        return left
    flows: dict[tuple[object, bytes], list[bytes]] = {}
    for port, frames in left.items():
        for frame in frames:
            flows.setdefault((port, frame[23:24] + frame[26:38]), []).append(frame)
    return flows


# --- what is refused ------------------------------------------------------------------------------------------------


def refusal(*overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        build_images(load_config(EXAMPLE, overrides=overrides))
    return str(caught.value)


def test_local_memory_of_one_me_is_not_for_five() -> None:
    assert refusal("placement.flow_table=local") == (
        "--set placement.flow_table=local: placement.flow_table: flow_table: used by 5 MEs, "
        "a local memory belongs to one ME"
    )


def test_what_is_only_read_is_copied_into_every_local_memory() -> None:
    run = new_run("placement.next_hops=local", packets=PACKETS)
    run.run()
    result = run.result()
    assert (result.fault, result.complete, result.lost, result.delivered) == (None, True, {}, PACKETS)
    image = run.images["a"]
    placed = image.structures["next_hops"]
    assert image.service is not None
    table = image.service[1].contents()["next_hops"]
    first = LOCAL_MEMORY + placed.location.base // 4
    for engine in image.chip.engines["forward"]:
        held = run.machine.chips[run.machine.index_of["a"]]["me"][engine]["file"][first : first + len(table)]
        assert held.tolist() == table.tolist()
    assert len(image.chip.engines["forward"]) == 5


def test_dram_has_no_atomics_for_a_structure_that_is_not_pinned() -> None:
    text = "placement.flow_table={ memory = 'dram', pin = false }"
    assert refusal(text) == (
        f"--set {text}: placement.flow_table: flow_table: atomic add by 5 MEs not possible in DRAM, "
        "which has no atomic commands"
    )
    build_images(load_config(EXAMPLE, overrides=["placement.flow_table={ memory = 'dram', pin = true }"]))
    for memory in MEMORIES[:3]:  # these have
        build_images(load_config(EXAMPLE, overrides=[f"placement.flow_table={{ memory = '{memory}', pin = false }}"]))


def test_dram_bears_what_one_me_adds_to() -> None:
    one = 'chips.a.engines={ rx = ["0:0"], forward = ["0:1"], tx = ["1:3"] }'
    build_images(load_config(EXAMPLE, overrides=[one, "placement.flow_table={ memory = 'dram', pin = false }"]))


def test_drop_counters_are_shared_by_all_and_stay_out_of_dram() -> None:
    assert refusal("placement.drop_counters=dram") == (
        "--set placement.drop_counters=dram: placement.drop_counters: drop_counters: atomic add by 7 MEs not possible "
        "in DRAM, which has no atomic commands"
    )


def test_what_is_too_large_is_refused_with_bytes() -> None:
    # In scratch there are only rings and small tables besides, whose sizes the images say.
    images = build_images(load_config(EXAMPLE))
    others = sum(p.size_bytes for p in images["a"].structures.values() if p.location.memory == "scratch")
    placed = build_images(load_config(EXAMPLE, overrides=["placement.flow_table=scratch"]))["a"].structures
    flow_bytes = placed["flow_table"].size_bytes
    assert (flow_bytes, placed["flow_table"].location.memory) == (256 * 32, "scratch")
    assert others + flow_bytes <= SIZE["scratch"]
    override = "programs.forward.define={ MAX_FLOWS = 1_024 }"
    message = refusal(override, "placement.flow_table=scratch")
    head, left = message.rsplit(", ", 1)
    assert head == ("--set placement.flow_table=scratch: placement.flow_table: flow_table: 32,768 bytes in scratch")
    free = int(left.removesuffix(" left").replace(",", ""))
    assert (
        0
        < free
        <= SIZE["scratch"]
        - sum(p.size_bytes for p in images["a"].structures.values() if p.declaration.ring is not None)
    )
    route_bytes = images["a"].structures["route_table"].size_bytes
    wide = f"programs.forward.define={{ MAX_FLOWS = {1 << 24} }}"
    text = refusal(wide, "placement.flow_table=sram0")
    assert f"flow_table: {32 << 24:,} bytes in sram0, " in text
    assert route_bytes < SIZE["sram0"]


def test_the_edge_of_a_memory() -> None:
    """In SRAM 0 the flow table comes after the routes: just enough room is enough, four bytes less are not."""
    images = build_images(load_config(EXAMPLE, overrides=["placement.flow_table=sram0"]))
    placed = images["a"].structures
    end = max(p.location.base + p.size_bytes for p in placed.values() if p.location.memory == "sram0")
    unit = 1 << 20  # the least step of an SRAM's size
    assert end < unit
    build_images(load_config(EXAMPLE, overrides=["placement.flow_table=sram0", f"hardware.sram.size_bytes={unit}"]))


def test_rings_and_buffers_keep_their_memory() -> None:
    assert refusal("placement.tx_ring=sram0") == (
        "--set placement.tx_ring=sram0: placement.tx_ring: tx_ring: rings are in scratch, not in sram0"
    )
    assert refusal("placement.packet_buffers=sram0") == (
        "--set placement.packet_buffers=sram0: placement.packet_buffers: packet_buffers: its program can only use it "
        "in dram, not in sram0"
    )


def test_an_unknown_structure_is_named_with_those_there_are() -> None:
    assert refusal("placement.flaw_table=sram0").startswith(
        "--set placement.flaw_table=sram0: placement.flaw_table: "
        'no program of the chip declares a structure "flaw_table"; '
        "there are drop_counters, engine_index, flow_table, free_ring, "
    )


@pytest.mark.parametrize("command", ["run", "check"])
def test_the_command_says_it_with_exit_code_2(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, str(EXAMPLE), "--set", "placement.flow_table=local"])
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1 and "flow_table: used by 5 MEs" in captured.err


def test_a_chip_of_its_own_placement(tmp_path: Path) -> None:
    images = build_images(load_config(EXAMPLE, overrides=["chips.b.placement.flow_table=dram"]))
    assert images["a"].structures["flow_table"].location.memory == "sram1"
    assert images["b"].structures["flow_table"].location.memory == "dram"
