"""Instruction <-> 40-bit word, driven by the registry."""

from __future__ import annotations

from ixp_emu.isa.errors import InvalidWord, IsaError
from ixp_emu.isa.instruction import Draft, Instruction
from ixp_emu.isa.registry import CANDIDATES, CLASS_SHIFT

__all__ = ["decode", "encode"]

_WORD = (1 << 40) - 1


def encode(instruction: Instruction, *, contexts: int = 8) -> int:
    """The 40-bit word of an instruction.

    Parameters:
        contexts: 8 or 4, the mode of the microengine it is for.

    Raises:
        IsaError: something is still symbolic or does not fit; the message starts with the operation's name.
    """
    entry = instruction.operation
    word = entry.fixed_value
    try:
        for part in entry.parts:
            word |= part.encode(instruction, contexts)
    except IsaError as error:
        raise IsaError(f"{entry.name}: {error}") from None
    except KeyError as error:
        raise IsaError(f"{entry.name}: operand {error.args[0]} is missing") from None
    return word


def decode(word: int, *, contexts: int = 8) -> Instruction:
    """The instruction of a 40-bit word; ``encode`` of it gives the word back.

    Raises:
        InvalidWord: a field has a value outside its table, or an unused bit is set.
    """
    if not 0 <= word <= _WORD:
        raise InvalidWord(word, "a word has 40 bits")
    reason = "no operation is identified by these bits"
    for entry in CANDIDATES[word >> CLASS_SHIFT]:
        if word & entry.fixed_mask != entry.fixed_value:
            continue
        unused = word & ~entry.used_mask
        if unused:
            reason = f"{entry.name}: unused bit {unused.bit_length() - 1} is set"
            continue
        draft = Draft(entry)
        try:
            for part in entry.parts:
                part.decode(word, contexts, draft)
        except IsaError as error:
            reason = f"{entry.name}: {error}"
            continue
        return draft.finish()
    raise InvalidWord(word, reason)
