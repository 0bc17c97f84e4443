"""``ixpemu asm`` and ``ixpemu disasm``: what they print, write and refuse."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from ixp_emu import isa
from ixp_emu.assembler import Location, assemble, parse, read_elf, read_raw, write_elf, write_raw
from ixp_emu.cli import main

ROOT = Path(__file__).parents[1]
OTHER_PROGRAMS = [
    ROOT / "examples" / "lengths" / "lengths.uc",
    *sorted((ROOT / "ixp_emu/bench/workloads").glob("*.uc")),
]
TEXT = """.structure hits element_bytes=4 count=64 align=8 access=add,read sharing=me
.import_var i$limit
#ifdef WIDE
.num_contexts 4
#endif
.reg index limit
.sig unused
    immed[index, STEP]
    immed[limit, (i$limit & 0xFFFF)]
    immed_w1[limit, i$limit]
top#:
    state_add[hits, index, 0, 1]
    alu[index, index, +, 1]
    alu[--, index, -, limit]
    blt[top#]
    ctx_arb[kill]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a program in it."""
    (tmp_path / "hits.uc").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ixpemu(*arguments: object) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def complaint(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The message of a command that fails for bad input."""
    assert ixpemu(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("ixpemu: ") and captured.err.endswith("\n")
    return captured.err.removeprefix("ixpemu: ").removesuffix("\n")


# --- asm ------------------------------------------------------------------------------------------------------------


def test_asm_says_what_it_made(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ixpemu("asm", "hits.uc", "-D", "STEP=2") == 0
    program = read_elf("hits.elf")
    assert capsys.readouterr().out == (
        f"hits.uc: {len(program.words)} of 4,096 words\n"
        f"  8 contexts; registers in use: A {program.usage['a']}, B {program.usage['b']}, $ 1, signals 2\n"
        "  hits in scratch, address at load\n"
        "  i$limit: value at load\n"
        "wrote hits.elf\n"
    )
    parsed = parse(Path("hits.uc"), defines={"STEP": "2"})
    assert program == assemble(parsed, locations={"hits": Location("scratch", relocatable=True)})


def test_every_output_is_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["-D", "STEP=0x10", "-DWIDE", "--place", "HITS=sram1:0x40", "--import", "limit=100_000"]
    assert ixpemu("asm", "hits.uc", *options, "-o", "o.elf", "--raw", "r.raw", "--listing", "l.lst") == 0
    out = capsys.readouterr().out
    assert "  hits in sram1, 0x40\n" in out and out.endswith("\nwrote o.elf, r.raw, l.lst\n")
    program = read_elf("o.elf")
    parsed = parse(Path("hits.uc"), defines={"STEP": "0x10", "WIDE": None})
    assert (
        program.words
        == assemble(parsed, locations={"hits": Location("sram1", 0x40)}, import_vars={"limit": 100_000}).words
    )
    assert (program.contexts, program.references) == (4, {})
    assert read_raw("r.raw") == program.words
    assert sorted(path.name for path in folder.iterdir()) == ["hits.uc", "l.lst", "o.elf", "r.raw"]


def test_only_the_asked_output_is_written(folder: Path) -> None:
    assert ixpemu("asm", "hits.uc", "-D", "STEP=2", "--listing", "l.lst") == 0
    assert sorted(path.name for path in folder.iterdir()) == ["hits.uc", "l.lst"]


def test_warnings_and_notes_are_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.uc").write_text('#info "told"\n#warning "beware"\n.reg r\nalu[r, --, B, r]\nhalt\n')
    assert ixpemu("asm", "t.uc") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "note: t.uc:1: told" in lines
    assert [line for line in lines if line.startswith("warning: t.uc:")] == [
        f"warning: {text}" for text in read_elf("t.elf").warnings
    ]
    assert len(read_elf("t.elf").warnings) >= 1


def test_include_folders(folder: Path) -> None:
    (folder / "lib").mkdir()
    (folder / "lib" / "part.uc").write_text("halt\n")
    Path("t.uc").write_text('#include "part.uc"\n#include "lib/media.uc"\n')
    assert ixpemu("asm", "t.uc", "-I", "lib") == 0
    assert len(read_elf("t.elf").words) == 1


def test_an_installed_program(folder: Path) -> None:
    defines = ["-D", "ENGINES_RX=1", "-D", "ENGINES_FORWARD=2"]
    assert ixpemu("asm", "builtin:firmware/rx.uc", *defines) == 0
    program = read_elf("rx.elf")
    assert (program.source, program.locations["packet_buffers"].memory) == ("builtin:firmware/rx.uc", "dram")
    assert program.locations["free_ring"].memory == "scratch"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "hits.uc:8: immed: value: STEP is not a constant ('STEP' is not declared)"),
        (["-D", "1=2"], "-D 1=2: NAME or NAME=TEXT expected"),
        (["-D", "=2"], "-D =2: NAME or NAME=TEXT expected"),
        (["--place", "hits"], '--place hits: memory "": must be scratch, sram0, sram1, dram, local'),
        (["--place", "hits=l2"], '--place hits=l2: memory "l2": must be scratch, sram0, sram1, dram, local'),
        (["--place", "tab=dram"], '--place tab=dram: the program declares no structure "tab"; there are hits'),
        (
            ["--place", "hits=dram:0x44"],
            '--place hits=dram:0x44: address "0x44": must be a multiple of 8 below 0x40000000',
        ),
        (["--place", "hits=dram:"], '--place hits=dram:: address "": must be a multiple of 8 below 0x40000000'),
        (["--place", "hits=dram:-8"], '--place hits=dram:-8: address "-8": must be a multiple of 8 below 0x40000000'),
        (["--import", "limit"], "--import limit: NAME=VALUE with a value of 32 bits expected"),
        (["--import", "limit=0x100000000"], "--import limit=0x100000000: NAME=VALUE with a value of 32 bits expected"),
        (
            ["--raw", "r", "--import", "limit=1"],
            "--raw: structure hits has no address, and a raw image cannot be linked: --place hits=scratch:ADDRESS",
        ),
        (
            ["--raw", "r", "--place", "hits=scratch:0"],
            "--raw: i$limit has no value, and a raw image cannot be linked: --import limit=VALUE",
        ),
    ],
)
def test_asm_refuses(folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str) -> None:
    given = options if not options else ["-D", "STEP=2", *options]
    assert complaint(capsys, "asm", "hits.uc", *given) == message
    assert os.listdir(folder) == ["hits.uc"]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("hits=dram", "--place hits=dram: hits: its program can only use it in scratch"),
        (
            "hits=scratch:0x100",
            '--place hits=scratch:0x100: address "0x100": must be a multiple of 512 below 0x40000000',
        ),
    ],
)
def test_a_structure_that_says_where_it_must_live(
    folder: Path, capsys: pytest.CaptureFixture[str], option: str, message: str
) -> None:
    Path("t.uc").write_text(
        ".structure hits element_bytes=512 count=1 access=ring ring=2 sharing=me\n.reg r\nstate_base[r, hits]\nhalt\n"
    )
    assert complaint(capsys, "asm", "t.uc", "--place", option) == message
    assert ixpemu("asm", "t.uc", "--place", "hits=scratch:0x200") == 0


def test_names_that_a_run_would_define(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = complaint(capsys, "asm", "builtin:services/forward/forward.uc").splitlines()
    assert lines[-1] == (
        "ixpemu: not defined: give -D ENGINES_FORWARD=N -D ROUTE_WORDS=N -D NEXT_HOPS=N (the run of a cluster defines "
        "some names by itself)"
    )


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("none.uc", None, "none.uc: cannot be read: No such file or directory"),
        ("builtin:none.uc", None, ""),
        (".", None, ".: cannot be read: Is a directory"),
        ("junk.uc", b"\x7fELF\xff\x00", ""),
    ],
)
def test_files_that_are_no_programs(
    folder: Path, capsys: pytest.CaptureFixture[str], file: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        Path(file).write_bytes(content)
    found = complaint(capsys, "asm", file)
    assert found.startswith(file) and found.count("\n") == 0


def test_an_empty_program_is_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty.uc").write_bytes(b"")
    assert ixpemu("asm", "empty.uc") == 0
    assert capsys.readouterr().out.startswith("empty.uc: 0 of 4,096 words\n")
    assert read_elf("empty.elf").words == []


def test_a_program_too_long(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("long.uc").write_text("nop\n" * 4_097)
    assert complaint(capsys, "asm", "long.uc") == "long.uc:4097: program too long: 4097 words, 4096 available"


@pytest.mark.parametrize("option", ["-o", "--raw", "--listing"])
def test_outputs_that_cannot_be_written(folder: Path, capsys: pytest.CaptureFixture[str], option: str) -> None:
    Path("t.uc").write_text("halt\n" * 2_000)
    (folder / "sub").mkdir()
    assert complaint(capsys, "asm", "t.uc", option, "none/t") == "none: no such directory"
    assert complaint(capsys, "asm", "t.uc", option, "sub") == "sub: a directory, not a file to write"
    assert complaint(capsys, "asm", "t.uc", option, "./t.uc") == "t.uc: would overwrite the program"
    if Path("/dev/full").exists():
        message = complaint(capsys, "asm", "t.uc", option, "/dev/full")
        assert message == "/dev/full: cannot be written: No space left on device"


# --- disasm ---------------------------------------------------------------------------------------------------------


def again(folder: Path, image: Path, *options: str) -> str:
    """Disassembles an image, assembles the text, compares the images, and returns the text."""
    assert ixpemu("disasm", image, "-o", "again.uc", *options) == 0
    assert ixpemu("asm", "again.uc", "--raw", "again.raw") == 0
    assert Path("again.raw").read_bytes() == image.read_bytes()
    return Path("again.uc").read_text()


@pytest.mark.parametrize("source", ["firmware/rx.uc", "services/forward/forward.uc", "firmware/tx.uc"])
@pytest.mark.parametrize("memory", ["scratch", "sram1", "dram", "local"])
def test_shipped_programs_come_back(folder: Path, source: str, memory: str) -> None:
    names = {"ENGINES_RX": 1, "ENGINES_FORWARD": 3, "ENGINES_TX": 1, "ROUTE_WORDS": 500, "NEXT_HOPS": 16}
    defines = [text for name, value in names.items() for text in ("-D", f"{name}={value}")]
    declared = parse(f"builtin:{source}", defines=names).structures
    places = [
        text
        for item in declared
        for text in ("--place", f"{item.name}={memory if _may_go(item.name) else item.memory or 'scratch'}:0")
    ]
    assert ixpemu("asm", f"builtin:{source}", *defines, *places, "--raw", "first.raw") == 0
    assert ".word" not in again(folder, folder / "first.raw")


@pytest.mark.parametrize("source", OTHER_PROGRAMS, ids=[path.name for path in OTHER_PROGRAMS])
def test_examples_and_workloads_come_back(folder: Path, source: Path) -> None:
    names = {
        "ENGINES_FORWARD": 2,
        "RING": 3,
        "IN": 1,
        "OUT": 2,
        "STRIDE": 256,
        "LIMIT_BITS": 12,
        "BLOCK_BITS": 6,
        "DRAM": 1,
        "SCRATCH": 0,
    }
    declared = parse(source, defines=names, include_dirs=["builtin:"]).structures
    options = [text for name, value in names.items() for text in ("-D", f"{name}={value}")]
    options += [text for item in declared for text in ("--place", f"{item.name}={item.memory or 'scratch'}:0")]
    assert ixpemu("asm", source, *options, "--raw", "first.raw") == 0
    assert ".word" not in again(folder, folder / "first.raw")


def _may_go(structure: str) -> bool:
    return structure in ("engine_index", "next_hops")


def decodes(word: int, contexts: int) -> bool:
    try:
        isa.decode(word, contexts=contexts)
    except isa.InvalidWord:
        return False
    return True


@pytest.mark.parametrize("contexts", [4, 8])
def test_random_words_come_back(folder: Path, contexts: int) -> None:
    """A whole control store of words that decode, each operation in turn, and some that do not."""
    draw = random.Random(contexts)
    words: list[int] = []
    while len(words) < 4_096:
        operation = draw.choice(isa.OPERATIONS)
        word = operation.fixed_value | draw.getrandbits(40) & operation.used_mask & ~operation.fixed_mask
        if draw.random() < 0.05 or decodes(word, contexts):
            words.append(word)
    write_raw(words, "random.raw")
    text = again(folder, folder / "random.raw", "--contexts", str(contexts))
    assert text.startswith(f".num_contexts {contexts}\n")
    assert 0 < text.count(".word") < len(words) // 2


def test_an_object_is_printed_for_its_contexts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.uc").write_text(
        ".num_contexts 4\n.init_nn_mode self\n.import_var i$x\n.reg r\nimmed[r, i$x]\ntop#: alu[r, r, +, 1]\nbr[top#]\n"
    )
    assert ixpemu("asm", "t.uc") == 0
    capsys.readouterr()
    assert ixpemu("disasm", "t.elf") == 0
    assert capsys.readouterr().out == (
        ".num_contexts 4\n.init_nn_mode self\n.unchecked\n.addr a0 0 a\n.set a0\n"
        "    immed[a0, 0]  // i$x, at load\nl_1#:\n    alu[a0, a0, +, 1]\n    br[l_1#]\n"
    )
    assert complaint(capsys, "disasm", "t.elf", "--contexts", 8) == ("--contexts: 8, but the object is for 4 contexts")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "t: cannot be read: No such file or directory"),
        (b"", "t: the file is empty"),
        (b"1234567", "t: neither an object nor a raw image: 7 bytes, there are 5 per word"),
        (b"\x7fELF" + bytes(96), "t: an ELF file, but no microengine object of ixpemu, or damaged"),
        (bytes(5 * 4_097), "t: 4097 words: a control store has 4096"),
    ],
)
def test_disasm_refuses(folder: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, message: str) -> None:
    if content is not None:
        Path("t").write_bytes(content)
    assert complaint(capsys, "disasm", "t") == message


def test_disasm_refuses_other_things(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_raw([0xE000020000], "t.raw")
    assert complaint(capsys, "disasm", ".") == ".: cannot be read: Is a directory"
    assert complaint(capsys, "disasm", "/dev/zero") == (
        "/dev/zero: neither an object nor a raw image: more than 16,777,216 bytes"
    )
    assert complaint(capsys, "disasm", "t.raw", "--contexts", 5) == "--contexts: 5: must be 4 or 8"
    assert complaint(capsys, "disasm", "t.raw", "-o", "none/t") == "none: no such directory"
    assert complaint(capsys, "disasm", "t.raw", "-o", "t.raw") == "t.raw: would overwrite the program"


def test_a_cut_object_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_elf(assemble(parse("halt\n", name="t.uc")), "t.elf")
    data = Path("t.elf").read_bytes()
    for length in (*range(4, len(data), 97), len(data) - 1):
        Path("t.elf").write_bytes(data[:length])
        assert complaint(capsys, "disasm", "t.elf").startswith("t.elf: ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_standard_output_is_one_line(folder: Path) -> None:
    write_raw([0xE000020000], "t.raw")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ixp_emu.cli", "disasm", "t.raw"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "ixpemu: No space left on device\n")


@pytest.mark.parametrize("arguments", [["asm", "hits.uc", "-D", "STEP=1"], ["disasm", "t.raw"], ["asm", "--help"]])
def test_the_commands_do_without_the_engine(folder: Path, arguments: list[str]) -> None:
    write_raw([0xE000020000], "t.raw")
    code = (
        "import sys\n"
        "from ixp_emu.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "assert 'numba' not in sys.modules and 'llvmlite' not in sys.modules\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, env=environment)
