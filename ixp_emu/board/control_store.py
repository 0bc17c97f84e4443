"""The control store as the host sees it: an address register with auto-increment, and a word in two halves."""

from __future__ import annotations

from typing import Any

import numpy as np

from ixp_emu.chip.control import private_store, write_word
from ixp_emu.chip.layout import STORE_WORDS
from ixp_emu.isa import LOCAL_CSRS

__all__ = ["ControlStoreAccess", "parity_bits"]

_ADDRESS = LOCAL_CSRS["USTORE_ADDRESS"].address
_LOWER = LOCAL_CSRS["USTORE_DATA_LOWER"].address
_UPPER = LOCAL_CSRS["USTORE_DATA_UPPER"].address
_OPEN = 1 << 31
_HALF = (1 << 20) - 1
_PARITY_SHIFT = 40


def parity_bits(word: int) -> int:
    """Even parity of a 40-bit word: bit 0 of its bits 19:0, bit 1 of its bits 39:20."""
    return (word & _HALF).bit_count() & 1 | ((word >> 20 & _HALF).bit_count() & 1) << 1


class ControlStoreAccess:
    """USTORE_ADDRESS, USTORE_DATA_LOWER and USTORE_DATA_UPPER of one microengine.

    Parameters:
        chip: CHIP record.
        engine: 0..7.
    """

    ADDRESSES = frozenset((_ADDRESS, _LOWER, _UPPER))

    def __init__(self, chip: Any, engine: int) -> None:
        self._chip = chip
        self._engine = engine
        self.address = 0
        self.lower = 0
        self.wrong_parity = np.zeros(STORE_WORDS, np.uint8)
        self.checked = False

    def read(self, register: int) -> int:
        """A register; while the control store is open the halves are those of the word at the address."""
        if register == _ADDRESS:
            return self.address
        at = self.address & STORE_WORDS - 1
        word = self._word(at) if self.address & _OPEN else self.lower
        if register == _LOWER:
            return word & 0xFFFF_FFFF
        if not self.address & _OPEN:
            return 0
        self._advance()
        return word >> 32 | (parity_bits(word) ^ int(self.wrong_parity[at])) << _PARITY_SHIFT - 32

    def write(self, register: int, value: int) -> None:
        """Write a register; USTORE_DATA_UPPER stores the word and goes to the next address."""
        if register == _ADDRESS:
            self.address = value & (_OPEN | STORE_WORDS - 1)
        elif register == _LOWER:
            self.lower = value
        elif self.address & _OPEN:
            at = self.address & STORE_WORDS - 1
            word = (value & 0xFF) << 32 | self.lower
            self.wrong_parity[at] = parity_bits(word) ^ value >> 8 & 3
            self._store(at, word)
            self._advance()

    def reset(self) -> None:
        """The registers are 0; the words stay."""
        self.address = self.lower = 0
        self.check_parity(False)

    def check_parity(self, checked: bool) -> None:
        """Say whether a word of wrong parity is an invalid one."""
        if checked != self.checked:
            self.checked = checked
            for at in np.flatnonzero(self.wrong_parity):
                self._store(int(at), self._word(int(at)))

    def _word(self, at: int) -> int:
        image = private_store(self._chip, self._engine)
        return int(self._chip["ustore"][image, at])

    def _store(self, at: int, word: int) -> None:
        write_word(self._chip, self._engine, at, word, valid=not (self.checked and self.wrong_parity[at]))

    def _advance(self) -> None:
        self.address = self.address & _OPEN | self.address + 1 & STORE_WORDS - 1
