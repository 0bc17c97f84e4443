"""Checkpoints: taken anywhere, resumed by another process, the end is the same; damaged ones are bad input."""

from __future__ import annotations

import json
import random
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ixp_emu.cluster.checkpoint import load_checkpoint, save_checkpoint
from ixp_emu.cluster.frames import Frames
from ixp_emu.cluster.pcap import write_pcap
from ixp_emu.errors import InputError
from tests.cluster.forwarder import new_run, report_of
from tests.microcode.forwarding import ipv4

_RESUME = """\
import json, sys
from ixp_emu.cluster.checkpoint import load_checkpoint
from tests.cluster.forwarder import report_of

threads, *files = sys.argv[1:]
reports = []
for file in files:
    run = load_checkpoint(file, threads=int(threads))
    run.run()
    reports.append(report_of(run))
    run.machine.close()
print(json.dumps(reports))
"""


def resumed_elsewhere(files: list[Path], *, threads: int) -> list[object]:
    """The reports of runs resumed in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", _RESUME, str(threads), *map(str, files)],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2], timeout=120,
    )  # fmt: skip
    reports: list[object] = json.loads(done.stdout)
    return reports


def generated(folder: Path) -> list[str]:
    return ["traffic.rate=2 Gb/s"]


def trace(folder: Path) -> list[str]:
    rng = random.Random(3)
    frames = [
        ipv4(rng.choice((60, 570, 1514)), source=rng.randrange(50), destination=0x0A000000 + (n % 11 << 16))
        for n in range(250)
    ]
    file = folder / "trace.pcap"
    write_pcap(file, Frames.from_bytes(frames), timestamp_ns=np.arange(len(frames), dtype=np.uint64))
    return [f"traffic.pcap={file}"]


@pytest.mark.parametrize("traffic", [generated, trace])
def test_resumed_in_a_new_process_the_report_is_the_same(tmp_path: Path, traffic: object) -> None:
    assert callable(traffic)
    overrides = [*traffic(tmp_path), "run.warmup_packets=120"]
    whole = new_run(*overrides, packets=250)
    whole.run()
    wanted = json.loads(json.dumps(report_of(whole)))
    rng = random.Random(5)
    cuts = sorted(rng.randrange(1, whole.now) for _ in range(5))
    files, warm, on_link = [], [], []
    run = new_run(*overrides, packets=250)

    def save_here() -> None:
        files.append(tmp_path / f"{run.now}.checkpoint")
        warm.append(run.warm is not None)
        on_link.append(run.machine.cabling.frames_on_links() > 0)
        save_checkpoint(run, files[-1])

    for cut in cuts:
        run.run(cycles=cut)
        save_here()
    assert {False, True} == set(warm)
    # once more where a frame is on the link
    run = new_run(*overrides, packets=250)
    while run.machine.cabling.frames_on_links() == 0:
        run.run(cycles=run.now + 100)
    save_here()
    assert on_link[-1]
    for threads in (1, 2):
        assert resumed_elsewhere(files, threads=threads) == [wanted] * len(files)


def test_saved_twice_on_the_way_the_report_is_the_same(tmp_path: Path) -> None:
    whole = new_run()
    whole.run()
    run = new_run()
    for cut in (50_000, 120_000, 120_001):
        run.run(cycles=cut)
        save_checkpoint(run, tmp_path / "saved")
        run = load_checkpoint(tmp_path / "saved", threads=2)
        assert run.now == cut
    run.run()
    assert report_of(run) == report_of(whole)


def test_a_fault_after_a_resumption_is_the_same(tmp_path: Path) -> None:
    # The first chip has no free buffer any more: receive waits for ever.
    overrides = ["programs.tx.define={ BUFFERS = 33 }", "programs.rx.define={ BUFFERS = 33 }", "run.stall_after=50_000"]
    overrides += ["programs.forward.define={ BUFFERS = 33 }", "traffic.sizes=64", "hardware.mac.rx_fifo_bytes=2_048"]
    whole = new_run(*overrides)
    whole.run()
    run = new_run(*overrides)
    run.run(cycles=100_000)
    save_checkpoint(run, tmp_path / "saved")
    resumed = load_checkpoint(tmp_path / "saved")
    resumed.run()
    assert report_of(resumed) == report_of(whole)


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good checkpoint."""
    folder = tmp_path_factory.mktemp("saved")
    run = new_run(*trace(folder), packets=100)
    run.run(cycles=60_000)
    save_checkpoint(run, folder / "good")
    load_checkpoint(folder / "good")
    return folder / "good"


def message_of(file: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_checkpoint(file)
    text = str(caught.value)
    assert text.startswith(f"{file}: ") and "\n" not in text
    return text.removeprefix(f"{file}: ")


def test_missing_directory_and_foreign_files(tmp_path: Path) -> None:
    assert message_of(tmp_path / "none") == "no such file"
    assert message_of(tmp_path) == "cannot be read: Is a directory"
    (tmp_path / "text").write_text("[run]\nseed = 1\n")
    assert message_of(tmp_path / "text") == "is no checkpoint of ixpemu, or a damaged one (File is not a zip file)"
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    assert message_of(tmp_path / "zip").startswith("is no checkpoint of ixpemu, or a damaged one (")


def test_a_truncated_file(saved: Path, tmp_path: Path) -> None:
    content = saved.read_bytes()
    for length in (0, 1, 100, len(content) // 2, len(content) - 1):
        (tmp_path / "cut").write_bytes(content[:length])
        assert "is no checkpoint of ixpemu, or a damaged one (" in message_of(tmp_path / "cut")


def flip(content: bytes, position: int, bit: int, target: Path) -> Path:
    """A copy with one bit changed."""
    damaged = bytearray(content)
    damaged[position] ^= 1 << bit
    target.write_bytes(damaged)
    return target


def test_a_flipped_bit_anywhere_is_an_input_error_or_harmless(saved: Path, tmp_path: Path) -> None:
    """A zip archive has a checksum of every member; what it does not cover may change without effect."""
    content = saved.read_bytes()
    good = load_checkpoint(saved)
    good.run()
    wanted = report_of(good)
    rng = random.Random(9)
    for _ in range(8):
        damaged = flip(content, rng.randrange(len(content)), rng.randrange(8), tmp_path / "flipped")
        try:
            run = load_checkpoint(damaged)
        except InputError:
            continue
        run.run()
        assert report_of(run) == wanted


def _reads_as(good: Path, other: Path, member: str) -> bool:
    """Whether a member of two archives unpacks to the same bytes."""
    try:
        with zipfile.ZipFile(good) as first, zipfile.ZipFile(other) as second:
            return first.read(member) == second.read(member)
    except (zipfile.BadZipFile, zlib.error, EOFError):
        return False


def test_a_flipped_bit_in_a_member_is_an_input_error(saved: Path, tmp_path: Path) -> None:
    """The data of every member but its last byte, whose upper bits the compression may leave unused."""
    content = saved.read_bytes()
    rng = random.Random(11)
    with zipfile.ZipFile(saved) as archive:
        members = [member for member in archive.infolist() if member.compress_size > 8]
    refused = 0
    for member in rng.sample(members, 8):
        name, extra = struct.unpack_from("<HH", content, member.header_offset + 26)
        first = member.header_offset + 30 + name + extra
        position = first + rng.randrange(member.compress_size - 1)
        flipped = flip(content, position, rng.randrange(8), tmp_path / "flipped")
        if _reads_as(saved, flipped, member.filename):
            continue  # a bit of a code that the member does not use
        refused += 1
        assert "is no checkpoint of ixpemu, or a damaged one (" in message_of(flipped)
    assert refused > 4


def rewritten(saved: Path, target: Path, *, without: str = "", **state: object) -> Path:
    """A copy of a checkpoint with other values in its state, or without a member."""
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            content = source.read(name)
            if name == "state.json":
                content = json.dumps(json.loads(content) | state).encode()
            if name != without:
                archive.writestr(name, content)
    return target


def test_another_version_program_or_trace(saved: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert message_of(rewritten(saved, other, version="0.0")).startswith("was saved by ixpemu 0.0; this is ")
    assert message_of(rewritten(saved, other, record_bytes=1)).endswith("with another state layout")
    assert message_of(rewritten(saved, other, programs={})).endswith("has changed since the checkpoint was saved")
    assert message_of(rewritten(saved, other, traffic="")) == (
        "the offered packets have changed since the checkpoint was saved"
    )
    assert message_of(rewritten(saved, other, without="chips.pages.npy")) == (
        "is no checkpoint of ixpemu, or a damaged one ('chips.pages')"
    )
    assert message_of(rewritten(saved, other, run={})) == "is no checkpoint of ixpemu, or a damaged one ('arena')"
    assert "unknown key" in message_of(rewritten(saved, other, config={"schema": 1, "nothing": 1}))


@pytest.mark.parametrize("key", ["config", "programs", "traffic", "run"])
@pytest.mark.parametrize("value", [None, [], 3, "text"])
def test_a_state_of_the_wrong_type(saved: Path, tmp_path: Path, key: str, value: object) -> None:
    state: dict[str, Any] = {key: value}
    message_of(rewritten(saved, tmp_path / "other", **state))


def test_other_unsettled_facts(saved: Path, tmp_path: Path) -> None:
    file = rewritten(saved, tmp_path / "other", unsettled={"ffs_of_zero": 32, "shadow_br": 1})
    assert message_of(file) == ("was saved with IXPEMU_UNSETTLED='ffs_of_zero=32,shadow_br=1'; now it is ''")
    assert "is no checkpoint of ixpemu" in message_of(rewritten(saved, tmp_path / "wrong", unsettled=[1]))
