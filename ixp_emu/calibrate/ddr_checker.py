"""Checks a log of DDR commands against the rules of the memory devices, independently of the controller.

It knows nothing of the controller's state: from the commands alone it keeps what each bank has seen, and says which
rule a command breaks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ixp_emu.chip.codes import Ddr
from ixp_emu.chip.layout import DDR

__all__ = ["DdrLog", "violations"]

_NEVER = -(10**9)


class DdrLog:
    """Room for a chip's log of DDR commands.

    Parameters:
        chip: CHIP record; its log is switched on.
        capacity: commands.
    """

    def __init__(self, chip: Any, capacity: int = 1 << 20) -> None:
        self._chip = chip
        self._rows = np.zeros(capacity, DDR)
        chip["ddr_rows"] = self._rows.ctypes.data
        chip["ddr_capacity"] = capacity

    @property
    def commands(self) -> NDArray[Any]:
        """DDR rows in order of time."""
        rows = self._rows[: int(self._chip["ddr_count"])]
        return rows[np.argsort(rows["time"], kind="stable")]


class _Bank:
    def __init__(self) -> None:
        self.row: int | None = None
        self.activate = self.precharge = self.read_end = self.write_end = _NEVER


def violations(commands: NDArray[Any], parameters: Mapping[str, int]) -> Iterator[str]:
    """Yield one text per broken rule.

    Parameters:
        commands: DDR rows in order of time.
        parameters: hardware parameters by name (``dram.*``), cycles.
    """
    t = {name: parameters[f"dram.{name}"] for name in _TIMES}
    banks = [_Bank() for _ in range(parameters["dram.banks"])]
    refresh = last_activate = bus_end = _NEVER
    last_write: bool | None = None
    for command in commands:
        time, number, row = int(command["time"]), int(command["bank"]), int(command["row"])
        what = int(command["command"])
        touched = banks if number < 0 else [banks[number]]
        rules: list[tuple[str, bool]] = []
        if what == Ddr.ACTIVATE:
            bank = touched[0]
            rules = [
                ("ACT to an open bank", bank.row is None),
                ("tRP", time >= bank.precharge + t["precharge"]),
                ("tRC", time >= bank.activate + t["row_cycle"]),
                ("tRRD", time >= last_activate + t["activate_gap"]),
                ("tRFC", time >= refresh + t["refresh_cycles"]),
            ]
            bank.row, bank.activate, last_activate = row, time, time
        elif what == Ddr.PRECHARGE:
            for bank in touched:
                rules += [
                    ("tRAS", bank.row is None or time >= bank.activate + t["ras"]),
                    ("tWR", time >= bank.write_end + t["write_recovery"]),
                    ("PRE before the end of a read", time >= bank.read_end),
                ]
                if bank.row is not None:
                    bank.row, bank.precharge = None, time
        elif what == Ddr.REFRESH:
            for bank in banks:
                rules += [
                    ("REF with an open row", bank.row is None),
                    ("tRP before REF", time >= bank.precharge + t["precharge"]),
                    ("tRC before REF", time >= bank.activate + t["row_cycle"]),
                ]
            rules.append(("tRFC", time >= refresh + t["refresh_cycles"]))
            refresh = time
        else:
            bank, write = touched[0], what == Ddr.WRITE
            start, end = int(command["data_start"]), int(command["data_end"])
            turn = t["turnaround"] if last_write not in (None, write) else 0
            rules = [
                ("column command to another row", bank.row == row),
                ("tRCD", time >= bank.activate + t["activate"]),
                ("CAS latency", start == time + t["cas"]),
                ("bus turnaround" if turn else "data bus", start >= bus_end + turn),
            ]
            bus_end, last_write = end, write
            if write:
                bank.write_end = end
            else:
                bank.read_end = end
        yield from (f"{name} at {time}, bank {number}" for name, holds in rules if not holds)


_TIMES = (
    "precharge",
    "activate",
    "cas",
    "ras",
    "row_cycle",
    "activate_gap",
    "write_recovery",
    "turnaround",
    "refresh_cycles",
)
