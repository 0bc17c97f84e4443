"""Skip what only repeats: a chip whose microengines poll for work is moved on by whole periods, exactly.

The state of a chip is kept at a cut of its run and compared at later cuts, every few cycles, by a signature first
(``recurrence``). Once it recurs, the chip is in a regime: as long as nothing comes from outside, it is moved on by
whole periods at a time, and only what is left of a run is executed. What ends a regime is known beforehand: an event
of the media, a frame or pause of a linked chip, the first time that stands still (a timer), the host, a fault.

Searching is paid for: a chip may spend a share of its cycles on it, and some of those that it skips.
"""

from __future__ import annotations

import mmap
import os
from typing import Any

import numpy as np

from ixp_emu.chip.compiled import NEVER, compiled, s64, small, u
from ixp_emu.chip.layout import DELIVERY, MEDIA_RX, MEDIA_TX
from ixp_emu.chip.link import listens, next_event
from ixp_emu.chip.link import next_arrival as next_frame
from ixp_emu.chip.media import PORT_LINK, PORT_SWITCH
from ixp_emu.chip.recurrence import NOTES, crowded, keep, latest_delivery, move_on, notes_at, recurs, signature
from ixp_emu.errors import InputError

__all__ = ["Notes", "begin_call", "look", "pause", "skip"]

# Phases
_WAITING, _SEARCHING, _REFINING, _RECURRING = range(4)

_STRIDE = 32
"""Cycles between two looks; the period found is a multiple of it, of which the search then looks for the least part."""
_LEAST_PERIOD = 8
_LONGEST_SEARCH = 1 << 17
_LULL = 512
"""Cycles without events of the media for which a search is worth it, and after which one begins anew."""
_SHARE = 128
"""A chip may spend this part of its cycles on searches."""
_REWARD = 4
"""And this part of those it has skipped."""
_GRANT = 16_384
"""Cycles to spend at the start."""
_MOST = 1 << 20
_LEAST = 4_096
"""Cycles a search has at its disposal; after each failure twice as many are saved up for the next one."""
_MOST_FAILURES = 6
_KEEP_COST = 1_500
_LOOK_COST = 60
"""Cycles that could be run in the time it takes to keep the state, and to look at it."""


class Notes:
    """Room for the NOTES of one chip; it costs nothing until touched.

    ``IXPEMU_SKIP`` may be ``never``: nothing is skipped; results are the same, but for the engine's steps.

    Attributes:
        address: for the chip's record; 0 if nothing is skipped.
    """

    def __init__(self) -> None:
        mode = os.environ.get("IXPEMU_SKIP", "auto")
        if mode not in ("auto", "never"):
            raise InputError(f"{mode!r}: must be auto or never", key="IXPEMU_SKIP")
        self._block = mmap.mmap(-1, NOTES.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._record = np.frombuffer(self._block, NOTES)
        self.address = self._record.ctypes.data if mode == "auto" else 0

    @property
    def skipped(self) -> int:
        """Cycles skipped so far."""
        return int(self._record["skipped"][0])


# --- what comes from outside ----------------------------------------------------------------------------------------


@compiled
def _quiet_until(chip: Any) -> int:
    """First cycle in which the media or a linked chip may do something to this one, as far as is known by now."""
    first = min(chip.keys[u(DELIVERY)], min(chip.keys[u(MEDIA_RX)], chip.keys[u(MEDIA_TX)])) >> 8
    for index in range(chip.ports):
        port = chip.port[u(index)]
        if port.kind == PORT_SWITCH:
            return 0
        if port.kind >= PORT_LINK:
            first = min(first, next_frame(port.source))
            if listens(port):
                first = min(first, next_event(port.source))
    return s64(first)


# --- the search -----------------------------------------------------------------------------------------------------


@small
def _budget(chip: Any, notes: Any) -> int:
    """Cycles that a search may cost now; what is left unused does not pile up without end."""
    budget = _GRANT + chip.published // _SHARE + notes.skipped // _REWARD - notes.spent
    if budget > _MOST:
        notes.spent += budget - _MOST
        budget = _MOST
    return s64(budget)


@small
def _wait(notes: Any, until: int) -> None:
    notes.phase = _WAITING
    notes.look_at = until


@small
def _give_up(chip: Any, notes: Any) -> None:
    notes.failures = min(notes.failures + 1, _MOST_FAILURES)
    _wait(notes, chip.published + _LULL)


@small
def _keep(chip: Any, notes: Any) -> None:
    notes.spent += _KEEP_COST
    keep(chip, notes, chip.published)


@compiled
def _consider(chip: Any, notes: Any) -> None:
    """Begin a search, if it is paid for and worth it."""
    now = chip.published
    budget = _budget(chip, notes)
    wanted = _LEAST << notes.failures
    if budget < wanted:
        notes.look_at = now + max((wanted - budget) * _SHARE, _LULL)
        return
    if _quiet_until(chip) < now + _LULL + notes.period or crowded(chip):
        notes.look_at = now + 2 * _LULL
        return
    _keep(chip, notes)
    notes.phase = _SEARCHING
    notes.begun = now
    notes.power = _STRIDE
    notes.look_at = now + (notes.period if notes.period > 0 else _STRIDE)


@small
def _next_part(whole: int, part: int) -> int:
    """The next larger even part of a whole number of cycles: units and buses act in even ones only."""
    part = max(part + 2, _LEAST_PERIOD)
    while whole % part != 0:
        part += 2
    return part


@compiled
def _search(chip: Any, notes: Any) -> None:
    """Brent's search for the period: compare with a state kept, from time to time a later one."""
    now = chip.published
    lag = now - notes.kept_at
    if signature(chip, now) == notes.signature:
        notes.spent += _LOOK_COST
        if recurs(chip, notes, now):
            if notes.phase == _SEARCHING and lag != notes.period:
                notes.phase = _REFINING
                notes.candidate = lag
                notes.period = 0
                _keep(chip, notes)
                notes.look_at = now + _next_part(lag, 0)
            else:
                notes.phase = _RECURRING
                notes.period = lag
                notes.failures = 0
            return
    if notes.phase == _REFINING:
        if lag >= notes.candidate:
            _give_up(chip, notes)
            return
        notes.look_at = notes.kept_at + _next_part(notes.candidate, lag)
        return
    if now - notes.begun > _LONGEST_SEARCH or _budget(chip, notes) < 0:
        _give_up(chip, notes)
        return
    if lag >= notes.power:
        notes.power *= 2
        _keep(chip, notes)
        lag = 0
    notes.look_at = notes.kept_at + (lag // _STRIDE + 1) * _STRIDE


# --- what the clock calls -------------------------------------------------------------------------------------------


@small
def begin_call(chip: Any) -> None:
    """Since the last call of the kernel anybody may have changed the record: nothing is known of a recurrence."""
    if chip.notes != 0:
        _wait(notes_at(chip.notes), chip.published)


@compiled
def skip(chip: Any, until: int) -> None:
    """Move a chip in a regime on by as many whole periods as go before a cycle."""
    notes = notes_at(chip.notes)
    if notes.phase != _RECURRING:
        return
    now = chip.published
    limit = min(until, _quiet_until(chip))
    if notes.expires != NEVER:  # deliveries on their way stay before a timer's
        limit = min(limit, notes.expires - (latest_delivery(chip, notes, now) - now))
    periods = (limit - now) // notes.period
    if periods > 0:
        move_on(chip, notes, now, periods)
        chip.published = now + periods * notes.period
        notes.skipped += periods * notes.period


@compiled
def pause(chip: Any, until: int) -> int:
    """How far a chip is to run before somebody looks at it again."""
    notes = notes_at(chip.notes)
    now = chip.published
    if notes.look_at > now and notes.phase != _RECURRING:
        until = min(until, notes.look_at)
    if notes.phase != _WAITING and min(_quiet_until(chip), notes.expires) < until:  # the regime ends
        _wait(notes, now + _LULL)
        until = min(until, notes.look_at)
    return until


@compiled
def look(chip: Any) -> None:
    """Look at a chip between two runs."""
    notes = notes_at(chip.notes)
    if chip.published < notes.look_at or notes.phase == _RECURRING:
        return
    notes.spent += _LOOK_COST
    if notes.phase == _WAITING:
        _consider(chip, notes)
    else:
        _search(chip, notes)
