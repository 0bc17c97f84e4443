"""Memory of the host: what is emulated but not touched costs nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec

from ixp_emu.bench.scaling import Scale, scaled_text

ROOT = Path(__file__).parents[2]
CHIPS, DRAM_BYTES, FRAMES = 64, 256 << 20, 6_400
LIMIT_BYTES = 4 << 30
PROBE = """
import json, sys
import numpy as np
from ixp_emu.bench.measure import peak_memory_bytes
from ixp_emu.chip.layout import CHIP, PAGE_SHIFT
from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.run import ClusterRun
from ixp_emu.report.build import build_report

HUGE_PAGE_SHIFT = 21
run = ClusterRun(load_config(sys.argv[1], overrides=sys.argv[2:]))
run.run()
report = build_report(run.result())
chips = run.machine.chips
# With huge pages each one that is touched counts whole: those written, and those of each table that was loaded.
huge = chips.nbytes >> HUGE_PAGE_SHIFT
for dirty in (chips["dirty_sram"].reshape(2 * len(chips), -1), chips["dirty_dram"]):
    chip, page = np.nonzero(dirty)
    huge += len(set(zip(chip.tolist(), (page >> HUGE_PAGE_SHIFT - PAGE_SHIFT).tolist())))
huge += 2 * sum(len(image.structures) for image in run.images.values())
print(json.dumps({
    "peak": peak_memory_bytes(),
    "huge": int(huge) << HUGE_PAGE_SHIFT,
    "dram": int(run.config.hardware["dram.size_bytes"]),
    "chips": len(chips),
    "delivered": report.traffic.delivered,
}))
"""


def test_64_chips_with_256_megabytes_of_dram_fit_in_4_gigabytes(tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text(scaled_text(Scale(CHIPS, 1_000)))
    overrides = (f"run.offered_packets={FRAMES}", f"hardware.dram.size_bytes={DRAM_BYTES}")
    command = [sys.executable, "-c", PROBE, str(tmp_path / "cluster.toml"), *overrides]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    found = msgspec.json.decode(done.stdout, type=dict[str, int])
    assert (found["chips"], found["dram"], found["delivered"]) == (CHIPS, DRAM_BYTES, FRAMES)
    assert CHIPS * DRAM_BYTES > LIMIT_BYTES  # untouched memory alone would not fit
    assert found["peak"] < LIMIT_BYTES
    assert found["huge"] + (512 << 20) < LIMIT_BYTES  # with Python, frames and the engine beside
