"""What a measured value must be: an expectation, the range around it that passes, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Rule", "at_least", "at_most", "between", "bound", "equal", "within"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A range that passes, both ends included.

    Attributes:
        text: the rule in words.
        expected: the value that the range is about.
        low, high: least and greatest value that pass.
    """

    text: str
    expected: float
    low: float
    high: float

    def passes(self, measured: float) -> bool:
        """Whether a value lies in the range."""
        return self.low <= measured <= self.high

    def deviation(self, measured: float) -> float | None:
        """Share of the expectation by which a value differs from it; None if nothing was expected."""
        return measured / self.expected - 1 if self.expected else None


def within(expected: float, share: float) -> Rule:
    """The expectation, more or less a share of it."""
    margin = abs(expected) * share
    return Rule(text=f"within {100 * share:g} %", expected=expected, low=expected - margin, high=expected + margin)


def equal(expected: float) -> Rule:
    """The expectation itself."""
    return Rule(text="equal", expected=expected, low=expected, high=expected)


def bound(expected: float, share: float, *, slack: float = 0.0) -> Rule:
    """A bound that is never exceeded, and reached but for a share of it.

    Parameters:
        slack: what a window of counting may show above a bound that holds, such as one transfer cut by its edge.
    """
    return Rule(
        text=f"at most the bound, at least {100 * (1 - share):g} % of it",
        expected=expected,
        low=expected * (1 - share),
        high=expected + slack,
    )


def at_most(expected: float, *, text: str = "at most") -> Rule:
    """No more than the expectation."""
    return Rule(text=text, expected=expected, low=float("-inf"), high=expected)


def at_least(expected: float, *, text: str = "at least") -> Rule:
    """No less than the expectation."""
    return Rule(text=text, expected=expected, low=expected, high=float("inf"))


def between(expected: float, low: float, high: float, *, text: str) -> Rule:
    """A range that a row states in its own words."""
    return Rule(text=text, expected=expected, low=low, high=high)
