"""Grammar and constant expressions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ixp_emu.assembler.expressions import ExpressionError, evaluate, signed32
from ixp_emu.assembler.parser import SyntaxProblem, parse_expression, parse_statement
from ixp_emu.assembler.resolve import Constants
from ixp_emu.assembler.syntax import (
    Directive,
    IndexRegister,
    LabelName,
    Name,
    NoRegister,
    Number,
    Operator,
    Shift,
    SourceInstruction,
    SourceToken,
    Statement,
    source_text,
)

NOTHING = Constants({}, {})


def value(text: str) -> int:
    return evaluate(parse_expression(text), NOTHING)


def test_a_full_line() -> None:
    assert parse_statement("a#: b#: ALU[x, --, ~B, *l$index0[3], >>rot8], defer[1], any") == Statement(
        ("a", "b"),
        SourceInstruction(
            "alu",
            (
                Name("x"),
                NoRegister(),
                Operator("~B"),
                IndexRegister("l$index0", 0, Number(3, "3")),
                Shift(">>rot", Number(8, "8")),
            ),
            (SourceToken("defer", (Number(1, "1"),)), SourceToken("any")),
        ),
    )


@pytest.mark.parametrize(
    "operator", ["+", "-", "+16", "+8", "+carry", "-carry", "B-A", "~B", "~AND", "AND~", "AND", "OR", "XOR", "B"]
)
def test_alu_operators(operator: str) -> None:
    body = parse_statement(f"alu[a, b, {operator}, c]").body
    assert isinstance(body, SourceInstruction)
    assert source_text(body.arguments[2]) == operator


@pytest.mark.parametrize("mnemonic", ["br=ctx", "br!=ctx", "br=byte", "br!=byte", "br_!signal", "br_!inp_state"])
def test_mnemonics_with_signs(mnemonic: str) -> None:
    body = parse_statement(f"{mnemonic}[1, l#]").body
    assert isinstance(body, SourceInstruction)
    assert (body.mnemonic, body.arguments[1]) == (mnemonic, LabelName("l"))


def test_byte_masks_keep_their_digits() -> None:
    body = parse_statement("ld_field[a, 0011, b]").body
    assert isinstance(body, SourceInstruction)
    assert source_text(body.arguments[1]) == "0011"


def test_directives_need_no_commas() -> None:
    assert parse_statement(".REG read $a, $b[4]").body == Directive(
        "reg", (Name("read"), Name("$a"), Name("$b", Number(4, "4")))
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alu[a b]", "syntax error at 'b' in 'alu[a b]'"),
        ("alu[a,, b]", "syntax error at ',' in 'alu[a,, b]'"),
        ("alu[", "syntax error: the line ends too early: 'alu['"),
        ("a ?", "syntax error at '?' in 'a ?'"),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        parse_statement(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 4 - 3", 3),
        ("1 << 2 + 1", 8),
        ("6 & 3 == 3", 6 & 1),
        ("1 | 2 ^ 3 & 2", 1 | (2 ^ (3 & 2))),
        ("-7 % 4", -3),
        ("7 / -2", -3),
        ("~0", -1),
        ("!5", 0),
        ("0 || 2", 1),
        ("0 && (1 / 0)", 0),
        ("1 || (1 / 0)", 1),
        ("1 ? 2 : 0 ? 3 : 4", 2),
        ("1 << 31", -(1 << 31)),
        ("0x7fffffff + 1", -(1 << 31)),
        ("0x80000000 >> 31", -1),
        ("log2(1 << 20)", 20),
    ],
)
def test_values(text: str, expected: int) -> None:
    assert value(text) == expected


@given(
    st.lists(st.tuples(st.sampled_from(["+", "-", "*", "&", "|", "^", "<<", ">>"]), st.integers(0, 31)), max_size=6),
    st.integers(0, 99),
)
@settings(max_examples=200, deadline=None)
def test_expressions_are_those_of_c_in_32_bits(tail: list[tuple[str, int]], first: int) -> None:
    """Python's precedence of these operators is C's; only the width differs, and only shifts right can see that."""
    text = " ".join([str(first), *(f"{operator} {number}" for operator, number in tail)])
    if ">>" in text or text.count("<<") > 1:
        shifts = [operator for operator, _ in tail if operator in ("<<", ">>")]
        if len(shifts) != 1 or tail[[o for o, _ in tail].index(shifts[0])][1] > 31:
            return
    try:
        assert value(text) == signed32(eval(text))
    except ExpressionError as error:
        assert "shift by" in str(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "'a' is not a constant"),
        ("foo(1)", "unknown function 'foo' with 1 argument(s)"),
        ("i$x", "'i$x' is not a constant"),
        ("1 % 0", "division by zero"),
        ("base(t)", "base(t): no such structure, or it has no location"),
    ],
)
def test_expressions_without_a_value(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        value(text)
    assert str(caught.value) == message


def test_source_text_parses_back() -> None:
    for text in ("(a ? 1 : (2 + -3))", "x[(i + 1)]", "&$x[2]", "mask(s)", "*l$index1++", "'t'"):
        node = parse_expression(text)
        assert parse_expression(source_text(node)) == node
