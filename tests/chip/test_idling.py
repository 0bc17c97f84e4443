"""Skipping what repeats leaves no trace: records, memories and frames are the same with and without it at every cut."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from ixp_emu.chip.chip import Memories, configure_ring, load_program
from ixp_emu.chip.clock import advance_group
from ixp_emu.chip.control import write_local_csr
from ixp_emu.chip.field_classes import FIELDS, FieldClass, places
from ixp_emu.chip.hardware import resolve_hardware
from ixp_emu.chip.idling import Notes
from ixp_emu.chip.layout import BANK, CHIP, MICROENGINE
from ixp_emu.chip.media import PORT_LINK, PORT_SPI3
from ixp_emu.errors import InputError
from ixp_emu.isa.csr import LOCAL_CSRS
from tests.chip.meaning import differences, meaning
from tests.chip.media_group import MediaGroup, frame_bytes
from tests.chip.media_pair import ChipPlan, Link, MediaPair
from tests.chip.media_programs import receiver
from tests.chip.one_chip import OneChip, words_of
from tests.chip.polling_programs import polling_chip

POLL = """
.reg token $work
.sig got
poll#:
scratch[get, $work, 0, 0, 1], ctx_swap[got]
alu[token, --, B, $work]
beq[poll#]
alu[*l$index0, *l$index0, +, token]
br[poll#]
"""
EMPTY = {0: {"base": 0, "size": 128}}
SLEEPER = """
.reg ticks
.sig alarm
.addr alarm 3
immed[ticks, {ticks}]
local_csr_wr[ACTIVE_FUTURE_COUNT_SIGNAL, 3]
local_csr_wr[ACTIVE_CTX_FUTURE_COUNT, ticks]
ctx_arb[alarm]
alu[*l$index0, *l$index0, +, 1]
ctx_arb[kill]
"""


@contextmanager
def mode(value: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IXPEMU_SKIP", value)
        yield


def both(build: Callable[[], Any]) -> tuple[Any, Any]:
    """The same built twice: it runs every cycle, and it skips."""
    with mode("never"):
        executed = build()
    with mode("auto"):
        return executed, build()


def unlike(executed: OneChip, skipping: OneChip) -> list[str]:
    return differences(meaning(executed.chip, executed.memories), meaning(skipping.chip, skipping.memories))


def polling(*, programs: dict[int, str] | None = None, contexts: int = 1, **options: Any) -> OneChip:
    return OneChip(programs or {0: POLL}, contexts=contexts, rings=EMPTY, **options)


# --- the classes of the fields --------------------------------------------------------------------------------------


@pytest.mark.parametrize("record", [CHIP, BANK, MICROENGINE], ids=["chip", "bank", "microengine"])
def test_every_field_has_a_class(record: np.dtype[Any]) -> None:
    assert set(FIELDS[record]) == set(record.names or ())


def test_no_place_is_in_two_classes() -> None:
    ends = sorted((int(at), int(at + size)) for kind in FieldClass for at, size in places(kind))
    assert all(end <= begin for (_, end), (begin, _) in pairwise(ends))
    assert ends[-1][1] <= CHIP.itemsize


# --- random chips ---------------------------------------------------------------------------------------------------


def compare_random_chips(seeds: range) -> float:
    """Compare at random cuts; returns the share of the cycles that was skipped."""
    cycles = skipped = 0
    for seed in seeds:
        programs, contexts, rings = polling_chip(seed)
        executed, skipping = both(lambda p=programs, c=contexts, r=rings: OneChip(p, contexts=c, rings=r))
        pattern = random.Random(seed)
        now = 0
        for _ in range(4):
            now += pattern.choice((pattern.randrange(1, 300), pattern.randrange(20_000), pattern.randrange(60_000)))
            executed.run(now)
            skipping.run(now)
            if executed.chip["fault"]:
                faults = [(int(one.chip["fault"]), int(one.chip["fault_time"])) for one in (executed, skipping)]
                assert faults[0] == faults[1], seed
                break
            assert (seed, now, unlike(executed, skipping)) == (seed, now, [])
        cycles += now
        skipped += skipping.memories.notes.skipped
    return skipped / cycles


@pytest.mark.parametrize("first", range(0, 80, 20))
def test_random_chips_end_the_same(first: int) -> None:
    assert compare_random_chips(range(first, first + 20)) > 0.2


@pytest.mark.long
@pytest.mark.parametrize("first", range(1_000, 2_000, 100))
def test_many_random_chips_end_the_same(first: int) -> None:
    assert compare_random_chips(range(first, first + 100)) > 0.3


# --- what is skipped, and what is not -------------------------------------------------------------------------------


@pytest.mark.parametrize("contexts", [1, 3, 0xFF])
@pytest.mark.parametrize("engines", [1, 2, 8])
def test_pollers_are_skipped(engines: int, contexts: int) -> None:
    executed, skipping = both(lambda: polling(programs=dict.fromkeys(range(engines), POLL), contexts=contexts))
    for one in (executed, skipping):
        one.run(100_001)
    assert unlike(executed, skipping) == []
    assert executed.memories.notes.skipped == 0
    assert skipping.memories.notes.skipped > 90_000


def test_a_long_run_costs_no_more_steps_than_a_short_one() -> None:
    """Periods are not executed: 10,000 times the cycles take the same number of the engine's steps."""
    steps = []
    for until in (100_000, 1_000_000_000):
        chip = polling()
        chip.run(until)
        steps.append(int(chip.chip["steps"].sum()))
        period = int(chip.chip["me"][0]["commands"])
    assert steps[1] <= steps[0] + 20
    assert period > 1_000_000_000 / 200  # polls are counted


LOOPS = {
    "clock": "local_csr_rd[TIMESTAMP_LOW]\nimmed[t, 0]\nimmed[t, 0]\nlocal_csr_rd[CC_ENABLE]\nimmed[t, 0]\n",
    "profile": "local_csr_rd[PROFILE_COUNT]\nimmed[t, 0]\nimmed[t, 0]\nlocal_csr_rd[CC_ENABLE]\nimmed[t, 0]\n",
    "sram write": "sram[write, $w0, 0, 0, 1], ctx_swap[s]\n",
    "sram add": "sram[add, $w0, 0, 0], ctx_swap[s]\n",
    "dram write": "dram[write, $$d0, 0, 0, 1], ctx_swap[s]\n",
    "scratch add": "scratch[add, $w0, 0, 0], ctx_swap[s]\n",
    "register": "alu[t, t, +, 1]\n",
    "local memory": "alu[*l$index0, *l$index0, +, 1]\n",
    "media": "msf[read, $w0, 0, 0, 1], ctx_swap[s]\n",
}


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_with_other_effects_is_not_skipped(loop: str) -> None:
    head = ".reg t $w0 $$d0 $$d1\n.xfer_order $$d0 $$d1\n.sig s\n.addr s 2\n"
    head += "immed[$w0, 3]\nimmed[$$d0, 1]\nimmed[$$d1, 2]\n"
    executed, skipping = both(lambda: OneChip({0: f"{head}again#:\n{LOOPS[loop]}br[again#]\n", 1: POLL}, rings=EMPTY))
    for one in (executed, skipping):
        one.run(60_000)
    assert unlike(executed, skipping) == []
    assert skipping.memories.notes.skipped == 0


def test_stretches_between_refreshes_are_skipped() -> None:
    """A read of DRAM every hundred cycles or so; a refresh ends the regime."""
    read = ".reg $$d0 $$d1\n.xfer_order $$d0 $$d1\n.sig s\n.addr s 2\n"
    read += "again#:\ndram[read, $$d0, 64, 0, 1], ctx_swap[s]\nbr[again#]\n"
    executed, skipping = both(lambda: OneChip({0: read}))
    for one in (executed, skipping):
        one.run(400_000)
    assert unlike(executed, skipping) == []
    assert skipping.memories.notes.skipped > 10_000
    interval = skipping.hardware["dram.refresh_interval"]
    assert int(skipping.chip["refresh_due"]) // interval - 1 == 400_000 // interval


# --- events at the edges of a skipped stretch -----------------------------------------------------------------------


@pytest.mark.parametrize("ticks", range(1_000, 1_012))
def test_a_timer_ends_a_skipped_stretch(ticks: int) -> None:
    """Ticks are 16 cycles apart and a poll takes another time, so the timer falls anywhere in the period."""
    programs = {0: POLL, 1: SLEEPER.format(ticks=ticks), 2: POLL}
    alarm = 16 * ticks
    for until in (alarm - 1, alarm, alarm + 1, alarm + 2, alarm + 40, 2 * alarm):
        executed, skipping = both(lambda: polling(programs=programs))
        for one in (executed, skipping):
            one.run(until)
        assert (until, unlike(executed, skipping)) == (until, [])
        assert skipping.memories.notes.skipped > 10_000
        assert skipping.local_memory(1, 1) == [int(until > alarm)]


def test_a_poller_and_a_sleeper_on_one_engine() -> None:
    """The contexts' deliveries stand in one inbox; the timer's stays behind those before it."""
    both_programs = f".reg x\nbr=ctx[1, sleep#]\n{POLL}sleep#:\n{SLEEPER.format(ticks=1_000)}"
    for until in (15_990, 16_000, 16_001, 16_010, 16_100, 40_000):
        executed, skipping = both(lambda: polling(programs={3: both_programs}, contexts=3))
        for one in (executed, skipping):
            one.run(until)
        assert (until, unlike(executed, skipping)) == (until, [])
        assert skipping.memories.notes.skipped > 10_000


def test_whatever_the_caller_does_between_runs_counts() -> None:
    """A token in the ring, a host's write of a CSR and another stretch of polling."""
    executed, skipping = both(lambda: polling(programs={0: POLL, 1: SLEEPER.format(ticks=60_000)}))
    nows = (30_000, 30_111, 30_500, 50_000, 50_300)
    for now in nows:
        for one in (executed, skipping):
            one.run(now)
            one.chip["scratch"][int(one.chip["ring_head"][0])] = now
            one.chip["ring_count"][0] = 1
            if now == 30_500:
                write_local_csr(one.chip, 1, LOCAL_CSRS["SAME_ME_SIGNAL"].address, 3 << 3, now - 1)
        assert (now, unlike(executed, skipping)) == (now, [])
    for one in (executed, skipping):
        one.run(80_000)
        assert one.local_memory(0, 1) == [sum(nows)]
        assert one.local_memory(1, 1) == [1]
    assert unlike(executed, skipping) == []
    assert skipping.memories.notes.skipped > 50_000


def test_a_fault_comes_at_its_time() -> None:
    """A full ring, filled by a sleeper that wakes in a skipped stretch."""
    bad = SLEEPER.format(ticks=2_000).replace("alu[*l$index0", "scratch[put, $w, 0, 0, 1]\nalu[*l$index0")
    full = {0: {"base": 0, "size": 128, "contents": [0] * 128}}
    spin = ".reg a\nagain#:\nbr_inp_state[SCR_RING1_STATUS, again#]\nbr[again#]\n"
    executed, skipping = both(lambda: OneChip({0: spin, 1: ".reg $w\n" + bad}, rings=full))
    for one in (executed, skipping):
        one.run(100_000)
    faults = [
        [int(one.chip[name]) for name in ("fault", "fault_time", "fault_me", "fault_pc")]
        for one in (executed, skipping)
    ]
    assert faults[0] == faults[1]
    assert faults[0][1] > 32_000
    assert skipping.memories.notes.skipped > 20_000


# --- media and links ------------------------------------------------------------------------------------------------


class Group(MediaPair):
    """The engine's side alone."""

    def go(self, until: int) -> None:
        members = np.arange(len(self.plans))
        assert not advance_group(self.chips, members, self._clocks.ctypes.data, self._latency, until, 200)
        assert not self.chips["fault"].any()

    @property
    def skipped(self) -> list[int]:
        return [memories.notes.skipped for memories in self.memories]


def unlike_groups(executed: Group, skipping: Group) -> list[str]:
    found = []
    for index in range(len(executed.plans)):
        found += differences(*(meaning(group.chips[index], group.memories[index]) for group in (executed, skipping)))
        if executed._egress_of(index) != skipping._egress_of(index):
            found.append(f"egress of chip {index}")
    return found


@pytest.mark.parametrize("period_offset", range(6))
@pytest.mark.parametrize("timeout", [None, 2_000])
def test_sparse_traffic(timeout: int | None, period_offset: int) -> None:
    """Frames and time-outs between stretches of polling; frames come one cycle later each time, by the offset."""
    frames = [(8_000 * number + period_offset, bytes([number]) * (60 + 50 * number)) for number in range(1, 8)]
    plan = ChipPlan(
        ports=1,
        programs={0: (receiver(0, seed=5, timeout=timeout), 3), 1: (words_of(POLL), 1), 2: (words_of(POLL), 3)},
        traffic={0: frames},
    )
    executed, skipping = both(lambda: Group(resolve_hardware(), [plan]))
    for until in (7_999, 8_000, 8_001, 16_100, 31_000, 70_000):
        for group in (executed, skipping):
            group.chips[0]["ring_size"][0] = 128
            group.go(until)
        assert (until, unlike_groups(executed, skipping)) == (until, [])
    assert int(skipping.chips[0]["port"][0]["frames_in"]) == 7
    assert skipping.skipped[0] > (40_000 if timeout is None else 10_000)


@pytest.mark.parametrize("kind", [PORT_LINK, PORT_SPI3], ids=["gbe", "spi3"])
@pytest.mark.parametrize("latency", [120, 700, 5_000])
def test_linked_chips(kind: int, latency: int) -> None:
    """Both poll; now and then the host lets chip 0 send frames, which chip 1 receives in between."""

    def build() -> MediaGroup:
        group = MediaGroup(2)
        group.link((0, 0), (1, 0), kind=kind, latency=latency)
        for chip in group.chips:
            configure_ring(chip, 0, **EMPTY[0])
            for engine in (2, 5):
                load_program(chip, engine, words_of(POLL), contexts=1)
        load_program(group.chips[1], 0, receiver(0, seed=9), contexts=3)
        return group

    executed, skipping = both(build)
    pattern = random.Random(latency)
    until = 0
    for _ in range(5):
        frames = [pattern.randrange(60, 300) for _ in range(pattern.randrange(4))]
        until += pattern.randrange(2_000, 40_000)
        for group in (executed, skipping):
            for length in frames if group.now >= 0 else ():
                group.send(0, frame_bytes(length))
            group.run(until)
        for index in range(2):
            ours = [meaning(group.chips[index], group.memories[index]) for group in (executed, skipping)]
            assert (until, index, differences(*ours)) == (until, index, [])
    assert int(skipping.chips[1]["port"][0]["frames_in"]) > 0
    assert min(memories.notes.skipped for memories in skipping.memories) > 0.3 * until


def test_a_silent_link_is_no_obstacle() -> None:
    plans = [ChipPlan(ports=1, programs={0: (words_of(POLL), 1)}) for _ in range(2)]
    links = [Link("gbe", ((0, 0), (1, 0)), 600)]
    executed, skipping = both(lambda: Group(resolve_hardware(), plans, links=links))
    for group in (executed, skipping):
        group.chips["ring_size"][:, 0] = 128
        group.go(200_001)
    assert unlike_groups(executed, skipping) == []
    assert min(skipping.skipped) > 150_000


# --- the switch -----------------------------------------------------------------------------------------------------


def test_the_switch_says_what_it_may_be() -> None:
    with mode("no"), pytest.raises(InputError, match=r"^IXPEMU_SKIP: 'no': must be auto or never$"):
        Memories(resolve_hardware())
    with mode("never"):
        assert Notes().address == 0
    with mode("auto"):
        assert Notes().address != 0
