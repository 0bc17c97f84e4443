"""Strict decoding of TOML tables into msgspec types, with errors a user can act on.

msgspec does the decoding and is the judge of what is right; it names neither the keys of mappings nor the offending
value, so its refusals are explained here by walking the value beside the type. `describe` is the wording of a type's
rule, shared by the messages and the reference page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import inspect

from ixp_emu.cluster.config_source import ConfigSource, value_text
from ixp_emu.cluster.toml_lines import KeyPath

__all__ = ["decode", "describe", "did_you_mean"]

_T = TypeVar("_T")
_LISTED_NAMES = 20


class _Fault(NamedTuple):
    path: KeyPath
    message: str


def decode(source: ConfigSource, path: KeyPath, value: object, type_: type[_T]) -> _T:
    """Convert plain TOML data to a type.

    Args:
        source: where the data comes from; it places the errors.
        path: the key of `value`, () for the whole document.
        value: dicts, lists and scalars.
        type_: a struct, or any other type msgspec knows; `Meta(extra={"rule": ...})` words the rule of a string.

    Raises:
        InputError: unknown or missing key, wrong type, value out of range; the first in the order of the file.
    """
    try:
        return msgspec.convert(value, type_, strict=True)
    except msgspec.ValidationError as error:
        fault = _fault(value, inspect.type_info(type_), path) or _Fault(path, str(error))
        raise source.error(fault.path, fault.message) from None


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """What to append to the message about an unknown name: the likeliest one meant, or the few there are."""
    from difflib import get_close_matches  # only errors need it

    names = list(candidates)
    close = get_close_matches(name, names, n=1)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; there are {', '.join(names)}" if len(names) <= _LISTED_NAMES else ""


def describe(info: inspect.Type) -> str:
    """The rule of a type in words: `an integer of at least 0`, `"a" or "b"`, `a list of 1 or more: ...`."""
    match info:
        case inspect.Metadata(extra={"rule": str(rule)}):
            return rule
        case inspect.Metadata(type=inner):
            return describe(inner)
        case inspect.LiteralType(values=values):
            return _alternatives([f'"{value}"' if isinstance(value, str) else str(value) for value in values])
        case inspect.IntType() | inspect.FloatType():
            return ("an integer" if isinstance(info, inspect.IntType) else "a number") + _bounds(info)
        case inspect.BoolType():
            return "true or false"
        case inspect.StrType(min_length=length):
            return "a string that is not empty" if length else "a string"
        case inspect.VarTupleType(item_type=item, min_length=low, max_length=high):
            return f"a list{_lengths(low, high)}: {describe(item)}"
        case inspect.TupleType(item_types=items):
            return f"a list [{', '.join(describe(item) for item in items)}]"
        case inspect.UnionType(types=types):
            return _alternatives([describe(type_) for type_ in types if not isinstance(type_, inspect.NoneType)])
        case inspect.DictType(min_length=low) if low:
            return f"a table of {low} or more"
        case _:
            return "a table"


def _bounds(info: inspect.IntType | inspect.FloatType) -> str:
    if info.ge is not None and info.le is not None:
        style = "_" if isinstance(info, inspect.IntType) else "g"
        return f" from {info.ge:{style}} to {info.le:{style}}"
    if info.ge is not None:
        return f" of at least {info.ge:g}"
    return f" greater than {info.gt:g}" if info.gt is not None else ""


def _lengths(low: int | None, high: int | None) -> str:
    if high is None:
        return f" of {low} or more" if low else ""
    return f" of {low}" if low == high else f" of {low or 0} to {high}"


def _alternatives(texts: list[str]) -> str:
    return " or ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else texts[0]


def _fault(value: object, info: inspect.Type, path: KeyPath) -> _Fault | None:
    """The first thing wrong with a value, in its own order; None where it fits."""
    match info:
        case inspect.AnyType():
            return None
        case inspect.Metadata(type=inner):
            return _reworded(_fault(value, inner, path), info, value, path)
        case inspect.UnionType(types=types):
            same_kind = [type_ for type_ in types if _is_kind(value, type_)]
            fault = _fault(value, same_kind[0], path) if len(same_kind) == 1 else _expected(info, value, path)
            return _reworded(fault, info, value, path)
        case inspect.StructType() if isinstance(value, dict):
            return _struct_fault(value, info, path)
        case inspect.DictType(min_length=low) if isinstance(value, dict) and len(value) < (low or 0):
            return _expected(info, value, path)
        case inspect.DictType(key_type=key_type, value_type=value_type) if isinstance(value, dict):
            for key, item in value.items():
                if (fault := _fault(key, key_type, (*path, key)) or _fault(item, value_type, (*path, key))) is not None:
                    return fault
            return None
        case inspect.VarTupleType(item_type=item_type, min_length=low, max_length=high) if isinstance(value, list):
            if len(value) < (low or 0) or (high is not None and len(value) > high):
                return _expected(info, value, path)
            return _first_of(value, [item_type] * len(value), path)
        case inspect.TupleType(item_types=item_types) if isinstance(value, list):
            if len(value) != len(item_types):
                return _expected(info, value, path)
            return _first_of(value, list(item_types), path)
        case _:
            return None if _is_kind(value, info) and _fits(value, info) else _expected(info, value, path)


def _first_of(values: list[Any], types: list[inspect.Type], path: KeyPath) -> _Fault | None:
    pairs = zip(values, types, strict=True)
    faults = (_fault(value, type_, (*path, index)) for index, (value, type_) in enumerate(pairs))
    return next((fault for fault in faults if fault is not None), None)


def _struct_fault(value: dict[str, Any], info: inspect.StructType, path: KeyPath) -> _Fault | None:
    fields = {field.encode_name: field for field in info.fields}
    for key, item in value.items():
        if key not in fields:
            return _Fault((*path, key), f"unknown key{did_you_mean(key, fields)}")
        if (fault := _fault(item, fields[key].type, (*path, key))) is not None:
            return fault
    for name, field in fields.items():
        if field.required and name not in value:
            return _Fault((*path, name), f"required key is missing; expected {describe(field.type)}")
    return None


def _expected(info: inspect.Type, value: object, path: KeyPath) -> _Fault:
    return _Fault(path, f"expected {describe(info)}; got {value_text(value)}")


def _reworded(fault: _Fault | None, info: inspect.Type, value: object, path: KeyPath) -> _Fault | None:
    """A fault of the value as a whole is told in the words of the wider type; one inside it stays as it is."""
    return _expected(info, value, path) if fault is not None and fault.path == path else fault


def _is_kind(value: object, info: inspect.Type) -> bool:
    """Whether a value has the TOML type that a type is written in."""
    match info:
        case inspect.Metadata(type=inner):
            return _is_kind(value, inner)
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.StrType():
            return isinstance(value, str)
        case inspect.LiteralType(values=values):
            return isinstance(value, type(values[0])) and not isinstance(value, bool)
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool)
        case inspect.FloatType():
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case inspect.VarTupleType() | inspect.TupleType():
            return isinstance(value, list)
        case inspect.StructType() | inspect.DictType():
            return isinstance(value, dict)
        case _:
            return False


def _fits(value: Any, info: inspect.Type) -> bool:
    """Whether a value of the right kind keeps a type's bounds."""
    match info:
        case inspect.LiteralType(values=values):
            return value in values
        case inspect.StrType(min_length=length, pattern=pattern):
            return len(value) >= (length or 0) and (pattern is None or re.search(pattern, value) is not None)
        case inspect.IntType(gt=gt, ge=ge, le=le) | inspect.FloatType(gt=gt, ge=ge, le=le):
            return (gt is None or value > gt) and (ge is None or value >= ge) and (le is None or value <= le)
        case _:
            return True
