"""Text of one line -> Statement, and text of an expression -> Node. The grammar is in ``grammar.lark``."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, NoReturn

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

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
        return SourceInstruction(mnemonic.lower(), arguments, tokens)

    def token(self, name: Token, *arguments: Any) -> SourceToken:
        return SourceToken(name.lower(), tuple(argument for argument in arguments if argument is not None))

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
        return Number(-int(digits, 0 if digits[:2].lower() == "0x" else 10), f"-{digits}")

    def label_name(self, name: Token) -> LabelName:
        return LabelName(name[:-1].lower())

    def no_register(self, _: Token) -> NoRegister:
        return NoRegister()

    def number(self, digits: Token) -> Number:
        return Number(int(digits, 0 if digits[:2].lower() == "0x" else 10), str(digits))

    def name(self, spelling: Token, index: Node | None) -> Name:
        return Name(str(spelling), index)

    def text(self, quoted: Token) -> Text:
        return Text(quoted[1:-1])

    def address(self, name: Name) -> Address:
        return Address(name)

    def call(self, function: Token, *arguments: Any) -> Call:
        return Call(function.lower(), tuple(argument for argument in arguments if argument is not None))

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


def _fail(text: str, error: UnexpectedInput) -> NoReturn:
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        found = str(error.token)
    elif isinstance(error, UnexpectedCharacters):
        found = text[error.pos_in_stream :].split(maxsplit=1)[0]
    else:
        raise SyntaxProblem(f"syntax error: the line ends too early: {text.strip()!r}") from error
    raise SyntaxProblem(f"syntax error at {found!r} in {text.strip()!r}") from error


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
        return _parser().parse(text, start=start)
    except UnexpectedInput as error:
        _fail(text, error)
    except VisitError as error:
        raise SyntaxProblem(f"syntax error in {text.strip()!r}") from error
