"""What Oboe costs: microengine cycles of a packet by stage, with no service, with each service, and of a hop."""

from __future__ import annotations

from oboe_runtime.experiments.case import STAGES, Case, Measurement
from oboe_runtime.experiments.document import Figure, Series, Table
from oboe_runtime.experiments.laboratory import Laboratory
from oboe_runtime.experiments.scaling import share_of_messages

__all__ = ["run", "stage_cycles"]

_SERVICES = ("bare", "monitor", "nat", "intrusion")
_CLOCK_HZ = 600e6
_RATE = 400_000.0  # packets per second of each chip, which every service bears without loss


def stage_cycles(found: Measurement, idle: Measurement, *, engines: int, chips: int) -> dict[str, float]:
    """Cycles per packet of each stage, without those in which it polls for work.

    Parameters:
        idle: the same with next to no load: what is busy then is polling.
        engines: microengines of the worker stage on a chip.
    """
    cycles: dict[str, float] = {}
    for stage, busy in found.busy.items():
        polling = idle.busy[stage]
        working = max(0.0, (busy - polling) / (1 - polling))
        several = engines if stage == "worker" else 1
        cycles[stage] = working * several * chips * _CLOCK_HZ / found.packets_per_second
    return cycles


def run(laboratory: Laboratory) -> tuple[list[Figure], list[Table]]:
    """Run the experiment."""
    costs: dict[str, dict[str, float]] = {}
    for name in _SERVICES:
        costs[name] = _costs(laboratory, name, chips=1)
    two = _costs(laboratory, "bare", chips=2)
    hop = {stage: (two[stage] - costs["bare"][stage]) / share_of_messages(2) for stage in STAGES}
    costs["a hop"] = hop
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


def _costs(laboratory: Laboratory, name: str, *, chips: int) -> dict[str, float]:
    service = f"builtin:services/{name}"
    found = laboratory.measure(Case(service=service, chips=chips, rate=_RATE * chips), lossless=True)
    idle = laboratory.measure(Case(service=service, chips=chips, rate=2_000.0, packets=60), lossless=True)
    return stage_cycles(found, idle, engines=1, chips=chips)


def _total(cost: dict[str, float]) -> float:
    return sum(cost.values())
