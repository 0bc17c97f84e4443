"""The choice between one worker and all of them, on a host whose speeds are given."""

from __future__ import annotations

import pytest

from ixp_emu.cluster.workers import _LEAST_CYCLES, KEPT_SECONDS, TRIAL_SECONDS, WorkerChoice


def advance(choice: WorkerChoice, most: int, *, alone: float, together: float) -> list[tuple[bool, int]]:
    """Advance so many cycles on a host that makes so many a second; gives (alone, cycles) of every piece."""
    pieces = []
    while most:
        piece = choice.cycles(most)
        assert 0 < piece <= most
        pieces.append((choice.alone, piece))
        choice.ran(piece, piece / (alone if choice.alone else together))
        most -= piece
    return pieces


@pytest.mark.parametrize(("alone", "together", "chosen"), [(1e7, 1.9e7, False), (1e7, 0.9e7, True), (1e7, 1e7, False)])
def test_both_ways_are_timed_and_the_faster_goes_on(alone: float, together: float, chosen: bool) -> None:
    pieces = advance(WorkerChoice(), 10_000_000, alone=alone, together=together)
    assert [way for way, _ in pieces] == [True, True, False, False, chosen]
    for number, speed in ((0, alone), (2, together)):
        assert pieces[number][1] == _LEAST_CYCLES  # to see how fast it is
        trial = pieces[number][1] + pieces[number + 1][1]
        assert trial == pytest.approx(TRIAL_SECONDS * speed, rel=0.01)


def test_short_advances_add_up_to_a_trial() -> None:
    choice, speed = WorkerChoice(), 1e7
    ways = [advance(choice, 1_000, alone=speed, together=2 * speed)[0][0] for _ in range(700)]
    assert ways.index(False) == pytest.approx(TRIAL_SECONDS * speed / 1_000, abs=1)
    assert not any(ways[ways.index(False) :])


def test_the_choice_is_made_anew_when_the_host_changes() -> None:
    choice = WorkerChoice()
    kept = int(KEPT_SECONDS * 2e7)
    advance(choice, 1_000_000, alone=1e7, together=2e7)
    assert advance(choice, kept, alone=1e7, together=2e7)[-1][0] is False
    pieces = advance(choice, kept, alone=1e7, together=0.5e7)
    assert pieces[0][0] is True  # a trial
    assert pieces[-1] == (True, pieces[-1][1]) and pieces[-1][1] > kept / 2


def test_a_run_shorter_than_a_trial_wakes_no_thread() -> None:
    pieces = advance(WorkerChoice(), int(0.9 * TRIAL_SECONDS * 1e7), alone=1e7, together=2e7)
    assert all(alone for alone, _ in pieces)
