"""CSRs behind the CAP, ring CSRs above all, and the PCI unit's CSRs."""

from __future__ import annotations

import pytest

from ixp_emu.chip.codes import Fault
from ixp_emu.chip.layout import SCRATCH
from ixp_emu.chip.media_control import read_ring_csr, reset_rings, ring_get, ring_put, write_ring_csr
from ixp_emu.isa.csr import CAP_CSRS
from tests.chip.command_path import STAMP, Path, load, program
from tests.chip.one_chip import OneChip

_EMPTY_FLAG = 1 << 26
_WAIT = ", ctx_swap[s]"


def csr(name: str) -> int:
    return CAP_CSRS[name].address


def set_out(value: int, register: str = "$x0") -> list[str]:
    return [*load("t", value), f"alu[{register}, --, B, t]"]


def keep(register: str = "$x0") -> str:
    return f"alu[*l$index0++, --, B, {register}]"


# --- ring CSRs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "size"), [(0, 128), (1, 256), (2, 512), (3, 1024)])
def test_a_ring_is_set_up_by_its_csrs(code: int, size: int) -> None:
    """Base, head and tail at the last longword; put and get of three longwords wrap there."""
    base, last = 0x1000, size - 1
    lines = [
        *set_out(code << 30 | base),
        "cap[write, $x0, SCRATCH_RING_BASE_2, 1]" + _WAIT,
        *set_out(last << 2),
        "cap[write, $x0, SCRATCH_RING_HEAD_2, 1]" + _WAIT,
        "cap[write, $x0, SCRATCH_RING_TAIL_2, 1]" + _WAIT,
        *[line for n in range(3) for line in set_out(0x10 + n, f"$x{n}")],
        *load("a", 2 << 2),
        "scratch[put, $x0, a, 0, 3]" + _WAIT,
        "cap[read, $x0, SCRATCH_RING_BASE_2, 3]" + _WAIT,
        *[keep(f"$x{n}") for n in range(3)],
        "scratch[get, $x0, a, 0, 3]" + _WAIT,
        *[keep(f"$x{n}") for n in range(3)],
        "cap[read, $x0, SCRATCH_RING_HEAD_2, 1]" + _WAIT,
        keep(),
    ]
    chip = OneChip({0: program(lines)})
    record = chip.run(4_000)
    assert int(record["fault"]) == Fault.NONE
    assert chip.local_memory(0, 7) == [code << 30 | base, last << 2, 2 << 2, 0x10, 0x11, 0x12, 2 << 2]
    assert int(record["scratch"][base // 4 + last]) == 0x10
    assert [int(word) for word in record["scratch"][base // 4 : base // 4 + 2]] == [0x11, 0x12]
    assert int(record["ring_count"][2]) == 0


def test_head_and_tail_are_taken_modulo_the_size() -> None:
    """The count is their distance; a smaller ring takes them again."""
    chip = OneChip({})
    write_ring_csr(chip.chip, csr("SCRATCH_RING_BASE_1"), 1 << 30, 0)
    write_ring_csr(chip.chip, csr("SCRATCH_RING_TAIL_1"), (256 + 5) << 2, 0)
    write_ring_csr(chip.chip, csr("SCRATCH_RING_HEAD_1"), 250 << 2 | 3, 0)
    assert read_ring_csr(chip.chip, csr("SCRATCH_RING_HEAD_1")) == 250 << 2
    assert read_ring_csr(chip.chip, csr("SCRATCH_RING_TAIL_1")) == 5 << 2
    assert int(chip.chip["ring_count"][1]) == 11
    write_ring_csr(chip.chip, csr("SCRATCH_RING_BASE_1"), 0, 0)
    assert read_ring_csr(chip.chip, csr("SCRATCH_RING_HEAD_1")) == (250 - 128) << 2
    assert int(chip.chip["ring_count"][1]) == 11


def test_the_loader_and_the_csrs_mean_the_same_ring() -> None:
    options = {"base": 0x2000, "size": 512, "flag_empty": True, "contents": [1, 2, 3]}
    chip = OneChip({}, rings={7: options})
    assert read_ring_csr(chip.chip, csr("SCRATCH_RING_BASE_7")) == 2 << 30 | _EMPTY_FLAG | 0x2000
    assert read_ring_csr(chip.chip, csr("SCRATCH_RING_HEAD_7")) == 0
    assert read_ring_csr(chip.chip, csr("SCRATCH_RING_TAIL_7")) == 3 << 2


def flag_seen(at: int, overrides: dict[str, int], setup: list[str]) -> tuple[int, OneChip]:
    """What ``br_inp_state`` of ring 0 sees in a cycle; ME 0 runs ``setup``, ME 1 looks."""
    watcher = ["nop"] * at + [
        "br_inp_state[SCR_RING0_STATUS, set#]",
        "br[out#]",
        "set#:",
        "immed[t, 1]",
        keep("t"),
        "out#:",
    ]
    chip = OneChip({0: program(setup), 1: program(watcher)}, overrides=overrides)
    assert int(chip.run(2_000)["fault"]) == Fault.NONE
    return chip.local_memory(1, 1)[0], chip


@pytest.mark.parametrize("lag", [1, 2])
def test_the_flag_follows_a_base_write_after_its_lag(lag: int) -> None:
    setup = [*set_out(_EMPTY_FLAG), "cap[write, $x0, SCRATCH_RING_BASE_0, 1]"]
    overrides = {"scratch.ring_flag_lag": lag}
    path = Path(OneChip({}).hardware)
    service = path.pulled(path.arrival(3), 1)
    assert flag_seen(service + lag - 1, overrides, setup)[0] == 0
    assert flag_seen(service + lag, overrides, setup)[0] == 1


def test_a_ring_beyond_the_scratchpad_is_a_fault_where_it_leaves_it() -> None:
    size = OneChip({}).hardware["scratch.size_bytes"]
    lines = [*load("a", 0), "scratch[put, $x0, a, 0, 2], sig_done[s]"]
    for tail, fault in (
        (62, Fault.NONE),
        (63, Fault.ACCESS_OUTSIDE),
        (126, Fault.ACCESS_OUTSIDE),
        (127, Fault.ACCESS_OUTSIDE),
    ):
        chip = OneChip({0: program(lines)})
        write_ring_csr(chip.chip, csr("SCRATCH_RING_BASE_0"), size - 64 * 4, 0)
        write_ring_csr(chip.chip, csr("SCRATCH_RING_HEAD_0"), tail << 2, 0)
        write_ring_csr(chip.chip, csr("SCRATCH_RING_TAIL_0"), tail << 2, 0)
        record = chip.run(1_000)
        assert int(record["fault"]) == fault, tail
        if fault:
            path = Path(chip.hardware)
            assert int(record["fault_time"]) == path.pulled(path.arrival(2), 2)


def test_a_ring_without_base_stays_empty() -> None:
    chip = OneChip({})
    for name in ("HEAD", "TAIL"):
        write_ring_csr(chip.chip, csr(f"SCRATCH_RING_{name}_3"), 40, 0)
        assert read_ring_csr(chip.chip, csr(f"SCRATCH_RING_{name}_3")) == 0
    assert ring_get(chip.chip, 3, 0) == 0


# --- the host and rings ---------------------------------------------------------------------------------------------


def test_the_host_puts_and_gets() -> None:
    chip = OneChip({})
    reset_rings(chip.chip)
    for number in range(200):  # past the end of the ring
        ring_put(chip.chip, 4, number + 1, 0)
        if number:
            assert ring_get(chip.chip, 4, 0) == number
    assert ring_get(chip.chip, 4, 0) == 200
    assert ring_get(chip.chip, 4, 0) == 0
    assert int(chip.chip["fault"]) == Fault.NONE
    assert int(chip.chip["pool_top"]) == len(chip.chip["pool_free"])


def test_a_put_of_the_host_into_a_full_ring_is_nobodys_fault() -> None:
    chip = OneChip({}, rings={0: {"base": 0, "size": 128, "contents": [7] * 127}})
    chip.run(50)
    ring_put(chip.chip, 0, 1, 49)
    assert int(chip.chip["fault"]) == Fault.NONE
    ring_put(chip.chip, 0, 1, 49)
    record = chip.chip
    assert (int(record["fault"]), int(record["fault_time"]), int(record["fault_me"])) == (Fault.RING_FULL, 49, -1)


def test_what_the_host_puts_an_engine_gets() -> None:
    lines = ["nop"] * 40 + [*load("a", 0), "scratch[get, $x0, a, 0, 1]" + _WAIT, keep()]
    path = Path(OneChip({}).hardware)
    service = path.arrival(42)
    for now, got in ((service - 1, 0x55), (service, 0)):
        chip = OneChip({0: program(lines)}, rings={0: {"base": 0, "size": 128}})
        chip.run(now + 1)
        ring_put(chip.chip, 0, 0x55, now)
        chip.run(1_000)
        assert chip.local_memory(0, 1) == [got]


@pytest.mark.parametrize("lag", [1, 2])
def test_flags_of_service_host_and_service_are_all_seen(lag: int) -> None:
    """A get empties the ring at s, the host puts at s + 1, a get empties it again at s + 2: empty, not, empty."""
    path = Path(OneChip({}).hardware)
    getter = [*load("a", 0), *["scratch[get, $x0, a, 0, 1], sig_done[s]"] * 2]
    service = path.arrival(2)
    overrides = {"scratch.ring_flag_lag": lag}
    ring = {0: {"base": 0, "size": 128, "flag_empty": True, "contents": [1]}}
    for at, seen in enumerate([0, 1, 0, 1], service + lag - 1):
        watcher = ["nop"] * at + [
            "br_inp_state[SCR_RING0_STATUS, set#]",
            "br[out#]",
            "set#:",
            "immed[t, 1]",
            keep("t"),
            "out#:",
        ]
        chip = OneChip({0: program(getter), 1: program(watcher)}, rings=ring, overrides=overrides)
        chip.run(service + 2)
        ring_put(chip.chip, 0, 2, service + 1)
        chip.run(1_000)
        assert chip.local_memory(1, 1) == [seen], at - service
        assert int(chip.chip["ring_count"][0]) == 0


# --- other CSRs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["THREAD_MESSAGE", "SELF_DESTRUCT_0", "SELF_DESTRUCT_1"])
def test_a_read_clears(name: str) -> None:
    read = [f"cap[read, $x0, {name}, 1]" + _WAIT, keep()]
    chip = OneChip({0: program([*set_out(0x123), f"cap[write, $x0, {name}, 1]" + _WAIT, *read, *read])})
    chip.run(1_000)
    assert chip.local_memory(0, 2) == [0x123, 0]


def test_a_computed_address_is_the_sum() -> None:
    address = csr("HASH_MULTIPLIER_64_0")
    lines = [*set_out(0x321), *load("a", address - 4), *load("b", 4), "cap[write, $x0, a, b, 1]" + _WAIT]
    lines += ["cap[read, $x1, a, b, 1]" + _WAIT, keep("$x1")]
    chip = OneChip({0: program(lines)})
    chip.run(1_000)
    assert chip.local_memory(0, 1) == [0x321]
    assert int(chip.chip["cap_csr"][address // 4]) == 0x321


def test_signals_and_interrupts_by_a_write_with_data() -> None:
    """As by ``fast_wr``: context 6 of ME 0x11 is signalled ``cap.signal_latency`` after service; raw bit 8 x 1 + 0."""
    message = 0x11 << 7 | 6 << 4 | 9
    lines = [*set_out(message), "cap[write, $x0, INTERTHREAD_SIG, 1]", "cap[write, $x0, XSCALE_INT_B, 1]"]
    chip = OneChip({1: program(lines)})
    path = Path(chip.hardware)
    time = path.pulled(path.arrival(3), 1) + chip.hardware["cap.signal_latency"]
    chip.run(time)
    assert int(chip.chip["me"]["signals"][5, 6]) >> 9 & 1 == 0
    chip.run(time + 1)
    assert int(chip.chip["me"]["signals"][5, 6]) >> 9 & 1 == 1
    assert [int(word) for word in chip.chip["interrupt_raw"]] == [0, 0, 1 << 8, 0]


# --- PCI --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("latency", [0, 61])
@pytest.mark.parametrize("words", [1, 5])
def test_a_pci_command_takes_its_latency_longer(latency: int, words: int) -> None:
    overrides = {"pci.latency": latency}
    for name, value in (("read", 0), ("write", 0x66)):
        head = [*set_out(value), *load("a", 0xFFC - 4 * (words - 1))]
        lines = [*head, f"pci[{name}, $x0, a, 0, {words}], sig_done[s]", "ctx_arb[s]", *STAMP]
        chip = OneChip({0: program(lines)}, overrides=overrides)
        chip.run(1_000)
        hardware, path = chip.hardware, Path(chip.hardware)
        arrival, longword = path.arrival(len(head)), hardware["scratch.longword_cycles"]
        delay = hardware["scratch.controller_delay"] + latency
        expected = path.pushed(arrival + longword + delay, words)
        if name == "write":
            expected = path.pulled(arrival, words) + words * longword + delay
        assert chip.local_memory(0, 1) == [expected]
        assert int(chip.chip["pci_csr"][1024 - words]) == value
        assert (int(chip.chip["references"][SCRATCH]), int(chip.chip["longwords"][SCRATCH])) == (1, words)


@pytest.mark.parametrize(("address", "fault"), [(0xFFC, Fault.NONE), (0x1000, Fault.ACCESS_OUTSIDE)])
def test_there_is_nothing_on_the_pci_bus(address: int, fault: int) -> None:
    chip = OneChip({0: program([*load("a", address), "pci[read, $x0, a, 0, 1], sig_done[s]"])})
    record = chip.run(1_000)
    assert int(record["fault"]) == fault
    if fault:
        assert int(record["fault_time"]) == Path(chip.hardware).arrival(2)


@pytest.mark.parametrize("longword", [2, 3, 16])
def test_a_fast_write_is_served_as_one_longword(longword: int) -> None:
    """The read behind it, granted an edge later, waits for the unit."""
    lines = [*load("a", 0), "cap[fast_wr, 0, INTERTHREAD_SIG]", "scratch[read, $x0, a, 0, 1], sig_done[s]"]
    chip = OneChip({0: program([*lines, "ctx_arb[s]", *STAMP])}, overrides={"scratch.longword_cycles": longword})
    assert int(chip.run(2_000)["fault"]) == Fault.NONE
    path, hardware = Path(chip.hardware), chip.hardware
    service = path.arrival(2) + max(longword, hardware["chassis_cycles"])
    assert chip.local_memory(0, 1) == [path.pushed(service + longword + hardware["scratch.controller_delay"], 1)]
