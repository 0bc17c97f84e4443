"""ixpemu: clusters of Intel IXP2400 network processors, emulated down to the cycle."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
