"""Oboe as an extension of ixpemu: the table ``[oboe]``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ixp_emu.cluster.config import ClusterConfig, Port
from ixp_emu.cluster.extension import Verdict
from ixp_emu.errors import InputError
from oboe_runtime.bundles import BundleTable, chip_identity, chip_routes, worker_circle
from oboe_runtime.config import PROGRAMS, OboeConfig, read_config
from oboe_runtime.faults import StoppedChips, fault_actions, fault_defines
from oboe_runtime.generate import control_text, worker_text
from oboe_runtime.layout import (
    CALL_TICK_US,
    EVENTS,
    HASH_MULTIPLIER,
    MALFORMED_REASONS,
    PATH_REASONS,
    TICK_US,
    TIMESTAMP_CYCLES,
    chip_bits,
    slices_per_chip,
)
from oboe_runtime.merging import merged_contents, merged_states
from oboe_runtime.oracle import Arrival, Oracle, load_oracle
from oboe_runtime.replicas import versioned_contents, versioned_states

if TYPE_CHECKING:
    from ixp_emu.cluster.expectation import Expectation
    from ixp_emu.cluster.frames import Frames
    from ixp_emu.cluster.run import ClusterRun, RunResult
    from ixp_emu.cluster.service import Outcome

__all__ = ["OBOE", "ChipService", "OboeCluster", "OboeExtension"]

_MOST_STEPS = 1 << 31
"""Time-outs are compared modulo 2^32 steps of TIMESTAMP."""
_QUIET_HEARTBEATS = 6
_QUIET_CYCLES = 300_000
"""When nothing has happened for so long, all know of a chip that is down, and no packet is under way."""


class OboeExtension:
    """What the entry point names."""

    programs: Mapping[str, str] = PROGRAMS

    def open(self, config: ClusterConfig) -> OboeCluster:
        """Oboe on a configuration. Raises InputError."""
        cluster = OboeCluster(config, read_config(config))
        _ = cluster.defines  # whatever is wrong is told now
        return cluster


OBOE = OboeExtension()


class ChipService:
    """Oboe's host half on one chip."""

    drop_counters = "oboe_counters"
    overload = ("classify_full", "unavailable", "chip_down", "lost_on_purpose")
    events: Sequence[str] = EVENTS

    def __init__(self, cluster: OboeCluster, chip: str) -> None:
        self._cluster = cluster
        self._chip = chip
        self.drop_reasons: Sequence[str] = (*PATH_REASONS, *cluster.oboe.declaration.drops)

    def defines(self) -> Mapping[str, int]:
        """Sizes, modes and times for the stages."""
        return self._cluster.defines

    def contents(self) -> Mapping[str, npt.NDArray[np.uint32]]:
        """Tables of the path, and the service's."""
        contents = self._cluster.oracle.contents()
        config, oboe, bundles = self._cluster.config, self._cluster.oboe, self._cluster.bundles
        return {
            "chip_identity": chip_identity(config, oboe, self._chip),
            "chip_routes": chip_routes(config, oboe, self._chip),
            "bundle_table": bundles.entries(),
            "bundle_slices": bundles.slices(self._chip),
            "bundle_heirs": bundles.heirs(),
            "free_slice": bundles.free_slice(self._chip),
            "worker_circle": worker_circle(config.chips[self._chip].engines.get("worker", ())),
            **contents,
            **merged_contents(oboe.declaration, contents, chips=len(oboe.workers)),
            **versioned_contents(oboe.declaration, contents),
        }

    def expect(self, frames: Frames) -> Outcome:
        """Not by chip: see `OboeCluster.expect`."""
        raise NotImplementedError


class OboeCluster:
    """Oboe on one configuration.

    Attributes:
        oboe: the decoded table.
        bundles: where each lives at the start.
    """

    def __init__(self, config: ClusterConfig, oboe: OboeConfig) -> None:
        self.config = config
        self.oboe = oboe
        self.bundles = BundleTable(oboe)
        khz = config.hardware["me_clock_khz"]
        self._stopped = StoppedChips(
            oboe.faults,
            oboe,
            self.bundles,
            quiet_cycles=_QUIET_HEARTBEATS * oboe.heartbeat_us * khz // 1000 + _QUIET_CYCLES,
        )

    @cached_property
    def oracle(self) -> Oracle:
        """The service's oracle, for what its states begin with."""
        return load_oracle(self.oboe.declaration)

    @cached_property
    def defines(self) -> dict[str, int]:
        """Symbols for all programs of all chips."""
        declaration = self.oboe.declaration
        steps = declaration.timeout_ms * self.config.hardware["me_clock_khz"] / self.oboe.time_scale / TIMESTAMP_CYCLES
        if steps >= _MOST_STEPS:
            raise InputError(
                f"the time-out of {declaration.timeout_ms:,} ms / {self.oboe.time_scale:g} is beyond what the chips' "
                f"clock tells apart: {_MOST_STEPS * TIMESTAMP_CYCLES // self.config.hardware['me_clock_khz']:,} ms",
                key="oboe.time_scale",
            )
        return {
            "CHIPS": len(self.oboe.chips) + len(self.oboe.loops),
            "CHIP_BITS": chip_bits(len(self.oboe.chips)),
            "TICK_STEPS": TICK_US * self.config.hardware["me_clock_khz"] // 1000 // TIMESTAMP_CYCLES,
            "TICKS_PER_HEARTBEAT": max(1, self.oboe.heartbeat_us // TICK_US),
            "CALL_TICK_STEPS": CALL_TICK_US * self.config.hardware["me_clock_khz"] // 1000 // TIMESTAMP_CYCLES,
            "CALL_TICKS": self.oboe.call_timeout_us // CALL_TICK_US,
            "WORKING_CHIPS": sum(1 << self.oboe.chips.index(chip) for chip in self.oboe.workers),
            "SLICES": slices_per_chip(len(self.oboe.workers)),
            "SERVICE_DROPS": len(declaration.drops),
            "FLOW_TIMEOUT": max(1, round(steps)),
            f"ORDER_{self.oboe.order.upper()}": 1,
            f"KEY_{declaration.flow_key.upper()}": 1,
            **({"LOOP_BACK": 1} if self.oboe.loops else {}),
            **fault_defines(self.oboe.faults),
            **({"STRICT_LOG": self.oboe.strict_log} if self.oboe.strict_log else {}),
            **self._merging(),
            **({"LOCKS_BUNDLES": 1} if declaration.locks_bundles else {}),
            **({"ON_FULL_REFUSE": 1} if declaration.on_full == "refuse" else {}),
            **{f"HASH_MULTIPLIER_LOW_{n}": word & 0xFFFF for n, word in enumerate(HASH_MULTIPLIER)},
            **{f"HASH_MULTIPLIER_HIGH_{n}": word >> 16 for n, word in enumerate(HASH_MULTIPLIER)},
            **declaration.defines(),
        }

    def _merging(self) -> dict[str, int]:
        """The length of an epoch: the shortest period or bound that a state wants."""
        declaration = self.oboe.declaration
        periods = [state.period_us for state in merged_states(declaration, chips=len(self.oboe.workers))]
        periods += [state.bound_us for state in versioned_states(declaration)]
        if not periods:
            return {}
        shortest = min(period for period in periods if period is not None)
        return {
            "MERGING": 1,
            "MERGE_STEPS": max(2, shortest * self.config.hardware["me_clock_khz"] // 1000 // TIMESTAMP_CYCLES),
        }

    def service(self, chip: str) -> ChipService:
        """What the chip runs."""
        return ChipService(self, chip)

    def program_text(self, chip: str, program: str) -> str | None:
        """The programs that hold parts of the service."""
        if program == "worker":
            return worker_text(self.oboe.declaration, order=self.oboe.order, chips=len(self.oboe.workers))
        if program == "control":
            return control_text(self.oboe.declaration, order=self.oboe.order, chips=len(self.oboe.workers))
        return None

    def expect(self, frames: Frames, into: Sequence[Port], port_numbers: Mapping[Port, int]) -> Expectation:
        """What must become of the offered frames."""
        from oboe_runtime.expectation import expect

        self._frames, self._into = frames, into
        self._shown = load_oracle(self.oboe.declaration)
        expectation, self.offered = expect(self.oboe, self.bundles, self._shown, frames, into, port_numbers)
        return expectation

    def actions(self) -> Mapping[int, Callable[[ClusterRun], None]]:
        """The faults of the configuration."""
        return fault_actions(self.oboe.faults, self._stopped)

    def losses(self, run: ClusterRun) -> Mapping[str, int]:
        """What is lost in chips that have stopped."""
        return self._stopped.losses(run, self.offered.owners)

    def settled(self, run: ClusterRun) -> bool:
        """Whether every line of partials that was sent has been added to the totals."""
        from oboe_runtime.harvest import elements_of

        if self._stopped.stopped(run):
            return True
        begun = applied = 0
        for chip in self.oboe.workers:
            counters = elements_of(run.machine, run.images, chip, "merge_counters")
            if counters is not None:
                begun, applied = begun + int(counters[0, 0]), applied + int(counters[1, 0])
        return begun == applied

    def finish(self, result: RunResult) -> Verdict:
        """The report's object, and whether the states hold what the service's oracle says.

        The order has been checked by the run itself.
        """
        differences = self._differences(result)
        owned = dict.fromkeys(self.oboe.workers, 0)
        for owner in self.bundles.owners:
            owned[owner.chip] += 1
        report: dict[str, Any] = {
            "service": self.oboe.declaration.name,
            "order": self.oboe.order,
            "inversions": result.egress.reordered,
            "time_scale": self.oboe.time_scale,
            "states": {state.name: state.category for state in self.oboe.declaration.states},
            "bundles": owned,
            "states_judged": differences is not None,
            "flows_lost": self._stopped.flows_lost,
        }
        fault = "; ".join(["the states are not what the oracle says", *differences]) if differences else None
        return Verdict(report, fault)

    def _differences(self, result: RunResult) -> list[str] | None:
        """What the oracle finds wrong; None where it cannot judge."""
        from oboe_runtime.expectation import arrivals
        from oboe_runtime.harvest import observe
        from oboe_runtime.judge import GIVEN_UP, judge_run, unreplayable, worked_on

        declaration = self.oboe.declaration
        if unreplayable(result, self.offered.dropped, declaration.drops):
            return None
        stopped = self._stopped.chips
        events: dict[str, int] = {}
        for chip, counted in result.events.items():
            for event, count in counted.items() if chip not in stopped else ():
                events[event] = events.get(event, 0) + count
        observed = observe(result, self.oboe, self.bundles, stopped=stopped)
        begun_anew = bool(stopped) or not events.keys().isdisjoint(GIVEN_UP)
        if not begun_anew and set(result.lost) <= {*MALFORMED_REASONS, *declaration.drops}:
            return self._shown.differences(observed)
        symmetric = declaration.flow_key == "symmetric"
        return judge_run(
            observed,
            lambda: ((n, one) for n, one in arrivals(self.oboe, self._frames, self._into) if isinstance(one, Arrival)),
            worked_on(result, self.offered.dropped),
            lambda: load_oracle(declaration),
            events=events,
            begun_anew=begun_anew,
            entries_known=not stopped and "refused" not in events,
            canonical=(lambda flow: flow.sorted()) if symmetric else (lambda flow: flow),
        )
