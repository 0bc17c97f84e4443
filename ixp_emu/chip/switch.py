"""The Ethernet switch: frames sorted by address, and the output queue of each port.

An output queue belongs to the chip behind it: only that chip reads the frames for it and sends them on. So all that
threads share are the LINK records from port to port, in which a frame is dated with the time it joins the queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ixp_emu.chip.codes import Fault
from ixp_emu.chip.compiled import NEVER, compiled, copy_bytes, load_field, s64, small, store_field, u
from ixp_emu.chip.hardware import Hardware
from ixp_emu.chip.layout import LINK, LINK_FRAME_BYTES, PORTS, SWITCH, offset_of
from ixp_emu.chip.link import (
    frames_on_link,
    initialise_rings,
    next_arrival,
    oldest_frame,
    power_of_two,
    put_frame,
    ring_bytes,
    row_of,
    take_frame,
)
from ixp_emu.chip.media import (
    FCS_BYTES,
    GAP_BYTES,
    MINIMUM_FRAME_BYTES,
    PORT_SWITCH,
    PREAMBLE_BYTES,
    byte_cycles,
    spaced_cycles,
    wire_cycles,
)
from ixp_emu.chip.queues import fail

__all__ = [
    "find_join",
    "frames_in_switch",
    "initialise_switch",
    "join_switch",
    "send_to_switch",
    "switch_bytes",
    "switch_destination",
    "switch_following",
    "switch_lookahead",
    "switch_step",
]

_HEAD = SWITCH.itemsize
_PORTS = offset_of(SWITCH, "ports")
_LATENCY = offset_of(SWITCH, "latency")
_BUFFER_BYTES = offset_of(SWITCH, "buffer_bytes")
_LINK_BYTES = offset_of(SWITCH, "link_bytes")
_OUTPUT_BYTES = offset_of(SWITCH, "output_bytes")
_ADDRESS = offset_of(SWITCH, "address")
_LINK_HEAD = LINK.itemsize
_WRITTEN = offset_of(LINK, "written")
_READ = offset_of(LINK, "read")
_SLOTS = offset_of(LINK, "slots")


@small
def _links_to(port: Any, index: int) -> int:
    """Address of the LINK from the switch's first port to a port; those from the others follow."""
    switch = port.switch
    ports = load_field(switch + _PORTS)
    first = switch + _HEAD + ports * load_field(switch + _OUTPUT_BYTES)
    return s64(first + index * ports * load_field(switch + _LINK_BYTES))


# --- into the switch ----------------------------------------------------------------------------------------------


@compiled
def switch_destination(port: Any, start: int) -> int:
    """The other port that has a frame's destination address, -1 if there is none.

    Parameters:
        start: of the frame in ``port.tx_data``.
    """
    address = 0
    for i in range(6):
        address = address << 8 | s64(port.tx_data[u(start + i)])
    for index in range(load_field(port.switch + _PORTS)):
        if load_field(port.switch + _ADDRESS + index * 8) == address:
            return -1 if index == port.switch_index else index
    return -1


@compiled
def send_to_switch(chip: Any, port: Any, start: int, length: int, last_bit: int) -> None:
    """A frame starts on the wire to the switch: it joins the output queue of its destination."""
    destination = switch_destination(port, start)
    if destination < 0:
        return
    link = _links_to(port, destination) + port.switch_index * load_field(port.switch + _LINK_BYTES)
    put_frame(chip, link, port, start, length, last_bit + port.link_latency + load_field(port.switch + _LATENCY))


# --- out of the switch --------------------------------------------------------------------------------------------


@compiled
def find_join(port: Any) -> None:
    """When the next frame joins the output queue to a port, as far as is known."""
    link = _links_to(port, port.switch_index)
    first = NEVER
    for _ in range(load_field(port.switch + _PORTS)):
        first = min(first, next_arrival(link))
        link += load_field(port.switch + _LINK_BYTES)
    port.switch_join = first


@compiled
def _join(chip: Any, port: Any, link: int) -> None:
    """The oldest frame of a link joins the output queue, or is lost."""
    queue = port.source
    length, data = oldest_frame(link)
    if port.switch_bytes + length > load_field(port.switch + _BUFFER_BYTES):
        port.switch_overflow += 1
    else:
        slots = load_field(queue + _SLOTS)
        if port.switch_joined - load_field(queue + _READ) >= slots:
            fail(chip, Fault.INTERNAL, chip.now, -1, 0, 4)
            return
        first = _LINK_HEAD + 24 * slots
        if first + port.switch_write + length > load_field(port.switch + _OUTPUT_BYTES):
            port.switch_write = 0
        offset = first + port.switch_write
        copy_bytes(queue + offset, data, length)
        row = row_of(queue, port.switch_joined)
        store_field(row + 8 * slots, length)
        store_field(row + 16 * slots, offset)
        port.switch_write += length
        port.switch_bytes += length
        port.switch_joined += 1
    take_frame(link)


@compiled
def switch_step(chip: Any, port: Any, time: int) -> None:
    """Phase 4, before receive: what has left the output queue, what joins it, what starts on the wire to the port."""
    queue = port.source
    slots = load_field(queue + _SLOTS)
    if port.switch_end == time:
        port.switch_bytes -= load_field(row_of(queue, port.switch_left) + 8 * slots)
        port.switch_left += 1
        port.switch_end = NEVER
        chip.last_change = time
    if port.switch_join <= time:
        link = _links_to(port, port.switch_index)
        for _ in range(load_field(port.switch + _PORTS)):
            while next_arrival(link) <= time:
                _join(chip, port, link)
            link += load_field(port.switch + _LINK_BYTES)
        find_join(port)
        chip.last_change = time
    begin = time * port.byte_den
    if port.switch_end == NEVER and port.switch_left < port.switch_joined and begin >= port.switch_next:
        row = row_of(queue, port.switch_left)
        length = load_field(row + 8 * slots)
        if begin - port.switch_next < port.byte_den:
            begin = port.switch_next
        port.switch_next = begin + (PREAMBLE_BYTES + length + FCS_BYTES + GAP_BYTES) * port.byte_num
        port.switch_end = time + wire_cycles(port, PREAMBLE_BYTES + length + FCS_BYTES)
        store_field(row, time + port.link_latency)
        store_field(queue + _WRITTEN, port.switch_left + 1)


@small
def switch_following(port: Any) -> int:
    """When the output to a port next does anything, after a step."""
    following = min(port.switch_join, port.switch_end)
    if port.switch_end == NEVER and port.switch_left < port.switch_joined:
        following = min(following, (port.switch_next + port.byte_den - 1) // port.byte_den)
    return following


# --- set-up -------------------------------------------------------------------------------------------------------


def switch_lookahead(hardware: Hardware, latency: int) -> int:
    """Least cycles from a frame's start at a port to any effect behind the switch.

    Parameters:
        latency: of the cable from the port to the switch, cycles.
    """
    wire = -(-(PREAMBLE_BYTES + MINIMUM_FRAME_BYTES + FCS_BYTES) * byte_cycles(hardware) // 1)
    return latency + wire + hardware["switch.latency"]


def _link_slots(hardware: Hardware, latencies: Sequence[int]) -> int:
    """Frames between two ports at once: those sent within twice the longest way, and a longer one before them."""
    window = 2 * switch_lookahead(hardware, max(latencies))
    return power_of_two(window // spaced_cycles(hardware, MINIMUM_FRAME_BYTES) + 3)


def _cable_bytes(hardware: Hardware, latencies: Sequence[int]) -> int:
    """Bytes between an output queue and its port at most."""
    return int(max(latencies) / byte_cycles(hardware)) + LINK_FRAME_BYTES


def _output_slots(hardware: Hardware, latencies: Sequence[int]) -> int:
    """Frames in an output queue, and on the cable behind it, at once."""
    held = hardware["switch.buffer_bytes"] + _cable_bytes(hardware, latencies)
    return power_of_two(held // MINIMUM_FRAME_BYTES + 2)


def _part_bytes(hardware: Hardware, latencies: Sequence[int]) -> tuple[int, int]:
    """Size of a LINK between two ports, and of an output queue: one frame more is lost at the end of its memory."""
    slots = _link_slots(hardware, latencies)
    held = hardware["switch.buffer_bytes"] + _cable_bytes(hardware, latencies) + 2 * LINK_FRAME_BYTES
    return (
        ring_bytes(slots=slots, event_slots=0, data_bytes=slots * LINK_FRAME_BYTES),
        ring_bytes(slots=_output_slots(hardware, latencies), event_slots=0, data_bytes=held),
    )


def switch_bytes(hardware: Hardware, latencies: Sequence[int]) -> int:
    """Size of a switch (a multiple of 64).

    Parameters:
        latencies: of the cable of each port, cycles, at least 1.
    """
    link, output = _part_bytes(hardware, latencies)
    return _HEAD + len(latencies) * output + len(latencies) ** 2 * link


def initialise_switch(
    block: NDArray[np.uint8], hardware: Hardware, *, latencies: Sequence[int], addresses: Sequence[int]
) -> None:
    """Make ``switch_bytes`` bytes of zeroed memory a switch, without frames.

    Parameters:
        latencies: of the cable of each port, cycles; 1 to 16 ports, in the order in which frames of the same time join.
        addresses: MAC address of each port, 48 bits.
    """
    ports = len(latencies)
    assert ports == len(addresses) <= PORTS
    head = block[:_HEAD].view(SWITCH)[0]
    link, output = _part_bytes(hardware, latencies)
    head["ports"], head["latency"] = ports, hardware["switch.latency"]
    head["buffer_bytes"] = hardware["switch.buffer_bytes"]
    head["link_bytes"], head["output_bytes"] = link, output
    head["address"][:ports] = addresses
    for index in range(ports):
        at = _HEAD + index * output
        block[at : at + LINK.itemsize].view(LINK)["slots"] = _output_slots(hardware, latencies)
    for index in range(ports * ports):
        at = _HEAD + ports * output + index * link
        initialise_rings(block[at : at + link], slots=_link_slots(hardware, latencies), event_slots=0)


def frames_in_switch(block: NDArray[np.uint8], ports: Sequence[Any]) -> int:
    """Frames that are in a switch or on a cable from it, or that a port has begun to send to another one.

    Parameters:
        ports: PORT records, in order of their numbers at the switch.
    """
    head = block[:_HEAD].view(SWITCH)[0]
    output, link, count = int(head["output_bytes"]), int(head["link_bytes"]), int(head["ports"])
    links = _HEAD + count * output
    coming = sum(frames_on_link(block[links + number * link :]) for number in range(count * count))
    queues = (block[_HEAD + index * output :][: LINK.itemsize].view(LINK)[0] for index in range(count))
    return coming + sum(int(port["switch_joined"] - queue["read"]) for port, queue in zip(ports, queues, strict=True))


def join_switch(port: Any, block: NDArray[np.uint8], *, index: int, latency: int) -> None:
    """Plug a port into a switch. Again after a restore: addresses are new.

    Parameters:
        port: PORT record.
        block: the SWITCH record; it must stay where it is.
        index: number of the port at the switch.
        latency: of its cable, cycles.
    """
    port["kind"] = PORT_SWITCH
    port["switch"], port["switch_index"], port["link_latency"] = block.ctypes.data, index, latency
    output_bytes = int(block[:_HEAD].view(SWITCH)["output_bytes"][0])
    port["source"] = block.ctypes.data + _HEAD + index * output_bytes
