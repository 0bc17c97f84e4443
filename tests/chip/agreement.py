"""Build the same chip in engine and reference, run both, compare everything a program can leave behind."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ixp_emu.chip.chip import Memories, configure_ring, cycle_accounts, initialise, load_program, new_chips
from ixp_emu.chip.clock import advance_unlinked
from ixp_emu.chip.compiled import NEVER
from ixp_emu.chip.hardware import Hardware
from ixp_emu.chip.layout import DRAM, SRAM0, SRAM1
from ixp_emu.chip.media_control import read_msf
from ixp_emu.isa.csr import CAP_CSRS
from tests.chip.random_features import DESCRIPTORS, LINKS, descriptor_words, link_words
from tests.reference.chip import ReferenceChip
from tests.reference.csr import prn_step
from tests.reference.microengine import Microengine
from tests.reference.spi3 import CHANNELS, status_of

__all__ = ["Pair", "compare_engines", "compare_media"]

_FILES = {"gpr_a": 0, "gpr_b": 128, "sram_in": 256, "dram_in": 384, "sram_out": 512, "dram_out": 640}
_NEIGHBOR = 768
_LOCAL_MEMORY = 1280
_CTX_ENABLES = 0x018
_GLOBAL_LM_ADDR = 8  # row of the engine's LM_ADDR copies
_MSF_REGISTERS = (*range(0, 0x30, 4), *range(0x48, 0x1C00, 4))
"""Those that can be read: no free lists, no RBUF_ELEMENT_DONE."""


@dataclass
class Pair:
    """One engine chip and one reference chip with the same programs.

    Attributes:
        programs: ME number -> words.
        rings: ring number -> keyword arguments of ``configure_ring``.
        four_contexts: MEs that run with four contexts.
    """

    hardware: Hardware
    programs: Mapping[int, Sequence[int]]
    rings: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    four_contexts: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        self.chips = new_chips(1)
        self.chip = self.chips[0]
        self.memories = Memories(self.hardware)
        initialise(self.chip, self.hardware, self.memories)
        self.reference = ReferenceChip(self.hardware, four_contexts=self.four_contexts)
        self.reference.scratch_unit.cap_addresses.update(
            {name: csr.address for name, csr in CAP_CSRS.items() if name in self.reference.scratch_unit.cap_addresses}
        )
        for ring, options in self.rings.items():
            configure_ring(self.chip, ring, **options)
            self.reference.configure_ring(ring, **options)
        for engine, words in self.programs.items():
            load_program(self.chip, engine, words, four_contexts=engine in self.four_contexts)
            self.reference.load(engine, words)

    def set_hash_multipliers(self, words: Sequence[int]) -> None:
        """Eight longwords: 48-bit (2), 64-bit (2), 128-bit (4), least significant first."""
        self.chip["cap_csr"][0x4900 >> 2 : (0x4900 >> 2) + 8] = words
        self.reference.hash_multipliers[48] = list(words[0:2])
        self.reference.hash_multipliers[64] = list(words[2:4])
        self.reference.hash_multipliers[128] = list(words[4:8])

    def fill(self, word: int) -> None:
        """The same pattern into the first 8 KB of every memory."""
        pattern = [(word * (i + 1) ^ i << 7) & 0xFFFFFFFF for i in range(2048)]
        self.chip["scratch"][:2048] = pattern
        self.reference.scratch.write_words(0, pattern)
        for target in (SRAM0, SRAM1, DRAM):
            self.memories.words[target][:2048] = pattern
        for channel in range(2):
            self.reference.sram[channel].write_words(0, pattern)
        self.reference.dram.write_words(0, pattern)

    def fill_queues(self, seed: int) -> None:
        """Queue descriptors, and links for buffers, in both SRAM channels."""
        pattern = random.Random(seed)
        parts = {DESCRIPTORS: descriptor_words(pattern), LINKS.start: link_words(pattern)}
        for place, words in parts.items():
            for channel, target in enumerate((SRAM0, SRAM1)):
                self.memories.words[target][place : place + len(words)] = words
                self.reference.sram[channel].write_words(4 * place, words)

    def run(self, until: int) -> None:
        """Run both up to a cycle."""
        advance_unlinked(self.chips, until)
        self.reference.run(until)

    def differences(self, now: int) -> list[str]:
        """Every difference, as readable lines; empty if the two agree."""
        chip, reference = self.chip, self.reference
        fault = reference.fault
        if (int(chip["fault"]) != 0) != (fault is not None):
            return [f"fault: engine {int(chip['fault'])} at {int(chip['fault_time'])}, reference {fault}"]
        if fault is not None:
            same = fault.time == int(chip["fault_time"])
            return [] if same else [f"fault at {int(chip['fault_time'])}, reference {fault}"]
        found = compare_engines(chip, reference, list(self.programs), now)
        _compare(found, "scratch", chip["scratch"][:4096], reference.scratch.read_words(0, 4096))
        for channel, target in enumerate((SRAM0, SRAM1)):
            theirs = reference.sram[channel].read_words(0, 2048)
            _compare(found, f"sram{channel}", self.memories.words[target][:2048], theirs)
        _compare(found, "dram", self.memories.words[DRAM][:2048], reference.dram.read_words(0, 2048))
        _compare_units(found, chip, reference)
        return found


def _compare(found: list[str], name: str, ours: Any, theirs: Any) -> None:
    mine, other = np.asarray(ours).astype(np.int64), np.asarray(theirs).astype(np.int64)
    if mine.size != other.size:
        found.append(f"{name}: engine {mine.tolist()}, reference {other.tolist()}")
    elif mine.size and not np.array_equal(mine, other):
        where = np.flatnonzero(mine.ravel() != other.ravel())[:4]
        values = [(int(i), hex(int(mine.ravel()[i])), hex(int(other.ravel()[i]))) for i in where]
        found.append(f"{name}: (index, engine, reference) {values}")


def _compare_units(found: list[str], chip: Any, reference: ReferenceChip) -> None:
    """State of the units besides their memories."""
    for channel, unit in enumerate(reference.sram_units):
        entries = [(entry.head, entry.tail, entry.count) for entry in unit.queues.entries]
        _compare(found, f"sram{channel}.q_array", chip["q_array"][channel], entries)
        _compare(found, f"sram{channel}.csr", chip["sram_csr"][channel], unit.queues.csr)
    _compare(found, "pci", chip["pci_csr"], reference.scratch_unit.pci.read_words(0, 1024))
    for number, ring in enumerate(reference.scratch_unit.rings):
        if ring.size:
            ours = [chip[f"ring_{name}"][number] for name in ("size", "head", "count")]
            _compare(found, f"ring{number}", ours, [ring.size, ring.head, ring.count])


def _prn(me: Any, model: Microengine, now: int) -> int:
    """The engine keeps the number of some earlier cycle; while it runs it has made a step in each cycle since."""
    value = int(me["prn"])
    if model.ctx_enables >> 30 & 1:
        for _ in range(now - 1 - int(me["prn_time"])):
            value = prn_step(value, model.csrs.prn_polynomial)
    return value


def _compare_local_csrs(found: list[str], name: str, me: Any, model: Microengine, now: int) -> None:
    """Next neighbours, indices, CSRs and what passes from one instruction to the next, of one ME."""
    _compare(found, f"{name}.neighbor", me["file"][_NEIGHBOR : _NEIGHBOR + 128], model.neighbor.registers)
    pointers = (model.neighbor.put, model.neighbor.get, model.neighbor.ahead_put, model.neighbor.ahead_get)
    ours = [me[field] for field in ("nn_put", "nn_get", "nn_ahead_put", "nn_ahead_get")]
    _compare(found, f"{name}.nn_put_get", ours, pointers)
    _compare(found, f"{name}.mul_sum", np.uint64(me["mul_sum"]).view(np.int64), np.uint64(model.mul_sum).view(np.int64))
    _compare(found, f"{name}.prn", _prn(me, model, now), model.csrs.prn)
    copies = [context.lm_addr for context in model.contexts] + [model.global_lm_addr]
    _compare(found, f"{name}.lm_addr", me["lm_word"], [[address >> 2 for address in pair] for pair in copies])
    _compare(found, f"{name}.t_index", me["t_index"], model.t_index >> 2)
    _compare(found, f"{name}.byte_index", me["byte_index"], model.byte_index)
    _compare(found, f"{name}.ctx_enables", me["csr"][_CTX_ENABLES >> 2], model.ctx_enables)
    latches = (model.last_result, model.last_left, model.align_previous, model.crc_remainder)
    _compare(found, f"{name}.latches", [me[field] for field in ("last_result", "last_a", "align_prev", "crc")], latches)
    _compare(found, f"{name}.wakeup", me["wakeup"], [context.wakeup for context in model.contexts])
    for csr, value in model.csrs.values.items():
        _compare(found, f"{name}.csr {csr:#x}", me["csr"][csr // 4], value)


def compare_engines(chip: Any, reference: ReferenceChip, engines: Sequence[int], now: int) -> list[str]:
    """Differences in the state of the MEs and in the counters of MEs, units and buses, at cycle ``now``."""
    found: list[str] = []
    account = cycle_accounts(chip, now)
    for engine in engines:
        me, model = chip["me"][engine], reference.me[engine]
        for name, base in _FILES.items():
            _compare(found, f"me{engine}.{name}", me["file"][base : base + 128], getattr(model, name))
        _compare(found, f"me{engine}.local_memory", me["file"][_LOCAL_MEMORY : _LOCAL_MEMORY + 640], model.local_memory)
        _compare(found, f"me{engine}.cam.tags", me["cam_tag"], model.cam.tags)
        _compare(found, f"me{engine}.cam.states", me["cam_state"], model.cam.states)
        _compare(found, f"me{engine}.cam.order", me["cam_order"], model.cam.lru)
        result = int(me["result"])
        flags = (result >> 31, int(result == 0), int(me["carry"]), int(me["overflow"]))
        _compare(found, f"me{engine}.cc", flags, (model.cc.n, model.cc.z, model.cc.c, model.cc.v))
        for name in ("executing", "aborted", "stalled", "idle"):
            _compare(found, f"me{engine}.{name}", account[name][engine], getattr(model, name))
        _compare_local_csrs(found, f"me{engine}", me, model, now)
        for context in range(8):
            ours, theirs = int(me["signals"][context]), model.contexts[context].signals
            _compare(found, f"me{engine}.ctx{context}.signals", ours & 0xFFFE, theirs & 0xFFFE)
    for target, name in enumerate(("scratch", "sram0", "sram1", "dram", "msf")):
        unit = reference.units[name]
        parts = [unit.counters]
        if name == "scratch":
            parts += [reference.scratch_unit.hash_counters, reference.scratch_unit.cap_counters]
        _compare(found, f"{name}.references", chip["references"][target], sum(part.references for part in parts))
        _compare(found, f"{name}.longwords", chip["longwords"][target], sum(part.longwords for part in parts))
        latencies = sum(sum(part.latencies) for part in parts)
        _compare(found, f"{name}.latency", chip["latency"][target], latencies)
    order = ("S_push0", "S_push1", "D_push"), ("S_pull0", "S_pull1", "D_pull")
    for kind, names in zip(("push", "pull"), order, strict=True):
        for bus, name in enumerate(names):
            _compare(found, f"{name}.grants", chip[f"{kind}_grants"][bus], reference.buses[name].grants)
    return found


def compare_media(chip: Any, reference: ReferenceChip) -> list[str]:
    """Differences in the media interface: registers, buffers, lists, channels and MACs."""
    found: list[str] = []
    media = reference.media
    registers = [read_msf(chip, address) for address in _MSF_REGISTERS]
    _compare(found, "msf registers", registers, [media.register(address) for address in _MSF_REGISTERS])
    for name, buffer in (("rbuf", media.rbuf.bytes), ("tbuf", media.tbuf.bytes)):
        _compare(found, name, chip[name][: len(buffer) // 4], np.frombuffer(buffer, ">u4"))
    _compare(found, "tx_valid", chip["tx_valid"][: len(media.tx.valid)], media.tx.valid)
    _compare(found, "spi_busy", [chip["rx_spi_busy"], chip["tx_spi_busy"]], [media.rx.spi_busy, media.tx.spi_busy])
    for number in range(CHANNELS):
        _compare_channel(found, f"channel {number}", chip["channel"][number], reference, number)
    for number, model in enumerate(media.ports):
        port = chip["port"][number]
        counters = model.counters
        ours = [port[name] for name in ("frames_in", "bytes_in", "frames_lost", "frames_out", "bytes_out")]
        theirs = [counters.frames_in, counters.bytes_in, counters.frames_lost, counters.frames_out, counters.bytes_out]
        _compare(found, f"port {number} counters", ours, theirs)
        ours = [port[name] for name in ("rx_bytes", "tx_bytes", "tx_partial")]
        theirs = [model.rx_used, model.tx_used, len(model.tx_partial or b"")]
        _compare(found, f"port {number} FIFOs", ours, theirs)
    return found


def _compare_channel(found: list[str], name: str, channel: Any, reference: ReferenceChip, number: int) -> None:
    rx, tx = reference.media.rx, reference.media.tx
    receive, transmit = rx.channel[number], tx.channel[number]

    def ring(field: str, prefix: str) -> Any:
        values = channel[field]
        return values[(int(channel[f"{prefix}_head"]) + np.arange(int(channel[f"{prefix}_count"]))) % len(values)]

    _compare(found, f"{name} full", ring("full_status", "full"), [status_of(element) for element in receive.full])
    _compare(found, f"{name} freelist", ring("freelist", "freelist"), [entry for entry, _ in receive.freelist])
    _compare(found, f"{name} freelist_time", ring("freelist_time", "freelist"), [time for _, time in receive.freelist])
    if number < rx.control.channels:
        free = [element for element in rx.free_elements if element in rx.control.partition[number]]
        _compare(found, f"{name} free elements", ring("rbuf_free", "rbuf_free"), free)
    ends = [NEVER if side.transfer is None else side.transfer.end for side in (receive, transmit)]
    _compare(found, f"{name} transfers", [channel["rx_end"], channel["tx_end"]], ends)
    _compare(found, f"{name} sequence", int(channel["tx_sequence"]) % 256, transmit.sequence)
