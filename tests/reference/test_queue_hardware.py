"""SRAM queue hardware of the reference model: effects and cycle numbers, derived by hand from the contract's tables."""

from __future__ import annotations

from typing import Any

import pytest

from ixp_emu.chip.hardware import Hardware, resolve_hardware

from . import ReferenceChip
from .encode import KILL, sram

# code and token of each command
COMMANDS = {
    "put": (9, 0),
    "get": (9, 1),
    "journal": (10, 0),
    "fast_journal": (10, 1),
    "dequeue": (11, 0),
    "enqueue": (12, 0),
    "enqueue_tail": (12, 1),
    "csr_wr": (13, 0),
    "csr_rd": (13, 1),
    "wr_qdesc": (14, 0),
    "wr_qdesc_count": (14, 2),
    "rd_qdesc_other": (15, 0),
    "rd_qdesc_tail": (15, 1),
    "rd_qdesc_head": (15, 2),
}
ENTRY = 5
DESCRIPTOR = 0x300  # longword address
EOP, CELL = 1 << 31, 1 << 24


def hardware(**overrides: int) -> Hardware:
    return resolve_hardware(overrides={name.replace("__", ".", 1): value for name, value in overrides.items()})


def address(a: int, *, entry: int = ENTRY, channel: int = 0) -> int:
    return channel << 30 | entry << 24 | a


def chip_with(*commands: tuple[str, int, dict[str, int]], machine: Hardware | None = None) -> ReferenceChip:
    """One context that issues commands, each (name, address, other fields), in cycles 0, 1, ..."""
    chip = ReferenceChip(machine or hardware())
    words = []
    for register, (name, place, fields) in enumerate(commands):
        code, token = COMMANDS[name]
        words.append(sram(code, token=token, a=register, **{"signal": register + 1} | fields))
        chip.me[0].gpr_a[register] = place
    chip.load(0, [*words, KILL], contexts=1)
    return chip


def entry_of(chip: ReferenceChip, entry: int = ENTRY, channel: int = 0) -> Any:
    return chip.sram_units[channel].queues.entries[entry]


def set_entry(chip: ReferenceChip, head: int, tail: int, count: int) -> None:
    entry = entry_of(chip)
    entry.head, entry.tail, entry.count = head, tail, count


def state(chip: ReferenceChip) -> tuple[int, int, int]:
    entry = entry_of(chip)
    return entry.head, entry.tail, entry.count


def finish(chip: ReferenceChip, cycles: int = 1_000) -> ReferenceChip:
    chip.run(cycles)
    assert chip.fault is None, chip.fault
    return chip


def services(chip: ReferenceChip, cycles: int = 300) -> list[int]:
    """The cycle of each service of SRAM channel 0."""
    times = []
    for _ in range(cycles):
        before = chip.units["sram0"].counters.references
        chip.step()
        if chip.units["sram0"].counters.references > before:
            times.append(chip.now - 1)
    assert chip.fault is None, chip.fault
    return times


# ---------------------------------------------------------------- descriptors


@pytest.mark.parametrize(
    ("name", "expected", "pushed"),
    [
        ("rd_qdesc_head", (0xA0000011, 2, 0x33), [0xA0000011, 0x33, 0, 9]),
        ("rd_qdesc_tail", (1, 0xB0000022, 0x33), [0xB0000022, 0x33, 0, 9]),
    ],
)
def test_a_descriptor_is_read_and_pushed(name: str, expected: tuple[int, int, int], pushed: list[int]) -> None:
    chip = chip_with((name, address(DESCRIPTOR), {"count": 3}))
    set_entry(chip, 1, 2, 3)
    chip.sram[0].write_words(4 * DESCRIPTOR, [0xA0000011, 0xB0000022, 0x33])
    chip.me[0].sram_in[:4] = [9] * 4
    finish(chip)
    assert state(chip) == expected
    assert chip.me[0].sram_in[:4] == pushed
    assert chip.units["sram0"].counters.longwords == 2


@pytest.mark.parametrize("first", ["rd_qdesc_head", "rd_qdesc_tail", None])
def test_the_rest_of_a_descriptor_is_what_is_missing(first: str | None) -> None:
    commands = [(first, address(DESCRIPTOR), {"count": 2})] if first else []
    chip = chip_with(*commands, ("rd_qdesc_other", address(DESCRIPTOR), {}))
    chip.sram[0].write_words(4 * DESCRIPTOR, [11, 22, 33])
    finish(chip)
    assert state(chip) == (11, 22, 33)
    # 2 + 1 with a part before, 3 alone
    assert chip.units["sram0"].counters.longwords == 3
    assert chip.sram_units[0].busy_read == 3 * 3


@pytest.mark.parametrize(("name", "written"), [("wr_qdesc", [7, 8, 9]), ("wr_qdesc_count", [1, 1, 9])])
def test_a_descriptor_is_written_back(name: str, written: list[int]) -> None:
    chip = chip_with((name, address(DESCRIPTOR), {}))
    set_entry(chip, 7, 8, 9)
    chip.sram[0].write_words(4 * DESCRIPTOR, [1, 1, 1])
    finish(chip)
    assert chip.sram[0].read_words(4 * DESCRIPTOR, 3) == written


# ---------------------------------------------------------------- linked lists


def test_enqueue_links_and_dequeue_takes_in_order() -> None:
    places = [0x40, 0x80, 0x60]
    commands = [("enqueue", address(place), {}) for place in places]
    commands += [("dequeue", address(0), {"xfer": n}) for n in range(4)]
    chip = finish(chip_with(*commands))
    assert chip.me[0].sram_in[:4] == [*places, 0]
    assert entry_of(chip).count == 0
    assert chip.sram[0].read_words(4 * 0x40, 1) == [0x80] and chip.sram[0].read_words(4 * 0x80, 1) == [0x60]
    assert chip.sram[0].read_words(4 * 0x60, 1) == [0]
    # Links written: 2, read: 3.
    assert chip.units["sram0"].counters.longwords == 5


def test_enqueue_into_an_empty_queue_writes_no_link() -> None:
    chip = chip_with(("enqueue", address(0x40), {}))
    set_entry(chip, EOP | 5, 0x10, 0)
    finish(chip)
    assert state(chip) == (0x40, 0x40, 1)
    assert chip.sram[0].read_words(4 * 0x10, 1) == [0]


def test_the_count_has_24_bits() -> None:
    chip = chip_with(("enqueue", address(0x40), {}))
    set_entry(chip, 1, 0x10, 0xFFFFFF)
    finish(chip)
    assert entry_of(chip).count == 0


def test_enqueue_tail_replaces_only_the_tail() -> None:
    chip = chip_with(("enqueue_tail", address(0x44), {}))
    set_entry(chip, 1, 2, 3)
    finish(chip)
    assert state(chip) == (1, 0x44, 3)


@pytest.mark.parametrize(("ignore_eop", "end", "count"), [(1, False, 2), (1, True, 2), (0, False, 3), (0, True, 2)])
def test_a_dequeue_counts_packets_or_buffers(ignore_eop: int, end: bool, count: int) -> None:
    head = 0x40 | (EOP if end else 0)
    chip = chip_with(("dequeue", address(0), {}), machine=hardware(sram__ignore_eop=ignore_eop))
    chip.sram[0].write_words(4 * 0x40, [0x77])
    set_entry(chip, head, 0x50, 3)
    finish(chip)
    assert (chip.me[0].sram_in[0], *state(chip)) == (head, 0x77, 0x50, count)


def test_cells_hold_a_buffer_back() -> None:
    commands = [("dequeue", address(0), {"xfer": n}) for n in range(3)]
    for ignore, pushed, head in ((0, [0x40 + 2 * CELL, 0x40 + CELL, 0x40], 0x77), (1, [0x40 + 2 * CELL, 0x77, 0], 0)):
        chip = chip_with(*commands, machine=hardware(sram__ignore_cells=ignore))
        chip.sram[0].write_words(4 * 0x40, [0x77])
        set_entry(chip, 0x40 + 2 * CELL, 0x50, 2)
        finish(chip)
        assert (chip.me[0].sram_in[:3], entry_of(chip).head) == (pushed, head)


# ---------------------------------------------------------------- rings and journals


def test_a_ring_wraps_inside_its_region() -> None:
    # Size code 0: 512 longwords; the base is the head's address with nine low bits 0: 0x1200.
    chip = chip_with(("put", address(0), {"count": 4}), ("get", address(0), {"count": 4}))
    set_entry(chip, 0x1200 + 510, 0xAB000000 | 510, 0)
    chip.me[0].sram_out[:4] = [1, 2, 3, 4]
    finish(chip)
    assert chip.sram[0].read_words(4 * (0x1200 + 510), 2) == [1, 2]
    assert chip.sram[0].read_words(4 * 0x1200, 2) == [3, 4]
    assert chip.me[0].sram_in[:4] == [1, 2, 3, 4]
    assert state(chip) == (0x1200 + 2, 0xAB000000 | 2, 0)


def test_the_size_code_doubles_the_ring() -> None:
    # Code 1: 1,024 longwords; offset 1,023 is the last one, base 0x1400.
    chip = chip_with(("put", address(0), {"count": 2}))
    set_entry(chip, 1 << 29 | 0x1400, 0x3FF, 5)
    chip.me[0].sram_out[:2] = [8, 9]
    finish(chip)
    assert chip.sram[0].read_words(4 * (0x1400 + 1023), 1) == [8]
    assert chip.sram[0].read_words(4 * 0x1400, 1) == [9]
    assert state(chip) == (1 << 29 | 0x1400, 1, 7)


@pytest.mark.parametrize(("count", "fault"), [(510, False), (511, True)])
def test_a_put_beyond_the_ring_is_a_fault(count: int, fault: bool) -> None:
    chip = chip_with(("put", address(0), {"count": 2}))
    set_entry(chip, 0, 0, count)
    chip.run(200)
    # Two longwords pulled at 14, there at 14 + 4 + 6.
    assert (chip.fault is not None) == fault
    if chip.fault is not None:
        assert (chip.fault.kind, chip.fault.time, chip.fault.pc) == ("ring overflow", 24, 0)


@pytest.mark.parametrize(("count", "pushed", "left"), [(2, [0, 9, 9], 2), (3, [5, 6, 7], 0)])
def test_a_get_takes_all_or_nothing(count: int, pushed: list[int], left: int) -> None:
    chip = chip_with(("get", address(0), {"count": 3}))
    set_entry(chip, 0, count, count)
    chip.sram[0].write_words(0, [5, 6, 7])
    chip.me[0].sram_in[:3] = [9, 9, 9]
    finish(chip)
    assert (chip.me[0].sram_in[:3], entry_of(chip).count) == (pushed, left)
    assert chip.units["sram0"].counters.longwords == (3 if left == 0 else 1)


def test_a_journal_overwrites_and_its_count_stays_at_the_size() -> None:
    chip = chip_with(("journal", address(0), {"count": 2}), ("fast_journal", address(0x123456), {}))
    set_entry(chip, 0, 511, 511)
    chip.me[0].sram_out[:2] = [1, 2]
    finish(chip)
    assert chip.sram[0].read_words(4 * 511, 1) == [1] and chip.sram[0].read_words(0, 2) == [2, 0x123456]
    assert state(chip) == (0, 2, 512)


def test_controller_csrs_hold_what_was_written() -> None:
    chip = chip_with(("csr_wr", 63 << 2, {}), ("csr_rd", 63 << 2, {"xfer": 1}), ("csr_rd", 62 << 2, {"xfer": 2}))
    chip.me[0].sram_out[0] = 77
    finish(chip)
    assert chip.me[0].sram_in[:3] == [0, 77, 0]
    assert chip.units["sram0"].counters.longwords == 3


def test_entries_belong_to_a_channel() -> None:
    chip = finish(chip_with(("enqueue", address(0x40, channel=1, entry=63), {})))
    assert entry_of(chip, 63, 1).count == 1 and entry_of(chip, 63, 0).count == 0


@pytest.mark.parametrize(("name", "reach"), [("rd_qdesc_head", 3), ("wr_qdesc", 3), ("wr_qdesc_count", 3)])
def test_a_descriptor_at_the_end_of_the_memory(name: str, reach: int) -> None:
    longwords = hardware()["sram.size_bytes"] // 4
    for place, fault in ((longwords - reach, False), (longwords - reach + 1, True)):
        chip = chip_with((name, address(place), {}))
        chip.run(200)
        assert (chip.fault is not None) == fault
        if chip.fault is not None:
            assert (chip.fault.kind, chip.fault.time) == ("outside memory", 14)


# ---------------------------------------------------------------- timing


def prepared(name: str, **fields: int) -> ReferenceChip:
    """A queue of three buffers, or a ring with eight entries, for one command issued at 0."""
    chip = chip_with((name, address(0x20), fields))
    set_entry(chip, 0x40, 0x48, 8)
    return chip


@pytest.mark.parametrize(
    ("name", "n", "cycles"),
    [
        # without reply: from the service to the completion, without the delay; L = 3
        ("rd_qdesc_other", 0, 9),
        ("wr_qdesc", 0, 9),
        ("wr_qdesc_count", 0, 3),
        ("enqueue", 0, 3),
        ("enqueue_tail", 0, 3),
        ("fast_journal", 0, 3),
        ("csr_wr", 1, 3),
        ("put", 1, 3),
        ("put", 3, 9),
        ("journal", 3, 9),
    ],
)
def test_completions(name: str, n: int, cycles: int) -> None:
    h = hardware()
    chip = finish(prepared(name, **({"count": n} if n else {})))
    data = n * h["sbus.longword_cycles"] + h["pull.latency"] if n else 0  # pulled at 14
    assert chip.units["sram0"].counters.latencies == [14 + data + cycles + h["sram.controller_delay"]]


@pytest.mark.parametrize(
    ("name", "n", "cycles"),
    [
        # from the service to the request time: 2 L - 2 (n - 1), at least L; a read is n L - 2 (n - 1)
        ("rd_qdesc_head", 1, 6),
        ("rd_qdesc_tail", 2, 4),
        ("rd_qdesc_head", 3, 3),
        ("rd_qdesc_head", 4, 3),
        ("csr_rd", 1, 3),
        ("dequeue", 1, 3),
        ("get", 1, 3),
        ("get", 5, 7),
    ],
)
def test_replies(name: str, n: int, cycles: int) -> None:
    h = hardware()
    chip = finish(prepared(name, count=n))
    request = 14 + cycles + h["sram.controller_delay"]
    delivery = request + request % 2 + n * h["sbus.longword_cycles"] + h["push.latency"]
    assert chip.units["sram0"].counters.latencies == [delivery]


def test_an_empty_get_is_busy_and_replies_as_one() -> None:
    h = hardware()
    chip = chip_with(("get", address(0), {"count": 4}))
    finish(chip)
    assert chip.units["sram0"].counters.latencies == [h["sram.idle_latency"]]
    assert chip.sram_units[0].reads_free == 14 + 3


@pytest.mark.parametrize(
    ("name", "count", "reads", "writes"),
    [
        ("rd_qdesc_head", 8, 6, 0),
        ("rd_qdesc_tail", 8, 6, 0),
        ("rd_qdesc_other", 8, 9, 0),
        ("wr_qdesc", 8, 0, 9),
        ("wr_qdesc_count", 8, 0, 3),
        ("enqueue", 8, 0, 3),
        ("enqueue", 0, 0, 0),
        ("enqueue_tail", 8, 0, 0),
        ("dequeue", 8, 3, 0),
        ("dequeue", 0, 0, 0),
        ("csr_rd", 8, 0, 0),
        ("get", 8, 3, 0),
        ("fast_journal", 8, 0, 3),
    ],
)
def test_the_ports_a_command_keeps_busy(name: str, count: int, reads: int, writes: int) -> None:
    chip = prepared(name)
    set_entry(chip, 0x40, 0x48, count)
    finish(chip)
    assert (chip.sram_units[0].busy_read, chip.sram_units[0].busy_write) == (reads, writes)
    assert chip.sram_units[0].reads_free == (14 + reads if reads else 0)
    assert chip.sram_units[0].writes_free == (14 + writes if writes else 0)


@pytest.mark.parametrize(("name", "waits"), [("dequeue", True), ("enqueue", False), ("enqueue_tail", False)])
def test_a_command_needs_only_its_port_free(name: str, waits: bool) -> None:
    # A descriptor read, served at 14, holds the read port to 20; the command behind it arrives at 16.
    chip = chip_with(("rd_qdesc_head", address(DESCRIPTOR, entry=1), {}), (name, address(0x20), {}))
    assert services(chip) == [14, 20 if waits else 16]


@pytest.mark.parametrize(("count", "entry", "second"), [(8, ENTRY, 14 + 24), (8, 6, 17), (0, ENTRY, 16)])
def test_the_next_dequeue_of_an_entry_waits_for_its_link(count: int, entry: int, second: int) -> None:
    # Another entry waits only for the read port (to 17); an empty dequeue reads no link. The second one arrives at 16.
    chip = chip_with(("dequeue", address(0), {}), ("dequeue", address(0, entry=entry), {"xfer": 1}))
    set_entry(chip, 0x40, 0x48, count)
    assert services(chip) == [14, second]


@pytest.mark.parametrize("cycles", [2, 11])
def test_the_command_time_holds_all_of_them(cycles: int) -> None:
    chip = chip_with(
        ("enqueue_tail", address(0), {}), ("csr_rd", address(0), {}), machine=hardware(sram__command_cycles=cycles)
    )
    assert services(chip) == [14, max(16, 14 + cycles)]


def test_a_reply_needs_room_in_the_push_queue() -> None:
    # Two replies may be under way: the third dequeue waits until the first leaves the queue, granted at 82.
    commands = [("dequeue", address(0, entry=n), {"xfer": n}) for n in range(3)]
    assert services(chip_with(*commands, machine=hardware(sbus__push_depth=2))) == [14, 16, 82]
    assert services(chip_with(*commands)) == [14, 16, 18]
