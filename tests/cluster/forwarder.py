"""The example cluster with short traffic, and copies of its microcode that a test breaks on purpose."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec

from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.run import ClusterRun
from ixp_emu.report.build import build_report
from ixp_emu.report.model import encode_report

__all__ = ["EXAMPLE", "MICROCODE", "broken_copy", "new_run", "report_of"]

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "forward.toml"
MICROCODE = ROOT / "microcode"


def new_run(*overrides: str, threads: int = 1, packets: int = 300, file: Path = EXAMPLE) -> ClusterRun:
    """A run of the example, of a few packets and without warm-up unless the overrides say otherwise."""
    shorter = [f"run.offered_packets={packets}", "run.warmup_packets=0"]
    return ClusterRun(load_config(file, overrides=[*shorter, *overrides]), threads=threads)


def report_of(run: ClusterRun) -> dict[str, Any]:
    """The report as plain data, without what depends on the host's clock."""
    document: dict[str, Any] = msgspec.json.decode(encode_report(build_report(run.result())))
    for key in ("wall_seconds", "instructions_per_second", "slowdown"):
        del document["run"][key]
    return document


def broken_copy(folder: Path, program: str, old: str, new: str) -> list[str]:
    """Overrides that run a copy of the microcode in which one place of a file is changed.

    Parameters:
        program: the changed file, relative to the microcode.
        old: stands there once.
    """
    copy = folder / "microcode"
    shutil.copytree(MICROCODE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    file = copy / program
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    sources = {"rx": "firmware/rx.uc", "forward": "services/forward/forward.uc", "tx": "firmware/tx.uc"}
    return [f'programs.{name}.source="{copy / source}"' for name, source in sources.items()]
