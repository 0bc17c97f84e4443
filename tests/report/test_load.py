"""Whether a cluster kept up is read from arrivals and departures, not from losses alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from ixp_emu.cluster.egress import NOT_DELIVERED
from ixp_emu.cluster.run import RunResult
from ixp_emu.report.load import FALLS_BEHIND, at_line_rate, queue_growth, refused_load

GAP = 84 * 4.8
"""Cycles between 64-byte frames at line rate: 84 bytes of 8 ns at 600 MHz."""


@dataclass
class Case:
    """A run of 64-byte frames into ports a.0, a.1, ...: when each frame came, and when those delivered left."""

    arrivals: list[Any]
    departures: Any
    lost: dict[str, int] = field(default_factory=dict)
    rate: Any = "line"
    back_pressure: bool = False
    fault: str | None = None

    @property
    def result(self) -> RunResult:
        ports = range(len(self.arrivals))
        rows = {}
        for port, times in zip(ports, self.arrivals, strict=True):
            rows[port] = np.zeros(len(times), [("arrival", np.int64), ("length", np.int32)])
            rows[port]["arrival"] = np.asarray(times).astype(np.int64)
            rows[port]["length"] = 60
        taken = np.zeros((1, len(rows)), [("source_next", np.int64)])
        taken["source_next"] = [len(times) for times in self.arrivals]
        missing = [NOT_DELIVERED] * sum(self.lost.values())
        left_at = np.concatenate([np.asarray(self.departures).astype(np.uint64), np.array(missing, np.uint64)])
        names = [SimpleNamespace(chip="a", number=port) for port in ports]
        machine = SimpleNamespace(
            chips=[{"port": taken[0]}],
            index_of={"a": 0},
            ingress=rows,
            port_numbers={("a", name.number): name.number for name in names},
        )
        traffic = SimpleNamespace(
            into=[f"a.{port}" for port in ports], rate=self.rate, back_pressure=self.back_pressure
        )
        return cast(
            RunResult,
            SimpleNamespace(
                machine=machine,
                config=SimpleNamespace(traffic=traffic, hardware={"me_clock_khz": 600_000}),
                egress=SimpleNamespace(left_at=left_at),
                lost=self.lost,
                fault=self.fault,
                delivered=len(self.departures),
            ),
        )


def line(count: int, gap: float = GAP) -> Any:
    return np.floor(np.arange(count) * gap)


def test_a_constant_delay_is_no_growth() -> None:
    case = Case([line(2_000)], line(2_000) + 5_000)
    assert queue_growth(case.result) == pytest.approx(0, abs=1e-3)
    assert at_line_rate(case.result) is True


def test_what_leaves_more_slowly_than_it_comes_piles_up() -> None:
    for share in (0.8, 0.5):
        case = Case([line(2_000)], line(2_000, GAP / share))
        assert queue_growth(case.result) == pytest.approx(1 - share, abs=2e-3)
        assert refused_load(case.result)
        assert at_line_rate(case.result) is False


def test_growth_counts_from_a_share_and_a_number_of_packets_on() -> None:
    above, below = FALLS_BEHIND + 0.005, FALLS_BEHIND - 0.005
    assert refused_load(Case([line(4_000)], line(4_000, GAP / (1 - above))).result)
    assert not refused_load(Case([line(4_000)], line(4_000, GAP / (1 - below))).result)
    few = Case([line(120)], line(120, GAP * 10))  # 60 packets in the second half: too few to speak of growth
    assert queue_growth(few.result) == pytest.approx(0.9, abs=0.03)
    assert not refused_load(few.result)


def test_growth_ends_with_the_first_port_that_has_no_more_packets() -> None:
    short, long = line(1_000), line(4_000)
    both = np.sort(np.concatenate([short, short]))  # two lines in, one line's worth out, then it catches up
    departures = np.concatenate([line(2_000), line(3_000) + 2_000 * GAP])
    assert len(both) + 3_000 == len(departures)
    assert queue_growth(Case([short, long], departures).result) == pytest.approx(0.5, abs=2e-3)


def test_evenly_lost_packets_are_no_growth() -> None:
    case = Case([line(2_000)], line(2_000)[::2] + 100, lost={"no_route": 1_000})
    assert queue_growth(case.result) == pytest.approx(0, abs=2e-3)
    assert at_line_rate(case.result) is True  # dropped by the service, as it should


def test_packets_lost_at_a_mac_are_load_refused() -> None:
    case = Case([line(2_000)], line(1_999), lost={"mac_rx_overflow": 1})
    assert refused_load(case.result)
    assert at_line_rate(case.result) is False


@pytest.mark.parametrize(("late", "held"), [(0, False), (1, False), (2, True)])
def test_a_source_is_held_back_if_it_needs_longer_than_a_line(late: int, held: bool) -> None:
    arrivals = line(1_001)  # 1,000 gaps of 403.2 cycles: 403,200 cycles exactly
    arrivals[-1] += late
    case = Case([arrivals], line(1_001), back_pressure=True)
    assert refused_load(case.result) is held
    assert not refused_load(Case([arrivals], line(1_001)).result)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (Case([line(10)], line(10), rate="recorded"), None),
        (Case([line(10)], line(10), rate=1e6), None),
        (Case([line(10)], []), None),
        (Case([line(10)], line(10), fault="stuck"), False),
        (Case([line(10)], line(10), rate="back-to-back"), True),
    ],
)
def test_line_rate_is_judged_only_where_it_was_tried(case: Case, expected: bool | None) -> None:
    assert at_line_rate(case.result) is expected


def test_no_arrivals_have_no_growth() -> None:
    assert queue_growth(Case([[]], []).result) is None
    assert queue_growth(Case([[5]], [900]).result) is None
