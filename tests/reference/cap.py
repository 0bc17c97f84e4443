"""The CSRs behind the CAP unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .commands import Command

if TYPE_CHECKING:
    from .scratch import Scratch

__all__ = ["CAP_ADDRESSES", "CapCsrs"]

CAP_ADDRESSES = {
    "XSCALE_INT_A": 0x4B20,
    "XSCALE_INT_B": 0x4B24,
    "INTERTHREAD_SIG": 0x4B00,
    "THREAD_MESSAGE": 0x4B04,
    "SELF_DESTRUCT_0": 0x4B08,
    "SELF_DESTRUCT_1": 0x4B0C,
    "HASH_MULTIPLIER_48_0": 0x4900,
}
"""Only XSCALE_INT_A is proved; a comparison sets the others (``Scratch.cap_addresses``) to what the other side uses."""

_CLEAR_ON_READ = ("THREAD_MESSAGE", "SELF_DESTRUCT_0", "SELF_DESTRUCT_1")
_RING_CSRS = range(0x4800, 0x4900)
_BLOCK_BYTES = 0x10000


class CapCsrs:
    """``values``: CSRs that hold what was written; ``raw_status["A"|"B"][cluster]``: what XSCALE_INT_A/B set."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self.addresses = dict(CAP_ADDRESSES)
        self.values: dict[int, int] = {}
        self.raw_status = {"A": [0, 0], "B": [0, 0]}
        self.send_signal: Callable[[int, int, int, int], None]  # me, context, mask, time

    def check(self, command: Command, address: int) -> None:
        if not 0 <= address < _BLOCK_BYTES:
            raise command.fault("outside memory", f"CAP address {address:#x}")

    def read(self, address: int) -> int:
        """What ``cap[read]`` gets; some CSRs are 0 afterwards."""
        multiplier = self._multiplier(address)
        if multiplier is not None:
            return self._scratch.hash_multipliers[multiplier[0]][multiplier[1]]
        ring = self._ring(address)
        if ring is not None:
            return self._scratch.rings[ring[0]].read_csr(ring[1])
        value = self.values.get(address, 0)
        if address in (self.addresses[name] for name in _CLEAR_ON_READ):
            self.values[address] = 0
        return value

    def write(self, command: Command, address: int, value: int, now: int) -> None:
        multiplier, ring = self._multiplier(address), self._ring(address)
        if multiplier is not None:
            self._scratch.hash_multipliers[multiplier[0]][multiplier[1]] = value
        elif ring is not None:
            self._scratch.rings[ring[0]].write_csr(ring[1], value)
            self._scratch.note_flag(ring[0], now)
        elif address == self.addresses["INTERTHREAD_SIG"]:
            self._interthread_signal(value, now)
        elif address in (self.addresses["XSCALE_INT_A"], self.addresses["XSCALE_INT_B"]):
            word = "A" if address == self.addresses["XSCALE_INT_A"] else "B"
            engine = command.me.number
            self.raw_status[word][engine // 4] |= 1 << 8 * (engine % 4) + command.context
        else:
            self.values[address] = value

    def _interthread_signal(self, value: int, now: int) -> None:
        engine = value >> 7 & 31
        if engine & 0xC == 0:
            number = (engine & 3) + (4 if engine & 0x10 else 0)
            time = now + self._scratch.hardware["cap.signal_latency"]
            self.send_signal(number, value >> 4 & 7, 1 << (value & 15), time)

    def _multiplier(self, address: int) -> tuple[int, int] | None:
        """Width and number of the hash multiplier CSR at ``address``."""
        place, beyond = divmod(address - self.addresses["HASH_MULTIPLIER_48_0"], 4)
        if beyond or not 0 <= place < 8:
            return None
        return ((48, place), (48, place), (64, place - 2), (64, place - 2))[place] if place < 4 else (128, place - 4)

    @staticmethod
    def _ring(address: int) -> tuple[int, int] | None:
        """Number and offset of the ring CSR at ``address``."""
        number, offset = divmod(address - _RING_CSRS.start, 16)
        return (number, offset) if address in _RING_CSRS and offset < 12 else None
