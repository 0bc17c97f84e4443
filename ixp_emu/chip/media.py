"""Ports and their MACs: kinds of ports, and how long bytes take on wires and on SPI-3."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from ixp_emu.chip.compiled import address_of, small
from ixp_emu.chip.hardware import Hardware
from ixp_emu.chip.layout import PORT, offset_of

__all__ = [
    "FCS_BYTES",
    "GAP_BYTES",
    "MINIMUM_FRAME_BYTES",
    "PORT_LINK",
    "PORT_SPI3",
    "PORT_SWITCH",
    "PORT_TRAFFIC",
    "PREAMBLE_BYTES",
    "RING",
    "byte_cycles",
    "received_data",
    "spaced_cycles",
    "spi_cycles",
    "transmit_data",
    "wire_cycles",
]

PORT_TRAFFIC = 1
"""A port with a traffic source and an egress log."""
PORT_LINK = 2
"""A port linked to another one by Ethernet. All kinds from here on have a link."""
PORT_SPI3 = 3
"""A port whose SPI-3 is wired to that of another chip."""
PORT_SWITCH = 4
"""A port plugged into an Ethernet switch."""

PREAMBLE_BYTES = 8
FCS_BYTES = 4
GAP_BYTES = 12
MINIMUM_FRAME_BYTES = 60
"""Shortest frame, without FCS."""
RING = 1023
"""Mask of the rings of frames in a MAC."""


_TX_DATA = offset_of(PORT, "tx_data")
_RX_DATA = offset_of(PORT, "rx_data")


@small
def transmit_data(port: Any, at: int) -> int:
    """Address of a byte of ``port.tx_data``."""
    return address_of(port) + _TX_DATA + at


@small
def received_data(port: Any, at: int) -> int:
    """Address of a byte of ``port.rx_data``."""
    return address_of(port) + _RX_DATA + at


@small
def wire_cycles(port: Any, count: int) -> int:
    """Cycles that bytes take on a port's wire, rounded up."""
    return (count * port.byte_num + port.byte_den - 1) // port.byte_den


@small
def spi_cycles(chip: Any, count: int, width_bytes: int) -> int:
    """Cycles that bytes take on SPI-3."""
    clocks = (count + width_bytes - 1) // width_bytes
    return (clocks * chip.me_khz + chip.msf_khz - 1) // chip.msf_khz


def byte_cycles(hardware: Hardware) -> Fraction:
    """ME cycles that a byte takes on a 1 Gb/s wire."""
    return Fraction(hardware["me_clock_khz"], 125_000)


def spaced_cycles(hardware: Hardware, length: int) -> int:
    """Cycles from a frame's first bit to the first bit that may follow, rounded down."""
    return int((PREAMBLE_BYTES + length + FCS_BYTES + GAP_BYTES) * byte_cycles(hardware))
