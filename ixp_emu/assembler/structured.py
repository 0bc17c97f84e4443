""".if, .while, .repeat and their kin -> comparisons and branches. Source: isa.md section 4."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ixp_emu.assembler.expressions import ExpressionError, Symbols, evaluate
from ixp_emu.assembler.lowering import Item, constant_load, items
from ixp_emu.assembler.source import Diagnostics, Place, SourceError
from ixp_emu.assembler.syntax import (
    Binary,
    Call,
    Condition,
    Directive,
    IndexRegister,
    LabelName,
    Name,
    Node,
    Number,
    Unary,
    source_text,
)

__all__ = ["lower_structured"]

# Branch taken when left-minus-right satisfies the relation: signed, unsigned. ">" and "<=" compare right minus left
# in the unsigned form, which has no branch of their own.
_SIGNED = {"==": "beq", "!=": "bne", "<": "blt", ">=": "bge", ">": "bgt", "<=": "ble"}
_UNSIGNED = {"==": "beq", "!=": "bne", "<": "blo", ">=": "bhs"}
_MIRRORED = {">": "<", "<=": ">=", "<": ">", ">=": "<=", "==": "==", "!=": "!="}
_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_MAX_ALU_IMMEDIATE = 255
_ALU_OPERATORS = {"&": "AND", "+": "+", "-": "-", "|": "OR", "^": "XOR"}
_TEMPORARY = "compare__"


@dataclass(slots=True)
class _Block:
    """An open .if, .while or .repeat."""

    kind: str
    place: Place
    macro_serial: int
    start: str = ""
    next_test: str = ""
    end: str = ""
    seen_else: bool = False


class _Structured:
    def __init__(self, symbols: Symbols, diagnostics: Diagnostics) -> None:
        self._symbols = symbols
        self._diagnostics = diagnostics
        self._blocks: list[_Block] = []
        self._labels = 0
        # One number per macro expansion: a block must end in the expansion that opened it, or its labels are unseen.
        self._macros: list[int] = [0]
        self._macro_count = 0

    def run(self, source: Sequence[Item]) -> Iterator[Item]:
        for item in source:
            body = item.statement.body
            if isinstance(body, Directive) and body.name == "macro_begin__":
                self._macro_count += 1
                self._macros.append(self._macro_count)
            elif isinstance(body, Directive) and body.name == "macro_end__":
                self._macros.pop()
            try:
                lines = self._lower(body, item.place)
            except (SourceError, ExpressionError) as error:
                self._diagnostics.add(error if isinstance(error, SourceError) else SourceError(item.place, str(error)))
                continue
            if lines is None:
                yield item
                continue
            labels = "".join(f"{label}#: " for label in item.statement.labels)
            yield from items(item.place, [labels] if labels else [])
            yield from items(item.place, lines)
        for block in self._blocks:
            end = {"if": "endif", "while": "endw", "repeat": "until"}[block.kind]
            self._diagnostics.add(SourceError(block.place, f".{block.kind} without .{end}"))

    def _lower(self, body: object, place: Place) -> list[str] | None:
        match body:
            case Condition():
                unsigned = body.name.endswith("_unsigned")
                return self._conditional(body.name.removesuffix("_unsigned"), body.expression, unsigned, place)
            case Directive(name="else"):
                return self._else(place)
            case Directive(name="call"):
                return self._call(body, place)
            case Directive(name="endif"):
                block = self._close("if", "endif", place)
                return [f"{block.next_test}#:", f"{block.end}#:"]
            case Directive(name="endw"):
                block = self._close("while", "endw", place)
                return [f"br[{block.start}#]", f"{block.end}#:"]
            case Directive(name="repeat"):
                block = self._open("repeat", place)
                return [f"{block.start}#:"]
            case Directive(name="break" | "continue"):
                loop = next((block for block in reversed(self._blocks) if block.kind != "if"), None)
                if loop is None:
                    raise SourceError(place, f".{body.name} outside .while and .repeat")
                if body.name == "break":
                    return [f"br[{loop.end}#]"]
                return [f"br[{loop.next_test if loop.kind == 'repeat' else loop.start}#]"]
            case _:
                return None

    def _conditional(self, word: str, expression: Node, unsigned: bool, place: Place) -> list[str]:
        if word == "if":
            block = self._open("if", place)
            return self._test(expression, unsigned, no=block.next_test)
        if word == "elif":
            block = self._top("if", "elif", place)
            if block.seen_else:
                raise SourceError(place, ".elif after .else")
            before = [f"br[{block.end}#]", f"{block.next_test}#:"]
            block.next_test = self._label("elif")
            return before + self._test(expression, unsigned, no=block.next_test)
        if word == "while":
            block = self._open("while", place)
            return [f"{block.start}#:", *self._test(expression, unsigned, no=block.end)]
        block = self._close("repeat", "until", place)
        test = self._test(expression, unsigned, no=block.start)
        return [f"{block.next_test}#:", *test, f"{block.end}#:"]

    def _call(self, body: Directive, place: Place) -> list[str]:
        """``.call name# register``: the register receives the address that ``rtn[register]`` goes back to."""
        if len(body.items) != 2 or not isinstance(body.items[0], (LabelName, Name)):
            raise SourceError(place, ".call needs a subroutine's label and the register that its rtn[] uses")
        back = self._label("call")
        target = source_text(body.items[0]).removesuffix("#")
        return [f"load_addr[{source_text(body.items[1])}, {back}#]", f"br[{target}#]", f"{back}#:"]

    def _else(self, place: Place) -> list[str]:
        block = self._top("if", "else", place)
        if block.seen_else:
            raise SourceError(place, "a second .else")
        block.seen_else = True
        before = [f"br[{block.end}#]", f"{block.next_test}#:"]
        block.next_test = self._label("else")
        return before

    # -- blocks --------------------------------------------------------------------------------------------------

    def _label(self, kind: str) -> str:
        self._labels += 1
        return f"{kind}_{self._labels}__"

    def _open(self, kind: str, place: Place) -> _Block:
        block = _Block(kind, place, self._macros[-1])
        block.start, block.next_test, block.end = (self._label(f"{kind}_{part}") for part in ("start", "next", "end"))
        self._blocks.append(block)
        return block

    def _top(self, kind: str, word: str, place: Place) -> _Block:
        if not self._blocks or self._blocks[-1].kind != kind:
            raise SourceError(place, f".{word} without .{kind}")
        block = self._blocks[-1]
        if block.macro_serial != self._macros[-1]:
            raise SourceError(place, f".{word} and its .{kind} must stand in the same macro")
        return block

    def _close(self, kind: str, word: str, place: Place) -> _Block:
        block = self._top(kind, word, place)
        self._blocks.pop()
        return block

    # -- conditions ----------------------------------------------------------------------------------------------

    def _test(self, node: Node, unsigned: bool, *, no: str) -> list[str]:
        """Lines that fall through when the condition holds and branch to ``no`` when it does not."""
        return self._branch(node, unsigned, when=False, target=no)

    def _branch(self, node: Node, unsigned: bool, *, when: bool, target: str) -> list[str]:
        """Lines that branch to ``target`` if the condition is ``when`` and fall through otherwise."""
        constant = self._constant(node)
        if constant is not None:
            return [f"br[{target}#]"] if bool(constant) == when else []
        match node:
            case Unary(operator="!"):
                return self._branch(node.operand, unsigned, when=not when, target=target)
            case Binary(operator="&&" | "||"):
                if (node.operator == "||") == when:
                    return [
                        *self._branch(node.left, unsigned, when=when, target=target),
                        *self._branch(node.right, unsigned, when=when, target=target),
                    ]
                skip = self._label("skip")
                return [
                    *self._branch(node.left, unsigned, when=not when, target=skip),
                    *self._branch(node.right, unsigned, when=when, target=target),
                    f"{skip}#:",
                ]
            case Binary(operator="==" | "!=" | "<" | ">" | "<=" | ">="):
                return self._relation(node, unsigned, when=when, target=target)
            case Call():
                return self._query(node, None, when=when, target=target)
            case _:
                return [*self._into_condition_codes(node), f"{'bne' if when else 'beq'}[{target}#]"]

    def _relation(self, node: Binary, unsigned: bool, *, when: bool, target: str) -> list[str]:
        operator, left, right = node.operator, node.left, node.right
        if self._constant(left) is not None:
            operator, left, right = _MIRRORED[operator], right, left
        if isinstance(left, Call):
            if operator not in ("==", "!="):
                raise ExpressionError(f"{left.function.upper()}() can be compared with == and != only")
            return self._query(left, right, when=(operator == "==") == when, target=target)
        if not when:
            operator = _OPPOSITE[operator]
        constant = self._constant(right)
        if constant == 0 and operator in ("==", "!="):
            return [*self._into_condition_codes(left), f"{_SIGNED[operator]}[{target}#]"]
        if isinstance(left, (Binary, Unary)):
            raise ExpressionError(f"{source_text(left)} can be compared with 0 only")
        first, second = source_text(left), source_text(right)
        setup: list[str] = []
        if constant is not None and not 0 <= constant <= _MAX_ALU_IMMEDIATE:
            setup = constant_load(_TEMPORARY, constant)
            second = _TEMPORARY
        elif constant is not None:
            second = str(constant)
        branches = _UNSIGNED if unsigned else _SIGNED
        if operator not in branches:
            operator, first, second = _MIRRORED[operator], second, first
        return self._with_temporary(setup, [f"alu[--, {first}, -, {second}]", f"{branches[operator]}[{target}#]"])

    def _query(self, call: Call, value: Node | None, *, when: bool, target: str) -> list[str]:
        """BIT(), BYTE() and the other questions with a branch instruction of their own."""
        arguments = [source_text(argument) for argument in call.arguments]
        constant = None if value is None else self._constant(value)
        if value is not None and constant is None:
            raise ExpressionError(f"{call.function.upper()}() can be compared with a constant only")
        match call.function, len(arguments):
            case "byte", 2 if constant is not None:
                branch = "br=byte" if when else "br!=byte"
                return [f"{branch}[{arguments[0]}, {arguments[1]}, {constant}, {target}#]"]
            case "ctx", 0 if constant is not None:
                return [f"{'br=ctx' if when else 'br!=ctx'}[{constant}, {target}#]"]
            case _ if constant not in (None, 0, 1):
                raise ExpressionError(f"{call.function.upper()}() is 0 or 1, not {constant}")
        if constant == 0:
            when = not when
        match call.function, len(arguments):
            case "bit", 2:
                return [f"{'br_bset' if when else 'br_bclr'}[{arguments[0]}, {arguments[1]}, {target}#]"]
            case "cout", 0:
                return [f"{'bcs' if when else 'bcc'}[{target}#]"]
            case "inp_state", 1:
                return [f"{'br_inp_state' if when else 'br_!inp_state'}[{arguments[0]}, {target}#]"]
            case "signal", 1:
                return [f"{'br_signal' if when else 'br_!signal'}[{arguments[0]}, {target}#]"]
        raise ExpressionError(
            f"no condition {call.function.upper()} with {len(arguments)} argument(s): known are BIT(reg, n), "
            "BYTE(reg, n) == c, COUT(), CTX() == n, INP_STATE(name), SIGNAL(s)"
        )

    def _into_condition_codes(self, node: Node) -> list[str]:
        """Lines whose last one leaves zero / not zero of a value in the condition codes."""
        if isinstance(node, (Name, IndexRegister)):
            return [f"alu[--, --, B, {source_text(node)}]"]
        if isinstance(node, Binary) and node.operator in _ALU_OPERATORS:
            left, right = node.left, node.right
            if self._constant(left) is not None and node.operator != "-":
                left, right = right, left
            constant = self._constant(right)
            if all(
                isinstance(side, (Name, IndexRegister, Number)) or self._constant(side) is not None
                for side in (left, right)
            ):
                setup: list[str] = []
                text = source_text(right)
                if constant is not None and not 0 <= constant <= _MAX_ALU_IMMEDIATE:
                    setup, text = constant_load(_TEMPORARY, constant), _TEMPORARY
                elif constant is not None:
                    text = str(constant)
                operator = _ALU_OPERATORS[node.operator]
                return self._with_temporary(setup, [f"alu[--, {source_text(left)}, {operator}, {text}]"])
        raise ExpressionError(f"{source_text(node)} is no condition: write register, operator, register or constant")

    def _with_temporary(self, setup: list[str], lines: list[str]) -> list[str]:
        return [".begin", f".reg {_TEMPORARY}", *setup, *lines, ".end"] if setup else lines

    def _constant(self, node: Node) -> int | None:
        try:
            return evaluate(node, self._symbols)
        except ExpressionError:
            return None


def lower_structured(source: Sequence[Item], *, symbols: Symbols, diagnostics: Diagnostics) -> list[Item]:
    """Replaces the structured directives by branches; errors go to ``diagnostics``.

    Parameters:
        source: the statements of a program.
        symbols: what constants the conditions may name.
    """
    return list(_Structured(symbols, diagnostics).run(source))
