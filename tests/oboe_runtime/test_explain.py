"""What Oboe says of a configuration: costs as the model has them, memories as placed, registers as assembled."""

from __future__ import annotations

from pathlib import Path

import pytest

from ixp_emu.calibrate.latency import Probe, idle_latency
from ixp_emu.calibrate.model import cite
from ixp_emu.chip.hardware import resolve_hardware
from ixp_emu.errors import InputError
from oboe_runtime.commands import main
from oboe_runtime.declaration import EntryAccess, builtin_services
from oboe_runtime.explain import Explanation, OperationRow, access_cycles, explain
from tests.oboe_runtime.oboe_runs import configuration

HARDWARE = resolve_hardware()
TRAFFIC = {"generator": "zipf", "into": ["n0.0"]}
RUN = {"offered_packets": 1}


def access(kind: str, words: int, first: int = 0) -> EntryAccess:
    return EntryAccess(kind, first, ("r",) * words)


@pytest.mark.parametrize("words", [1, 2, 4])
@pytest.mark.parametrize("kind", ["read", "write"])
@pytest.mark.parametrize(
    ("memory", "command", "address"), [("scratch", "scratch", 0), ("sram0", "sram", 0), ("sram1", "sram", 1 << 30)]
)
def test_accesses_cost_what_they_take_in_the_model(
    memory: str, command: str, address: int, kind: str, words: int
) -> None:
    told = access_cycles(HARDWARE, memory, access(kind, words))
    probe = Probe(
        what="",
        command=f"{command}[{kind}, $data[0], address, 0, {words}]",
        expected=told,
        cited=cite("sram.idle_latency"),
        address=address,
    )
    assert idle_latency(HARDWARE, probe) == pytest.approx(told, rel=0.02)


@pytest.mark.parametrize(("first", "words", "quadwords"), [(0, 1, 1), (0, 2, 1), (1, 2, 2), (0, 4, 2), (1, 4, 3)])
@pytest.mark.parametrize("kind", ["read", "write"])
def test_dram_moves_quadwords(kind: str, first: int, words: int, quadwords: int) -> None:
    told = access_cycles(HARDWARE, "dram", access(kind, words, first))
    probe = Probe(
        what="",
        command=f"dram[{kind}, $$data[0], address, 0, {quadwords}]",
        expected=told,
        cited=cite("dram.idle_latency"),
        warming="dram[read, $$data[0], address, 0, 1], sig_done[done]",
    )
    assert idle_latency(HARDWARE, probe) == pytest.approx(told, rel=0.02)


def test_dram_merges_by_reading_and_writing() -> None:
    parts = sum(access_cycles(HARDWARE, "dram", access(kind, 1)) for kind in ("read", "write"))
    assert access_cycles(HARDWARE, "dram", access("merge", 1)) == parts


def explained(folder: Path, *overrides: str, **settings: object) -> Explanation:
    path = configuration(folder, traffic=TRAFFIC, run=RUN, **settings)  # type: ignore[arg-type]
    return explain(path, overrides=overrides)


def operation(found: Explanation, name: str) -> OperationRow:
    return next(row for row in found.operations if row.name == name)


def test_states_are_told_where_they_are_placed(tmp_path: Path) -> None:
    found = explained(
        tmp_path,
        "placement.sketch=sram1",
        "placement.sketch_dirty=sram0",
        "chips.n.placement.totals=scratch",
        service="builtin:services/monitor",
        chips=2,
        workers=2,
        control=True,
    )
    states = {state.name: state for state in found.states}
    assert (states["sketch"].memory, states["sketch"].bytes, states["sketch"].chips) == ("sram1", 2 * 4096 * 4, 2)
    assert (states["totals"].memory, states["totals"].bytes) == ("scratch", 2 * 64)  # a copy has at least a line
    assert states["sketch"].management == "two partials on every chip, merged on n0 by add every 10,000 us"
    assert found.workers == {"n0": 2, "n1": 2}
    mark = access_cycles(HARDWARE, "sram0", access("write", 1))
    one = access_cycles(HARDWARE, "sram1", access("merge", 1)) + mark
    assert (operation(found, "sketch_count").cycles, operation(found, "sketch_count").remote_cycles) == (one, None)


def test_one_chip_merges_nothing(tmp_path: Path) -> None:
    found = explained(tmp_path, "placement.sketch=dram", service="builtin:services/monitor")
    assert operation(found, "sketch_count").cycles == access_cycles(HARDWARE, "dram", access("merge", 1))
    (state,) = (state for state in found.states if state.name == "sketch")
    assert state.management == "here only: one chip, nothing to merge"


@pytest.mark.parametrize(("category", "locked"), [("commutative", True), ("strict", False)])
def test_a_merge_without_a_command_is_several_accesses(tmp_path: Path, category: str, locked: bool) -> None:
    """Two merges by max: each a read and a write; where others merge too also a look before, and a lock both ways."""
    service = str(Path(__file__).parent / "services" / "extremes")
    oboe = {"categories": {"greatest": category}}
    found = explained(tmp_path, "placement.greatest=sram1", service=service, control=True, oboe=oboe)
    plain = explained(
        tmp_path, "placement.bits=sram1", service=service, control=True, oboe={"categories": {"bits": category}}
    )
    read, write = (access_cycles(HARDWARE, "sram1", access(kind, 1)) for kind in ("read", "write"))
    one = read + write + (read + 2 * access_cycles(HARDWARE, "scratch", access("merge", 1)) if locked else 0)
    note, bits = operation(found, "greatest_note"), operation(plain, "bits_note")
    assert note.cycles - bits.cycles == one
    if locked:
        assert bits.cycles == one


def test_a_state_on_nobodys_home_is_not_used(tmp_path: Path) -> None:
    found = explained(tmp_path, service="builtin:services/monitor")
    (state,) = (state for state in found.states if state.name == "conservative_sketch")
    assert (state.memory, state.chips) == ("not used", 0)


def test_a_round_trip_to_another_chip_is_longer_by_two_links(tmp_path: Path) -> None:
    settings = {"service": "builtin:services/monitor", "chips": 2, "control": True}
    near = operation(explained(tmp_path, **settings), "conservative_count")
    far = operation(explained(tmp_path, "links.mesh.latency_ns=11_000", **settings), "conservative_count")
    assert near.remote_cycles is not None and far.remote_cycles is not None
    frame = 84 * 8 * 600 // 1000  # 64 bytes, preamble and gap at 1 Gb/s and 600 MHz
    assert near.remote_cycles - near.cycles == 2 * (frame + 600)
    assert far.remote_cycles - near.remote_cycles == 2 * 6000
    assert near.cycles > sum(access_cycles(HARDWARE, "sram0", access(kind, 1)) for kind in ("read", "write")) * 4


@pytest.mark.parametrize("service", builtin_services())
def test_every_service_leaves_registers_and_words(tmp_path: Path, service: str) -> None:
    found = explained(tmp_path, service=service)
    rows = {row.what: row for row in found.registers}
    assert all(
        row.oboe <= row.together <= row.available and row.left == row.available - row.together for row in rows.values()
    )
    if service.endswith("bare"):
        assert all(row.oboe == row.together for row in rows.values())
    else:
        assert rows["control store words"].together > rows["control store words"].oboe


def run_main(*arguments: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(arguments)
    assert isinstance(done.value.code, int)
    return done.value.code


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = configuration(tmp_path, traffic=TRAFFIC, run=RUN, service="builtin:services/monitor")
    assert run_main("explain", str(path), "--set", "placement.sketch=sram1") == 0
    text = capsys.readouterr().out
    assert text.splitlines()[0] == "service monitor, order pinned, home n0; workers: n0 1"
    assert "sketch_count" in text and max(map(len, text.splitlines())) <= 100
    assert run_main("services") == 0
    listed = capsys.readouterr().out
    assert [line.split(":")[1].split("/")[1] for line in listed.splitlines() if line.startswith("builtin:")] == [
        name.rpartition("/")[2] for name in builtin_services()
    ]
    assert "effort 0" in listed


def test_a_cluster_without_oboe_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = configuration(tmp_path, traffic=TRAFFIC, run=RUN)
    text = path.read_text().replace("[oboe]", "[run.oboe]")
    path.write_text(text)
    assert run_main("explain", str(path)) == 2
    assert "run.oboe: unknown key" in capsys.readouterr().err
    forward = Path(__file__).parents[2] / "examples" / "forward.toml"
    with pytest.raises(InputError) as error:
        explain(forward)
    assert str(error.value) == f"{forward}: oboe: required table is missing: it says which service Oboe runs"
