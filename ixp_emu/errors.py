"""The one exception for what a user typed, wrote or supplied wrongly."""

from __future__ import annotations

from pathlib import Path

__all__ = ["InputError"]


class InputError(Exception):
    """Bad input from the user: one message that names the place, the value and the rule it breaks.

    The command line prints it on one line and exits with code 2; nothing else is shown.

    Parameters:
        message: what is wrong, with the offending value and the rule.
        file: the file the input came from, if any.
        line: 1-based line in that file, if known.
        key: the configuration key (dotted) concerned, if any.
    """

    def __init__(
        self, message: str, *, file: str | Path | None = None, line: int | None = None, key: str | None = None
    ) -> None:
        self.message = message
        self.file = None if file is None else str(file)
        self.line = line
        self.key = key
        super().__init__(str(self))

    def __str__(self) -> str:
        place = ""
        if self.file is not None:
            place = self.file + (f":{self.line}" if self.line is not None else "") + ": "
        subject = f"{self.key}: " if self.key is not None else ""
        return f"{place}{subject}{self.message}"
