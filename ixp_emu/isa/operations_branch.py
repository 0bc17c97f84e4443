"""Registry entries: branches, jump, context control. Source: isa.md 1.6, 1.7, 3.3."""

from __future__ import annotations

from ixp_emu.isa.codes import RESTRICTED, UNRESTRICTED
from ixp_emu.isa.controls import BitNumber
from ixp_emu.isa.csr import INPUT_STATES
from ixp_emu.isa.fields import Number
from ixp_emu.isa.flow import AnySignal, Defer, SignalNumber, SignalSet, Stage, Target, Targets
from ixp_emu.isa.operands import Label
from ixp_emu.isa.operation import Operation, Part, Syntax, bits
from ixp_emu.isa.ports import Constant, Ports, Source
from ixp_emu.isa.unsettled import setting

__all__ = ["BRANCH_OPERATIONS", "CONDITIONS"]

# Shadow = largest defer found in real programs (isa.md 1.6, 5.3); the cost of a taken branch is 1 + shadow - defer.
_BR, _BCC, _BR_CTX, _BR_INP_STATE, _BR_SIGNAL, _OTHERS, _SWAP = (
    setting(f"shadow_{kind}") for kind in ("br", "bcc", "br_ctx", "br_inp_state", "br_signal", "others", "swap")
)
_IGNORED = frozenset({"guess_branch"} if setting("guess_branch") else ())

CONDITIONS = {
    "eq": 0,
    "ne": 1,
    "mi": 2,
    "pl": 3,
    "cs": 4,
    "cc": 5,
    "vs": 6,
    "vc": 7,
    "ge": 8,
    "lt": 9,
    "le": 10,
    "gt": 11,
}
"""Condition-code conditions -> code."""

_MEANINGS = {
    "eq": "Z",
    "ne": "not Z",
    "mi": "N",
    "pl": "not N",
    "cs": "C (unsigned >= after a subtraction)",
    "cc": "not C (unsigned < after a subtraction)",
    "vs": "V",
    "vc": "not V",
    "ge": "N = V",
    "lt": "N != V",
    "le": "Z or N != V",
    "gt": "not Z and N = V",
}
_SYNONYMS = {"cs": "bhs", "cc": "blo"}


def _branch(
    name: str,
    templates: tuple[str, ...],
    condition: int,
    parts: tuple[Part, ...],
    shadow: int,
    summary: str,
    *,
    stage: int | None,
    source: str = "isa.md 1.6, 3.3",
) -> Operation:
    """Branch family: condition in 4:0; a fixed stage in 9:8, or None where a part holds it."""
    return Operation(
        name=f"br.{name}",
        syntaxes=tuple(Syntax(template) for template in templates),
        summary=summary,
        source=source,
        fixed_mask=bits(39, 35) | bits(4, 0) | (0 if stage is None else bits(9, 8)),
        fixed_value=0b11011 << 35 | condition | (stage or 0) << 8,
        parts=(Target(), Defer(shadow), *parts),
        shadow=shadow,
        max_defer=shadow,
        ignored_tokens=_IGNORED,
    )


_BRANCHES = (
    _branch("always", ("br[{target}]",), 24, (), _BR, "always", stage=0),
    *(
        _branch(
            name,
            (f"b{name}[{{target}}]", *((f"{_SYNONYMS[name]}[{{target}}]",) if name in _SYNONYMS else ())),
            code,
            (Stage(max(_BCC - setting("stage_0_discount"), 0)),),
            _BCC,
            f"if {_MEANINGS[name]}",
            stage=None,
        )
        for name, code in CONDITIONS.items()
    ),
    *(
        _branch(
            f"{prefix}context",
            (f"br{sign}=ctx[{{context}}, {{target}}]",),
            code,
            (Number("context", 17, 14, 0, 7),),
            _BR_CTX,
            f"if the executing context is {'not ' if prefix else ''}n",
            stage=0,
        )
        for prefix, sign, code in (("", "", 16), ("not_", "!", 17))
    ),
    *(
        _branch(
            f"{prefix}signal",
            (f"br_{sign}signal[{{signal}}, {{target}}]",),
            code,
            (SignalNumber(),),
            _BR_SIGNAL,
            f"if the own event signal is {'clear' if prefix else 'set'}; a set signal is cleared by the test",
            stage=2,
            source="isa.md 1.6, 3.3; from disassemblers",
        )
        for prefix, sign, code in (("", "", 18), ("not_", "!", 19))
    ),
    *(
        _branch(
            f"{prefix}input_state",
            (f"br_{sign}inp_state[{{input_state}}, {{target}}]",),
            code,
            (Number("input_state", 17, 14, 0, 15, names=INPUT_STATES),),
            _BR_INP_STATE,
            f"if the shared state input is {'clear' if prefix else 'set'}",
            stage=2,
        )
        for prefix, sign, code in (("", "", 20), ("not_", "!", 21))
    ),
)

_OPERAND_BRANCHES = (
    *(
        Operation(
            name=f"br.bit_{name}",
            syntaxes=(Syntax(f"br_b{name}[{{register}}, {{bit}}, {{target}}]"),),
            summary=f"if bit 0..31 of the register is {value}",
            source="isa.md 1.6, 3.3; from disassemblers",
            fixed_mask=bits(39, 35) | bits(18, 18),
            fixed_value=0b11010 << 35 | value << 18,
            parts=(
                Target(),
                Defer(_OTHERS),
                Ports(RESTRICTED, Source("register", constant_bits=0), BitNumber(), placement="constant"),
            ),
            shadow=_OTHERS,
            max_defer=_OTHERS,
            ignored_tokens=_IGNORED,
        )
        for name, value in (("set", 1), ("clr", 0))
    ),
    *(
        Operation(
            name=f"br.{prefix}byte",
            syntaxes=(Syntax(f"br{sign}=byte[{{register}}, {{byte}}, {{value}}, {{target}}]"),),
            summary=f"if byte 0..3 (0 = bits 7:0) of the register {'differs from' if prefix else 'equals'} a constant",
            source="isa.md 1.6, 3.3; from disassemblers",
            fixed_mask=bits(39, 35) | bits(19, 19),
            fixed_value=0b11001 << 35 | equal << 19,
            parts=(
                Target(),
                Defer(_OTHERS),
                Ports(
                    RESTRICTED,
                    Source("register", constant_bits=0),
                    Constant("value", 8),
                    placement="constant",
                    shared_bit=18,
                ),
                Number("byte", 9, 8, 0, 3),
            ),
            shadow=_OTHERS,
            max_defer=_OTHERS,
            ignored_tokens=_IGNORED,
        )
        for prefix, sign, equal in (("", "", 1), ("not_", "!", 0))
    ),
    Operation(
        name="jump",
        syntaxes=(
            Syntax("jump[{register}, {base}]"),
            Syntax("rtn[{register}]", preset=(("base", Label(address=0)),)),
        ),
        summary="to base + register; rtn: to register",
        source="isa.md 1.6, 3.3; from disassemblers",
        fixed_mask=bits(39, 35),
        fixed_value=0b11101 << 35,
        parts=(
            Defer(_OTHERS),
            Ports(
                UNRESTRICTED,
                Source("register", constant_bits=0),
                Constant("base", 13, rest=(26, 22), labels="only"),
                placement="constant",
            ),
            Targets(),
        ),
        shadow=_OTHERS,
        max_defer=_OTHERS,
        ignored_tokens=_IGNORED,
    ),
)

_CONTEXT_CLASS = 0b11100 << 35
_SWAP_DEFER = min(_SWAP, 2)
_CONTEXT_PARTS = (Target(resume_bit=18), Defer(_SWAP_DEFER))


def _ctx_arb(name: str, argument: str, value: int, parts: tuple[Part, ...], summary: str) -> Operation:
    """ctx_arb without a signal list; bits of 19:0 outside the parts are fixed."""
    owned = 0
    for part in parts:
        owned |= part.mask
    halt = (Syntax("halt"),) if argument == "bpt" else ()
    return Operation(
        name=f"ctx_arb.{name}",
        syntaxes=(*halt, Syntax(f"ctx_arb[{argument}]")),
        summary=summary,
        source="isa.md 1.7, 3.3",
        fixed_mask=bits(39, 35) | (bits(34, 0) & ~owned),
        fixed_value=_CONTEXT_CLASS | value,
        parts=parts,
        shadow=_SWAP,
        max_defer=_SWAP_DEFER if parts else 0,
    )


_CONTEXT = (
    Operation(
        name="ctx_arb",
        syntaxes=(Syntax("ctx_arb[{signals*}]"),),
        summary="sleep until all (token any: one) of the signals are set; all: they are cleared on waking",
        source="isa.md 1.7, 3.3",
        fixed_mask=bits(39, 35) | bits(19, 19) | bits(17, 17) | bits(0, 0),
        fixed_value=_CONTEXT_CLASS,
        parts=(*_CONTEXT_PARTS, SignalSet(), AnySignal()),
        shadow=_SWAP,
        max_defer=_SWAP_DEFER,
    ),
    _ctx_arb("voluntary", "voluntary", 1, _CONTEXT_PARTS, "give up the microengine, ready again at once"),
    _ctx_arb("keep", "--", 1 << 19, (*_CONTEXT_PARTS, AnySignal()), "sleep; WAKEUP_EVENTS stay as written"),
    _ctx_arb("kill", "kill", 1 << 16, (), "sleep for ever"),
    _ctx_arb("bpt", "bpt", 1 << 17, (), "halt: disable all contexts and interrupt the XScale"),
)

BRANCH_OPERATIONS = (*_BRANCHES, *_OPERAND_BRANCHES, *_CONTEXT)
"""All entries that change the flow."""
