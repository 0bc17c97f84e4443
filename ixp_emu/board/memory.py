"""Memories by byte address, as longwords or as bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from ixp_emu.chip.layout import PAGE_SHIFT
from ixp_emu.errors import InputError

__all__ = ["WORD_MASK", "Memory", "check_word"]

WORD_MASK = 0xFFFF_FFFF


def check_word(value: int, *, what: str) -> int:
    """A longword as it is.

    Raises:
        InputError: it is none.
    """
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or not 0 <= value <= WORD_MASK:
        raise InputError(f"{value!r} is no longword: 0..{WORD_MASK:#x}", key=what)
    return int(value)


class Memory:
    """One memory of a chip. ``memory[address]`` is the longword at a byte address, ``memory[a:b]`` an array of those
    from a to b, both as they are when asked for; assigning to either writes. Addresses are multiples of 4.

    Byte 0 of a longword is its bits 31:24, so bytes and longwords read as on a big-endian machine.

    Attributes:
        name: "scratch", "sram0", "sram1" or "dram".
        words: uint32 view of the whole memory, a longword each.
    """

    def __init__(self, name: str, words: npt.NDArray[np.uint32], dirty: npt.NDArray[Any] | None = None) -> None:
        self.name = name
        self.words = words
        self._dirty = dirty

    def __repr__(self) -> str:
        return f"<{self.name}, {self.size_bytes:,} bytes>"

    @property
    def size_bytes(self) -> int:
        """Its size."""
        return len(self.words) * 4

    def __getitem__(self, address: int | slice) -> Any:
        if isinstance(address, slice):
            first, end = self._slice(address)
            return self.words[first // 4 : end // 4].copy()
        self._check(address, 4, multiple=4)
        return int(self.words[address // 4])

    def __setitem__(self, address: int | slice, value: int | Iterable[int]) -> None:
        if isinstance(address, slice):
            first, end = self._slice(address)
            values = [value] * ((end - first) // 4) if isinstance(value, int | np.integer) else list(value)
            if len(values) * 4 != end - first:
                raise InputError(
                    f"{len(values)} longwords for {(end - first) // 4}", key=f"{self.name}[{first:#x}:{end:#x}]"
                )
            self.words[first // 4 : end // 4] = [check_word(one, what=self.name) for one in values]
            self._mark(first, end - first)
        else:
            self._check(address, 4, multiple=4)
            assert isinstance(value, int | np.integer) or not isinstance(value, Iterable)
            self.words[address // 4] = check_word(value, what=f"{self.name}[{address:#x}]")
            self._mark(address, 4)

    def read_bytes(self, address: int, count: int) -> bytes:
        """Bytes from any address on.

        Raises:
            InputError: they do not lie in the memory.
        """
        self._check(address, count)
        first, end = address // 4, (address + count + 3) // 4
        data = self.words[first:end].astype(">u4").tobytes()
        return data[address % 4 : address % 4 + count]

    def write_bytes(self, address: int, data: bytes) -> None:
        """Write bytes from any address on; the other bytes of their longwords stay.

        Raises:
            InputError: they do not lie in the memory.
        """
        self._check(address, len(data))
        first, end = address // 4, (address + len(data) + 3) // 4
        whole = bytearray(self.words[first:end].astype(">u4").tobytes())
        whole[address % 4 : address % 4 + len(data)] = data
        self.words[first:end] = np.frombuffer(whole, ">u4")
        self._mark(address, len(data))

    def _slice(self, address: slice) -> tuple[int, int]:
        if address.step is not None:
            raise InputError("a step is not possible", key=self.name)
        first = 0 if address.start is None else address.start
        end = self.size_bytes if address.stop is None else address.stop
        self._check(first, end - first, multiple=4)
        return first, end

    def _check(self, address: int, count: int, *, multiple: int = 1) -> None:
        if not isinstance(address, int | np.integer) or isinstance(address, bool):
            raise InputError(f"{address!r} is no byte address", key=self.name)
        if address % multiple or count % multiple:
            raise InputError(f"address {address:#x}: must be a multiple of {multiple}", key=self.name)
        if address < 0 or count < 0 or address + count > self.size_bytes:
            raise InputError(f"{count} bytes at {address:#x}: the memory has {self.size_bytes:#x} bytes", key=self.name)

    def _mark(self, address: int, count: int) -> None:
        if self._dirty is not None and count:
            self._dirty[address >> PAGE_SHIFT : (address + count - 1 >> PAGE_SHIFT) + 1] = 1
