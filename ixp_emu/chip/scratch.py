"""The scratch unit: scratchpad memory, rings, atomics, the hash unit and the CSR access proxy (CAP)."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import ACTION_AUX, MASTER_HASH, MASTER_SCRATCH, Command, Fault
from ixp_emu.chip.compiled import compiled, s64, small, u
from ixp_emu.chip.delivery import bus_of, complete, free_inlet, reply
from ixp_emu.chip.dispatch import compiled_semantics
from ixp_emu.chip.layout import SCRATCH
from ixp_emu.chip.queues import fail, pop, release
from ixp_emu.isa.csr import CAP_CSRS

__all__ = ["atomic", "ring_flag", "ring_may_run_ahead", "serve_scratch"]

_INTERTHREAD_SIG = CAP_CSRS["INTERTHREAD_SIG"].address
_XSCALE_INT_A = CAP_CSRS["XSCALE_INT_A"].address
_XSCALE_INT_B = CAP_CSRS["XSCALE_INT_B"].address
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
def ring_flag(chip: Any, ring: int, time: int) -> int:
    """The status flag of a ring as ``br_inp_state`` sees it at a time."""
    if time < chip.ring_flag_time[u(ring)]:
        return s64(chip.ring_flag_before[u(ring)])
    return s64(chip.ring_flag[u(ring)])


@small
def _update_flag(chip: Any, ring: int, time: int) -> None:
    """Recompute a ring's status flag after a put or get at ``time``."""
    if chip.ring_empty_flag[u(ring)]:
        flag = 1 if chip.ring_count[u(ring)] == 0 else 0
    else:
        flag = 1 if chip.ring_count[u(ring)] > chip.ring_size[u(ring)] - chip.ring_margin else 0
    if flag != chip.ring_flag[u(ring)]:
        chip.ring_flag_before[u(ring)] = chip.ring_flag[u(ring)]
        chip.ring_flag[u(ring)] = flag
        chip.ring_flag_time[u(ring)] = time + chip.ring_lag


@small
def ring_may_run_ahead(chip: Any, command: Any, now: int) -> bool:
    """Whether a put or get can be served before its time: no flag change is pending, and it does not overflow."""
    ring = (s64(command.address) >> 2) & 15
    if chip.ring_flag_time[u(ring)] > now:
        return False
    return command.code == Command.GET or chip.ring_count[u(ring)] + command.count <= chip.ring_size[u(ring)]


@compiled
def _ring(chip: Any, command: Any, time: int) -> int:
    """Serve a put or get; returns the longwords moved, -1 after a fault."""
    ring = (command.address >> 2) & 15
    count = s64(command.count)
    size = chip.ring_size[u(ring)]
    base = chip.ring_base[u(ring)] >> 2
    if command.code == Command.PUT:
        if chip.ring_count[u(ring)] + count > size:
            fail(chip, Fault.RING_FULL, time, s64(command.me), s64(command.ctx), ring)
            return -1
        tail = chip.ring_head[u(ring)] + chip.ring_count[u(ring)]
        for i in range(count):
            chip.scratch[u(base + ((tail + i) & (size - 1)))] = command.data[u(i)]
        chip.ring_count[u(ring)] += count
        chip.last_change = time
    elif chip.ring_count[u(ring)] < count:
        command.data[u(0)] = 0
        command.push_words = 1
        return 1
    else:
        head = chip.ring_head[u(ring)]
        for i in range(count):
            command.data[u(i)] = chip.scratch[u(base + ((head + i) & (size - 1)))]
        chip.ring_head[u(ring)] = (head + count) & (size - 1)
        chip.ring_count[u(ring)] -= count
        chip.last_change = time
    _update_flag(chip, ring, time)
    return count


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
def _cap_fast_write(chip: Any, slot: int, command: Any, time: int) -> None:
    """A posted CSR write: inter-thread signal, interrupt, or plain storage."""
    address = command.address
    data = s64(command.data[u(0)])
    if address == _INTERTHREAD_SIG:
        target = (data >> 7) & 0x1F
        if (target & 0x0C) == 0 and (data & 15) != 0:
            command.action = ACTION_AUX
            command.code = Command.SIGNAL
            command.me = (target >> 4) * 4 + (target & 3)
            command.ctx = (data >> 4) & 7
            command.signal = data & 15
            complete(chip, slot, command, time + chip.cap_signal_latency)
            return
    elif address == _XSCALE_INT_A or address == _XSCALE_INT_B:
        word = (command.me >> 2) + (2 if address == _XSCALE_INT_B else 0)
        chip.interrupt_raw[u(word)] |= 1 << ((command.me & 3) * 8 + command.ctx)
    else:
        chip.cap_csr[u((address >> 2) % 0x1800)] = data
    release(chip, slot)


@compiled
def serve_scratch(chip: Any, time: int) -> None:
    """Phase 1: serve the head of the scratch unit's inlet."""
    inlet = chip.inlet[u(SCRATCH)]
    slot = s64(inlet.head)
    command = chip.pool[u(slot)]
    code = s64(command.code)
    pop(chip, inlet)
    free_inlet(chip, time)
    chip.references[u(SCRATCH)] += 1
    chip.structure_refs[u(SCRATCH), u(command.structure)] += 1
    chip.queue_wait[u(SCRATCH)] += time - command.ready
    delay = chip.delay[u(SCRATCH)]
    longword = chip.longword_cycles[u(SCRATCH)]
    words = 1
    bus = bus_of(s64(command.me))
    busy = chip.command_cycles[u(SCRATCH)]
    if code >= Command.HASH_48 and code <= Command.HASH_128:
        _hash(chip, command)
        end = max(time, chip.hash_free) + command.count * chip.hash_cycles
        chip.hash_free = end
        words = s64(command.push_words)
        answer = end - chip.hash_cycles + chip.hash_latency[u(code - Command.HASH_48)] + delay
        reply(chip, slot, command, bus, MASTER_HASH, answer)
    elif code == Command.CAP_FAST_WRITE:
        _cap_fast_write(chip, slot, command, time)
    else:
        address = command.address & 0xFFFFFFFC
        if code == Command.PUT or code == Command.GET:
            words = _ring(chip, command, time)
            if words < 0:
                return
        elif code == Command.CAP_READ or code == Command.CAP_WRITE:
            words = s64(command.count)
            first = (address >> 2) % 0x1800
            for i in range(words):
                if code == Command.CAP_READ:
                    command.data[u(i)] = chip.cap_csr[u((first + i) % 0x1800)]
                else:
                    chip.cap_csr[u((first + i) % 0x1800)] = command.data[u(i)]
        else:
            words = s64(command.count) if code <= Command.WRITE else 1
            if address + words * 4 > chip.size_bytes[u(SCRATCH)]:
                fail(chip, Fault.ACCESS_OUTSIDE, time, s64(command.me), s64(command.ctx), address)
                return
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
        if command.push_words > 0:
            reply(chip, slot, command, bus, MASTER_SCRATCH, time + longword + delay)
        else:
            complete(chip, slot, command, time + busy + delay)
    chip.longwords[u(SCRATCH)] += words
    chip.structure_longwords[u(SCRATCH), u(command.structure)] += words
    chip.unit_busy[u(SCRATCH)] += busy
    chip.unit_free[u(SCRATCH)] = time + busy
