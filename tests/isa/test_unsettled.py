"""Unsettled facts: one table, one environment variable, and every switch changes what it says it does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ixp_emu.errors import InputError
from ixp_emu.isa.unsettled import SETTINGS, SWITCHES, VARIABLE, changed, parse_settings, switch_table

_ROOT = Path(__file__).resolve().parents[2]

_HEAD = """
import json, sys
from ixp_emu.assembler import assemble, parse
from ixp_emu.chip import cam, csr, flags, issue
from ixp_emu.chip.codes import Kind
from ixp_emu.chip.layout import CONSTANTS, SRAM_IN, SRAM_OUT
from ixp_emu.chip.rows import build_rows
from ixp_emu.isa import CAP_CSRS, LOCAL_CSRS, IsaError, Immediate, decode, operation, semantics

def words(*lines):
    return assemble(parse('.areg x 1\\n.set x\\n.sig volatile s\\nl0#:\\n' + '\\n'.join(lines) + '\\n')).words

def row(*lines):
    return build_rows(words(*lines))[0]

def shadow(*names):
    return [[operation(name).shadow, operation(name).max_defer] for name in names]

def takes(line):
    try:
        words(line)
    except Exception as error:
        return str(error).partition(': ')[2]
    return 'yes'

def flagged(name, *kinds):
    return [operation(name).condition_codes, *(bool(flags.sets_flags.py_func(kind)) for kind in kinds)]

def cap(name):
    return CAP_CSRS[name].address

def warned(*lines):
    return len(assemble(parse('\\n'.join(lines) + '\\n')).warnings)

print(json.dumps({name: eval(text) for name, text in json.loads(sys.argv[1]).items()}))
"""

# Switch: (another value, what shows it, that with the default, that with the other value).
_EFFECTS: dict[str, tuple[int, str, Any, Any]] = {
    "logic_clears_carry": (0, "flags.logic_flag.py_func(1)", 0, 1),
    "ffs_of_zero": (32, "semantics.find_first_set(0)", 0, 32),
    "ffs_sets_nz": (0, "flagged('ffs', Kind.ALU_END - 1)", ["NZ", True], ["", False]),
    "pop_count_sets_nz": (0, "flagged('pop_count3', Kind.ALU_END - 2)", ["NZ", True], ["", False]),
    "byte_align_sets_nz": (0, "flagged('byte_align_le', Kind.BYTE_ALIGN)", ["NZ", True], ["", False]),
    "asr_sets_nz": (0, "flagged('asr', Kind.ASR)", ["NZ", True], ["", False]),
    "dbl_shf_sets_nz": (0, "flagged('dbl_shf', Kind.DOUBLE_SHIFT)", ["NZ", True], ["", False]),
    "cam_lookup_sets_nz": (1, "flagged('cam_lookup', Kind.CAM_LOOKUP)", ["", False], ["NZ", True]),
    "cam_read_sets_nz": (
        1,
        "flagged('cam_read_tag', Kind.CAM_READ_TAG, Kind.CAM_READ_STATE)",
        ["", False, False],
        ["NZ", True, True],
    ),
    "crc_sets_nz": (1, "flagged('crc_be', Kind.CRC)", ["", False], ["NZ", True]),
    "immed_sets_nz": (
        1,
        "flagged('immed_b2', Kind.IMMED, Kind.IMMED_PART)",
        ["", False, False],
        ["NZ", True, True],
    ),
    "shadow_br": (3, "shadow('br.always')", [[2, 2]], [[3, 3]]),
    "shadow_bcc": (1, "shadow('br.eq', 'br.le')", [[3, 3]] * 2, [[1, 1]] * 2),
    "shadow_br_ctx": (3, "shadow('br.context', 'br.not_context')", [[2, 2]] * 2, [[3, 3]] * 2),
    "shadow_br_inp_state": (1, "shadow('br.input_state', 'br.not_input_state')", [[2, 2]] * 2, [[1, 1]] * 2),
    "shadow_br_signal": (2, "shadow('br.signal', 'br.not_signal')", [[3, 3]] * 2, [[2, 2]] * 2),
    "shadow_others": (2, "shadow('br.bit_set', 'br.not_byte', 'jump')", [[3, 3]] * 3, [[2, 2]] * 3),
    # a branch of stage 0 loses that many slots less than the shadow_bcc of the same run
    "stage_0_discount": (
        0,
        "operation('br.eq').shadow - int(row('beq[l0#], stage[0]')['slots'])",
        1,
        0,
    ),
    "shadow_swap": (
        1,
        "[*shadow('ctx_arb', 'ctx_arb.voluntary', 'sram.read', 'hash_48', 'cap.read'),"
        " int(row('ctx_arb[voluntary]')['slots'])]",
        [*[[2, 2]] * 5, 2],
        [*[[1, 1]] * 5, 1],
    ),
    "index_write_latency": (1, "[LOCAL_CSRS['T_INDEX'].effect_latency, csr.INSTRUCTION_DELAY]", [3, 4], [1, 2]),
    # word address of entry 3 with value 1: bits 9:6 and 11:10 of a byte address
    "cam_lm_addr_entry_bit": (4, "cam.lm_addr_of_entry.py_func(3, 1) << 2", 3 << 6 | 1 << 10, 3 << 4 | 1 << 8),
    "cam_read_state_bit": (0, "cam.STATE_BIT", 8, 0),
    "partial_write_reads": (
        1,
        "[int(row(line)['a'] - SRAM_IN) for line in ('ld_field[$5, 0001, x]', 'immed_w1[$5, 1]', 'immed_b0[$5, 1]')]"
        " + [SRAM_OUT - SRAM_IN]",
        [5, 5, 5, 256],
        [261, 261, 261, 256],
    ),
    "dram_ctx_swap": (
        0,
        "[takes('dram[read, $$0, x, 0, 1], ctx_swap[s]'), takes('sram[read, $0, x, 0, 1], ctx_swap[s]')]",
        ["yes", "yes"],
        ["dram: ctx_swap is not possible with dram (switch dram_ctx_swap): sig_done and ctx_arb", "yes"],
    ),
    "guess_branch": (
        0,
        "takes('br[l0#], guess_branch')",
        "yes",
        "br: token guess_branch is not possible here: defer",
    ),
    "signal_csr_spacing": (
        1,
        "[warned('local_csr_wr[same_me_signal, 8]', *between, 'local_csr_wr[next_neighbor_signal, 8]')"
        " for between in ([], ['nop'])]",
        [0, 0],
        [1, 0],
    ),
    "indirect_overrides": (1, "issue.INDIRECT_OVERRIDES", 0, 1),
    "neighbour_chain": (4, "csr._CHAIN", 8, 4),
    "cap_xscale_int_b": (0x4B44, "cap('XSCALE_INT_B')", 0x4B24, 0x4B44),
    "cap_interthread_sig": (
        0x4B48,
        "[cap('INTERTHREAD_SIG'), words('cap[fast_wr, 0, interthread_sig]')[0] & 0xff]",
        [0x4B28, 0x28],
        [0x4B48, 0x48],
    ),
    "cap_thread_message": (0x4B4C, "cap('THREAD_MESSAGE')", 0x4B2C, 0x4B4C),
    "cap_self_destruct_0": (0x4B50, "cap('SELF_DESTRUCT_0')", 0x4B30, 0x4B50),
    "cap_self_destruct_1": (0x4B54, "cap('SELF_DESTRUCT_1')", 0x4B34, 0x4B54),
    "cap_scratch_ring": (0x5000, "cap('SCRATCH_RING_TAIL_3')", 0x4838, 0x5038),
    "cap_hash_multiplier": (0x5100, "cap('HASH_MULTIPLIER_128_3')", 0x491C, 0x511C),
}


@cache
def _measured(settings: str) -> dict[str, Any]:
    """What shows each switch, in a process with these settings."""
    texts = json.dumps({name: text for name, (_, text, _, _) in _EFFECTS.items()})
    result = subprocess.run(
        [sys.executable, "-c", _HEAD, texts],
        env={**os.environ, VARIABLE: settings},
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    measured: dict[str, Any] = json.loads(result.stdout)
    return measured


_ALL_OTHERS = ",".join(f"{name}={other}" for name, (other, _, _, _) in _EFFECTS.items())


def test_every_switch_has_a_test() -> None:
    assert list(_EFFECTS) == list(SWITCHES)
    for name, (other, _, default_effect, other_effect) in _EFFECTS.items():
        assert other in SWITCHES[name].alternatives and other != SWITCHES[name].default
        assert default_effect != other_effect


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_does_what_it_says(name: str) -> None:
    _, _, default_effect, other_effect = _EFFECTS[name]
    assert _measured("")[name] == default_effect
    assert _measured(_ALL_OTHERS)[name] == other_effect


def test_zeros_stay_in_a_transfer_register_if_so_chosen() -> None:
    text = (
        "from ixp_emu.assembler import assemble, parse; from ixp_emu.chip.layout import CONSTANTS;"
        "from ixp_emu.chip.rows import build_rows;"
        "rows = build_rows(assemble(parse('.areg x 1\\n.set x\\nimmed_w1[$5, 1]\\nimmed_w1[x, 1]\\n')).words);"
        "print(int(rows[0]['a']) == CONSTANTS, int(rows[1]['a']))"
    )
    result = subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, VARIABLE: "partial_write_reads=2"},
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == ["True", "1"]


# --- the table and the variable ---------------------------------------------------------------------------------------


def test_every_switch_is_documented_and_has_its_default_among_its_values() -> None:
    for name, switch in SWITCHES.items():
        assert name == switch.name == name.lower()
        assert switch.default in switch.alternatives and len(switch.alternatives) > 1
        assert switch.source.startswith(("isa.md", "registers.md")) and switch.effect
        assert f"| `{name}` |" in switch_table()


def test_this_process_has_the_defaults() -> None:
    assert dict(SETTINGS) == {name: switch.default for name, switch in SWITCHES.items()}
    assert changed() == {}


def test_spaces_and_hexadecimal_numbers_are_read() -> None:
    settings = parse_settings(" ffs_of_zero = 0x20 , logic_clears_carry=0,")
    assert (settings["ffs_of_zero"], settings["logic_clears_carry"], settings["shadow_br"]) == (32, 0, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ffs_of_zero", "ffs_of_zero: NAME=INTEGER expected"),
        ("ffs_of_zero=", "ffs_of_zero=: NAME=INTEGER expected"),
        ("ffs_of_zero=x", "ffs_of_zero=x: NAME=INTEGER expected"),
        ("ffs=1", "ffs: no such switch; docs/instructions.md lists them"),
        ("ffs_of_zero=33", "ffs_of_zero=33 is not possible: 0, 31, 32, 0xffffffff"),
        ("shadow_br=4", "shadow_br=4 is not possible: 0, 1, 2, 3"),
        ("cap_thread_message=6", "cap_thread_message=6 is not possible: 0 to 0x5ffc, multiples of 4"),
        ("shadow_br=1,shadow_br=1", "shadow_br is given twice"),
    ],
)
def test_a_bad_setting_names_variable_value_and_rule(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_settings(text)
    assert str(caught.value) == f"IXPEMU_UNSETTLED: {message}"


def _command(*arguments: str, settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ixp_emu.cli", *arguments],
        env={**os.environ, VARIABLE: settings},
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("shadow_br=9", "shadow_br=9 is not possible: 0, 1, 2, 3"),
        ("cap_interthread_sig=0x4b20", "XSCALE_INT_A and INTERTHREAD_SIG would share the CAP address 0x4b20"),
    ],
)
@pytest.mark.parametrize("arguments", [("hardware",), ("run", "examples/forward.toml")], ids=["hardware", "run"])
def test_the_command_line_says_so_without_a_traceback(arguments: tuple[str, ...], settings: str, message: str) -> None:
    result = _command(*arguments, settings=settings)
    assert (result.returncode, result.stderr) == (2, f"ixpemu: IXPEMU_UNSETTLED: {message}\n")


def test_hardware_shows_what_was_chosen() -> None:
    lines = _command("hardware", settings="shadow_swap=1").stdout.splitlines()
    (line,) = [line for line in lines if line.startswith("unsettled.shadow_swap ")]
    assert line.split()[:4] == ["unsettled.shadow_swap", "1", "switch", "chosen"]
    assert line.endswith("[IXPEMU_UNSETTLED; 2 by default]")


def test_settings_have_a_compile_cache_of_their_own() -> None:
    text = "from ixp_emu.chip.machine_code import FOLDER; print(FOLDER)"
    folders = set()
    for settings in ("", "shadow_br=2", "shadow_br=1"):
        result = subprocess.run(
            [sys.executable, "-c", text],
            env={**os.environ, VARIABLE: settings},
            cwd=_ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        folders.add(result.stdout)
    assert len(folders) == 2  # the default, given or not, is one
