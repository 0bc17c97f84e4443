"""The macros of Oboe: each says what it takes, and those that take no memory access and no turn say it right."""

from __future__ import annotations

import random
import re
from collections.abc import Collection
from importlib.resources import files
from pathlib import Path

import pytest

from ixp_emu.assembler import Location, assemble, parse
from tests.microcode.test_macros import execute
from tests.oboe_runtime.test_budget import DEFINES

FOLDER = Path(str(files("microcode"))) / "oboe"
_MACRO = re.compile(r"((?://.*\n)*)#macro (\w+)\(([^)]*)\)")
_CYCLES = re.compile(r"^//   cycles +(\d+)(?:;.*|)$", re.MULTILINE)
PREAMBLE = """
#define ORDER_PINNED 1
#define KEY_NAT 1
#define EXTERNAL 0xC6336401
#define WORKING_CHIPS 3
#define TICK_STEPS 100
#define TICKS_PER_HEARTBEAT 5
#define CALL_TICKS 20
#define RESYNC_FIRST 2
#define CALL_TICK_STEPS 100
.reg buffers @self @home @own_caller @number @buffers @work_ring @egress descriptor packet_at flow verdict
.reg self length bundle entry place
.sig got, written, put_done, a_signal
#include "oboe/structures.uc"
#include "oboe/headers.uc"
#include "oboe/message.uc"
#include "oboe/request.uc"
#include "oboe/send.uc"
#include "oboe/replica.uc"
#include "oboe/scan.uc"
#include "oboe/pinned.uc"
#macro service_evict()
#endm
#macro service_new_flow()
#endm
#include "oboe/packet.uc"
#include "oboe/flow_table.uc"
#include "oboe/combine.uc"
immed[packet_at, 0]
immed[descriptor, 0]
immed[@buffers, 0]
immed[@self, 0]
immed[@number, 0]
immed[@scan_time, 0]
immed[@scan_bucket, 0]
immed[@down, 0]
immed[@gaps, 0]
immed[@own_caller, 0]
immed[@caller, 0]
immed[@first_reply, 0]
"""
LABELS = ("DROP", "DOWN", "POLL", "STALE", "GIVEN_UP", "NOT", "KNOWN", "NONE")
ARGUMENTS = {"SIGNAL": "a_signal", "OPERATION": "3", **dict.fromkeys(LABELS, "end#")}
OF_A_STAGE = {"receive.uc", "transmit.uc", "ordered.uc", "worker.uc"}
"""Their macros use what stands before them; ordered.uc has the names of pinned.uc."""


def documented(leave_out: Collection[str] = ()) -> list[tuple[str, list[str], str]]:
    """(name, parameters, comment) of every macro but those of some files."""
    return [
        (name, [part.strip() for part in parameters.split(",") if part.strip()], comment)
        for path in sorted(FOLDER.glob("*.uc"))
        if path.name not in leave_out
        for comment, name, parameters in _MACRO.findall(path.read_text())
    ]


def test_every_macro_has_a_comment_that_names_its_parameters() -> None:
    heads = sum(path.read_text().count("#macro ") for path in FOLDER.glob("*.uc"))
    macros = documented()
    assert len(macros) == heads > 40
    for name, parameters, comment in macros:
        assert comment, name
        for parameter in parameters:
            assert re.search(rf"\b{parameter}\b", comment) or ".." in comment, (name, parameter)


PLAIN = [
    (name, parameters, int(match.group(1)))
    for name, parameters, comment in documented(leave_out=OF_A_STAGE)
    if (match := _CYCLES.search(comment))
]


@pytest.mark.parametrize(("name", "parameters", "cycles"), PLAIN, ids=[name for name, *_ in PLAIN])
def test_a_macro_takes_the_cycles_it_says(name: str, parameters: list[str], cycles: int) -> None:
    def words(call: str) -> int:
        registers = [p for p in parameters if p not in ARGUMENTS]
        lines = [PREAMBLE, *(f".reg {register}\nimmed[{register}, 0]" for register in registers), call]
        program = parse("\n".join([*lines, "end#: ctx_arb[kill]"]), defines=DEFINES, include_dirs=["builtin:"])
        places = {"packet_buffers": "dram", "channel_copies": "dram", "waiting": "local", "calls_pending": "local"}
        locations = {
            one.name: Location(places.get(one.name, "scratch" if one.ring else "sram0"), 0)
            for one in program.structures
        }
        return len(assemble(program, locations=locations).words)

    arguments = ", ".join(ARGUMENTS.get(parameter, parameter) for parameter in parameters)
    assert words(f"{name}({arguments})") - words("") == cycles


def applied(include: str, body: str, records: list[list[int]], *, results: int) -> list[list[int]]:
    """What a body makes of records: registers in0, in1, ... to out0, out1, ..."""
    names = [*(f"in{n}" for n in range(len(records[0]))), *(f"out{n}" for n in range(results))]
    lines = [
        f'#include "{include}"',
        f".reg at to left {' '.join(names)}",
        f".reg read $in[{len(records[0])}]",
        f".reg write $out[{results}]",
        ".sig done",
        "immed[at, 0x3000]",
        "immed[to, 0x2000]",
        f"immed[left, {len(records)}]",
        "again#:",
        f"scratch[read, $in[0], at, 0, {len(records[0])}], ctx_swap[done]",
        *(f"alu[in{n}, --, B, $in[{n}]]" for n in range(len(records[0]))),
        body,
        *(f"alu[$out[{n}], --, B, out{n}]" for n in range(results)),
        f"scratch[write, $out[0], to, 0, {results}], ctx_swap[done]",
        f"alu[at, at, +, {4 * len(records[0])}]",
        f"alu[to, to, +, {4 * results}]",
        "alu[left, left, -, 1]",
        "bne[again#]",
        "ctx_arb[kill]",
    ]
    flat = execute(
        "\n".join(lines), inputs=[word for one in records for word in one], results=results * len(records), **DEFINES
    )
    return [flat[n : n + results] for n in range(0, len(flat), results)]


def test_a_record_is_stale_beyond_its_time_out() -> None:
    """Not at the time-out, one step of the clock behind it."""
    timeout = DEFINES["FLOW_TIMEOUT"]
    body = """
immed[out0, 0]
flow_timeout(in0, stale#)
br[judged#]
stale#:
immed[out0, 1]
judged#:
"""
    ages = [0, timeout - 1, timeout, timeout + 1, 1 << 31]
    got = applied("oboe/flow_table.uc", body, [[age] for age in ages], results=1)
    assert [stale for (stale,) in got] == [int(age > timeout) for age in ages]


def test_canonical_keys() -> None:
    """By address, then by port; of equal endpoints nothing changes. Unsigned, at the edges too."""
    draw = random.Random(4)
    addresses = [0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, draw.getrandbits(32)]
    ports = [0, 1, 0x7FFF, 0x8000, 0xFFFF]
    records = [
        [draw.choice(addresses), draw.choice(addresses), draw.choice(ports) << 16 | draw.choice(ports)]
        for _ in range(150)
    ]
    records += [[7, 7, 5 << 16 | 5], [7, 7, 5 << 16 | 4], [7, 7, 4 << 16 | 5]]
    body = """
alu[out0, --, B, in0]
alu[out1, --, B, in1]
alu[out2, --, B, in2]
immed[out3, 0]
canonical(out0, out1, out2, out3)
"""
    for (low, high, both), got in zip(records, applied("oboe/headers.uc", body, records, results=4), strict=True):
        first, second = (low, both >> 16), (high, both & 0xFFFF)
        changed = first > second
        if changed:
            first, second = second, first
        assert got == [first[0], second[0], first[1] << 16 | second[1], changed << 16]
