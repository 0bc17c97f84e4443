"""A program that multiplies itself is refused with a message, and does not hang."""

from __future__ import annotations

from pathlib import Path

import pytest

from ixp_emu.assembler import assemble, parse
from ixp_emu.errors import InputError

DOUBLING_DEFINES = "#define A0 1\n" + "".join(f"#define A{n} (A{n - 1} + A{n - 1})\n" for n in range(1, 40))
DOUBLING_MACROS = "#macro m0()\nnop\n#endm\n" + "".join(
    f"#macro m{n}()\nm{n - 1}()\nm{n - 1}()\n#endm\n" for n in range(1, 30)
)
NESTED_LOOPS = "#repeat (60000)\n#repeat (60000)\n#endloop\n#endloop\n"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (DOUBLING_DEFINES + "immed[x, A39]\n", "expands to more than 100,000 characters"),
        (DOUBLING_MACROS + "m29()\n", "the program has more than 50,000 statements"),
        (NESTED_LOOPS, "the program expands to more than 200,000 lines and loop passes"),
    ],
    ids=["defines", "macros", "loops"],
)
def test_expansion_is_bounded(source: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(source, name="test")


def outcome(source: str) -> str:
    """The refusal's first line, or the number of words."""
    try:
        program = assemble(parse(source, name="n.uc"))
    except InputError as error:
        assert error.file is not None and error.line is not None
        lines = str(error).split("\n")
        assert all(line.isprintable() and len(line) <= 1_000 for line in lines)
        return lines[0]
    return f"{len(program.words)} words"


DEEP = 10_000


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # what does not end
        ("#macro m()\nnop\n", "n.uc:1: #macro without #endm"),
        ("#macro m(\nnop\n#endm\n", "n.uc:1: a bracket is not closed: '#macro m( nop'"),
        ("nop\n/* never\nclosed\n", "n.uc:2: a comment is not closed: /* without */"),
        ("/*" * 50_000 + "\n", "n.uc:1: a comment is not closed: /* without */"),
        ("#if streq('abc, 'x')\nnop\n#endif\n", "n.uc:1: streq() takes 2 argument(s), not 1"),
        ("#if 1\nnop\n", "n.uc:1: #if without #endif"),
        ("nop,\n", "n.uc:1: the file ends after a comma: 'nop,'"),
        ("alu[a, (b, c]\n[[[\n", "n.uc:1: a bracket is not closed: 'alu[a, (b, c] [[['"),
        ("alu[\n" * 50_000, "n.uc:1: line longer than 100,000 characters"),
        ("\\\n" * 150_000, "n.uc:1: line longer than 100,000 characters"),
        ("]" * 50 + "\n", f"n.uc:1: syntax error at ']' in {']' * 50!r}"),
        # what calls itself
        ("#macro a()\nb()\n#endm\n#macro b()\na()\na()\n#endm\na()\n", "n.uc:8: macro a: nested deeper than 64"),
        ("".join(f"#define A{i} A{i + 1}\n" for i in range(500)) + "A0\n", "n.uc:501: names stand for names"),
        ("#define F(x) F(x)\nF(1)\n", "n.uc:2: syntax error at '(' in 'F(1)'"),
        ("#repeat (1000000000)\nnop\n#endloop\n", "n.uc:1: #repeat 1000000000: must be 0..65536"),
        ("#repeat (-1)\nnop\n#endloop\n", "n.uc:1: #repeat -1: must be 0..65536"),
        ("#while (1)\n#endloop\n", "n.uc:1: #while: more than 65536 passes"),
        ("#for i [1,2,3,4,5,6,7,8]\n" * 6 + "#endloop\n" * 6, "n.uc:6: the program expands to more than 200,000"),
        ("#repeat (2)\n" * 100 + "#endloop\n" * 100, "n.uc:65: #repeat: nested deeper than 64"),
        # what is not text
        ("nop\0\nnop\n", "n.uc:1: character '\\x00' is not allowed in a program"),
        ("".join(map(chr, range(128))) * 9 + "\n", "n.uc:1: character '\\x00' is not allowed in a program"),
        # what is large
        (".reg a\nimmed[a, (1<<99999999999)]\n", "n.uc:2: shift by 1215752191: must be 0..31"),
        (
            f".reg a\nimmed[a, {'9' * 90_000}]\n",
            f"n.uc:2: number '{'9' * 20}...{'9' * 10}': has more than 64 bits",
        ),
        ("x" * 100_001 + "\n", "n.uc:1: line longer than 100,000 characters"),
        (f".reg {'a' * 99_000}\nimmed[{'a' * 99_000}, 1]\n", "1 words"),
        ("".join(f"l{i}#:\n" for i in range(200_000)), "n.uc:50001: the program has more than 50,000 statements"),
        (".reg a[99999999]\n", "n.uc:1: .reg 'a': array length 99999999: must be 1..256"),
        (".word " + "1 " * 5_000 + "\n", "n.uc:1: program too long: 5000 words, 4096 available"),
        # what is deep
        (f".reg a\nimmed[a, {'(' * DEEP}1{')' * DEEP}]\n", "1 words"),
        (f"#if {'~' * DEEP}1\n#endif\n", "n.uc:1: nested deeper than 200: '~~~"),
        (f"#if ({'1+' * DEEP}1)\n#endif\n", "n.uc:1: nested deeper than 200: '(1+1"),
        (f"#if {'1 ? 1 : ' * DEEP}0\n#endif\n", "n.uc:1: nested deeper than 200: '1 ? 1"),
        (f"#if {'strlen(' * 300}'x'{')' * 300}\n#endif\n", "n.uc:1: more than 200 calls of string functions"),
        (".begin\n" * 201 + ".end\n" * 201, "n.uc:201: .begin: scopes are nested deeper than 200"),
        (".begin\n" * 200 + "nop\n" + ".end\n" * 200, "1 words"),
        (f".reg a\n.if ({'!' * 150}(a == 1))\nnop\n.endif\n", "3 words"),
    ],
)
def test_nasty_sources(source: str, expected: str) -> None:
    assert outcome(source).startswith(expected)


def test_an_expression_may_be_200_deep_and_no_deeper() -> None:
    assert outcome(f"#if {'~' * 199}1\nnop\n#endif\n") == "1 words"
    assert outcome(f"#if {'~' * 200}1\nnop\n#endif\n").startswith("n.uc:1: nested deeper than 200")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("..", "file not found"),
        ("a" * 5_000, f"#include {'a' * 40}...{'a' * 20}: file not found"),
        ("a/" * 40_000, "#include a/a/"),
    ],
)
def test_includes_that_are_no_files(name: str, message: str) -> None:
    assert message in outcome(f'#include "{name}"\n')


def test_includes_that_include_themselves_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.uc"
    path.write_text('#include "a.uc"\n#include "a.uc"\n')
    with pytest.raises(InputError, match=r"#include a\.uc: nested deeper than 64"):
        parse(path)


def test_deep_includes(tmp_path: Path) -> None:
    for number in range(63):
        (tmp_path / f"{number}.uc").write_text(f'#include "{number + 1}.uc"\n')
    (tmp_path / "63.uc").write_text("nop\n")
    assert len(assemble(parse(tmp_path / "0.uc")).words) == 1


def test_text_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "a.uc"
    path.write_bytes(b"nop\nnop // \xff\n")
    with pytest.raises(InputError) as caught:
        parse(path)
    assert str(caught.value) == f"{path}:2: not UTF-8 text"


def test_lines_of_dos(tmp_path: Path) -> None:
    path = tmp_path / "a.uc"
    path.write_bytes(b".reg a\r\nimmed[a, \\\r\n 1]\r\n")
    assert len(assemble(parse(path)).words) == 1
