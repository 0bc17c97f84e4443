"""Where the frozen programs and configurations lie."""

from __future__ import annotations

from pathlib import Path

__all__ = ["WORKLOADS"]

WORKLOADS = Path(__file__).parent / "workloads"
