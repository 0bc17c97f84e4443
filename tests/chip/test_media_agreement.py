"""Media interfaces in engine and reference: channels, element sizes, time-outs, pause, links; random traffic."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import floor

import pytest

from ixp_emu.chip.hardware import Hardware, resolve_hardware
from ixp_emu.chip.media_control import write_msf
from tests.chip.media_pair import ChipPlan, Link, MediaPair, SwitchPlan, address_of
from tests.chip.media_programs import Transmitter, receiver

_DELAYS = (0, 15, 63, 255)
_MODE = {1: 0, 2: 1, 4: 2}
_SIZE = {64: 0, 128: 1, 256: 2}


def machine(source: random.Random, channels: int, **more: int) -> Hardware:
    """Parameters of the media interface at random; small FIFOs, so that they fill."""
    overrides = {
        "msf.channels": channels,
        "msf.width_bytes": source.choice([width for width in (1, 2, 4) if width * channels <= 4]),
        "msf.element_bytes": source.choice((64, 128, 256)),
        "msf.rbuf_bytes": source.choice((2_048, 8_192)),
        "msf.tbuf_bytes": source.choice((2_048, 8_192)),
        "msf.clock_khz": source.choice((25_000, 104_000, 133_000)),
        "msf.rbuf_erratum": source.randrange(2),
        "msf.status_latency": source.choice((2, 8, 33)),
        "mac.rx_fifo_bytes": source.choice((2_048, 4_096, 32_768)),
        "mac.tx_fifo_bytes": source.choice((2_048, 16_384)),
        "mac.pause_high_bytes": source.choice((64, 600, 1_500)),
        "mac.pause_low_bytes": source.choice((0, 64)),
        "switch.latency": source.choice((0, 1, 600)),
        "switch.buffer_bytes": source.choice((2_048, 65_536)),
    }
    overrides.update({name.replace("__", "."): value for name, value in more.items()})
    return resolve_hardware(overrides=overrides)


def frames(source: random.Random, *, cycles: int, destinations: Sequence[bytes] = ()) -> list[tuple[int, bytes]]:
    """Bursts of frames of one size each, 1 to 1518 bytes, with pauses between; often faster than the line."""
    found: list[tuple[int, bytes]] = []
    time = source.randrange(200)
    while time < cycles:
        length = source.choice((source.randint(1, 64), source.randint(1, 300), source.randint(1, 1_518)))
        for _ in range(source.randint(1, 8)):
            data = source.randbytes(length)
            if destinations:
                data = source.choice(destinations) + data
            found.append((time, data))
            time += source.choice((0, 0, length * 5))
        time += source.choice((0, length * 20, 2_000))
    return found


def programs(
    source: random.Random,
    hardware: Hardware,
    *,
    ports: int,
    destinations: range = range(1),
    timeout: bool = False,
    control: int | None = None,
    channels: int | None = None,
    element_bytes: int | None = None,
) -> Mapping[int, tuple[Sequence[int], int]]:
    """A receiver and a transmitter per channel, on MEs 0 to 3 and 4 to 7.

    Parameters:
        control: what the receivers write to RX_CONTROL; ``channels`` and ``element_bytes`` are then those that follow.
    """
    channels = channels or hardware["msf.channels"]
    size = element_bytes or hardware["msf.element_bytes"]
    elements = hardware["msf.tbuf_bytes"] // hardware["msf.element_bytes"] // hardware["msf.channels"]
    found: dict[int, tuple[Sequence[int], int]] = {}
    for channel in range(channels):
        wait = source.choice((1, 40, 300)) if timeout else None
        words = receiver(
            channel,
            seed=source.randrange(1 << 16),
            delay_mask=source.choice(_DELAYS),
            element_bytes=size,
            timeout=wait,
            control=control,
        )
        found[channel] = words, source.choice((1, 0x0F, 0xFF))
    for channel in range(hardware["msf.channels"]):
        shared = 1 << (ports.bit_length() - 1)  # a power of two, not more than there are
        transmitter = Transmitter(
            channel=channel,
            elements=range(channel * elements, (channel + 1) * elements),
            element_bytes=hardware["msf.element_bytes"],
            ports=range(shared) if hardware["msf.channels"] == 1 else range(channel, channel + 1),
            seed=source.getrandbits(32),
            delay_mask=source.choice(_DELAYS),
            destinations=destinations,
            most_mpackets=source.choice((1, 4, 8)),
            one_in=source.choice((1, 2, 8)),
            short=hardware["mac.tx_fifo_bytes"] > 2_048,  # then it does not fill with them
        )
        found[4 + channel] = transmitter.words(), 1
    return found


def agree(pair: MediaPair, source: random.Random, cycles: int) -> None:
    """Equal at an arbitrary cycle, and at the end."""
    cut = source.randrange(1, cycles)
    for now in (cut, cycles):
        pair.run(now)
        assert pair.differences(now) == []


# --- one chip -------------------------------------------------------------------------------------------------------


def one_chip(seed: int, cycles: int) -> None:
    source = random.Random(seed)
    channels = (1, 2, 4)[seed % 3]
    hardware = machine(source, channels)
    ports = source.choice((1, 2, 4, 7)) if channels == 1 else channels
    plan = ChipPlan(
        ports,
        programs(source, hardware, ports=ports, timeout=seed % 4 < 2),
        {port: frames(source, cycles=cycles) for port in range(ports)},
        back_pressure=seed % 5 == 0,
    )
    pair = MediaPair(hardware, [plan])
    agree(pair, source, cycles)
    reference = pair.cluster.chips[0]
    assert reference.fault is None
    assert sum(port.counters.frames_in for port in reference.media.ports) > 0 and reference.egress


@pytest.mark.parametrize("back_pressure", [False, True])
@pytest.mark.parametrize(("me_khz", "length"), [(600_000, 60), (600_000, 62), (333_000, 60), (1_399_999, 75)])
def test_a_source_that_waits_for_nothing_keeps_the_exact_line_rate(
    me_khz: int, length: int, back_pressure: bool
) -> None:
    """Frame k begins in the cycle of its first bit at k whole slots: no cycle is lost or won, however many frames."""
    hardware = resolve_hardware(overrides={"me_clock_khz": me_khz, "mac.rx_fifo_bytes": 49_152})
    pair = MediaPair(hardware, [ChipPlan(1, traffic={0: [(0, bytes(length))] * 60}, back_pressure=back_pressure)])
    slot = Fraction((8 + length + 4 + 12) * me_khz, 125_000)
    agree(pair, random.Random(length), floor(60 * slot))
    offered = pair.cluster.chips[0].media.ports[0].offered
    assert offered == [(floor(k * slot), True) for k in range(60)]


@pytest.mark.parametrize("second", [0, 403, 404, 413])
def test_a_frame_that_is_late_begins_the_wire_anew(second: int) -> None:
    """A slot is 403.2 cycles: a frame of cycle 403 goes by the wire, one of cycle 404 begins there."""
    slot = Fraction(84 * 24, 5)
    traffic = {0: [(time, bytes(60)) for time in (0, second, second)]}
    pair = MediaPair(resolve_hardware(), [ChipPlan(1, traffic=traffic)])
    agree(pair, random.Random(second), 2_000)
    begin = max(Fraction(second), slot)
    times = [time for time, _ in pair.cluster.chips[0].media.ports[0].offered]
    assert times == [0, floor(begin), floor(begin + slot)]


@pytest.mark.parametrize("seed", range(24))
def test_channels_under_traffic_agree(seed: int) -> None:
    """One, two and four channels; every element size; time-outs for half of the seeds, back-pressure for a fifth."""
    one_chip(seed, 9_000)


def new_mode(source: random.Random, before_bytes: int, element_bytes: int, channels: int) -> MediaPair:
    """The receivers' first act is to make several channels of one, and elements of another size."""
    hardware = machine(source, 1, msf__element_bytes=before_bytes)
    control = 0xF << 28 | _MODE[channels] << 20 | _SIZE[element_bytes] << 2
    firmware = programs(
        source, hardware, ports=channels, control=control, channels=channels, element_bytes=element_bytes
    )
    traffic = {port: [(time + 500, data) for time, data in frames(source, cycles=7_000)] for port in range(channels)}
    return MediaPair(hardware, [ChipPlan(channels, firmware, traffic)])


@pytest.mark.parametrize("seed", range(6))
def test_a_mode_written_by_a_program_agrees(seed: int) -> None:
    source = random.Random(seed)
    before_bytes, element_bytes = ((64, 64), (128, 128), (128, 64), (256, 256), (256, 64), (256, 128))[seed]
    channels = source.choice((2, 4))
    pair = new_mode(source, before_bytes, element_bytes, channels)
    agree(pair, source, 9_000)
    assert pair.cluster.chips[0].media.rx.control.channels == channels


@pytest.mark.parametrize(("before_bytes", "element_bytes"), [(64, 128), (64, 256), (128, 256)])
def test_larger_elements_leave_none_beyond_their_number(before_bytes: int, element_bytes: int) -> None:
    source = random.Random(element_bytes)
    agree(new_mode(source, before_bytes, element_bytes, 2), source, 9_000)


def test_padding_takes_room_in_the_transmit_fifo() -> None:
    """A transmit FIFO of 2,048 bytes holds 64 frames of 32 bytes, but 34 with padding."""
    hardware = resolve_hardware(overrides={"mac.tx_fifo_bytes": 2_048})
    pair = MediaPair(hardware, [ChipPlan(1)])
    media = pair.cluster.chips[0].media
    for element in range(100):
        address, control = 0x1800 + 8 * element, 32 << 24 | 0x300
        media.registers[address] = media.tx.words[element] = control
        media.tx.valid[element] = True
        write_msf(pair.chips[0], address, control, -1)
        write_msf(pair.chips[0], address + 4, 0, -1)
    agree(pair, random.Random(1), 4_000)


# --- links ----------------------------------------------------------------------------------------------------------


def linked(seed: int, kinds: Sequence[str], cycles: int, *, pause: int = 0) -> MediaPair:
    """A chain of chips: ports 1 and 0 of neighbours are joined; what else there is has traffic."""
    source = random.Random(seed)
    channels = (1, 2)[seed % 2]
    hardware = machine(source, channels, mac__pause=pause)
    chips = len(kinds) + 1
    links = [
        Link(kind, ((left, 1), (left + 1, 0)), source.choice((1, 7, 300, 2_000))) for left, kind in enumerate(kinds)
    ]
    taken = {end for link in links for end in link.ends}
    plans = [
        ChipPlan(
            2,
            programs(source, hardware, ports=2, timeout=seed % 4 == 0),
            {port: frames(source, cycles=cycles) for port in range(2) if (chip, port) not in taken},
        )
        for chip in range(chips)
    ]
    pair = MediaPair(hardware, plans, links=links)
    agree(pair, source, cycles)
    assert all(chip.fault is None for chip in pair.cluster.chips)
    assert any(pair.cluster.port(end).counters.frames_in for link in links for end in link.ends)
    return pair


@pytest.mark.parametrize("seed", range(8))
def test_ethernet_links_agree(seed: int) -> None:
    linked(seed, ("gbe",) if seed % 3 else ("gbe", "gbe"), 8_000)


@pytest.mark.parametrize("seed", range(8))
def test_ethernet_links_with_pause_agree(seed: int) -> None:
    linked(seed, ("gbe",) if seed % 3 else ("gbe", "gbe"), 12_000, pause=1)


@pytest.mark.parametrize("seed", range(8))
def test_spi3_links_agree(seed: int) -> None:
    pair = linked(seed, ("spi3",) if seed % 3 else ("spi3", "gbe"), 8_000)
    assert not any(port == 1 for _, port, _, _ in pair.cluster.chips[0].lost), "nothing is lost on SPI-3"


@pytest.mark.parametrize("kind", ["gbe", "spi3"])
def test_a_link_of_a_chip_with_itself_agrees(kind: str) -> None:
    source = random.Random(kind)
    hardware = machine(source, 1, mac__pause=1)
    plan = ChipPlan(2, programs(source, hardware, ports=2))
    pair = MediaPair(hardware, [plan], links=[Link(kind, ((0, 0), (0, 1)), 5)])
    agree(pair, source, 6_000)


# --- switch ---------------------------------------------------------------------------------------------------------


def switched(seed: int, cycles: int) -> MediaPair:
    """Up to four ports on one to three chips; destinations are those ports and some that do not exist."""
    source = random.Random(seed)
    chips, ports = ((3, 1), (2, 2), (2, 2), (1, 4))[seed % 4]
    hardware = machine(source, 2 if ports == 2 and seed % 8 < 4 else 1)
    members = [(chip, port) for chip in range(chips) for port in range(ports)]
    plans = [
        ChipPlan(ports, programs(source, hardware, ports=ports, destinations=range(4), timeout=seed % 3 == 0))
        for _ in range(chips)
    ]
    pair = MediaPair(hardware, plans, switch=SwitchPlan(members, source.choice((1, 40, 700))))
    agree(pair, source, cycles)
    assert all(chip.fault is None for chip in pair.cluster.chips)
    assert any(pair.cluster.port(member).counters.frames_in for member in members)
    return pair


def test_addresses_are_the_numbers_over_the_cluster() -> None:
    assert address_of(3) == bytes.fromhex("020000000003")


@pytest.mark.parametrize("seed", range(12))
def test_switches_agree(seed: int) -> None:
    switched(seed, 10_000)


def test_an_overloaded_output_agrees() -> None:
    """Two chips send long frames to the third one, which sends to itself: both kinds of losses."""
    source = random.Random(0)
    hardware = resolve_hardware(overrides={"msf.element_bytes": 256, "switch.buffer_bytes": 2_048})
    plans = [
        ChipPlan(
            1,
            {
                0: (receiver(0, seed=chip, element_bytes=256), 0xFF),
                4: (
                    Transmitter(0, range(32), 256, range(1), seed=chip, most_mpackets=8, one_in=8, short=False).words(),
                    1,
                ),
            },
        )
        for chip in range(3)
    ]
    pair = MediaPair(hardware, plans, switch=SwitchPlan([(chip, 0) for chip in range(3)], 50))
    agree(pair, source, 20_000)
    assert pair.switch is not None
    losses = {(port, cause) for _, port, _, cause in pair.switch.lost}
    assert losses == {(0, "switch_unknown"), (0, "switch_overflow")}


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1_000, 1_300))
def test_many_media_interfaces_agree(seed: int) -> None:
    kind = seed % 4
    if kind == 0:
        one_chip(seed, 20_000)
    elif kind == 1:
        linked(seed, random.Random(seed).choices(("gbe", "spi3"), k=2), 15_000, pause=seed // 4 % 2)
    elif kind == 2:
        linked(seed, ("spi3",), 20_000)
    else:
        switched(seed // 4, 15_000)
