"""Random words for the tests of the encoding: uniform ones, ones that look legal, and valid ones with a bit flipped."""

from __future__ import annotations

import random
from collections.abc import Iterator

from ixp_emu.isa import LOCAL_CSRS, InvalidWord, Operation, decode
from ixp_emu.isa.codes import RESTRICTED, UNRESTRICTED
from ixp_emu.isa.controls import CamState
from ixp_emu.isa.fields import LocalCsrAddress
from ixp_emu.isa.operation import Part
from ixp_emu.isa.ports import PORT_B, Ports
from ixp_emu.isa.register_fields import Destination, LocalCsrSource
from tests.reference.word_table import CLASSES

__all__ = ["legal_looking", "uniform", "with_a_bit_flipped", "words", "words_of"]

_WORD_BITS = 40
# Operand codes that mean something, a few of each kind, and their neighbours that do not (isa.md 3.2).
_WIDE = (
    0x000, 0x001, 0x00F, 0x010, 0x01F, 0x020, 0x07F, 0x080, 0x0FF, 0x100, 0x101, 0x102, 0x104, 0x140, 0x142, 0x144,
    0x180, 0x18F, 0x190, 0x1C0, 0x1CF, 0x1D0, 0x200, 0x20F, 0x210, 0x211, 0x212, 0x220, 0x22F, 0x230, 0x231, 0x240,
    0x241, 0x243, 0x280, 0x28F, 0x290, 0x2A0, 0x2FF, 0x300, 0x301, 0x30E, 0x30F, 0x310, 0x380, 0x3E6, 0x3FF,
)  # fmt: skip
_NARROW = (
    0x00, 0x01, 0x0F, 0x10, 0x1F, 0x20, 0x21, 0x3F, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x48, 0x4A, 0x4C, 0x4E, 0x50,
    0x57, 0x58, 0x5F, 0x60, 0x7F, 0x80, 0x8F, 0x90, 0xA0, 0xC0, 0xCF, 0xD0, 0xE0, 0xFF,
)  # fmt: skip
_OPERANDS = frozenset("abd")


def uniform(source: random.Random) -> int:
    """Any word."""
    return source.getrandbits(_WORD_BITS)


def _fields(pattern: str) -> Iterator[tuple[str, int]]:
    """(letter or fixed bit, width) of each field of a class."""
    digits = pattern.replace(" ", "")
    position = 0
    while position < len(digits):
        end = position + 1
        while digits[position] not in "01" and end < len(digits) and digits[end] == digits[position]:
            end += 1
        yield digits[position], end - position
        position = end


_LAYOUTS = [list(_fields(pattern)) for pattern in CLASSES.values()]


def legal_looking(source: random.Random) -> int:
    """A word of some class whose fields hold mostly what such fields hold; unused bits are 0."""
    word = 0
    for letter, width in source.choice(_LAYOUTS):
        if letter in "01":
            value = int(letter)
        elif letter in _OPERANDS and width >= 8:
            codes = _WIDE if width == 10 else _NARROW
            value = source.choice((source.choice(codes), 0x300 if width == 10 else 0x20, source.randrange(16), 0))
        else:
            value = source.choice((source.getrandbits(width), 0, source.getrandbits(width) & source.getrandbits(width)))
        word = word << width | value
    return word


def with_a_bit_flipped(word: int, source: random.Random) -> int:
    """The word with one bit changed."""
    return word ^ 1 << source.randrange(_WORD_BITS)


def words(seed: int, count: int) -> Iterator[int]:
    """Words of all kinds, the same for a seed: a quarter uniform, half legal looking, a quarter with a bit flipped."""
    source = random.Random(seed)
    for number in range(count):
        if number % 4 == 0:
            yield uniform(source)
            continue
        word = legal_looking(source)
        yield word if number % 2 else with_a_bit_flipped(word, source)


def _operand_fields(part: Part) -> list[tuple[int, int]]:
    """(lowest bit, width) of the operand codes of a part."""
    if isinstance(part, Ports):
        return [(0, part.form.width), (PORT_B, part.form.width)]
    if isinstance(part, Destination):
        return [(part.low, part.form.width)]
    if isinstance(part, LocalCsrSource):
        return [(0, 10), (PORT_B, 10)]
    return [(20, 10)] if isinstance(part, CamState) else []


def words_of(entry: Operation, random_source: random.Random, wanted: int) -> Iterator[int]:
    """Valid words of one operation, its free bits drawn at random."""
    found = 0
    for _ in range(200_000):
        if found == wanted:
            return
        free = random_source.getrandbits(40) & entry.used_mask & ~entry.fixed_mask
        for part in entry.parts:
            # Random bits are rarely a legal operand code, so half of the fields get one.
            for low, width in _operand_fields(part):
                form = RESTRICTED if width == 8 else UNRESTRICTED
                constant = form.encode_constant(random_source.getrandbits(random_source.choice((2, 7))))
                registers = (random_source.choice(tuple(form.codes.values())), random_source.randrange(16))
                code = random_source.choice((*registers, constant, form.constant, 0))
                free = free & ~(((1 << width) - 1) << low) | code << low
            if isinstance(part, LocalCsrAddress):
                address = random_source.choice([csr.address for csr in LOCAL_CSRS.values()])
                free = free & ~part.mask | (address // 4) << 22
        word = entry.fixed_value | free & ~entry.fixed_mask
        try:
            instruction = decode(word)
        except InvalidWord:
            continue
        if instruction.operation is entry:
            found += 1
            yield word
    raise AssertionError(f"{entry.name}: only {found} valid words")
