"""Linking: the addresses and import variables that a program left open go into its words."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from ixp_emu import isa
from ixp_emu.assembler.program import Program, Reference
from ixp_emu.assembler.structures import Location, base_constant
from ixp_emu.errors import InputError

__all__ = ["link", "unit_of"]

_HALF_MASK = 0xFFFF


def unit_of(memory: str) -> str:
    """The unit whose commands reach a memory: ``sram`` for both channels, which only the address tells apart."""
    return "sram" if memory.startswith("sram") else memory


def link(
    program: Program,
    *,
    locations: Mapping[str, Location] | None = None,
    import_vars: Mapping[str, int] | None = None,
) -> Program:
    """The program with every reference replaced by its value.

    Parameters:
        locations: structure -> where it lives, as for ``assemble``. A structure that was assembled for an address must
            be there; one that was not may be anywhere in a memory of the same unit.
        import_vars: import variable -> value, names with or without ``i$``.

    Raises:
        InputError: a structure elsewhere, a value that is missing, or one that does not fit.
    """
    found = {name.lower(): location for name, location in (locations or {}).items()}
    for name, assembled in program.locations.items():
        _check_location(program, name, assembled, found.get(name.lower()))
    values = {name.lower(): base_constant(location) for name, location in found.items() if not location.relocatable}
    values |= {f"i${name.lower().removeprefix('i$')}": value for name, value in (import_vars or {}).items()}
    if not program.references:
        return program
    words = list(program.words)
    for address, reference in program.references.items():
        words[address] = _linked(program, address, _value(program, address, reference, values))
    at = {**program.locations, **{name: found[name.lower()] for name in program.locations}}
    used = sorted({(item.symbol, values[item.symbol.lower()]) for item in program.references.values()})
    digest = hashlib.sha256(repr((program.digest, used)).encode()).hexdigest()
    return replace(program, words=words, locations=at, references={}, digest=digest)


def _check_location(program: Program, name: str, assembled: Location, wanted: Location | None) -> None:
    if wanted is None:
        raise InputError(f"structure {name} has no location", file=program.name)
    if unit_of(wanted.memory) == unit_of(assembled.memory) and (assembled.relocatable or wanted == assembled):
        return
    here = assembled.memory if assembled.relocatable else f"{assembled.memory} at {assembled.base:#x}"
    there = wanted.memory if assembled.relocatable else f"{wanted.memory} at {wanted.base:#x}"
    option = wanted.memory if assembled.relocatable else f"{wanted.memory}:{wanted.base:#x}"
    raise InputError(
        f"structure {name} was assembled for {here}, it lives in {there}: assemble with --place {name}={option}",
        file=program.name,
    )


def _value(program: Program, address: int, reference: Reference, values: Mapping[str, int]) -> int:
    symbol = values.get(reference.symbol.lower())
    if symbol is None:
        what = "import variable" if reference.is_import else "the address of structure"
        raise _located(program, address, f"{what} {reference.symbol} has no value")
    value = symbol + reference.addend & 0xFFFF_FFFF
    if reference.part == "whole":
        if value > _HALF_MASK:
            raise _located(
                program, address, f"{reference} is {value:#x}: immed takes 0 to 0xffff; load it in two halves"
            )
        return value
    return value >> 16 if reference.part == "high" else value & _HALF_MASK


def _linked(program: Program, address: int, value: int) -> int:
    instruction = isa.decode(program.words[address], contexts=program.contexts)
    operands = {**instruction.operands, "value": isa.Immediate(value)}
    return isa.encode(replace(instruction, operands=operands), contexts=program.contexts)


def _located(program: Program, address: int, message: str) -> InputError:
    file, line = program.lines[address] if address < len(program.lines) else (program.name, None)
    return InputError(message, file=file, line=line)
