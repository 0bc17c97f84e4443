"""The control processor: what a program's requests cost and when they take effect, against a naive one and by hand."""

from __future__ import annotations

import random
from collections.abc import Generator
from typing import Any

import pytest

from ixp_emu.board import Board, ChipFault, ControlError, Wakeup, XScale, connect
from ixp_emu.errors import InputError
from tests.board.control_oracle import Program, Trace, dated, run_naively, servant_board
from tests.board.test_access_time import service_cycle

Steps = Generator[Any, Any, Any]

RING0, RING1 = 0xCB400000, 0xCB400004
SCRATCH = 0xCA000000
TIMER = 0xC0020000
RAW_A, STATUS_A, ENABLE_A = 0xD6000060, 0xD60000E0, 0xD6000160
REGIONS = (
    (0x0000_1000, "dram"), (0x8000_0010, "sram"), (0x9000_0010, "sram"), (SCRATCH + 0x900, "scratch"),
    (RING0, "scratch"), (0xC800_0030 - 0x30, "msf"), (0xDF00_0200, "pci"), (TIMER + 4, "csr"),
    (0xC000_4A04, "csr"), (0xC000_4900, "csr"), (0xC001_8044, "csr"), (STATUS_A, "csr"),
)  # fmt: skip


def attached(board: Board, program: Program) -> Trace:
    """Attach a program; the trace grows as it runs."""
    trace: Trace = []
    board.attach(dated(board, program, trace))
    return trace


# --- against the naive one ------------------------------------------------------------------------------------------


def random_program(seed: int) -> Program:
    """A program that does everything, with choices that depend on what it reads."""

    def program(xscale: XScale) -> Steps:
        rng = random.Random(seed)
        xscale.define_cost("table", fixed_cycles=7, per_item_cycles=3)
        yield xscale.write(ENABLE_A, 1 << 10)
        while True:
            match rng.randrange(9):
                case 0 | 1:
                    yield xscale.write(RING0, rng.randrange(1, 1000))
                case 2:
                    yield xscale.compute("table", rng.randrange(40))
                case 3:
                    value = yield xscale.read(RING1)
                    yield xscale.sleep(1 + value % 50)
                case 4:
                    yield xscale.write(TIMER + 4, rng.randrange(1, 40))
                    yield xscale.write(TIMER, rng.choice((0, 0x80)))
                case 5:
                    yield xscale.read(rng.choice(REGIONS)[0])
                case 6:
                    value = yield xscale.read(SCRATCH + 0x800)
                    yield xscale.write(0x8000_0000 + 4 * rng.randrange(16), value)
                case _:
                    woken = yield xscale.wait(
                        interrupts=rng.random() < 0.6,
                        timers=rng.choice((False, True, (0,), (1, 2))),
                        mailboxes=rng.choice((False, True, (0x54,), (0x50, 0x60))),
                        timeout=rng.randrange(1, 1_500),
                    )
                    if woken.interrupts[0]:
                        yield xscale.write(RAW_A, woken.interrupts[0])
                    if woken.timers:
                        yield xscale.write(TIMER + 0xC, 1)

    return program


CYCLES = 25_000


def cut(board: Board, cycles: int, rng: random.Random) -> None:
    """Run in pieces."""
    while board.now < cycles:
        board.run(min(rng.choice((1, 2, 59, 300, 4_000)), cycles - board.now))


@pytest.mark.parametrize("seed", range(4))
def test_a_program_does_what_the_naive_one_does_however_the_run_is_cut(seed: int) -> None:
    overrides = {"host__interrupt_cycles": (300, 1, 77, 1_000)[seed], "host__timer_cycles": (12, 5, 1, 30)[seed]}
    expected = run_naively(naive := servant_board(**overrides), random_program(seed), CYCLES)
    assert {type(request).__name__ for _, request, _ in expected} == {"Read", "Write", "Compute", "Sleep", "Wait"}
    told = [value for _, _, value in expected if isinstance(value, Wakeup)]
    assert any(any(one.interrupts) for one in told) and any(one.timed_out for one in told)
    assert any(one.timers for one in told) and any(one.mailboxes for one in told)
    for pieces in (None, 1, 2):
        board = servant_board(**overrides)
        trace = attached(board, random_program(seed))
        if pieces is None:
            board.run(CYCLES)
        else:
            cut(board, CYCLES, random.Random(pieces))
        assert trace == expected
        assert board.me["0:1"].cycles == naive.me["0:1"].cycles
        assert board.counters == naive.counters
        assert board.control is not None and sum(board.control.cycles.values()) == board.now == CYCLES


# --- costs and edges ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("address", "kind"), REGIONS)
def test_an_access_takes_the_cycles_of_its_region_and_two_never_share_a_cycle(address: int, kind: str) -> None:
    def program(xscale: XScale) -> Steps:
        for _ in range(3):
            yield xscale.read(address)

    cost = 17
    board = Board({f"host.{kind}_cycles": cost})
    board.run(5)
    trace = attached(board, program)
    board.run(3 * cost - 1)
    assert [cycle for cycle, _, _ in trace] == [4 + cost, 4 + 2 * cost]
    board.run(1)
    assert [cycle for cycle, _, _ in trace][2] == 4 + 3 * cost == board.phase_cycle
    assert board.control is not None and board.control.ended
    board.run(10)
    assert board.control.cycles == {"accessing": 3 * cost, "computing": 0, "waiting": 0, "reacting": 0, "ended": 10}
    assert {name: count for name, count in board.control.accesses.items() if count} == {kind: 3}


@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("offset", [103, 104])
def test_a_write_at_t_is_seen_by_a_read_served_at_t_plus_1_and_not_at_t(offset: int, late: int) -> None:
    board = Board()
    source = ".reg read $x\n.sig s\n" + "nop\n" * offset + "scratch[read, $x, 0, 0, 1], ctx_swap[s]\nctx_arb[kill]\n"
    board.load(0, source, contexts=[0])
    effect = service_cycle(board, offset) - 1 + late
    idle = effect + 1 - board.hardware["host.scratch_cycles"]

    def program(xscale: XScale) -> Steps:
        yield xscale.sleep(idle)
        yield xscale.write(SCRATCH, 1234)

    trace = attached(board, program)
    board.run(1_000)
    assert [cycle for cycle, _, _ in trace][-1] == effect
    assert board.me[0].context(0)["$x"] == (0 if late else 1234)


@pytest.mark.parametrize("late", [0, 1])
def test_a_put_at_t_is_there_for_a_get_served_at_t_plus_1_and_not_at_t(late: int) -> None:
    board = Board()
    board.ring(0, base=0, size=128)
    source = ".reg read $x\n.sig s\n" + "nop\n" * 100 + "scratch[get, $x, 0, 0, 1], ctx_swap[s]\nctx_arb[kill]\n"
    board.load(0, source, contexts=[0])
    effect = service_cycle(board, 100) - 1 + late

    def program(xscale: XScale) -> Steps:
        yield xscale.sleep(effect + 1 - xscale.hardware["host.scratch_cycles"])
        yield xscale.write(RING0, 77)

    attached(board, program)
    board.run(1_000)
    assert board.me[0].context(0)["$x"] == (0 if late else 77)
    assert board.ring(0).contents == ([77] if late else [])


def raised(offset: int, **overrides: int) -> Board:
    """A board whose ME 0:0, context 0, raises interrupt A with an instruction issued in a cycle."""
    board = Board({name.replace("__", "."): value for name, value in overrides.items()})
    board.load(0, "nop\n" * offset + "cap[fast_wr, 0, XSCALE_INT_A]\nctx_arb[kill]\n", contexts=[0])
    return board


@pytest.mark.parametrize("latency", [1, 2, 299, 300, 5_000])
@pytest.mark.parametrize("offset", [90, 91])
def test_a_wait_goes_on_its_latency_after_the_cycle_of_the_interrupt(offset: int, latency: int) -> None:
    def program(xscale: XScale) -> Steps:
        yield xscale.write(ENABLE_A, 1)
        yield xscale.wait(interrupts=True)

    board = raised(offset, host__interrupt_cycles=latency)
    trace = attached(board, program)
    came = service_cycle(board, offset)
    board.run(came + latency)
    assert len(trace) == 1
    board.run(1)
    assert trace[1][0] == came + latency and trace[1][2] == Wakeup((1, 0, 0, 0), (), (), False)
    enabling = board.hardware["host.csr_cycles"]
    assert board.control is not None and board.control.interrupts == 1
    cycles = {"accessing": enabling, "computing": 0, "waiting": came + 1 - enabling, "reacting": latency, "ended": 0}
    assert board.control.cycles == cycles


def test_an_interrupt_that_is_pending_costs_its_latency_only() -> None:
    def program(xscale: XScale) -> Steps:
        yield xscale.write(ENABLE_A, 1)
        yield xscale.sleep(1_000)
        yield xscale.wait(interrupts=True)

    board = raised(10)
    trace = attached(board, program)
    board.run(5_000)
    assert trace[2][0] == trace[1][0] + board.hardware["host.interrupt_cycles"]


@pytest.mark.parametrize(("early", "timed_out"), [(0, False), (1, True)])
def test_a_time_out_in_the_cycle_of_the_interrupt_gives_way(early: int, timed_out: bool) -> None:
    board = raised(90)
    came, enabled = service_cycle(board, 90), board.hardware["host.csr_cycles"] - 1

    def program(xscale: XScale) -> Steps:
        yield xscale.write(ENABLE_A, 1)
        yield xscale.wait(interrupts=True, timeout=came - enabled - early)

    trace = attached(board, program)
    board.run(5_000)
    assert trace[1][2].timed_out is timed_out
    assert trace[1][0] == (came - 1 if timed_out else came + board.hardware["host.interrupt_cycles"])
    assert board.control is not None and (board.control.interrupts, board.control.timeouts) == (1 - early, early)


def test_others_may_enable_what_the_program_waits_for_between_two_runs() -> None:
    def program(xscale: XScale) -> Steps:
        yield xscale.wait(interrupts=True)

    board = raised(10)
    trace = attached(board, program)
    board.run(700)
    board.host.write(ENABLE_A, 1)
    board.run(1_000)
    assert [cycle for cycle, _, _ in trace] == [699 + board.hardware["host.interrupt_cycles"]]


def test_a_mailbox_that_was_written_meanwhile_is_not_missed_and_told_once() -> None:
    def program(xscale: XScale) -> Steps:
        yield xscale.sleep(2_000)
        yield xscale.wait(mailboxes=(0x58, 0x70), timeout=500)
        yield xscale.wait(mailboxes=True, timeout=500)

    board = Board()
    board.load(
        0,
        """
        .reg at
        .reg write $x
        .sig s
            immed[at, 0x70]
            alu[$x, --, b, at]
            pci[write, $x, at, 0, 1], ctx_swap[s]
            immed[at, 0x64]             // nothing there
            pci[write, $x, at, 0, 1], ctx_swap[s]
            ctx_arb[kill]
        """,
        contexts=[0],
    )
    trace = attached(board, program)
    board.run(5_000)
    assert [value for _, _, value in trace[1:]] == [
        Wakeup((0, 0, 0, 0), (), (0x70,), False),
        Wakeup((0, 0, 0, 0), (), (), True),
    ]


# --- timers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tick", "load"), [(1, 1), (12, 1), (12, 30), (5, 7)])
def test_a_timer_counts_down_and_starts_again(tick: int, load: int) -> None:
    """Against a counter that is stepped tick by tick."""
    board = Board({"host.timer_cycles": tick})
    board.run(33)
    board.host.write(TIMER + 0x24, load)
    board.host.write(TIMER + 0x20, 0x80)
    counter, expired = load, 0
    for cycle in range(33, 33 + 400):
        if (cycle - 32) % tick == 0:
            counter -= 1
            if counter == 0:
                counter, expired = load, 1
        board.run(cycle - board.phase_cycle)
        if cycle % 7 == 0:
            assert (board.host.read(TIMER + 0x28), board.host.read(TIMER + 0x2C)) == (counter, expired)


def test_a_stopped_timer_keeps_its_value_and_a_cleared_one_expires_again() -> None:
    board = Board({"host.timer_cycles": 10})
    board.run(1)
    board.host.write(TIMER + 4, 5)
    board.run(100)
    assert board.host.read(TIMER + 8) == 5 and board.host.read(TIMER + 4) == 5
    board.host.write(TIMER, 0x80)
    board.run(49)
    assert (board.host.read(TIMER + 8), board.host.read(TIMER + 0xC)) == (1, 0)
    board.run(1)
    assert (board.host.read(TIMER + 8), board.host.read(TIMER + 0xC)) == (5, 1)
    board.host.write(TIMER + 0xC, 1)
    assert board.host.read(TIMER + 0xC) == 0
    board.run(25)
    board.host.write(TIMER, 0)
    board.run(1_000)
    assert (board.host.read(TIMER + 8), board.host.read(TIMER + 0xC)) == (3, 0)


def test_a_wait_for_a_timer_goes_on_its_latency_after_the_tick() -> None:
    def program(xscale: XScale) -> Steps:
        yield xscale.write(TIMER + 0x14, 100)
        yield xscale.write(TIMER + 0x10, 0x80)
        yield xscale.wait(timers=(1,))
        yield xscale.wait(timers=True, timeout=1)

    board = Board()
    csr, latency, tick = (board.hardware[f"host.{name}_cycles"] for name in ("csr", "interrupt", "timer"))
    trace = attached(board, program)
    board.run(10_000)
    enabled = 2 * csr - 1
    assert [cycle for cycle, _, _ in trace] == [csr - 1, enabled, enabled + 100 * tick + latency, trace[2][0] + latency]
    assert trace[3][2].timers == (1,)  # it was not cleared


# --- what goes wrong ------------------------------------------------------------------------------------------------


def _failing(what: str) -> Program:
    def program(xscale: XScale) -> Steps:
        yield xscale.sleep(10)
        if what == "exception":
            raise ZeroDivisionError("no\nsense")
        if what == "address":
            yield xscale.read(0xC0019000)
        if what == "register":
            yield xscale.read(0xD6000000)
        if what == "word":
            yield xscale.write(SCRATCH, -1)
        if what == "no request":
            yield 7
        if what == "operation":
            yield xscale.compute("x")
        if what == "sleep":
            yield xscale.sleep(0)
        if what == "nothing":
            yield xscale.wait()
        yield xscale.wait(timers=(4,))

    return program


@pytest.mark.parametrize(
    ("what", "cycle", "message"),
    [
        ("exception", 9, "ZeroDivisionError: no"),
        (
            "address",
            9,
            "host address 0xc0019000: nothing is mapped here; "
            "the nearest below: CSRs of ME 0:3 (0xc0018c00 to 0xc0018fff)",
        ),
        ("register", 49, "host address 0xd6000000: no register of the interrupt controller (0xd6000000 to 0xd6000207)"),
        ("word", 9, "host address 0xca000000: -1 is no longword: 0..0xffffffff"),
        ("no request", 9, "yielded 7: must be a request of xscale (read, write, ...)"),
        ("operation", 9, "operation x: no cost is defined; there are: none"),
        ("sleep", 9, "sleep: 0: must be a whole number from 1 to 2^48"),
        ("nothing", 9, "wait: there is nothing to wait for"),
        ("timer", 9, "timers: 4: there are 0, 1, 2, 3"),
    ],
)
def test_a_program_that_fails_names_its_line_and_stops_its_chip(what: str, cycle: int, message: str) -> None:
    board = Board()
    board.attach(_failing(what))
    with pytest.raises(ControlError) as caught:
        board.run(1_000)
    line = _failing.__code__.co_firstlineno + {"exception": 4, "address": 6, "register": 8, "word": 10}.get(what, 0)
    if line == _failing.__code__.co_firstlineno:
        line += {"no request": 12, "operation": 14, "sleep": 16, "nothing": 18, "timer": 19}[what]
    place = f"control program of chip a, cycle {cycle}"
    assert str(caught.value) == f"{__file__}:{line}: {place}: {message}"
    assert (board.now, caught.value.cycle) == (cycle + 1, cycle)
    with pytest.raises(ControlError):
        board.run(1)
    assert board.now == cycle + 1
    assert board.control is not None and sum(board.control.cycles.values()) == board.now and not board.control.ended


def test_a_line_of_a_generator_below_is_found() -> None:
    def below(xscale: XScale) -> Steps:
        yield xscale.read(0xD6000000)

    def program(xscale: XScale) -> Steps:
        yield from below(xscale)

    board = Board()
    board.attach(program)
    with pytest.raises(ControlError) as caught:
        board.run(1_000)
    assert caught.value.line == below.__code__.co_firstlineno + 1


def test_a_fault_that_an_access_causes_is_the_chips() -> None:
    def program(xscale: XScale) -> Steps:
        while True:
            yield xscale.write(RING0, 1)

    board = Board()
    board.ring(0, base=0, size=128, contents=range(126))
    board.attach(program)
    with pytest.raises(ChipFault) as caught:
        board.run(10_000)
    assert caught.value.reason == "put into a full ring"
    assert caught.value.cycle == 3 * board.hardware["host.scratch_cycles"] - 1 == board.now - 1
    assert board.control is not None and board.control.cycles["accessing"] == board.now


def test_a_program_stands_still_with_its_chip() -> None:
    def program(xscale: XScale) -> Steps:
        while True:
            yield xscale.sleep(1)

    board = Board()
    board.load(0, "nop\nnop\nhalt\n", contexts=[0])
    trace = attached(board, program)
    with pytest.raises(ChipFault):
        board.run(10)
    assert [cycle for cycle, _, _ in trace] == [0, 1]


def test_what_is_no_program_is_refused() -> None:
    def plain(xscale: XScale) -> None:
        return None

    def with_option(xscale: XScale, *, period: int) -> Steps:
        yield xscale.sleep(period)

    def failing(xscale: XScale) -> Steps:
        raise KeyError("routes")
        yield

    board = Board()
    with pytest.raises(InputError) as caught:
        board.attach(plain)  # type: ignore[arg-type]
    text = "plain: must be a generator function: def program(xscale): ... yield xscale.read(address)"
    assert str(caught.value) == f"{__file__}:{plain.__code__.co_firstlineno}: {text}"
    for options, why in (
        ({}, "missing a required argument: 'period'"),
        ({"perod": 1}, "missing a required argument: 'period'"),
    ):
        with pytest.raises(InputError) as caught:
            board.attach(with_option, options=options)
        given = ", ".join(options) or "(none)"
        assert caught.value.message == f"{why}; it is called with xscale and the options {given}"
        assert (caught.value.file, caught.value.line) == (__file__, with_option.__code__.co_firstlineno)
    with pytest.raises(ControlError) as failed:
        board.attach(failing)
    assert (failed.value.cycle, failed.value.message) == (-1, "KeyError: 'routes'")
    board = Board()
    board.attach(with_option, options={"period": 5})
    with pytest.raises(InputError, match=r"^board a: has a control program already$"):
        board.attach(with_option, options={"period": 5})


def test_costs_are_fixed_and_per_item() -> None:
    def program(xscale: XScale) -> Steps:
        xscale.define_cost("lookup", fixed_cycles=200, per_item_cycles=35)
        xscale.define_cost("note", fixed_cycles=9)
        assert xscale.cost_cycles("lookup", 4) == 200 + 4 * 35
        yield xscale.compute("lookup", 4)
        yield xscale.compute("note")

    board = Board()
    trace = attached(board, program)
    board.run(1_000)
    assert [cycle for cycle, _, _ in trace] == [339, 348]


# --- going back, and several boards ---------------------------------------------------------------------------------


@pytest.mark.parametrize("saved_at", [0, 1, 4_321, 12_000])
def test_a_program_goes_on_from_a_saved_state_there_and_on_another_board(saved_at: int) -> None:
    straight = servant_board()
    expected = attached(straight, random_program(1))
    straight.run(saved_at)
    done = len(expected)
    straight.run(CYCLES - saved_at)
    board, other = servant_board(), servant_board()
    trace, again = attached(board, random_program(1)), attached(other, random_program(1))
    board.run(saved_at)
    state = board.save()
    board.run(9_000)
    board.host.write(TIMER, 0)
    for one, told in ((board, trace), (other, again)):
        told.clear()
        one.restore(state)
        assert [entry[1:] for entry in told] == [entry[1:] for entry in expected[:done]]  # told again what it was told
        told.clear()
        one.run(CYCLES - saved_at)
        assert told == expected[done:] and one.counters == straight.counters
        assert one.control is not None and straight.control is not None
        assert one.control.saved().cycles == straight.control.saved().cycles
        assert (one.control.accesses, one.control.interrupts) == (
            straight.control.accesses,
            straight.control.interrupts,
        )


def test_a_state_from_before_the_program_is_one_without_it() -> None:
    board = servant_board()
    state = board.save()
    board.attach(random_program(2))
    with_program = board.save()
    board.run(5_000)
    board.restore(state)
    assert board.control is None
    board.run(5_000)
    assert board.scratch[0x800] == 0 and board.host.read(ENABLE_A) == 0
    with pytest.raises(InputError) as caught:
        board.restore(with_program)
    assert str(caught.value) == "board a: the state is of a board with a control program: attach it"


@pytest.mark.parametrize(
    ("change", "now"),
    [
        ("request", "Read(address=2147483656)"),
        ("cost", "Compute(operation=0, items=0, cycles=6)"),
        ("end", "ends"),
        ("error", "KeyError: 'lost'"),
    ],
)
def test_a_program_that_does_something_else_when_it_runs_again_is_refused(change: str, now: str) -> None:
    runs = 0

    def program(xscale: XScale) -> Steps:
        nonlocal runs
        runs += 1
        changed = change if runs > 1 else ""
        xscale.define_cost("step", fixed_cycles=6 if changed == "cost" else 5)
        yield xscale.read(0x8000_0004)
        if changed == "end":
            return
        if changed == "error":
            raise KeyError("lost")
        if change == "cost":
            yield xscale.compute("step")
        yield xscale.read(0x8000_0008 if changed == "request" else 0x8000_0004)

    board = Board()
    board.attach(program)
    board.run(1_000)
    state = board.save()
    with pytest.raises(InputError) as caught:
        board.restore(state)
    then = "Compute(operation=0, items=0, cycles=5)" if change == "cost" else "Read(address=2147483652)"
    message = f"the control program of chip a no longer does what it did: request 1 was {then}, now: {now}"
    assert caught.value.message == message and caught.value.file == __file__


def test_boards_joined_by_a_cable_have_a_program_each() -> None:
    def joined() -> tuple[Board, Board, list[Trace]]:
        left, right = servant_board(), servant_board()
        connect(left, 0, right, 1, latency=130)
        return left, right, [attached(left, random_program(0)), attached(right, random_program(3))]

    left, _, expected = joined()
    left.run(CYCLES)
    other, right, traces = joined()
    cut(other, CYCLES, random.Random(5))
    assert traces == expected and right.now == CYCLES
    assert expected[1] == run_naively(servant_board(), random_program(3), CYCLES)
