"""Capture files: dpkt is the independent writer and reader; every cut or damaged file is an InputError."""

from __future__ import annotations

import gzip
import io
import os
import struct
from pathlib import Path

import dpkt  # type: ignore[import-untyped]
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ixp_emu.cluster.frames import Frames
from ixp_emu.cluster.pcap import read_pcap, write_pcap
from ixp_emu.errors import InputError

TRACES = Path(os.environ.get("IXPEMU_TRACES", Path(__file__).parents[3] / "shared" / "traces"))
CONTENTS = [bytes(range(14)), b"\xab" * 61, b"\x55" * 1514]
STAMPS_NS = [1_700_000_000_123_456_789, 1_700_000_000_123_456_000, 1_700_000_001_000_000_001]


def pcap(
    *,
    order: str = "<",
    nanoseconds: bool = True,
    link: int = 1,
    packets: list[bytes] | None = None,
    missing: int = 0,
) -> bytes:
    """A pcap file; of the last packet, `missing` bytes more were on the wire than are captured."""
    contents = CONTENTS if packets is None else packets
    content = struct.pack(order + "IHHiIII", 0xA1B23C4D if nanoseconds else 0xA1B2C3D4, 2, 4, 0, 0, 65_535, link)
    for number, (frame, stamp) in enumerate(zip(contents, STAMPS_NS, strict=False)):
        seconds, ns = divmod(stamp, 10**9)
        original = len(frame) + (missing if number == len(contents) - 1 else 0)
        content += struct.pack(order + "IIII", seconds, ns if nanoseconds else ns // 1_000, len(frame), original)
        content += frame
    return content


def block(order: str, kind: int, body: bytes) -> bytes:
    size = 12 + len(body) + -len(body) % 4
    return struct.pack(order + "II", kind, size) + body + bytes(-len(body) % 4) + struct.pack(order + "I", size)


def section(order: str) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(
    order: str, *, link: int = 1, snap_bytes: int = 0, options: list[tuple[int, bytes]] | None = None
) -> bytes:
    body = struct.pack(order + "HHI", link, 0, snap_bytes)
    for code, value in options or []:
        body += struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)
    return block(order, 1, body + struct.pack(order + "HH", 0, 0))


def enhanced(order: str, frame: bytes, units: int, *, number: int = 0) -> bytes:
    header = struct.pack(order + "IIIII", number, units >> 32, units & 0xFFFF_FFFF, len(frame), len(frame))
    return block(order, 6, header + frame)


def pcapng(order: str = "<") -> bytes:
    """All three packets, through interfaces of nanoseconds, of microseconds and of 2^-10 s with an offset."""
    seconds, ns = divmod(STAMPS_NS[2], 10**9)
    return (
        section(order)
        + interface(order, options=[(9, b"\x09")])
        + interface(order)
        + interface(order, options=[(9, b"\x8a"), (14, struct.pack(order + "q", seconds))])
        + block(order, 5, bytes(16))
        + enhanced(order, CONTENTS[0], STAMPS_NS[0])
        + enhanced(order, CONTENTS[1], STAMPS_NS[1] // 1_000, number=1)
        + enhanced(order, CONTENTS[2], ns * 1024 // 10**9, number=2)
    )


def write(folder: Path, content: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(content)
    return path


def contents_of(frames: Frames) -> list[bytes]:
    return [frames.bytes_of(i) for i in range(len(frames))]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [True, False])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_pcap_of_any_order_resolution_and_compression(
    tmp_path: Path, order: str, nanoseconds: bool, compress: type[bytes]
) -> None:
    capture = read_pcap(write(tmp_path, compress(pcap(order=order, nanoseconds=nanoseconds))))
    assert contents_of(capture.frames) == CONTENTS
    resolution = 1 if nanoseconds else 1_000
    assert capture.timestamp_ns.tolist() == [stamp // resolution * resolution for stamp in STAMPS_NS]
    assert capture.truncated == 0


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_pcapng_with_interfaces_of_different_clocks(tmp_path: Path, order: str, compress: type[bytes]) -> None:
    capture = read_pcap(write(tmp_path, compress(pcapng(order))))
    assert contents_of(capture.frames) == CONTENTS
    assert capture.timestamp_ns.tolist() == [STAMPS_NS[0], STAMPS_NS[1], STAMPS_NS[2] // 10**9 * 10**9]


def test_pcapng_sections_of_both_orders_in_one_file(tmp_path: Path) -> None:
    capture = read_pcap(write(tmp_path, pcapng("<") + pcapng(">")))
    assert contents_of(capture.frames) == CONTENTS * 2


def test_pcapng_simple_packet_takes_the_time_before_and_the_snap_length(tmp_path: Path) -> None:
    simple = block("<", 3, struct.pack("<I", 20) + bytes(16))
    content = section("<") + interface("<", snap_bytes=16) + enhanced("<", CONTENTS[0], 77) + simple
    capture = read_pcap(write(tmp_path, content), allow_truncated=True)
    assert capture.timestamp_ns.tolist() == [77_000, 77_000]
    assert capture.frames.length.tolist() == [14, 20]
    assert capture.truncated == 1


def test_files_that_dpkt_writes_read_back(tmp_path: Path) -> None:
    for writer_type in (dpkt.pcap.Writer, dpkt.pcapng.Writer):
        with (tmp_path / "dpkt").open("wb") as file:
            writer = writer_type(file)
            for number, frame in enumerate(CONTENTS):
                writer.writepkt(frame, ts=1_000 + number)
        capture = read_pcap(tmp_path / "dpkt")
        assert contents_of(capture.frames) == CONTENTS
        assert capture.timestamp_ns.tolist() == [(1_000 + number) * 10**9 for number in range(3)]


def test_what_is_written_is_read_back_by_dpkt_and_by_us(tmp_path: Path) -> None:
    frames = Frames.from_bytes(CONTENTS)
    write_pcap(tmp_path / "out", frames, timestamp_ns=np.array(STAMPS_NS, dtype=np.uint64))
    content = (tmp_path / "out").read_bytes()
    assert content == pcap()[:16] + content[16:20] + pcap()[20:]  # all but the snap length
    reader = dpkt.pcap.Reader(io.BytesIO(content))
    assert reader.datalink() == dpkt.pcap.DLT_EN10MB
    assert [frame for _, frame in reader] == CONTENTS
    capture = read_pcap(tmp_path / "out")
    assert contents_of(capture.frames) == CONTENTS
    assert capture.timestamp_ns.tolist() == STAMPS_NS


def test_write_wants_one_stamp_per_frame(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^2 stamps for 3 frames$"):
        write_pcap(tmp_path / "out", Frames.from_bytes(CONTENTS), timestamp_ns=np.zeros(2, dtype=np.uint64))


SMALL = [bytes(range(14)), bytes(20)]


@pytest.mark.parametrize(
    ("content", "good_cuts"),
    [
        (pcap(packets=SMALL), {24 + 16 + 14, 24 + 16 + 14 + 16 + 20}),
        (
            section("<") + interface("<") + enhanced("<", SMALL[0], 1) + enhanced("<", SMALL[1], 2),
            {28 + 24 + 48, 28 + 24 + 48 + 52},
        ),
        (gzip.compress(pcap(packets=SMALL)), {len(gzip.compress(pcap(packets=SMALL)))}),
    ],
    ids=["pcap", "pcapng", "gzip"],
)
def test_a_file_cut_anywhere_but_behind_a_packet_is_an_input_error(
    tmp_path: Path, content: bytes, good_cuts: set[int]
) -> None:
    for cut in range(len(content) + 1):
        path = write(tmp_path, content[:cut])
        if cut in good_cuts:
            assert contents_of(read_pcap(path).frames) in (SMALL[:1], SMALL)
        else:
            with pytest.raises(InputError):
                read_pcap(path)


@pytest.mark.parametrize("content", [pcap(), pcapng(), gzip.compress(pcap())], ids=["pcap", "pcapng", "gzip"])
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    damage=st.lists(st.tuples(st.integers(0, 250), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.integers(0, 2_000),
)
def test_damage_never_raises_anything_else(
    tmp_path: Path, content: bytes, damage: list[tuple[int, int]], cut: int
) -> None:
    damaged = bytearray(content[: max(cut, 251)])
    for at, value in damage:
        if at < len(damaged):
            damaged[at] = value
    for allow_truncated in (False, True):
        try:
            capture = read_pcap(write(tmp_path, bytes(damaged)), allow_truncated=allow_truncated)
        except InputError:
            continue
        assert len(capture.frames) > 0


def test_a_packet_captured_in_part_is_refused_unless_allowed_and_then_filled_with_zeros(tmp_path: Path) -> None:
    path = write(tmp_path, pcap(missing=3))
    with pytest.raises(InputError) as error:
        read_pcap(path)
    rule = "packet 3: only 1514 of 1517 bytes captured; capture whole packets or allow it"
    assert str(error.value) == f"{path}: {rule}"
    capture = read_pcap(path, allow_truncated=True)
    assert contents_of(capture.frames) == [*CONTENTS[:2], CONTENTS[2] + bytes(3)]
    assert capture.truncated == 1


def test_a_captured_frame_check_sequence_is_cut_off(tmp_path: Path) -> None:
    with_fcs = [frame + b"FCS!" for frame in CONTENTS]
    assert contents_of(read_pcap(write(tmp_path, pcap(packets=with_fcs, link=0x2400_0001))).frames) == CONTENTS
    content = section("<") + interface("<", options=[(13, b"\x20")])
    content += b"".join(enhanced("<", frame, 0) for frame in with_fcs)
    assert contents_of(read_pcap(write(tmp_path, content)).frames) == CONTENTS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "starts with nothing, neither a pcap nor a pcapng file (gzip-compressed or not)"),
        (b"hello", "starts with 68656c6c, neither a pcap nor a pcapng file (gzip-compressed or not)"),
        (pcap()[:24], "holds no packets"),
        (pcap()[:20], "byte 20: file ends inside the 24-byte file header"),
        (pcap(link=101), "byte 20: link type 101, only Ethernet (1) is read"),
        (pcap()[:30], "packet 1: file ends inside the record header at byte 24"),
        (pcap()[:60], "packet 2: file ends inside the record header at byte 54"),
        (pcap()[:-1], "packet 3: file ends after 1513 of its 1514 bytes"),
        (pcap(missing=-1), "packet 3: 1514 bytes captured of 1513, more than the packet has"),
        (pcap(missing=64_022), "packet 3: 65536 bytes, at most 65535 are read"),
        (pcap(packets=[bytes(13)]), "packet 1: 13 bytes, an Ethernet header has 14"),
        (section("<") + enhanced("<", CONTENTS[0], 1), "packet 1: interface 0, its section has described 0"),
        (
            section("<") + interface("<", link=105) + enhanced("<", CONTENTS[0], 1),
            "packet 1: link type 105, only Ethernet (1) is read",
        ),
        (section("<")[:-4] + bytes(4), "byte 0: block length 28 at its start, 0 at its end"),
        (section("<") + interface("<")[:-1], "byte 28: file ends after 23 of the block's 24 bytes"),
    ],
)
def test_messages_name_the_place_and_the_rule(tmp_path: Path, content: bytes, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(InputError) as error:
        read_pcap(path)
    assert str(error.value) == f"{path}: {message}"


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read_pcap(tmp_path / "none.pcap")
    assert str(error.value) == f"{tmp_path / 'none.pcap'}: cannot be read: No such file or directory"


@pytest.mark.skipif(not TRACES.is_dir(), reason="the real traces are not here")
@pytest.mark.parametrize("trace", sorted(TRACES.glob("*.pcap*")), ids=lambda path: path.name)
def test_real_traces_read_as_dpkt_reads_them(trace: Path) -> None:
    content = trace.read_bytes()
    reader = dpkt.pcap.Reader(io.BytesIO(gzip.decompress(content) if trace.suffix == ".gz" else content))
    expected = [(round(stamp * 1e6), frame) for stamp, frame in reader]
    capture = read_pcap(trace)
    assert contents_of(capture.frames) == [frame for _, frame in expected]
    assert (capture.timestamp_ns // np.uint64(1_000)).tolist() == [stamp for stamp, _ in expected]
