"""Peak bandwidth of every memory, bus and wire, against its physical bound: never above, and nearly reached.

A bound follows from the hardware parameters alone. Counts are taken over a window in the steady state. A transfer
counts where it ends, so the first of a window may have begun before it: one transfer is taken off, and what is left is
never above a bound that holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ixp_emu.calibrate.model import Cited, Row, cite, row
from ixp_emu.calibrate.rules import bound
from ixp_emu.calibrate.workbench import Prepare, Workbench
from ixp_emu.chip.hardware import Hardware, resolve_hardware
from ixp_emu.chip.layout import DRAM, ENGINES, MSF, SCRATCH, SRAM0, SRAM1

__all__ = ["bandwidth_rows"]

GROUP = "bandwidth"
TOLERANCE = 0.03
_WARMUP = 10_000
_CHANNEL_1 = 1 << 30
_FIRST_CLUSTER = range(ENGINES // 2)
_FRAME_BYTES = 1_472  # 23 elements of 64 bytes, so that wires and elements are full
_MPACKET_BYTES = 64
_LONGWORD_BYTES = 4
_MEDIA_PORTS = 8
_WIRE_BYTES = 84
"""Of a frame of 64 bytes, with preamble and gap."""
_MINIMUM_BYTES = 60
"""Of the same frame without FCS."""
_BYTE_NS = 8
_BUSES = Cited("one 32-bit longword per chassis clock on each S bus of a cluster", "documented")
_COMMANDS = Cited("one command per chassis clock on each command bus", "documented")
_WIRE = Cited("IEEE 802.3: 1 Gb/s, 8 bytes of preamble and 12 of gap a frame", "documented")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """How the rows of a group are measured."""

    hardware: Hardware
    prepare: Prepare | None
    cycles: int

    def with_values(self, overrides: Mapping[str, int]) -> _Bench:
        """The same with other hardware values."""
        hardware = resolve_hardware(self.hardware.preset, {**self._chosen(), **overrides})
        return _Bench(hardware=hardware, prepare=self.prepare, cycles=self.cycles)

    def _chosen(self) -> dict[str, int]:
        before = resolve_hardware(self.hardware.preset)
        return {name: value for name, value in self.hardware.values.items() if value != before[name]}

    @property
    def hertz(self) -> int:
        return self.hardware["me_clock_khz"] * 1_000

    def longwords(self, *cycles: int, clusters: int = 2) -> float:
        """Most longwords a second of memories that take ``cycles`` each, or of the S buses behind them."""
        buses = clusters / self.hardware["sbus.longword_cycles"]
        return self.hertz * min(sum(1 / each for each in cycles), buses)

    def empty(self, *, ports: int = 0) -> Workbench:
        return Workbench(self.hardware, prepare=self.prepare, ports=ports)

    def per_second(self, bench: Workbench, count: Callable[[Any], int], *, warmup: int = _WARMUP) -> float:
        """Growth of a counter per second of the chip."""
        return bench.growth(count, warmup=warmup, cycles=self.cycles) * self.hertz / self.cycles

    def judged(
        self, what: str, unit: str, cited: Cited, *, most: float, measured: float, scale: float, transfer: float
    ) -> Row:
        """A row: bound and measured value per second of what is counted, ``scale`` of that in a unit.

        Parameters:
            transfer: what is counted of a transfer that the window's begin cuts.
        """
        whole = measured - transfer * self.hertz / self.cycles
        return row(GROUP, what, unit, cited, bound(most / scale, TOLERANCE), whole / scale)


def bandwidth_rows(hardware: Hardware, *, quick: bool = False, prepare: Prepare | None = None) -> Iterator[Row]:
    """The group's rows.

    Parameters:
        quick: shorter windows, one speed of each memory.
    """
    bench = _Bench(hardware=hardware, prepare=prepare, cycles=50_000 if quick else 200_000)
    yield from _sram_rows(bench, quick=quick)
    yield from _dram_rows(bench, quick=quick)
    yield from _bus_rows(bench)
    yield from _unit_rows(bench)
    yield from _spi_rows(bench, quick=quick)
    yield from _wire_rows(bench)


def _longwords(*targets: int) -> Callable[[Any], int]:
    return lambda chip: sum(int(chip["longwords"][target]) for target in targets)


def _stream(
    bench: _Bench, command: str, *, base: int = 0, start_shift: int = 6, step: int = 0, engines: range = range(ENGINES)
) -> Workbench:
    loaded = bench.empty()
    loaded.load("stream.uc", engines=engines, COMMAND=command, BASE=base, START_SHIFT=start_shift, STEP=step)
    return loaded


def _sram_rows(bench: _Bench, *, quick: bool) -> Iterator[Row]:
    cited = cite("sram.longword_cycles")
    for cycles in (3,) if quick else (6, 4, 3):
        megahertz = bench.hertz / cycles / 1e6
        fast = bench.with_values({"sram.longword_cycles": cycles})
        for kind in ("read", "write"):
            loaded = _stream(fast, f"sram[{kind}, $data[0], address, 0, 8], ctx_swap[done]")
            yield fast.judged(
                f"QDR at {megahertz:g} MHz, one channel, {kind}s", "MB/s", cited, scale=1e6,
                transfer=8 * _LONGWORD_BYTES, most=_LONGWORD_BYTES * fast.longwords(cycles),
                measured=_LONGWORD_BYTES * fast.per_second(loaded, _longwords(SRAM0)),
            )  # fmt: skip
    channel = bench.hardware["sram.longword_cycles"]
    for kind in ("read", "write"):
        loaded = bench.empty()
        for parity, base in ((0, 0), (1, _CHANNEL_1)):
            loaded.load(
                "stream.uc", engines=range(parity, ENGINES, 2), BASE=base, START_SHIFT=6, STEP=0,
                COMMAND=f"sram[{kind}, $data[0], address, 0, 8], ctx_swap[done]",
            )  # fmt: skip
        yield bench.judged(
            f"both SRAM channels, {kind}s", "MB/s", cited, scale=1e6, transfer=16 * _LONGWORD_BYTES,
            most=_LONGWORD_BYTES * bench.longwords(channel, channel),
            measured=_LONGWORD_BYTES * bench.per_second(loaded, _longwords(SRAM0, SRAM1)),
        )  # fmt: skip


def _dram_rows(bench: _Bench, *, quick: bool) -> Iterator[Row]:
    for cycles in (2,) if quick else (2, 3):
        grade = bench.hertz / cycles / 1e6
        fast = bench.with_values({"dram.quadword_cycles": cycles})
        values = fast.hardware
        closed = sum(values[f"dram.{name}"] for name in ("precharge", "refresh_cycles", "activate", "cas"))
        free = 1 - closed / values["dram.refresh_interval"]
        for move, what in (("rbuf_rd", "written from RBUF"), ("tbuf_wr", "read to TBUF")):
            loaded = fast.empty()
            loaded.load("move.uc", MOVE=move)
            yield fast.judged(
                f"DDR-{grade:g}, a sequential stream {what}, less refresh", "MB/s", cite("dram.quadword_cycles"),
                most=8 * free * fast.hertz / cycles, scale=1e6, transfer=128 + 8 * closed / cycles,
                measured=_LONGWORD_BYTES * fast.per_second(loaded, _longwords(DRAM)),
            )  # fmt: skip
    for kind, way in (("read", "to"), ("write", "from")):
        loaded = _stream(bench, f"dram[{kind}, $$data[0], address, 0, 8], ctx_swap[done]", start_shift=6, step=4096)
        yield bench.judged(
            f"DRAM {way} the MEs", "MB/s", cite("dbus.quadword_cycles"), scale=1e6, transfer=64,
            most=8 * bench.hertz / max(bench.hardware["dbus.quadword_cycles"], bench.hardware["dram.quadword_cycles"]),
            measured=_LONGWORD_BYTES * bench.per_second(loaded, _longwords(DRAM)),
        )  # fmt: skip


def _bus_rows(bench: _Bench) -> Iterator[Row]:
    """One cluster uses three memories at once, each of which alone could not fill its bus."""
    scratch, channel = (bench.hardware[f"{target}.longword_cycles"] for target in ("scratch", "sram"))
    for kind, bus in (("read", "S_push"), ("write", "S_pull")):
        loaded = bench.empty()
        for engine, (target, base) in enumerate((("scratch", 0), ("sram", 0), ("sram", _CHANNEL_1), ("scratch", 64))):
            loaded.load(
                "stream.uc", engines=[engine], BASE=base, START_SHIFT=6, STEP=0,
                COMMAND=f"{target}[{kind}, $data[0], address, 0, 8], ctx_swap[done]",
            )  # fmt: skip
        yield bench.judged(
            f"{bus} of a cluster", "MB/s", _BUSES, scale=1e6, transfer=24 * _LONGWORD_BYTES,
            most=_LONGWORD_BYTES * bench.longwords(scratch, channel, channel, clusters=1),
            measured=_LONGWORD_BYTES * bench.per_second(loaded, _longwords(SCRATCH, SRAM0, SRAM1)),
        )  # fmt: skip
    loaded = bench.empty()
    loaded.load("commands.uc", engines=_FIRST_CLUSTER, contexts=1)
    yield bench.judged(
        "command bus of a cluster", "M commands/s", _COMMANDS, scale=1e6, transfer=1,
        most=bench.hertz / bench.hardware["chassis_cycles"],
        measured=bench.per_second(loaded, lambda chip: int(chip["bus_grants"][0])),
    )  # fmt: skip


def _unit_rows(bench: _Bench) -> Iterator[Row]:
    values = bench.hardware
    for target, number, base in (("scratch", SCRATCH, 0), ("msf", MSF, 0x2000)):
        for kind in ("read", "write"):
            command = f"{target}[{kind}, $data[0], address, 0, 8], ctx_swap[done]"
            loaded = _stream(bench, command, base=base)
            yield bench.judged(
                f"{'scratch' if target == 'scratch' else 'MSF'} {kind}s", "MB/s", cite(f"{target}.longword_cycles"),
                most=_LONGWORD_BYTES * bench.longwords(values[f"{target}.longword_cycles"]), scale=1e6, transfer=32,
                measured=_LONGWORD_BYTES * bench.per_second(loaded, _longwords(number)),
            )  # fmt: skip
    loaded = _stream(bench, "hash_48[$data[0], 3], ctx_swap[done]")
    yield bench.judged(
        "hash unit, 48-bit keys", "M keys/s", cite("hash.key_cycles"), scale=1e6, transfer=3,
        most=min(bench.hertz / values["hash.key_cycles"], bench.longwords(1) / 2),  # a key is two longwords
        measured=3 * bench.per_second(loaded, lambda chip: int(chip["references"][SCRATCH])),
    )  # fmt: skip


def _spi_rows(bench: _Bench, *, quick: bool) -> Iterator[Row]:
    cited = cite("msf.clock_khz")
    for megahertz in (104,) if quick else (104, 125, 133):
        fast = bench.with_values({"msf.clock_khz": megahertz * 1_000})
        most = 8 * fast.hardware["msf.width_bytes"] * megahertz * 1e6
        receive = fast.empty(ports=_MEDIA_PORTS)
        receive.load("receive.uc", engines=[0, 1])
        receive.offer([bytes(_FRAME_BYTES)], 2 * fast.cycles // 1_000)
        transmit = fast.empty(ports=_MEDIA_PORTS)
        transmit.load("transmit.uc", engines=[0], BYTES=_MPACKET_BYTES, PORTS=_MEDIA_PORTS)
        # an mpacket received costs two posted writes: its element and the context freed
        received = fast.per_second(receive, lambda chip: int(chip["references"][MSF])) / 2
        sent = fast.per_second(transmit, lambda chip: sum(int(port["frames_out"]) for port in chip["port"]))
        for direction, mpackets in (("receive", received), ("transmit", sent)):
            yield fast.judged(
                f"SPI-3 at {megahertz} MHz, {direction}", "Gb/s", cited, most=most, scale=1e9,
                measured=8 * _MPACKET_BYTES * mpackets, transfer=8 * _MPACKET_BYTES * _MEDIA_PORTS,
            )  # fmt: skip


def _wire_rows(bench: _Bench) -> Iterator[Row]:
    """One gigabit port with frames of 64 bytes back to back."""
    most = 1e9 / (_WIRE_BYTES * _BYTE_NS)
    receive = bench.empty(ports=1)
    receive.load("receive.uc", engines=[0])
    receive.offer([bytes(_MINIMUM_BYTES)], (_WARMUP + bench.cycles) // 100)
    yield bench.judged(
        "GbE port, receive, 64-byte frames", "Mpps", _WIRE, most=most, scale=1e6, transfer=1,
        measured=bench.per_second(receive, lambda chip: int(chip["port"][0]["frames_in"])),
    )  # fmt: skip
    transmit = bench.empty(ports=1)
    transmit.load("transmit.uc", engines=[0], BYTES=_MINIMUM_BYTES, PORTS=1)
    yield bench.judged(
        "GbE port, transmit, 64-byte frames", "Mpps", _WIRE, most=most, scale=1e6, transfer=1,
        measured=bench.per_second(transmit, lambda chip: int(chip["port"][0]["frames_out"])),
    )  # fmt: skip
