"""Whether the states are what the service's oracle says of the packets that it worked on.

Of a run without losses those are all packets. Otherwise they are known from what left: a packet that did not, and that
the service did not drop, was lost before it, and the oracle is not shown it. A record that was given up, or whose
bundle began again elsewhere, holds what the oracle says of the flow's last packets, from some packet on; records of
flows that have none any more are not judged, but none may be missing by count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ixp_emu.cluster.egress import NOT_DELIVERED
from microcode.services.packet import Tuple
from oboe_runtime.observed import Observed
from oboe_runtime.oracle import Arrival, ForgettingOracle, Oracle

if TYPE_CHECKING:
    from ixp_emu.cluster.run import RunResult

__all__ = ["GIVEN_UP", "differing_records", "judge_run", "unreplayable", "worked_on"]

GIVEN_UP = ("expired", "evicted", "refused")
"""Events behind which records may hold less than all of their flow's packets."""


def unreplayable(result: RunResult, dropped: Mapping[str, Sequence[int]], drops: Sequence[str]) -> bool:
    """Whether it is not known which packets changed which states.

    Parameters:
        dropped: reason of the service -> offered frames that it must drop.
        drops: all reasons of the service.
    """
    if not result.complete or result.fault or "unavailable" in result.lost:
        return True
    if any("call_given_up" in events for events in result.events.values()):
        return True
    return any(result.lost.get(reason, 0) != len(dropped.get(reason, ())) for reason in drops)


def worked_on(result: RunResult, dropped: Mapping[str, Sequence[int]]) -> npt.NDArray[np.bool_]:
    """Which offered frames the service has worked on: those that left, and those that it dropped."""
    done = np.zeros(result.packets, np.bool_)
    left = result.egress.left_at != np.uint64(NOT_DELIVERED)
    done[result.expectation.frames.input[left]] = True
    for indices in dropped.values():
        done[list(indices)] = True
    return done


def judge_run(
    observed: Observed,
    arrivals: Callable[[], Iterable[tuple[int, Arrival]]],
    done: npt.NDArray[np.bool_],
    open_oracle: Callable[[], Oracle],
    *,
    events: Mapping[str, int],
    begun_anew: bool,
    entries_known: bool,
    canonical: Callable[[Tuple], Tuple],
) -> list[str] | None:
    """What the oracle finds wrong; None where it does not know how to judge.

    Parameters:
        arrivals: gives the well-formed packets in order of arrival, with their numbers.
        done: which packets the service has worked on.
        events: of all chips whose records are looked at.
        begun_anew: records may hold less than all of their flow's packets.
        entries_known: every packet worked on is in the states that have no entry per flow.
        canonical: directed flow -> key of its record.
    """
    shown = open_oracle()
    for index, arrival in arrivals():
        if done[index]:
            shown.work(arrival)
    if not begun_anew:
        return shown.differences(observed)
    texts = shown.differences(replace(observed, flows={})) if entries_known else []
    if not observed.flows:
        return texts
    if not isinstance(shown, ForgettingOracle):
        return None
    flows = {flow for words in observed.flows.values() for flow in words}
    packets: dict[Tuple, list[Arrival]] = {flow: [] for flow in flows}
    for index, arrival in arrivals():
        flow = canonical(arrival.packet.flow)
        if done[index] and flow in packets:
            packets[flow].append(arrival)
    probe = open_oracle()
    assert isinstance(probe, ForgettingOracle)
    for flow in sorted(flows):
        words = {state: {flow: of[flow]} for state, of in observed.flows.items() if flow in of}
        texts += differing_records(probe, flow, packets[flow], Observed(flows=words))
    made = events.get("new_flow", 0) - sum(events.get(event, 0) for event in ("expired", "evicted"))
    if made != observed.records:
        texts.append(f"{observed.records} records are live; {made} were made and not given up")
    return texts


def differing_records(
    probe: ForgettingOracle, flow: Tuple, packets: Sequence[Arrival], observed: Observed
) -> list[str]:
    """What is wrong with a flow's record, which began anew with any of its packets: the last ones are looked for.

    Parameters:
        probe: knows no flow; and none behind this.
        observed: the flow's entries only.
    """
    first: list[str] = []
    for start in (*range(min(len(packets), 1)), *range(len(packets) - 1, 0, -1)):
        for arrival in packets[start:]:
            probe.work(arrival)
        texts = probe.differences(observed)
        probe.forget(flow)
        if not texts:
            return []
        first = first or texts
    return first or [f"{tuple(flow)} has a record, but no packet of it was worked on"]
