"""SPI-3 as one, two or four channels: partitions, lists and sequences of each; and threads that wait too long."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ixp_emu.chip.chip import schedule
from ixp_emu.chip.codes import Fault
from ixp_emu.chip.compiled import NEVER
from ixp_emu.chip.layout import INGRESS, MEDIA_RX, SRAM_IN
from ixp_emu.chip.media_control import read_msf, reset_media
from ixp_emu.isa.csr import MSF_REGISTERS
from tests.chip.command_path import Path
from tests.chip.media_group import EOP, SOP, MediaGroup, frame_bytes

_DONE = MSF_REGISTERS["RBUF_ELEMENT_DONE"]
_RX_CONTROL = MSF_REGISTERS["RX_CONTROL"]
_TX_CONTROL = MSF_REGISTERS["TX_CONTROL"]
_FREELIST = MSF_REGISTERS["RX_THREAD_FREELIST_0"]
_TIMEOUT = MSF_REGISTERS["RX_THREAD_FREELIST_TIMEOUT_0"]
_SEQUENCE = MSF_REGISTERS["TX_SEQUENCE_0"]
_ELEMENT_CONTROL = MSF_REGISTERS["TBUF_ELEMENT_CONTROL"]
_MODE = {1: 0, 2: 1, 4: 2}
_EMPTY = 1 << 31


def control(channels: int, *, enabled: int | None = None, element_bytes: int = 64) -> int:
    """RX_CONTROL or TX_CONTROL of a number of channels."""
    mask = (1 << channels) - 1 if enabled is None else enabled
    return mask << 28 | _MODE[channels] << 20 | (element_bytes // 128) << 2


class Channels(MediaGroup):
    """One chip with a port per channel and a frame that arrives at each at cycle 0."""

    def __init__(self, channels: int, frames: Sequence[bytes] = (), **overrides: int) -> None:
        named = {"msf.channels": channels} | {name.replace("__", "."): value for name, value in overrides.items()}
        super().__init__(1, ports=channels, overrides=named)
        self._rows = [np.zeros(1, INGRESS) for _ in frames]
        self._data = [np.frombuffer(data, np.uint8) for data in frames]
        for number, (rows, data) in enumerate(zip(self._rows, self._data, strict=True)):
            rows["address"], rows["length"] = data.ctypes.data, len(data)
            self.port(0, number)["source"], self.port(0, number)["source_count"] = rows.ctypes.data, 1
        if frames:
            schedule(self.chips[0], MEDIA_RX, 4, 0)

    def channel(self, number: int) -> dict[str, int]:
        record = self.chips[0]["channel"][number]
        return {name: int(record[name]) for name in record.dtype.names if record[name].ndim == 0}

    def read(self, offset: int) -> int:
        return read_msf(self.chips[0], offset)


# --- receive --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "width_bytes"), [(2, 2), (4, 1)])
@pytest.mark.parametrize("element_bytes", [64, 128, 256])
def test_channels_receive_side_by_side(channels: int, width_bytes: int, element_bytes: int) -> None:
    """Each has its transfer, the first element of its partition, its port and its full list."""
    frames = [frame_bytes(60, first=10 * number) for number in range(channels)]
    chip = Channels(channels, frames, msf__element_bytes=element_bytes)
    ready = chip.wire(60)
    chip.run(ready)
    assert all(chip.channel(number)["rx_end"] == NEVER for number in range(channels))
    end = ready + chip.spi(60, width_bytes)
    chip.run(ready + 1)
    assert [chip.channel(number)["rx_end"] for number in range(channels)] == [end] * channels
    chip.run(end + 1)
    elements = 8_192 // element_bytes
    for number, data in enumerate(frames):
        first = number * elements // channels
        if element_bytes == 64 and first == 0:
            first = 1  # the driver never frees element 0
        status = int(chip.chips[0]["channel"][number]["full_status"][0, 0])
        assert status == first << 24 | 60 << 16 | 1 << 15 | 1 << 14 | number
        words = chip.chips[0]["rbuf"][first * element_bytes // 4 :][:15]
        assert b"".join(int(word).to_bytes(4, "big") for word in words) == data
    assert int(chip.chips[0]["rx_spi_busy"]) == channels * chip.spi(60, width_bytes)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_a_run_starts_with_what_the_parameters_say(channels: int) -> None:
    chip = Channels(channels, msf__element_bytes=128)
    assert chip.read(_RX_CONTROL) == chip.read(_TX_CONTROL) == control(channels, element_bytes=128)
    assert [chip.channel(number)["rbuf_free_count"] for number in range(4)] == [64 // channels] * channels + [0] * (
        4 - channels
    )


@pytest.mark.parametrize(("element", "channel"), [(0, 0), (31, 0), (32, 1), (63, 1), (64, 2), (96, 3), (127, 3)])
def test_a_freed_element_is_its_channels(element: int, channel: int) -> None:
    chip = Channels(4)
    reset_media(chip.chips[0])
    chip.write(0, _RX_CONTROL, control(4))
    chip.write(0, _DONE, element)
    assert [chip.channel(number)["rbuf_free_count"] for number in range(4)] == [
        int(number == channel) for number in range(4)
    ]


def test_elements_freed_before_the_mode_is_set_keep_their_order() -> None:
    chip = Channels(4)
    reset_media(chip.chips[0])
    for element in (70, 40, 65, 33, 5):
        chip.write(0, _DONE, element)
    for channels, lists in ((4, [[5], [40, 33], [70, 65], []]), (1, [[70, 40, 65, 33, 5]])):
        chip.write(0, _RX_CONTROL, control(channels))
        for number, expected in enumerate(lists):
            record = chip.chips[0]["channel"][number]
            head = int(record["rbuf_free_head"])
            kept = [int(record["rbuf_free"][head + i & 127]) for i in range(int(record["rbuf_free_count"]))]
            assert kept == expected


@pytest.mark.parametrize("enabled", range(16))
def test_a_bit_enables_a_channel(enabled: int) -> None:
    chip = Channels(4, [frame_bytes(60)] * 4)
    chip.write(0, _RX_CONTROL, control(4, enabled=enabled))
    chip.run(chip.wire(60) + 1)
    started = [chip.channel(number)["rx_end"] != NEVER for number in range(4)]
    assert started == [bool(enabled >> number & 1) for number in range(4)]


def test_a_channel_serves_its_own_threads() -> None:
    """Channel 2 has a thread and an mpacket; the thread of channel 1, which has none, waits on."""
    chip = Channels(4, [frame_bytes(60)] * 4)
    chip.write(0, _FREELIST + 4 * 2, 9 << 12 | 5 << 7 | 2 << 4 | 3)
    chip.write(0, _RX_CONTROL, control(4, enabled=0b1101))
    chip.write(0, _FREELIST + 4 * 1, 9 << 12 | 6 << 7)
    end = chip.wire(60) + chip.spi(60, 1)
    time = Path(chip.hardware).pushed(end + chip.hardware["msf.status_latency"], 2)
    chip.run(time + 1)
    assert int(chip.chips[0]["me"][5]["file"][SRAM_IN + 2 * 16 + 3]) == 64 << 24 | 60 << 16 | 3 << 14 | 2
    assert [chip.channel(number)["freelist_count"] for number in range(4)] == [0, 1, 0, 0]
    assert [chip.channel(number)["full_count"] for number in range(4)] == [1, 0, 0, 1]


def test_a_free_list_has_its_depth_per_channel() -> None:
    chip = Channels(2, msf__freelist_depth=8)
    for number in range(2):
        for _ in range(8):
            chip.write(0, _FREELIST + 4 * number, 0x1000)
    assert int(chip.chips[0]["fault"]) == Fault.NONE
    chip.write(0, _FREELIST + 4, 0x1000)
    assert int(chip.chips[0]["fault"]) == Fault.FREELIST_FULL


# --- time-outs ------------------------------------------------------------------------------------------------------


def signalled(chip: Channels, engine: int, context: int, signal: int) -> bool:
    return bool(int(chip.chips[0]["me"]["signals"][engine, context]) >> signal & 1)


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("wait", [1, 100, 0x1FFF])
def test_a_thread_that_waited_too_long_gets_a_null_status(channels: int, wait: int) -> None:
    number = channels - 1
    chip = Channels(channels)
    chip.run(1_000)
    chip.write(0, _TIMEOUT + 4 * number, wait | 1 << 13)  # bit 13 is no part of it
    chip.write(0, _FREELIST + 4 * number, 9 << 12 | 5 << 7 | 2 << 4 | 3)
    time = Path(chip.hardware).pushed(999 + 2 * wait + chip.hardware["msf.status_latency"], 2)
    chip.chips[0]["me"][5]["file"][SRAM_IN + 2 * 16 + 4] = 77
    chip.run(time)
    assert not signalled(chip, 5, 2, 9)
    chip.run(time + 1)
    assert signalled(chip, 5, 2, 9)
    file = chip.chips[0]["me"][5]["file"]
    assert [int(word) for word in file[SRAM_IN + 2 * 16 + 3 : SRAM_IN + 2 * 16 + 5]] == [1 << 11, 0]
    assert chip.channel(number)["freelist_count"] == 0


def test_without_a_time_out_threads_wait_for_ever() -> None:
    chip = Channels(1)
    chip.write(0, _FREELIST, 9 << 12 | 5 << 7)
    chip.run(100_000)
    assert chip.channel(0)["freelist_count"] == 1


def test_one_thread_a_cycle_and_channel() -> None:
    chip = Channels(2)
    for number in (0, 0, 0, 1):
        chip.write(0, _FREELIST + 4 * number, 0x1000)
    chip.run(500)
    for number in range(2):
        chip.write(0, _TIMEOUT + 4 * number, 10)
    for until, left in ((500, [3, 1]), (501, [2, 0]), (502, [1, 0]), (503, [0, 0])):
        chip.run(until)
        assert [chip.channel(number)["freelist_count"] for number in range(2)] == left


@pytest.mark.parametrize(("late", "null"), [(0, False), (1, True)])
def test_an_mpacket_in_the_last_cycle_is_in_time(late: int, null: bool) -> None:
    """Pairing comes before the time-out; a cycle earlier the thread would have been gone."""
    chip = Channels(1, [frame_bytes(60)])
    end = chip.wire(60) + chip.spi(60)
    wait = 50
    placed = end - 2 * wait - late
    chip.run(placed + 1)
    chip.write(0, _TIMEOUT, wait)
    chip.write(0, _FREELIST, 9 << 12 | 5 << 7)
    chip.run(end + 500)
    assert int(chip.chips[0]["me"][5]["file"][SRAM_IN]) == (1 << 11 if null else 1 << 24 | 60 << 16 | 3 << 14)


# --- transmit -------------------------------------------------------------------------------------------------------


def test_channels_transmit_side_by_side_and_count_for_themselves() -> None:
    """Eight elements of 256 bytes each: the ninth frame of channel 2 wraps in its partition."""
    chip = Channels(4, msf__element_bytes=256)
    for _ in range(8):
        chip.send(0, frame_bytes(60), port=2)
    chip.send(0, frame_bytes(60), port=0)
    assert [chip.read(_SEQUENCE + 4 * number) for number in range(4)] == [0, _EMPTY, 0, _EMPTY]
    assert chip.chips[0]["tx_valid"].nonzero()[0].tolist() == [0, *range(16, 24)]
    end = chip.spi(60, 1)
    chip.run(1)
    assert [chip.channel(number)["tx_end"] for number in range(4)] == [end, NEVER, end, NEVER]
    chip.run(end + 1)
    assert [chip.read(_SEQUENCE + 4 * number) for number in range(4)] == [_EMPTY | 1, _EMPTY, 1, _EMPTY]
    chip.run(8 * end + 1)
    chip.send(0, frame_bytes(60), port=2)
    assert chip.chips[0]["tx_valid"].nonzero()[0].tolist() == [16]
    chip.run(20 * end)
    assert chip.read(_SEQUENCE + 8) == _EMPTY | 9
    assert [int(chip.port(0, number)["frames_out"]) for number in range(4)] == [1, 0, 9, 0]
    assert int(chip.chips[0]["tx_spi_busy"]) == 10 * chip.spi(60, 1)


@pytest.mark.parametrize(("element", "port", "fault"), [(63, 0, False), (64, 0, True), (64, 1, False), (63, 1, True)])
def test_an_element_is_for_the_port_of_its_channel(element: int, port: int, fault: bool) -> None:
    chip = Channels(2)
    chip.write(0, _ELEMENT_CONTROL + 8 * element, 60 << 24 | SOP | EOP | port)
    chip.write(0, _ELEMENT_CONTROL + 8 * element + 4, 0)
    assert int(chip.chips[0]["fault"]) == (Fault.TBUF_CONTROL if fault else Fault.NONE)


@pytest.mark.parametrize(("ports", "fault"), [(16, False), (17, True)])
def test_the_port_has_five_bits(ports: int, fault: bool) -> None:
    """Port 16 is no port 0."""
    group = MediaGroup(1, ports=16)
    group.write(0, _ELEMENT_CONTROL, 60 << 24 | SOP | EOP | (ports - 1))
    group.write(0, _ELEMENT_CONTROL + 4, 0)
    assert int(group.chips[0]["fault"]) == (Fault.TBUF_CONTROL if fault else Fault.NONE)


@pytest.mark.parametrize("enabled", range(16))
def test_a_bit_enables_a_channel_to_transmit(enabled: int) -> None:
    chip = Channels(4)
    chip.write(0, _TX_CONTROL, control(4, enabled=enabled))
    for port in range(4):
        chip.send(0, frame_bytes(60), port=port)
    chip.run(1)
    assert [chip.channel(number)["tx_end"] != NEVER for number in range(4)] == [
        bool(enabled >> number & 1) for number in range(4)
    ]
