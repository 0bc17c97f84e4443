"""Distances the hardware wants between two instructions, over every path from the one to the other.

Between them counts whatever takes a slot: instructions, and the slots a taken branch or a swap throws away. Source:
isa.md 2.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ixp_emu import isa
from ixp_emu.assembler.dataflow import propagate
from ixp_emu.assembler.effects import index_registers, written_index_registers
from ixp_emu.assembler.flow import FlowNode

__all__ = ["Need", "causes", "needs", "too_close"]

_INDEX_BETWEEN = isa.LOCAL_CSRS["ACTIVE_LM_ADDR_0"].effect_latency
_CRC_BETWEEN = 1
_REMAINDER_BETWEEN = 5
_SIGNAL_TESTS_BETWEEN = 3
_LATE_BRANCH_BETWEEN = 1
_FARTHEST = max(_INDEX_BETWEEN, _CRC_BETWEEN, _REMAINDER_BETWEEN, _SIGNAL_TESTS_BETWEEN, _LATE_BRANCH_BETWEEN)
"""No event matters longer; the spacing of signal CSRs is at most 1."""

_CRC = "crc"
_SIGNAL_CSR = "signal CSR"
_LATE_BRANCH = "late branch"
# Branches that are decided in stage 3 of the pipe, where a branch on condition codes behind them would be decided too.
_LATE_BRANCHES = frozenset({"br.bit_set", "br.bit_clr", "br.byte", "br.not_byte", "br.signal", "br.not_signal"})
_REMAINDER = isa.LOCAL_CSRS["CRC_REMAINDER"].address
_WRITE_SPACING = {csr.address: csr.write_spacing for csr in isa.LOCAL_CSRS.values()}

_History = Mapping[str, tuple[int, str]]
"""Event -> how many slots lie between it and here at least, and what caused it."""


@dataclass(frozen=True, slots=True)
class Need:
    """A distance an instruction wants from an earlier event.

    Attributes:
        event: the event's key.
        between: slots that must lie between.
        message: what to say if fewer do; ``{found}`` and ``{cause}`` are filled in.
    """

    event: str
    between: int
    message: str


def causes(instruction: isa.Instruction) -> dict[str, str]:
    """Events an instruction causes: key -> what to call it in messages."""
    name = instruction.operation.name
    found: dict[str, str] = {}
    written = written_index_registers(instruction)
    if written is not None:
        found = dict.fromkeys(written[1], written[0])
    if name.startswith("crc_"):
        found[_CRC] = name
    if name == "local_csr_wr" and _WRITE_SPACING[instruction.csr]:
        found[_SIGNAL_CSR] = name
    if name in _LATE_BRANCHES:
        found[_LATE_BRANCH] = instruction.operation.mnemonic
    if name in ("br.signal", "br.not_signal"):
        found[_signal_event(instruction)] = instruction.operation.mnemonic
    return found


def needs(instruction: isa.Instruction) -> list[Need]:
    """Distances an instruction wants."""
    name = instruction.operation.name
    found = [
        Need(
            index,
            _INDEX_BETWEEN,
            f"{{cause}} was written {{found}} instructions before: {_INDEX_BETWEEN} must stand between, "
            "the old index is used",
        )
        for index in dict.fromkeys(index_registers(instruction))
    ]
    if name.startswith("crc_"):
        found.append(Need(_CRC, _CRC_BETWEEN, f"{_CRC_BETWEEN} instruction must stand between two crc instructions"))
    if name == "local_csr_rd" and instruction.csr == _REMAINDER:
        message = f"CRC_REMAINDER is read {{found}} instructions after crc: {_REMAINDER_BETWEEN} must stand between"
        found.append(Need(_CRC, _REMAINDER_BETWEEN, message))
    if name == "local_csr_wr" and _WRITE_SPACING[instruction.csr]:
        spacing = _WRITE_SPACING[instruction.csr]
        message = f"{spacing} instruction must stand between two writes of signal CSRs"
        found.append(Need(_SIGNAL_CSR, spacing, message))
    if name.removeprefix("br.") in isa.CONDITIONS:
        message = f"{instruction.operation.mnemonic} directly after {{cause}}: an instruction must stand between"
        found.append(Need(_LATE_BRANCH, _LATE_BRANCH_BETWEEN, message))
    if name in ("br.signal", "br.not_signal"):
        message = (
            f"signal {instruction.signal} was tested {{found}} instructions before: {_SIGNAL_TESTS_BETWEEN} must "
            "stand between"
        )
        found.append(Need(_signal_event(instruction), _SIGNAL_TESTS_BETWEEN, message))
    return found


def _signal_event(instruction: isa.Instruction) -> str:
    return f"test of signal {instruction.signal}"


def too_close(instructions: Sequence[isa.Instruction], nodes: Sequence[FlowNode]) -> list[tuple[int, str]]:
    """Index and message of every instruction that is too close behind another on some path."""
    nothing: _History = {}

    def after(index: int, history: _History) -> _History:
        events = causes(instructions[index])
        if not history and not events:
            return nothing
        return {**_later(history, 1), **{event: (0, cause) for event, cause in events.items()}}

    def along(node: FlowNode, position: int, history: _History) -> _History:
        return _later(history, node.aborted[position]) if node.aborted[position] else history

    histories = propagate(nodes, entry=nothing, elsewhere=nothing, after=after, along=along, merge=_nearest)
    found: list[tuple[int, str]] = []
    for index, history in enumerate(histories):
        if not history:
            continue
        for need in needs(instructions[index]):
            distance, cause = history.get(need.event, (need.between, ""))
            if distance < need.between:
                found.append((index, need.message.format(found=distance, cause=cause)))
    return found


def _later(history: _History, slots: int) -> _History:
    return {
        event: (distance + slots, cause) for event, (distance, cause) in history.items() if distance + slots < _FARTHEST
    }


def _nearest(one: _History, other: _History) -> _History:
    return {
        event: min(one.get(event, other.get(event, (0, ""))), other.get(event, one.get(event, (0, ""))))
        for event in {**one, **other}
    }
