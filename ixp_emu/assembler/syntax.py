"""What the grammar yields: the parts of one statement, before names mean anything."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "Address",
    "Assignment",
    "Binary",
    "Call",
    "Choice",
    "Condition",
    "Directive",
    "IndexRegister",
    "LabelName",
    "Name",
    "NoRegister",
    "Node",
    "Number",
    "Operator",
    "Shift",
    "SourceInstruction",
    "SourceToken",
    "Statement",
    "Text",
    "Unary",
    "source_text",
]


@dataclass(frozen=True, slots=True)
class Number:
    """A literal, with its spelling (byte masks are written as digits: ``0011``)."""

    value: int
    spelling: str


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string."""

    value: str


@dataclass(frozen=True, slots=True)
class Name:
    """A word: a register, a signal, an import variable, a CSR or a keyword; ``name[index]`` is an array element."""

    spelling: str
    index: Node | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """``&name``: the number of a transfer register or signal; ``&remote(name, me)`` of one in another microengine."""

    name: Name | Call


@dataclass(frozen=True, slots=True)
class Unary:
    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Choice:
    """``condition ? yes : no``."""

    condition: Node
    yes: Node
    no: Node


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class IndexRegister:
    """``*l$index0[offset]``, ``*$index++`` and the like; ``file`` is the part between ``*`` and the step."""

    file: str
    step: int = 0
    offset: Node | None = None


@dataclass(frozen=True, slots=True)
class NoRegister:
    """``--``."""


@dataclass(frozen=True, slots=True)
class LabelName:
    """``name#`` as an operand."""

    name: str


@dataclass(frozen=True, slots=True)
class Operator:
    """An ALU operation that is not a plain word: ``+``, ``~AND``, ``B-A``."""

    spelling: str


@dataclass(frozen=True, slots=True)
class Shift:
    """``<<3``, ``>>rot8``, ``<<indirect``; ``direction`` includes ``rot``."""

    direction: str
    amount: Node


@dataclass(frozen=True, slots=True)
class Assignment:
    """``key=value`` in a directive."""

    key: str
    value: Node


Node = (
    Number
    | Text
    | Name
    | Address
    | Unary
    | Binary
    | Choice
    | Call
    | IndexRegister
    | NoRegister
    | LabelName
    | Operator
    | Shift
    | Assignment
)


@dataclass(frozen=True, slots=True)
class SourceToken:
    """An optional part after the brackets: ``defer[2]``, ``ctx_swap[s]``, ``any``."""

    name: str
    arguments: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceInstruction:
    mnemonic: str
    arguments: tuple[Node, ...] = ()
    tokens: tuple[SourceToken, ...] = ()


@dataclass(frozen=True, slots=True)
class Directive:
    """``.name item item ...``; names are lower case without the dot."""

    name: str
    items: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """``.if (expression)`` and the other directives that take one condition."""

    name: str
    expression: Node


@dataclass(frozen=True, slots=True)
class Statement:
    """One line: labels, then at most one instruction or directive."""

    labels: tuple[str, ...] = ()
    body: SourceInstruction | Directive | Condition | None = None


def source_text(node: Node) -> str:
    """The node as it would be written; parses back to the same node."""
    match node:
        case Number():
            return node.spelling
        case Text():
            return f"'{node.value}'"
        case Name(index=None):
            return node.spelling
        case Name(index=index) if index is not None:
            return f"{node.spelling}[{source_text(index)}]"
        case Address():
            return f"&{source_text(node.name)}"
        case Unary():
            return f"({node.operator}{source_text(node.operand)})"
        case Binary():
            return f"({source_text(node.left)} {node.operator} {source_text(node.right)})"
        case Choice():
            return f"({source_text(node.condition)} ? {source_text(node.yes)} : {source_text(node.no)})"
        case Call():
            return f"{node.function}({', '.join(map(source_text, node.arguments))})"
        case IndexRegister():
            step = {1: "++", -1: "--", 0: ""}[node.step]
            return f"*{node.file}{step}" + ("" if node.offset is None else f"[{source_text(node.offset)}]")
        case NoRegister():
            return "--"
        case LabelName():
            return f"{node.name}#"
        case Operator():
            return node.spelling
        case Shift():
            return f"{node.direction}{source_text(node.amount)}"
        case Assignment():
            return f"{node.key}={source_text(node.value)}"
        case _:
            raise TypeError(f"no source form: {node!r}")
