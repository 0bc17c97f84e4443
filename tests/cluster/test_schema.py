"""The reference page and the types say the same; the defaults of [traffic] are the generator's."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec import inspect

from ixp_emu.chip.hardware import PRESETS
from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.decode import describe
from ixp_emu.cluster.schema import Document, Placement, Traffic

PAGE = Path(__file__).parents[2] / "docs" / "cluster-toml.md"
OPTIONAL = "none"


def leaves(info: inspect.Type, key: str) -> Iterator[tuple[str, inspect.Type]]:
    """Every key below a type, names of the user's choice written NAME."""
    match info:
        case inspect.Metadata(type=inner) if not isinstance(inner, inspect.StrType | inspect.FloatType):
            yield from leaves(inner, key)
        case inspect.DictType(value_type=value_type):
            yield from leaves(value_type, f"{key}.NAME")
        case inspect.UnionType(types=types) if any(isinstance(t, inspect.DictType) for t in types):
            yield from leaves(next(t for t in types if isinstance(t, inspect.DictType)), key)
        case inspect.StructType(fields=fields):
            for field in fields:
                yield from leaves(field.type, f"{key}.{field.encode_name}".lstrip("."))
        case inspect.UnionType(types=types):
            yield key, info
            for type_ in types:
                if isinstance(type_, inspect.StructType):
                    yield from leaves(type_, key)
        case _:
            yield key, info


def defaults(info: inspect.StructType, key: str = "") -> Iterator[tuple[str, str]]:
    """Key and default, as the page writes it, of each field that has one or needs none."""
    for field in info.fields:
        name = f"{key}.{field.encode_name}".lstrip(".")
        if field.required:
            yield name, "required"
        elif field.default is not msgspec.NODEFAULT:
            plain = msgspec.to_builtins(field.default)
            yield name, OPTIONAL if plain is None else msgspec.json.encode(plain).decode()
        for inner, inner_key in structs(field.type, name):
            yield from defaults(inner, inner_key)


def structs(info: inspect.Type, key: str) -> Iterator[tuple[inspect.StructType, str]]:
    match info:
        case inspect.StructType():
            yield info, key
        case inspect.Metadata(type=inner):
            yield from structs(inner, key)
        case inspect.DictType(value_type=value_type):
            yield from structs(value_type, f"{key}.NAME")
        case inspect.UnionType(types=types):
            for type_ in types:
                yield from structs(type_, key)


def page_rows() -> list[list[str]]:
    """The cells of each table row whose first one is a key in backquotes."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row] for row in rows]


def test_the_page_has_every_key_with_its_type() -> None:
    info = inspect.type_info(Document)
    expected = {key: describe(type_) for key, type_ in leaves(info, "") if not isinstance(type_, inspect.AnyType)}
    page = {key.strip("`"): type_.replace("`", "") for key, type_, _, _ in page_rows()}
    assert page.pop("hardware.preset") == " or ".join(f'"{preset}"' for preset in PRESETS)
    assert page.pop("hardware.PARAMETER") == "an integer within the parameter's bounds"
    assert page == expected


def test_the_page_has_every_default() -> None:
    info = inspect.type_info(Document)
    assert isinstance(info, inspect.StructType)
    expected = dict(defaults(info))
    compared = 0
    for key, _, default, _ in page_rows():
        written = default.replace("`", "")
        if key.strip("`") in expected:
            plain = re.sub(r"(?<=\d)_(?=\d)", "", written)
            assert re.sub(r"\s", "", plain) == re.sub(r"\s", "", expected[key.strip("`")]), key
            compared += 1
    assert compared >= 30


def test_the_defaults_of_traffic_are_the_generators() -> None:
    traffic = pytest.importorskip("ixp_emu.cluster.traffic")
    generator = {field.name: field.default for field in dataclasses.fields(traffic.TrafficSpec)}
    for field in msgspec.structs.fields(Traffic):
        if not field.required:
            assert field.default == generator[field.name], field.name
    assert set(generator) - {field.name for field in msgspec.structs.fields(Traffic)} == {"packets", "seed"}


def test_the_example_of_the_page_loads(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert example is not None
    names = re.findall(r'"builtin:(.*?)"', example[1])
    for name in names:  # the page is right whether or not the microcode is there
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "cluster.toml").write_text(example[1].replace("builtin:", ""))
    command = re.search(r"^ixpemu run cluster.toml (--set .*)$", PAGE.read_text(), re.MULTILINE)
    assert command is not None
    overrides = [word for word in shlex.split(command[1]) if word != "--set"]
    config = load_config(tmp_path / "cluster.toml", overrides=overrides)
    assert config.placement_for("b", "flow_table") == Placement(memory="dram")
    assert config.hardware["sram.idle_latency"] == 120
    assert config.traffic.rate == "2.5 Gb/s"
