"""Throughput over the bytes of state per flow, in DRAM and, as far as it fits, in SRAM.

The service works on eight bytes at each end of the flow's entry, so what changes with the size is only where entries
lie. Every record that a chip has room for has an entry, whether a flow uses it or not. The ports' rate is a bound.
"""

from __future__ import annotations

from oboe_runtime.experiments.case import Case
from oboe_runtime.experiments.document import Figure, Series, Table
from oboe_runtime.experiments.laboratory import Laboratory, line_pps
from oboe_runtime.layout import RECORDS_PER_SLICE, slices_per_chip

__all__ = ["run"]

_CHIPS = 4
_LARGEST_DRAM_BYTES = 1 << 30
_SRAM_BYTES = 6 << 20
"""Of a channel: what tables of the path leave."""


def run(laboratory: Laboratory) -> tuple[list[Figure], list[Table]]:
    """Run the experiment."""
    sizes = (64, 256, 4_096, 32_768) if laboratory.quick else tuple(64 << step for step in range(10))
    records = slices_per_chip(_CHIPS) * RECORDS_PER_SLICE
    rows: list[list[str]] = []
    series: list[Series] = []
    told: list[str] = []
    for memory in ("sram1", "dram"):
        fitting = [size for size in sizes if memory == "dram" or size * records <= _SRAM_BYTES]
        speeds: list[float] = []
        for size in fitting:
            found = laboratory.measure(_case(size, memory))
            speeds.append(found.packets_per_second)
            speed, cycles = f"{found.packets_per_second / 1e6:.3f}", f"{found.cycles_per_packet:,.0f}"
            rows.append([memory, f"{size:,}", f"{size * records / 2**20:,.1f}", speed, cycles, found.busiest_text()])
        if fitting:
            series.append(Series(name=memory, x=[float(size) for size in fitting], y=[speed / 1e6 for speed in speeds]))
            told.append(f"in {memory} {100 * (min(speeds) / max(speeds) - 1):+.1f} % up to {fitting[-1]:,} bytes")
    bound = _CHIPS * line_pps(64) / 1e6
    ends = [float(sizes[0]), float(sizes[-1])]
    series.append(Series(name="bound: ports", x=ends, y=[bound, bound], theory=True))
    figure = Figure(
        title=f"State per flow, {_CHIPS} chips",
        across="bytes of state per flow",
        up="M packets/s",
        series=series,
        sentence=f"The slowest size is against the fastest: {', '.join(told)}.",
        logarithmic=True,
    )
    columns = ["memory", "bytes per flow", "MB per chip", "Mpps", "ME cycles/packet", "busiest"]
    return [figure], [Table(title="1,024 flows, frames of 64 bytes", columns=columns, rows=rows)]


def _case(size: int, memory: str) -> Case:
    return Case(
        service="builtin:services/sized",
        chips=_CHIPS,
        options={"state_words": size // 4},
        placement={"contexts": memory},
        hardware={"dram.size_bytes": _LARGEST_DRAM_BYTES},
    )
