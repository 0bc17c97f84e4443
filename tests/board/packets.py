"""Firmware images and packets for the tests of the driver."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

from ixp_emu.board import Program, assemble

__all__ = ["CORNER_LENGTHS", "FIRMWARE", "image_of", "packet", "register_presets"]

FIRMWARE = Path(__file__).parent / "firmware"
CORNER_LENGTHS = sorted(
    {60, 1514, *range(60, 76), *range(120, 137), *range(184, 201), *range(1016, 1033), *range(1472, 1489)}
)
"""Every length modulo 8 around the ends of elements, from the shortest frame to the longest."""


def image_of(words: list[int]) -> bytes:
    """A raw image: 5 bytes a word, most significant byte first."""
    return b"".join(word.to_bytes(5, "big") for word in words)


def register_presets(program: Program, **values: int) -> Mapping[tuple[str, int], int]:
    """(bank, absolute number) -> value of registers by name, in every context."""
    presets = {}
    for name, value in values.items():
        (register,) = program.registers[name]
        for context in range(8):
            presets[register.file, 16 * context + register.number] = value
    return presets


def packet(length: int, seed: int) -> bytes:
    """Random bytes."""
    return random.Random(seed << 12 | length).randbytes(length)


def firmware(name: str) -> Program:
    """A firmware of this folder."""
    return assemble(FIRMWARE / f"{name}.uc")
