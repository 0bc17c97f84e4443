"""The Ethernet switch between chips: times, order, addresses, room; every rule at its edge."""

from __future__ import annotations

import random
from fractions import Fraction
from math import ceil

import pytest

from ixp_emu.chip.media_control import reset_media
from ixp_emu.chip.switch import switch_lookahead
from ixp_emu.isa.csr import MSF_REGISTERS
from tests.chip.media_group import MediaGroup, frame_bytes

_TX_CONTROL = MSF_REGISTERS["TX_CONTROL"]
_ON = 1 << 28
_MAC = [0x0200_0000_0000 + number for number in range(4)]


def star(
    *, latencies: tuple[int, ...] = (600, 600, 600), order: tuple[int, ...] = (0, 1, 2), **switch: int
) -> MediaGroup:
    """Chips 0, 1 and 2 on a switch; none sends or takes from its MAC before the test lets it."""
    group = MediaGroup(len(order), overrides={f"switch.{name}": value for name, value in switch.items()})
    for chip in group.chips:
        reset_media(chip)
    group.switch(
        [(chip, 0) for chip in order],
        latencies=[latencies[chip] for chip in order],
        addresses=[_MAC[chip] for chip in order],
    )
    return group


def go(group: MediaGroup, chip: int) -> int:
    """Let a chip send; returns when its first SPI-3 transfer starts."""
    group.write(chip, _TX_CONTROL, _ON)
    return group.now + 1


@pytest.mark.parametrize("latency", [1, 600, 9_000])
@pytest.mark.parametrize("lookup", [0, 600])
@pytest.mark.parametrize("length", [60, 1_000])
def test_a_frame_is_stored_and_forwarded(latency: int, lookup: int, length: int) -> None:
    group = star(latencies=(latency, 5, 77), latency=lookup)
    group.send(0, frame_bytes(length, to=_MAC[2]))
    start = go(group, 0) + group.spi(64) * (length // 64) + group.spi(length % 64)
    joins = start + group.wire(length) + latency + lookup
    group.run(joins + 77)
    assert int(group.port(2)["frames_in"]) == 0
    group.run(joins + 77 + 1)
    assert (int(group.port(2)["frames_in"]), int(group.port(2)["rx_time"][0])) == (1, joins + 77)
    assert bytes(group.port(2)["rx_data"][:length]) == frame_bytes(length, to=_MAC[2])
    assert int(group.port(1)["frames_in"]) == 0


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)])
def test_frames_of_one_time_join_in_order_of_their_ports(order: tuple[int, ...]) -> None:
    """The second waits until the first has left, with its gap; the wire keeps the exact rate."""
    group = star(order=order)
    for chip in (0, 1):
        group.send(chip, frame_bytes(60, to=_MAC[2], first=chip))
        start = go(group, chip) + group.spi(60)
    joins = start + group.wire(60) + 600 + 600
    group.run(joins + 5_000)
    port = group.port(2)
    assert port["rx_time"][:2].tolist() == [joins + 600, joins + ceil(84 * group.byte) + 600]
    assert [int(port["rx_data"][6]), int(port["rx_data"][66])] == list(order[:2])


@pytest.mark.parametrize(("later", "first"), [(0, 1), (1, 0)])
def test_an_earlier_frame_joins_first_whatever_its_port(later: int, first: int) -> None:
    """Chip 1's cable is a cycle shorter, so it wins against the lower port, unless it starts a cycle later."""
    group = star(latencies=(600, 599, 600))
    for chip in (0, 1):
        group.send(chip, frame_bytes(60, to=_MAC[2], first=chip))
    go(group, 0)
    group.run(later)
    go(group, 1)
    group.run(10_000)
    assert int(group.port(2)["rx_data"][6]) == first


def test_two_flows_to_two_ports_do_not_wait_for_each_other() -> None:
    group = star()
    group.send(0, frame_bytes(60, to=_MAC[1]))
    group.send(1, frame_bytes(60, to=_MAC[2]))
    for chip in (0, 1):
        start = go(group, chip) + group.spi(60)
    group.run(10_000)
    arrival = start + group.wire(60) + 3 * 600
    assert [int(group.port(chip)["rx_time"][0]) for chip in (1, 2)] == [arrival, arrival]


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [_MAC[3], _MAC[0], 0xFFFF_FFFF_FFFF, _MAC[1] ^ 1 << 47])
def test_a_frame_without_another_port_of_its_address_is_lost(address: int) -> None:
    """Unknown, its own, broadcast, and one that differs in the first bit; counted when the last bit is out."""
    group = star()
    group.send(0, frame_bytes(60, to=address))
    end = go(group, 0) + group.spi(60) + group.wire(60)
    group.run(end)
    assert int(group.port(0)["switch_unknown"]) == 0
    group.run(end + 1)
    assert int(group.port(0)["switch_unknown"]) == 1
    group.run(20_000)
    assert [int(group.port(chip)["frames_in"]) for chip in range(3)] == [0, 0, 0]


# --- room -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("second", "lost"), [(1_024, 0), (1_025, 1)])
def test_a_byte_too_many_is_lost(second: int, lost: int) -> None:
    group = star(buffer_bytes=2_048)
    group.send(0, frame_bytes(1_024, to=_MAC[2]))
    group.send(1, frame_bytes(second, to=_MAC[2]))
    for chip in (0, 1):
        go(group, chip)
    group.run(60_000)
    port = group.port(2)
    assert (int(port["switch_overflow"]), int(port["frames_in"]), int(port["switch_bytes"])) == (lost, 2 - lost, 0)


@pytest.mark.parametrize(("early", "lost"), [(0, 0), (1, 1)])
def test_room_is_free_when_the_last_bit_has_left(early: int, lost: int) -> None:
    """2,000 bytes are in the queue until their last bit leaves; 60 bytes that join in this very cycle find room."""
    group = star(buffer_bytes=2_048)
    group.send(0, frame_bytes(2_000, to=_MAC[2]))
    group.send(1, frame_bytes(60, to=_MAC[2]))
    start = go(group, 0) + 31 * group.spi(64) + group.spi(16)
    left = start + 2 * group.wire(2_000) + 600 + 600
    group.run(left - early - 1_200 - group.wire(60) - group.spi(60))
    joins = go(group, 1) + group.spi(60) + group.wire(60) + 1_200
    assert joins == left - early
    group.run(left + 20_000)
    assert (int(group.port(2)["switch_overflow"]), int(group.port(2)["frames_in"])) == (lost, 2 - lost)


# --- all ------------------------------------------------------------------------------------------------------------


def crowd(seed: int, *, latency: int = 40) -> tuple[MediaGroup, int]:
    """Four chips that send what TBUF holds to each other, some of it to nobody; returns how many frames."""
    group = MediaGroup(4, overrides={"switch.buffer_bytes": 3_000, "switch.latency": 11, "mac.rx_fifo_bytes": 16_384})
    group.switch([(chip, 0) for chip in range(4)], latencies=[latency] * 4, addresses=_MAC)
    draw = random.Random(seed)
    frames = 0
    for chip in range(4):
        room = 128
        while room > 20:
            length = draw.choice((60, 60, 61, 700, 1_200))
            room -= -(-length // 64)
            target = draw.choice([*_MAC, _MAC[1], 0x1234])  # port 1 is in demand
            group.send(chip, frame_bytes(length, to=target, first=draw.randrange(256)))
            frames += 1
    return group, frames


def test_threads_and_a_checkpoint_do_not_show() -> None:
    whole, frames = crowd(1)
    whole.run(120_000)
    threaded, _ = crowd(1)
    for until in (1, 777, 30_001, 120_000):
        threaded.run(until, threads=2)
    assert threaded.state() == whole.state()
    cut, _ = crowd(1)
    cut.run(23_456)
    resumed = cut.copy()
    cut.run(50_000)
    resumed.run(120_000, threads=2)
    assert resumed.state() == whole.state()
    ports = whole.chips["port"][:, 0]
    lost = [int(ports[name].sum()) for name in ("frames_lost", "switch_unknown", "switch_overflow")]
    assert int(ports["frames_out"].sum()) == frames == int(ports["frames_in"].sum()) + sum(lost)
    assert lost[1] > 0 and lost[2] > 0


@pytest.mark.parametrize("latency", [1, 300, 20_000])
def test_the_rings_hold_what_is_on_the_way(latency: int) -> None:
    """Shortest frames at line rate from one port to another, in both directions."""
    group = MediaGroup(2)
    group.switch([(0, 0), (1, 0)], latencies=[latency] * 2, addresses=_MAC[:2])
    for chip in (0, 1):
        for _ in range(120):
            group.send(chip, frame_bytes(60, to=_MAC[1 - chip]))
    starts = group.starts([60] * 120, group.spi(60))
    group.run(starts[-1] + group.wire(60) + 2 * latency + 600 + 10)
    for chip in (0, 1):
        assert int(group.port(chip)["frames_in"]) == 120


def test_the_lookahead_is_what_the_shortest_frame_takes() -> None:
    group = star()
    assert switch_lookahead(group.hardware, 7) == 7 + ceil(72 * Fraction(600, 125)) + 600
