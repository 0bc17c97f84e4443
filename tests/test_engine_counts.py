"""The benchmark's programs by count: the model does exactly what it did, and the engine needs no more steps for it.

Unlike the bounds of ``test_bench``, which say what the design promises, these say what has been reached.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ixp_emu.bench.programs import PROGRAMS, BenchProgram
from ixp_emu.chip.layout import AGENTS
from tools.engine_counts import COUNTS, KINDS, counts_of, main, table_of

RECORDED: Mapping[str, Mapping[str, int]] = tomllib.loads(COUNTS.read_text(encoding="utf-8"))
EXACT = ("instructions", "commands")
CUTS = 1.001
"""A run is cut into slices by the host's time, and an ME or port that is cut takes a step more."""
HOW = "python -m tools.engine_counts renews the counts"


def complaints(recorded: Mapping[str, int], found: Mapping[str, int]) -> Iterator[str]:
    """What is wrong with a program's counts."""
    for key in EXACT:
        if found[key] != recorded[key]:
            yield f"{key}: {found[key]:,}, recorded {recorded[key]:,}"
    steps, allowed = (sum(counts[kind] for kind in KINDS) for counts in (found, recorded))
    if steps > CUTS * allowed:
        more = [f"{kind} {found[kind]:,} for {recorded[kind]:,}" for kind in KINDS if found[kind] > recorded[kind]]
        yield f"engine steps: {steps:,}, at most {allowed:,}: {', '.join(more)}"


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_program_takes_its_steps_and_no_more(program: BenchProgram) -> None:
    found = list(complaints(RECORDED[program.name], counts_of(program)))
    if found:
        pytest.fail("; ".join([*found, HOW]), pytrace=False)


def test_every_program_is_recorded_with_all_its_kinds() -> None:
    assert list(RECORDED) == [program.name for program in PROGRAMS]
    for counts in RECORDED.values():
        assert list(counts) == [*EXACT, *KINDS]
        assert counts["instructions"] > 0


def test_the_kinds_are_all_agents_once() -> None:
    assert [agent for agents in KINDS.values() for agent in range(AGENTS)[agents]] == list(range(AGENTS))


def test_steps_may_shrink_and_shift_but_not_grow() -> None:
    recorded = {"instructions": 50, "commands": 9, **dict.fromkeys(KINDS, 10)}
    assert list(complaints(recorded, recorded)) == []
    assert list(complaints(recorded, recorded | {"units": 9})) == []
    assert list(complaints(recorded, recorded | {"units": 9, "pull_buses": 11})) == []
    assert list(complaints(recorded, recorded | {"units": 9, "pull_buses": 12, "commands": 8})) == [
        "commands: 8, recorded 9",
        "engine steps: 81, at most 80: pull_buses 12 for 10",
    ]


def test_the_file_is_what_the_tool_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert table_of(RECORDED) == COUNTS.read_text(encoding="utf-8")
    monkeypatch.setattr("tools.engine_counts.counts_of", lambda program: RECORDED[program.name])
    main(tmp_path / "counts.toml")
    assert (tmp_path / "counts.toml").read_text() == COUNTS.read_text(encoding="utf-8")
