"""The macros of the library one by one: a program of a few lines runs on one microengine and leaves its results."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ixp_emu.assembler import Location, assemble, parse
from ixp_emu.chip.chip import Memories, initialise, load_program, new_chips
from ixp_emu.chip.clock import advance_unlinked
from ixp_emu.chip.hardware import resolve_hardware
from microcode.services.forward.oracle import FlowKey, updated_checksum
from tests.microcode.forwarding import flow_hash

RESULTS = 0x2000
INPUTS = 0x3000
CYCLES = 60_000
DEFINES = {"ENGINES_FORWARD": 5, "ROUTE_WORDS": 65_536, "NEXT_HOPS": 4}
LOCATIONS = {
    "packet_buffers": Location("dram", 0),
    "free_ring": Location("scratch", 0),
    "work_rings": Location("scratch", 0x800),
    "tx_ring": Location("scratch", 0x1600),
    "drop_counters": Location("scratch", 0x1800),
    "flow_table": Location("sram1", 0),
}


def execute(
    text: str, *, inputs: Sequence[int] = (), results: int, engine: int = 0, contexts: int = 1, **defines: int
) -> list[int]:
    """Run a program; returns longwords it wrote to scratch at RESULTS. ``inputs`` lie at INPUTS."""
    program = assemble(parse(text, defines={**DEFINES, **defines}, include_dirs=["builtin:"]), locations=LOCATIONS)
    assert program.warnings == []
    hardware = resolve_hardware()
    chips = new_chips(1)
    memories = Memories(hardware)
    initialise(chips[0], hardware, memories)
    chips[0]["scratch"][INPUTS // 4 : INPUTS // 4 + len(inputs)] = inputs
    load_program(chips[0], engine, program.words, contexts=contexts)
    advance_unlinked(chips, CYCLES)
    assert int(chips[0]["fault"]) == 0
    return [int(word) for word in chips[0]["scratch"][RESULTS // 4 : RESULTS // 4 + results]]


def loop(includes: Sequence[str], body: str, *, count: int, inputs: int, results: int) -> str:
    """A program that applies ``body`` to ``count`` records: registers in0, in1, ... to out0, out1, ..."""
    lines = [f'#include "{name}"' for name in includes]
    lines += [
        f".reg at to left {' '.join(f'in{n}' for n in range(inputs))} {' '.join(f'out{n}' for n in range(results))}",
        f".reg read $in[{inputs}]",
        f".reg write $out[{results}]",
        ".sig done",
        f"immed[at, {INPUTS:#x}]",
        f"immed[to, {RESULTS:#x}]",
        f"immed[left, {count}]",
        "again#:",
        f"scratch[read, $in[0], at, 0, {inputs}], ctx_swap[done]",
        *(f"alu[in{n}, --, B, $in[{n}]]" for n in range(inputs)),
        body,
        *(f"alu[$out[{n}], --, B, out{n}]" for n in range(results)),
        f"scratch[write, $out[0], to, 0, {results}], ctx_swap[done]",
        f"alu[at, at, +, {4 * inputs}]",
        f"alu[to, to, +, {4 * results}]",
        "alu[left, left, -, 1]",
        "bne[again#]",
        "ctx_arb[kill]",
    ]
    return "\n".join(lines)


def applied(
    includes: Sequence[str], body: str, records: Sequence[Sequence[int]], *, results: int, **defines: int
) -> list[list[int]]:
    """The results of ``body`` for each record."""
    text = loop(includes, body, count=len(records), inputs=len(records[0]), results=results)
    flat = execute(
        text, inputs=[value for record in records for value in record], results=results * len(records), **defines
    )
    return [flat[n : n + results] for n in range(0, len(flat), results)]


MICROCODE = Path(str(files("microcode")))
LIBRARY = (
    *sorted((MICROCODE / "lib").glob("*.uc")),
    *(MICROCODE / "services/forward" / name for name in ("header.uc", "route.uc", "flow.uc")),
)
_MACRO = re.compile(r"((?://.*\n)+)#macro (\w+)\(([^)]*)\)")
_CYCLES = re.compile(r"^//   cycles +(\d+)(?:;.*|)$", re.MULTILINE)
# What stands for an argument that is no general register.
_ARGUMENTS = {
    "TURN": "signal_argument",
    "STATUS_SIG": "signal_argument",
    "STATUS_XFER": "$transfer_argument[0]",
    "VALUE": "0x12345678",
    "DROP": "end#",
    "NEEDED": "24",
}


def documented_macros() -> list[tuple[str, str, list[str], str]]:
    """(file, name, parameters, comment) of every macro of the library and of the forwarder."""
    return [
        (str(path.relative_to(MICROCODE)), name, [p.strip() for p in parameters.split(",") if p.strip()], comment)
        for path in LIBRARY
        for comment, name, parameters in _MACRO.findall(path.read_text())
    ]


def test_every_macro_has_a_comment_that_names_its_parameters_and_cycles() -> None:
    heads = sum(path.read_text().count("#macro ") for path in LIBRARY)
    assert len(documented_macros()) == heads > 10
    for _, name, parameters, comment in documented_macros():
        assert "//   cycles " in comment, name
        for parameter in parameters:
            assert re.search(rf"\b{parameter.lstrip('$')}\b", comment) or ".." in comment, (name, parameter)


@pytest.mark.parametrize(
    ("file", "name", "parameters", "cycles"),
    [
        pytest.param(file, name, parameters, int(match.group(1)), id=name)
        for file, name, parameters, comment in documented_macros()
        if (match := _CYCLES.search(comment))
    ],
)
def test_a_macro_without_memory_accesses_takes_the_cycles_it_says(
    file: str, name: str, parameters: list[str], cycles: int
) -> None:
    def words(call: str) -> int:
        registers = [p for p in parameters if p not in _ARGUMENTS]
        lines = [
            f'#include "{file}"',
            ".sig signal_argument",
            ".reg $transfer_argument[3]",
            *(f".reg {register}\nimmed[{register}, 0]" for register in registers),
            call,
            "end#: ctx_arb[kill]",
        ]
        parsed = parse("\n".join(lines), defines=DEFINES, include_dirs=["builtin:"])
        return len(assemble(parsed, locations=LOCATIONS).words)

    arguments = ", ".join(_ARGUMENTS.get(parameter, parameter) for parameter in parameters)
    assert words(f"{name}({arguments})") - words("") == cycles


@pytest.mark.parametrize("engine", [0, 3, 4, 7])
def test_identify_gives_engine_and_context(engine: int) -> None:
    text = f"""
#include "lib/identity.uc"
.reg engine context at
.reg write $out[2]
.sig done
identify(engine, context)
alu[$out[0], --, B, engine]
alu[$out[1], --, B, context]
alu_shf[at, --, B, context, <<3]
.reg base
immed[base, {RESULTS:#x}]
scratch[write, $out[0], at, base, 2], ctx_swap[done]
ctx_arb[kill]
"""
    wanted = [value for context in range(8) for value in (engine, context)]
    assert execute(text, results=16, engine=engine, contexts=0xFF) == wanted


def test_contexts_take_turns_in_order_from_context_0() -> None:
    # Each context appends its number three times; the place is an absolute register, so only turns keep it right.
    text = f"""
#include "lib/identity.uc"
#include "lib/ordered.uc"
.reg engine context left at base
.reg @next
.reg write $out
.sig done turn
identify(engine, context)
br!=ctx[0, begun#]
immed[@next, 0]
begun#:
turn_begin(turn)
immed[left, 3]
immed[base, {RESULTS:#x}]
again#:
ctx_arb[turn]
alu[at, --, B, @next]
alu[$out, --, B, context]
scratch[write, $out, at, base, 1], ctx_swap[done]
alu[@next, at, +, 4]
turn_pass(turn)
alu[left, left, -, 1]
bne[again#]
ctx_arb[kill]
"""
    assert execute(text, results=24, contexts=0xFF) == list(range(8)) * 3


def test_buffers_are_2176_bytes_apart() -> None:
    handles = [1, 2, 3, 4, 400, 511]
    results = applied(["lib/packet.uc"], "buffer_offset(out0, in0)", [[h] for h in handles], results=1)
    assert results == [[h * 2176] for h in handles]


def test_a_handle_is_the_low_half_of_a_descriptor() -> None:
    assert applied(["lib/packet.uc"], "buffer_handle(out0, in0)", [[0x05EA_0190]], results=1) == [[0x190]]


@pytest.mark.parametrize("workers", range(1, 7))
def test_workers_get_equal_shares_of_the_upper_hash_bits(workers: int) -> None:
    # Only six bits count: the lower ones, all set or all clear, change nothing.
    hashes = [[upper << 26 | low] for upper in range(64) for low in (0, 0x3FFFFFF)]
    results = applied(["lib/worker.uc"], "worker_of(out0, in0)", hashes, results=1, ENGINES_FORWARD=workers)
    assert [worker for (worker,) in results] == [(value >> 26) * workers // 64 for (value,) in hashes]


def test_the_hash_is_a_crc_of_addresses_and_ports() -> None:
    frames = [bytes((n * 37 + i * 11) & 0xFF for i in range(60)) for n in range(8)]
    records = [[int.from_bytes(frame[at : at + 4]) for at in (24, 28, 32, 34)] for frame in frames]
    results = applied(["lib/flow_key.uc"], "flow_hash(out0, in0, in1, in2, in3)", records, results=1)
    for frame, (value,) in zip(frames, results, strict=True):
        source, destination, source_port, destination_port = struct.unpack_from(">IIHH", frame, 26)
        assert value == flow_hash(FlowKey(source, destination, 17, source_port, destination_port))


LONGWORD = st.one_of(st.sampled_from([0, 1, 0xFFFF, 0x10000, 0xFFFF0000, 0xFFFFFFFF]), st.integers(0, 0xFFFFFFFF))


def _folded(total: int) -> int:
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(LONGWORD, LONGWORD, LONGWORD, LONGWORD, LONGWORD, LONGWORD), min_size=20, max_size=20))
def test_the_header_sum_is_the_ones_complement_sum(records: list[tuple[int, ...]]) -> None:
    body = "sum_begin(out0, in0, in1, in2, in3, in4)\nsum_end(out0, in5)"
    results = applied(["services/forward/header.uc"], body, records, results=1)
    for (first, *middle, last), (value,) in zip(records, results, strict=True):
        halves = [first & 0xFFFF, last >> 16, *(half for word in middle for half in (word >> 16, word & 0xFFFF))]
        assert value == _folded(sum(halves))


def test_the_checksum_update_equals_the_oracles() -> None:
    checksums = sorted({0, 1, 0xFEFE, 0xFEFF, 0xFF00, 0xFFFE, 0xFFFF, *range(0, 0x10000, 257)})
    ttl, protocol = 64, 17
    body = "alu[out0, --, B, in0]\nchecksum_after_ttl(out0)"
    results = applied(["services/forward/header.uc"], body, [[c << 16 | 0xABCD] for c in checksums], results=1)
    for checksum, (word,) in zip(checksums, results, strict=True):
        wanted = updated_checksum(checksum, ttl << 8 | protocol, (ttl - 1) << 8 | protocol)
        assert word == wanted << 16 | 0xABCD


def _header_rule(first: int, total: int, frame: int) -> bool:
    """Rule bad_header of the oracle, for a frame with EtherType 0x0800."""
    header = (first & 15) * 4
    return frame >= 34 and first >> 4 == 4 and 20 <= header <= total <= frame - 14


@pytest.mark.parametrize(
    "frames", [range(40), range(56, 80)], ids=["shorter than a header", "around the shortest frame"]
)
def test_the_header_check_is_exact_at_every_length(frames: range) -> None:
    def cases() -> list[tuple[int, int, int]]:
        found = []
        for frame in frames:
            for first in (0x44, 0x45, 0x46, 0x4F, 0x35, 0x55, 0x05):
                header = (first & 15) * 4
                found += [(first, total, frame) for total in (header - 1, header, frame - 14, frame - 13) if total >= 0]
        return found

    records = [(0x0800_0000 | first << 8, total << 16 | 0x1234, frame) for first, total, frame in cases()]
    body = """
.begin
.reg options total header reason
check_header(options, total, header, in0, in1, in2, reason, refused#)
immed[out0, 1]
alu_shf[out1, options, OR, header, <<8]
alu_shf[out1, out1, OR, total, <<16]
br[checked#]
refused#:
immed[out0, 0]
alu[out1, --, B, reason]
checked#:
.end
"""
    for start in range(0, len(records), 60):
        results = applied(["services/forward/header.uc"], body, records[start : start + 60], results=2)
        for (first, total, frame), (passed, word) in zip(cases()[start : start + 60], results, strict=True):
            assert passed == _header_rule(first, total, frame), (hex(first), total, frame)
            header = (first & 15) * 4
            assert word == (total << 16 | header << 8 | (header - 20) // 4 if passed else 1)
