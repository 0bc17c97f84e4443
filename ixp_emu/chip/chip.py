"""A chip seen from Python: build its record, load programs and memories, look at its state by name."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Sequence
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ixp_emu.chip import layout
from ixp_emu.chip.codes import ME_CHOOSING, ME_STALLED
from ixp_emu.chip.compiled import NEVER
from ixp_emu.chip.control_store import store_program
from ixp_emu.chip.hardware import Hardware
from ixp_emu.chip.idling import Notes
from ixp_emu.chip.layout import CHIP, CONSTANTS, DRAM, MSF, SRAM0, SRAM1
from ixp_emu.chip.media import PORT_TRAFFIC
from ixp_emu.chip.rings import RING_CSRS
from ixp_emu.chip.rows import build_rows
from ixp_emu.isa.csr import LOCAL_CSRS, MSF_REGISTERS

__all__ = [
    "Memories",
    "bind_memories",
    "configure_ring",
    "cycle_accounts",
    "initialise",
    "load_program",
    "new_chips",
    "schedule",
    "set_up_ports",
]

_SPECIFICATION = {
    "fifo_latency": "command.fifo_latency",
    "fifo_depth": "command.fifo_depth",
    "sbus_cycles": "sbus.longword_cycles",
    "dbus_cycles": "dbus.quadword_cycles",
    "dbus_media_cycles": "dbus.media_quadword_cycles",
    "push_latency": "push.latency",
    "pull_latency": "pull.latency",
    "sbus_depth": "sbus.push_depth",
    "dbus_depth": "dbus.push_depth",
    "dpull_depth": "dbus.pull_depth",
    "ring_lag": "scratch.ring_flag_lag",
    "ring_margin": "scratch.ring_full_margin",
    "hash_cycles": "hash.key_cycles",
    "cap_signal_latency": "cap.signal_latency",
    "pci_latency": "pci.latency",
    "link_cycles": "sram.link_cycles",
    "ignore_eop": "sram.ignore_eop",
    "ignore_cells": "sram.ignore_cells",
    "neighbor_latency": "neighbor.signal_latency",
    "neighbor_register_latency": "neighbor.register_latency",
    "neighbor_self_latency": "neighbor.self_latency",
    "neighbor_full_margin": "neighbor.full_margin",
    "prn_polynomial": "me.prn_polynomial",
    "banks": "dram.banks",
    "bank_queue_depth": "dram.bank_queue_depth",
    "dram_cas": "dram.cas",
    "dram_activate": "dram.activate",
    "dram_precharge": "dram.precharge",
    "dram_write_recovery": "dram.write_recovery",
    "dram_turnaround": "dram.turnaround",
    "dram_ras": "dram.ras",
    "dram_row_cycle": "dram.row_cycle",
    "dram_activate_gap": "dram.activate_gap",
    "refresh_interval": "dram.refresh_interval",
    "refresh_cycles": "dram.refresh_cycles",
    "me_khz": "me_clock_khz",
    "msf_khz": "msf.clock_khz",
    "rbuf_bytes": "msf.rbuf_bytes",
    "tbuf_bytes": "msf.tbuf_bytes",
    "rx_channels": "msf.channels",
    "tx_channels": "msf.channels",
    "rx_width_bytes": "msf.width_bytes",
    "tx_width_bytes": "msf.width_bytes",
    "rx_element_bytes": "msf.element_bytes",
    "tx_element_bytes": "msf.element_bytes",
    "freelist_depth": "msf.freelist_depth",
    "status_latency": "msf.status_latency",
    "mac_rx_bytes": "mac.rx_fifo_bytes",
    "mac_tx_bytes": "mac.tx_fifo_bytes",
    "pause_high_bytes": "mac.pause_high_bytes",
    "pause_low_bytes": "mac.pause_low_bytes",
}
_ERRATUM_ELEMENTS = (0, 9, 18, 27)


def _mapped(size_bytes: int, *, huge: bool = False) -> mmap.mmap:
    """Zeroed memory that costs nothing until touched.

    Parameters:
        huge: in pages of 2 MB, where the system has them: fewer of them are missed.
    """
    block = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if huge and hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):
            block.madvise(mmap.MADV_HUGEPAGE)
    return block


class Memories:
    """The mapped SRAM and DRAM of one chip; pages cost nothing until touched.

    Attributes:
        words: target number -> uint32 array over the memory, a longword each (byte 0 of a longword = bits 31:24).
        notes: room for what the engine notes about how the chip's state recurs.
    """

    def __init__(self, hardware: Hardware) -> None:
        self._maps: list[mmap.mmap] = []
        self.words: dict[int, NDArray[np.uint32]] = {}
        for target, name in ((SRAM0, "sram"), (SRAM1, "sram"), (DRAM, "dram")):
            block = _mapped(hardware[f"{name}.size_bytes"])
            self._maps.append(block)
            self.words[target] = np.frombuffer(block, np.uint32)
        self.notes = Notes()


def _set_lookaheads(chip: Any, hardware: Hardware) -> None:
    """Least cycles from an event to a delivery that it causes, by kind of agent: how far MEs may look ahead.

    What few programs send to a neighbour is taken into account when they are loaded (``control_store``).
    """
    beats = ("sbus.longword_cycles", "dbus.quadword_cycles", "dbus.media_quadword_cycles")
    beat = min(hardware[name] for name in beats)
    push = hardware["push.latency"] + beat
    pull = hardware["pull.latency"] + beat
    service = [hardware["cap.signal_latency"], hardware["dram.cas"] + hardware["dram.controller_delay"]]
    service += [
        hardware[f"{unit}.longword_cycles"] + hardware[f"{unit}.controller_delay"]
        for unit in ("scratch", "sram", "msf")
    ]
    hashed = min(hardware[f"hash.latency_{bits}"] for bits in (48, 64, 128))
    service.append(hashed + hardware["scratch.controller_delay"] + push)
    arrival = hardware["command.bus_latency"] + hardware["command.decode"]
    chip["bus_lookahead"] = min(push, pull)
    # units, a command bus (behind it a unit or a pull), receive status
    chip["other_lookahead"] = min(*service, arrival + min(*service, pull), hardware["msf.status_latency"] + push)
    chip["engine_lookahead"] = hardware["command.fifo_latency"] + arrival + min(*service, pull)


def new_chips(count: int) -> NDArray[Any]:
    """Records of ``count`` chips, all zero; only touched pages cost memory."""
    block = _mapped(CHIP.itemsize * count, huge=True)
    return np.frombuffer(block, CHIP)


def bind_memories(chip: Any, memories: Memories) -> None:
    """Write the memories' addresses into the record (also after a restore)."""
    for target, words in memories.words.items():
        chip["memory"][target] = words.ctypes.data
    chip["notes"] = memories.notes.address


def initialise(chip: Any, hardware: Hardware, memories: Memories) -> None:
    """Reset state of a chip without programs and ports."""
    for field, name in _SPECIFICATION.items():
        chip[field] = hardware[name]
    chip["bus_latency"] = hardware["command.bus_latency"] + hardware["command.decode"]
    for target, name in enumerate(("scratch", "sram", "sram", "dram", "msf")):
        chip["inlet_depth"][target] = hardware[f"{name}.inlet_depth"]
        chip["delay"][target] = hardware[f"{name}.controller_delay"]
        chip["size_bytes"][target] = hardware[f"{name}.size_bytes"] if target != MSF else 0x4000
        per_unit = "quadword_cycles" if target == DRAM else "longword_cycles"
        chip["longword_cycles"][target] = hardware[f"{name}.{per_unit}"]
        chip["command_cycles"][target] = hardware[f"{name}.command_cycles"] if target != DRAM else 2
    for index, width in enumerate((48, 64, 128)):
        chip["hash_latency"][index] = hardware[f"hash.latency_{width}"]
    chip["rbuf_elements"] = hardware["msf.rbuf_bytes"] // hardware["msf.element_bytes"]
    chip["tbuf_elements"] = hardware["msf.tbuf_bytes"] // hardware["msf.element_bytes"]
    _set_lookaheads(chip, hardware)
    bind_memories(chip, memories)
    chip["keys"][:] = NEVER
    chip["pool_free"][:] = np.arange(layout.POOL_SLOTS)
    chip["pool_top"] = layout.POOL_SLOTS
    chip["arbiter_last"][:] = 3  # round robin begins with the first
    chip["inlet_last"][:] = -1
    chip["push_last"][:] = (5, 5, 0)
    chip["pull_last"][:] = (3, 3, 0)
    chip["bank_shift"] = hardware["dram.bank_interleave_bytes"].bit_length() - 1
    chip["row_shift"] = (hardware["dram.row_bytes"] * hardware["dram.banks"]).bit_length() - 1
    chip["bank"]["row"][:] = -1
    chip["bank_last"] = hardware["dram.banks"] - 1
    chip["dram_last_write"] = -1
    chip["dram_last_activate"] = -hardware["dram.activate_gap"]
    chip["refresh_due"] = hardware["dram.refresh_interval"]
    _initialise_media(chip, hardware)
    chip["host_cycle"] = chip["host_woken"] = NEVER
    for me in chip["me"]:
        me["result"] = 1  # N and Z clear
        me["file"][CONSTANTS : CONSTANTS + 256] = np.arange(256)
        me["cam_order"][:] = np.arange(16)
        me["timer"][:] = -1
        me["prn"] = 1
        me["ready"] = 0xFF  # asking for no signal, once enabled


def _initialise_media(chip: Any, hardware: Hardware) -> None:
    """SPI-3 as the parameters say and enabled, elements free, nothing in the MACs."""
    channels, element_bytes = hardware["msf.channels"], hardware["msf.element_bytes"]
    enabled = (1 << channels) - 1
    chip["rx_enabled"] = chip["tx_enabled"] = enabled
    control = enabled << 28 | (channels // 2) << 20 | (element_bytes // 128) << 2
    for name in ("RX_CONTROL", "TX_CONTROL"):
        chip["msf_register"][MSF_REGISTERS[name] >> 2] = control
    for name in ("wire_end", "switch_end", "switch_join"):
        chip["port"][name][:] = NEVER
    chip["channel"]["rx_end"] = chip["channel"]["tx_end"] = NEVER
    skipped = _ERRATUM_ELEMENTS if hardware["msf.rbuf_erratum"] and element_bytes == 64 else ()
    elements = int(chip["rbuf_elements"])
    free = [element for element in range(elements) if element not in skipped]
    chip["rbuf_freed"][free] = np.arange(1, len(free) + 1)
    chip["rbuf_frees"] = len(free)
    for number, channel in enumerate(chip["channel"][:channels]):
        mine = [element for element in free if element * channels // elements == number]
        channel["rbuf_free"][: len(mine)] = mine
        channel["rbuf_free_count"] = len(mine)


def schedule(chip: Any, agent: int, phase: int, time: int) -> None:
    """Make an agent's next event no later than the given one (from Python; kernels use ``queues.hasten``)."""
    chip["keys"][agent] = min(int(chip["keys"][agent]), time << 8 | phase << 5 | agent)


def set_up_ports(chip: Any, count: int) -> None:
    """Give a chip its 1 Gb/s Ethernet ports, with traffic in and an egress log out.

    Parameters:
        count: 0..16.
    """
    cycles, per = int(chip["me_khz"]) * 8, 1_000_000  # a byte takes 8 ns
    divisor = gcd(cycles, per)
    chip["ports"] = count
    chip["channel"]["rx_last_port"] = count - 1  # round robin begins with the first
    for port in chip["port"][:count]:
        port["kind"] = PORT_TRAFFIC
        port["byte_num"], port["byte_den"] = cycles // divisor, per // divisor


def load_program(
    chip: Any,
    engine: int,
    words: Sequence[int],
    *,
    rows: NDArray[Any] | None = None,
    contexts: int = 0xFF,
    entry: int = 0,
    four_contexts: bool = False,
    modes: int = 0,
    start: int = 0,
) -> None:
    """Load a program into an ME that does not run, and start it.

    Parameters:
        engine: 0..7.
        words: 40-bit words; the host reads them back, and a change between 8 and 4 contexts decodes them anew.
        rows: the words decoded (by :func:`build_rows`), if they are at hand.
        contexts: mask of enabled contexts.
        entry: start address.
        modes: further bits of CTX_ENABLES, such as 20, next neighbour self mode.
        start: the cycle it starts in, to which the chip has run.
    """
    four = int(four_contexts)
    if rows is None:
        rows = build_rows(words, contexts=4 if four_contexts else 8)
    me = chip["me"][engine]
    store_program(chip, engine, words, rows, four_contexts=four_contexts)
    me["enabled"] = contexts & (0x55 if four_contexts else 0xFF)
    me["csr"][LOCAL_CSRS["CTX_ENABLES"].address >> 2] = four << 31 | modes | int(me["enabled"]) << 8
    me["lm_global"] = (modes >> 16) & 3
    me["context_step"] = 1 + four
    me["ready"] = 0xFF
    me["request"][:] = 1  # voluntary
    me["wakeup"][:] = 1
    me["signals"][:] = 1
    me["pc"][:] = entry
    me["context"] = layout.CONTEXTS - 1  # so that the first choice begins with context 0
    me["state"] = ME_CHOOSING
    me["time"] = start
    schedule(chip, engine, 3, start)


def configure_ring(
    chip: Any, ring: int, *, base: int, size: int, flag_empty: bool = False, contents: Sequence[int] = ()
) -> None:
    """Set up a scratch ring.

    Parameters:
        ring: 0..15.
        base: byte address in scratch.
        size: longwords, 128, 256, 512 or 1024.
        flag_empty: the status flag means empty (else nearly full).
        contents: longwords already in it.
    """
    chip["ring_base"][ring] = base
    chip["ring_size"][ring] = size
    chip["ring_head"][ring] = 0
    chip["ring_count"][ring] = len(contents)
    chip["ring_empty_flag"][ring] = int(flag_empty)
    chip["cap_csr"][RING_CSRS // 4 + ring * 4] = (size.bit_length() - 8) << 30 | int(flag_empty) << 26 | base
    chip["scratch"][base // 4 : base // 4 + len(contents)] = contents
    full = len(contents) > size - int(chip["ring_margin"])
    chip["ring_flag"][ring] = int(len(contents) == 0) if flag_empty else int(full)
    chip["ring_flag_before"][ring] = chip["ring_flag"][ring]


def cycle_accounts(chip: Any, now: int) -> dict[str, NDArray[np.int64]]:
    """Cycle accounts of the MEs at the end of a run of ``now`` cycles: what lies beyond is taken off.

    Returns:
        ``executing``, ``aborted``, ``stalled``, ``idle``: int64 arrays of 8; per ME they sum to ``now``.
    """
    me = chip["me"]
    account = {name: me[name].copy() for name in ("executing", "aborted", "stalled", "idle")}
    for index in range(layout.ENGINES):
        state = int(me["state"][index])
        difference = now - int(me["time"][index])
        if difference > 0:  # idle, stopped or stalled since then
            account["stalled" if state == ME_STALLED else "idle"][index] += difference
        else:  # slots of a branch or swap that fall behind the end
            lost = min(-difference, int(account["aborted"][index]))
            account["aborted"][index] -= lost
            account["executing"][index] += difference + lost  # ran ahead of a fault elsewhere
    return account
