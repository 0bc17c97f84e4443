"""Scratch rings: put and get, the status flag that lags them, and the CSRs that set a ring up."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import Command, Fault
from ixp_emu.chip.compiled import compiled, s64, small, u
from ixp_emu.chip.layout import SCRATCH
from ixp_emu.chip.queues import fail_command
from ixp_emu.isa.csr import CAP_CSRS

__all__ = [
    "RING_CSRS",
    "RING_CSRS_END",
    "read_ring_register",
    "ring_flag",
    "ring_may_run_ahead",
    "serve_ring",
    "write_ring_register",
]

RING_CSRS = CAP_CSRS["SCRATCH_RING_BASE_0"].address
RING_CSRS_END = RING_CSRS + 0x100
_BASE = 0
_HEAD = 1
_TAIL = 2


@small
def ring_flag(chip: Any, ring: int, time: int) -> int:
    """The status flag of a ring as ``br_inp_state`` sees it at a time."""
    if time < chip.ring_flag_time[u(ring)]:
        if time < chip.ring_flag_first_time[u(ring)]:
            return s64(chip.ring_flag_first[u(ring)])
        return s64(chip.ring_flag_before[u(ring)])
    return s64(chip.ring_flag[u(ring)])


@small
def _update_flag(chip: Any, ring: int, time: int) -> None:
    """Recompute a ring's status flag after a change at ``time``; two earlier flags may still be to be seen."""
    if chip.ring_empty_flag[u(ring)]:
        flag = 1 if chip.ring_count[u(ring)] == 0 else 0
    else:
        flag = 1 if chip.ring_count[u(ring)] > chip.ring_size[u(ring)] - chip.ring_margin else 0
    if flag != chip.ring_flag[u(ring)]:
        shown = time + chip.ring_lag
        if shown != chip.ring_flag_time[u(ring)]:  # else the host changes it again in the cycle of a service
            chip.ring_flag_first[u(ring)] = chip.ring_flag_before[u(ring)]
            chip.ring_flag_first_time[u(ring)] = chip.ring_flag_time[u(ring)]
            chip.ring_flag_before[u(ring)] = chip.ring_flag[u(ring)]
            chip.ring_flag_time[u(ring)] = shown
        chip.ring_flag[u(ring)] = flag


@small
def ring_may_run_ahead(chip: Any, command: Any, now: int) -> bool:
    """Whether a put or get can be served before its time: no flag change is pending."""
    return chip.ring_flag_time[u((s64(command.address) >> 2) & 15)] <= now


@compiled
def _outside(chip: Any, ring: int, first: int, count: int) -> bool:
    """Whether one of ``count`` longwords of a ring from offset ``first`` on, wrapping, lies beyond the scratchpad."""
    size = chip.ring_size[u(ring)]
    last = min((first & (size - 1)) + count, size)
    return chip.ring_base[u(ring)] + last * 4 > chip.size_bytes[u(SCRATCH)]


@compiled
def serve_ring(chip: Any, command: Any, time: int) -> int:
    """Serve a put or get; returns the longwords moved, -1 if it is a fault."""
    ring = (s64(command.address) >> 2) & 15
    count = s64(command.count)
    size = chip.ring_size[u(ring)]
    base = chip.ring_base[u(ring)] >> 2
    if command.code == Command.PUT:
        if chip.ring_count[u(ring)] + count > size:
            fail_command(chip, command, Fault.RING_FULL, time, ring)
            return -1
        tail = chip.ring_head[u(ring)] + chip.ring_count[u(ring)]
        if _outside(chip, ring, tail, count):
            fail_command(chip, command, Fault.ACCESS_OUTSIDE, time, s64(command.address))
            return -1
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
        if _outside(chip, ring, head, count):
            fail_command(chip, command, Fault.ACCESS_OUTSIDE, time, s64(command.address))
            return -1
        for i in range(count):
            command.data[u(i)] = chip.scratch[u(base + ((head + i) & (size - 1)))]
        chip.ring_head[u(ring)] = (head + count) & (size - 1)
        chip.ring_count[u(ring)] -= count
        chip.last_change = time
    _update_flag(chip, ring, time)
    return count


@compiled
def read_ring_register(chip: Any, address: int) -> int:
    """A ring CSR: BASE as it was written, HEAD and TAIL as byte offsets in the ring."""
    ring = (address >> 4) & 15
    register = (address >> 2) & 3
    head = s64(chip.ring_head[u(ring)])
    if register == _HEAD:
        return head << 2
    if register == _TAIL:
        size = chip.ring_size[u(ring)]
        return ((head + chip.ring_count[u(ring)]) & (size - 1)) << 2 if size > 0 else 0
    return s64(chip.cap_csr[u(address >> 2)])


@compiled
def write_ring_register(chip: Any, address: int, value: int, time: int) -> None:
    """Write a ring CSR; a ring that was never given a BASE keeps its HEAD and TAIL at 0."""
    ring = (address >> 4) & 15
    register = (address >> 2) & 3
    size = s64(chip.ring_size[u(ring)])
    head = s64(chip.ring_head[u(ring)])
    tail = s64(head + chip.ring_count[u(ring)])
    if register == _HEAD:
        head = value >> 2
    elif register == _TAIL:
        tail = value >> 2
    else:
        chip.cap_csr[u(address >> 2)] = value
        if register != _BASE:
            return
        size = 128 << (value >> 30)
        chip.ring_size[u(ring)] = size
        chip.ring_base[u(ring)] = value & 0x3FFFFFF
        chip.ring_empty_flag[u(ring)] = (value >> 26) & 1
    if size == 0:
        return
    chip.ring_head[u(ring)] = head & (size - 1)
    chip.ring_count[u(ring)] = (tail - head) & (size - 1)
    chip.last_change = time
    _update_flag(chip, ring, time)
