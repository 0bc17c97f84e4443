"""Packets of a flow are worked on and leave in order, however long each takes; a build that breaks it is caught."""

from __future__ import annotations

import random
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from microcode.services.packet import Tuple
from tests.oboe_runtime.oboe_runs import OboeRun, flows_of, numbered, run_frames

ORDERS = ("pinned", "ordered")


def uneven_stream(flows: list[Tuple], packets: int, *, seed: int) -> list[bytes]:
    """Packets of random flows; every fourth or so takes tens of memory accesses, the others none."""
    draw = random.Random(seed)
    sent: Counter[Tuple] = Counter()
    frames: list[bytes] = []
    for _ in range(packets):
        flow = draw.choice(flows)
        sent[flow] += 1
        frames.append(numbered(flow, sent[flow], loops=draw.choice([0, 0, 0, draw.randrange(40)])))
    return frames


def assert_in_order(done: OboeRun, frames: list[bytes]) -> None:
    """The service saw each flow's packets in order and none twice, and they left so; what was too much is counted."""
    seen = done.states("progress")
    refused = done.result.lost.get("classify_full", 0)
    assert sum(packets for packets, *_ in seen.values()) == len(frames) - refused
    assert [late for _, _, late, _ in seen.values()] == [0] * len(seen)
    assert done.result.egress.reordered == 0
    done.assert_clean()


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("order", ORDERS)
def test_many_flows_stay_in_order(tmp_path: Path, order: str, workers: int) -> None:
    frames = uneven_stream(flows_of(20), 300, seed=workers)
    done = run_frames(tmp_path, frames, workers=workers, oboe={"order": order})
    assert len(done.states("progress")) == 20
    assert_in_order(done, frames)


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("order", ORDERS)
def test_one_flow_at_saturation_stays_in_order(tmp_path: Path, order: str, workers: int) -> None:
    frames = uneven_stream(flows_of(1), 200, seed=workers)
    done = run_frames(tmp_path, frames, workers=workers, oboe={"order": order})
    assert_in_order(done, frames)


@pytest.mark.parametrize("order", ORDERS)
def test_drops_of_the_service_release_their_place(tmp_path: Path, order: str) -> None:
    frames = uneven_stream(flows_of(6), 240, seed=7)
    gaps = [4_000] * len(frames)  # slow enough that none is refused
    done = run_frames(tmp_path, frames, gaps_ns=gaps, workers=2, oboe={"order": order, "options": {"drop_odd": 1}})
    odd = sum(int.from_bytes(frame[40:44]) % 2 for frame in frames)
    assert done.result.lost == {"odd": odd}
    assert done.result.delivered == len(frames) - odd
    assert_in_order(done, frames)


@pytest.mark.parametrize("order", ORDERS)
def test_a_new_flow_at_once_in_all_contexts_makes_one_record(tmp_path: Path, order: str) -> None:
    """100 back-to-back packets that take long: all 40 contexts of five workers come to hold one of them."""
    (flow,) = flows_of(1)
    frames = [numbered(flow, number, loops=30) for number in range(1, 101)]
    done = run_frames(tmp_path, frames, workers=5, oboe={"order": order})
    assert list(done.records("n0")) == [flow] and len(done.records("n0")[flow]) == 1
    assert done.events() == {"new_flow": 1}
    assert_in_order(done, frames)


def break_source(monkeypatch: pytest.MonkeyPatch, file: str, changes: dict[str, str]) -> None:
    """The assembler reads a file of Oboe with some texts replaced."""
    from ixp_emu.assembler import preprocess
    from ixp_emu.cluster import program_cache

    read = preprocess.read_source

    def read_broken(name: str) -> str:
        text = read(name)
        if name.endswith(f"oboe/{file}"):
            for kept, broken in changes.items():
                assert text.count(kept) == 1
                text = text.replace(kept, broken)
        return text

    monkeypatch.setattr(preprocess, "read_source", read_broken)
    monkeypatch.setattr(program_cache, "read_source", read_broken)  # else it finds what is kept of the whole file


NO_SECTION = {"pinned": "    ctx_arb[bucket_left]\n", "ordered": "    bne[not_yet#]\n"}
TO_TRANSMIT = """    alu_shf[--, --, B, in_descriptor, <<(32 - OFFSET_SHIFT)]
    beq[mark#]
.begin
.reg write $send[2]
.sig put_done
    alu[$send[0], --, B, in_descriptor]
    alu[$send[1], --, B, @egress]
    scratch[put, $send[0], (TX_RING << 2), 0, 2], structure[tx_ring], ctx_swap[put_done]
.end
mark#:
"""


@pytest.mark.parametrize("order", ORDERS)
def test_a_build_without_sections_and_reorder_ring_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """The macro that enters a section does not wait, and packets go straight to transmit: the run is a fault."""
    changes = {NO_SECTION[order]: "    nop\n"}
    if order == "ordered":
        text = (files("microcode") / "oboe/ordered.uc").read_text()
        start = text.index(".begin\n.state_xfer entry[2]")
        changes[text[start : text.index("#endm", start)]] = TO_TRANSMIT
    break_source(monkeypatch, f"{order}.uc", changes)
    done = run_frames(tmp_path, uneven_stream(flows_of(1), 200, seed=3), workers=1, oboe={"order": order})
    assert next(iter(done.states("progress").values()))[2] > 0  # the service saw packets late
    result = done.result
    assert result.egress.reordered > 0
    assert result.fault == f"order violation: {result.egress.reordered} packets left behind a later one of their flow"


def test_the_reorder_ring_alone_keeps_the_order_at_egress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without sections the service sees packets late, but they leave in the order in which they were taken."""
    break_source(monkeypatch, "ordered.uc", {NO_SECTION["ordered"]: "    nop\n"})
    done = run_frames(tmp_path, uneven_stream(flows_of(1), 200, seed=3), workers=1, oboe={"order": "ordered"})
    assert next(iter(done.states("progress").values()))[2] > 0
    assert done.result.egress.reordered == 0


@pytest.mark.parametrize("order", ORDERS)
def test_flows_do_not_wait_for_each_other(tmp_path: Path, order: str) -> None:
    """Of packets that take long, those of one flow are worked on one by one; of many flows, one in each context: the
    sixteen contexts of two workers take less than a quarter of the time."""
    seconds = []
    for count in (1, 64):
        flows = flows_of(count, seed=5)
        frames = [numbered(flows[n % count], n // count + 1, loops=40) for n in range(64)]
        done = run_frames(tmp_path, frames, workers=2, oboe={"order": order})
        assert_in_order(done, frames)
        seconds.append(done.run.now)
    assert seconds[1] < seconds[0] / 4
