"""Numbers that microcode and host share; docs/oboe.md, sections 2 and 4, says what they mean."""

from __future__ import annotations

__all__ = [
    "BUNDLES",
    "CALL_TICK_US",
    "CHIPS",
    "EVENTS",
    "HASH_MULTIPLIER",
    "LINK_BITS_PER_S",
    "MALFORMED_REASONS",
    "MESSAGE_TYPES",
    "MOST_HEIRS",
    "PATH_REASONS",
    "RECORDS_PER_SLICE",
    "TICK_US",
    "TIMESTAMP_CYCLES",
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
MESSAGE_TYPES = {"DISPATCH": 0, "CALL": 1, "REPLY": 2, "REPLICA": 3, "PARTIAL": 4, "ACK": 15}
"""Types of messages that are sent so far."""
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


def bundle_of(hash_words: tuple[int, ...]) -> int:
    """The bundle of a flow's hash."""
    return hash_words[0] % BUNDLES


def chip_bits(chips: int) -> int:
    """Bits of a chip's number where records of all chips are numbered together, below those of the record."""
    return (chips - 1).bit_length()


def slices_per_chip(chips: int) -> int:
    """Slices of the flow table on each of so many working chips: half as many again as an even share of the bundles."""
    return -(-BUNDLES * 3 // (2 * chips))
