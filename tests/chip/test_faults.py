"""What a program must not do stops the run in the cycle it happens, with its kind."""

from __future__ import annotations

import pytest

from ixp_emu.chip.codes import FAULT_NAMES, Fault
from tests.chip.one_chip import OneChip

_ZERO = ".reg zero one $x $y\n.xfer_order $x $y\n.sig s\nimmed[zero, 0]\nimmed[$x, 0]\nimmed[$y, 0]\n"


def fault_of(source: str, **options: object) -> tuple[int, int]:
    chip = OneChip({0: source}, **options)  # type: ignore[arg-type]
    record = chip.run(2_000)
    return int(record["fault"]), int(record["fault_time"])


@pytest.mark.parametrize(
    ("source", "fault", "time"),
    [
        ("nop\nhalt\n", Fault.HALT, 1),
        (".word 0xffffffffff\n", Fault.INVALID_WORD, 0),
        ("nop\nnop\n", Fault.PC_OUTSIDE, 2),
        (
            ".reg a\nimmed[a, 2560]\nlocal_csr_wr[ACTIVE_LM_ADDR_0, a]\nnop\nnop\nnop\nalu[a, --, B, *l$index0]\n",
            Fault.LOCAL_MEMORY,
            5,
        ),
    ],
)
def test_faults_of_an_instruction(source: str, fault: int, time: int) -> None:
    assert fault_of(source) == (fault, time)


def test_local_memory_ends_at_word_639() -> None:
    body = (
        ".reg a\nimmed[a, {0}]\nlocal_csr_wr[ACTIVE_LM_ADDR_0, a]\n"
        "nop\nnop\nnop\nalu[a, --, B, *l$index0]\nctx_arb[kill]\n"
    )
    assert fault_of(body.format(639 * 4))[0] == Fault.NONE
    assert fault_of(body.format(640 * 4))[0] == Fault.LOCAL_MEMORY


@pytest.mark.parametrize(
    ("target", "size_key"),
    [("scratch", "scratch.size_bytes"), ("sram", "sram.size_bytes"), ("dram", "dram.size_bytes")],
)
def test_an_access_may_reach_the_last_byte_and_no_further(target: str, size_key: str) -> None:
    size = OneChip({}).hardware[size_key]
    unit = 8 if target == "dram" else 4
    registers = ".reg a $x $$x $$y\n.xfer_order $$x $$y\n.sig s\n"
    transfer = "$$x" if target == "dram" else "$x"

    def at(address: int) -> int:
        load = f"immed[a, {address & 0xFFFF}]\nimmed_w1[a, {address >> 16}]\n"
        read = f"{target}[read, {transfer}, a, 0, 1], sig_done[s]\n"
        return fault_of(f"{registers}{load}{read}ctx_arb[s]\nctx_arb[kill]\n")[0]

    assert at(size - unit) == Fault.NONE
    assert at(size) == Fault.ACCESS_OUTSIDE


def test_a_put_may_fill_a_ring_and_no_more() -> None:
    put = "scratch[put, $x, zero, 0, 2], ctx_swap[s]\n"
    ring = {0: {"base": 0, "size": 128, "contents": [1] * 126}}
    assert fault_of(_ZERO + put + "ctx_arb[kill]\n", rings=ring)[0] == Fault.NONE
    assert fault_of(_ZERO + put + put + "ctx_arb[kill]\n", rings=ring)[0] == Fault.RING_FULL


def test_an_rbuf_element_is_freed_once() -> None:
    """Element 1 starts free, so freeing it is a fault; one left out by the erratum (0) may be freed once."""
    free = "immed[one, 0x0044]\nimmed_w1[one, {0}]\nmsf[fast_wr, --, one, 0]\n"
    assert fault_of(_ZERO + free.format(1) + "ctx_arb[kill]\n", ports=1)[0] == Fault.ELEMENT_FREE
    assert fault_of(_ZERO + free.format(0) + "ctx_arb[kill]\n", ports=1)[0] == Fault.NONE
    assert fault_of(_ZERO + free.format(0) * 2 + "ctx_arb[kill]\n", ports=1)[0] == Fault.ELEMENT_FREE


@pytest.mark.parametrize(
    ("count", "port", "fault"),
    [(64, 0, Fault.NONE), (65, 0, Fault.TBUF_CONTROL), (0, 0, Fault.TBUF_CONTROL), (64, 1, Fault.TBUF_CONTROL)],
)
def test_a_tbuf_control_word_is_checked(count: int, port: int, fault: int) -> None:
    control = count << 24 | 1 << 9 | 1 << 8 | port
    source = (
        _ZERO
        + f"immed[$x, {control & 0xFFFF}]\nimmed[one, {control & 0xFFFF}]\nimmed_w1[one, {control >> 16}]\n"
        + "alu[$x, --, B, one]\nimmed[one, 0x1800]\nmsf[write, $x, one, 0, 2], ctx_swap[s]\nctx_arb[kill]\n"
    )
    assert fault_of(source, ports=1)[0] == fault


def test_every_fault_has_a_name() -> None:
    codes = {value for name, value in Fault._asdict().items() if name != "NONE"}
    assert codes == set(FAULT_NAMES)
