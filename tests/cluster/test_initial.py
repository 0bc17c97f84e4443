"""What a program says about its image is in the chip before cycle 0."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ixp_emu.assembler import Program, assemble, parse
from ixp_emu.chip.chip import Memories, initialise, new_chips
from ixp_emu.chip.clock import advance_unlinked
from ixp_emu.chip.hardware import resolve_hardware
from ixp_emu.chip.layout import DRAM, GPR_A, GPR_B, LOCAL_MEMORY
from ixp_emu.cluster.build import ChipImage, load_image
from ixp_emu.placement.place import merge_declarations, place_structures

TEXT = """.local_mem pad local 8
.local_mem state local 16
.global_mem table dram 32 32
.structure rows element_bytes=4 count=4 access=read sharing=me memory=dram
.reg low high @total
.addr low 3 a
.addr high 4 b
.addr @total 9 b
.init low 7
.init high 1
.init_ctx 2 high 5
.init @total 11
.init state+4 21 22
.init table+24 31 32
.init rows 41 42
.entry start#
.init_ctx 0x05
    halt
start#:
    alu[low, low, +, high]
    alu[@total, low, +, @total]
    ctx_arb[kill]
"""
ENGINES = [1, 6]


def load(text: str, contexts: int = 8) -> tuple[Any, Memories, dict[str, Any], Any]:
    hardware = resolve_hardware()
    chips = new_chips(1)
    memories = Memories(hardware)
    initialise(chips[0], hardware, memories)
    parsed = parse(text, name="p.uc")
    structures = place_structures(merge_declarations([(parsed.structures, ENGINES)]), {}, hardware)
    program: Program = assemble(
        parsed, locations={name: placed.location for name, placed in structures.items()}, contexts=contexts
    )
    chip: Any = SimpleNamespace(engines={"p": ENGINES})
    load_image(chips[0], memories, ChipImage(chip, {"p": program}, structures))
    return chips[0], memories, structures, chips


@pytest.mark.parametrize("contexts", [8, 4])
def test_registers(contexts: int) -> None:
    chip, *_ = load(TEXT, contexts)
    every = range(0, 8, 8 // contexts)
    for engine in ENGINES:
        file = chip["me"][engine]["file"]
        assert [int(file[GPR_A + 16 * context + 3]) for context in range(8)] == [7 * (c in every) for c in range(8)]
        assert [int(file[GPR_B + 16 * context + 4]) for context in every] == [5 if c == 2 else 1 for c in every]
        assert int(file[GPR_B + 9]) == 11
    assert not chip["me"][0]["file"][:256].any()


def test_memory() -> None:
    chip, memories, structures, _ = load(TEXT)
    for engine in range(8):
        first = LOCAL_MEMORY + structures["state"].location.base // 4
        expected = [0, 21, 22, 0] if engine in ENGINES else [0] * 4
        assert chip["me"][engine]["file"][first : first + 4].tolist() == expected
    assert structures["state"].location.base == 8
    words = memories.words[DRAM]
    table, rows = (structures[name].location.base // 4 for name in ("table", "rows"))
    assert words[table : table + 8].tolist() == [0] * 6 + [31, 32]
    assert words[rows : rows + 8].tolist() == [41, 0, 42, 0, 0, 0, 0, 0]  # an element takes 8 bytes in DRAM


def test_only_the_named_contexts_start_and_at_the_entry() -> None:
    chip, _memories, _, chips = load(TEXT)  # the record holds the address of the memories
    advance_unlinked(chips, 200)
    for engine in ENGINES:
        me = chip["me"][engine]
        assert me["instructions"].tolist() == [3, 0, 3, 0, 0, 0, 0, 0]
        assert int(me["file"][GPR_B + 9]) == 11 + (7 + 1) + (7 + 5)
    assert int(chip["fault"]) == 0


@pytest.mark.parametrize(
    ("mode", "shared"), [("local_mem0_mode rel", 0), ("local_mem0_mode abs", 1), ("local_mem1_mode abs", 2)]
)
def test_an_lm_addr_that_all_contexts_share(mode: str, shared: int) -> None:
    """Bits 16 and 17 of CTX_ENABLES, from before cycle 0 on."""
    chip = load(f".{mode}\nnop\n")[0]
    for engine in ENGINES:
        assert int(chip["me"]["lm_global"][engine]) == shared
