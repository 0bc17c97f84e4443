"""A service's source alone on one microengine: its operations inline, its packets from a list in memory.

Stands in for the path: the macros of the contract (docs/oboe.md, 3) in their simplest form, one context, frames in
SRAM. Records, hashes and bundles are given, so that what is tested is the service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ixp_emu.board import Board, Location, assemble
from microcode.services.packet import Packet, Tuple, read_packet
from oboe_runtime.declaration import Declaration, State
from oboe_runtime.operations import Operation, entry_access

__all__ = ["BUNDLES", "Bench", "Work"]

BUNDLES = 1024
_WORK_BYTES = 64
_FRAMES = 0x10_0000
_FRAME_BYTES = 2048
_RESULTS = 0x40_0000
_STATES = {"sram0": 0x60_0000, "sram1": 0x40, "scratch": 0, "dram": 0, "local": 0}
_NEW, _EVICT = 1, 2
_CYCLES_PER_PACKET = 200_000

_PATH = """
.reg item frame flow verdict left result what
.reg read $work[4]
.reg write $result
.sig done
#macro packet_length(out)
.reg read $length
.sig read_done
    sram[read, $length, item, 4, 1], ctx_swap[read_done]
    alu[out, --, B, $length]
#endm
#macro packet_key(out_low, out_high, out_ports, out_protocol)
.reg read $key[4]
.sig read_done
    sram[read, $key[0], item, 16, 4], ctx_swap[read_done]
    alu[out_low, --, B, $key[0]]
    alu[out_high, --, B, $key[1]]
    alu[out_ports, --, B, $key[2]]
    alu[out_protocol, --, B, $key[3]]
#endm
#macro packet_hash(out0, out1, out2)
.reg read $hash[3]
.sig read_done
    sram[read, $hash[0], item, 32, 3], ctx_swap[read_done]
    alu[out0, --, B, $hash[0]]
    alu[out1, --, B, $hash[1]]
    alu[out2, --, B, $hash[2]]
#endm
#macro packet_bundle(out)
.reg read $bundle
.sig read_done
    sram[read, $bundle, item, 48, 1], ctx_swap[read_done]
    alu[out, --, B, $bundle]
#endm
#macro packet_read(out0, out1, out2, out3, at)
.reg from
.reg read $bytes[4]
.sig read_done
    alu[from, frame, +, at]
    sram[read, $bytes[0], from, 0, 4], ctx_swap[read_done]
    alu[out0, --, B, $bytes[0]]
    alu[out1, --, B, $bytes[1]]
    alu[out2, --, B, $bytes[2]]
    alu[out3, --, B, $bytes[3]]
#endm
#macro packet_write(at, in)
.reg to
.reg write $bytes
.sig written
    alu[to, frame, +, at]
    alu[$bytes, --, B, in]
    sram[write, $bytes, to, 0, 1], ctx_swap[written]
#endm
"""

_LOOP = f"""
    immed[item, 0]
    immed[result, 0]
    immed_w1[result, {_RESULTS >> 16:#x}]
    immed[left, PACKETS]
again#:
    sram[read, $work[0], item, 0, 4], ctx_swap[done]
    alu[frame, --, B, $work[0]]
    alu[what, --, B, $work[3]]
    br_bclr[what, {_EVICT >> 1}, kept#]
.begin
.reg read $victim
    sram[read, $victim, item, 44, 1], ctx_swap[done]
    alu[flow, --, B, $victim]
.end
    service_evict()
kept#:
    sram[read, $work[0], item, 0, 4], ctx_swap[done]
    alu[flow, --, B, $work[2]]
    br_bclr[what, {_NEW >> 1}, known#]
    service_new_flow()
known#:
    immed[verdict, 0]
    service_packet()
    alu[$result, --, B, verdict]
    sram[write, $result, result, 0, 1], ctx_swap[done]
    alu[result, result, +, 4]
    alu[item, item, +, {_WORK_BYTES}]
    alu[left, left, -, 1]
    bne[again#]
    ctx_arb[kill]
"""


@dataclass(frozen=True, slots=True)
class Work:
    """A packet to be worked on.

    Attributes:
        frame: its bytes.
        key: what the path has made of its flow, the lower endpoint first where keys are symmetric.
        exchanged: whether the endpoints were exchanged for that.
        record: of its flow.
        new: whether the record was just made.
        evicted: the record that was given up for it, if any.
        hash_words: the first three longwords of the flow's hash.
        bundle: of the flow.
    """

    frame: bytes
    key: Tuple
    record: int = 0
    exchanged: bool = False
    new: bool = False
    evicted: int | None = None
    hash_words: tuple[int, int, int] = (0, 0, 0)
    bundle: int = 0

    def packet(self) -> Packet:
        packet = read_packet(self.frame)
        assert isinstance(packet, Packet)
        return packet

    def words(self, place: int) -> list[int]:
        what = _NEW * self.new | _EVICT * (self.evicted is not None)
        ports = self.key.source_port << 16 | self.key.destination_port
        flags = (int(self.exchanged) | bool(ports) << 1) << 16
        head = [_FRAMES + place * _FRAME_BYTES, len(self.frame), self.record, what]
        key = [self.key.source, self.key.destination, ports, flags | self.key.protocol]
        return [*head, *key, *self.hash_words, self.evicted or 0, self.bundle, 0, 0, 0]


class Bench:
    """A board with one service.

    Parameters:
        declaration: of the service.
        records: flow records.
        memories: state -> memory; SRAM 1 for the others.
        contents: state -> longwords at the start.
    """

    def __init__(
        self,
        declaration: Declaration,
        *,
        records: int = 64,
        memories: Mapping[str, str] | None = None,
        contents: Mapping[str, npt.NDArray[np.uint32]] | None = None,
        defines: Mapping[str, int] | None = None,
    ) -> None:
        self.board = Board(ports=0)
        self._declaration = declaration
        self._records = records
        self._defines = dict(defines or {})
        self._locations: dict[str, Location] = {}
        free = dict(_STATES)
        for state in declaration.states:
            memory = (memories or {}).get(state.name, "sram1")
            self._locations[state.name] = Location(memory, free[memory])
            free[memory] += self._stride(state) * self._entries(state)
            if contents and state.name in contents:
                self.words(state.name)[...] = contents[state.name].reshape(-1, state.words)

    def _entries(self, state: State) -> int:
        if state.entries is None:
            return self._records
        return state.entries * (BUNDLES if state.scope == "bundle" else 1)

    def _stride(self, state: State) -> int:
        """Elements are powers of two of bytes, in DRAM of at least 8."""
        size = 4 << (state.words - 1).bit_length()
        return max(8, size) if self._locations[state.name].memory == "dram" else size

    def words(self, name: str) -> npt.NDArray[np.uint32]:
        """All entries of a state, entries x words, as they are."""
        state = self._declaration.state(name)
        location = self._locations[name]
        memory = (
            self.board.me[0].local_memory if location.memory == "local" else self.board.memory(location.memory).words
        )
        stride = self._stride(state) // 4
        first = location.base // 4
        block = memory[first : first + stride * self._entries(state)]
        return block.reshape(-1, stride)[:, : state.words]

    def before(self, name: str, longwords: Sequence[int]) -> None:
        """Write what lies directly before the first entry of a state."""
        location = self._locations[name]
        end = location.base // 4
        self.board.memory(location.memory).words[end - len(longwords) : end] = longwords

    def source(self, packets: int) -> str:
        """The program."""
        directory = self._declaration.directory
        states = [
            f"{_structure(state, self._entries(state), self._locations[state.name])}"
            for state in self._declaration.states
        ]
        macros = [_macro(state, operation) for state in self._declaration.states for operation in state.operations]
        return "\n".join(
            [f"#define PACKETS {packets}", *states, _PATH, *macros, f'#include "{directory}/service.uc"', _LOOP]
        )

    def run(self, work: Sequence[Work]) -> tuple[list[int], list[bytes]]:
        """Work on packets; returns their verdicts, and the frames as they are afterwards."""
        sram = self.board.sram[0]
        for place, one in enumerate(work):
            sram[place * _WORK_BYTES : place * _WORK_BYTES + 64] = one.words(place)
            sram.write_bytes(_FRAMES + place * _FRAME_BYTES, one.frame + bytes(16))
        program = assemble(
            self.source(len(work)),
            defines={**self._declaration.defines(), **self._defines},
            locations=self._locations,
            include_dirs=["builtin:"],
            name="bench.uc",
        )
        assert program.warnings == []
        self.usage = program.usage
        me = self.board.me[0]
        self.board.load(0, program, contexts=[0], locations=self._locations)
        limit = _CYCLES_PER_PACKET * len(work)
        start = self.board.now
        assert self.board.run_until(
            lambda board: not me.context(0).enabled or me.context(0).pc >= len(program.words), limit=limit, every=500
        )
        self.cycles = self.board.now - start
        verdicts = [int(word) for word in sram[_RESULTS : _RESULTS + 4 * len(work)]]
        frames = [sram.read_bytes(_FRAMES + place * _FRAME_BYTES, len(one.frame)) for place, one in enumerate(work)]
        return verdicts, frames


def _structure(state: State, entries: int, location: Location) -> str:
    access = "read" if state.category in ("read_only", "read_mostly") else "read,write,add"
    size = 4 << (state.words - 1).bit_length()
    return f".structure {state.name} element_bytes={size} count={entries} align=64 access={access} sharing=me"


def _macro(state: State, operation: Operation) -> str:
    operands = (operation.entry, *operation.inputs, *operation.outputs)
    lines = [f"#macro {operation.name}({', '.join(operands)})"]
    for line in operation.lines:
        access = entry_access(line)
        if access is None:
            lines.append(line)
            continue
        entry = access.entry or operation.entry
        size = len(access.registers)
        if access.kind == "merge":
            assert state.merge == "add"
            lines.append(f"state_add[{state.name}, {entry}, {access.word}, {access.registers[0]}]")
            continue
        lines += [".begin", f".state_xfer block__[{size}] {state.name}"]
        move = f"[block__, {state.name}, {entry}, {access.word}, {size}]"
        if access.kind == "read":
            lines.append(f"state_read{move}")
            lines += [f"alu[{register}, --, B, block__[{n}]]" for n, register in enumerate(access.registers)]
        else:
            lines += [f"alu[block__[{n}], --, B, {register}]" for n, register in enumerate(access.registers)]
            lines.append(f"state_write{move}")
        lines.append(".end")
    return "\n".join([*lines, "#endm"])
