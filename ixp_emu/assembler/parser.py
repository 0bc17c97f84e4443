"""Text of one line -> Statement, and text of an expression -> Node. The grammar is in ``grammar.lark``."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, NoReturn

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

from ixp_emu.assembler.source import OUTER, abbreviated
from ixp_emu.assembler.syntax import (
    Address,
    Assignment,
    Binary,
    Call,
    Choice,
    Condition,
    Directive,
    IndexRegister,
    LabelName,
    Name,
    Node,
    NoRegister,
    Number,
    Operator,
    Shift,
    SourceInstruction,
    SourceToken,
    Statement,
    Text,
    Unary,
)

__all__ = ["SyntaxProblem", "parse_expression", "parse_statement"]

_MAX_DEPTH = 200
_MAX_NUMBER_BITS = 64
_ASSIGNMENT = re.compile(r"\s*[@$\w]+(\[[^\]]*\])?\s*=[^=]")
_PLAIN_LABEL = re.compile(r"\s*([A-Za-z_]\w*)\s*:")


class SyntaxProblem(Exception):
    """The text is not a statement (or expression); the message says where it stops making sense."""


def _binary(operator: str) -> Any:
    return lambda self, left, right: Binary(operator, left, right)


@v_args(inline=True)
class _Builder(Transformer[Token, Any]):
    """Builds the syntax objects while lark parses; no parse tree is kept."""

    def statement(self, *parts: Any) -> Statement:
        *labels, body = parts
        return Statement(tuple(label[:-2].lower() for label in labels), body)

    def instruction(self, mnemonic: Token, *parts: Any) -> SourceInstruction:
        tokens = tuple(part for part in parts if isinstance(part, SourceToken))
        arguments = tuple(part for part in parts if part is not None and not isinstance(part, SourceToken))
        return SourceInstruction(mnemonic.lower().rstrip(OUTER), arguments, tokens)

    def token(self, name: Token, *arguments: Any) -> SourceToken:
        return SourceToken(
            name.lower().rstrip(OUTER), tuple(argument for argument in arguments if argument is not None)
        )

    def directive(self, name: Token, *items: Node) -> Directive:
        return Directive(name[1:].lower(), items)

    def condition(self, name: Token, expression: Node) -> Condition:
        return Condition(name[1:].lower(), expression)

    def assignment(self, key: Token, value: Node) -> Assignment:
        return Assignment(key.lower(), value)

    def operator(self, spelling: Token) -> Operator:
        return Operator("".join(spelling.split()))

    def shift(self, direction: Token, amount: Node) -> Shift:
        return Shift("".join(direction.split()).lower(), amount)

    def negative(self, digits: Token) -> Number:
        return Number(-_number(digits), f"-{digits}")

    def label_name(self, name: Token) -> LabelName:
        return LabelName(name[:-1].lower())

    def no_register(self, _: Token) -> NoRegister:
        return NoRegister()

    def number(self, digits: Token) -> Number:
        return Number(_number(digits), str(digits))

    def name(self, spelling: Token, index: Node | None) -> Name:
        return Name(str(spelling), index)

    def text(self, quoted: Token) -> Text:
        return Text(quoted[1:-1])

    def address(self, name: Name | Call) -> Address:
        return Address(name)

    def call(self, function: Token, *arguments: Any) -> Call:
        return Call(function.lower().rstrip(OUTER), tuple(argument for argument in arguments if argument is not None))

    def index(self, spelling: Token, offset: Node | None) -> IndexRegister:
        text = spelling.lower()
        step = 1 if text.endswith("++") else -1 if text.endswith("--") else 0
        return IndexRegister(text[1:].rstrip("+-"), step, offset)

    def choice(self, condition: Node, yes: Node, no: Node) -> Choice:
        return Choice(condition, yes, no)

    def binary(self, left: Node, operator: Token, right: Node) -> Binary:
        return Binary("==" if operator == "=" else str(operator), left, right)

    binary_either = _binary("||")
    binary_both = _binary("&&")
    binary_bit_or = _binary("|")
    binary_bit_xor = _binary("^")
    binary_bit_and = _binary("&")

    def unary(self, operator: Token, operand: Node) -> Unary:
        return Unary(str(operator), operand)


@cache
def _parser() -> Lark:
    grammar = files("ixp_emu.assembler").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(
        grammar, parser="lalr", start=["statement", "expression"], transformer=_Builder(), maybe_placeholders=True
    )


def _number(digits: str) -> int:
    hexadecimal = digits[:2].lower() == "0x"
    significant = digits[2:].lstrip("0") if hexadecimal else digits.lstrip("0")
    value = int(significant or "0", 16 if hexadecimal else 10) if len(significant) <= _MAX_NUMBER_BITS else -1
    if not 0 <= value < 1 << _MAX_NUMBER_BITS:
        raise SyntaxProblem(f"number {abbreviated(digits, 30)!r}: has more than {_MAX_NUMBER_BITS} bits")
    return value


def _check_depth(node: Any, text: str) -> None:
    """Everything later walks the nodes recursively."""
    level = [node]
    for _ in range(_MAX_DEPTH):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return
    raise SyntaxProblem(f"nested deeper than {_MAX_DEPTH}: {abbreviated(text.strip())!r}")


def _children(node: Any) -> list[Any]:
    if isinstance(node, tuple):
        return list(node)
    return [getattr(node, name) for name in getattr(node, "__slots__", ()) if not isinstance(getattr(node, name), str)]


def _fail(text: str, error: UnexpectedInput) -> NoReturn:
    if _ASSIGNMENT.match(text):
        raise SyntaxProblem(
            f"{abbreviated(text.strip())!r}: notation x = y + z belongs to the NFP, not to the IXP2400: "
            "write alu[x, y, +, z]"
        ) from error
    label = _PLAIN_LABEL.match(text)
    if label is not None:
        raise SyntaxProblem(f"syntax error at ':': a label is written {abbreviated(label.group(1))}#:") from error
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        found = abbreviated(str(error.token))
    elif isinstance(error, UnexpectedCharacters):
        found = abbreviated(text[error.pos_in_stream :].split(maxsplit=1)[0])
    else:
        raise SyntaxProblem(f"syntax error: the line ends too early: {abbreviated(text.strip(), 120)!r}") from error
    raise SyntaxProblem(f"syntax error at {found!r} in {abbreviated(text.strip(), 120)!r}") from error


@lru_cache(maxsize=8192)
def parse_statement(text: str) -> Statement:
    """Parses one preprocessed line. Raises SyntaxProblem."""
    return _parse(text, "statement")  # type: ignore[no-any-return]


@lru_cache(maxsize=8192)
def parse_expression(text: str) -> Node:
    """Parses a constant expression or a condition. Raises SyntaxProblem."""
    return _parse(text, "expression")  # type: ignore[no-any-return]


def _parse(text: str, start: str) -> Any:
    try:
        parsed = _parser().parse(text, start=start)
    except UnexpectedInput as error:
        _fail(text, error)
    except VisitError as error:
        if isinstance(error.orig_exc, SyntaxProblem):
            raise error.orig_exc from None
        raise SyntaxProblem(f"syntax error in {abbreviated(text.strip(), 120)!r}") from error
    if len(text) > _MAX_DEPTH:
        _check_depth(parsed, text)
    return parsed
