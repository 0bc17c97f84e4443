"""Nothing is in the registry without an encoding test, an execution test and a line of documentation.

Each list is computed from the registry: a new entry is tested here, or fails here. Encoding: the second description of
words (``tests/reference/word_table.py``) must know the operation by its name, bit by bit (``test_words.py``).
Execution: random words of the operation run in the engine and in the reference model, which must agree on everything a
program can leave behind.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from ixp_emu.assembler import assemble, parse
from ixp_emu.chip.hardware import resolve_hardware
from ixp_emu.isa import OPERATIONS, Operation, Register, RegisterKind, decode, instruction_table
from tests.chip.agreement import Pair
from tests.isa.random_words import words_of
from tests.reference.word_table import describe

_ROOT = Path(__file__).resolve().parents[2]
_WORDS = 6
"""Words of an operation in one program."""
_PROGRAMS = 3
_TARGET = 140
"""Where branches go: behind everything else."""
_CYCLES = 3_000
_MEDIA_MOVES = ("dram.rbuf_rd", "dram.tbuf_wr")
_RINGS = {number: {"base": 8_192 + 512 * number, "size": 128, "contents": [number] * 9} for number in range(16)}
_NEIGHBOURS = (RegisterKind.NEIGHBOR, RegisterKind.NEIGHBOR_INDEX)


def _drawn(entry: Operation) -> list[int]:
    """Valid words of an operation without neighbour registers, whose state is spread over two microengines."""
    free = entry.used_mask & ~entry.fixed_mask
    if not free:
        return [entry.fixed_value]
    wanted = min(2 * _WORDS * _PROGRAMS, 1 << free.bit_count())
    found = []
    for word in words_of(entry, random.Random(entry.name), wanted):
        operands = decode(word).operands.values()
        if not any(isinstance(operand, Register) and operand.kind in _NEIGHBOURS for operand in operands):
            found.append(word)
    return found[: _WORDS * _PROGRAMS]


def _aimed(word: int) -> int:
    """The word with what would only be a fault mended: targets outside the program, input states of neighbours and the
    media interface, moves to and from it without a modifier."""
    name = decode(word).operation.name
    if name in _MEDIA_MOVES:
        return word | 1 << 38
    if name.endswith("input_state"):
        word = word & ~(0xF << 14) | 2 + (word >> 14 & 0xF) % 12 << 14
    if name.startswith("br.") or (name.startswith("ctx_arb") and word >> 18 & 1):
        return word & ~(0x1FFF << 22) | _TARGET << 22
    if name == "jump":
        low = 0xFF << 10 if (word >> 10 & 0x3FF) >= 0x300 else 0xFF
        return word & ~(0x1F << 22) & ~low
    return word


def _values(entry: Operation, source: random.Random) -> Iterator[int]:
    """What stands in the general registers: edges, or small aligned numbers where addresses are wanted."""
    while True:
        if entry.name == "jump":
            yield _TARGET
        elif "address1" in entry.roles or entry.transfer is not None:
            yield source.randrange(64) * 8
        else:
            yield source.choice(
                (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, source.getrandbits(32), source.getrandbits(8))
            )


def _program(entry: Operation, words: list[int], seed: int) -> list[int]:
    """A prologue that fills the microengine, the words with other instructions between, an epilogue that looks."""
    source = random.Random(f"{entry.name}{seed}")
    values = _values(entry, source)
    lines = [".unchecked", ".num_contexts 8"]
    for bank in "ab":
        for number in range(16):
            lines.append(f".{bank}reg {bank}{number} {number}")
    lines.append(f".set {' '.join(f'{bank}{number}' for bank in 'ab' for number in range(16))}")
    for bank in "ab":
        for number in range(16):
            value = next(values)
            lines += [f"immed[{bank}{number}, {value & 0xFFFF}]", f"immed_w1[{bank}{number}, {value >> 16}]"]
    lines += [f"immed[${number}, {next(values) & 0xFFFF}]" for number in range(4)]
    lines += [f"local_csr_wr[SAME_ME_SIGNAL, {0x80 | signal << 3}]" for signal in (1, 2, 5, 8, 9, 13)]
    lines += ["local_csr_wr[ACTIVE_LM_ADDR_0, 128]", "local_csr_wr[ACTIVE_LM_ADDR_1, 64]", "local_csr_wr[T_INDEX, 24]"]
    lines += [f"local_csr_wr[BYTE_INDEX, {seed % 4}]", "cam_write[3, b1, 5]", "cam_write[4, b2, 6]"]
    for word in words:
        if entry.name in _MEDIA_MOVES:  # the modifier: a buffer address of 0x2000
            lines += ["immed[a14, 4, <<16]", "immed_w0[a14, 0x0010]"]
        lines.append(f".word {_aimed(word):#x}")
        # defer slots; an immed directly behind is what takes a CSR's value
        lines += ["immed[a14, 7]", "alu[b14, b14, +, 1]", "alu[--, b13, -, 1]", "alu[b12, b12, +carry, 0]"]
    lines += ["local_csr_rd[CRC_REMAINDER]", "immed[a13, 0]", "local_csr_rd[ACTIVE_LM_ADDR_0]", "immed[b11, 0]"]
    lines += ["ctx_arb[kill]"]
    program = list(assemble(parse("\n".join(lines) + "\n", name="words")).words)
    tail = "ctx_arb[kill]\n"
    assert len(program) < _TARGET
    return [*program, *assemble(parse(tail * (_TARGET - len(program)) + "alu[$5, --, B, $4]\n" + tail)).words]


@pytest.mark.parametrize("entry", OPERATIONS, ids=lambda entry: entry.name)
def test_operation_is_executed_alike_by_engine_and_reference(entry: Operation) -> None:
    words = _drawn(entry)
    for seed in range(_PROGRAMS):
        chosen = words[seed * _WORDS : (seed + 1) * _WORDS] or words[:1]
        pair = Pair(resolve_hardware(), {0: _program(entry, chosen, seed)}, _RINGS)
        pair.fill(0x9E3779B1 + seed)
        pair.set_hash_multipliers([0x12345678, 0xABCD, 0x9ABCDEF0, 0x13579BDF, 1, 2, 3, 0x80000001])
        pair.run(_CYCLES)
        assert pair.differences(_CYCLES) == [], [f"{word:#012x}" for word in chosen]


@pytest.mark.parametrize("entry", OPERATIONS, ids=lambda entry: entry.name)
def test_the_second_description_names_the_operation(entry: Operation) -> None:
    assert {describe(word, four_contexts=False)["name"] for word in _drawn(entry)} == {entry.name}


def test_every_operation_is_documented() -> None:
    table = instruction_table()
    page = (_ROOT / "docs" / "instructions.md").read_text(encoding="utf-8")
    for entry in OPERATIONS:
        assert entry.summary and entry.source
        (line,) = [line for line in table.splitlines() if line.startswith(f"| `{entry.name}` |")]
        assert line in page
