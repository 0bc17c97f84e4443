"""A saved state costs what was touched: a page of memory is in it from the first byte written there on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ixp_emu.chip.layout import DRAM, PAGE_SHIFT, SRAM0
from ixp_emu.cluster.checkpoint import save_checkpoint
from ixp_emu.cluster.run import ClusterRun
from ixp_emu.cluster.snapshot import take_snapshot
from tests.report.tiny import run_of, write_cluster

PAGE = 1 << PAGE_SHIFT


def writer(directory: Path, addresses: list[int]) -> ClusterRun:
    """A chip that has written a quadword of DRAM and a longword of SRAM at each address."""
    lines = [".reg write $data", ".reg write $$pair[2]", ".reg high low", ".sig done, moved"]
    lines += ["    immed[$data, 1]", "    immed[$$pair[0], 1]", "    immed[$$pair[1], 1]"]
    for address in addresses:
        lines += [f"    immed[low, {address & 0xFFFF:#x}]", f"    immed_w1[low, {address >> 16:#x}]"]
        lines += ["    sram[write, $data, low, 0, 1], sig_done[done]"]
        lines += ["    dram[write, $$pair[0], low, 0, 1], sig_done[moved]", "    ctx_arb[done, moved]"]
    file = write_cluster(directory, "\n".join([*lines, "end#:", "    ctx_arb[kill]", "    br[end#]", ""]), cycles=9_000)
    run = run_of(file)
    assert run.fault is None
    return run


@pytest.mark.parametrize(
    ("addresses", "pages"),
    [
        ([0], 1),
        ([0, PAGE - 8], 1),
        ([0, PAGE], 2),
        ([PAGE - 8, PAGE, 2 * PAGE - 8, 2 * PAGE], 3),
    ],
)
def test_a_written_page_is_saved_whole_and_no_other(tmp_path: Path, addresses: list[int], pages: int) -> None:
    run = writer(tmp_path, addresses)
    arrays = take_snapshot(run).arrays
    for target in (SRAM0, DRAM):
        assert arrays[f"pages.0.{target}"].tolist() == sorted({address >> PAGE_SHIFT for address in addresses})
        assert arrays[f"words.0.{target}"].nbytes == pages * PAGE


def test_one_page_more_makes_the_file_one_page_longer(tmp_path: Path) -> None:
    """Pages of random bytes, which no compression makes shorter."""
    run = writer(tmp_path, [0])
    rng = np.random.default_rng(4)
    words = run.machine.memories[0].words[DRAM].reshape(-1, PAGE // 4)
    sizes = []
    for page in range(5):
        words[page] = rng.integers(0, 1 << 32, PAGE // 4, dtype=np.uint32)
        run.machine.chips[0]["dirty_dram"][page] = 1
        save_checkpoint(run, tmp_path / "saved")
        sizes.append((tmp_path / "saved").stat().st_size)
    growth = np.diff(sizes)
    assert (np.abs(growth - PAGE) < PAGE // 64).all()


def test_of_records_only_what_is_not_zero_is_saved(tmp_path: Path) -> None:
    run = writer(tmp_path, [0])
    before = take_snapshot(run).arrays["chips.bytes"].nbytes
    record = run.machine.chips[0]["port"][9]["tx_data"]
    assert not record.any()
    record[: len(record) // 2] = 1
    grown = take_snapshot(run).arrays["chips.bytes"].nbytes - before
    assert 0 <= grown - len(record) // 2 <= 2 * 4_096
