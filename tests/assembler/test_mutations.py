"""Damaged copies of the shipped programs: a program or an error with its place, within 5 s and 1 GB."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.assembler.mutations import MICROCODE, SOURCES, damaged

ROOT = Path(__file__).parents[2]
FEW, MANY = 9, 200  # every kind of mutation comes first once in nine seeds


def assert_all_well(source: str, first: int, last: int) -> None:
    command = [sys.executable, "-m", "tests.assembler.mutations", source, str(first), str(last)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60 + 20 * (last - first))
    except subprocess.TimeoutExpired as late:
        started = (late.stdout or b"").decode().splitlines()
        pytest.fail(f"{source}: stuck at {started[-1] if started else 'the start'}")
    ending = [line for line in done.stdout.splitlines() if not line.startswith("seed ")]
    assert (done.returncode, ending, done.stderr) == (0, ["all well"], "")
    assert done.stdout.count("seed ") == last - first


@pytest.mark.parametrize("source", SOURCES)
def test_a_few_damaged_copies(source: str) -> None:
    assert_all_well(source, 0, FEW)


@pytest.mark.long
@pytest.mark.parametrize("source", SOURCES)
def test_many_damaged_copies(source: str) -> None:
    assert_all_well(source, FEW, MANY)


def test_every_shipped_program_takes_part() -> None:
    assert {"firmware/rx.uc", "firmware/tx.uc", "services/forward/forward.uc"} < set(SOURCES)


def test_damage_is_damage_and_repeatable() -> None:
    text = (MICROCODE / SOURCES[0]).read_bytes()
    copies = [damaged(text, seed) for seed in range(100)]
    assert copies == [damaged(text, seed) for seed in range(100)]
    assert sum(copy != text for copy in copies) > 90
    assert len(set(copies)) > 90
