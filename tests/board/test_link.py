"""Boards joined by a cable."""

from __future__ import annotations

import pytest

from ixp_emu.board import Board, ChipFault, Frame, assemble, connect
from ixp_emu.errors import InputError
from tests.board.boards import SEND, everything, received, receiver
from tests.board.packets import firmware, packet

BYTE_TENTHS = 48  # 8 ns at 600 MHz, tenths of a cycle


def pair(latency: int) -> tuple[Board, Board]:
    """a sends one frame on its port 1 to port 0 of b."""
    left, right = Board(name="a"), Board(name="b")
    left.load(0, SEND, contexts=1)
    connect(left, 1, right, 0, latency=latency)
    return left, right


def frame_left_at() -> int:
    """When the first bit of the frame of SEND is on the wire."""
    alone = Board()
    alone.load(0, SEND, contexts=1)
    alone.run(5_000)
    (frame,) = alone.collect()
    return frame.time - -(-(8 + 60 + 4) * BYTE_TENTHS // 10)


@pytest.mark.parametrize("latency", [1, 2, 17, 600])
def test_a_frame_arrives_a_latency_later(latency: int) -> None:
    left, right = pair(latency)
    arrival = frame_left_at() + latency
    left.run(arrival)
    assert (left.now, right.now) == (arrival, arrival)
    assert right.port(0).frames_in == 0
    right.run(1)  # either of them runs both
    assert (left.now, right.now, right.port(0).frames_in) == (arrival + 1, arrival + 1, 1)
    assert int(right.port(0).record["rx_time"][0]) == arrival
    assert left.egress == [], "it has not left the two boards"


def sender(count: int) -> Board:
    """A board whose firmware sends so many packets on its one port, without a host."""
    board = Board(ports=1, name="a")
    board.load("1:3", firmware("transmit"))
    descriptors = [0x3000 + 16 * index for index in range(count)]
    for index, descriptor in enumerate(descriptors):
        data, buffer = packet(60 + 97 * index, 3), 0x20000 + 2048 * index
        board.dram.write_bytes(buffer, data)
        board.sram[0][descriptor : descriptor + 16] = [buffer, 2048, 0, len(data)]
    board.ring(2, base=1024, size=128, contents=descriptors)
    board.ring(3, base=1536, size=128)
    return board


def test_frames_cross_a_cable_byte_for_byte() -> None:
    results = []
    for step in (40_000, 333):
        left, right = sender(5), receiver("b", fed=False)
        connect(left, 0, right, 1, latency=50)
        while left.now < 40_000:
            right.run(min(step, 40_000 - left.now))
        assert received(right) == [(1, packet(60 + 97 * index, 3)) for index in range(5)]
        results.append((everything(left), everything(right)))
    assert results[0] == results[1]


def test_a_saved_state_holds_all_joined_boards() -> None:
    for cut in (3_000, 6_500):
        left, right = sender(5), receiver("b", fed=False)
        connect(left, 0, right, 0, latency=700)
        left.run(cut)
        state = right.save()
        left.run(40_000 - cut)
        expected = everything(left), everything(right)
        assert len(received(right)) == 5
        left.restore(state)
        assert (left.now, right.now) == (cut, cut)
        right.run(40_000 - cut)
        assert (everything(left), everything(right)) == expected


def test_a_fault_stops_all_joined_boards() -> None:
    left, right = pair(100)
    right.load(0, assemble("nop\nnop\nhalt\n", name="stop.uc"), contexts=1)
    for _ in range(2):
        with pytest.raises(ChipFault) as caught:
            left.run(1_000)
        assert str(caught.value) == "chip b, cycle 2: halt, ME 0:0 (stop.uc), context 0, stop.uc:3, word 2"
        assert right.now == 3 and left.now <= 100


def test_a_ring_of_boards_runs() -> None:
    boards = [Board(name=name) for name in "abc"]
    for one, other, latency in ((0, 1, 40), (1, 2, 30), (2, 0, 20)):
        connect(boards[one], 1, boards[other], 0, latency=latency)
    boards[1].run(1_000)
    assert [board.now for board in boards] == [1_000] * 3
    assert all(board.group is boards[0].group for board in boards)
    assert boards[0].group.latency == 20


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (lambda a, b: connect(a, 2, b, 0, latency=5), "board a: port 2: there are 2, from 0"),
        (lambda a, b: connect(a, 0, b, 0, latency=0), "latency: 0: must be at least 1 cycle"),
        (lambda a, b: connect(a, 0, a, 0, latency=5), "board a, port 0: cannot be connected to itself"),
        (lambda a, b: (b.run(3), connect(a, 0, b, 0, latency=5)), "connect: a is at cycle 0, b at 3"),
        (
            lambda a, b: (connect(a, 0, b, 0, latency=5), connect(b, 0, a, 1, latency=5)),
            "board b, port 0: has a cable already, or frames were fed to it",
        ),
        (
            lambda a, b: connect(a, 0, Board("ixp2400-400", name="c"), 0, latency=5),
            "connect: the clocks of a and c differ",
        ),
        (
            lambda a, b: (connect(a, 0, b, 1, latency=5), b.feed(1, bytes(60))),
            "port 1: is connected to another board: frames come from there",
        ),
        (
            lambda a, b: (a.feed(0, bytes(60)), connect(a, 0, b, 1, latency=5)),
            "board a, port 0: has a cable already, or frames were fed to it",
        ),
    ],
)
def test_what_cannot_be_connected(what: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        what(Board(name="a"), Board(name="b"))  # type: ignore[operator]
    assert str(caught.value) == message


def test_a_cable_between_two_ports_of_one_board() -> None:
    board = Board(ports=2)
    board.load(0, SEND, contexts=1)
    connect(board, 1, board, 0, latency=9)
    board.run(frame_left_at() + 10)
    assert board.port(0).frames_in == 1
    assert not any(isinstance(frame, Frame) for frame in board.egress)
