"""Which instructions set condition codes, where that is unsettled (``ixp_emu.isa.unsettled``).

All of it is constant in one process, so the compiler folds it away.
"""

from __future__ import annotations

from ixp_emu.chip.codes import Kind
from ixp_emu.chip.compiled import small
from ixp_emu.isa.unsettled import setting

__all__ = ["logic_flag", "sets_flags"]

_CLEARS = setting("logic_clears_carry") == 1
_FFS = setting("ffs_sets_nz") == 1
_POP_COUNT = setting("pop_count_sets_nz") == 1
_BYTE_ALIGN = setting("byte_align_sets_nz") == 1
_ASR = setting("asr_sets_nz") == 1
_DOUBLE_SHIFT = setting("dbl_shf_sets_nz") == 1
_CAM_LOOKUP = setting("cam_lookup_sets_nz") == 1
_CAM_READ = setting("cam_read_sets_nz") == 1
_CRC = setting("crc_sets_nz") == 1
_IMMED = setting("immed_sets_nz") == 1


@small
def logic_flag(flag: int) -> int:
    """C or V after an operation without a sum."""
    return 0 if _CLEARS else flag


@small
def sets_flags(kind: int) -> bool:
    """Whether instructions of a row kind set N and Z; those not named here always do."""
    if kind == Kind.ALU_END - 1:
        return _FFS
    if kind == Kind.ALU_END - 2:
        return _POP_COUNT
    if kind == Kind.BYTE_ALIGN:
        return _BYTE_ALIGN
    if kind == Kind.ASR:
        return _ASR
    if kind == Kind.DOUBLE_SHIFT:
        return _DOUBLE_SHIFT
    if kind == Kind.CAM_LOOKUP:
        return _CAM_LOOKUP
    if kind == Kind.CAM_READ_TAG or kind == Kind.CAM_READ_STATE:
        return _CAM_READ
    if kind == Kind.CRC:
        return _CRC
    if kind == Kind.IMMED or kind == Kind.IMMED_PART:
        return _IMMED
    return True
