"""Instruction <-> source form, driven by the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ixp_emu.isa.errors import IsaError
from ixp_emu.isa.instruction import Draft, Instruction
from ixp_emu.isa.operation import Operation, Syntax
from ixp_emu.isa.registry import SYNTAXES
from ixp_emu.isa.source import Argument, Token

__all__ = ["bind", "format_instruction"]


def bind(mnemonic: str, arguments: Sequence[Argument], tokens: Sequence[Token] = ()) -> Instruction:
    """The instruction of a source form. Registers, labels and signals may stay symbolic.

    Parameters:
        mnemonic: lower case, one of ``MNEMONICS``.
        arguments: what stands in the brackets.
        tokens: what follows.

    Raises:
        IsaError: no form of the mnemonic fits, or a value breaks its rule.
    """
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
        swap = entry.arrange(instruction)
    except IsaError as error:
        raise IsaError(f"{mnemonic}: {error}") from None
    if swap:
        draft.values["swap"] = True
        return draft.finish()
    return instruction


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
    syntax = next((form for form in entry.syntaxes if form.preset and _agrees(form, instruction)), entry.syntaxes[0])
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


def _agrees(syntax: Syntax, instruction: Instruction) -> bool:
    if instruction.shift is not None or instruction.invert:
        return False
    return all(instruction.operands.get(role) == operand for role, operand in syntax.preset)
