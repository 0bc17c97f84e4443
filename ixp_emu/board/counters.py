"""What a chip counts, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ixp_emu.chip.layout import TARGET_NAMES

__all__ = ["chip_counters"]

_UNIT_FIELDS = ("references", "longwords", "queue_wait", "signalled", "latency")
_STRUCTURE_FIELDS = {"references": "structure_refs", "longwords": "structure_longwords"}


def chip_counters(chip: Any, structures: Mapping[str, int]) -> dict[str, Any]:
    """Counters of a chip.

    Parameters:
        chip: CHIP record.
        structures: name of each structure -> its number; number 0 is (unnamed).

    Returns:
        unit ("scratch", "sram0", "sram1", "dram", "msf") -> ``references``, ``longwords``, ``queue_wait`` (cycles from
        arrival to service, summed), ``signalled`` (commands that signalled), ``latency`` (their cycles from issue to
        signal, summed); and ``structures``: name -> unit -> ``references``, ``longwords``.
    """
    counters: dict[str, Any] = {
        name: {field: int(chip[field][target]) for field in _UNIT_FIELDS} for target, name in enumerate(TARGET_NAMES)
    }
    counters["structures"] = {
        structure: {
            name: {field: int(chip[column][target][number]) for field, column in _STRUCTURE_FIELDS.items()}
            for target, name in enumerate(TARGET_NAMES)
        }
        for structure, number in {"(unnamed)": 0, **structures}.items()
    }
    return counters
