"""The programmer's effort: what of the machine shows in the sources of a service. Counted, and zero for what ships."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path

from ixp_emu.assembler.parser import SyntaxProblem, parse_statement
from ixp_emu.assembler.source_files import BUILTIN, read_source
from ixp_emu.assembler.syntax import Directive, SourceInstruction, SourceToken, source_text
from ixp_emu.assembler.text import logical_lines
from ixp_emu.isa.operations_command import COMMAND_OPERATIONS

__all__ = ["Effort", "effort_of", "effort_of_text"]

_COMMANDS = frozenset(syntax.mnemonic for operation in COMMAND_OPERATIONS for syntax in operation.syntaxes) | {
    "state_read",
    "state_write",
    "state_add",
    "state_base",
}
_WAITS = frozenset({"ctx_arb", "br_signal", "br_!signal", "br_inp_state", "br_!inp_state"})
_LOCAL_CSRS = frozenset({"local_csr_rd", "local_csr_wr"})
_TRANSFER = re.compile(r"\$")
_CALL = re.compile(r"\s*(?:[A-Za-z_]\w*#:\s*)*[A-Za-z_]\w*\s*\(.*\)\s*", re.DOTALL)
_HEAD = re.compile(r"^(\s*)state_op\b.*$", re.MULTILINE)
_END = re.compile(r"^\s*end_op\b.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Effort:
    """What a source says of the machine.

    Attributes:
        io_commands: commands to a memory or unit, and accesses to structures.
        waits: instructions and tokens by which a context waits.
        local_csrs: reads and writes of local CSRs.
        signals: names declared by ``.sig``.
        transfer_registers: declarations and uses of transfer registers.
    """

    io_commands: int = 0
    waits: int = 0
    local_csrs: int = 0
    signals: int = 0
    transfer_registers: int = 0

    def __add__(self, other: Effort) -> Effort:
        return Effort(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def total(self) -> int:
        """All of them."""
        return sum(getattr(self, field.name) for field in fields(self))


def effort_of(directory: str) -> dict[str, Effort]:
    """The effort in each ``.uc`` file of a service, by the file's name.

    Parameters:
        directory: "builtin:services/NAME" or a path.

    Raises:
        InputError: a file cannot be read.
    """
    tail = directory.removeprefix(BUILTIN)
    folder = Path(str(files("microcode").joinpath(tail))) if tail != directory else Path(directory)
    return {path.name: effort_of_text(read_source(str(path))) for path in sorted(folder.glob("*.uc"))}


def effort_of_text(text: str) -> Effort:
    """The effort in a source."""
    total = Effort()
    for line in _statements(text):
        try:
            body = parse_statement(line).body
        except SyntaxProblem:
            if _CALL.fullmatch(line):
                total += Effort(transfer_registers=len(_TRANSFER.findall(line)))
                continue
            raise
        if isinstance(body, SourceInstruction):
            total += _of_instruction(body)
        elif isinstance(body, Directive):
            signals = len(body.items) if body.name == "sig" else 0
            registers = sum("$" in source_text(item) for item in body.items)
            total += Effort(signals=signals, transfer_registers=registers)
    return total


def _statements(text: str) -> Iterator[str]:
    """Statements without directives of the preprocessor; in every branch of its conditions."""
    plain = _END.sub("", _HEAD.sub("", text))
    for _, line, _ in logical_lines(plain):
        if line.strip() and not line.lstrip().startswith("#"):
            yield line


def _of_instruction(body: SourceInstruction) -> Effort:
    names = [source_text(argument) for argument in body.arguments]
    waits = int(body.mnemonic in _WAITS) + sum(_waits(token) for token in body.tokens)
    return Effort(
        io_commands=int(body.mnemonic in _COMMANDS),
        waits=waits,
        local_csrs=int(body.mnemonic in _LOCAL_CSRS),
        transfer_registers=sum("$" in name and not name.startswith("*l$") for name in names),
    )


def _waits(token: SourceToken) -> int:
    return int(token.name in ("ctx_swap", "sig_done"))
