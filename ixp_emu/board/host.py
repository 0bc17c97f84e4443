"""The host of a board, an XScale: reads and writes of longwords in its physical map (docs/hardware-model.md, 7).

An access happens in the last phase of the cycle before ``board.now``, after everything else, and takes no time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from ixp_emu.board.control_store import ControlStoreAccess
from ixp_emu.board.interrupts import Interrupts
from ixp_emu.board.memory import WORD_MASK, Memory, check_word
from ixp_emu.board.timers import TIMERS, Timers
from ixp_emu.chip.compiled import NEVER
from ixp_emu.chip.control import read_local_csr, reset_engine, write_local_csr
from ixp_emu.chip.diagnosis import engine_name
from ixp_emu.chip.hardware import Hardware
from ixp_emu.chip.layout import ENGINES
from ixp_emu.chip.media_control import (
    read_msf,
    read_ring_csr,
    reset_media,
    ring_get,
    ring_put,
    write_msf,
    write_ring_csr,
)
from ixp_emu.chip.rings import RING_CSRS_END
from ixp_emu.errors import InputError
from ixp_emu.isa import LOCAL_CSRS

__all__ = ["REGION_KINDS", "Host", "HostError", "HostedChip", "Region"]

REGION_KINDS = ("csr", "scratch", "sram", "dram", "msf", "pci")
"""What a region is to the timing of a control program: an access costs ``host.<kind>_cycles``."""

_CTX_ENABLES = LOCAL_CSRS["CTX_ENABLES"].address
_CHECK_PARITY = 1 << 28
_PRODUCT_IXP2400 = 0x200
_TIMESTAMP_ENABLE = 1 << 7
_MSF_RESET = 1 << 7
_ENGINE_RESETS = 0x000F_000F
_RINGS = 16
_CAP = 0x4800
_GLOBAL = {0x0: None, 0x4: "misc_control", 0x8: "msf_clk_cntrl", 0xC: "reset0", 0x10: "reset1"}
"""Offset -> register; the first is PRODUCT_ID, which is read only."""


class HostError(InputError):
    """An access of the host that its map does not allow."""


class HostedChip(Protocol):
    """What a host needs of the chip it belongs to; a :class:`~ixp_emu.board.Board` is one."""

    name: str
    hardware: Hardware
    chip: Any
    sram: tuple[Memory, Memory]
    dram: Memory
    scratch: Memory

    @property
    def phase_cycle(self) -> int:
        """The cycle in whose last phase the host acts."""

    def check(self) -> None:
        """Raise what is to be raised if the chip has a fault."""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the host's map.

    Attributes:
        first: its lowest address.
        size_bytes: its size.
        name: what is there.
        kind: of ``REGION_KINDS``.
        read, write: a longword by its offset.
        memory: the memory it shows, if any, which can be read and written as bytes.
    """

    first: int
    size_bytes: int
    name: str
    kind: str
    read: Callable[[int], int]
    write: Callable[[int, int], None]
    memory: Memory | None = None

    @property
    def end(self) -> int:
        """The address behind it."""
        return self.first + self.size_bytes


def _engine_id(engine: int) -> int:
    """The hardware's number of a microengine: 0x00-0x03, 0x10-0x13."""
    return engine // 4 << 4 | engine % 4


class Host:
    """The host's side of a board.

    Attributes:
        regions: its map, in order of addresses.
        interrupts: its interrupt controller.
        timers: its timers.
    """

    def __init__(self, board: HostedChip, *, cold: bool) -> None:
        self._board = board
        self._chip = board.chip
        self.interrupts = Interrupts(self._chip)
        self.timers = Timers(board.hardware["host.timer_cycles"])
        self._stores = [ControlStoreAccess(self._chip, engine) for engine in range(ENGINES)]
        self._global = {"misc_control": 0, "msf_clk_cntrl": 0, "reset0": 0, "reset1": 0}
        if cold:
            self._global["reset1"] = _ENGINE_RESETS
            self._chip["timestamp_start"] = NEVER
        else:
            self._global["misc_control"] = _TIMESTAMP_ENABLE
        self.regions = self._map()
        self._firsts = [region.first for region in self.regions]

    def _map(self) -> tuple[Region, ...]:
        chip, board = self._chip, self._board

        def memory(first: int, shown: Memory) -> Region:
            return Region(
                first,
                shown.size_bytes,
                shown.name,
                shown.name.rstrip("01"),
                shown.__getitem__,
                shown.__setitem__,
                shown,
            )

        def csrs(engine: int) -> Region:
            return Region(
                0xC001_8000 + (_engine_id(engine) << 10),
                0x400,
                f"CSRs of ME {engine_name(engine)}",
                "csr",
                lambda offset: self.read_local_csr(engine, offset),
                lambda offset, value: self.write_local_csr(engine, offset, value),
            )

        def cycle() -> int:
            return board.phase_cycle

        return (
            memory(0x0000_0000, board.dram),
            memory(0x8000_0000, board.sram[0]),
            memory(0x9000_0000, board.sram[1]),
            Region(
                0xC000_4800,
                0x200,
                "CSRs of scratch rings, hash unit and CAP",
                "csr",
                self._read_cap,
                self._write_cap,
            ),
            Region(0xC000_4A00, 0x14, "global CSRs", "csr", self._read_global, self._write_global),
            *(csrs(engine) for engine in range(ENGINES)),
            Region(
                0xC002_0000,
                0x10 * TIMERS,
                "timers",
                "csr",
                lambda offset: self.timers.read(offset, cycle()),
                lambda offset, value: self.timers.write(offset, value, cycle()),
            ),
            Region(
                0xC800_0000,
                0x4000,
                "media interface",
                "msf",
                lambda offset: read_msf(chip, offset),
                lambda offset, value: write_msf(chip, offset, value, cycle()),
            ),
            memory(0xCA00_0000, board.scratch),
            Region(
                0xCB40_0000,
                4 * _RINGS,
                "scratch rings",
                "scratch",
                lambda offset: ring_get(chip, offset >> 2, cycle()),
                lambda offset, value: ring_put(chip, offset >> 2, value, cycle()),
            ),
            Region(0xD600_0000, 0x208, "interrupt controller", "csr", self.interrupts.read, self.interrupts.write),
            Region(0xDF00_0000, 0x1000, "PCI CSRs", "pci", self._read_pci, self._write_pci),
        )

    # --- accesses -----------------------------------------------------------------------------------------------------

    def read(self, address: int) -> int:
        """The longword at a physical address; of some registers the read has an effect.

        Raises:
            HostError: not a multiple of 4, or nothing is there.
            ChipFault: what the access does is a fault.
        """
        region, offset = self._find(address)
        with self._access(address):
            return region.read(offset)

    def write(self, address: int, value: int) -> None:
        """Write the longword at a physical address.

        Raises:
            HostError: not a multiple of 4, nothing is there, or the value is no longword.
            ChipFault: what the access does is a fault.
        """
        region, offset = self._find(address)
        check_word(value, what=_key(address))
        with self._access(address):
            region.write(offset, value)

    def kind(self, address: int) -> str:
        """What an address is to timing, of ``REGION_KINDS``.

        Raises:
            HostError: not a multiple of 4, or nothing is there.
        """
        return self._find(address)[0].kind

    def read_bytes(self, address: int, count: int) -> bytes:
        """Bytes of a memory, from any physical address on.

        Raises:
            HostError: they do not all lie in one memory.
        """
        memory, offset = self._memory(address, count)
        return memory.read_bytes(offset, count)

    def write_bytes(self, address: int, data: bytes) -> None:
        """Write bytes of a memory, from any physical address on.

        Raises:
            HostError: they do not all lie in one memory.
        """
        memory, offset = self._memory(address, len(data))
        memory.write_bytes(offset, data)

    @contextmanager
    def _access(self, address: int) -> Iterator[None]:
        """Around an access: offsets without a register, and faults that it causes; a chip with a fault can be read."""
        sound = not self._chip["fault"]
        try:
            yield
        except KeyError:
            raise self._nothing(address) from None
        if sound:
            self._board.check()

    def _find(self, address: int) -> tuple[Region, int]:
        if not isinstance(address, int) or not 0 <= address <= WORD_MASK:
            raise HostError(f"{address!r} is no physical address: 0..{WORD_MASK:#x}", key="host address")
        if address % 4:
            raise HostError("the host reads and writes longwords: must be a multiple of 4", key=_key(address))
        region = self._below(address)
        if region is None or address >= region.end:
            raise self._nothing(address)
        return region, address - region.first

    def _memory(self, address: int, count: int) -> tuple[Memory, int]:
        region = self._below(address)
        if region is None or region.memory is None or address + count > region.end:
            raise HostError(f"{count} bytes from here do not lie in one memory", key=_key(address))
        return region.memory, address - region.first

    def _below(self, address: int) -> Region | None:
        position = bisect_right(self._firsts, address) - 1
        return self.regions[position] if position >= 0 else None

    def _nothing(self, address: int) -> HostError:
        region = self._below(address)
        assert region is not None, "the map begins with address 0"
        span = f"{region.first:#010x} to {region.end - 1:#010x}"
        if address < region.end:
            return HostError(f"no register of the {region.name} ({span})", key=_key(address))
        return HostError(f"nothing is mapped here; the nearest below: {region.name} ({span})", key=_key(address))

    # --- microengines -------------------------------------------------------------------------------------------------

    def in_reset(self, engine: int) -> bool:
        """Whether a microengine is held in reset."""
        return bool(self._global["reset1"] >> _engine_id(engine) & 1)

    def release(self, engine: int) -> None:
        """Take a microengine out of reset as far as the host knows; it gets a program otherwise."""
        self._global["reset1"] &= ~(1 << _engine_id(engine))

    def read_local_csr(self, engine: int, address: int) -> int:
        """A local CSR of a microengine by its byte address."""
        if address in ControlStoreAccess.ADDRESSES:
            return self._stores[engine].read(address)
        if self.in_reset(engine):
            return 0
        return int(read_local_csr(self._chip, engine, address, self._board.phase_cycle))

    def write_local_csr(self, engine: int, address: int, value: int) -> None:
        """Write a local CSR; one in reset takes words for its control store only."""
        if address in ControlStoreAccess.ADDRESSES:
            self._stores[engine].write(address, value)
        elif not self.in_reset(engine):
            write_local_csr(self._chip, engine, address, value, self._board.phase_cycle)
            if address == _CTX_ENABLES:
                self._stores[engine].check_parity(bool(value & _CHECK_PARITY))

    # --- other CSRs ---------------------------------------------------------------------------------------------------

    def _read_global(self, offset: int) -> int:
        register = _GLOBAL[offset]
        return _PRODUCT_IXP2400 if register is None else self._global[register]

    def _write_global(self, offset: int, value: int) -> None:
        register = _GLOBAL[offset]
        if register is None:
            return
        risen = value & ~self._global[register]
        self._global[register] = value
        if register == "misc_control" and risen & _TIMESTAMP_ENABLE:
            self._chip["timestamp_start"] = self._board.phase_cycle
        elif register == "reset0" and risen & _MSF_RESET:
            reset_media(self._chip)
        elif register == "reset1":
            for engine in range(ENGINES):
                if risen >> _engine_id(engine) & 1:
                    reset_engine(self._chip, engine)
                    self._stores[engine].reset()

    def _read_cap(self, offset: int) -> int:
        address = _CAP + offset
        if address < RING_CSRS_END:
            return read_ring_csr(self._chip, address)
        return int(self._chip["cap_csr"][address >> 2])

    def _write_cap(self, offset: int, value: int) -> None:
        address = _CAP + offset
        if address < RING_CSRS_END:
            write_ring_csr(self._chip, address, value, self._board.phase_cycle)
        else:
            self._chip["cap_csr"][address >> 2] = value

    def _read_pci(self, offset: int) -> int:
        return int(self._chip["pci_csr"][offset >> 2])

    def _write_pci(self, offset: int, value: int) -> None:
        self._chip["pci_csr"][offset >> 2] = value

    # --- saving -------------------------------------------------------------------------------------------------------

    def saved(self) -> tuple[dict[str, int], list[int], list[Any], list[list[int]]]:
        """What the host side knows beyond the chip's record."""
        stores = [(s.address, s.lower, s.wrong_parity.copy(), s.checked) for s in self._stores]
        return dict(self._global), list(self.interrupts.enabled), stores, self.timers.saved()

    def restore(self, saved: Any) -> None:
        """Bring back what :meth:`saved` gave."""
        registers, enabled, stores, timers = saved
        self.timers.restore(timers)
        self._global, self.interrupts.enabled = dict(registers), list(enabled)
        for access, (address, lower, wrong_parity, checked) in zip(self._stores, stores, strict=True):
            access.address, access.lower, access.checked = address, lower, checked
            access.wrong_parity = wrong_parity.copy()


def _key(address: int) -> str:
    return f"host address {address:#010x}"
