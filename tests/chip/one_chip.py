"""A chip with programs written as source text, for tests that look at single rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ixp_emu.assembler import assemble, parse
from ixp_emu.chip.chip import Memories, configure_ring, initialise, load_program, new_chips, set_up_ports
from ixp_emu.chip.clock import advance_unlinked
from ixp_emu.chip.hardware import resolve_hardware

__all__ = ["OneChip", "words_of"]


def words_of(source: str) -> list[int]:
    """Words of a program; ``.unchecked`` lets it break the rules between neighbours that a test is about."""
    return list(assemble(parse(".unchecked\n" + source, name="test"), locations={}).words)


class OneChip:
    """One chip.

    Parameters:
        programs: ME -> source text.
        contexts: mask of enabled contexts of every ME.
        rings: ring -> options of ``configure_ring``.
        overrides: hardware parameters.
    """

    def __init__(
        self,
        programs: Mapping[int, str],
        *,
        contexts: int = 1,
        rings: Mapping[int, Mapping[str, Any]] | None = None,
        overrides: Mapping[str, int] | None = None,
        ports: int = 0,
    ) -> None:
        self.hardware = resolve_hardware(overrides=overrides)
        self.chips = new_chips(1)
        self.chip = self.chips[0]
        self.memories = Memories(self.hardware)
        initialise(self.chip, self.hardware, self.memories)
        if ports:
            set_up_ports(self.chip, ports)
        for ring, options in (rings or {}).items():
            configure_ring(self.chip, ring, **options)
        for engine, source in programs.items():
            load_program(self.chip, engine, words_of(source), contexts=contexts)

    def run(self, until: int) -> Any:
        """Run up to a cycle; returns the record."""
        advance_unlinked(self.chips, until)
        return self.chip

    def local_memory(self, engine: int, count: int) -> list[int]:
        """The first longwords of an ME's local memory: where test programs leave what they measured."""
        return [int(word) for word in self.chip["me"][engine]["file"][1280 : 1280 + count]]
