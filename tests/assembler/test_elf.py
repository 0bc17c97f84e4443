"""Object files: what is written is read back, by this reader, by pyelftools alone and by readelf."""

from __future__ import annotations

import hashlib
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from ixp_emu.assembler import Location, Program, Reference, assemble, parse, read_elf, write_elf
from ixp_emu.assembler.elf import elf_program
from ixp_emu.errors import InputError

TEXT = """.structure T element_bytes=8 count=4 access=read,add sharing=me
.structure U element_bytes=4 count=2 access=read sharing=me
.import_var i$limit
#macro twice()
nop
nop
#endm
.init_nn_mode self
.reg i @total $x u
.sig s
start#: immed[i, 2]
alu[@total, @total, +, i]
twice()
sram[read, $x, i, 0, 1], ctx_swap[s], structure[T]
state_base[u, U]
alu[--, i, +, u]
immed[u, (i$limit + 2)]
alu[--, i, +, u]
.reg unset
alu[--, --, B, unset]
br[start#]
"""
LOCATIONS = {"T": Location("sram0", 0x40), "U": Location("sram1", relocatable=True)}


@pytest.fixture
def program(assembled: Callable[..., Program]) -> Program:
    return assembled(TEXT, locations=LOCATIONS, contexts=4, defines={"N": 3, "M": None})


@pytest.fixture
def file(program: Program, tmp_path: Path) -> Path:
    write_elf(program, tmp_path / "t.elf")
    return tmp_path / "t.elf"


def test_round_trip(program: Program, file: Path) -> None:
    assert program.warnings
    assert program.structures.count("T") == 1
    assert program.defines == {"N": "3", "M": "1"}
    assert program.references == {
        5: Reference("u", "low"),
        6: Reference("u", "high"),
        8: Reference("i$limit", "whole", 2),
    }
    assert read_elf(file) == program


@pytest.mark.parametrize("words", [0, 1, 4_096])
def test_round_trip_of_any_length(words: int, tmp_path: Path) -> None:
    """A label may stand behind the last word; each word has a line of its own, backwards and far too."""
    text = "".join(f"{'' if n % 2 else chr(10) * 70}nop\n" for n in range(words)) + "end#:\n"
    program = assemble(parse(text, name="t.uc"))
    assert len(program.words) == words
    write_elf(program, tmp_path / "t.elf")
    assert read_elf(tmp_path / "t.elf") == program


def test_a_program_without_lines(tmp_path: Path) -> None:
    write_elf(Program("bare", [0xE000020000]), tmp_path / "t.elf")
    assert read_elf(tmp_path / "t.elf") == Program("bare", [0xE000020000])


def test_the_same_program_is_the_same_file(program: Program, file: Path, tmp_path: Path) -> None:
    write_elf(read_elf(file), tmp_path / "again.elf")
    assert (tmp_path / "again.elf").read_bytes() == file.read_bytes()


# --- other readers --------------------------------------------------------------------------------------------------


def test_the_layout_is_as_documented(program: Program, file: Path) -> None:
    with file.open("rb") as stream:
        elf: Any = ELFFile(stream)
        assert (elf.elfclass, elf.little_endian, elf["e_type"]) == (32, True, "ET_REL")
        code = elf.get_section_by_name(".ixp.ucode")
        data = code.data()
        assert [int.from_bytes(data[k : k + 8], "little") for k in range(0, len(data), 8)] == program.words
        table = elf.get_section_by_name(".symtab")
        symbols = {symbol.name: symbol for symbol in table.iter_symbols()}
        start = symbols["start"]
        assert (elf.get_section(start["st_shndx"]).name, start["st_value"]) == (".ixp.ucode", 0)
        for name, registers in program.registers.items():
            for register in registers:
                symbol = symbols[f"{name}:{register}"]
                assert (symbol["st_shndx"], symbol["st_value"]) == ("SHN_ABS", register.number)
        assert symbols[f"s:signal{program.signals['s'][0]}"]["st_value"] == program.signals["s"][0]
        placed, later, imported = symbols["T"], symbols["U"], symbols["i$limit"]
        assert (placed["st_shndx"], placed["st_value"], placed["st_size"]) == ("SHN_ABS", 0x40, 32)
        assert (later["st_shndx"], later["st_size"], imported["st_shndx"]) == ("SHN_UNDEF", 8, "SHN_UNDEF")
        relocations = elf.get_section_by_name(".rela.ixp.ucode")
        assert elf.get_section(relocations["sh_info"]).name == ".ixp.ucode"
        names = [symbol.name for symbol in table.iter_symbols()]
        assert [
            (entry["r_offset"], names[entry["r_info_sym"]], entry["r_info_type"], entry["r_addend"])
            for entry in relocations.iter_relocations()
        ] == [(5 * 8, "U", 2, 0), (6 * 8, "U", 3, 0), (8 * 8, "i$limit", 1, 2)]


def rows_of(file: Path) -> list[tuple[int, str, int]]:
    """(address, file, line) of every row of the line table, read with pyelftools."""
    rows = []
    with file.open("rb") as stream:
        debug: Any = ELFFile(stream).get_dwarf_info()
        (unit,) = debug.iter_CUs()
        table = debug.line_program_for_CU(unit)
        for entry in table.get_entries():
            state = entry.state
            if state is not None and not state.end_sequence:
                rows.append((state.address, table["file_entry"][state.file - 1].name.decode(), state.line))
    return rows


def test_the_line_table_is_the_programs(program: Program, file: Path) -> None:
    assert rows_of(file) == [(8 * address, *line) for address, line in enumerate(program.lines)]


@pytest.mark.parametrize("source", ["firmware/rx.uc", "services/forward/forward.uc", "firmware/tx.uc"])
def test_the_line_table_of_programs_of_many_files(source: str, tmp_path: Path) -> None:
    defines = {"ENGINES_RX": 1, "ENGINES_FORWARD": 2, "ENGINES_TX": 1, "ROUTE_WORDS": 70_000, "NEXT_HOPS": 16}
    parsed = parse(f"builtin:{source}", defines=defines)
    program = assemble(parsed, locations={item.name: Location("dram", relocatable=True) for item in parsed.structures})
    write_elf(program, tmp_path / "t.elf")
    assert len({file for file, _ in program.lines}) > 2
    assert rows_of(tmp_path / "t.elf") == [(8 * address, *line) for address, line in enumerate(program.lines)]


@pytest.mark.skipif(shutil.which("readelf") is None, reason="needs readelf")
def test_readelf_reads_it_without_a_warning(program: Program, file: Path) -> None:
    def readelf(*options: str) -> str:
        done = subprocess.run(["readelf", *options, file], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        assert not re.search("warning|error|corrupt|<unknown>", done.stdout, re.IGNORECASE)
        return done.stdout

    assert "UND i$limit" in readelf("-a", "-W", "--debug-dump")
    shown = re.findall(r"^t\.uc +(\d+) +(0x[0-9a-f]+|0)\b", readelf("-W", "--debug-dump=decodedline"), re.MULTILINE)
    assert [(int(line), int(address, 16) // 8) for line, address in shown[: len(program.words)]] == [
        (line, address) for address, (_, line) in enumerate(program.lines)
    ]


# --- what is no object ----------------------------------------------------------------------------------------------


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_elf(path)
    assert caught.value.file == str(path)
    return caught.value.message


def test_files_that_are_no_objects(tmp_path: Path) -> None:
    path = tmp_path / "t"
    assert refusal(path) == "cannot be read: No such file or directory"
    assert refusal(tmp_path) == "cannot be read: Is a directory"
    for content in (b"", b"1234567"):
        path.write_bytes(content)
        assert refusal(path) == "not an ELF object"
    path.write_bytes(b"\x7fELF" + bytes(200))
    assert refusal(path) == "an ELF file, but no microengine object of ixpemu, or damaged"


def test_cut_at_every_byte(file: Path) -> None:
    data = file.read_bytes()
    for length in range(len(data)):
        with pytest.raises(InputError):
            elf_program(data[:length], file)


def test_any_changed_byte_is_noticed(file: Path) -> None:
    data = file.read_bytes()
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        with pytest.raises(InputError):
            elf_program(bytes(changed), file)


@pytest.mark.parametrize("seed", range(4))
def test_damage_under_a_renewed_checksum_is_no_crash(file: Path, seed: int) -> None:
    """Such a file may hold another program; otherwise it is refused."""
    data, draw = file.read_bytes(), random.Random(seed)
    digest = slice(68, 100)  # behind the header and the 16 bytes that say what the file is
    refused = 0
    for _ in range(150):
        forged = bytearray(data[: draw.choice([len(data), draw.randrange(100, len(data))])])
        for _ in range(draw.choice([1, 1, 3, 30])):
            at = draw.choice([draw.randrange(len(forged)), draw.randrange(max(0, len(forged) - 480), len(forged))])
            forged[at] = draw.choice([0, 0x7F, 0x80, 0xFF, draw.randrange(256)])
        forged[digest] = bytes(32)
        forged[digest] = hashlib.sha256(forged).digest()
        try:
            found = elf_program(bytes(forged), file)
        except InputError:
            refused += 1
        else:
            assert all(0 <= word < 1 << 40 for word in found.words)
    assert refused > 50
