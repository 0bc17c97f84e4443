"""The shipped receive and transmit firmware, each alone: what a minimum frame costs, and how many a second.

The published counts are of another firmware, Intel's; where the shipped one differs, a row says by what rule it passes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ixp_emu.calibrate.model import Cited, Row, row
from ixp_emu.calibrate.rules import Rule, at_most, between, within
from ixp_emu.calibrate.workbench import PROGRAMS, Prepare, Workbench
from ixp_emu.chip.hardware import Hardware
from ixp_emu.chip.layout import DRAM, MSF, SCRATCH, SRAM0, SRAM1
from ixp_emu.cluster.build import build_images, load_image
from ixp_emu.cluster.config import load_config

__all__ = ["FirmwareFigures", "measure_firmware"]

GROUP = "firmware"
_PORTS = 8
_WARMUP = 40_000
_FLOWS = 64
_FASTEST_MSF_KHZ = 133_000
"""So that the firmware, not SPI-3, sets the pace."""
_PUBLISHED = Cited("counts of Intel's reference firmware (vendor-derived code); not of the shipped one", "documented")
_EXPECTED = Cited("expectation for that firmware from latencies of 60/90/120 cycles", "inferred")
_RATE = Cited("X <= f / (cycles of a frame in which the ME is not idle)", "inferred")


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
    counted = "frames_in" if direction == "receive" else "frames_out"

    def counts() -> dict[str, int]:
        chip = bench.chip
        me = chip["me"][0]
        return {
            "frames": sum(int(port[counted]) for port in chip["port"]),
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
