"""Random ME programs that exercise private instructions, every memory and contention, for two models to agree on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from ixp_emu.assembler import assemble, parse
from tests.chip.random_features import Features

__all__ = ["random_program", "random_source"]

_ALU = ("+", "-", "B-A", "AND", "OR", "XOR", "~AND", "AND~", "+16", "+8", "+carry", "-carry")
_SHF = ("AND", "OR", "~AND", "AND~")
_CONDITIONS = ("beq", "bne", "bmi", "bpl", "bcs", "bcc", "bvs", "bvc", "bge", "blt", "bgt", "ble")
_CSRS = ("TIMESTAMP_LOW", "PROFILE_COUNT", "ACTIVE_CTX_STS", "ACTIVE_LM_ADDR_0", "T_INDEX", "CRC_REMAINDER")

_HEAD = """
.areg a0 1
.areg a1 2
.areg a2 3
.areg a3 4
.breg b0 1
.breg b1 2
.breg b2 3
.breg b3 4
.areg n 5
.areg addr 6
.breg own 6
.breg tmp 7
.areg ctx 7
.areg keep 8
.reg $x0 $x1 $x2 $x3 $x4 $x5 $x6 $x7
.reg $$d0 $$d1 $$d2 $$d3 $$d4 $$d5 $$d6 $$d7
.xfer_order $x0 $x1 $x2 $x3 $x4 $x5 $x6 $x7
.xfer_order $$d0 $$d1 $$d2 $$d3 $$d4 $$d5 $$d6 $$d7
.sig s1 s2 ds ft r14
.set a0 a1 a2 a3 b0 b1 b2 b3 addr own tmp ctx keep
.addr s1 1
.addr s2 2
.addr ds 4
.addr ft 8
.addr r14 14
local_csr_rd[ACTIVE_CTX_STS]
immed[ctx, 0]
alu_shf[own, --, B, ctx, <<6]
local_csr_wr[ACTIVE_LM_ADDR_0, own]
local_csr_wr[ACTIVE_LM_ADDR_1, own]
alu[$x0, own, OR, 3]
alu[$$d0, own, OR, 5]
immed[addr, 0]
"""


class _Generator(Features):
    def __init__(self, seed: int, *, peers: Sequence[int], four_contexts: bool) -> None:
        self.random = random.Random(seed)
        self.peers = peers
        self.four_contexts = four_contexts
        self.lines: list[str] = []
        self.labels = 0
        self.no_branch = 0

    def emit(self, line: str) -> None:
        self.lines.append(line)

    def label(self) -> str:
        self.labels += 1
        return f"skip{self.labels}"

    def a(self) -> str:
        return self.random.choice(("a0", "a1", "a2", "a3"))

    def b(self) -> str:
        return self.random.choice(("b0", "b1", "b2", "b3"))

    def any(self) -> str:
        return self.random.choice((self.a(), self.b()))

    def source(self) -> str:
        """A right operand that never shares bank A."""
        roll = self.random.random()
        if roll < 0.6:
            return self.b()
        if roll < 0.75:
            return str(self.random.randrange(256))
        if roll < 0.85:
            return f"$x{self.random.randrange(8)}"
        return f"$$d{self.random.randrange(8)}"

    def destination(self) -> str:
        roll = self.random.random()
        if roll < 0.7:
            return self.any()
        if roll < 0.8:
            return f"$x{self.random.randrange(8)}"
        if roll < 0.9:
            return f"$$d{self.random.randrange(8)}"
        return "--"

    def alu(self) -> None:
        roll = self.random.random()
        if roll < 0.5:
            op = self.random.choice(_ALU)
            self.emit(f"alu[{self.destination()}, {self.a()}, {op}, {self.source()}]")
        elif roll < 0.7:
            shift = self.random.choice(("<<", ">>", ">>rot"))
            amount = self.random.randrange(1, 32)
            op = self.random.choice(_SHF)
            self.emit(f"alu_shf[{self.any()}, {self.a()}, {op}, {self.b()}, {shift}{amount}]")
        elif roll < 0.75:
            self.emit(f"alu[--, {self.a()}, OR, {self.b()}]")
            self.emit(f"alu_shf[{self.any()}, --, B, {self.b()}, {self.random.choice(('<<', '>>'))}indirect]")
        elif roll < 0.85:
            shift = self.random.choice(("", ", <<8", ", <<16"))
            self.emit(f"immed[{self.any()}, {self.random.randrange(65536)}{shift}]")
        elif roll < 0.9:
            mask = format(self.random.randrange(1, 16), "04b")
            name = self.random.choice(("ld_field", "ld_field_w_clr"))
            self.emit(f"{name}[{self.a()}, {mask}, {self.b()}, <<{self.random.randrange(1, 32)}], load_cc")
        elif roll < 0.95:
            self.emit(f"immed_w{self.random.randrange(2)}[{self.any()}, {self.random.randrange(65536)}]")
        else:
            self.emit(f"dbl_shf[{self.any()}, {self.a()}, {self.b()}, >>{self.random.randrange(1, 32)}]")

    def branch(self) -> None:
        label = self.label()
        roll = self.random.random()
        if roll < 0.5:
            head, limit = f"{self.random.choice(_CONDITIONS)}[{label}#]", 3
        elif roll < 0.65:
            name = self.random.choice(("br_bset", "br_bclr"))
            head, limit = f"{name}[{self.any()}, {self.random.randrange(32)}, {label}#]", 3
        elif roll < 0.75:
            name = self.random.choice(("br=byte", "br!=byte"))
            byte = self.random.randrange(4)
            head, limit = f"{name}[{self.any()}, {byte}, {self.random.randrange(256)}, {label}#]", 3
        elif roll < 0.85:
            head, limit = f"br!=ctx[{self.random.randrange(8)}, {label}#]", 2
        elif roll < 0.9:
            head, limit = f"br[{label}#]", 2
        else:
            name = self.random.choice(("br_inp_state", "br_!inp_state"))
            head, limit = f"{name}[SCR_RING{self.random.randrange(2)}_STATUS, {label}#]", 2
        defer = self.random.randrange(limit + 1)
        self.emit(head + (f", defer[{defer}]" if defer else ""))
        for _ in range(defer):
            self.alu_line()
        for _ in range(self.random.randrange(4)):
            self.alu_line()
        self.emit(f"{label}#:")

    def alu_line(self) -> None:
        """Exactly one ALU word."""
        before = len(self.lines)
        while len(self.lines) != before + 1:
            del self.lines[before:]
            self.alu()

    def local(self) -> None:
        roll = self.random.random()
        index = self.random.randrange(2)
        if roll < 0.3:
            self.emit(f"local_csr_wr[ACTIVE_LM_ADDR_{index}, own]")
            for _ in range(self.random.randrange(5)):
                self.alu_line()
        if roll < 0.6:
            self.emit(f"alu[{self.any()}, {self.a()}, +, *l$index{index}[{self.random.randrange(8)}]]")
        elif roll < 0.8:
            self.emit(f"alu[*l$index{index}[{self.random.randrange(8)}], {self.a()}, XOR, {self.b()}]")
        else:
            self.emit(f"alu[*l$index{index}++, {self.a()}, +, {self.b()}]")
            self.emit(f"alu[{self.any()}, {self.a()}, OR, *l$index{index}--]")

    def cam(self) -> None:
        roll = self.random.random()
        if roll < 0.4:
            self.emit(f"cam_write[{self.random.randrange(16)}, {self.any()}, {self.random.randrange(16)}]")
        elif roll < 0.8:
            self.emit(f"cam_lookup[{self.any()}, {self.any()}]")
        elif roll < 0.9:
            self.emit(f"cam_read_tag[{self.any()}, {self.random.randrange(16)}]")
        else:
            self.emit(f"crc_be[crc_32, {self.any()}, {self.any()}]")

    def address(self, *, step: int, span: int) -> None:
        """``tmp`` = an address: private to the context or shared by all."""
        if self.random.random() < 0.5:
            self.emit("alu[tmp, addr, +, own]")
        else:
            self.emit(f"immed[tmp, {self.random.randrange(span) * step}]")

    def memory(self) -> None:
        target = self.random.choice(("scratch", "scratch", "sram", "sram", "sram1", "dram", "dram"))
        if target == "dram":
            self.address(step=8, span=512)
            count = self.random.randrange(1, 5)
            name = self.random.choice(("read", "write"))
            self.emit(f"dram[{name}, $$d0, tmp, {self.random.randrange(4) * 8}, {count}], sig_done[ds]")
            for _ in range(self.random.randrange(3)):
                self.alu_line()
            self.emit("ctx_arb[ds]")
            return
        self.address(step=4, span=256)
        unit = target
        if target == "sram1":
            unit = "sram"
            self.emit("immed_w1[tmp, 0x4000]")
        offset = self.random.randrange(8) * 4
        roll = self.random.random()
        signal = self.random.choice(("s1", "s2"))
        if roll < 0.7:
            name = self.random.choice(("read", "write"))
            head = f"{unit}[{name}, $x0, tmp, {offset}, {self.random.randrange(1, 9)}]"
        elif roll < 0.85:
            name = self.random.choice(("add", "set", "clr"))
            head = f"{unit}[{name}, $x{self.random.randrange(8)}, tmp, {offset}]"
        else:
            name = self.random.choice(("incr", "decr"))
            head = f"{unit}[{name}, --, tmp, {offset}]"
        if self.random.random() < 0.1:
            name = self.random.choice(("test_and_add", "test_and_set", "swap"))
            self.emit(f"{unit}[{name}, $x{self.random.randrange(8)}, tmp, {offset}], sig_done[ds]")
            self.emit("ctx_arb[ds]")
            return
        if self.random.random() < 0.6:
            defer = self.random.randrange(3)
            self.emit(f"{head}, ctx_swap[{signal}]" + (f", defer[{defer}]" if defer else ""))
            for _ in range(defer):
                self.alu_line()
        else:
            self.emit(f"{head}, sig_done[{signal}]")
            for _ in range(self.random.randrange(5)):
                self.alu_line()
            self.emit(f"ctx_arb[{signal}]")

    def ring(self) -> None:
        ring = self.random.randrange(2)
        name = self.random.choice(("get", "get", "put"))
        # contexts of two MEs together never put more than the ring holds
        self.emit(f"immed[tmp, {ring << 2}]")
        self.emit(f"scratch[{name}, $x0, tmp, 0, {self.random.randrange(1, 4)}], ctx_swap[s1]")

    def other(self) -> None:
        roll = self.random.random()
        if roll < 0.25:
            self.emit("ctx_arb[voluntary]")
        elif roll < 0.45:
            self.emit(f"local_csr_rd[{self.random.choice(_CSRS)}]")
            self.emit(f"immed[{self.any()}, 0]")
        elif roll < 0.6:
            engine, context = self.random.randrange(2), self.random.randrange(8)
            number = engine << 7 | context << 4 | 14
            self.emit(f"immed[tmp, {number}]")
            self.emit("alu[--, --, B, tmp]")
            self.emit("cap[fast_wr, alu, INTERTHREAD_SIG]")
        elif roll < 0.75:
            label = self.label()
            name = self.random.choice(("br_signal", "br_!signal"))
            self.emit(f"{name}[14, {label}#]")
            self.alu_line()
            self.emit(f"{label}#:")
        elif roll < 0.85:
            self.emit(f"local_csr_wr[SAME_ME_SIGNAL, {0x80 | 14 << 3}]")
        elif roll < 0.95:
            width = self.random.choice(("48", "64", "128"))
            keys = self.random.randrange(1, 3 if width == "128" else 4)
            self.emit(f"hash_{width}[$x0, {keys}], ctx_swap[s2]")
        else:
            self.emit(f"local_csr_wr[NEXT_NEIGHBOR_SIGNAL, {14 << 3}]")

    def feature(self) -> None:
        kinds = {
            self.neighbor: 6,
            self.multiply: 1,
            self.indexed: 2,
            self.enables: 1,
            self.timer: 1,
            self.random_number: 1,
            self.other_context: 2,
            self.plain_csr: 1,
            self.reflector: 3,
            self.chassis: 3,
            self.queue: 5,
        }
        self.random.choices(list(kinds), weights=list(kinds.values()))[0]()

    def program(self, steps: int, rounds: int, features: float) -> str:
        if self.four_contexts:
            self.emit(".num_contexts 4")
        self.emit(_HEAD)
        for register in ("a0", "a1", "a2", "a3", "b0", "b1", "b2", "b3"):
            self.emit(f"immed[{register}, {self.random.randrange(65536)}, <<{self.random.choice((0, 8, 16))}]")
        self.emit(f"immed[n, {rounds}]")
        self.emit("again#:")
        kinds = (self.alu, self.branch, self.local, self.cam, self.memory, self.ring, self.other)
        for _ in range(steps):
            if self.random.random() < features:
                self.feature()
            else:
                self.random.choices(kinds, weights=(6, 4, 3, 2, 6, 1, 2))[0]()
        self.emit("alu[n, n, -, 1]")
        self.emit("bne[again#]")
        self.emit("ctx_arb[kill]")
        return "\n".join(self.lines) + "\n"


def random_source(
    seed: int,
    *,
    engine: int = 0,
    steps: int = 25,
    rounds: int = 3,
    peers: Sequence[int] = (0,),
    features: float = 0.0,
    four_contexts: bool = False,
) -> str:
    """Source text of a random program; the same arguments give the same text.

    Parameters:
        engine: which of the programs of a seed.
        peers: MEs (0..7) that reflector commands go to.
        features: share of the steps that go beyond private instructions and plain memory commands.
        four_contexts: for an ME in that mode.
    """
    generator = _Generator(seed * 8 + engine, peers=peers, four_contexts=four_contexts)
    return generator.program(steps, rounds, features)


def random_program(seed: int, *, engine: int = 0, **arguments: Any) -> list[int]:
    """Words of a random program; arguments as for :func:`random_source`."""
    source = random_source(seed, engine=engine, **arguments)
    # a branch may lead into the middle of a multiplication, which the assembler would refuse
    parsed = parse(".unchecked\n" + source, defines={}, include_dirs=[], name=f"random-{seed}-{engine}")
    return list(assemble(parsed, locations={}).words)
