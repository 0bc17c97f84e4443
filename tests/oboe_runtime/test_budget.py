"""What Oboe takes of a context while code of the service runs: at most 10 registers, 8 $, 4 $$ and 4 signals."""

from __future__ import annotations

import pytest

from ixp_emu.assembler import Location, Program, assemble, parse
from oboe_runtime.declaration import read_declaration
from oboe_runtime.generate import worker_text
from oboe_runtime.layout import HASH_MULTIPLIER

REGISTERS = 32
OBOES = 10
IN_EVICT = 16
"""Code of service_evict stands inside the lookup, whose registers are alive too."""

DECLARATION = read_declaration("builtin:services/monitor", options={"conservative": 1})
DEFINES = {
    "CHIPS": 2,
    "ENGINES_RECEIVE": 1,
    "ENGINES_CLASSIFY": 1,
    "ENGINES_TRANSMIT": 1,
    "ENGINES_WORKER": 2,
    "ENGINES_CONTROL": 1,
    "SERVICE_DROPS": 0,
    "MERGING": 1,
    "MERGE_STEPS": 1000,
    "SLICES": 1024,
    "FLOW_TIMEOUT": 1_000_000,
    **DECLARATION.defines(),
    **{f"HASH_MULTIPLIER_LOW_{n}": word & 0xFFFF for n, word in enumerate(HASH_MULTIPLIER)},
    **{f"HASH_MULTIPLIER_HIGH_{n}": word >> 16 for n, word in enumerate(HASH_MULTIPLIER)},
}
CALLS = {
    "packet": "packet_length(hold0)",
    "ingress": "packet_ingress(hold0)",
    "bundle": "packet_bundle(hold0)",
    "read": "packet_read(hold0, hold1, hold2, hold3, hold4)",
    "write": "packet_write(hold1, hold2)",
    "key": "packet_key(hold0, hold1, hold2, hold3)",
    "hash": "packet_hash(hold0, hold1, hold2)",
    "per_flow": "flow_count(flow, hold1, hold2)",
    "commutative": "total_count(hold0, hold1)",
    "strict": "conservative_count(hold0, hold1, hold2, hold3, hold4, hold5)",
}


def assembled(call: str, *, macro: str, holding: int, order: str) -> Program:
    """The worker with a service that holds registers across a call in one of its macros."""
    names = [f"hold{number}" for number in range(holding)]
    lines = [f".reg {' '.join(names)}", *(f"immed[{name}, 0]" for name in names), call]
    lines += [f"alu[verdict, {name}, -, verdict]" for name in names]
    bodies = {name: [] for name in ("service_new_flow", "service_evict", "service_packet")} | {macro: lines}
    service = "\n".join(f"#macro {name}()\n" + "\n".join(body) + "\n#endm" for name, body in bodies.items())
    text = worker_text(DECLARATION, order=order, chips=2)
    include = f'#include "{DECLARATION.directory}/service.uc"'
    assert include in text
    program = parse(
        text.replace(include, service), defines={**DEFINES, f"ORDER_{order.upper()}": 1}, include_dirs=["builtin:"]
    )
    places = {"packet_buffers": "dram", "waiting": "local"}
    locations = {s.name: Location(places.get(s.name, "scratch" if s.ring else "sram0"), 0) for s in program.structures}
    return assemble(program, locations=locations)


@pytest.mark.parametrize("order", ["pinned", "ordered"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_service_has_22_registers(call: str, order: str) -> None:
    assembled(call, macro="service_packet", holding=REGISTERS - OBOES, order=order)


@pytest.mark.parametrize("order", ["pinned", "ordered"])
@pytest.mark.parametrize("call", [CALLS["per_flow"], CALLS["commutative"], CALLS["strict"]])
def test_and_16_while_a_record_is_given_up(call: str, order: str) -> None:
    assembled(call, macro="service_evict", holding=IN_EVICT, order=order)


@pytest.mark.parametrize("order", ["pinned", "ordered"])
def test_transfer_registers_and_signals(order: str) -> None:
    """Of the whole worker with calls of every kind: a service declares none, so all it has are Oboe's."""
    program = assembled("\n".join(CALLS.values()), macro="service_packet", holding=REGISTERS - OBOES, order=order)
    assert program.usage["$"] <= 8
    assert program.usage["$$"] <= 4
    assert program.usage["signals"] <= 4
