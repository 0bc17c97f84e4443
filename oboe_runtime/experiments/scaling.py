"""Throughput over the number of chips, beside what the costs of one chip and of a hop predict.

Every chip takes in packets at line rate, each flow alone in its bundle, so all chips have the same load; (N - 1)/N of a
chip's packets are worked on elsewhere: they cross a link as a message and are received, classified and sent once more.
"""

from __future__ import annotations

from collections.abc import Mapping

from oboe_runtime.experiments.case import Case
from oboe_runtime.experiments.document import Figure, Series, Table
from oboe_runtime.experiments.laboratory import CLOCK_HZ, Laboratory, line_pps, link_pps, media_cycles, service_name
from oboe_runtime.experiments.stage_costs import hop_cycles, packet_cycles, share_of_messages

__all__ = ["bounds", "run"]

_SERVICES = ("monitor", "nat", "intrusion")
_TOLERANCE = 0.05
_FULL = 0.98  # busy share at which a stage of workers takes no more
_PATH = ("receive", "classify", "transmit")


def bounds(
    chips: int, *, size: int, own: Mapping[str, float], hop: Mapping[str, float], worker_pps: float
) -> Mapping[str, float]:
    """What limits the packets that each chip can take in, in packets per second.

    Parameters:
        own: microengine cycles of a packet that does not leave its chip, by stage.
        hop: those that a packet takes more which does.
        worker_pps: packets that the workers of a chip take.
    """
    remote = share_of_messages(chips)
    limits = {
        "ports": line_pps(size),
        "workers": worker_pps,
        **{stage: CLOCK_HZ / (own[stage] + remote * hop[stage]) for stage in _PATH},
        "media": CLOCK_HZ / (media_cycles(size, message=False) + remote * media_cycles(size, message=True)),
    }
    if chips > 1:
        limits["links"] = link_pps(size) * chips  # a link carries a Nth of what its chip takes in
    return limits


def run(laboratory: Laboratory) -> tuple[list[Figure], list[Table]]:
    """Run the experiment."""
    numbers = (1, 2, 4) if laboratory.quick else (1, 2, 4, 8, 16)
    figures: list[Figure] = []
    rows: list[list[str]] = []
    own, hop = packet_cycles(laboratory, "bare"), hop_cycles(laboratory)
    for name in _SERVICES:
        service = f"builtin:services/{name}"
        worker_pps = _worker_pps(laboratory, service)
        carrying = [
            chips * laboratory.measure(_saturated(service, 1, loop_back=chips)).packets_per_second for chips in numbers
        ]
        measured: list[float] = []
        predicted: list[float] = []
        limits: list[str] = []
        every: dict[str, list[float]] = {}
        for chips in numbers:
            found = laboratory.measure(_saturated(service, chips))
            limit = bounds(chips, size=64, own=own, hop=hop, worker_pps=worker_pps)
            least = min(limit, key=limit.__getitem__)
            for bound in ("ports", "classify", "media", "workers"):
                every.setdefault(bound, []).append(chips * limit[bound])
            measured.append(found.packets_per_second)
            predicted.append(chips * limit[least])
            limits.append(least)
        deviations = [one / other - 1 for one, other in zip(measured, predicted, strict=True)]
        for row in zip(numbers, measured, predicted, deviations, limits, carrying, strict=True):
            chips, value, theory, deviation, least, base = row
            percent = _percent(deviation)
            rows.append(
                [name, str(chips), _mpps(value), _mpps(theory), percent, least, _mpps(base), _percent(value / base - 1)]
            )
        x = [float(chips) for chips in numbers]
        ideal = [chips * measured[0] for chips in numbers]
        figures.append(
            Figure(
                title=f"Scaling of {service_name(service)}",
                across="chips",
                up="M packets/s",
                series=[
                    Series(name="measured", x=x, y=[value / 1e6 for value in measured]),
                    Series(name="predicted", x=x, y=[value / 1e6 for value in predicted], theory=True),
                    Series(name="chips x one chip, without hops", x=x, y=[value / 1e6 for value in ideal], theory=True),
                    Series(
                        name="chips x one chip that carries the hops",
                        x=x,
                        y=[value / 1e6 for value in carrying],
                        theory=True,
                    ),
                    *(
                        Series(name=f"bound: {bound}", x=x, y=[value / 1e6 for value in values], theory=True)
                        for bound, values in every.items()
                    ),
                ],
                sentence=_sentence(name, numbers, measured, deviations, limits, carrying),
            )
        )
    columns = ["service", "chips", "measured Mpps", "predicted Mpps", "deviation", "limit"]
    columns += ["chips x one with hops Mpps", "deviation"]
    return figures, [Table(title="Throughput at saturation, frames of 64 bytes", columns=columns, rows=rows)]


def _saturated(service: str, chips: int, *, loop_back: int = 1) -> Case:
    return Case(service=service, chips=chips, loop_back=loop_back, packets=6_000)


def _worker_pps(laboratory: Laboratory, service: str) -> float:
    """Packets that the workers of a chip take: where they are not the limit, as many more as their idle share allows.

    A microengine with nothing to do polls; the share in which it does is measured with next to no load.
    """
    full = laboratory.measure(_saturated(service, 1))
    polling = laboratory.measure(Case(service=service, packets=60, rate=2_000.0), lossless=True).busy["worker"]
    busy = full.busy["worker"]
    if busy >= _FULL:
        return full.packets_per_second
    return full.packets_per_second * (1 - polling) / (busy - polling)


def _sentence(
    name: str,
    numbers: tuple[int, ...],
    measured: list[float],
    deviations: list[float],
    limits: list[str],
    carrying: list[float],
) -> str:
    worst = max(deviations, key=abs)
    within = "within" if abs(worst) <= _TOLERANCE else "NOT within"
    times = measured[-1] / measured[0]
    nonlinear = max((one / other - 1 for one, other in zip(measured, carrying, strict=True)), key=abs)
    linear = "within" if abs(nonlinear) <= _TOLERANCE else "NOT within"
    return (
        f"{numbers[-1]} chips run {name} {times:.2f} times as fast as one, limited by {limits[-1]}; the prediction is "
        f"met {within} {100 * _TOLERANCE:.0f} %, at worst {_percent(worst)}; with one chip that carries the hops it is "
        f"linear {linear} {100 * _TOLERANCE:.0f} %, at worst {_percent(nonlinear)}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:+.1f} %"


def _mpps(value: float) -> str:
    return f"{value / 1e6:.3f}"
