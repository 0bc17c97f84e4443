"""A listing: every word with its address, its instruction on real registers, and the source line it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ixp_emu import isa
from ixp_emu.assembler.program import CONTROL_STORE_WORDS, Program

__all__ = ["listing", "usage_text"]

_FILES = {"a": "A", "b": "B", "@a": "@A", "@b": "@B"}
_WIDEST_TEXT = 64


def usage_text(program: Program) -> str:
    """Registers and signals in use, as ``A 12, B 11, $ 9, signals 4``; "none" without any."""
    found = [f"{_FILES.get(file, file)} {count}" for file, count in program.usage.items() if count and file != "words"]
    return ", ".join(found) or "none"


def listing(program: Program, sources: Mapping[str, str]) -> str:
    """The listing as text, a line feed behind each line.

    Parameters:
        sources: text of the program's files, by the names in ``Program.lines``.
    """
    return "".join(f"{line}".rstrip() + "\n" for line in _lines(program, sources))


def _lines(program: Program, sources: Mapping[str, str]) -> Iterator[str]:
    yield f"{program.name}: {len(program.words):,} of {CONTROL_STORE_WORDS:,} words, {program.contexts} contexts"
    yield f"registers in use: {usage_text(program)}"
    for name, value in program.modes.items():
        yield f"{name}: {value}"
    for warning in program.warnings:
        yield f"warning: {warning}"
    yield ""
    yield from _words(program, {name: text.splitlines() for name, text in sources.items()})
    yield from _symbols(program)


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the main part; ``place`` is the source line to show."""

    text: str
    address: str = ""
    word: str = ""
    place: tuple[str, int] | None = None


def _words(program: Program, texts: Mapping[str, list[str]]) -> Iterator[str]:
    """The words, in columns."""
    rows = list(_rows(program))
    places = [_place(row.place) for row in rows]
    text_width = min(max((len(row.text) for row in rows), default=0), _WIDEST_TEXT)
    place_width = max((len(place) for place in places), default=0)
    for row, place in zip(rows, places, strict=True):
        head = f"{row.address:4}  {row.word:10}  {row.text:{text_width}}"
        yield f"{head}  {place:{place_width}}  {_source(row.place, texts)}"


def _rows(program: Program) -> Iterator[_Row]:
    """Source is shown where it begins; the call of a macro before what became of it."""
    names: dict[int, list[str]] = {}
    for name, address in program.labels.items():
        names.setdefault(address, []).append(name)
    labels = {address: found[0] for address, found in names.items()}
    line_before = call_before = None
    for address, word in enumerate(program.words):
        line, call = program.lines[address], program.calls[address]
        yield from (_Row(f"{name}#:") for name in names.get(address, ()))
        if call not in (line, call_before):
            yield _Row("", place=call)
        again = line == line_before and call == call_before
        yield _Row(
            _instruction(program, address, labels),
            address=f"{address:4}",
            word=f"{word:010x}",
            place=None if again else line,
        )
        line_before, call_before = line, call
    yield from (_Row(f"{name}#:") for name in names.get(len(program.words), ()))


def _instruction(program: Program, address: int, labels: Mapping[int, str]) -> str:
    word = program.words[address]
    try:
        text = isa.format_instruction(isa.decode(word, contexts=program.contexts), labels)
    except isa.InvalidWord:
        text = f".word {word:#012x}"
    reference = program.references.get(address)
    return f"    {text}" if reference is None else f"    {text}  <- {reference}"


def _place(place: tuple[str, int] | None) -> str:
    return "" if place is None else f"{place[0].rpartition('/')[2]}:{place[1]}"


def _source(place: tuple[str, int] | None, texts: Mapping[str, list[str]]) -> str:
    lines = texts.get(place[0], []) if place is not None else []
    return lines[place[1] - 1].strip() if place is not None and 0 < place[1] <= len(lines) else ""


def _symbols(program: Program) -> Iterator[str]:
    width = max((len(name) for name in (*program.registers, *program.signals, *program.locations)), default=0)
    if program.registers:
        yield ""
        yield "Registers, one for each part of a name's life"
        for name, registers in program.registers.items():
            yield f"{name:{width}}  {', '.join(str(register) for register in registers)}"
    if program.signals:
        yield ""
        yield "Signals"
        for name, numbers in program.signals.items():
            yield f"{name:{width}}  {', '.join(str(number) for number in numbers)}"
    if program.locations:
        yield ""
        yield "Structures"
        for name, location in program.locations.items():
            base = "address at load" if location.relocatable else f"{location.base:#x}"
            yield f"{name:{width}}  {location.memory} {base}"
