"""What a program says about its image: first values, entry, contexts, modes; in the program, its object, its chip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ixp_emu.assembler import (
    InitialMemory,
    InitialRegister,
    Location,
    Program,
    RegisterName,
    assemble,
    parse,
    read_elf,
    write_elf,
)
from ixp_emu.errors import InputError
from ixp_emu.placement.place import merge_declarations

TEXT = """
.image_name "packet_filter"
.app_metadata 'revision 7'
.num_contexts 8
.ucode_size 16
.entry start#
.init_ctx 0x0f
.local_mem0_mode abs
.init_nn_mode self
.local_mem state local 64
.local_mem table scratch 32 16
.global_mem shared sram1 16
.reg first second @total list[3]
.addr first 3 a
.addr second 4 b
.addr @total 9 b
.init first 7
.init_ctx 2 second (-1)
.init @total 0x80000000
.init list[1] 10
.init table+8 1, 2, start#
.init state (1 << 4)
.init shared+4 0xffffffff
    nop
start#:
    alu[@total, first, +, second]
    alu[--, list[1], +, 0]
    immed[second, table]
    br[start#]
"""
LOCATIONS = {"state": Location("local", 0), "table": Location("scratch", 0x40), "shared": Location("sram1", 0)}


@pytest.fixture
def program(assembled: Callable[..., Program]) -> Program:
    return assembled(TEXT, locations=LOCATIONS)


def test_first_values(program: Program) -> None:
    (element,) = program.registers["list[1]"]
    assert program.initial_registers == [
        InitialRegister(RegisterName("a", 3), 7),
        InitialRegister(RegisterName("b", 4), 0xFFFFFFFF, context=2),
        InitialRegister(RegisterName("@b", 9), 0x80000000),
        InitialRegister(element, 10),
    ]
    assert program.initial_memory == [
        InitialMemory("table", 8, (1, 2, 1)),
        InitialMemory("state", 0, (16,)),
        InitialMemory("shared", 4, (0xFFFFFFFF,)),
    ]


def test_settings(program: Program) -> None:
    assert (program.image_name, program.metadata) == ("packet_filter", "revision 7")
    assert (program.entry, program.started, program.contexts) == (1, 0x0F, 8)
    assert program.modes == {"local_mem0_mode": "abs", "init_nn_mode": "self"}


def test_a_region_is_a_constant(program: Program, listing: Callable[..., list[str]]) -> None:
    text = ".local_mem t scratch 8\n.reg a\nimmed[a, (t + 4)]\nimmed[a, t]\nimmed[a, (base(t) / 2)]"
    assert [line.split(", ")[1] for line in listing(text, locations={"t": Location("scratch", 0x40)})] == [
        "68]",
        "64]",
        "32]",
    ]


def test_the_object_keeps_them(program: Program, tmp_path: Path) -> None:
    write_elf(program, tmp_path / "t.elf")
    assert read_elf(tmp_path / "t.elf") == program


def test_defaults(assembled: Callable[..., Program]) -> None:
    program = assembled("nop")
    assert (program.entry, program.started, program.image_name, program.metadata) == (0, 0xFF, "", "")
    assert program.initial_registers == program.initial_memory == []
    assert assembled(".num_contexts 4\nnop").started == 0x55


def test_an_initial_value_is_a_definition(assembled: Callable[..., Program]) -> None:
    source = ".reg a b\n{}alu[b, a, +, 1]\nalu[--, --, B, b]\nhalt"
    assert assembled(source.format("")).warnings and not assembled(source.format(".init a 1\n")).warnings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".init x 1", "t.uc:1: .init: 'x' is neither a register nor a memory region"),
        (".init", "t.uc:1: .init needs a name and values"),
        (".reg x\n.init x", "t.uc:2: .init needs a name and values"),
        (".reg x\n.init x 1 2", "t.uc:2: .init 'x': 2 value(s) for 1 register(s)"),
        (".reg x[2]\n.init x[1] 1 2", "t.uc:2: .init 'x': 2 value(s) for 2 register(s)"),
        (".reg x\n.init x 0x100000000\nimmed[x, 1]", "t.uc:2: .init: 4294967296 does not fit in 32 bits"),
        (".reg x\n.init x y#\nimmed[x, 1]", "t.uc:2: .init: label 'y#' is not defined"),
        (".reg $x\n.init $x 1", "t.uc:2: .init: $ transfer register '$x' has no initial value"),
        (".reg @x\n.init_ctx 1 @x 1", "t.uc:2: .init_ctx: '@x' belongs to all contexts: write .init"),
        (".reg x\n.init_ctx 8 x 1\nimmed[x, 1]", "t.uc:2: .init_ctx 8: context must be 0..7"),
        (
            ".num_contexts 4\n.reg x\n.init_ctx 1 x 1\nimmed[x, 1]",
            "t.uc:3: .init_ctx 1: context must be 0, 2, 4 or 6",
        ),
        (".init_ctx 0", "t.uc:1: .init_ctx 0x0: the mask of contexts must be 1..0xff"),
        (".init_ctx 256", "t.uc:1: .init_ctx 0x100: the mask of contexts must be 1..0xff"),
        (".init_ctx 1\n.init_ctx 2", "t.uc:2: .init_ctx is given twice"),
        (".entry 1\nnop", "t.uc:1: .entry 1: must be 0..0"),
        (".entry x#\nnop", "t.uc:1: .entry: label 'x#' is not defined"),
        (".entry 0\n.entry 0\nnop", "t.uc:2: .entry is given twice"),
        (".ucode_size 4097", "t.uc:1: .ucode_size 4097: must be 1..4096"),
        (".ucode_size 1\nnop\nnop", "t.uc:3: program too long: 2 words, 1 available"),
        (".local_mem0_mode on", "t.uc:1: .local_mem0_mode 'on': must be rel or abs"),
        (".image_name", "t.uc:1: .image_name needs one value, not 0"),
        (
            ".local_mem x cls 4",
            "t.uc:1: .local_mem 'x': memory 'cls': must be scratch, sram, sram0, sram1, dram, local, lmem",
        ),
        (".local_mem x sram 6", "t.uc:1: .local_mem 'x': size 6: must be a positive multiple of 4 bytes"),
        (".local_mem x sram 8 6", "t.uc:1: .local_mem 'x': alignment 6: must be a power of two, 4 or more"),
        (".local_mem x sram", "t.uc:1: .local_mem needs a name, a memory, a size in bytes and perhaps an alignment"),
        (
            ".global_mem x local 8",
            "t.uc:1: .global_mem 'x': a local memory belongs to one microengine: write .local_mem",
        ),
        (
            ".local_mem x sram 8\n.init x+4 1 2\nnop",
            "t.uc:2: .init x+4: 2 longword(s): must be at a multiple of 4 inside 8 bytes",
        ),
        (
            ".local_mem x sram 8\n.init x+2 1\nnop",
            "t.uc:2: .init x+2: 1 longword(s): must be at a multiple of 4 inside 8 bytes",
        ),
        (".operand_synonym a b", "t.uc:1: .operand_synonym: is obsolete: write #define"),
        (
            ".alloc_mem a cls me 8",
            "t.uc:1: .alloc_mem: belongs to the NFP, not to the IXP2400: write .local_mem or .global_mem",
        ),
    ],
)
def test_errors(refused: Callable[..., str], text: str, message: str) -> None:
    assert refused(text) == message


def test_a_local_region_of_two_programs_is_refused_and_a_global_one_shared() -> None:
    both = [(parse(f".global_mem t scratch 8\n.init t {n}\nnop\n", name=f"{n}.uc").structures, [n]) for n in (0, 1)]
    assert merge_declarations(both)["t"].engines == {0, 1}
    own = [(parse(".local_mem t scratch 8\nnop\n", name=f"{n}.uc").structures, [n]) for n in (0, 1)]
    with pytest.raises(InputError) as caught:
        merge_declarations(own)
    assert str(caught.value) == (
        "1.uc:1: .local_mem t: another program declares it too (0.uc:1): write .global_mem in both to share it"
    )


def test_assembling_twice_gives_the_same(program: Program) -> None:
    parsed = parse(".reg a\n.init a 1\nalu[--, --, B, a]\n", name="t.uc")
    assert assemble(parsed) == assemble(parsed)
