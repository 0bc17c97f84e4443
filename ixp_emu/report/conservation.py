"""What must add up in every report, whatever was run."""

from __future__ import annotations

from msgspec.structs import asdict

from ixp_emu.report.model import ChipReport, Report

__all__ = ["InternalError", "check_conservation"]


class InternalError(Exception):
    """Numbers that must agree do not: a defect of the emulator, which no input can excuse."""


def check_conservation(report: Report) -> None:
    """Check every sum of a report.

    Raises:
        InternalError: packets, cycles or references do not add up.
    """
    _check_packets(report)
    for chip in report.chips:
        _check_cycles(chip, report.run.measured_cycles)
        _check_control(chip, report.run.measured_cycles)
        _check_references(chip, report)


def _check_packets(report: Report) -> None:
    traffic = report.traffic
    if traffic.unexpected:  # such a run has a fault; a frame out of nothing has no place in the sum
        return
    if report.run.fault is not None and any(chip.control is not None for chip in report.chips):
        return  # a control program may have put packets out of nothing into the microcode's rings
    lost = sum(traffic.lost.values())
    if traffic.in_flight < 0 or traffic.offered != traffic.delivered + lost + traffic.in_flight:
        raise InternalError(
            f"{traffic.offered} packets offered, but {traffic.delivered} delivered, {lost} lost "
            f"and {traffic.in_flight} in flight"
        )


def _check_cycles(chip: ChipReport, measured: int) -> None:
    for engine in chip.microengines:
        cycles = engine.cycles
        parts = (cycles.executing, cycles.aborted, cycles.stalled, cycles.idle)
        if sum(parts) != measured or min(parts) < 0:
            raise InternalError(
                f"chip {chip.name}, ME {engine.id}: executing, aborted, stalled, idle are "
                f"{', '.join(map(str, parts))}, together {sum(parts)} of {measured} cycles"
            )


def _check_control(chip: ChipReport, measured: int) -> None:
    if chip.control is None:
        return
    parts = asdict(chip.control.cycles)
    if sum(parts.values()) != measured or min(parts.values()) < 0:
        raise InternalError(
            f"chip {chip.name}, control processor: {', '.join(parts)} are {', '.join(map(str, parts.values()))}, "
            f"together {sum(parts.values())} of {measured} cycles"
        )


def _check_references(chip: ChipReport, report: Report) -> None:
    for memory in chip.memories:
        rows = [row for row in report.structures if row.chip == chip.name and row.memory == memory.name]
        for what in ("references", "longwords"):
            by_structure = sum(getattr(row, what) for row in rows)
            if by_structure != getattr(memory, what):
                raise InternalError(
                    f"chip {chip.name}, {memory.name}: {getattr(memory, what)} {what}, "
                    f"{by_structure} summed over its structures"
                )
