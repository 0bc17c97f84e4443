"""Links between two ports: gigabit Ethernet, and two MSFs wired together."""

from __future__ import annotations

from collections import deque

from ixp_emu.chip.hardware import Hardware

from .mac import Port

__all__ = ["GbeEnd", "Spi3End", "connect_gbe", "connect_spi3"]


class GbeEnd:
    """One end of an Ethernet link: frames and pause frames come ``latency`` cycles after they were sent."""

    timed = True

    def __init__(self, hardware: Hardware, latency: int) -> None:
        self._hardware = hardware
        self._latency = latency
        self.peer: GbeEnd
        self.arriving: deque[tuple[int, bytes]] = deque()  # first bit, frame
        self.pauses: deque[tuple[int, bool]] = deque()  # from when, XOFF or XON
        self.is_paused = False
        self.has_paused_peer = False

    def may_start(self, now: int, nbytes: int) -> bool:
        while self.pauses and self.pauses[0][0] <= now:
            self.is_paused = self.pauses.popleft()[1]
        return not self.is_paused

    def start(self, now: int, frame: bytes, last_bit: int) -> None:
        self.peer.arriving.append((now + self._latency, frame))

    def arrival(self, now: int) -> tuple[int, bytes] | None:
        return self.arriving.popleft() if self.arriving and self.arriving[0][0] <= now else None

    def left_fifo(self, now: int, nbytes: int) -> None:
        pass

    def holds(self, now: int, nbytes: int) -> None:
        if not self._hardware["mac.pause"]:
            return
        if nbytes > self._hardware["mac.pause_high_bytes"] and not self.has_paused_peer:
            self._pause(now, off=True)
        elif nbytes <= self._hardware["mac.pause_low_bytes"] and self.has_paused_peer:
            self._pause(now, off=False)

    def _pause(self, now: int, *, off: bool) -> None:
        self.has_paused_peer = off
        self.peer.pauses.append((now + self._latency, off))


class Spi3End:
    """One end of an SPI-3 link: whole frames, no more than the peer's receive FIFO has room for."""

    timed = False

    def __init__(self, hardware: Hardware, latency: int) -> None:
        self._room = hardware["mac.rx_fifo_bytes"]
        self._latency = latency
        self.peer: Spi3End
        self.arriving: deque[tuple[int, bytes]] = deque()
        self.credits: deque[tuple[int, int]] = deque()  # when known, bytes that left the peer's FIFO
        self.outstanding = 0  # bytes sent and not known to have left the peer's FIFO

    def may_start(self, now: int, nbytes: int) -> bool:
        while self.credits and self.credits[0][0] <= now:
            self.outstanding -= self.credits.popleft()[1]
        return self.outstanding + nbytes <= self.peer._room

    def start(self, now: int, frame: bytes, last_bit: int) -> None:
        self.outstanding += len(frame)
        self.peer.arriving.append((now + self._latency, frame))

    def arrival(self, now: int) -> tuple[int, bytes] | None:
        return self.arriving.popleft() if self.arriving and self.arriving[0][0] <= now else None

    def left_fifo(self, now: int, nbytes: int) -> None:
        self.peer.credits.append((now + self._latency, nbytes))

    def holds(self, now: int, nbytes: int) -> None:
        pass


def connect_gbe(first: Port, second: Port, *, latency: int) -> tuple[GbeEnd, GbeEnd]:
    """Join two ports; ``latency`` >= 1 cycles."""
    ends = GbeEnd(first.hardware, latency), GbeEnd(second.hardware, latency)
    ends[0].peer, ends[1].peer = ends[1], ends[0]
    first.connect(ends[0])
    second.connect(ends[1])
    return ends


def connect_spi3(first: Port, second: Port, *, latency: int) -> tuple[Spi3End, Spi3End]:
    """Join two ports; ``latency`` >= 1 cycles."""
    ends = Spi3End(first.hardware, latency), Spi3End(second.hardware, latency)
    ends[0].peer, ends[1].peer = ends[1], ends[0]
    first.connect(ends[0])
    second.connect(ends[1])
    return ends
