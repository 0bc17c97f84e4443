"""Which 40-bit words are instructions, and which: the rows of bits of isa.md section 3, letter by letter.

A second opinion on the encoding for every word, independent of ``ixp_emu.isa``: written from isa.md alone (section 3
for the fields, 1.1 for operands that exclude each other, 1.6 to 1.12 for the limits). ``describe`` gives name, operands
and fields of a word in plain texts and numbers, so that it can be compared with any other decoder.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["CLASSES", "NotAnInstruction", "describe"]


class NotAnInstruction(Exception):
    """A field has a value outside its table, or an unused bit is set."""


CLASSES = {
    # b, a: ports; d: destination; k: its bank; s: swap; i: bit 7 of a constant; t: address; f: defer
    "alu": "101 k ooooo s dddddddddd bbbbbbbbbb aaaaaaaaaa",
    "alu_shf": "100 k ooo mmmmm dddddddd s i bbbbbbbb cc aaaaaaaa",
    "ld_field": "11000 l 0 mmmmm nnnn 000 w s i bbbbbbbb cc aaaaaaaa",
    "br_byte": "11001 ttttttttttttt ff e i bbbbbbbb yy aaaaaaaa",
    "br_bset": "11010 ttttttttttttt ff 0 e bbbbbbbb 00 aaaaaaaa",
    "br": "11011 ttttttttttttt ff 00 pppp 0000 gg 000 nnnnn",
    "ctx_arb": "11100 ttttttttttttt ff k r h y sssssssssssssss v",
    "jump": "11101 00000000 hhhhh ff bbbbbbbbbb aaaaaaaaaa",
    "immed": "11110 pp 0 v yy 0 hhhhhhhh bbbbbbbbbb aaaaaaaaaa",
    "mul_step": "1111100 yy s 000000 k ppp bbbbbbbbbb aaaaaaaaaa",
    "local_csr": "1111110 rrrrrrrrrrr w 0 bbbbbbbbbb aaaaaaaaaa",
    "command": "0 i uu oooo gggg nnn xxxxx kk bbbbbbbb ww aaaaaaaa",
}
"""Class -> its 40 bits, bit 39 first: 0 and 1 as they are, letters are fields."""

_Fields = dict[str, int]


def _compile(pattern: str) -> tuple[int, int, dict[str, tuple[int, int]]]:
    digits = pattern.replace(" ", "")
    assert len(digits) == 40, pattern
    fixed = int("".join("1" if digit in "01" else "0" for digit in digits), 2)
    value = int(digits.translate({ord(digit): "0" for digit in set(digits) - {"1"}}), 2)
    fields = {}
    for letter in sorted(set(digits) - {"0", "1"}):
        first, last = digits.index(letter), digits.rindex(letter)
        assert digits[first : last + 1] == letter * (last - first + 1), pattern
        fields[letter] = (39 - last, (1 << (last - first + 1)) - 1)
    return fixed, value, fields


_ROWS = {name: _compile(pattern) for name, pattern in CLASSES.items()}


def _need(condition: bool, why: str) -> None:
    if not condition:
        raise NotAnInstruction(why)


# --- operands (3.2, 1.1) ----------------------------------------------------------------------------------------------

_STEPS = {0: "", 2: "++", 4: "--"}
_NONE = "--"


def _register(code: int, bank: str, four: bool, *, wide: bool) -> str:
    """Text of a register code of 10 (``wide``) or 8 bits."""
    numbers = 32 if four else 16
    if code < 0x20:
        _need(code < numbers, "a context has fewer registers")
        return f"{bank}{code}"
    if wide:
        if 0x080 <= code <= 0x0FF:
            return f"@{bank}{code - 0x080}"
        if code >> 3 == 0x100 >> 3 and code & 7 in _STEPS:
            return "*$$index" + _STEPS[code & 7]
        if code >> 3 == 0x140 >> 3 and code & 7 in _STEPS:
            return "*$index" + _STEPS[code & 7]
        for base, prefix in ((0x180, "$"), (0x1C0, "$$"), (0x280, "n$")):
            if base <= code < base + numbers:
                return f"{prefix}{code - base}"
        for base, index in ((0x200, 0), (0x220, 1)):
            if base <= code <= base + 0xF:
                return f"*l$index{index}" + (f"[{code - base}]" if code > base else "")
            if code in (base + 0x10, base + 0x11):
                return f"*l$index{index}" + ("++" if code == base + 0x10 else "--")
        if code in (0x241, 0x243):
            return "*n$index" + ("++" if code == 0x243 else "")
    else:
        for base, name in ((0x40, "*$index"), (0x48, "*$$index")):
            if code - base in _STEPS:
                return name + _STEPS[code - base]
        if code in (0x41, 0x43):
            return "*n$index" + ("++" if code == 0x43 else "")
        for base, index in ((0x50, 0), (0x58, 1)):
            if base <= code < base + 8:
                return f"*l$index{index}" + (f"[{code - base}]" if code > base else "")
        for base, prefix in ((0x80, "$"), (0xC0, "$$")):
            if base <= code < base + numbers:
                return f"{prefix}{code - base}"
    raise NotAnInstruction(f"operand code {code:#x}")


def _is_constant(code: int, *, wide: bool) -> bool:
    return code >= 0x300 if wide else bool(code & 0x20)


def _constant(code: int, *, wide: bool, high: int = 0) -> int:
    return code & 0xFF if wide else high << 7 | (code & 0xC0) >> 1 | code & 0x1F


def _destination(code: int, bank_b: int, four: bool, *, wide: bool) -> str:
    if code == (0x300 if wide else 0x20):
        _need(not bank_b, "no register has no bank")
        return _NONE
    text = _register(code, "b" if bank_b else "a", four, wide=wide)
    _need(text != "*n$index", "the neighbour's ring is written with ++ only")
    _need(not bank_b or text.lstrip("@")[0] == "b", "only a general register has a bank")
    return text


def _file(operand: str | int) -> str:
    """What two sources may not share: transfer and neighbour registers, local memory, constants."""
    if isinstance(operand, int):
        return "constant"
    for prefix in ("*l$", "*$$", "*$", "*n$"):
        if operand.startswith(prefix):
            return prefix[1:]
    for prefix in ("$$", "$", "n$"):
        if operand.startswith(prefix):
            return prefix
    return ""


class _Ports:
    """The two port codes of a word, with what the class says about them."""

    def __init__(self, fields: _Fields, four: bool, *, wide: bool) -> None:
        self.codes = {"a": fields["a"], "b": fields["b"]}
        self.four, self.wide = four, wide
        self.high = fields.get("i", 0)
        self.swap = fields.get("s", 0)
        self.left, self.right = ("b", "a") if self.swap else ("a", "b")
        self.used_high = False

    def source(self, port: str, *, constant: bool = True) -> str | int:
        code = self.codes[port]
        if _is_constant(code, wide=self.wide):
            _need(constant, "a register must stand there")
            self.used_high = True
            return _constant(code, wide=self.wide, high=self.high)
        return _register(code, port, self.four, wide=self.wide)

    def absent(self, port: str) -> bool:
        """Whether no operand stands there: 0 in A, 0x300 in B; 0 in both for the restricted form."""
        return self.codes[port] == (0x300 if self.wide and port == "b" else 0)

    def nothing(self, port: str) -> None:
        _need(self.absent(port), f"port {port} must be empty")

    def control(self, port: str) -> int:
        _need(_is_constant(self.codes[port], wide=self.wide), "a control constant must stand there")
        return _constant(self.codes[port], wide=self.wide)

    def pair(self, *, left_optional: bool = False) -> dict[str, Any]:
        left: str | int = _NONE if left_optional and self.absent(self.left) else self.source(self.left)
        right = self.source(self.right)
        _exclude(left, right)
        return {"left": left, "right": right}

    def finish(self) -> None:
        _need(not self.high or self.used_high, "bit 7 of a constant that is not there")


def _exclude(first: str | int, second: str | int) -> None:
    file = _file(first)
    _need(not file or file != _file(second), f"two sources of {file}")


# --- classes (3.3) ----------------------------------------------------------------------------------------------------

_ALU = {
    0: "b", 1: "add", 4: "not_b", 5: "add_16", 8: "and", 9: "add_8", 12: "not_and", 13: "sub_carry", 16: "and_not",
    17: "add_carry", 20: "or", 21: "sub", 24: "xor", 25: "b_sub_a",
}  # fmt: skip
_ONE_SOURCE = {3: "pop_count3", 14: "ffs", 15: "cam_read_tag", 31: "cam_read_state"}
_CRC_TYPES = (0, 2, 4, 5, 6, 7)


def _alu(word: _Fields, four: bool) -> dict[str, Any]:
    op = word["o"]
    ports = _Ports(word, four, wide=True)
    found: dict[str, Any] = {"swap": ports.swap}
    if op == 11:
        rest = (word["k"], word["s"], word["d"], word["a"], word["b"])
        _need(rest == (0, 0, 0x300, 0, 0), "cam_clear has no operands")
        return {"name": "cam_clear"}
    if op in (19, 27):
        _need(word["k"] == 0 and word["d"] & 0x3F0 == 0x300, "the state stands in the destination")
        found["cam_state"] = word["d"] & 15
        if op == 27:
            ports.nothing(ports.left)
            return found | {"name": "cam_write_state", "entry": ports.source(ports.right)}
        tag, entry = ports.source(ports.left), ports.source(ports.right)
        _need(isinstance(tag, int) or isinstance(entry, int) or _file(tag) != _file(entry) or not _file(tag), "files")
        return found | {"name": "cam_write", "tag": tag, "entry": entry}
    destination = _destination(word["d"], word["k"], four, wide=True)
    if op in (6, 7):
        _need(destination == _NONE, "pop_count1 and 2 have no destination")
        ports.nothing(ports.left)
        return found | {"name": f"pop_count{op - 5}", "source": ports.source(ports.right)}
    found["dst"] = destination
    if op in _ALU:
        return found | {"name": f"alu.{_ALU[op]}"} | ports.pair(left_optional=op in (0, 4))
    if op in _ONE_SOURCE:
        ports.nothing(ports.left)
        role = "entry" if op > 14 else "source"
        return found | {"name": _ONE_SOURCE[op], role: ports.source(ports.right)}
    if op == 18:
        control = ports.control(ports.left)
        _need(control >> 5 in _CRC_TYPES and control & 7 < 7, f"crc control {control:#x}")
        found |= {"crc_type": control >> 5, "crc_bytes": control & 7, "bit_swap": control >> 4 & 1}
        source = ports.source(ports.right, constant=False)
        return found | {"name": "crc_le" if control & 8 else "crc_be", "source": source}
    if op == 23:
        control = ports.control(ports.right)
        _need(control == 0 or (control < 16 and control & 3 in (1, 2)), f"lm_addr control {control:#x}")
        if control:
            found["lm_addr"] = ((control & 3) - 1, control >> 2)
        return found | {"name": "cam_lookup", "key": ports.source(ports.left)}
    raise NotAnInstruction(f"alu operation {op}")


def _shift(kind: int, amount: int) -> str | None:
    """Text of a shift, None for none: a rotation by 0."""
    if kind == 0:
        return f">>rot{amount}" if amount else None
    _need(kind != 3, "a double shift in another instruction")
    if amount == 0:
        return ("", ">>indirect", "<<indirect")[kind]
    return f">>{amount}" if kind == 1 else f"<<{32 - amount}"


def _alu_shf(word: _Fields, four: bool) -> dict[str, Any]:
    op, kind, amount = word["o"], word["c"], word["m"]
    ports = _Ports(word, four, wide=False)
    found: dict[str, Any] = {"swap": ports.swap, "dst": _destination(word["d"], word["k"], four, wide=False)}
    if op == 7:
        _need(kind in (1, 2) and amount == 0, "byte_align of neither order")
        there, empty = (ports.right, ports.left) if kind == 1 else (ports.left, ports.right)
        ports.nothing(empty)
        found |= {"name": "byte_align_be" if kind == 1 else "byte_align_le", "source": ports.source(there)}
    elif op == 6:
        _need(kind == 1, "asr shifts right")
        ports.nothing(ports.left)
        found |= {"name": "asr", "source": ports.source(ports.right), "shift": _shift(1, amount)}
    elif kind == 3:
        _need(op == 0, "a double shift has operation 0")
        found |= {"name": "dbl_shf", "shift": _shift(1, amount)} | ports.pair()
    else:
        name = ("b", "not_b", "and", "not_and", "and_not", "or")[op]
        found |= {"name": f"alu_shf.{name}", "shift": _shift(kind, amount)} | ports.pair(left_optional=op < 2)
    ports.finish()
    return found


def _ld_field(word: _Fields, four: bool) -> dict[str, Any]:
    ports = _Ports(word, four, wide=False)
    code = ports.codes[ports.left]
    found = {
        "name": "ld_field_w_clr" if word["w"] else "ld_field",
        "swap": ports.swap,
        "dst": _NONE if code == 0x20 else _register(code, ports.left, four, wide=False),
        "source": ports.source(ports.right),
        "mask": word["n"],
        "load_cc": word["l"],
        "shift": _shift(word["c"], word["m"]),
    }
    _need(found["dst"] != "*n$index", "the neighbour's ring is written with ++ only")
    ports.finish()
    return found


def _one_register(ports: _Ports) -> tuple[str, int, int]:
    """(register, constant, whether the register is in B): the constant is in B if both could be one."""
    in_b = not _is_constant(ports.codes["b"], wide=ports.wide)
    register, other = ("b", "a") if in_b else ("a", "b")
    text = ports.source(register, constant=False)
    _need(_is_constant(ports.codes[other], wide=ports.wide), "a constant must stand in the other port")
    ports.used_high = True
    assert isinstance(text, str)
    return text, _constant(ports.codes[other], wide=ports.wide, high=ports.high), int(in_b)


def _flow(word: _Fields, most: int) -> dict[str, Any]:
    _need(word["f"] <= most, f"defer[{word['f']}]")
    return {"defer": word["f"]} | ({"target": word["t"]} if "t" in word else {})


def _br_byte(word: _Fields, four: bool) -> dict[str, Any]:
    register, value, swap = _one_register(_Ports(word, four, wide=False))
    found = {"name": "br.byte" if word["e"] else "br.not_byte", "register": register, "value": value, "swap": swap}
    return found | {"byte": word["y"]} | _flow(word, 3)


def _br_bset(word: _Fields, four: bool) -> dict[str, Any]:
    register, value, swap = _one_register(_Ports(word, four, wide=False))
    _need(value < 32, "a bit number has five bits")
    found = {"name": "br.bit_set" if word["e"] else "br.bit_clr", "register": register, "swap": swap}
    return found | {"bit": (value + 31) % 32} | _flow(word, 3)


_CONDITIONS = ("eq", "ne", "mi", "pl", "cs", "cc", "vs", "vc", "ge", "lt", "le", "gt")


def _br(word: _Fields, four: bool) -> dict[str, Any]:
    condition, parameter, stage = word["n"], word["p"], word["g"]
    if condition < 12:
        _need(parameter == 0 and stage < 2, "stage 0 or 1, no parameter")
        # a branch of stage 0 has one slot less in its shadow (2.4)
        return {"name": f"br.{_CONDITIONS[condition]}", "stage": stage} | _flow(word, 2 + stage)
    inverted = "not_" if condition & 1 else ""
    if condition in (16, 17):
        _need(parameter < 8 and stage == 0, "context 0 to 7, stage 0")
        return {"name": f"br.{inverted}context", "context": parameter} | _flow(word, 2)
    if condition in (18, 19):
        _need(parameter > 0 and stage == 2, "signal 1 to 15, stage 2")
        return {"name": f"br.{inverted}signal", "signal": parameter} | _flow(word, 3)
    if condition in (20, 21):
        _need(stage == 2, "stage 2")
        return {"name": f"br.{inverted}input_state", "input_state": parameter} | _flow(word, 2)
    _need(condition == 24 and parameter == 0 and stage == 0, f"condition {condition}")
    return {"name": "br.always"} | _flow(word, 2)


def _ctx_arb(word: _Fields, four: bool) -> dict[str, Any]:
    signals = tuple(number for number in range(1, 16) if word["s"] >> number - 1 & 1)
    rest = (word["k"], word["h"], word["v"])
    resumes = {"target": word["t"]} if word["r"] else {}
    _need(bool(word["r"]) or not word["t"], "an address without br[]")
    _need(word["f"] <= 2, "defer[3]")
    found = resumes | {"defer": word["f"]}
    if rest == (0, 0, 0) and signals:
        return found | {"name": "ctx_arb", "signals": signals, "any": word["y"]}
    _need(not signals, "signals and another request")
    if rest == (1, 0, 0):
        return found | {"name": "ctx_arb.keep", "any": word["y"]}
    if rest == (0, 0, 1):
        _need(not word["y"], "any of nothing")
        return found | {"name": "ctx_arb.voluntary"}
    _need(not word["r"] and not word["f"], "kill and bpt end the context")
    if rest == (0, 0, 0) and word["y"]:
        return {"name": "ctx_arb.kill"}
    _need(rest == (0, 1, 0) and not word["y"], "no request")
    return {"name": "ctx_arb.bpt"}


def _jump(word: _Fields, four: bool) -> dict[str, Any]:
    register, low, swap = _one_register(_Ports(word, four, wide=True))
    return {"name": "jump", "register": register, "base": word["h"] << 8 | low, "swap": swap} | _flow(word, 3)


def _immed(word: _Fields, four: bool) -> dict[str, Any]:
    ports = _Ports(word, four, wide=True)
    in_b = not _is_constant(ports.codes["b"], wide=True)
    to, other = ("b", "a") if in_b else ("a", "b")
    _need(_is_constant(ports.codes[other], wide=True), "a constant must stand in one port")
    code = ports.codes[to]
    destination = _NONE if code == 0x300 else _register(code, to, four, wide=True)
    _need(destination != "*n$index", "the neighbour's ring is written with ++ only")
    position, value = word["p"], word["h"] << 8 | ports.codes[other] & 0xFF
    found = {"dst": destination, "swap": int(in_b), "invert": word["v"], "value": value}
    if word["y"] == 0:
        _need(position < 3, "position 0 to 2")
        return found | {"name": "immed", "shift": f"<<{8 * position}" if position else None}
    if word["y"] == 1:
        _need(value < 256, "a byte")
        return found | {"name": f"immed_b{position}"}
    _need(word["y"] == 2 and position in (0, 2), "a half word")
    return found | {"name": f"immed_w{position // 2}"}


_STEPS_OF = {1: ("24x8", 1, (4,)), 2: ("16x16", 2, (4, 5)), 3: ("32x32", 4, (4, 5))}


def _mul_step(word: _Fields, four: bool) -> dict[str, Any]:
    ports = _Ports(word, four, wide=True)
    step = word["p"]
    if word["y"] == 0:
        _need(step == 0 and not word["k"], "start has no step and no destination")
        return {"name": "mul_step.start", "swap": ports.swap} | ports.pair()
    kind, steps, last = _STEPS_OF[word["y"]]
    if step < steps:
        _need(not word["k"], "a step has no destination")
        return {"name": f"mul_step.{kind}_step{step + 1}", "swap": ports.swap} | ports.pair()
    _need(step in last and not ports.swap and ports.codes["b"] == 0x300, f"step {step} of {kind}")
    suffix = "last" if step == 4 else "last2"
    return {"name": f"mul_step.{kind}_{suffix}", "dst": _destination(word["a"], word["k"], four, wide=True)}


_LOCAL_CSRS = frozenset(
    (
        *range(0x000, 0x024, 4),
        *range(0x040, 0x088, 4),
        *(0x0C0, 0x0C4, 0x0E0, 0x0E4, 0x0E8, 0x0EC, 0x0F4, 0x100, 0x104, 0x108, 0x140, 0x144, 0x148, 0x180),
    )
)


def _local_csr(word: _Fields, four: bool) -> dict[str, Any]:
    csr = 4 * word["r"]
    _need(csr in _LOCAL_CSRS, f"no local CSR at {csr:#x}")
    a, b = word["a"], word["b"]
    if not word["w"]:
        _need((a, b) == (0, 0x300), "a read has no operand")
        return {"name": "local_csr_rd", "csr": csr}
    found: dict[str, Any] = {"name": "local_csr_wr", "csr": csr, "swap": 0}
    if a >= 0x300 and a == b:
        return found | {"source": a & 0xFF}
    if a == 0x300:
        return found | {"source": _register(b, "b", four, wide=True), "swap": 1}
    _need(b == 0x300, "0x300 beside the source")
    return found | {"source": _register(a, "a", four, wide=True)}


# --- commands (3.3, 1.12) ---------------------------------------------------------------------------------------------

# name: (operation code, token bits 19:18, flags). Flags: x transfer register, n count, D doubled signal, e
# ignore_data_error in bit 19
_MEMORY = {
    "swap": (2, 0, "xD"), "set": (3, 0, "x"), "clr": (4, 0, "x"), "add": (5, 0, "x"), "sub": (6, 0, "x"),
    "incr": (7, 0, ""), "decr": (8, 0, ""), "test_and_set": (3, 1, "xD"), "test_and_clr": (4, 1, "xD"),
    "test_and_add": (5, 1, "xD"), "test_and_sub": (6, 1, "xD"), "test_and_incr": (7, 1, "x"),
    "test_and_decr": (8, 1, "x"),
}  # fmt: skip
_SCRATCH = _MEMORY | {"read": (0, 0, "xn"), "write": (1, 0, "xn"), "get": (9, 0, "xn"), "put": (10, 0, "xn")}
_SRAM = {name: row for name, row in _MEMORY.items() if not name.endswith("sub")} | {
    "read": (0, 0, "xne"), "write": (1, 0, "xne"), "put": (9, 0, "xn"), "get": (9, 1, "xn"),
    "journal": (10, 0, "xn"), "fast_journal": (10, 1, ""), "dequeue": (11, 0, "x"), "enqueue": (12, 0, ""),
    "enqueue_tail": (12, 1, ""), "csr_wr": (13, 0, "x"), "csr_rd": (13, 1, "x"), "wr_qdesc": (14, 0, ""),
    "wr_qdesc_count": (14, 2, ""), "rd_qdesc_other": (15, 0, ""), "rd_qdesc_tail": (15, 1, "xn"),
    "rd_qdesc_head": (15, 2, "xn"),
}  # fmt: skip
_DRAM = {"read": (8, 0, "xnDe"), "write": (9, 0, "xnDe"), "rbuf_rd": (10, 0, "nDe"), "tbuf_wr": (11, 0, "nDe")}
_OTHERS = {
    "pci.read": (4, 0, "xn"), "pci.write": (5, 0, "xn"), "msf.read": (12, 0, "xn"), "msf.write": (13, 0, "xn"),
    "msf.read64": (12, 2, "xn"), "msf.write64": (13, 2, "xn"), "cap.read_computed": (14, 0, "xn"),
    "cap.write_computed": (15, 0, "xn"),
}  # fmt: skip
_COMMANDS = {
    (unit, code, token): (name, flags)
    for unit, prefix, rows in ((0, "sram.", _SRAM), (1, "scratch.", _SCRATCH), (2, "dram.", _DRAM), (3, "", _OTHERS))
    for name, (code, token, flags) in ((prefix + name, row) for name, row in rows.items())
}
_REFLECTOR_SIGNALS = {1: "sig_initiator", 2: "sig_remote", 3: "sig_both"}


def _command(word: _Fields, four: bool) -> dict[str, Any]:
    unit, code, token = word["u"], word["o"], word["k"]
    found: dict[str, Any] = {"indirect_ref": word["i"]}
    if (unit, code) == (3, 6):
        _need(token < 3 and 1 <= word["n"] <= 3 and word["a"] == word["b"] == 0, "hash: 48, 64, 128; 1 to 3 keys")
        found |= {"name": f"hash_{(48, 64, 128)[token]}", "count": word["n"]}
        return found | _signal(word, doubled=False) | _transfer(word, four, natural="$")
    if unit == 3 and code < 4:
        return found | _cap(word, four)
    if unit == 3 and code >= 14 and token:
        address = word["b"] << 8 | word["a"]
        _need(address & 0x8003 == 0, "a remote register is a longword of a microengine")
        remote = {"remote": (address >> 10, address >> 7 & 7), "remote_xfer": address >> 2 & 31}
        name = f"cap.{'write' if code & 1 else 'read'}_reflect.{_REFLECTOR_SIGNALS[token]}"
        found |= remote | {"name": name, "count": word["n"] + 1}
        return found | _signal(word, doubled=False) | _transfer(word, four, natural="$")
    ports = _Ports({"a": word["a"], "b": word["b"]}, four, wide=False)
    first, second = ports.source("a"), ports.source("b")
    if not (isinstance(first, int) and isinstance(second, int)):
        _exclude(first, second)
    found |= {"address1": first, "address2": second}
    if (unit, code, token) == (3, 13, 1):
        _need((word["g"], word["n"], word["x"], word["w"]) == (0, 0, 0, 3), "fast_wr has no signal, count or register")
        return found | {"name": "msf.fast_wr"}
    may_ignore = "e" in _COMMANDS.get((unit, code, 0), ("", ""))[1]
    found["ignore_data_error"] = token >> 1 if may_ignore else 0
    row = _COMMANDS.get((unit, code, token & 1 if may_ignore else token))
    if row is None:
        raise NotAnInstruction("no such command")
    name, flags = row
    found |= {"name": name} | _signal(word, doubled="D" in flags)
    if "x" in flags:
        found |= _transfer(word, four, natural="$$" if unit == 2 else "$")
    else:
        _need(word["x"] == 0, "no transfer register")
    if "n" in flags:
        return found | {"count": word["n"] + 1}
    _need(word["n"] == 0, "no count")
    return found


def _signal(word: _Fields, *, doubled: bool) -> dict[str, Any]:
    number, code = word["g"], word["w"]
    if code == 3 and number == 0:
        return {"signal_action": "none"}
    _need(number > 0, "ctx_swap without a signal")
    _need(not doubled or number % 2 == 0, "a doubled signal is even")
    return {
        "signal": number,
        "signal_action": "sig_done" if code == 3 else "ctx_swap",
        "defer": code if code < 3 else 0,
    }


def _transfer(word: _Fields, four: bool, *, natural: str) -> dict[str, Any]:
    number = word["x"]
    if four or number < 16:
        return {"xfer": f"{natural}{number}"}
    return {"xfer": f"{'$' if natural == '$$' else '$$'}{number - 16}"}


def _cap(word: _Fields, four: bool) -> dict[str, Any]:
    csr = {"csr": word["b"] << 8 | word["a"]}
    data = word["g"] << 10 | word["n"] << 7 | word["x"] << 2 | word["k"]
    if word["o"] & 2:
        _need(word["w"] == 3, "fast_wr has no signal")
        if word["o"] & 1:
            return csr | {"name": "cap.fast_wr", "data": data}
        _need(data == 0, "the data is the previous result")
        return csr | {"name": "cap.fast_wr_alu"}
    _need(word["k"] == 0, "no token")
    name = "cap.write" if word["o"] & 1 else "cap.read"
    return (
        csr | {"name": name, "count": word["n"] + 1} | _signal(word, doubled=False) | _transfer(word, four, natural="$")
    )


_DECODERS: dict[str, Callable[[_Fields, bool], dict[str, Any]]] = {
    "alu": _alu,
    "alu_shf": _alu_shf,
    "ld_field": _ld_field,
    "br_byte": _br_byte,
    "br_bset": _br_bset,
    "br": _br,
    "ctx_arb": _ctx_arb,
    "jump": _jump,
    "immed": _immed,
    "mul_step": _mul_step,
    "local_csr": _local_csr,
    "command": _command,
}


def describe(word: int, *, four_contexts: bool) -> dict[str, Any]:
    """Name, operands (registers as texts, constants as numbers) and fields of a word; those that are 0 or None are left
    out, but for constants and targets.

    Raises:
        NotAnInstruction: the word is none.
    """
    if not 0 <= word < 1 << 40:
        raise NotAnInstruction("a word has 40 bits")
    for name, (fixed, value, fields) in _ROWS.items():
        if word & fixed == value:
            found = _DECODERS[name](
                {letter: word >> low & mask for letter, (low, mask) in fields.items()}, four_contexts
            )
            return {key: item for key, item in found.items() if key in _KEPT or item not in (0, None)}
    raise NotAnInstruction("no class has these bits")


_KEPT = frozenset(
    ("left", "right", "source", "key", "entry", "tag", "value", "base", "target", "address1", "address2", "remote_xfer")
)
