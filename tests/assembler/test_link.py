"""References: which operands may wait for their value, and what linking puts there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ixp_emu import isa
from ixp_emu.assembler import Location, Program, Reference, link
from ixp_emu.assembler.structures import MEMORIES
from ixp_emu.errors import InputError

OPEN = Location("sram0", relocatable=True)
DECLARED = """.structure flows element_bytes=16 count=64 align=16 access=read,write,add sharing=me
.import_var i$limit
.reg r index
"""


def constant(program: Program, address: int = 0) -> int:
    value = isa.decode(program.words[address], contexts=program.contexts).operands["value"]
    assert isinstance(value, isa.Immediate)
    return value.value


# --- which operands -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reference"),
    [
        ("immed[r, i$limit]", Reference("i$limit", "whole")),
        ("immed[r, I$LIMIT]", Reference("i$limit", "whole")),
        ("immed[r, (i$limit - 3)]", Reference("i$limit", "whole", -3)),
        ("immed[r, (2 * 4 + i$limit + 1)]", Reference("i$limit", "whole", 9)),
        ("immed[r, (8 + (i$limit - 3))]", Reference("i$limit", "whole", 5)),
        ("immed[r, (i$limit & 0xFFFF)]", Reference("i$limit", "low")),
        ("immed[r, (i$limit >> 16)]", Reference("i$limit", "high")),
        ("immed[r, ((i$limit >> 16) & 0xFFFF)]", Reference("i$limit", "high")),
        ("immed_w0[r, i$limit]", Reference("i$limit", "low")),
        ("immed_w1[r, i$limit]", Reference("i$limit", "high")),
        ("immed_w1[r, (i$limit + 4)]", Reference("i$limit", "high", 4)),
        ("immed_w1[r, ((base(flows) + 0x10) >> 16)]", Reference("flows", "high", 16)),
        ("immed[r, (base(FLOWS) & 0xFFFF)]", Reference("flows", "low")),
    ],
)
def test_a_constant_may_wait_for_its_value(assembled: Callable[..., Program], line: str, reference: Reference) -> None:
    program = assembled(f"{DECLARED}.set r\n{line}\nalu[--, --, B, r]", locations={"flows": OPEN})
    assert program.references == {0: reference}
    value = 0xABCD_1234
    whole = value + reference.addend & 0xFFFF_FFFF
    if reference.part == "whole":
        value, whole = 0x1234, 0x1234 + reference.addend
    at = Location("sram0", 0x1234 << 4)
    if not reference.is_import:
        whole = (0x1234 << 4) + reference.addend
    linked = link(program, locations={"flows": at}, import_vars={"limit": value})
    assert constant(linked) == {"whole": whole, "low": whole & 0xFFFF, "high": whole >> 16}[reference.part]
    assert (linked.references, program.words[1:]) == ({}, linked.words[1:])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "alu[r, r, +, i$limit]",
            "'i$limit': no value given for this import variable: only immed, immed_w0 and immed_w1 take it",
        ),
        ("immed[r, (i$limit * 2)]", "'i$limit' is not a constant"),
        ("immed[r, (1 - i$limit)]", "'i$limit' is not a constant"),
        ("immed[r, (i$limit + i$limit)]", "'i$limit' is not a constant"),
        (
            "immed[r, i$limit, <<8]",
            "'i$limit': no value given for this import variable: only immed, immed_w0 and immed_w1 take it",
        ),
        ("immed[r, i$other]", "'i$other' is not declared with .import_var"),
        (
            "immed[r, (base(flows) >> 2)]",
            "base(flows): the address is given at load: only immed, immed_w0 and immed_w1 take it, alone, & 0xFFFF or "
            ">> 16; or assemble with --place flows=sram0:ADDRESS",
        ),
    ],
)
def test_other_operands_may_not(refused: Callable[..., str], line: str, message: str) -> None:
    assert refused(f"{DECLARED}.set r\n{line}", locations={"flows": OPEN}) == f"t.uc:5: {message}"


def test_an_import_variable_has_its_prefix(refused: Callable[..., str]) -> None:
    assert refused(".import_var limit") == (
        "t.uc:1: .import_var 'limit': the name of an import variable begins with i$"
    )


def test_a_value_given_at_assembly_needs_no_linking(assembled: Callable[..., Program]) -> None:
    """Then it may stand anywhere, and the halves are the same as of a linked one."""
    text = ".import_var i$limit\n.reg r s\nimmed_w0[r, i$limit]\nimmed_w1[r, i$limit]\nalu[s, r, +, (i$limit & 7)]\n"
    program = assembled(f".set r\n{text}alu[--, r, +, s]", import_vars={"limit": 0xABCD1234})
    assert program.references == {}
    assert [constant(program, 0), constant(program, 1)] == [0x1234, 0xABCD]
    assert link(program) is program


# --- structures -----------------------------------------------------------------------------------------------------

ACCESSES = """.state_xfer flow[4] flows
immed[index, 5]
state_base[r, flows]
alu[--, --, B, r]
state_read[flow, flows, index, 1, 3]
state_add[flows, index, 2, 1]
state_add[flows, 3, 2, 7]
alu[flow[0], --, B, flow[2]]
alu[flow[1], --, B, flow[3]]
state_write[flow, flows, index, 0, 1]
state_write[flow, flows, 63, 1, 2]
ctx_arb[bpt]
"""
ADDRESSES = {"scratch": 0x3C00, "sram0": 0x12340, "sram1": 0x70_0010, "dram": 0x123_4560, "local": 0x600}


@pytest.mark.parametrize("memory", MEMORIES)
def test_linked_code_loads_the_address_in_full(assembled: Callable[..., Program], memory: str) -> None:
    """Every reference of a linked program has the value that its address, memory and channel ask for."""
    at = Location(memory, ADDRESSES[memory])
    program = assembled(DECLARED + ACCESSES, locations={"flows": Location(memory, relocatable=True)})
    linked = link(program, locations={"flows": at})
    first = (1 << 30 if memory == "sram1" else 0) + at.base
    assert len(program.references) == len({*program.references})
    for address, reference in program.references.items():
        whole = first + reference.addend
        expected = {"whole": whole, "low": whole & 0xFFFF, "high": whole >> 16}[reference.part]
        assert constant(linked, address) == expected
    parts = {reference.part for reference in program.references.values()}
    assert parts == ({"whole"} if memory in ("scratch", "local") else {"low", "high"})
    assert linked.locations == {"flows": at}
    assert linked.digest not in (program.digest, link(program, locations={"flows": Location(memory, 0x10)}).digest)


def test_either_sram_channel_at_load(assembled: Callable[..., Program]) -> None:
    program = assembled(DECLARED + ACCESSES, locations={"flows": OPEN})
    high = next(address for address, item in program.references.items() if item.part == "high")
    assert constant(link(program, locations={"flows": Location("sram0", 0)}), high) == 0
    assert constant(link(program, locations={"flows": Location("sram1", 0)}), high) == 0x4000


# --- what cannot be linked ------------------------------------------------------------------------------------------


def refusal(program: Program, at: Location | None, **import_vars: int) -> str:
    with pytest.raises(InputError) as caught:
        link(program, locations={} if at is None else {"flows": at}, import_vars=import_vars)
    return str(caught.value)


def test_a_structure_stays_in_its_unit(assembled: Callable[..., Program]) -> None:
    program = assembled(DECLARED + ACCESSES, locations={"flows": OPEN})
    assert refusal(program, None) == "t.uc: structure flows has no location"
    assert refusal(program, Location("dram", 0)) == (
        "t.uc: structure flows was assembled for sram0, it lives in dram: assemble with --place flows=dram"
    )


def test_an_address_given_at_assembly_is_final(assembled: Callable[..., Program]) -> None:
    program = assembled(DECLARED + ACCESSES, locations={"flows": Location("sram0", 0x40)})
    assert program.references == {}
    assert link(program, locations={"flows": Location("sram0", 0x40)}) is program
    for other in (Location("sram0", 0x44), Location("sram1", 0x40)):
        assert refusal(program, other) == (
            f"t.uc: structure flows was assembled for sram0 at 0x40, it lives in {other.memory} at {other.base:#x}: "
            f"assemble with --place flows={other.memory}:{other.base:#x}"
        )


def test_a_value_must_be_given_and_fit(assembled: Callable[..., Program]) -> None:
    program = assembled(f"{DECLARED}immed[r, (i$limit + 1)]\nalu[--, --, B, r]")
    assert refusal(program, None) == "t.uc:4: import variable i$limit has no value"
    assert constant(link(program, import_vars={"i$limit": 0xFFFE})) == 0xFFFF
    assert refusal(program, None, limit=0xFFFF) == (
        "t.uc:4: i$limit+1 is 0x10000: immed takes 0 to 0xffff; load it in two halves"
    )
    assert constant(link(program, import_vars={"LIMIT": -1})) == 0
