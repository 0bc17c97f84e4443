"""Commutative states: totals of several chips are exact in the end, and what is read is not older than the bound."""

from __future__ import annotations

from pathlib import Path

import pytest

from ixp_emu.errors import InputError
from oboe_runtime.declaration import read_declaration
from oboe_runtime.harvest import observe
from oboe_runtime.merging import check_merges, merged_states
from tests.oboe_runtime.oboe_runs import OboeRun, flows_of, numbered, run_frames

LIMIT = Path(__file__).parent / "services" / "limit"
PACKETS = 300
GAP_NS = 5_000
PERIOD_US = 200


def run_limit(folder: Path, chips: int, **oboe: object) -> OboeRun:
    flows = flows_of(30)
    frames = [numbered(flows[number % 30], number // 30) for number in range(PACKETS)]
    return run_frames(
        folder,
        frames,
        gaps_ns=[GAP_NS] * PACKETS,
        into=[f"n{number}.0" for number in range(chips)],
        service=str(LIMIT),
        chips=chips,
        workers=2,
        control=True,
        oboe=oboe,
    )


@pytest.mark.parametrize("category", ["commutative", "strict"])
@pytest.mark.parametrize("chips", [1, 2, 3])
def test_totals_are_exact_and_read_in_time(tmp_path: Path, chips: int, category: str) -> None:
    """Nobody expects drops here, so the run calls them a fault; what matters is how many there are.

    On one chip, and strict, every packet sees all before it but those under way; else totals may be two periods old.
    """
    done = run_limit(tmp_path, chips, categories={"count": category})
    dropped = done.result.lost["exceeded"]
    late = PACKETS - 100 - dropped
    behind = 2 * PERIOD_US * 1_000 // GAP_NS if category == "commutative" and chips > 1 else 0
    under_way = 16 * chips
    assert 0 <= late <= behind + under_way
    extension = done.run.extensions["oboe"]
    seen = observe(done.result, extension.oboe, extension.bundles)  # type: ignore[attr-defined]
    assert seen.entries["count"].tolist() == [[0, 0], [0, 0], [PACKETS, PACKETS // 2]]


def changed(folder: Path, file: str, old: str, new: str) -> str:
    """The limit service with a change."""
    for name in ("service.toml", "operations.uc", "service.uc"):
        text = (LIMIT / name).read_text()
        assert name != file or old in text
        (folder / name).write_text(text.replace(old, new) if name == file else text)
    return str(folder)


def test_other_merges_than_add_are_refused(tmp_path: Path) -> None:
    declaration = read_declaration(changed(tmp_path, "service.toml", '"add"', '"max"'))
    with pytest.raises(InputError) as caught:
        check_merges(declaration)
    assert str(caught.value) == (
        f'{tmp_path}/service.toml: state.count.merge: "max" as commutative: the memories have no command that does it '
        'to a longword at once; "add" has one'
    )


def test_reading_and_merging_at_once_is_refused_on_several_chips(tmp_path: Path) -> None:
    text = "    entry_read[0, packets]\n"
    both = f"{text}    entry_merge[0, packets]\n"
    changed(tmp_path, "operations.uc", text, both)
    toml = (tmp_path / "service.toml").read_text()
    (tmp_path / "service.toml").write_text(toml.replace('count_of = "reads"', 'count_of = "updates"'))
    declaration = read_declaration(str(tmp_path))
    assert merged_states(declaration, chips=1) == []
    with pytest.raises(InputError) as caught:
        merged_states(declaration, chips=2)
    line = (tmp_path / "operations.uc").read_text().split("\n").index("state_op count_of(entry; ; packets)") + 2
    assert str(caught.value) == (
        f"{tmp_path}/operations.uc:{line}: operation 'count_of' reads and merges: a commutative state on several chips "
        "is read at its home and changed everywhere"
    )
