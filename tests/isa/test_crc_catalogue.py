"""CRC steps against a library and against published check values, on Python ints and compiled."""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Callable

import pytest

from ixp_emu.chip.compiled import kernel
from ixp_emu.chip.dispatch import compiled_semantics
from ixp_emu.isa import CRC_TYPES, semantics

Step = Callable[[int, int, int, int, int, int], int]

_compiled_crc_step = compiled_semantics("crc_step")


@kernel
def _compiled_step(remainder: int, word: int, code: int, form: int, little: int, bit_swap: int) -> int:
    return int(_compiled_crc_step(remainder, word, code, form, little, bit_swap))


_STEPS = {"python": semantics.crc_step, "compiled": _compiled_step}
_CHECK = b"123456789"
_BYTE_0 = 6  # the byte form that takes one byte


@pytest.fixture(params=_STEPS)
def step(request: pytest.FixtureRequest) -> Step:
    found: Step = _STEPS[request.param]
    return found


def _remainder(step: Step, data: bytes, crc_type: str, start: int, *, little: int = 0, bit_swap: int = 0) -> int:
    """The remainder after whole words, and single bytes at the end."""
    order = "little" if little else "big"
    remainder = start
    code = CRC_TYPES[crc_type]
    whole = len(data) // 4 * 4
    for position in range(0, whole, 4):
        word = int.from_bytes(data[position : position + 4], order)  # type: ignore[arg-type]
        remainder = step(remainder, word, code, 0, little, bit_swap)
    for byte in data[whole:]:
        remainder = step(remainder, byte if little else byte << 24, code, _BYTE_0, little, bit_swap)
    return remainder


def _reversed(value: int, width: int) -> int:
    return int(f"{value:0{width}b}"[::-1], 2)


@pytest.mark.parametrize("little", [0, 1])
@pytest.mark.parametrize("start", [0, 1, 0x8000, 0xFFFF])
def test_ccitt_is_that_of_binascii(step: Step, start: int, little: int) -> None:
    for length in range(24):
        data = bytes(range(7, 7 + 11 * length, 11))
        assert _remainder(step, data, "crc_ccitt", start, little=little) == binascii.crc_hqx(data, start)


@pytest.mark.parametrize("little", [0, 1])
def test_crc_32_reflected_and_inverted_is_that_of_zlib(step: Step, little: int) -> None:
    for length in range(24):
        data = bytes(range(3, 3 + 9 * length, 9))
        remainder = _remainder(step, data, "crc_32", 0xFFFFFFFF, little=little, bit_swap=1)
        assert _reversed(remainder ^ 0xFFFFFFFF, 32) == zlib.crc32(data)


# Published check values: the CRC of the digits 1 to 9.
@pytest.mark.parametrize(
    ("crc_type", "width", "start", "reflected", "inverted", "check"),
    [
        ("crc_iscsi", 32, 0xFFFFFFFF, True, True, 0xE3069283),  # CRC-32/ISCSI
        ("crc_32", 32, 0xFFFFFFFF, False, True, 0xFC891918),  # CRC-32/BZIP2
        ("crc_ccitt", 16, 0xFFFF, False, False, 0x29B1),  # CRC-16/IBM-3740
        ("crc_10", 10, 0, False, False, 0x199),  # CRC-10/ATM
        ("crc_5", 5, 0x1F, True, True, 0x19),  # CRC-5/USB
    ],
)
def test_published_check_values(
    step: Step, crc_type: str, width: int, start: int, reflected: bool, inverted: bool, check: int
) -> None:
    remainder = _remainder(step, _CHECK, crc_type, start, bit_swap=int(reflected))
    if inverted:
        remainder ^= (1 << width) - 1
    assert (_reversed(remainder, width) if reflected else remainder) == check
