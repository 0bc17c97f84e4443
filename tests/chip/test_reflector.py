"""Reflector: transfer registers of another ME, read and written; where data and signals go, and in which cycle."""

from __future__ import annotations

import pytest

from ixp_emu.chip.codes import Fault
from ixp_emu.chip.layout import SRAM_IN, SRAM_OUT
from tests.chip.command_path import STAMP, Path, load, program
from tests.chip.one_chip import OneChip

_ME_IDS = {0: 0x00, 3: 0x03, 4: 0x10, 5: 0x11, 7: 0x13}
_SIGNAL = 9
_FIXED = f".addr s {_SIGNAL}\n"


def delivery(path: Path, issue: int, words: int) -> int:
    """Cycle of data and signals of a reflector command; reads and writes pull and push alike."""
    hardware = path.hardware
    service = path.pulled(path.arrival(issue), words)
    return path.pushed(service + hardware["scratch.longword_cycles"] + hardware["scratch.controller_delay"], words)


@pytest.mark.parametrize("words", [1, 3])
@pytest.mark.parametrize(("remote", "buses"), [(3, (0, 0)), (5, (0, 1)), (0, (0, 0))])
@pytest.mark.parametrize("name", ["write", "read"])
def test_data_moves_between_the_registers_named(name: str, remote: int, buses: tuple[int, int], words: int) -> None:
    """Initiator ME 0 context 0, remote context 2: register 5 there is register 37 of the file."""
    lines = [f"cap[{name}, $x0, 5, {_ME_IDS[remote]}, 2, {words}], sig_initiator, sig_done[s]", "ctx_arb[s]", *STAMP]
    chip = OneChip({0: program(lines)})
    file, local = chip.chip["me"][remote]["file"], chip.chip["me"][0]["file"]
    values = [0x1000 + word for word in range(words)]
    source = local[SRAM_OUT:] if name == "write" else file[SRAM_OUT + 37 :]
    source[:words] = values
    record = chip.run(1_000)
    assert int(record["fault"]) == Fault.NONE
    target = file[SRAM_IN + 37 :] if name == "write" else local[SRAM_IN:]
    assert [int(word) for word in target[: words + 1]] == [*values, 0]
    assert chip.local_memory(0, 1) == [delivery(Path(chip.hardware), 0, words)]
    pull, push = buses if name == "write" else buses[::-1]
    for kind, bus in (("pull", pull), ("push", push)):
        assert [int(count) for count in record[f"{kind}_grants"]] == [int(bus == number) for number in range(3)]
    assert (int(record["references"][0]), int(record["longwords"][0])) == (1, words)


def test_remote_registers_wrap_in_their_file() -> None:
    """Register 30 of context 7 is register 142 of 128: the 14th, and three more."""
    lines = [f"cap[write, $x0, 30, {_ME_IDS[4]}, 7, 4], sig_initiator, sig_done[s]"]
    chip = OneChip({0: program(lines)})
    chip.chip["me"][0]["file"][SRAM_OUT : SRAM_OUT + 4] = [1, 2, 3, 4]
    chip.run(1_000)
    registers = chip.chip["me"][4]["file"][SRAM_IN : SRAM_IN + 128]
    assert {index: int(value) for index, value in enumerate(registers) if value} == {14: 1, 15: 2, 16: 3, 17: 4}


@pytest.mark.parametrize("name", ["write", "read"])
@pytest.mark.parametrize(("form", "initiator", "remote"), [("initiator", 1, 0), ("remote", 0, 1), ("both", 1, 1)])
def test_the_signal_goes_to_whom_the_command_names(name: str, form: str, initiator: int, remote: int) -> None:
    """Set in the cycle of the delivery, and its latency counted once."""
    lines = [f"cap[{name}, $x0, 0, {_ME_IDS[5]}, 3, 1], sig_{form}, sig_done[s]"]
    chip = OneChip({0: program(lines, declare=_FIXED)})
    time = delivery(Path(chip.hardware), 0, 1)
    mask = 1 << _SIGNAL

    def signals() -> tuple[int, int]:
        me = chip.chip["me"]
        return int(me["signals"][0, 0] & mask), int(me["signals"][5, 3] & mask)

    chip.run(time)
    assert signals() == (0, 0)
    record = chip.run(time + 1)
    assert signals() == (initiator * mask, remote * mask)
    assert (int(record["signalled"][0]), int(record["latency"][0])) == (1, time)


def test_a_waiting_remote_context_wakes_with_the_data() -> None:
    sender = program(["nop"] * 7 + [f"cap[write, $x0, 0, {_ME_IDS[7]}, 0, 1], sig_remote, sig_done[s]"], declare=_FIXED)
    receiver = program(["ctx_arb[s]", *STAMP, "alu[*l$index0++, --, B, $x0]"], declare=_FIXED + ".set_sig s\n")
    chip = OneChip({0: sender, 7: receiver})
    chip.chip["me"][0]["file"][SRAM_OUT] = 0x77
    chip.run(1_000)
    assert chip.local_memory(7, 2) == [delivery(Path(chip.hardware), 7, 1), 0x77]


@pytest.mark.parametrize("pad", range(6))
def test_a_read_sees_what_the_remote_engine_has_written_by_then(pad: int) -> None:
    """The remote ME writes the cycle into its register as fast as it can, and is far ahead when the command issues."""
    writer = (
        ".reg $x\n.set $x\nagain#:\n"
        + "local_csr_rd[PROFILE_COUNT]\nimmed[$x, 0]\n" * 20
        + "br[again#], defer[2]\nlocal_csr_rd[PROFILE_COUNT]\nimmed[$x, 0]\n"
    )
    lines = ["nop"] * (40 + pad) + [f"cap[read, $x0, 0, {_ME_IDS[5]}, 0, 1], sig_initiator, ctx_swap[s]"]
    chip = OneChip({0: program([*lines, "alu[*l$index0++, --, B, $x0]"]), 5: writer})
    chip.run(1_000)
    path = Path(chip.hardware)
    granted = path.edge(path.arrival(40 + pad))
    # per round of 43 cycles: a stamp at 0, 2, .. 38, the branch at 40, a stamp at 41; written one cycle later
    rounds, at = divmod(granted - 2, 43)  # a write in cycle t is sampled from t + 1 on
    newest = at - at % 2 if at < 40 else (38 if at < 41 else 41)
    assert chip.local_memory(0, 1) == [rounds * 43 + newest]


@pytest.mark.parametrize("pad", range(4))
def test_a_write_is_seen_by_the_first_instruction_after_it(pad: int) -> None:
    """The remote ME polls its register; it runs no further than what it may know."""
    sender = program(["nop"] * pad + [f"cap[write, $x0, 0, {_ME_IDS[3]}, 0, 1], sig_initiator, sig_done[s]"])
    poll = ["alu[*l$index0++, --, B, $x0]"] * 300
    chip = OneChip({0: sender, 3: program(poll)})
    chip.chip["me"][0]["file"][SRAM_OUT] = 1
    chip.run(1_000)
    assert chip.local_memory(3, 300).index(1) == delivery(Path(chip.hardware), pad, 1)


@pytest.mark.parametrize("identity", [0x04, 0x0F, 0x14, 0x1F])
def test_a_remote_engine_that_does_not_exist_is_a_fault_at_issue(identity: int) -> None:
    chip = OneChip({0: program(["nop", f"cap[read, $x0, 0, {identity}, 0, 1], sig_initiator, sig_done[s]"])})
    record = chip.run(1_000)
    assert (int(record["fault"]), int(record["fault_time"])) == (Fault.ACCESS_OUTSIDE, 1)
    assert int(record["references"][0]) == 0


def test_marks_of_transfer_registers_come_and_go() -> None:
    """One mark stays on every SRAM transfer register of a chip with a reflector program, none on another's."""
    lines = [f"cap[{name}, $x0, 0, {_ME_IDS[5]}, 0, 8], sig_both, ctx_swap[s]" for name in ("write", "read")]
    chip = OneChip({0: program([*lines, *load("a", 0)])})
    chip.run(2_000)
    busy = chip.chip["me"]["busy"]
    for first in (SRAM_IN, SRAM_OUT):
        assert (busy[:, first : first + 128] == 1).all()
    assert int(busy.sum()) == 8 * 256
    assert int(OneChip({0: program(["nop"])}).chip["me"]["busy"].sum()) == 0
