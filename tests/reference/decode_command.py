"""The decoder of command words."""

from __future__ import annotations

from .words import Instruction, bits, invalid, restricted

__all__ = ["decode_command"]

_ATOMICS = {2: "swap", 3: "set", 4: "clr", 5: "add", 6: "sub", 7: "incr", 8: "decr"}


def decode_command(word: int, *, four_contexts: bool) -> Instruction:
    """A command; ``count`` is in the unit's own data units: longwords, quadwords for DRAM, keys for hash."""
    unit_bits = bits(word, 37, 36)
    code = bits(word, 35, 32)
    token = bits(word, 19, 18)
    instruction = Instruction(
        "command",
        indirect=bool(bits(word, 38, 38)),
        signal=bits(word, 31, 28),
        count=bits(word, 27, 25) + 1,
    )
    swap_code = bits(word, 9, 8)
    instruction.swap = swap_code != 3
    instruction.defer = swap_code if instruction.swap else 0
    instruction.shadow = 2
    if unit_bits == 0:
        _sram(word, instruction, code, token)
    elif unit_bits == 1:
        _scratch(word, instruction, code, token)
    elif unit_bits == 2 and 0x8 <= code <= 0xB:
        instruction.unit = "dram"
        _moves(instruction, ("read", "write", "rbuf_rd", "tbuf_wr")[code & 3], write=code & 3 in (1, 2))
        instruction.doubled = True
    elif unit_bits == 3:
        _chassis(word, instruction, code, token)
    else:
        raise invalid(word, "no such command")
    if not instruction.holds_address:
        instruction.left = restricted(bits(word, 7, 0), "a", four_contexts, word)
        instruction.right = restricted(bits(word, 17, 10), "b", four_contexts, word)
    if instruction.op == "cap_fast_wr":
        return instruction
    number = bits(word, 24, 20)
    natural, other = ("dram", "sram") if instruction.unit == "dram" else ("sram", "dram")
    if four_contexts:
        instruction.transfer_kind, instruction.transfer = natural, number
    else:
        instruction.transfer_kind, instruction.transfer = (other if number & 16 else natural), number & 15
    if instruction.doubled and instruction.signal % 2:
        raise invalid(word, f"doubled signal {instruction.signal} is odd")
    return instruction


def _moves(instruction: Instruction, op: str, *, write: bool) -> None:
    """A command that either takes data from the ME or returns some."""
    instruction.op = op
    instruction.pulls, instruction.returns_data = write, not write


def _sram(word: int, instruction: Instruction, code: int, token: int) -> None:
    instruction.unit = "sram"
    low, high = token & 1, token >> 1
    if code < 2:
        _moves(instruction, "write" if code else "read", write=bool(code))
    elif code in _ATOMICS and code != 6:
        _atomic(instruction, code, low)
    elif code == 9:
        _moves(instruction, "get" if low else "put", write=not low)
    elif code == 10 and not low:
        _moves(instruction, "journal", write=True)
    elif code == 13:
        instruction.count = 1
        _moves(instruction, "csr_rd" if low else "csr_wr", write=not low)
    elif code == 11:
        instruction.count = 1
        _moves(instruction, "dequeue", write=False)
    elif code == 15 and token in (1, 2):
        _moves(instruction, "rd_qdesc_tail" if low else "rd_qdesc_head", write=False)
    else:  # nothing is pulled or pushed
        names = {
            10: "fast_journal",
            12: "enqueue_tail" if low else "enqueue",
            14: "wr_qdesc_count" if high else "wr_qdesc",
            15: "rd_qdesc_other" if token == 0 else "",
        }
        instruction.op = names.get(code, "")
        instruction.count = 1
        if not instruction.op:
            raise invalid(word, "no such sram command")


def _scratch(word: int, instruction: Instruction, code: int, token: int) -> None:
    instruction.unit = "scratch"
    if code < 2:
        _moves(instruction, "write" if code else "read", write=bool(code))
    elif code in _ATOMICS:
        _atomic(instruction, code, token & 1)
    elif code in (9, 10):
        _moves(instruction, "get" if code == 9 else "put", write=code == 10)
    else:
        raise invalid(word, "no such scratch command")


def _atomic(instruction: Instruction, code: int, test: int) -> None:
    instruction.op = _ATOMICS[code]
    instruction.count = 1
    instruction.returns_data = bool(test) or instruction.op == "swap"
    instruction.pulls = instruction.op not in ("incr", "decr")
    instruction.doubled = instruction.returns_data and instruction.pulls


def _chassis(word: int, instruction: Instruction, code: int, token: int) -> None:
    """CAP, PCI, hash, MSF and the reflector."""
    instruction.unit = "scratch"
    write = bool(code & 1)
    if code < 4:
        instruction.holds_address = True
        instruction.csr = _address_in_word(word)
        if code & 2:
            _fast_write(word, instruction, constant=write)
        else:
            _moves(instruction, "cap_write" if write else "cap_read", write=write)
    elif code in (4, 5):
        _moves(instruction, "pci_write" if write else "pci_read", write=write)
    elif code == 6:
        if token == 3 or not 1 <= bits(word, 27, 25) <= 3:
            raise invalid(word, "hash of no kind, or not of 1 to 3 keys")
        instruction.holds_address = True
        instruction.op = ("hash_48", "hash_64", "hash_128")[token]
        instruction.count = bits(word, 27, 25)
        instruction.pulls = instruction.returns_data = True
    elif code in (0xE, 0xF) and token == 0:
        _moves(instruction, "cap_write" if write else "cap_read", write=write)
    elif code in (0xE, 0xF):
        instruction.holds_address = True
        instruction.csr = _address_in_word(word)
        instruction.op = "reflect_write" if write else "reflect_read"
        instruction.pulls = instruction.returns_data = True
        instruction.signals_to = ("", "initiator", "remote", "both")[token]
    elif code in (0xC, 0xD):
        _msf(word, instruction, write, token)
    else:
        raise invalid(word, "no such command")


def _address_in_word(word: int) -> int:
    return word >> 2 & 0xFF00 | word & 0xFF


def _fast_write(word: int, instruction: Instruction, *, constant: bool) -> None:
    instruction.op = "cap_fast_wr"
    instruction.signal = 0
    instruction.count = 1
    if constant:
        instruction.constants = {"data": bits(word, 31, 18)}
    instruction.swap, instruction.defer = False, 0


def _msf(word: int, instruction: Instruction, write: bool, token: int) -> None:
    instruction.unit = "msf"
    if token == 3 or (token == 1 and not write):
        raise invalid(word, f"msf token {token}")
    if token == 1:
        instruction.op = "fast_wr"
        return
    _moves(instruction, ("write" if write else "read") + ("64" if token == 2 else ""), write=write)
