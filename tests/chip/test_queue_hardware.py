"""SRAM queue hardware: linked lists, rings, journals, CSRs; effects, times at their edges, faults."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ixp_emu.chip.codes import Fault
from ixp_emu.chip.layout import SRAM0
from tests.chip.command_path import STAMP, Path, load, program
from tests.chip.one_chip import OneChip

_ENTRY = 5
_ADDRESS = 0x1000
"""A longword address in every channel."""


def word(address: int = 0, *, channel: int = 0, entry: int = _ENTRY) -> int:
    """Address word of a queue command."""
    return channel << 30 | entry << 24 | address


def command(name: str, count: int | None = None) -> str:
    """A queue command whose address word is in register a."""
    pushed_or_pulled = {"dequeue", "get", "put", "journal", "csr_rd", "csr_wr", "rd_qdesc_head", "rd_qdesc_tail"}
    register = "$x0" if name in pushed_or_pulled else "--"
    return f"sram[{name}, {register}, a, 0{'' if count is None else f', {count}'}]"


def run(
    lines: list[str],
    *,
    queue: tuple[int, int, int] = (0, 0, 0),
    memory: dict[int, list[int]] | None = None,
    overrides: dict[str, int] | None = None,
    until: int = 4_000,
) -> OneChip:
    """Run a program on ME 0 with a preset Q_array entry and preset SRAM 0 longwords."""
    chip = OneChip({0: program(lines)}, overrides=overrides)
    chip.chip["q_array"][0, _ENTRY] = queue
    for address, values in (memory or {}).items():
        chip.memories.words[SRAM0][address : address + len(values)] = values
    chip.run(until)
    return chip


def good(chip: OneChip) -> OneChip:
    assert int(chip.chip["fault"]) == Fault.NONE
    return chip


def entry(chip: OneChip, channel: int = 0) -> tuple[int, ...]:
    return tuple(int(value) for value in chip.chip["q_array"][channel, _ENTRY])


def sram(chip: OneChip, address: int, count: int = 1) -> list[int]:
    return [int(value) for value in chip.memories.words[SRAM0][address : address + count]]


def keep(register: str) -> str:
    """Put a register into the next word of local memory."""
    return f"alu[*l$index0++, --, B, {register}]"


# --- linked lists ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("buffers", [1, 2, 7])
def test_what_is_enqueued_is_dequeued_in_order(buffers: int) -> None:
    """k buffers in and out: their order, the count back at 0, one 0 from the empty queue, links only in between."""
    addresses = [0x100 + 0x40 * number for number in range(buffers)]
    lines = []
    for address in addresses:
        lines += [*load("a", word(address)), command("enqueue")]
    for _ in range(buffers + 1):
        lines += [command("dequeue") + ", ctx_swap[s]", keep("$x0")]
    chip = good(run(lines))
    assert chip.local_memory(0, buffers + 1) == [*addresses, 0]
    assert entry(chip)[2] == 0
    links = [sram(chip, address)[0] for address in addresses]
    assert links == [*addresses[1:], 0]
    record = chip.chip
    # a link written for each buffer but the first, and a link read for each
    assert int(record["longwords"][SRAM0]) == (buffers - 1) + buffers
    assert int(record["references"][SRAM0]) == 2 * buffers + 1
    assert record["dirty_sram"][0, 0] == (1 if buffers > 1 else 0)


def test_enqueue_tail_moves_the_tail_alone() -> None:
    chip = good(run([*load("a", word(0x321)), command("enqueue_tail")], queue=(0x10, 0x20, 3)))
    assert entry(chip) == (0x10, 0x321, 3)


def test_the_count_of_buffers_has_24_bits() -> None:
    chip = good(run([*load("a", word(0x321)), command("enqueue")], queue=(0x10, 0x20, 0xFFFFFF)))
    assert entry(chip) == (0x10, 0x321, 0)
    assert sram(chip, 0x20) == [0x321]


@pytest.mark.parametrize(("ignore", "counts"), [(1, [2, 1, 0]), (0, [3, 2, 2])])
def test_a_dequeue_counts_buffers_or_packets(ignore: int, counts: list[int]) -> None:
    """The heads dequeued are 0x100 (no end of packet), 0x80000200 (end), 0x300 (none)."""
    for dequeues, count in enumerate(counts, 1):
        chip = run(
            [*load("a", word()), *[command("dequeue") + ", ctx_swap[s]"] * dequeues],
            queue=(0x100, 0x300, 3),
            memory={0x100: [0x80000200], 0x200: [0x300]},
            overrides={"sram.ignore_eop": ignore},
        )
        assert entry(good(chip))[2] == count


def test_cells_of_a_buffer_are_dequeued_one_by_one() -> None:
    head = 2 << 24 | 0x100
    lines = [*load("a", word()), *[command("dequeue") + ", ctx_swap[s]", keep("$x0")] * 3]
    held = good(run(lines, queue=(head, 0x100, 1), memory={0x100: [0x77]}, overrides={"sram.ignore_cells": 0}))
    assert held.local_memory(0, 3) == [head, head - (1 << 24), 0x100]
    assert entry(held) == (0x77, 0x100, 0)
    assert int(held.chip["longwords"][SRAM0]) == 1
    ignored = good(run(lines[:4], queue=(head, 0x100, 1), memory={0x100: [0x77]}))
    assert entry(ignored) == (0x77, 0x100, 0)


# --- descriptors ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(("name", "half"), [("rd_qdesc_head", 0), ("rd_qdesc_tail", 1)])
def test_a_descriptor_is_read_in_two_parts(name: str, half: int, count: int) -> None:
    descriptor = [0x11, 0x22, 0x33]
    lines = [*load("a", word(_ADDRESS)), command(name, count) + ", ctx_swap[s]", *[keep(f"$x{n}") for n in range(3)]]
    chip = good(run(lines, queue=(1, 2, 3), memory={_ADDRESS: descriptor}))
    expected = [1, 2, 0x33]
    expected[half] = descriptor[half]
    assert entry(chip) == tuple(expected)
    assert chip.local_memory(0, 3) == [*[descriptor[half], 0x33, 0][:count], *[0] * (3 - count)]
    both = good(run([*lines, command("rd_qdesc_other")], queue=(1, 2, 3), memory={_ADDRESS: descriptor}))
    assert entry(both) == tuple(descriptor)
    assert int(both.chip["longwords"][SRAM0]) == 3


def test_the_other_part_is_everything_if_there_was_none() -> None:
    lines = [*load("a", word(_ADDRESS)), command("rd_qdesc_other")]
    chip = good(run(lines, queue=(1, 2, 3), memory={_ADDRESS: [0x11, 0x22, 0x33]}))
    assert entry(chip) == (0x11, 0x22, 0x33)
    assert int(chip.chip["longwords"][SRAM0]) == 3


@pytest.mark.parametrize(("name", "written"), [("wr_qdesc", [7, 8, 9]), ("wr_qdesc_count", [0, 0, 9])])
def test_a_descriptor_is_written_back(name: str, written: list[int]) -> None:
    address = 0x4000 - 2  # its last longword lies in another page of 64 KB
    chip = good(run([*load("a", word(address)), command(name)], queue=(7, 8, 9)))
    assert sram(chip, address, 3) == written
    assert chip.chip["dirty_sram"][0, 1] == 1
    assert chip.chip["dirty_sram"][0, 0] == (1 if name == "wr_qdesc" else 0)


def test_channels_and_entries_are_apart() -> None:
    lines = [*load("a", word(0x50, channel=1)), command("enqueue")]
    chip = good(run(lines, queue=(1, 2, 3)))
    assert entry(chip) == (1, 2, 3)
    assert entry(chip, 1) == (0x50, 0x50, 1)
    assert np.count_nonzero(chip.chip["q_array"]) == 6


# --- rings and journals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1])
def test_a_ring_wraps_at_its_size(code: int) -> None:
    """Four longwords in and out around the end; the base's low bits and the pointers' upper bits do not matter."""
    size = 512 << code
    base, last = 4 * size, size - 2
    head, tail = code << 29 | base | last, 0x5A << 24 | base | last
    values = [0x11, 0x22, 0x33, 0x44]
    fill = [line for n, value in enumerate(values) for line in (f"immed[t, {value}]", f"alu[$x{n}, --, B, t]")]
    put = [*fill, *load("a", word()), command("put", 4) + ", ctx_swap[s]"]
    chip = good(run(put, queue=(head, tail, 0)))
    assert sram(chip, base + last, 2) + sram(chip, base, 2) == values
    assert entry(chip) == (head, tail - last + 2, 4)
    get = [*put, command("get", 4) + ", ctx_swap[s]", *[keep(f"$x{n}") for n in range(4)]]
    chip = good(run(get, queue=(head, tail, 0)))
    assert chip.local_memory(0, 4) == values
    assert entry(chip) == (head - last + 2, tail - last + 2, 0)
    assert int(chip.chip["longwords"][SRAM0]) == 8


def test_a_get_of_more_than_there_is_takes_nothing() -> None:
    lines = [*load("a", word()), command("get", 4) + ", ctx_swap[s]", *[keep(f"$x{n}") for n in range(2)]]
    chip = good(run(lines, queue=(0x1000, 0x1003, 3), memory={0x1000: [1, 2, 3]}))
    assert chip.local_memory(0, 2) == [0, 0]
    assert entry(chip) == (0x1000, 0x1003, 3)
    assert (int(chip.chip["references"][SRAM0]), int(chip.chip["longwords"][SRAM0])) == (1, 1)
    assert int(chip.chip["read_busy"][SRAM0]) == chip.hardware["sram.longword_cycles"]


def test_a_put_may_fill_a_ring_and_no_more() -> None:
    lines = [*load("a", word()), command("put", 2)]
    assert entry(good(run(lines, queue=(0x1000, 0x11FE, 510)))) == (0x1000, 0x1000, 512)
    chip = run(lines, queue=(0x1000, 0x11FF, 511))
    path = Path(chip.hardware)
    arrival = path.arrival(len(lines) - 1)
    assert int(chip.chip["fault"]) == Fault.RING_FULL
    assert int(chip.chip["fault_time"]) == path.pulled(arrival, 2)
    assert int(chip.chip["fault_detail"]) == _ENTRY
    assert entry(chip) == (0x1000, 0x11FF, 511)


def test_a_journal_overwrites_its_oldest() -> None:
    lines = ["immed[t, 0x66]", "alu[$x0, --, B, t]", "alu[$x1, --, B, t]", *load("a", word()), command("journal", 2)]
    chip = good(run(lines, queue=(0x1000, 0x11FF, 511)))
    assert entry(chip) == (0x1000, 0x1001, 512)
    assert sram(chip, 0x11FF) + sram(chip, 0x1000, 2) == [0x66, 0x66, 0]


def test_a_fast_journal_writes_its_address() -> None:
    chip = good(run([*load("a", word(0xABCDEF)), command("fast_journal")], queue=(0x1000, 0x1000, 0)))
    assert sram(chip, 0x1000) == [0xABCDEF]
    assert entry(chip) == (0x1000, 0x1001, 1)


@pytest.mark.parametrize("channel", [0, 1])
def test_controller_csrs_hold_what_was_written(channel: int) -> None:
    lines = [
        "immed[t, 0x99]",
        "alu[$x0, --, B, t]",
        *load("a", channel << 30 | 63 << 2),
        command("csr_wr") + ", ctx_swap[s]",
        command("csr_rd") + ", ctx_swap[s]",
        keep("$x0"),
    ]
    chip = good(run(lines))
    assert chip.local_memory(0, 1) == [0x99]
    assert int(chip.chip["sram_csr"][channel, 63]) == 0x99
    assert np.count_nonzero(chip.chip["sram_csr"]) == 1
    assert int(chip.chip["longwords"][SRAM0 + channel]) == 2


# --- times ----------------------------------------------------------------------------------------------------------

# name, count, longwords of the memory, entry before
_TIMED = [
    ("enqueue", None, 1, (0x10, 0x20, 1)),
    ("enqueue", None, 0, (0, 0, 0)),
    ("enqueue_tail", None, 0, (0x10, 0x20, 1)),
    ("wr_qdesc", None, 3, (0, 0, 0)),
    ("wr_qdesc_count", None, 1, (0, 0, 0)),
    ("rd_qdesc_other", None, 3, (0, 0, 0)),
    ("fast_journal", None, 1, (0x1000, 0x1000, 0)),
    ("dequeue", None, 1, (0x10, 0x20, 2)),
    ("dequeue", None, 0, (0, 0, 0)),
    ("csr_rd", None, 0, (0, 0, 0)),
    ("rd_qdesc_head", 1, 2, (0, 0, 0)),
    ("rd_qdesc_head", 2, 2, (0, 0, 0)),
    ("rd_qdesc_tail", 8, 2, (0, 0, 0)),
    ("get", 1, 1, (0x1000, 0x1008, 8)),
    ("get", 8, 8, (0x1000, 0x1008, 8)),
    ("get", 8, 1, (0x1000, 0x1007, 7)),
    ("put", 3, 3, (0x1000, 0x1000, 0)),
    ("journal", 8, 8, (0x1000, 0x1000, 0)),
    ("csr_wr", None, 0, (0, 0, 0)),
]


@pytest.mark.parametrize(("name", "count", "moved", "queue"), _TIMED)
@pytest.mark.parametrize(("longword", "bus"), [(3, 2), (7, 2), (3, 3), (3, 4)])
def test_the_signal_comes_when_the_table_says(
    name: str, count: int | None, moved: int, queue: tuple[int, int, int], longword: int, bus: int
) -> None:
    lines = [*load("a", word(0x40)), command(name, count) + ", sig_done[s]", "ctx_arb[s]", *STAMP]
    overrides = {"sram.longword_cycles": longword, "sbus.longword_cycles": bus}
    chip = good(run(lines, queue=queue, overrides=overrides))
    path, delay = Path(chip.hardware), chip.hardware["sram.controller_delay"]
    service = path.arrival(2)
    if name in ("put", "journal", "csr_wr"):
        service = path.pulled(service, count or 1)
    done = max(moved, 1) * longword
    if name in ("dequeue", "csr_rd", "get", "rd_qdesc_head", "rd_qdesc_tail"):
        pushed = moved if name == "get" else count or 1
        early = max(done - (pushed - 1) * bus, longword)
        expected = path.pushed(service + early + delay, pushed)
    else:
        expected = service + done + delay
    assert chip.local_memory(0, 1) == [expected]


def second_signal(first: str, second: str, **options: Any) -> tuple[int, OneChip]:
    """Two commands back to back, on the addresses in a and b; the cycle of the second one's signal."""
    options.setdefault("queue", (0x10, 0x20, 9))
    lines = [
        *load("a", options.pop("first_word", word(0x40))),
        *load("b", options.pop("second_word", word(0x44))),
        first,
        second.replace("a, 0", "b, 0") + ", sig_done[s]",
        "ctx_arb[s]",
        *STAMP,
    ]
    chip = good(run(lines, **options))
    return chip.local_memory(0, 1)[0], chip


@pytest.mark.parametrize("link", [1, 3, 4, 24, 25])
@pytest.mark.parametrize("same", [True, False])
def test_the_next_dequeue_of_an_entry_waits_for_the_link(link: int, same: bool) -> None:
    second_word = word() if same else word(entry=6)
    signal, chip = second_signal(
        command("dequeue") + ", sig_done[s1]",
        command("dequeue"),
        second_word=second_word,
        overrides={"sram.link_cycles": link},
    )
    path, hardware = Path(chip.hardware), chip.hardware
    first = path.arrival(4)
    second = first + max(hardware["chassis_cycles"], hardware["sram.longword_cycles"])  # granted an edge later
    if same:
        second = max(second, first + link)
    # a queue that is empty answers too, and needs no link
    reply = path.pushed(second + hardware["sram.longword_cycles"] + hardware["sram.controller_delay"], 1)
    assert signal == reply


@pytest.mark.parametrize(
    ("first", "second", "waits"),
    [
        ("sram[read, $x0, t, 0, 8], sig_done[s1]", command("dequeue"), True),
        ("sram[read, $x0, t, 0, 8], sig_done[s1]", command("rd_qdesc_other"), True),
        ("sram[read, $x0, t, 0, 8], sig_done[s1]", command("enqueue"), False),
        ("sram[read, $x0, t, 0, 8], sig_done[s1]", command("csr_rd"), False),
        ("sram[wr_qdesc, --, a, 0]", command("enqueue"), True),
        ("sram[wr_qdesc, --, a, 0]", command("wr_qdesc_count"), True),
        ("sram[wr_qdesc, --, a, 0]", command("enqueue_tail"), False),
        ("sram[wr_qdesc, --, a, 0]", command("dequeue"), False),
        ("sram[wr_qdesc, --, a, 0]", command("rd_qdesc_other"), False),
    ],
)
def test_a_command_waits_for_the_port_it_uses(first: str, second: str, waits: bool) -> None:
    signal, chip = second_signal(first, second, overrides={"sram.longword_cycles": 5})
    hardware, path = chip.hardware, Path(chip.hardware)
    start = path.arrival(4)
    busy = (8 if "read" in first else 3) * 5
    service = start + (busy if waits else hardware["chassis_cycles"])  # granted an edge later
    done = (3 if "rd_qdesc_other" in second else 1) * 5
    completion = service + done + hardware["sram.controller_delay"]
    if "$x0" in second:  # its push follows that of the eight longwords
        completion = path.pushed(completion, 1)
    if "csr_rd" in second:
        # ready before the read's longwords are through: in order behind them
        read = path.pushed(start + busy - 7 * hardware["sbus.longword_cycles"] + hardware["sram.controller_delay"], 8)
        completion = max(completion, read + hardware["sbus.longword_cycles"])
    assert signal == completion


def test_a_queue_command_needs_the_command_slot() -> None:
    """Commands that use no port follow each other at the channel's command rate."""
    for cycles in (2, 9, 10):
        signal, chip = second_signal(
            "sram[enqueue_tail, --, a, 0]", command("enqueue_tail"), overrides={"sram.command_cycles": cycles}
        )
        path, hardware = Path(chip.hardware), chip.hardware
        service = path.arrival(4) + max(cycles, hardware["chassis_cycles"])
        assert signal == service + hardware["sram.longword_cycles"] + hardware["sram.controller_delay"]


# --- faults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "queue", "address", "fault"),
    [
        ("enqueue", (0x10, -1, 1), 0, Fault.NONE),
        ("enqueue", (0x10, 0, 1), 0, Fault.ACCESS_OUTSIDE),
        ("enqueue", (0x10, 0, 0), 0, Fault.NONE),
        ("dequeue", (-1, 0x10, 1), 0, Fault.NONE),
        ("dequeue", (0, 0x10, 1), 0, Fault.ACCESS_OUTSIDE),
        ("dequeue", (0, 0x10, 0), 0, Fault.NONE),
        ("wr_qdesc", (0, 0, 0), -3, Fault.NONE),
        ("wr_qdesc", (0, 0, 0), -2, Fault.ACCESS_OUTSIDE),
        ("wr_qdesc_count", (0, 0, 0), -2, Fault.ACCESS_OUTSIDE),
        ("rd_qdesc_other", (0, 0, 0), -3, Fault.NONE),
        ("rd_qdesc_other", (0, 0, 0), -2, Fault.ACCESS_OUTSIDE),
        ("fast_journal", (-512, 0x1FF, 0), 0, Fault.NONE),
        ("fast_journal", (0, 0, 0), 0, Fault.ACCESS_OUTSIDE),
    ],
)
def test_memory_ends_at_its_last_longword(name: str, queue: tuple[int, int, int], address: int, fault: int) -> None:
    """Numbers of queue heads, tails and descriptor addresses that are not positive count from the memory's end."""
    end = OneChip({}).hardware["sram.size_bytes"] // 4
    from_end = {"enqueue": 1, "dequeue": 0, "fast_journal": 0}.get(name)
    placed = [value + end if number == from_end and value <= 0 else value for number, value in enumerate(queue)]
    at = address + end if address < 0 else 0x40
    lines = [*load("a", word(at)), command(name)]
    chip = run(lines, queue=(placed[0], placed[1], placed[2]))
    assert int(chip.chip["fault"]) == fault
    if fault != Fault.NONE:
        assert int(chip.chip["fault_time"]) == Path(chip.hardware).arrival(2)
        assert int(chip.chip["fault_me"]) == 0
        assert entry(chip) == tuple(placed)


@pytest.mark.parametrize("behind", [-1, 0, 1])
def test_a_fault_ahead_of_the_clock_waits_for_its_time(behind: int) -> None:
    """A dequeue that waits for the read port is known to be a fault before another unit's fault, which may be earlier.

    In the same cycle scratch is served before SRAM.
    """
    lines = [*load("a", word()), "sram[read, $x0, t, 0, 8], sig_done[s]", command("dequeue")]
    path = Path(OneChip({}).hardware)
    service = path.arrival(2) + 8 * path.hardware["sram.longword_cycles"]
    issue = service - path.arrival(0) + 2 * behind
    other = program(["nop"] * (issue - 2) + [*load("a", 0x7FFF0000), "scratch[read, $x0, a, 0, 1], sig_done[s]"])
    chip = OneChip({0: program(lines), 4: other})
    assert path.arrival(issue) == service + 2 * behind
    chip.chip["q_array"][0, _ENTRY] = (0xFFFFFF, 0, 1)
    record = chip.run(1_000)
    assert int(record["fault"]) == Fault.ACCESS_OUTSIDE
    expected = (4, service + 2 * behind) if behind <= 0 else (0, service)
    assert (int(record["fault_me"]), int(record["fault_time"])) == expected
