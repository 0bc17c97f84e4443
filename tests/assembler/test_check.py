"""Rules between neighbouring instructions, each at its edge."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ixp_emu.assembler import Program

HEAD = ".reg a b $x\n.sig s\n.set a b\n"


def warnings(assembled: Callable[..., Program], text: str) -> list[str]:
    return assembled(HEAD + text).warnings


@pytest.mark.parametrize("nops", range(5))
@pytest.mark.parametrize(
    ("csr", "use"),
    [
        ("ACTIVE_LM_ADDR_0", "alu[a, --, B, *l$index0]"),
        ("ACTIVE_LM_ADDR_1", "alu[*l$index1++, --, B, a]"),
        ("T_INDEX", "alu[a, --, B, *$index]"),
    ],
)
def test_index_latency(assembled: Callable[..., Program], nops: int, csr: str, use: str) -> None:
    found = warnings(assembled, f"local_csr_wr[{csr}, a]\n" + "nop\n" * nops + use)
    expected = [
        f"t.uc:{5 + nops}: {csr} was written {nops} instructions before: 3 must stand between, the old index is used"
    ]
    assert found == (expected if nops < 3 else [])


def test_the_other_index_is_not_affected(assembled: Callable[..., Program]) -> None:
    assert warnings(assembled, "local_csr_wr[active_lm_addr_0, a]\nalu[a, --, B, *l$index1]") == []


def test_crc_spacing(assembled: Callable[..., Program]) -> None:
    crc = "crc_be[crc_32, a, b]\n"
    message = "t.uc:5: 1 instruction must stand between two crc instructions"
    assert warnings(assembled, crc + crc) == [message]
    assert warnings(assembled, crc + "nop\n" + crc) == []


@pytest.mark.parametrize("nops", [0, 4, 5])
def test_crc_remainder(assembled: Callable[..., Program], nops: int) -> None:
    text = "crc_be[crc_32, a, b]\n" + "nop\n" * nops + "local_csr_rd[crc_remainder]\nimmed[a, 0]"
    expected = [f"t.uc:{5 + nops}: CRC_REMAINDER is read {nops} instructions after crc: 5 must stand between"]
    assert warnings(assembled, text) == (expected if nops < 5 else [])


INDIRECT = "sram[read, $x, a, 0, max_4], indirect_ref, ctx_swap[s]"


def test_indirect_ref_follows_an_alu_instruction(
    assembled: Callable[..., Program], refused: Callable[..., str]
) -> None:
    assert warnings(assembled, f"alu[--, --, B, b]\n{INDIRECT}") == []
    message = "indirect_ref: the instruction before must be an ALU instruction, its result is the modifier"
    assert refused(f"{HEAD}immed[b, 1]\n{INDIRECT}") == f"t.uc:5: {message}"
    assert refused(f"{HEAD}{INDIRECT}") == f"t.uc:4: {message}"


def test_local_csr_rd_is_followed_by_immed(assembled: Callable[..., Program], refused: Callable[..., str]) -> None:
    read = "local_csr_rd[active_ctx_sts]"
    assert warnings(assembled, f"{read}\nimmed[a, 0]") == []
    message = "t.uc:4: local_csr_rd: the next instruction must be immed[dst, 0], which receives the value"
    assert refused(f"{HEAD}{read}\nnop") == message
    assert refused(f"{HEAD}{read}") == message


def test_local_csr_in_the_shadow_of_a_swap(assembled: Callable[..., Program], refused: Callable[..., str]) -> None:
    write = "local_csr_wr[same_me_signal, 1]"
    assert refused(f"{HEAD}ctx_arb[s], defer[1]\n{write}") == (
        "t.uc:5: local_csr_wr in the defer shadow of a context swap"
    )
    assert warnings(assembled, f"ctx_arb[s], defer[1]\nnop\n{write}") == []


def test_indirect_shift(assembled: Callable[..., Program]) -> None:
    shift = "alu_shf[a, --, B, b, <<indirect]"
    assert warnings(assembled, f"alu[--, a, OR, 0]\n{shift}") == []
    message = "t.uc:5: indirect shift: the amount is the left operand of the instruction before, which has none"
    assert warnings(assembled, f"alu[--, --, B, a]\n{shift}") == [message]
    assert warnings(assembled, f"alu[--, a, +, 0]\n{shift}") == [message]


def test_unchecked_turns_errors_into_warnings(assembled: Callable[..., Program]) -> None:
    assert warnings(assembled, f".unchecked\nnop\n{INDIRECT}\nbr[l#], defer[1]\nl#: br[l#]") == [
        "t.uc:8: a branch or swap in the defer shadow of line 7",
        "t.uc:6: indirect_ref: the instruction before must be an ALU instruction, its result is the modifier",
    ]
