"""Source lines for random programs that use what goes beyond private instructions and the plain memory commands."""

from __future__ import annotations

import random
from collections.abc import Sequence

__all__ = ["LINKS", "RING_REGIONS", "Features", "descriptor_words", "link_words"]

# Longword addresses in each SRAM channel that no plain command of a random program of cluster 0 touches.
DESCRIPTORS = 704
LINKS = range(768, 1024)
RING_REGIONS = (1024, 1536)
LIST_ENTRIES, RING_ENTRIES = range(4), range(4, 8)

_STEPS = {"24x8": 1, "16x16": 2, "32x32": 4}
_CONTEXT_CSRS = (
    "INDIRECT_CTX_STS",
    "INDIRECT_CTX_SIG_EVENTS",
    "INDIRECT_CTX_WAKEUP_EVENTS",
    "INDIRECT_CTX_FUTURE_COUNT",
    "INDIRECT_LM_ADDR_0",
    "INDIRECT_LM_ADDR_1",
    "INDIRECT_LM_ADDR_0_BYTE_INDEX",
    "INDIRECT_LM_ADDR_1_BYTE_INDEX",
    "INDIRECT_FUTURE_COUNT_SIGNAL",
)
_ENABLE_BITS = (16, 17, 18, 19, 20, 20, 20, 30, 8, 9, 10, 11, 12, 13, 14, 15)


def link_words(pattern: random.Random) -> list[int]:
    """A longword for each of :data:`LINKS`: another of them, some with end of packet or cells."""
    return [
        pattern.choice(LINKS) | pattern.choice((0, 0, 1 << 31)) | pattern.choice((0, 0, 0, 1, 2)) << 24 for _ in LINKS
    ]


def descriptor_words(pattern: random.Random) -> list[int]:
    """Head, tail, count for each Q_array entry 0..7: linked lists, then rings of 512 longwords, some with contents."""
    words: list[int] = []
    for entry in (*LIST_ENTRIES, *RING_ENTRIES):
        if entry in LIST_ENTRIES:
            words += [pattern.choice(LINKS), pattern.choice(LINKS), pattern.randrange(4)]
        else:
            start, count = pattern.randrange(512), pattern.choice((0, 1, 60))
            words += [RING_REGIONS[entry % 2] + start, (start + count) % 512, count]
    return words


class Features:
    """Mixed into the generator, which provides ``emit``, ``a``, ``b``, ``any``, ``alu_line`` and ``label``."""

    random: random.Random
    peers: Sequence[int]
    four_contexts: bool

    def emit(self, line: str) -> None:
        raise NotImplementedError

    def a(self) -> str:
        raise NotImplementedError

    def b(self) -> str:
        raise NotImplementedError

    def any(self) -> str:
        raise NotImplementedError

    def alu_line(self) -> None:
        raise NotImplementedError

    def label(self) -> str:
        raise NotImplementedError

    def some_lines(self, most: int) -> None:
        for _ in range(self.random.randrange(most + 1)):
            self.alu_line()

    def command(self, text: str, signal: str = "s1") -> None:
        """A command that is waited for: by a swap, or later."""
        if self.random.random() < 0.6:
            self.emit(f"{text}, ctx_swap[{signal}]")
        else:
            self.emit(f"{text}, sig_done[{signal}]")
            self.some_lines(4)
            self.emit(f"ctx_arb[{signal}]")

    # ------------------------------------------------------------------ next neighbours

    def neighbor(self) -> None:
        roll = self.random.random()
        if roll < 0.35:
            for _ in range(self.random.randrange(1, 4)):
                self.emit(f"alu[*n$index++, {self.a()}, +, {self.b()}]")
        elif roll < 0.45:
            label = self.label()
            self.emit(f"br_inp_state[NN_FULL, {label}#]")
            self.emit(f"alu_shf[*n$index++, {self.a()}, OR, {self.b()}, <<{self.random.randrange(1, 32)}]")
            self.emit(f"{label}#:")
        elif roll < 0.6:
            label = self.label()
            self.emit(f"br_inp_state[NN_EMPTY, {label}#]")
            self.emit(f"alu[{self.any()}, {self.a()}, XOR, *n$index++]")
            self.emit(f"{label}#:")
        elif roll < 0.7:
            self.emit(f"alu[{self.any()}, {self.a()}, +, *n$index{self.random.choice(('', '++'))}]")
        elif roll < 0.78:
            self.emit(f"alu[n${self.random.randrange(16)}, {self.a()}, -, {self.b()}]")
        elif roll < 0.86:
            self.emit(f"alu[{self.any()}, {self.a()}, XOR, n${self.random.randrange(16)}]")
        elif roll < 0.92:
            name = self.random.choice(("NN_PUT", "NN_GET"))
            self.emit(f"local_csr_wr[{name}, {self.random.randrange(128)}]")
            self.some_lines(4)
        elif roll < 0.97:
            self.emit(f"local_csr_rd[{self.random.choice(('NN_PUT', 'NN_GET'))}]")
            self.emit(f"immed[{self.any()}, 0]")
        else:
            label = self.label()
            self.emit(f"br_!inp_state[{self.random.choice(('FCI_FULL', 'FCI_NOT_EMPTY'))}, {label}#]")
            self.alu_line()
            self.emit(f"{label}#:")

    # ------------------------------------------------------------------ multiplier, T_INDEX

    def multiply(self) -> None:
        kind = self.random.choice(tuple(_STEPS))
        left, right = self.a(), self.b()
        self.emit(f"mul_step[{left}, {right}], 24x8_start")
        for step in range(self.random.randrange(_STEPS[kind]) + 1):
            self.emit(f"mul_step[{left}, {right}], {kind}_step{step + 1}")
            if self.random.random() < 0.2:
                self.alu_line()
        target = self.random.choice((self.any(), f"$x{self.random.randrange(8)}"))
        self.emit(f"mul_step[{target}, --], {kind}_last")
        if kind != "24x8":
            self.emit(f"mul_step[{self.any()}, --], {'32x16' if kind == '16x16' else kind}_last2")

    def indexed(self) -> None:
        self.emit(f"immed[tmp, {self.random.randrange(128) * 4 + self.random.randrange(4)}]")
        self.emit(f"local_csr_wr[{self.random.choice(('T_INDEX', 'T_INDEX_BYTE_INDEX'))}, tmp]")
        self.some_lines(4)
        for _ in range(self.random.randrange(1, 4)):
            kind, step = self.random.choice(("$", "$$")), self.random.choice(("", "++", "--"))
            if self.random.random() < 0.5:
                self.emit(f"alu[*{kind}index{step}, {self.a()}, +, {self.b()}]")
            else:
                self.emit(f"alu[{self.any()}, {self.a()}, OR, *{kind}index{step}]")

    # ------------------------------------------------------------------ local CSRs

    def enables(self) -> None:
        """Turn one bit of CTX_ENABLES; the mode only in an even context."""
        self.emit("local_csr_rd[CTX_ENABLES]")
        self.emit("immed[tmp, 0]")
        bit = self.random.choice(_ENABLE_BITS)
        if self.random.random() < 0.1:
            label = self.label()
            self.emit(f"br_bset[ctx, 0, {label}#]")
            self.emit("immed[keep, 0x8000, <<16]")
            self.emit("alu[tmp, keep, XOR, tmp]")
            self.emit("local_csr_wr[CTX_ENABLES, tmp]")
            self.emit(f"{label}#:")
            return
        self.emit(f"immed[keep, {1 << bit % 16}{', <<16' if bit > 15 else ''}]")
        self.emit("alu[tmp, keep, XOR, tmp]")
        self.emit("local_csr_wr[CTX_ENABLES, tmp]")

    def timer(self) -> None:
        self.emit("local_csr_rd[TIMESTAMP_LOW]")
        self.emit("immed[tmp, 0]")
        self.emit(f"alu[tmp, --, B, tmp]\nalu[keep, {self.random.randrange(2, 5)}, +, tmp]")
        self.emit("local_csr_wr[ACTIVE_FUTURE_COUNT_SIGNAL, 8]")
        self.emit("local_csr_wr[ACTIVE_CTX_FUTURE_COUNT, keep]")
        self.some_lines(3)
        self.emit("ctx_arb[ft]")

    def random_number(self) -> None:
        if self.random.random() < 0.3:
            self.emit(f"local_csr_wr[PSEUDO_RANDOM_NUMBER, {self.any()}]")
        else:
            self.emit("local_csr_rd[PSEUDO_RANDOM_NUMBER]")
            self.emit(f"immed[{self.any()}, 0]")

    def other_context(self) -> None:
        """CSRs of another context, or of the executing one."""
        self.emit(f"local_csr_wr[CSR_CTX_POINTER, {self.random.randrange(8)}]")
        roll = self.random.random()
        if roll < 0.5:
            self.emit(f"local_csr_rd[{self.random.choice(_CONTEXT_CSRS)}]")
            self.emit(f"immed[{self.any()}, 0]")
        elif roll < 0.65:
            name = f"INDIRECT_LM_ADDR_{self.random.randrange(2)}{self.random.choice(('', '_BYTE_INDEX'))}"
            self.emit(f"local_csr_wr[{name}, own]")
            self.some_lines(4)
        elif roll < 0.75:
            signals = 1 << 14 | self.random.choice((0, 1 << 1, 1 << 2, 3 << 4, 1 << 8))
            self.emit(f"immed[tmp, {signals}]")
            self.emit("local_csr_wr[INDIRECT_CTX_SIG_EVENTS, tmp]")
        elif roll < 0.85:
            self.emit(f"immed[tmp, {self.random.choice((1, 1 << 1, 1 << 2, 3 << 4, 1 << 14))}]")
            if self.random.random() < 0.3:
                self.emit("immed_w1[tmp, 1]")
            self.emit("local_csr_wr[INDIRECT_CTX_WAKEUP_EVENTS, tmp]")
        elif roll < 0.9:
            self.emit("load_addr[tmp, again#]")
            self.emit("local_csr_wr[INDIRECT_CTX_STS, tmp]")
        else:
            self.emit("local_csr_wr[INDIRECT_FUTURE_COUNT_SIGNAL, 14]")
            self.emit("local_csr_rd[TIMESTAMP_LOW]")
            self.emit("immed[tmp, 0]")
            self.emit("alu[keep, 3, +, tmp]")
            self.emit("local_csr_wr[INDIRECT_CTX_FUTURE_COUNT, keep]")

    def plain_csr(self) -> None:
        name = self.random.choice(("CTX_ARB_CNTL", "ALU_OUT", "CC_ENABLE", "LOCAL_CSR_STATUS", "TIMESTAMP_HIGH"))
        if self.random.random() < 0.3:
            self.emit(f"local_csr_wr[{name}, {self.any()}]")
        self.emit(f"local_csr_rd[{name}]")
        self.emit(f"immed[{self.any()}, 0]")

    # ------------------------------------------------------------------ reflector, PCI, CAP

    def reflector(self) -> None:
        peer = self.random.choice(self.peers)
        me_id = peer % 4 + 0x10 * (peer // 4)
        name, count = self.random.choice(("read", "write")), self.random.randrange(1, 5)
        place = f"{self.random.randrange(16)}, {me_id}, {self.random.randrange(8)}, {count}"
        register = f"$x{self.random.randrange(4)}"
        to = self.random.choice(("sig_initiator", "sig_both", "sig_remote"))
        if to == "sig_remote":
            self.emit(f"cap[{name}, {register}, {place}], {to}, sig_done[r14]")
            self.some_lines(3)
        else:
            self.command(f"cap[{name}, {register}, {place}], {to}")

    def chassis(self) -> None:
        roll = self.random.random()
        if roll < 0.3:
            name, count = self.random.choice(("read", "write")), self.random.randrange(1, 6)
            self.emit(f"immed[tmp, {self.random.randrange(64) * 4}]")
            self.command(f"pci[{name}, $x0, tmp, {self.random.randrange(4) * 4}, {count}]")
        elif roll < 0.5:
            name = self.random.choice(("THREAD_MESSAGE", "SELF_DESTRUCT_0", "SELF_DESTRUCT_1"))
            self.command(f"cap[{self.random.choice(('read', 'write'))}, $x{self.random.randrange(8)}, {name}]")
        elif roll < 0.6:
            # base 10,240, 128 longwords, the flag of either kind
            self.emit(f"immed[$x1, {self.random.choice((0, 0x400))}, <<16]")
            self.emit(f"immed[$x0, {10_240}]")
            self.command(f"cap[write, $x{self.random.choice((0, 0, 1))}, SCRATCH_RING_BASE_5]")
        elif roll < 0.75:
            self.command(
                f"cap[write, $x{self.random.randrange(4)}, SCRATCH_RING_{self.random.choice(('HEAD', 'TAIL'))}_5]"
            )
        elif roll < 0.85:
            self.emit("immed[tmp, 0x4850]")
            self.command(f"cap[read, $x0, tmp, {self.random.randrange(2) * 4}, {self.random.randrange(1, 3)}]")
        elif roll < 0.95:
            self.emit(f"immed[tmp, {5 << 2}]")
            self.command(f"scratch[get, $x0, tmp, 0, {self.random.randrange(1, 6)}]")
        else:
            label = self.label()
            self.emit(f"br_inp_state[SCR_RING5_STATUS, {label}#]")
            self.alu_line()
            self.emit(f"{label}#:")

    # ------------------------------------------------------------------ SRAM queue hardware

    def queue_address(self, entry: int, place: int) -> None:
        """``tmp`` = an address word; the longword address is below 2^16."""
        channel = self.random.randrange(2)
        self.emit(f"immed[tmp, {place}]")
        self.emit(f"immed_w1[tmp, {channel << 14 | entry << 8}]")

    def queue(self) -> None:
        roll = self.random.random()
        register = f"$x{self.random.randrange(4)}"
        if roll < 0.3:
            self.queue_address(self.random.choice(LIST_ENTRIES), self.random.choice(LINKS))
            name = self.random.choice(("enqueue", "enqueue", "enqueue", "enqueue_tail"))
            if self.random.random() < 0.3:
                self.emit(f"sram[{name}, --, tmp, 0]")
            else:
                self.command(f"sram[{name}, --, tmp, 0]")
        elif roll < 0.55:
            self.queue_address(self.random.choice(LIST_ENTRIES), 0)
            self.command(f"sram[dequeue, {register}, tmp, 0]")
        elif roll < 0.7:
            self.queue_address(self.random.choice(RING_ENTRIES), 0)
            name, count = self.random.choice(("get", "get", "put", "journal")), self.random.randrange(1, 5)
            self.command(f"sram[{name}, {register}, tmp, 0, {count}]")
        elif roll < 0.75:
            self.queue_address(self.random.choice(RING_ENTRIES), self.random.randrange(1 << 16))
            self.command("sram[fast_journal, --, tmp, 0]")
        elif roll < 0.95:
            entry = self.random.choice((*LIST_ENTRIES, *RING_ENTRIES))
            self.queue_address(entry, DESCRIPTORS + 3 * entry)
            self.descriptor(register)
        else:
            self.emit(f"immed[tmp, {self.random.randrange(4) * 4}]")
            self.command(f"sram[{self.random.choice(('csr_wr', 'csr_rd'))}, {register}, tmp, 0]")

    def descriptor(self, register: str) -> None:
        """Load, store, or both halves of a load of the descriptor at ``tmp``."""
        roll = self.random.random()
        if roll < 0.3:
            name = self.random.choice(("wr_qdesc", "wr_qdesc_count"))
            self.command(f"sram[{name}, --, tmp, 0]")
        elif roll < 0.4:
            self.command("sram[rd_qdesc_other, --, tmp, 0]")
        else:
            name = self.random.choice(("rd_qdesc_head", "rd_qdesc_tail"))
            self.command(f"sram[{name}, {register}, tmp, 0, {self.random.randrange(1, 5)}]")
            if self.random.random() < 0.8:
                self.command("sram[rd_qdesc_other, --, tmp, 0]", "s2")
