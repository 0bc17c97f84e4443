"""The preprocessor, one feature at a time: source text in, plain statements out."""

from __future__ import annotations

from pathlib import Path

import pytest

from ixp_emu.assembler.preprocess import MACRO_BEGIN, MACRO_END, Preprocessor
from ixp_emu.assembler.source import Diagnostics
from ixp_emu.errors import InputError


def expand(text: str, **defines: object) -> list[str]:
    """Statements without the marks of macro expansions, blanks squeezed; errors are raised."""
    diagnostics = Diagnostics()
    lines = Preprocessor(defines=defines, include_dirs=[], diagnostics=diagnostics).run_text(text, "t.uc")
    diagnostics.raise_if_errors()
    return [" ".join(line.text.split()) for line in lines if line.text not in (MACRO_BEGIN, MACRO_END)]


def failure(text: str, **defines: object) -> str:
    with pytest.raises(InputError) as caught:
        expand(text, **defines)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["nop ; comment", "nop // comment", "nop /* comment */", "/* over\nlines */ nop", "nop // it's ; all /* gone"],
)
def test_comments_disappear(text: str) -> None:
    assert expand(text) == ["nop"]


def test_a_comment_over_lines_keeps_line_numbers() -> None:
    assert failure("/* one\ntwo */\n#error here") == "t.uc:3: #error: here"


@pytest.mark.parametrize(
    "text", ["alu[a, b, +, \\\n c]", "alu[a, b,\n +, c]", "alu[a, b, +\n , c\n ]", "alu[a, b, +, c]"]
)
def test_continuation_lines(text: str) -> None:
    assert [line.replace(" ", "") for line in expand(text)] == ["alu[a,b,+,c]"]


def test_trailing_comma_continues_a_declaration() -> None:
    assert expand(".reg a,\n b") == [".reg a, b"]


def test_an_open_bracket_is_reported_where_it_opens() -> None:
    assert failure("nop\nalu[a, b\n.reg c") == "t.uc:2: a bracket is not closed: 'alu[a, b'"


def test_define_with_and_without_arguments() -> None:
    assert expand("#define A 5\n#define ADD(x, y) (x + y)\nimmed[r, ADD(A, 2)]") == ["immed[r, (5 + 2)]"]


def test_define_is_not_replaced_inside_itself() -> None:
    assert expand("#define A B\n#define B A\nA") == ["A"]


def test_define_leaves_prefixed_registers_alone() -> None:
    assert expand("#define a 1\nalu[$a, --, B, @a]") == ["alu[$a, --, B, @a]"]


def test_define_names_are_case_sensitive() -> None:
    assert expand("#define N 1\nimmed[n, N]") == ["immed[n, 1]"]


def test_define_eval_is_evaluated_where_it_stands() -> None:
    text = "#define A 2\n#define_eval NOW (A * 3)\n#define LATER (A * 3)\n#undef A\n#define A 5\nx[NOW, LATER]"
    assert expand(text) == ["x[6, (5 * 3)]"]


def test_undef() -> None:
    assert expand("#define A 1\n#undef A\n#ifdef A\nyes\n#else\nno\n#endif") == ["no"]


@pytest.mark.parametrize(
    ("value", "taken"), [("1", "one"), ("2", "two"), ("3", "other"), ("0x2", "two"), ("(4 >> 1)", "two")]
)
def test_if_elif_else(value: str, taken: str) -> None:
    text = "#if (V == 1)\none\n#elif (V == 2)\ntwo\n#else\nother\n#endif"
    assert expand(text, V=value) == [taken]


def test_nested_conditionals_in_a_part_not_taken() -> None:
    text = "#ifdef NO\n#if (1)\na\n#else\nb\n#endif\n#else\nc\n#endif"
    assert expand(text) == ["c"]


def test_ifndef_and_defined() -> None:
    assert expand("#ifndef A\na\n#endif\n#if (defined(A) || !defined(B))\nb\n#endif", B=None) == ["a"]


def test_the_chip_is_predefined() -> None:
    assert expand("#ifdef __IXP2400\nyes\n#endif") == ["yes"]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("streq('ab', AB)", True),
        ("streq(ab, ac)", False),
        ("strlen('abc') == 3", True),
        ("strstr(abcd, cd) == 3", True),
        ("strstr(abcd, x)", False),
        ("streq(strleft('abc', 2), 'ab')", True),
        ("streq(strright('abc', 2), 'bc')", True),
        ("isnum(12)", True),
        ("isnum(r0)", False),
        ("is_ct_const((1 << 3))", True),
        ("is_ct_const($x)", False),
        ("is_rt_const(i$x)", True),
        ("log2(32) == 5", True),
        ("3 = 3", True),
        ("1 ? 0 : 1", False),
        ("-7 / 2 == -3", True),
        ("0x80000000 < 0", True),
    ],
)
def test_conditions(condition: str, holds: bool) -> None:
    assert expand(f"#if ({condition})\nyes\n#endif") == (["yes"] if holds else [])


def test_command_line_defines() -> None:
    assert expand("x[N, FLAG]", N=7, FLAG=True) == ["x[7, 1]"]


def test_macro_with_round_and_square_brackets() -> None:
    assert expand("#macro m(a, b)\nalu[a, --, B, b]\n#endm\n#macro k[]\nnop\n#endm\nm(x, y)\nm[p, q]\nk()\nk") == [
        "alu[x, --, B, y]",
        "alu[p, --, B, q]",
        "nop",
        "nop",
    ]


def test_macro_parameters_may_carry_a_prefix() -> None:
    text = "#macro m($in, n, @sum)\nalu[@sum, @sum, +, $in[n]]\nalu[$n, --, B, in]\n#endm\nm($x, 2, @total)"
    assert expand(text) == ["alu[@total, @total, +, $x[2]]", "alu[$2, --, B, in]"]


def test_macro_arguments_may_hold_brackets_and_commas() -> None:
    assert expand("#macro m(a)\nalu[r, --, B, a]\n#endm\nm($x[(1, 2)])") == ["alu[r, --, B, $x[(1, 2)]]"]


def test_macros_nest_and_see_conditionals() -> None:
    text = (
        "#macro in(n)\n#if (n > 1)\nbig[n]\n#else\nsmall[n]\n#endif\n#endm\n#macro out(n)\nin(n)\nin(1)\n#endm\nout(2)"
    )
    assert expand(text) == ["big[2]", "small[1]"]


def test_macros_of_one_name_differ_by_argument_count() -> None:
    assert expand("#macro m(a)\none[a]\n#endm\n#macro m(a, b)\ntwo[a, b]\n#endm\nm(x)\nm(x, y)") == [
        "one[x]",
        "two[x, y]",
    ]


def test_label_before_a_macro_call() -> None:
    assert expand("#macro m()\nnop\n#endm\nstart#: m()") == ["start#:", "nop"]


def test_pasting() -> None:
    assert expand("#macro m(n)\nimmed[r/**/n/**/_x, n]\n#endm\nm(3)") == ["immed[r3_x, 3]"]


def test_for() -> None:
    assert expand("#for i [1, b, (2+3)]\nx[i]\n#endloop") == ["x[1]", "x[b]", "x[(2+3)]"]


def test_repeat() -> None:
    assert expand("#define N 2\n#repeat (N + 1)\nnop\n#endloop") == ["nop"] * 3


def test_while() -> None:
    text = "#define_eval I 0\n#while (I < 3)\nx[I]\n#define_eval I (I + 1)\n#endloop"
    assert expand(text) == ["x[0]", "x[1]", "x[2]"]


def test_while_without_end_is_stopped() -> None:
    assert failure("#while (1)\n#endloop") == "t.uc:1: #while: more than 65536 passes"


def test_include(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.uc").write_text('#include "b.uc"\n#define FROM_A B_VALUE\n')
    (tmp_path / "lib" / "b.uc").write_text("#define B_VALUE 9\n")
    (tmp_path / "main.uc").write_text("#include <a.uc>\nx[FROM_A]\n")
    diagnostics = Diagnostics()
    preprocessor = Preprocessor(defines={}, include_dirs=[tmp_path / "lib"], diagnostics=diagnostics)
    lines = preprocessor.run_file(tmp_path / "main.uc")
    assert [line.text for line in lines] == ["x[9]"]
    assert sorted(Path(name).name for name in preprocessor.sources) == ["a.uc", "b.uc", "main.uc"]


def test_include_of_itself_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "a.uc"
    path.write_text('#include "a.uc"\n')
    diagnostics = Diagnostics()
    Preprocessor(defines={}, include_dirs=[], diagnostics=diagnostics).run_file(path)
    assert [message for _, message in diagnostics.errors] == ["#include a.uc: nested deeper than 64"]


def test_warning_and_info() -> None:
    diagnostics = Diagnostics()
    Preprocessor(defines={}, include_dirs=[], diagnostics=diagnostics).run_text("\n#warning 'mind'\n#info so", "t.uc")
    assert diagnostics.warning_texts() == ["t.uc:2: mind"]
    assert [text for _, text in diagnostics.notes] == ["so"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('#error "no such mode"', "t.uc:1: #error: no such mode"),
        ("#foo", "t.uc:1: unknown directive '#foo'"),
        ("nop\n#endif", "t.uc:2: #endif without #if"),
        ("nop\n#if (1)\nnop", "t.uc:2: #if without #endif"),
        ("#if (1)\n#else\n#else\n#endif", "t.uc:3: #else after #else"),
        ("#if (1 +)\n#endif", "t.uc:1: syntax error at ')' in '(1 +)'"),
        ("#if (1 / 0)\n#endif", "t.uc:1: division by zero"),
        ("#if (1 << 32)\n#endif", "t.uc:1: shift by 32: must be 0..31"),
        ("#if (log2(6))\n#endif", "t.uc:1: log2(6): must be a power of two"),
        ("#ifdef\n#endif", "t.uc:1: #ifdef needs one name, not ''"),
        ("#macro 3x()\n#endm", "t.uc:1: #macro needs name(arguments), not '3x()'"),
        ("#macro m()\nnop", "t.uc:1: #macro without #endm"),
        ("#repeat (2)\nnop", "t.uc:1: #for, #repeat or #while without #endloop"),
        ("#endm", "t.uc:1: #endm without #macro"),
        ("#endloop", "t.uc:1: #endloop without #for, #repeat or #while"),
        ("#macro m(a, b)\n#endm\nm(x)", "t.uc:3: macro m takes 2 argument(s), not 1"),
        ("#macro m()\n#endm\nm() nop", "t.uc:3: macro m: unexpected 'nop' after the arguments"),
        ("#define F(a) a\nx[F(1, 2)]", "t.uc:2: F() takes 1 argument(s), not 2"),
        ('#include "none.uc"', "t.uc:1: #include none.uc: file not found (searched .)"),
        ("#include none", "t.uc:1: #include needs \"file\" or <file>, not 'none'"),
        ("#for i 1, 2\n#endloop", "t.uc:1: #for needs name [value, ...], not 'i 1, 2'"),
        ("#macro m()\nm()\n#endm\nm()", None),
    ],
)
def test_errors(text: str, message: str | None) -> None:
    found = failure(text)
    if message is None:
        assert found.startswith(
            "t.uc:4: macro m: nested deeper than 64 (in macro m, t.uc:2; 62 more macros; in macro m, t.uc:2)"
        )
    else:
        assert found == message


def test_an_unreadable_program_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "none.uc"
    with pytest.raises(InputError) as caught:
        Preprocessor(defines={}, include_dirs=[], diagnostics=Diagnostics()).run_file(missing)
    assert str(caught.value) == f"{missing}: cannot read the program: No such file or directory"


def test_a_missing_builtin_program_is_named() -> None:
    with pytest.raises(InputError) as caught:
        Preprocessor(defines={}, include_dirs=[], diagnostics=Diagnostics()).run_file("builtin:none/none.uc")
    assert str(caught.value) == "builtin:none/none.uc: cannot read the program: No such file or directory"


def test_several_errors_come_in_one_message() -> None:
    assert failure("#error a\nnop\n#error b") == "t.uc:1: #error: a\nt.uc:3: #error: b"


@pytest.mark.parametrize(("count", "tail"), [(20, "t.uc:20: #error: x"), (21, "and 1 more errors")])
def test_at_most_twenty_errors_are_shown(count: int, tail: str) -> None:
    lines = failure("#error x\n" * count).splitlines()
    assert lines[-1] == tail
    assert len([line for line in lines if "#error" in line]) == 20


def test_an_error_in_a_macro_names_call_and_line() -> None:
    text = "#macro in()\n#error stop\n#endm\n#macro out()\nnop\nin()\n#endm\n\nout()"
    assert failure(text) == "t.uc:9: #error: stop (in macro out, t.uc:6; in macro in, t.uc:2)"
