"""The host half of a service: tables to load, defines for its program, and what must become of each frame.

A program whose source has a ``service.py`` beside it is a service. That module offers
``open_service(tables, site) -> Service``.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ixp_emu.cluster.frames import Frames
from ixp_emu.cluster.topology import Wiring
from ixp_emu.errors import InputError

__all__ = ["Outcome", "Service", "Site", "load_service"]


@dataclass(frozen=True, eq=False, slots=True)
class Site:
    """Where in a cluster a service runs.

    Attributes:
        chip: its chip.
        wiring: which port of the cluster reaches which.
    """

    chip: str
    wiring: Wiring

    @property
    def ports(self) -> int:
        """Ports of the chip."""
        return self.wiring.chips[self.chip]


@dataclass(frozen=True, eq=False, slots=True)
class Outcome:
    """What a chip must make of a batch of frames.

    Attributes:
        output: frames that must leave, in input order; ``port`` is the chip's egress port.
        input: int64 per output frame, the index of its input.
        drop: uint8 per input frame: 0 forwarded, else 1 + position in ``Service.drop_reasons``.
    """

    output: Frames
    input: npt.NDArray[np.int64]
    drop: npt.NDArray[np.uint8]


class Service(Protocol):
    """What the loader and the egress check ask of a service on one chip."""

    drop_reasons: Sequence[str]
    """In the order of the elements of ``drop_counters``. Reasons that ``expect`` never gives make a run fail."""
    drop_counters: str
    """Structure in which the microcode counts dropped packets."""

    # May be left out:
    # overload: Collection[str], drop reasons that depend on the load: however often they occur, they are no fault;
    # events: Sequence[str], what the elements of ``drop_counters`` behind the reasons count: no packet is dropped.

    def defines(self) -> Mapping[str, int]:
        """Symbols for all programs of the chip."""

    def contents(self) -> Mapping[str, npt.NDArray[np.uint32]]:
        """Longwords to load into structures, from element 0 on."""

    def expect(self, frames: Frames) -> Outcome:
        """What must become of frames that enter the chip."""


def _module(source: str) -> ModuleType | None:
    """The service module beside a program, None if there is none."""
    if source.startswith("builtin:"):
        folder = source.removeprefix("builtin:").rsplit("/", 1)[0].replace("/", ".")
        name = f"microcode.{folder}.service"
        return importlib.import_module(name) if importlib.util.find_spec(name) else None
    path = Path(source).with_name("service.py")
    if not path.is_file():
        return None
    specification = importlib.util.spec_from_file_location(f"_ixpemu_service_{path.parent.name}", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def load_service(source: str, *, tables: Mapping[str, str], site: Site) -> Service | None:
    """The service of a program, None if it has none.

    Parameters:
        source: the program's source, as in the configuration.
        tables: table name -> file.
        site: the chip it is for.

    Raises:
        InputError: a table the service does not know, or one it cannot read.
    """
    module = _module(source)
    if module is None:
        if tables:
            raise InputError(f"{source} has no service.py beside it that could read tables")
        return None
    service: Any = module.open_service(tables, site)
    return service  # type: ignore[no-any-return]
