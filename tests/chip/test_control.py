"""What the host does to a microengine between two cycles: control store, CSRs, contexts, reset."""

from __future__ import annotations

import pytest

from ixp_emu.chip.chip import cycle_accounts
from ixp_emu.chip.codes import Fault
from ixp_emu.chip.control import (
    private_store,
    read_local_csr,
    reset_engine,
    set_context_enables,
    write_local_csr,
    write_word,
)
from ixp_emu.isa import decode
from ixp_emu.isa.csr import LOCAL_CSRS
from tests.chip.one_chip import OneChip, words_of

_FOUR = 1 << 31


def read(chip: OneChip, engine: int, name: str, now: int) -> int:
    return read_local_csr(chip.chip, engine, LOCAL_CSRS[name].address, now)


def write(chip: OneChip, engine: int, name: str, value: int, now: int) -> None:
    write_local_csr(chip.chip, engine, LOCAL_CSRS[name].address, value, now)


def install(chip: OneChip, engine: int, source: str, first: int = 0) -> None:
    """Write a program into an ME's control store, word by word."""
    for address, word in enumerate(words_of(source), first):
        write_word(chip.chip, engine, address, word)


def start(chip: OneChip, engine: int, contexts: int, now: int, *, pc: int = 0) -> None:
    """As a loader does: masks and PCs of the contexts, then their enable bits."""
    for context in range(8):
        if contexts >> context & 1:
            write(chip, engine, "CSR_CTX_POINTER", context, now)
            write(chip, engine, "INDIRECT_CTX_SIG_EVENTS", 1, now)
            write(chip, engine, "INDIRECT_CTX_WAKEUP_EVENTS", 1, now)
            write(chip, engine, "INDIRECT_CTX_STS", pc, now)
    set_context_enables(chip.chip, engine, contexts << 8, now)


@pytest.mark.parametrize("now", [0, 36, 37])
def test_a_cold_engine_starts_in_the_cycle_behind_the_write(now: int) -> None:
    chip = OneChip({})
    chip.run(now + 1)
    install(chip, 4, "local_csr_rd[PROFILE_COUNT]\nimmed[*l$index0, 0]\nctx_arb[kill]\n")
    assert read(chip, 4, "ACTIVE_CTX_STS", now) >> 31 == 0
    start(chip, 4, 1, now)
    assert read(chip, 4, "ACTIVE_CTX_STS", now) >> 31 == 1  # a host that waits for its end must not see it as over
    chip.run(now + 2)
    assert read(chip, 4, "ACTIVE_CTX_STS", now + 1) == 1 << 31 | 1 << 7
    chip.run(now + 50)
    assert chip.local_memory(4, 1) == [now + 1]
    account = cycle_accounts(chip.chip, now + 50)
    assert (int(account["executing"][4]), int(account["aborted"][4])) == (3, 2)
    assert sum(int(part[4]) for part in account.values()) == now + 50


def test_bit_31_of_ctx_sts_falls_in_the_cycle_in_which_the_engine_idles() -> None:
    """kill at 2, its shadow 3 and 4; nothing is found to choose in 5."""
    chip = OneChip({0: "nop\nnop\nctx_arb[kill]\n"})
    for until, running in ((1, 1), (3, 1), (5, 1), (6, 0), (9, 0)):
        chip.run(until)
        assert read(chip, 0, "ACTIVE_CTX_STS", until - 1) >> 31 == running


def test_contexts_are_enabled_and_disabled_while_the_engine_idles_or_runs() -> None:
    source = "again#:\nalu[*l$index0, *l$index0, +, 1]\nctx_arb[voluntary]\nbr[again#]\n"
    chip = OneChip({0: source}, contexts=0)
    chip.run(10)
    assert chip.local_memory(0, 1) == [0]
    set_context_enables(chip.chip, 0, 0x100, 9)
    chip.run(11)
    assert chip.local_memory(0, 1) == [1]
    set_context_enables(chip.chip, 0, 0, 10)
    chip.run(100)
    assert chip.local_memory(0, 1) == [1]  # it gave up the engine at 11 and was not chosen again
    set_context_enables(chip.chip, 0, 0x100, 99)
    chip.run(101)
    assert int(chip.chip["me"][0]["executing"]) == 3  # alu, ctx_arb, br


def test_a_word_written_while_the_engine_runs_is_its_next_instruction() -> None:
    loop = "again#:\nnop\nbr[again#]\n"
    chip = OneChip({0: loop, 1: loop})
    assert chip.chip["me"]["store"][0] == chip.chip["me"]["store"][1]
    chip.run(30)
    write_word(chip.chip, 1, 0, words_of("halt\n")[0])
    assert chip.chip["me"]["store"][0] != chip.chip["me"]["store"][1]
    record = chip.run(60)
    # nop at 0, 4, 8 .. 28, the loop takes 4 cycles
    assert (int(record["fault"]), int(record["fault_time"]), int(record["fault_me"])) == (Fault.HALT, 32, 1)
    assert int(record["ustore"][record["me"]["store"][1], 0]) == words_of("halt\n")[0]


@pytest.mark.parametrize("valid", [True, False])
def test_words_never_written_or_written_as_invalid_are_invalid(*, valid: bool) -> None:
    chip = OneChip({})
    chip.run(1)
    write_word(chip.chip, 2, 0, words_of("nop\n")[0])
    write_word(chip.chip, 2, 1, words_of("nop\n")[0], valid=valid)
    start(chip, 2, 1, 0)
    record = chip.run(50)
    expected = (Fault.INVALID_WORD, 3 if valid else 2, 2 if valid else 1)
    assert (int(record["fault"]), int(record["fault_time"]), int(record["fault_pc"])) == expected


def test_a_private_store_is_copied_once() -> None:
    chip = OneChip({0: "nop\nctx_arb[kill]\n", 3: "nop\nctx_arb[kill]\n"})
    shared = int(chip.chip["me"]["store"][0])
    own = private_store(chip.chip, 3)
    assert own != shared
    assert private_store(chip.chip, 3) == own
    assert private_store(chip.chip, 0) == shared
    assert chip.chip["ustore"][own].tolist() == chip.chip["ustore"][shared].tolist()
    assert int(chip.run(20)["fault"]) == 0


def test_the_host_s_change_of_mode_decodes_the_program_anew() -> None:
    """The word names register 20, which 8 contexts do not have."""
    words = words_of(".num_contexts 4\n.areg x 20\nalu[x, --, B, 9]\nctx_arb[kill]\n")
    for value, fault in ((0x100, Fault.INVALID_WORD), (_FOUR | 0x100, Fault.NONE)):
        chip = OneChip({0: "".join(f".word {word:#x}\n" for word in words)}, contexts=0)
        chip.run(5)
        set_context_enables(chip.chip, 0, value, 4)
        assert int(chip.run(50)["fault"]) == fault
        assert read(chip, 0, "CTX_ENABLES", 49) == value


def test_reset_stops_an_engine_and_keeps_its_registers_and_store() -> None:
    source = (
        ".reg x\n.sig s\n.addr s 3\nimmed[x, 7]\nlocal_csr_wr[ACTIVE_FUTURE_COUNT_SIGNAL, 3]\n"
        "local_csr_wr[ACTIVE_CTX_FUTURE_COUNT, 5]\nlocal_csr_wr[CC_ENABLE, 9]\nalu[*l$index0++, --, B, x]\nctx_arb[s]\n"
    )
    chip = OneChip({0: source}, contexts=3)
    chip.run(40)
    reset_engine(chip.chip, 0)
    me = chip.chip["me"][0]
    free = int(chip.chip["pool_top"])
    for csr in LOCAL_CSRS.values():
        if csr.name not in ("TIMESTAMP_LOW", "PROFILE_COUNT", "PSEUDO_RANDOM_NUMBER", "ALU_OUT", "ACTIVE_CTX_STS"):
            assert read_local_csr(chip.chip, 0, csr.address, 39) == 0, csr.name
    assert read(chip, 0, "PSEUDO_RANDOM_NUMBER", 39) == 1
    chip.run(200)
    assert not me["signals"].any()  # the timers of before are gone
    assert int(chip.chip["pool_top"]) == free + 2
    account = cycle_accounts(chip.chip, 200)
    assert sum(int(part[0]) for part in account.values()) == 200
    assert chip.local_memory(0, 1) == [7]
    start(chip, 0, 1, 199)
    chip.run(203)
    assert int(me["executing"]) == 6 + 6 + 3
    assert decode(int(chip.chip["ustore"][me["store"], 0])).operation.name == "immed"


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("ACTIVE_LM_ADDR_0", 0xFFFFFFFF, 0xFFC),
        ("T_INDEX", 0xFFFFFFFF, 0x1FC),
        ("BYTE_INDEX", 0xFFFFFFFF, 3),
        ("NN_PUT", 0xFFFFFFFF, 127),
        ("NN_GET", 0xFFFFFFFF, 127),
        ("CC_ENABLE", 0x2000, 0x2000),
        ("CRC_REMAINDER", 0xFFFFFFFF, 0xFFFFFFFF),
        ("TIMESTAMP_LOW", 77, 0),
        ("LOCAL_CSR_STATUS", 1, 0),
    ],
)
def test_what_the_host_writes_holds_at_once(name: str, value: int, kept: int) -> None:
    chip = OneChip({})
    chip.run(3)
    write(chip, 0, name, value, 2)
    assert read(chip, 0, name, 2) == kept


def test_an_index_written_by_the_host_holds_in_the_next_cycle() -> None:
    """Unlike one written by an instruction, which is still on its way and lands after it."""
    body = "local_csr_wr[ACTIVE_LM_ADDR_0, 0x40]\nnop\n" + "immed[*l$index0, 1]\n" * 4 + "ctx_arb[kill]\n"
    chip = OneChip({0: body})
    chip.run(2)
    write(chip, 0, "ACTIVE_LM_ADDR_0", 0x20, 1)
    chip.run(50)
    # cycles 2 and 3 use the host's value, from 4 on the instruction's
    words = chip.local_memory(0, 20)
    assert [at for at, word in enumerate(words) if word] == [8, 16]


def test_a_host_write_makes_a_waiting_context_ready_for_the_next_cycle() -> None:
    source = ".sig s\n.addr s 3\nctx_arb[s]\nlocal_csr_rd[PROFILE_COUNT]\nimmed[*l$index0, 0]\nctx_arb[kill]\n"
    for name, value in (("SAME_ME_SIGNAL", 3 << 3), ("INDIRECT_CTX_SIG_EVENTS", 8), ("ACTIVE_CTX_WAKEUP_EVENTS", 1)):
        chip = OneChip({0: source})
        chip.run(51)
        write(chip, 0, name, value, 50)
        chip.run(100)
        assert chip.local_memory(0, 1) == [51], name


def test_the_timestamp_starts_when_the_host_says() -> None:
    chip = OneChip({})
    chip.chip["timestamp_start"] = 1 << 62
    chip.run(100)
    assert read(chip, 0, "TIMESTAMP_LOW", 99) == 0
    chip.chip["timestamp_start"] = 99
    for until, ticks in ((115, 0), (116, 1), (99 + 160, 9), (99 + 161, 10)):
        chip.run(until)
        assert read(chip, 0, "TIMESTAMP_LOW", until - 1) == ticks
