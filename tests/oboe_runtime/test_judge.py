"""States judged behind losses and records given up: the oracle is shown what was worked on, and finds what is wrong."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from ixp_emu.cluster.run import RunResult
from microcode.services.packet import Malformed, Tuple, read_packet
from microcode.services.sized.oracle import SizedOracle
from oboe_runtime.harvest import elements_of
from oboe_runtime.judge import differing_records
from oboe_runtime.observed import Observed
from oboe_runtime.oracle import Arrival
from tests.oboe_runtime.oboe_runs import OboeRun, fault_lines, flows_of, numbered, run_frames
from tests.oboe_runtime.test_flow_table import flows_of_one_bucket

MONITOR = "builtin:services/monitor"
OPTIONS = {"sketch_cells": 256}


def judged(result: RunResult) -> bool:
    return bool(result.extensions["oboe"]["states_judged"])


def tampered(done: OboeRun, structure: str, change: int, *, word: int = 0, live: bool = True) -> str | None:
    """What the run finds wrong if a longword of the first live record (or of element 0) were another."""
    words = elements_of(done.run.machine, done.run.images, "n0", structure)
    assert words is not None
    number = next(iter(done.records("n0").values()))[0] if live else 0
    kept = int(words[number, word])
    words[number, word] = kept ^ change
    fault = done.result.fault
    words[number, word] = kept
    assert done.result.fault is None
    return fault


def run_overload(folder: Path) -> OboeRun:
    """More than can be done for two flows, whose packets wait for each other: some find the ring of classify full."""
    flows = flows_of(2)
    frames = [numbered(flows[n * n % 3 % 2], n) for n in range(1200)]
    return run_frames(folder, frames, service=MONITOR, oboe={"options": OPTIONS})


def test_packets_lost_by_load_are_no_part_of_what_is_judged(tmp_path: Path) -> None:
    done = run_overload(tmp_path)
    result = done.result
    assert set(result.lost) == {"classify_full"} and 0 < result.lost["classify_full"] < 1000
    assert result.fault is None and judged(result)
    assert str(tampered(done, "flow_counters", 1)).startswith("the states are not what the oracle says; flow_counters")
    assert str(tampered(done, "totals", 1, live=False)).startswith("the states are not what the oracle says; totals[0]")


def test_packets_lost_between_chips_too(tmp_path: Path) -> None:
    fault = {"kind": "drop_message", "at_cycle": 20_000, "chip": "n1", "message": "DISPATCH", "count": 7}
    flows = flows_of(40)
    done = run_frames(
        tmp_path,
        [numbered(flows[n % 40], n) for n in range(200)],
        gaps_ns=[5_000] * 200,
        service=MONITOR,
        chips=2,
        control=True,
        oboe={"options": OPTIONS},
        lines=fault_lines([fault]),
    )
    assert done.result.lost == {"lost_on_purpose": 7}
    assert done.result.fault is None and judged(done.result)
    assert tampered(done, "flow_counters", 1) is not None


def run_bucket(folder: Path, order: list[Tuple], gaps: list[int], **settings: object) -> OboeRun:
    frames = [numbered(flow, n, length=60 + 4 * n) for n, flow in enumerate(order)]
    return run_frames(folder, frames, gaps_ns=gaps, service=MONITOR, **settings)  # type: ignore[arg-type]


def test_records_that_were_evicted_begin_anew(tmp_path: Path) -> None:
    """Of six flows in four ways some come back, and count from there; totals and sketch have all packets."""
    flows = flows_of_one_bucket(6)
    order = [*flows, *flows[:3], flows[5], flows[0]]
    done = run_bucket(tmp_path, order, [5_000] * len(order), oboe={"options": OPTIONS})
    assert done.events()["evicted"] > 2
    assert done.result.fault is None and judged(done.result)
    assert tampered(done, "flow_counters", 1 << 8, word=1) is not None
    assert "records are live" in str(tampered(done, "flow_table", 1 << 31))


def test_records_that_expired_begin_anew(tmp_path: Path) -> None:
    flows = flows_of(3)
    order = [flows[0], flows[1], flows[0], flows[0], flows[2], flows[0]]
    gaps = [0, 5_000, 150_000, 5_000, 5_000, 5_000]
    done = run_bucket(tmp_path, order, gaps, oboe={"options": OPTIONS, "time_scale": 10_000})
    assert done.events()["expired"] >= 1
    assert done.result.fault is None and judged(done.result)
    assert tampered(done, "flow_counters", 1) is not None


def test_what_was_refused_a_record_is_in_none(tmp_path: Path) -> None:
    """Records are judged; totals and sketch, in which the refused packets are not, are not."""
    copy = tmp_path / "refusing"
    copy.mkdir()
    for path in (Path(str(files("microcode"))) / "services" / "monitor").iterdir():
        if path.is_file():
            (copy / path.name).write_text(path.read_text().replace('"evict_lru"', '"refuse"'))
    flows = flows_of_one_bucket(6)
    frames = [numbered(flow, 0) for flow in [*flows, *flows]]
    done = run_frames(tmp_path, frames, gaps_ns=[5_000] * 12, service=str(copy), oboe={"options": OPTIONS})
    assert done.events() == {"new_flow": 4, "refused": 4}
    assert done.result.fault is None and judged(done.result)
    assert tampered(done, "flow_counters", 4) is not None
    assert tampered(done, "totals", 4, live=False) is None


def test_nobody_judges_where_it_is_not_known_which_packets_counted(tmp_path: Path) -> None:
    """A service whose oracle cannot forget, with records given up."""
    flows = flows_of_one_bucket(5)
    done = run_frames(
        tmp_path,
        [numbered(flow, 0) for flow in flows],
        gaps_ns=[5_000] * 5,
        service="builtin:services/nat",
        oboe={"options": {"inside": "0.0.0.0/0"}},
    )
    assert not judged(done.result)


@pytest.mark.parametrize("start", [0, 1, 4, 5])
def test_any_last_packets_explain_a_record(start: int) -> None:
    """A record of the packets from `start` on is right; one of any others, or of too many, is not."""
    flow = flows_of(1)[0]
    frames = [numbered(flow, n, length=60 + 2**n) for n in range(6)]
    arrivals = []
    for frame in frames:
        packet = read_packet(frame)
        assert not isinstance(packet, Malformed)
        arrivals.append(Arrival(frame, packet, (0, 0, 0, 0), 0, "n0", 0))

    def found(count: int, total: int) -> list[str]:
        observed = Observed(flows={"contexts": {flow: (count, total, 0, 0, 0, 0, count, total)}})
        return differing_records(SizedOracle(8), flow, arrivals, observed)

    sizes = [len(frame) for frame in frames]
    assert found(6 - start, sum(sizes[start:])) == []
    assert found(6 - start, sum(sizes[start:]) + 1) != []
    assert found(7 - start, sum(sizes[start:])) != []
    assert found(6 - start, sum(sizes[: 6 - start])) != [] or start == 0
