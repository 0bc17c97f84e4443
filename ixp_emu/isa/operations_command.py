"""Registry entries: memory and I/O commands, one per target and sub-command. Source: isa.md 1.12, 3.3."""

from __future__ import annotations

from ixp_emu.isa.codes import RESTRICTED
from ixp_emu.isa.fields import CapCsrAddress, Count, Flag, IndirectRef, Number, RemoteAddress
from ixp_emu.isa.flow import CommandSignal
from ixp_emu.isa.operands import RegisterKind
from ixp_emu.isa.operation import Operation, Part, Syntax, Transfer, bits
from ixp_emu.isa.ports import Ports, Source
from ixp_emu.isa.register_fields import TransferRegister
from ixp_emu.isa.unsettled import setting

__all__ = ["COMMAND_OPERATIONS"]

_PULL = Transfer(pulled=True, pushed=False)
_PUSH = Transfer(pulled=False, pushed=True)
_BOTH = Transfer(pulled=True, pushed=True)

_INDIRECT_REF = IndirectRef()
_INDIRECT_REF_PULLING = IndirectRef(pulled=True)
_IGNORE_ERROR = Flag("ignore_data_error", 19)
_SWAP = setting("shadow_swap")
_SWAP_DEFER = min(_SWAP, 2)
_SIGNAL = CommandSignal(_SWAP_DEFER)

# The two addresses are added, so a word does not say which was written first; both may be constants.
_ADDRESSES = Ports(
    RESTRICTED,
    Source("address1", constant_bits=7),
    Source("address2", constant_bits=7),
    placement="none",
    constants=2,
)

_TOKEN = bits(19, 18)


def _indirect_ref(transfer: Transfer | None) -> IndirectRef:
    return _INDIRECT_REF_PULLING if transfer is not None and transfer.pulled else _INDIRECT_REF


def _command(
    target: str,
    sub_command: str,
    top: tuple[int, int],
    summary: str,
    *,
    transfer: Transfer | None = None,
    count: Count | None = None,
    token: tuple[int, int] = (_TOKEN, 0),
    natural: RegisterKind = RegisterKind.SRAM,
    extra: tuple[Part, ...] = (),
    doubled_signal: bool = False,
    source: str = "isa.md 1.12, 3.3; from disassemblers",
    name: str = "",
) -> Operation:
    """A command with two address operands.

    Parameters:
        top: (mask, value) of bits 39..32.
        token: (mask, value) of bits 19:18.
        count: how many units; None for commands of one longword.
    """
    arguments = f"{sub_command}, {'{xfer}' if transfer else '--'}, {{address1}}, {{address2}}"
    signal = CommandSignal(_SWAP_DEFER, doubled=doubled_signal, swaps=target != "dram" or setting("dram_ctx_swap") == 1)
    parts: list[Part] = [signal, _indirect_ref(transfer), _ADDRESSES, *extra]
    if transfer:
        parts.append(TransferRegister(natural))
    if count:
        parts.append(count)
        arguments += ", {count}"
    return Operation(
        name=name or f"{target}.{sub_command}",
        syntaxes=(Syntax(f"{target}[{arguments}]"),),
        summary=summary,
        source=source,
        fixed_mask=top[0] << 32 | token[0],
        fixed_value=top[1] << 32 | token[1],
        parts=tuple(parts),
        shadow=_SWAP,
        max_defer=_SWAP_DEFER,
        transfer=transfer,
        doubled_signal=doubled_signal,
    )


_PROVED = "isa.md 1.12, 3.3"
_ATOMICS = (
    ("set", 3, "set the bits of the operand", True),
    ("clr", 4, "clear the bits of the operand", True),
    ("add", 5, "add the operand", True),
    ("sub", 6, "subtract the operand", True),
    ("incr", 7, "add 1", False),
    ("decr", 8, "subtract 1", False),
)


def _atomics(target: str, base: int, names: frozenset[str]) -> tuple[Operation, ...]:
    """Atomic operations on one longword; bit 18 asks for the old value."""
    operations = [
        _command(
            target,
            "swap",
            (0xBF, base | 2),
            "exchange the longword with the operand",
            transfer=_BOTH,
            doubled_signal=True,
        )
    ]
    for name, code, summary, has_operand in _ATOMICS:
        if name not in names:
            continue
        top = (0xBF, base | code)
        operations.append(_command(target, name, top, summary, transfer=_PULL if has_operand else None))
        operations.append(
            _command(
                target,
                f"test_and_{name}",
                top,
                f"{summary}; the old value comes back",
                transfer=_BOTH if has_operand else _PUSH,
                token=(_TOKEN, 1 << 18),
                doubled_signal=has_operand,
            )
        )
    return tuple(operations)


_COUNT = Count()
_BIT_18 = (_TOKEN, 1 << 18)
_BIT_19 = (_TOKEN, 2 << 18)
_NO_TOKEN = (bits(18, 18), 0)

_SRAM = (
    _command(
        "sram",
        "read",
        (0xBF, 0x00),
        "read longwords",
        transfer=_PUSH,
        count=_COUNT,
        token=_NO_TOKEN,
        extra=(_IGNORE_ERROR,),
        source=_PROVED,
    ),
    _command(
        "sram",
        "write",
        (0xBF, 0x01),
        "write longwords",
        transfer=_PULL,
        count=_COUNT,
        token=_NO_TOKEN,
        extra=(_IGNORE_ERROR,),
        source=_PROVED,
    ),
    *_atomics("sram", 0x00, frozenset({"set", "clr", "add", "incr", "decr"})),
    _command("sram", "put", (0xBF, 0x09), "put longwords on an SRAM ring", transfer=_PULL, count=_COUNT),
    _command(
        "sram", "get", (0xBF, 0x09), "get longwords from an SRAM ring", transfer=_PUSH, count=_COUNT, token=_BIT_18
    ),
    _command("sram", "journal", (0xBF, 0x0A), "append longwords to a journal", transfer=_PULL, count=_COUNT),
    _command("sram", "fast_journal", (0xBF, 0x0A), "append the address's data to a journal", token=_BIT_18),
    _command("sram", "dequeue", (0xBF, 0x0B), "take the head of a linked-list queue", transfer=_PUSH),
    _command("sram", "enqueue", (0xBF, 0x0C), "link a buffer, the first of a packet, into a queue"),
    _command("sram", "enqueue_tail", (0xBF, 0x0C), "link the last buffer of a packet into a queue", token=_BIT_18),
    _command("sram", "csr_wr", (0xBF, 0x0D), "write a controller CSR", transfer=_PULL),
    _command("sram", "csr_rd", (0xBF, 0x0D), "read a controller CSR", transfer=_PUSH, token=_BIT_18),
    _command("sram", "wr_qdesc", (0xBF, 0x0E), "write a queue descriptor back to memory"),
    _command("sram", "wr_qdesc_count", (0xBF, 0x0E), "write the count of a queue descriptor back", token=_BIT_19),
    _command("sram", "rd_qdesc_other", (0xBF, 0x0F), "load the rest of a queue descriptor"),
    _command(
        "sram",
        "rd_qdesc_tail",
        (0xBF, 0x0F),
        "load tail and count of a queue descriptor",
        transfer=_PUSH,
        count=_COUNT,
        token=_BIT_18,
    ),
    _command(
        "sram",
        "rd_qdesc_head",
        (0xBF, 0x0F),
        "load head and count of a queue descriptor",
        transfer=_PUSH,
        count=_COUNT,
        token=_BIT_19,
    ),
)

_SCRATCH = (
    _command("scratch", "read", (0xBF, 0x10), "read longwords", transfer=_PUSH, count=_COUNT),
    _command("scratch", "write", (0xBF, 0x11), "write longwords", transfer=_PULL, count=_COUNT),
    *_atomics("scratch", 0x10, frozenset({"set", "clr", "add", "sub", "incr", "decr"})),
    _command(
        "scratch",
        "get",
        (0xBF, 0x19),
        "get longwords from a scratch ring, all or none",
        transfer=_PUSH,
        count=_COUNT,
        source=_PROVED,
    ),
    _command(
        "scratch",
        "put",
        (0xBF, 0x1A),
        "put longwords on a scratch ring",
        transfer=_PULL,
        count=_COUNT,
        source=_PROVED,
    ),
)

_D = RegisterKind.DRAM
_DRAM = tuple(
    _command(
        "dram",
        name,
        (0xBF, 0x28 | code),
        summary,
        transfer=transfer,
        count=_COUNT,
        natural=_D,
        token=_NO_TOKEN,
        extra=(_IGNORE_ERROR,),
        doubled_signal=True,
        source=source,
    )
    for name, code, summary, transfer, source in (
        ("read", 0, "read quadwords", Transfer(False, True, registers_per_unit=2), "isa.md 1.12, 3.3"),
        ("write", 1, "write quadwords", Transfer(True, False, registers_per_unit=2), "isa.md 1.12, 3.3"),
        ("rbuf_rd", 2, "move quadwords from the receive buffer to DRAM", None, _PROVED),
        ("tbuf_wr", 3, "move quadwords from DRAM to the transmit buffer", None, _PROVED),
    )
)

_QUADWORDS = {"read64": Transfer(False, True, 2), "write64": Transfer(True, False, 2)}

_MSF = (
    _command(
        "msf",
        "read",
        (0xBF, 0x3C),
        "read longwords of the media interface",
        transfer=_PUSH,
        count=_COUNT,
        source=_PROVED,
    ),
    _command(
        "msf",
        "write",
        (0xBF, 0x3D),
        "write longwords of the media interface",
        transfer=_PULL,
        count=_COUNT,
        source=_PROVED,
    ),
    _command(
        "msf",
        "read64",
        (0xBF, 0x3C),
        "read quadwords of the media interface",
        transfer=_QUADWORDS["read64"],
        count=_COUNT,
        token=_BIT_19,
    ),
    _command(
        "msf",
        "write64",
        (0xBF, 0x3D),
        "write quadwords of the media interface",
        transfer=_QUADWORDS["write64"],
        count=_COUNT,
        token=_BIT_19,
    ),
    Operation(
        name="msf.fast_wr",
        syntaxes=(Syntax("msf[fast_wr, --, {address1}, {address2}]"),),
        summary="write data (sum[31:16]) to a register (sum[15:2]) of the media interface; no signal",
        source=_PROVED,
        fixed_mask=0xBF << 32 | bits(31, 18) | bits(9, 8),
        fixed_value=0x3D << 32 | 1 << 18 | 3 << 8,
        parts=(_INDIRECT_REF, _ADDRESSES),
    ),
)

_PCI = (
    _command("pci", "read", (0xBF, 0x34), "read longwords of the PCI unit", transfer=_PUSH, count=_COUNT),
    _command("pci", "write", (0xBF, 0x35), "write longwords of the PCI unit", transfer=_PULL, count=_COUNT),
)


def _hash(width: int, token: int, registers: int) -> Operation:
    return Operation(
        name=f"hash_{width}",
        syntaxes=(Syntax(f"hash_{width}[{{xfer}}, {{count}}]"),),
        summary=f"hash 1 to 3 keys of {width} bits in place",
        source="isa.md 1.12, 3.3; from disassemblers",
        fixed_mask=0xBF << 32 | bits(27, 27) | _TOKEN | bits(17, 10) | bits(7, 0),
        fixed_value=0x36 << 32 | token << 18,
        parts=(
            _SIGNAL,
            _INDIRECT_REF_PULLING,
            TransferRegister(RegisterKind.SRAM),
            Count(maximum=3, bias=0),
        ),
        shadow=_SWAP,
        max_defer=_SWAP_DEFER,
        transfer=Transfer(pulled=True, pushed=True, registers_per_unit=registers),
    )


_HASH = (_hash(48, 0, 2), _hash(64, 1, 2), _hash(128, 2, 4))


def _fast_write(
    name: str, data: str, fixed: tuple[int, int], parts: tuple[Part, ...], summary: str, source: str
) -> Operation:
    return Operation(
        name=f"cap.{name}",
        syntaxes=(Syntax(f"cap[fast_wr, {data}, {{csr}}]"),),
        summary=summary,
        source=source,
        fixed_mask=0xBF << 32 | bits(9, 8) | fixed[0],
        fixed_value=fixed[1] | 3 << 8,
        parts=(_INDIRECT_REF, CapCsrAddress(), *parts),
    )


_CAP_DIRECTIONS = (("read", 0, _PUSH), ("write", 1, _PULL))
_REFLECTOR_SIGNALS = (("sig_initiator", 1), ("sig_remote", 2), ("sig_both", 3))

_CAP = (
    *(
        Operation(
            name=f"cap.{name}",
            syntaxes=(Syntax(f"cap[{name}, {{xfer}}, {{csr}}, {{count?}}]"),),
            summary=f"{name} CSRs by name or constant address",
            source="isa.md 1.12, 3.3; from disassemblers",
            fixed_mask=0xBF << 32 | _TOKEN,
            fixed_value=(0x30 | code) << 32,
            parts=(_indirect_ref(transfer), _SIGNAL, TransferRegister(RegisterKind.SRAM), CapCsrAddress(), Count()),
            shadow=_SWAP,
            max_defer=_SWAP_DEFER,
            transfer=transfer,
        )
        for name, code, transfer in _CAP_DIRECTIONS
    ),
    _fast_write(
        "fast_wr",
        "{data}",
        (0, 0x33 << 32),
        (Number("data", 31, 18, 0, 0x3FFF),),
        "write a 14-bit constant to a CSR; no signal",
        _PROVED,
    ),
    _fast_write(
        "fast_wr_alu",
        "alu",
        (bits(31, 18), 0x32 << 32),
        (),
        "write the previous ALU result to a CSR; no signal",
        "isa.md 1.12, 3.3; from disassemblers",
    ),
    *(
        _command(
            "cap",
            name,
            (0xBF, 0x3E | code),
            f"{name} CSRs at a computed address",
            transfer=transfer,
            count=_COUNT,
            name=f"cap.{name}_computed",
        )
        for name, code, transfer in _CAP_DIRECTIONS
    ),
    *(
        Operation(
            name=f"cap.{name}_reflect.{signal}",
            syntaxes=(
                Syntax(f"cap[{name}, {{xfer}}, {{remote_xfer}}, {{me}}, {{context}}, {{count}}]", selectors=(signal,)),
            ),
            summary=f"{name} transfer registers of another microengine ({signal})",
            source="isa.md 1.12; field layout unproved",
            fixed_mask=0xBF << 32 | _TOKEN,
            fixed_value=(0x3E | code) << 32 | token << 18,
            parts=(
                _SIGNAL,
                _indirect_ref(transfer),
                TransferRegister(RegisterKind.SRAM),
                RemoteAddress(),
                _COUNT,
            ),
            shadow=_SWAP,
            max_defer=_SWAP_DEFER,
            transfer=transfer,
        )
        for name, code, transfer in _CAP_DIRECTIONS
        for signal, token in _REFLECTOR_SIGNALS
    ),
)

COMMAND_OPERATIONS = (*_SRAM, *_SCRATCH, *_DRAM, *_MSF, *_PCI, *_HASH, *_CAP)
"""All commands to units outside the microengine."""
