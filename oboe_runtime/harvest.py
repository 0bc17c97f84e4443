"""What the chips hold at the end of a run: records of flows, and the states of the service, merged over the chips."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ixp_emu.cluster.build import structure_words
from microcode.services.packet import Tuple
from oboe_runtime.bundles import BundleTable
from oboe_runtime.config import OboeConfig
from oboe_runtime.declaration import State
from oboe_runtime.generate import served_operations
from oboe_runtime.layout import BUNDLES, chip_bits
from oboe_runtime.merging import copy_entries, merged_states
from oboe_runtime.observed import Commit, Observed
from oboe_runtime.replicas import versioned_states

if TYPE_CHECKING:
    from ixp_emu.cluster.build import ChipImage
    from ixp_emu.cluster.machine import Machine
    from ixp_emu.cluster.run import RunResult

__all__ = ["elements", "elements_of", "live_flows", "observe"]

_LIVE = 1 << 31
_MERGES: Mapping[str, Callable[..., Any]] = {
    "add": np.add,
    "or": np.bitwise_or,
    "min": np.minimum,
    "max": np.maximum,
}

Words = npt.NDArray[np.uint32]


def elements(result: RunResult, chip: str, structure: str) -> Words | None:
    """`elements_of` at the end of a run."""
    return elements_of(result.machine, result.images, chip, structure)


def elements_of(machine: Machine, images: Mapping[str, ChipImage], chip: str, structure: str) -> Words | None:
    """Elements of a structure, [count, longwords], without what DRAM's stride adds; None if the chip has no such."""
    index = machine.index_of[chip]
    placed = images[chip].structures.get(structure)
    if placed is None or placed.location.memory == "local":
        return None
    longwords = placed.declaration.element_bytes // 4
    stride = placed.declaration.stride_bytes(placed.location.memory) // 4
    words = structure_words(machine.chips[index], machine.memories[index], placed)
    return words.reshape(-1, stride)[:, :longwords]


def live_flows(machine: Machine, images: Mapping[str, ChipImage], chip: str) -> list[tuple[Tuple, int]]:
    """Canonical key and number of every live record of a chip."""
    table = elements_of(machine, images, chip, "flow_table")
    if table is None:
        return []
    found: list[tuple[Tuple, int]] = []
    for number in np.flatnonzero(table[:, 0] & np.uint32(_LIVE)).tolist():
        protocol, _, low, high, ports = (int(word) for word in table[number, :5])
        found.append((Tuple(low, high, ports >> 16, ports & 0xFFFF, protocol & 0xFF), number))
    return found


def observe(result: RunResult, oboe: OboeConfig, bundles: BundleTable, *, stopped: Collection[str] = ()) -> Observed:
    """The states of the service as its oracle judges them; without the records of chips that have stopped."""
    flows: dict[str, dict[Tuple, list[int]]] = {}
    entries: dict[str, Words] = {}
    records = {chip: live_flows(result.machine, result.images, chip) for chip in oboe.workers if chip not in stopped}
    for state in oboe.declaration.states:
        if state.entries is None:
            flows[state.name] = {}
            strict, bits = state.category == "strict", chip_bits(len(oboe.chips))
            for chip, found in records.items():
                words = elements(result, oboe.home if strict else chip, state.name)
                if words is not None:
                    entries_of = words[oboe.chips.index(chip) :: 1 << bits] if strict else words
                    flows[state.name] |= {key: entries_of[number, : state.words].tolist() for key, number in found}
        else:
            words = _entries(result, oboe, bundles, state)
            if words is not None:
                entries[state.name] = words[:, : state.words]
    return Observed(flows, entries, _commits(result, oboe), sum(map(len, records.values())))


def _entries(result: RunResult, oboe: OboeConfig, bundles: BundleTable, state: State) -> Words | None:
    """Entries of a state that has no entry per record."""
    parts = {chip: words for chip in oboe.workers if (words := elements(result, chip, state.name)) is not None}
    if not parts:
        return None
    if state.category == "commutative":
        return _merged(result, oboe, state, parts)
    if state.category == "per_flow":  # by bundle: on the chip where the bundle lives
        first = next(iter(parts.values()))
        by_bundle = {chip: words.reshape(BUNDLES, -1, words.shape[1]) for chip, words in parts.items()}
        return np.stack([by_bundle[owner.chip][bundle] for bundle, owner in enumerate(bundles.owners)]).reshape(
            first.shape
        )
    if state in versioned_states(oboe.declaration):
        at = elements(result, oboe.home, f"{state.name}_at")
        assert at is not None
        return parts[oboe.home][at[:, 0]]
    return parts.get(oboe.home)


def _merged(result: RunResult, oboe: OboeConfig, state: State, parts: Mapping[str, Words]) -> Words:
    """Partials of all chips, both copies where there are two, and the totals so far."""
    assert state.merge is not None and state.entries is not None
    pieces = list(parts.values())
    if merged_states(oboe.declaration, chips=len(oboe.workers)):
        size = copy_entries(state)
        pieces = [copy for words in pieces for copy in (words[:size], words[size:])]
        totals = elements(result, oboe.home, f"{state.name}_total")
        assert totals is not None
        pieces.append(totals)
    merged = pieces[0].copy()
    for piece in pieces[1:]:
        merged = _MERGES[state.merge](merged, piece)
    return merged[: state.entries]


def _commits(result: RunResult, oboe: OboeConfig) -> list[Commit] | None:
    """The log of the home's server; None if there is none, or if it is full."""
    log = elements(result, oboe.home, "strict_log")
    if log is None:
        return None
    operations = [operation.name for _, operation in served_operations(oboe.declaration, chips=len(oboe.workers))]
    used = int(np.count_nonzero(log[:, 0]))
    if used == len(log):
        return None
    return [
        Commit(operations[number - 1], entry, (in0, in1, in2, in3))
        for number, entry, in0, in1, in2, in3 in log[:used, :6].tolist()
        if number <= len(operations)  # behind them: a replica was brought up to date
    ]
