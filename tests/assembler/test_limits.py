"""A program that multiplies itself is refused with a message, and does not hang."""

from __future__ import annotations

import pytest

from ixp_emu.assembler import parse
from ixp_emu.errors import InputError

DOUBLING_DEFINES = "#define A0 1\n" + "".join(f"#define A{n} (A{n - 1} + A{n - 1})\n" for n in range(1, 40))
DOUBLING_MACROS = "#macro m0()\nnop\n#endm\n" + "".join(
    f"#macro m{n}()\nm{n - 1}()\nm{n - 1}()\n#endm\n" for n in range(1, 30)
)
NESTED_LOOPS = "#repeat (60000)\n#repeat (60000)\n#endloop\n#endloop\n"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (DOUBLING_DEFINES + "immed[x, A39]\n", "expands to more than 100,000 characters"),
        (DOUBLING_MACROS + "m29()\n", "the program has more than 50,000 statements"),
        (NESTED_LOOPS, "the program expands to more than 200,000 lines and loop passes"),
    ],
    ids=["defines", "macros", "loops"],
)
def test_expansion_is_bounded(source: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(source, name="test")
