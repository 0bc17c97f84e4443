"""A board: one IXP2400 with its memories, ports and host."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ixp_emu.assembler import InitialMemory, Location, Program
from ixp_emu.board import state as saving
from ixp_emu.board.control import ControlProcessor, ControlProgram
from ixp_emu.board.control_requests import HostStructure
from ixp_emu.board.counters import chip_counters
from ixp_emu.board.fault import ChipFault
from ixp_emu.board.host import Host
from ixp_emu.board.link import Group
from ixp_emu.board.memory import Memory
from ixp_emu.board.microengine import Microengines
from ixp_emu.board.port import EgressLog, Frame, Port
from ixp_emu.board.program import Loadable, as_program
from ixp_emu.board.ring import Ring
from ixp_emu.chip.chip import (
    Memories,
    bind_memories,
    configure_ring,
    initialise,
    load_program,
    new_chips,
    set_up_ports,
)
from ixp_emu.chip.clock import CLOCK_STRIDE, advance_group
from ixp_emu.chip.control import reset_engine
from ixp_emu.chip.hardware import Hardware, resolve_hardware
from ixp_emu.chip.layout import CHIP, CONTEXTS, DRAM, PORTS, SRAM0, SRAM1, STRUCTURES
from ixp_emu.chip.media_control import reset_media, reset_rings
from ixp_emu.chip.rows import build_rows
from ixp_emu.chip.translate import Translator
from ixp_emu.errors import InputError

__all__ = ["Board"]

_RINGS = 16
_RING_SIZES = (128, 256, 512, 1024)
_ALONE = np.zeros((1, 1), np.int64)
_THE_CHIP = np.zeros(1, np.int64)


def _resolve(hardware: Hardware | str | Mapping[str, int] | None) -> Hardware:
    if isinstance(hardware, Hardware):
        return hardware
    if isinstance(hardware, str):
        return resolve_hardware(hardware)
    return resolve_hardware(overrides=hardware)


def _mask(contexts: int | Iterable[int] | None, step: int) -> int:
    """Mask of contexts, from a mask, numbers or None for all."""
    existing = range(0, CONTEXTS, step)
    everything = sum(1 << number for number in existing)
    if contexts is None:
        return everything
    numbers = [bit for bit in range(32) if contexts >> bit & 1] if isinstance(contexts, int) else list(contexts)
    for number in numbers:
        if number not in existing:
            raise InputError(f"{number!r}: there are {', '.join(map(str, existing))}", key="contexts")
    return sum({1 << number for number in numbers})


class Board:
    """One IXP2400 with memories, Ethernet ports and a host. Time stands still but for :meth:`run`.

    Parameters:
        hardware: a preset's name, parameters that differ from the default preset, or a resolved description.
        ports: 1 Gb/s Ethernet ports, 0 to 16.
        cold: as after power on: MEs in reset, media disabled and without free elements, timestamp stopped, so that a
            host program must set everything up. Else media runs and programs start when loaded.
        back_pressure: whether what is fed to a port waits while its MAC is full, instead of being lost.
        name: for messages.

    Attributes:
        chip: the CHIP record (``ixp_emu.chip.layout``), for what has no name here.
        me: microengines, ``me["0:1"]`` or ``me[1]``.
        sram, dram, scratch: memories; ``sram`` are two channels.
        ports: its ports.
        host: the host.
        control: the control processor with a program that was attached, else None.
        egress: frames that have left and were not collected yet.
        structures: number of each named data structure in the counters.

    Raises:
        InputError: unknown hardware, or a wrong number of ports.
    """

    def __init__(
        self,
        hardware: Hardware | str | Mapping[str, int] | None = None,
        *,
        ports: int = 2,
        cold: bool = False,
        back_pressure: bool = False,
        name: str = "a",
    ) -> None:
        if isinstance(ports, bool) or not isinstance(ports, int) or not 0 <= ports <= PORTS:
            raise InputError(f"{ports!r}: must be 0 to {PORTS}", key="ports")
        self.name = name
        self.hardware = _resolve(hardware)
        self.structures: dict[str, int] = {}
        self.memories = Memories(self.hardware)
        self.records = new_chips(1)
        self.chip: Any = self.records[0]
        self._translator = Translator(self.records)
        initialise(self.chip, self.hardware, self.memories)
        set_up_ports(self.chip, ports)
        self.chip["port"]["back_pressure"][:ports] = back_pressure
        self._clocks = np.zeros(CLOCK_STRIDE // 8, np.int64)
        words, dirty = self.memories.words, self.chip["dirty_sram"]
        self.sram = (Memory("sram0", words[SRAM0], dirty[0]), Memory("sram1", words[SRAM1], dirty[1]))
        self.dram = Memory("dram", words[DRAM], self.chip["dirty_dram"])
        self.scratch = Memory("scratch", self.chip["scratch"][: self.hardware["scratch.size_bytes"] // 4])
        self.me = Microengines(self)
        self.ports = tuple(Port(self.chip, number) for number in range(ports))
        self.egress: list[Frame] = []
        self._log = EgressLog(self.chip)
        self.group = Group([self])
        if cold:
            reset_media(self.chip)
            reset_rings(self.chip)
        self.host = Host(self, cold=cold)
        self.control: ControlProcessor | None = None

    def __repr__(self) -> str:
        return f"<board {self.name}, cycle {self.now:,}>"

    # --- setting up ---------------------------------------------------------------------------------------------------

    def load(
        self,
        engine: int | str,
        program: Loadable,
        *,
        contexts: int | Iterable[int] | None = None,
        entry: int | None = None,
        four_contexts: bool | None = None,
        locations: Mapping[str, Location] | None = None,
    ) -> Program:
        """Load a program into a microengine; its contexts start with the next cycle.

        Parameters:
            engine: 0 to 7, or "0:0" to "1:3".
            program: a :class:`Program`; source text (with line breaks) or the path of a ``.uc`` file; the path of an
                object or a raw image; or 40-bit words.
            contexts: which are enabled, as a mask or as numbers; by default those the program says, or all.
            entry: where they start; by default where the program says, or at 0.
            four_contexts: by default as the program says.
            locations: memory and address of each structure that the source declares.

        Returns:
            the program.

        Raises:
            InputError: what is wrong with one of these.
        """
        number = self.me.number(engine)
        wanted = None if four_contexts is None else 4 if four_contexts else 8
        loaded = as_program(program, locations=locations, contexts=wanted)
        mode = wanted or loaded.contexts
        enabled = _mask(contexts, 2 if mode == 4 else 1) & (0xFF if contexts is not None else loaded.started)
        first = loaded.entry if entry is None else entry
        if not 0 <= first < len(loaded.words):
            raise InputError(f"{first!r}: must be 0 to {len(loaded.words) - 1}", key="entry")
        structures = [self._structure(name) for name in loaded.structures] or None
        rows = build_rows(loaded.words, structures, contexts=mode)
        if self.now:
            reset_engine(self.chip, number)
        load_program(
            self.chip,
            number,
            loaded.words,
            rows=rows,
            contexts=enabled,
            entry=first,
            four_contexts=mode == 4,
            modes=loaded.mode_bits,
            start=self.now,
        )
        self.host.release(number)
        self.me[number].program = loaded
        self.me[number].preset(loaded.initial_registers)
        places = {name.lower(): location for name, location in (locations or {}).items()}
        for initial in loaded.initial_memory:
            self._preset_memory(number, initial, places.get(initial.structure.lower()))
        return loaded

    def _preset_memory(self, engine: int, initial: InitialMemory, location: Location | None) -> None:
        """Initial contents of a structure."""
        if location is None or location.memory == "dram":  # there, elements may lie further apart than they are long
            raise InputError("has initial contents; preset them by address", key=f"structure {initial.structure}")
        first = (location.base + initial.offset_bytes) // 4
        words = self.me[engine].local_memory if location.memory == "local" else self.memory(location.memory).words
        words[first : first + len(initial.values)] = initial.values

    def memory(self, name: str) -> Memory:
        """A memory by name: "scratch", "sram0", "sram1" or "dram"."""
        memories = {memory.name: memory for memory in (self.scratch, *self.sram, self.dram)}
        if name not in memories:
            raise InputError(f"{name!r}: there are {', '.join(memories)}", key="memory")
        return memories[name]

    def _structure(self, name: str | None) -> int:
        """Number of a structure in the counters; 0 is (unnamed)."""
        if name is None:
            return 0
        number = self.structures.setdefault(name.lower(), len(self.structures) + 1)
        if number >= STRUCTURES:
            raise InputError(f"at most {STRUCTURES - 1} structures are counted", key=f"structure {name}")
        return number

    def ring(
        self,
        number: int,
        *,
        base: int | None = None,
        size: int = 128,
        contents: Sequence[int] = (),
        flag_empty: bool = False,
    ) -> Ring:
        """A scratch ring; with ``base`` it is set up first.

        Parameters:
            number: 0 to 15.
            base: byte address in scratch, a multiple of its size in bytes.
            size: longwords: 128, 256, 512 or 1024.
            contents: longwords in it.
            flag_empty: its state input says empty, else nearly full.

        Raises:
            InputError: what is wrong with one of these.
        """
        key = f"ring {number}"
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < _RINGS:
            raise InputError(f"{number!r}: must be 0 to {_RINGS - 1}", key="ring")
        if base is not None:
            if size not in _RING_SIZES:
                raise InputError(f"size {size!r}: must be 128, 256, 512 or 1024 longwords", key=key)
            if base % (size * 4) or not 0 <= base <= self.scratch.size_bytes - size * 4:
                raise InputError(f"base {base:#x}: must be a multiple of {size * 4} inside scratch", key=key)
            if len(contents) > size:
                raise InputError(f"{len(contents)} longwords do not fit a ring of {size}", key=key)
            configure_ring(self.chip, number, base=base, size=size, flag_empty=flag_empty, contents=contents)
        return Ring(self, number)

    def port(self, number: int) -> Port:
        """A port.

        Raises:
            InputError: there is none of that number.
        """
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(self.ports):
            raise InputError(f"port {number!r}: there are {len(self.ports)}, from 0", key=f"board {self.name}")
        return self.ports[number]

    def attach(
        self,
        program: ControlProgram,
        *,
        options: Mapping[str, Any] | None = None,
        structures: Mapping[str, HostStructure] | None = None,
    ) -> ControlProcessor:
        """Give the control processor (XScale) a program; it runs from now on, while the board runs.

        Parameters:
            program: generator function of an :class:`~ixp_emu.board.XScale` that yields the requests it makes.
            options: keyword arguments of the program.
            structures: what the program finds in ``xscale.structures``.

        Raises:
            InputError: there is a program already, this is none, or it does not take these options.
            ControlError: it fails before its first request.
        """
        if self.control is not None:
            raise InputError("has a control program already", key=f"board {self.name}")
        self.control = ControlProcessor(self, self.host, program, options=options, structures=structures)
        return self.control

    # --- frames -------------------------------------------------------------------------------------------------------

    def feed(self, port: int, frames: bytes | Iterable[bytes], *, at: int | None = None) -> None:
        """Put frames on the wire of a port, one behind the other at line rate.

        Parameters:
            frames: one or several, without FCS; shorter ones are padded to 60 bytes, as a sending MAC does.
            at: cycle of the first one's first bit, by default now; it waits for frames that were fed before.

        Raises:
            InputError: no such port, one with a cable, an impossible length, or a cycle that is over.
        """
        when = self.now if at is None else at
        if when < self.now:
            raise InputError(f"cycle {when:,} is over: now is {self.now:,}", key="at")
        self.port(port).feed(frames, at=when)

    def collect(self, port: int | None = None) -> list[Frame]:
        """Take the frames that have left since they were last collected, of one port or of all, in order of time."""
        taken = [frame for frame in self.egress if port is None or frame.port == port]
        self.egress[:] = [frame for frame in self.egress if port is not None and frame.port != port]
        return taken

    # --- running ------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The cycle that is executed next."""
        return int(self.chip["published"])

    @property
    def phase_cycle(self) -> int:
        """The cycle in whose last phase the host acts."""
        return self.now - 1

    def run(self, cycles: int) -> None:
        """Execute so many cycles, here and on all boards joined by cables.

        Raises:
            ChipFault: a chip did what is not possible; ``now`` is then the cycle behind that.
        """
        if isinstance(cycles, bool) or not isinstance(cycles, int) or cycles < 0:
            raise InputError(f"{cycles!r}: must be 0 or more", key="cycles")
        self.group.advance(self.now + cycles)

    def run_until(self, condition: Callable[[Board], object], *, limit: int, every: int = 1) -> bool:
        """Run until a condition holds.

        Parameters:
            condition: asked now and then between cycles, ``every`` cycles apart; may look at and change anything.
            limit: cycles after which to give up.

        Returns:
            whether it held.

        Raises:
            ChipFault: see :meth:`run`.
        """
        if every < 1:
            raise InputError(f"{every!r}: must be 1 or more", key="every")
        end = self.now + limit
        while not condition(self):
            if self.now >= end:
                return False
            self.run(min(every, end - self.now))
        return True

    def advance(self, until: int) -> None:
        """Run this board alone up to (excluding) a cycle or to a fault; :meth:`run` is for users."""
        chip = self.chip
        if self.control is not None:
            self.control.refresh()
        self._translator.keep()
        began = time.perf_counter()
        while int(chip["published"]) < until and not chip["fault"]:
            advance_group(self.records, _THE_CHIP, self._clocks.ctypes.data, _ALONE, until, 0)
            self.egress += self._log.drain()
            if self.control is not None:
                self.control.act()
        self._translator.ran(time.perf_counter() - began)
        if chip["fault"]:
            chip["published"] = max(int(chip["published"]), int(chip["fault_time"]) + 1)

    def check(self) -> None:
        """Raise :class:`ChipFault` if the chip has a fault, or the :class:`ControlError` of its control program."""
        if self.control is not None and self.control.error is not None:
            raise self.control.error
        if self.chip["fault"]:
            engine = int(self.chip["fault_me"])
            raise ChipFault(self.name, self.chip, self.me[engine].program if engine >= 0 else None)

    # --- looking ------------------------------------------------------------------------------------------------------

    @property
    def counters(self) -> dict[str, Any]:
        """What was counted so far, by unit and by structure."""
        return chip_counters(self.chip, self.structures)

    # --- saving -------------------------------------------------------------------------------------------------------

    def save(self) -> saving.State:
        """The state of this board and of those joined to it by cables."""
        return saving.save(self.group)

    def restore(self, state: saving.State) -> None:
        """Go back to a saved state, or bring another board of the same hardware to it.

        Raises:
            InputError: it is of other hardware, ports or cables.
        """
        saving.restore(self.group, state)

    def record_bytes(self) -> npt.NDArray[np.uint8]:
        """The bytes of the CHIP record, as a view."""
        return self.records.view(np.uint8).reshape(CHIP.itemsize)

    def bind(self) -> None:
        """Write addresses of this process into the record again."""
        bind_memories(self.chip, self.memories)
        self._log.bind()
