"""Faults: what stops a run."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Fault", "FaultError"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why, when and where a run stopped; ``me`` and ``pc`` are those of the instruction concerned, if one is."""

    kind: str
    time: int
    me: int | None
    pc: int | None
    detail: str


class FaultError(Exception):
    """Raised where a rule is broken; the chip turns it into a :class:`Fault` with the time."""

    def __init__(self, kind: str, detail: str, *, me: int | None = None, pc: int | None = None) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.me = me
        self.pc = pc
