"""From configuration to loaded chips: programs assembled for their placement, tables filled, rings set up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ixp_emu.assembler import InitialMemory, Program
from ixp_emu.cluster.config import Chip, ClusterConfig, program_file
from ixp_emu.cluster.extension import ClusterExtension, open_extensions
from ixp_emu.cluster.programs import UnplacedProgram, load_program_source, service_source
from ixp_emu.cluster.service import Service, Site, load_service
from ixp_emu.errors import InputError
from ixp_emu.placement.place import PlacedStructure, merge_declarations, place_structures

if TYPE_CHECKING:
    from ixp_emu.chip.chip import Memories

__all__ = ["ChipImage", "build_images", "load_image", "structure_words", "target_of"]

_TARGETS = {"scratch": 0, "sram0": 1, "sram1": 2, "dram": 3}
_ENGINE_INDEX = "engine_index"
_STRUCTURES = 64
_CONTEXT_REGISTERS = 16  # of a bank, from one context number to the next, with 4 contexts as with 8


@dataclass(frozen=True)
class ChipImage:
    """Everything that is loaded into one chip, before it is.

    Attributes:
        chip: from the configuration.
        programs: program name -> assembled program.
        structures: by name, in order of their numbers 1, 2, ...; number 0 is (unnamed).
        services: program name -> host half, for programs that are services.
    """

    chip: Chip
    programs: Mapping[str, Program]
    structures: Mapping[str, PlacedStructure]
    services: Mapping[str, Service] = field(default_factory=dict)

    @cached_property
    def structure_numbers(self) -> Mapping[str, int]:
        """Structure name (any case) -> number in the counters."""
        return {name.lower(): number for number, name in enumerate(self.structures, start=1)}

    @property
    def service(self) -> tuple[str, Service] | None:
        """The one service of the chip, with its program's name."""
        return next(iter(self.services.items()), None)


def target_of(placed: PlacedStructure) -> int:
    """Number of the memory a structure lives in (``layout.TARGET_NAMES``), -1 for local memory."""
    return _TARGETS.get(placed.location.memory, -1)


def build_images(
    config: ClusterConfig, extensions: Mapping[str, ClusterExtension] | None = None
) -> dict[str, ChipImage]:
    """Assemble and place the programs of every chip; chips that are alike share the work.

    Parameters:
        extensions: those of the configuration, if they are open already.

    Raises:
        InputError: whatever is wrong in a program, a table or the placement.
    """
    if extensions is None:
        extensions = open_extensions(config)
    cache: dict[Any, Any] = {}
    images: dict[str, ChipImage] = {}
    for name, chip in config.chips.items():
        try:
            images[name] = _build_chip(config, chip, extensions, cache)
        except InputError as error:
            if error.file is not None:
                raise
            raise config.source.located(error) from None
    return images


def _build_chip(
    config: ClusterConfig, chip: Chip, extensions: Mapping[str, ClusterExtension], cache: dict[Any, Any]
) -> ChipImage:
    services: dict[str, Service] = {}
    defines: dict[str, int | str] = {
        "PORTS": len(chip.ports),
        "MSF_ELEMENT_BYTES": config.hardware["msf.element_bytes"],
        "MSF_CHANNELS": config.hardware["msf.channels"],
        "MSF_TBUF_BYTES": config.hardware["msf.tbuf_bytes"],
    }
    for name, engines in chip.engines.items():
        defines["ENGINES_" + name.upper().replace("-", "_")] = len(engines)
        tables = {table: str(program_file(file)) for table, file in config.tables_for(chip.name, name).items()}
        source = service_source(config.programs[name].source)
        service = load_service(source, tables=tables, site=Site(chip.name, config.wiring()))
        if service is not None:
            services[name] = service
            defines.update(service.defines())
    for name, extension in extensions.items():
        services[name] = extension.service(chip.name)
        defines.update(services[name].defines())
    if len(services) > 1:
        raise InputError(f"chip {chip.name}: services {', '.join(services)}; one chip runs one service")
    unplaced: dict[str, UnplacedProgram] = {}
    for name in chip.engines:
        program = config.programs[name]
        mine = {**defines, **program.define}
        text = next((text for one in extensions.values() if (text := one.program_text(chip.name, name))), None)
        key = (program.source, text, tuple(sorted(mine.items())))
        if key not in cache:
            cache[key] = load_program_source(
                program.source, name=name, chip_defines=defines, own_defines=program.define, text=text
            )
        unplaced[name] = cache[key]
    merged = merge_declarations((unplaced[name].structures, engines) for name, engines in chip.engines.items())
    if len(merged) >= _STRUCTURES:
        raise InputError(f"chip {chip.name}: {len(merged)} structures, at most {_STRUCTURES - 1} are counted")
    chosen = {name: (place.memory, place.pin) for name, place in chip.placement.items()}
    structures = place_structures(merged, chosen, config.hardware)
    locations = {name: placed.location for name, placed in structures.items()}
    programs: dict[str, Program] = {}
    for name in chip.engines:
        mine_at = {s.name: locations[s.name] for s in unplaced[name].structures}
        placed_key = (id(unplaced[name]), tuple(sorted((n, at.memory, at.base) for n, at in mine_at.items())))
        if placed_key not in cache:
            cache[placed_key] = unplaced[name].placed(mine_at)
        programs[name] = cache[placed_key]
    return ChipImage(chip, programs, structures, services)


# --- loading ------------------------------------------------------------------------------------------------------


def structure_words(
    chip: Any, memories: Memories, placed: PlacedStructure, longwords: int | None = None
) -> npt.NDArray[np.uint32]:
    """The longwords of a structure in a chip's memory, as a view.

    Parameters:
        longwords: how many from the start; all by default.
    """
    location = placed.location
    memory = chip["scratch"] if location.memory == "scratch" else memories.words[_TARGETS[location.memory]]
    first = location.base // 4
    return memory[first : first + (placed.size_bytes // 4 if longwords is None else longwords)]


def _fill(chip: Any, memories: Memories, image: ChipImage, name: str, values: Sequence[int] | npt.NDArray[Any]) -> None:
    placed = image.structures.get(name)
    if placed is None:
        return
    declaration = placed.declaration
    element, stride = declaration.element_bytes // 4, declaration.stride_bytes(placed.location.memory) // 4
    rows = np.asarray(values, dtype=np.uint32)
    if len(rows) * 4 > declaration.element_bytes * declaration.count:
        raise InputError(
            f"{len(rows) * 4:,} bytes of table, the structure holds {declaration.element_bytes * declaration.count:,}",
            key=f"structure {name}",
        )
    if placed.location.memory == "local":
        for program, engines in image.chip.engines.items():
            if any(one.name == name for one in image.programs[program].declared):
                for engine in engines:
                    _local_words(chip, engine, placed)[: len(rows)] = rows
        return
    view = structure_words(chip, memories, placed)
    if stride == element:
        view[: len(rows)] = rows
    else:
        for position in range(element):
            part = rows[position::element]
            view[position : position + stride * len(part) : stride][: len(part)] = part


def _local_words(chip: Any, engine: int, placed: PlacedStructure) -> npt.NDArray[np.uint32]:
    """The longwords of a structure in the local memory of a microengine, as a view."""
    from ixp_emu.chip.layout import LOCAL_MEMORY

    first = LOCAL_MEMORY + placed.location.base // 4
    words: npt.NDArray[np.uint32] = chip["me"][engine]["file"][first : first + placed.size_bytes // 4]
    return words


def _set_registers(me: Any, program: Program) -> None:
    """Initial values of general registers; every context has its own copy of a relative one."""
    from ixp_emu.chip.layout import CONTEXTS, GPR_A, GPR_B

    step = 2 if program.contexts == 4 else 1
    for initial in program.initial_registers:
        base = GPR_B if initial.register.file.endswith("b") else GPR_A
        if initial.register.file.startswith("@"):
            me["file"][base + initial.register.number] = initial.value
            continue
        every = range(0, CONTEXTS, step) if initial.context is None else [initial.context]
        for context in every:
            me["file"][base + context * _CONTEXT_REGISTERS + initial.register.number] = initial.value


def _set_memory(
    chip: Any, memories: Memories, placed: PlacedStructure, initial: InitialMemory, engines: Sequence[int]
) -> None:
    """Initial contents of a structure; one in local memory is in that of every ME of the program."""
    from ixp_emu.chip.layout import LOCAL_MEMORY

    declaration, location = placed.declaration, placed.location
    stride = declaration.stride_bytes(location.memory)
    for position, value in enumerate(initial.values):
        element, within = divmod(initial.offset_bytes + 4 * position, declaration.element_bytes)
        word = (element * stride + within) // 4
        if location.memory == "local":
            for engine in engines:
                chip["me"][engine]["file"][LOCAL_MEMORY + location.base // 4 + word] = value
        else:
            structure_words(chip, memories, placed)[word] = value


def load_image(chip: Any, memories: Memories, image: ChipImage, *, rows_of: dict[Any, Any] | None = None) -> None:
    """Load programs, tables and rings into a chip that was initialised.

    Parameters:
        rows_of: decoded programs, which chips that are alike share; filled here.
    """
    from ixp_emu.chip.chip import configure_ring, load_program
    from ixp_emu.chip.rows import build_rows

    rows_of = {} if rows_of is None else rows_of
    index_of_engine = [0] * 8
    for name, engines in image.chip.engines.items():
        program = image.programs[name]
        numbers = [image.structure_numbers[s.lower()] if s else 0 for s in program.structures] or None
        decoded = (tuple(program.words), None if numbers is None else tuple(numbers), program.contexts)
        if decoded not in rows_of:
            rows_of[decoded] = build_rows(program.words, numbers, contexts=program.contexts)
        for index, engine in enumerate(engines):
            load_program(
                chip,
                engine,
                program.words,
                rows=rows_of[decoded],
                contexts=program.started,
                entry=program.entry,
                four_contexts=program.contexts == 4,
                modes=program.mode_bits,
            )
            _set_registers(chip["me"][engine], program)
            index_of_engine[engine] = index
    for placed in image.structures.values():
        declaration = placed.declaration
        if declaration.ring is not None:
            for number in range(declaration.count):
                configure_ring(
                    chip,
                    declaration.ring + number,
                    base=placed.location.base + number * declaration.element_bytes,
                    size=declaration.element_bytes // 4,
                    contents=range(1, declaration.prefill + 1),
                )
    _fill(chip, memories, image, _ENGINE_INDEX, index_of_engine)
    for name, engines in image.chip.engines.items():
        for initial in image.programs[name].initial_memory:
            _set_memory(chip, memories, image.structures[initial.structure], initial, engines)
    for service in image.services.values():
        for structure, values in service.contents().items():
            _fill(chip, memories, image, structure, values)
