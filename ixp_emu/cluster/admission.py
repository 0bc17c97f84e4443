"""What a cluster must have before it can do anything with packets: refused here, it does not run into a standstill."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ixp_emu import isa
from ixp_emu.assembler import Program
from ixp_emu.cluster.build import ChipImage
from ixp_emu.cluster.cables import read_port
from ixp_emu.cluster.config import ClusterConfig, Port
from ixp_emu.errors import InputError

__all__ = ["admit"]

_MEDIA = "msf."


def admit(config: ClusterConfig, images: Mapping[str, ChipImage]) -> None:
    """Refuse a cluster that cannot work on its packets, whatever they are.

    Raises:
        InputError: a program without instructions; a chip that packets may reach, none of whose programs has a command
            of the media switch fabric; a chip that packets enter and that runs no service.
    """
    try:
        for image in images.values():
            for name, program in image.programs.items():
                if not program.words:
                    raise InputError(f"program {name} has no instructions", key=f"programs.{name}.source")
        moving = {id(program): _moves_frames(program) for program in _programs(images)}
        for chip, port in _entries(config).items():
            image = images[chip]
            if not any(moving[id(program)] for program in image.programs.values()):
                names = ", ".join(image.programs)
                raise InputError(
                    f"packets may enter at port {port}, but no program of chip {chip} ({names}) has an msf command: "
                    "none receives or transmits",
                    key=f"chips.{chip}.engines",
                )
        for chip in dict.fromkeys(read_port(text).chip for text in config.traffic.into):
            if images[chip].service is None:
                raise InputError(f"chip {chip} runs no service, so nothing says what must become of its frames")
    except InputError as error:
        raise config.source.located(error) from None


def _programs(images: Mapping[str, ChipImage]) -> Iterator[Program]:
    for image in images.values():
        yield from image.programs.values()


def _moves_frames(program: Program) -> bool:
    """Whether a program has a command of the media switch fabric."""
    for word in set(program.words):
        try:
            instruction = isa.decode(word, contexts=program.contexts)
        except ValueError:  # data, or a word that is none: its own business
            continue
        if instruction.operation.name.startswith(_MEDIA):
            return True
    return False


def _entries(config: ClusterConfig) -> dict[str, Port]:
    """Chip -> a port where packets may enter, for every chip they may reach over links and switches."""
    wiring = config.wiring()
    entries: dict[str, Port] = {}
    waiting = [read_port(text) for text in config.traffic.into]
    while waiting:
        port = waiting.pop(0)
        if port.chip in entries:
            continue
        entries[port.chip] = port
        for number in range(wiring.chips[port.chip]):
            waiting += wiring.peers(Port(port.chip, number))
    return entries
