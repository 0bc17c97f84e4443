"""The hardware description: bounds, presets, derived delays, messages."""

from __future__ import annotations

import pytest

from ixp_emu.chip.hardware import PARAMETERS, PRESETS, resolve_hardware
from ixp_emu.errors import InputError


def test_every_default_is_within_its_bounds_and_has_a_source() -> None:
    for parameter in PARAMETERS:
        assert parameter.low <= parameter.value <= parameter.high, parameter.name
        assert parameter.source and parameter.strength in ("documented", "measured", "inferred", "assumed")
    assert len({parameter.name for parameter in PARAMETERS}) == len(PARAMETERS)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_resolve(preset: str) -> None:
    hardware = resolve_hardware(preset)
    assert all(hardware[f"{unit}.controller_delay"] >= 0 for unit in ("scratch", "sram", "dram", "msf"))


def test_the_controller_delay_is_the_remainder() -> None:
    """Moving a cycle between the parts moves it out of the delay."""
    usual = resolve_hardware()
    longer = resolve_hardware(overrides={"push.latency": usual["push.latency"] + 3})
    for unit in ("scratch", "sram", "dram", "msf"):
        assert longer[f"{unit}.controller_delay"] == usual[f"{unit}.controller_delay"] - 3


def test_a_delay_may_be_zero_and_not_negative() -> None:
    """With a longer command bus the parts of an SRAM read add up to a latency that the bounds allow."""
    longer = {"command.bus_latency": 40}
    usual = resolve_hardware(overrides=longer)
    parts = usual["sram.idle_latency"] - usual["sram.controller_delay"]
    slow = dict.fromkeys(("scratch.idle_latency", "msf.idle_latency", "dram.idle_latency"), 200)
    exact = longer | slow | {"sram.idle_latency": parts}
    assert resolve_hardware(overrides=exact)["sram.controller_delay"] == 0
    with pytest.raises(InputError) as error:
        resolve_hardware(overrides=exact | {"sram.idle_latency": parts - 1})
    assert str(error.value) == (
        f"hardware.sram.idle_latency: {parts - 1} cycles are less than the {parts} cycles of the command path, "
        "service, bus and signal alone; the controller delay would be negative"
    )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("sram.depth", 1, "hardware.sram.depth: no such hardware parameter; `ixpemu hardware` lists them"),
        ("command.fifo_depth", 0, "hardware.command.fifo_depth: 0 is outside 1..8 commands"),
        ("command.fifo_depth", 9, "hardware.command.fifo_depth: 9 is outside 1..8 commands"),
        ("dram.size_bytes", 1_048_577, "hardware.dram.size_bytes: 1048577 is not a multiple of 65,536 (bytes)"),
        ("scratch.size_bytes", 16_001, "hardware.scratch.size_bytes: 16001 is not a multiple of 4 (bytes)"),
        ("dram.banks", 3, "hardware.dram.banks: 3 is not a power of two (banks)"),
        ("command.fifo_depth", True, "hardware.command.fifo_depth: True is not an integer (commands)"),
    ],
)
def test_bad_values_are_refused(name: str, value: int, message: str) -> None:
    with pytest.raises(InputError) as error:
        resolve_hardware(overrides={name: value})
    assert str(error.value) == message


@pytest.mark.parametrize(("channels", "width", "ports"), [(1, 4, 16), (2, 2, 2), (4, 1, 4)])
def test_width_and_ports_follow_from_the_channels(channels: int, width: int, ports: int) -> None:
    hardware = resolve_hardware(overrides={"msf.channels": channels})
    assert (hardware["msf.width_bytes"], hardware.media_ports) == (width, ports)
    assert resolve_hardware(overrides={"msf.ports_per_channel": 4}).media_ports == 4
    assert resolve_hardware(overrides={"msf.channels": 2, "msf.width_bytes": 1})["msf.width_bytes"] == 1


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"msf.channels": 2, "msf.width_bytes": 4},
            "hardware.msf.width_bytes: 4 bytes on each of 2 channels: SPI-3 has 4 bytes in all",
        ),
        (
            {"msf.channels": 4, "msf.width_bytes": 2},
            "hardware.msf.width_bytes: 2 bytes on each of 4 channels: SPI-3 has 4 bytes in all",
        ),
        (
            {"msf.channels": 2, "msf.ports_per_channel": 4},
            "hardware.msf.ports_per_channel: 4 ports on each of 2 channels: only a single channel is shared by ports",
        ),
        ({"msf.ports_per_channel": 2}, "hardware.msf.ports_per_channel: 2 is not 1, 4 or 16 (ports)"),
        (
            {"mac.pause_high_bytes": 8_191},
            "hardware.mac.pause_low_bytes: 8,192 bytes, at which the peer may go on, are more than the 8,191 bytes of "
            "hardware.mac.pause_high_bytes, above which it is paused",
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused(overrides: dict[str, int], message: str) -> None:
    with pytest.raises(InputError) as error:
        resolve_hardware(overrides=overrides)
    assert str(error.value) == message


def test_the_marks_of_pause_may_be_the_same() -> None:
    same = {"mac.pause_high_bytes": 8_192, "mac.pause_low_bytes": 8_192}
    assert resolve_hardware(overrides=same)["mac.pause_high_bytes"] == 8_192
