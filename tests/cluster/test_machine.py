"""The machine: which chips share a worker, and that advancing it in any steps and ways gives the same state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ixp_emu.cluster.machine import EgressLog, Machine
from tests.cluster.forwarder import new_run

CHIP_D = "chips.{name}={{ like = 'a' }}"


@pytest.mark.parametrize(
    ("latency_ns", "threads", "workers"),
    [(500, 1, 1), (500, 2, 2), (500, 5, 2), (498, 2, 1), (499, 2, 1)],  # 300 cycles of 5/3 ns
)
def test_chips_joined_by_less_than_300_cycles_share_a_worker(latency_ns: int, threads: int, workers: int) -> None:
    run = new_run(f"links.ab.latency_ns={latency_ns}", threads=threads, packets=2)
    assert run.machine.threads == workers
    run.machine.close()


def test_linked_groups_stay_together_whatever_threads_there_are() -> None:
    links = "links={ ab = { between = ['a.2', 'b.2'] }, cd = { between = ['c.2', 'd.2'], latency_ns = 100 } }"
    run = new_run(CHIP_D.format(name="c"), CHIP_D.format(name="d"), links, threads=3, packets=2)
    groups = sorted(members.tolist() for members in run.machine._groups)
    assert groups == [[0], [1], [2, 3]]
    run.machine.close()


@pytest.mark.parametrize(
    ("threads", "groups"),
    # chips 1 and 2 are close; the others are dealt out in their order, as even as it goes
    [(1, [[0, 2, 4, 1, 3, 5]]), (2, [[0, 2, 1], [3, 5, 4]]), (3, [[1, 2], [0, 3], [4, 5]])],
)
def test_workers_take_neighbours_and_no_linked_chips_after_each_other(threads: int, groups: list[list[int]]) -> None:
    between = {"ab": 1_000, "bc": 100, "cd": 1_000, "de": 1_000, "ef": 1_000}
    ports = {
        "ab": ("a.1", "b.1"),
        "bc": ("b.2", "c.1"),
        "cd": ("c.2", "d.1"),
        "de": ("d.2", "e.1"),
        "ef": ("e.2", "f.1"),
    }
    links = ", ".join(
        f"{name} = {{ between = ['{ports[name][0]}', '{ports[name][1]}'], latency_ns = {latency} }}"
        for name, latency in between.items()
    )
    run = new_run(*(CHIP_D.format(name=name) for name in "cdef"), f"links={{ {links} }}", threads=threads, packets=2)
    assert [members.tolist() for members in run.machine._groups] == groups
    run.machine.close()


def state(machine: Machine) -> list[Any]:
    """What chips hold that is no host address and no way of getting there."""
    names = ("scratch", "references", "latency_bins", "structure_wait", "ring_count", "rbuf", "tbuf", "push_grants")
    parts: list[Any] = [machine.chips[name].tobytes() for name in names]
    parts += [machine.chips["me"][name].tobytes() for name in ("file", "pc", "signals", "cam_tag", "lm_word", "csr")]
    for memories in machine.memories:
        parts += [words[: 1 << 18].tobytes() for words in memories.words.values()]
    return parts


@pytest.mark.parametrize("way", ["one worker", "all workers", "either"])
def test_steps_and_workers_do_not_show_in_the_state(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = new_run()
    left = whole.machine.advance(150_000)
    other = new_run(threads=2)
    if way == "either":  # change over at every piece, and make pieces of the steps
        monkeypatch.setattr("ixp_emu.cluster.workers.TRIAL_SECONDS", 0.0)
        monkeypatch.setattr("ixp_emu.cluster.workers.KEPT_SECONDS", 0.0)
        monkeypatch.setattr("ixp_emu.cluster.workers._LEAST_CYCLES", 1_000)
    logs: list[tuple[int, EgressLog]] = []
    until = 0
    for step in [1, 2, 599, 600, 601, 7_777, 50_000, 150_000]:
        until = min(until + step, 150_000)
        if way == "either":
            logs += other.machine.advance(until)
        else:
            other.machine._advance(until, logs, alone=way == "one worker")
        assert other.machine.chips["published"].tolist() == [until, until]
    other.machine.close()
    assert until == 150_000
    assert state(other.machine) == state(whole.machine)
    for chip in (0, 1):  # the same frames at the same times
        for column in ("time", "digest", "port"):
            seen = [np.concatenate([getattr(log, column) for at, log in some if at == chip]) for some in (left, logs)]
            assert seen[0].tolist() == seen[1].tolist()


def test_a_full_egress_log_is_emptied_and_shows_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = new_run()
    whole.run()
    monkeypatch.setattr("ixp_emu.cluster.machine._EGRESS_ROWS", 3)
    for threads in (1, 2):
        run = new_run(threads=threads)
        run.run()
        run.machine.close()
        assert run.left_frames == whole.left_frames == 300
        assert run.now == whole.now
        assert state(run.machine) == state(whole.machine)
