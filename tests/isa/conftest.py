"""A parser just big enough for single instruction lines, so that these tests need no assembler."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from ixp_emu.isa import (
    NULL,
    Argument,
    Bank,
    Immediate,
    Instruction,
    Label,
    Operand,
    Register,
    RegisterKind,
    Token,
    bind,
)

_STEPS = {"": 0, "++": 1, "--": -1}
_INDEXES = {
    "*$index": RegisterKind.SRAM_INDEX,
    "*$$index": RegisterKind.DRAM_INDEX,
    "*n$index": RegisterKind.NEIGHBOR_INDEX,
    "*l$index0": RegisterKind.LOCAL_MEMORY_0,
    "*l$index1": RegisterKind.LOCAL_MEMORY_1,
}
_TRANSFERS = {"$$": RegisterKind.DRAM, "$": RegisterKind.SRAM, "n$": RegisterKind.NEIGHBOR}


def _operand(text: str) -> Operand | None:
    if text == "--":
        return NULL
    if re.fullmatch(r"-?(0|[1-9]\d*)|0x[0-9a-f]+", text):
        return Immediate(int(text, 0))
    if match := re.fullmatch(r"(@?)([ab])(\d+)", text):
        kind = RegisterKind.ABSOLUTE if match[1] else RegisterKind.GPR
        return Register(kind, int(match[3]), Bank(match[2]))
    if match := re.fullmatch(r"(\$\$|n\$|\$)(\d+)", text):
        return Register(_TRANSFERS[match[1]], int(match[2]))
    if match := re.fullmatch(r"(\*[$nl]\$?\$?index[01]?)(?:\[(\d+)\])?(\+\+|--)?", text):
        return Register(_INDEXES[match[1]], offset=int(match[2] or 0), step=_STEPS[match[3] or ""])
    if match := re.fullmatch(r"l(\d+)#", text):
        return Label(address=int(match[1]))
    if match := re.fullmatch(r"(\w+)#", text):
        return Label(name=match[1])
    if match := re.fullmatch(r"\.(@|\$\$|\$)?(\w+)", text):  # a symbolic register, for these tests only
        kinds = {None: RegisterKind.GPR, "@": RegisterKind.ABSOLUTE, "$": RegisterKind.SRAM, "$$": RegisterKind.DRAM}
        return Register(kinds[match[1]], name=match[2])
    return None


def _items(text: str) -> list[str]:
    """Split at the commas outside brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "[") - (character == "]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _call(text: str) -> tuple[str, tuple[Argument, ...]]:
    match = re.fullmatch(r"([^\[\]]+)(?:\[(.*)\])?", text)
    assert match is not None, text
    arguments = tuple(Argument(item, _operand(item.lower())) for item in _items(match[2] or ""))
    return match[1].lower(), arguments


@pytest.fixture(scope="session")
def bind_line() -> Callable[[str], Instruction]:
    """Source line -> instruction; ``.name`` is a symbolic register."""

    def bound(line: str) -> Instruction:
        head, *rest = _items(line)
        mnemonic, arguments = _call(head)
        return bind(mnemonic, arguments, [Token(*_call(item)) for item in rest])

    return bound
