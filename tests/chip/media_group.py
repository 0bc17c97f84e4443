"""Chips joined by links, driven by the host: frames are written into TBUF, no program runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np

from ixp_emu.chip.chip import Memories, bind_memories, initialise, new_chips, set_up_ports
from ixp_emu.chip.clock import CLOCK_STRIDE, advance_group
from ixp_emu.chip.hardware import resolve_hardware
from ixp_emu.chip.layout import CHIP
from ixp_emu.chip.link import initialise_link, join_link, link_bytes
from ixp_emu.chip.media import PORT_LINK
from ixp_emu.chip.media_control import write_msf
from ixp_emu.chip.switch import initialise_switch, join_switch, switch_bytes, switch_lookahead
from ixp_emu.isa.csr import MSF_REGISTERS

__all__ = ["EOP", "SOP", "MediaGroup", "frame_bytes"]

SOP, EOP = 1 << 9, 1 << 8
_ELEMENT_CONTROL = MSF_REGISTERS["TBUF_ELEMENT_CONTROL"]
_BUFFER = MSF_REGISTERS["RBUF"]


def frame_bytes(length: int, *, to: int = 0, first: int = 1) -> bytes:
    """A frame to a MAC address."""
    return to.to_bytes(6, "big") + bytes((first + number) % 256 for number in range(length - 6))


class MediaGroup:
    """Some chips with as many ports each.

    Attributes:
        blocks: LINK and SWITCH records, in the order of joining.
    """

    def __init__(self, count: int, *, ports: int = 1, overrides: Mapping[str, int] | None = None) -> None:
        self.hardware = resolve_hardware(overrides=overrides)
        self.chips = new_chips(count)
        self.memories = [Memories(self.hardware) for _ in range(count)]
        self.blocks: list[np.ndarray[Any, Any]] = []
        self.latency = np.zeros((count, count), np.int64)
        self.clocks = np.zeros(count * CLOCK_STRIDE // 8, np.int64)
        self._joined: list[tuple[Any, ...]] = []
        self._elements: dict[tuple[int, int], int] = {}
        for chip, memories in zip(self.chips, self.memories, strict=True):
            initialise(chip, self.hardware, memories)
            set_up_ports(chip, ports)

    # --- links ------------------------------------------------------------------------------------------------------

    def port(self, chip: int, port: int = 0) -> Any:
        return self.chips[chip]["port"][port]

    def link(self, one: tuple[int, int], other: tuple[int, int], *, kind: int = PORT_LINK, latency: int) -> None:
        """Join two (chip, port)."""
        for sender, receiver in ((one, other), (other, one)):
            block = np.zeros(link_bytes(self.hardware, kind=kind, latency=latency), np.uint8)
            initialise_link(block, self.hardware, kind=kind, latency=latency)
            self.blocks.append(block)
            self._joined.append(("link", sender, receiver, kind, latency))
            self.latency[sender[0], receiver[0]] = latency
        self.bind()

    def switch(self, ends: Sequence[tuple[int, int]], *, latencies: Sequence[int], addresses: Sequence[int]) -> None:
        """Plug (chip, port) into a switch."""
        block = np.zeros(switch_bytes(self.hardware, latencies), np.uint8)
        initialise_switch(block, self.hardware, latencies=latencies, addresses=addresses)
        self.blocks.append(block)
        self._joined.append(("switch", tuple(ends), tuple(latencies)))
        for (chip, _), latency in zip(ends, latencies, strict=True):
            for other, _ in ends:
                self.latency[chip, other] = switch_lookahead(self.hardware, latency)
        self.bind()

    def bind(self) -> None:
        for block, (what, *rest) in zip(self.blocks, self._joined, strict=True):
            if what == "link":
                sender, receiver, kind, latency = rest
                join_link(self.port(*sender), self.port(*receiver), block, self.hardware, kind=kind, latency=latency)
            else:
                for index, (end, latency) in enumerate(zip(*rest, strict=True)):
                    join_switch(self.port(*end), block, index=index, latency=latency)

    # --- running ----------------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The last cycle that was executed."""
        return int(self.chips["published"].min()) - 1

    def run(self, until: int, *, threads: int = 1) -> None:
        """Execute all cycles before ``until``."""
        members = [np.arange(len(self.chips))[worker::threads] for worker in range(threads)]

        def work(mine: Any) -> None:
            while advance_group(self.chips, mine, self.clocks.ctypes.data, self.latency, until, 1_000):
                assert not self.chips["fault"].any(), self.chips["fault_detail"]

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, members))

    def write(self, chip: int, offset: int, value: int, now: int | None = None) -> None:
        write_msf(self.chips[chip], offset, value, self.now if now is None else now)

    def send(self, chip: int, data: bytes, *, port: int = 0) -> None:
        """Write a frame into the next elements of TBUF, of the port's channel, and validate them."""
        record = self.chips[chip]
        size, channels = int(record["tx_element_bytes"]), int(record["tx_channels"])
        count = int(record["tbuf_elements"]) // channels
        channel = port if channels > 1 else 0
        for start in range(0, len(data), size):
            part = data[start : start + size]
            number = self._elements.get((chip, channel), 0)
            self._elements[chip, channel] = number + 1
            element = channel * count + number % count
            padded = part + bytes(-len(part) % 4)
            for at in range(0, len(padded), 4):
                self.write(chip, _BUFFER + element * size + at, int.from_bytes(padded[at : at + 4], "big"))
            control = len(part) << 24 | port
            control |= SOP if start == 0 else 0
            control |= EOP if start + size >= len(data) else 0
            self.write(chip, _ELEMENT_CONTROL + 8 * element, control)
            self.write(chip, _ELEMENT_CONTROL + 8 * element + 4, 0)

    def copy(self) -> MediaGroup:
        """Another group in the same state, with nothing in common: what a checkpoint does."""
        other = object.__new__(MediaGroup)
        other.__dict__ = dict(self.__dict__)
        other.chips = new_chips(len(self.chips))
        other.chips.view(np.uint8)[...] = self.chips.view(np.uint8)
        other.memories = [Memories(self.hardware) for _ in self.chips]
        other.blocks = [block.copy() for block in self.blocks]
        other.clocks = self.clocks.copy()
        other._elements = dict(self._elements)
        for chip, memories in zip(other.chips, other.memories, strict=True):
            bind_memories(chip, memories)
        other.bind()
        return other

    def state(self) -> list[Any]:
        """What the media hold, but for host addresses and what tells how it was run."""
        fields = ("rbuf", "rbuf_freed", "tx_valid", "rx_spi_busy", "tx_spi_busy", "channel")
        hidden = {"source", "link", "switch", "switch_join"}
        names = [name for name in (CHIP.fields or {})["port"][0].subdtype[0].names if name not in hidden]
        state: list[Any] = [self.chips[name].tobytes() for name in fields]
        return state + [(name, self.chips["port"][name].tobytes()) for name in names]

    # --- times ------------------------------------------------------------------------------------------------------

    @property
    def byte(self) -> Fraction:
        return Fraction(self.hardware["me_clock_khz"], 125_000)

    def wire(self, length: int) -> int:
        """First bit to last bit of a frame."""
        return ceil((8 + max(length, 60) + 4) * self.byte)

    def spi(self, count: int, width_bytes: int = 4) -> int:
        """An SPI-3 transfer."""
        clocks = -(-count // width_bytes)
        return -(-clocks * self.hardware["me_clock_khz"] // self.hardware["msf.clock_khz"])

    def starts(self, lengths: Sequence[int], first: int) -> list[int]:
        """When frames start that go back to back from ``first`` on."""
        times, at = [], Fraction(first)
        for length in lengths:
            times.append(ceil(at))
            at += (8 + max(length, 60) + 4 + 12) * self.byte
        return times
