"""The effort of a service's programmer: every kind is seen, and the services that ship have none."""

from __future__ import annotations

from importlib.resources import files

import pytest

from oboe_runtime.effort import Effort, effort_of, effort_of_text


@pytest.mark.parametrize(
    ("line", "effort"),
    [
        ("alu[a, a, +, 1]", Effort()),
        ("packet_read(a, b, c, d, 24)", Effort()),
        ("again#: count(flow, 1)", Effort()),
        ("// sram[read, $x, a, 0, 1]", Effort()),
        ("sram[read, $x, a, 0, 1], ctx_swap[done]", Effort(io_commands=1, waits=1, transfer_registers=1)),
        ("dram[write, $$x[0], a, 0, 2], sig_done[done]", Effort(io_commands=1, waits=1, transfer_registers=1)),
        ("state_add[counts, index, 0, 1]", Effort(io_commands=1)),
        ("cap[fast_wr, 0, XSCALE_INT_A]", Effort(io_commands=1)),
        ("ctx_arb[voluntary]", Effort(waits=1)),
        ("br_signal[done, here#]", Effort(waits=1)),
        ("local_csr_rd[timestamp_low]", Effort(local_csrs=1)),
        (".sig one, two", Effort(signals=2)),
        (".reg a $x $$y[4]", Effort(transfer_registers=2)),
        ("alu[$x, --, B, $$y]", Effort(transfer_registers=2)),
        ("send($x)", Effort(transfer_registers=1)),
    ],
)
def test_every_kind_is_counted(line: str, effort: Effort) -> None:
    assert effort_of_text(f"#macro m(a)\n{line}\n#endm\n") == effort


def test_operations_are_read_with_their_heads() -> None:
    text = "state_op one(entry; a; b) // head\n entry_read[0, b]\n ctx_arb[voluntary]\nend_op\n"
    assert effort_of_text(text) == Effort(waits=1)


def test_both_sides_of_a_condition_count() -> None:
    assert effort_of_text("#if (A)\nctx_arb[kill]\n#else\nctx_arb[voluntary]\n#endif\n") == Effort(waits=2)


def test_efforts_add_up() -> None:
    assert Effort(1, 2, 3, 4, 5) + Effort(10, 20, 30, 40, 50) == Effort(11, 22, 33, 44, 55)
    assert Effort(1, 2, 3, 4, 5).total == 15


@pytest.mark.parametrize("name", ["monitor", "nat", "intrusion"])
def test_the_services_have_none(name: str) -> None:
    efforts = effort_of(f"builtin:services/{name}")
    assert set(efforts) >= {"service.uc", "operations.uc"}
    assert set(efforts.values()) == {Effort()}


def test_the_forwarder_written_without_oboe_has_some() -> None:
    path = files("microcode").joinpath("services/forward/forward.uc")
    effort = effort_of_text(path.read_text(encoding="utf-8"))
    assert effort.io_commands and effort.waits and effort.signals and effort.transfer_registers
