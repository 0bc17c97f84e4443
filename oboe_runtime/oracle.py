"""What a service's oracle offers: what must become of packets, and what its states must hold then."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ixp_emu.assembler.source_files import BUILTIN
from microcode.services.packet import Packet, Tuple

__all__ = ["Arrival", "FlowWords", "Observed", "Oracle", "Verdict", "load_oracle"]

FlowWords = Mapping[Tuple, Sequence[int]]
"""Of a per_flow state: canonical key -> the longwords of the entry."""
Observed = Mapping[str, "FlowWords | npt.NDArray[np.uint32]"]
"""State -> what it holds: per_flow by key; others entries x words, the partials of all chips merged."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A well-formed packet as classify sees it.

    Attributes:
        frame: its bytes, without FCS.
        packet: the same taken apart.
        key: of its flow, in canonical order.
        hash_words: of the key.
        bundle: where it was sent.
        ingress: number of the port over the cluster.
    """

    frame: bytes
    packet: Packet
    key: Tuple
    hash_words: tuple[int, int, int, int]
    bundle: int
    ingress: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a packet: the frame that leaves, or the name of the drop."""

    frame: bytes | None
    drop: str | None = None


class Oracle(Protocol):
    """A service on the whole cluster."""

    def contents(self) -> Mapping[str, npt.NDArray[np.uint32]]:
        """Longwords of states before the first packet, from entry 0 on."""

    def process(self, arrivals: Iterable[Arrival]) -> list[Verdict]:
        """Work on packets, those of a flow (for states of bundles: of a bundle) in the order of the service."""

    def evict(self, key: Tuple) -> None:
        """The record of a flow is given up, expired or not."""

    def differences(self, observed: Observed) -> list[str]:
        """What the states must not hold after the packets so far, in words; states that are not given are not judged."""


def load_oracle(directory: str, options: Mapping[str, int | str]) -> Oracle:
    """The oracle of the service in a directory, with the options in force.

    Raises:
        InputError: an option, or a file it names, that the service cannot use.
    """
    module: Any
    if directory.startswith(BUILTIN):
        name = directory.removeprefix(BUILTIN).strip("/").replace("/", ".")
        module = importlib.import_module(f"microcode.{name}.oracle")
    else:
        path = Path(directory) / "oracle.py"
        specification = importlib.util.spec_from_file_location(f"_oboe_oracle_{path.parent.name}", path)
        assert specification is not None and specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
    oracle: Oracle = module.open_oracle(options)
    return oracle
