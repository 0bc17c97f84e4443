"""The content-addressable memory of an ME."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Cam"]


@dataclass(slots=True)
class Cam:
    """16 entries; ``lru`` lists entry numbers, least recently used first."""

    tags: list[int] = field(default_factory=lambda: [0] * 16)
    states: list[int] = field(default_factory=lambda: [0] * 16)
    lru: list[int] = field(default_factory=lambda: list(range(16)))

    def clear(self) -> None:
        self.tags, self.states, self.lru = [0] * 16, [0] * 16, list(range(16))

    def lookup(self, key: int) -> tuple[int, int]:
        """Result word and entry: a hit makes its entry the most recent one, a miss names the least recent one."""
        if key in self.tags:
            entry = self.tags.index(key)
            self._touch(entry)
            return self.states[entry] << 8 | 1 << 7 | entry << 3, entry
        entry = self.lru[0]
        return entry << 3, entry

    def write(self, entry: int, tag: int, state: int) -> None:
        self.tags[entry], self.states[entry] = tag, state
        self._touch(entry)

    def _touch(self, entry: int) -> None:
        self.lru.remove(entry)
        self.lru.append(entry)
