"""The `oboe` command: services, what Oboe makes of a configuration, experiments. Single runs are those of `ixpemu`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ixp_emu.cli import FAULT, run_command
from ixp_emu.errors import InputError
from ixp_emu.output_files import check_writable

__all__ = ["app", "main"]

app = typer.Typer(
    help="Oboe on clusters of IXP2400s: network services with managed state.",
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the configuration; may be repeated."),
]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit: 0 done, 1 a run found a fault, 2 bad input, 130 interrupted."""
    sys.exit(run_command(app, list(sys.argv[1:] if arguments is None else arguments), name="oboe"))


@app.callback()
def _common() -> None:
    """Several commands."""


@app.command()
def services() -> None:
    """List the services that come with Oboe: states, categories, options, and the effort in their sources."""
    from oboe_runtime.declaration import builtin_services, read_declaration
    from oboe_runtime.effort import Effort, effort_of
    from oboe_runtime.explain_table import print_services

    found = []
    for directory in builtin_services():
        effort = sum(effort_of(directory).values(), Effort())
        found.append((read_declaration(directory), effort))
    print_services(found)


@app.command()
def explain(
    cluster: Annotated[Path, typer.Argument(metavar="CLUSTER.toml", help="A cluster with an [oboe] table.")],
    settings: _Set = None,
) -> None:
    """Say which state lives where under which management, what each access costs, and what registers are left."""
    from oboe_runtime.explain import explain as explained
    from oboe_runtime.explain_table import print_explanation

    print_explanation(explained(cluster, overrides=tuple(settings or ())))


class _Scale(StrEnum):
    QUICK = "quick"
    PAPER = "paper"


@app.command()
def experiment(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="scaling, flows, state-size, categories, read-mostly, overhead or effort."),
    ],
    scale: Annotated[_Scale, typer.Option(help="How many points, chips and packets.")] = _Scale.QUICK,
    report: Annotated[
        Path | None,
        typer.Option(metavar="F.json", help="Write the result; F.json.runs keeps measurements for going on."),
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="F.html", help="Write a page with figures.")] = None,
) -> None:
    """Run an experiment: tables, figures with what theory predicts, and a sentence for each."""
    from oboe_runtime.experiments.run import EXPERIMENTS

    if name not in EXPERIMENTS:
        raise InputError(f'"{name}": there are {", ".join(EXPERIMENTS)}', key="experiment")
    check_writable(report)
    check_writable(html)
    from ixp_emu.chip.compile import compile_engine, progress_shown
    from oboe_runtime.experiments.document import write_document
    from oboe_runtime.experiments.page import print_document, write_page
    from oboe_runtime.experiments.run import run_experiment

    kept = None if report is None else report.with_name(report.name + ".runs")
    with progress_shown():
        compile_engine()
    with Console(stderr=True).status("") as status:
        document = run_experiment(name, scale=scale.value, kept=kept, progress=status.update)
    if report is not None:
        write_document(document, report)
    if html is not None:
        write_page(document, html)
    print_document(document)
    if document.faults:
        raise typer.Exit(FAULT)
