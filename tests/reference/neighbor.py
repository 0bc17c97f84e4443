"""Next neighbour registers and their ring."""

from __future__ import annotations

__all__ = ["NeighborRing"]

_REGISTERS = 128


class NeighborRing:
    """The 128 registers of one ME: written by its neighbour, or by itself in self mode, and read by the ME.

    ``put`` and ``get`` are NN_PUT and NN_GET in effect. ``ahead_put`` and ``ahead_get`` run ahead of them: they count a
    put when it is issued, a get when it is read, and a CSR write at once; NN_FULL compares these.
    """

    def __init__(self) -> None:
        self.registers = [0] * _REGISTERS
        self.put = self.get = 0
        self.ahead_put = self.ahead_get = 0

    def used(self) -> int:
        return (self.put - self.get) % _REGISTERS

    def full(self, margin: int) -> bool:
        return (self.ahead_put - self.ahead_get) % _REGISTERS >= _REGISTERS - margin

    def read(self, number: int) -> int:
        return self.registers[number % _REGISTERS]

    def consume(self) -> None:
        """``*n$index++`` was read."""
        self.get = (self.get + 1) % _REGISTERS
        self.ahead_get = (self.ahead_get + 1) % _REGISTERS

    def announce_put(self) -> None:
        """A put was issued; :meth:`land_put` follows."""
        self.ahead_put = (self.ahead_put + 1) % _REGISTERS

    def land_put(self, value: int) -> None:
        self.registers[self.put] = value
        self.put = (self.put + 1) % _REGISTERS

    def land(self, number: int, value: int) -> None:
        self.registers[number % _REGISTERS] = value
