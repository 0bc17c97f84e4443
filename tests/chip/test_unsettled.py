"""Unsettled switches in the engine: the defaults, and a second engine compiled with all others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from ixp_emu.isa.unsettled import VARIABLE
from tests.chip.unsettled_programs import EXPECTED, OTHER_SETTINGS, measure

_ROOT = Path(__file__).resolve().parents[2]
_measured = cache(measure)


@cache
def _measured_otherwise() -> dict[str, int | list[int]]:
    settings = ",".join(f"{name}={value}" for name, value in OTHER_SETTINGS.items())
    result = subprocess.run(
        [sys.executable, "-m", "tests.chip.unsettled_programs"],
        env={**os.environ, VARIABLE: settings},
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    measured: dict[str, int | list[int]] = json.loads(result.stdout)
    return measured


def test_every_program_has_an_expectation_that_the_other_setting_changes() -> None:
    assert set(_measured()) == set(EXPECTED) == set(OTHER_SETTINGS)
    assert all(default != other for default, other in EXPECTED.values())


@pytest.mark.parametrize("name", EXPECTED)
def test_default(name: str) -> None:
    assert _measured()[name] == EXPECTED[name][0]


@pytest.mark.long  # compiles an engine of its own
@pytest.mark.parametrize("name", EXPECTED)
def test_other_setting(name: str) -> None:
    assert _measured_otherwise()[name] == EXPECTED[name][1]
