"""`check` refuses what `run` refuses, before anything stands still: nothing moves frames, no service, no code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ixp_emu.cluster.admission import admit
from ixp_emu.cluster.build import build_images
from ixp_emu.cluster.config import load_config
from ixp_emu.errors import InputError
from tests.cluster.forwarder import ROOT

CLUSTER = """\
schema = 1
[run]
offered_packets = 1
[programs]
a = { source = "a.uc" }
b = { source = "b.uc" }
[chips.x]
ports = ["1GbE", "1GbE"]
engines = { a = ["0:0"] }
[chips.y]
ports = ["1GbE"]
engines = { b = ["0:0"] }
[links.xy]
between = ["x.1", "y.0"]
[traffic]
generator = "uniform"
into = ["x.0"]
"""
MOVES = "    msf[fast_wr, --, 0, 0]\nend#:\n    br[end#]\n"
STANDS = "end#:\n    br[end#]\n"
SERVICE = (ROOT / "examples" / "lengths" / "service.py").read_text()


def refusal(directory: Path, *, a: str = MOVES, b: str = MOVES, service: bool = True, cluster: str = CLUSTER) -> str:
    """What the user reads; nothing if the cluster may run."""
    (directory / "a.uc").write_text(a)
    (directory / "b.uc").write_text(b)
    if service:
        (directory / "service.py").write_text(SERVICE)
    file = directory / "cluster.toml"
    file.write_text(cluster)
    config = load_config(file)
    try:
        admit(config, build_images(config))
    except InputError as error:
        return str(error).replace(f"{directory}/", "")
    return ""


# The service of the example wants two ports.
TWO_PORTS = CLUSTER.replace('ports = ["1GbE"]', 'ports = ["1GbE", "1GbE"]')
UNLINKED = TWO_PORTS.replace('[links.xy]\nbetween = ["x.1", "y.0"]\n', "")


def test_chips_that_packets_reach_need_a_program_that_moves_them(tmp_path: Path) -> None:
    assert refusal(tmp_path, cluster=TWO_PORTS) == ""
    message = "but no program of chip {chip} ({name}) has an msf command: none receives or transmits"
    assert refusal(tmp_path, a=STANDS, cluster=TWO_PORTS) == (
        f"cluster.toml:9: chips.x.engines: packets may enter at port x.0, {message.format(chip='x', name='a')}"
    )
    assert refusal(tmp_path, b=STANDS, cluster=TWO_PORTS) == (
        f"cluster.toml:12: chips.y.engines: packets may enter at port y.0, {message.format(chip='y', name='b')}"
    )
    assert refusal(tmp_path, b=STANDS, cluster=UNLINKED) == ""


def test_one_of_several_programs_is_enough(tmp_path: Path) -> None:
    both = UNLINKED.replace('engines = { a = ["0:0"] }', 'engines = { b = ["0:0"], a = ["0:1"] }')
    both = both.replace('b = { source = "b.uc" }', 'b = { source = "other/b.uc" }')  # one service is allowed
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.uc").write_text(STANDS)
    assert refusal(tmp_path, cluster=both) == ""


def test_a_program_without_instructions(tmp_path: Path) -> None:
    assert refusal(tmp_path, a="// nothing\n", cluster=UNLINKED) == (
        "cluster.toml:5: programs.a.source: program a has no instructions"
    )


def test_a_chip_without_a_service(tmp_path: Path) -> None:
    message = "chip x runs no service, so nothing says what must become of its frames"
    assert refusal(tmp_path, service=False, cluster=UNLINKED) == f"cluster.toml: {message}"


@pytest.mark.parametrize("command", ["check", "run"])
def test_both_commands_refuse_it(tmp_path: Path, command: str) -> None:
    refusal(tmp_path, a=STANDS, cluster=UNLINKED)
    done = subprocess.run(
        [sys.executable, "-m", "ixp_emu.cli", command, tmp_path / "cluster.toml"],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=300,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "none receives or transmits" in done.stderr


def test_the_firmware_serves_one_channel() -> None:
    config = load_config(ROOT / "examples" / "mesh16.toml", overrides=["hardware.msf.channels=2"])
    with pytest.raises(InputError, match=r"serve one SPI-3 channel: hardware\.msf\.channels = 1$"):
        build_images(config)
