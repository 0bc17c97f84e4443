"""DDR commands break no rule of the devices, whatever the stream; a sequential stream reaches the bus limit."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ixp_emu.calibrate.ddr_checker import DdrLog, violations
from ixp_emu.chip.codes import Ddr
from ixp_emu.chip.hardware import resolve_hardware
from ixp_emu.chip.layout import DDR
from tests.chip.one_chip import OneChip

# Every context starts elsewhere and steps on; indirect_ref moves 16 quadwords between DRAM and the media buffers.
_HEAD = """
.reg address step slot cluster
local_csr_rd[ACTIVE_CTX_STS]
immed[slot, 0]
alu_shf[cluster, 0x20, AND, slot, >>2]
alu[slot, slot, AND, 0x1f]
alu[slot, slot, OR, cluster]
alu_shf[address, --, B, slot, <<{start_shift}]
immed[step, {step_low}]
immed_w1[step, {step_high}]
"""
_MOVE = """
    immed[slot, 0x0010]
    immed_w1[slot, ((1 << 2) | (15 << 5) | (1 << 9))]
    alu[--, --, B, slot]
    dram[{command}, --, address, 0, max_16], indirect_ref, sig_done[{signal}]
    ctx_arb[{signal}]
    alu[address, address, +, step]
"""
_MEMORY = """
    dram[{command}, $$d0, address, 0, {count}], sig_done[{signal}]
    ctx_arb[{signal}]
    alu[address, address, +, step]
"""
_SEED = "local_csr_wr[PSEUDO_RANDOM_NUMBER, address]\n"
_RANDOM = """
    local_csr_rd[PSEUDO_RANDOM_NUMBER]
    immed[slot, 0]
    alu_shf[address, --, B, slot, >>8]
"""


def _program(moves: str, *, start_shift: int, step: int, seed: str = "") -> str:
    registers = " ".join(f"$$d{i}" for i in range(16))
    head = _HEAD.format(start_shift=start_shift, step_low=step & 0xFFFF, step_high=step >> 16)
    return f".reg {registers}\n.xfer_order {registers}\n.sig a b\n{head}{seed}again#:\n{moves}\n    br[again#]\n"


def _stream(name: str) -> str:
    """Programs of the streams; addresses stay far below the memory's end for the run's length."""
    in_moves = _MOVE.format(command="rbuf_rd", signal="a")
    out_moves = _MOVE.format(command="tbuf_wr", signal="b")
    read = _MEMORY.format(command="read", count=1, signal="a")
    write = _MEMORY.format(command="write", count=1, signal="b")
    return {
        "sequential writes": _program(in_moves, start_shift=7, step=8192),  # 64 contexts move 128 bytes each
        "sequential reads": _program(out_moves, start_shift=7, step=8192),
        "one bank, other rows": _program(read, start_shift=13, step=8192),
        "one bank, rows written": _program(write, start_shift=13, step=8192),
        "short reads and writes over the banks": _program(read + write, start_shift=12, step=136),
        "long moves in both directions": _program(in_moves + out_moves, start_shift=14, step=4224),
        "random": _program(f"{_RANDOM}{read}{_RANDOM}{write}{_RANDOM}{write}", start_shift=12, step=0, seed=_SEED),
        "everything": _program(in_moves + read + out_moves + write, start_shift=12, step=2184),
    }[name]


_STREAMS = (
    "sequential writes",
    "sequential reads",
    "one bank, other rows",
    "one bank, rows written",
    "short reads and writes over the banks",
    "long moves in both directions",
    "random",
    "everything",
)


@pytest.mark.parametrize("overrides", [{}, {"dram.turnaround": 20, "dram.write_recovery": 31, "dram.ras": 61}])
@pytest.mark.parametrize("name", _STREAMS)
def test_no_command_breaks_a_rule(name: str, overrides: dict[str, int]) -> None:
    chip = OneChip({me: _stream(name) for me in range(8)}, contexts=0xFF, overrides=overrides)
    log = DdrLog(chip.chip)
    record = chip.run(40_000)
    assert int(record["fault"]) == 0
    commands = log.commands
    kinds = Counter(int(kind) for kind in commands["command"])
    assert kinds[Ddr.REFRESH] == 40_000 // chip.hardware["dram.refresh_interval"]
    assert kinds[Ddr.READ] + kinds[Ddr.WRITE] == int(record["references"][3]) > 300
    assert kinds[Ddr.ACTIVATE] >= kinds[Ddr.REFRESH]
    assert list(violations(commands, chip.hardware.values)) == []


def _rows(*commands: tuple[int, int, int, int]) -> np.ndarray:
    """(time, command, bank, row) of a hand-made log; data of 8 cycles follows a column command after cas."""
    cas = resolve_hardware()["dram.cas"]
    rows = np.zeros(len(commands), DDR)
    for entry, (time, command, bank, row) in zip(rows, commands, strict=True):
        entry["time"], entry["command"], entry["bank"], entry["row"] = time, command, bank, row
        entry["data_start"], entry["data_end"] = time + cas, time + cas + 8
    return rows


def _edge_cases() -> list[tuple[str, int, list[tuple[int, int, int, int]]]]:
    """Rule, legal time of the last command, and the commands with None's place at that time."""
    p = resolve_hardware().values
    act, cas, end = p["dram.activate"], p["dram.cas"], p["dram.activate"] + p["dram.cas"] + 8
    ras, rc = p["dram.ras"], p["dram.row_cycle"]
    opened = [(0, Ddr.ACTIVATE, 0, 5)]
    closed = [*opened, (act, Ddr.READ, 0, 5), (100, Ddr.PRECHARGE, 0, 5)]
    return [
        ("tRCD", act, [*opened, (act, Ddr.READ, 0, 5)]),
        ("tRAS", ras, [*opened, (ras, Ddr.PRECHARGE, 0, 5)]),
        ("tRP", 100 + p["dram.precharge"], [*closed, (100 + p["dram.precharge"], Ddr.ACTIVATE, 0, 6)]),
        ("tRC", rc, [*opened, (ras, Ddr.PRECHARGE, 0, 5), (rc, Ddr.ACTIVATE, 0, 6)]),
        ("tRRD", p["dram.activate_gap"], [*opened, (p["dram.activate_gap"], Ddr.ACTIVATE, 1, 6)]),
        (
            "tWR",
            end + p["dram.write_recovery"],
            [*opened, (act, Ddr.WRITE, 0, 5), (end + p["dram.write_recovery"], Ddr.PRECHARGE, 0, 5)],
        ),
        ("tRFC", p["dram.refresh_cycles"], [(0, Ddr.REFRESH, -1, -1), (p["dram.refresh_cycles"], Ddr.ACTIVATE, 0, 1)]),
        (
            "bus turnaround",
            end + p["dram.turnaround"] - cas,
            [*opened, (act, Ddr.WRITE, 0, 5), (end + p["dram.turnaround"] - cas, Ddr.READ, 0, 5)],
        ),
        ("data bus", end - cas, [*opened, (act, Ddr.READ, 0, 5), (end - cas, Ddr.READ, 0, 5)]),
    ]


@pytest.mark.parametrize(("rule", "time", "commands"), _edge_cases(), ids=[case[0] for case in _edge_cases()])
def test_the_checker_finds_each_rule_at_its_edge(
    rule: str, time: int, commands: list[tuple[int, int, int, int]]
) -> None:
    """Legal at t, broken at t - 1: a checker that finds nothing would prove nothing."""
    parameters = dict(resolve_hardware().values)
    if rule == "tRC":
        parameters["dram.precharge"] = 1  # else tRP forbids it as well
    assert list(violations(_rows(*commands), parameters)) == []
    early = [*commands[:-1], (commands[-1][0] - 1, *commands[-1][1:])]
    found = list(violations(_rows(*early), parameters))
    assert [text.split(" at ")[0] for text in found] == [rule]


@pytest.mark.parametrize("name", ["sequential writes", "sequential reads"])
def test_a_sequential_stream_reaches_the_bus_limit_less_refresh(name: str) -> None:
    """DDR-300: a quadword per ``quadword_cycles`` except while a refresh holds the banks."""
    chip = OneChip({me: _stream(name) for me in range(8)}, contexts=0xFF)
    begin, end = 20_000, 120_000
    moved = int(chip.run(begin)["longwords"][3])
    moved = (int(chip.run(end)["longwords"][3]) - moved) // 2
    p = chip.hardware
    closed = p["dram.precharge"] + p["dram.refresh_cycles"] + p["dram.activate"] + p["dram.cas"]
    refreshes = (end - begin) / p["dram.refresh_interval"]
    bound = (end - begin) / p["dram.quadword_cycles"]
    limit = bound - refreshes * closed / p["dram.quadword_cycles"]
    assert moved <= bound
    assert moved >= 0.97 * limit
