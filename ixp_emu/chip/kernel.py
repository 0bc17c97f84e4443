"""Compiled functions that Python calls.

A kernel is compiled for the kinds of arguments it gets and kept as an object file; a process that finds it there calls
it without numba. The interpreter's lock is released while it runs.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ixp_emu.chip import machine_code

__all__ = ["Kernel"]


class Kernel:
    """A function of integers, arrays and records (``np.void``) that returns an int64, or nothing.

    It is called as the function itself would be, with positional arguments; where the function returns nothing, what
    comes back means nothing either.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        functools.update_wrapper(self, function)
        self._entries: dict[tuple[Any, ...], Callable[..., int]] = {}

    def __call__(self, *arguments: Any) -> int:
        kinds = tuple(map(_kind, arguments))
        entry = self._entries.get(kinds)
        if entry is None:
            entry = self._entries[kinds] = self._enter(kinds, arguments)
        return entry(*(word for argument in arguments for word in _words(argument)))

    def _enter(self, kinds: tuple[Any, ...], arguments: tuple[Any, ...]) -> Callable[..., int]:
        """The function for such arguments, from its file or compiled."""
        path = self._file(kinds)
        code = machine_code.kept(path) if path else None
        if code is None:
            from ixp_emu.chip.pipeline import compile_kernel

            code = compile_kernel(self.function, arguments)
            if path:
                machine_code.keep(path, code)
        words = [word for argument in arguments for word in _words(argument)]
        return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * len(words))(machine_code.load(code))

    def _file(self, kinds: tuple[Any, ...]) -> Path | None:
        """Where the machine code is kept; None for a function that depends on more than its module's text."""
        if self.function.__closure__:
            return None
        code = self.function.__code__
        module = Path(code.co_filename)
        digest = hashlib.sha256(module.read_bytes())
        digest.update(f"{code.co_qualname} {code.co_firstlineno} {kinds} {machine_code.host()}".encode())
        return machine_code.FOLDER / f"{module.stem}.{self.function.__name__}-{digest.hexdigest()[:16]}.o"


def _kind(argument: Any) -> Any:
    """What of an argument the code is compiled for."""
    if isinstance(argument, np.ndarray):
        flags = argument.flags
        layout = "C" if flags.c_contiguous else "F" if flags.f_contiguous else "A"
        return argument.dtype.str, argument.ndim, layout, flags.aligned, flags.writeable
    return argument.dtype.str if isinstance(argument, np.void) else "int64"


def _words(argument: Any) -> Iterator[int]:
    """An argument as numba passes it: an array as owner, parent, size, bytes per item, address, shape and strides."""
    if isinstance(argument, np.ndarray):
        yield from (0, 0, argument.size, argument.itemsize, argument.ctypes.data, *argument.shape, *argument.strides)
    elif isinstance(argument, np.void):
        yield np.frombuffer(argument, np.uint8).ctypes.data  # other ways describe the record's fields first
    else:
        yield int(argument)
