"""Control programs of a cluster: named in cluster.toml, exact, counted, saved, and wrong ones explained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ixp_emu.board.control import ControlProcessor
from ixp_emu.cluster.checkpoint import load_checkpoint, save_checkpoint
from ixp_emu.cluster.config import config_from_document, load_config
from ixp_emu.cluster.machine import EgressLog, Machine
from ixp_emu.cluster.run import ClusterRun
from ixp_emu.errors import InputError
from tests.cluster.forwarder import EXAMPLE, new_run, report_of
from tests.cluster.test_checkpoint import resumed_elsewhere

WALKER = """\
def program(xscale, *, step, stop=0):
    table = xscale.structures["flow_table"]
    counters = xscale.structures["drop_counters"]
    xscale.define_cost("sum", fixed_cycles=30, per_item_cycles=4)
    yield xscale.write(0xC0020004, 2000)
    yield xscale.write(0xC0020000, 0x80)
    seen = 0
    while True:
        for element in range(0, table.count, step):
            seen += yield xscale.read(table.address(element, offset_bytes=16))
            yield xscale.compute("sum", seen % 5)
            if element % 32 == 0:
                yield xscale.write(0xDF000050, seen & 0xFFFFFFFF)
                yield xscale.write(table.address(element, offset_bytes=28), seen & 0xFFFFFFFF)
        woken = yield xscale.wait(timers=(0,), timeout=700 + seen % 300)
        if woken.timers:
            yield xscale.write(0xC002000C, 1)
        yield xscale.read(counters.address(0))
        if stop and seen >= stop:
            yield xscale.read(0xC0019000)
"""
"""Reads and writes where the forwarder works, at times that depend on what it read."""


@pytest.fixture
def walker(tmp_path: Path) -> Callable[..., list[str]]:
    """Overrides that run it on chip a, and with them on b, which is like a."""

    def overrides(text: str = WALKER, **options: int) -> list[str]:
        (tmp_path / "walker.py").write_text(text)
        table = ", ".join(f"{name} = {value}" for name, value in ({"step": 3} | options).items())
        return [f'chips.a.control="{tmp_path / "walker.py"}:program"', f"chips.a.control_options={{ {table} }}"]

    return overrides


def finished(run: ClusterRun) -> dict[str, Any]:
    run.run()
    run.machine.close()
    return report_of(run)


def processor(run: ClusterRun, chip: int = 0) -> ControlProcessor:
    return run.machine.controls[chip].processor


# --- exact and repeatable -------------------------------------------------------------------------------------------


def all_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has several workers always uses them."""
    advance = Machine._advance

    def together(self: Machine, until: int, logs: list[tuple[int, EgressLog]], *, alone: bool) -> None:
        advance(self, until, logs, alone=False)

    monkeypatch.setattr(Machine, "_advance", together)


@pytest.mark.parametrize("way", ["as it is faster", "all workers"])
def test_threads_and_cuts_do_not_show(
    walker: Callable[..., list[str]], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "all workers":
        all_workers(monkeypatch)
    overrides = [*walker(), "run.warmup_packets=70"]
    whole = new_run(*overrides, packets=200)
    wanted = finished(whole)
    controls = [chip["control"] for chip in wanted["chips"]]
    assert wanted["run"]["fault"] is None and all(control["accesses"]["sram"] > 100 for control in controls)
    assert all(control["interrupts"] and control["timeouts"] for control in controls)
    for control in controls:
        assert sum(control["cycles"].values()) == wanted["run"]["measured_cycles"]
    assert finished(new_run(*overrides, packets=200, threads=2)) == wanted
    run = new_run(*overrides, packets=200, threads=2)
    assert run.machine.threads == 2
    for cycles in (1, 2, 39, 40, 41, 20_011, 20_012, 150_000):
        run.run(cycles=cycles)
    assert finished(run) == wanted
    for index in range(2):
        saved = processor(run, index).saved()
        assert saved.log.tolist() == processor(whole, index).saved().log.tolist()


def test_what_a_program_costs_is_what_it_did(walker: Callable[..., list[str]]) -> None:
    """Accesses times their cost are the accessing cycles, up to the one under way; chip b has another option."""
    overrides = [*walker(), "chips.b.control_options={ step = 5 }"]
    run = new_run(*overrides, packets=100)
    report = finished(run)
    hardware = run.config.hardware
    assert [run.config.chips[name].control_options for name in "ab"] == [{"step": 3}, {"step": 5}]
    for chip in report["chips"]:
        control = chip["control"]
        done = sum(count * hardware[f"host.{kind}_cycles"] for kind, count in control["accesses"].items())
        longest = max(hardware[f"host.{kind}_cycles"] for kind in control["accesses"])
        assert 0 <= control["cycles"]["accessing"] - done < longest
        reacted = control["interrupts"] * hardware["host.interrupt_cycles"]
        assert 0 <= control["cycles"]["reacting"] - reacted < hardware["host.interrupt_cycles"]
    assert processor(run, 0).accesses != processor(run, 1).accesses


def test_a_placement_shows_in_what_its_accesses_cost(walker: Callable[..., list[str]]) -> None:
    for memory in ("sram1", "dram"):
        report = finished(new_run(*walker(), f"placement.flow_table={memory}", packets=60))
        accesses = report["chips"][0]["control"]["accesses"]
        assert accesses[memory.rstrip("1")] > 100 and accesses["dram" if memory == "sram1" else "sram"] == 0


def test_resumed_in_a_new_process_a_program_goes_on(tmp_path: Path, walker: Callable[..., list[str]]) -> None:
    overrides = [*walker(), "run.warmup_packets=70"]
    wanted = json.loads(json.dumps(finished(new_run(*overrides, packets=200))))
    run, files = new_run(*overrides, packets=200), []
    for cycles in (1, 60_000, 130_001):
        run.run(cycles=cycles)
        files.append(tmp_path / f"{cycles}.checkpoint")
        save_checkpoint(run, files[-1])
    for threads in (1, 2):
        assert resumed_elsewhere(files, threads=threads) == [wanted] * len(files)


def test_a_program_that_was_changed_is_not_resumed(tmp_path: Path, walker: Callable[..., list[str]]) -> None:
    run = new_run(*walker(), packets=100)
    run.run(cycles=5_000)
    save_checkpoint(run, tmp_path / "saved")
    walker(WALKER.replace("0xC0020004, 2000", "0xC0020004, 2001"))
    with pytest.raises(InputError) as caught:
        load_checkpoint(tmp_path / "saved")
    assert str(caught.value) == (
        f"{tmp_path / 'walker.py'}: the control program of chip a no longer does what it did: request 0 was "
        "Write(address=3221356548, value=2000), now: Write(address=3221356548, value=2001)"
    )


# --- faults ---------------------------------------------------------------------------------------------------------


def test_a_program_that_fails_ends_the_run_with_its_cycle(tmp_path: Path, walker: Callable[..., list[str]]) -> None:
    """All chips are then at the end of that cycle, however far ahead the other one was."""
    overrides = walker(stop=40)
    run = new_run(*overrides, packets=200)
    wanted = finished(run)
    line = WALKER[: WALKER.index("yield xscale.read(0xC0019000)")].count("\n") + 1
    fault = wanted["run"]["fault"]
    chip = next(index for index in (0, 1) if processor(run, index).error is not None)
    cycle = run.now - 1
    assert fault == (
        f"chip {'ab'[chip]}, cycle {cycle:,}: control program {tmp_path / 'walker.py'}:{line}: "
        "host address 0xc0019000: nothing is mapped here; the nearest below: CSRs of ME 0:3 (0xc0018c00 to 0xc0018fff)"
    )
    assert [int(published) for published in run.machine.chips["published"]] == [run.now, run.now]
    assert finished(new_run(*overrides, packets=200, threads=2)) == wanted
    cut = new_run(*overrides, packets=200)
    for cycles in (777, cycle - 1, cycle):
        cut.run(cycles=cycles)
        assert cut.fault is None
    assert finished(cut) == wanted


def test_a_fault_of_an_access_is_the_chips(walker: Callable[..., list[str]]) -> None:
    text = "def program(xscale, *, step):\n    while True:\n        yield xscale.write(0xCB400000 + 4 * 15, 1)\n"
    run = new_run(*walker(text), packets=20)
    assert "put into a full ring" in str(finished(run)["run"]["fault"])


# --- what is wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("def other(xscale):\n    yield\n", None, 'there is no function "program"'),
        ("def program(xscale:\n", 1, "does not compile: '(' was never closed"),
        ("import json\n\njson.loads('{')\n", 3, "JSONDecodeError: Expecting property name enclosed in double quotes"),
        (
            "def program(xscale):\n    yield xscale.sleep(1)\n",
            1,
            "program: got an unexpected keyword argument 'step'; it is called with xscale and the options step",
        ),
        (
            "def program(xscale, step):\n    return 3\n",
            1,
            "program: must be a generator function: def program(xscale): ... yield xscale.read(address)",
        ),
        (
            "def program(xscale, step):\n    table = xscale.structures['flows']\n    yield\n",
            2,
            "control program of chip a, cycle -1: KeyError: 'flows'",
        ),
        (
            "def program(xscale, step):\n    yield xscale.read(xscale.structures['flow_table'].address(256))\n",
            2,
            "control program of chip a, cycle -1: structure flow_table: element 256: there are 256",
        ),
    ],
)
def test_a_program_that_cannot_start_is_bad_input(
    tmp_path: Path, walker: Callable[..., list[str]], text: str, line: int | None, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        new_run(*walker(text), packets=20)
    place = f"{tmp_path / 'walker.py'}" + ("" if line is None else f":{line}")
    told = str(caught.value).partition(": line 1 column")[0]
    assert told == f"{place}: {message}"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "chips.a.control=walker.py",
            'chips.a.control: expected a Python file and a function of it, "name.py:function" or '
            '"builtin:name.py:function"; got the string "walker.py"',
        ),
        ("chips.a.control=/nowhere/walker.py:program", "chips.a.control: no such file: /nowhere/walker.py"),
        (
            "chips.a.control=builtin:walker.py:program",
            "chips.a.control: no such file in the installed microcode: builtin:walker.py",
        ),
        ("chips.b.control_options={ step = 1 }", "chips.b.control_options: there is no control program to take them"),
        (
            "chips.b.control_options={ step = [1] }",
            "chips.b.control_options.step: expected true or false, an integer, a number or a string; got a list of 1",
        ),
    ],
)
def test_a_wrong_key_is_named(override: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_config(EXAMPLE, overrides=[override])
    assert str(caught.value) == f"--set {override}: {message}"


def test_the_expanded_configuration_has_the_program(walker: Callable[..., list[str]]) -> None:
    config = load_config(EXAMPLE, overrides=walker(stop=7))
    again = config_from_document(config.expanded(), file="again.toml")
    assert again.chips == config.chips and again.chips["b"].control_options == {"step": 3, "stop": 7}
    assert "control" not in load_config(EXAMPLE).expanded()["chips"]["a"]


# --- the example ----------------------------------------------------------------------------------------------------


def example(*overrides: str) -> ClusterRun:
    """A short run of the example, with flows that soon fill the flow table."""
    busy = ["traffic.zipf_s=0", "traffic.train_packets=1", "traffic.sizes=64"]
    return new_run(*busy, *overrides, packets=1_500, file=EXAMPLE.parent / "control.toml")


def test_the_example_ages_the_flow_table() -> None:
    aged = example("chips.a.control_options.period_ticks=5_000")
    full = example("chips.a.control_options.age_flows=false")
    reports = [finished(aged), finished(full)]
    assert [report["run"]["fault"] for report in reports] == [None, None]
    assert [report["traffic"]["delivered"] for report in reports] == [1_500, 1_500]
    refused = [report["chips"][0]["events"].get("flow_table_full", 0) for report in reports]
    assert refused[0] < refused[1]


def test_the_example_publishes_what_the_forwarder_counted() -> None:
    """In mailbox 0 is the sum of the counters as it was at the last reading."""
    run = example("chips.a.control_options.age_flows=false", "chips.a.control_options.period_ticks=500")
    chip, structure = run.machine.chips[0], run.images["a"].structures["drop_counters"]
    first, words = structure.location.base // 4, structure.size_bytes // 4
    period = 500 * run.config.hardware["host.timer_cycles"]
    sums = [0]
    for cycles in range(period, 800_000, period):
        run.run(cycles=cycles)
        sums.append(int(chip["scratch"][first : first + words].sum()))
        assert sums[-3:][0] <= int(chip["pci_csr"][0x50 // 4]) <= sums[-1]
    assert int(chip["pci_csr"][0x50 // 4]) > 0
