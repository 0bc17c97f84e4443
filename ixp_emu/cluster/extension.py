"""Extensions: packages that own a top-level table of cluster.toml and put programs, tables and checks on its chips.

An entry point of the group ``ixpemu.extensions`` names an object that is an `Extension`; its name is the table's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ixp_emu.errors import InputError

if TYPE_CHECKING:
    from ixp_emu.cluster.config import ClusterConfig, Port
    from ixp_emu.cluster.expectation import Expectation
    from ixp_emu.cluster.frames import Frames
    from ixp_emu.cluster.run import ClusterRun, RunResult
    from ixp_emu.cluster.service import Service

__all__ = [
    "EXTENSION_GROUP",
    "ClusterExtension",
    "Extension",
    "Verdict",
    "installed_extensions",
    "load_extensions",
    "open_extensions",
]

EXTENSION_GROUP = "ixpemu.extensions"
"""Entry-point group; an extension's name is the top-level table of cluster.toml that it owns."""


class Verdict(NamedTuple):
    """What an extension says of a finished run.

    Attributes:
        report: the object under ``extensions.NAME`` of the report; plain data.
        fault: why the run is wrong, None if it is not.
    """

    report: Mapping[str, Any]
    fault: str | None


class ClusterExtension(Protocol):
    """An extension at work on one configuration."""

    def service(self, chip: str) -> Service:
        """The host half of what the chip runs: its defines, tables and counters."""

    def program_text(self, chip: str, program: str) -> str | None:
        """The text of a program that is made for this configuration; None: that of its source."""

    def expect(self, frames: Frames, into: Sequence[Port], port_numbers: Mapping[Port, int]) -> Expectation:
        """What must become of the offered frames; ``frames.port`` indexes ``into``."""

    def actions(self) -> Mapping[int, Callable[[ClusterRun], None]]:
        """Cycle (1 or later) -> what the extension does to the machine before it."""

    def losses(self, run: ClusterRun) -> Mapping[str, int]:
        """Cause -> offered frames that are lost without any counter of the machine, known so far."""

    def settled(self, run: ClusterRun) -> bool:
        """Whether a run whose packets are all resolved may end: nothing is under way that `finish` wants to be over."""

    def finish(self, result: RunResult) -> Verdict:
        """Judge a run at its end."""


class Extension(Protocol):
    """What the entry point names.

    Attributes:
        programs: name -> source of the programs that chips may run although [programs] does not give them.
    """

    @property
    def programs(self) -> Mapping[str, str]:
        """Program name -> source."""

    def open(self, config: ClusterConfig) -> ClusterExtension:
        """Decode the extension's table, strictly.

        Raises:
            InputError: a key, value or combination that cannot be.
        """


def installed_extensions() -> dict[str, EntryPoint]:
    """The extensions there are, by the name of their table."""
    return {entry.name: entry for entry in entry_points(group=EXTENSION_GROUP)}


def load_extensions(names: Iterable[str]) -> dict[str, Extension]:
    """The extensions of some tables, all installed."""
    installed = installed_extensions()
    return {name: installed[name].load() for name in names}


def open_extensions(config: ClusterConfig) -> dict[str, ClusterExtension]:
    """The extensions whose tables a configuration has, at work on it.

    Raises:
        InputError: whatever is wrong in a table, with its place in the file.
    """
    opened: dict[str, ClusterExtension] = {}
    for name, extension in load_extensions(config.extensions).items():
        try:
            opened[name] = extension.open(config)
        except InputError as error:
            if error.file is not None:
                raise
            raise config.source.located(error) from None
    if len(opened) > 1:
        raise config.source.error((list(opened)[1],), f"one extension at a time; there is [{next(iter(opened))}]")
    return opened
