"""The reference model: one IXP2400, cycle by cycle, in plain Python. See README.md."""

from __future__ import annotations

from .chip import ReferenceChip
from .faults import Fault

__all__ = ["Fault", "ReferenceChip"]
