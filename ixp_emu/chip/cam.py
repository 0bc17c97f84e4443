"""The content-addressable memory of a microengine."""

from __future__ import annotations

from typing import Any

from ixp_emu.chip.compiled import compiled, s64, small, u
from ixp_emu.isa.unsettled import setting

__all__ = ["STATE_BIT", "cam_lookup", "cam_touch", "lm_addr_of_entry"]

_ENTRY_BIT = setting("cam_lm_addr_entry_bit")
STATE_BIT = setting("cam_read_state_bit")
"""Lowest bit of the state that ``cam_read_state`` returns."""


@small
def lm_addr_of_entry(entry: int, value: int) -> int:
    """Word address that the token ``lm_addr0[value]`` of a lookup puts into LM_ADDR."""
    return (((value << 4) | entry) << (_ENTRY_BIT - 2)) & 1023


@compiled
def cam_touch(me: Any, entry: int) -> None:
    """Make an entry the most recently used."""
    position = 0
    while me.cam_order[u(position)] != entry:
        position += 1
    while position < 15:
        me.cam_order[u(position)] = me.cam_order[u(position + 1)]
        position += 1
    me.cam_order[u(15)] = entry


@compiled
def cam_lookup(me: Any, key: int) -> int:
    """Result word: state 11:8, hit 7, entry 6:3; a miss gives the least recently used entry."""
    for entry in range(16):
        if me.cam_tag[u(entry)] == key:
            cam_touch(me, entry)
            return (s64(me.cam_state[u(entry)]) << 8) | 0x80 | (entry << 3)
    return s64(me.cam_order[u(0)]) << 3
