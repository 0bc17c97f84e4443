"""One chip whose packets hop to itself over a cable between two of its ports: a baseline that carries hops."""

from __future__ import annotations

from pathlib import Path

import pytest

from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.run import ClusterRun
from ixp_emu.errors import InputError
from ixp_emu.report.build import build_report
from oboe_runtime.expectation import hash_of_flow
from oboe_runtime.layout import BUNDLES, bundle_of
from tests.oboe_runtime.oboe_runs import OboeRun, configuration, flows_of, numbered, run_frames

LOOP = ["[links.loop]", 'between = ["n0.2", "n0.3"]']


def looped(folder: Path, hops: int, *, order: str = "pinned") -> tuple[OboeRun, list[bytes], list[int]]:
    """40 flows, two packets of each, slow enough that none is lost; and each packet's bundle."""
    flows = flows_of(40)
    sent = [(flow, number) for number in (1, 2) for flow in flows]
    frames = [numbered(flow, number) for flow, number in sent]
    done = run_frames(
        folder,
        frames,
        gaps_ns=[3_000] * len(frames),
        workers=2,
        more_ports=2,
        oboe={"loop_back": hops, "order": order},
        lines=LOOP,
    )
    return done, frames, [bundle_of(hash_of_flow(flow, "directed")) for flow, _ in sent]


@pytest.mark.parametrize("order", ["pinned", "ordered"])
@pytest.mark.parametrize("hops", [2, 4, 16])
def test_packets_hop_whose_bundle_would_live_elsewhere(tmp_path: Path, hops: int, order: str) -> None:
    """As many as in a cluster of so many chips, where bundles are dealt out in turn; each hops once."""
    done, frames, bundles = looped(tmp_path, hops, order=order)
    assert done.result.fault is None and done.result.lost == {}
    assert sorted(frame[: len(frames[0])] for frame in done.left["n0", 1]) == sorted(frames)
    table = done.words("n0", "bundle_table")[:, 0] >> 16 & 0xFF
    assert [bool(chip) for chip in table.tolist()] == [bundle % hops != 0 for bundle in range(BUNDLES)]
    ways = [int((table == number).sum()) for number in (1, 2)]
    assert sum(ways) == BUNDLES - BUNDLES // hops and abs(ways[0] - ways[1]) <= BUNDLES // hops
    crossed = [link.frames for link in build_report(done.result).links]
    assert len(crossed) == 2 and sum(crossed) == sum(bundle % hops != 0 for bundle in bundles)
    assert [late for _, _, late, _ in done.states("progress").values()] == [0] * 40


@pytest.mark.parametrize(
    ("chips", "lines"),
    [(1, []), (2, []), (2, ["[links.loop]", 'between = ["n0.3", "n0.4"]'])],
)
def test_it_takes_one_chip_with_a_cable_of_its_own(tmp_path: Path, chips: int, lines: list[str]) -> None:
    path = configuration(
        tmp_path,
        traffic={"into": ["n0.0"], "generator": "uniform", "rate": "line"},
        chips=chips,
        more_ports=3,
        oboe={"loop_back": 2},
        lines=lines,
        run={"offered_packets": 10},
    )
    with pytest.raises(InputError) as refused:
        ClusterRun(load_config(path))
    line = path.read_text().splitlines().index("loop_back = 2") + 1
    assert str(refused.value) == (
        f"{path}:{line}: oboe.loop_back: for one chip, with one link between two of its own ports"
    )
