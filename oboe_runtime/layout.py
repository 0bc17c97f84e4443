"""Numbers that microcode and host share; docs/oboe.md, sections 2 and 4, says what they mean."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

__all__ = [
    "BUNDLES",
    "CALL_TICK_US",
    "CHIPS",
    "EVENTS",
    "EXCEPTIONS",
    "HASH_MULTIPLIER",
    "HOLD_DESCRIPTORS",
    "HOLD_QUEUES",
    "LINK_BITS_PER_S",
    "MALFORMED_REASONS",
    "MESSAGE_TYPES",
    "MOST_HEIRS",
    "PATH_REASONS",
    "RECORDS_PER_SLICE",
    "RESERVED",
    "TICK_US",
    "TIMESTAMP_CYCLES",
    "BundleEntry",
    "BundleState",
    "bundle_of",
    "chip_bits",
    "slices_per_chip",
]

CHIPS = 16
"""Most chips of a cluster."""
BUNDLES = 1 << 10
MOST_HEIRS = 8
"""Chips that may take over a bundle, one after the other."""
RECORDS_PER_SLICE = 64
"""16 buckets of 4."""
TIMESTAMP_CYCLES = 16
TICK_US = 20
"""Between two looks of control at its channels."""
CALL_TICK_US = 100
"""Between two looks of control at its calls."""

LINK_BITS_PER_S = 1e9
"""Of a gigabit link, the slowest there is."""

HASH_MULTIPLIER = (0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53B)
"""Of the 128-bit hash on every chip; any numbers without structure do: here the first words of SHA-256's constants."""

MALFORMED_REASONS = ("short", "version", "checksum", "fragment")
PATH_REASONS = (
    *MALFORMED_REASONS,
    "message",
    "rx_error",
    "classify_full",
    "unavailable",
    "chip_down",
    "lost_on_purpose",
)
"""Oboe's reasons to drop a packet, in the order of `oboe_counters`; the service's stand behind them."""
MESSAGE_TYPES = {
    "DISPATCH": 0,
    "CALL": 1,
    "REPLY": 2,
    "REPLICA": 3,
    "PARTIAL": 4,
    "PREPARE": 5,
    "READY": 6,
    "FREEZE": 7,
    "MARKER": 8,
    "FLUSH": 9,
    "STATE": 10,
    "INSTALLED": 11,
    "FLIP": 12,
    "RELEASE": 13,
    "LOAD": 14,
    "ACK": 15,
}
"""Types of messages; 5 to 14 belong to moves of bundles and are not sent yet."""

HOLD_QUEUES = 8
"""Bundles of a chip that may be frozen at a time."""
HOLD_DESCRIPTORS = 512
"""Packets that a frozen bundle may hold."""
EXCEPTIONS = 64
"""Flows that may live outside their bundle."""
RESERVED = {
    "hold_queues": "Q_array descriptors of frozen bundles",
    "hold_packets": f"{HOLD_DESCRIPTORS} packets held for each of {HOLD_QUEUES} bundles",
    "exceptions": f"{EXCEPTIONS} flows outside their bundle",
}
"""Structures that moves of bundles will need, and what for."""
EVENTS = (
    "new_flow",
    "expired",
    "evicted",
    "refused",
    "control_full",
    "replica_gap",
    "sent_again",
    "call_again",
    "call_given_up",
    "call_repeated",
    "call_stale",
    "reply_late",
    "bundle_restarted",
    "bundle_no_slice",
)
"""What `oboe_counters` counts behind the reasons: docs/oboe.md, sections 4 and 7."""


class BundleState(IntEnum):
    """What becomes of the packets of a bundle."""

    NORMAL = 0
    """They go to its worker."""
    FROZEN = 1
    """They are held: the bundle is moving."""
    DRAINING = 2
    """Those held go to its new chip, and new ones behind them."""


class BundleEntry(NamedTuple):
    """An entry of ``bundle_table``: where a bundle lives.

    Attributes:
        worker: its number on that chip; elsewhere of no account.
        chip: its number.
        epoch: how often the bundle has changed chips, modulo 2^16.
    """

    state: BundleState
    worker: int
    chip: int
    epoch: int

    def word(self) -> int:
        """The longword: state 31:28, worker 27:24, chip 23:16, epoch 15:0."""
        return self.state << 28 | self.worker << 24 | self.chip << 16 | self.epoch

    @classmethod
    def of(cls, word: int) -> BundleEntry:
        """The entry that a longword is. Raises ValueError for a state that there is not."""
        return cls(BundleState(word >> 28), word >> 24 & 0xF, word >> 16 & 0xFF, word & 0xFFFF)


def bundle_of(hash_words: tuple[int, ...]) -> int:
    """The bundle of a flow's hash."""
    return hash_words[0] % BUNDLES


def chip_bits(chips: int) -> int:
    """Bits of a chip's number where records of all chips are numbered together, below those of the record."""
    return (chips - 1).bit_length()


def slices_per_chip(chips: int) -> int:
    """Slices of the flow table on each of so many working chips: half as many again as an even share of the bundles."""
    return -(-BUNDLES * 3 // (2 * chips))
