"""Chips by the number: a table with `count` stands for NAME0, NAME1, ..., and NAME for all of them in lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from ixp_emu.cluster.config_source import ConfigSource
from ixp_emu.cluster.decode import did_you_mean
from ixp_emu.cluster.schema import ChipTable
from ixp_emu.cluster.toml_lines import KeyPath

__all__ = ["ChipTables", "expand_chips"]


@dataclass(frozen=True, slots=True)
class ChipTables:
    """[chips] with every `count` written out.

    Attributes:
        names: the chips, in order.
        groups: name of a table with `count` -> its chips.
        tables: by chip, and by group.
        written: chip -> the key of the table that stands in the file for it: its own, or its group's.
    """

    names: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    tables: Mapping[str, ChipTable]
    written: Mapping[str, KeyPath]

    def chips_of(self, source: ConfigSource, path: KeyPath, name: str) -> tuple[str, ...]:
        """The chips that a name in a list stands for.

        Raises:
            InputError: there is neither a chip nor a group of that name.
        """
        if name in self.groups:
            return self.groups[name]
        if name not in self.names:
            raise source.error(path, f'unknown chip "{name}"{did_you_mean(name, [*self.names, *self.groups])}')
        return (name,)


def expand_chips(source: ConfigSource, tables: Mapping[str, ChipTable]) -> ChipTables:
    """Write out the groups; a chip of a group may have a table of its own, which is like the group's unless it says so.

    Raises:
        InputError: a chip of a group is a group itself.
    """
    groups = {
        name: tuple(f"{name}{number}" for number in range(table.count))
        for name, table in tables.items()
        if table.count is not None
    }
    group_of: dict[str, str] = {}
    for group, chips in groups.items():
        for chip in chips:
            if chip in groups:  # so no chip can be in two groups: n1 and n have n10 in common, and n then has n1
                raise source.error(("chips", chip, "count"), f'chip "{chip}" is one of "{group}"')
            group_of[chip] = group
    expanded: dict[str, ChipTable] = {}
    written: dict[str, KeyPath] = {}
    for name in tables:
        for chip in groups.get(name, () if name in group_of else (name,)):
            own = tables.get(chip, ChipTable())
            expanded[chip] = msgspec.structs.replace(own, like=own.like or group_of.get(chip))
            written[chip] = ("chips", chip if chip in tables else name)
    return ChipTables(tuple(expanded), groups, {**tables, **expanded}, written)
