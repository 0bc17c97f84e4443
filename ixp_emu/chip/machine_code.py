"""Machine code as object files: where they are kept, how they are loaded.

What depends on the engine's sources lies in a folder named after a hash of them, of the unsettled switches that are set
and of the compiler's versions.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import os
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from ixp_emu.cache import cache_root
from ixp_emu.isa.unsettled import changed

__all__ = ["FOLDER", "SYMBOL", "host", "keep", "kept", "load", "target_machine"]


def _folder() -> Path:
    digest = hashlib.sha256()
    numba = importlib.util.find_spec("numba")
    assert numba is not None and numba.origin is not None
    digest.update(Path(numba.origin).with_name("_version.py").read_bytes())  # importing it would take 0.2 s
    digest.update(f"{np.__version__} {sorted(changed().items())}".encode())
    for source in sorted(Path(__file__).resolve().parents[1].rglob("*.py")):
        if source.parent.name in ("isa", "chip"):
            digest.update(source.read_bytes())
    return cache_root() / digest.hexdigest()[:16]


FOLDER = _folder()
SYMBOL = "run"
"""Name of the function in an object file."""


@functools.cache
def host() -> str:
    """What machine code depends on besides what it was made from."""
    return f"{llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()} {llvm.llvm_version_info}"


def target_machine() -> Any:
    """A new one: an engine that is given it owns it."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    features = llvm.get_host_cpu_features().flatten()
    return target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=1, jit=True)


def keep(path: Path, code: bytes) -> None:
    """Put object code into the cache; where that cannot be, the next process compiles again."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        new.write_bytes(code)
        new.replace(path)


def kept(path: Path) -> bytes | None:
    """Object code from the cache, None if it holds none."""
    try:
        return path.read_bytes()
    except OSError:
        return None


_LOADED: list[Any] = []
"""Holders of code, which stays for the life of the process."""


def load(code: bytes) -> int:
    """The address of an object file's function, valid as long as the process."""
    holder = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
    holder.add_object_file(llvm.ObjectFileRef.from_data(code))
    holder.finalize_object()
    _LOADED.append(holder)
    return int(holder.get_function_address(SYMBOL))
