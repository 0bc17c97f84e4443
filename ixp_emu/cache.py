"""Where what can be made again is kept: compiled kernels, translations and assembled programs."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_root"]


def cache_root() -> Path:
    """The folder: ``ixpemu`` below ``IXPEMU_CACHE``, ``XDG_CACHE_HOME`` or ``~/.cache``."""
    base = os.environ.get("IXPEMU_CACHE") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "ixpemu"
