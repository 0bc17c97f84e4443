"""Assembled programs kept on disk, so that a run of known programs needs no assembler.

A program depends on its text, on every file it includes and every name it looked for in vain, on its defines and
locations, and on the assembler itself. The first entry of a program says which files those are, with digests, and what
it declares; it is found by what is known before reading. The second, one for every placement, is the program. Both are
checked before they are believed, and whatever is wrong with one, the program is assembled as if it were not there.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec

from ixp_emu.assembler.program import Program
from ixp_emu.assembler.source_files import exists, read_source
from ixp_emu.assembler.structures import Location, StructureDeclaration
from ixp_emu.cache import cache_root
from ixp_emu.errors import InputError
from ixp_emu.isa.unsettled import changed

__all__ = ["MOST_ENTRIES", "Known", "cache_folder", "find_program", "find_source", "keep_program", "keep_source"]

MOST_ENTRIES = 1_000
"""Files in the folder; when there are more, the half goes that was not used for longest."""
_DIGEST_BYTES = 32

_Entry = TypeVar("_Entry")


class Known(msgspec.Struct, frozen=True):
    """What is known of a source that has been parsed.

    Attributes:
        files: digest of every file read, by name.
        absent: names that must not be there.
        structures: what the program declares.
    """

    files: dict[str, str]
    absent: tuple[str, ...]
    structures: tuple[StructureDeclaration, ...]


def cache_folder() -> Path:
    """Where the entries lie: beside the compiled engine."""
    return cache_root() / "programs"


def find_source(identity: str) -> Known | None:
    """What is known of a source whose files are still what they were.

    Parameters:
        identity: all that the source depends on but files, as text.
    """
    known = _read(_key("source", identity), Known)
    if known is None or any(exists(name) for name in known.absent):
        return None
    try:
        unchanged = all(_digest(read_source(name)) == digest for name, digest in known.files.items())
    except InputError:
        return None
    return known if unchanged else None


def keep_source(
    identity: str, *, files: Mapping[str, str], absent: tuple[str, ...], structures: tuple[StructureDeclaration, ...]
) -> Known:
    """Keep what is known of a source; ``files`` holds their texts."""
    known = Known({name: _digest(text) for name, text in files.items()}, absent, structures)
    _write(_key("source", identity), known)
    return known


def find_program(identity: str, known: Known, locations: Mapping[str, Location]) -> Program | None:
    """The program of a source for a placement."""
    return _read(_program_key(identity, known, locations), Program)


def keep_program(identity: str, known: Known, locations: Mapping[str, Location], program: Program) -> None:
    """Keep a program."""
    _write(_program_key(identity, known, locations), program)


# --- entries --------------------------------------------------------------------------------------------------------


def _program_key(identity: str, known: Known, locations: Mapping[str, Location]) -> str:
    return _key("program", identity, repr(sorted(known.files.items())), repr(sorted(locations.items(), key=str)))


def _key(*parts: str) -> str:
    return _digest(repr((_assembler(), sorted(changed().items()), parts)))


@cache
def _assembler() -> str:
    """Digest of everything that makes words of text."""
    package = Path(__file__).resolve().parents[1]
    found = hashlib.sha256()
    for folder in ("assembler", "isa"):
        for path in sorted((package / folder).iterdir()):
            if path.suffix in (".py", ".lark"):
                found.update(path.read_bytes())
    return found.hexdigest()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _read(key: str, kind: type[_Entry]) -> _Entry | None:
    path = cache_folder() / key
    try:
        data = path.read_bytes()
    except OSError:
        return None
    with suppress(OSError):
        os.utime(path)  # what is in use is not old
    if hashlib.sha256(data[_DIGEST_BYTES:]).digest() != data[:_DIGEST_BYTES]:
        return None
    try:
        return msgspec.msgpack.decode(data[_DIGEST_BYTES:], type=kind)
    except msgspec.DecodeError:
        return None


def _write(key: str, entry: object) -> None:
    """Write an entry, all of it or none; nothing happens where nothing can be written."""
    try:
        data = msgspec.msgpack.encode(entry)
    except UnicodeEncodeError:  # the name of a file is no text
        return
    folder = cache_folder()
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(data).digest() + data)
            os.replace(name, folder / key)
        except OSError:
            os.unlink(name)
            raise
        _prune(folder)


def _prune(folder: Path) -> None:
    entries = list(folder.iterdir())
    if len(entries) > MOST_ENTRIES:
        entries.sort(key=lambda path: path.stat().st_mtime)
        for path in entries[: len(entries) // 2]:
            path.unlink(missing_ok=True)
