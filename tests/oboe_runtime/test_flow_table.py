"""Records of flows: made, found, given up when old or when a bucket is full, refused; and packets that have none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from microcode.services.packet import UDP, Tuple
from oboe_runtime.expectation import hash_of_flow
from oboe_runtime.layout import BUNDLES
from tests.microcode.frames import frame_of
from tests.oboe_runtime.oboe_runs import OboeRun, flows_of, numbered, run_frames

WAYS = 4
STEP_CYCLES = 16
CYCLES_PER_US = 600


def flows_of_one_bucket(count: int) -> list[Tuple]:
    """Flows of one bundle and bucket: the hash is linear, so those of 2^20 source addresses follow from 21 hashes."""
    base = Tuple(0x0A000000, 0x0B000000, 7, 9, UDP)
    hashes = np.array([hash_of_flow(base, "directed")[:2]], np.uint32)
    for bit in range(20):
        other = hash_of_flow(base._replace(source=base.source | 1 << bit), "directed")[:2]
        hashes = np.concatenate([hashes, hashes ^ hashes[0] ^ np.array(other, np.uint32)])
    place = (hashes[:, 0] % BUNDLES) * 16 + hashes[:, 1] % 16
    chosen = np.flatnonzero(place == place[0])[:count]
    flows = [base._replace(source=base.source | int(number)) for number in chosen]
    words = [hash_of_flow(flow, "directed") for flow in flows]
    assert len(flows) == count and len({(w[0] % BUNDLES, w[1] % 16) for w in words}) == 1
    return flows


def packets_of(done: OboeRun) -> dict[Tuple, int]:
    return {flow: entry[0] for flow, entry in done.states("progress").items()}


@pytest.mark.parametrize("placement", ["sram0", "sram1", "dram"])
def test_as_many_flows_as_a_bucket_has_ways_have_records_of_their_own(tmp_path: Path, placement: str) -> None:
    flows = flows_of_one_bucket(WAYS)
    frames = [numbered(flow, number) for number in range(1, 4) for flow in flows]
    place = ["[placement]", f'flow_table = "{placement}"', f'progress = "{placement}"']
    done = run_frames(tmp_path, frames, lines=place)
    assert packets_of(done) == dict.fromkeys(flows, 3)
    assert done.events() == {"new_flow": WAYS}
    (records,) = ({number // WAYS for numbers in done.records("n0").values() for number in numbers},)
    assert len(records) == 1  # they share a bucket
    done.assert_clean()


def test_one_flow_more_evicts_the_one_used_longest_ago(tmp_path: Path) -> None:
    flows = flows_of_one_bucket(WAYS + 1)
    first, *others, extra = flows
    # `first` is used again behind the others, so `others[0]` is the oldest.
    order = [first, *others, first, extra]
    done = run_frames(tmp_path, [numbered(flow, 1) for flow in order], gaps_ns=[5_000] * len(order))
    assert packets_of(done) == {first: 2, others[1]: 1, others[2]: 1, extra: 1}
    assert done.events() == {"new_flow": WAYS + 1, "evicted": 1}
    done.assert_clean()


def test_a_service_may_refuse_flows_instead(tmp_path: Path) -> None:
    source = Path(__file__).parent / "services" / "uneven"
    copy = tmp_path / "uneven"
    copy.mkdir()
    for name in ("service.toml", "service.uc", "operations.uc", "oracle.py"):
        (copy / name).write_text((source / name).read_text().replace("timeout_ms", 'on_full = "refuse"\ntimeout_ms'))
    flows = flows_of_one_bucket(WAYS + 1)
    order = [*flows, flows[-1]]
    done = run_frames(tmp_path, [numbered(flow, 1) for flow in order], gaps_ns=[5_000] * len(order), service=str(copy))
    assert packets_of(done) == dict.fromkeys(flows[:WAYS], 1)
    assert done.events() == {"new_flow": WAYS, "refused": 2}
    assert done.result.delivered == len(order)
    done.assert_clean()


@pytest.mark.parametrize(("beyond", "expired"), [(False, False), (True, True)])
def test_a_record_expires_behind_its_time_out(tmp_path: Path, beyond: bool, expired: bool) -> None:
    """1,000 ms / 10,000 are 100 us, 3,750 steps of the clock.

    Two packets of a flow are that far apart, less or more the time that a packet's way may vary.
    """
    (flow,) = flows_of(1)
    slack_us = 2
    gap_us = 100 + (slack_us if beyond else -slack_us)
    frames = [numbered(flow, 1), numbered(flow, 2)]
    done = run_frames(tmp_path, frames, gaps_ns=[0, gap_us * 1_000], oboe={"time_scale": 10_000})
    assert done.run.extensions["oboe"].defines["FLOW_TIMEOUT"] == 100 * CYCLES_PER_US // STEP_CYCLES  # type: ignore[attr-defined]
    assert packets_of(done) == {flow: 1 if expired else 2}
    assert done.events() == ({"new_flow": 2, "expired": 1} if expired else {"new_flow": 1})
    done.assert_clean()


def test_an_expired_record_makes_room_for_another_flow(tmp_path: Path) -> None:
    flows = flows_of_one_bucket(WAYS + 1)
    gaps = [0, 30_000, 30_000, 30_000, 30_000]
    done = run_frames(tmp_path, [numbered(flow, 1) for flow in flows], gaps_ns=gaps, oboe={"time_scale": 10_000})
    assert packets_of(done) == dict.fromkeys(flows[1:], 1)
    assert done.events() == {"new_flow": WAYS + 1, "expired": 1}
    done.assert_clean()


@pytest.mark.parametrize(("beyond", "reused"), [(False, 1), (True, 0)])
def test_of_expired_records_the_first_makes_room(tmp_path: Path, beyond: bool, reused: int) -> None:
    """The flow of the first way was used last. Once it has expired too it is the one, though all others are older."""
    flows = flows_of_one_bucket(WAYS + 1)
    slack_us = 2
    gaps = [0, 5_000, 5_000, 5_000, 5_000, (100 + (slack_us if beyond else -slack_us)) * 1_000]
    order = [*flows[:WAYS], flows[0], flows[WAYS]]
    done = run_frames(tmp_path, [numbered(flow, 1) for flow in order], gaps_ns=gaps, oboe={"time_scale": 10_000})
    expected = dict.fromkeys(flows, 1) | {flows[0]: 2}
    del expected[flows[reused]]
    assert packets_of(done) == expected
    assert done.events() == {"new_flow": WAYS + 1, "expired": 1}
    done.assert_clean()


def test_a_free_way_comes_before_an_expired_one(tmp_path: Path) -> None:
    """Three flows, all expired, leave one way free: the fourth takes that, and nobody is given up."""
    flows = flows_of_one_bucket(WAYS)
    gaps = [0, 5_000, 5_000, 110_000]
    done = run_frames(tmp_path, [numbered(flow, 1) for flow in flows], gaps_ns=gaps, oboe={"time_scale": 10_000})
    assert packets_of(done) == dict.fromkeys(flows, 1)
    assert done.events() == {"new_flow": WAYS}
    done.assert_clean()


def _frames_that_are_none() -> dict[str, list[bytes]]:
    flow = flows_of(1)[0]
    good = numbered(flow, 1)

    def changed(at: int, value: int, *, frame: bytes = good) -> bytes:
        return frame[:at] + bytes([value]) + frame[at + 1 :]

    return {
        "version": [changed(12, 0x86), changed(13, 0x06), changed(14, 0x65), changed(14, 0x44)],
        "short": [changed(16, 1), changed(17, 19), changed(14, 0x4F, frame=changed(17, 30))],
        "checksum": [changed(24, good[24] ^ 1), changed(26, good[26] ^ 0x80)],
        "fragment": [frame_of(flow, bytes(30), fragment=bits) for bits in (0x2000, 1, 0x1FFF)],
    }


def test_malformed_packets_are_dropped_and_counted_by_reason(tmp_path: Path) -> None:
    (flow,) = flows_of(1)
    bad = _frames_that_are_none()
    frames = [numbered(flow, 1), *(frame for group in bad.values() for frame in group), numbered(flow, 2)]
    done = run_frames(tmp_path, frames)
    assert done.result.lost == {reason: len(group) for reason, group in bad.items()}
    assert packets_of(done) == {flow: 2}
    done.assert_clean()


def test_options_are_no_part_of_the_key(tmp_path: Path) -> None:
    """The ports stand behind the options; the checksum covers them."""
    flow = flows_of(1)[0]
    frames = [frame_of(flow, bytes(40 - 4 * words), options=bytes([1]) * 4 * words) for words in range(11)]
    spoilt = frames[10][:50] + bytes([frames[10][50] ^ 1]) + frames[10][51:]
    done = run_frames(tmp_path, [*frames, spoilt], service="builtin:services/monitor")
    assert done.result.lost == {"checksum": 1}
    assert {key: entry[0] for key, entry in done.states("flow_counters").items()} == {flow: len(frames)}
    done.assert_clean()


def test_the_key_of_packets_without_ports(tmp_path: Path) -> None:
    flow = flows_of(1)[0]
    frames = [frame_of(flow._replace(protocol=protocol), bytes(30)) for protocol in (1, 50)]
    done = run_frames(tmp_path, frames)
    keys = {flow._replace(protocol=protocol, source_port=0, destination_port=0) for protocol in (1, 50)}
    assert set(done.states("progress")) == keys
    done.assert_clean()


@pytest.mark.parametrize("order", ["pinned", "ordered"])
def test_the_scanner_frees_records_that_no_packet_comes_to(tmp_path: Path, order: str) -> None:
    """The time-out is 1 ms; before the last packet the chip is idle for 24 ms, in which the scanner comes round."""
    flows = flows_of(20)
    frames = [numbered(flow, 1) for flow in flows]
    gaps = [5_000] * 19 + [24_000_000]
    done = run_frames(
        tmp_path,
        frames,
        gaps_ns=gaps,
        oboe={"time_scale": 1_000, "order": order},
        run={"max_cycles": 40_000_000, "stall_after": 20_000_000},
    )
    assert packets_of(done) == {flows[-1]: 1}
    assert done.events() == {"new_flow": 20, "expired": 19}
    done.assert_clean()
