"""Ethernet ports: frames offered to a port's MAC, frames that left it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ixp_emu.chip.chip import schedule
from ixp_emu.chip.layout import EGRESS, INGRESS, MEDIA_RX
from ixp_emu.chip.media import PORT_LINK
from ixp_emu.errors import InputError

__all__ = ["EgressLog", "Frame", "Port"]

_MINIMUM_BYTES = 60
_LONGEST_BYTES = 9_600
"""Longest frame that transmit can send."""
_FIRST_ROWS = 64
_LOG_ROWS = 1 << 10
_LOG_BYTES = 1 << 21


class Frame(NamedTuple):
    """A frame that left a port.

    Attributes:
        time: the cycle in which its last bit left.
        port: number of the port.
        data: its bytes, without FCS.
    """

    time: int
    port: int
    data: bytes


def _counter(field: str, meaning: str) -> Any:
    """A property: a field of the port's record."""
    return property(lambda port: int(port.record[field]), doc=meaning)


class Port:
    """A 1 Gb/s Ethernet port.

    Attributes:
        number: from 0.
        record: its part of the CHIP record (``ixp_emu.chip.layout.PORT``).
        rows: INGRESS rows of the frames that were fed; the engine writes into them.
        offered: how many.
    """

    def __init__(self, chip: Any, number: int) -> None:
        self.number = number
        self.record = chip["port"][number]
        self.rows = np.zeros(_FIRST_ROWS, INGRESS)
        self.offered = 0
        self._chip = chip
        self._bytes: list[npt.NDArray[np.uint8]] = []
        self.bind()

    def __repr__(self) -> str:
        return f"<port {self.number}, {self.frames_in} frames in, {self.frames_out} out>"

    frames_in = _counter("frames_in", "Frames that the MAC took in.")
    bytes_in = _counter("bytes_in", "Their bytes, without FCS.")
    frames_lost = _counter("frames_lost", "Frames that the MAC had no room for.")
    frames_out = _counter("frames_out", "Frames that have left.")
    bytes_out = _counter("bytes_out", "Their bytes, without FCS.")

    @property
    def linked(self) -> bool:
        """Whether it is connected to another board."""
        return int(self.record["kind"]) == PORT_LINK

    def feed(self, frames: bytes | Iterable[bytes], *, at: int) -> None:
        """Put frames on the port's wire, see :meth:`ixp_emu.board.Board.feed`."""
        if self.linked:
            raise InputError("is connected to another board: frames come from there", key=f"port {self.number}")
        listed = [frames] if isinstance(frames, bytes | bytearray | memoryview) else list(frames)
        for frame in listed:
            if not 0 < len(frame) <= _LONGEST_BYTES:
                raise InputError(f"frame of {len(frame)} bytes: must be 1..{_LONGEST_BYTES}", key=f"port {self.number}")
        if not listed:
            return
        padded = [bytes(frame).ljust(_MINIMUM_BYTES, b"\0") for frame in listed]
        data = np.frombuffer(b"".join(padded), np.uint8)
        self._bytes.append(data)  # the MAC holds addresses
        needed = self.offered + len(padded)
        if needed > len(self.rows):
            rows = np.zeros(max(needed, 2 * len(self.rows)), INGRESS)
            rows[: self.offered] = self.rows[: self.offered]
            self.rows = rows
            self.bind()
        new = self.rows[self.offered : needed]
        lengths = np.array([len(frame) for frame in padded], np.int64)
        new["length"] = lengths
        new["address"] = data.ctypes.data + np.cumsum(lengths) - lengths
        new["arrival"] = at
        self.offered = needed
        self.record["source_count"] = needed
        schedule(self._chip, MEDIA_RX, 4, at)

    def bind(self) -> None:
        """Write the address of the offered frames into the record."""
        self.record["source"] = self.rows.ctypes.data

    # --- saving -------------------------------------------------------------------------------------------------------

    def saved(self) -> tuple[npt.NDArray[Any], list[npt.NDArray[np.uint8]]]:
        """The offered frames; their bytes are shared, not copied."""
        return self.rows[: self.offered].copy(), list(self._bytes)

    def restore(self, saved: tuple[npt.NDArray[Any], list[npt.NDArray[np.uint8]]]) -> None:
        """Bring back what :meth:`saved` gave."""
        rows, self._bytes = saved[0].copy(), list(saved[1])
        self.offered = len(rows)
        self.rows = np.zeros(max(_FIRST_ROWS, len(rows)), INGRESS)
        self.rows[: len(rows)] = rows
        if not self.linked:
            self.bind()


class EgressLog:
    """Where a chip writes the frames that leave it."""

    def __init__(self, chip: Any) -> None:
        self._chip = chip
        self._rows = np.zeros(_LOG_ROWS, EGRESS)
        self._arena = np.zeros(_LOG_BYTES, np.uint8)
        self.bind()

    def bind(self) -> None:
        """Write its addresses into the record."""
        chip = self._chip
        chip["egress_rows"], chip["egress_capacity"] = self._rows.ctypes.data, len(self._rows)
        chip["egress_arena"], chip["egress_arena_bytes"] = self._arena.ctypes.data, len(self._arena)

    def drain(self) -> list[Frame]:
        """Take the frames that were logged; a chip that stopped for a full log may go on."""
        chip = self._chip
        frames = []
        for row in self._rows[: int(chip["egress_count"])]:
            start = int(row["offset"])
            data = self._arena[start : start + int(row["length"])].tobytes()
            frames.append(Frame(int(row["time"]), int(row["port"]), data))
        chip["egress_count"] = chip["egress_arena_used"] = 0
        if chip["fault"] == 0:
            chip["stop"] = 0
        return frames
