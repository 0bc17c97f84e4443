"""Reading a file of unknown kind and size."""

from __future__ import annotations

from pathlib import Path

from ixp_emu.errors import InputError

__all__ = ["read_binary"]

_MOST_BYTES = 1 << 24
"""Far more than an object of a full control store takes."""


def read_binary(path: str | Path) -> bytes:
    """The content of an object or a raw image. Raises InputError when it cannot be one, or cannot be read."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    if len(data) > _MOST_BYTES:
        raise InputError(f"neither an object nor a raw image: more than {_MOST_BYTES:,} bytes", file=path)
    return data
