"""Single timing rules of the engine, at their edges; expected values come from the hardware parameters."""

from __future__ import annotations

import pytest

from ixp_emu.chip.layout import SRAM_IN
from tests.chip.command_path import STAMP, Path, load, program
from tests.chip.one_chip import OneChip

# Programs write PROFILE_COUNT (the cycle) before and after what they measure; local memory takes the results.
_STAMP = "local_csr_rd[PROFILE_COUNT]\nimmed[{0}, 0]\n"
_STORE = "alu[*l$index0++, --, B, {0}]\n"


def between(body: str, *, declare: str = "", head: str = "", overrides: dict[str, int] | None = None) -> int:
    """Cycles from the issue of the stamp before ``body`` to the stamp after it, less the stamp's own two cycles."""
    source = (
        f".reg t0 t1\n{declare}\n{head}\n"
        + _STAMP.format("t0")
        + body
        + "\n"
        + _STAMP.format("t1")
        + "alu[*l$index0++, t1, -, t0]\nctx_arb[kill]\n"
    )
    chip = OneChip({0: source}, overrides=overrides)
    record = chip.run(5_000)
    assert int(record["fault"]) == 0
    return chip.local_memory(0, 1)[0] - 2


def test_an_instruction_takes_one_cycle() -> None:
    assert between("nop\nnop\nnop") == 3


@pytest.mark.parametrize(
    ("branch", "shadow"),
    [
        ("br[out#]", 2),
        ("br=ctx[0, out#]", 2),
        ("br_bclr[t0, 31, out#]", 3),
        ("br!=byte[t0, 3, 255, out#]", 3),
        ("br_!signal[s, out#]", 3),
        ("br_!inp_state[SCR_RING0_STATUS, out#]", 2),
    ],
)
def test_a_taken_branch_costs_its_shadow(branch: str, shadow: int) -> None:
    assert between(f"{branch}\nnop\nnop\nnop\nout#:", declare=".sig s\n.set_sig s") == 1 + shadow


@pytest.mark.parametrize("defer", [1, 2, 3])
def test_a_conditional_branch_fills_its_shadow_with_defer_slots(defer: int) -> None:
    """1 cycle for the branch, 3 shadow slots in all, of which ``defer`` execute."""
    body = f"alu[--, t0, AND, 0]\nbeq[out#], defer[{defer}]\n" + "nop\n" * 3 + "out#:"
    assert between(body) == 1 + 1 + 3


def test_a_branch_not_taken_costs_one_cycle() -> None:
    assert between("alu[--, t0, AND, 0]\nbne[out#]\nnop\nout#:") == 3


def test_a_voluntary_swap_of_the_only_context_costs_three_cycles() -> None:
    assert between("ctx_arb[voluntary]") == 3


def read_latency(target: str, *, odd: bool, overrides: dict[str, int] | None = None) -> int:
    """Issue of a one-unit read to the cycle in which its signal lets the context go on."""
    declare = ".reg $x $$d0 $$d1\n.xfer_order $$d0 $$d1\n.sig s ds\n.reg zero"
    command = {
        "scratch": "scratch[read, $x, zero, 0, 1], sig_done[s]",
        "sram": "sram[read, $x, zero, 0, 1], sig_done[s]",
        "msf": "msf[read, $x, zero, 0, 1], sig_done[s]",
        "dram": "dram[read, $$d0, zero, 0, 1], sig_done[ds]",
        "scratch write": "scratch[write, $x, zero, 0, 1], sig_done[s]",
        "sram write": "sram[write, $x, zero, 0, 1], sig_done[s]",
        "dram write": "dram[write, $$d0, zero, 0, 1], sig_done[ds]",
    }[target]
    wait = "ctx_arb[ds]" if "dram" in target else "ctx_arb[s]"
    warm = f"{command}\n{wait}\n" if "dram" in target else ""  # opens the row
    # the stamp's read issues at p; the command issues at p + 2 + pad
    head = f"immed[zero, 0]\nimmed[$x, 0]\nimmed[$$d0, 0]\nimmed[$$d1, 0]\n{warm}align#:\n"
    parity = "local_csr_rd[PROFILE_COUNT]\nimmed[t1, 0]\n" + (
        "br_bset[t1, 0, odd#]\nnop\nodd#:\n"  # 1 + 1 if even, 4 if odd: the stamp then issues on an even cycle
    )
    pad = "nop\n" if odd else ""
    source = (
        f".reg t0 t1\n{declare}\n{head}{parity}"
        + _STAMP.format("t0")
        + pad
        + f"{command}\n{wait}\n"
        + _STAMP.format("t1")
        + "alu[*l$index0++, t1, -, t0]\nalu[*l$index0++, --, B, t0]\nctx_arb[kill]\n"
    )
    chip = OneChip({0: source}, overrides=overrides)
    assert int(chip.run(20_000)["fault"]) == 0
    difference, stamp = chip.local_memory(0, 2)
    issued = stamp + 2 + (1 if odd else 0)
    assert issued % 2 == (1 if odd else 0), "the program did not issue on the parity it meant to"
    return stamp + difference - issued


@pytest.mark.parametrize("target", ["scratch", "sram", "msf", "dram", "scratch write", "sram write", "dram write"])
@pytest.mark.parametrize("odd", [False, True])
def test_idle_latency_is_the_chosen_one(target: str, odd: bool) -> None:
    """Exactly on an even cycle, one less on an odd one (docs/hardware-model.md, section 4)."""
    memory = target.split()[0]
    chosen = OneChip({}).hardware[f"{memory}.idle_latency"]
    assert read_latency(target, odd=odd) == chosen - (1 if odd else 0)


@pytest.mark.parametrize("chosen", [70, 101, 240])
def test_idle_latency_follows_its_parameter(chosen: int) -> None:
    """An odd sum is rounded up to the bus's edge, hence one cycle of tolerance."""
    measured = read_latency("sram", odd=False, overrides={"sram.idle_latency": chosen})
    assert chosen <= measured <= chosen + 1


@pytest.mark.parametrize("gap", [0, 1, 2, 3, 4])
def test_lm_addr_is_seen_after_three_instructions(gap: int) -> None:
    """The old address up to three instructions behind the write, the new one from the fourth on."""
    source = (
        ".reg a\nimmed[a, 64]\nlocal_csr_wr[ACTIVE_LM_ADDR_0, a]\n"
        + "nop\n" * gap
        + "immed[*l$index0, 0x55]\nctx_arb[kill]\n"
    )
    chip = OneChip({0: source})
    chip.run(100)
    memory = chip.local_memory(0, 20)
    assert (memory[0], memory[16]) == ((0, 0x55) if gap >= 3 else (0x55, 0))


@pytest.mark.parametrize("gap", [2, 3])
@pytest.mark.parametrize("csr", ["T_INDEX", "T_INDEX_BYTE_INDEX"])
def test_t_index_is_seen_after_three_instructions(csr: str, gap: int) -> None:
    body = f"local_csr_wr[{csr}, 0x14]\n" + "nop\n" * gap + "alu[*l$index0, --, B, *$index]\nctx_arb[kill]\n"
    chip = OneChip({0: body})
    chip.chip["me"][0]["file"][SRAM_IN : SRAM_IN + 128] = range(100, 228)
    chip.run(100)
    assert chip.local_memory(0, 1) == [105 if gap >= 3 else 100]


@pytest.mark.parametrize("sequence", ["16x16", "32x32"])
def test_a_multiply_step_takes_one_cycle(sequence: str) -> None:
    steps = {"16x16": 2, "32x32": 4}[sequence]
    body = f"mul_step[t0, t1], {sequence}_start\n"
    body += "".join(f"mul_step[t0, t1], {sequence}_step{n}\n" for n in range(1, steps + 1))
    assert between(f"{body}mul_step[t1, --], {sequence}_last", head=".set t1") == steps + 2


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_full_command_fifo_stalls(depth: int) -> None:
    """Commands issue one a cycle until the FIFO is full; then each waits for a grant, one per two cycles."""
    commands = 2 * depth + 5
    source = (
        ".reg zero $x\n.set $x\nimmed[zero, 0]\n" + "scratch[write, $x, zero, 0, 1]\n" * commands + "ctx_arb[kill]\n"
    )
    chip = OneChip({0: source}, overrides={"command.fifo_depth": depth, "scratch.inlet_depth": 16})
    record = chip.run(1_000)
    # The first issues at 1 and is granted at 2; then a grant at every edge. The k-th command (from 0) finds room at the
    # first cycle from its turn on with at most depth - 1 commands granted behind it.
    issue, stalled = 1, 0
    issued: list[int] = []
    for k in range(commands):
        earliest = issue if not issued else issued[-1] + 1
        room = 0 if k < depth else 2 + 2 * (k - depth)  # grant of command k - depth, visible in the same cycle
        issued.append(max(earliest, room))
        stalled += issued[-1] - earliest
    assert int(record["me"]["stalled"][0]) == stalled > 0


@pytest.mark.parametrize(("target", "cycles"), [("scratch", 2), ("sram", 3)])
def test_reads_reach_the_longword_rate_and_never_exceed_it(target: str, cycles: int) -> None:
    """Eight MEs of eight contexts saturate the unit: within 3 % of the peak, and not above."""
    source = (
        ".reg zero $x0 $x1 $x2 $x3\n.xfer_order $x0 $x1 $x2 $x3\n.sig s\nimmed[zero, 0]\n"
        f"again#:\n{target}[read, $x0, zero, 0, 4], ctx_swap[s], defer[2]\nnop\nnop\nbr[again#]\n"
    )
    chip = OneChip(dict.fromkeys(range(8), source), contexts=0xFF)
    chip.run(20_000)
    before = int(chip.chip["longwords"][0 if target == "scratch" else 1])
    chip.run(120_000)
    moved = int(chip.chip["longwords"][0 if target == "scratch" else 1]) - before
    assert 0.97 <= moved * cycles / 100_000 <= 1.0


@pytest.mark.parametrize("bus", [2, 3, 4, 16])
@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("target", ["scratch", "sram", "msf"])
def test_a_long_read_is_on_the_bus_as_early_as_its_longwords_allow(target: str, count: int, bus: int) -> None:
    """A faster bus is asked for so that the last longword is there in time, a slower one when the first is."""
    lines = [*load("a", 0x2000), f"{target}[read, $x0, a, 0, {count}], sig_done[s]", "ctx_arb[s]", *STAMP]
    overrides = {f"{target}.longword_cycles": 3, "sbus.longword_cycles": bus}
    chip = OneChip({0: program(lines)}, overrides=overrides)
    assert int(chip.run(2_000)["fault"]) == 0
    path = Path(chip.hardware)
    first = path.arrival(2) + chip.hardware[f"{target}.controller_delay"] + 3
    in_time = first + (count - 1) * (3 - bus)
    assert chip.local_memory(0, 1) == [path.pushed(max(first, in_time), count)]


@pytest.mark.parametrize("bus", [1, 3, 4, 5, 16])
@pytest.mark.parametrize("count", [1, 2, 8])
def test_a_long_dram_read_likewise(count: int, bus: int) -> None:
    registers = " ".join(f"$$d{i}" for i in range(16))
    lines = [*load("a", 0), f"dram[read, $$d0, a, 0, {count}], sig_done[s]", "ctx_arb[s]", *STAMP]
    source = program(lines, declare=f".reg {registers}\n.xfer_order {registers}\n.set {registers}\n")
    chip = OneChip({0: source}, overrides={"dram.quadword_cycles": 4, "dbus.quadword_cycles": bus})
    assert int(chip.run(2_000)["fault"]) == 0
    path, hardware = Path(chip.hardware), chip.hardware
    data = path.arrival(2) + hardware["dram.activate"] + hardware["dram.cas"]
    first = data + 4 + hardware["dram.controller_delay"]
    granted = path.edge(max(first, first + (count - 1) * (4 - bus)))
    assert chip.local_memory(0, 1) == [granted + count * bus + hardware["push.latency"]]


def test_cycles_of_an_engine_sum_to_the_run() -> None:
    source = ".reg zero $x\n.sig s\nimmed[zero, 0]\nagain#:\nsram[read, $x, zero, 0, 1], ctx_swap[s]\nbr[again#]\n"
    chip = OneChip({0: source, 5: source}, contexts=0xFF)
    from ixp_emu.chip.chip import cycle_accounts

    for now in (1, 2, 3, 50, 51, 52, 53, 997):
        chip.run(now)
        account = cycle_accounts(chip.chip, now)
        for engine in (0, 5):
            assert sum(int(account[name][engine]) for name in account) == now


@pytest.mark.parametrize("target", ["scratch", "sram", "dram"])
def test_a_saturated_unit_serves_all_engines_alike(target: str) -> None:
    """Round robin inside a cluster, and the clusters take turns at the last place of the inlet."""
    command = {
        "scratch": "scratch[read, $x, zero, 0, 1], ctx_swap[s]",
        "sram": "sram[read, $x, zero, 0, 1], ctx_swap[s]",
        "dram": "dram[read, $$d0, zero, 0, 1], sig_done[ds]\nctx_arb[ds]",
    }[target]
    source = (
        f".reg zero $x $$d0 $$d1\n.xfer_order $$d0 $$d1\n.sig s ds\nimmed[zero, 0]\nagain#:\n{command}\nbr[again#]\n"
    )
    chip = OneChip(dict.fromkeys(range(8), source), contexts=0xFF)
    commands = chip.run(200_000)["me"]["commands"]
    assert max(commands) <= 1.02 * min(commands)
