"""The CSR access proxy (CAP): CSRs behind it, the PCI unit's CSRs, and commands that reach other MEs' registers."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import ACTION_AUX, Command, Fault
from ixp_emu.chip.compiled import compiled, s64, small, u
from ixp_emu.chip.delivery import deliver
from ixp_emu.chip.layout import CAP_BYTES, MAILBOX_OFFSETS, MAILBOXES, PCI_WORDS, SCRATCH
from ixp_emu.chip.queues import allocate, fail_command
from ixp_emu.chip.rings import RING_CSRS, RING_CSRS_END, read_ring_register, write_ring_register
from ixp_emu.isa.csr import CAP_CSRS

__all__ = ["fast_write", "serve_proxy"]

_MAILBOX_MASK = sum(1 << (offset - MAILBOXES >> 2) for offset in MAILBOX_OFFSETS)
_MAILBOX_BITS = _MAILBOX_MASK.bit_length()
_INTERTHREAD_SIG = CAP_CSRS["INTERTHREAD_SIG"].address
_XSCALE_INT_A = CAP_CSRS["XSCALE_INT_A"].address
_XSCALE_INT_B = CAP_CSRS["XSCALE_INT_B"].address
_CLEARED_FIRST = CAP_CSRS["THREAD_MESSAGE"].address
_CLEARED_LAST = CAP_CSRS["SELF_DESTRUCT_1"].address
assert {"THREAD_MESSAGE", "SELF_DESTRUCT_0", "SELF_DESTRUCT_1"} == {
    name for name, csr in CAP_CSRS.items() if _CLEARED_FIRST <= csr.address <= _CLEARED_LAST
}, "the CSRs that a read clears stand together"


@small
def _is_ring_register(address: int) -> bool:
    return address >= RING_CSRS and address < RING_CSRS_END


@compiled
def _read(chip: Any, address: int) -> int:
    """A CSR by byte address."""
    if _is_ring_register(address):
        return read_ring_register(chip, address)
    value = s64(chip.cap_csr[u(address >> 2)])
    if address >= _CLEARED_FIRST and address <= _CLEARED_LAST:
        chip.cap_csr[u(address >> 2)] = 0
    return value


@compiled
def _signal_thread(chip: Any, value: int, time: int) -> None:
    """Signal the context that an INTERTHREAD_SIG value names; nothing for an ME that does not exist."""
    target = (value >> 7) & 0x1F
    if (target & 0x0C) != 0 or (value & 15) == 0:
        return
    slot = allocate(chip)
    signal = chip.pool[u(slot)]
    signal.code = Command.SIGNAL
    signal.action = ACTION_AUX
    signal.unit = SCRATCH
    signal.me = (target >> 4) * 4 + (target & 3)
    signal.ctx = (value >> 4) & 7
    signal.signal = value & 15
    deliver(chip, time + chip.cap_signal_latency, slot)


@compiled
def _wake_host(chip: Any, time: int) -> None:
    """What the control processor waits for came about."""
    if chip.host_latency > 0:
        chip.host_woken = min(chip.host_woken, time)


@compiled
def _note_mailbox(chip: Any, address: int, time: int) -> None:
    """Remember which mailbox or doorbell was written, for the control processor."""
    number = (address - MAILBOXES) >> 2
    if number >= 0 and number < _MAILBOX_BITS:
        bit = (1 << number) & _MAILBOX_MASK
        chip.pci_written |= bit
        if chip.host_mailboxes & bit:
            _wake_host(chip, time)


@compiled
def _write(chip: Any, address: int, value: int, engine: int, context: int, time: int) -> None:
    """Write a CSR by byte address, with its effect; engine and context are the writer's."""
    if _is_ring_register(address):
        write_ring_register(chip, address, value, time)
    elif address == _INTERTHREAD_SIG:
        _signal_thread(chip, value, time)
    elif address == _XSCALE_INT_A or address == _XSCALE_INT_B:
        word = (engine >> 2) + (2 if address == _XSCALE_INT_B else 0)
        bit = 1 << ((engine & 3) * 8 + context)
        chip.interrupt_raw[u(word)] |= bit
        if s64(chip.host_interrupts[u(word)]) & bit:
            _wake_host(chip, time)
    else:
        chip.cap_csr[u(address >> 2)] = value


@compiled
def fast_write(chip: Any, command: Any, time: int) -> None:
    """A posted CSR write."""
    address = s64(command.address) & (CAP_BYTES - 4)
    _write(chip, address, s64(command.data[u(0)]), s64(command.me), s64(command.ctx), time)


@compiled
def serve_proxy(chip: Any, command: Any, code: int, time: int) -> int:
    """Serve a CAP, PCI or reflector command; returns its longwords, -1 if it is a fault."""
    words = s64(command.count)
    if code >= Command.REFLECT_READ:  # data and signals find their MEs on the buses
        return words
    address = s64(command.address) & 0xFFFFFFFC
    pci = code == Command.PCI_READ or code == Command.PCI_WRITE
    if address + words * 4 > (PCI_WORDS * 4 if pci else CAP_BYTES):
        fail_command(chip, command, Fault.ACCESS_OUTSIDE, time, address)
        return -1
    for i in range(words):
        at = address + i * 4
        if code == Command.CAP_READ:
            command.data[u(i)] = _read(chip, at)
        elif code == Command.CAP_WRITE:
            _write(chip, at, s64(command.data[u(i)]), s64(command.me), s64(command.ctx), time)
        elif code == Command.PCI_READ:
            command.data[u(i)] = chip.pci_csr[u(at >> 2)]
        else:
            chip.pci_csr[u(at >> 2)] = command.data[u(i)]
            _note_mailbox(chip, at, time)
    return words
