"""Words -> source text that assembles back to the same words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ixp_emu import isa
from ixp_emu.isa.codes import register_text

__all__ = ["disassemble"]


def disassemble(
    words: Sequence[int],
    *,
    contexts: int = 8,
    modes: Mapping[str, str] | None = None,
    notes: Mapping[int, str] | None = None,
) -> str:
    """A program with one line per word.

    Registers keep their hardware numbers (``a3``, ``@b17``, ``$2``), branch targets get labels ``l_<address>#``. A
    word that is no instruction, or that no source line produces (operands on unusual ports), becomes ``.word``.

    Parameters:
        contexts: 4 or 8.
        modes: as in a Program.
        notes: word address -> comment behind its line.
    """
    comments = notes or {}
    decoded: list[isa.Instruction | None] = []
    for word in words:
        try:
            instruction = isa.decode(word, contexts=contexts)
            inside = all(address <= len(words) for address in _targets(instruction))
            usable = inside and _is_canonical(instruction, word, contexts)
            decoded.append(instruction if usable else None)
        except isa.InvalidWord:
            decoded.append(None)
    targets: set[int] = set().union(*(_targets(instruction) for instruction in decoded if instruction is not None))
    labels = {address: f"l_{address}" for address in targets}
    registers = sorted(
        {
            register_text(use.register): use.register
            for instruction in decoded
            if instruction is not None
            for use in (*instruction.sources(), *instruction.destinations())
            if use.register.kind in (isa.RegisterKind.GPR, isa.RegisterKind.ABSOLUTE)
        }.items()
    )
    # Words of another assembler may break rules that this one enforces.
    lines = [f".num_contexts {contexts}", *(f".{name} {value}" for name, value in (modes or {}).items()), ".unchecked"]
    lines += [
        f".addr {name} {register.number} {register.bank.value}"
        for name, register in registers
        if register.bank is not None
    ]
    if registers:
        lines.append(f".set {' '.join(name for name, _ in registers)}")
    for address, word in enumerate(words):
        if address in labels:
            lines.append(f"{labels[address]}#:")
        shown = decoded[address]
        text = f".word {word:#012x}" if shown is None else isa.format_instruction(shown, labels)
        lines.append(f"    {text}  // {comments[address]}" if address in comments else f"    {text}")
    if len(words) in labels:
        lines.append(f"{labels[len(words)]}#:")
    return "\n".join(lines) + "\n"


def _targets(instruction: isa.Instruction) -> set[int]:
    """Addresses the text names by label; ``rtn`` is a jump relative to 0 and names none."""
    return {
        operand.address
        for operand in instruction.operands.values()
        if isinstance(operand, isa.Label) and operand.address is not None
    }


def _is_canonical(instruction: isa.Instruction, word: int, contexts: int) -> bool:
    """Whether the assembler makes the same word of the instruction's text."""
    bound = isa.canonical(instruction)
    try:
        return bound is not None and isa.encode(bound, contexts=contexts) == word
    except isa.IsaError:
        return False
