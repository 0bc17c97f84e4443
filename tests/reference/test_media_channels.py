"""SPI-3 as several channels, and time-outs of the thread free lists, with times derived by hand."""

from __future__ import annotations

import pytest

from . import ReferenceChip
from .encode import KILL, NOP, NULL, alu, msf, transfer
from .media_times import constant, hardware, idle_chip, spi, split, status_delivery, wire

READY = wire(8 + 60 + 4)  # of a minimum frame whose first bit comes at 0
SOP_EOP = 1 << 9 | 1 << 8


def entry(*, signal: int, me: int, context: int = 0, register: int = 0) -> int:
    return signal << 12 | me << 7 | context << 4 | register


def elements(chip: ReferenceChip, channel: int) -> list[int]:
    return [element.number for element in chip.media.rx.channel[channel].full]


def validate(chip: ReferenceChip, element: int, nbytes: int, port: int) -> None:
    chip.media.tx.words[element] = nbytes << 24 | SOP_EOP | port
    assert chip.media.tx.problem(element) is None
    chip.media.tx.valid[element] = True


# --- receive --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "expected"), [(2, [1, 64]), (4, [1, 32, 64, 96])])
def test_channels_transfer_side_by_side_into_their_own_elements(channels: int, expected: list[int]) -> None:
    chip = idle_chip(channels, split(channels))
    for port in range(channels):
        chip.feed(port, 0, bytes([port]) * 60)
    end = READY + spi(60, 4 // channels)
    chip.run(end)
    assert [elements(chip, c) for c in range(channels)] == [[]] * channels
    chip.step()
    # Element 0 is left out by the erratum; partitions are equal parts of 128.
    assert [elements(chip, c) for c in range(channels)] == [[element] for element in expected]
    for port, element in enumerate(expected):
        assert bytes(chip.media.rbuf.bytes[64 * element : 64 * element + 60]) == bytes([port]) * 60


def test_with_one_channel_the_same_frames_go_one_after_the_other() -> None:
    chip = idle_chip(2)
    for port in range(2):
        chip.feed(port, 0, bytes(60))
    chip.run(READY + spi(60) + spi(60))
    assert elements(chip, 0) == [1]
    chip.step()
    assert elements(chip, 0) == [1, 2]


def test_a_channel_without_free_elements_does_not_hold_up_another() -> None:
    chip = idle_chip(2, split(2))
    chip.media.rx.free_elements = type(chip.media.rx.free_elements)([63, 3, 70])
    for port in range(2):
        for _ in range(3):
            chip.feed(port, 0, bytes(60))
    chip.run(5_000)
    assert (elements(chip, 0), elements(chip, 1)) == ([63, 3], [70]), "that free longest first, of the partition"
    assert [port.rx_used for port in chip.media.ports] == [60, 120]


def test_the_erratum_takes_elements_of_the_first_channel_only() -> None:
    free = idle_chip(4, split(4)).media.rx.free_elements
    assert [sum(32 * c <= element < 32 * (c + 1) for element in free) for c in range(4)] == [28, 32, 32, 32]


def test_each_channel_is_enabled_by_its_bit() -> None:
    for channel in range(4):
        chip = idle_chip(4, split(4))
        chip.media.rx.control.write(1 << 28 + channel | 2 << 20)
        chip.media.tx.control.write(1 << 28 + channel | 2 << 20)
        for port in range(4):
            chip.feed(port, 0, bytes(60))
            validate(chip, 32 * port, 60, port)
        chip.run(2_000)
        assert [len(elements(chip, c)) for c in range(4)] == [int(c == channel) for c in range(4)]
        assert [port for _, port, _ in chip.egress] == [channel]


def test_a_status_goes_to_a_thread_of_the_channels_own_list() -> None:
    machine = split(2)
    chip = idle_chip(2, machine)
    words = [*constant(1, entry(signal=3, me=1) << 16 | 0x30), msf(1, token=1, a=1)]
    words += [*constant(1, entry(signal=5, me=5, register=2) << 16 | 0x34), msf(1, token=1, a=1), KILL]
    chip.load(0, words, contexts=1)
    chip.feed(1, 100, bytes(60))
    time = status_delivery(machine, 100 + READY + spi(60, 2))
    chip.run(time)
    assert chip.me[5].contexts[0].signals == 0
    chip.step()
    assert chip.me[5].contexts[0].signals == 1 << 5
    assert chip.me[5].sram_in[2] == 64 << 24 | 60 << 16 | 1 << 15 | 1 << 14 | 1
    chip.run(5_000)
    assert chip.me[1].contexts[0].signals == 0
    assert [len(chip.media.rx.channel[c].freelist) for c in range(2)] == [1, 0]


def test_statuses_of_one_cycle_are_pushed_in_order_of_channels() -> None:
    machine = split(4)
    chip = idle_chip(4, machine)
    for channel in range(4):
        chip.media.rx.channel[channel].freelist.append((entry(signal=1, me=3 - channel), 0))
        chip.feed(channel, 0, bytes(60))
    first = status_delivery(machine, READY + spi(60, 1))
    for position in range(4):  # two longwords each on one bus
        chip.run(first + position * 2 * machine["sbus.longword_cycles"])
        assert [bool(chip.me[3 - c].contexts[0].signals) for c in range(4)] == [c < position for c in range(4)]


def test_lists_of_channels_that_do_not_exist_hold_what_was_written() -> None:
    chip = idle_chip(1)
    words = [*constant(1, 0x1234 << 16 | 0x34), msf(1, token=1, a=1), msf(0, 0x34, signal=1, wait=1), KILL]
    chip.load(0, words, contexts=1)
    chip.run(300)
    assert chip.me[0].sram_in[0] == 0x1234
    assert not any(channel.freelist for channel in chip.media.rx.channel)


def test_a_write_of_the_mode_makes_channels() -> None:
    # RX_CONTROL at its service: two channels of two bytes on a chip that starts with one of four.
    chip = idle_chip(2)
    head = [*constant(1, 0xF << 28 | 1 << 20), alu("B", transfer(0), 1, NULL, swap=1)]
    chip.load(0, [*head, msf(1, 0, signal=1), KILL], contexts=1)
    for port in range(2):
        chip.feed(port, 100, bytes(60))
    end = 100 + READY + spi(60, 2)
    chip.run(end)
    assert (elements(chip, 0), elements(chip, 1)) == ([], [])
    chip.step()
    assert (elements(chip, 0), elements(chip, 1)) == ([1], [64])


# --- transmit -------------------------------------------------------------------------------------------------------


def test_channels_send_side_by_side_in_their_own_order() -> None:
    chip = idle_chip(2, split(2))
    validate(chip, 1, 60, 0)  # waits for element 0
    validate(chip, 64, 60, 1)
    validate(chip, 65, 60, 1)
    end = spi(60, 2)
    chip.run(end)
    assert [chip.media.tx.channel[c].sequence for c in range(2)] == [0, 0]
    chip.step()
    assert [chip.media.tx.sequence(c) for c in range(2)] == [0, 1]
    chip.run(2 * end + 1)
    assert [chip.media.tx.sequence(c) for c in range(2)] == [0, 1 << 31 | 2]
    start = chip.now
    validate(chip, 0, 60, 0)
    chip.run(start + 2 * end + 1)
    assert chip.media.tx.sequence(0) == 1 << 31 | 2
    assert [port for _, port, _ in sorted(chip.egress)] == [1]


def test_order_wraps_in_the_partition() -> None:
    # 2 KB in elements of 256 bytes are 8: channel 1 of 2 has 4 to 7.
    chip = idle_chip(2, split(2, msf__tbuf_bytes=2_048, msf__element_bytes=256))
    for element in (4, 5, 6, 7, 0):
        validate(chip, element, 100, element // 4)
    chip.run(4 * spi(100, 2) + 1)
    assert [chip.media.tx.sequence(c) for c in range(2)] == [1 << 31 | 1, 1 << 31 | 4]
    validate(chip, 4, 100, 1)
    chip.run(5 * spi(100, 2) + 2)
    assert chip.media.tx.sequence(1) == 1 << 31 | 5


@pytest.mark.parametrize(
    ("channels", "element", "port", "good"),
    [
        (1, 64, 1, True),
        (2, 63, 0, True),
        (2, 64, 0, False),
        (2, 63, 1, False),
        (2, 64, 1, True),
        (4, 95, 2, True),
        (4, 96, 2, False),
    ],
)
def test_an_elements_port_is_of_its_channel(channels: int, element: int, port: int, good: bool) -> None:
    chip = idle_chip(2 if channels == 1 else channels, split(channels) if channels > 1 else None)
    words = [*constant(1, 60 << 24 | SOP_EOP | port), alu("B", transfer(0), 1, NULL, swap=1)]
    chip.load(0, [*words, *constant(2, 0x1800 + 8 * element), msf(1, count=2, a=2, signal=1), KILL], contexts=1)
    chip.run(300)
    assert (chip.fault.kind if chip.fault else None) == (None if good else "bad element control")


def test_every_channel_counts_in_its_register() -> None:
    chip = idle_chip(4, split(4))
    validate(chip, 96, 60, 3)
    words = [NOP] * 800 + [msf(0, 0x60, count=4, signal=1, wait=1), KILL]
    chip.load(0, words, contexts=1)
    chip.run(1_000)
    assert chip.me[0].sram_in[:4] == [1 << 31, 1 << 31, 1 << 31, 1 << 31 | 1]


# --- time-outs ------------------------------------------------------------------------------------------------------


def test_a_thread_that_waited_long_enough_gets_a_null_status() -> None:
    machine = hardware()
    chip = idle_chip(1, machine)
    chip.media.rx.channel[0].timeout = 50
    chip.media.rx.channel[0].freelist.append((entry(signal=6, me=2, context=1, register=3), 20))
    chip.me[2].sram_in[16 + 3 : 16 + 5] = [7, 7]
    chip.run(20 + 100)
    assert len(chip.media.rx.channel[0].freelist) == 1
    chip.step()
    assert len(chip.media.rx.channel[0].freelist) == 0
    time = status_delivery(machine, 20 + 100)
    chip.run(time)
    assert chip.me[2].sram_in[16 + 3 : 16 + 5] == [7, 7]
    chip.step()
    assert chip.me[2].sram_in[16 + 3 : 16 + 5] == [1 << 11, 0]
    assert chip.me[2].contexts[1].signals == 1 << 6


@pytest.mark.parametrize(("value", "cycles"), [(5, 10), (0x2005, 10), (0x1FFF, 2 * 0x1FFF), (0x2000, None), (0, None)])
def test_the_register_gives_chassis_cycles_in_its_low_13_bits(value: int, cycles: int | None) -> None:
    # Written at 24; the entry of the fast write issued at 25, decoded and served at 38.
    chip = idle_chip(0)
    words = [*constant(1, value), alu("B", transfer(0), 1, NULL, swap=1), msf(1, 0x50, signal=1)]
    words += [*constant(2, 0x30), *[NOP] * 19, msf(1, token=1, a=2), KILL]
    chip.load(0, words, contexts=1)
    chip.run(38)
    assert not chip.media.rx.channel[0].freelist
    chip.step()
    assert [put for _, put in chip.media.rx.channel[0].freelist] == [38]
    chip.run(38 + (cycles or 40_000))
    assert len(chip.media.rx.channel[0].freelist) == 1
    chip.step()
    assert len(chip.media.rx.channel[0].freelist) == (0 if cycles else 1)


def test_one_thread_a_cycle_times_out_on_each_channel() -> None:
    chip = idle_chip(4, split(4))
    for channel in (1, 2):
        chip.media.rx.channel[channel].timeout = 10
        for me in range(3):
            chip.media.rx.channel[channel].freelist.append((entry(signal=1, me=me), 0))
    for left in (3, 2, 1, 0):
        chip.run(23 - left)
        assert [len(chip.media.rx.channel[c].freelist) for c in range(4)] == [0, left, left, 0]


def test_an_mpacket_that_is_full_in_that_cycle_comes_first() -> None:
    full = READY + spi(60)
    for put, null in ((full - 10, False), (full - 11, True)):
        chip = idle_chip(1)
        chip.media.rx.channel[0].timeout = 5
        chip.media.rx.channel[0].freelist.append((entry(signal=1, me=0), put))
        chip.feed(0, 0, bytes(60))
        chip.run(full + 200)
        assert (chip.me[0].sram_in[0] == 1 << 11) == null
        assert elements(chip, 0) == ([1] if null else [])
