"""The example cluster: two chips and a link, nothing lost, frames out of every port they should leave by."""

from __future__ import annotations

from pathlib import Path

import pytest

from ixp_emu.cluster.config import Port, load_config
from ixp_emu.cluster.machine import EgressLog
from ixp_emu.cluster.run import ClusterRun
from microcode.services.forward.oracle import read_routes

EXAMPLES = Path(__file__).parents[2] / "examples"
PACKETS = 2_000


def test_the_example_forwards_everything_over_both_chips() -> None:
    overrides = [f"run.offered_packets={PACKETS}", "run.warmup_packets=0"]
    run = ClusterRun(load_config(EXAMPLES / "forward.toml", overrides=overrides))
    left: dict[Port, int] = {}

    def observe(index: int, log: EgressLog) -> None:
        chip = list(run.config.chips)[index]
        for port in log.port.tolist():
            left[Port(chip, port)] = left.get(Port(chip, port), 0) + 1

    run.observer = observe
    run.run()
    result = run.result()
    assert (result.fault, result.complete, result.lost, result.delivered) == (None, True, {}, PACKETS)
    assert set(left) == {Port("a", 1), Port("b", 0), Port("b", 1)}
    crossed = int(run.machine.chips[1]["port"][2]["frames_in"])
    entered = [int(chip["port"][0]["frames_in"]) for chip in run.machine.chips]
    assert crossed > 0 and sum(entered) == PACKETS
    assert left[Port("a", 1)] == entered[0] - crossed
    assert left[Port("b", 0)] + left[Port("b", 1)] == entered[1] + crossed


@pytest.mark.parametrize("chip", ["a", "b"])
def test_the_routes_cover_every_address(chip: str) -> None:
    routes = read_routes(EXAMPLES / "routes" / f"{chip}.toml")
    assert any(route.length == 0 for route in routes.routes)


def test_chip_b_sends_nothing_back() -> None:
    assert {hop.egress_port for hop in read_routes(EXAMPLES / "routes" / "b.toml").next_hops} == {0, 1}
