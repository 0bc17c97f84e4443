"""The Ethernet MACs: FIFOs, frames coming in and going out, and the wire's timing."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import Protocol

from ixp_emu.chip.hardware import Hardware

__all__ = ["Arrival", "FarEnd", "Port", "Wire", "frame_cycles", "padded", "slot_cycles"]

_PREAMBLE_BYTES = 8
_FCS_BYTES = 4
_GAP_BYTES = 12
_MINIMUM_BYTES = 60  # of a frame without FCS
_BYTES_PER_SECOND_KHZ = 125_000  # 1 Gb/s


def padded(frame: bytes) -> bytes:
    """A frame as it is on the wire: at least 60 bytes."""
    return frame + bytes(max(0, _MINIMUM_BYTES - len(frame)))


def _exact_cycles(hardware: Hardware, nbytes: int) -> Fraction:
    """ME cycles of bytes on a 1 Gb/s wire."""
    return Fraction(nbytes * hardware["me_clock_khz"], _BYTES_PER_SECOND_KHZ)


def frame_cycles(hardware: Hardware, length: int) -> int:
    """From a frame's first bit to its last, in whole ME cycles."""
    return ceil(_exact_cycles(hardware, _PREAMBLE_BYTES + max(length, _MINIMUM_BYTES) + _FCS_BYTES))


def slot_cycles(hardware: Hardware, length: int) -> Fraction:
    """From a frame's first bit to the earliest first bit of the next one, exactly."""
    return _exact_cycles(hardware, _PREAMBLE_BYTES + max(length, _MINIMUM_BYTES) + _FCS_BYTES + _GAP_BYTES)


class Wire:
    """One sender's wire: one frame at a time, with a gap, at exactly the line rate."""

    def __init__(self, hardware: Hardware, *, timed: bool = True) -> None:
        self._hardware = hardware
        self.timed = timed  # an SPI-3 link takes no time
        self.frame: bytes | None = None
        self.last_bit = 0
        self.earliest_start = Fraction(0)

    def is_free(self, now: int) -> bool:
        return self.frame is None and now >= self.earliest_start

    def start(self, now: int, frame: bytes) -> None:
        self.frame = frame
        if not self.timed:
            self.last_bit = now
            self.earliest_start = Fraction(now)
            return
        self.last_bit = now + frame_cycles(self._hardware, len(frame))
        begin = self.earliest_start if now - self.earliest_start < 1 else Fraction(now)
        self.earliest_start = begin + slot_cycles(self._hardware, len(frame))

    def end(self, now: int) -> bytes | None:
        """The frame whose last bit leaves now, if one's does."""
        if self.frame is None or self.last_bit != now:
            return None
        frame, self.frame = self.frame, None
        return frame


class FarEnd(Protocol):
    """What a port's link does, as seen from the port."""

    timed: bool  # with Ethernet timing, or whole frames at once

    def may_start(self, now: int, nbytes: int) -> bool:
        """Transmit, step 3: whether a frame of so many bytes may start now."""

    def start(self, now: int, frame: bytes, last_bit: int) -> None:
        """A frame starts on the wire."""

    def arrival(self, now: int) -> tuple[int, bytes] | None:
        """Receive, step 2: take the next frame whose first bit is here, with that bit's time."""

    def left_fifo(self, now: int, nbytes: int) -> None:
        """Bytes of the port's receive FIFO have gone to RBUF."""

    def holds(self, now: int, nbytes: int) -> None:
        """What the port's receive FIFO holds after step 2 of receive."""


@dataclass(slots=True)
class Arrival:
    """A frame in the receive FIFO, of which ``sent`` bytes are in RBUF or on their way there."""

    first_bit: int
    frame: bytes
    sent: int = 0


@dataclass(slots=True)
class PortCounters:
    """``bytes`` are of whole frames without FCS, padded."""

    frames_in: int = 0
    bytes_in: int = 0
    frames_lost: int = 0
    frames_out: int = 0
    bytes_out: int = 0


@dataclass(slots=True)
class Port:
    """One MAC. ``lost`` and ``egress`` are the chip's logs; ``link`` replaces the traffic source and the egress log."""

    hardware: Hardware
    number: int
    egress: list[tuple[int, int, bytes]]
    lost: list[tuple[int, int, bytes, str]]
    source: deque[tuple[int, bytes]] = field(default_factory=deque)
    back_pressured: bool = False
    link: FarEnd | None = None
    earliest_arrival: Fraction = Fraction(0)
    rx_used: int = 0
    rx_frames: deque[Arrival] = field(default_factory=deque)
    tx_used: int = 0
    tx_partial: bytes | None = None
    tx_frames: deque[bytes] = field(default_factory=deque)
    wire: Wire = field(init=False)
    counters: PortCounters = field(default_factory=PortCounters)
    offered: list[tuple[int, bool]] = field(default_factory=list)  # first bit of each frame, whether it was accepted

    def __post_init__(self) -> None:
        self.wire = Wire(self.hardware)

    def connect(self, link: FarEnd) -> None:
        self.link = link
        self.wire.timed = link.timed

    # ------------------------------------------------------------------ receive

    def arrive(self, now: int) -> None:
        """Step 2: at most one frame."""
        if self.link is not None:
            arrived = self.link.arrival(now)
            if arrived is not None:
                self._accept_or_lose(now, *arrived)
            self.link.holds(now, self.rx_used)
        elif self.source:
            first_bit, frame = self.source[0]
            first_bit = max(first_bit, floor(self.earliest_arrival))
            if first_bit > now:
                return
            if self.back_pressured:
                if not self._has_room(frame):
                    return
                first_bit = now
            self.source.popleft()
            self.earliest_arrival = max(self.earliest_arrival, first_bit) + slot_cycles(self.hardware, len(frame))
            self._accept_or_lose(now, first_bit, frame)

    def _has_room(self, frame: bytes) -> bool:
        return self.rx_used + len(frame) <= self.hardware["mac.rx_fifo_bytes"]

    def _accept_or_lose(self, now: int, first_bit: int, frame: bytes) -> None:
        self.offered.append((first_bit, self._has_room(frame)))
        if not self._has_room(frame):
            self.lost.append((now, self.number, frame, "mac_rx_overflow"))
            self.counters.frames_lost += 1
            return
        self.rx_used += len(frame)
        self.rx_frames.append(Arrival(first_bit, frame))
        self.counters.frames_in += 1
        self.counters.bytes_in += len(frame)

    def next_end(self, element_bytes: int) -> int:
        """Bytes of the oldest frame up to the end of its next mpacket."""
        arrival = self.rx_frames[0]
        return min(arrival.sent + element_bytes, len(arrival.frame))

    def ready(self, element_bytes: int) -> int:
        """When the next mpacket of the oldest frame is complete."""
        arrival = self.rx_frames[0]
        if not self.wire.timed:
            return arrival.first_bit
        end = self.next_end(element_bytes)
        if end == len(arrival.frame):
            return arrival.first_bit + frame_cycles(self.hardware, len(arrival.frame))
        return arrival.first_bit + ceil(_exact_cycles(self.hardware, _PREAMBLE_BYTES + end))

    def leave_fifo(self, now: int, nbytes: int) -> None:
        """Step 1: an mpacket is in RBUF."""
        self.rx_used -= nbytes
        if self.link is not None:
            self.link.left_fifo(now, nbytes)

    # ------------------------------------------------------------------ transmit

    def take(self, data: bytes, *, end_of_packet: bool) -> None:
        """Step 1: an mpacket is in the MAC."""
        self.tx_partial = (self.tx_partial or b"") + data
        if end_of_packet:
            frame = padded(self.tx_partial)
            self.tx_used += len(frame) - len(self.tx_partial)
            self.tx_frames.append(frame)
            self.tx_partial = None

    def end_frame(self, now: int) -> None:
        """Step 2: a frame's last bit leaves."""
        frame = self.wire.end(now)
        if frame is None:
            return
        self.tx_used -= len(frame)
        self.counters.frames_out += 1
        self.counters.bytes_out += len(padded(frame))
        if self.link is None:
            self.egress.append((now, self.number, padded(frame)))

    def start_frame(self, now: int) -> None:
        """Step 3: the next frame's first bit leaves; on an SPI-3 link its last one too."""
        if not self.tx_frames or not self.wire.is_free(now):
            return
        if self.link is not None and not self.link.may_start(now, len(padded(self.tx_frames[0]))):
            return
        frame = self.tx_frames.popleft()
        self.wire.start(now, frame)
        if self.link is not None:
            self.link.start(now, padded(frame), self.wire.last_bit)
            if not self.link.timed:
                self.end_frame(now)
