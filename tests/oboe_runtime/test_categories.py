"""Every service from the same source under the categories and placements it permits, on one and several chips: the
frames that leave and the states behind them are what its oracle says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from ixp_emu.errors import InputError
from oboe_runtime.declaration import Declaration, State, read_declaration
from oboe_runtime.experiments.case import Case, measure
from oboe_runtime.generate import control_text, worker_text
from tests.oboe_runtime.oboe_runs import configuration, run_oboe

SERVICES = [f"builtin:services/{name}" for name in ("monitor", "nat", "intrusion")]
DECLARATIONS = {service: read_declaration(service) for service in SERVICES}
OPTIONS: Mapping[str, Mapping[str, int | str]] = {
    SERVICES[0]: {"conservative": 1, "sketch_cells": 64},
    SERVICES[1]: {"inside": "172.16.0.0/12"},
    SERVICES[2]: {},
}
PLACEMENTS = ("default", "sram1", "dram")


def variants(declaration: Declaration) -> Iterator[dict[str, str]]:
    """As declared; each state under each other category that it permits; everything strict."""
    yield {}
    for state in declaration.states:
        yield from ({state.name: category} for category in state.permitted if category != state.category)
    yield {state.name: "strict" for state in declaration.states if "strict" in state.permitted}


def in_dram(state: State, categories: Mapping[str, str]) -> bool:
    """DRAM has no atomic commands: it holds what one microengine changes, or none."""
    return categories.get(state.name, state.category) in ("read_only", "per_flow", "strict")


def placement(declaration: Declaration, kind: str, categories: Mapping[str, str]) -> dict[str, str]:
    if kind == "default":
        return {}
    states = [state for state in declaration.states if kind == "sram1" or in_dram(state, categories)]
    used = [state.name for state in states if state.name != "sketch"]  # which the conservative one takes the place of
    return {"flow_table": kind, **dict.fromkeys(used, kind)}


def check(service: str, categories: Mapping[str, str], chips: int, kind: str, order: str = "pinned") -> None:
    found = measure(
        Case(
            service=service,
            chips=chips,
            order=order,
            packets=40,
            rate=6_000.0 * chips,
            categories=categories,
            options=OPTIONS[service],
            placement=placement(DECLARATIONS[service], kind, categories),
        )
    )
    assert found.fault is None
    assert found.states_judged
    assert (found.delivered, found.lost) == (40 * chips, {})


CASES = [(service, variant) for service in SERVICES for variant in variants(DECLARATIONS[service])]


@pytest.mark.parametrize(("service", "categories"), [case for case in CASES if len(case[1]) != 1])
def test_as_declared_and_all_strict_on_two_chips(service: str, categories: dict[str, str]) -> None:
    check(service, categories, chips=2, kind="default")


@pytest.mark.parametrize("kind", PLACEMENTS[1:])
@pytest.mark.parametrize("service", SERVICES)
def test_every_placement_on_two_chips(service: str, kind: str) -> None:
    check(service, {}, chips=2, kind=kind, order="ordered" if kind == "sram1" else "pinned")


@pytest.mark.long
@pytest.mark.parametrize(
    ("service", "categories", "chips", "kind"),
    [(*case, chips, kind) for case, chips, kind in product(CASES, (1, 2, 4), PLACEMENTS)],
)
def test_every_category_placement_and_number_of_chips(
    service: str, categories: dict[str, str], chips: int, kind: str
) -> None:
    check(service, categories, chips, kind)


@pytest.mark.parametrize("service", SERVICES)
def test_operations_are_the_same_text_wherever_they_run(service: str) -> None:
    """The lines that a programmer wrote stand unchanged in the program that runs them: inline, or in the server."""
    for categories in variants(DECLARATIONS[service]):
        declaration = read_declaration(service, categories=categories)
        worker = worker_text(declaration, order="pinned", chips=2)
        control = control_text(declaration, order="pinned", chips=2)
        assert f'#include "{service}/service.uc"' in worker
        for state in declaration.states:
            for operation in state.operations:
                served = state.category == "strict" or (state.category == "read_mostly" and operation.updates)
                text = control if served else worker
                for line in operation.lines:
                    if line and "entry_" not in line:
                        assert f"\n{line}\n" in text


def test_what_is_not_permitted_is_refused_at_load(tmp_path: Path) -> None:
    path = configuration(
        tmp_path,
        service=SERVICES[0],
        traffic={"generator": "uniform", "into": ["n0.0"]},
        run={"offered_packets": 1},
        oboe={"categories": {"conservative_sketch": "commutative"}},
    )
    with pytest.raises(InputError) as error:
        run_oboe(path)
    assert "state conservative_sketch cannot be commutative: operations.uc:" in str(error.value)
    assert str(error.value).startswith(f"{path}:")


def test_a_period_too_short_for_the_links_is_refused_at_load(tmp_path: Path) -> None:
    """Two chips: 4,096 cells are 256 lines of 64 bytes, 131,072 bits at 0.2 Gb/s."""
    path = configuration(
        tmp_path,
        service=SERVICES[0],
        chips=2,
        control=True,
        traffic={"generator": "uniform", "into": ["n0.0"]},
        run={"offered_packets": 1},
        oboe={"options": {"merge_period_us": 655}},
    )
    with pytest.raises(InputError) as error:
        run_oboe(path)
    assert str(error.value).endswith(
        "state.sketch.period_us: 655 us; with 2 chips and 1 Gb/s links merging 16,384 bytes in a fifth of a link needs "
        "656 us"
    )


def test_a_small_table_may_lie_in_every_workers_local_memory() -> None:
    """A look at it for every byte: with one flow, whose packets wait for each other, nothing hides the latency."""
    case = Case(service=SERVICES[2], workers=2, packets=200, size=200, flows=1)
    near = measure(replace(case, placement={"leaves_root": "local"}))
    far = measure(replace(case, placement={"leaves_root": "scratch"}))
    assert (near.fault, far.fault) == (None, None)
    assert near.packets_per_second > 1.5 * far.packets_per_second
    assert measure(replace(case, placement={"leaves_root": "local"}, rate=10_000.0, packets=60)).states_judged
