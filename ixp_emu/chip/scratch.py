"""The scratch unit: scratchpad memory, atomics and the hash unit; it also serves rings, CAP, PCI and reflector."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.cap import fast_write, serve_proxy
from ixp_emu.chip.codes import MASTER_HASH, MASTER_SCRATCH, Command, Fault
from ixp_emu.chip.compiled import compiled, s64, small, u
from ixp_emu.chip.delivery import answer_cycles, bus_of, complete, reply
from ixp_emu.chip.dispatch import compiled_semantics
from ixp_emu.chip.inlets import free_inlet
from ixp_emu.chip.layout import SCRATCH
from ixp_emu.chip.queues import fail_command, pop, release
from ixp_emu.chip.rings import ring_flag, serve_ring
from ixp_emu.isa.csr import CAP_CSRS

__all__ = ["atomic", "ring_flag", "serve_scratch"]

_MULTIPLIERS = CAP_CSRS["HASH_MULTIPLIER_48_0"].address >> 2

_hash_48 = compiled_semantics("hash_48")
_hash_64 = compiled_semantics("hash_64")
_hash_128 = compiled_semantics("hash_128")


@small
def atomic(code: int, old: int, operand: int) -> int:
    """The new value of a longword after an atomic command."""
    if code == Command.ADD:
        return (old + operand) & 0xFFFFFFFF
    if code == Command.INCR:
        return (old + 1) & 0xFFFFFFFF
    if code == Command.DECR:
        return (old - 1) & 0xFFFFFFFF
    if code == Command.SUB:
        return (old - operand) & 0xFFFFFFFF
    if code == Command.SET:
        return old | operand
    if code == Command.CLR:
        return old & (operand ^ 0xFFFFFFFF)
    return operand


@small
def _multiplier(chip: Any, index: int) -> int:
    return s64(chip.cap_csr[u(_MULTIPLIERS + index)])


@compiled
def _hash(chip: Any, command: Any) -> None:
    """Replace keys by their hashes, in place in the command's data."""
    for key in range(command.count):
        if command.code == Command.HASH_48:
            at = key * 2
            low, high = _hash_48(
                s64(command.data[u(at)]),
                s64(command.data[u(at + 1)]) & 0xFFFF,
                _multiplier(chip, 0),
                _multiplier(chip, 1),
            )
            command.data[u(at)] = low
            command.data[u(at + 1)] = high
        elif command.code == Command.HASH_64:
            at = key * 2
            low, high = _hash_64(
                s64(command.data[u(at)]), s64(command.data[u(at + 1)]), _multiplier(chip, 2), _multiplier(chip, 3)
            )
            command.data[u(at)] = low
            command.data[u(at + 1)] = high
        else:
            at = key * 4
            key128 = (
                s64(command.data[u(at)]),
                s64(command.data[u(at + 1)]),
                s64(command.data[u(at + 2)]),
                s64(command.data[u(at + 3)]),
            )
            factor = (_multiplier(chip, 4), _multiplier(chip, 5), _multiplier(chip, 6), _multiplier(chip, 7))
            w0, w1, w2, w3 = _hash_128(key128, factor)
            command.data[u(at)] = w0
            command.data[u(at + 1)] = w1
            command.data[u(at + 2)] = w2
            command.data[u(at + 3)] = w3


@compiled
def serve_scratch(chip: Any, time: int) -> bool:
    """Phase 1: serve the head of the scratch unit's inlet; false if it is a fault, which waits for its time."""
    inlet = chip.inlet[u(SCRATCH)]
    slot = s64(inlet.head)
    command = chip.pool[u(slot)]
    code = s64(command.code)
    delay = chip.delay[u(SCRATCH)]
    longword = chip.longword_cycles[u(SCRATCH)]
    words = 1
    busy = chip.command_cycles[u(SCRATCH)]
    hashes = code >= Command.HASH_48 and code <= Command.HASH_128
    if code == Command.PUT or code == Command.GET:
        words = serve_ring(chip, command, time)
        if words < 0:
            return False
        busy = max(busy, words * longword)
    elif hashes:
        _hash(chip, command)
        words = s64(command.push_words)
    elif code == Command.CAP_FAST_WRITE:
        fast_write(chip, command, time)
        busy = max(busy, longword)
    elif code >= Command.CAP_READ:
        words = serve_proxy(chip, command, code, time)
        if words < 0:
            return False
        if code == Command.PCI_READ or code == Command.PCI_WRITE:
            delay += chip.pci_latency
        busy = max(busy, words * longword)
    else:
        address = command.address & 0xFFFFFFFC
        words = s64(command.count) if code <= Command.WRITE else 1
        if address + words * 4 > chip.size_bytes[u(SCRATCH)]:
            fail_command(chip, command, Fault.ACCESS_OUTSIDE, time, address)
            return False
        first = address >> 2
        if code == Command.READ:
            for i in range(words):
                command.data[u(i)] = chip.scratch[u(first + i)]
        elif code == Command.WRITE:
            for i in range(words):
                chip.scratch[u(first + i)] = command.data[u(i)]
        else:
            old = s64(chip.scratch[u(first)])
            chip.scratch[u(first)] = atomic(code, old, s64(command.data[u(0)]))
            command.data[u(0)] = old
        busy = max(busy, words * longword)
    pop(chip, inlet)
    free_inlet(chip, SCRATCH, time)
    chip.references[u(SCRATCH)] += 1
    chip.longwords[u(SCRATCH)] += words
    chip.structure_refs[u(SCRATCH), u(command.structure)] += 1
    chip.structure_longwords[u(SCRATCH), u(command.structure)] += words
    chip.queue_wait[u(SCRATCH)] += time - command.ready
    chip.unit_busy[u(SCRATCH)] += busy
    chip.unit_free[u(SCRATCH)] = time + busy
    bus = bus_of(s64(command.push_me))
    if hashes:
        end = max(time, chip.hash_free) + command.count * chip.hash_cycles
        chip.hash_free = end
        answer = end - chip.hash_cycles + chip.hash_latency[u(code - Command.HASH_48)] + delay
        reply(chip, slot, command, bus, MASTER_HASH, answer)
    elif command.push_words > 0:
        answer = answer_cycles(words * longword, words, longword, chip.sbus_cycles)
        reply(chip, slot, command, bus, MASTER_SCRATCH, time + answer + delay)
    elif code == Command.CAP_FAST_WRITE:
        release(chip, slot)
    else:
        complete(chip, slot, command, time + busy + delay)
    return True
