"""Microcode text -> IXP2400 words, and back.

``parse`` reads a program, ``assemble`` turns it into a :class:`Program` once its structures have memories, ``link``
puts in the addresses that were not known then, ``write_elf`` and ``read_elf`` keep it in a file, ``disassemble`` prints
words as a program that assembles to the same words.

Each name is imported when it is first used: a run whose programs are assembled already needs no parser.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ixp_emu.assembler.assembly import ParsedProgram, assemble, parse
    from ixp_emu.assembler.disassembly import disassemble
    from ixp_emu.assembler.elf import read_elf, write_elf
    from ixp_emu.assembler.linking import link
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

_MODULES = {
    "assembly": ("ParsedProgram", "assemble", "parse"),
    "disassembly": ("disassemble",),
    "elf": ("read_elf", "write_elf"),
    "linking": ("link",),
    "program": (
        "CONTROL_STORE_WORDS",
        "InitialMemory",
        "InitialRegister",
        "Program",
        "Reference",
        "RegisterName",
    ),
    "raw_image": ("read_raw", "write_raw"),
    "structures": ("Location", "StructureDeclaration"),
}
"""Module -> its names above. No name is also a module's: importing that module would put it in the name's place."""


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
