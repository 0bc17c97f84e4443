"""Checkpoints: a run between two cycles, saved to a file and taken up in another process, bit for bit.

A checkpoint holds the expanded configuration, the chips' records, the memory pages the chips have written (64 KB each;
what the loader filled is loaded again), frames on links, the position in the traffic and the state of the egress check.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ixp_emu import __version__
from ixp_emu.chip.layout import CHIP, DRAM, PAGE_SHIFT, SRAM0, SRAM1
from ixp_emu.chip.media import PORT_TRAFFIC
from ixp_emu.cluster.config import config_from_document
from ixp_emu.cluster.counters import Counters
from ixp_emu.cluster.machine import Machine
from ixp_emu.cluster.run import ClusterRun
from ixp_emu.errors import InputError

__all__ = ["load_checkpoint", "save_checkpoint"]

_FORMAT = 1
_PAGE_WORDS = (1 << PAGE_SHIFT) // 4


def _dirty_pages(chip: Any) -> dict[int, npt.NDArray[np.int64]]:
    """Numbers of the written pages per memory."""
    return {
        SRAM0: np.flatnonzero(chip["dirty_sram"][0]),
        SRAM1: np.flatnonzero(chip["dirty_sram"][1]),
        DRAM: np.flatnonzero(chip["dirty_dram"]),
    }


def _programs(run: ClusterRun) -> dict[str, str]:
    """Digest of every program, to notice a source that has changed."""
    return {
        f"{chip}.{name}": program.digest
        for chip, image in run.images.items()
        for name, program in image.programs.items()
    }


def save_checkpoint(run: ClusterRun, path: str | Path) -> None:
    """Write a run to a file.

    Raises:
        OSError: the file cannot be written.
    """
    machine = run.machine
    arrays: dict[str, npt.NDArray[Any]] = {
        "chips": machine.chips.view(np.uint8).reshape(len(machine.chips), CHIP.itemsize),
        "clocks": machine.clocks,
        "links": machine.links.view(np.uint8),
    }
    for index, chip in enumerate(machine.chips):
        for target, pages in _dirty_pages(chip).items():
            words = machine.memories[index].words[target]
            arrays[f"pages.{index}.{target}"] = pages
            arrays[f"words.{index}.{target}"] = (
                np.concatenate([words[p * _PAGE_WORDS : (p + 1) * _PAGE_WORDS] for p in pages])
                if len(pages)
                else np.zeros(0, np.uint32)
            )
    for port, rows in machine.ingress.items():
        arrays[f"ingress.{port}"] = rows["arrival"]
    for name, array in run.matcher.to_arrays().items():
        arrays[f"egress.{name}"] = array
    if run.warm is not None:
        for name, array in run.warm[0].values.items():
            arrays[f"warm.{name}"] = array
    state = {
        "format": _FORMAT,
        "version": __version__,
        "config": run.config.expanded(),
        "programs": _programs(run),
        "now": run.now,
        "next_check": run.next_check,
        "left_frames": run.left_frames,
        "left_bits": run.left_bits,
        "warm": None if run.warm is None else [run.warm[0].now, run.warm[1], run.warm[2]],
        "fault": run.fault,
        "wall_seconds": run.wall_seconds,
        "record_bytes": CHIP.itemsize,
        "arena": machine.arena_address,
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("state.json", json.dumps(state))
        for name, array in arrays.items():
            with archive.open(name + ".npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)


def load_checkpoint(path: str | Path, *, threads: int = 1) -> ClusterRun:
    """Take up a run where it was saved.

    Raises:
        InputError: no checkpoint, one of another version, or a program that has changed since.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            state = json.loads(archive.read("state.json"))
            arrays = {}
            for name in archive.namelist():
                if name.endswith(".npy"):
                    with archive.open(name) as stream:
                        arrays[name.removesuffix(".npy")] = np.lib.format.read_array(stream, allow_pickle=False)
    except FileNotFoundError:
        raise InputError("no such file", file=path) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise InputError(f"is no checkpoint of ixpemu ({error})", file=path) from None
    if state.get("format") != _FORMAT or state.get("version") != __version__ or state["record_bytes"] != CHIP.itemsize:
        raise InputError(
            f"was saved by ixpemu {state.get('version')}; this is {__version__} with another state layout", file=path
        )
    run = ClusterRun(config_from_document(state["config"], file=path), threads=threads)
    for name, digest in _programs(run).items():
        if state["programs"].get(name) != digest:
            raise InputError(f"program {name} has changed since the checkpoint was saved", file=path)
    _restore(run, state, arrays)
    return run


def _restore(run: ClusterRun, state: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> None:
    machine = run.machine
    sources = [[int(port["source"]) for port in chip["port"]] for chip in machine.chips]
    machine.chips.view(np.uint8).reshape(len(machine.chips), CHIP.itemsize)[:] = arrays["chips"]
    machine.clocks[:] = arrays["clocks"]
    machine.links.view(np.uint8)[:] = arrays["links"]
    for index, chip in enumerate(machine.chips):
        for target, words in machine.memories[index].words.items():
            saved = arrays[f"words.{index}.{target}"]
            for number, page in enumerate(arrays[f"pages.{index}.{target}"].tolist()):
                words[page * _PAGE_WORDS : (page + 1) * _PAGE_WORDS] = saved[
                    number * _PAGE_WORDS : (number + 1) * _PAGE_WORDS
                ]
    for port, rows in machine.ingress.items():
        rows["arrival"] = arrays[f"ingress.{port}"]
    _rebind(machine, sources, moved=machine.arena_address - int(state["arena"]))
    run.matcher.restore(
        {name.removeprefix("egress."): array for name, array in arrays.items() if name.startswith("egress.")}
    )
    run.now = state["now"]
    run.next_check = state["next_check"]
    run.left_frames = state["left_frames"]
    run.left_bits = state["left_bits"]
    run.fault = state["fault"]
    run.wall_seconds = state["wall_seconds"]
    if state["warm"] is None:
        run.warm = None
    else:
        now, frames, bits = state["warm"]
        values = {name.removeprefix("warm."): array for name, array in arrays.items() if name.startswith("warm.")}
        run.warm = (Counters(now, values), frames, bits)


def _rebind(machine: Machine, sources: list[list[int]], *, moved: int) -> None:
    """Addresses of this process in the place of the saved ones; frames in a MAC moved with the arena."""
    for chip, addresses in zip(machine.chips, sources, strict=True):
        for port, source in zip(chip["port"], addresses, strict=True):
            port["source"] = source
            if port["kind"] == PORT_TRAFFIC:
                port["rx_address"] += moved
    machine.bind()
