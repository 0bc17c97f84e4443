"""Instruction <-> source form, driven by the registry."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ixp_emu.isa.errors import IsaError
from ixp_emu.isa.instruction import Draft, Instruction
from ixp_emu.isa.nfp import refuse_nfp_forms
from ixp_emu.isa.operands import Immediate, Label, Register, RegisterKind
from ixp_emu.isa.operation import Operation, Syntax
from ixp_emu.isa.registry import SYNTAXES
from ixp_emu.isa.source import Argument, Token

__all__ = ["bind", "canonical", "format_instruction"]

_LOCAL_MEMORY = (RegisterKind.LOCAL_MEMORY_0, RegisterKind.LOCAL_MEMORY_1)


def bind(mnemonic: str, arguments: Sequence[Argument], tokens: Sequence[Token] = ()) -> Instruction:
    """The instruction of a source form. Registers, labels and signals may stay symbolic.

    Parameters:
        mnemonic: lower case, one of ``MNEMONICS``.
        arguments: what stands in the brackets.
        tokens: what follows.

    Raises:
        IsaError: no form of the mnemonic fits, or a value breaks its rule.
    """
    refuse_nfp_forms(mnemonic, arguments, tokens)
    names = [token.name for token in tokens]
    entry, syntax = _choose(mnemonic, arguments, names)
    draft = Draft(entry)
    draft.operands.update(syntax.preset)
    try:
        _bind_arguments(syntax, arguments, draft)
        _bind_tokens(syntax, tokens, draft)
        for part in entry.parts:
            part.complete(draft)
        instruction = draft.finish()
        _check_post_modify(instruction)
        swap = entry.arrange(instruction)
    except IsaError as error:
        raise IsaError(f"{mnemonic}: {error}") from None
    if swap:
        draft.values["swap"] = True
        return draft.finish()
    return instruction


def _check_post_modify(instruction: Instruction) -> None:
    """Refuse what cannot be written with the one sample that the hardware takes of an LM index (isa.md 1.1)."""
    written = instruction.operands.get("dst")
    if not isinstance(written, Register) or written.kind not in _LOCAL_MEMORY:
        return
    for role, read in instruction.operands.items():
        if role == "dst" or not isinstance(read, Register) or read.kind is not written.kind:
            continue
        index = "*l$index0" if read.kind is _LOCAL_MEMORY[0] else "*l$index1"
        if read.step:
            raise IsaError(f"{index} is read and written: ++ and -- belong to the destination only")
        if written.step and read.offset:
            raise IsaError(f"{index}[{read.offset}]: no offset beside ++ or -- of the same index")


def _choose(mnemonic: str, arguments: Sequence[Argument], tokens: Sequence[str]) -> tuple[Operation, Syntax]:
    forms = SYNTAXES.get(mnemonic)
    if forms is None:
        raise IsaError(f"{mnemonic}: no such instruction")
    texts = ["".join(argument.text.lower().split()) for argument in arguments]
    fitting = [form for form in forms if _fits(form[1], texts)]
    for entry, syntax in fitting:
        if not syntax.selectors or any(name in syntax.selectors for name in tokens):
            return entry, syntax
    line = f"{mnemonic}[{', '.join(argument.text for argument in arguments)}]"
    if fitting:
        needed = ", ".join(name for _, syntax in fitting for name in syntax.selectors)
        raise IsaError(f"{line}: one of the tokens is needed: {needed}")
    known = "; ".join(dict.fromkeys(syntax.text() for _, syntax in forms))
    raise IsaError(f"{line}: not a form of {mnemonic}: {known}")


def _fits(syntax: Syntax, texts: Sequence[str]) -> bool:
    least, most = syntax.limits
    if not least <= len(texts) <= most:
        return False
    return all(position < len(texts) and texts[position] == literal for position, literal in syntax.literals)


def _bind_arguments(syntax: Syntax, arguments: Sequence[Argument], draft: Draft) -> None:
    roles = draft.operation.roles
    for position, argument in enumerate(arguments):
        item = syntax.arguments[min(position, len(syntax.arguments) - 1)]
        if item.startswith("{"):
            role = item.strip("{}?*")
            roles[role].bind(role, argument, draft)


def _bind_tokens(syntax: Syntax, tokens: Sequence[Token], draft: Draft) -> None:
    entry = draft.operation
    seen: set[str] = set()
    for token in tokens:
        if token.name in seen:
            raise IsaError(f"token {token.name} is given twice")
        seen.add(token.name)
        if token.name in syntax.selectors or token.name in entry.ignored_tokens:
            continue
        part = entry.tokens.get(token.name)
        if part is None:
            known = ", ".join(sorted({*entry.tokens, *entry.ignored_tokens})) or "none"
            raise IsaError(f"token {token.name} is not possible here: {known}")
        part.bind_token(token, draft)


def format_instruction(instruction: Instruction, labels: Mapping[int, str] | None = None) -> str:
    """Source text that binds back to the same instruction.

    Registers with a number are written as ``a3``, ``b3``, ``@a17``, ``$2``, ``$$2``, ``n$2``, others by name. Which
    port a constant or transfer register goes through is not part of the text.

    Parameters:
        labels: instruction index -> label name; ``l<index>`` where missing.
    """
    entry = instruction.operation
    known = labels or {}
    syntax = _printed_form(instruction)
    shown = []
    for item in syntax.arguments:
        if item.startswith("{"):
            role = item.strip("{}?*")
            text = entry.roles[role].format(role, instruction, known)
            if text is not None:
                shown.append(text)
        else:
            shown.append(item)
    line = f"{syntax.mnemonic}[{', '.join(shown)}]" if syntax.arguments else syntax.mnemonic
    tokens = [text for part in entry.parts for text in part.format_tokens(instruction, known)]
    return ", ".join([line, *syntax.selectors[:1], *tokens])


def canonical(instruction: Instruction) -> Instruction | None:
    """What :func:`bind` makes of the instruction's own source text; None if it would refuse that.

    A word whose instruction differs from this one (operands through the other ports, a constant in another of its
    forms) is valid, but no source line produces it.
    """
    entry = instruction.operation
    syntax = _printed_form(instruction)
    arguments: list[Argument] = []
    for item in syntax.arguments:
        if not item.startswith("{"):
            arguments.append(Argument(item))
            continue
        role = item.strip("{}?*")
        text = entry.roles[role].format(role, instruction, {})
        for part in () if text is None else text.split(", "):
            operand = instruction.operands.get(role)
            arguments.append(
                _argument(part) if operand is None or isinstance(operand, Immediate) else Argument(part, operand)
            )
    tokens = [_token(text) for part in entry.parts for text in part.format_tokens(instruction, {})]
    tokens += [Token(name) for name in syntax.selectors[:1]]
    try:
        return bind(syntax.mnemonic, arguments, tokens)
    except IsaError:
        return None


def _argument(text: str) -> Argument:
    """An argument of the formatter's own text: a constant, a label ``l<address>#`` or a word."""
    if re.fullmatch(r"-?\d+|0x[0-9a-f]+", text):
        return Argument(text, Immediate(int(text, 16 if text.startswith("0x") else 10)))
    label = re.fullmatch(r"l(\d+)#", text)
    return Argument(text, Label(address=int(label[1]))) if label else Argument(text)


def _token(text: str) -> Token:
    name, _, inside = text.partition("[")
    return Token(name, tuple(map(_argument, filter(None, inside.rstrip("]").split(", ")))))


def _printed_form(instruction: Instruction) -> Syntax:
    forms = instruction.operation.syntaxes
    return next((form for form in forms if form.preset and _agrees(form, instruction)), forms[0])


def _agrees(syntax: Syntax, instruction: Instruction) -> bool:
    if instruction.shift is not None or instruction.invert:
        return False
    return all(instruction.operands.get(role) == operand for role, operand in syntax.preset)
