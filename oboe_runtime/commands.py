"""The `oboe` command: what services there are, and what Oboe makes of a configuration. Runs are those of `ixpemu`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ixp_emu.cli import run_command

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
