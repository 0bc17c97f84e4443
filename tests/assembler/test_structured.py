"""Structured code: every condition is executed with values on both sides of its edge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ixp_emu.assembler import Program

Assembled = Callable[..., Program]

EDGES = (0, 1, 2, 4, 5, 6, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFE, 0xFFFFFFFF)
RELATIONS = {
    "==": lambda x, y: x == y,
    "!=": lambda x, y: x != y,
    "<": lambda x, y: x < y,
    "<=": lambda x, y: x <= y,
    ">": lambda x, y: x > y,
    ">=": lambda x, y: x >= y,
}


def signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


def outcome(program: Program, machine: Any, **values: int) -> int:
    """Value of register ``out`` after the program ran with the given registers."""
    running = machine(program)
    for name, value in values.items():
        running.set(name, value)
    return int(running.run().get("out"))


def choice(condition: str, *, word: str = ".if") -> str:
    return f".reg global x y out\n{word} ({condition})\nimmed[out, 1]\n.else\nimmed[out, 2]\n.endif\nhalt"


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("word", [".if", ".if_unsigned"])
def test_relations_of_registers(assembled: Assembled, machine: Any, relation: str, word: str) -> None:
    program = assembled(choice(f"x {relation} y", word=word))
    for x in EDGES:
        for y in EDGES:
            holds = RELATIONS[relation](x, y) if word == ".if_unsigned" else RELATIONS[relation](signed(x), signed(y))
            assert outcome(program, machine, x=x, y=y) == (1 if holds else 2), (x, y)


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("constant", [0, 5, 255, 256, 0x12345678, -1])
@pytest.mark.parametrize("constant_first", [False, True])
def test_relations_with_constants(
    assembled: Assembled, machine: Any, relation: str, constant: int, constant_first: bool
) -> None:
    text = f"({constant}) {relation} x" if constant_first else f"x {relation} ({constant})"
    program = assembled(choice(text))
    for x in {*EDGES, constant & 0xFFFFFFFF, constant + 1 & 0xFFFFFFFF, constant - 1 & 0xFFFFFFFF}:
        pair = (constant, signed(x)) if constant_first else (signed(x), constant)
        assert outcome(program, machine, x=x) == (1 if RELATIONS[relation](*pair) else 2), x


@pytest.mark.parametrize(
    ("condition", "rule"),
    [
        ("x", lambda x, y: x != 0),
        ("!x", lambda x, y: x == 0),
        ("(x & 4) == 0", lambda x, y: x & 4 == 0),
        ("(x & 0x8000) != 0", lambda x, y: x & 0x8000 != 0),
        ("BIT(x, 31)", lambda x, y: x >> 31 == 1),
        ("BIT(x, 0) == 0", lambda x, y: x & 1 == 0),
        ("!BIT(x, 2)", lambda x, y: x & 4 == 0),
        ("BYTE(x, 3) == 0xff", lambda x, y: x >> 24 == 0xFF),
        ("BYTE(x, 0) != 5", lambda x, y: x & 0xFF != 5),
        ("x == 5 && y == 1", lambda x, y: x == 5 and y == 1),
        ("x == 5 || y == 1", lambda x, y: x == 5 or y == 1),
        ("!(x == 5 || y == 1)", lambda x, y: not (x == 5 or y == 1)),
        ("!(x == 5 && y == 1)", lambda x, y: not (x == 5 and y == 1)),
        ("(x == 5 || x == 6) && (y == 1 || y == 2)", lambda x, y: x in (5, 6) and y in (1, 2)),
        ("(x == 5 && y == 1) || (x == 6 && y == 2)", lambda x, y: (x, y) in ((5, 1), (6, 2))),
        ("1", lambda x, y: True),
        ("(3 > 4)", lambda x, y: False),
        ("1 && x == 5", lambda x, y: x == 5),
        ("x = 5", lambda x, y: x == 5),
    ],
)
def test_conditions(assembled: Assembled, machine: Any, condition: str, rule: Callable[[int, int], bool]) -> None:
    program = assembled(choice(condition))
    for x in EDGES:
        for y in (0, 1, 2):
            assert outcome(program, machine, x=x, y=y) == (1 if rule(x, y) else 2), (x, y)


def test_elif_chain(assembled: Assembled, machine: Any) -> None:
    text = """.reg global x out
    immed[out, 0]
    .if (x == 1)
        immed[out, 10]
    .elif (x == 2)
        immed[out, 20]
    .elif_unsigned (x > 0x80000000)
        immed[out, 30]
    .endif
    halt"""
    program = assembled(text)
    assert {x: outcome(program, machine, x=x) for x in (0, 1, 2, 0x80000000, 0x80000001)} == {
        0: 0, 1: 10, 2: 20, 0x80000000: 0, 0x80000001: 30,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (".while (x != 0)\nalu[out, out, +, 1]\nalu[x, x, -, 1]\n.endw", lambda n: n),
        (".repeat\nalu[out, out, +, 1]\nalu[x, x, -, 1]\n.until (x <= 0)", lambda n: max(n, 1)),
        (".while (1)\n.if (out == 3)\n.break\n.endif\nalu[out, out, +, 1]\n.endw", lambda n: 3),
        (
            ".while (x > 0)\nalu[x, x, -, 1]\n.if (BIT(x, 0))\n.continue\n.endif\nalu[out, out, +, 1]\n.endw",
            lambda n: len([k for k in range(n) if k % 2 == 0]),
        ),
        (
            ".repeat\nalu[x, x, -, 1]\n.if (BIT(x, 0))\n.continue\n.endif\nalu[out, out, +, 1]\n.until (x <= 0)",
            lambda n: len([k for k in (range(n - 1, -1, -1) if n else [-1]) if k % 2 == 0]),
        ),
    ],
)
def test_loops(assembled: Assembled, machine: Any, body: str, expected: Callable[[int], int]) -> None:
    program = assembled(f".reg global x out\nimmed[out, 0]\n{body}\nhalt")
    for count in (0, 1, 2, 7):
        assert outcome(program, machine, x=count) == expected(count), count


@pytest.mark.parametrize(
    ("condition", "branch"),
    [
        ("SIGNAL(s)", "br_!signal[1, l2]"),
        ("!SIGNAL(s)", "br_signal[1, l2]"),
        ("INP_STATE(nn_empty)", "br_!inp_state[nn_empty, l2]"),
        ("CTX() == 3", "br!=ctx[3, l2]"),
        ("COUT()", "bcc[l2]"),
    ],
)
def test_conditions_with_a_branch_of_their_own(listing: Callable[..., list[str]], condition: str, branch: str) -> None:
    lines = listing(f".sig s\n.if ({condition})\nnop\n.endif\nhalt")
    expected = {"bcc[l2]": ("bcc[l2]", "blo[l2]")}.get(branch, (branch,))
    assert lines[0].lower().replace("#", "") in expected


def test_a_small_comparison_costs_two_words(assembled: Assembled) -> None:
    assert len(assembled(".reg x\n.set x\n.if (x > 255)\nnop\n.endif").words) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".endif", "t.uc:1: .endif without .if"),
        (".else", "t.uc:1: .else without .if"),
        (".endw", "t.uc:1: .endw without .while"),
        (".until (1)", "t.uc:1: .until without .repeat"),
        (".break", "t.uc:1: .break outside .while and .repeat"),
        ("nop\n.if (1)", "t.uc:2: .if without .endif"),
        (".while (1)", "t.uc:1: .while without .endw"),
        (".if (1)\n.else\n.else\n.endif", "t.uc:3: a second .else"),
        (".if (1)\n.else\n.elif (1)\n.endif", "t.uc:3: .elif after .else"),
        ("#macro m()\n.endif\n#endm\n.if (1)\nm()\n.endif",
         "t.uc:5: .endif and its .if must stand in the same macro (in macro m, t.uc:2)"),
        (".reg x\n.if (FOO(x))\n.endif",
         "t.uc:2: no condition FOO with 1 argument(s): known are BIT(reg, n), BYTE(reg, n) == c, COUT(), CTX() == n, "
         "INP_STATE(name), SIGNAL(s)"),
        (".reg x\n.if (BIT(x, 1) == 2)\n.endif", "t.uc:2: BIT() is 0 or 1, not 2"),
        (".reg x y\n.if ((x + 1) > y)\n.endif", "t.uc:2: (x + 1) can be compared with 0 only"),
    ],
)  # fmt: skip
def test_errors(refused: Callable[..., str], text: str, message: str) -> None:
    assert refused(text) == message
