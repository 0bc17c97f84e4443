"""Programs of which every instruction's cycle is known, and the times of a command on an otherwise idle chip."""

from __future__ import annotations

from collections.abc import Sequence

from ixp_emu.chip.hardware import Hardware

__all__ = ["STAMP", "Path", "load", "program"]

_TRANSFERS = " ".join(f"$x{number}" for number in range(8))
_DECLARATIONS = f".reg a b t\n.set t\n.reg {_TRANSFERS}\n.xfer_order {_TRANSFERS}\n.set {_TRANSFERS}\n.sig s s1 s2\n"

STAMP = ["local_csr_rd[PROFILE_COUNT]", "immed[t, 0]", "alu[*l$index0++, --, B, t]"]
"""Stores the cycle of its first instruction in the next word of local memory."""


def load(register: str, value: int) -> list[str]:
    """Two instructions that load a 32-bit constant."""
    return [f"immed[{register}, {value & 0xFFFF}]", f"immed_w1[{register}, {value >> 16}]"]


def program(lines: Sequence[str], *, declare: str = "") -> str:
    """Source of a program; line k issues in cycle k until the first swap."""
    return _DECLARATIONS + declare + "\n".join([*lines, "ctx_arb[kill]"]) + "\n"


class Path:
    """Times along the path of a command, from the hardware parameters (docs/hardware-model.md, sections 3 and 4)."""

    def __init__(self, hardware: Hardware) -> None:
        self.hardware = hardware

    @staticmethod
    def edge(time: int) -> int:
        return time + time % 2

    def arrival(self, issue: int) -> int:
        """Decoded in the unit."""
        hardware = self.hardware
        grant = self.edge(issue + hardware["command.fifo_latency"])
        return grant + hardware["command.bus_latency"] + hardware["command.decode"]

    def pulled(self, request: int, words: int) -> int:
        """Operand there, if asked for at ``request``."""
        hardware = self.hardware
        return self.edge(request) + words * hardware["sbus.longword_cycles"] + hardware["pull.latency"]

    def pushed(self, request: int, words: int) -> int:
        """Registers written and signal set, if asked for at ``request``."""
        hardware = self.hardware
        return self.edge(request) + words * hardware["sbus.longword_cycles"] + hardware["push.latency"]
