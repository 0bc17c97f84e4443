"""Matching at egress, against the definitions written out frame by frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ixp_emu.cluster.egress import NO_INPUT, NOT_DELIVERED, EgressMatcher, EgressResult, ExpectedFrames, LatencySummary
from ixp_emu.cluster.frames import NO_FLOW

Row = tuple[int, int, int]  # digest, port, flow
Observed = tuple[int, int, int]  # digest, port, time


def expect(rows: list[Row], inputs: list[int] | None = None) -> ExpectedFrames:
    digest, port, flow = zip(*rows, strict=True) if rows else ((), (), ())
    return ExpectedFrames(
        digest=np.array(digest, dtype=np.uint64),
        port=np.array(port, dtype=np.uint16),
        flow=np.array(flow, dtype=np.uint32),
        input=np.array(range(len(rows)) if inputs is None else inputs, dtype=np.int64),
    )


def observe(matcher: EgressMatcher, log: list[Observed]) -> list[int]:
    digest, port, time = zip(*log, strict=True) if log else ((), (), ())
    matched: list[int] = matcher.observe(
        digest=np.array(digest, dtype=np.uint64),
        time=np.array(time, dtype=np.uint64),
        port=np.array(port, dtype=np.uint16),
    ).tolist()
    return matched


def judge(rows: list[Row], log: list[Observed], **options: Any) -> EgressResult:
    matcher = EgressMatcher(expect(rows))
    observe(matcher, log)
    return matcher.result(last_bit_in=np.zeros(len(rows), dtype=np.uint64), **options)


def brute_force(rows: list[Row], log: list[Observed]) -> tuple[list[int], dict[str, int], list[int], list[bool]]:
    """Matches, counts, leaving times and order straight from the definitions."""
    left_at = [NOT_DELIVERED] * len(rows)
    matches = []
    counts = {"unknown": 0, "misrouted": 0, "duplicated": 0}
    for digest, port, time in log:
        wanted = [i for i, row in enumerate(rows) if row[0] == digest and row[1] == port]
        open_rows = [i for i in wanted if left_at[i] == NOT_DELIVERED]
        matches.append(open_rows[0] if open_rows else -1)
        if open_rows:
            left_at[open_rows[0]] = time
        elif wanted:
            counts["duplicated"] += 1
        elif any(row[0] == digest for row in rows):
            counts["misrouted"] += 1
        else:
            counts["unknown"] += 1
    reordered = [
        left_at[i] != NOT_DELIVERED
        and rows[i][2] != NO_FLOW
        and any(rows[j][2] == rows[i][2] and left_at[j] < left_at[i] for j in range(i + 1, len(rows)))
        for i in range(len(rows))
    ]
    return matches, counts, left_at, reordered


rows_lists = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 2), st.sampled_from([0, 1, NO_FLOW])), max_size=12)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), rows=rows_lists)
def test_any_log_in_any_pieces_is_judged_as_defined(data: st.DataObject, rows: list[Row]) -> None:
    sent = data.draw(st.permutations([(digest, port) for digest, port, _ in rows]))
    strangers = data.draw(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=4))
    kept = [one for one in [*sent, *strangers] if data.draw(st.integers(0, 4)) > 0]
    times = sorted(data.draw(st.lists(st.integers(0, 30), min_size=len(kept), max_size=len(kept))))
    log = [(digest, port, time) for (digest, port), time in zip(kept, times, strict=True)]
    matches, counts, left_at, reordered = brute_force(rows, log)

    matcher = EgressMatcher(expect(rows))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=3)))
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(log)], strict=True):
        found += observe(matcher, log[start:end])
        resumed = EgressMatcher(expect(rows))  # a checkpoint between any two pieces
        resumed.restore({name: array.copy() for name, array in matcher.to_arrays().items()})
        matcher = resumed
    result = matcher.result(last_bit_in=np.zeros(len(rows), dtype=np.uint64))

    assert found == matches
    assert {name: getattr(result, name) for name in counts} == counts
    assert result.unexpected == sum(counts.values())
    assert result.left_at.tolist() == left_at
    assert result.is_reordered.tolist() == reordered
    assert result.reordered == sum(reordered)
    assert (result.delivered, result.missing) == (
        len(rows) - left_at.count(NOT_DELIVERED),
        left_at.count(NOT_DELIVERED),
    )
    assert matcher.delivered == result.delivered


def test_equal_frames_match_first_in_first_out() -> None:
    result = judge([(9, 0, 1)] * 3, [(9, 0, 10), (9, 0, 20)])
    assert result.left_at.tolist() == [10, 20, NOT_DELIVERED]


def test_one_late_packet_is_one_reordering_and_one_early_packet_is_many() -> None:
    rows = [(digest, 0, 0) for digest in range(4)]
    late = judge(rows, [(1, 0, 1), (2, 0, 2), (3, 0, 3), (0, 0, 4)])
    assert late.is_reordered.tolist() == [True, False, False, False]
    early = judge(rows, [(3, 0, 1), (0, 0, 2), (1, 0, 3), (2, 0, 4)])
    assert early.is_reordered.tolist() == [True, True, True, False]


def test_equal_times_on_two_ports_are_in_order_and_one_cycle_more_is_not() -> None:
    rows = [(1, 0, 0), (2, 1, 0)]
    assert judge(rows, [(2, 1, 7), (1, 0, 7)]).reordered == 0
    assert judge(rows, [(2, 1, 7), (1, 0, 8)]).reordered == 1


def test_a_lost_packet_reorders_nothing() -> None:
    assert judge([(1, 0, 0), (2, 0, 0), (3, 0, 0)], [(1, 0, 1), (3, 0, 2)]).reordered == 0


def test_the_order_of_input_decides_not_the_row() -> None:
    matcher = EgressMatcher(expect([(1, 0, 0), (2, 0, 0)], inputs=[5, 3]))
    observe(matcher, [(1, 0, 1), (2, 0, 2)])
    result = matcher.result(last_bit_in=np.zeros(6, dtype=np.uint64))
    assert result.is_reordered.tolist() == [False, True]


def test_latency_is_last_bit_out_minus_last_bit_in_after_the_warm_up() -> None:
    matcher = EgressMatcher(expect([(1, 0, 0), (2, 0, 0), (3, 0, 0), (4, 0, 0)]))
    observe(matcher, [(1, 0, 1_000), (2, 0, 2_000), (4, 0, 2_500)])
    result = matcher.result(last_bit_in=np.array([0, 1_500, 1_600, 1_900], dtype=np.uint64), warmup_packets=1)
    assert result.latency == LatencySummary(2, 500 + 600, 500, 500, 600, 600, 600)
    assert result.delivered == 3


def test_frames_made_by_a_service_have_neither_latency_nor_order() -> None:
    matcher = EgressMatcher(expect([(1, 0, 0), (2, 0, 0)], inputs=[0, NO_INPUT]))
    observe(matcher, [(1, 0, 10), (2, 0, 5)])
    result = matcher.result(last_bit_in=np.array([4], dtype=np.uint64))
    assert (result.delivered, result.reordered, result.latency.count, result.latency.total) == (2, 0, 1, 6)


@settings(deadline=None)
@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=250))
def test_percentiles_are_nearest_ranks(latencies: list[int]) -> None:
    summary = LatencySummary.of(np.array(latencies, dtype=np.uint64))
    for percent, value in ((50, summary.p50), (95, summary.p95), (99, summary.p99)):
        within = [one for one in set(latencies) if 100 * sum(x <= one for x in latencies) >= percent * len(latencies)]
        assert value == min(within)
    assert (summary.minimum, summary.maximum) == (min(latencies), max(latencies))
    assert (summary.count, summary.total) == (len(latencies), sum(latencies))


def test_nearest_rank_at_its_edge() -> None:
    assert LatencySummary.of(np.arange(1, 101, dtype=np.uint64)).p95 == 95
    assert LatencySummary.of(np.arange(1, 102, dtype=np.uint64)).p95 == 96


def test_nothing_expected_and_nothing_observed() -> None:
    result = judge([], [])
    assert (result.expected, result.delivered, result.unexpected, result.latency.count) == (0, 0, 0, 0)
    assert judge([], [(1, 0, 0)]).unknown == 1


def test_columns_of_different_length_are_refused() -> None:
    columns = expect([(1, 0, 0)])
    with pytest.raises(ValueError, match=r"^ExpectedFrames: columns of \[1, 2\] rows$"):
        ExpectedFrames(columns.digest, columns.port, columns.flow, np.zeros(2, dtype=np.int64))


def test_a_port_may_stand_in_for_others() -> None:
    """Frames of ports 1 and 2 may leave at 0 as well, but not the other way round; each leaves once, wherever."""
    rows = [(7, 1, 0), (8, 2, 1), (9, 0, 2), (7, 0, 3)]
    matcher = EgressMatcher(expect(rows), {0: [1, 2, 5]})
    assert observe(matcher, [(8, 0, 10), (9, 1, 11), (7, 0, 12), (8, 2, 13), (7, 1, 14)]) == [1, -1, 3, -1, 0]
    result = matcher.result(last_bit_in=np.zeros(4, np.uint64))
    assert (result.delivered, result.misrouted, result.duplicated, result.unknown) == (3, 1, 1, 0)
