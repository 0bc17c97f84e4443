"""What every field of a chip's record means when cycles are skipped: compared, shifted, extrapolated or left alone."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ixp_emu.chip.layout import BANK, CHIP, MICROENGINE

__all__ = ["FIELDS", "FieldClass", "places"]


class FieldClass(Enum):
    """How a field takes part in the recurrence of a chip's state (``ixp_emu.chip.idling``)."""

    FIXED = auto()
    """Nothing changes it but the host, media events or writes to SRAM and DRAM, which all end a recurrence."""
    STATE = auto()
    """Must be the same again."""
    TIME = auto()
    """A cycle: moves with the period, or stands still and is either over or limits the skip."""
    DRAM_TIME = auto()
    """A TIME of the DRAM controller, of no account as long as no command reaches it."""
    COUNTER = auto()
    """Grows by the same amount each period; nothing depends on it."""
    WALKED = auto()
    """Holds numbers of pool slots or only in part what is in use: looked at in the order of its queue."""
    ENGINE = auto()
    """The engine's own note, of no account between two runs."""
    NESTED = auto()
    """A record, whose fields have classes of their own."""


def _of(kind: FieldClass, names: str) -> dict[str, FieldClass]:
    return dict.fromkeys(names.split(), kind)


FIELDS: dict[np.dtype[Any], dict[str, FieldClass]] = {
    CHIP: {
        **_of(
            FieldClass.FIXED,
            """
            bus_lookahead other_lookahead engine_lookahead
            bus_latency fifo_latency fifo_depth inlet_depth size_bytes delay longword_cycles command_cycles
            sbus_cycles dbus_cycles dbus_media_cycles push_latency pull_latency sbus_depth dbus_depth dpull_depth
            ring_lag ring_margin hash_cycles hash_latency cap_signal_latency pci_latency link_cycles ignore_eop
            ignore_cells neighbor_latency neighbor_register_latency neighbor_self_latency neighbor_full_margin
            prn_polynomial banks bank_queue_depth bank_shift row_shift dram_cas dram_activate dram_precharge
            dram_write_recovery dram_turnaround dram_ras dram_row_cycle dram_activate_gap refresh_interval
            refresh_cycles me_khz msf_khz rbuf_bytes tbuf_bytes rbuf_elements tbuf_elements freelist_depth
            status_latency mac_rx_bytes mac_tx_bytes pause_high_bytes pause_low_bytes ports
            ddr_rows ddr_capacity
            msf_register rx_channels rx_enabled rx_width_bytes rx_element_bytes tx_channels tx_enabled
            tx_width_bytes tx_element_bytes rbuf tbuf rbuf_freed rbuf_frees tx_control tx_valid channel port
            rx_spi_busy tx_spi_busy egress_rows egress_capacity egress_count egress_arena egress_arena_bytes
            egress_arena_used memory notes dirty_sram dirty_dram store store_decoded code ustore
            delivery_time delivery_slot delivery_head delivery_count
            """,
        ),
        **_of(
            FieldClass.STATE,
            """
            timestamp_start fault fault_time fault_me fault_context fault_pc fault_detail stop pool_top
            waiting_lanes waiting_banks head_unit arbiter_last arbiter_blocked inlet_last blocked_units
            push_waiting pull_waiting push_last pull_last
            ring_base ring_size ring_head ring_count ring_empty_flag ring_flag ring_flag_before ring_flag_first
            interrupt_raw cap_csr pci_csr host_cycle host_latency host_woken host_interrupts host_mailboxes
            pci_written reflector q_array q_half sram_csr bank_last dram_last_write ddr_count clock_reads scratch
            """,
        ),
        **_of(
            FieldClass.TIME,
            """
            last_change head_eligible read_free write_free unit_free push_free pull_free
            ring_flag_time ring_flag_first_time hash_free q_link_free
            """,
        ),
        **_of(FieldClass.DRAM_TIME, "dram_bus_free dram_last_activate refresh_due"),
        **_of(
            FieldClass.COUNTER,
            """
            references longwords unit_busy read_busy write_busy queue_wait signalled latency latency_bins
            push_busy pull_busy push_grants pull_grants push_wait pull_wait bus_grants bus_wait
            structure_refs structure_longwords structure_wait
            """,
        ),
        **_of(FieldClass.WALKED, "keys fifo inlet push pull dpull_waiting bank_queue pool"),
        **_of(
            FieldClass.ENGINE,
            """
            first_engine first_bus first_other now until published bank_next pool_free early_head early_count early_time
            steps
            """,
        ),
        **_of(FieldClass.NESTED, "bank me"),
    },
    BANK: {
        **_of(FieldClass.STATE, "row skipped"),
        **_of(FieldClass.DRAM_TIME, "activate_ok precharge_ok"),
    },
    MICROENGINE: {
        **_of(FieldClass.FIXED, "program_words"),
        **_of(
            FieldClass.STATE,
            """
            state context entered last_left store lm_global enabled ready context_step result carry overflow
            last_result last_a align_prev crc csr_pending csr_value after after_slots after_target after_lost
            t_index byte_index expected cam_tag cam_state cam_order pc signals request wakeup lm_word mul_sum
            nn_put nn_get nn_ahead_put nn_ahead_get prn future_count future_signal csr file busy busy_end
            """,
        ),
        **_of(FieldClass.TIME, "time prn_time"),
        **_of(
            FieldClass.COUNTER,
            "executing aborted stalled idle commands since instructions context_commands",
        ),
        **_of(
            FieldClass.WALKED,
            """
            inbox_head inbox_count inbox_time inbox_slot index_writes index_time index_what index_value
            nn_put_writes nn_put_time nn_put_value timer
            """,
        ),
        **_of(FieldClass.ENGINE, "lost"),
    },
}
"""Record -> field -> class. ``since`` is a counter: it is what ``executing`` was at the last choice of a context."""


def places(*kinds: FieldClass) -> NDArray[np.int64]:
    """Where the fields of some classes lie in a CHIP: rows (offset, bytes), neighbours joined, in order."""
    found: list[list[int]] = []

    def look(record: np.dtype[Any], begin: int) -> None:
        assert record.fields is not None
        for name, (field, offset, *_) in record.fields.items():
            kind = FIELDS[record][name]
            if kind is FieldClass.NESTED:
                assert field.subdtype is not None
                item, shape = field.subdtype
                for index in range(int(np.prod(shape))):
                    look(item, begin + offset + index * item.itemsize)
            elif kind in kinds:
                if found and sum(found[-1]) == begin + offset:
                    found[-1][1] += field.itemsize
                else:
                    found.append([begin + offset, field.itemsize])

    look(CHIP, 0)
    rows = np.array(found, np.int64)
    assert not (rows % 8).any(), "looked at by words of 8 bytes"
    return rows
