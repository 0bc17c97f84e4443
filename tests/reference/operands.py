"""Reading and writing the operands of an instruction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .faults import FaultError
from .words import Operand

if TYPE_CHECKING:
    from .microengine import Microengine

__all__ = ["Operands"]

_LOCAL_MEMORY_WORDS = 640


class Operands:
    """Access to one ME's registers as its executing context sees them; notes post-modifies until they are due."""

    def __init__(self, engine: Microengine) -> None:
        self._engine = engine
        self._modified: dict[tuple[str, int], int] = {}

    def physical(self, number: int) -> int:
        """Number in the file of a context's register."""
        engine = self._engine
        return (
            engine.executing_context // 2 * 32 + number
            if engine.four_contexts
            else (engine.executing_context * 16 + number)
        )

    def _lm_word(self, operand: Operand) -> int:
        engine = self._engine
        address = engine.lm_addr_copy(operand.index)[operand.index] >> 2 | operand.number
        if address >= _LOCAL_MEMORY_WORDS:
            raise FaultError("local memory", f"word address {address}, there are {_LOCAL_MEMORY_WORDS}")
        return address

    def _note_modify(self, operand: Operand) -> None:
        if operand.modify:
            kind = {"lm": "lm", "neighbor_index": "neighbor"}.get(operand.kind, "t")
            self._modified[kind, operand.index] = operand.modify

    def read(self, operand: Operand) -> int:
        engine, kind, number = self._engine, operand.kind, operand.number
        self._note_modify(operand)
        if kind == "immediate":
            return number
        if kind == "none":
            return 0
        if kind == "gpr_a":
            return engine.gpr_a[self.physical(number)]
        if kind == "gpr_b":
            return engine.gpr_b[self.physical(number)]
        if kind == "absolute_a":
            return engine.gpr_a[number]
        if kind == "absolute_b":
            return engine.gpr_b[number]
        if kind == "sram":
            return engine.sram_in[self.physical(number)]
        if kind == "dram":
            return engine.dram_in[self.physical(number)]
        if kind == "sram_index":
            return engine.sram_in[engine.t_index >> 2]
        if kind == "dram_index":
            return engine.dram_in[engine.t_index >> 2]
        if kind == "neighbor":
            return engine.neighbor.read(engine.executing_context * 16 + number)
        if kind == "neighbor_index":
            return engine.neighbor.read(engine.neighbor.get)
        assert kind == "lm"
        return engine.local_memory[self._lm_word(operand)]

    def read_destination(self, operand: Operand) -> int:
        """What an instruction that replaces a part of its destination keeps; moves no index."""
        return self.read(Operand(operand.kind, operand.number, operand.index))

    def check_destination(self, operand: Operand) -> None:
        """Raise what a write would raise, before anything has changed."""
        if operand.kind == "lm":
            self._lm_word(operand)

    def write(self, operand: Operand, value: int) -> None:
        engine, kind, number = self._engine, operand.kind, operand.number
        if kind == "neighbor":
            engine.write_neighbor(engine.executing_context * 16 + number, value)
            return
        if kind == "neighbor_index":
            engine.put_neighbor(value)
            return
        self._note_modify(operand)
        if kind == "gpr_a":
            engine.gpr_a[self.physical(number)] = value
        elif kind == "gpr_b":
            engine.gpr_b[self.physical(number)] = value
        elif kind == "absolute_a":
            engine.gpr_a[number] = value
        elif kind == "absolute_b":
            engine.gpr_b[number] = value
        elif kind == "sram":
            engine.sram_out[self.physical(number)] = value
        elif kind == "dram":
            engine.dram_out[self.physical(number)] = value
        elif kind == "sram_index":
            engine.sram_out[engine.t_index >> 2] = value
        elif kind == "dram_index":
            engine.dram_out[engine.t_index >> 2] = value
        elif kind == "lm":
            engine.local_memory[self._lm_word(operand)] = value

    def post_modify(self) -> None:
        """At the end of an instruction: the indices it moved take effect for the next one, each moved once."""
        engine = self._engine
        for (register, index), step in self._modified.items():
            if register == "lm":
                lm_addr = engine.lm_addr_copy(index)
                lm_addr[index] = lm_addr[index] + 4 * step & 0xFFC
            elif register == "neighbor":
                engine.neighbor.consume()
            else:
                engine.t_index = engine.t_index + 4 * step & 0x1FC
        self._modified = {}
