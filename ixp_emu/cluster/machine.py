"""The chips of a cluster in memory: records, memories, cables, frames in and out; and how to advance them together."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from ixp_emu.chip.chip import Memories, bind_memories, initialise, new_chips, schedule, set_up_ports
from ixp_emu.chip.clock import CLOCK_STRIDE, advance_group
from ixp_emu.chip.layout import EGRESS, INGRESS, MEDIA_RX
from ixp_emu.chip.translate import Translator
from ixp_emu.cluster.build import ChipImage, load_image
from ixp_emu.cluster.cabling import Cabling
from ixp_emu.cluster.config import ClusterConfig, Port
from ixp_emu.cluster.control import start_controls
from ixp_emu.cluster.frames import Frames
from ixp_emu.cluster.workers import WorkerChoice

__all__ = ["EgressLog", "Machine"]

_EGRESS_ROWS = 1 << 14
_EGRESS_BYTES = 1 << 24
_CLOSE_CYCLES = 300
"""Chips joined by a link shorter than this share a worker (docs/design.md, "Parallel")."""
_PATIENCE = 200
"""Rounds in which a worker waits for the others inside the kernel before it lets another thread of the host run."""


class EgressLog:
    """Frames that left a chip's unlinked ports since the log was last drained.

    Attributes:
        digest, time, port, length: columns; port is the number within the chip.
        frames: the bytes, one frame per row.
    """

    def __init__(self, rows: npt.NDArray[Any], arena: npt.NDArray[np.uint8]) -> None:
        self.time = rows["time"].astype(np.uint64)
        self.port = rows["port"].astype(np.uint16)
        self.length = rows["length"].astype(np.uint32)
        self.frames = Frames.of_arena(
            arena, offset=rows["offset"].astype(np.uint64), length=self.length, arrival=self.time, port=self.port
        )
        self.digest = self.frames.digests()


def _in_turn(members: Iterable[int], lookahead: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Chips in the order in which a worker takes them: in classes within which no two are linked.

    Where two classes are enough, a chip finds all those it waits for ahead by the links' latency, and so it runs for
    two latencies at a time, while what it needs is in the processor's caches.
    """
    turn: dict[int, int] = {}
    for chip in sorted(members):
        linked = np.flatnonzero((lookahead[chip] > 0) | (lookahead[:, chip] > 0))
        taken = {turn[int(other)] for other in linked if int(other) in turn}
        turn[chip] = next(number for number in range(len(turn) + 1) if number not in taken)
    return np.array(sorted(turn, key=lambda chip: (turn[chip], chip)), np.int64)


class Machine:
    """All chips of a configuration, loaded.

    Attributes:
        chips: CHIP records, in the configuration's order.
        memories: SRAM and DRAM of each.
        cabling: links and switches.
        port_numbers: port -> number over the whole cluster (chips in order, then ports).
        ingress: INGRESS rows by port number; the engine writes when each frame really entered.
        controls: number of a chip -> its control processor.
    """

    def __init__(self, config: ClusterConfig, images: Mapping[str, ChipImage], *, threads: int = 1) -> None:
        self.config = config
        self.images = images
        names = list(config.chips)
        self.index_of = {name: index for index, name in enumerate(names)}
        self.chips = new_chips(len(names))
        self.memories = [Memories(config.hardware) for _ in names]
        self.clocks = np.zeros(len(names) * CLOCK_STRIDE // 8, np.int64)
        self.cabling = Cabling(config, self.index_of)
        self.port_numbers: dict[Port, int] = {}
        self.ingress: dict[int, npt.NDArray[Any]] = {}
        self._arena = np.zeros(0, np.uint8)
        self._egress_rows = [np.zeros(_EGRESS_ROWS, EGRESS) for _ in names]
        self._egress_arena = [np.zeros(_EGRESS_BYTES, np.uint8) for _ in names]
        rows_of: dict[Any, Any] = {}
        for index, name in enumerate(names):
            chip = self.chips[index]
            initialise(chip, config.hardware, self.memories[index])
            load_image(chip, self.memories[index], images[name], rows_of=rows_of)
            self._set_up_ports(index, config.chips[name].name, len(config.chips[name].ports))
        self.bind()
        self.controls = start_controls(config, images, self.chips, self.memories)
        self._groups = [_in_turn(group, self.cabling.lookahead) for group in self._make_groups(threads)]
        self._all = _in_turn(range(len(names)), self.cabling.lookahead)
        self._pool = ThreadPoolExecutor(len(self._groups)) if len(self._groups) > 1 else None
        self._translator = Translator(self.chips)
        self._choice = WorkerChoice()

    # --- set-up -----------------------------------------------------------------------------------------------------

    def _set_up_ports(self, index: int, name: str, count: int) -> None:
        set_up_ports(self.chips[index], count)
        for number in range(count):
            self.port_numbers[Port(name, number)] = len(self.port_numbers)

    def _make_groups(self, threads: int) -> list[list[int]]:
        """Chips per worker: closely linked chips together, then as even as it goes, in the order of the configuration.

        Chips that follow each other there are often linked, and then few links lead from worker to worker.
        """
        count = len(self.chips)
        cluster = list(range(count))
        lookahead = self.cabling.lookahead
        for j, i in zip(*np.nonzero((lookahead > 0) & (lookahead < _CLOSE_CYCLES)), strict=True):
            old, new = cluster[int(i)], cluster[int(j)]
            cluster = [new if c == old else c for c in cluster]
        tied: dict[int, list[int]] = {}
        for index, c in enumerate(cluster):
            tied.setdefault(c, []).append(index)
        workers: list[list[int]] = [[] for _ in range(max(1, min(threads, len(tied))))]
        for members in sorted((m for m in tied.values() if len(m) > 1), key=len, reverse=True):
            min(workers, key=len).extend(members)
        alone = [members[0] for members in tied.values() if len(members) == 1]
        shares = [len(worker) for worker in workers]
        for _ in alone:
            shares[shares.index(min(shares))] += 1
        following = iter(alone)
        for worker, share in zip(workers, shares, strict=True):
            worker.extend(islice(following, share - len(worker)))
        return workers

    @property
    def threads(self) -> int:
        """Workers there are."""
        return len(self._groups)

    def bind(self) -> None:
        """Write host addresses into the records (after loading, and after a restore)."""
        for index, chip in enumerate(self.chips):
            bind_memories(chip, self.memories[index])
            chip["egress_rows"] = self._egress_rows[index].ctypes.data
            chip["egress_capacity"] = _EGRESS_ROWS
            chip["egress_arena"] = self._egress_arena[index].ctypes.data
            chip["egress_arena_bytes"] = _EGRESS_BYTES
        self.cabling.plug_in(self.chips)

    def feed(self, frames: Frames, ports: Sequence[Port], *, back_pressure: bool) -> None:
        """Offer frames: ``frames.port`` indexes ``ports``; in order of arrival per port."""
        self._arena = np.ascontiguousarray(frames.data)
        for index, port in enumerate(ports):
            mine = np.flatnonzero(frames.port == index)
            rows = np.zeros(len(mine), INGRESS)
            rows["arrival"] = frames.arrival[mine]
            rows["address"] = self._arena.ctypes.data + frames.offset[mine].astype(np.int64)
            rows["length"] = frames.length[mine]
            self.ingress[self.port_numbers[port]] = rows
            record = self.chips[self.index_of[port.chip]]["port"][port.number]
            record["source"] = rows.ctypes.data
            record["source_count"] = len(rows)
            record["back_pressure"] = int(back_pressure)
            if len(rows):
                schedule(self.chips[self.index_of[port.chip]], MEDIA_RX, 4, int(rows["arrival"][0]))

    @property
    def arena_address(self) -> int:
        """Host address of the offered frames' bytes."""
        return int(self._arena.ctypes.data)

    # --- running ----------------------------------------------------------------------------------------------------

    @property
    def ahead(self) -> int:
        """The furthest cycle that a chip has reached."""
        return int(self.chips["published"].max())

    def advance(self, until: int) -> list[tuple[int, EgressLog]]:
        """Run all chips up to (excluding) a cycle, or until no chip can go on because one has a fault.

        Returns:
            (chip index, frames that left), in the order drained.
        """
        logs: list[tuple[int, EgressLog]] = []
        self._translator.keep()
        began = time.perf_counter()
        self._advance_all(until, logs)
        self._translator.ran(time.perf_counter() - began)
        return logs

    def _advance_all(self, until: int, logs: list[tuple[int, EgressLog]]) -> None:
        if self._pool is None:
            self._advance(until, logs, alone=True)
            return
        start = int(self.chips["published"].min())
        while True:
            piece = self._choice.cycles(until - start)
            began = time.perf_counter()
            self._advance(start + piece, logs, alone=self._choice.alone)
            self._choice.ran(piece, time.perf_counter() - began)
            start += piece
            if start >= until or self.faulted():
                return

    def _advance(self, until: int, logs: list[tuple[int, EgressLog]], *, alone: bool) -> None:
        while not self.faulted():
            if self._pool is None or alone:
                behind = bool(advance_group(self.chips, self._all, *self._arguments(until)))
            else:
                behind = any(list(self._pool.map(lambda members: self._work(members, until), self._groups)))
            logs.extend(self._drain())
            if not self._act() and not behind:
                return

    def _act(self) -> bool:
        """Let control processors act whose chips have come to the cycle in which they do; whether any did.

        Their order is of no account: each reaches its own chip only. Never while a worker runs: one that sees a chip
        stopped gives up, and would not be there for the chip when it goes on.
        """
        return sum(control.processor.act() for control in self.controls.values()) > 0

    def _arguments(self, until: int) -> tuple[int, npt.NDArray[np.int64], int, int]:
        return self.clocks.ctypes.data, self.cabling.lookahead, until, _PATIENCE

    def _work(self, members: npt.NDArray[np.int64], until: int) -> int:
        """A worker: its chips up to a cycle, or as far as they come while some chip has stopped."""
        arguments = self._arguments(until)
        while True:
            stopped = bool(self.chips["stop"].any())  # before the attempt: afterwards nothing is left to be done
            behind = advance_group(self.chips, members, *arguments)
            if not behind or stopped:
                return int(behind)
            os.sched_yield()

    def settle_fault(self) -> tuple[int, list[tuple[int, EgressLog]]]:
        """After an `advance` that met a fault: let chips that are behind it go on to the end of its cycle.

        Returns:
            Cycle of the first fault of all chips, and the frames that left meanwhile. Chips may be beyond that cycle.
        """
        logs: list[tuple[int, EgressLog]] = []
        while True:
            stopped = np.flatnonzero(self.chips["fault"])
            times = self.chips["fault_time"][stopped]
            # The clock of a faulted chip: it has done all that precedes its fault.
            self.chips["published"][stopped] = np.maximum(self.chips["published"][stopped], times + 1)
            self.clocks[stopped * (CLOCK_STRIDE // 8)] = self.chips["published"][stopped]
            first = int(times.min())
            behind = advance_group(self.chips, self._all, *self._arguments(first + 1))
            logs.extend(self._drain())
            if not self._act() and not behind:
                return first, logs

    def faulted(self) -> bool:
        """Whether a chip has a fault."""
        return bool(self.chips["fault"].any())

    def _drain(self) -> list[tuple[int, EgressLog]]:
        """Take what the chips have logged; a chip that stopped for a full log may go on."""
        drained = []
        for index, chip in enumerate(self.chips):
            count = int(chip["egress_count"])
            if count:
                used = int(chip["egress_arena_used"])
                log = EgressLog(self._egress_rows[index][:count], self._egress_arena[index][:used].copy())
                drained.append((index, log))
                chip["egress_count"] = 0
                chip["egress_arena_used"] = 0
            if chip["fault"] == 0:
                chip["stop"] = 0
        return drained

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
