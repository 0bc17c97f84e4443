"""Disassembly assembles back to the same words, whatever the words are."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ixp_emu import isa
from ixp_emu.assembler import assemble, disassemble, parse


def again(words: list[int], contexts: int = 8) -> list[int]:
    return assemble(parse(disassemble(words, contexts=contexts), name="t.uc")).words


@st.composite
def instruction_words(draw: st.DrawFn) -> int:
    """A word that decodes more often than not: an operation's fixed bits, and random ones where it has fields."""
    operation = draw(st.sampled_from(isa.OPERATIONS))
    filler = draw(st.integers(0, (1 << 40) - 1)) & operation.used_mask & ~operation.fixed_mask
    return operation.fixed_value | filler


@given(st.lists(instruction_words(), min_size=1, max_size=12), st.sampled_from([4, 8]))
@settings(max_examples=150, deadline=None)
def test_round_trip(words: list[int], contexts: int) -> None:
    assert again(words, contexts) == words


def test_every_instruction_has_a_readable_line() -> None:
    """Words of one typical instruction each come back as that instruction, not as ``.word``."""
    text = """.reg a b @g $x[4] $$d[4] n$n
.sig s
top#: alu[a, b, +, $x[0]]
alu[@g, a, AND~, 255]
alu_shf[b, a, OR, b, <<3]
alu[*l$index0++, --, B, *n$index]
ld_field[a, 0110, b, >>rot8], load_cc
immed[b, -1]
immed_w1[b, 0x1234]
br_bset[a, 31, top#], defer[1]
nop
br=byte[b, 3, 200, top#]
sram[read, $x[0], a, 0, 4], ctx_swap[s], defer[1]
alu[--, a, -, b]
scratch[put, $x[1], b, 8, 3], sig_done[s]
ctx_arb[s], any
cam_lookup[a, b]
local_csr_rd[active_ctx_sts]
immed[a, 0]
local_csr_wr[active_lm_addr_0, a]
jump[a, top#], targets[top#]
rtn[b]
"""
    words = assemble(parse(".set a b\n" + text)).words
    shown = disassemble(words)
    assert ".word" not in shown
    assert again(words) == words


def test_words_that_are_no_instructions_are_kept() -> None:
    words = [0xFFFFFFFFFF, 0xF0000C0300]
    assert ".word 0xffffffffff" in disassemble(words)
    assert again(words) == words


def test_branch_targets_get_labels() -> None:
    words = assemble(parse("a#: nop\nbr[a#]\nbr[end#]\nend#:\n")).words
    assert disassemble(words) == (".num_contexts 8\n.unchecked\nl_0#:\n    nop\n    br[l_0#]\n    br[l_3#]\nl_3#:\n")
