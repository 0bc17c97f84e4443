"""What a stopped cluster was doing, in words: the fault of a chip, or what its contexts wait for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ixp_emu.assembler import Program
from ixp_emu.chip import diagnosis
from ixp_emu.chip.codes import ME_STALLED
from ixp_emu.chip.diagnosis import engine_name
from ixp_emu.chip.layout import CONTEXTS, ENGINES
from ixp_emu.cluster.build import ChipImage

__all__ = ["describe_fault", "waiting_lines"]

_ANY = 1 << 16
_KILLED = _ANY  # any of no signals
_SIGNALS = 0xFFFE
_FREE_LIST_ENTRIES = 63


def _program_of(image: ChipImage, engine: int) -> tuple[str, Program | None]:
    name = next((program for program, engines in image.chip.engines.items() if engine in engines), "?")
    return name, image.programs.get(name)


def _place(program: Program | None, address: int) -> str:
    """Source line of a word, or its address."""
    if program is None or address >= len(program.lines):
        return f"word {address}"
    file, line = program.lines[address]
    return f"{file}:{line}"


def describe_fault(name: str, chip: Any, image: ChipImage) -> str:
    """The fault of a chip that has one.

    Parameters:
        name: of the chip.
        chip: CHIP record.
    """
    program_name, program = _program_of(image, int(chip["fault_me"]))
    return diagnosis.describe_fault(name, chip, program_name, program.lines if program is not None else ())


# --- contexts that wait ---------------------------------------------------------------------------------------------


def waiting_lines(name: str, chip: Any, image: ChipImage) -> Iterator[str]:
    """A line per ME: what its contexts wait for, those that only wait for a packet left out.

    Parameters:
        name: of the chip.
        chip: CHIP record.
    """
    idle = _on_free_list(chip)
    for engine in range(ENGINES):
        me = chip["me"][engine]
        program_name, program = _program_of(image, engine)
        groups: dict[str, list[int]] = {}
        for context in range(CONTEXTS):
            if not int(me["enabled"]) >> context & 1 or (engine, context) in idle:
                continue
            what = _waits_for(me, context, program)
            if what:
                groups.setdefault(what, []).append(context)
        if groups:
            told = "; ".join(f"{_contexts(contexts)} {what}" for what, contexts in groups.items())
            yield f"  {name} {engine_name(engine)} ({program_name}): {told}"


def _on_free_list(chip: Any) -> set[tuple[int, int]]:
    """(ME, context) of the threads that wait for an mpacket."""
    entries = []
    for channel in chip["channel"]:
        head, count = int(channel["freelist_head"]), int(channel["freelist_count"])
        entries += [int(channel["freelist"][(head + number) & _FREE_LIST_ENTRIES]) for number in range(count)]
    return {(entry >> 7 & 7, entry >> 4 & 7) for entry in entries}


def _waits_for(me: Any, context: int, program: Program | None) -> str | None:
    """What a context waits for and where; None if it was killed."""
    request, signals = int(me["request"][context]), int(me["signals"][context])
    place = _place(program, int(me["pc"][context]))
    wanted = request & _SIGNALS
    if int(me["state"]) >= ME_STALLED and int(me["context"]) == context:  # it runs
        return f"at {place}"
    if request == _KILLED:
        return None
    if not wanted:
        return f"at {place}"
    missing = wanted & ~signals
    satisfied = wanted & signals if request & _ANY else not missing
    if satisfied:
        return f"at {place}"
    joined = (" or " if request & _ANY else " and ").join(
        _signal_name(program, number) for number in range(1, 16) if missing >> number & 1
    )
    return f"for {joined} at {place}"


def _signal_name(program: Program | None, number: int) -> str:
    """The one name of a signal in the source, else its number."""
    names = [name for name, numbers in program.signals.items() if number in numbers] if program is not None else []
    return names[0] if len(names) == 1 else f"signal {number}"


def _contexts(numbers: list[int]) -> str:
    return f"context{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
