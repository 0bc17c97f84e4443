"""The shipped receive and transmit firmware, each alone: what a minimum frame costs, and how many a second.

The published counts are of another firmware, Intel's; where the shipped one differs, a row says by what rule it passes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ixp_emu.calibrate.model import Cited, Row, row
from ixp_emu.calibrate.rules import Rule, between, within
from ixp_emu.calibrate.workbench import PROGRAMS, Prepare, Workbench
from ixp_emu.chip.hardware import Hardware
from ixp_emu.chip.layout import DRAM, MSF, SRAM0, SRAM1
from ixp_emu.cluster.build import build_images, load_image
from ixp_emu.cluster.config import load_config

__all__ = ["FirmwareFigures", "firmware_rows", "measure_firmware"]

GROUP = "firmware"
_PORTS = 8
_WARMUP = 40_000
_FLOWS = 64
_FASTEST_MSF_KHZ = 133_000
"""So that the firmware, not SPI-3, sets the pace."""
_PUBLISHED = Cited("counts of Intel's reference firmware (vendor-derived code); not of the shipped one", "documented")
_EXPECTED = Cited("expectation for that firmware from latencies of 60/90/120 cycles", "inferred")
_BUSY = Cited("X <= f / (cycles of a frame in which the ME is not idle)", "inferred")
_SERIAL = Cited("one context at a time takes from the ring: X from f / (L + busy) to f / max(L, busy)", "inferred")
_CUT = 0.01
"""A window cuts the frames under way at its ends."""
_SECOND = 1_000_000
_PUBLISHED_KHZ = 600_000
_PUBLISHED_MHZ = _PUBLISHED_KHZ / 1_000
_PUBLISHED_SERIAL = 170
"""Cycles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareFigures:
    """What a frame costs one microengine, mean over a window.

    Attributes:
        scratch: references to the scratch unit, CAP included.
        sram, dram, msf: references.
        instructions: executed.
        busy: cycles that the microengine is not idle.
        per_cycle: frames a cycle.
    """

    scratch: float
    sram: float
    dram: float
    msf: float
    instructions: float
    busy: float
    per_cycle: float


def _frame(flow: int) -> bytes:
    """A minimum frame that holds an IPv4 packet of a flow."""
    head = struct.pack(">BBHHHBBHII", 0x45, 0, 46, 0, 0, 64, 17, 0, 0xC0A80000 + flow, 0x0A000001)
    return bytes(12) + b"\x08\x00" + head + struct.pack(">HH", 1_000 + flow, 2_000) + bytes(22)


def _frames(chip: Any, direction: str) -> int:
    """Frames of one mpacket done with: given to the wire, or taken from the MACs and from RBUF."""
    ports = chip["port"]
    if direction == "transmit":
        return int(ports["frames_out"].sum())
    return int(ports["frames_in"].sum() - ports["rx_count"].sum() + chip["channel"]["rbuf_free_count"].sum())


def measure_firmware(
    hardware: Hardware, direction: str, *, cycles: int, prepare: Prepare | None = None
) -> FirmwareFigures:
    """Run receive or transmit on ME 0 alone, with all the frames it can take.

    Parameters:
        direction: "receive" or "transmit".
        cycles: counted, after a warm-up.
    """
    overrides = {**hardware.values, "msf.clock_khz": _FASTEST_MSF_KHZ}
    config = load_config(
        PROGRAMS / "firmware.toml", overrides=[f"hardware.{name}={value}" for name, value in overrides.items()]
    )
    bench = Workbench(config.hardware, prepare=prepare, ports=_PORTS)
    load_image(bench.chip, bench.memories, build_images(config)[direction])
    if direction == "receive":
        bench.offer([_frame(flow) for flow in range(_FLOWS)], 2 * (_WARMUP + cycles) // 400)

    def counts() -> dict[str, int]:
        chip = bench.chip
        me = chip["me"][0]
        return {
            "frames": _frames(chip, direction),
            "sram": int(chip["references"][SRAM0]) + int(chip["references"][SRAM1]),
            "dram": int(chip["references"][DRAM]),
            "msf": int(chip["references"][MSF]),
            "commands": int(me["commands"]),
            "instructions": int(me["executing"]),
            "busy": int(me["executing"]) + int(me["aborted"]) + int(me["stalled"]),
        }

    bench.run(_WARMUP)
    before = counts()
    bench.run(_WARMUP + cycles)
    grown = {name: value - before[name] for name, value in counts().items()}
    frames = grown.pop("frames")
    each = {name: value / frames for name, value in grown.items()}
    return FirmwareFigures(
        scratch=each["commands"] - each["sram"] - each["dram"] - each["msf"],
        sram=each["sram"],
        dram=each["dram"],
        msf=each["msf"],
        instructions=each["instructions"],
        busy=each["busy"],
        per_cycle=frames / cycles,
    )


def firmware_rows(hardware: Hardware, *, quick: bool = False, prepare: Prepare | None = None) -> Iterator[Row]:
    """The group's rows.

    Parameters:
        quick: a shorter window.
    """
    cycles = 40_000 if quick else 200_000
    yield from _receive_rows(hardware, measure_firmware(hardware, "receive", cycles=cycles, prepare=prepare))
    yield from _transmit_rows(hardware, measure_firmware(hardware, "transmit", cycles=cycles, prepare=prepare))


def _count(what: str, rule: Rule, measured: float) -> Row:
    return row(GROUP, what, "per frame", _PUBLISHED, rule, measured)


def _less(published: float, why: str) -> Rule:
    """The published count or less, for a reason."""
    return between(published, 0, published * (1 + _CUT), text=f"at most the published {published:g}: {why}")


def _receive_rows(hardware: Hardware, each: FirmwareFigures) -> Iterator[Row]:
    yield _count(
        "receive, references to scratch and CAP", _less(3, "ours signals inside the ME, not through CAP"), each.scratch
    )
    yield _count("receive, references to SRAM", _less(2, "ours keeps descriptors on the scratch rings"), each.sram)
    yield _count("receive, references to DRAM", within(1, _CUT), each.dram)
    hashed = between(
        2, 2 * (1 - _CUT), 3 * (1 + _CUT), text="the published 2; 1 more, for ours reads the header to hash its flow"
    )
    yield _count("receive, references to MSF", hashed, each.msf)
    yield _count("receive, instructions", _less(75, "no packet descriptor is built in SRAM"), each.instructions)
    mega = hardware["me_clock_khz"] * 1_000 / _SECOND
    rate = each.per_cycle * mega
    yield row(
        GROUP, "receive alone", "Mpps", _BUSY,
        between(
            mega / each.busy, 0.95 * mega / each.busy, (1 + _CUT) * mega / each.busy,
            text="compute bound: 95 to 100 % of f / busy",
        ),
        rate,
    )  # fmt: skip
    least = 6.3 * hardware["me_clock_khz"] / _PUBLISHED_KHZ
    yield row(
        GROUP, "receive alone, published expectation", "Mpps", _EXPECTED,
        between(least, least, float("inf"), text="at least the published 6.3 to 8: fewer instructions"), rate,
    )  # fmt: skip


def _transmit_rows(hardware: Hardware, each: FirmwareFigures) -> Iterator[Row]:
    yield _count(
        "transmit, references to scratch and CAP", _less(3, "ours signals inside the ME, not through CAP"), each.scratch
    )
    yield _count("transmit, references to SRAM", _less(1, "ours keeps descriptors on the scratch rings"), each.sram)
    yield _count("transmit, references to DRAM", within(1, _CUT), each.dram)
    looks = between(
        1, 1 - _CUT, 1.1, text="the published 1; ours also reads TX_SEQUENCE, once for many frames"
    )  # fmt: skip
    yield _count("transmit, references to MSF", looks, each.msf)
    yield _count("transmit, instructions", _less(56, "no packet descriptor is read from SRAM"), each.instructions)
    mega = hardware["me_clock_khz"] * 1_000 / _SECOND
    get = hardware["scratch.idle_latency"] + hardware["sbus.longword_cycles"]
    rate = each.per_cycle * mega
    yield row(
        GROUP, "transmit alone", "Mpps", _SERIAL,
        between(
            mega / max(get, each.busy), mega / (get + each.busy), mega / max(get, each.busy),
            text="between the closed forms with nothing and with everything in the serial section",
        ),
        rate,
    )  # fmt: skip
    least = hardware["me_clock_khz"] / _PUBLISHED_KHZ * _PUBLISHED_MHZ / _PUBLISHED_SERIAL
    yield row(
        GROUP, "transmit alone, published expectation", "Mpps", _EXPECTED,
        between(least, least, float("inf"), text="at least that of a serial section of 170 cycles: ours is shorter"),
        rate,
    )  # fmt: skip
