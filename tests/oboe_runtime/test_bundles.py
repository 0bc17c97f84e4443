"""Who takes over the bundles of a chip that is down."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ixp_emu.cluster.config import load_config
from oboe_runtime.bundles import BundleTable
from oboe_runtime.config import read_config
from oboe_runtime.layout import BUNDLES, MOST_HEIRS, slices_per_chip
from tests.oboe_runtime.oboe_runs import configuration


@pytest.mark.parametrize("chips", [1, 2, 3, 4, 7, 10])
def test_heirs_share_the_bundles_of_each_chip_evenly(tmp_path: Path, chips: int) -> None:
    """The others in turn, each once, then none; and they have room for all of them where there are three or more."""
    path = configuration(
        tmp_path, chips=chips, traffic={"generator": "uniform", "into": ["n0.0"]}, run={"offered_packets": 1}
    )
    table = BundleTable(read_config(load_config(path)))
    lists = [[int(word) >> 4 * place & 0xF for place in range(MOST_HEIRS)] for word in table.heirs()]
    owners = [int(owner.chip[1:]) for owner in table.owners]
    for owner, heirs in zip(owners, lists, strict=True):
        others = min(chips - 1, MOST_HEIRS)
        assert len(set(heirs[:others])) == others and owner not in heirs[:others]
        assert heirs[others:] == [owner] * (MOST_HEIRS - others)
    owned = Counter(owners)
    for chip in range(chips) if chips > 1 else ():
        inherited = Counter(heirs[0] for owner, heirs in zip(owners, lists, strict=True) if owner == chip)
        assert len(inherited) == chips - 1 and max(inherited.values()) - min(inherited.values()) <= 1
        fits = all(owned[heir] + count <= slices_per_chip(chips) for heir, count in inherited.items())
        assert fits == (chips > 2)
    assert sum(owned.values()) == BUNDLES
    assert [int(table.free_slice(f"n{chip}")[0]) for chip in range(chips)] == [owned[chip] for chip in range(chips)]
