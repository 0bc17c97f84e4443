"""Two decoders that share nothing but the document agree on every word: valid or not, and which instruction it is."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ixp_emu.isa import OPERATIONS, Immediate, Instruction, InvalidWord, Label, Operand, decode, encode
from ixp_emu.isa.codes import operand_text
from tests.isa.random_words import words
from tests.reference.decode import decode as reference_decode
from tests.reference.faults import FaultError
from tests.reference.word_table import NotAnInstruction, describe

# One of these, added to the identifying bits, makes a word of each operation.
_FREE_BITS = (
    *(0, 0x300, 0x300 << 10, 0x300 << 10 | 0x300, 0x300 << 20, 0x20 << 10, 0x20),
    *(1 << 14, 1 << 28, 2, 0x308, 1 << 25 | 0x300),
)
_PLAIN = ("cam_state", "crc_type", "crc_bytes", "csr", "data", "mask", "byte", "bit", "context", "input_state", "count")
_FLOW = ("stage", "defer", "signal", "swap", "invert", "lm_addr")


def _operand(operand: Operand) -> int | str | None:
    if isinstance(operand, Immediate):
        return operand.value
    if isinstance(operand, Label):
        return operand.address
    return operand_text(operand)


def _description(instruction: Instruction) -> dict[str, Any]:
    """The registry's instruction in the terms of the second decoder."""
    entry = instruction.operation
    found: dict[str, Any] = {"name": entry.name}
    found |= {role: _operand(operand) for role, operand in instruction.operands.items()}
    for name in (*_PLAIN, *_FLOW):
        value = getattr(instruction, name)
        if value not in (0, None, False):
            found[name] = value
    if instruction.shift is not None:
        found["shift"] = str(instruction.shift)
    if instruction.signals:
        found["signals"] = instruction.signals
    if instruction.remote != (0, 0) or "remote_xfer" in found:
        found["remote"] = instruction.remote
    if "ctx_swap" in entry.tokens:
        found["signal_action"] = instruction.signal_action
    return found | dict.fromkeys(instruction.tokens, 1)


def _registry(word: int, contexts: int) -> dict[str, Any] | None:
    try:
        instruction = decode(word, contexts=contexts)
    except InvalidWord as error:
        assert error.word == word and error.reason
        return None
    assert encode(instruction, contexts=contexts) == word
    return _description(instruction)


def _second(word: int, contexts: int) -> dict[str, Any] | None:
    try:
        return describe(word, four_contexts=contexts == 4)
    except NotAnInstruction as error:
        assert str(error)
        return None


def _reference_accepts(word: int, contexts: int) -> bool:
    """Whether the reference model would execute the word."""
    try:
        reference_decode(word, four_contexts=contexts == 4)
    except FaultError as error:
        assert error.kind == "invalid word"
        return False
    return True


def _compare(seed: int, count: int) -> Counter[str]:
    """How often each operation was seen."""
    seen: Counter[str] = Counter()
    for number, word in enumerate(words(seed, count)):
        contexts = 4 if number % 5 == 0 else 8
        first, second = _registry(word, contexts), _second(word, contexts)
        assert first == second, f"{word:#012x} with {contexts} contexts"
        assert _reference_accepts(word, contexts) == (second is not None), f"{word:#012x} with {contexts} contexts"
        seen["invalid" if first is None else first["name"]] += 1
    return seen


def test_decoders_agree_on_60_000_words() -> None:
    seen = _compare(2400, 60_000)
    assert 6_000 < seen["invalid"] < 54_000  # both outcomes are tried
    assert len(seen) > len(OPERATIONS) * 0.9  # and nearly all operations


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_decoders_agree_on_a_million_words(seed: int) -> None:
    _compare(seed, 50_000)


@pytest.mark.parametrize("entry", OPERATIONS, ids=lambda entry: entry.name)
def test_decoders_agree_on_every_bit_of_a_word(entry: Any) -> None:
    """From one word of each operation every bit in turn is flipped: used, unused and identifying ones."""
    for free in _FREE_BITS:
        word = entry.fixed_value | free
        if (_registry(word, 8) or {}).get("name") == entry.name:
            break
    else:
        pytest.fail(f"no word of {entry.name} found")
    for bit in range(40):
        flipped = word ^ 1 << bit
        assert _registry(flipped, 8) == _second(flipped, 8), f"{flipped:#012x}, bit {bit}"
