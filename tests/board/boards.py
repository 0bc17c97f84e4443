"""Boards for the tests: one that sends a frame, one that receives."""

from __future__ import annotations

from ixp_emu.board import Board
from tests.board.packets import firmware, packet

__all__ = ["PACKETS", "SEND", "everything", "received", "receiver"]

SEND = """
.reg at, word
.reg write $control[2]
.reg write $data[2]
.sig done
    immed[at, 0x2000]
    immed[word, 0x0102]
    immed_w1[word, 0x0304]
    alu[$data[0], --, b, word]
    alu[$data[1], --, b, word]
    msf[write, $data[0], at, 0, 2], ctx_swap[done]
    immed[at, 0x1800]
    immed[word, 0x0301]             // SOP, EOP, port 1
    immed_w1[word, 0x3C00]          // 60 bytes
    alu[$control[0], --, b, word]
    immed[$control[1], 0]
    msf[write, $control[0], at, 0, 2], ctx_swap[done]
    ctx_arb[kill]
"""

PACKETS = [packet(length, 7) for length in (60, 64, 129, 1514, 200, 700, 61)]


def receiver(name: str = "a", *, fed: bool = True) -> Board:
    """A board whose firmware receives, without a host; twelve buffers are on ring 0.

    Parameters:
        fed: PACKETS come in, on its two ports in turn.
    """
    board = Board(ports=2, name=name)
    board.load("0:0", firmware("receive"))
    descriptors = [0x1000 + 16 * index for index in range(12)]
    for index, descriptor in enumerate(descriptors):
        board.sram[0][descriptor : descriptor + 8] = [0x10000 + 2048 * index, 2048]
    board.ring(0, base=0, size=128, contents=descriptors)
    board.ring(1, base=512, size=128)
    for index, one in enumerate(PACKETS if fed else ()):
        board.feed(index % 2, one)
    return board


def received(board: Board) -> list[tuple[int, bytes]]:
    """(port, bytes) of the packets on the done ring."""
    packets = []
    for descriptor in board.ring(1).contents:
        buffer, _, port, length = (int(word) for word in board.sram[0][descriptor : descriptor + 16])
        packets.append((port, board.dram.read_bytes(buffer, length)))
    return packets


def everything(board: Board) -> tuple[object, ...]:
    """What must be equal."""
    return (
        board.now,
        [me.cycles for me in board.me],
        board.counters,
        [board.me[0].gpr_a.tolist(), board.me[0].gpr_b.tolist(), board.me[0].local_memory.tolist()],
        board.sram[0][0x1000:0x1100].tolist(),
        board.dram.read_bytes(0x10000, 12 * 2048),
        received(board),
        board.host.read(0xD600_0060),
    )
