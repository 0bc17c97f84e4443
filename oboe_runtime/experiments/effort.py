"""The programmer's effort: what of the machine shows in the sources of services, beside the forwarder without Oboe."""

from __future__ import annotations

from dataclasses import fields

from oboe_runtime.declaration import builtin_services
from oboe_runtime.effort import Effort, effort_of
from oboe_runtime.experiments.document import Figure, Series, Table
from oboe_runtime.experiments.laboratory import Laboratory, service_name

__all__ = ["run"]

_WITHOUT_OBOE = "builtin:services/forward"


def run(laboratory: Laboratory) -> tuple[list[Figure], list[Table]]:
    """Run the experiment; nothing is measured, sources are counted."""
    directories = [*builtin_services(), _WITHOUT_OBOE]
    efforts = {service_name(name): sum(effort_of(name).values(), Effort()) for name in directories}
    kinds = [field.name for field in fields(Effort)]
    rows = [
        [name, *(str(getattr(effort, kind)) for kind in kinds), str(effort.total)] for name, effort in efforts.items()
    ]
    most = max(efforts[service_name(name)].total for name in builtin_services())
    sentence = (
        f"The services of Oboe name the machine {most} times at most; the forwarder, written without Oboe, "
        f"{efforts[service_name(_WITHOUT_OBOE)].total} times."
    )
    figure = Figure(
        title="Effort",
        across="service",
        up="places in the sources",
        series=[
            Series(
                name=kind.replace("_", " "),
                x=[float(place) for place in range(len(efforts))],
                y=[float(getattr(effort, kind)) for effort in efforts.values()],
            )
            for kind in kinds
        ],
        sentence=sentence,
        ticks=list(efforts),
        bars=True,
    )
    columns = ["service", *(kind.replace("_", " ") for kind in kinds), "together"]
    return [figure], [Table(title="What of the machine shows in a service's sources", columns=columns, rows=rows)]
