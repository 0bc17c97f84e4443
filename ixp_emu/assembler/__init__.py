"""Microcode text -> IXP2400 words, and back.

``parse`` reads a program, ``assemble`` turns it into a :class:`Program` once its structures have memories, ``link``
puts in the addresses that were not known then, ``write_elf`` and ``read_elf`` keep it in a file, ``disassemble`` prints
words as a program that assembles to the same words.
"""

from __future__ import annotations

from ixp_emu.assembler.assemble import ParsedProgram, assemble, parse
from ixp_emu.assembler.disassemble import disassemble
from ixp_emu.assembler.elf import read_elf, write_elf
from ixp_emu.assembler.link import link
from ixp_emu.assembler.program import (
    CONTROL_STORE_WORDS,
    InitialMemory,
    InitialRegister,
    Program,
    Reference,
    RegisterName,
)
from ixp_emu.assembler.raw_image import read_raw, write_raw
from ixp_emu.assembler.structures import Location, StructureDeclaration

__all__ = [
    "CONTROL_STORE_WORDS",
    "InitialMemory",
    "InitialRegister",
    "Location",
    "ParsedProgram",
    "Program",
    "Reference",
    "RegisterName",
    "StructureDeclaration",
    "assemble",
    "disassemble",
    "link",
    "parse",
    "read_elf",
    "read_raw",
    "write_elf",
    "write_raw",
]
