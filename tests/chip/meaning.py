"""What a chip's record says at a cut of a run, whatever way the engine came there: to compare two runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ixp_emu.chip.chip import Memories, cycle_accounts
from ixp_emu.chip.codes import ACTION_AUX, ACTION_MEDIA, ACTION_PUSHED, ME_IDLE, ME_STALLED, Command
from ixp_emu.chip.compiled import NEVER
from ixp_emu.chip.field_classes import FIELDS, FieldClass
from ixp_emu.chip.layout import BANK, CHIP, DRAM, MICROENGINE, SRAM0, SRAM1

__all__ = ["differences", "meaning"]

_ADDRESSES = {"memory", "notes", "code", "egress_rows", "egress_arena", "ddr_rows"}
"""Of host memory."""
_BULK = {"store", "store_decoded", "ustore", "port"}
_PORT_ADDRESSES = {"source", "link", "switch", "rx_address"}
_ACCOUNTS = {"executing", "aborted", "stalled", "idle", "since"}
_COMPARED_WORDS = 1 << 14


def _command(chip: Any, slot: int, place: str) -> tuple[Any, ...]:
    """Fields of a command that mean something where it is."""
    command = chip["pool"][slot]
    code, action = int(command["code"]), int(command["action"])
    names = ["code", "action", "me", "signal"]
    words = 0
    if not action & ACTION_AUX:
        names += ["stamp", "unit", "structure"]
    if code == Command.NEIGHBOR_WRITE:
        names += ["xfer_in"]
        words = 1
    else:
        names += ["ctx"]
    if code not in (Command.SIGNAL, Command.TIMER, Command.NEIGHBOR_WRITE):
        names += ["xfer_in", "push_words", "marked"]
        if place in ("fifo", "inlet"):
            names += ["pulled", "address", "count", "mask", "pull_words"]
            names += ["pull_me", "push_me", "xfer_out", "master", "pc"]
            names += ["ready"] * (place == "inlet") + ["media"] * bool(action & ACTION_MEDIA)
            if command["pulled"] != NEVER:
                words = int(command["pull_words"])
            elif code in (Command.CAP_FAST_WRITE, Command.MSF_FAST_WRITE):
                words = 1
        elif place == "push" or action & ACTION_PUSHED:
            names += ["ready", "address"] * (place == "push")
            words = int(command["push_words"])
        if place != "inbox" and code >= Command.REFLECT_READ:
            names += ["notify"]
    return (*(int(command[name]) for name in names), *command["data"][:words].tolist())


def _queue(chip: Any, queue: Any, place: str, link: str = "next") -> list[Any]:
    found, slot = [], int(queue["head"])
    for _ in range(int(queue["count"])):
        found.append(_command(chip, slot, place))
        slot = int(chip["pool"][slot][link])
    return found


def _inbox(chip: Any, me: Any) -> list[Any]:
    at = (int(me["inbox_head"]) + np.arange(int(me["inbox_count"]))) % len(me["inbox_slot"])
    return [(int(me["inbox_time"][i]), _command(chip, int(me["inbox_slot"][i]), "inbox")) for i in at]


def _fields(found: dict[str, Any], prefix: str, record: Any, layout: np.dtype[Any], skipped: set[str]) -> None:
    for name, kind in FIELDS[layout].items():
        if kind not in (FieldClass.ENGINE, FieldClass.WALKED, FieldClass.NESTED) and name not in skipped:
            found[f"{prefix}{name}"] = np.array(record[name])


def meaning(chip: Any, memories: Memories) -> dict[str, Any]:
    """Everything that matters at a cut, by name; the chip has run to ``published``."""
    now = int(chip["published"])
    found: dict[str, Any] = {"published": now}
    _fields(found, "", chip, CHIP, _ADDRESSES | _BULK)
    for index, bank in enumerate(chip["bank"]):
        _fields(found, f"bank {index} ", bank, BANK, set())
    for index, port in enumerate(chip["port"][: int(chip["ports"])]):
        for name in port.dtype.names:
            if name not in _PORT_ADDRESSES:
                found[f"port {index} {name}"] = np.array(port[name])
    for name, account in cycle_accounts(chip, now).items():
        found[name] = account
    for index, me in enumerate(chip["me"]):
        rests = me["state"] in (ME_IDLE, ME_STALLED)  # since when is in the accounts
        # what the engine expects of deliveries depends on when it looked
        _fields(found, f"me {index} ", me, MICROENGINE, _ACCOUNTS | {"expected"} | ({"time"} if rests else set()))
        found[f"me {index} inbox"] = _inbox(chip, me)
        for what in ("index", "nn_put"):
            count = int(me[f"{what}_writes"])
            found[f"me {index} {what}"] = [me[f"{what}_{name}"][:count].tolist() for name in ("time", "value")]
        found[f"me {index} timers"] = [slot >= 0 for slot in me["timer"]]
        found[f"me {index} fifo"] = _queue(chip, chip["fifo"][index], "fifo")
    for unit in range(5):
        found[f"inlet {unit}"] = _queue(chip, chip["inlet"][unit], "inlet")
    for bank in range(8):
        found[f"bank queue {bank}"] = _queue(chip, chip["bank_queue"][bank], "inlet")
    for bus in range(3):
        found[f"push {bus}"] = [_queue(chip, queue, "push") for queue in chip["push"][bus]]
        found[f"pull {bus}"] = [_queue(chip, queue, "inlet", "pull_next") for queue in chip["pull"][bus]]
    found["D_pull waits"] = _queue(chip, chip["dpull_waiting"], "inlet", "pull_next")
    for target in (SRAM0, SRAM1, DRAM):
        found[f"memory {target}"] = memories.words[target][:_COMPARED_WORDS].copy()
    return found


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Names of what differs, with the values where they are short."""
    assert one.keys() == other.keys()
    found = []
    for name, value in one.items():
        same = np.array_equal(value, other[name]) if isinstance(value, np.ndarray) else value == other[name]
        if not same:
            if isinstance(value, np.ndarray) and value.ndim:
                where = np.argwhere(value != other[name])[:3].tolist()
                found.append(f"{name} at {where}: {[(value[*i].item(), other[name][*i].item()) for i in where]}")
            else:
                found.append(f"{name}: {value} / {other[name]}")
    return found
