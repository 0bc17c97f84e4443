"""Cycle numbers of commands in the reference model, derived by hand from docs/hardware-model.md and the parameters."""

from __future__ import annotations

from typing import Any

import pytest

from ixp_emu.chip.hardware import Hardware, resolve_hardware

from . import ReferenceChip
from .buses import Bus
from .commands import Command
from .dram import Dram
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
def test_idle_write_takes_as_long_as_a_read(target: str) -> None:
    chip = chip_with([_TARGETS[target](WRITE, signal=1), KILL])
    finish(chip)
    assert chip.units[_UNITS[target]].counters.latencies == [hardware()[target + ".idle_latency"]]


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


@pytest.mark.parametrize("bus", [2, 3, 4])
@pytest.mark.parametrize("n", [1, 4, 8])
def test_further_longwords(n: int, bus: int) -> None:
    h = hardware(sbus__longword_cycles=bus)
    service = 2 + h["command.bus_latency"] + h["command.decode"]
    chip = finish(chip_with([scratch(READ, count=n, signal=1), KILL], machine=h))
    request = service + h["scratch.longword_cycles"] + h["scratch.controller_delay"]
    assert chip.units["scratch"].counters.latencies == [request + request % 2 + n * bus + h["push.latency"]]
    chip = finish(chip_with([sram(READ, count=n, signal=1), KILL], machine=h))
    # The request time grows by (n-1)(L - X), if that is more than nothing, and, from an even service, waits for an even
    # cycle; then n X on the bus.
    early = max(n * h["sram.longword_cycles"] - (n - 1) * bus, h["sram.longword_cycles"])
    request = service + early + h["sram.controller_delay"]
    grant = request + request % 2
    assert chip.units["sram0"].counters.latencies == [grant + n * h["sbus.longword_cycles"] + h["push.latency"]]


@pytest.mark.parametrize("target", _TARGETS)
def test_a_write_completes_on_its_last_longword(target: str) -> None:
    # Arrives at 14, pull granted at 14, 8 longwords take 16 cycles, there at 36.
    h = hardware()
    chip = finish(chip_with([_TARGETS[target](WRITE, count=8, signal=1), KILL]))
    service = 8 * h[target + ".longword_cycles"]
    assert chip.units[_UNITS[target]].counters.latencies == [36 + service + h[target + ".controller_delay"]]


def test_dram_read_is_pushed_from_its_first_quadword_on() -> None:
    h = hardware()
    chip = finish(chip_with([dram(READ, count=8, signal=2), KILL]))
    expected = h["dram.idle_latency"] + h["dram.activate"] + 7 * h["dbus.quadword_cycles"]
    assert chip.units["dram"].counters.latencies == [expected]


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


@pytest.mark.parametrize("fifo_latency", [1, 2, 3, 4])
@pytest.mark.parametrize("issue", [0, 1])
def test_grant_is_at_the_first_edge_after_the_fifo_latency(fifo_latency: int, issue: int) -> None:
    chip = chip_with([*[NOP] * issue, scratch(READ), KILL], machine=hardware(command__fifo_latency=fifo_latency))
    chip.run(8)
    grant = issue + fifo_latency + (issue + fifo_latency) % 2
    assert [command.arrival for command in chip.units["scratch"].inlet] == [grant + 12]


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
    # Issued at 1, arrives at 14, pull granted at 14, operand there at 14 + 2 + 6 = 22.
    chip.run(22)
    assert chip.me[0].contexts[0].signals == 0
    chip.run(23)
    assert chip.me[0].contexts[0].signals == 1 << 3
    # Served at 22: reply like a read served at 14, eight cycles later.
    chip.run(22 + 46)
    assert chip.me[0].contexts[0].signals == 1 << 3
    chip.run(22 + 46 + 1)
    assert chip.me[0].contexts[0].signals == 0b1100
    assert chip.scratch.read_words(4, 1) == [105] and chip.me[0].sram_in[0] == 100
    assert chip.units["scratch"].counters.latencies == [22 + 46 - 1]


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
    # 96 entries of 128 with margin 32 are not near full; the put makes 97. It is issued at 0, arrives at 14, is pulled
    # at 14 and served at 22; the flag shows at 22 + lag. Each test takes one cycle while not taken.
    tests = [br(60, condition=20, parameter=2, stage=2)] * 40
    chip = chip_with(
        [scratch(10, 0, signal=1), *tests, *[NOP] * 19, HALT], machine=hardware(scratch__ring_flag_lag=lag)
    )
    chip.configure_ring(0, base=0, size=128, contents=[0] * 96)
    chip.run(100)
    assert chip.fault is not None
    assert (chip.fault.kind, chip.fault.time) == ("halt", 22 + lag + 1 + 2)


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
    # Pull of 2 longwords granted at 14, there at 24; reply requested latency + delay later; 2 longwords pushed.
    expected = 24 + h["hash.latency_48"] + h["scratch.controller_delay"] + 2 * 2 + h["push.latency"]
    assert chip.scratch_unit.hash_counters.latencies == [expected]
    # (x + 1) * all ones = x^48 + 1, and x^48 = x36 + x25 + x10 + 1 modulo the generator.
    assert chip.me[0].sram_in[0:2] == [1 << 25 | 1 << 10, 1 << 4]


def test_hash_commands_queue_for_the_hash_unit_and_free_the_scratch_unit() -> None:
    h = hardware()
    # Three keys: 6 longwords pulled from 14, there at 32, hash busy to 32 + 18. The second one, of the other cluster,
    # is served two cycles later and starts when the hash is free; the scratch read behind both is served at 36.
    chip = chip_with([hash_unit(0, 3, signal=1), KILL])
    chip.load(4, [hash_unit(0, 3, signal=1), scratch(READ, xfer=6, signal=2), KILL], contexts=1)
    finish(chip)
    push = h["hash.latency_48"] + h["scratch.controller_delay"] + 6 * 2 + h["push.latency"]
    assert chip.scratch_unit.hash_counters.latencies == [32 + 12 + push, 50 + 12 + push]
    assert chip.units["scratch"].counters.latencies == [36 + 46 - 1]


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


@pytest.mark.parametrize("second", [READ, WRITE])
def test_sram_takes_one_command_per_command_time(second: int) -> None:
    # The write has its data before: it is first in the inlet of neither, so only the command time holds it.
    chip = chip_with([sram(READ, signal=1), KILL], machine=hardware(sram__command_cycles=16))
    chip.load(4, [sram(second, signal=1), KILL], contexts=1)
    chip.run(14 + 16)
    assert chip.units["sram0"].counters.references == 1
    chip.step()
    assert chip.units["sram0"].counters.references == 2


@pytest.mark.parametrize("target", ["scratch", "msf"])
def test_unit_is_busy_for_all_longwords_of_a_command(target: str) -> None:
    # Cluster 0 reads 8 longwords, served at 14; cluster 1, on its own push bus, is served at 14 + 16.
    command = _TARGETS[target]
    chip = chip_with([command(READ, count=8, signal=1), KILL])
    chip.load(4, [command(READ, signal=1), KILL], contexts=1)
    finish(chip)
    idle = hardware()[target + ".idle_latency"]
    assert chip.units[_UNITS[target]].counters.latencies == [idle + 14, idle + 16]


def test_two_kinds_of_data_do_not_mix() -> None:
    # Scratch and an SRAM channel share the S_push bus; every longword arrives where it belongs.
    words = [scratch(READ, 0, count=8, signal=1), sram(READ, 0, count=8, xfer=8, signal=2), KILL]
    chip = chip_with(words)
    chip.scratch.write_words(0, list(range(8)))
    chip.sram[0].write_words(0, list(range(8, 16)))
    finish(chip)
    assert chip.me[0].sram_in[:16] == list(range(16))
    assert (chip.buses["S_push0"].grants, chip.buses["S_push0"].busy) == (2, 32)


def test_bus_grants_one_request_at_a_time_masters_in_turn() -> None:
    bus = Bus("bus", ("a", "b", "c"))
    grants: list[tuple[str, int]] = []

    def ask(master: str, time: int, cycles: int) -> None:
        bus.request(master, time, cycles, lambda now: grants.append((master, now)))

    ask("b", 0, 4)
    ask("b", 0, 2)
    ask("a", 3, 2)
    ask("a", 0, 2)  # behind a head with a later time
    ask("c", 6, 6)
    for now in range(0, 30, 2):
        bus.step(now)
    # 0: a's head is not due, so b; free at 4: c is not due, a is; 6: b; 8: c; 14: a.
    assert grants == [("b", 0), ("a", 4), ("b", 6), ("c", 8), ("a", 14)]
    assert (bus.grants, bus.busy) == (5, 16)


def test_transfer_out_is_sampled_at_the_pull_grant() -> None:
    # Write issued at 0: pull granted in phase 0 of 14. A register written at 13 is seen, at 14 it is not.
    for at, seen in ((13, 77), (14, 1)):
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
    # Issued at 3, granted at 4, arrives at 16, pull granted at 16, data there at 16 + 4 + 6 = 26.
    end = 26 + h["dram.activate"] + h["dram.cas"] + h["dram.quadword_cycles"]
    assert chip.units["dram"].counters.latencies == [end + h["dram.controller_delay"] - 3]


def test_refresh_closes_rows_and_holds_the_controller() -> None:
    h = hardware(dram__refresh_interval=500, dram__refresh_cycles=45)
    # The second read arrives at exactly 500, when the open row is closed for the refresh.
    words = [dram(READ, signal=2), *[NOP] * 485, dram(READ, signal=4), KILL]
    chip = finish(chip_with(words, machine=h), 900)
    issue = 486
    assert chip.dram_unit.refreshes == 1
    ready = 500 + h["dram.precharge"] + h["dram.refresh_cycles"]
    start = ready + ready % 2 + h["dram.activate"] + h["dram.cas"]
    request = start + h["dram.quadword_cycles"] + h["dram.controller_delay"]
    expected = request + h["dbus.quadword_cycles"] + h["push.latency"]
    assert chip.units["dram"].counters.latencies[1] == expected - issue


def offer(chip: ReferenceChip, bank: int, op: str, *, row: int = 0, count: int = 1) -> None:
    """Put a command that has its data straight into a bank's queue."""
    address = row * 2_048 * 4 + bank * 128
    command = Command(
        me=chip.me[0], context=0, pc=0, unit="dram", op=op, address=address, count=count, transfer_kind="dram",
        transfer=0, issued=0, pulls=op == "write", returns_data=op == "read", data=[0] * 2 * count,
        data_time=0, arrival=0,
    )  # fmt: skip
    chip.dram_unit.banks[bank].queue.append(command)


def schedule(chip: ReferenceChip) -> list[tuple[int, int]]:
    """(time, bank) of every command, until the queues are empty."""
    unit: Dram = chip.dram_unit
    order = []
    while any(bank.queue for bank in unit.banks):
        before = [len(bank.queue) for bank in unit.banks]
        chip.step()
        order += [(chip.now - 1, n) for n in range(len(before)) if len(unit.banks[n].queue) < before[n]]
    return order


def test_a_bank_is_skipped_at_most_twice_to_avoid_a_turnaround() -> None:
    chip = ReferenceChip(hardware())
    for bank in (1, 2, 3):
        chip.dram_unit.banks[bank].open_row = 0
    chip.dram_unit._last_writes = False
    offer(chip, 0, "write")
    for bank in (1, 2, 3):
        for _ in range(3):
            offer(chip, bank, "read")
    # Bank 0 is closed: its activation hides the turnaround, so it is eligible (an open row would not be while reads
    # flow: bus free + 8 > T + cas). It comes first in turn, needs a turnaround, and is skipped for 1; then 2 and 3 come
    # before it in turn; at its next turn it is skipped once more, for 1; the third time it is taken, though reads wait.
    assert [bank for _, bank in schedule(chip)] == [1, 2, 3, 1, 2, 3, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("first", "second", "row_open", "time"),
    [
        # First: scheduled at 0, data 10 .. 26. Second: bus free (+ turnaround) <= T + pre + cas, T even.
        ("read", "read", True, 26 - 10),
        ("write", "read", True, 26 + 8 - 10),
        ("read", "read", False, 26 - 10 - 12),
    ],
)
def test_the_data_bus_decides_when_another_bank_is_eligible(first: str, second: str, row_open: bool, time: int) -> None:
    chip = ReferenceChip(hardware())
    chip.dram_unit.banks[0].open_row = 0
    chip.dram_unit.banks[1].open_row = 0 if row_open else None
    offer(chip, 0, first, count=8)
    offer(chip, 1, second)
    assert schedule(chip) == [(0, 0), (time, 1)]


@pytest.mark.parametrize(("first", "busy"), [("read", 12), ("write", 12 + 9)])
def test_a_row_conflict_waits_for_the_bank(first: str, busy: int) -> None:
    # First on an open row: data from 10 to 12; a write holds the bank for its recovery. Edges are even.
    chip = ReferenceChip(hardware())
    chip.dram_unit.banks[0].open_row = 0
    offer(chip, 0, first)
    offer(chip, 0, "read", row=1)
    assert schedule(chip) == [(0, 0), (busy + busy % 2, 0)]


@pytest.mark.parametrize(("depth", "left"), [(1, 2), (2, 0)])
def test_a_full_bank_queue_blocks_the_inlet(depth: int, left: int) -> None:
    # The write waits for its 8 quadwords (pulled from 14 to 46); behind it a read of its bank, and one of another bank.
    words = [
        dram(WRITE, 0, count=8, signal=2),
        dram(READ, 64, signal=4),
        immed(1, 128),
        dram(READ, a=1, signal=6),
        KILL,
    ]
    chip = chip_with(words, machine=hardware(dram__bank_queue_depth=depth))
    chip.run(40)
    assert len(chip.units["dram"].inlet) == left


@pytest.mark.parametrize("depth", [2, 3])
def test_push_queues_hold_their_depth(depth: int) -> None:
    reads = {
        "dram": ("D_push", [dram(READ, 0, count=8, signal=2)] * 8, hardware(dbus__push_depth=depth)),
        "scratch": ("S_push0", [scratch(READ, 0, count=8, signal=2)] * 8, hardware(sbus__push_depth=depth)),
    }
    for unit, (bus, words, machine) in reads.items():
        chip = chip_with([*words, KILL], machine=machine)
        most = 0
        while chip.now < 1_000:
            chip.step()
            most = max(most, chip.buses[bus].waiting(unit))
        assert most == depth
        assert chip.buses[bus].grants == 8


# ---------------------------------------------------------------- faults of the model's own limits


@pytest.mark.parametrize("word", [dram(2, signal=2), dram(3, signal=2)])
def test_media_moves_need_a_buffer_address(word: int) -> None:
    chip = chip_with([word])
    chip.run(1)
    assert chip.fault is not None and chip.fault.kind == "media address"


def test_waiting_for_both_halves_of_a_dram_signal() -> None:
    chip = chip_with([dram(READ, signal=2), ctx_arb(2, 3), HALT])
    chip.run(500)
    assert chip.fault is not None and chip.fault.time == 132
