"""From statements to words in their scopes: obeys the declarations and knows where every label stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ixp_emu.assembler.expressions import ExpressionError, Symbols, evaluate
from ixp_emu.assembler.lowering import Item
from ixp_emu.assembler.program import Reference
from ixp_emu.assembler.scopes import QUALIFIERS, Scope, ScopeKind, Variable, VariableKind, kind_of_name
from ixp_emu.assembler.source import Diagnostics, Place, SourceError
from ixp_emu.assembler.syntax import Condition, Directive, Name, Node, Number, SourceInstruction, source_text
from ixp_emu.isa.operands import Bank

__all__ = ["MODES", "Declarations", "PlacedWord", "declare"]

# Settings of a whole program that its loader must make. Source: isa.md section 4.
MODES: Mapping[str, tuple[str, ...]] = {
    "local_mem0_mode": ("rel", "abs"),
    "local_mem1_mode": ("rel", "abs"),
    "init_nn_mode": ("neighbor", "self"),
}
# Facts for other tools; they change nothing here.
_ACCEPTED = frozenset({"image_name", "entry", "ucode_size", "app_metadata", "pragma"})
_HINTS = {
    "set": True,
    "set_sig": None,
    "set_rd": None,
    "set_wr": None,
    "use": False,
    "use_rd": None,
    "use_wr": None,
    "io_completed": None,
}
_OPENING = {
    "begin": ScopeKind.BLOCK,
    "local": ScopeKind.LOCAL,
    "subroutine": ScopeKind.SUBROUTINE,
    "macro_begin__": ScopeKind.MACRO,
}
_CLOSING = {
    "end": ScopeKind.BLOCK,
    "endlocal": ScopeKind.LOCAL,
    "endsub": ScopeKind.SUBROUTINE,
    "macro_end__": ScopeKind.MACRO,
}


@dataclass(slots=True)
class PlacedWord:
    """One instruction of the program and the scope its names are looked up in.

    Attributes:
        raw: the word itself, for ``.word``.
        sets, uses: names from liveness hints that stand directly before it.
        reference: the value that is missing in it until the program is linked.
    """

    instruction: SourceInstruction | None
    place: Place
    scope: Scope
    structure: str | None = None
    raw: int | None = None
    sets: list[str] = field(default_factory=list)
    uses: list[str] = field(default_factory=list)
    reference: Reference | None = None


@dataclass(slots=True)
class Declarations:
    """What a program declares.

    Attributes:
        words: in order; a word's index is its address.
        program: outermost scope.
        contexts: from ``.num_contexts``, if given.
        modes: settings of MODES given.
        unchecked: ``.unchecked``: breaches of the rules between neighbouring instructions are warnings.
        imports: names of ``.import_var``.
    """

    words: list[PlacedWord]
    program: Scope
    contexts: int | None = None
    modes: dict[str, str] = field(default_factory=dict)
    unchecked: bool = False
    imports: set[str] = field(default_factory=set)


class _Declarer:
    def __init__(self, name: str, symbols: Symbols, diagnostics: Diagnostics) -> None:
        self._symbols = symbols
        self._diagnostics = diagnostics
        program = Scope(ScopeKind.FILE, Place(name, 1))
        self.result = Declarations([], program)
        self._scope = program
        self._sets: list[str] = []
        self._uses: list[str] = []
        self._handlers: Mapping[str, Callable[[Directive, Item], None]] = {
            "reg": self._reg,
            "sig": self._sig,
            "xfer_order": self._xfer_order,
            "xfer_order_rd": self._xfer_order,
            "xfer_order_wr": self._xfer_order,
            "areg": self._manual,
            "breg": self._manual,
            "addr": self._manual,
            "num_contexts": self._num_contexts,
            "import_var": self._import_var,
            "state_block__": self._state_block,
            "word": self._raw_word,
        }

    def run(self, source: Sequence[Item]) -> Declarations:
        for item in source:
            try:
                self._statement(item)
            except SourceError as error:
                self._diagnostics.add(error)
            except ExpressionError as error:
                self._diagnostics.add(SourceError(item.place, str(error)))
        if self._scope.kind is not ScopeKind.FILE:
            self._diagnostics.add(SourceError(self._scope.place, f"{self._scope.kind.value} is not closed"))
        return self.result

    def _statement(self, item: Item) -> None:
        for label in item.statement.labels:
            self._scope.define_label(label, len(self.result.words), item.place, levels_up=item.levels_up)
        body = item.statement.body
        match body:
            case None:
                return
            case SourceInstruction():
                self._word(PlacedWord(body, item.place, self._scope, item.structure))
            case Condition():
                raise SourceError(item.place, f".{body.name} was not lowered")
            case Directive():
                self._directive(body, item)

    def _word(self, word: PlacedWord) -> None:
        word.sets, word.uses = self._sets, self._uses
        self._sets, self._uses = [], []
        self.result.words.append(word)

    def _directive(self, body: Directive, item: Item) -> None:
        name = body.name
        if name in _OPENING:
            self._scope = self._scope.open(_OPENING[name], item.place)
            if name == "local":
                self._reg(body, item)
            elif name == "subroutine" and body.items:
                label = source_text(body.items[0]).removesuffix("#").lower()
                self._scope.define_label(label, len(self.result.words), item.place, levels_up=item.levels_up)
        elif name in _CLOSING:
            self._close(name, item.place)
        elif name in _HINTS:
            kept = {True: self._sets, False: self._uses}.get(_HINTS[name])  # type: ignore[arg-type]
            if kept is not None:
                kept += [source_text(node).lower() for node in body.items]
        elif name in MODES:
            value = source_text(body.items[0]).lower() if len(body.items) == 1 else ""
            if value not in MODES[name]:
                raise SourceError(item.place, f".{name} {value!r}: must be {' or '.join(MODES[name])}")
            self.result.modes[name] = value
        elif name == "unchecked":
            self.result.unchecked = True
        elif name in self._handlers:
            self._handlers[name](body, item)
        elif name not in _ACCEPTED:
            raise SourceError(item.place, f"unknown directive '.{name}'")

    def _close(self, name: str, place: Place) -> None:
        if self._scope.kind is not _CLOSING[name] or self._scope.parent is None:
            if name != "macro_end__":
                raise SourceError(place, f".{name} without {_CLOSING[name].value}")
            unclosed = self._scope
            while self._scope.kind is not ScopeKind.MACRO and self._scope.parent is not None:
                self._scope = self._scope.parent
            self._scope = self._scope.parent or self._scope
            raise SourceError(unclosed.place, f"{unclosed.kind.value} is not closed inside its macro")
        self._scope = self._scope.parent

    # -- declarations ----------------------------------------------------------------------------------------------

    def _declared(self, node: Node, place: Place, what: str) -> tuple[str, int | None]:
        """Name and array length of one declared name."""
        if not isinstance(node, Name):
            raise SourceError(place, f"{what}: {source_text(node)!r} is not a name")
        if node.index is None:
            return node.spelling.lower(), None
        count = evaluate(node.index, self._symbols)
        if count < 1:
            raise SourceError(place, f"{what} {node.spelling!r}: array length {count}: must be 1 or more")
        return node.spelling.lower(), count

    def _reg(self, body: Directive, item: Item) -> None:
        qualifiers: set[str] = set()
        nodes = list(body.items)
        while nodes and isinstance(nodes[0], Name) and nodes[0].spelling.lower() in QUALIFIERS:
            qualifiers.add(nodes.pop(0).spelling.lower())  # type: ignore[union-attr]
        if not nodes:
            raise SourceError(item.place, f".{body.name} needs a name")
        for node in nodes:
            name, count = self._declared(node, item.place, f".{body.name}")
            variable = Variable(
                name,
                kind_of_name(name),
                item.place,
                count=count or 1,
                is_array=count is not None,
                qualifiers=frozenset(qualifiers),
            )
            self._scope.caller(item.levels_up).declare(variable)

    def _sig(self, body: Directive, item: Item) -> None:
        nodes = list(body.items)
        while nodes and isinstance(nodes[0], Name) and nodes[0].spelling.lower() in QUALIFIERS:
            nodes.pop(0)
        if not nodes:
            raise SourceError(item.place, ".sig needs a name")
        for node in nodes:
            name, count = self._declared(node, item.place, ".sig")
            if count is not None:
                raise SourceError(item.place, f".sig {name!r}: signals have no arrays")
            self._scope.caller(item.levels_up).declare(Variable(name, VariableKind.SIGNAL, item.place))

    def _xfer_order(self, body: Directive, item: Item) -> None:
        members: list[Variable] = []
        for node in body.items:
            name, _ = self._declared(node, item.place, ".xfer_order")
            variable = self._scope.find(name)
            if variable is None:
                raise SourceError(item.place, f".xfer_order: {name!r} is not declared")
            if variable.kind not in (VariableKind.SRAM, VariableKind.DRAM):
                raise SourceError(item.place, f".xfer_order: {name!r} is not a transfer register")
            if variable.group is not None:
                raise SourceError(item.place, f".xfer_order: {name!r} is already in an order")
            members.append(variable)
        if len({variable.kind for variable in members}) > 1:
            raise SourceError(item.place, ".xfer_order: $ and $$ registers do not mix")
        for variable in members:
            variable.group = members

    def _manual(self, body: Directive, item: Item) -> None:
        """``.areg name n``, ``.breg name n``, ``.addr name n [a|b]``."""
        if len(body.items) not in (2, 3) or (len(body.items) == 3 and body.name != "addr"):
            raise SourceError(item.place, f".{body.name} needs a name and a number")
        name, _ = self._declared(body.items[0], item.place, f".{body.name}")
        number = evaluate(body.items[1], self._symbols)
        variable = self._scope.variables.get(name)
        if variable is None:
            variable = Variable(name, kind_of_name(name), item.place)
            self._scope.caller(item.levels_up).declare(variable)
        bank = {"areg": "a", "breg": "b"}.get(body.name) or (
            source_text(body.items[2]).lower() if len(body.items) == 3 else None
        )
        if bank not in (None, "a", "b"):
            raise SourceError(item.place, f".addr {name!r}: bank {bank!r}: must be a or b")
        general = variable.kind in (VariableKind.GPR, VariableKind.ABSOLUTE)
        if general and bank is None:
            raise SourceError(item.place, f".addr {name!r}: a general register needs its bank, a or b")
        variable.number, variable.bank, variable.fixed = number, Bank(bank) if general and bank else None, True

    def _num_contexts(self, body: Directive, item: Item) -> None:
        contexts = evaluate(body.items[0], self._symbols) if len(body.items) == 1 else 0
        if contexts not in (4, 8):
            raise SourceError(item.place, f".num_contexts {contexts}: must be 4 or 8")
        self.result.contexts = contexts

    def _import_var(self, body: Directive, item: Item) -> None:
        for node in body.items:
            name, _ = self._declared(node, item.place, ".import_var")
            if not name.startswith("i$"):
                raise SourceError(item.place, f".import_var {name!r}: the name of an import variable begins with i$")
            self.result.imports.add(name)

    def _state_block(self, body: Directive, item: Item) -> None:
        name, kind, *sizes = body.items
        assert isinstance(name, Name) and isinstance(kind, Name)
        count, lead, tail = (node.value for node in sizes if isinstance(node, Number))
        variable = Variable(
            name.spelling, kind_of_name(kind.spelling), item.place, count=count, is_array=True, lead=lead, tail=tail
        )
        self._scope.caller(item.levels_up).declare(variable)

    def _raw_word(self, body: Directive, item: Item) -> None:
        for node in body.items:
            value = node.value if isinstance(node, Number) else -1
            if not 0 <= value < 1 << 40:
                raise SourceError(item.place, f".word {source_text(node)}: must be a literal of at most 40 bits")
            self._word(PlacedWord(None, item.place, self._scope, item.structure, raw=value))


def declare(source: Sequence[Item], *, name: str, symbols: Symbols, diagnostics: Diagnostics) -> Declarations:
    """Walks a lowered program once; errors go to ``diagnostics``.

    Parameters:
        name: the program's name in messages.
        symbols: constants that array lengths and numbers may use, and the values of import variables.
    """
    return _Declarer(name, symbols, diagnostics).run(source)
