"""The page of results shows what its files hold, and no experiment in it has failed."""

from __future__ import annotations

from oboe_runtime.experiments.run import EXPERIMENTS
from tools.results_page import PAGE, documents, results_page


def test_the_page_is_that_of_the_files() -> None:
    assert PAGE.read_text(encoding="utf-8") == results_page(documents()), "python -m tools.results_page"


def test_every_experiment_has_a_result_without_a_fault() -> None:
    found = documents()
    assert {one.experiment for one in found if one.scale == "quick"} == set(EXPERIMENTS)
    assert [fault for one in found for fault in one.faults] == []


def test_every_run_delivered_or_lost_what_was_offered() -> None:
    for one in documents():
        for told, run in one.runs:
            assert run.delivered + sum(run.lost.values()) == run.offered, told
            assert run.fault is None
