"""Object files and raw images: what is written is read back, by this reader and by pyelftools alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from ixp_emu.assembler import Location, Program, read_elf, read_raw, write_elf, write_raw
from ixp_emu.errors import InputError

TEXT = """.structure T element_bytes=8 count=4 access=read,add sharing=me
#macro twice()
nop
nop
#endm
.init_nn_mode self
.reg i @total $x
.sig s
start#: immed[i, 2]
alu[@total, @total, +, i]
twice()
sram[read, $x, i, 0, 1], ctx_swap[s], structure[T]
.reg unset
alu[--, --, B, unset]
br[start#]
"""


@pytest.fixture
def program(assembled: Callable[..., Program]) -> Program:
    return assembled(TEXT, locations={"T": Location("sram0", 0)}, contexts=4)


def test_round_trip(program: Program, tmp_path: Path) -> None:
    assert program.warnings
    assert program.structures.count("T") == 1
    write_elf(program, tmp_path / "t.elf")
    assert read_elf(tmp_path / "t.elf") == program


def test_the_layout_is_as_documented(program: Program, tmp_path: Path) -> None:
    write_elf(program, tmp_path / "t.elf")
    with (tmp_path / "t.elf").open("rb") as file:
        elf: Any = ELFFile(file)
        assert (elf.elfclass, elf.little_endian) == (32, True)
        code = elf.get_section_by_name(".ixp.ucode").data()
        assert [int.from_bytes(code[k : k + 8], "little") for k in range(0, len(code), 8)] == program.words
        symbols = {symbol.name: symbol["st_value"] for symbol in elf.get_section_by_name(".symtab").iter_symbols()}
        assert symbols["start"] == 0
        lines = elf.get_section_by_name(".ixp.lines").data()
        assert len(lines) == 16 * len(program.words)
        numbers = [int.from_bytes(lines[k : k + 4], "little") for k in range(0, len(lines), 4)]
        assert numbers[8:12] == [0, 3, 0, 11]


def test_raw_image(program: Program, tmp_path: Path) -> None:
    write_raw(program, tmp_path / "t.raw")
    assert (tmp_path / "t.raw").read_bytes()[:5] == program.words[0].to_bytes(5, "big")
    assert read_raw(tmp_path / "t.raw") == program.words


def test_a_raw_image_of_known_words(tmp_path: Path) -> None:
    write_raw([0xE000020000, 0xF0000C0300], tmp_path / "t.raw")
    assert (tmp_path / "t.raw").read_bytes().hex() == "e000020000f0000c0300"


def test_errors(tmp_path: Path) -> None:
    path = tmp_path / "t"

    def message(read: Callable[[Path], object]) -> str:
        with pytest.raises(InputError) as caught:
            read(path)
        return str(caught.value)

    assert message(read_elf) == f"{path}: cannot read the object: No such file or directory"
    assert message(read_raw) == f"{path}: cannot read the image: No such file or directory"
    path.write_bytes(b"1234567")
    assert message(read_elf) == f"{path}: not an ELF object: Magic number does not match"
    assert message(read_raw) == f"{path}: 7 bytes: a raw image has 5 bytes per word"


def test_an_elf_file_of_another_kind(program: Program, tmp_path: Path) -> None:
    write_elf(program, tmp_path / "t.elf")
    other = tmp_path / "other.elf"
    other.write_bytes((tmp_path / "t.elf").read_bytes().replace(b".ixp.ucode", b".ixp.other"))
    with pytest.raises(InputError) as caught:
        read_elf(other)
    assert str(caught.value) == f"{other}: no section .ixp.ucode: not a microengine object"
