"""Reflector, PCI and CSRs behind the CAP in the reference model; cycle numbers derived by hand from the contract."""

from __future__ import annotations

import pytest

from ixp_emu.chip.hardware import Hardware, resolve_hardware

from . import ReferenceChip
from .encode import KILL, NOP, alu, br, cap, pci, reflect, restricted_immediate, scratch, transfer

READ, WRITE = 0, 1
RING_3 = 0x4800 + 16 * 3
H = resolve_hardware()
REPLY = H["scratch.longword_cycles"] + H["scratch.controller_delay"]  # service to push request, or to completion of one


def hardware(**overrides: int) -> Hardware:
    return resolve_hardware(overrides={name.replace("__", ".", 1): value for name, value in overrides.items()})


def chip_with(*words: int, machine: Hardware | None = None, me: int = 0) -> ReferenceChip:
    chip = ReferenceChip(machine or hardware())
    chip.load(me, [*words, KILL], contexts=1)
    return chip


def finish(chip: ReferenceChip, cycles: int = 500) -> ReferenceChip:
    chip.run(cycles)
    assert chip.fault is None, chip.fault
    return chip


def signals(chip: ReferenceChip) -> dict[tuple[int, int], int]:
    found = {}
    for engine in chip.me:
        found |= {(engine.number, n): context.signals for n, context in enumerate(engine.contexts) if context.signals}
    return found


# ---------------------------------------------------------------- reflector


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("initiator", {(0, 0): 1 << 3}),
        ("remote", {(5, 6): 1 << 3}),
        ("both", {(0, 0): 1 << 3, (5, 6): 1 << 3}),
    ],
)
@pytest.mark.parametrize("code", [READ, WRITE])
def test_reflector_moves_registers_and_signals(code: int, to: str, expected: dict[tuple[int, int], int]) -> None:
    """Between $2.. of ME 0, context 0, and $5.. of ME 0x11 (number 5), context 6."""
    chip = chip_with(reflect(code, 0x11, 6, 5, to=to, count=3, xfer=2, signal=3))
    near, far = chip.me[0], chip.me[5]
    near.sram_out[2:5], far.sram_out[101:104] = [1, 2, 3], [4, 5, 6]
    # Arrives at 14, pulled at 14, there at 14 + 6 + 6; pushed at the first edge from 26 + REPLY on.
    request = 26 + REPLY
    delivery = request + request % 2 + 6 + H["push.latency"]
    chip.run(delivery)
    assert not any(near.sram_in) and not any(far.sram_in) and not signals(chip)
    chip.step()
    assert near.sram_in[2:5] == ([4, 5, 6] if code == READ else [0] * 3)
    assert far.sram_in[101:104] == ([1, 2, 3] if code == WRITE else [0] * 3)
    assert signals(chip) == expected
    assert chip.scratch_unit.cap_counters.latencies == [delivery]
    assert (chip.scratch_unit.cap_counters.references, chip.scratch_unit.cap_counters.longwords) == (1, 3)


@pytest.mark.parametrize(("code", "pull", "push"), [(READ, 1, 0), (WRITE, 0, 1)])
def test_reflector_uses_the_buses_of_both_clusters(code: int, pull: int, push: int) -> None:
    chip = finish(chip_with(reflect(code, 0x12, 0, 0, signal=1)))
    grants = {name: bus.grants for name, bus in chip.buses.items() if bus.grants}
    assert grants == {f"S_pull{pull}": 1, f"S_push{push}": 1}


def test_reflector_registers_wrap_in_the_file() -> None:
    chip = chip_with(reflect(WRITE, 1, 7, 14, count=4, signal=1))
    chip.me[0].sram_out[:4] = [1, 2, 3, 4]
    finish(chip)
    assert chip.me[1].sram_in[126:] + chip.me[1].sram_in[:2] == [1, 2, 3, 4]


@pytest.mark.parametrize(("me", "fault"), [(0x13, False), (0x04, True), (0x14, True)])
def test_reflector_to_an_me_that_does_not_exist(me: int, fault: bool) -> None:
    chip = chip_with(NOP, reflect(READ, me, 0, 0, signal=1))
    chip.run(100)
    assert (chip.fault is not None) == fault
    if chip.fault is not None:
        assert (chip.fault.kind, chip.fault.time, chip.fault.pc) == ("outside memory", 1, 1)


def test_reflector_needs_room_in_the_push_queue_of_the_other_cluster() -> None:
    # Two writes to cluster 1 fill the queue there; a third one waits, a read into the own cluster would not.
    machine = hardware(sbus__push_depth=2)
    for last, waits in ((reflect(WRITE, 0x10, 0, 0), True), (reflect(READ, 0x10, 0, 0), False)):
        words = [reflect(WRITE, 0x10, 0, 0), reflect(WRITE, 0x10, 0, 0), last]
        chip = chip_with(*words, machine=machine)
        # Pulls are granted from 14 on; the first push is granted at 22 + REPLY, the third would be served long before.
        chip.run(22 + REPLY)
        assert chip.scratch_unit.cap_counters.references == (2 if waits else 3)
        chip.run(22 + REPLY + 2)
        assert chip.scratch_unit.cap_counters.references == 3


def test_a_context_can_wait_for_its_reflector_command() -> None:
    chip = chip_with(reflect(READ, 0x10, 2, 3, signal=4, wait=1), alu("B", 5, 0, transfer(0)))
    chip.me[4].sram_out[35] = 88
    finish(chip)
    assert chip.me[0].gpr_a[5] == 88


# ---------------------------------------------------------------- PCI


@pytest.mark.parametrize("latency", [0, 60])
def test_pci_follows_the_scratch_path_with_its_latency_added(latency: int) -> None:
    machine = hardware(pci__latency=latency)
    words = [pci(WRITE, 8, count=2, signal=1, wait=1), pci(READ, 12, xfer=4, signal=2, wait=1)]
    chip = chip_with(*words, machine=machine)
    chip.me[0].sram_out[:2] = [5, 6]
    finish(chip)
    assert chip.scratch_unit.pci.read_words(8, 2) == [5, 6] and chip.me[0].sram_in[4] == 6
    # Two longwords pulled at 14, there at 24; busy for 4. The second one issues when the signal is set.
    write = 24 + 4 + H["scratch.controller_delay"] + latency
    issue = write
    read = H["scratch.idle_latency"] + latency - issue % 2
    assert chip.scratch_unit.cap_counters.latencies == [write, read]


@pytest.mark.parametrize(("address", "fault"), [(0xFF8, False), (0xFFC, True)])
def test_no_device_is_on_the_pci_bus(address: int, fault: bool) -> None:
    chip = chip_with(pci(READ, a=1, count=2, signal=1))
    chip.me[0].gpr_a[1] = address
    chip.run(100)
    assert (chip.fault is not None) == fault
    if chip.fault is not None:
        assert (chip.fault.kind, chip.fault.time) == ("outside memory", 14)


# ---------------------------------------------------------------- ring CSRs


def test_ring_csrs_set_a_ring() -> None:
    # Base 0x400, 256 longwords; head 250, tail 4: ten entries, the oldest at longword 250.
    chip = chip_with(cap(WRITE, RING_3, count=3, signal=1, wait=1), scratch(9, 3 << 2, count=8, xfer=4, signal=2))
    chip.me[0].sram_out[:3] = [1 << 30 | 0x400, 250 * 4, 4 * 4]
    chip.scratch.write_words(0x400 + 4 * 250, [1, 2, 3, 4, 5, 6])
    chip.scratch.write_words(0x400, [7, 8, 9, 10])
    finish(chip)
    assert chip.me[0].sram_in[4:12] == [1, 2, 3, 4, 5, 6, 7, 8]
    ring = chip.scratch_unit.rings[3]
    assert (ring.base, ring.size, ring.head, ring.count) == (0x400, 256, 2, 2)


def test_ring_csrs_read_as_they_are() -> None:
    chip = chip_with(cap(READ, RING_3, count=3, xfer=1, signal=1))
    chip.configure_ring(3, base=0x800, size=512, flag_empty=True, contents=[1, 2, 3])
    chip.scratch_unit.rings[3].head = 511
    finish(chip)
    assert chip.me[0].sram_in[1:4] == [2 << 30 | 1 << 26 | 0x800, 511 * 4, 2 * 4]


def test_head_and_tail_are_taken_modulo_the_size() -> None:
    chip = chip_with(cap(WRITE, RING_3 + 4, count=2, signal=1))
    chip.configure_ring(3, base=0, size=128, contents=[])
    chip.me[0].sram_out[:2] = [(128 + 7) * 4 + 3, 256 * 4 + 12]
    finish(chip)
    assert (chip.scratch_unit.rings[3].head, chip.scratch_unit.rings[3].count) == (7, (3 - 7) % 128)


@pytest.mark.parametrize("lag", [1, 2])
def test_the_flag_follows_a_csr_write(lag: int) -> None:
    # TAIL makes 100 entries of 128: near full (above 96). Served at 22; br_inp_state is tried each cycle from 1 on.
    tests = [br(60, condition=20, parameter=2 + 3, stage=2)] * 40
    chip = ReferenceChip(hardware(scratch__ring_flag_lag=lag))
    chip.load(0, [cap(WRITE, RING_3 + 8, signal=1), *tests, *[NOP] * 20, KILL], contexts=1)
    chip.configure_ring(3, base=0, size=128, contents=[])
    chip.me[0].sram_out[0] = 400
    finish(chip, 22 + lag)
    assert chip.me[0].aborted == 0
    chip.run(22 + lag + 3)
    assert chip.me[0].aborted == 2, "taken at 22 + lag"


def test_a_ring_outside_the_scratchpad_is_a_fault() -> None:
    chip = chip_with(cap(WRITE, RING_3, signal=1, wait=1), scratch(10, 3 << 2, signal=2))
    chip.me[0].sram_out[0] = H["scratch.size_bytes"]
    chip.run(300)
    assert chip.fault is not None and chip.fault.kind == "outside memory"


# ---------------------------------------------------------------- other CAP CSRs


@pytest.mark.parametrize("name", ["THREAD_MESSAGE", "SELF_DESTRUCT_0", "SELF_DESTRUCT_1"])
def test_csrs_that_are_0_after_a_read(name: str) -> None:
    chip = ReferenceChip(hardware())
    csr = chip.scratch_unit.cap_addresses[name]
    reads = [cap(READ, csr, xfer=n, signal=1, wait=1) for n in range(2)]
    chip.load(0, [cap(WRITE, csr, signal=1, wait=1), *reads, KILL], contexts=1)
    chip.me[0].sram_out[0] = 0xABCD
    finish(chip)
    assert chip.me[0].sram_in[:2] == [0xABCD, 0]


def test_a_computed_address_is_the_sum_of_its_operands() -> None:
    operands = {"a": 1, "b": restricted_immediate(8)}
    words = [computed(WRITE, **operands), computed(READ, xfer=2, **operands)]
    chip = chip_with(*words)
    chip.me[0].gpr_a[1] = RING_3 - 8
    chip.me[0].sram_out[0] = 0x1C0
    finish(chip)
    assert chip.scratch_unit.rings[3].base == 0x1C0 and chip.me[0].sram_in[2] == 0x1C0


def computed(code: int, **fields: int) -> int:
    """cap[read] or cap[write] with address operands: class 0x3e and 0x3f, token 0."""
    return pci(code, signal=1, wait=1, **fields) ^ (0x4 ^ 0xE) << 32


def test_a_write_of_interthread_sig_acts_like_fast_wr() -> None:
    chip = ReferenceChip(hardware())
    csr = chip.scratch_unit.cap_addresses["INTERTHREAD_SIG"]
    chip.load(0, [cap(WRITE, csr, signal=1), KILL], contexts=1)
    chip.me[0].sram_out[0] = 0x13 << 7 | 2 << 4 | 7
    # Pulled at 14, served at 22.
    chip.run(22 + H["cap.signal_latency"])
    assert not chip.me[7].contexts[2].signals
    chip.step()
    assert chip.me[7].contexts[2].signals == 1 << 7
