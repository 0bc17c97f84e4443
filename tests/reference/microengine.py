"""One microengine, one instruction per step."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ixp_emu.chip.hardware import Hardware

from .alu import ADDITIONS, FLAG_CONDITIONS, LOGIC, ConditionCodes
from .cam import Cam
from .commands import Command
from .crc import crc_step
from .decode import Instruction, Operand, decode
from .faults import FaultError

__all__ = ["Context", "Microengine"]

_MASK = 0xFFFFFFFF

# Local CSRs with a behaviour; all others hold what was written.
CTX_ENABLES = 0x018
ACTIVE_CTX_STS = 0x044
ACTIVE_CTX_SIG_EVENTS = 0x04C
ACTIVE_CTX_WAKEUP_EVENTS = 0x054
ACTIVE_LM_ADDR = (0x064, 0x06C)
BYTE_INDEX = 0x070
T_INDEX = 0x074
TIMESTAMP_LOW = 0x0C0
TIMESTAMP_HIGH = 0x0C4
ACTIVE_LM_ADDR_BYTE_INDEX = (0x0E4, 0x0EC)
T_INDEX_BYTE_INDEX = 0x0F4
NEXT_NEIGHBOR_SIGNAL = 0x100
PREV_NEIGHBOR_SIGNAL = 0x104
SAME_ME_SIGNAL = 0x108
CRC_REMAINDER = 0x140
PROFILE_COUNT = 0x144

_VOLUNTARY = 1
_ANY = 1 << 16
_SIGNALS = 0xFFFE
_INDEX_WRITE_DELAY = 4  # cycles from the write of an index CSR to the first instruction that sees it


@dataclass(slots=True)
class Context:
    """``pc``: address of the next instruction; ``signals``: bit s is signal s; ``wakeup``: the WAKEUP_EVENTS mask."""

    pc: int = 0
    signals: int = 0
    wakeup: int = _VOLUNTARY
    lm_addr: list[int] = field(default_factory=lambda: [0, 0])
    state: str = "inactive"  # inactive, sleeping, executing

    def satisfied(self) -> bool:
        if self.wakeup & _VOLUNTARY:
            return True
        listed = self.wakeup & _SIGNALS
        if self.wakeup & _ANY:
            return bool(self.signals & listed)
        return self.signals & listed == listed


@dataclass(slots=True)
class _PendingIndex:
    """A write to an index register that is not yet in effect."""

    effective: int
    register: str  # lm_addr, t_index, byte_index
    value: int
    context: int = 0
    index: int = 0


class Microengine:
    """One ME; ``number`` is 0..7 (cluster = number // 4)."""

    def __init__(self, hardware: Hardware, number: int, *, four_contexts: bool) -> None:
        self._hardware = hardware
        self.number = number
        self.cluster = number // 4
        self.loaded = False
        self.ctx_enables = 1 << 31 if four_contexts else 0
        self.gpr_a = [0] * 128
        self.gpr_b = [0] * 128
        self.sram_in = [0] * 128
        self.sram_out = [0] * 128
        self.dram_in = [0] * 128
        self.dram_out = [0] * 128
        self.local_memory = [0] * 640
        self.cam = Cam()
        self.cc = ConditionCodes()
        self.last_result = 0
        self.last_left = 0
        self.crc_remainder = 0
        self.t_index = 0
        self.byte_index = 0
        self.align_previous = 0
        self.product = 0
        self.csr: dict[int, int] = {}
        self.contexts = [Context() for _ in range(8)]
        self.fifo: deque[Command] = deque()
        self.fifo_depth = hardware["command.fifo_depth"]
        self.executing = self.aborted = self.stalled = self.idle = 0
        self.instructions = [0] * 8
        # Wired by the chip.
        self.send_neighbor: Callable[[int, int, int, int], None]
        self.ring_flag: Callable[[int, int], bool]
        # Control flow.
        self.current: int | None = None
        self._last_context = 7  # so that context 0 is tried first
        self._defer_left = 0
        self._abort_left = 0
        self._after_defer: Callable[[], None] | None = None
        self._pending: list[_PendingIndex] = []
        self._csr_read: int | None = None
        self._next_pc = 0
        self._time = 0
        self._modified: dict[tuple[str, int], int] = {}
        self._words: list[int] = []
        self._decoded: dict[tuple[int, bool], Instruction] = {}

    # ------------------------------------------------------------------ from outside

    @property
    def four_contexts(self) -> bool:
        return bool(self.ctx_enables >> 31)

    def load(self, words: Sequence[int], *, contexts: int, entry: int) -> None:
        """Put a program into the control store and enable ``contexts`` (mask), ready at ``entry``."""
        self._words = list(words)
        self._decoded.clear()
        self.loaded = True
        if self.four_contexts:
            contexts &= 0x55
        self.ctx_enables = self.ctx_enables & ~0xFF00 | contexts << 8
        for number, context in enumerate(self.contexts):
            context.pc = entry
            context.wakeup = _VOLUNTARY
            context.state = "sleeping" if contexts >> number & 1 else "inactive"

    def set_signals(self, context: int, mask: int) -> None:
        self.contexts[context].signals |= mask & _SIGNALS

    def transfer_out(self, kind: str, number: int, n: int) -> list[int]:
        registers = self.sram_out if kind == "sram" else self.dram_out
        return [registers[(number + i) % 128] for i in range(n)]

    def write_transfer_in(self, kind: str, number: int, values: Sequence[int]) -> None:
        registers = self.sram_in if kind == "sram" else self.dram_in
        for i, value in enumerate(values):
            registers[(number + i) % 128] = value

    # ------------------------------------------------------------------ one cycle

    def step(self, now: int) -> None:
        """Phase 3 of cycle ``now``."""
        self._time = now
        self._apply_index_writes(now)
        if self._abort_left and not self._defer_left:
            self._abort_left -= 1
            self.aborted += 1
            return
        if self.current is None and not self._choose():
            self.idle += 1
            return
        assert self.current is not None
        context = self.contexts[self.current]
        try:
            instruction = self._fetch(context.pc)
            if instruction.kind == "command" and len(self.fifo) >= self.fifo_depth:
                self.stalled += 1
                return
            self._issue(instruction, context)
        except FaultError as error:
            error.me, error.pc = self.number, context.pc
            raise

    def _issue(self, instruction: Instruction, context: Context) -> None:
        in_shadow = self._defer_left > 0
        number = self.current
        assert number is not None
        read_value, self._csr_read = self._csr_read, None
        self._modified = {}
        if instruction.kind == "immed":
            self._immed(instruction, read_value)
        else:
            _EXECUTE[instruction.kind](self, instruction)
        self._post_modify()
        self.executing += 1
        self.instructions[number] += 1
        context.pc += 1
        if in_shadow:
            self._defer_left -= 1
        if self._defer_left == 0 and self._after_defer is not None:
            after, self._after_defer = self._after_defer, None
            after()

    def _apply_index_writes(self, now: int) -> None:
        while self._pending and self._pending[0].effective <= now:
            write = self._pending.pop(0)
            if write.register == "lm_addr":
                self.contexts[write.context].lm_addr[write.index] = write.value
            elif write.register == "t_index":
                self.t_index = write.value
            else:
                self.byte_index = write.value

    def _write_index(self, register: str, value: int, *, index: int = 0) -> None:
        self._pending.append(
            _PendingIndex(self._time + _INDEX_WRITE_DELAY, register, value, self._context_number(), index)
        )

    def _context_number(self) -> int:
        assert self.current is not None
        return self.current

    def _choose(self) -> bool:
        """Try the contexts round robin, beginning after the one that left."""
        for offset in range(1, 9):
            number = (self._last_context + offset) % 8
            context = self.contexts[number]
            if not self.ctx_enables >> 8 + number & 1 or (self.four_contexts and number % 2):
                continue
            if not context.satisfied():
                continue
            if not context.wakeup & _ANY:
                context.signals &= ~(context.wakeup & _SIGNALS)
            context.state = "executing"
            self.current = number
            return True
        return False

    def _fetch(self, pc: int) -> Instruction:
        if pc >= len(self._words):
            raise FaultError("pc above program", f"address {pc} in a program of {len(self._words)} words")
        key = pc, self.four_contexts
        if key not in self._decoded:
            self._decoded[key] = decode(self._words[pc], four_contexts=self.four_contexts)
        return self._decoded[key]

    # ------------------------------------------------------------------ operands

    def _physical(self, number: int) -> int:
        context = self._context_number()
        return context // 2 * 32 + number if self.four_contexts else context * 16 + number

    def _lm_word(self, operand: Operand) -> int:
        address = self.contexts[self._context_number()].lm_addr[operand.index] >> 2 | operand.number
        if address >= 640:
            raise FaultError("local memory", f"word address {address}, there are 640")
        return address

    def _read(self, operand: Operand) -> int:
        kind, number = operand.kind, operand.number
        if operand.modify:
            self._modified["lm" if kind == "lm" else "t", operand.index] = operand.modify
        if kind == "immediate":
            return number
        if kind == "none":
            return 0
        if kind == "gpr_a":
            return self.gpr_a[self._physical(number)]
        if kind == "gpr_b":
            return self.gpr_b[self._physical(number)]
        if kind == "absolute_a":
            return self.gpr_a[number]
        if kind == "absolute_b":
            return self.gpr_b[number]
        if kind == "sram":
            return self.sram_in[self._physical(number)]
        if kind == "dram":
            return self.dram_in[self._physical(number)]
        if kind == "sram_index":
            return self.sram_in[self.t_index >> 2]
        if kind == "dram_index":
            return self.dram_in[self.t_index >> 2]
        if kind == "lm":
            return self.local_memory[self._lm_word(operand)]
        raise FaultError("not modelled", "next neighbour registers")

    def _check_destination(self, operand: Operand) -> None:
        """Raise what a write would raise, before anything has changed."""
        if operand.kind == "lm":
            self._lm_word(operand)
        elif operand.kind == "neighbor":
            raise FaultError("not modelled", "next neighbour registers")

    def _write(self, operand: Operand, value: int) -> None:
        kind, number = operand.kind, operand.number
        if operand.modify:
            self._modified["lm" if kind == "lm" else "t", operand.index] = operand.modify
        if kind == "gpr_a":
            self.gpr_a[self._physical(number)] = value
        elif kind == "gpr_b":
            self.gpr_b[self._physical(number)] = value
        elif kind == "absolute_a":
            self.gpr_a[number] = value
        elif kind == "absolute_b":
            self.gpr_b[number] = value
        elif kind == "sram":
            self.sram_out[self._physical(number)] = value
        elif kind == "dram":
            self.dram_out[self._physical(number)] = value
        elif kind == "sram_index":
            self.sram_out[self.t_index >> 2] = value
        elif kind == "dram_index":
            self.dram_out[self.t_index >> 2] = value
        elif kind == "lm":
            self.local_memory[self._lm_word(operand)] = value

    def _post_modify(self) -> None:
        for (register, index), step in self._modified.items():
            if register == "lm":
                lm_addr = self.contexts[self._context_number()].lm_addr
                lm_addr[index] = lm_addr[index] + 4 * step & 0xFFC
            else:
                self.t_index = self.t_index + 4 * step & 0x1FC

    def _set_nz(self, result: int) -> None:
        self.cc.n, self.cc.z = result >> 31, int(result == 0)

    # ------------------------------------------------------------------ ALU classes

    def _alu(self, instruction: Instruction) -> None:
        op = instruction.op
        left, right = self._read(instruction.left), self._read(instruction.right)
        self._check_destination(instruction.destination)
        self.last_left = left
        if op in ("pop_count1", "pop_count2"):
            return
        if op in ADDITIONS:
            a, b, carry = ADDITIONS[op](left, right, self.cc.c)
            total = a + b + carry
            result = total & _MASK
            self.cc.c = total >> 32
            self.cc.v = ((a ^ result) & (b ^ result)) >> 31
        else:
            result = LOGIC[op](left, right) & _MASK
            self.cc.c = self.cc.v = 0
        self._set_nz(result)
        self.last_result = result
        self._write(instruction.destination, result)

    def _shift(self, instruction: Instruction, value: int) -> int:
        """Rotate or shift by the coded amount, or, amount 0, by the last A operand."""
        amount = instruction.amount
        if instruction.shift == "rotate":
            return (value >> amount | value << (32 - amount)) & _MASK
        if instruction.shift == "left":
            return value << (32 - amount if amount else self.last_left & 31) & _MASK
        return value >> (amount or self.last_left & 31)

    def _alu_shf(self, instruction: Instruction) -> None:
        op = instruction.op
        left, right = self._read(instruction.left), self._read(instruction.right)
        self._check_destination(instruction.destination)
        if op == "byte_align_be":
            result = (self.align_previous << 32 | right) >> (32 - 8 * self.byte_index) & _MASK
            self.align_previous = right
        elif op == "byte_align_le":
            result = (left << 32 | self.align_previous) >> 8 * self.byte_index & _MASK
            self.align_previous = left
        elif op == "asr":
            signed = right | (self.last_result >> 31) * (_MASK << 32)
            result = self._shift(instruction, signed) & _MASK
        elif instruction.shift == "double":
            result = self._shift(instruction, left << 32 | right) & _MASK
        else:
            result = LOGIC[op](left, self._shift(instruction, right)) & _MASK
        self.last_left = left
        self._set_nz(result)
        self.cc.c = self.cc.v = 0
        self.last_result = result
        self._write(instruction.destination, result)

    def _ld_field(self, instruction: Instruction) -> None:
        source = self._shift(instruction, self._read(instruction.right))
        self._check_destination(instruction.destination)
        kept = 0 if instruction.clear else self._read(instruction.destination)
        mask = sum(0xFF << 8 * byte for byte in range(4) if instruction.mask >> byte & 1)
        result = kept & ~mask | source & mask
        if instruction.load_cc:
            self._set_nz(result)
            self.cc.c = self.cc.v = 0
        self.last_result = result
        self._write(instruction.destination, result)

    def _immed(self, instruction: Instruction, read_value: int | None) -> None:
        destination = instruction.destination
        self._check_destination(destination)
        if instruction.op == "all":
            result = instruction.value << 8 * instruction.position
            if instruction.invert:
                result ^= _MASK
            if read_value is not None:
                result = read_value
        else:
            shift = 8 * instruction.position
            mask = (0xFF if instruction.op == "byte" else 0xFFFF) << shift
            inserted = instruction.value << shift
            if instruction.invert:
                inserted = ~inserted
            result = self._read(destination) & ~mask | inserted & mask
        self.last_result = result
        self._write(destination, result)

    def _mul_step(self, instruction: Instruction) -> None:
        """Each step adds the product with the next byte of the right operand; the hidden sum has 64 bits."""
        if instruction.op in ("last", "last2"):
            self._check_destination(instruction.destination)
            self._write(instruction.destination, self.product >> (32 if instruction.op == "last2" else 0) & _MASK)
            return
        left, right = self._read(instruction.left), self._read(instruction.right)
        if instruction.op == "start":
            self.product = 0
            return
        shift = 8 * (int(instruction.op[4:]) - 1)
        self.product += left * (right >> shift & 0xFF) << shift

    def _cam(self, instruction: Instruction) -> None:
        op = instruction.op
        if op == "cam_clear":
            self.cam.clear()
            return
        left, right = self._read(instruction.left), self._read(instruction.right)
        self._check_destination(instruction.destination)
        if op == "cam_write":
            self.cam.write(right & 15, left, instruction.value)
            return
        if op == "cam_write_state":
            self.cam.states[right & 15] = instruction.value
            return
        if op == "cam_lookup":
            result, entry = self.cam.lookup(left)
            selected = instruction.constants["lm_addr"]
            if selected:
                self._write_index("lm_addr", instruction.constants["value"] << 10 | entry << 6, index=selected - 1)
        elif op == "cam_read_tag":
            result = self.cam.tags[right & 15]
        else:
            result = self.cam.states[right & 15] << 8
        self.last_result = result
        self._write(instruction.destination, result)

    def _crc(self, instruction: Instruction) -> None:
        value = self._read(instruction.right)
        self._check_destination(instruction.destination)
        self.crc_remainder = crc_step(self.crc_remainder, value, **instruction.constants)
        self.last_result = value
        self._write(instruction.destination, value)

    # ------------------------------------------------------------------ branches and swaps

    def _take(self, instruction: Instruction, target: int) -> None:
        """A taken branch: its defer slots issue, the rest of the shadow is aborted, then the target issues."""
        self._enter_shadow(instruction)
        context = self.contexts[self._context_number()]

        def arrive() -> None:
            context.pc = target

        self._after_defer = arrive

    def _enter_shadow(self, instruction: Instruction) -> None:
        if self._defer_left:
            raise FaultError("branch in a shadow", "a taken branch or swap in the defer slot of another")
        self._defer_left = instruction.defer
        self._abort_left = instruction.shadow - instruction.defer

    def _leave(self, instruction: Instruction, wakeup: int | None, resume: int | None) -> None:
        """A swap: the context waits from now on and leaves after its defer slots."""
        self._enter_shadow(instruction)
        number = self._context_number()
        context = self.contexts[number]
        if wakeup is not None:
            context.wakeup = wakeup
        context.state = "sleeping"

        def leave() -> None:
            if resume is not None:
                context.pc = resume
            self._last_context = number
            self.current = None

        self._after_defer = leave

    def _branch(self, instruction: Instruction) -> None:
        condition, parameter = instruction.op, instruction.parameter
        context = self.contexts[self._context_number()]
        if condition == "always":
            taken = True
        elif condition in ("=ctx", "!=ctx"):
            taken = (self._context_number() == parameter) == (condition == "=ctx")
        elif condition in ("signal", "!signal"):
            is_set = bool(context.signals & _SIGNALS & 1 << parameter)
            taken = is_set == (condition == "signal")
        elif condition in ("inp_state", "!inp_state"):
            if not 2 <= parameter <= 13:
                raise FaultError("not modelled", f"input state {parameter}")
            taken = self.ring_flag(parameter - 2, self._time) == (condition == "inp_state")
        else:
            taken = FLAG_CONDITIONS[condition](self.cc)
        if taken:
            self._take(instruction, instruction.target)
        if condition in ("signal", "!signal"):
            context.signals &= ~(1 << parameter)

    def _branch_bit(self, instruction: Instruction) -> None:
        is_set = bool(self._read(instruction.left) >> instruction.parameter & 1)
        if is_set == (instruction.op == "bset"):
            self._take(instruction, instruction.target)

    def _branch_byte(self, instruction: Instruction) -> None:
        byte = self._read(instruction.left) >> 8 * instruction.parameter & 0xFF
        if (byte == instruction.value) == (instruction.op == "=byte"):
            self._take(instruction, instruction.target)

    def _jump(self, instruction: Instruction) -> None:
        self._take(instruction, instruction.target + self._read(instruction.left) & 0x1FFF)

    def _ctx_arb(self, instruction: Instruction) -> None:
        if instruction.op == "halt":
            raise FaultError("halt", "ctx_arb[bpt]")
        wakeup = None if instruction.keep_mask else instruction.mask
        self._leave(instruction, wakeup, instruction.target if instruction.has_target else None)

    # ------------------------------------------------------------------ local CSRs

    def _csr_read_instruction(self, instruction: Instruction) -> None:
        self._csr_read = self._csr_value(instruction.csr)

    def _csr_value(self, csr: int) -> int:
        number = self._context_number()
        context = self.contexts[number]
        if csr == CTX_ENABLES:
            return self.ctx_enables
        if csr == ACTIVE_CTX_STS:
            return 1 << 31 | self.cluster << 7 | self.number % 4 << 3 | number
        if csr == ACTIVE_CTX_SIG_EVENTS:
            return context.signals
        if csr == ACTIVE_CTX_WAKEUP_EVENTS:
            return context.wakeup
        if csr in ACTIVE_LM_ADDR:
            return context.lm_addr[ACTIVE_LM_ADDR.index(csr)]
        if csr in ACTIVE_LM_ADDR_BYTE_INDEX:
            return context.lm_addr[ACTIVE_LM_ADDR_BYTE_INDEX.index(csr)] | self.byte_index
        if csr == T_INDEX:
            return self.t_index
        if csr == BYTE_INDEX:
            return self.byte_index
        if csr == T_INDEX_BYTE_INDEX:
            return self.t_index | self.byte_index
        if csr == TIMESTAMP_LOW:
            return self._time >> 4 & _MASK
        if csr == TIMESTAMP_HIGH:
            return self._time >> 36 & _MASK
        if csr == CRC_REMAINDER:
            return self.crc_remainder
        if csr == PROFILE_COUNT:
            return self._time & 0xFFFF
        return self.csr.get(csr, 0)

    def _csr_write(self, instruction: Instruction) -> None:
        csr, value = instruction.csr, self._read(instruction.left)
        number = self._context_number()
        context = self.contexts[number]
        if csr == CTX_ENABLES:
            self.ctx_enables = value
            for other, enabled in enumerate(self.contexts):
                if other != number:
                    enabled.state = "sleeping" if value >> 8 + other & 1 else "inactive"
        elif csr == ACTIVE_CTX_SIG_EVENTS:
            context.signals = value & _SIGNALS
        elif csr == ACTIVE_CTX_WAKEUP_EVENTS:
            context.wakeup = value & (_ANY | _SIGNALS | _VOLUNTARY)
        elif csr in ACTIVE_LM_ADDR:
            self._write_index("lm_addr", value & 0xFFC, index=ACTIVE_LM_ADDR.index(csr))
        elif csr in ACTIVE_LM_ADDR_BYTE_INDEX:
            self._write_index("lm_addr", value & 0xFFC, index=ACTIVE_LM_ADDR_BYTE_INDEX.index(csr))
            self._write_index("byte_index", value & 3)
        elif csr == T_INDEX:
            self._write_index("t_index", value & 0x1FC)
        elif csr == BYTE_INDEX:
            self._write_index("byte_index", value & 3)
        elif csr == T_INDEX_BYTE_INDEX:
            self._write_index("t_index", value & 0x1FC)
            self._write_index("byte_index", value & 3)
        elif csr in (NEXT_NEIGHBOR_SIGNAL, PREV_NEIGHBOR_SIGNAL, SAME_ME_SIGNAL):
            self._send_signal(csr, value)
        elif csr == CRC_REMAINDER:
            self.crc_remainder = value
        else:
            self.csr[csr] = value

    def _send_signal(self, csr: int, value: int) -> None:
        following = (self._context_number() + (2 if self.four_contexts else 1)) % 8
        number = following if value & 0x80 else value & 7
        mask = 1 << (value >> 3 & 15) & _SIGNALS
        if csr == SAME_ME_SIGNAL:
            self.set_signals(number, mask)
        else:
            neighbor = self.number + (1 if csr == NEXT_NEIGHBOR_SIGNAL else -1)
            self.send_neighbor(neighbor, number, mask, self._time)

    # ------------------------------------------------------------------ commands

    def _command(self, instruction: Instruction) -> None:
        address = self._read(instruction.left) + self._read(instruction.right) & _MASK
        op, signal = instruction.op, instruction.signal
        signals = 1 << signal & _SIGNALS
        early = 0
        awaited = signals
        if instruction.doubled and signal:
            awaited |= 2 << signal
            if instruction.unit == "dram":
                signals = awaited
            else:
                early = 2 << signal
        unit = instruction.unit
        if unit == "sram":
            unit = "sram1" if address >> 30 & 1 else "sram0"
            address &= 0x3FFFFFFF
        command = Command(
            me=self,
            context=self._context_number(),
            pc=self.contexts[self._context_number()].pc,
            unit=unit,
            op=op,
            address=address,
            count=instruction.count,
            transfer_kind=instruction.transfer_kind,
            transfer=self._physical(instruction.transfer),
            issued=self._time,
            pulls=instruction.pulls,
            returns_data=instruction.returns_data,
            signals=signals,
            early_signals=early,
        )
        if op.startswith("cap"):
            command.address = instruction.csr
            if op == "cap_fast_wr":
                command.data = [instruction.constants.get("data", self.last_result)]
        if instruction.indirect:
            self._override(command)
        elif op in ("rbuf_rd", "tbuf_wr"):
            raise FaultError("not modelled", f"dram[{op}] without a buffer address by indirect_ref")
        if instruction.swap:
            self._leave(instruction, awaited, None)
        self.fifo.append(command)

    def _override(self, command: Command) -> None:
        """indirect_ref: the last ALU result replaces fields of the command."""
        word = self.last_result
        if word >> 25 & 1 and command.op in _COUNTED:
            command.count = (word >> 21 & 15) + 1
        if word >> 20 & 1 and command.unit == "dram" and command.op == "write":
            command.byte_mask = word >> 12 & 0xFF
        if command.op in ("rbuf_rd", "tbuf_wr"):
            if not word >> 4 & 1:
                raise FaultError("not modelled", f"dram[{command.op}] without a buffer address by indirect_ref")
            command.media_address = word >> 5 & 0x3FFF


_COUNTED = frozenset(
    ("read", "write", "get", "put", "cap_read", "cap_write", "read64", "write64", "rbuf_rd", "tbuf_wr")
)


def _not_modelled(engine: Microengine, instruction: Instruction) -> None:
    raise FaultError("not modelled", instruction.op)


_EXECUTE: dict[str, Callable[[Microengine, Instruction], None]] = {
    "alu": Microengine._alu,
    "alu_shf": Microengine._alu_shf,
    "ld_field": Microengine._ld_field,
    "mul_step": Microengine._mul_step,
    "cam": Microengine._cam,
    "crc": Microengine._crc,
    "branch": Microengine._branch,
    "branch_bit": Microengine._branch_bit,
    "branch_byte": Microengine._branch_byte,
    "jump": Microengine._jump,
    "ctx_arb": Microengine._ctx_arb,
    "csr_read": Microengine._csr_read_instruction,
    "csr_write": Microengine._csr_write,
    "command": Microengine._command,
    "not_modelled": _not_modelled,
}
