"""The decoder of 40-bit instruction words: a second opinion on the encoding, independent of ``ixp_emu.isa``.

Field numbers in the code are bit numbers of the word, bit 39 being the most significant one.
"""

from __future__ import annotations

from .decode_command import decode_command
from .word_table import NotAnInstruction, describe
from .words import NONE, Instruction, Operand, bits, invalid, restricted, unrestricted

__all__ = ["decode"]


def decode(word: int, *, four_contexts: bool) -> Instruction:
    """Decode one word; raises FaultError (kind ``invalid word``) for a word that is no instruction."""
    try:
        describe(word, four_contexts=four_contexts)
    except NotAnInstruction as error:
        raise invalid(word, str(error)) from None
    top = bits(word, 39, 32)
    if top < 0x80:
        return decode_command(word, four_contexts=four_contexts)
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
    raise invalid(word, "no such class")


_ALU_OPS = {
    0: "B", 1: "+", 3: "pop_count3", 4: "~B", 5: "+16", 6: "pop_count1", 7: "pop_count2", 8: "AND", 9: "+8",
    11: "cam_clear", 12: "~AND", 13: "-carry", 14: "ffs", 15: "cam_read_tag", 16: "AND~", 17: "+carry", 18: "crc",
    19: "cam_write", 20: "OR", 21: "-", 23: "cam_lookup", 24: "XOR", 25: "B-A", 27: "cam_write_state",
    31: "cam_read_state",
}  # fmt: skip


def _alu(word: int, four: bool) -> Instruction:
    op = _ALU_OPS.get(bits(word, 35, 31))
    if op is None:
        raise invalid(word, f"alu operation {bits(word, 35, 31)}")
    if op == "cam_clear":
        return Instruction("cam", op)
    swap = bits(word, 30, 30)
    codes = {"a": bits(word, 9, 0), "b": bits(word, 19, 10)}
    left_port, right_port = ("b", "a") if swap else ("a", "b")
    destination_code = bits(word, 29, 20)
    instruction = Instruction("alu", op)
    if op in ("cam_write", "cam_write_state"):
        instruction.value = destination_code & 0xF
    elif op not in ("pop_count1", "pop_count2"):
        bank = "b" if bits(word, 36, 36) else "a"
        instruction.destination = unrestricted(destination_code, bank, four, word, destination=True)
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
            raise invalid(word, f"crc control {control:#04x}")
        instruction.right = unrestricted(codes[right_port], right_port, four, word)
        return instruction
    if op == "cam_lookup":
        control = codes[right_port]
        instruction.kind = "cam"
        instruction.constants = {"lm_addr": control & 3, "value": control >> 2 & 3}
        if control & 3 == 3:
            raise invalid(word, "lm_addr0 and lm_addr1 together")
        instruction.left = unrestricted(codes[left_port], left_port, four, word)
        return instruction
    if op.startswith("cam"):
        instruction.kind = "cam"
        if op == "cam_write":
            instruction.left = unrestricted(codes[left_port], left_port, four, word)
        instruction.right = unrestricted(codes[right_port], right_port, four, word)
        return instruction
    instruction.left = unrestricted(codes[left_port], left_port, four, word)
    instruction.right = unrestricted(codes[right_port], right_port, four, word)
    return instruction


_SHIFTS = ("rotate", "right", "left", "double")


def _alu_shf(word: int, four: bool) -> Instruction:
    op = ("B", "~B", "AND", "~AND", "AND~", "OR", "asr", "byte_align")[bits(word, 35, 33)]
    high_bit = bits(word, 18, 18)
    a = restricted(bits(word, 7, 0), "a", four, word, high_bit=high_bit)
    b = restricted(bits(word, 17, 10), "b", four, word, high_bit=high_bit)
    left, right = (b, a) if bits(word, 19, 19) else (a, b)
    bank = "b" if bits(word, 36, 36) else "a"
    instruction = Instruction(
        "alu_shf",
        op,
        destination=restricted(bits(word, 27, 20), bank, four, word, destination=True),
        left=left,
        right=right,
        shift=_SHIFTS[bits(word, 9, 8)],
        amount=bits(word, 32, 28),
    )
    if op == "byte_align":
        if instruction.shift not in ("right", "left"):
            raise invalid(word, "byte_align of neither kind")
        instruction.op = "byte_align_be" if instruction.shift == "right" else "byte_align_le"
    elif op == "asr" and instruction.shift != "right":
        raise invalid(word, "asr that does not shift right")
    elif instruction.shift == "double" and op != "B":
        raise invalid(word, f"dbl_shf with operation {op}")
    return instruction


def _ld_field(word: int, four: bool) -> Instruction:
    high_bit = bits(word, 18, 18)
    swap = bits(word, 19, 19)
    codes = {"a": bits(word, 7, 0), "b": bits(word, 17, 10)}
    to, source = ("b", "a") if swap else ("a", "b")
    shift = _SHIFTS[bits(word, 9, 8)]
    if shift == "double":
        raise invalid(word, "double shift in ld_field")
    return Instruction(
        "ld_field",
        destination=restricted(codes[to], to, four, word, destination=True),
        right=restricted(codes[source], source, four, word, high_bit=high_bit),
        shift=shift,
        amount=bits(word, 32, 28),
        mask=bits(word, 27, 24),
        clear=bool(bits(word, 20, 20)),
        load_cc=bool(bits(word, 34, 34)),
    )


def _deferrable(word: int, instruction: Instruction) -> Instruction:
    instruction.defer = bits(word, 21, 20)
    if instruction.defer > instruction.shadow:
        raise invalid(word, f"defer[{instruction.defer}] with {instruction.shadow} slots")
    return instruction


def _one_register(word: int, four: bool, high_bit: int) -> tuple[Operand, int]:
    """The register and the immediate of a branch on a register."""
    a, b = bits(word, 7, 0), bits(word, 17, 10)
    if b & 0x20:
        if a & 0x20:
            raise invalid(word, "two immediates")
        return restricted(a, "a", four, word), restricted(b, "b", four, word, high_bit=high_bit).number
    if not a & 0x20:
        raise invalid(word, "no immediate")
    return restricted(b, "b", four, word), restricted(a, "a", four, word, high_bit=high_bit).number


def _branch_byte(word: int, four: bool) -> Instruction:
    register, value = _one_register(word, four, bits(word, 18, 18))
    instruction = Instruction(
        "branch_byte",
        "=byte" if bits(word, 19, 19) else "!=byte",
        left=register,
        value=value,
        parameter=bits(word, 9, 8),
        target=bits(word, 34, 22),
        shadow=3,
    )
    return _deferrable(word, instruction)


def _branch_bit(word: int, four: bool) -> Instruction:
    register, value = _one_register(word, four, 0)
    instruction = Instruction(
        "branch_bit",
        "bset" if bits(word, 18, 18) else "bclr",
        left=register,
        parameter=(value - 1) % 32,
        target=bits(word, 34, 22),
        shadow=3,
    )
    return _deferrable(word, instruction)


_CONDITIONS = {
    0: "eq", 1: "ne", 2: "mi", 3: "pl", 4: "cs", 5: "cc", 6: "vs", 7: "vc", 8: "ge", 9: "lt", 10: "le", 11: "gt",
    16: "=ctx", 17: "!=ctx", 18: "signal", 19: "!signal", 20: "inp_state", 21: "!inp_state", 24: "always",
}  # fmt: skip


def _branch(word: int) -> Instruction:
    condition = _CONDITIONS.get(bits(word, 4, 0))
    if condition is None:
        raise invalid(word, f"condition {bits(word, 4, 0)}")
    if condition in ("signal", "!signal"):
        shadow = 3
    elif condition in ("=ctx", "!=ctx", "inp_state", "!inp_state", "always"):
        shadow = 2
    else:
        shadow = 2 if bits(word, 9, 8) == 0 else 3
    instruction = Instruction(
        "branch", condition, target=bits(word, 34, 22), parameter=bits(word, 17, 14), shadow=shadow
    )
    return _deferrable(word, instruction)


def _ctx_arb(word: int) -> Instruction:
    instruction = Instruction(
        "ctx_arb",
        "halt" if bits(word, 17, 17) else "",
        keep_mask=bool(bits(word, 19, 19)),
        has_target=bool(bits(word, 18, 18)),
        target=bits(word, 34, 22),
        mask=bits(word, 16, 0),
        shadow=2,
    )
    return _deferrable(word, instruction)


def _jump(word: int, four: bool) -> Instruction:
    a, b = bits(word, 9, 0), bits(word, 19, 10)
    if b >= 0x300:
        register, low = unrestricted(a, "a", four, word), b & 0xFF
    elif a >= 0x300:
        register, low = unrestricted(b, "b", four, word), a & 0xFF
    else:
        raise invalid(word, "jump without an immediate")
    instruction = Instruction("jump", left=register, target=bits(word, 26, 22) << 8 | low, shadow=3)
    return _deferrable(word, instruction)


def _immed(word: int, four: bool) -> Instruction:
    a, b = bits(word, 9, 0), bits(word, 19, 10)
    if b >= 0x300:
        low = b & 0xFF
        destination = NONE if a >= 0x300 else unrestricted(a, "a", four, word, destination=True)
    elif a >= 0x300:
        low = a & 0xFF
        destination = unrestricted(b, "b", four, word, destination=True)
    else:
        raise invalid(word, "immed without an immediate")
    position = bits(word, 34, 33)
    kind = bits(word, 30, 29)
    if kind == 3 or (kind == 0 and position == 3) or (kind == 2 and position not in (0, 2)):
        raise invalid(word, f"immed of type {kind} at position {position}")
    return Instruction(
        "immed",
        ("all", "byte", "word")[kind],
        destination=destination,
        value=bits(word, 27, 20) << 8 | low,
        position=position,
        invert=bool(bits(word, 31, 31)),
    )


def _mul_step(word: int, four: bool) -> Instruction:
    kind = bits(word, 32, 31)
    step = bits(word, 22, 20)
    a, b = bits(word, 9, 0), bits(word, 19, 10)
    if kind == 0:
        op = "start"
    elif step < 4:
        op = f"step{step + 1}"
    elif step < 6:
        op = "last" if step == 4 else "last2"
        bank = "b" if bits(word, 23, 23) else "a"
        return Instruction("mul_step", op, destination=unrestricted(a, bank, four, word, destination=True))
    else:
        raise invalid(word, f"multiply step {step}")
    left, right = unrestricted(a, "a", four, word), unrestricted(b, "b", four, word)
    if bits(word, 30, 30):
        left, right = right, left
    return Instruction("mul_step", op, left=left, right=right)


def _local_csr(word: int, four: bool) -> Instruction:
    csr = bits(word, 32, 22) * 4
    if not bits(word, 21, 21):
        return Instruction("csr_read", csr=csr)
    a, b = bits(word, 9, 0), bits(word, 19, 10)
    source = unrestricted(b, "b", four, word) if a >= 0x300 and b < 0x300 else unrestricted(a, "a", four, word)
    return Instruction("csr_write", csr=csr, left=source)
