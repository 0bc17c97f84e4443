"""What a command imports: start-up is most of the time of a small run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import ixp_emu.assembler

ROOT = Path(__file__).parents[1]
PROBE = """
import sys
from ixp_emu.cli import app, run_command
code = run_command(app, sys.argv[1:], name="ixpemu")
print("modules", *sorted(sys.modules), file=sys.stderr)
sys.exit(code)
"""
SMALL_RUN = ("run", "examples/forward.toml", "--packets", "50", "--set", "run.warmup_packets=0")
NEVER = {"pydantic", "scipy", "pandas", "matplotlib", "bitstring", "pytest"}


def modules_of(*arguments: str) -> set[str]:
    """Modules that a process of its own has imported when a command ends."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stderr.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("--version",)], ids=" ".join)
def test_help_needs_neither_arrays_nor_a_compiler(arguments: tuple[str, ...]) -> None:
    assert modules_of(*arguments).isdisjoint({"numpy", "numba", "lark", "elftools", *NEVER})


def test_a_small_run_of_known_programs_with_a_known_engine_needs_neither_assembler_nor_compiler() -> None:
    modules_of(*SMALL_RUN)  # from here on they are known
    modules = modules_of(*SMALL_RUN)
    assert modules.isdisjoint({"lark", "elftools", "ixp_emu.assembler.parser", "ixp_emu.assembler.assembly", *NEVER})
    assert modules.isdisjoint({"numba", "ixp_emu.chip.pipeline", "ixp_emu.chip.primitives", "ixp_emu.chip.lowering"})
    assert {"llvmlite", "ixp_emu.chip.kernel", "ixp_emu.assembler.program"} <= modules  # the probe sees what there is


def test_names_of_the_assembler_are_no_modules() -> None:
    names = ixp_emu.assembler.__all__
    assert sorted(name for module in ixp_emu.assembler._MODULES.values() for name in module) == names
    assert set(names).isdisjoint(ixp_emu.assembler._MODULES)
    for name in names:
        assert not isinstance(getattr(ixp_emu.assembler, name), type(sys)), name
    with pytest.raises(AttributeError, match=r"^module 'ixp_emu\.assembler' has no attribute 'nothing'$"):
        ixp_emu.assembler.nothing  # type: ignore[attr-defined]  # noqa: B018
