"""Control programs of a cluster: loaded from their files, run on their chips, counted and saved with the run."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from ixp_emu.board.control import ACCOUNTS, ControlProcessor, ControlProgram, ControlState
from ixp_emu.board.control_requests import HostStructure
from ixp_emu.board.host import REGION_KINDS, Host
from ixp_emu.board.memory import Memory
from ixp_emu.chip.chip import Memories
from ixp_emu.chip.hardware import Hardware
from ixp_emu.chip.layout import DRAM, SRAM0, SRAM1
from ixp_emu.cluster.build import ChipImage
from ixp_emu.cluster.config import Chip, ClusterConfig, program_file
from ixp_emu.errors import InputError

__all__ = ["ChipControl", "control_counters", "load_control", "start_controls"]

_BASES = {"dram": 0x0000_0000, "sram0": 0x8000_0000, "sram1": 0x9000_0000, "scratch": 0xCA00_0000}
_STATE_SCALARS = ("pending", "since", "cycles", "accesses", "interrupts", "timeouts", "failed")


def load_control(text: str) -> ControlProgram:
    """The control program "FILE:FUNCTION" of a configuration.

    Raises:
        InputError: the file does not run, or has no such function.
    """
    name, _, function = text.rpartition(":")
    module = _module(name)
    program: ControlProgram | None = getattr(module, function, None)
    if program is None:
        raise InputError(f'there is no function "{function}"', file=name)
    return program


def _module(name: str) -> ModuleType:
    path = program_file(name)
    specification = importlib.util.spec_from_file_location(f"_ixpemu_control_{path.stem}", path)
    if specification is None or specification.loader is None:
        raise InputError("is no Python file", file=name)
    module = importlib.util.module_from_spec(specification)
    try:
        specification.loader.exec_module(module)
    except SyntaxError as error:
        raise InputError(f"does not compile: {error.msg}", file=name, line=error.lineno) from None
    except Exception as error:  # whatever the user's file raises
        line = error.__traceback__
        found: int | None = None
        while line is not None:
            if line.tb_frame.f_code.co_filename == str(path):
                found = line.tb_lineno
            line = line.tb_next
        raise InputError(f"{type(error).__name__}: {error}", file=name, line=found) from None
    return module


@dataclass(eq=False)
class _HostedChip:
    """A chip of a cluster as its host sees it (``ixp_emu.board.host.HostedChip``)."""

    name: str
    hardware: Hardware
    chip: Any
    sram: tuple[Memory, Memory]
    dram: Memory
    scratch: Memory

    @property
    def phase_cycle(self) -> int:
        """The cycle in whose last phase the host acts."""
        return int(self.chip["published"]) - 1

    def check(self) -> None:
        """Nothing: a fault is in the chip's record, and the run finds it there."""


class ChipControl:
    """The control processor of a chip of a cluster, with its program.

    Attributes:
        processor: it.

    Raises:
        InputError: the program cannot be loaded, or fails before its first request.
    """

    def __init__(self, config: ClusterConfig, image: ChipImage, chip: Any, memories: Memories) -> None:
        hardware, words, dirty = config.hardware, memories.words, chip["dirty_sram"]
        hosted = _HostedChip(
            name=image.chip.name,
            hardware=hardware,
            chip=chip,
            sram=(Memory("sram0", words[SRAM0], dirty[0]), Memory("sram1", words[SRAM1], dirty[1])),
            dram=Memory("dram", words[DRAM], chip["dirty_dram"]),
            scratch=Memory("scratch", chip["scratch"][: hardware["scratch.size_bytes"] // 4]),
        )
        assert image.chip.control is not None
        self._host = Host(hosted, cold=False)
        self.processor = ControlProcessor(
            hosted,
            self._host,
            load_control(image.chip.control),
            options=image.chip.control_options,
            structures=_structures(image),
        )

    # --- saving -----------------------------------------------------------------------------------------------------

    def saved(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Its state: values that JSON can hold, and arrays."""
        state = self.processor.saved()
        registers, enabled, stores, timers = self._host.saved()
        scalars = {name: getattr(state, name) for name in _STATE_SCALARS}
        scalars |= {
            "registers": registers,
            "enabled": enabled,
            "stores": [[address, lower, checked] for address, lower, _, checked in stores],
            "timers": timers,
        }
        return scalars, {"log": state.log, "parity": np.stack([parity for _, _, parity, _ in stores])}

    def restore(self, scalars: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Bring back what :meth:`saved` gave.

        Raises:
            InputError: the program does not do what it did then.
            KeyError, TypeError, ValueError: this is no such state.
        """
        stores = [
            (address, lower, parity, checked)
            for (address, lower, checked), parity in zip(scalars["stores"], arrays["parity"], strict=True)
        ]
        self._host.restore((scalars["registers"], scalars["enabled"], stores, scalars["timers"]))
        self.processor.restore(ControlState(log=arrays["log"], **{name: scalars[name] for name in _STATE_SCALARS}))


def _structures(image: ChipImage) -> dict[str, HostStructure]:
    found = {}
    for name, placed in image.structures.items():
        declaration, location = placed.declaration, placed.location
        base = _BASES.get(location.memory)
        found[name] = HostStructure(
            name=name,
            memory=location.memory,
            base=None if base is None else base + location.base,
            stride_bytes=declaration.stride_bytes(location.memory),
            count=declaration.count,
        )
    return found


def start_controls(
    config: ClusterConfig, images: Mapping[str, ChipImage], chips: npt.NDArray[Any], memories: Sequence[Memories]
) -> dict[int, ChipControl]:
    """Number of a chip -> its control processor, for those that have a program.

    Raises:
        InputError: what is wrong with a program, with its key in the configuration where that is to blame.
    """
    return {
        index: _start(config, chip, images[name], chips[index], memories[index])
        for index, (name, chip) in enumerate(config.chips.items())
        if chip.control is not None
    }


def _start(config: ClusterConfig, chip: Chip, image: ChipImage, record: Any, memories: Memories) -> ChipControl:
    try:
        return ChipControl(config, image, record, memories)
    except FileNotFoundError as error:
        raise config.source.located(InputError(f"no such file: {error}", key=f"chips.{chip.name}.control")) from None


def control_counters(controls: Mapping[int, ChipControl], chips: int) -> dict[str, npt.NDArray[np.int64]]:
    """What the control processors have counted, with the chip first; chips without a program count nothing.

    Returns:
        ``control_cycles`` [chip, ``ACCOUNTS``], ``control_accesses`` [chip, ``REGION_KINDS``], ``control_wakeups``
        [chip, 2]: waits ended by an interrupt, timer or mailbox, and by time.
    """
    cycles = np.zeros((chips, len(ACCOUNTS)), np.int64)
    accesses = np.zeros((chips, len(REGION_KINDS)), np.int64)
    wakeups = np.zeros((chips, 2), np.int64)
    for index, control in controls.items():
        processor = control.processor
        cycles[index] = list(processor.cycles.values())
        accesses[index] = list(processor.accesses.values())
        wakeups[index] = processor.interrupts, processor.timeouts
    return {"control_cycles": cycles, "control_accesses": accesses, "control_wakeups": wakeups}
