"""Forms of the NFP, the descendant of the IXP2400, that its programs use and the IXP2400 lacks. Source: isa.md 3.6."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ixp_emu.isa.errors import IsaError
from ixp_emu.isa.source import Argument, Token

__all__ = ["is_nfp_mnemonic", "nfp_only", "refuse_nfp_forms"]

_MNEMONICS = frozenset(
    {"arm", "br_!cls_state", "br_cls_state", "cls", "crypto", "ct", "ila", "mem", "nbi"},
)
_TOKENS = frozenset({"gpr_wrboth", "no_cc", "no_load_cc", "predicate_cc"})
_INDEX = re.compile(r"\*l\$index[23]\b.*", re.IGNORECASE)
_COMMANDS = frozenset({"cap", "dram", "msf", "pci", "scratch", "sram"})


def nfp_only(what: str) -> IsaError:
    """The error for something only the NFP has."""
    return IsaError(f"{what} belongs to the NFP; the IXP2400 does not have it")


def is_nfp_mnemonic(mnemonic: str) -> bool:
    """Whether only the NFP has an instruction or command target of this name (lower case)."""
    return mnemonic in _MNEMONICS


def refuse_nfp_forms(mnemonic: str, arguments: Sequence[Argument], tokens: Sequence[Token]) -> None:
    """Refuse an instruction that only the NFP has.

    Raises:
        IsaError: it is one; the message names the part.
    """
    if is_nfp_mnemonic(mnemonic):
        raise nfp_only(mnemonic)
    for argument in arguments:
        if argument.operand is None and _INDEX.fullmatch(argument.text):
            raise nfp_only(f"{mnemonic}: {argument.text}")
        if mnemonic in _COMMANDS and argument.operand is None and argument.text.replace(" ", "") == "<<8":
            raise nfp_only(f"{mnemonic}: addressing with <<8 (40 bits)")
    for token in tokens:
        if token.name in _TOKENS:
            raise nfp_only(f"{mnemonic}: token {token.name}")
