"""Compile the engine's kernel ahead of its first use: ``python -m ixp_emu.chip.compile``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numba

from ixp_emu.errors import InputError

__all__ = ["compile_engine", "is_compiled"]


def is_compiled() -> bool:
    """Whether the cache holds the kernel of these sources, as far as its files tell."""
    from ixp_emu.chip import compiled  # names the cache folder

    assert compiled.NEVER
    return any(Path(numba.config.CACHE_DIR).rglob("clock.advance_group-*.nbc"))


def compile_engine() -> float:
    """Load the kernel from the cache, or compile it; returns the seconds it took."""
    from ixp_emu.chip.chip import Memories, initialise, new_chips
    from ixp_emu.chip.clock import advance_unlinked
    from ixp_emu.chip.hardware import resolve_hardware

    begin = time.perf_counter()
    hardware = resolve_hardware()
    chips = new_chips(1)
    initialise(chips[0], hardware, memories := Memories(hardware))
    advance_unlinked(chips, 1)
    assert memories
    return time.perf_counter() - begin


if __name__ == "__main__":
    try:
        known = is_compiled()
        seconds = compile_engine()
    except InputError as error:
        sys.exit(f"ixpemu: {error}")
    print(f"engine {'loaded from the cache' if known else 'compiled'} in {seconds:.1f} s")
