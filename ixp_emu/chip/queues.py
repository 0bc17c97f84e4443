"""Event keys, the pool of commands in flight and the linked queues they stand in."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.codes import Fault
from ixp_emu.chip.compiled import least_of_6, least_of_8, rare, s64, small, u
from ixp_emu.chip.layout import AGENTS, CHIP, CMD_ARBITER, DELIVERY, ENGINES, PULL, PUSH, UNIT

__all__ = [
    "allocate",
    "append",
    "edge",
    "event_key",
    "fail",
    "fail_command",
    "fail_in_turn",
    "find_first_bus",
    "find_first_engine",
    "find_first_other",
    "first_beside",
    "hasten",
    "pop",
    "release",
    "safe_until",
]

assert (
    AGENTS == 24
    and PUSH == PULL + 3
    and UNIT == PUSH + 3 == CMD_ARBITER - 5
    and CHIP.fields is not None
    and CHIP.fields["keys"][1] == 0
), "the searches for the first key rely on it"


@small
def event_key(time: int, phase: int, agent: int) -> int:
    """Events are ordered by (time, phase, agent)."""
    return (time << 8) | (phase << 5) | agent


@small
def edge(time: int) -> int:
    """The first chassis edge at or after a time."""
    return (time + 1) & ~1


@small
def hasten(chip: Any, agent: int, phase: int, time: int) -> None:
    """Make an agent's next event no later than the given one."""
    key = (time << 8) | (phase << 5) | agent
    if key < chip.keys[u(agent)]:
        chip.keys[u(agent)] = key
        if agent < ENGINES:
            chip.first_engine = min(chip.first_engine, key)
        elif agent >= PULL and agent < UNIT:
            chip.first_bus = min(chip.first_bus, key)
        else:
            chip.first_other = min(chip.first_other, key)


@small
def find_first_engine(chip: Any) -> None:
    """The least key of the MEs, after one of them has run."""
    chip.first_engine = least_of_8(chip, 0)


@small
def find_first_bus(chip: Any) -> None:
    """The least key of the pull and push buses, after one of them has run."""
    chip.first_bus = least_of_6(chip, PULL)


@small
def find_first_other(chip: Any) -> None:
    """The least key of units, command buses and media, after one of them has run."""
    chip.first_other = min(least_of_8(chip, CMD_ARBITER - 4), min(chip.keys[u(DELIVERY)], chip.keys[u(UNIT)]))


@small
def first_beside(chip: Any) -> int:
    """The least key of the agents that are no MEs."""
    return min(chip.first_bus, chip.first_other)


@small
def safe_until(chip: Any) -> int:
    """First cycle in which a delivery may reach an ME that no inbox holds yet, as far as the agents' keys tell."""
    bus = (chip.first_bus >> 8) + chip.bus_lookahead
    other = (chip.first_other >> 8) + chip.other_lookahead
    return min(bus, min(other, (chip.first_engine >> 8) + chip.engine_lookahead))


@rare
def fail(chip: Any, fault: int, time: int, me: int, pc: int, detail: int) -> None:
    """Record the first fault and ask the kernel to stop."""
    if chip.fault == 0:
        chip.fault = fault
        chip.fault_time = time
        chip.fault_me = me
        chip.fault_pc = pc
        chip.fault_detail = detail
    chip.stop = 1


@rare
def fail_command(chip: Any, command: Any, fault: int, time: int, detail: int) -> None:
    """A command is a fault at its service; a unit that looks ahead of the clock leaves it until then."""
    if time <= chip.now:
        chip.fault_context = command.ctx
        fail(chip, fault, time, s64(command.me), s64(command.pc), detail)


@rare
def fail_in_turn(
    chip: Any, horizon: int, fault: int, time: int, engine: int, context: int, pc: int, detail: int
) -> None:
    """The fault of an instruction: an ME that has run ahead waits for its turn, so that the earliest fault counts."""
    key = event_key(time, 3, engine)
    if key >= horizon:
        chip.keys[u(engine)] = key
    else:
        chip.fault_context = context
        fail(chip, fault, time, engine, pc, detail)


@small
def allocate(chip: Any) -> int:
    """Take a free pool slot."""
    chip.pool_top -= 1
    if chip.pool_top < 0:
        chip.pool_top = 0
        fail(chip, Fault.INTERNAL, chip.now, -1, 0, 0)
    return s64(chip.pool_free[u(chip.pool_top)])


@small
def release(chip: Any, slot: int) -> None:
    """Give a pool slot back."""
    chip.pool_free[u(chip.pool_top)] = slot
    chip.pool_top += 1


@small
def append(chip: Any, queue: Any, slot: int) -> None:
    """Put a slot at the end of a queue."""
    if queue.count == 0:
        queue.head = slot
    else:
        chip.pool[u(queue.tail)].next = slot
    queue.tail = slot
    queue.count += 1


@small
def pop(chip: Any, queue: Any) -> int:
    """Take the slot at the head of a queue that is not empty."""
    slot = queue.head
    queue.head = chip.pool[u(slot)].next
    queue.count -= 1
    return s64(slot)
