"""Register names an instruction may use: local CSRs, CSRs behind the CAP, media registers, input states.

Sources: isa.md sections 1.6, 2.2, 2.4 and 3.3 (LOCAL_CSRS, INPUT_STATES), registers.md section 3 (MSF_REGISTERS) and
sections 4 and 5 (CAP_CSRS). Names are upper case; the binder ignores case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ixp_emu.errors import InputError
from ixp_emu.isa.unsettled import VARIABLE, setting

__all__ = [
    "CAP_CSRS",
    "CAP_CSR_NAMES",
    "INPUT_STATES",
    "INP_STATES",
    "LOCAL_CSRS",
    "LOCAL_CSR_NAMES",
    "MSF_REGISTERS",
    "CapCsr",
    "LocalCsr",
]


@dataclass(frozen=True, slots=True)
class LocalCsr:
    """A microengine CSR.

    Attributes:
        name: upper case.
        address: byte offset from the microengine's CSR base.
        effect_latency: instructions that must stand between a write and the first use of the new value (isa.md 2.4).
        write_spacing: instructions that must stand between two writes of CSRs that have one.
    """

    name: str
    address: int
    effect_latency: int = 0
    write_spacing: int = 0


@dataclass(frozen=True, slots=True)
class CapCsr:
    """A CSR reached through the CAP unit: byte address, and whether a document or a real word proves the address."""

    name: str
    address: int
    proved: bool


_INDEX_LATENCY = setting("index_write_latency")
_SIGNAL_SPACING = setting("signal_csr_spacing")

_LOCAL = (
    ("USTORE_ADDRESS", 0x000, 0),
    ("USTORE_DATA_LOWER", 0x004, 0),
    ("USTORE_DATA_UPPER", 0x008, 0),
    ("USTORE_ERROR_STATUS", 0x00C, 0),
    ("ALU_OUT", 0x010, 0),
    ("CTX_ARB_CNTL", 0x014, 0),
    ("CTX_ENABLES", 0x018, 0),
    ("CC_ENABLE", 0x01C, 0),
    ("CSR_CTX_POINTER", 0x020, 0),
    ("INDIRECT_CTX_STS", 0x040, 0),
    ("ACTIVE_CTX_STS", 0x044, 0),
    ("INDIRECT_CTX_SIG_EVENTS", 0x048, 0),
    ("ACTIVE_CTX_SIG_EVENTS", 0x04C, 0),
    ("INDIRECT_CTX_WAKEUP_EVENTS", 0x050, 0),
    ("ACTIVE_CTX_WAKEUP_EVENTS", 0x054, 0),
    ("INDIRECT_CTX_FUTURE_COUNT", 0x058, 0),
    ("ACTIVE_CTX_FUTURE_COUNT", 0x05C, 0),
    ("INDIRECT_LM_ADDR_0", 0x060, _INDEX_LATENCY),
    ("ACTIVE_LM_ADDR_0", 0x064, _INDEX_LATENCY),
    ("INDIRECT_LM_ADDR_1", 0x068, _INDEX_LATENCY),
    ("ACTIVE_LM_ADDR_1", 0x06C, _INDEX_LATENCY),
    ("BYTE_INDEX", 0x070, _INDEX_LATENCY),
    ("T_INDEX", 0x074, _INDEX_LATENCY),
    ("INDIRECT_FUTURE_COUNT_SIGNAL", 0x078, 0),
    ("ACTIVE_FUTURE_COUNT_SIGNAL", 0x07C, 0),
    ("NN_PUT", 0x080, _INDEX_LATENCY),
    ("NN_GET", 0x084, _INDEX_LATENCY),
    ("TIMESTAMP_LOW", 0x0C0, 0),
    ("TIMESTAMP_HIGH", 0x0C4, 0),
    ("INDIRECT_LM_ADDR_0_BYTE_INDEX", 0x0E0, _INDEX_LATENCY),
    ("ACTIVE_LM_ADDR_0_BYTE_INDEX", 0x0E4, _INDEX_LATENCY),
    ("INDIRECT_LM_ADDR_1_BYTE_INDEX", 0x0E8, _INDEX_LATENCY),
    ("ACTIVE_LM_ADDR_1_BYTE_INDEX", 0x0EC, _INDEX_LATENCY),
    ("T_INDEX_BYTE_INDEX", 0x0F4, _INDEX_LATENCY),
    ("NEXT_NEIGHBOR_SIGNAL", 0x100, 0, _SIGNAL_SPACING),
    ("PREV_NEIGHBOR_SIGNAL", 0x104, 0, _SIGNAL_SPACING),
    ("SAME_ME_SIGNAL", 0x108, 0, _SIGNAL_SPACING),
    ("CRC_REMAINDER", 0x140, 0),
    ("PROFILE_COUNT", 0x144, 0),
    ("PSEUDO_RANDOM_NUMBER", 0x148, 0),
    ("LOCAL_CSR_STATUS", 0x180, 0),
)

LOCAL_CSRS: Mapping[str, LocalCsr] = MappingProxyType({name: LocalCsr(name, *rest) for name, *rest in _LOCAL})
"""Name -> local CSR."""

LOCAL_CSR_NAMES: Mapping[int, str] = MappingProxyType({csr.address: csr.name for csr in LOCAL_CSRS.values()})
"""Byte address -> name."""

INPUT_STATES: tuple[str, ...] = (
    "NN_EMPTY",
    "NN_FULL",
    *(f"SCR_RING{ring}_STATUS" for ring in range(12)),
    "FCI_NOT_EMPTY",
    "FCI_FULL",
)
"""Shared state inputs of ``br_inp_state``; the code is the position."""

INP_STATES: Mapping[str, int] = MappingProxyType({name: code for code, name in enumerate(INPUT_STATES)})
"""Name -> code of ``br_inp_state``."""

_CAP = (
    CapCsr("XSCALE_INT_A", 0x4B20, proved=True),  # word 0x3300012f20 of real firmware
    # The rest has no readable source. Scratch ring and hash CSRs follow the host's map, whose block the CAP serves;
    # the thread CSRs are placed beside XSCALE_INT_A. All of them are switches (``unsettled``), not facts.
    CapCsr("XSCALE_INT_B", setting("cap_xscale_int_b"), proved=False),
    CapCsr("INTERTHREAD_SIG", setting("cap_interthread_sig"), proved=False),
    CapCsr("THREAD_MESSAGE", setting("cap_thread_message"), proved=False),
    CapCsr("SELF_DESTRUCT_0", setting("cap_self_destruct_0"), proved=False),
    CapCsr("SELF_DESTRUCT_1", setting("cap_self_destruct_1"), proved=False),
    *(
        CapCsr(f"SCRATCH_RING_{field}_{ring}", setting("cap_scratch_ring") + 16 * ring + offset, proved=False)
        for ring in range(16)
        for field, offset in (("BASE", 0), ("HEAD", 4), ("TAIL", 8))
    ),
    *(
        CapCsr(f"HASH_MULTIPLIER_{name}", setting("cap_hash_multiplier") + 4 * position, proved=False)
        for position, name in enumerate(("48_0", "48_1", "64_0", "64_1", "128_0", "128_1", "128_2", "128_3"))
    ),
)

CAP_CSRS: Mapping[str, CapCsr] = MappingProxyType({csr.name: csr for csr in _CAP})
"""Name -> CSR behind the CAP unit."""

for _csr in _CAP:
    if (_twins := [other.name for other in _CAP if other.address == _csr.address]) != [_csr.name]:
        raise InputError(f"{' and '.join(_twins)} would share the CAP address {_csr.address:#x}", key=VARIABLE)

CAP_CSR_NAMES: Mapping[int, str] = MappingProxyType({csr.address: csr.name for csr in _CAP})
"""Byte address -> name."""

MSF_REGISTERS: Mapping[str, int] = MappingProxyType(
    {
        "RX_CONTROL": 0x0000,
        "TX_CONTROL": 0x0004,
        "INTERRUPT_STATUS": 0x0008,
        "INTERRUPT_ENABLE": 0x000C,
        "CSIX_TYPE_MAP": 0x0010,
        "FC_EGRESS_STATUS": 0x0014,
        "FC_INGRESS_STATUS": 0x0018,
        "TX_VALIDATE": 0x0020,
        "HWM_CONTROL": 0x0024,
        "FC_STATUS_OVERRIDE": 0x0028,
        "CLOCK_CONTROL": 0x002C,
        **{f"RX_THREAD_FREELIST_{n}": 0x0030 + 4 * n for n in range(4)},
        "RX_PORT_MAP": 0x0040,
        "RBUF_ELEMENT_DONE": 0x0044,
        "RX_MPHY_POLL_LIMIT": 0x0048,
        "FCEFIFO_VALIDATE": 0x004C,
        **{f"RX_THREAD_FREELIST_TIMEOUT_{n}": 0x0050 + 4 * n for n in range(4)},
        **{f"TX_SEQUENCE_{n}": 0x0060 + 4 * n for n in range(4)},
        "TX_MPHY_POLL_LIMIT": 0x0070,
        "TX_MPHY_STATUS": 0x0074,
        **{f"RX_UP_CONTROL_{n}": 0x0080 + 4 * n for n in range(4)},
        **{f"TX_UP_CONTROL_{n}": 0x0090 + 4 * n for n in range(4)},
        "FCIFIFO": 0x0100,
        "FCEFIFO": 0x0140,
        "TBUF_ELEMENT_CONTROL": 0x1800,
        "RBUF": 0x2000,
        "TBUF": 0x2000,
    }
)
"""Name -> byte offset from the media interface's base; usable in source expressions."""
