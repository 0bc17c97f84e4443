"""Damaged programs: each gives a program or an error with its place, soon. Run as a module it tries some of one file.

    python -m tests.assembler.mutations firmware/rx.uc 0 200

tries seeds 0 to 199 on a copy of the shipped microcode, assembling a program that includes the file. It prints one line
for every seed before it starts and one at the end for what went wrong.
"""

from __future__ import annotations

import random
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from types import FrameType
from typing import NoReturn

from ixp_emu.assembler import Location, assemble, parse
from ixp_emu.errors import InputError

__all__ = ["MICROCODE", "SOURCES", "damaged", "problem_of"]

MICROCODE = Path(str(files("microcode")))
SOURCES = sorted(str(path.relative_to(MICROCODE)) for path in MICROCODE.rglob("*.uc"))
_PROGRAMS = (
    *("firmware/rx.uc", "firmware/tx.uc", "services/forward/forward.uc"),
    *("oboe/receive.uc", "oboe/classify.uc", "oboe/transmit.uc"),
)
_DEFINES = {
    "ENGINES_RX": 1,
    "ENGINES_FORWARD": 5,
    "ENGINES_TX": 1,
    "PORTS": 3,
    "ROUTE_WORDS": 70_000,
    "NEXT_HOPS": 16,
    "CHIPS": 2,
    "CHIP_BITS": 1,
    "TICK_STEPS": 750,
    "SLICES": 768,
    "SERVICE_DROPS": 0,
    "FLOW_TIMEOUT": 1_000_000,
    "ORDER_PINNED": 1,
    "KEY_DIRECTED": 1,
    "WORKING_CHIPS": 3,
    "TICKS_PER_HEARTBEAT": 50,
    "ENGINES_RECEIVE": 1,
    "ENGINES_CLASSIFY": 1,
    "ENGINES_WORKER": 2,
    "ENGINES_TRANSMIT": 1,
    **{f"HASH_MULTIPLIER_{half}_{n}": 7 for half in ("LOW", "HIGH") for n in range(4)},
}
_LIMIT_SECONDS = 5
_LIMIT_BYTES = 1 << 30
_MOST_CHARACTERS = 1_000


def _lines(change: Callable[[random.Random, list[bytes], int, int], None]) -> Callable[[random.Random, bytes], bytes]:
    def run(rng: random.Random, text: bytes) -> bytes:
        lines = text.split(b"\n")
        change(rng, lines, rng.randrange(len(lines)), rng.randrange(len(lines)))
        return b"\n".join(lines)

    return run


def _delete_lines(rng: random.Random, lines: list[bytes], at: int, _: int) -> None:
    del lines[at : at + rng.choice((1, 1, 1, 5))]


def _duplicate_line(rng: random.Random, lines: list[bytes], at: int, other: int) -> None:
    lines.insert(rng.choice((at, other)), lines[at])


def _swap_lines(_: random.Random, lines: list[bytes], at: int, other: int) -> None:
    lines[at], lines[other] = lines[other], lines[at]


def _delete_characters(rng: random.Random, text: bytes) -> bytes:
    at = rng.randrange(len(text))
    return text[:at] + text[at + rng.choice((1, 1, 2, 30)) :]


def _duplicate_characters(rng: random.Random, text: bytes) -> bytes:
    at, length = rng.randrange(len(text)), rng.choice((1, 2, 20))
    return text[:at] + text[at : at + length] * rng.choice((2, 2, 50)) + text[at + length :]


def _swap_characters(rng: random.Random, text: bytes) -> bytes:
    at = rng.randrange(len(text) - 1)
    return text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :]


def _truncate(rng: random.Random, text: bytes) -> bytes:
    return text[: rng.randrange(len(text))]


def _splice(rng: random.Random, text: bytes) -> bytes:
    at, other = rng.randrange(len(text)), rng.randrange(len(text))
    return text[:at] + text[other : other + rng.choice((5, 100, len(text)))] + rng.choice((b"", text[at:]))


def _insert_bytes(rng: random.Random, text: bytes) -> bytes:
    at = rng.randrange(len(text))
    alphabet = rng.choice((b"()[],#'\"/*\\;:.$@&|<>=+-~!{}", bytes(range(256)), bytes(range(128))))
    return text[:at] + bytes(rng.choice(alphabet) for _ in range(rng.choice((1, 2, 8)))) + text[at:]


_MUTATIONS: list[Callable[[random.Random, bytes], bytes]] = [
    _lines(_delete_lines),
    _lines(_duplicate_line),
    _lines(_swap_lines),
    _delete_characters,
    _duplicate_characters,
    _swap_characters,
    _truncate,
    _splice,
    _insert_bytes,
]


def damaged(text: bytes, seed: int) -> bytes:
    """The text after one to three mutations; the first one takes turns with the seed."""
    rng = random.Random(seed)
    text = _MUTATIONS[seed % len(_MUTATIONS)](rng, text)
    for _ in range(rng.choice((0, 0, 1, 2))):
        text = rng.choice(_MUTATIONS)(rng, text or b"\n" * 2)
    return text


def problem_of(program: Path) -> str | None:
    """What is wrong with how the program assembles or is refused; None if all is well."""
    try:
        parsed = parse(program, defines=_DEFINES)
        assemble(parsed, locations={s.name: Location(s.memory or "sram0", 0) for s in parsed.structures})
    except InputError as error:
        if error.file is None or error.line is None:
            return f"no place: {error}"
        for line in str(error).split("\n"):
            if len(line) > _MOST_CHARACTERS or not line.isprintable():
                return f"unreadable: {line[:200]!r}"
    except Exception as error:  # the finding
        return f"{type(error).__name__}: {error}"[:300]
    return None


def _too_slow(_: int, __: FrameType | None) -> NoReturn:
    raise TimeoutError(f"more than {_LIMIT_SECONDS} s of processor time")


def main(source: str, first: int, last: int) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (_LIMIT_BYTES, _LIMIT_BYTES))
    signal.signal(signal.SIGVTALRM, _too_slow)
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "microcode"
        shutil.copytree(MICROCODE, root)
        path = root / source
        original = path.read_bytes()
        program = _program_of(path, root)
        assert problem_of(program) is None
        for seed in range(first, last):
            print("seed", seed, flush=True)
            path.write_bytes(damaged(original, seed))
            signal.setitimer(signal.ITIMER_VIRTUAL, _LIMIT_SECONDS)
            problem = problem_of(program)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            if problem is not None:
                problems.append(f"{source} seed {seed}: {problem}")
    print("\n".join(problems) or "all well", flush=True)
    return int(bool(problems))


def _program_of(path: Path, root: Path) -> Path:
    """A program that includes a file; the file by itself if it becomes part of a program only with a service."""
    for name in _PROGRAMS:
        if str(path) in _normal(parse(root / name, defines=_DEFINES).sources):
            return root / name
    return path


def _normal(names: object) -> set[str]:
    return {str(Path(name).resolve()) for name in names}  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
