"""The ME's CRC unit, bit by bit."""

from __future__ import annotations

__all__ = ["crc_step"]

# type code -> (width, polynomial without its top bit)
_POLYNOMIALS = {
    2: (16, 0x1021),
    4: (32, 0x04C11DB7),
    5: (32, 0x1EDC6F41),
    6: (10, 0x233),
    7: (5, 0x05),
}

# bytes code -> first and last byte
_BYTES = {0: (0, 3), 1: (1, 3), 2: (2, 3), 3: (3, 3), 4: (0, 2), 5: (0, 1), 6: (0, 0)}


def crc_step(remainder: int, word: int, *, type: int, bit_swap: int, little: int, bytes: int) -> int:
    """The remainder after the selected bytes of ``word``, byte 0 first, each byte's top bit first."""
    if type == 0:
        return remainder
    width, polynomial = _POLYNOMIALS[type]
    remainder &= (1 << width) - 1
    first, last = _BYTES[bytes]
    for number in range(first, last + 1):
        byte = word >> (8 * number if little else 24 - 8 * number) & 0xFF
        for bit in range(8):
            data = byte >> (bit if bit_swap else 7 - bit) & 1
            feedback = remainder >> (width - 1) & 1 ^ data
            remainder = remainder << 1 & (1 << width) - 1
            if feedback:
                remainder ^= polynomial
    return remainder
