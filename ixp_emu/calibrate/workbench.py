"""One chip with microbenchmark programs of this package on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ixp_emu.assembler import assemble, parse
from ixp_emu.chip.chip import Memories, configure_ring, initialise, load_program, new_chips, schedule, set_up_ports
from ixp_emu.chip.clock import advance_unlinked
from ixp_emu.chip.codes import FAULT_NAMES
from ixp_emu.chip.hardware import Hardware
from ixp_emu.chip.layout import CONTEXTS, ENGINES, INGRESS, LOCAL_MEMORY, MEDIA_RX
from ixp_emu.chip.rows import build_rows
from ixp_emu.errors import InputError

__all__ = ["PROGRAMS", "Prepare", "Workbench"]

PROGRAMS = Path(__file__).parent / "programs"

Prepare = Callable[[Any], None]
"""Changes a CHIP record before anything runs; the tests break a parameter with it."""


@cache
def _words(program: str, defines: tuple[tuple[str, object], ...]) -> tuple[int, ...]:
    return tuple(assemble(parse(PROGRAMS / program, defines=dict(defines), include_dirs=["builtin:"])).words)


class Workbench:
    """A chip without programs.

    Parameters:
        hardware: of the chip.
        prepare: see :data:`Prepare`.
        ports: gigabit ports, with no traffic.

    Attributes:
        records: array of one CHIP record.
        chip: that record.
        memories: its SRAM and DRAM.
        hardware: as given.
    """

    def __init__(self, hardware: Hardware, *, prepare: Prepare | None = None, ports: int = 0) -> None:
        self.hardware = hardware
        self.records = new_chips(1)
        self.memories = Memories(hardware)
        self._frames: list[Any] = []
        self.chip: Any = self.records[0]
        initialise(self.chip, hardware, self.memories)
        if ports:
            set_up_ports(self.chip, ports)
        if prepare is not None:
            prepare(self.chip)

    def load(
        self,
        program: str,
        *,
        engines: Iterable[int] = range(ENGINES),
        contexts: int = CONTEXTS,
        **defines: int | str,
    ) -> None:
        """Load a program of :data:`PROGRAMS` into microengines.

        Parameters:
            contexts: of each, beginning with context 0.
            defines: the symbols that the program names in its head.
        """
        words = _words(program, tuple(sorted(defines.items())))
        rows = build_rows(words)
        for engine in engines:
            load_program(self.chip, engine, words, rows=rows, contexts=(1 << contexts) - 1)

    def fill_ring(self, ring: int, longwords: int) -> None:
        """Set up a scratch ring of 128 longwords with some in it."""
        configure_ring(self.chip, ring, base=512 * ring, size=128, contents=range(1, longwords + 1))

    def fill_local_memory(self, engine: int, longwords: Sequence[int]) -> None:
        """Set the first longwords of a microengine's local memory."""
        self.chip["me"][engine]["file"][LOCAL_MEMORY : LOCAL_MEMORY + len(longwords)] = longwords

    def offer(self, contents: Sequence[bytes], frames: int) -> None:
        """Put frames before every port, as fast as the line and the MAC take them.

        Parameters:
            contents: of the frames, without FCS and of equal length, taken in turn.
            frames: how many.
        """
        data = np.frombuffer(b"".join(contents), np.uint8)
        size = len(contents[0])
        for port in self.chip["port"][: int(self.chip["ports"])]:
            rows = np.zeros(frames, INGRESS)
            rows["address"] = data.ctypes.data + size * (np.arange(frames) % len(contents))
            rows["length"] = size
            port["source"], port["source_count"], port["back_pressure"] = rows.ctypes.data, frames, 1
            self._frames += [data, rows]
        schedule(self.chip, MEDIA_RX, 4, 0)

    def run(self, until: int) -> Any:
        """Run up to (excluding) a cycle; gives the record. Raises InputError if hardware values cause a fault."""
        advance_unlinked(self.records, until)
        fault = int(self.chip["fault"])
        if fault:
            time = int(self.chip["fault_time"])
            raise InputError(
                f"a microbenchmark needs more than this chip has: {FAULT_NAMES[fault]} in cycle {time:,}",
                key="hardware",
            )
        return self.chip

    def growth(self, count: Callable[[Any], int], *, warmup: int, cycles: int) -> int:
        """How much a counter of the record grows in some cycles after a warm-up."""
        before = int(count(self.run(warmup)))
        return int(count(self.run(warmup + cycles))) - before

    def local_memory(self, engine: int, longwords: int) -> list[int]:
        """The first longwords of a microengine's local memory, where programs leave what they measured."""
        return [int(word) for word in self.chip["me"][engine]["file"][LOCAL_MEMORY : LOCAL_MEMORY + longwords]]
