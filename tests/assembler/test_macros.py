"""Macros: what names in arguments mean, and macros, loops and functions inside each other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ixp_emu.assembler import Location, Program

ADD_ONE = """#macro add_one(x)
.reg tmp
    immed[tmp, 1]
    alu[x, x, +, tmp]
#endm
"""


def test_an_argument_is_the_callers_name_though_the_macro_declares_it_too(assembled: Callable[..., Program]) -> None:
    program = assembled(ADD_ONE + ".reg tmp\n.addr tmp 5 b\nimmed[tmp, 7]\nadd_one(tmp)\nalu[--, --, B, tmp]")
    (outer,), (inner,) = program.registers["tmp"], program.registers["tmp'2"]
    assert str(outer) == "b5" and inner != outer
    # immed tmp, immed tmp'2, alu[tmp, tmp, +, tmp'2]: destination and one source are the caller's
    same = assembled(
        ".reg tmp other\n.addr tmp 5 b\nimmed[tmp, 7]\nimmed[other, 1]\nalu[tmp, tmp, +, other]\nalu[--, --, B, tmp]"
    )
    assert program.words == same.words


def test_through_several_macros(machine: type, assembled: Callable[..., Program]) -> None:
    text = ADD_ONE + (
        "#macro add_three(x)\n.reg tmp\nimmed[tmp, 1]\nadd_one(x)\nadd_one(tmp)\nalu[x, x, +, tmp]\n#endm\n"
        ".reg tmp\n.addr tmp 5 b\nimmed[tmp, 7]\nadd_three(tmp)\nadd_three[tmp]\nhalt\n"
    )
    assert machine(assembled(text)).run().get("tmp") == 13


@pytest.mark.parametrize("argument", ["$tmp", "@tmp", "tmp[1]", "tmp"])
def test_any_kind_of_register(assembled: Callable[..., Program], argument: str) -> None:
    name = argument.removesuffix("[1]")
    size = "[2]" if argument.endswith("]") else ""
    macro = f"#macro set(x)\n.reg {name}\nimmed[x, 3]\nimmed[{name}, 4]\n#endm\n"
    program = assembled(f"{macro}.reg {name}{size}\nset({argument})\nalu[--, --, B, {argument}]")
    assert program.registers[argument if size == "" or argument.startswith("$") else "tmp[1]"]
    assert f"{name}'2" in program.registers


def test_labels_are_the_callers_too(assembled: Callable[..., Program]) -> None:
    text = "#macro twice(to)\nagain#:\nbeq[to]\nbne[again#]\n#endm\nagain#: nop\ntwice(again#)\nhalt"
    beq, bne = assembled(text).words[1:3]
    assert (beq >> 22 & 0x1FFF, bne >> 22 & 0x1FFF) == (0, 1)


def test_signals_and_hints(assembled: Callable[..., Program]) -> None:
    text = "#macro wait(x)\n.sig s\n.set_sig x\nctx_arb[x]\nctx_arb[s]\n#endm\n.sig s\n.addr s 9\nwait(s)"
    program = assembled(text)
    assert program.words[0] & 0xFFFE == 1 << 9
    assert program.words[1] & 0xFFFE == 1 << program.signals["s'2"][0] != 1 << 9


def test_a_declaration_by_argument_is_the_callers(assembled: Callable[..., Program]) -> None:
    text = "#macro make(x)\n.reg tmp\n.reg x\nimmed[x, 1]\nimmed[tmp, 2]\n#endm\nmake(tmp)\nalu[--, --, B, tmp]"
    program = assembled(text)
    assert {"tmp", "tmp'2"} <= program.registers.keys()


def test_strings_and_pasted_words_are_plain(listing: Callable[..., list[str]]) -> None:
    text = (
        "#macro m(x)\n.reg tmp\n#if (streq('x', 'tmp'))\nimmed[x/**/_1, strlen_is]\n#endif\nimmed[tmp, 0]\n#endm\n"
        "#define_eval strlen_is strlen('tmp')\n.reg tmp tmp_1\nm(tmp)"
    )
    assert [line.split(", ")[1] for line in listing(text)] == ["3]", "0]"]


def test_messages_show_no_marks(refused: Callable[..., str]) -> None:
    text = "#macro m(x)\n.reg tmp\nimmed[tmp, 0]\nalu[x, 300, +, x]\n#endm\n.reg tmp\nm(nosuch/**/tmp)\nm(tmp)"
    assert refused(text).isascii() and "\x01" not in refused(text)


NESTED = """#macro outer(reg, n)
#macro inner(value)
    alu[reg, reg, +, value]
#endm
#repeat (n)
#for step [1, 2]
#define_eval left 2
#while (left)
    inner(step)
#define_eval left (left - 1)
#endloop
#endloop
#endloop
#endm
.reg a
    immed[a, 0]
    outer(a, 3)
    halt
"""


def test_macros_and_loops_inside_each_other(machine: type, assembled: Callable[..., Program]) -> None:
    program = assembled(NESTED)
    assert len(program.words) == 1 + 3 * 2 * 2 + 1
    assert machine(program).run().get("a") == 3 * 2 * (1 + 2)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("strstr('abcabc', 'ca')", 3),
        ("strstr('abc', 'x')", 0),
        ("strlen('')", 0),
        ("strlen(strleft('abcdef', (1 + 3)))", 4),
        ("streq(strright('*l$index0[4]', 3), '[4]')", 1),
        ("strlen(strleft('abc', strstr('abc', 'c')))", 3),
        ("strlen(strright('abc', 9))", 3),
        ("isnum(0x1F)", 1),
        ("isnum(a)", 0),
        ("is_ct_const((1 + 2))", 1),
        ("is_ct_const(a)", 0),
        ("is_rt_const(i$port)", 1),
        ("isimport(i$port)", 1),
        ("isimport(5)", 0),
        ("isrestricted(a)", 1),
        ("isrestricted($x)", 1),
        ("isrestricted(@a)", 0),
        ("isrestricted(n$a)", 0),
        ("isrestricted(*l$index0[7])", 1),
        ("isrestricted(*l$index0[8])", 0),
        ("isrestricted(*l$index1++)", 0),
        ("IS_IXPTYPE(__IXP2400)", 1),
        ("IS_IXPTYPE(__IXP2XXX)", 1),
        ("IS_IXPTYPE(__IXP2800)", 0),
        ("defined(__IXP2400) && defined(__IXP2XXX) && defined(__REVISION_MIN) && defined(__REVISION_MAX)", 1),
        ("defined(__IXP2800) || defined(__IXP28XX)", 0),
        ("streq('strlen(x)', 'strlen(x)')", 1),
        ("__REVISION_MIN <= __REVISION_MAX", 1),
    ],
)
def test_functions(listing: Callable[..., list[str]], expression: str, value: int) -> None:
    assert listing(f"#define_eval V ({expression})\n.reg r\nimmed[r, V]") == [f"immed[a0, {value}]"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#if (IS_IXPTYPE(__IXP1200))\n#endif", "'__IXP1200' must be __IXP2400, __IXP2XXX, __IXP2800, __IXP28XX"),
        ("#if (strlen('a', 'b'))\n#endif", "strlen() takes 1 argument(s), not 2"),
        ("#if (strleft('abc', x y))\n#endif", "syntax error at 'y' in 'x y'"),
    ],
)
def test_function_errors(refused: Callable[..., str], text: str, message: str) -> None:
    assert refused(text) == f"t.uc:1: {message}"


def test_strings_evaluate_to_their_characters(listing: Callable[..., list[str]]) -> None:
    text = "#define_eval NAME strleft('count_total', 5)\n.reg count\nimmed[NAME, 1]\n"
    text += "#if (streq(NAME, 'count'))\nnop\n#endif"
    assert listing(text) == ["immed[a0, 1]", "nop"]


def test_pragmas(assembled: Callable[..., Program]) -> None:
    assert assembled("#pragma warning(disable:5011)\n#pragma optimize(off)\nnop").warnings == []
    assert assembled("#pragma pack(1)\nnop").warnings == ["t.uc:1: #pragma pack(1): unknown, ignored"]


def test_blocks_and_structures_as_arguments(assembled: Callable[..., Program]) -> None:
    text = (
        ".structure t element_bytes=8 count=4 access=read sharing=me\n"
        "#macro get(block, table, at)\n.reg flow t\nimmed[flow, 1]\nimmed[t, 2]\n"
        "state_read[block, table, at, 0, 2]\n#endm\n"
        ".reg at\nimmed[at, 1]\n.state_xfer flow[2] t\nget(flow, t, at)\nalu[--, --, B, flow[1]]\n"
    )
    for memory in ("scratch", "dram", "local"):
        program = assembled(text, locations={"t": Location(memory, 0)})
        assert program.warnings == [] and len(program.words) > 4
