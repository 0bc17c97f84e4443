"""Chips by the number, shapes of links, switches: what they stand for, and what the user reads when they do not fit."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from ixp_emu.cluster.config import ClusterConfig, Port, config_from_document, load_config
from ixp_emu.errors import InputError

TEXT = """\
schema = 1
[run]
offered_packets = 100
[programs]
rx = { source = "rx.uc", tables = { t = "rx.uc" } }
[chips.node]
count = 4
ports = ["1GbE", "1GbE", "1GbE", "1GbE", "1GbE"]
engines = { rx = ["0:0"] }
[chips.hub]
like = "node"
[links.l]
topology = "ring"
chips = "node"
ports = [3, 2]
[switches.s]
ports = ["node.1", "hub.0"]
[traffic]
generator = "zipf"
into = ["node.0"]
"""


def load(directory: Path, *overrides: str, text: str = TEXT) -> ClusterConfig:
    for name in ("rx.uc", "other"):
        (directory / name).touch()
    file = directory / "cluster.toml"
    file.write_text(text)
    return load_config(file, overrides=overrides)


def cables(config: ClusterConfig) -> dict[str, str]:
    """Link -> its two ports."""
    return {name: "-".join(map(str, link.between)) for name, link in config.links.items()}


def test_a_count_stands_for_that_many_chips_in_its_place(tmp_path: Path) -> None:
    config = load(tmp_path)
    assert list(config.chips) == ["node0", "node1", "node2", "node3", "hub"]
    assert {chip.ports for chip in config.chips.values()} == {("1GbE",) * 5}
    assert config.traffic.into == ("node0.0", "node1.0", "node2.0", "node3.0")


def test_a_chip_of_a_count_may_differ(tmp_path: Path) -> None:
    own = '[chips.node2]\nplacement.x = "dram"\ntables.rx.t = "other"\n'
    own += '[chips.node1]\nlike = "hub"\nengines.rx = ["1:3"]\n'
    config = load(tmp_path, text=TEXT + own)
    assert list(config.chips) == ["node0", "node1", "node2", "node3", "hub"]
    assert config.chips["node1"].engines == {"rx": (7,)}
    assert config.chips["node2"].engines == config.chips["node0"].engines == {"rx": (0,)}
    assert config.placement_for("node1", "x") is None
    assert config.placement_for("node2", "x") is not None
    assert config.tables_for("node2", "rx") == {"t": str(tmp_path / "other")}
    assert config.tables_for("node3", "rx") == {"t": str(tmp_path / "rx.uc")}


def test_a_ring_joins_each_chip_to_the_one_behind(tmp_path: Path) -> None:
    assert cables(load(tmp_path)) == {
        "l0": "node0.2-node1.3",
        "l1": "node1.2-node2.3",
        "l2": "node2.2-node3.3",
        "l3": "node3.2-node0.3",
    }


def test_a_pair_and_a_star(tmp_path: Path) -> None:
    pair = load(tmp_path, "links.l={topology='pair', chips=['node3', 'hub'], ports=[2, 4], latency_ns=5, kind='spi3'}")
    assert cables(pair) == {"l0": "node3.2-hub.4"}
    assert (pair.links["l0"].latency, pair.links["l0"].kind) == (3, "spi3")
    star = load(tmp_path, "links.l={topology='star', center='hub', chips='node', ports=[4, 1]}")
    assert cables(star) == {f"l{n}": f"node{n}.4-hub.{n + 1}" for n in range(4)}


def test_a_mesh_joins_every_two_chips_once(tmp_path: Path) -> None:
    config = load(tmp_path, "links.l={topology='mesh', chips='node', ports=[2]}")
    ends = [link.between for link in config.links.values()]
    assert {frozenset(port.chip for port in pair) for pair in ends} == {
        frozenset(pair) for pair in combinations([f"node{n}" for n in range(4)], 2)
    }
    used = sorted(port for pair in ends for port in pair)
    assert used == sorted(Port(f"node{n}", port) for n in range(4) for port in (2, 3, 4))


def test_a_switch_has_its_ports_in_order_and_addresses_by_rule(tmp_path: Path) -> None:
    switch = load(tmp_path).switches["s"]
    assert [str(port) for port in switch.ports] == ["node0.1", "node1.1", "node2.1", "node3.1", "hub.0"]
    assert [f"{mac:012x}" for mac in switch.macs] == [
        "020000000001", "020000000101", "020000000201", "020000000301", "020000000400",
    ]  # fmt: skip
    assert switch.latency == 600
    macs = [f"02:0A:00:00:00:{n:02x}" for n in range(5)]
    named = load(tmp_path, f"switches.s.macs={macs}")
    assert named.switches["s"].macs == tuple(0x020A00000000 + n for n in range(5))
    assert named.wiring().mac(Port("node2", 1)) == 0x020A00000002
    assert named.wiring().mac(Port("node2", 2)) == 0x020000000202


def test_peers_of_linked_switched_and_free_ports(tmp_path: Path) -> None:
    wiring = load(tmp_path).wiring()
    assert wiring.peers(Port("node3", 2)) == (Port("node0", 3),)
    assert wiring.peers(Port("node0", 3)) == (Port("node3", 2),)
    assert set(wiring.peers(Port("hub", 0))) == {Port(f"node{n}", 1) for n in range(4)}
    assert wiring.peers(Port("hub", 3)) == ()


def test_the_expanded_form_names_every_chip_and_link_and_loads_to_the_same(tmp_path: Path) -> None:
    config = load(tmp_path, text=TEXT + '[chips.node1]\nplacement.x = "dram"\n')
    expanded = config.expanded()
    assert list(expanded["chips"]) == list(config.chips)
    assert list(expanded["links"]) == ["l0", "l1", "l2", "l3"]
    assert config_from_document(expanded, file="expanded") == config


def line_of(text: str) -> int:
    assert TEXT.count(text) == 1, text
    return TEXT.count("\n", 0, TEXT.index(text)) + 1


RING = 'topology = "ring"'
NODES = 'chips = "node"'
NUMBERS = "ports = [3, 2]"
PLUGS = 'ports = ["node.1", "hub.0"]'

# (text in the file, what stands there instead, rest of the message); the line is that of the text.
WRONG = [
    # count
    ("count = 4", "count = 17", "chips.node.count: expected an integer from 1 to 16; got the integer 17"),
    (
        "count = 4",
        "count = 4\n[chips.node3]\ncount = 1",
        'chips.node3.count: chip "node3" is one of "node"',
    ),
    (
        'like = "node"',
        'like = "node"\n[chips.nod]\nlike = "node"\n[chips.node1x]\nlike = "node"\n[chips.x]\nlike = "noed"',
        'chips.x.like: unknown chip "noed"; did you mean "nod"?',
    ),
    # SPI-3 channels
    (
        "[programs]",
        "[hardware]\nmsf.ports_per_channel = 4\n[programs]",
        "chips.node.ports: chip node0: 5 ports; 1x32 MPHY-4 carries 4",
    ),
    (
        "[programs]",
        "[hardware]\nmsf.ports_per_channel = 1\n[programs]",
        "chips.node.ports: chip node0: 5 ports; 1x32 SPHY carries 1",
    ),
    (
        "[programs]",
        "[hardware]\nmsf = { channels = 4, width_bytes = 1, ports_per_channel = 1 }\n[programs]",
        "chips.node.ports: chip node0: 5 ports; 4x8 carries 4",
    ),
    # shapes
    (RING, "", "links.l.chips: only with topology"),
    (
        RING,
        'topology = "tree"',
        'links.l.topology: expected "mesh", "pair", "ring" or "star"; got the string "tree"',
    ),
    (
        RING,
        'between = ["hub.1", "hub.2"]\ntopology = "ring"',
        "links.l.topology: given beside between; one of the two joins ports",
    ),
    (NODES, "", "links.l.chips: required key is missing; expected the name of chips with count, or a list"),
    (NODES, 'chips = "nodes"', 'links.l.chips: unknown chip "nodes"; did you mean "node"?'),
    (NODES, 'chips = ["node", "node2"]', 'links.l.chips[1]: chip "node2" is named twice'),
    (NODES, 'chips = ["hub"]', "links.l.chips: 1 chips; a ring joins at least 2"),
    (NODES, 'chips = "node"\ncenter = "hub"', "links.l.center: only of a star"),
    (RING, 'topology = "pair"', "links.l.chips: 4 chips; a pair joins 2"),
    (
        RING,
        'topology = "star"',
        "links.l.center: required key is missing; the chip that all others are joined to",
    ),
    (
        NUMBERS,
        "",
        "links.l.ports: required key is missing; a ring has [port to the chip before, port to the chip behind]",
    ),
    (
        NUMBERS,
        "ports = [3]",
        "links.l.ports: a ring has [port to the chip before, port to the chip behind]; got a list of 1",
    ),
    (NUMBERS, "ports = [3, 5]", 'links.l.ports: no port "node0.5"; the ports of chip "node0" are 0 to 4'),
    (NUMBERS, "ports = [2, 2]", 'links.l.ports: port "node1.2" is already an end of link "l0"'),
    (
        NUMBERS,
        'ports = [3, 2]\n[links.l2]\nbetween = ["hub.1", "hub.2"]',
        'links.l2: link "l2" is there already',
    ),
    (
        NUMBERS,
        'ports = [3, 2]\n[links.m]\nbetween = ["hub.1", "node.4"]',
        'links.m.between[1]: "node.4" are ports of 4 chips; one is "node0"',
    ),
    # switches
    (PLUGS, 'ports = ["node.2"]', 'switches.s.ports[0]: port "node0.2" is already an end of link "l0"'),
    (PLUGS, 'ports = ["hub.0"]', "switches.s.ports: 1 ports; a switch has 2 to 16"),
    (PLUGS, 'ports = ["hub.0", "hub.0"]', 'switches.s.ports[1]: port "hub.0" is listed twice'),
    (
        PLUGS,
        'ports = ["node.1", "node.4", "hub.0", "hub.1", "hub.2", "hub.3", "hub.4", "node.0"]',
        "switches.s.ports: 17 ports; a switch has 2 to 16",
    ),
    (
        PLUGS,
        PLUGS + '\nmacs = ["02:00:00:00:00:01", "02:00:00:00:00:02"]',
        "switches.s.macs: 2 addresses for 5 ports; one for each",
    ),
    (
        PLUGS,
        'ports = ["hub.0", "hub.1"]\nmacs = ["02:00:00:00:00:0a", "02:00:00:00:00:0A"]',
        "switches.s.macs[1]: address 02:00:00:00:00:0a is given twice",
    ),
    (
        PLUGS,
        PLUGS + '\nmacs = ["02:00:00:00:00", "02:00:00:00:00:02"]',
        'switches.s.macs[0]: expected a MAC address like "02:00:00:00:03:02"; got the string "02:00:00:00:00"',
    ),
    (
        PLUGS,
        PLUGS + "\nlatency_ns = 1",
        "switches.s.latency_ns: expected at least 2, one ME cycle at 600000 kHz; got the integer 1",
    ),
    # traffic
    (
        'into = ["node.0"]',
        'into = ["node.1"]',
        'traffic.into[0]: port "node0.1" is an end of switch "s"; traffic needs a free port',
    ),
    ('into = ["node.0"]', 'into = ["node.0", "node3.0"]', 'traffic.into[1]: port "node3.0" is listed twice'),
]


@pytest.mark.parametrize(("right", "wrong", "message"), WRONG)
def test_message(tmp_path: Path, right: str, wrong: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, text=TEXT.replace(right, wrong))
    place, _, rest = str(caught.value).partition(": ")
    assert rest == message
    assert place.startswith(f"{tmp_path}/cluster.toml:")


@pytest.mark.parametrize(
    ("hardware", "mode", "carried"),
    [
        ("{ ports_per_channel = 4 }", "1x32 MPHY-4", 4),
        ("{ ports_per_channel = 1 }", "1x32 SPHY", 1),
        ("{ ports_per_channel = 1, width_bytes = 2 }", "1x16 SPHY", 1),
        ("{ channels = 2 }", "2x16", 2),
        ("{ channels = 4 }", "4x8", 4),
    ],
)
def test_a_chip_has_no_more_ports_than_its_channels_carry(
    tmp_path: Path, hardware: str, mode: str, carried: int
) -> None:
    """At the edge: as many as there are pass, one more does not."""
    alone = TEXT.partition("[links.l]")[0] + TEXT.partition('"hub.0"]\n')[2]
    text = alone.replace("[programs]", f"[hardware]\nmsf = {hardware}\n[programs]")
    fitting = load(tmp_path, f"chips.node.ports={['1GbE'] * carried}", text=text)
    assert len(fitting.chips["hub"].ports) == carried
    with pytest.raises(InputError, match=f"chip hub: {carried + 1} ports; {mode} carries {carried}$"):
        load(
            tmp_path, f"chips.node.ports={['1GbE'] * carried}", f"chips.hub.ports={['1GbE'] * (carried + 1)}", text=text
        )


@pytest.mark.parametrize(("count", "clash"), [(1, False), (2, True), (11, True)])
def test_a_group_may_not_be_one_of_a_group(tmp_path: Path, count: int, clash: bool) -> None:
    """n1 with 2 chips has n10 and n11; n has n1 from 2 chips on, and n10 too from 11 on."""
    text = f'{TEXT}[chips.n]\nlike = "node"\ncount = {count}\n[chips.n1]\nlike = "node"\ncount = 2\n'
    if not clash:
        assert {"n0", "n10", "n11"} < set(load(tmp_path, text=text).chips)
        return
    with pytest.raises(InputError, match=r'chips\.n1\.count: chip "n1" is one of "n"$'):
        load(tmp_path, text=text)
