"""One chip, or several joined by cables, with memories, ports and a host: the public Python API.

The user's page is docs/python-api.md.
"""

from __future__ import annotations

from ixp_emu.assembler import Location, Program
from ixp_emu.board.board import Board
from ixp_emu.board.control import ControlError, ControlProcessor
from ixp_emu.board.control_requests import HostStructure, Wakeup, XScale
from ixp_emu.board.fault import ChipFault
from ixp_emu.board.host import Host, HostError
from ixp_emu.board.link import connect
from ixp_emu.board.memory import Memory
from ixp_emu.board.microengine import Context, Microengine
from ixp_emu.board.port import Frame, Port
from ixp_emu.board.program import assemble
from ixp_emu.board.ring import Ring

__all__ = [
    "Board",
    "ChipFault",
    "Context",
    "ControlError",
    "ControlProcessor",
    "Frame",
    "Host",
    "HostError",
    "HostStructure",
    "Location",
    "Memory",
    "Microengine",
    "Port",
    "Program",
    "Ring",
    "Wakeup",
    "XScale",
    "assemble",
    "connect",
]
