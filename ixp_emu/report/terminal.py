"""The report for a reader: three lines that answer the question, then tables that show why.

Plain text of at most 100 columns; colours only on a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ixp_emu.report.model import PerPacket, Report
from ixp_emu.report.page import WIDTH, print_page

__all__ = ["WIDTH", "bottleneck_line", "headroom_line", "print_report", "verdict_line"]

_NONE = "-"


def print_report(report: Report, *, console: Console | None = None) -> None:
    """Print a report, without colours and padding where the output is no terminal."""
    print_page(lambda page, width: _print(report, page, width), console=console)


def _print(report: Report, console: Console, width: int) -> None:
    fault = report.run.fault
    answers = Table.grid(padding=(0, 2))
    answers.add_row(Text("verdict", "bold"), Text(verdict_line(report), "red" if fault else ""))
    answers.add_row(Text("bottleneck", "bold"), Text(bottleneck_line(report)))
    answers.add_row(Text("headroom", "bold"), Text(headroom_line(report)))
    console.print(answers, width=width)
    if fault and "\n" in fault:
        console.print(Text(fault.partition("\n")[2]), width=width)
    console.print()
    console.print(Text(_run_text(report)), width=width)
    if report.per_packet is not None:
        console.print(Text(_packet_text(report.per_packet)), width=width)
    for table in _tables(report):
        if table.row_count:
            console.print()
            console.print(table, width=width)


# --- the three lines ------------------------------------------------------------------------------------------------


def verdict_line(report: Report) -> str:
    """What became of the load; a fault first."""
    traffic = report.traffic
    text = f"{traffic.delivered:,} of {traffic.offered:,} packets delivered"
    lost = sum(traffic.lost.values())
    if lost:
        text += f", {lost:,} lost"
    if traffic.in_flight:
        text += f", {traffic.in_flight:,} in flight"
    if traffic.at_line_rate is not None:
        text += ", at line rate" if traffic.at_line_rate else ", not at line rate"
    if traffic.packets_per_second is not None and traffic.bits_per_second is not None:
        text += f": {traffic.packets_per_second / 1e6:.3f} Mpps, {traffic.bits_per_second / 1e9:.3f} Gb/s"
    if report.run.fault is not None:
        return f"FAULT {report.run.fault.partition(chr(10))[0]}; {text}"
    return text


def bottleneck_line(report: Report) -> str:
    """What limits, and the evidence."""
    found = report.bottleneck
    return "nothing was busy" if found is None else f"{found.resource}: {found.evidence}"


def headroom_line(report: Report) -> str:
    """How much more load the bottleneck would bear, and what comes after it."""
    found = report.bottleneck
    if found is None:
        return "not known"
    if found.headroom == 0:
        text = "none: the cluster took less than was offered" if found.utilisation < 1 else "none"
    elif found.headroom >= 1:
        text = f"about {1 + found.headroom:.1f} times this load"
    else:
        text = f"about {found.headroom:.0%} more load"
    if found.others:
        text += f"; next is {found.others[0].resource}, {found.others[0].utilisation:.0%} busy"
    return text


def _run_text(report: Report) -> str:
    run = report.run
    text = f"{run.cycles:,} cycles, {run.simulated_seconds * 1e3:.3f} ms"
    if run.measured_cycles != run.cycles:
        text += f" ({run.measured_cycles:,} cycles counted, after the warm-up)"
    text += f"; took {run.wall_seconds:.1f} s"
    if run.instructions_per_second:
        text += f", {run.instructions_per_second / 1e6:.1f} M instructions/s"
    if run.slowdown:
        text += f", slowdown {run.slowdown:,.0f}"
    text += f"; seed {run.seed}"
    if report.unsettled:
        text += f"; unsettled: {', '.join(f'{name}={value}' for name, value in report.unsettled.items())}"
    return text


def _packet_text(each: PerPacket) -> str:
    references = ", ".join(f"{name} {count:,.2f}" for name, count in each.references.items() if count)
    text = f"per packet: {each.instructions:,.0f} instructions, {each.cycles:,.0f} ME cycles not idle"
    return f"{text}; references {references}" if references else text


# --- tables ---------------------------------------------------------------------------------------------------------


def _tables(report: Report) -> Iterator[Table]:
    yield _losses(report)
    yield _events(report)
    yield _latency(report)
    yield _cycles(report)
    yield _control(report)
    yield _structures(report)
    yield _memories(report)
    yield _buses(report)
    yield _wires(report)


def _table(title: str, *columns: str, text_columns: int) -> Table:
    """A table without lines: the first columns are names, the others numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index < text_columns else "right", header_style="dim", no_wrap=True)
    return table


def _share(value: float | None) -> str:
    return _NONE if value is None else f"{value:.1%}"


def _number(value: float | None, digits: int = 1) -> str:
    return _NONE if value is None else f"{value:,.{digits}f}"


def _per_packet(report: Report, count: int | None) -> str:
    packets = report.per_packet.packets if report.per_packet else 0
    return _NONE if count is None or not packets else f"{count / packets:,.2f}"


def _losses(report: Report) -> Table:
    table = _table("Packets lost", "cause", "packets", "of offered", text_columns=1)
    for cause, count in report.traffic.lost.items():
        table.add_row(cause, f"{count:,}", _share(count / report.traffic.offered if report.traffic.offered else None))
    return table


def _events(report: Report) -> Table:
    table = _table("Events the microcode counted", "chip", "event", "times", text_columns=2)
    for chip in report.chips:
        for event, count in chip.events.items():
            table.add_row(chip.name, event, f"{count:,}")
    return table


def _latency(report: Report) -> Table:
    table = _table("Latency", "", "p50", "p95", "p99", "max", text_columns=1)
    latency = report.traffic.latency_cycles
    if latency is not None:
        values = (latency.p50, latency.p95, latency.p99, latency.max)
        nanoseconds = report.run.simulated_seconds * 1e9 / report.run.cycles
        table.add_row("cycles", *(f"{value:,}" for value in values))
        table.add_row("microseconds", *(f"{value * nanoseconds / 1e3:,.1f}" for value in values))
    return table


def _cycles(report: Report) -> Table:
    table = _table(
        "Where the cycles went", "chip", "ME", "program", "executing", "aborted", "stalled", "idle", "instr./packet",
        text_columns=3,
    )  # fmt: skip
    measured = report.run.measured_cycles
    for chip in report.chips:
        for engine in chip.microengines:
            parts = (engine.cycles.executing, engine.cycles.aborted, engine.cycles.stalled, engine.cycles.idle)
            shares = [_share(part / measured if measured else None) for part in parts]
            table.add_row(chip.name, engine.id, engine.program, *shares, _per_packet(report, engine.instructions))
    return table


def _control(report: Report) -> Table:
    table = _table(
        "Control processors", "chip", "program", "accessing", "computing", "waiting", "reacting", "ended", "accesses",
        "interrupts",
        text_columns=2,
    )  # fmt: skip
    measured = report.run.measured_cycles
    for chip in report.chips:
        control = chip.control
        if control is not None:
            parts = (getattr(control.cycles, name) for name in control.cycles.__struct_fields__)
            shares = [_share(part / measured if measured else None) for part in parts]
            program = PurePath(control.program).name
            accesses = sum(control.accesses.values())
            table.add_row(chip.name, program, *shares, f"{accesses:,}", f"{control.interrupts:,}")
    return table


def _structures(report: Report) -> Table:
    table = _table(
        "What contexts waited for (asking a ring is waiting for work: no share)",
        "chip", "structure", "memory", "bytes", "refs/packet", "wait/ref", "share",
        text_columns=3,
    )  # fmt: skip
    for chip in report.chips:
        rows = [row for row in report.structures if row.chip == chip.name]
        for row in sorted(rows, key=lambda row: (row.ring, -(row.wait_cycles or 0))):
            each = None if row.wait_cycles is None or not row.references else row.wait_cycles / row.references
            size = _NONE if row.bytes is None else f"{row.bytes:,}"
            table.add_row(
                chip.name, row.name, row.memory, size, _per_packet(report, row.references), _number(each),
                _share(row.share),
            )  # fmt: skip
    return table


def _memories(report: Report) -> Table:
    table = _table(
        "Memories", "chip", "memory", "references", "refs/packet", "busy", "waiting", "latency idle", "mean", "p99",
        text_columns=2,
    )  # fmt: skip
    for chip in report.chips:
        for memory in chip.memories:
            if not memory.references:
                continue
            latency = memory.latency_cycles
            table.add_row(
                chip.name, memory.name, f"{memory.references:,}", _per_packet(report, memory.references),
                _share(memory.utilisation), _number(memory.queue, 2), f"{latency.idle}", _number(latency.mean),
                _NONE if latency.p99 is None else f"{latency.p99:,}",
            )  # fmt: skip
    return table


def _buses(report: Report) -> Table:
    table = _table("Buses", "chip", "bus", "grants", "busy", "wait per grant", text_columns=2)
    for chip in report.chips:
        for bus in chip.buses:
            if not bus.utilisation:
                continue
            grants = _NONE if bus.grants is None else f"{bus.grants:,}"
            wait = None if bus.wait_cycles is None or not bus.grants else bus.wait_cycles / bus.grants
            table.add_row(chip.name, bus.name, grants, _share(bus.utilisation), _number(wait))
    return table


def _wires(report: Report) -> Table:
    table = _table(
        "Ports and links", "port", "link to", "frames in", "busy", "lost", "frames out", "busy", text_columns=2
    )
    far_end = {link.source: link.destination for link in report.links}
    for port in (port for chip in report.chips for port in chip.ports):
        lost = port.frames_lost + port.switch_overflow
        if port.frames_in or lost or port.frames_out:
            table.add_row(
                port.name, far_end.get(port.name, ""), f"{port.frames_in:,}", _share(port.utilisation_in),
                f"{lost:,}", f"{port.frames_out:,}", _share(port.utilisation_out),
            )  # fmt: skip
    return table
