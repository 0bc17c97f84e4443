"""The `ixpemu` command. What needs the compiler is imported inside the commands that run something."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ixp_emu import __version__
from ixp_emu.assembler_commands import asm, disasm
from ixp_emu.errors import InputError
from ixp_emu.output_files import check_writable, writing

if TYPE_CHECKING:
    from ixp_emu.cluster.config import ClusterConfig
    from ixp_emu.cluster.run import ClusterRun, Progress

__all__ = ["BAD_INPUT", "DONE", "FAULT", "INTERRUPTED", "app", "main", "run_command"]

DONE, FAULT, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""

_REFRESH_SECONDS = 0.1
_COLLECT_AFTER = 100_000
"""Objects made between two looks for garbage: importing and loading make many, and none of them is garbage."""
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
"""Click's base of all wrong command lines, whether typer brings its own copy of click or uses the package."""

app = typer.Typer(
    help="Emulate clusters of Intel IXP2400 network processors, down to the cycle.",
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the configuration; may be repeated."),
]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit: 0 done, 1 the run found a fault, 2 bad input, 130 interrupted."""
    gc.set_threshold(_COLLECT_AFTER)
    code = run_command(app, list(sys.argv[1:] if arguments is None else arguments), name="ixpemu")
    gc.freeze()  # all that is left goes with the process: no look at each object first
    sys.exit(code)


def run_command(commands: typer.Typer, arguments: list[str], *, name: str) -> int:
    """Run one of some commands with everything that may go wrong told on standard error; returns the exit code.

    Parameters:
        name: of the program, as it begins its messages.
    """
    from ixp_emu.report.conservation import InternalError

    try:
        code = typer.main.get_command(commands).main(arguments, prog_name=name, standalone_mode=False)
        sys.stdout.flush()  # now, while an error can still be told
        return code if isinstance(code, int) else DONE
    except InputError as error:
        return _complain(name, str(error))
    except _USAGE_ERROR as error:
        return _complain(name, " ".join(str(getattr(error, "format_message", error.__str__)()).split()))
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        if error.filename is None:  # our own output: nothing of it can be written any more
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        place = f"{error.filename}: " if error.filename else ""
        return _complain(name, f"{place}{error.strerror or error}")
    except InternalError as error:
        print(f"{name}: internal error, a defect of ixpemu: {error}", file=sys.stderr)
        return FAULT
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED


def _complain(name: str, message: str) -> int:
    """Print an error; an assembly may have found several, a line each."""
    for line in message.splitlines():
        print(f"{name}: {line}", file=sys.stderr)
    return BAD_INPUT


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"ixpemu {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options before the command."""


# --- run ------------------------------------------------------------------------------------------------------------


@app.command()
def run(
    cluster: Annotated[Path, typer.Argument(metavar="CLUSTER.toml", help="The cluster to run.")],
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write the report, and FILE.json.config.toml beside it.")
    ] = None,
    packets: Annotated[int | None, typer.Option(metavar="N", help="Packets to offer: run.offered_packets.")] = None,
    cycles: Annotated[int | None, typer.Option(metavar="N", help="Stop after N cycles: run.max_cycles.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of all random draws: run.seed.")] = None,
    threads: Annotated[int, typer.Option(metavar="N", min=1, help="Threads; results do not depend on them.")] = 1,
    set_: _Set = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a checkpoint where the run stops (see --cycles).")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Go on from a checkpoint of the same configuration.")
    ] = None,
) -> None:
    """Run a cluster and report where the cycles went."""
    from ixp_emu.cluster.config import load_config

    stops_here = save is not None or resume is not None  # a checkpoint keeps the length its configuration asks for
    overrides = _Overrides(set_ or [])
    overrides.add("--packets", "run.offered_packets", packets)
    overrides.add("--seed", "run.seed", seed)
    overrides.add("--cycles", "run.max_cycles", None if stops_here else cycles)
    if stops_here and cycles is not None and cycles < 1:
        raise InputError(f"expected an integer from 1; got the integer {cycles}", file="--cycles")
    with overrides.as_typed():
        config = load_config(cluster, overrides=overrides.texts)
    for path in (report, save):
        check_writable(path)
    cluster_run = _start(config, resume, threads=threads)
    if cycles is not None and cycles < cluster_run.now:
        raise InputError(f"{cycles:,}, but the checkpoint is at cycle {cluster_run.now:,}", file="--cycles")
    interrupted = _advance(cluster_run, cycles if stops_here else None)
    fault = _finish(cluster_run, report_file=report, save=save)
    raise typer.Exit(INTERRUPTED if interrupted else FAULT if fault else DONE)


class _Overrides:
    """Options that are short for a key, as overrides after those of `--set`."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)
        self._typed: dict[str, str] = {}

    def add(self, option: str, key: str, value: int | None) -> None:
        """Override a key if the option was given."""
        if value is not None:
            self.texts.append(f"{key}={value}")
            self._typed[f"--set {key}={value}"] = f"{option} {value}"

    @contextmanager
    def as_typed(self) -> Iterator[None]:
        """Errors about an override name the option that the user typed."""
        try:
            yield
        except InputError as error:
            if error.file not in self._typed:
                raise
            raise InputError(error.message, file=self._typed[error.file], key=error.key) from None


def _start(config: ClusterConfig, resume: Path | None, *, threads: int) -> ClusterRun:
    """Load the machine, new or from a checkpoint, and have the engine compiled."""
    from ixp_emu.chip.compile import progress_shown
    from ixp_emu.cluster.run import ClusterRun

    if resume is None:
        loaded = ClusterRun(config, threads=threads)
    else:
        from ixp_emu.cluster.checkpoint import load_checkpoint

        loaded = load_checkpoint(resume, threads=threads)
        difference = _difference(loaded.config.expanded(), config.expanded())
        if difference is not None:
            key, before, now = difference
            raise InputError(f"the checkpoint was made with {before}, now it is {now}", file=resume, key=key)
    with progress_shown():
        loaded.machine.advance(loaded.now)  # no cycle: compiles, so that the time of the run is that of the run
    return loaded


def _difference(saved: Any, now: Any, key: str = "") -> tuple[str, str, str] | None:
    """The first key in which two expanded configurations differ, with both values."""
    if isinstance(saved, dict) and isinstance(now, dict):
        for name in [*saved, *(name for name in now if name not in saved)]:
            found = _difference(saved.get(name), now.get(name), f"{key}.{name}" if key else name)
            if found is not None:
                return found
        return None
    return None if saved == now else (key, _shown(saved), _shown(now))


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)


class _Stopped(Exception):
    """Ctrl-C, at a moment when the run may be looked at."""


def _advance(cluster_run: ClusterRun, cycles: int | None) -> bool:
    """Run to the end; whether the user interrupted it."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:  # the second time at once
            raise KeyboardInterrupt
        asked = True

    with _progress_display(cluster_run) as display:

        def look(progress: Progress) -> None:
            display(progress)
            if asked:
                cluster_run.wall_seconds += progress.wall_seconds
                raise _Stopped

        before = signal.signal(signal.SIGINT, ask)
        try:
            cluster_run.run(cycles=cycles, progress=look)
        except _Stopped:
            return True
        finally:
            signal.signal(signal.SIGINT, before)
    return asked


@contextmanager
def _progress_display(cluster_run: ClusterRun) -> Iterator[Callable[[Progress], None]]:
    """Simulated time, packets and speed on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda progress: None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    begin, khz = cluster_run.now, cluster_run.config.hardware["me_clock_khz"]
    shown_at = 0.0

    with Live(console=Console(stderr=True), transient=True, auto_refresh=False) as live:

        def show(progress: Progress) -> None:
            nonlocal shown_at
            if progress.wall_seconds < shown_at + _REFRESH_SECONDS:
                return
            shown_at = progress.wall_seconds
            speed = (progress.cycles - begin) / progress.wall_seconds / 1e6
            text = f"{progress.cycles / khz:,.1f} ms simulated, {progress.resolved:,} of {progress.offered:,} packets"
            live.update(Text(f"{text}, {speed:.1f} M cycles/s"), refresh=True)

        yield show


def _finish(cluster_run: ClusterRun, *, report_file: Path | None, save: Path | None) -> bool:
    """Print and write what was asked for; whether the run has a fault."""
    from ixp_emu.report.build import build_report
    from ixp_emu.report.model import write_report
    from ixp_emu.report.terminal import print_report
    from ixp_emu.report.toml_text import toml_text

    if save is not None:
        from ixp_emu.cluster.checkpoint import save_checkpoint

        with writing(save):
            save_checkpoint(cluster_run, save)
    report = build_report(cluster_run.result())
    if report_file is not None:
        with writing(report_file):
            write_report(report, report_file)
        beside = Path(f"{report_file}.config.toml")
        origin = f"# ixpemu {report.version}, seed {report.run.seed}: the configuration of {report_file.name}\n"
        with writing(beside):
            beside.write_text(origin + toml_text(report.config), encoding="utf-8")
    print_report(report)
    return report.run.fault is not None


# --- the other commands ---------------------------------------------------------------------------------------------


@app.command()
def check(
    cluster: Annotated[Path, typer.Argument(metavar="CLUSTER.toml", help="The cluster to check.")],
    set_: _Set = None,
) -> None:
    """Say, without running, whether a cluster parses, assembles and fits, and how many cycles a packet may take."""
    from ixp_emu.cluster.admission import admit
    from ixp_emu.cluster.build import build_images
    from ixp_emu.cluster.config import load_config
    from ixp_emu.report.check_text import check_lines

    config = load_config(cluster, overrides=set_ or [])
    images = build_images(config)
    admit(config, images)
    for line in check_lines(config, images):
        print(line)
    print("OK")


@app.command()
def hardware(
    preset: Annotated[str, typer.Argument(metavar="PRESET", help="A hardware preset.")] = "ixp2400-600",
    set_: _Set = None,
) -> None:
    """Show every hardware value with its unit and its source."""
    from ixp_emu.chip.hardware import resolve_hardware
    from ixp_emu.report.hardware_table import print_hardware

    print_hardware(resolve_hardware(preset, _hardware_values(set_ or [])))


def _hardware_values(texts: Sequence[str]) -> dict[str, int]:
    """Hardware values by name from `--set [hardware.]NAME=INTEGER`."""
    values: dict[str, int] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            values[name.strip().removeprefix("hardware.")] = int(value.replace("_", ""))
        except ValueError:
            raise InputError("NAME=INTEGER expected", file=f"--set {text}") from None
    return values


@app.command()
def bench(
    json: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write the figures.")] = None,
    long: Annotated[
        bool, typer.Option("--long", help="Also many chips, two threads, and the first compilation.")
    ] = False,
) -> None:
    """Measure how fast the emulator is on this machine."""
    from ixp_emu.bench import run_bench

    check_writable(json)
    run_bench(json, long=long)


@app.command()
def calibrate(
    json: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write the rows.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write a page with table and figures.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="GROUP", help="A group of rows instead of all; may be repeated.")
    ] = None,
    set_: _Set = None,
) -> None:
    """Compare the running model with its parameters, closed forms and published trends."""
    from ixp_emu.calibrate import run_calibration
    from ixp_emu.chip.hardware import resolve_hardware

    for path in (json, html):
        check_writable(path)
    hardware = resolve_hardware(overrides=_hardware_values(set_ or []))
    found = run_calibration(hardware, json_path=json, html_path=html, only=only)
    raise typer.Exit(FAULT if found.failed else DONE)


app.command()(asm)
app.command()(disasm)


if __name__ == "__main__":
    main()
