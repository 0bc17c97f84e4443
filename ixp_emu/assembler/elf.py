"""Object files: ELF32 little-endian, one control-store image each; and raw images.

Sections:

| section | content |
|---|---|
| ``.ixp.ucode`` | 8 bytes per word, little-endian, the 40-bit word in the low bits |
| ``.symtab``, ``.strtab`` | labels; a symbol's value is its word address in ``.ixp.ucode`` |
| ``.ixp.files`` | names of source files, each ended by a zero byte, in UTF-8 |
| ``.ixp.lines`` | per word four 32-bit numbers: file, line, file and line outside all macros; files are indices |
| ``.ixp.structures`` | per word one 16-bit number: 0, or 1 + index into ``structures`` of ``.ixp.program`` |
| ``.ixp.program`` | JSON: name, contexts, modes, digest, usage, warnings, names, structures, initial values |

A raw image is 5 bytes per word, most significant byte first (isa.md 3.5).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from ixp_emu.assembler.program import InitialMemory, InitialRegister, Program, RegisterName
from ixp_emu.errors import InputError

__all__ = ["read_elf", "read_raw", "write_elf", "write_raw"]

RAW_WORD_BYTES = 5
_ELF_WORD_BYTES = 8
_MAX_WORD = (1 << 40) - 1

_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_SECTION = struct.Struct("<10I")
_SYMBOL = struct.Struct("<IIIBBH")
_ET_EXEC, _EM_NONE, _EV_CURRENT = 2, 0, 1
_SHT_PROGBITS, _SHT_SYMTAB, _SHT_STRTAB = 1, 2, 3
_STB_LOCAL_NOTYPE = 0
_UCODE = ".ixp.ucode"


class _Info(msgspec.Struct):
    """The JSON section."""

    name: str
    contexts: int
    modes: dict[str, str]
    digest: str
    usage: dict[str, int]
    warnings: list[str]
    registers: dict[str, list[tuple[str, int]]]
    signals: dict[str, list[int]]
    structures: list[str]
    entry: int = 0
    started: int = 0xFF
    image_name: str = ""
    metadata: str = ""
    initial_registers: list[InitialRegister] = []
    initial_memory: list[InitialMemory] = []


class _Strings:
    """A string table being built."""

    def __init__(self) -> None:
        self.data = bytearray(b"\0")

    def add(self, text: str) -> int:
        offset = len(self.data)
        self.data += text.encode() + b"\0"
        return offset


def write_elf(program: Program, path: str | Path) -> None:
    """Writes an object file that ``read_elf`` reads back to an equal program."""
    files: dict[str, int] = {}
    lines = bytearray()
    for (file, line), (call_file, call_line) in zip(program.lines, program.calls, strict=True):
        for name in (file, call_file):
            files.setdefault(name, len(files))
        lines += struct.pack("<4I", files[file], line, files[call_file], call_line)
    structures = list(dict.fromkeys(name for name in program.structures if name is not None))
    numbers = {name: number for number, name in enumerate(structures, start=1)}
    info = _Info(
        name=program.name,
        contexts=program.contexts,
        modes=dict(program.modes),
        digest=program.digest,
        usage=dict(program.usage),
        warnings=program.warnings,
        registers={name: [(r.file, r.number) for r in found] for name, found in program.registers.items()},
        signals=program.signals,
        structures=structures,
        entry=program.entry,
        started=program.started,
        image_name=program.image_name,
        metadata=program.metadata,
        initial_registers=program.initial_registers,
        initial_memory=program.initial_memory,
    )
    strings = _Strings()
    symbols = bytearray(_SYMBOL.pack(0, 0, 0, 0, 0, 0))
    for label, address in program.labels.items():
        symbols += _SYMBOL.pack(strings.add(label), address, 0, _STB_LOCAL_NOTYPE, 0, 1)
    sections = [
        (_UCODE, _SHT_PROGBITS, b"".join(struct.pack("<Q", word) for word in program.words), 0, 0, _ELF_WORD_BYTES),
        (".symtab", _SHT_SYMTAB, bytes(symbols), 3, len(symbols) // _SYMBOL.size, _SYMBOL.size),
        (".strtab", _SHT_STRTAB, bytes(strings.data), 0, 0, 0),
        (".ixp.files", _SHT_PROGBITS, b"".join(name.encode() + b"\0" for name in files), 0, 0, 0),
        (".ixp.lines", _SHT_PROGBITS, bytes(lines), 0, 0, 16),
        (
            ".ixp.structures",
            _SHT_PROGBITS,
            b"".join(struct.pack("<H", numbers.get(name or "", 0)) for name in program.structures),
            0,
            0,
            2,
        ),
        (".ixp.program", _SHT_PROGBITS, msgspec.json.encode(info), 0, 0, 0),
    ]
    Path(path).write_bytes(_elf_image(sections))


def _elf_image(sections: Sequence[tuple[str, int, bytes, int, int, int]]) -> bytes:
    """File header, section contents, section headers. Each section: name, type, data, link, info, entry size."""
    names = _Strings()
    contents = bytearray()
    headers = bytearray(_SECTION.pack(*[0] * 10))
    everything = [*sections, (".shstrtab", _SHT_STRTAB, None, 0, 0, 0)]
    for name, kind, data, link, info, entry_size in everything:
        name_offset = names.add(name)
        payload = bytes(names.data) if data is None else data
        contents += bytes(-len(contents) % 8)
        headers += _SECTION.pack(
            name_offset, kind, 0, 0, _HEADER.size + len(contents), len(payload), link, info, 8, entry_size
        )
        contents += payload
    contents += bytes(-len(contents) % 8)
    identity = b"\x7fELF" + bytes([1, 1, _EV_CURRENT]) + bytes(9)
    header = _HEADER.pack(
        identity,
        _ET_EXEC,
        _EM_NONE,
        _EV_CURRENT,
        0,
        0,
        _HEADER.size + len(contents),
        0,
        _HEADER.size,
        0,
        0,
        _SECTION.size,
        len(everything) + 1,
        len(everything),
    )
    return header + bytes(contents) + bytes(headers)


def read_elf(path: str | Path) -> Program:
    """Reads an object file. Raises InputError when it is none, or not one of ``write_elf``."""
    try:
        with Path(path).open("rb") as file:
            return _read(ELFFile(file), path)
    except OSError as error:
        raise InputError(f"cannot read the object: {error.strerror}", file=path) from None
    except ELFError as error:
        raise InputError(f"not an ELF object: {error}", file=path) from None
    except msgspec.MsgspecError as error:
        raise InputError(f"section .ixp.program: {error}", file=path) from None


def _read(elf: Any, path: str | Path) -> Program:
    def data(name: str) -> bytes:
        section = elf.get_section_by_name(name)
        if section is None:
            raise InputError(f"no section {name}: not a microengine object", file=path)
        return bytes(section.data())

    words = [word for (word,) in struct.iter_unpack("<Q", data(_UCODE))]
    for address, word in enumerate(words):
        if word > _MAX_WORD:
            raise InputError(f"word {address} is {word:#x}: must fit in 40 bits", file=path)
    info = msgspec.json.decode(data(".ixp.program"), type=_Info)
    files = data(".ixp.files").decode().split("\0")
    lines = list(struct.iter_unpack("<4I", data(".ixp.lines")))
    labels = {
        symbol.name: symbol["st_value"] for symbol in elf.get_section_by_name(".symtab").iter_symbols() if symbol.name
    }
    return Program(
        name=info.name,
        words=words,
        lines=[(files[file], line) for file, line, _, _ in lines],
        calls=[(files[file], line) for _, _, file, line in lines],
        labels=labels,
        registers={
            name: [RegisterName(file, number) for file, number in found] for name, found in info.registers.items()
        },
        signals=info.signals,
        structures=[
            info.structures[number - 1] if number else None
            for (number,) in struct.iter_unpack("<H", data(".ixp.structures"))
        ],
        contexts=info.contexts,
        modes=info.modes,
        entry=info.entry,
        started=info.started,
        image_name=info.image_name,
        metadata=info.metadata,
        initial_registers=info.initial_registers,
        initial_memory=info.initial_memory,
        digest=info.digest,
        usage=info.usage,
        warnings=info.warnings,
    )


def write_raw(program: Program | Sequence[int], path: str | Path) -> None:
    """Writes the words alone, 5 bytes each, most significant byte first."""
    words = program.words if isinstance(program, Program) else program
    Path(path).write_bytes(b"".join(word.to_bytes(RAW_WORD_BYTES, "big") for word in words))


def read_raw(path: str | Path) -> list[int]:
    """Words of a raw image. Raises InputError when its size is no multiple of 5 bytes."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the image: {error.strerror}", file=path) from None
    if len(data) % RAW_WORD_BYTES:
        raise InputError(f"{len(data)} bytes: a raw image has {RAW_WORD_BYTES} bytes per word", file=path)
    return [
        int.from_bytes(data[start : start + RAW_WORD_BYTES], "big") for start in range(0, len(data), RAW_WORD_BYTES)
    ]
