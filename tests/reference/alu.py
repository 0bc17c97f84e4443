"""Condition codes and the operations of the ALU classes, on Python integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["ADDITIONS", "FLAG_CONDITIONS", "LOGIC", "ConditionCodes"]

_MASK = 0xFFFFFFFF


@dataclass(slots=True)
class ConditionCodes:
    n: int = 0
    z: int = 0
    c: int = 0
    v: int = 0


# Operands and carry in of what is added; a subtraction adds the complement.
ADDITIONS: dict[str, Callable[[int, int, int], tuple[int, int, int]]] = {
    "+": lambda a, b, c: (a, b, 0),
    "+16": lambda a, b, c: (a, b & 0xFFFF, 0),
    "+8": lambda a, b, c: (a, b & 0xFF, 0),
    "+carry": lambda a, b, c: (a, b, c),
    "-": lambda a, b, c: (a, b ^ _MASK, 1),
    "-carry": lambda a, b, c: (a, b ^ _MASK, c),
    "B-A": lambda a, b, c: (b, a ^ _MASK, 1),
}

LOGIC: dict[str, Callable[[int, int], int]] = {
    "B": lambda a, b: b,
    "~B": lambda a, b: ~b,
    "AND": lambda a, b: a & b,
    "~AND": lambda a, b: ~a & b,
    "AND~": lambda a, b: a & ~b,
    "OR": lambda a, b: a | b,
    "XOR": lambda a, b: a ^ b,
    "ffs": lambda a, b: (b & -b).bit_length() - 1 if b else 0,
    "pop_count3": lambda a, b: b.bit_count(),
}

FLAG_CONDITIONS: dict[str, Callable[[ConditionCodes], bool]] = {
    "eq": lambda cc: cc.z == 1,
    "ne": lambda cc: cc.z == 0,
    "mi": lambda cc: cc.n == 1,
    "pl": lambda cc: cc.n == 0,
    "cs": lambda cc: cc.c == 1,
    "cc": lambda cc: cc.c == 0,
    "vs": lambda cc: cc.v == 1,
    "vc": lambda cc: cc.v == 0,
    "ge": lambda cc: cc.n == cc.v,
    "lt": lambda cc: cc.n != cc.v,
    "gt": lambda cc: cc.z == 0 and cc.n == cc.v,
    "le": lambda cc: cc.z == 1 or cc.n != cc.v,
}
