"""The state of a run between two cycles as plain data: taken up again, it goes on bit for bit.

It holds the memory pages the chips have written (64 KB each; what the loader filled is loaded again), what is not zero
of the chips' records and of links and switches (in pages of 4 KB), the position in the traffic, the state of the
egress check, and what control programs were told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ixp_emu.chip.layout import CHIP, DRAM, PAGE_SHIFT, SRAM0, SRAM1
from ixp_emu.chip.media import PORT_TRAFFIC
from ixp_emu.chip.translate import without_translations
from ixp_emu.cluster.counters import Counters
from ixp_emu.cluster.machine import Machine

if TYPE_CHECKING:
    from ixp_emu.cluster.run import ClusterRun

__all__ = ["Snapshot", "restore_snapshot", "take_snapshot"]

_PAGE_WORDS = (1 << PAGE_SHIFT) // 4
_RECORD_PAGE_BYTES = 1 << 12


@dataclass(frozen=True, eq=False, slots=True)
class Snapshot:
    """A run's state.

    Attributes:
        scalars: plain values that JSON can hold.
        arrays: copies.
    """

    scalars: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]


def _dirty_pages(chip: Any) -> dict[int, npt.NDArray[np.int64]]:
    """Numbers of the written pages per memory."""
    return {
        SRAM0: np.flatnonzero(chip["dirty_sram"][0]),
        SRAM1: np.flatnonzero(chip["dirty_sram"][1]),
        DRAM: np.flatnonzero(chip["dirty_dram"]),
    }


def take_snapshot(run: ClusterRun) -> Snapshot:
    """The state of a run."""
    machine = run.machine
    with without_translations(machine.chips):
        arrays: dict[str, npt.NDArray[Any]] = {
            "clocks": machine.clocks.copy(),
            **_sparse("chips", _bytes_of(machine)),
            **_sparse("cables", machine.cabling.memory),
        }
    for index, chip in enumerate(machine.chips):
        for target, pages in _dirty_pages(chip).items():
            words = machine.memories[index].words[target].reshape(-1, _PAGE_WORDS)
            arrays[f"pages.{index}.{target}"] = pages
            arrays[f"words.{index}.{target}"] = words[pages]
    for port, rows in machine.ingress.items():
        arrays[f"ingress.{port}"] = rows["arrival"].copy()
        arrays[f"taken.{port}"] = rows["status"].copy()
    for name, array in run.matcher.to_arrays().items():
        arrays[f"egress.{name}"] = array
    controls = {}
    for index, control in machine.controls.items():
        controls[str(index)], saved = control.saved()
        for name, array in saved.items():
            arrays[f"control.{index}.{name}"] = array
    if run.warm is not None:
        for name, array in run.warm[0].values.items():
            arrays[f"warm.{name}"] = array
    scalars = {
        "now": run.now,
        "next_check": run.next_check,
        "left_frames": run.left_frames,
        "left_bits": run.left_bits,
        "warm": None if run.warm is None else [run.warm[0].now, run.warm[1], run.warm[2]],
        "fault": run.fault,
        "wall_seconds": run.wall_seconds,
        "arena": machine.arena_address,
        "controls": controls,
    }
    return Snapshot(scalars, arrays)


def restore_snapshot(run: ClusterRun, snapshot: Snapshot) -> None:
    """Bring a new run of the same configuration to a snapshot's state.

    Raises:
        KeyError, TypeError, ValueError: no snapshot of this configuration.
        InputError: a control program does not do what it did.
    """
    machine, scalars, arrays = run.machine, snapshot.scalars, snapshot.arrays
    sources = [[int(port["source"]) for port in chip["port"]] for chip in machine.chips]
    _fill_sparse("chips", _bytes_of(machine), arrays)
    _fill(machine.clocks, arrays["clocks"])
    _fill_sparse("cables", machine.cabling.memory, arrays)
    for index in range(len(machine.chips)):
        for target, words in machine.memories[index].words.items():
            words.reshape(-1, _PAGE_WORDS)[arrays[f"pages.{index}.{target}"]] = arrays[f"words.{index}.{target}"]
    for port, rows in machine.ingress.items():
        _fill(rows["arrival"], arrays[f"ingress.{port}"])
        _fill(rows["status"], arrays[f"taken.{port}"])
    _rebind(machine, sources, moved=machine.arena_address - int(scalars["arena"]))
    for index, control in machine.controls.items():
        names = ("log", "parity")
        control.restore(scalars["controls"][str(index)], {name: arrays[f"control.{index}.{name}"] for name in names})
    run.matcher.restore(
        {name.removeprefix("egress."): array for name, array in arrays.items() if name.startswith("egress.")}
    )
    run.now = int(scalars["now"])
    run.next_check = int(scalars["next_check"])
    run.left_frames = int(scalars["left_frames"])
    run.left_bits = int(scalars["left_bits"])
    run.fault = scalars["fault"]
    run.wall_seconds = float(scalars["wall_seconds"])
    run.warm = None
    if scalars["warm"] is not None:
        now, frames, bits = scalars["warm"]
        values = {name.removeprefix("warm."): array for name, array in arrays.items() if name.startswith("warm.")}
        run.warm = (Counters(now, values), frames, bits)


def _bytes_of(machine: Machine) -> npt.NDArray[np.uint8]:
    return machine.chips.view(np.uint8).reshape(len(machine.chips) * CHIP.itemsize)


def _pages(data: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Views: bytes as whole pages, and the rest behind them."""
    whole = len(data) // _RECORD_PAGE_BYTES * _RECORD_PAGE_BYTES
    return data[:whole].reshape(-1, _RECORD_PAGE_BYTES), data[whole:]


def _sparse(name: str, data: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
    """Copies of the pages that are not zero."""
    pages, rest = _pages(data)
    used = np.flatnonzero(pages.any(axis=1))
    return {f"{name}.pages": used, f"{name}.bytes": pages[used], f"{name}.rest": rest.copy()}


def _fill_sparse(name: str, data: npt.NDArray[np.uint8], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    pages, rest = _pages(data)
    pages[pages.any(axis=1)] = 0
    pages[arrays[f"{name}.pages"]] = arrays[f"{name}.bytes"]
    _fill(rest, arrays[f"{name}.rest"])


def _fill(target: npt.NDArray[Any], values: npt.NDArray[Any]) -> None:
    if target.shape != values.shape or target.dtype != values.dtype:
        raise ValueError(f"{values.dtype}{list(values.shape)} in the place of {target.dtype}{list(target.shape)}")
    target[...] = values


def _rebind(machine: Machine, sources: list[list[int]], *, moved: int) -> None:
    """Addresses of this machine in the place of the saved ones; frames in a MAC moved with the arena."""
    for chip, addresses in zip(machine.chips, sources, strict=True):
        for port, source in zip(chip["port"], addresses, strict=True):
            port["source"] = source
            if port["kind"] == PORT_TRAFFIC:
                port["rx_address"] += moved
    machine.bind()
