"""The house rules that a program can check: imports run one way, files stay short, modules say what they offer."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {  # part -> the other parts it may use; docs/design.md, "Folders"
    "errors": set(),
    "cache": set(),
    "isa": {"errors"},
    "assembler": {"isa", "errors"},
    "chip": {"isa", "errors", "cache"},
    "board": {"chip", "assembler", "isa", "errors"},
    "placement": {"chip", "assembler", "errors"},
    "cluster": {"board", "placement", "chip", "assembler", "isa", "errors", "cache"},
    "report": {"cluster", "board", "placement", "chip", "assembler", "isa", "errors"},
    "bench": {"report", "cluster", "placement", "chip", "assembler", "errors"},
    "output_files": {"errors"},
    "assembler_commands": {"placement", "assembler", "output_files", "errors"},
    "calibrate": {"report", "cluster", "placement", "chip", "assembler", "isa", "errors"},
    "cli": {"bench", "calibrate", "report", "cluster", "chip", "assembler_commands", "output_files", "errors"},
}
LONGEST_LINES = 700
MODULES = sorted((ROOT / "ixp_emu").rglob("*.py"))
PUBLIC = [
    path
    for folder in ("ixp_emu", "microcode", "oboe_runtime", "tools")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if not path.name.startswith("_") or path.name == "__init__.py"
]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def part_of(path: Path) -> str:
    """The folder or single module of ``ixp_emu`` that a file belongs to; "" for the package itself."""
    first = path.relative_to(ROOT / "ixp_emu").parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py")


def imported(source: str, package: tuple[str, ...]) -> Iterator[str]:
    """Absolute dotted names a module imports, anywhere in it; of ``from a import b`` both a and a.b."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) + 1 - node.level]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def parts_used(source: str, package: tuple[str, ...]) -> set[str]:
    """Parts of ``ixp_emu`` that a module imports from."""
    names = (name.split(".") for name in imported(source, package))
    return {name[1] for name in names if name[0] == "ixp_emu" and len(name) > 1} - {"__version__"}


def test_import_finder_sees_every_form() -> None:
    source = (
        "import ixp_emu.chip.clock\nfrom ixp_emu import cli\ndef f():\n from .cluster import run\n from . import isa"
    )
    assert parts_used(source, ("ixp_emu",)) == {"chip", "cli", "cluster", "isa"}
    assert parts_used("from ..chip import clock\nfrom ixp_emu import __version__", ("ixp_emu", "report")) == {"chip"}


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_imports_run_one_way(path: Path) -> None:
    part = part_of(path)
    used = parts_used(path.read_text(encoding="utf-8"), path.relative_to(ROOT).parent.parts) - {part}
    assert used <= (MAY_IMPORT[part] if part else set())


def test_allowed_imports_have_no_circle() -> None:
    order: list[str] = []
    while len(order) < len(MAY_IMPORT):
        ready = [part for part, below in MAY_IMPORT.items() if part not in order and below <= set(order)]
        assert ready, f"a circle among {set(MAY_IMPORT) - set(order)}"
        order += ready


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_the_emulator_does_not_know_its_extensions(path: Path) -> None:
    """Microcode services are found by name at run time, extensions by entry point."""
    roots = {name.split(".")[0] for name in imported(path.read_text(encoding="utf-8"), ("ixp_emu",))}
    assert roots.isdisjoint({"oboe_runtime", "microcode", "tests", "tools"})


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_files_are_one_room(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_LINES


@pytest.mark.parametrize("path", PUBLIC, ids=_name)
def test_public_modules_have_a_docstring_and_say_what_they_offer(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    defined = [
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    empty = len(tree.body) == 1  # a package that only says what it holds
    assert "__all__" in defined or empty
