"""Compile the engine's kernel ahead of its first use: ``python -m ixp_emu.chip.compile``."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TextIO

from ixp_emu.chip.progress import Progress, watch_compilation
from ixp_emu.errors import InputError

__all__ = ["compile_engine", "is_compiled", "progress_shown"]


def is_compiled() -> bool:
    """Whether the cache holds the kernel of these sources, as far as its files tell."""
    from ixp_emu.chip.machine_code import FOLDER

    return any(FOLDER.glob("clock.advance_group-*.o"))


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


@contextlib.contextmanager
def progress_shown(stream: TextIO | None = None) -> Iterator[None]:
    """Say which kernels are compiled and how long it took, a line each; a terminal sees the functions counted.

    Parameters:
        stream: standard error by default.
    """
    out = sys.stderr if stream is None else stream

    def show(progress: Progress) -> None:
        if progress.finished:
            line = f"ixpemu: compiled {progress.kernel}, {progress.functions} functions, in {progress.seconds:.1f} s"
            out.write(f"\r\x1b[K{line}\n" if out.isatty() else f"{line}\n")
        elif progress.functions == 0 and not progress.optimising:
            line = f"ixpemu: compiling {progress.kernel}, once; the result is kept"
            out.write(line if out.isatty() else f"{line}\n")
        elif out.isatty():
            stage = "to machine code" if progress.optimising else "so far"
            out.write(f"\r\x1b[Kixpemu: compiling {progress.kernel}: {progress.functions} functions {stage}")
        out.flush()

    with watch_compilation(show):
        yield


if __name__ == "__main__":
    try:
        known = is_compiled()
        with progress_shown():
            seconds = compile_engine()
    except InputError as error:
        sys.exit(f"ixpemu: {error}")
    print(f"engine {'loaded from the cache' if known else 'compiled'} in {seconds:.1f} s")
