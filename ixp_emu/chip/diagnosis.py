"""Names of microengines, and the fault of a chip in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ixp_emu.chip.codes import FAULT_NAMES, UNKNOWN_PC, Fault

__all__ = ["describe_fault", "engine_name", "engine_number"]

_INSTRUCTION_FAULTS = frozenset((Fault.HALT, Fault.INVALID_WORD, Fault.PC_OUTSIDE, Fault.LOCAL_MEMORY))
"""Their place says all: the record has no detail."""


def engine_number(engine: str) -> int:
    """The number 0 to 7 of a microengine "cluster:ME": "1:3" is 7.

    Raises:
        ValueError: any other text.
    """
    cluster, colon, number = engine.partition(":")
    if not colon or cluster not in ("0", "1") or number not in ("0", "1", "2", "3"):
        raise ValueError(f'"{engine}" is no engine "cluster:ME" from "0:0" to "1:3"')
    return 4 * int(cluster) + int(number)


def engine_name(number: int) -> str:
    """The inverse of `engine_number`: 7 is "1:3"."""
    return f"{number // 4}:{number % 4}"


def describe_fault(name: str, chip: Any, program: str, lines: Sequence[tuple[str, int]]) -> str:
    """The fault of a chip that has one.

    Parameters:
        name: of the chip.
        chip: CHIP record.
        program: name of what the ME with the fault runs.
        lines: (file, line) of its words, as far as known.
    """
    fault, when = int(chip["fault"]), int(chip["fault_time"])
    engine, address, detail = int(chip["fault_me"]), int(chip["fault_pc"]), int(chip["fault_detail"])
    text = f"chip {name}, cycle {when:,}: {FAULT_NAMES[fault]}"
    if engine < 0:
        return text
    text += f", ME {engine_name(engine)} ({program}), context {int(chip['fault_context'])}"
    if fault == Fault.RING_FULL:
        text += f", ring {detail}"
    elif fault == Fault.ACCESS_OUTSIDE:
        text += f", address {detail:#x}"
    elif fault not in _INSTRUCTION_FAULTS:  # of a media register: what was written
        text += f", value {detail:#x}"
    if address == UNKNOWN_PC:  # a command in the name of another ME
        return text
    if address < len(lines):
        file, line = lines[address]
        text += f", {file}:{line}"
    text += f", word {address}"
    if fault == Fault.PC_OUTSIDE and lines:
        file, line = lines[-1]
        text += f", behind {file}:{line}"
    return text
