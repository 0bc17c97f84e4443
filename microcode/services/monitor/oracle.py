"""What network monitoring must have counted, said independently of its microcode.

Every well-formed packet is forwarded unchanged and counted

- in the record of its flow (both directions apart): packets, IPv4 bytes, and the TCP flags seen so far;
- in the totals of its protocol: packets and bytes;
- by its bytes in a Count-Min sketch over flows: plain, or with conservative update.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from microcode.services.packet import ICMP, TCP, UDP, Packet, Tuple
from microcode.services.sketch import ConservativeCountMin, CountMin

__all__ = ["SKETCH_COLUMNS", "SKETCH_ROWS", "FlowRecord", "Monitor", "Protocol", "Total", "sketch_columns"]

SKETCH_ROWS = 4
SKETCH_COLUMNS = 1 << 14
_WORD = 0xFFFF_FFFF


class Protocol(IntEnum):
    """Elements of the totals."""

    TCP = 0
    UDP = 1
    ICMP = 2
    OTHER = 3


_PROTOCOLS = {TCP: Protocol.TCP, UDP: Protocol.UDP, ICMP: Protocol.ICMP}


@dataclass(slots=True)
class FlowRecord:
    """The service's words of a flow record."""

    packets: int = 0
    bytes: int = 0
    tcp_flags: int = 0


@dataclass(slots=True)
class Total:
    """The counters of a protocol."""

    packets: int = 0
    bytes: int = 0


class Monitor:
    """The state of the service after the packets it was shown.

    Attributes:
        flows: the record of every flow, none evicted.
        totals: per protocol.
        sketch: of bytes per flow.
    """

    def __init__(self, *, conservative: bool = False, columns: int = SKETCH_COLUMNS) -> None:
        self.flows: dict[Tuple, FlowRecord] = {}
        self.totals = {protocol: Total() for protocol in Protocol}
        kind = ConservativeCountMin if conservative else CountMin
        self.sketch = kind(rows=SKETCH_ROWS, columns=columns)
        self._columns = columns

    def count(self, packet: Packet, hash_words: Sequence[int]) -> None:
        """Count a packet; `hash_words` are the first three longwords of its flow's hash."""
        record = self.flows.setdefault(packet.flow, FlowRecord())
        total = self.totals[_PROTOCOLS.get(packet.flow.protocol, Protocol.OTHER)]
        for counter in (record, total):
            counter.packets = counter.packets + 1 & _WORD
            counter.bytes = counter.bytes + packet.total_bytes & _WORD
        record.tcp_flags |= packet.tcp_flags
        self.sketch.add(sketch_columns(hash_words, columns=self._columns), packet.total_bytes)


def sketch_columns(hash_words: Sequence[int], *, columns: int = SKETCH_COLUMNS) -> tuple[int, int, int, int]:
    """The column of a flow in each row: the upper bits of hash longwords 0, 1 and 2, and the lower ones of 2."""
    bits = columns.bit_length() - 1
    first, second, third = hash_words[:3]
    return first >> 32 - bits, second >> 32 - bits, third >> 32 - bits, third & columns - 1
