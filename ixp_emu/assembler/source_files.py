"""Names of source files: what an ``#include`` finds, and the microcode that comes with the package."""

from __future__ import annotations

import posixpath
from importlib.resources import files
from pathlib import Path

from ixp_emu.assembler.source import abbreviated
from ixp_emu.errors import InputError

__all__ = ["BUILTIN", "exists", "joined", "parent", "read_source"]

_MAX_BYTES = 1 << 24
BUILTIN = "builtin:"
"""Begins the name of a file of the microcode package."""


def joined(directory: str, name: str) -> str:
    if directory.startswith(BUILTIN):
        tail = directory[len(BUILTIN) :].strip("/")
        return BUILTIN + posixpath.normpath(f"{tail}/{name}" if tail else name)
    return str(Path(directory) / name)


def parent(name: str) -> str:
    if name.startswith(BUILTIN):
        return BUILTIN + name[len(BUILTIN) :].rpartition("/")[0]
    return str(Path(name).parent)


def _resolved(name: str) -> Path:
    if name.startswith(BUILTIN):
        try:
            return Path(str(files("microcode").joinpath(name[len(BUILTIN) :])))
        except ModuleNotFoundError:
            raise InputError("the microcode package is not installed", file=name) from None
    return Path(name)


def exists(name: str) -> bool:
    """Whether there is such a file; False too for what no file can be called."""
    try:
        return _resolved(name).is_file()
    except (OSError, ValueError):
        return False


def read_source(name: str) -> str:
    """Text of a source file. Raises InputError."""
    try:
        with _resolved(name).open("rb") as file:  # which may be a device without an end
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read the program: {error.strerror}", file=abbreviated(name, 200)) from None
    except ValueError:
        raise InputError("cannot read the program: not a file name", file=abbreviated(name, 200)) from None
    if len(data) > _MAX_BYTES:
        raise InputError(f"a source file has at most {_MAX_BYTES:,} bytes", file=name)
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8 text", file=name, line=data[: error.start].count(b"\n") + 1) from None
