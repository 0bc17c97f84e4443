"""Skip what only repeats: a chip whose microengines poll for work is moved on by whole periods, exactly.

Signatures of the state (``recurrence``) are taken at every second cycle for a while, then further apart, until one is
met again: that gives what the period may be. The state is then kept and compared a period later. If it recurs, the
chip is in a regime: as long as nothing comes from outside, it is moved on by whole periods at a time, and only what
is left of a run is executed. What ends a regime is known beforehand: an event of the media, a frame or pause of a
linked chip, the first time that stands still (a timer), the host, a fault.

Searching is paid for: a chip may spend a share of its cycles on it, and some of those that it skips.
"""

from __future__ import annotations

import mmap
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ixp_emu.chip.compiled import NEVER, compiled, notes_at, s64, small, u
from ixp_emu.chip.layout import DELIVERY, MEDIA_RX, MEDIA_TX
from ixp_emu.chip.link import listens, next_event
from ixp_emu.chip.link import next_arrival as next_frame
from ixp_emu.chip.media import PORT_LINK, PORT_SWITCH
from ixp_emu.chip.recurrence import NOTES, SAMPLES, crowded, keep, latest_delivery, move_on, recurs, signature
from ixp_emu.errors import InputError

__all__ = ["Notes", "begin_call", "look", "pause", "skip", "skip_nothing"]

# Phases
_WAITING, _SAMPLING, _STRIDING, _VERIFYING, _RECURRING = range(5)

_STEP = 2
"""Cycles between two samples: chassis edges are the even ones, so periods are even."""
_STRIDE = _STEP * SAMPLES
"""Cycles between two looks for one of the samples: no period slips through."""
_FIRST_REACH = 1_024
"""Cycles for which samples are looked for; then others are taken, which are looked for twice as long."""
_MOST_MULTIPLES = 8
"""Of the time between two equal signatures that are tried as the period."""
_LONGEST_SEARCH = 1 << 17
_LULL = 512
"""Cycles from the end of a regime or search to the next search."""
_WORTH = 2_048
"""Cycles without events of the media for which a search is worth it."""
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
_KEEP_COST = 1_200
_LOOK_COST = 40
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


def skip_nothing(chips: NDArray[Any]) -> None:
    """Let chips execute every cycle from now on.

    Parameters:
        chips: array of CHIP.
    """
    chips["notes"] = 0


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
def _go_on(notes: Any, phase: int, look_at: int) -> None:
    notes.phase = phase
    notes.look_at = look_at


@small
def _give_up(chip: Any, notes: Any) -> None:
    notes.failures = min(notes.failures + 1, _MOST_FAILURES)
    _go_on(notes, _WAITING, chip.published + _LULL)


@small
def _verify(chip: Any, notes: Any, candidate: int) -> None:
    """Keep the state, to be compared some cycles later."""
    notes.spent += _KEEP_COST
    keep(chip, notes, chip.published)
    notes.candidate = candidate
    _go_on(notes, _VERIFYING, chip.published + candidate)


@small
def _sample(chip: Any, notes: Any) -> None:
    """Begin to take samples."""
    notes.sampled = 1
    notes.sample[u(0)] = signature(chip, chip.published)
    _go_on(notes, _SAMPLING, chip.published + _STEP)


@compiled
def _consider(chip: Any, notes: Any) -> None:
    """Begin a search, if it is paid for and worth it."""
    now = chip.published
    budget = _budget(chip, notes)
    wanted = _LEAST << notes.failures
    if budget < wanted:
        notes.look_at = now + max((wanted - budget) * _SHARE, _LULL)
        return
    if _quiet_until(chip) < now + _WORTH + notes.period or crowded(chip):
        notes.look_at = now + _LULL
        return
    notes.begun = now
    notes.reach = _FIRST_REACH
    notes.expires = NEVER
    if notes.period > 0:
        _verify(chip, notes, notes.period)
    else:
        _sample(chip, notes)


@compiled
def _search(chip: Any, notes: Any) -> None:
    """A look at the chip, at the time that was set for it."""
    now = chip.published
    if notes.phase == _VERIFYING:
        if recurs(chip, notes, now):
            notes.phase = _RECURRING
            notes.period = now - notes.kept_at
            notes.failures = 0
            return
        if now - notes.kept_at < _MOST_MULTIPLES * notes.candidate:
            notes.look_at = now + notes.candidate
            return
    elif notes.phase == _SAMPLING and notes.sampled < SAMPLES:
        notes.sample[u(notes.sampled)] = signature(chip, now)
        notes.sampled += 1
        notes.sampled_until = now
        notes.look_at = now + _STEP
        return
    else:
        notes.phase = _STRIDING
        notes.look_at = now + _STRIDE
        current = signature(chip, now)
        last = notes.sampled_until
        for back in range(SAMPLES):  # the nearest one first
            if notes.sample[u(SAMPLES - 1 - back)] == current:
                _verify(chip, notes, now - (last - _STEP * back))
                return
    if now - notes.begun > _LONGEST_SEARCH or _budget(chip, notes) < 0:
        _give_up(chip, notes)
    elif notes.phase == _VERIFYING:
        _sample(chip, notes)
    elif now - notes.sampled_until > notes.reach:  # what was sampled may have been before the regime
        notes.reach *= 2
        _sample(chip, notes)


# --- what the clock calls -------------------------------------------------------------------------------------------


@small
def begin_call(chip: Any) -> None:
    """Since the last call of the kernel anybody may have changed the record: what was kept of it is worth nothing."""
    if chip.notes != 0:
        notes = notes_at(chip.notes)
        if notes.phase >= _VERIFYING:
            _go_on(notes, _WAITING, chip.published)


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
        _go_on(notes, _WAITING, now + _LULL)
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
