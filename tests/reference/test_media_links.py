"""Links in the reference model: Ethernet with pause, SPI-3 with credits; times derived by hand."""

from __future__ import annotations

import pytest

from . import ReferenceChip
from .cluster import Cluster
from .links import GbeEnd, Spi3End
from .mac import Port
from .media_times import enqueue, hardware, idle_chip, spi, wire


def gbe(*, latency: int, **overrides: int) -> tuple[Cluster, tuple[GbeEnd, GbeEnd]]:
    """Two chips of one port, joined."""
    cluster = Cluster([idle_chip(1, hardware(**overrides)) for _ in range(2)])
    return cluster, cluster.connect_gbe((0, 0), (1, 0), latency=latency)


def spi3(*, latency: int, **overrides: int) -> tuple[Cluster, tuple[Spi3End, Spi3End]]:
    cluster = Cluster([idle_chip(1, hardware(**overrides)) for _ in range(2)])
    return cluster, cluster.connect_spi3((0, 0), (1, 0), latency=latency)


def received(cluster: Cluster, chip: int = 1) -> int:
    return cluster.chips[chip].media.ports[0].counters.frames_in


def nothing_leaves(chip: ReferenceChip) -> Port:
    """No free RBUF element; returns the port."""
    chip.media.rx.free_elements.clear()
    return chip.media.ports[0]


# --- Ethernet -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("latency", [1, 77])
def test_the_far_mac_sees_the_first_bit_a_latency_later(latency: int) -> None:
    cluster, _ = gbe(latency=latency)
    cluster.run(10)
    enqueue(cluster.chips[0], 0, bytes([5]) * 20)
    cluster.run(10 + latency)
    assert received(cluster) == 0
    cluster.step()
    assert received(cluster) == 1
    # Padded on the wire; complete, and on SPI-3, as a frame from a traffic source is.
    full = 10 + latency + wire(72) + spi(60)
    cluster.run(full)
    assert not cluster.chips[1].media.rx.channel[0].full
    cluster.step()
    assert cluster.chips[1].media.rx.channel[0].full[0].mpacket.data == bytes([5]) * 20 + bytes(40)
    assert cluster.chips[0].egress == []


def test_frames_back_to_back_are_accepted_at_the_line_rate() -> None:
    cluster, _ = gbe(latency=3)
    for _ in range(20):
        enqueue(cluster.chips[0], 0, bytes(61))
    last = 3 + wire(19 * 85)  # 85 byte times each, rounded up once
    cluster.run(last)
    assert received(cluster) == 19
    cluster.step()
    assert received(cluster) == 20
    assert cluster.chips[1].lost == []


def test_a_full_fifo_loses_the_frame_at_its_first_bit() -> None:
    cluster, _ = gbe(latency=5, mac__rx_fifo_bytes=2_048)
    nothing_leaves(cluster.chips[1])
    for length in (1_024, 1_024, 60):
        enqueue(cluster.chips[0], 0, bytes(length))
    cluster.run(20_000)
    assert cluster.chips[1].lost == [(5 + wire(2 * 1_048), 0, bytes(60), "mac_rx_overflow")]


def test_a_link_may_join_two_ports_of_a_chip() -> None:
    chip = idle_chip(2)
    cluster = Cluster([chip])
    cluster.connect_gbe((0, 0), (0, 1), latency=1)
    enqueue(chip, 0, bytes(60))
    enqueue(chip, 1, bytes(61))
    cluster.run(2_000)
    full = chip.media.rx.channel[0].full
    assert [(element.port, len(element.mpacket.data)) for element in full] == [(1, 60), (0, 61)]


def test_a_link_takes_a_cycle_at_least() -> None:
    with pytest.raises(ValueError, match="latency is 0"):
        gbe(latency=0)


# --- pause ----------------------------------------------------------------------------------------------------------

SLOT = 840  # a frame of 151 bytes: (8 + 151 + 4 + 12) x 4.8, exactly
PAUSE = {"mac__pause": 1, "mac__pause_high_bytes": 150, "mac__pause_low_bytes": 100}


@pytest.mark.parametrize(("latency", "frames"), [(SLOT // 2, 1), (SLOT // 2 + 1, 2)])
def test_a_pause_counts_a_latency_after_it_was_sent(latency: int, frames: int) -> None:
    """The first frame arrives at N and pauses; that holds at 2 N. The second frame could start at SLOT."""
    cluster, _ = gbe(latency=latency, **PAUSE)
    nothing_leaves(cluster.chips[1])
    for _ in range(3):
        enqueue(cluster.chips[0], 0, bytes(151))
    cluster.run(20_000)
    assert received(cluster) == frames
    assert len(cluster.chips[0].media.ports[0].tx_frames) == 3 - frames


@pytest.mark.parametrize(("length", "paused"), [(150, False), (151, True)])
def test_more_than_the_high_mark_pauses(length: int, paused: bool) -> None:
    cluster, ends = gbe(latency=10, **PAUSE)
    nothing_leaves(cluster.chips[1])
    enqueue(cluster.chips[0], 0, bytes(length))
    cluster.run(10)
    assert not ends[1].has_paused_peer
    cluster.step()
    assert ends[1].has_paused_peer == paused


def test_the_high_mark_is_looked_at_after_transfers_and_arrivals_of_the_cycle() -> None:
    """An mpacket that leaves in the cycle of an arrival keeps it from pausing."""
    # 100 + 51 bytes would pause; 64 of them leave at `leaves`, in the cycle of the second arrival or one after it.
    for late, paused in ((0, False), (1, True)):
        cluster, ends = gbe(latency=1, **PAUSE)
        port = cluster.chips[1].media.ports[0]
        cluster.chips[1].media.rx.free_elements = type(cluster.chips[1].media.rx.free_elements)([1])
        ends[1].arriving.append((0, bytes(100)))
        leaves = wire(8 + 64) + spi(64)
        ends[1].arriving.append((leaves - late, bytes(60)))
        cluster.run(leaves - late + 1)
        assert port.rx_used == 160 - 64 * (1 - late)
        assert ends[1].has_paused_peer == paused


def test_the_low_mark_lets_the_peer_go_on() -> None:
    """Of 151 bytes 87 are left after one element: at a low mark of 87, not of 86."""
    leaves = 10 + wire(8 + 64) + spi(64)
    for low, frames in ((87, 2), (86, 1)):
        marks = {"mac__pause": 1, "mac__pause_high_bytes": 150, "mac__pause_low_bytes": low}
        cluster, ends = gbe(latency=10, **marks)
        cluster.chips[1].media.rx.free_elements = type(cluster.chips[1].media.rx.free_elements)([1])
        for _ in range(2):
            enqueue(cluster.chips[0], 0, bytes(151))
        cluster.run(leaves + 1)
        assert ends[1].has_paused_peer == (low == 86)
        assert not ends[0].may_start(leaves + 9, 0)
        assert ends[0].may_start(leaves + 10, 0) == (low == 87)
        cluster.run(5_000)
        assert received(cluster) == frames


def test_a_frame_held_back_starts_in_the_cycle_of_the_permission() -> None:
    # Paused at first, released when 64 bytes have left, long after SLOT.
    cluster, _ = gbe(latency=10, **PAUSE)
    nothing_leaves(cluster.chips[1])
    for _ in range(2):
        enqueue(cluster.chips[0], 0, bytes(151))
    cluster.run(3_000)
    cluster.chips[1].media.rx.free_elements.append(1)
    start = 3_000 + spi(64) + 10
    cluster.run(start + 10)
    assert received(cluster) == 1
    cluster.step()
    assert received(cluster) == 2


def test_no_pause_unless_it_is_switched_on() -> None:
    marks = PAUSE | {"mac__pause": 0}
    cluster, ends = gbe(latency=10, **marks)
    nothing_leaves(cluster.chips[1])
    for _ in range(5):
        enqueue(cluster.chips[0], 0, bytes(151))
    cluster.run(10_000)
    assert received(cluster) == 5 and not ends[1].has_paused_peer


# --- SPI-3 ----------------------------------------------------------------------------------------------------------


def test_a_frame_arrives_whole_without_mac_timing() -> None:
    cluster, _ = spi3(latency=7)
    enqueue(cluster.chips[0], 0, bytes(130))
    cluster.run(1)
    assert cluster.chips[0].media.ports[0].tx_used == 0
    full = [7 + spi(64), 7 + 2 * spi(64), 7 + 2 * spi(64) + spi(2)]
    for count, time in enumerate(full):
        cluster.run(time)
        assert len(cluster.chips[1].media.rx.channel[0].full) == count
    cluster.step()
    assert [len(e.mpacket.data) for e in cluster.chips[1].media.rx.channel[0].full] == [64, 64, 2]


def test_frames_follow_each_other_cycle_by_cycle() -> None:
    cluster, _ = spi3(latency=7)
    for _ in range(3):
        enqueue(cluster.chips[0], 0, bytes(60))
    for frames in range(4):
        cluster.run(7 + frames)
        assert received(cluster) == frames


def test_short_frames_are_padded_as_on_a_wire() -> None:
    cluster, ends = spi3(latency=7)
    nothing_leaves(cluster.chips[1])
    enqueue(cluster.chips[0], 0, b"abc")
    cluster.run(8)
    assert ends[0].outstanding == 60
    assert cluster.chips[1].media.ports[0].rx_frames[0].frame == b"abc" + bytes(57)


@pytest.mark.parametrize(("length", "starts"), [(1_024, 2), (1_025, 1)])
def test_no_more_is_sent_than_the_peer_has_room_for(length: int, starts: int) -> None:
    cluster, ends = spi3(latency=7, mac__rx_fifo_bytes=2_048)
    nothing_leaves(cluster.chips[1])
    enqueue(cluster.chips[0], 0, bytes(1_024))
    enqueue(cluster.chips[0], 0, bytes(length))
    cluster.run(5_000)
    assert received(cluster) == starts
    assert ends[0].outstanding == 1_024 * starts
    assert cluster.chips[1].lost == []


def test_bytes_that_leave_are_known_a_latency_later() -> None:
    cluster, ends = spi3(latency=7, mac__rx_fifo_bytes=2_048)
    nothing_leaves(cluster.chips[1])
    for length in (1_024, 1_024, 65):
        enqueue(cluster.chips[0], 0, bytes(length))
    cluster.run(1_000)
    cluster.chips[1].media.rx.free_elements.extend((1, 2))
    known = 1_000 + 2 * spi(64) + 7  # one element is a byte too little
    cluster.run(known)
    assert ends[0].outstanding == 2_048 - 64
    cluster.step()
    assert ends[0].outstanding == 2_048 - 128 + 65
    cluster.run(known + 7)
    assert received(cluster) == 2
    cluster.step()
    assert received(cluster) == 3


def test_an_overloaded_link_loses_nothing() -> None:
    cluster, _ = spi3(latency=50, mac__rx_fifo_bytes=2_048)
    for number in range(1, 25):
        enqueue(cluster.chips[0], 0, bytes([number]) * (60 + 37 * number))
    most = 0
    free = cluster.chips[1].media.rx.free_elements
    while cluster.now < 25_000:
        cluster.step()
        most = max(most, cluster.chips[1].media.ports[0].rx_used)
        channel = cluster.chips[1].media.rx.channel[0]
        if cluster.now % 50 == 0 and channel.full:
            free.append(channel.full.popleft().number)
    assert most <= 2_048
    assert received(cluster) == 24 and cluster.chips[1].lost == []
