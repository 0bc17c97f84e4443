"""Classify prepares a message before its turn, and in it looks at the entry again, which may have changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ixp_emu.cluster.build import structure_words
from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.frames import Frames
from ixp_emu.cluster.pcap import write_pcap
from ixp_emu.cluster.run import ClusterRun
from tests.oboe_runtime.oboe_runs import OboeRun, configuration, flows_of, numbered
from tests.oboe_runtime.test_order import break_source

EVERY_CYCLES = 300


def run_with_changing_epochs(folder: Path) -> OboeRun:
    """Two chips; every 300 cycles the epoch in all entries of the chip where packets come in counts up."""
    flows = flows_of(32)
    frames = [numbered(flow, number) for number in (1, 2, 3, 4) for flow in flows]
    capture = folder / "in.pcap"
    write_pcap(capture, Frames.from_bytes(frames), timestamp_ns=np.arange(len(frames), dtype=np.uint64))
    traffic = {"pcap": str(capture), "into": ["n0.0"], "rate": "line"}
    run = ClusterRun(load_config(configuration(folder, traffic=traffic, chips=2)))
    done = OboeRun(run)
    run.observer = done.observe
    entries = structure_words(
        run.machine.chips[0], run.machine.memories[0], run.images["n0"].structures["bundle_table"]
    )
    epoch = 0
    while run.now == EVERY_CYCLES * epoch:
        run.run(cycles=EVERY_CYCLES * (epoch + 1))
        epoch += 1
        entries[:] = entries >> 16 << 16 | epoch
    return done


def test_a_message_is_prepared_again_where_its_entry_has_changed(tmp_path: Path) -> None:
    """Each packet is worked on once, in order, by the chip of its bundle; both chips have some."""
    done = run_with_changing_epochs(tmp_path)
    assert done.result.fault is None and done.result.complete and done.result.lost == {}
    assert min(len(done.left[f"n{number}", 1]) for number in (0, 1)) > 20
    assert sum(len(left) for left in done.left.values()) == 128
    assert [late for _, _, late, _ in done.states("progress").values()] == [0] * 32


def test_and_it_does_happen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A context that finds its entry changed stops: with it, in its turn, the whole stage."""
    break_source(monkeypatch, "classify.uc", {"changed#:\n": "changed#:\n    ctx_arb[kill]\n"})
    assert not run_with_changing_epochs(tmp_path).result.complete
