"""What a run leaves beside its report reads back as the same configuration."""

from __future__ import annotations

import datetime
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ixp_emu.cluster.config import load_config
from ixp_emu.report.toml_text import toml_text
from tests.report.tiny import write_cluster

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALAR = TEXT | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUE: st.SearchStrategy[Any] = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)


@given(st.dictionaries(TEXT, VALUE, max_size=5))
def test_any_plain_data_reads_back(document: dict[str, Any]) -> None:
    assert tomllib.loads(toml_text(document)) == document


def test_a_configuration_reads_back(tmp_path: Path) -> None:
    config = load_config(write_cluster(tmp_path, "    nop\n"))
    again = tmp_path / "again.toml"
    again.write_text(toml_text(config.expanded()))
    assert load_config(again) == config


def test_dates_have_no_place_in_it() -> None:
    with pytest.raises(TypeError, match=r"datetime.date\(2026, 1, 2\) has no TOML form"):
        toml_text({"day": datetime.date(2026, 1, 2)})
