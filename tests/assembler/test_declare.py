"""Scopes, transfer registers, signals, labels, and where each word comes from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ixp_emu import isa
from ixp_emu.assembler import CONTROL_STORE_WORDS, Program, assemble, parse
from ixp_emu.errors import InputError

Listing = Callable[..., list[str]]
Assembled = Callable[..., Program]
Refused = Callable[..., str]


# -- transfer registers ---------------------------------------------------------------------------------------------


def numbers(program: Program, name: str) -> list[int]:
    return [register.number for register in program.registers[name]]


def test_an_array_is_consecutive(assembled: Assembled) -> None:
    program = assembled(".reg $a $x[4] $b")
    assert numbers(program, "$x") == list(range(numbers(program, "$x")[0], numbers(program, "$x")[0] + 4))
    every = [n for name in ("$a", "$x", "$b") for n in numbers(program, name)]
    assert sorted(every) == list(range(6))


def test_xfer_order_makes_names_consecutive(assembled: Assembled) -> None:
    program = assembled(".reg $a $gap $b $c\n.xfer_order $c $a $b")
    first = numbers(program, "$c")[0]
    assert (numbers(program, "$a"), numbers(program, "$b")) == ([first + 1], [first + 2])


def test_the_two_kinds_count_separately(assembled: Assembled) -> None:
    program = assembled(".reg $a[16] $$b[16]")
    assert numbers(program, "$a") == numbers(program, "$$b") == list(range(16))


@pytest.mark.parametrize(("contexts", "available"), [(8, 16), (4, 32)])
def test_a_context_has_so_many_transfer_registers(
    assembled: Assembled, refused: Refused, contexts: int, available: int
) -> None:
    head = f".num_contexts {contexts}\n"
    assert assembled(f"{head}.reg $a[{available}]").usage["$"] == available
    assert refused(f"{head}.reg $a[{available}]\n.reg $b") == (
        f"t.uc:3: no $ transfer register left for $b: {available} per context, in use here: $a (t.uc:2 to the end)"
    )


def test_read_and_write_halves_may_share_a_number(assembled: Assembled) -> None:
    program = assembled(".reg read $r[16]\n.reg write $w[16]")
    assert numbers(program, "$r") == numbers(program, "$w") == list(range(16))


def test_a_register_with_both_halves_shares_with_neither(refused: Refused) -> None:
    assert refused(".reg read $r[16]\n.reg $b") == (
        "t.uc:2: no $ transfer register left for $b: 16 per context, in use here: $r (t.uc:1 to the end)"
    )


def test_disjoint_scopes_share_transfer_registers_and_nested_ones_do_not(assembled: Assembled) -> None:
    block = ".begin\n.reg $t{0}[9]\n.end\n"
    program = assembled(".reg $outer[7]\n" + block.format(1) + block.format(2))
    assert numbers(program, "$t1") == numbers(program, "$t2")
    assert not set(numbers(program, "$t1")) & set(numbers(program, "$outer"))


def test_a_nested_scope_has_what_the_outer_one_left(refused: Refused) -> None:
    assert refused(".reg $o[10]\n.begin\n.reg $i[7]\n.end") == (
        "t.uc:3: no $ transfer register left for $i (7 consecutive): 16 per context, in use here: "
        "$o (t.uc:1 to the end)"
    )


def test_a_fixed_transfer_register_is_left_alone(assembled: Assembled) -> None:
    program = assembled(".reg $a[3]\n.begin\n.reg $f\n.addr $f 0\n.end")
    assert numbers(program, "$f") == [0]
    assert numbers(program, "$a") == [1, 2, 3]


def test_undeclared_numbered_transfer_registers(listing: Listing) -> None:
    assert listing("alu[$xfer3, --, B, $$xfer5]") == ["alu[$3, --, B, $$5]"]


def test_address_of_transfer_registers_and_signals(listing: Listing) -> None:
    text = ".reg $x[4] r\n.addr $x 5\n.sig s\n.addr s 7\nimmed[r, &$x]\nimmed[r, &$x[2]]\nimmed[r, (&s << 3)]"
    assert [line.split(", ")[1] for line in listing(text)] == ["5]", "7]", "56]"]


# -- signals --------------------------------------------------------------------------------------------------------


def test_fifteen_signals(assembled: Assembled, refused: Refused) -> None:
    names = " ".join(f"s{number}" for number in range(15))
    program = assembled(f".sig {names}")
    assert sorted(program.signals[f"s{number}"][0] for number in range(15)) == list(range(1, 16))
    taken = ", ".join(f"s{number} (t.uc:1 to the end)" for number in range(15))
    assert refused(f".sig {names}\n.sig more") == (
        f"t.uc:2: no signal left for more: 15 per context, in use here: {taken}"
    )


def test_what_holds_a_number_is_told_with_its_lines(refused: Refused) -> None:
    """A closed scope's names hold theirs up to its end, those of a sibling scope none."""
    text = ".reg $o[3]\n.begin\n.reg $s[13]\n.end\n.begin\n.reg $i[4]\n.begin\n.reg $j[10]\n.end\nnop\n.end"
    assert refused(text) == (
        "t.uc:8: no $ transfer register left for $j (10 consecutive): 16 per context, in use here: "
        "$o (t.uc:1 to the end), $i (t.uc:6-11)"
    )


DOUBLED = (
    "dram[read, $$d, a, 0, 1], sig_done[s]",
    "dram[write, $$d, a, 0, 1], sig_done[s]",
    "sram[test_and_add, $x, a, 0], sig_done[s]",
    "sram[swap, $x, a, 0], sig_done[s]",
    "scratch[test_and_set, $x, a, 0], sig_done[s]",
)
SINGLE = (
    "sram[read, $x, a, 0, 1], sig_done[s]",
    "sram[add, $x, a, 0], sig_done[s]",
    "scratch[put, $x, a, 0, 1], sig_done[s]",
)


@pytest.mark.parametrize("command", DOUBLED)
def test_a_doubled_signal_is_even_and_waited_for_twice(assembled: Assembled, command: str) -> None:
    """isa.md 1.12: the signal field holds the even number, ctx_arb waits for it and the next."""
    text = f".reg a $x $$d\n.sig first s\nimmed[a, 0]\n{command}\nctx_arb[s]\nctx_arb[first]"
    program = assembled(text)
    even, odd = program.signals["s"]
    assert (even % 2, odd) == (0, even + 1)
    decoded = [isa.decode(word) for word in program.words]
    assert decoded[1].signal == even
    assert decoded[2].signals == (even, odd)
    assert len(decoded[3].signals) == 1
    assert decoded[3].signals[0] not in (even, odd)


@pytest.mark.parametrize("command", SINGLE)
def test_other_signals_are_single(assembled: Assembled, command: str) -> None:
    assert len(assembled(f".reg a $x\n.sig s\nimmed[a, 0]\n{command}\nctx_arb[s]").signals["s"]) == 1


def test_the_shipped_dram_example(assembled: Assembled) -> None:
    """Real firmware: signal 4 in the command, ctx_arb mask 0x30 (isa.md 1.12)."""
    text = ".reg a $$d\n.sig s\n.addr s 4\nimmed[a, 0]\ndram[read, $$d, a, 0, 1], sig_done[s]\nctx_arb[s]"
    words = assembled(text).words
    assert words[1] >> 28 & 15 == 4
    assert words[2] & 0xFFFE == 0x30


def test_a_doubled_signal_with_an_odd_number_is_refused(refused: Refused) -> None:
    text = ".reg a $$d\n.sig s\n.addr s 3\nimmed[a, 0]\ndram[read, $$d, a, 0, 1], sig_done[s]"
    assert refused(text) == ("t.uc:5: signal 's' has number 3: this command signals twice and needs an even number")


def test_mask_of_signals(listing: Listing) -> None:
    text = """.reg r a $$d
    .sig s d
    .addr s 3
    .addr d 4
    immed[a, 0]
    dram[read, $$d, a, 0, 1], sig_done[d]
    immed[r, mask(s)]
    immed[r, (mask(d) | 1)]
    ctx_arb[d[0]]
    ctx_arb[d[write]]"""
    lines = listing(text)
    assert [line.split(", ")[1] for line in lines[2:4]] == [f"{1 << 3}]", f"{1 << 4 | 1 << 5 | 1}]"]
    assert lines[4:] == ["ctx_arb[4]", "ctx_arb[5]"]


def test_disjoint_scopes_share_signals(assembled: Assembled) -> None:
    program = assembled(".sig o\n.begin\n.sig a\n.end\n.begin\n.sig b\n.end")
    assert program.signals["a"] == program.signals["b"] != program.signals["o"]


# -- scopes and labels ----------------------------------------------------------------------------------------------


def test_an_inner_name_hides_an_outer_one(assembled: Assembled) -> None:
    text = """.reg r
    immed[r, 1]
    .begin
    .reg r
    immed[r, 2]
    alu[--, --, B, r]
    .end
    alu[--, --, B, r]"""
    program = assembled(text)
    assert not set(program.registers["r"]) & set(program.registers["r'2"])


def test_declarations_may_follow_their_use_in_a_scope(listing: Listing) -> None:
    assert len(listing(".begin\nimmed[r, 1]\n.reg r\n.end")) == 1


def test_local(listing: Listing, refused: Refused) -> None:
    assert len(listing(".local a b\nimmed[a, 1]\nimmed[b, 1]\n.endlocal")) == 2
    assert "'a' is not declared" in refused(".local a\n.endlocal\nimmed[a, 1]")


def test_names_are_not_case_sensitive(listing: Listing) -> None:
    assert listing(".reg Abc\nIMMED[ABC, 1]\nStart#: BR[sTART#]")[1] == "br[l1#]"


def test_macro_registers_and_labels_are_local_to_the_expansion(listing: Listing) -> None:
    text = """#macro spin(n)
    .reg count
    immed[count, n]
again#: alu[count, count, -, 1]
    bne[again#]
#endm
spin(3)
spin(4)"""
    assert [line for line in listing(text) if line.startswith("bne")] == ["bne[l1#]", "bne[l4#]"]


def test_a_macro_declares_a_name_given_by_its_caller_for_the_caller(listing: Listing) -> None:
    text = """#macro make(name)
    .reg name
    immed[name, 1]
#endm
#macro outer(name)
    make(name)
#endm
outer(mine)
alu[--, --, B, mine]"""
    assert len(listing(text)) == 2


def test_a_label_given_to_a_macro_is_the_callers(listing: Listing) -> None:
    text = "#macro skip_to(where)\nbr[where]\n#endm\n#macro land(where)\nwhere:\nnop\n#endm\nskip_to(out#)\nland(out#)"
    assert listing(text)[0] == "br[l1#]"


def test_macro_code_sees_labels_outside(listing: Listing) -> None:
    assert listing("#macro out()\nbr[end#]\n#endm\nout()\nend#: nop") == ["br[l1#]", "nop"]


def test_a_label_at_the_end_of_the_program(assembled: Assembled) -> None:
    assert assembled("br[end#]\nend#:").labels == {"end": 1}


def test_subroutine_names_a_label(listing: Listing) -> None:
    assert listing(".reg r\n.set r\nbr[work#]\n.subroutine work\nrtn[r]\n.endsub")[0] == "br[l1#]"


def test_import_variables(listing: Listing) -> None:
    text = ".import_var i$table\n.reg r\nimmed[r, (i$table & 0xffff)]\nimmed_w1[r, (i$table >> 16)]"
    lines = listing(text, import_vars={"table": 0x12345678})
    assert [line.split(", ")[1] for line in lines] == [f"{0x5678}]", f"{0x1234}]"]


def test_modes_and_contexts(assembled: Assembled, refused: Refused) -> None:
    program = assembled(".num_contexts 4\n.init_nn_mode self\n.local_mem0_mode abs")
    assert (program.contexts, program.modes) == (4, {"init_nn_mode": "self", "local_mem0_mode": "abs"})
    assert assembled("nop", contexts=4).contexts == 4
    assert refused("nop", contexts=6) == "t.uc: contexts 6: must be 4 or 8"
    assert refused(".num_contexts 4\nnop", contexts=8) == (
        "t.uc: the program says .num_contexts 4, the assembly asks for 8"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo[1]", "t.uc:1: unknown instruction or macro 'foo'"),
        (".foo", "t.uc:1: unknown directive '.foo'"),
        ("br[none#]", "t.uc:1: label 'none#' is not defined"),
        ("a#: nop\na#: nop", "t.uc:2: label 'a#' is defined twice (first at t.uc:1)"),
        (".reg a\n.reg a", "t.uc:2: 'a' is declared twice in one scope (first at t.uc:1)"),
        (".reg a[0]", "t.uc:1: .reg 'a': array length 0: must be 1..256"),
        (".reg a[2]\nimmed[a[2], 1]", "t.uc:2: a[2]: 'a' has elements 0..1"),
        (".reg a\nimmed[a[0], 1]", "t.uc:2: a[0]: 'a' has no elements"),
        (".reg a[2]\nimmed[a, 1]", "t.uc:2: 'a' is an array: write a[n]"),
        (".reg", "t.uc:1: .reg needs a name"),
        (".sig", "t.uc:1: .sig needs a name"),
        (".begin", "t.uc:1: .begin is not closed"),
        (".end", "t.uc:1: .end without .begin"),
        (".num_contexts 6", "t.uc:1: .num_contexts 6: must be 4 or 8"),
        (".init_nn_mode both", "t.uc:1: .init_nn_mode 'both': must be neighbor or self"),
        (".xfer_order $a", "t.uc:1: .xfer_order: '$a' is not declared"),
        (".reg a\n.xfer_order a", "t.uc:2: .xfer_order: 'a' is not a transfer register"),
        (".reg $a $$b\n.xfer_order $a $$b", "t.uc:2: .xfer_order: $ and $$ registers do not mix"),
        (".sig s\n.addr s 16", "t.uc:1: signal 's': number 16: must be 1..15"),
        (".sig s\n.addr s 0", "t.uc:1: signal 's': number 0: must be 1..15"),
        ("alu[$none, --, B, 1]", "t.uc:1: '$none' is not declared"),
        ("ctx_arb[s]", "t.uc:1: 's' is not a declared signal"),
        (".set none\nnop", "t.uc:1: .set: 'none' is not declared"),
        (".word 0x10000000000", "t.uc:1: .word 0x10000000000: must be a literal of at most 40 bits"),
        ("nop nop", "t.uc:1: syntax error at 'nop' in 'nop nop'"),
        ("alu[a, b", "t.uc:1: a bracket is not closed: 'alu[a, b'"),
        ("#macro m()\n.begin\n#endm\nm()", "t.uc:4: .begin is not closed inside its macro (in macro m, t.uc:2)"),
    ],
)
def test_errors(refused: Refused, text: str, message: str) -> None:
    assert refused(text) == message


def test_a_forgotten_declaration_is_suggested(refused: Refused) -> None:
    assert refused("immed[missing, 1]").endswith("('missing' is not declared)")


def test_an_error_inside_a_macro_names_both_lines(refused: Refused) -> None:
    assert refused("#macro bad()\nnop\nbr[none#]\n#endm\nnop\nbad()") == (
        "t.uc:6: label 'none#' is not defined (in macro bad, t.uc:3)"
    )


def test_errors_of_different_lines_come_together(refused: Refused) -> None:
    assert refused("br[a#]\nnop\nbr[b#]") == "t.uc:1: label 'a#' is not defined\nt.uc:3: label 'b#' is not defined"


def test_program_length_limit() -> None:
    assert len(assemble(parse("nop\n" * CONTROL_STORE_WORDS, name="t.uc")).words) == 4096
    with pytest.raises(InputError) as caught:
        assemble(parse("nop\n" * (CONTROL_STORE_WORDS + 1), name="t.uc"))
    assert str(caught.value) == "t.uc:4097: program too long: 4097 words, 4096 available"


# -- where words come from ------------------------------------------------------------------------------------------


def test_one_word_per_line_in_source_order(assembled: Assembled) -> None:
    program = assembled("\nnop\n\n; nothing\nbr[x#],\n defer[1]\nnop\nx#: halt")
    assert program.lines == program.calls == [("t.uc", 2), ("t.uc", 5), ("t.uc", 7), ("t.uc", 8)]


def test_lines_through_macros_and_includes(tmp_path: Path) -> None:
    (tmp_path / "lib.uc").write_text("#macro inner()\nnop\n#endm\n\n#macro outer()\ninner()\nhalt\n#endm\n")
    main = tmp_path / "main.uc"
    main.write_text('#include "lib.uc"\nnop\nouter()\n')
    program = assemble(parse(main))
    library = str(tmp_path / "lib.uc")
    assert program.lines == [(str(main), 2), (library, 2), (library, 7)]
    assert program.calls == [(str(main), 2), (str(main), 3), (str(main), 3)]


def test_known_words(assembled: Assembled) -> None:
    """Words of shipped firmware, isa.md 1.4, 1.7 and 3.3."""
    words = assembled("halt\nnop\nctx_arb[kill]\ncap[fast_wr, 0, XSCALE_INT_A]").words
    assert [f"{word:#x}" for word in words] == ["0xe000020000", "0xf0000c0300", "0xe000010000", "0x3300012f20"]


def test_the_digest_depends_on_sources_and_values(assembled: Assembled) -> None:
    text = "#ifdef A\nnop\n#endif\nnop"
    digests = {
        assembled(text).digest,
        assembled(text + "\n;").digest,
        assembled(text, defines={"A": 1}).digest,
        assembled(text, contexts=4).digest,
    }
    assert len(digests) == 4
    assert assembled(text).digest == assembled(text, name="elsewhere/t.uc").digest


def test_a_thousand_lines_assemble() -> None:
    names = [f"r{number}" for number in range(20)]
    lines = [f".reg {' '.join(names)} $x[4]", ".sig s", *(f"immed[{name}, 1]" for name in names)]
    for number in range(200):
        a, b = names[number % 20 // 2 * 2], names[(number * 7 + 3) % 20 // 2 * 2 + 1]
        lines += [
            f"l{number}#: alu[{a}, {a}, +, {b}]",
            f"alu_shf[{b}, --, B, {a}, <<{number % 31 + 1}]",
            f"sram[read, $x[0], {a}, {number % 100}, 4], ctx_swap[s]",
            f"alu[--, {a}, -, {number}]",
            f"beq[l{number * 7 % 200}#]",
        ]
    assert len(assemble(parse("\n".join(lines) + "\n")).words) == 1020


# --- calls, names of other microengines, old forms -------------------------------------------------------------------


def test_call_loads_the_return_address_and_branches(
    assembled: Callable[..., Program], listing: Callable[..., list[str]]
) -> None:
    text = ".reg back x\n.addr back 2 a\n.call work#, back\n.call work back\nhalt\n.subroutine work\nrtn[back]\n.endsub"
    assert listing(text) == ["immed[a2, 2]", "br[l5#]", "immed[a2, 4]", "br[l5#]", "halt", "rtn[a2]"]
    assert assembled(text).labels == {"work": 5}


def test_a_called_subroutine_returns(machine: type, assembled: Callable[..., Program]) -> None:
    text = ".reg back\nload_addr[back, on#]\nbr[sub#]\non#: halt\nsub#: rtn[back]"
    same = text.replace("load_addr[back, on#]\nbr[sub#]\non#:", ".call sub# back\n")
    assert assembled(same).words == assembled(text).words


def test_remote_names_have_the_number_that_both_programs_give(listing: Callable[..., list[str]]) -> None:
    text = (
        ".sig remote s\n.reg remote $x[2]\n.addr s 6\n.addr $x 3\n.sig own\n.reg $y\n.addr own 6\n.addr $y 3\n"
        ".reg a\nimmed[a, (&remote(s, 0x12) | &remote($x[1], 1) << 4)]"
    )
    assert listing(text) == ["immed[a0, 70]"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".call f#", "t.uc:1: .call needs a subroutine's label and the register that its rtn[] uses"),
        (".reg remote a", "t.uc:1: remote 'a': must be a transfer register or a signal"),
        (
            ".sig remote s\nctx_arb[s]",
            "t.uc:2: 's' is remote: only &remote() can name it",
        ),
        (
            ".reg a\n.sig remote s\nimmed[a, (&remote(s, 0))]",
            "t.uc:3: &remote(s, 0): its number is not known here: fix it with .addr in both programs",
        ),
        (".reg a\nimmed[a, (&remote(s, 0))]", "t.uc:2: &remote(s, 0): 's' is not declared remote"),
        (
            ".reg a\n.sig remote s\n.addr s 1\nimmed[a, (&remote(s, 4))]",
            "t.uc:4: &remote(s, 4): microengine 0x4: must be 0x00..0x03 or 0x10..0x13",
        ),
        (".addr $x 1\n.addr $x 2", "t.uc:2: .addr '$x': has number 1 already"),
        (".use_rd nothing", "t.uc:1: .use_rd: 'nothing' is not declared"),
        (".set 5", "t.uc:1: .set: '5' is not a name"),
        (
            ".reg $a $b $c $d\n.xfer_order $a $b\n.xfer_order $a $c",
            "t.uc:3: .xfer_order: '$c' cannot stand where an earlier order has '$b'",
        ),
        (".reg $a\n.xfer_order $a $a", "t.uc:2: .xfer_order: '$a' is named twice"),
        (
            ".reg x y z\nx = y + z",
            "t.uc:2: 'x = y + z': notation x = y + z belongs to the NFP, not to the IXP2400: write alu[x, y, +, z]",
        ),
        ("again: nop", "t.uc:1: syntax error at ':': a label is written again#:"),
        (".reg a\nalu[a, --, B, *l$index2]", "t.uc:2: alu: *l$index2 belongs to the NFP; the IXP2400 does not have it"),
    ],
)
def test_errors_of_other_forms(refused: Callable[..., str], text: str, message: str) -> None:
    assert refused(text) == message


@pytest.mark.parametrize(
    "orders",
    [
        ".xfer_order $a $b $c",
        ".xfer_order_rd $a $b $c\n.xfer_order_wr $a $b $c",
        ".xfer_order $a $b\n.xfer_order $b $c",
        ".xfer_order $b $c\n.xfer_order $a $b",
        ".xfer_order $a $b $c\n.xfer_order $b $c",
    ],
)
def test_orders_with_a_common_register_are_one(assembled: Callable[..., Program], orders: str) -> None:
    program = assembled(f".reg $c $b $a\n{orders}\nnop")
    first, second, third = (program.registers[name][0].number for name in ("$a", "$b", "$c"))
    assert (second, third) == (first + 1, first + 2)


def test_a_number_may_be_given_from_an_inner_scope(assembled: Callable[..., Program]) -> None:
    program = assembled(".sig s\n.begin\n.addr s 7\nctx_arb[s]\n.end")
    assert program.signals == {"s": [7]}


@pytest.mark.parametrize("blank", ["", "    ", "// next", "; next", "/* next */"])
def test_tokens_on_further_lines(listing: Callable[..., list[str]], blank: str) -> None:
    text = ".reg a $x\n.sig s\n.addr s 3\nimmed[a, 0]\n"
    text += f"sram[read, $x, a,\n{blank}\n 0, 1],\n{blank}\n  ctx_swap[s],\n\tdefer[1]\nnop"
    assert listing(text)[1] == "sram[read, $0, a0, 0, 1], ctx_swap[3], defer[1]"


# --- fixed numbers inside an order -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fixed", ["$x0 4", "$x1 5", "$x2 6"])
def test_a_fixed_register_says_where_its_order_stands(assembled: Assembled, fixed: str) -> None:
    program = assembled(f".reg read $x0 $x1 $x2\n.xfer_order $x0 $x1 $x2\n.addr {fixed}\n.reg read $y\nnop")
    assert [program.registers[f"$x{n}"][0].number for n in range(3)] == [4, 5, 6]
    assert program.registers["$y"][0].number == 0


def test_an_order_that_does_not_fit_its_fixed_registers_is_refused(refused: Callable[..., str]) -> None:
    assert refused(".reg read $x0 $x1\n.xfer_order $x0 $x1\n.addr $x0 4\n.addr $x1 9\nnop") == (
        "t.uc:1: $x1 has the fixed number 9: its order, with $x0 fixed too, wants 5"
    )
