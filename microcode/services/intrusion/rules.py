"""Rules of intrusion detection: a file of patterns, and the tables the service is loaded with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from ixp_emu.cluster.config_source import read_source
from ixp_emu.cluster.decode import decode
from ixp_emu.errors import InputError
from oboe_runtime.aho_corasick import Automaton, compile_patterns

__all__ = ["Rule", "pattern_bytes", "read_rules", "tables"]

_BUILTIN = "builtin:"
_HEXADECIMAL = re.compile(r"\s*(?:[0-9a-fA-F]{2}\s*)+")
_MOST_BYTES = 255


class _RuleTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1)]
    content: Annotated[str, Meta(min_length=1)]
    action: Literal["alert", "drop"] = "alert"


class _Document(Struct, frozen=True, forbid_unknown_fields=True):
    rule: Annotated[tuple[_RuleTable, ...], Meta(min_length=1)]


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern, and whether packets in which it ends are dropped."""

    name: str
    content: bytes
    drop: bool


def read_rules(path: str) -> tuple[Rule, ...]:
    """Read a file of tables ``[[rule]]``: name, content, action ("alert" or "drop").

    Parameters:
        path: a file, or "builtin:" and the name of an installed one.

    Raises:
        InputError: not of this form, a content that is no pattern, or one that stands twice.
    """
    tail = path.removeprefix(_BUILTIN)
    source = read_source(Path(str(files("microcode").joinpath(tail))) if tail != path else Path(path), ())
    document = decode(source, (), dict(source.document), _Document)
    rules: list[Rule] = []
    for number, row in enumerate(document.rule):
        try:
            content = pattern_bytes(row.content)
        except ValueError as error:
            raise source.error(("rule", number, "content"), str(error)) from None
        same = next((rule.name for rule in rules if rule.content == content), None)
        if same is not None:
            raise source.error(("rule", number, "content"), f'the same pattern as that of rule "{same}"')
        rules.append(Rule(row.name, content, row.action == "drop"))
    return tuple(rules)


def pattern_bytes(content: str) -> bytes:
    """The bytes of a content: Latin-1 text, and hexadecimal bytes between bars.

    Raises:
        ValueError: says what is wrong.
    """
    parts = content.split("|")
    if len(parts) % 2 == 0:
        raise ValueError(f'"{content}": a bar without its partner; bytes stand as |0d 0a|')
    pattern = b""
    for number, part in enumerate(parts):
        if number % 2 == 0:
            try:
                pattern += part.encode("latin-1")
            except UnicodeEncodeError:
                raise ValueError(f'"{content}": a character beyond Latin-1; write its bytes as |e2 82 ac|') from None
        elif _HEXADECIMAL.fullmatch(part):
            pattern += bytes.fromhex(part)
        else:
            raise ValueError(f'"|{part}|": not pairs of hexadecimal digits')
    if not 1 <= len(pattern) <= _MOST_BYTES:
        raise ValueError(f"{len(pattern)} bytes: a pattern has 1 to {_MOST_BYTES}")
    return pattern


def tables(
    rules: Sequence[Rule], *, rule_words: int, alert_states: int
) -> tuple[Automaton, Mapping[str, npt.NDArray[np.uint32]]]:
    """The automaton, and the contents of the states `rules`, `leaves_root` and `policy`.

    Raises:
        InputError: more room is needed than there is.
    """
    automaton = compile_patterns([rule.content for rule in rules])
    if automaton.table.size > rule_words:
        raise InputError(
            f"{rule_words:,}; the rules need {automaton.table.size:,}: 256 for each of {automaton.states} states",
            key="oboe.options.rule_words",
        )
    if automaton.output_states >= alert_states:
        raise InputError(
            f"{alert_states:,}; the rules need {automaton.output_states + 1:,}", key="oboe.options.alert_states"
        )
    table = np.zeros(rule_words, dtype=np.uint32)
    table[: automaton.table.size] = automaton.table.reshape(-1)
    policy = np.zeros(alert_states, dtype=np.uint32)
    for state, ends in enumerate(automaton.ends, start=1):
        policy[state] = any(rules[number].drop for number in ends)
    return automaton, {"rules": table, "leaves_root": automaton.leaves_root, "policy": policy}
