"""The groups of rows, in the order in which they are measured and shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ixp_emu.calibrate.bandwidth import bandwidth_rows
from ixp_emu.calibrate.firmware import firmware_rows
from ixp_emu.calibrate.latency import latency_rows
from ixp_emu.calibrate.legality import legality_rows
from ixp_emu.calibrate.model import Row, Series
from ixp_emu.calibrate.queueing import queueing_rows
from ixp_emu.calibrate.threads import sweep_rows, thread_rows
from ixp_emu.calibrate.trends import trend_rows
from ixp_emu.calibrate.workbench import Prepare
from ixp_emu.chip.hardware import Hardware
from ixp_emu.errors import InputError

__all__ = ["GROUPS", "Group", "chosen_groups"]


class _Measure(Protocol):
    def __call__(
        self, hardware: Hardware, *, quick: bool = False, prepare: Prepare | None = None
    ) -> Iterator[Row | Series]: ...


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that belong together.

    Attributes:
        name: key in rows and for ``--only``.
        title: for the reader.
        measure: runs its microbenchmarks.
    """

    name: str
    title: str
    measure: _Measure


GROUPS = (
    Group("latency", "Idle latency: one context, mean over both chassis phases", latency_rows),
    Group("bandwidth", "Peak bandwidth against the physical bound", bandwidth_rows),
    Group("threads", "Threads that hide latency", thread_rows),
    Group("bounds", "Closed forms of use and throughput", sweep_rows),
    Group("load", "Loaded latency: Poisson arrivals at an inlet against M/D/1", queueing_rows),
    Group("trends", "Published trends", trend_rows),
    Group("firmware", "The shipped receive and transmit firmware, alone", firmware_rows),
    Group("ddr", "Legality of DDR commands", legality_rows),
)


def chosen_groups(names: list[str] | None) -> tuple[Group, ...]:
    """The groups of these names, all if there are none. Raises InputError for an unknown one."""
    known = {group.name: group for group in GROUPS}
    for name in names or []:
        if name not in known:
            raise InputError(f'no group "{name}"; there are {", ".join(known)}', file="--only")
    return tuple(group for group in GROUPS if not names or group.name in names)
