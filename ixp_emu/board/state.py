"""The state of boards between two cycles, to go back to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ixp_emu.board.control import ControlState
from ixp_emu.chip.layout import PAGE_SHIFT
from ixp_emu.chip.translate import without_translations
from ixp_emu.errors import InputError

if TYPE_CHECKING:
    from ixp_emu.board.board import Board
    from ixp_emu.board.link import Group

__all__ = ["State", "restore", "save"]

_PAGE_WORDS = (1 << PAGE_SHIFT) // 4


@dataclass(frozen=True, eq=False, slots=True)
class _BoardState:
    """A board's state; copies, but for the bytes of frames, which never change."""

    now: int
    hardware: Any
    record: npt.NDArray[np.uint8]
    pages: dict[int, tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]]
    ports: list[Any]
    egress: list[Any]
    host: Any
    programs: list[Any]
    structures: dict[str, int]
    control: ControlState | None


@dataclass(frozen=True, eq=False, slots=True)
class State:
    """The state of a board and of those joined to it. What they do afterwards does not change it.

    Attributes:
        now: the cycle it was taken at.
    """

    now: int
    boards: list[_BoardState]
    cables: list[npt.NDArray[Any]]


def save(group: Group) -> State:
    """The state of a group of boards."""
    boards = [_save_board(board) for board in group.boards]
    return State(boards[0].now, boards, [cable.copy() for cable in group.cables])


def restore(group: Group, state: State) -> None:
    """Bring a group of boards of the same hardware, ports and cables to a saved state.

    A control program that was attached since is gone; one that was there then runs again from its start, and is told
    what it read.

    Raises:
        InputError: the group differs from the one that was saved, or a control program does not do what it did.
    """
    if (len(group.boards), len(group.cables)) != (len(state.boards), len(state.cables)):
        raise InputError(f"the state is of {len(state.boards)} boards with {len(state.cables)} cables", key="restore")
    for board, saved in zip(group.boards, state.boards, strict=True):
        if board.hardware != saved.hardware or len(board.ports) != len(saved.ports):
            raise InputError("the state is of a board with other hardware or ports", key=f"board {board.name}")
        if board.control is None and saved.control is not None:
            raise InputError("the state is of a board with a control program: attach it", key=f"board {board.name}")
    for board, saved in zip(group.boards, state.boards, strict=True):
        _restore_board(board, saved)
    for cable, contents in zip(group.cables, state.cables, strict=True):
        cable[...] = contents


def _pages(words: npt.NDArray[np.uint32]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """A memory page by page, and the numbers of the pages that hold anything: views are written past the dirty bits."""
    pages = words.reshape(-1, _PAGE_WORDS)
    return pages, np.flatnonzero(pages.any(axis=1))


def _save_board(board: Board) -> _BoardState:
    kept = {}
    for target, words in board.memories.words.items():
        pages, used = _pages(words)
        kept[target] = used, pages[used]
    with without_translations(board.records):
        record = board.record_bytes().copy()
    return _BoardState(
        now=board.now,
        hardware=board.hardware,
        record=record,
        pages=kept,
        ports=[port.saved() for port in board.ports],
        egress=list(board.egress),
        host=board.host.saved(),
        programs=[me.program for me in board.me],
        structures=dict(board.structures),
        control=None if board.control is None else board.control.saved(),
    )


def _restore_board(board: Board, state: _BoardState) -> None:
    links = [(int(port.record["source"]), int(port.record["link"])) for port in board.ports]
    board.record_bytes()[...] = state.record
    for target, words in board.memories.words.items():
        pages, used = _pages(words)
        pages[used] = 0
        numbers, contents = state.pages[target]
        pages[numbers] = contents
    for port, saved, (source, link) in zip(board.ports, state.ports, links, strict=True):
        port.record["source"], port.record["link"] = source, link
        port.restore(saved)
    board.bind()
    board.egress[:] = state.egress
    board.host.restore(state.host)
    for me, program in zip(board.me, state.programs, strict=True):
        me.program = program
    board.structures.clear()
    board.structures.update(state.structures)
    if state.control is None or board.control is None:
        board.control = None
    else:
        board.control.restore(state.control)
