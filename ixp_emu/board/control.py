"""The control processor (XScale): a Python program, a generator, that acts in the last phase of cycles
(docs/hardware-model.md, 7).

A request made in the last phase of cycle T that costs c cycles takes the cycles T + 1 .. T + c; its effect is there,
and the program goes on, in the last phase of T + c. So nothing depends on when or in what pieces the chip is run.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np
import numpy.typing as npt

from ixp_emu.board.control_log import ControlLog, decode_request, encode_request, value_of
from ixp_emu.board.control_requests import (
    NO_TIMEOUT,
    Compute,
    HostStructure,
    Read,
    Request,
    Sleep,
    Wait,
    Write,
    XScale,
)
from ixp_emu.board.fault import ChipFault
from ixp_emu.board.host import REGION_KINDS, Host, HostedChip
from ixp_emu.chip.codes import Fault
from ixp_emu.chip.compiled import NEVER
from ixp_emu.errors import InputError

__all__ = ["ACCOUNTS", "ControlError", "ControlProcessor", "ControlProgram", "ControlState"]

ControlProgram = Callable[..., Generator[Request, Any, Any]]

ACCOUNTS = ("accessing", "computing", "waiting", "reacting", "ended")
"""Where a control processor's cycles go: accesses; operations; waits and sleeps until what ends them; from there until
the program goes on; and after the program's end."""


class ControlError(InputError):
    """A control program failed, or asked for what is not possible. Its chip stops as with a fault.

    Attributes:
        chip: name of the chip.
        cycle: in whose last phase it was; -1 before the first cycle.
    """

    def __init__(self, message: str, *, chip: str, cycle: int, file: str | None, line: int | None) -> None:
        self.chip = chip
        self.cycle = cycle
        super().__init__(message, file=file, line=line, key=f"control program of chip {chip}, cycle {cycle:,}")

    @property
    def fault_text(self) -> str:
        """The error in the words of a chip's fault."""
        place = "" if self.file is None else f" {self.file}" + ("" if self.line is None else f":{self.line}")
        return f"chip {self.chip}, cycle {self.cycle:,}: control program{place}: {self.message}"


@dataclass(slots=True)
class _Counters:
    """What is counted.

    Attributes:
        cycles: of requests that were done, by ``ACCOUNTS``.
        accesses: by ``REGION_KINDS``.
        interrupts: waits that ended because of an interrupt, a timer or a mailbox.
        timeouts: waits that ended because time was over.
    """

    cycles: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ACCOUNTS, 0))
    accesses: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REGION_KINDS, 0))
    interrupts: int = 0
    timeouts: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class ControlState:
    """The state of a control processor as plain data.

    Attributes:
        log: see :meth:`ControlLog.to_array`.
        pending: the request under way (:func:`encode_request`), None after the program's end.
        since: first cycle of that request.
        cycles, accesses, interrupts, timeouts: what was counted.
        failed: message, cycle, file and line if the program has failed.
    """

    log: npt.NDArray[np.int64]
    pending: list[int] | None
    since: int
    cycles: dict[str, int]
    accesses: dict[str, int]
    interrupts: int
    timeouts: int
    failed: list[Any] | None


class ControlProcessor:
    """A control program on a chip. It starts at once: in the last phase of the cycle that is over.

    Parameters:
        board: the chip.
        host: its host.
        program: generator function of an :class:`XScale` and the options.
        options: keyword arguments of the program.
        structures: what the program finds in ``xscale.structures``.

    Attributes:
        error: what made the program fail, None if nothing did.

    Raises:
        InputError: no generator function, or one that does not take these options.
        ControlError: the program fails before its first request.
    """

    def __init__(
        self,
        board: HostedChip,
        host: Host,
        program: ControlProgram,
        *,
        options: Mapping[str, Any] | None = None,
        structures: Mapping[str, HostStructure] | None = None,
    ) -> None:
        self._board = board
        self._host = host
        self._chip = board.chip
        self._program = program
        self._options = dict(options or {})
        self._structures = dict(structures or {})
        self.error: ControlError | None = None
        _check_program(program, self._options)
        self._latency = board.hardware["host.interrupt_cycles"]
        self._access_cycles = {kind: board.hardware[f"host.{kind}_cycles"] for kind in REGION_KINDS}
        self._start(board.phase_cycle + 1)
        self._ask(None, board.phase_cycle)
        if self.error is not None:
            raise self.error

    def _start(self, cycle: int) -> None:
        """The program before its first request."""
        xscale = XScale(
            self._host, chip=self._board.name, hardware=self._board.hardware.values, structures=self._structures
        )
        self._generator = self._program(xscale, **self._options)
        self._log = ControlLog()
        self._counters = _Counters()
        self._pending: Request | None = None
        self._since = cycle

    # --- acting -----------------------------------------------------------------------------------------------------

    def act(self) -> bool:
        """Do what is due in the last phase of the cycle that is over; whether anything was.

        A chip with a fault stands still, and so does its host.
        """
        acted = False
        while not self._chip["fault"] and int(self._chip["host_cycle"]) < int(self._chip["published"]):
            self._finish(int(self._chip["host_cycle"]))
            acted = True
        return acted

    def refresh(self) -> None:
        """Look again at what the program waits for: others may have changed the host's registers between two runs."""
        chip, cycle = self._chip, self._board.phase_cycle
        if isinstance(self._pending, Wait) and not chip["fault"] and int(chip["host_woken"]) > cycle:
            self._watch(self._pending, cycle)

    def _ask(self, value: Any, cycle: int) -> None:
        """Let the program go on in the last phase of a cycle, until its next request."""
        chip = self._chip
        chip["host_cycle"], chip["host_latency"], chip["host_woken"] = NEVER, 0, NEVER
        self._pending, self._since = None, cycle + 1
        try:
            request = self._generator.send(value)
        except StopIteration:
            return
        except Exception as error:  # whatever the user's program raises is for the user, with its place
            self._fail(_reason(error), cycle, *_place_of(error, self._program))
            return
        if not isinstance(request, Request):
            self._fail_here(f"yielded {request!r}: must be a request of xscale (read, write, ...)", cycle)
            return
        if isinstance(request, Wait):
            self._watch(request, cycle)
        else:
            chip["host_cycle"] = cycle + self._cost(request)
        self._pending = request

    def _cost(self, request: Read | Write | Compute | Sleep) -> int:
        if isinstance(request, Read | Write):
            return self._access_cycles[self._host.kind(request.address)]
        return request.cycles

    def _watch(self, request: Wait, cycle: int) -> None:
        """Set when the program goes on, as far as that is known at the end of a cycle, and what else the chip watches.

        The chip does the same when an interrupt or a mailbox comes before (``ixp_emu.chip.clock``).
        """
        chip, last = self._chip, NEVER
        if request.timeout != NO_TIMEOUT:
            last = self._since - 1 + request.timeout
        holds = any(self._what_holds(request, cycle))
        expiry = cycle if holds else self._host.timers.next_expiry(request.timers)
        watches = not holds and (request.interrupts or request.mailboxes)
        chip["host_interrupts"][:] = self._host.interrupts.enabled if request.interrupts else 0
        chip["host_mailboxes"] = request.mailboxes
        chip["host_latency"] = self._latency if watches else 0
        chip["host_woken"], chip["host_cycle"] = NEVER, last
        if expiry is not None and expiry <= last:
            chip["host_woken"] = expiry
            if not watches:
                chip["host_cycle"] = expiry + self._latency

    def _what_holds(self, request: Wait, cycle: int) -> list[int]:
        """Masks of interrupts, timers and mailboxes that a wait is for and that hold at the end of a cycle."""
        words = range(4)
        interrupts = [self._host.interrupts.pending(word) if request.interrupts else 0 for word in words]
        expired = self._host.timers.expired(request.timers, cycle)
        return [*interrupts, expired, int(self._chip["pci_written"]) & request.mailboxes]

    def _finish(self, cycle: int) -> None:
        """The effect of the request under way, in the last phase of a cycle."""
        request, chip = self._pending, self._chip
        assert request is not None
        self._counters.cycles, self._since = self._cycles_before(cycle + 1), cycle + 1
        chip["host_cycle"] = NEVER
        results: list[int] = []
        if isinstance(request, Wait):
            came = int(chip["host_woken"]) != NEVER
            results = [*self._what_holds(request, cycle), int(not came)]
            chip["pci_written"] &= ~request.mailboxes
            self._counters.interrupts += came
            self._counters.timeouts += not came
        elif isinstance(request, Read | Write):
            try:
                if isinstance(request, Read):
                    results = [self._host.read(request.address)]
                else:
                    self._host.write(request.address, request.value)
            except ChipFault:  # whoever runs the chip reports it
                return
            except InputError as error:
                self._fail_here(_reason(error), cycle)
                return
            if chip["fault"]:
                return
            self._counters.accesses[self._host.kind(request.address)] += 1
        self._log.append(request, results)
        self._ask(value_of(request, results), cycle)

    # --- failing ----------------------------------------------------------------------------------------------------

    def _fail_here(self, message: str, cycle: int) -> None:
        """The program fails where it stands."""
        generator: Any = self._generator
        while inspect.isgenerator(generator.gi_yieldfrom):
            generator = generator.gi_yieldfrom
        frame = generator.gi_frame
        self._fail(message, cycle, frame.f_code.co_filename, frame.f_lineno)

    def _fail(self, message: str, cycle: int, file: str | None, line: int | None) -> None:
        self.error = ControlError(message, chip=self._board.name, cycle=cycle, file=file, line=line)
        chip = self._chip
        chip["fault"], chip["fault_time"], chip["fault_me"], chip["stop"] = Fault.CONTROL, cycle, -1, 1
        chip["host_cycle"], chip["host_latency"] = NEVER, 0

    # --- counting ---------------------------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Whether the program has come to its end."""
        return self._pending is None and self.error is None

    @property
    def accesses(self) -> dict[str, int]:
        """Accesses done, by kind of region."""
        return dict(self._counters.accesses)

    @property
    def interrupts(self) -> int:
        """Waits that an interrupt, a timer or a mailbox ended."""
        return self._counters.interrupts

    @property
    def timeouts(self) -> int:
        """Waits that nothing ended in time."""
        return self._counters.timeouts

    @property
    def cycles(self) -> dict[str, int]:
        """Where its cycles went so far, by ``ACCOUNTS``; together those since it was attached."""
        return self._cycles_before(self._board.phase_cycle + 1)

    def _cycles_before(self, end: int) -> dict[str, int]:
        """The accounts with the request under way, up to (excluding) a cycle."""
        cycles, request = dict(self._counters.cycles), self._pending
        if isinstance(request, Wait | Sleep):
            reaction = end
            if isinstance(request, Wait):
                reaction = min(end, int(self._chip["host_woken"]) + 1)
            cycles["waiting"] += reaction - self._since
            cycles["reacting"] += end - reaction
        elif request is None:
            cycles["ended"] += end - self._since
        else:
            cycles["computing" if isinstance(request, Compute) else "accessing"] += end - self._since
        return cycles

    # --- saving -----------------------------------------------------------------------------------------------------

    def saved(self) -> ControlState:
        """Its state; what the chip's record and the host hold is not in it."""
        error = self.error
        return ControlState(
            log=self._log.to_array(),
            pending=None if self._pending is None else encode_request(self._pending),
            since=self._since,
            cycles=dict(self._counters.cycles),
            accesses=dict(self._counters.accesses),
            interrupts=self._counters.interrupts,
            timeouts=self._counters.timeouts,
            failed=None if error is None else [error.message, error.cycle, error.file, error.line],
        )

    def restore(self, state: ControlState) -> None:
        """Bring the program to a saved state: it runs from its start, and is told what it was told then.

        Raises:
            InputError: it asks for something else than it did then.
        """
        self._start(state.since)
        self.error = None
        log = ControlLog.from_array(state.log)
        value: Any = None
        number = 0
        for request, results in log:
            self._expect(request, value, number)
            value = value_of(request, results)
            number += 1
        self._log = log
        if state.failed is not None:
            message, cycle, file, line = state.failed
            self.error = ControlError(message, chip=self._board.name, cycle=cycle, file=file, line=line)
        else:
            self._pending = None if state.pending is None else decode_request(state.pending)
            self._expect(self._pending, value, number)
        self._counters = _Counters(dict(state.cycles), dict(state.accesses), state.interrupts, state.timeouts)

    def _expect(self, request: Request | None, value: Any, number: int) -> None:
        """Tell the program a value; its next request must be the one given, or its end."""
        try:
            asked = self._generator.send(value)
        except StopIteration:
            asked = None
        except Exception as error:
            file, line = _place_of(error, self._program)
            raise InputError(
                _deviates(self._board.name, number, request, _reason(error)), file=file, line=line
            ) from None
        if asked != request or type(asked) is not type(request):
            raise InputError(
                _deviates(self._board.name, number, request, "ends" if asked is None else str(asked)),
                file=_code(self._program).co_filename,
            )


def _deviates(chip: str, number: int, request: Request | None, now: str) -> str:
    then = "the end" if request is None else str(request)
    return f"the control program of chip {chip} no longer does what it did: request {number} was {then}, now: {now}"


def _code(program: ControlProgram) -> CodeType:
    function: Any = program.func if isinstance(program, functools.partial) else program
    code: CodeType = function.__code__
    return code


def _check_program(program: ControlProgram, options: Mapping[str, Any]) -> None:
    name = getattr(program, "__name__", repr(program))
    if not inspect.isgeneratorfunction(program):
        code = getattr(program, "__code__", None)
        raise InputError(
            "must be a generator function: def program(xscale): ... yield xscale.read(address)",
            file=code.co_filename if code else None,
            line=code.co_firstlineno if code else None,
            key=name,
        )
    try:
        inspect.signature(program).bind(None, **options)
    except TypeError as error:
        code = _code(program)
        raise InputError(
            f"{error}; it is called with xscale and the options {', '.join(options) or '(none)'}",
            file=code.co_filename,
            line=code.co_firstlineno,
            key=name,
        ) from None


def _reason(error: Exception) -> str:
    """An exception in one line; one that explains itself without its type."""
    if isinstance(error, InputError):
        return str(error)
    text = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _place_of(error: Exception, program: ControlProgram) -> tuple[str, int | None]:
    """File and line of the innermost line of the program's folder that an exception came through."""
    file = _code(program).co_filename
    folder = Path(file).parent
    line: int | None = None
    found = file
    step = error.__traceback__
    while step is not None:
        name = step.tb_frame.f_code.co_filename
        if name == file or (Path(name).parent == folder and folder != Path()):
            found, line = name, step.tb_lineno
        step = step.tb_next
    return found, line
