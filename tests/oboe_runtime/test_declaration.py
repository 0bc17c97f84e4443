"""Declarations of services: what they say, every rule they may break, and the categories a state is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from ixp_emu.errors import InputError
from oboe_runtime.declaration import (
    Declaration,
    _ServiceTable,
    _StateTable,
    check_periods,
    least_period_us,
    read_declaration,
)

SERVICE = """\
[service]
name = "sample"
flow_key = "symmetric"
drops = ["late", "bad"]
[options]
cells = 64
gate = "10.0.0.1"
net = "10.0.0.0/8"
file = "rules.toml"
[state.flows]
category = "per_flow"
permitted = ["per_flow", "strict"]
words = 2
operations = { begin = "updates", look = "reads" }
[state.counts]
category = "commutative"
permitted = ["commutative", "strict"]
words = 1
entries = "cells"
merge = "add"
period_us = 1_000
operations = { count = "updates" }
[state.pool]
category = "strict"
words = 1
entries = 8
operations = { take = "updates" }
[state.table]
category = "read_only"
words = 4
entries = 8
operations = { step = "reads" }
"""
OPERATIONS = """\
state_op begin(record)
.reg zero
    immed[zero, 0]
    entry_write[0, zero, zero]
end_op
state_op look(record; ; first, second)
    entry_read[0, first, second]
end_op
state_op count(cell; amount)
    entry_merge[0, amount]
end_op
state_op take(entry; ; old)
.reg next
    entry_read[0, old]
    alu[next, old, +, 1]
    entry_write[0, next]
end_op
state_op step(index; ; a, b, c, d)
    entry_read[0, a, b, c, d]
end_op
"""


def service(folder: Path, changes: Mapping[str, str] | None = None, operations: str = OPERATIONS) -> str:
    text = SERVICE
    for old, new in (changes or {}).items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "service.toml").write_text(text, encoding="utf-8")
    (folder / "operations.uc").write_text(operations, encoding="utf-8")
    return str(folder)


def refused(
    folder: Path, changes: Mapping[str, str] | None = None, operations: str = OPERATIONS, **asked: object
) -> str:
    directory = service(folder, changes, operations)
    with pytest.raises(InputError) as error:
        read_declaration(directory, **asked)  # type: ignore[arg-type]
    return str(error.value).replace(f"{folder}/", "")


def line_of(text: str) -> int:
    assert SERVICE.count(text) == 1, text
    return SERVICE.count("\n", 0, SERVICE.index(text)) + 1


def test_what_a_declaration_says(tmp_path: Path) -> None:
    declaration = read_declaration(service(tmp_path))
    assert (declaration.name, declaration.flow_key, declaration.on_full) == ("sample", "symmetric", "evict_lru")
    assert (declaration.timeout_ms, declaration.drops, declaration.directory) == (1000, ("late", "bad"), str(tmp_path))
    assert [state.name for state in declaration.states] == ["flows", "counts", "pool", "table"]
    flows, counts, pool, table = declaration.states
    assert (flows.entries, counts.entries, counts.period_us, counts.merge) == (None, 64, 1000, "add")
    assert (pool.category, pool.permitted, pool.on_unavailable) == ("strict", ("strict",), "drop")
    assert {operation.name: operation.updates for state in declaration.states for operation in state.operations} == {
        "begin": True,
        "look": False,
        "count": True,
        "take": True,
        "step": False,
    }
    assert (table.size_bytes, counts.size_bytes, flows.size_bytes) == (4 * 4 * 8, 4 * 64, 4 * 2)
    assert declaration.state("pool") is pool
    assert not declaration.locks_bundles
    assert declaration.defines() == {
        "VERDICT_LATE": 1,
        "VERDICT_BAD": 2,
        "CELLS": 64,
        "GATE": 0x0A000001,
        "NET_NETWORK": 0x0A000000,
        "NET_BITS": 8,
    }


def test_options_change_numbers_and_symbols(tmp_path: Path) -> None:
    declaration = read_declaration(service(tmp_path), options={"cells": 128, "net": "10.1.0.0/16"})
    assert declaration.state("counts").entries == 128
    assert declaration.defines()["CELLS"] == 128
    assert (declaration.defines()["NET_NETWORK"], declaration.defines()["NET_BITS"]) == (0x0A010000, 16)


def test_a_category_may_be_asked_for(tmp_path: Path) -> None:
    declaration = read_declaration(service(tmp_path), categories={"counts": "strict"})
    state = declaration.state("counts")
    assert (state.category, state.declared_category) == ("strict", "commutative")
    assert state.operations == read_declaration(str(tmp_path)).state("counts").operations


def test_states_of_bundles(tmp_path: Path) -> None:
    changes = {
        'category = "strict"\nwords = 1\nentries = 8': 'category = "per_flow"\nscope = "bundle"\nwords = 1\nentries = 8'
    }
    declaration = read_declaration(service(tmp_path, changes))
    assert declaration.locks_bundles
    assert declaration.state("pool").size_bytes == 1024 * 8 * 4


CATEGORY_RULE = 'expected "commutative", "per_flow", "read_mostly", "read_only" or "strict"'


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ("words = 2", "words = 0", "state.flows.words", "expected an integer from 1 to 8_192; got the integer 0"),
        ("words = 2", "wrods = 2", "state.flows.wrods", 'unknown key; did you mean "words"?'),
        (
            '"symmetric"',
            '"both"',
            "service.flow_key",
            'expected "directed", "nat", "none" or "symmetric"; got the string "both"',
        ),
        (
            'merge = "add"',
            'merge = "sub"',
            "state.counts.merge",
            'expected "add", "max", "min" or "or"; got the string "sub"',
        ),
        (
            'category = "strict"',
            'category = "loose"',
            "state.pool.category",
            CATEGORY_RULE + '; got the string "loose"',
        ),
        ('entries = "cells"', 'entries = "cell"', "state.counts.entries", None),
        ('begin = "updates"', 'begin = "writes"', "state.flows.operations.begin", None),
        (
            'merge = "add"\n',
            "",
            "state.counts.merge",
            "required key is missing; a state that permits commutative needs it",
        ),
        (
            "period_us = 1_000\n",
            "",
            "state.counts.period_us",
            "required key is missing; a state that permits commutative needs it",
        ),
        (
            'category = "read_only"',
            'category = "read_mostly"',
            "state.table.bound_us",
            "required key is missing; a state that permits read_mostly needs it",
        ),
        (
            'entries = "cells"\n',
            "",
            "state.counts.entries",
            "required key is missing; only a per_flow state has an entry per record",
        ),
        ("words = 2", "words = 2\nentries = 4", "state.flows.entries", "a per_flow state has an entry per record"),
        (
            'permitted = ["per_flow", "strict"]',
            'permitted = ["strict"]',
            "state.flows.permitted",
            '"per_flow", the category meant, is not among them',
        ),
        (
            'look = "reads"',
            'lock = "reads"',
            "state.flows.operations.lock",
            'operations.uc has no such operation; did you mean "look"?',
        ),
        (
            'take = "updates"',
            'take = "updates", count = "updates"',
            "state.pool.operations.count",
            "is an operation of state counts already: an operation has one state",
        ),
        (
            'look = "reads"',
            'look = "updates"',
            "state.flows.operations.look",
            '"updates", but the operation changes nothing',
        ),
        (
            'count = "updates"',
            'count = "reads"',
            "state.counts.operations.count",
            '"reads", but the operation changes its entry',
        ),
    ],
)
def test_keys_and_values(tmp_path: Path, old: str, new: str, key: str, message: str | None) -> None:
    told = refused(tmp_path, {old: new})
    file, line, rest = told.split(":", 2)
    assert file == "service.toml"
    text = (tmp_path / "service.toml").read_text().splitlines()
    assert key.rsplit(".", 1)[-1] in text[int(line) - 1] or text[int(line) - 1].startswith("[state.")
    assert rest.startswith(f" {key}: ")
    if message is not None:
        assert rest == f" {key}: {message}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "entry_read[0, first, second]",
            "entry_read[1, first, second]",
            "7: operation 'look': longword 2 of state flows, which has words 0 to 1",
        ),
        (
            "    entry_write[0, next]",
            "    entry_merge[0, next]",
            "16: operation 'take': entry_merge, but state pool declares no merge",
        ),
        (
            "state_op begin(record)",
            "state_op lost(entry)\nend_op\nstate_op begin(record)",
            "1: operation 'lost' belongs to no state: name it below [state.NAME.operations]",
        ),
    ],
)
def test_operations_and_states_that_do_not_fit(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert refused(tmp_path, operations=OPERATIONS.replace(old, new)) == f"operations.uc:{message}"


@pytest.mark.parametrize(
    ("state", "category", "message"),
    [
        (
            "pool",
            "commutative",
            "state pool cannot be commutative: operations.uc:16: entry_write of operation 'take' writes what it has "
            "computed, so the partials of two chips do not merge; only entry_merge does; it permits strict",
        ),
        (
            "pool",
            "read_only",
            "state pool cannot be read_only: operations.uc:16: entry_write of operation 'take' changes it; it permits "
            "strict",
        ),
        ("pool", "per_flow", "state pool is not declared for per_flow; it permits strict"),
        ("table", "strict", "state table is not declared for strict; it permits read_only"),
        ("table", "commutative", "state table cannot be commutative: it declares no merge; it permits read_only"),
        ("pool", "loose", '"loose": expected read_only or per_flow or read_mostly or commutative or strict'),
        ("pol", "strict", 'the service sample has no such state; did you mean "pool"?'),
    ],
)
def test_categories_that_a_state_cannot_have(tmp_path: Path, state: str, category: str, message: str) -> None:
    assert refused(tmp_path, categories={state: category}) == f"oboe.categories.{state}: {message}"


def test_a_declaration_may_not_permit_what_the_operations_forbid(tmp_path: Path) -> None:
    changes = {
        'category = "strict"\nwords = 1': 'category = "strict"\npermitted = ["strict", "commutative"]\nmerge = "add"\n'
        "period_us = 9\nwords = 1"
    }
    message = refused(tmp_path, changes)
    assert message.startswith(f"service.toml:{line_of('[state.pool]') + 2}: state.pool.permitted: state pool cannot be")


def test_a_per_flow_entry_is_that_of_the_flow(tmp_path: Path) -> None:
    operations = OPERATIONS.replace("entry_read[0, first, second]", "entry_read[0, first, second], at[first]")
    line = line_of('permitted = ["per_flow", "strict"]')
    assert refused(tmp_path, operations=operations) == (
        f"service.toml:{line}: state.flows.permitted: state flows cannot be "
        "per_flow: operations.uc:7: entry_read of operation 'look' goes to another entry than that of the packet's flow"
    )


def test_conservative_update_is_refused_as_commutative() -> None:
    with pytest.raises(InputError) as error:
        read_declaration("builtin:services/monitor", categories={"conservative_sketch": "commutative"})
    assert str(error.value).startswith(
        "oboe.categories.conservative_sketch: state conservative_sketch cannot be commutative: "
    )
    assert str(error.value).endswith(
        "entry_write of operation 'conservative_count' writes what it has computed, so the partials of two chips do "
        "not merge; only entry_merge does; it permits strict"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": 1}, 'oboe.options.cell: the service sample has no such option; did you mean "cells"?'),
        ({"cells": "many"}, 'oboe.options.cells: expected an integer; got the string "many"'),
        ({"cells": True}, "oboe.options.cells: expected an integer; got true"),
        ({"file": 3}, "oboe.options.file: expected a string; got the integer 3"),
        ({"gate": "10.0.0"}, 'oboe.options.gate: "10.0.0": expected an IPv4 address'),
        ({"net": "10.0.0.1/8"}, 'oboe.options.net: "10.0.0.1/8": expected an IPv4 prefix'),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, options: dict[str, object], message: str) -> None:
    assert refused(tmp_path, options=options) == message


def test_an_option_in_place_of_a_number_keeps_its_rule(tmp_path: Path) -> None:
    line = line_of('entries = "cells"')
    assert refused(tmp_path, options={"cells": 0}) == (
        f"service.toml:{line}: state.counts.entries: expected an integer from 1 to 16_777_216; got the integer 0"
    )


def with_period(folder: Path, period_us: int, entries: int) -> Declaration:
    changes = {'entries = "cells"': f"entries = {entries}", "period_us = 1_000": f"period_us = {period_us}"}
    return read_declaration(service(folder, changes))


@pytest.mark.parametrize(("chips", "entries"), [(2, 16), (2, 17), (4, 65_536), (16, 1000)])
def test_a_period_leaves_a_merge_its_fifth_of_the_link(tmp_path: Path, chips: int, entries: int) -> None:
    """(chips - 1) x bytes of whole dirty lines / (0.2 x 1 Gb/s), refused one microsecond below."""
    lines = (entries * 4 + 63) // 64
    nanoseconds = (chips - 1) * lines * 64 * 8 * 5  # a bit takes 1 ns at 1 Gb/s, 5 ns at a fifth of it
    least = (nanoseconds + 999) // 1000
    allowed = with_period(tmp_path, least, entries)
    assert least_period_us(allowed.state("counts"), chips=chips, link_bits_per_s=1e9) == least
    check_periods(allowed, chips=chips, link_bits_per_s=1e9)
    with pytest.raises(InputError) as error:
        check_periods(with_period(tmp_path, least - 1, entries), chips=chips, link_bits_per_s=1e9)
    assert str(error.value) == (
        f"{tmp_path}/service.toml: state.counts.period_us: {least - 1:,} us; with {chips} chips and 1 Gb/s links "
        f"merging {entries * 4:,} bytes in a fifth of a link needs {least:,} us"
    )


def test_one_chip_merges_nothing(tmp_path: Path) -> None:
    check_periods(with_period(tmp_path, 1, 65_536), chips=1, link_bits_per_s=1e9)


def test_strict_states_have_no_period(tmp_path: Path) -> None:
    with_period(tmp_path, 1, 65_536)
    strict = read_declaration(str(tmp_path), categories={"counts": "strict"})
    check_periods(strict, chips=16, link_bits_per_s=1e9)


def test_the_page_on_services_has_every_key() -> None:
    """docs/services.md: a row for each key of the declaration, and no other."""
    text = (Path(__file__).parents[2] / "docs" / "services.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^\| `((?:service|options|state)\.[\w.]+)`", text, re.MULTILINE))
    tables = {"service": _ServiceTable, "state.NAME": _StateTable}
    keys = {f"{table}.{name}" for table, type_ in tables.items() for name in type_.__struct_fields__}
    assert shown == (keys - {"state.NAME.operations"}) | {"state.NAME.operations.NAME", "options.NAME"}
