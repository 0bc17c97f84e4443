"""Words -> text -> the same words, through the assembler; and which words no source line makes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice

import pytest

from ixp_emu.assembler import assemble, disassemble, parse
from ixp_emu.isa import Instruction, InvalidWord, IsaError, canonical, decode, encode
from tests.isa.random_words import words

BindLine = Callable[[str], Instruction]

_BATCH = 2_000
"""Words per program: branches need their targets inside it, and a control store has 4,096."""


def _valid(seed: int, contexts: int) -> Iterator[int]:
    for word in words(seed, 1 << 40):
        try:
            decode(word, contexts=contexts)
        except InvalidWord:
            continue
        yield word


def _round_trip(seed: int, count: int, contexts: int) -> int:
    """Number of words that came back as an instruction rather than as ``.word``."""
    source = _valid(seed, contexts)
    readable = 0
    for _ in range(count // _BATCH):
        batch = list(islice(source, _BATCH))
        text = disassemble(batch, contexts=contexts)
        again = assemble(parse(text, name="again.uc")).words
        assert [(f"{a:010x}", f"{b:010x}") for a, b in zip(batch, again, strict=True) if a != b] == []
        readable += _BATCH - text.count(".word")
    return readable


@pytest.mark.parametrize("contexts", [8, 4])
def test_valid_words_survive_as_text(contexts: int) -> None:
    readable = _round_trip(contexts, 10_000, contexts)
    assert readable > 5_000  # else hardly any text was tried


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 150))
def test_a_million_valid_words_survive_as_text(seed: int) -> None:
    _round_trip(seed, 20_000, 4 if seed % 5 == 0 else 8)


@pytest.mark.parametrize(
    "word",
    [
        0xA000000000 | 1 << 31 | 1 << 30 | 1 << 20 | 0x185 << 10 | 0x307,  # alu[a1, $5, +, 7] with $5 through B
        0xF000000000 | 1 << 20 | 0x185 << 10 | 0x300,  # immed[$5, 256] with $5 in port B
        0xF000000000 | 1 << 31 | 0xFF << 20 | 0x3FF << 10 | 1,  # immed of ~0xffff, which is also 0xffff << 16
        0xF000000000 | 1 << 31 | 2 << 29 | 0x300 << 10 | 1,  # immed_w0 with the complement
        0xA000000000 | 1 << 31 | 0x210 << 20 | 1 << 10 | 0x210,  # *l$index0++ on both sides
    ],
    ids=["ports", "port of immed", "two forms", "complement", "post-modify"],
)
def test_words_that_no_line_makes_are_kept(word: int) -> None:
    assert decode(word)
    text = disassemble([word])
    assert f".word {word:#012x}" in text
    assert assemble(parse(text)).words == [word]


def test_unusual_words_are_told_from_usual_ones() -> None:
    usual = 0xA000000000 | 1 << 31 | 1 << 20 | 5 << 10 | 0x185  # alu[a1, $5, +, b5]
    instruction = canonical(decode(usual))
    assert instruction is not None and encode(instruction) == usual
    unusual = 0xA000000000 | 1 << 31 | 1 << 30 | 1 << 20 | 0x185 << 10 | 0x307  # alu[a1, $5, +, 7] with $5 through B
    instruction = canonical(decode(unusual))
    assert instruction is not None and encode(instruction) == unusual & ~(1 << 30) & ~0xFFFFF | 0x307 << 10 | 0x185
    assert canonical(decode(0xA000000000 | 1 << 31 | 0x210 << 20 | 1 << 10 | 0x210)) is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("alu[*l$index0++, *l$index0++, +, 1]",
         "alu: *l$index0 is read and written: ++ and -- belong to the destination only"),
        ("alu[*l$index1[2], *l$index1--, +, 1]",
         "alu: *l$index1 is read and written: ++ and -- belong to the destination only"),
        ("alu[*l$index0++, *l$index0[3], +, 1]",
         "alu: *l$index0[3]: no offset beside ++ or -- of the same index"),
        ("scratch[write, $0, a1, 0, max_9], indirect_ref, no_pull, sig_done[1], ctx_swap[1]",
         "scratch: ctx_swap and sig_done exclude each other"),
        ("scratch[write, $0, a1, 0, 1], no_pull", "scratch: no_pull needs the token indirect_ref"),
        ("scratch[write, $0, a1, 0, 1], ind_targets[x]", "scratch: ind_targets needs the token indirect_ref"),
        ("dram[read, $$0, a1, 0, 1], sig_done[3]",
         "dram: signal 3 is odd: the command reports through an even signal and the next"),
        ("sram[swap, $0, a1, 0], ctx_swap[15]",
         "sram: signal 15 is odd: the command reports through an even signal and the next"),
        ("beq[l0#], stage[0], defer[3]", "beq: defer with stage 0 3 does not fit: 0 to 2"),
        ("ctx_arb[--], any, all", "ctx_arb: any and all exclude each other"),
    ],
)  # fmt: skip
def test_rules_between_parts_of_an_instruction(line: str, message: str, bind_line: BindLine) -> None:
    with pytest.raises(IsaError) as caught:
        bind_line(line)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "line",
    [
        "alu[*l$index0++, *l$index1[3], +, 1]",
        "alu[*l$index0++, *l$index0, +, 1]",
        "alu[*l$index0[3], *l$index0[4], +, 1]",
        "scratch[write, $0, a1, 0, max_9], indirect_ref, no_pull, sig_done[1]",
        "scratch[read, $0, a1, 0, max_16], indirect_ref, ind_targets[x], sig_done[1]",
        "dram[read, $$0, a1, 0, 1], sig_done[14]",
        "sram[test_and_incr, $0, a1, 0], ctx_swap[15]",
        "beq[l0#], stage[0], defer[2]",
        "ctx_arb[--], all",
        "ctx_arb[1], all",
        "rtn[a1], guess_branch",
    ],
)
def test_what_these_rules_allow(line: str, bind_line: BindLine) -> None:
    assert decode(encode(bind_line(line)))


@pytest.mark.parametrize(
    ("line", "part"),
    [
        *((f"{name}[read, $0, a1, 0, 1], sig_done[1]", name) for name in
          ("mem", "cls", "ct", "ila", "nbi", "arm", "crypto")),
        ("br_cls_state[cls_ring0_status, l0#]", "br_cls_state"),
        ("br_!cls_state[cls_ring0_status, l0#]", "br_!cls_state"),
        ("alu[a1, a1, +, 1], no_cc", "alu: token no_cc"),
        ("alu[a1, a1, +, 1], gpr_wrboth", "alu: token gpr_wrboth"),
        ("alu[a1, a1, +, 1], predicate_cc", "alu: token predicate_cc"),
        ("ld_field[a1, 0001, b1], no_load_cc", "ld_field: token no_load_cc"),
        ("alu[a1, *l$index2, +, 1]", "alu: *l$index2"),
        ("alu[*l$index3++, a1, +, 1]", "alu: *l$index3++"),
        ("sram[read, $0, a1, <<8, b1, 1], sig_done[1]", "sram: addressing with <<8 (40 bits)"),
    ],
)  # fmt: skip
def test_forms_of_the_nfp_are_refused_by_name(line: str, part: str, bind_line: BindLine) -> None:
    message = f"{part} belongs to the NFP; the IXP2400 does not have it"
    with pytest.raises(IsaError) as caught:
        bind_line(line)
    assert str(caught.value) == message
    registers = re.sub(r"\b[ab]1\b", lambda match: f"r{match[0]}", line)
    source = f".areg ra1 1\n.breg rb1 1\n.set ra1 rb1\nl0#:\n{registers}\n"
    with pytest.raises(Exception) as refused:
        assemble(parse(source, name="nfp.uc"))
    assert str(refused.value) == f"nfp.uc:5: {message}"
