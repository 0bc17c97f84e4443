"""Names of source files: what an ``#include`` finds, and the microcode that comes with the package."""

from __future__ import annotations

import posixpath
from importlib.resources import files
from pathlib import Path

from ixp_emu.errors import InputError

__all__ = ["BUILTIN", "exists", "joined", "parent", "read_source"]

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
    return _resolved(name).is_file()


def read_source(name: str) -> str:
    try:
        return _resolved(name).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read the program: {error.strerror}", file=name) from None
    except UnicodeDecodeError:
        raise InputError("not UTF-8 text", file=name) from None
