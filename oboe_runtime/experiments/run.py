"""Experiments by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ixp_emu import __version__
from oboe_runtime.experiments import categories, effort, flows, overhead, read_mostly, scaling, state_size
from oboe_runtime.experiments.case import Store
from oboe_runtime.experiments.document import SCHEMA, Document, Figure, Table
from oboe_runtime.experiments.laboratory import Laboratory

__all__ = ["EXPERIMENTS", "run_experiment"]

EXPERIMENTS: Mapping[str, Callable[[Laboratory], tuple[list[Figure], list[Table]]]] = {
    "scaling": scaling.run,
    "flows": flows.run,
    "state-size": state_size.run,
    "categories": categories.run,
    "read-mostly": read_mostly.run,
    "overhead": overhead.run,
    "effort": effort.run,
}
_SEED = 1


def run_experiment(
    name: str, *, scale: str, kept: Path | None = None, progress: Callable[[str], None] = lambda text: None
) -> Document:
    """Run an experiment.

    Parameters:
        name: one of `EXPERIMENTS`.
        scale: "quick" or "paper".
        kept: file in which measurements are kept, and from which those there already are taken.
        progress: told what is measured next.
    """
    laboratory = Laboratory(scale, Store(kept), progress)
    figures, tables = EXPERIMENTS[name](laboratory)
    return Document(
        schema=SCHEMA,
        experiment=name,
        scale=scale,
        version=__version__,
        seed=_SEED,
        figures=figures,
        tables=tables,
        runs=laboratory.runs,
        faults=laboratory.faults,
    )
