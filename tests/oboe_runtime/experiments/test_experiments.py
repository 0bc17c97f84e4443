"""What experiments compute from measurements, and how they tell it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from oboe_runtime.commands import main
from oboe_runtime.declaration import read_declaration
from oboe_runtime.experiments import case as cases
from oboe_runtime.experiments import scaling
from oboe_runtime.experiments.case import Case, Measurement, Store
from oboe_runtime.experiments.categories import strict_categories
from oboe_runtime.experiments.document import Document, Figure, Series
from oboe_runtime.experiments.laboratory import Laboratory, line_pps, link_pps, media_cycles
from oboe_runtime.experiments.page import drawn, page
from oboe_runtime.experiments.read_mostly import quantile
from oboe_runtime.experiments.replicas import Replicas, arrivals_of, stale_shares
from oboe_runtime.experiments.run import EXPERIMENTS, run_experiment
from oboe_runtime.experiments.stage_costs import stage_cycles
from tests.oboe_runtime.experiments.test_case import MEASURED


def pretend(monkeypatch: pytest.MonkeyPatch, of: Callable[[Case], Measurement]) -> None:
    monkeypatch.setattr(cases, "measure", of)


def test_rates_of_wires() -> None:
    """A 64-byte frame takes 84 byte times of 8 ns; as a message it has 64 bytes more."""
    assert line_pps(64) == pytest.approx(1e9 / 672)
    assert link_pps(64) == pytest.approx(1e9 / 1184)


OWN = {"receive": 40.0, "classify": 150.0, "transmit": 50.0}
HOP = {"receive": 120.0, "classify": 200.0, "transmit": 60.0}


@pytest.mark.parametrize(
    ("chips", "changes", "workers", "limit", "value"),
    [
        (1, {}, 2e6, "ports", 1e9 / 672),
        (4, {}, 2e6, "ports", 1e9 / 672),
        (4, {}, 0.9e6, "workers", 0.9e6),
        (1, {"classify": 500.0}, 2e6, "classify", 600e6 / 500),
        (4, {"classify": 300.0}, 2e6, "classify", 600e6 / (300 + 0.75 * 200)),
        (2, {"receive": 400.0}, 2e6, "receive", 600e6 / (400 + 0.5 * 120)),
        (2, {"transmit": 400.0}, 2e6, "transmit", 600e6 / (400 + 0.5 * 60)),
        (4, {"classify": 600e6 / (1e9 / 672) - 0.75 * 200 - 0.01}, 2e6, "ports", 1e9 / 672),
    ],
)
def test_the_least_bound_limits(
    chips: int, changes: dict[str, float], workers: float, limit: str, value: float
) -> None:
    found = scaling.bounds(chips, size=64, own=OWN | changes, hop=HOP, worker_pps=workers)
    least = min(found, key=found.__getitem__)
    assert least == limit
    assert found[least] == pytest.approx(value)
    assert ("links" in found) == (chips > 1)


def test_the_media_bus_moves_messages_too() -> None:
    """104 MHz and four bytes: 15 longwords of a frame take 87 cycles, a message of 16 and 15 takes 93 + 87."""
    assert (media_cycles(64, message=False), media_cycles(64, message=True)) == (87, 180)
    found = scaling.bounds(4, size=64, own=OWN, hop=HOP, worker_pps=1e9)
    assert found["media"] == pytest.approx(600e6 / (87 + 0.75 * 180))


def test_links_bear_their_share() -> None:
    """A chip sends a Nth of what it takes in over each of its links."""
    found = scaling.bounds(4, size=64, own=OWN, hop=HOP, worker_pps=1e9)
    assert found["links"] / 4 == pytest.approx(link_pps(64))


def test_scaling_compares_with_the_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classify takes 450 cycles of a packet and 200 of a hop: 1, 2, 4 chips get 600e6 / (450 + 0, 100, 150) each."""
    through = {1: 600e6 / 450, 2: 600e6 / 550 * 1.01, 4: 600e6 / 600 * 0.94}

    def measured(case: Case) -> Measurement:
        if case.rate == "line":
            busy = {"worker": 0.4}
            one = through[case.chips] if case.loop_back == 1 else 600e6 / 600
            return msgspec.structs.replace(MEASURED, packets_per_second=case.chips * one, busy=busy)
        load = 0.4e6 if case.rate > 2_000.0 else 0.0  # a chip
        cycles = {"receive": 40, "classify": 450 if case.chips == 1 else 550, "worker": 0, "transmit": 40, "control": 0}
        busy = {stage: load * taken / 600e6 for stage, taken in cycles.items()}
        return msgspec.structs.replace(MEASURED, packets_per_second=0.4e6 * case.chips, busy=busy)

    pretend(monkeypatch, measured)
    document = run_experiment("scaling", scale="quick")
    assert [row[:2] for row in document.tables[0].rows[:3]] == [["monitor", "1"], ["monitor", "2"], ["monitor", "4"]]
    assert [row[4:6] for row in document.tables[0].rows[:3]] == [
        ["+0.0 %", "classify"],
        ["+1.0 %", "classify"],
        ["-6.0 %", "classify"],
    ]
    assert document.tables[0].rows[2][6:] == ["4.000", "-6.0 %"]
    assert document.figures[0].sentence == (
        f"4 chips run monitor {0.94 * 4 * 450 / 600:.2f} times as fast as one, limited by classify; the "
        "prediction is met NOT within 5 %, at worst -6.0 %; with one chip that carries the hops it is linear NOT "
        f"within 5 %, at worst {100 * (600 / 550 * 1.01 - 1):+.1f} %."
    )
    assert document.faults == []
    labels = [str(told) for told, _ in document.runs]
    assert len(labels) == len(set(labels))


def test_cycles_of_a_stage_are_those_in_which_it_does_not_poll() -> None:
    """Idle it polls 20 % of its cycles; busy 60 % it works half of them: 300 M cycles a second."""
    idle = msgspec.structs.replace(MEASURED, busy={"worker": 0.2, "receive": 0.0})
    found = msgspec.structs.replace(MEASURED, busy={"worker": 0.6, "receive": 0.25}, packets_per_second=1e6)
    assert stage_cycles(found, idle, engines=1, chips=1) == pytest.approx({"worker": 300, "receive": 150})
    assert stage_cycles(found, idle, engines=2, chips=3) == pytest.approx({"worker": 1800, "receive": 450})


def test_when_versions_came() -> None:
    """Looks at 0, 10, 20, 30: nothing, two versions at once, the same, one more."""
    assert arrivals_of([0, 2, 2, 3], [0, 10, 20, 30]) == [10, 10, 30]
    assert arrivals_of([0, 0], [0, 10]) == []


def test_packets_that_left_under_an_old_version() -> None:
    """At the home at 10 and 30, here at 20 and never; from the first moment on, up to the last but not with it."""
    assert stale_shares([9, 10, 19, 20, 29, 30, 39, 40], [10, 30], [20], end=40) == 4
    assert stale_shares([9, 10, 19, 20], [10, 12], [15, 20], end=40) == 2  # both times missing: counted once
    assert stale_shares([5], [], [], end=40) == 0


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 2.0), (0.51, 3.0), (0.99, 4.0), (1.0, 4.0)])
def test_quantiles_are_values(share: float, value: float) -> None:
    assert quantile([3.0, 1.0, 4.0, 2.0], share) == value


@pytest.mark.parametrize(("slowest", "within"), [(1_000.0, "within"), (1_000.5, "NOT within")])
def test_staleness_is_held_against_the_bound(monkeypatch: pytest.MonkeyPatch, slowest: float, within: str) -> None:
    def measured(case: Case) -> Measurement:
        if not case.options["policy_port"]:
            return msgspec.structs.replace(MEASURED, frames_between_chips=100)
        replicas = Replicas(
            updates=case.updates, missing=1, gaps=0, staleness_us=[5.0, 5.0, slowest], stale_packets=(1, 4)
        )
        frames = 100 + 3 * case.updates
        return msgspec.structs.replace(MEASURED, frames_between_chips=frames, replicas=replicas, seconds=0.01)

    pretend(monkeypatch, measured)
    found = run_experiment("read-mostly", scale="quick")
    assert found.figures[0].sentence == (
        f"A replica of policy has an update at most {slowest:.1f} us after the home, {within} the bound of 1,000 us; "
        "6 updates were under way when a run ended, 0 versions were missed."
    )
    last = f"{slowest:.1f}"
    assert found.tables[0].rows[0] == ["2", "2,000", "3.0", "5.0", last, last, "25.00 %"]
    two, four = found.figures[0].series
    assert two.x == four.x == [10, 25, 50, 75, 90, 100]
    assert two.y == four.y == [5.0, 5.0, 5.0, slowest, slowest, slowest]
    assert found.tables[1].rows == [["2", "100,000", "6,000"], ["4", "100,000", "6,000"]]


def test_strict_is_asked_where_it_may_be() -> None:
    assert strict_categories(read_declaration("builtin:services/monitor")) == dict.fromkeys(
        ["flow_counters", "totals", "sketch", "conservative_sketch"], "strict"
    )
    assert "leaves_root" in strict_categories(read_declaration("builtin:services/intrusion"))


def test_a_run_that_went_wrong_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, lambda case: msgspec.structs.replace(MEASURED, fault="it broke" if case.chips == 2 else None))
    laboratory = Laboratory("quick", Store(None), lambda text: None)
    laboratory.measure(Case(service="builtin:services/bare"))
    laboratory.measure(Case(service="builtin:services/bare", chips=2))
    assert laboratory.faults == ["service bare, chips 2: it broke"]
    pretend(monkeypatch, lambda case: msgspec.structs.replace(MEASURED, states_judged=False))
    laboratory = Laboratory("quick", Store(None), lambda text: None)
    laboratory.measure(Case(service="builtin:services/bare"))
    assert laboratory.faults == []
    laboratory.measure(Case(service="builtin:services/bare", rate=5.0), lossless=True)
    assert laboratory.faults == ["service bare, rate 5.0: states were not judged"]


FIGURE = Figure(
    title="A <title>",
    across="x",
    up="y",
    series=[Series(name="measured", x=[1, 2], y=[3, 4]), Series(name="bound", x=[1, 2], y=[4, 5], theory=True)],
    sentence="It is so & so.",
)


def document(**changes: object) -> Document:
    plain = Document(
        schema=1,
        experiment="effort",
        scale="quick",
        version="0",
        seed=1,
        figures=[FIGURE],
        tables=[],
        runs=[],
        faults=[],
    )
    return msgspec.structs.replace(plain, **changes)


def test_a_page_has_figures_and_sentences() -> None:
    text = page(document(), [drawn(FIGURE)])
    assert "A &lt;title&gt;" in text and "It is so &amp; so." in text and text.count("<svg") == 1
    assert "Fault" not in text
    assert '<p class="fault">Fault: a &lt; b</p>' in page(document(faults=["a < b"]), [])


@pytest.mark.parametrize("bars", [False, True])
def test_figures_show_their_series(bars: bool) -> None:
    svg = drawn(msgspec.structs.replace(FIGURE, bars=bars, ticks=["one", "two"]))
    assert ">measured</text>" in svg and ">bound</text>" in svg
    assert (">one</text>" in svg) == bars


def run_main(*arguments: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(arguments)
    assert isinstance(done.value.code, int)
    return done.value.code


def test_the_command_writes_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, html = tmp_path / "e.json", tmp_path / "e.html"
    assert run_main("experiment", "effort", "--report", str(report), "--html", str(html)) == 0
    found = msgspec.json.decode(report.read_bytes(), type=Document)
    assert found.experiment == "effort" and found.figures[0].sentence in " ".join(capsys.readouterr().out.split())
    assert found.figures[0].sentence in html.read_text()
    assert all(row[-1] == "0" for row in found.tables[0].rows if row[0] != "forward")
    assert next(row for row in found.tables[0].rows if row[0] == "forward")[-1] != "0"


def test_faults_make_the_command_fail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pretend(monkeypatch, lambda case: msgspec.structs.replace(MEASURED, fault="it broke"))
    assert run_main("experiment", "flows") == 1
    assert "FAULT" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["experiment", "speed"], f'oboe: experiment: "speed": there are {", ".join(EXPERIMENTS)}'),
        (["experiment", "effort", "--report", "nowhere/e.json"], "oboe: nowhere: no such directory"),
    ],
)
def test_wrong_command_lines(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(*arguments) == 2
    assert capsys.readouterr().err.strip() == message


def test_state_sizes_that_do_not_fit_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """On 4 chips 384 slices of 64 records: SRAM holds 256 bytes of each, not 512; a smaller speed is told."""
    cases_run: list[Case] = []

    def measured(case: Case) -> Measurement:
        cases_run.append(case)
        slow = case.options["state_words"] == 8192
        return msgspec.structs.replace(MEASURED, packets_per_second=4e6 if slow else 5e6)

    pretend(monkeypatch, measured)
    found = run_experiment("state-size", scale="paper")
    in_sram = [case.options["state_words"] for case in cases_run if case.placement["contexts"] == "sram1"]
    assert in_sram == [16, 32, 64]
    assert len(cases_run) == 3 + 10
    assert found.figures[0].sentence == (
        "The slowest size is against the fastest: in sram1 +0.0 % up to 256 bytes, in dram -20.0 % up to 32,768 bytes."
    )
