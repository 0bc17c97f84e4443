"""Going back to a saved state: what follows is what followed before."""

from __future__ import annotations

import pytest

from ixp_emu.board import Board, connect
from ixp_emu.errors import InputError
from tests.board.boards import PACKETS, SEND, everything, received, receiver


@pytest.mark.parametrize("cut", [0, 1, 500, 2_345, 9_000])
def test_a_run_goes_on_from_a_saved_state(cut: int) -> None:
    straight = receiver()
    straight.run(20_000)
    assert sorted(received(straight)) == sorted((index % 2, one) for index, one in enumerate(PACKETS))
    board = receiver()
    board.run(cut)
    state = board.save()
    board.run(20_000 - cut)
    assert everything(board) == everything(straight)
    board.sram[1].words[:100] = 5
    board.me[0].gpr_a[:] = 1
    board.host.write(0xD600_0160, 0xFF)
    board.restore(state)
    assert board.now == cut == state.now
    assert not board.sram[1].words.any() and board.host.read(0xD600_0160) == 0
    board.run(20_000 - cut)
    assert everything(board) == everything(straight)
    other = Board(ports=2)
    other.run(77)
    other.restore(state)
    del board  # the frames that were fed to it live on
    other.run(20_000 - cut)
    assert everything(other) == everything(straight)
    assert other.me[0].program is not None and other.me[0].context(0)["zero"] == 0


def test_frames_that_have_left_are_part_of_the_state() -> None:
    board = Board()
    state = board.save()
    board.load(0, SEND, contexts=1)
    board.run(5_000)
    later = board.save()
    assert len(board.collect()) == 1
    board.restore(later)
    assert len(board.egress) == 1
    board.restore(state)
    assert board.egress == [] and board.me[0].program is None
    board.run(5_000)
    assert board.egress == []


def test_states_of_other_boards_are_refused() -> None:
    state = Board(ports=2).save()
    for other in (Board(ports=3), Board({"dram.cas": 12}, ports=2)):
        with pytest.raises(InputError) as caught:
            other.restore(state)
        assert str(caught.value) == "board a: the state is of a board with other hardware or ports"
    left, right = Board(), Board(name="b")
    connect(left, 0, right, 0, latency=100)
    with pytest.raises(InputError) as caught:
        left.restore(state)
    assert str(caught.value) == "restore: the state is of 1 boards with 0 cables"
