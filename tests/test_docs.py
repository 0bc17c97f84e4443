"""What the documentation shows is what happens: sessions, programs, error messages, tables and links."""

from __future__ import annotations

import doctest
import random
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from ixp_emu.assembler import Location, ParsedProgram, assemble, disassemble, parse
from ixp_emu.assembler.structures import MEMORIES
from ixp_emu.chip.codes import Kind
from ixp_emu.chip.rows import build_rows
from ixp_emu.errors import InputError
from ixp_emu.isa import MNEMONICS, OPERATIONS
from tests.isa.random_words import words_of
from tools.refresh_docs import INSTRUCTIONS, PAGES, ROOT, Session, comparable, instructions_page, sessions

TEXTS = {path.name: path.read_text(encoding="utf-8") for path in PAGES}
SESSIONS = [(name, session) for name, text in TEXTS.items() for session in sessions(text)]


@pytest.mark.parametrize(("page", "session"), SESSIONS, ids=[f"{name}:{s.command}" for name, s in SESSIONS])
def test_commands_print_what_the_page_shows(page: str, session: Session) -> None:
    assert comparable(session.printed()) == comparable(session.output), f"{page}: python -m tools.refresh_docs"


def test_host_speed_is_all_that_may_differ() -> None:
    shown = "seed 1\ntook 1.5 s, 20.2 M\ninstructions/s, slowdown 43; 5 lost"
    assert comparable(shown) == comparable("seed 1 took 0.9 s, 1.1 M instructions/s,\nslowdown 1,043; 5 lost")
    assert comparable(shown) != comparable(shown.replace("5 lost", "6 lost"))


# --- programs -------------------------------------------------------------------------------------------------------


def _fences(text: str) -> Iterator[tuple[str, str]]:
    """(information string, content) of the fenced blocks."""
    for block in re.finditer(r"^```(\S[^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield block[1], block[2]


def _programs(kind: str) -> list[tuple[str, str]]:
    """Programs with that information string, and the block behind each."""
    found = []
    for text in TEXTS.values():
        blocks = [*_fences(text), ("", "")]
        found += [(block[1], after[1]) for block, after in pairwise(blocks) if block[0] == kind]
    return found


PROGRAMS = [program for program, _ in _programs("uc")]
NEUTRAL = [program for program, _ in _programs("uc any memory")]
REFUSED = _programs("uc refused")


def _parsed(text: str) -> ParsedProgram:
    return parse(text, name="example.uc", include_dirs=["builtin:"], defines={"ENGINES_FORWARD": 1})


def _locations(program: ParsedProgram, memory: str) -> dict[str, Location]:
    return {structure.name: Location(structure.memory or memory, 0) for structure in program.structures}


@pytest.mark.parametrize("text", PROGRAMS)
def test_programs_assemble(text: str) -> None:
    program = _parsed(text)
    assembled = assemble(program, locations=_locations(program, "sram0"))
    assert assembled.words and not assembled.warnings


@pytest.mark.parametrize("text", NEUTRAL)
@pytest.mark.parametrize("memory", MEMORIES)
def test_placement_neutral_programs_assemble_for_every_memory(text: str, memory: str) -> None:
    program = _parsed(text)
    assembled = assemble(program, locations=_locations(program, memory))
    assert assembled.words and not assembled.warnings


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[message.partition("\n")[0] for _, message in REFUSED])
def test_refused_programs_give_the_message_shown(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        program = _parsed(text)
        assemble(program, locations=_locations(program, "sram0"))
    assert str(caught.value) == message.rstrip("\n")


def test_there_are_examples_of_each_kind() -> None:
    assert len(PROGRAMS) > 5 and NEUTRAL and len(REFUSED) > 3


@pytest.mark.parametrize("page", sorted(name for name, text in TEXTS.items() if ">>> " in text))
def test_python_examples(page: str) -> None:
    test = doctest.DocTestParser().get_doctest(TEXTS[page].replace("```", ""), {}, page, None, 0)
    report: list[str] = []
    results = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert results.attempted > 0 and not results.failed, "".join(report)


def test_the_guides_program_is_the_example() -> None:
    (shown,) = [text for text in PROGRAMS if "length_counters" in text]
    assert shown == (ROOT / "examples" / "lengths" / "lengths.uc").read_text(encoding="utf-8")


# --- tables and links -----------------------------------------------------------------------------------------------


def test_the_instruction_page_is_the_registrys() -> None:
    assert INSTRUCTIONS.read_text(encoding="utf-8") == instructions_page(), "python -m tools.refresh_docs"


def test_every_mnemonic_is_on_the_instruction_page() -> None:
    text = INSTRUCTIONS.read_text(encoding="utf-8")
    assert [mnemonic for mnemonic in sorted(MNEMONICS) if f"`{mnemonic}" not in text] == []


def test_every_instruction_that_assembles_is_executed() -> None:
    assert "Every instruction that assembles is executed." in TEXTS["DEVIATIONS.md"]
    for entry in OPERATIONS:
        drawn = list(words_of(entry, random.Random(entry.name), 4)) if entry.used_mask & ~entry.fixed_mask else []
        kinds = build_rows(drawn or [entry.fixed_value])["kind"]
        assert Kind.INVALID not in kinds, entry.name


@pytest.mark.parametrize("page", sorted(TEXTS))
def test_links_lead_somewhere(page: str) -> None:
    (folder,) = {path.parent for path in PAGES if path.name == page}
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", TEXTS[page])
    missing = [target for target in targets if not re.match(r"https?://", target) and not (folder / target).exists()]
    assert missing == []


@pytest.mark.parametrize("page", sorted(TEXTS))
def test_paths_in_pages_exist(page: str) -> None:
    named = re.findall(r"`((?:ixp_emu|microcode|tests|tools|docs|examples)/[\w./-]+)`", TEXTS[page])
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_disassembly_of_every_example_assembles_again() -> None:
    for text in PROGRAMS:
        program = _parsed(text)
        words = assemble(program, locations=_locations(program, "sram0")).words
        assert assemble(parse(disassemble(words), name="again")).words == words


def test_pages_name_no_machine() -> None:
    for path in [*PAGES, INSTRUCTIONS]:
        assert not re.search(r"(?<![\w.])/(?:work|home|root|tmp)/", path.read_text(encoding="utf-8")), path.name


def test_root_is_the_repository() -> None:
    assert (ROOT / "pyproject.toml").is_file() and Path(__file__).is_relative_to(ROOT)
