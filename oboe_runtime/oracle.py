"""The independent oracle of a service: what must become of the packets it works on, and the states it begins with.

`oracle.py` in a service's directory offers ``open_oracle(declaration) -> Oracle``; a service without that function
forwards every packet as it is.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ixp_emu.assembler.source_files import BUILTIN
from microcode.services.packet import Packet, Tuple
from oboe_runtime.declaration import Declaration
from oboe_runtime.observed import Observed

__all__ = ["Arrival", "ForgettingOracle", "Oracle", "Treatment", "load_oracle"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A well-formed packet that a service is shown.

    Attributes:
        frame: its bytes, without FCS.
        packet: the same taken apart; `packet.flow` is directed.
        hash_words: of the canonical key.
        bundle: of the flow.
        chip, port: where it came in.
    """

    frame: bytes
    packet: Packet
    hash_words: tuple[int, int, int, int]
    bundle: int
    chip: str
    port: int


class Treatment(NamedTuple):
    """What must become of a packet: the frame that leaves, or else the name of the service's drop."""

    frame: bytes
    drop: str | None = None


class Oracle(Protocol):
    """The service in Python."""

    def contents(self) -> Mapping[str, npt.NDArray[np.uint32]]:
        """State -> longwords of its entries one behind the other, for states that are not 0 at the start."""

    def work(self, arrival: Arrival) -> Treatment:
        """Work on a packet. Packets of a flow are shown in order of arrival."""

    def differences(self, observed: Observed) -> list[str]:
        """What the states hold behind all packets and must not, in words."""


@runtime_checkable
class ForgettingOracle(Oracle, Protocol):
    """An oracle that can judge records although some were given up."""

    def forget(self, flow: Tuple) -> None:
        """The record of a flow, named by its canonical key, was given up: its per_flow states are as if it were new."""


class _Passing:
    """A service that changes and drops nothing."""

    def contents(self) -> Mapping[str, npt.NDArray[np.uint32]]:
        return {}

    def work(self, arrival: Arrival) -> Treatment:
        return Treatment(arrival.frame)

    def differences(self, observed: Observed) -> list[str]:
        return []


def load_oracle(declaration: Declaration) -> Oracle:
    """The oracle of a service, new."""
    module: Any = _module(declaration.directory)
    opened: Oracle = module.open_oracle(declaration) if hasattr(module, "open_oracle") else _Passing()
    return opened


def _module(directory: str) -> ModuleType | None:
    if directory.startswith(BUILTIN):
        name = f"microcode.{directory.removeprefix(BUILTIN).strip('/').replace('/', '.')}.oracle"
        return importlib.import_module(name) if importlib.util.find_spec(name) else None
    path = Path(directory) / "oracle.py"
    if not path.is_file():
        return None
    specification = importlib.util.spec_from_file_location(f"_oboe_oracle_{path.parent.name}", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look their module up there
    specification.loader.exec_module(module)
    return module
