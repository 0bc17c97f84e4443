"""Directives about the image a program becomes: what its loader does before the first cycle. Source: isa.md section 4.

What a list file's ``.init_ctx`` means is not documented at hand; here it is a value of a register in one context, or
without a register the mask of the contexts that start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ixp_emu.assembler.expressions import ExpressionError, Symbols, evaluate
from ixp_emu.assembler.program import CONTROL_STORE_WORDS, InitialMemory, InitialRegister, RegisterName
from ixp_emu.assembler.scopes import Scope, Variable, VariableKind
from ixp_emu.assembler.source import Place, SourceError
from ixp_emu.assembler.structures import StructureDeclaration
from ixp_emu.assembler.syntax import Binary, Call, Directive, LabelName, Name, Node, Text, source_text

__all__ = ["MODES", "ImageSettings", "InitialValues", "set_image"]

# Settings of a whole program that its loader must make.
MODES: Mapping[str, tuple[str, ...]] = {
    "local_mem0_mode": ("rel", "abs"),
    "local_mem1_mode": ("rel", "abs"),
    "init_nn_mode": ("neighbor", "self"),
}
_CONTEXTS = 8


@dataclass(frozen=True, slots=True)
class InitialValues:
    """One ``.init`` or ``.init_ctx``: ``variable`` from ``element`` on, or ``name`` from ``offset_bytes`` on."""

    place: Place
    scope: Scope
    name: str
    variable: Variable | None
    offset: int
    context: int | None
    values: tuple[Node, ...]


@dataclass(slots=True)
class ImageSettings:
    """What a program says about its image.

    Attributes:
        modes: settings of MODES given.
        entry: label (with its scope) or address of the first instruction, if given.
        limit_words: longest program the image may hold.
        contexts: mask of the contexts that start.
    """

    modes: dict[str, str] = field(default_factory=dict)
    name: str = ""
    metadata: str = ""
    entry: tuple[Place, Scope, Node] | None = None
    limit_words: int = CONTROL_STORE_WORDS
    contexts: int = 0xFF
    initial: list[InitialValues] = field(default_factory=list)
    _given: set[str] = field(default_factory=set)

    def once(self, directive: str, place: Place) -> None:
        """Raises SourceError when the directive stood before."""
        if directive in self._given:
            raise SourceError(place, f".{directive} is given twice")
        self._given.add(directive)

    def entry_address(self, words: int, symbols: Symbols) -> int:
        """Address of the first instruction. Raises SourceError."""
        if self.entry is None:
            return 0
        place, scope, node = self.entry
        if isinstance(node, LabelName):
            address = scope.find_label(node.name)
            if address is None:
                raise SourceError(place, f".entry: label '{node.name}#' is not defined")
        else:
            address = _evaluated(node, place, symbols)
        if not 0 <= address < words:
            raise SourceError(place, f".entry {address}: must be 0..{words - 1}")
        return address

    def initial_memory(self, structures: Mapping[str, StructureDeclaration], symbols: Symbols) -> list[InitialMemory]:
        """First contents of structures, checked against their size. Raises SourceError.

        Parameters:
            structures: by lower-case name.
        """
        found = []
        for item in self.initial:
            if item.variable is not None:
                continue
            structure = structures.get(item.name.lower())
            if structure is None:
                raise SourceError(item.place, f".init: {item.name!r} is neither a register nor a memory region")
            size = structure.element_bytes * structure.count
            if item.offset % 4 or not 0 <= item.offset <= size - 4 * len(item.values):
                raise SourceError(
                    item.place,
                    f".init {item.name}+{item.offset}: {len(item.values)} longword(s): must be at a multiple of 4 "
                    f"inside {size} bytes",
                )
            if structure.ring is not None:
                raise SourceError(item.place, f".init: {item.name!r} is a ring: write prefill=")
            values = tuple(_value(node, item, symbols) for node in item.values)
            found.append(InitialMemory(structure.name, item.offset, values))
        return found

    def initial_registers(
        self, registers_of: Callable[[Variable, int], Sequence[RegisterName]], contexts: int, symbols: Symbols
    ) -> list[InitialRegister]:
        """First values of registers. Raises SourceError.

        Parameters:
            registers_of: the registers of an element of a variable; none if it is never used.
        """
        found = []
        for item in self.initial:
            if item.variable is None:
                continue
            if item.context is not None and (not 0 <= item.context < _CONTEXTS or (contexts == 4 and item.context % 2)):
                allowed = "0, 2, 4 or 6" if contexts == 4 else "0..7"
                raise SourceError(item.place, f".init_ctx {item.context}: context must be {allowed}")
            for element, node in enumerate(item.values, start=item.offset):
                value = _value(node, item, symbols)
                found += [
                    InitialRegister(register, value, item.context) for register in registers_of(item.variable, element)
                ]
        return found


def _evaluated(node: Node, place: Place, symbols: Symbols) -> int:
    try:
        return evaluate(node, symbols)
    except ExpressionError as error:
        raise SourceError(place, str(error)) from None


def _value(node: Node, item: InitialValues, symbols: Symbols) -> int:
    if isinstance(node, LabelName):
        address = item.scope.find_label(node.name)
        if address is None:
            raise SourceError(item.place, f".init: label '{node.name}#' is not defined")
        return address
    value = _evaluated(node, item.place, symbols)
    if not -(1 << 31) <= value < 1 << 32:
        raise SourceError(item.place, f".init: {value} does not fit in 32 bits")
    return value & 0xFFFFFFFF


# -- directives ------------------------------------------------------------------------------------------------------


def set_image(settings: ImageSettings, body: Directive, place: Place, scope: Scope, symbols: Symbols) -> bool:
    """Obeys a directive about the image; False when it is another. Raises SourceError and ExpressionError."""
    name, nodes = body.name, body.items
    if name in ("init", "init_ctx"):
        _initial(settings, body, place, scope, symbols)
        return True
    if name not in (*MODES, "image_name", "app_metadata", "entry", "ucode_size"):
        return False
    settings.once(name, place)
    if len(nodes) != 1:
        raise SourceError(place, f".{name} needs one value, not {len(nodes)}")
    text = nodes[0].value if isinstance(nodes[0], Text) else source_text(nodes[0])
    if name in MODES:
        if text.lower() not in MODES[name]:
            raise SourceError(place, f".{name} {text.lower()!r}: must be {' or '.join(MODES[name])}")
        settings.modes[name] = text.lower()
    elif name == "image_name":
        settings.name = text
    elif name == "app_metadata":
        settings.metadata = text
    elif name == "entry":
        settings.entry = (place, scope, nodes[0])
    else:
        words = evaluate(nodes[0], symbols)
        if not 1 <= words <= CONTROL_STORE_WORDS:
            raise SourceError(place, f".ucode_size {words}: must be 1..{CONTROL_STORE_WORDS}")
        settings.limit_words = words
    return True


def _initial(settings: ImageSettings, body: Directive, place: Place, scope: Scope, symbols: Symbols) -> None:
    """``.init name[+offset] value ...``, ``.init_ctx context name value ...``, ``.init_ctx mask``."""
    nodes = list(body.items)
    context: int | None = None
    if body.name == "init_ctx":
        if not nodes or isinstance(nodes[0], Name):
            raise SourceError(place, ".init_ctx needs a context, a register and its value, or the mask of contexts")
        context = evaluate(nodes.pop(0), symbols)
        if not nodes:
            settings.once("init_ctx", place)
            if not 1 <= context <= 0xFF:
                raise SourceError(place, f".init_ctx {context:#x}: the mask of contexts must be 1..0xff")
            settings.contexts = context
            return
    target = nodes.pop(0) if nodes else None
    offset = 0
    if isinstance(target, Call) and len(target.arguments) == 1:  # "name (value)" reads like a call
        nodes = [target.arguments[0], *nodes]
        target = Name(target.function)
    if isinstance(target, Binary):
        offset, target = evaluate(target.right, symbols), target.left
    if not isinstance(target, Name) or not nodes:
        raise SourceError(place, f".{body.name} needs a name and values")
    variable = scope.find(target.spelling.lower())
    if variable is None:
        if context is not None or target.index is not None:
            raise SourceError(place, f".{body.name}: {target.spelling!r} is not a declared register")
        settings.initial.append(InitialValues(place, scope, target.spelling, None, offset, None, tuple(nodes)))
        return
    if variable.kind not in (VariableKind.GPR, VariableKind.ABSOLUTE):
        raise SourceError(place, f".{body.name}: {variable.kind.value} {variable.name!r} has no initial value")
    if variable.kind is VariableKind.ABSOLUTE and context is not None:
        raise SourceError(place, f".init_ctx: {variable.name!r} belongs to all contexts: write .init")
    element = offset + (0 if target.index is None else evaluate(target.index, symbols))
    if not 0 <= element <= variable.count - len(nodes):
        given, there = len(nodes), variable.count
        raise SourceError(place, f".{body.name} {variable.name!r}: {given} value(s) for {there} register(s)")
    # One register for its whole life: the loader knows no other.
    variable.qualifiers |= {"volatile"}
    settings.initial.append(InitialValues(place, scope, variable.name, variable, element, context, tuple(nodes)))
