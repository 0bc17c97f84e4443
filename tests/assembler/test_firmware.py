"""Firmware written for Intel's assembler: one word a source line, in order, the words that the fields say."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from ixp_emu import isa
from ixp_emu.assembler import Program, assemble, parse
from tests.reference import encode

FOLDER = Path(__file__).parent / "firmware"
SOURCES = sorted(FOLDER.glob("*.uc"))
# Mnemonics of which one word has several.
SAME_WORD = {"bhs": "bcs", "blo": "bcc", "load_addr": "immed", "ctx_arb[bpt]": "halt"}


@cache
def program(name: str) -> Program:
    return assemble(parse(FOLDER / name))


def instruction_lines(text: str) -> list[tuple[int, str]]:
    """(line, mnemonic) of every instruction, read off the text without the assembler: a line that begins one."""
    text = re.sub(r"/\*.*?\*/", lambda comment: "\n" * comment.group().count("\n"), text, flags=re.DOTALL)
    found, goes_on = [], False
    for number, line in enumerate(text.splitlines(), start=1):
        bare = re.sub(r"//.*|;.*", "", line).strip()
        bare = re.sub(r"^(\w+#:\s*)+", "", bare)
        if bare and not goes_on and bare[0] not in "#.":
            mnemonic = re.split(r"[\[\s]", bare.lower())[0]
            shifted = mnemonic == "alu" and re.search("<<|>>", bare)
            found.append(
                (number, "alu_shf" if shifted else SAME_WORD.get(bare.lower(), SAME_WORD.get(mnemonic, mnemonic)))
            )
        goes_on = bare.endswith((",", "\\"))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_line_is_one_word_in_source_order(path: Path) -> None:
    assembled = program(path.name)
    expected = instruction_lines(path.read_text(encoding="utf-8"))
    assert len(expected) > 10
    assert [line for _, line in assembled.lines] == [line for line, _ in expected]
    shown = [isa.format_instruction(isa.decode(word)).split("[")[0] for word in assembled.words]
    assert shown == [mnemonic for _, mnemonic in expected]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_there_is_nothing_to_warn_about(path: Path) -> None:
    assert program(path.name).warnings == []


def word_at(name: str, text: str) -> int:
    """Word of the only line that begins with the text."""
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    (number,) = [n for n, line in enumerate(lines, start=1) if line.strip().startswith(text)]
    (word,) = [w for w, (_, line) in zip(program(name).words, program(name).lines, strict=True) if line == number]
    return word


def test_words_without_general_registers() -> None:
    receive = program("receive.uc")
    signals = {name: numbers[0] for name, numbers in receive.signals.items()}
    status = receive.registers["$rsw0"][0].number
    assert receive.registers["$rsw1"][0].number == status + 1
    expected = {
        "halt": encode.HALT,
        "ctx_arb[kill]": encode.KILL,
        "ctx_arb[voluntary]": encode.VOLUNTARY,
        "ctx_arb[sig1]": encode.ctx_arb(signals["sig1"]),
        "ctx_arb[mpacket_arrived]": encode.ctx_arb(signals["mpacket_arrived"]),
        "ctx_arb[copied]": encode.ctx_arb(signals["copied"], signals["copied"] + 1),
        "cap[fast_wr, 0, XSCALE_INT_A]": 0x3300012F20,
        "br!=ctx[0, MPACKET_LOOP#]": encode.br(receive.labels["mpacket_loop"], condition=17),
        "bne[overflow#]": encode.br(receive.labels["overflow"], condition=1, stage=1),
        "beq[to_next#], defer[2]": encode.br(receive.labels["to_next"], condition=0, stage=1, defer=2),
        "br_inp_state[SCR_RING1_STATUS": encode.br(receive.labels["no_buffer"], condition=20, stage=2, parameter=3),
        "alu[--, 1, and, $rsw0, >>14]": encode.alu_shf(
            2, 0x20, encode.restricted_immediate(1), 0x80 + status, sc=1, amount=14
        ),
        "alu[$packet0, --, b, BUFFER_HANDLE]": encode.alu(
            "B", encode.transfer(receive.registers["$packet0"][0].number), 0, encode.lm(0, 0)
        ),
        "alu_shf[PORT_FLAGS, PORT_FLAGS, or, 1]": encode.alu_shf(5, 0x52, 0x52, encode.restricted_immediate(1)),
        "immed[PORT_FLAGS, 0]": encode.immed(encode.lm(0, 2), 0),
    }
    assert {text: hex(word_at("receive.uc", text)) for text in expected} == {
        text: hex(word) for text, word in expected.items()
    }


@pytest.mark.parametrize("name", ["sig1", "sig2", "sig3"])
def test_signalling_the_next_context(name: str) -> None:
    receive = program("receive.uc")
    (number,) = receive.signals[name]
    next_context = encode.csr_write(0x108, encode.immediate(0x80 | number << 3))
    context_0 = encode.csr_write(0x108, encode.immediate(number << 3))
    assert (receive.words.count(next_context), receive.words.count(context_0)) == (1, 1)


def test_the_free_list_word_names_register_and_signal() -> None:
    receive = program("receive.uc")
    value = receive.registers["$rsw0"][0].number | receive.signals["mpacket_arrived"][0] << 12
    word = isa.decode(word_at("receive.uc", "immed_w1[freelist_word"))
    assert word.operands["value"] == isa.Immediate(value)


def test_transfers_with_an_indirect_count() -> None:
    for name, text, code, field in (
        ("receive.uc", "dram[rbuf_rd", 2, 7),
        ("transmit.uc", "dram[tbuf_wr", 3, 7),
    ):
        word = word_at(name, text)
        # indirect, unit 2, code, doubled signal (even), count field, no transfer register, no swap
        assert (word >> 38, word >> 36 & 3, word >> 32 & 3, word >> 28 & 1) == (1, 2, code, 0)
        assert (word >> 25 & 7, word >> 20 & 31, word >> 8 & 3) == (field, 0, 3)


def test_registers_given_by_the_program() -> None:
    old = program("old_style.uc")
    assert [str(old.registers[name][0]) for name in ("count", "limit", "link")] == ["a3", "b5", "a4"]
    assert old.signals == {"done": [2]}
    assert old.words[0] == encode.immed(3, 0)
    assert old.words[4] == encode.alu("+", 3, 3, encode.immediate(1))
    assert old.words[5] == encode.alu("B", encode.transfer(0), 3, 0x300, swap=1)
    assert old.words[7] == encode.scratch(1, 4, xfer=0, a=3, b=encode.restricted_immediate(4), signal=2, wait=1)


def test_an_error_directive_stops_a_wrong_board(refused: object) -> None:
    text = "#define NUM_PORTS 4\n#if NUM_PORTS != 3\n#error This code handles three ports.\n#endif\nhalt"
    assert refused(text) == "t.uc:3: #error: This code handles three ports."  # type: ignore[operator]


@pytest.mark.parametrize("text", [".reg zero\n", ".reg zero\nimmed[zero, 0]\n"])
def test_a_register_for_zero(assembled: object, text: str) -> None:
    source = text + ".reg $x\n.sig s\nscratch[get, $x, zero, (1 << 2), 1], ctx_swap[s]\nhalt"
    assert len(assembled(source).words) == text.count("immed") + 2  # type: ignore[operator]
