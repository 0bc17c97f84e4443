"""The hash unit's 128-bit hash over GF(2), for oracles."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["hash_128"]

_GENERATOR = 1 << 128 | 1 << 98 | 1 << 69 | 1 << 33 | 1


def hash_128(key: Sequence[int], multiplier: Sequence[int]) -> tuple[int, int, int, int]:
    """Key times multiplier modulo x^128 + x^98 + x^69 + x^33 + 1; four longwords, the least significant first."""
    factor = _number(multiplier)
    remaining = _number(key)
    product = 0
    while remaining:
        lowest = remaining & -remaining
        product ^= factor * lowest  # a shift: one bit is set
        remaining ^= lowest
    while product >> 128:
        product ^= _GENERATOR << product.bit_length() - 129
    return (product & _WORD, product >> 32 & _WORD, product >> 64 & _WORD, product >> 96)


_WORD = 0xFFFF_FFFF


def _number(longwords: Sequence[int]) -> int:
    return sum(word << 32 * place for place, word in enumerate(longwords))
