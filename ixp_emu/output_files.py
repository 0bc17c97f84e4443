"""Files a command writes: found wanting before the work, or with a message that names them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ixp_emu.errors import InputError

__all__ = ["check_writable", "writing"]


def check_writable(path: Path | None) -> None:
    """Find out before the work that its result could not be written."""
    if path is None:
        return
    if path.is_dir():
        raise InputError("a directory, not a file to write", file=path)
    if not path.parent.is_dir():
        raise InputError("no such directory", file=path.parent)
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError("may not be written", file=path)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A file that cannot be written is the user's to mend."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror or error}", file=path) from None
