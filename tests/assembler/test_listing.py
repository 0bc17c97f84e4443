"""The listing: each word once, beside the line it came from, and the tables behind it."""

from __future__ import annotations

from ixp_emu.assembler import Location, assemble, parse
from ixp_emu.assembler.listing import listing

TEXT = """#macro add_one(x)
    alu[x, x, +, 1]
    nop
#endm
.structure hits element_bytes=4 count=4 access=read sharing=me
.import_var i$limit
.init_nn_mode self
.reg count @all
.areg count 5
.sig done
    immed[count, i$limit]       ; from outside
top#:
    add_one(count)
    .word 0xffffffffff
    state_base[@all, hits]
    br[top#]
end#:
"""


def test_a_listing_shows_words_and_sources_side_by_side() -> None:
    parsed = parse(TEXT, name="some/folder/t.uc")
    program = assemble(parsed, locations={"hits": Location("sram0", relocatable=True)})
    words = [f"{word:010x}" for word in program.words]
    register = program.registers["@all"][0]
    lines = listing(program, parsed.sources).splitlines()
    blank = lines.index("")
    assert lines[:3] == [
        "some/folder/t.uc: 7 of 4,096 words, 8 contexts",
        f"registers in use: A 1, {register.file.upper()} 1, signals 1",
        "init_nn_mode: self",
    ]
    assert lines[3:blank] == [f"warning: {text}" for text in program.warnings]
    table = lines[blank + 1 : lines.index("", blank + 1)]
    rows = [(line[:4].strip(), line[6:16].strip(), *(part for part in line[18:].split("  ") if part)) for line in table]
    stripped = [tuple(part.strip() for part in row) for row in rows]
    assert stripped == [
        ("0", words[0], "immed[a5, 0]", "<- i$limit", "t.uc:11", "immed[count, i$limit]", "; from outside"),
        ("", "", "top#:"),
        ("", "", "t.uc:13", "add_one(count)"),
        ("1", words[1], "alu[a5, a5, +, 1]", "t.uc:2", "alu[x, x, +, 1]"),
        ("2", words[2], "nop", "t.uc:3", "nop"),
        ("3", words[3], ".word 0xffffffffff", "t.uc:14", ".word 0xffffffffff"),
        ("4", words[4], f"immed[{register}, 0]", "<- low half of hits", "t.uc:15", "state_base[@all, hits]"),
        ("5", words[5], f"immed_w1[{register}, 0]", "<- high half of hits"),
        ("6", words[6], "br[top#]", "t.uc:16", "br[top#]"),
        ("", "", "end#:"),
    ]
    assert lines[lines.index("", blank + 1) :] == [
        "",
        "Registers, one for each part of a name's life",
        "count  a5",
        f"@all   {register}",
        "",
        "Signals",
        "done   1",
        "",
        "Structures",
        "hits   sram0 address at load",
    ]
    assert all(line == line.rstrip() for line in lines)


def test_sources_are_in_one_column() -> None:
    parsed = parse(TEXT, name="t.uc")
    program = assemble(parsed, locations={"hits": Location("sram0", 0)}, import_vars={"limit": 1})
    columns = {line.index("t.uc:") for line in listing(program, parsed.sources).splitlines()[4:] if "t.uc:" in line}
    assert len(columns) == 1


def test_an_empty_program_and_one_without_its_sources() -> None:
    assert listing(assemble(parse("\n", name="t.uc")), {}) == (
        "t.uc: 0 of 4,096 words, 8 contexts\nregisters in use: none\n\n"
    )
    assert "halt" in listing(assemble(parse("halt\n", name="t.uc")), {})
