"""Random programs over named registers, with the values the source means, and a run of their words.

A statement has a text and a Python meaning; nothing here knows of banks, live ranges or shadows. At its end a program
puts its registers into local memory, so names need no register of their own to be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

from ixp_emu.assembler import Program
from ixp_emu.chip.hardware import resolve_hardware
from tests.reference.chip import ReferenceChip

__all__ = ["Case", "cases", "run_words"]

_MASK = 0xFFFF_FFFF
_LOCAL = 32  # first longword that index 1 addresses; index 0 dumps from longword 0 on
_CONDITIONS: dict[str, Callable[[State], bool]] = {
    "beq": lambda s: s.zero,
    "bne": lambda s: not s.zero,
    "bmi": lambda s: s.negative,
    "bcs": lambda s: s.carry,
    "bcc": lambda s: not s.carry,
    "bvs": lambda s: s.overflow,
    "bge": lambda s: s.negative == s.overflow,
    "bgt": lambda s: not s.zero and s.negative == s.overflow,
}


@dataclass
class State:
    """What a program works on; ``last`` is the last result, ``left`` the last left operand."""

    values: dict[str, int] = field(default_factory=dict)
    local: dict[int, int] = field(default_factory=dict)
    scratch: dict[int, int] = field(default_factory=dict)
    negative: bool = False
    zero: bool = False
    carry: bool = False
    overflow: bool = False
    last: int = 0
    left: int = 0

    def logic(self, result: int) -> int:
        self.carry = self.overflow = False
        return self.flags(result)

    def flags(self, result: int) -> int:
        self.negative, self.zero = bool(result >> 31), result == 0
        return result

    def add(self, left: int, right: int, carry: int) -> int:
        exact = left + right + carry
        result = exact & _MASK
        self.carry = exact > _MASK
        self.overflow = left >> 31 == right >> 31 != result >> 31
        return self.flags(result)


_OPERATORS: dict[str, Callable[[State, int, int], int]] = {
    "+": lambda s, a, b: s.add(a, b, 0),
    "-": lambda s, a, b: s.add(a, b ^ _MASK, 1),
    "+carry": lambda s, a, b: s.add(a, b, s.carry),
    "-carry": lambda s, a, b: s.add(a, b ^ _MASK, s.carry),
    "AND": lambda s, a, b: s.logic(a & b),
    "OR": lambda s, a, b: s.logic(a | b),
    "XOR": lambda s, a, b: s.logic(a ^ b),
}


@dataclass(frozen=True)
class Statement:
    """Lines of source and what they do."""

    lines: tuple[str, ...]
    run: Callable[[State], None]


@dataclass(frozen=True)
class Case:
    """A program: its registers, source, and the values they must have at the end."""

    names: tuple[str, ...]
    source: str
    values: dict[str, int]
    scratch: dict[int, int]

    def check(self, program: Program) -> int:
        """Runs the words, compares every value, and returns the cycles taken."""
        chip = run_words(program.words)
        found = dict(zip(self.names, chip.me[0].local_memory, strict=False))
        assert found == self.values
        assert {address: chip.scratch.read_words(address, 1)[0] for address in self.scratch} == self.scratch
        return chip.now


def run_words(words: Sequence[int]) -> ReferenceChip:
    """One context executes the words to their ``halt``."""
    chip = ReferenceChip(resolve_hardware())
    chip.load(0, words, contexts=1)
    chip.run(100_000)
    assert chip.fault is not None and chip.fault.kind == "halt", chip.fault
    return chip


# -- statements of one line -----------------------------------------------------------------------------------------


def _alu(dst: str, left: str, operator: str, right: str) -> Statement:
    def run(s: State) -> None:
        s.left = s.values[left]
        s.last = _OPERATORS[operator](s, s.values[left], s.values[right])
        if dst != "--":
            s.values[dst] = s.last

    return Statement((f"alu[{dst}, {left}, {operator}, {right}]",), run)


def _constant(dst: str, value: int) -> Statement:
    def run(s: State) -> None:
        s.values[dst] = s.last = value

    return Statement((f"immed[{dst}, {value}]",), run)


def _shifted(dst: str, left: str, right: str, amount: int) -> Statement:
    def run(s: State) -> None:
        s.left = s.values[left]
        s.values[dst] = s.last = s.logic(s.values[left] | s.values[right] << amount & _MASK)

    return Statement((f"alu_shf[{dst}, {left}, OR, {right}, <<{amount}]",), run)


def _double(dst: str, left: str, right: str, amount: int) -> Statement:
    def run(s: State) -> None:
        s.left = s.values[left]
        s.values[dst] = s.last = s.logic((s.values[left] << 32 | s.values[right]) >> amount & _MASK)

    return Statement((f"dbl_shf[{dst}, {left}, {right}, >>{amount}]",), run)


def _insert(dst: str, source: str, mask: int, *, flags: bool) -> Statement:
    kept = sum(0xFF << 8 * byte for byte in range(4) if not mask >> byte & 1)

    def run(s: State) -> None:
        s.last = s.values[dst] & kept | s.values[source] & ~kept & _MASK
        s.values[dst] = s.logic(s.last) if flags else s.last

    return Statement((f"ld_field[{dst}, {mask:04b}, {source}]" + (", load_cc" if flags else ""),), run)


def _nop() -> Statement:
    return Statement(("nop",), lambda s: setattr(s, "last", 0))


def _to_local(offset: int, source: str) -> Statement:
    def run(s: State) -> None:
        s.left = 0
        s.local[offset] = s.last = s.logic(s.values[source])

    return Statement((f"alu[*l$index1[{offset}], --, B, {source}]",), run)


def _from_local(dst: str, left: str, offset: int) -> Statement:
    def run(s: State) -> None:
        s.left = s.values[left]
        s.values[dst] = s.last = s.logic(s.values[left] ^ s.local.get(offset, 0))

    return Statement((f"alu[{dst}, {left}, XOR, *l$index1[{offset}]]",), run)


# -- statements of several lines ------------------------------------------------------------------------------------


def _indirect_shift(dst: str, amount: str, other: str, source: str, direction: str) -> Statement:
    def run(s: State) -> None:
        s.left = s.values[amount]
        s.logic(s.values[amount] | s.values[other])
        shift = s.left & 31
        value = s.values[source] << shift & _MASK if direction == "<<" else s.values[source] >> shift
        s.left = 0
        s.values[dst] = s.last = s.logic(value)

    return Statement((f"alu[--, {amount}, OR, {other}]", f"alu_shf[{dst}, --, B, {source}, {direction}indirect]"), run)


def _arithmetic_shift(dst: str, source: str, amount: int) -> Statement:
    def run(s: State) -> None:
        value = s.values[source]
        signed = value | (value >> 31) * (_MASK << 32)
        s.left = 0
        s.values[dst] = s.last = s.logic(signed >> amount & _MASK)

    return Statement((f"alu[--, --, B, {source}]", f"asr[{dst}, {source}, >>{amount}]"), run)


def _index(filler: Sequence[Statement], base: int) -> Statement:
    """Index 1 is set anew, three statements before it is used."""

    def run(s: State) -> None:
        for statement in filler:
            statement.run(s)

    lines = tuple(line for statement in filler for line in statement.lines)
    return Statement((f"local_csr_wr[active_lm_addr_1, {base}]", *lines), run)


def _store(address: int, source: str, *, shadow: Sequence[Statement]) -> Statement:
    def run(s: State) -> None:
        s.left = 0
        s.scratch[address] = s.last = s.logic(s.values[source])
        for statement in shadow:
            statement.run(s)

    defer = f", defer[{len(shadow)}]" if shadow else ""
    return Statement(
        (
            f"alu[$out, --, B, {source}]",
            f"scratch[write, $out, 0, {address}, 1], ctx_swap[done]{defer}",
            *(line for statement in shadow for line in statement.lines),
        ),
        run,
    )


def _fetch(dst: str, address: int, between: Sequence[Statement]) -> Statement:
    def run(s: State) -> None:
        for statement in between:
            statement.run(s)
        s.left = 0
        s.values[dst] = s.last = s.logic(s.scratch.get(address, 0))

    return Statement(
        (
            f"scratch[read, $in, 0, {address}, 1], sig_done[done]",
            *(line for statement in between for line in statement.lines),
            "ctx_arb[done]",
            f"alu[{dst}, --, B, $in]",
        ),
        run,
    )


def _branch(
    label: str,
    head: str,
    taken: Callable[[State], bool],
    before: Statement | None,
    shadow: Sequence[Statement],
    body: Sequence[Statement],
) -> Statement:
    def run(s: State) -> None:
        if before is not None:
            before.run(s)
        skips = taken(s)
        for statement in (*shadow, *(() if skips else body)):
            statement.run(s)

    defer = f", defer[{len(shadow)}]" if shadow else ""
    lines = [line for statement in (*shadow, *body) for line in statement.lines]
    return Statement(((*(before.lines if before else ()), f"{head}{defer}", *lines, f"{label}#:")), run)


def _loop(label: str, counter: str, rounds: int, one: str, body: Sequence[Statement]) -> Statement:
    def run(s: State) -> None:
        s.last = rounds
        for left in reversed(range(rounds)):
            for statement in body:
                statement.run(s)
            s.left = left + 1
            s.last = s.add(left + 1, _MASK ^ 1, 1)

    lines = (line for statement in body for line in statement.lines)
    return Statement(
        (f"immed[{counter}, {rounds}]", f"{label}#:", *lines, f"alu[{counter}, {counter}, -, {one}]", f"bne[{label}#]"),
        run,
    )


class _Draw:
    """Draws statements; ``mixed`` pairs any two registers, else always an even and an odd one."""

    def __init__(self, draw: st.DrawFn, names: Sequence[str], *, mixed: bool) -> None:
        self._draw = draw
        self._names = names
        self._mixed = mixed
        self._labels = 0
        self.counters: list[str] = []

    def _any(self) -> str:
        return self._draw(st.sampled_from(self._names))

    def _number(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def _pair(self, *, different: bool = False) -> tuple[str, str]:
        if self._mixed:
            one = self._any()
            return one, self._draw(st.sampled_from([name for name in self._names if name != one or not different]))
        pair = self._draw(st.sampled_from(self._names[0::2])), self._draw(st.sampled_from(self._names[1::2]))
        return pair if self._draw(st.booleans()) else pair[::-1]

    def simple(self) -> Statement:
        kind = self._draw(st.sampled_from(["alu"] * 3 + ["set", "shift", "double", "insert", "nop", "store", "load"]))
        left, right = self._pair()
        dst = self._any()
        if kind == "alu":
            operator = self._draw(st.sampled_from(sorted(_OPERATORS)))
            return _alu(self._draw(st.sampled_from([dst, dst, "--"])), left, operator, right)
        if kind == "set":
            return _constant(dst, self._number(0, 0xFFFF))
        if kind == "shift":
            return _shifted(dst, left, right, self._number(1, 31))
        if kind == "double":
            return _double(dst, left, right, self._number(1, 31))
        if kind == "insert":
            return _insert(*self._pair(different=True), self._number(1, 15), flags=self._draw(st.booleans()))
        if kind == "nop":
            return _nop()
        if kind == "store":
            return _to_local(self._number(0, 3), left)
        return _from_local(dst, left, self._number(0, 3))

    def simples(self, low: int, high: int) -> list[Statement]:
        return [self.simple() for _ in range(self._number(low, high))]

    def shadow(self, most: int) -> list[Statement]:
        """Statements that need no move, which a shadow has no room for."""
        mixed, self._mixed = self._mixed, False
        found = self.simples(0, most)
        self._mixed = mixed
        return found

    def statement(self, depth: int = 0) -> Statement:
        kinds = ["simple"] * 4 + ["indirect", "asr", "index", "write", "read", "swap"]
        kinds += ["flags", "flags", "bit", "byte", "always"] + (["loop"] if depth == 0 else [])
        kind = self._draw(st.sampled_from(kinds))
        if kind == "simple":
            return self.simple()
        if kind == "indirect":
            return _indirect_shift(self._any(), *self._pair(), self._any(), self._draw(st.sampled_from(["<<", ">>"])))
        if kind == "asr":
            return _arithmetic_shift(self._any(), self._any(), self._number(1, 31))
        if kind == "index":
            filler = [self._register_only() for _ in range(self._number(3, 4))]
            return _index(filler, 4 * _LOCAL)
        if kind == "write":
            return _store(4 * self._number(0, 3), self._any(), shadow=self.shadow(1))
        if kind == "read":
            return _fetch(self._any(), 4 * self._number(0, 3), self.simples(0, 3))
        if kind == "swap":
            shadow = self.shadow(1)
            defer = f", defer[{len(shadow)}]" if shadow else ""

            def run(s: State) -> None:
                for statement in shadow:
                    statement.run(s)

            return Statement((f"ctx_arb[voluntary]{defer}", *_lines(shadow)), run)
        if kind == "loop":
            self._labels += 1
            counter = f"count{self._labels}"
            self.counters.append(counter)
            body = [self.statement(depth + 1) for _ in range(self._number(1, 3))]
            return _loop(f"l{counter}", counter, self._number(1, 3), "1", body)
        return self._skip(kind, depth)

    def _register_only(self) -> Statement:
        left, right = self._pair()
        return _alu(self._any(), left, self._draw(st.sampled_from(["+", "XOR"])), right)

    def _skip(self, kind: str, depth: int) -> Statement:
        self._labels += 1
        label = f"skip{self._labels}"
        body = [self.statement(depth + 1)] if depth < 2 and self._draw(st.booleans()) else self.simples(0, 2)
        before = None
        name = self._any()
        if kind == "flags":
            left, right = self._pair()
            before = _alu("--", left, "-", right)
            mnemonic = self._draw(st.sampled_from(sorted(_CONDITIONS)))
            head, taken, most = f"{mnemonic}[{label}#]", _CONDITIONS[mnemonic], 3
        elif kind == "bit":
            bit = self._number(0, 31)
            head, most = f"br_bset[{name}, {bit}, {label}#]", 3
            taken = lambda s: bool(s.values[name] >> bit & 1)  # noqa: E731
        elif kind == "byte":
            byte, value = self._number(0, 3), self._number(0, 255)
            head, most = f"br!=byte[{name}, {byte}, {value}, {label}#]", 3
            taken = lambda s: s.values[name] >> 8 * byte & 0xFF != value  # noqa: E731
        else:
            head, most = f"br[{label}#]", 2
            taken = lambda s: True  # noqa: E731
        return _branch(label, head, taken, before, self.shadow(most), body)


@st.composite
def cases(draw: st.DrawFn, *, mixed: bool) -> Case:
    """A program with the values its registers have at the end.

    Parameters:
        mixed: any two registers may be sources together outside shadows, so that most programs need moves; else two
            banks suffice.
    """
    names = [f"v{number}" for number in range(draw(st.integers(3, 6)))]
    drawn = _Draw(draw, names, mixed=mixed)
    start = [_constant(name, draw(st.integers(0, 0xFFFF))) for name in names]
    statements = start + [drawn.statement() for _ in range(draw(st.integers(1, 12)))]
    state = State()
    for statement in statements:
        statement.run(state)
    text = [f".reg {' '.join([*names, *drawn.counters])} $in $out", ".sig done"]
    text += [f"local_csr_wr[active_lm_addr_1, {4 * _LOCAL}]", "nop", "nop", "nop"]
    text += _lines(statements)
    text += ["local_csr_wr[active_lm_addr_0, 0]", "nop", "nop", "nop"]
    text += [f"alu[*l$index0++, --, B, {name}]" for name in names]
    text += ["halt"]
    return Case(tuple(names), "\n".join(text) + "\n", dict(state.values), dict(state.scratch))


def _lines(statements: Iterable[Statement]) -> list[str]:
    return [line for statement in statements for line in statement.lines]
