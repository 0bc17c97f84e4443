"""Images of another assembler: other numbers, the same frames in the same cycles."""

from __future__ import annotations

import random

import pytest

from ixp_emu.board import Board, Frame, Program, assemble
from tests.board.driver import Driver
from tests.board.other_assembler import fixed_numbers, renumbered
from tests.board.packets import FIRMWARE, firmware, image_of, packet
from tests.reference import encode

SIGNALS = {1: 9, 2: 14, 3: 1, 4: 10, 5: 3, 6: 12, 7: 13}
"""Doubled signals begin at 4 (transmit) and 6 (receive)."""

ZERO = {"receive": {}, "transmit": {"zero": 0}}


def other_image(name: str, seed: int) -> tuple[bytes, dict[tuple[str, int], int], list[int]]:
    """A firmware's image with other numbers, where its presets go, and its words."""
    numbers = {bank: random.Random(f"{bank}{seed}").sample(range(16), 16) for bank in "ab"}
    own = firmware(name)
    source = (FIRMWARE / f"{name}.uc").read_text(encoding="utf-8")
    moved = assemble(fixed_numbers(source, own, signals=SIGNALS, transfer_shift=7), name=name)
    for signal, found in own.signals.items():
        assert moved.signals[signal][0] == SIGNALS[found[0]]
    words = renumbered(moved.words, numbers)
    presets = {}
    for register, value in ZERO[name].items():
        (where,) = moved.registers[register]
        presets |= {(where.file, 16 * context + numbers[where.file][where.number]): value for context in range(8)}
    return image_of(words), presets, words


def own_image(name: str) -> tuple[bytes, dict[tuple[str, int], int], list[int]]:
    """A firmware as our assembler makes it."""
    program: Program = firmware(name)
    presets = {}
    for register, value in ZERO[name].items():
        (where,) = program.registers[register]
        presets |= {(where.file, 16 * context + where.number): value for context in range(8)}
    return image_of(program.words), presets, program.words


def run(
    receive: tuple[bytes, dict[tuple[str, int], int], list[int]],
    transmit: tuple[bytes, dict[tuple[str, int], int], list[int]],
) -> tuple[list[tuple[int, int, bytes]], list[Frame], list[dict[str, int]]]:
    """What the driver received and when, what left, and where the cycles went."""
    board = Board(ports=2, cold=True)
    for me in board.me:
        me.gpr_a[:] = me.gpr_b[:] = 0xDEAD_BEEF
    driver = Driver(board)
    driver.start(
        receive=receive[0],
        transmit=transmit[0],
        registers={"receive": receive[1], "transmit": transmit[1]},
        ports=2,
    )
    for port in range(2):
        board.feed(port, [packet(60 + 173 * index, port) for index in range(9)])
    outgoing = [(index % 2, packet(60 + 131 * index, 20)) for index in range(12)]
    times: list[tuple[int, int, bytes]] = []
    for index in range(400):
        if index % 20 == 0 and outgoing and driver.send(*outgoing[0]):
            outgoing.pop(0)
        before = len(driver.received)
        board.run(150)
        if driver.interrupted():
            driver.handle_interrupt()
        times += [(board.now, port, data) for port, data in driver.received[before:]]
    assert not outgoing and len(times) == 18
    return times, board.collect(), [me.cycles for me in board.me]


@pytest.mark.parametrize("seed", [1, 2])
def test_other_numbers_give_the_same_frames_in_the_same_cycles(seed: int) -> None:
    own = {name: own_image(name) for name in ("receive", "transmit")}
    other = {name: other_image(name, seed) for name in own}
    for name in own:
        assert len(own[name][2]) == len(other[name][2])
        # a transfer register's or a general register's number is in most words
        assert sum(one != two for one, two in zip(own[name][2], other[name][2], strict=True)) > len(own[name][2]) / 2
    expected = run(own["receive"], own["transmit"])
    assert run(other["receive"], other["transmit"]) == expected
    assert run(own["receive"], other["transmit"]) == expected
    assert len(expected[1]) == 12


NUMBERS = {"a": [3, *range(1, 3), 0, *range(4, 16)], "b": list(range(15, -1, -1))}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (encode.alu("+", 0x003, 0x000, 0x005), encode.alu("+", 0x000, 0x003, 0x00A)),
        (encode.alu("+", 0x003, 0x000, 0x005, bank=1), encode.alu("+", 0x00C, 0x003, 0x00A, bank=1)),
        (encode.alu("-", 0x0B3, encode.immediate(3), 0x085), encode.alu("-", 0x0B0, encode.immediate(3), 0x08A)),
        (encode.alu("B", encode.NULL, encode.transfer(3), encode.lm(0, 5)), None),
        (encode.alu_shf(5, 0x03, 0x00, 0x05, sc=1, amount=7), encode.alu_shf(5, 0x00, 0x03, 0x0A, sc=1, amount=7)),
        (encode.ld_field(5, 0x03, 0x05), encode.ld_field(5, 0x00, 0x0A)),
        (encode.immed(0x003, 0x1234), encode.immed(0x000, 0x1234)),
        (encode.br_bset(100, 0x03, 3), encode.br_bset(100, 0x00, 3)),
        (encode.jump(0x003, 40), encode.jump(0x000, 40)),
        (encode.csr_write(0x64, 0x003), encode.csr_write(0x64, 0x000)),
        (encode.csr_read(0x44), None),
        (encode.sram(0, a=0x03, b=0x05, xfer=3, signal=5), encode.sram(0, a=0x00, b=0x0A, xfer=3, signal=5)),
        (encode.cap_fast_write(0x4B20, 3), None),
        (encode.br(0x33), None),
        (encode.ctx_arb(3, 5), None),
        (encode.NOP, None),
    ],
)
def test_renumbering_of_a_word(word: int, expected: int | None) -> None:
    assert renumbered([word], NUMBERS) == [word if expected is None else expected]
