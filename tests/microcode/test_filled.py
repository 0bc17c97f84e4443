"""The shipped programs with their defer slots filled: the same packets, in fewer cycles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest import mock

import pytest

from ixp_emu import isa
from ixp_emu.assembler import Program, assemble
from tests.microcode.forwarding import PORT_0, PORT_1, PORT_2, ChipRun, assert_forwarded, ipv4, run_frames
from tests.microcode.test_assemble import LOCATIONS, PROGRAMS, parsed


@contextmanager
def filled_slots(fill: bool) -> Iterator[None]:
    """Programs of a chip are assembled with or without filling, and not kept."""
    with (
        mock.patch("ixp_emu.assembler.assembly.assemble", partial(assemble, fill_defer=fill)),
        mock.patch("ixp_emu.cluster.programs.find_program", lambda *_: None),
        mock.patch("ixp_emu.cluster.programs.keep_program", lambda *_: None),
    ):
        yield


def busy_cycles(run: ChipRun) -> int:
    """Cycles in which microengines executed, or threw a slot away."""
    engines = run.run.machine.chips[0]["me"]
    return int(engines["executing"].sum() + engines["aborted"].sum())


def test_the_forwarder_does_the_same_in_fewer_cycles(tmp_path: Path) -> None:
    """Options, all protocols and three egress ports: every branch of the programs is taken by some frame."""
    frames = [
        ipv4(
            60 + 37 * (n % 9),
            source=0xC0A80000 + n % 50,
            destination=(PORT_0, PORT_1, PORT_2)[n % 3],
            identification=n,
            protocol=(17, 6, 1)[n % 3],
            options=b"\x01" * (4 * (n % 4)),
            ttl=1 + n % 64,
            checksum_error=n % 29 == 0,
        )
        for n in range(300)
    ]
    runs: dict[bool, ChipRun] = {}
    for fill in (False, True):
        folder = tmp_path / str(fill)
        folder.mkdir()
        with filled_slots(fill):
            runs[fill] = run_frames(
                folder,
                frames,
                into=("a.0", "a.1", "a.2"),
                defines={"MAX_FLOWS": 65_536},
                traffic={"back_pressure": "true"},
            )
        assert_forwarded(runs[fill], frames)
    assert busy_cycles(runs[True]) < busy_cycles(runs[False])
    assert runs[True].run.now <= runs[False].run.now


def deferred(program: Program) -> int:
    return sum(isa.decode(word).defer for word in program.words)


@pytest.mark.parametrize("source", PROGRAMS)
def test_every_program_has_slots_to_fill(source: str) -> None:
    plain = assemble(parsed(source), locations=LOCATIONS)
    filled = assemble(parsed(source), locations=LOCATIONS, fill_defer=True)
    assert len(filled.words) == len(plain.words) and filled.labels == plain.labels
    assert sorted(filled.lines) == sorted(plain.lines)
    assert deferred(filled) > deferred(plain)
    assert filled.digest != plain.digest


@pytest.mark.parametrize("source", PROGRAMS)
def test_no_program_needs_moves(source: str) -> None:
    plain = assemble(parsed(source), locations=LOCATIONS)
    assert assemble(parsed(source), locations=LOCATIONS, mend_banks=True).words == plain.words
