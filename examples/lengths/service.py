"""Host half of lengths.uc: what must become of each frame."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ixp_emu.cluster.frames import Frames
from ixp_emu.cluster.service import Outcome, Site
from ixp_emu.errors import InputError

__all__ = ["LengthsService", "open_service"]

_EGRESS_PORT = 1


class LengthsService:
    """Every frame leaves on port 1 as it came."""

    drop_reasons = ()
    drop_counters = "drop_counters"

    def defines(self) -> Mapping[str, int]:
        """No symbols."""
        return {}

    def contents(self) -> Mapping[str, npt.NDArray[np.uint32]]:
        """No tables."""
        return {}

    def expect(self, frames: Frames) -> Outcome:
        """The same frames, all on one port."""
        everything = np.arange(len(frames), dtype=np.int64)
        output = frames.take(everything)
        output.port[:] = _EGRESS_PORT
        return Outcome(output, everything, np.zeros(len(frames), np.uint8))


def open_service(tables: Mapping[str, str], site: Site) -> LengthsService:
    """The service; it reads no tables and needs two ports."""
    if tables:
        raise InputError(f'no table "{next(iter(tables))}"; this program reads none')
    if site.ports <= _EGRESS_PORT:
        raise InputError(f"{site.ports} port, the program sends on port {_EGRESS_PORT}")
    return LengthsService()
