"""Microengine cycles of a packet by stage: on one chip, and what a hop to another chip adds.

They come from runs at a load that everything bears, so a saturated run that is held against them has no part in them.
"""

from __future__ import annotations

from oboe_runtime.experiments.case import STAGES, Case, Measurement
from oboe_runtime.experiments.laboratory import CLOCK_HZ, Laboratory

__all__ = ["hop_cycles", "packet_cycles", "share_of_messages", "stage_cycles"]

_RATE = 400_000.0  # packets per second of each chip, which every service bears without loss
_BARE = "bare"


def share_of_messages(chips: int) -> float:
    """How many of a chip's packets are worked on by another chip."""
    return (chips - 1) / chips


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
        cycles[stage] = working * several * chips * CLOCK_HZ / found.packets_per_second
    return cycles


def packet_cycles(laboratory: Laboratory, name: str, *, chips: int = 1) -> dict[str, float]:
    """Cycles per packet of each stage with a service of one worker microengine."""
    service = f"builtin:services/{name}"
    found = laboratory.measure(Case(service=service, chips=chips, rate=_RATE * chips), lossless=True)
    idle = laboratory.measure(Case(service=service, chips=chips, rate=2_000.0, packets=60), lossless=True)
    return stage_cycles(found, idle, engines=1, chips=chips)


def hop_cycles(laboratory: Laboratory) -> dict[str, float]:
    """What a packet that crosses to another chip takes more: two chips against one, over the half that crosses."""
    one, two = packet_cycles(laboratory, _BARE), packet_cycles(laboratory, _BARE, chips=2)
    return {stage: (two[stage] - one[stage]) / share_of_messages(2) for stage in STAGES}
