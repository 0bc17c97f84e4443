"""Bank repair: programs with odd cycles run as their source means, with few moves in allowed places."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings

from ixp_emu import isa
from ixp_emu.assembler import Program, assemble, parse
from tests.assembler.random_code import Case, cases


@given(cases(mixed=True))
@settings(max_examples=80, deadline=None)
def test_mended_programs_mean_what_their_source_means(case: Case) -> None:
    parsed = parse(case.source)
    mended = assemble(parsed, mend_banks=True)
    cycles = case.check(mended)
    filled = assemble(parsed, mend_banks=True, fill_defer=True)
    assert case.check(filled) <= cycles


ODD = ".reg a b c d\n.set a b c d\n"


@pytest.fixture
def mended(listing: Callable[..., list[str]]) -> Callable[[str], list[str]]:
    """Operations of the words after bank repair: a move is ``alu.b`` or ``ld_field_w_clr``."""

    def run(text: str) -> list[str]:
        return [
            line.partition("[")[0] + ("" if ", B, " not in line else " move") for line in listing(text, mend_banks=True)
        ]

    return run


def test_an_odd_cycle_takes_one_move(assembled: Callable[..., Program], refused: Callable[..., str]) -> None:
    text = f"{ODD}alu[--, a, +, b]\nalu[--, b, +, c]\nalu[--, c, +, a]"
    assert refused(text) == (
        "t.uc:4: bank conflict: two sources of one instruction need different banks, but 'b' and 'a' (line 3), "
        "'a' and 'c' (line 5), 'c' and 'b' (line 4) form an odd cycle"
    )
    program = assembled(text, mend_banks=True)
    assert program.usage["words"] == 4
    # The move has the line of its instruction and stands directly before it.
    (moved,) = {line for line in program.lines if program.lines.count(line) == 2}
    position = program.lines.index(moved)
    assert isa.decode(program.words[position]).operation.name == "alu.b"
    assert sorted(program.registers) == ["a", "b", "c", "d"]  # not the copy


def test_a_program_without_conflict_stays(assembled: Callable[..., Program]) -> None:
    text = f"{ODD}alu[--, a, +, b]\nalu[--, b, +, c]\nalu[--, c, +, d]\nalu[--, d, +, a]"
    assert assembled(text, mend_banks=True).words == assembled(text).words


def test_a_register_on_both_ports_takes_one_move(mended: Callable[[str], list[str]]) -> None:
    assert mended(f"{ODD}alu[a, a, +, a]") == ["alu move", "alu"]


def test_the_pair_with_the_fewest_uses_is_taken_apart(mended: Callable[[str], list[str]]) -> None:
    """a and b, b and c need three moves each, being read anew behind labels; c and a need one."""
    text = "".join(
        f"x{n}#: alu[--, a, +, b]\ny{n}#: alu[--, b, +, c]\nbr_bset[d, {n}, x{n}#]\nbr_bset[d, {n}, y{n}#]\n"
        for n in range(3)
    )
    assert mended(f"{ODD}{text}alu[--, c, +, a]").count("alu move") == 1


def test_one_copy_serves_until_the_register_changes(mended: Callable[[str], list[str]]) -> None:
    keep = "alu[--, a, +, b]\nx#: alu[--, a, +, b]\nalu[--, b, +, c]\ny#: alu[--, b, +, c]\n"
    keep += "br_bset[d, 0, x#]\nbr_bset[d, 0, y#]\n"
    assert mended(f"{ODD}{keep}alu[--, c, +, a]\nnop\nalu[--, c, -, a]").count("alu move") == 1


# Two registers of one bank: every instruction with both needs a copy of one.
BOTH_A = ".areg e 1\n.areg f 2\n.reg a\n.set a e f\n"


@pytest.mark.parametrize("reader", ["beq[l#]", "alu[e, --, B, 1]\nalu[e, f, +carry, 0]"])
def test_a_move_between_flags_and_their_use_sets_none(mended: Callable[[str], list[str]], reader: str) -> None:
    """e changes behind the comparison, so that the copy must stand there."""
    text = f"{BOTH_A}alu[--, e, -, 1]\nimmed[e, 5]\nld_field[f, 0011, e]\n"
    read_at_once = reader.startswith("beq")
    kind = "ld_field_w_clr" if read_at_once else "alu move"
    assert mended(f"{text}{reader}\nl#: halt")[:4] == ["alu", "immed", kind, "ld_field"]


def test_a_move_keeps_the_amount_of_an_indirect_shift(mended: Callable[[str], list[str]]) -> None:
    """Nothing may come between the two; before the pair there is room."""
    text = f"{BOTH_A}alu[--, a, OR, 0]\nalu_shf[e, e, AND, f, <<indirect]\nhalt"
    assert mended(text) == ["alu move", "alu", "alu_shf", "halt"]


def test_a_move_goes_before_the_word_that_modifies_a_command(mended: Callable[[str], list[str]]) -> None:
    text = ".reg $x\n.sig s\nalu[--, --, B, a]\nscratch[read, $x, e, f, max_4], indirect_ref, ctx_swap[s]\nhalt"
    assert mended(BOTH_A + text) == ["alu move", "alu move", "scratch", "halt"]


def test_a_move_goes_before_the_branch_whose_shadow_needs_it(mended: Callable[[str], list[str]]) -> None:
    branch = "br[l#], defer[2]\nnop\nalu[a, e, +, f]\nl#: halt"
    assert mended(f"{BOTH_A}{branch}") == ["alu move", "br", "nop", "alu", "halt"]
    # The flags the branch reads are set before it: the move leaves them alone.
    conditional = branch.replace("br[", "beq[")
    assert mended(f"{BOTH_A}alu[--, a, -, 1]\n{conditional}") == ["alu", "ld_field_w_clr", "beq", "nop", "alu", "halt"]


def test_where_no_move_can_stand_the_conflict_is_an_error(
    assembled: Callable[..., Program], refused: Callable[..., str]
) -> None:
    """e changes inside the shadow, which has no room for a move; f is what ld_field writes."""
    text = f"{BOTH_A}br[l#], defer[2]\nimmed[e, 1]\nld_field[f, 0011, e]\nl#: halt"
    assert refused(text, mend_banks=True) == (
        "t.uc:5: bank conflict: the banks given to 'f', 'e' do not fit their common use"
    )
    outside = text.replace("defer[2]\nimmed[e, 1]", "defer[1]")
    assert assembled(outside, mend_banks=True).usage["words"] == 4


def test_raw_words_forbid_moves(refused: Callable[..., str], assembled: Callable[..., Program]) -> None:
    """What addresses a raw word holds is not known."""
    pair = f"{BOTH_A}alu[--, e, +, f]\n"
    assert assembled(f"{pair}nop", mend_banks=True).usage["words"] == 3
    assert "bank conflict" in refused(f"{pair}.word 0xf0000c0300", mend_banks=True)


def test_labels_lead_to_the_move(assembled: Callable[..., Program]) -> None:
    text = f"{BOTH_A}nop\nx#: alu[--, e, +, f]\nbr_bset[a, 0, x#]\nbr_bset[a, 0, y#]\nnop\ny#: halt"
    program = assembled(text, mend_banks=True)
    words = [isa.decode(word) for word in program.words]
    assert [word.operation.name for word in words] == [
        "immed", "alu.b", "alu.add", "br.bit_set", "br.bit_set", "immed", "ctx_arb.bpt",
    ]  # fmt: skip
    assert program.labels == {"x": 1, "y": 6}
    targets = [word.target.address for word in words if word.operation.name == "br.bit_set" and word.target]
    assert targets == [1, 6]
    assert [line for _, line in program.lines] == [5, 6, 6, 7, 8, 9, 10]


def test_loaded_addresses_follow(assembled: Callable[..., Program]) -> None:
    text = f"{BOTH_A}load_addr[a, back#]\nbr[sub#]\nback#: halt\nsub#: alu[--, e, +, f]\nrtn[a]\nalu[--, e, -, f]"
    program = assembled(text.replace("back#: halt", "alu[--, e, -, f]\nback#: halt"), mend_banks=True)
    loaded = isa.decode(program.words[0]).operands["value"]
    assert loaded == isa.Immediate(program.labels["back"])
    assert program.labels == {"back": 4, "sub": 5}


@pytest.mark.parametrize(("targets", "allowed"), [("", False), (", targets[t#, u#]", True)])
def test_the_entries_of_a_table_keep_their_distance(
    assembled: Callable[..., Program], refused: Callable[..., str], targets: str, allowed: bool
) -> None:
    """A move may stand before the jump, or at the last entry if the entries are known, but not between."""
    table = f"jump[a, t#]{targets}\nt#: nop\nnop\nu#: alu[--, e, +, f]\nhalt"
    if allowed:
        program = assembled(BOTH_A + table, mend_banks=True)
        assert program.labels == {"t": 1, "u": 3} and program.usage["words"] == 6
    else:
        assert "bank conflict" in refused(BOTH_A + table, mend_banks=True)
    inside = f"jump[a, t#]{targets}\nt#: immed[e, 1]\nld_field[f, 0011, e]\nu#: halt"
    assert "bank conflict" in refused(BOTH_A + inside, mend_banks=True)


def test_an_absolute_register_is_copied_where_flags_are_free(mended: Callable[[str], list[str]]) -> None:
    """ld_field knows no absolute registers: the copy goes before the comparison, or the other source is copied."""
    text = ".areg @g 16\n.areg e 1\n.reg a\n.set @g e a\nalu[--, a, -, 1]\n{}alu[e, e, +carry, @g]\nhalt"
    assert mended(text.format("")) == ["alu move", "alu", "alu", "halt"]
    assert mended(text.format("immed[@g, 1]\n")) == ["alu", "immed", "ld_field_w_clr", "alu", "halt"]


def test_no_move_where_a_copy_would_be_destroyed_by_another_context(mended: Callable[[str], list[str]]) -> None:
    """A copy is made behind a swap, not before it: an absolute register may change meanwhile."""
    text = ".areg @g 16\n.areg e 1\n.sig s\n.set @g e\nctx_arb[s]\nalu[e, e, +, @g]\nhalt"
    assert mended(text) == ["ctx_arb", "alu move", "alu", "halt"]


def test_a_copy_across_a_swap_is_refused(mended: Callable[[str], list[str]]) -> None:
    """Flags and the other context leave no place for a copy of @g; that of e changes no flag."""
    text = (
        ".areg @g 16\n.areg e 1\n.reg a\n.sig s\n.set @g e a\nalu[--, a, -, 1]\nctx_arb[s]\nalu[e, e, +carry, @g]\nhalt"
    )
    assert mended(text) == ["alu", "ctx_arb", "ld_field_w_clr", "alu", "halt"]


def test_a_copy_is_made_anew_when_the_register_changes(mended: Callable[[str], list[str]]) -> None:
    pair = "alu[--, @g, +, @h]\n"
    text = f".areg @g 16\n.areg @h 17\n.set @g @h\n{pair}{{}}{pair}halt"
    assert mended(text.format("nop\n")).count("alu move") == 1
    assert mended(text.format("immed[@g, 1]\nimmed[@h, 1]\n")).count("alu move") == 2


def test_a_move_keeps_the_result_a_later_command_sends(mended: Callable[[str], list[str]]) -> None:
    text = ".reg $x\n.sig s\nalu[--, a, OR, 0]\nscratch[read, $x, e, f, 1], sig_done[s]\n"
    text += "cap[fast_wr, alu, interthread_sig]\nhalt"
    assert mended(BOTH_A + text) == ["alu move", "alu", "scratch", "cap", "halt"]


def test_hints_stay_in_front_of_the_move(assembled: Callable[..., Program]) -> None:
    text = ".areg e 1\n.areg f 2\n.reg t\nnop\n.set e f\nalu[t, e, +, f]\n.use t\nnop"
    assert assembled(text, mend_banks=True).warnings == []
