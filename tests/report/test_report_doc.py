"""docs/report.md names every key of the report, and no other."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from ixp_emu.report import model
from ixp_emu.report.model import SCHEMA, Report

DOCUMENT = Path(__file__).parents[2] / "docs" / "report.md"
NAMED = {"lost": "CAUSE", "references": "MEMORY", "events": "EVENT"}


def keys_of(struct: type[msgspec.Struct], path: str = "") -> Iterator[str]:
    hints = get_type_hints(struct, vars(model))
    for name in struct.__struct_fields__:
        yield from keys_below(hints[name], f"{path}{name}", name)


def keys_below(hint: Any, path: str, name: str) -> Iterator[str]:
    if get_origin(hint) is types.UnionType:
        (hint,) = (part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is list:
        yield from keys_below(get_args(hint)[0], f"{path}[]", name)
    elif get_origin(hint) is dict and name in NAMED:
        yield f"{path}.{NAMED[name]}"
    elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield from keys_of(hint, f"{path}.")
    else:
        yield path


def test_every_key_is_documented_once_and_no_other() -> None:
    documented = re.findall(r"^\| `([^`]+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(documented) == sorted(keys_of(Report))


def test_the_document_is_about_this_schema() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert f"one JSON document, schema {SCHEMA}," in text
    assert f"version of this format, {SCHEMA};" in text
