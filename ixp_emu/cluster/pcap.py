"""Captures: pcap and pcapng files to frames, and frames to pcap.

The formats are read here rather than by a library because every fault must be named by its place: the permissive
BSD reader at hand (dpkt) passes cut packets on in silence, rounds nanoseconds to a float and knows one pcapng
interface. It is the oracle of the tests instead. Sources: IETF drafts draft-ietf-opsawg-pcap and
draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ixp_emu.cluster.frame_kernels import copy_frames
from ixp_emu.cluster.frames import Frames, slot_offsets
from ixp_emu.errors import InputError

__all__ = ["Capture", "read_pcap", "write_pcap"]

_ETHERNET = 1
_ETHERNET_HEADER_BYTES = 14
_MAXIMUM_CAPTURED_BYTES = 262_144  # libpcap's MAXIMUM_SNAPLEN
_MAXIMUM_ORIGINAL_BYTES = 65_535

_GZIP_MAGIC = b"\x1f\x8b"
_PCAP_NS_PER_UNIT = {0xA1B2_C3D4: 1_000, 0xA1B2_3C4D: 1}
_PCAP_HEADER_BYTES = 24
_PCAP_RECORD_BYTES = 16

_SECTION_HEADER = 0x0A0D_0D0A
_BYTE_ORDER_MAGIC = 0x1A2B_3C4D
_INTERFACE_DESCRIPTION = 1
_OLD_PACKET = 2
_SIMPLE_PACKET = 3
_ENHANCED_PACKET = 6
_OPTION_TIME_RESOLUTION = 9
_OPTION_FCS_LENGTH = 13
_OPTION_TIME_OFFSET = 14


@dataclass(frozen=True, eq=False, slots=True)
class Capture:
    """What a capture file holds.

    Attributes:
        frames: the frames in file order; arrival and port 0, no flow, no tag; lengths as captured (without FCS).
        timestamp_ns: uint64, nanoseconds of each frame since the epoch, as in the file: it may go backwards.
        truncated: how many frames were captured in part and filled up with zeros.
    """

    frames: Frames
    timestamp_ns: npt.NDArray[np.uint64]
    truncated: int


def read_pcap(path: str | Path, *, allow_truncated: bool = False) -> Capture:
    """Read a pcap or pcapng file, gzip-compressed or not (told by content, not by name).

    A packet captured in part is refused by default: what would be forwarded, searched or counted is not what was
    on the wire, and skipping it would change flows and load in silence. With `allow_truncated` the missing bytes are
    zeros: size and time on the wire stay right, contents do not.

    Args:
        path: pcap (both byte orders, micro- and nanoseconds) or pcapng, Ethernet only.
        allow_truncated: accept packets captured in part.

    Raises:
        InputError: no such file, not a capture, not Ethernet, cut off, inconsistent, or without packets; the message
            has the packet's number (from 1) or the byte offset in the uncompressed file.
    """
    content = _read_content(Path(path))
    records = _Records(path=path, content=content, allow_truncated=allow_truncated)
    magic = content[:4]
    if len(magic) == 4 and struct.unpack("<I", magic)[0] == _SECTION_HEADER:
        _scan_pcapng(content, records)
    else:
        for order in "<>":
            if len(magic) == 4 and (ns_per_unit := _PCAP_NS_PER_UNIT.get(struct.unpack(order + "I", magic)[0])):
                _scan_pcap(content, records, order=order, ns_per_unit=ns_per_unit)
                break
        else:
            raise InputError(
                f"starts with {magic.hex() or 'nothing'}, neither a pcap nor a pcapng file (gzip-compressed or not)",
                file=path,
            )
    return records.capture()


@dataclass
class _Records:
    """The packets found so far: where each lies in the content."""

    path: str | Path
    content: bytes
    allow_truncated: bool
    start: array[int] = field(default_factory=lambda: array("Q"))
    captured: array[int] = field(default_factory=lambda: array("I"))
    original: array[int] = field(default_factory=lambda: array("I"))
    timestamp_ns: array[int] = field(default_factory=lambda: array("Q"))
    truncated: int = 0

    def error(self, rule: str, *, at: int | None = None) -> InputError:
        place = f"packet {len(self.start) + 1}" if at is None else f"byte {at}"
        return InputError(f"{place}: {rule}", file=self.path)

    def add(self, *, start: int, captured: int, original: int, timestamp_ns: int, fcs_bytes: int) -> None:
        if captured > original:
            raise self.error(f"{captured} bytes captured of {original}, more than the packet has")
        if original > _MAXIMUM_ORIGINAL_BYTES:
            raise self.error(f"{original} bytes, at most {_MAXIMUM_ORIGINAL_BYTES} are read")
        if captured < original:
            if not self.allow_truncated:
                raise self.error(f"only {captured} of {original} bytes captured; capture whole packets or allow it")
            self.truncated += 1
        original -= fcs_bytes
        captured = min(captured, original)
        if captured < _ETHERNET_HEADER_BYTES:
            raise self.error(f"{captured} bytes, an Ethernet header has {_ETHERNET_HEADER_BYTES}")
        if not 0 <= timestamp_ns < 1 << 63:
            raise self.error(f"time {timestamp_ns} ns, 0 to 2^63 - 1 expected")
        self.start.append(start)
        self.captured.append(captured)
        self.original.append(original)
        self.timestamp_ns.append(timestamp_ns)

    def capture(self) -> Capture:
        if not self.start:
            raise InputError("holds no packets", file=self.path)
        length = np.array(self.original, dtype=np.uint32)
        offset, arena_bytes = slot_offsets(length)
        data = np.zeros(arena_bytes, dtype=np.uint8)
        content = np.frombuffer(self.content, dtype=np.uint8)
        start = np.array(self.start, dtype=np.uint64)
        copy_frames(content, start, np.array(self.captured, dtype=np.uint32), data, offset)
        return Capture(
            frames=Frames.of_arena(data, offset, length),
            timestamp_ns=np.array(self.timestamp_ns, dtype=np.uint64),
            truncated=self.truncated,
        )


def _read_content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error, struct.error) as error:
        raise InputError(f"damaged gzip data: {error}", file=path) from None


def _scan_pcap(content: bytes, records: _Records, *, order: str, ns_per_unit: int) -> None:
    if len(content) < _PCAP_HEADER_BYTES:
        raise records.error(f"file ends inside the {_PCAP_HEADER_BYTES}-byte file header", at=len(content))
    link = struct.unpack_from(order + "I", content, 20)[0]
    if link & 0xFFFF != _ETHERNET:
        raise records.error(f"link type {link & 0xFFFF}, only Ethernet ({_ETHERNET}) is read", at=20)
    fcs_bytes = 2 * (link >> 28) if link & 0x0400_0000 else 0
    header = struct.Struct(order + "IIII")
    position, end = _PCAP_HEADER_BYTES, len(content)
    while position < end:
        if end - position < _PCAP_RECORD_BYTES:
            raise records.error(f"file ends inside the record header at byte {position}")
        seconds, units, captured, original = header.unpack_from(content, position)
        position += _PCAP_RECORD_BYTES
        if captured > _MAXIMUM_CAPTURED_BYTES:
            raise records.error(f"captured length {captured}, at most {_MAXIMUM_CAPTURED_BYTES} are possible")
        if end - position < captured:
            raise records.error(f"file ends after {end - position} of its {captured} bytes")
        timestamp_ns = seconds * 1_000_000_000 + units * ns_per_unit
        records.add(
            start=position, captured=captured, original=original, timestamp_ns=timestamp_ns, fcs_bytes=fcs_bytes
        )
        position += captured


@dataclass(frozen=True, slots=True)
class _Interface:
    link: int
    snap_bytes: int
    units_per_second: int
    offset_seconds: int
    fcs_bytes: int

    def ns(self, units: int) -> int:
        return self.offset_seconds * 1_000_000_000 + units * 1_000_000_000 // self.units_per_second


def _scan_pcapng(content: bytes, records: _Records) -> None:
    order = "<"
    interfaces: list[_Interface] = []
    last_ns = 0
    position, end = 0, len(content)
    while position < end:
        if end - position < 12:
            raise records.error("file ends inside a block header", at=position)
        kind = struct.unpack_from(order + "I", content, position)[0]
        if kind == _SECTION_HEADER:
            order, interfaces = _section_order(content, position, records), []
        size = struct.unpack_from(order + "I", content, position + 4)[0]
        if size < 12 or size % 4:
            raise records.error(f"block length {size}, a multiple of 4 of at least 12 expected", at=position)
        if end - position < size:
            raise records.error(f"file ends after {end - position} of the block's {size} bytes", at=position)
        trailer = struct.unpack_from(order + "I", content, position + size - 4)[0]
        if trailer != size:
            raise records.error(f"block length {size} at its start, {trailer} at its end", at=position)
        body, body_end = position + 8, position + size - 4
        if kind == _INTERFACE_DESCRIPTION:
            interfaces.append(_read_interface(content, body, body_end, order, records))
        elif kind in (_ENHANCED_PACKET, _OLD_PACKET, _SIMPLE_PACKET):
            last_ns = _read_packet(content, kind, body, body_end, order, interfaces, records, last_ns)
        position += size


def _section_order(content: bytes, position: int, records: _Records) -> str:
    magic = content[position + 8 : position + 12]
    for order in "<>":
        if struct.unpack(order + "I", magic)[0] == _BYTE_ORDER_MAGIC:
            return order
    raise records.error(f"byte-order magic {magic.hex()}, 1a2b3c4d in either order expected", at=position + 8)


def _read_interface(content: bytes, body: int, body_end: int, order: str, records: _Records) -> _Interface:
    if body_end - body < 8:
        raise records.error("interface description shorter than its 8 fixed bytes", at=body)
    link, _, snap_bytes = struct.unpack_from(order + "HHI", content, body)
    units_per_second, offset_seconds, fcs_bytes = 1_000_000, 0, 0
    position = body + 8
    while body_end - position >= 4:
        code, size = struct.unpack_from(order + "HH", content, position)
        value = content[position + 4 : min(position + 4 + size, body_end)]
        if len(value) < size:
            raise records.error(f"option {code} of {size} bytes reaches beyond its block", at=position)
        if code == 0:
            break
        if code in (_OPTION_TIME_RESOLUTION, _OPTION_FCS_LENGTH) and size != 1:
            raise records.error(f"option {code} has {size} bytes, 1 expected", at=position)
        if code == _OPTION_TIME_RESOLUTION:
            exponent = value[0] & 0x7F
            units_per_second = 2**exponent if value[0] & 0x80 else 10**exponent
        elif code == _OPTION_FCS_LENGTH:
            fcs_bytes = value[0] // 8
        elif code == _OPTION_TIME_OFFSET:
            if size != 8:
                raise records.error(f"option {code} has {size} bytes, 8 expected", at=position)
            offset_seconds = struct.unpack(order + "q", value)[0]
        position += 4 + size + -size % 4
    return _Interface(link, snap_bytes, units_per_second, offset_seconds, fcs_bytes)


def _read_packet(
    content: bytes,
    kind: int,
    body: int,
    body_end: int,
    order: str,
    interfaces: list[_Interface],
    records: _Records,
    last_ns: int,
) -> int:
    """Add the packet of one block and return its time; a simple packet has none and takes that of the one before."""
    fixed = 4 if kind == _SIMPLE_PACKET else 20
    if body_end - body < fixed:
        raise records.error(f"packet block shorter than its {fixed} fixed bytes", at=body)
    number = 0
    if kind == _SIMPLE_PACKET:
        original = struct.unpack_from(order + "I", content, body)[0]
    elif kind == _ENHANCED_PACKET:
        number, high, low, captured, original = struct.unpack_from(order + "IIIII", content, body)
    else:
        number, _, high, low, captured, original = struct.unpack_from(order + "HHIIII", content, body)
    if number >= len(interfaces):
        raise records.error(f"interface {number}, its section has described {len(interfaces)}")
    interface = interfaces[number]
    if interface.link != _ETHERNET:
        raise records.error(f"link type {interface.link}, only Ethernet ({_ETHERNET}) is read")
    if kind == _SIMPLE_PACKET:
        captured = min(original, interface.snap_bytes or original)
        timestamp_ns = last_ns
    else:
        timestamp_ns = interface.ns(high << 32 | low)
    if captured > body_end - body - fixed:
        raise records.error(f"captured length {captured}, its block holds {body_end - body - fixed} bytes")
    records.add(
        start=body + fixed,
        captured=captured,
        original=original,
        timestamp_ns=timestamp_ns,
        fcs_bytes=interface.fcs_bytes,
    )
    return timestamp_ns


def write_pcap(path: str | Path, frames: Frames, *, timestamp_ns: npt.NDArray[np.uint64]) -> None:
    """Write frames as a little-endian pcap file with nanosecond stamps, in the order given.

    Args:
        path: the file, replaced if it exists.
        frames: what to write; only the contents are taken.
        timestamp_ns: nanoseconds of each frame, below 2^32 seconds.

    Raises:
        ValueError: not one stamp per frame.
        InputError: the file cannot be written.
    """
    if len(timestamp_ns) != len(frames):
        raise ValueError(f"{len(timestamp_ns)} stamps for {len(frames)} frames")
    headers = np.empty((len(frames), 4), dtype="<u4")
    headers[:, 0] = timestamp_ns // np.uint64(1_000_000_000)
    headers[:, 1] = timestamp_ns % np.uint64(1_000_000_000)
    headers[:, 2] = headers[:, 3] = frames.length
    end = np.cumsum(frames.length.astype(np.uint64) + np.uint64(_PCAP_RECORD_BYTES), dtype=np.uint64)
    start = end - frames.length
    records = np.zeros(int(end[-1]) if len(end) else 0, dtype=np.uint8)
    copy_frames(frames.data, frames.offset, frames.length, records, start)
    header_bytes = headers.view(np.uint8).reshape(-1)
    header_start = np.arange(len(frames), dtype=np.uint64) * np.uint64(_PCAP_RECORD_BYTES)
    header_length = np.full(len(frames), _PCAP_RECORD_BYTES, dtype=np.uint32)
    copy_frames(header_bytes, header_start, header_length, records, start - np.uint64(_PCAP_RECORD_BYTES))
    file_header = struct.pack("<IHHiIII", 0xA1B2_3C4D, 2, 4, 0, 0, _MAXIMUM_CAPTURED_BYTES, _ETHERNET)
    try:
        Path(path).write_bytes(file_header + records.tobytes())
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", file=path) from None
