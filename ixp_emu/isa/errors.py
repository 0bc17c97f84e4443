"""What can be wrong with an instruction (text side) and with a word (binary side)."""

from __future__ import annotations

__all__ = ["InvalidWord", "IsaError"]


class IsaError(ValueError):
    """An instruction that does not exist or does not fit; the message gives the value and the rule.

    The assembler adds file and line and raises it as ``InputError``.
    """


class InvalidWord(ValueError):
    """A 40-bit word that is no IXP2400 instruction.

    Attributes:
        word: the word.
        reason: the field and the rule it breaks.
    """

    def __init__(self, word: int, reason: str) -> None:
        self.word = word
        self.reason = reason
        super().__init__(f"{word:#012x}: {reason}")
