"""Cables between boards, and how boards that are joined by cables advance together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ixp_emu.chip.link import initialise_link, join_link, link_bytes
from ixp_emu.chip.media import PORT_LINK
from ixp_emu.errors import InputError

if TYPE_CHECKING:
    from ixp_emu.board.board import Board

__all__ = ["Group", "connect"]


@dataclass
class Group:
    """Boards that run together, because cables join them; one board alone is a group too.

    Attributes:
        boards: they are at the same cycle, unless one has a fault.
        cables: frames under way, both directions of each cable.
        latency: the shortest of the cables, cycles; None without one.
    """

    boards: list[Board]
    cables: list[npt.NDArray[Any]] = field(default_factory=list)
    latency: int | None = None

    def advance(self, until: int) -> None:
        """Run all boards up to (excluding) a cycle.

        What a board sends in the next ``latency`` cycles concerns no other board in them, so each runs so far alone.

        Raises:
            ChipFault: a board has a fault. The others may be up to ``latency`` cycles ahead of it.
        """
        now = min(board.now for board in self.boards)
        while True:
            for board in self.boards:
                board.check()
            if now >= until:
                return
            now = until if self.latency is None else min(until, now + self.latency)
            for board in self.boards:
                board.advance(now)


def connect(board: Board, port: int, other: Board, other_port: int, *, latency: int) -> None:
    """Join two ports by a cable: what leaves one arrives at the other, and both boards run together from now on.

    Parameters:
        latency: cycles from a bit's leaving to its arriving, at least 1.

    Raises:
        InputError: a port does not exist or is in use, the boards' clocks differ, or they are at different cycles.
    """
    ends = ((board, port), (other, other_port))
    for one, number in ends:
        taken = one.port(number)
        if taken.linked or taken.offered:
            raise InputError("has a cable already, or frames were fed to it", key=f"board {one.name}, port {number}")
    if board is other and port == other_port:
        raise InputError("cannot be connected to itself", key=f"board {board.name}, port {port}")
    if latency < 1:
        raise InputError(f"{latency}: must be at least 1 cycle", key="latency")
    if board.now != other.now:
        raise InputError(f"{board.name} is at cycle {board.now:,}, {other.name} at {other.now:,}", key="connect")
    if board.hardware["me_clock_khz"] != other.hardware["me_clock_khz"]:
        raise InputError(f"the clocks of {board.name} and {other.name} differ", key="connect")
    cable = np.zeros((2, link_bytes(board.hardware, kind=PORT_LINK, latency=latency)), np.uint8)
    for way, (sender, receiver) in zip(cable, (ends, ends[::-1]), strict=True):
        initialise_link(way, board.hardware, kind=PORT_LINK, latency=latency)
        sending, receiving = sender[0].port(sender[1]).record, receiver[0].port(receiver[1]).record
        join_link(sending, receiving, way, receiver[0].hardware, latency=latency)
    group, joined = board.group, other.group
    if joined is not group:
        group.boards += joined.boards
        group.cables += joined.cables
        group.latency = min((g.latency for g in (group, joined) if g.latency is not None), default=None)
        for one in joined.boards:
            one.group = group
    group.cables.append(cable)
    group.latency = latency if group.latency is None else min(group.latency, latency)
