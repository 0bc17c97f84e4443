"""Receive, forwarder and transmit on the reference model: packets, memories, counters and cycles are the engine's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ixp_emu.chip.layout import DRAM, SRAM0, SRAM1
from ixp_emu.cluster.build import structure_words
from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.run import ClusterRun
from ixp_emu.isa.csr import CAP_CSRS
from tests.chip.agreement import compare_engines, compare_media
from tests.reference.chip import ReferenceChip
from tests.reference.cluster import Cluster

CONFIG = """
schema = 1
[run]
offered_packets = 50
[programs]
rx = {{ source = "builtin:firmware/rx.uc" }}
forward = {{ source = "builtin:services/forward/forward.uc", define = {{ MAX_FLOWS = 256 }} }}
tx = {{ source = "builtin:firmware/tx.uc" }}
[chips.a]
ports = ["1GbE", "1GbE", "1GbE"]
engines = {{ rx = ["0:0"], forward = ["0:1", "1:0"], tx = ["1:3"] }}
[traffic]
generator = "zipf"
into = ["a.0", "a.1"]
rate = "line"
sizes = {sizes}
flows = 20
[placement]
flow_table = "{flow_table}"
"""


def mirror(run: ClusterRun, where: str = "a") -> ReferenceChip:
    """A reference chip in the state the loader left the engine's chip in."""
    machine, image = run.machine, run.images[where]
    index = machine.index_of[where]
    chip, memories = machine.chips[index], machine.memories[index]
    reference = ReferenceChip(run.config.hardware, ports=len(image.chip.ports))
    addresses = reference.scratch_unit.cap_addresses
    addresses.update({name: CAP_CSRS[name].address for name in addresses})
    for name, engines in image.chip.engines.items():
        for engine in engines:
            reference.load(engine, image.programs[name].words)
    reference.scratch.write_words(0, chip["scratch"][:4096].tolist())
    for placed in image.structures.values():
        declaration, location = placed.declaration, placed.location
        if declaration.ring is not None:
            for number in range(declaration.count):
                reference.configure_ring(
                    declaration.ring + number,
                    base=location.base + number * declaration.element_bytes,
                    size=declaration.element_bytes // 4,
                    contents=range(1, declaration.prefill + 1),
                )
        elif location.memory != "scratch" and declaration.name != "packet_buffers":
            words = structure_words(chip, memories, placed).tolist()
            memory = {"sram0": reference.sram[0], "sram1": reference.sram[1], "dram": reference.dram}[location.memory]
            memory.write_words(location.base, words)
    for index in range(len(run.frames)):
        frame = run.frames
        port = run.into[int(frame.port[index])]
        if port.chip == where:
            reference.feed(port.number, int(frame.arrival[index]), frame.bytes_of(index))
    return reference


@pytest.mark.parametrize(
    ("sizes", "flow_table"),
    [("64", "sram1"), ('"imix"', "scratch"), ("64", "dram")],
    ids=["64-sram1", "imix-scratch", "64-dram"],
)
def test_fifty_packets_agree_with_the_reference(tmp_path: Path, sizes: str, flow_table: str) -> None:
    path = tmp_path / "cluster.toml"
    path.write_text(CONFIG.format(sizes=sizes, flow_table=flow_table))
    run = ClusterRun(load_config(path))
    reference = mirror(run)
    left: list[tuple[int, int, bytes]] = []
    run.observer = lambda _, log: left.extend(
        (int(log.time[i]), int(log.port[i]), log.frames.bytes_of(i)) for i in range(len(log.time))
    )
    run.run()
    assert run.fault is None and len(left) == 50
    reference.run(run.now)
    assert reference.fault is None
    assert sorted(left) == sorted(reference.egress)
    chip, memories = run.machine.chips[0], run.machine.memories[0]
    engines = sorted(engine for numbers in run.images["a"].chip.engines.values() for engine in numbers)
    assert compare_engines(chip, reference, engines, run.now) == []
    assert np.array_equal(chip["scratch"][:4096], reference.scratch.read_words(0, 4096))
    for placed in run.images["a"].structures.values():
        memory = {"sram0": (SRAM0, 0), "sram1": (SRAM1, 1)}.get(placed.location.memory)
        if memory is not None:
            words = memories.words[memory[0]][: 1 << 16]
            assert np.array_equal(words, reference.sram[memory[1]].read_words(0, 1 << 16))
    assert np.array_equal(memories.words[DRAM][: 1 << 16], reference.dram.read_words(0, 1 << 16))


LINKED = """
[chips.b]
like = "a"
[links.ab]
between = ["a.2", "b.2"]
latency_ns = 500
[hardware]
mac.pause = 1
mac.pause_high_bytes = 200
mac.pause_low_bytes = 64
"""


def test_two_chips_with_a_pausing_link_agree_with_the_reference(tmp_path: Path) -> None:
    path = tmp_path / "cluster.toml"
    text = CONFIG.format(sizes='"imix"', flow_table="sram1") + LINKED
    text = text.replace("offered_packets = 50", "offered_packets = 50\nmax_cycles = 30_000")
    path.write_text(text.replace('into = ["a.0", "a.1"]', 'into = ["a.0", "a.1", "b.0"]'))
    run = ClusterRun(load_config(path))
    cluster = Cluster([mirror(run, name) for name in ("a", "b")])
    ends = cluster.connect_gbe((0, 2), (1, 2), latency=300)
    left: list[tuple[int, int, int, bytes]] = []
    run.observer = lambda chip, log: left.extend(
        (chip, int(log.time[i]), int(log.port[i]), log.frames.bytes_of(i)) for i in range(len(log.time))
    )
    run.run()
    assert run.fault is None and {chip for chip, *_ in left} == {0, 1}
    paused = False
    while cluster.now < run.now:
        cluster.step()
        paused = paused or any(end.has_paused_peer for end in ends)
    assert paused
    theirs = [(number, *frame) for number, chip in enumerate(cluster.chips) for frame in chip.egress]
    assert sorted(left) == sorted(theirs)
    for number, name in enumerate(("a", "b")):
        engines = sorted(engine for numbers in run.images[name].chip.engines.values() for engine in numbers)
        assert compare_engines(run.machine.chips[number], cluster.chips[number], engines, run.now) == []
        assert compare_media(run.machine.chips[number], cluster.chips[number]) == []
