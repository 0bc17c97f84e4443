"""Updates of the policy of intrusion, which come as packets: every packet behind the bound sees them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from microcode.services.intrusion.rules import read_rules, tables
from microcode.services.packet import TCP, Tuple
from tests.microcode.frames import frame_of
from tests.oboe_runtime.oboe_runs import OboeRun, flows_of, run_frames

PORT = 4_999
STATES = 64
SETTLED_NS = 100_000
RULES = read_rules("builtin:services/intrusion/rules.toml")
AUTOMATON, CONTENTS = tables(RULES, rule_words=1 << 16, alert_states=STATES)
ALERTING, DROPPING = b"<script", b"/etc/passwd"


def state_of(pattern: bytes) -> int:
    number = next(number for number, rule in enumerate(RULES) if rule.content == pattern)
    return next(state for state, ends in enumerate(AUTOMATON.ends, start=1) if ends[0] == number)


def update(manager: Tuple, state: int, action: int, *, options: bytes = b"", cut: int = 0) -> bytes:
    payload = struct.pack(">HII", 0xFFFF, state, action)
    return frame_of(manager, payload[: len(payload) - cut], options=options)


def run_packets(folder: Path, frames: list[tuple[bytes, int]], chips: int, **oboe: object) -> OboeRun:
    return run_frames(
        folder,
        [frame for frame, _ in frames],
        gaps_ns=[gap for _, gap in frames],
        into=[f"n{number}.0" for number in range(chips)],
        service="builtin:services/intrusion",
        chips=chips,
        control=True,
        oboe={"options": {"policy_port": PORT, "alert_states": STATES}, **oboe},
    )


@pytest.mark.parametrize("category", ["read_mostly", "strict"])
@pytest.mark.parametrize("chips", [1, 3])
def test_a_policy_can_be_changed_and_changed_back(tmp_path: Path, chips: int, category: str) -> None:
    """To drop where it was to alert, and the other way round; six flows, so that all chips see it."""
    manager = flows_of(1, seed=8)[0]._replace(destination_port=PORT)
    flows = flows_of(6)

    def all_flows() -> list[tuple[bytes, int]]:
        pairs = [(flow, content) for flow in flows for content in (ALERTING, DROPPING)]
        return [(frame_of(flow, content), SETTLED_NS if n == 0 else 4_000) for n, (flow, content) in enumerate(pairs)]

    def change(action: int) -> list[tuple[bytes, int]]:
        return [
            (update(manager, state_of(ALERTING), action), 50_000),
            (update(manager, state_of(DROPPING), 1 - action), 20_000),
        ]

    frames = [*all_flows(), *change(1), *all_flows(), *change(0), *all_flows()]
    done = run_packets(tmp_path, frames, chips, categories={"policy": category})
    assert done.result.lost == {"blocked": 3 * len(flows)}
    left = [frame for sent in done.left.values() for frame in sent]
    for content, stayed in ((ALERTING, 2), (DROPPING, 1)):
        assert sum(content in frame for frame in left) == stayed * len(flows)
    assert done.result.extensions["oboe"]["states_judged"]
    done.assert_clean()


def test_what_is_no_update_changes_nothing(tmp_path: Path) -> None:
    """The edges: the last state there is, one more; ten bytes, nine; options; another port, or as source; TCP."""
    manager = flows_of(1, seed=8)[0]._replace(destination_port=PORT)
    good, bad = STATES - 1, STATES - 2
    frames = [
        update(manager, good, 7),
        update(manager, STATES, 9),
        update(manager, 0xFFFF_FFFF, 9),
        update(manager, bad, 9, cut=1),
        update(manager, bad, 9, options=bytes(4)),
        update(manager._replace(destination_port=PORT + 1), bad, 9),
        update(manager.reversed(), bad, 9),
        update(manager._replace(protocol=TCP), bad, 9),
    ]
    done = run_packets(tmp_path, [(frame, 30_000) for frame in frames], 1)
    policy = done.words("n0", "policy")[:, 0].tolist()
    assert policy == [*CONTENTS["policy"][:good].tolist(), 7]
    assert int(done.words("n0", "replica_versions")[0, 0]) == 1
    assert done.result.lost == {} and done.result.extensions["oboe"]["states_judged"]


def test_both_ends_of_a_key_may_be_the_manager(tmp_path: Path) -> None:
    """The canonical key has the lower address first, whichever end sends."""
    low, high = Tuple(1, 2, 700, PORT, 17), Tuple(9, 2, 700, PORT, 17)
    frames = [(update(low, 40, 3), 30_000), (update(high, 41, 4), 30_000)]
    done = run_packets(tmp_path, frames, 1)
    assert done.words("n0", "policy")[40:42, 0].tolist() == [3, 4]


def test_a_wrong_policy_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle is shown another value than the chips: so it judges the state."""
    from microcode.services.intrusion.oracle import IntrusionOracle

    kept = IntrusionOracle._update

    def other(self: IntrusionOracle, packet: object) -> None:
        kept(self, packet)  # type: ignore[arg-type]
        self._policy[40] = 8
        self._updates[40] = dict.fromkeys(self._updates[40], 8)

    monkeypatch.setattr(IntrusionOracle, "_update", other)
    manager = flows_of(1, seed=8)[0]._replace(destination_port=PORT)
    done = run_packets(tmp_path, [(update(manager, 40, 7), 30_000)], 1)
    assert done.result.fault == "the states are not what the oracle says; policy[40]: 7, expected 8"
