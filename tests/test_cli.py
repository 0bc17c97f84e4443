"""The command line: exit codes, messages to the letter, and the files a run leaves."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ixp_emu import __version__
from ixp_emu.cli import main
from ixp_emu.cluster.config import load_config
from ixp_emu.report.conservation import InternalError
from ixp_emu.report.model import encode_report, read_report
from tests.report.tiny import CYCLES, report_of, write_cluster

EXAMPLE = Path(__file__).parents[1] / "examples" / "forward.toml"
STOP = "    ctx_arb[kill]\n"


def ixpemu(*arguments: object) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def complaints(errors: str) -> str:
    """Standard error without the words about compilation, which depend on who ran before."""
    return "".join(line for line in errors.splitlines(keepends=True) if not line.startswith("ixpemu: compil"))


# --- run ------------------------------------------------------------------------------------------------------------


def test_a_run_prints_and_leaves_report_and_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = write_cluster(tmp_path, STOP), tmp_path / "out.json"
    assert ixpemu("run", file, "--report", out, "--seed", 5, "--cycles", 500, "--set", "placement={}") == 0
    report = read_report(out)
    assert (report.run.cycles, report.run.seed, report.version) == (500, 5, __version__)
    assert capsys.readouterr().out.startswith("verdict     0 of 1 packets delivered, 1 in flight: ")
    left = Path(f"{out}.config.toml")
    assert left.read_text().startswith(f"# ixpemu {__version__}, seed 5: the configuration of out.json\n")
    assert tomllib.loads(left.read_text()) == report.config
    assert load_config(left).expanded() == report.config
    assert report.config["run"]["max_cycles"] == 500


def test_packets_are_those_of_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = write_cluster(tmp_path, STOP), tmp_path / "out.json"
    assert ixpemu("run", file, "--packets", 3, "--cycles", 20_000, "--report", out) == 0
    assert read_report(out).traffic.offered == 3
    assert complaints(capsys.readouterr().err) == ""


def test_a_fault_is_reported_and_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = write_cluster(tmp_path, "    ctx_arb[bpt]\n"), tmp_path / "out.json"
    assert ixpemu("run", file, "--report", out) == 1
    assert capsys.readouterr().out.startswith("verdict     FAULT chip a, cycle 0: ")
    assert read_report(out).run.fault is not None


def test_a_defect_is_loud(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise InternalError("2 and 2 are 5")

    monkeypatch.setattr("ixp_emu.report.build.check_conservation", broken)
    assert ixpemu("run", write_cluster(tmp_path, STOP)) == 1
    assert complaints(capsys.readouterr().err) == "ixpemu: internal error, a defect of ixpemu: 2 and 2 are 5\n"


def test_an_interrupted_run_reports_what_was_measured(tmp_path: Path) -> None:
    file, out = write_cluster(tmp_path, "loop#:\n    br[loop#]\n", cycles=10**15), tmp_path / "out.json"
    code = (
        "import os, signal, sys, threading\n"
        "from ixp_emu.cli import main\n"
        "from ixp_emu.cluster.run import ClusterRun\n"
        "plain = ClusterRun.run\n"
        "def interrupted(*args, **kwargs):\n"
        "    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "    plain(*args, **kwargs)\n"
        "ClusterRun.run = interrupted\n"
        "main(sys.argv[1:])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", str(file), "--report", str(out), "--set", f"run.stall_after={10**15}"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, complaints(done.stderr)) == (128 + signal.SIGINT, "")
    report = read_report(out)
    assert CYCLES < report.run.cycles < 10**15
    assert report.run.wall_seconds > 0
    assert not report.run.complete and report.run.fault is None


def test_the_command_reports_what_the_library_reports(tmp_path: Path) -> None:
    out, keys = tmp_path / "out.json", ["run.offered_packets=200", "run.warmup_packets=0", "traffic.rate=2 Gb/s"]
    assert ixpemu("run", EXAMPLE, "--report", out, *(text for key in keys for text in ("--set", key))) == 0
    (tmp_path / "library.json").write_bytes(encode_report(report_of(EXAMPLE, *keys)))
    assert report_without_host_time(out) == report_without_host_time(tmp_path / "library.json")


def report_without_host_time(file: Path) -> dict[str, object]:
    document = json.loads(file.read_bytes())
    for key in ("wall_seconds", "instructions_per_second", "slowdown"):
        del document["run"][key]
    return document  # type: ignore[no-any-return]


@pytest.mark.parametrize("threads", [1, 2])
def test_saved_and_resumed_the_report_is_the_same(tmp_path: Path, threads: int) -> None:
    options = ["--packets", 400, "--set", "run.warmup_packets=50", "--set", "traffic.sizes=64"]
    whole, part, end, saved = (tmp_path / name for name in ("whole.json", "part.json", "end.json", "saved"))
    assert ixpemu("run", EXAMPLE, *options, "--report", whole) == 0
    stop = read_report(whole).run.cycles // 3
    assert ixpemu("run", EXAMPLE, *options, "--cycles", stop, "--save", saved, "--report", part) == 0
    assert read_report(part).run.cycles == stop
    assert ixpemu("run", EXAMPLE, *options, "--resume", saved, "--threads", threads, "--report", end) == 0
    assert report_without_host_time(end) == report_without_host_time(whole)
    assert report_without_host_time(part) != report_without_host_time(whole)


def test_a_checkpoint_of_another_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, saved = write_cluster(tmp_path, STOP), tmp_path / "saved"
    assert ixpemu("run", file, "--cycles", 100, "--save", saved) == 0
    capsys.readouterr()
    message = complaint(capsys, tmp_path, "run", file, "--seed", 2, "--resume", saved)
    assert message == "ixpemu: saved: run.seed: the checkpoint was made with 1, now it is 2"


def test_a_checkpoint_does_not_run_backwards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It can stop where it stands (then nothing runs), and not before."""
    options = ["--packets", 20, "--set", "run.warmup_packets=0"]
    saved = tmp_path / "saved"
    assert ixpemu("run", EXAMPLE, *options, "--cycles", 5_000, "--save", saved) == 0
    assert ixpemu("run", EXAMPLE, *options, "--cycles", 5_000, "--resume", saved) == 0
    capsys.readouterr()
    message = complaint(capsys, tmp_path, "run", EXAMPLE, *options, "--cycles", 4_999, "--resume", saved)
    assert message == "ixpemu: --cycles: 4,999, but the checkpoint is at cycle 5,000"


# --- bad input ------------------------------------------------------------------------------------------------------


def complaint(capsys: pytest.CaptureFixture[str], directory: Path, *arguments: object) -> str:
    """The one message of a command that fails for bad input, without the directory."""
    assert ixpemu(*arguments) == 2
    captured = capsys.readouterr()
    errors = complaints(captured.err)
    assert captured.out == ""
    assert "Traceback" not in errors
    assert errors.endswith("\n")
    return errors.replace(f"{directory}{os.sep}", "").removesuffix("\n")


def test_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("run", "check"):
        assert complaint(capsys, tmp_path, command, tmp_path / "none.toml") == "ixpemu: none.toml: no such file"


def test_binary_junk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "junk.toml").write_bytes(b"schema = 1\n\x7fELF\x02\xff\x00")
    message = complaint(capsys, tmp_path, "run", tmp_path / "junk.toml")
    assert message == "ixpemu: junk.toml:2: not a text file in UTF-8: byte 0xff at offset 16"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "max_cycles",
            "max_cycle",
            'cluster.toml:4: run.max_cycle: unknown key; did you mean "max_cycles"?',
        ),
        (
            "max_cycles = 1000",
            'max_cycles = "many"',
            "cluster.toml:4: run.max_cycles: expected an integer from 1 to 9_223_372_036_854_775_807; "
            'got the string "many"',
        ),
        (
            "offered_packets = 1",
            "offered_packets = -1",
            "cluster.toml:3: run.offered_packets: expected an integer from 1 to 4_294_967_296; got the integer -1",
        ),
    ],
)
def test_unknown_key_wrong_type_and_negative_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str
) -> None:
    file = write_cluster(tmp_path, STOP)
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    assert complaint(capsys, tmp_path, "check", file) == f"ixpemu: {message}"


@pytest.mark.parametrize(
    ("option", "key", "rule"),
    [
        ("--packets", "run.offered_packets", "expected an integer from 1 to 4_294_967_296"),
        ("--cycles", "run.max_cycles", "expected an integer from 1 to 9_223_372_036_854_775_807"),
        ("--seed", "run.seed", "expected an integer from 0 to 9_223_372_036_854_775_807"),
    ],
)
def test_a_negative_count_names_the_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, key: str, rule: str
) -> None:
    message = complaint(capsys, tmp_path, "run", write_cluster(tmp_path, STOP), option, -1)
    assert message == f"ixpemu: {option} -1: {key}: {rule}; got the integer -1"


def test_program_too_long(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ixpemu("check", write_cluster(tmp_path, "    nop\n" * 4_095)) == 0
    capsys.readouterr()
    message = complaint(
        capsys, tmp_path, "check", write_cluster(tmp_path, "    nop\n" * 4_096)
    )  # and the media command behind
    assert message == "ixpemu: main.uc:4097: program too long: 4097 words, 4096 available"


def test_unknown_opcodes_each_with_their_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = complaint(capsys, tmp_path, "run", write_cluster(tmp_path, "    nop\n    frobnicate[a]\n    twiddle\n"))
    assert message.splitlines() == [
        "ixpemu: main.uc:2: unknown instruction or macro 'frobnicate'",
        "ixpemu: main.uc:3: unknown instruction or macro 'twiddle'",
    ]


def test_unplaceable_structure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    declaration = ".structure table element_bytes=4 count=5000 align=4 access=read sharing=chip\n"
    file = write_cluster(tmp_path, declaration + STOP)
    message = complaint(capsys, tmp_path, "check", file, "--set", "placement.table=scratch")
    assert message == (
        "ixpemu: --set placement.table=scratch: placement.table: table: 20,000 bytes in scratch, 16,384 left"
    )


def test_truncated_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "cut.pcap"
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)
    trace.write_bytes(header + struct.pack("<IIII", 0, 0, 60, 60) + bytes(59))
    file = write_cluster(tmp_path, STOP)
    message = complaint(capsys, tmp_path, "run", file, "--set", f"traffic.pcap={trace}")
    assert message == "ixpemu: cut.pcap: packet 1: file ends after 59 of its 60 bytes"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing command."),
        (["run"], "Missing argument 'CLUSTER.toml'."),
        (["rum"], "No such command 'rum'."),
        (["run", "--nope"], "No such option: --nope"),
        (["run", "x.toml", "--packets", "few"], "Invalid value for '--packets': "),
        (["run", "x.toml", "--threads", "0"], "Invalid value for '--threads': "),
        (["hardware", "ixp1200"], 'hardware.preset: no preset "ixp1200"; there are ixp2400-600, ixp2400-400'),
        (["hardware", "--set", "dram.cas=0"], "hardware.dram.cas: 0 is outside 1..100 cycles"),
        (["hardware", "--set", "dram.cas"], "--set dram.cas: NAME=INTEGER expected"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    text = complaint(capsys, tmp_path, *arguments)
    assert text.startswith(f"ixpemu: {message}")
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("option", ["--report", "--save"])
def test_output_that_cannot_be_written_is_found_before_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    file = write_cluster(tmp_path, STOP, cycles=10**15)
    message = complaint(capsys, tmp_path, "run", file, option, tmp_path / "none" / "out")
    assert message == "ixpemu: none: no such directory"
    (tmp_path / "folder").mkdir()
    message = complaint(capsys, tmp_path, "run", file, option, tmp_path / "folder")
    assert message == "ixpemu: folder: a directory, not a file to write"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_no_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ixpemu("run", write_cluster(tmp_path, STOP), "--report", "/dev/full") == 2
    assert complaints(capsys.readouterr().err) == "ixpemu: /dev/full: cannot be written: No space left on device\n"


# --- the other commands ---------------------------------------------------------------------------------------------


def test_check_ends_with_ok(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ixpemu("check", write_cluster(tmp_path, STOP)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[-1]) == ("chip a", "OK")


def test_hardware_shows_presets_and_changes(capsys: pytest.CaptureFixture[str]) -> None:
    assert ixpemu("hardware", "ixp2400-400", "--set", "hardware.dram.cas=11", "--set", "sram.size_bytes=1_048_576") == 0
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if line}
    assert rows["me_clock_khz"][1] == "400_000"
    assert rows["dram.cas"][1] == "11"
    assert rows["sram.size_bytes"][1] == "1_048_576"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert ixpemu("--version") == 0
    assert capsys.readouterr().out == f"ixpemu {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["hardware"]])
def test_commands_that_run_nothing_do_without_the_compiler(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from ixp_emu.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "assert 'numba' not in sys.modules and 'numpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)


def test_check_does_without_the_compiler() -> None:
    code = (
        "import sys\n"
        "from ixp_emu.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "assert 'numba' not in sys.modules and 'llvmlite' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, "check", str(EXAMPLE)], check=True, capture_output=True)
