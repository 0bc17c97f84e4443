"""Operations of a service: what a block says, and every rule it may break."""

from __future__ import annotations

from pathlib import Path

import pytest

from ixp_emu.assembler.parser import SyntaxProblem
from ixp_emu.errors import InputError
from oboe_runtime.operations import MOST_WORDS, EntryAccess, Operation, entry_access, read_operations


def read(folder: Path, text: str, **defines: object) -> dict[str, Operation]:
    file = folder / "operations.uc"
    file.write_text(text, encoding="utf-8")
    return read_operations(str(file), defines=defines)


def refused(folder: Path, text: str) -> str:
    with pytest.raises(InputError) as error:
        read(folder, text)
    return str(error.value).replace(f"{folder}/", "")


def test_an_operation_has_its_operands_and_lines(tmp_path: Path) -> None:
    text = """\
// A comment.
#define STEP 2
state_op count(record; length, flags; packets bytes)  // the head may have one too
.reg old

    entry_read[0, packets, bytes]   // two longwords
#if (DOUBLE)
    alu[packets, packets, +, STEP]
#else
    alu[packets, packets, +, 1]
#endif
end_op
state_op nothing(record)
end_op
"""
    operations = read(tmp_path, text, DOUBLE=1)
    count = operations["count"]
    assert (count.entry, count.inputs, count.outputs) == ("record", ("length", "flags"), ("packets", "bytes"))
    assert [line for line in count.lines if line] == [
        ".reg old",
        "entry_read[0, packets, bytes]",
        "alu[packets, packets, +, 2]",
    ]
    numbered = {count.first_line + index: line for index, line in enumerate(count.lines) if line}
    assert sorted(numbered) == [4, 6, 8]
    assert list(count.accesses()) == [(6, EntryAccess("read", 0, ("packets", "bytes")))]
    assert (operations["nothing"].lines, operations["nothing"].words) == ((), 0)
    assert operations["nothing"].first_line == 14


@pytest.mark.parametrize(
    ("line", "access"),
    [
        ("entry_read[0, a]", EntryAccess("read", 0, ("a",))),
        ("label#: entry_write[0x3, a, b, c, d]", EntryAccess("write", 3, ("a", "b", "c", "d"))),
        ("entry_merge[1, a], at[cell]", EntryAccess("merge", 1, ("a",), "cell")),
        ("alu[entry_point, entry_point, +, 1]", None),
        (".reg entry_read_before", None),
    ],
)
def test_accesses(line: str, access: EntryAccess | None) -> None:
    assert entry_access(line) == access


READ_FORM = "an access is written entry_read[word, register, ...], with at[register] behind it"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("entry_read[a]", READ_FORM),
        ("entry_read[a, 0]", "0 is not a general register: " + READ_FORM),
        ("entry_read[a, b]", READ_FORM),
        ("entry_read[0]", READ_FORM),
        ("entry_read[0, $a]", "$a is not a general register: " + READ_FORM),
        ("entry_read[0, a[1]]", "a[1] is not a general register: " + READ_FORM),
        ("entry_read[0, a], ctx_swap[s]", READ_FORM),
        ("entry_read[0, a], at[b], at[c]", READ_FORM),
        ("entry_read[0, a, b, c, d, e]", "entry_read of 5 longwords: at most 4"),
        ("entry_merge[0, a, b]", "entry_merge of 2 longwords: at most 1"),
    ],
)
def test_accesses_that_are_none(line: str, message: str) -> None:
    with pytest.raises(SyntaxProblem) as error:
        entry_access(line)
    assert str(error.value) == message


ONLY = (
    "an operation has entry accesses, ALU instructions and branches only; no command, no wait, nothing that contexts "
    "share, and no call"
)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sram[read, $x, a, 0, 1], ctx_swap[s]", f"sram: {ONLY}"),
        ("ctx_arb[voluntary]", f"ctx_arb: {ONLY}"),
        ("local_csr_rd[timestamp_low]", f"local_csr_rd: {ONLY}"),
        ("cam_lookup[a, b]", f"cam_lookup: {ONLY}"),
        ("crc_be[crc_32, --, a]", f"crc_be: {ONLY}"),
        ("byte_align_be[a, b]", f"byte_align_be: {ONLY}"),
        ("br=ctx[0, here#]", f"br=ctx: {ONLY}"),
        ("br_signal[s, here#]", f"br_signal: {ONLY}"),
        ("jump[a, here#]", f"jump: {ONLY}"),
        ("halt", f"halt: {ONLY}"),
        ("other(a, b)", "syntax error at '(' in 'other(a, b)'"),
        ("other[a, b]", f"other: {ONLY}"),
        ("state_read[block, x, 0, 0, 1]", f"state_read: {ONLY}"),
        ("alu[a, $x, +, 1]", "$x: an operation uses general registers of its context only"),
        ("alu[@a, a, +, 1]", "@a: an operation uses general registers of its context only"),
        ("alu[a, *l$index0, +, 1]", "*l$index0: an operation uses general registers of its context only"),
        (".sig s", ".sig: an operation has no such directive"),
        (".reg $x", ".reg $x: an operation has general registers of its own only"),
        (".if (CTX() == 1)", "ctx(): an operation looks at registers and condition codes only"),
        (".if (a && !SIGNAL(s))", "signal(): an operation looks at registers and condition codes only"),
        ("alu[given, given, +, 1]", "given is an input: it is not assigned"),
        ("entry_read[0, a, GIVEN]", "GIVEN is an input: it is not assigned"),
        ("immed[entry, 0]", "entry is an input: it is not assigned"),
        ("ld_field[given, 0001, a]", "given is an input: it is not assigned"),
    ],
)
def test_what_an_operation_may_not_hold(tmp_path: Path, line: str, message: str) -> None:
    text = f"state_op one(entry; given)\n.reg a b\n{line}\nend_op\n"
    assert refused(tmp_path, text) == f"operations.uc:3: operation 'one': {message}"


@pytest.mark.parametrize(
    "line",
    [
        "alu[a, given, +, entry]",
        "alu_shf[a, --, B, given, <<indirect]",
        "mul_step[given, entry], 24x8_start",
        "bne[again#], defer[1]",
        "br_bset[given, 3, again#]",
        "br=byte[given, 0, 4, again#]",
        ".if (BIT(given, 3) || a > 4)",
        "dbl_shf[a, given, b, >>3]",
        "ffs[a, given]",
    ],
)
def test_what_it_may_hold(tmp_path: Path, line: str) -> None:
    read(tmp_path, f"state_op one(entry; given)\n.reg a b\n{line}\nend_op\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("state_op one\nend_op\n", "1: 'state_op one': an operation begins with state_op NAME(entry; inputs; outputs)"),
        (
            "state_op one(; a)\nend_op\n",
            "1: operation 'one': 0 entries: it has one, state_op NAME(entry; inputs; outputs)",
        ),
        (
            "state_op one(a b)\nend_op\n",
            "1: operation 'one': 2 entries: it has one, state_op NAME(entry; inputs; outputs)",
        ),
        ("state_op one(e; a b c d f)\nend_op\n", "1: operation 'one': 5 inputs: at most 4"),
        ("state_op one(e; ; a b c d f)\nend_op\n", "1: operation 'one': 5 outputs: at most 4"),
        ("state_op one(e; a; A)\nend_op\n", "1: operation 'one': operand 'a' stands twice"),
        ("state_op one(e)\n", "1: state_op without end_op"),
        ("end_op\n", "1: end_op without state_op"),
        ("state_op one(e)\nstate_op two(e)\nend_op\n", "2: state_op inside the one of line 1: end_op ends that"),
        ("state_op one(e)\nend_op\nstate_op one(e)\nend_op\n", "3: operation 'one' stands twice"),
        (
            "nop\n",
            "1: outside an operation: 'nop': state_op NAME(entry; inputs; outputs) begins one",
        ),
    ],
)
def test_blocks_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    assert refused(tmp_path, text) == f"operations.uc:{message}"


@pytest.mark.parametrize(
    ("accesses", "instructions", "fits"), [(0, 128, True), (0, 129, False), (1, 124, True), (1, 125, False)]
)
def test_words_are_limited(tmp_path: Path, accesses: int, instructions: int, fits: bool) -> None:
    """A longword's access counts four words: address, scaling, command, and the move."""
    lines = ["entry_read[0, a]"] * accesses + ["alu[a, a, +, 1]"] * instructions
    text = "\n".join(["state_op one(entry; ; a)", *lines, "end_op", ""])
    if fits:
        assert read(tmp_path, text)["one"].words == MOST_WORDS
    else:
        assert refused(tmp_path, text) == "operations.uc:1: operation 'one': 129 words: at most 128"


def test_all_errors_are_told_at_once(tmp_path: Path) -> None:
    message = refused(tmp_path, "state_op one(e)\n.reg a\nhalt\nnop\nctx_arb[kill]\nend_op\n")
    assert message.splitlines() == [
        f"operations.uc:3: operation 'one': halt: {ONLY}",
        f"operations.uc:5: operation 'one': ctx_arb: {ONLY}",
    ]


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the program: No such file or directory"):
        read_operations(str(tmp_path / "operations.uc"))
