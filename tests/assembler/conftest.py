"""Short ways to assemble a text and to see what became of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ixp_emu import isa
from ixp_emu.assembler import Program, assemble, parse
from ixp_emu.errors import InputError


@pytest.fixture
def assembled() -> Callable[..., Program]:
    """Assembles a text; keywords ``defines`` and ``include_dirs`` go to ``parse``, others to ``assemble``."""

    def run(text: str, **keywords: Any) -> Program:
        parsing = {key: keywords.pop(key) for key in ("defines", "include_dirs", "name") if key in keywords}
        return assemble(parse(text + "\n", **{"name": "t.uc", **parsing}), **keywords)

    return run


@pytest.fixture
def listing(assembled: Callable[..., Program]) -> Callable[..., list[str]]:
    """The words of an assembled text, each in source form."""

    def run(text: str, **keywords: Any) -> list[str]:
        program = assembled(text, **keywords)
        return [isa.format_instruction(isa.decode(word, contexts=program.contexts)) for word in program.words]

    return run


@pytest.fixture
def refused(assembled: Callable[..., Program]) -> Callable[..., str]:
    """The message of the InputError a text raises."""

    def run(text: str, **keywords: Any) -> str:
        with pytest.raises(InputError) as caught:
            assembled(text, **keywords)
        return str(caught.value)

    return run
