"""Renew the counts that guard the engine's effort: ``python -m tools.engine_counts``.

``tests/engine_counts.toml`` says, for a fixed number of cycles of every program of the benchmark, what the model did
(instructions, commands: exactly so much) and what the engine needed for it (steps by kind of agent: no more than that).
``tests/test_engine_counts.py`` compares. A change of the engine alone must not change the first, and makes the second
smaller or is looked at twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ixp_emu.bench.programs import PROGRAMS, BenchProgram
from ixp_emu.chip.layout import AGENTS, CMD_ARBITER, DELIVERY, MEDIA_RX, MEDIA_TX, PULL, PUSH, UNIT
from ixp_emu.cluster.counters import take_counters
from tools.refresh_docs import ROOT

__all__ = ["COUNTS", "KINDS", "counts_of", "main", "table_of"]

COUNTS = ROOT / "tests" / "engine_counts.toml"
WARMUP_CYCLES, CYCLES = 20_000, 100_000
_FIRST_AGENTS = {  # in the order of the agents
    "microengines": 0,
    "deliveries": DELIVERY,
    "pull_buses": PULL,
    "push_buses": PUSH,
    "units": UNIT,
    "command_buses": CMD_ARBITER,
    "media_receive": MEDIA_RX,
    "media_transmit": MEDIA_TX,
}
KINDS = {
    kind: slice(first, behind)
    for (kind, first), behind in zip(_FIRST_AGENTS.items(), [*[*_FIRST_AGENTS.values()][1:], AGENTS], strict=True)
}
"""Kind of agent -> its agents."""


def counts_of(program: BenchProgram) -> dict[str, int]:
    """What a program does in CYCLES after its warm-up: ``instructions``, ``commands``, and steps by kind of agent."""
    loaded = program.load(WARMUP_CYCLES + CYCLES)
    loaded.advance(WARMUP_CYCLES)
    earlier = take_counters(loaded.chips, loaded.now)
    loaded.advance(WARMUP_CYCLES + CYCLES)
    grown = take_counters(loaded.chips, loaded.now).since(earlier)
    counts = {"instructions": int(grown["me_instructions"].sum()), "commands": int(grown["me_commands"].sum())}
    return counts | {kind: int(grown["steps"][:, agents].sum()) for kind, agents in KINDS.items()}


def table_of(counts: Mapping[str, Mapping[str, int]]) -> str:
    """The file's text for the counts of every program."""
    lines = [f"# Made by: python -m tools.engine_counts ({CYCLES:,} cycles of each program of the benchmark)"]
    for name, values in counts.items():
        lines += ["", f"[{name}]", *(f"{key} = {value:_}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def main(path: Path = COUNTS) -> None:
    """Run every program and write the file."""
    path.write_text(table_of({program.name: counts_of(program) for program in PROGRAMS}), encoding="utf-8")


if __name__ == "__main__":
    main()
