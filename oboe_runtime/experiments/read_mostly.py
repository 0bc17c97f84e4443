"""What updates of a read_mostly state cost, and how long replicas are behind: the policy of intrusion, with traffic.

Runs without loss, so the service's oracle has judged that every packet was treated right and that the home's policy is
what the updates made of it. Nothing in the traffic depends on the entries that change. A run is held against one with
the same packets in which none is an update.
"""

from __future__ import annotations

from math import ceil

from oboe_runtime.declaration import read_declaration
from oboe_runtime.experiments.case import UPDATE_PORT, Case, Measurement
from oboe_runtime.experiments.document import Figure, Series, Table
from oboe_runtime.experiments.laboratory import CLOCK_HZ, Laboratory

__all__ = ["quantile", "run", "update_frames"]

_SERVICE, _STATE = "builtin:services/intrusion", "policy"
_RATE = 400_000.0  # packets per second of each chip, which the service bears without loss
_PACKETS = 4_000
_UPDATES = (20, 100, 200)
_TOO_MANY = 1_000
_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


def quantile(values: list[float], share: float) -> float:
    """The least of the values that at least such a share of them does not exceed."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def update_frames(found: Measurement, without: Measurement) -> float:
    """Frames between chips that an update takes."""
    assert found.replicas is not None
    return (found.frames_between_chips - without.frames_between_chips) / found.replicas.updates


def run(laboratory: Laboratory) -> tuple[list[Figure], list[Table]]:
    """Run the experiment."""
    numbers = (2, 4) if laboratory.quick else (2, 4, 8, 16)
    state = next(state for state in read_declaration(_SERVICE).states if state.name == _STATE)
    assert state.bound_us is not None
    rows: list[list[str]] = []
    most: list[list[str]] = []
    spread: list[Series] = []
    worst = 0.0
    missing = gaps = 0
    for chips in numbers:
        stalenesses: list[float] = []
        for updates in _UPDATES:
            found = laboratory.measure(_case(chips, updates), lossless=True)
            without = laboratory.measure(_case(chips, updates, port=0), lossless=True)
            replicas = found.replicas
            if replicas is None or not replicas.staleness_us:
                continue
            stalenesses += replicas.staleness_us
            missing, gaps = missing + replicas.missing, gaps + replicas.gaps
            stale, left = replicas.stale_packets
            rows.append(
                [
                    str(chips),
                    f"{updates * _RATE / _PACKETS:,.0f}",
                    f"{update_frames(found, without):.1f}",
                    *(f"{quantile(replicas.staleness_us, share):.1f}" for share in (0.5, 0.99, 1.0)),
                    f"{100 * stale / left:.2f} %",
                ]
            )
        if stalenesses:
            worst = max(worst, *stalenesses)
            x = [100 * share for share in _SHARES]
            spread.append(Series(name=f"{chips} chips", x=x, y=[quantile(stalenesses, share) for share in _SHARES]))
        full = laboratory.measure(_case(chips, _TOO_MANY))
        if full.replicas is not None and full.replicas.updates:
            speed = full.replicas.updates / full.seconds
            most.append([str(chips), f"{speed:,.0f}", f"{CLOCK_HZ / speed:,.0f}"])
    within = "within" if worst <= state.bound_us else "NOT within"
    figure = Figure(
        title="Replicas behind their home",
        across="% of all updates at all replicas",
        up="at most so many microseconds",
        series=spread,
        sentence=(
            f"A replica of {_STATE} has an update at most {worst:.1f} us after the home, {within} the bound of "
            f"{state.bound_us:,} us; {missing} updates were under way when a run ended, {gaps} versions were missed."
        ),
    )
    columns = ["chips", "updates/s", "frames/update", "median us", "99 % us", "max us", "packets with an old version"]
    title = f"Updates of {_STATE} at {_RATE / 1e6:g} M packets/s and chip, and how long replicas are behind"
    return [figure], [
        Table(title=title, columns=columns, rows=rows),
        Table(
            title="Updates of one manager as fast as they go: the next begins when the last is answered",
            columns=["chips", "updates/s", "cycles from one to the next"],
            rows=most,
        ),
    ]


def _case(chips: int, updates: int, *, port: int = UPDATE_PORT) -> Case:
    return Case(
        service=_SERVICE,
        chips=chips,
        packets=_PACKETS,
        rate=_RATE * chips,
        updates=updates,
        options={"policy_port": port},
    )
