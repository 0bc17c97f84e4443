"""Every key is found on the line on which it stands, however it is written."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ixp_emu.cluster.toml_lines import KeyPath, dotted, key_lines, split_key

TEXT = """\
# comment
schema = 1
[run]            # [not.a.table]
seed = 2

[chips.a]
ports = [
  "1GbE",        # first ]
  "1GbE",
]
engines = { rx = ["0:0"], "tx" = [ "1:3" ] }
placement.flow."the table" = 'x = 1'
text = \"\"\"
fake = 1
\"\"\"
after = 1
[[many]]
x = 1
[[many]]
x = 2
[many.sub]
y = 3
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("schema",), 2),
        (("run",), 3),
        (("run", "seed"), 4),
        (("chips",), 6),
        (("chips", "a"), 6),
        (("chips", "a", "ports"), 7),
        (("chips", "a", "ports", 0), 8),
        (("chips", "a", "ports", 1), 9),
        (("chips", "a", "engines", "rx"), 11),
        (("chips", "a", "engines", "tx", 0), 11),
        (("chips", "a", "placement"), 12),
        (("chips", "a", "placement", "flow", "the table"), 12),
        (("chips", "a", "text"), 13),
        (("chips", "a", "after"), 16),
        (("many",), 17),
        (("many", 0, "x"), 18),
        (("many", 1), 19),
        (("many", 1, "x"), 20),
        (("many", 1, "sub", "y"), 22),
    ],
)
def test_line_of_key(path: KeyPath, line: int) -> None:
    assert key_lines(TEXT)[path] == line


def test_windows_line_ends_count_once() -> None:
    assert key_lines(TEXT.replace("\n", "\r\n")) == key_lines(TEXT)


def paths_of(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """All paths of what the standard library's reader makes of a text."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths_of(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from paths_of(item, (*path, index))


SCALARS = st.sampled_from(
    [
        "1",
        "-1.5e3",
        "true",
        "1979-05-27 07:32:00Z",
        '"# ] } , = \\" \\\\"',
        "'[ { \\'",
        '"""a\n\n"quoted" ]\n"""',
        '"""ends in a quote\\\n  """"',
        "'''\n= # '\n'''",
        '""',
    ]
)
BLANKS = st.sampled_from(["", "\n", "# k, ] }\n", "   \n\n"])


@st.composite
def documents(draw: st.DrawFn) -> str:
    """TOML texts in all styles; every key is a name of its own."""
    numbers = count()

    def key() -> str:
        name = f"k{next(numbers)}_"
        return draw(st.sampled_from([name, f'"{name}"', f"'{name}'"]))

    def value(depth: int) -> str:
        kind = draw(st.integers(0, 2 if depth < 3 else 0))
        if kind == 0:
            return draw(SCALARS)
        items = range(draw(st.integers(0, 3)))
        if kind == 1:
            elements = "".join(f"{blank()}{value(depth + 1)}{newline()},{blank()}" for _ in items)
            return f"[{blank()}{elements}]"
        return "{ " + ", ".join(f"{key()} = {value(depth + 1)}" for _ in items) + " }"

    def blank() -> str:
        text = draw(BLANKS)
        return text if text in ("", "\n") else "\n" + text

    def newline() -> str:
        return draw(st.sampled_from(["", "\n", " # ,\n"]))

    def pairs() -> str:
        text = ""
        for _ in range(draw(st.integers(0, 3))):
            path = ".".join(key() for _ in range(draw(st.integers(1, 3))))
            text += f"{draw(BLANKS)}{path} = {value(0)} # k\n"
        return text

    text = pairs()
    for _ in range(draw(st.integers(0, 3))):
        header = " . ".join(key() for _ in range(draw(st.integers(1, 3))))
        if draw(st.booleans()):
            for _ in range(draw(st.integers(1, 2))):
                text += f"[[{header}]]\n{pairs()}[{header}.{key()}]\n{pairs()}"
        else:
            text += f"[ {header} ]\n{pairs()}"
    return text


@given(documents())
def test_every_key_is_on_the_line_of_its_first_mention(text: str) -> None:
    lines = key_lines(text)
    assert set(lines) == set(paths_of(tomllib.loads(text)))
    for path, line in lines.items():
        if isinstance(path[-1], str):
            mention = re.search(rf"\b{path[-1]}", text)
            assert mention is not None
            assert line == text.count("\n", 0, mention.start()) + 1


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("run.seed", ("run", "seed")),
        ('chips."a b".x', ("chips", "a b", "x")),
        ("a . b", ("a", "b")),
        ("", None),
        ("a..b", None),
        ("a b", None),
        ("[a]\nb", None),
        ("a = 1\nb", None),
        ("a = {b", None),
    ],
)
def test_split_key(text: str, path: tuple[str, ...] | None) -> None:
    assert split_key(text) == path


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])), min_size=1, max_size=4))
def test_dotted_and_split_key_are_inverse(parts: list[str]) -> None:
    assert split_key(dotted(tuple(parts))) == tuple(parts)
