"""The states of a service at the end of a run, read from the chips and held against the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ixp_emu.cluster.build import structure_words
from microcode.services.packet import Tuple
from oboe_runtime.bundles import BundleTable
from oboe_runtime.config import OboeConfig
from oboe_runtime.declaration import State
from oboe_runtime.layout import BUNDLES
from oboe_runtime.observed import Observed

if TYPE_CHECKING:
    from ixp_emu.cluster.run import RunResult
    from oboe_runtime.oracle import Oracle

__all__ = ["Judgement", "judge", "observe"]

_LIVE = np.uint32(1 << 31)
_FORGETTING = ("expired", "evicted", "refused")
"""Events after which a flow's entry does not hold what all its packets have left."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found.

    Attributes:
        states: those that were judged.
        differences: what they hold and must not, in words.
        unjudged: why no state was judged, None if some were.
    """

    states: tuple[str, ...]
    differences: tuple[str, ...]
    unjudged: str | None


def judge(oracle: Oracle, result: RunResult, oboe: OboeConfig, bundles: BundleTable) -> Judgement:
    """Hold the states against an oracle that was shown all packets offered.

    Lost packets, and flows that were forgotten, are unknown to the oracle: then nothing is judged.
    """
    differences = getattr(oracle, "differences", None)
    expected = sum(result.expectation.drops.values())
    forgotten = sum(events.get(event, 0) for events in result.events.values() for event in _FORGETTING)
    if differences is None:
        return _unjudged("the service's oracle says nothing of states")
    if result.fault is not None or not result.complete:
        return _unjudged("the run did not come to its end")
    if sum(result.lost.values()) > expected:
        return _unjudged("packets were lost before the service")
    if forgotten:
        return _unjudged("records of flows were given up")
    observed = observe(result, oboe, bundles)
    return Judgement((*observed.flows, *observed.entries), tuple(differences(observed)), None)


def _unjudged(why: str) -> Judgement:
    return Judgement((), (), why)


def observe(result: RunResult, oboe: OboeConfig, bundles: BundleTable) -> Observed:
    """Read the states that a service changes: entries of flows and bundles from their owners, partials merged."""
    reader = _Reader(result, oboe, bundles)
    flows: dict[str, dict[Tuple, Sequence[int]]] = {}
    entries: dict[str, npt.NDArray[np.uint32]] = {}
    for state in oboe.declaration.states:
        if state.category == "per_flow" and state.scope == "flow":
            flows[state.name] = reader.of_flows(state)
        elif state.category == "per_flow":
            entries[state.name] = reader.of_bundles(state)
        elif state.category == "commutative":
            entries[state.name] = reader.merged(state)
        elif state.category == "strict" and state.declared_category != "per_flow" and reader.has(oboe.home, state):
            entries[state.name] = reader.rows(oboe.home, state)
    return Observed(flows, entries)


class _Reader:
    def __init__(self, result: RunResult, oboe: OboeConfig, bundles: BundleTable) -> None:
        self._result = result
        self._oboe = oboe
        self._bundles = bundles

    def _elements(self, chip: str, structure: str) -> npt.NDArray[np.uint32]:
        """Elements of a structure, without what DRAM's stride adds: count x longwords."""
        machine = self._result.machine
        index = machine.index_of[chip]
        placed = self._result.images[chip].structures[structure]
        stride = placed.declaration.stride_bytes(placed.location.memory) // 4
        words = structure_words(machine.chips[index], machine.memories[index], placed)
        return words.reshape(-1, stride)[:, : placed.declaration.element_bytes // 4]

    def has(self, chip: str, state: State) -> bool:
        """Whether a program of the chip declares the state: a strict one that nobody asks for has no server."""
        return state.name in self._result.images[chip].structures

    def rows(self, chip: str, state: State) -> npt.NDArray[np.uint32]:
        """Entries of a state on a chip."""
        return self._elements(chip, state.name)[:, : state.words].copy()

    def of_flows(self, state: State) -> dict[Tuple, Sequence[int]]:
        found: dict[Tuple, Sequence[int]] = {}
        for chip in self._oboe.workers:
            records, rows = self._elements(chip, "flow_table"), self.rows(chip, state)
            for number in np.flatnonzero(records[:, 0] & _LIVE).tolist():
                protocol, _, low, high, ports = records[number, :5].tolist()
                found[Tuple(low, high, ports >> 16, ports & 0xFFFF, protocol & 0xFF)] = rows[number].tolist()
        return found

    def of_bundles(self, state: State) -> npt.NDArray[np.uint32]:
        per_chip = {chip: self.rows(chip, state).reshape(BUNDLES, -1, state.words) for chip in self._oboe.workers}
        of_owner = [per_chip[owner.chip][bundle] for bundle, owner in enumerate(self._bundles.owners)]
        return np.concatenate(of_owner)

    def merged(self, state: State) -> npt.NDArray[np.uint32]:
        merge = {"add": np.add, "or": np.bitwise_or, "min": np.minimum, "max": np.maximum}[str(state.merge)]
        partials = np.stack([self.rows(chip, state) for chip in self._oboe.workers])
        total: npt.NDArray[np.uint32] = merge.reduce(partials, axis=0, dtype=np.uint32)
        return total
