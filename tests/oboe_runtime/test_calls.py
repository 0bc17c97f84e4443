"""Operations at another chip: done at most once, whatever gets lost, is late or comes twice; and an end to waiting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ixp_emu.assembler import Location, assemble, parse
from ixp_emu.chip.chip import Memories, initialise, load_program, new_chips
from ixp_emu.chip.clock import advance_unlinked
from ixp_emu.chip.hardware import resolve_hardware
from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.extension import open_extensions
from ixp_emu.errors import InputError
from microcode.services.packet import Tuple
from oboe_runtime.expectation import hash_of_flow
from oboe_runtime.layout import bundle_of
from tests.oboe_runtime.oboe_runs import OboeRun, configuration, fault_lines, flows_of, numbered, run_frames
from tests.oboe_runtime.test_budget import DEFINES

TICKETS = str(Path(__file__).parent / "services" / "tickets")
PACKETS = 12
GAP_US = 1_000
"""Between two packets: no call is under way when the next begins, whatever happens to it."""
CYCLES_PER_US = 600
TRIES = 3
CONTEXTS = 8


def flows_at(chip: int, count: int, *, chips: int = 2) -> list[Tuple]:
    """Flows whose bundles live on a chip."""
    flows = [flow for flow in flows_of(20 * count) if bundle_of(hash_of_flow(flow, "directed")) % chips == chip]
    return flows[:count]


def run_tickets(
    folder: Path, faults: Sequence[Mapping[str, object]], *, latency_ns: int = 1_000, timeout_us: int = 200
) -> OboeRun:
    """Packets one at a time through n1, which asks n0 for each."""
    flows = flows_at(1, PACKETS)
    return run_frames(
        folder,
        [numbered(flow, 1000 * number) for number, flow in enumerate(flows)],
        gaps_ns=[GAP_US * 1_000] * PACKETS,
        into=["n1.0"],
        service=TICKETS,
        chips=2,
        control=True,
        oboe={"call_timeout_us": timeout_us},
        run={"stall_after": 4_000_000},
        lines=fault_lines(faults),
        overrides=[f"links.mesh.latency_ns={latency_ns}"],
    )


def at_packet(number: int) -> int:
    """A cycle shortly before a packet comes; packet 1 comes at once."""
    return (number - 1) * GAP_US * CYCLES_PER_US - 30_000


def lose(message: str, count: int, *, before: int) -> dict[str, object]:
    """Calls are lost at the home, replies at the caller's chip; behind the channel, which sends nothing again."""
    return {
        "kind": "drop_message",
        "at_cycle": at_packet(before),
        "chip": "n0" if message == "CALL" else "n1",
        "message": message,
        "count": count,
        "behind_channel": True,
    }


def call_events(done: OboeRun) -> dict[str, int]:
    return {name: count for name, count in done.events().items() if name.startswith(("call_", "reply_"))}


def taken(done: OboeRun) -> int:
    """Tickets taken at the home."""
    return int(done.words("n0", "tickets")[1, 0])


def test_without_faults_nothing_is_asked_twice(tmp_path: Path) -> None:
    done = run_tickets(tmp_path, [])
    assert done.result.extensions["oboe"]["states_judged"]
    assert call_events(done) == {} and taken(done) == done.result.delivered == PACKETS
    done.assert_clean()


@pytest.mark.parametrize(("calls", "replies"), [(1, 0), (2, 0), (0, 1), (0, 2), (1, 1)])
def test_a_call_is_tried_three_times_and_done_once(tmp_path: Path, calls: int, replies: int) -> None:
    """Requests lost, then replies: each loss costs a try; a reply that was lost is given again by the home.

    Every packet carries its ticket out, so an operation done twice would show in all that follow.
    """
    faults = [lose(message, count, before=3) for message, count in (("CALL", calls), ("REPLY", replies)) if count]
    done = run_tickets(tmp_path, faults)
    assert done.result.fault is None and done.result.delivered == PACKETS and done.result.lost == {}
    assert done.result.extensions["oboe"]["states_judged"] and taken(done) == PACKETS
    expected = {"call_again": calls + replies, "call_repeated": replies}
    assert call_events(done) == {name: count for name, count in expected.items() if count}
    done.assert_clean()


@pytest.mark.parametrize(("calls", "replies"), [(3, 0), (2, 1), (1, 2), (0, 3)])
def test_behind_three_tries_the_caller_is_told(tmp_path: Path, calls: int, replies: int) -> None:
    """The last packet's: dropped and counted, its operation done once if a call came through, else not."""
    faults = [lose(message, count, before=PACKETS) for message, count in (("CALL", calls), ("REPLY", replies)) if count]
    done = run_tickets(tmp_path, faults)
    assert done.result.fault is None and done.result.complete
    assert (done.result.delivered, done.result.lost) == (PACKETS - 1, {"unavailable": 1})
    assert taken(done) == PACKETS - (calls == TRIES)
    expected = {"call_again": TRIES - 1, "call_given_up": 1, "call_repeated": max(replies - 1, 0)}
    assert call_events(done) == {name: count for name, count in expected.items() if count}
    done.assert_clean()


def test_a_home_that_answers_no_call_stops_nobody(tmp_path: Path) -> None:
    """From packet 5 on every call is lost: all tries of all callers, none of which waits for ever."""
    done = run_tickets(tmp_path, [lose("CALL", 1000, before=5)])
    lost = PACKETS - 4
    assert done.result.fault is None and done.result.complete
    assert (done.result.delivered, done.result.lost) == (4, {"unavailable": lost})
    assert call_events(done) == {"call_again": (TRIES - 1) * lost, "call_given_up": lost}
    assert done.words("n0", "drop_order")[1, 0] == 1000 - TRIES * lost
    assert taken(done) == 4
    done.assert_clean()


@pytest.mark.parametrize(
    ("delay_us", "event"),
    [
        (0, "call_repeated"),
        (300, "call_repeated"),
        ((CONTEXTS * GAP_US) - 200, "call_repeated"),  # the same context has not called again
        ((CONTEXTS * GAP_US) + 200, "call_stale"),  # it has
    ],
)
def test_a_call_that_comes_twice_is_done_once(tmp_path: Path, delay_us: int, event: str) -> None:
    """The contexts of the worker take packets in turn, and its time-out leaves no bucket to scan in so short a run.

    The answer given again finds nobody who waits.
    """
    fault = {"kind": "repeat_call", "at_cycle": at_packet(2), "chip": "n0", "delay_us": delay_us}
    done = run_tickets(tmp_path, [fault])
    assert done.result.fault is None and done.result.delivered == PACKETS
    assert done.result.extensions["oboe"]["states_judged"] and taken(done) == PACKETS
    assert call_events(done) == {event: 1} | ({"reply_late": 1} if event == "call_repeated" else {})


@pytest.mark.parametrize(("latency_us", "timeout_us", "least", "most"), [(40, 200, 0, 0), (80, 100, 1, 2)])
def test_a_slow_answer(tmp_path: Path, latency_us: int, timeout_us: int, least: int, most: int) -> None:
    """A try of 200 us ends at the second look at the calls, so behind 100 us; an answer takes 80 us and some work.

    Tries of 100 us end each at a look: in the 160 us of the longest links there are one or two. Each call sent again is
    answered again, when nobody waits any more.
    """
    done = run_tickets(tmp_path, [], latency_ns=latency_us * 1_000, timeout_us=timeout_us)
    assert done.result.fault is None and done.result.delivered == PACKETS and taken(done) == PACKETS
    again = call_events(done).get("call_again", 0)
    assert least * PACKETS <= again <= most * PACKETS
    for event in ("call_repeated", "reply_late"):  # those of the last packet may be under way still
        assert again - most <= call_events(done).get(event, 0) <= again


def test_only_messages_that_somebody_misses_are_lost_behind_the_channel(tmp_path: Path) -> None:
    fault = lose("CALL", 1, before=2) | {"message": "PARTIAL"}
    path = configuration(
        tmp_path,
        traffic={"generator": "uniform", "into": ["n0.0"]},
        run={"offered_packets": 1},
        lines=fault_lines([fault]),
    )
    with pytest.raises(InputError) as caught:
        open_extensions(load_config(path))
    assert str(caught.value).endswith(
        "oboe.fault[0].behind_channel: PARTIAL: only CALL, REPLY, REPLICA are missed where the channel has brought them"
    )


LOCATIONS = {
    "calls_pending": Location("local", 0),
    "channel_copies": Location("dram", 0),
    "packet_buffers": Location("dram", 0x10_0000),
    "last_replies": Location("sram0", 0),
}
RESULTS = 0x2000


def run_lines(lines: Sequence[str], *, results: int, **defines: int) -> list[int]:
    """A program with the macros of calls on one context; returns longwords it put to scratch at RESULTS."""
    head = [
        '#include "oboe/structures.uc"',
        '#include "oboe/message.uc"',
        ".reg buffers @self @home",
        ".sig got, written, put_done, done",
        '#include "oboe/send.uc"',
        ".reg at caller number sequence entry input0 input1 input2 input3",
        ".reg write $out[8]",
        f"immed[at, {RESULTS:#x}]",
    ]
    symbols = {**DEFINES, "WORKING_CHIPS": 3, "TICK_STEPS": 100, "CALL_TICK_STEPS": 500, **defines}
    program = parse("\n".join([*head, *lines, "ctx_arb[kill]"]), defines=symbols, include_dirs=["builtin:"])
    elsewhere = {
        one.name: Location("scratch", 0) if one.ring else Location("sram1", 0x1000 * number)
        for number, one in enumerate(program.structures)
    }
    assembled = assemble(program, locations={**elsewhere, **LOCATIONS})
    hardware = resolve_hardware()
    chips, memories = new_chips(1), Memories(hardware)
    initialise(chips[0], hardware, memories)
    load_program(chips[0], 0, assembled.words, contexts=1)
    advance_unlinked(chips, 200_000)
    assert int(chips[0]["fault"]) == 0
    return [int(word) for word in chips[0]["scratch"][RESULTS // 4 : RESULTS // 4 + results]]


def put(*registers: str) -> list[str]:
    return [
        *(f"alu[$out[{n}], --, B, {register}]" for n, register in enumerate(registers)),
        f"scratch[write, $out[0], at, 0, {len(registers)}], ctx_swap[done]",
        f"alu[at, at, +, {4 * len(registers)}]",
    ]


NOTE = [
    "immed[caller, 0x281]",  # context 0 of microengine 1:1, signal 1
    "immed[entry, 11]",
    *(f"immed[input{n}, {21 + n}]" for n in range(4)),
    "call_note(sequence, caller, entry, input0, input1, input2, input3)",
    "caller_number(number, caller)",
]


@pytest.mark.parametrize("ticks", [1, 2, 7])
def test_a_try_ends_at_its_last_tick(ticks: int) -> None:
    """Due at tick t and 2 t and at no other, given up at 3 t; what is sent again is the same call."""
    body = [*NOTE, ".reg left verdict", f"immed[left, {TRIES * ticks}]", "tick#:", "immed[verdict, 0]"]
    body += ["call_tick(caller, number, given_up#)"]
    body += ["call_due(caller, sequence, entry, input0, input1, input2, input3, number, put#)", "immed[verdict, 1]"]
    body += ["br[put#]", "given_up#:", "immed[verdict, 2]", "put#:", *put("verdict")]
    body += ["alu[left, left, -, 1]", "bne[tick#]"]
    body += ["immed[verdict, 9]", "call_tick(caller, number, wrong#)", "immed[verdict, 0]", "wrong#:", *put("verdict")]
    body += put("sequence", "entry", "input0", "input3")
    got = run_lines(body, results=TRIES * ticks + 5, CALL_TICKS=ticks)
    expected = [0] * TRIES * ticks + [0]  # given up once
    expected[ticks - 1] = expected[2 * ticks - 1] = 1
    expected[TRIES * ticks - 1] = 2
    assert got == [*expected, 1, 11, 21, 24]


def test_a_reply_counts_for_the_call_that_waits_only() -> None:
    """One of an earlier call is nobody's, and leaves the call as it is; the right one is taken once."""
    body = [*NOTE, *NOTE, ".reg other found"]  # the second call has number 2
    for change in (-1, 1, 0, 0):
        body += ["immed[other, 1]", f"alu[other, sequence, {'+' if change > 0 else '-'}, {abs(change)}]"]
        body += ["call_take(found, number, other)", *put("found")]
    assert run_lines(body, results=4, CALL_TICKS=5) == [0, 0, 0x281, 0]


def test_the_home_knows_the_last_call_of_each_caller() -> None:
    """New, known or stale by the caller's number, also where it passes 2^31 and 2^32; other callers do not matter."""
    callers = {0: 0x0000_0281, 1: 0x0100_0281, 2: 0x0000_0291}
    sequences = [(0, 1), (0, 1), (1, 1), (0, 2), (0, 1), (1, 1), (2, 5), (2, 4), (0, 0x8000_0001)]
    sequences += [(0, 2), (0, 0xFFFF_FFFF), (0, 0xFFFF_FFFF), (0, 3), (0, 0xFFFF_FFFF), (0, 3)]
    body = [".reg result out1 out2 out3 verdict"]
    last: dict[int, tuple[int, int]] = {}
    expected: list[int] = []
    for step, (who, sequence) in enumerate(sequences):
        for register, value in (("caller", callers[who]), ("sequence", sequence)):
            body += [f"immed[{register}, {value & 0xFFFF}]", f"immed_w1[{register}, {value >> 16}]"]
        body += ["immed[verdict, 1]", "immed[result, 0]"]
        body += [f"call_look(result, out1, out2, out3, caller, sequence, known_{step}#, stale_{step}#)"]
        body += [f"immed[out1, {100 + step}]", "call_keep(caller, sequence, out1, out1, out1, out1)"]
        body += ["immed[verdict, 0]", f"br[known_{step}#]", f"stale_{step}#:", "immed[verdict, 2]"]
        body += [f"known_{step}#:", *put("verdict", "result")]
        number, result = last.get(who, (0, 0))
        later = (sequence - number) % (1 << 32)
        kind = 1 if later == 0 else 2 if later >> 31 else 0
        expected += [kind, result if kind == 1 else 0]
        if kind == 0:
            last[who] = sequence, 100 + step
    assert run_lines(body, results=len(expected), CALL_TICKS=5) == expected
    assert {0, 1, 2} == set(expected[::2])
