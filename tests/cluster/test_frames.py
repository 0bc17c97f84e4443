"""Batches of frames and their digest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ixp_emu.cluster.frames import NO_FLOW, NO_TAG, Frames, digest_bytes

contents_lists = st.lists(st.binary(max_size=40), max_size=8)

MASK = (1 << 64) - 1


def plain_digest(frame: bytes) -> int:
    """The digest in Python's own integers, from its description: a step per longword, the length, MurmurHash3's end."""
    state = 0
    longwords = [int.from_bytes(frame[at : at + 4].ljust(4, b"\0"), "big") for at in range(0, len(frame), 4)]
    for word in [*longwords, len(frame)]:
        state = (state ^ word) * 0x9E3779B97F4A7C15 & MASK
        state ^= state >> 32
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        state = (state ^ state >> 33) * factor & MASK
    return state ^ state >> 33


@settings(deadline=None)  # the first call compiles
@given(contents_lists)
def test_from_bytes_keeps_contents_aligned_and_zero_padded(contents: list[bytes]) -> None:
    frames = Frames.from_bytes(contents)
    assert [frames.bytes_of(i) for i in range(len(frames))] == contents
    assert not (frames.offset % np.uint64(4)).any()
    assert frames.data.tobytes() == b"".join(one + bytes(-len(one) % 4) for one in contents)
    assert (frames.flow == NO_FLOW).all()
    assert (frames.tag == np.uint64(NO_TAG)).all()


@settings(deadline=None)  # the first call compiles
@given(st.lists(contents_lists, max_size=4))
def test_concatenate_is_concatenation(batches: list[list[bytes]]) -> None:
    parts = [Frames.from_bytes(batch, port=np.full(len(batch), i)) for i, batch in enumerate(batches)]
    whole = Frames.concatenate(parts)
    assert [whole.bytes_of(i) for i in range(len(whole))] == [one for batch in batches for one in batch]
    assert whole.port.tolist() == [i for i, batch in enumerate(batches) for _ in batch]
    assert not (whole.offset % np.uint64(4)).any()


@settings(deadline=None)  # the first call compiles
@given(contents_lists)
def test_digest_equals_its_description_for_batches_and_single_frames(contents: list[bytes]) -> None:
    expected = [plain_digest(one) for one in contents]
    assert Frames.from_bytes(contents).digests().tolist() == expected
    assert [digest_bytes(one) for one in contents] == expected


def test_digest_tells_zero_padding_from_contents_by_the_length() -> None:
    digests = Frames.from_bytes([bytes(length) for length in range(70)]).digests()
    assert len(set(digests.tolist())) == 70


def test_digest_tells_every_single_bit() -> None:
    frame = bytes(range(65))
    flipped = [
        frame[:at] + bytes([frame[at] ^ 1 << bit]) + frame[at + 1 :] for at in range(len(frame)) for bit in range(8)
    ]
    digests = Frames.from_bytes([frame, *flipped]).digests()
    assert len(set(digests.tolist())) == 1 + 8 * len(frame)


def test_digest_ignores_what_lies_behind_the_frame() -> None:
    clean = Frames.from_bytes([b"abcde"])
    dirty = Frames.of_arena(np.frombuffer(b"abcdeXYZ", dtype=np.uint8), clean.offset, clean.length)
    assert dirty.digests().tolist() == clean.digests().tolist()


def test_padded_lengthens_short_frames_only_and_with_zeros() -> None:
    contents = [b"\xff" * length for length in (59, 60, 61)]
    padded = Frames.from_bytes(contents).padded()
    assert [padded.bytes_of(i) for i in range(3)] == [b"\xff" * 59 + b"\0", contents[1], contents[2]]


def test_take_selects_and_shares_the_arena() -> None:
    frames = Frames.from_bytes([b"a", b"bb", b"ccc"], arrival=[1, 2, 3])
    taken = frames.take(np.array([2, 0]))
    assert [taken.bytes_of(0), taken.bytes_of(1)] == [b"ccc", b"a"]
    assert taken.arrival.tolist() == [3, 1]
    assert taken.data is frames.data


def test_checkpoint_round_trip() -> None:
    frames = Frames.from_bytes([b"one", b"three"], arrival=[5, 9], port=[0, 1], flow=[7, 8], tag=[1, 2])
    back = Frames.from_arrays({name: array.copy() for name, array in frames.to_arrays().items()})
    for name, array in frames.to_arrays().items():
        assert np.array_equal(getattr(back, name), array), name


def test_a_column_of_the_wrong_type_or_length_is_refused() -> None:
    arrays = Frames.from_bytes([b"one", b"two"]).to_arrays()
    with pytest.raises(ValueError, match=r"^Frames.port: int64 with 1 dimensions, uint16 with 1 expected$"):
        Frames.from_arrays({**arrays, "port": np.zeros(2, dtype=np.int64)})
    with pytest.raises(ValueError, match=r"^Frames.port: 3 rows, offset has 2$"):
        Frames.from_arrays({**arrays, "port": np.zeros(3, dtype=np.uint16)})
    with pytest.raises(ValueError, match=r"^Frames has no column colour$"):
        Frames.from_bytes([b"one"], colour=[1])
