"""Numbers that microcode and host share are the same in both; what is reserved has the size that is stated."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from ixp_emu.cluster.build import build_images
from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.extension import open_extensions
from oboe_runtime.bundles import BundleTable
from oboe_runtime.config import read_config
from oboe_runtime.explain import explain
from oboe_runtime.layout import (
    BUNDLES,
    EXCEPTIONS,
    HOLD_DESCRIPTORS,
    HOLD_QUEUES,
    MESSAGE_TYPES,
    MOST_HEIRS,
    RESERVED,
    BundleEntry,
    BundleState,
)
from tests.oboe_runtime.oboe_runs import configuration

FOLDER = Path(str(files("microcode"))) / "oboe"
TRAFFIC = {"generator": "uniform", "into": ["n0.0"]}


def numbers_of(file: str, prefix: str = "") -> dict[str, int]:
    """Symbols that a source defines as plain numbers."""
    found = re.findall(rf"^#define {prefix}(\w+) (\d+)\b", (FOLDER / file).read_text(), re.MULTILINE)
    return {name: int(value) for name, value in found}


def test_messages_have_the_same_types_in_both() -> None:
    """Sixteen types in four bits, each with its number once."""
    symbols = numbers_of("message.uc", "MESSAGE_")
    assert {name: symbols[name] for name in MESSAGE_TYPES} == MESSAGE_TYPES
    assert sorted(MESSAGE_TYPES.values()) == list(range(16))


def test_moves_have_the_same_numbers_in_both() -> None:
    numbers = numbers_of("moves.uc")
    assert (numbers["HOLD_QUEUES"], numbers["HOLD_DESCRIPTORS"], numbers["EXCEPTIONS"]) == (
        HOLD_QUEUES,
        HOLD_DESCRIPTORS,
        EXCEPTIONS,
    )
    assert (HOLD_QUEUES, HOLD_DESCRIPTORS) == (8, 512)
    assert numbers_of("restart.uc")["MOST_HEIRS"] == MOST_HEIRS


@pytest.mark.parametrize("state", list(BundleState))
def test_an_entry_is_its_fields(state: BundleState) -> None:
    """Every field at its ends leaves the others as they are."""
    for worker in (0, 1, 15):
        for chip in (0, 1, 255):
            for epoch in (0, 1, 0xFFFF):
                entry = BundleEntry(state, worker, chip, epoch)
                word = entry.word()
                assert word == int(state) * 2**28 + worker * 2**24 + chip * 2**16 + epoch < 2**32
                assert BundleEntry.of(word) == entry
    with pytest.raises(ValueError, match="3 is not a valid BundleState"):
        BundleEntry.of(3 << 28)


@pytest.mark.parametrize("chips", [1, 3])
def test_memory_is_reserved_on_every_chip_and_explained(tmp_path: Path, chips: int) -> None:
    path = configuration(tmp_path, chips=chips, traffic=TRAFFIC, run={"offered_packets": 1})
    config = load_config(path)
    images = build_images(config, open_extensions(config))
    sizes = {
        "hold_queues": 16 * HOLD_QUEUES,
        "hold_packets": 16 * HOLD_QUEUES * HOLD_DESCRIPTORS,
        "exceptions": 32 * EXCEPTIONS,
    }
    assert sizes.keys() == RESERVED.keys()
    for image in images.values():
        assert {name: image.structures[name].size_bytes for name in sizes} == sizes
        assert image.structures["hold_queues"].location.memory == image.structures["hold_packets"].location.memory
    rows = {row.name: row for row in explain(path).reserved}
    assert {name: row.bytes for name, row in rows.items()} == sizes
    assert {name: row.purpose for name, row in rows.items()} == RESERVED
    assert rows["hold_packets"].memory == "sram0"  # where Q_array commands work


def test_all_bundles_begin_in_epoch_0(tmp_path: Path) -> None:
    path = configuration(tmp_path, chips=3, workers=2, traffic=TRAFFIC, run={"offered_packets": 1})
    entries = [BundleEntry.of(int(word)) for word in BundleTable(read_config(load_config(path))).entries()]
    assert entries == [BundleEntry(BundleState.NORMAL, n // 3 % 2, n % 3, 0) for n in range(BUNDLES)]
