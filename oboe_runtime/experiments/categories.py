"""What categories and placement of state buy: each service as declared, with all strict that may be, in DRAM."""

from __future__ import annotations

from oboe_runtime.declaration import Declaration, read_declaration
from oboe_runtime.experiments.case import Case, Measurement
from oboe_runtime.experiments.document import Figure, Series, Table
from oboe_runtime.experiments.laboratory import Laboratory

__all__ = ["run", "strict_categories"]

_SERVICES = ("monitor", "nat", "intrusion")
_VARIANTS = ("as declared", "strict", "DRAM")


def strict_categories(declaration: Declaration) -> dict[str, str]:
    """Every state that may be strict."""
    return {state.name: "strict" for state in declaration.states if "strict" in state.permitted}


def run(laboratory: Laboratory) -> tuple[list[Figure], list[Table]]:
    """Run the experiment."""
    chips = 2 if laboratory.quick else 4
    rows: list[list[str]] = []
    speeds: dict[str, list[float]] = {variant: [] for variant in _VARIANTS}
    told: list[str] = []
    names: list[str] = []
    for name in _SERVICES:
        service = f"builtin:services/{name}"
        declaration = read_declaration(service)
        found = {
            "as declared": laboratory.measure(_case(service, chips)),
            "DRAM": laboratory.measure(_case(service, chips, dram=declaration)),
        }
        if strict_categories(declaration):
            found["strict"] = laboratory.measure(_case(service, chips, strict=declaration))
        names.append(name)
        for variant in _VARIANTS:
            measured = found.get(variant)
            speeds[variant].append(measured.packets_per_second / 1e6 if measured is not None else 0.0)
            if measured is not None:
                rows.append(_row(name, variant, measured, found["as declared"]))
        told += [
            f"{name} {variant} {found['as declared'].packets_per_second / found[variant].packets_per_second:.2f}"
            for variant in ("strict", "DRAM")
            if variant in found
        ]
    sentence = f"On {chips} chips the declared categories are faster than the others by the factors: {', '.join(told)}."
    x = [float(place) for place in range(len(names))]
    figure = Figure(
        title=f"Categories and placement, {chips} chips",
        across="service",
        up="M packets/s",
        series=[Series(name=variant, x=x, y=speeds[variant]) for variant in _VARIANTS],
        sentence=sentence,
        ticks=names,
        bars=True,
    )
    columns = ["service", "state", "Mpps", "factor", "ME cycles/packet", "busiest"]
    return [figure], [Table(title="States as declared, strict, in DRAM", columns=columns, rows=rows)]


def _case(service: str, chips: int, *, strict: Declaration | None = None, dram: Declaration | None = None) -> Case:
    placement = {} if dram is None else _in_dram(dram)
    return Case(
        service=service,
        chips=chips,
        packets=4_000,
        categories={} if strict is None else strict_categories(strict),
        placement=placement,
    )


def _in_dram(declaration: Declaration) -> dict[str, str]:
    """All state that DRAM can hold: what several microengines change needs atomic commands, which DRAM has not."""
    held = [state.name for state in declaration.states if state.category in ("per_flow", "read_only")]
    return dict.fromkeys(["flow_table", *held], "dram")


def _row(name: str, variant: str, measured: Measurement, declared: Measurement) -> list[str]:
    return [
        name,
        variant,
        f"{measured.packets_per_second / 1e6:.3f}",
        f"{declared.packets_per_second / measured.packets_per_second:.2f}",
        f"{measured.cycles_per_packet:,.0f}",
        measured.busiest_text(),
    ]
