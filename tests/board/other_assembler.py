"""An image as another assembler might make it: the same program with registers and signals numbered differently.

General registers are renumbered in the words, by their bit fields as ``tests/reference/encode.py`` puts them together.
Transfer registers and signals also stand in constants, so they are fixed in the source before it is assembled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ixp_emu.board import Program

__all__ = ["Renumbering", "fixed_numbers", "renumbered"]

Renumbering = Mapping[str, Sequence[int]]
"""Bank "a" or "b" -> new number of each of a context's 16 registers."""

_DECLARATION = re.compile(r"^\s*\.(?:sig|reg)\s+(?:(?:volatile|global|read|write)\s+)*(.*?)\s*(?://.*)?$")


def fixed_numbers(source: str, program: Program, *, signals: Mapping[int, int], transfer_shift: int) -> str:
    """The source with a number for every signal and transfer register it declares.

    Parameters:
        program: the source assembled as it is.
        signals: number there -> number here; of doubled ones for the first.
        transfer_shift: what is added to the number of a transfer register.
    """
    lines = []
    for line in source.splitlines():
        lines.append(line)
        declared = _DECLARATION.match(line)
        for name in re.split(r"[\s,]+", declared[1]) if declared else ():
            if name in program.signals:
                lines.append(f".addr {name} {signals[program.signals[name][0]]}")
            elif name.startswith("$"):
                lines.append(f".addr {name} {program.registers[name][0].number + transfer_shift}")
    return "\n".join(lines) + "\n"


def renumbered(words: Sequence[int], numbers: Renumbering) -> list[int]:
    """The words with other general registers."""
    return [_renumbered(word, numbers) for word in words]


def _renumbered(word: int, numbers: Renumbering) -> int:
    top = word >> 35
    destination = "b" if word >> 36 & 1 else "a"
    if not word >> 39:  # commands
        if word >> 34 == 0b001100:  # CSRs behind the CAP hold no register
            return word
        fields = [(0, 8, "a"), (10, 8, "b")]
    elif word >> 37 == 0b100:  # alu_shf
        fields = [(0, 8, "a"), (10, 8, "b"), (20, 8, destination)]
    elif word >> 37 == 0b101:  # alu
        fields = [(0, 10, "a"), (10, 10, "b"), (20, 10, destination)]
    elif top in (0b11000, 0b11001, 0b11010):  # ld_field, br=byte, br_bset
        fields = [(0, 8, "a"), (10, 8, "b")]
    elif word >> 33 == 0b1111110 and not word >> 21 & 1:  # local_csr_rd has no operand
        fields = []
    elif top in (0b11101, 0b11110) or word >> 33 == 0b1111110:  # jump, immed, local_csr
        fields = [(0, 10, "a"), (10, 10, "b")]
    elif top in (0b11011, 0b11100):  # branches on other things, ctx_arb
        fields = []
    else:
        raise ValueError(f"{word:#012x}: of a class that the test firmware does not use")
    for shift, width, bank in fields:
        code = word >> shift & (1 << width) - 1
        word += (_register(code, width, numbers[bank]) - code) << shift
    return word


def _register(code: int, width: int, numbers: Sequence[int]) -> int:
    if code < 0x20:  # relative
        return numbers[code]
    if width == 10 and 0x080 <= code < 0x100:  # absolute: the same register of the same context
        return code & ~0xF | numbers[code & 0xF]
    return code
