"""Defer filling: the same results in fewer cycles, and each reason for which an instruction must stay."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings

from ixp_emu import isa
from ixp_emu.assembler import Program, assemble, parse
from tests.assembler.random_code import Case, cases


@given(cases(mixed=False))
@settings(max_examples=80, deadline=None)
def test_filled_programs_mean_what_their_source_means(case: Case) -> None:
    parsed = parse(case.source)
    plain, filled = assemble(parsed), assemble(parsed, fill_defer=True)
    assert len(plain.words) == len(filled.words)
    assert sorted(plain.lines) == sorted(filled.lines)
    assert plain.labels == filled.labels
    assert case.check(filled) <= case.check(plain)


HEAD = ".reg a b c d $x $y @g\n.sig s t\n.set a b c d @g\n"
LISTED = 3  # lines of HEAD


@pytest.fixture
def filled(assembled: Callable[..., Program]) -> Callable[[str], list[int]]:
    """Source lines of the words of a text (its first line is 1), after filling."""

    def run(text: str) -> list[int]:
        return [line - LISTED for _, line in assembled(HEAD + text, fill_defer=True).lines]

    return run


def defer_of(program: Program) -> list[int]:
    return [isa.decode(word).defer for word in program.words]


def test_without_the_switch_nothing_moves(assembled: Callable[..., Program]) -> None:
    program = assembled(f"{HEAD}immed[a, 1]\nbr[l#]\nl#: halt")
    assert [line for _, line in program.lines] == [4, 5, 6] and defer_of(program) == [0, 0, 0]


@pytest.mark.parametrize(
    ("branch", "most"),
    [
        ("br[l#]", 2),
        ("br=ctx[0, l#]", 2),
        ("br_bset[d, 0, l#]", 3),
        ("br_inp_state[scr_ring0_status, l#]", 2),
        ("rtn[d]", 3),
        ("ctx_arb[s]", 2),
        ("ctx_arb[voluntary]", 2),
        ("scratch[read, $x, d, 0, 1], ctx_swap[s]", 2),
        ("scratch[read, $x, d, 0, 1], sig_done[s]", 0),
        ("ctx_arb[kill]", 0),
        ("halt", 0),
    ],
)
def test_as_many_slots_as_the_operation_has(assembled: Callable[..., Program], branch: str, most: int) -> None:
    text = "\n".join(f"immed[a, {number}]" for number in range(4))
    program = assembled(f"{HEAD}{text}\n{branch}\nl#: halt", fill_defer=True)
    position = 4 - most
    assert [line - LISTED for _, line in program.lines] == [*range(1, position + 1), 5, *range(position + 1, 5), 6]
    assert defer_of(program)[position] == most


def test_slots_the_program_filled_itself_stay(assembled: Callable[..., Program]) -> None:
    program = assembled(f"{HEAD}immed[a, 1]\nimmed[b, 1]\nbr[l#], defer[1]\nimmed[c, 1]\nl#: halt", fill_defer=True)
    assert [line - LISTED for _, line in program.lines] == [1, 3, 2, 4, 5]
    assert defer_of(program) == [0, 2, 0, 0, 0]


def test_the_setter_of_the_condition_stays(filled: Callable[[str], list[int]]) -> None:
    """What stands before it may pass it, even if it sets flags nobody reads."""
    compare = "alu[--, a, -, 1]\nbeq[l#]\nnop\nl#: halt"
    assert filled(f"alu[b, b, +, 1]\n{compare}") == [2, 3, 1, 4, 5]
    assert filled(f"alu[a, a, +, 1]\n{compare}") == [1, 2, 3, 4, 5]
    assert filled("alu[a, a, -, 1]\nbeq[l#]\nnop\nl#: halt") == [1, 2, 3, 4]


@pytest.mark.parametrize("where", ["nop\nl#: {}\nhalt", "{}\nhalt\nl#: halt"], ids=["taken", "not taken"])
@pytest.mark.parametrize(
    ("reader", "stays"),
    [("alu[d, d, +carry, 0]", True), ("bcs[l#]", True), ("alu[d, d, +, 0]", False), ("immed[d, 0]", False)],
)
def test_flags_read_behind_the_branch_are_those_of_the_last_setter(
    filled: Callable[[str], list[int]], where: str, reader: str, stays: bool
) -> None:
    text = f"alu[b, b, +, 1]\nalu[--, a, -, 1]\nbeq[l#]\n{where.format(reader)}"
    assert filled(text)[:4] == ([1, 2, 3, 4] if stays else [2, 3, 1, 4])


def test_flags_that_nothing_sets_again_may_not_change(filled: Callable[[str], list[int]]) -> None:
    """An instruction that sets no flags passes the setter although they are read later."""
    text = "{}\nalu[--, a, -, 1]\nbeq[l#]\nnop\nl#: alu[d, d, +carry, 0]\nhalt"
    assert filled(text.format("ld_field[b, 0001, c]"))[:3] == [2, 3, 1]
    assert filled(text.format("ld_field[b, 0001, c], load_cc"))[:3] == [1, 2, 3]


@pytest.mark.parametrize("test", ["br_bset[a, 3, l#]", "br!=byte[a, 1, 3, l#]", "jump[a, l#], targets[l#]", "rtn[a]"])
def test_what_writes_the_tested_register_stays(filled: Callable[[str], list[int]], test: str) -> None:
    tail = f"{test}\nnop\nl#: halt"
    assert filled(f"alu[b, b, +, 1]\n{tail}") == [2, 1, 3, 4]
    assert filled(f"alu[a, a, +, 1]\n{tail}") == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("line", "moves"),
    [
        ("immed[b, 1]", True),
        ("alu[d, d, +, 1]", False),  # the address
        ("alu[$x, --, B, b]", False),  # what is written to memory
        ("alu[$y, --, B, b]", False),  # the second longword
        ("alu[b, --, B, $x]", True),  # the read half is another register
        ("local_csr_wr[same_me_signal, 1]", False),
        ("local_csr_wr[active_lm_addr_0, 0]", False),
        ("cam_lookup[b, c], lm_addr0[0]", False),
        ("scratch[incr, --, b, 0], sig_done[t]", False),
        ("msf[fast_wr, --, b, 0]", False),
        ("crc_be[crc_32, b, c]", False),
        ("alu[*n$index++, --, B, b]", False),
    ],
)
def test_the_slots_of_a_command_that_sleeps(filled: Callable[[str], list[int]], line: str, moves: bool) -> None:
    text = f".xfer_order $x $y\n{line}\nscratch[write, $x, d, 0, 2], ctx_swap[s]\nhalt"
    assert filled(text) == ([3, 2, 4] if moves else [2, 3, 4])


def test_what_reads_the_command_s_data_stays(filled: Callable[[str], list[int]]) -> None:
    command = "scratch[read, $x, d, 0, 1], ctx_swap[s]\nhalt"
    assert filled(f"alu[b, --, B, $x]\n{command}") == [1, 2, 3]
    assert filled(f"alu[b, --, B, $y]\n{command}") == [2, 1, 3]
    assert filled(f"alu[$x, --, B, b]\n{command}") == [2, 1, 3]


def test_a_command_does_not_move_but_may_be_passed(filled: Callable[[str], list[int]]) -> None:
    text = "{}\nscratch[read, $x, d, 0, 1], sig_done[s]\nctx_arb[s]\nhalt"
    assert filled(text.format("immed[a, 1]")) == [2, 3, 1, 4]
    assert filled(text.format("immed[d, 1]")) == [1, 2, 3, 4]


def test_neighbours_stay_together(filled: Callable[[str], list[int]]) -> None:
    end = "br[l#]\nnop\nl#: halt"
    assert filled(f"immed[c, 1]\nlocal_csr_rd[timestamp_low]\nimmed[a, 0]\n{end}") == [1, 2, 3, 4, 5, 6]
    assert filled(f"immed[c, 1]\nalu[--, a, OR, 0]\nalu_shf[b, --, B, b, <<indirect]\n{end}") == [2, 3, 4, 1, 5, 6]
    assert filled(f"immed[c, 1]\nalu[--, --, B, a]\nasr[b, a, >>1]\n{end}") == [2, 3, 4, 1, 5, 6]
    indirect = "alu[--, --, B, a]\nscratch[read, $x, d, 0, max_4], indirect_ref, ctx_swap[s]\nhalt"
    assert filled(f"immed[c, 1]\n{indirect}") == [2, 3, 1, 4]
    assert filled(indirect) == [1, 2, 3]


def test_a_label_begins_a_block(filled: Callable[[str], list[int]]) -> None:
    assert filled("immed[a, 1]\nx#: immed[b, 1]\nbr_bset[d, 0, x#]\nhalt") == [1, 3, 2, 4]
    assert filled("immed[a, 1]\nx#: br_bset[d, 0, x#]\nhalt") == [1, 2, 3]


def test_a_shadow_is_left_alone(filled: Callable[[str], list[int]]) -> None:
    assert filled("br_bset[d, 0, l#], defer[1]\nimmed[a, 1]\nbr[l#]\nnop\nl#: halt") == [1, 2, 3, 4, 5]
    assert filled("br_bset[d, 0, l#], defer[1]\nnop\nimmed[a, 1]\nbr[l#]\nnop\nl#: halt") == [1, 2, 4, 3, 5, 6]


@pytest.mark.parametrize("fillers", range(6))
def test_three_instructions_stay_between_an_index_and_its_use(filled: Callable[[str], list[int]], fillers: int) -> None:
    text = "local_csr_wr[active_lm_addr_0, a]\n" + "immed[b, 1]\n" * fillers
    use, branch = fillers + 2, fillers + 3
    lines = filled(f"{text}alu[d, --, B, *l$index0]\nbr_bset[d, 0, l#]\nnop\nl#: alu[--, b, +, d]")
    stay = list(range(1, min(fillers, 3) + 2))
    moved = list(range(5, fillers + 2))
    assert lines == [*stay, use, branch, *moved, branch + 1, branch + 2]


@pytest.mark.parametrize(("fillers", "moves"), [(2, False), (3, True)])
def test_a_use_of_the_old_index_stays_one(filled: Callable[[str], list[int]], fillers: int, moves: bool) -> None:
    """With two instructions between the old index is used; in the slot it would be the new one."""
    text = "local_csr_wr[active_lm_addr_0, a]\n" + "msf[fast_wr, --, b, 0]\n" * fillers
    use, branch = fillers + 2, fillers + 3
    lines = filled(f"{text}alu[d, --, B, *l$index0]\nbr[l#]\nnop\nl#: halt")
    assert lines[fillers + 1 : fillers + 3] == ([branch, use] if moves else [use, branch])


def test_a_table_of_a_jump_without_targets_stays(filled: Callable[[str], list[int]]) -> None:
    """The jump may enter it anywhere."""
    table = "jump[a, t#]{}\nt#: immed[b, 1]\nbr[l#]\nu#: immed[b, 2]\nbr[l#]\nl#: halt"
    assert filled(table.format("")) == [1, 2, 3, 4, 5, 6]
    assert filled(table.format(", targets[t#, u#]")) == [1, 3, 2, 5, 4, 6]


def test_addresses_of_labels_stay(assembled: Callable[..., Program]) -> None:
    text = f"{HEAD}immed[a, 1]\nx#: immed[b, 1]\nimmed[c, 1]\nbr_bset[d, 0, x#]\ny#: halt"
    assert assembled(text, fill_defer=True).labels == assembled(text).labels == {"x": 1, "y": 4}


def test_branches_on_early_flags_stay(filled: Callable[[str], list[int]]) -> None:
    assert filled("alu[--, a, -, 1]\nimmed[b, 1]\nbeq[l#], stage[0]\nnop\nl#: halt") == [1, 2, 3, 4, 5]


def test_raw_words_stay(filled: Callable[[str], list[int]]) -> None:
    assert filled("immed[b, 1]\n.word 0xf0000c0300\nbr[l#]\nnop\nl#: halt") == [1, 2, 3, 4, 5]


def test_the_crc_remainder_keeps_its_distance(filled: Callable[[str], list[int]]) -> None:
    """A filled slot shortens the way to the target by one; without a reader there that does not matter."""
    text = "crc_be[crc_32, --, a]\nimmed[b, 1]\nbr_bset[d, 0, l#]\nhalt\nl#: {}\nimmed[c, 0]\nhalt"
    assert filled(text.format("local_csr_rd[crc_remainder]"))[:3] == [1, 2, 3]
    assert filled(text.format("local_csr_rd[timestamp_low]"))[:3] == [1, 3, 2]
