"""Times of the media interface by hand, and chips for tests of it."""

from __future__ import annotations

from ixp_emu.chip.hardware import Hardware, resolve_hardware

from .chip import ReferenceChip
from .encode import immed

__all__ = ["constant", "enqueue", "hardware", "idle_chip", "spi", "split", "status_delivery", "wire"]


def hardware(**overrides: int) -> Hardware:
    """Parameters; a point in a name is written as two underscores."""
    return resolve_hardware(overrides={name.replace("__", ".", 1): value for name, value in overrides.items()})


def split(channels: int, **overrides: int) -> Hardware:
    """A bus of several channels, each as wide as it can be, with a port each."""
    return hardware(msf__channels=channels, msf__width_bytes=4 // channels, msf__ports_per_channel=1, **overrides)


def wire(nbytes: int) -> int:
    """ME cycles at 600 MHz: 4.8 a byte, rounded up."""
    return -(-nbytes * 48 // 10)


def spi(nbytes: int, width: int = 4) -> int:
    """ME cycles on ``width`` bytes at 104 MHz, rounded up."""
    beats = -(-nbytes // width)
    return -(-beats * 600 // 104)


def status_delivery(machine: Hardware, paired: int) -> int:
    """When a receive status is in its thread's registers, on an idle bus."""
    request = paired + machine["msf.status_latency"]
    return request + request % 2 + 2 * machine["sbus.longword_cycles"] + machine["push.latency"]


def idle_chip(ports: int, machine: Hardware | None = None) -> ReferenceChip:
    return ReferenceChip(machine or hardware(), ports=ports)


def constant(register: int, value: int) -> list[int]:
    return [immed(register, value & 0xFFFF), immed(register, value >> 16, position=2, kind=2)]


def enqueue(chip: ReferenceChip, port: int, frame: bytes) -> None:
    """A whole frame into the transmit FIFO of a port; it may start in the chip's next cycle."""
    chip.media.ports[port].tx_used += len(frame)
    chip.media.ports[port].tx_frames.append(frame)
