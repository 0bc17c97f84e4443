"""The counters of a machine at one moment, and their growth between two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ixp_emu.chip.chip import cycle_accounts
from ixp_emu.chip.compiled import NEVER
from ixp_emu.chip.layout import DRAM, PORTS
from ixp_emu.cluster.control import ChipControl, control_counters

__all__ = ["Counters", "take_counters"]

_CHIP_FIELDS = (
    "references",
    "longwords",
    "unit_busy",
    "read_busy",
    "write_busy",
    "queue_wait",
    "signalled",
    "latency",
    "latency_bins",
    "push_busy",
    "pull_busy",
    "push_grants",
    "pull_grants",
    "push_wait",
    "pull_wait",
    "bus_grants",
    "bus_wait",
    "structure_refs",
    "structure_longwords",
    "structure_wait",
    "steps",
    "rx_spi_busy",
    "tx_spi_busy",
)
_PORT_FIELDS = (
    "frames_in",
    "bytes_in",
    "frames_lost",
    "frames_out",
    "bytes_out",
    "pauses",
    "switch_unknown",
    "switch_overflow",
    "rx_spi_busy",
    "tx_spi_busy",
)


@dataclass(frozen=True, eq=False, slots=True)
class Counters:
    """Counters of all chips.

    Attributes:
        now: the cycle they were taken at.
        values: field -> int64 array with the chip first: the chip's counters (``layout.CHIP``), ``port_<field>``
            [chip, port], ``me_<account>`` [chip, ME], ``me_instructions`` and ``me_commands`` [chip, ME, context],
            ``control_<what>`` (:func:`ixp_emu.cluster.control.control_counters`).
    """

    now: int
    values: dict[str, npt.NDArray[np.int64]]

    def __getitem__(self, name: str) -> npt.NDArray[np.int64]:
        return self.values[name]

    def since(self, earlier: Counters) -> Counters:
        """What was counted after ``earlier``; ``now`` is then the number of cycles between."""
        return Counters(
            self.now - earlier.now, {name: value - earlier.values[name] for name, value in self.values.items()}
        )


def take_counters(chips: npt.NDArray[Any], now: int, *, controls: Mapping[int, ChipControl] | None = None) -> Counters:
    """Copy the counters of chips that have executed the cycles before ``now``, and of their control processors.

    Work that a bus or unit was granted but does after ``now`` is taken off its busy cycles. DRAM's data bus is reserved
    ahead, with gaps that the record does not tell from data: all of it beyond ``now`` is taken off, at most one row
    activation or refresh too much.
    """
    values = {name: chips[name].astype(np.int64) for name in _CHIP_FIELDS}
    for busy, free in (
        ("push_busy", "push_free"),
        ("pull_busy", "pull_free"),
        ("unit_busy", "unit_free"),
        ("read_busy", "read_free"),
        ("write_busy", "write_free"),
    ):
        beyond = np.maximum(chips[free] - now, 0)
        values[busy] -= np.where(values[busy] > 0, beyond, 0)
    dram_busy = values["unit_busy"][:, DRAM]
    dram_busy -= np.minimum(np.maximum(chips["dram_bus_free"] - now, 0), dram_busy)
    for name in _PORT_FIELDS:
        values[f"port_{name}"] = chips["port"][name].astype(np.int64)
    channel = chips["channel"]
    sent = np.take_along_axis(chips["tx_control"][:, :, 0], channel["tx_element"], axis=1)
    for way, ports in (("rx", channel["rx_port"]), ("tx", sent.astype(np.int64) & (PORTS - 1))):
        ends = channel[f"{way}_end"]
        beyond = np.where(ends == NEVER, 0, np.maximum(ends - now, 0))
        values[f"{way}_spi_busy"] -= beyond.sum(axis=1)
        np.subtract.at(values[f"port_{way}_spi_busy"], (np.arange(len(chips))[:, None], ports), beyond)
    accounts = [cycle_accounts(chip, now) for chip in chips]
    for name in ("executing", "aborted", "stalled", "idle"):
        values[f"me_{name}"] = np.stack([account[name] for account in accounts])
    me = chips["me"]
    instructions = me["instructions"].astype(np.int64)
    # the executing context's instructions since its last swap
    running = (me["executing"] - me["since"]).astype(np.int64)
    chip, engine = np.indices(running.shape)
    np.add.at(instructions, (chip, engine, me["context"].astype(np.int64)), running)
    values["me_instructions"] = instructions
    values["me_commands"] = me["context_commands"].astype(np.int64)
    values.update(control_counters(controls or {}, len(chips)))
    return Counters(now, values)
