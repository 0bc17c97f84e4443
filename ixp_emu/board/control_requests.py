"""What a control program can ask for: it yields these requests and is sent their values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ixp_emu.board.host import Host
from ixp_emu.board.memory import check_word
from ixp_emu.board.timers import TIMERS
from ixp_emu.chip.layout import MAILBOX_OFFSETS, MAILBOXES
from ixp_emu.errors import InputError

__all__ = [
    "NO_TIMEOUT",
    "Compute",
    "HostStructure",
    "Read",
    "Request",
    "Sleep",
    "Wait",
    "Wakeup",
    "Write",
    "XScale",
    "mailboxes_of",
]

NO_TIMEOUT = -1
_LONGEST_CYCLES = 1 << 48


class Read(NamedTuple):
    """Read the longword at a physical address."""

    address: int


class Write(NamedTuple):
    """Write the longword at a physical address."""

    address: int
    value: int


class Compute(NamedTuple):
    """Compute, without an effect outside: an operation of the program's table, by number, and its cost."""

    operation: int
    items: int
    cycles: int


class Sleep(NamedTuple):
    """Do nothing for some cycles."""

    cycles: int


class Wait(NamedTuple):
    """Wait until one of several things holds; masks of timers and of mailboxes (as in the chip's ``pci_written``)."""

    interrupts: int
    timers: int
    mailboxes: int
    timeout: int


Request = Read | Write | Compute | Sleep | Wait


class Wakeup(NamedTuple):
    """What there was when a program went on after a wait; of what it did not wait for, nothing.

    Attributes:
        interrupts: pending and enabled bits: A of cluster 0, A of cluster 1, B of cluster 0, B of cluster 1.
        timers: numbers of the timers that have expired.
        mailboxes: PCI CSRs (offsets) that an ME has written since the program was last told of them.
        timed_out: nothing came in time.
    """

    interrupts: tuple[int, int, int, int]
    timers: tuple[int, ...]
    mailboxes: tuple[int, ...]
    timed_out: bool


class _Cost(NamedTuple):
    number: int
    fixed_cycles: int
    per_item_cycles: int


@dataclass(frozen=True, slots=True)
class HostStructure:
    """A data structure of the chip's programs as the host finds it.

    Attributes:
        name: as declared.
        memory: where it is.
        base: physical address of element 0, None in local memory, which the host cannot reach.
        stride_bytes: from one element to the next.
        count: elements.
    """

    name: str
    memory: str
    base: int | None
    stride_bytes: int
    count: int

    def address(self, element: int = 0, *, offset_bytes: int = 0) -> int:
        """Physical address of a longword of an element.

        Raises:
            InputError: no such element or longword, or the structure is in local memory.
        """
        if self.base is None:
            raise InputError("is in local memory, which the host does not see", key=f"structure {self.name}")
        if not 0 <= element < self.count:
            raise InputError(f"element {element!r}: there are {self.count}", key=f"structure {self.name}")
        if not 0 <= offset_bytes <= self.stride_bytes - 4 or offset_bytes % 4:
            raise InputError(
                f"offset {offset_bytes!r}: must be a multiple of 4 below {self.stride_bytes}",
                key=f"structure {self.name}",
            )
        return self.base + element * self.stride_bytes + offset_bytes


def _mask(numbers: bool | Iterable[int], existing: Mapping[int, int], what: str) -> int:
    """Mask of True for all, False for none, or numbers."""
    if isinstance(numbers, bool):
        return sum(1 << bit for bit in existing.values()) if numbers else 0
    mask = 0
    for number in numbers:
        if number not in existing:
            listed = ", ".join(hex(one) if one > TIMERS else str(one) for one in existing)
            raise InputError(f"{number!r}: there are {listed}", key=what)
        mask |= 1 << existing[number]
    return mask


_TIMERS = {number: number for number in range(TIMERS)}
_MAILBOXES = {offset: offset - MAILBOXES >> 2 for offset in MAILBOX_OFFSETS}


def mailboxes_of(mask: int) -> tuple[int, ...]:
    """Offsets of the PCI CSRs of a mask."""
    return tuple(offset for offset, bit in _MAILBOXES.items() if mask >> bit & 1)


class XScale:
    """The control processor as its program knows it. Its methods make requests; ``yield`` has them done.

    Attributes:
        chip: name of the chip.
        hardware: hardware parameters by name.
        structures: data structures of the chip's programs by name.
    """

    def __init__(self, host: Host, *, chip: str, hardware: Any, structures: Mapping[str, HostStructure]) -> None:
        self.chip = chip
        self.hardware = hardware
        self.structures = structures
        self._host = host
        self._costs: dict[str, _Cost] = {}

    def read(self, address: int) -> Read:
        """Read the longword at a physical address; its value is that of the access's last cycle.

        Raises:
            HostError: nothing is there.
        """
        self._host.kind(address)
        return Read(address)

    def write(self, address: int, value: int) -> Write:
        """Write the longword at a physical address.

        Raises:
            InputError: nothing is there, or the value is no longword.
        """
        self._host.kind(address)
        return Write(address, check_word(value, what=f"host address {address:#010x}"))

    def define_cost(self, operation: str, *, fixed_cycles: int, per_item_cycles: int = 0) -> None:
        """Say what an operation costs: ``fixed_cycles + per_item_cycles * items`` cycles.

        Raises:
            InputError: defined already, or it could take no time.
        """
        if operation in self._costs:
            raise InputError("is defined already", key=f"operation {operation}")
        _check_whole(fixed_cycles, 1, f"operation {operation}: fixed_cycles")
        _check_whole(per_item_cycles, 0, f"operation {operation}: per_item_cycles")
        self._costs[operation] = _Cost(len(self._costs), fixed_cycles, per_item_cycles)

    def cost_cycles(self, operation: str, items: int = 0) -> int:
        """Cycles that an operation takes.

        Raises:
            InputError: no such operation, or a number of items that is none.
        """
        return self.compute(operation, items).cycles

    def compute(self, operation: str, items: int = 0) -> Compute:
        """Spend the cycles of an operation on a number of items.

        Raises:
            InputError: no such operation, or a number of items that is none.
        """
        cost = self._costs.get(operation)
        if cost is None:
            known = ", ".join(self._costs) or "none"
            raise InputError(f"no cost is defined; there are: {known}", key=f"operation {operation}")
        _check_whole(items, 0, f"operation {operation}: items")
        cycles = cost.fixed_cycles + cost.per_item_cycles * items
        _check_whole(cycles, 1, f"operation {operation}: cycles")
        return Compute(cost.number, items, cycles)

    def sleep(self, cycles: int) -> Sleep:
        """Do nothing for some cycles.

        Raises:
            InputError: less than one cycle.
        """
        return Sleep(_check_whole(cycles, 1, "sleep"))

    def wait(
        self,
        *,
        interrupts: bool = False,
        timers: bool | Iterable[int] = False,
        mailboxes: bool | Iterable[int] = False,
        timeout: int | None = None,
    ) -> Wait:
        """Wait until one of these holds at the end of a cycle; the value is a :class:`Wakeup`.

        Parameters:
            interrupts: an enabled interrupt is pending.
            timers: one of these timers (0 to 3, True for all) has expired and was not cleared.
            mailboxes: an ME wrote one of these PCI CSRs (offsets 0x50, 0x54, 0x58, 0x5c, 0x60, 0x70; True for all)
                since the program was last told of it.
            timeout: cycles after which to go on in any case.

        Raises:
            InputError: nothing to wait for, or a timer or mailbox that does not exist.
        """
        last = NO_TIMEOUT if timeout is None else _check_whole(timeout, 1, "timeout")
        request = Wait(
            int(interrupts), _mask(timers, _TIMERS, "timers"), _mask(mailboxes, _MAILBOXES, "mailboxes"), last
        )
        if request == Wait(0, 0, 0, NO_TIMEOUT):
            raise InputError("there is nothing to wait for", key="wait")
        return request


def _check_whole(value: int, least: int, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _LONGEST_CYCLES:
        raise InputError(f"{value!r}: must be a whole number from {least} to 2^48", key=what)
    return value
