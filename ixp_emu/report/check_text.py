"""`ixpemu check`: what is known about a cluster before it runs - sizes, places, and the cycles there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from ixp_emu.assembler import CONTROL_STORE_WORDS
from ixp_emu.cluster.build import ChipImage
from ixp_emu.cluster.config import Chip, ClusterConfig, engine_name
from ixp_emu.placement.place import memory_bytes

__all__ = ["PacketLoad", "check_lines", "packet_load"]

_SMALLEST_FRAME_BYTES = 64
_GAP_BYTES = 20
"""Preamble and minimum gap around a frame whose size counts the FCS (IEEE 802.3)."""
_LINE_BITS_PER_SECOND = 1_000_000_000
_BIT_UNITS = {"k": 10**3, "M": 10**6, "G": 10**9}


@dataclass(frozen=True, slots=True)
class PacketLoad:
    """The most packets a chip may see.

    Attributes:
        packets_per_second: exact.
        reason: where the number comes from.
    """

    packets_per_second: Fraction
    reason: str


def check_lines(config: ClusterConfig, images: Mapping[str, ChipImage]) -> Iterator[str]:
    """The lines to print, chip by chip."""
    for name, image in images.items():
        yield f"chip {name}"
        yield from _program_lines(image)
        yield from _memory_lines(config, image)
        yield from _budget_lines(config, image.chip)
    warnings = dict.fromkeys(
        text for image in images.values() for program in image.programs.values() for text in program.warnings
    )
    for text in warnings:
        yield f"warning: {text}"


def _program_lines(image: ChipImage) -> Iterator[str]:
    for name, engines in image.chip.engines.items():
        program = image.programs[name]
        usage = program.usage
        registers = ", ".join(
            f"{label} {usage[key]}"
            for key, label in (
                ("a", "A"), ("b", "B"), ("@a", "@A"), ("@b", "@B"), ("$", "$"), ("$$", "$$"), ("n$", "n$"),
                ("signals", "signals"),
            )
            if usage.get(key)
        )  # fmt: skip
        where = ", ".join(map(engine_name, engines))
        yield f"  program {name}: {len(program.words):,} of {CONTROL_STORE_WORDS:,} words on ME {where}"
        yield f"    {program.contexts} contexts; registers in use: {registers or 'none'}"


def _memory_lines(config: ClusterConfig, image: ChipImage) -> Iterator[str]:
    for memory, size in memory_bytes(config.hardware).items():
        inside = [placed for placed in image.structures.values() if placed.location.memory == memory]
        if not inside:
            continue
        used = max(placed.location.base + placed.size_bytes for placed in inside)
        names = ", ".join(f"{placed.declaration.name} {placed.size_bytes:,}" for placed in inside)
        yield f"  {memory}: {used:,} bytes used, {size - used:,} left: {names}"


def _budget_lines(config: ClusterConfig, chip: Chip) -> Iterator[str]:
    load = packet_load(config, chip)
    if load is None:
        yield "  no packets reach this chip"
        return
    clock = config.hardware["me_clock_khz"] * 1_000
    cycles = clock / load.packets_per_second
    yield f"  at most {float(load.packets_per_second) / 1e6:.3f} M packets/s ({load.reason}): ME cycles per packet"
    yield "    " + ", ".join(
        f"{name} {int(cycles * len(engines)):,} ({len(engines)} ME{'s' if len(engines) > 1 else ''})"
        for name, engines in chip.engines.items()
    )


def packet_load(config: ClusterConfig, chip: Chip) -> PacketLoad | None:
    """The most packets per second into a chip, None if there are none.

    What enters at its own ports of ``traffic.into``, and through its links what is offered elsewhere, as far as they
    carry.
    """
    own = sum(port.rpartition(".")[0] == chip.name for port in config.traffic.into)
    elsewhere = len(config.traffic.into) - own
    links = [link for link in config.links.values() for end in link.between if end.chip == chip.name]
    cables = len(links) + sum(port.chip == chip.name for switch in config.switches.values() for port in switch.ports)
    loads = []
    if own:
        loads.append(_offered(config, own))
    if elsewhere and cables:
        brought = [_offered(config, elsewhere)]
        if all(link.kind == "gbe" for link in links):  # SPI-3 has no line rate
            reason = f"what {cables} link{'s' if cables > 1 else ''} can bring"
            brought.append(PacketLoad(cables * _line_packets(config), reason))
        loads.append(min(brought, key=lambda load: load.packets_per_second))
    if not loads:
        return None
    return PacketLoad(
        sum((load.packets_per_second for load in loads), Fraction(0)), ", and ".join(load.reason for load in loads)
    )


def _frame_bytes(config: ClusterConfig) -> int:
    """The smallest frame offered, with FCS; of a trace, the smallest there can be."""
    traffic = config.traffic
    if traffic.generator is None or isinstance(traffic.sizes, str):
        return _SMALLEST_FRAME_BYTES
    return traffic.sizes if isinstance(traffic.sizes, int) else min(size for size, _ in traffic.sizes)


def _line_packets(config: ClusterConfig) -> Fraction:
    return Fraction(_LINE_BITS_PER_SECOND, (_frame_bytes(config) + _GAP_BYTES) * 8)


def _offered(config: ClusterConfig, ports: int) -> PacketLoad:
    """Offered to ``ports`` of the ingress ports; a rate is spread over all of them."""
    rate, smallest = config.traffic.rate, _frame_bytes(config)
    line = PacketLoad(ports * _line_packets(config), f"{smallest}-byte frames at line rate into {_ports(ports)}")
    if isinstance(rate, str) and not rate.endswith("b/s"):
        return line
    share = Fraction(ports, len(config.traffic.into))
    if isinstance(rate, str):
        bits = rate.removesuffix("b/s").strip()
        unit = _BIT_UNITS.get(bits[-1], 1)
        bits_per_second = Fraction(bits.rstrip("kMG").strip()) * unit
        packets = bits_per_second / ((smallest + _GAP_BYTES) * 8)
        chosen = PacketLoad(packets * share, f"{smallest}-byte frames at {rate}")
    else:
        chosen = PacketLoad(Fraction(rate) * share, "the configured rate")
    return min(chosen, line, key=lambda load: load.packets_per_second)


def _ports(count: int) -> str:
    return f"{count} port{'s' if count > 1 else ''}"
