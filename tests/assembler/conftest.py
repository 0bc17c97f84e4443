"""Short ways to assemble a text and to see what became of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ixp_emu import isa
from ixp_emu.assembler import Program, assemble, parse
from ixp_emu.errors import InputError


@pytest.fixture
def assembled() -> Callable[..., Program]:
    """Assembles a text; keywords ``defines`` and ``include_dirs`` go to ``parse``, others to ``assemble``."""

    def run(text: str, **keywords: Any) -> Program:
        parsing = {key: keywords.pop(key) for key in ("defines", "include_dirs", "name") if key in keywords}
        return assemble(parse(text + "\n", **{"name": "t.uc", **parsing}), **keywords)

    return run


@pytest.fixture
def listing(assembled: Callable[..., Program]) -> Callable[..., list[str]]:
    """The words of an assembled text, each in source form."""

    def run(text: str, **keywords: Any) -> list[str]:
        program = assembled(text, **keywords)
        return [isa.format_instruction(isa.decode(word, contexts=program.contexts)) for word in program.words]

    return run


@pytest.fixture
def refused(assembled: Callable[..., Program]) -> Callable[..., str]:
    """The message of the InputError a text raises."""

    def run(text: str, **keywords: Any) -> str:
        with pytest.raises(InputError) as caught:
            assembled(text, **keywords)
        return str(caught.value)

    return run


class Machine:
    """Executes decoded words of one context, for programs of few kinds of instruction.

    Memory answers at once. What the hardware leaves to the program is checked: a wait finds all its signals set, a
    local-memory index is used three instructions after it was set, an indirect command follows an ALU instruction.
    Longwords of the memories are in ``memory[target, address]``; an SRAM address keeps its channel bits.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.code = [isa.decode(word, contexts=program.contexts) for word in program.words]
        self.general: dict[tuple[object, ...], int] = {}
        self.pulled: dict[tuple[isa.RegisterKind, int | None], int] = {}  # write half
        self.pushed: dict[tuple[isa.RegisterKind, int | None], int] = {}  # read half
        self.memory: dict[tuple[str, int], int] = {}
        self.local = [0] * 640
        self.index = [0, 0]
        self.index_set = [-9, -9]
        self.signals: set[int] = set()
        self.taken = False
        self.result = 0
        self.flags = (False, False, False, False)
        self.steps = 0
        self.trace: list[str] = []

    def set(self, name: str, value: int) -> None:
        """Gives a general register its first value; a name the program does not use has no register."""
        if name not in self.program.registers:
            return
        register = self.program.registers[name][0]
        self.general[isa.RegisterKind.GPR, isa.Bank(register.file), register.number] = value

    def get(self, name: str, element: int = 0) -> int:
        """Value of a register at the end: the read half of a transfer register."""
        register = self.program.registers[name][element]
        kinds = {"$": isa.RegisterKind.SRAM, "$$": isa.RegisterKind.DRAM}
        if register.file in kinds:
            return self.pushed[kinds[register.file], register.number]
        return self.general[isa.RegisterKind.GPR, isa.Bank(register.file), register.number]

    def run(self, limit: int = 500) -> Machine:
        position = 0
        while self.steps < limit:
            instruction = self.code[position]
            self.trace.append(instruction.operation.name)
            self.steps += 1
            name = instruction.operation.name
            if name == "ctx_arb.bpt":
                return self
            target = self._execute(name, instruction)
            position = position + 1 if target is None else target
        raise AssertionError("the program does not halt")

    def _execute(self, name: str, instruction: isa.Instruction) -> int | None:
        family = name.split(".")[0]
        if family in ("alu", "alu_shf"):
            self._alu(name.split(".")[1], instruction)
        elif family.startswith("immed"):
            self._immed(name, instruction)
        elif family == "br":
            return instruction.target.address if instruction.target and self._holds(name[3:], instruction) else None
        elif name == "ctx_arb":
            assert set(instruction.signals) <= self.signals, "waits for a signal nobody sends"
            self.signals -= {signal for signal in instruction.signals if isinstance(signal, int)}
        elif family == "local_csr_wr":
            number = (isa.LOCAL_CSRS["ACTIVE_LM_ADDR_0"].address, isa.LOCAL_CSRS["ACTIVE_LM_ADDR_1"].address).index(
                instruction.csr
            )
            source = next(op for op in instruction.operands.values())
            self.index[number], self.index_set[number] = self._read(source) // 4, self.steps
        elif family in ("scratch", "sram", "dram"):
            self._command(family, name.split(".")[1], instruction)
        else:
            assert name == "nop", name
        return None

    def _alu(self, operator: str, instruction: isa.Instruction) -> None:
        left = self._read(instruction.operands.get("left", isa.NULL))
        right = self._read(instruction.operands.get("right", isa.NULL))
        if instruction.shift is not None:
            kind, amount = instruction.shift.kind, instruction.shift.amount
            assert kind in ("<<", ">>")
            right = right << amount & 0xFFFFFFFF if kind == "<<" else right >> amount
        exact = {
            "b": right,
            "add": left + right,
            "sub": left - right,
            "and": left & right,
            "or": left | right,
            "xor": left ^ right,
        }[operator]
        self.result = exact & 0xFFFFFFFF

        def signed(value: int) -> int:
            return value - (1 << 32) if value >> 31 else value

        true_value = {"add": signed(left) + signed(right), "sub": signed(left) - signed(right)}.get(operator)
        overflow = true_value is not None and true_value != signed(self.result)
        carry = left >= right if operator == "sub" else exact >> 32 != 0
        self.flags = (bool(self.result >> 31), self.result == 0, carry, overflow)
        self._write(instruction.operands["dst"], self.result)

    def _immed(self, name: str, instruction: isa.Instruction) -> None:
        value = instruction.operands["value"].value  # type: ignore[union-attr]
        if name == "immed_w1":
            self._write(instruction.operands["dst"], self._read(instruction.operands["dst"]) & 0xFFFF | value << 16)
            return
        assert name == "immed", name
        value <<= instruction.shift.amount if instruction.shift is not None else 0
        self._write(instruction.operands["dst"], value ^ 0xFFFFFFFF if instruction.invert else value)

    def _holds(self, condition: str, instruction: isa.Instruction) -> bool:
        negative, zero, carry, overflow = self.flags
        if condition.startswith("bit_"):
            bit = self._read(instruction.operands["register"]) >> instruction.bit & 1
            return bit == (condition == "bit_set")
        if condition.endswith("byte"):
            byte = self._read(instruction.operands["register"]) >> 8 * instruction.byte & 0xFF
            equal = byte == instruction.operands["value"].value  # type: ignore[union-attr]
            return equal != condition.startswith("not_")
        return {
            "always": True,
            "eq": zero,
            "ne": not zero,
            "cs": carry,
            "cc": not carry,
            "ge": negative == overflow,
            "lt": negative != overflow,
            "gt": not zero and negative == overflow,
            "le": zero or negative != overflow,
        }[condition]

    def _command(self, target: str, verb: str, instruction: isa.Instruction) -> None:
        address = sum(self._read(instruction.operands[role]) for role in ("address1", "address2"))
        xfer = instruction.operands["xfer"]
        assert isinstance(xfer, isa.Register) and xfer.number is not None
        mask = 0xFF
        if instruction.indirect_ref:
            assert self.trace[-2].startswith("alu"), "indirect_ref takes the result of an ALU instruction"
            assert self.result >> 20 == 1 and self.result & 0xFFF == 0
            mask = self.result >> 12 & 0xFF
        words = instruction.count * (2 if target == "dram" else 1) if verb != "add" else 1
        assert address % (8 if target == "dram" else 4) == 0
        for word in range(words):
            place, register = (target, address + 4 * word), (xfer.kind, xfer.number + word)
            if verb == "read":
                self.pushed[register] = self.memory.get(place, 0)
            elif verb == "add":
                self.memory[place] = self.memory.get(place, 0) + self.pulled[register] & 0xFFFFFFFF
            elif mask >> 4 * (word % 2) & 15 == 15:  # bit n is the byte at address + n
                self.memory[place] = self.pulled[register]
        assert isinstance(instruction.signal, int)
        doubled = {instruction.signal, instruction.signal + 1} if target == "dram" else {instruction.signal}
        if instruction.signal_action == "sig_done":
            self.signals |= doubled
        else:
            assert instruction.signal_action == "ctx_swap" and target != "dram"

    def _read(self, operand: object) -> int:
        if isinstance(operand, isa.Immediate):
            return operand.value
        assert isinstance(operand, isa.Register)
        if operand.kind in (isa.RegisterKind.SRAM, isa.RegisterKind.DRAM):
            return self.pushed[operand.kind, operand.number]
        if operand.kind in (isa.RegisterKind.LOCAL_MEMORY_0, isa.RegisterKind.LOCAL_MEMORY_1):
            return self.local[self._local(operand)]
        return 0 if operand.kind is isa.RegisterKind.NULL else self.general[operand.kind, operand.bank, operand.number]

    def _write(self, operand: object, value: int) -> None:
        assert isinstance(operand, isa.Register)
        if operand.kind in (isa.RegisterKind.SRAM, isa.RegisterKind.DRAM):
            self.pulled[operand.kind, operand.number] = value
        elif operand.kind in (isa.RegisterKind.LOCAL_MEMORY_0, isa.RegisterKind.LOCAL_MEMORY_1):
            self.local[self._local(operand)] = value
        elif operand.kind is not isa.RegisterKind.NULL:
            self.general[operand.kind, operand.bank, operand.number] = value

    def _local(self, operand: isa.Register) -> int:
        number = 0 if operand.kind is isa.RegisterKind.LOCAL_MEMORY_0 else 1
        assert self.steps - self.index_set[number] > 3, "LM_ADDR is used before it takes effect"
        position = self.index[number] | operand.offset
        self.index[number] += operand.step
        return position


@pytest.fixture
def machine() -> type[Machine]:
    """A small machine that executes assembled words."""
    return Machine
