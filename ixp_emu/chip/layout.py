"""State layout: one chip is one record of :data:`CHIP`.

Everything a checkpoint needs is here as plain numbers, but the memories (SRAM, DRAM), which are mapped blocks whose
addresses the record holds. Times are ME cycles (int64); ``NEVER`` means no time is known.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "AGENTS",
    "CAP_BYTES",
    "CHANNELS",
    "CHIP",
    "CMD_ARBITER",
    "COMMAND",
    "CONSTANTS",
    "CONTEXTS",
    "DELIVERY",
    "DELIVERY_SLOTS",
    "DRAM",
    "DRAM_IN",
    "DRAM_OUT",
    "ENGINES",
    "FILE_SIZE",
    "GPR_A",
    "GPR_B",
    "INBOX_SLOTS",
    "INLET_SLOTS",
    "LATENCY_BINS",
    "LATENCY_BIN_CYCLES",
    "LOCAL_MEMORY",
    "LOCAL_MEMORY_WORDS",
    "MAILBOXES",
    "MAILBOX_OFFSETS",
    "MEDIA_RX",
    "MEDIA_TX",
    "MICROENGINE",
    "MSF",
    "NEIGHBOR",
    "NEIGHBOR_OUT",
    "PAGE_SHIFT",
    "PCI_WORDS",
    "POOL_SLOTS",
    "PORTS",
    "PULL",
    "PUSH",
    "QUEUE_ENTRIES",
    "ROW",
    "SCRATCH",
    "SCRATCH_WORDS",
    "SINK",
    "SLOTS",
    "SRAM0",
    "SRAM1",
    "SRAM_IN",
    "SRAM_OUT",
    "STORE_IMAGES",
    "STRUCTURES",
    "TARGETS",
    "TARGET_NAMES",
    "UNIT",
    "offset_of",
]

ENGINES = 8
CONTEXTS = 8
STORE_WORDS = 4096
SLOTS = 1 << 16
"""Bit of a program counter given to a translation: run the defer slots there, and no further."""
STORE_IMAGES = 2 * ENGINES
"""Decoded control stores: image i as it means with 8 contexts, i + ENGINES the same words with 4."""
PORTS = 16
CHANNELS = 4
"""Most channels of SPI-3 in a direction."""
STRUCTURES = 64
"""Named structures a chip counts; entry 0 is (unnamed)."""
PAGE_SHIFT = 16
"""A checkpoint takes whole pages of 64 KB."""
LATENCY_BIN_CYCLES = 4
LATENCY_BINS = 1024
"""Histogram of command latencies: 4 cycles a bin, the last bin open-ended."""

# Agents: index into `keys`. A key is time << 8 | phase << 5 | agent, so the smallest key is the next event.
# MEs are agents 0-7 (phase 3).
DELIVERY = 8
PULL = 9
"""First of the three pull buses: S of cluster 0, S of cluster 1, D (phase 0)."""
PUSH = 12
"""First of the three push buses, in the same order."""
UNIT = 15
"""First of the five units, in the order of the targets (phase 1)."""
CMD_ARBITER = 20
MEDIA_RX = 22
MEDIA_TX = 23
AGENTS = 24

# Targets
SCRATCH, SRAM0, SRAM1, DRAM, MSF = range(5)
TARGETS = 5
TARGET_NAMES = ("scratch", "sram0", "sram1", "dram", "msf")

# The register file of an ME: every operand is an index into it.
GPR_A = 0
GPR_B = 128
SRAM_IN = 256
DRAM_IN = 384
SRAM_OUT = 512
DRAM_OUT = 640
NEIGHBOR = 768
CONSTANTS = 896
"""256 words that hold 0..255: an immediate operand is a register like any other."""
SINK = 1152
"""Where a result without destination goes."""
NEIGHBOR_OUT = 1153
"""Where a result for a next neighbour register waits until the instruction is through."""
LOCAL_MEMORY = 1280
LOCAL_MEMORY_WORDS = 640
FILE_SIZE = LOCAL_MEMORY + LOCAL_MEMORY_WORDS

SCRATCH_WORDS = 1 << 14
"""Room for the largest scratch the hardware description allows."""
CAP_BYTES = 1 << 16
"""Address space of the CSRs behind the CAP."""
PCI_WORDS = 1024
MAILBOXES = 0x50
"""Address of the first mailbox among the PCI unit's CSRs: four of them, then doorbells at 0x60 and 0x70."""
MAILBOX_OFFSETS = (0x50, 0x54, 0x58, 0x5C, 0x60, 0x70)
"""CSRs of the PCI unit."""
QUEUE_ENTRIES = 64
"""Entries of a channel's Q_array."""
POOL_SLOTS = 1024
DELIVERY_SLOTS = 128
"""Data on its way to TBUF."""
INBOX_SLOTS = 256
"""Deliveries on their way to one ME."""
INLET_SLOTS = 16
"""Largest inlet depth."""


def offset_of(record: np.dtype[Any], field: str) -> int:
    """Byte offset of a field in a record."""
    assert record.fields is not None
    return int(record.fields[field][1])


ROW = np.dtype(
    [
        ("kind", np.uint8),  # what to execute (ixp_emu.chip.rows)
        ("flags", np.uint8),  # ROW_* bits
        ("option", np.uint8),  # of the kind: condition, shift kind, byte, CRC type, command code
        ("defer", np.uint8),
        ("a", np.uint16),  # A-side (left) operand: register file index, context part added under a_mask
        ("b", np.uint16),
        ("d", np.uint16),
        ("a_mask", np.uint16),  # 0xFFFF if context-relative, else 0
        ("b_mask", np.uint16),
        ("d_mask", np.uint16),
        ("shift", np.uint8),
        ("slots", np.uint8),  # shadow slots of a branch or swap
        ("target", np.uint16),  # branch target, or CSR byte address
        ("imm", np.uint32),
        # commands
        ("unit", np.uint8),
        ("count", np.uint8),
        ("signal", np.uint8),
        ("action", np.uint8),  # CMD_* bits
        ("structure", np.uint8),
        ("special", np.uint8),  # shift kind, CRC byte form, or bits of a command (ixp_emu.chip.rows)
        ("counted", np.uint8),  # indirect_ref may change the count
        ("xfer_in", np.uint16),  # file index of the first transfer-in register, context part added
        ("xfer_out", np.uint16),
        ("command", np.int64, (2,)),  # of a direct command: the bytes of COMMAND from ``code`` on
    ],
    align=True,
)
"""One decoded instruction."""

COMMAND = np.dtype(
    [
        ("stamp", np.int64),  # issue
        ("ready", np.int64),  # arrival at the unit; later: request time on the push bus
        ("pulled", np.int64),  # operand data there, NEVER until granted
        ("address", np.int64),
        ("code", np.uint8),
        ("action", np.uint8),
        ("unit", np.uint8),
        ("me", np.uint8),
        ("ctx", np.uint8),
        ("pull_me", np.uint8),  # whose transfer-out registers are sampled: another ME's for a reflector command
        ("push_me", np.uint8),  # whose transfer-in registers are written
        ("notify", np.uint8),  # NOTIFY_* of a reflector command
        ("signal", np.uint8),
        ("count", np.uint8),  # longwords; quadwords for DRAM; keys for hash
        ("mask", np.uint8),  # byte mask of a DRAM write
        ("structure", np.uint8),
        ("pull_words", np.uint8),  # longwords from the ME (or RBUF)
        ("marked", np.uint8),  # transfer-in registers marked busy
        ("push_words", np.uint8),  # longwords to the ME (or TBUF)
        ("master", np.uint8),  # S_push queue that takes the reply
        ("row", np.int32),  # of its DRAM bank
        ("xfer_in", np.uint16),
        ("xfer_out", np.uint16),
        ("next", np.uint16),  # in the unit's, FIFO's or push queue
        ("pull_next", np.uint16),  # in the pull queue
        ("media", np.uint16),  # RBUF/TBUF byte offset
        ("pc", np.uint16),  # of the instruction, UNKNOWN_PC if it is one of another ME
        ("data", np.uint32, (32,)),
    ],
    align=True,
)
"""One command in flight."""
assert COMMAND.itemsize == 192, "three cache lines: a longer record costs several percent of the speed"

QUEUE = np.dtype([("head", np.uint16), ("tail", np.uint16), ("count", np.uint32)], align=True)
"""Linked list of pool slots."""

MICROENGINE = np.dtype(
    [
        ("time", np.int64),
        ("executing", np.int64),
        ("aborted", np.int64),
        ("lost", np.int64),  # cycles aborted since the engine took the ME up
        ("stalled", np.int64),
        ("idle", np.int64),
        ("commands", np.int64),
        ("state", np.int64),  # ME_* of ixp_emu.chip.microengine
        ("context", np.int64),
        ("entered", np.int64),  # PC at which the executing context was entered
        ("last_left", np.int64),  # the context that last left
        ("program_words", np.int64),
        ("store", np.int64),  # which control store image it runs; MEs with the same program share one
        ("lm_global", np.int64),  # bit i: LM_ADDR_i is global
        ("enabled", np.int64),
        ("ready", np.int64),  # bit c: context c waits and its request is satisfied
        ("context_step", np.int64),  # 1, or 2 in 4-context mode
        ("result", np.int64),  # whose sign and zeroness are N and Z
        ("carry", np.int64),
        ("overflow", np.int64),
        ("last_result", np.int64),  # of the last ALU-class instruction
        ("last_a", np.int64),
        ("align_prev", np.int64),
        ("crc", np.int64),
        ("csr_pending", np.int64),  # 1: the next immed receives csr_value
        ("csr_value", np.int64),
        ("after", np.int64),  # what follows the defer slots: 0 nothing, 1 branch, 2 swap
        ("after_slots", np.int64),  # defer slots still to issue
        ("after_target", np.int64),
        ("after_lost", np.int64),  # slots aborted behind them
        ("t_index", np.int64),
        ("byte_index", np.int64),
        ("since", np.int64),  # executing count at the last choice of a context
        ("expected", np.uint32, (CONTEXTS,)),  # signals in the inbox, kept while the ME idles
        ("inbox_head", np.int64),  # deliveries under way, in order of time
        ("inbox_count", np.int64),
        ("inbox_time", np.int64, (INBOX_SLOTS,)),
        ("inbox_slot", np.uint16, (INBOX_SLOTS,)),
        ("index_writes", np.int64),  # pending index CSR writes
        ("index_time", np.int64, (8,)),
        ("index_what", np.int64, (8,)),  # copy * 8 + register
        ("index_value", np.int64, (8,)),
        ("cam_tag", np.uint32, (16,)),
        ("cam_state", np.uint8, (16,)),
        ("cam_order", np.uint8, (16,)),  # entries, least recently used first
        ("pc", np.uint16, (CONTEXTS,)),
        ("signals", np.uint32, (CONTEXTS,)),
        ("request", np.uint32, (CONTEXTS,)),  # what a waiting context asks for (format of WAKEUP_EVENTS)
        ("wakeup", np.uint32, (CONTEXTS,)),  # the CSR itself
        ("instructions", np.int64, (CONTEXTS,)),
        ("context_commands", np.int64, (CONTEXTS,)),
        ("lm_word", np.int64, (CONTEXTS + 1, 2)),  # the last row is the global copy
        ("mul_sum", np.int64),
        # next neighbour ring of this ME: pointers in effect, and those that run ahead
        ("nn_put", np.int64),
        ("nn_get", np.int64),
        ("nn_ahead_put", np.int64),
        ("nn_ahead_get", np.int64),
        ("nn_put_writes", np.int64),  # pending CSR writes of NN_PUT
        ("nn_put_time", np.int64, (8,)),
        ("nn_put_value", np.int64, (8,)),
        ("prn", np.int64),  # pseudo-random number as of prn_time
        ("prn_time", np.int64),
        ("future_count", np.uint32, (CONTEXTS,)),
        ("future_signal", np.uint32, (CONTEXTS,)),
        ("timer", np.int64, (CONTEXTS,)),  # pool slot of the armed timer, -1 none
        ("csr", np.uint32, (256,)),
        ("file", np.uint32, (FILE_SIZE,)),
        ("busy", np.uint8, (NEIGHBOR,)),  # commands in flight per transfer register
        ("busy_end", np.uint8, (8,)),  # busy is read 8 at a time
    ],
    align=True,
)

PORT = np.dtype(
    [
        ("kind", np.int64),  # 0 no port, or a PORT_* of ixp_emu.chip.media
        ("byte_num", np.int64),  # one byte on the wire takes byte_num / byte_den cycles
        ("byte_den", np.int64),
        ("back_pressure", np.int64),
        # ingress source: a frame table in host memory (addresses), the LINK of a link or that of a switch's output
        ("source", np.int64),  # address of INGRESS rows, or of the LINK record
        ("source_count", np.int64),
        ("source_next", np.int64),
        ("not_before", np.int64),  # the source's wire is free for the next first bit, x byte_den
        # MAC receive: frames accepted, ring of indices into rx_*
        ("rx_head", np.int64),
        ("rx_count", np.int64),
        ("rx_bytes", np.int64),
        ("rx_sent", np.int64),  # bytes of the head frame already in RBUF
        # MAC transmit
        ("tx_bytes", np.int64),
        ("tx_partial", np.int64),  # bytes of the frame being assembled
        ("tx_head", np.int64),
        ("tx_count", np.int64),
        ("tx_write", np.int64),  # byte position for the frame being assembled
        ("wire_end", np.int64),  # last bit out of the frame on the wire, NEVER if none
        ("wire_next", np.int64),  # earliest next start, x byte_den
        ("link", np.int64),  # address of the outgoing LINK record
        ("link_latency", np.int64),
        ("pause", np.int64),  # 1: the link knows pause
        ("pausing", np.int64),  # it has paused its peer
        ("paused", np.int64),  # its peer has paused it
        ("peer_bytes", np.int64),  # SPI-3 link: the peer's receive FIFO
        ("peer_used", np.int64),  # SPI-3 link: bytes sent and not known to have left it
        # the switch this port is plugged into, and the switch's output to this port
        ("switch", np.int64),  # address of the SWITCH record
        ("switch_index", np.int64),
        ("switch_join", np.int64),  # when the next frame joins the output queue, NEVER if none is known
        ("switch_joined", np.int64),  # frames, since the start
        ("switch_left", np.int64),
        ("switch_bytes", np.int64),
        ("switch_write", np.int64),  # byte position for the next frame
        ("switch_end", np.int64),  # last bit out of the frame on the wire, NEVER if none
        ("switch_next", np.int64),  # earliest next start, x byte_den
        # counters
        ("frames_in", np.int64),
        ("bytes_in", np.int64),
        ("frames_lost", np.int64),
        ("frames_out", np.int64),
        ("bytes_out", np.int64),
        ("pauses", np.int64),  # XOFF sent
        ("rx_spi_busy", np.int64),  # cycles of its transfers on SPI-3
        ("tx_spi_busy", np.int64),
        ("switch_unknown", np.int64),  # frames sent to a switch that has no other port of their address
        ("switch_overflow", np.int64),  # frames to this port that its output queue had no room for
        ("rx_time", np.int64, (1024,)),  # first bit of each accepted frame
        ("rx_address", np.int64, (1024,)),  # its bytes
        ("rx_length", np.int32, (1024,)),
        ("tx_start", np.int32, (1024,)),  # byte position of each complete frame
        ("tx_length", np.int32, (1024,)),
        ("tx_data", np.uint8, (1 << 16,)),  # frames being assembled, complete and on the wire
        ("rx_data", np.uint8, (1 << 16,)),  # frames of a link, copied out of its ring
        ("rx_write", np.int64),
    ],
    align=True,
)

BANK = np.dtype(
    [
        ("row", np.int64),  # open row, -1 none
        ("activate_ok", np.int64),  # no ACT before this
        ("precharge_ok", np.int64),  # no PRE before this
        ("skipped", np.int64),  # times passed over to avoid a turnaround
    ],
    align=True,
)

CHANNEL = np.dtype(
    [
        # receive
        ("rbuf_free", np.uint8, (128,)),  # FIFO of the partition's free elements
        ("rbuf_free_head", np.int64),
        ("rbuf_free_count", np.int64),
        ("full_status", np.uint32, (128, 2)),
        ("full_head", np.int64),
        ("full_count", np.int64),
        ("freelist", np.uint16, (64,)),
        ("freelist_time", np.int64, (64,)),  # service that put the thread there
        ("freelist_head", np.int64),
        ("freelist_count", np.int64),
        ("rx_last_port", np.int64),
        ("rx_end", np.int64),  # end of the transfer under way, NEVER if none
        ("rx_port", np.int64),
        ("rx_element", np.int64),
        ("rx_offset", np.int64),  # of the element in RBUF, bytes
        ("rx_bytes", np.int64),
        # transmit
        ("tx_valid_count", np.int64),
        ("tx_next", np.int64),  # next element in order, counted within the partition
        ("tx_end", np.int64),
        ("tx_element", np.int64),  # of the transfer under way
        ("tx_offset", np.int64),  # of that element in TBUF, bytes
        ("tx_sequence", np.int64),
    ],
    align=True,
)
"""One channel of SPI-3, both directions."""

_CHIP_FIELDS: list[Any] = [
    ("keys", np.int64, (32,)),
    # least key of the MEs, of the pull and push buses, and of the other agents
    ("first_engine", np.int64),
    ("first_bus", np.int64),
    ("first_other", np.int64),
    ("now", np.int64),
    ("until", np.int64),  # no effect at or after this cycle
    # least cycles from an event to a delivery that it causes, by the agent of the event
    ("bus_lookahead", np.int64),
    ("other_lookahead", np.int64),
    ("engine_lookahead", np.int64),
    ("published", np.int64),  # this chip's clock, for chips linked to it
    # specification, resolved
    ("bus_latency", np.int64),  # grant to arrival: bus and decode
    ("fifo_latency", np.int64),
    ("fifo_depth", np.int64),
    ("inlet_depth", np.int64, (TARGETS,)),
    ("size_bytes", np.int64, (TARGETS,)),
    ("delay", np.int64, (TARGETS,)),
    ("longword_cycles", np.int64, (TARGETS,)),
    ("command_cycles", np.int64, (TARGETS,)),
    ("sbus_cycles", np.int64),
    ("dbus_cycles", np.int64),
    ("dbus_media_cycles", np.int64),
    ("push_latency", np.int64),
    ("pull_latency", np.int64),
    ("sbus_depth", np.int64),
    ("dbus_depth", np.int64),
    ("dpull_depth", np.int64),
    ("ring_lag", np.int64),
    ("ring_margin", np.int64),
    ("hash_cycles", np.int64),
    ("hash_latency", np.int64, (3,)),
    ("cap_signal_latency", np.int64),
    ("pci_latency", np.int64),
    ("link_cycles", np.int64),
    ("ignore_eop", np.int64),
    ("ignore_cells", np.int64),
    ("neighbor_latency", np.int64),
    ("neighbor_register_latency", np.int64),
    ("neighbor_self_latency", np.int64),
    ("neighbor_full_margin", np.int64),
    ("prn_polynomial", np.int64),
    ("timestamp_start", np.int64),  # cycle in which the timestamp was 0, NEVER if it stands still
    ("clock_reads", np.int64),  # how often MEs read what tells the time, or armed a timer
    ("banks", np.int64),
    ("bank_queue_depth", np.int64),
    ("bank_shift", np.int64),  # of an address: bits below those of the bank
    ("row_shift", np.int64),  # bits below those of the row
    ("dram_cas", np.int64),
    ("dram_activate", np.int64),
    ("dram_precharge", np.int64),
    ("dram_write_recovery", np.int64),
    ("dram_turnaround", np.int64),
    ("dram_ras", np.int64),
    ("dram_row_cycle", np.int64),
    ("dram_activate_gap", np.int64),
    ("refresh_interval", np.int64),
    ("refresh_cycles", np.int64),
    ("me_khz", np.int64),
    ("msf_khz", np.int64),
    ("rbuf_bytes", np.int64),
    ("tbuf_bytes", np.int64),
    ("rbuf_elements", np.int64),
    ("tbuf_elements", np.int64),
    ("freelist_depth", np.int64),
    ("status_latency", np.int64),
    ("mac_rx_bytes", np.int64),
    ("mac_tx_bytes", np.int64),
    ("pause_high_bytes", np.int64),
    ("pause_low_bytes", np.int64),
    ("ports", np.int64),
    # faults
    ("fault", np.int64),
    ("fault_time", np.int64),
    ("fault_me", np.int64),  # -1: no ME is to blame
    ("fault_context", np.int64),
    ("fault_pc", np.int64),
    ("fault_detail", np.int64),
    ("stop", np.int64),  # asks the kernel to return (fault, full egress log, the host acts)
    ("last_change", np.int64),  # last packet, ring or free-list change
    # command path
    ("pool_free", np.uint16, (POOL_SLOTS,)),
    ("pool_top", np.int64),
    ("fifo", QUEUE, (ENGINES,)),
    ("waiting_lanes", np.int64, (2,)),  # bit per ME of the cluster: its FIFO is not empty
    ("head_unit", np.int64, (ENGINES,)),  # of the command at the head of an ME's FIFO
    ("head_eligible", np.int64, (ENGINES,)),  # when that may be granted at the earliest
    ("arbiter_last", np.int64, (2,)),
    ("arbiter_blocked", np.int64, (2,)),
    ("inlet", QUEUE, (TARGETS,)),
    ("inlet_last", np.int64, (TARGETS,)),  # cluster of the last command granted, -1 at reset
    ("early_head", np.int64, (TARGETS,)),  # commands served ahead of the clock, still counted in the inlet
    ("early_count", np.int64, (TARGETS,)),
    ("early_time", np.int64, (TARGETS, INLET_SLOTS)),
    ("read_free", np.int64, (TARGETS,)),
    ("write_free", np.int64, (TARGETS,)),
    ("unit_free", np.int64, (TARGETS,)),
    ("blocked_units", np.int64),  # bit per unit: its head waits for room in a push queue
    # buses: 0, 1 the clusters' S buses, 2 the D bus
    ("push", QUEUE, (3, 6)),
    ("pull", QUEUE, (3, 4)),
    ("dpull_waiting", QUEUE),  # DRAM commands for which the D_pull queue had no room
    ("push_waiting", np.int64, (3,)),  # bit per master: its queue is not empty
    ("pull_waiting", np.int64, (3,)),
    ("push_free", np.int64, (3,)),
    ("pull_free", np.int64, (3,)),
    ("push_last", np.int64, (3,)),
    ("pull_last", np.int64, (3,)),
    ("delivery_time", np.int64, (DELIVERY_SLOTS,)),
    ("delivery_slot", np.uint16, (DELIVERY_SLOTS,)),
    ("delivery_head", np.int64),
    ("delivery_count", np.int64),
    # scratch, hash, CAP
    ("ring_base", np.int64, (16,)),
    ("ring_size", np.int64, (16,)),
    ("ring_head", np.int64, (16,)),
    ("ring_count", np.int64, (16,)),
    ("ring_empty_flag", np.int64, (16,)),
    # the flag, and what it was before two changes that may still be to be seen
    ("ring_flag", np.int64, (16,)),
    ("ring_flag_time", np.int64, (16,)),
    ("ring_flag_before", np.int64, (16,)),
    ("ring_flag_first_time", np.int64, (16,)),
    ("ring_flag_first", np.int64, (16,)),
    ("hash_free", np.int64),
    ("interrupt_raw", np.uint32, (4,)),  # A of cluster 0, 1, then B
    ("cap_csr", np.uint32, (CAP_BYTES // 4,)),  # by address / 4; the hash multipliers are among them
    ("pci_csr", np.uint32, (PCI_WORDS,)),
    # the control processor
    ("host_cycle", np.int64),  # in its last phase the host acts next; NEVER if it does not
    ("host_latency", np.int64),  # cycles from what the host waits for to its going on; 0 if it waits for nothing
    ("host_woken", np.int64),  # cycle in which that came, NEVER if not yet
    ("host_interrupts", np.uint32, (4,)),  # bits that it waits for, as in interrupt_raw
    ("host_mailboxes", np.int64),  # mailboxes that it waits for, as in pci_written
    ("pci_written", np.int64),  # bit per longword from MAILBOXES on that an ME wrote and the host was not told of
    ("reflector", np.int64),  # 1: a program reaches other MEs' transfer registers, so all of them are marked busy
    # SRAM queue hardware
    ("q_array", np.uint32, (2, QUEUE_ENTRIES, 3)),  # head, tail, count
    ("q_half", np.uint8, (2, QUEUE_ENTRIES)),  # command code of the last half of a descriptor read, 0 none
    ("q_link_free", np.int64, (2, QUEUE_ENTRIES)),  # the link of the last dequeue is there
    ("sram_csr", np.uint32, (2, 64)),
    # DRAM
    ("bank", BANK, (8,)),
    ("bank_queue", QUEUE, (8,)),
    ("waiting_banks", np.int64),  # bit per bank: its queue is not empty
    ("bank_last", np.int64),
    ("bank_next", np.int64),  # when one of the waiting commands can be scheduled, as last found
    ("dram_last_write", np.int64),  # direction of the last scheduled command, -1 none
    ("dram_bus_free", np.int64),
    ("dram_last_activate", np.int64),
    ("refresh_due", np.int64),
    # log of DDR commands in host memory: DDR rows
    ("ddr_rows", np.int64),
    ("ddr_capacity", np.int64),  # 0: no log is kept
    ("ddr_count", np.int64),
    # media
    ("msf_register", np.uint32, (0x600,)),
    ("rx_channels", np.int64),
    ("rx_enabled", np.int64),  # bit per channel
    ("rx_width_bytes", np.int64),
    ("rx_element_bytes", np.int64),
    ("tx_channels", np.int64),
    ("tx_enabled", np.int64),
    ("tx_width_bytes", np.int64),
    ("tx_element_bytes", np.int64),
    ("rbuf", np.uint32, (2048,)),
    ("tbuf", np.uint32, (2048,)),
    ("rbuf_freed", np.int64, (128,)),  # 0 in use, else the number of its freeing: they count from 1
    ("rbuf_frees", np.int64),
    ("tx_control", np.uint32, (128, 2)),
    ("tx_valid", np.uint8, (128,)),
    ("channel", CHANNEL, (CHANNELS,)),
    ("port", PORT, (PORTS,)),
    # egress log in host memory: EGRESS rows and a byte arena
    ("egress_rows", np.int64),
    ("egress_capacity", np.int64),  # 0: no log is kept
    ("egress_count", np.int64),
    ("egress_arena", np.int64),
    ("egress_arena_bytes", np.int64),
    ("egress_arena_used", np.int64),
    # memories
    ("memory", np.int64, (TARGETS,)),  # addresses
    ("notes", np.int64),  # address of the NOTES on recurrences of the chip's state, 0 to skip nothing
    ("dirty_sram", np.uint8, (2, 1024)),
    ("dirty_dram", np.uint8, (16384,)),
    # counters
    ("references", np.int64, (TARGETS,)),
    ("longwords", np.int64, (TARGETS,)),
    ("unit_busy", np.int64, (TARGETS,)),
    ("read_busy", np.int64, (TARGETS,)),
    ("write_busy", np.int64, (TARGETS,)),
    ("queue_wait", np.int64, (TARGETS,)),  # arrival to service, summed
    ("signalled", np.int64, (TARGETS,)),  # commands whose latency is counted
    ("latency", np.int64, (TARGETS,)),  # summed
    ("latency_bins", np.int64, (TARGETS, LATENCY_BINS)),
    ("push_busy", np.int64, (3,)),
    ("pull_busy", np.int64, (3,)),
    ("push_grants", np.int64, (3,)),
    ("pull_grants", np.int64, (3,)),
    ("push_wait", np.int64, (3,)),
    ("pull_wait", np.int64, (3,)),
    ("bus_grants", np.int64, (2,)),
    ("bus_wait", np.int64, (2,)),
    ("structure_refs", np.int64, (TARGETS, STRUCTURES)),
    ("structure_longwords", np.int64, (TARGETS, STRUCTURES)),
    ("structure_wait", np.int64, (TARGETS, STRUCTURES)),
    ("steps", np.int64, (32,)),  # engine steps, by agent
    ("rx_spi_busy", np.int64),  # summed over the channels
    ("tx_spi_busy", np.int64),
    ("pool", COMMAND, (POOL_SLOTS,)),
    ("me", MICROENGINE, (ENGINES,)),
    ("scratch", np.uint32, (SCRATCH_WORDS,)),
    ("store", ROW, (STORE_IMAGES, STORE_WORDS)),
    ("store_decoded", np.uint8, (STORE_IMAGES,)),
    ("code", np.int64, (STORE_IMAGES,)),  # address of the image's translation, 0 if it has none
    ("ustore", np.uint64, (ENGINES, STORE_WORDS)),  # the words themselves, by image
]

CHIP = np.dtype(_CHIP_FIELDS, align=True)

INGRESS = np.dtype(
    [
        ("arrival", np.int64),  # scheduled first bit; the engine writes the actual one
        ("address", np.int64),
        ("length", np.int32),
        ("status", np.int32),  # 0 not yet, 1 accepted, 2 lost at the MAC
    ],
    align=True,
)
DDR = np.dtype(
    [
        ("time", np.int64),
        ("data_start", np.int64),  # RD and WR
        ("data_end", np.int64),
        ("row", np.int64),  # -1 where there is none
        ("command", np.int32),  # codes.Ddr
        ("bank", np.int32),  # -1 for all
    ],
    align=True,
)
"""One DDR command of the log."""
EGRESS = np.dtype([("time", np.int64), ("offset", np.int64), ("length", np.int32), ("port", np.int32)], align=True)

LINK_FRAME_BYTES = 2048
"""Room for a frame on a link."""
LINK = np.dtype(
    [
        ("written", np.int64),  # frames
        ("events_written", np.int64),
        ("pad", np.int64, (6,)),
        ("read", np.int64),
        ("events_read", np.int64),
        ("pad2", np.int64, (6,)),
        ("slots", np.int64),  # frames it has room for, a power of two
        ("event_slots", np.int64),  # likewise
        ("pad3", np.int64, (6,)),
    ],
    align=True,
)
"""Head of one direction of a link: a ring of frames and one of events, each written by one chip and read by one other.

Behind it, by slot: ``arrival``, ``length`` and ``offset`` (from the record's begin) of frames, int64 each; ``time`` and
``value`` of events, int64 each; then the frames' bytes. The output queue of a switch is such a record too.
"""

SWITCH = np.dtype(
    [
        ("ports", np.int64),
        ("latency", np.int64),  # last bit of a frame to its output queue
        ("buffer_bytes", np.int64),
        ("link_bytes", np.int64),  # of one LINK between two ports
        ("output_bytes", np.int64),  # of one LINK that is an output queue
        ("address", np.int64, (PORTS,)),  # MAC address by port
        ("pad", np.int64, (3,)),
    ],
    align=True,
)
"""Head of a switch. Behind it: the output queue of each port; then a LINK per pair of ports, the receiver first."""
__all__ += [
    "BANK",
    "CHANNEL",
    "DDR",
    "EGRESS",
    "INGRESS",
    "LINK",
    "LINK_FRAME_BYTES",
    "PORT",
    "QUEUE",
    "STORE_WORDS",
    "SWITCH",
]
