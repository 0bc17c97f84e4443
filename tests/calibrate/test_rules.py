"""Verdicts at their edges: what lies on the limit passes, the next value does not."""

from __future__ import annotations

from math import inf, nextafter

import pytest

from ixp_emu.calibrate.model import Cited, cite, row
from ixp_emu.calibrate.rules import Rule, at_least, at_most, between, bound, equal, within

RULES: list[tuple[Rule, float | None, float | None, str]] = [
    (within(100, 0.02), 98, 102, "within 2 %"),
    (within(-50, 0.1), -55, -45, "within 10 %"),
    (equal(3), 3, 3, "equal"),
    (bound(200, 0.03), 194, 200, "at most the bound, at least 97 % of it"),
    (bound(200, 0.25, slack=8), 150, 208, "at most the bound, at least 75 % of it"),
    (at_most(7), None, 7, "at most"),
    (at_least(7, text="no less"), 7, None, "no less"),
    (between(2, 1.5, 3, text="about"), 1.5, 3, "about"),
]


@pytest.mark.parametrize(("rule", "low", "high", "text"), RULES, ids=[case[3] for case in RULES])
def test_a_rule_passes_its_limits_and_nothing_beyond(
    rule: Rule, low: float | None, high: float | None, text: str
) -> None:
    assert rule.text == text
    for limit, outside in ((low, -inf), (high, inf)):
        if limit is None:
            assert rule.passes(outside)
        else:
            assert rule.passes(limit)
            assert not rule.passes(nextafter(limit, outside))


def test_a_deviation_is_a_share_of_the_expectation() -> None:
    assert within(80, 0.5).deviation(60) == -0.25
    assert equal(0).deviation(3) is None


@pytest.mark.parametrize(("measured", "verdict"), [(102.0, "pass"), (nextafter(102.0, inf), "fail")])
def test_a_row_holds_rule_and_verdict(measured: float, verdict: str) -> None:
    found = row("group", "what", "cycles", Cited("source", "assumed"), within(100, 0.02), measured)
    assert (found.expected, found.measured, found.low, found.high) == (100, measured, 98, 102)
    assert (found.rule, found.verdict, found.source, found.strength) == ("within 2 %", verdict, "source", "assumed")


def test_a_limit_that_is_none_is_none_in_the_row() -> None:
    found = row("group", "what", "cycles", Cited("source", "assumed"), at_most(5), 4)
    assert (found.low, found.high, found.deviation) == (None, 5, pytest.approx(-0.2))


def test_a_parameter_is_cited_with_its_strength() -> None:
    cited = cite("sbus.longword_cycles")
    assert cited.strength == "documented"
    assert cited.source.startswith("sbus.longword_cycles: ")
