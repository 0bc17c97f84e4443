"""Loaded latency: Poisson arrivals at a memory controller, against the waiting time of M/D/1.

Requests are put straight into the inlet of a unit, an open source, which microengines never are. The inlet has no limit
here, and requests are writes whose data is there already and that nobody waits for, so no bus takes part. The unit is
the engine's own: it takes each at the first cycle at or after its arrival at which it is free.

Arrival times are drawn as real numbers and rounded to cycles, which for services of 16 cycles and more changes the wait
by less than the rows' tolerance can see.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ixp_emu.calibrate.model import Cited, Row, Series, row
from ixp_emu.calibrate.rules import within
from ixp_emu.calibrate.workbench import Prepare, Workbench
from ixp_emu.chip.codes import Command
from ixp_emu.chip.hardware import Hardware
from ixp_emu.chip.layout import SCRATCH, SRAM0

__all__ = ["mean_wait", "queueing_rows", "waiting_time"]

GROUP = "load"
TOLERANCE = 0.10
_LONGWORDS = 8
_LONGWORD_BYTES = 4
_BLOCK = 500
"""Requests put into the inlet at once; the pool of commands is twice as large."""
_SEED = 2400
_JUDGED = (0.2, 0.4, 0.6, 0.8)
_DRAWN = tuple(step / 20 for step in range(1, 18))
_SOURCE = Cited("M/D/1: mean wait s rho / 2(1 - rho), s the service time", "inferred")


def waiting_time(load: float, service: float) -> float:
    """Mean wait of M/D/1 before service.

    Parameters:
        load: 0 up to (excluding) 1.
        service: time of one service; the wait has its unit.
    """
    return service * load / (2 * (1 - load))


def _append(chip: Any, unit: int, arrivals: NDArray[np.int64]) -> None:
    """Put writes of eight longwords at the end of a unit's inlet, with the times at which they arrive."""
    count = len(arrivals)
    top = int(chip["pool_top"])
    slots = chip["pool_free"][top - count : top].copy()
    chip["pool_top"] = top - count
    commands = chip["pool"]
    commands["code"][slots] = Command.WRITE
    commands["unit"][slots] = unit
    commands["count"][slots] = _LONGWORDS
    commands["address"][slots] = _LONGWORD_BYTES * _LONGWORDS * np.arange(count)
    commands["ready"][slots] = arrivals
    commands["next"][slots[:-1]] = slots[1:]
    inlet = chip["inlet"][unit]
    if inlet["count"]:
        commands["next"][int(inlet["tail"])] = slots[0]
    else:
        inlet["head"] = slots[0]
    inlet["tail"] = slots[-1]
    inlet["count"] += count


def mean_wait(
    hardware: Hardware, unit: int, *, load: float, service: float, requests: int, prepare: Prepare | None = None
) -> float:
    """Measured mean wait of Poisson arrivals, cycles.

    Parameters:
        unit: SCRATCH, SRAM0 or SRAM1.
        load: arrivals a service time.
        service: cycles that a request of eight longwords should take.
    """
    bench = Workbench(hardware, prepare=prepare)
    gaps = np.random.default_rng((_SEED, unit)).exponential(service / load, requests)
    arrivals = np.rint(np.cumsum(gaps)).astype(np.int64)
    begin = 0
    while begin < requests:
        block = arrivals[begin : begin + min(_BLOCK, int(bench.chip["pool_top"]))]
        if not len(block):  # the unit falls behind for good
            break
        _append(bench.chip, unit, block)
        begin += len(block)
        bench.run(int(block[-1]))  # those behind it wait for their time, and nothing that is still to come is late
    bench.run(int(arrivals[begin - 1]) + requests * int(service))
    return int(bench.chip["queue_wait"][unit]) / int(bench.chip["references"][unit])


def queueing_rows(hardware: Hardware, *, quick: bool = False, prepare: Prepare | None = None) -> Iterator[Row | Series]:
    """The group's rows, and waits at more loads for the figure.

    Parameters:
        quick: a tenth of the requests, two loads.
    """
    requests = 100_000 if quick else 1_000_000
    judged = (0.4, 0.8) if quick else _JUDGED
    drawn = judged if quick else _DRAWN
    for unit, name, parameter in (
        (SRAM0, "SRAM write port", "sram.longword_cycles"),
        (SCRATCH, "scratch", "scratch.longword_cycles"),
    ):
        service = float(_LONGWORDS * hardware[parameter])
        waits = {}
        for load in drawn:
            waits[load] = mean_wait(
                hardware, unit, load=load, service=service, requests=requests, prepare=prepare
            )  # fmt: skip
            if load in judged:
                yield row(
                    GROUP, f"{name}, wait at load {load:g}, service {service:g} cycles, {requests:,} requests",
                    "cycles", _SOURCE, within(waiting_time(load, service), TOLERANCE), waits[load],
                )  # fmt: skip
        yield Series(
            figure="latency", name=f"{name}, service {service:g} cycles", x=list(waits),
            measured=list(waits.values()), curve=[waiting_time(load, service) for load in waits],
        )  # fmt: skip
