"""Host half of the forwarder: route tables from files, and its oracle behind the loader's protocol."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ixp_emu.cluster.frames import Frames
from ixp_emu.cluster.service import Outcome, Site
from ixp_emu.errors import InputError
from microcode.services.forward.networks import read_networks
from microcode.services.forward.oracle import (
    DEFAULT_ROUTES,
    Drop,
    Routes,
    build_next_hops,
    build_route_table,
    forward,
    read_routes,
)

__all__ = ["ForwardService", "open_service"]


class ForwardService:
    """The forwarder on one chip.

    Receive drops what came with an error or is longer than a buffer (`rx_error`). No frame that a port takes is either,
    so the oracle never says so.

    Attributes:
        routes: the routes of this chip.
    """

    drop_reasons = (*(reason.name.lower() for reason in Drop if reason is not Drop.FORWARDED), "rx_error")
    events = ("flow_table_full",)
    drop_counters = "drop_counters"

    def __init__(self, routes: Routes) -> None:
        self.routes = routes
        self._table = build_route_table(routes.routes)
        self._next_hops = build_next_hops(routes.next_hops)

    def defines(self) -> Mapping[str, int]:
        """Sizes of the two tables."""
        return {"ROUTE_WORDS": len(self._table), "NEXT_HOPS": len(self.routes.next_hops)}

    def contents(self) -> Mapping[str, npt.NDArray[np.uint32]]:
        """``route_table`` and ``next_hops``."""
        return {"route_table": self._table, "next_hops": self._next_hops}

    def expect(self, frames: Frames) -> Outcome:
        """As the oracle says."""
        forwarded = forward(frames, self.routes)
        return Outcome(forwarded.output, forwarded.input, forwarded.drop)


def open_service(tables: Mapping[str, str], site: Site) -> ForwardService:
    """The service with the routes of the file ``tables["routes"]``, those that ``tables["networks"]`` implies, or its
    default.

    Raises:
        InputError: another table or both, an unreadable file, or a next hop through a port the chip does not have.
    """
    for name in tables:
        if name not in ("routes", "networks"):
            raise InputError(f'no table "{name}"; the forwarder reads "routes" or "networks"')
    if "networks" in tables:
        if "routes" in tables:
            raise InputError('tables "routes" and "networks"; the forwarder reads one of the two')
        return ForwardService(read_networks(tables["networks"], site))
    path = tables.get("routes", str(DEFAULT_ROUTES))
    routes = read_routes(path)
    for number, hop in enumerate(routes.next_hops):
        if hop.egress_port >= site.ports:
            raise InputError(
                f"{hop.egress_port}, the chip has ports 0 to {site.ports - 1}",
                file=path,
                key=f"next_hop[{number}].egress_port",
            )
    return ForwardService(routes)
