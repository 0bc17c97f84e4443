"""Programs whose result shows an unsettled switch in the engine; run as a module it prints all results."""

from __future__ import annotations

import json

from tests.chip.one_chip import OneChip

__all__ = ["EXPECTED", "OTHER_SETTINGS", "measure"]

_HEAD = """
.areg r 1
.areg x 2
.breg y 2
.breg z 3
.sig volatile s
.set r x y z
immed[r, 0]
immed[x, 0x8000, <<16]
immed[y, 3]
immed[z, 0]
"""
_END = "ctx_arb[kill]\n"
_RESULT = 1  # GPR a1 of context 0 in the register file


def _result(body: str, *others: tuple[int, str], engine: int = 0) -> int:
    programs = {engine: _HEAD + body + _END} | {number: _HEAD + text + _END for number, text in others}
    return int(OneChip(programs).run(2_000)["me"][engine]["file"][_RESULT])


def _sets_nz(operation: str) -> int:
    """1 if an operation with a result that is not 0 clears Z, 0 if Z stays."""
    return _result(f"alu[--, --, B, 0]\n{operation}\nbeq[kept#]\nimmed[r, 1]\nkept#:\n")


def _keeps_cv(operation: str) -> int:
    """1 if C and V, both set, survive an operation, 0 if both are cleared."""
    text = f"alu[--, x, -, 1]\n{operation}\nbcc[no_c#]\nbvc[out#]\nimmed[r, 1]\nbr[out#]\n"
    return _result(text + "no_c#:\nbvc[out#]\nimmed[r, 2]\nout#:\n")


def _cycles(branch: str) -> int:
    """Cycles from one instruction over a taken branch or swap to its target."""
    read = "local_csr_rd[PROFILE_COUNT]\n"
    return _result(f"{read}immed[x, 0]\n{branch}\n{read}immed[y, 0]\nalu[r, y, -, x]\n") - 2


_LOGIC = (
    "alu[--, x, AND, y]",
    "alu[--, *l$index0, OR, y]",
    "alu_shf[--, x, OR, y, <<3]",
    "alu_shf[--, *l$index0, OR, y, <<3]",
    "ld_field[y, 0001, x], load_cc",
    "ld_field[*l$index0, 0001, x], load_cc",
    "dbl_shf[--, x, y, >>3]",
    "ffs[--, y]",
)


def measure() -> dict[str, int | list[int]]:
    """Switch -> what the programs left."""
    write = "local_csr_wr[ACTIVE_LM_ADDR_0, 64]\n"
    lookup = "cam_clear\ncam_write[3, x, 5]\ncam_lookup[r, x], lm_addr0[1]\nnop\nnop\nnop\nnop\n"
    partial = (
        "immed[$x, 0x1234]\nscratch[write, $x, 0, 0, 1], ctx_swap[s]\nscratch[read, $x, 0, 0, 1], ctx_swap[s]\n"
        "immed[$x, 0x5600]\nld_field[$x, 0001, y]\n"
        "scratch[write, $x, 0, 0, 1], ctx_swap[s]\nscratch[read, $x, 0, 0, 1], ctx_swap[s]\nalu[r, --, B, $x]\n"
    )
    return {
        "logic_clears_carry": [_keeps_cv(operation) for operation in _LOGIC],
        "ffs_of_zero": _result("ffs[r, z]\n"),
        "ffs_sets_nz": _sets_nz("ffs[--, 4]"),
        "pop_count_sets_nz": _sets_nz("pop_count3[--, y]"),
        "byte_align_sets_nz": _sets_nz("byte_align_be[--, y]\nbyte_align_be[--, y]"),
        "asr_sets_nz": _sets_nz("asr[--, x, >>3]"),
        "dbl_shf_sets_nz": _sets_nz("dbl_shf[--, x, y, >>1]"),
        "cam_lookup_sets_nz": _sets_nz("cam_lookup[--, 0]"),
        "cam_read_sets_nz": _sets_nz("cam_write[3, 7, 5]\ncam_read_tag[--, 3]\ncam_read_state[--, 3]"),
        "crc_sets_nz": _sets_nz("crc_be[crc_32, --, y]"),
        "immed_sets_nz": [_sets_nz("immed[x, 5]"), _sets_nz("immed_w0[y, 5]"), _sets_nz("immed[*l$index0, 5]")],
        "shadow_br": _cycles("br[t#]\nt#:"),
        "shadow_bcc": _cycles("alu[--, --, B, 1]\nbne[t#]\nt#:") - 1,
        "shadow_br_ctx": _cycles("br=ctx[0, t#]\nt#:"),
        "shadow_br_inp_state": _cycles("br_!inp_state[SCR_RING0_STATUS, t#]\nt#:"),
        "shadow_br_signal": _cycles("br_!signal[s, t#]\nt#:"),
        "shadow_others": _cycles("br_bset[y, 0, t#]\nt#:"),
        "stage_0_discount": _cycles("alu[--, --, B, 1]\nbne[t#], stage[0]\nt#:") - 1,
        "shadow_swap": _cycles("ctx_arb[voluntary]"),
        "index_write_latency": [
            _result("immed[*l$index0, 7]\n" + write + "nop\n" * gap + "alu[r, --, B, *l$index0]\n") for gap in range(4)
        ],
        "cam_lm_addr_entry_bit": _result(lookup + "local_csr_rd[ACTIVE_LM_ADDR_0]\nimmed[r, 0]\n"),
        "cam_read_state_bit": _result("cam_write[3, x, 5]\ncam_read_state[r, 3]\n"),
        "partial_write_reads": _result(".reg $x\n" + partial),
        "indirect_overrides": _result(
            ".reg $x $y\n.sig t\nimmed[$x, 0x77]\nscratch[write, $x, 0, 0, 1], ctx_swap[t]\n"
            "immed[y, ((&$y << 5) | 0x10)]\nalu[--, --, B, y]\n"
            "scratch[read, $x, 0, 0, max_1], indirect_ref, ctx_swap[t]\nalu[r, --, B, $y]\n"
        ),
        "neighbour_chain": _result(
            "ctx_arb[s]\nimmed[r, 1]\n", (3, "local_csr_wr[NEXT_NEIGHBOR_SIGNAL, (&s << 3)]\n"), engine=4
        ),
    }


OTHER_SETTINGS = {
    "logic_clears_carry": 0,
    "ffs_of_zero": 32,
    "ffs_sets_nz": 0,
    "pop_count_sets_nz": 0,
    "byte_align_sets_nz": 0,
    "asr_sets_nz": 0,
    "dbl_shf_sets_nz": 0,
    "cam_lookup_sets_nz": 1,
    "cam_read_sets_nz": 1,
    "crc_sets_nz": 1,
    "immed_sets_nz": 1,
    "shadow_br": 3,
    "shadow_bcc": 1,
    "shadow_br_ctx": 3,
    "shadow_br_inp_state": 3,
    "shadow_br_signal": 2,
    "shadow_others": 2,
    "stage_0_discount": 0,
    "shadow_swap": 1,
    "index_write_latency": 1,
    "cam_lm_addr_entry_bit": 4,
    "cam_read_state_bit": 0,
    "partial_write_reads": 1,
    "indirect_overrides": 1,
    "neighbour_chain": 4,
}
"""The settings under which the second of the EXPECTED values holds."""

EXPECTED: dict[str, tuple[int | list[int], int | list[int]]] = {
    # a taken branch or swap costs 1 cycle and its shadow
    **{
        name: (1 + default, 1 + OTHER_SETTINGS[name])
        for name, default in {
            "shadow_br": 2,
            "shadow_bcc": 3,
            "shadow_br_ctx": 2,
            "shadow_br_inp_state": 2,
            "shadow_br_signal": 3,
            "shadow_others": 3,
            "shadow_swap": 2,
        }.items()
    },
    "stage_0_discount": (1 + 3 - 1, 1 + OTHER_SETTINGS["shadow_bcc"]),
    **{
        name: (default, OTHER_SETTINGS[name])
        for name, default in {
            "ffs_of_zero": 0,
            "ffs_sets_nz": 1,
            "pop_count_sets_nz": 1,
            "byte_align_sets_nz": 1,
            "asr_sets_nz": 1,
            "dbl_shf_sets_nz": 1,
            "cam_lookup_sets_nz": 0,
            "cam_read_sets_nz": 0,
            "crc_sets_nz": 0,
        }.items()
    },
    "logic_clears_carry": ([0] * len(_LOGIC), [1] * len(_LOGIC)),
    "immed_sets_nz": ([0] * 3, [1] * 3),
    # the old index shows word 0 (7) until three, or one, instructions stand between
    "index_write_latency": ([7, 7, 7, 0], [7, 0, 0, 0]),
    "cam_lm_addr_entry_bit": (3 << 6 | 1 << 10, 3 << 4 | 1 << 8),
    "cam_read_state_bit": (5 << 8, 5),
    # low byte 3; the rest is that of the read half (0x12..) or of the write half (0x56..)
    "partial_write_reads": (0x1203, 0x5603),
    # the word goes to $x; or to $y, which the modifier names
    "indirect_overrides": (0, 0x77),
    "neighbour_chain": (1, 0),
}
"""Switch -> what :func:`measure` finds with the defaults, and with OTHER_SETTINGS."""


if __name__ == "__main__":
    print(json.dumps(measure()))
