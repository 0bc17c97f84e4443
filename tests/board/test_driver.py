"""A host driver and firmware, together: packets through the whole chip, everything through the host's physical map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from ixp_emu.board import Board, Frame, Program
from tests.board.driver import Driver
from tests.board.packets import CORNER_LENGTHS, firmware, image_of, packet, register_presets

LIMIT = 4_000_000
INTERRUPT_STEP = 64
"""How often the tests look at the interrupt controller, cycles."""

RECEIVE = firmware("receive")
TRANSMIT = firmware("transmit")


def up(
    ports: int,
    *,
    rx_buffers: int = 32,
    tx_buffers: int = 16,
    receive: Program = RECEIVE,
    transmit: Program = TRANSMIT,
    engines: Sequence[int] = (0, 4),
    board: Board | None = None,
) -> Driver:
    """A cold board, or one in use, and its driver, everything started. Registers hold rubbish before."""
    board = board or Board(ports=ports, cold=True)
    for me in board.me:
        me.gpr_a[:] = me.gpr_b[:] = 0xDEAD_BEEF
    driver = Driver(board, rx_buffers=rx_buffers, tx_buffers=tx_buffers)
    driver.start(
        receive=image_of(receive.words),
        transmit=image_of(transmit.words),
        registers={"receive": {}, "transmit": register_presets(transmit, zero=0)},
        ports=ports,
        engines=engines,
    )
    return driver


def run_until(driver: Driver, done: Callable[[], bool]) -> None:
    """Run, and handle interrupts as they come."""
    end = driver.board.now + LIMIT
    while not done():
        assert driver.board.run_until(driver.interrupted, limit=20_000, every=INTERRUPT_STEP) or driver.board.now < end
        driver.handle_interrupt()
        assert driver.board.now < end


def receive_all(driver: Driver, offered: Sequence[Sequence[bytes]]) -> None:
    """Offer packets to each port at line rate and take them with the driver."""
    for port, packets in enumerate(offered):
        driver.board.feed(port, packets)
    count = sum(map(len, offered))
    run_until(driver, lambda: len(driver.received) >= count)
    for port, packets in enumerate(offered):
        assert [data for where, data in driver.received if where == port] == list(packets)


def send_all(driver: Driver, packets: Sequence[tuple[int, bytes]]) -> list[Frame]:
    """Send packets with the driver, as buffers become free; what left, in order."""
    waiting = list(packets)
    frames: list[Frame] = []

    def go_on() -> bool:
        while waiting and driver.send(*waiting[0]):
            waiting.pop(0)
        frames.extend(driver.board.collect())
        return len(frames) >= len(packets)

    run_until(driver, go_on)
    for port in {port for port, _ in packets}:
        sent = [data.ljust(60, b"\0") for where, data in packets if where == port]
        assert [frame.data for frame in frames if frame.port == port] == sent
    return frames


def test_receive_every_corner_length() -> None:
    """More packets than buffers and than a ring holds, on one port."""
    driver = up(1)
    packets = [packet(length, 1) for length in CORNER_LENGTHS]
    assert len(packets) > 2 * driver.rx_buffers
    receive_all(driver, [packets])
    assert driver.board.port(0).frames_lost == 0
    assert not driver.board.me[0].local_memory[5]


def test_receive_on_three_ports_at_once() -> None:
    """Mpackets of the ports interleave; each port's packets stay in order. The rings wrap."""
    driver = up(3, rx_buffers=64)
    lengths = (60, 1514, 64, 65, 128, 129, 577, 61, 192, 193)
    offered = [[packet(length, 10 * port + turn) for turn in range(6) for length in lengths] for port in range(3)]
    receive_all(driver, offered)
    assert len(driver.received) == 180 > 128
    ports = [port for port, _ in driver.received]
    assert sum(one != other for one, other in pairwise(ports)) > 60
    assert [driver.board.port(port).frames_lost for port in range(3)] == [0, 0, 0]


def test_a_board_in_use_is_taken_over() -> None:
    """All MEs run something, with commands and packets under way, when the driver resets MEs and media."""
    board = Board(ports=2)
    busy = """
    .reg n
    .reg read $x[8]
    .sig s
    again#:
        sram[read, $x[0], n, 0, 8], sig_done[s]
        alu[n, n, +, 4]
        ctx_arb[s], br[again#]
    """
    for engine in range(8):
        board.load(engine, busy)
    board.load(2, receive_alone())
    for port in range(2):
        board.feed(port, [packet(700, 3)] * 4)
    board.run(5_001)
    driver = up(2, board=board)
    board.run(60_000)  # what the MACs held arrives in pieces without a beginning, and is dropped, or whole
    driver.handle_interrupt()
    driver.received.clear()
    packets = [packet(length, 12) for length in (60, 61, 900, 1514)]
    receive_all(driver, [packets, packets[::-1]])
    send_all(driver, [(index % 2, one) for index, one in enumerate(packets)])
    assert all(sum(me.cycles.values()) == board.now for me in board.me)


def receive_alone() -> str:
    """Asks for mpackets and never frees an element."""
    return """
    .reg ask
    .reg read $status[2]
    .sig arrived
        immed[ask, 0x30]
        immed_w1[ask, (&$status[0] | (&arrived << 12) | (2 << 7))]
    again#:
        msf[fast_wr, --, ask, 0]
        ctx_arb[arrived], br[again#]
    """


def test_send_every_corner_length() -> None:
    driver = up(2)
    packets = [(index % 2, packet(length, 2)) for index, length in enumerate([14, 59, *CORNER_LENGTHS])]
    send_all(driver, packets)
    descriptors = [Driver.TX_DESCRIPTORS + 16 * index for index in range(16)]
    assert driver.sent[:16] == descriptors and sorted(set(driver.sent)) == descriptors
    assert len(driver.sent) == len(packets)


def test_both_directions_at_once() -> None:
    driver = up(2)
    incoming = [packet(60 + 37 * index, 4) for index in range(30)]
    driver.board.feed(0, incoming)
    driver.board.feed(1, incoming[::-1])
    send_all(driver, [(index % 2, packet(1514 - 41 * index, 5)) for index in range(30)])
    run_until(driver, lambda: len(driver.received) >= 60)
    assert [data for port, data in driver.received if port == 0] == incoming
    assert [data for port, data in driver.received if port == 1] == incoming[::-1]


def test_without_buffers_packets_are_dropped_and_counted() -> None:
    """Four buffers and a driver that sleeps: the fifth packet on are dropped, the rest is unharmed."""
    driver = up(1, rx_buffers=4)
    packets = [packet(60 + 50 * index, 6) for index in range(10)]
    driver.board.feed(0, packets)
    driver.board.run(80_000)
    assert driver.interrupted()
    assert driver.board.me[0].local_memory[5] == 6  # of port 0
    driver.handle_interrupt()
    assert driver.received == [(0, data) for data in packets[:4]]
    again = [packet(1514, 7), packet(60, 8)]
    driver.board.feed(0, again)
    run_until(driver, lambda: len(driver.received) >= 6)
    assert driver.received[4:] == [(0, data) for data in again]


def test_a_packet_larger_than_its_buffer_is_dropped() -> None:
    driver = up(1, rx_buffers=4)
    for index in range(4):
        driver.write(0x8000_0000 + Driver.RX_DESCRIPTORS + 16 * index + 4, 512)
    packets = [packet(length, 9) for length in (512, 513, 100, 1514, 511)]
    driver.board.feed(0, packets)
    run_until(driver, lambda: len(driver.received) >= 3)
    assert [data for _, data in driver.received] == [packets[0], packets[2], packets[4]]
    driver.board.run(1_000)
    assert driver.board.me[0].local_memory[5] == 2


def test_interrupts_name_the_thread_and_are_cleared_by_the_driver() -> None:
    driver = up(2, engines=(3, 5))
    driver.board.feed(1, packet(60, 1))
    assert driver.board.run_until(driver.interrupted, limit=10_000)
    assert driver.read(0xD600_0060) == 1 << 8 * 3  # ME 0:3, context 0
    assert driver.read(0xD600_0064) == 0
    driver.send(0, packet(60, 2))
    assert driver.board.run_until(lambda _: driver.read(0xD600_0064), limit=10_000)
    assert driver.read(0xD600_0064) == 1 << 8 * 1
    driver.handle_interrupt()
    assert not driver.interrupted() and driver.read(0xD600_0060) == 0
    assert len(driver.received) == 1 and driver.sent == [Driver.TX_DESCRIPTORS]


def test_a_stopped_context_finishes_its_turn_and_starts_again() -> None:
    """Contexts are taken out and put back while packets come; none is lost or out of order."""
    driver = up(1, rx_buffers=64)
    packets = [packet(60 + index, 11) for index in range(64)]
    driver.board.feed(0, packets)
    while len(driver.received) < 20:
        driver.board.run(100)
        driver.handle_interrupt()
    driver.stop_contexts(0, 0xFF)
    assert driver.board.run_until(lambda _: not driver.csr_read(0, 0x44) >> 31, limit=1_000)
    driver.board.run(3_000)
    before = len(driver.received)
    driver.handle_interrupt()
    driver.board.run(3_000)
    driver.handle_interrupt()
    assert len(driver.received) <= before + 8
    driver.start_contexts(0, 0xFF)
    run_until(driver, lambda: len(driver.received) >= 64)
    assert [data for _, data in driver.received] == packets


@pytest.mark.parametrize("four_contexts", [False, True])
def test_registers_are_preset_by_a_stub(four_contexts: bool) -> None:
    board = Board(ports=0, cold=True)
    driver = Driver(board)
    driver.reset_engines()
    presets = {("a", 0): 0x12345678, ("a", 127): 0xFFFFFFFF, ("b", 5): 0x80000001, ("b", 127): 7}
    driver.load_engine(6, image_of([0xE000010000]), registers=presets, mode=(1 << 31 if four_contexts else 0))
    me = board.me[6]
    for (bank, number), value in presets.items():
        assert int((me.gpr_a if bank == "a" else me.gpr_b)[number]) == value
    assert sum(map(int, me.gpr_a)) == 0x12345678 + 0xFFFFFFFF and sum(map(int, me.gpr_b)) == 0x80000001 + 7
