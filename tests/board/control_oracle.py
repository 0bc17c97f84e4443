"""A control processor written down naively: the chip runs cycle by cycle, and after each the host looks at its map."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from ixp_emu.board import Board, Wakeup, XScale
from ixp_emu.board.control_requests import Compute, Read, Sleep, Wait, Write

__all__ = ["SERVANT", "Trace", "dated", "run_naively", "servant_board"]

Trace = list[tuple[int, Any, Any]]
"""(cycle in which the program went on, its request, the value it was told)."""

Program = Callable[[XScale], Generator[Any, Any, Any]]

_STATUS = (0xD60000E0, 0xD60000E4, 0xD6000100, 0xD6000104)
_MAILBOXES = (0x50, 0x54, 0x58, 0x5C, 0x60, 0x70)

SERVANT = """
.reg read $in
.reg write $out
.reg n, box, at, sum
.sig s
    immed[n, 0]
    immed[box, 0x54]
    immed[sum, 0x800]
again#:
    scratch[get, $in, 0, 0, 1], ctx_swap[s]     // an order of the host
    alu[at, --, b, $in]
    beq[again#]
    alu[n, n, +, at]
    alu[$out, --, b, n]
    scratch[put, $out, 0, 4, 1], ctx_swap[s]
    br_bclr[at, 0, no_interrupt#]
    cap[fast_wr, 0, XSCALE_INT_A]
no_interrupt#:
    br_bclr[at, 1, no_mail#]
    alu[$out, --, b, n]
    pci[write, $out, box, 0, 1], ctx_swap[s]
no_mail#:
    alu[$out, --, b, n]
    scratch[write, $out, sum, 0, 1], ctx_swap[s]
    br[again#]
"""
"""Takes orders from ring 0; answers on ring 1 and at scratch 0x800 with the sum so far; an odd order raises interrupt
A, one with bit 1 writes a mailbox."""


def servant_board(**overrides: int) -> Board:
    """A board with the servant on context 2 of ME 0:1."""
    board = Board({name.replace("__", "."): value for name, value in overrides.items()})
    board.ring(0, base=0, size=128)
    board.ring(1, base=512, size=128)
    board.load("0:1", SERVANT, contexts=[2])
    return board


def dated(board: Board, program: Program, trace: Trace) -> Program:
    """The program, with a trace of when it went on with what."""

    def traced(xscale: XScale) -> Generator[Any, Any, Any]:
        generator, value = program(xscale), None
        while True:
            try:
                request = generator.send(value)
            except StopIteration:
                return
            value = yield request
            trace.append((board.phase_cycle, request, value))

    return traced


def run_naively(board: Board, program: Program, cycles: int) -> Trace:
    """The trace of a program on a board, for so many cycles."""
    hardware, read = board.hardware, board.host.read
    trace: Trace = []
    generator = program(XScale(board.host, chip=board.name, hardware=hardware.values, structures={}))
    request, asked = next(generator), board.phase_cycle
    came: int | None = None
    boxes = [read(0xDF000000 + offset) for offset in _MAILBOXES]
    fresh: set[int] = set()  # mailboxes written, and the program not told

    def due() -> int | None:
        match request:
            case Read(address=address) | Write(address=address):
                return asked + hardware[f"host.{_kind(address)}_cycles"]
            case Compute(cycles=cost) | Sleep(cycles=cost):
                return asked + cost
        if came is not None:
            return came + hardware["host.interrupt_cycles"]
        return asked + request.timeout if request.timeout >= 0 else None

    def condition() -> Wakeup:
        assert isinstance(request, Wait)
        a0, a1, b0, b1 = (read(address) if request.interrupts else 0 for address in _STATUS)
        timers = tuple(n for n in range(4) if request.timers >> n & 1 and read(0xC002000C + 16 * n))
        mail = tuple(box for box in _MAILBOXES if box in fresh and request.mailboxes >> (box - 0x50) // 4 & 1)
        return Wakeup((a0, a1, b0, b1), timers, mail, False)

    end = board.now + cycles
    while True:
        now = board.phase_cycle
        for index, offset in enumerate(_MAILBOXES):
            if read(0xDF000000 + offset) != boxes[index]:
                fresh.add(offset)
                boxes[index] = read(0xDF000000 + offset)
        if isinstance(request, Wait) and came is None and condition() != ((0, 0, 0, 0), (), (), False):
            came = now
        if due() == now and now > asked:
            value: Any = None
            if isinstance(request, Read):
                value = read(request.address)
            elif isinstance(request, Write):
                board.host.write(request.address, request.value)
                boxes = [read(0xDF000000 + offset) for offset in _MAILBOXES]
            elif isinstance(request, Wait):
                value = condition()._replace(timed_out=came is None)
                fresh -= set(value.mailboxes)
            trace.append((now, request, value))
            try:
                request = generator.send(value)
            except StopIteration:
                board.run(end - board.now)
                return trace
            asked, came = now, None
            continue
        if board.now >= end:
            return trace
        board.run(1)


def _kind(address: int) -> str:
    """Region of an address, as the model's page lists them."""
    for first, kind in (
        (0xDF000000, "pci"), (0xD6000000, "csr"), (0xCA000000, "scratch"), (0xC8000000, "msf"), (0xC0000000, "csr"),
        (0x80000000, "sram"), (0, "dram"),
    ):  # fmt: skip
        if address >= first:
            return kind
    raise AssertionError(address)
