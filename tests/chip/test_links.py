"""Links between chips: Ethernet with pause, SPI-3 with credits; every rule at its edge."""

from __future__ import annotations

import random

import pytest

from ixp_emu.chip.layout import LINK
from ixp_emu.chip.media import PORT_LINK, PORT_SPI3
from ixp_emu.chip.media_control import reset_media
from ixp_emu.isa.csr import MSF_REGISTERS
from tests.chip.media_group import MediaGroup, frame_bytes

_DONE = MSF_REGISTERS["RBUF_ELEMENT_DONE"]
_RX_CONTROL = MSF_REGISTERS["RX_CONTROL"]
_ON = 1 << 28


def sent(group: MediaGroup, block: int = 0) -> int:
    """Frames put on a direction of a link so far."""
    return int(group.blocks[block][: LINK.itemsize].view(LINK)["written"][0])


def pair(latency: int, *, kind: int = PORT_LINK, **overrides: int) -> MediaGroup:
    """Chip 0 sends to chip 1, which has RBUF elements only when the test gives it some."""
    named = {name.replace("__", "."): value for name, value in overrides.items()}
    group = MediaGroup(2, overrides=named)
    group.link((0, 0), (1, 0), kind=kind, latency=latency)
    reset_media(group.chips[1])
    group.write(1, _RX_CONTROL, _ON)
    return group


# --- Ethernet -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("latency", [1, 403, 5_000])
def test_line_rate_over_any_latency(latency: int) -> None:
    """Frames arrive at their start plus the latency, in both directions at once, and the rings hold them."""
    group = pair(latency)
    first = group.spi(60)
    for chip in (0, 1):
        for number in range(120):
            group.send(chip, frame_bytes(60, first=number))
    starts = group.starts([60] * 120, first)
    group.run(starts[-1] + latency)
    assert [int(group.port(chip)["frames_in"]) for chip in (0, 1)] == [119, 119]
    group.run(starts[-1] + latency + 1)
    for chip in (0, 1):
        assert int(group.port(chip)["frames_in"]) == 120
    assert group.port(1)["rx_time"][:120].tolist() == [start + latency for start in starts]
    assert bytes(group.port(1)["rx_data"][119 * 60 : 120 * 60]) == frame_bytes(60, first=119)


# a 4th frame of 60 bytes takes the receive FIFO above 200 bytes; frames 4 and 5 start 403 and 806 cycles after it
@pytest.mark.parametrize(("latency", "frames"), [(201, 4), (202, 5), (403, 5), (404, 6)])
@pytest.mark.parametrize("pause", [1, 0])
def test_xoff_counts_from_its_cycle_on(latency: int, frames: int, pause: int) -> None:
    group = pair(latency, mac__pause=pause, mac__pause_high_bytes=200, mac__pause_low_bytes=120)
    for number in range(8):
        group.send(0, frame_bytes(60, first=number))
    starts = group.starts([60] * 8, group.spi(60))
    xoff = starts[3] + 2 * latency
    assert sum(start < xoff for start in starts) == frames
    group.run(starts[-1] + 3_000)
    assert sent(group) == (frames if pause else 8)
    assert int(group.port(1)["pauses"]) == pause
    assert int(group.port(0)["paused"]) == pause


@pytest.mark.parametrize(("high", "pauses"), [(240, 0), (239, 1)])
def test_the_mark_itself_does_not_pause(high: int, pauses: int) -> None:
    group = pair(300, mac__pause=1, mac__pause_high_bytes=high, mac__pause_low_bytes=120)
    for number in range(4):
        group.send(0, frame_bytes(60, first=number))
    group.run(10_000)
    assert (int(group.port(1)["rx_bytes"]), int(group.port(1)["pauses"])) == (240, pauses)


@pytest.mark.parametrize("low", [120, 119])
def test_xon_lets_the_peer_go_on_a_latency_later(low: int) -> None:
    """The FIFO falls to 120 bytes with the third of five frames: that is low enough for a mark of 120, not of 119."""
    latency = 403
    group = pair(latency, mac__pause=1, mac__pause_high_bytes=200, mac__pause_low_bytes=low)
    for number in range(8):
        group.send(0, frame_bytes(60, first=number))
    group.run(10_000)
    assert sent(group) == 5
    for element in range(3 if low == 120 else 4):
        group.write(1, _DONE, element)
    xon = 10_000 + (3 if low == 120 else 4) * group.spi(60)
    group.run(xon + latency)
    assert (sent(group), int(group.port(0)["paused"])) == (5, 1)
    group.run(xon + latency + 1)
    assert (sent(group), int(group.port(0)["paused"])) == (6, 0)


# --- SPI-3 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("latency", [1, 2, 700])
def test_a_frame_arrives_whole_over_spi3(latency: int) -> None:
    group = pair(latency, kind=PORT_SPI3)
    for element in (3, 7):
        group.write(1, _DONE, element)
    group.send(0, frame_bytes(100))
    start = group.spi(64) + group.spi(36)
    arrival = start + latency
    group.run(start)
    assert (int(group.port(0)["tx_bytes"]), int(group.port(0)["frames_out"])) == (100, 0)
    group.run(start + 1)
    assert (int(group.port(0)["tx_bytes"]), int(group.port(0)["frames_out"])) == (0, 1)
    group.run(arrival)
    assert int(group.port(1)["frames_in"]) == 0
    group.run(arrival + 1)
    assert int(group.port(1)["frames_in"]) == 1
    assert int(group.chips[1]["channel"][0]["rx_end"]) == arrival + group.spi(64), "it is ready at once"
    group.run(arrival + 1_000)
    assert group.chips[1]["channel"][0]["full_status"][:2, 0].tolist() == [
        3 << 24 | 64 << 16 | 1 << 15,
        7 << 24 | 36 << 16 | 1 << 14,
    ]
    words = [*group.chips[1]["rbuf"][3 * 16 : 4 * 16], *group.chips[1]["rbuf"][7 * 16 : 7 * 16 + 9]]
    assert b"".join(int(word).to_bytes(4, "big") for word in words) == frame_bytes(100)


@pytest.mark.parametrize(("last", "fits"), [(68, True), (69, False)])
def test_what_the_peer_has_room_for_is_sent(last: int, fits: bool) -> None:
    """33 frames of 60 bytes leave 68 of 2,048 bytes."""
    group = pair(50, kind=PORT_SPI3, mac__rx_fifo_bytes=2_048)
    for number in range(33):
        group.send(0, frame_bytes(60, first=number))
    group.send(0, frame_bytes(last))
    group.run(20_000)
    assert sent(group) == 33 + fits
    assert (int(group.port(1)["frames_in"]), int(group.port(1)["frames_lost"])) == (33 + fits, 0)


@pytest.mark.parametrize("latency", [1, 2, 700])
def test_a_credit_is_known_a_latency_after_the_bytes_left(latency: int) -> None:
    group = pair(latency, kind=PORT_SPI3, mac__rx_fifo_bytes=2_048)
    for number in range(40):
        group.send(0, frame_bytes(60, first=number))
    group.run(20_000)
    assert sent(group) == 34
    group.write(1, _DONE, 5)
    left = 20_000 + group.spi(60)
    group.run(left + latency)
    assert sent(group) == 34
    group.run(left + latency + 1)
    assert sent(group) == 35
    group.run(40_000)
    assert (sent(group), int(group.port(1)["frames_in"]), int(group.port(1)["frames_lost"])) == (35, 35, 0)


# --- all ------------------------------------------------------------------------------------------------------------


def both_ways(kind: int, seed: int, *, pause: int = 1) -> MediaGroup:
    """Two chips that send each other what TBUF holds, and free an element now and then."""
    group = MediaGroup(2, overrides={"mac.pause": pause, "mac.pause_high_bytes": 400, "mac.pause_low_bytes": 300})
    group.link((0, 0), (1, 0), kind=kind, latency=37)
    draw = random.Random(seed)
    for chip in (0, 1):
        reset_media(group.chips[chip])
        for name in ("RX_CONTROL", "TX_CONTROL"):
            group.write(chip, MSF_REGISTERS[name], _ON)
        room = 128
        while room > 20:
            length = draw.randint(60, 1_200)
            room -= -(-length // 64)
            group.send(chip, frame_bytes(length, first=draw.randrange(256)))
    return group


def drain(group: MediaGroup, *, threads: int, until: int = 128, step: int = 900) -> None:
    """One element at a time, so that pause or credits stop the sender again and again."""
    for element in range(int(group.chips[0]["rbuf_frees"]), until):
        for chip in (0, 1):
            group.write(chip, _DONE, element)
        group.run((element + 1) * step, threads=threads)


@pytest.mark.parametrize("kind", [PORT_LINK, PORT_SPI3])
def test_threads_and_a_checkpoint_do_not_show(kind: int) -> None:
    whole = both_ways(kind, 1)
    drain(whole, threads=1)
    threaded = both_ways(kind, 1)
    drain(threaded, threads=2)
    assert threaded.state() == whole.state()
    cut = both_ways(kind, 1)
    drain(cut, threads=1, until=51)
    resumed = cut.copy()
    drain(cut, threads=1, until=70)  # what goes on in the one does not show in the other
    drain(resumed, threads=2)
    assert resumed.state() == whole.state()
    if kind == PORT_LINK:
        assert int(whole.port(0)["pauses"]) > 1
    for chip in (0, 1):  # everything sent is there, nothing was lost
        assert int(whole.port(chip)["frames_in"]) == int(whole.port(1 - chip)["frames_out"]) > 5
        assert int(whole.port(chip)["frames_lost"]) == 0
