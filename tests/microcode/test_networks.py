"""Routes from networks: every way is a shortest one, and mistakes are told with their key."""

from __future__ import annotations

import random
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from ixp_emu.cluster.service import Site
from ixp_emu.cluster.topology import Link, Port, Switch, Wiring, default_mac
from ixp_emu.errors import InputError
from microcode.services.forward.networks import hops_to, read_networks

NETWORKS = '[[network]]\nprefix = "10.{number}.0.0/16"\nchip = "n*"\nport = 0\n'


def wiring_of(chips: int, pairs: list[tuple[int, int]], plugged: list[int]) -> Wiring:
    """Chips n0, n1, ..., port 0 of each free; links between pairs, and a switch, on the next ports."""
    ports = dict.fromkeys((f"n{n}" for n in range(chips)), 1)

    def following(chip: int) -> Port:
        name = f"n{chip}"
        ports[name] += 1
        return Port(name, ports[name] - 1)

    links = {
        f"l{k}": Link(name=f"l{k}", between=(following(a), following(b)), kind="gbe", latency_ns=5, latency=3)
        for k, (a, b) in enumerate(pairs)
    }
    ends = tuple(following(chip) for chip in plugged)
    macs = tuple(0x0A_0000_0000 + n for n in range(len(ends)))
    switches = {"s": Switch(name="s", ports=ends, macs=macs, latency_ns=5, latency=3)} if ends else {}
    return Wiring(ports, links, switches)


def distances(chips: int, pairs: list[tuple[int, int]], plugged: list[int]) -> list[list[float]]:
    """Floyd and Warshall's way, as an independent one."""
    far = float("inf")
    hops = [[0 if a == b else far for b in range(chips)] for a in range(chips)]
    for a, b in [*pairs, *((a, b) for a in plugged for b in plugged if a != b)]:
        hops[a][b] = hops[b][a] = 1
    for via in range(chips):
        for a in range(chips):
            for b in range(chips):
                hops[a][b] = min(hops[a][b], hops[a][via] + hops[via][b])
    return hops


@pytest.mark.parametrize("seed", range(12))
def test_packets_come_to_every_network_by_a_shortest_way(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    chips = rng.randrange(2, 8)
    pairs = [tuple(rng.sample(range(chips), 2)) for _ in range(rng.randrange(chips + 2))]
    plugged = rng.sample(range(chips), rng.choice([0, 2, min(4, chips)]))
    wiring = wiring_of(chips, pairs, plugged)  # type: ignore[arg-type]
    wanted = distances(chips, pairs, plugged)  # type: ignore[arg-type]
    file = tmp_path / "networks.toml"
    file.write_text(NETWORKS)
    routes = [read_networks(file, Site(f"n{n}", wiring)) for n in range(chips)]
    address_of = {wiring.mac(port): port for port in _ports(wiring)}
    for to in range(chips):
        destination = int(IPv4Address(f"10.{to}.3.4"))
        reached = hops_to(wiring, f"n{to}")
        for start in range(chips):
            at, hops = start, 0
            while (hop := routes[at].next_hop_of(destination)) is not None and hop.egress_port != 0:
                sender = Port(f"n{at}", hop.egress_port)
                assert hop.source_mac == wiring.mac(sender)
                peer = address_of[hop.destination_mac]
                assert peer in wiring.peers(sender)
                at, hops = int(peer.chip[1:]), hops + 1
                assert hops <= chips
            assert (hop is None) == (wanted[start][to] == float("inf")) == (f"n{start}" not in reached)
            if hop is not None:
                assert (at, hops) == (to, wanted[start][to])
                assert reached[f"n{start}"] == hops
                assert hop.source_mac == default_mac(to, 0)
                assert hop.destination_mac == default_mac(to, 0) | 0x01_0000


def _ports(wiring: Wiring) -> list[Port]:
    return [Port(chip, number) for chip, count in wiring.chips.items() for number in range(count)]


def test_an_address_behind_the_port_and_several_rows(tmp_path: Path) -> None:
    file = tmp_path / "networks.toml"
    file.write_text(
        '[[network]]\nprefix = "0.0.0.0/0"\nchip = "n1"\nport = 0\ndestination_mac = "0a:00:00:00:00:07"\n' + NETWORKS
    )
    routes = read_networks(file, Site("n1", wiring_of(2, [(0, 1)], [])))
    outside = routes.next_hop_of(int(IPv4Address("192.0.2.1")))
    assert outside is not None and outside.destination_mac == 0x0A0000000007
    other = routes.next_hop_of(int(IPv4Address("10.0.9.9")))
    assert other is not None and other.egress_port == 1


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ('"n*"', '"m*"', 'network[0].chip: no chip "m*"'),
        ("port = 0", "port = 2", "network[0].port: 2, chip n0 has ports 0 to 1"),
        ("port = 0", "port = 1", "network[0].port: n0.1 has a cable, a network lies behind a free port"),
        ("10.{number}", "10.300", 'network[0].prefix: "10.300.0.0/16" is no IPv4 prefix: '),
        ("10.{number}", "10.1", "network[0].prefix: 10.1.0.0/16 stands twice"),
        (
            "port = 0",
            'port = 0\ndestination_mac = "1"',
            'network[0].destination_mac: "1", six bytes like 02:00:00:01:00:01 expected',
        ),
        ("port = 0", "port = 0\nmac = 1", "Object contains unknown field `mac`"),
        ("port = 0", "port =", "Invalid value"),
    ],
)
def test_message(tmp_path: Path, right: str, wrong: str, message: str) -> None:
    file = tmp_path / "networks.toml"
    file.write_text(NETWORKS.replace(right, wrong))
    with pytest.raises(InputError) as caught:
        read_networks(file, Site("n0", wiring_of(2, [(0, 1)], [])))
    assert str(caught.value).startswith(f"{file}: {message}")


def test_a_name_without_number_and_a_missing_file(tmp_path: Path) -> None:
    file = tmp_path / "networks.toml"
    file.write_text(NETWORKS)
    wiring = Wiring({"nix": 1}, {}, {})
    with pytest.raises(InputError, match=r"network\[0\]\.prefix: \{number\}, but no number ends the name nix$"):
        read_networks(file, Site("nix", wiring))
    with pytest.raises(InputError, match="cannot be read: No such file or directory"):
        read_networks(tmp_path / "none", Site("nix", wiring))
