"""Shapes of clusters: stars with a chip that only dispatches, ways over other chips, 16 chips; and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.extension import open_extensions
from ixp_emu.errors import InputError
from tests.oboe_runtime.oboe_runs import run_oboe

ENGINES = 'receive = ["0:0"], classify = ["0:1"], transmit = ["1:3"]'
WORKERS = ', worker = ["0:2", "0:3"], control = ["1:2"]'


def write(
    folder: Path, *, chips: str, links: str, into: str, rate: int = 200_000, packets: int = 300, oboe: str = ""
) -> Path:
    path = folder / "cluster.toml"
    path.write_text(f"""schema = 1
[run]
offered_packets = {packets}
stall_after = 400_000
[oboe]
service = "builtin:services/monitor"
egress_port = 0
time_scale = 1
options = {{ sketch_cells = 64, merge_period_us = 300 }}
{oboe}
{chips}
{links}
[traffic]
generator = "uniform"
into = {into}
rate = {rate}
sizes = 64
flows = 80
""")
    return path


@pytest.mark.parametrize("order", ["pinned", "ordered"])
@pytest.mark.parametrize("workers", [1, 4])
def test_a_star_with_a_dispatcher(tmp_path: Path, order: str, workers: int) -> None:
    """All packets enter at the center, which has no worker; messages of control between workers pass through it."""
    ports = ["1GbE"] * (1 + workers)
    path = write(
        tmp_path,
        chips=f"""[chips.center]
ports = {ports}
engines = {{ {ENGINES} }}
[chips.node]
count = {workers}
ports = ["1GbE", "1GbE"]
engines = {{ {ENGINES}{WORKERS} }}""",
        links=f"""[links.star]
topology = "star"
center = "center"
chips = {[f"node{number}" for number in range(workers)]}
ports = [1, 1]""",
        into='["center.0"]',
    )
    done = run_oboe(path, overrides=[f"oboe.order={order}", "oboe.options.conservative=1"])
    result = done.result
    assert result.fault is None and result.lost == {} and result.delivered == 300
    assert result.extensions["oboe"]["states_judged"]
    assert {chip for chip, _ in done.left} == {f"node{number}" for number in range(workers)}


def test_a_ring_of_four(tmp_path: Path) -> None:
    """Chips that are not neighbours reach each other over those between."""
    path = write(
        tmp_path,
        chips=f"""[chips.n]
count = 4
ports = ["1GbE", "1GbE", "1GbE"]
engines = {{ {ENGINES}{WORKERS} }}""",
        links='[links.ring]\ntopology = "ring"\nchips = "n"\nports = [1, 2]',
        into='"n.0"'.join("[]"),
    )
    done = run_oboe(path, overrides=["oboe.options.conservative=1"])
    assert done.result.fault is None and done.result.lost == {}
    assert done.result.extensions["oboe"]["states_judged"]


def test_sixteen_chips_on_a_switch(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        chips=f"""[chips.n]
count = 16
ports = ["1GbE", "1GbE"]
engines = {{ {ENGINES}{WORKERS} }}""",
        links='[switches.s]\nports = ["n.1"]',
        into='["n.0"]',
        rate=1_000_000,
        packets=1_500,
    )
    done = run_oboe(path, overrides=["oboe.options.merge_period_us=700"])
    assert done.result.fault is None and done.result.lost == {}
    assert done.result.extensions["oboe"]["states_judged"]
    assert len(done.left) == 16
    assert int(done.words("n0", "totals_total").sum()) > 0


def refused(path: Path, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        open_extensions(load_config(path, overrides=overrides))
    return str(caught.value)


def test_what_is_refused(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        chips=f"""[chips.n]
count = 2
ports = ["1GbE", "1GbE"]
engines = {{ {ENGINES}{WORKERS} }}""",
        links='[links.a]\nbetween = ["n0.1", "n1.1"]',
        into='["n0.0"]',
    )
    line = path.read_text().split("\n").index("egress_port = 0") + 1
    assert refused(path, "oboe.egress_port=1") == (
        "--set oboe.egress_port=1: oboe.egress_port: chip n0: port 1 is not free; free ports: 0"
    )
    assert refused(path, "oboe.time_scale=0.01") == (
        "--set oboe.time_scale=0.01: oboe.time_scale: the time-out of 1,000 ms / 0.01 is beyond what the chips' clock "
        "tells apart: 57,266 ms"
    )
    path.write_text(path.read_text().replace("egress_port = 0", "egress_prt = 0"))
    assert refused(path) == f'{path}:{line}: oboe.egress_prt: unknown key; did you mean "egress_port"?'
    path.write_text(path.read_text().replace("egress_prt = 0", 'order = "sorted"'))
    assert refused(path) == f'{path}:{line}: oboe.order: expected "ordered" or "pinned"; got the string "sorted"'
    path.write_text(path.read_text().replace('order = "sorted"', 'home = "n2"'))
    assert refused(path) == f'{path}:{line}: oboe.home: "n2" is no chip with a worker; there are n0, n1'
