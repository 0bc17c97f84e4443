"""The decoder of 40-bit instruction words: a second opinion on the encoding, independent of ``ixp_emu.isa``.

Field numbers in the code are bit numbers of the word, bit 39 being the most significant one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .faults import FaultError
from .words import NotAnInstruction, describe

__all__ = ["Instruction", "Operand", "decode"]


@dataclass(frozen=True, slots=True)
class Operand:
    """One source or destination.

    Attributes:
        kind: gpr_a, gpr_b (context relative), absolute_a, absolute_b, sram, dram (transfer registers), sram_index,
            dram_index (through T_INDEX), lm (local memory), immediate, none, neighbor (not modelled).
        number: register number, immediate value or local memory offset.
        index: 0 or 1 for ``*l$index0`` and ``*l$index1``.
        modify: +1 or -1 for post-modify.
    """

    kind: str
    number: int = 0
    index: int = 0
    modify: int = 0


NONE = Operand("none")


@dataclass(slots=True)
class Instruction:
    """A decoded word; which fields mean something depends on ``kind``."""

    kind: str
    op: str = ""
    destination: Operand = NONE
    left: Operand = NONE
    right: Operand = NONE
    shift: str = ""  # rotate, right, left, double
    amount: int = 0  # 0 with right, left or double: indirect
    mask: int = 0
    clear: bool = False
    load_cc: bool = False
    target: int = 0
    defer: int = 0
    shadow: int = 0
    parameter: int = 0
    value: int = 0
    position: int = 0
    invert: bool = False
    csr: int = 0
    # context arbitration
    keep_mask: bool = False
    has_target: bool = False
    # commands
    unit: str = ""
    indirect: bool = False
    signal: int = 0
    count: int = 0
    transfer_kind: str = ""
    transfer: int = 0
    swap: bool = False
    returns_data: bool = False
    pulls: bool = False
    doubled: bool = False
    constants: dict[str, int] = field(default_factory=dict)


def _bits(word: int, high: int, low: int) -> int:
    return word >> low & (1 << high - low + 1) - 1


def _invalid(word: int, why: str) -> FaultError:
    return FaultError("invalid word", f"{word:#012x}: {why}")


def _gpr(bank: str, number: int, four: bool, word: int) -> Operand:
    if number >= (32 if four else 16):
        raise _invalid(word, f"register number {number} with {4 if four else 8} contexts")
    return Operand("gpr_" + bank, number)


def _transfer(kind: str, number: int, four: bool, word: int) -> Operand:
    if number >= (32 if four else 16):
        raise _invalid(word, f"transfer register number {number} with {4 if four else 8} contexts")
    return Operand(kind, number)


_POST_MODIFY = {0: 0, 2: 1, 4: -1}


def _unrestricted(code: int, bank: str, four: bool, word: int, *, destination: bool = False) -> Operand:
    """A 10-bit operand code on port or bank ``bank``."""
    if code < 0x020:
        return _gpr(bank, code, four, word)
    if 0x080 <= code < 0x100:
        return Operand("absolute_" + bank, code & 0x7F)
    if code in (0x100, 0x102, 0x104):
        return Operand("dram_index", modify=_POST_MODIFY[code & 7])
    if code in (0x140, 0x142, 0x144):
        return Operand("sram_index", modify=_POST_MODIFY[code & 7])
    if 0x180 <= code < 0x1A0:
        return _transfer("sram", code & 0x1F, four, word)
    if 0x1C0 <= code < 0x1E0:
        return _transfer("dram", code & 0x1F, four, word)
    if 0x200 <= code < 0x240:
        index = code >> 5 & 1
        if not code & 0x10:
            return Operand("lm", code & 0xF, index)
        if code & 0xF < 2:
            return Operand("lm", 0, index, -1 if code & 1 else 1)
    if code in (0x241, 0x243) or 0x280 <= code < 0x2A0:
        return Operand("neighbor")
    if code >= 0x300:
        if not destination:
            return Operand("immediate", code & 0xFF)
        if code == 0x300:
            return NONE
    raise _invalid(word, f"operand code {code:#05x}")


def _restricted(
    code: int, bank: str, four: bool, word: int, *, high_bit: int = 0, destination: bool = False
) -> Operand:
    """An 8-bit operand code; ``high_bit`` is the shared bit 7 of an immediate."""
    if code & 0x20:
        if not destination:
            return Operand("immediate", high_bit << 7 | (code & 0xC0) >> 1 | code & 0x1F)
        if code == 0x20:
            return NONE
    elif code < 0x20:
        return _gpr(bank, code, four, word)
    elif code in (0x40, 0x42, 0x44):
        return Operand("sram_index", modify=_POST_MODIFY[code & 7])
    elif code in (0x41, 0x43):
        return Operand("neighbor")
    elif code in (0x48, 0x4A, 0x4C):
        return Operand("dram_index", modify=_POST_MODIFY[code & 7])
    elif 0x50 <= code < 0x60:
        return Operand("lm", code & 7, code >> 3 & 1)
    elif 0x80 <= code < 0xA0:
        return _transfer("sram", code & 0x1F, four, word)
    elif 0xC0 <= code < 0xE0:
        return _transfer("dram", code & 0x1F, four, word)
    raise _invalid(word, f"restricted operand code {code:#04x}")


def decode(word: int, *, four_contexts: bool) -> Instruction:
    """Decode one word; raises FaultError (kind ``invalid word``) for a word that is no instruction."""
    try:
        describe(word, four_contexts=four_contexts)
    except NotAnInstruction as error:
        raise _invalid(word, str(error)) from None
    top = _bits(word, 39, 32)
    if top < 0x80:
        return _command(word, four_contexts)
    if top < 0xA0:
        return _alu_shf(word, four_contexts)
    if top < 0xC0:
        return _alu(word, four_contexts)
    if top < 0xC8:
        return _ld_field(word, four_contexts)
    if top < 0xD0:
        return _branch_byte(word, four_contexts)
    if top < 0xD8:
        return _branch_bit(word, four_contexts)
    if top < 0xE0:
        return _branch(word)
    if top < 0xE8:
        return _ctx_arb(word)
    if top < 0xF0:
        return _jump(word, four_contexts)
    if top < 0xF8:
        return _immed(word, four_contexts)
    if top in (0xF8, 0xF9):
        return _mul_step(word, four_contexts)
    if top in (0xFC, 0xFD):
        return _local_csr(word, four_contexts)
    raise _invalid(word, "no such class")


_ALU_OPS = {
    0: "B", 1: "+", 3: "pop_count3", 4: "~B", 5: "+16", 6: "pop_count1", 7: "pop_count2", 8: "AND", 9: "+8",
    11: "cam_clear", 12: "~AND", 13: "-carry", 14: "ffs", 15: "cam_read_tag", 16: "AND~", 17: "+carry", 18: "crc",
    19: "cam_write", 20: "OR", 21: "-", 23: "cam_lookup", 24: "XOR", 25: "B-A", 27: "cam_write_state",
    31: "cam_read_state",
}  # fmt: skip


def _alu(word: int, four: bool) -> Instruction:
    op = _ALU_OPS.get(_bits(word, 35, 31))
    if op is None:
        raise _invalid(word, f"alu operation {_bits(word, 35, 31)}")
    if op == "cam_clear":
        return Instruction("cam", op)
    swap = _bits(word, 30, 30)
    codes = {"a": _bits(word, 9, 0), "b": _bits(word, 19, 10)}
    left_port, right_port = ("b", "a") if swap else ("a", "b")
    destination_code = _bits(word, 29, 20)
    instruction = Instruction("alu", op)
    if op in ("cam_write", "cam_write_state"):
        instruction.value = destination_code & 0xF
    elif op not in ("pop_count1", "pop_count2"):
        bank = "b" if _bits(word, 36, 36) else "a"
        instruction.destination = _unrestricted(destination_code, bank, four, word, destination=True)
    if op == "crc":
        control = codes[left_port] & 0xFF
        instruction.kind = "crc"
        instruction.constants = {
            "type": control >> 5,
            "bit_swap": control >> 4 & 1,
            "little": control >> 3 & 1,
            "bytes": control & 7,
        }
        if control >> 5 in (1, 3) or control & 7 == 7:
            raise _invalid(word, f"crc control {control:#04x}")
        instruction.right = _unrestricted(codes[right_port], right_port, four, word)
        return instruction
    if op == "cam_lookup":
        control = codes[right_port]
        instruction.kind = "cam"
        instruction.constants = {"lm_addr": control & 3, "value": control >> 2 & 3}
        if control & 3 == 3:
            raise _invalid(word, "lm_addr0 and lm_addr1 together")
        instruction.left = _unrestricted(codes[left_port], left_port, four, word)
        return instruction
    if op.startswith("cam"):
        instruction.kind = "cam"
        if op == "cam_write":
            instruction.left = _unrestricted(codes[left_port], left_port, four, word)
        instruction.right = _unrestricted(codes[right_port], right_port, four, word)
        return instruction
    instruction.left = _unrestricted(codes[left_port], left_port, four, word)
    instruction.right = _unrestricted(codes[right_port], right_port, four, word)
    return instruction


_SHIFTS = ("rotate", "right", "left", "double")


def _alu_shf(word: int, four: bool) -> Instruction:
    op = ("B", "~B", "AND", "~AND", "AND~", "OR", "asr", "byte_align")[_bits(word, 35, 33)]
    high_bit = _bits(word, 18, 18)
    a = _restricted(_bits(word, 7, 0), "a", four, word, high_bit=high_bit)
    b = _restricted(_bits(word, 17, 10), "b", four, word, high_bit=high_bit)
    left, right = (b, a) if _bits(word, 19, 19) else (a, b)
    bank = "b" if _bits(word, 36, 36) else "a"
    instruction = Instruction(
        "alu_shf",
        op,
        destination=_restricted(_bits(word, 27, 20), bank, four, word, destination=True),
        left=left,
        right=right,
        shift=_SHIFTS[_bits(word, 9, 8)],
        amount=_bits(word, 32, 28),
    )
    if op == "byte_align":
        if instruction.shift not in ("right", "left"):
            raise _invalid(word, "byte_align of neither kind")
        instruction.op = "byte_align_be" if instruction.shift == "right" else "byte_align_le"
    elif op == "asr" and instruction.shift != "right":
        raise _invalid(word, "asr that does not shift right")
    elif instruction.shift == "double" and op != "B":
        raise _invalid(word, f"dbl_shf with operation {op}")
    return instruction


def _ld_field(word: int, four: bool) -> Instruction:
    high_bit = _bits(word, 18, 18)
    swap = _bits(word, 19, 19)
    codes = {"a": _bits(word, 7, 0), "b": _bits(word, 17, 10)}
    to, source = ("b", "a") if swap else ("a", "b")
    shift = _SHIFTS[_bits(word, 9, 8)]
    if shift == "double":
        raise _invalid(word, "double shift in ld_field")
    return Instruction(
        "ld_field",
        destination=_restricted(codes[to], to, four, word, destination=True),
        right=_restricted(codes[source], source, four, word, high_bit=high_bit),
        shift=shift,
        amount=_bits(word, 32, 28),
        mask=_bits(word, 27, 24),
        clear=bool(_bits(word, 20, 20)),
        load_cc=bool(_bits(word, 34, 34)),
    )


def _deferrable(word: int, instruction: Instruction) -> Instruction:
    instruction.defer = _bits(word, 21, 20)
    if instruction.defer > instruction.shadow:
        raise _invalid(word, f"defer[{instruction.defer}] with {instruction.shadow} slots")
    return instruction


def _one_register(word: int, four: bool, high_bit: int) -> tuple[Operand, int]:
    """The register and the immediate of a branch on a register."""
    a, b = _bits(word, 7, 0), _bits(word, 17, 10)
    if b & 0x20:
        if a & 0x20:
            raise _invalid(word, "two immediates")
        return _restricted(a, "a", four, word), _restricted(b, "b", four, word, high_bit=high_bit).number
    if not a & 0x20:
        raise _invalid(word, "no immediate")
    return _restricted(b, "b", four, word), _restricted(a, "a", four, word, high_bit=high_bit).number


def _branch_byte(word: int, four: bool) -> Instruction:
    register, value = _one_register(word, four, _bits(word, 18, 18))
    instruction = Instruction(
        "branch_byte",
        "=byte" if _bits(word, 19, 19) else "!=byte",
        left=register,
        value=value,
        parameter=_bits(word, 9, 8),
        target=_bits(word, 34, 22),
        shadow=3,
    )
    return _deferrable(word, instruction)


def _branch_bit(word: int, four: bool) -> Instruction:
    register, value = _one_register(word, four, 0)
    instruction = Instruction(
        "branch_bit",
        "bset" if _bits(word, 18, 18) else "bclr",
        left=register,
        parameter=(value - 1) % 32,
        target=_bits(word, 34, 22),
        shadow=3,
    )
    return _deferrable(word, instruction)


_CONDITIONS = {
    0: "eq", 1: "ne", 2: "mi", 3: "pl", 4: "cs", 5: "cc", 6: "vs", 7: "vc", 8: "ge", 9: "lt", 10: "le", 11: "gt",
    16: "=ctx", 17: "!=ctx", 18: "signal", 19: "!signal", 20: "inp_state", 21: "!inp_state", 24: "always",
}  # fmt: skip


def _branch(word: int) -> Instruction:
    condition = _CONDITIONS.get(_bits(word, 4, 0))
    if condition is None:
        raise _invalid(word, f"condition {_bits(word, 4, 0)}")
    if condition in ("signal", "!signal"):
        shadow = 3
    elif condition in ("=ctx", "!=ctx", "inp_state", "!inp_state", "always"):
        shadow = 2
    else:
        shadow = 2 if _bits(word, 9, 8) == 0 else 3
    instruction = Instruction(
        "branch", condition, target=_bits(word, 34, 22), parameter=_bits(word, 17, 14), shadow=shadow
    )
    return _deferrable(word, instruction)


def _ctx_arb(word: int) -> Instruction:
    instruction = Instruction(
        "ctx_arb",
        "halt" if _bits(word, 17, 17) else "",
        keep_mask=bool(_bits(word, 19, 19)),
        has_target=bool(_bits(word, 18, 18)),
        target=_bits(word, 34, 22),
        mask=_bits(word, 16, 0),
        shadow=2,
    )
    return _deferrable(word, instruction)


def _jump(word: int, four: bool) -> Instruction:
    a, b = _bits(word, 9, 0), _bits(word, 19, 10)
    if b >= 0x300:
        register, low = _unrestricted(a, "a", four, word), b & 0xFF
    elif a >= 0x300:
        register, low = _unrestricted(b, "b", four, word), a & 0xFF
    else:
        raise _invalid(word, "jump without an immediate")
    instruction = Instruction("jump", left=register, target=_bits(word, 26, 22) << 8 | low, shadow=3)
    return _deferrable(word, instruction)


def _immed(word: int, four: bool) -> Instruction:
    a, b = _bits(word, 9, 0), _bits(word, 19, 10)
    if b >= 0x300:
        low = b & 0xFF
        destination = NONE if a >= 0x300 else _unrestricted(a, "a", four, word, destination=True)
    elif a >= 0x300:
        low = a & 0xFF
        destination = _unrestricted(b, "b", four, word, destination=True)
    else:
        raise _invalid(word, "immed without an immediate")
    position = _bits(word, 34, 33)
    kind = _bits(word, 30, 29)
    if kind == 3 or (kind == 0 and position == 3) or (kind == 2 and position not in (0, 2)):
        raise _invalid(word, f"immed of type {kind} at position {position}")
    return Instruction(
        "immed",
        ("all", "byte", "word")[kind],
        destination=destination,
        value=_bits(word, 27, 20) << 8 | low,
        position=position,
        invert=bool(_bits(word, 31, 31)),
    )


def _mul_step(word: int, four: bool) -> Instruction:
    kind = _bits(word, 32, 31)
    step = _bits(word, 22, 20)
    a, b = _bits(word, 9, 0), _bits(word, 19, 10)
    if kind == 0:
        op = "start"
    elif step < 4:
        op = f"step{step + 1}"
    elif step < 6:
        op = "last" if step == 4 else "last2"
        bank = "b" if _bits(word, 23, 23) else "a"
        return Instruction("mul_step", op, destination=_unrestricted(a, bank, four, word, destination=True))
    else:
        raise _invalid(word, f"multiply step {step}")
    left, right = _unrestricted(a, "a", four, word), _unrestricted(b, "b", four, word)
    if _bits(word, 30, 30):
        left, right = right, left
    return Instruction("mul_step", op, left=left, right=right)


def _local_csr(word: int, four: bool) -> Instruction:
    csr = _bits(word, 32, 22) * 4
    if not _bits(word, 21, 21):
        return Instruction("csr_read", csr=csr)
    a, b = _bits(word, 9, 0), _bits(word, 19, 10)
    source = _unrestricted(b, "b", four, word) if a >= 0x300 and b < 0x300 else _unrestricted(a, "a", four, word)
    return Instruction("csr_write", csr=csr, left=source)


_ATOMICS = {2: "swap", 3: "set", 4: "clr", 5: "add", 6: "sub", 7: "incr", 8: "decr"}


def _command(word: int, four: bool) -> Instruction:
    """A command; ``count`` is in the unit's own data units: longwords, quadwords for DRAM, keys for hash."""
    unit_bits = _bits(word, 37, 36)
    code = _bits(word, 35, 32)
    instruction = Instruction(
        "command",
        indirect=bool(_bits(word, 38, 38)),
        signal=_bits(word, 31, 28),
        count=_bits(word, 27, 25) + 1,
        left=_restricted_lenient(word, _bits(word, 7, 0), "a", four),
        right=_restricted_lenient(word, _bits(word, 17, 10), "b", four),
    )
    swap_code = _bits(word, 9, 8)
    instruction.swap = swap_code != 3
    instruction.defer = swap_code if instruction.swap else 0
    instruction.shadow = 2
    token = _bits(word, 19, 18)
    if unit_bits == 0:
        _sram(word, instruction, code, token)
    elif unit_bits == 1:
        _scratch(word, instruction, code, token)
    elif unit_bits == 2 and 0x8 <= code <= 0xB:
        instruction.unit = "dram"
        instruction.op = ("read", "write", "rbuf_rd", "tbuf_wr")[code & 3]
        instruction.pulls = instruction.op in ("write", "rbuf_rd")
        instruction.returns_data = not instruction.pulls
        instruction.doubled = True
    elif unit_bits == 3 and code < 4:
        _cap(word, instruction, code)
        if instruction.op == "cap_fast_wr":
            return instruction
    elif unit_bits == 3 and code == 6:
        if token == 3 or not 1 <= _bits(word, 27, 25) <= 3:
            raise _invalid(word, "hash of no kind, or not of 1 to 3 keys")
        instruction.unit = "scratch"
        instruction.op = ("hash_48", "hash_64", "hash_128")[token]
        instruction.count = _bits(word, 27, 25)
        instruction.pulls = instruction.returns_data = True
    elif unit_bits == 3 and code >= 0xC and code <= 0xD:
        instruction.unit = "msf"
        instruction.op = "write" if code & 1 else "read"
        if token == 1:
            if instruction.op == "read":
                raise _invalid(word, "msf fast read")
            instruction.op = "fast_wr"
        elif token == 2:
            instruction.op += "64"
        elif token == 3:
            raise _invalid(word, "msf token 3")
        instruction.pulls = instruction.op.startswith("write")
        instruction.returns_data = instruction.op.startswith("read")
    elif unit_bits == 3 and code in (4, 5, 0xE, 0xF):
        return Instruction("not_modelled", "pci" if code < 6 else "reflector or computed cap address")
    else:
        raise _invalid(word, "no such command")
    if instruction.kind == "not_modelled":
        return instruction
    number = _bits(word, 24, 20)
    natural, other = ("dram", "sram") if instruction.unit == "dram" else ("sram", "dram")
    if four:
        instruction.transfer_kind, instruction.transfer = natural, number
    else:
        instruction.transfer_kind, instruction.transfer = (other if number & 16 else natural), number & 15
    if instruction.doubled and instruction.signal % 2:
        raise _invalid(word, f"doubled signal {instruction.signal} is odd")
    return instruction


def _restricted_lenient(word: int, code: int, port: str, four: bool) -> Operand:
    """An address operand; commands without address operands (hash, CAP) have other things in these bits."""
    if _bits(word, 37, 36) == 3 and (_bits(word, 35, 32) < 8 or (_bits(word, 35, 32) > 0xD and _bits(word, 19, 18))):
        return NONE
    return _restricted(code, port, four, word)


def _sram(word: int, instruction: Instruction, code: int, token: int) -> None:
    instruction.unit = "sram"
    if code < 2:
        _read_or_write(instruction, code)
    elif code in _ATOMICS and code != 6:
        _atomic(instruction, code, token & 1)
    elif code == 6:
        raise _invalid(word, "no such sram command")
    else:
        instruction.kind, instruction.op = "not_modelled", "SRAM rings, journals, Q_array and controller CSRs"


def _scratch(word: int, instruction: Instruction, code: int, token: int) -> None:
    instruction.unit = "scratch"
    if code < 2:
        _read_or_write(instruction, code)
    elif code in _ATOMICS:
        _atomic(instruction, code, token & 1)
    elif code == 9:
        instruction.op, instruction.returns_data = "get", True
    elif code == 10:
        instruction.op, instruction.pulls = "put", True
    else:
        raise _invalid(word, "no such scratch command")


def _read_or_write(instruction: Instruction, code: int) -> None:
    instruction.op = "write" if code else "read"
    instruction.pulls, instruction.returns_data = bool(code), not code


def _atomic(instruction: Instruction, code: int, test: int) -> None:
    instruction.op = _ATOMICS[code]
    instruction.count = 1
    instruction.returns_data = bool(test) or instruction.op == "swap"
    instruction.pulls = instruction.op not in ("incr", "decr")
    instruction.doubled = instruction.returns_data and instruction.pulls


def _cap(word: int, instruction: Instruction, code: int) -> None:
    instruction.unit = "scratch"
    instruction.csr = word >> 2 & 0xFF00 | word & 0xFF
    if not code & 2:
        instruction.op = "cap_write" if code & 1 else "cap_read"
        instruction.pulls, instruction.returns_data = bool(code & 1), not code & 1
        return
    instruction.op = "cap_fast_wr"
    instruction.signal = 0
    instruction.count = 1
    if code & 1:
        instruction.constants = {"data": _bits(word, 31, 18)}
    instruction.swap, instruction.defer = False, 0
