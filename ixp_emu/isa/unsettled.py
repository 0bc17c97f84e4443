"""What no readable document settles about the IXP2400: one named switch each, with the value taken and the others.

A process may take other values from the environment, once, when this module is imported:
``IXPEMU_UNSETTLED="ffs_of_zero=32,logic_clears_carry=0"``. The constants of the instruction set, its semantics and
the chip read theirs with :func:`setting`, so nothing changes afterwards, and the engine's cache is keyed by
:data:`SETTINGS`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ixp_emu.errors import InputError

__all__ = ["SETTINGS", "SWITCHES", "VARIABLE", "Switch", "changed", "parse_settings", "setting", "switch_table"]

VARIABLE = "IXPEMU_UNSETTLED"
"""The environment variable."""


@dataclass(frozen=True, slots=True)
class Switch:
    """One unsettled fact.

    Attributes:
        name: as written in the environment variable.
        default: the value taken.
        alternatives: all values it may have; 0 and 1 are no and yes where nothing else is said.
        source: section of isa.md, and why the default was taken.
        effect: what the value means.
    """

    name: str
    default: int
    alternatives: Sequence[int]
    source: str
    effect: str

    def allowed(self) -> str:
        """The values, for readers."""
        if isinstance(self.alternatives, range) and len(self.alternatives) > 8:
            values = self.alternatives
            step = "" if values.step == 1 else f", multiples of {values.step}"
            return f"{_shown(values[0])} to {_shown(values[-1])}{step}"
        return ", ".join(map(_shown, self.alternatives))


def _shown(value: int) -> str:
    return str(value) if value < 256 else f"{value:#x}"


_NO_YES = (0, 1)
_SHADOW = "isa.md 1.6, 5.3: the largest defer[n] in real programs"
_SLOTS = "instructions behind it that are lost when it is taken, and the largest defer[n]"
_FLAGS = "isa.md 5.2; "
_CAP_BYTES = 0x6000  # what a chip holds of the CAP's address space
_ADDRESSES = range(0, _CAP_BYTES, 4)
_UNPROVED = "isa.md 1.12: no readable source"

_SWITCHES = (
    Switch(
        "logic_clears_carry",
        1,
        _NO_YES,
        _FLAGS + "not documented",
        "logical operations, shifts and ld_field with load_cc clear C and V; 0: both stay as they were",
    ),
    Switch("ffs_of_zero", 0, (0, 31, 32, 0xFFFFFFFF), "isa.md 1.3; not documented", "result of ffs without a set bit"),
    Switch("ffs_sets_nz", 1, _NO_YES, _FLAGS + "it is of the alu class", "ffs sets N and Z"),
    Switch("pop_count_sets_nz", 1, _NO_YES, _FLAGS + "it is of the alu class", "pop_count3 sets N and Z"),
    Switch(
        "byte_align_sets_nz", 1, _NO_YES, _FLAGS + "it is of the alu_shf class", "byte_align_be and _le set N and Z"
    ),
    Switch("asr_sets_nz", 1, _NO_YES, _FLAGS + "it is of the alu_shf class", "asr sets N and Z"),
    Switch("dbl_shf_sets_nz", 1, _NO_YES, _FLAGS + "it is of the alu_shf class", "dbl_shf sets N and Z"),
    Switch("cam_lookup_sets_nz", 0, _NO_YES, _FLAGS + "no use of its flags seen", "cam_lookup sets N and Z"),
    Switch("cam_read_sets_nz", 0, _NO_YES, _FLAGS + "no use seen", "cam_read_tag and cam_read_state set N and Z"),
    Switch("crc_sets_nz", 0, _NO_YES, _FLAGS + "no use of its flags seen", "crc_be and crc_le set N and Z from dst"),
    Switch(
        "immed_sets_nz",
        0,
        _NO_YES,
        "isa.md 1.4: C is known to survive",
        "immed, immed_w and immed_b set N and Z and leave C and V",
    ),
    Switch("shadow_br", 2, range(4), _SHADOW, "br: " + _SLOTS),
    Switch("shadow_bcc", 3, range(4), _SHADOW, "branches on condition codes: " + _SLOTS),
    Switch("shadow_br_ctx", 2, range(4), _SHADOW + " is 2, more is possible", "br=ctx, br!=ctx: " + _SLOTS),
    Switch("shadow_br_inp_state", 2, range(4), _SHADOW + " is 2, more is possible", "br_inp_state: " + _SLOTS),
    Switch("shadow_br_signal", 3, range(4), "isa.md 1.6: from notes, no use seen", "br_signal: " + _SLOTS),
    Switch("shadow_others", 3, range(4), _SHADOW, "br_bset, br_bclr, br=byte, br!=byte, jump, rtn: " + _SLOTS),
    Switch(
        "stage_0_discount",
        1,
        _NO_YES,
        "isa.md 2.4, 5.3: inferred",
        "slots that a condition-code branch of stage 0 loses less than one of stage 1",
    ),
    Switch(
        "shadow_swap",
        2,
        range(4),
        "isa.md 2.4, 5.5: as a taken branch",
        "ctx_arb and ctx_swap: slots lost before the next context is chosen; the largest defer[n] is at most 2",
    ),
    Switch(
        "index_write_latency",
        3,
        range(4),
        "isa.md 2.4: real programs have three instructions between",
        "instructions between a write of LM_ADDR, T_INDEX, BYTE_INDEX, NN_PUT or NN_GET and the first that sees it, "
        "also by the lm_addr token of cam_lookup",
    ),
    Switch(
        "cam_lm_addr_entry_bit",
        6,
        range(2, 8),
        "isa.md 1.9, 5.6: inferred, 16 words per entry",
        "lm_addr token: lowest bit of the entry's number in LM_ADDR; the token's value stands above its four bits",
    ),
    Switch("cam_read_state_bit", 8, (0, 8), "isa.md 1.9, 5.6: as in a lookup", "lowest bit of the state read"),
    Switch(
        "partial_write_reads",
        0,
        (0, 1, 2),
        "isa.md 1.4, 5.8",
        "what ld_field, immed_w and immed_b keep of a transfer register: 0 the read half of its number, 1 the write "
        "half, 2 zeros",
    ),
    Switch(
        "dram_ctx_swap",
        1,
        _NO_YES,
        "isa.md 1.12: a descendant's assembler refuses it",
        "the assembler accepts ctx_swap with dram commands; both halves of the signal are awaited",
    ),
    Switch(
        "guess_branch",
        1,
        _NO_YES,
        "isa.md 1.6, 5.10: a relic of the IXP1200",
        "the assembler accepts the token guess_branch, which has no effect",
    ),
    Switch(
        "signal_csr_spacing",
        0,
        _NO_YES,
        "isa.md 2.4, 5.4: shipped firmware has none, a descendant demands 1",
        "instructions that must stand between two writes of *_SIGNAL CSRs",
    ),
    Switch(
        "indirect_overrides",
        0,
        _NO_YES,
        "isa.md 1.13, 5.1: seen in no firmware, unverified",
        "indirect_ref also replaces the microengine (31:27 with 26), the context (3:1 with 0) and, except with media "
        "buffers, the transfer register (11:5 absolute with 4) of a command",
    ),
    Switch(
        "neighbour_chain",
        8,
        (4, 8),
        "isa.md 2.1, 5.9: the IXP2800's order",
        "microengines of one neighbour chain: 8 over both clusters, 4 one chain per cluster",
    ),
    Switch("cap_xscale_int_b", 0x4B24, _ADDRESSES, _UNPROVED, "CAP address of XSCALE_INT_B"),
    Switch("cap_interthread_sig", 0x4B28, _ADDRESSES, _UNPROVED, "CAP address of INTERTHREAD_SIG"),
    Switch("cap_thread_message", 0x4B2C, _ADDRESSES, _UNPROVED, "CAP address of THREAD_MESSAGE"),
    Switch("cap_self_destruct_0", 0x4B30, _ADDRESSES, _UNPROVED, "CAP address of SELF_DESTRUCT_0"),
    Switch("cap_self_destruct_1", 0x4B34, _ADDRESSES, _UNPROVED, "CAP address of SELF_DESTRUCT_1"),
    Switch(
        "cap_scratch_ring",
        0x4800,
        range(0, _CAP_BYTES, 256),
        "registers.md 2: the host's map",
        "CAP address of SCRATCH_RING_BASE_0; HEAD and TAIL behind it, 16 bytes a ring",
    ),
    Switch(
        "cap_hash_multiplier",
        0x4900,
        range(0, _CAP_BYTES, 32),
        "registers.md 5: the host's map",
        "CAP address of HASH_MULTIPLIER_48_0; the seven others behind it",
    ),
)

SWITCHES: Mapping[str, Switch] = MappingProxyType({switch.name: switch for switch in _SWITCHES})
"""Name -> switch."""


def parse_settings(text: str) -> Mapping[str, int]:
    """The value of every switch, given a text such as ``ffs_of_zero=32,logic_clears_carry=0``.

    Raises:
        InputError: not of that form, no such switch, one given twice, or a value it cannot have.
    """
    chosen: dict[str, int] = {}
    for item in filter(None, map(str.strip, text.split(","))):
        name, equals, number = (part.strip() for part in item.partition("="))
        try:
            value = int(number, 0)
        except ValueError:
            value, equals = 0, ""
        if not equals:
            raise InputError(f"{item}: NAME=INTEGER expected", key=VARIABLE)
        switch = SWITCHES.get(name)
        if switch is None:
            raise InputError(f"{name}: no such switch; docs/instructions.md lists them", key=VARIABLE)
        if name in chosen:
            raise InputError(f"{name} is given twice", key=VARIABLE)
        if value not in switch.alternatives:
            raise InputError(f"{name}={number} is not possible: {switch.allowed()}", key=VARIABLE)
        chosen[name] = value
    return MappingProxyType({switch.name: chosen.get(switch.name, switch.default) for switch in _SWITCHES})


SETTINGS: Mapping[str, int] = parse_settings(os.environ.get(VARIABLE, ""))
"""The value of every switch in this process."""


def setting(name: str) -> int:
    """Value of a switch in this process."""
    return SETTINGS[name]


def changed() -> dict[str, int]:
    """The switches that do not have their default in this process, with their values."""
    return {switch.name: SETTINGS[switch.name] for switch in _SWITCHES if SETTINGS[switch.name] != switch.default}


def switch_table() -> str:
    """All switches as one Markdown table."""
    lines = ["| switch | default | values | effect | source |", "|---|---|---|---|---|"]
    lines += [
        f"| `{switch.name}` | {_shown(switch.default)} | {switch.allowed()} | {switch.effect} | {switch.source} |"
        for switch in _SWITCHES
    ]
    return "\n".join(lines) + "\n"
