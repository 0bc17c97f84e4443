"""Clusters of one chip and a few instructions, for reports whose every number follows from the hardware description.

One frame is offered, which nobody takes from the MAC: it stays in flight.
"""

from __future__ import annotations

from pathlib import Path

from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.run import ClusterRun
from ixp_emu.report.build import build_report
from ixp_emu.report.model import Report

__all__ = ["CYCLES", "report_of", "run_of", "write_cluster"]

CYCLES = 1_000

_SERVICE = """\
import numpy as np

from ixp_emu.cluster.service import Outcome


class Sink:
    drop_reasons = ("ignored",)
    drop_counters = "drop_counters"

    def defines(self):
        return {}

    def contents(self):
        return {}

    def expect(self, frames):
        none = np.zeros(0, np.int64)
        return Outcome(frames.take(none), none, np.ones(len(frames), np.uint8))


def open_service(tables, ports):
    return Sink()
"""

_MEDIA = "    msf[fast_wr, --, 0, 0]\n"

_CLUSTER = """\
schema = 1
[run]
offered_packets = 1
max_cycles = {cycles}
[programs]
main = {{ source = "main.uc" }}
[chips.a]
ports = ["1GbE"]
engines = {{ main = [{engines}] }}
[traffic]
generator = "uniform"
into = ["a.0"]
sizes = 64
"""


def write_cluster(directory: Path, program: str, *, engines: str = '"0:0"', cycles: int = CYCLES) -> Path:
    """Write cluster.toml, the program of its MEs, and a service that expects nothing to leave.

    Behind the program stands a media command that it does not come to, for a program without one is refused.
    """
    (directory / "service.py").write_text(_SERVICE)
    (directory / "main.uc").write_text(f"{program}{_MEDIA}")
    file = directory / "cluster.toml"
    file.write_text(_CLUSTER.format(cycles=cycles, engines=engines))
    return file


def run_of(file: Path, *overrides: str, cycles: int | None = None) -> ClusterRun:
    """Run a configuration to its end, or to a cycle."""
    cluster_run = ClusterRun(load_config(file, overrides=overrides))
    cluster_run.run(cycles=cycles)
    return cluster_run


def report_of(file: Path, *overrides: str, cycles: int | None = None) -> Report:
    """The report of such a run."""
    return build_report(run_of(file, *overrides, cycles=cycles).result())
