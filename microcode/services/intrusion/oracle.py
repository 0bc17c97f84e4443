"""What intrusion detection must find, said independently of its microcode and of its table.

Every well-formed packet is passed on unchanged. The payloads of a flow, in the order of their arrival, each direction
for itself, are one text; a match may begin in one packet and end in a later one. An alert is one pattern that ends at
one byte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from microcode.services.packet import Packet, Tuple

__all__ = ["Detector"]


class Detector:
    """Alerts of all packets shown, by a search for every pattern at every byte.

    Attributes:
        alerts: pattern number -> how often it was found.
        packets_with_alerts: packets in which at least one match ended.
    """

    def __init__(self, patterns: Sequence[bytes]) -> None:
        self._patterns = tuple(patterns)
        self._kept = max(map(len, self._patterns)) - 1
        self._tails: dict[Tuple, bytes] = {}
        self.alerts: Counter[int] = Counter()
        self.packets_with_alerts = 0

    def scan(self, packet: Packet) -> Counter[int]:
        """The alerts of a packet."""
        tail = self._tails.get(packet.flow, b"")
        text = tail + packet.payload
        found: Counter[int] = Counter()
        for number, pattern in enumerate(self._patterns):
            start = max(0, len(tail) - len(pattern) + 1)  # a match must end in this packet
            while (start := text.find(pattern, start)) >= 0:
                found[number] += 1
                start += 1
        self._tails[packet.flow] = text[max(0, len(text) - self._kept) :]
        self.alerts += found
        self.packets_with_alerts += bool(found)
        return found

    def forget(self, flow: Tuple) -> None:
        """The record of a flow is evicted or has expired: both directions begin anew."""
        for direction in (flow, flow.reversed()):
            self._tails.pop(direction, None)
