"""The engine's way through numba: what a kernel reaches is linked once, Python cannot call a callee, progress."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from ixp_emu.chip import machine_code
from ixp_emu.chip.compile import progress_shown
from ixp_emu.chip.compiled import compiled, kernel, s64, small
from ixp_emu.chip.progress import Progress, watch_compilation


@small
def _double(value: int) -> int:
    return s64(value + value)


@compiled
def _quadruple(value: int) -> int:
    return _double(_double(value))


@compiled
def _sum_to(count: int) -> int:
    total = 0
    for value in range(count):
        total += _quadruple(value)
    return total


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_code, "FOLDER", tmp_path)


def test_a_kernel_links_callees_of_callees_however_often_they_are_called() -> None:
    @kernel
    def both(count: int) -> int:
        return _sum_to(count) + _double(count)

    assert both(10) == 4 * 45 + 20


def test_a_callee_that_only_another_kernel_called_before_is_linked_again() -> None:
    @kernel
    def first(value: int) -> int:
        return _quadruple(value)

    @kernel
    def second(value: int) -> int:
        return _quadruple(value) + 1

    assert (first(3), second(3)) == (12, 13)


def test_python_cannot_call_what_is_compiled_for_kernels() -> None:
    with pytest.raises(TypeError):
        _double(1)


def test_a_kernel_is_loaded_from_its_cache_without_compiling(tmp_path: Path) -> None:
    def body(value: int) -> int:
        return _quadruple(value) + 7

    assert kernel(body)(2) == 15
    assert list(tmp_path.rglob("*.o"))
    seen: list[Progress] = []
    with watch_compilation(seen.append):
        assert kernel(body)(2) == 15
    assert seen == []


def test_progress_counts_the_functions_of_a_kernel() -> None:
    @compiled
    def inner(value: int) -> int:
        return value * 3

    @compiled
    def outer(value: int) -> int:
        return inner(value) - 1

    @kernel
    def measured(value: int) -> int:
        return outer(value) + inner(value)

    seen: list[Progress] = []
    with watch_compilation(seen.append):
        assert measured(5) == 14 + 15
    assert {progress.kernel for progress in seen} == {"measured"}
    assert [(p.functions, p.optimising, p.finished) for p in seen] == [
        (0, False, False),
        (1, False, False),
        (2, False, False),
        (3, False, False),
        (3, True, False),
        (3, False, True),
    ]
    assert seen[-1].seconds > 0
    watched = len(seen)
    measured(6)
    assert len(seen) == watched


def test_progress_is_a_line_before_and_one_after_where_no_terminal_is() -> None:
    @kernel
    def told(value: int) -> int:
        return value + 1

    out = io.StringIO()
    with progress_shown(out):
        told(1)
    first, last = out.getvalue().splitlines()
    assert first == "ixpemu: compiling told, once; the result is kept"
    assert re.fullmatch(r"ixpemu: compiled told, 1 functions, in \d+\.\d s", last)
