"""Control stores of the microengines: images of decoded words, shared by MEs with the same program.

An image is ``ustore`` (40-bit words) and two decoded forms of them, since some words mean different things with 8 and
with 4 contexts. The second form is made when an ME may need it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ixp_emu.chip.codes import ACTION_INDIRECT, ROW_SHARED, Command, Kind
from ixp_emu.chip.issue import INDIRECT_OVERRIDES
from ixp_emu.chip.layout import CONSTANTS, DRAM_IN, DRAM_OUT, ENGINES, NEIGHBOR, ROW, SRAM_IN, SRAM_OUT, STORE_WORDS
from ixp_emu.chip.rows import INDIRECT, NEIGHBOR_INDEX, build_rows
from ixp_emu.isa.csr import LOCAL_CSRS

__all__ = ["complete_store", "private_store", "store_program", "write_word"]

_NEIGHBOR_SIGNALS = [LOCAL_CSRS[f"{way}_NEIGHBOR_SIGNAL"].address for way in ("NEXT", "PREV")]
_CTX_ENABLES = LOCAL_CSRS["CTX_ENABLES"].address
_INVALID = np.zeros((), ROW)
_INVALID["kind"] = Kind.INVALID


def _image(chip: Any, engine: int) -> int:
    return int(chip["me"]["store"][engine]) % ENGINES


def _others(chip: Any, engine: int) -> set[int]:
    """Images that other MEs use."""
    me = chip["me"]
    return {_image(chip, other) for other in range(ENGINES) if other != engine and me["program_words"][other]}


def _free_image(chip: Any, engine: int) -> int:
    return min(set(range(ENGINES)) - _others(chip, engine))


def _note_neighbors(chip: Any, rows: NDArray[Any]) -> None:
    """How far other MEs may look ahead depends on what a program sends to its neighbours."""
    writes = rows["kind"] == Kind.CSR_WRITE
    latency = int(chip["engine_lookahead"])
    if np.isin(rows["target"][writes], _NEIGHBOR_SIGNALS).any():
        latency = min(latency, int(chip["neighbor_latency"]))
    destination = rows["d"]
    named = (destination >= NEIGHBOR) & (destination < CONSTANTS)
    put = destination & (INDIRECT | 7 << 12) == INDIRECT | NEIGHBOR_INDEX << 12
    if ((rows["flags"] & ROW_SHARED != 0) & (named | put)).any():
        latency = min(latency, int(chip["neighbor_register_latency"]))
    chip["engine_lookahead"] = latency


def _note_reflector(chip: Any, rows: NDArray[Any]) -> None:
    """With a reflector command about, or one that may be redirected, every ME watches all its transfer registers.

    An ME runs ahead of the clock through registers that no command in flight touches. A reflector command is another
    ME's, which may issue it when this one is already past; a mark that stays makes each access wait for the clock.
    """
    reflects = (rows["kind"] == Kind.COMMAND) & (rows["option"] >= Command.REFLECT_READ)
    if INDIRECT_OVERRIDES:
        reflects |= (rows["kind"] == Kind.COMMAND) & (rows["action"] & ACTION_INDIRECT != 0)
    if chip["reflector"] or not reflects.any():
        return
    chip["reflector"] = 1
    for first in (SRAM_IN, SRAM_OUT, *((DRAM_IN, DRAM_OUT) if INDIRECT_OVERRIDES else ())):
        chip["me"]["busy"][:, first : first + 128] += 1


def _note_interactions(chip: Any, rows: NDArray[Any]) -> None:
    """What rows that may now execute can do to other MEs bounds how far those run ahead."""
    _note_neighbors(chip, rows)
    _note_reflector(chip, rows)


def store_program(
    chip: Any, engine: int, words: Sequence[int], rows: NDArray[Any], *, four_contexts: bool = False
) -> None:
    """Give an ME a program; an image that another ME has already is shared.

    Parameters:
        words: 40-bit words.
        rows: the words decoded for the mode given.
    """
    me_words = chip["me"]["program_words"]
    mode = ENGINES if four_contexts else 0
    codes = np.array(words, np.uint64)
    for other in range(ENGINES):
        image = _image(chip, other)
        if other == engine or me_words[other] != len(rows) or not chip["store_decoded"][image + mode]:
            continue
        if np.array_equal(chip["store"][image + mode][: len(rows)], rows):
            if np.array_equal(chip["ustore"][image][: len(rows)], codes):
                break
    else:
        image = _free_image(chip, engine)
        chip["store"][image + mode] = _INVALID
        chip["store"][image + mode][: len(rows)] = rows
        chip["ustore"][image] = 0
        chip["ustore"][image][: len(rows)] = codes
        chip["store_decoded"][image::ENGINES] = 0
        chip["store_decoded"][image + mode] = 1
        chip["code"][image::ENGINES] = 0
    me_words[engine] = len(rows)
    chip["me"]["store"][engine] = image + mode
    _note_interactions(chip, rows)
    if ((rows["kind"] == Kind.CSR_WRITE) & (rows["target"] == _CTX_ENABLES)).any():
        complete_store(chip, engine)  # it may change the mode by itself


def complete_store(chip: Any, engine: int) -> None:
    """Decode an ME's control store for the mode it is not in, too; without a program there is nothing to do."""
    if not chip["me"]["program_words"][engine]:
        return
    image = _image(chip, engine)
    known = int(chip["me"]["store"][engine])
    other = image + ENGINES if known == image else image
    if chip["store_decoded"][other]:
        return
    count = int(chip["me"]["program_words"][engine])
    words = [int(word) for word in chip["ustore"][image][:count]]
    structures = chip["store"][known][:count]["structure"]
    rows = build_rows(words, structures, contexts=8 if other == image else 4)
    chip["store"][other] = _INVALID
    chip["store"][other][:count] = rows
    chip["store_decoded"][other] = 1
    chip["code"][other] = 0
    _note_interactions(chip, rows)


def private_store(chip: Any, engine: int) -> int:
    """Give an ME a control store image of its own; returns its number.

    A shared image is copied. An ME without a program gets a store whose words are all invalid.
    """
    me = chip["me"][engine]
    if not me["program_words"]:
        image = _free_image(chip, engine)
        for mode in (0, ENGINES):
            chip["store"][image + mode] = _INVALID
        chip["ustore"][image] = 0
        chip["store_decoded"][image::ENGINES] = 1
        chip["code"][image::ENGINES] = 0
        me["program_words"] = STORE_WORDS
        me["store"] = image + int(me["context_step"] == 2) * ENGINES
        return image
    image = _image(chip, engine)
    if image not in _others(chip, engine):
        return image
    copy = _free_image(chip, engine)
    for mode in (0, ENGINES):
        chip["store"][copy + mode] = chip["store"][image + mode]
    chip["ustore"][copy] = chip["ustore"][image]
    chip["store_decoded"][copy::ENGINES] = chip["store_decoded"][image::ENGINES]
    chip["code"][copy::ENGINES] = chip["code"][image::ENGINES]
    me["store"] = copy + int(me["store"]) - image
    return copy


def write_word(chip: Any, engine: int, address: int, word: int, *, valid: bool = True) -> None:
    """Write one word of an ME's control store.

    Parameters:
        address: 0..4095.
        word: 40 bits.
        valid: False for a word that is invalid whatever it says, such as one with wrong parity.
    """
    image = private_store(chip, engine)
    complete_store(chip, engine)
    chip["code"][image::ENGINES] = 0
    me = chip["me"][engine]
    chip["ustore"][image][address] = word
    me["program_words"] = max(int(me["program_words"]), address + 1)
    for mode, contexts in ((0, 8), (ENGINES, 4)):
        rows = build_rows([word], contexts=contexts, first=address)
        chip["store"][image + mode][address] = rows[0] if valid else _INVALID
        _note_interactions(chip, rows)
