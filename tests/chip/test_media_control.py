"""RX_CONTROL, TX_CONTROL, reset and cold start of the media interface, and the host's way to its registers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ixp_emu.chip.chip import schedule
from ixp_emu.chip.codes import Fault
from ixp_emu.chip.compiled import NEVER
from ixp_emu.chip.layout import INGRESS, MEDIA_RX, SRAM_IN
from ixp_emu.chip.media_control import read_msf, reset_media, write_msf
from ixp_emu.isa.csr import MSF_REGISTERS
from tests.chip.command_path import Path, load, program
from tests.chip.one_chip import OneChip

_RX_CONTROL = MSF_REGISTERS["RX_CONTROL"]
_TX_CONTROL = MSF_REGISTERS["TX_CONTROL"]
_DONE = MSF_REGISTERS["RBUF_ELEMENT_DONE"]
_FREELIST = MSF_REGISTERS["RX_THREAD_FREELIST_0"]
_ELEMENT_CONTROL = MSF_REGISTERS["TBUF_ELEMENT_CONTROL"]
_BUFFER = MSF_REGISTERS["RBUF"]
_ON = 1 << 28
_SOP, _EOP = 1 << 9, 1 << 8
_LATE = 5_000
"""A cycle at which the frames below are complete in their MAC."""


class Fed(OneChip):
    """A chip with one port and frames that enter from cycle 0 on, back to back."""

    def __init__(self, frames: Sequence[bytes] = (), programs: dict[int, str] | None = None) -> None:
        super().__init__(programs or {}, ports=1)
        self._data = np.frombuffer(b"".join(frames) or b"\0", np.uint8).copy()
        self._rows = np.zeros(len(frames), INGRESS)
        starts = np.cumsum([0, *map(len, frames)])[:-1]
        self._rows["address"] = self._data.ctypes.data + starts
        self._rows["length"] = [len(frame) for frame in frames]
        port = self.chip["port"][0]
        port["source"], port["source_count"] = self._rows.ctypes.data, len(frames)
        if frames:
            schedule(self.chip, MEDIA_RX, 4, 0)

    def write(self, offset: int, value: int, now: int) -> None:
        write_msf(self.chip, offset, value, now)

    def spi(self, count: int, width_bytes: int) -> int:
        """Cycles of a transfer: whole clocks of SPI-3, rounded up to cycles."""
        clocks = -(-count // width_bytes)
        return -(-clocks * self.hardware["me_clock_khz"] // self.hardware["msf.clock_khz"])


def frame(length: int, first: int = 1) -> bytes:
    return bytes((first + number) % 256 for number in range(length))


def cold(*frames: bytes) -> Fed:
    chip = Fed(frames)
    reset_media(chip.chip)
    return chip


def test_a_cold_chip_receives_when_it_is_enabled_and_has_an_element() -> None:
    """Both are needed, in either order; the transfer starts in the cycle after the second one."""
    for order in ((0, 1), (1, 0)):
        chip = cold(frame(60))
        writes = [(_RX_CONTROL, _ON), (_DONE, 5)]
        chip.run(_LATE)
        for step in order:
            assert int(chip.chip["channel"][0]["rx_end"]) == NEVER
            assert int(chip.chip["port"][0]["rx_bytes"]) == 60
            now = int(chip.chip["published"]) - 1
            chip.write(*writes[step], now)
            chip.run(now + 101)
        end = now + 1 + chip.spi(60, 4)
        assert (int(chip.chip["channel"][0]["rx_end"]), int(chip.chip["channel"][0]["full_count"])) == (
            NEVER if end <= now + 100 else end,
            1,
        )
        assert int(chip.chip["channel"][0]["full_status"][0, 0]) == 5 << 24 | 60 << 16 | 1 << 15 | 1 << 14
        assert int(chip.chip["last_change"]) == end


@pytest.mark.parametrize(("width", "width_bytes"), [(0, 4), (1, 2), (2, 1), (3, 2)])
@pytest.mark.parametrize(("size", "element_bytes"), [(0, 64), (1, 128), (2, 256)])
def test_rx_control_sets_width_and_element_size(width: int, width_bytes: int, size: int, element_bytes: int) -> None:
    data = frame(300)
    chip = cold(data)
    chip.run(_LATE)
    chip.write(_RX_CONTROL, _ON | width << 20 | size << 2, _LATE - 1)
    for element in (3, 7):
        chip.write(_DONE, element, _LATE - 1)
    first = _LATE + chip.spi(element_bytes, width_bytes)
    chip.run(_LATE + 1)
    assert int(chip.chip["channel"][0]["rx_end"]) == first
    left = min(300 - element_bytes, element_bytes)
    chip.run(first + 1)
    assert int(chip.chip["channel"][0]["rx_end"]) == first + chip.spi(left, width_bytes)
    chip.run(first + 2_000)
    sent = 0
    for number, (element, count) in enumerate(((3, element_bytes), (7, left))):
        status = int(chip.chip["channel"][0]["full_status"][number, 0])
        assert (status >> 24, status >> 16 & 0xFF) == (element, count & 0xFF)
        words = [read_msf(chip.chip, _BUFFER + element * element_bytes + 4 * word) for word in range(count // 4)]
        assert b"".join(word.to_bytes(4, "big") for word in words) == data[sent : sent + count]
        sent += count
    assert int(chip.chip["rbuf_elements"]) == 8192 // element_bytes


def test_a_transfer_under_way_goes_on_as_it_began() -> None:
    """New width and size while element 9 fills: it ends as before and lies where it would have lain."""
    data = frame(64 + 128)
    chip = cold(data)
    chip.write(_RX_CONTROL, _ON, -1)
    for element in (9, 4):
        chip.write(_DONE, element, -1)
    chip.run(_LATE)
    start = int(chip.chip["channel"][0]["rx_end"])
    assert start == NEVER  # both elements are full: the rest waits
    chip = cold(data)
    chip.run(_LATE)
    chip.write(_RX_CONTROL, _ON, _LATE - 1)
    for element in (9, 4):
        chip.write(_DONE, element, _LATE - 1)
    end = _LATE + chip.spi(64, 4)
    chip.run(_LATE + 3)
    chip.write(_RX_CONTROL, _ON | 2 << 20 | 1 << 2, _LATE + 2)
    assert int(chip.chip["channel"][0]["rx_end"]) == end
    chip.run(end + 1)
    assert read_msf(chip.chip, _BUFFER + 9 * 64) == int.from_bytes(data[:4], "big")
    assert int(chip.chip["channel"][0]["rx_end"]) == end + chip.spi(128, 1)
    chip.run(end + 2_000)
    assert read_msf(chip.chip, _BUFFER + 4 * 128) == int.from_bytes(data[64:68], "big")


def test_a_disabled_receiver_finishes_its_transfer_and_begins_none() -> None:
    chip = cold(frame(128))
    chip.run(_LATE)
    chip.write(_RX_CONTROL, _ON, _LATE - 1)
    for element in (1, 2):
        chip.write(_DONE, element, _LATE - 1)
    chip.run(_LATE + 2)
    chip.write(_RX_CONTROL, 0, _LATE + 1)
    chip.run(_LATE + 2_000)
    assert (int(chip.chip["channel"][0]["full_count"]), int(chip.chip["channel"][0]["rx_end"])) == (1, NEVER)
    assert int(chip.chip["port"][0]["rx_bytes"]) == 64
    assert int(chip.chip["rx_spi_busy"]) == chip.spi(64, 4)


def test_an_engine_enables_receive_at_its_service() -> None:
    """Service in phase 1, media in phase 4 of the same cycle."""
    lines = ["nop"] * 4_000 + [*load("t", _ON), "alu[$x0, --, B, t]", "immed[a, 0]", "msf[write, $x0, a, 0, 1]"]
    chip = Fed([frame(60)], {0: program(lines)})
    reset_media(chip.chip)
    chip.write(_DONE, 5, -1)
    path = Path(chip.hardware)
    service = path.pulled(path.arrival(4_004), 1)
    chip.run(service)
    assert int(chip.chip["channel"][0]["rx_end"]) == NEVER
    chip.run(service + 1)
    assert int(chip.chip["channel"][0]["rx_end"]) == service + chip.spi(60, 4)
    assert read_msf(chip.chip, _RX_CONTROL) == _ON


def test_a_thread_of_the_hosts_free_list_gets_its_status() -> None:
    """The entry takes part from the next cycle on; the status comes by S_push, with its signal."""
    chip = cold(frame(60))
    chip.write(_RX_CONTROL, _ON, -1)
    chip.write(_DONE, 5, -1)
    chip.run(_LATE)
    assert int(chip.chip["channel"][0]["full_count"]) == 1
    chip.write(_FREELIST, 9 << 12 | 5 << 7 | 2 << 4 | 3, _LATE - 1)
    time = Path(chip.hardware).pushed(_LATE + chip.hardware["msf.status_latency"], 2)
    chip.run(time)
    assert int(chip.chip["me"]["signals"][5, 2]) >> 9 & 1 == 0
    chip.run(time + 1)
    assert int(chip.chip["me"]["signals"][5, 2]) >> 9 & 1 == 1
    assert int(chip.chip["me"][5]["file"][SRAM_IN + 2 * 16 + 3]) == 5 << 24 | 60 << 16 | 1 << 15 | 1 << 14


# --- transmit -------------------------------------------------------------------------------------------------------


def fill(chip: OneChip, offset: int, data: bytes, now: int) -> None:
    """Bytes into TBUF."""
    padded = data + bytes(-len(data) % 4)
    for start in range(0, len(padded), 4):
        write_msf(chip.chip, _BUFFER + offset + start, int.from_bytes(padded[start : start + 4], "big"), now)


@pytest.mark.parametrize(("width", "width_bytes"), [(0, 4), (1, 2), (2, 1), (3, 2)])
@pytest.mark.parametrize(("size", "element_bytes"), [(0, 64), (1, 128), (2, 256)])
def test_tx_control_sets_width_and_element_size(width: int, width_bytes: int, size: int, element_bytes: int) -> None:
    """Two elements of one frame, validated while transmit is disabled; they go when it is enabled."""
    data = frame(element_bytes - 4, 7) + frame(60, 99)
    chip = cold()
    chip.write(_TX_CONTROL, width << 20 | size << 2, -1)
    fill(chip, 0, data[: element_bytes - 4], -1)
    fill(chip, element_bytes, data[element_bytes - 4 :], -1)
    for element, control in enumerate(((element_bytes - 4) << 24 | _SOP, 60 << 24 | _EOP)):
        chip.write(_ELEMENT_CONTROL + 8 * element, control, -1)
        chip.write(_ELEMENT_CONTROL + 8 * element + 4, 0, -1)
    chip.run(1_000)
    assert (int(chip.chip["channel"][0]["tx_end"]), int(chip.chip["channel"][0]["tx_valid_count"])) == (NEVER, 2)
    assert read_msf(chip.chip, MSF_REGISTERS["TX_SEQUENCE_0"]) == 0
    chip.write(_TX_CONTROL, _ON | width << 20 | size << 2, 999)
    first = 1_000 + chip.spi(element_bytes - 4, width_bytes)
    chip.run(1_001)
    assert int(chip.chip["channel"][0]["tx_end"]) == first
    chip.run(first + 1)
    assert int(chip.chip["channel"][0]["tx_end"]) == first + chip.spi(60, width_bytes)
    chip.run(first + 1_000)
    assert read_msf(chip.chip, MSF_REGISTERS["TX_SEQUENCE_0"]) == 1 << 31 | 2
    assert bytes(chip.chip["port"][0]["tx_data"][: len(data)]) == data


@pytest.mark.parametrize(("size", "element_bytes"), [(0, 64), (1, 128)])
def test_an_element_holds_what_tx_control_says(size: int, element_bytes: int) -> None:
    for count, fault in ((element_bytes, Fault.NONE), (element_bytes + 1, Fault.TBUF_CONTROL)):
        chip = cold()
        chip.write(_TX_CONTROL, size << 2, -1)
        chip.write(_ELEMENT_CONTROL, count << 24 | _SOP | _EOP, -1)
        chip.write(_ELEMENT_CONTROL + 4, 0, 40)
        assert int(chip.chip["fault"]) == fault
        if fault:
            assert (int(chip.chip["fault_time"]), int(chip.chip["fault_me"])) == (40, -1)


def test_the_directions_are_apart() -> None:
    chip = cold()
    chip.write(_RX_CONTROL, _ON | 2 << 20 | 2 << 2, -1)
    record = chip.chip
    assert [int(record[f"tx_{name}"]) for name in ("enabled", "width_bytes", "element_bytes")] == [0, 4, 64]
    assert (int(record["rbuf_elements"]), int(record["tbuf_elements"])) == (32, 128)


# --- faults and reset -----------------------------------------------------------------------------------------------


def test_the_host_frees_an_element_once() -> None:
    chip = cold()
    chip.write(_DONE, 5, 10)
    assert int(chip.chip["fault"]) == Fault.NONE
    chip.write(_DONE, 5, 11)
    record = chip.chip
    assert (int(record["fault"]), int(record["fault_time"]), int(record["fault_me"])) == (Fault.ELEMENT_FREE, 11, -1)


def test_reset_drops_what_is_under_way_and_forgets_the_rest() -> None:
    """In the middle of a receive and a transmit transfer; afterwards the chip works as a cold one."""
    chip = Fed([frame(60), frame(60, 33), frame(60, 66)])
    for element in range(2):
        chip.write(_ELEMENT_CONTROL + 8 * element, 60 << 24 | _SOP | _EOP, -1)
        chip.write(_ELEMENT_CONTROL + 8 * element + 4, 0, -1)
    chip.write(_FREELIST, 1 << 12, -1)
    wire = -(-(8 + 64) * chip.hardware["me_clock_khz"] // 125_000)
    chip.run(wire + 10)
    record = chip.chip
    assert int(record["channel"][0]["rx_end"]) == wire + chip.spi(60, 4)
    reset_media(record)
    assert int(record["rx_spi_busy"]) == 10
    assert int(record["port"][0]["rx_bytes"]) == 60
    assert (int(record["channel"][0]["rx_end"]), int(record["channel"][0]["tx_end"])) == (NEVER, NEVER)
    for field in ("freelist_count", "full_count", "rbuf_free_count", "tx_valid_count", "tx_next"):
        assert int(record["channel"][0][field]) == 0, field
    assert int(record["rx_enabled"]) == 0
    assert not record["rbuf_freed"].any() and not record["tx_valid"].any()
    assert (read_msf(record, _RX_CONTROL), read_msf(record, _TX_CONTROL)) == (0, 0)
    assert read_msf(record, MSF_REGISTERS["TX_SEQUENCE_0"]) == 1 << 31
    chip.run(_LATE)
    chip.write(_RX_CONTROL, _ON, _LATE - 1)
    for element in (1, 2, 3):
        chip.write(_DONE, element, _LATE - 1)
    chip.run(2 * _LATE)
    assert [int(status) >> 24 for status in record["channel"][0]["full_status"][:3, 0]] == [1, 2, 3]
    assert read_msf(record, _BUFFER + 64) == int.from_bytes(frame(4), "big")
    assert int(record["fault"]) == Fault.NONE


def test_reset_gives_back_what_a_transmit_transfer_had_reserved() -> None:
    chip = Fed()
    chip.write(_ELEMENT_CONTROL, 60 << 24 | _SOP | _EOP, -1)
    chip.write(_ELEMENT_CONTROL + 4, 0, -1)
    chip.run(10)
    assert (int(chip.chip["channel"][0]["tx_end"]), int(chip.chip["port"][0]["tx_bytes"])) == (chip.spi(60, 4), 60)
    reset_media(chip.chip)
    assert int(chip.chip["port"][0]["tx_bytes"]) == 0
    assert int(chip.chip["tx_spi_busy"]) == 10


def test_other_registers_hold_what_was_written() -> None:
    chip = cold()
    for name in ("HWM_CONTROL", "RX_THREAD_FREELIST_1", "RX_THREAD_FREELIST_3", "TX_MPHY_POLL_LIMIT"):
        chip.write(MSF_REGISTERS[name], 0x12345678, -1)
        assert read_msf(chip.chip, MSF_REGISTERS[name]) == 0x12345678
    assert int(chip.chip["channel"][0]["freelist_count"]) == 0
