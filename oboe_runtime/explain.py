"""What Oboe makes of a configuration: where each state lives, how it is managed, what an access costs, what is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ixp_emu.assembler.program import CONTROL_STORE_WORDS, Program
from ixp_emu.chip.hardware import Hardware
from ixp_emu.cluster.build import ChipImage, build_images
from ixp_emu.cluster.config import ClusterConfig, load_config
from ixp_emu.errors import InputError
from oboe_runtime.config import OboeConfig, read_config
from oboe_runtime.declaration import EntryAccess, Operation, State, read_declaration
from oboe_runtime.extension import OboeCluster
from oboe_runtime.layout import RESERVED

__all__ = [
    "Explanation",
    "OperationRow",
    "RegisterRow",
    "ReservedRow",
    "StateRow",
    "access_cycles",
    "explain",
    "operation_cycles",
]

_BARE = "builtin:services/bare"
_GENERAL = 32  # general registers of one of eight contexts, both banks
_TRANSFER = 16  # of each kind
_SIGNALS = 15
_PARTS = ("", "_dirty", "_total")
"""What follows a state's name in the names of its structures."""
_LOCAL_CYCLES = 5  # the index, three instructions until it holds, the access
_ACCESS_KINDS = ("read", "write", "merge")
_FRAME_BYTES = 64 + 8 + 12  # a request or reply on the wire, with preamble and gap


@dataclass(frozen=True, slots=True)
class StateRow:
    """A state.

    Attributes:
        memory: where it lives; several where chips differ.
        bytes: on each chip that holds it.
        chips: how many chips hold it.
    """

    name: str
    category: str
    memory: str
    bytes: int
    chips: int
    management: str


@dataclass(frozen=True, slots=True)
class OperationRow:
    """An operation.

    Attributes:
        accesses: what it does with entries, e.g. "read 2, write 2".
        cycles: its accesses on an idle chip, from the hardware parameters; where the home does it (strict states,
            updates of read_mostly ones) the whole round trip on the home's own chip at the least.
        remote_cycles: the least on another chip; None where all is local.
    """

    state: str
    name: str
    updates: bool
    accesses: str
    cycles: int
    remote_cycles: int | None


@dataclass(frozen=True, slots=True)
class RegisterRow:
    """A resource of a worker's context, or its control store.

    Attributes:
        oboe: in use without a service's code.
        together: in use with it.
        available: how many there are.
    """

    what: str
    oboe: int
    together: int
    available: int

    @property
    def left(self) -> int:
        """What a larger service could use."""
        return self.available - self.together


@dataclass(frozen=True, slots=True)
class ReservedRow:
    """Memory that nothing uses yet.

    Attributes:
        memory: where it lies; several where chips differ.
        bytes: on each chip.
    """

    name: str
    purpose: str
    memory: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything `oboe explain` prints."""

    service: str
    order: str
    home: str
    workers: Mapping[str, int]
    states: tuple[StateRow, ...]
    operations: tuple[OperationRow, ...]
    registers: tuple[RegisterRow, ...]
    reserved: tuple[ReservedRow, ...]


def explain(file: Path, *, overrides: tuple[str, ...] = ()) -> Explanation:
    """Explain a cluster.toml with an ``[oboe]`` table.

    Raises:
        InputError: what is wrong with it, or that it has no such table.
    """
    config = load_config(file, overrides=overrides)
    if "oboe" not in config.extensions:
        raise InputError("required table is missing: it says which service Oboe runs", file=file, key="oboe")
    oboe = read_config(config)
    images = build_images(config, {"oboe": OboeCluster(config, oboe)})
    link_cycles = _link_cycles(config)
    states = tuple(_state_row(state, oboe, images) for state in oboe.declaration.states)
    operations = tuple(
        _operation_row(state, operation, oboe, images, config.hardware, link_cycles)
        for state in oboe.declaration.states
        for operation in state.operations
    )
    return Explanation(
        oboe.declaration.name,
        oboe.order,
        oboe.home,
        oboe.workers,
        states,
        operations,
        _register_rows(config, oboe, images),
        tuple(_reserved_row(name, purpose, images) for name, purpose in RESERVED.items()),
    )


def access_cycles(hardware: Hardware, memory: str, access: EntryAccess) -> int:
    """An entry access on an idle chip, from its command to the signal, in ME cycles.

    The sums are those that `ixpemu calibrate` holds the running model against.
    """
    if memory == "local":
        return _LOCAL_CYCLES + len(access.registers) - 1
    if memory == "dram":
        first = access.word // 2
        quadwords = (access.word + len(access.registers) - 1) // 2 - first + 1
        each = hardware["dbus.quadword_cycles"], hardware["dram.quadword_cycles"]
        read = hardware["dram.idle_latency"] + (quadwords - 1) * max(each)
        write = hardware["dram.idle_latency"] - hardware["push.latency"] + hardware["pull.latency"]
        write += (quadwords - 1) * sum(each)
        return {"read": read, "write": write, "merge": read + write}[access.kind]
    target = "sram" if memory.startswith("sram") else memory
    bus, unit = hardware["sbus.longword_cycles"], hardware[f"{target}.longword_cycles"]
    further = len(access.registers) - 1
    if access.kind == "read":
        return hardware[f"{target}.idle_latency"] + further * max(unit, bus)
    operand = hardware["pull.latency"] - hardware["push.latency"]
    return hardware[f"{target}.idle_latency"] + operand + further * (bus + unit)


def operation_cycles(hardware: Hardware, memory: str, operation: Operation) -> int:
    """All accesses of an operation, one after the other."""
    return sum(access_cycles(hardware, memory, access) for _, access in operation.accesses())


def _link_cycles(config: ClusterConfig) -> int:
    """Least time of a small frame over the slowest link, ME cycles; 0 without links."""
    clock = config.hardware["me_clock_khz"]
    wire = _FRAME_BYTES * 8 * clock // 1_000_000  # 1 Gb/s: a bit takes a nanosecond
    return max((wire + link.latency_ns * clock // 1_000_000 for link in config.links.values()), default=0)


def _placed(state: State, images: Mapping[str, ChipImage]) -> dict[str, tuple[str, int]]:
    """Chip -> memory and bytes of a state there."""
    return {
        name: (image.structures[state.name].location.memory, image.structures[state.name].size_bytes)
        for name, image in images.items()
        if state.name in image.structures
    }


def _state_row(state: State, oboe: OboeConfig, images: Mapping[str, ChipImage]) -> StateRow:
    placed = _placed(state, images)
    memories = dict.fromkeys(memory for memory, _ in placed.values())
    size = max((size for _, size in placed.values()), default=0)
    owner = "bundle" if state.scope == "bundle" else "flow's record"
    management = {
        "read_only": "replicated into every chip at load",
        "per_flow": f"with the {owner}, on the chip of the bundle",
        "read_mostly": f"master on {oboe.home}, replicas everywhere, at most {state.bound_us or 0:,} us old",
        "commutative": _merging(state, oboe),
        "strict": f"on {oboe.home} only; an operation is a round trip, done at most once",
    }[state.category]
    return StateRow(state.name, state.category, " ".join(memories) or "not used", size, len(placed), management)


def _merging(state: State, oboe: OboeConfig) -> str:
    if len(oboe.workers) == 1:
        return "here only: one chip, nothing to merge"
    return f"two partials on every chip, merged on {oboe.home} by {state.merge} every {state.period_us or 0:,} us"


def _operation_row(
    state: State,
    operation: Operation,
    oboe: OboeConfig,
    images: Mapping[str, ChipImage],
    hardware: Hardware,
    link_cycles: int,
) -> OperationRow:
    placed = _placed(state, images)
    accesses = [access for _, access in operation.accesses()]
    text = ", ".join(f"{access.kind} {len(access.registers)}" for access in accesses) or "none"
    if not placed:
        return OperationRow(state.name, operation.name, operation.updates, text, 0, None)
    cycles = max(operation_cycles(hardware, memory, operation) for memory, _ in placed.values())
    cycles += max(_combining_cycles(hardware, memory, state, operation) for memory, _ in placed.values())
    cycles += _marking_cycles(hardware, state, operation, images)
    remote = None
    if state.category == "strict" or (state.category == "read_mostly" and operation.updates):
        cycles += _round_trip_cycles(hardware)
        remote = cycles + 2 * link_cycles if len(oboe.workers) > 1 else None
    return OperationRow(state.name, operation.name, operation.updates, text, cycles, remote)


def _combining_cycles(hardware: Hardware, memory: str, state: State, operation: Operation) -> int:
    """What merges take beyond an atomic command where there is none.

    They read and write; where several contexts may be at the longword, they look first, take a lock and give it back.
    """
    merges = [access for _, access in operation.accesses() if access.kind == "merge"]
    if state.merge in (None, "add"):
        return 0
    read, write, merge = (access_cycles(hardware, memory, EntryAccess(kind, 0, ("",))) for kind in _ACCESS_KINDS)
    each = read + write - merge
    if state.category == "commutative":
        each += read + 2 * access_cycles(hardware, "scratch", EntryAccess("merge", 0, ("",)))
    return len(merges) * each


def _marking_cycles(hardware: Hardware, state: State, operation: Operation, images: Mapping[str, ChipImage]) -> int:
    """Marks of dirty lines, one for each entry that is changed; where partials are merged."""
    name = f"{state.name}_dirty"
    memories = [image.structures[name].location.memory for image in images.values() if name in image.structures]
    entries = {access.entry for _, access in operation.accesses() if access.kind == "merge"}
    if not memories:
        return 0
    mark = EntryAccess("write", 0, ("",))
    return len(entries) * max(access_cycles(hardware, memory, mark) for memory in memories)


def _round_trip_cycles(hardware: Hardware) -> int:
    """Request put and taken (8 longwords), reply written and read (4), on the home's chip."""
    moves = [("write", 8), ("read", 8), ("write", 4), ("read", 4)]
    return sum(access_cycles(hardware, "scratch", EntryAccess(kind, 0, ("",) * words)) for kind, words in moves)


def _reserved_row(name: str, purpose: str, images: Mapping[str, ChipImage]) -> ReservedRow:
    placed = [image.structures[name] for image in images.values()]
    memories = dict.fromkeys(one.location.memory for one in placed)
    return ReservedRow(name, purpose, " ".join(memories), max(one.size_bytes for one in placed))


def _register_rows(config: ClusterConfig, oboe: OboeConfig, images: Mapping[str, ChipImage]) -> tuple[RegisterRow, ...]:
    """Use by the worker of the first working chip, with the service and without one."""
    chip = next(iter(oboe.workers))
    together = images[chip].programs["worker"]
    alone = _worker_alone(config, oboe, chip)

    def general(program: Program) -> int:
        return program.usage["a"] + program.usage["b"]

    rows = [RegisterRow("general registers", general(alone), general(together), _GENERAL)]
    for what, file, available in (
        ("$ transfer registers", "$", _TRANSFER),
        ("$$ transfer registers", "$$", _TRANSFER),
        ("signals", "signals", _SIGNALS),
    ):
        rows.append(RegisterRow(what, alone.usage[file], together.usage[file], available))
    rows.append(RegisterRow("control store words", len(alone.words), len(together.words), CONTROL_STORE_WORDS))
    return tuple(rows)


def _worker_alone(config: ClusterConfig, oboe: OboeConfig, chip: str) -> Program:
    """The worker with a service that does nothing."""
    states = {state.name + part for state in oboe.declaration.states for part in _PARTS}
    kept = {name: place for name, place in config.chips[chip].placement.items() if name not in states}
    engines = {name: used for name, used in config.chips[chip].engines.items() if name != "control"}
    bare = replace(config, chips={**config.chips, chip: replace(config.chips[chip], placement=kept, engines=engines)})
    declaration = replace(
        read_declaration(_BARE),
        flow_key=oboe.declaration.flow_key,
        on_full=oboe.declaration.on_full,
        options=oboe.declaration.options,
    )
    cluster = OboeCluster(bare, replace(oboe, declaration=declaration))
    only = replace(bare, chips={chip: bare.chips[chip]}, links={}, switches={})
    return build_images(only, {"oboe": cluster})[chip].programs["worker"]
