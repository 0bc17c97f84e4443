"""DDR commands against the rules of the memory devices, in streams that bring the rules to their edges."""

from __future__ import annotations

from collections.abc import Iterator

from ixp_emu.calibrate.ddr_checker import DdrLog, violations
from ixp_emu.calibrate.model import Cited, Row, row
from ixp_emu.calibrate.rules import equal
from ixp_emu.calibrate.workbench import Prepare, Workbench
from ixp_emu.chip.hardware import Hardware

__all__ = ["legality_rows"]

GROUP = "ddr"
_RULES = Cited("DDR SDRAM: tRCD, tRP, tRAS, tRC, tRRD, tWR, tRFC, CAS latency, one data bus", "documented")
_LEAST_COMMANDS = 100
_MOST_COMMANDS = 1 << 16
_STREAMS = (
    ("a sequential stream from RBUF", {"MOVE_IN"}, 7, 8192),
    ("one bank, another row each time", {"READ"}, 13, 8192),
    ("single quadwords read and written over the banks", {"READ", "WRITE"}, 12, 136),
    ("reads, writes and long moves in both directions", {"MOVE_IN", "READ", "MOVE_OUT", "WRITE"}, 12, 2184),
)


def legality_rows(hardware: Hardware, *, quick: bool = False, prepare: Prepare | None = None) -> Iterator[Row]:
    """The group's rows: no violation in each stream.

    Parameters:
        quick: shorter streams.
    """
    cycles = 10_000 if quick else 50_000
    for what, commands, start_shift, step in _STREAMS:
        bench = Workbench(hardware, prepare=prepare)
        log = DdrLog(bench.chip, _MOST_COMMANDS)
        bench.load(
            "ddr_stream.uc",
            MOVE_IN=int("MOVE_IN" in commands),
            READ=int("READ" in commands),
            MOVE_OUT=int("MOVE_OUT" in commands),
            WRITE=int("WRITE" in commands),
            START_SHIFT=start_shift,
            STEP=step,
        )
        bench.run(cycles)
        issued = log.commands
        broken = list(violations(issued, hardware.values))
        if len(issued) < _LEAST_COMMANDS:
            raise AssertionError(f"{what}: {len(issued)} commands show nothing")
        yield row(
            GROUP, f"{what}, {len(issued):,} commands: rules broken", "rules", _RULES, equal(0), len(broken)
        )  # fmt: skip
