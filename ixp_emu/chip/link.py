"""Links between chips: dated frames and events on their way (docs/hardware-model.md, section 6, "Links").

A link is a LINK record per direction, which one chip writes and one reads; nothing else is shared by threads. What is
written in a cycle is dated at least the link's latency later, and the reader does not run beyond the writer's published
clock by more, so it sees everything in time. Events are XOFF (1) and XON (0) of an Ethernet link, and on an SPI-3 link
the numbers of bytes that have left the receive FIFO.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ixp_emu.chip.codes import Fault
from ixp_emu.chip.compiled import (
    NEVER,
    compiled,
    copy_bytes,
    load_acquire,
    load_field,
    s64,
    small,
    store_field,
    store_release,
)
from ixp_emu.chip.hardware import Hardware
from ixp_emu.chip.layout import LINK, LINK_FRAME_BYTES, offset_of
from ixp_emu.chip.media import MINIMUM_FRAME_BYTES, PORT_LINK, PORT_SPI3, spaced_cycles, transmit_data
from ixp_emu.chip.queues import fail

__all__ = [
    "frames_on_link",
    "initialise_link",
    "initialise_rings",
    "join_link",
    "link_bytes",
    "listens",
    "next_arrival",
    "next_event",
    "oldest_frame",
    "power_of_two",
    "put_event",
    "put_frame",
    "ring_bytes",
    "row_of",
    "take_event",
    "take_frame",
]

_HEAD = LINK.itemsize
_WRITTEN = offset_of(LINK, "written")
_READ = offset_of(LINK, "read")
_SLOTS = offset_of(LINK, "slots")
_EVENTS_WRITTEN = offset_of(LINK, "events_written")
_EVENTS_READ = offset_of(LINK, "events_read")
_EVENT_SLOTS = offset_of(LINK, "event_slots")
_SMALLEST_ELEMENT_BYTES = 64


# --- frames -------------------------------------------------------------------------------------------------------


@small
def row_of(link: int, number: int) -> int:
    """Address of a frame's ``arrival``; ``length`` and ``offset`` follow 8 x slots and 16 x slots bytes behind."""
    return s64(link + _HEAD + (number & (load_field(link + _SLOTS) - 1)) * 8)


@small
def next_arrival(link: int) -> int:
    """When the oldest frame of a link arrives, NEVER if none is known."""
    read = load_field(link + _READ)
    if read >= load_acquire(link + _WRITTEN):
        return NEVER
    return s64(load_field(row_of(link, read)))


@compiled
def oldest_frame(link: int) -> Any:
    """Length and address of the oldest frame."""
    row = row_of(link, load_field(link + _READ))
    slots = load_field(link + _SLOTS)
    return load_field(row + 8 * slots), link + load_field(row + 16 * slots)


@small
def take_frame(link: int) -> None:
    """The reader is done with the oldest frame."""
    store_release(link + _READ, load_field(link + _READ) + 1)


@compiled
def put_frame(chip: Any, link: int, port: Any, start: int, length: int, arrival: int) -> None:
    """Send a frame of a port's transmit MAC along a link.

    Parameters:
        start: of the frame in ``port.tx_data``.
    """
    written = load_field(link + _WRITTEN)
    slots = load_field(link + _SLOTS)
    if written - load_acquire(link + _READ) >= slots or length > LINK_FRAME_BYTES:
        fail(chip, Fault.INTERNAL, chip.now, -1, 0, 2)
        return
    row = row_of(link, written)
    data = link + load_field(row + 16 * slots)
    copy_bytes(data, transmit_data(port, start), length)
    store_field(row, arrival)
    store_field(row + 8 * slots, length)
    store_release(link + _WRITTEN, written + 1)


# --- events -------------------------------------------------------------------------------------------------------


@small
def listens(port: Any) -> bool:
    """Whether the port's transmit MAC heeds events of its peer."""
    return port.kind == PORT_SPI3 or port.pause != 0


@small
def _event_row(link: int, number: int) -> int:
    slots = load_field(link + _EVENT_SLOTS)
    return s64(link + _HEAD + 24 * load_field(link + _SLOTS) + (number & (slots - 1)) * 8)


@compiled
def put_event(chip: Any, link: int, time: int, value: int) -> None:
    """Send an event that counts from phase 4 of ``time`` on."""
    written = load_field(link + _EVENTS_WRITTEN)
    slots = load_field(link + _EVENT_SLOTS)
    if written - load_acquire(link + _EVENTS_READ) >= slots:
        fail(chip, Fault.INTERNAL, chip.now, -1, 0, 3)
        return
    row = _event_row(link, written)
    store_field(row, time)
    store_field(row + 8 * slots, value)
    store_release(link + _EVENTS_WRITTEN, written + 1)


@small
def next_event(link: int) -> int:
    """When the oldest event of a link counts, NEVER if none is known."""
    read = load_field(link + _EVENTS_READ)
    if read >= load_acquire(link + _EVENTS_WRITTEN):
        return NEVER
    return s64(load_field(_event_row(link, read)))


@compiled
def take_event(link: int) -> int:
    """Value of the oldest event, which is then done with."""
    read = load_field(link + _EVENTS_READ)
    value = load_field(_event_row(link, read) + 8 * load_field(link + _EVENT_SLOTS))
    store_release(link + _EVENTS_READ, read + 1)
    return s64(value)


# --- set-up -------------------------------------------------------------------------------------------------------


def power_of_two(least: int) -> int:
    """The least power of two that is no less."""
    return 1 << (least - 1).bit_length()


def _rings(hardware: Hardware, kind: int, latency: int) -> tuple[int, int]:
    """Frames and events that may be on a link at once, as powers of two.

    What was sent and is not yet taken was sent within two latencies: one that it is dated ahead, one that the sender
    may be ahead of the reader. On an SPI-3 link the peer's FIFO bounds it too.
    """
    if kind == PORT_SPI3:
        fifo_bytes = hardware["mac.rx_fifo_bytes"]
        # a frame of 65 bytes leaves in two parts: no frame has more parts for its length
        return power_of_two(fifo_bytes // MINIMUM_FRAME_BYTES + 1), power_of_two(2 * fifo_bytes // 65 + 2)
    frames = 2 * latency // spaced_cycles(hardware, MINIMUM_FRAME_BYTES) + 2
    return power_of_two(frames), power_of_two(2 * frames)  # each frame may cause an XOFF and an XON


def ring_bytes(*, slots: int, event_slots: int, data_bytes: int) -> int:
    """Size of a LINK record with its rings (a multiple of 64)."""
    return (_HEAD + 24 * slots + 16 * event_slots + data_bytes + 63) & ~63


def initialise_rings(block: NDArray[np.uint8], *, slots: int, event_slots: int) -> None:
    """Make zeroed memory an empty LINK record, with a place of LINK_FRAME_BYTES per frame."""
    head = block[:_HEAD].view(LINK)[0]
    head["slots"], head["event_slots"] = slots, event_slots
    offsets = block[_HEAD + 16 * slots : _HEAD + 24 * slots].view(np.int64)
    offsets[:] = _HEAD + 24 * slots + 16 * event_slots + np.arange(slots) * LINK_FRAME_BYTES


def link_bytes(hardware: Hardware, *, kind: int, latency: int) -> int:
    """Size of one direction of a link (a multiple of 64).

    Parameters:
        kind: PORT_LINK or PORT_SPI3.
        latency: cycles, at least 1.
    """
    slots, event_slots = _rings(hardware, kind, latency)
    return ring_bytes(slots=slots, event_slots=event_slots, data_bytes=slots * LINK_FRAME_BYTES)


def initialise_link(block: NDArray[np.uint8], hardware: Hardware, *, kind: int, latency: int) -> None:
    """Make ``link_bytes`` bytes of zeroed memory one direction of a link, without frames."""
    slots, event_slots = _rings(hardware, kind, latency)
    initialise_rings(block, slots=slots, event_slots=event_slots)


def frames_on_link(block: NDArray[np.uint8]) -> int:
    """Frames on their way along one direction of a link."""
    head = block[:_HEAD].view(LINK)[0]
    return int(head["written"] - head["read"])


def join_link(
    sender: Any,
    receiver: Any,
    block: NDArray[np.uint8],
    hardware: Hardware,
    *,
    kind: int = PORT_LINK,
    latency: int,
) -> None:
    """Lay one direction of a link between two ports; call it for both. Again after a restore: addresses are new.

    Parameters:
        sender, receiver: PORT records.
        block: the direction's LINK record; it must stay where it is.
    """
    sender["kind"] = kind
    sender["link"], sender["link_latency"] = block.ctypes.data, latency
    sender["pause"] = int(kind == PORT_LINK and hardware["mac.pause"])
    sender["peer_bytes"] = hardware["mac.rx_fifo_bytes"]
    receiver["source"] = block.ctypes.data
