"""Translated programs do what interpreted ones do: registers, flags, times, counters."""

from __future__ import annotations

import ctypes
import random
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ixp_emu.bench.programs import PROGRAMS
from ixp_emu.chip import machine_code
from ixp_emu.chip import translate as translation
from ixp_emu.chip.codes import ROW_PLAIN
from ixp_emu.chip.control_store import write_word
from ixp_emu.chip.layout import MICROENGINE, SLOTS
from ixp_emu.chip.rows import build_rows
from ixp_emu.chip.translate import Translator, translate, translate_programs, without_translations
from ixp_emu.errors import InputError
from tests.chip.one_chip import OneChip, words_of
from tests.chip.test_agreement import VARIANTS, pair_of

_ADDRESSES = ("code", "memory", "egress_rows", "egress_arena")


def _differences(left: Any, right: Any) -> list[str]:
    """Fields of two chips' records that differ, but for addresses of the host and steps of the engine."""
    names = [name for name in left.dtype.names if name not in (*_ADDRESSES, "steps", "port", "me")]
    found = [name for name in names if not np.array_equal(left[name], right[name])]
    found += [
        f"me.{name}" for name in left["me"].dtype.names if not np.array_equal(left["me"][name], right["me"][name])
    ]
    counters = ("frames_in", "frames_out", "bytes_out", "rx_bytes", "tx_bytes", "rx_time")
    return found + [f"port.{name}" for name in counters if not np.array_equal(left["port"][name], right["port"][name])]


def _untranslated(chips: npt.NDArray[Any]) -> None:
    chips["code"] = 0


@pytest.mark.parametrize("name", ["forwarder", "compute", "memory_scratch", "memory_dram", "ring_ping_pong"])
def test_programs_of_the_benchmark(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut at cycles where translations must give way to the interpreter in the middle of a stretch."""
    monkeypatch.setenv("IXPEMU_TRANSLATE", "never")
    program = next(program for program in PROGRAMS if program.name == name)
    interpreted, translated = program.load(100_000), program.load(100_000)
    _untranslated(interpreted.chips)
    assert translated.chips["code"].any()
    for until in (1, 777, 778, 20_001, 20_002, 20_005, 99_999):
        interpreted.advance(until)
        translated.advance(until)
        assert _differences(interpreted.chips[0], translated.chips[0]) == []
    assert not interpreted.chips["code"].any()


def _agree(seed: int, *, features: float) -> None:
    overrides = VARIANTS[seed % len(VARIANTS)]
    pair = pair_of(
        seed, (0, 5 if seed % 2 else 1), steps=40, features=features, overrides=overrides, four=seed % 3 == 0
    )
    translate_programs(pair.chips)
    assert pair.chip["code"].any()
    cuts = sorted(random.Random(seed).sample(range(1, 4_000), 3))
    for until in (*cuts, 4_000):
        pair.run(until)
        assert pair.differences(until) == []


@pytest.mark.parametrize("seed", range(30_000, 30_012))
def test_random_programs_agree_with_the_reference(seed: int) -> None:
    _agree(seed, features=0.7 if seed % 2 else 0.0)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(31_000, 31_150))
def test_more_random_programs_agree_with_the_reference(seed: int) -> None:
    _agree(seed, features=0.7 if seed % 2 else 0.0)


_STRAIGHT = """\
.reg a b
immed[a, 5]
alu[b, a, +, 3]
alu[a, b, -, a]
ctx_arb[kill]
"""


def _call(rows: npt.NDArray[Any], *, pc: int, time: int, until: int) -> tuple[int, Any]:
    """Run a translation on a zeroed ME; the address is called as the engine does."""
    me = np.zeros(1, MICROENGINE)
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, *([ctypes.c_int64] * 5))
    return kind(translate(rows))(me.ctypes.data, 0, 0, pc, time, until), me[0]


def test_a_stretch_runs_if_it_ends_before_the_run_does() -> None:
    """Three rows from cycle 10 on take cycles 10, 11 and 12."""
    rows = build_rows(words_of(_STRAIGHT))
    assert [bool(row["flags"] & ROW_PLAIN) for row in rows] == [True, True, True, False]
    pc, me = _call(rows, pc=0, time=10, until=13)
    assert (pc, int(me["time"]), int(me["result"])) == (3, 13, 3)
    pc, me = _call(rows, pc=0, time=10, until=12)
    assert (pc, int(me["time"]), int(me["result"])) == (0, 10, 0)


def test_what_is_no_entry_is_left_alone() -> None:
    rows = build_rows(words_of(_STRAIGHT))
    assert _call(rows, pc=3, time=0, until=100)[0] == 3
    assert _call(rows, pc=1 | SLOTS, time=0, until=100)[0] == 1 | SLOTS


def test_code_is_cached_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_code, "FOLDER", tmp_path)
    monkeypatch.setattr(translation, "_CODES", {})
    rows = build_rows(words_of(_STRAIGHT.replace("5", "77")))
    assert translate(rows, cached_only=True) == 0
    assert translate(rows) != 0
    assert len(list((tmp_path / "programs").iterdir())) == 1
    monkeypatch.setattr(translation, "_CODES", {})
    monkeypatch.setattr(translation, "_compile", lambda rows: pytest.fail("compiled again"))
    assert translate(rows, cached_only=True) != 0


def test_a_changed_program_is_not_run_by_its_old_translation() -> None:
    one = OneChip({0: _STRAIGHT})
    translate_programs(one.chips)
    assert one.chip["code"][int(one.chip["me"]["store"][0])] != 0
    write_word(one.chip, 0, 0, words_of(".reg a\nimmed[a, 6]\n")[0])
    assert one.chip["code"][int(one.chip["me"]["store"][0])] == 0


def test_saved_states_hold_no_addresses() -> None:
    one = OneChip({0: _STRAIGHT})
    translate_programs(one.chips)
    before = one.chips["code"].copy()
    with without_translations(one.chips):
        assert not one.chips["code"].any()
    assert np.array_equal(one.chips["code"], before)


def test_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Always: at once. Never: not at all. Else: after the time that makes it pay, from 3 s on."""
    one = OneChip({0: _STRAIGHT.replace("5", "91")})
    monkeypatch.setattr(translation, "translate", lambda rows, *, cached_only: 0 if cached_only else 4096)
    monkeypatch.setenv("IXPEMU_TRANSLATE", "never")
    never = Translator(one.chips)
    never.ran(10.0)
    never.keep()
    assert not one.chips["code"].any()
    monkeypatch.setenv("IXPEMU_TRANSLATE", "auto")
    auto = Translator(one.chips)
    auto.keep()
    auto.ran(2.9)
    auto.keep()
    assert not one.chips["code"].any()
    auto.ran(0.2)
    auto.keep()
    assert one.chips["code"].any()
    one.chips["code"] = 0
    monkeypatch.setenv("IXPEMU_TRANSLATE", "always")
    Translator(one.chips).keep()
    assert one.chips["code"].any()
    one.chips["code"] = 0
    monkeypatch.setenv("IXPEMU_TRANSLATE", "yes")
    with pytest.raises(InputError, match="IXPEMU_TRANSLATE: 'yes': must be auto, always or never"):
        Translator(one.chips)
