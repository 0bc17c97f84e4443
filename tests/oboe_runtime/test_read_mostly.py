"""Read-mostly states: read where the packet is, updated at the home, seen everywhere within the bound; or strict."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from microcode.services.packet import Tuple
from oboe_runtime.declaration import State
from oboe_runtime.expectation import hash_of_flow
from oboe_runtime.layout import bundle_of
from tests.oboe_runtime.oboe_runs import OboeRun, fault_lines, flows_of, numbered, run_frames

MODES = str(Path(__file__).parent / "services" / "modes")
SET_PORT = 1
SETTLED_NS = 100_000
"""The bound of the state: an update is everywhere by then."""


def packet(flow: Tuple, mode: int, value: int = 0) -> bytes:
    frame = bytearray(numbered(flow, 0))
    frame[40:48] = struct.pack(">II", mode, value)
    return bytes(frame)


def script(chips: int) -> tuple[list[bytes], list[int], int]:
    """Frames, the gaps before them, and how many are forbidden: modes 3 and 5 are forbidden, 5 is allowed again."""
    flows = flows_of(12)
    setter = flows_of(1, seed=9)[0]._replace(destination_port=SET_PORT)
    frames: list[bytes] = []
    gaps: list[int] = []

    def add(frame: bytes, gap: int = 5_000) -> None:
        frames.append(frame)
        gaps.append(gap)

    forbidden: set[int] = set()
    count = 0
    for number, value in ((3, 1), (5, 1), (5, 0)):
        add(packet(setter, number, value))
        forbidden = forbidden | {number} if value else forbidden - {number}
        for position, flow in enumerate(flows):
            mode = (3, 5, 7)[position % 3]
            count += mode in forbidden
            add(packet(flow, mode), SETTLED_NS if position == 0 else 5_000)
    return frames, gaps, count


def run_modes(folder: Path, chips: int, **oboe: object) -> tuple[OboeRun, int]:
    frames, gaps, forbidden = script(chips)
    done = run_frames(
        folder,
        frames,
        gaps_ns=gaps,
        into=[f"n{number}.0" for number in range(chips)],
        service=MODES,
        chips=chips,
        control=True,
        oboe=oboe,
    )
    return done, forbidden


@pytest.mark.parametrize("category", ["read_mostly", "strict"])
@pytest.mark.parametrize("chips", [1, 2, 4])
@pytest.mark.parametrize("order", ["pinned", "ordered"])
def test_updates_are_seen_by_all_chips(tmp_path: Path, order: str, chips: int, category: str) -> None:
    done, forbidden = run_modes(tmp_path, chips, order=order, categories={"modes": category})
    assert done.result.lost == {"forbidden": forbidden}
    assert done.result.extensions["oboe"]["states_judged"]
    done.assert_clean()


@pytest.mark.parametrize("chips", [2, 4])
def test_every_replica_has_the_last_version(tmp_path: Path, chips: int) -> None:
    done, _ = run_modes(tmp_path, chips)
    for number in range(chips):
        assert done.words(f"n{number}", "modes")[:, 0].nonzero()[0].tolist() == [3]
        assert int(done.words(f"n{number}", "replica_versions")[0, 0]) == 3
    assert "replica_gap" not in done.events()


def run_pairs(folder: Path, chips: int, *, lines: Sequence[str] = (), **oboe: object) -> OboeRun:
    """50 updates of one entry, more than there are spare elements, each among eight packets that read it."""
    flows = flows_of(16)
    setter = flows_of(1, seed=9)[0]._replace(destination_port=SET_PORT)
    frames: list[bytes] = []
    for number in range(50):
        frames.append(packet(setter, 5, 1000 + number))
        frames += [packet(flow, 5) for flow in flows[number % 2 :: 2]]
    return run_frames(
        folder,
        frames,
        gaps_ns=[3_000] * len(frames),
        into=[f"n{number}.0" for number in range(chips)],
        service=str(Path(__file__).parent / "services" / "pairs"),
        chips=chips,
        workers=2,
        control=True,
        oboe=oboe,
        lines=lines,
    )


@pytest.mark.parametrize("chips", [1, 2])
@pytest.mark.parametrize("order", ["pinned", "ordered"])
@pytest.mark.parametrize("memory", ["sram0", "dram"])
def test_no_reader_sees_half_an_update(tmp_path: Path, order: str, chips: int, memory: str) -> None:
    done = run_pairs(tmp_path, chips, order=order, lines=["[placement]", f'pairs = "{memory}"'])
    assert done.result.lost == {}
    assert done.result.extensions["oboe"]["states_judged"]
    for number in range(chips):
        at = done.words(f"n{number}", "pairs_at")[:, 0].tolist()
        spares = done.words(f"n{number}", "pairs_spares")[:, 0].tolist()
        assert sorted(at + spares) == list(range(8 + 16))  # no element is lost, none is used twice
        assert done.words(f"n{number}", "pairs")[at[5], :3].tolist() == [1049, 1049 ^ 0xFFFF_FFFF, 1049]
    done.assert_clean()


def test_without_versions_readers_do_see_halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where updates change the entry in its place, and take their time: the test above can fail."""
    from oboe_runtime import replicas

    def in_place(state: State, entry: str) -> Iterator[str]:
        name = state.name
        yield from (".begin", ".reg slot", ".begin", f".state_xfer where[1] {name}_at")
        yield from (f"state_read[where, {name}_at, {entry}, 0, 1]", "alu[slot, --, B, where[0]]", ".end")
        for word in range(state.words):
            yield from (".begin", f".state_xfer new[1] {name}", f"alu[new[0], --, B, value{word}]")
            yield from (f"state_write[new, {name}, slot, {word}, 1]", *["pause(tx_ring)"] * 20, ".end")
        yield ".end"

    monkeypatch.setattr(replicas, "_install", in_place)
    assert run_pairs(tmp_path, 1).result.lost.get("torn", 0) > 0


ENTRIES = 16
BEHIND = {"kind": "drop_message", "behind_channel": True}
CYCLES_PER_US = 600


def run_with_gap(folder: Path, faults: Sequence[Mapping[str, object]], *, service: str = MODES) -> OboeRun:
    """Updates at 100, 300 and 2,300 us, all by a packet at the home; packets of both chips are judged 2 ms later."""
    flows = flows_of(40)
    homes = [bundle_of(hash_of_flow(flow._replace(destination_port=SET_PORT), "directed")) % 2 for flow in flows]
    setter = flows[homes.index(0)]._replace(destination_port=SET_PORT)
    frames = [packet(setter, 3, 1), packet(setter, 5, 1), packet(setter, 7, 1)]
    frames += [packet(flow, mode, 0) for flow in flows[:12] for mode in (3, 5, 7, 9)]
    return run_frames(
        folder,
        [packet(flows[-1], 9), *frames],
        gaps_ns=[0, 100_000, 200_000, 2_000_000, 2_000_000, *[5_000] * 47],
        service=service,
        chips=2,
        control=True,
        oboe={"call_timeout_us": 200},
        lines=fault_lines(faults),
        run={"stall_after": 4_000_000},
    )


@pytest.mark.parametrize("asks_lost", [0, 2, 3])
def test_a_replica_that_misses_a_version_asks_for_the_state(tmp_path: Path, asks_lost: int) -> None:
    """The first update is lost behind the channel; the second shows it. What is asked may get lost as well."""
    faults = [BEHIND | {"at_cycle": 1_000, "chip": "n1", "message": "REPLICA", "count": 1}]
    if asks_lost:
        faults.append(BEHIND | {"at_cycle": 1_000, "chip": "n0", "message": "CALL", "count": asks_lost})
    done = run_with_gap(tmp_path, faults)
    assert done.result.fault is None and done.result.lost == {"forbidden": 36}
    assert done.result.extensions["oboe"]["states_judged"]
    assert done.events()["replica_gap"] == 1
    assert done.events().get("call_again", 0) == min(asks_lost, 2)
    assert "call_given_up" not in done.events()  # behind three tries it asks anew
    assert not asks_lost or done.words("n0", "drop_order")[1, 0] == 0
    for chip in ("n0", "n1"):
        assert done.words(chip, "modes")[:, 0].nonzero()[0].tolist() == [3, 5, 7]
        assert int(done.words(chip, "replica_versions")[0, 0]) == 3 + ENTRIES


def test_what_is_missed_of_a_state_asked_for_is_asked_for_again(tmp_path: Path) -> None:
    """Three of the entries sent for the gap are lost too, and the next shows it."""
    lost = BEHIND | {"chip": "n1", "message": "REPLICA"}
    faults = [lost | {"at_cycle": 1_000, "count": 1}, lost | {"at_cycle": 320 * CYCLES_PER_US, "count": 3}]
    done = run_with_gap(tmp_path, faults)
    assert done.result.fault is None and done.result.lost == {"forbidden": 36}
    assert done.events()["replica_gap"] == 2
    assert done.words("n1", "drop_order")[1, 0] == 0
    for chip in ("n0", "n1"):
        assert done.words(chip, "modes")[:, 0].nonzero()[0].tolist() == [3, 5, 7]
        assert int(done.words(chip, "replica_versions")[0, 0]) == 3 + 2 * ENTRIES


def test_without_a_gap_nothing_is_asked(tmp_path: Path) -> None:
    done = run_with_gap(tmp_path, [])
    assert done.result.lost == {"forbidden": 36}
    assert "replica_gap" not in done.events()
    assert int(done.words("n1", "replica_versions")[0, 0]) == 3


def test_entries_of_several_longwords_are_brought_up_to_date_too(tmp_path: Path) -> None:
    """Of 50 updates the first ten are lost at n1; all eight entries come amid the others, and none is torn."""
    faults = [BEHIND | {"at_cycle": 1_000, "chip": "n1", "message": "REPLICA", "count": 10}]
    done = run_pairs(tmp_path, 2, lines=fault_lines(faults))
    assert done.result.fault is None and done.result.lost == {}
    assert done.events()["replica_gap"] == 1
    for number in range(2):
        assert int(done.words(f"n{number}", "replica_versions")[0, 0]) == 50 + 8
        at = done.words(f"n{number}", "pairs_at")[:, 0].tolist()
        spares = done.words(f"n{number}", "pairs_spares")[:, 0].tolist()
        assert sorted(at + spares) == list(range(8 + 16))
        assert done.words(f"n{number}", "pairs")[at[5], :3].tolist() == [1049, 1049 ^ 0xFFFF_FFFF, 1049]
