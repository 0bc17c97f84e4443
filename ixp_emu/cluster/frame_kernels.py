"""Compiled loops over the bytes of frames: copies and digests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ixp_emu.chip.compiled import kernel, small

__all__ = ["copy_frames", "digest_finish", "digest_frames", "digest_step"]


@kernel
def copy_frames(
    source: npt.NDArray[np.uint8],
    source_offset: npt.NDArray[np.uint64],
    length: npt.NDArray[np.uint32],
    target: npt.NDArray[np.uint8],
    target_offset: npt.NDArray[np.uint64],
) -> None:
    """Copy `length[i]` bytes from `source_offset[i]` to `target_offset[i]` for every i."""
    for i in range(len(length)):
        start = np.intp(source_offset[i])
        to = np.intp(target_offset[i])
        for k in range(np.intp(length[i])):
            target[to + k] = source[start + k]


# The digest takes the frame as big-endian longwords, the order in which an IXP2400 holds it, so that an egress
# port can compute it longword by longword. One step is a bijection of the state for any longword (xor, product
# with an odd number, xor-shift); the end is the 64-bit finaliser of MurmurHash3 (A. Appleby, public domain).
_STEP_FACTOR = np.uint64(0x9E37_79B9_7F4A_7C15)
_FINISH_FACTOR_1 = np.uint64(0xFF51_AFD7_ED55_8CCD)
_FINISH_FACTOR_2 = np.uint64(0xC4CE_B9FE_1A85_EC53)
_32 = np.uint64(32)
_33 = np.uint64(33)


@small
def digest_step(state: np.uint64, longword: np.uint64) -> np.uint64:
    """The digest's state after one more longword (a uint64 below 2^32); the state of an empty frame is 0."""
    state = (state ^ longword) * _STEP_FACTOR
    return state ^ (state >> _32)


@small
def digest_finish(state: np.uint64, length: np.uint64) -> np.uint64:
    """The digest of a frame of `length` bytes, from the state after its last longword (zero-filled to 4 bytes)."""
    state = digest_step(state, length)
    state = (state ^ (state >> _33)) * _FINISH_FACTOR_1
    state = (state ^ (state >> _33)) * _FINISH_FACTOR_2
    return state ^ (state >> _33)


@kernel
def _digest(
    data: npt.NDArray[np.uint8],
    offset: npt.NDArray[np.uint64],
    length: npt.NDArray[np.uint32],
    digests: npt.NDArray[np.uint64],
) -> None:
    for i in range(len(offset)):
        state = np.uint64(0)
        start = np.intp(offset[i])
        whole = np.intp(length[i]) // 4 * 4
        for k in range(start, start + whole, 4):
            longword = (
                (np.uint64(data[k]) << np.uint64(24))
                | (np.uint64(data[k + 1]) << np.uint64(16))
                | (np.uint64(data[k + 2]) << np.uint64(8))
                | np.uint64(data[k + 3])
            )
            state = digest_step(state, longword)
        if whole < np.intp(length[i]):
            longword = np.uint64(0)
            for k in range(np.intp(length[i]) - whole):
                longword |= np.uint64(data[start + whole + k]) << np.uint64(24 - 8 * k)
            state = digest_step(state, longword)
        digests[i] = digest_finish(state, np.uint64(length[i]))


def digest_frames(
    data: npt.NDArray[np.uint8], offset: npt.NDArray[np.uint64], length: npt.NDArray[np.uint32]
) -> npt.NDArray[np.uint64]:
    """A 64-bit digest over the exact bytes and the length of each frame; what lies behind a frame does not count."""
    digests = np.empty(len(offset), dtype=np.uint64)
    _digest(data, offset, length, digests)
    return digests
