"""The hardware description: every number of the timing model, named, with its unit and its source.

A preset is a set of overrides of :data:`PARAMETERS`; :func:`resolve_hardware` merges preset and user values, checks
each against its bounds and derives the controller delays. ``ixpemu hardware`` prints the result.

Strength of a source: *documented* (read in vendor documentation or vendor-derived code), *measured* (published
measurement), *inferred* (arithmetic on documented facts), *assumed* (widely quoted or our own choice: vary it).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ixp_emu.errors import InputError

__all__ = ["PARAMETERS", "PRESETS", "Hardware", "Parameter", "resolve_hardware"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One named hardware value.

    Attributes:
        name: dotted name, as used in ``[hardware]`` and ``--set hardware.<name>``.
        value: default (preset ``ixp2400-600``).
        unit: unit of the value; ``cycles`` are ME cycles.
        low, high: inclusive bounds.
        strength: documented, measured, inferred or assumed.
        source: where the value comes from.
        form: what else must hold, in words; one of the rules below.
    """

    name: str
    value: int
    unit: str
    low: int
    high: int
    strength: str
    source: str
    form: str = ""


_PAGES = "a multiple of 65,536"
_LONGWORDS = "a multiple of 4"
_POWER = "a power of two"
_POLLED = "1, 4 or 16"
_FORMS: Mapping[str, Callable[[int], bool]] = MappingProxyType(
    {
        "": lambda value: True,
        _PAGES: lambda value: value % 65_536 == 0,
        _LONGWORDS: lambda value: value % 4 == 0,
        _POWER: lambda value: value > 0 and value & (value - 1) == 0,
        _POLLED: lambda value: value in (1, 4, 16),
    }
)
"""What a value must be besides within its bounds."""


def _p(
    name: str, value: int, unit: str, low: int, high: int, strength: str, source: str, *, form: str = ""
) -> Parameter:
    return Parameter(name, value, unit, low, high, strength, source, form)


_HRM = "IXP2800 Hardware Reference Manual (chassis chapters shared with the IXP2400)"
_TABLE = "the 60/90/120 table for scratch/SRAM/DRAM, +-20 %"
_SPLIT = "split of the idle latency; the controller delay takes the remainder, so it matters only under load"

PARAMETERS: tuple[Parameter, ...] = (
    # Clocks
    _p("me_clock_khz", 600_000, "kHz", 100_000, 1_400_000, "assumed", "IXP2400 product brief; a 400 MHz part exists"),
    _p("chassis_cycles", 2, "cycles", 2, 2, "documented", _HRM + ": chassis clock is half the ME clock"),
    _p("timestamp_cycles", 16, "cycles", 16, 16, "documented", _HRM + ": TIMESTAMP ticks every 16 ME cycles"),
    # Idle latencies: issue of a one-unit command to its signal
    _p("scratch.idle_latency", 60, "cycles", 20, 1_000, "assumed", _TABLE),
    _p("sram.idle_latency", 90, "cycles", 30, 1_000, "assumed", _TABLE),
    _p("dram.idle_latency", 120, "cycles", 40, 2_000, "assumed", _TABLE),
    _p("msf.idle_latency", 70, "cycles", 20, 1_000, "inferred", "S_push path as scratch: 60 to 90 cycles"),
    # Command path
    _p("command.fifo_depth", 4, "commands", 1, 8, "assumed", "widely quoted depth of the ME command FIFO"),
    _p("command.fifo_latency", 1, "cycles", 1, 16, "assumed", _SPLIT),
    _p("command.bus_latency", 8, "cycles", 2, 64, "assumed", _SPLIT),
    _p("command.decode", 4, "cycles", 0, 64, "assumed", _SPLIT),
    _p("scratch.inlet_depth", 8, "commands", 1, 16, "assumed", "not published for the IXP2400"),
    _p("sram.inlet_depth", 8, "commands", 1, 16, "assumed", "not published for the IXP2400"),
    _p("dram.inlet_depth", 8, "commands", 1, 16, "assumed", "not published for the IXP2400"),
    _p("msf.inlet_depth", 8, "commands", 1, 16, "assumed", "not published for the IXP2400"),
    # Push and pull buses
    _p("sbus.longword_cycles", 2, "cycles", 1, 16, "documented", "one 32-bit longword per chassis clock"),
    _p("dbus.quadword_cycles", 4, "cycles", 1, 16, "inferred", "an ME's 32-bit port takes a 64-bit beat in two clocks"),
    _p(
        "dbus.media_quadword_cycles", 2, "cycles", 1, 16, "inferred", "RBUF/TBUF take one 64-bit beat per chassis clock"
    ),
    _p("push.latency", 6, "cycles", 2, 64, "assumed", _SPLIT),
    _p("pull.latency", 6, "cycles", 2, 64, "assumed", _SPLIT),
    _p(
        "sbus.push_depth",
        32,
        "requests",
        2,
        64,
        "assumed",
        "replies a unit may have under way to a cluster bus; covers the controller delay at full rate",
    ),
    _p("dbus.push_depth", 40, "requests", 2, 64, "documented", _HRM + ": D_push request FIFO, 64 deep, full at 40"),
    _p("dbus.pull_depth", 6, "requests", 1, 64, "documented", _HRM + ": D_pull request FIFO, 8 deep, full at 6"),
    # Scratch, hash, CAP
    _p("scratch.size_bytes", 16_384, "bytes", 1_024, 1 << 16, "documented", "16 KB scratchpad", form=_LONGWORDS),
    _p(
        "scratch.command_cycles",
        2,
        "cycles",
        2,
        16,
        "documented",
        "one command per chassis clock, shared with hash and CAP",
    ),
    _p("scratch.longword_cycles", 2, "cycles", 1, 16, "inferred", "one longword per chassis clock"),
    _p(
        "scratch.ring_flag_lag",
        2,
        "cycles",
        1,
        2,
        "documented",
        "the status flag lags the put; size of the lag assumed",
    ),
    _p(
        "scratch.ring_full_margin",
        32,
        "longwords",
        0,
        127,
        "assumed",
        "near-full threshold of a ring's status flag, below its size",
    ),
    _p("hash.key_cycles", 6, "cycles", 2, 64, "inferred", "100 M 48-bit keys per second"),
    _p("hash.latency_48", 14, "cycles", 2, 256, "documented", _HRM + ": added to the scratch path"),
    _p("hash.latency_64", 16, "cycles", 2, 256, "documented", _HRM + ": added to the scratch path"),
    _p("hash.latency_128", 32, "cycles", 2, 256, "documented", _HRM + ": added to the scratch path"),
    _p("cap.signal_latency", 20, "cycles", 2, 256, "assumed", "CAP service of INTERTHREAD_SIG to the signal set"),
    _p("neighbor.signal_latency", 3, "cycles", 1, 64, "assumed", "neighbour signal CSR write to the signal set"),
    _p(
        "neighbor.register_latency",
        4,
        "cycles",
        1,
        64,
        "assumed",
        "widely quoted: 3 to 5 cycles, producer to consumer",
    ),
    _p(
        "neighbor.self_latency",
        6,
        "cycles",
        1,
        64,
        "documented",
        "five instructions between a write in self mode and the read (IXP28xx)",
    ),
    _p("neighbor.full_margin", 4, "entries", 1, 127, "assumed", "NN_FULL threshold below the ring's 128 registers"),
    _p(
        "me.prn_polynomial",
        0x04C11DB7,
        "polynomial",
        1,
        0xFFFFFFFF,
        "assumed",
        "the pseudo-random number's polynomial is not published",
    ),
    _p("pci.latency", 60, "cycles", 0, 10_000, "assumed", "added to the scratch path; not published"),
    # SRAM
    _p(
        "sram.size_bytes",
        8 << 20,
        "bytes",
        1 << 16,
        64 << 20,
        "assumed",
        "8 MB per channel is a common board fitting",
        form=_PAGES,
    ),
    _p("sram.command_cycles", 2, "cycles", 2, 16, "documented", "a controller takes one command per chassis clock"),
    _p("sram.longword_cycles", 3, "cycles", 1, 32, "inferred", "QDR at 200 MHz: 0.8 GB/s in each direction"),
    _p(
        "sram.link_cycles",
        24,
        "cycles",
        1,
        1_000,
        "assumed",
        "the next dequeue waits 20 to 30 cycles for the link",
    ),
    _p("sram.ignore_eop", 1, "switch", 0, 1, "assumed", "a dequeue counts a buffer, whether it ends a packet or not"),
    _p("sram.ignore_cells", 1, "switch", 0, 1, "assumed", "cell counts in link longwords do not hold a buffer back"),
    # DRAM
    _p("dram.size_bytes", 64 << 20, "bytes", 1 << 20, 1 << 30, "assumed", "up to 1 GB possible", form=_PAGES),
    _p("dram.banks", 4, "banks", 1, 8, "documented", "DDR SDRAM devices have four banks", form=_POWER),
    _p(
        "dram.bank_queue_depth",
        4,
        "commands",
        1,
        16,
        "assumed",
        "a full bank queue blocks the head of the inlet (documented); depth assumed",
    ),
    _p("dram.bank_interleave_bytes", 128, "bytes", 16, 4_096, "assumed", "address interleave over banks", form=_POWER),
    _p(
        "dram.row_bytes",
        2_048,
        "bytes",
        512,
        16_384,
        "assumed",
        "page of one bank over the 64-bit channel",
        form=_POWER,
    ),
    _p("dram.quadword_cycles", 2, "cycles", 1, 16, "inferred", "DDR at 150 MHz, 64 bits: 2.4 GB/s"),
    _p("dram.cas", 10, "cycles", 1, 100, "assumed", "CL 2.5 at 150 MHz"),
    _p("dram.activate", 12, "cycles", 1, 100, "assumed", "tRCD, about 20 ns"),
    _p("dram.precharge", 12, "cycles", 1, 100, "assumed", "tRP, about 20 ns"),
    _p("dram.write_recovery", 9, "cycles", 0, 100, "assumed", "tWR, 15 ns"),
    _p("dram.ras", 26, "cycles", 1, 200, "assumed", "tRAS, an open row stays open for about 42 ns"),
    _p("dram.row_cycle", 38, "cycles", 1, 300, "assumed", "tRC, activate to activate of one bank, about 63 ns"),
    _p("dram.activate_gap", 10, "cycles", 0, 100, "assumed", "tRRD, activates of different banks, about 15 ns"),
    _p("dram.turnaround", 8, "cycles", 0, 100, "assumed", "read/write change of the data bus, two DDR clocks"),
    _p("dram.refresh_interval", 4_680, "cycles", 500, 100_000, "assumed", "7.8 microseconds"),
    _p("dram.refresh_cycles", 45, "cycles", 1, 1_000, "assumed", "tRFC, 75 ns"),
    # Media switch fabric
    _p("msf.command_cycles", 2, "cycles", 2, 16, "inferred", "one command per chassis clock"),
    _p("msf.longword_cycles", 2, "cycles", 1, 16, "inferred", "one longword per chassis clock"),
    _p("msf.clock_khz", 104_000, "kHz", 25_000, 133_000, "documented", "SPI-3 of the ENP-2611 board: 104 MHz"),
    _p("msf.channels", 1, "channels", 1, 4, "documented", "SPI-3 as 1x32, 2x16 or 4x8", form=_POWER),
    _p("msf.width_bytes", 4, "bytes", 1, 4, "documented", "of one channel; 1x32 mode", form=_POWER),
    _p(
        "msf.ports_per_channel",
        16,
        "ports",
        1,
        16,
        "documented",
        "1: SPHY; 4: MPHY-4; 16: MPHY-32, of which 16 are wired; one channel only",
        form=_POLLED,
    ),
    _p("msf.element_bytes", 64, "bytes", 64, 256, "documented", "RBUF/TBUF element of the ENP-2611 board", form=_POWER),
    _p("msf.rbuf_bytes", 8_192, "bytes", 2_048, 8_192, "documented", "8 KB RBUF", form=_POWER),
    _p("msf.tbuf_bytes", 8_192, "bytes", 2_048, 8_192, "documented", "8 KB TBUF", form=_POWER),
    _p(
        "msf.rbuf_erratum",
        1,
        "switch",
        0,
        1,
        "documented",
        "64-byte elements 0, 9, 18, 27 are never freed by the shipped driver",
    ),
    _p("msf.freelist_depth", 64, "entries", 8, 64, "assumed", "one entry per context of the chip"),
    _p("msf.status_latency", 8, "cycles", 2, 256, "assumed", "element full and thread waiting, to push request"),
    # MACs
    _p("mac.rx_fifo_bytes", 32_768, "bytes", 2_048, 49_152, "assumed", "ingress FIFO of a port"),
    _p("mac.tx_fifo_bytes", 16_384, "bytes", 2_048, 32_768, "assumed", "egress FIFO of a port"),
    _p("mac.pause", 0, "switch", 0, 1, "assumed", "IEEE 802.3x pause on links; off as on most switch uplinks"),
    _p("mac.pause_high_bytes", 24_576, "bytes", 64, 49_152, "assumed", "receive FIFO above which the peer is paused"),
    _p("mac.pause_low_bytes", 8_192, "bytes", 0, 49_152, "assumed", "receive FIFO at which it may go on"),
    # Switch
    _p("switch.latency", 600, "cycles", 0, 60_000, "assumed", "lookup after the last bit, about a microsecond"),
    _p("switch.buffer_bytes", 65_536, "bytes", 2_048, 1 << 20, "assumed", "output queue of a port"),
    # Host (XScale)
    _p("host.csr_cycles", 40, "cycles", 1, 10_000, "assumed", "an access to a CSR through the chassis"),
    _p("host.scratch_cycles", 60, "cycles", 1, 10_000, "assumed", "as an ME's idle latency"),
    _p("host.sram_cycles", 90, "cycles", 1, 10_000, "assumed", "as an ME's idle latency; uncached"),
    _p("host.dram_cycles", 120, "cycles", 1, 10_000, "assumed", "as an ME's idle latency; uncached"),
    _p("host.msf_cycles", 70, "cycles", 1, 10_000, "assumed", "as an ME's idle latency"),
    _p("host.pci_cycles", 100, "cycles", 1, 10_000, "assumed", "not published"),
    _p(
        "host.interrupt_cycles",
        300,
        "cycles",
        1,
        100_000,
        "assumed",
        "interrupt to the first instruction of its handler",
    ),
    _p("host.timer_cycles", 12, "cycles", 1, 10_000, "assumed", "one timer tick: 50 MHz"),
)

PRESETS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "ixp2400-600": {},
        "ixp2400-400": {
            "me_clock_khz": 400_000,
            "scratch.idle_latency": 60,
            "sram.longword_cycles": 2,
            "dram.cas": 7,
            "dram.activate": 8,
            "dram.precharge": 8,
            "dram.write_recovery": 6,
            "dram.ras": 18,
            "dram.row_cycle": 26,
            "dram.activate_gap": 6,
            "dram.turnaround": 6,
            "dram.quadword_cycles": 2,
            "dram.refresh_interval": 3_120,
            "dram.refresh_cycles": 30,
        },
    }
)
"""``ixp2400-400``: nanoseconds of the memories rescaled to a 400 MHz ME clock; DDR-200 keeps two cycles a quadword."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """A resolved hardware description.

    Attributes:
        preset: name of the preset it started from.
        values: every parameter of :data:`PARAMETERS` by dotted name.
        derived: ``<target>.controller_delay`` per target: idle latency minus the other parts.
    """

    preset: str
    values: Mapping[str, int]
    derived: Mapping[str, int]

    def __getitem__(self, name: str) -> int:
        return self.values[name] if name in self.values else self.derived[name]

    @property
    def media_ports(self) -> int:
        """Ports that SPI-3 carries: those that share the only channel, or one per channel."""
        return self.values["msf.ports_per_channel"] if self.values["msf.channels"] == 1 else self.values["msf.channels"]


def _derive(values: Mapping[str, int]) -> dict[str, int]:
    """Controller delays, so that the parts add up to the chosen idle latency (docs/hardware-model.md, section 4).

    A command issued on an even cycle is granted ``fifo_latency`` rounded up to the chassis clock later.
    """
    chassis = values["chassis_cycles"]
    to_grant = -(-values["command.fifo_latency"] // chassis) * chassis
    path = to_grant + values["command.bus_latency"] + values["command.decode"]
    sbus = values["sbus.longword_cycles"] + values["push.latency"]
    rest = {
        "scratch": path + values["scratch.longword_cycles"] + sbus,
        "sram": path + values["sram.longword_cycles"] + sbus,
        "msf": path + values["msf.longword_cycles"] + sbus,
        "dram": path
        + values["dram.cas"]
        + values["dram.quadword_cycles"]
        + values["dbus.quadword_cycles"]
        + values["push.latency"],
    }
    derived = {}
    for target, parts in rest.items():
        delay = values[f"{target}.idle_latency"] - parts
        if delay < 0:
            raise InputError(
                f"{values[f'{target}.idle_latency']} cycles are less than the {parts} cycles of the command path, "
                "service, bus and signal alone; the controller delay would be negative",
                key=f"hardware.{target}.idle_latency",
            )
        derived[f"{target}.controller_delay"] = delay
    return derived


_SPI3_BYTES = 4


def _settle_channels(values: dict[str, int], given: Collection[str]) -> None:
    """Width and ports of a channel follow from the number of channels, unless they are given."""
    channels = values["msf.channels"]
    widest = _SPI3_BYTES // channels
    if "msf.width_bytes" not in given:
        values["msf.width_bytes"] = min(values["msf.width_bytes"], widest)
    if values["msf.width_bytes"] > widest:
        raise InputError(
            f"{values['msf.width_bytes']} bytes on each of {channels} channels: SPI-3 has {_SPI3_BYTES} bytes in all",
            key="hardware.msf.width_bytes",
        )
    if channels > 1:
        if "msf.ports_per_channel" not in given:
            values["msf.ports_per_channel"] = 1
        if values["msf.ports_per_channel"] != 1:
            raise InputError(
                f"{values['msf.ports_per_channel']} ports on each of {channels} channels: only a single channel is "
                "shared by ports",
                key="hardware.msf.ports_per_channel",
            )


def _check_pause(values: Mapping[str, int]) -> None:
    low, high = values["mac.pause_low_bytes"], values["mac.pause_high_bytes"]
    if low > high:
        raise InputError(
            f"{low:,} bytes, at which the peer may go on, are more than the {high:,} bytes of "
            "hardware.mac.pause_high_bytes, above which it is paused",
            key="hardware.mac.pause_low_bytes",
        )


def resolve_hardware(preset: str = "ixp2400-600", overrides: Mapping[str, int] | None = None) -> Hardware:
    """Merge preset and overrides into a checked description.

    Raises:
        InputError: unknown preset or parameter, a value that is no integer or out of bounds, a negative delay, or
            values that contradict each other.
    """
    if preset not in PRESETS:
        raise InputError(f'no preset "{preset}"; there are {", ".join(PRESETS)}', key="hardware.preset")
    table = {p.name: p for p in PARAMETERS}
    values = {p.name: p.value for p in PARAMETERS}
    values.update(PRESETS[preset])
    for name, value in (overrides or {}).items():
        if name not in table:
            raise InputError("no such hardware parameter; `ixpemu hardware` lists them", key=f"hardware.{name}")
        parameter = table[name]
        if isinstance(value, bool) or not isinstance(value, int):
            raise InputError(f"{value!r} is not an integer ({parameter.unit})", key=f"hardware.{name}")
        if not parameter.low <= value <= parameter.high:
            raise InputError(
                f"{value} is outside {parameter.low}..{parameter.high} {parameter.unit}", key=f"hardware.{name}"
            )
        if not _FORMS[parameter.form](value):
            raise InputError(f"{value} is not {parameter.form} ({parameter.unit})", key=f"hardware.{name}")
        values[name] = value
    _settle_channels(values, {*PRESETS[preset], *(overrides or {})})
    _check_pause(values)
    return Hardware(preset, MappingProxyType(values), MappingProxyType(_derive(values)))
