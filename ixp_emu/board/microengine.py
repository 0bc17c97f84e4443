"""A microengine by name: registers, contexts, flags, CAM, CSRs, where its cycles went."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ixp_emu.assembler import InitialRegister, Program, RegisterName
from ixp_emu.board.memory import check_word
from ixp_emu.chip.chip import cycle_accounts
from ixp_emu.chip.codes import ME_EXECUTING, ME_STALLED, ME_STOPPED
from ixp_emu.chip.diagnosis import engine_name, engine_number
from ixp_emu.chip.layout import (
    CONTEXTS,
    DRAM_IN,
    DRAM_OUT,
    ENGINES,
    GPR_A,
    GPR_B,
    LOCAL_MEMORY,
    LOCAL_MEMORY_WORDS,
    NEIGHBOR,
    SRAM_IN,
    SRAM_OUT,
)
from ixp_emu.errors import InputError
from ixp_emu.isa import LOCAL_CSRS

if TYPE_CHECKING:
    from ixp_emu.board.board import Board

__all__ = ["CamEntry", "Context", "Flags", "Microengine", "Microengines"]

_FILE_REGISTERS = 128
_PER_CONTEXT = 16
_FILES = {
    "gpr_a": GPR_A,
    "gpr_b": GPR_B,
    "sram_in": SRAM_IN,
    "dram_in": DRAM_IN,
    "sram_out": SRAM_OUT,
    "dram_out": DRAM_OUT,
    "neighbor": NEIGHBOR,
}
_SOURCE_FILES = {
    "a": "gpr_a",
    "b": "gpr_b",
    "@a": "gpr_a",
    "@b": "gpr_b",
    "n$": "neighbor",
    "$": "sram_in",
    "$$": "dram_in",
}

_Registers = npt.NDArray[np.uint32]


class Flags(NamedTuple):
    """The condition codes of a microengine: negative, zero, carry, overflow."""

    n: bool
    z: bool
    c: bool
    v: bool


class CamEntry(NamedTuple):
    """An entry of the CAM: 32-bit tag, 4-bit state."""

    tag: int
    state: int


class _RegisterFiles:
    """Parts of the register files, as uint32 views: what is assigned to an element is in the register.

    Attributes:
        gpr_a, gpr_b: general registers.
        sram_in, dram_in: transfer registers that commands write and programs read.
        sram_out, dram_out: transfer registers that programs write.
        neighbor: next neighbour registers.
    """

    gpr_a: _Registers
    gpr_b: _Registers
    sram_in: _Registers
    dram_in: _Registers
    sram_out: _Registers
    dram_out: _Registers
    neighbor: _Registers

    def __init__(self, file: _Registers, offset: int, count: int) -> None:
        for name, start in _FILES.items():
            setattr(self, name, file[start + offset : start + offset + count])


class Context(_RegisterFiles):
    """A context: its own registers, 16 of each file (32 with four contexts), and its state.

    Attributes:
        number: 0..7.
    """

    def __init__(self, engine: Microengine, number: int) -> None:
        record = engine.record
        super().__init__(record["file"], number * _PER_CONTEXT, _PER_CONTEXT * engine.context_step)
        self.number = number
        self._engine = engine
        self._record = record

    def __repr__(self) -> str:
        return f"<ME {self._engine.name} context {self.number}, pc {self.pc}>"

    @property
    def enabled(self) -> bool:
        """Whether it may be chosen."""
        return bool(int(self._record["enabled"]) >> self.number & 1)

    @property
    def executing(self) -> bool:
        """Whether its instructions are being executed."""
        running = int(self._record["state"]) in (ME_EXECUTING, ME_STALLED)
        return running and int(self._record["context"]) == self.number

    @property
    def pc(self) -> int:
        """Address of its next instruction."""
        return int(self._record["pc"][self.number])

    @property
    def signals(self) -> frozenset[int]:
        """Numbers of the signals that are set."""
        bits = int(self._record["signals"][self.number])
        return frozenset(number for number in range(1, 16) if bits >> number & 1)

    @property
    def wakeup_events(self) -> int:
        """What it asked for when it last left, as in the CSR: bit 16 any, 15:1 signals, 0 voluntary."""
        return int(self._record["wakeup"][self.number])

    @property
    def lm_addr(self) -> tuple[int, int]:
        """The byte addresses its two local memory indices have for the next instruction; a global index is common."""
        return self._lm_addr(0), self._lm_addr(1)

    def _lm_addr(self, index: int) -> int:
        record = self._record
        copy = CONTEXTS if int(record["lm_global"]) >> index & 1 else self.number
        word = int(record["lm_word"][copy, index])
        for write in range(int(record["index_writes"])):  # on their way, the oldest first
            due = int(record["index_time"][write]) <= self._engine.board.now
            if due and int(record["index_what"][write]) == copy * 8 + index:
                word = int(record["index_value"][write])
        return word * 4

    @property
    def instructions(self) -> int:
        """Instructions it has executed."""
        count = int(self._record["instructions"][self.number])
        if int(self._record["context"]) == self.number:  # since it was last chosen
            count += int(self._record["executing"]) - int(self._record["since"])
        return count

    def __getitem__(self, name: str) -> int:
        """The value of a register by its name in the source; of a transfer register, what the program reads.

        Raises:
            InputError: see :meth:`Microengine.registers_of`, or it has lain in several registers.
        """
        register = self._only(name)
        return int(self.view(register)[register.number])

    def __setitem__(self, name: str, value: int) -> None:
        register = self._only(name)
        self.view(register)[register.number] = check_word(value, what=name)

    def _only(self, name: str) -> RegisterName:
        registers = self._engine.registers_of(name)
        if len(registers) > 1:
            places = ", ".join(map(str, registers))
            raise InputError(f"lies in {places} in parts of its life; read these", key=f"register {name}")
        return registers[0]

    def view(self, register: RegisterName) -> _Registers:
        """The registers that a register's number counts in; of transfer registers, those that programs read."""
        owner = self._engine if register.file.startswith("@") else self
        view: _Registers = getattr(owner, _SOURCE_FILES[register.file])
        return view


class LocalCsrs:
    """The local CSRs of a microengine by name, read and written as the host does."""

    def __init__(self, board: Board, engine: int) -> None:
        self._board = board
        self._engine = engine

    def __iter__(self) -> Iterator[str]:
        return iter(LOCAL_CSRS)

    def __getitem__(self, name: str) -> int:
        return self._board.host.read_local_csr(self._engine, self._address(name))

    def __setitem__(self, name: str, value: int) -> None:
        self._board.host.write_local_csr(self._engine, self._address(name), check_word(value, what=name))

    def _address(self, name: str) -> int:
        csr = LOCAL_CSRS.get(name.upper())
        if csr is None:
            raise InputError("there is no such CSR of a microengine", key=f"CSR {name}")
        return csr.address


class Microengine(_RegisterFiles):
    """A microengine. Its register files are all 128 registers of a kind, by absolute number.

    Attributes:
        board: the board it is on.
        number: 0..7.
        record: its part of the CHIP record (``ixp_emu.chip.layout.MICROENGINE``).
        local_memory: uint32 view of 640 longwords.
        program: what :meth:`Board.load` put into it, None if nothing.
        csr: its CSRs by name, as the host sees them: ``me.csr["CTX_ENABLES"]``.
    """

    def __init__(self, board: Board, number: int) -> None:
        self.record: Any = board.chip["me"][number]
        super().__init__(self.record["file"], 0, _FILE_REGISTERS)
        self.number = number
        self.local_memory: _Registers = self.record["file"][LOCAL_MEMORY : LOCAL_MEMORY + LOCAL_MEMORY_WORDS]
        self.program: Program | None = None
        self.csr = LocalCsrs(board, number)
        self.board = board

    def __repr__(self) -> str:
        return f"<ME {self.name}, {self.state}>"

    @property
    def name(self) -> str:
        """Cluster and number within it: "1:3"."""
        return engine_name(self.number)

    @property
    def context_step(self) -> int:
        """Distance of two contexts' numbers: 1, or 2 with four contexts."""
        return 2 if int(self.record["context_step"]) == 2 else 1

    @property
    def contexts(self) -> Mapping[int, Context]:
        """Its contexts by number: 0 to 7, or 0, 2, 4 and 6."""
        return {number: Context(self, number) for number in range(0, CONTEXTS, self.context_step)}

    def context(self, number: int) -> Context:
        """One context.

        Raises:
            InputError: there is none of that number.
        """
        if number not in self.contexts:
            raise InputError(
                f"context {number!r}: there are {', '.join(map(str, self.contexts))}", key=f"ME {self.name}"
            )
        return Context(self, number)

    @property
    def state(self) -> str:
        """ "stopped", "executing", "stalled" (its command FIFO is full) or "idle"."""
        state = int(self.record["state"])
        if state == ME_STOPPED or (state != ME_EXECUTING and not int(self.record["enabled"])):
            return "stopped"
        return {ME_EXECUTING: "executing", ME_STALLED: "stalled"}.get(state, "idle")

    @property
    def flags(self) -> Flags:
        """The condition codes."""
        result = int(self.record["result"])
        return Flags(bool(result >> 31 & 1), result == 0, bool(self.record["carry"]), bool(self.record["overflow"]))

    @property
    def cam(self) -> tuple[CamEntry, ...]:
        """The 16 entries of the CAM."""
        tags, states = self.record["cam_tag"], self.record["cam_state"]
        return tuple(CamEntry(int(tag), int(state)) for tag, state in zip(tags, states, strict=True))

    @property
    def cam_order(self) -> tuple[int, ...]:
        """Numbers of the CAM's entries, the least recently used first."""
        return tuple(int(entry) for entry in self.record["cam_order"])

    @property
    def cycles(self) -> dict[str, int]:
        """Where its cycles went: executing, aborted, stalled, idle; they sum to the cycles of the run."""
        accounts = cycle_accounts(self.board.chip, self.board.now)
        return {name: int(values[self.number]) for name, values in accounts.items()}

    def preset(self, values: Iterable[InitialRegister]) -> None:
        """Give registers the values that a program wants at its start."""
        for initial in values:
            contexts = self.contexts.values() if initial.context is None else [self.context(initial.context)]
            for context in contexts:
                context.view(initial.register)[initial.register.number] = initial.value

    def registers_of(self, name: str) -> Sequence[RegisterName]:
        """Where a register of the source lies.

        Raises:
            InputError: the loaded program has no such register.
        """
        found = self.program.registers.get(name) if self.program is not None else None
        if not found:
            raise InputError(f"no register of that name in what ME {self.name} runs", key=f"register {name}")
        return found


class Microengines(Sequence[Microengine]):
    """The microengines of a chip, by number (0 to 7) or by name ("0:0" to "1:3")."""

    def __init__(self, board: Board) -> None:
        self._engines = [Microengine(board, number) for number in range(ENGINES)]

    def __len__(self) -> int:
        return ENGINES

    def __getitem__(self, which: Any) -> Any:
        return self._engines[self.number(which)]

    def __iter__(self) -> Iterator[Microengine]:
        return iter(self._engines)

    def number(self, which: int | str) -> int:
        """The number of a microengine.

        Raises:
            InputError: there is none.
        """
        if isinstance(which, str):
            try:
                return engine_number(which)
            except ValueError as error:
                raise InputError(str(error), key="microengine") from None
        if isinstance(which, bool) or not isinstance(which, int) or not 0 <= which < ENGINES:
            raise InputError(f"{which!r}: must be 0 to {ENGINES - 1}, or a name", key="microengine")
        return which
