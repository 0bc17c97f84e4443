"""Renew what the documentation shows of the program: ``python -m tools.refresh_docs``.

Two things are generated. ``docs/instructions.md`` comes from the instruction registry. In the README and the other
pages every ``console`` block is a shell session: the lines after ``$ COMMAND`` are what the command printed.
``tests/test_docs.py`` says when a page is out of step.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ixp_emu.isa.reference import instruction_table
from ixp_emu.isa.unsettled import VARIABLE, switch_table

__all__ = ["INSTRUCTIONS", "PAGES", "ROOT", "Session", "comparable", "instructions_page", "refreshed", "sessions"]

ROOT = Path(__file__).resolve().parents[1]
INSTRUCTIONS = ROOT / "docs" / "instructions.md"
PAGES = (ROOT / "README.md", *(path for path in sorted((ROOT / "docs").glob("*.md")) if path != INSTRUCTIONS))

_CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HOST_SPEED = re.compile(r"took [\d.,]+ s, [\d.,]+ M instructions/s, slowdown [\d.,]+")
_INTRODUCTION = """\
# Instructions

Every instruction that the assembler and the disassembler know, from the registry in `ixp_emu/isa`. This page is
generated: `python -m tools.refresh_docs`.

- Source forms: words in brackets are operands. `flags` are the condition codes written. `shadow` is the number of
  instruction slots behind a taken branch or a swap; in parentheses the largest `defer[n]`, which fills them.
- `source` is a section of the hardware documents the registry was written from. What is not proved on IXP2400 words is
  listed in [DEVIATIONS.md](DEVIATIONS.md).

"""

_UNSETTLED = f"""\
## Unsettled facts

What no readable document settles is a switch of `ixp_emu/isa/unsettled.py`. A process may take other values from the
environment: `{VARIABLE}="ffs_of_zero=32,logic_clears_carry=0"`. They are read once, when the program starts; the
engine is compiled anew for values it has not seen. `ixpemu hardware` prints all switches, a report holds those that are
not at their default, a checkpoint is only taken up with the values it was saved with.

"""


@dataclass(frozen=True, slots=True)
class Session:
    """One command of a ``console`` block and what the page says it prints."""

    command: str
    output: str

    def printed(self) -> str:
        """What it prints now: standard output and error, run by a shell in the root of the repository.

        Raises:
            RuntimeError: the program crashed, which no page should show.
        """
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
        environment.pop("COLUMNS", None)
        result = subprocess.run(
            ["/bin/sh", "-c", self.command],
            cwd=ROOT,
            env=environment,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if "Traceback (most recent call last)" in result.stdout:
            raise RuntimeError(f"{self.command}\n{result.stdout}")
        lines = [line.rstrip() for line in result.stdout.splitlines() if not line.startswith("ixpemu: compil")]
        return "".join(f"{line}\n" for line in lines)


def instructions_page() -> str:
    """The text of ``docs/instructions.md``."""
    return f"{_INTRODUCTION}{instruction_table()}\n{_UNSETTLED}{switch_table()}"


def sessions(text: str) -> Iterator[Session]:
    """The commands of a page's ``console`` blocks."""
    for block in _CONSOLE.finditer(text):
        yield from _split(block[1])


def _split(block: str) -> Iterator[Session]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield Session(command, output)


def comparable(text: str) -> str:
    """Output without what depends on the host: its speed, and where a line was broken because of that."""
    return _HOST_SPEED.sub("took ...", " ".join(text.split()))


def refreshed(text: str) -> str:
    """A page with its sessions run anew; what differs in the host's speed only stays as it is."""

    def renew(block: re.Match[str]) -> str:
        lines = []
        for session in _split(block[1]):
            now = session.printed()
            kept = session.output if comparable(now) == comparable(session.output) else now
            lines.append(f"$ {session.command}\n{kept}")
        return f"```console\n{''.join(lines)}```"

    return _CONSOLE.sub(renew, text)


def main() -> None:
    """Write every page that has changed."""
    pages = {INSTRUCTIONS: instructions_page()}
    pages.update({path: refreshed(path.read_text(encoding="utf-8")) for path in PAGES})
    for path, text in pages.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"renewed {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
