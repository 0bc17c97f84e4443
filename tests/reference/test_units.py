"""Cycle numbers of commands in the reference model, derived by hand from docs/hardware-model.md and the parameters."""

from __future__ import annotations

from typing import Any

import pytest

from ixp_emu.chip.hardware import Hardware, resolve_hardware

from . import ReferenceChip
from .commands import Command
from .encode import (
    HALT,
    KILL,
    NOP,
    NULL,
    alu,
    br,
    cap_fast_write,
    ctx_arb,
    dram,
    hash_unit,
    immed,
    immediate,
    msf,
    scratch,
    sram,
    transfer,
)
from .scratch import hash_key

READ, WRITE, SET, ADD = 0, 1, 3, 5
TEST = 1  # token: test_and_


def hardware(**overrides: int) -> Hardware:
    return resolve_hardware(overrides={name.replace("__", ".", 1): value for name, value in overrides.items()})


def chip_with(*programs: list[int], machine: Hardware | None = None, **arguments: Any) -> ReferenceChip:
    """Program n on ME n, one context each."""
    chip = ReferenceChip(machine or hardware(), **arguments)
    for me, words in enumerate(programs):
        chip.load(me, words, contexts=1)
    return chip


def finish(chip: ReferenceChip, cycles: int = 2_000) -> ReferenceChip:
    chip.run(cycles)
    assert chip.fault is None, chip.fault
    return chip


# ---------------------------------------------------------------- idle latencies

_TARGETS = {"scratch": scratch, "sram": sram, "msf": msf}
_UNITS = {"scratch": "scratch", "sram": "sram0", "msf": "msf"}


@pytest.mark.parametrize("target", _TARGETS)
@pytest.mark.parametrize("odd", [0, 1])
def test_idle_read_takes_the_chosen_latency_and_one_less_from_an_odd_cycle(target: str, odd: int) -> None:
    chip = chip_with([*[NOP] * odd, _TARGETS[target](READ, signal=1, wait=1), KILL])
    finish(chip)
    assert chip.units[_UNITS[target]].counters.latencies == [hardware()[target + ".idle_latency"] - odd]


@pytest.mark.parametrize("odd", [0, 1])
def test_context_issues_in_the_cycle_of_its_signal(odd: int) -> None:
    chip = chip_with([*[NOP] * odd, scratch(READ, signal=1, wait=1), HALT])
    chip.run(100)
    assert chip.fault is not None and (chip.fault.kind, chip.fault.time) == ("halt", 60)


@pytest.mark.parametrize("target", _TARGETS)
def test_idle_write_takes_one_chassis_clock_more_than_a_read(target: str) -> None:
    # Its pull request joins in phase 1 of the arrival, an even cycle, and is granted at the next edge.
    chip = chip_with([_TARGETS[target](WRITE, signal=1), KILL])
    finish(chip)
    assert chip.units[_UNITS[target]].counters.latencies == [hardware()[target + ".idle_latency"] + 2]


def test_idle_dram_read_of_a_closed_row_adds_the_activation() -> None:
    chip = chip_with([dram(READ, signal=2), KILL])
    finish(chip)
    h = hardware()
    assert chip.units["dram"].counters.latencies == [h["dram.idle_latency"] + h["dram.activate"]]
    assert chip.me[0].contexts[0].signals == 0b1100


@pytest.mark.parametrize(("second", "extra"), [(8, 0), (2_048 * 4, 12 + 12)])
def test_dram_row_hit_and_row_conflict(second: int, extra: int) -> None:
    # The second read issues at 500 (even), long after the first; hit: no activation; conflict: precharge and activate.
    words = [dram(READ, signal=2), immed(1, second), *[NOP] * 498, dram(READ, signal=4, a=1), KILL]
    chip = finish(chip_with(words))
    assert chip.units["dram"].counters.latencies[1] == hardware()["dram.idle_latency"] + extra


@pytest.mark.parametrize("n", [1, 4, 8])
def test_further_longwords(n: int) -> None:
    h = hardware()
    chip = finish(chip_with([scratch(READ, count=n, signal=1), KILL]))
    assert chip.units["scratch"].counters.latencies == [60 + (n - 1) * h["sbus.longword_cycles"]]
    chip = finish(chip_with([sram(READ, count=n, signal=1), KILL]))
    # The request time grows by (n-1)(L - X) and, from an even service, waits for an even cycle; then n X on the bus.
    service = 2 + h["command.bus_latency"] + h["command.decode"]
    request = service + n * h["sram.longword_cycles"] - (n - 1) * h["sbus.longword_cycles"] + h["sram.controller_delay"]
    grant = request + request % 2
    assert chip.units["sram0"].counters.latencies == [grant + n * h["sbus.longword_cycles"] + h["push.latency"]]


# ---------------------------------------------------------------- command bus and FIFOs


def test_second_me_of_a_cluster_is_granted_one_chassis_clock_later() -> None:
    program = [scratch(READ, signal=1), KILL]
    chip = finish(chip_with(program, program))
    assert chip.units["scratch"].counters.latencies == [60, 62]
    assert chip.me[1].contexts[0].signals == 0b10


def test_mes_of_two_clusters_are_granted_at_the_same_edge() -> None:
    chip = ReferenceChip(hardware())
    program = [scratch(READ, signal=1), KILL]
    for me in (4, 0):
        chip.load(me, program, contexts=1)
    chip.run(3)
    assert [(c.me.number, c.arrival) for c in chip.units["scratch"].inlet] == [(0, 14), (4, 14)]
    finish(chip)
    # One service per scratch.command_cycles; each cluster has its own push bus.
    assert chip.units["scratch"].counters.latencies == [60, 62]


def test_round_robin_begins_after_the_last_granted_me() -> None:
    # ME 0 has two commands, ME 1 one: granted 0, 1, 0.
    chip = chip_with([scratch(READ, signal=1), scratch(READ, signal=2), KILL], [scratch(READ, signal=1), KILL])
    chip.run(7)
    assert [c.me.number for c in chip.units["scratch"].inlet] == [0, 1, 0]
    assert [c.arrival for c in chip.units["scratch"].inlet] == [14, 16, 18]


def test_full_inlet_holds_back_the_head_of_the_fifo() -> None:
    # Inlet depth 1: the second command is granted after the first was served (at 14, phase 1): same edge, phase 2.
    chip = chip_with([scratch(READ, signal=1), scratch(READ, signal=2), KILL], machine=hardware(scratch__inlet_depth=1))
    finish(chip)
    assert chip.units["scratch"].counters.latencies == [60, 14 + 12 + 46 - 1]


def test_access_at_and_beyond_the_end_of_a_memory() -> None:
    size = hardware()["scratch.size_bytes"]
    for address, fault in ((size - 8, False), (size - 4, True)):
        chip = chip_with([immed(1, address), scratch(READ, count=2, signal=1, a=1), KILL])
        chip.run(100)
        assert (chip.fault is not None) == fault
        if chip.fault is not None:
            # Issued at 1, granted at 2, served at its arrival.
            assert (chip.fault.kind, chip.fault.time, chip.fault.me, chip.fault.pc) == ("outside memory", 14, 0, 1)


def test_sram_address_bit_30_selects_the_channel() -> None:
    words = [
        immed(1, 0x4000, position=2, kind=2),
        alu("B", transfer(0), 0, immediate(7)),
        sram(WRITE, 8, a=1, signal=1, b=0x28),
    ]
    chip = finish(chip_with([*words, KILL]))
    assert chip.sram[1].read_words(8, 1) == [7]
    assert chip.units["sram0"].counters.references == 0


# ---------------------------------------------------------------- scratch: atomics, rings, hash, CAP


def test_test_and_add_returns_the_old_value_and_signals_twice() -> None:
    chip = chip_with([alu("B", transfer(0), 0, immediate(5)), scratch(ADD, 4, token=TEST, signal=2), KILL])
    chip.scratch.write_words(4, [100])
    # Issued at 1, arrives at 14, pull granted at 16, operand there at 16 + 2 + 6 = 24.
    chip.run(24)
    assert chip.me[0].contexts[0].signals == 0
    chip.run(25)
    assert chip.me[0].contexts[0].signals == 1 << 3
    # Served at 24: reply like a read served at 14, ten cycles later.
    chip.run(24 + 46)
    assert chip.me[0].contexts[0].signals == 1 << 3
    chip.run(24 + 46 + 1)
    assert chip.me[0].contexts[0].signals == 0b1100
    assert chip.scratch.read_words(4, 1) == [105] and chip.me[0].sram_in[0] == 100
    assert chip.units["scratch"].counters.latencies == [24 + 46 - 1]


def test_set_returns_nothing_and_has_one_signal() -> None:
    chip = chip_with([alu("B", transfer(0), 0, immediate(3)), scratch(SET, 0, signal=3), KILL])
    chip.scratch.write_words(0, [4])
    finish(chip)
    assert chip.scratch.read_words(0, 1) == [7]
    assert chip.me[0].contexts[0].signals == 1 << 3 and chip.me[0].sram_in[0] == 0


def test_get_with_too_few_entries_pushes_one_zero() -> None:
    chip = chip_with([scratch(9, 3 << 2, count=3, xfer=1, signal=1), KILL])
    chip.configure_ring(3, base=512, size=128, contents=[11, 12])
    chip.me[0].sram_in[1:4] = [9, 9, 9]
    finish(chip)
    assert chip.me[0].sram_in[1:4] == [0, 9, 9]
    assert chip.units["scratch"].counters.longwords == 1


def test_get_takes_the_oldest_and_wraps() -> None:
    get = scratch(9, 0, count=8, signal=1, wait=1)
    put = scratch(10, 0, count=8, signal=1, wait=1)
    writes = [alu("B", transfer(i), 0, immediate(200 + i)) for i in range(8)]
    chip = chip_with([get, *writes, put, KILL])
    chip.configure_ring(0, base=0, size=128, contents=list(range(128)))
    finish(chip)
    assert chip.me[0].sram_in[:8] == list(range(8))
    assert chip.scratch.read_words(0, 9) == [*range(200, 208), 8]


@pytest.mark.parametrize(("count", "fault"), [(127, False), (128, True)])
def test_put_beyond_the_size_is_a_fault(count: int, fault: bool) -> None:
    chip = chip_with([scratch(10, 0, signal=1), KILL])
    chip.configure_ring(0, base=0, size=128, contents=[0] * count)
    chip.run(100)
    assert (chip.fault is not None and chip.fault.kind == "ring overflow") == fault


@pytest.mark.parametrize("lag", [1, 2])
def test_ring_flag_shows_after_its_lag(lag: int) -> None:
    # 96 entries of 128 with margin 32 are not near full; the put makes 97. It is issued at 0, arrives at 14, pulled at 16,
    # served at 24; the flag shows at 24 + lag. Each test takes one cycle while not taken.
    tests = [br(60, condition=20, parameter=2, stage=2)] * 40
    chip = chip_with(
        [scratch(10, 0, signal=1), *tests, *[NOP] * 19, HALT], machine=hardware(scratch__ring_flag_lag=lag)
    )
    chip.configure_ring(0, base=0, size=128, contents=[0] * 96)
    chip.run(100)
    assert chip.fault is not None
    assert (chip.fault.kind, chip.fault.time) == ("halt", 24 + lag + 1 + 2)


def test_empty_flag() -> None:
    words = [br(4, condition=21, parameter=2, stage=2), scratch(9, 0, signal=1), NOP, NOP, KILL]
    chip = chip_with(words)
    chip.configure_ring(0, base=0, size=128, flag_empty=True)
    chip.run(2)
    assert chip.me[0].contexts[0].pc == 2, "the flag says empty, so br_!inp_state is not taken"


def test_hash_follows_the_scratch_path_with_its_latency_added() -> None:
    h = hardware()
    chip = chip_with([hash_unit(0, 1, signal=1), KILL])
    chip.hash_multipliers = {48: [3, 0], 64: [0, 0], 128: [0] * 4}
    chip.me[0].sram_out[0:2] = [0xFFFFFFFF, 0xFFFF]
    finish(chip)
    # Pull of 2 longwords granted at 16, there at 26; reply requested latency + delay later; 2 longwords pushed.
    expected = 26 + h["hash.latency_48"] + h["scratch.controller_delay"] + 2 * 2 + h["push.latency"]
    assert chip.scratch_unit.hash_counters.latencies == [expected]
    # (x + 1) * all ones = x^48 + 1, and x^48 = x36 + x25 + x10 + 1 modulo the generator.
    assert chip.me[0].sram_in[0:2] == [1 << 25 | 1 << 10, 1 << 4]


def test_hash_generators() -> None:
    assert hash_key(64, 1 << 63, 2) == 1 << 54 | 1 << 35 | 1 << 17 | 1
    assert hash_key(128, 1 << 127, 2) == 1 << 98 | 1 << 69 | 1 << 33 | 1
    assert hash_key(48, 5, 3) == 0b1111


def test_interthread_signal() -> None:
    chip = ReferenceChip(hardware())
    # ME id 0x10 is number 4: context 1, signal 5 = 0x10 << 7 | 1 << 4 | 5.
    address = chip.scratch_unit.cap_addresses["INTERTHREAD_SIG"]
    chip.load(0, [cap_fast_write(address, 0x10 << 7 | 1 << 4 | 5), cap_fast_write(0x4B20, 0), KILL], contexts=0b1)
    chip.load(4, [KILL])
    # Granted at 2, served at 14; the signal is set in phase 0 of 14 + cap.signal_latency.
    chip.run(14 + hardware()["cap.signal_latency"])
    assert chip.me[4].contexts[1].signals == 0
    chip.step()
    assert chip.me[4].contexts[1].signals == 1 << 5
    assert chip.scratch_unit.raw_status == {"A": [1, 0], "B": [0, 0]}


# ---------------------------------------------------------------- SRAM and buses


def test_sram_reads_and_writes_do_not_share_their_data_path() -> None:
    # Reads of 8: served at 14 and 38; between them a write is behind the second read (in order).
    chip = chip_with([sram(READ, 0, count=8, xfer=0, signal=1), sram(READ, 32, count=8, xfer=8, signal=2), KILL])
    chip.run(15)
    assert chip.sram_units[0].reads_free == 14 + 8 * 3
    chip.run(39)
    assert chip.sram_units[0].reads_free == 38 + 8 * 3
    finish(chip)
    assert (chip.sram_units[0].busy_read, chip.sram_units[0].busy_write) == (48, 0)


def test_push_bus_serves_masters_in_turn() -> None:
    # Scratch and both SRAM channels of one cluster: all grants take 2 cycles, no longword is lost.
    words = [scratch(READ, 0, count=8, signal=1), sram(READ, 0, count=8, xfer=8, signal=2), KILL]
    chip = chip_with(words)
    chip.scratch.write_words(0, list(range(8)))
    chip.sram[0].write_words(0, list(range(8, 16)))
    finish(chip)
    assert chip.me[0].sram_in[:16] == list(range(16))
    assert (chip.buses["S_push0"].grants, chip.buses["S_push0"].busy) == (2, 32)


def test_transfer_out_is_sampled_at_the_pull_grant() -> None:
    # Write issued at 0: pull granted in phase 0 of 16. A register written at 15 is seen, at 16 it is not.
    for at, seen in ((15, 77), (16, 1)):
        words = [scratch(WRITE, signal=1), *[NOP] * (at - 1), alu("B", transfer(0), 0, immediate(77)), KILL]
        chip = chip_with(words)
        chip.me[0].sram_out[0] = 1
        finish(chip)
        assert chip.scratch.read_words(0, 1) == [seen]


# ---------------------------------------------------------------- DRAM


def test_dram_write_waits_for_its_data_and_honours_the_byte_mask() -> None:
    h = hardware()
    # indirect_ref word: byte mask override (bit 20), mask 0b1000_0001: first and last byte of the quadword.
    assert 1 << 20 | 0b1000_0001 << 12 == 0x18 << 16 | 0x1000
    words = [immed(1, 0x18, position=2, kind=2), immed(1, 0x1000, kind=2), alu("B", NULL, 1, NULL, swap=1)]
    chip = chip_with([*words, dram(WRITE, 0, indirect=1, signal=2), KILL])
    chip.me[0].dram_out[0:2] = [0xAABBCCDD, 0x11223344]
    finish(chip)
    assert chip.dram.read_words(0, 2) == [0xAA000000, 0x00000044]
    # Issued at 3, granted at 4, arrives at 16, pull granted at 18, data there at 18 + 4 + 6 = 28.
    end = 28 + h["dram.activate"] + h["dram.cas"] + h["dram.quadword_cycles"]
    assert chip.units["dram"].counters.latencies == [end + h["dram.controller_delay"] - 3]


def test_refresh_closes_rows_and_holds_the_controller() -> None:
    h = hardware(dram__refresh_interval=500, dram__refresh_cycles=45)
    # The second read arrives at exactly 500: refresh starts at 500, banks are free at the edge 546.
    words = [dram(READ, signal=2), *[NOP] * 485, dram(READ, signal=4), KILL]
    chip = finish(chip_with(words, machine=h), 900)
    issue = 486
    assert chip.dram_unit.refreshes == 1
    start = 546 + h["dram.activate"] + h["dram.cas"]
    request = start + h["dram.quadword_cycles"] + h["dram.controller_delay"]
    expected = request + h["dbus.quadword_cycles"] + h["push.latency"]
    assert chip.units["dram"].counters.latencies[1] == expected - issue


def test_a_bank_is_skipped_at_most_twice_to_avoid_a_turnaround() -> None:
    chip = ReferenceChip(hardware())
    unit = chip.dram_unit

    def offer(bank: int, op: str, transfer_number: int) -> None:
        command = Command(
            me=chip.me[0], context=0, pc=0, unit="dram", op=op, address=bank * 128, count=1, transfer_kind="dram",
            transfer=transfer_number, issued=0, pulls=op == "write", returns_data=op == "read", data=[0, 0], data_time=0, arrival=0,
        )  # fmt: skip
        unit.banks[bank].queue.append(command)

    for bank in (1, 2, 3):
        unit.banks[bank].open_row = 0
    unit._last_writes = False
    offer(0, "write", 0)
    for bank in (1, 2, 3):
        for _ in range(3):
            offer(bank, "read", bank)
    order = []
    while any(bank.queue for bank in unit.banks):
        before = [len(bank.queue) for bank in unit.banks]
        chip.step()
        order += [n for n in range(4) if len(unit.banks[n].queue) < before[n]]
    # Bank 0 is closed: its activation hides the turnaround, so it is eligible (an open row would not be while reads flow:
    # bus free + 8 > T + cas). It comes first in turn, needs a turnaround, and is skipped for 1; then 2 and 3 come before it in turn; at its next
    # turn it is skipped once more, for 1; the third time it is taken, though reads wait.
    assert order == [1, 2, 3, 1, 2, 3, 0, 1, 2, 3]


# ---------------------------------------------------------------- faults of the model's own limits


@pytest.mark.parametrize("word", [sram(9, 0), sram(13, 0), 0x3400000300, 0x3E00000300])
def test_what_is_not_modelled_is_a_fault(word: int) -> None:
    chip = chip_with([word])
    chip.run(1)
    assert chip.fault is not None and chip.fault.kind == "not modelled"


def test_waiting_for_both_halves_of_a_dram_signal() -> None:
    chip = chip_with([dram(READ, signal=2), ctx_arb(2, 3), HALT])
    chip.run(500)
    assert chip.fault is not None and chip.fault.time == 132
