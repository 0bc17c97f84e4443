"""Assembled programs kept on disk: the same program with and without, and never one that is out of date."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ixp_emu.assembler import Location, Program, assemble, link, parse
from ixp_emu.cluster import program_cache
from ixp_emu.cluster.build import build_images
from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.programs import load_program_source
from ixp_emu.errors import InputError

EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCE = """
#include "value.uc"
.structure table element_bytes=4 count=4 access=read sharing=chip
.reg a
.state_xfer r[1] table
#ifdef EXTRA
nop
#endif
immed[a, VALUE]
state_read[r, table, a, 0, 1]
ctx_arb[kill]
"""
LOCATION = {"table": Location("sram0", 64)}


class Counted:
    """Counts how often the assembler is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parsed = self.assembled = 0
        monkeypatch.setattr("ixp_emu.assembler.assembly.parse", self._counting("parsed", parse))
        monkeypatch.setattr("ixp_emu.assembler.assembly.assemble", self._counting("assembled", assemble))

    def _counting(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            setattr(self, name, getattr(self, name) + 1)
            return function(*arguments, **options)

        return counted

    def since(self) -> tuple[int, int]:
        """(parsed, assembled) since the last look."""
        counts = self.parsed, self.assembled
        self.parsed = self.assembled = 0
        return counts


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Counted:
    monkeypatch.setenv("IXPEMU_CACHE", str(tmp_path / "cache"))
    return Counted(monkeypatch)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "main.uc").write_text(SOURCE)
    (folder / "value.uc").write_text("#define VALUE 7\n")
    return folder / "main.uc"


def placed(
    source: Path, *, locations: Mapping[str, Location] = LOCATION, text: str | None = None, **defines: int
) -> Program:
    unplaced = load_program_source(str(source), name="p", chip_defines={}, own_defines=defines, text=text)
    return unplaced.placed(locations)


def fresh(source: Path, *, locations: Mapping[str, Location] = LOCATION, **defines: int) -> Program:
    parsed = parse(source, defines=defines, include_dirs=["builtin:"], name="p")
    return link(assemble(parsed, locations=locations), locations=locations, import_vars=defines)


def test_a_program_from_the_cache_is_that_of_the_assembler(source: Path, counted: Counted) -> None:
    assert placed(source) == fresh(source)
    assert counted.since() == (1, 1)
    assert placed(source) == fresh(source)
    assert counted.since() == (0, 0)


@pytest.mark.parametrize("example", ["forward.toml", "lengths.toml"])
def test_the_images_of_an_example_are_the_same(example: str, counted: Counted) -> None:
    config = load_config(EXAMPLES / example)
    first, again = build_images(config), build_images(config)
    parsed, assembled = counted.since()
    assert parsed > 0 and assembled > 0
    for chip, image in first.items():
        assert image.programs == again[chip].programs
        assert image.structures == again[chip].structures
    build_images(config)
    assert counted.since() == (0, 0)


def test_warnings_come_from_the_cache_too(source: Path, counted: Counted) -> None:
    source.write_text(SOURCE + "#warning look here\n#pragma nonsense\n")
    first, again = placed(source), placed(source)
    assert counted.since() == (1, 1)
    assert len(first.warnings) >= 2 and again.warnings == first.warnings


@pytest.mark.parametrize(
    ("file", "old", "new"), [("main.uc", "#ifdef EXTRA", "#ifndef EXTRA"), ("value.uc", "VALUE 7", "VALUE 8")]
)
def test_a_changed_file_is_read_again(file: str, old: str, new: str, source: Path, counted: Counted) -> None:
    before = placed(source)
    counted.since()
    path = source.with_name(file)
    path.write_text(path.read_text().replace(old, new))
    after = placed(source)
    assert counted.since() == (1, 1)
    assert after == fresh(source) and after.words != before.words


def test_a_file_that_stands_before_the_one_included_is_seen(
    source: Path, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ixp_emu.cluster.programs._INCLUDE_DIRS", (str(source.parent / "late"),))
    (source.parent / "late").mkdir()
    source.with_name("value.uc").rename(source.parent / "late" / "value.uc")
    before = placed(source)
    placed(source)
    assert counted.since() == (1, 1)
    source.with_name("value.uc").write_text("#define VALUE 9\n")
    assert placed(source).words != before.words
    assert counted.since() == (1, 1)


def test_every_define_counts(source: Path, counted: Counted) -> None:
    plain, more = placed(source), placed(source, EXTRA=1)
    assert counted.since() == (2, 2)
    assert len(more.words) == len(plain.words) + 1
    assert placed(source, EXTRA=1) == more
    placed(source, EXTRA=2)
    assert counted.since() == (1, 1)


def test_another_placement_is_another_program(source: Path, counted: Counted) -> None:
    elsewhere = {"table": Location("sram1", 64)}
    here, there = placed(source), placed(source, locations=elsewhere)
    assert counted.since() == (2, 2)  # the source is known, but not what it says
    assert (here, there) == (fresh(source), fresh(source, locations=elsewhere))
    assert here.words != there.words


def test_text_that_an_extension_makes_is_kept_by_its_content(source: Path, counted: Counted) -> None:
    text = "immed[a, 1]\nctx_arb[kill]\n"
    first = placed(source, locations={}, text=".reg a\n" + text)
    assert placed(source, locations={}, text=".reg a\n" + text) == first
    assert counted.since() == (1, 1)
    placed(source, locations={}, text=".reg a\n" + text.replace("1", "2"))
    assert counted.since() == (1, 1)


def test_errors_are_told_every_time(source: Path, counted: Counted) -> None:
    source.write_text("alu[nothing, nothing, +, 1]\n")
    for _ in range(2):
        with pytest.raises(InputError, match=r"main\.uc:1"):
            placed(source, locations={})
    assert counted.since()[1] == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
        lambda data: data + b"\0",
    ],
    ids=["empty", "half", "short", "bit", "long"],
)
def test_a_damaged_entry_is_none(damage: Callable[[bytes], bytes], source: Path, counted: Counted) -> None:
    first = placed(source)
    entries = sorted(program_cache.cache_folder().iterdir())
    assert len(entries) == 2
    for entry in entries:
        counted.since()
        entry.write_bytes(damage(entry.read_bytes()))
        assert placed(source) == first
        assert counted.since()[0] == 1
        assert placed(source) == first
        assert counted.since() == (0, 0)  # mended


def test_an_entry_of_another_shape_is_none(source: Path, counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    first = placed(source)
    small, large = sorted(program_cache.cache_folder().iterdir(), key=lambda path: path.stat().st_size)
    large.write_bytes(small.read_bytes())
    counted.since()
    assert placed(source) == first
    assert counted.since() == (1, 1)


def test_another_assembler_does_not_believe_the_entries(
    source: Path, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(source)
    monkeypatch.setattr(program_cache, "_assembler", lambda: "another")
    counted.since()
    placed(source)
    assert counted.since() == (1, 1)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_cannot_be_written(source: Path, counted: Counted) -> None:
    program_cache.cache_folder().mkdir(parents=True)
    program_cache.cache_folder().chmod(0o500)
    assert placed(source) == fresh(source)


def test_a_cache_that_is_no_folder(source: Path, counted: Counted, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    assert placed(source) == fresh(source)


def test_the_oldest_entries_go(source: Path, counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_cache, "MOST_ENTRIES", 6)
    for number in range(8):
        placed(source, EXTRA=number)
        assert len(list(program_cache.cache_folder().iterdir())) <= 6
    counted.since()
    placed(source, EXTRA=7)  # the newest is there
    assert counted.since() == (0, 0)
