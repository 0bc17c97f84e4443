"""Throughput over the number of flows: at least four packets of each, so that most packets find their record."""

from __future__ import annotations

from oboe_runtime.experiments.case import Case
from oboe_runtime.experiments.document import Figure, Series, Table
from oboe_runtime.experiments.laboratory import Laboratory

__all__ = ["run"]

_PACKETS_OF_A_FLOW = 4
_LEAST_PACKETS = 4_000


def run(laboratory: Laboratory) -> tuple[list[Figure], list[Table]]:
    """Run the experiment."""
    numbers = (100, 1_000, 4_000) if laboratory.quick else (1_000, 10_000, 100_000, 1_000_000)
    orders = ("pinned", "ordered")
    rows: list[list[str]] = []
    series: list[Series] = []
    for order in orders:
        speeds: list[float] = []
        for flows in numbers:
            packets = max(_LEAST_PACKETS, _PACKETS_OF_A_FLOW * flows)
            found = laboratory.measure(
                Case(service="builtin:services/monitor", workers=2, order=order, flows=flows, packets=packets)
            )
            speeds.append(found.packets_per_second)
            rows.append(
                [
                    order,
                    f"{flows:,}",
                    f"{found.packets_per_second / 1e6:.3f}",
                    f"{found.cycles_per_packet:,.0f}",
                    found.busiest_text(),
                ]
            )
        series.append(Series(name=order, x=[float(n) for n in numbers], y=[speed / 1e6 for speed in speeds]))
    slowest = {one.name: min(one.y) / max(one.y) for one in series}
    told = ", ".join(f"{order} {100 * share:.0f} %" for order, share in slowest.items())
    figure = Figure(
        title="Monitoring over the number of flows",
        across="flows",
        up="M packets/s",
        series=series,
        sentence=f"From {numbers[0]:,} to {numbers[-1]:,} flows the slowest run reaches of the fastest: {told}.",
        logarithmic=True,
    )
    columns = ["order", "flows", "Mpps", "ME cycles/packet", "busiest"]
    return [figure], [Table(title="One chip, two workers, frames of 64 bytes", columns=columns, rows=rows)]
