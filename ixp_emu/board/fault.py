"""A chip's fault as an exception."""

from __future__ import annotations

from typing import Any

from ixp_emu.assembler import Program
from ixp_emu.chip.codes import FAULT_NAMES, UNKNOWN_PC
from ixp_emu.chip.diagnosis import describe_fault

__all__ = ["ChipFault"]


class ChipFault(Exception):
    """A chip stopped: what it did is not possible. The board can still be looked at, but does not run on.

    Attributes:
        chip: name of the board.
        reason: what happened, as in the text.
        code: the same as a number of ``ixp_emu.chip.codes.Fault``.
        cycle: when.
        engine: 0..7, None if no microengine is to blame.
        context: of it.
        pc: address of the instruction, None if not known.
        place: (file, line) of the source, None if not known.
        detail: address, ring number or value, depending on the reason.
    """

    def __init__(self, name: str, chip: Any, program: Program | None) -> None:
        lines = program.lines if program is not None else []
        super().__init__(describe_fault(name, chip, program.name if program is not None else "?", lines))
        engine, address, detail = int(chip["fault_me"]), int(chip["fault_pc"]), int(chip["fault_detail"])
        self.chip = name
        self.code = int(chip["fault"])
        self.reason = FAULT_NAMES[self.code]
        self.cycle = int(chip["fault_time"])
        self.engine = engine if engine >= 0 else None
        self.context: int | None = None
        self.pc: int | None = None
        self.place: tuple[str, int] | None = None
        self.detail = detail
        if engine >= 0:
            self.context = int(chip["fault_context"])
            self.pc = address if address != UNKNOWN_PC else None
            self.place = lines[address] if address < len(lines) else None
