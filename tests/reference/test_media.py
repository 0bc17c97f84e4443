"""Receive and transmit in the reference model, with times derived by hand from docs/hardware-model.md."""

from __future__ import annotations

from fractions import Fraction
from math import floor

from . import ReferenceChip
from .encode import HALT, KILL, NOP, NULL, alu, ctx_arb, dram, msf, scratch, transfer
from .media_times import constant, hardware, idle_chip, spi, wire
from .spi3 import checksum


def test_checksum_is_the_ones_complement_sum() -> None:
    # The classic example of RFC 1071, section 3: 00 01 f2 03 f4 f5 f6 f7 sums to ddf2.
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2
    assert checksum(b"\xab") == 0xAB00


def test_receive_status_of_a_minimum_frame() -> None:
    h = hardware()
    # A thread of ME 5, context 2 waits with $4 and signal 7 (entry fast written by ME 0).
    entry = 7 << 12 | 5 << 7 | 2 << 4 | 4
    chip = idle_chip(2)
    chip.load(0, [*constant(1, entry << 16 | 0x30), msf(1, token=1, a=1), KILL], contexts=1)
    chip.load(5, [ctx_arb(7), HALT], contexts=1 << 2)
    frame = bytes(range(60))
    chip.feed(1, 100, frame)
    chip.run(2_000)
    ready = 100 + wire(8 + 60 + 4)
    full = ready + spi(60)
    request = full + h["msf.status_latency"]
    grant = request + request % 2
    signal = grant + 2 * h["sbus.longword_cycles"] + h["push.latency"]
    assert chip.fault is not None and (chip.fault.kind, chip.fault.me, chip.fault.time) == ("halt", 5, signal)
    # Element 0 is left out by the erratum, so the first one is 1; whole frame, port 1.
    assert chip.me[5].sram_in[2 * 16 + 4 : 2 * 16 + 6] == [1 << 24 | 60 << 16 | 1 << 15 | 1 << 14 | 1, checksum(frame)]


def test_mpackets_of_a_frame_are_ready_one_after_the_other() -> None:
    chip = idle_chip(1)
    chip.feed(0, 0, bytes(130))
    ready = [wire(8 + 64), wire(8 + 128), wire(8 + 130 + 4)]
    full = [ready[0] + spi(64), ready[1] + spi(64)]
    full.append(max(ready[2], full[1]) + spi(2))
    for count, time in enumerate(full):
        chip.run(time)
        assert len(chip.media.rx.channel[0].full) == count
        chip.run(time + 1)
        assert len(chip.media.rx.channel[0].full) == count + 1
    assert [(m.start, m.end, len(m.data)) for m in (element.mpacket for element in chip.media.rx.channel[0].full)] == [
        (True, False, 64),
        (False, False, 64),
        (False, True, 2),
    ]
    assert chip.media.ports[0].rx_used == 0


def test_mac_overflow_loses_the_frame_and_back_pressure_delays_it() -> None:
    # 2,048 bytes of FIFO hold one frame of 1,500; without free elements nothing leaves.
    machine = hardware(mac__rx_fifo_bytes=2_048)
    first, second = bytes([1]) * 1_500, bytes([2]) * 1_500
    for back_pressure in (False, True):
        chip = idle_chip(1, machine)
        chip.media.ports[0].back_pressured = back_pressure
        chip.media.rx.free_elements.clear()
        chip.feed(0, 0, first)
        chip.feed(0, 0, second)
        slot = Fraction((8 + 1_500 + 4 + 12) * 48, 10)
        second_start = floor(slot)  # the cycle of its first bit, if nothing holds it back
        chip.run(second_start + 1)
        assert chip.lost == ([] if back_pressure else [(second_start, 0, second, "mac_rx_overflow")])
        assert chip.media.ports[0].rx_used == 1_500
    # Room for the second frame: 1,500 - 952 = 548 bytes remain; 15 elements of 64 bytes take 960.
    chip.media.rx.free_elements.extend(range(15))
    start = chip.now
    chip.run(start + 15 * spi(64))
    assert len(chip.media.ports[0].source) == 1
    chip.run(start + 15 * spi(64) + 1)
    assert len(chip.media.ports[0].source) == 0
    assert chip.media.ports[0].earliest_arrival == start + 15 * spi(64) + slot


def test_ports_are_served_round_robin() -> None:
    chip = idle_chip(3)
    for port in range(3):
        chip.feed(port, 0, bytes(60))
    chip.run(1_000)
    assert [element.port for element in chip.media.rx.channel[0].full] == [0, 1, 2]


def test_ports_that_are_always_ready_take_turns() -> None:
    # At 25 MHz a 64-byte transfer takes 384 cycles, longer than its 308 on the wire: every port is always ready.
    chip = idle_chip(3, hardware(msf__clock_khz=25_000))
    for port in range(3):
        chip.feed(port, 0, bytes(640))
    chip.run(5_000)
    assert [element.port for element in chip.media.rx.channel[0].full][:9] == [0, 1, 2] * 3


def test_transmit_waits_for_room_in_the_mac() -> None:
    # 2,048 bytes hold eight frames of 250 bytes; the SPI-3 bus is faster than the wire, so the FIFO fills.
    chip = idle_chip(1, hardware(mac__tx_fifo_bytes=2_048, msf__element_bytes=256))
    for element in range(20):
        chip.media.tx.words[element] = 250 << 24 | 1 << 9 | 1 << 8
        chip.media.tx.valid[element] = True
    used = 0
    while len(chip.egress) < 20:
        chip.step()
        used = max(used, chip.media.ports[0].tx_used)
    assert used == 8 * 250
    # Back to back on the wire from the end of the first transfer on. The earliest next start is kept in fractions, so
    # only the last frame's start is rounded up, not that of every frame.
    beats = -(-63 * 600 // 104)
    assert chip.egress[-1][0] == beats + wire(19 * (8 + 250 + 4 + 12)) + wire(8 + 250 + 4)


def test_transmit_pads_waits_for_order_and_keeps_the_gap() -> None:
    chip = idle_chip(1)
    # Elements 1, then 0, validated: 0 goes first. Registers: control word in $0, zero in $1.
    sop_eop = 1 << 9 | 1 << 8
    element = {0: 20, 1: 60}
    words: list[int] = []
    for number, count in ((1, element[1]), (0, element[0])):
        words += [*constant(1, count << 24 | sop_eop), alu("B", transfer(0), 1, NULL, swap=1)]
        words += [*constant(2, 0x1800 + 8 * number), msf(1, count=2, a=2, signal=1, wait=1)]
    chip.load(0, [*words, KILL], contexts=1)
    chip.media.tbuf.bytes[0:20] = bytes([7]) * 20
    chip.media.tbuf.bytes[64:124] = bytes([8]) * 60
    chip.run(2_000)
    assert chip.media.tx.channel[0].sequence == 2
    assert [(port, frame) for _, port, frame in chip.egress] == [(0, bytes([7]) * 20 + bytes(40)), (0, bytes([8]) * 60)]
    # 72 and 84 byte times: last bit to last bit of back-to-back minimum frames is 84 byte times, from start to start.
    first, second = (time for time, _, _ in chip.egress)
    assert second - first == wire(84)
    assert chip.media.ports[0].tx_used == 0


def test_transmit_times() -> None:
    chip = idle_chip(1)
    chip.media.tx.words[0] = 60 << 24 | 1 << 9 | 1 << 8
    chip.media.tx.valid[0] = True
    chip.run(1)
    assert chip.media.tx.channel[0].sequence == 0
    # Transfer from 0 to spi(60), then on the wire for 72 byte times.
    start = spi(60)
    chip.run(start + wire(72))
    assert chip.egress == []
    chip.run(start + wire(72) + 1)
    assert chip.egress == [(start + wire(72), 0, bytes(60))]


def test_validating_an_element_checks_its_control_word() -> None:
    def fault(control: int, *, twice: bool = False, element: int = 1) -> str | None:
        chip = idle_chip(1)
        words = [*constant(1, control), alu("B", transfer(0), 1, NULL, swap=1), *constant(2, 0x1800 + 8 * element)]
        write = msf(1, count=2, a=2, signal=1, wait=1)
        chip.load(0, [*words, write, *([write] if twice else []), KILL], contexts=1)
        chip.run(400)
        return None if chip.fault is None else chip.fault.kind

    good = 64 << 24 | 1 << 9 | 1 << 8
    assert fault(good) is None
    assert fault(good, twice=True) == "element already valid"
    assert fault(65 << 24 | 1 << 9) == "bad element control"
    assert fault(64 << 24 | 1 << 8, element=0) == "bad element control", "a frame that begins without SOP"
    assert fault(0) == "bad element control"
    assert fault(good | 1) == "bad element control"


def test_freeing_a_free_element_is_a_fault() -> None:
    chip = idle_chip(1)
    chip.load(0, [*constant(1, 5 << 16 | 0x44), msf(1, token=1, a=1), KILL], contexts=1)
    chip.run(100)
    assert chip.fault is not None and chip.fault.kind == "element already free"


def test_free_list_holds_its_depth() -> None:
    for entries, kind in ((8, None), (9, "free list overflow")):
        chip = idle_chip(1, hardware(msf__freelist_depth=8))
        chip.load(0, [*constant(1, 0x30), *[msf(1, token=1, a=1)] * entries, KILL], contexts=1)
        chip.run(200)
        assert (chip.fault.kind if chip.fault else None) == kind


def test_rbuf_to_dram_to_tbuf() -> None:
    # indirect_ref word: bit 4 takes bits 18:5 as buffer address 0x2040 (element 1).
    chip = idle_chip(1)
    words = [*constant(1, 0x2040 << 5 | 1 << 4)]
    words += [alu("B", NULL, 1, NULL, swap=1), dram(2, 64, count=8, signal=2, indirect=1), ctx_arb(2, 3)]
    words += [alu("B", NULL, 1, NULL, swap=1), dram(3, 64, count=8, signal=2, indirect=1), ctx_arb(2, 3), HALT]
    chip.load(0, words, contexts=1)
    data = bytes(range(64))
    chip.media.rbuf.bytes[64:128] = data
    chip.run(1_000)
    assert chip.fault is not None and chip.fault.kind == "halt"
    assert bytes(chip.media.tbuf.bytes[64:128]) == data
    assert chip.dram.read_words(64, 1) == [0x00010203]
    h = hardware()
    # Issued at 3, granted at 4, arrives at 16, pull granted at 16 for 8 x 2 cycles; activation; 8 quadwords.
    data_time = 16 + 8 * h["dbus.media_quadword_cycles"] + h["pull.latency"]
    end = data_time + h["dram.activate"] + h["dram.cas"] + 8 * h["dram.quadword_cycles"]
    assert chip.units["dram"].counters.latencies[0] == end + h["dram.controller_delay"] - 3


def test_media_runs_beside_other_traffic_without_changing_it() -> None:
    chip = idle_chip(1)
    chip.load(0, [NOP, NOP, scratch(0, signal=1), KILL], contexts=1)
    chip.feed(0, 0, bytes(60))
    chip.run(1_000)
    assert chip.units["scratch"].counters.latencies == [60]


def test_msf_reads_rbuf_and_the_transmit_sequence() -> None:
    chip = idle_chip(1)
    words = [*constant(1, 0x2000), msf(0, count=2, a=1, signal=1, wait=1), msf(0, 0x60, xfer=2, signal=1, wait=1), KILL]
    chip.load(0, words, contexts=1)
    chip.media.rbuf.bytes[0:8] = bytes(range(8))
    chip.media.tx.channel[0].sequence = 9
    chip.run(300)
    assert chip.me[0].sram_in[:3] == [0x00010203, 0x04050607, 1 << 31 | 9]


ENABLE = 1 << 28
WIDTH = {4: 0, 2: 1, 1: 2}
ELEMENT = {64: 0, 128: 1, 256: 2}


def write_register(offset: int, value: int, *, at: int) -> list[int]:
    """A register write that is served at ``at``, an even cycle from 24 on."""
    # The command issues at ``at`` - 21 (odd), is granted at the next edge, arrives 12 later, and has its data 8 later.
    head = [*constant(1, value), alu("B", transfer(0), 1, NULL, swap=1)]
    return [*head, *[NOP] * (at - 24), msf(1, offset, signal=1), KILL]


RX_CONTROL, TX_CONTROL = 0x0000, 0x0004


def controlled(offset: int, value: int, *, at: int = 24) -> ReferenceChip:
    chip = idle_chip(1)
    chip.load(0, write_register(offset, value, at=at), contexts=1)
    return chip


def valid(chip: ReferenceChip, element: int, nbytes: int) -> None:
    chip.media.tx.words[element] = nbytes << 24 | 1 << 9 | 1 << 8
    chip.media.tx.valid[element] = True


def test_no_receive_transfer_starts_once_receive_is_disabled() -> None:
    # The frame is ready at 346, an even cycle: a write served in phase 1 of it still holds it back.
    ready = wire(8 + 60 + 4)
    assert ready % 2 == 0
    for at, received in ((ready, 0), (ready + 2, 1)):
        chip = controlled(RX_CONTROL, 0, at=at)
        chip.feed(0, 0, bytes(60))
        chip.run(at + 200)
        assert len(chip.media.rx.channel[0].full) == received, "a transfer under way goes on"
        assert chip.media.ports[0].rx_used == 60 * (1 - received)


def test_each_direction_has_its_width() -> None:
    cycles = -(-60 * 600 // 104)  # one byte a beat
    chip = controlled(RX_CONTROL, ENABLE | WIDTH[1] << 20)
    chip.feed(0, 0, bytes(60))
    full = wire(72) + cycles
    chip.run(full)
    assert not chip.media.rx.channel[0].full
    chip.step()
    assert len(chip.media.rx.channel[0].full) == 1
    # The direction that was not written keeps its width.
    valid(chip, 0, 60)
    start = chip.now
    chip.run(start + spi(60))
    assert chip.media.tx.channel[0].sequence == 0
    chip.step()
    assert chip.media.tx.channel[0].sequence == 1


def test_each_direction_has_its_element_size() -> None:
    chip = controlled(RX_CONTROL, ENABLE | ELEMENT[128] << 2)
    data = bytes(range(130))
    chip.feed(0, 30, data)
    chip.run(2_000)
    assert [len(element.mpacket.data) for element in chip.media.rx.channel[0].full] == [128, 2]
    elements = [element.number for element in chip.media.rx.channel[0].full]
    assert [bytes(chip.media.rbuf.bytes[128 * e : 128 * e + n]) for e, n in zip(elements, (128, 2), strict=True)] == [
        data[:128],
        data[128:],
    ]
    chip = controlled(TX_CONTROL, ENABLE | ELEMENT[256] << 2)
    chip.run(30)
    chip.media.tbuf.bytes[256:456] = bytes([9]) * 200
    valid(chip, 0, 60)
    valid(chip, 1, 200)
    chip.run(3_000)
    assert [frame for _, _, frame in chip.egress] == [bytes(60), bytes([9]) * 200]


def test_the_element_size_at_the_start_of_a_transfer_counts() -> None:
    # Of a frame in the MAC, what has not begun yet is cut with the new size: 64, then 66.
    first = wire(8 + 64)
    chip = controlled(RX_CONTROL, ENABLE | ELEMENT[256] << 2, at=first + first % 2 + 2)
    chip.feed(0, 0, bytes(130))
    chip.run(2_000)
    assert [len(element.mpacket.data) for element in chip.media.rx.channel[0].full] == [64, 66]


def test_transmit_is_held_back_while_it_is_disabled() -> None:
    chip = controlled(TX_CONTROL, 0)
    chip.run(24)
    chip.step()
    valid(chip, 0, 60)
    chip.run(500)
    assert chip.media.tx.valid[0] and not chip.egress
    chip.media.tx.control.write(ENABLE)
    chip.run(500 + spi(60) + 1)
    assert not chip.media.tx.valid[0]
