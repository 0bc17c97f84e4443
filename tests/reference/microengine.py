"""One microengine, one instruction per step."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from ixp_emu.chip.hardware import Hardware

from .alu import FLAG_CONDITIONS, ConditionCodes
from .cam import Cam
from .commands import Command
from .context import ANY, SIGNALS, VOLUNTARY, Context
from .csr import LocalCsrs, Timestamp
from .datapath import DATAPATH
from .decode import decode
from .dispatch import awaited_signals, command_of
from .faults import FaultError
from .neighbor import NeighborRing
from .operands import Operands
from .words import Instruction

__all__ = ["Context", "Microengine"]

_NN_EMPTY, _NN_FULL, _FCI_NOT_EMPTY, _FCI_FULL = 0, 1, 14, 15  # input states; 2 to 13 are ring flags


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
        self.neighbor = NeighborRing()
        self.local_memory = [0] * 640
        self.cam = Cam()
        self.cc = ConditionCodes()
        self.last_result = 0
        self.last_left = 0
        self.crc_remainder = 0
        self.t_index = 0
        self.byte_index = 0
        self.global_lm_addr = [0, 0]
        self.align_previous = 0
        self.mul_sum = 0
        self.contexts = [Context() for _ in range(8)]
        self.operands = Operands(self)
        self.csrs = LocalCsrs(self, prn_polynomial=hardware["me.prn_polynomial"])
        self.fifo: deque[Command] = deque()
        self.fifo_depth = hardware["command.fifo_depth"]
        self.executing = self.aborted = self.stalled = self.idle = 0
        self.instructions = [0] * 8
        # Wired by the chip.
        self.all_engines: Sequence[Microengine]
        self.timestamp: Timestamp
        self.schedule: Callable[[int, Callable[[], None]], None]
        self.ring_flag: Callable[[int, int], bool]
        # Control flow.
        self.time = 0
        self.current: int | None = None
        self.last_context: int | None = None  # the one that left
        self.csr_read: int | None = None  # what a local_csr_rd directly before has read
        self.csr_coming: int | None = None
        self._defer_left = 0
        self._abort_left = 0
        self._after_defer: Callable[[], None] | None = None
        self._words: list[int] = []
        self._decoded: dict[tuple[int, bool], Instruction] = {}

    # ------------------------------------------------------------------ from outside

    @property
    def four_contexts(self) -> bool:
        return bool(self.ctx_enables >> 31)

    @property
    def executing_context(self) -> int:
        assert self.current is not None
        return self.current

    def load(self, words: Sequence[int], *, contexts: int, entry: int) -> None:
        """Put a program into the control store and enable ``contexts`` (mask), ready at ``entry``."""
        self._words = list(words)
        self._decoded.clear()
        self.loaded = True
        if self.four_contexts:
            contexts &= 0x55
        self.ctx_enables = self.ctx_enables & ~0xFF00 | contexts << 8
        for context in self.contexts:
            context.pc = context.entry = entry
            context.wakeup = VOLUNTARY

    def set_signals(self, context: int, mask: int) -> None:
        self.contexts[context].signals |= mask & SIGNALS

    def transfer_out(self, kind: str, number: int, n: int) -> list[int]:
        registers = self.sram_out if kind == "sram" else self.dram_out
        return [registers[(number + i) % 128] for i in range(n)]

    def write_transfer_in(self, kind: str, number: int, values: Sequence[int]) -> None:
        registers = self.sram_in if kind == "sram" else self.dram_in
        for i, value in enumerate(values):
            registers[(number + i) % 128] = value

    # ------------------------------------------------------------------ the next neighbour

    @property
    def self_mode(self) -> bool:
        return bool(self.ctx_enables >> 20 & 1)

    def _following(self) -> Microengine | None:
        """The next ME in neighbour order."""
        return self.all_engines[self.number + 1] if self.number < 7 else None

    def _target_ring(self) -> NeighborRing | None:
        if self.self_mode:
            return self.neighbor
        following = self._following()
        return None if following is None else following.neighbor

    def _landing(self) -> int:
        name = "neighbor.self_latency" if self.self_mode else "neighbor.register_latency"
        return self.time + self._hardware[name]

    def write_neighbor(self, number: int, value: int) -> None:
        """Write register ``number`` of the target; lost without one."""
        ring = self._target_ring()
        if ring is not None:
            self.schedule(self._landing(), lambda: ring.land(number, value))

    def put_neighbor(self, value: int) -> None:
        ring = self._target_ring()
        if ring is not None:
            ring.announce_put()
            self.schedule(self._landing(), lambda: ring.land_put(value))

    def send_neighbor(self, context: int, mask: int, step: int) -> None:
        """A signal to the next (``step`` 1) or the previous (-1) ME."""
        number = self.number + step
        if 0 <= number < 8:
            neighbor = self.all_engines[number]
            time = self.time + self._hardware["neighbor.signal_latency"]
            self.schedule(time, lambda: neighbor.set_signals(context, mask))

    def lm_addr_copy(self, index: int) -> list[int]:
        """The pair of indices of which the executing context uses number ``index``."""
        if self.ctx_enables >> 16 + index & 1:
            return self.global_lm_addr
        return self.contexts[self.executing_context].lm_addr

    # ------------------------------------------------------------------ one cycle

    def step(self, now: int) -> None:
        """Phase 3 of cycle ``now``."""
        self.time = now
        self.csrs.begin_cycle(now)
        if self._abort_left and not self._defer_left:
            self._abort_left -= 1
            self.aborted += 1
            return
        if self.current is None and not self._choose():
            self.idle += 1
            return
        context = self.contexts[self.executing_context]
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
        number = self.executing_context
        self.csr_read, self.csr_coming = self.csr_coming, None
        if instruction.kind in DATAPATH:
            DATAPATH[instruction.kind](self, instruction)
        else:
            _CONTROL[instruction.kind](self, instruction)
        self.operands.post_modify()
        self.executing += 1
        self.instructions[number] += 1
        context.pc += 1
        if in_shadow:
            self._defer_left -= 1
        if self._defer_left == 0 and self._after_defer is not None:
            after, self._after_defer = self._after_defer, None
            after()

    def _choose(self) -> bool:
        """Try the contexts round robin, beginning after the one that left, at reset with context 0."""
        first = 0 if self.last_context is None else self.last_context + 1
        for offset in range(8):
            number = (first + offset) % 8
            context = self.contexts[number]
            if not self.ctx_enables >> 8 + number & 1 or (self.four_contexts and number % 2):
                continue
            if not context.satisfied():
                continue
            if not context.wakeup & ANY:
                context.signals &= ~(context.wakeup & SIGNALS)
            context.entry = context.pc
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

    # ------------------------------------------------------------------ branches and swaps

    def _take(self, instruction: Instruction, target: int) -> None:
        """A taken branch: its defer slots issue, the rest of the shadow is aborted, then the target issues."""
        self._enter_shadow(instruction)
        context = self.contexts[self.executing_context]

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
        number = self.executing_context
        context = self.contexts[number]
        if wakeup is not None:
            context.wakeup = wakeup

        def leave() -> None:
            if resume is not None:
                context.pc = resume
            self.last_context = number
            self.current = None

        self._after_defer = leave

    def _branch(self, instruction: Instruction) -> None:
        condition, parameter = instruction.op, instruction.parameter
        context = self.contexts[self.executing_context]
        if condition == "always":
            taken = True
        elif condition in ("=ctx", "!=ctx"):
            taken = (self.executing_context == parameter) == (condition == "=ctx")
        elif condition in ("signal", "!signal"):
            is_set = bool(context.signals & SIGNALS & 1 << parameter)
            taken = is_set == (condition == "signal")
        elif condition in ("inp_state", "!inp_state"):
            taken = self._input_state(parameter) == (condition == "inp_state")
        else:
            taken = FLAG_CONDITIONS[condition](self.cc)
        if taken:
            self._take(instruction, instruction.target)
        if condition in ("signal", "!signal"):
            context.signals &= ~(1 << parameter)

    def _input_state(self, state: int) -> bool:
        if state == _NN_EMPTY:
            return self.neighbor.used() <= self.ctx_enables >> 18 & 3
        if state == _NN_FULL:
            ring = self._target_ring()
            return ring is not None and ring.full(self._hardware["neighbor.full_margin"])
        if state in (_FCI_NOT_EMPTY, _FCI_FULL):
            return False
        return self.ring_flag(state - 2, self.time)

    def _branch_bit(self, instruction: Instruction) -> None:
        is_set = bool(self.operands.read(instruction.left) >> instruction.parameter & 1)
        if is_set == (instruction.op == "bset"):
            self._take(instruction, instruction.target)

    def _branch_byte(self, instruction: Instruction) -> None:
        byte = self.operands.read(instruction.left) >> 8 * instruction.parameter & 0xFF
        if (byte == instruction.value) == (instruction.op == "=byte"):
            self._take(instruction, instruction.target)

    def _jump(self, instruction: Instruction) -> None:
        self._take(instruction, instruction.target + self.operands.read(instruction.left) & 0x1FFF)

    def _ctx_arb(self, instruction: Instruction) -> None:
        if instruction.op == "halt":
            raise FaultError("halt", "ctx_arb[bpt]")
        wakeup = None if instruction.keep_mask else instruction.mask
        self._leave(instruction, wakeup, instruction.target if instruction.has_target else None)

    def _command(self, instruction: Instruction) -> None:
        command = command_of(self, instruction)
        if instruction.swap:
            self._leave(instruction, awaited_signals(instruction), None)
        self.fifo.append(command)


_CONTROL: dict[str, Callable[[Microengine, Instruction], None]] = {
    "branch": Microengine._branch,
    "branch_bit": Microengine._branch_bit,
    "branch_byte": Microengine._branch_byte,
    "jump": Microengine._jump,
    "ctx_arb": Microengine._ctx_arb,
    "command": Microengine._command,
}
