"""One chip in either model, seen alike, for tests that both must pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from ixp_emu.chip.chip import cycle_accounts, load_program
from ixp_emu.chip.hardware import resolve_hardware
from tests.chip.one_chip import OneChip, words_of
from tests.reference.chip import ReferenceChip

__all__ = ["MODELS", "EngineModel", "Model", "ReferenceModel"]


class Model(ABC):
    """One chip with programs written as source text.

    Parameters:
        programs: ME -> source text.
        contexts: mask of enabled contexts of every ME.
        four_contexts: every ME runs with four contexts.
        overrides: hardware parameters.
    """

    @abstractmethod
    def __init__(
        self,
        programs: Mapping[int, str],
        *,
        contexts: int = 1,
        four_contexts: bool = False,
        overrides: Mapping[str, int] | None = None,
    ) -> None: ...

    @abstractmethod
    def run(self, until: int) -> None:
        """Execute all cycles before ``until``."""

    @property
    @abstractmethod
    def fault_time(self) -> int | None: ...

    @abstractmethod
    def local_memory(self, engine: int, count: int) -> list[int]:
        """The first longwords of an ME's local memory."""

    @abstractmethod
    def cycles(self, engine: int) -> dict[str, int]:
        """Executing, aborted, stalled and idle cycles of an ME."""


class EngineModel(Model):
    """The compiled engine."""

    def __init__(
        self,
        programs: Mapping[int, str],
        *,
        contexts: int = 1,
        four_contexts: bool = False,
        overrides: Mapping[str, int] | None = None,
    ) -> None:
        self._one = OneChip({}, overrides=overrides)
        self._now = 0
        for engine, source in programs.items():
            load_program(self._one.chip, engine, words_of(source), contexts=contexts, four_contexts=four_contexts)

    def run(self, until: int) -> None:
        self._one.run(until)
        self._now = until

    @property
    def fault_time(self) -> int | None:
        record: Any = self._one.chip
        return int(record["fault_time"]) if int(record["fault"]) else None

    def local_memory(self, engine: int, count: int) -> list[int]:
        return self._one.local_memory(engine, count)

    def cycles(self, engine: int) -> dict[str, int]:
        account = cycle_accounts(self._one.chip, self._now)
        return {name: int(account[name][engine]) for name in ("executing", "aborted", "stalled", "idle")}


class ReferenceModel(Model):
    """The reference model."""

    def __init__(
        self,
        programs: Mapping[int, str],
        *,
        contexts: int = 1,
        four_contexts: bool = False,
        overrides: Mapping[str, int] | None = None,
    ) -> None:
        four = frozenset(programs) if four_contexts else frozenset[int]()
        self._chip = ReferenceChip(resolve_hardware(overrides=overrides), four_contexts=four)
        for engine, source in programs.items():
            self._chip.load(engine, words_of(source), contexts=contexts)

    def run(self, until: int) -> None:
        self._chip.run(until)

    @property
    def fault_time(self) -> int | None:
        fault = self._chip.fault
        return None if fault is None else fault.time

    def local_memory(self, engine: int, count: int) -> list[int]:
        return self._chip.me[engine].local_memory[:count]

    def cycles(self, engine: int) -> dict[str, int]:
        me = self._chip.me[engine]
        return {name: getattr(me, name) for name in ("executing", "aborted", "stalled", "idle")}


MODELS: dict[str, type[Model]] = {"engine": EngineModel, "reference": ReferenceModel}
