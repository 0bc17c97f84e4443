"""Commutative states: totals of several chips are exact in the end, and what is read is not older than the bound."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ixp_emu.errors import InputError
from oboe_runtime.declaration import EntryAccess, State, read_declaration
from oboe_runtime.harvest import observe
from oboe_runtime.merging import merge_at, merged_states
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


BURST = 32
PACKETS_OF_EXTREMES = 8 * BURST
EXTREMES = str(Path(__file__).parent / "services" / "extremes")


def run_extremes(
    folder: Path,
    chips: int,
    *,
    packets: int = PACKETS_OF_EXTREMES,
    lines: Sequence[str] = (),
    limit: int = 0xFFFF_FFFF,
    **oboe: object,
) -> OboeRun:
    """Bursts of 32 packets: contexts of several microengines merge different bits into one entry at once."""
    flows = flows_of(60)
    bits = random.Random(3).sample(range(32), 32)
    frames = [numbered(flows[n % 60], n // BURST % 3, loops=1 << bits[n % BURST]) for n in range(packets)]
    return run_frames(
        folder,
        frames,
        gaps_ns=[100_000 if n % BURST == 0 else 0 for n in range(packets)],
        into=[f"n{number}.0" for number in range(chips)],
        service=EXTREMES,
        chips=chips,
        workers=3,
        control=True,
        oboe={"options": {"limit": limit}, **oboe},
        lines=lines,
    )


@pytest.mark.parametrize("order", ["pinned", "ordered"])
@pytest.mark.parametrize("chips", [1, 2, 3])
def test_or_min_and_max_merge_as_well(tmp_path: Path, chips: int, order: str) -> None:
    done = run_extremes(tmp_path, chips, order=order)
    assert done.result.fault is None and done.result.lost == {}
    assert done.result.extensions["oboe"]["states_judged"]
    done.assert_clean()


@pytest.mark.parametrize("memory", ["scratch", "sram1", "dram"])
def test_or_min_and_max_in_any_memory(tmp_path: Path, memory: str) -> None:
    names = ("bits", "least", "greatest")
    done = run_extremes(tmp_path, 2, lines=["[placement]", *(f'{name} = "{memory}"' for name in names)])
    assert done.result.fault is None and done.result.extensions["oboe"]["states_judged"]


def test_or_and_max_may_be_strict(tmp_path: Path) -> None:
    done = run_extremes(tmp_path, 2, categories={"bits": "strict", "greatest": "strict"})
    assert done.result.fault is None and done.result.extensions["oboe"]["states_judged"]


def test_a_greatest_value_is_known_two_periods_later(tmp_path: Path) -> None:
    """Entry 1 passes the limit in the second burst; nobody expects drops here, so what counts is how many there are."""
    done = run_extremes(tmp_path, 2, limit=0)
    late = (2 * PERIOD_US // 100 + 2) * BURST  # the bursts of two periods
    assert PACKETS_OF_EXTREMES - late <= done.result.lost["exceeded"] < PACKETS_OF_EXTREMES


def test_without_its_lock_a_merge_loses_what_others_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above can fail: the same, but read, combined and written by all at once."""
    from oboe_runtime import generate

    def alone(state: State, access: EntryAccess, entry: str, *, alone: bool) -> Iterator[str]:
        return merge_at(state, access, entry, alone=True)

    monkeypatch.setattr(generate, "merge_at", alone)
    slow = ["[placement]", *(f'{name} = "dram"' for name in ("bits", "least", "greatest"))]
    done = run_extremes(tmp_path, 1, packets=3 * BURST, lines=slow)
    assert done.result.fault is not None and done.result.fault.startswith("the states are not what the oracle says")
