"""Raw images: 5 bytes per word, most significant byte first, and nothing else. Source: isa.md 3.5."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ixp_emu.assembler.binary_file import read_binary
from ixp_emu.assembler.program import CONTROL_STORE_WORDS, Program
from ixp_emu.errors import InputError

__all__ = ["raw_words", "read_raw", "write_raw"]

_WORD_BYTES = 5


def write_raw(program: Program | Sequence[int], path: str | Path) -> None:
    """Writes the words alone.

    Raises:
        InputError: the program has references: a raw image cannot be linked.
    """
    if isinstance(program, Program):
        for reference in program.references.values():
            needed = (
                f"import variable {reference.symbol} has no value"
                if reference.is_import
                else f"structure {reference.symbol} has no address"
            )
            raise InputError(f"a raw image cannot be linked, and {needed}", file=program.name)
    words = program.words if isinstance(program, Program) else program
    Path(path).write_bytes(b"".join(word.to_bytes(_WORD_BYTES, "big") for word in words))


def read_raw(path: str | Path) -> list[int]:
    """Words of a raw image. Raises InputError as ``raw_words``, or when the file cannot be read."""
    return raw_words(read_binary(path), path)


def raw_words(data: bytes, path: str | Path) -> list[int]:
    """Words of a raw image's content.

    Raises:
        InputError: no words, more than a control store holds, or a size that is no multiple of 5 bytes.
    """
    if not data:
        raise InputError("the file is empty", file=path)
    if len(data) % _WORD_BYTES:
        raise InputError(
            f"neither an object nor a raw image: {len(data)} bytes, there are {_WORD_BYTES} per word", file=path
        )
    if len(data) > CONTROL_STORE_WORDS * _WORD_BYTES:
        raise InputError(f"{len(data) // _WORD_BYTES} words: a control store has {CONTROL_STORE_WORDS}", file=path)
    return [int.from_bytes(data[start : start + _WORD_BYTES], "big") for start in range(0, len(data), _WORD_BYTES)]
