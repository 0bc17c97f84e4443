"""Media interface and scratch rings as the host reaches them: between two runs, in phase 5 of a cycle.

The functions have the effect that an ME's ``msf[write]`` or ring command has; media answers in the next cycle.
"""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.chip import configure_ring
from ixp_emu.chip.codes import Command
from ixp_emu.chip.compiled import NEVER, kernel, s64, u
from ixp_emu.chip.msf import read_register, write_register
from ixp_emu.chip.queues import allocate, release
from ixp_emu.chip.rings import read_ring_register, serve_ring, write_ring_register
from ixp_emu.isa.csr import MSF_REGISTERS

__all__ = [
    "read_msf",
    "read_ring_csr",
    "reset_media",
    "reset_rings",
    "ring_get",
    "ring_put",
    "write_msf",
    "write_ring_csr",
]

_READ_MSF, _WRITE_MSF, _READ_RING, _WRITE_RING, _GET, _PUT = range(6)
_HOST = -1
"""The ME of a fault that no ME caused."""


@kernel
def _access(chip: Any, what: int, address: int, value: int, now: int) -> int:
    """One access of the host in phase 5 of ``now``."""
    chip.now = now
    if what == _READ_MSF:
        return s64(read_register(chip, address))
    if what == _WRITE_MSF:
        write_register(chip, address, value, now, _HOST, now + 1)
    elif what == _READ_RING:
        return s64(read_ring_register(chip, address))
    elif what == _WRITE_RING:
        write_ring_register(chip, address, value, now)
    else:
        slot = allocate(chip)
        command = chip.pool[u(slot)]
        command.code = Command.GET if what == _GET else Command.PUT
        command.address = address
        command.count = 1
        command.me = 0
        command.ctx = 0
        command.data[u(0)] = value
        if serve_ring(chip, command, now) < 0:
            chip.fault_me = _HOST
        value = s64(command.data[u(0)])
        release(chip, slot)
        return value
    return 0


def write_msf(chip: Any, offset: int, value: int, now: int) -> None:
    """Write a longword of the media interface: a register, a TBUF control word, or TBUF.

    A value that is a fault when an ME writes it (an element freed twice, a bad control word) stops the chip likewise.

    Parameters:
        offset: 0x0000..0x3ffc, a multiple of 4.
        now: the cycle just executed.
    """
    _access(chip, _WRITE_MSF, offset, value, now)


def read_msf(chip: Any, offset: int) -> int:
    """Read a longword of the media interface: a register, a TBUF control word, or RBUF.

    Parameters:
        offset: 0x0000..0x3ffc, a multiple of 4.
    """
    return int(_access(chip, _READ_MSF, offset, 0, int(chip["now"])))


def write_ring_csr(chip: Any, address: int, value: int, now: int) -> None:
    """Write a ring CSR; the status flag of its ring follows after its lag.

    Parameters:
        address: CAP address 0x4800..0x48fc, a multiple of 4.
        now: the cycle just executed.
    """
    _access(chip, _WRITE_RING, address, value, now)


def read_ring_csr(chip: Any, address: int) -> int:
    """Read a ring CSR (CAP address 0x4800..0x48fc)."""
    return int(_access(chip, _READ_RING, address, 0, int(chip["now"])))


def ring_get(chip: Any, ring: int, now: int) -> int:
    """Take a longword from scratch ring 0..15, 0 if it is empty, in phase 5 of ``now``."""
    return int(_access(chip, _GET, ring << 2, 0, now))


def ring_put(chip: Any, ring: int, value: int, now: int) -> None:
    """Put a longword on scratch ring 0..15 in phase 5 of ``now``; a full ring is a fault, which stops the chip."""
    _access(chip, _PUT, ring << 2, value, now)


def reset_media(chip: Any) -> None:
    """Put the media interface into reset: lists empty, RBUF in use, TBUF invalid, both directions disabled.

    A transfer under way is dropped. What the MACs hold stays there. Also the state of a chip that starts cold.
    """
    now = int(chip["published"]) - 1
    for channel in chip["channel"]:
        if channel["rx_end"] != NEVER:
            left = int(channel["rx_end"]) - (now + 1)
            chip["rx_spi_busy"] -= left
            chip["port"]["rx_spi_busy"][int(channel["rx_port"])] -= left
        if channel["tx_end"] != NEVER:
            left = int(channel["tx_end"]) - (now + 1)
            control = int(chip["tx_control"][int(channel["tx_element"]), 0])
            chip["tx_spi_busy"] -= left
            chip["port"]["tx_spi_busy"][control & 0xF] -= left
            chip["port"]["tx_bytes"][control & 0xF] -= control >> 24
        channel["rx_end"] = channel["tx_end"] = NEVER
        for field in ("freelist", "full", "rbuf_free"):
            channel[f"{field}_head"] = channel[f"{field}_count"] = 0
        channel["tx_valid_count"] = channel["tx_next"] = channel["tx_sequence"] = 0
    chip["rbuf_freed"][:] = 0
    chip["tx_valid"][:] = 0
    for register in ("RX_CONTROL", "TX_CONTROL"):
        write_msf(chip, MSF_REGISTERS[register], 0, now)


def reset_rings(chip: Any) -> None:
    """Scratch rings of a chip that starts cold: 128 longwords at 0, empty."""
    for ring in range(len(chip["ring_size"])):
        configure_ring(chip, ring, base=0, size=128)
