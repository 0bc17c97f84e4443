"""When accesses of the host happen: in the last phase of a cycle."""

from __future__ import annotations

import pytest

from ixp_emu.board import Board


def service_cycle(board: Board, issued: int) -> int:
    """When an idle in-order unit serves a read issued in a cycle (docs/hardware-model.md, 3)."""
    hardware = board.hardware
    granted = -(-(issued + hardware["command.fifo_latency"]) // 2) * 2
    return granted + hardware["command.bus_latency"] + hardware["command.decode"]


@pytest.mark.parametrize(("memory", "first"), [("scratch", 0xCA00_0000), ("sram", 0x8000_0000)])
@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("offset", [3, 4])
def test_a_write_of_the_host_is_seen_by_services_behind_it(memory: str, first: int, late: int, offset: int) -> None:
    """One in the last phase of the cycle before a service counts for it, one in the cycle of the service does not."""
    board = Board()
    source = ".reg read $x\n.sig s\n" + "nop\n" * offset + f"{memory}[read, $x, 0, 0, 1], ctx_swap[s]\nctx_arb[kill]\n"
    board.load(0, source, contexts=[0])
    board.run(service_cycle(board, offset) + late)
    board.host.write(first, 1234)
    board.run(500)
    assert board.me[0].context(0)["$x"] == (0 if late else 1234)


@pytest.mark.parametrize("late", [0, 1])
def test_the_host_reads_what_was_written_up_to_its_cycle(late: int) -> None:
    """A write pulls its data first: served when it is there, and read by the host from that cycle's last phase on."""
    board = Board()
    source = """
    .reg a
    .reg write $x
    .sig s
        immed[a, 0x111]
        alu[$x, --, b, a]
        scratch[write, $x, 0, 0, 1], ctx_swap[s]
        ctx_arb[kill]
    """
    board.load(0, source, contexts=[0])
    hardware = board.hardware
    requested = service_cycle(board, 2)
    served = requested + requested % 2 + hardware["sbus.longword_cycles"] + hardware["pull.latency"]
    board.run(served + late)
    assert board.host.read(0xCA00_0000) == (0x111 if late else 0)
