"""Idle latencies: one context, one command at a time, the mean over both phases of the chassis clock.

A latency runs from the issue of the command to the cycle in which its signal is set. The expectation is the chosen
idle latency of the target plus what further units, operands and rows cost by the parameters (`docs/calibration.md`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ixp_emu.calibrate.model import Cited, Row, cite, row
from ixp_emu.calibrate.rules import equal, within
from ixp_emu.calibrate.workbench import Prepare, Workbench
from ixp_emu.chip.hardware import Hardware
from ixp_emu.isa.csr import CAP_CSRS
from ixp_emu.isa.unsettled import SETTINGS

__all__ = ["Probe", "idle_latency", "latency_rows", "probes"]

GROUP = "latency"
TOLERANCE = 0.02
_RUN_CYCLES = 20_000
_CHANNEL_1 = 1 << 30
_TBUF = 0x2000
_QUEUED = 8
"""Longwords in ring 0 before a probe takes some."""
_RINGS = "scratch put and get: a write and a read of a ring"
_LOCAL = Cited("MEv2 programs leave three instructions between; local memory answers in a cycle", "documented")
_BRANCH = Cited("shadow of the instruction (docs/hardware-model.md, section 2)", "documented")
_SWAP = Cited("a context swap costs what a taken branch does", "documented")
_NEIGHBOR_SIGNAL = 9
_WATCHED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A command whose latency is known.

    Attributes:
        what: for the reader.
        command: its text, without the signal token.
        expected: cycles.
        cited: source of the expectation.
        address: what register `address` holds.
        warming: a command that runs before it; None: nothing does.
        media: it refers to RBUF or TBUF, by an instruction before it.
        signal_token: False if the command raises the signal `done` itself.
    """

    what: str
    command: str
    expected: float
    cited: Cited
    address: int = 0
    warming: str | None = None
    media: bool = False
    signal_token: bool = True


class _Costs:
    """What the parts of a command cost, from the hardware parameters."""

    def __init__(self, hardware: Hardware) -> None:
        self._hardware = hardware
        self.longword = hardware["sbus.longword_cycles"]
        self.operand = self.longword + hardware["pull.latency"]
        """A pull of one longword; a reply costs the same with `push.latency`."""
        self.answer = self.longword + hardware["push.latency"]

    def read(self, target: str, units: int) -> float:
        """A read: further longwords follow as fast as the slower of memory and bus."""
        each = max(self._hardware[f"{target}.longword_cycles"], self.longword)
        return self._hardware[f"{target}.idle_latency"] + (units - 1) * each

    def write(self, target: str, units: int) -> float:
        """A write: pulled whole, then served whole; the operand's way takes the place of the answer's."""
        each = self.longword + self._hardware[f"{target}.longword_cycles"]
        one = self._hardware[f"{target}.idle_latency"] - self.answer + self.operand
        return one + (units - 1) * each

    def dram_read(self, units: int) -> float:
        """An open row, into an ME."""
        each = max(self._hardware["dbus.quadword_cycles"], self._hardware["dram.quadword_cycles"])
        return self._hardware["dram.idle_latency"] + (units - 1) * each

    def dram_write(self, units: int) -> float:
        """An open row, from an ME: pulled whole, then written."""
        hardware = self._hardware
        one = hardware["dram.idle_latency"] - hardware["push.latency"] + hardware["pull.latency"]
        return one + (units - 1) * (hardware["dbus.quadword_cycles"] + hardware["dram.quadword_cycles"])

    def hash(self, bits: int, keys: int) -> float:
        """Keys pulled, hashed one after the other, pushed back."""
        words = keys * (4 if bits == 128 else 2)
        path = self._hardware["scratch.idle_latency"] - self._hardware["scratch.longword_cycles"]
        pipeline = (keys - 1) * self._hardware["hash.key_cycles"] + self._hardware[f"hash.latency_{bits}"]
        return path + self.operand + 2 * (words - 1) * self.longword + pipeline

    def to_unit(self) -> int:
        """Issue on an even cycle to the unit."""
        hardware = self._hardware
        edges = -(-hardware["command.fifo_latency"] // hardware["chassis_cycles"])
        return edges * hardware["chassis_cycles"] + hardware["command.bus_latency"] + hardware["command.decode"]


def probes(hardware: Hardware) -> Iterator[Probe]:
    """All commands of the group with their expectations."""
    yield from _memory_probes(hardware)
    yield from _dram_probes(hardware)
    yield from _atomic_probes(hardware)
    yield from _scratch_block_probes(hardware)


def _memory_probes(hardware: Hardware) -> Iterator[Probe]:
    costs = _Costs(hardware)
    places = (("scratch", "scratch", 0), ("SRAM 0", "sram", 0), ("SRAM 1", "sram", _CHANNEL_1), ("MSF", "msf", _TBUF))
    for name, target, address in places:
        cited = cite(f"{target}.idle_latency")
        for units in (1, 2, 4, 8):
            for kind, cost in (("read", costs.read), ("write", costs.write)):
                yield Probe(
                    what=f"{name} {kind}, {units} longword{'s' * (units > 1)}",
                    command=f"{target}[{kind}, $data[0], address, 0, {units}]",
                    expected=cost(target, units),
                    cited=cited,
                    address=address,
                )


def _dram_probes(hardware: Hardware) -> Iterator[Probe]:
    costs = _Costs(hardware)
    opener = "dram[read, $$data[0], zero, 0, 1], sig_done[done]"
    cited = cite("dram.idle_latency")
    for units in (1, 2, 4, 8):
        for kind, cost in (("read", costs.dram_read), ("write", costs.dram_write)):
            yield Probe(
                what=f"DRAM {kind}, open row, {units} quadword{'s' * (units > 1)}",
                command=f"dram[{kind}, $$data[0], zero, 0, {units}]",
                expected=cost(units),
                cited=cited,
                warming=opener,
            )
    saved = hardware["dbus.quadword_cycles"] - hardware["dbus.media_quadword_cycles"]
    cited_media = cite("dbus.media_quadword_cycles")
    for units in (1, 8):
        to_tbuf = costs.dram_read(1) - saved + (units - 1) * hardware["dbus.media_quadword_cycles"]
        from_rbuf = costs.dram_write(units) - units * saved
        for kind, expected in (("tbuf_wr", to_tbuf), ("rbuf_rd", from_rbuf)):
            yield Probe(
                what=f"DRAM {kind}, open row, {units} quadword{'s' * (units > 1)}",
                command=f"dram[{kind}, --, zero, 0, {units}], indirect_ref",
                expected=expected,
                cited=cited_media,
                media=True,
                warming=opener,
            )
    opening = costs.dram_read(1) + hardware["dram.activate"]
    yield Probe(
        what="DRAM read, no row open: + tRCD", command="dram[read, $$data[0], zero, 0, 1]", expected=opening,
        cited=cite("dram.activate"),
    )  # fmt: skip
    yield Probe(
        what="DRAM read, another row open: + tRP + tRCD",
        command="dram[read, $$data[0], address, 0, 1]",
        expected=opening + hardware["dram.precharge"],
        cited=cite("dram.precharge"),
        address=hardware["dram.row_bytes"] * hardware["dram.banks"],
        warming=opener,
    )


def _atomic_probes(hardware: Hardware) -> Iterator[Probe]:
    costs = _Costs(hardware)
    for name, target in (("scratch", "scratch"), ("SRAM", "sram")):
        idle = hardware[f"{target}.idle_latency"]
        cited = cite(f"{target}.idle_latency")
        forms = (
            ("incr", "incr, --", idle - costs.answer),
            ("add", "add, $data[0]", idle - costs.answer + costs.operand),
            ("test_and_incr", "test_and_incr, $data[0]", idle),
            ("swap", "swap, $data[0]", idle + costs.operand),
            ("test_and_add", "test_and_add, $data[0]", idle + costs.operand),
        )
        for kind, text, expected in forms:
            command = f"{target}[{text}, address, 0]"
            yield Probe(what=f"{name} {kind}", command=command, expected=expected, cited=cited)
    sram = cite("sram.idle_latency")
    yield Probe(
        what="SRAM enqueue, empty queue", command="sram[enqueue, --, address, 0]",
        expected=hardware["sram.idle_latency"] - costs.answer, cited=sram,
    )  # fmt: skip
    yield Probe(
        what="SRAM dequeue, empty queue", command="sram[dequeue, $data[0], address, 0]",
        expected=hardware["sram.idle_latency"], cited=sram,
    )  # fmt: skip


def _scratch_block_probes(hardware: Hardware) -> Iterator[Probe]:
    """Rings, hash, CAP, reflector, PCI: all behind the scratch unit."""
    costs = _Costs(hardware)
    scratch = cite("scratch.idle_latency")
    for units in (1, 8):
        for kind, cost in (("put", costs.write), ("get", costs.read)):
            yield Probe(
                what=f"scratch ring {kind}, {units} longword{'s' * (units > 1)}",
                command=f"scratch[{kind}, $data[0], zero, 0, {units}]",
                expected=cost("scratch", units),
                cited=Cited(f"{scratch.source}; {_RINGS}", scratch.strength),
            )
    for bits in (48, 64, 128):
        for keys in (1, 3):
            yield Probe(
                what=f"hash_{bits}, {keys} key{'s' * (keys > 1)}",
                command=f"hash_{bits}[$data[0], {keys}]",
                expected=costs.hash(bits, keys),
                cited=cite(f"hash.latency_{bits}"),
            )
    for units in (1, 8):
        for kind, cost in (("read", costs.read), ("write", costs.write)):
            yield Probe(
                what=f"CAP {kind}, {units} CSR{'s' * (units > 1)}",
                command=f"cap[{kind}, $data[0], address, 0, {units}]",
                expected=cost("scratch", units),
                cited=scratch,
                address=CAP_CSRS["HASH_MULTIPLIER_48_0"].address,
            )
    yield Probe(
        what="CAP fast_wr to the signal of a thread",
        command="cap[fast_wr, (&done), interthread_sig]",
        expected=costs.to_unit() + hardware["cap.signal_latency"],
        cited=cite("cap.signal_latency"),
        signal_token=False,
    )
    for kind in ("read", "write"):
        yield Probe(
            what=f"reflector {kind}, 1 register",
            command=f"cap[{kind}, $data[0], 0, 1, 0, 1], sig_initiator",
            expected=hardware["scratch.idle_latency"] + costs.operand,
            cited=scratch,
        )
    yield Probe(
        what="PCI CSR read", command="pci[read, $data[0], zero, 0, 1]",
        expected=hardware["scratch.idle_latency"] + hardware["pci.latency"], cited=cite("pci.latency"),
    )  # fmt: skip


def idle_latency(hardware: Hardware, probe: Probe, *, prepare: Prepare | None = None) -> float:
    """Measured mean over both phases, cycles."""
    latencies = {}
    for pad in (0, 1):
        bench = Workbench(hardware, prepare=prepare)
        bench.fill_ring(0, _QUEUED)
        bench.load(
            "latency.uc",
            engines=[0],
            contexts=1,
            COMMAND=probe.command + (", sig_done[done]" if probe.signal_token else ""),
            FIRST=int(probe.warming is not None),
            WARMING_COMMAND=probe.warming or "",
            ADDRESS=probe.address,
            MEDIA=int(probe.media),
            PAD=pad,
        )
        bench.run(_RUN_CYCLES)
        start, end = bench.local_memory(0, 2)
        issued = start + 2 + int(probe.media)  # instructions from the stamp to the command
        latencies[issued % 2] = end - issued
    if len(latencies) != 2:
        raise AssertionError(f"{probe.what}: both runs issued in the same phase")
    return sum(latencies.values()) / 2


def latency_rows(hardware: Hardware, *, quick: bool = False, prepare: Prepare | None = None) -> Iterator[Row]:
    """The group's rows.

    Parameters:
        quick: every fifth command only.
    """
    for probe in list(probes(hardware))[:: 5 if quick else 1]:
        measured = idle_latency(hardware, probe, prepare=prepare)
        yield row(GROUP, probe.what, "cycles", probe.cited, within(probe.expected, TOLERANCE), measured)
    yield from _neighbor_rows(hardware, prepare)
    yield from _inside_rows(hardware, prepare)


def _neighbor_rows(hardware: Hardware, prepare: Prepare | None) -> Iterator[Row]:
    for what, written_as, read_as in (("register", "n$mark", "n$mark"), ("ring", "*n$index++", "*n$index")):
        bench = Workbench(hardware, prepare=prepare)
        bench.load("neighbor_send.uc", engines=[0], contexts=1, WRITTEN=written_as, SIGNAL=_NEIGHBOR_SIGNAL)
        bench.load("neighbor_watch.uc", engines=[1], contexts=1, READ=read_as, SIGNAL=_NEIGHBOR_SIGNAL)
        bench.run(_RUN_CYCLES)
        written, signalled = bench.local_memory(0, 2)
        seen = bench.local_memory(1, _WATCHED + 1)
        yield row(
            GROUP, f"next neighbour {what}, producer to consumer", "cycles", cite("neighbor.register_latency"),
            equal(hardware["neighbor.register_latency"]), seen.index(1) - written,
        )  # fmt: skip
    yield row(
        GROUP, "next neighbour signal", "cycles", cite("neighbor.signal_latency"),
        equal(hardware["neighbor.signal_latency"]), seen[_WATCHED] - signalled,
    )  # fmt: skip


def _inside_rows(hardware: Hardware, prepare: Prepare | None) -> Iterator[Row]:
    """What stays inside a microengine."""

    def cycles(body: str) -> int:
        bench = Workbench(hardware, prepare=prepare)
        bench.load("instructions.uc", engines=[0], contexts=1, BODY=body)
        bench.run(_RUN_CYCLES)
        return bench.local_memory(0, 1)[0] - 2  # less the stamp's own instructions

    idle = 3  # the instructions behind BODY that a taken branch leaves out
    for what, body, expected, behind, cited in (
        ("general register", "alu[end, start, +, 1]", 1, idle, _LOCAL),
        ("local memory through LM_ADDR", "alu[end, --, B, *l$index0]", 1, idle, _LOCAL),
        ("taken br", "br[out#]", 1 + SETTINGS["shadow_br"], 0, _BRANCH),
        ("taken branch on a bit", "br_bclr[start, 31, out#]", 1 + SETTINGS["shadow_others"], 0, _BRANCH),
        ("context swap", "ctx_arb[voluntary]", 1 + SETTINGS["shadow_swap"], idle, _SWAP),
    ):
        yield row(GROUP, what, "cycles", cited, equal(expected), cycles(body) - behind)
    yield row(
        GROUP, "instructions between a write of LM_ADDR and its use", "instructions", _LOCAL,
        equal(SETTINGS["index_write_latency"]), _index_gap(hardware, prepare),
    )  # fmt: skip


def _index_gap(hardware: Hardware, prepare: Prepare | None) -> int:
    """The fewest instructions behind a write of LM_ADDR at which it is seen."""
    for gap in range(16):
        bench = Workbench(hardware, prepare=prepare)
        bench.load("index_write.uc", engines=[0], contexts=1, GAP=gap)
        bench.run(_RUN_CYCLES)
        if bench.local_memory(0, 17)[16] == 1:
            return gap
    return 16
