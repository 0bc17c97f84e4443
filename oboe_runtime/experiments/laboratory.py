"""Where an experiment gets its measurements, and what is remembered of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from math import ceil
from typing import Any

from ixp_emu.chip.hardware import resolve_hardware
from oboe_runtime.experiments.case import Case, Measurement, Store

__all__ = ["CLOCK_HZ", "Laboratory", "described", "line_pps", "link_pps", "media_cycles", "service_name"]

CLOCK_HZ = 1e3 * resolve_hardware().values["me_clock_khz"]
"""Of the microengines."""
_GAP_BYTES = 8 + 12  # preamble and gap
_FCS_BYTES = 4
_MPACKET_BYTES = 64
_MESSAGE_BYTES = 64
"""What a packet is longer by as a DISPATCH message."""


class Laboratory:
    """Measures cases and keeps a record.

    Parameters:
        scale: "quick" or "paper".
        store: measurements there are already.
        progress: told what is measured next.
    """

    def __init__(self, scale: str, store: Store, progress: Callable[[str], None]) -> None:
        self.quick = scale == "quick"
        self._store = store
        self._progress = progress
        self.runs: list[tuple[dict[str, object], Measurement]] = []
        self.faults: list[str] = []

    def measure(self, case: Case, *, lossless: bool = False) -> Measurement:
        """The measurement of a case.

        Parameters:
            lossless: the case was not to lose a packet, so that its states must have been judged.
        """
        told = described(case)
        text = ", ".join(f"{key} {value}" for key, value in told.items())
        if not self._store.knows(case):
            self._progress(text)
        found = self._store.measured(case)
        if (told, found) in self.runs:
            return found
        self.runs.append((told, found))
        if found.fault is not None:
            self.faults.append(f"{text}: {found.fault}")
        elif lossless and not found.states_judged:
            self.faults.append(f"{text}: states were not judged")
        return found


def described(case: Case) -> dict[str, object]:
    """What of a case differs from the defaults."""
    told: dict[str, object] = {}
    for field in fields(case):
        value: Any = getattr(case, field.name)
        default = field.default if field.default is not MISSING else None
        if field.default_factory is not MISSING:
            default = field.default_factory()
        if value != default:
            told[field.name] = service_name(value) if field.name == "service" else value
    return told


def service_name(directory: str) -> str:
    """The last part of a service's directory."""
    return directory.rstrip("/").rpartition("/")[2]


def line_pps(size: int) -> float:
    """Packets per second of frames of a size, FCS counted, on a port."""
    return 1e9 / (8 * (size + _GAP_BYTES))


def link_pps(size: int) -> float:
    """Packets per second that cross a link as DISPATCH messages."""
    return line_pps(size + _MESSAGE_BYTES)


def media_cycles(size: int, *, message: bool) -> int:
    """Cycles that a packet of a size, FCS counted, takes on one direction of the SPI-3 bus, plain or as a message."""
    hardware = resolve_hardware().values
    left = size - _FCS_BYTES + (_MESSAGE_BYTES if message else 0)
    cycles = 0
    while left > 0:
        longwords = ceil(min(left, _MPACKET_BYTES) / 4)
        cycles += ceil(longwords * hardware["me_clock_khz"] / hardware["msf.clock_khz"])
        left -= _MPACKET_BYTES
    return cycles
