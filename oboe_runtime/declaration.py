"""A service's declaration: ``service.toml`` read strictly, with its operations, and judged for the categories asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from ixp_emu.assembler.source_files import BUILTIN, joined
from ixp_emu.cluster.config_source import ConfigSource, read_source, value_text
from ixp_emu.cluster.decode import decode, did_you_mean
from ixp_emu.cluster.schema import Name, Symbol
from ixp_emu.errors import InputError
from oboe_runtime.categories import CATEGORIES, DIRTY_LINE_BYTES, Category, refusal
from oboe_runtime.layout import BUNDLES
from oboe_runtime.operations import EntryAccess, Operation, entry_access, read_operations

__all__ = [
    "Declaration",
    "EntryAccess",
    "Operation",
    "State",
    "builtin_services",
    "check_periods",
    "entry_access",
    "least_period_us",
    "read_declaration",
]

_MERGE_SHARE_OF_LINK = 0.2
"""Share of a link's rate that merging the partials of one state may take (a rule of the design)."""

FlowKey = Literal["directed", "symmetric", "nat", "none"]
Entries = Annotated[int, Meta(ge=1, le=1 << 24)]
Microseconds = Annotated[int, Meta(ge=1, le=57_000_000)]
"""Time-outs and periods are compared modulo 2^32 steps of TIMESTAMP, which is 57 s on this hardware."""


_MAY_BE_OPTIONS = ("words", "entries", "period_us", "bound_us")
"""Keys of a state whose value may be the name of an option."""


class _StateTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    category: Category
    permitted: tuple[Category, ...] | None = None
    words: Annotated[int, Meta(ge=1, le=8192)]
    entries: Entries | None = None
    scope: Literal["flow", "bundle"] = "flow"
    merge: Literal["add", "or", "min", "max"] | None = None
    period_us: Microseconds | None = None
    bound_us: Microseconds | None = None
    on_unavailable: Literal["drop", "forward"] = "drop"
    operations: dict[Symbol, Literal["reads", "updates"]] = field(default_factory=dict)


class _ServiceTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name
    flow_key: FlowKey
    on_full: Literal["evict_lru", "refuse"] = "evict_lru"
    timeout_ms: Annotated[int, Meta(ge=1, le=57_000_000)] = 1_000
    drops: tuple[Symbol, ...] = ()


class _Document(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    service: _ServiceTable
    options: dict[Symbol, int | str] = field(default_factory=dict)
    state: dict[Symbol, _StateTable] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """A state of a service.

    Attributes:
        category: the one it runs under; `declared_category` is the one meant, `permitted` are all it may run under.
        words: longwords of an entry.
        entries: how many, those of scope "bundle" per bundle; None where there is one per flow record.
        scope: of a per_flow state: an entry belongs to a "flow", or to a "bundle" whose flows choose among its entries.
        merge: what `entry_merge` does: "add", "or", "min" or "max".
        period_us: between two merges of the partials, commutative.
        bound_us: greatest age of what a replica says, read_mostly.
        on_unavailable: verdict of a packet whose strict home does not answer.
    """

    name: str
    category: Category
    declared_category: Category
    permitted: tuple[Category, ...]
    words: int
    entries: int | None
    scope: str
    merge: str | None
    period_us: int | None
    bound_us: int | None
    on_unavailable: str
    operations: tuple[Operation, ...]

    @property
    def size_bytes(self) -> int:
        """Of all entries on a chip; of one where their number is that of the flow records."""
        bundles = BUNDLES if self.scope == "bundle" else 1
        return 4 * self.words * (self.entries or 1) * bundles


@dataclass(frozen=True, slots=True)
class Declaration:
    """A service.

    Attributes:
        directory: "builtin:services/NAME" or a path.
        drops: its verdicts, 1, 2, ... in this order.
        options: values of ``[options]``, those of the cluster put in.
        file: of the declaration, for messages.
    """

    name: str
    directory: str
    flow_key: FlowKey
    on_full: str
    timeout_ms: int
    drops: tuple[str, ...]
    states: tuple[State, ...]
    options: Mapping[str, int | str]
    file: str

    def state(self, name: str) -> State:
        """The state of a name. Raises KeyError."""
        for state in self.states:
            if state.name == name:
                return state
        raise KeyError(name)

    @property
    def locks_bundles(self) -> bool:
        """Whether flows of one bundle share entries, so that no two of them may be worked on at a time."""
        return any(state.category == "per_flow" and state.scope == "bundle" for state in self.states)

    def defines(self) -> dict[str, int]:
        """Symbols for the service's sources: its verdicts and those options that are numbers."""
        return _verdicts(self.drops) | _option_symbols(self.options)


def read_declaration(
    directory: str, *, categories: Mapping[str, str] | None = None, options: Mapping[str, int | str] | None = None
) -> Declaration:
    """Read the declaration in a service's directory.

    Parameters:
        directory: "builtin:services/NAME" or a path.
        categories: state -> category it shall run under instead of the one declared.
        options: option -> value instead of the one declared.

    Raises:
        InputError: a key, a value or an operation that breaks a rule; a category that a state does not permit, with the
            reason.
    """
    source = read_source(_path_of(joined(directory, "service.toml")), ())
    service, chosen = _service_and_options(source, options or {})
    document = decode(source, (), _with_options(source, chosen), _Document)
    operations = read_operations(
        joined(directory, "operations.uc"),
        defines=_verdicts(service.drops) | _option_symbols(chosen),
        updates={
            name: mark == "updates" for table in document.state.values() for name, mark in table.operations.items()
        },
    )
    _check_owners(source, document, operations)
    for name in categories or {}:
        if name not in document.state:
            raise InputError(
                f"the service {service.name} has no such state{did_you_mean(name, document.state)}",
                key=f"oboe.categories.{name}",
            )
    states = tuple(
        _state(source, name, table, operations, (categories or {}).get(name)) for name, table in document.state.items()
    )
    return Declaration(
        service.name,
        directory,
        service.flow_key,
        service.on_full,
        service.timeout_ms,
        service.drops,
        states,
        chosen,
        str(source.file),
    )


def least_period_us(state: State, *, chips: int, link_bits_per_s: float) -> int:
    """The shortest period in which the partials of a commutative state can be merged, in whole microseconds.

    (chips - 1) x dirty bytes / (0.2 x link rate): all other chips send their dirty lines to the home over its link,
    and merging may take a fifth of it. Every line counts as dirty.
    """
    lines = -(-state.size_bytes // DIRTY_LINE_BYTES)
    bits = (chips - 1) * lines * DIRTY_LINE_BYTES * 8
    return -int(-bits * 1_000_000 // (_MERGE_SHARE_OF_LINK * link_bits_per_s))


def check_periods(declaration: Declaration, *, chips: int, link_bits_per_s: float) -> None:
    """Refuse commutative states whose period is too short for their size.

    Raises:
        InputError: names the state and the least period.
    """
    for state in declaration.states:
        if state.category != "commutative" or state.period_us is None:
            continue
        least = least_period_us(state, chips=chips, link_bits_per_s=link_bits_per_s)
        if state.period_us < least:
            raise InputError(
                f"{state.period_us:,} us; with {chips} chips and {link_bits_per_s / 1e9:g} Gb/s links merging "
                f"{state.size_bytes:,} bytes in a fifth of a link needs {least:,} us",
                file=declaration.file,
                key=f"state.{state.name}.period_us",
            )


def builtin_services() -> list[str]:
    """The directories of the services that come with Oboe."""
    folder = Path(str(files("microcode").joinpath("services")))
    return [f"{BUILTIN}services/{path.parent.name}" for path in sorted(folder.glob("*/service.toml"))]


def _path_of(name: str) -> Path:
    return (
        Path(str(files("microcode").joinpath(name.removeprefix(BUILTIN)))) if name.startswith(BUILTIN) else Path(name)
    )


def _service_and_options(
    source: ConfigSource, given: Mapping[str, int | str]
) -> tuple[_ServiceTable, dict[str, int | str]]:
    """The tables on which the others depend, and the options in force."""
    document = dict(source.document)
    head = {key: value for key, value in document.items() if key != "state"}
    decoded = decode(source, (), head, _Document)
    chosen = dict(decoded.options)
    for name, value in given.items():
        key = f"oboe.options.{name}"
        if name not in chosen:
            raise InputError(
                f"the service {decoded.service.name} has no such option{did_you_mean(name, chosen)}", key=key
            )
        if isinstance(value, bool) or type(value) is not type(chosen[name]):
            expected = "an integer" if isinstance(chosen[name], int) else "a string"
            raise InputError(f"expected {expected}; got {value_text(value)}", key=key)
        if isinstance(value, str) and _kind(value) != _kind(str(chosen[name])):
            raise InputError(f'"{value}": expected {_kind(str(chosen[name]))}', key=key)
        chosen[name] = value
    return decoded.service, chosen


def _with_options(source: ConfigSource, options: Mapping[str, int | str]) -> dict[str, Any]:
    """The document, with values for the names of options that stand in place of a state's numbers."""
    document = dict(source.document)
    states = document.get("state")
    if not isinstance(states, dict):
        return document
    document["state"] = {
        name: {
            key: options.get(value, value) if key in _MAY_BE_OPTIONS and isinstance(value, str) else value
            for key, value in table.items()
        }
        if isinstance(table, dict)
        else table
        for name, table in states.items()
    }
    return document


def _kind(text: str) -> str:
    """What the text of an option is."""
    for kind, type_ in (("an IPv4 address", IPv4Address), ("an IPv4 prefix", IPv4Network)):
        try:
            type_(text)
        except ValueError:
            continue
        return kind
    return "a string"


def _verdicts(drops: tuple[str, ...]) -> dict[str, int]:
    return {f"VERDICT_{name.upper()}": number for number, name in enumerate(drops, start=1)}


def _option_symbols(options: Mapping[str, int | str]) -> dict[str, int]:
    symbols: dict[str, int] = {}
    for name, value in options.items():
        upper = name.upper()
        if isinstance(value, int):
            symbols[upper] = value
        elif _kind(value) == "an IPv4 address":
            symbols[upper] = int(IPv4Address(value))
        elif _kind(value) == "an IPv4 prefix":
            network = IPv4Network(value)
            symbols |= {f"{upper}_NETWORK": int(network.network_address), f"{upper}_BITS": network.prefixlen}
    return symbols


def _check_owners(source: ConfigSource, document: _Document, operations: Mapping[str, Operation]) -> None:
    """Every operation belongs to one state, and every name of one is an operation."""
    owners: dict[str, str] = {}
    for state, table in document.state.items():
        for name in table.operations:
            path = ("state", state, "operations", name)
            if name not in operations:
                raise source.error(path, f"operations.uc has no such operation{did_you_mean(name, operations)}")
            if name in owners:
                raise source.error(path, f"is an operation of state {owners[name]} already: an operation has one state")
            owners[name] = state
    for name, operation in operations.items():
        if name not in owners:
            raise InputError(
                f"operation {name!r} belongs to no state: name it below [state.NAME.operations]",
                file=operation.file,
                line=operation.first_line - 1,
            )


def _state(
    source: ConfigSource, name: str, table: _StateTable, operations: Mapping[str, Operation], asked: str | None
) -> State:
    """The state, judged for all categories it claims to permit and for the one asked for."""
    path = ("state", name)
    own = tuple(operations[operation] for operation in table.operations)
    permitted = table.permitted or (table.category,)
    state = State(
        name,
        table.category,
        table.category,
        permitted,
        table.words,
        table.entries,
        table.scope,
        table.merge,
        table.period_us,
        table.bound_us,
        table.on_unavailable,
        own,
    )
    if table.category not in permitted:
        raise source.error((*path, "permitted"), f'"{table.category}", the category meant, is not among them')
    _check_shape(source, path, table, permitted)
    for operation in own:
        _check_operation(source, path, table, operation)
    for category in permitted:
        reason = refusal(category, name, scope=table.scope, merge=table.merge, operations=own)
        if reason is not None:
            raise source.error((*path, "permitted"), reason)
    if asked is None:
        return state
    key = f"oboe.categories.{name}"
    if asked not in CATEGORIES:
        raise InputError(f'"{asked}": expected {" or ".join(CATEGORIES)}', key=key)
    category = next(known for known in CATEGORIES if known == asked)
    if category not in permitted:
        reason = refusal(category, name, scope=table.scope, merge=table.merge, operations=own)
        told = reason or f"state {name} is not declared for {category}"
        raise InputError(f"{told}; it permits {', '.join(permitted)}", key=key)
    return State(**{field: getattr(state, field) for field in State.__slots__} | {"category": category})


def _check_shape(
    source: ConfigSource, path: tuple[str, ...], table: _StateTable, permitted: tuple[Category, ...]
) -> None:
    """Keys that need each other."""
    counted = table.scope == "bundle" or table.category != "per_flow"
    if counted and table.entries is None:
        raise source.error((*path, "entries"), "required key is missing; only a per_flow state has an entry per record")
    if not counted and table.entries is not None:
        raise source.error((*path, "entries"), "a per_flow state has an entry per record")
    for category, key in (("commutative", "period_us"), ("read_mostly", "bound_us")):
        if category in permitted and getattr(table, key) is None:
            raise source.error((*path, key), f"required key is missing; a state that permits {category} needs it")
    if "commutative" in permitted and table.merge is None:
        raise source.error((*path, "merge"), "required key is missing; a state that permits commutative needs it")


def _check_operation(source: ConfigSource, path: tuple[str, ...], table: _StateTable, operation: Operation) -> None:
    """Accesses fit the entry, and do what the declaration says."""
    changes = False
    for line, access in operation.accesses():
        changes |= access.kind != "read"
        last = access.word + len(access.registers) - 1
        if last >= table.words:
            raise InputError(
                f"operation {operation.name!r}: longword {last} of state {path[1]}, which has words 0 to "
                f"{table.words - 1}",
                file=operation.file,
                line=line,
            )
        if access.kind == "merge" and table.merge is None:
            raise InputError(
                f"operation {operation.name!r}: entry_merge, but state {path[1]} declares no merge",
                file=operation.file,
                line=line,
            )
    if changes != operation.updates:
        says, does = ("updates", "changes nothing") if operation.updates else ("reads", "changes its entry")
        raise source.error((*path, "operations", operation.name), f'"{says}", but the operation {does}')
