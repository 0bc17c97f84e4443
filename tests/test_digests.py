"""The examples' reports are what they were, down to the last counter, but for what the host determines."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from tools import report_digests
from tools.report_digests import EXAMPLES, FOLDER, Digests, differences, digest_of, main, model_part, report_of

SHOWN = 5


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_reports_what_it_did(name: str) -> None:
    digests, found = Digests(FOLDER), report_of(name)
    if digest_of(found) != digests.digests[name]:
        first = "\n  ".join(islice(differences(digests.report(name), found), SHOWN))
        pytest.fail(f"examples/{name}.toml reports something else:\n  {first}", pytrace=False)


def test_every_example_has_a_digest_a_reason_and_the_report_of_that_digest() -> None:
    digests = Digests(FOLDER)
    assert set(digests.digests) == set(EXAMPLES)
    assert all(digests.reasons.values())
    for name, digest in digests.digests.items():
        assert digest_of(digests.report(name)) == digest
    assert {path.name for path in FOLDER.iterdir()} == {"reports.toml", *(f"{name}.json.gz" for name in EXAMPLES)}


def test_the_model_s_part_leaves_out_the_host() -> None:
    run = {"cycles": 7, "wall_seconds": 1.5, "instructions_per_second": 2.0, "slowdown": 3.0}
    config = {"hardware": {"dram": {"cas": 10}}, "programs": {"rx": {"source": "/home/somebody/rx.uc"}}}
    report = {"schema": 1, "version": "1.2.3", "config": config, "run": run, "chips": []}
    assert model_part(report) == {
        "hardware": {"dram": {"cas": 10}},
        "run": {"cycles": 7},
        "schema": 1,
        "chips": [],
    }


def test_differences_name_the_places() -> None:
    before = {"a": 1, "b": [1, {"c": 2}], "d": "x" * 80, "e": 0, "same": [1.5, None]}
    now = {"a": 1.0, "b": [1, {"c": 3}, 4], "d": "y", "f": True, "same": [1.5, None]}
    assert list(differences(before, now)) == [
        "a: 1.0, was 1",
        "b[1].c: 3, was 2",
        "b[2]: 4, was nothing",
        f'd: "y", was "{"x" * 56}...',
        "e: nothing, was 0",
        "f: true, was nothing",
    ]
    assert list(differences(before, before)) == []


def test_renewing_takes_a_reason_and_touches_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = {"one": {"x": 1}, "two": {"x": 2}}
    monkeypatch.setattr(report_digests, "EXAMPLES", dict.fromkeys(reports))
    monkeypatch.setattr(report_digests, "report_of", reports.__getitem__)
    assert main([" "], tmp_path) == 2
    assert capsys.readouterr().err == 'say why the model changed: python -m tools.report_digests "REASON"\n'
    assert list(tmp_path.iterdir()) == []
    assert main(["the", 'first "model"'], tmp_path) == 0
    reports["two"] = {"x": 3}
    assert main(["another rule"], tmp_path) == 0
    assert capsys.readouterr().out.splitlines() == ["one: renewed", "two: renewed", "one: unchanged", "two: renewed"]
    digests = Digests(tmp_path)
    assert digests.reasons == {"one": 'the first "model"', "two": "another rule"}
    assert (digests.report("one"), digests.report("two")) == ({"x": 1}, {"x": 3})
    del reports["one"]
    monkeypatch.setattr(report_digests, "EXAMPLES", dict.fromkeys(reports))
    assert main(["an example less"], tmp_path) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reports.toml", "two.json.gz"]
