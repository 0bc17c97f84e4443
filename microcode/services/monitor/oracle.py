"""What network monitoring must have counted, said independently of its microcode.

Every well-formed packet is forwarded unchanged and counted

- in the record of its flow (both directions apart): packets, IPv4 bytes, and the TCP flags seen so far;
- in the totals of its protocol: packets and bytes;
- by its bytes in a Count-Min sketch over flows: plain, or with conservative update.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from microcode.services.packet import ICMP, TCP, UDP, Packet, Tuple
from microcode.services.sketch import ConservativeCountMin, CountMin
from oboe_runtime.declaration import Declaration
from oboe_runtime.observed import Commit, Observed, differing_entries, differing_flows
from oboe_runtime.oracle import Arrival, Treatment

__all__ = [
    "SKETCH_COLUMNS",
    "SKETCH_ROWS",
    "FlowRecord",
    "Monitor",
    "MonitorOracle",
    "Protocol",
    "Total",
    "open_oracle",
    "sketch_columns",
]

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


class MonitorOracle:
    """Monitoring behind the protocol of oracles."""

    def __init__(self, *, conservative: bool, columns: int) -> None:
        self._conservative = conservative
        self._columns = columns
        self.monitor = Monitor(conservative=conservative, columns=columns)
        self._plain = CountMin(rows=SKETCH_ROWS, columns=columns)
        self._hashes: dict[Tuple, tuple[int, ...]] = {}

    def contents(self) -> Mapping[str, npt.NDArray[np.uint32]]:
        """Nothing is there at the start."""
        return {}

    def work(self, arrival: Arrival) -> Treatment:
        """Count a packet; it leaves as it is."""
        self.monitor.count(arrival.packet, arrival.hash_words)
        self._plain.add(sketch_columns(arrival.hash_words, columns=self._columns), arrival.packet.total_bytes)
        self._hashes[arrival.packet.flow] = arrival.hash_words
        return Treatment(arrival.frame)

    def forget(self, flow: Tuple) -> None:
        """The flow's record was given up."""
        self.monitor.flows.pop(flow, None)

    def differences(self, observed: Observed) -> list[str]:
        """What the states hold and must not."""
        monitor = self.monitor
        texts: list[str] = []
        if "flow_counters" in observed.flows:
            records = {
                flow: (record.packets, record.bytes, record.tcp_flags, 0) for flow, record in monitor.flows.items()
            }
            texts += differing_flows("flow_counters", observed.flows["flow_counters"], records)
        if "totals" in observed.entries:
            totals = [[monitor.totals[protocol].packets, monitor.totals[protocol].bytes] for protocol in Protocol]
            texts += differing_entries("totals", observed.entries["totals"], np.array(totals, np.uint32))
        name = "conservative_sketch" if self._conservative else "sketch"
        if name in observed.entries:
            if self._conservative and observed.commits is not None:
                texts += differing_entries(name, observed.entries[name], self._replayed(observed.commits))
            elif self._conservative:
                texts += self._beyond_bounds(name, observed.entries[name])
            else:
                texts += differing_entries(name, observed.entries[name], monitor.sketch.cells.reshape(-1, 1))
        return texts

    def _replayed(self, commits: Sequence[Commit]) -> npt.NDArray[np.uint32]:
        """The conservative sketch of these updates in this order, entries x 1."""
        sketch = ConservativeCountMin(rows=SKETCH_ROWS, columns=self._columns)
        for commit in commits:
            if commit.operation == "conservative_count":
                cells = (commit.entry, *commit.inputs[:3])
                sketch.add([cell - row * self._columns for row, cell in enumerate(cells)], commit.inputs[3])
        return sketch.cells.reshape(-1, 1)

    def _beyond_bounds(self, name: str, cells: npt.NDArray[np.uint32]) -> list[str]:
        """Conservative update in an unknown order: no estimate is below the truth, no cell above the plain one."""
        rows = cells.reshape(SKETCH_ROWS, self._columns)
        texts = [
            f"{name}: {int(rows[row, column])} in row {row}, column {column} is more than the plain sketch counts"
            for row, column in np.argwhere(rows > self._plain.cells).tolist()
        ]
        for flow, words in self._hashes.items():
            places = enumerate(sketch_columns(words, columns=self._columns))
            estimate = min(int(rows[row, column]) for row, column in places)
            if estimate < self.monitor.flows[flow].bytes:
                texts.append(f"{name}: estimate {estimate} of {tuple(flow)}, which has sent more")
        return texts


def open_oracle(declaration: Declaration) -> MonitorOracle:
    """The oracle with the options in force."""
    options = declaration.options
    return MonitorOracle(
        conservative=bool(options["conservative"]), columns=int(options["sketch_cells"]) // SKETCH_ROWS
    )


def sketch_columns(hash_words: Sequence[int], *, columns: int = SKETCH_COLUMNS) -> tuple[int, int, int, int]:
    """The column of a flow in each row: the upper bits of hash longwords 0, 1 and 2, and the lower ones of 2."""
    bits = columns.bit_length() - 1
    first, second, third = hash_words[:3]
    return first >> 32 - bits, second >> 32 - bits, third >> 32 - bits, third & columns - 1
