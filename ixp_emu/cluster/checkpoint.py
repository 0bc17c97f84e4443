"""Checkpoints: a run between two cycles, saved to a file and taken up in another process, bit for bit.

A checkpoint is a zip archive of the expanded configuration with the run's snapshot.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ixp_emu import __version__
from ixp_emu.chip.layout import CHIP
from ixp_emu.cluster.config import config_from_document
from ixp_emu.cluster.run import ClusterRun
from ixp_emu.cluster.snapshot import Snapshot, take_snapshot
from ixp_emu.errors import InputError
from ixp_emu.isa.unsettled import VARIABLE, changed

__all__ = ["load_checkpoint", "save_checkpoint"]

_FORMAT = 3
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)
"""What the readers of zip archives, JSON and arrays raise for damaged bytes."""


def _programs(run: ClusterRun) -> dict[str, str]:
    """Digest of every program, to notice a source that has changed."""
    return {
        f"{chip}.{name}": program.digest
        for chip, image in run.images.items()
        for name, program in image.programs.items()
    }


def _traffic_digest(run: ClusterRun) -> str:
    """Digest of the offered frames, to notice a trace that has changed."""
    digest = hashlib.sha256()
    for name, column in run.frames.to_arrays().items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()


def save_checkpoint(run: ClusterRun, path: str | Path) -> None:
    """Write a run to a file.

    Raises:
        OSError: the file cannot be written.
    """
    snapshot = take_snapshot(run)
    state = {
        "format": _FORMAT,
        "version": __version__,
        "record_bytes": CHIP.itemsize,
        "config": run.config.expanded(),
        "unsettled": changed(),
        "programs": _programs(run),
        "traffic": _traffic_digest(run),
        "run": snapshot.scalars,
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("state.json", json.dumps(state))
        for name, array in snapshot.arrays.items():
            with archive.open(name + ".npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)


def load_checkpoint(path: str | Path, *, threads: int = 1) -> ClusterRun:
    """Take up a run where it was saved.

    Raises:
        InputError: no checkpoint, a damaged one, one of another version, or a program, a trace or an unsettled switch
            that has changed since.
    """
    state, arrays = _read(path)
    if (state.get("format"), state.get("version"), state.get("record_bytes")) != (_FORMAT, __version__, CHIP.itemsize):
        raise InputError(
            f"was saved by ixpemu {state.get('version')}; this is {__version__} with another state layout", file=path
        )
    unsettled = state.get("unsettled", {})
    if not isinstance(unsettled, dict):
        raise _damaged(path, "unsettled holds no object")
    if unsettled != changed():
        raise InputError(
            f"was saved with {VARIABLE}={_assigned(unsettled)!r}; now it is {_assigned(changed())!r}", file=path
        )
    config, programs, scalars = (state.get(key) for key in ("config", "programs", "run"))
    if not (isinstance(config, dict) and isinstance(programs, dict) and isinstance(scalars, dict)):
        raise _damaged(path, "state.json is incomplete")
    run = ClusterRun(config_from_document(config, file=path), threads=threads)
    for name, digest in _programs(run).items():
        if programs.get(name) != digest:
            raise InputError(f"program {name} has changed since the checkpoint was saved", file=path)
    if _traffic_digest(run) != state.get("traffic"):
        raise InputError("the offered packets have changed since the checkpoint was saved", file=path)
    try:
        run.restore(Snapshot(scalars, arrays))
    except _UNREADABLE as error:
        raise _damaged(path, error) from None
    return run


def _assigned(settings: Mapping[str, object]) -> str:
    """Switches as the environment variable holds them."""
    return ",".join(f"{name}={value}" for name, value in settings.items())


def _read(path: str | Path) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
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
        raise InputError(f"cannot be read: {error.strerror or error}", file=path) from None
    except _UNREADABLE as error:
        raise _damaged(path, error) from None
    if not isinstance(state, dict):
        raise _damaged(path, "state.json holds no object")
    return state, arrays


def _damaged(path: str | Path, reason: object) -> InputError:
    return InputError(f"is no checkpoint of ixpemu, or a damaged one ({reason})", file=path)
