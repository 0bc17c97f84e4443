"""Codes shared by the decoder of rows and the compiled units: row kinds, commands, flags and faults."""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "ACTION_AUX",
    "ACTION_DOUBLE",
    "ACTION_INDIRECT",
    "ACTION_MEDIA",
    "ACTION_PUSHED",
    "ACTION_RETURNS",
    "ACTION_SWAP",
    "FAULT_NAMES",
    "MASTER_HASH",
    "MASTER_MSF",
    "MASTER_SCRATCH",
    "MASTER_SRAM",
    "MASTER_STATUS",
    "ME_CHOOSING",
    "ME_EXECUTING",
    "ME_IDLE",
    "ME_STALLED",
    "ME_STOPPED",
    "NOTIFY_INITIATOR",
    "NOTIFY_REMOTE",
    "ROW_DIRECT",
    "ROW_INDEXED",
    "ROW_NEIGHBOR",
    "ROW_PLAIN",
    "ROW_SHARED",
    "ROW_TRANSFER",
    "UNKNOWN_PC",
    "Command",
    "Ddr",
    "Fault",
    "Kind",
    "Shift",
]


class _Kind(NamedTuple):
    """What a row executes. ALU operations take the kinds below ``ALU_END``, in the order of the registry."""

    ALU_END: int = 32
    SHIFT: int = 32  # alu_shf
    ASR: int = 33
    DOUBLE_SHIFT: int = 34
    BYTE_ALIGN: int = 35
    LD_FIELD: int = 36
    IMMED: int = 37
    IMMED_PART: int = 38
    POP_COUNT: int = 39
    BRANCH: int = 40
    BRANCH_CC: int = 41
    BRANCH_CTX: int = 42
    BRANCH_BIT: int = 43
    BRANCH_BYTE: int = 44
    BRANCH_SIGNAL: int = 45
    BRANCH_INPUT: int = 46
    JUMP: int = 47
    CTX_ARB: int = 48
    HALT: int = 49
    CSR_READ: int = 50
    CSR_WRITE: int = 51
    CAM_CLEAR: int = 52
    CAM_LOOKUP: int = 53
    CAM_READ_TAG: int = 54
    CAM_READ_STATE: int = 55
    CAM_WRITE: int = 56
    CAM_WRITE_STATE: int = 57
    CRC: int = 58
    COMMAND: int = 59
    INVALID: int = 61
    MULTIPLY: int = 62
    BRANCH_NEIGHBOR: int = 63  # br_inp_state of next neighbour rings and flow control


Kind = _Kind()


class _Shift(NamedTuple):
    """Shift of the right operand."""

    NONE: int = 0
    LEFT: int = 1
    RIGHT: int = 2
    ROTATE: int = 3
    LEFT_INDIRECT: int = 4
    RIGHT_INDIRECT: int = 5


Shift = _Shift()


class _Command(NamedTuple):
    """Command codes, independent of the target."""

    READ: int = 0
    WRITE: int = 1
    SWAP: int = 2
    SET: int = 3
    CLR: int = 4
    ADD: int = 5
    SUB: int = 6
    INCR: int = 7
    DECR: int = 8
    GET: int = 9
    PUT: int = 10
    RBUF_RD: int = 11
    TBUF_WR: int = 12
    HASH_48: int = 13
    HASH_64: int = 14
    HASH_128: int = 15
    CAP_READ: int = 16
    CAP_WRITE: int = 17
    CAP_FAST_WRITE: int = 18
    MSF_FAST_WRITE: int = 19
    SIGNAL: int = 20  # not a command: a signal on its way
    STATUS: int = 21  # not a command: receive status on its way
    # SRAM queue hardware, besides GET and PUT
    JOURNAL: int = 22
    FAST_JOURNAL: int = 23
    ENQUEUE: int = 24
    ENQUEUE_TAIL: int = 25
    DEQUEUE: int = 26
    RD_QDESC_HEAD: int = 27
    RD_QDESC_TAIL: int = 28
    RD_QDESC_OTHER: int = 29
    WR_QDESC: int = 30
    WR_QDESC_COUNT: int = 31
    SRAM_CSR_READ: int = 32
    SRAM_CSR_WRITE: int = 33
    PCI_READ: int = 34
    PCI_WRITE: int = 35
    REFLECT_READ: int = 36
    REFLECT_WRITE: int = 37
    TIMER: int = 253  # not a command: the signal of a FUTURE_COUNT timer
    NEIGHBOR_WRITE: int = 254  # not a command: a next neighbour register's new value


Command = _Command()


class _Ddr(NamedTuple):
    """DDR commands, as the log names them."""

    ACTIVATE: int = 0
    PRECHARGE: int = 1
    READ: int = 2
    WRITE: int = 3
    REFRESH: int = 4


Ddr = _Ddr()


ME_STOPPED = 0
"""States of an ME: no program."""
ME_CHOOSING = 1
"""Chooses the next context at its local time."""
ME_IDLE = 2
"""No context is ready; local time is when it became idle."""
ME_STALLED = 3
"""The command FIFO is full; local time is when it became so."""
ME_EXECUTING = 4

ROW_INDEXED = 1
"""An operand goes through LM_ADDR, T_INDEX, NN_GET or NN_PUT; the row's a, b, d are then codes."""
ROW_TRANSFER = 2
"""The row reads transfer-in or writes transfer-out registers."""

ROW_PLAIN = 4
"""The row neither reads nor changes anything outside registers, flags and the PC, and nothing delays its effect."""

ROW_NEIGHBOR = 8
"""The row touches next neighbour registers."""

ROW_SHARED = 16
"""The row writes a next neighbour register or moves NN_GET: other MEs may see that."""

ROW_DIRECT = 32
"""A command that says all about itself: no indirect_ref, media, fast write or reflector."""

ACTION_SWAP = 1
ACTION_DOUBLE = 2
ACTION_INDIRECT = 4
ACTION_RETURNS = 8
"""Pushes data back to the ME."""
ACTION_MEDIA = 16
"""DRAM data moves to or from the media buffers."""
ACTION_PUSHED = 32
"""On its way from a push bus: delivery writes registers."""
ACTION_AUX = 64
"""Signal only, no counted latency."""

NOTIFY_INITIATOR = 1
NOTIFY_REMOTE = 2
"""Contexts that the signal of a reflector command goes to."""

MASTER_SCRATCH, MASTER_HASH, MASTER_SRAM, _, MASTER_MSF, MASTER_STATUS = range(6)
"""Request queues of an S_push bus; MASTER_SRAM + channel."""


class _Fault(NamedTuple):
    """Why a chip stopped."""

    NONE: int = 0
    HALT: int = 1
    INVALID_WORD: int = 2
    PC_OUTSIDE: int = 3
    LOCAL_MEMORY: int = 5
    ACCESS_OUTSIDE: int = 6
    RING_FULL: int = 7
    FREELIST_FULL: int = 8
    ELEMENT_FREE: int = 9
    TBUF_VALID: int = 10
    TBUF_CONTROL: int = 11
    STUCK: int = 12
    INTERNAL: int = 13
    MEDIA_ADDRESS: int = 14
    CONTROL: int = 15


Fault = _Fault()

UNKNOWN_PC = 0xFFFF
"""Of a fault whose instruction is one of another ME than the fault is for."""


FAULT_NAMES = {
    Fault.HALT: "halt",
    Fault.INVALID_WORD: "invalid instruction word",
    Fault.PC_OUTSIDE: "program counter outside the program",
    Fault.LOCAL_MEMORY: "local memory address above 639",
    Fault.ACCESS_OUTSIDE: "access outside a memory",
    Fault.RING_FULL: "put into a full ring",
    Fault.FREELIST_FULL: "thread free list beyond its depth",
    Fault.ELEMENT_FREE: "RBUF element freed twice",
    Fault.TBUF_VALID: "TBUF element validated while valid",
    Fault.TBUF_CONTROL: "bad TBUF control word",
    Fault.STUCK: "packets in flight and nothing moves",
    Fault.INTERNAL: "command pool or delivery queue exhausted",
    Fault.MEDIA_ADDRESS: "RBUF/TBUF address outside the buffer",
    Fault.CONTROL: "control program failed",
}
