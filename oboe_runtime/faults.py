"""Faults on purpose: ``[[oboe.fault]]``. A chip stops; messages get lost as they come to a chip, or come twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from msgspec import Meta, Struct

from ixp_emu.cluster.schema import Name
from oboe_runtime.layout import MESSAGE_TYPES, TIMESTAMP_CYCLES

if TYPE_CHECKING:
    from ixp_emu.cluster.run import ClusterRun
    from oboe_runtime.bundles import BundleTable
    from oboe_runtime.config import OboeConfig

__all__ = ["BEHIND_CHANNEL", "Fault", "StoppedChips", "fault_actions", "fault_defines"]

BEHIND_CHANNEL = ("CALL", "REPLY", "REPLICA")
"""Messages whose loss is made good although the channel has brought them; other chips wait for PARTIALs for ever."""
_DEFINES = {"drop_message": "DROPPING", "repeat_call": "REPEATING"}


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault.

    Attributes:
        kind: "chip_stop": all microengines of the chip are put into reset; "drop_message": the next messages of a type
            that come to the chip are lost; "repeat_call": the next calls that come to the home come a second time.
        at_cycle: before this cycle.
        chip: its name.
        message: type of the messages.
        count: how many of them.
        behind_channel: the channel has taken the messages already, and so does not send them again.
        delay_us: after which a call comes a second time.
    """

    kind: Literal["chip_stop", "drop_message", "repeat_call"]
    at_cycle: Annotated[int, Meta(ge=1, le=2**62)]
    chip: Name
    message: Literal["DISPATCH", "CALL", "REPLY", "REPLICA", "PARTIAL", "ACK"] = "CALL"
    count: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    behind_channel: bool = False
    delay_us: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


def fault_defines(faults: Sequence[Fault]) -> dict[str, int]:
    """Symbols for the programs of builds with faults that microcode brings about."""
    return {_DEFINES[fault.kind]: 1 for fault in faults if fault.kind in _DEFINES}


def fault_actions(faults: Sequence[Fault], stopped: StoppedChips) -> Mapping[int, Callable[[ClusterRun], None]]:
    """What happens when, for the run; `stopped` takes note of chips that stop."""
    times = sorted({fault.at_cycle for fault in faults})
    return {time: _Inject([one for one in faults if one.at_cycle == time], stopped) for time in times}


class _Inject:
    def __init__(self, faults: Sequence[Fault], stopped: StoppedChips) -> None:
        self._faults = faults
        self._stopped = stopped

    def __call__(self, run: ClusterRun) -> None:
        for fault in self._faults:
            if fault.kind == "chip_stop":
                self._stopped.stop(run, fault.chip)
            elif fault.kind == "repeat_call":
                steps = fault.delay_us * run.config.hardware["me_clock_khz"] // 1000 // TIMESTAMP_CYCLES
                _order(run, fault.chip, "repeat_order", 0, (fault.count, steps))
            else:
                order = (fault.count, MESSAGE_TYPES[fault.message])
                _order(run, fault.chip, "drop_order", int(fault.behind_channel), order)


def _order(run: ClusterRun, chip: str, structure: str, element: int, words: tuple[int, int]) -> None:
    """Write an order for the chip's microcode."""
    from oboe_runtime.harvest import elements_of

    orders = elements_of(run.machine, run.images, chip, structure)
    assert orders is not None
    orders[element] = words


class StoppedChips:
    """What is lost in chips that have stopped, which count nothing any more.

    It is known when nothing has left or been counted for longer than it takes to notice that a chip is down: then those
    packets that are neither delivered nor counted, and that entered at a stopped chip or belong to a bundle that lives
    there, are lost in it. Any other packet that is missing stays in flight.

    Parameters:
        quiet_cycles: how long that is.
    """

    def __init__(self, faults: Sequence[Fault], oboe: OboeConfig, bundles: BundleTable, *, quiet_cycles: int) -> None:
        self._stops = {fault.chip: fault.at_cycle for fault in faults if fault.kind == "chip_stop"}
        self._oboe = oboe
        self._bundles = bundles
        self._quiet_cycles = quiet_cycles
        self._last = (-1, 0)  # frames left and counted; since when
        self._lost: int | None = None
        self._flows: dict[str, int] = {}

    def stop(self, run: ClusterRun, chip: str) -> None:
        """Stop a chip now; its flows are lost."""
        from ixp_emu.chip.control import reset_engine
        from oboe_runtime.harvest import live_flows

        self._flows[chip] = len(live_flows(run.machine, run.images, chip))
        for engine in range(8):
            reset_engine(run.machine.chips[run.machine.index_of[chip]], engine)

    @property
    def chips(self) -> frozenset[str]:
        """Those that have stopped."""
        return frozenset(self._flows)

    @property
    def flows_lost(self) -> int:
        """Live records of the chips that have stopped, when they did."""
        return sum(self._flows.values())

    def stopped(self, run: ClusterRun) -> bool:
        """Whether a chip has stopped already."""
        return bool(self._stops) and run.now > min(self._stops.values())

    def losses(self, run: ClusterRun, owners: Sequence[str | None]) -> Mapping[str, int]:
        """Packets lost in stopped chips, once that is known.

        Parameters:
            owners: chip of the bundle of each offered frame, None for a malformed one.
        """
        if not self.stopped(run):
            return {}
        if run.now < self._last[1]:  # the run goes a second time through what was already seen
            self._last, self._lost = (-1, 0), None
        if self._lost is not None:
            return {"chip_stopped": self._lost}
        counted = sum(run.counted().values())
        resolved = run.left_frames + counted
        if resolved != self._last[0]:
            self._last = (resolved, run.now)
        if run.entered < len(run.frames) or run.now - self._last[1] < self._quiet_cycles:
            return {}
        ingress = [port.chip in self._stops for port in run.into]
        concerned = np.array([owner in self._stops for owner in owners]) | np.array(ingress)[run.frames.port]
        missing = len(run.frames) - run.left_frames
        self._lost = min(missing - counted, int(np.count_nonzero(concerned)))
        return {"chip_stopped": self._lost}
