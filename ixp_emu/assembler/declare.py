"""From statements to words in their scopes: obeys the declarations and knows where every label stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ixp_emu.assembler.expressions import ExpressionError, Symbols, evaluate
from ixp_emu.assembler.image import ImageSettings, set_image
from ixp_emu.assembler.lowering import Item
from ixp_emu.assembler.program import Reference
from ixp_emu.assembler.scopes import (
    NUMBERED_TRANSFER,
    QUALIFIERS,
    Scope,
    ScopeKind,
    Variable,
    VariableKind,
    kind_of_name,
)
from ixp_emu.assembler.source import Diagnostics, Place, SourceError, abbreviated
from ixp_emu.assembler.syntax import Condition, Directive, Name, Node, Number, SourceInstruction, source_text
from ixp_emu.isa.operands import Bank

__all__ = ["Declarations", "PlacedWord", "declare"]

_MAX_ARRAY = 256
_REFUSED = {
    "operand_synonym": "is obsolete: write #define",
    "alloc_mem": "belongs to the NFP, not to the IXP2400: write .local_mem or .global_mem",
    "alloc_resource": "belongs to the NFP, not to the IXP2400",
    "init_csr": "belongs to the NFP, not to the IXP2400: write .local_mem0_mode and its like",
    "init_mu_ring": "belongs to the NFP, not to the IXP2400",
}
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
        image: what the loader is to do.
        unchecked: ``.unchecked``: breaches of the rules between neighbouring instructions are warnings.
        imports: names of ``.import_var``.
    """

    words: list[PlacedWord]
    program: Scope
    contexts: int | None = None
    image: ImageSettings = field(default_factory=ImageSettings)
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
        self._hinted: list[tuple[Place, Scope, str, str]] = []
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
        for place, scope, directive, spelling in self._hinted:  # what they name may be declared behind them
            if scope.find(spelling.lower()) is None:
                self._diagnostics.add(SourceError(place, f".{directive}: {spelling!r} is not declared"))
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
            for node in body.items:
                if not isinstance(node, Name):
                    raise SourceError(item.place, f".{name}: {source_text(node)!r} is not a name")
                if NUMBERED_TRANSFER.fullmatch(source_text(node).lower()) is None:
                    self._hinted.append((item.place, self._scope, name, node.spelling))
                    if kept is not None:
                        kept.append(source_text(node).lower())
        elif name == "unchecked":
            self.result.unchecked = True
        elif name in self._handlers:
            self._handlers[name](body, item)
        elif name in _REFUSED:
            raise SourceError(item.place, f".{name}: {_REFUSED[name]}")
        elif not set_image(self.result.image, body, item.place, self._scope, self._symbols):
            raise SourceError(item.place, f"unknown directive '.{abbreviated(name)}'")

    def _close(self, name: str, place: Place) -> None:
        if self._scope.kind is not _CLOSING[name] or self._scope.parent is None:
            if name != "macro_end__":
                raise SourceError(place, f".{name} without {_CLOSING[name].value}")
            unclosed = self._scope
            while self._scope.kind is not ScopeKind.MACRO and self._scope.parent is not None:
                self._scope = self._scope.parent
            self._scope = self._scope.parent or self._scope
            raise SourceError(unclosed.place, f"{unclosed.kind.value} is not closed inside its macro")
        self._scope.end = place
        self._scope = self._scope.parent

    # -- declarations ----------------------------------------------------------------------------------------------

    def _declared(self, node: Node, place: Place, what: str) -> tuple[str, int | None]:
        """Name and array length of one declared name."""
        if not isinstance(node, Name):
            raise SourceError(place, f"{what}: {source_text(node)!r} is not a name")
        if node.index is None:
            return node.spelling.lower(), None
        count = evaluate(node.index, self._symbols)
        if not 1 <= count <= _MAX_ARRAY:
            raise SourceError(place, f"{what} {node.spelling!r}: array length {count}: must be 1..{_MAX_ARRAY}")
        return node.spelling.lower(), count

    def _qualifiers(self, nodes: list[Node]) -> frozenset[str]:
        """Takes the qualifiers off the front."""
        found: set[str] = set()
        while nodes and isinstance(nodes[0], Name) and nodes[0].index is None:
            word = nodes[0].spelling.lower()
            if word not in QUALIFIERS:
                break
            found.add(word)
            nodes.pop(0)
        return frozenset(found)

    def _reg(self, body: Directive, item: Item) -> None:
        nodes = list(body.items)
        qualifiers = self._qualifiers(nodes)
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
                qualifiers=qualifiers,
            )
            if "remote" in qualifiers:
                self._remote(variable, item)
            else:
                self._scope.declare(variable, levels_up=item.levels_up)

    def _remote(self, variable: Variable, item: Item) -> None:
        """A name of another microengine's program: it takes no register here."""
        if variable.kind in (VariableKind.GPR, VariableKind.ABSOLUTE):
            raise SourceError(item.place, f"remote {variable.name!r}: must be a transfer register or a signal")
        self._scope.remotes[variable.name] = variable

    def _sig(self, body: Directive, item: Item) -> None:
        nodes = list(body.items)
        qualifiers = self._qualifiers(nodes)
        if not nodes:
            raise SourceError(item.place, ".sig needs a name")
        for node in nodes:
            name, count = self._declared(node, item.place, ".sig")
            if count is not None:
                raise SourceError(item.place, f".sig {name!r}: signals have no arrays")
            variable = Variable(name, VariableKind.SIGNAL, item.place, qualifiers=qualifiers)
            if "remote" in qualifiers:
                self._remote(variable, item)
            else:
                self._scope.declare(variable, levels_up=item.levels_up)

    def _xfer_order(self, body: Directive, item: Item) -> None:
        members: list[Variable] = []
        for node in body.items:
            name, _ = self._declared(node, item.place, ".xfer_order")
            variable = self._scope.find(name)
            if variable is None:
                raise SourceError(item.place, f".xfer_order: {name!r} is not declared")
            if variable.kind not in (VariableKind.SRAM, VariableKind.DRAM):
                raise SourceError(item.place, f".xfer_order: {name!r} is not a transfer register")
            if variable in members:
                raise SourceError(item.place, f".xfer_order: {name!r} is named twice")
            members.append(variable)
        if len({variable.kind for variable in members}) > 1:
            raise SourceError(item.place, ".xfer_order: $ and $$ registers do not mix")
        order = members
        if len(members) > _MAX_ARRAY:
            raise SourceError(item.place, f".xfer_order: {len(members)} registers: at most {_MAX_ARRAY}")
        for known in {id(variable.group): variable.group for variable in members if variable.group}.values():
            order = _joined_orders(known, order, item.place)
        for variable in order:
            variable.group = order

    def _manual(self, body: Directive, item: Item) -> None:
        """``.areg name n``, ``.breg name n``, ``.addr name n [a|b]``."""
        if len(body.items) not in (2, 3) or (len(body.items) == 3 and body.name != "addr"):
            raise SourceError(item.place, f".{body.name} needs a name and a number")
        name, _ = self._declared(body.items[0], item.place, f".{body.name}")
        number = evaluate(body.items[1], self._symbols)
        variable = self._scope.find(name) or self._scope.find_remote(name)
        if variable is None or (variable.fixed and self._scope.variables.get(name) is not variable):
            variable = Variable(name, kind_of_name(name), item.place)
            self._scope.declare(variable, levels_up=item.levels_up)
        elif variable.fixed and variable.number != number:
            raise SourceError(item.place, f".{body.name} {name!r}: has number {variable.number} already")
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
        self._scope.declare(variable, levels_up=item.levels_up)

    def _raw_word(self, body: Directive, item: Item) -> None:
        for node in body.items:
            value = node.value if isinstance(node, Number) else -1
            if not 0 <= value < 1 << 40:
                raise SourceError(item.place, f".word {source_text(node)}: must be a literal of at most 40 bits")
            self._word(PlacedWord(None, item.place, self._scope, item.structure, raw=value))


def _joined_orders(first: list[Variable], second: list[Variable], place: Place) -> list[Variable]:
    """The one order that two orders with a common register make together."""
    common = next(variable for variable in second if variable in first)
    offset = first.index(common) - second.index(common)
    at = dict(enumerate(first))
    for position, variable in enumerate(second, start=offset):
        if at.setdefault(position, variable) is not variable:
            raise SourceError(
                place, f".xfer_order: {variable.name!r} cannot stand where an earlier order has {at[position].name!r}"
            )
    order = [at[position] for position in sorted(at)]
    if len(order) > _MAX_ARRAY:
        raise SourceError(place, f".xfer_order: {len(order)} registers in a row: at most {_MAX_ARRAY}")
    if len(set(map(id, order))) < len(order):
        raise SourceError(place, f".xfer_order: {common.name!r} is already in another order")
    return order


def declare(source: Sequence[Item], *, name: str, symbols: Symbols, diagnostics: Diagnostics) -> Declarations:
    """Walks a lowered program once; errors go to ``diagnostics``.

    Parameters:
        name: the program's name in messages.
        symbols: constants that array lengths and numbers may use, and the values of import variables.
    """
    return _Declarer(name, symbols, diagnostics).run(source)
