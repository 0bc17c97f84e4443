"""What `ixpemu check` says, derived from the configuration alone."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from ixp_emu.cluster.build import build_images
from ixp_emu.cluster.config import load_config
from ixp_emu.report.check_text import check_lines, packet_load
from tests.report.tiny import write_cluster

SMALLEST = Fraction(10**9, (64 + 20) * 8)
"""64-byte frames a second on a gigabit wire, with preamble and gap."""

TWO_CHIPS = """\
schema = 1
[run]
offered_packets = 1
[programs]
main = { source = "main.uc" }
[chips.a]
ports = ["1GbE", "1GbE", "1GbE"]
engines = { main = ["0:0"] }
[chips.b]
like = "a"
[chips.c]
like = "a"
[links.ab]
between = ["a.2", "b.2"]
[traffic]
generator = "uniform"
into = ["a.0", "a.1"]
"""


def load_of(directory: Path, chip: str, *overrides: str) -> Fraction | None:
    (directory / "main.uc").write_text("    nop\n")
    file = directory / "cluster.toml"
    file.write_text(TWO_CHIPS)
    config = load_config(file, overrides=overrides)
    load = packet_load(config, config.chips[chip])
    return None if load is None else load.packets_per_second


@pytest.mark.parametrize(
    ("chip", "overrides", "expected"),
    [
        ("a", [], 2 * SMALLEST),
        ("b", [], SMALLEST),  # two ports' worth is offered, one link brings it
        ("c", [], None),
        ("a", ["traffic.sizes=128"], 2 * Fraction(10**9, 148 * 8)),
        ("a", ["traffic.sizes=[[512, 1], [96, 3]]"], 2 * Fraction(10**9, 116 * 8)),
        ("a", ["traffic.rate=1000000"], Fraction(1_000_000)),
        ("a", ["traffic.rate=1e7"], 2 * SMALLEST),  # the wires carry no more
        ("b", ["traffic.rate=1000000"], Fraction(1_000_000)),
        ("a", ["traffic.rate=84 Mb/s"], Fraction(84 * 10**6, 84 * 8)),
        ("a", ["traffic.rate=0.5 Gb/s", 'traffic.into=["a.0", "b.0"]'], Fraction(5 * 10**8, 84 * 8)),
    ],
)
def test_the_most_packets_a_chip_may_see(
    tmp_path: Path, chip: str, overrides: list[str], expected: Fraction | None
) -> None:
    assert load_of(tmp_path, chip, *overrides) == expected


def test_lines_of_a_chip(tmp_path: Path) -> None:
    program = """\
.structure small element_bytes=4 count=8 align=4 access=read sharing=chip
.structure big element_bytes=32 count=100 align=32 access=read sharing=chip
.reg value
    immed[value, 1]
    alu[value, value, +, 1]
    ctx_arb[kill]
"""
    file = write_cluster(tmp_path, program, engines='"0:0", "1:3"')
    config = load_config(file, overrides=["placement.small=scratch", "placement.big=sram1"])
    scratch, sram = config.hardware["scratch.size_bytes"], config.hardware["sram.size_bytes"]
    lines = list(check_lines(config, build_images(config)))
    budget = int(600e6 / SMALLEST * 2)
    assert lines[0] == "chip a"
    assert lines[1] == "  program main: 4 of 4,096 words on ME 0:0, 1:3"
    assert lines[2].startswith("    8 contexts; registers in use: ")
    assert lines[3:7] == [
        f"  scratch: 32 bytes used, {scratch - 32:,} left: small 32",
        f"  sram1: 3,200 bytes used, {sram - 3_200:,} left: big 3,200",
        "  at most 1.488 M packets/s (64-byte frames at line rate into 1 port): ME cycles per packet",
        f"    main {budget} (2 MEs)",
    ]


def test_a_warning_is_told_once_for_all_chips(tmp_path: Path) -> None:
    program = ".reg value other\n    alu[other, value, +, 1]\n    alu[other, other, +, 1]\n    ctx_arb[kill]\n"
    config = load_config(write_cluster(tmp_path, program))
    image = build_images(config)["a"]
    warnings = [line for line in check_lines(config, {"a": image, "b": image}) if line.startswith("warning: ")]
    assert warnings == [f"warning: {tmp_path / 'main.uc'}:2: register 'value' is used before it is set"]
