"""What Oboe costs: microengine cycles of a packet by stage, with no service, with each service, and of a hop."""

from __future__ import annotations

from oboe_runtime.experiments.case import STAGES
from oboe_runtime.experiments.document import Figure, Series, Table
from oboe_runtime.experiments.laboratory import Laboratory
from oboe_runtime.experiments.stage_costs import hop_cycles, packet_cycles

__all__ = ["run"]

_SERVICES = ("bare", "monitor", "nat", "intrusion")


def run(laboratory: Laboratory) -> tuple[list[Figure], list[Table]]:
    """Run the experiment."""
    costs = {name: packet_cycles(laboratory, name) for name in _SERVICES}
    costs["a hop"] = hop = hop_cycles(laboratory)
    rows = [[name, *(f"{cost[stage]:.0f}" for stage in STAGES), f"{_total(cost):.0f}"] for name, cost in costs.items()]
    x = [float(place) for place in range(len(costs))]
    heaviest = max(_SERVICES[1:], key=lambda name: _total(costs[name]))
    sentence = (
        f"Oboe takes {_total(costs['bare']):.0f} microengine cycles of a packet that no service touches, a hop to "
        f"another chip {_total(hop):.0f} more; the heaviest service, {heaviest}, adds "
        f"{_total(costs[heaviest]) - _total(costs['bare']):.0f}."
    )
    figure = Figure(
        title="Cycles of a packet by stage",
        across="service",
        up="ME cycles per packet",
        series=[Series(name=stage, x=x, y=[cost[stage] for cost in costs.values()]) for stage in STAGES],
        sentence=sentence,
        ticks=list(costs),
        bars=True,
    )
    columns = ["service", *STAGES, "together"]
    return [figure], [Table(title="ME cycles per packet, polling taken off", columns=columns, rows=rows)]


def _total(cost: dict[str, float]) -> float:
    return sum(cost.values())
