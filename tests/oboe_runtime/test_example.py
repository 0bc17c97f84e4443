"""The example on two chips: both orders, the strict category, and a resumed run give what a user is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from ixp_emu.cluster.checkpoint import load_checkpoint, save_checkpoint
from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.run import ClusterRun
from ixp_emu.report.build import build_report
from ixp_emu.report.model import Report

EXAMPLE = Path(__file__).parents[2] / "examples" / "oboe-monitor.toml"
SHORT = ["run.offered_packets=600", "run.warmup_packets=100"]


def report_of(*overrides: str) -> Report:
    run = ClusterRun(load_config(EXAMPLE, overrides=[*SHORT, *overrides]))
    run.run()
    return build_report(run.result())


@pytest.mark.parametrize("order", ["pinned", "ordered"])
def test_every_packet_is_delivered_in_order_and_the_states_are_right(order: str) -> None:
    report = report_of(f"oboe.order={order}", "oboe.time_scale=1")
    assert report.run.fault is None and report.run.complete
    assert report.traffic.delivered == report.traffic.offered == 600 and report.traffic.reordered == 0
    oboe = report.extensions["oboe"]
    assert oboe["order"] == order and oboe["inversions"] == 0 and oboe["states_judged"]
    assert oboe["bundles"] == {"node0": 512, "node1": 512}
    link = {one.source: one.frames for one in report.links}
    assert min(link.values()) > 100  # half of the packets belong to the other chip


def test_the_same_source_runs_all_strict() -> None:
    strict = ["oboe.categories.totals=strict", "oboe.categories.sketch=strict", "traffic.rate=20_000"]
    report = report_of("oboe.time_scale=1", *strict)
    assert report.run.fault is None and report.traffic.delivered == 600
    assert report.extensions["oboe"]["states"]["totals"] == "strict"
    assert report.extensions["oboe"]["states_judged"]


def test_a_resumed_run_ends_as_one_that_was_not_interrupted(tmp_path: Path) -> None:
    config = load_config(EXAMPLE, overrides=SHORT)
    whole = ClusterRun(config)
    whole.run()
    first = ClusterRun(config)
    first.run(cycles=500_000)
    save_checkpoint(first, tmp_path / "state")
    resumed = load_checkpoint(tmp_path / "state")
    resumed.run()
    assert resumed.now == whole.now
    assert (resumed.machine.chips["scratch"] == whole.machine.chips["scratch"]).all()
    assert resumed.result().extensions == whole.result().extensions
