"""A batch of Ethernet frames as plain arrays, and the digest by which a frame is known again at egress.

The compiled loops are in `frame_kernels`, imported where they run: whoever only names the type does without numba.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["MINIMUM_FRAME_BYTES", "NO_FLOW", "NO_TAG", "Frames", "digest_bytes", "slot_offsets"]

_COLUMN_TYPES: dict[str, np.dtype[Any]] = {
    "data": np.dtype(np.uint8),
    "offset": np.dtype(np.uint64),
    "length": np.dtype(np.uint32),
    "arrival": np.dtype(np.uint64),
    "port": np.dtype(np.uint16),
    "flow": np.dtype(np.uint32),
    "tag": np.dtype(np.uint64),
}

NO_FLOW = 0xFFFF_FFFF
NO_TAG = 0xFFFF_FFFF_FFFF_FFFF
MINIMUM_FRAME_BYTES = 60
"""Shortest frame without its FCS (IEEE 802.3: 64 bytes with it)."""

_SLOT_BYTES = 4


@dataclass(frozen=True, eq=False, slots=True)
class Frames:
    """N Ethernet frames without preamble and FCS; the columns are arrays of N, `data` is the arena they lie in.

    Attributes:
        data: uint8; each frame starts 4-byte aligned and is followed by zeros up to the next multiple of 4.
        offset: uint64, byte position of a frame's first byte in `data`; two frames may share bytes.
        length: uint32, bytes without FCS.
        arrival: uint64, ME cycle in which the first bit of the preamble is on the wire.
        port: uint16, index in the list of ingress (for observed frames: egress) ports.
        flow: uint32, number of the flow, `NO_FLOW` where there is none.
        tag: uint64, the identity a generator wrote into the frame, `NO_TAG` where there is none.

    Raises:
        ValueError: a column has the wrong type or length.
    """

    data: npt.NDArray[np.uint8]
    offset: npt.NDArray[np.uint64]
    length: npt.NDArray[np.uint32]
    arrival: npt.NDArray[np.uint64]
    port: npt.NDArray[np.uint16]
    flow: npt.NDArray[np.uint32]
    tag: npt.NDArray[np.uint64]

    def __post_init__(self) -> None:
        for name, dtype in _COLUMN_TYPES.items():
            column = getattr(self, name)
            if column.dtype != dtype or column.ndim != 1:
                raise ValueError(
                    f"Frames.{name}: {column.dtype} with {column.ndim} dimensions, {dtype} with 1 expected"
                )
            if name != "data" and len(column) != len(self.offset):
                raise ValueError(f"Frames.{name}: {len(column)} rows, offset has {len(self.offset)}")

    def __len__(self) -> int:
        return len(self.offset)

    def bytes_of(self, index: int) -> bytes:
        """The bytes of frame `index`, without FCS."""
        start = int(self.offset[index])
        return self.data[start : start + int(self.length[index])].tobytes()

    def take(self, index: npt.NDArray[Any]) -> Frames:
        """The frames at the positions (or under the mask) `index`; the arena is shared, not copied."""
        columns = {name: getattr(self, name)[index] for name in _COLUMN_TYPES if name != "data"}
        return Frames(data=self.data, **columns)

    def padded(self, minimum_bytes: int = MINIMUM_FRAME_BYTES) -> Frames:
        """The same frames in a new arena, shorter ones lengthened with zeros, as a sending MAC does."""
        from ixp_emu.cluster.frame_kernels import copy_frames

        length = np.maximum(self.length, np.uint32(minimum_bytes))
        offset, arena_bytes = slot_offsets(length)
        data = np.zeros(arena_bytes, dtype=np.uint8)
        copy_frames(self.data, self.offset, self.length, data, offset)
        return replace(self, data=data, offset=offset, length=length)

    @classmethod
    def from_bytes(cls, contents: Iterable[bytes], **columns: npt.ArrayLike) -> Frames:
        """Frames with the given contents; columns not given are 0 (arrival, port), `NO_FLOW` and `NO_TAG`."""
        from ixp_emu.cluster.frame_kernels import copy_frames

        listed = list(contents)
        length = np.array([len(one) for one in listed], dtype=np.uint32)
        offset, arena_bytes = slot_offsets(length)
        data = np.zeros(arena_bytes, dtype=np.uint8)
        packed = np.frombuffer(b"".join(listed), dtype=np.uint8)
        packed_offset = np.cumsum(length, dtype=np.uint64) - length
        copy_frames(packed, packed_offset.astype(np.uint64), length, data, offset)
        return cls.of_arena(data, offset, length, **columns)

    @classmethod
    def of_arena(
        cls,
        data: npt.NDArray[np.uint8],
        offset: npt.NDArray[np.uint64],
        length: npt.NDArray[np.uint32],
        **columns: npt.ArrayLike,
    ) -> Frames:
        """Frames in an existing arena; columns not given are 0 (arrival, port), `NO_FLOW` and `NO_TAG`."""
        defaults = {"arrival": 0, "port": 0, "flow": NO_FLOW, "tag": NO_TAG}
        filled = {
            name: np.array(columns.pop(name), dtype=_COLUMN_TYPES[name])
            if name in columns
            else np.full(len(offset), default, dtype=_COLUMN_TYPES[name])
            for name, default in defaults.items()
        }
        if columns:
            raise ValueError(f"Frames has no column {', '.join(sorted(columns))}")
        return cls(data=data, offset=offset, length=length, **filled)

    @staticmethod
    def concatenate(batches: Iterable[Frames]) -> Frames:
        """All frames of the batches, in order, in one new arena."""
        listed = list(batches)
        if not listed:
            return Frames.from_bytes([])
        sizes = np.array([len(batch.data) for batch in listed], dtype=np.uint64)
        sizes += -sizes % np.uint64(_SLOT_BYTES)
        bases = np.cumsum(sizes) - sizes
        data = np.zeros(int(sizes.sum()), dtype=np.uint8)
        for batch, base in zip(listed, bases, strict=True):
            data[int(base) : int(base) + len(batch.data)] = batch.data
        columns = {
            name: np.concatenate([getattr(batch, name) for batch in listed])
            for name in _COLUMN_TYPES
            if name not in ("data", "offset")
        }
        offset = np.concatenate([batch.offset + base for batch, base in zip(listed, bases, strict=True)])
        return Frames(data=data, offset=offset, **columns)

    def digests(self) -> npt.NDArray[np.uint64]:
        """The digest of each frame, see `frame_kernels.digest_frames`."""
        from ixp_emu.cluster.frame_kernels import digest_frames

        return digest_frames(self.data, self.offset, self.length)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The columns by name, for a checkpoint."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Frames:
        """The inverse of `to_arrays`."""
        return cls(**{name: arrays[name] for name in _COLUMN_TYPES})


def slot_offsets(length: npt.NDArray[np.uint32]) -> tuple[npt.NDArray[np.uint64], int]:
    """4-byte aligned places for frames of the given lengths, and the size in bytes of the arena they need."""
    slot = length.astype(np.uint64)
    slot += -slot % np.uint64(_SLOT_BYTES)
    end = np.cumsum(slot, dtype=np.uint64)
    return end - slot, int(end[-1]) if len(end) else 0


def digest_bytes(frame: bytes) -> int:
    """The digest of one frame, the same as `digest_frames` gives it."""
    from ixp_emu.cluster.frame_kernels import digest_frames

    data = np.frombuffer(frame, dtype=np.uint8)
    return int(digest_frames(data, np.zeros(1, dtype=np.uint64), np.array([len(frame)], dtype=np.uint32))[0])
