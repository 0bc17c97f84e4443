"""From source form to instruction: limits and their messages, symbolic operands, the bank rule, transfer registers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ixp_emu.isa import (
    CAP_CSRS,
    INP_STATES,
    LOCAL_CSRS,
    MNEMONICS,
    NULL,
    OPERATIONS,
    Bank,
    Immediate,
    Instruction,
    IsaError,
    Label,
    Register,
    RegisterKind,
    Shift,
    bind,
    decode,
    encode,
    format_instruction,
    instruction_table,
    operation,
    transfer_span,
)
from ixp_emu.isa.flow import CommandSignal, Defer
from ixp_emu.isa.semantics import immediate

BindLine = Callable[[str], Instruction]


def _gpr(number: int, bank: Bank) -> Register:
    return Register(RegisterKind.GPR, number, bank)


@pytest.mark.parametrize(
    "line",
    [
        "alu[a1, a1, +, 255]",
        "alu_shf[a1, a1, OR, 255, <<31]",
        "ld_field[a1, 1111, 255]",
        "br=byte[a1, 3, 255, l8191#]",
        "sram[read, $0, 127, 127, 8], sig_done[15]",
        "local_csr_wr[t_index, 255]",
        "immed[a1, 65535, <<16]",
        "immed_b0[a1, 255]",
        "immed_w1[a1, 65535]",
        "cap[fast_wr, 16383, xscale_int_a]",
        "alu[*l$index0[15], --, B, a1]",
        "alu_shf[*l$index0[7], --, B, a1, <<1]",
        "br_bset[a1, 31, l0#]",
        "br=ctx[7, l0#]",
        "cam_write[a1, b1, 15]",
        "scratch[read, $0, a1, 0, max_16], sig_done[1], indirect_ref",
        "hash_48[$0, 3], sig_done[1]",
        "br[l0#], defer[2]",
        "beq[l0#], defer[3], guess_branch",
    ],
)
def test_the_last_value_that_fits(line: str, bind_line: BindLine) -> None:
    instruction = bind_line(line)
    assert decode(encode(instruction)).operation is instruction.operation


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("alu[a1, a1, +, 256]", "alu: constant 256 does not fit: 0 to 255"),
        ("alu[a1, a1, +, -1]", "alu: constant -1 does not fit: 0 to 255"),
        ("alu_shf[a1, a1, OR, 256, <<31]", "alu_shf: constant 256 does not fit: 0 to 255"),
        ("alu_shf[a1, --, B, b1, <<32]", "alu_shf: shift amount 32 does not fit: 0 to 31"),
        ("ld_field[a1, 1111, 256]", "ld_field: constant 256 does not fit: 0 to 255"),
        ("ld_field[a1, 11112, b1]", "ld_field: byte mask 11112 is not four binary digits such as 0011"),
        ("br=byte[a1, 3, 256, l1#]", "br=byte: constant 256 does not fit: 0 to 255"),
        ("br=byte[a1, 4, 255, l1#]", "br=byte: byte 4 does not fit: 0 to 3"),
        ("sram[read, $0, 128, a1, 8], sig_done[1]", "sram: constant 128 does not fit: 0 to 127"),
        ("sram[read, $0, a1, 0, 9], sig_done[1]", "sram: count 9 does not fit: 1 to 8"),
        ("sram[read, $0, a1, 0, max_16], sig_done[1]", "sram: max_16 needs the token indirect_ref"),
        ("sram[read, $0, a1, 0, max_17], indirect_ref", "sram: max_ count 17 does not fit: 1 to 16"),
        ("sram[read, $0, a1, 0, 1], sig_done[16]", "sram: signal 16 does not fit: 1 to 15"),
        ("sram[read, $0, a1, 0, 1], sig_done[1], defer[1]", "sram: defer needs ctx_swap"),
        ("sram[read, $0, a1, 0, 1], ctx_swap[1], sig_done[1]", "sram: ctx_swap and sig_done exclude each other"),
        ("sram[read, $0, a1, 0, 1], ctx_swap[1], defer[3]", "sram: defer 3 does not fit: 1 to 2"),
        ("sram[read, a2, a1, 0, 1]", "sram: xfer: a2 is not a transfer register"),
        ("scratch[read, $0, a1, 0, 1], ignore_data_error",
         "scratch: token ignore_data_error is not possible here: ctx_swap, defer, ind_targets, indirect_ref, sig_done"),
        ("local_csr_wr[t_index, 256]", "local_csr_wr: constant 256 does not fit: 0 to 255"),
        ("local_csr_wr[no_such_csr, a1]", "local_csr_wr: no_such_csr is not a local CSR"),
        ("immed[a1, 65537]",
         "immed: constant 0x10001 is not 16 bits shifted by 0, 8 or 16, nor the complement of such"),
        ("immed[a1, 4294892730]",
         "immed: constant 0xfffedcba is not 16 bits shifted by 0, 8 or 16, nor the complement of such"),
        ("immed[a1, 1, <<24]", "immed: <<24: immed shifts by <<0, <<8 or <<16"),
        ("immed[a1, 65536, <<8]",
         "immed: constant 0x10000 is not 16 bits shifted by 0, 8 or 16, nor the complement of such"),
        ("immed_b0[a1, 256]", "immed_b0: constant 256 does not fit: 0 to 255"),
        ("immed_w0[a1, 65536]", "immed_w0: constant 65536 does not fit: 0 to 65535"),
        ("cap[fast_wr, 16384, xscale_int_a]", "cap: data 16384 does not fit: 0 to 16383"),
        ("cap[fast_wr, 0, nowhere]", "cap: nowhere is not a CSR of the CAP unit"),
        ("alu_shf[a1, --, B, *l$index0[8], <<1]", "alu_shf: *l$index0[8] cannot stand here (restricted operand)"),
        ("alu_shf[a1, --, B, @b8, <<1]", "alu_shf: @b8 cannot stand here: no absolute register"),
        ("alu_shf[a1, --, B, n$3, <<1]", "alu_shf: n$3 cannot stand here (restricted operand)"),
        ("alu[*n$index, --, B, a1]", "alu: *n$index cannot stand here (unrestricted operand)"),
        ("alu[a1, 1, +, 2]", "alu: constants 1 and 2: only one operand may be a constant"),
        ("alu[a1, $1, +, $2]", "alu: $1 and $2: only one operand may be $"),
        ("alu[a1, *l$index0, +, *l$index1]", "alu: *l$index0 and *l$index1: only one operand may be local memory"),
        ("alu[a1, a2, +, a3]",
         "alu: a2 and a3 are both in bank A: two general registers of one instruction must be in different banks"),
        ("ld_field[b2, 0011, b3]",
         "ld_field: b2 and b3 are both in bank B: two general registers of one instruction must be in different banks"),
        ("alu[5, a1, +, b1]", "alu: dst: 5 is not a register"),
        ("alu[a1, --, +, b1]", "alu: -- cannot be read"),
        ("alu[a1, a2, *, b1]", None),
        ("br_bset[a1, 32, l1#]", "br_bset: bit 32 does not fit: 0 to 31"),
        ("br_inp_state[nowhere, l1#]",
         "br_inp_state: input state nowhere does not exist: " + ", ".join(INP_STATES)),
        ("br[l1#], defer[3]", "br: defer 3 does not fit: 1 to 2"),
        ("br[l8192#]", None),
        ("br=ctx[8, l1#]", "br=ctx: context 8 does not fit: 0 to 7"),
        ("ctx_arb[1], any, all", "ctx_arb: any and all exclude each other"),
        ("cam_write[a1, b1, 16]", "cam_write: state 16 does not fit: 0 to 15"),
        ("cam_lookup[a1, b1], lm_addr0[4]", "cam_lookup: LM_ADDR value 4 does not fit: 0 to 3"),
        ("crc_be[crc_7, --, a1]",
         "crc_be: CRC type crc_7 does not exist: none, crc_ccitt, crc_32, crc_iscsi, crc_10, crc_5"),
        ("asr[a1, b1, <<3]", "asr: shift <<3 is not possible here: >>"),
        ("asr[a1, b1, >>0]", "asr: a shift of 1 to 31 or indirect is needed"),
        ("mul_step[a1, b1]", None),
        ("hash_48[$0, 4]", "hash_48: count 4 does not fit: 1 to 3"),
        ("frobnicate[a1]", "frobnicate: no such instruction"),
        ("br[l1#], defer[1], defer[1]", "br: token defer is given twice"),
    ],
)  # fmt: skip
def test_the_first_value_that_does_not_fit(line: str, message: str | None, bind_line: BindLine) -> None:
    with pytest.raises(IsaError) as caught:
        encode(bind_line(line))
    if message is not None:
        assert str(caught.value) == message


def test_unknown_operator_lists_the_forms(bind_line: BindLine) -> None:
    with pytest.raises(IsaError) as caught:
        bind_line("alu[a1, a2, *, b1]")
    assert str(caught.value).startswith("alu[a1, a2, *, b1]: not a form of alu: alu[dst, left, B, right]; ")


def test_multiply_needs_a_step_token(bind_line: BindLine) -> None:
    with pytest.raises(IsaError) as caught:
        bind_line("mul_step[a1, b1]")
    assert str(caught.value).startswith("mul_step[a1, b1]: one of the tokens is needed: 24x8_start, 16x16_start")


@pytest.mark.parametrize("line", ["br[l8192#]", "beq[l8192#]", "jump[a1, l8192#]", "ctx_arb[1], br[l8192#]"])
def test_addresses_have_13_bits(line: str, bind_line: BindLine) -> None:
    assert encode(bind_line(line.replace("8192", "8191")))
    with pytest.raises(IsaError, match=r"address 8192 does not fit: 0 to 8191$"):
        encode(bind_line(line))


@pytest.mark.parametrize("left", [0, 1])
def test_no_left_operand_and_register_0_are_told_apart(left: int, bind_line: BindLine) -> None:
    instruction = bind_line(f"alu[--, a{left}, B, b1]")
    if left == 0:
        with pytest.raises(IsaError, match=r"^alu.b: left: a0 would read as no operand in port A$"):
            encode(instruction)
    else:
        assert decode(encode(instruction)).operands["left"] == _gpr(1, Bank.A)
    assert decode(encode(bind_line("alu[--, --, B, b1]"))).operands["left"] == NULL


@pytest.mark.parametrize(
    "constant",
    [0, 1, 0xFFFF, 0x10000, 0xFFFF00, 0xFFFF0000, 0xFF000000, 0xFFFFFFFF, -1, -2, -0x10000, 0xFFFF1234, 0xFF0000FF,
     0x1234FFFF, 0x80000000, -0x80000000],
)  # fmt: skip
def test_immed_finds_a_form_for_the_constant(constant: int, bind_line: BindLine) -> None:
    instruction = decode(encode(bind_line(f"immed[a1, {constant}]")))
    value = instruction.operands["value"]
    assert isinstance(value, Immediate)
    shift = 0 if instruction.shift is None else instruction.shift.amount
    assert immediate(value.value, shift, instruction.invert) == constant & 0xFFFFFFFF


def test_shift_of_zero_is_no_shift(bind_line: BindLine) -> None:
    assert bind_line("alu_shf[a1, --, B, b1, <<0]").shift is None
    assert bind_line("alu_shf[a1, --, B, b1]").shift is None
    assert bind_line("alu[a1, --, B, b1, >>rot4]") == bind_line("alu_shf[a1, --, B, b1, <<rot28]")
    assert bind_line("alu_shf[a1, --, B, b1, <<indirect]").shift == Shift("<<", 0)


def test_aliases(bind_line: BindLine) -> None:
    assert bind_line("nop") == bind_line("immed[--, 0]")
    assert bind_line("halt") == bind_line("ctx_arb[bpt]")
    assert bind_line("bhs[l1#]") == bind_line("bcs[l1#]")
    assert bind_line("blo[l1#]") == bind_line("bcc[l1#]")
    assert bind_line("rtn[a1]") == bind_line("jump[a1, l0#]")
    assert encode(bind_line("load_addr[a1, l4660#]")) == encode(bind_line("immed[a1, 4660]"))
    assert bind_line("mul_step[a1, b1], 32x16_step2").operation is operation("mul_step.16x16_step2")


def test_symbolic_operands_survive_binding(bind_line: BindLine) -> None:
    instruction = bind_line("sram[read, .$data, .table, .offset, 3], sig_done[table_sig]")
    assert instruction.signal == "table_sig"
    assert [(use.role, use.register.name, use.port) for use in instruction.sources()] == [
        ("address1", "table", Bank.A),
        ("address2", "offset", Bank.B),
    ]
    with pytest.raises(IsaError, match="signal table_sig has no number yet"):
        encode(instruction)
    placed = instruction.replace_registers(
        {
            "xfer": Register(RegisterKind.SRAM, 4),
            Register(RegisterKind.GPR, name="table"): _gpr(2, Bank.B),
            "address2": _gpr(3, Bank.A),
        }
    ).replace_signals({"table_sig": 7})
    assert placed.swap
    assert format_instruction(decode(encode(placed))) == "sram[read, $4, a3, b2, 3], sig_done[7]"


def test_branch_labels_are_resolved_by_name(bind_line: BindLine) -> None:
    branch = bind_line("beq[loop#], defer[1]")
    with pytest.raises(IsaError, match=r"^br.eq: label loop# has no address yet$"):
        encode(branch)
    resolved = branch.replace_labels({"loop": 12})
    assert resolved.target == Label("loop", 12)
    assert format_instruction(decode(encode(resolved)), {12: "loop"}) == "beq[loop#], defer[1]"
    jump = bind_line("jump[a1, table#], targets[one#, two#]").replace_labels({"table": 8, "one": 8, "two": 9})
    assert [label.address for label in jump.targets] == [8, 9]


def test_doubled_signals_wait_for_both_halves(bind_line: BindLine) -> None:
    numbers: dict[str, int | tuple[int, int]] = {"copy": (4, 5), "go": 1}
    wait = bind_line("ctx_arb[copy, go]").replace_signals(numbers)
    assert encode(wait) == 0xE000000032
    read = bind_line("dram[read, $$0, a1, 0, 1], sig_done[copy]").replace_signals(numbers)
    assert read.signal == 4 and read.operation.doubled_signal


def test_sources_and_destinations(bind_line: BindLine) -> None:
    def names(line: str) -> tuple[list[str], list[str]]:
        instruction = bind_line(line)
        return [use.role for use in instruction.sources()], [use.role for use in instruction.destinations()]

    assert names("alu[.x, .y, +, .z]") == (["left", "right"], ["dst"])
    assert names("alu[--, --, B, .z]") == (["right"], [])
    assert names("ld_field[.x, 0001, .y]") == (["dst", "source"], ["dst"])
    assert names("ld_field_w_clr[.x, 0001, .y]") == (["source"], ["dst"])
    assert names("immed[.x, 1]") == ([], ["dst"])
    assert names("immed_w1[.x, 1]") == (["dst"], ["dst"])
    assert names("local_csr_wr[nn_put, .x]") == (["source"], [])
    assert names("br_bset[.x, 1, l1#]") == (["register"], [])
    assert names("cam_lookup[.x, .y], lm_addr0[1]") == (["key"], ["dst"])
    assert names("cam_write[.x, .y, 1]") == (["tag", "entry"], [])
    assert names("crc_be[crc_32, .x, .y]") == (["source"], ["dst"])
    assert names("mul_step[.x, .y], 24x8_start") == (["left", "right"], [])
    assert names("mul_step[.x, --], 24x8_last") == ([], ["dst"])
    assert names("rtn[.x]") == (["register"], [])


@pytest.mark.parametrize(
    ("banks", "swap"),
    [((Bank.A, Bank.B), False), ((Bank.B, Bank.A), True)],
)
def test_operands_are_exchanged_when_their_banks_demand_it(
    banks: tuple[Bank, Bank], swap: bool, bind_line: BindLine
) -> None:
    instruction = bind_line("alu[.x, .y, -, .z]").replace_registers(
        {"dst": _gpr(1, Bank.A), "left": _gpr(2, banks[0]), "right": _gpr(3, banks[1])}
    )
    assert instruction.swap is swap
    decoded = decode(encode(instruction))
    assert decoded.operands["left"] == _gpr(2, banks[0]) and decoded.operands["right"] == _gpr(3, banks[1])


@pytest.mark.parametrize("bank", Bank)
def test_two_registers_of_one_bank_are_refused(bank: Bank, bind_line: BindLine) -> None:
    named = bind_line("alu[.x, .y, -, .z]")
    with pytest.raises(IsaError) as caught:
        named.replace_registers(
            {
                "left": Register(RegisterKind.GPR, 2, bank, name="y"),
                "right": Register(RegisterKind.ABSOLUTE, 3, bank, name="z"),
            }
        )
    letter = bank.value
    assert str(caught.value) == (
        f"y ({letter}2) and z (@{letter}3) are both in bank {letter.upper()}: two general registers of one "
        "instruction must be in different banks"
    )


@pytest.mark.parametrize(
    ("line", "span"),
    [
        ("sram[read, $2, a1, 0, 8], sig_done[1]", (2, 8, False, True)),
        ("sram[write, $2, a1, 0, 3], sig_done[1]", (2, 3, True, False)),
        ("dram[read, $$0, a1, 0, 8], sig_done[2]", (0, 16, False, True)),
        ("scratch[swap, $1, a1, 0], sig_done[2]", (1, 1, True, True)),
        ("scratch[add, $1, a1, 0]", (1, 1, True, False)),
        ("scratch[test_and_incr, $1, a1, 0], sig_done[2]", (1, 1, False, True)),
        ("hash_128[$0, 3], sig_done[1]", (0, 12, True, True)),
        ("hash_48[$0, 3], sig_done[1]", (0, 6, True, True)),
        ("scratch[incr, --, a1, 0]", None),
        ("dram[rbuf_rd, --, a1, 0, 8], indirect_ref", None),
        ("alu[$0, --, B, a1]", None),
    ],
)
def test_transfer_span(line: str, span: tuple[int, int, bool, bool] | None, bind_line: BindLine) -> None:
    found = transfer_span(bind_line(line))
    if span is None:
        assert found is None
    else:
        assert found is not None
        assert (found.register.number, found.count, found.pulled, found.pushed) == span


def test_every_name_is_bound_in_any_case() -> None:
    assert len({entry.name for entry in OPERATIONS}) == len(OPERATIONS)
    assert all(name == name.lower() for name in MNEMONICS)
    with pytest.raises(IsaError, match="no such instruction"):
        bind("ALU", [])


def test_defer_limits_of_the_entries_are_those_of_their_fields() -> None:
    for entry in OPERATIONS:
        limits = [part.maximum for part in entry.parts if isinstance(part, Defer)]
        limits += [2 for part in entry.parts if isinstance(part, CommandSignal)]
        assert [entry.max_defer] == (limits or [0]), entry.name
        assert entry.max_defer <= max(entry.shadow, 0)


def test_csr_tables() -> None:
    assert LOCAL_CSRS["ACTIVE_LM_ADDR_0"].address == 0x064
    assert LOCAL_CSRS["ACTIVE_LM_ADDR_0"].effect_latency == LOCAL_CSRS["T_INDEX"].effect_latency == 3
    assert LOCAL_CSRS["SAME_ME_SIGNAL"].effect_latency == 0
    assert len({csr.address for csr in LOCAL_CSRS.values()}) == len(LOCAL_CSRS)
    assert [csr.name for csr in CAP_CSRS.values() if csr.proved] == ["XSCALE_INT_A"]
    assert len({csr.address for csr in CAP_CSRS.values()}) == len(CAP_CSRS)
    assert (INP_STATES["SCR_RING1_STATUS"], INP_STATES["SCR_RING3_STATUS"]) == (3, 5)


def test_the_documentation_table_has_every_operation() -> None:
    rows = instruction_table().splitlines()
    assert len(rows) == 2 + len(OPERATIONS)
    for row, entry in zip(rows[2:], OPERATIONS, strict=True):
        assert row.startswith(f"| `{entry.name}` | `{entry.syntax}`")
        assert row.count(" | ") == rows[0].count(" | ")
