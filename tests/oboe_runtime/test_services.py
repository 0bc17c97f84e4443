"""The services on clusters: what leaves, and what their states hold, is what their oracles say."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address
from pathlib import Path

import numpy as np
import pytest

from microcode.services.packet import UDP, Tuple
from oboe_runtime.expectation import hash_of_flow
from oboe_runtime.layout import BUNDLES
from tests.microcode.frames import frame_of
from tests.oboe_runtime.oboe_runs import OboeRun, configuration, flows_of, run_frames, run_oboe

EXTERNAL = int(IPv4Address("198.51.100.1"))

TRAFFIC = {"generator": "zipf", "sizes": [[64, 3], [570, 1]], "flows": 60, "train_packets": 4}


def run_service(
    folder: Path, service: str, *, chips: int = 1, workers: int = 2, rate: int = 100_000, **oboe: object
) -> OboeRun:
    into = [f"n{number}.0" for number in range(chips)]
    path = configuration(
        folder,
        service=f"builtin:services/{service}",
        chips=chips,
        workers=workers,
        control=True,
        traffic={**TRAFFIC, "rate": rate, "into": into},
        run={"offered_packets": 400},
        oboe=oboe,
    )
    return run_oboe(path)


def assert_judged(done: OboeRun) -> None:
    result = done.result
    assert result.fault is None
    assert result.extensions["oboe"]["states_judged"]
    done.assert_clean()


@pytest.mark.parametrize("chips", [1, 2, 4])
@pytest.mark.parametrize("order", ["pinned", "ordered"])
@pytest.mark.parametrize("conservative", [0, 1])
def test_monitor(tmp_path: Path, order: str, chips: int, conservative: int) -> None:
    options = {"conservative": conservative, "sketch_cells": 256}
    assert_judged(run_service(tmp_path, "monitor", chips=chips, order=order, options=options))


@pytest.mark.parametrize("chips", [2, 4])
@pytest.mark.parametrize("order", ["pinned", "ordered"])
def test_partials_come_home(tmp_path: Path, order: str, chips: int) -> None:
    """Merged every 500 us of a run of 4 ms: nearly all is in the home's totals, and nothing is lost or added twice."""
    options = {"sketch_cells": 256, "merge_period_us": 500}
    done = run_service(tmp_path, "monitor", chips=chips, order=order, options=options)
    assert_judged(done)
    merged = int(done.words("n0", "totals_total")[:, 0].sum())
    assert 300 <= merged <= 400  # all but what came in the last two periods: 50 packets each
    others = [int(done.words(f"n{number}", "totals_total").sum()) for number in range(1, chips)]
    assert others == [0] * (chips - 1)


@pytest.mark.parametrize("chips", [1, 2, 4])
def test_strict_operations_in_the_order_of_the_home(tmp_path: Path, chips: int) -> None:
    """Conservative update depends on the order; replayed in the one that was written down, every cell is exact."""
    options = {"conservative": 1, "sketch_cells": 64}
    done = run_service(tmp_path, "monitor", chips=chips, options=options, strict_log=1_000)
    assert_judged(done)
    log = done.words("n0", "strict_log")
    assert np.count_nonzero(log[:, 0]) == 400
    assert {int(caller) >> 24 for caller in log[:400, 6]} == set(range(chips))
    log[[0, 1]] = log[[1, 0]]
    log[399, 5] += 1  # an update that was not so
    assert "conservative_sketch[" in str(done.result.fault)


def test_a_wrong_counter_is_a_fault(tmp_path: Path) -> None:
    done = run_service(tmp_path, "monitor", options={"sketch_cells": 256})
    done.words("n0", "totals")[0, 0] += 1
    fault = done.result.fault
    assert fault is not None and fault.startswith("the states are not what the oracle says; totals[0]: ")


@pytest.mark.parametrize("order", ["pinned", "ordered"])
@pytest.mark.parametrize("chips", [1, 2])
def test_intrusion(tmp_path: Path, order: str, chips: int) -> None:
    assert_judged(run_service(tmp_path, "intrusion", chips=chips, order=order, rate=30_000))


@pytest.mark.parametrize("order", ["pinned", "ordered"])
@pytest.mark.parametrize("chips", [1, 2, 4])
def test_both_directions_of_a_translated_flow_meet(tmp_path: Path, order: str, chips: int) -> None:
    """Outgoing packets, then answers to the ports that the bundles' pools must have given, then outgoing ones again."""
    flows = [flow._replace(source=0xAC100000 | number) for number, flow in enumerate(flows_of(40))]
    given: Counter[int] = Counter()
    frames, answers = [], []
    for flow in flows:
        bundle = hash_of_flow(flow, "nat")[0] % BUNDLES
        port = 1024 * (1 + given[bundle]) + bundle
        given[bundle] += 1
        frames.append(frame_of(flow, bytes(20)))
        back = Tuple(flow.destination, EXTERNAL, flow.destination_port, port, flow.protocol)
        answers.append(frame_of(back, bytes(20)))
    strangers = [
        frame_of(Tuple(1, EXTERNAL, 2, 1024 * 63 + 5, UDP), bytes(20)),
        frame_of(Tuple(1, 2, 3, 4, UDP), bytes(20)),
    ]
    every = [*frames, *answers, *frames, *strangers]
    done = run_frames(
        tmp_path,
        every,
        gaps_ns=[10_000] * len(every),
        into=[f"n{number}.0" for number in range(chips)],
        service="builtin:services/nat",
        chips=chips,
        workers=2,
        oboe={"order": order},
    )
    assert done.result.lost == {"no_session": 1, "not_translated": 1}
    assert done.result.delivered == 3 * len(flows)
    assert_judged(done)
