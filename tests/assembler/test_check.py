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


# -- over all paths -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("defer", "nops"), [(d, n) for d in range(3) for n in range(3)])
def test_index_latency_over_a_branch(assembled: Callable[..., Program], defer: int, nops: int) -> None:
    """Slots a taken branch throws away count like instructions; the write stands in front of it or in its shadow."""
    token = f", defer[{defer}]" if defer else ""
    write = "local_csr_wr[active_lm_addr_0, a]"
    shadow = ["nop"] * defer
    use = [*(["nop"] * nops), "alu[a, --, B, *l$index0]"]
    in_front = "\n".join([write, f"br[l#]{token}", *shadow, "halt", "l#:", *use])
    assert warnings(assembled, in_front) == []  # the branch and its two slots are three
    if defer:
        shadow[-1] = write
        between = 2 - defer + nops
        message = (
            f"t.uc:{4 + 1 + defer + 2 + nops}: ACTIVE_LM_ADDR_0 was written {between} instructions before: "
            "3 must stand between, the old index is used"
        )
        text = "\n".join([f"br[l#]{token}", *shadow, "halt", "l#:", *use])
        assert warnings(assembled, text) == ([message] if between < 3 else [])


def test_index_latency_on_the_worst_path(assembled: Callable[..., Program]) -> None:
    """Three instructions between on the path that falls through, two on the one around the loop."""
    text = "local_csr_wr[t_index, a]\nnop\n{}l#: nop\nalu[a, --, B, *$index]\n"
    text += "local_csr_wr[t_index, a]\nbr_bset[a, 0, l#]{}"
    assert warnings(assembled, text.format("nop\n", "\nnop")) == []
    assert warnings(assembled, text.format("", "\nnop")) == [
        "t.uc:7: T_INDEX was written 2 instructions before: 3 must stand between, the old index is used"
    ]
    assert warnings(assembled, text.format("nop\n", ", defer[3]\nnop\nnop\nlocal_csr_wr[t_index, a]")) == [
        "t.uc:8: T_INDEX was written 1 instructions before: 3 must stand between, the old index is used"
    ]


@pytest.mark.parametrize("nops", [2, 3])
def test_index_latency_of_a_lookup_and_of_byte_align(assembled: Callable[..., Program], nops: int) -> None:
    between = "nop\n" * nops
    lookup = f"cam_lookup[a, b], lm_addr1[0]\n{between}alu[a, --, B, *l$index1]"
    align = f"byte_align_be[--, a]\nlocal_csr_wr[byte_index, a]\n{between}byte_align_be[b, a]"
    both = f"byte_align_be[--, a]\nlocal_csr_wr[t_index_byte_index, a]\n{between}byte_align_be[b, a]"
    for text, line, name in ((lookup, 7, "LM_ADDR_1"), (align, 8, "BYTE_INDEX"), (both, 8, "T_INDEX_BYTE_INDEX")):
        expected = [
            f"t.uc:{line}: {name} was written 2 instructions before: 3 must stand between, the old index is used"
        ]
        assert warnings(assembled, text) == (expected if nops < 3 else [])


def test_condition_codes_before_they_are_set(assembled: Callable[..., Program]) -> None:
    assert warnings(assembled, "beq[l#]\nl#: halt") == ["t.uc:4: the condition codes are used before they are set"]
    assert warnings(assembled, "alu[a, a, +carry, 0]\nhalt") == [
        "t.uc:4: the condition codes are used before they are set"
    ]
    assert warnings(assembled, "alu[--, --, B, a]\nbeq[l#]\nl#: halt") == []
    assert warnings(assembled, "br=ctx[0, l#]\nalu[--, --, B, a]\nl#: bne[m#]\nm#: halt") == [
        "t.uc:6: the condition codes may be used before they are set"
    ]


@pytest.mark.parametrize(
    "setter",
    [
        "alu[--, a, AND, 1]",
        "alu_shf[--, 1, AND, $x, >>15]",
        "ld_field[a, 0011, b], load_cc",
        "ffs[a, b]",
        "dbl_shf[a, a, b, >>3]",
    ],
)
def test_what_sets_condition_codes(assembled: Callable[..., Program], setter: str) -> None:
    assert warnings(assembled, f"{setter}\nbeq[l#]\nl#: halt") == []


@pytest.mark.parametrize("other", ["immed[a, 0]", "ld_field[a, 0011, b]", "cam_lookup[a, b]", "crc_be[crc_32, a, b]"])
def test_what_sets_none(assembled: Callable[..., Program], other: str) -> None:
    assert len(warnings(assembled, f"{other}\nbeq[l#]\nl#: halt")) == 1


@pytest.mark.parametrize(
    "swap", ["ctx_arb[s]", "ctx_arb[voluntary]", "scratch[read, $x, a, 0, 1], ctx_swap[s]", "ctx_arb[s], defer[1]\nnop"]
)
def test_condition_codes_across_a_swap(assembled: Callable[..., Program], swap: str) -> None:
    line = 6 + swap.count("\n")
    message = "used across a context swap, which does not keep them"
    assert warnings(assembled, f"alu[--, --, B, a]\n{swap}\nbeq[l#]\nl#: halt") == [
        f"t.uc:{line}: the condition codes are {message}"
    ]
    assert warnings(assembled, f"alu[--, --, B, a]\nbr_bset[a, 0, m#]\n{swap}\nm#: nop\nbeq[l#]\nl#: halt") == [
        f"t.uc:{line + 2}: the condition codes may be {message}"
    ]
    assert warnings(assembled, f"{swap}\nalu[--, --, B, a]\nbeq[l#]\nl#: halt") == []


def test_condition_codes_set_in_the_slot_of_a_swap_are_lost_too(assembled: Callable[..., Program]) -> None:
    assert len(warnings(assembled, "ctx_arb[s], defer[1]\nalu[--, --, B, a]\nbeq[l#]\nl#: halt")) == 1
    assert warnings(assembled, "br[m#], defer[1]\nalu[--, --, B, a]\nm#: beq[l#]\nl#: halt") == []


@pytest.mark.parametrize("late", ["br_bset[a, 1, m#]", "br=byte[a, 1, 3, m#]", "br_signal[s, m#]"])
def test_a_condition_branch_directly_behind_a_late_one(assembled: Callable[..., Program], late: str) -> None:
    text = f"alu[--, --, B, a]\n{late}\n{{}}beq[l#]\nm#: nop\nl#: halt"
    mnemonic = late.partition("[")[0]
    assert warnings(assembled, text.format("")) == [
        f"t.uc:6: beq directly after {mnemonic}: an instruction must stand between"
    ]
    assert warnings(assembled, text.format("nop\n")) == []
    assert warnings(assembled, text.replace(late, "br=ctx[1, m#]").format("")) == []
    # Taken, the late branch has its slots between.
    assert warnings(assembled, f"alu[--, --, B, a]\n{late}\nhalt\nm#: beq[l#]\nl#: halt") == []


@pytest.mark.parametrize("nops", [0, 2, 3])
def test_tests_of_one_signal(assembled: Callable[..., Program], nops: int) -> None:
    text = (
        f".sig t\nbr_signal[s, l#]\n{'nop' + chr(10) if nops else ''}"
        + "nop\n" * (nops - 1)
        + "br_!signal[{}, l#]\nl#: halt"
    )
    message = f"t.uc:{6 + nops}: signal 1 was tested {nops} instructions before: 3 must stand between"
    assert warnings(assembled, text.format("s")) == ([message] if nops < 3 else [])
    assert warnings(assembled, text.format("t")) == []


# -- sequences ------------------------------------------------------------------------------------------------------


def test_the_steps_of_a_count_follow_one_another(
    assembled: Callable[..., Program], refused: Callable[..., str]
) -> None:
    steps = ["pop_count1[a]", "pop_count2[a]", "pop_count3[b, a]"]
    assert warnings(assembled, "\n".join(steps)) == []
    wrong = "the instruction before must be pop_count{} of the same source"
    assert refused(HEAD + "\n".join([steps[0], "nop", *steps[1:]])) == f"t.uc:6: pop_count2: {wrong.format(1)}"
    assert refused(HEAD + "\n".join([*steps[:2], "nop", steps[2]])) == f"t.uc:7: pop_count3: {wrong.format(2)}"
    assert refused(HEAD + "\n".join([steps[0], steps[2]])) == f"t.uc:5: pop_count3: {wrong.format(2)}"
    assert refused(HEAD + "\n".join([steps[0], "pop_count2[b]"])) == f"t.uc:5: pop_count2: {wrong.format(1)}"
    entered = "br=ctx[0, x#]\npop_count1[a]\nx#: pop_count2[a]\npop_count3[b, a]"
    assert refused(HEAD + entered) == f"t.uc:6: pop_count2: {wrong.format(1)}"


MULTIPLICATIONS = (
    ["[a, b], 24x8_start", "[a, b], 24x8_step1", "[a, --], 24x8_last"],
    ["[a, b], 16x16_start", "[a, b], 16x16_step1", "[a, b], 16x16_step2", "[a, --], 16x16_last"],
    ["[a, b], 32x16_start", "[a, b], 32x16_step1", "[a, --], 32x16_last", "[b, --], 32x16_last2"],
    [
        "[a, b], 32x32_start",
        *(f"[a, b], 32x32_step{n}" for n in (1, 2, 3, 4)),
        "[a, --], 32x32_last",
        "[b, --], 32x32_last2",
    ],
)


@pytest.mark.parametrize("steps", MULTIPLICATIONS, ids=lambda steps: steps[-1].split()[-1])
def test_the_steps_of_a_multiplication(
    assembled: Callable[..., Program], refused: Callable[..., str], steps: list[str]
) -> None:
    """In order, with anything but a swap between; none left out."""
    lines = [f"mul_step{step}" for step in steps]
    assert warnings(assembled, "\nnop\n".join(lines)) == []
    for missing in range(len(lines) - 1):
        if lines[missing].endswith("16x16_step2"):
            continue  # 32x16 has the same words, and may do with one step
        text = "\n".join(lines[:missing] + lines[missing + 1 :])
        assert f"t.uc:{4 + missing}: mul_step " in refused(HEAD + text)
    swapped = refused(HEAD + "\n".join([*lines[:-1], "ctx_arb[voluntary]", lines[-1]]))
    assert swapped.startswith(f"t.uc:{4 + len(lines)}: mul_step ")
    assert swapped.endswith(", the sum is lost")


def test_byte_align_needs_a_previous_source(assembled: Callable[..., Program]) -> None:
    step, what = "byte_align_be[b, a]", "the previous source of byte_align"
    assert warnings(assembled, step) == [f"t.uc:4: {what} is used before it is set"]
    assert warnings(assembled, f"byte_align_be[--, b]\n{step}\n{step}") == []
    assert warnings(assembled, f"byte_align_be[--, b]\nctx_arb[s]\n{step}") == [
        f"t.uc:6: {what} is used across a context swap, which does not keep it"
    ]
    assert warnings(assembled, f"br=ctx[0, l#]\nbyte_align_le[--, b]\nl#: {step}") == [
        f"t.uc:6: {what} may be used before it is set"
    ]


@pytest.mark.parametrize(
    "setter", ["alu[--, --, B, a]", "alu[--, a, OR, 0]", "alu[a, b, +, 3]", "alu_shf[--, --, B, a, <<3]"]
)
def test_asr_behind_what_gives_its_sign(assembled: Callable[..., Program], setter: str) -> None:
    shift = "asr[b, a, >>3]"
    message = "asr: the sign is that of the result before, which has nothing to do with the source"
    assert warnings(assembled, f"{setter}\n{shift}") == []
    assert warnings(assembled, f"{setter}\nnop\n{shift}") == [f"t.uc:6: {message}"]
    assert warnings(assembled, f"alu[--, --, B, b]\n{shift}") == [f"t.uc:5: {message}"]


# -- neighbours over branches ---------------------------------------------------------------------------------------


def test_indirect_ref_at_a_label(assembled: Callable[..., Program], refused: Callable[..., str]) -> None:
    """Right if on every way in an ALU instruction runs directly before."""
    text = "alu[--, --, B, b]\nbr_bset[a, 0, l#], defer[1]\n{}\nalu[--, --, B, b]\nl#: " + INDIRECT
    assert warnings(assembled, text.format("alu[--, --, B, a]")) == []
    message = "indirect_ref: the instruction before must be an ALU instruction, its result is the modifier"
    assert refused(HEAD + text.format("nop")) == f"t.uc:8: {message}"


def test_the_modifier_does_not_survive_a_swap(refused: Callable[..., str]) -> None:
    text = f"{HEAD}ctx_arb[s], defer[1]\nalu[--, --, B, b]\n{INDIRECT}"
    assert "indirect_ref: the instruction before must be an ALU instruction" in refused(text)


def test_the_value_of_a_csr_needs_a_constant_zero_behind_it(refused: Callable[..., str]) -> None:
    message = "t.uc:4: local_csr_rd: the next instruction must be immed[dst, 0], which receives the value"
    read = f"{HEAD}local_csr_rd[active_ctx_sts]"
    assert refused(f"{read}\nimmed[a, 1]") == message
    assert refused(f"{read}\nimmed[a, -1]") == message
    assert refused(f"{HEAD}br[l#], defer[1]\nlocal_csr_rd[active_ctx_sts]\nimmed[a, 0]\nl#: halt") == (
        message.replace("t.uc:4", "t.uc:5")
    )


def test_a_lookup_that_sets_an_index_in_the_shadow_of_a_swap(
    assembled: Callable[..., Program], refused: Callable[..., str]
) -> None:
    swap = "scratch[read, $x, a, 0, 1], ctx_swap[s], defer[1]"
    assert refused(f"{HEAD}{swap}\ncam_lookup[a, b], lm_addr0[0]") == (
        "t.uc:5: cam_lookup in the defer shadow of a context swap"
    )
    assert warnings(assembled, f"{swap}\ncam_lookup[a, b]") == []
    assert warnings(assembled, "br[l#], defer[1]\ncam_lookup[a, b], lm_addr0[0]\nl#: halt") == []


def test_what_real_firmware_does_is_accepted(assembled: Callable[..., Program]) -> None:
    """Three signals back to back, a condition from a transfer register, a register that is set once."""
    text = """.reg zero
immed[zero, 0]
local_csr_wr[same_me_signal, 1]
local_csr_wr[same_me_signal, 2]
local_csr_wr[same_me_signal, 3]
again#:
alu[--, 1, AND, $x, >>15]
beq[again#]
alu[a, zero, +, b]
br[again#]"""
    assert warnings(assembled, text) == []


def test_unchecked_sequences(assembled: Callable[..., Program], refused: Callable[..., str]) -> None:
    assert "pop_count2" in refused(f"{HEAD}pop_count2[a]")
    assert len(warnings(assembled, ".unchecked\npop_count2[a]\nmul_step[a, b], 24x8_step1")) == 2
