"""The ``[oboe]`` table of cluster.toml, strictly decoded and held against the rest of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta, Struct

from ixp_emu.cluster.config import ClusterConfig
from ixp_emu.cluster.decode import decode, did_you_mean
from ixp_emu.cluster.schema import FileName, Name, PortNumber, Symbol
from oboe_runtime.declaration import Declaration, check_periods, read_declaration
from oboe_runtime.faults import BEHIND_CHANNEL, Fault
from oboe_runtime.layout import CALL_TICK_US, CHIPS, LINK_BITS_PER_S
from oboe_runtime.replicas import check_replicas

__all__ = ["PROGRAMS", "OboeConfig", "read_config"]

PROGRAMS = {
    "receive": "builtin:oboe/receive.uc",
    "classify": "builtin:oboe/classify.uc",
    "worker": "builtin:oboe/worker.uc",
    "transmit": "builtin:oboe/transmit.uc",
    "control": "builtin:oboe/control.uc",
}
"""The stages."""
_MOST_WORKERS = 5
_LOOP_ENDS = 2
_BUILTIN = "builtin:"

Scale = Annotated[float, Meta(gt=0, le=1e6)]


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    service: FileName
    order: Literal["pinned", "ordered"] = "pinned"
    egress_port: PortNumber | None = None
    home: Name | None = None
    time_scale: Scale = 1000.0
    heartbeat_us: Annotated[int, Meta(ge=20, le=1_000_000)] = 1_000
    call_timeout_us: Annotated[int, Meta(ge=CALL_TICK_US, le=1_000_000)] = 2_000
    categories: dict[Symbol, str] = {}
    fault: tuple[Fault, ...] = ()
    strict_log: Annotated[int, Meta(ge=0, le=100_000)] = 0
    loop_back: Annotated[int, Meta(ge=1, le=CHIPS)] = 1
    options: dict[Symbol, int | str] = {}


@dataclass(frozen=True, slots=True)
class OboeConfig:
    """How Oboe runs on a cluster.

    Attributes:
        declaration: of the service, under the categories asked for.
        order: "pinned" or "ordered".
        chips: all chips, by number.
        workers: chip -> microengines that work; chips without any only dispatch.
        egress: chip -> port where its packets leave.
        home: chip of the strict states.
        time_scale: by which the service's times are divided.
        heartbeat_us: between two heartbeats; a chip silent for five is down.
        call_timeout_us: in which a call to another chip is answered; it is tried three times.
        faults: that are brought about.
        strict_log: so many strict operations the home writes down.
        loop_back: on one chip, packets hop as in a cluster of so many: over a cable between two of its own ports.
        loops: those two ports; none without such hops.
    """

    declaration: Declaration
    order: Literal["pinned", "ordered"]
    chips: tuple[str, ...]
    workers: dict[str, int]
    egress: dict[str, int]
    home: str
    time_scale: float
    heartbeat_us: int
    call_timeout_us: int
    faults: tuple[Fault, ...]
    strict_log: int
    loop_back: int
    loops: tuple[int, ...]


def read_config(config: ClusterConfig) -> OboeConfig:
    """Decode ``[oboe]``.

    Raises:
        InputError: a key, a value, a stage or a service that cannot be.
    """
    source = config.source
    table = decode(source, ("oboe",), config.extensions["oboe"], _Table)
    chips = tuple(config.chips)
    if len(chips) > CHIPS:
        raise source.error(("chips",), f"{len(chips)} chips; Oboe runs on at most {CHIPS}")
    workers: dict[str, int] = {}
    for name, chip in config.chips.items():
        for stage in ("receive", "classify", "transmit"):
            count = len(chip.engines.get(stage, ()))
            if count != 1:
                raise source.error(
                    ("chips", name, "engines"), f"chip {name}: {stage} on {count} microengines; it runs on one"
                )
        count = len(chip.engines.get("worker", ()))
        if count > _MOST_WORKERS:
            raise source.error(
                ("chips", name, "engines", "worker"),
                f"chip {name}: worker on {count} microengines; at most {_MOST_WORKERS}",
            )
        if count:
            workers[name] = count
        if len(chip.engines.get("control", ())) > 1:
            raise source.error(
                ("chips", name, "engines", "control"), f"chip {name}: control runs on one microengine at most"
            )
    if not workers:
        raise source.error(("chips",), "no chip has a worker")
    directory = table.service
    if not directory.startswith(_BUILTIN):
        directory = source.absolute(("oboe", "service"), directory)
    declaration = read_declaration(directory, categories=table.categories, options=table.options)
    check_replicas(declaration)
    check_periods(declaration, chips=len(workers), link_bits_per_s=LINK_BITS_PER_S)
    for index, fault in enumerate(table.fault):
        if fault.chip not in config.chips:
            raise source.error(
                ("oboe", "fault", index, "chip"), f'unknown chip "{fault.chip}"{did_you_mean(fault.chip, config.chips)}'
            )
        if fault.kind == "drop_message" and fault.behind_channel and fault.message not in BEHIND_CHANNEL:
            raise source.error(
                ("oboe", "fault", index, "behind_channel"),
                f"{fault.message}: only {', '.join(BEHIND_CHANNEL)} are missed where the channel has brought them",
            )
    home = table.home or next(iter(workers))
    if home not in workers:
        raise source.error(("oboe", "home"), f'"{home}" is no chip with a worker{did_you_mean(home, workers)}')
    for index, fault in enumerate(table.fault):
        if fault.kind == "repeat_call" and fault.chip != home:
            raise source.error(
                ("oboe", "fault", index, "chip"), f'"{fault.chip}" is asked for nothing: calls come to the home, {home}'
            )
    return OboeConfig(
        declaration,
        table.order,
        chips,
        workers,
        {name: _egress(config, name, table.egress_port) for name in workers},
        home,
        table.time_scale,
        table.heartbeat_us,
        table.call_timeout_us,
        table.fault,
        table.strict_log,
        table.loop_back,
        _loops(config) if table.loop_back > 1 else (),
    )


def _loops(config: ClusterConfig) -> tuple[int, ...]:
    """The ports of the cable that a lone chip has to itself."""
    far_end = config.wiring().far_end
    loops = tuple(sorted(port.number for port, far in far_end.items() if port.chip == far.chip))
    if len(config.chips) != 1 or len(loops) != _LOOP_ENDS:
        raise config.source.error(("oboe", "loop_back"), "for one chip, with one link between two of its own ports")
    return loops


def _egress(config: ClusterConfig, chip: str, asked: int | None) -> int:
    """The port where a chip's packets leave: the one asked for, or its last without a cable."""
    wiring = config.wiring()
    cabled = {port.number for port in (*wiring.far_end, *wiring.switch_of) if port.chip == chip}
    free = [number for number in range(wiring.chips[chip]) if number not in cabled]
    if asked is None:
        if not free:
            raise config.source.error(("oboe",), f"chip {chip}: every port has a cable; packets leave at a free one")
        return free[-1]
    if asked not in free:
        listed = ", ".join(map(str, free)) or "none"
        raise config.source.error(
            ("oboe", "egress_port"), f"chip {chip}: port {asked} is not free; free ports: {listed}"
        )
    return asked
