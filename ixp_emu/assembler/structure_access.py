"""Structure accesses -> the commands of the memory each structure lives in.

A program says ``.structure`` once and uses ``state_read``, ``state_write``, ``state_add`` and ``state_base``; only
the locations given to ``assemble`` decide which commands these become. An access is complete when the next
instruction runs. Scratch and SRAM use native commands and atomics; DRAM moves the enclosing quadwords, writes parts of
one with the byte mask, and adds by read, add, write (legal only where one microengine owns the element and the caller
holds its ordering section: the placement checks the former). Local memory goes through ``*l$index1``, which a
program with structures in local memory must leave to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ixp_emu.assembler.expressions import ExpressionError, Symbols, evaluate
from ixp_emu.assembler.lowering import Item, constant_load, constant_load_length, items
from ixp_emu.assembler.source import OUTER, Diagnostics, Place, SourceError
from ixp_emu.assembler.structures import MEMORIES, Location, StructureDeclaration, base_constant
from ixp_emu.assembler.syntax import Directive, Name, Node, Number, SourceInstruction, Statement, source_text

__all__ = ["LOCAL_MEMORY_BYTES", "lower_structures"]

_MAX_COMMAND_UNITS = 8  # longwords (scratch, SRAM) or quadwords (DRAM) a command moves without indirect_ref
_MAX_ADDRESS_IMMEDIATE = 127  # isa.md 1.1
_MAX_ALU_IMMEDIATE = 255
LOCAL_MEMORY_BYTES = 640 * 4
# Indirect word of a masked DRAM write: bit 20 says "use the byte mask", bits 19:12 hold it. Source: isa.md 1.13. That
# bit n of the mask is the byte at address + n is this project's convention: the documents do not say.
_MASK_OVERRIDE = 1 << 20
_MASK_SHIFT = 12
_FIRST_HALF, _SECOND_HALF = 0x0F, 0xF0
_LM_INDEX = "*l$index1"
_LM_CSR = "active_lm_addr_1"
_LM_LATENCY = 3  # instructions between the CSR write and the use, isa.md 2.4

_PSEUDO_ARGUMENTS = {
    "state_read": "block, structure, index, word, n",
    "state_write": "block, structure, index, word, n",
    "state_add": "structure, index, word, value",
    "state_base": "register, structure",
}


@dataclass(frozen=True, slots=True)
class _Address:
    """Lines that compute an address, and the two address operands of the command."""

    lines: list[str]
    first: str
    second: str

    def advanced(self, distance: int) -> _Address:
        """The address ``distance`` bytes on; its lines change the registers of this one."""
        if distance == 0:
            return replace(self, lines=[])
        if self.second.isdigit() and int(self.second) + distance <= _MAX_ADDRESS_IMMEDIATE:
            return _Address([], self.first, str(int(self.second) + distance))
        return _Address([f"alu[{self.first}, {self.first}, +, {distance}]"], self.first, self.second)


class _Lowering:
    def __init__(
        self, declared: Mapping[str, StructureDeclaration], locations: Mapping[str, Location], symbols: Symbols
    ) -> None:
        self._declared = declared
        self._locations = {name.lower(): location for name, location in locations.items()}
        self._symbols = symbols
        # Blocks by name: quadword moves may need a register before the first and after the last one.
        self._margins: dict[str, tuple[int, int]] = {}
        self._lengths: dict[str, int] = {}

    def structure(self, node: Node, place: Place) -> tuple[StructureDeclaration, Location]:
        name = source_text(node).rstrip(OUTER)
        declaration = self._declared.get(name.lower())
        if declaration is None:
            raise SourceError(place, f"structure {name!r} is not declared")
        location = self._locations.get(name.lower())
        if location is None:
            raise SourceError(place, f"structure {declaration.name!r} has no location: place it in a memory")
        if location.memory not in MEMORIES:
            raise SourceError(
                place, f"structure {declaration.name!r}: memory {location.memory!r}: must be {', '.join(MEMORIES)}"
            )
        alignment = 8 if location.memory == "dram" else 4
        if location.base % alignment:
            raise SourceError(
                place,
                f"structure {declaration.name!r}: address {location.base:#x} in {location.memory}: "
                f"must be a multiple of {alignment}",
            )
        if location.memory == "local" and location.base + declaration.size_bytes("local") > LOCAL_MEMORY_BYTES:
            raise SourceError(
                place,
                f"structure {declaration.name!r}: {declaration.size_bytes('local')} bytes at {location.base} "
                f"exceed local memory, {LOCAL_MEMORY_BYTES} bytes",
            )
        return declaration, location

    def number(self, node: Node, what: str, place: Place) -> int:
        try:
            return evaluate(node, self._symbols)
        except ExpressionError:
            raise SourceError(place, f"{what} {source_text(node)!r}: must be a constant") from None

    # -- first pass: how long each block is and what margins its DRAM accesses need -----------------------------------

    def survey(self, item: Item) -> None:
        body = item.statement.body
        if isinstance(body, Directive) and body.name == "state_xfer":
            name, length, _ = self.block_declaration(body, item.place)
            self._lengths[name] = max(length, self._lengths.get(name, 0))
        elif isinstance(body, SourceInstruction) and body.mnemonic in ("state_read", "state_write"):
            self.check_arguments(body, item.place)
            _, location = self.structure(body.arguments[1], item.place)
            if location.memory == "dram":
                word = self.number(body.arguments[3], "word", item.place)
                count = self.number(body.arguments[4], "n", item.place)
                name = source_text(body.arguments[0]).lower().rstrip(OUTER)
                lead, tail = self._margins.get(name, (0, 0))
                self._margins[name] = (max(lead, word % 2), max(tail, (word + count) % 2))

    def block_declaration(self, body: Directive, place: Place) -> tuple[str, int, Node]:
        match body.items:
            case (Name(index=index) as block, Name(index=None) as structure) if index is not None:
                length = self.number(index, "block length", place)
                if length < 1:
                    raise SourceError(place, f"block {block.spelling!r}: length {length}: must be 1 or more")
                return block.spelling.lower(), length, structure
            case _:
                raise SourceError(place, ".state_xfer needs block[n] and a structure")

    def check_arguments(self, body: SourceInstruction, place: Place) -> None:
        wanted = _PSEUDO_ARGUMENTS[body.mnemonic]
        if len(body.arguments) != wanted.count(",") + 1 or body.tokens:
            raise SourceError(place, f"{body.mnemonic} is written {body.mnemonic}[{wanted}], without tokens")

    # -- second pass ---------------------------------------------------------------------------------------------------

    def lower(self, item: Item) -> list[Item] | None:
        """The statements that replace one, or None to keep it."""
        body = item.statement.body
        if isinstance(body, Directive) and body.name == "state_xfer":
            return [self._lower_block(body, item)]
        if not isinstance(body, SourceInstruction):
            return None
        if body.mnemonic not in _PSEUDO_ARGUMENTS:
            named = any(token.name == "structure" for token in body.tokens)
            return [self._marked(body, item)] if named else None
        self.check_arguments(body, item.place)
        place = item.place
        if body.mnemonic == "state_base":
            declaration, location = self.structure(body.arguments[1], place)
            lines = _load_address(source_text(body.arguments[0]), declaration, location, 0)
        elif body.mnemonic == "state_add":
            declaration, location = self.structure(body.arguments[0], place)
            lines = self._add(declaration, location, body.arguments, place)
        else:
            declaration, location = self.structure(body.arguments[1], place)
            lines = self._move(declaration, location, body, place)
        labels = "".join(f"{label}#: " for label in item.statement.labels)
        return [*items(place, [labels] if labels else []), *items(place, lines, structure=declaration.name)]

    def _lower_block(self, body: Directive, item: Item) -> Item:
        name, length, structure = self.block_declaration(body, item.place)
        _, location = self.structure(structure, item.place)
        kind = {"dram": "$$", "local": ""}.get(location.memory, "$")
        lead, tail = self._margins.get(name, (0, 0))
        facts = (Name(name), Name(f"{kind}block"), *_numbers(length, lead, tail))
        return replace(item, statement=Statement(item.statement.labels, Directive("state_block__", facts)))

    def _marked(self, body: SourceInstruction, item: Item) -> Item:
        """A plain command with ``structure[NAME]``: the token only says what the command refers to."""
        tokens = [token for token in body.tokens if token.name == "structure"]
        if len(tokens) > 1 or len(tokens[0].arguments) != 1:
            raise SourceError(item.place, "the token is written structure[NAME], once")
        name = source_text(tokens[0].arguments[0]).rstrip(OUTER)
        declaration = self._declared.get(name.lower())
        if declaration is None:
            raise SourceError(item.place, f"structure {name!r} is not declared")
        rest = tuple(token for token in body.tokens if token.name != "structure")
        return replace(
            item, statement=Statement(item.statement.labels, replace(body, tokens=rest)), structure=declaration.name
        )

    def _allow(self, declaration: StructureDeclaration, access: str, mnemonic: str, place: Place) -> None:
        if access not in declaration.access:
            raise SourceError(
                place,
                f"{mnemonic} of {declaration.name!r}: its declaration has no access {access} "
                f"(access={','.join(sorted(declaration.access))})",
            )

    def _word(self, declaration: StructureDeclaration, node: Node, count: int, mnemonic: str, place: Place) -> int:
        word = self.number(node, "word", place)
        words = declaration.element_bytes // 4
        if count < 1 or not 0 <= word <= words - count:
            raise SourceError(
                place,
                f"{mnemonic} of {declaration.name!r}: {count} longword(s) from word {word}: "
                f"an element has words 0..{words - 1}",
            )
        return word

    def _address(
        self, declaration: StructureDeclaration, location: Location, index: Node, byte_offset: int
    ) -> _Address:
        """base + index * stride + byte_offset with the fewest instructions; registers ``offset__`` and ``base__``."""
        stride = declaration.stride_bytes(location.memory)
        constant = base_constant(location) + byte_offset
        try:
            fixed = constant + evaluate(index, self._symbols) * stride
        except ExpressionError:
            pass
        else:
            distance = fixed - base_constant(location)
            return _Address(_load_address("base__", declaration, location, distance), "base__", "0")
        scaled, complete = _scaled(source_text(index), stride)
        if location.relocatable:
            load = _load_address("base__", declaration, location, byte_offset)
            return _Address([*scaled, *load], "offset__", "base__")
        limit = _MAX_ALU_IMMEDIATE if location.memory == "local" else _MAX_ADDRESS_IMMEDIATE
        candidates = [_with_base(scaled, constant, limit)]
        # The scaled index has zero low bits: a small offset is merged by the shifting instruction itself.
        if complete and 0 < byte_offset <= min(stride - 1, _MAX_ALU_IMMEDIATE):
            shift = stride.bit_length() - 1
            merged = [f"alu_shf[offset__, {byte_offset}, OR, {source_text(index)}, <<{shift}]"]
            candidates.append(_with_base(merged, base_constant(location), limit))
        return min(candidates, key=lambda address: len(address.lines))

    def _move(
        self, declaration: StructureDeclaration, location: Location, body: SourceInstruction, place: Place
    ) -> list[str]:
        reads = body.mnemonic == "state_read"
        self._allow(declaration, "read" if reads else "write", body.mnemonic, place)
        block = source_text(body.arguments[0]).lower()
        length = self._lengths.get(block.rstrip(OUTER))
        if length is None:
            raise SourceError(place, f"block {block!r} is not declared with .state_xfer")
        count = self.number(body.arguments[4], "n", place)
        word = self._word(declaration, body.arguments[3], count, body.mnemonic, place)
        if count > length:
            raise SourceError(
                place,
                f"{body.mnemonic} of {declaration.name!r}: {count} longwords, block {block!r} has {length}",
            )
        index = body.arguments[2]
        if location.memory == "local":
            step = "++" if count > 1 else ""
            lines = self._local_address(declaration, location, index, word * 4)
            for position in range(count):
                element = f"{block}[{position}]"
                lines.append(
                    f"alu[{element}, --, B, {_LM_INDEX}{step}]"
                    if reads
                    else f"alu[{_LM_INDEX}{step}, --, B, {element}]"
                )
            return _scoped(lines)
        if location.memory == "dram":
            return self._move_dram(declaration, location, index, block, word, count, reads, place)
        if count > _MAX_COMMAND_UNITS:
            raise SourceError(
                place,
                f"{body.mnemonic} of {declaration.name!r}: {count} longwords, a command moves at most "
                f"{_MAX_COMMAND_UNITS}",
            )
        address = self._address(declaration, location, index, word * 4)
        command = _target(location)
        verb = "read" if reads else "write"
        return _scoped(
            [
                *address.lines,
                f"{command}[{verb}, {block}[0], {address.first}, {address.second}, {count}], ctx_swap[done__]",
            ],
            signals=1,
        )

    def _move_dram(
        self,
        declaration: StructureDeclaration,
        location: Location,
        index: Node,
        block: str,
        word: int,
        count: int,
        reads: bool,
        place: Place,
    ) -> list[str]:
        first, last = word // 2, (word + count - 1) // 2
        quadwords = last - first + 1
        if quadwords > _MAX_COMMAND_UNITS:
            raise SourceError(
                place,
                f"{'state_read' if reads else 'state_write'} of {declaration.name!r}: {quadwords} quadwords, "
                f"a command moves at most {_MAX_COMMAND_UNITS}",
            )
        start = -(word % 2)  # element of the block that stands at the first quadword's first half
        if reads:
            address = self._address(declaration, location, index, first * 8)
            transfer = f"dram[read, {block}[({start})], {address.first}, {address.second}, {quadwords}]"
            return _scoped([*address.lines, f"{transfer}, sig_done[done__]", "ctx_arb[done__]"], signals=1)
        # A quadword written in half needs a command of its own, with the byte mask of that half.
        parts: list[tuple[int, int, int | None]] = []
        whole_first, whole_last = first, last
        if word % 2:
            parts.append((first, 1, _SECOND_HALF))
            whole_first += 1
        ends_in_half = (word + count) % 2 == 1
        if ends_in_half:
            whole_last -= 1
        if whole_last >= whole_first:
            parts.append((whole_first, whole_last - whole_first + 1, None))
        if ends_in_half:
            parts.append((last, 1, _FIRST_HALF))
        address = self._address(declaration, location, index, first * 8)
        names = [f"done_{number}__" for number in range(len(parts))]
        lines = list(address.lines)
        at = first
        for name, (quadword, length, mask) in zip(names, parts, strict=True):
            address = address.advanced((quadword - at) * 8)
            at = quadword
            element = start + 2 * (quadword - first)
            command = f"dram[write, {block}[({element})], {address.first}, {address.second}, {length}]"
            # The mask has to come last: the command takes the result of the instruction before it.
            lines += ([] if quadword == first else address.lines) + _masked(command, mask, name)
        return _scoped([f".sig {' '.join(names)}", *lines, f"ctx_arb[{', '.join(names)}]"])

    def _add(
        self, declaration: StructureDeclaration, location: Location, arguments: tuple[Node, ...], place: Place
    ) -> list[str]:
        self._allow(declaration, "add", "state_add", place)
        word = self._word(declaration, arguments[2], 1, "state_add", place)
        index, value = arguments[1], arguments[3]
        try:
            constant = evaluate(value, self._symbols)
        except ExpressionError:
            constant = None
        setup: list[str] = []
        if constant is None:
            operand = source_text(value)
        elif 0 <= constant <= _MAX_ALU_IMMEDIATE:
            operand = str(constant)
        else:
            setup, operand = constant_load("value__", constant), "value__"
        if location.memory == "local":
            lines = self._local_address(declaration, location, index, word * 4)
            return _scoped([*setup, *lines, f"alu[{_LM_INDEX}, {_LM_INDEX}, +, {operand}]"], value=True)
        if location.memory == "dram":
            half = word % 2
            address = self._address(declaration, location, index, word // 2 * 8)
            where = f"{address.first}, {address.second}, 1"
            return _scoped(
                [
                    ".reg $$old__[2]",
                    *setup,
                    *address.lines,
                    f"dram[read, $$old__[0], {where}], sig_done[done__]",
                    "ctx_arb[done__]",
                    f"alu[$$old__[{half}], $$old__[{half}], +, {operand}]",
                    *_masked(f"dram[write, $$old__[0], {where}]", _SECOND_HALF if half else _FIRST_HALF, "done__"),
                    "ctx_arb[done__]",
                ],
                signals=1,
                value=True,
            )
        address = self._address(declaration, location, index, word * 4)
        command = _target(location)
        load = (
            constant_load("$addend__", constant)
            if constant is not None and constant_load_length(constant) == 1
            else [*setup, f"alu[$addend__, --, B, {operand}]"]
        )
        return _scoped(
            [
                ".reg write $addend__",
                *load,
                *address.lines,
                f"{command}[add, $addend__, {address.first}, {address.second}], ctx_swap[done__]",
            ],
            signals=1,
            value=True,
        )

    def _local_address(
        self, declaration: StructureDeclaration, location: Location, index: Node, byte_offset: int
    ) -> list[str]:
        """Lines after which the index register reaches the element."""
        address = self._address(declaration, location, index, byte_offset)
        lines = list(address.lines)
        register = address.first
        if address.second != "0":
            lines.append(f"alu[offset__, {address.first}, +, {address.second}]")
            register = "offset__"
        return [*lines, f"local_csr_wr[{_LM_CSR}, {register}]", *["nop"] * _LM_LATENCY]


def _load_address(register: str, declaration: StructureDeclaration, location: Location, distance: int) -> list[str]:
    """Lines that load the address ``distance`` bytes behind the start of a structure."""
    if not location.relocatable:
        return constant_load(register, base_constant(location) + distance)
    address = f"base({declaration.name}) + {distance}"
    if location.memory in ("scratch", "local"):  # their addresses have 16 bits at most
        return [f"immed[{register}, ({address})]"]
    return [f"immed[{register}, (({address}) & 0xffff)]", f"immed_w1[{register}, (({address}) >> 16)]"]


def _target(location: Location) -> str:
    return "sram" if location.memory.startswith("sram") else location.memory


def _numbers(*values: int) -> tuple[Node, ...]:
    return tuple(Number(value, str(value)) for value in values)


def _scaled(index: str, stride: int) -> tuple[list[str], bool]:
    """Lines for offset__ = index * stride; True when one shift does it."""
    shifts = [bit for bit in range(stride.bit_length()) if stride >> bit & 1]
    lines = [f"alu_shf[offset__, --, B, {index}, <<{shifts[0]}]"]
    for shift in shifts[1:]:
        lines += [f"alu_shf[part__, --, B, {index}, <<{shift}]", "alu[offset__, offset__, +, part__]"]
    return lines, len(shifts) == 1


def _with_base(scaled: list[str], constant: int, limit: int) -> _Address:
    if constant <= limit:
        return _Address(scaled, "offset__", str(constant))
    return _Address([*scaled, *constant_load("base__", constant)], "offset__", "base__")


def _masked(command: str, mask: int | None, signal: str) -> list[str]:
    """The command, as an indirect one with a byte mask when ``mask`` is given."""
    if mask is None:
        return [f"{command}, sig_done[{signal}]"]
    word = _MASK_OVERRIDE | mask << _MASK_SHIFT
    low_bit = (word & -word).bit_length() - 1
    if word >> low_bit <= _MAX_ALU_IMMEDIATE:
        load = [f"alu_shf[--, --, B, {word >> low_bit}, <<{low_bit}]"]
    else:
        load = [*constant_load("mask__", word), "alu[--, --, B, mask__]"]
    return [*load, f"{command}, indirect_ref, sig_done[{signal}]"]


def _scoped(lines: list[str], *, signals: int = 0, value: bool = False) -> list[str]:
    registers = "offset__ base__ part__ mask__" + (" value__" if value else "")
    declarations = [f".reg {registers}"] + ([".sig done__"] if signals else [])
    return [".begin", *declarations, *lines, ".end"]


def lower_structures(
    source: Sequence[Item],
    *,
    declared: Mapping[str, StructureDeclaration],
    locations: Mapping[str, Location],
    symbols: Symbols,
    diagnostics: Diagnostics,
) -> list[Item]:
    """Replaces the pseudo-instructions by the commands the locations ask for.

    Parameters:
        declared: from ``declare_structures``.
        locations: for every structure the program touches, by name.
    """
    lowering = _Lowering(declared, locations, symbols)
    result: list[Item] = []
    for item in source:
        try:
            lowering.survey(item)
        except SourceError as error:
            diagnostics.add(error)
    for item in source:
        try:
            lowered = lowering.lower(item)
        except SourceError as error:
            diagnostics.add(error)
            continue
        result += [item] if lowered is None else lowered
    return result
